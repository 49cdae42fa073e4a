"""The figures of every picture that was painted, in one JSON file: small enough to be kept with the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Figures:
    """What is known of each picture by its name; the file is renewed with every one that is added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = json.loads(path.read_bytes()) if path.exists() else {}

    def of(self, name: str) -> dict[str, Any] | None:
        """The figures of that picture, a copy; None where it was never painted."""
        known = self._known.get(name)
        return None if known is None else dict(known)

    def add(self, name: str, figures: dict[str, Any]) -> None:
        """Keep them, on disk too."""
        self._known[name] = figures
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(dict(sorted(self._known.items())), indent=1) + "\n")
        new.replace(self._path)
