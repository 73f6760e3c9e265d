"""What users give to a loop, in a uniform form: sequences, first values, constants, steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..array.convert import as_tensor_variable
from ..array.type import TensorType
from ..dtypes import is_discrete
from ..errors import user_message
from ..graph.node import Constant, Variable
from ..graph.trace import user_line
from ..ops.elemwise import cast
from ..ops.math import minimum

__all__ = ["Initial", "Taken", "initials", "sequence_list", "steps_of"]


@dataclass
class Taken:
    """One sequence and the taps at which it is seen."""

    whole: Any
    taps: tuple[int, ...]

    @property
    def before(self) -> int:
        """How many elements lie before the one that step 0 is about."""
        return -min(0, *self.taps)

    @property
    def length(self) -> Any:
        """For how many steps it is long enough."""
        return self.whole.shape[0] - (max(0, *self.taps) + self.before)

    def element(self, tap: int) -> Any:
        """The inner variable for one tap."""
        name = self.whole.name or "sequence"
        where = "t" if not tap else f"t{tap:+d}"
        pattern = self.whole.type.broadcastable[1:]
        return TensorType(self.whole.type.dtype, pattern)(f"{name}[{where}]")

    def shifted(self, tap: int, steps: Any, backwards: bool) -> Any:
        """The elements that the steps see at a tap."""
        first = self.before + tap
        whole = self.whole
        if backwards:
            behind = max(0, *self.taps) - tap
            whole = whole[first : whole.shape[0] - behind][::-1] if first or behind else whole[::-1]
            return whole[:steps]
        return whole[first : first + steps] if first else whole[:steps]


@dataclass
class Initial:
    """How an output is seen by later steps.

    Attributes
    ----------
    value : tensor or None
        First rows, with a leading axis; None where the output is not seen again.
    taps : tuple of int
    weak : bool
        Whether the value was given as a number, so that its type may follow the output's.
    """

    value: Any = None
    taps: tuple[int, ...] = ()
    weak: bool = False

    @property
    def depth(self) -> int:
        """Number of rows before the first step."""
        return -min(self.taps)

    @property
    def row_type(self) -> TensorType:
        """Type of one row."""
        return TensorType(self.value.type.dtype, self.value.type.broadcastable[1:])

    def rows(self) -> list[Any]:
        """The inner variables for the taps."""
        name = self.value.name or "state"
        return [self.row_type(f"{name}[t{tap:+d}]") for tap in self.taps]


def as_list(given: Any) -> list[Any]:
    """`given` as a list; None is the empty list."""
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def sequence_list(given: Any) -> list[Taken]:
    """Taken as users give them: variables, or dicts with ``input`` and ``taps``."""
    result = []
    for entry in as_list(given):
        taps: Any = [0]
        if isinstance(entry, Mapping):
            unknown = set(entry) - {"input", "taps"}
            if unknown or "input" not in entry:
                raise ValueError(
                    user_message(
                        "a sequence given as a dict has the entries 'input' and 'taps'",
                        got=f"the entries {sorted(map(str, entry))}",
                    )
                )
            taps = entry.get("taps")
            taps = [0] if taps is None else taps if isinstance(taps, (list, tuple)) else [taps]
            entry = entry["input"]
        whole = as_tensor_variable(entry)
        if not whole.type.ndim:
            raise TypeError(
                user_message(
                    "a loop goes along the first axis of a sequence",
                    got=f"{whole} of type {whole.type}, which has no axes",
                    hint="pass it as a non-sequence",
                    where=user_line(whole) or None,
                )
            )
        result.append(Taken(whole, tuple(int(t) for t in taps)))
    return result


def initials(given: Any) -> list[Initial] | None:
    """First values as users give them; None if nothing was said."""
    if given is None:
        return None
    entries = as_list(given) if not isinstance(given, Mapping) else [given]
    return [_initial(k, entry) for k, entry in enumerate(entries)]


def _initial(k: int, entry: Any) -> Initial:
    taps: Any = [-1]
    if isinstance(entry, Mapping):
        unknown = set(entry) - {"initial", "taps", "inplace", "return_steps"}
        if unknown:
            raise ValueError(
                user_message(
                    f"outputs_info[{k}] has entries that are not known",
                    got=str(sorted(map(str, unknown))),
                    expected="'initial' and 'taps'",
                )
            )
        if entry.get("initial") is None:
            if entry.get("taps"):
                raise ValueError(
                    user_message(
                        f"outputs_info[{k}] has taps, but no initial value",
                        got=f"taps {entry['taps']}",
                        hint="add 'initial', the values before the first step",
                    )
                )
            return Initial()
        taps = entry.get("taps")
        taps = [-1] if taps is None else taps
        entry = entry["initial"]
    if entry is None:
        return Initial()
    taps = tuple(int(t) for t in (taps if isinstance(taps, (list, tuple)) else [taps]))
    if not taps or any(t >= 0 for t in taps):
        raise ValueError(
            user_message(
                f"taps of an output say how many steps it is seen later: outputs_info[{k}]",
                got=str(list(taps)),
                expected="negative numbers",
            )
        )
    value = as_tensor_variable(entry)
    weak = not isinstance(entry, Variable) and isinstance(value, Constant)
    if taps == (-1,):
        return Initial(value.dimshuffle("x", *range(value.type.ndim)), taps, weak)
    if not value.type.ndim:
        raise ValueError(
            user_message(
                f"outputs_info[{k}] has the taps {list(taps)}, so its initial value needs a first "
                "axis for the steps",
                got=f"{value} of type {value.type}",
                expected=f"{-min(taps)} values along the first axis",
                where=user_line(value) or None,
            )
        )
    return Initial(value[: -min(taps)], taps, weak)


def steps_of(given: Any, sequences: Sequence[Taken]) -> Any:
    """The number of steps, as an int64 scalar variable.

    Raises
    ------
    ValueError
        If it can't be known, or is negative.
    """
    if given is None:
        if not sequences:
            raise ValueError(
                user_message(
                    "a loop needs sequences or a number of steps",
                    got="neither sequences nor n_steps",
                    hint="pass n_steps=",
                )
            )
        steps = sequences[0].length
        for other in sequences[1:]:
            steps = minimum(steps, other.length)
        return steps
    steps = as_tensor_variable(given)
    if steps.type.ndim or not is_discrete(steps.type.dtype):
        raise TypeError(
            user_message(
                "n_steps must be one integer",
                got=f"{given!r} of type {steps.type}",
                where=user_line(steps) or None,
            )
        )
    if isinstance(steps, Constant) and int(steps.data) < 0:
        raise ValueError(
            user_message(
                "n_steps must not be negative",
                got=str(int(steps.data)),
                hint="go_backwards=True goes through the sequences from their ends",
            )
        )
    return cast(steps, "int64")
