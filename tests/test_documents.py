"""What README.md and docs/ name is there: pages and their headings, commands and their options, files and keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nst_batch import filenames
from nst_batch.cli import MODULES, main
from nst_batch.config.load import parse_config
from nst_batch.errors import ProblemsError
from nst_batch.sidecar.expand import SidecarRules
from nst_batch.sidecar.folder import parse_defaults
from nst_batch.sidecar.keys import OF_ONE_SIDECAR
from nst_batch.sidecar.required import ALIASES

TOP = Path(__file__).parents[1]
OTHERS = re.compile(r"usermod|gpasswd|chgrp|chown|systemctl|journalctl")  # to which nst-batch is a user or a unit
PAGES = sorted((*(TOP / "docs").glob("*.md"), *TOP.glob("*.md")))


def anchors(page: Path) -> set[str]:
    """The headings of a page as a link names them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(page: Path) -> Iterator[tuple[str, str]]:
    """The path and the heading of each link within the project."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file that is there and, where it names one, to a heading of that page."""
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {path}#{anchor}"


def shown_commands() -> Iterator[tuple[str, str, str]]:
    """Each command line that a page shows, in a line of its own or between backticks: page, commands, the rest."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for line in (*re.findall(r"^ {4}(?:\$ )?(.*)$", text, flags=re.M), *re.findall(r"`([^`]+)`", text)):
            for names, rest in re.findall(r"(?:^|[ /])nst-batch ([a-z]+(?:\|[a-z]+)*)(?![\w-])([^#;|\n]*)", line):
                if not OTHERS.search(line):
                    yield page.name, names, rest


def test_every_command_and_option_that_is_shown_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """As its own --help has it."""
    shown = list(shown_commands())
    assert len(shown) > 40
    options: dict[str, set[str]] = {}
    for name in MODULES:
        with pytest.raises(SystemExit):
            main([name, "--help"])
        options[name] = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    for page, names, rest in shown:
        for name in names.split("|"):
            assert name in MODULES, f"{page}: nst-batch {name}"
        wanted = set(re.findall(r"(?<= )--[a-z-]+|(?<=\[)--[a-z-]+", rest.split("   ")[0]))
        known = set().union(*(options[name] for name in names.split("|")))
        assert wanted <= known, f"{page}: nst-batch {names}{rest}"


def test_the_keys_that_have_no_default_are_told_alike() -> None:
    """docs/sidecar.md lists them, the other pages lead there, and the program says so of each."""
    text = (TOP / "docs/sidecar.md").read_text("utf-8")
    (listed,) = re.findall(r"Every key but ([^.]*?) can also stand under `defaults:`", text)
    assert set(re.findall(r"`(\w+)`", listed)) == {key for key in OF_ONE_SIDECAR if key not in ALIASES}
    row = re.search(r"^\| `defaults` \|.*$", (TOP / "docs/config.md").read_text("utf-8"), flags=re.M)
    assert row is not None
    assert "(sidecar.md#keys)" in row[0]
    for key in OF_ONE_SIDECAR:
        with pytest.raises(ProblemsError, match=f"defaults.{key}: is each sidecar's own and has no default"):
            parse_config(f"defaults: {{{key}: x}}\n", TOP / "config.yaml")
        with pytest.raises(ProblemsError, match=f"line 1, {key}: is each sidecar's own and has no default"):
            parse_defaults(f"{key}: x\n".encode(), "defaults.yaml", SidecarRules())


def test_every_file_of_a_result_is_in_its_table() -> None:
    """Those that can be there as well."""
    page = (TOP / "docs/results.md").read_text("utf-8")
    table = "\n".join(re.findall(r"^\| `.*$", page.split("In it lie\n")[1].split("\nA failed")[0], flags=re.M))
    named = set(re.findall(r"`([^` ]+)`", table))
    films = {f"TITLE{filenames.TIMELAPSE}{suffix}" for suffix in (".webp", ".mp4")}
    files = {filenames.LOSS_NAME, filenames.PLOT_NAME, filenames.MANIFEST_NAME, filenames.PAGE_NAME, *films}
    assert {*files, f"{filenames.INPUT_FOLDER}/", "TITLE.png"} <= named
    assert any(name.startswith(f"{filenames.EPOCHS_FOLDER}/TITLE_epoch_") for name in named)
