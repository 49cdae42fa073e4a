"""The real worker process but for its engine: the session opens in a moment and has nothing to paint with."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

from nst_batch.capacity import ANYWHERE
from nst_batch.worker.session import DeviceSession


def open_bare(weights: str, *_rest: object) -> SimpleNamespace:
    return SimpleNamespace(
        device="CPU",
        weights=SimpleNamespace(source=weights),
        spent=False,
        rate=lambda: 0.0,
        precision=lambda _asked: "float32",
        place=ANYWHERE,
    )


if __name__ == "__main__":
    DeviceSession.open = open_bare  # type: ignore[method-assign]
    runpy.run_module("nst_batch.worker.process", run_name="__main__")
