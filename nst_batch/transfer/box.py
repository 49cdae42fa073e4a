"""Where each pixel of a picture may go. No array library: it serves NumPy's arrays and TensorFlow's."""

from __future__ import annotations

from typing import Any

Box = tuple[Any, Any]  # the least and the greatest values of a picture, in its own shape


def painted_box(content: Any, mask: Any) -> Box:
    """Content + mask · (p − content) at p = 0 and at p = 1; ``mask`` has one channel to the content's three."""
    low = content * (1.0 - mask)
    return low, low + mask
