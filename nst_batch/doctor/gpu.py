"""Checks of the GPUs: what the driver shows, what TensorFlow sees, and whether a small step computes there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from nst_batch.capacity import RESERVE
from nst_batch.child import Answer
from nst_batch.clock import duration
from nst_batch.config.load import Config
from nst_batch.daemon.devices import WorkerDevice, choose_devices
from nst_batch.daemon.forecast import guessed_seconds
from nst_batch.doctor.check import Check, Machine, State
from nst_batch.errors import SetupError
from nst_batch.sidecar.presets import DEFAULT_PRESET
from nst_batch.transfer.device import gpu_advice
from nst_batch.transfer.gpu_words import LARGEST_ARCHITECTURE, find_trouble
from nst_batch.transfer.memory_plan import MemoryPlan

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # 0: TensorFlow tells why it does not use a GPU
TRIAL_SECONDS = 180.0  # a driver without persistence takes seconds to wake a GPU, and code may have to be compiled
TRIAL_SCRIPT = """
import json
from nst_batch.errors import SetupError
from nst_batch.transfer.device import choose_device, prepare_tensorflow
from nst_batch.transfer.precision import choose_precision
prepare_tensorflow()
try:
    device = choose_device("gpu")
    from nst_batch.transfer.trial import matrix_rate, try_out
    try_out(device)
    precision = choose_precision("auto", has_bfloat16=device.has_bfloat16)
    said = {"name": device.name, "precision": precision, "rate": matrix_rate(device, precision)}
except SetupError as error:
    said = {"message": error.message, "advice": error.advice}
print("\\n" + json.dumps(said))
"""


def devices(config: Config, machine: Machine, seen: list[str], log: str) -> Iterator[Check]:
    """What paints, each GPU tried with a small step. ``seen`` by TensorFlow, whose ``log`` may say why not more."""
    if config.device == "cpu":
        yield Check("device", "ok", "the CPU, as config.yaml asks")
        return
    cards, gpus = _cards(machine), machine.gpus()
    try:
        chosen = choose_devices(config.device, gpus)
    except SetupError as error:
        yield Check("device", "bad", error.message, error.advice)
        return
    if not seen:
        shown = ", ".join(cards or [gpu.name for gpu in gpus.found])
        yield _unseen(config, shown, machine.device_faults(), log)
        return
    memory_mb = min((float(mib) for card in cards for mib in re.findall(r"(\d+) MiB", card)), default=0.0)
    for device in (one for one in chosen if one.is_gpu):
        yield _tried(device, machine, f"; {how_large(memory_mb)}" if memory_mb else "")


def _unseen(config: Config, shown: str, faults: str, log: str) -> Check:
    """TensorFlow sees no GPU at all; ``shown`` are those that are there all the same, ``faults`` their files'."""
    cause = find_trouble(faults + log)
    reason = f" ({cause[0]})" if cause and (shown or config.device != "auto") else ""
    advice = cause[1] if cause else gpu_advice()
    what = f"this machine shows {shown}, which TensorFlow does not see{reason}" if shown else f"no GPU here{reason}"
    if config.device != "auto":
        asked = config.device if isinstance(config.device, str) else ", ".join(map(str, config.device))
        return Check("device", "bad", f"{asked} is asked for, but {what}", f"set device: auto, or {advice}")
    if shown:
        return Check("device", "warn", f"the CPU: {what}", f"{advice}; device: cpu in config.yaml is content")
    return Check("device", "ok", f"the CPU; {what}")


def _tried(device: WorkerDevice, machine: Machine, more: str) -> Check:
    """A small step on a GPU, in a process that sees it alone."""
    answer = machine.python(TRIAL_SCRIPT, TRIAL_SECONDS, {**device.environment, LOG_LEVEL: "0"})
    said = last_json(answer)
    bad: State = "bad" if device.insisted else "warn"
    if said is not None and "name" in said:
        return _computes(said, more)
    if said is not None:
        cause = find_trouble(machine.device_faults() + (answer.err if answer else ""))
        what, advice = str(said["message"]), str(said["advice"])
        more = f" ({cause[0]})" if cause and cause[0] not in what else ""
        return Check("device", bad, f"{device.name}: {what}{more}", cause[1] if cause else advice)
    if answer is None:
        what = f"{device.name}: a small step took more than {duration(TRIAL_SECONDS)}"
        advice = (
            "does nvidia-smi answer? Look for Xid in dmesg. For a GPU of compute capability above "
            f"{LARGEST_ARCHITECTURE} its driver compiles TensorFlow's code first, which can take half an hour"
        )
        return Check("device", bad, what, advice)
    unknown = f"the process ended with {answer.status}", "look for Xid in dmesg"
    what, advice = find_trouble(machine.device_faults() + answer.err) or unknown
    return Check("device", bad, f"{device.name}: a small step failed: {what}", advice)


def _computes(said: dict[str, Any], more: str) -> Check:
    """A GPU that does; one without bfloat16 units is slow for its kind."""
    takes = f"a picture of the default settings may take {duration(guessed_seconds('gpu', float(said['rate'])))}"
    what = f"{said['name']} computes in {said['precision']}; {takes}{more}"
    if said["precision"] == "bfloat16":
        return Check("device", "ok", what)
    return Check(
        "device",
        "warn",
        what,
        "it has no units for bfloat16, as GPUs since Ampere (compute capability 8.0) have; nothing is to be mended",
    )


def how_large(total_mb: float) -> str:
    """What fits into so much memory, told for the usual shape, the default preset and the precision that needs more."""
    side, whole = (MemoryPlan("float32").largest_side(3, 4, RESERVE * total_mb, whole=one) for one in (False, True))
    assumed = f"with preset {DEFAULT_PRESET} in float32, where {RESERVE:.0%} of it all is free for one worker"
    if not side:
        return f"too little for any picture {assumed}"
    pieces = f"{whole} px in one piece" if whole else "none in one piece"
    return f"4:3 pictures up to {side} px long ({pieces}) {assumed}"


def last_json(answer: Answer | None) -> dict[str, Any] | None:
    """The object that a child has printed last; None where it has not."""
    if answer is None or answer.status != 0:
        return None
    try:
        found = json.loads(answer.out.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _cards(machine: Machine) -> list[str]:
    """What NVIDIA's driver knows, each with its memory."""
    if not machine.has_command("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    answer = machine.run(command, 20.0)
    return [line.strip() for line in answer.out.splitlines() if line.strip()] if answer and not answer.status else []
