"""Small pictures, and a house: an inbox, an outbox and a config with a real daemon in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

PATIENCE_SECONDS = 240.0  # a machine that others use as well loads TensorFlow in a minute

QUICK = "{epochs: 2, steps_per_epoch: 2, size: 48}"


def draw(path: Path, *, size: tuple[int, int] = (64, 48), hue: int = 0, mode: str = "RGB") -> Path:
    """A small picture with edges and slopes in it; ``hue`` makes pictures that differ."""
    width, height = size
    picture = Image.new("RGB", size)
    picture.putdata(
        [
            ((x * 255 // width + hue) % 256, (y * 255 // height), ((x // 8 + y // 8) % 2) * 200 + hue % 56)
            for y in range(height)
            for x in range(width)
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert(mode).save(path)
    return path


class House:
    """An inbox, an outbox and a config in a folder of their own; runs real daemons there."""

    def __init__(self, root: Path, weights: Path, **config: Any) -> None:
        self.root = root
        self._weights = weights
        self.inbox = root / "inbox"
        self.outbox = root / "outbox"
        self.config = root / "config.yaml"
        self._processes: list[subprocess.Popen[str]] = []
        root.mkdir(parents=True, exist_ok=True)
        self.inbox.mkdir()
        self.configure(**config)

    def configure(self, **config: Any) -> None:
        """Write config.yaml: quick jobs on the CPU with a file of weights, plus what is given."""
        body = {
            "weights": str(self._weights),
            "device": "cpu",
            "defaults": {"epochs": 2, "steps_per_epoch": 2, "size": 48, "precision": "float32"},
            "watch": {"settle_seconds": 0.3, "rescan_seconds": 1, "incomplete_after": "1h"},
            "limits": {"min_free_gb": 0.01},
            **config,
        }
        self.config.write_text(json.dumps(body))

    def pair(self, name: str, *, folder: str = "", hue: int = 0, **keys: Any) -> None:
        """Drop a pair: two images, then the sidecar."""
        where = self.inbox / folder
        draw(where / f"{name}-content.png", hue=hue)
        draw(where / f"{name}-style.png", hue=hue + 90, size=(48, 64))
        self.sidecar(name, folder=folder, content=f"{name}-content.png", style=f"{name}-style.png", **keys)

    def sidecar(self, name: str, *, folder: str = "", **keys: Any) -> Path:
        """Drop a sidecar; JSON is YAML."""
        path = self.inbox / folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(keys))
        return path

    def command(self, *arguments: str, timeout: float = PATIENCE_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "nst_batch", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
            cwd=self.root,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``run`` as a process of its own; it is ended with the test."""
        log = (self.root / f"daemon-{len(self._processes)}.log").open("w")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "nst_batch", "run", *arguments, "--config", str(self.config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                cwd=self.root,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._processes.append(process)
        return process

    def once(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Empty the inbox."""
        return self.command("run", "--once", *arguments)

    def logs(self) -> str:
        """What the daemons have said."""
        return "\n".join(path.read_text() for path in sorted(self.root.glob("daemon-*.log")))

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait until ``condition()`` is truthy, which it returns; fails with the daemons' logs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        pytest.fail(f"not within {seconds:g} s: {what}\n{self.logs()}")

    def loss(self, folder: str) -> dict[str, Any]:
        """loss.json of a finished job."""
        loaded: dict[str, Any] = json.loads((self.outbox / folder / "loss.json").read_text())
        return loaded

    def job(self, folder: str) -> dict[str, Any]:
        """job.json of a finished or failed job."""
        loaded: dict[str, Any] = json.loads((self.outbox / folder / "job.json").read_text())
        return loaded

    def end(self) -> None:
        """End every daemon still at work."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
