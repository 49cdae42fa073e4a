"""vary: a job of each combination, each with its own settings and a name that says which."""

from __future__ import annotations

import time
from pathlib import Path

import jsonschema
import pytest

from nst_batch.errors import ProblemsError
from nst_batch.sidecar.expand import JobRequest, SidecarRules, expand, parse_sidecar, sidecar_schema
from nst_batch.sidecar.filetree import DiskTree
from nst_batch.sidecar.resolver import FileResolver
from nst_batch.sidecar.settings import Patch

PAIR = "content: a.jpg\nstyle: b.jpg\n"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "c.jpg", "start.png", "deep/other.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def jobs(inbox: Path, text: str, **rules: object) -> tuple[JobRequest, ...]:
    request = parse_sidecar(text, "dusk.yaml", SidecarRules(**rules))  # type: ignore[arg-type]
    return expand(request, FileResolver(DiskTree(inbox), "", [])).jobs


def refused(text: str, **rules: object) -> ProblemsError:
    with pytest.raises(ProblemsError) as caught:
        parse_sidecar(text, "dusk.yaml", SidecarRules(**rules))  # type: ignore[arg-type]
    return caught.value


def test_each_combination_is_a_job(inbox: Path) -> None:
    """The first key outermost, named by the sidecar and the values, numbered in order."""
    found = jobs(inbox, PAIR + "vary: {style_weight: [0.5, 1, 2], color: [style, content]}\n")
    assert [job.title for job in found] == [
        "dusk style_weight=0.5 color=style", "dusk style_weight=0.5 color=content",
        "dusk style_weight=1 color=style", "dusk style_weight=1 color=content",
        "dusk style_weight=2 color=style", "dusk style_weight=2 color=content",
    ]  # fmt: skip
    assert [(job.settings.style_weight, job.settings.color) for job in found[:3]] == [
        (0.5, "style"), (0.5, "content"), (1.0, "style"),
    ]  # fmt: skip


def test_it_multiplies_a_grid(inbox: Path) -> None:
    """Contents, then styles, then what is varied; the template may say where it stands."""
    text = "content: [a.jpg, c.jpg]\nstyle: b.jpg\nvary: {seed: [0, 1]}\n"
    assert [job.title for job in jobs(inbox, text)] == ["a-b seed=0", "a-b seed=1", "c-b seed=0", "c-b seed=1"]
    titled = jobs(inbox, text + 'title: "{vary} of {content}"\n')
    assert [job.title for job in titled][:2] == ["seed=0 of a", "seed=1 of a"]
    plain = jobs(inbox, PAIR + "title: Dusk\nvary: {seed: [7]}\n")
    assert [job.title for job in plain] == ["Dusk seed=7"]


def test_a_preset_brings_its_own_values(inbox: Path) -> None:
    """What is not written comes from the preset of each combination, and defaults go before it."""
    draft, classic = jobs(inbox, PAIR + "vary: {preset: [draft, classic]}\n", defaults=Patch(seed=5))
    assert (draft.settings.scales, classic.settings.scales) == (4, 1)
    assert (draft.settings.steps_per_epoch, classic.settings.steps_per_epoch) == (5, 100)
    assert (draft.settings.seed, classic.settings.seed) == (5, 5)


def test_values_of_every_kind_have_names_that_are_file_names(inbox: Path) -> None:
    """Images by their name without folder, lists joined, true and false in words, what is long by its place."""
    text = (
        "vary:\n  init: [noise, start.png, deep/other.png]\n"
        "  style_layers: [[block1_conv1, block2_conv1], {block1_conv1: 2}, "
        "[block1_conv1, block2_conv1, block3_conv1]]\n"
        "  save_epoch: [true]\n  epochs: [[4, 1, 1]]\n"
    )
    found = jobs(inbox, PAIR + text)
    assert len(found) == 9
    assert found[0].title == "dusk init=noise style_layers=block1_conv1+block2_conv1 save_epoch=true epochs=4+1+1"
    assert "init=other style_layers=#3" in found[8].title
    assert found[7].settings.style_layers == {"block1_conv1": 2.0}
    assert [[each.role for each in job.inputs[2:]] for job in found[2:4]] == [[], ["init"]]
    assert [job.settings.init for job in found[::3]] == ["noise", "start.png", "other.png"]


def test_a_start_that_is_missing_is_waited_for(inbox: Path) -> None:
    """No job is made before each image of each combination is there."""
    request = parse_sidecar(PAIR + "vary: {init: [noise, gone.png]}\n", "dusk.yaml")
    expansion = expand(request, FileResolver(DiskTree(inbox), "", []))
    assert expansion.jobs == ()
    assert [(each.reference, each.line) for each in expansion.missing] == [("gone.png", 3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vary: 5", "line 3, vary: must be a mapping of keys, each with a list of values, not 5"),
        ("vary: {}", "not an empty one"),
        ("vary: {size: 5}", "line 3, vary.size: must be a list of values, not 5"),
        ("vary: {size: []}", "must be a list of values, not an empty one"),
        ("vary:\n  size: [64, 5]", "line 4, vary.size.1: must be a whole number of pixels"),
        ("vary: {colour: [style]}", "did you mean 'color'"),
        ("vary: {title: [a]}", "the whole sidecar's and cannot be varied; write it beside vary"),
        ("vary: {vary: [a]}", "no key that can be varied"),
        ("vary: {style: [a.jpg]}", "line 3, vary.style: style is not varied: a list"),
        ("vary: {priority: [1, 2]}", "the whole sidecar's"),
        ("vary: {seed: [1, 2, 1]}", "names 1 a second time"),
        ("seed: 3\nvary: {seed: [1]}", "line 3, seed: stands under vary as well"),
        ("vary: {color: [stile]}", "did you mean 'style'"),
        ("vary: {style_layers: [[block1_conv1, block9]]}", "VGG19 has no layer"),
        ("vary: {init: [../x.png]}", "vary.init.0"),
        (
            "vary: {content_weight: [0, 1], style_weight: [0, 1]}",
            "with content_weight=0 style_weight=0: style_weight is 0",
        ),
        ("vary: {seed: [null]}", "has no value"),
        ('title: "x {vary}"', "nothing is varied"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, said: str) -> None:
    """Each value is read as it would be beside vary, and its problem names its line and place."""
    assert said in str(refused(PAIR + text + "\n"))


def test_combinations_count_into_the_most_jobs(inbox: Path) -> None:
    """Before anything is multiplied out."""
    keys = ("seed", "steps_per_epoch", "size", "quality")
    lists = ", ".join(f"{key}: {list(range(40, 90))}" for key in keys)
    began = time.process_time()
    error = refused(PAIR + f"vary: {{{lists}}}\n")
    assert time.process_time() - began < 1
    assert error.code == "too_many_jobs"
    assert "6,250,000 combinations" in str(error)
    assert refused(PAIR + "vary: {seed: [1, 2, 3]}\n", max_jobs=2).code == "too_many_jobs"
    request = parse_sidecar(
        'content: "*.jpg"\nstyle: b.jpg\nvary: {seed: [1, 2]}\n', "d.yaml", SidecarRules(max_jobs=5)
    )
    with pytest.raises(ProblemsError, match="3 contents × 1 styles × 2 combinations"):
        expand(request, FileResolver(DiskTree(inbox), "", []))


def test_the_schema_knows_it() -> None:
    """An editor completes the keys and marks a wrong value."""
    validator = jsonschema.Draft202012Validator(sidecar_schema())
    pair = {"content": "a", "style": "b"}
    assert validator.is_valid({**pair, "vary": {"style_weight": [0.5, 1], "color": ["style"]}})
    for wrong in ({}, {"size": 64}, {"size": [5]}, {"priority": [1]}, {"sise": [64]}):
        assert not validator.is_valid({**pair, "vary": wrong}), wrong


def test_a_value_is_told_as_it_was_written() -> None:
    """And not as it was read: 1e5 is no 100000.0, True no true."""
    told = str(refused(PAIR + "vary: {seed: [1e5], quality: [True]}\nepochs: [4., 0]\nscales: +9\n"))
    for words in (
        "not 1e5; write 100000",
        "to 100, not True",
        "epochs.0: must be a whole number from 1 to 10000, not 4.;",
    ):
        assert words in told
    assert told.endswith("to 6, not +9")
