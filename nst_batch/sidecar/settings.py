"""The optimisation keys: their types, the presets, and the order in which they override each other.

A sidecar goes before ``defaults:`` in config.yaml, both before the preset. :class:`Patch` is what a person
wrote (every key optional), :class:`Settings` what a job runs with (every key resolved).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nst_batch.sidecar.presets import (
    DEFAULT_PRESET,
    LEARNING_RATES,
    PRESETS,
    family_of,
)
from nst_batch.sidecar.setting_values import (
    LARGEST_SEED,
    LARGEST_SIZE,
    MOST_SCALES,
    PIXELS,
    SMALLEST_SIZE,
    WORDS,
    Epochs,
    ImageKey,
    Layers,
    Mask,
    Size,
    Start,
    Weight,
)
from nst_batch.strict_yaml.models import Expected, StrictModel


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
    init: str  # content, noise, style, patches, or the name of an image
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
    now: bool = False  # nor has one that was claimed before there were hours this
    timelapse: bool = False

    @property
    def total_epochs(self) -> int:
        """Those of all scales."""
        return self.epochs if isinstance(self.epochs, int) else sum(self.epochs)

    @property
    def scales_of_epochs(self) -> int | None:
        """How many scales ``epochs`` has a number for, a closing one aside; None where it is one number for all."""
        if isinstance(self.epochs, int):
            return None
        return len(self.epochs) - family_of(self.preset).closing

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
        "timelapse": False,
        "format": "png",
        "quality": 95,
        "priority": 0,
        "now": False,
    }
)


class Patch(StrictModel):
    """What a person wrote of the optimisation keys; None where nothing is."""

    save_epoch: Annotated[bool | None, Field(description="keep the picture of every epoch")] = None
    timelapse: Annotated[bool | None, Field(description="leave a short film of how the picture came to be")] = None
    preset: Annotated[
        Literal["classic", "draft", "fine", "nnst"] | None,
        Field(description="the recipe that gives every key not written its value"),
    ] = None
    size: Size = None
    epochs: Epochs = None
    steps_per_epoch: Annotated[
        int | None,
        Field(ge=1, le=100_000, description="optimisation steps of one epoch"),
    ] = None
    content_weight: Annotated[Weight, Field(description="how strongly the content is kept")] = None
    style_weight: Annotated[Weight, Field(description="how strongly the style is taken on")] = None
    tv_weight: Annotated[Weight, Field(description="how strongly noise is smoothed away")] = None
    content_layers: Annotated[Layers, Field(description="VGG19 layers whose features keep the content")] = None
    style_layers: Annotated[Layers, Field(description="VGG19 layers whose Gram matrices make the style")] = None
    optimizer: Annotated[Literal["adam", "lbfgs"] | None, Field(description="who takes the steps")] = None
    learning_rate: Annotated[float | None, Field(gt=0, le=1000, description="length of a step")] = None
    init: Start = None
    mask: Mask = None
    scales: Annotated[int | None, Field(ge=1, le=MOST_SCALES, description="number of scales, coarse to fine")] = None
    style_size: Annotated[
        int | None,
        Field(ge=SMALLEST_SIZE, le=LARGEST_SIZE, description="long side at which the style is looked at"),
        PIXELS,
    ] = None
    color: Annotated[
        Literal["style", "content", "match"] | None,
        Field(description="whose colours: the style's, the content's, or the style matched to the content first"),
    ] = None
    stop_when_flat: Annotated[
        float | None,
        Field(ge=0, lt=1, description="end a scale when an epoch improves the loss by less than this fraction"),
        Expected("a fraction from 0 to below 1"),
    ] = None
    precision: Annotated[
        Literal["auto", "bfloat16", "float32"] | None, Field(description="number format of the network's arithmetic")
    ] = None
    seed: Annotated[int | None, Field(ge=0, le=LARGEST_SEED, description="of everything random")] = None
    format: Annotated[
        Literal["png", "jpg", "webp", "tiff"] | None, Field(description="file format of the pictures")
    ] = None
    quality: Annotated[int | None, Field(ge=1, le=100, description="for jpg and webp")] = None
    priority: Annotated[
        int | None, Field(ge=-1_000_000, le=1_000_000, description="higher first; equal ones in order of arrival")
    ] = None
    now: Annotated[bool | None, Field(description="run at any hour, whatever the config's schedule says")] = None

    @classmethod
    def of(cls, read: Mapping[str, Any]) -> Patch:
        """Of values that have been read already: what a person writes, a list for one, is another thing."""
        return cls.model_construct(**read)

    def written(self) -> dict[str, Any]:
        """The keys that have a value."""
        return {name: getattr(self, name) for name in Patch.model_fields if getattr(self, name) is not None}


def sets_scales(written: Mapping[str, Any]) -> bool:
    """Whether ``written`` says how many scales there are by a list of epochs, and by nothing else."""
    return isinstance(written.get("epochs"), list | tuple) and "scales" not in written


def layered(sources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Key by key what the nearest of ``sources`` says, the first; what sets scales goes before scales further out."""
    written: dict[str, Any] = {}
    for source in sources:
        set_already = {*written, "scales"} if sets_scales(written) else {*written}
        written |= {key: value for key, value in source.items() if key not in set_already}
    return written


def resolve(sidecar: Patch, *defaults: Patch) -> Settings:
    """Every key: of the sidecar, else of ``defaults``, the nearest of them first, else of the preset that they name."""
    written = layered(each.written() for each in (sidecar, *defaults))
    preset = PRESETS[written.get("preset", DEFAULT_PRESET)]
    values = {**PLAIN_DEFAULTS, **preset.keys()}
    if written.get("optimizer", preset.optimizer) != preset.optimizer:
        values["learning_rate"] = LEARNING_RATES[written["optimizer"]]
    values |= written
    if "epochs" not in written:
        values["epochs"] = preset.epochs_for(values["scales"])
    values.setdefault("style_size", values["size"])
    for layers in ("content_layers", "style_layers"):
        values[layers] = dict(values[layers])
    found = Settings(**values)
    if "scales" not in written and found.scales_of_epochs:
        return found.model_copy(update={"scales": found.scales_of_epochs})
    return found


def priority_note(parsed: Mapping[str, Any], settings: Settings) -> str:
    """What people are told of a priority that counts for less than the sidecar says; "" where it does not."""
    asked = parsed.get("priority")
    if not isinstance(asked, int) or asked <= settings.priority:
        return ""
    return f"priority {asked} counts as {settings.priority}, the most that config.yaml allows (limits.max_priority)"
