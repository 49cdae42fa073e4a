"""The compact inverse Hessian against the two-loop recursion that it stands for, in float64."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import tensorflow as tf

from nst_batch.transfer.optimizers.curvature import Curvature

SIZE = 40
BOLDNESS = 1.7


@dataclass
class History:
    """Pairs of a quadratic, kept both ways; ``good`` ones are in ``pairs``."""

    room: int
    hessian: np.ndarray
    metric: np.ndarray
    curvature: Curvature = field(init=False)
    columns: list[tuple[np.ndarray, np.ndarray]] = field(init=False)
    pairs: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def __post_init__(self):
        none = tf.zeros([self.room - 1, self.room - 1])
        self.curvature = Curvature(none, none)
        self.columns = [(np.zeros(SIZE), np.zeros(SIZE))] * (self.room - 1)

    def inverse(self, move, vector, good):
        """H · vector after one more pair, as the engine computes it."""
        change = self.hessian @ move
        self.columns.append((move, self.metric @ change))
        self.pairs = [*self.pairs, (move, change) if good else None][-self.room :]
        moves, coarse_changes = (np.stack(part) for part in zip(*self.columns, strict=True))

        def product(matrix, other):
            return tf.constant(matrix @ other, tf.float32)

        curvature = self.curvature.grown(product(moves, change), product(coarse_changes, change), tf.constant(good))
        scale, weights = curvature.inverse(product(moves, vector), product(coarse_changes, vector), BOLDNESS)
        self.curvature = curvature.without_oldest()
        self.columns = self.columns[1:]
        return float(scale) * self.metric @ vector + weights.numpy() @ np.concatenate([moves, coarse_changes])

    def two_loops(self, vector):
        """Nocedal and Wright, Numerical Optimization, algorithm 7.4; H₀ = γ M."""
        pairs = [pair for pair in self.pairs if pair is not None]
        shares = []
        for move, change in reversed(pairs):
            shares.append(move @ vector / (move @ change))
            vector = vector - shares[-1] * change
        ratios = [move @ change / (change @ self.metric @ change) for move, change in pairs]
        vector = BOLDNESS * np.exp(np.mean(np.log(ratios))) * self.metric @ vector
        for (move, change), share in zip(pairs, reversed(shares), strict=True):
            vector = vector + move * (share - change @ vector / (move @ change))
        return vector


def definite(generator):
    """A symmetric matrix with eigenvalues from 1 to 1000."""
    rotation, _ = np.linalg.qr(generator.normal(size=(SIZE, SIZE)))
    return rotation @ np.diag(np.geomspace(1.0, 1000.0, SIZE)) @ rotation.T


@pytest.mark.parametrize("bad", [(), (0,), (3, 4), (11,)])
def test_it_is_the_two_loop_recursion(bad):
    """With fewer pairs than there is room for, with as many and more; ``bad`` ones count for nothing."""
    generator = np.random.default_rng(2)
    history = History(6, definite(generator), definite(generator))
    for number in range(12):
        move, vector = generator.normal(size=(2, SIZE)) * 10.0 ** generator.uniform(-3, 1, (2, 1))
        found = history.inverse(move, vector, good=number not in bad)
        if not any(pair is not None for pair in history.pairs):
            np.testing.assert_array_equal(found, np.zeros(SIZE))
            continue
        expected = history.two_loops(vector)
        assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


def test_what_is_dropped_counts_for_nothing():
    """A history whose products are set to zero is an empty one, whatever its columns are."""
    generator = np.random.default_rng(4)
    history = History(4, definite(generator), definite(generator))
    for _ in range(5):
        history.inverse(*generator.normal(size=(2, SIZE)), good=True)
    history.curvature = Curvature(tf.zeros_like(history.curvature.sy), history.curvature.ymy)
    history.pairs = []
    for _ in range(3):
        move, vector = generator.normal(size=(2, SIZE))
        np.testing.assert_allclose(history.inverse(move, vector, good=True), history.two_loops(vector), rtol=2e-3)
