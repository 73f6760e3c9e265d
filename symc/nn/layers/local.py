"""Layers with filters of their own at every place."""

from __future__ import annotations

from typing import Any

from symc.nn import init, nonlinearities
from symc.nn.layers.conv import Conv2DLayer
from symc.nn.theano_extensions import padding

__all__ = ["LocallyConnected2DLayer"]


class LocallyConnected2DLayer(Conv2DLayer):
    """A convolution whose filters differ from place to place.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, rows, columns), all but the batch known.
    num_filters : int
    filter_size : int or (int, int)
        Odd.
    stride, pad
        Only 1 and 'same'.
    untie_biases, b, nonlinearity, flip_filters, name
        As for `Conv2DLayer`.
    W : number, numpy.ndarray, tensor or callable
        Filters, of shape (num_filters, channels, filter rows, filter columns, rows, columns);
        without channels if `channelwise`.
    channelwise : bool
        Whether filter ``k`` sees channel ``k`` only; there must be as many filters as channels.

    Raises
    ------
    NotImplementedError
        For another `stride` or `pad`.
    ValueError
        If rows or columns are not known, or channels and filters differ in number with
        `channelwise`.
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1),
        pad: Any = "same",
        untie_biases: bool = False,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        flip_filters: bool = True,
        channelwise: bool = False,
        **kwargs: Any,
    ) -> None:
        self.channelwise = channelwise
        super().__init__(
            incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity,
            flip_filters, **kwargs,
        )
        if self.stride != (1, 1) or self.pad != "same":
            raise NotImplementedError(
                f"{self._called()} has stride 1 and pad='same' only, got {stride!r} and {pad!r}"
            )

    def get_W_shape(self) -> Any:
        """Return the shape of the filters."""
        channels, *places = self.input_shape[1:]
        if None in places:
            raise ValueError(
                f"{self._called()} has filters for every place, so that rows and columns must be "
                f"known, got input of shape {self.input_shape}"
            )
        if not self.channelwise:
            return (self.num_filters, channels, *self.filter_size, *places)
        if channels != self.num_filters:
            raise ValueError(
                f"{self._called()} with channelwise=True has {self.num_filters} filters for "
                f"{channels} channels"
            )
        return (self.num_filters, *self.filter_size, *places)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """Return the sum over the filters' elements of the shifted input times these elements."""
        rows, columns = self.filter_size
        height, width = self.input_shape[2:]
        padded = padding.pad(input, (rows // 2, columns // 2), batch_ndim=2)
        total: Any = 0
        for i in range(rows):
            for j in range(columns):
                top = rows - 1 - i if self.flip_filters else i
                left = columns - 1 - j if self.flip_filters else j
                seen = padded[:, :, top : top + height, left : left + width]
                if self.channelwise:
                    total = total + seen * self.W[:, i, j]
                else:
                    weights = self.W[:, :, i, j]
                    total = total + (seen.dimshuffle(0, "x", 1, 2, 3) * weights).sum(axis=2)
        return total
