"""Counting, unique elements, flat positions, permutations, diagonals, windows and spacings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.type import TensorType
from ..dtypes import canonical, is_discrete, upcast
from ..errors import DTypeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import NullType, disconnected_type
from ..graph.trace import user_line
from .advanced import advanced_index
from .alloc import arange, broadcast_to
from .axes import normalize_axis
from .elemwise import cast
from .math import eq, maximum, minimum, switch
from .reduce import zero_gradient
from .sort import argsort, positions_along
from .vector import get_vector_length
from .write import set_subtensor

__all__ = [
    "BinCount",
    "RavelMultiIndex",
    "Unique",
    "UnravelIndex",
    "bartlett",
    "bincount",
    "default",
    "fill_diagonal",
    "fill_diagonal_offset",
    "inverse_permutation",
    "linspace",
    "logspace",
    "permute_row_elements",
    "ravel_multi_index",
    "unique",
    "unravel_index",
]


def _integers(x: Any, what: str) -> Any:
    """`x` as a tensor variable of integers."""
    x = as_tensor_variable(x)
    if not is_discrete(x.type.dtype) or x.type.dtype == "bool":
        raise DTypeError(
            user_message(f"{what} must be integers", got=str(x.type), where=user_line(x) or None)
        )
    return x


class _OfIntegers(BuiltinOp):
    """A function of integers: nothing is connected, there is no gradient."""

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that results are disconnected from all operands."""
        return [[False] * len(node.outputs) for _ in node.inputs]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [disconnected_type() for _ in inputs]


# ---------------------------------------------------------------------------------------------
# Counting
# ---------------------------------------------------------------------------------------------


class BinCount(BuiltinOp):
    """How often each number occurs in a vector, or the sum of the weights where it does.

    Operands: an integer vector, a least length (0-d int64), and perhaps a vector of weights.
    """

    __props__ = ()

    def make_node(self, x: Any, minlength: Any, *weights: Any) -> Apply:
        x = _integers(x, "what bincount counts")
        operands = [x, cast(_integers(minlength, "minlength of bincount"), "int64")]
        operands += [as_tensor_variable(w) for w in weights]
        if any(v.type.ndim != n for v, n in zip(operands, (1, 0, 1), strict=False)):
            raise TypeError(
                user_message(
                    "bincount takes vectors and a scalar minlength",
                    got=", ".join(str(v.type) for v in operands),
                )
            )
        dtype = operands[2].type.dtype if weights else "int64"
        return Apply(self, operands, [TensorType(dtype, (False,))()])

    def numpy(self, *arrays: Any) -> Any:
        x, minlength, *weights = arrays
        if len(x) and x.min() < 0:
            raise ValueError(f"bincount: numbers must not be negative, got {x.min()}")
        if weights and len(weights[0]) != len(x):
            raise ValueError(f"bincount: {len(x)} numbers and {len(weights[0])} weights")
        length = max(int(x.max(initial=0)) + 1 if len(x) else 0, int(minlength))
        counts = np.zeros(length, weights[0].dtype if weights else np.int64)
        np.add.at(counts, x, weights[0] if weights else 1)
        return counts

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [(ctx.unknown(0, 0),)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that only weights are connected."""
        return [[i == 2] for i in range(len(node.inputs))]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        terms = [disconnected_type(), disconnected_type()]
        if len(inputs) == 2:
            return terms
        if is_discrete(inputs[2].type.dtype):
            return [*terms, zero_gradient(inputs[2])]
        return [*terms, g_outputs[0][inputs[0]]]


def bincount(
    x: Any, weights: Any = None, minlength: Any = None, assert_nonneg: bool = False
) -> Any:
    """Return how often each of 0, 1, ... occurs in `x`, as `numpy.bincount`.

    Parameters
    ----------
    x : integer vector_like
    weights : vector_like, optional
        One for each element of `x`; their sums are returned instead of numbers of occurrences,
        in their dtype.
    minlength : int or integer scalar, optional
        Least length of the result.
    assert_nonneg : bool
        Accepted for Theano's sake: negative numbers are always an error.

    Raises
    ------
    ValueError
        When run with a negative number.
    """
    least = 0 if minlength is None else minlength
    return BinCount()(x, least, *([] if weights is None else [weights]))


# ---------------------------------------------------------------------------------------------
# Unique elements
# ---------------------------------------------------------------------------------------------


class Unique(BuiltinOp):
    """The sorted elements of a tensor, each once; see `unique`."""

    __props__ = ("return_index", "return_inverse", "return_counts", "axis")

    def __init__(
        self,
        return_index: bool = False,
        return_inverse: bool = False,
        return_counts: bool = False,
        axis: int | None = None,
    ) -> None:
        self.return_index = bool(return_index)
        self.return_inverse = bool(return_inverse)
        self.return_counts = bool(return_counts)
        self.axis = axis

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if self.axis is not None:
            normalize_axis(self.axis, x.type.ndim)
        ndim = 1 if self.axis is None else x.type.ndim
        extra = self.return_index + self.return_inverse + self.return_counts
        positions = [TensorType("int64", (False,))() for _ in range(extra)]
        return Apply(self, [x], [TensorType(x.type.dtype, (False,) * ndim)(), *positions])

    def numpy(self, *arrays: Any) -> Any:
        found = np.unique(  # type: ignore[call-overload]
            arrays[0], self.return_index, self.return_inverse, self.return_counts, self.axis
        )
        if not isinstance(found, tuple):
            return found
        return (found[0], *(np.asarray(f, np.int64).reshape(-1) for f in found[1:]))

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [
            tuple(ctx.unknown(k, d) for d in range(out.type.ndim))
            for k, out in enumerate(node.outputs)
        ]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that positions and numbers are disconnected."""
        return [[k == 0 for k in range(len(node.outputs))]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,) = inputs
        if is_discrete(x.type.dtype):
            return [zero_gradient(x)]
        return [NullType("the gradient of unique is not defined: equal elements share one")()]


def unique(
    x: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """Return the sorted elements of `x`, each once, as `numpy.unique`.

    Parameters
    ----------
    x : tensor_like
    return_index, return_inverse, return_counts : bool
        Also return where each element occurs first, the positions that make `x` (flattened) out
        of the unique elements, and how often each occurs: int64 vectors.
    axis : int, optional
        Compare whole slices along this axis; by default elements.

    Returns
    -------
    tensor, or list of tensor if more than one is asked for
    """
    return Unique(return_index, return_inverse, return_counts, axis)(x)


# ---------------------------------------------------------------------------------------------
# Flat positions
# ---------------------------------------------------------------------------------------------


def _dims(dims: Any, ndim: int | None) -> tuple[Any, int]:
    """`dims` as an int64 vector, and its length."""
    vector = as_tensor_variable(list(dims) if isinstance(dims, (list, tuple)) else dims)
    vector = cast(_integers(vector, "the lengths of the axes"), "int64")
    if vector.type.ndim != 1:
        raise TypeError(f"the lengths of the axes must be a vector, got {vector.type}")
    if ndim is not None:
        return vector, ndim
    try:
        return vector, get_vector_length(vector)
    except ValueError as error:
        raise ValueError("say how many axes there are: ndim=") from error


class UnravelIndex(_OfIntegers):
    """One position per axis for each flat position; operands: positions and lengths."""

    __props__ = ("ndim", "order")

    def __init__(self, ndim: int, order: Any = "C") -> None:
        if order not in ("C", "F"):
            raise ValueError(f"order must be 'C' or 'F', not {order!r}")
        self.ndim = ndim
        self.order: Any = order

    def make_node(self, indices: Any, dims: Any) -> Apply:
        indices = _integers(indices, "flat positions")
        kind = TensorType("int64", indices.type.broadcastable)
        return Apply(self, [indices, dims], [kind() for _ in range(self.ndim)])

    def numpy(self, *arrays: Any) -> Any:
        found = np.unravel_index(arrays[0], tuple(arrays[1]), self.order)
        columns = tuple(np.asarray(f, np.int64) for f in found)
        return columns if self.ndim != 1 else columns[0]

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]] * self.ndim


def unravel_index(
    indices: Any, dims: Any, order: str = "C", ndim: int | None = None
) -> tuple[Any, ...]:
    """Return the positions along each axis of flat positions, as `numpy.unravel_index`.

    Parameters
    ----------
    indices : integer tensor_like
    dims : sequence of int or integer vector_like
        The shape of the indexed tensor.
    order : {"C", "F"}
    ndim : int, optional
        Number of axes, if `dims` is a vector of unknown length.

    Raises
    ------
    ValueError
        When run with a position outside.
    """
    vector, count = _dims(dims, ndim)
    return tuple(UnravelIndex(count, order)(indices, vector, return_list=True))


class RavelMultiIndex(_OfIntegers):
    """The flat positions of positions along axes; operands: one tensor per axis, and lengths."""

    __props__ = ("mode", "order")

    def __init__(self, mode: Any = "raise", order: Any = "C") -> None:
        if mode not in ("raise", "wrap", "clip"):
            raise ValueError(f"mode must be 'raise', 'wrap' or 'clip', not {mode!r}")
        if order not in ("C", "F"):
            raise ValueError(f"order must be 'C' or 'F', not {order!r}")
        self.mode: Any = mode
        self.order: Any = order

    def make_node(self, *operands: Any) -> Apply:
        positions = [_integers(p, "positions") for p in operands[:-1]]
        if len({p.type.ndim for p in positions}) != 1:
            raise TypeError("ravel_multi_index: all positions must have the same number of axes")
        pattern = [all(b) for b in zip(*(p.type.broadcastable for p in positions), strict=True)]
        return Apply(self, [*positions, operands[-1]], [TensorType("int64", pattern)()])

    def numpy(self, *arrays: Any) -> Any:
        found = np.ravel_multi_index(arrays[:-1], tuple(arrays[-1]), self.mode, self.order)
        return np.asarray(found, np.int64)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        *positions, _ = in_shapes
        return [tuple(ctx.bcast(*lengths) for lengths in zip(*positions, strict=True))]


def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C") -> Any:
    """Return the flat positions of positions along each axis, as `numpy.ravel_multi_index`.

    Parameters
    ----------
    multi_index : sequence of integer tensor_like
        One tensor per axis.
    dims : sequence of int or integer vector_like
    mode : {"raise", "wrap", "clip"}
        What to do about positions outside.
    order : {"C", "F"}

    Raises
    ------
    ValueError
        When run with a position outside, if `mode` is "raise".
    """
    vector, _ = _dims(dims, len(multi_index))
    return RavelMultiIndex(mode, order)(*multi_index, vector)


# ---------------------------------------------------------------------------------------------
# Permutations
# ---------------------------------------------------------------------------------------------


def inverse_permutation(perm: Any) -> Any:
    """Return the permutation that undoes `perm`, row by row for a matrix of permutations."""
    perm = _integers(perm, "a permutation")
    return cast(argsort(perm, axis=-1), perm.type.dtype)


def permute_row_elements(x: Any, y: Any, inverse: bool = False) -> Any:
    """Return the rows of `x` (along its last axis) with elements in the order of the rows of `y`.

    Parameters
    ----------
    x : tensor_like
        With at least one axis.
    y : integer tensor_like
        Permutations; the leading axes of both are broadcast.
    inverse : bool
        Undo the permutations instead: element k goes to ``y[..., k]``.
    """
    x, y = as_tensor_variable(x), _integers(y, "a permutation")
    if not x.type.ndim or not y.type.ndim:
        raise TypeError(f"permute_row_elements needs rows, got {x.type} and {y.type}")
    if inverse:
        y = inverse_permutation(y)
    ndim = max(x.type.ndim, y.type.ndim)
    x, y = (v.dimshuffle(*["x"] * (ndim - v.type.ndim), *range(v.type.ndim)) for v in (x, y))
    lead = [switch(eq(x.shape[d], 1), y.shape[d], x.shape[d]) for d in range(ndim - 1)]
    if lead:
        x = broadcast_to(x, (*lead, x.shape[ndim - 1]))
        y = broadcast_to(y, (*lead, y.shape[ndim - 1]))
    return advanced_index(x, positions_along(x, y, ndim - 1))


# ---------------------------------------------------------------------------------------------
# Diagonals
# ---------------------------------------------------------------------------------------------


def fill_diagonal(a: Any, val: Any) -> Any:
    """Return `a` with the elements ``a[i, i, ..., i]`` replaced, as `numpy.fill_diagonal`.

    Parameters
    ----------
    a : tensor_like
        A matrix, or a tensor of more axes of equal lengths.
    val : scalar_like

    Raises
    ------
    TypeError
        If `a` has fewer than two axes, or `val` any.
    """
    a, val = as_tensor_variable(a), as_tensor_variable(val)
    if a.type.ndim < 2 or val.type.ndim:
        raise TypeError(
            user_message(
                "fill_diagonal takes a tensor of at least two axes and a scalar",
                got=f"{a.type} and {val.type}",
                where=user_line(a) or None,
            )
        )
    length = a.shape[0]
    for d in range(1, a.type.ndim):
        length = minimum(length, a.shape[d])
    positions = arange(length)
    return set_subtensor(a[(positions,) * a.type.ndim], cast(val, a.type.dtype))


def fill_diagonal_offset(a: Any, val: Any, offset: Any) -> Any:
    """Return a matrix with the elements ``a[i, i + offset]`` replaced.

    Parameters
    ----------
    a : matrix_like
    val : scalar_like
    offset : int or integer scalar
        Negative below the main diagonal.
    """
    a, val = as_tensor_variable(a), as_tensor_variable(val)
    offset = _integers(offset, "the offset of a diagonal")
    if a.type.ndim != 2 or val.type.ndim or offset.type.ndim:
        raise TypeError(
            user_message(
                "fill_diagonal_offset takes a matrix, a scalar and an integer",
                got=f"{a.type}, {val.type} and {offset.type}",
                where=user_line(a) or None,
            )
        )
    row, column = maximum(-offset, 0), maximum(offset, 0)
    length = maximum(minimum(a.shape[0] - row, a.shape[1] - column), 0)
    steps = arange(length)
    return set_subtensor(a[steps + row, steps + column], cast(val, a.type.dtype))


# ---------------------------------------------------------------------------------------------
# Windows and spacings
# ---------------------------------------------------------------------------------------------


def bartlett(M: Any) -> Any:
    """Return the triangular window of `M` points, as `numpy.bartlett`.

    Parameters
    ----------
    M : int or integer scalar
        Below 1 the window is empty.
    """
    count = _integers(M, "the number of points of a window")
    if count.type.ndim:
        raise TypeError(f"bartlett takes one number of points, got {count.type}")
    steps = cast(arange(maximum(count, 0)), "floatX")
    half = cast(maximum(count - 1, 1), "floatX") / 2
    return switch(eq(count, 1), 1, 1 - abs(steps - half) / half)


def linspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True) -> Any:
    """Return `num` numbers spaced evenly over an interval, as `numpy.linspace`.

    Parameters
    ----------
    start, stop : scalar_like
    num : int or integer scalar
    endpoint : bool
        Whether `stop` is the last number.
    """
    start, stop = as_tensor_variable(start), as_tensor_variable(stop)
    dtype = upcast(canonical("floatX"), start.type.dtype, stop.type.dtype)
    start, stop = cast(start, dtype), cast(stop, dtype)
    count = _integers(num, "the number of points")
    intervals = cast(maximum(count - 1 if endpoint else count, 1), dtype)
    return start + cast(arange(count), dtype) * ((stop - start) / intervals)


def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: float = 10.0
) -> Any:
    """Return ``base ** linspace(start, stop, num, endpoint)``, as `numpy.logspace`."""
    return base ** linspace(start, stop, num, endpoint)


def default(x: Any, default: Any) -> Any:
    """Return `x` as a tensor, or `default` if it is None."""
    return as_tensor_variable(default if x is None else x)
