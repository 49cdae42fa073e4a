"""Keys that do not go together are told of a key that is written, with its line, and where the other one is from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nst_batch.config.load import parse_config
from nst_batch.errors import Problem, ProblemsError
from nst_batch.sidecar.expand import SidecarRules, parse_sidecar
from nst_batch.sidecar.folder import Choice, parse_defaults, parse_folder, with_defaults, with_defaults_written

PAIR = "content: a.png\nstyle: b.png\n"
NUMBERS = "write scales: 2, or as many numbers"
NOTHING = "which leaves nothing to optimise"
ONE = "give one of them a weight"


def rules(defaults: str = "") -> SidecarRules:
    return parse_config(f"defaults: {{{defaults}}}\n", Path("/srv/config.yaml")).sidecar_rules()


def wrong(text: str, defaults: str = "") -> str:
    with pytest.raises(ProblemsError) as caught:
        parse_sidecar(PAIR + text, "a.yaml", rules(defaults))
    (problem,) = caught.value.problems
    assert isinstance(problem, Problem)
    return str(problem)


@pytest.mark.parametrize(
    ("text", "defaults", "told"),
    [
        (
            "style_weight: 0\ncontent_weight: 0\n",
            "",
            f"line 3, style_weight: is 0 and so is content_weight, {NOTHING} (content_weight: line 4); {ONE}",
        ),
        (
            "content_weight: 0\n",
            "style_weight: 0",
            f"line 3, content_weight: is 0 and so is style_weight, {NOTHING} (style_weight: from the"
            f" defaults); {ONE}",
        ),
        (
            "epochs: [1, 2]\nscales: 4\n",
            "",
            f"line 3, epochs: has a number for each of 2 scales, and scales is 4 (scales: line 4); {NUMBERS}",
        ),
        (
            "scales: 4\n",
            "epochs: [1, 2]",
            f"line 3, scales: is 4, and epochs has a number for each of 2 scales (epochs: from the"
            f" defaults); {NUMBERS}",
        ),
        (
            "preset: nnst\n",
            "optimizer: lbfgs",
            "line 3, preset: is nnst, which wants optimizer adam, and that is lbfgs (optimizer: from"
            " the defaults); write optimizer: adam",
        ),
        (
            "content_weight: 0\nvary: {style_weight: [0, 1]}\n",
            "",
            f"line 4, vary.style_weight: with style_weight=0: style_weight is 0 and so is"
            f" content_weight, {NOTHING} (content_weight: line 3); {ONE}",
        ),
        (
            "vary: {seed: [1], scales: [2, 3]}\nepochs: [1, 2]\n",
            "",
            f"line 4, epochs: with seed=1 scales=3: epochs has a number for each of 2 scales, and"
            f" scales is 3 (scales: line 3); {NUMBERS}",
        ),
        (
            "epochs: [1, 1, 1, 1, 1, 1, 1]\npreset: draft\n",
            "",
            "line 3, epochs: has 7 numbers, and preset draft takes 1 to 6, one for each scale (preset: line 4); write 1"
            " to 6 numbers",
        ),
        (
            "epochs: [1, 1, 1, 1, 1, 1, 1]\nscales: 6\n",
            "",
            "line 3, epochs: has 7 numbers, and preset fine takes 1 to 6, one for each scale (preset: from the"
            " defaults); write 1 to 6 numbers",
        ),
        (
            "preset: nnst\n",
            "epochs: [5]",
            "line 3, preset: is nnst, which takes 2 to 7 numbers, one for each scale and one for the closing one, and"
            " epochs has 1 (epochs: from the defaults); write 2 to 7 numbers",
        ),
    ],
)  # fmt: skip
def test_it_names_what_is_written(text: str, defaults: str, told: str) -> None:
    """Of a combination its words as well."""
    assert wrong(text, defaults) == told


@pytest.mark.parametrize(("numbers", "preset", "scales"), [(6, "fine", 6), (7, "nnst", 6), (2, "nnst", 1)])
def test_the_most_and_fewest_numbers_of_epochs(numbers: int, preset: str, scales: int) -> None:
    """One for each scale; nnst takes one more, for its closing scale."""
    asked = parse_sidecar(f"{PAIR}epochs: {[1] * numbers}\npreset: {preset}\n", "a.yaml", rules())
    assert asked.settings.scales == scales


def test_in_the_defaults_themselves() -> None:
    """Of config.yaml and of a folder, whose other half may lie further out."""
    with pytest.raises(ProblemsError) as caught:
        rules("style_weight: 0, content_weight: 0")
    assert "line 1, defaults.style_weight: is 0 and so is content_weight" in caught.value.message
    with pytest.raises(ProblemsError) as caught:
        parse_defaults(b"size: 64\noptimizer: lbfgs\n", "defaults.yaml", rules("preset: nnst"))
    assert "line 2, optimizer: must be adam with preset nnst (preset: from the defaults)" in caught.value.message


def test_a_limit_below_every_priority() -> None:
    """Where nothing else is written it is the limit that is told."""
    with pytest.raises(ProblemsError) as caught:
        parse_config("limits:\n  max_priority: -1\n", Path("/srv/config.yaml"))
    assert "line 2, limits.max_priority: is -1, and a sidecar without a priority has 0" in caught.value.message


def test_a_list_may_stand_in_the_defaults() -> None:
    """Such as the epochs of each scale: it was refused as soon as a sidecar asked for it."""
    asked = parse_sidecar(PAIR, "a.yaml", rules("epochs: [4, 2, 1]"))
    assert (asked.settings.epochs, asked.settings.scales) == ((4, 2, 1), 3)
    folder = parse_defaults(b"epochs: [4, 2]\n", "defaults.yaml", SidecarRules())
    assert parse_sidecar(PAIR, "a.yaml", with_defaults(SidecarRules(), [folder])).settings.epochs == (4, 2)


@pytest.mark.parametrize(
    ("sidecar", "nearest", "farther", "config", "epochs", "scales"),
    [
        ("epochs: [2, 2]", "", "", "scales: 1", (2, 2), 2),
        ("epochs: [2, 2]", "scales: 1", "", "", (2, 2), 2),
        ("", "epochs: [2, 2]", "scales: 1", "", (2, 2), 2),
        ("", "", "epochs: [2, 2]", "scales: 1", (2, 2), 2),
        ("epochs: [2]", "epochs: [2, 2, 2]", "scales: 3", "scales: 4", (2,), 1),
        ("vary: {epochs: [[2, 2]]}", "scales: 1", "", "scales: 3", (2, 2), 2),
        ("epochs: 3", "epochs: [2, 2]", "", "scales: 1", 3, 1),  # the list counts for nothing
        ("epochs: 3", "scales: 1", "", "scales: 2", 3, 1),
        ("scales: 2\nepochs: [2, 2]", "scales: 1", "", "", (2, 2), 2),
    ],
)
def test_a_list_of_epochs_sets_scales_over_defaults_further_out(
    sidecar: str, nearest: str, farther: str, config: str, epochs: object, scales: int
) -> None:
    """In whatever file it stands; and so it does where the sidecar goes with what folders gave written out."""
    base = rules(config)
    files = [parse_defaults(f"{text}\n".encode(), "defaults.yaml", base) for text in (farther, nearest)]
    asked = parse_sidecar(PAIR + sidecar, "a.yaml", with_defaults(base, files))
    assert (asked.settings.epochs, asked.settings.scales) == (epochs, scales)
    alone = parse_sidecar(json.dumps(with_defaults_written(asked.parsed, files)), "a.yaml", base)
    assert alone.settings == asked.settings
    folder = parse_folder(f"style: b.png\n{sidecar}\n".encode(), "folder.yaml", with_defaults(base, files), files)
    photograph = parse_sidecar(folder.sidecar("a.png", [Choice(("b.png",), "")], False), "a.yaml", base)
    assert photograph.settings == asked.settings


def test_a_list_of_epochs_and_scales_of_one_source() -> None:
    """One of them is wrong, and nobody can say which."""
    assert "epochs: has a number for each of 2 scales" in wrong("epochs: [2, 2]\nscales: 1\n", "scales: 2")
    with pytest.raises(ProblemsError, match=r"defaults.epochs: has a number for each of 2 scales"):
        rules("epochs: [2, 2], scales: 1")
