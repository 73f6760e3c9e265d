"""Lowering, interpreting and checking programs in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symc.graph.node import SharedVariable, Variable
from symc.loop.check_program import check_program
from symc.loop.program import KernelStep, Program
from symc.loop.run import run_program
from symc.lower.facts import Facts
from symc.lower.lower import lower
from tests.helpers import evaluate


def lowered(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    values: Sequence[Any] | None = None,
    **options: Any,
) -> Program:
    """A program; made for the lengths of `values`, if they are given."""
    shared: Sequence[SharedVariable] = options.get("shared", ())
    facts = None
    if values is not None:
        known = dict(zip(inputs, values, strict=True))
        known.update((s, s.get_value(borrow=True)) for s in shared)

        def observed(variable: Variable, axis: int | None) -> int:
            value = known[variable]
            return int(value) if axis is None else value.shape[axis]

        facts = Facts([*inputs, *shared], observed)
    return lower(inputs, outputs, facts=facts, **options)


def run(program: Program, values: Sequence[Any], shared: Sequence[Any] = ()) -> list[Any]:
    """Outputs of a verified program by the interpreter."""
    check_program(program)
    return run_program(program, list(values), list(shared))[0]


def check(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    values: Sequence[Any],
    kernels: int | None = None,
    oracle: bool = False,
    **options: Any,
) -> Program:
    """Lower, interpret, and compare with the ops' references; maybe count the kernels."""
    program = lowered(inputs, outputs, values if oracle else None, **options)
    expected = evaluate(list(outputs), inputs, values)
    for got, wanted in zip(run(program, values), expected, strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=2e-6 if got.dtype == np.float32 else 1e-12)
    if kernels is not None:
        found = sum(isinstance(s, KernelStep) for s in program.steps)
        assert found == kernels, [s.origin for s in program.steps]
    return program
