"""The classes of convolution ops that Theano has, for programs that make or look for them.

The compiler has three ops, for the convolution and its two gradients, over any number of axes
(`symc.ops.conv`). An object of a class here makes a node of one of them; and a node's op is an
instance of each class that stands for what it computes, so that ``isinstance(node.op, CorrMM)``
finds convolutions over two axes before and after compilation.
"""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...ops.conv.ops import Conv, ConvInputsGradient, ConvWeightsGradient
from . import abstract_conv
from .conv_shapes import get_conv_gradinputs_shape, get_conv_gradweights_shape

__all__ = [
    "AbstractConv",
    "AbstractConv2d",
    "AbstractConv2d_gradInputs",
    "AbstractConv2d_gradWeights",
    "AbstractConv3d",
    "AbstractConv3d_gradInputs",
    "AbstractConv3d_gradWeights",
    "AbstractConv_gradInputs",
    "AbstractConv_gradWeights",
    "BaseAbstractConv",
    "BaseCorr3dMM",
    "BaseCorrMM",
    "ConvOp",
    "Corr3dMM",
    "Corr3dMM_gradInputs",
    "Corr3dMM_gradWeights",
    "CorrMM",
    "CorrMM_gradInputs",
    "CorrMM_gradWeights",
]

FORWARD: dict[int, Any] = {2: abstract_conv.conv2d, 3: abstract_conv.conv3d}
TO_INPUTS: dict[int, Any] = {
    2: abstract_conv.conv2d_grad_wrt_inputs,
    3: abstract_conv.conv3d_grad_wrt_inputs,
}
TO_WEIGHTS: dict[int, Any] = {
    2: abstract_conv.conv2d_grad_wrt_weights,
    3: abstract_conv.conv3d_grad_wrt_weights,
}


class _OfOps(type):
    """Counts the ops that stand in graphs among the instances of a class."""

    convdim: Any
    kinds: Any

    def __instancecheck__(cls, op: Any) -> bool:
        if type.__instancecheck__(cls, op):
            return True
        return isinstance(op, cls.kinds) and cls.convdim in (None, op.geometry.ndim)


class BaseAbstractConv(metaclass=_OfOps):
    """What a convolution does along its axes.

    Parameters
    ----------
    convdim : {2, 3}
        Number of axes in space.
    imshp, kshp : sequence of (int or None), optional
        Shapes of images and filters, as far as they are known.
    border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared
        As `symc.tensor.nnet.conv2d` takes them.
    """

    convdim: Any = None
    kinds: Any = (Conv, ConvInputsGradient, ConvWeightsGradient)

    def __init__(
        self,
        convdim: int,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = None,
        filter_flip: bool = True,
        filter_dilation: Any = None,
        num_groups: int = 1,
        unshared: bool = False,
    ) -> None:
        if convdim not in FORWARD:
            raise ValueError(f"convdim of a convolution is 2 or 3, got {convdim!r}")
        self.convdim = convdim
        self.imshp = imshp
        self.kshp = kshp
        self.border_mode = border_mode
        self.subsample = (1,) * convdim if subsample is None else tuple(subsample)
        self.filter_flip = filter_flip
        self.filter_dilation = (
            (1,) * convdim if filter_dilation is None else tuple(filter_dilation)
        )
        self.num_groups = num_groups
        self.unshared = unshared

    def _options(self) -> dict[str, Any]:
        options = {
            "border_mode": self.border_mode,
            "subsample": self.subsample,
            "filter_flip": self.filter_flip,
            "filter_dilation": self.filter_dilation,
            "num_groups": self.num_groups,
        }
        return {**options, "unshared": True} if self.unshared else options

    def _lengths(self, shape_of: Any, a: Any, b: Any) -> tuple[Any, ...]:
        """Lengths in space that those of two operands tell."""
        shapes = [[v.shape[k] for k in range(v.ndim)] for v in (a, b)]
        found = shape_of(
            *shapes, self.border_mode, self.subsample, self.filter_dilation, self.num_groups
        )
        if None in found:
            raise ValueError(
                f"{type(self).__name__} with border_mode={self.border_mode!r} and subsample="
                f"{self.subsample} needs a shape: those of its operands do not tell it"
            )
        return tuple(found)


class AbstractConv(BaseAbstractConv):
    """The convolution: ``op(img, kern)``."""

    kinds = (Conv,)

    def __call__(self, img: Any, kern: Any) -> Any:
        """Return the convolution of images with filters."""
        return FORWARD[self.convdim](img, kern, self.imshp, self.kshp, **self._options())


class _Gradient(BaseAbstractConv):
    """A gradient: ``op(operand, topgrad, shape)``.

    `shape_of` tells the lengths of the result from those of both operands.
    """

    shape_of: Any
    _made: Any

    def __call__(
        self, operand: Any, topgrad: Any, shape: Any = None, add_assert_shape: bool = True
    ) -> Any:
        """Return the gradient; `shape` are its lengths in space.

        It may be left out where the lengths of the operands tell it. Lengths that do not fit are
        refused, whatever `add_assert_shape` says.
        """
        operand, topgrad = as_tensor_variable(operand), as_tensor_variable(topgrad)
        if shape is None:
            shape = self._lengths(type(self).shape_of, operand, topgrad)
        return self._made(operand, topgrad, shape)


class AbstractConv_gradWeights(_Gradient):  # noqa: N801
    """The gradient with respect to the filters: ``op(img, topgrad, shape)``."""

    kinds = (ConvWeightsGradient,)
    shape_of = staticmethod(get_conv_gradweights_shape)

    def _made(self, img: Any, topgrad: Any, shape: Any) -> Any:
        return TO_WEIGHTS[self.convdim](img, topgrad, shape, self.imshp, **self._options())


class AbstractConv_gradInputs(_Gradient):  # noqa: N801
    """The gradient with respect to the images: ``op(kern, topgrad, shape)``."""

    kinds = (ConvInputsGradient,)
    shape_of = staticmethod(get_conv_gradinputs_shape)

    def _made(self, kern: Any, topgrad: Any, shape: Any) -> Any:
        return TO_INPUTS[self.convdim](topgrad, kern, shape, self.kshp, **self._options())


class _Abstract(BaseAbstractConv):
    """A class whose number of axes is fixed."""

    convdim: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(type(self).convdim, *args, **kwargs)


class AbstractConv2d(_Abstract, AbstractConv):
    """`AbstractConv` over two axes; parameters are those after `convdim`."""

    convdim = 2


class AbstractConv3d(_Abstract, AbstractConv):
    """`AbstractConv` over three axes; parameters are those after `convdim`."""

    convdim = 3


class AbstractConv2d_gradWeights(_Abstract, AbstractConv_gradWeights):  # noqa: N801
    """`AbstractConv_gradWeights` over two axes; parameters are those after `convdim`."""

    convdim = 2


class AbstractConv3d_gradWeights(_Abstract, AbstractConv_gradWeights):  # noqa: N801
    """`AbstractConv_gradWeights` over three axes; parameters are those after `convdim`."""

    convdim = 3


class AbstractConv2d_gradInputs(_Abstract, AbstractConv_gradInputs):  # noqa: N801
    """`AbstractConv_gradInputs` over two axes; parameters are those after `convdim`."""

    convdim = 2


class AbstractConv3d_gradInputs(_Abstract, AbstractConv_gradInputs):  # noqa: N801
    """`AbstractConv_gradInputs` over three axes; parameters are those after `convdim`."""

    convdim = 3


class _Correlation(BaseAbstractConv):
    """A class of ops that do not flip filters; `openmp` is taken for compatibility."""

    convdim: Any

    def __init__(
        self,
        border_mode: Any = "valid",
        subsample: Any = None,
        filter_dilation: Any = None,
        num_groups: int = 1,
        unshared: bool = False,
        openmp: Any = None,
    ) -> None:
        super().__init__(
            type(self).convdim, None, None, border_mode, subsample, False, filter_dilation,
            num_groups, unshared,
        )


class BaseCorrMM(_Correlation):
    """Correlations over two axes, and their gradients."""

    convdim = 2


class CorrMM(BaseCorrMM, AbstractConv):
    """The correlation over two axes: ``op(img, kern)``."""


class CorrMM_gradWeights(BaseCorrMM, AbstractConv_gradWeights):  # noqa: N801
    """The gradient of `CorrMM` with respect to the filters: ``op(img, topgrad, shape)``."""


class CorrMM_gradInputs(BaseCorrMM, AbstractConv_gradInputs):  # noqa: N801
    """The gradient of `CorrMM` with respect to the images: ``op(kern, topgrad, shape)``."""


class BaseCorr3dMM(_Correlation):
    """Correlations over three axes, and their gradients."""

    convdim = 3


class Corr3dMM(BaseCorr3dMM, AbstractConv):
    """The correlation over three axes: ``op(img, kern)``."""


class Corr3dMM_gradWeights(BaseCorr3dMM, AbstractConv_gradWeights):  # noqa: N801
    """The gradient of `Corr3dMM` with respect to the filters: ``op(img, topgrad, shape)``."""


class Corr3dMM_gradInputs(BaseCorr3dMM, AbstractConv_gradInputs):  # noqa: N801
    """The gradient of `Corr3dMM` with respect to the images: ``op(kern, topgrad, shape)``."""


class ConvOp(_Abstract, AbstractConv):
    """The older op of a convolution over two axes: ``op(inputs, kerns)``.

    Parameters
    ----------
    imshp : tuple of int, optional
        (channels, rows, columns) of images.
    kshp : tuple of int, optional
        (rows, columns) of filters.
    nkern, bsize : int, optional
        Numbers of filters and of images.
    dx, dy : int
        Distances of neighbouring windows.
    output_mode : {'valid', 'full'}
    **kwargs
        What tuned old kernels; it does nothing.
    """

    convdim = 2

    def __init__(
        self,
        imshp: Any = None,
        kshp: Any = None,
        nkern: int | None = None,
        bsize: int | None = None,
        dx: int = 1,
        dy: int = 1,
        output_mode: str = "valid",
        **kwargs: Any,
    ) -> None:
        images = None if imshp is None else (bsize, *imshp)
        channels = None if imshp is None else imshp[0]
        filters = None if kshp is None else (nkern, channels, *kshp)
        super().__init__(images, filters, output_mode, (dx, dy))
