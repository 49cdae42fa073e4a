"""gallery: the outbox as one page, read cheaply, with links that lead to the files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from nst_batch.report import entries
from nst_batch.report.gallery import Cache, Collection, collect, gallery_html, settings_summary

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
SETTINGS = {"preset": "classic", "size": 512, "epochs": 10, "steps_per_epoch": 100, "optimizer": "adam"}


def add(outbox: Path, folder: str, *, minute: int = 0, **job: Any) -> Path:
    """A job's folder as publishing leaves it; ``job`` overrides parts of its job.json."""
    path = outbox / folder
    (path / "input").mkdir(parents=True)
    title = job.setdefault("title", path.name)
    for name in (f"{title}.png", "loss.svg", "loss.json", "input/my photo.jpg", "input/waves.png"):
        (path / name).write_bytes(b"")
    text: dict[str, Any] = {
        "id": f"20260301-22{minute:02d}00-000000-abcd.0001",
        "state": "done",
        "settings": SETTINGS,
        "inputs": [{"role": "content", "name": "my photo.jpg"}, {"role": "style", "name": "waves.png"}],
        "outputs": [f"{title}.png"],
        "weights": {"source": "keras"},
        "finished_at": (START + timedelta(minutes=minute)).isoformat(),
        "seconds": 200.0,
        "steps_done": 1000,
    }
    (path / "job.json").write_text(json.dumps(text | job), encoding="utf-8")
    return path


class Page(HTMLParser):
    """The page's links, pictures and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(outbox: Path) -> Page:
    return Page(gallery_html(collect(outbox)))


@pytest.mark.parametrize(
    "title",
    ["plain", "50% #1", "grün & blau", "a 'quoted' title", "名前", "&amp;", "a..b", "a;b=c"],
)
def test_every_link_leads_to_its_file(tmp_path: Path, title: str) -> None:
    """Decoded as a browser does, each relative link names something in the outbox, whatever the title."""
    add(tmp_path, f"Näh & Fern 100%/{title}")
    found = page(tmp_path)
    assert len(found.links) > 6
    for link in found.links:
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
        assert (tmp_path / unquote(parts.path)).exists(), link


def test_names_that_are_not_utf8_are_linked_too(tmp_path: Path) -> None:
    """A folder named in another encoding is shown and linked by its bytes."""
    path = add(tmp_path, "x", title="t")
    path.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    html = gallery_html(collect(tmp_path))
    assert 'href="./caf%E9/t.png"' in html
    html.encode("utf-8")


def test_newest_first_at_any_depth(tmp_path: Path) -> None:
    """Jobs of all folders stand in the order of their end, failed ones among them."""
    add(tmp_path, "first", minute=1)
    add(tmp_path, "a/b/c/third", minute=3)
    add(tmp_path, "failed/second", minute=2, state="failed", reason="image_truncated")
    assert [entry.title for entry in collect(tmp_path).entries] == ["third", "second", "first"]


def test_times_in_different_zones_are_compared(tmp_path: Path) -> None:
    """The order is that of the moments, not of their text."""
    add(tmp_path, "later", finished_at="2026-03-01T10:00:00+00:00")
    add(tmp_path, "earlier", finished_at="2026-03-01T10:30:00+01:00")
    assert [entry.title for entry in collect(tmp_path).entries] == ["later", "earlier"]


def test_what_is_not_a_finished_job_is_passed_over(tmp_path: Path) -> None:
    """Running jobs, hidden folders, links, and folders inside a job's folder are not entries."""
    add(tmp_path, "running/busy")
    add(tmp_path, ".hidden/job")
    inner = add(tmp_path, "real")
    add(inner, "epochs/odd")
    (tmp_path / "linked").symlink_to(inner, target_is_directory=True)
    assert [entry.folder for entry in collect(tmp_path).entries] == ["real"]


def broken_manifests() -> Iterator[str]:
    yield ""
    yield "{"
    yield "[" * 100_000
    yield "[]"
    yield json.dumps({"title": "no state"})
    yield json.dumps({"state": "running"})
    yield json.dumps({"state": "done", "padding": "x" * (1 << 20)})


def test_broken_manifests_are_skipped(tmp_path: Path) -> None:
    """A job.json that is empty, cut, nested without end, huge or no job's leaves the others on the page."""
    add(tmp_path, "good")
    for index, text in enumerate(broken_manifests()):
        path = tmp_path / f"bad-{index}"
        path.mkdir()
        (path / "job.json").write_text(text)
    (tmp_path / "a pipe").mkdir()
    os.mkfifo(tmp_path / "a pipe" / "job.json")
    (tmp_path / "a link").mkdir()
    (tmp_path / "a link" / "job.json").symlink_to(tmp_path / "good" / "job.json")
    assert [entry.title for entry in collect(tmp_path).entries] == ["good"]


@pytest.mark.parametrize(
    "job",
    [
        {"settings": None, "inputs": None, "weights": None, "finished_at": None, "seconds": None},
        {"settings": [], "inputs": {}, "weights": "x", "finished_at": 5, "seconds": "x", "steps_done": -1},
        {
            "inputs": [None, 3, {}, {"role": "content"}, {"role": "elsewhere", "name": "x"}],
            "outputs": [{}, None],
        },
        {"seconds": 1e400, "steps_done": 1e30, "finished_at": "9999-99-99", "title": None, "id": {}},
        {
            "settings": {"size": "full", "style_layers": {"a": [1, None]}, "x": 1e400},
            "finished_at": "2026-03-01",
        },
    ],
)
def test_odd_values_do_not_stop_the_page(tmp_path: Path, job: dict[str, Any]) -> None:
    """Values of the wrong type are left out; the job is still there."""
    add(tmp_path, "odd", **({"title": "odd"} | job))
    found = collect(tmp_path)
    assert [entry.folder for entry in found.entries] == ["odd"]
    assert "odd" in Page(gallery_html(found)).text


def test_a_missing_outbox_is_an_empty_gallery(tmp_path: Path) -> None:
    """Before the first result the page says so."""
    assert collect(tmp_path / "nowhere") == Collection(())
    assert "No pictures yet" in page(tmp_path / "nowhere").text


def test_failed_jobs_say_why_and_what_to_do(tmp_path: Path) -> None:
    """Reason and advice are readable on the card, without a picture that does not exist."""
    said = "x.jpg: the picture is cut off"
    path = add(tmp_path, "failed/x", state="failed", reason="image_truncated", message=said, advice="Copy it <again>.")
    (path / "x.png").unlink()
    (path / "error.txt").write_text("…")
    found = page(tmp_path)
    assert "image truncated" in found.text
    assert said in found.text
    assert "Copy it <again>." in found.text
    assert "./failed/x/error.txt" in found.links
    assert not any(link.endswith("x.png") for link in found.links)


@pytest.mark.parametrize(
    ("folder", "said"),
    [("dusk", ""), ("dusk-2", "in dusk-2"), ("a/b/dusk", "in a/b"), ("a/dusk-2", "in a/dusk-2"), ("failed/dusk", "")],
)
def test_a_card_says_where_its_job_lies(tmp_path: Path, folder: str, said: str) -> None:
    """The folder is named where the title does not tell it."""
    add(tmp_path, folder, title="dusk")
    meta = re.findall(r'<p class="meta">(.*?)</p>', gallery_html(collect(tmp_path)))[0]
    assert [part for part in meta.split(" · ") if part.startswith("in ")] == ([said] if said else [])


def test_text_from_outside_cannot_break_out(tmp_path: Path) -> None:
    """Markup in titles, advice, settings and names stays text, and the page has no script at all."""
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'"
    path = tmp_path / "failed" / "x"
    path.mkdir(parents=True)
    job = {
        "state": "failed", "title": evil, "reason": evil, "message": evil, "advice": evil, "id": evil, "device": evil,
        "settings": {"preset": evil, evil: evil}, "inputs": [{"role": "content", "name": evil}],
    }  # fmt: skip
    (path / "job.json").write_text(json.dumps(job))
    found = page(tmp_path)
    assert not [tag for tag, attrs in found.tags if tag == "script" or "onerror" in attrs]
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert evil in found.text


def test_pictures_load_lazily_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    """Every picture waits until it is near; no address outside the folder stands in the page."""
    add(tmp_path, "one")
    html = gallery_html(collect(tmp_path))
    images = [attrs for tag, attrs in Page(html).tags if tag == "img"]
    assert len(images) == 6  # the result, two to compare it with, two thumbnails, the loss plot
    assert all(attrs["loading"] == "lazy" for attrs in images)
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert "url(" not in html


def test_what_browsers_cannot_show_is_a_link(tmp_path: Path) -> None:
    """A TIFF result is offered for opening, not as a broken picture."""
    path = add(tmp_path, "print")
    (path / "print.png").rename(path / "print.tiff")
    found = page(tmp_path)
    sources = [str(attrs["src"]) for tag, attrs in found.tags if tag == "img"]
    assert "./print/print.tiff" in found.links
    assert not any(source.endswith(".tiff") for source in sources)


def test_the_result_is_found_by_title_or_by_what_the_job_lists(tmp_path: Path) -> None:
    """TITLE.EXT goes first, with dots in the title; else the first listed output that is there."""
    add(tmp_path, "v1.2")
    renamed = add(tmp_path, "other", title="x", outputs=["gone.png", "other.png"])
    (renamed / "x.png").rename(renamed / "other.png")
    pictures = {entry.folder: entry.picture for entry in collect(tmp_path).entries}
    assert pictures == {"v1.2": "v1.2.png", "other": "other.png"}


def test_states_can_be_told_apart_and_filtered(tmp_path: Path) -> None:
    """With more than one state there is a choice for each with its count; untrained weights are named."""
    add(tmp_path, "a", weights={"source": "untrained"})
    assert "untrained weights" in page(tmp_path).text
    assert not [attrs for tag, attrs in page(tmp_path).tags if tag == "input"]
    add(tmp_path, "b", state="stopped")
    add(tmp_path, "failed/c", state="failed")
    choices = [attrs["id"] for tag, attrs in page(tmp_path).tags if tag == "input"]
    assert choices == ["show-all", "show-done", "show-stopped", "show-failed"]
    assert "failed 1" in page(tmp_path).text


def test_the_page_is_bounded(tmp_path: Path) -> None:
    """Only the newest are shown; the others are counted."""
    for index in range(7):
        stamp = 1_700_000_000 + index
        os.utime(add(tmp_path, f"j{index}", minute=index) / "job.json", (stamp, stamp))
    found = collect(tmp_path, newest=3)
    assert [entry.title for entry in found.entries] == ["j6", "j5", "j4"]
    assert found.omitted == 4
    assert "4 older jobs" in gallery_html(found)


def test_unchanged_jobs_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look reads only what is new or has changed, and forgets what is gone."""
    read: list[str] = []
    original = entries._read

    def spy(outbox: str, folder: str, written: int) -> entries.Entry | None:
        read.append(folder)
        return original(outbox, folder, written)

    monkeypatch.setattr(entries, "_read", spy)
    cache = Cache()
    old = add(tmp_path, "old", minute=1)
    add(tmp_path, "gone", minute=2)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "job.json").write_text("{")
    first = collect(tmp_path, cache)
    assert sorted(read) == ["bad", "gone", "old"]
    read.clear()
    assert collect(tmp_path, cache) == first
    assert read == []
    add(tmp_path, "new", minute=3)
    (tmp_path / "gone").rename(tmp_path.parent / "elsewhere")
    os.utime(old, (1, 1))
    assert [entry.title for entry in collect(tmp_path, cache).entries] == ["new", "old"]
    assert sorted(read) == ["new", "old"]
    assert set(cache.entries) == {"bad", "new", "old"}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (SETTINGS, "classic · 512 px · 10 × 100 steps · adam"),
        ({"preset": "fine", "size": "full", "scales": 4}, "fine · full size · 4 scales"),
        ({"size": 256, "scales": 1, "color": "match"}, "256 px · colours: match"),
        ({}, ""),
    ],
)  # fmt: skip
def test_settings_summary(settings: dict[str, Any], text: str) -> None:
    """What tells jobs apart, and nothing that is as always."""
    assert settings_summary(settings) == text
