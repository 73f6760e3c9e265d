"""Means, variances, norms and covariances: compositions of sums and elementwise ops."""

from __future__ import annotations

import math
from typing import Any

from ..array.convert import as_tensor_variable, constant
from ..dtypes import canonical, is_complex, is_discrete, mean_dtype, real_dtype_of, var_dtype
from ..errors import user_message
from .axes import normalize_axes
from .elemwise import cast
from .join import concatenate
from .math import abs_, conj, imag, maximum, mul, neq, real, sqr, sqrt, true_div
from .reduce import max as max_
from .reduce import min as min_
from .reduce import sum as sum_
from .sizes import shape_i

__all__ = ["cov", "mean", "norm", "ptp", "std", "var"]


def _count(x: Any, axes: tuple[int, ...], dtype: str) -> Any:
    """The number of elements along `axes`, as a 0-d tensor of `dtype`."""
    lengths = [shape_i(x, a) for a in axes]
    if not lengths:
        return constant(1, dtype=dtype)
    return cast(lengths[0] if len(lengths) == 1 else mul(*lengths), dtype)


def mean(
    input: Any,
    axis: Any = None,
    dtype: Any = None,
    op: bool = False,
    keepdims: bool = False,
    acc_dtype: Any = None,
) -> Any:
    """Mean over some axes.

    Parameters
    ----------
    input : tensor
    axis : int, tuple of int or None
        None means all axes.
    dtype : str, optional
        Of the result. Default: floatX for integers and bools (float64 under the ``custom``
        policy), else that of `input`.
    op : bool
        Accepted for Theano's sake, without effect.
    keepdims : bool
        Whether the axes stay, with length 1.
    acc_dtype : str, optional
        Dtype in which is accumulated. Default: float64 for float32, float32 for float16.

    Returns
    -------
    tensor
        NaN where there is nothing to average.
    """
    x = as_tensor_variable(input)
    result = canonical(dtype) if dtype is not None else mean_dtype(x.type.dtype)
    if is_discrete(result):
        raise TypeError(user_message("a mean has a float or complex dtype", got=f"dtype={dtype!r}"))
    # The sum of many float16 numbers overflows where their mean does not.
    work = "float32" if result == "float16" else result
    axes = normalize_axes(axis, x.type.ndim)
    total = sum_(x, axes, dtype=work, keepdims=keepdims, acc_dtype=acc_dtype)
    return cast(true_div(total, _count(x, axes, real_dtype_of(work))), result)


def var(
    input: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
) -> Any:
    """Variance over some axes: the mean of the squared distance from the mean.

    Parameters
    ----------
    input : tensor
    axis : int, tuple of int or None
    ddof : int
        The sum of squares is divided by the number of elements minus this.
    keepdims : bool
    corrected : bool
        Whether the rounding error of the mean is taken out:
        ``mean(d**2) - mean(d)**2`` with ``d = x - mean(x)``.

    Returns
    -------
    tensor
        Of floatX for integers. Complex numbers have a real variance (``custom`` policy: the
        complex mean of the squares).
    """
    x = as_tensor_variable(input)
    result = var_dtype(x.type.dtype, ddof)
    if is_discrete(x.type.dtype):
        x = cast(x, result)
    axes = normalize_axes(axis, x.type.ndim)
    centered = x - mean(x, axes, keepdims=True)
    squares = _squared(centered, result)
    n = _count(x, axes, real_dtype_of(squares.dtype))
    spread = sum_(squares, axes, dtype=_work_dtype(squares.dtype), keepdims=keepdims)
    variance = true_div(spread, n - ddof if ddof else n)
    if corrected:
        offset = mean(centered, axes, keepdims=keepdims)
        variance = variance - true_div(_squared(offset, result) * n, n - ddof)
    return cast(variance, result)


def _squared(x: Any, result: str) -> Any:
    if not is_complex(x.type.dtype) or is_complex(result):
        return sqr(x)
    return sqr(real(x)) + sqr(imag(x))


def _work_dtype(dtype: str) -> str:
    return "float32" if dtype == "float16" else dtype


def std(
    input: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
) -> Any:
    """Standard deviation over some axes, the root of `var`, whose parameters it has."""
    return sqrt(var(input, axis, ddof, keepdims, corrected))


def ptp(a: Any, axis: Any = None) -> Any:
    """Largest minus smallest element along some axes."""
    return max_(a, axis) - min_(a, axis)


def norm(x: Any, L: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norm along some axes: ``sum(|x|**L)**(1/L)``.

    Parameters
    ----------
    x : tensor
    L : number
        The order: 1, 2, infinity (largest size), 0 (number of elements that are not 0), or any
        positive number, or a 0-d tensor.
    axis : int, tuple of int or None
    keepdims : bool
    """
    x = as_tensor_variable(x)
    if isinstance(L, (int, float)):
        if L == 0:
            return sum_(cast(neq(x, 0), mean_dtype(x.type.dtype)), axis, keepdims=keepdims)
        if math.inf == L:
            return max_(abs_(x), axis, keepdims)
        if -math.inf == L:
            return min_(abs_(x), axis, keepdims)
        if L == 1:
            return sum_(abs_(x), axis, keepdims=keepdims)
        if L == 2:
            size = x if not is_complex(x.type.dtype) else abs_(x)
            return sqrt(sum_(sqr(size), axis, keepdims=keepdims))
    return sum_(abs_(x) ** L, axis, keepdims=keepdims) ** (1.0 / L)


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Any:
    """Covariance matrix, as `numpy.cov`.

    Parameters
    ----------
    m : vector or matrix
        One variable per row (or column, see `rowvar`), one observation per column.
    y : vector or matrix, optional
        More variables, in the form of `m`.
    rowvar : bool
        Whether rows are variables.
    bias : bool
        Divide by N instead of N - 1.
    ddof : int, optional
        Divide by ``N - ddof``; overrides `bias`.
    fweights : integer vector, optional
        How often each observation occurred.
    aweights : vector, optional
        Weight of each observation.

    Returns
    -------
    matrix
        ``c[i, j]`` is the covariance of variables i and j.
    """
    x = _variables_in_rows(m, rowvar)
    if y is not None:
        x = concatenate([x, _variables_in_rows(y, rowvar)], axis=0)
    if ddof is None:
        ddof = 0 if bias else 1
    elif not isinstance(ddof, int):
        raise ValueError(f"ddof must be an integer, got {ddof!r}")
    weights = _weights(fweights, aweights, x.dtype)
    if weights is None:
        total = _count(x, (1,), real_dtype_of(x.dtype))
        average = mean(x, axis=1, keepdims=True)
        factor = total - ddof
        weighted = x - average
    else:
        total = sum_(weights)
        average = sum_(x * weights, axis=1, keepdims=True) / total
        factor = _degrees_of_freedom(weights, total, ddof, aweights)
        weighted = (x - average) * weights
    product = (x - average).dot(conj(weighted).T)
    return product / maximum(factor, 0)


def _variables_in_rows(m: Any, rowvar: bool) -> Any:
    m = as_tensor_variable(m)
    if m.type.ndim > 2:
        raise ValueError(f"cov takes vectors and matrices, got {m.type.ndim} axes")
    if is_discrete(m.type.dtype):
        m = cast(m, mean_dtype(m.type.dtype))
    if m.type.ndim < 2:
        return m.dimshuffle(*["x"] * (2 - m.type.ndim), *range(m.type.ndim))
    return m if rowvar else m.T


def _weights(fweights: Any, aweights: Any, dtype: str) -> Any:
    given = [
        cast(as_tensor_variable(w), real_dtype_of(dtype))
        for w in (fweights, aweights)
        if w is not None
    ]
    if any(w.type.ndim != 1 for w in given):
        raise ValueError("the weights of cov must be vectors")
    return None if not given else given[0] if len(given) == 1 else mul(*given)


def _degrees_of_freedom(weights: Any, total: Any, ddof: int, aweights: Any) -> Any:
    if ddof == 0:
        return total
    if aweights is None:
        return total - ddof
    return total - ddof * sum_(weights * cast(as_tensor_variable(aweights), weights.dtype)) / total
