"""What a person may write as a value of the optimisation keys: the types, how they are read, their JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from nst_batch.strict_yaml.models import ENOUGH, Expected, Fault, faults_error, meant, written_plainly
from nst_batch.strict_yaml.reader import scalar, shown
from nst_batch.transfer.spec import VGG19_LAYERS

SMALLEST_SIZE = 32
LARGEST_SIZE = 16384
LARGEST_SEED = 2**31 - 1
MOST_EPOCHS = 10_000
MOST_SCALES = 6
# The keys beside content and style that can name an image, each with what it has as words of its own.
ImageKey = Literal["init", "mask"]
WORDS: Mapping[ImageKey, tuple[str, ...]] = MappingProxyType(
    {"init": ("content", "noise", "style", "patches"), "mask": ("none",)}
)


def _is_size(value: object) -> bool:
    return type(value) is int and SMALLEST_SIZE <= value <= LARGEST_SIZE


def _read_size(value: object) -> object:
    if value == "full" or _is_size(value):
        return value
    raise faults_error(
        Fault(
            f"must be {PIXELS.phrase}, or full, not {shown(value)}",
            written_plainly(value, _is_size) or meant(value, ("full",)),
        )
    )


_POOLING = tuple(f"block{block}_pool" for block in range(1, 6))


def _read_layers(value: object) -> dict[str, float]:
    """A list of layers (each of weight 1) or a mapping layer: weight, as the mapping."""
    if isinstance(value, str) and value in VGG19_LAYERS:
        raise faults_error(Fault(f"must be a list of layers, not {shown(value)}", f"write [{value}]"))
    if not isinstance(value, (list, dict)) or not value:
        raise faults_error(Fault(f"must be a list of layers or a mapping layer: weight, not {_shown(value)}"))
    faults: list[Fault] = []
    layers: dict[str, float] = {}
    for place, name in enumerate(value):
        if len(faults) > ENOUGH:
            break
        path = (name,) if isinstance(value, dict) else (place,)
        weight = value[name] if isinstance(value, dict) else 1.0
        if name in _POOLING:
            faults.append(Fault(f"{name} only pools and is not looked at", "name a convolution", path))
        elif not isinstance(name, str):
            faults.append(Fault(f"must be a layer's name, not {shown(name)}", "", path))
        elif name not in VGG19_LAYERS:
            faults.append(Fault(f"VGG19 has no layer {shown(name)} to look at", meant(name, VGG19_LAYERS), path))
        elif name in layers:
            faults.append(Fault(f"names {name} a second time", "keep one of them", path))
        elif type(weight) not in (int, float) or not 0 <= weight < math.inf:
            faults.append(Fault(f"must be a weight, a number of at least 0, not {shown(weight)}", "", path))
        layers[str(name)] = weight
    if not faults and not any(layers.values()):
        faults.append(Fault("has no weight above 0"))
    if faults:
        raise faults_error(*faults)
    return {name: float(weight) for name, weight in layers.items()}


def _shown(value: object) -> str:
    return "an empty one" if isinstance(value, (list, dict)) else shown(value)


def _is_image_name(value: object) -> bool:
    return isinstance(value, str) and ("." in value or "/" in value)


def _read_init(value: object) -> object:
    words = WORDS["init"]
    if value in words or _is_image_name(value):
        return value
    fix = meant(value, words) if isinstance(value, str) else ""
    raise faults_error(Fault(f"must be content, noise, style, patches or an image file, not {shown(value)}", fix))


def _read_mask(value: object) -> object:
    if value in WORDS["mask"] or _is_image_name(value):
        return value
    raise faults_error(Fault(f"must be an image file, or none, not {shown(value)}"))


def _are_epochs(value: object) -> bool:
    return type(value) is int and 1 <= value <= MOST_EPOCHS


def _read_epochs(value: object) -> object:
    """A whole number, or a list of them as a tuple."""
    expected = f"a whole number from 1 to {MOST_EPOCHS}"
    if isinstance(value, list) and value:
        faults = [
            Fault(f"must be {expected}, not {shown(each)}", written_plainly(each, _are_epochs), (place,))
            for place, each in enumerate(value[: ENOUGH + 1])
            if not _are_epochs(each)
        ]
        if len(value) > MOST_SCALES + 1:
            faults.append(
                Fault(f"has {len(value)} numbers, and there are at most {MOST_SCALES} scales and a closing one")
            )
        if faults:
            raise faults_error(*faults)
        return tuple(value)
    if _are_epochs(value):
        return value
    what = f"must be {expected}, or a list of one a scale, not {_shown(value)}"
    fix = "remove the quotes" if isinstance(value, str) and _are_epochs(scalar(value)) else ""
    raise faults_error(Fault(what, fix or written_plainly(value, _are_epochs)))


_EPOCHS_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MOST_EPOCHS}
_LAYER = {"enum": list(VGG19_LAYERS)}
_LAYERS_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": _LAYER, "minItems": 1, "uniqueItems": True},
        {
            "type": "object",
            "propertyNames": _LAYER,
            "additionalProperties": {"type": "number", "minimum": 0},
            "minProperties": 1,
        },
    ]
}
_SIZE_SCHEMA = {"type": "integer", "minimum": SMALLEST_SIZE, "maximum": LARGEST_SIZE}
PIXELS = Expected(f"a whole number of pixels from {SMALLEST_SIZE} to {LARGEST_SIZE}")


Layers = Annotated[dict[str, float] | None, BeforeValidator(_read_layers), WithJsonSchema(_LAYERS_SCHEMA)]
Weight = Annotated[float | None, Field(ge=0)]
Start = Annotated[
    str | None,
    BeforeValidator(_read_init),
    Field(description="what the optimisation starts from: content, noise, style, patches or an image"),
]
Mask = Annotated[
    str | None,
    BeforeValidator(_read_mask),
    Field(description="an image that is white where the picture is painted, black where the content stays; or none"),
]
Size = Annotated[
    int | Literal["full"] | None,
    BeforeValidator(_read_size),
    WithJsonSchema({"anyOf": [_SIZE_SCHEMA, {"const": "full"}]}),
    Field(description="long side of the result in pixels, or full for the content's own"),
]
Epochs = Annotated[
    int | tuple[int, ...] | None,
    BeforeValidator(_read_epochs),
    WithJsonSchema(
        {
            "anyOf": [
                _EPOCHS_SCHEMA,
                {"type": "array", "items": _EPOCHS_SCHEMA, "minItems": 1, "maxItems": MOST_SCALES + 1},
            ]
        }
    ),
    Field(description="epochs over all scales, or a list of one number a scale, coarse to fine"),
]
