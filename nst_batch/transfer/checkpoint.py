"""A generation's state as bytes with a hash, and back. Writing them to a disk is the caller's.

Layout: ``MAGIC``, the SHA-256 of all that follows, the header's length (8 bytes, little-endian), the header
(JSON: plain values, and name, dtype, shape of each array), the arrays' bytes in that order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from nst_batch.transfer.errors import DamagedCheckpointError

MAGIC = b"nst_batch checkpoint 3\n"  # another number where a state has other parts: an older one is set aside
_DIGEST = hashlib.sha256().digest_size
_LENGTH = 8
_AT_A_TIME = 1 << 20

Buffer = bytes | memoryview

__all__ = ["DamagedCheckpointError", "pack", "unpack"]


def pack(state: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> list[Buffer]:
    """``state`` (arrays, plain values) and ``extra`` (anything JSON holds) as pieces, to be written one after another.

    The arrays are not copied: with L-BFGS they are forty pictures, and copies would be the most that a job ever holds.
    """
    arrays = {name: np.asarray(v) for name, v in state.items() if isinstance(v, np.ndarray | np.generic)}
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    plain = {name: value for name, value in state.items() if name not in arrays}
    header = json.dumps({"plain": plain, "arrays": layout, "extra": dict(extra or {})}).encode()
    body: list[Buffer] = [len(header).to_bytes(_LENGTH, "little"), header]
    body += [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in arrays.values()]
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    return [MAGIC + digest.digest(), *body]


def unpack(file: BinaryIO) -> tuple[dict[str, Any], dict[str, Any]]:
    """What :func:`pack` was given, state and extra, from a file at its beginning.

    Raises :class:`DamagedCheckpointError`. The file is read twice, once for its hash, so that nothing in it is believed
    before.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise DamagedCheckpointError("it does not begin as one of this version")
    said, found, length = file.read(_DIGEST), hashlib.sha256(), 0
    while piece := file.read(_AT_A_TIME):
        found.update(piece)
        length += len(piece)
    if length < _LENGTH or found.digest() != said:
        raise DamagedCheckpointError("its hash does not fit; it is cut short or was changed")
    file.seek(len(MAGIC) + _DIGEST)
    header = json.loads(file.read(int.from_bytes(file.read(_LENGTH), "little")))
    state = dict(header["plain"])
    for name, dtype, shape in header["arrays"]:
        array = np.empty(shape, np.dtype(dtype))
        file.readinto(array.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]  # BinaryIO lacks it
        state[name] = array
    return state, header["extra"]
