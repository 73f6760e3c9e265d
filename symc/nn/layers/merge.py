"""Layers that put several inputs together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import symc.tensor as T
from symc.nn.layers.base import MergeLayer

__all__ = [
    "ConcatLayer",
    "ElemwiseMergeLayer",
    "ElemwiseSumLayer",
    "autocrop",
    "autocrop_array_shapes",
    "concat",
]

Cropping = Sequence[str | None] | None


def _modes(cropping: Cropping, rank: int) -> list[str | None]:
    """One mode per axis."""
    modes = list(cropping or ())[:rank]
    for mode in modes:
        if mode not in (None, "lower", "center", "upper"):
            raise ValueError(f"cropping is None, 'lower', 'center' or 'upper', got {mode!r}")
    return [*modes, *[None] * (rank - len(modes))]


def _check_ranks(ranks: Sequence[int]) -> None:
    if len(set(ranks)) > 1:
        raise ValueError(f"inputs that are cropped need the same rank, got {list(ranks)}")


def autocrop(inputs: Sequence[Any], cropping: Cropping) -> list[Any]:
    """Cut arrays to the least length along each axis.

    Parameters
    ----------
    inputs : list of tensor
        Of the same rank.
    cropping : list of str or None, or None
        For each axis 'lower' (keep the first elements), 'upper' (the last), 'center' (the middle)
        or None (cut nothing); axes beyond the list are not cut.

    Returns
    -------
    list of TensorVariable

    Raises
    ------
    ValueError
        If ranks differ, or a mode is not known.
    """
    inputs = list(inputs)
    if cropping is None:
        return inputs
    _check_ranks([x.ndim for x in inputs])
    modes = _modes(cropping, inputs[0].ndim)
    cuts: list[list[Any]] = [[] for _ in inputs]
    for axis, mode in enumerate(modes):
        if mode is None:
            for cut in cuts:
                cut.append(slice(None))
            continue
        lengths = [x.shape[axis] for x in inputs]
        least = functools.reduce(T.minimum, lengths)
        for cut, n in zip(cuts, lengths, strict=True):
            first = {"lower": 0, "upper": n - least, "center": (n - least) // 2}[mode]
            cut.append(slice(first, first + least))
    return [x[tuple(cut)] for x, cut in zip(inputs, cuts, strict=True)]


def autocrop_array_shapes(input_shapes: Sequence[Any], cropping: Cropping) -> list[Any]:
    """Return the shapes after `autocrop`.

    Parameters
    ----------
    input_shapes : list of tuple
    cropping : list of str or None, or None

    Returns
    -------
    list of tuple
        None for lengths that are not known.

    Raises
    ------
    ValueError
        As `autocrop`.
    """
    if cropping is None:
        return list(input_shapes)
    _check_ranks([len(s) for s in input_shapes])
    modes = _modes(cropping, len(input_shapes[0]))
    least = [None if None in axis else min(axis) for axis in zip(*input_shapes, strict=True)]
    return [
        tuple(n if mode is None else m for n, m, mode in zip(s, least, modes, strict=True))
        for s in input_shapes
    ]


def _merged(
    layer: Any, shapes: Sequence[Any], one_stretches: bool, along: int | None = None
) -> list[Any]:
    """The common lengths of inputs, which must be equal but along one axis."""
    if len({len(s) for s in shapes}) > 1:
        raise ValueError(f"{layer._called()}: inputs need the same rank, got shapes {shapes}")
    rank = len(shapes[0])
    output = []
    for axis, lengths in enumerate(zip(*shapes, strict=True)):
        known = {n for n in lengths if n is not None}
        if one_stretches and len(known) > 1:
            known.discard(1)
        if len(known) > 1 and (along is None or axis != along % rank):
            raise ValueError(
                f"{layer._called()} needs inputs of the same shape"
                + ("" if along is None else f" but for axis {along}")
                + f", got {[tuple(s) for s in shapes]}"
            )
        unknown = one_stretches and known == {1} and None in lengths
        output.append(None if unknown else next(iter(known), None))
    return output


class ConcatLayer(MergeLayer):
    """Puts inputs one after the other along an axis.

    Parameters
    ----------
    incomings : list of Layer or tuple
        Of the same shape but for `axis`, after cropping.
    axis : int
    cropping : list of str or None, or None
        As for `autocrop`; not along `axis`.
    name : str, optional

    Raises
    ------
    ValueError
        If shapes don't fit.
    """

    def __init__(
        self, incomings: Sequence[Any], axis: int = 1, cropping: Cropping = None, **kwargs: Any
    ) -> None:
        super().__init__(incomings, **kwargs)
        self.axis = axis
        if self.input_shapes:
            self._axis(axis, len(self.input_shapes[0]))
        self.cropping = None
        if cropping is not None:
            modes = list(cropping) + [None] * (len(self.input_shapes[0]) - len(cropping))
            modes[axis] = None
            self.cropping = modes
        self.get_output_shape_for(self.input_shapes)

    def get_output_shape_for(self, input_shapes: Any) -> Any:
        """The common lengths, and the sum of those along the axis."""
        shapes = autocrop_array_shapes(input_shapes, self.cropping)
        lengths = _merged(self, shapes, one_stretches=False, along=self.axis)
        along = [s[self.axis] for s in shapes]
        lengths[self.axis] = None if None in along else sum(along)
        return tuple(lengths)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The inputs, joined."""
        return T.concatenate(autocrop(inputs, self.cropping), axis=self.axis)


concat = ConcatLayer


class ElemwiseMergeLayer(MergeLayer):
    """Combines inputs element by element, two at a time from the left.

    Parameters
    ----------
    incomings : list of Layer or tuple
        Of the same shape after cropping; lengths of 1 are broadcast.
    merge_function : callable
        Of two tensors, such as `T.add` or `T.maximum`.
    cropping : list of str or None, or None
        As for `autocrop`.
    name : str, optional

    Raises
    ------
    ValueError
        If shapes don't fit.
    TypeError
        If `merge_function` can't be called.
    """

    def __init__(
        self,
        incomings: Sequence[Any],
        merge_function: Callable[[Any, Any], Any],
        cropping: Cropping = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incomings, **kwargs)
        self._check_function(merge_function, "merge_function")
        self.merge_function = merge_function
        self.cropping = cropping
        self.get_output_shape_for(self.input_shapes)

    def get_output_shape_for(self, input_shapes: Any) -> Any:
        """The common lengths."""
        shapes = autocrop_array_shapes(input_shapes, self.cropping)
        return tuple(_merged(self, shapes, one_stretches=True))

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The inputs, merged."""
        cropped = autocrop(inputs, self.cropping)
        stretched = [self._with_pattern(x, s) for x, s in zip(cropped, self._known(), strict=True)]
        return functools.reduce(self.merge_function, stretched)

    def _known(self) -> list[Any]:
        return autocrop_array_shapes(self.input_shapes, self.cropping)

    @staticmethod
    def _with_pattern(x: Any, shape: Any) -> Any:
        """`x`, known to be broadcastable where the layer below has length 1."""
        axes = [k for k, n in enumerate(shape) if n == 1 and not x.broadcastable[k]]
        return T.addbroadcast(x, *axes) if axes else x


class ElemwiseSumLayer(ElemwiseMergeLayer):
    """Sums inputs, each times a factor.

    Parameters
    ----------
    incomings : list of Layer or tuple
    coeffs : float or list of float
    cropping : list of str or None, or None
        As for `autocrop`.
    name : str, optional

    Raises
    ------
    ValueError
        If there are not as many factors as inputs, or shapes don't fit.
    """

    def __init__(
        self, incomings: Sequence[Any], coeffs: Any = 1, cropping: Cropping = None, **kwargs: Any
    ) -> None:
        super().__init__(incomings, T.add, cropping=cropping, **kwargs)
        factors = list(coeffs) if isinstance(coeffs, (list, tuple)) else [coeffs] * len(incomings)
        if len(factors) != len(incomings):
            raise ValueError(
                f"{self._called()} got {len(factors)} coefficients for {len(incomings)} inputs"
            )
        self.coeffs = factors

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The weighted sum."""
        weighted = [
            x if not isinstance(c, T.TensorVariable) and c == 1 else x * c
            for x, c in zip(inputs, self.coeffs, strict=True)
        ]
        return super().get_output_for(weighted, **kwargs)
