"""SIGTERM in mid-job with TensorFlow: how long the end takes, and whether the picture is the undisturbed one's."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from kill_house import KillHouse, wait_until
from PIL import Image

JOB = {"epochs": 4, "steps_per_epoch": 15, "size": 64, "seed": 5, "save_epoch": False}


def _pixels(house: KillHouse, title: str) -> bytes:
    with Image.open(house.outbox / title / f"{title}.png") as picture:
        return picture.tobytes()


def _losses(house: KillHouse, title: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in house.loss(title)["log"]]


@dataclass
class Terms:
    """One house in which the same job runs again and again. What it was when left alone is kept in full."""

    house: KillHouse
    daemon: subprocess.Popen[str]
    images: dict[str, bytes]
    pixels: bytes
    losses: list[dict[str, Any]]

    @classmethod
    def begin(cls, house: KillHouse) -> Terms:
        """Run the job undisturbed."""
        title = house.drop(**JOB)
        daemon = house.launch()
        _wait_for_end(house, title)
        images = {name.partition("-")[2]: data for name, data in house.given[title].items() if name.endswith(".png")}
        return cls(house, daemon, images, _pixels(house, title), _losses(house, title))

    def term_in_mid_job(self, luck: random.Random) -> float:
        """Run it again, SIGTERM in the middle, go on with a new daemon; returns the seconds that the end took."""
        house = self.house
        house.dropped += 1
        title = f"term{house.dropped:04d}"
        for rest, data in self.images.items():
            (house.inbox / f"{title}-{rest}").write_bytes(data)
        house.sidecar(title, content=f"{title}-content.png", style=f"{title}-style.png", **JOB)
        running = house.outbox / "running" / title
        assert wait_until((running / "loss.json").exists, 120), house.logs()
        time.sleep(luck.uniform(0.0, 0.2))
        seconds = self.end()
        assert running.is_dir(), "the job was done before the signal came"
        self.daemon = house.launch()
        _wait_for_end(house, title)
        assert _pixels(house, title) == self.pixels
        assert _losses(house, title) == self.losses
        assert house.job(title)["attempts"] == 1
        return seconds

    def end(self) -> float:
        """SIGTERM to the daemon, which must end with 0; the seconds it took."""
        begun = time.monotonic()
        self.daemon.send_signal(signal.SIGTERM)
        assert self.daemon.wait(timeout=60) == 0, self.house.logs()
        return time.monotonic() - begun


def _wait_for_end(house: KillHouse, title: str) -> None:
    assert wait_until((house.outbox / title / "job.json").exists, 120), house.logs()
