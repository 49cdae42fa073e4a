"""What others read of the daemon while it works: its state, for ``status``, and the gallery."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from nst_batch.crew import Crew
from nst_batch.job import JobSpec, Outcome, manifest
from nst_batch.listener import Listener
from nst_batch.queue_state import STATE_NAME, Pace, state
from nst_batch.service import Notifier
from nst_batch.showcase import Showcase
from nst_batch.spool import Ended, Ending, Moment, Spool, View

STATE_SECONDS = 1.0


class Bulletin:
    """Renewed as the daemon's loop goes round, not more often than anybody reads."""

    def __init__(self, spool: Spool, outbox: Path, listener: Listener, notifier: Notifier) -> None:
        self._spool = spool
        self._listener = listener
        self._notifier = notifier
        self._done = self._failed = 0
        self._state_due = 0.0
        self._last_state = ""
        self._showcase = Showcase(spool, outbox, listener.note)
        self._waits: dict[str, str] = {}
        self.pace = Pace()

    def tell_waits(self, view: View) -> None:
        """Say once of each sidecar for what it waits, and until when."""
        waits = {pair.sidecar: pair for pair in view.waiting if pair.kind != "settling"}
        for sidecar, pair in waits.items():
            if self._waits.get(sidecar) != pair.why:
                until = "" if pair.until is None else f", until {datetime.fromtimestamp(pair.until):%d %b %H:%M}"
                self._listener.note(f"{sidecar} waits{until}: {pair.why}")
        self._waits = {sidecar: pair.why for sidecar, pair in waits.items()}

    def job_ended(self, ended: Ended, at: Moment) -> None:
        """One more job has its end; the gallery will show it."""
        if ended.state in ("failed", "cancelled"):
            self._failed += 1
        else:
            self._done += 1
        self._showcase.job_ended(at)

    def post(self, view: View | None, crew: Crew, blocked: str | None, at: Moment, *, now: bool = False) -> None:
        """Write what is due, or with ``now`` everything. Raises SpoolBlocked or InboxLost."""
        if not now and at.mono < self._state_due:
            return
        facts = state(view, self._spool.jobs(), crew.workers, self.pace, blocked, os.getpid(), crew.notes)
        self._write_state(facts, blocked)
        self._state_due = at.mono + STATE_SECONDS
        self._showcase.post(facts, at, last=now)

    def _write_state(self, facts: dict[str, Any], blocked: str | None) -> None:
        running, waiting = len(facts["running"]), len(facts["waiting"])
        self._listener.queue(running, waiting, self._done, self._failed)
        text = json.dumps(facts, ensure_ascii=False)
        if text != self._last_state:
            self._notifier.status(blocked or f"{running} running, {waiting} waiting, {self._done} done")
            self._spool.note_state(STATE_NAME, text.encode())
            self._last_state = text


def manifest_of_ending(spec: JobSpec | None, ending: Ending, *, attempts: int, fallback: dict[str, object]) -> bytes:
    """job.json of a job that ends without a worker's outcome."""
    outcome = Outcome(state=ending.state, code=ending.code, message=ending.message, advice=ending.advice)
    return manifest(spec, outcome, attempts=attempts, fallback=fallback).encode()
