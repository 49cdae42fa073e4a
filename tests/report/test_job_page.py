"""job_page: a job's own page says what job.json and loss.json say, and nothing in it can break out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from nst_batch.job import JobInput, JobSpec, Outcome, now_iso
from nst_batch.report.again import sidecar_again
from nst_batch.sidecar.expand import parse_sidecar
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker.shown import show

NOTE = "painted on the CPU: gpu:0 is left out: it is taken"
EVIL = "\"><script>alert(1)</script>'</style>{{ 7 * 7 }}"


def spec(inputs: dict[str, str] | None = None, title: str = "dusk", **keys: Any) -> JobSpec:
    given = inputs or {"content": "c.png", "style": "s.png"}
    return JobSpec(
        id="20260101-000000-000000-0000.0001",
        name=title,
        title=title,
        output="series/one",
        settings=resolve(Patch(**keys)),
        sidecar={},
        inputs=tuple(JobInput(role=role, name=name, path=name) for role, name in given.items()),  # type: ignore[arg-type]
        received_at=now_iso(),
    )


def log(steps: int) -> list[dict[str, Any]]:
    weights = {"content": 2.0, "style": 10.0, "tv": 0.5}
    return [
        {
            "step": step, "epoch": (step - 1) // 5 + 1, "scale": 1 + (step > steps // 2), "height": 48, "width": 64,
            "total": 3.123456789 / step, "content": 1.0 / step, "style": 0.1 / step, "tv": 0.0, "weights": weights,
            "content_layers": {"block5_conv2": 1.0 / step}, "style_layers": {"block1_conv1": 0.123456789 / step},
            "seconds": step / 4,
        }
        for step in range(1, steps + 1)
    ]  # fmt: skip


class Parsed(HTMLParser):
    """Elements, and the text within scripts, styles and all else."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self._at: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._at.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._at and self._at.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.inside.setdefault(self._at[-1] if self._at else "", []).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(each) for tag, each in self.inside.items() if tag not in ("script", "style"))


def made(tmp_path: Path, job: JobSpec, steps: int = 20, outputs: tuple[str, ...] = ()) -> tuple[Outcome, Parsed, str]:
    """The page as a finished run leaves it."""
    (tmp_path / "input").mkdir()
    for item in job.inputs:
        (tmp_path / "input" / item.name).write_bytes(b"")
    loss = {"title": job.title, "epochs": 4, "steps_per_epoch": 5, "statistic": "gram", "log": log(steps)}
    (tmp_path / "loss.json").write_text(json.dumps(loss))
    outcome = Outcome(
        state="done", final=f"{job.title}.png", outputs=(f"{job.title}.png", "loss.json", *outputs), seconds=12.375,
        steps_done=steps, device="cpu", precision="float32", weights={"source": "untrained", "sha256": "ab" * 32},
        versions={"tensorflow": "2.0.1"}, started_at=now_iso(), finished_at=now_iso(), notes=(NOTE,),
    )  # fmt: skip
    outcome = show(FileSystem(), tmp_path, job, outcome)
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    return outcome, Parsed(html), html


def test_its_figures_are_those_of_the_files(tmp_path: Path) -> None:
    """Settings, steps, seconds, device, versions and notes of job.json; the values of each step of loss.json."""
    job = spec(size=64, style_weight=3.0, preset="classic")
    outcome, page, _ = made(tmp_path, job)
    assert outcome.outputs == ("dusk.png", "index.html", "loss.json")
    text = " ".join(page.text.split())
    for key, value in job.settings.model_dump(mode="json").items():
        assert key in text
        assert isinstance(value, dict) or str(value).removesuffix(".0").lower() in text.lower(), key
    for fact in (NOTE, "12.375", "20", "cpu", "float32", "untrained", "ab" * 32, "2.0.1", job.id, outcome.finished_at):
        assert str(fact) in text
    data = json.loads(next(each for each in page.inside["script"] if each.startswith("{")))["losses"]
    for index, entry in enumerate(log(20)):
        assert data["step"][index] == entry["step"]
        assert data["parts"]["total"][index] == pytest.approx(entry["total"], rel=1e-5)
        assert data["parts"]["style"][index] == pytest.approx(10 * entry["style"], rel=1e-5)
        assert data["style"]["block1_conv1"][index] == pytest.approx(entry["style_layers"]["block1_conv1"], rel=1e-5)


def test_settings_that_differ_from_the_preset_are_marked(tmp_path: Path) -> None:
    """Those and no others, each with what the preset has."""
    _, _, html = made(tmp_path, spec(preset="classic", size=64, style_weight=3.0, style_layers=["block2_conv1"]))
    rows = re.findall(r'<tr class="other"><th scope="row">(\w+)</th><td>(.*?)</td><td>(.*?)</td>', html)
    assert [row[0] for row in rows] == ["size", "style_weight", "style_layers"]
    assert rows[1] == ("style_weight", "3", "1")


@pytest.mark.parametrize(
    ("keys", "other"), [({}, []), ({"scales": 2}, ["scales"]), ({"epochs": [1, 1, 1, 1]}, ["epochs"])]
)
def test_epochs_that_follow_from_the_scales_are_the_presets(
    tmp_path: Path, keys: dict[str, Any], other: list[str]
) -> None:
    """A preset may have a number for each scale."""
    _, _, html = made(tmp_path, spec(preset="draft", **keys))
    assert re.findall(r'<tr class="other"><th scope="row">(\w+)</th>', html) == other


def test_the_policy_lets_in_its_own_style_and_script_alone(tmp_path: Path) -> None:
    """By their hashes; a hostile title, layer or file name is only text."""
    _, page, html = made(tmp_path, spec({"content": "a&b' %20.png", "style": "<img src=x>.png"}, title=EVIL))
    policy = next(str(attrs["content"]) for tag, attrs in page.tags if tag == "meta" and "http-equiv" in attrs)
    allowed = set(re.findall("'sha256-(.*?)'", policy))
    assert "unsafe" not in policy
    inline = [*page.inside["style"], *(each for each in page.inside["script"] if not each.startswith("{"))]
    assert {base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inline} == allowed
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 2
    assert EVIL in page.text
    assert 'src="input/a%26b%27%20%2520.png"' in html
    assert not [attrs for _, attrs in page.tags if "style" in attrs or "onclick" in attrs]


def test_a_long_log_makes_a_page_of_a_bounded_size(tmp_path: Path) -> None:
    """50,000 steps are thinned; the first and the last stay."""
    _, page, html = made(tmp_path, spec(), steps=50_000)
    data = json.loads(next(each for each in page.inside["script"] if each.startswith("{")))["losses"]
    assert (data["step"][0], data["step"][-1]) == (1, 50_000)
    assert len(html) < 500_000


def test_the_way_to_the_gallery_is_relative(tmp_path: Path) -> None:
    """From TITLE within two folders of output, the gallery is three up."""
    _, page, _ = made(tmp_path, spec())
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links[0] == "../../../index.html"


@pytest.mark.parametrize(
    ("inputs", "keys"),
    [
        ({"content": "c.png", "style": "s.png"}, {"style_weight": 1e-5, "color": "match", "seed": 7, "format": "jpg"}),
        ({"content": "yes", "style": "1:30.png"}, {"size": "full", "style_layers": {"block1_conv1": 2}}),
        ({"content": "c.png", "style": "s.png", "mask": "m #1.png"}, {"mask": "m #1.png", "init": "noise"}),
        ({"content": "a[1].png", "style": "s.png", "init": "ü: start.png"}, {"init": "ü: start.png"}),
    ],
)  # fmt: skip
def test_the_sidecar_leaves_nothing_open(inputs: dict[str, str], keys: dict[str, Any]) -> None:
    """Read as any sidecar it gives the same settings, images and title, whatever the defaults."""
    job = spec(inputs, title="50% {dusk}", **keys)
    text = sidecar_again(job, "float32")
    assert text is not None
    request = parse_sidecar(text, "again.yaml")
    assert request.settings == job.settings.model_copy(update={"precision": "float32"})
    assert (request.content, request.style) == ((inputs["content"],), (inputs["style"],))
    assert (request.title, request.output) == ("50% {{dusk}}", "series/one")
    assert dict(request.more) == {role: name for role, name in inputs.items() if role in ("mask", "init")}


@pytest.mark.parametrize("title", ["1e5", "7E12", "“dusk”", "\u00a0dusk", "0x1F", "yes", "null", "-", "# 1"])
def test_a_title_that_looks_like_something_else_stays_a_title(title: str) -> None:
    """A number to our reader alone, quotes that are letters, spaces that nobody sees: all in quotes."""
    text = sidecar_again(spec(title=title), None)
    assert text is not None
    assert parse_sidecar(text, "again.yaml").title == title


def test_a_blend_keeps_its_weights() -> None:
    """Each style with its own."""
    job = spec()
    more = (JobInput(role="style", name="t.png", path="t", weight=0.25),)
    job = job.model_copy(update={"inputs": (*job.inputs, *more)})
    request = parse_sidecar(sidecar_again(job, None) or "", "again.yaml")
    assert dict(zip(request.style, request.blend or (), strict=True)) == {"s.png": 1.0, "t.png": 0.25}


def test_a_name_that_no_sidecar_may_give_has_none() -> None:
    """A glob may have found it all the same."""
    assert sidecar_again(spec({"content": "a\\b.png", "style": "s.png"}), None) is None


def test_a_sidecar_of_the_person_stays(tmp_path: Path) -> None:
    """One that is called again.yaml already is not overwritten; an earlier run's is."""
    (tmp_path / "input").mkdir()
    (tmp_path / "input/again.yaml").write_text("content: c.png\n")
    (tmp_path / "input").rename(tmp_path / "kept")
    made(tmp_path, spec())
    (tmp_path / "input/again.yaml").write_text((tmp_path / "kept/again.yaml").read_text())
    outcome = Outcome(state="done", final="dusk.png", versions={"a": "1"})
    for _ in range(2):
        show(FileSystem(), tmp_path, spec(), outcome)
    names = {path.name for path in (tmp_path / "input").iterdir()}
    assert names == {"again.yaml", "again-2.yaml", "c.png", "s.png"}
    assert (tmp_path / "input/again.yaml").read_text() == "content: c.png\n"


def test_a_folder_without_inputs_has_a_page_without_a_sidecar(tmp_path: Path) -> None:
    """As ``stylize`` leaves it: no way to a gallery, no images, and it says so."""
    made(tmp_path, spec())
    for path in (tmp_path / "input").iterdir():
        path.unlink()
    (tmp_path / "input").rmdir()
    show(FileSystem(), tmp_path, spec(), Outcome(state="stopped", final="dusk.tiff", versions={}))
    html = (tmp_path / "index.html").read_text()
    assert "not kept" in html
    assert "Gallery" not in html
    assert "opens in an image viewer" in html
    assert not (tmp_path / "input").exists()


@pytest.mark.parametrize("kinds", [("webp",), ("webp", "mp4")])
def test_a_film_is_shown_with_and_without_its_mp4(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    """An MP4 is there only where an encoder is installed."""
    films = tuple(f"dusk_timelapse.{kind}" for kind in kinds)
    _, page, html = made(tmp_path, spec(), outputs=films)
    assert all(name in html for name in films)
    assert bool([tag for tag, _ in page.tags if tag == "video"]) == ("mp4" in kinds)
