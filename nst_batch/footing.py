"""What a night rests on that only the system can give, looked at before anything else.

Where it is not there the night would go half well: this is said at once, by ``run`` as by ``doctor``.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from typing import NamedTuple

from nst_batch.errors import SetupError

PYTHONS = ((3, 11), (3, 13))
PROCESSORS = ("x86_64", "aarch64")
LEAST_FILES, USUAL_FILES = 32, 1024  # open at once; a quick night was seen to pass with 20
_DESCRIPTORS = "/proc/self/fd"


class Footing(NamedTuple):
    """What this process finds. ``libc``: as ``glibc 2.36``, or empty; ``files``: what the hard limit lets it open."""

    system: str
    release: str
    libc: str
    processor: str
    python: tuple[int, int]
    proc: bool
    files: int

    @classmethod
    def here(cls) -> Footing:
        """That of this machine and this process."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return cls(
            platform.system(),
            platform.release(),
            _glibc(),
            platform.machine(),
            sys.version_info[:2],
            os.path.isdir(_DESCRIPTORS),  # noqa: PTH112 - a name of the kernel's, no path of ours
            sys.maxsize if hard == resource.RLIM_INFINITY else hard,
        )

    def __str__(self) -> str:
        return f"{self.system} {self.release}, {self.libc or 'another C library than glibc'}, {self.processor}"


def faults(footing: Footing) -> tuple[tuple[str, str], ...]:
    """What is missing, and what to do about it; nothing where all is well."""
    first, last = (".".join(map(str, version)) for version in PYTHONS)
    python = ".".join(map(str, footing.python))
    found = (
        (
            footing.system != "Linux",
            f"this is {footing.system}, and the queue rests on what only Linux has",
            "run it there: on Windows in WSL2, elsewhere in a container or on a server (docs/operations.md)",
        ),
        (
            not footing.libc,
            "this system's C library is not glibc (it may be musl, as in Alpine), and TensorFlow is made for glibc",
            "take a system or an image of Debian, Ubuntu, Fedora or one like them",
        ),
        (
            footing.processor not in PROCESSORS,
            f"this processor is {footing.processor}, and TensorFlow is made for {' and '.join(PROCESSORS)}",
            "take another machine, or a 64-bit system on this one",
        ),
        (
            not PYTHONS[0] <= footing.python <= PYTHONS[1],
            f"this is Python {python}, and it takes {first} to {last}",
            f"install it with one of these: make PYTHON=python{last} demo",
        ),
        (
            not footing.proc,
            "/proc is not mounted here, by which the daemon knows its own files",
            "mount it: mount -t proc proc /proc; a container has it unless told otherwise",
        ),
        (
            footing.files < LEAST_FILES,
            f"no more than {footing.files} files may be open at once here, and {LEAST_FILES} are needed",
            "raise the hard limit: ulimit -Hn 4096, nofile in /etc/security/limits.conf, or LimitNOFILE= in a unit",
        ),
    )
    return tuple((what, advice) for wrong, what, advice in found if wrong)


def stand() -> None:
    """See to it that this process stands on all of it; its soft limit on open files is raised. SetupError."""
    for what, advice in faults(Footing.here()):
        raise SetupError("system_unfit", what, advice)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    usual = USUAL_FILES if hard == resource.RLIM_INFINITY else min(hard, USUAL_FILES)
    if soft < usual:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, hard))


def _glibc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        return ""
