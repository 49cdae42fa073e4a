"""A bound on the time that a picture may take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from nst_batch.errors import JobError

T = TypeVar("T")


def within(seconds: float, name: str, work: Callable[[], T]) -> T:
    """What ``work`` gives or raises. JobError image_too_slow where it takes longer than ``seconds``.

    Nothing can stop a decoder within its own library. It is left behind in a thread that ends with the process, which
    should therefore do nothing after the job at hand; the next picture would wait for it.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name=f"reading {name}", daemon=True).start()
    try:
        return result.result(seconds)
    except TimeoutError as error:
        raise JobError("image_too_slow", f"{name}: was not decoded within {seconds:g} s") from error
