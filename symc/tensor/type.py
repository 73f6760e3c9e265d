"""``symc.tensor.type``: the tensor type, by the name that old code imports it by."""

# ruff: noqa: F401 - a namespace re-exports

from ..array.constructors import (
    all_dtypes,
    complex_dtypes,
    continuous_dtypes,
    discrete_dtypes,
    float_dtypes,
    int_dtypes,
    integer_dtypes,
    uint_dtypes,
)
from ..array.type import (
    TensorType,
    values_eq_approx,
    values_eq_approx_always_true,
    values_eq_approx_remove_inf,
    values_eq_approx_remove_inf_nan,
    values_eq_approx_remove_nan,
)
