"""A machine with a GPU's device file and nothing behind it: real daemon, real worker, in a /dev of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nst_batch.sample import draw_landscape, draw_painting

pytestmark = pytest.mark.system

# Only this process and its children see that /dev.
OWN_DEV = """
set -e
fake=$(mktemp -d)
mount -t tmpfs none "$fake"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom "$fake"
mkdir "$fake/shm"
mount -t tmpfs none "$fake/shm"
ln -s /proc/self/fd "$fake/fd"
touch "$fake/nvidia0"
mount --move "$fake" /dev
exec "$@"
"""


def can_have_a_dev_of_its_own() -> bool:
    command = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(command, check=False, capture_output=True).returncode
    )


@pytest.mark.skipif(not can_have_a_dev_of_its_own(), reason="this user may not mount (root may), or unshare is missing")
@pytest.mark.parametrize(("device", "code"), [("auto", 0), ("gpu", 78)])
def test_auto_paints_on_the_cpu_and_says_why(tmp_path: Path, device: str, code: int) -> None:
    """In the log, in job.json and on the job's page; who demands a GPU gets 78, and the pair stays in the inbox."""
    import cv2

    inbox, config = tmp_path / "inbox", tmp_path / "config.yaml"
    inbox.mkdir()
    cv2.imwrite(str(inbox / "a.png"), draw_landscape(96, 64)[..., ::-1])
    cv2.imwrite(str(inbox / "b.png"), draw_painting(64, 64)[..., ::-1])
    sidecar = {"content": "a.png", "style": "b.png", "title": "dusk", "size": 64, "epochs": 1, "steps_per_epoch": 2}
    (inbox / "dusk.yaml").write_text(yaml.safe_dump(sidecar))
    settings = {"weights": "untrained", "device": device, "watch": {"settle_seconds": 0}, "limits": {"min_free_gb": 0}}
    config.write_text(yaml.safe_dump(settings))
    program = [sys.executable, "-m", "nst_batch", "run", "--once", "--config", str(config)]
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", OWN_DEV, "sh", *program]
    environ = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=environ)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "TensorFlow sees no GPU" in said
    if device == "auto":
        job = json.loads((tmp_path / "outbox/dusk/job.json").read_bytes())
        assert job["device"] == "CPU"
        assert any(
            note.startswith("painted on the CPU: gpu:0 is left out: TensorFlow sees no GPU") for note in job["notes"]
        )
        assert "painted on the CPU: gpu:0 is left out" in (tmp_path / "outbox/dusk/index.html").read_text()
    else:
        assert not (tmp_path / "outbox/dusk").exists()
