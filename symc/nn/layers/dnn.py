"""The layers under the names that they have where a special library runs them."""

from symc.nn.layers.conv import Conv2DLayer, Conv3DLayer, Correlating
from symc.nn.layers.normalization import BatchNormLayer as BatchNormDNNLayer
from symc.nn.layers.normalization import batch_norm as batch_norm_dnn
from symc.nn.layers.pool import MaxPool2DLayer as MaxPool2DDNNLayer
from symc.nn.layers.pool import MaxPool3DLayer as MaxPool3DDNNLayer
from symc.nn.layers.pool import Pool2DLayer as Pool2DDNNLayer
from symc.nn.layers.pool import Pool3DLayer as Pool3DDNNLayer
from symc.nn.layers.pool import SpatialPyramidPoolingLayer as SpatialPyramidPoolingDNNLayer

__all__ = [
    "BatchNormDNNLayer",
    "Conv2DDNNLayer",
    "Conv3DDNNLayer",
    "MaxPool2DDNNLayer",
    "MaxPool3DDNNLayer",
    "Pool2DDNNLayer",
    "Pool3DDNNLayer",
    "SpatialPyramidPoolingDNNLayer",
    "batch_norm_dnn",
]


class Conv2DDNNLayer(Correlating, Conv2DLayer):
    """`Conv2DLayer` with ``flip_filters=False`` by default."""


class Conv3DDNNLayer(Correlating, Conv3DLayer):
    """`Conv3DLayer` with ``flip_filters=False`` by default."""
