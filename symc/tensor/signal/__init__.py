"""``symc.tensor.signal``: pooling, and convolution without channels."""

from . import conv, downsample, pool
