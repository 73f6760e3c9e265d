"""Where data enter a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import symc
import symc.tensor as T
from symc.nn.layers.base import Layer, _check_lengths

__all__ = ["InputLayer"]


class InputLayer(Layer):
    """A variable as a layer.

    Parameters
    ----------
    shape : tuple of int or None
        None for lengths that are not known, such as that of a batch.
    input_var : TensorVariable, optional
        Default a new variable of dtype ``config.floatX``.
    name : str, optional

    Attributes
    ----------
    shape : tuple of int or None
    input_var : TensorVariable

    Raises
    ------
    ValueError
        If the variable has another rank, or a length is not positive.
    """

    def __init__(
        self, shape: Any, input_var: Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        self.name = name
        if isinstance(shape, str) or not isinstance(shape, Iterable):
            raise TypeError(
                f"{type(self).__name__}: a shape is a tuple of lengths, got "
                f"{type(shape).__name__}: {shape!r:.80}"
            )
        self.shape = tuple(shape)
        self.params = {}
        self.param_shapes = {}
        self.get_output_kwargs = []
        self.input_layer = None
        self.input_shape = self.shape
        _check_lengths(self.shape, self._called())
        if input_var is None:
            called = f"{name}.input" if name is not None else "input"
            pattern = tuple(n == 1 for n in self.shape)
            input_var = T.TensorType(symc.config.floatX, pattern)(called)
        elif input_var.ndim != len(self.shape):
            raise ValueError(
                f"{self._called()} has shape {self.shape}, of {len(self.shape)} dimensions, and a "
                f"variable of type {input_var.type}, of {input_var.ndim}"
            )
        self.input_var = input_var

    @property
    def output_shape(self) -> Any:
        """The shape that was given."""
        return self.shape
