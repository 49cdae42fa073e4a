"""What many tests need: a file of weights, and houses."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from house import House

# How long an example takes says how busy the machine is, and nothing of what the tests are about.
hypothesis.settings.register_profile("nst_batch", deadline=None)
hypothesis.settings.load_profile("nst_batch")
# A shell has what it starts in the background ignore Ctrl-C, and all that this starts in its turn.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the layout of Keras's `notop` weights, its kernels random: read in a moment, where the untrained
    network takes seconds to draw. What a picture looks like is not what these tests are about.
    """
    import h5py
    import numpy as np

    from nst_batch.transfer.spec import VGG19_LAYERS
    from nst_batch.transfer.weights import layer_shape

    path = tmp_path_factory.mktemp("weights") / "random_notop.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for layer in VGG19_LAYERS:
            shape = layer_shape(layer)
            # He and others 2015: keeps the activations' size from layer to layer.
            kernel = rng.standard_normal(shape, np.float32) * np.float32((2 / (9 * shape[2])) ** 0.5)
            group = file.create_group(layer).create_group(layer)
            group.create_dataset("kernel:0", data=kernel)
            group.create_dataset("bias:0", data=np.zeros(shape[-1], np.float32))
    return path


@pytest.fixture
def in_zone() -> Iterator[Callable[[str], None]]:
    """Gives this process's clock another time zone, for a test."""
    with pytest.MonkeyPatch.context() as patch:

        def move(zone: str) -> None:
            patch.setenv("TZ", zone)
            time.tzset()

        yield move
    time.tzset()


@pytest.fixture
def make_house(tmp_path: Path, weights_file: Path) -> Iterator[Callable[..., House]]:
    """Makes houses; their daemons end with the test."""
    houses: list[House] = []

    def make(name: str = "house", **config: Any) -> House:
        houses.append(House(tmp_path / name, weights_file, **config))
        return houses[-1]

    yield make
    for house in houses:
        house.end()


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """One house."""
    return make_house()
