"""One block of the network in strips, and the traced programs over it; and those over the blocks in one piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from nst_batch.transfer.frame import framed
from nst_batch.transfer.losses import content_loss, total_variation
from nst_batch.transfer.mask import position_weights
from nst_batch.transfer.network import FRAME, PICTURE, PLANE, Network, any_size
from nst_batch.transfer.objective import Layers, Targets, block_of, style_losses, style_statistics, style_sums
from nst_batch.transfer.optimizers import Optimizer
from nst_batch.transfer.spec import VGG19_LAYERS
from nst_batch.transfer.vgg19 import pool

_CORE = tf.TensorSpec([2], tf.int32)  # Strip.core
_SCALAR = tf.TensorSpec([], tf.float32)


@dataclass(frozen=True)
class StripBlock:
    """A block in strips: its layers that are asked for, and the last one where a later block goes on from there."""

    block: int
    layers: Layers
    last: str | None

    @property
    def extracted(self) -> tuple[str, ...]:
        """Every layer whose features are needed."""
        return self.layers.all + ((self.last,) if self.last and self.last not in self.layers.all else ())

    @property
    def margin(self) -> int:
        """Rows by which the deepest of its features looks beyond its own."""
        return max(int(layer[-1]) for layer in self.extracted)


def within(layers: Layers, first: int, last: int) -> Layers:
    """The layers of blocks ``first`` to ``last``."""
    content, style = (tuple(n for n in of if first <= block_of(n) <= last) for of in (layers.content, layers.style))
    return Layers(content, style, layers.moments)


def strip_blocks(layers: Layers, blocks: int) -> list[StripBlock]:
    """The first ``blocks`` blocks, as far as the layers need them."""
    deepest = max(block_of(layer) for layer in layers.all)
    found = []
    for block in range(1, min(blocks, deepest) + 1):
        last = [layer for layer in VGG19_LAYERS if block_of(layer) == block][-1]
        found.append(StripBlock(block, within(layers, block, block), last if block < deepest else None))
    return found


def trace_see(network: Network, strip_block: StripBlock, *, weighted: bool = False) -> Any:
    """A strip and its core -> content features, style sums, and what the block hands on.

    ``weighted``: the sums count the core's positions by a plane (1, h, w, 1), which is asked for as well.
    """
    extract = network.extractor(strip_block.extracted, strip_block.block)

    def see(given: Any, core: Any, *plane: Any) -> Any:
        cores = _cores(extract(given), core)
        content = {layer: cores[layer] for layer in strip_block.layers.content}
        handed_on = pool(cores[strip_block.last], network.pooling) if strip_block.last else tf.zeros([])
        weights = position_weights(plane[0], strip_block.layers, strip_block.block) if weighted else None
        return content, style_sums(cores, strip_block.layers, weights), handed_on

    signature = [input_spec(network, strip_block.block), _CORE, *([PLANE] if weighted else [])]
    return tf.function(see, autograph=False, input_signature=signature)


def trace_see_rest(network: Network, layers: Layers, first_block: int, *, weighted: bool = False) -> Any:
    """What the last block in strips hands on -> content features and style sums of the rest."""
    extract = network.extractor(layers.all, first_block)

    def see(given: Any, *plane: Any) -> Any:
        features = extract(given)
        weights = position_weights(plane[0], layers, first_block) if weighted else None
        return {layer: features[layer] for layer in layers.content}, style_sums(features, layers, weights)

    signature = [input_spec(network, first_block), *([PLANE] if weighted else [])]
    return tf.function(see, autograph=False, input_signature=signature)


def trace_judge(network: Network, layers: Layers) -> Any:
    """Style sums of a whole picture -> E of each layer, and the total's derivative by the sums."""
    specs = network.target_specs(layers)[1]

    def judge(sums: Any, counts: Any, targets: Any, shares: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sums)
            losses = style_losses(style_statistics(sums, counts, layers), layers, Targets({}, targets))
            each = dict(zip(layers.style, tf.unstack(losses), strict=True))
            total = tf.add_n([shares[layer] * loss for layer, loss in each.items()])
        return each, tape.gradient(total, sums)

    scalars = dict.fromkeys(layers.style, _SCALAR)
    return tf.function(judge, autograph=False, input_signature=[specs, scalars, specs, scalars])


def trace_judge_rest(network: Network, layers: Layers, first_block: int) -> Any:
    """What the last block in strips hands on -> the losses of the rest, and the total's gradient there."""
    extract = network.extractor(layers.all, first_block)
    content_specs, style_specs, _ = network.target_specs(layers)

    def judge(given: Any, content: Any, style: Any, counts: Any, of_content: Any, of_style: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(given)
            features = extract(given)
            kept = {layer: content_loss(features[layer], content[layer]) for layer in layers.content}
            painted: dict[str, Any] = {}
            if layers.style:
                statistics = style_statistics(style_sums(features, layers), counts, layers)
                losses = style_losses(statistics, layers, Targets({}, style))
                painted = dict(zip(layers.style, tf.unstack(losses), strict=True))
            shared = [of_content[n] * kept[n] for n in kept] + [of_style[n] * painted[n] for n in painted]
            total = tf.add_n(shared)
        return kept, painted, tape.gradient(total, given)

    of_style, of_content = (dict.fromkeys(of, _SCALAR) for of in (layers.style, layers.content))
    given = input_spec(network, first_block)
    signature = [given, content_specs, style_specs, of_style, of_content, of_style]
    return tf.function(judge, autograph=False, input_signature=signature)


def trace_back(network: Network, strip_block: StripBlock) -> Any:
    """A strip, and the total's derivatives by its sums and by what it hands on -> the gradient at the strip."""
    extract = network.extractor(strip_block.extracted, strip_block.block)
    content_specs, style_specs, _ = network.target_specs(strip_block.layers)

    def back(given: Any, core: Any, content: Any, by_sums: Any, of_content: Any, upstream: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(given)
            cores = _cores(extract(given), core)
            sums = style_sums(cores, strip_block.layers)
            shared = [tf.reduce_sum(by_sums[layer] * sums[layer]) for layer in strip_block.layers.style]
            shared += [
                of_content[layer] * content_loss(cores[layer], content[layer]) for layer in strip_block.layers.content
            ]
            outputs, gradients = [tf.add_n(shared)] if shared else [], [tf.ones([])] if shared else []
            if strip_block.last:
                outputs.append(pool(cores[strip_block.last], network.pooling))
                gradients.append(upstream)
        return tape.gradient(outputs, given, output_gradients=gradients)

    upstream = input_spec(network, strip_block.block + 1) if strip_block.last else _SCALAR
    of_content = dict.fromkeys(strip_block.layers.content, _SCALAR)
    signature = [input_spec(network, strip_block.block), _CORE, content_specs, style_specs, of_content, upstream]
    return tf.function(back, autograph=False, input_signature=signature)


def trace_tv() -> Any:
    """A picture, its frame, the gradient at what it shows and the factor of tv -> tv, and the gradient of both."""

    def add(image: Any, frame: Any, upstream: Any, share: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            tv, shown = total_variation(image), framed(image, frame)
        return tv, tape.gradient([tv, shown], image, output_gradients=[share, upstream])

    return tf.function(add, autograph=False, input_signature=[PICTURE, FRAME, PICTURE, _SCALAR])


def trace_step(optimizer: Optimizer, state: Any) -> Any:
    """The optimiser's step, for pictures of any size."""
    signature = [any_size(state), PICTURE, _SCALAR, PICTURE]
    return tf.function(optimizer.step, autograph=False, input_signature=signature)


def input_spec(network: Network, block: int) -> Any:
    """The signature of what a block is given: a picture, or what the block before hands on."""
    if block == 1:
        return PICTURE
    filters = network.filters(f"block{block - 1}_conv1")
    return tf.TensorSpec([1, None, None, filters], network.precision)


def _cores(features: Mapping[str, Any], core: Any) -> dict[str, Any]:
    return {layer: value[:, core[0] : core[1]] for layer, value in features.items()}
