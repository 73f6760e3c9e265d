"""Functions of whole networks: a network is known by its last layer, or several."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symc.nn import utils
from symc.nn.layers.base import Layer, MergeLayer, add_lines, in_order
from symc.nn.layers.input import InputLayer

__all__ = [
    "check_param_shapes",
    "count_params",
    "get_all_layers",
    "get_all_param_values",
    "get_all_params",
    "get_output",
    "get_output_shape",
    "set_all_param_values",
]


def _several(layer: Any) -> list[Any]:
    return list(layer) if isinstance(layer, (list, tuple)) else [layer]


def get_all_layers(layer: Any, treat_as_input: Sequence[Layer] | None = None) -> list[Layer]:
    """Return the layers that a network consists of, each after those below it.

    Parameters
    ----------
    layer : Layer or list of Layer
        The last.
    treat_as_input : list of Layer, optional
        Layers below which the walk does not go.

    Returns
    -------
    list of Layer
        Each once, in an order that depends on the network alone.
    """
    return in_order(_several(layer), set(treat_as_input or ()))


def _given(inputs: Any, all_layers: Sequence[Layer]) -> dict[Any, Any]:
    """Expressions by layer, from what a caller gave for inputs."""
    given: dict[Any, Any] = {x: x.input_var for x in all_layers if isinstance(x, InputLayer)}
    if isinstance(inputs, Mapping):
        for x in inputs:
            if not isinstance(x, Layer) and x is not None:
                raise TypeError(
                    "the keys of a dict of inputs are layers, or None, got "
                    f"{type(x).__name__}: {x!r:.80}"
                )
        given.update({x: utils.as_theano_expression(v) for x, v in inputs.items()})
    elif inputs is not None:
        for x in given:
            given[x] = utils.as_theano_expression(inputs)
    return given


def _needs(layer: Layer, given: Mapping[Any, Any]) -> list[Any]:
    """What the layer's inputs are found under: layers, or the layer itself where a shape stands."""
    below = layer.input_layers if hasattr(layer, "input_layers") else [layer.input_layer]
    if None in below and None not in given:
        raise ValueError(
            f"{type(layer).__name__} was built from a shape and not on a layer; give get_output an "
            "expression for it: a dict with the layer, or None, as key"
        )
    return list(below)


def get_output(layer_or_layers: Any, inputs: Any = None, **kwargs: Any) -> Any:
    """Return the output of a network as an expression.

    Parameters
    ----------
    layer_or_layers : Layer or list of Layer
    inputs : tensor, array_like or dict, optional
        None for the variables of the input layers, one expression for all of them, or expressions
        by layer, for input layers or any others, whose output is replaced.
    **kwargs
        Given to all layers, such as ``deterministic=True``. One that no layer knows is warned of.

    Returns
    -------
    TensorVariable or list of TensorVariable
        Layers that several outputs depend on are computed once: the mask of dropout is the same.

    Raises
    ------
    ValueError
        If a layer that was built from a shape is not given an input.
    TypeError
        If a key of `inputs` is no layer.
    """
    stop = list(inputs) if isinstance(inputs, Mapping) else None
    all_layers = get_all_layers(layer_or_layers, stop)
    outputs = _given(inputs, all_layers)
    known = {"deterministic"}
    for layer in all_layers:
        known.update(_keywords(layer))
        if layer in outputs:
            continue
        below: Any = [outputs[x] for x in _needs(layer, outputs)]
        if not hasattr(layer, "input_layers"):
            (below,) = below
        try:
            outputs[layer] = layer.get_output_for(below, **kwargs)
        except Exception as problem:
            shapes = f"built for input of shape {layer.input_shape}"
            add_lines(problem, f"  layer: {layer._called()}, {shapes} at {layer._built_at}")
            raise
    _warn_of_unknown(set(kwargs) - known, known)
    if isinstance(layer_or_layers, (list, tuple)):
        return [outputs[x] for x in layer_or_layers]
    return outputs[layer_or_layers]


def _keywords(layer: Layer) -> list[str]:
    named = utils.inspect_kwargs(layer.get_output_for)
    return [*named, *getattr(layer, "get_output_kwargs", ())]


def _warn_of_unknown(unknown: set[str], known: set[str]) -> None:
    if not unknown:
        return
    guesses = []
    for name in sorted(unknown):
        close = difflib.get_close_matches(name, known)
        guesses.append(f"{name} (perhaps you mean {close[0]})" if close else name)
    warnings.warn(
        f"get_output was given what no layer makes use of: {', '.join(guesses)}", stacklevel=3
    )


def get_output_shape(layer_or_layers: Any, input_shapes: Any = None) -> Any:
    """Return the shape of the output of a network.

    Parameters
    ----------
    layer_or_layers : Layer or list of Layer
    input_shapes : tuple or dict, optional
        None for the shapes that layers were built for, one shape for all input layers, or shapes by
        layer.

    Returns
    -------
    tuple or list of tuple
        None for lengths that are not known.
    """
    if input_shapes is None or input_shapes == {}:
        if isinstance(layer_or_layers, (list, tuple)):
            return [x.output_shape for x in layer_or_layers]
        return layer_or_layers.output_shape
    by_layer = isinstance(input_shapes, Mapping)
    all_layers = get_all_layers(layer_or_layers, list(input_shapes) if by_layer else None)
    shapes: dict[Any, Any] = {x: x.shape for x in all_layers if isinstance(x, InputLayer)}
    shapes.update(input_shapes if by_layer else dict.fromkeys(shapes, tuple(input_shapes)))
    for layer in all_layers:
        if layer in shapes:
            continue
        if isinstance(layer, MergeLayer):
            below: Any = [
                own if x is None else shapes[x]
                for x, own in zip(layer.input_layers, layer.input_shapes, strict=True)
            ]
        else:
            below = layer.input_shape if layer.input_layer is None else shapes[layer.input_layer]
        shapes[layer] = tuple(layer.get_output_shape_for(below))
    if isinstance(layer_or_layers, (list, tuple)):
        return [shapes[x] for x in layer_or_layers]
    return shapes[layer_or_layers]


def get_all_params(layer: Any, unwrap_shared: bool = True, **tags: bool) -> list[Any]:
    """Return the parameters of a network.

    Parameters
    ----------
    layer : Layer or list of Layer
    unwrap_shared, **tags
        As for `Layer.get_params`.

    Returns
    -------
    list of SharedVariable, or of tensor
        Each once, in the order of the layers.
    """
    found = [p for x in get_all_layers(layer) for p in x.get_params(unwrap_shared, **tags)]
    return utils.unique(found)


def count_params(layer: Any, **tags: bool) -> int:
    """Return the number of elements of all parameters.

    Parameters
    ----------
    layer : Layer or list of Layer
    **tags
        As for `Layer.get_params`.

    Returns
    -------
    int
    """
    params = get_all_params(layer, **tags)
    return sum(int(np.prod(p.get_value(borrow=True).shape)) for p in params)


def check_param_shapes(layer: Any) -> dict[Any, tuple[int, ...]]:
    """Check that parameters still have the shapes that their layers were built with.

    Parameters
    ----------
    layer : Layer or list of Layer

    Returns
    -------
    dict
        The shape of each parameter, by the parameter: a shared variable or an expression.

    Raises
    ------
    ValueError
        If the value of a shared variable has got another shape.
    """
    shapes: dict[Any, tuple[int, ...]] = {}
    for x in get_all_layers(layer):
        for param, shape in x.param_shapes.items():
            value = param.get_value(borrow=True) if hasattr(param, "get_value") else None
            if value is not None and value.shape != shape:
                raise ValueError(
                    f"parameter {param} of {x._called()} has got shape {value.shape}, but the "
                    f"layer was built with shape {shape}, for input of shape {x.input_shape}"
                )
            shapes[param] = shape
    return shapes


def get_all_param_values(layer: Any, **tags: bool) -> list[np.ndarray]:
    """Return the values of all parameters, to be saved.

    Parameters
    ----------
    layer : Layer or list of Layer
    **tags
        As for `Layer.get_params`.

    Returns
    -------
    list of numpy.ndarray
        Copies, in the order of `get_all_params`.
    """
    return [p.get_value() for p in get_all_params(layer, **tags)]


def set_all_param_values(layer: Any, values: Sequence[Any], **tags: bool) -> None:
    """Set the values of all parameters, or of none where one does not fit.

    Parameters
    ----------
    layer : Layer or list of Layer
    values : sequence of array_like
        As `get_all_param_values` returned them.
    **tags
        As for `Layer.get_params`.

    Raises
    ------
    ValueError
        If their number or a shape is wrong.
    """
    params = get_all_params(layer, **tags)
    if len(params) != len(values):
        raise ValueError(f"got {len(values)} values for {len(params)} parameters")
    for p, value in zip(params, values, strict=True):
        has = p.get_value(borrow=True).shape
        if has != np.shape(value):
            raise ValueError(
                f"a value of shape {np.shape(value)} for parameter {p}, which has shape {has}"
            )
    for p, value in zip(params, values, strict=True):
        p.set_value(value)
