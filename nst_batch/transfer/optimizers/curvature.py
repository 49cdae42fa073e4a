"""What a history of L-BFGS pairs says of the inverse Hessian, in the products of its pairs alone.

The pairs are columns of S (moves) and Y (changes of the gradient on them), oldest first, and the first guess of the
inverse Hessian is γ M. With R the upper triangle of SᵀY, D its diagonal and p = R⁻¹ Sᵀv, the compact form (Byrd,
Nocedal and Schnabel 1994, theorem 2.2) of what the two-loop recursion computes is

    H v = γ (M v − M Y p) + S R⁻ᵀ (D p − γ (YᵀM v − YᵀM Y p)).

So all that has to be asked of pictures are two products: of S and MY with what is new, and their combination. The
recursion asks for as many as 80, one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from nst_batch.transfer.tensors import Matrix, Scalar, Vector


class Curvature(NamedTuple):
    """R and YᵀMY of a history of n pairs, both (n, n). A pair of no use has a row and a column of zeros in both."""

    sy: Matrix
    ymy: Matrix

    def grown(self, moves: Vector, coarse_changes: Vector, good: Scalar) -> Curvature:
        """With one more pair: ``moves`` Sᵀy and ``coarse_changes`` YᵀMy of its y, the newest, itself included.

        Where it is not ``good`` it is a pair of no use.
        """
        sy = tf.concat([tf.pad(self.sy, [[0, 1], [0, 0]]), moves[:, tf.newaxis]], axis=1)
        above = tf.concat([self.ymy, coarse_changes[:-1, tf.newaxis]], axis=1)
        ymy = tf.concat([above, coarse_changes[tf.newaxis]], axis=0)
        useful = tf.concat([tf.linalg.diag_part(self.sy) > 0.0, [good]], axis=0)
        both = useful & useful[:, tf.newaxis]
        return Curvature(tf.where(both, sy, 0.0), tf.where(both, ymy, 0.0))

    def without_oldest(self) -> Curvature:
        return Curvature(self.sy[1:, 1:], self.ymy[1:, 1:])

    def inverse(self, moves: Vector, coarse_changes: Vector, boldness: Scalar) -> tuple[Scalar, Vector]:
        """γ, and how much of each column of S, then of MY, H v has beside γ M v; all zeros where there is no pair.

        ``moves`` Sᵀv, ``coarse_changes`` YᵀMv. γ is ``boldness`` times the geometric mean of s·y / y·My over the pairs.
        """
        diagonal = tf.linalg.diag_part(self.sy)
        useful = diagonal > 0.0
        triangle = self.sy + tf.linalg.diag(tf.cast(~useful, tf.float32))
        scale = boldness * self._scale(useful)
        part = _solved(triangle, tf.where(useful, moves, 0.0))
        rest = scale * (tf.where(useful, coarse_changes, 0.0) - tf.linalg.matvec(self.ymy, part))
        return scale, tf.concat([_solved(triangle, diagonal * part - rest, adjoint=True), -scale * part], axis=0)

    def _scale(self, useful: Vector) -> Scalar:
        """The geometric mean of s·y / y·My over the pairs; 0 where there is none."""
        ratios = tf.where(useful, tf.linalg.diag_part(self.sy) / tf.linalg.diag_part(self.ymy), 1.0)
        count = tf.reduce_sum(tf.cast(useful, tf.float32))
        mean = tf.exp(tf.math.divide_no_nan(tf.reduce_sum(tf.math.log(ratios)), count))
        return tf.where(count > 0.0, mean, 0.0)


def _solved(triangle: Matrix, right: Vector, *, adjoint: bool = False) -> Vector:
    """Of an upper triangle, or of its transpose."""
    return tf.linalg.triangular_solve(triangle, right[:, tf.newaxis], lower=False, adjoint=adjoint)[:, 0]
