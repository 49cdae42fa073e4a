"""What Prometheus may want to know, as a textfile for node_exporter's collector of such.

https://prometheus.io/docs/instrumenting/exposition_formats/ has the format. The counters begin at nought with each
daemon, which ``rate()`` and ``increase()`` expect.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from nst_batch.clock import Moment
from nst_batch.config.load import Config
from nst_batch.daemon.events import Died, Event, Stepped
from nst_batch.daemon.executor import Executor
from nst_batch.spool.claims.live_job import Ended, Job
from nst_batch.spool.disk.fs import FileSystem, free_bytes
from nst_batch.spool.inbox.inbox import InboxView

WRITE_SECONDS = 15.0
GIGA = 1_000_000_000

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[Labels, float]


class Metrics:
    """Counts what happens, and writes it down no more often than every 15 s. ``path`` may be set anew."""

    def __init__(self, path: Path | None, files: FileSystem, note: Callable[[str], None]) -> None:
        self.path = path
        self._files = files
        self._note = note
        self._due = 0.0  # monotonic
        self._told = False  # that it cannot be written
        self._ends: Counter[tuple[str, str]] = Counter()
        self._steps = 0
        self._deaths = 0
        self._at_step: dict[str, int] = {}  # by job
        self._before: tuple[float, int] | None = None  # when it was written last (monotonic), and the steps then

    def take_in(self, event: Event) -> None:
        """Something has happened."""
        if isinstance(event, Stepped):
            job, step = event.job.id, int(event.progress["step"])
            # What an earlier sitting has done is known by its first step here; a fast GPU does not tell of each.
            self._steps += max(0, step - self._at_step.get(job, step - 1))
            self._at_step[job] = step
        elif isinstance(event, Died):
            self._deaths += 1

    def job_ended(self, ended: Ended) -> None:
        """A job has its end."""
        self._ends[ended.state, "" if ended.state == "cancelled" else ended.code] += 1
        self._at_step.pop(ended.id, None)

    def post(
        self,
        config: Config,
        view: InboxView | None,
        jobs: Callable[[], Iterable[Job]],
        pool: Executor,
        at: Moment,
        blocked: str | None,
        closed_until: float | None,
    ) -> None:
        """Write the file where it is due.

        ``blocked``: what keeps the queue from going on; ``closed_until``: when the hours of the schedule begin.
        """
        if self.path is None or at.mono < self._due:
            return
        self._due = at.mono + WRITE_SECONDS
        ages = list(_waiting_ages(view, jobs(), pool, at.wall))
        states: dict[Labels, float] = {
            (("state", "running"),): sum(worker.at_work for worker in pool.workers),
            (("state", "waiting"),): len(ages),
            (("state", "incomplete"),): len(view.waiting) if view is not None else 0,
        }
        ends: dict[Labels, float] = {
            (("reason", ""), ("state", state)): 0 for state in ("done", "stopped", "cancelled")
        }
        ends |= {(("reason", reason), ("state", state)): count for (state, reason), count in self._ends.items()}
        paused = view is not None and view.paused
        room, needed = _room(config), config.limits.min_free_gb * GIGA
        self._write(
            lines("nst_batch_queue_jobs", "gauge", "Jobs in the queue.", states),
            gauge("nst_batch_oldest_waiting_seconds", "Age of the oldest job that waits.", max(ages, default=0.0)),
            lines("nst_batch_jobs_ended_total", "counter", "Jobs that have their end, by end and reason.", ends),
            counter("nst_batch_steps_total", "Optimisation steps made.", self._steps),
            gauge("nst_batch_steps_per_second", "Optimisation steps a second of late.", self._rate(at)),
            counter("nst_batch_worker_deaths_total", "Workers that died at a job.", self._deaths),
            counter("nst_batch_worker_restarts_total", "Workers started on a device that had one.", pool.restarts),
            gauge("nst_batch_queue_blocked", "1 while something keeps the queue from going on.", blocked is not None),
            gauge("nst_batch_paused", "1 while inbox/PAUSE stands.", paused),
            gauge("nst_batch_schedule_closed", "1 outside the hours of the schedule.", closed_until is not None),
            lines("nst_batch_disk_free_bytes", "gauge", "Free space of the inbox's and the outbox's disk.", room),
            gauge("nst_batch_disk_needed_bytes", "Free space without which no job starts.", needed),
            gauge("nst_batch_written_timestamp_seconds", "When this was written.", at.wall),
        )

    def _write(self, *families: str) -> None:
        assert self.path is not None
        self._files.keep_beneath(self.path.parent)  # the administrator's own choice, wherever it lies
        try:
            # node_exporter is another user, whom the service's umask would keep out.
            self._files.replace(self.path, "".join(families).encode(), for_all=True)
        except OSError as error:
            if not self._told:
                self._note(
                    f"metrics: {self.path} cannot be written: {error.strerror}; see to its folder and its rights"
                )
            self._told = True
        else:
            self._told = False

    def _rate(self, at: Moment) -> float:
        """Steps a second since this was written last."""
        before, self._before = self._before, (at.mono, self._steps)
        if before is None or at.mono <= before[0]:
            return 0.0
        return (self._steps - before[1]) / (at.mono - before[0])


def _room(config: Config) -> Samples:
    """Free space by folder."""
    room: dict[Labels, float] = {}
    for name, folder in (("inbox", config.inbox), ("outbox", config.outbox)):
        with contextlib.suppress(OSError):  # not mounted: there is nothing to tell
            room[("folder", name),] = free_bytes(folder)
    return room


def _waiting_ages(view: InboxView | None, jobs: Iterable[Job], pool: Executor, wall: float) -> Iterator[float]:
    """How long each job has been there that could run, were its turn."""
    claimed = set()
    for job in jobs:
        claimed.add(job.name)
        worker = pool.at_work_on(job.id)
        if job.outcome is None and job.trouble is None and (worker is None or not worker.at_work):
            yield max(0.0, wall - datetime.fromisoformat(job.arrival).timestamp())
    for pair in view.ready if view is not None else ():
        # The look may be older than a claim.
        yield from (max(0.0, wall - pair.arrival / 1e9) for name in pair.names if name not in claimed)


def lines(name: str, kind: Literal["gauge", "counter"], told: str, samples: Samples) -> str:
    """One family of metrics in the text format."""
    text = f"# HELP {name} {told}\n# TYPE {name} {kind}\n"
    for labels, value in samples.items():
        within = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels)
        text += f"{name}{{{within}}} {value:.15g}\n" if within else f"{name} {value:.15g}\n"
    return text


def gauge(name: str, told: str, value: float) -> str:
    """A number that goes up and down."""
    return lines(name, "gauge", told, {(): value})


def counter(name: str, told: str, value: float) -> str:
    """A number that only grows."""
    return lines(name, "counter", told, {(): value})


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
