"""The watcher wakes the loop, nothing else: events are hints, listings are truth.

Events get lost, an emitter can die in silence, an inbox that is renamed away and made anew gives none, and
what others write on a network file system is never told of. So the loop lists the inbox every so often in any
case, and :meth:`Watcher.check` is called at each of those looks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver

from nst_batch.filenames import OWN_FOLDER
from nst_batch.spool.inbox.observer import Emitter, new_observer
from nst_batch.spool.inbox.polling import needs_polling

EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileClosedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
# Its remarks on renames within a watched tree (the daemon's own) and on events that come while it ends would fill a
# journal every night, and name nothing to be done: what is missed is found by the next look.
logging.getLogger("watchdog").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")


class Handler(FileSystemEventHandler):
    """Calls ``wake`` for what is not the daemon's own doing; cannot raise, which would kill the thread."""

    def __init__(self, inbox: Path, wake: Callable[[], None]) -> None:
        self._own = str(inbox / OWN_FOLDER)
        self._wake = wake

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take in one event."""
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        if all(path.startswith(self._own) for path in paths):
            return
        # A wake-up after the loop has ended finds its pipe closed.
        with contextlib.suppress(OSError, ValueError):
            self._wake()


class Watcher:
    """Watches one inbox, and starts again when it finds itself deaf."""

    def __init__(self, inbox: Path, wake: Callable[[], None], polling: bool | Literal["auto"] = "auto") -> None:
        self._inbox = inbox
        self._wake = wake
        self._polling = polling
        self.observer: BaseObserver | None = None  # None: no events can come
        self._watched: tuple[int, int] | None = None
        self.problem: str | None = None  # why there are no events though there could be

    def start(self) -> None:
        """Begin to watch, where events are of use; without them the rescans do."""
        self.stop()
        self.problem = None
        if needs_polling(self._inbox, self._polling):
            return
        observer: BaseObserver | None = None
        try:
            observer = new_observer()
            status = self._inbox.stat()
            observer.schedule(Handler(self._inbox, self._wake), str(self._inbox), recursive=True, event_filter=EVENTS)
            observer.start()
        except (
            OSError,
            RuntimeError,
        ) as error:  # the second where no thread is to be had, or folders lie a thousand deep
            why = "its folders lie too deep" if isinstance(error, RecursionError) else str(error)
            why = (error.strerror or why) if isinstance(error, OSError) else why
            self.problem = f"no events from {self._inbox}: {why}; it is looked at every so often instead"
            if observer is not None:
                with contextlib.suppress(RuntimeError):
                    observer.stop()  # what of it has been started
            return
        self.observer = observer
        self._watched = (status.st_dev, status.st_ino)

    def check(self) -> bool:
        """Whether it was alive and on the inbox that is there now; otherwise it is started anew."""
        if self.observer is None and self.problem is None and needs_polling(self._inbox, self._polling):
            return True
        if self._is_well():
            return True
        self.start()
        return False

    def _is_well(self) -> bool:
        observer = self.observer
        if observer is None or not observer.is_alive():
            return False
        emitters = list(observer.emitters)
        if not emitters or not all(isinstance(emitter, Emitter) and emitter.hears for emitter in emitters):
            return False
        try:
            status = self._inbox.stat()
        except OSError:
            return False
        return self._watched == (status.st_dev, status.st_ino)

    def stop(self) -> None:
        """End the watching."""
        observer, self.observer = self.observer, None
        if observer is not None:
            observer.stop()
            if observer.is_alive():
                observer.join(timeout=5.0)
