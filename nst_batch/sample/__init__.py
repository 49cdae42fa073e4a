"""The pictures of the demo, drawn by this package: a landscape to style, and a painting to take the style from."""

from nst_batch.sample.landscape import draw_landscape
from nst_batch.sample.painting import draw_painting

__all__ = ["draw_landscape", "draw_painting"]
