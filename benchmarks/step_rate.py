"""How fast is a step? TensorFlow's tutorial and ours, interleaved, beside the machine's matrix products.

    python benchmarks/step_rate.py [--sizes 256 512] [--rounds 7] [--weights random] [--precision auto]

The share counts 2 · 9 · C_in · C_out · positions per convolution, forward and backward, against the rate of a
4096³ matrix product of the same precision, the better of TensorFlow's and NumPy's. Every round times each
contestant once, so a busy machine slows all of them; medians over the rounds are shown. The tutorial runs in a
process of its own, in which TensorFlow is as it comes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nst_batch.transfer.device import choose_device, prepare_tensorflow

prepare_tensorflow()
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, not as a module

import tensorflow as tf  # noqa: E402 - told to be quiet first

from benchmarks.tutorial import CONTENT_LAYERS, STYLE_LAYERS, TutorialProcess  # noqa: E402
from nst_batch.transfer.network import Network, load_network  # noqa: E402
from nst_batch.transfer.objectives.family import ScaleObjective, Targets  # noqa: E402
from nst_batch.transfer.objectives.gram import Gram  # noqa: E402
from nst_batch.transfer.optimizers.adam import Adam  # noqa: E402
from nst_batch.transfer.spec import (  # noqa: E402
    VGG19_LAYERS,
    AdamSpec,
    TransferSpec,
)
from nst_batch.transfer.weights import Weights, find_weights, layer_shape  # noqa: E402

SIDE = 4096


def convolution_flops(height: int, width: int) -> float:
    """Multiplications and additions of a step's convolutions, up to block5_conv2, forward and backward."""
    total = 0.0
    for layer in VGG19_LAYERS[: VGG19_LAYERS.index("block5_conv2") + 1]:
        halvings = int(layer[5]) - 1
        _, _, c_in, c_out = layer_shape(layer)
        total += 2 * 9 * c_in * c_out * (height >> halvings) * (width >> halvings)
    return 2 * total


def random_weights() -> Weights:
    """He-normal kernels: a step takes the same time whatever the numbers are."""
    generator = np.random.default_rng(0)
    kernels = {}
    for layer in VGG19_LAYERS:
        shape = layer_shape(layer)
        scale = np.float32(np.sqrt(2.0 / (9 * shape[2])))
        kernels[layer] = (
            generator.standard_normal(shape, np.float32) * scale,
            np.zeros(shape[-1], np.float32),
        )
    return Weights("random", None, "", kernels)


def our_step(network: Network, content: NDArray[np.float32], style: NDArray[np.float32]) -> Callable[[], None]:
    """One step of the engine, as NeuralStyleModel runs it: Adam, classic's layers."""
    family = Gram(CONTENT_LAYERS, STYLE_LAYERS)
    targets = Targets(
        network.content_features(tf.constant(content), family),
        network.style_statistics(tf.constant(style), family),
    )
    height, width = content.shape[1:3]
    even = dict.fromkeys(STYLE_LAYERS, 1.0)
    spec = TransferSpec(height, width, dict.fromkeys(CONTENT_LAYERS, 1.0), even, 100.0, 1e4, 5.0)
    objective = ScaleObjective(network, family, (targets,), family.balance(spec, targets, height * width))
    optimizer = Adam(AdamSpec())
    image = tf.constant(content)
    at = [image, optimizer.init(image)]

    def step() -> None:
        reports, _, (at[0],), (at[1],) = objective.advance(*at, [0], optimizer)
        reports.numpy()

    return step


def matrix_products(precision: str) -> dict[str, Callable[[], object]]:
    """Products of two SIDE × SIDE matrices in that precision, by TensorFlow and, in float32, by NumPy."""
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    tensor = tf.cast(tf.constant(a), precision)
    # One number back, so that a device that works on its own has finished.
    products: dict[str, Callable[[], object]] = {"tensorflow": lambda: float(tf.matmul(tensor, tensor)[0, 0])}
    if precision == "float32":
        products["numpy"] = lambda: a @ a
    return products


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(size: int, rounds: int, weights: Weights, network: Network) -> dict[str, list[float]]:
    """Seconds of every contestant in every round."""
    generator = np.random.default_rng(1)
    content, style = (generator.random((1, size, size, 3), np.float32) for _ in range(2))
    with TutorialProcess(content, style, weights.kernels, network.device.kind) as tutorial:
        contestants: dict[str, Callable[[], object]] = {
            "tutorial": tutorial.step,
            "ours": our_step(network, content, style),
            **matrix_products(network.precision),
        }
        for work in contestants.values():
            work()
            work()
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, work in contestants.items():
                seconds[name].append(timed(work))
        return seconds


def show(size: int, seconds: dict[str, list[float]]) -> None:
    """One row of the table."""
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = statistics.median(t / o for t, o in zip(seconds["tutorial"], seconds["ours"], strict=True))
    product = min(middle[name] for name in ("tensorflow", "numpy") if name in middle)
    ours = convolution_flops(size, size) / middle["ours"] / 1e9
    limit = 2 * SIDE**3 / product / 1e9
    print(
        f"{size:>5} {middle['tutorial']:>10.3f} {middle['ours']:>8.3f} {ratio:>7.2f}"
        f" {ours:>9.0f} {limit:>9.0f} {100 * ours / limit:>6.0f} %",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--weights", default="random", help="random, untrained, auto or a path")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    weights = random_weights() if options.weights == "random" else find_weights(options.weights)
    network = load_network(weights, precision=options.precision, device=choose_device(options.device))
    print(f"{network.device.name}, ours in {network.precision}; seconds a step, GFLOP/s")
    print(" size   tutorial     ours   ratio      ours   product  share")
    for size in options.sizes:
        show(size, measure(size, options.rounds, weights, network))


if __name__ == "__main__":
    main()
