"""Every pattern rule, instantiated: it fires, keeps values and shapes, and is as good as it says.

The patterns themselves are the generators: nothing is written per rule.
"""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest

from symc.array.type import TensorType
from symc.graph.node import Constant
from symc.graph.walk import ancestors, toposort
from symc.rewrite.engine import optimize
from symc.rewrite.pattern import Pattern
from symc.rewrite.rule import Rule, all_rules
from symc.rewrite.selection import Selection
from tests.helpers import evaluate
from tests.rewrite.randomgraphs import compare

PATTERNS = [r for r in all_rules() if r.pattern is not None]
STABLE = [r for r in PATTERNS if "stable" in r.phases]
SHAPES: list[tuple[int, ...]] = [(), (4,), (2, 3), (0,), (1,)]

ids = {"ids": lambda r: r.name}


def instance(pattern: Pattern, side: Any, variables: list[Any]) -> Any:
    """One side of a pattern with variables in place of the placeholders."""
    values = dict(zip(pattern.placeholders, variables, strict=True))
    dtype = variables[0].type.dtype
    for leaf in ancestors([side]):
        if isinstance(leaf, Constant):
            values[leaf] = TensorType(dtype, ()).make_constant(np.asarray(leaf.data, dtype))
    for node in toposort([side]):
        values[node.outputs[0]] = node.op(*(values[v] for v in node.inputs))
    return values[side]


def only(entry: Rule) -> Selection:
    return Selection("merge").including(entry.name, "constant_folding")


@pytest.mark.parametrize("entry", PATTERNS, **ids)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_pattern_rule_fires_and_keeps_values(entry: Rule, dtype: str) -> None:
    rng = np.random.default_rng(0)
    pattern = entry.pattern
    assert pattern is not None
    for shape in SHAPES:
        variables = [TensorType(dtype, (False,) * len(shape))() for _ in pattern.placeholders]
        values = [rng.uniform(-2, 2, size=shape).astype(dtype) for _ in variables]
        left = instance(pattern, pattern.left, variables)
        with np.errstate(all="ignore"):
            expected = evaluate(left, variables, values)
        found = optimize([left], selection=only(entry))
        assert found.fired(entry.name) == 1, entry.text
        got = evaluate(found.outputs[0], variables, values)
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        meant = np.isfinite(expected)
        tolerance = 1e-9 if dtype == "float64" else 1e-3
        np.testing.assert_allclose(
            got[meant], expected[meant], rtol=tolerance, atol=tolerance, err_msg=entry.text
        )


@pytest.mark.parametrize("entry", [r for r in PATTERNS if len(r.pattern.placeholders) > 1], **ids)
def test_operands_may_be_broadcast(entry: Rule) -> None:
    rng = np.random.default_rng(1)
    pattern = entry.pattern
    assert pattern is not None
    for shapes in itertools.product([(1, 3), (2, 1), (2, 3)], repeat=len(pattern.placeholders)):
        variables = [TensorType("float64", (False, False))() for _ in shapes]
        values = [rng.uniform(0.1, 0.9, size=s) for s in shapes]
        left = instance(pattern, pattern.left, variables)
        compare([left], variables, values, selection=only(entry))


@pytest.mark.parametrize("entry", PATTERNS, **ids)
def test_rules_of_the_default_selection_find_the_pattern_as_users_write_it(entry: Rule) -> None:
    pattern = entry.pattern
    assert pattern is not None
    variables = [TensorType("float64", (False,))() for _ in pattern.placeholders]
    left = instance(pattern, pattern.left, variables)
    right = instance(pattern, pattern.right, variables)
    rng = np.random.default_rng(2)
    values = [rng.uniform(0.1, 0.9, size=3) for _ in variables]
    a, b = (optimize([side]).outputs[0] for side in (left, right))
    scalar_ops = [
        sorted(n.op.scalar_op.name for n in toposort([v]) if hasattr(n.op, "scalar_op"))
        for v in (a, b)
    ]
    assert scalar_ops[0] == scalar_ops[1], entry.text
    compare([left], variables, values)


# ---- precision

_EXACT: dict[str, Any] = {
    "add": lambda *xs: mpmath.fsum(xs),
    "sub": lambda a, b: a - b,
    "mul": lambda *xs: mpmath.fprod(xs),
    "true_div": lambda a, b: a / b,
    "inv": lambda a: 1 / a,
    "neg": lambda a: -a,
    "sqr": lambda a: a * a,
    "exp": mpmath.exp,
    "expm1": lambda a: mpmath.exp(a) - 1,
    "log": mpmath.log,
    "log1p": lambda a: mpmath.log(1 + a),
    "log1mexp": lambda a: mpmath.log(1 - mpmath.exp(a)),
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "softplus": lambda a: mpmath.log(1 + mpmath.exp(a)),
    "logaddexp": lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)),
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "erfcx": lambda a: mpmath.exp(a * a) * mpmath.erfc(a),
}

_SIZES = [1e-20, 1e-9, 1e-3, 0.3, 3.0, 25.0, 90.0, 700.0]
_BAD = [*_SIZES, *(-v for v in _SIZES)]


def exact(pattern: Pattern, side: Any, point: tuple[float, ...]) -> Any:
    """One side of a pattern in 900 digits; None outside the real domain."""
    values: dict[Any, Any] = {
        p: mpmath.mpf(v) for p, v in zip(pattern.placeholders, point, strict=True)
    }
    for leaf in ancestors([side]):
        if isinstance(leaf, Constant):
            values[leaf] = mpmath.mpf(float(leaf.data))
    for node in toposort([side]):
        operands = [values[v] for v in node.inputs]
        try:
            result = _EXACT[node.op.scalar_op.name](*operands)
        except (ZeroDivisionError, ValueError):
            return None
        if isinstance(result, mpmath.mpc):
            return None
        values[node.outputs[0]] = result
    return values[side]


@pytest.mark.parametrize("entry", STABLE, **ids)
def test_stable_forms_are_precise_where_the_written_ones_are_not(entry: Rule) -> None:
    pattern = entry.pattern
    assert pattern is not None
    count = len(pattern.placeholders)
    points = _BAD if count == 1 else [0.25, -1e-9, 40.0, -700.0, 700.0]
    variables = [TensorType("float64", ())() for _ in pattern.placeholders]
    left = instance(pattern, pattern.left, variables)
    (right,) = optimize([left], selection=only(entry)).outputs
    checked = 0
    with mpmath.workdps(900):
        for point in itertools.product(points, repeat=count):
            wanted = exact(pattern, pattern.left, point)
            if wanted is None or not mpmath.isfinite(wanted):
                continue
            if wanted and not 1e-290 < abs(wanted) < 1e290:
                continue
            got = evaluate(right, variables, [np.float64(v) for v in point])
            error = abs(mpmath.mpf(float(got)) - wanted)
            scale = max(abs(wanted), *(_condition(pattern, point)))
            assert error <= 2e-14 * scale, (entry.text, point, float(got), mpmath.nstr(wanted, 20))
            checked += 1
    assert checked >= 3, entry.text


def _condition(pattern: Pattern, point: tuple[float, ...]) -> list[Any]:
    """How far the exact result moves when an argument is rounded, in units of the rounding."""
    wanted = exact(pattern, pattern.left, point)
    moves = []
    for i, v in enumerate(point):
        moved = exact(pattern, pattern.left, (*point[:i], v * (1 + 2.0**-50), *point[i + 1 :]))
        moves.append(0 if moved is None else abs(moved - wanted) * 2**50)
    return moves
