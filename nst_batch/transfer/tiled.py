"""A network that looks at a picture tile by tile: exact, with the memory of one tile.

Every evaluation goes over the tiles twice. The first pass adds up the style's sums and the content losses; from the
sums follow the style losses and their derivatives by the sums; the second pass carries those back to each tile's
pixels. Against one piece it costs a forward pass more, and the margins.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import tensorflow as tf

from nst_batch.transfer.losses import content_loss, total_variation
from nst_batch.transfer.network import PICTURE, Network, any_size
from nst_batch.transfer.objective import (
    Layers,
    Targets,
    joined_report,
    style_losses,
    style_statistics,
    style_sums,
)
from nst_batch.transfer.optimizers import Optimizer
from nst_batch.transfer.tiling import Tile, margin, plan_tiles

_BOX = tf.TensorSpec([4], tf.int32)  # Tile.core


class TiledNetwork:
    """``network`` with at most ``most_pixels`` pixels in view; asked like the network itself."""

    def __init__(self, network: Network, most_pixels: int) -> None:
        self._network = network
        self._most_pixels = most_pixels

    def content_features(self, image: Any, layers: Layers) -> dict[str, Any]:
        """As of :class:`Network`."""
        program = self._network.program("tile content", layers, self._trace_content)
        rows: dict[int, list[dict[str, Any]]] = {}
        for tile in self._tiles(image, layers.content):
            rows.setdefault(tile.core_rows.start, []).append(program(_cut(image, tile), tf.constant(tile.core)))
        joined = [
            {layer: tf.concat([each[layer] for each in row], axis=2) for layer in layers.content}
            for row in rows.values()
        ]
        return {layer: tf.concat([row[layer] for row in joined], axis=1) for layer in layers.content}

    def style_statistics(self, image: Any, layers: Layers, key: Hashable | None = None) -> dict[str, Any]:
        """As of :class:`Network`."""

        def compute() -> dict[str, Any]:
            program = self._network.program("tile style", layers, self._trace_style)
            sums: dict[str, Any] = {}
            for tile in self._tiles(image, layers.style):
                found = program(_cut(image, tile), tf.constant(tile.core))
                sums = {name: sums[name] + found[name] for name in found} if sums else dict(found)
            return style_statistics(sums, _positions(image, layers), layers)

        return self._network.remembered_style(image, layers, key, compute)

    def losses(self, image: Any, layers: Layers, targets: Targets, weights: Any) -> Any:
        """As of :class:`Network`."""
        return self._evaluate(image, layers, targets, weights)[0]

    def advance(
        self,
        image: Any,
        state: Any,
        layers: Layers,
        targets: Targets,
        weights: Any,
        *,
        optimizer: Optimizer,
        count: int = 1,
    ) -> list[tuple[Any, Any, Any, Any]]:
        """As of :class:`Network`."""
        step = self._network.program(("tile step", optimizer.key), layers, lambda _: _trace_step(optimizer, state))
        results = []
        for _ in range(count):
            report, by_sums = self._evaluate(image, layers, targets, weights)
            gradient = self._gradient(image, layers, targets, weights, by_sums)
            accepted, image, state = step(state, image, report[-1], gradient)
            results.append((report, accepted, image, state))
        return results

    def _tiles(self, image: Any, layers: tuple[str, ...]) -> tuple[Tile, ...]:
        height, width = image.shape[1:3]
        return plan_tiles(height, width, self._most_pixels, margin(layers))

    def _evaluate(self, image: Any, layers: Layers, targets: Targets, weights: Any) -> tuple[Any, dict[str, Any]]:
        """The first pass: the loss report, and the total's derivative by the style's sums."""
        tile_losses = self._network.program("tile losses", layers, self._trace_losses)
        join = self._network.program("tile join", layers, self._trace_join)
        content: Any = None
        sums: dict[str, Any] = {}
        for tile in self._tiles(image, layers.all):
            lost, found = tile_losses(_cut(image, tile), tf.constant(tile.core), _part(targets.content, tile))
            content = lost if content is None else content + lost
            sums = {name: sums[name] + found[name] for name in found} if sums else dict(found)
        report, by_sums = join(image, content, sums, _positions(image, layers), targets.style, weights)
        return report, dict(by_sums)

    def _gradient(self, image: Any, layers: Layers, targets: Targets, weights: Any, by_sums: Mapping[str, Any]) -> Any:
        """The second pass: the total's gradient at the picture."""
        program = self._network.program("tile gradient", layers, self._trace_gradient)
        whole = self._network.program("tile tv", layers, _trace_tv)(image, weights)
        height, width = image.shape[1:3]
        for tile in self._tiles(image, layers.all):
            found = program(
                _cut(image, tile), tf.constant(tile.core), _part(targets.content, tile), dict(by_sums), weights
            )
            around = [
                [0, 0],
                [tile.rows.start, height - tile.rows.stop],
                [tile.columns.start, width - tile.columns.stop],
                [0, 0],
            ]
            whole += tf.pad(found, around)
        return whole

    def _trace_content(self, layers: Layers) -> Any:
        extract = self._network.extractor(layers.content)

        def content(image: Any, box: Any) -> Any:
            features = extract(image)
            return {layer: _core(features[layer], layer, box) for layer in layers.content}

        return tf.function(content, autograph=False, input_signature=[PICTURE, _BOX])

    def _trace_style(self, layers: Layers) -> Any:
        extract = self._network.extractor(layers.style)
        return tf.function(
            lambda image, box: style_sums(_cores(extract(image), layers.style, box), layers),
            autograph=False,
            input_signature=[PICTURE, _BOX],
        )

    def _trace_losses(self, layers: Layers) -> Any:
        extract = self._network.extractor(layers.all)

        def losses(image: Any, box: Any, content: Any) -> Any:
            cores = _cores(extract(image), layers.all, box)
            return _content_losses(cores, content, layers), style_sums(cores, layers)

        specs = self._network.target_specs(layers)
        return tf.function(losses, autograph=False, input_signature=[PICTURE, _BOX, specs[0]])

    def _trace_join(self, layers: Layers) -> Any:
        _, style_specs, weight_specs = self._network.target_specs(layers)

        def join(image: Any, content: Any, sums: Any, counts: Any, style: Any, weights: Any) -> Any:
            tv = total_variation(image)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(sums)
                losses = style_losses(style_statistics(sums, counts, layers), layers, Targets({}, style))
                report = joined_report(content, losses, tv, weights)
                total = report[-1]
            return report, tape.gradient(total, sums)

        counts = {layer: tf.TensorSpec([], tf.float32) for layer in layers.style}
        content = tf.TensorSpec([len(layers.content)], tf.float32)
        signature = [PICTURE, content, style_specs, counts, style_specs, weight_specs]
        return tf.function(join, autograph=False, input_signature=signature)

    def _trace_gradient(self, layers: Layers) -> Any:
        extract = self._network.extractor(layers.all)
        content_specs, style_specs, weight_specs = self._network.target_specs(layers)

        def gradient(image: Any, box: Any, content: Any, by_sums: Any, weights: Any) -> Any:
            content_weights, _, factors = weights
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(image)
                cores = _cores(extract(image), layers.all, box)
                kept = factors[0] * tf.reduce_sum(content_weights * _content_losses(cores, content, layers))
                sums = style_sums(cores, layers)
                total = kept + tf.add_n([tf.reduce_sum(by_sums[layer] * sums[layer]) for layer in layers.style])
            return tape.gradient(total, image)

        signature = [PICTURE, _BOX, content_specs, style_specs, weight_specs]
        return tf.function(gradient, autograph=False, input_signature=signature)


def _trace_tv(layers: Layers) -> Any:
    """The gradient of the total variation's share of the total, which needs no network."""
    vectors = tuple(tf.TensorSpec([length], tf.float32) for length in (len(layers.content), len(layers.style), 3))

    def gradient(image: Any, weights: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            total = weights[2][2] * total_variation(image)
        return tape.gradient(total, image)

    return tf.function(gradient, autograph=False, input_signature=[PICTURE, vectors])


def _trace_step(optimizer: Optimizer, state: Any) -> Any:
    signature = [any_size(state), PICTURE, tf.TensorSpec([], tf.float32), PICTURE]
    return tf.function(optimizer.step, autograph=False, input_signature=signature)


def _cut(image: Any, tile: Tile) -> Any:
    return image[:, tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop]


def _stride(layer: str) -> int:
    """How many pixels a position of the layer stands for, down and across."""
    return 1 << (int(layer[5]) - 1)


def _part(content: Mapping[str, Any], tile: Tile) -> dict[str, Any]:
    """What the tile's core is to keep, of the whole picture's content features."""
    parts = {}
    for layer, features in content.items():
        stride = _stride(layer)
        rows, columns = (slice(s.start // stride, s.stop // stride) for s in (tile.core_rows, tile.core_columns))
        parts[layer] = features[:, rows, columns]
    return parts


def _core(features: Any, layer: str, box: Any) -> Any:
    """The positions of a tile's features that belong to its core."""
    top, left, bottom, right = tf.unstack(box // _stride(layer))
    return features[:, top:bottom, left:right]


def _cores(features: Mapping[str, Any], layers: tuple[str, ...], box: Any) -> dict[str, Any]:
    return {layer: _core(features[layer], layer, box) for layer in layers}


def _content_losses(features: Mapping[str, Any], targets: Mapping[str, Any], layers: Layers) -> Any:
    return tf.stack([content_loss(features[layer], targets[layer]) for layer in layers.content])


def _positions(image: Any, layers: Layers) -> dict[str, Any]:
    """The number of positions per style layer of a whole picture."""
    height, width = image.shape[1:3]
    return {
        layer: tf.constant((height // _stride(layer)) * (width // _stride(layer)), tf.float32) for layer in layers.style
    }
