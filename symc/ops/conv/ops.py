"""The convolution ops: the values, and the gradients with respect to inputs and to weights.

Layout: inputs ``(batch, channels, ...)``, filters ``(out, channels / groups, ...)``, results
``(batch, out, ...)``. The three are one trilinear form, so each one's gradients are the others,
to any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.lengths import known_lengths, note_lengths, sure_lengths
from ...array.type import TensorType
from ...dtypes import is_complex, is_discrete, upcast
from ...errors import ShapeError, user_message
from ...graph.node import Apply, Constant
from ...graph.op import BuiltinOp
from ...graph.special import DisconnectedType, disconnected_type
from ...graph.trace import user_line
from ...loop.convolution import (
    ConvGeometry,
    correlate,
    inputs_gradient,
    weights_gradient,
)
from ...loop.protocol import RoutineSpec
from ...loop.routines import CONVOLUTION_DTYPES
from ...scalar.logic import ge
from ..elemwise import cast
from ..reduce import zero_gradient
from ..shape import patternbroadcast
from ..vector import as_size_vector

__all__ = ["Conv", "ConvInputsGradient", "ConvWeightsGradient"]

Length = Any


class _Convolving(BuiltinOp):
    """What the three share: the geometry, and the relation between lengths.

    Parameters
    ----------
    geometry : ConvGeometry
    """

    __props__: tuple[str, ...] = ("geometry",)
    roles: tuple[str, str] = ("inputs", "filters")
    routine_name: str

    def __init__(self, geometry: ConvGeometry) -> None:
        self.geometry = geometry

    @property
    def rank(self) -> int:
        """Number of axes of every operand."""
        return self.geometry.ndim + 2

    def _operands(self, a: Any, b: Any) -> list[Any]:
        operands = [as_tensor_variable(v) for v in (a, b)]
        for v, role in zip(operands, self.roles, strict=True):
            if v.type.ndim != self.rank:
                raise TypeError(
                    user_message(
                        f"{self}: the {role} have the wrong number of axes",
                        got=f"{v} of type {v.type}",
                        expected=f"{self.rank} axes: two for images and channels, "
                        f"{self.geometry.ndim} in space",
                        where=user_line(v) or None,
                    )
                )
        dtype = upcast(*(v.type.dtype for v in operands))
        return [v if v.type.dtype == dtype else cast(v, dtype) for v in operands]

    def _space_operand(self, shape: Any) -> Any:
        shape = as_size_vector(shape)
        known = known_lengths(shape)[0]
        if known is not None and known != self.geometry.ndim:
            raise ShapeError(
                user_message(
                    f"{self}: the shape to compute has the wrong number of entries",
                    got=f"{known}",
                    expected=f"{self.geometry.ndim}, one per spatial axis",
                    where=user_line(shape) or None,
                )
            )
        return shape

    def _node(self, operands: Sequence[Any], pattern: Sequence[bool], lengths: Any) -> Apply:
        out = TensorType(operands[0].type.dtype, pattern)()
        note_lengths(out, lengths)
        return Apply(self, list(operands), [out])

    def _checked(self, operands: Sequence[Any], *shapes: Sequence[Length]) -> None:
        """Raise if lengths that are known do not fit together."""
        problem = self._misfit(*shapes)
        if problem:
            raise ShapeError(
                user_message(
                    f"{self}: {problem}",
                    got=[f"{v} of shape {known_lengths(v)}" for v in operands[:2]],
                    where=[line for line in map(user_line, operands[:2]) if line] or None,
                )
            )

    def _misfit(self, x: Sequence[Length], w: Sequence[Length], y: Sequence[Length]) -> str:
        """What does not fit in lengths of inputs, filters and results; None is not known."""
        groups = self.geometry.groups
        if None not in (x[1], w[1]) and x[1] != w[1] * groups:
            return (
                f"inputs of {x[1]} channels, filters for {w[1]}"
                + (f" in each of {groups} groups" if groups > 1 else "")
            )
        if w[0] is not None and w[0] % groups:
            return f"{w[0]} filters can't be cut into {groups} groups"
        for name, a, b in (("images", x[0], y[0]), ("filters", w[0], y[1])):
            if None not in (a, b) and a != b:
                return f"{a} {name}, but a result (or its gradient) for {b}"
        for i in range(self.geometry.ndim):
            n, k, m = x[2 + i], w[2 + i], y[2 + i]
            if k is not None and k < 1:
                return "filters without elements"
            if n is None or k is None:
                continue
            if self.geometry.room(i, n, k) < 0:
                return f"filters of length {k} do not fit into inputs of length {n} (axis {2 + i})"
            if m is not None and m != self.geometry.out_length(i, n, k):
                return (
                    f"axis {2 + i} of the result has length {self.geometry.out_length(i, n, k)}, "
                    f"not {m}"
                )
        return ""

    def _require(self, x: Any, w: Any, y: Any, ctx: Any) -> list[Any]:
        """The checks of `_misfit` when the program runs; lengths of the result in space."""
        geometry = self.geometry
        where = f"{self}".replace("{", "{{").replace("}", "}}")
        channels = w[1] * geometry.groups
        ctx.equal(x[1], channels, where + ": inputs of {0} channels, filters for {1}")
        if geometry.groups > 1:
            whole = w[0] // geometry.groups * geometry.groups
            ctx.equal(w[0], whole, where + ": {0} filters can't be cut into the groups")
        lengths = []
        for i in range(geometry.ndim):
            n, k = x[2 + i], w[2 + i]
            ctx.check(ge(k, 1), "shape", where + ": filters without elements")
            ctx.check(
                ge(geometry.room(i, n, k), 0),
                "shape",
                where + ": filters of length {0} do not fit into inputs of length {1}",
                k,
                n,
            )
            lengths.append(geometry.out_length(i, n, k))
        if y is not None:
            message = where + ": a result of length {1} in the gradient, expected {0}"
            ctx.equal(x[0], y[0], message)
            ctx.equal(w[0], y[1], message)
            for a, b in zip(lengths, y[2:], strict=True):
                ctx.equal(a, b, message)
        return lengths

    def _term(self, op: Any, operands: Sequence[Any], wrt: Any) -> Any:
        """A gradient in the dtype's domain and with the pattern of the operand."""
        if is_discrete(wrt.type.dtype):
            return zero_gradient(wrt)
        term = op(self.geometry)(*operands)
        if wrt.type.broadcastable != term.type.broadcastable:
            term = patternbroadcast(term, wrt.type.broadcastable)
        return term

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to arrays, not to a shape."""
        return [[True], [True], [False]][: len(node.inputs)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (h,) = g_outputs
        if isinstance(h.type, DisconnectedType):
            return [h] * 2 + [disconnected_type() for _ in inputs[2:]]
        a, b = inputs[:2]
        if is_complex(outputs[0].type.dtype):
            a, b = a.conj(), b.conj()
        terms = self._terms(a, b, h)
        return [*terms, *(disconnected_type() for _ in inputs[2:])]

    def _terms(self, a: Any, b: Any, h: Any) -> list[Any]:
        raise NotImplementedError

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        a, b, *rest = inputs
        da, db = eval_points[:2]
        terms = []
        if da is not None:
            terms.append(self(da, b, *rest))
        if db is not None:
            terms.append(self(a, db, *rest))
        return [None if not terms else terms[0] if len(terms) == 1 else terms[0] + terms[1]]

    def routine(self, node: Apply) -> RoutineSpec | None:
        if node.outputs[0].type.dtype not in CONVOLUTION_DTYPES:
            return None
        return RoutineSpec(self.routine_name, (0, 1), {"geometry": self.geometry})

    def _run_checks(self, x: Any, w: Any, y: Any) -> None:
        problem = self._misfit(x, w, y)
        if problem:
            raise ShapeError(
                user_message(f"{self}: {problem}", got=f"inputs {tuple(x)}, filters {tuple(w)}")
            )

    def __str__(self) -> str:
        return f"{type(self).__name__}{{{self.geometry}}}"


def _space(v: Any) -> Any:
    """Lengths of the spatial axes as a vector."""
    return v.shape[2:]


class Conv(_Convolving):
    """Convolution of images with filters: operands ``x`` and ``w``.

    Examples
    --------
    >>> from symc.array.constructors import tensor4
    >>> geometry = ConvGeometry(2, "half", (1, 1), (1, 1))
    >>> Conv(geometry)(tensor4(), tensor4()).type
    TensorType(float64, 4D)
    """

    routine_name = "convolve"

    def make_node(self, x: Any, w: Any) -> Apply:
        x, w = self._operands(x, w)
        a, b = known_lengths(x), known_lengths(w)
        self._checked((x, w), a, b, (None,) * self.rank)
        sure = self._lengths(sure_lengths(x), sure_lengths(w))
        return self._node([x, w], [n == 1 for n in sure], self._lengths(a, b))

    def _lengths(self, x: Sequence[Any], w: Sequence[Any]) -> tuple[Any, ...]:
        space = [
            None if None in (x[2 + i], w[2 + i])
            else max(0, self.geometry.out_length(i, x[2 + i], w[2 + i]))
            for i in range(self.geometry.ndim)
        ]
        return (x[0], w[0], *space)

    def numpy(self, *arrays: Any) -> Any:
        x, w = arrays
        self._run_checks(x.shape, w.shape, (None,) * self.rank)
        return correlate(x, w, self.geometry)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, w = in_shapes
        return [(x[0], w[0], *self._require(x, w, None, ctx))]

    def _terms(self, a: Any, b: Any, h: Any) -> list[Any]:
        return [
            self._term(ConvInputsGradient, (h, b, _space(a)), a),
            self._term(ConvWeightsGradient, (a, h, _space(b)), b),
        ]


class ConvInputsGradient(_Convolving):
    """Gradient with respect to the inputs: operands ``g``, ``w`` and the inputs' spatial shape.

    Also called transposed convolution.
    """

    roles = ("gradients", "filters")
    routine_name = "convolve_inputs"

    def make_node(self, g: Any, w: Any, shape: Any) -> Apply:
        g, w = self._operands(g, w)
        shape = self._space_operand(shape)
        space = _constant_entries(shape, self.geometry.ndim)
        a, b = known_lengths(g), known_lengths(w)
        lengths = (a[0], self._channels(b[1]), *space)
        self._checked((g, w), (None, None, *space), b, a)
        sure = (sure_lengths(g)[0], self._channels(sure_lengths(w)[1]), *space)
        return self._node([g, w, shape], [n == 1 for n in sure], lengths)

    def _channels(self, per_group: Any) -> Any:
        return None if per_group is None else per_group * self.geometry.groups

    def numpy(self, *arrays: Any) -> Any:
        g, w, shape = arrays
        space = tuple(int(n) for n in shape)
        self._run_checks((g.shape[0], w.shape[1] * self.geometry.groups, *space), w.shape, g.shape)
        return inputs_gradient(g, w, space, self.geometry)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        g, w, _ = in_shapes
        x = (g[0], w[1] * self.geometry.groups, *ctx.vector(2))
        self._require(x, w, g, ctx)
        return [x]

    def _terms(self, a: Any, b: Any, h: Any) -> list[Any]:
        return [
            self._term(Conv, (h, b), a),
            self._term(ConvWeightsGradient, (h, a, _space(b)), b),
        ]


class ConvWeightsGradient(_Convolving):
    """Gradient with respect to the filters: operands ``x``, ``g``, the filters' spatial shape."""

    roles = ("inputs", "gradients")
    routine_name = "convolve_weights"

    def make_node(self, x: Any, g: Any, shape: Any) -> Apply:
        x, g = self._operands(x, g)
        shape = self._space_operand(shape)
        space = _constant_entries(shape, self.geometry.ndim)
        a, b = known_lengths(x), known_lengths(g)
        lengths = (b[1], self._per_group(a[1]), *space)
        self._checked((x, g), a, lengths, b)
        sure = (sure_lengths(g)[1], self._per_group(sure_lengths(x)[1]), *space)
        return self._node([x, g, shape], [n == 1 for n in sure], lengths)

    def _per_group(self, channels: Any) -> Any:
        return None if channels is None else channels // self.geometry.groups

    def numpy(self, *arrays: Any) -> Any:
        x, g, shape = arrays
        space = tuple(int(n) for n in shape)
        w = (g.shape[1], x.shape[1] // self.geometry.groups, *space)
        self._run_checks(x.shape, w, g.shape)
        return weights_gradient(x, g, space, self.geometry)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, g, _ = in_shapes
        w = (g[1], x[1] // self.geometry.groups, *ctx.vector(2))
        self._require(x, w, g, ctx)
        return [w]

    def _terms(self, a: Any, b: Any, h: Any) -> list[Any]:
        return [
            self._term(ConvInputsGradient, (b, h, _space(a)), a),
            self._term(Conv, (a, h), b),
        ]


def _constant_entries(shape: Any, ndim: int) -> tuple[int | None, ...]:
    """The entries of a shape vector that no graph can change, None for the others."""
    if isinstance(shape, Constant):
        return tuple(int(n) for n in np.asarray(shape.data))
    node = shape.owner
    if node is not None and len(node.inputs) == ndim and type(node.op).__name__ == "MakeVector":
        return tuple(int(v.data) if isinstance(v, Constant) else None for v in node.inputs)
    return (None,) * ndim
