"""`Elemwise`: a scalar op applied to every element, with broadcasting decided at run time.

``z[i, j] = f(x[i, j], y[i, j])``, where an operand of length 1 along an axis is repeated along it.
Ranks are static, so operands of lower rank get leading axes by `DimShuffle` when the node is made.
An axis of the result is broadcastable in the type only where all operands' are; two lengths that
are known and differ are an error at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..array.convert import as_operands, as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import canonical, is_complex, is_continuous, is_discrete
from ..errors import DTypeError, ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, NullType, disconnected_type
from ..graph.trace import user_line
from ..scalar.op import CASTS, UNDEFINED
from .dimshuffle import pad_left
from .origins import shape_origins
from .reduce import zero_gradient
from .sign import signed_by_scalar_op, without_pole
from .sum_to import sum_to
from .support import Selection, is_plain_zero, support_by_scalar_op

__all__ = ["Elemwise", "apply_scalar", "cast", "elemwise_of", "register_elemwise"]


class Elemwise(BuiltinOp):
    """Apply a scalar op to corresponding elements of its operands.

    Parameters
    ----------
    scalar_op : ScalarOp
    inplace_pattern : dict from int to int, optional
        ``{output: operand}`` that an interpreter may overwrite. Kept for Theano's sake; the
        compiler decides about memory by itself.
    name : str, optional
        Shown instead of the scalar op's name.
    nfunc_spec : tuple, optional
        Accepted and kept; the reference meaning is the scalar op's.

    Examples
    --------
    >>> from symc.array.constructors import matrix, vector
    >>> from symc.scalar.arith import add
    >>> Elemwise(add)(matrix(), vector()).type
    TensorType(float64, matrix)
    """

    __props__ = ("scalar_op", "inplace_pattern")
    keeps_shape = True  # that of its operands, broadcast against each other

    def __init__(
        self,
        scalar_op: Any,
        inplace_pattern: Mapping[int, int] | None = None,
        name: str | None = None,
        nfunc_spec: tuple[Any, ...] | None = None,
        openmp: bool | None = None,
    ) -> None:
        self.scalar_op = scalar_op
        self.inplace_pattern = _Pattern(inplace_pattern or {})
        if self.inplace_pattern:
            written = {o: [i] for o, i in self.inplace_pattern.items()}
            self.destroy_map = written  # type: ignore[misc] # a default of the class, Theano's way
        self.name = name
        self.nfunc_spec = nfunc_spec
        self._counts = (False, True, True) if scalar_op.out == "select" else None
        self._comparison = scalar_op.out == "bool"

    @property
    def nin(self) -> int:
        """Number of operands; -1 for any number."""
        nin: int = self.scalar_op.nin
        return nin

    @property
    def nout(self) -> int:
        """Number of results."""
        nout: int = self.scalar_op.nout
        return nout

    # -- types

    def make_node(self, *inputs: Any) -> Apply:
        scalar_op = self.scalar_op
        scalar_op.check_arity(len(inputs))
        operands = as_operands(inputs, self._counts, comparison=self._comparison)
        patterns = {v.type.broadcastable for v in operands}
        if len(patterns) == 1:
            (pattern,) = patterns
        else:
            ndim = max(map(len, patterns))
            operands = [v if v.type.ndim == ndim else pad_left(v, ndim) for v in operands]
            pattern = tuple(map(all, zip(*(v.type.broadcastable for v in operands), strict=True)))
        out_dtypes = self._out_dtypes(operands)
        self._check_inplace(operands, pattern, out_dtypes)
        outputs = [_result_type(operands, dtype, pattern).make_variable() for dtype in out_dtypes]
        lengths = self._known_lengths(operands, pattern)
        if lengths is not None:
            for output in outputs:
                note_lengths(output, lengths)
        return Apply(self, operands, outputs)

    def _out_dtypes(self, operands: Sequence[Any]) -> tuple[str, ...]:
        dtypes = [v.type.dtype for v in operands]
        try:
            result = self.scalar_op.out_dtype(*dtypes)
        except DTypeError as error:
            if len(error.args) == 1:
                error.args = (f"{error}\n{_operand_lines(operands)}",)
            raise
        return result if isinstance(result, tuple) else (result,)

    def _check_inplace(
        self, operands: Sequence[Any], pattern: tuple[bool, ...], dtypes: Sequence[str]
    ) -> None:
        for o, i in self.inplace_pattern.items():
            given = operands[i].type
            if given.dtype != dtypes[o]:
                raise TypeError(
                    f"{self} can't write a {dtypes[o]} result into operand {i} of {given.dtype}"
                )
            if any(b and not p for b, p in zip(given.broadcastable, pattern, strict=True)):
                raise ValueError(f"{self} can't write into operand {i}, which is broadcast")

    def _known_lengths(
        self, operands: Sequence[Any], pattern: tuple[bool, ...]
    ) -> tuple[int | None, ...] | None:
        """The lengths of the result; an error if two operands' are known not to fit."""
        if not pattern:
            return None
        known = [known_lengths(v) for v in operands]
        if known.count(known[0]) == len(known):
            return known[0]
        merged: list[int | None] = []
        for axis in range(len(pattern)):
            found = {lengths[axis] for lengths in known} - {None, 1}
            if len(found) > 1:
                raise ShapeError(self._mismatch(operands, known, axis))
            sure = found or all(lengths[axis] == 1 for lengths in known)
            merged.append((found.pop() if found else 1) if sure else None)
        return tuple(merged)

    def _mismatch(self, operands: Sequence[Any], known: Sequence[Any], axis: int) -> str:
        return user_message(
            f"{self}: the lengths of the operands along axis {axis} do not fit together",
            got=[f"{v} of shape {_shape_text(n)}" for v, n in zip(operands, known, strict=True)],
            expected="equal lengths, or 1, which is repeated",
            where=[line for line in map(user_line, operands) if line] or None,
        )

    # -- meaning

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Store the scalar op's reference, computed in the dtypes that the node was made for."""
        out = node.outputs[0].type.dtype
        results = self._evaluate(inputs, out)
        for cell, output, result in zip(output_storage, node.outputs, results, strict=True):
            cell[0] = np.asarray(result, dtype=output.type.dtype)

    def numpy(self, *arrays: Any) -> Any:
        results = self._evaluate(arrays, None)
        return results if len(results) > 1 else results[0]

    def _evaluate(self, arrays: Sequence[Any], out: str | None) -> tuple[Any, ...]:
        op = self.scalar_op
        if out is not None and self.nout == 1:
            natural = op.out_dtype(*[a.dtype.name for a in arrays])
            if natural != out:  # the node was made under the other cast policy
                worked = op.operand_dtypes(*[a.dtype.name for a in arrays])
                arrays = [
                    a.astype(out) if d == natural else a
                    for a, d in zip(arrays, worked, strict=True)
                ]
        try:
            results = op.numpy_eval(*arrays)
        except ValueError as error:
            if not _broadcast_fails(arrays):
                raise
            raise ShapeError(
                user_message(
                    f"{self}: the shapes of the operands do not fit together",
                    got=", ".join(str(a.shape) for a in arrays),
                    expected="equal lengths along every axis, or 1, which is repeated",
                )
            ) from error
        return results if isinstance(results, tuple) else (results,)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        lengths = []
        for axis, fixed in enumerate(node.outputs[0].type.broadcastable):
            dims = [
                given[axis]
                for v, given in zip(node.inputs, in_shapes, strict=True)
                if not v.type.broadcastable[axis]
            ]
            alike = all(n is dims[0] for n in dims)
            lengths.append(1 if fixed else dims[0] if alike else ctx.bcast(*dims))
        return [tuple(lengths)] * len(node.outputs)

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        """Return the element at `idx`: a scalar expression, or a tuple of them.

        Along axes that are broadcast for certain the operand is read at 0. Along the others
        `read` is given the index of the result; whether the operand is repeated there is known
        to the caller, who knows the sizes. None where a user's scalar op has no C code for the
        dtypes of the operands.
        """
        if not self.scalar_op.has_text(*(v.type.dtype for v in node.inputs)):
            return None
        values = [
            read(
                k,
                tuple([0 if b else i for i, b in zip(idx, v.type.broadcastable, strict=True)]),
            )
            for k, v in enumerate(node.inputs)
        ]
        ctx = values[0].ctx
        if self.nout > 1:
            outs = [output.type.dtype for output in node.outputs]
            return tuple(self.scalar_op.typed_calls(ctx, values, outs))
        return self.scalar_op.typed_call(ctx, values, node.outputs[0].type.dtype)

    # -- derivatives

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which results depend on the values of which operands."""
        return [[not self._ignores(i)] * len(node.outputs) for i in range(len(node.inputs))]

    def _ignores(self, i: int) -> bool:
        """Whether the values of operand `i` do not matter, only its shape."""
        return i == 0 and self.scalar_op.name == "second"

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return self._gradients(inputs, outputs, g_outputs, [True] * len(inputs))

    def wanted_gradients(
        self,
        inputs: list[Any],
        outputs: list[Any],
        g_outputs: list[Any],
        wanted: Sequence[bool],
    ) -> list[Any]:
        """Return what `L_op` gives for the operands that are wanted, and anything for others."""
        if type(self).L_op is not Elemwise.L_op:
            return self.L_op(inputs, outputs, g_outputs)
        return self._gradients(inputs, outputs, g_outputs, wanted)

    def _gradients(
        self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any], wanted: Sequence[bool]
    ) -> list[Any]:
        if all(isinstance(g.type, DisconnectedType) for g in g_outputs):
            return [disconnected_type() for _ in inputs]
        if all(is_discrete(o.type.dtype) for o in outputs):
            return [zero_gradient(x) for x in inputs]
        if self.nout == 1 and is_plain_zero(g_outputs[0]):
            # Its product with a derivative that is infinite would be NaN.
            return [
                disconnected_type() if self._ignores(i) else zero_gradient(x)
                for i, x in enumerate(inputs)
            ]
        terms = self._scalar_gradients(inputs, outputs, g_outputs)
        return [
            self._gradient(i, x, term, inputs)
            if wanted[i] and not self._ignores(i)
            else disconnected_type()
            for i, (x, term) in enumerate(zip(inputs, terms, strict=True))
        ]

    def _scalar_gradients(
        self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]
    ) -> Sequence[Any]:
        if self.nout > 1:
            gs = [None if isinstance(g.type, DisconnectedType) else g for g in g_outputs]
            many: Sequence[Any] = self.scalar_op.grad_exprs(gs, outputs, inputs)
            return many
        selection = Selection(g_outputs[0], self.scalar_op, inputs)
        y, operands = without_pole(self.scalar_op, outputs[0], inputs)
        terms = self.scalar_op.grad_exprs(selection.core, y, operands)
        return [t if t is None or t is UNDEFINED else selection.apply(t) for t in terms]

    def signed_by(self, node: Apply) -> list[Any] | None:
        """The operands that must be non-negative so that the result is; see `ops.sign`."""
        return signed_by_scalar_op(node)

    def support(self, node: Apply, of: Any) -> Any:
        """Where the result may differ from zero; see `ops.support`."""
        return support_by_scalar_op(node, of)

    def _gradient(self, i: int, x: Any, term: Any, inputs: Sequence[Any]) -> Any:
        """Bring one term of the scalar gradient to the shape and dtype of its operand."""
        if term is None:
            return zero_gradient(x)
        if term is UNDEFINED:
            why = f"the derivative of {self.scalar_op} with respect to operand {i} is not defined"
            return NullType(why)()
        term = as_tensor_variable(term)
        if term.type.ndim < x.type.ndim:
            term = pad_left(term, x.type.ndim)
        summed = sum_to(term, x, _unbroadcast_axes(i, inputs))
        dtype = x.type.dtype
        if is_continuous(dtype) and summed.type.dtype != dtype:
            return cast_like(summed, dtype)
        return summed

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        """Return the sum over operands of the partial derivative times the evaluation point."""
        outputs = self(*inputs, return_list=True)
        if all(p is None for p in eval_points):
            return [None] * len(outputs)
        results = []
        for k, output in enumerate(outputs):
            if is_discrete(output.type.dtype):
                results.append(zero_gradient(output))
                continue
            results.append(self._pushforward(k, inputs, outputs, eval_points))
        return results

    def _pushforward(
        self, k: int, inputs: list[Any], outputs: list[Any], eval_points: list[Any]
    ) -> Any:
        # The scalar gradient is elementwise: with 1 arriving it is the partial derivative.
        out = outputs[k]
        total = self._real_pushforward(k, inputs, outputs, eval_points, 1)
        if total is not None and is_complex(out.type.dtype):
            # A complex gradient is the adjoint for the real product re(conj(a) b): arriving 1 and
            # i give the real and the imaginary part, whether or not the function is analytic.
            imaginary = self._real_pushforward(k, inputs, outputs, eval_points, 1j)
            total = total + imaginary * np.asarray(1j, out.type.dtype)
        if total is None:
            return zero_gradient(out)
        return apply_scalar("second", out, total)

    def _real_pushforward(
        self, k: int, inputs: list[Any], outputs: list[Any], eval_points: list[Any], unit: complex
    ) -> Any:
        """Return ``re(conj(unit) * derivative of output k)``, None where nothing reaches it."""
        start = apply_scalar("second", outputs[k], np.asarray(unit, outputs[k].type.dtype))
        gs = [start if j == k else zero_gradient(o) for j, o in enumerate(outputs)]
        terms = self._scalar_gradients(inputs, outputs, gs)
        total = None
        for term, point in zip(terms, eval_points, strict=True):
            if point is None or term is None or isinstance(point.type, DisconnectedType):
                continue
            if term is UNDEFINED:
                raise NotImplementedError(f"{self.scalar_op} has no derivative for an operand")
            part = _real_product(as_tensor_variable(term), point)
            total = part if total is None else total + part
        return total

    # -- text

    def __str__(self) -> str:
        if self.name:
            return self.name
        if self.inplace_pattern:
            items = ", ".join(f"{o}: {i}" for o, i in sorted(self.inplace_pattern.items()))
            return f"Elemwise{{{self.scalar_op}}}[{{{items}}}]"
        return f"Elemwise{{{self.scalar_op}}}"


class _Pattern(dict):  # type: ignore[type-arg]
    """A dict that can be a property of an op."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def _result_type(operands: Sequence[Any], dtype: str, pattern: tuple[bool, ...]) -> TensorType:
    """A type of this dtype and pattern, one of the operands' if that is possible."""
    for v in operands:
        given = v.type
        if (
            given.dtype == dtype
            and given.broadcastable == pattern
            and type(given) is TensorType
            and given.name is None
        ):
            return given
    return TensorType(dtype, pattern)


def _operand_lines(operands: Sequence[Any]) -> str:
    texts = []
    for i, v in enumerate(operands):
        line = user_line(v)
        texts.append(f"  operand {i}: {v} of type {v.type}" + (f" ({line})" if line else ""))
    return "\n".join(texts[:8])


def _shape_text(lengths: Sequence[int | None]) -> str:
    inside = ", ".join("?" if n is None else str(n) for n in lengths)
    return f"({inside},)" if len(lengths) == 1 else f"({inside})"


def _broadcast_fails(arrays: Sequence[Any]) -> bool:
    try:
        np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        return True
    return False


# ---------------------------------------------------------------------------------------------
# Which axes are broadcast
# ---------------------------------------------------------------------------------------------


def _unbroadcast_axes(i: int, inputs: Sequence[Any]) -> list[int]:
    """Axes along which operand `i` has the length of the result, whatever the lengths are."""
    x = inputs[i]
    origins = None
    proved = []
    for axis, fixed in enumerate(x.type.broadcastable):
        others = [v for v in inputs if v is not x and not v.type.broadcastable[axis]]
        if not fixed and others:
            origins = origins or shape_origins(x)
            others = [v for v in others if shape_origins(v) != origins]
        if not fixed and not others:
            proved.append(axis)
    return proved


# ---------------------------------------------------------------------------------------------
# From scalar ops to elementwise ops
# ---------------------------------------------------------------------------------------------

_BY_SCALAR_OP: dict[Any, Elemwise] = {}
_BY_NAME: dict[str, Elemwise] = {}


def register_elemwise(op: Elemwise) -> Elemwise:
    """Make `op` what its scalar op stands for when it is called with tensors."""
    _BY_SCALAR_OP[op.scalar_op] = op
    _BY_NAME[op.scalar_op.name] = op
    return op


def elemwise_of(scalar_op: Any) -> Elemwise:
    """Return the elementwise op of a scalar op: the registered one, or one made now and kept."""
    found = _BY_SCALAR_OP.get(scalar_op)
    return register_elemwise(Elemwise(scalar_op)) if found is None else found


def apply_scalar(name: str, *args: Any) -> Any:
    """Apply the elementwise op whose scalar op is called `name`."""
    return _BY_NAME[name](*args)


for _scalar_cast in CASTS.values():
    register_elemwise(Elemwise(_scalar_cast))


def cast_like(x: Any, dtype: str) -> Any:
    """Convert `x` to `dtype`; a complex number loses its imaginary part."""
    if x.type.dtype == dtype:
        return x
    return _BY_SCALAR_OP[CASTS[dtype]](x)


def cast(x: Any, dtype: Any) -> Any:
    """Convert the elements of `x`.

    Parameters
    ----------
    x : tensor
    dtype : str
        A dtype, or ``"floatX"``.

    Returns
    -------
    tensor
        `x` itself if it has that dtype.

    Raises
    ------
    TypeError
        If `x` is complex and `dtype` is not: say `real`, `imag`, `angle` or `abs_` instead.

    Examples
    --------
    >>> from symc.array.constructors import ivector
    >>> cast(ivector(), "float32").dtype
    'float32'
    """
    name = canonical(dtype)
    x = as_tensor_variable(x)
    if x.type.dtype == name:
        return x
    if is_complex(x.type.dtype) and not is_complex(name):
        raise DTypeError(
            user_message(
                "a complex number can be made real in several ways",
                got=f"cast of {x} from {x.type.dtype} to {name}",
                hint="use real(x), imag(x), angle(x) or abs_(x)",
            )
        )
    return cast_like(x, name)


def _real_product(a: Any, b: Any) -> Any:
    """Return ``re(conj(a) * b)``, which is ``a * b`` for real numbers."""
    product = (apply_scalar("conj", a) if is_complex(a.type.dtype) else a) * b
    return apply_scalar("real", product) if is_complex(product.type.dtype) else product
