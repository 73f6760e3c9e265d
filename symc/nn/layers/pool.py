"""Pooling and upscaling layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import symc.tensor as T
from symc.nn.layers.base import Layer
from symc.nn.utils import as_tuple
from symc.tensor.signal import pool

__all__ = [
    "FeaturePoolLayer",
    "FeatureWTALayer",
    "GlobalPoolLayer",
    "MaxPool1DLayer",
    "MaxPool2DLayer",
    "MaxPool3DLayer",
    "Pool1DLayer",
    "Pool2DLayer",
    "Pool3DLayer",
    "SpatialPyramidPoolingLayer",
    "Upscale1DLayer",
    "Upscale2DLayer",
    "Upscale3DLayer",
    "pool_2d",
    "pool_2d_nxn_regions",
    "pool_3d",
    "pool_output_length",
]


def pool_output_length(
    input_length: Any, pool_size: int, stride: int, pad: int, ignore_border: bool
) -> Any:
    """Return how many windows there are along an axis.

    Parameters
    ----------
    input_length : int or None
    pool_size, stride, pad : int
    ignore_border : bool
        Whether windows that are not whole are left out.

    Returns
    -------
    int or None
    """
    if input_length is None or pool_size is None:
        return None
    if ignore_border:
        return max(0, (input_length + 2 * pad - pool_size) // stride + 1)
    if pad:
        raise ValueError(f"pad={pad} needs ignore_border=True")
    if stride >= pool_size:
        return (input_length + stride - 1) // stride
    return max(0, (input_length - pool_size + stride - 1) // stride) + 1


def pool_2d(input: Any, **kwargs: Any) -> Any:
    """`symc.tensor.signal.pool.pool_2d`, whose names of arguments it takes, old ones too."""
    return pool.pool_2d(input, **kwargs)


def pool_3d(input: Any, **kwargs: Any) -> Any:
    """`symc.tensor.signal.pool.pool_3d`, whose names of arguments it takes, old ones too."""
    return pool.pool_3d(input, **kwargs)


class _PoolLayer(Layer):
    """The maximum, sum or average over windows of the last `axes` axes."""

    axes: int

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = 0,
        ignore_border: bool = True,
        mode: str = "max",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self._check_rank(self.axes + 2)
        self.pool_size = as_tuple(pool_size, self.axes)
        self.stride = self.pool_size if stride is None else as_tuple(stride, self.axes)
        self.pad = as_tuple(pad, self.axes)
        self._check_least(1, pool_size=self.pool_size, stride=self.stride)
        self._check_least(0, pad=self.pad)
        if any(p >= size for p, size in zip(self.pad, self.pool_size, strict=True)):
            raise ValueError(
                f"{self._called()}: pad is less than pool_size, got {self.pad} and "
                f"{self.pool_size}"
            )
        if mode not in pool.MODES:
            modes = ", ".join(pool.MODES)
            raise ValueError(f"{self._called()}: mode is one of {modes}, got {mode!r}")
        self.ignore_border = ignore_border
        self.mode = mode

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """Batch, channels, and the number of windows along each axis."""
        windows = zip(input_shape[2:], self.pool_size, self.stride, self.pad, strict=True)
        places = [pool_output_length(*axis, self.ignore_border) for axis in windows]
        return (*input_shape[:2], *places)

    def _options(self) -> dict[str, Any]:
        return {
            "ws": self.pool_size,
            "stride": self.stride,
            "ignore_border": self.ignore_border,
            "pad": self.pad,
            "mode": self.mode,
        }


class Pool1DLayer(_PoolLayer):
    """Pooling along the last of three axes; the parameters are those of `Pool2DLayer`."""

    axes = 1

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The windows' maximum, sum or average."""
        options: dict[str, Any] = {
            name: (value[0], 1) if name in ("ws", "stride") else value
            for name, value in self._options().items()
        }
        options["pad"] = (self.pad[0], 0)
        wide = input.dimshuffle(0, 1, 2, "x")
        return T.addbroadcast(pool.pool_2d(wide, **options), 3).dimshuffle(0, 1, 2)


class Pool2DLayer(_PoolLayer):
    """Pooling over the last two of four axes.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, lengths in space).
    pool_size : int or tuple of int
    stride : int or tuple of int, optional
        Default `pool_size`.
    pad : int or tuple of int
        Border that no window may lie in altogether.
    ignore_border : bool
        Whether windows that are not whole are left out; must be True with `pad`.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}
    name : str, optional

    Raises
    ------
    ValueError
        If the input has the wrong rank.
    """

    axes = 2

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The windows' maximum, sum or average."""
        return pool.pool_2d(input, **self._options())


class Pool3DLayer(_PoolLayer):
    """Pooling over the last three of five axes; the parameters are those of `Pool2DLayer`."""

    axes = 3

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The windows' maximum, sum or average."""
        return pool.pool_3d(input, **self._options())


class _MaxPool(_PoolLayer):
    """Pooling whose mode is fixed."""

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = 0,
        ignore_border: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, pool_size, stride, pad, ignore_border, mode="max", **kwargs)


class MaxPool1DLayer(_MaxPool, Pool1DLayer):
    """`Pool1DLayer` with the maximum."""


class MaxPool2DLayer(_MaxPool, Pool2DLayer):
    """`Pool2DLayer` with the maximum."""


class MaxPool3DLayer(_MaxPool, Pool3DLayer):
    """`Pool3DLayer` with the maximum."""


class _UpscaleLayer(Layer):
    """Makes the last `axes` axes longer."""

    axes: int

    def __init__(
        self, incoming: Any, scale_factor: Any, mode: str = "repeat", **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self._check_rank(self.axes + 2)
        self.scale_factor = as_tuple(scale_factor, self.axes, int)
        if any(f < 1 for f in self.scale_factor):
            raise ValueError(f"{self._called()}: factors must be 1 or more, got {scale_factor!r}")
        if mode not in ("repeat", "dilate"):
            raise ValueError(f"{self._called()}: mode is 'repeat' or 'dilate', got {mode!r}")
        self.mode = mode

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """Lengths in space times the factors."""
        scaled = zip(input_shape[2:], self.scale_factor, strict=True)
        return (*input_shape[:2], *(None if n is None else n * f for n, f in scaled))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The input, upscaled."""
        factors = (1, 1, *self.scale_factor)
        if self.mode == "repeat":
            for axis, factor in enumerate(factors):
                if factor > 1:
                    input = T.extra_ops.repeat(input, factor, axis)
            return input
        lengths = [n * f for n, f in zip(_lengths(input), factors, strict=True)]
        zeros = T.zeros(lengths, dtype=input.dtype)
        return T.set_subtensor(zeros[tuple(slice(None, None, f) for f in factors)], input)


def _lengths(x: Any) -> list[Any]:
    return [x.shape[k] for k in range(x.ndim)]


class Upscale1DLayer(_UpscaleLayer):
    """Upscaling of the last of three axes; the parameters are those of `Upscale2DLayer`."""

    axes = 1


class Upscale2DLayer(_UpscaleLayer):
    """Upscaling of the last two of four axes.

    Parameters
    ----------
    incoming : Layer or tuple
    scale_factor : int or tuple of int
    mode : {'repeat', 'dilate'}
        Whether elements are repeated, or followed by zeros.
    name : str, optional

    Raises
    ------
    ValueError
        For a factor below 1, another mode, or an input of the wrong rank.
    """

    axes = 2


class Upscale3DLayer(_UpscaleLayer):
    """Upscaling of the last three of five axes; the parameters are those of `Upscale2DLayer`."""

    axes = 3


class FeaturePoolLayer(Layer):
    """Reduces groups of neighbours along an axis: maxout with the maximum.

    Goodfellow, Warde-Farley, Mirza, Courville and Bengio 2013, "Maxout networks".

    Parameters
    ----------
    incoming : Layer or tuple
    pool_size : int
        Elements of a group; must divide the axis.
    axis : int
    pool_function : callable
        Takes a tensor and ``axis=``.
    name : str, optional

    Raises
    ------
    ValueError
        If groups don't divide the axis.
    TypeError
        If `pool_function` can't be called.
    """

    def __init__(
        self,
        incoming: Any,
        pool_size: int,
        axis: int = 1,
        pool_function: Callable[..., Any] = T.max,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.pool_size = pool_size
        self.axis = self._axis(axis)
        self._check_function(pool_function, "pool_function")
        self.pool_function = pool_function
        _check_groups(self)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The axis shrinks to the number of groups."""
        shape = list(input_shape)
        shape[self.axis] = shape[self.axis] // self.pool_size
        return tuple(shape)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The groups, reduced."""
        return self.pool_function(_in_groups(input, self), axis=self.axis + 1)


def _check_groups(layer: Any) -> None:
    n = layer.input_shape[layer.axis]
    if n is None or n % layer.pool_size:
        raise ValueError(
            f"{layer._called()}: groups of {layer.pool_size} do not divide axis {layer.axis} of an "
            f"input of shape {layer.input_shape}"
        )


def _in_groups(x: Any, layer: Any) -> Any:
    """`x` with an axis of groups and one of their elements in place of the layer's axis."""
    axis = layer.axis
    lengths = _lengths(x)
    groups = layer.input_shape[axis] // layer.pool_size
    shape = (*lengths[:axis], groups, layer.pool_size, *lengths[axis + 1 :])
    return x.reshape(shape, ndim=x.ndim + 1)


class FeatureWTALayer(Layer):
    """Keeps the greatest of each group of neighbours along an axis and sets the others to zero.

    Srivastava, Masci, Kazerounian, Gomez and Schmidhuber 2013, "Compete to compute".

    Parameters
    ----------
    incoming : Layer or tuple
    pool_size : int
        Elements of a group; must divide the axis.
    axis : int
    name : str, optional

    Raises
    ------
    ValueError
        If groups don't divide the axis.
    """

    def __init__(self, incoming: Any, pool_size: int, axis: int = 1, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.pool_size = pool_size
        self.axis = self._axis(axis)
        _check_groups(self)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The winners; the first where several are equal."""
        groups = _in_groups(input, self)
        axis = self.axis + 1
        winner = T.argmax(groups, axis=axis, keepdims=True)
        pattern: list[Any] = ["x"] * groups.ndim
        pattern[axis] = 0
        mask = T.eq(winner, T.arange(self.pool_size).dimshuffle(*pattern))
        return (groups * mask).reshape(tuple(_lengths(input)), ndim=input.ndim)


class GlobalPoolLayer(Layer):
    """Reduces all axes after the second.

    Parameters
    ----------
    incoming : Layer or tuple
    pool_function : callable
        Takes a tensor and ``axis=``.
    name : str, optional

    Raises
    ------
    ValueError
        If the input has fewer than three axes.
    TypeError
        If `pool_function` can't be called.
    """

    def __init__(
        self, incoming: Any, pool_function: Callable[..., Any] = T.mean, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self._check_function(pool_function, "pool_function")
        self.pool_function = pool_function
        if len(self.input_shape) < 3:
            raise ValueError(
                f"{self._called()} reduces the axes after the second, but its input has shape "
                f"{self.input_shape}"
            )

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The first two lengths."""
        return tuple(input_shape[:2])

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The reduction."""
        return self.pool_function(input.flatten(3), axis=2)


def _check_pyramid_mode(mode: str) -> None:
    if mode[:3] not in ("max", "sum", "ave"):
        raise ValueError(f"mode is 'max', 'sum' or 'average...', got {mode!r}")


def pool_2d_nxn_regions(inputs: Any, output_size: int, mode: str = "max") -> list[Any]:
    """Pool images over a grid of ``n`` by ``n`` regions that may overlap.

    Region ``i`` of an axis of length ``h`` is ``floor(i h / n) : ceil((i + 1) h / n)`` (He, Zhang,
    Ren and Sun 2014, "Spatial pyramid pooling in deep convolutional networks").

    Parameters
    ----------
    inputs : tensor4
    output_size : int
        Regions along each axis.
    mode : {'max', 'average_exc_pad', ...}
        Names that begin with 'average' give means, 'sum' gives sums.

    Returns
    -------
    list of TensorVariable
        One of shape (batch, channels, 1) for each region.

    Raises
    ------
    ValueError
        For another mode.
    """
    _check_pyramid_mode(mode)
    reductions: dict[str, Any] = {"max": T.max, "sum": T.sum, "ave": T.mean}
    n = output_size

    def edges(length: Any, i: int) -> slice:
        return slice(i * length // n, ((i + 1) * length + n - 1) // n)

    rows, columns = inputs.shape[2], inputs.shape[3]
    return [
        reductions[mode[:3]](
            inputs[:, :, edges(rows, i), edges(columns, j)].flatten(3), axis=2, keepdims=True
        )
        for i in range(n)
        for j in range(n)
    ]


class SpatialPyramidPoolingLayer(Layer):
    """Pools images of any size over grids of regions, to vectors of one length.

    He, Zhang, Ren and Sun 2014, "Spatial pyramid pooling in deep convolutional networks".

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, rows, columns).
    pool_dims : list of int
        Regions along each axis, for each level.
    mode : str
        As for `pool_2d_nxn_regions`.
    implementation : {'fast', 'kaiming'}
        'fast' pools with windows of one size, which needs known rows and columns and leaves out
        borders; 'kaiming' uses regions that cover the image.
    name : str, optional

    Raises
    ------
    ValueError
        For another implementation, or an input that is not of rank 4.
    """

    def __init__(
        self,
        incoming: Any,
        pool_dims: Any = (4, 2, 1),
        mode: str = "max",
        implementation: str = "fast",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self._check_rank(4)
        if implementation not in ("fast", "kaiming"):
            raise ValueError(
                f"{self._called()}: implementation is 'fast' or 'kaiming', got {implementation!r}"
            )
        self.mode = mode
        self.implementation = implementation
        self.pool_dims = list(pool_dims)
        if not all(isinstance(n, int) and n >= 1 for n in self.pool_dims):
            raise ValueError(
                f"{self._called()}: pool_dims are positive integers, got {self.pool_dims}"
            )
        lengths = [n for n in self.input_shape[2:] if n is not None]
        if lengths and implementation == "fast" and max(self.pool_dims) > min(lengths):
            raise ValueError(
                f"{self._called()}: {max(self.pool_dims)} regions along an axis of an input of "
                f"shape {self.input_shape}; implementation='kaiming' lets regions overlap"
            )
        _check_pyramid_mode(mode)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """Batch, channels, and the number of regions of all levels."""
        return (*input_shape[:2], sum(n * n for n in self.pool_dims))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The regions of all levels, one after the other."""
        known = None not in self.input_shape[2:]
        levels = []
        for n in self.pool_dims:
            if self.implementation == "fast" and known:
                window = tuple(length // n + (length % n > 0) for length in self.input_shape[2:])
                stride = tuple(length // n for length in self.input_shape[2:])
                pooled = pool.pool_2d(
                    input, ws=window, stride=stride, mode=self.mode, ignore_border=True
                )[:, :, :n, :n]
                levels.append(pooled.flatten(3))
            else:
                levels.extend(pool_2d_nxn_regions(input, n, self.mode))
        return T.concatenate(levels, axis=2)
