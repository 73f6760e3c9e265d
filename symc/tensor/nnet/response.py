"""Local response normalisation."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...errors import ShapeError, user_message
from ...graph.trace import user_line
from ...ops.alloc import zeros
from ...ops.math import sqr
from ...ops.write import set_subtensor

__all__ = ["local_response_normalization"]


def local_response_normalization(
    input: Any, alpha: Any = 1e-4, k: Any = 2, beta: Any = 0.75, n: int = 5
) -> Any:
    """Divide by ``(k + alpha * sum of squares of n neighbouring channels) ** beta``.

    Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural
    networks", section 3.3. At the first and last channels there are fewer neighbours.

    Parameters
    ----------
    input : tensor_like, (batch, channels, ...)
    alpha, k, beta : float or scalar tensor
        Where `alpha` is meant for the mean of squares, give it divided by `n`.
    n : int
        Odd: the channel and as many neighbours on both sides.

    Returns
    -------
    TensorVariable
        Same shape.

    Raises
    ------
    ShapeError (a ValueError)
        If the input has no channels.
    ValueError
        If `n` is not a positive odd number.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0, 3.0]])
    >>> local_response_normalization(x, alpha=1.0, k=0.0, beta=1.0, n=3).eval().tolist()
    [[0.2, 0.14285714285714285, 0.23076923076923078]]
    """
    x = as_tensor_variable(input)
    if x.type.ndim < 2:
        raise ShapeError(
            user_message(
                "local response normalisation is over channels, the second axis",
                got=f"{x} of type {x.type}",
                where=user_line(x) or None,
            )
        )
    if n < 1 or n % 2 == 0:
        raise ValueError(f"local response normalisation takes an odd number n, got {n}")
    half, channels = n // 2, x.shape[1]
    lengths = [x.shape[d] for d in range(x.type.ndim)]
    lengths[1] = channels + 2 * half
    squares = zeros(lengths, dtype=x.type.dtype)
    squares = set_subtensor(squares[:, half : half + channels], sqr(x))
    total = sum(squares[:, i : i + channels] for i in range(n))
    return x / (k + alpha * total) ** beta
