"""What a config with a mistake in it still tells: of a running daemon, which goes by an earlier one, where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nst_batch.config.load import MAX_CONFIG_KB, Config, parse_config
from nst_batch.errors import NstError

_KEY = re.compile(r"(?m)^(?=[^\s#\-\[\]{}])")  # where a key of the outermost level begins
_INBOX = re.compile(r"""(?m)(?:^|[{,])\s*["']?inbox["']?\s*:""")
_FOLDERS = ("inbox:", "outbox:")


def salvaged(path: Path) -> Config | None:
    """The config at ``path`` without the keys that are wrong; None where not even its folders can be told."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_KB * 1024).decode("utf-8-sig", "replace")
    except OSError:
        return None
    right = list(_right_keys(text, path))
    if _INBOX.search(text) and not any(key.startswith("inbox") for key in right):
        return None
    return _parsed("".join(right), path) or _parsed("".join(key for key in right if key.startswith(_FOLDERS)), path)


def _right_keys(text: str, path: Path) -> Iterator[str]:
    """The text of each key that is right by itself, with what belongs to it."""
    for part in _KEY.split(text):
        if _parsed(part, path) is not None:
            yield part if part.endswith("\n") else f"{part}\n"


def _parsed(text: str, path: Path) -> Config | None:
    try:
        return parse_config(text, path)
    except NstError:
        return None
