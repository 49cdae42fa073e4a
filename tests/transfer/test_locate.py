"""Where weights are looked for, and what is said when there are none."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from nst_batch.errors import SetupError
from nst_batch.transfer import locate
from nst_batch.transfer.locate import KERAS_NAME, locate_weights

H5 = b"\x89HDF\r\n\x1a\n" + b"\x02" + bytes(100)


def cut_short() -> bytes:
    """A first-version superblock that promises 5,000 bytes."""
    return b"\x89HDF\r\n\x1a\n" + bytes(32) + (5000).to_bytes(8, "little") + bytes(60)


@pytest.fixture
def environ(tmp_path):
    return {"KERAS_HOME": str(tmp_path / "keras")}


def no_network(url, target):
    raise OSError("no route to host")


def test_untrained_needs_nothing():
    """No file, no hash."""
    assert locate_weights("untrained", environ={}).path is None


def test_a_path_is_taken_and_hashed(tmp_path):
    """The hash is the file's."""
    path = tmp_path / "mine.h5"
    path.write_bytes(H5)
    found = locate_weights(str(path), environ={})
    assert (found.source, found.path) == ("path", path)
    assert found.sha256 == hashlib.sha256(H5).hexdigest()


def test_auto_looks_at_the_environment_then_the_cache(tmp_path, environ, monkeypatch):
    """NST_BATCH_WEIGHTS goes before the Keras cache, which goes before a download."""
    monkeypatch.setattr(locate, "KERAS_MD5", hashlib.md5(H5).hexdigest())
    cached = tmp_path / "keras" / "models" / KERAS_NAME
    cached.parent.mkdir(parents=True)
    cached.write_bytes(H5)
    assert locate_weights("auto", environ=environ, fetch=no_network).source == "keras-cache"
    named = tmp_path / "named.h5"
    named.write_bytes(H5 + b"other")
    found = locate_weights("auto", environ={**environ, "NST_BATCH_WEIGHTS": str(named)}, fetch=no_network)
    assert (found.source, found.path) == ("NST_BATCH_WEIGHTS", named)


def test_another_file_in_the_cache_is_not_taken_unless_it_is_named(tmp_path, environ):
    """Whatever its name, it is not Keras's; the advice names it as the config and the environment would."""
    cached = tmp_path / "keras" / "models" / KERAS_NAME
    cached.parent.mkdir(parents=True)
    cached.write_bytes(H5)
    with pytest.raises(SetupError) as caught:
        locate_weights("auto", environ=environ, fetch=no_network)
    assert (caught.value.code, caught.value.exit_code) == ("weights_foreign", 78)
    assert f"weights: {cached} in config.yaml" in caught.value.advice
    assert locate_weights(str(cached), environ=environ).source == "path"
    assert locate_weights("auto", environ={**environ, "NST_BATCH_WEIGHTS": str(cached)}).path == cached


def test_a_named_file_that_is_missing_is_not_passed_over(tmp_path, environ):
    """It never goes on with other weights by itself."""
    with pytest.raises(SetupError) as caught:
        locate_weights("auto", environ={**environ, "NST_BATCH_WEIGHTS": str(tmp_path / "gone.h5")})
    assert caught.value.code == "weights_missing"
    assert "gone.h5" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", cut_short()])
def test_a_file_that_cannot_be_weights_is_refused(tmp_path, content):
    """Empty, an error page saved by a browser, and half a file."""
    path = tmp_path / "bad.h5"
    path.write_bytes(content)
    with pytest.raises(SetupError) as caught:
        locate_weights(str(path), environ={})
    assert caught.value.code == "weights_damaged"
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["a pipe", "a folder"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, environ, make):
    """Named by the config, by the variable, or in Keras's cache."""
    path = tmp_path / "vgg.h5"
    make(path)
    cached = locate.keras_cache(environ) / KERAS_NAME
    cached.parent.mkdir(parents=True, exist_ok=True)
    make(cached)
    for choice, told in ((str(path), {}), ("auto", {"NST_BATCH_WEIGHTS": str(path)}), ("auto", {})):
        with pytest.raises(SetupError, match="cannot be read: "):
            locate_weights(choice, environ={**environ, **told})


def test_the_download_goes_into_the_cache(tmp_path, environ, monkeypatch):
    """Under Keras's name, once its hash is right, and nothing else is left there."""
    monkeypatch.setattr(locate, "KERAS_MD5", hashlib.md5(H5).hexdigest())
    found = locate_weights("auto", environ=environ, fetch=lambda url, target: target.write_bytes(H5))
    assert (found.source, found.path) == ("keras-download", tmp_path / "keras" / "models" / KERAS_NAME)
    assert [path.name for path in (tmp_path / "keras" / "models").iterdir()] == [KERAS_NAME]


@pytest.mark.parametrize("fetch", [no_network, lambda url, target: target.write_bytes(H5)])
def test_with_none_to_be_had_the_error_says_which_file_to_put_where(tmp_path, environ, fetch):
    """No connection, or a download with another hash: exit 78, the name, the place, and no left-overs."""
    with pytest.raises(SetupError) as caught:
        locate_weights("auto", environ=environ, fetch=fetch)
    assert caught.value.code == "weights_missing"
    assert caught.value.exit_code == 78
    assert str(tmp_path / "keras" / "models" / KERAS_NAME) in caught.value.advice
    assert list((tmp_path / "keras" / "models").iterdir()) == []


def test_a_real_download_that_fails_is_an_os_error(tmp_path):
    """What fetch_url raises is what the caller handles."""
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        locate.fetch_url((tmp_path / "none").as_uri(), tmp_path / "target")


def test_looking_imports_nothing_heavy():
    """The daemon asks this module, and loads neither TensorFlow nor NumPy nor h5py by it."""
    code = (
        "import sys; import nst_batch.transfer, nst_batch.transfer.locate, nst_batch.transfer.spec, "
        "nst_batch.transfer.device, nst_batch.transfer.errors, nst_batch.transfer.keras_settings; "
        "print(sorted({'tensorflow', 'keras', 'numpy', 'h5py', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
