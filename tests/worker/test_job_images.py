"""job_images: what the engine is given of images of odd shapes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst_batch import images
from nst_batch.job import JobInput, JobSpec, now_iso
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.worker.job_images import JobImages, KnownInputs, load_job_images

SIZE = (64, 96)  # height, width
MIB = 1 << 20


def loaded(root: Path, start: Image.Image) -> JobImages:
    """What is given for a picture of 96 × 64 pixels that starts from an image."""
    for name, image in (("c.png", Image.new("RGB", SIZE[::-1])), ("s.png", Image.new("RGB", SIZE)), ("i.png", start)):
        image.save(root / name)
    roles = {"content": "c.png", "style": "s.png", "init": "i.png"}
    spec = JobSpec(
        id="1",
        name="picture",
        title="picture",
        output="",
        settings=resolve(Patch(size=96, init="i.png")),
        sidecar={},
        inputs=tuple(JobInput(role=role, name=name, path=name) for role, name in roles.items()),  # type: ignore[arg-type]
        received_at=now_iso(),
    )
    limits = images.ImageLimits(max_file_mb=1)  # room for so much is made to read a file
    return load_job_images(spec, root, limits, KnownInputs(spec), lambda *_: None, lambda: None)


def ramp(height: int, width: int) -> Image.Image:
    """Black at one end of its long side, white at the other."""
    grey = np.linspace(0, 255, max(height, width)).astype(np.uint8)
    rows = grey[:, None] if height >= width else grey[None]
    return Image.fromarray(np.broadcast_to(rows, (height, width)).copy()).convert("RGB")


@pytest.mark.parametrize("shape", [(20_000, 1), (3, 20_000)])
def test_a_start_that_is_all_length_costs_no_more_than_its_middle(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Filling the picture's short side, the whole of it would be a hundred times as large as the picture, or more."""
    start = ramp(*shape)
    tracemalloc.start()
    found = loaded(tmp_path, start).init
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert found.shape == (*SIZE, 3)
    assert found == pytest.approx(0.5, abs=0.01)
    assert most < 20 * MIB


def test_of_a_start_of_another_shape_the_middle_is_seen(tmp_path: Path) -> None:
    """As wide as the picture, and cut above and below."""
    found = loaded(tmp_path, ramp(192, 96)).init
    assert found is not None
    assert found[:, 0, 0] == pytest.approx(np.linspace(0, 1, 192)[64:128], abs=0.01)
