"""watchdog's observer, with a reader of its own that survives a slip in watchdog's records of folders.

A folder that is moved out of the watched tree keeps its watch under its old path. Another of that name, made and
removed again, is then taken for it, and what follows finds no record: a KeyError, which would end the thread that
reads, or whoever ends the watching. Events are hints, so a slip costs nothing but a new start.
"""

from __future__ import annotations

from typing import Any

from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyEvent, InotifyFD


class Reader(InotifyFD):
    """Reads one inotify instance; ``slipped`` once its records have been wrong."""

    slipped = False

    def handle_event(self, event: InotifyEvent) -> None:
        """Take in one event."""
        try:
            super().handle_event(event)
        except KeyError:
            self.slipped = True


class Emitter(InotifyEmitter):
    """Emits what its own :class:`Reader` reads, and ends with it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """OSError and RuntimeError where there is no inotify instance, or no thread, to be had."""
        self._reader = Reader()
        self._reader.start()
        super().__init__(*args, **options, inotify_fd=self._reader)

    @property
    def hears(self) -> bool:
        """Whether it is told of every folder, as far as can be known from here."""
        return self.is_alive() and self._reader.is_alive() and not self._reader.slipped

    def on_thread_stop(self) -> None:
        """End the watching, whatever its records have come to."""
        group, self._inotify = self._inotify, None
        while group is not None:
            try:
                group.deactivate()
            except KeyError:  # it has forgotten that folder now, and goes on with the others
                continue
            group = None
        self._reader.stop()


def new_observer() -> BaseObserver:
    """One that is not yet started."""
    return BaseObserver(Emitter)
