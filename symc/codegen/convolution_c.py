"""The call of a convolution in C."""

from __future__ import annotations

from collections.abc import Iterable

from ..loop.convolution import ConvGeometry
from ..scalar.ctext import SHORT_NAME

__all__ = ["convolution_call"]

_MEMBERS = {"convolve": "values", "convolve_inputs": "inputs", "convolve_weights": "weights"}
_BORDERS = {"valid": "SY_BORDER_GIVEN", "full": "SY_BORDER_FULL", "half": "SY_BORDER_HALF"}


def convolution_call(
    name: str, dtype: str, geometry: ConvGeometry, values: list[str], after: str = "0"
) -> str:
    """The expression that computes a convolution.

    Parameters
    ----------
    name : str
        A name of :data:`symc.loop.routines.CONVOLUTIONS`.
    dtype : str
    geometry : ConvGeometry
    values : list of str
        Addresses of the ``sy_value`` of both inputs and of the output.
    after : str
        Address of the ``sy_after`` of what is done with blocks of the output, which gradients of
        filters don't have.
    """
    border, before = "SY_BORDER_GIVEN", (0,) * geometry.ndim
    if isinstance(geometry.border, str):
        border = _BORDERS[geometry.border]
    else:
        before = tuple(pair[0] for pair in geometry.border)
    lists = ", ".join(map(_list, (geometry.strides, geometry.dilation, before)))
    record = (
        f"&(sy_geometry){{{geometry.ndim}, {border}, {int(geometry.flip)}, {geometry.groups}, "
        f"{lists}}}"
    )
    table = f"c->api->convolutions[SY_{SHORT_NAME[dtype].upper()}].{_MEMBERS[name]}"
    more = [] if name == "convolve_weights" else [after]
    return f"{table}(c, {record}, {', '.join([*values, *more])})"


def _list(numbers: Iterable[int]) -> str:
    return "{" + ", ".join(map(str, numbers)) + "}"
