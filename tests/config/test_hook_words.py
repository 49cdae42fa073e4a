"""A hook is a list of words; what is written otherwise gets advice to be copied, and a missing program is told."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from nst_batch.cli import main
from nst_batch.config.load import Config, parse_config
from nst_batch.doctor import examine
from nst_batch.errors import ProblemsError


def parsed(hook: str, folder: Path = Path("/srv")) -> Config:
    return parse_config(f"hooks: {{done: {hook}}}\n", folder / "config.yaml")


def refused(hook: str) -> str:
    with pytest.raises(ProblemsError) as caught:
        parsed(hook)
    return caught.value.message


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("rm -rf x", "[rm, -rf, x]"),
        ("mail", "[mail]"),
        ("mail -s 'a job is done' ann@example.org", '[mail, -s, "a job is done", ann@example.org]'),
        ("notify 5 true - a,b {c} a: #d", '[notify, "5", "true", "-", "a,b", "{c}", "a:", "#d"]'),
        ("say ''", '[say, ""]'),
    ],
)
def test_the_advice_can_be_copied(line: str, advice: str) -> None:
    """It is the list of the words that a shell would have made of the line."""
    assert refused('"' + line.replace('"', '\\"') + '"').endswith(f"; write it as {advice}")
    assert parsed(advice).hooks.done == tuple(shlex.split(line))


def test_what_only_a_shell_understands_is_given_to_one() -> None:
    """No words of a list would do the same."""
    told = refused('"date >> $HOME/log"')
    assert told.endswith('; no shell reads it, so ask one: [sh, -c, "date >> $HOME/log"]')
    assert parsed('[sh, -c, "date >> $HOME/log"]').hooks.done == ("sh", "-c", "date >> $HOME/log")


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("5", "hooks.done: must be a list of words, each as text, not 5"),
        ("[mail, 5]", "hooks.done.1: must be text, not 5; put it in quotes"),
        ('["", x]', "hooks.done.0: must be a program's name, not ''"),
        ('"mail \'x"', "write it as [program, argument]"),
        ('["a\\0b"]', "hooks.done.0: must not hold a zero byte"),
    ],
)
def test_what_is_no_list_of_words(hook: str, told: str) -> None:
    """Each word is told by its place."""
    assert told in refused(hook)


def test_a_program_that_cannot_be_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By `check` and by `doctor`; neither ends otherwise for it, since the daemon's PATH may be another."""
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "good").write_text("#!/bin/sh\n")
    (tmp_path / "good").chmod(0o755)
    config = tmp_path / "config.yaml"
    config.write_text("hooks: {done: [nst-no-such], failed: [./plain], empty: [./good], trouble: [./gone, x]}\n")
    assert main(["check", "--no-sidecars", "--config", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines == [
        "note      hooks.done: nst-no-such is not on the PATH",
        f"note      hooks.failed: {tmp_path}/plain may not be run by this user",
        f"note      hooks.trouble: {tmp_path}/gone is not there",
    ]
    looked = examine(parse_config(config.read_text(), config))
    next(looked)
    assert [next(looked).what for _ in range(3)] == [line.partition("hooks.")[2] for line in lines]
