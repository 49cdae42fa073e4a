"""The gallery with thousands of results: what an update costs, and what a browser makes of the page.

    python -m benchmarks.gallery [--results 2000] [--keep FOLDER] [--busy 4]

The results are drawn here: pictures of 768 pixels, with the grain of paintings, from contents of 12 megapixels; one in
twenty is a failure. With ``--busy`` so many other processes want the processor while the browser is at it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import chromium

SHAPES = ((768, 576), (576, 768), (768, 512), (768, 768), (768, 432), (512, 768))
STYLES = ("swirls", "waves", "mosaic", "ink", "reeds")
CONTENTS = ("valley", "harbour", "church", "meadow", "lake", "street", "garden", "ridge")


def paint(path: Path, width: int, height: int, seed: int) -> Path:
    """Coloured waves, of any size, in a moment."""
    rng = np.random.default_rng(seed)
    small = (height * 768 // max(width, height), width * 768 // max(width, height))
    y, x = np.mgrid[0 : small[0], 0 : small[1]].astype(np.float32) / 768
    field = sum(np.sin(rng.uniform(6, 40) * (x * np.cos(a) + y * np.sin(a)) + 3 * y) for a in rng.uniform(0, 3, 4))
    colors = rng.uniform(0.15, 0.95, (3, 3))
    t = (np.asarray(field) / 8 + 0.5).clip(0, 1)[..., None]
    picture = np.where(
        t < 0.5, colors[0] + (colors[1] - colors[0]) * 2 * t, colors[1] + (colors[2] - colors[1]) * (2 * t - 1)
    )
    picture = picture + rng.normal(0, 0.06, (*small, 1))
    drawn = Image.fromarray((255 * picture.clip(0, 1)).astype(np.uint8))
    drawn.resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
    return path


class Drawer:
    """Makes results of a few drawn files, which they share by hard links."""

    def __init__(self, root: Path) -> None:
        store = root / "drawn"
        store.mkdir(parents=True)
        self.outbox = root / "outbox"
        self.pictures = [paint(store / f"r{n}.png", *SHAPES[n % len(SHAPES)], n) for n in range(24)]
        self.contents = [
            paint(store / f"c{n}.jpg", *((4000, 3000) if shape[0] >= shape[1] else (3000, 4000)), n)
            for n, shape in enumerate(SHAPES)
        ]
        self.styles = [paint(store / f"s{n}.jpg", 1600, 1200, 50 + n) for n in range(len(STYLES))]
        self._rng = random.Random(0)

    def add(self, number: int) -> Path:
        """One more result."""
        failed = number % 20 == 7
        content, style = CONTENTS[number % len(CONTENTS)], STYLES[number // 3 % len(STYLES)]
        title = f"{content}-{style}-{number:05d}"
        where = self.outbox / ("failed" if failed else ("", "series", "holiday/june")[number % 3]) / title
        (where / "input").mkdir(parents=True)
        os.link(self.contents[number % len(SHAPES)], where / f"input/{content}.jpg")
        os.link(self.styles[STYLES.index(style)], where / f"input/{style}.jpg")
        if not failed:
            os.link(self.pictures[number % len(self.pictures)], where / f"{title}.png")
        total = 1e6 * self._rng.uniform(0.5, 2)
        lines = [f'{{"step": {step}, "total": {total * (1 + 40 / step)}}}' for step in range(1, 301)]
        (where / "loss.json").write_text('{"title": "", "log": [\n' + ",\n".join(lines) + "\n]}\n")
        at = datetime(2026, 3, 1, 20, tzinfo=UTC) + timedelta(minutes=4 * number)
        job: dict[str, Any] = {
            "title": title,
            "id": f"{at:%Y%m%d-%H%M%S}-000000-abcd.0001",
            "state": "failed" if failed else "done",
            "settings": {"preset": "fine", "size": 768, "epochs": 6, "steps_per_epoch": 50, "optimizer": "adam"},
            # As if every content were another one: each costs its own small picture.
            "inputs": [
                {"role": "content", "name": f"{content}.jpg", "sha256": hashlib.sha256(title.encode()).hexdigest()},
                {"role": "style", "name": f"{style}.jpg", "sha256": hashlib.sha256(style.encode()).hexdigest()},
            ],
            "outputs": [f"{title}.png"],
            "finished_at": at.isoformat(),
            "seconds": self._rng.uniform(60, 400),
            "steps_done": 300,
        }
        if failed:
            job |= {
                "reason": "image_truncated",
                "message": f"{content}.jpg: the picture is cut off",
                "advice": "copy it again, whole",
            }
        (where / "job.json").write_text(json.dumps(job))
        return where


def update(outbox: Path) -> float:
    """Seconds of wall time that one update takes, the start of its process included."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "nst_batch.report.gallery", str(outbox)], check=True)
    return time.perf_counter() - began


def tab_mb(driver: Any) -> float:
    """The memory of the page's process, in MB: its own, and its share of what it has in common with others."""
    parents, held = {}, 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    for pid in parents:
        above = pid
        while above in parents and above != driver.service.process.pid:
            above = parents[above]
        with contextlib.suppress(OSError, IndexError):
            if above in parents and b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                held = max(held, int(rollup.split("Pss:")[1].split()[0]) / 1024)
    return held


LOOKS = """
const [pause, share, done] = arguments, began = performance.now(), step = innerHeight * share;
scrollTo(0, 0);
let blank = 0, blurred = 0, looks = 0;
const go = () => {
  const tiles = [...document.querySelectorAll('.laid .tile canvas')].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  looks += 1;
  if (!tiles.length || tiles.some((each) => !('drawn' in each.dataset || 'blurred' in each.dataset))) blank += 1;
  else if (tiles.some((each) => !('drawn' in each.dataset))) blurred += 1;
  if (scrollY + innerHeight >= document.documentElement.scrollHeight - 2) {
    done([looks, blank, blurred, performance.now() - began]);
    return;
  }
  scrollBy(0, step);
  setTimeout(go, pause);
};
setTimeout(go, 500);
"""


class Watch:
    """The most memory that the page's process has held since it was begun."""

    def __init__(self, driver: Any) -> None:
        self.most_mb = 0.0
        self._driver = driver
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.3):
            self.most_mb = max(self.most_mb, tab_mb(self._driver))

    def end(self) -> float:
        """The most, in MB."""
        self._ended.set()
        self._thread.join()
        return self.most_mb


@contextlib.contextmanager
def others(count: int) -> Iterator[None]:
    """So many processes that are never idle."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def browse(outbox: Path, results: int, busy: int) -> None:
    """Open the page, scroll through all of it, and say what it took."""
    with tempfile.TemporaryDirectory() as profile, others(busy):
        driver = chromium.start(Path(profile), width=1440, height=900)
        try:
            began = time.perf_counter()
            driver.get((outbox / "index.html").resolve().as_uri())
            ready = "return document.querySelectorAll('.laid .tile canvas').length"
            while not driver.execute_script(ready) and time.perf_counter() - began < 60:
                time.sleep(0.01)
            print(f"usable after {time.perf_counter() - began:.2f} s")
            driver.set_script_timeout(300)
            watch = Watch(driver)
            for pause, share in ((50, 0.9), (150, 0.4)):  # flung; as fast as one can follow
                looks, blank, blurred, milliseconds = driver.execute_async_script(LOOKS, pause, share)
                print(
                    f"scrolled through {results} results in {milliseconds / 1000:.1f} s; of {looks} looks "
                    f"{blank} had a blank, {blurred} a picture that was still a blur"
                )
            print(f"the tab's process held {watch.end():.0f} MB at most, and holds {tab_mb(driver):.0f} MB")
        finally:
            driver.quit()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=2000)
    parser.add_argument("--busy", type=int, default=0, help="so many other processes while the browser is at it")
    parser.add_argument("--keep", type=Path, help="make them here and leave them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        drawer = Drawer(options.keep or Path(temporary))
        for number in range(options.results):
            drawer.add(number)
        print(f"first update, all {options.results} small pictures: {update(drawer.outbox):.1f} s")
        print(f"update with nothing new: {update(drawer.outbox):.2f} s")
        for more in range(3):
            drawer.add(options.results + more)
            print(f"update with one new result: {update(drawer.outbox):.2f} s")
        if chromium.CHROMIUM and chromium.DRIVER:
            browse(drawer.outbox, options.results, options.busy)


if __name__ == "__main__":
    main()
