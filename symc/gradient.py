"""Derivatives for users: ``grad``, ``Lop``, ``Rop``, ``subgraph_grad`` and their checks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .array.convert import as_tensor_variable
from .array.type import TensorType
from .autodiff.driver import Reverse, seed_of_cost, why_disconnected
from .autodiff.forward import forward
from .compile.function import function
from .compile.shared import shared
from .config import config
from .dtypes import is_discrete
from .errors import DisconnectedInputError, GradientError, NullTypeGradError, user_message
from .graph.node import Variable
from .graph.special import DisconnectedType, NullType
from .graph.trace import user_line
from .ops.grad_control import (
    consider_constant,
    disconnected_grad,
    grad_clip,
    grad_scale,
    undefined_grad,
    zero_grad,
)

__all__ = [
    "DisconnectedInputError",
    "DisconnectedType",
    "GradientError",
    "Lop",
    "NullType",
    "NullTypeGradError",
    "Rop",
    "consider_constant",
    "disconnected_grad",
    "format_as",
    "grad",
    "grad_clip",
    "grad_not_implemented",
    "grad_scale",
    "grad_undefined",
    "hessian_vector_product",
    "numeric_grad",
    "subgraph_grad",
    "undefined_grad",
    "verify_grad",
    "zero_grad",
]


def format_as(use_list: bool, use_tuple: bool, outputs: Any) -> Any:
    """`outputs` as a list, as a tuple, or (if neither is asked for) its only item.

    Parameters
    ----------
    use_list, use_tuple : bool
        Not both.
    outputs : sequence or object
    """
    if use_list and use_tuple:
        raise ValueError("use_list and use_tuple contradict each other")
    items = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    if use_list:
        return items
    if use_tuple:
        return tuple(items)
    if len(items) != 1:
        raise ValueError(f"expected one item, got {len(items)}")
    return items[0]


def _as_list(wrt: Any, what: str) -> list[Variable]:
    items = list(wrt) if isinstance(wrt, (list, tuple)) else [wrt]
    for item in items:
        if not isinstance(item, Variable):
            raise TypeError(
                user_message(
                    f"{what} must be symbolic variables",
                    got=f"{type(item).__name__}: {item!r}",
                    hint="differentiate with respect to a variable of the graph",
                )
            )
    return items


def grad(
    cost: Variable | None,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[Variable, Variable] | None = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The gradient of a scalar with respect to some variables, as a graph.

    Parameters
    ----------
    cost : Variable or None
        A 0-d variable. It may be None when `known_grads` is given.
    wrt : Variable or list or tuple of Variable
    consider_constant : iterable of Variable, optional
        Variables through which no gradient passes.
    disconnected_inputs : {"raise", "warn", "ignore"}, optional
        What to do about a variable that the cost does not depend on.
    add_names : bool, optional
        Name each result ``(d<cost>/d<wrt>)``.
    known_grads : mapping, optional
        From variables of the graph to their gradients, where they are already known.
    return_disconnected : {"zero", "None", "Disconnected"}, optional
        What stands for the gradient of a disconnected variable: zeros, None, or a variable of
        DisconnectedType.
    null_gradients : {"raise", "return"}, optional
        Whether an undefined gradient is an error or is returned as a variable of NullType.

    Returns
    -------
    Variable or list or tuple of Variable
        Each of the shape of its variable and of a floating point dtype; in the same kind of
        container as `wrt`.

    Raises
    ------
    NonScalarCostError (a TypeError)
        If `cost` is not a real scalar.
    DisconnectedInputError (a ValueError)
        Lists every disconnected variable and where its path to the cost is cut.
    NullTypeGradError (a TypeError)
        If a gradient is undefined.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dscalar("x")
    >>> float(symc.grad(x**2, x).eval({x: 3.0}))
    6.0
    """
    _one_of("disconnected_inputs", disconnected_inputs, ("raise", "warn", "ignore"))
    _one_of("return_disconnected", return_disconnected, ("zero", "None", "Disconnected"))
    _one_of("null_gradients", null_gradients, ("raise", "return"))
    wanted = _as_list(wrt, "the variables to differentiate with respect to")
    seeds = _seeds(cost, known_grads)
    barred = list(consider_constant or ())
    results: list[Any] = Reverse(seeds, wanted, barred).run()
    _report_disconnected(results, wanted, list(seeds), barred, disconnected_inputs)
    for k, (variable, gradient) in enumerate(zip(wanted, results, strict=True)):
        if isinstance(gradient.type, DisconnectedType):
            results[k] = _disconnected(variable, gradient, return_disconnected)
        elif isinstance(gradient.type, NullType):
            if null_gradients == "raise":
                raise NullTypeGradError(
                    user_message(
                        f"the gradient with respect to {variable} is undefined",
                        where=user_line(variable) or None,
                        got=gradient.type.why_null,
                    )
                )
        elif add_names and cost is not None and gradient.name is None and gradient.owner:
            gradient.name = f"(d{cost.name or 'cost'}/d{variable.name})" if variable.name else None
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), results)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _seeds(
    cost: Variable | None, known_grads: Mapping[Variable, Variable] | None
) -> dict[Variable, Variable]:
    seeds: dict[Variable, Variable] = {}
    for variable, gradient in (known_grads or {}).items():
        gradient = as_tensor_variable(gradient) if not isinstance(gradient, Variable) else gradient
        dtype = getattr(gradient.type, "dtype", None)
        if getattr(gradient.type, "ndim", None) != getattr(variable.type, "ndim", None):
            raise TypeError(
                user_message(
                    f"the known gradient of {variable} has another rank",
                    got=str(gradient.type),
                    expected=f"the rank of {variable.type}",
                )
            )
        if dtype is not None and is_discrete(dtype):
            raise TypeError(
                user_message(f"the known gradient of {variable} has the integer dtype {dtype}")
            )
        seeds[variable] = gradient
    if cost is not None:
        seeds.setdefault(cost, seed_of_cost(cost))
    if not seeds:
        raise ValueError("grad needs a cost, or known_grads")
    return seeds


def _report_disconnected(
    results: Sequence[Variable],
    wanted: Sequence[Variable],
    costs: Sequence[Variable],
    barred: Sequence[Variable],
    action: str,
) -> None:
    lost = [
        v for v, g in zip(wanted, results, strict=True) if isinstance(g.type, DisconnectedType)
    ]
    if not lost or action == "ignore":
        return
    message = user_message(
        f"the cost does not depend differentiably on {', '.join(str(v) for v in lost)}",
        where=user_line(lost[0]) or None,
        got=[f"{v}: {why_disconnected(costs, v, barred)}" for v in lost],
        hint="leave it out, or pass disconnected_inputs='ignore' (or 'warn')",
    )
    if action == "raise":
        raise DisconnectedInputError(message)
    warnings.warn(message, stacklevel=3)


def _disconnected(variable: Any, gradient: Variable, how: str) -> Any:
    if how == "Disconnected":
        return gradient
    if how == "None":
        return None
    floating = config.floatX if is_discrete(variable.type.dtype) else variable.type.dtype
    return variable.zeros_like(dtype=floating)


def Lop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The product of a row vector with a Jacobian: ``eval_points * d f / d wrt``.

    Parameters
    ----------
    f, eval_points : Variable or list
        Outputs, and what multiplies the Jacobian of each from the left.
    wrt : Variable or list or tuple
    consider_constant, disconnected_inputs
        See `grad`.
    """
    outputs = _as_list(f, "f")
    points = list(eval_points) if isinstance(eval_points, (list, tuple)) else [eval_points]
    if len(outputs) != len(points):
        raise ValueError(f"{len(outputs)} outputs but {len(points)} evaluation points")
    known = {o: as_tensor_variable(p) for o, p in zip(outputs, points, strict=True)}
    return grad(
        None,
        wrt,
        consider_constant=consider_constant,
        disconnected_inputs=disconnected_inputs,
        known_grads=known,
    )


def Rop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    disconnected_outputs: str = "raise",
    return_disconnected: str = "zero",
) -> Any:
    """The product of a Jacobian with a column vector: ``(d f / d wrt) * eval_points``.

    Parameters
    ----------
    f : Variable or list or tuple
    wrt, eval_points : Variable or list
        Variables, and the direction for each (same rank).
    disconnected_outputs : {"raise", "ignore"}, optional
    return_disconnected : {"zero", "None", "Disconnected"}, optional

    Returns
    -------
    Variable or list or tuple
        Like `f`.
    """
    outputs = _as_list(f, "f")
    variables = _as_list(wrt, "wrt")
    raw = list(eval_points) if isinstance(eval_points, (list, tuple)) else [eval_points]
    if len(raw) != len(variables):
        raise ValueError(f"{len(variables)} variables but {len(raw)} evaluation points")
    points = [as_tensor_variable(p) for p in raw]
    for variable, point in zip(variables, points, strict=True):
        if variable.type.ndim != point.type.ndim:
            raise ValueError(
                user_message(
                    f"the evaluation point of {variable} has another rank",
                    got=str(point.type),
                    expected=str(variable.type),
                )
            )
    results: list[Any] = forward(outputs, variables, points)
    for k, (output, result) in enumerate(zip(outputs, results, strict=True)):
        if result is not None:
            continue
        if disconnected_outputs == "raise":
            raise DisconnectedInputError(
                user_message(f"{output} does not depend on {', '.join(map(str, variables))}")
            )
        results[k] = _disconnected(output, DisconnectedType()(), return_disconnected)
    return format_as(isinstance(f, list), isinstance(f, tuple), results)


def hessian_vector_product(cost: Variable, wrt: Any, p: Any) -> Any:
    """The Hessian of a scalar times a vector, without forming the Hessian.

    Computed as the gradient of ``sum(grad(cost) * p)`` (Pearlmutter, 1994).
    """
    variables = _as_list(wrt, "wrt")
    points = list(p) if isinstance(p, (list, tuple)) else [p]
    first = grad(cost, variables)
    inner: Any = sum((g * v).sum() for g, v in zip(first, points, strict=True))
    result = grad(inner, variables, consider_constant=_variables(points))
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), result)


def _variables(items: Iterable[Any]) -> list[Variable]:
    return [i for i in items if isinstance(i, Variable)]


def subgraph_grad(
    wrt: Any,
    end: Any,
    start: Mapping[Variable, Variable] | None = None,
    cost: Variable | None = None,
    details: bool = False,
) -> Any:
    """Gradient through a part of a graph, for layer by layer back-propagation.

    Parameters
    ----------
    wrt : Variable or list
        Parameters of this part.
    end : Variable or list
        Where this part begins seen from the inputs; gradients with respect to it continue the
        sweep in the part below.
    start : mapping, optional
        Gradients that arrive from the part above.
    cost : Variable, optional
        Additional cost of this part.
    details : bool, optional
        Also return the gradients from `start` and from `cost` one by one.

    Returns
    -------
    tuple
        Gradients for `wrt` and, as a mapping ready to be the next `start`, for `end`; with
        `details` two more lists.
    """
    if cost is None and start is None:
        raise ValueError("subgraph_grad needs start, or cost, or both")
    params, ends = _as_list(wrt, "wrt"), _as_list(end, "end")
    targets = [*params, *ends]
    from_start = (
        grad(None, targets, known_grads=start, consider_constant=ends,
             disconnected_inputs="ignore")
        if start is not None
        else [None] * len(targets)
    )
    from_cost = (
        grad(cost, targets, consider_constant=ends, disconnected_inputs="ignore")
        if cost is not None
        else [None] * len(targets)
    )
    total = [
        b if a is None else a if b is None else a + b
        for a, b in zip(from_start, from_cost, strict=True)
    ]
    below = dict(zip(ends, total[len(params) :], strict=True))
    if details:
        return total[: len(params)], below, from_start, from_cost
    return total[: len(params)], below


def grad_undefined(op: Any, position: int, variable: Variable, comment: str = "") -> Variable:
    """What an op's gradient returns for an operand whose gradient is not defined."""
    text = f"the gradient of {op} is not defined for operand {position} ({variable})"
    return NullType(f"{text}: {comment}" if comment else text)()  # type: ignore[no-any-return]


def grad_not_implemented(
    op: Any, position: int, variable: Variable, comment: str = ""
) -> Variable:
    """What an op's gradient returns for an operand whose gradient nobody has written."""
    text = f"the gradient of {op} is not implemented for operand {position} ({variable})"
    return NullType(f"{text}: {comment}" if comment else text)()  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------------------------
# Checking gradients numerically
# ---------------------------------------------------------------------------------------------

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
                    got=f"symbolic {a[where]!r}",
                    expected=f"numeric {b[where]!r} within {float(np.max(allowed[where])):.3g}",
                )
            )
