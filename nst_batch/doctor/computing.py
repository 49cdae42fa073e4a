"""Checks of what computes: processor, memory, GPU, TensorFlow, OpenCV, and the network's weights."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from nst_batch.child import Answer
from nst_batch.clock import duration
from nst_batch.config.load import Config
from nst_batch.doctor.check import Check, Machine
from nst_batch.doctor.gpu import LOG_LEVEL, devices, how_large, last_json
from nst_batch.errors import SetupError
from nst_batch.footing import Footing, faults
from nst_batch.transfer.keras_settings import left_aside
from nst_batch.transfer.locate import ENVIRONMENT, KERAS_NAME, KERAS_URL, keras_cache, locate_weights

LEAST_MEMORY_MB = 2048.0  # TensorFlow, VGG19 and a 512 px picture with its gradients
IMPORT_SECONDS = 180.0  # TensorFlow from a cold network disk takes its time
_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
_PACKAGES = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
}
_DEVICES_SCRIPT = """
import json
from nst_batch.transfer.device import prepare_tensorflow
prepare_tensorflow()
import keras, tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
names = [str(item.get("device_name", "GPU")) for item in details]
versions = {"version": tf.__version__, "keras": keras.__version__}
print("\\n" + json.dumps({**versions, "cuda": tf.test.is_built_with_cuda(), "gpus": names}))
"""
_OPENCV_SCRIPT = "import cv2, imagecodecs, tifffile, pi_heif; print(cv2.__version__)"
_INSTALL = "install nst_batch with all it needs into a virtual environment: pip install . in its folder"


def system(footing: Footing) -> Iterator[Check]:
    """What the program rests on that only the system can give."""
    missing = faults(footing)
    yield from (Check("system", "bad", what, advice) for what, advice in missing)
    if not missing:
        yield Check("system", "ok", str(footing))


def python_version() -> Check:
    """The interpreter at work, and whether it has an environment of its own."""
    version = ".".join(map(str, sys.version_info[:3]))
    what = f"{version} in {sys.prefix}"
    if sys.prefix == sys.base_prefix:
        advice = "give it an environment of its own: python3 -m venv (Debian: apt-get install python3-venv)"
        return Check("Python", "warn", f"{what}, not a virtual environment", advice)
    return Check("Python", "ok", what)


def processor(machine: Machine) -> Check:
    """Cores, and whether they multiply in bfloat16."""
    lines = machine.read("/proc/cpuinfo").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    cores = len(os.sched_getaffinity(0))
    found = [flag for flag in _BFLOAT16_FLAGS if flag in flags]
    kind = f"bfloat16 ({', '.join(found)})" if found else "no bfloat16: jobs run in float32, at about half the rate"
    return Check("processor", "ok", f"{cores} core{'' if cores == 1 else 's'}, {kind}")


def memory(machine: Machine) -> Check:
    """What is free for a worker, within the limit of this process's control group."""
    free, total = machine.memory_mb()
    if not total:
        return Check("memory", "warn", "this system does not tell how much it has")
    what = f"{free / 1024:.1f} GiB free of {total / 1024:.1f} GiB; {how_large(total)}"
    if free < LEAST_MEMORY_MB:
        advice = f"512 px want about {LEAST_MEMORY_MB / 1024:.0f} GiB: end other programs, or ask for a smaller size"
        return Check("memory", "warn", what, advice)
    return Check("memory", "ok", what)


def tensorflow(config: Config, machine: Machine) -> tuple[Check, ...]:
    """TensorFlow in a fresh process, and whether it computes on what the config asks for."""
    answer = machine.python(_DEVICES_SCRIPT, IMPORT_SECONDS, {LOG_LEVEL: "0"})
    found = last_json(answer)
    if answer is None or found is None:
        return (_broken_tensorflow(answer),)
    kind = "with" if found.get("cuda") else "without"
    what = f"{found.get('version')}, built {kind} CUDA, with Keras {found.get('keras')}"
    version = Check("TensorFlow", "ok", "; ".join((what, *left_aside(machine.environ))))
    if config.executor == "slurm":  # it paints on other machines than this one
        return (version,)
    return (version, *devices(config, machine, [str(name) for name in found.get("gpus", ())], answer.err))


def _broken_tensorflow(answer: Answer | None) -> Check:
    if answer is None:
        what = f"did not load within {duration(IMPORT_SECONDS)}"
        return Check("TensorFlow", "bad", what, "look at the disk that the environment lies on, then try again")
    if answer.status == -4:
        what = "its import ended with an illegal instruction: this processor lacks AVX"
        return Check("TensorFlow", "bad", what, "use a machine with AVX, or build TensorFlow for this one")
    last = _last_line(answer)
    flags = re.search(r"[Uu]nknown flags? in (?:env: |environment variable )?(\w+)", last)
    advice = f"correct the environment variable {flags[1]}, or unset it" if flags else _INSTALL
    return Check("TensorFlow", "bad", f"cannot be imported: {last}", advice)


def opencv(machine: Machine) -> Check:
    """OpenCV in a fresh process; on bare servers it lacks libraries of the system."""
    answer = machine.python(_OPENCV_SCRIPT, IMPORT_SECONDS)
    if answer is not None and answer.status == 0:
        return Check("OpenCV", "ok", answer.out.strip())
    reason = "did not load in time" if answer is None else f"cannot be imported: {_last_line(answer)}"
    missing = re.search(r"([\w.+-]+\.so[.\d]*): cannot open shared object file", answer.err if answer else "")
    if missing is None:
        return Check("OpenCV", "bad", reason, _INSTALL)
    library = missing[1]
    packages = _PACKAGES.get(library)
    advice = f"apt-get install {packages}" if packages else f"install the system's package that has {library}"
    return Check("OpenCV", "bad", f"the system library {library} is missing", advice)


def weights(config: Config, machine: Machine) -> Check:
    """Which weights a run would use; nothing is fetched for it."""
    if config.weights == "untrained":
        what = "untrained: a filter bank that hatches rather than paints"
        return Check("weights", "warn", what, "weights: auto in config.yaml is for real pictures")
    cached = keras_cache(machine.environ) / KERAS_NAME
    if config.weights == "auto" and not machine.environ.get(ENVIRONMENT) and not cached.exists():
        return _weights_to_fetch(cached, machine)
    try:
        found = locate_weights(config.weights, environ=machine.environ)
    except SetupError as error:
        return Check("weights", "bad", error.message, error.advice)
    return Check("weights", "ok", f"{found.path} ({found.source}, sha256 {found.sha256[:12]}…)")


def _weights_to_fetch(cached: Path, machine: Machine) -> Check:
    there = next(folder for folder in cached.parents if folder.exists())
    put = f"put {KERAS_NAME} (from {KERAS_URL}) at {cached}, or set {ENVIRONMENT} to a copy of it"
    if not machine.has_network:
        return Check("weights", "bad", "none, and the service has no network by which they could be fetched", put)
    if not os.access(there, os.W_OK | os.X_OK):
        return Check("weights", "bad", f"none, and {there} cannot be written, so none can be fetched", put)
    what = "not here yet: the first run fetches 80 MB into the Keras cache"
    return Check("weights", "warn", what, f"without a connection {put}")


def _last_line(answer: Answer) -> str:
    lines = [line.strip() for line in (answer.err + "\n" + answer.out).splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\w*(Error|Exception)\b", line)]
    return (errors or lines or [f"exit status {answer.status}"])[-1][:300]
