"""Images cut into patches, one per row of a matrix, and put together again."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...errors import user_message
from ...graph.trace import user_line
from ...ops.advanced import advanced_index
from ...ops.alloc import alloc, arange, zeros
from ...ops.control import Assert
from ...ops.math import eq
from ...ops.vector import as_size_vector
from ...ops.write import set_subtensor

__all__ = ["MODES", "Images2Neibs", "images2neibs", "neibs2images"]

MODES = ("valid", "ignore_borders", "wrap_centered", "half", "full")


def _pair(given: Any) -> tuple[Any, Any]:
    if isinstance(given, (tuple, list)):
        if len(given) != 2:
            raise ValueError(f"neighbourhoods have rows and columns, got {given!r}")
        return given[0], given[1]
    vector = as_size_vector(given)
    return vector[0], vector[1]


def _required(value: Any, condition: Any, message: str) -> Any:
    """`value`, after checking a condition: now if it is a number, else when it runs."""
    if isinstance(condition, bool):
        if not condition:
            raise ValueError(message)
        return value
    return Assert(message)(as_tensor_variable(value), condition)


def _same(a: Any, b: Any) -> Any:
    return a == b if isinstance(a, int) and isinstance(b, int) else eq(a, b)


def _grid(length: Any, size: Any, step: Any, mode: str) -> tuple[Any, Any]:
    """Number of patches along an axis, and how far the first one lies before the image."""
    if mode == "valid":
        whole = _same((length - size) % step, 0)
        count = (length - size) // step + 1
        text = "images2neibs: the patches do not fill the image; use mode='ignore_borders'"
        return _required(count, whole, text), 0
    if mode == "ignore_borders":
        return (length - size) // step + 1, 0
    if mode == "full":
        text = "images2neibs, mode 'full': the patches do not fill the padded image"
        whole = _same((length + size - 2) % step, 0)
        return _required((length + size - 2) // step + 1, whole, text), size - 1
    size = _required(size, _same(size % 2, 1), f"images2neibs, mode {mode!r}: sizes must be odd")
    if mode == "half":
        text = "images2neibs, mode 'half': the patches do not fill the padded image"
        whole = _same((length - 1) % step, 0)
        return _required((length - 1) // step + 1, whole, text), size // 2
    return (length + step - 1) // step, size // 2


def images2neibs(ten4: Any, neib_shape: Any, neib_step: Any = None, mode: str = "valid") -> Any:
    """Return the patches of images, each one a row.

    Parameters
    ----------
    ten4 : tensor4_like, (batch, channels, rows, columns)
    neib_shape : pair of int, or integer vector
        Rows and columns of a patch.
    neib_step : pair of int, or integer vector, optional
        Distance of neighbouring patches; by default `neib_shape`.
    mode : {"valid", "ignore_borders", "wrap_centered", "half", "full"}
        Patches inside that must fill the image; patches inside; patches around every element that
        go on at the other side; patches in an image with half a patch of zeros around; with all
        but one row and column of a patch.

    Returns
    -------
    matrix, (batch * channels * patches, neib_shape[0] * neib_shape[1])
        Batch, channel, patch row and patch column count from left to right.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.tensor4("x")
    >>> symc.function([x], images2neibs(x, (1, 2)))([[[[1, 2, 3, 4]]]])
    array([[1., 2.],
           [3., 4.]])
    """
    x = as_tensor_variable(ten4)
    if x.type.ndim != 4:
        raise TypeError(
            user_message(
                "images2neibs takes a tensor of four axes",
                got=str(x.type),
                where=user_line(x) or None,
            )
        )
    if mode not in MODES:
        raise NotImplementedError(f"mode of images2neibs is one of {MODES}, not {mode!r}")
    sizes = _pair(neib_shape)
    steps = sizes if neib_step is None else _pair(neib_step)
    places = []
    for axis in (0, 1):
        count, before = _grid(x.shape[2 + axis], sizes[axis], steps[axis], mode)
        starts = (arange(count) * steps[axis]).dimshuffle(0, "x")
        place = starts + arange(sizes[axis]).dimshuffle("x", 0)
        if mode == "wrap_centered":
            place = (place - before) % x.shape[2 + axis]
        elif mode in ("half", "full"):
            x = _bordered(x, 2 + axis, before)
        places.append(place)
    rows = places[0].dimshuffle(0, "x", 1, "x")
    columns = places[1].dimshuffle("x", 0, "x", 1)
    patches = advanced_index(x, [slice(None), slice(None), rows, columns])
    lengths = [patches.shape[d] for d in range(6)]
    return patches.reshape(
        (lengths[0] * lengths[1] * lengths[2] * lengths[3], lengths[4] * lengths[5]), ndim=2
    )


def _bordered(x: Any, axis: int, width: Any) -> Any:
    lengths = [x.shape[d] for d in range(x.type.ndim)]
    inner = [slice(None)] * x.type.ndim
    inner[axis] = slice(width, lengths[axis] + width)
    lengths[axis] = lengths[axis] + 2 * width
    frame = alloc(zeros((), dtype=x.type.dtype), *lengths)
    return set_subtensor(frame[tuple(inner)], x)


def neibs2images(neibs: Any, neib_shape: Any, original_shape: Any, mode: str = "valid") -> Any:
    """Return the images whose patches, which do not overlap, are the rows of a matrix.

    Parameters
    ----------
    neibs : matrix_like
        As `images2neibs` returns it, with the default step.
    neib_shape : pair of int, or integer vector
    original_shape : sequence of four lengths, or integer vector
    mode : {"valid", "ignore_borders"}
        With the latter, what no patch covered is zero.
    """
    if mode not in ("valid", "ignore_borders"):
        raise NotImplementedError(f"neibs2images takes 'valid' or 'ignore_borders', not {mode!r}")
    neibs = as_tensor_variable(neibs)
    c, d = _pair(neib_shape)
    if not isinstance(original_shape, (tuple, list)):
        vector = as_size_vector(original_shape)
        original_shape = [vector[i] for i in range(4)]
    n, s, rows, columns = original_shape
    patches = neibs.reshape((n, s, rows // c, columns // d, c, d), ndim=6)
    inner = patches.dimshuffle(0, 1, 2, 4, 3, 5)
    if mode == "valid":
        return inner.reshape((n, s, rows, columns), ndim=4)
    high, wide = rows // c * c, columns // d * d
    frame = alloc(zeros((), dtype=neibs.type.dtype), n, s, rows, columns)
    return set_subtensor(frame[:, :, :high, :wide], inner.reshape((n, s, high, wide), ndim=4))


class Images2Neibs:
    """``op(ten4, neib_shape, neib_step)``: images cut into patches, see `images2neibs`.

    Parameters
    ----------
    mode : {"valid", "ignore_borders", "wrap_centered", "half", "full"}
    """

    def __init__(self, mode: str = "valid") -> None:
        self.mode = mode

    def __call__(self, ten4: Any, neib_shape: Any, neib_step: Any = None) -> Any:
        """Return a matrix with a patch in each row."""
        return images2neibs(ten4, neib_shape, neib_step, self.mode)
