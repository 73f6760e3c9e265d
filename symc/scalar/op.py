"""Scalar ops: one record each, serving NumPy, C, CUDA and the gradient.

:func:`scalar_op` makes a record: a subclass of :class:`ScalarOp` with Theano's class name and its
one registered instance. A record called with symbolic arguments builds an expression of their
kind, so the same ``grad`` and ``expand`` functions serve tensor graphs and fused kernels::

    tanh = scalar_op("tanh", 1, out="float", numpy=np.tanh, c="sy_tanh{f}({0})",
                     grad=lambda g, y, x: (g * (1 - y * y),))

Resolution, in order. Text: target-specific, then ``c``, then ``expand``. Gradient: ``grad``, then
differentiation of ``expand``. Reference: ``numpy``, always.

A template sees operands of one type, because :meth:`ScalarOp.prepare` inserts casts. float16 is
computed in float32 and rounded after every op, as in NumPy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from symc.config import config
from symc.dtypes import DTYPES, is_complex, is_continuous, python_scalar_dtype
from symc.errors import DTypeError, user_message

from .ctext import SHORT_NAME, Templates, fill, pick, wrap_small
from .derive import gradient
from .expr import Context, Expr
from .formal import render, replay
from .operands import as_exprs
from .typerules import RULES, Rule

REGISTRY: dict[str, ScalarOp] = {}
"""All named scalar ops. Append-only: its length is the version of the set."""

_OWN: dict[str, ScalarOp] = {}
"""Those of symc itself: only their names mean the same in every process."""


_MAX_SIGNATURES = 512  # kept per op; more can only come from calls with very many operands


class UndefinedDerivative:
    """Marks an operand in which a function has no implemented derivative."""

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED = UndefinedDerivative()
"""What a ``grad`` function returns for an operand in which the derivative is not implemented."""


class ScalarOp:
    """A function of scalars.

    Parameters
    ----------
    name : str
        Name in the registry, and in printed graphs.
    nin : int
        Number of operands; -1 for any number (``add``).
    out : str or Rule
        Type rule, see :data:`symc.scalar.typerules.RULES`.
    numpy : callable
        Reference on arrays of the operand dtypes; independent of all other fields.
    c, cuda : str, callable or mapping, optional
        Templates, see :mod:`symc.scalar.ctext`; `cuda` only where it differs.
    infix : str, optional
        C operator that joins the operands, instead of `c`, for groups of kinds.
    expand : callable, optional
        The op in terms of simpler ones.
    grad : callable, optional
        ``(g, y, *xs)`` to one gradient per operand; ``None`` where it is zero, ``UNDEFINED``
        where it is not implemented.
    kinds : str
        Kinds of dtypes that it works in, after the type rule has cast the operands.
    needs : tuple of str
        Headers of the C text.
    vector : bool
        Whether the text is branch-free and vectorises in all float types.
    run : str, optional
        C function ``f(out, count, *operands)`` that computes the values of a run of `count`
        points, along which the last operand grows by one; for functions in which neighbouring
        points share work. Its header is the first of `needs`, with ``_fill`` added.
    twin : (str, str), optional
        Name of an op that shares most of its work, and the C function
        ``f(out, out_of_twin, operands, count)`` that computes both, without precision suffix; it
        is in a header of its name.
    moves : bool
        Whether it only moves values, so that float16 needs no detour through float32.
    holomorphic : bool
        Whether `grad`, written for real numbers, is ``g`` times the complex derivative.
    fold : callable, optional
        ``(ctx, exprs)`` to a simpler expression or ``None``; called where the result is an
        integer or a bool, and for ops that only move values.
    commutative, associative, idempotent : bool
    identity, absorbing : number, optional
        Neutral and absorbing element (of the real types).
    inverse_of : str, optional
        Name of the op that this one undoes.
    monotone : {-1, 0, 1}
        Decreasing or increasing on its domain.
    zero_at_zero : bool
        Whether f(0) = 0.
    range : tuple, optional
        Bounds of the result for real operands; ``None`` is open.
    cost : int
        Rough work in cheap operations.
    doc : str
        Formula and meaning.

    Attributes
    ----------
    Every parameter is an attribute of the same name.
    """

    def __init__(
        self,
        name: str,
        nin: int,
        *,
        out: str | Rule,
        numpy: Callable[..., Any],
        c: Templates | None = None,
        cuda: Templates | None = None,
        expand: Callable[..., Any] | None = None,
        grad: Callable[..., Sequence[Any]] | None = None,
        kinds: str = "biuf",
        needs: tuple[str, ...] = (),
        vector: bool = False,
        run: str | None = None,
        twin: tuple[str, str] | None = None,
        moves: bool = False,
        holomorphic: bool = False,
        fold: Callable[[Context, tuple[Expr, ...]], Expr | None] | None = None,
        commutative: bool = False,
        associative: bool = False,
        idempotent: bool = False,
        identity: Any = None,
        absorbing: Any = None,
        inverse_of: str | None = None,
        monotone: int = 0,
        zero_at_zero: bool = False,
        range: tuple[Any, Any] | None = None,
        cost: int = 1,
        doc: str = "",
    ) -> None:
        self.name = name
        self.nin = nin
        self.nout = 1
        self.rule: Rule = RULES[out] if isinstance(out, str) else out
        self.out = out
        self.numpy = numpy
        self.c = c
        self.cuda = cuda
        self.expand = expand
        self.grad = grad
        self.kinds = kinds
        self.needs = needs
        self.vector = vector
        self.run, self.twin = run, twin
        self.moves = moves
        self.holomorphic = holomorphic
        self.fold = fold
        self.commutative = commutative
        self.associative = associative
        self.idempotent = idempotent
        self.identity = identity
        self.absorbing = absorbing
        self.inverse_of = inverse_of
        self.monotone = monotone
        self.zero_at_zero = zero_at_zero
        self.range = range
        self.cost = cost
        self.doc = doc
        self._signatures: dict[tuple[Any, ...], tuple[tuple[str, ...], str]] = {}

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return by_name, (self.name,)

    # ------------------------------------------------------------------ building

    def fingerprint_key(self) -> Hashable:
        """What identifies an op in every process: the name, if symc registered it."""
        return self.name if _OWN.get(self.name) is self else None

    def __call__(self, *args: Any) -> Any:
        """Apply to symbolic arguments, or evaluate if all are numbers.

        The first argument that has a method ``_apply(op, args)`` decides what is built.
        """
        for arg in args:
            if hasattr(arg, "_apply"):
                return arg._apply(self, args)
        dtypes = [python_scalar_dtype(arg) for arg in args]
        arrays = [np.asarray(arg, dtype) for arg, dtype in zip(args, dtypes, strict=True)]
        return self.numpy_eval(*arrays)[()]

    def prepare(self, ctx: Context, args: tuple[Any, ...]) -> tuple[Expr, ...] | Expr:
        """Convert the operands of a call to expressions of the types it works in.

        Python numbers take the type of the other operands and never widen them, under either
        cast policy: inside an expression the types were settled by the graph.

        Returns
        -------
        tuple of Expr, or Expr
            Operands of the call; or the finished expression, where the call simplifies or the
            result must be rounded to float16.

        Raises
        ------
        TypeError
            If the number of operands is wrong.
        DTypeError
            If an operand's type is not accepted.
        """
        self.check_arity(len(args))
        exprs = as_exprs(ctx, args, conditional=self.out == "select")
        dtypes, out = self.signature(*[e.dtype for e in exprs])
        return self._typed(ctx, exprs, dtypes, out)

    def typed_call(self, ctx: Context, exprs: Sequence[Expr], out: str) -> Expr:
        """Call with a result type that was settled before (by a graph, under its policy).

        Parameters
        ----------
        ctx : Context
        exprs : sequence of Expr
            Operands of any type.
        out : str
            The dtype of the result. Operands that have the result's type by the op's rule are
            cast to it.
        """
        self.check_arity(len(exprs))
        dtypes, found = self.signature(*[e.dtype for e in exprs])
        if found == out:
            if type(self).prepare is not ScalarOp.prepare:
                return ctx.call(self, exprs)
            given = tuple(exprs)
            ready = self._typed(ctx, given, dtypes, out)
            if isinstance(ready, Expr):
                return ready
            dtype = out if ready == given else self.out_dtype(*[e.dtype for e in ready])
            return intern_call(ctx, self, ready, dtype)
        worked = DTYPES[out].compute if not self.moves else out
        natural = found if self.moves else DTYPES[found].compute
        dtypes = tuple(worked if d == natural else d for d in dtypes)
        typed = self._typed(ctx, tuple(exprs), dtypes, out)
        if isinstance(typed, tuple):
            typed = intern_call(ctx, self, typed, out)
        return cast_expr(ctx, typed, out)

    def _typed(
        self, ctx: Context, exprs: tuple[Expr, ...], dtypes: tuple[str, ...], out: str
    ) -> tuple[Expr, ...] | Expr:
        cast = tuple(
            e if e.dtype == d else cast_expr(ctx, e, d) for e, d in zip(exprs, dtypes, strict=True)
        )
        if self.fold is not None and (self.moves or DTYPES[out].kind in "biu"):
            simpler = self.fold(ctx, cast)
            if simpler is not None:
                return simpler
        if out == "float16" and not self.moves:
            return cast_expr(ctx, intern_call(ctx, self, cast, "float32"), out)
        return cast

    def check_arity(self, given: int) -> None:
        """Raise TypeError unless the op takes `given` operands."""
        if given != self.nin and not (self.nin < 0 and given > 0):
            expected = "one or more" if self.nin < 0 else str(self.nin)
            raise TypeError(
                user_message(
                    f"{self.name}: wrong number of operands", got=str(given), expected=expected
                )
            )

    # ------------------------------------------------------------------ types

    def signature(self, *dtypes: str) -> tuple[tuple[str, ...], str]:
        """The dtypes that operands are cast to, and the dtype of the result.

        Raises
        ------
        DTypeError
            If a dtype is not accepted.
        """
        key = (dtypes, config.cast_policy, config.floatX)
        found = self._signatures.get(key)
        if found is None:
            operands, out = self.rule(dtypes)
            if any(DTYPES[dtype].kind not in self.kinds for dtype in operands):
                raise DTypeError(self._refusal(dtypes))
            if not self.moves:
                operands = tuple(DTYPES[d].compute for d in operands)
            found = operands, out
            if len(self._signatures) < _MAX_SIGNATURES:
                self._signatures[key] = found
        return found

    def _refusal(self, dtypes: tuple[str, ...]) -> str:
        names = {"b": "bool", "i": "signed", "u": "unsigned", "f": "float", "c": "complex"}
        return user_message(
            f"{self.name} is not defined for these dtypes",
            got=", ".join(dtypes),
            expected=", ".join(names[k] for k in self.kinds),
            hint="cast the operand first",
        )

    def out_dtype(self, *dtypes: str) -> str:
        """Dtype of the result for operands of the given dtypes."""
        return self.signature(*dtypes)[1]

    def operand_dtypes(self, *dtypes: str) -> tuple[str, ...]:
        """Dtype that every operand is cast to before the op works."""
        return self.signature(*dtypes)[0]

    # ------------------------------------------------------------------ text

    def has_text(self, *dtypes: str) -> bool:
        """Whether operands of the given dtypes can be computed in generated code.

        True for all ops of symc itself; a user's op may have no C code.
        """
        return True

    def c_text(self, dtype: str, operands: Sequence[str]) -> str:
        """C expression of the op.

        Parameters
        ----------
        dtype : str
            Type of the operands: of the last one, where they differ (``switch``).
        operands : sequence of str
            Names, literals or parenthesised expressions.
        """
        return self._text(self.c, "c", dtype, operands)

    def cuda_text(self, dtype: str, operands: Sequence[str]) -> str:
        """CUDA expression of the op; as `c_text`."""
        own = pick(self.cuda, dtype)
        return self._text(self.c if own is None else own, "cuda", dtype, operands)

    def _text(
        self, templates: Templates | None, target: str, dtype: str, operands: Sequence[str]
    ) -> str:
        template = pick(templates, dtype)
        if template is not None:
            return wrap_small(fill(template, dtype, operands), self.text_dtype(dtype))
        if self.expand is None:
            raise DTypeError(self._refusal((dtype,)))
        return render(self.expansion(dtype, len(operands)), operands, target)

    def text_dtype(self, dtype: str) -> str:
        """Dtype of the result in C, for operands of `dtype`."""
        return self.rule((dtype,) * max(self.nin, 1))[1]

    def expansion(self, dtype: str, count: int) -> Expr:
        """The expression that `expand` gives for `count` operands (``arg`` leaves) of `dtype`."""
        assert self.expand is not None
        ctx = Context()
        args = [ctx.arg(i, dtype) for i in range(count)]
        result = self.expand(*args)
        return result if isinstance(result, Expr) else ctx.const(result, dtype)

    # ------------------------------------------------------------------ meaning

    def numpy_eval(self, *arrays: Any) -> np.ndarray[Any, Any]:
        """The reference: evaluate on broadcastable arrays, in the types C works in.

        Parameters
        ----------
        *arrays : array_like
            Their dtypes decide the type of the result.

        Returns
        -------
        numpy.ndarray
            Of the broadcast shape.
        """
        given = [np.asarray(a) for a in arrays]
        self.check_arity(len(given))
        dtypes, out = self.signature(*[a.dtype.name for a in given])
        cast = [a.astype(d, copy=False) for a, d in zip(given, dtypes, strict=True)]
        with np.errstate(all="ignore"):
            return np.asarray(self.numpy(*cast)).astype(out, copy=False)

    def grad_exprs(self, g: Any, y: Any, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Gradients with respect to the operands, as expressions of the kind of `xs`.

        Parameters
        ----------
        g : symbolic
            Gradient that arrives at the result.
        y : symbolic
            The result itself.
        xs : sequence of symbolic
            The operands.

        Returns
        -------
        tuple
            Per operand: an expression; ``None`` where the gradient is zero everywhere (discrete
            functions); `UNDEFINED` where it is not implemented. For complex operands the
            gradient is with respect to the real and the imaginary part, as real and imaginary
            part of one number.
        """
        if not any(is_complex(x.dtype) for x in (y, *xs)):
            return self._real_grads(g, y, xs)
        if not self.holomorphic:
            return self._real_grads(g, y, xs) if self.grad else (UNDEFINED,) * len(xs)
        conj, real = REGISTRY["conj"], REGISTRY["real"]
        terms = self._real_grads(conj(g), y, xs)
        return tuple(
            t if t is None or t is UNDEFINED else conj(t) if is_complex(x.dtype) else real(t)
            for t, x in zip(terms, xs, strict=True)
        )

    def _real_grads(self, g: Any, y: Any, xs: Sequence[Any]) -> tuple[Any, ...]:
        if self.grad is not None:
            return tuple(self.grad(g, y, *xs))
        if self.expand is None:
            return (None,) * len(xs) if self.discrete else (UNDEFINED,) * len(xs)
        dtypes = self.operand_dtypes(*[x.dtype for x in xs])
        ctx = Context()
        args = [ctx.arg(i, d) for i, d in enumerate(dtypes)]
        result = self.expand(*args)
        arriving = ctx.arg(len(args), result.dtype)
        terms = gradient(result, args, arriving)
        typed = [as_dtype(x, d) for x, d in zip(xs, dtypes, strict=True)]
        typed.append(as_dtype(g, result.dtype))
        wanted = [None if not is_continuous(x.dtype) else t for t, x in zip(terms, xs, strict=True)]
        values = iter(replay([t for t in wanted if t is not None], typed))
        return tuple(
            None if t is None else as_dtype(next(values), x.dtype)
            for t, x in zip(wanted, xs, strict=True)
        )

    @property
    def discrete(self) -> bool:
        """Whether the result is piecewise constant, so that no gradient passes."""
        return self.out in ("bool", "bits")


# ------------------------------------------------------------------ registry


def scalar_op(name: str, nin: int, *, cls: str, base: type = ScalarOp, **fields: Any) -> ScalarOp:
    """Make a record: a subclass of :class:`ScalarOp` named `cls`, and its registered instance.

    Parameters
    ----------
    name, nin, **fields
        As for :class:`ScalarOp`.
    cls : str
        Theano's name of the class.
    base : type
        Base class.
    """
    doc = fields.get("doc", "") or f"The scalar function {name}."
    kind = type(cls, (base,), {"__module__": base.__module__, "__doc__": doc})
    op: ScalarOp = kind(name, nin, **fields)
    register(op)
    return op


def register(op: ScalarOp) -> None:
    """Enter an op under its name.

    Raises
    ------
    ValueError
        If the name is taken.
    """
    if op.name in REGISTRY:
        raise ValueError(f"a scalar op named {op.name!r} exists already")
    REGISTRY[op.name] = op
    caller: Any = sys._getframe(1)
    if caller.f_code is scalar_op.__code__:
        caller = caller.f_back
    if caller.f_globals["__name__"].partition(".")[0] == __name__.partition(".")[0]:
        _OWN[op.name] = op


def by_name(name: str) -> ScalarOp:
    """The registered op of this name.

    Raises
    ------
    KeyError
        If there is none.
    """
    return REGISTRY[name]


# ------------------------------------------------------------------ typing


class UnaryScalarOp(ScalarOp):
    """An op of one operand."""


class BinaryScalarOp(ScalarOp):
    """An op of two operands."""


class Cast(UnaryScalarOp):
    """Conversion to `dtype`.

    Floats are truncated towards zero to integers. A NaN and what does not fit become the least
    int32 (int64 for 32 and 64 bits), reduced to the width; NumPy's results differ by machine.
    Complex numbers lose the imaginary part.
    """

    def __init__(self, dtype: str) -> None:
        super().__init__(
            f"convert_to_{dtype}",
            1,
            out=lambda dtypes: (dtypes, dtype),
            numpy=lambda x: _numpy_cast(x, dtype),
            c=self._c,
            cuda=self._cuda,
            grad=self._grad,
            kinds="biufc",
            needs=("special.h",),
            vector=not is_complex(dtype),
            moves=True,
        )
        self.dtype = dtype

    def prepare(self, ctx: Context, args: tuple[Any, ...]) -> Expr:
        """As for :class:`ScalarOp`; nothing is built where the type is right already."""
        typed = super().prepare(ctx, args)
        return cast_expr(ctx, typed if isinstance(typed, Expr) else typed[0], self.dtype)

    def text_dtype(self, dtype: str) -> str:
        """The target."""
        return self.dtype

    @property
    def discrete(self) -> bool:
        """Whether the target is discrete."""
        return not is_continuous(self.dtype)

    def _c(self, dtype: str, x: str) -> str:
        target = DTYPES[self.dtype]
        if target.kind == "b":
            return f"({x} != 0)"
        if self.dtype == "float16" and DTYPES[dtype].kind in "iu":
            return f"((_Float16)(double){x})"
        if target.kind in "iu" and DTYPES[dtype].kind in "fc":
            return self._integer(dtype, x)
        return f"(({target.storage}){x})"

    def _integer(self, dtype: str, x: str) -> str:
        """From a float: defined for all numbers, by helpers for the two precisions."""
        if DTYPES[dtype].kind == "c":
            x = f"creal{'f' if dtype == 'complex64' else ''}({x})"
        source = "f64" if dtype in ("float64", "complex128") else "f32"
        return f"sy_{source}_to_{SHORT_NAME[self.dtype]}({x})"

    def _cuda(self, dtype: str, x: str) -> str:
        if "float16" not in (dtype, self.dtype):
            return self._c(dtype, x)
        if dtype == "float16":
            return Cast._c(self, "float32", f"__half2float({x})")
        return f"__double2half((double){x})"

    def _grad(self, g: Any, y: Any, x: Any) -> tuple[Any]:
        if self.discrete or not is_continuous(x.dtype):
            return (None,)
        return (CASTS[x.dtype](g),)


def _numpy_cast(x: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    if x.dtype.kind == "c" and np.dtype(dtype).kind not in "cb":
        x = x.real
    return x.astype(dtype)


CASTS: dict[str, ScalarOp] = {}
for _dtype in DTYPES:
    CASTS[_dtype] = Cast(_dtype)
    register(CASTS[_dtype])


def cast_expr(ctx: Context, expr: Expr, dtype: str) -> Expr:
    """`expr` converted to `dtype`; constants are converted now."""
    if expr.dtype == dtype:
        return expr
    if expr.kind == "const" and _converts_exactly_defined(expr.payload, dtype):
        return ctx.const(CASTS[dtype].numpy(np.asarray(expr.payload))[()], dtype)
    return intern_call(ctx, CASTS[dtype], (expr,), dtype)


def _converts_exactly_defined(value: Any, dtype: str) -> bool:
    """Whether C and NumPy must agree on the conversion of a number."""
    if DTYPES[dtype].kind not in "iu" or value.dtype.kind not in "fc":
        return True
    info = np.iinfo(dtype)
    return bool(np.isfinite(value)) and info.min <= int(value.real) <= info.max


def as_dtype(value: Any, dtype: str) -> Any:
    """A symbolic value converted to `dtype`, by a cast where that is needed."""
    return value if value.dtype == dtype else CASTS[dtype](value)


def intern_call(ctx: Context, op: ScalarOp, args: tuple[Expr, ...], dtype: str) -> Expr:
    """The call node of `op` with operands that are typed already."""
    key = ("call", op, dtype, *[a.number for a in args])
    return ctx._intern("call", dtype, op, args, None, key)
