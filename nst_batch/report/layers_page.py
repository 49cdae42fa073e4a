"""index.html of ``nst-batch layers``: how VGG19 sees, layer by layer. No script; its pictures lie beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nst_batch.report.template import asset, inline, render

SHEET_NAME = "sheet.png"
PICTURES = "pictures"

# What is known of the blocks, in a line each (Zeiler and Fergus 2014; Gatys et al. 2016; Olah et al. 2017).
BLOCKS = {
    "1": "Edges, lines and colours.",
    "2": "Fine textures: stripes, grids, corners, two colours beside each other.",
    "3": "Textures and simple motifs: weaves, dots, scales, curls.",
    "4": "Parts of things: eyes, fur, feathers, wheels, windows.",
    "5": "Whole things, and how their parts belong together.",
}


def layers_page(
    title: str, layers: Sequence[Mapping[str, Any]], facts: Mapping[str, str], *, sheet: tuple[int, int]
) -> str:
    """The page.

    Of each layer: ``name``, ``seen`` (pixels), ``filters``, ``patterns`` and ``images``, each of these with ``name``,
    ``maps``, ``gram``, ``content`` and ``style``; a picture is its ``file`` and ``size``.
    """
    style, style_hash = inline("\n".join(asset(f"{name}.css") for name in ("base", "layers")))
    return render(
        "layers.html",
        title=title,
        blocks=[
            (number, told, [each for each in layers if each["name"][5] == number]) for number, told in BLOCKS.items()
        ],
        facts=facts,
        sheet=SHEET_NAME,
        sheet_size=sheet,
        style=style,
        style_hash=style_hash,
    )
