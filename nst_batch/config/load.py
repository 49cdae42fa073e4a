"""config.yaml to a :class:`Config`: strict like a sidecar, all problems at once, each with its line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nst_batch.config.keys import ConfigFile
from nst_batch.config.values import home_fault
from nst_batch.errors import Problem, SetupError
from nst_batch.sidecar.conflicts import conflict_problems
from nst_batch.sidecar.expand import SidecarRules
from nst_batch.sidecar.keys import Defaults, of_one_sidecar
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.strict_yaml.models import check, plain_schema, problem_at, sound_part
from nst_batch.strict_yaml.reader import Marked, load_to_check, problems_error, shown

CONFIG_NAME = "config.yaml"
_MISNAMED = ("config.yml", "config.yaml.txt", "config.yml.txt")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
CONFIG_VARIABLE = "NST_BATCH_CONFIG"
NOWHERE = Path("(the working folder, which has been removed)")
MAX_CONFIG_KB = 256


class Config(ConfigFile):
    """What config.yaml says, and where it lies."""

    source: Path | None = None  # the file, None where there is none

    def sidecar_rules(self) -> SidecarRules:
        """What this config says about sidecars."""
        return SidecarRules(
            defaults=Patch.of(self.defaults.written()),
            output=self.defaults.output or self.defaults.path_output or "",
            max_sidecar_kb=self.limits.max_sidecar_kb,
            max_jobs=self.limits.max_jobs,
            max_priority=self.limits.max_priority,
        )


def config_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of config.yaml."""
    schema = plain_schema(ConfigFile, "nst_batch config.yaml")
    schema["description"] = "How the studio runs; see docs/config.md. Every key is optional."
    return schema


def working_folder() -> Path:
    """The current folder; :data:`NOWHERE` where it has been removed, which does no harm to absolute paths."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return NOWHERE


def find_config(
    named: str | Path | None = None, *, environ: Mapping[str, str] = os.environ, cwd: Path | None = None
) -> Path | None:
    """The config file: the one named, else NST_BATCH_CONFIG's, else ./config.yaml if it is there, else None.

    A file that is named by hand or by the variable and is not there is a SetupError.
    """
    here = cwd or working_folder()
    variable = environ.get(CONFIG_VARIABLE)
    for name, how in ((named, "--config"), (variable, CONFIG_VARIABLE)):
        if name:
            if fault := home_fault(str(name)):
                raise SetupError("config_missing", f"{how}: {fault}", "name a config.yaml that is there")
            path = here / Path(name).expanduser()
            if not path.is_file():
                what = "is not a file" if path.exists() else "does not exist"
                raise SetupError(
                    "config_missing", f"{path} (named by {how}) {what}", "name a config.yaml that is there"
                )
            return path
    path = here / CONFIG_NAME
    if path.is_file():
        return path
    if os.path.lexists(path):
        what = f"{path} is there and is no file (a folder, a pipe, or a link that leads nowhere), so it is not read"
        raise SetupError("config_missing", what, "put the config itself there, or take it away for the defaults")
    for other in _MISNAMED:
        if (here / other).is_file():
            what = f"{here / other} is not read: a config is {CONFIG_NAME}"
            fix = f"rename it, or make an empty {CONFIG_NAME} beside it if it is not meant for nst_batch"
            raise SetupError("config_missing", what, fix)
    return None


def load_config(
    named: str | Path | None = None, *, environ: Mapping[str, str] = os.environ, cwd: Path | None = None
) -> Config:
    """The config that :func:`find_config` finds, or the defaults relative to the current folder.

    Raises SetupError for a file that cannot be read and ProblemsError (``config_invalid``,
    ``config_too_large``) with all that is wrong in it.
    """
    here = cwd or working_folder()
    path = find_config(named, environ=environ, cwd=here)
    if path is None:
        if here == NOWHERE:
            what = "the working folder has been removed, and no config is named"
            raise SetupError("config_missing", what, "go to a folder that is there, or name a config.yaml from / on")
        return parse_config(b"", here / CONFIG_NAME).model_copy(update={"source": None})
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_KB * 1024 + 1)
    except OSError as error:
        raise SetupError("config_unreadable", f"{path}: {error.strerror}", "make it readable for this user") from error
    return parse_config(text, path)


def parse_config(text: bytes | str, path: Path) -> Config:
    """The config that ``text`` is, its relative paths taken from the folder of ``path``."""
    marked = load_to_check(text, max_kb=MAX_CONFIG_KB, source=str(path), kind="config")
    file, problems = check(ConfigFile, marked, working_folder() / path.parent)
    defaults = marked.data.get("defaults")
    sound, unsound = sound_part(Defaults, marked, problems, "defaults")
    problems = [of_one_sidecar(item, "defaults.") for item in problems]
    if isinstance(marked.data.get("schedule"), dict):
        problems = [_of_one_window(item, marked) for item in problems]
    if isinstance(defaults, dict) and "output" in defaults and "path_output" in defaults:
        problems.append(problem_at(marked, ("defaults", "path_output"), "says the same as output"))
    if file is None or problems:
        problems += conflict_problems(resolve(sound), marked, ("defaults",), unsound=unsound)
        raise problems_error("config_invalid", str(path), problems)
    config = Config.model_construct(**dict(file), source=path)
    problems = [*_path_problems(marked), *_folder_problems(config, marked), *_default_problems(config, marked)]
    problems += _device_problems(config, marked)
    if problems:
        raise problems_error("config_invalid", str(path), problems)
    return config


def _of_one_window(problem: Problem, marked: Marked) -> Problem:
    """A problem of the schedule's only window, which was not written as a list, where it was written."""
    if not problem.key.startswith("schedule.0"):
        return problem
    path = ("schedule", *problem.key.split(".")[2:])
    return replace(problem, key=".".join(path), line=marked.line(path))


def _default_problems(config: Config, marked: Marked) -> list[Problem]:
    settings = resolve(config.defaults)
    problems = [*conflict_problems(settings, marked, ("defaults",))]
    most = config.limits.max_priority
    if settings.priority > most and config.defaults.priority is None:
        what = f"is {most}, and a sidecar without a priority has {settings.priority}"
        fix = f"write at least {settings.priority}, or give the defaults a priority"
        problems.append(problem_at(marked, ("limits", "max_priority"), what, fix))
    elif settings.priority > most:
        what = f"is more than limits.max_priority, {most}"
        problems.append(problem_at(marked, ("defaults", "priority"), what, f"write at most {most}, or raise the limit"))
    return problems


def _device_problems(config: Config, marked: Marked) -> list[Problem]:
    """What stands as ``device`` is of this machine; on a cluster it must not be told another story than ``gpus``."""
    device, gpus = config.device, config.slurm.gpus
    if config.executor == "local" or device in ("auto", "gpu" if gpus else "cpu"):
        return []
    what = f"says {shown(device)}, and slurm.gpus: {gpus} decides with executor: slurm"
    fix = f"leave device out; slurm: {{gpus: {1 - gpus}}} is the other kind of worker"
    return [problem_at(marked, ("device",), what, fix)]


def _path_problems(marked: Marked) -> list[Problem]:
    """Paths that mean something to a shell or to Windows, and would be odd names here."""
    library = marked.data.get("library") or []
    named = [((key,), marked.data.get(key)) for key in ("inbox", "outbox", "weights", "metrics")]
    places: list[tuple[tuple[str | int, ...], Any]] = [
        *named,
        *((("library", n), name) for n, name in enumerate(library)),
    ]
    problems = []
    for place, name in places:
        if isinstance(name, str) and name.startswith("$"):
            fix = "write the path itself; ~ is the home folder"
            problems.append(problem_at(marked, place, f"{shown(name)} is taken as it stands, $ and all", fix))
        elif isinstance(name, str) and _DRIVE.match(name):
            fix = "write the path as this system has it, such as /mnt/c/pictures"
            problems.append(problem_at(marked, place, f"{shown(name)} is a path of Windows", fix))
    return problems


def _home_within(folder: Path) -> str:
    """What no library is meant to hold: all of this system, or somebody's whole home; "" where it holds neither."""
    if folder == Path("/"):
        return "is all of this system"
    try:
        home = Path(os.path.realpath(Path.home()))
    except RuntimeError:
        return ""
    if home == folder:
        return "is a whole home folder"
    return f"holds a whole home folder, {home}" if folder in home.parents else ""


def _folder_problems(config: Config, marked: Marked) -> list[Problem]:
    """Folders that would take each other's files; links are resolved for this."""
    inbox, outbox = Path(os.path.realpath(config.inbox)), Path(os.path.realpath(config.outbox))
    problems: list[Problem] = []
    if inbox == outbox or inbox in outbox.parents:
        what = f"{config.outbox} lies in the inbox, so results would be taken for inputs"
        problems.append(problem_at(marked, ("outbox",), what, "name a folder outside the inbox"))
    elif outbox in inbox.parents:
        what = f"{config.inbox} lies in the outbox"
        problems.append(problem_at(marked, ("inbox",), what, "name a folder outside the outbox"))
    if config.metrics is not None and inbox in Path(os.path.realpath(config.metrics)).parents:
        what = f"{config.metrics} lies in the inbox, which would be looked through at every change of it"
        problems.append(problem_at(marked, ("metrics",), what, "name a file in a folder of node_exporter's"))
    for place, folder in enumerate(config.library):
        real = Path(os.path.realpath(folder))
        if real == inbox or inbox in real.parents:
            what = f"{folder} lies in the inbox, whose images are taken, while a library's stay"
            problems.append(problem_at(marked, ("library", place), what, "name a folder outside the inbox"))
        elif home := _home_within(real):
            what = f"{folder} {home}: whoever writes a sidecar could have any image in there painted, and see it"
            problems.append(problem_at(marked, ("library", place), what, "name the folder of the styles alone"))
    return problems
