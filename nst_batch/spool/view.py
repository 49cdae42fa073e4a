"""What one look at the inbox came to, for the daemon and for people."""

from __future__ import annotations

from dataclasses import dataclass

from nst_batch.spool.control import Control
from nst_batch.spool.pair import Broken, Ready, Waiting
from nst_batch.spool.wanted import Moment


@dataclass(frozen=True)
class View:
    """The inbox at one look. With ``inbox_lost`` nothing else is known."""

    at: Moment
    next_look: float  # monotonic; the inbox should be looked at again by then, whatever the events say
    ready: tuple[Ready, ...] = ()  # in the order in which they will be claimed
    waiting: tuple[Waiting, ...] = ()
    broken: tuple[Broken, ...] = ()
    controls: tuple[Control, ...] = ()
    paused: bool = False
    inbox_lost: str | None = None
    notes: tuple[str, ...] = ()  # each is said once
    idle: bool = False  # nothing is there to be done or waited for, and no claim is under way
