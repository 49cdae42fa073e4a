"""loss_plot: any loss.json becomes a small, valid, self-contained SVG whose curves are where they belong."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nst_batch.report.loss_plot import BOTTOM, LEFT, RIGHT, TOP, loss_svg, nice_stride, thin, ticks
from nst_batch.report.markup import clean, number, shorten

NS = "{http://www.w3.org/2000/svg}"


def entry(step: int, *, epoch: int = 1, scale: int = 1, size: int = 64, **losses: float) -> dict[str, Any]:
    weights = {"content": 2.0, "style": 10.0, "tv": 0.5}
    parts = {name: losses.get(name, 100.0 / step) for name in weights}
    total = losses.get("total", sum(weights[name] * parts[name] for name in weights))
    return {
        "step": step, "epoch": epoch, "scale": scale, "height": size, "width": 2 * size, "total": total,
        **parts, "weights": weights, "content_layers": {}, "style_layers": {}, "seconds": step * 0.5,
    }  # fmt: skip


def loss(log: list[dict[str, Any]], title: str = "a title", steps_per_epoch: int = 10) -> dict[str, Any]:
    epochs = max((item["epoch"] for item in log), default=1)
    return {
        "title": title,
        "epochs": epochs,
        "steps_per_epoch": steps_per_epoch,
        "statistic": "gram",
        "log": log,
    }


def lines(root: ET.Element, name: str) -> list[list[tuple[float, float]]]:
    """The points of each polyline of a series."""
    found = [line for line in root.iter(f"{NS}polyline") if line.get("class") == f"line {name}"]
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in str(line.get("points")).split())]
        for line in found
    ]


def texts(root: ET.Element) -> list[str]:
    return [str(node.text) for node in root.iter(f"{NS}text")]


def test_each_part_is_drawn_as_weight_times_loss_on_a_logarithmic_axis() -> None:
    """With content = style = tv = 1, the weights 2, 10 and 0.5 alone set the distances between the curves."""
    log = [entry(step, content=1.0, style=1.0, tv=1.0) for step in range(1, 11)]
    root = ET.fromstring(loss_svg(loss(log)))
    height = {name: lines(root, name)[0][0][1] for name in ("total", "content", "style", "tv")}
    decade = (height["content"] - height["style"]) / math.log10(10.0 / 2.0)
    assert height["tv"] - height["content"] == pytest.approx(decade * math.log10(2.0 / 0.5), abs=0.3)
    assert height["style"] - height["total"] == pytest.approx(decade * math.log10(12.5 / 10.0), abs=0.3)


def test_epochs_are_marked_at_their_last_step() -> None:
    """The tick of epoch 2 of 4 stands in the middle, the last at the right edge."""
    log = [entry(step, epoch=(step - 1) // 10 + 1) for step in range(1, 41)]
    root = ET.fromstring(loss_svg(loss(log)))
    marks = {node.text: float(str(node.get("x"))) for node in root.iter(f"{NS}text") if str(node.text).isdigit()}
    assert marks["2"] == pytest.approx((LEFT + RIGHT) / 2)
    assert marks["4"] == pytest.approx(RIGHT)


def test_scales_break_the_curves_and_show_their_sizes() -> None:
    """Two scales are two lines a series, one boundary between, both sizes above; one scale has none of it."""
    log = [entry(step, epoch=step, scale=1 if step <= 5 else 2, size=32 if step <= 5 else 64) for step in range(1, 11)]
    root = ET.fromstring(loss_svg(loss(log, steps_per_epoch=1)))
    assert [len(line) for line in lines(root, "style")] == [5, 5]
    (boundary,) = [node for node in root.iter(f"{NS}path") if node.get("class") == "scale"]
    assert str(boundary.get("d")).startswith(f"M{(LEFT + RIGHT) / 2:.1f} ")
    assert {"64 × 32", "128 × 64"} <= set(texts(root))
    single = ET.fromstring(loss_svg(loss(log[:5])))
    assert len(lines(single, "style")) == 1
    assert "64 × 32" not in texts(single)


@pytest.mark.parametrize(
    ("log", "drawn"),
    [
        ([entry(1)], {"total", "content", "style", "tv"}),
        ([entry(step, content=5.0, style=0.0, tv=0.0) for step in range(1, 9)], {"total", "content"}),
        ([entry(step, content=0.0, style=0.0, tv=0.0) for step in range(1, 9)], set()),
        ([], set()),
        ([entry(1, total=math.nan), entry(2, total=math.inf)], {"content", "style", "tv"}),
        ([entry(1, tv=-1.0), entry(2, tv=1e-300, style=1e300)], {"total", "content", "style", "tv"}),
    ],
    ids=["one", "constant", "zero", "empty", "not finite", "extreme"],
)  # fmt: skip
def test_unusual_losses_still_make_a_plot(log: list[dict[str, Any]], drawn: set[str]) -> None:
    """One entry, constants, zeros, gaps and extremes: valid XML, every point inside the frame."""
    root = ET.fromstring(loss_svg(loss(log)))
    assert {name for name in ("total", "content", "style", "tv") if lines(root, name)} == drawn
    for name in drawn:
        for x, y in (point for line in lines(root, name) for point in line):
            assert LEFT <= x <= RIGHT
            assert TOP <= y <= BOTTOM


def test_a_long_night_stays_small_and_keeps_its_spikes() -> None:
    """100,000 entries become less than 100 KB, and a single bad step among them is still to be seen."""
    log = [entry(step, epoch=(step - 1) // 100 + 1) for step in range(1, 100_001)]
    log[54_321] = entry(54_322, epoch=544, style=1e6)
    text = loss_svg(loss(log))
    assert len(text.encode()) < 100_000
    style = lines(ET.fromstring(text), "style")[0]
    spike = min(style[5:], key=lambda point: point[1])
    assert spike[0] == pytest.approx(LEFT + (RIGHT - LEFT) * 0.54322, abs=1)
    assert spike[1] < TOP + 30


def test_many_scales_of_a_long_night_stay_small() -> None:
    """The bound holds for many scales as well."""
    log = [entry(step, epoch=step, scale=(step - 1) // 5000 + 1) for step in range(1, 50_001)]
    assert len(loss_svg(loss(log)).encode()) < 100_000


def test_titles_cannot_break_out() -> None:
    """Markup, quotes, control characters and lone surrogates of a title are text in the plot."""
    title = "</text><script>alert(1)</script> \x00\x1b\udcff \"'&amp;"
    text = loss_svg(loss([entry(1)], title=title))
    root = ET.fromstring(text.encode())
    assert not list(root.iter(f"{NS}script"))
    assert any(line.startswith("</text><script>alert(1)</script>") for line in texts(root))


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No address but the namespace's, no reference out of the file."""
    text = loss_svg(loss([entry(1), entry(2)]))
    assert text.count("http") == 1
    assert "href" not in text
    assert "url(" not in text


@given(
    st.lists(st.floats(min_value=1e-12, max_value=1e12), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=7),
)
@settings(max_examples=60, deadline=None)
def test_every_positive_loss_lies_within_the_frame(values: list[float], epochs: int) -> None:
    """Whatever the values, the picture is valid and nothing leaves its frame."""
    log = [
        entry(step, epoch=min(epochs, step), style=value, content=1 / value, total=10 * value + 2 / value)
        for step, value in enumerate(values, start=1)
    ]
    root = ET.fromstring(loss_svg(loss(log)))
    for x, y in (point for name in ("total", "style", "content") for line in lines(root, name) for point in line):
        assert LEFT <= x <= RIGHT
        assert TOP <= y <= BOTTOM


def test_thin_keeps_ends_and_extremes() -> None:
    """Fewer points, the same first, last, least and greatest, still in order."""
    curve = [(float(step), float((step * 7919) % 10_007)) for step in range(5000)]
    thinned = thin(curve, 50)
    assert len(thinned) <= 102
    assert (thinned[0], thinned[-1]) == (curve[0], curve[-1])
    assert thinned == sorted(set(thinned))
    assert {max(curve, key=lambda p: p[1]), min(curve, key=lambda p: p[1])} <= set(thinned)
    assert thin(curve[:102], 50) == curve[:102]


@given(st.floats(-11, 11), st.floats(0.04, 9))
def test_ticks_are_round_and_enough(low: float, span: float) -> None:
    """Any range gets 2 to 12 ticks, all of them inside."""
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 12
    assert all(low - 1e-6 <= math.log10(value) <= low + span + 1e-6 for value in found)


def test_stride_of_labels() -> None:
    """1, 2, 5, 10 …: the first that leaves enough room."""
    assert [nice_stride(least) for least in (0.1, 1, 1.2, 3, 5, 8.4, 83)] == [1, 1, 2, 5, 5, 10, 100]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (5.0, "5"), (0.25, "0.25"), (1250.0, "1,250"), (999.6, "1,000"), (12.345, "12.3"),
        (1e6, "10⁶"), (3.2e7, "3.2·10⁷"), (55_444.0, "5.54·10⁴"), (2e-5, "2·10⁻⁵"), (-1e6, "−10⁶"),
    ],
)  # fmt: skip
def test_numbers_read_as_people_write_them(value: float, text: str) -> None:
    """Three digits, thousands apart, powers of ten beyond."""
    assert number(value) == text


def test_clean_and_shorten() -> None:
    """XML's own limits are kept, and wide characters count twice."""
    assert clean("<a b='\"'>&\x07") == "<a b='\"'>&\N{REPLACEMENT CHARACTER}"
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcdef…"
    assert shorten("名前名前", 6) == "名前名…"
