"""``symc.tensor.signal.downsample``: the older name of `pool`."""

# ruff: noqa: F401 - a namespace re-exports

from .pool import max_pool_2d_same_size, pool_2d

max_pool_2d = pool_2d
