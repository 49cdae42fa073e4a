"""Why the queue waits, told once, and that it goes on, told when that has lasted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from nst_batch.clock import Moment
from nst_batch.reasons import Reason
from nst_batch.spool.disk.blocked import InboxLost, SpoolBlocked

AGAIN_SECONDS = 6 * 3600.0  # a trouble that goes on is told of again so often
RELAPSE_SECONDS = 1800.0  # one that is back within that time had not been over
FIRST_PATIENCE_SECONDS, LONGEST_PATIENCE_SECONDS = 60.0, 3600.0  # how long all must be well after a relapse
MOST_DOUBLINGS = 6  # of the pause after a job that was refused again and again


class QueueBlock:
    """What keeps the queue from going on; ``note`` and ``warn`` tell a person, ``on_new`` gets each new kind's code.

    ``trial`` writes where jobs are written, and raises what keeps it from that; ``clock`` is monotonic, in seconds.
    A disk that lets us write now and then, being full but for a little, makes neither a line each time nor a job begun
    in vain each time: both come more and more rarely.
    """

    def __init__(
        self,
        note: Callable[[str], None],
        warn: Callable[[str], None],
        on_new: Callable[[str], None],
        trial: Callable[[], None],
        clock: Callable[[], float] = lambda: Moment.now().mono,
    ) -> None:
        self._note = note
        self._warn = warn
        self._on_new = on_new
        self._trial = trial
        self._clock = clock
        self._told: dict[str, float] = {}  # codes, and when they were last told
        self._well_since = self._over_at = -RELAPSE_SECONDS
        self._patience = 0.0
        self._held: tuple[float, Reason] | None = None  # no job starts before then, and why
        self._refusals = 0  # of jobs, one after another
        self.reason: str | None = None  # None where nothing does

    def met(self, code: str, reason: str) -> None:
        """The queue waits. Each kind of reason is told once, wherever on the disk it turns up next."""
        now = self._clock()
        if code not in self._told:
            if not self._told:
                is_back = now - self._over_at < RELAPSE_SECONDS
                longer = min(max(FIRST_PATIENCE_SECONDS, 2 * self._patience), LONGEST_PATIENCE_SECONDS)
                self._patience = longer if is_back else 0.0
            self._told[code] = now
            self._warn(f"the queue waits: {reason}")
            self._on_new(code)
        elif now - self._told[code] >= AGAIN_SECONDS:
            self._told[code] = now
            self._warn(f"the queue still waits: {reason}")
        self.reason = reason

    @contextlib.contextmanager
    def instead(self, *, at_once: bool = False) -> Iterator[None]:
        """Where the disk does not let us go on, wait in place of an error: the folders still say what is to be done.

        With ``at_once`` the error passes: nobody is there to wait for better times.
        """
        try:
            yield
        except (SpoolBlocked, InboxLost) as error:
            if at_once:
                raise
            self.met(error.code, error.in_one_line)

    def gone(self) -> None:
        """Nothing has kept the queue: it goes on where the trial says so too, and once that has lasted, it is said.

        Neither a look nor the writing of the state writes everywhere: what they left out may be what refuses.
        """
        now = self._clock()
        if self.reason is not None:
            try:
                self._trial()
            except (SpoolBlocked, InboxLost) as error:
                self.met(error.code, error.in_one_line)
                return
            self.reason, self._well_since = None, now
        if self._told and now - self._well_since >= self._patience:
            self._note("the queue goes on")
            self._told.clear()
            self._over_at = now

    # -- jobs that came back because a disk refused ---------------------------------------------------------

    def hold(self, reason: Reason, seconds: float) -> None:
        """A job came back: none starts for so many ``seconds``, or it would be handed out, and come back, at once."""
        self._held = self._clock() + seconds * 2.0 ** min(self._refusals, MOST_DOUBLINGS), reason
        self._refusals += 1

    def let(self, *, all_is_well: bool = False) -> None:
        """Jobs may start; with ``all_is_well``, since one was done, a next refusal is the first one again."""
        self._held = None
        if all_is_well:
            self._refusals = 0

    def keep_back(self) -> None:
        """Raise what keeps jobs from starting: one has come back a moment ago, or the disk refuses still."""
        if self._held is not None and self._clock() < self._held[0]:
            raise SpoolBlocked.of(self._held[1])
        if self.reason is not None:
            self._trial()
