"""A generation's state as one run of bytes with a hash, and back. Writing it to a disk is the caller's.

Layout: ``MAGIC``, the SHA-256 of all that follows, the header's length (8 bytes, little-endian), the header
(JSON: plain values, and name, dtype, shape of each array), the arrays' bytes in that order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nst_batch.transfer.errors import DamagedCheckpointError

MAGIC = b"nst_batch checkpoint 1\n"
_DIGEST = hashlib.sha256().digest_size
_LENGTH = 8

__all__ = ["DamagedCheckpointError", "pack", "unpack"]


def pack(state: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> bytes:
    """``state`` (arrays and plain values) and ``extra`` (anything JSON holds) as bytes."""
    arrays = {name: np.asarray(v) for name, v in state.items() if isinstance(v, np.ndarray | np.generic)}
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    plain = {name: value for name, value in state.items() if name not in arrays}
    header = json.dumps({"plain": plain, "arrays": layout, "extra": dict(extra or {})}).encode()
    parts = [len(header).to_bytes(_LENGTH, "little"), header, *(a.tobytes() for a in arrays.values())]
    body = b"".join(parts)
    return MAGIC + hashlib.sha256(body).digest() + body


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """What :func:`pack` was given: state and extra. Raises :class:`DamagedCheckpointError`."""
    start = len(MAGIC) + _DIGEST
    if not data.startswith(MAGIC):
        raise DamagedCheckpointError("it does not begin as one")
    body = memoryview(data)[start:]
    if len(body) < _LENGTH or hashlib.sha256(body).digest() != data[len(MAGIC) : start]:
        raise DamagedCheckpointError("its hash does not fit; it is cut short or was changed")
    end = _LENGTH + int.from_bytes(body[:_LENGTH], "little")
    header = json.loads(bytes(body[_LENGTH:end]))
    state = dict(header["plain"])
    for name, dtype, shape in header["arrays"]:
        kind = np.dtype(dtype)
        size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        state[name] = np.frombuffer(body[end : end + size], kind).reshape(shape).copy()
        end += size
    return state, header["extra"]
