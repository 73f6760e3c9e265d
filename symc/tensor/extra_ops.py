"""``symc.tensor.extra_ops``: ops that old code imports by this name."""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.accumulate import CumOp, cumprod, cumsum, diff
from ..ops.aliases import (
    CumprodOp,
    CumsumOp,
    DiffOp,
    RepeatOp,
    cpu_contiguous,
)
from ..ops.alloc import broadcast_to
from ..ops.extra import (
    BinCount,
    RavelMultiIndex,
    Unique,
    UnravelIndex,
    bartlett,
    bincount,
    fill_diagonal,
    fill_diagonal_offset,
    linspace,
    logspace,
    ravel_multi_index,
    unique,
    unravel_index,
)
from ..ops.repeat import compress, repeat, to_one_hot
from ..ops.shape import squeeze
from ..ops.sort import SearchsortedOp, searchsorted
