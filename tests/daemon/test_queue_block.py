"""Why the queue waits: said once, repeated rarely, taken back once when it is really over."""

from __future__ import annotations

import pytest

from nst_batch.daemon.queue_block import AGAIN_SECONDS, LONGEST_PATIENCE_SECONDS, RELAPSE_SECONDS, QueueBlock
from nst_batch.reasons import Reason
from nst_batch.spool.disk.blocked import SpoolBlocked

FULL = Reason.of("disk_full", "/outbox: the disk is full")
GOES_ON = "the queue goes on"


class Queue:
    """A block with a clock that is set by hand, and a disk that refuses as long as it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.refuses = False
        self.said: list[str] = []
        self.events: list[str] = []
        self.block = QueueBlock(self.said.append, self.said.append, self.events.append, self._try, lambda: self.now)

    def _try(self) -> None:
        if self.refuses:
            raise SpoolBlocked("disk_full", "/outbox/running: the disk is full")

    def waits(self, code: str = "disk_full") -> None:
        self.block.met(code, f"{code} somewhere")

    def pass_by(self, seconds: float, step: float = 1.0) -> None:
        """All is well but for what the trial says."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            self.block.gone()


@pytest.fixture
def queue() -> Queue:
    return Queue()


def test_it_is_said_once_and_taken_back_once(queue: Queue) -> None:
    """Each kind of reason, wherever it turns up; once for the hooks too."""
    for _ in range(5):
        queue.waits()
        queue.waits("no_permission")
    assert queue.block.reason == "no_permission somewhere"
    queue.pass_by(30)
    assert queue.said == ["the queue waits: disk_full somewhere", "the queue waits: no_permission somewhere", GOES_ON]
    assert queue.events == ["disk_full", "no_permission"]
    assert queue.block.reason is None


def test_it_is_not_over_while_a_trial_is_refused(queue: Queue) -> None:
    """What has met with no trouble may not have written there."""
    queue.waits()
    queue.refuses = True
    queue.pass_by(600)
    assert len(queue.said) == 1
    assert queue.block.reason is not None
    with pytest.raises(SpoolBlocked):
        queue.block.keep_back()
    queue.refuses = False
    queue.pass_by(1)
    assert queue.said[1:] == [GOES_ON]
    queue.block.keep_back()


def test_a_long_trouble_is_told_of_again_but_rarely(queue: Queue) -> None:
    """A weekend on a full disk is some ten lines."""
    end = queue.now + 60 * 3600
    while queue.now < end:
        queue.waits()
        queue.now += 10.0
    assert len(queue.said) == 60 * 3600 // AGAIN_SECONDS
    assert queue.said[1] == "the queue still waits: disk_full somewhere"
    assert queue.events == ["disk_full"]


def test_one_that_comes_and_goes_is_told_of_more_and_more_rarely(queue: Queue) -> None:
    """A disk with a little room: every half minute something is written, and the next thing is refused."""
    end = queue.now + 24 * 3600
    while queue.now < end:
        queue.waits()
        queue.pass_by(30)
    assert len(queue.said) < 12
    assert queue.said[:3] == ["the queue waits: disk_full somewhere", GOES_ON, "the queue waits: disk_full somewhere"]
    queue.pass_by(LONGEST_PATIENCE_SECONDS, 60)
    assert queue.said[-1] == GOES_ON
    queue.now += RELAPSE_SECONDS
    queue.waits()
    queue.pass_by(1)
    assert queue.said[-2:] == ["the queue waits: disk_full somewhere", GOES_ON], "that is another trouble"


def test_jobs_that_come_back_are_handed_out_more_and_more_rarely(queue: Queue) -> None:
    """Each refusal doubles the pause, up to a bound; a job that was done makes the next refusal the first one again."""
    pauses = []
    for _ in range(9):
        queue.block.hold(FULL, 10.0)
        begun = queue.now
        with pytest.raises(SpoolBlocked, match="/outbox: the disk is full"):
            queue.block.keep_back()
        while True:
            queue.now += 5
            try:
                queue.block.keep_back()
            except SpoolBlocked:
                continue
            break
        pauses.append(queue.now - begun)
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 640, 640]
    queue.block.let(all_is_well=True)
    queue.block.hold(FULL, 10.0)
    queue.now += 10
    queue.block.keep_back()
