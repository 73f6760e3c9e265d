"""The convolutional layer under the name that it has where it is a product of matrices."""

from symc.nn.layers.conv import Conv2DLayer, Correlating

__all__ = ["Conv2DMMLayer"]


class Conv2DMMLayer(Correlating, Conv2DLayer):
    """`Conv2DLayer` with ``flip_filters=False`` by default."""
