"""sheets: the jobs of one sidecar side by side, with what tells them apart along the edges."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nst_batch.report.gallery import Gallery
from nst_batch.report.markup import parts_of
from nst_batch.report.sheet import Sheet, sheet_of
from nst_batch.report.sheet_notes import left_alone
from nst_batch.report.sheet_picture import sheet_jpeg
from nst_batch.report.tiles import Tile
from nst_batch.spool.disk.fs import FileSystem

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
CLAIM = "20260301-220000-000000-abcd"


def png(color: tuple[int, int, int], size: tuple[int, int] = (48, 32)) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, color).save(held, "PNG")
    return held.getvalue()


def add(
    outbox: Path, index: int, content: str, style: str, *, jobs: int = 4, claim: str = CLAIM, state: str = "done",
    minute: int | None = None, folder: str = "series", color: tuple[int, int, int] = (200, 60, 20), **more: Any,
) -> Path:  # fmt: skip
    """One job as publishing leaves it."""
    title = more.pop("title", f"{content}-{style}")
    path = outbox / ("failed" if state == "failed" else folder) / more.pop("name", title)
    (path / "input").mkdir(parents=True)
    (path / f"input/{content}.png").write_bytes(png((30, 30, 200)))
    (path / f"input/{style}.png").write_bytes(png((30, 200, 30), (32, 32)))
    if state == "done":
        (path / f"{title}.png").write_bytes(png(color))
        (path / "index.html").write_bytes(b"")
    job = {
        "title": title,
        "id": f"{claim}.{index:04d}",
        "state": state,
        "reason": "image_truncated",
        "of": {"sidecar": "evening walk.yaml", "jobs": jobs},
        "settings": {"style_weight": 1.0},
        "inputs": [{"role": "content", "name": f"{content}.png"}, {"role": "style", "name": f"{style}.png"}],
        "finished_at": (START + timedelta(minutes=index if minute is None else minute)).isoformat(),
    }
    (path / "job.json").write_text(json.dumps(job | more))
    return path


def grid(outbox: Path, *, but: int = 0, bad: int = 0) -> None:
    """Two contents in two styles; without ``but``, and ``bad`` is a failure."""
    for index, (content, style) in enumerate([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")], 1):
        if index != but:
            add(outbox, index, content, style, state="failed" if index == bad else "done")


def page(outbox: Path, folder: str = "series/evening walk-sheet") -> str:
    return (outbox / folder / "index.html").read_text()


def color_in(outbox: Path, wanted: tuple[int, int, int], folder: str = "series/evening walk-sheet") -> int:
    """How many pixels of the picture are nearly of this colour."""
    with Image.open(outbox / folder / f"{folder.rpartition('/')[2]}.jpg") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return int((np.abs(pixels - wanted).max(axis=2) < 12).sum())


def test_it_is_made_when_the_last_job_has_ended(tmp_path: Path) -> None:
    """Not before; a failure is an end too, and has its reason in its place."""
    grid(tmp_path, but=4, bad=2)
    Gallery(tmp_path).update()
    assert not list(tmp_path.rglob("*-sheet"))
    add(tmp_path, 4, "b", "y")
    Gallery(tmp_path).update()
    text = page(tmp_path)
    assert re.findall(r'<a href="(\.\./\.\./[^"]*)" title="([^"]*)"', text) == [
        ("../../series/a-x/index.html", "a-x"), ("../../failed/a-y/index.html", "a-y"),
        ("../../series/b-x/index.html", "b-x"), ("../../series/b-y/index.html", "b-y"),
    ]  # fmt: skip
    assert "image truncated" in text
    assert "3 pictures, 1 not done" in text
    for name in re.findall(r'src="\.\./\.\./(.*?)"', text):
        assert (tmp_path / name).is_file(), name
    assert color_in(tmp_path, (200, 60, 20)) > 3 * 10_000
    assert "evening%20walk-sheet/index.html" in (tmp_path / "index.html").read_text()


def test_results_taken_away_or_tried_again_meanwhile_count_as_ended(tmp_path: Path) -> None:
    """What was seen once has ended, whatever becomes of its folder."""
    grid(tmp_path, but=4, bad=2)
    Gallery(tmp_path).update()
    (tmp_path / "series/a-x").rename(tmp_path.parent / f"{tmp_path.name}-taken")
    (tmp_path / "failed").rename(tmp_path.parent / f"{tmp_path.name}-failed")
    add(tmp_path, 4, "b", "y")
    Gallery(tmp_path).update()
    assert "a-x" in page(tmp_path)
    Gallery(tmp_path).update()
    for name in re.findall(r'src="\.\./\.\./(.*?)"', page(tmp_path)):
        assert (tmp_path / name).is_file(), name


def test_a_job_done_again_takes_its_place(tmp_path: Path) -> None:
    """Also when the failed one and another have left the outbox; a job that only shares its title does not."""
    grid(tmp_path, bad=2)
    Gallery(tmp_path).update()
    (tmp_path / "failed").rename(tmp_path.parent / f"{tmp_path.name}-failed")
    (tmp_path / "series/b-y").rename(tmp_path.parent / f"{tmp_path.name}-taken")
    add(tmp_path, 1, "c", "y", title="a-y", name="other", claim="other", jobs=1, minute=40, color=(250, 250, 10))
    Gallery(tmp_path).update()
    assert color_in(tmp_path, (250, 250, 10)) == 0
    add(tmp_path, 1, "a", "y", claim="again", jobs=1, minute=50, color=(20, 220, 230))
    Gallery(tmp_path).update()
    assert color_in(tmp_path, (20, 220, 230)) > 10_000
    assert color_in(tmp_path, (200, 60, 20)) > 3 * 10_000
    assert "4 pictures" in page(tmp_path)
    assert len(list(tmp_path.rglob("*-sheet"))) == 1


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder of that name that is no sheet of these jobs stays; a sheet begun by a killed update is gone on with."""
    (tmp_path / "series/Evening Walk-sheet").mkdir(parents=True)
    grid(tmp_path)
    Gallery(tmp_path).update()
    assert list((tmp_path / "series/Evening Walk-sheet").iterdir()) == []
    assert (tmp_path / "series/evening walk-sheet-2/index.html").exists()
    (tmp_path / ".gallery/known.json").unlink()
    (tmp_path / "series/evening walk-sheet-2/index.html").unlink()
    Gallery(tmp_path).update()
    assert (tmp_path / "series/evening walk-sheet-2/index.html").exists()
    assert len(list(tmp_path.rglob("*-sheet*/sheet.json"))) == 1


def test_one_that_was_taken_away_stays_away(tmp_path: Path) -> None:
    """The person has it, or does not want it."""
    grid(tmp_path)
    Gallery(tmp_path).update()
    (tmp_path / "series/evening walk-sheet").rename(tmp_path.parent / f"{tmp_path.name}-mine")
    for _ in range(2):
        Gallery(tmp_path).update()
    assert not list(tmp_path.rglob("*-sheet"))
    assert "walk-sheet" not in (tmp_path / "index.html").read_text()


def test_a_hot_folders_sheet_is_called_as_its_jobs_are(tmp_path: Path) -> None:
    """By the photograph without its suffix, and not by the sidecar that was written for it."""
    for index, style in enumerate(("x", "y"), 1):
        add(tmp_path, index, "c", style, jobs=2, of={"sidecar": "c.jpg.yaml", "jobs": 2})
    Gallery(tmp_path).update()
    assert (tmp_path / "series/c-sheet/index.html").is_file()


def test_one_whose_jobs_have_all_gone_is_known(tmp_path: Path) -> None:
    """By what lies in the outbox, whatever the folders are called; one job that is left keeps it."""
    for index, (content, style) in enumerate([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")], 1):
        add(tmp_path, index, content, style, folder="1 % ü #")
    Gallery(tmp_path).update()
    files = FileSystem()
    jobs = [f"1 % ü #/{name}" for name in ("a-x", "a-y", "b-x", "b-y")]
    assert list(left_alone(tmp_path, files, jobs[:3])) == []
    ended = (START + timedelta(minutes=4)).timestamp()
    assert list(left_alone(tmp_path, files, jobs)) == [("1 % ü #/evening walk-sheet", ended)]


def test_a_single_job_and_one_without_any_picture_have_none(tmp_path: Path) -> None:
    """There is nothing to compare."""
    add(tmp_path, 1, "a", "x", jobs=1)
    for index in (1, 2):
        add(tmp_path, index, "a", f"y{index}", jobs=2, claim="other", state="failed")
    Gallery(tmp_path).update()
    assert not list(tmp_path.rglob("*-sheet"))


@pytest.mark.parametrize(
    "of", [{"sidecar": "../../x.yaml", "jobs": 2}, {"sidecar": "", "jobs": 2}, {"sidecar": 5, "jobs": "2"}, [2]]
)
def test_a_hostile_job_leads_nowhere(tmp_path: Path, of: Any) -> None:
    """Whatever job.json says, the sheet lies beside the results under a plain name."""
    outbox = tmp_path / "outbox"
    for index in (1, 2):
        add(
            outbox,
            index,
            "a",
            f"<b>{index}",
            of=of,
            sidecar={"vary": [["x"], 5]},
            inputs=[{"role": "style", "name": f"<b>{index}"}],
        )
    Gallery(outbox).update()
    assert {path.name for path in tmp_path.iterdir()} == {"outbox"}
    for path in outbox.rglob("*-sheet/index.html"):
        assert "<b>1" not in path.read_text()


# -- how it is laid out ------------------------------------------------------------------------------------


def tile(number: int, varied: list[list[str]], content: str = "a.png", style: str = "x.png") -> Tile:
    return {
        "title": f"job {number}", "state": "done", "reason": "", "thumb": ["t.webp", 448, 300, [1, "fff"]], "at": 0.0,
        "inputs": [{"role": r, "name": name, "thumb": None} for r, name in (("content", content), ("style", style))],
        "of": {"claim": "c", "index": number, "jobs": 9, "sidecar": "s", "varied": varied},
    }  # fmt: skip


def laid(tiles: list[Tile]) -> Sheet:
    return sheet_of("s", [(each, each) for each in tiles])


def test_what_all_have_in_common_is_no_axis() -> None:
    """Two keys make rows and columns; images that never change are told once."""
    sheet = laid([tile(n, [["w", str(n // 2)], ["color", "ab"[n % 2]]]) for n in range(6)])
    assert [[label.text for label in head] for head in sheet.rows] == [["0"], ["1"], ["2"]]
    assert [[label.text for label in head] for head in sheet.columns] == [["a"], ["b"]]
    assert [[each and each["title"] for each in row] for row in sheet.cells][2] == ["job 4", "job 5"]
    assert [label.text for label in sheet.same] == ["a.png", "x.png"]


def test_one_axis_flows_and_three_are_put_together() -> None:
    """Eight seeds make rows of four; contents × styles × seeds have two of them along one edge."""
    flow = laid([tile(n, [["seed", str(n)]]) for n in range(8)])
    assert (flow.flows, flow.across, len(flow.cells)) == (True, 4, 2)
    tiles = [tile(n, [["seed", str(n % 2)]], content=f"c{n // 6}.png", style=f"s{n // 2 % 3}.png") for n in range(12)]
    sheet = laid(tiles)
    assert (len(sheet.rows), len(sheet.columns)) == (2, 6)
    assert [label.text for label in sheet.columns[1]] == ["s0.png", "1"]


def test_the_largest_sheet_is_bounded() -> None:
    """A thousand jobs: the picture stays within bounds, and no two small pictures are held at once."""
    held = io.BytesIO()
    Image.new("RGB", (48, 32), (200, 60, 20)).save(held, "WEBP")
    opened: list[io.BytesIO] = []

    def open_thumb(_name: str) -> io.BytesIO:
        assert all(each.closed for each in opened)
        opened.append(io.BytesIO(held.getvalue()))
        return opened[-1]

    jpeg = sheet_jpeg(laid([tile(n, [["w", str(n // 25)], ["seed", str(n % 25)]]) for n in range(1000)]), open_thumb)
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.width * image.height < 32_000_000
        assert max(image.size) < 16_384
    assert len(opened) == 1000


@pytest.mark.parametrize(("rows", "columns"), [(500, 2), (2, 500), (3000, 2)])
def test_two_columns_of_hundreds_are_no_longer_than_a_jpeg_can_be(rows: int, columns: int) -> None:
    """Photographs held upright, each in two styles: their cells are smaller, and no two of a row overlap."""
    tiles = [tile(n, [], f"{n // columns}.png", f"{n % columns}.png") for n in range(rows * columns)]
    for each in tiles:
        each["thumb"] = ["t.webp", 300, 448, [1, "fff"]]
    jpeg = sheet_jpeg(laid(tiles), lambda _name: None)
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.format == "JPEG"
        assert min(image.width / columns, image.height / rows) > 8
        image.load()


def test_a_job_that_has_another_small_picture_of_an_image_makes_no_new_column() -> None:
    """A failed job knows no hash of its images, so their small pictures are others than those of the done ones."""
    tiles = [tile(n, [], content=f"{n // 2}.png", style=f"{n % 2}.png") for n in range(4)]
    for each in tiles:
        for item in each["inputs"]:
            item["thumb"] = [f"{item['role']}-{item['name']}.webp", 48, 32, [1, "fff"]]
    tiles[3]["state"] = "failed"
    for item in tiles[3]["inputs"]:
        item["thumb"] = [f"other-{item['name']}.webp", 48, 32, [1, "fff"]]
    sheet = laid(tiles)
    assert (len(sheet.rows), len(sheet.columns)) == (2, 2)
    assert all(each is not None for row in sheet.cells for each in row)
    assert not any("other" in label.thumb[0] for head in (*sheet.rows, *sheet.columns) for label in head if label.thumb)


def test_images_are_called_by_their_names_without_suffixes_where_that_tells_them_apart() -> None:
    """``a.png`` is ``a``; beside an ``a.jpg`` both keep theirs."""
    names = ("a.png", "a.jpg", "b c.v2.png")
    tiles = [tile(n, [["seed", str(n % 2)]], content=names[n // 2]) for n in range(6)]
    told = {label.shown for head in laid(tiles).rows + laid(tiles).columns for label in head if label.is_image}
    assert told == {"a.png", "a.jpg", "b c.v2"}


@pytest.mark.parametrize(
    ("word", "is_long"),
    [
        ("Expressionistische", False), ("Donaudampfschifffahrtsgesellschaft", True),
        ("IMG_20260301_203015_COVER", False), ("富士山の夕焼けと桜の花びらが舞う公園の風景写真", False),
    ],
)  # fmt: skip
def test_long_words_at_the_columns_are_known(word: str, is_long: bool) -> None:
    """A name that can be cut where its parts end, or anywhere, is none."""
    tiles = [tile(n, [], content=f"{n // 2}.png", style=("x.png", f"{word}.png")[n % 2]) for n in range(4)]
    assert laid(tiles).has_long_words == is_long


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("style_weight", ["style_", "weight"]), ("at dusk-v2", ["at dusk-", "v2"]), ("0.001", ["0.001"]),
        ("photo.final", ["photo.", "final"]), ("dunkleWelle", ["dunkle", "Welle"]), ("1.235·10⁵", ["1.235·10⁵"]),
        ("_", ["_"]),
    ],
)  # fmt: skip
def test_names_are_cut_between_their_parts(text: str, parts: list[str]) -> None:
    """Behind what joins them and before a capital; never within a number."""
    assert parts_of(text) == parts
