"""The keys of a sidecar as a person writes them, each with its own reading."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from nst_batch.characters import visible
from nst_batch.errors import Problem
from nst_batch.names import fill_template, output_fault, output_parts, template_fault, title_fault
from nst_batch.reasons import PATH_OUTSIDE
from nst_batch.sidecar.resolver import reference_fault
from nst_batch.sidecar.setting_values import Mask, Start
from nst_batch.sidecar.settings import Patch
from nst_batch.sidecar.vary import Vary
from nst_batch.strict_yaml.models import UNKNOWN_KEY, Expected, Fault, faults_error
from nst_batch.strict_yaml.reader import shown

_PLAIN_NAME = re.compile(r"[\w./-]+")  # one that needs no quotes within { }
_LONGEST_BLEND = 200  # characters of one that is shown as it is meant


def _read_references(value: object) -> tuple[str, ...]:
    """A reference or a list of them, as a tuple."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise faults_error(Fault("must name at least one image, not an empty list"))
    faults = [fault for place, item in enumerate(items) if (fault := _item_fault(item, place, value))]
    if faults:
        raise faults_error(*faults)
    return tuple(items)


def _item_fault(item: object, place: str | int, whole: object) -> Fault | None:
    path = () if item is whole else (place,)
    if not isinstance(item, str):
        fix = "put it in quotes" if isinstance(item, (int, float, dict)) else ""
        return Fault(f"must be an image's name, a glob or a list of them, not {shown(item)}", fix, path)
    fault = reference_fault(item)
    return replace(fault, path=path) if fault else None


def _read_styles(value: object) -> tuple[str, ...] | dict[str, float]:
    """As contents, or a mapping reference: weight."""
    if blend := _listed_blend(value):
        what = "must be an image's name, a glob, a list of them, or a mapping image: weight, not a list of mappings"
        raise faults_error(Fault(what, f"write a blend as one mapping: {blend}"))
    if not isinstance(value, dict):
        return _read_references(value)
    faults: list[Fault] = []
    for name, weight in value.items():
        fault = _item_fault(name, name, value)
        if fault:
            faults.append(fault)
        elif type(weight) not in (int, float) or not 0 <= weight < float("inf"):
            faults.append(Fault(f"must be a weight, a number of at least 0, not {shown(weight)}", "", (name,)))
    if not faults and not any(value.values()):
        faults.append(Fault("must give a style a weight above 0"))
    if faults:
        raise faults_error(*faults)
    return {name: float(weight) for name, weight in value.items()}


def _listed_blend(value: object) -> str:
    """The blend that is meant where its parts stand in a list, each a mapping of its own, else ""."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return ""
    parts = [part for item in value for part in item.items()]
    if not parts or any(type(weight) not in (int, float) for _, weight in parts):
        return ""
    names = (name if _PLAIN_NAME.fullmatch(name) else f'"{visible(name)}"' for name, _ in parts)
    blend = ", ".join(f"{name}: {weight:g}" for name, (_, weight) in zip(names, parts, strict=True))
    return f"{{{blend}}}" if len(blend) <= _LONGEST_BLEND else "{a.jpg: 0.7, b.jpg: 0.3}"


def _below_the_inbox(value: str | None) -> str | None:
    """A word, or an image where a sidecar's images may lie."""
    fault = None if value is None else reference_fault(value)
    if fault:
        raise faults_error(fault)
    return value


def _read_title(value: object) -> object:
    if not isinstance(value, str):
        return value
    fault = template_fault(value) or title_fault(fill_template(value, content="x", style="x", vary="x"))
    if fault:
        raise faults_error(Fault(f"{shown(value)} {fault}", "a title is one file name", code="title_invalid"))
    return value


def read_output(value: object) -> object:
    """A folder below the outbox in its plain form; other types are left for pydantic to refuse."""
    if not isinstance(value, str):
        return value
    fault = output_fault(value)
    if fault:
        outside = value.startswith("/") or ".." in value.split("/")
        code = PATH_OUTSIDE if outside else ""
        raise faults_error(Fault(f"{shown(value)} {fault}", "name a folder below the outbox", code=code))
    return "/".join(output_parts(value))


_REFERENCE = {"type": "string", "minLength": 1}
_REFERENCES = [_REFERENCE, {"type": "array", "items": _REFERENCE, "minItems": 1}]
_WEIGHTS = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}, "minProperties": 1}

References = Annotated[
    tuple[str, ...] | None,
    BeforeValidator(_read_references),
    WithJsonSchema({"anyOf": _REFERENCES}),
    Expected("an image's name, a glob or a list of them"),
]
Styles = Annotated[
    tuple[str, ...] | dict[str, float] | None,
    BeforeValidator(_read_styles),
    WithJsonSchema({"anyOf": [*_REFERENCES, _WEIGHTS]}),
    Expected("an image's name, a glob, a list of them, or a mapping image: weight"),
]
Output = Annotated[
    str | None,
    BeforeValidator(read_output),
    Field(description="folder below the outbox"),
    Expected("the name of a folder, as text"),
]


class InboxPatch(Patch):
    """The optimisation keys where an image is looked for beside the sidecar and in the inbox, and nowhere else."""

    init: Annotated[Start, AfterValidator(_below_the_inbox)] = None
    mask: Annotated[Mask, AfterValidator(_below_the_inbox)] = None


class Defaults(InboxPatch):
    """What sidecars that do not say otherwise ask for: any of their keys but those of one sidecar alone."""

    output: Output = None
    path_output: Annotated[Output, Field(description="another name of output")] = None


class SidecarModel(InboxPatch):
    """Every key of a sidecar, as a person writes it."""

    content: Annotated[
        References, Field(description="image, list or glob; relative to the sidecar, then to the inbox")
    ] = None
    path_content: Annotated[References, Field(description="another name of content")] = None
    style: Annotated[
        Styles,
        Field(description="image, list or glob, looked for in the library too; or a blend {image: weight}"),
    ] = None
    path_style: Annotated[Styles, Field(description="another name of style")] = None
    title: Annotated[
        str | None,
        BeforeValidator(_read_title),
        Field(
            description='name of the result, or a template such as "{content}-{style}"',
            json_schema_extra={"minLength": 1},
        ),
    ] = None
    vary: Vary = None
    output: Output = None
    path_output: Annotated[Output, Field(description="another name of output")] = None


OF_ONE_SIDECAR = tuple(key for key in SidecarModel.model_fields if key not in Defaults.model_fields)


def of_one_sidecar(problem: Problem, below: str = "") -> Problem:
    """A problem of defaults (below ``below``, such as ``defaults.``), in plain words where no default can be."""
    if problem.what == UNKNOWN_KEY and problem.key.removeprefix(below) in OF_ONE_SIDECAR:
        return replace(problem, what="is each sidecar's own and has no default", fix="")
    return problem
