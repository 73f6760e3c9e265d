"""Checking gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array.type import TensorType
from ..compile.function import function
from ..compile.shared import shared
from ..errors import GradientError, user_message
from .cost import grad

__all__ = ["numeric_grad", "verify_grad"]

_STEP = {"float16": 1e-2, "float32": 3e-3, "float64": 1e-6}
_TOLERANCE = {"float16": 5e-2, "float32": 1e-2, "float64": 1e-5}


def numeric_grad(
    f: Callable[..., Any], pt: Sequence[np.ndarray], eps: float | None = None
) -> list[np.ndarray]:
    """The gradient of a scalar NumPy function by central differences.

    Parameters
    ----------
    f : callable
        Takes one array per item of `pt`, returns a real number.
    pt : sequence of ndarray of float
        Where to differentiate.
    eps : float, optional
        Step; by default fit for the least precise dtype of `pt`.

    Returns
    -------
    list of ndarray
        Like `pt`, in float64.
    """
    points = [np.array(p) for p in pt]
    step = eps if eps is not None else max(_STEP[str(p.dtype)] for p in points)
    gradients = []
    for p in points:
        gradient = np.zeros(p.shape)
        for where in np.ndindex(p.shape):
            kept = p[where]
            p[where] = kept + step
            high, above = float(f(*points)), float(p[where])
            p[where] = kept - step
            low, below = float(f(*points)), float(p[where])
            p[where] = kept
            gradient[where] = (high - low) / (above - below)
        gradients.append(gradient)
    return gradients


def verify_grad(
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: str | None = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Compare a symbolic gradient with finite differences along random projections.

    The output of `fun` is multiplied with a random array and summed, so that one scalar tests the
    whole Jacobian.

    Parameters
    ----------
    fun : callable or Op
        Takes one variable per item of `pt` and returns one variable.
    pt : sequence of array_like of float
        Where to test.
    n_tests : int, optional
        Number of random projections.
    rng : numpy.random.RandomState or Generator, optional
        Default: a fixed seed.
    eps, abs_tol, rel_tol : float, optional
        Step and tolerances; by default fit for the least precise dtype.
    out_type : str, optional
        Dtype of the output, where it decides about the step.
    mode : Mode or str, optional
        How the functions are compiled.
    cast_to_output_type : bool, optional
        Cast the output to `out_type` first.
    no_debug_ref : bool, optional
        Accepted for Theano's sake.

    Raises
    ------
    GradientError
        If they differ; the message shows where and by how much.
    """
    del no_debug_ref
    points = [np.array(p) for p in pt]
    for position, point in enumerate(points):
        if str(point.dtype) not in _STEP:
            raise TypeError(
                user_message(
                    f"verify_grad can only test floating point inputs; number {position} is not",
                    got=str(point.dtype),
                    hint="close over integer inputs instead of testing them",
                )
            )
    rng = np.random.RandomState(1234) if rng is None else rng
    types = [TensorType(str(p.dtype), tuple(n == 1 for n in p.shape)) for p in points]
    variables = [t(f"input {k}") for k, t in enumerate(types)]
    output = fun(*variables)
    if isinstance(output, (list, tuple)):
        raise NotImplementedError("verify_grad tests functions of one output")
    if cast_to_output_type and out_type is not None:
        output = output.astype(out_type)
    dtypes = [str(p.dtype) for p in points] + ([out_type] if out_type in _STEP else [])
    step = eps if eps is not None else max(_STEP[d] for d in dtypes)
    absolute = abs_tol if abs_tol is not None else max(_TOLERANCE[d] for d in dtypes)
    relative = rel_tol if rel_tol is not None else max(_TOLERANCE[d] for d in dtypes)

    value = function(variables, output, mode=mode, on_unused_input="ignore")(*points)
    projection = shared(np.zeros(np.shape(value), output.type.dtype), name="projection")
    cost = (output * projection).sum()
    numeric_of = function(variables, cost, mode=mode, on_unused_input="ignore")
    symbolic_of = function(
        variables,
        grad(cost, variables, disconnected_inputs="ignore"),
        mode=mode,
        on_unused_input="ignore",
    )
    for test in range(n_tests):
        drawn = rng.uniform(0.5, 1.5, np.shape(value)) * rng.choice([-1, 1], np.shape(value))
        projection.set_value(np.asarray(drawn, output.type.dtype))
        numeric = numeric_grad(numeric_of, points, step)
        _compare(symbolic_of(*points), numeric, absolute, relative, test)


def _compare(
    symbolic: Sequence[np.ndarray],
    numeric: Sequence[np.ndarray],
    absolute: float,
    relative: float,
    test: int,
) -> None:
    for position, (a, b) in enumerate(zip(symbolic, numeric, strict=True)):
        if np.shape(a) != np.shape(b):
            raise GradientError(
                user_message(
                    f"the gradient for input {position} has the wrong shape",
                    got=str(np.shape(a)),
                    expected=str(np.shape(b)),
                )
            )
        distance = np.abs(np.asarray(a, "float64") - b)
        allowed = absolute + relative * np.maximum(np.abs(b), np.abs(a))
        bad = ~(distance <= allowed)
        if bad.any():
            where = tuple(int(k) for k in np.argwhere(bad)[0])
            raise GradientError(
                user_message(
                    f"the gradient for input {position} differs from finite differences "
                    f"at {where} (projection {test}, {int(bad.sum())} of {bad.size} elements)",
                    got=f"symbolic {float(a[where])!r}",
                    expected=f"numeric {float(b[where])!r} within {float(allowed[where]):.3g}",
                )
            )
