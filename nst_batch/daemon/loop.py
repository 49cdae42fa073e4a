"""The daemon's loop: wake, look, claim, hand out, publish.

The folders are the state (:mod:`nst_batch.spool`), the pool does the work (:mod:`nst_batch.daemon.worker_pool`); this
loop only carries things between them, and can end at any line without loss. It prints nothing: it tells a
:class:`Listener`.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Sequence
from typing import Literal

from nst_batch.clock import Moment
from nst_batch.config.load import Config
from nst_batch.daemon.events import Died, Event, Finished, Phased, Refused, Stepped, WorkerFault, Yielded
from nst_batch.daemon.executor import choose_executor
from nst_batch.daemon.hooks import LIMIT_SECONDS, HookRunner
from nst_batch.daemon.listener import Listener
from nst_batch.daemon.metrics import Metrics
from nst_batch.daemon.once import Once
from nst_batch.daemon.open_hours import OpenHours
from nst_batch.daemon.outcomes import OutcomeHandler
from nst_batch.daemon.queue_block import QueueBlock
from nst_batch.daemon.reloading import Reloader
from nst_batch.daemon.service import Notifier, Signals, farewell, watchdog_interval
from nst_batch.daemon.status_writer import StatusWriter
from nst_batch.daemon.wishes import Wishes
from nst_batch.errors import EXIT_OK, SetupError
from nst_batch.reasons import INBOX_LOST
from nst_batch.spool.claims.live_job import Ended
from nst_batch.spool.disk.blocked import InboxLost, SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.inbox.watch import Watcher
from nst_batch.spool.spool import Spool
from nst_batch.turn import Turn

BUSY_TICK_SECONDS = 1.0
LOOK_SECONDS = 0.4  # of a turn, at most, for understanding sidecars; what is left waits for the next turn
WORK_SECONDS = 0.4  # of a turn, at most, for each of: what needs no worker, claiming for workers
VIEW_HOLDS_SECONDS = 3.0  # of sweeping, at most, before the next look
LOOK_PAUSE_SECONDS = 0.5  # however many events come, the inbox is not listed more often
BLOCKED_RETRY_SECONDS = 10.0
MEND_SECONDS = 1.0
HOOKS_END_SECONDS = 5.0  # a daemon that was told to end waits so long for its hooks
LAST_SECONDS = {True: 2.0, False: 20.0}  # and so long, told to end or not, for the gallery's last renewal
YIELD_SECONDS = 25.0  # a worker asked to give back its job has this long; systemd allows more


class Daemon:
    """One daemon on one inbox."""

    def __init__(
        self,
        config: Config,
        listener: Listener,
        *,
        once: Once | None = None,
        notifier: Notifier | None = None,
        reread: Callable[[], Config] | None = None,
        hangup: Literal["reload", "stop"] = "reload",
        files: FileSystem | None = None,
        worker: Sequence[str] | None = None,
    ) -> None:
        self._config = config
        self._listener = listener
        self._once = once
        self._notifier = notifier or Notifier(None)
        self._reloader = None if reread is None else Reloader(config, reread, self._take_config)
        self._hangup = hangup
        files = files or FileSystem()
        files.on_progress = self._notifier.watchdog  # a claim on a slow disk may take longer than a watchdog waits
        self._pool = choose_executor(config, files, worker)
        self.spool = Spool(config, files, self._pool.jobs_in_hand)
        self._status_writer = StatusWriter(self.spool, config, files, listener, self._notifier)
        self._woken = threading.Event()
        self.view: InboxView | None = None
        self._hooks = HookRunner(config.hooks, listener.warn, files)
        self._block = QueueBlock(listener.note, listener.warn, self._hooks.trouble, self.spool.try_to_write)
        self._metrics = Metrics(config.metrics, files, listener.warn)
        self._hours = OpenHours(config.schedule, listener.note)
        self._looked_well = self._posted_well = True
        self.next_look = 0.0
        self._view_holds = 0.0  # until then (monotonic) a sweep goes on by the last look
        self._wishes = Wishes(self._pool)
        self._outcomes = OutcomeHandler(self.spool, self._status_writer, note=listener.warn, on_end=self._tell_end)

    def run(self) -> int:
        """Work until told to end, or with ``once`` until the inbox is empty; returns the exit code."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.spool.close)
            self._open()
            signals = stack.enter_context(Signals(hangup=self._hangup))

            def wake() -> None:
                self._woken.set()
                signals.waker.wake()

            watcher = Watcher(self._config.inbox, wake, self._config.watch.polling)
            watcher.start()
            stack.callback(watcher.stop)
            stack.callback(self._pool.kill)
            self._begin()
            self._notifier.ready()
            try:
                return self._loop(signals, watcher)
            finally:
                if signals.stop_asked:
                    self._listener.note(farewell(len(self._pool.giving_back), len(self._pool.busy), signals.asked_by))
                self._notifier.stopping("putting running jobs back")
                self._put_back_all(signals)
                with self._block.instead():
                    self.spool.clear_up(Moment.now(), Turn(LOOK_SECONDS))
                self.post(Moment.now(), last=LAST_SECONDS[signals.stop_asked])
                patience = HOOKS_END_SECONDS if signals.stop_asked else LIMIT_SECONDS
                self._hooks.finish(self._notifier.watchdog, 0.0 if signals.at_once else patience)

    def _open(self) -> None:
        """Take hold of the inbox. Where the disk refuses, or a folder is not mounted, that is tried again and again."""
        with self._block.instead(at_once=self._once is not None):
            self.spool.open(Moment.now())

    def _begin(self) -> None:
        """Finish or undo whatever an earlier daemon had under way."""
        if self._block.reason is not None:
            return
        with self._block.instead(at_once=self._once is not None):
            recovery = self.spool.recover(Moment.now())
            for text in recovery.notes:
                self._listener.note(text)
            for ended in recovery.ended:
                self._outcomes.tell_end(ended)

    # -- the loop -----------------------------------------------------------------------------------

    def _loop(self, signals: Signals, watcher: Watcher) -> int:
        while not signals.stop_asked:
            at = Moment.now()
            with self._block.instead():  # a cluster's mailboxes lie on a disk
                for event in self._pool.news(at.mono):
                    self._take_in(event, at)
            if at.mono >= self.next_look:
                watcher.check()
                self.look(at)
                self._woken.clear()
            with self._block.instead():
                self._look_at(self._hours.attend(self._pool.busy, at))
            self.post(at)
            self._hooks.attend(at.mono)
            self._notifier.watchdog()
            code = self._end_of_once()
            if code is not None:
                return code
            signals.wait(self.wait_seconds(), *self._pool.to_watch, *self._hooks.to_watch)
            if self._woken.is_set():
                self._look_at(Moment.now().mono + LOOK_PAUSE_SECONDS)
            if signals.take_reload():
                self._reload()
        return EXIT_OK

    def wait_seconds(self) -> float:
        """How long nothing is to be done, if nothing comes."""
        now, beat = Moment.now().mono, watchdog_interval()
        wait = min(max(0.0, self.next_look - now), self._status_writer.due_in(now))
        if self._pool.workers or self._hooks.running:
            wait = min(wait, BUSY_TICK_SECONDS)
        return wait if beat is None else min(wait, beat, BUSY_TICK_SECONDS)

    def _look_at(self, moment: float) -> None:
        """Look again no later than at ``moment`` (monotonic)."""
        self.next_look = min(self.next_look, moment)

    def look(self, at: Moment) -> None:
        """One look at the inbox, and what follows from it."""
        # What is damaged is mended when the folders are read again: the first time that is soon.
        pause = MEND_SECONDS if self._looked_well else BLOCKED_RETRY_SECONDS
        self.next_look = at.mono + pause
        self._looked_well = False
        try:
            view = self._seen(at)
            if view.inbox_lost:
                self._block.met(INBOX_LOST, view.inbox_lost)
                self._pool.rest()
                return
            turn = Turn(WORK_SECONDS)
            for ended in self.spool.sweep(at, turn):
                self._outcomes.tell_end(ended)
            self._notifier.watchdog()
            self._pool.adopt(self.spool.in_hand)
            self._outcomes.settle_leftovers(self._pool.at_work_on, at, turn)
            self._hand_out(view, at, claiming := Turn(WORK_SECONDS))
            dues = (job.attempts.not_before for job in self.spool.jobs())
            self._look_at(at.mono + min((due - at.wall for due in dues if due > at.wall), default=math.inf))
            if turn.was_cut or claiming.was_cut:
                self._look_at(at.mono)
            if not turn.was_cut:
                self._view_holds = 0.0
            settling = any(pair.kind == "settling" for pair in view.waiting)
            busy = view.ready or view.broken or settling or self.spool.jobs() or self._pool.busy
            self._hooks.queue_seen(empty=not busy)
        except (SpoolBlocked, InboxLost) as error:
            self._block.met(error.code, error.in_one_line)
            self.next_look, self._view_holds = at.mono + pause, 0.0
        else:
            self._looked_well = True
            self._unblock()

    def _seen(self, at: Moment) -> InboxView:
        """What lies in the inbox: by the last look where a sweep of what that saw was cut short, for a while."""
        if self.view is not None and at.mono < self._view_holds:
            return self.view
        view = self.view = self.spool.look(at, Turn(LOOK_SECONDS))
        self._notifier.watchdog()
        # A sweep may not have come to all control files, which it goes by as they were at this look alone.
        self.next_look, self._view_holds = view.next_look, at.mono + (0.0 if view.controls else VIEW_HOLDS_SECONDS)
        for text in view.notes:
            self._listener.note(text)
        if view.inbox_lost:
            return view
        if self._once and self._once.incomplete == "fail":
            self.spool.expire(at)
        else:
            self._status_writer.tell_waits(view, at)
        self._wishes.pass_on(view.controls)
        return view

    def _hand_out(self, view: InboxView, at: Moment, turn: Turn) -> None:
        jobs = (job for job in self.spool.jobs() if not job.is_held(at.mono))
        waits = any(self._hours.let(job) for job in jobs if self._pool.at_work_on(job.id) is None)
        if view.paused:
            self._pool.call_back()
        if view.paused or not (waits or any(map(self._hours.let, view.ready))):
            if self._hours.closed_until:
                self._pool.rest()  # the device is somebody else's now
            return
        self._block.keep_back()
        if reason := self.spool.room():
            raise SpoolBlocked("disk_full", reason, "")
        for give in self._pool.openings(at.mono):
            job = self.spool.hand_out_next(at, turn, now_only=self._hours.closed_until is not None)
            if job is None:
                return
            give(job)
            self._wishes.given(job, view.controls)
            self._status_writer.given(job, self._pool, at)
        if self._pool.start_due > at.mono:
            self._look_at(self._pool.start_due)

    # -- what the workers tell ----------------------------------------------------------------------

    def _take_in(self, event: Event, at: Moment) -> None:
        self._metrics.take_in(event)
        self._status_writer.heard(event, at)
        match event:
            case Stepped():
                self._listener.stepped(event)
                return
            case Phased(job):
                self._listener.phased(event)
                if job is not None:
                    return
            case WorkerFault(reason):
                self._hooks.trouble(reason.code)
                raise SetupError.of(reason)
            case Finished(job):
                with self._block.instead():
                    self._outcomes.handle(self.spool.job(job.id), at)
                    self._block.let(all_is_well=True)
            case Yielded(job, counted, begun):
                with self._block.instead():
                    if counted:
                        self._outcomes.put_back(job)
                    else:
                        self.spool.take_back(job, begun=begun)
            case Refused(job, reason):
                self._block.hold(reason, BLOCKED_RETRY_SECONDS)
                with self._block.instead():
                    if self.spool.take_back(job, reason):
                        self._block.let()
            case Died(job, failure):
                with self._block.instead():
                    self._outcomes.handle_failure(self.spool.job(job.id), failure, at)
        self._look_at(at.mono)

    def _tell_end(self, ended: Ended) -> None:
        self._listener.ended(ended)
        self._hooks.job_ended(ended)
        self._metrics.job_ended(ended)

    def post(self, at: Moment, *, last: float | None = None) -> None:
        """Write down what others read; see :meth:`StatusWriter.post`."""
        self._posted_well = False
        blocked = self._block.reason or self._pool.trouble
        with self._block.instead():
            closed = self._hours.closed_until
            self._metrics.post(self._config, self.view, self.spool.jobs, self._pool, at, blocked, closed)
            self._status_writer.post(self.view, self._pool, blocked, self._hours, at, last=last)
            self._posted_well = True
            self._unblock()

    def _end_of_once(self) -> int | None:
        """With ``--once``: the exit code when there is nothing left to wait for, else None."""
        gives_up = self._pool.gives_up
        if self._once is None or self.view is None or (self._pool.busy and not gives_up):
            return None
        blocked = self._block.reason or (self._pool.trouble if gives_up else None)
        code, texts = self._once.end(self.view, self.spool, blocked, failed=self._outcomes.failed)
        for text in texts:
            self._listener.warn(text)
        return code

    # -- pausing, ending ----------------------------------------------------------------------------

    def _unblock(self) -> None:
        """The queue goes on once a look, and the writing of the state after it, met with no trouble."""
        if self._looked_well and self._posted_well:
            self._block.gone()

    def _put_back_all(self, signals: Signals) -> None:
        """Ask the workers that end with the daemon for their jobs; whoever does not answer in time is ended."""
        self._pool.end()
        deadline = Moment.now().mono + YIELD_SECONDS
        while self._pool.giving_back and Moment.now().mono < deadline and not signals.at_once:
            self._notifier.watchdog()
            signals.wait(BUSY_TICK_SECONDS, *self._pool.to_watch)
            at = Moment.now()
            with self._block.instead():
                for event in self._pool.news(at.mono):  # only the place of a worker's job matters now
                    if not isinstance(event, WorkerFault):
                        self._take_in(event, at)
        for job in self._pool.kill():
            with self._block.instead():
                self.spool.put_back(job)

    def _reload(self) -> None:
        if self._reloader is None:
            return
        told = self._reloader.reload()
        (self._listener.warn if self._reloader.fault else self._listener.note)(told)
        self._status_writer.config_fault = self._reloader.fault

    def _take_config(self, config: Config) -> None:
        self._config = config
        self.spool.reload(config)
        self._pool.reload(config)
        self._hooks.hooks, self._hours.schedule = config.hooks, config.schedule
        self._metrics.path = config.metrics
        self._status_writer.reload(config)
        self._view_holds = self.next_look = 0.0
