"""What Slurm has been asked and has answered: one look at its queue for all, and a few submissions at a time."""

from __future__ import annotations

from dataclasses import dataclass

from nst_batch.config.slurm import Slurm
from nst_batch.daemon.slurm import commands
from nst_batch.daemon.slurm.commands import Command, QueueEntry

QUEUE_SECONDS = 5.0  # between two looks at Slurm's queue; one command, however many allocations there are
SUBMITS_AT_ONCE = 4
CANCELLED_SECONDS = 1.0  # what was cancelled is looked for sooner


@dataclass(frozen=True)
class Submitted:
    """Slurm's answer to one request: its number, or why there is none."""

    name: str
    slurm_id: str
    why: str


class Scheduler:
    """The commands at work. None of them is waited for."""

    def __init__(self, settings: Slurm) -> None:
        self._settings = settings
        self._submits: dict[str, Command] = {}
        self._cancels: list[Command] = []
        self._looking: Command | None = None
        self._look_due = 0.0
        self.has_looked = False  # since the last request that may have got through unheard
        self.trouble = ""  # why the queue cannot be looked at
        self.failures = 0  # looks in a row that had no answer

    def is_being_asked_for(self, name: str) -> bool:
        """Whether the answer to a request for this allocation is still to come."""
        return name in self._submits

    @property
    def may_submit(self) -> bool:
        """Whether one more request may be made now."""
        return self.has_looked and len(self._submits) < SUBMITS_AT_ONCE

    def submit(self, name: str, script: str, now: float) -> None:
        """Ask for an allocation that goes by ``name`` and runs ``script``. OSError."""
        self._submits[name] = commands.submit(self._settings, name, script, now)

    def cancel(self, slurm_id: str, name: str, now: float) -> None:
        """End one, wherever it stands. OSError."""
        self._cancels.append(commands.cancel(slurm_id, name, now))
        self._look_due = min(self._look_due, now + CANCELLED_SECONDS)

    def answers(self, now: float) -> list[Submitted]:
        """What has become of requests since the last call."""
        self._cancels = [one for one in self._cancels if one.done(now) is None]
        found = []
        for name, command in list(self._submits.items()):
            end = command.done(now)
            if end is None:
                continue
            del self._submits[name]
            slurm_id = "" if end.why else end.text.strip().split(";")[0]
            if not slurm_id:
                # It may have got through all the same: the queue says so.
                self.has_looked, self._look_due = False, now
            found.append(Submitted(name, slurm_id, end.why or "sbatch told no number"))
        return found

    def queue(self, now: float) -> list[QueueEntry] | None:
        """What is in the queue, where that has just been looked at; None where not. OSError."""
        if self._looking is None:
            if now >= self._look_due:
                self._looking = commands.ask_queue(now)
            return None
        end = self._looking.done(now)
        if end is None:
            return None
        self._looking, self._look_due, self.trouble = None, now + QUEUE_SECONDS, end.why
        if end.why:
            self.failures += 1
            return None
        self.has_looked, self.failures = True, 0
        return commands.queue_entries(end.text)
