"""Where the weights come from. Imports nothing heavy, so that the daemon can ask before anything runs.

``auto`` looks at ``NST_BATCH_WEIGHTS``, the Keras cache, then fetches the file that Keras itself would fetch
into that cache. In the cache and fetched, a file counts only with the hash that Keras checks. It never goes on with
other weights by itself.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nst_batch.errors import SetupError

ENVIRONMENT = "NST_BATCH_WEIGHTS"
KERAS_NAME = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
KERAS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg19/{KERAS_NAME}"
KERAS_MD5 = "253f8cb515780f3b799900260a226db6"
UNTRAINED = "untrained"

_CHUNK = 1 << 20
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NO_ANSWER_SECONDS = 20.0

Fetch = Callable[[str, Path], None]


@dataclass(frozen=True)
class WeightsLocation:
    """A file of weights, found and hashed but not read. ``path`` is None for the untrained network.

    ``source`` is one of ``NST_BATCH_WEIGHTS``, ``keras-cache``, ``keras-download``, ``path``, ``untrained``.
    ``sha256`` of the untrained network is empty here: its kernels are drawn when they are loaded.
    """

    source: str
    path: Path | None
    sha256: str


def locate_weights(
    choice: str,
    *,
    environ: Mapping[str, str] | None = None,
    fetch: Fetch | None = None,
) -> WeightsLocation:
    """The weights that ``choice`` (``auto``, ``untrained`` or a path) stands for.

    Raises :class:`SetupError` where there are none, or where the file found cannot be a weights file.
    """
    env = os.environ if environ is None else environ
    if choice == UNTRAINED:
        return WeightsLocation(UNTRAINED, None, "")
    if choice != "auto":
        return _checked("path", _at_home(choice))
    named = env.get(ENVIRONMENT)
    if named:
        return _checked(ENVIRONMENT, _at_home(named))
    cached = keras_cache(env) / KERAS_NAME
    if cached.exists():
        return _keras_own(_checked("keras-cache", cached), cached)
    _download(cached, fetch or fetch_url)
    return _checked("keras-download", cached)


def _at_home(name: str) -> Path:
    """A path with its ``~``; one of a user that is not there stays as it is, and is no file."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def keras_cache(environ: Mapping[str, str]) -> Path:
    """The folder where Keras keeps the weights of its applications."""
    home = environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file, read in pieces."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fetch_url(url: str, target: Path) -> None:
    """Write what ``url`` answers to ``target``. Raises OSError (also for HTTP errors)."""
    with urllib.request.urlopen(url, timeout=_NO_ANSWER_SECONDS) as answer, target.open("wb") as out:  # noqa: S310 - a fixed https address
        while chunk := answer.read(_CHUNK):
            out.write(chunk)


def damaged_weights(path: Path, what: str) -> SetupError:
    """The error for a file that is there but is not VGG19's weights."""
    return SetupError(
        "weights_damaged",
        f"{path} is not a usable VGG19 weights file: {what}",
        f"replace it with Keras's {KERAS_NAME}, or delete it from the Keras cache to have it fetched anew",
    )


def _checked(source: str, path: Path) -> WeightsLocation:
    """``path`` as a location, its outside (existence, HDF5 signature, whole length) looked at."""
    try:
        size, head = _beginning(path)
    except OSError as error:
        raise SetupError(
            "weights_missing",
            f"weights ({source}): {path} cannot be read: {error.strerror or error}",
            f"name a Keras VGG19 notop file ({KERAS_NAME}), or use weights: auto",
        ) from error
    if not head.startswith(_HDF5_SIGNATURE):
        raise damaged_weights(path, "it is not an HDF5 file")
    # The first version of the HDF5 superblock, which Keras's files have, tells where the file ends.
    if len(head) == 48 and head[8] == 0 and size < int.from_bytes(head[40:48], "little"):
        raise damaged_weights(path, "it is cut short")
    return WeightsLocation(source, path, file_digest(path))


def _beginning(path: Path) -> tuple[int, bytes]:
    """A file's size and its first bytes. OSError, also where it is none: a pipe is not waited for."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return status.st_size, stream.read(48)


def _keras_own(location: WeightsLocation, path: Path) -> WeightsLocation:
    """``location`` if it is the file that Keras itself would keep at ``path``: nobody has named this one."""
    if file_digest(path, "md5") == KERAS_MD5:
        return location
    raise SetupError(
        "weights_foreign",
        f"{path} is not Keras's file, by its hash, so weights: auto does not take it",
        f"delete it to have Keras's own fetched; if it is what you want, name it: weights: {path} in config.yaml, "
        f"or {ENVIRONMENT}={path}",
    )


def _download(target: Path, fetch: Fetch) -> None:
    """Fetch Keras's file to a temporary name beside ``target``, check its hash, rename it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{KERAS_NAME}.", suffix=".part")
    except OSError as error:
        raise _nothing(target, f"{target.parent} cannot be written: {error.strerror or error}") from error
    os.close(handle)
    part = Path(name)
    try:
        fetch(KERAS_URL, part)
        if file_digest(part, "md5") != KERAS_MD5:
            raise _nothing(target, "what the download brought does not have the hash of Keras's file")
        part.replace(target)
    except (OSError, urllib.error.URLError) as error:
        raise _nothing(target, f"the download failed: {getattr(error, 'reason', None) or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _nothing(target: Path, why: str) -> SetupError:
    return SetupError(
        "weights_missing",
        f"no VGG19 weights: {ENVIRONMENT} is not set, {target} is not there, and {why}",
        f"put {KERAS_NAME} (from {KERAS_URL}) at {target}, or set {ENVIRONMENT} to a copy of it; "
        "weights: untrained needs none, but hatches rather than paints",
    )
