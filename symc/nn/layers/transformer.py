"""Layers that sample an image where another network says: spatial transformers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.nn import utils
from symc.nn.layers.base import MergeLayer

__all__ = ["TPSTransformerLayer", "TransformerLayer"]

BORDER_MODES = ("nearest", "mirror", "wrap")


class _Sampler(MergeLayer):
    """Samples images at points that a localization network's output is mapped to.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, rows, columns).
    localization_network : Layer or tuple
        Shape (batch, numbers).
    numbers : int
        How many numbers a transformation has.
    downsample_factor : float or (float, float)
        The input's rows and columns over those of the output.
    border_mode : {'nearest', 'mirror', 'wrap'}
        What lies outside of an image: its border's pixels, its mirror image, or its repetition.
    """

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        numbers: int,
        downsample_factor: Any,
        border_mode: str,
        **kwargs: Any,
    ) -> None:
        super().__init__([incoming, localization_network], **kwargs)
        images, given = self.input_shapes
        if len(images) != 4:
            raise ValueError(
                f"{self._called()} needs images of shape (batch, channels, rows, columns), got "
                f"shape {images}"
            )
        self._check_fits(given, (images[0], numbers), "the localization network's output")
        if border_mode not in BORDER_MODES:
            raise ValueError(
                f"{self._called()}: border_mode is one of {BORDER_MODES}, got {border_mode!r}"
            )
        self.downsample_factor = utils.as_tuple(downsample_factor, 2)
        self.border_mode = border_mode

    def get_output_shape_for(self, input_shapes: Any) -> Any:
        """The shape of the images, with fewer rows and columns."""
        images = input_shapes[0]
        scaled = zip(images[2:], self.downsample_factor, strict=True)
        return (*images[:2], *(None if n is None else int(n // f) for n, f in scaled))

    def _output_lengths(self, images: Any) -> list[Any]:
        """Rows and columns of the output for images whose size may differ from what was said."""
        scaled = enumerate(self.downsample_factor, 2)
        return [T.cast(images.shape[k] // f, "int64") for k, f in scaled]

    def _sampled(self, images: Any, points: Any, lengths: Any) -> Any:
        """`images` at `points`, (batch, 2, rows times columns): x and y from -1 to 1."""
        batch, channels, height, width = (images.shape[k] for k in range(4))
        left, right, from_left = self._neighbours(points[:, 0], width)
        above, below, from_above = self._neighbours(points[:, 1], height)
        rows = images.dimshuffle(0, 2, 3, 1).reshape((batch * height * width, channels))
        first = (T.arange(batch) * height * width).dimshuffle(0, "x")

        def pixels(y: Any, x: Any, weight: Any) -> Any:
            return rows[(first + y * width + x).flatten()] * weight.flatten().dimshuffle(0, "x")

        sampled = (
            pixels(above, left, (1 - from_above) * (1 - from_left))
            + pixels(above, right, (1 - from_above) * from_left)
            + pixels(below, left, from_above * (1 - from_left))
            + pixels(below, right, from_above * from_left)
        )
        return sampled.reshape((batch, *lengths, channels)).dimshuffle(0, 3, 1, 2)

    def _neighbours(self, position: Any, length: Any) -> tuple[Any, Any, Any]:
        """The pixels on both sides of positions along an axis, and the distance to the first."""
        position = (position + 1) / 2 * T.cast(length - 1, position.dtype)
        first = T.floor(position)
        indices = [T.cast(i, "int64") for i in (first, first + 1)]
        if self.border_mode == "nearest":
            indices = [T.clip(i, 0, length - 1) for i in indices]
        elif self.border_mode == "wrap":
            indices = [i % length for i in indices]
        else:
            period = T.maximum(2 * (length - 1), 1)
            indices = [T.minimum(i % period, -i % period) for i in indices]
        return indices[0], indices[1], position - first


def _grid(rows: Any, columns: Any, dtype: str) -> Any:
    """The points of a regular grid from -1 to 1: x and y, each of shape (rows times columns,)."""

    def positions(length: Any) -> Any:
        step = 2.0 / T.cast(T.maximum(length - 1, 1), dtype)
        return T.cast(T.arange(length), dtype) * step - 1

    x, y = positions(columns).dimshuffle("x", 0), positions(rows).dimshuffle(0, "x")
    one_x, one_y = T.ones_like(x), T.ones_like(y)
    return (x * one_y).flatten(), (y * one_x).flatten()


class TransformerLayer(_Sampler):
    """Samples images along an affine map of the output's grid.

    Jaderberg, Simonyan, Zisserman and Kavukcuoglu 2015, "Spatial transformer networks". With the
    six numbers as a matrix of two rows, the output at ``(x, y)`` is the input at ``theta (x, y,
    1)``, by bilinear interpolation; both coordinates go from -1 to 1.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, rows, columns).
    localization_network : Layer or tuple
        Shape (batch, 6). With the bias ``[1, 0, 0, 0, 1, 0]`` and weights of 0 its last layer
        begins with the identity.
    downsample_factor : float or (float, float)
        The input's rows and columns over those of the output.
    border_mode : {'nearest', 'mirror', 'wrap'}
        What lies outside of an image: its border's pixels, its mirror image, or its repetition.
    name : str, optional

    Raises
    ------
    ValueError
        If a shape or the mode is another.
    """

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        downsample_factor: Any = 1,
        border_mode: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming, localization_network, 6, downsample_factor, border_mode, **kwargs
        )

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The images, transformed."""
        images, theta = inputs
        lengths = self._output_lengths(images)
        x, y = _grid(lengths[0], lengths[1], theta.dtype)
        grid = T.stack([x, y, T.ones_like(x)])
        return self._sampled(images, T.dot(theta.reshape((theta.shape[0], 2, 3)), grid), lengths)


def _spline_inverse(points: np.ndarray) -> np.ndarray:
    """The matrix that makes a spline's coefficients of its values at `points`, (2, n).

    Coefficients are those of 1, x, y, and of each point's radial function (Bookstein 1989,
    "Principal warps", equations 4 to 7).
    """
    count = points.shape[1]
    affine = np.vstack([np.ones(count), points])
    squares = np.square(points[:, :, None] - points[:, None, :]).sum(0)
    system = np.zeros((count + 3, count + 3))
    system[:3, 3:] = affine
    system[3:, :3] = affine.T
    system[3:, 3:] = squares * np.log(np.where(squares == 0, 1, squares))
    return np.linalg.inv(system)[:, 3:]


class TPSTransformerLayer(_Sampler):
    """Samples images along a thin plate spline through control points.

    Jaderberg, Simonyan, Zisserman and Kavukcuoglu 2015, "Spatial transformer networks", with
    Bookstein's splines of 1989. Control points lie on a square grid from -1 to 1; the localization
    network says how far each is moved: all x first, then all y. Zeros are the identity.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, rows, columns).
    localization_network : Layer or tuple
        Shape (batch, 2 * control_points).
    downsample_factor : float or (float, float)
        The input's rows and columns over those of the output.
    control_points : int
        A square number, at least 4.
    precompute_grid : bool or 'auto'
        Whether the radial functions at the output's points are computed when the layer is built,
        which needs known rows and columns; 'auto': where they are known.
    border_mode : {'nearest', 'mirror', 'wrap'}
        What lies outside of an image: its border's pixels, its mirror image, or its repetition.
    name : str, optional

    Raises
    ------
    ValueError
        If a shape, the number of points or the mode is another, or rows and columns are not known
        with ``precompute_grid=True``.
    """

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        downsample_factor: Any = 1,
        control_points: int = 16,
        precompute_grid: Any = "auto",
        border_mode: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming, localization_network, 2 * control_points, downsample_factor, border_mode,
            **kwargs,
        )
        side = math.isqrt(control_points)
        if side**2 != control_points or side < 2:
            raise ValueError(
                f"{self._called()}: control_points is a square number and at least 4, got "
                f"{control_points}"
            )
        known = None not in self.input_shapes[0][2:]
        if precompute_grid not in (True, False, "auto") or (precompute_grid is True and not known):
            raise ValueError(
                f"{self._called()}: precompute_grid is 'auto', False, or, with known rows and "
                f"columns, True, got {precompute_grid!r} for images of shape "
                f"{self.input_shapes[0]}"
            )
        self.control_points = control_points
        self.precompute_grid = known if precompute_grid == "auto" else precompute_grid
        line = np.linspace(-1, 1, side)
        points = np.stack([np.tile(line, side), np.repeat(line, side)])
        self.source_points = utils.floatX(points)
        self.spline_inverse = utils.floatX(_spline_inverse(points))
        self.basis = None
        if self.precompute_grid:
            self.basis = self._basis(*self.output_shape[2:]).eval()

    def _basis(self, rows: Any, columns: Any) -> Any:
        """1, x, y and the radial functions at the points of a grid."""
        x, y = _grid(rows, columns, symc.config.floatX)
        away = [
            p.dimshuffle("x", 0) - T.constant(q).dimshuffle(0, "x")
            for p, q in zip((x, y), self.source_points, strict=True)
        ]
        squares = T.sqr(away[0]) + T.sqr(away[1])
        radial = squares * T.log(T.switch(T.eq(squares, 0), 1, squares))
        return T.concatenate([T.stack([T.ones_like(x), x, y]), radial], axis=0)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The images, transformed."""
        images, moves = inputs
        lengths = self._output_lengths(images)
        basis = self._basis(*lengths) if self.basis is None else T.constant(self.basis)
        targets = moves.reshape((moves.shape[0], 2, self.control_points)) + self.source_points
        coefficients = T.dot(targets, self.spline_inverse.T)
        if self.basis is not None:
            lengths = list(self.output_shape[2:])
        return self._sampled(images, T.dot(coefficients, basis), lengths)
