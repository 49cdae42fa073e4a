"""One block of the network in strips, and the traced programs over it; and those over the blocks in one piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from nst_batch.transfer.frame import framed
from nst_batch.transfer.losses import content_loss, total_variation
from nst_batch.transfer.mask import position_weights
from nst_batch.transfer.network import FRAME, IMAGE, PLANE, Network, any_size
from nst_batch.transfer.objectives.statistics import StatisticsFamily
from nst_batch.transfer.optimizers.optimizer import Optimizer, State
from nst_batch.transfer.spec import VGG19_LAYERS, block_of
from nst_batch.transfer.tensors import Feature, Features, Image, Nest, Plane, Program, Scalar, Statistics
from nst_batch.transfer.vgg19 import pool

_CORE = tf.TensorSpec([2], tf.int32)  # Strip.core
_SCALAR = tf.TensorSpec([], tf.float32)


@dataclass(frozen=True)
class StripBlock:
    """A block in strips: its layers that are asked for, and the last one where a later block goes on from there."""

    block: int
    family: StatisticsFamily
    last: str | None

    @property
    def extracted(self) -> tuple[str, ...]:
        """Every layer whose features are needed."""
        return self.family.layers + ((self.last,) if self.last and self.last not in self.family.layers else ())

    @property
    def margin(self) -> int:
        """Rows by which the deepest of its features looks beyond its own."""
        return max(int(layer[-1]) for layer in self.extracted)


def strip_blocks(family: StatisticsFamily, blocks: int) -> list[StripBlock]:
    """The first ``blocks`` blocks, as far as the layers need them."""
    deepest = max(block_of(layer) for layer in family.layers)
    found = []
    for block in range(1, min(blocks, deepest) + 1):
        last = [layer for layer in VGG19_LAYERS if block_of(layer) == block][-1]
        found.append(StripBlock(block, family.within(block, block), last if block < deepest else None))
    return found


def trace_see(network: Network, strip_block: StripBlock, *, weighted: bool = False) -> Program:
    """A strip and its core -> content features, style sums, and what the block hands on.

    ``weighted``: the sums count the core's positions by a plane (1, h, w, 1), which is asked for as well.
    """
    extract = network.extractor(strip_block.extracted, strip_block.block)

    def see(given: Feature, core: Any, *plane: Plane) -> Any:
        cores = _cores(extract(given), core)
        content = {layer: cores[layer] for layer in strip_block.family.content}
        handed_on = pool(cores[strip_block.last], network.pooling) if strip_block.last else tf.zeros([])
        weights = position_weights(plane[0], strip_block.family.style, strip_block.block) if weighted else None
        return content, strip_block.family.sums(cores, weights), handed_on

    signature = [input_spec(network, strip_block.block), _CORE, *([PLANE] if weighted else [])]
    return tf.function(see, autograph=False, input_signature=signature)


def trace_see_rest(network: Network, family: StatisticsFamily, first_block: int, *, weighted: bool = False) -> Program:
    """What the last block in strips hands on -> content features and style sums of the rest."""
    extract = network.extractor(family.layers, first_block)

    def see(given: Feature, *plane: Plane) -> Any:
        features = extract(given)
        weights = position_weights(plane[0], family.style, first_block) if weighted else None
        return {layer: features[layer] for layer in family.content}, family.sums(features, weights)

    signature = [input_spec(network, first_block), *([PLANE] if weighted else [])]
    return tf.function(see, autograph=False, input_signature=signature)


def trace_judge(network: Network, family: StatisticsFamily) -> Program:
    """Style sums of a whole picture -> E of each layer, and the total's derivative by the sums."""
    specs = network.compared_specs(family)[1]

    def judge(sums: Statistics, counts: Nest, targets: Statistics, shares: Nest) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sums)
            losses = family.style_losses(family.statistics(sums, counts), targets)
            each = dict(zip(family.style, tf.unstack(losses), strict=True))
            total = tf.add_n([shares[layer] * loss for layer, loss in each.items()])
        return each, tape.gradient(total, sums)

    scalars = dict.fromkeys(family.style, _SCALAR)
    return tf.function(judge, autograph=False, input_signature=[specs, scalars, specs, scalars])


def trace_judge_rest(network: Network, family: StatisticsFamily, first_block: int) -> Program:
    """What the last block in strips hands on -> the losses of the rest, and the total's gradient there."""
    extract = network.extractor(family.layers, first_block)
    content_specs, style_specs, _ = network.compared_specs(family)

    def judge(
        given: Feature, content: Features, style: Statistics, counts: Nest, of_content: Nest, of_style: Nest
    ) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(given)
            features = extract(given)
            kept = {layer: content_loss(features[layer], content[layer]) for layer in family.content}
            painted: dict[str, Scalar] = {}
            if family.style:
                losses = family.style_losses(family.statistics(family.sums(features), counts), style)
                painted = dict(zip(family.style, tf.unstack(losses), strict=True))
            shared = [of_content[n] * kept[n] for n in kept] + [of_style[n] * painted[n] for n in painted]
            total = tf.add_n(shared)
        return kept, painted, tape.gradient(total, given)

    of_style, of_content = (dict.fromkeys(of, _SCALAR) for of in (family.style, family.content))
    given = input_spec(network, first_block)
    signature = [given, content_specs, style_specs, of_style, of_content, of_style]
    return tf.function(judge, autograph=False, input_signature=signature)


def trace_back(network: Network, strip_block: StripBlock) -> Program:
    """A strip, and the total's derivatives by its sums and by what it hands on -> the gradient at the strip."""
    extract = network.extractor(strip_block.extracted, strip_block.block)
    content_specs, style_specs, _ = network.compared_specs(strip_block.family)

    def back(
        given: Feature, core: Any, content: Features, by_sums: Statistics, of_content: Nest, upstream: Feature
    ) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(given)
            cores = _cores(extract(given), core)
            sums = strip_block.family.sums(cores)
            shared = [tf.reduce_sum(by_sums[layer] * sums[layer]) for layer in strip_block.family.style]
            shared += [
                of_content[layer] * content_loss(cores[layer], content[layer]) for layer in strip_block.family.content
            ]
            outputs, gradients = [tf.add_n(shared)] if shared else [], [tf.ones([])] if shared else []
            if strip_block.last:
                outputs.append(pool(cores[strip_block.last], network.pooling))
                gradients.append(upstream)
        return tape.gradient(outputs, given, output_gradients=gradients)

    upstream = input_spec(network, strip_block.block + 1) if strip_block.last else _SCALAR
    of_content = dict.fromkeys(strip_block.family.content, _SCALAR)
    signature = [input_spec(network, strip_block.block), _CORE, content_specs, style_specs, of_content, upstream]
    return tf.function(back, autograph=False, input_signature=signature)


def trace_tv() -> Program:
    """A picture, its frame, the gradient at what it shows and the factor of tv -> tv, and the gradient of both."""

    def add(image: Image, frame: Any, upstream: Image, share: Scalar) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            tv, shown = total_variation(image), framed(image, frame)
        return tv, tape.gradient([tv, shown], image, output_gradients=[share, upstream])

    return tf.function(add, autograph=False, input_signature=[IMAGE, FRAME, IMAGE, _SCALAR])


def trace_step(optimizer: Optimizer, state: State) -> Program:
    """The optimiser's step, for pictures of any size."""
    signature = [any_size(state), IMAGE, _SCALAR, IMAGE]
    return tf.function(optimizer.step, autograph=False, input_signature=signature)


def input_spec(network: Network, block: int) -> Nest:
    """The signature of what a block is given: a picture, or what the block before hands on."""
    if block == 1:
        return IMAGE
    filters = network.filters(f"block{block - 1}_conv1")
    return tf.TensorSpec([1, None, None, filters], network.precision)


def _cores(features: Features, core: Any) -> dict[str, Feature]:
    return {layer: value[:, core[0] : core[1]] for layer, value in features.items()}
