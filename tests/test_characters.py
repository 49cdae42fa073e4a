"""characters: what a message shows of what nobody sees."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_batch.characters import called, loose, told, unfit, visible, visible_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain.png", "plain.png"),
        ("\u00e9t\u00e9 \u591c \U0001f468\u200d\U0001f469.png", "\u00e9t\u00e9 \u591c \U0001f468\u200d\U0001f469.png"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("a\x07\x7f\x9bb", "a\\x07\\x7f\\x9bb"),
        ("a\u202egnp.b", "a\\u202egnp.b"),
        ("a\u2066b\u2028c", "a\\u2066b\\u2028c"),
        (os.fsdecode(b"caf\xe9.png"), "caf\\xe9.png"),
    ],
)
def test_what_commands_a_terminal_is_written_out(text: str, shown: str) -> None:
    """Letters, joiners and emoji stay; escapes, breaks, what turns text and bytes that are no text do not."""
    assert visible(text) == shown


@given(st.text())
def test_what_is_visible_is_one_line_that_can_be_printed(text: str) -> None:
    """Whatever the text: no control character, no surrogate, one line; what is visible already stays."""
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in shown)
    assert shown.encode().decode() == shown
    assert visible(shown) == shown
    assert unfit(shown) == ""


def test_lines_stay_lines() -> None:
    """Where several lines are meant, each is made visible for itself."""
    assert visible_lines("one\x1b\r\ntwo\x85") == "one\\x1b\ntwo\\x85"


def test_names_that_look_the_same_are_told_apart() -> None:
    """By the characters that nobody sees, each called by its number and name."""
    narrow = "9.22\u202fPM.png"
    assert loose(narrow) == loose("9.22 PM.png") == loose("9.22\u00a0PM.png")
    assert loose("e\u0301") == "\u00e9"
    assert told(narrow) == narrow + " (with U+202F narrow no-break space)"
    assert told("a b.png") == "a b.png"
    assert told("c\u043ecoa.png") == "c\u043ecoa.png (with U+043E cyrillic small letter o)"
    assert told("\u0440\u043e\u0441\u0430 2.png") == "\u0440\u043e\u0441\u0430 2.png"  # a word of its own script
    assert called("\x1b") == "U+001B"
