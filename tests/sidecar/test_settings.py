"""settings: what each key takes, who goes before whom, what is not made yet."""

from __future__ import annotations

import pytest

from nst_batch.errors import Problem
from nst_batch.sidecar.conflicts import conflicts
from nst_batch.sidecar.presets import CONTENT_LAYERS, PRESETS, STYLE_LAYERS
from nst_batch.sidecar.settings import Patch, Settings, resolve
from nst_batch.strict_yaml.models import check
from nst_batch.strict_yaml.reader import load
from nst_batch.transfer.spec import VGG19_LAYERS


def read(text: str) -> tuple[Patch | None, list[Problem]]:
    return check(Patch, load(text, max_kb=64, source="a.yaml"))


def right(text: str) -> Patch:
    patch, problems = read(text)
    assert problems == []
    assert patch is not None
    return patch


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("preset", ["classic", "draft", "fine"]),
        ("size", ["32", "16384", "full"]),
        ("epochs", ["1", "10000"]),
        ("steps_per_epoch", ["1", "100000"]),
        ("content_weight", ["0", "1e3", "0.5"]),
        ("style_weight", ["0", "7"]),
        ("tv_weight", ["0", "0.001"]),
        ("content_layers", ["[block5_conv2]", "{block1_conv1: 0, block4_conv4: 2}"]),
        ("style_layers", ["[block1_conv1, block5_conv4]"]),
        ("optimizer", ["adam", "lbfgs"]),
        ("learning_rate", ["0.02", "5"]),
        ("init", ["content", "noise", "style", "patches", "start.png"]),
        ("mask", ["none", "sky.png"]),
        ("scales", ["1", "6"]),
        ("style_size", ["32", "2048"]),
        ("color", ["style", "content", "match"]),
        ("stop_when_flat", ["0", "0.5"]),
        ("precision", ["auto", "bfloat16", "float32"]),
        ("seed", ["0", "2147483647"]),
        ("save_epoch", ["true", "false"]),
        ("format", ["png", "jpg", "webp", "tiff"]),
        ("quality", ["1", "100"]),
        ("priority", ["-5", "0", "10"]),
    ],
)
def test_right_values(key, values):
    """Each key takes its range to both ends."""
    for value in values:
        assert getattr(right(f"{key}: {value}"), key) is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("size: 31", "from 32 to 16384"),
        ("size: 16385", "from 32 to 16384"),
        ("size: true", "or full, not true"),
        ("size: ful", "did you mean 'full'"),
        ("size: 512px", "not '512px'"),
        ("size: 512.0", "write 512"),
        ("epochs: 0", "from 1 to 10000, or a list of one a scale, not 0"),
        ("epochs: []", "not an empty one"),
        ("epochs: [4, 0]", "from 1 to 10000, not 0"),
        ("epochs: [1, 1, 1, 1, 1, 1, 1, 1]", "at most 6 scales"),
        ("epochs: 1e3", "write 1000"),
        ("epochs: '10'", "remove the quotes"),
        ("epochs: 2.5", "not 2.5"),
        ("epochs: true", "not true"),
        ("steps_per_epoch: 100001", "100000"),
        ("content_weight: -1", "at least 0"),
        ("style_weight: .inf", "at least 0"),
        ("tv_weight: .nan", "at least 0"),
        ("learning_rate: 0", "above 0"),
        ("scales: 7", "from 1 to 6"),
        ("stop_when_flat: 1", "below 1"),
        ("seed: 2147483648", "2147483647"),
        ("save_epoch: yes", "write true"),
        ("save_epoch: off", "write false"),
        ("save_epoch: 1", "true or false"),
        ("format: jpeg", "did you mean 'jpg'"),
        ("format: tif", "did you mean 'tiff'"),
        ("format: PNG", "did you mean 'png'"),
        ("format: [png]", "not a list"),
        ("quality: 0", "from 1 to 100"),
        ("priority: high", "whole number"),
        ("preset: clasic", "did you mean 'classic'"),
        ("optimizer: l-bfgs", "did you mean 'lbfgs'"),
        ("precision: float16", "did you mean"),
        ("color: keep", "style, content or match"),
        ("init: contnet", "did you mean 'content'"),
        ("init: 5", "an image file, not 5"),
        ("mask: yes", "an image file, or none, not 'yes'"),
        ("mask: 5", "an image file, or none, not 5"),
        ("epocs: 5", "unknown key; did you mean 'epochs'"),
        ("steps: 5", "unknown key; did you mean 'steps_per_epoch'"),
        ("rate: 5", "unknown key; did you mean 'learning_rate'"),
        ("epoch: 5", "unknown key; did you mean 'epochs'"),
        ("zzz: 5", "unknown key"),
        ("size:", "no value"),
        ("content: a.jpg", "unknown key"),
        ("content_layers: []", "an empty one"),
        ("content_layers: {}", "an empty one"),
        ("content_layers: block5_conv2", "write [block5_conv2]"),
        ("content_layers: [block5_conv5]", "did you mean 'block5_conv"),
        ("content_layers: [conv5_2]", "VGG19 has no layer"),
        ("content_layers: [block1_pool]", "only pools"),
        ("content_layers: [block1_conv1, block1_conv1]", "a second time"),
        ("content_layers: [[block1_conv1]]", "must be a layer's name, not a list"),
        ("style_layers: {block1_conv1: -1}", "at least 0, not -1"),
        ("style_layers: {block1_conv1: x}", "not 'x'"),
        ("style_layers: {block1_conv1: true}", "not true"),
        ("style_layers: {block1_conv1: 0, block2_conv1: 0}", "no weight above 0"),
        ("style_layers: {block1_conv1: .inf}", "at least 0"),
    ],
)
def test_wrong_values(text, words):
    """A wrong value is one plain line with what is right; a near one is named."""
    patch, problems = read(text)
    assert patch is None
    assert words in " ".join(str(problem) for problem in problems)
    assert {problem.line for problem in problems} == {1}


@pytest.mark.parametrize(
    "text",
    ["learning_rate: 1.0e+30", "style_weight: -2.0", "size: 1.0e+30", "epochs: 1.0e+30", "size: 2e4", "epochs: 2e4"],
)
def test_a_number_out_of_range_is_not_offered_again(text):
    """What is offered in its place would be refused as well."""
    (problem,) = read(text)[1]
    assert "write" not in str(problem)


def test_all_problems_at_once_each_with_its_line():
    """Every wrong key is told in one go, with the line of its very part."""
    _, problems = read("size: 1\nepochs: x\nstyle_layers:\n  block1_conv1: 1\n  blok2_conv1: 1\nqualty: 5\n")
    assert {problem.line: problem.key for problem in problems} == {
        1: "size",
        2: "epochs",
        5: "style_layers.blok2_conv1",
        6: "qualty",
    }


def test_layers():
    """A list gives each layer the weight 1, a mapping its own; the names are Keras's convolutions of VGG19."""
    assert right("style_layers: [block2_conv1, block1_conv1]").style_layers == {"block2_conv1": 1, "block1_conv1": 1}
    assert right("style_layers: {block1_conv1: 2}").style_layers == {"block1_conv1": 2.0}
    assert len(VGG19_LAYERS) == 16
    assert (VGG19_LAYERS[0], VGG19_LAYERS[-1]) == ("block1_conv1", "block5_conv4")


def test_classic():
    """Its promised numbers: 512 px, 10 × 100 steps of Adam at 0.02, one scale, block5_conv2; the default is fine."""
    assert resolve(Patch()).preset == "fine"
    found = resolve(right("preset: classic"))
    assert (found.size, found.epochs, found.steps_per_epoch, found.scales) == (512, 10, 100, 1)
    assert (found.optimizer, found.learning_rate) == ("adam", 0.02)
    assert found.content_layers == {"block5_conv2": 1.0} == dict(CONTENT_LAYERS)
    assert list(found.style_layers) == [f"block{n}_conv1" for n in range(1, 6)] == list(STYLE_LAYERS)
    assert (found.init, found.color, found.style_size, found.stop_when_flat) == ("content", "style", 512, 0)
    assert (found.precision, found.seed, found.save_epoch) == ("auto", 0, False)
    assert (found.format, found.quality, found.priority) == ("png", 95, 0)
    preset = PRESETS["classic"]
    assert (preset.beta_1, preset.beta_2, preset.epsilon, preset.family) == (0.99, 0.999, 0.1, "gram")


def test_every_key_is_resolved():
    """job.json's settings leave no question open: a style size that nobody wrote is the size, wherever that is from."""
    assert resolve(right("size: 300")).style_size == 300
    assert resolve(right("style_size: 100"), right("size: 300")).style_size == 100
    full = resolve(right("size: full"))
    assert full.style_size == "full"
    assert (full.style_side(640), resolve(right("style_size: 100\nsize: full")).style_side(640)) == (640, 100)
    for settings in (full, resolve(Patch())):
        assert None not in settings.model_dump().values()


def test_sidecar_before_defaults_before_preset():
    """A sidecar's key wins over the config's, which wins over the preset's, whoever names the preset."""
    found = resolve(right("epochs: 3\nseed: 1"), right("epochs: 4\nsteps_per_epoch: 5\nsave_epoch: true"))
    assert (found.epochs, found.steps_per_epoch, found.save_epoch, found.seed) == (3, 5, True, 1)
    assert resolve(right("save_epoch: false"), right("save_epoch: true")).save_epoch is False
    assert resolve(right("content_weight: 0"), right("content_weight: 5")).content_weight == 0


@pytest.mark.parametrize(
    ("scales", "epochs"),
    [(1, (11,)), (2, (9, 2)), (3, (6, 3, 2)), (4, (3, 3, 3, 2)), (6, (3, 3, 3, 3, 3, 2))],
)
def test_a_presets_epochs_a_scale_follow_the_scales(scales, epochs):
    """They are counted from the finest: fewer scales lose none, and more repeat the coarsest; the keys agree."""
    found = resolve(right(f"preset: draft\nscales: {scales}"))
    assert (found.epochs, found.steps_per_epoch) == (epochs, 5)
    assert conflicts(found) == []
    assert resolve(right(f"preset: draft\nscales: {scales}\nepochs: 7")).epochs == 7


def test_preset_from_either(monkeypatch):
    """A preset named in the config counts unless the sidecar names one."""
    more = {**PRESETS, "draft": PRESETS["classic"].__class__(2, 3, 4.0, 5.0, 6.0)}
    monkeypatch.setattr("nst_batch.sidecar.settings.PRESETS", more)
    assert resolve(Patch(), right("preset: draft")).epochs == 2
    assert resolve(right("preset: classic"), right("preset: draft")).epochs == 10
    assert resolve(right("epochs: 9"), right("preset: draft")).epochs == 9


def test_learning_rate_follows_the_optimizer():
    """A preset's learning rate is for its own optimiser; another one gets its own unless told."""
    assert resolve(right("optimizer: lbfgs")).learning_rate == 1.0
    assert resolve(right("optimizer: lbfgs\nlearning_rate: 0.5")).learning_rate == 0.5
    assert resolve(right("optimizer: adam")).learning_rate == PRESETS["fine"].learning_rate


def test_settings_survive_json():
    """Settings lie in a job's folder as JSON and come back equal."""
    found = resolve(right("size: full\ncontent_layers: {block4_conv2: 0.3, block5_conv2: 1}"))
    assert Settings.model_validate_json(found.model_dump_json()) == found


def test_conflicts_of_neighbours():
    """A preset that matches neighbours cannot search along a line; the keys of content and style are as with others."""
    (conflict,) = conflicts(resolve(right("preset: nnst\noptimizer: lbfgs")))
    assert conflict.whats["optimizer"] == "must be adam with preset nnst"
    for text in ("preset: fine\noptimizer: lbfgs", "preset: nnst\ncontent_layers: [block5_conv2]\ncontent_weight: 1.5"):
        assert conflicts(resolve(right(text))) == []


def test_epochs_of_each_scale():
    """A list says how many scales there are, where nothing else does; nnst's has one more for the closing scale."""
    found = resolve(right("epochs: [4, 2, 1]"))
    assert (found.epochs, found.scales, found.total_epochs) == ((4, 2, 1), 3, 7)
    assert Settings.model_validate_json(found.model_dump_json()) == found
    assert resolve(right("preset: nnst\nepochs: [4, 2, 1]")).scales == 2
    assert resolve(right("epochs: 5\nscales: 2")).total_epochs == 5


@pytest.mark.parametrize("text", ["epochs: [4, 2]\nscales: 3", "preset: nnst\nepochs: [4, 2]\nscales: 2"])
def test_conflict_of_epochs_and_scales(text):
    """A list for another number of scales than are asked for is said."""
    (conflict,) = conflicts(resolve(right(text)))
    assert list(conflict.whats) == ["epochs", "scales"]
    assert "numbers" in conflict.fix


def test_conflict_of_weights():
    """A picture with nothing to optimise for is refused, also where the zeros come from two files."""
    assert conflicts(resolve(right("content_weight: 0"), right("style_weight: 0")))
    assert not conflicts(resolve(right("content_weight: 0")))
    assert not conflicts(resolve(right("style_weight: 0")))
