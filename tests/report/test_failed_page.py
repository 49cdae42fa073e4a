"""failed_page: what became of a job that was not done, once the gallery has seen it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nst_batch.report import gallery as module
from nst_batch.report.gallery import Gallery

EVIL = '"><script>alert(1)</script>{{ 7 * 7 }}'


def add(outbox: Path, name: str, **job: Any) -> Path:
    """A failed job as publishing leaves it."""
    path = outbox / "failed" / name
    (path / "input").mkdir(parents=True)
    Image.new("RGB", (12, 8), (200, 100, 50)).save(path / "input/photo.png")
    (path / "input/cut.jpg").write_bytes(b"\xff\xd8\xff")
    (path / "input/dusk.yaml").write_text("content: photo.png\nstyle: cut.jpg\n")
    (path / "error.txt").write_text("image_truncated: ...")
    body = {
        "title": name, "id": "20260301-220000-000000-abcd.0001", "state": "failed", "reason": "image_truncated",
        "message": "cut.jpg ends in the middle", "advice": "copy it again, whole", "settings": {"size": 512},
        "inputs": [{"role": "content", "name": "photo.png"}, {"role": "style", "name": "cut.jpg"}],
        "finished_at": "2026-03-01T22:00:00+00:00", "steps_done": 0,
    }  # fmt: skip
    (path / "job.json").write_text(json.dumps(body | job))
    return path


def test_it_says_why_what_to_do_and_what_it_was_given(tmp_path: Path) -> None:
    """With the command that puts it back, its sidecar line by line, and images as far as they can be shown."""
    path = add(tmp_path, "dusk 1")
    Gallery(tmp_path).update()
    page = (path / "index.html").read_text()
    for said in ("Image truncated", "cut.jpg ends in the middle", "copy it again, whole", "content: photo.png"):
        assert said in page
    assert "nst-batch retry &#39;dusk 1&#39;" in page
    assert 'src="input/photo.png"' in page
    assert 'src="input/cut.jpg"' not in page
    assert 'href="../../index.html"' in page
    assert 'href="./failed/dusk%201/index.html"' in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("styles", [1, 30])
def test_every_image_that_it_was_given_is_shown(tmp_path: Path, styles: int) -> None:
    """The mask that it failed for and what it starts from, as a finished one's page does; beside many styles too."""
    roles = [("content", "photo.png"), *[("style", "cut.jpg")] * styles, ("init", "start.png"), ("mask", "sky.png")]
    inputs = [{"role": role, "name": name} for role, name in roles]
    path = add(tmp_path, "dusk", reason="mask_shape", message="sky.png is square", inputs=inputs)
    for name in ("start.png", "sky.png"):
        Image.new("RGB", (8, 8)).save(path / "input" / name)
    Gallery(tmp_path).update()
    page = (path / "index.html").read_text()
    for role, name in (("content", "photo.png"), ("init", "start.png"), ("mask", "sky.png")):
        assert f'<img src="input/{name}" alt="{role}"' in page
        assert f"<b>{role}</b>" in page


def test_one_that_went_alone_is_corrected_where_it_lies_and_put_back(tmp_path: Path) -> None:
    """A sidecar that was not understood: the page says where it is, and that no image went with it."""
    path = add(tmp_path, "dusk", settings=None, reason="sidecar_invalid")
    Gallery(tmp_path).update()
    page = (path / "index.html").read_text()
    assert "nst-batch retry dusk" in page
    assert "Once the sidecar is corrected, in this job's folder <code>input</code>" in page
    assert "no image was taken with it" in page
    assert "Once its cause is gone" not in page


def test_it_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next update finds all as it was; a page that is there already, of the person or of a run, stays."""
    path = add(tmp_path, "dusk")
    other = add(tmp_path, "other")
    (other / "index.html").write_text("mine")
    Gallery(tmp_path).update()
    monkeypatch.setattr(module, "read", lambda *_: pytest.fail("read again"))
    Gallery(tmp_path).update()
    assert (other / "index.html").read_text() == "mine"
    assert (path / "index.html").exists()


def test_nothing_in_it_can_break_out(tmp_path: Path) -> None:
    """Titles, messages, settings, names and the sidecar are text; a link in its place leads nowhere."""
    inputs = [{"role": EVIL, "name": EVIL}, {"role": "content", "name": EVIL}]
    path = add(tmp_path / "outbox", "x", title=EVIL, message=EVIL, advice=EVIL, settings={EVIL: EVIL}, inputs=inputs)
    (path / "input/dusk.yaml").write_text(EVIL)
    (path / "input/far.yaml").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_text("a secret")
    Gallery(tmp_path / "outbox").update()
    page = (path / "index.html").read_text()
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page
    assert "a secret" not in page
