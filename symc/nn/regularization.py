"""Penalties on parameters, or on any other expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import symc.tensor as T
from symc.nn.layers.helper import get_all_params

__all__ = [
    "apply_penalty",
    "l1",
    "l2",
    "regularize_layer_params",
    "regularize_layer_params_weighted",
    "regularize_network_params",
]

REGULARIZABLE = {"regularizable": True}


def l1(x: Any) -> Any:
    """Return the sum of absolute values.

    Parameters
    ----------
    x : tensor
        Any shape.

    Returns
    -------
    TensorVariable
        0-d.
    """
    return T.sum(abs(x))


def l2(x: Any) -> Any:
    """Return the sum of squares.

    Parameters
    ----------
    x : tensor
        Any shape.

    Returns
    -------
    TensorVariable
        0-d.
    """
    return T.sum(x**2)


def apply_penalty(tensor_or_tensors: Any, penalty: Callable[..., Any], **kwargs: Any) -> Any:
    """Return `penalty` of a tensor, or its sum over several.

    Parameters
    ----------
    tensor_or_tensors : tensor or iterable of them
    penalty : callable
        From a tensor to a scalar expression.
    **kwargs
        Passed on to `penalty`.

    Returns
    -------
    TensorVariable or 0
        0-d; 0 where there are no tensors.
    """
    try:
        tensors = list(tensor_or_tensors)
    except TypeError:  # one tensor: its length is not known, so that it can't be iterated over
        return penalty(tensor_or_tensors, **kwargs)
    return sum(penalty(x, **kwargs) for x in tensors)


def regularize_layer_params(
    layer: Any,
    penalty: Callable[..., Any],
    tags: Mapping[str, bool] = REGULARIZABLE,
    **kwargs: Any,
) -> Any:
    """Return a penalty on the parameters of a layer, or of several.

    Parameters
    ----------
    layer : Layer or iterable of Layer
        Only their own parameters count, not those of the layers below.
    penalty : callable
        From a parameter to a scalar expression.
    tags : dict
        Tags that parameters must have.
    **kwargs
        Passed on to `penalty`.

    Returns
    -------
    TensorVariable or 0
        0-d.
    """
    layers = layer if isinstance(layer, (list, tuple)) else [layer]
    params = [p for part in layers for p in part.get_params(**tags)]
    return apply_penalty(params, penalty, **kwargs)


def regularize_layer_params_weighted(
    layers: Mapping[Any, Any],
    penalty: Callable[..., Any],
    tags: Mapping[str, bool] = REGULARIZABLE,
    **kwargs: Any,
) -> Any:
    """Return a weighted sum of the penalties of layers.

    Parameters
    ----------
    layers : dict
        The factor for each layer.
    penalty, tags, **kwargs
        As for `regularize_layer_params`.

    Returns
    -------
    TensorVariable or 0
        0-d.
    """
    return sum(
        factor * regularize_layer_params(layer, penalty, tags, **kwargs)
        for layer, factor in layers.items()
    )


def regularize_network_params(
    layer: Any,
    penalty: Callable[..., Any],
    tags: Mapping[str, bool] = REGULARIZABLE,
    **kwargs: Any,
) -> Any:
    """Return a penalty on the parameters of a layer and of all layers below it.

    Parameters
    ----------
    layer : Layer or list of Layer
        Usually the output layer.
    penalty, tags, **kwargs
        As for `regularize_layer_params`.

    Returns
    -------
    TensorVariable or 0
        0-d.
    """
    return apply_penalty(get_all_params(layer, **tags), penalty, **kwargs)
