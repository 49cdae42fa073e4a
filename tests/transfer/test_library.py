"""The use as a library: the example in the documentation is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from house import draw

from nst_batch import images

DOCUMENT = Path(__file__).parents[2] / "docs/engine.md"


def test_the_example_runs(tmp_path: Path, weights_file: Path) -> None:
    """It tells every step, keeps every epoch, and leaves a picture of the size it asks for."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    draw(tmp_path / "content.png", size=(96, 72))
    draw(tmp_path / "style.png", hue=90)
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "NST_BATCH_WEIGHTS": str(weights_file), "PYTHONPATH": str(DOCUMENT.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if " loss " in line]
    assert [line.split()[0] for line in told] == [f"{step}/10" for step in range(1, 11)]
    assert sorted(path.name for path in tmp_path.glob("epoch_*.png")) == ["epoch_0001.png", "epoch_0002.png"]
    result = images.decode(tmp_path / "result.png")
    assert (result.width, result.height) == (128, 96)
