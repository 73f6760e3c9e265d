"""Users' scalar ops: `impl` for NumPy, ``c_code`` for the kernel, `grad` for derivatives.

::

    class Cube(UnaryScalarOp):
        def impl(self, x):
            return x * x * x

        def c_code(self, node, name, inputs, outputs, sub):
            return f"{outputs[0]} = {inputs[0]} * {inputs[0]} * {inputs[0]};"

        def grad(self, inputs, output_gradients):
            return [output_gradients[0] * 3 * inputs[0] * inputs[0]]

    cube = Elemwise(Cube(upgrade_to_float, name="cube"))

The C code of an op for given dtypes becomes an inline function, so it fuses with what is around
it. Where the class has none for the dtypes at hand (``c_code`` is missing or raises
`NotImplementedError`), where it is C++, may fail or wants libraries, `impl` runs element by
element.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import DTYPES, is_discrete
from ..errors import MethodNotDefined, user_message
from ..graph.fingerprint import stable_key
from ..graph.node import Apply, Variable
from ..graph.special import DisconnectedType, NullType, disconnected_type
from ..scalar import op as base
from ..scalar.ctext import publish_header
from ..scalar.expr import Context, Expr
from ..scalar.op import REGISTRY, UNDEFINED, as_dtype, cast_expr, intern_call
from ..scalar.operands import as_exprs
from .scalartype import Scalar, ScalarApplication, get_scalar_type, replayed

__all__ = ["BinaryScalarOp", "ScalarOp", "UnaryScalarOp"]

OutputTypes = Callable[..., Sequence[Scalar]]

_FAIL = "@fail@"
_NOT_C = re.compile(r"::|\b(?:static_cast|template|throw|namespace|class|PyErr_\w+)\b|" + _FAIL)
_BRANCHES = re.compile(r"\b(?:if|for|while|do|switch|goto)\b")
_CALL = re.compile(r"\b(?!sizeof\b|fabsf?\b|sqrtf?\b)[A-Za-z_]\w*\s*\(")
_QUOTES = '<"'
_COST = 10

_NPY_TYPES = "\n".join(
    [
        "#include <math.h>\n#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>",
        *(f"typedef {record.storage} npy_{name};" for name, record in DTYPES.items()),
        "#define NPY_PI 3.141592653589793238462643383279502884",
        "#define NPY_INFINITY INFINITY\n#define NPY_NAN NAN",
    ]
)


class _AllScalarOps(type):
    """Every scalar op counts as an instance: symc's own are records of another class."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls.__dict__.get("counts_all") is not None:
            return isinstance(instance, cls.counts_all)  # type: ignore[attr-defined]
        return super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls.__dict__.get("counts_all") is not None:
            return issubclass(subclass, cls.counts_all)  # type: ignore[attr-defined]
        return super().__subclasscheck__(subclass)


class ScalarOp(base.ScalarOp, metaclass=_AllScalarOps):
    """Base of users' scalar ops.

    Parameters
    ----------
    output_types_preference : callable, optional
        From the `Scalar` types of the operands to a sequence of those of the results:
        `upgrade_to_float`, `upcast_out`, `same_out`, ... An op may override `output_types`
        instead.
    name : str, optional
        Shown in printed graphs; by default the name of the class.

    Attributes
    ----------
    nin, nout : int
        Numbers of operands (-1 for any) and results; class attributes.
    commutative, associative : bool
        Properties that rewriting and `CAReduce` rely on.
    identity : number or None
        The neutral element; reductions run in the kernel where it is given.
    """

    counts_all = base.ScalarOp

    nin = -1
    nout = 1
    out = "user"
    c = cuda = expand = fold = None
    kinds = "biufc"
    needs: tuple[str, ...] = ()
    vector = moves = holomorphic = False
    commutative = associative = idempotent = zero_at_zero = False
    identity: Any = None
    absorbing = inverse_of = range = twin = None
    monotone = 0
    cost = _COST

    def __init__(
        self, output_types_preference: OutputTypes | None = None, name: str | None = None
    ) -> None:
        if output_types_preference is not None:
            if not callable(output_types_preference):
                raise TypeError(
                    user_message(
                        "the output types of a scalar op are given by a function",
                        got=repr(output_types_preference),
                        expected="upgrade_to_float, same_out, ..., or a function of your own",
                    )
                )
            self.output_types_preference = output_types_preference
        # Rules know symc's own ops by name.
        name = type(self).__name__ if name is None else str(name)
        self.name = f"{name}_" if name in REGISTRY else name
        self.doc = type(self).__doc__ or ""
        self.numpy = self.numpy_eval
        self.rule = self._rule
        self._signatures = {}

    # -- identity

    def _identity(self) -> str:
        """What tells two ops apart: the class, and ``__props__`` or all attributes."""
        props = getattr(type(self), "__props__", None)
        state = self._state() if props is None else {key: getattr(self, key) for key in props}
        return stable_key((type(self), {k: v for k, v in state.items() if k != "name"}))

    def _state(self) -> dict[str, Any]:
        derived = ("_signatures", "numpy", "rule", "doc")
        return {k: v for k, v in self.__dict__.items() if k not in derived}

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return type(self) is type(other) and self._identity() == other._identity()  # type: ignore

    def __hash__(self) -> int:
        return hash(type(self))

    def fingerprint_key(self) -> Any:
        """What identifies the op in this process; in another its class may be another."""
        return type(self), tuple(self._state().items())

    def __reduce__(self) -> Any:
        return _restored, (type(self), self._state())

    # -- what users define

    def impl(self, *inputs: Any) -> Any:
        """The result for NumPy scalars; a tuple if there are several."""
        raise MethodNotDefined(f"the scalar op {self.name} does not define impl")

    def output_types(self, types: Sequence[Scalar]) -> Sequence[Scalar]:
        """The types of the results for operands of the given types."""
        preference = getattr(self, "output_types_preference", None)
        if preference is None:
            raise NotImplementedError(
                f"the scalar op {self.name} needs output_types_preference, for example "
                "upgrade_to_float, or a method output_types"
            )
        found: Sequence[Scalar] = preference(*types)
        return found

    def grad(self, inputs: Sequence[Any], output_gradients: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        """The gradients with respect to scalar variables, as scalar variables."""
        raise MethodNotDefined(f"the scalar op {self.name} defines neither grad nor L_op")

    def L_op(
        self, inputs: Sequence[Any], outputs: Sequence[Any], output_gradients: Sequence[Any]
    ) -> Sequence[Any]:
        """The gradients, given the results too; the default calls `grad`."""
        return self.grad(inputs, output_gradients)

    def c_code(
        self, node: Apply, name: str, inputs: Sequence[str], outputs: Sequence[str], sub: Any
    ) -> str:
        """C statements that assign the results; ``node`` tells the types."""
        raise NotImplementedError(f"the scalar op {self.name} has no C code")

    def c_support_code(self) -> str:
        """C definitions that the code needs."""
        return ""

    def c_support_code_apply(self, node: Apply, name: str) -> str:
        """C definitions that the code needs for the types of `node`."""
        return ""

    def c_headers(self) -> Sequence[str]:
        """Names of the headers that the code needs."""
        return ()

    def c_libraries(self) -> Sequence[str]:
        """Libraries to link; an op that wants some runs by `impl`."""
        return ()

    def c_code_cache_version(self) -> tuple[Any, ...]:
        """A version of the C code, as in Theano; later processes go by the code itself."""
        return ()

    # -- the scalar graph

    def make_node(self, *inputs: Any) -> Apply:
        """The application of this op to scalar variables."""
        return ScalarApplication(self).make_node(*inputs)

    # -- types

    def _rule(self, dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
        types = tuple(self.output_types([get_scalar_type(d) for d in dtypes]))
        if len(types) != self.nout:
            raise TypeError(
                user_message(
                    f"the output types of the scalar op {self.name} do not fit",
                    got=f"{len(types)} types: {', '.join(map(str, types))}",
                    expected=f"nout = {self.nout}",
                )
            )
        names = tuple(t.dtype for t in types)
        return dtypes, names if self.nout > 1 else names[0]

    @property
    def discrete(self) -> bool:
        """False: the dtype of the result tells whether a gradient passes."""
        return False

    # -- meaning

    def numpy_eval(self, *arrays: Any) -> Any:
        """Evaluate `impl` element by element on broadcastable arrays.

        Returns
        -------
        numpy.ndarray, or tuple of them if there are several results
        """
        given = [np.asarray(a) for a in arrays]
        self.check_arity(len(given))
        worked, found = self.signature(*[a.dtype.name for a in given])
        outs = found if isinstance(found, tuple) else (found,)
        cast = [a.astype(d, copy=False) for a, d in zip(given, worked, strict=True)]
        shape = np.broadcast_shapes(*(a.shape for a in cast))
        results = [np.empty(shape, dtype) for dtype in outs]
        flat = [np.broadcast_to(a, shape).flat for a in cast]
        with np.errstate(all="ignore"):
            for i, numbers in enumerate(zip(*flat, strict=True)):
                value = self.impl(*numbers)
                for result, part in zip(results, value if len(outs) > 1 else (value,), strict=True):
                    result.flat[i] = part
        return tuple(results) if len(results) > 1 else results[0]

    # -- kernels

    def has_text(self, *dtypes: str) -> bool:
        """Whether there is C code for operands of the given dtypes."""
        worked, _ = self.signature(*dtypes)
        return _function(self, worked) is not None

    def prepare(self, ctx: Context, args: tuple[Any, ...]) -> Expr:
        """Build the call: it never stays a node of this op, but of one for the dtypes at hand."""
        exprs = as_exprs(ctx, args)
        out = self.out_dtype(*[e.dtype for e in exprs])
        return self.typed_call(ctx, exprs, out)

    def typed_call(self, ctx: Context, exprs: Sequence[Expr], out: str) -> Expr:
        """As for every scalar op."""
        return self.typed_calls(ctx, exprs, [out])[0]

    def typed_calls(self, ctx: Context, exprs: Sequence[Expr], outs: Sequence[str]) -> list[Expr]:
        """All results as expressions, converted to the dtypes `outs`."""
        self.check_arity(len(exprs))
        worked, _ = self.signature(*[e.dtype for e in exprs])
        args = tuple(cast_expr(ctx, e, d) for e, d in zip(exprs, worked, strict=True))
        parts = [TypedScalarOp(self, worked, k) for k in range(len(outs))]
        return [
            cast_expr(ctx, intern_call(ctx, part, args, part.result), dtype)
            for part, dtype in zip(parts, outs, strict=True)
        ]

    # -- derivatives

    def grad_exprs(self, g: Any, y: Any, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Gradients as expressions of the kind of `xs`; see the base class.

        `grad` is called with scalar variables, and what it returns is rebuilt from `xs`. If there
        are several results, `g` and `y` are sequences; None in `g` is a missing gradient.
        """
        gs, ys = (list(g), list(y)) if self.nout > 1 else ([g], [y])
        node = self.make_node(*[get_scalar_type(x.dtype).make_variable() for x in xs])
        arriving = [
            disconnected_type() if a is None else get_scalar_type(a.dtype).make_variable()
            for a in gs
        ]
        try:
            terms = list(self.L_op(node.inputs, node.outputs, arriving))
        except MethodNotDefined:
            undefined = None if all(is_discrete(o.dtype) for o in ys) else UNDEFINED
            return (undefined,) * len(xs)
        if len(terms) != len(xs):
            raise ValueError(
                f"the gradient of the scalar op {self.name} has {len(terms)} terms for "
                f"{len(xs)} operands"
            )
        values = dict(zip((*node.inputs, *node.outputs), (*xs, *ys), strict=True))
        values.update(
            {v: given for v, given in zip(arriving, gs, strict=True) if given is not None}
        )
        first = next(a for a in gs if a is not None)
        return tuple(self._term(term, x, first, values) for term, x in zip(terms, xs, strict=True))

    def _term(self, term: Any, x: Any, g: Any, values: dict[Any, Any]) -> Any:
        """One gradient: a scalar variable, rebuilt from the values of the operands."""
        if term is None or isinstance(getattr(term, "type", None), DisconnectedType):
            return None
        if isinstance(term, Variable) and isinstance(term.type, NullType):
            return UNDEFINED
        if not isinstance(term, Variable):
            term = get_scalar_type(g.dtype).make_constant(np.dtype(g.dtype).type(term))
        (found,) = replayed([term], values)
        if isinstance(found, np.generic):  # it does not depend on anything: give it a shape
            found = REGISTRY["second"](g, found)
        return found if is_discrete(x.dtype) else as_dtype(found, x.dtype)


class UnaryScalarOp(ScalarOp, base.UnaryScalarOp):
    """Base of users' scalar ops of one operand."""

    counts_all = base.UnaryScalarOp
    nin = 1


class BinaryScalarOp(ScalarOp, base.BinaryScalarOp):
    """Base of users' scalar ops of two operands."""

    counts_all = base.BinaryScalarOp
    nin = 2


def _restored(cls: type[ScalarOp], state: dict[str, Any]) -> ScalarOp:
    op: ScalarOp = cls.__new__(cls)
    ScalarOp.__init__(op, state.get("output_types_preference"), state["name"])
    op.__dict__.update(state)
    return op


# ---------------------------------------------------------------------------------------------
# C code for given dtypes
# ---------------------------------------------------------------------------------------------


class TypedScalarOp(base.ScalarOp):
    """A user's op for operands of given dtypes: what a kernel calls.

    Parameters
    ----------
    user_op : ScalarOp
    dtypes : tuple of str
        Of the operands, as the machine computes in them.
    number : int
        Which result.
    """

    def __init__(self, user_op: ScalarOp, dtypes: tuple[str, ...], number: int) -> None:
        found = user_op.rule(dtypes)[1]
        result = found[number] if isinstance(found, tuple) else found
        self.user_op = user_op
        self.dtypes = dtypes
        self.number = number
        self.result = DTYPES[result].compute
        function = _function(user_op, dtypes)
        super().__init__(
            user_op.name,
            len(dtypes),
            out=lambda given: (dtypes, self.result),
            numpy=self._numpy,
            c=None if function is None else function.call(number),
            grad=self._grad if user_op.nout == 1 else None,
            kinds="biufc",
            needs=() if function is None else function.needs,
            vector=function is not None and function.vector,
            commutative=user_op.commutative,
            associative=user_op.associative,
            identity=user_op.identity,
            cost=_COST,
            doc=user_op.doc,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedScalarOp) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.user_op, self.dtypes, self.number))

    def _key(self) -> tuple[Any, ...]:
        return self.user_op, self.dtypes, self.number

    def fingerprint_key(self) -> tuple[Any, ...]:
        """What identifies the op."""
        return self._key()

    def __reduce__(self) -> Any:
        return TypedScalarOp, self._key()

    def text_dtype(self, dtype: str) -> str:
        """Dtype of the result in C."""
        return self.result

    def _numpy(self, *arrays: Any) -> Any:
        found = self.user_op.numpy_eval(*arrays)
        return found[self.number] if self.user_op.nout > 1 else found

    def _grad(self, g: Any, y: Any, *xs: Any) -> tuple[Any, ...]:
        return self.user_op.grad_exprs(g, y, xs)


@dataclass(frozen=True)
class _Function:
    """The C functions of a user's op for given dtypes, one per result.

    Attributes
    ----------
    name : str
        Common beginning of their names.
    needs : tuple of str
        Published headers with their definitions.
    vector : bool
        Whether the code is straight-line, so that a loop of calls becomes vector code.
    """

    name: str
    needs: tuple[str, ...]
    vector: bool

    def call(self, number: int) -> Callable[..., str]:
        """The template that calls the function of one result."""
        return lambda dtype, *operands: f"{self.name}_{number}({', '.join(operands)})"


@functools.lru_cache(maxsize=1024)
def _function(user_op: ScalarOp, dtypes: tuple[str, ...]) -> _Function | None:
    """The functions for operands of `dtypes`; None where the op must run by `impl`."""
    node = user_op.make_node(*[get_scalar_type(d).make_variable() for d in dtypes])
    inputs = [f"x{i}" for i in range(len(dtypes))]
    outputs = [f"z{k}" for k in range(user_op.nout)]
    title = re.sub(r"[^ -~]|[\"\\]", "?", user_op.name)
    try:
        code = user_op.c_code(node, "op", inputs, outputs, {"fail": _FAIL, "id": "0"})
    except (NotImplementedError, MethodNotDefined):
        return None
    support = user_op.c_support_code()
    extra = user_op.c_support_code_apply(node, "op")
    texts = "\n".join((code, support, extra))
    located = f'#line 1 "c_code of {title}"\n{code}'  # what the compiler's messages shall name
    if _NOT_C.search(texts) or user_op.c_libraries():
        return None
    heads = [f"#include {h}" if h[0] in _QUOTES else f"#include <{h}>" for h in user_op.c_headers()]
    needs = [publish_header(_NPY_TYPES), publish_header("\n".join([*heads, support]))]
    head = "".join(f'#include "{name}"\n' for name in needs)
    digest = hashlib.sha256(f"{title}{dtypes}{head}{texts}".encode()).hexdigest()[:16]
    name = f"su_{digest}"
    results = [o.type.dtype for o in node.outputs]
    functions = [
        _definition(f"{name}_{k}", located, dtypes, results, k) for k in range(user_op.nout)
    ]
    needs.append(publish_header("\n".join([head, extra, *functions])))
    straight = not (_BRANCHES.search(texts) or _CALL.search(code))
    return _Function(name, tuple(needs), straight)


def _definition(
    name: str, code: str, dtypes: Sequence[str], results: Sequence[str], number: int
) -> str:
    parameters = ", ".join(f"{DTYPES[d].compute_c} x{i}" for i, d in enumerate(dtypes))
    ctypes = [DTYPES[d].compute_c for d in results]
    declared = "".join(f"  {ctype} z{k};\n" for k, ctype in enumerate(ctypes))
    unused = "".join(f"  (void)z{k};\n" for k in range(len(results)) if k != number)
    result = f"z{number} != 0" if results[number] == "bool" else f"z{number}"
    head = f"static inline __attribute__((unused)) {ctypes[number]} {name}({parameters})"
    return f"{head} {{\n{declared}  {{\n{code}\n  }}\n{unused}  return {result};\n}}\n"
