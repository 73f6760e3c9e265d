"""Jacobians and Hessians, and their products with vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths
from ..autodiff.driver import Reverse
from ..autodiff.forward import forward
from ..errors import DisconnectedInputError, user_message
from ..graph.node import Variable
from ..graph.special import DisconnectedType
from ..graph.trace import user_line
from ..ops.alloc import arange, zeros
from ..ops.elemwise import cast
from ..ops.join import stack
from ..ops.known_gradient import with_shape_of
from ..ops.math import eq
from ..ops.origins import origins_remembered
from ..ops.reduce import gradient_dtype
from ..scan_module import scan
from .cost import as_gradient, as_list, finished, format_as, grad, stand_in

__all__ = ["Lop", "Rop", "hessian", "hessian_vector_product", "jacobian"]

_MAX_UNROLLED = 8
"""Up to so many rows are built one by one: the optimiser sees through them. More are a loop."""


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
    f, eval_points : Variable or list or tuple
        Outputs, and what multiplies the Jacobian of each from the left (same rank).
    wrt : Variable or list or tuple
    consider_constant, disconnected_inputs
        See `grad`.

    Returns
    -------
    Variable or list or tuple
        Like `wrt`.

    Raises
    ------
    ValueError
        If there are not as many evaluation points as outputs.
    TypeError
        If the rank of a point is not that of its output, or its dtype is discrete.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dvector("x")
    >>> symc.Lop(x**2, x, T.ones(2)).eval({x: [1.0, 3.0]}).tolist()
    [2.0, 6.0]
    """
    outputs, points = paired(f, eval_points, "output")
    seeds: dict[Variable, Any] = {}
    for output, point in zip(outputs, points, strict=True):
        seed = with_shape_of(output, as_gradient(output, point))
        seeds[output] = seeds[output] + seed if output in seeds else seed
    wanted = as_list(wrt, "wrt")
    barred = list(consider_constant or ())
    with origins_remembered():
        results: list[Any] = Reverse(seeds, wanted, barred).run()
    return finished(results, wrt, wanted, list(seeds), barred, disconnected_inputs)


def paired(f: Any, points: Any, what: str) -> tuple[list[Variable], list[Variable]]:
    """Variables and as many evaluation points of the same ranks, as two lists."""
    variables = as_list(f, f"every {what}")
    raw = list(points) if isinstance(points, (list, tuple)) else [points]
    if len(variables) != len(raw):
        raise ValueError(f"{len(variables)} {what}s but {len(raw)} evaluation points")
    tensors = [as_tensor_variable(p) for p in raw]
    for variable, point in zip(variables, tensors, strict=True):
        if variable.type.ndim != point.type.ndim:  # type: ignore[attr-defined]
            raise ValueError(
                user_message(
                    f"the evaluation point of {variable} has another rank",
                    got=str(point.type),
                    expected=str(variable.type),
                )
            )
    return variables, tensors


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
    outputs = as_list(f, "every output")
    variables, points = paired(wrt, eval_points, "variable")
    results: list[Any] = forward(outputs, variables, points)
    for k, (output, result) in enumerate(zip(outputs, results, strict=True)):
        if result is not None:
            continue
        if disconnected_outputs == "raise":
            raise DisconnectedInputError(
                user_message(
                    f"{output} does not depend on {', '.join(map(str, variables))}",
                    where=user_line(output) or None,
                    hint="leave it out, or pass disconnected_outputs='ignore'",
                )
            )
        results[k] = stand_in(output, DisconnectedType()(), return_disconnected)
    return format_as(isinstance(f, list), isinstance(f, tuple), results)


def hessian_vector_product(cost: Variable, wrt: Any, p: Any) -> Any:
    """The Hessian of a scalar times a vector, without forming the Hessian.

    Parameters
    ----------
    cost : Variable
        0-d.
    wrt, p : Variable or list or tuple
        Variables, and the direction for each (same rank).

    Returns
    -------
    Variable or list or tuple
        Like `wrt`.

    Notes
    -----
    The gradient of ``sum(grad(cost) * p)`` (Pearlmutter, 1994).

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dvector("x")
    >>> symc.hessian_vector_product((x**3).sum(), x, T.ones(2)).eval({x: [1.0, 2.0]}).tolist()
    [6.0, 12.0]
    """
    variables, points = paired(wrt, p, "variable")
    first = grad(cost, variables)
    inner: Any = sum((g * v).sum() for g, v in zip(first, points, strict=True))
    result = grad(inner, variables, consider_constant=points, disconnected_inputs="ignore")
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), result)


def jacobian(
    expression: Any,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The derivatives of every element of a vector: one row of the result for each.

    Parameters
    ----------
    expression : Variable
        A scalar, or a vector; the rows of a long one, or of unknown length, are a loop.
    wrt : Variable or list or tuple
        Tensors of floating point dtype, of any rank.
    consider_constant, disconnected_inputs
        See `grad`.

    Returns
    -------
    Variable or list or tuple
        Like `wrt`; of shape ``(len(expression), *shape(wrt))``, or for a scalar expression of
        the shape of `wrt`.

    Raises
    ------
    TypeError
        If `expression` has more than one axis.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x, y = T.dscalar("x"), T.dscalar("y")
    >>> rows = symc.gradient.jacobian(T.stack([x * y, x + y]), [x, y])
    >>> [r.eval({x: 2.0, y: 3.0}).tolist() for r in rows]
    [[3.0, 1.0], [2.0, 1.0]]
    """
    expression = as_tensor_variable(expression)
    wanted = as_list(wrt, "the variables to differentiate with respect to")
    options: dict[str, Any] = {
        "consider_constant": list(consider_constant or ()),
        "disconnected_inputs": disconnected_inputs,
    }
    if expression.type.ndim == 0:
        results = grad(expression, wanted, **options)
    else:
        _check_vector(expression)
        results = _rows(expression, wanted, options)
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), results)


def _check_vector(expression: Any) -> None:
    if expression.type.ndim != 1:
        raise TypeError(
            user_message(
                "a Jacobian is that of a vector or a scalar",
                got=str(expression.type),
                hint="flatten it: expression.flatten()",
                where=user_line(expression) or None,
            )
        )


def _rows(expression: Any, wanted: list[Any], options: dict[str, Any]) -> list[Any]:
    """Per wanted variable the gradients of the elements of a vector, stacked.

    Parameters
    ----------
    expression : Variable
        1-d; of any length.
    wanted : list of Variable
    options : dict
        Passed to `grad`.
    """
    (length,) = known_lengths(expression)
    if length is not None and length <= _MAX_UNROLLED:
        rows = [grad(expression[i], wanted, **options) for i in range(length)]
        return [_stacked([row[k] for row in rows], v) for k, v in enumerate(wanted)]
    places = arange(expression.shape[0])

    def row(i: Any) -> list[Any]:
        # A unit vector, and not the element: a loop of no steps has no element to speak of.
        unit = cast(eq(places, i), gradient_dtype(expression.type.dtype))
        products: list[Any] = Lop(expression, wanted, unit, **options)
        return products

    results, _ = scan(row, sequences=places, return_list=True)
    return list(results)


def _stacked(rows: list[Any], variable: Any) -> Any:
    if rows:
        return stack(rows)
    shape = [variable.shape[d] for d in range(variable.type.ndim)]
    return zeros((0, *shape), dtype=gradient_dtype(variable.type.dtype))


def hessian(
    cost: Any,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The second derivatives of a scalar with respect to vectors.

    Parameters
    ----------
    cost : Variable
        0-d.
    wrt : Variable or list or tuple
        Vectors.
    consider_constant, disconnected_inputs
        See `grad`.

    Returns
    -------
    Variable or list or tuple
        Like `wrt`; a square matrix for each vector.

    Raises
    ------
    TypeError
        If a variable is no vector.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dvector("x")
    >>> symc.gradient.hessian(x[0] ** 2 * x[1], x).eval({x: [1.0, 2.0]}).tolist()
    [[4.0, 2.0], [2.0, 0.0]]
    """
    wanted = as_list(wrt, "the variables to differentiate with respect to")
    barred = list(consider_constant or ())
    results = []
    for variable in wanted:
        _check_vector(variable)
        first = grad(
            cost, variable, consider_constant=barred, disconnected_inputs=disconnected_inputs
        )
        options = {"consider_constant": barred, "disconnected_inputs": "ignore"}
        results += _rows(first, [variable], options)
    return format_as(isinstance(wrt, list), isinstance(wrt, tuple), results)
