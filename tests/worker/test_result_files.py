"""The thread that saves: in order, bounded, its errors told, the step loop not held up; and what it saves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker.job_images import JobImages
from nst_batch.worker.result_files import Results, Saver

MOST_BEHIND = 256 << 20  # as docs/decisions.md has it


def test_saving_goes_on_beside_and_in_order() -> None:
    """Nothing is waited for until it is asked for."""
    saver, done, free = Saver(), [], threading.Event()
    saver.submit(free.wait, 10)
    saver.submit(lambda: done.append("second"), 10)
    saver.glance(lambda: done.append("glance"))
    saver.submit(lambda: done.append("third"), 10)
    assert not done
    free.set()
    saver.wait()
    assert done == ["second", "glance", "third"]
    saver.close()


def test_a_glance_that_has_not_begun_is_replaced() -> None:
    """Where epochs end sooner than they are saved, people see every one of the pictures but not every preview."""
    saver, done, free = Saver(), [], threading.Event()
    saver.submit(free.wait, 10)
    for number in range(5):
        saver.submit(lambda number=number: done.append(f"picture {number}"), 10)  # type: ignore[misc]
        saver.glance(lambda number=number: done.append(f"glance {number}"))  # type: ignore[misc]
    free.set()
    saver.wait()
    assert done == [f"picture {number}" for number in range(5)] + ["glance 4"]
    saver.close()


def test_no_more_than_so_much_waits_to_be_saved() -> None:
    """What is over the bound is waited for, a single large thing too."""
    saver, free = Saver(), threading.Event()
    began = threading.Event()
    saver.submit(lambda: (began.set(), free.wait())[1], MOST_BEHIND)
    began.wait()
    threading.Timer(0.01, free.set).start()
    saver.submit(lambda: None, 1)
    assert free.is_set()
    saved: list[int] = []
    saver.submit(lambda: saved.append(1), MOST_BEHIND + 1)
    assert saved
    saver.close()


@pytest.mark.parametrize("how", ["submit", "glance"])
@pytest.mark.parametrize("by", ["submit", "wait"])
def test_an_error_comes_up_at_a_later_call(how: str, by: str) -> None:
    """Of a picture or of a glance, once it has been reached."""

    free = threading.Event()

    def refuse() -> None:
        free.wait()
        raise OSError("the disk is full")

    def nothing() -> None:
        """Save nothing."""

    saver = Saver()
    if how == "submit":
        saver.submit(refuse, 0)
    else:
        began = threading.Event()
        saver.glance(lambda: (began.set(), refuse())[1])  # type: ignore[func-returns-value]
        began.wait()
    free.set()
    with pytest.raises(OSError, match="the disk is full"):
        saver.wait() if by == "wait" else _both(saver, nothing)
    saver.close()


def _both(saver: Saver, work: Callable[[], None]) -> None:
    saver.glance(work)
    saver.submit(work, MOST_BEHIND + 1)


def test_a_preview_of_what_is_long_and_narrow_is_as_narrow(tmp_path: Path) -> None:
    """Its short side may have fewer pixels than the network needs to see, down to one."""
    for number, size in enumerate([(40, 1600), (2000, 33), (32, 16_384)]):
        running = tmp_path / f"{number}"
        running.mkdir()
        picture = np.zeros((*size, 3), np.float32)
        images = JobImages(picture, (), None, None, size, ())
        spec: Any = SimpleNamespace(title="a", settings=SimpleNamespace(format="png"))
        Results(FileSystem(), running, spec, images).glance(picture, "{}")
        with Image.open(running / "preview.png") as preview:
            assert max(preview.size) == 768
            assert abs(min(preview.size) - min(size) * 768 / max(size)) <= 1
