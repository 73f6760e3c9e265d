"""``symc.tensor.var``: tensor variables, by the name that old code imports them by."""

# ruff: noqa: F401 - a namespace re-exports

from ..array.variable import TensorConstant, TensorConstantSignature, TensorVariable
from ..array.variable import TensorOperators as _tensor_py_operators  # noqa: N813
from ..errors import AsTensorError
from ..ops.statistics import var
