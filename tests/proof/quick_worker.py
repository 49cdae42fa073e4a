"""A worker without TensorFlow: the real one's protocol, lock and death with the daemon, around a tiny engine.

The engine's picture is a chain of hashes over the input files, one a step, so that a resumed job shows by its
bytes whether it is the undisturbed one's. A job whose title begins with ``segfault``, ``exit``, ``hang`` or
``memory`` comes to that end at its third step, one that begins with ``mute`` dies when it is done, before it says so.
An image that holds ``half`` looks cut short. ``QUICK_STEP_SECONDS`` is the time of a step, ``QUICK_DONE`` a file that
gets a line for each job that was done, ``QUICK_GONE`` one that names the GPUs that are gone by now: a worker there
aborts at its next step, and none comes up.

Started with a folder in place of its options it is the worker of a node, as :mod:`nst_batch.worker.node`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from full_disk import MoodyDisk

from nst_batch.filenames import OUTCOME_NAME
from nst_batch.job import JobSpec, Outcome, load_spec, now_iso
from nst_batch.mailbox import MailWriter
from nst_batch.protocol import FROM_WORKER_NAME, WorkerOptions
from nst_batch.reasons import EndState, Reason
from nst_batch.worker import node
from nst_batch.worker.process import InstructionQueue, Reporter, claim_stdout, die_with_parent, do_job, listen

if TYPE_CHECKING:
    from nst_batch.worker.run_listener import RunEnd

FATAL_STEP = 3
STEP_SECONDS = float(os.environ.get("QUICK_STEP_SECONDS", "0.005"))
DONE_LOG = os.environ.get("QUICK_DONE", "")
GONE = os.environ.get("QUICK_GONE", "")
CUT = b"half"


def first_hash(inputs: list[bytes]) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in inputs)).digest()


def next_hash(before: bytes) -> bytes:
    return hashlib.sha256(before).digest()


def picture(state: bytes) -> bytes:
    """A PNG of 32 grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 32, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" + state)) + chunk(b"IEND", b"")
    )


def is_gone(device: str) -> bool:
    """Whether a GPU has fallen off the bus."""
    return bool(GONE) and Path(GONE).exists() and device in Path(GONE).read_text().split()


def end_badly(title: str) -> None:
    if title.startswith("segfault"):
        os.kill(os.getpid(), signal.SIGSEGV)
    elif title.startswith("exit"):
        os._exit(1)
    elif title.startswith("hang"):
        time.sleep(1e6)


class JobRun:
    """One run of one job."""

    def __init__(
        self,
        claim: Path,
        folder: Path,
        running: Path,
        instructions: InstructionQueue,
        reporter: Reporter,
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.spec: JobSpec = load_spec(folder)
        self.folder, self.running = folder, running
        self.instructions, self.reporter = instructions, reporter
        self.fs = MoodyDisk()
        self.images = [(claim / item.path).read_bytes() for item in self.spec.inputs]
        self.state = first_hash(self.images)
        self.log: list[dict[str, Any]] = []

    def run(self) -> RunEnd:
        if any(CUT in image for image in self.images):
            return self._refuse_cut()
        settings = self.spec.settings
        per_epoch, steps = settings.steps_per_epoch, settings.epochs * settings.steps_per_epoch
        self._resume()
        if self.log and self.instructions.instruction() == "stop":
            return self._finish("stopped")
        for step in range(len(self.log) + 1, steps + 1):
            time.sleep(STEP_SECONDS)
            if is_gone(self.device):
                os.abort()
            self.state = next_hash(self.state)
            self.log.append({"step": step, "epoch": -(-step // per_epoch), "total": 1.0 / step})
            self.reporter.say("step", step=step, steps=steps, epoch=1, epochs=1, total=1.0 / step, left=0.0)
            if step == FATAL_STEP:
                end_badly(self.spec.title)
                if self.spec.title.startswith("memory"):
                    return self._leave("failed", reason=Reason.of("out_of_memory", "it did not fit"), retry=True)
            instruction = self.instructions.instruction()
            if instruction == "cancel":
                return self._leave("cancelled", reason=Reason.of("cancelled", "cancelled on request"))
            if step % per_epoch == 0:
                self._epoch(step // per_epoch)
            if instruction == "yield":
                self._checkpoint()
                return "yielded"
            if instruction == "stop":
                return self._finish("stopped")
        return self._finish("done")

    def _refuse_cut(self) -> RunEnd:
        """As the real one: images are read in order, and the first that ends too early is named."""
        cut = next(item.name for item, image in zip(self.spec.inputs, self.images, strict=True) if CUT in image)
        return self._leave("failed", reason=Reason.of("image_truncated", "it ends too early"), cut=cut)

    def _resume(self) -> None:
        try:
            found = json.loads((self.folder / "checkpoint").read_bytes())
        except FileNotFoundError:
            return
        self.state, self.log = bytes.fromhex(found["state"]), found["log"]

    def _checkpoint(self) -> None:
        body = {"state": self.state.hex(), "log": self.log}
        self.fs.write_durable(self.folder / "checkpoint", json.dumps(body).encode())

    def _epoch(self, number: int) -> None:
        if self.spec.settings.save_epoch:
            self.fs.make_one_folder(self.running / "epochs")
            name = f"epochs/{self.spec.title}_epoch_{number:04d}.png"
            self.fs.write_durable(self.running / name, picture(self.state))
        self._losses()
        self._checkpoint()

    def _losses(self) -> None:
        body = {"title": self.spec.title, "log": self.log}
        self.fs.write_durable(self.running / "loss.json", json.dumps(body).encode())

    def _finish(self, state: EndState) -> RunEnd:
        name = f"{self.spec.title}.png"
        self.fs.write_durable(self.running / name, picture(self.state))
        self._losses()
        there = (path.relative_to(self.running) for path in self.running.rglob("*") if path.is_file())
        shown = (path for path in there if path.parts[0] != "input" and not path.name.startswith("."))
        end = self._leave(state, final=name, outputs=tuple(sorted(path.as_posix() for path in shown)))
        if DONE_LOG:
            with Path(DONE_LOG).open("a") as log:
                log.write(f"{self.spec.id}\n")
        return end

    def _leave(self, state: EndState, **fields: Any) -> RunEnd:
        outcome = Outcome(state=state, finished_at=now_iso(), steps_done=len(self.log), seconds=0.1, **fields)
        self.fs.write_durable(self.folder / OUTCOME_NAME, outcome.model_dump_json().encode())
        return state


def main() -> int:
    if not sys.argv[1].startswith("{"):
        folder = Path(sys.argv[1])
        owner = node.take(folder, os.environ["SLURM_JOB_ID"])
        if owner is None:
            return 0
        reporter = Reporter(MailWriter(folder / FROM_WORKER_NAME, owner), node.STEP_SECONDS)
        serve(reporter, node.Post(folder, owner).listen, locked=False)
        reporter.say("ended")
        return 0
    options = WorkerOptions.model_validate_json(sys.argv[1])
    die_with_parent(options.parent)
    return serve(Reporter(claim_stdout()), listen, locked=True, device=options.device)


def serve(reporter: Reporter, listen: Callable[[InstructionQueue], None], *, locked: bool, device: str = "") -> int:
    instructions = InstructionQueue()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: instructions.tell({"do": "end"}))
    threading.Thread(target=listen, args=(instructions,), daemon=True).start()
    if is_gone(device):
        what = f"{device}: no step runs there"
        reporter.say("fault", reason={"code": "device_failed", "message": what, "advice": "see dmesg"})
        return 78
    reporter.say("ready", device="none", weights="none")
    spent = False

    def run(claim: Path, folder: Path, running: Path, last_for_memory: bool) -> RunEnd:
        nonlocal spent
        job_run = JobRun(claim, folder, running, instructions, reporter, device)
        state = job_run.run()
        if job_run.spec.title.startswith("mute"):
            os.kill(os.getpid(), signal.SIGKILL)
        spent = state == "failed"  # as after an out-of-memory
        return state

    while not spent and (message := instructions.next_job()) is not None:
        do_job(run, message, reporter, locked=locked)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
