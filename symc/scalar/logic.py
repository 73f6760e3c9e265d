"""Comparisons, predicates, bit operations and selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from symc.dtypes import is_signed

from .expr import OPERATORS, Context, Expr
from .op import CASTS, REGISTRY, BinaryScalarOp, ScalarOp, UnaryScalarOp, register, scalar_op


class LogicalComparison(BinaryScalarOp):
    """A comparison of two operands; its result is bool.

    A uint64 is compared with a signed integer exactly, as in NumPy, although no dtype holds both.
    """

    def prepare(self, ctx: Context, args: tuple[Any, ...]) -> tuple[Expr, ...] | Expr:
        """As for :class:`ScalarOp`; uint64 with a signed integer is decided by the sign first."""
        a, b = args if len(args) == 2 else (None, None)
        if isinstance(a, Expr) and isinstance(b, Expr):
            if is_signed(a.dtype) and b.dtype == "uint64":
                return self._signed_first(a, b)
            if a.dtype == "uint64" and is_signed(b.dtype):
                mirrored: Expr = REGISTRY[_MIRRORED[self.name]](b, a)
                return mirrored
        return super().prepare(ctx, args)

    def _signed_first(self, a: Expr, b: Expr) -> Expr:
        negative, unsigned = lt(a, 0), CASTS["uint64"](a)
        if self.name in ("lt", "le", "neq"):
            return or_(negative, self(unsigned, b))  # type: ignore[no-any-return]
        return and_(invert(negative), self(unsigned, b))  # type: ignore[no-any-return]

    def numpy_eval(self, *arrays: Any) -> np.ndarray[Any, Any]:
        """As for :class:`ScalarOp`; NumPy compares integers of all dtypes exactly."""
        given = [np.asarray(a) for a in arrays]
        if {a.dtype.kind for a in given} == {"i", "u"} and len(given) == 2:
            return np.asarray(self.numpy(*given))
        return super().numpy_eval(*given)


_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "neq": "neq"}


class FixedLogicalComparison(UnaryScalarOp):
    """A predicate of one operand; its result is bool."""


class UnaryBitOp(UnaryScalarOp):
    """A bit operation on one operand."""


class BinaryBitOp(ScalarOp):
    """A bit operation on any number of operands."""


def _comparison(name: str, cls: str, symbol: str, numpy: Any, kinds: str, doc: str) -> ScalarOp:
    def fold(ctx: Context, exprs: tuple[Expr, ...]) -> Expr | None:
        a, b = exprs
        if a.kind == "const" and b.kind == "const":
            return ctx.const(bool(numpy(a.payload, b.payload)), "bool")
        if a is b and a.dtype[0] in "biu":
            return ctx.const(name in ("le", "ge", "eq"), "bool")
        return None

    return scalar_op(
        name,
        2,
        cls=cls,
        base=LogicalComparison,
        out="bool",
        numpy=numpy,
        c=f"({{0}} {symbol} {{1}})",
        kinds=kinds,
        vector=True,
        fold=fold,
        commutative=name in ("eq", "neq"),
        range=(0, 1),
        doc=doc,
    )


lt = _comparison("lt", "LT", "<", np.less, "biuf", "a < b.")
gt = _comparison("gt", "GT", ">", np.greater, "biuf", "a > b.")
le = _comparison("le", "LE", "<=", np.less_equal, "biuf", "a <= b.")
ge = _comparison("ge", "GE", ">=", np.greater_equal, "biuf", "a >= b.")
eq = _comparison("eq", "EQ", "==", np.equal, "biufc", "a equal to b.")
neq = _comparison("neq", "NEQ", "!=", np.not_equal, "biufc", "a not equal to b.")

isnan = scalar_op(
    "isnan",
    1,
    cls="IsNan",
    base=FixedLogicalComparison,
    out="bool",
    numpy=np.isnan,
    c={"biu": "0", "fc": "({0} != {0})"},
    kinds="biufc",
    vector=True,
    range=(0, 1),
    doc="Whether x is not a number; False for integers.",
)

isinf = scalar_op(
    "isinf",
    1,
    cls="IsInf",
    base=FixedLogicalComparison,
    out="bool",
    numpy=np.isinf,
    c={
        "biu": "0",
        "f": "(fabs{f}({0}) == INFINITY)",
        "c": "(fabs{f}(creal{f}({0})) == INFINITY || fabs{f}(cimag{f}({0})) == INFINITY)",
    },
    kinds="biufc",
    vector=True,
    range=(0, 1),
    doc="Whether x is infinite (for complex x: either part).",
)


class InRange(ScalarOp):
    """Whether x lies between two bounds, each belonging to the range or not.

    Parameters
    ----------
    openlow, openhi : bool
        Whether the lower and the upper bound are left out.
    """

    def __init__(self, openlow: bool, openhi: bool) -> None:
        names = {(True, True): "inopenrange", (False, False): "inclosedrange"}
        name = names.get((openlow, openhi), f"inrange_{openlow:d}{openhi:d}")
        low, high = (">" if openlow else ">="), ("<" if openhi else "<=")
        above = np.greater if openlow else np.greater_equal
        below = np.less if openhi else np.less_equal
        super().__init__(
            name,
            3,
            out="bool",
            numpy=lambda x, a, b: above(x, a) & below(x, b),
            c=f"(({{0}} {low} {{1}}) & ({{0}} {high} {{2}}))",
            vector=True,
            range=(0, 1),
            cost=2,
            doc=f"a {'<' if openlow else '<='} x {'<' if openhi else '<='} b.",
        )
        self.openlow = openlow
        self.openhi = openhi


inopenrange = InRange(True, True)
inclosedrange = InRange(False, False)
for _op in (inopenrange, inclosedrange, InRange(True, False), InRange(False, True)):
    register(_op)


# ------------------------------------------------------------------ bits


def _joined(operator: str) -> Any:
    return lambda dtype, *operands: f"({operator.join(operands)})"


def _reduced(function: Any) -> Any:
    def reference(*xs: Any) -> Any:
        result = xs[0]
        for x in xs[1:]:
            result = function(result, x)
        return result

    return reference


def _bool_fold(identity: bool) -> Any:
    """Fold ``and``/``or`` of bools: drop the identity, stop at its opposite."""

    def fold(ctx: Context, exprs: tuple[Expr, ...]) -> Expr | None:
        if exprs[0].dtype != "bool":
            return None
        if any(e.kind == "const" and bool(e.payload) is not identity for e in exprs):
            return ctx.const(not identity, "bool")
        rest = [e for e in exprs if e.kind != "const"]
        if not rest:
            return ctx.const(identity, "bool")
        return rest[0] if len(set(rest)) == 1 else None

    return fold


and_ = scalar_op(
    "and_",
    -1,
    cls="AND",
    base=BinaryBitOp,
    out="bits",
    numpy=_reduced(np.bitwise_and),
    c=_joined(" & "),
    kinds="biu",
    vector=True,
    fold=_bool_fold(True),
    commutative=True,
    associative=True,
    idempotent=True,
    identity=-1,
    absorbing=0,
    doc="Bitwise and; logical and of bools.",
)

or_ = scalar_op(
    "or_",
    -1,
    cls="OR",
    base=BinaryBitOp,
    out="bits",
    numpy=_reduced(np.bitwise_or),
    c=_joined(" | "),
    kinds="biu",
    vector=True,
    fold=_bool_fold(False),
    commutative=True,
    associative=True,
    idempotent=True,
    identity=0,
    absorbing=-1,
    doc="Bitwise or; logical or of bools.",
)

xor = scalar_op(
    "xor",
    -1,
    cls="XOR",
    base=BinaryBitOp,
    out="bits",
    numpy=_reduced(np.bitwise_xor),
    c=_joined(" ^ "),
    kinds="biu",
    vector=True,
    commutative=True,
    associative=True,
    identity=0,
    doc="Bitwise exclusive or; inequality of bools.",
)


def _invert_fold(ctx: Context, exprs: tuple[Expr, ...]) -> Expr | None:
    (x,) = exprs
    if x.kind == "const":
        return ctx.const(np.invert(x.payload), x.dtype)
    return x.args[0] if x.kind == "call" and x.op.name == "invert" else None


invert = scalar_op(
    "invert",
    1,
    cls="Invert",
    base=UnaryBitOp,
    out="bits",
    numpy=np.invert,
    c={"iu": "(~{0})", "b": "(!{0})"},
    kinds="biu",
    vector=True,
    fold=_invert_fold,
    inverse_of="invert",
    doc="All bits inverted; not, of bools.",
)


# ------------------------------------------------------------------ selection


def _switch_grad(g: Any, y: Any, condition: Any, a: Any, b: Any) -> tuple[Any, ...]:
    return None, switch(condition, g, 0), switch(condition, 0, g)


def _switch_fold(ctx: Context, exprs: tuple[Expr, ...]) -> Expr | None:
    condition, a, b = exprs
    if a is b:
        return a
    if condition.kind == "const":
        return a if condition.payload else b
    return None


switch = scalar_op(
    "switch",
    3,
    cls="Switch",
    out="select",
    numpy=lambda c, a, b: np.where(c, a, b),
    c="({0} ? {1} : {2})",
    grad=_switch_grad,
    kinds="biufc",
    vector=True,
    moves=True,
    fold=_switch_fold,
    doc="a where the condition holds (is not zero), else b; both are evaluated.",
)

second = scalar_op(
    "second",
    2,
    cls="Second",
    base=BinaryScalarOp,
    out="last",
    numpy=lambda a, b: np.broadcast_arrays(a, b)[1],
    c="{1}",
    grad=lambda g, y, a, b: (None, g),
    kinds="biufc",
    vector=True,
    moves=True,
    cost=0,
    fold=lambda ctx, exprs: exprs[1],
    doc="b; lifted to tensors, b broadcast to the shape of a (``fill``).",
)

identity = scalar_op(
    "identity",
    1,
    cls="Identity",
    base=UnaryScalarOp,
    out="same",
    numpy=lambda x: x,
    c="{0}",
    grad=lambda g, y, x: (g,),
    kinds="biufc",
    vector=True,
    moves=True,
    holomorphic=True,
    cost=0,
    zero_at_zero=True,
    monotone=1,
    doc="x.",
)


def cast(x: Any, dtype: str) -> Any:
    """`x` converted to `dtype`; `x` itself if it has that dtype.

    Parameters
    ----------
    x : symbolic or number
    dtype : str
    """
    return x if getattr(x, "dtype", None) == dtype else CASTS[dtype](x)


OPERATORS.update({"and_": and_, "or_": or_, "xor": xor, "invert": invert})
OPERATORS.update({"lt": lt, "le": le, "gt": gt, "ge": ge})
