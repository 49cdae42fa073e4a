"""The spool as the daemon uses it: look, sweep, take, hand out, and the ends of jobs.

Every call may raise SpoolBlocked (the disk refuses; pause and call again later) or InboxLost. After either the
claims are read again from their folders, which are the state; what is kept in memory only saves reading.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping

from nst_batch.clock import Moment
from nst_batch.config.load import Config
from nst_batch.errors import NstError
from nst_batch.filenames import OUTCOME_NAME
from nst_batch.reasons import INBOX_LOST, INBOX_TAKEN, EndState, Reason
from nst_batch.spool.claims.attempts import RunFailure, Verdict
from nst_batch.spool.claims.claim import Claimer
from nst_batch.spool.claims.live_job import Ended, Job, Recovery
from nst_batch.spool.claims.queue import JobQueue
from nst_batch.spool.claims.rota import Rota
from nst_batch.spool.disk.attach import Attachment, short_of_room
from nst_batch.spool.disk.blocked import ONE_PLACES_CODES, InboxLost, SpoolBlocked, pause_for
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.holding import Holds, look_anew
from nst_batch.spool.disk.layout import SHOWN_PREFIX, Places
from nst_batch.spool.disk.own import DamagedError, read_own
from nst_batch.spool.disk.primitives import ChangedError, Content, NotRegularError
from nst_batch.spool.ends import Ends
from nst_batch.spool.inbox.inbox import Inbox, InboxView
from nst_batch.spool.inbox.readiness import Ready
from nst_batch.spool.outbox.clear import Clearer
from nst_batch.spool.outbox.publish import Publisher
from nst_batch.spool.outbox.retry import finish_retries
from nst_batch.spool.outbox.running import RunningFolders
from nst_batch.spool.recover import Recoverer
from nst_batch.spool.runs import Runs
from nst_batch.spool.sweep import Sweep, job_limits
from nst_batch.turn import Turn


class Spool:
    """One inbox and its outbox, held by one daemon."""

    def __init__(
        self, config: Config, fs: FileSystem | None = None, in_hand: Callable[[], frozenset[str]] = frozenset
    ) -> None:
        """``in_hand``: ids of the jobs that workers have which outlived the daemon before."""
        self._config = config
        self._in_hand_before = in_hand
        self._fs = fs or FileSystem()
        self._places = Places(config.inbox, config.outbox)
        self._fs.keep_beneath(config.inbox, config.outbox, *config.library)
        self.attachment = Attachment(self._fs, self._places)
        self._inbox = Inbox(config, self._fs, self._places)
        say = self._inbox.notes.say_once
        self._holds = Holds(self._fs, self._places, say)
        self._claimer = Claimer(self._fs, self._places, config.limits.max_sidecar_bytes, self._holds)
        self._running = RunningFolders(
            self._fs,
            self._places,
            self._claimer,
            inbox_id=lambda: self.attachment.inbox_id,
            taken=lambda: self._queue.taken(),  # noqa: PLW0108 - the queue is made after it
        )
        tell_end, seen = self._inbox.ended.add, self._inbox.control_names
        self._publisher = Publisher(self._fs, self._places, self._running, controls=seen, say=say, tell_end=tell_end)
        self._clearer = Clearer(self._fs, self._places, self._claimer, self._holds, say)
        self._recoverer = Recoverer(self._fs, self._places, self._claimer, self._publisher, self._running, self._holds)
        self._queue = JobQueue(self._fs, self._places, self._recoverer.recover, self._holds)
        self._inbox.claims = lambda: tuple(self._queue.claims.values())
        self._runs = Runs(self._fs, self._places, self._queue, self._running)
        self._ends = Ends(self._queue, self._running, self._publisher, self._runs, self._holds)
        self._sweep = Sweep(
            self._fs,
            self._places,
            self._inbox,
            self._queue,
            claimer=self._claimer,
            clearer=self._clearer,
            recoverer=self._recoverer,
            holds=self._holds,
            ends=self._ends,
            attachment=self.attachment,
        )
        self._begun = False  # the inbox has been held, and what was under way has been seen to

    # --- holding the inbox ------------------------------------------------------------------------------

    def open(self, at: Moment) -> None:
        """Make the folders, take the lock. NotNowError 75: taken, not mounted, the disk refuses; SetupError 78.

        Where the disk refuses, or a folder is not mounted, :meth:`look` tries again.
        """
        self.attachment.attach(at.wall, make=not self._begun)

    def close(self, at: Moment | None = None) -> None:
        """Let go of the inbox."""
        with contextlib.suppress(OSError):
            if self.attachment.lost() is None:
                self._inbox.save_waits(at or Moment.now())
        self.attachment.release()

    def reload(self, config: Config) -> None:
        """Another config of the same inbox and outbox, for what is claimed from now on."""
        self._config = config
        self._fs.keep_beneath(*config.library)
        self._claimer.sidecar_limit = config.limits.max_sidecar_bytes
        self._inbox.reconfigure(config)

    def recover(self, at: Moment) -> Recovery:
        """Finish or undo whatever was under way; to be called once after :meth:`open`."""
        self._holds.now = at.mono
        with self._held():
            finish_retries(self._fs, self._places)
            self._inbox.ended.restore()
            self._queue.expect(self._in_hand_before())
            recovery = self._queue.read()
            self._inbox.restore_waits(at)
            self._begun = True
            return recovery

    # --- looking ----------------------------------------------------------------------------------------

    def look(self, at: Moment, turn: Turn | None = None) -> InboxView:
        """One look at the inbox. A lost inbox is told by ``InboxView.inbox_lost``, never as an empty one.

        What there was no time for in this ``turn`` makes ``InboxView.next_look`` be now.
        """
        self._holds.now = at.mono
        reason = self._find_again(at)
        if reason is not None:
            return self._inbox.lost(at, reason)
        try:
            if not self._begun:
                self._take_over(self.recover(at))
            with self._held():
                taken = self._queue.taken(retrying=self._inbox.holds_retries())
                return self._inbox.look(at, self.jobs(), taken, turn)
        except InboxLost as error:
            return self._inbox.lost(at, error.in_one_line)

    def expire(self, at: Moment) -> None:
        """What waits for missing images now waits no longer: it can be claimed, and fails."""
        self._inbox.expire(at)

    def jobs(self) -> tuple[Job, ...]:
        """Every live claimed job, in the order of claims."""
        with self._asking():
            return self._queue.jobs()

    def job(self, job_id: str) -> Job:
        """One live job as it stands now; InboxLost where its claim is gone."""
        with self._asking():
            claim, job = self._queue.find(job_id)
            view = self._queue.view(claim, job)
            if view.given and view.outcome is None:
                look_anew(self._fs, view.folder)  # its worker may be on another machine
                view = self._queue.view(claim, job)
            return view

    def only_held(self) -> str | None:
        """Why no job can be done, where each waits for a place of its own; None where one need not or none is."""
        jobs = self.jobs()
        held = [f"{job.name} waits: {job.held.why}" for job in jobs if job.held is not None]
        return held[0] if held and len(held) == len(jobs) else None

    def room(self) -> str | None:
        """Why no job may start for want of disk space; None where there is enough."""
        return short_of_room(self._places, self._config.limits.min_free_gb)

    def try_to_write(self) -> None:
        """Write into our own folders, and take it away again; SpoolBlocked while one of them refuses."""
        with self._held():
            self._holds.try_ours()

    # --- what needs no worker ---------------------------------------------------------------------------

    def sweep(self, at: Moment, turn: Turn | None = None) -> tuple[Ended, ...]:
        """Everything that needs no worker, as far as this ``turn`` goes: to be called after each look.

        Broken and hopeless sidecars are claimed and fail, jobs known to fail do so, cancelled ones that no worker
        has end, orphans that have let go are taken over, ended jobs' images leave the inbox, those that could not
        be read or looked cut short are looked at again.
        """
        with self._held():
            self._sweep.run(self._config, at, turn or Turn())
        return self._queue.tell()

    def clear_up(self, at: Moment, turn: Turn) -> None:
        """The last thing before the end: what jobs that have ended since the last sweep left in the inbox leaves it."""
        with self._held():
            self._fs.clear_left_overs()
            if self._queue.to_clear() and not self.look(at, turn).inbox_lost:
                self._sweep.clear(at, turn, last=True)

    # --- claiming and handing out -----------------------------------------------------------------------

    def take(self, at: Moment, turn: Turn | None = None, *, now_only: bool = False) -> Job | None:
        """The job that is to run next: by priority, folders in turn, arrival and number; a pair is claimed for it.

        None as well where this ``turn`` is over before a claim stands.
        """
        turn = turn or Turn()
        with self._held():
            while True:
                job = self._queue.next_job(at, self._config.jobs.backoff_seconds, now_only=now_only)
                pairs = (pair for pair in self._inbox.ready if pair.now or not now_only)
                pair = min(pairs, key=self._order_of_pair, default=None)
                if pair is None or (job is not None and self._queue.order(job)[:4] <= self._order_of_pair(pair)):
                    return job
                if turn.over:
                    return None
                self._sweep.claim(pair, self._config, at, turn)

    def _order_of_pair(self, pair: Ready) -> tuple[int, int, int, str]:
        """As that of the queue's jobs."""
        return self.rota.place(pair.priority, pair.lane, pair.arrival, pair.sidecar)

    @property
    def rota(self) -> Rota:
        """Whose turn it is."""
        return self._queue.rota

    def hand_out(self, job: Job) -> Job | None:
        """Make ready what a worker needs, then count the run, durably. The job is in a worker's hands then.

        None where its running folder refuses: it waits, and another one may be taken.
        """
        with self._held():
            return self._holds.attempt(job.id, job.name, lambda: self._runs.hand_out(job.id))

    def hand_out_next(self, at: Moment, turn: Turn | None = None, *, now_only: bool = False) -> Job | None:
        """As :meth:`take` and :meth:`hand_out`: the next job whose own folders let it run."""
        while (job := self.take(at, turn, now_only=now_only)) is not None:
            handout = self.hand_out(job)
            if handout is not None:
                return handout
        return None

    def in_hand(self, job_id: str) -> Job | None:
        """A job as :meth:`hand_out` gave it; None where it is in no worker's hands any more."""
        with self._held():
            return self._runs.in_hand(job_id) if self._queue.has(job_id) else None

    def put_back(self, job: Job) -> Verdict:
        """The daemon is stopping and the worker has ended: the run is taken back."""
        with self._held():
            return self._runs.put_back(job.id)

    def take_back(self, job: Job, reason: Reason | None = None, *, begun: bool = True) -> bool:
        """The disk refused, or the inbox was gone, once the job ran (``begun``) or before: that run counts for nothing.

        Whether, by the ``reason``, only a place of the job's own refused: it waits then, and nothing else does.
        """
        with self._held():
            self._runs.take_back(job.id, begun=begun)
            if reason is None or reason.code not in ONE_PLACES_CODES or not self._holds.ours_can_be_written():
                return False
            self._holds.hold(job.id, job.name, reason.in_one_line)
            return True

    def outcome(self, job: Job) -> bytes:
        """What the job's worker has left; nothing where that cannot be read."""
        with self._held():
            try:
                return read_own(self._fs, job.folder / OUTCOME_NAME) or b""
            except DamagedError:
                return b""

    def died(self, job: Job, failure: RunFailure, at: Moment) -> Verdict:
        """A run ended without a result: when it is tried again, or the reason to :meth:`fail` it with."""
        with self._held():
            return self._runs.died(job.id, failure, job_limits(self._config), at)

    # --- ends -------------------------------------------------------------------------------------------

    def finish(
        self,
        job: Job,
        state: EndState,
        files: Mapping[str, bytes] | None = None,
        *,
        made: Collection[str] = (),
    ) -> Ended | None:
        """Publish a job that is done or stopped; ``files`` are written into its folder first, ``made`` must lie there.

        None where the folder that it belongs into refuses: it is tried again once it is due (``Job.held``).
        SpoolBlocked ``running_gone`` where its running folder, or something in it, has gone: it will run again.
        """
        with self._held():
            return self._ends.finish(job, state, files or {}, made)

    def fail(self, job: Job, reason: Reason, files: Mapping[str, bytes] | None = None) -> Ended | None:
        """Put a job that failed or was cancelled into ``failed/`` with its inputs; None as with :meth:`finish`."""
        with self._held():
            return self._ends.fail(job, reason, files or {})

    # --- what others read -------------------------------------------------------------------------------

    def note_state(self, name: str, data: Content) -> None:
        """Replace a file in the daemon's own folder, for commands that only read; others find a copy in the outbox."""
        with self._held():
            self._fs.replace(self._places.own / name, data)
            with contextlib.suppress(OSError):  # a courtesy
                self._fs.replace(self._places.outbox / (SHOWN_PREFIX + name), data)

    def write_page(self, name: str, data: bytes) -> None:
        """Replace a file at the outbox's root, or in a folder there that is made for it."""
        with self._held():
            path = self._places.outbox / name
            self._fs.make_one_folder(path.parent)
            self._fs.replace(path, data)

    # --- inside -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """The inbox is ours and the claims in memory are those in the folders, or the call is refused."""
        reason = self.attachment.lost()
        if reason is not None:
            self._queue.stale = True
            raise InboxLost(INBOX_LOST, reason)
        with self._asking():
            if self._queue.stale:
                self.attachment.mend()
                self._take_over(self._queue.read())
            with self._fs.keeping_open():
                yield

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Where the disk refuses, if only to be looked at, the queue waits, and the claims are read again then."""
        try:
            yield
        except OSError as error:
            self._queue.stale = True
            raise pause_for(error) from error
        except (ChangedError, DamagedError, NotRegularError) as error:
            self._queue.stale = True
            raise SpoolBlocked("own_file_damaged", str(error)) from error

    def _take_over(self, recovery: Recovery) -> None:
        """Have what came of reading the folders told."""
        self._queue.ended(*recovery.ended)
        for note in recovery.notes:
            self._inbox.notes.say_once(note)

    def _find_again(self, at: Moment) -> str | None:
        """Take hold of an inbox that has come back; the reason where it has not."""
        if self.attachment.lost() is None:
            return None
        self._queue.stale = True
        try:
            self.open(at)
        except NstError as error:
            if error.code == INBOX_TAKEN and not self._begun:
                raise  # it never was ours
            return error.in_one_line
        return None
