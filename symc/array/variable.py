"""Variables that stand for arrays: `TensorVariable`, `TensorConstant`, `TensorSharedVariable`.

They share the mixin `TensorOperators` and nothing else: constants and shared variables are not
TensorVariables, because older code tells them apart by class (D3).

Python's operators build ops that live on a higher floor. They all go through ``_apply``, which, as
all other methods, is put into `TensorOperators` by the one table in `symc.ops.methods`.
"""

from __future__ import annotations

import copy
import hashlib
import pdb
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import config
from ..errors import DTypeError, user_message
from ..graph.node import Apply, Constant, SharedVariable, Variable
from ..scalar.expr import Operators
from .type import TensorType

__all__ = [
    "ScalarSharedVariable",
    "TensorConstant",
    "TensorConstantSignature",
    "TensorOperators",
    "TensorSharedVariable",
    "TensorVariable",
]


class TensorOperators(Operators):
    """Operators, methods and attributes of everything that stands for an array.

    ``==`` and ``!=`` mean identity, so variables can be keys of dicts; `symc.tensor.eq` compares
    elements. The truth value of a variable is True, so that ``if x:`` tells it from None; of a
    comparison such as ``x < y`` it is an error.
    """

    type: Any

    # NumPy's binary operators give way: ndarray * variable is symbolic.
    __array_priority__ = 1000

    _is_nonzero = True

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @property
    def ndim(self) -> int:
        """Number of axes."""
        ndim: int = self.type.ndim
        return ndim

    @property
    def dtype(self) -> str:
        """Name of the dtype."""
        dtype: str = self.type.dtype
        return dtype

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """For each axis, whether its length is 1 for certain."""
        pattern: tuple[bool, ...] = self.type.broadcastable
        return pattern

    def __bool__(self) -> bool:
        if self._is_nonzero:
            return True
        raise TypeError(
            user_message(
                "a comparison of symbolic variables has no truth value yet",
                got=f"bool({self})",
                hint="use symc.tensor.switch(condition, a, b) in place of `if`, and & and | "
                "in place of `and` and `or`; chained comparisons such as a < b < c don't work",
            )
        )

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            user_message(
                f"a symbolic variable can't be assigned to: {self}[...] = ...",
                hint="y = symc.tensor.set_subtensor(x[index], value) is x with other elements",
            )
        )


class TensorVariable(TensorOperators, Variable):
    """A variable whose values are arrays.

    Parameters
    ----------
    type : TensorType
    owner : Apply, optional
    index : int, optional
    name : str, optional

    Attributes
    ----------
    static_shape : tuple of (int or None), optional
        Lengths promised where the variable was made; only on variables without owner.
    """

    def __init__(
        self,
        type: TensorType,
        owner: Apply | None = None,
        index: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(type, owner, index, name)
        if type.dtype == "float64" and config.warn_float64 != "ignore":
            _react_to_float64(self)


def _react_to_float64(variable: TensorVariable) -> None:
    message = f"a float64 variable is created: {variable} (config.warn_float64)"
    action = config.warn_float64
    if action == "warn":
        warnings.warn(message, stacklevel=3)
    elif action == "raise":
        raise DTypeError(message)
    elif action == "pdb":
        pdb.set_trace()


class TensorConstantSignature(tuple):  # type: ignore[type-arg]
    """What tells constant arrays apart: type, shape and bytes, so NaN equals itself, 0.0 not -0.0.

    Built by `TensorConstant.signature`.
    """

    __slots__ = ()


_BYTES_KEPT = 64


class TensorConstant(TensorOperators, Constant):
    """A constant array; its data is a read-only copy.

    Parameters
    ----------
    type : TensorType
    data : array_like
    name : str, optional
    """

    def __init__(self, type: TensorType, data: Any, name: str | None = None) -> None:
        super().__init__(type, data, name)
        self.data = self.data.copy()
        self.data.flags.writeable = False

    def signature(self) -> TensorConstantSignature:
        """Return a hashable object, equal for constants of equal type, shape and bytes."""
        found = self.__dict__.get("_signature")
        if found is None:
            content = self.data.tobytes()
            if len(content) > _BYTES_KEPT:
                content = hashlib.sha256(content).digest()
            found = TensorConstantSignature((self.type, self.data.shape, content))
            self._signature = found
        signature: TensorConstantSignature = found
        return signature

    def unique_value(self) -> Any:
        """Return the value that all elements have, as a NumPy scalar, or None.

        Empty constants have none; NaNs and zeros of different sign are different values.
        """
        data = self.data
        if data.size == 1:
            return data[(0,) * data.ndim]
        if data.size == 0:
            return None
        step = data.dtype.itemsize
        raw = np.ascontiguousarray(data).reshape(-1).view(np.uint8).reshape(-1, step)
        return data.reshape(-1)[0] if bool((raw == raw[0]).all()) else None

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        state.pop("_signature", None)
        return state

    def __copy__(self) -> TensorConstant:
        # Sharing the data is safe: it is read-only.
        new: TensorConstant = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.tag = copy.copy(self.tag)
        return new


class TensorSharedVariable(TensorOperators, SharedVariable):
    """A shared variable that holds an array; lengths may change from value to value."""

    def zero(self, borrow: bool = False) -> None:
        """Set all elements to 0.

        Parameters
        ----------
        borrow : bool
            Write into the array that the container holds instead of replacing it.
        """
        current = self.get_value(borrow=True, return_internal_type=True)
        if borrow:
            current[...] = 0
        else:
            self.set_value(np.zeros_like(current), borrow=True)


class ScalarSharedVariable(TensorSharedVariable):
    """A shared variable that holds one number."""


TensorType.Variable = TensorVariable
TensorType.Constant = TensorConstant
