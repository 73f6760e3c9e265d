"""``symc.tensor.signal.pool``: pooling over windows, in Theano's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...errors import NotScalarConstantError, user_message
from ...graph.node import Constant, Variable
from ...ops.constants import get_scalar_constant_value
from ...ops.pool.geometry import MODES, PoolGeometry, window_numbers
from ...ops.pool.ops import AveragePoolGradient, MaxPoolGradient, MaxPoolTangent, Pooling
from .computed_windows import entries, pool_by_taking

__all__ = [
    "AveragePoolGrad",
    "DownsampleFactorMaxGradGrad",
    "MaxPoolGrad",
    "MaxPoolRop",
    "Pool",
    "PoolGrad",
    "max_pool_2d_same_size",
    "pool_2d",
    "pool_3d",
]

MaxPoolGrad = MaxPoolGradient
AveragePoolGrad = AveragePoolGradient
DownsampleFactorMaxGradGrad = MaxPoolTangent
MaxPoolRop = MaxPoolTangent


def _known(given: Any) -> Any:
    """Numbers in the place of constant tensors."""
    if isinstance(given, Constant):
        return given.data.tolist()
    if isinstance(given, (tuple, list)):
        return [_known_scalar(v) for v in given]
    return _known_scalar(given)


def _known_scalar(v: Any) -> Any:
    if not isinstance(v, Variable) or v.type.ndim:
        return v
    try:
        return int(get_scalar_constant_value(v))
    except NotScalarConstantError:
        return v


def _is_computed(*given: Any) -> bool:
    """Whether one of these arguments is an expression."""
    flat = [v for g in given for v in (g if isinstance(g, (tuple, list)) else [g])]
    return any(isinstance(v, Variable) for v in flat)


def _by_taking(
    x: Any, ws: Any, ignore_border: bool, stride: Any, pad: Any, mode: str, ndim: int
) -> Any:
    x = as_tensor_variable(x)
    _check_mode(mode)
    if x.type.ndim < ndim:
        raise TypeError(f"pooling over {ndim} axes needs as many, got {x} of type {x.type}")
    pads = [0] * ndim if pad is None else pad
    if not ignore_border and (_is_computed(pads) or np.any(pads)):
        raise NotImplementedError(f"pooling with pad needs ignore_border=True, got pad {pad}")
    window = entries(ws, ndim, "ws")
    strides = window if stride is None else entries(stride, ndim, "stride")
    return pool_by_taking(x, window, strides, entries(pads, ndim, "pad"), ignore_border, mode)


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise ValueError(
            user_message("mode of pooling", got=repr(mode), expected=f"one of {', '.join(MODES)}")
        )


def _geometry(
    ws: Any, ignore_border: bool, stride: Any, pad: Any, mode: str, ndim: int
) -> PoolGeometry:
    _check_mode(mode)
    window = window_numbers(_known(ws), ndim, "ws", 1)
    strides = window if stride is None else window_numbers(_known(stride), ndim, "stride", 1)
    pads = (0,) * ndim if pad is None else window_numbers(_known(pad), ndim, "pad", 0)
    if any(pads) and not ignore_border:
        raise NotImplementedError(
            user_message("pooling with pad needs ignore_border=True", got=f"pad {pads}")
        )
    if any(p >= w for p, w in zip(pads, window, strict=True)):
        raise NotImplementedError(
            user_message("pad of pooling must be smaller than ws", got=f"pad {pads}, ws {window}")
        )
    return PoolGeometry(window, strides, pads, bool(ignore_border), mode)


class _OfOps(type):
    """Counts the ops that stand in graphs among the instances of a class."""

    kinds: Any

    def __instancecheck__(cls, op: Any) -> bool:
        return type.__instancecheck__(cls, op) or isinstance(op, cls.kinds)


class PoolGrad(metaclass=_OfOps):
    """What the gradients of pooling are instances of."""

    kinds = (MaxPoolGradient, AveragePoolGradient)


class Pool(metaclass=_OfOps):
    """Pooling over the last `ndim` axes: called with a tensor, makes the node.

    The ops of such nodes are among its instances.

    Parameters
    ----------
    ignore_border : bool
        Whether windows that do not fit are left out, else they are cut off.
    mode : {"max", "sum", "average_inc_pad", "average_exc_pad"}
    ndim : int
    openmp : object
        Taken for compatibility.
    """

    kinds = Pooling

    def __init__(
        self, ignore_border: bool = False, mode: str = "max", ndim: int = 2, openmp: Any = None
    ) -> None:
        self.ignore_border = ignore_border
        self.mode = mode
        self.ndim = ndim

    def __call__(self, x: Any, ws: Any, stride: Any = None, pad: Any = None) -> Any:
        """Return `x`, pooled."""
        ws, stride, pad = _known(ws), _known(stride), _known(pad)
        if _is_computed(ws, stride, pad):
            return _by_taking(x, ws, self.ignore_border, stride, pad, self.mode, self.ndim)
        geometry = _geometry(ws, self.ignore_border, stride, pad, self.mode, self.ndim)
        return Pooling(geometry)(x)

    @staticmethod
    def out_shape(
        imgshape: Sequence[Any],
        ws: Any = None,
        ignore_border: bool = False,
        stride: Any = None,
        pad: Any = None,
        ndim: int = 2,
        ds: Any = None,
        st: Any = None,
        padding: Any = None,
    ) -> list[Any]:
        """Return the shape of a pooled tensor; lengths may be ints or 0-d tensors.

        Parameters
        ----------
        imgshape : sequence
            Shape of the tensor; the last `ndim` axes are pooled.
        ws, ignore_border, stride, pad
            As in `pool_2d`; ds, st and padding are their old names.

        Examples
        --------
        >>> Pool.out_shape((5, 7), (2, 2)), Pool.out_shape((5, 7), (2, 2), ignore_border=True)
        ([3, 4], [2, 3])
        """
        if len(imgshape) < ndim:
            raise TypeError(f"imgshape must have at least {ndim} lengths, got {imgshape!r}")
        window = ds if ws is None else ws
        geometry = _geometry(
            window, ignore_border, st if stride is None else stride,
            padding if pad is None else pad, "max", ndim,
        )
        return list(geometry.out_lengths(imgshape))


def pool_2d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
) -> Any:
    """Return the maximum, sum or average over windows of the last two axes.

    Parameters
    ----------
    input : tensor_like
        At least two axes.
    ws : int or pair of int
        Rows and columns of a window. It, `stride` and `pad` may be integer scalars or vectors that
        are computed, or pairs of such scalars; then every window is taken out of the input first,
        which is slower.
    ignore_border : bool, optional
        Whether windows that do not fit are left out; by default they are cut off at the border.
    stride : int or pair of int, optional
        Distance of neighbouring windows; by default `ws`.
    pad : int or pair of int
        How far windows reach over both ends; smaller than `ws`, and only with `ignore_border`.
    mode : {"max", "sum", "average_inc_pad", "average_exc_pad"}
        Whether an average counts what lies over the ends as zeros or leaves it out.
    ds, st, padding
        Old names of `ws`, `stride` and `pad`.

    Returns
    -------
    tensor
        With ``n`` the length and both pads of an axis: ``(n - ws) // stride + 1`` long with
        `ignore_border`, and otherwise so long that every element has a window.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.matrix("x")
    >>> symc.function([x], pool_2d(x, 2))([[1, 2, 3], [4, 5, 6]])
    array([[5., 6.]])
    """
    return _pool(2, input, ws, ignore_border, stride, pad, mode, (ds, st, padding))


def pool_3d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
) -> Any:
    """As `pool_2d`, over windows of the last three axes."""
    return _pool(3, input, ws, ignore_border, stride, pad, mode, (ds, st, padding))


def _pool(
    ndim: int, input: Any, ws: Any, ignore_border: Any, stride: Any, pad: Any, mode: str, old: Any
) -> Any:
    ds, st, padding = old
    for new, value, name in ((ws, ds, "ws and ds"), (stride, st, "stride and st")):
        if new is not None and value is not None:
            raise ValueError(f"pooling: {name} are two names of one argument, give one of them")
    window = ds if ws is None else ws
    if window is None:
        raise ValueError("pooling needs ws, the shape of the windows")
    pads = pad if padding is None else padding
    steps = st if stride is None else stride
    return Pool(bool(ignore_border), mode, ndim)(input, window, steps, pads)


def max_pool_2d_same_size(input: Any, patch_size: Any) -> Any:
    """Return `input` with everything but the maxima of the patches set to zero.

    Parameters
    ----------
    input : tensor_like
        At least two axes.
    patch_size : pair of int
        Rows and columns of a patch. What is left at the ends, where no whole patch fits, becomes
        zero, as in Theano.
    """
    x = as_tensor_variable(input)
    geometry = _geometry(patch_size, True, None, None, "max", 2)
    top = Pooling(geometry)(x)
    return MaxPoolGradient(geometry)(x, top, top)
