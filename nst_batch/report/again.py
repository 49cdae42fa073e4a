"""The sidecar that makes one job once more: every setting written out, its own images, nothing left to a default.

It lies beside the images in the job's ``input/``, so that ``nst-batch check`` takes it there and a copy of both
into an inbox makes the same picture: to the last bit in float32 on the same kind of processor.
"""

from __future__ import annotations

from typing import Any

from nst_batch.errors import ProblemsError
from nst_batch.job import JobSpec
from nst_batch.sidecar.expand import parse_sidecar
from nst_batch.sidecar.settings import Patch
from nst_batch.strict_yaml.writer import dumped

NAME = "again.yaml"
_HEAD = "# Makes this one job again. Copy it into an inbox together with the images that it names.\n"


def sidecar_again(spec: JobSpec, precision: str | None) -> str | None:
    """The text of the sidecar; None where an image has a name that no sidecar may name (found by a glob).

    ``precision`` is the one that was used: ``auto`` may mean another on another machine.
    """
    names = {item.role: item.name for item in spec.inputs}
    styles = {item.name: item.weight for item in spec.inputs if item.role == "style"}
    one = len(styles) == 1
    settings: dict[str, Any] = {
        key: value for key, value in spec.settings.model_dump(mode="json").items() if key in Patch.model_fields
    }
    settings |= {key: names[key] for key, _ in spec.settings.images() if key in names}
    if precision is not None:
        settings["precision"] = precision
    if settings["style_size"] == "full":
        del settings["style_size"]  # as the size, which is full too
    body = {
        "content": names.get("content", ""),
        "style": next(iter(styles)) if one else styles,
        "title": spec.title.replace("{", "{{").replace("}", "}}"),
        "output": spec.output,
        **settings,
    }
    text = _HEAD + dumped(body)
    try:
        parse_sidecar(text, NAME)
    except ProblemsError:
        return None
    return text
