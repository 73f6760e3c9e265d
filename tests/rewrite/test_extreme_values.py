"""Random expressions at extreme values: rewritten ones are never worse than plain NumPy.

Both are compared with the exact value, by mpmath. Reordered sums and products are left out (what
they give up is listed in docs/canonical.md, and tested below): everything else must keep every
finite value, every infinity and every NaN, or come nearer to the truth.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special

import symc
import symc.tensor as T
from symc.compile.mode import get_mode

VALUES = (
    *(0.0, -0.0, 0.5, 1.0, -1.0, -2.0, 3.0, 1 + 1e-15, 36.5, -36.5, 700.0, -700.0, 800.0, -800.0),
    *(5e-324, -5e-324, 2.2e-308, 1e-300, -1e-300, 1e-20, -1e-20, 1e10, -1e10),
    *(1e300, -1e300, 1.7e308, np.inf, -np.inf, np.nan),
)
REORDERING = ("canonical_sum", "canonical_product", "product_over_sum")
mpf = mpmath.mpf


class UndefinedError(Exception):
    """The exact value is not known: an operand is outside of the domain, or far too large."""


def exact_exp(x: Any) -> Any:
    if abs(x) > 1e5:
        raise UndefinedError
    return mpmath.exp(x)


def exact_log(x: Any) -> Any:
    if x <= 0:
        raise UndefinedError
    return mpmath.log(x)


def exact_quotient(x: Any, y: Any) -> Any:
    if y == 0:
        raise UndefinedError
    return x / y


def exact_sqrt(x: Any) -> Any:
    if x < 0:
        raise UndefinedError
    return mpmath.sqrt(x)


def exact_tanh(x: Any) -> Any:
    return mpmath.sign(x) if abs(x) > 1e3 else mpmath.tanh(x)


def exact_erf(x: Any) -> Any:
    return mpmath.sign(x) if abs(x) > 60 else mpmath.erf(x)


Meaning = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]

UNARY: dict[str, Meaning] = {
    "neg": (lambda x: -x, np.negative, lambda x: -x),
    "abs": (abs, np.abs, abs),
    "sqr": (T.sqr, np.square, lambda x: x * x),
    "sqrt": (T.sqrt, np.sqrt, exact_sqrt),
    "exp": (T.exp, np.exp, exact_exp),
    "log": (T.log, np.log, exact_log),
    "log1p": (T.log1p, np.log1p, lambda x: exact_log(1 + x)),
    "expm1": (T.expm1, np.expm1, lambda x: exact_exp(x) - 1),
    "inv": (T.inv, lambda x: 1 / x, lambda x: exact_quotient(mpf(1), x)),
    "sigmoid": (T.nnet.sigmoid, special.expit, lambda x: 1 / (1 + exact_exp(-x))),
    "softplus": (
        T.nnet.softplus, lambda x: np.logaddexp(x, 0), lambda x: exact_log(1 + exact_exp(x)),
    ),
    "tanh": (T.tanh, np.tanh, exact_tanh),
    "erf": (T.erf, special.erf, exact_erf),
    "sgn": (T.sgn, np.sign, mpmath.sign),
    "1 -": (lambda x: 1 - x, lambda x: 1 - x, lambda x: 1 - x),
    "1 +": (lambda x: 1 + x, lambda x: 1 + x, lambda x: 1 + x),
    "- 1": (lambda x: x - 1, lambda x: x - 1, lambda x: x - 1),
}
BINARY: dict[str, Meaning] = {
    "add": (lambda x, y: x + y, np.add, lambda x, y: x + y),
    "sub": (lambda x, y: x - y, np.subtract, lambda x, y: x - y),
    "mul": (lambda x, y: x * y, np.multiply, lambda x, y: x * y),
    "div": (lambda x, y: x / y, np.true_divide, exact_quotient),
    "max": (T.maximum, np.maximum, max),
    "min": (T.minimum, np.minimum, min),
}
SYMBOLIC, NUMPY, EXACT = range(3)


def tree(rng: random.Random, depth: int) -> Any:
    """A nested tuple of names, with operand numbers as leaves."""
    if depth == 0:
        return rng.choice((0, 1))
    if rng.random() < 0.65:
        return (rng.choice(list(UNARY)), tree(rng, depth - 1))
    return (rng.choice(list(BINARY)), tree(rng, depth - 1), tree(rng, depth - 1))


def value(node: Any, operands: Any, kind: int) -> Any:
    if isinstance(node, int):
        return operands[node]
    name, *args = node
    function = (UNARY.get(name) or BINARY[name])[kind]
    return function(*(value(a, operands, kind) for a in args))


def exact(node: Any, x: float, y: float) -> float | None:
    """The value as a correctly rounded float; None if it is not known."""
    if not (np.isfinite(x) and np.isfinite(y)):
        return None
    try:
        return float(value(node, (mpf(x), mpf(y)), EXACT))
    except (UndefinedError, OverflowError):
        return None


def error(got: float, truth: float) -> float:
    """Relative error; infinite for NaN."""
    if np.isnan(got):
        return np.inf
    if got == truth:
        return 0.0
    with np.errstate(all="ignore"):
        return float(min(abs(got - truth) / max(abs(truth), 1e-300), 1e300))


def is_worse(node: Any, x: float, y: float, got: float, plain: float) -> bool:
    """Whether the rewritten value is farther from the truth than NumPy's."""
    if got == plain or (np.isnan(got) and np.isnan(plain)):
        return False
    truth = exact(node, x, y)
    if truth is not None:
        return error(got, truth) > max(4 * error(plain, truth), 1e-12)
    return bool(np.isnan(got) and np.isfinite(plain))


@pytest.mark.parametrize("seed", range(8))
def test_rewritten_expressions_are_no_worse_than_numpys(seed: int) -> None:
    rng = random.Random(seed)
    mode = get_mode("NUMPY").excluding(*REORDERING)
    with mpmath.workprec(2300):
        for _ in range(12):
            node = (rng.choice(list(UNARY)), tree(rng, rng.choice((1, 2, 2, 3))))
            points = [(a, b) for a in VALUES for b in rng.sample(VALUES, 2)]
            xs, ys = np.array(points).T
            variables = T.dvectors("x", "y")
            out = value(node, variables, SYMBOLIC)
            got = symc.function(variables, out, mode=mode, on_unused_input="ignore")(xs, ys)
            with np.errstate(all="ignore"):
                plain = value(node, (xs, ys), NUMPY)
            worse = [
                (x, y, a, b)
                for x, y, a, b in zip(xs, ys, got, plain, strict=True)
                if is_worse(node, x, y, a, b)
            ]
            assert not worse, (node, worse)


@pytest.mark.parametrize(
    ("build", "operands", "written", "reordered"),
    [
        (lambda x, y: 1 + (x - y), (1e300, 1e300), 1.0, 0.0),
        (lambda x, y: y * x * x, (1e300, 1e-300), 1e300, np.inf),
        (lambda x, y: x / y / y, (1e-300, 1e-200), 1e100, np.inf),
    ],
)
def test_what_reordering_gives_up_can_be_kept(
    build: Any, operands: Any, written: float, reordered: float
) -> None:
    variables = T.dscalars("x", "y")
    kept = get_mode("NUMPY").excluding(*REORDERING)
    np.testing.assert_allclose(
        symc.function(variables, build(*variables), mode=kept)(*operands), written
    )
    np.testing.assert_allclose(
        symc.function(variables, build(*variables), mode="NUMPY")(*operands), reordered
    )
