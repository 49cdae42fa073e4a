"""The gallery, as the daemon keeps it: a short process renews it after a job's end, a small file tells what runs.

The process reads pictures and makes pages (:mod:`nst_batch.report.gallery`), so that the daemon stays small and
nothing in a picture can harm it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_batch.child import end
from nst_batch.clock import Moment
from nst_batch.filenames import PREVIEW_NAME, RUNNING_FOLDER
from nst_batch.report.live import FOLDER, IDLE, LIVE, Curve, live_script
from nst_batch.report.markup import being_ended, clock, href
from nst_batch.spool.spool import Spool

RENEWAL = (sys.executable, "-m", "nst_batch.report.gallery")
RENEW_SECONDS = 5.0  # between a job's end and the page that shows it
LIVE_SECONDS = 2.0
HEARTBEAT_SECONDS = 10.0  # the page takes a daemon for gone that has not written for thirty
AGAIN_SECONDS = 60.0  # after a renewal that could not even be started
BEAT_SECONDS = 0.5


class GalleryKeeper:
    """Renews the gallery as the daemon's loop goes round; ``command`` is what does it, but for the outbox.

    ``beat()`` is called while it is waited for at the end.
    """

    def __init__(
        self,
        spool: Spool,
        outbox: Path,
        note: Callable[[str], None],
        command: Sequence[str] = RENEWAL,
        beat: Callable[[], object] = lambda: None,
    ) -> None:
        self._spool = spool
        self._outbox = outbox
        self._note = note
        self.command = command
        self.beat = beat
        self._due: float | None = None
        self._owed = False  # a job has ended that the page does not show
        self._begun = 0.0
        self.process: subprocess.Popen[str] | None = None
        self._complaint = ""
        self._curves: dict[str, Curve] = {}
        self._live_due = 0.0
        self._last: tuple[object, ...] = ()
        self._heartbeat = 0.0

    def job_ended(self, at: Moment) -> None:
        """One more job has its end; the page will show it."""
        self._owed = True
        if self._due is None:
            self._due = at.mono + RENEW_SECONDS

    def post(self, facts: Mapping[str, Any], at: Moment, *, last: float | None = None) -> None:
        """Renew what is due; with ``last``, the seconds that a daemon that ends has for it, all of it.

        Raises SpoolBlocked or InboxLost.
        ``facts`` are the state's, with the number of waiting jobs in place of each.
        """
        if self._due is None and not self._begun:
            self._due = at.mono + RENEW_SECONDS  # an earlier daemon may have ended before its last renewal
            self._begun = at.mono
        self._renew(at, last=last)
        self._tell(facts, at, last=last is not None)

    def _renew(self, at: Moment, *, last: float | None) -> None:
        process, ends = self.process, time.monotonic() + (last or 0.0)
        if process is not None and (process.poll() is not None or last is not None):
            self._finish(process, ends)
            # Thousands of results take longer to look through: never more than a tenth of the time.
            if self._due is not None:
                self._due = max(self._due, at.mono + min(60.0, 10 * (at.mono - self._begun)))
        wanted = self._owed if last is not None else self._due is not None and at.mono >= self._due
        if last is not None and time.monotonic() >= ends:
            return  # the next daemon makes up for it
        if wanted and self.process is None:
            self._due, self._owed, self._begun = None, False, at.mono
            try:
                self.process = self._start()
            except OSError as error:
                self._complain(f"{self.command[0]} cannot be started: {error.strerror}")
                self._due, self._owed = at.mono + AGAIN_SECONDS, True
                return
            if last is not None:
                self._finish(self.process, ends)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, str(self._outbox)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _finish(self, process: subprocess.Popen[str], ends: float) -> None:
        """Take the end of a renewal; one that is not there at ``ends`` (monotonic) is left to the next daemon."""
        self.process = None
        while process.poll() is None and (left := ends - time.monotonic()) > 0:
            self.beat()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(BEAT_SECONDS, left))
        if process.poll() is None:
            end(process)
            if process.stderr is not None:
                process.stderr.close()
            return
        _, said = process.communicate()
        complaint = (said.strip().splitlines() or [f"exit code {process.returncode}"])[-1] if process.returncode else ""
        self._complain(complaint)

    def _complain(self, complaint: str) -> None:
        """Tell once what is wrong; nothing where all is well."""
        if complaint and complaint != self._complaint:
            self._note(f"the gallery is not up to date: {complaint}")
        self._complaint = complaint

    def _tell(self, facts: Mapping[str, Any], at: Moment, *, last: bool) -> None:
        if last:
            if self._last:
                self._write(IDLE)
            return
        if at.mono < self._live_due:
            return
        self._live_due = at.mono + LIVE_SECONDS
        jobs = [self._job(entry) for entry in facts["running"]]
        self._curves = {job["id"]: self._curves[job["id"]] for job in jobs}
        told = (jobs, facts["waiting"], _held(facts))
        if not jobs and not facts["waiting"] and told[:2] == (self._last or ([], 0))[:2]:
            return
        if told != self._last or at.mono >= self._heartbeat:
            self._write(live_script(jobs, told[1], facts["empty_at"], time.time(), told[2]))
            self._last = told
            self._heartbeat = at.mono + HEARTBEAT_SECONDS

    def _write(self, text: str) -> None:
        self._spool.write_page(f"{FOLDER}/{LIVE}", text.encode())

    def _job(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        curve = self._curves.setdefault(entry["id"], Curve())
        if entry["loss"] is not None:
            curve.add(entry["step"], entry["loss"], entry["scale"])
        return {
            **{key: entry[key] for key in ("id", "name", "step", "steps", "epoch", "epochs", "loss", "scale")},
            "left": entry["seconds_left"],
            "ends": being_ended(entry),
            "preview": self._preview(entry["name"]),
            "curve": list(curve.points),
        }

    def _preview(self, job: str) -> str | None:
        """Where the page finds it; with its time, for a browser asks again for another address alone."""
        path = f"{RUNNING_FOLDER}/{job}/{PREVIEW_NAME}"
        try:
            return f"./{href(path)}?{(self._outbox / path).stat().st_mtime_ns:x}"
        except OSError:  # there is none yet
            return None


def _held(facts: Mapping[str, Any]) -> str:
    """What keeps jobs from beginning, for a page that others read too: no path of this machine."""
    if facts["paused"]:
        return "paused"
    if facts["blocked"]:
        return "held up, nst-batch status says by what"
    closed = facts["closed_until"]
    return "" if closed is None else f"begins at {clock(closed, zone=facts['closed_zone'])}"
