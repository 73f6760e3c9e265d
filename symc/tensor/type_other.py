"""``symc.tensor.type_other``: slices and None as values, by the name that old code uses."""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.slicetype import (
    MakeSlice,
    NoneConst,
    NoneTypeT,
    SliceConstant,
    SliceType,
    as_int_none_variable,
    make_slice,
    none_type_t,
    slicetype,
)
