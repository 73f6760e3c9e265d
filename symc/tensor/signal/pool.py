"""``symc.tensor.signal.pool``: pooling over windows, in Theano's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...array.convert import as_tensor_variable
from ...errors import NotScalarConstantError, user_message
from ...graph.node import Constant, Variable
from ...graph.trace import user_line
from ...ops.constants import get_scalar_constant_value
from ...ops.pool.geometry import MODES, PoolGeometry, window_numbers
from ...ops.pool.ops import AveragePoolGradient, MaxPoolGradient, MaxPoolTangent, Pooling

__all__ = [
    "AveragePoolGrad",
    "DownsampleFactorMaxGradGrad",
    "MaxPoolGrad",
    "MaxPoolRop",
    "Pool",
    "max_pool_2d_same_size",
    "pool_2d",
    "pool_3d",
]

MaxPoolGrad = MaxPoolGradient
AveragePoolGrad = AveragePoolGradient
DownsampleFactorMaxGradGrad = MaxPoolTangent
MaxPoolRop = MaxPoolTangent


def _numbers(given: Any, ndim: int, what: str, least: int) -> tuple[int, ...]:
    """Integers from a number, a sequence or a constant tensor."""
    if isinstance(given, Constant):
        given = given.data.tolist()
    elif isinstance(given, Variable):
        raise ValueError(
            user_message(
                f"{what} of pooling must be known when the graph is built",
                got=f"{given} of type {given.type}",
                where=user_line(given) or None,
            )
        )
    elif isinstance(given, (tuple, list)):
        given = [_constant(v, what) for v in given]
    return window_numbers(given, ndim, what, least)


def _constant(v: Any, what: str) -> Any:
    if not isinstance(v, Variable):
        return v
    try:
        return int(get_scalar_constant_value(v))
    except NotScalarConstantError as error:
        raise ValueError(f"{what} of pooling must be known when the graph is built") from error


def _geometry(
    ws: Any, ignore_border: bool, stride: Any, pad: Any, mode: str, ndim: int
) -> PoolGeometry:
    if mode not in MODES:
        raise ValueError(
            user_message("mode of pooling", got=repr(mode), expected=f"one of {', '.join(MODES)}")
        )
    window = _numbers(ws, ndim, "ws", 1)
    strides = window if stride is None else _numbers(stride, ndim, "stride", 1)
    pads = (0,) * ndim if pad is None else _numbers(pad, ndim, "pad", 0)
    if any(pads) and not ignore_border:
        raise NotImplementedError(
            user_message("pooling with pad needs ignore_border=True", got=f"pad {pads}")
        )
    if any(p >= w for p, w in zip(pads, window, strict=True)):
        raise NotImplementedError(
            user_message("pad of pooling must be smaller than ws", got=f"pad {pads}, ws {window}")
        )
    return PoolGeometry(window, strides, pads, bool(ignore_border), mode)


class Pool:
    """Pooling over the last `ndim` axes: called with a tensor, makes the node.

    Parameters
    ----------
    ignore_border : bool
        Whether windows that do not fit are left out, else they are cut off.
    mode : {"max", "sum", "average_inc_pad", "average_exc_pad"}
    ndim : int
    openmp : object
        Taken for compatibility.
    """

    def __init__(
        self, ignore_border: bool = False, mode: str = "max", ndim: int = 2, openmp: Any = None
    ) -> None:
        self.ignore_border = ignore_border
        self.mode = mode
        self.ndim = ndim

    def __call__(self, x: Any, ws: Any, stride: Any = None, pad: Any = None) -> Any:
        """Return `x`, pooled."""
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
        Rows and columns of a window.
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
        Rows and columns of a patch; at the border patches are cut off.
    """
    x = as_tensor_variable(input)
    geometry = _geometry(patch_size, False, None, None, "max", 2)
    top = Pooling(geometry)(x)
    return MaxPoolGradient(geometry)(x, top, top)
