"""Jinja2, set up for the pages: ``templates/`` holds one file a page or a part of one, ``assets/`` style and script.

Everything is escaped, a name that is missing is an error. Characters that XML cannot hold become U+FFFD.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nst_batch.clock import duration
from nst_batch.report.markup import clean, number, parts_of

_HERE = Path(__file__).parent


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    environment.filters.update(duration=duration, number=number, breakable=_breakable)
    return environment


def _breakable(text: str) -> Markup:
    """A name whose lines end where its parts do."""
    return Markup("<wbr>").join(parts_of(clean(text)))


def render(name: str, /, **facts: Any) -> str:
    """The page of the template ``name``."""
    return _environment().get_template(name).render(**facts)


def asset(name: str) -> str:
    """The text of a style sheet or script."""
    return (_HERE / "assets" / name).read_text(encoding="utf-8")


def asset_names() -> tuple[str, ...]:
    """Every style sheet and script, and the icon."""
    return tuple(sorted(path.name for path in (_HERE / "assets").iterdir() if path.suffix in (".css", ".js", ".svg")))


def inline(text: str) -> tuple[Markup, str]:
    """A style sheet or script to stand within a page, and the hash by which the page's policy lets it."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"'sha256-{digest}'"  # noqa: S704 - our own files
