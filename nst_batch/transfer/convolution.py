"""One frozen layer: a convolution, a bias and a ReLU, with a gradient for its input alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nst_batch.transfer.device import Formulation
from nst_batch.transfer.spec import Precision
from nst_batch.transfer.tensors import Feature


class Convolution:
    """ReLU(conv3×3(x) + bias) of one frozen layer, in one precision, with a gradient for x only.

    There is no work for the kernel's gradient. The gradient of a convolution with stride 1 is a convolution with the
    turned kernel, and a transposed convolution is the same once more: ``formulation`` says which operation computes
    what.
    """

    def __init__(self, kernel: Any, bias: Any, precision: Precision, formulation: Formulation = "plain") -> None:
        self.bias = tf.cast(tf.convert_to_tensor(bias), precision)
        self.precision = precision
        self._formulation = formulation
        self._given = kernel
        self._kept: dict[str, Any] = {}

    @property
    def filters(self) -> int:
        """How many features it has at a position."""
        return int(self._given.shape[-1])

    def __call__(self, value: Feature) -> Feature:
        """(1, h, w, in) -> (1, h, w, out)."""

        def forward(x: Any) -> tuple[Any, Any]:
            y = self._forward(x)

            def backward(dy: Any) -> Any:
                return self._backward(tf.raw_ops.ReluGrad(gradients=dy, features=y))

            return y, backward

        return tf.custom_gradient(forward)(value)

    def _forward(self, x: Feature) -> Feature:
        """ReLU(conv(x) + bias)."""
        z = transposed(x, self._turned()) if self._formulation == "transposed" else plain(x, self.kernel)
        return tf.nn.relu(tf.nn.bias_add(z, self.bias))

    def _backward(self, dz: Feature) -> Feature:
        """The gradient at x, from that at conv(x) + bias."""
        return plain(dz, self._turned()) if self._formulation == "forward" else transposed(dz, self.kernel)

    @property
    def kernel(self) -> Any:
        """(3, 3, in, out)."""
        return self._once("kernel", lambda: tf.cast(tf.convert_to_tensor(self._given), self.precision))

    def _turned(self) -> Any:
        """(3, 3, out, in)."""
        return self._once("turned", lambda: turned(self.kernel))

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """Made when it is first needed, then kept."""
        if name not in self._kept:
            with tf.init_scope():  # outside of the program being traced: others will use it too
                self._kept[name] = make()
        return self._kept[name]


def plain(value: Feature, kernel: Any) -> Feature:
    """The convolution with stride 1 by a kernel (…, in, out): (n, h, w, in) -> (n, h, w, out)."""
    return tf.nn.conv2d(value, kernel, strides=1, padding="SAME")


def transposed(value: Feature, kernel: Any) -> Feature:
    """The transposed convolution with stride 1 by a kernel (…, out, in): (n, h, w, in) -> (n, h, w, out)."""
    shape = tf.concat([tf.shape(value)[:3], [kernel.shape[2]]], axis=0)
    return tf.nn.conv2d_transpose(value, kernel, shape, strides=1, padding="SAME")


def turned(kernel: Any) -> Any:
    """(h, w, in, out), turned by 180°: (h, w, out, in)."""
    return tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
