"""The optimisation keys: their types, the presets, and the order in which they override each other.

A sidecar goes before ``defaults:`` in config.yaml, both before the preset. :class:`Patch` is what a person
wrote (every key optional), :class:`Settings` what a job runs with (every key resolved).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from nst_batch.presets import (
    CONTENT_LAYERS,
    DEFAULT_PRESET,
    LEARNING_RATES,
    PRESET_NAMES,
    PRESETS,
    STYLE_LAYERS,
    VGG19_LAYERS,
    Preset,
    preset_of,
)
from nst_batch.yamlmarks import scalar, shown
from nst_batch.yamlmodels import ENOUGH, Expected, Fault, StrictModel, faults_error, meant, one_of, written_plainly

__all__ = [
    "CONTENT_LAYERS",
    "PRESETS",
    "STYLE_LAYERS",
    "VGG19_LAYERS",
    "Patch",
    "Preset",
    "Settings",
    "conflicts",
    "preset_of",
    "resolve",
]

SMALLEST_SIZE = 32
LARGEST_SIZE = 16384
LARGEST_SEED = 2**31 - 1
MOST_EPOCHS = 10_000
MOST_SCALES = 6
# The keys beside content and style that can name an image, each with what it has as words of its own.
ImageKey = Literal["init", "mask"]
WORDS: Mapping[ImageKey, tuple[str, ...]] = MappingProxyType({"init": ("content", "noise", "style"), "mask": ("none",)})


class Settings(BaseModel):
    """Every optimisation and output key of one job, resolved. Stands in job.json as ``settings``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    size: int | Literal["full"]  # long side of the result in pixels
    epochs: int | tuple[int, ...]  # over all scales, or of each, coarse to fine
    steps_per_epoch: int
    content_weight: float
    style_weight: float
    tv_weight: float
    content_layers: dict[str, float]  # layer: weight, as written (the engine normalises to a sum of 1)
    style_layers: dict[str, float]
    optimizer: Literal["adam", "lbfgs"]
    learning_rate: float
    init: str  # content, noise, style, or the name of an image
    scales: int
    style_size: int | Literal["full"]  # long side at which the style is looked at
    color: Literal["style", "content", "match"]
    stop_when_flat: float
    precision: Literal["auto", "bfloat16", "float32"]
    seed: int
    save_epoch: bool
    format: Literal["png", "jpg", "webp", "tiff"]
    quality: Annotated[int, Field(ge=1, le=100)]
    priority: int
    # none, or the name of an image. A job that was claimed before there were masks has none.
    mask: str = "none"

    @property
    def total_epochs(self) -> int:
        """Those of all scales."""
        return self.epochs if isinstance(self.epochs, int) else sum(self.epochs)

    @property
    def scales_of_epochs(self) -> int | None:
        """How many scales ``epochs`` has a number for, a closing one aside; None where it is one number for all."""
        if isinstance(self.epochs, int):
            return None
        return len(self.epochs) - (preset_of(self.preset).statistic == "neighbours")

    def images(self) -> tuple[tuple[ImageKey, str], ...]:
        """The keys that name an image, each with its name."""
        return tuple((key, getattr(self, key)) for key, words in WORDS.items() if getattr(self, key) not in words)

    def style_side(self, long_side: int) -> int:
        """The long side at which the style is looked at, for a result of ``long_side``."""
        return long_side if self.style_size == "full" else self.style_size


PLAIN_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "preset": DEFAULT_PRESET,
        "size": 512,
        "init": "content",
        "mask": "none",
        "color": "style",
        "stop_when_flat": 0.0,
        "precision": "auto",
        "seed": 0,
        "save_epoch": False,
        "format": "png",
        "quality": 95,
        "priority": 0,
    }
)


def _is_size(value: object) -> bool:
    return type(value) is int and SMALLEST_SIZE <= value <= LARGEST_SIZE


def _read_size(value: object) -> object:
    if value == "full" or _is_size(value):
        return value
    raise faults_error(
        Fault(
            f"must be {_PIXELS.phrase}, or full, not {shown(value)}",
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
        elif not isinstance(name, str) or name not in VGG19_LAYERS:
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
    raise faults_error(Fault(f"must be content, noise, style or an image file, not {shown(value)}", fix))


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
_WEIGHT = Expected("a number of at least 0")
_PIXELS = Expected(f"a whole number of pixels from {SMALLEST_SIZE} to {LARGEST_SIZE}")


def _whole(low: int, high: int) -> Expected:
    return Expected(f"a whole number from {low} to {high}")


Layers = Annotated[dict[str, float] | None, BeforeValidator(_read_layers), WithJsonSchema(_LAYERS_SCHEMA)]
Weight = Annotated[float | None, Field(ge=0), _WEIGHT]
Start = Annotated[
    str | None,
    BeforeValidator(_read_init),
    Field(description="what the optimisation starts from: content, noise, style or an image"),
]
Mask = Annotated[
    str | None,
    BeforeValidator(_read_mask),
    Field(description="an image that is white where the picture is painted, black where the content stays; or none"),
]


class Patch(StrictModel):
    """What a person wrote of the optimisation keys; None where nothing is."""

    save_epoch: Annotated[
        bool | None, Field(description="keep the picture of every epoch"), Expected("true or false")
    ] = None
    preset: Annotated[
        Literal["classic", "draft", "fine", "nnst"] | None,
        Field(description="the recipe that gives every key not written its value"),
        one_of(*PRESET_NAMES),
    ] = None
    size: Annotated[
        int | Literal["full"] | None,
        BeforeValidator(_read_size),
        WithJsonSchema({"anyOf": [_SIZE_SCHEMA, {"const": "full"}]}),
        Field(description="long side of the result in pixels, or full for the content's own"),
    ] = None
    epochs: Annotated[
        int | tuple[int, ...] | None,
        BeforeValidator(_read_epochs),
        WithJsonSchema({"anyOf": [_EPOCHS_SCHEMA, {"type": "array", "items": _EPOCHS_SCHEMA, "minItems": 1}]}),
        Field(description="epochs over all scales, or a list of one number a scale, coarse to fine"),
    ] = None
    steps_per_epoch: Annotated[
        int | None, Field(ge=1, le=100_000, description="optimisation steps of one epoch"), _whole(1, 100_000)
    ] = None
    content_weight: Annotated[Weight, Field(description="how strongly the content is kept")] = None
    style_weight: Annotated[Weight, Field(description="how strongly the style is taken on")] = None
    tv_weight: Annotated[Weight, Field(description="how strongly noise is smoothed away")] = None
    content_layers: Annotated[Layers, Field(description="VGG19 layers whose features keep the content")] = None
    style_layers: Annotated[Layers, Field(description="VGG19 layers whose Gram matrices make the style")] = None
    optimizer: Annotated[
        Literal["adam", "lbfgs"] | None, Field(description="who takes the steps"), one_of("adam", "lbfgs")
    ] = None
    learning_rate: Annotated[
        float | None,
        Field(gt=0, le=1000, description="length of a step"),
        Expected("a number above 0, at most 1000"),
    ] = None
    init: Start = None
    mask: Mask = None
    scales: Annotated[
        int | None, Field(ge=1, le=MOST_SCALES, description="number of scales, coarse to fine"), _whole(1, MOST_SCALES)
    ] = None
    style_size: Annotated[
        int | None,
        Field(ge=SMALLEST_SIZE, le=LARGEST_SIZE, description="long side at which the style is looked at"),
        _PIXELS,
    ] = None
    color: Annotated[
        Literal["style", "content", "match"] | None,
        Field(description="whose colours: the style's, the content's, or the style matched to the content first"),
        one_of("style", "content", "match"),
    ] = None
    stop_when_flat: Annotated[
        float | None,
        Field(ge=0, lt=1, description="end a scale when an epoch improves the loss by less than this fraction"),
        Expected("a fraction from 0 to below 1"),
    ] = None
    precision: Annotated[
        Literal["auto", "bfloat16", "float32"] | None,
        Field(description="number format of the network's arithmetic"),
        one_of("auto", "bfloat16", "float32"),
    ] = None
    seed: Annotated[
        int | None, Field(ge=0, le=LARGEST_SEED, description="of everything random"), _whole(0, LARGEST_SEED)
    ] = None
    format: Annotated[
        Literal["png", "jpg", "webp", "tiff"] | None,
        Field(description="file format of the pictures"),
        one_of("png", "jpg", "webp", "tiff"),
    ] = None
    quality: Annotated[int | None, Field(ge=1, le=100, description="for jpg and webp"), _whole(1, 100)] = None
    priority: Annotated[
        int | None,
        Field(ge=-1_000_000, le=1_000_000, description="higher first; equal ones in order of arrival"),
        _whole(-1_000_000, 1_000_000),
    ] = None

    def written(self) -> dict[str, Any]:
        """The keys that have a value."""
        return {name: getattr(self, name) for name in Patch.model_fields if getattr(self, name) is not None}


def resolve(sidecar: Patch, defaults: Patch | None = None) -> Settings:
    """Every key: of the sidecar, else of ``defaults``, else of the preset that the two name."""
    written = (defaults.written() if defaults else {}) | sidecar.written()
    preset = preset_of(written.get("preset", DEFAULT_PRESET))
    values = {**PLAIN_DEFAULTS, **preset.keys()}
    if written.get("optimizer", preset.optimizer) != preset.optimizer:
        values["learning_rate"] = LEARNING_RATES[written["optimizer"]]
    values |= written
    values.setdefault("style_size", values["size"])
    for layers in ("content_layers", "style_layers"):
        values[layers] = dict(values[layers])
    found = Settings(**values)
    if "scales" not in written and found.scales_of_epochs:
        return found.model_copy(update={"scales": found.scales_of_epochs})
    return found


def conflicts(settings: Settings) -> list[Fault]:
    """What is wrong with the keys together, though each is right alone."""
    if settings.content_weight == 0 and settings.style_weight == 0:
        what = "is 0 and so is content_weight, which leaves nothing to optimise"
        return [Fault(what, "give one of them a weight", ("style_weight",))]
    if settings.scales_of_epochs not in (None, settings.scales):
        closing = " before the closing one" * (preset_of(settings.preset).statistic == "neighbours")
        what = f"has a number for each of {settings.scales_of_epochs} scales{closing}, and scales is {settings.scales}"
        return [Fault(what, "leave scales out, or write as many numbers", ("epochs",))]
    return _conflicts_of_neighbours(settings) if preset_of(settings.preset).statistic == "neighbours" else []


def _conflicts_of_neighbours(settings: Settings) -> list[Fault]:
    """What a preset that matches neighbours cannot do with keys that others take."""
    name, preset, faults = settings.preset, preset_of(settings.preset), []
    if settings.optimizer != preset.optimizer:
        faults.append(Fault(f"must be {preset.optimizer} with preset {name}", "leave it out", ("optimizer",)))
    if settings.content_layers != dict(preset.content_layers):
        what = f"means nothing to preset {name}, which has no content layers"
        faults.append(Fault(what, "leave it out; content_weight keeps more or less", ("content_layers",)))
    if settings.content_weight > 1:
        what = f"must be at most 1 with preset {name}: it is the content's share in what is matched with the style"
        faults.append(Fault(what, "write a number from 0 to 1", ("content_weight",)))
    if settings.style_weight == 0:
        faults.append(Fault(f"must be above 0 with preset {name}", "leave it out", ("style_weight",)))
    return faults
