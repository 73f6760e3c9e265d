"""The state of a random stream: a value, its type and how a draw moves it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...array.lengths import note_lengths
from ...array.type import TensorType
from ...array.variable import TensorSharedVariable
from ...errors import user_message
from ...graph.node import Apply
from ...graph.op import BuiltinOp
from ...scalar.logic import eq, switch

__all__ = [
    "PARTS",
    "AdvanceState",
    "RandomState",
    "RandomStateSharedVariable",
    "RandomStateType",
    "advance",
    "as_state",
    "random_state_type",
]

PARTS = 1 << 16
"""How far a draw moves the counter: so many values of it may be used."""

GENERATOR = "Philox4x32-10"
"""What `RandomState.get_state` begins with."""


def _words(seed: Any) -> list[int]:
    """A seed, a number or several, as natural numbers."""
    numbers = list(seed) if isinstance(seed, (list, tuple, np.ndarray)) else [seed]
    if not numbers or any(
        isinstance(n, (bool, np.bool_)) or not isinstance(n, (int, np.integer)) for n in numbers
    ):
        raise TypeError(user_message("a seed is an integer or some integers", got=repr(seed)))
    return [int(n) % 2**128 for n in numbers]


class RandomState:
    """Where a stream stands: the key of the generator and the counter of the next draw.

    Parameters
    ----------
    seed : int or sequence of int, optional
        The same seed gives the same numbers on every platform; without it a random one is taken.
    stream : int
        Streams of one seed are independent of each other.

    Attributes
    ----------
    words : ndarray of uint64, shape (2,)
        Key and counter.

    Raises
    ------
    TypeError
        If the seed is made of anything but integers.
    """

    __slots__ = ("words",)

    def __init__(self, seed: Any = None, stream: int = 0) -> None:
        self.words = np.zeros(2, np.uint64)
        self.seed(seed, stream)

    @classmethod
    def of_words(cls, words: np.ndarray) -> RandomState:
        """Return the state whose memory is `words` (uint64, shape (2,))."""
        state = cls.__new__(cls)
        state.words = words
        return state

    def seed(self, seed: Any = None, stream: int = 0) -> None:
        """Start again, as a new state of this seed."""
        entropy = np.random.SeedSequence().entropy if seed is None else seed
        words = _words(entropy)
        sequence = np.random.SeedSequence(words, spawn_key=(len(words), stream))
        self.words[:] = sequence.generate_state(1, np.uint64)[0], 0

    def get_state(self) -> tuple[str, int, int]:
        """Return the name of the generator, the key and the counter."""
        return GENERATOR, int(self.words[0]), int(self.words[1])

    def set_state(self, state: Any) -> None:
        """Take over what `get_state` returned, or another `RandomState`.

        Raises
        ------
        ValueError
            If it is neither.
        """
        found = state.get_state() if isinstance(state, RandomState) else state
        if not isinstance(found, (tuple, list)) or len(found) != 3 or found[0] != GENERATOR:
            raise ValueError(
                user_message(
                    "this is no state of the generator",
                    got=repr(state)[:200],
                    expected=f"({GENERATOR!r}, key, counter), as get_state returns it",
                )
            )
        self.words[:] = [int(n) % 2**64 for n in found[1:]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        made: np.ndarray = np.array(self.words, dtype) if copy or dtype else self.words
        return made

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Any]:
        return iter(self.words)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RandomState):
            return NotImplemented
        return self.get_state() == other.get_state()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RandomState(key={self.words[0]:#018x}, counter={self.words[1]})"

    def __copy__(self) -> RandomState:
        return RandomState.of_words(self.words.copy())

    def __deepcopy__(self, memo: dict[int, Any]) -> RandomState:
        return copy.copy(self)

    def __reduce__(self) -> Any:
        return RandomState.of_words, (self.words.copy(),)


class RandomStateType(TensorType):
    """The type of random states; in memory they are two uint64 words, key and counter.

    It is a type of its own, so that nothing but a state stands where a state is needed; programs
    read the words like those of any vector, so that draws are part of the kernels that use them.
    """

    def __init__(self) -> None:
        super().__init__("uint64", (False,))

    def __call__(self, name: str | None = None, shape: Any = None) -> Any:
        """Return a new variable of this type; its two words are a fact that programs use."""
        return super().__call__(name, (2,) if shape is None else shape)

    def clone(self, dtype: Any = None, broadcastable: Any = None) -> TensorType:
        """Return this type, or the `TensorType` that has another dtype or pattern."""
        if dtype is None and broadcastable is None:
            return self
        pattern = self.broadcastable if broadcastable is None else broadcastable
        return TensorType(self.dtype if dtype is None else dtype, pattern)

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Return the two words of `data`, a `RandomState` or an array of them.

        Raises
        ------
        TypeError
            If `data` is neither.
        """
        words = data.words if isinstance(data, RandomState) else data
        if not isinstance(words, np.ndarray) or words.dtype != np.uint64 or words.shape != (2,):
            raise TypeError(
                user_message(
                    "a random state is expected",
                    got=f"{type(data).__name__} {data!r}"[:200],
                    expected="a RandomState, or its two uint64 words in an array",
                )
            )
        return super().filter(words, strict, allow_downcast)

    def __str__(self) -> str:
        return "RandomStateType"

    __repr__ = __str__

    def __reduce__(self) -> Any:
        return RandomStateType, ()


random_state_type = RandomStateType()


class RandomStateSharedVariable(TensorSharedVariable):
    """A shared variable that holds a random state."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.static_shape = (2,)

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """Return the state: a copy, or one that shares the variable's memory with `borrow`."""
        return RandomState.of_words(super().get_value(borrow, return_internal_type))

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replace the state by a `RandomState` (or its words)."""
        words = new_value.words if isinstance(new_value, RandomState) else new_value
        super().set_value(words, borrow)


def as_state(state: Any) -> Any:
    """Return `state`, a variable or a `RandomState`, as a variable that draws take.

    Raises
    ------
    TypeError
        If it is no random state and no uint64 vector.
    """
    if isinstance(state, RandomState):
        return random_state_type.make_constant(random_state_type.filter(state))
    found = getattr(state, "type", None)
    if isinstance(found, TensorType) and found.dtype == "uint64" and found.ndim == 1:
        return state
    raise TypeError(
        user_message(
            "a draw needs a random state",
            got=f"{state} of type {found or type(state).__name__}",
            expected="a variable of random_state_type, a uint64 vector (key, counter), "
            "or a RandomState",
        )
    )


class AdvanceState(BuiltinOp):
    """The state after a draw: the counter is moved by `PARTS`, what a draw may use of it."""

    __props__ = ()

    def make_node(self, state: Any) -> Apply:
        out = random_state_type.make_variable()
        note_lengths(out, (2,))
        return Apply(self, [as_state(state)], [out])

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0] + np.array([0, PARTS], np.uint64)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [(2,)]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        word = read(0, idx)
        moved = word + read.ctx.const(PARTS, "uint64")
        return switch(eq(idx[0], read.ctx.integer(1)), moved, word)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that states have no derivative."""
        return [[False]]


advance = AdvanceState()
