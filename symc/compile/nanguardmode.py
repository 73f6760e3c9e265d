"""`NanGuardMode`: the first NaN, infinity or huge number is an error that names its node."""

from __future__ import annotations

import pdb
import warnings
from typing import Any

import numpy as np

from ..config import config
from ..errors import AssertFailedError
from ..graph.node import Apply
from ..graph.op import run_perform
from .mode import Mode

__all__ = ["NanGuardMode", "contains_inf", "contains_nan", "is_big"]

BIG = 1e10
"""What is larger in absolute value is big."""


def _numbers(value: Any) -> Any:
    """The array of inexact numbers in a value, or None."""
    array = value if isinstance(value, (np.ndarray, np.generic)) else None
    return array if array is not None and array.dtype.kind in "fc" else None


def contains_nan(value: Any) -> bool:
    """Tell whether an array of floating-point numbers contains NaN."""
    array = _numbers(value)
    return array is not None and bool(np.isnan(array).any())


def contains_inf(value: Any) -> bool:
    """Tell whether an array of floating-point numbers contains an infinity."""
    array = _numbers(value)
    return array is not None and bool(np.isinf(array).any())


def is_big(value: Any) -> bool:
    """Tell whether an array contains a finite number of more than 1e10 in absolute value."""
    array = _numbers(value)
    if array is None:
        return False
    size = np.abs(array)
    return bool((np.isfinite(size) & (size > BIG)).any())


class NanGuardMode(Mode):
    """Runs the rewritten graph node by node, and looks at every value.

    Parameters
    ----------
    nan_is_error, inf_is_error, big_is_error : bool, optional
        What is an error; by default what ``config.NanGuardMode`` says.
    optimizer, linker : optional
        As for `Mode`; everything runs on the NumPy path.

    Raises
    ------
    AssertFailedError
        When the function is called (it is an AssertionError): it names the node, its operands and
        the user's line. ``config.NanGuardMode.action`` may make it a warning.
    """

    def __init__(
        self,
        nan_is_error: bool | None = None,
        inf_is_error: bool | None = None,
        big_is_error: bool | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        del linker
        super().__init__("numpy", optimizer)
        flags = config.NanGuardMode
        self.nan_is_error = flags.nan_is_error if nan_is_error is None else nan_is_error
        self.inf_is_error = flags.inf_is_error if inf_is_error is None else inf_is_error
        self.big_is_error = flags.big_is_error if big_is_error is None else big_is_error

    def run_node(self, i: int, node: Apply, values: list[Any]) -> list[Any]:
        """Compute a node, and look at its operands and results."""
        del i
        for k, (variable, value) in enumerate(zip(node.inputs, values, strict=True)):
            if variable.owner is None:
                self._look(f"operand {k} ({variable})", node, value)
        results = run_perform(node, values)
        for k, value in enumerate(results):
            which = f"output {k}" if len(results) > 1 else "the result"
            self._look(which, node, value)
        return results

    def _look(self, which: str, node: Apply, value: Any) -> None:
        for wanted, found, what in (
            (self.nan_is_error, contains_nan, "NaN"),
            (self.inf_is_error, contains_inf, "infinity"),
            (self.big_is_error, is_big, f"a number above {BIG:g}"),
        ):
            if wanted and found(value):
                self._report(f"{what} detected in {which} of {node.op}")

    def _report(self, message: str) -> None:
        action = config.NanGuardMode.action
        if action == "warn":
            warnings.warn(message, stacklevel=2)
        elif action == "pdb":
            pdb.set_trace()
        else:
            raise AssertFailedError(message)
