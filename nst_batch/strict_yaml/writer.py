"""Data to YAML text that our own strict reader understands as it was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from nst_batch.strict_yaml.reader import stands_plain


def dumped(body: Mapping[str, Any]) -> str:
    """The text of a mapping, its keys in their order."""
    return yaml.dump(dict(body), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


class _Dumper(yaml.SafeDumper):
    """No aliases, and quotes also where our reader alone would take a text for something else: ``1e5``, ``“dusk”``."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if stands_plain(text) else '"')


_Dumper.add_representer(str, _text)
