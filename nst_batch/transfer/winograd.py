"""3 × 3 convolutions with half the products, by Winograd's F(4, 3) down the rows of a picture.

Four rows of a result are, in each column, the product of two polynomials (Toom and Cook; Winograd 1980; Lavin and Gray
2016 for networks): six rows of the picture, and the three of the kernel, are evaluated at six points, multiplied point
by point, and the four rows are read from the six products. A product of a point is a convolution of 1 × 3, so that four
rows ask for 6 · 3 products a column and pair of channels, not for 4 · 9. Both evaluations are matrix products with all
rows, and as fast as those.

The points are 0, ± 5/8, ± 3/2 and infinity: of those for which all numbers of the matrices are exact in bfloat16, they
err least there (0.6 % of a convolution's result where the plain way errs by 0.2 %; 1e-6 in float32).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.convolution import Convolution, plain, transposed, turned
from nst_batch.transfer.spec import Precision
from nst_batch.transfer.tensors import Feature, Scalar

TILE = 4  # rows of the result that are made of one evaluation
POINTS = np.array([0.0, 0.625, -0.625, 1.5, -1.5])  # and infinity
MOST_JOINED = 3  # tiles in one matrix: they share rows

LEAST_CHANNELS = 128, 256  # of the fewer and the more of those in and out: where it is faster
MANY_POSITIONS = 1200  # from here on six convolutions are faster than one product of matrices


def repays(shape: Sequence[int]) -> bool:
    """Whether it is faster on a processor for a kernel (3, 3, in, out)."""
    fewer, more = sorted(shape[2:])
    return fewer >= LEAST_CHANNELS[0] and more >= LEAST_CHANNELS[1]


class Halved(Convolution):
    """A layer with half the products, on the way forward and on the way back."""

    def _forward(self, x: Feature) -> Feature:
        return self._convolved(x, self._once("forward", lambda: self._points(self._given)), self.bias)

    def _backward(self, dz: Feature) -> Feature:
        return self._convolved(dz, self._once("backward", lambda: self._points(turned(self._given))))

    def _points(self, kernel: Any) -> Any:
        points = evaluated(kernel, self.precision)
        return _turned_rows(points) if self._formulation == "transposed" else points

    def _convolved(self, value: Feature, *given: Any) -> Feature:
        specs = [tf.TensorSpec([1, None, None, value.shape[-1]], value.dtype)]
        specs += [tf.TensorSpec(each.shape, each.dtype) for each in given]
        # Its gradient is not asked for: without this one would be traced beside it.
        return program(self._formulation == "transposed", tuple(specs))(tf.stop_gradient(value), *given)


@cache
def program(by_transposed: bool, specs: tuple[Any, ...]) -> Any:
    """Traced once for all layers of one shape: what holds it is traced the sooner."""
    return tf.function(partial(convolved, by_transposed=by_transposed), autograph=False, input_signature=specs)


def evaluated(kernel: Any, precision: Precision) -> Any:
    """A kernel (3, 3, in, out) at the six points, evaluated in float32: kernels of 1 × 3, (6, 3, in, out)."""
    rows = tf.reshape(tf.cast(kernel, tf.float32), [3, -1])
    points = tf.constant(_OF_KERNEL, tf.float32) @ rows
    return tf.cast(tf.reshape(points, [6, *kernel.shape[1:]]), precision)


def convolved(value: Feature, points: Any, bias: Any = None, *, by_transposed: bool = False) -> Feature:
    """(1, h, w, in) -> (1, h, w, out), beyond whose edges there are zeros, by an :func:`evaluated` kernel.

    With a ``bias`` (out,) it is added, and a ReLU follows: both are steps of the last matrix product.
    ``by_transposed``: transposed convolutions are what is fast, and each of the points' rows is turned for them.
    """
    height, width = tf.unstack(tf.shape(value)[1:3])
    joined = _tiles_joined(height)
    step = TILE * joined
    count = -(-height // step)
    seen = _evaluated_rows(value, joined, count)
    if by_transposed:
        products = _by_convolutions(seen, points, transposed)
    else:
        products = tf.cond(
            height * width >= MANY_POSITIONS,
            lambda: _by_convolutions(seen, points, plain),
            lambda: _by_one_product(seen, points),
        )
    filters = products.shape[-1]
    after = tf.reshape(tf.constant(AFTER, value.dtype)[:step, :, :joined], [step, 6 * joined])
    made = after @ tf.reshape(products, [6 * joined, count * width * filters])
    if bias is not None:
        made = tf.nn.relu(tf.nn.bias_add(made, tf.tile(bias, [count * width])))
    made = tf.transpose(tf.reshape(made, [step, count, width * filters]), [1, 0, 2])
    made = tf.reshape(made, [count * step, width * filters])[:height]
    return tf.reshape(made, [1, height, width, filters])


def _evaluated_rows(value: Feature, joined: Scalar, count: Scalar) -> Feature:
    """(1, h, w, in) -> (6, joined · count, w, in): each tile's rows at the six points."""
    height, width = tf.unstack(tf.shape(value)[1:3])
    channels, step = value.shape[-1], TILE * joined
    rows = tf.pad(tf.reshape(value, [height, width * channels]), [[1, count * step - height + 1], [0, 0]])
    rows = tf.gather(rows, tf.range(step + 2)[:, tf.newaxis] + step * tf.range(count))
    before = tf.reshape(tf.constant(BEFORE, value.dtype)[:, :joined, : step + 2], [6 * joined, step + 2])
    return tf.reshape(before @ tf.reshape(rows, [step + 2, -1]), [6, joined * count, width, channels])


def _by_convolutions(seen: Feature, points: Any, way: Callable[[Feature, Any], Feature]) -> Feature:
    """(6, n, w, in) -> (6, n, w, out), each with its own kernel of one row."""
    pairs = zip(tf.split(seen, 6), tf.split(points, 6), strict=True)
    return tf.concat([way(*each) for each in pairs], axis=0)


def _by_one_product(seen: Feature, points: Any) -> Feature:
    """The same, with each pixel's neighbours beside it: convolutions lay their kernels anew at every call."""
    _, rows, width, _ = tf.unstack(tf.shape(seen))
    channels, filters = points.shape[2:]
    around = tf.pad(seen, [[0, 0], [0, 0], [1, 1], [0, 0]])
    beside = tf.concat([around[:, :, :-2], seen, around[:, :, 2:]], axis=3)
    products = tf.reshape(beside, [6, rows * width, 3 * channels]) @ tf.reshape(points, [6, 3 * channels, filters])
    return tf.reshape(products, [6, rows, width, filters])


def _turned_rows(points: Any) -> Any:
    """(6, 3, in, out), each of the six turned by 180°: (6, 3, out, in)."""
    return tf.transpose(tf.reverse(points, [1]), [0, 1, 3, 2])


def _tiles_joined(height: Scalar) -> Scalar:
    """The number of tiles for one matrix that costs least: more share more rows, and leave more beyond the end."""
    joined = tf.range(1, MOST_JOINED + 1)
    rows = tf.cast(height + -height % (TILE * joined), tf.float32)
    return 1 + tf.argmin(rows * (1.0 + 0.1 / tf.cast(joined, tf.float32)), output_type=tf.int32)


def _matrices() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What evaluates rows (6, 6) and kernels (6, 3), and what reads the results from the products (4, 6).

    That of the rows is the transposed inverse of an evaluation; the size of each of its rows, a power of two near 1,
    is made up for in the kernel's.
    """

    def evaluation(length: int) -> NDArray[np.float64]:
        return np.vstack([POINTS[:, np.newaxis] ** np.arange(length), np.eye(length)[-1]])

    before = np.linalg.inv(evaluation(6)).T
    leading = np.array([row[np.flatnonzero(np.abs(row) > 1e-9)[-1]] for row in before])
    exact = np.round(before / leading[:, np.newaxis] * 4096.0) / 4096.0
    size = np.exp2(np.round(np.log2(np.linalg.norm(exact, axis=1))))
    return exact / size[:, np.newaxis], evaluation(3) * (leading * size)[:, np.newaxis], evaluation(TILE).T


def _of_joined(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """For ``MOST_JOINED`` tiles one below the other: (6, tile, row taken) and (row made, 6, tile)."""
    taken = np.zeros((6, MOST_JOINED, MOST_JOINED * TILE + 2), np.float32)
    made = np.zeros((MOST_JOINED * TILE, 6, MOST_JOINED), np.float32)
    for tile in range(MOST_JOINED):
        taken[:, tile, tile * TILE : tile * TILE + 6] = before
        made[tile * TILE : (tile + 1) * TILE, :, tile] = after
    return taken, made


_ROWS, _OF_KERNEL, _FROM_PRODUCTS = _matrices()
BEFORE, AFTER = _of_joined(_ROWS, _FROM_PRODUCTS)
