"""``symc.tensor.sharedvar``: shared tensors, by the name that old code imports them by."""

# ruff: noqa: F401 - a namespace re-exports

from ..array.variable import ScalarSharedVariable, TensorSharedVariable
from ..compile.shared import shared as tensor_constructor
