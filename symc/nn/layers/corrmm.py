"""The convolutional layer under the name that it has where it is a product of matrices."""

from symc.nn.layers.conv import Conv2DLayer as Conv2DMMLayer

__all__ = ["Conv2DMMLayer"]
