"""``symc.tensor.elemwise``: the ops behind elementwise functions and reductions."""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.canonical import MulWithoutZeros, mul_without_zeros
from ..ops.dimshuffle import DimShuffle
from ..ops.elemwise import Elemwise
from ..ops.reduce import All, CAReduce, CAReduceDtype, Prod, ProdWithoutZeros, Sum
