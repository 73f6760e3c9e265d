"""``symc.tensor.sort``: sorting, under the name that old code imports it by."""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.sort import (
    ArgSortOp,
    SortOp,
    TopKOp,
    argsort,
    argtopk,
    sort,
    topk,
    topk_and_argtopk,
)
