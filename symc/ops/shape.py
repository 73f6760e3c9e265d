"""Other shapes for the same elements: reshape, flatten, squeeze, swapaxes, promises on lengths."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths, sure_lengths
from ..array.type import TensorType
from ..errors import ShapeError, user_message
from ..graph.node import Apply, Constant
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from ..graph.trace import user_line
from ..loop.protocol import ReshapeSpec, ViewSpec
from ..scalar.arith import int_div
from ..scalar.expr import Expr
from ..scalar.logic import and_, eq, ge, neq, or_, switch
from .axes import normalize_axes, normalize_axis, without
from .dimshuffle import dimshuffle
from .sizes import shape, shape_i
from .support import support_through
from .vector import MakeVector, as_size_vector, get_vector_length

__all__ = [
    "Rebroadcast",
    "Reshape",
    "SpecifyShape",
    "addbroadcast",
    "atleast_nd",
    "expand_dims",
    "flatten",
    "is_flat",
    "moveaxis",
    "patternbroadcast",
    "reshape",
    "shape_padaxis",
    "shape_padleft",
    "shape_padright",
    "specify_shape",
    "squeeze",
    "swapaxes",
    "unbroadcast",
]


def _product(sizes: Iterable[Any]) -> Any:
    result: Any = 1
    for n in sizes:
        result = result * n
    return result


def _known_product(lengths: Sequence[int | None]) -> int | None:
    known = [n for n in lengths if n is not None]
    return math.prod(known) if len(known) == len(lengths) else None


def _known_values(vector: Any) -> list[int | None]:
    """The elements of a size vector that are known now."""
    if isinstance(vector, Constant):
        return [int(n) for n in vector.data]
    if vector.owner is not None and isinstance(vector.owner.op, MakeVector):
        return [int(v.data) if isinstance(v, Constant) else None for v in vector.owner.inputs]
    return []


# ---------------------------------------------------------------------------------------------
# Reshape
# ---------------------------------------------------------------------------------------------


class Reshape(BuiltinOp):
    """The elements of the first operand, in C order, in the shape that the second one gives.

    Parameters
    ----------
    ndim : int
        Rank of the result, which is the length of the second operand.
    name : str, optional
        Not part of the op's identity.

    Notes
    -----
    One entry of the shape may be -1: it is worked out from the others.
    """

    __props__ = ("ndim",)
    view_map = {0: [0]}  # noqa: RUF012

    def __init__(self, ndim: int, name: str | None = None) -> None:
        self.ndim = int(ndim)
        self.name = name

    def make_node(self, x: Any, shp: Any) -> Apply:
        x, shp = as_tensor_variable(x), as_size_vector(shp, "the new shape")
        wanted = _known_values(shp) or [None] * self.ndim
        if len(wanted) != self.ndim:
            raise ShapeError(
                user_message(
                    f"reshape to {self.ndim} axes needs as many lengths",
                    got=f"{len(wanted)} lengths",
                    where=user_line(x) or None,
                )
            )
        noted = self._lengths(x, known_lengths(x), wanted)
        sure = self._lengths(x, sure_lengths(x), wanted)
        out = TensorType(x.type.dtype, [n == 1 for n in sure])()
        note_lengths(out, tuple(noted))
        return Apply(self, [x, shp], [out])

    def _lengths(
        self, x: Any, given: Sequence[int | None], wanted: list[int | None]
    ) -> list[int | None]:
        """The lengths of the result that follow from `given`; an error if they can't be."""
        total = _known_product(given)
        negative = [n for n in wanted if n is not None and n < 0]
        if any(n < -1 for n in negative) or len(negative) > 1:
            raise ShapeError(self._mismatch(given, wanted, "at most one length may be -1", x))
        product = _known_product([n for n in wanted if n != -1])
        if total is None or product is None:
            return [None if n == -1 else n for n in wanted]
        if negative:
            if product == 0 or total % product:
                raise ShapeError(self._mismatch(given, wanted, f"{total} elements", x))
            return [total // product if n == -1 else n for n in wanted]
        if product != total:
            raise ShapeError(self._mismatch(given, wanted, f"{total} elements", x))
        return wanted

    @staticmethod
    def _mismatch(given: Any, wanted: Any, expected: str, x: Any = None) -> str:
        return user_message(
            f"can't reshape {given} to {tuple(wanted)}",
            expected=expected,
            where=(user_line(x) or None) if x is not None else None,
        )

    def numpy(self, *arrays: Any) -> Any:
        x, shp = arrays
        try:
            return x.reshape(tuple(int(n) for n in shp))
        except ValueError as error:
            wanted = [int(n) for n in shp]
            raise ShapeError(self._mismatch(x.shape, wanted, f"{x.size} elements")) from error

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        total = _product(in_shapes[0])
        wanted = list(ctx.vector(1))
        lengths = list(wanted)
        free = [i for i, n in enumerate(wanted) if n.is_const and int(n.value) == -1]
        for i, n in enumerate(wanted):
            others = _product(m for k, m in enumerate(wanted) if k != i)
            if i in free:
                lengths[i] = int_div(total, others)
                message = "reshape: -1 can't be worked out beside a length of 0"
                ctx.check(neq(others, n * 0), "shape", message)
            elif free or n.is_const:
                ctx.check(ge(n, 0), "shape", "reshape to the negative length {0}", n)
            else:
                lengths[i] = switch(eq(n, -1), int_div(total, others), n)
                message = "reshape to the length {0}: one may be -1, beside positive ones"
                positive = ge(others, n * 0 + 1)
                ctx.check(or_(ge(n, 0), and_(eq(n, -1), positive)), "shape", message, n)
        result = _product(lengths)
        if isinstance(result, Expr) or isinstance(total, Expr):
            message = "can't reshape {0} elements to a shape of {1} elements"
            ctx.check(eq(result, total), "shape", message, total, result)
        return [tuple(lengths)]

    def view(self, node: Apply, ctx: Any) -> ReshapeSpec:
        return ReshapeSpec(0)

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        """Return the element at constant indices; loops use the view, which costs no division."""
        if not all(i.is_const for i in idx):
            return None
        flat: Any = read.ctx.integer(0)
        for i, n in zip(idx, read.out_shape(), strict=True):
            flat = flat * n + i
        source: list[Any] = []
        for n in reversed(read.shape(0)):
            quotient = int_div(flat, n)
            source.insert(0, flat - quotient * n)
            flat = quotient
        return read(0, tuple(source))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to the first operand only."""
        return [[True], [False]]

    def signed_by(self, node: Apply) -> list[Any]:
        """The result is non-negative where the operand is."""
        return [node.inputs[0]]

    def support(self, node: Apply, of: Any) -> Any:
        """The elements that stem from the operand's support; see `ops.support`."""
        return support_through(self, node, of)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, _ = inputs
        (g,) = g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g, disconnected_type()]
        return [_like(reshape(g, shape(x), ndim=x.type.ndim), x), disconnected_type()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        point = eval_points[0]
        return [None if point is None else self(point, inputs[1])]

    def __str__(self) -> str:
        return f"Reshape{{{self.ndim}}}"


def _like(g: Any, x: Any) -> Any:
    """`g` with the pattern of `x`, whose shape it has."""
    return patternbroadcast(g, x.type.broadcastable)


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> Any:
    """Return the elements of `x`, in C order, in another shape.

    Parameters
    ----------
    x : tensor
    newshape : sequence of (int or 0-d integer tensor), or integer vector
        One entry may be -1.
    ndim : int, optional
        The number of entries; needed where that is not known when the graph is built.

    Raises
    ------
    ShapeError
        If the numbers of elements are known and differ, or the rank is not known.
    """
    x = as_tensor_variable(x)
    sizes = as_size_vector(newshape, "the new shape")
    if ndim is None:
        ndim = get_vector_length(sizes)
    elif known_lengths(sizes) == (None,):
        # The compiler has to know how many lengths there are.
        sizes = specify_shape(sizes, (int(ndim),))
    return Reshape(int(ndim))(x, sizes)


def flatten(x: Any, ndim: int | None = None, outdim: int | None = None) -> Any:
    """Join the last axes of `x`, so that `ndim` axes remain.

    Parameters
    ----------
    x : tensor
    ndim : int
        Number of axes of the result, default 1.
    outdim : int
        Old name of `ndim`.

    Returns
    -------
    tensor
        The first ``ndim - 1`` axes are those of `x`.
    """
    if ndim is not None and outdim is not None:
        raise ValueError("flatten takes ndim or outdim, which mean the same, and not both")
    if ndim is None:
        ndim = 1 if outdim is None else outdim
    x = as_tensor_variable(x)
    if not 1 <= ndim <= (x.type.ndim or 1):
        raise ValueError(
            user_message(
                f"flatten to {ndim} axes is not possible",
                got=f"{x} with {x.type.ndim} axes",
                expected=f"ndim from 1 to {x.type.ndim or 1}",
                where=user_line(x) or None,
            )
        )
    if ndim == x.type.ndim:
        return x
    lengths = [shape_i(x, i) for i in range(x.type.ndim)]
    # -1 could not be worked out where one of the axes that stay is empty.
    last = -1 if ndim == 1 else functools.reduce(operator.mul, lengths[ndim - 1 :])
    result = reshape(x, (*lengths[: ndim - 1], last), ndim=ndim)
    pattern = x.type.broadcastable
    return patternbroadcast(result, (*pattern[: ndim - 1], False not in pattern[ndim - 1 :]))


def is_flat(var: Any, ndim: int | None = None, outdim: int | None = None) -> bool:
    """Tell whether `var` has `ndim` (default 1) axes."""
    wanted = outdim if ndim is None else ndim
    return bool(as_tensor_variable(var).type.ndim == (1 if wanted is None else wanted))


# ---------------------------------------------------------------------------------------------
# Promises on lengths
# ---------------------------------------------------------------------------------------------


def _identity_view(ndim: int) -> ViewSpec:
    return ViewSpec(0, tuple((d, 1) for d in range(ndim)), (0,) * ndim)


class SpecifyShape(BuiltinOp):
    """The first operand, after checking that its shape is the second one.

    A call with another shape raises ShapeError.
    """

    __props__ = ()
    view_map = {0: [0]}  # noqa: RUF012

    def make_node(self, x: Any, shp: Any) -> Apply:
        x, shp = as_tensor_variable(x), as_size_vector(shp)
        wanted = _known_values(shp) or [None] * x.type.ndim
        given = known_lengths(x)
        if len(wanted) != x.type.ndim or any(
            a is not None and b is not None and a != b for a, b in zip(given, wanted, strict=False)
        ):
            raise ShapeError(self._mismatch(given, wanted))
        pairs = zip(x.type.broadcastable, wanted, strict=True)
        out = TensorType(x.type.dtype, [b or n == 1 for b, n in pairs])()
        note_lengths(out, tuple(b if a is None else a for a, b in zip(given, wanted, strict=True)))
        return Apply(self, [x, shp], [out])

    @staticmethod
    def _mismatch(given: Any, wanted: Any) -> str:
        return user_message(
            "specify_shape: the shape is another one",
            got=f"shape {tuple(given)}",
            expected=f"shape {tuple(wanted)}",
        )

    def numpy(self, *arrays: Any) -> Any:
        x, shp = arrays
        if x.shape != tuple(shp.tolist()):
            raise ShapeError(self._mismatch(x.shape, shp.tolist()))
        return x

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        message = "specify_shape: a length is {0}, but {1} was promised"
        pairs = zip(in_shapes[0], ctx.vector(1), strict=True)
        return [tuple(ctx.equal(n, wanted, message) for n, wanted in pairs)]

    def view(self, node: Apply, ctx: Any) -> ViewSpec:
        return _identity_view(node.outputs[0].type.ndim)

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return read(0, idx)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to the first operand only."""
        return [[True], [False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g, disconnected_type()]
        return [_like(g, inputs[0]), disconnected_type()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        point = eval_points[0]
        return [None if point is None else self(point, inputs[1])]


def specify_shape(x: Any, shape: Any) -> Any:
    """Promise a shape: the compiler may rely on it, and a call that breaks it is an error.

    Parameters
    ----------
    x : tensor
    shape : sequence of (int, 0-d integer tensor or None), or integer vector
        None promises nothing for that axis.

    Examples
    --------
    >>> from symc.array.constructors import matrix
    >>> specify_shape(matrix(), (None, 1)).broadcastable
    (False, True)
    """
    x = as_tensor_variable(x)
    if isinstance(shape, (list, tuple)):
        if len(shape) != x.type.ndim:
            raise ShapeError(SpecifyShape._mismatch(known_lengths(x), shape))
        shape = [shape_i(x, i) if n is None else n for i, n in enumerate(shape)]
    return SpecifyShape()(x, shape)


class Rebroadcast(BuiltinOp):
    """The same array with another broadcast pattern; where it promises more, that is checked.

    Parameters
    ----------
    *axis : pair of (int, bool)
        Axes, and whether they are broadcastable in the result; other axes keep what they are.
    """

    __props__ = ("axis",)
    view_map = {0: [0]}  # noqa: RUF012

    def __init__(self, *axis: tuple[int, Any]) -> None:
        pairs = {int(a): bool(b) for a, b in axis}
        self.axis = tuple(sorted(pairs.items()))

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        pattern = list(x.type.broadcastable)
        lengths = known_lengths(x)
        for a, b in self.axis:
            if not 0 <= a < x.type.ndim:
                raise ValueError(f"{self}: there is no axis {a} in {x.type}")
            if b and lengths[a] not in (None, 1):
                raise ShapeError(self._mismatch(a, lengths[a]))
            pattern[a] = b
        out = TensorType(x.type.dtype, pattern)()
        note_lengths(out, lengths)
        return Apply(self, [x], [out])

    @staticmethod
    def _mismatch(axis: int, length: Any) -> str:
        return user_message(
            f"axis {axis} was promised to be broadcastable",
            got=f"length {length}",
            expected="length 1",
        )

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        for a, b in self.axis:
            if b and x.shape[a] != 1:
                raise ShapeError(self._mismatch(a, x.shape[a]))
        return x

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        lengths = list(in_shapes[0])
        for a, b in self.axis:
            if b and not node.inputs[0].type.broadcastable[a]:
                message = f"axis {a} was promised to be broadcastable, its length is {{0}}"
                lengths[a] = ctx.equal(lengths[a], 1, message)
        return [tuple(lengths)]

    def view(self, node: Apply, ctx: Any) -> ViewSpec:
        return _identity_view(node.outputs[0].type.ndim)

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return read(0, idx)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        return [g if isinstance(g.type, DisconnectedType) else _like(g, inputs[0])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if p is None else self(p) for p in eval_points]

    def __str__(self) -> str:
        inside = ", ".join(f"{a}:{b}" for a, b in self.axis)
        return f"Rebroadcast{{{inside}}}"


def patternbroadcast(x: Any, broadcastable: Sequence[Any]) -> Any:
    """Return `x` with exactly this broadcast pattern.

    Parameters
    ----------
    x : tensor
    broadcastable : sequence of bool
        One entry per axis. A length that turns out not to be 1 where it was promised is an error
        when the function runs.
    """
    x = as_tensor_variable(x)
    pattern = tuple(bool(b) for b in broadcastable)
    if len(pattern) != x.type.ndim:
        raise ShapeError(
            user_message(
                "a broadcast pattern has one entry per axis",
                got=f"{pattern} for {x} of type {x.type}",
            )
        )
    old = x.type.broadcastable
    changes = [(i, b) for i, (a, b) in enumerate(zip(old, pattern, strict=True)) if a != b]
    return Rebroadcast(*changes)(x) if changes else x


def addbroadcast(x: Any, *axes: int) -> Any:
    """Promise that the given axes of `x` have length 1."""
    return _rebroadcast(x, axes, True)


def unbroadcast(x: Any, *axes: int) -> Any:
    """Forget that the given axes of `x` have length 1."""
    return _rebroadcast(x, axes, False)


def _rebroadcast(x: Any, axes: Sequence[int], value: bool) -> Any:
    x = as_tensor_variable(x)
    chosen = normalize_axes(axes, x.type.ndim)
    old = x.type.broadcastable
    return patternbroadcast(x, [value if i in chosen else b for i, b in enumerate(old)])


# ---------------------------------------------------------------------------------------------
# Inserting, dropping and exchanging axes
# ---------------------------------------------------------------------------------------------


def squeeze(x: Any, axis: Any = None) -> Any:
    """Drop axes of length 1.

    Parameters
    ----------
    x : tensor
    axis : int, tuple of int or None
        The axes; their length must be 1 when the function runs. None: those that are broadcastable
        in the type.
    """
    x = as_tensor_variable(x)
    if axis is None:
        dropped = tuple(i for i, b in enumerate(x.type.broadcastable) if b)
    else:
        dropped = normalize_axes(axis, x.type.ndim)
        x = addbroadcast(x, *dropped) if dropped else x
    return dimshuffle(x, without(range(x.type.ndim), dropped))


def swapaxes(y: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    y = as_tensor_variable(y)
    ndim = y.type.ndim
    a, b = normalize_axis(axis1, ndim), normalize_axis(axis2, ndim)
    order = list(range(ndim))
    order[a], order[b] = order[b], order[a]
    return dimshuffle(y, order)


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Move axes to other places; the others keep their order.

    Parameters
    ----------
    x : tensor
    source, destination : int or sequence of int
        Equally many: where each axis is, and where it goes.
    """
    x = as_tensor_variable(x)
    ndim = x.type.ndim
    lists = [a if isinstance(a, (list, tuple)) else [a] for a in (source, destination)]
    old, new = ([normalize_axis(a, ndim) for a in given] for given in lists)
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise ValueError(
            f"moveaxis needs as many different axes twice, got {source}, {destination}"
        )
    order = [d for d in range(ndim) if d not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return dimshuffle(x, order)


def expand_dims(x: Any, axis: Any) -> Any:
    """Insert axes of length 1, at the places `axis` of the result."""
    x = as_tensor_variable(x)
    count = len(axis) if isinstance(axis, (list, tuple)) else 1
    ndim = x.type.ndim + count
    new = normalize_axes(axis, ndim)
    old = iter(range(x.type.ndim))
    return dimshuffle(x, ["x" if i in new else next(old) for i in range(ndim)])


def shape_padleft(t: Any, n_ones: int = 1) -> Any:
    """Insert `n_ones` axes of length 1 before all others."""
    t = as_tensor_variable(t)
    return dimshuffle(t, ["x"] * n_ones + list(range(t.type.ndim)))


def shape_padright(t: Any, n_ones: int = 1) -> Any:
    """Insert `n_ones` axes of length 1 after all others."""
    t = as_tensor_variable(t)
    return dimshuffle(t, list(range(t.type.ndim)) + ["x"] * n_ones)


def shape_padaxis(t: Any, axis: int) -> Any:
    """Insert one axis of length 1, at the place `axis` of the result."""
    return expand_dims(t, axis)


def atleast_nd(x: Any, n: int, left: bool = True) -> Any:
    """Insert axes of length 1, before (or after) all others, until there are `n`."""
    x = as_tensor_variable(x)
    missing = n - x.type.ndim
    if missing <= 0:
        return x
    return shape_padleft(x, missing) if left else shape_padright(x, missing)
