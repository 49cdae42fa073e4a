"""A state goes through bytes and back; bytes that were harmed are refused."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_batch.transfer import checkpoint
from nst_batch.transfer.errors import DamagedCheckpointError

STATE = {
    "step": 12,
    "seconds": 1.25,
    "ended": False,
    "epoch_start": float("nan"),
    "image": np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3) / 7,
    "optimizer/count": np.float32(3.0).reshape(()),
    "optimizer/begun": np.array(True),
    "optimizer/empty": np.zeros((0, 3), np.float32),
}


def pack(state, extra=None):
    return b"".join(checkpoint.pack(state, extra))


def unpack(data):
    return checkpoint.unpack(io.BytesIO(data))


def test_what_was_packed_comes_back():
    """Values, dtypes, shapes and bits, and the extra beside them."""
    state, extra = unpack(pack(STATE, {"precision": "float32", "epoch": 3}))
    assert extra == {"precision": "float32", "epoch": 3}
    assert set(state) == set(STATE)
    assert np.isnan(state["epoch_start"])
    for name in ("step", "seconds", "ended"):
        assert state[name] == STATE[name]
        assert type(state[name]) is type(STATE[name])
    for name in ("image", "optimizer/count", "optimizer/begun", "optimizer/empty"):
        assert state[name].dtype == STATE[name].dtype
        assert state[name].shape == STATE[name].shape
        assert state[name].tobytes() == STATE[name].tobytes()


def test_arrays_that_come_back_can_be_written_to():
    """They do not lie in the bytes they were read from."""
    state, _ = unpack(pack(STATE))
    state["image"][:] = 0.0
    assert unpack(pack(STATE))[0]["image"].max() > 0


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_noticed(place, change):
    """Wherever it stands."""
    data = bytearray(pack(STATE, {"a": 1}))
    data[place % len(data)] ^= change
    with pytest.raises(DamagedCheckpointError):
        unpack(bytes(data))


@given(st.integers(0, 10_000))
def test_a_shortened_checkpoint_is_noticed(length):
    """From none of its bytes to all but one."""
    data = pack(STATE)
    with pytest.raises(DamagedCheckpointError):
        unpack(data[: length % len(data)])


def test_bytes_after_the_end_are_noticed():
    """More bytes than were written are as bad as fewer."""
    with pytest.raises(DamagedCheckpointError):
        unpack(pack(STATE) + b"\0")


def test_neither_way_copies_the_whole(tmp_path):
    """Packing takes next to nothing beside the state, unpacking what comes back and no more."""
    state = {f"s{row:02d}": np.full((512, 512), row, np.float32) for row in range(20)}
    size = sum(array.nbytes for array in state.values())
    tracemalloc.start()
    try:
        with (tmp_path / "checkpoint").open("wb") as file:
            file.writelines(checkpoint.pack(state))
        packing = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        with (tmp_path / "checkpoint").open("rb") as file:
            found, _ = checkpoint.unpack(file)
        unpacking = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(np.array_equal(found[name], array) for name, array in state.items())
    assert packing < 0.2 * size
    assert unpacking < 1.2 * size


def test_one_of_another_version_is_refused():
    """It would lack parts of the state, or have others."""
    data = pack(STATE).replace(b"checkpoint 3", b"checkpoint 2", 1)
    with pytest.raises(DamagedCheckpointError, match="of this version"):
        unpack(data)
