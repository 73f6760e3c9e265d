"""Connectionist temporal classification: the cost of a labelling that is not aligned.

The probability of a labelling is the sum over all alignments of it, with blanks (symbol 0) and
repetitions, to the steps of the input; Graves et al. (2006), "Connectionist temporal
classification: labelling unsegmented sequence data with recurrent neural networks". The sums over
beginnings and over ends of alignments are computed with logarithms: by NumPy for the whole batch at
once, in compiled functions by the loops of `symc.ops.alignments`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.type import TensorType
from ..dtypes import is_discrete, is_float
from ..errors import ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from ..graph.trace import user_line
from .alignments import LABEL, LENGTH, write_alignments

BAD_LABEL = "ctc: a label is no class: {0} of {1} classes"
BAD_LENGTH = "ctc: an input has {0} steps, the activations have {1}"

__all__ = ["CTCCosts", "ConnectionistTemporalClassification", "ctc"]

Array = Any


def _log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _with_blanks(labels: Array) -> tuple[Array, Array]:
    """Labels with a blank before, between and behind them; how many symbols there are."""
    count = (labels >= 0).cumprod(axis=1).sum(axis=1)
    symbols = np.zeros((labels.shape[0], 2 * labels.shape[1] + 1), np.int64)
    symbols[:, 1::2] = np.where(labels >= 0, labels, 0)
    return symbols, 2 * count + 1


def _may_skip(symbols: Array) -> Array:
    """Whether a path may come to a symbol from the last but one: two labels that differ."""
    skip = np.zeros(symbols.shape, bool)
    first, second = symbols[:, :-2], symbols[:, 2:]
    skip[:, 2:] = (first != 0) & (second != 0) & (first != second)
    return skip


def _shifted(a: Array, by: int) -> Array:
    """Every row moved to the right, with log 0 behind it."""
    moved = np.full_like(a, -np.inf)
    moved[:, by:] = a[:, : a.shape[1] - by]
    return moved


def _step(before: Array, skip: Array) -> Array:
    total = np.logaddexp(before, _shifted(before, 1))
    return np.logaddexp(total, np.where(skip, _shifted(before, 2), -np.inf))


def _beginnings(emitted: Array, skip: Array, counts: Array) -> Array:
    """Log probability, per step, row and symbol, of all beginnings that end there."""
    inside = np.arange(emitted.shape[2]) < counts[:, None]
    alpha = np.full(emitted.shape, -np.inf)
    alpha[0, :, :2] = np.where(inside, emitted[0], -np.inf)[:, :2]
    for t in range(1, len(emitted)):
        alpha[t] = np.where(inside, _step(alpha[t - 1], skip) + emitted[t], -np.inf)
    return alpha


def _turned(symbols: Array, counts: Array) -> Array:
    """Positions that turn the first `counts` symbols of every row round."""
    place = np.arange(symbols.shape[1])
    return np.where(place < counts[:, None], counts[:, None] - 1 - place, place)


def _costs(x: Array, labels: Array, lengths: Array) -> tuple[Array, Array]:
    """Minus the log probability of each labelling, and its gradient."""
    steps, batch, classes = x.shape
    logp = _log_softmax(x.astype(np.float64))
    symbols, counts = _with_blanks(labels)
    rows = np.arange(batch)
    emitted = logp[:, rows[:, None], symbols]
    alpha = _beginnings(emitted, _may_skip(symbols), counts)
    turn = _turned(symbols, counts)
    back = np.take_along_axis(symbols, turn, 1)
    time = np.arange(steps)[:, None]
    when = np.where(time < lengths, lengths - 1 - time, time)
    late = logp[when[:, :, None], rows[None, :, None], back[None]]
    beta = _beginnings(late, _may_skip(back), counts)
    beta = np.take_along_axis(beta[when, rows], turn[None], 2)
    last, end = np.maximum(lengths - 1, 0), counts - 1
    total = np.logaddexp(
        alpha[last, rows, end],
        np.where(end > 0, alpha[last, rows, np.maximum(end - 1, 0)], -np.inf),
    )
    through = np.exp(alpha + beta - emitted - total[None, :, None])
    through[np.isneginf(emitted)] = 0  # no path is there, and infinities were subtracted
    share = np.zeros((steps, batch, classes))
    for s in range(symbols.shape[1]):
        used = s < counts
        share[:, rows[used], symbols[used, s]] += through[:, used, s]
    running = (time < lengths)[:, :, None] & ~np.isneginf(total)[None, :, None]
    gradient = np.where(running, np.exp(logp) - share, 0)
    return np.where(lengths > 0, -total, 0), gradient


class ConnectionistTemporalClassification(BuiltinOp):
    """Costs of labellings, and the gradient with respect to the activations.

    Operands are the activations (steps, batch, classes) before softmax, labels (batch, longest)
    padded with negative numbers, and the lengths of the inputs (batch). A labelling that does not
    fit into its input costs infinity, and its gradient is zero.

    Parameters
    ----------
    compute_grad : bool
        Taken for compatibility; the gradient is computed where it is used.
    openmp : object
        Taken for compatibility.
    """

    __props__ = ("compute_grad",)
    default_output = 0
    reasons: ClassVar[dict[int, tuple[str, str]]] = {
        LABEL: ("value", BAD_LABEL),
        LENGTH: ("value", BAD_LENGTH),
    }

    def __init__(self, compute_grad: bool = True, openmp: Any = None) -> None:
        self.compute_grad = bool(compute_grad)

    def make_node(self, activations: Any, labels: Any, input_lengths: Any) -> Apply:
        x, labels, lengths = map(as_tensor_variable, (activations, labels, input_lengths))
        wanted = ((x, 3, is_float), (labels, 2, is_discrete), (lengths, 1, is_discrete))
        for v, ndim, kind in wanted:
            if v.type.ndim != ndim or not kind(v.type.dtype):
                raise TypeError(
                    user_message(
                        "ctc: an operand has the wrong type",
                        got=f"{v} of type {v.type}",
                        expected="float activations of 3 axes, integer labels of 2, lengths of 1",
                        where=user_line(v) or None,
                    )
                )
        costs = TensorType(x.type.dtype, (x.type.broadcastable[1],))()
        return Apply(self, [x, labels, lengths], [costs, x.type()])

    def numpy(self, *arrays: Any) -> Any:
        x, labels, lengths = arrays
        if not x.shape[1] == labels.shape[0] == lengths.shape[0]:
            raise ShapeError(
                user_message(
                    "ctc: batches of different sizes",
                    got=f"activations {x.shape}, labels {labels.shape}, lengths {lengths.shape}",
                )
            )
        wrong = (lengths > x.shape[0]) | (lengths < 0)
        if wrong.any():
            raise ShapeError(BAD_LENGTH.format(lengths[wrong][0], x.shape[0]))
        if (labels >= x.shape[2]).any():
            raise ShapeError(BAD_LABEL.format(labels.max(), x.shape[2]))
        if 0 in x.shape:
            return np.zeros(x.shape[1], x.dtype), np.zeros_like(x)
        with np.errstate(all="ignore"):
            return _costs(x, labels, lengths.astype(np.int64))

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, labels, lengths = in_shapes
        message = "ctc: batches of sizes {0} and {1}"
        batch = ctx.equal(x[1], labels[0], message)
        ctx.equal(x[1], lengths[0], message)
        return [(batch,), x]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Inputs of the batch in parallel, with all logarithms in float64."""
        write_alignments(b, ins, outs)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the activations determine both results."""
        return [[True, False], [False, False], [False, False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        g = g_outputs[0]
        rest = [disconnected_type(), disconnected_type()]
        if isinstance(g.type, DisconnectedType):
            return [g, *rest]
        return [outputs[1] * g.dimshuffle("x", 0, "x"), *rest]


class CTCCosts(ConnectionistTemporalClassification):
    """The costs alone: what is left where no gradient is used."""

    def make_node(self, activations: Any, labels: Any, input_lengths: Any) -> Apply:
        node = super().make_node(activations, labels, input_lengths)
        return Apply(self, node.inputs, [node.outputs[0].type()])

    def numpy(self, *arrays: Any) -> Any:
        return super().numpy(*arrays)[0]

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return super().shape(node, in_shapes, ctx)[:1]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the activations determine the result."""
        return [[True], [False], [False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        both = ConnectionistTemporalClassification(self.compute_grad).make_node(*inputs).outputs
        return super().L_op(inputs, both, g_outputs)


def ctc(activations: Any, labels: Any, input_lengths: Any) -> Any:
    """Return the cost of each labelling of a batch: minus the logarithm of its probability.

    Parameters
    ----------
    activations : float tensor3_like, (steps, batch, classes)
        Before softmax; class 0 is the blank.
    labels : integer matrix_like, (batch, longest)
        Rows shorter than the longest are padded with negative numbers.
    input_lengths : integer vector_like, (batch,)
        Number of steps of each input.

    Returns
    -------
    vector, (batch,)
    """
    return ConnectionistTemporalClassification()(activations, labels, input_lengths)
