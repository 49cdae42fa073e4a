"""The families by name, and what has to be known of them before TensorFlow is loaded. A new one is one entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

FamilyName = Literal["gram", "moments", "neighbours"]


@dataclass(frozen=True)
class FamilyFacts:
    """``home``: its module and class, in this package."""

    home: str
    follows: bool = False  # made anew from the picture as it comes, so that no search along a line can compare losses
    closing: bool = False  # does something else in one more scale of the result's size


FAMILIES: Mapping[FamilyName, FamilyFacts] = MappingProxyType(
    {
        "gram": FamilyFacts("gram.Gram"),
        "moments": FamilyFacts("moments.Moments"),
        "neighbours": FamilyFacts("neighbours.Neighbours", follows=True, closing=True),
    }
)
