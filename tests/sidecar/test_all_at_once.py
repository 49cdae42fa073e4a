"""Every problem of a file is told in one round: a key twice, single mistakes and what is at odds beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from nst_batch.config.load import parse_config
from nst_batch.errors import ProblemsError
from nst_batch.sidecar.expand import SidecarRules, parse_sidecar
from nst_batch.sidecar.folder import parse_defaults, parse_folder

PAIR = "content: a.png\nstyle: b.jpg\n"


def told(text: str, rules: SidecarRules | None = None) -> list[str]:
    """The keys of which something is told, in the order of their lines."""
    with pytest.raises(ProblemsError) as caught:
        parse_sidecar(text, "a.yaml", rules)
    return [problem.key for problem in caught.value.problems]


def test_a_key_twice_beside_all_else() -> None:
    """Of the key itself its standing there twice is enough; of all others everything is told."""
    text = (
        f"{PAIR}epocs: 3\nsave_epoch: yes\nformat: jpeg\nsize: 31\npreset: nst\ntitel: x\n"
        "init: patch\ninit: [patches]\n"
    )
    assert told(text) == ["epocs", "save_epoch", "format", "size", "preset", "titel", "init"]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("size: 31\nsize: 64\nseed: -1\n", ["size", "seed"]),
        ("size: *a\nseed: -1\n", ["size", "seed"]),
        ("size: &a 31\nseed: -1\n", ["size", "seed"]),
        ("size: !!str 3\nseed: -1\n", ["size", "seed"]),
        ("format: “jpeg”\nseed: -1\n", ["format", "seed"]),
        ("style_layers: {block1_conv1: 0, block1_conv1: 1}\nseed: -1\n", ["style_layers.block1_conv1", "seed"]),
        ("titel: a\ntitel: b\n", ["titel", "titel"]),  # once corrected it would still be no key
        ("vary: {seed: [1], seed: [x], size: [31]}\n", ["vary.seed", "vary.size.0"]),
    ],
)
def test_what_reading_finds_beside_what_the_check_finds(text: str, keys: list[str]) -> None:
    """Whatever a value is that cannot be meant so."""
    assert told(PAIR + text) == keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("content_weight: 0\nstyle_weight: 0\nepocs: 2\n", ["content_weight", "epocs"]),
        ("preset: nnst\noptimizer: lbfgs\nepochs: [1]\ntitel: a\n", ["optimizer", "epochs", "titel"]),
        ("preset: nnst\noptimizer: lbfgs\nepochs: [1]\n", ["optimizer", "epochs"]),
        ("style_weight: 0\ncontent_weight: 0\nstyle_weight: 1\nseed: x\n", ["style_weight", "seed"]),
        ("content_weight: 0\nstyle_wieght: 0\n", ["style_wieght"]),
        ("optimizer: lbfgs\npreset: nst\n", ["preset"]),
        ("epochs: [1, 1]\nscales: 3\npreset: nst\n", ["preset"]),
        ("vary: {size: [31], style_weight: [0, 1]}\ncontent_weight: 0\n", ["vary.size.0", "vary.style_weight"]),
        ("vary: {title: [x], size: [31]}\n", ["vary.title", "vary.size.0"]),
        ("vary: {seed: [1, 1], optimizer: [lbfgs]}\npreset: nnst\n", ["vary.seed.1", "vary.optimizer"]),
        ('title: "{vary}"\nseed: x\n', ["title", "seed"]),
        ('title: "{vary}"\nvari: {seed: [1]}\n', ["vari"]),
        ("path_style: c.jpg\nscales: 2\nepochs: [1]\n", ["path_style", "epochs"]),
    ],
)
def test_what_is_at_odds_beside_what_is_wrong_by_itself(text: str, keys: list[str]) -> None:
    """All of it whose own keys are sound: of a key that is told of nobody knows yet what is meant."""
    found = told(PAIR + text)
    assert sorted(found) == sorted({"style_weight" if key == "content_weight" else key for key in keys})


def test_too_many_jobs_beside_other_mistakes() -> None:
    """Alone it has a reason of its own."""
    text = f"{PAIR}vary: {{seed: [1, 2, 3]}}\n"
    assert told(f"{text}size: 31\n", SidecarRules(max_jobs=2)) == ["vary", "size"]
    with pytest.raises(ProblemsError) as caught:
        parse_sidecar(text, "a.yaml", SidecarRules(max_jobs=2))
    assert caught.value.code == "too_many_jobs"


def test_in_the_other_files() -> None:
    """Hot folders, defaults of folders and of the config keep the same promise."""
    with pytest.raises(ProblemsError) as caught:
        parse_folder(b"content: a.png\nstyle: b.png\nsize: 31\nseed: 1\nseed: 2\n", "folder.yaml", SidecarRules())
    assert [each.key for each in caught.value.problems] == ["content", "size", "seed"]
    text = "size: 31\nseed: 1\nseed: 2\noptimizer: lbfgs\npreset: nnst\n"
    with pytest.raises(ProblemsError) as caught:
        parse_defaults(text.encode(), "defaults.yaml", SidecarRules())
    assert [each.key for each in caught.value.problems] == ["size", "seed", "optimizer"]
    nested = "defaults:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    with pytest.raises(ProblemsError) as caught:
        parse_config(f"{nested}inbox: 3\n", Path("/srv/config.yaml"))
    assert [each.key for each in caught.value.problems] == [
        "defaults.size", "defaults.seed", "defaults.optimizer", "inbox",
    ]  # fmt: skip
