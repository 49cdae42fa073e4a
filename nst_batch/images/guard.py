"""A bound on the time that a picture may take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from nst_batch.errors import JobError

T = TypeVar("T")


def within(seconds: float, name: str, work: Callable[[], T]) -> T:
    """What ``work`` gives or raises. JobError image_too_slow where it takes longer than ``seconds``.

    Nothing can stop a decoder within its own library. It is left behind in a thread that ends with the process, which
    should therefore do nothing after the job at hand; the next picture would wait for it.
    """
    result: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=f"reading {name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not result:
        advice = "it was made to be slow, or is damaged: open it in a picture editor and save it anew"
        raise JobError("image_too_slow", f"{name}: was not decoded within {seconds:g} s", advice)
    return result[0]
