"""The gradient of a scalar: ``grad``, and ``subgraph_grad`` for a part of a graph."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..array.convert import as_tensor_variable
from ..autodiff.driver import Reverse, seed_of_cost, why_disconnected
from ..config import config
from ..dtypes import is_discrete
from ..errors import DisconnectedInputError, NullTypeGradError, user_message
from ..graph.node import Variable
from ..graph.special import DisconnectedType, NullType
from ..graph.trace import user_line
from ..ops.known_gradient import with_shape_of
from ..ops.origins import origins_remembered

__all__ = ["format_as", "grad", "grad_not_implemented", "grad_undefined", "subgraph_grad"]


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


def as_list(wrt: Any, what: str) -> list[Variable]:
    """The variables in `wrt`, a variable or a list or tuple of them; `what` names them."""
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
        From variables of the graph to their gradients, where these are known already: nothing
        else is added to them. Each must have the shape of its variable, which is checked in a
        call where it is not known before.
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
    _one_of("return_disconnected", return_disconnected, ("zero", "None", "Disconnected"))
    _one_of("null_gradients", null_gradients, ("raise", "return"))
    wanted = as_list(wrt, "the variables to differentiate with respect to")
    known = {v: as_gradient(v, g) for v, g in (known_grads or {}).items()}
    seeds = {v: with_shape_of(v, g) for v, g in known.items()}
    if cost is not None:
        seeds.setdefault(cost, seed_of_cost(cost))
    if not seeds:
        raise ValueError("grad needs a cost, or known_grads")
    barred = list(consider_constant or ())
    with origins_remembered():
        found = Reverse(seeds, wanted, barred, settled=known).run()
    results: list[Any] = [known.get(v, g) for v, g in zip(wanted, found, strict=True)]
    if add_names and cost is not None:
        _name(results, wanted, cost)
    return finished(
        results, wrt, wanted, list(seeds), barred, disconnected_inputs, return_disconnected,
        null_gradients,
    )


def _name(gradients: Sequence[Variable], wanted: Sequence[Variable], cost: Variable) -> None:
    for variable, gradient in zip(wanted, gradients, strict=True):
        if gradient.owner is not None and gradient.name is None and variable.name:
            gradient.name = f"(d{cost.name or 'cost'}/d{variable.name})"


def finished(
    results: list[Any],
    wrt: Any,
    wanted: Sequence[Variable],
    sources: Sequence[Variable],
    barred: Sequence[Variable],
    disconnected_inputs: str,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The results of a reverse sweep, without special types, in the container of `wrt`.

    The parameters are those of `grad`; `wanted` is `wrt` as a list, `sources` where the sweep
    began.
    """
    _one_of("disconnected_inputs", disconnected_inputs, ("raise", "warn", "ignore"))
    _report_disconnected(results, wanted, sources, barred, disconnected_inputs)
    for k, (variable, gradient) in enumerate(zip(wanted, results, strict=True)):
        if isinstance(gradient.type, DisconnectedType):
            results[k] = stand_in(variable, gradient, return_disconnected)
        elif isinstance(gradient.type, NullType) and null_gradients == "raise":
            raise NullTypeGradError(
                user_message(
                    f"the gradient with respect to {variable} is undefined",
                    where=user_line(variable) or None,
                    got=gradient.type.why_null,
                )
            )
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), results)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def as_gradient(variable: Variable, gradient: Any) -> Variable:
    """`gradient` as a variable that may be the gradient of `variable`.

    Raises
    ------
    TypeError
        If the rank is another one, or the dtype is discrete.
    """
    if not isinstance(gradient, Variable):
        gradient = as_tensor_variable(gradient)
    if isinstance(gradient.type, (DisconnectedType, NullType)):
        return gradient
    if getattr(gradient.type, "ndim", None) != getattr(variable.type, "ndim", None):
        raise TypeError(
            user_message(
                f"the known gradient of {variable} has another rank",
                got=str(gradient.type),
                expected=f"the rank of {variable.type}",
                where=[line for line in map(user_line, (gradient, variable)) if line] or None,
            )
        )
    dtype = getattr(gradient.type, "dtype", None)
    if dtype is not None and is_discrete(dtype):
        raise TypeError(
            user_message(
                f"the known gradient of {variable} has the integer dtype {dtype}",
                where=user_line(gradient) or None,
                hint="gradients are floating point numbers: cast it",
            )
        )
    return gradient


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
    warnings.warn(message, stacklevel=4)


def stand_in(variable: Any, gradient: Variable, how: str) -> Any:
    """What `grad` returns for a disconnected variable, see its `return_disconnected`."""
    if how == "Disconnected":
        return gradient
    if how == "None":
        return None
    floating = config.floatX if is_discrete(variable.type.dtype) else variable.type.dtype
    return variable.zeros_like(dtype=floating)


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
    params, ends = as_list(wrt, "wrt"), as_list(end, "end")
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
