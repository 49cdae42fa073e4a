"""Keras as it is loaded here, whatever other programs of the same person were told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nst_batch.transfer.keras_settings import left_aside, own_settings

LOAD = """
import os
from nst_batch.transfer import StyleContentModel
import keras
told = keras.config
print(told.backend(), told.floatx(), told.image_data_format(), os.environ["KERAS_BACKEND"], os.environ["KERAS_HOME"])
"""


def test_another_backend_and_a_damaged_file_do_not_count(tmp_path: Path) -> None:
    """Of the environment and of keras.json, values that would break the import among them; both stay as they were."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax", "floatx": "float7", "epsilon": 1}))
    environ = {"KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path), "KERAS_MAX_EPOCHS": "many"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=os.environ | environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["tensorflow", "float32", "channels_last", "torch", str(tmp_path)], done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["keras.json"]


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not set is not set afterwards, what was is as before."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.delenv("KERAS_HOME", raising=False)
    before = dict(os.environ)
    with own_settings():
        assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("environ", "told", "parts"),
    [
        ({}, None, []),
        ({"KERAS_BACKEND": "tensorflow"}, '{"backend": "tensorflow", "floatx": "float32"}', []),
        ({"KERAS_BACKEND": ""}, "not json", []),
        ({}, "[1]", []),
        ({"KERAS_BACKEND": "torch"}, None, ["KERAS_BACKEND=torch"]),
        ({}, '{"backend": "jax"}', ["backend: jax in "]),
        ({"KERAS_BACKEND": "torch"}, '{"backend": "jax", "floatx": "float16"}', ["=torch", "floatx: float16"]),
        ({}, '{"image_data_format": "channels_first"}', ["image_data_format: channels_first"]),
    ],
)
def test_what_does_not_count_is_told(
    tmp_path: Path, environ: dict[str, str], told: str | None, parts: list[str]
) -> None:
    """One note a thing, with its place; of two backends the one that Keras would have taken."""
    if told is not None:
        (tmp_path / "keras.json").write_text(told)
    notes = left_aside({**environ, "KERAS_HOME": str(tmp_path)})
    assert len(notes) == len(parts)
    assert all(part in note for part, note in zip(parts, notes, strict=True))


def test_a_keras_of_another_backend_in_the_same_process_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that uses the engine as a library may have loaded it before: what to do is said, and nothing breaks."""
    import keras

    from nst_batch.errors import SetupError
    from nst_batch.transfer.device import prepare_tensorflow

    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(SetupError) as caught:
        prepare_tensorflow()
    assert caught.value.code == "keras_backend"
    assert caught.value.advice
