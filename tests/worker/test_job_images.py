"""job_images: what the engine is given of images of odd shapes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nst_batch import images
from nst_batch.errors import JobError
from nst_batch.job import JobInput, JobSpec, now_iso
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.worker.job_images import JobImages, KnownInputs, load_job_images

SIZE = (64, 96)  # height, width
MIB = 1 << 20


def loaded(root: Path, start: Image.Image) -> JobImages:
    """What is given for a picture of 96 × 64 pixels that starts from an image."""
    return job_images(root, {"content": Image.new("RGB", SIZE[::-1]), "style": Image.new("RGB", SIZE), "init": start})


def job_images(root: Path, given: dict[str, Image.Image], **keys: Any) -> JobImages:
    """What is given for images by their roles."""
    names = {role: f"{role}.png" for role in given}
    for role, name in names.items():
        given[role].save(root / name)
    keys |= {role: name for role, name in names.items() if role in ("init", "mask")}
    spec = JobSpec(
        id="1",
        name="picture",
        title="picture",
        output="",
        settings=resolve(Patch(size=96, **keys)),
        sidecar={},
        inputs=tuple(JobInput(role=role, name=name, path=name) for role, name in names.items()),  # type: ignore[arg-type]
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


HALF, CLEAR = Image.new("RGBA", SIZE[::-1], "red"), Image.new("RGBA", SIZE[::-1], (200, 100, 50, 0))
ALL_WHITE = "it is transparent everywhere, and jpg has no transparency: its result will be white"
HALF.paste((0, 0, 0, 0), (0, 0, 48, 64))


@pytest.mark.parametrize(
    ("role", "picture", "file_format", "told"),
    [
        ("content", HALF, "png", ""),
        ("content", HALF, "webp", ""),
        ("content", HALF, "tiff", ""),
        ("content", HALF, "jpg", "jpg has no transparency, so the picture is put on white"),
        ("content", CLEAR, "png", "it is transparent everywhere, as its result will be"),
        (
            "content",
            CLEAR,
            "jpg",
            ALL_WHITE,
        ),
        ("style", HALF, "jpg", ""),
        ("style", CLEAR, "png", "it is transparent everywhere: its style is taken from the colours under that"),
        ("style", CLEAR, "jpg", "it is transparent everywhere: its style is taken from the colours under that"),
        ("init", HALF, "jpg", ""),
        ("init", CLEAR, "png", "it is transparent everywhere: the picture starts from the colours under that"),
        ("mask", HALF, "jpg", ""),
    ],
)
def test_what_becomes_of_transparency_is_noted(
    tmp_path: Path, role: str, picture: Image.Image, file_format: str, told: str
) -> None:
    """By what the image is to the job: only a content's alpha comes back, and none in a jpg."""
    given = {"content": Image.new("RGB", SIZE[::-1]), "style": Image.new("RGB", SIZE), role: picture}
    assert job_images(tmp_path, given, format=file_format).notes == ((f"{role}.png: {told}",) if told else ())


def test_a_mask_that_is_transparent_everywhere_is_not_called_black(tmp_path: Path) -> None:
    """It may be as white as it was meant to be: what is transparent counts as black."""
    given = {"content": Image.new("RGB", SIZE[::-1]), "style": Image.new("RGB", SIZE), "mask": CLEAR}
    with pytest.raises(JobError, match="the mask is transparent everywhere, which counts as black") as found:
        job_images(tmp_path, given)
    assert found.value.code == "mask_empty"
