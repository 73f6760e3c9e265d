"""Random programs through optimizer, planner and C, against NumPy.

The reference is the graph as the user wrote it, node by node in NumPy; the other side is the
compiled function with all rewrites. Every other program is called with two sets of arguments whose
lengths differ, so that one of them usually needs another variant.

What is tested is symc's own work, up to the C text; so most programs are compiled with little
effort, one batch in ten as users' programs are, and one with the usual effort of a test.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from symc import Mode, function
from symc.compile.batch import batch
from symc.runtime import native_available
from tests.fuzz.programs import RandomProgram, random_program

PER_BATCH = 50
FORWARD = int(os.environ.get("SYMC_FUZZ_FORWARD", "1200"))
GRADIENT = int(os.environ.get("SYMC_FUZZ_GRADIENT", "800"))
FIRST_SEED = int(os.environ.get("SYMC_FUZZ_SEED", "0"))
LEVELS = (None, "-O0", "-O0", "-O0", "-O0", "-O1", "-O0", "-O0", "-O0", "-O0")
"""Options for the compiler in turns; None is the default of each program."""
REFERENCE = Mode("numpy", "None")
TESTED = Mode("native", "fast_run")


def _calls(program: RandomProgram) -> list[list[np.ndarray]]:
    return program.arguments[: 1 + program.seed % 2]


def _expected(program: RandomProgram) -> list[list[np.ndarray]]:
    f = function(program.inputs, program.outputs, mode=REFERENCE, on_unused_input="ignore")
    with np.errstate(all="ignore"):
        return [f(*arguments) for arguments in _calls(program)]


def _compiled(program: RandomProgram) -> Any:
    f = function(program.inputs, program.outputs, mode=TESTED, on_unused_input="ignore")
    if native_available():
        for arguments in _calls(program):
            f.prepare(*arguments)
    return f


def _agree(program: RandomProgram, expected: Any, got: Any) -> None:
    for wanted, values in zip(expected, got, strict=True):
        for want, value in zip(wanted, values, strict=True):
            assert value.dtype == want.dtype
            assert value.shape == want.shape
            single = want.dtype == np.float32 or any(
                x.type.dtype == "float32" for x in program.inputs
            )
            np.testing.assert_allclose(
                value, want, rtol=2e-3 if single else 1e-7, atol=1e-4 if single else 1e-9
            )


@pytest.mark.parametrize(
    ("first", "gradient"),
    [(s, False) for s in range(0, FORWARD, PER_BATCH)]
    + [(s, True) for s in range(0, GRADIENT, PER_BATCH)],
)
def test_compiled_programs_agree_with_numpy(first: int, gradient: bool) -> None:
    seeds = range(FIRST_SEED + first, FIRST_SEED + first + PER_BATCH)
    programs = [random_program(s, gradient) for s in seeds]
    expected = [_expected(p) for p in programs]
    with batch(level=LEVELS[first // PER_BATCH % len(LEVELS)]):
        functions = [_compiled(p) for p in programs]
    for program, wanted, f in zip(programs, expected, functions, strict=True):
        try:
            _agree(program, wanted, [f(*arguments) for arguments in _calls(program)])
        except Exception as error:
            raise AssertionError(
                f"random_program({program.seed}, gradient={gradient}): {error}"
            ) from error
