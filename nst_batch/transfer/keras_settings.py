"""What other programs were told of Keras stays theirs: here it is loaded with its own defaults and for TensorFlow.

Keras reads a file (``keras.json``) and the environment while it is imported. Another backend there would break every
job, another ``floatx`` or a damaged value the import. Importing this costs nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping

from nst_batch.transfer.locate import keras_cache

OURS = {"backend": "tensorflow", "floatx": "float32", "image_data_format": "channels_last"}
_BACKEND = "KERAS_BACKEND"
_READ_AT_IMPORT = (_BACKEND, "KERAS_HOME", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """While Keras is imported: its defaults, TensorFlow, and no file read or made. The environment is put back."""
    before = {name: os.environ.pop(name) for name in _READ_AT_IMPORT if name in os.environ}
    os.environ[_BACKEND] = OURS["backend"]
    os.environ["KERAS_HOME"] = os.devnull  # below which there is no keras.json, and none can be made
    try:
        yield
    finally:
        for name in _READ_AT_IMPORT:
            os.environ.pop(name, None)
        os.environ.update(before)


def left_aside(environ: Mapping[str, str]) -> tuple[str, ...]:
    """A note on each thing that Keras was told elsewhere and that does not count here, with where that is."""
    notes = []
    if environ.get(_BACKEND, OURS["backend"]) not in ("", OURS["backend"]):
        notes.append(f"{_BACKEND}={environ[_BACKEND]} in the environment does not count: nst_batch is TensorFlow's")
    path = keras_cache(environ).parent / "keras.json"
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return tuple(notes)
    for key, ours in OURS.items() if isinstance(told, dict) else ():
        if told.get(key, ours) != ours and not (key == "backend" and environ.get(_BACKEND)):
            notes.append(f"{key}: {told[key]} in {path} does not count: nst_batch computes with {ours}")
    return tuple(notes)
