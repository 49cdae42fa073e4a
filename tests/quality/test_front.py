"""The front bench: recipes are read, means are taken, the front is told from the rest and drawn."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from nst_batch.transfer.device import prepare_tensorflow

prepare_tensorflow()

from benchmarks.quality import front  # noqa: E402 - TensorFlow is told to be quiet first
from benchmarks.quality.evaluator import QUANTILES, profile  # noqa: E402
from benchmarks.quality.front_drawing import Point, draw_front, on_the_front, points_of  # noqa: E402
from benchmarks.quality.recipes import Recipe, read_recipes  # noqa: E402
from nst_batch.sidecar.presets import FINE  # noqa: E402

KEPT = Path(__file__).resolve().parents[2]


def painted(recipe, pair, gram_over, size=512):
    """The figures of one picture."""
    second = dict.fromkeys(front.MEANS, 0.5) | {"gram_over": gram_over}
    return {"recipe": recipe, "pair": pair, "size": size, "teraflops": 10.0, "second": second}


def test_a_recipe_is_a_preset_with_other_numbers():
    """What is said is changed, all else is the preset's; only what paints otherwise has another digest."""
    recipe = Recipe.of("longer", {"preset": "fine", "epochs": [2, 1, 1], "levels": 3})
    assert (recipe.preset.epochs, recipe.preset.levels) == ((2, 1, 1), 3)
    assert recipe.preset.content_weight == FINE.content_weight
    spec = recipe.spec(384, 512)
    assert (spec.epochs, spec.optimizer.levels, spec.height, spec.width) == ((2, 1, 1), 3, 384, 512)
    assert Recipe.of("a", {}).digest == Recipe.of("b", {"preset": "fine"}).digest != recipe.digest


def test_a_recipe_may_start_from_something_else():
    """It is another picture then, and what starts from the content is known by the name it had before."""
    recipe = Recipe.of("from patches", {"preset": "fine", "init": "patches"})
    assert recipe.spec(384, 512).init == "patches"
    plain = Recipe.of("plain", {"init": "content"})
    assert plain.spec(384, 512).init == "content"
    assert plain.digest == Recipe.of("b", {}).digest != recipe.digest


@pytest.mark.parametrize("said", [{"epoch": 3}, {"preset": "finest"}, {"init": "patch"}])
def test_a_recipe_that_means_nothing_ends_the_bench(said):
    """A key that no preset has, a preset that is not there: the recipe is named."""
    with pytest.raises(SystemExit, match="recipe odd"):
        Recipe.of("odd", said)


def test_means_are_of_recipes_with_all_pairs():
    """Another size, and a recipe that lacks a pair, are left out."""
    known = [painted("a", "p", 0.1), painted("a", "q", 0.2), painted("b", "p", 0.1), painted("a", "p", 0.9, size=256)]
    found = front.means(known, 512)
    assert list(found) == ["a"]
    assert found["a"]["gram_over"] == pytest.approx(0.15)


def test_seconds_are_those_of_the_pair_that_was_clocked_for_what_all_pairs_cost():
    """Twice the arithmetic, twice the seconds; what was clocked is no picture, and another size is another matter."""
    clocked = {"recipe": "a", "size": 512, "teraflops": 5.0, "clocked": 20.0}
    known = [painted("a", "p", 0.1), painted("b", "p", 0.1), clocked, {**clocked, "size": 256, "clocked": 1.0}]
    means = front.means(known, 512)
    assert set(means) == {"a", "b"}
    assert front.clocked_seconds(known, means, 512) == {"a": 40.0}
    with pytest.raises(ValueError, match="'b'; measure them"):
        points_of({"a": {**means["a"], "processor_seconds": 40.0}, "b": means["b"]}, ())


def test_the_front_is_what_nothing_beats_in_everything():
    """Dearer and worse is beaten; dearer and better in one is not; equal ones stay both."""
    best, dear = Point("best", 5.0, 0.2, 0.5), Point("dear", 9.0, 0.1, 0.5)
    beaten, twin = Point("beaten", 6.0, 0.2, 0.4), Point("twin", 5.0, 0.2, 0.5)
    assert on_the_front([best, dear, beaten, twin]) == [best, dear, twin]


def test_the_drawing_shows_every_point_twice():
    """A panel for style and one for content; names only of those that are shown, and safe in XML."""
    points = [Point("a < b", 5.0, 0.2, 0.5, shown=True), Point("other", 9.0, 0.3, 0.4)]
    drawing = ET.fromstring(draw_front(points))
    svg = "{http://www.w3.org/2000/svg}"
    circles = drawing.findall(f"{svg}circle")
    assert len(circles) == 4
    texts = [text.text for text in drawing.findall(f"{svg}text")]
    assert texts.count("a < b") == 2
    assert "other" not in texts
    other, shown = circles[:2]  # those that are shown lie on top
    assert float(shown.get("cx")) < float(other.get("cx"))
    assert float(shown.get("cy")) > float(other.get("cy"))
    with pytest.raises(ValueError, match="no recipes"):
        draw_front([])


def test_the_drawing_in_the_docs_is_that_of_its_figures():
    """docs/pictures/front.svg is drawn from docs/front.json, and every recipe in it can be painted again."""
    means = json.loads((KEPT / "docs/front.json").read_bytes())
    assert (KEPT / "docs/pictures/front.svg").read_text() == draw_front(points_of(means, front.SHOWN))
    recipes = {each.name for each in read_recipes(KEPT / "benchmarks/quality/recipes.json")}
    assert set(means) == recipes


def test_a_profile_is_made_of_quantiles():
    """Along each direction, those that numpy takes ten times as long for."""
    features = np.random.default_rng(1).normal(size=(1, 30, 40, 8)).astype(np.float32)
    found = profile(features)
    directions = np.random.default_rng(0).standard_normal((8, found.shape[1])).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    expected = np.quantile(features.reshape(-1, 8) @ directions, (np.arange(QUANTILES) + 0.5) / QUANTILES, axis=0)
    assert found == pytest.approx(expected, abs=1e-5)
