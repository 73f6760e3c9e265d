"""Vectors for integers."""

from __future__ import annotations

from typing import Any

from symc.nn import init
from symc.nn.layers.base import Layer

__all__ = ["EmbeddingLayer"]


class EmbeddingLayer(Layer):
    """A row of a table for each integer of the input.

    Parameters
    ----------
    incoming : Layer or tuple
        Its values are integers.
    input_size : int
        Number of rows: the greatest integer plus one.
    output_size : int
        Length of rows.
    W : number, numpy.ndarray, tensor or callable
        The table, of shape (input_size, output_size).
    name : str, optional
    """

    def __init__(
        self,
        incoming: Any,
        input_size: int,
        output_size: int,
        W: Any = init.Normal(),  # noqa: B008
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.input_size = input_size
        self.output_size = output_size
        self.W = self.add_param(W, (input_size, output_size), name="W")

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The shape of the integers, and the length of rows."""
        return (*input_shape, self.output_size)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The rows."""
        return self.W[input]
