"""A sidecar's text to the jobs it asks for.

:func:`parse_sidecar` reads the text alone and reports all that is wrong with it at once; :func:`expand` asks
a resolver for the files and makes one job of each content with each style.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from nst_batch.characters import told
from nst_batch.errors import Problem, ProblemsError
from nst_batch.names import DEFAULT_TEMPLATE, fill_template, has_field, normal, stem, title_fault
from nst_batch.reasons import Reason
from nst_batch.sidecar.keys import InboxPatch, SidecarModel
from nst_batch.sidecar.required import REQUIRED, alias_problems, of_what_is_missing
from nst_batch.sidecar.resolver import MAX_GLOBS, FileRef, FileResolver, Role, is_glob
from nst_batch.sidecar.setting_values import WORDS
from nst_batch.sidecar.settings import Patch, Settings
from nst_batch.sidecar.vary import Variant, count, sound_lists, variants
from nst_batch.strict_yaml.models import (
    UNKNOWN_KEY,
    check,
    common_code,
    plain_schema,
    problem_at,
    sound_part,
    untold,
)
from nst_batch.strict_yaml.reader import Marked, load_to_check, problems_error, shown


@dataclass(frozen=True)
class SidecarRules:
    """What config.yaml says about sidecars."""

    defaults: Patch = field(default_factory=Patch)
    nearer: tuple[Patch, ...] = ()  # those of folders, the nearest first
    output: str = ""  # where a sidecar names none
    max_sidecar_kb: float = 64
    max_jobs: int = 1000
    max_priority: int = 1_000_000

    @property
    def all_defaults(self) -> tuple[Patch, ...]:
        """What counts for a key that a sidecar does not have, the nearest first."""
        return (*self.nearer, self.defaults)


@dataclass(frozen=True, slots=True)
class SidecarRequest:
    """What a sidecar asks for, before any file is looked at."""

    source: str
    content: tuple[str, ...]
    style: tuple[str, ...]
    blend: tuple[float, ...] | None  # a weight for each of ``style``, which then make one job together
    more: tuple[tuple[Role, str], ...]  # the other images asked for, by their references: a start, a mask
    title: str | None  # a template or a plain title; None: the sidecar's stem, or the usual template
    output: str
    variants: tuple[Variant, ...]  # one where nothing is varied
    parsed: dict[str, Any]  # the sidecar as it was read, for job.json
    max_jobs: int
    lines: dict[str, int]  # of the keys content, style, title, vary and those of WORDS
    commented: frozenset[str] = frozenset()  # see Marked

    @property
    def settings(self) -> Settings:
        """Those of the first combination."""
        return self.variants[0].settings


@dataclass(frozen=True, slots=True)
class InputRequest:
    """One image that a job names."""

    role: Role
    file: FileRef
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One picture to make; ``inputs`` are the content, the styles, then the others."""

    title: str
    output: str
    settings: Settings
    inputs: tuple[InputRequest, ...]

    @property
    def refusal(self) -> Reason | None:
        """Why this job cannot be done, known from its files' kinds alone; None where nothing is known."""
        return next((each.file.refusal for each in self.inputs if each.file.refusal), None)


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference that means no file yet."""

    reference: str
    role: Role
    line: int
    why: str
    hint: str = ""  # what was probably meant


@dataclass(frozen=True, slots=True)
class Expansion:
    """The jobs of those files that are there, and the references that mean none yet.

    The jobs stand in the order of the product: contents, styles, what is varied.
    """

    jobs: tuple[JobRequest, ...]
    missing: tuple[Missing, ...]


def sidecar_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a sidecar."""
    schema = plain_schema(SidecarModel, "nst_batch sidecar")
    schema["description"] = "What to make of a content and a style image; see docs/sidecar.md."
    one_each = [{"oneOf": [{"required": [name]}, {"required": [alias]}]} for alias, name in REQUIRED]
    return {**schema, "allOf": [*one_each, {"not": {"required": ["output", "path_output"]}}]}


def parse_sidecar(text: bytes | str, source: str, rules: SidecarRules | None = None) -> SidecarRequest:
    """What the sidecar ``text`` asks for; ``source`` is its path below the inbox, for messages and the title.

    Raises ProblemsError with every problem at once and nothing else, whatever the text: its code is
    ``sidecar_too_large``, ``path_outside`` or ``title_invalid`` (where all problems are of that kind),
    ``too_many_jobs`` or ``sidecar_invalid``.
    """
    rules = rules or SidecarRules()
    return request_of(load_to_check(text, max_kb=rules.max_sidecar_kb, source=source), rules)


def request_of(marked: Marked, rules: SidecarRules, known: Sequence[Problem] = ()) -> SidecarRequest:
    """As :func:`parse_sidecar`, of a text that has been read; ``known``: problems of it that are known already."""
    model, problems = check(SidecarModel, marked)
    problems = [*known, *(of_what_is_missing(each, marked) for each in problems)]
    problems += alias_problems(marked, {each.key.lower() for each in problems if each.what == UNKNOWN_KEY})
    # What is sound is looked at all the same, so that nobody is told one thing after the other.
    unsound: frozenset[str] = frozenset()
    if model is None or problems:
        model, unsound = sound_part(SidecarModel, marked, problems)
    varied, vary = marked.data.get("vary"), sound_lists(marked.data.get("vary"), problems)
    unsound |= {*varied} - vary.keys() if isinstance(varied, dict) else frozenset()
    problems += untold(marked, _of_the_whole(model, vary, marked, rules, unsound))
    found, more = variants(model, vary, rules.all_defaults, marked, InboxPatch, unsound=unsound, most=rules.max_jobs)
    problems += untold(marked, more)
    if problems:
        raise problems_error(common_code(problems, "sidecar_invalid"), marked.source, problems)
    return _request(model, found, marked, rules)


def _of_the_whole(
    model: SidecarModel,
    vary: Mapping[str, Sequence[Any]],
    marked: Marked,
    rules: SidecarRules,
    unsound: Collection[str],
) -> Iterator[Problem]:
    """What is wrong with keys together, the settings aside."""
    content, style = _images_of(model)
    # Each reference means a file at least, so some products are too large before any file is looked for.
    line = marked.line(("vary",)) or marked.line(("content",)) or marked.line(("path_content",))
    yield from _bound(line, rules.max_jobs, len(content), 1 if isinstance(style, dict) else len(style), count(vary))
    if model.title is not None and has_field(model.title, "vary") and not {"vary"} & {*marked.data, *unsound}:
        yield problem_at(marked, ("title",), "holds {vary}, and nothing is varied", "add vary, or leave it out")
    globs = sum(is_glob(reference) for reference in (*content, *style))
    if globs > MAX_GLOBS:
        yield Problem(0, "", f"holds {globs} globs, more than {MAX_GLOBS}", "use wider ones, or more sidecars")


def _images_of(model: SidecarModel) -> tuple[tuple[str, ...], tuple[str, ...] | dict[str, float]]:
    return model.content or model.path_content or (), model.style or model.path_style or ()


def _request(model: SidecarModel, found: Sequence[Variant], marked: Marked, rules: SidecarRules) -> SidecarRequest:
    content, style = _images_of(model)
    given = model.output if model.output is not None else model.path_output
    return SidecarRequest(
        source=marked.source,
        content=content,
        style=tuple(style),
        blend=tuple(style.values()) if isinstance(style, dict) else None,
        more=tuple(dict.fromkeys(image for each in found for image in each.settings.images())),
        title=model.title,
        output=rules.output if given is None else given,
        variants=tuple(Variant(each.words, _shared(_capped(each.settings, rules).model_dump_json())) for each in found),
        parsed=marked.data,
        max_jobs=rules.max_jobs,
        commented=marked.commented,
        lines={
            key: marked.line((key,)) or marked.line((f"path_{key}",)) or marked.lines.get(("vary", key), 0)
            for key in ("content", "style", "title", "vary", *WORDS)
        },
    )


def _capped(settings: Settings, rules: SidecarRules) -> Settings:
    """Settings with no more priority than config.yaml lets a sidecar have."""
    priority = min(settings.priority, rules.max_priority)
    return settings if priority == settings.priority else settings.model_copy(update={"priority": priority})


@lru_cache(maxsize=256)
def _shared(settings: str) -> Settings:
    """One object for equal settings: thousands of waiting sidecars mostly ask for the same."""
    return Settings.model_validate_json(settings)


def expand(request: SidecarRequest, resolver: FileResolver) -> Expansion:
    """One job for each content with each style, in the order of the lists, each glob in natural order.

    Raises ProblemsError ``too_many_jobs`` or ``title_invalid``.
    """
    missing: list[Missing] = []
    contents = _find(request, resolver, "content", request.content, missing)
    styles = _find(request, resolver, "style", request.style, missing)
    more = _more(request, resolver, missing)
    if request.blend:
        whole = len(styles) == len(request.blend)
        choices = [tuple(zip(styles, request.blend, strict=True))] if whole else []
    else:
        choices = [((style, 1.0),) for style in dict.fromkeys(styles)]
    contents = list(dict.fromkeys(contents))
    line = request.lines["vary"] or request.lines["content"]
    if problems := [*_bound(line, request.max_jobs, len(contents), len(choices), len(request.variants))]:
        raise problems_error("too_many_jobs", request.source, problems)
    if len(more) < len(request.more):
        choices = []
    pairs = [(content, choice) for content in contents for choice in choices]
    return Expansion(_jobs(request, pairs, more, bool(missing)), tuple(missing))


def _more(request: SidecarRequest, resolver: FileResolver, missing: list[Missing]) -> tuple[tuple[Role, FileRef], ...]:
    """The one image that each other key means, as far as they are there."""
    found = []
    for role, reference in request.more:
        found += [(role, ref) for ref in _find(request, resolver, role, (reference,), missing)]
    return tuple(found)


def refuse_several(request: SidecarRequest, role: Role, reference: str, files: Sequence[FileRef]) -> None:
    """Raises ProblemsError where ``files`` are several, and the reference, of a start or in a blend, is to be one."""
    if len(files) < 2 or role == "content" or (role == "style" and request.blend is None):
        return
    what = f"{reference} means {len(files)} images, and it is to be one"
    fix = "name each image with its weight" if role == "style" else "name one image"
    raise ProblemsError("sidecar_invalid", request.source, (Problem(request.lines[role], role, what, fix),))


def _find(
    request: SidecarRequest, resolver: FileResolver, role: Role, references: Sequence[str], missing: list[Missing]
) -> list[FileRef]:
    found: list[FileRef] = []
    for reference in references:
        why = f"no image matches {reference}" if is_glob(reference) else f"there is no {told(reference)}"
        try:
            files = resolver.find(reference, role)
        except PermissionError as error:
            files, why = (), f"{reference}: no permission to look into {error.filename}"
        if not files:
            hint = _hint(request, resolver, reference, role)
            missing.append(Missing(reference, role, request.lines[role], why, hint))
        refuse_several(request, role, reference, files)
        found.extend(files)
    return found


def _hint(request: SidecarRequest, resolver: FileResolver, reference: str, role: Role) -> str:
    """What ``check``, ``status`` and error.txt say of an image that is not there."""
    near = resolver.suggest(reference, role)
    if reference in request.commented:
        cut = "what stands after # is a comment: a name with # in it goes in quotes"
        return f"{cut}; did you mean {near}?" if near else cut
    if near:
        return f"did you mean {near}?"
    return "several images are a list: [a.png, b.png]" if "," in reference else ""


def _bound(line: int, most: int, contents: int, styles: int, variants: int) -> Iterator[Problem]:
    if contents * styles * variants > most:
        varied = f" × {variants:,} combinations" if variants > 1 else ""
        what = f"{contents:,} contents × {styles:,} styles{varied} are more than {most:,} jobs"
        fix = "split them over several sidecars"
        yield Problem(line, "vary" if varied else "content", what, fix, "too_many_jobs")


Choice = tuple[tuple[FileRef, float], ...]


def _jobs(
    request: SidecarRequest,
    pairs: Sequence[tuple[FileRef, Choice]],
    more: tuple[tuple[Role, FileRef], ...],
    more_to_come: bool,
) -> tuple[JobRequest, ...]:
    several = len(pairs) > 1 or (more_to_come and max(len(request.content), len(request.style)) > 1)
    template = request.title or (DEFAULT_TEMPLATE if several else None)
    images = {(role, reference): ref for (role, reference), (_, ref) in zip(request.more, more, strict=False)}
    problems: list[Problem] = []
    jobs: list[JobRequest] = []
    for (content, styles), variant in itertools.product(pairs, request.variants):
        own = tuple((role, images[role, reference]) for role, reference in variant.settings.images())
        settings = (
            variant.settings.model_copy(update={role: ref.name for role, ref in own}) if own else variant.settings
        )
        title = _title(request, template, content, styles, variant)
        fault = title_fault(title)
        if fault:
            fix = "give a title that is one file name" if request.title is None else "choose another title"
            problems.append(Problem(request.lines["title"], "title", f"{shown(title)} {fault}", fix))
        inputs = [InputRequest("content", content), *(InputRequest("style", ref, weight) for ref, weight in styles)]
        inputs += (InputRequest(role, ref) for role, ref in own)
        jobs.append(JobRequest(title, request.output, settings, tuple(inputs)))
    if problems:
        raise problems_error("title_invalid", request.source, problems)
    return tuple(jobs)


def _title(request: SidecarRequest, template: str | None, content: FileRef, styles: Choice, variant: Variant) -> str:
    """What is varied stands at the end, unless the template has a place for it."""
    filled = normal(stem(request.source))
    if template:
        names = {"content": stem(content.name), "style": "+".join(stem(ref.name) for ref, _ in styles)}
        filled = fill_template(template, **names, vary=variant.words)
        if has_field(template, "vary"):
            return filled
    return f"{filled} {variant.words}" if variant.words else filled
