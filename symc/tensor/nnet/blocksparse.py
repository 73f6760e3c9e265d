"""Products with matrices of blocks of which only some are used, and the hierarchical softmax."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...errors import user_message
from ...ops.advanced import advanced_index
from ...ops.alloc import arange, zeros
from ...ops.control import Assert
from ...ops.dot import dot, tensordot
from ...ops.math import and_
from ...ops.reduce import all as all_
from ...ops.reduce import sum as sum_
from ...ops.softmax import softmax
from ...ops.write import inc_subtensor

__all__ = ["SparseBlockGemv", "SparseBlockOuter", "h_softmax", "sparse_block_dot"]


def sparse_block_dot(W: Any, h: Any, inputIdx: Any, b: Any, outputIdx: Any) -> Any:
    """Return products of blocks: ``y[n, j] = b[o[n, j]] + sum_i h[n, i] . W[k[n, i], o[n, j]]``.

    Parameters
    ----------
    W : tensor4_like, (input blocks, output blocks, input size, output size)
    h : tensor3_like, (batch, used input blocks, input size)
        A matrix is a batch of one, and then the result is a matrix.
    inputIdx : integer matrix_like, (batch, used input blocks)
        k above.
    b : matrix_like, (output blocks, output size)
    outputIdx : integer matrix_like, (batch, wanted output blocks)
        o above.

    Returns
    -------
    tensor3, (batch, wanted output blocks, output size)
    """
    W, h, k, b, o = map(as_tensor_variable, (W, h, inputIdx, b, outputIdx))
    single = h.type.ndim == 2
    if single:
        h = h.dimshuffle("x", 0, 1)
        k, o = (v.dimshuffle("x", 0) if v.type.ndim == 1 else v for v in (k, o))
    ranks = tuple(v.type.ndim for v in (W, h, k, b, o))
    if ranks != (4, 3, 2, 2, 2):
        raise TypeError(
            user_message(
                "sparse_block_dot: operands of the wrong rank",
                got=f"{ranks} axes of W, h, inputIdx, b and outputIdx",
                expected="(4, 3, 2, 2, 2)",
            )
        )
    blocks = advanced_index(W, [k.dimshuffle(0, 1, "x"), o.dimshuffle(0, "x", 1)])
    products = h.dimshuffle(0, 1, "x", 2, "x") * blocks
    y = sum_(products, axis=(1, 3)) + advanced_index(b, [o])
    return y[0] if single else y


def h_softmax(
    x: Any,
    batch_size: Any,
    n_outputs: Any,
    n_classes: Any,
    n_outputs_per_class: Any,
    W1: Any,
    b1: Any,
    W2: Any,
    b2: Any,
    target: Any = None,
) -> Any:
    """Return probabilities of a softmax of two levels: a class, then an output in it.

    Parameters
    ----------
    x : matrix_like, (batch_size, features)
    batch_size, n_outputs, n_classes, n_outputs_per_class : int or 0-d integer tensor
        ``n_classes * n_outputs_per_class`` is at least `n_outputs`.
    W1, b1 : tensor_like, (features, n_classes) and (n_classes,)
        Of the first level.
    W2, b2 : tensor_like, (n_classes, features, n_outputs_per_class) and (n_classes,
        n_outputs_per_class)
        Of the second.
    target : integer vector_like, (batch_size,), optional
        Computes only the probability of one output for each row.

    Returns
    -------
    tensor
        (batch_size, n_outputs), or (batch_size,) with `target`.

    Raises
    ------
    AssertionError
        When run with a target outside [0, n_outputs).
    """
    x, w_classes, w_outputs, bias = map(as_tensor_variable, (x, W1, W2, b2))
    classes = softmax(dot(x, w_classes) + b1)
    if target is None:
        inside = softmax(tensordot(x, w_outputs, axes=[[1], [1]]) + bias)
        joint = classes.dimshuffle(0, 1, "x") * inside
        wide = joint.reshape((batch_size, n_classes * n_outputs_per_class), ndim=2)
        return wide[:, :n_outputs]
    target = as_tensor_variable(target).flatten()
    inside = all_(and_(target >= 0, target < n_outputs))
    target = Assert("h_softmax: targets are outputs, from 0 to n_outputs - 1")(target, inside)
    which, place = target // n_outputs_per_class, target % n_outputs_per_class
    blocks = advanced_index(w_outputs, [which])
    scores = sum_(x.dimshuffle(0, 1, "x") * blocks, axis=1) + advanced_index(bias, [which])
    row = arange(batch_size)
    return advanced_index(classes, [row, which]) * advanced_index(softmax(scores), [row, place])


class SparseBlockGemv:
    """``op(o, W, h, inputIdx, outputIdx)``: `o` plus products of blocks."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def __call__(self, o: Any, W: Any, h: Any, inputIdx: Any, outputIdx: Any) -> Any:
        """Return ``o[n, j] + sum_i h[n, i] . W[inputIdx[n, i], outputIdx[n, j]]``."""
        o, W = as_tensor_variable(o), as_tensor_variable(W)
        none = zeros((W.shape[1], W.shape[3]), dtype=W.type.dtype)
        return o + sparse_block_dot(W, h, inputIdx, none, outputIdx)


class SparseBlockOuter:
    """``op(o, x, y, xIdx, yIdx, alpha)``: `o` plus outer products in some of its blocks."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def __call__(
        self, o: Any, x: Any, y: Any, xIdx: Any, yIdx: Any, alpha: Any = None
    ) -> Any:
        """Return `o` with ``alpha * outer(x[n, i], y[n, j])`` added at ``xIdx[n, i], yIdx[n, j]``.

        `o` has shape (blocks of x, blocks of y, size of x, size of y).
        """
        o, x, y, k, m = map(as_tensor_variable, (o, x, y, xIdx, yIdx))
        outer = x.dimshuffle(0, 1, "x", 2, "x") * y.dimshuffle(0, "x", 1, "x", 2)
        outer = outer if alpha is None else outer * alpha
        return inc_subtensor(o[k.dimshuffle(0, 1, "x"), m.dimshuffle(0, "x", 1)], outer)
