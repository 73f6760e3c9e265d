"""Batch normalisation in Theano's names, as plain expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...array.convert import as_tensor_variable
from ...errors import ShapeError, user_message
from ...graph.trace import user_line
from ...ops.elemwise import cast
from ...ops.math import inv, mul, sqr, sqrt
from ...ops.reduce import sum as sum_
from ...ops.shape import addbroadcast

__all__ = [
    "AbstractBatchNormInference",
    "AbstractBatchNormTrain",
    "AbstractBatchNormTrainGrad",
    "BNComposite",
    "batch_normalization",
    "batch_normalization_test",
    "batch_normalization_train",
]


def _axes(axes: Any, ndim: int) -> tuple[int, ...]:
    if axes == "per-activation":
        return (0,)
    if axes == "spatial":
        return (0, *range(2, ndim))
    chosen = (axes,) if isinstance(axes, int) else tuple(axes)
    good = all(isinstance(a, int) and -ndim <= a < ndim for a in chosen)
    if isinstance(axes, str) or not good or len({a % ndim for a in chosen}) != len(chosen):
        raise ValueError(
            user_message(
                f"axes of batch normalisation of a tensor with {ndim} axes",
                got=repr(axes),
                expected="'per-activation', 'spatial', or axes of the tensor, each one once",
            )
        )
    return tuple(sorted(a % ndim for a in chosen))


class _Layout:
    """How parameters are laid out: with the normalised axes left out, or of length 1.

    Parameters
    ----------
    x : TensorVariable
        The inputs.
    axes : tuple of int
    first : TensorVariable
        A parameter; the others must have as many axes.
    """

    def __init__(self, x: Any, axes: tuple[int, ...], first: Any) -> None:
        self.ndim = x.type.ndim
        self.axes = axes
        self.kept = [d for d in range(self.ndim) if d not in axes]
        self.skipped = first.type.ndim == len(self.kept)
        if not self.skipped and first.type.ndim != self.ndim:
            raise ShapeError(
                user_message(
                    "parameters of batch normalisation have the wrong number of axes",
                    got=f"{first} of type {first.type}",
                    expected=f"{len(self.kept)} axes, or {self.ndim} of which {axes} have length 1",
                    where=user_line(first) or None,
                )
            )

    def spread(self, parameter: Any) -> Any:
        """A parameter in the inputs' axes."""
        parameter = as_tensor_variable(parameter)
        if self.skipped and parameter.type.ndim == len(self.kept):
            order = [self.kept.index(d) if d in self.kept else "x" for d in range(self.ndim)]
            return parameter.dimshuffle(*order)
        if parameter.type.ndim != self.ndim:
            raise ShapeError(
                user_message(
                    "parameters of batch normalisation have different numbers of axes",
                    got=f"{parameter} of type {parameter.type}",
                    where=user_line(parameter) or None,
                )
            )
        wide = [d for d in self.axes if not parameter.type.broadcastable[d]]
        return addbroadcast(parameter, *wide) if wide else parameter

    def folded(self, statistic: Any) -> Any:
        """A statistic, which has all axes, in the parameters' layout."""
        return statistic.dimshuffle(*self.kept) if self.skipped else statistic


def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> Any:
    """Return ``(inputs - mean) * gamma / std + beta``, broadcast.

    Parameters
    ----------
    inputs, gamma, beta, mean, std : tensor_like
    mode : {"low_mem", "high_mem"}
        Taken for compatibility; it makes no difference.
    """
    if mode not in ("low_mem", "high_mem"):
        raise ValueError(f"mode of batch_normalization is 'low_mem' or 'high_mem', not {mode!r}")
    x, gamma, beta, mean, std = map(as_tensor_variable, (inputs, gamma, beta, mean, std))
    return (x - mean) * (gamma / std) + beta


def batch_normalization_train(
    inputs: Any,
    gamma: Any,
    beta: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
    running_average_factor: float = 0.1,
    running_mean: Any = None,
    running_var: Any = None,
) -> tuple[Any, ...]:
    """Normalise a batch by its own mean and variance.

    Parameters
    ----------
    inputs : tensor_like
    gamma, beta : tensor_like
        Scale and shift. Their shape is that of `inputs` with the axes that are normalised over
        left out, or of length 1.
    axes : {"per-activation", "spatial"} or sequence of int
        Axes that are averaged over: the first; all but the second; those given.
    epsilon : float
        Added to the variance.
    running_average_factor : float
        Weight of this batch in the running averages.
    running_mean, running_var : tensor_like, optional
        Averages so far, in the layout of `gamma`; both or none.

    Returns
    -------
    out, mean, invstd : tensor
        ``(x - mean) * invstd * gamma + beta`` with ``invstd = 1 / sqrt(var + epsilon)``; the
        statistics have the layout of `gamma`.
    running_mean, running_var : tensor
        Only if they were given: the new averages. That of the variance is of the unbiased one.

    Raises
    ------
    ValueError
        If one running average is given without the other, or shapes do not fit.
    """
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_normalization_train: give both running averages or none of them")
    x, gamma, beta = map(as_tensor_variable, (inputs, gamma, beta))
    over = _axes(axes, x.type.ndim)
    layout = _Layout(x, over, gamma)
    count = cast(mul(1, *(x.shape[d] for d in over)), x.type.dtype)
    mean = sum_(x, axis=over, keepdims=True) / count
    centred = x - mean
    var = sum_(sqr(centred), axis=over, keepdims=True) / count
    invstd = inv(sqrt(var + cast(as_tensor_variable(epsilon), x.type.dtype)))
    out = centred * (invstd * layout.spread(gamma)) + layout.spread(beta)
    results = [out, layout.folded(mean), layout.folded(invstd)]
    if running_mean is not None:
        factor = cast(as_tensor_variable(running_average_factor), x.type.dtype)
        unbiased = var * (count / (count - 1))
        for old, new in ((running_mean, mean), (running_var, unbiased)):
            old = as_tensor_variable(old)
            results.append(layout.folded(layout.spread(old) * (1 - factor) + new * factor))
    return tuple(results)


def batch_normalization_test(
    inputs: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    var: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
) -> Any:
    """Normalise by given statistics: ``(x - mean) / sqrt(var + epsilon) * gamma + beta``.

    Parameters
    ----------
    inputs : tensor_like
    gamma, beta, mean, var : tensor_like
        In one layout, as for `batch_normalization_train`.
    axes : {"per-activation", "spatial"} or sequence of int
    epsilon : float
    """
    x, gamma = as_tensor_variable(inputs), as_tensor_variable(gamma)
    layout = _Layout(x, _axes(axes, x.type.ndim), gamma)
    wide: Sequence[Any] = [layout.spread(v) for v in (gamma, beta, mean, var)]
    scale = wide[0] / sqrt(wide[3] + cast(as_tensor_variable(epsilon), x.type.dtype))
    return (x - wide[2]) * scale + wide[1]


class BNComposite:
    """``op(x, mean, std, gamma, beta)``: ``(x - mean) * gamma / std + beta``."""

    def __init__(self, dtype: str | None = None) -> None:
        self.dtype = dtype

    def __call__(self, x: Any, mean: Any, std: Any, gamma: Any, beta: Any) -> Any:
        """Return the normalised tensor."""
        return batch_normalization(x, gamma, beta, mean, std)


class _OverAxes:
    """An op of batch normalisation: the axes that it averages over."""

    def __init__(self, axes: Sequence[int] = (0,)) -> None:
        self.axes = tuple(axes)


class AbstractBatchNormTrain(_OverAxes):
    """``op(x, scale, bias, ...)``: normalisation by the batch, see `batch_normalization_train`."""

    def __call__(
        self,
        x: Any,
        scale: Any,
        bias: Any,
        epsilon: Any = 1e-4,
        running_average_factor: Any = 0.1,
        running_mean: Any = None,
        running_var: Any = None,
    ) -> tuple[Any, ...]:
        """Return the normalised batch, its mean and inverse deviation, and new averages."""
        return batch_normalization_train(
            x, scale, bias, self.axes, epsilon, running_average_factor, running_mean, running_var
        )


class AbstractBatchNormInference(_OverAxes):
    """``op(x, scale, bias, mean, variance, epsilon)``: see `batch_normalization_test`."""

    def __call__(
        self, x: Any, scale: Any, bias: Any, mean: Any, variance: Any, epsilon: Any = 1e-4
    ) -> Any:
        """Return the normalised tensor."""
        return batch_normalization_test(x, scale, bias, mean, variance, self.axes, epsilon)


class AbstractBatchNormTrainGrad(_OverAxes):
    """``op(x, dy, scale, x_mean, x_invstd)``: the gradients of a normalisation by the batch."""

    def __call__(
        self, x: Any, dy: Any, scale: Any, x_mean: Any, x_invstd: Any, epsilon: Any = 1e-4
    ) -> tuple[Any, Any, Any]:
        """Return the gradients with respect to inputs, scale and bias, in all axes."""
        x, dy, scale, mean, inv = map(as_tensor_variable, (x, dy, scale, x_mean, x_invstd))
        unit = (x - mean) * inv
        along = (dy * unit).mean(self.axes, keepdims=True)
        to_x = scale * inv * (dy - dy.mean(self.axes, keepdims=True) - unit * along)
        to_scale = sum_(dy * unit, axis=self.axes, keepdims=True)
        return to_x, to_scale, sum_(dy, axis=self.axes, keepdims=True)
