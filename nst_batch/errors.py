"""What can go wrong, by who has to do something about it; each with the reason why.

A function that cannot do its work raises one of these; it is caught once, where something can be done about it, and
its :class:`~nst_batch.reasons.Reason` is carried on from there, to be said once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from nst_batch.reasons import Reason

EXIT_OK = 0
EXIT_JOB_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_NOW = 75
EXIT_CONFIG = 78


class NstError(Exception):
    """Base of every error this program raises on purpose.

    ``reason`` is what all else is told; ``str(error)`` is what and where, one plain line for each of ``message``.
    Without ``advice`` it has that of its code (:mod:`nst_batch.reasons`).
    """

    exit_code = EXIT_JOB_FAILED

    def __init__(self, code: str, message: str | Sequence[str], advice: str | None = None) -> None:
        self.reason = Reason.of(code, message, advice)
        super().__init__(self.reason.message)

    @classmethod
    def of(cls, reason: Reason) -> Self:
        """The error for a reason that has arisen elsewhere."""
        return cls(reason.code, reason.message.split("\n"), reason.advice)

    @property
    def code(self) -> str:
        """One of :data:`nst_batch.reasons.KNOWN`."""
        return self.reason.code

    @property
    def message(self) -> str:
        """What and where."""
        return self.reason.message

    @property
    def advice(self) -> str:
        """What to do."""
        return self.reason.advice

    @property
    def in_one_line(self) -> str:
        """What, where, and what to do, for where there is one line."""
        return self.reason.in_one_line


class UsageError(NstError):
    """The command line asks for something that cannot be (exit 2)."""

    exit_code = EXIT_USAGE


class NotNowError(NstError):
    """Right, but not now: another daemon has the inbox, the queue is paused, the disk is full (exit 75)."""

    exit_code = EXIT_NOT_NOW


class SetupError(NstError):
    """The configuration or the weights are wrong or missing (exit 78)."""

    exit_code = EXIT_CONFIG


class JobError(NstError):
    """One job cannot be done; the daemon goes on. ``retry`` says whether trying again may help."""

    def __init__(
        self, code: str, message: str | Sequence[str], advice: str | None = None, *, retry: bool = False
    ) -> None:
        super().__init__(code, message, advice)
        self.retry = retry


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a YAML file: where it stands, what it is, and the fix where one is known."""

    line: int  # counted from 1; 0 where the file as a whole is meant
    key: str  # dotted path of the key, "" for the file as a whole
    what: str
    fix: str = ""
    code: str = ""  # its own, where it has one

    def __str__(self) -> str:
        """``line 3, epocs: unknown key; did you mean 'epochs'?``."""
        place = f"line {self.line}" if self.line else ""
        head = ", ".join(part for part in (place, self.key) if part)
        return (f"{head}: " if head else "") + self.what + (f"; {self.fix}" if self.fix else "")


class ProblemsError(NstError):
    """A sidecar or config file with one or more :class:`Problem`; all of them are reported at once."""

    exit_code = EXIT_CONFIG

    def __init__(self, code: str, source: str, problems: tuple[Problem, ...]) -> None:
        lines = [f"{source}: {problem}" for problem in problems]
        super().__init__(code, lines, f"correct {source} and try again")
        self.source = source
        self.problems = problems
