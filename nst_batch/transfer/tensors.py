"""Names for tensors by what they hold. TensorFlow has no types that could be checked: these are for the reader.

N is a layer's number of filters, (h, w) the size of its features, (H, W) that of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

Scalar: TypeAlias = Annotated[Any, "() float32"]
Vector: TypeAlias = Annotated[Any, "(n,) float32"]
Matrix: TypeAlias = Annotated[Any, "(n, m) float32"]
Image: TypeAlias = Annotated[Any, "(1, H, W, 3) float32, RGB in [0, 1]"]
Plane: TypeAlias = Annotated[Any, "(1, h, w, 1) float32 in [0, 1]"]
Feature: TypeAlias = Annotated[Any, "(1, h, w, N) float32 or bfloat16, of one layer"]
Features: TypeAlias = Mapping[str, Feature]
Statistic: TypeAlias = Annotated[Any, "(N, N) or (N + 1, N) float32: a sum over positions, or one of a position"]
Statistics: TypeAlias = Mapping[str, Statistic]
Rows: TypeAlias = Annotated[Any, "(positions, N) float32: features one below the other"]
Report: TypeAlias = Annotated[Any, "(n,) float32: content losses, style losses, tv, total"]
Nest: TypeAlias = Annotated[Any, "tensors, or their specs, in lists, tuples and dicts"]
Program: TypeAlias = Annotated[Any, "a traced function"]
