"""Anything that people, workers, kills and clocks can do to the spool, in any order, with books that are held.

A hypothesis state machine over the real spool and real folders. The worker is three lines (what a worker writes),
time is set by hand, a kill is an exception that nothing catches, at whichever named step comes next.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from power_cut import scratch
from power_runs import KINDS, Plan, PowerWorld, add_pair, check_visible, places, title_of
from spool_world import KillSwitch, retry_job

from nst_batch.reasons import Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.fs import FileSystem

SETTLE_SECONDS = 5.0
AT_WORK = 2
CLOCK_REALTIME_COARSE = 5  # of linux/time.h; Python has no name for it
TALLY: Counter[str] = Counter()  # what has happened over all runs, so that a quiet machine is noticed
PICKS = st.integers(0, 1 << 16)


def _record_of(claim: Path) -> dict[str, Any]:
    """What a claim's folder says of itself; nothing where it was killed before the intent was whole."""
    record: dict[str, Any] = json.loads((claim / "claim.json").read_bytes()) if (claim / "claim.json").exists() else {}
    return record


def _next_tick() -> None:
    """Wait until the clock by which the kernel dates files has passed now: within its ticks there is no first and last.

    It may date a file by the exact time instead (Linux 6.13), which that clock is behind by up to two ticks.
    """
    now = time.time_ns()
    while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) <= now:
        time.sleep(0.0005)


class Shared(FileSystem):
    """As it is, while people let the daemon take files out of the inbox."""

    def __init__(self, machine: SpoolMachine, on_step: Callable[[str], None]) -> None:
        super().__init__(on_step)
        self._machine = machine

    def _keeps(self, path: Path) -> bool:
        is_inside = path.is_relative_to(self._machine.world.inbox) and ".nst_batch" not in path.parts
        return is_inside and self._machine.closed

    def may(self, path: Path, mode: int) -> bool:
        return not (mode & os.W_OK and self._keeps(path)) and super().may(path, mode)

    def rename_noreplace(self, source: Path, target: Path) -> None:
        if self._keeps(source) and source.suffix == ".yaml":  # images may leave, for the books to be simple
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(source))
        super().rename_noreplace(source, target)


class SpoolMachine(RuleBasedStateMachine):
    """One inbox, and everybody around it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = scratch()
        self.plan = Plan()
        self.number = 0
        self.fuse = 0  # named steps until the next kill; 0 for none
        self.at_work: dict[str, Job] = {}  # by title
        self.partial: dict[str, bytes] = {}  # what is still to be written, by file
        self.written: dict[str, float] = {}  # monotonic time of the last write, by file
        self.withdrawn: set[str] = set()
        self.closed = False  # nobody may take files out of the inbox's folders

    @initialize(after=st.sampled_from(("archive", "keep", "delete")))
    def begin(self, after: str) -> None:
        self.plan.after = after
        self.world = PowerWorld(self.folder / "world", self.plan)
        self.world.inbox.mkdir(parents=True)
        self._start()

    # --- people ------------------------------------------------------------------------------------------

    def _drop(self, kind: str) -> list[str]:
        """The names of a new pair's files, images first."""
        _next_tick()
        before = set(self.plan.files)
        add_pair(self.plan, f"s{self.number}", kind)
        self.number += 1
        names = set(self.plan.files) - before
        if "common.jpg" in self.plan.files:
            names.add("common.jpg")
        return sorted(names, key=lambda name: (name.endswith(".yaml"), name))

    def _write(self, name: str, data: bytes, *, as_name: str = "") -> None:
        self.world.put(as_name or name, data)
        self.written[name] = self.world.mono

    @rule(kind=st.sampled_from(KINDS), turned=st.booleans())
    def drop(self, kind: str, turned: bool) -> None:
        """Images and a sidecar, in either order."""
        names = self._drop(kind)
        for name in reversed(names) if turned else names:
            self._write(name, self.plan.files[name])

    @rule(kind=st.sampled_from(("plain", "grid", "output")), pick=PICKS)
    def drop_in_part(self, kind: str, pick: int) -> None:
        """All but one file whole, of that one only the beginning."""
        names = self._drop(kind)
        slow = names[pick % len(names)]
        for name in names:
            data = self.plan.files[name]
            half = len(data) // 2 if name == slow and name != "common.jpg" else len(data)
            self._write(name, data[:half])
            if half < len(data):
                self.partial[name] = data[half:]
                self._now_is(name, data[:half])

    def _now_is(self, name: str, data: bytes) -> None:
        """What a result must hold of a file: the image as it was when it was taken; sidecars are written in time."""
        if name.endswith(".jpg"):
            self.plan.files[name] = data

    @rule(kind=st.sampled_from(("plain", "shared")))
    def drop_by_rename(self, kind: str) -> None:
        """Under a browser's temporary name first."""
        for name in self._drop(kind):
            self._write(name, self.plan.files[name], as_name=f"{name}.part")
            (self.world.inbox / f"{name}.part").rename(self.world.inbox / name)

    @precondition(lambda self: self.partial)
    @rule(pick=PICKS, some=st.booleans())
    def write_on(self, pick: int, some: bool) -> None:
        """A slow writer goes on: a byte or two, or all the rest."""
        name = sorted(self.partial)[pick % len(self.partial)]
        self._write_on(name, 2 if some else len(self.partial[name]))

    def _write_on(self, name: str, count: int) -> None:
        rest = self.partial.pop(name)
        path = self.world.inbox / name
        _next_tick()
        if not path.exists():
            return  # taken as it stood, after having been still for the whole window
        with path.open("ab") as file:
            file.write(rest[:count])
        self.written[name] = self.world.mono
        if rest[count:]:
            self.partial[name] = rest[count:]
        sidecar = f"{name.removesuffix('.jpg')[:-1]}.yaml"  # s1.yaml of s1a.jpg
        if (self.world.inbox / sidecar).exists() or self._is_to_be_copied(name):
            self._now_is(name, path.read_bytes())

    def _is_to_be_copied(self, name: str) -> bool:
        """Whether a claim names the image and was killed before it copied it: the change undoes the claim."""
        for claim in self.world.claims():
            for source in _record_of(claim).get("sources", ()):
                if source["path"] == name and not (claim / source["stored"]).exists():
                    return True
        return False

    @precondition(lambda self: self._waiting())
    @rule(pick=PICKS, what=st.sampled_from(("sidecar", "image", "image")))
    def delete(self, pick: int, what: str) -> None:
        """Somebody thinks better of a pair before it is taken, or takes away an image: then it can only fail."""
        sidecar = self._waiting()[pick % len(self._waiting())]
        name = f"{self.plan.titles[sidecar][-1]}.jpg"
        if what == "sidecar":
            (self.world.inbox / sidecar).unlink()
            self.withdrawn.update(self.plan.titles.pop(sidecar))
        elif (self.world.inbox / name).exists() and name not in self.partial and len(self.plan.titles[sidecar]) == 1:
            (self.world.inbox / name).unlink()
            for title in self.plan.titles[sidecar]:
                self.plan.inputs[title].discard(name)

    def _waiting(self) -> list[str]:
        return sorted(
            name for name in self.plan.titles if (self.world.inbox / name).exists() and name not in self.partial
        )

    @precondition(lambda self: self.plan.titles)
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        """A control file for any job, whatever has become of it."""
        titles = sorted(self.plan.all_titles)
        self.world.put(f"{titles[pick % len(titles)]}.cancel", b"")

    @precondition(lambda self: self.world.failed())
    @rule(pick=PICKS)
    def retry(self, pick: int) -> None:
        """The retry command, while the daemon lives; it may be killed like everything else."""
        names = sorted(self.world.failed())
        name = names[pick % len(names)]
        self.plan.retried.add(title_of(self.world.failed()[name]))  # its folder may be named after another one
        TALLY["retries"] += 1
        _next_tick()
        self._do(lambda: retry_job(self.world.config, name, self.world.fs))

    @rule(closed=st.booleans())
    def rights_change(self, closed: bool) -> None:
        """Somebody sets other rights on the folders of the inbox."""
        self.closed = closed

    @rule()
    def closed_for_long(self) -> None:
        """What lies there may not be taken until it has failed for that."""
        self.closed = True
        for _ in range(2):
            self.wait(4000.0, turn=True)
        TALLY["not taken"] += len(self.world.untaken())

    # --- time --------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.5, 2.0, 6.0, 70.0, 400.0, 4000.0)), turn=st.booleans())
    def wait(self, seconds: float, turn: bool) -> None:
        """Time passes. A sidecar in the making is never left alone for the whole window."""
        for name in [name for name in self.partial if name.endswith(".yaml")]:
            if self.world.mono + seconds - self.written[name] >= SETTLE_SECONDS:
                self._write_on(name, len(self.partial[name]))
        self.world.later(seconds)
        if turn:
            self._do(self._turn)

    @rule(days=st.floats(-400, 400, allow_nan=False))
    def clock_jumps(self, days: float) -> None:
        """Somebody sets the clock."""
        self.world.wall += days * 86400

    # --- the daemon --------------------------------------------------------------------------------------

    def _step(self, name: str) -> None:
        if name == "undo.returned":  # it arrives anew
            _next_tick()
        if self.fuse:
            self.fuse -= 1
            if not self.fuse:
                raise KillSwitch(name)

    def _start(self) -> None:
        """A daemon starts, and starts again where its recovery is killed too. Workers die with theirs."""
        self.at_work.clear()
        while True:
            with contextlib.suppress(KillSwitch):
                self.world.start(Shared(self, self._step))
                return

    def _do(self, action: Callable[[], object]) -> None:
        try:
            action()
        except KillSwitch as kill:
            TALLY[f"kill {kill}"] += 1
            self._start()

    @rule(steps=st.integers(1, 30))
    def kill_soon(self, steps: int) -> None:
        """The process will be killed at a named step to come."""
        self.fuse = steps

    @rule(steps=st.integers(0, 5))
    def kill_now(self, steps: int) -> None:
        """Killed between two steps; with luck so is the recovery."""
        self.fuse = steps
        self._start()

    @rule()
    def turn(self) -> None:
        """Once round the daemon's loop, but for handing out."""
        self._do(self._turn)

    def _turn(self) -> None:
        world = self.world
        view = world.look()
        for control in view.controls:
            if control.job is not None and control.job.title in self.at_work:
                self.at_work.pop(control.job.title)
                world.spool.fail(control.job, Reason.of("cancelled", "cancelled"))
        world.sweep()
        for job in world.spool.jobs():
            if job.outcome is not None and job.title not in self.at_work:
                world.finish(job)

    @precondition(lambda self: len(self.at_work) < AT_WORK)
    @rule(seconds=st.sampled_from((0.0, 6.0, 6.0, 400.0)))
    def hand_out(self, seconds: float) -> None:
        """The next job goes to a worker; nothing that was written to within the window is ever taken."""
        self._do(self._turn)
        self.wait(seconds, turn=False)
        self._do(self._hand_out)

    def _hand_out(self) -> None:
        self._turn()
        before = {path.name for path in self.world.claims()}
        try:
            handout = self.world.hand_out_next()
        finally:
            for claim in self.world.claims():
                if claim.name not in before:
                    self._check_stillness(claim)
        if handout is None:
            return
        assert handout.title not in self.at_work
        assert handout.attempts.runs <= 3
        self.at_work[handout.title] = handout
        TALLY["handed out"] += 1

    def _check_stillness(self, claim: Path) -> None:
        record = _record_of(claim)
        if not record:
            return  # killed before the intent was whole
        for path in (record["origin"], *(source["path"] for source in record["sources"])):
            still = self.world.mono - self.written.get(path, 0.0)
            assert still >= SETTLE_SECONDS, f"{path} was taken {still} s after it was written to"

    # --- the workers -------------------------------------------------------------------------------------

    def _pick(self, pick: int) -> Job:
        return self.at_work[sorted(self.at_work)[pick % len(self.at_work)]]

    @precondition(lambda self: self.at_work)
    @rule(pick=PICKS)
    def work_on(self, pick: int) -> None:
        """An epoch and its checkpoint."""
        self.world.work(self._pick(pick), until="checkpoint")

    @precondition(lambda self: self.at_work)
    @rule(pick=PICKS, told=st.booleans())
    def finish(self, pick: int, told: bool) -> None:
        """The picture is done; the daemon may hear of it only at its next turn."""
        handout = self._pick(pick)
        self.world.work(handout)
        if told:
            del self.at_work[handout.title]
            self._do(lambda: self.world.finish(handout))

    @precondition(lambda self: len(self.at_work) < AT_WORK)
    @rule(pick=PICKS, by_signal=st.booleans(), again=st.booleans())
    def worker_dies_soon(self, pick: int, by_signal: bool, again: bool) -> None:
        """Handed out and dead at once: few walks come to a worker's death by themselves."""
        self.hand_out(seconds=6.0)
        if self.at_work:
            self.worker_dies(pick=pick, by_signal=by_signal, again=again)

    @precondition(lambda self: self.at_work)
    @rule(pick=PICKS, by_signal=st.booleans(), again=st.booleans())
    def worker_dies(self, pick: int, by_signal: bool, again: bool) -> None:
        handout = self._pick(pick)
        del self.at_work[handout.title]
        TALLY["worker deaths"] += 1
        failure = RunFailure(Reason("worker_died", "it died"), by_signal=by_signal, retry=again)
        self._do(lambda: self._bury(handout, failure))

    def _bury(self, handout: Job, failure: RunFailure) -> None:
        world = self.world
        verdict = world.spool.died(handout, failure, world.at)
        if verdict.ending is not None:
            world.spool.fail(handout, verdict.ending)

    @precondition(lambda self: self.at_work)
    @rule(pick=PICKS)
    def give_back(self, pick: int) -> None:
        """As at SIGTERM."""
        handout = self._pick(pick)
        del self.at_work[handout.title]
        self._do(lambda: self.world.spool.put_back(handout))

    # --- the books ---------------------------------------------------------------------------------------

    @invariant()
    def everything_is_in_one_place(self) -> None:
        """Each job is waiting, claimed, done or failed: exactly one of them; what is visible is whole."""
        if not hasattr(self, "world"):
            return
        check_visible(self.world)
        found, expected = places(self.world), Counter(dict.fromkeys(self.plan.all_titles, 1))
        assert found == expected, f"too many: {found - expected}, lost: {expected - found}"

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self._finish()
        finally:
            shutil.rmtree(self.folder)

    def _finish(self) -> None:
        """Left alone from here on, all jobs come to their end."""
        self.fuse, self.closed = 0, False
        for name in list(self.partial):
            self._write_on(name, len(self.partial[name]))
        self._start()
        for _ in range(3):
            self.world.finish_all()
        self.everything_is_in_one_place()
        self.world.check_books(self.plan.all_titles)
        assert not self.world.untaken() & self.plan.titles.keys()
        self.world.stop()
        TALLY["runs"] += 1
        TALLY["done"] += len(self.world.finished())
        TALLY["failed"] += len(self.world.failed())
        TALLY["withdrawn"] += len(self.withdrawn)
