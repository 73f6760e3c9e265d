"""Slices and None as values of variables: `SliceType`, `MakeSlice`, `NoneConst`."""

from __future__ import annotations

from typing import Any

from ..array.convert import as_tensor_variable
from ..dtypes import is_discrete
from ..errors import AsTensorError, user_message
from ..graph.node import Apply, Constant, Variable
from ..graph.op import BuiltinOp, named_op
from ..graph.special import SingletonType, disconnected_type

__all__ = [
    "MakeSlice",
    "NoneConst",
    "NoneTypeT",
    "SliceConstant",
    "SliceType",
    "as_int_none_variable",
    "make_slice",
    "none_type_t",
    "slicetype",
]


class NoneTypeT(SingletonType):
    """The type whose only value is None."""

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> None:
        """Return None, or raise TypeError for anything else."""
        if data is not None:
            raise TypeError(f"None is expected, got {data!r}")

    def may_share_memory(self, a: Any, b: Any) -> bool:
        """Return False: None has no memory that could be written."""
        return False

    def __str__(self) -> str:
        return "None"


none_type_t = NoneTypeT()
NoneConst = Constant(none_type_t, None, name="NoneConst")


class SliceConstant(Constant):
    """A slice that is known when the graph is built."""

    def signature(self) -> Any:
        """Return a hashable object, equal for equal slices."""
        return (SliceConstant, self.data.start, self.data.stop, self.data.step)

    def __str__(self) -> str:
        return f"SliceConstant{{{self.data}}}"


class SliceType(SingletonType):
    """Slices whose bounds are integers or None."""

    Constant = SliceConstant

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> slice:
        """Return `data`, or raise TypeError if it is no slice."""
        if isinstance(data, slice):
            return data
        raise TypeError(f"a slice is expected, got {data!r}")

    def may_share_memory(self, a: Any, b: Any) -> bool:
        """Return False: slices can't be changed."""
        return False

    def __str__(self) -> str:
        return "slice"


slicetype = SliceType()


def as_int_none_variable(x: Any) -> Any:
    """Return None as `NoneConst`, and an integer as a 0-d tensor.

    Raises
    ------
    AsTensorError
        If it is neither.
    """
    if x is None or (isinstance(x, Variable) and isinstance(x.type, NoneTypeT)):
        return NoneConst
    found = as_tensor_variable(x, ndim=0)
    if not is_discrete(found.type.dtype) or found.type.dtype == "bool":
        raise AsTensorError(
            user_message(
                "the bound of a slice is None or an integer", got=f"{found} of type {found.type}"
            )
        )
    return found


class MakeSlice(BuiltinOp):
    """A slice from its start, stop and step: 0-d integers or None.

    Examples
    --------
    ``x[make_slice(slice(1, n))]`` is ``x[1:n]``.
    """

    __props__ = ()

    def make_node(self, slc: Any, stop: Any = None, step: Any = None) -> Apply:
        parts = (slc.start, slc.stop, slc.step) if isinstance(slc, slice) else (slc, stop, step)
        return Apply(self, [as_int_none_variable(p) for p in parts], [slicetype.make_variable()])

    def numpy(self, *arrays: Any) -> slice:
        return slice(*(None if a is None else int(a) for a in arrays))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that a slice does not depend continuously on its bounds."""
        return [[False]] * 3

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [disconnected_type() for _ in inputs]


make_slice = named_op("make_slice", MakeSlice())


def as_index_entry(entry: Any) -> Any:
    """Return an index entry with variables of slices and None replaced by what they stand for.

    Raises
    ------
    TypeError
        If it is a slice whose parts are not known when the graph is built.
    """
    if not isinstance(entry, Variable):
        return entry
    if isinstance(entry.type, NoneTypeT):
        return None
    if not isinstance(entry.type, SliceType):
        return entry
    if isinstance(entry, Constant):
        return entry.data
    if entry.owner is not None and isinstance(entry.owner.op, MakeSlice):
        return slice(*map(as_index_entry, entry.owner.inputs))
    raise TypeError(
        user_message(
            "an index can't be a slice that is an input of the graph",
            got=str(entry),
            hint="make its bounds inputs: x[make_slice(slice(start, stop))]",
        )
    )
