"""Scalars as values of a graph: `Scalar`, the type of one number, its variables and constants.

A 0-d tensor holds an array; a scalar variable stands for the number itself. Scalar graphs serve to
write scalar ops: the gradient of a user's op and a `Composite` are made of scalar variables, and
`scalar_expressions` turns them into the expressions that kernels consist of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..config import config
from ..dtypes import DTYPES, canonical, is_complex, is_float, python_scalar_dtype, upcast
from ..errors import AsTensorError, DTypeError, user_message
from ..graph.node import Apply, Constant, Type, Variable
from ..graph.op import BuiltinOp
from ..graph.trace import user_line
from ..graph.walk import toposort
from ..scalar.expr import Context, Expr, Operators
from ..scalar.op import CASTS, REGISTRY, as_dtype, cast_expr

__all__ = [
    "Scalar",
    "ScalarApplication",
    "ScalarConstant",
    "ScalarVariable",
    "as_scalar",
    "constant",
    "get_scalar_type",
    "replayed",
    "scalar_expressions",
]


class Scalar(Type):
    """The type of single numbers of one dtype; values are NumPy scalars.

    Parameters
    ----------
    dtype : str
        A dtype, or ``"floatX"``.

    Examples
    --------
    >>> x = Scalar("float32")("x")
    >>> (x + 1).type
    Scalar(float32)
    """

    __props__ = ("dtype",)
    ndim = 0

    def __init__(self, dtype: Any) -> None:
        self.dtype = canonical(dtype)

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Return `data` as a NumPy scalar of the dtype.

        Raises
        ------
        TypeError
            If it is no number, or the conversion loses something and that is not allowed.
        """
        kind = DTYPES[self.dtype].numpy.type
        if isinstance(data, kind):
            return data
        if strict:
            raise TypeError(f"{self} expected a {kind.__name__}, got {data!r} of {type(data)}")
        try:
            converted = kind(data)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{self} can't hold {data!r}: {error}") from error
        if not isinstance(converted, np.generic):
            raise TypeError(f"{self} holds one number, got an array of shape {converted.shape}")
        literal = isinstance(data, float) and self.dtype == config.floatX
        if allow_downcast or (allow_downcast is None and literal):
            return converted
        exact, given = converted.item(), np.asarray(data).item()  # NumPy would round `data` first
        if not (exact == given or (exact != exact and given != given)):
            raise TypeError(
                user_message(
                    f"{self} can't hold this number exactly",
                    got=repr(data),
                    hint="convert it first, or pass allow_downcast=True",
                )
            )
        return converted

    def filter_output(self, value: Any) -> Any:
        """Accept 0-d arrays of the dtype besides NumPy scalars."""
        if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype == self.dtype:
            return value[()]
        return self.filter(value, strict=True)

    def values_eq_approx(self, a: Any, b: Any) -> bool:
        """Whether two numbers differ by rounding only."""
        return bool(np.allclose(a, b, rtol=1e-4 if self.dtype == "float32" else 1e-7))

    def dtype_specs(self) -> tuple[Any, str, str]:
        """The NumPy class, the C type and the NumPy type number's name of the dtype."""
        return np.dtype(self.dtype).type, f"npy_{self.dtype}", f"NPY_{self.dtype.upper()}"

    def c_element_type(self) -> str:
        """The C type of a number."""
        return f"npy_{self.dtype}"

    def clone(self, dtype: Any = None) -> Scalar:
        """The type of another dtype."""
        return self if dtype is None else get_scalar_type(dtype)

    def __str__(self) -> str:
        return f"Scalar({self.dtype})"


_TYPES: dict[str, Scalar] = {}


def get_scalar_type(dtype: Any) -> Scalar:
    """The `Scalar` of a dtype, always the same object."""
    name = canonical(dtype)
    found = _TYPES.get(name)
    if found is None:
        found = _TYPES[name] = Scalar(name)
    return found


# ---------------------------------------------------------------------------------------------
# Variables
# ---------------------------------------------------------------------------------------------


class ScalarOperators(Operators):
    """Operators and methods of everything that stands for one number."""

    type: Any
    ndim = 0

    @property
    def dtype(self) -> str:
        """Name of the dtype."""
        dtype: str = self.type.dtype
        return dtype

    def _apply(self, op: Any, args: tuple[Any, ...]) -> Any:
        """Apply a scalar op; with a tensor among the operands the result is a tensor."""
        tensors = [a for a in args if isinstance(a, Variable) and not isinstance(a.type, Scalar)]
        if not tensors:
            return ScalarApplication(op)(*args)
        operands = [a._as_TensorVariable() if isinstance(a, ScalarOperators) else a for a in args]
        return tensors[0]._apply(op, tuple(operands))  # type: ignore[attr-defined]

    def _as_TensorVariable(self) -> Any:
        """The number as a 0-d tensor; `symc.ops.scalars` says how."""
        raise AsTensorError("a scalar becomes a tensor by symc.ops: import symc")

    def _as_expressions(
        self, inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> tuple[list[Expr], list[Expr]]:
        """A scalar graph as expressions; `Composite` asks for it."""
        return scalar_expressions(inputs, [as_scalar(v) for v in outputs])

    def zeros_like(self, dtype: Any = None) -> Any:
        """A zero, by default of this dtype, that formally depends on this variable."""
        return REGISTRY["second"](self, _number(0, dtype or self.dtype))

    def ones_like(self, dtype: Any = None) -> Any:
        """A one, by default of this dtype, that formally depends on this variable."""
        return REGISTRY["second"](self, _number(1, dtype or self.dtype))

    def astype(self, dtype: Any) -> Any:
        """The number converted to another dtype."""
        return as_dtype(self, canonical(dtype))

    def ceil(self) -> Any:
        """The least integer that is not smaller."""
        return REGISTRY["ceil"](self)

    def floor(self) -> Any:
        """The greatest integer that is not greater."""
        return REGISTRY["floor"](self)


class ScalarVariable(ScalarOperators, Variable):
    """A variable whose values are single numbers."""


class ScalarConstant(ScalarOperators, Constant):
    """A number."""


Scalar.Variable = ScalarVariable
Scalar.Constant = ScalarConstant


def _number(value: Any, dtype: Any) -> ScalarConstant:
    kind = get_scalar_type(dtype)
    return ScalarConstant(kind, DTYPES[kind.dtype].numpy.type(value))


def constant(x: Any, name: str | None = None, dtype: Any = None) -> ScalarConstant:
    """A scalar constant.

    Parameters
    ----------
    x : number or 0-d array
    name : str, optional
    dtype : str, optional
        By default what `symc.dtypes` gives a number that stands alone.
    """
    array = np.asarray(x)
    if array.ndim:
        raise TypeError(f"a scalar constant is one number, got an array of shape {array.shape}")
    if dtype is None:
        typed = isinstance(x, (np.generic, np.ndarray))
        dtype = array.dtype.name if typed else python_scalar_dtype(x)
    made = _number(array[()], dtype)
    made.name = name
    return made


def as_scalar(x: Any, name: str | None = None) -> Any:
    """Return `x` as a scalar variable.

    Parameters
    ----------
    x : scalar variable, Apply, number, or 0-d tensor
        An Apply stands for its default output; of a tensor the number is taken.
    name : str, optional
        Name of a new constant.

    Raises
    ------
    TypeError
        If `x` is symbolic and has axes, or no number.
    """
    if isinstance(x, Apply):
        x = x.default_output()
    if not isinstance(x, Variable):
        return constant(x, name)
    if isinstance(x.type, Scalar):
        return x
    convert = getattr(x, "_as_scalar", None)
    if convert is None or getattr(x.type, "ndim", None) != 0:
        raise AsTensorError(
            user_message(
                "this variable is not a number",
                got=f"{x} of type {x.type}",
                expected="a scalar variable or a 0-d tensor",
                where=user_line(x) or None,
            )
        )
    return convert()


# ---------------------------------------------------------------------------------------------
# Applications
# ---------------------------------------------------------------------------------------------


class ScalarApplication(BuiltinOp):
    """Apply a scalar op to scalar variables.

    Parameters
    ----------
    scalar_op : ScalarOp
    """

    __props__ = ("scalar_op",)

    def __init__(self, scalar_op: Any) -> None:
        self.scalar_op = scalar_op

    def make_node(self, *inputs: Any) -> Apply:
        op = self.scalar_op
        op.check_arity(len(inputs))
        operands = _as_scalars(inputs)
        found = op.out_dtype(*[v.type.dtype for v in operands])
        dtypes = found if isinstance(found, tuple) else (found,)
        return Apply(self, operands, [get_scalar_type(d).make_variable() for d in dtypes])

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Store the scalar op's reference."""
        arrays = [np.asarray(x, v.type.dtype) for x, v in zip(inputs, node.inputs, strict=True)]
        found = self.scalar_op.numpy_eval(*arrays)
        results = found if isinstance(found, tuple) else (found,)
        for cell, output, result in zip(output_storage, node.outputs, results, strict=True):
            cell[0] = np.asarray(result, output.type.dtype)[()]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        several = self.scalar_op.nout > 1
        y, g = (outputs, g_outputs) if several else (outputs[0], g_outputs[0])
        terms = self.scalar_op.grad_exprs(g, y, inputs)
        return [
            term if isinstance(term, Variable) else x.zeros_like(_gradient_dtype(x.type.dtype))
            for x, term in zip(inputs, terms, strict=True)
        ]

    def __str__(self) -> str:
        return str(self.scalar_op)


def _gradient_dtype(dtype: str) -> str:
    return dtype if is_float(dtype) or is_complex(dtype) else str(config.floatX)


def _as_scalars(args: Sequence[Any]) -> list[Any]:
    """Operands as scalar variables; Python numbers take the dtype of the others."""
    plain = [isinstance(a, (bool, int, float, complex)) for a in args]
    plain = [p and not isinstance(a, np.generic) for p, a in zip(plain, args, strict=True)]
    found = [None if p else as_scalar(a) for p, a in zip(plain, args, strict=True)]
    strong = [v.type.dtype for v in found if v is not None]
    common = upcast(*strong) if strong else None
    return [
        _number(a, python_scalar_dtype(a, common)) if v is None else v
        for a, v in zip(args, found, strict=True)
    ]


# ---------------------------------------------------------------------------------------------
# From scalar graphs to expressions and tensors
# ---------------------------------------------------------------------------------------------


def scalar_expressions(
    inputs: Sequence[Any], outputs: Sequence[Any]
) -> tuple[list[Expr], list[Expr]]:
    """Turn a graph of scalar variables into expressions over ``arg`` leaves.

    Parameters
    ----------
    inputs, outputs : sequence of ScalarVariable

    Returns
    -------
    tuple
        The leaves that stand for the inputs, and the outputs.

    Raises
    ------
    TypeError
        If something in the graph is no scalar op, or an output depends on a variable that is no
        input.
    """
    ctx = Context()
    leaves = [ctx.arg(i, x.type.dtype) for i, x in enumerate(inputs)]
    return leaves, replayed(outputs, dict(zip(inputs, leaves, strict=True)), ctx)


def replayed(
    outputs: Sequence[Any], values: Mapping[Any, Any], ctx: Context | None = None
) -> list[Any]:
    """Rebuild a graph of scalar variables from other symbolic values.

    Parameters
    ----------
    outputs : sequence of ScalarVariable
    values : mapping
        What stands for the variables that are given: expressions, tensors or scalar variables.
    ctx : Context, optional
        Where expressions live; without it ops are called with the values.

    Returns
    -------
    list
        One value per output; NumPy scalars for constants where there is no `ctx`.
    """
    done = dict(values)

    def value(v: Any) -> Any:
        if v not in done:
            if not isinstance(v, Constant):
                raise TypeError(f"a scalar graph depends on {v}, which is not among its inputs")
            done[v] = v.data if ctx is None else ctx.const(v.data, v.type.dtype)
        return done[v]

    for node in toposort(outputs, list(values)):
        if not isinstance(node.op, ScalarApplication):
            raise TypeError(
                user_message(
                    "only scalar ops can be part of a scalar op",
                    got=f"{node.op}",
                    expected="functions of symc.scalar, operators, users' scalar ops",
                    where=user_line(node.outputs[0]) or None,
                )
            )
        args = [value(v) for v in node.inputs]
        dtypes = [o.type.dtype for o in node.outputs]
        done.update(zip(node.outputs, _called(node.op.scalar_op, args, dtypes, ctx), strict=True))
    return [value(v) for v in outputs]


def _called(op: Any, args: Sequence[Any], dtypes: Sequence[str], ctx: Context | None) -> list[Any]:
    """Results of `op`, of the dtypes that the scalar graph was made with."""
    if ctx is not None and op.nout > 1:
        many: list[Any] = op.typed_calls(ctx, args, dtypes)
        return many
    if ctx is not None:
        return [cast_expr(ctx, op.typed_call(ctx, args, dtypes[0]), dtypes[0])]
    results = op(*args)
    return list(results) if isinstance(results, (list, tuple)) else [results]


def cast(x: Any, dtype: Any) -> Any:
    """The scalar `x` converted to `dtype`.

    Raises
    ------
    TypeError
        If `x` is complex and `dtype` is not: take `real` or `imag` first.
    """
    name = canonical(dtype)
    value: Any = x if isinstance(x, (Variable, Expr)) else as_scalar(x)
    if is_complex(value.dtype) and not is_complex(name):
        raise DTypeError(f"can't cast {value} from {value.dtype} to {name}: take real or imag")
    return value if value.dtype == name else CASTS[name](value)
