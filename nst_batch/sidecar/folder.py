"""What a folder of the inbox asks for: ``folder.yaml`` of its photographs, ``defaults.yaml`` of the sidecars below it.

Both are read with the care of a sidecar. A photograph's own sidecar is written from its folder's (:meth:`FolderRequest.
sidecar`), with what the defaults gave written out: from there on it goes the way of every other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nst_batch.names import DEFAULT_TEMPLATE, fitting_title, stem, with_content
from nst_batch.sidecar.conflicts import conflict_problems
from nst_batch.sidecar.expand import SidecarRequest, SidecarRules, refuse_several, request_of
from nst_batch.sidecar.keys import Defaults, of_one_sidecar
from nst_batch.sidecar.required import ALIASES
from nst_batch.sidecar.resolver import FileRef, FileResolver, is_glob
from nst_batch.sidecar.settings import Patch, layered, resolve
from nst_batch.strict_yaml.models import check, problem_at, sound_part
from nst_batch.strict_yaml.reader import load_to_check, problems_error

_ANY_PHOTOGRAPH = "photograph.jpg"  # stands for what folder.yaml does not name
# The picture is the same without them.
_NOT_A_SETTING = ("content", "path_content", "style", "path_style", "priority", "now")


@dataclass(frozen=True)
class FolderDefaults:
    """One ``defaults.yaml``: ``written`` as it was read, ``patch`` and ``output`` as they count."""

    written: dict[str, Any]
    patch: Patch
    output: str | None


@dataclass(frozen=True)
class Choice:
    """One style, or one blend of styles, for a photograph; ``key`` tells it, with all settings, from every other."""

    references: tuple[str, ...]
    key: str


@dataclass(frozen=True)
class FolderRequest:
    """One ``folder.yaml``, understood."""

    request: SidecarRequest
    written: dict[str, Any]  # with what defaults.yaml gave

    def found(
        self, resolver: FileResolver, mark: Callable[[FileRef], str]
    ) -> tuple[tuple[Choice, ...], dict[FileRef, str], str]:
        """The styles as they lie there, every image that the folder's own file names, and what is missing.

        Each image comes with what names it; of a pattern and a plain name the latter.

        ``mark`` tells an image from others of its name: two folders may each have a ``style.jpg``. Raises ProblemsError
        where several images are meant by what is to name one.
        """
        request, missing = self.request, ""
        own: dict[FileRef, str] = {}
        more: list[FileRef] = []
        choices: dict[str, tuple[FileRef, ...]] = {}
        for reference in request.style:
            files = resolver.find(reference, "style")
            refuse_several(request, "style", reference, files)
            missing = missing or ("" if files else reference)
            for file in files:
                if file not in own or not is_glob(reference):
                    own[file] = reference
                # What a glob has found goes by its own path; a plain name stays as it was written.
                choices[file.relative if is_glob(reference) else reference] = (file,)
        for role, reference in request.more:
            files = resolver.find(reference, role)
            refuse_several(request, role, reference, files)
            missing = missing or ("" if files else reference)
            more += files
            own |= dict.fromkeys(files, reference)
        of_all = tuple(more)
        if request.blend is not None:
            blended = tuple(file for files in choices.values() for file in files)
            return (self._choice(tuple(request.style), map(mark, blended + of_all)),), own, missing
        found = tuple(self._choice((each,), map(mark, files + of_all)) for each, files in choices.items())
        return found, own, missing

    def _choice(self, references: tuple[str, ...], marks: Iterable[str]) -> Choice:
        settings = {key: value for key, value in self.written.items() if key not in _NOT_A_SETTING}
        said = json.dumps([settings, references, self.request.blend, *marks], sort_keys=True, ensure_ascii=False)
        return Choice(references, hashlib.blake2b(said.encode(), digest_size=12).hexdigest())

    def sidecar(self, photograph: str, choices: Sequence[Choice], several: bool) -> bytes:
        """The sidecar of one photograph (its file name) with some of the styles; ``several``: there are more in all.

        Its title is one that a file may have, whatever the photograph is called.
        """
        body = {"content": photograph, **self.written}
        if self.request.blend is None:
            body.pop("path_style", None)
            references = [reference for choice in choices for reference in choice.references]
            body["style"] = references[0] if len(references) == 1 else references
        template = self.request.title or (DEFAULT_TEMPLATE if several else "{content}")
        body["title"] = with_content(template, fitting_title(stem(photograph)))
        lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in body.items())
        return "".join(lines).encode()


def parse_folder(
    text: bytes, source: str, rules: SidecarRules, defaults: Sequence[FolderDefaults] = ()
) -> FolderRequest:
    """What a ``folder.yaml`` asks for; ``rules`` have its ``defaults`` in them already. Raises ProblemsError."""
    marked = load_to_check(text, max_kb=rules.max_sidecar_kb, source=source)
    named = [key for key in ("content", "path_content") if key in marked.data]
    what = "stands in no folder.yaml: each image of the folder is the content of a job of its own"
    fix = "leave it out, or give the sidecar another name"
    problems = [problem_at(marked, (key,), what, fix) for key in named[:1]]
    data = {"content": _ANY_PHOTOGRAPH, **{key: marked.data[key] for key in marked.data if key not in named}}
    lines = {**marked.lines, ("content",): 0}
    request = request_of(replace(marked, data=data, lines=lines), rules, problems)
    return FolderRequest(request, with_defaults_written(marked.data, defaults))


def parse_defaults(text: bytes, source: str, rules: SidecarRules) -> FolderDefaults:
    """What a ``defaults.yaml`` gives to the sidecars below it. Raises ProblemsError."""
    marked = load_to_check(text, max_kb=rules.max_sidecar_kb, source=source)
    model, problems = check(Defaults, marked)
    sound, unsound = sound_part(Defaults, marked, problems)
    problems = [of_one_sidecar(item) for item in problems]
    if "output" in marked.data and "path_output" in marked.data:
        problems.append(problem_at(marked, ("path_output",), "says the same as output", "keep one of them"))
    problems += conflict_problems(resolve(sound, *rules.all_defaults), marked, unsound=unsound)
    if model is None or problems:
        raise problems_error("sidecar_invalid", source, problems)
    output = model.output if model.output is not None else model.path_output
    return FolderDefaults(marked.data, Patch.of(model.written()), output)


def with_defaults(rules: SidecarRules, defaults: Sequence[FolderDefaults]) -> SidecarRules:
    """The rules for what lies below such files, the outermost first: key by key, the nearest counts."""
    output = next((each.output for each in reversed(defaults) if each.output is not None), rules.output)
    return replace(rules, nearer=tuple(each.patch for each in reversed(defaults)), output=output)


def with_defaults_written(written: dict[str, Any], defaults: Sequence[FolderDefaults]) -> dict[str, Any]:
    """A sidecar as it was read, with what ``defaults.yaml`` files gave to it written out.

    So it says the same in every other folder: where a failed job is put back, and in job.json.
    """
    given: dict[str, Any] = {}
    for each in defaults:
        for key, value in each.written.items():
            given.pop(_other_name(key), None)
            given[key] = value
    varied = written.get("vary") or {}
    # Of the epochs that are varied a list, where one is, for that may not stand beside scales from further out.
    nearest = {key: next((each for each in values if isinstance(each, list)), None) for key, values in varied.items()}
    if "scales" not in layered(({**written, **nearest}, *(each.written for each in reversed(defaults)))):
        given.pop("scales", None)
    own = {*written, *map(_other_name, written), *varied}
    return {**{key: value for key, value in given.items() if key not in own}, **written}


def _other_name(key: str) -> str:
    """``output`` for ``path_output``, and the other way round."""
    return ALIASES.get(key) or next((alias for alias, name in ALIASES.items() if name == key), key)
