"""Random programs: graphs of tensor ops over inputs whose lengths are drawn from {0, 1, 2, 5}.

A program is made from a seed alone, so a failure can be repeated. Values stay small and away from
the places where rounding decides (ties, branch points), so that two correct evaluations agree to
a few ulps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import symc
import symc.tensor as T

LENGTHS = (0, 1, 2, 5)
FLOATS = ("float64", "float64", "float32")

UNARY = (
    T.tanh,
    T.sin,
    T.cos,
    T.nnet.sigmoid,
    T.exp,
    T.sqr,
    abs,
    lambda x: -x,
    lambda x: T.log(1.5 + T.sqr(x)),
    lambda x: T.sqrt(0.5 + T.sqr(x)),
    lambda x: T.clip(x, -0.75, 0.8),
    lambda x: T.maximum(x, 0.1),
    lambda x: 2 * x + 1,
    lambda x: x / 3.0,
)
BINARY = (
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (2.0 + T.sqr(y)),
    lambda x, y: T.maximum(x, y),
    lambda x, y: T.minimum(x, y),
    lambda x, y: T.switch(x > y, x, 2 * y),
)
REDUCE = (T.sum, T.mean, T.prod)


@dataclass
class RandomProgram:
    """Inputs, outputs and some arguments for them, each a list of arrays."""

    seed: int
    inputs: list[Any]
    outputs: list[Any]
    arguments: list[list[np.ndarray]]


class _Builder:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.names = 0
        self.inputs: list[Any] = []
        # The lengths of the axes of each value in every set of arguments.
        self.values: list[tuple[Any, tuple[tuple[int, ...], ...]]] = []

    def choice(self, items: Any) -> Any:
        return items[int(self.rng.integers(len(items)))]

    def dims(self, ndim: int, sets: int) -> tuple[tuple[int, ...], ...]:
        """Lengths per set of arguments; the same axis lengths come up often."""
        return tuple(
            tuple(int(self.choice((self.common[s], self.common[s], 1, 5, 2, 0)))
                  for _ in range(ndim))
            for s in range(sets)
        )

    def new_input(self, sets: int) -> None:
        ndim = int(self.choice((0, 1, 2, 2, 3)))
        dtype = self.choice(FLOATS)
        x = T.TensorType(dtype, (False,) * ndim)(f"x{len(self.inputs)}")
        self.inputs.append(x)
        self.values.append((x, self.dims(ndim, sets)))

    def build(self, sets: int = 2, steps: int = 7) -> None:
        self.common = [int(self.choice(LENGTHS)) for _ in range(sets)]
        for _ in range(int(self.choice((1, 2, 2, 3)))):
            self.new_input(sets)
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        kind = self.choice(("unary", "unary", "binary", "binary", "binary", "reduce", "move",
                            "index", "softmax", "dot"))
        x, shapes = self.choice(self.values[-4:])
        made = getattr(self, "_" + kind)(x, shapes)
        if made is not None:
            self.values.append(made)

    def _unary(self, x: Any, shapes: Any) -> Any:
        return self.choice(UNARY)(x), shapes

    def _binary(self, x: Any, shapes: Any) -> Any:
        y, others = self.choice(self.values)
        try:
            result = tuple(
                np.broadcast_shapes(a, b) for a, b in zip(shapes, others, strict=True)
            )
        except ValueError:
            return None
        return self.choice(BINARY)(x, y), result

    def _reduce(self, x: Any, shapes: Any) -> Any:
        ndim = x.type.ndim
        if not ndim:
            return None
        axis = int(self.rng.integers(ndim))
        keep = bool(self.rng.integers(2))
        function = self.choice((*REDUCE, T.max, T.min))
        empty = any(s[axis] == 0 for s in shapes)
        if empty and function in (T.max, T.min, T.mean):
            function = T.sum
        result = tuple(
            tuple(1 if d == axis else n for d, n in enumerate(s) if keep or d != axis)
            for s in shapes
        )
        return function(x, axis=axis, keepdims=keep), result

    def _move(self, x: Any, shapes: Any) -> Any:
        ndim = x.type.ndim
        if not ndim:
            return None
        if self.rng.integers(3) == 0:
            return x.dimshuffle("x", *range(ndim)), tuple((1, *s) for s in shapes)
        order = [int(d) for d in self.rng.permutation(ndim)]
        return x.dimshuffle(*order), tuple(tuple(s[d] for d in order) for s in shapes)

    def _index(self, x: Any, shapes: Any) -> Any:
        ndim = x.type.ndim
        if not ndim:
            return None
        axis = int(self.rng.integers(ndim))
        index = self.choice((slice(None, None, -1), slice(1, None), slice(None, -1),
                             slice(None, None, 2), slice(-2, None)))
        key = (slice(None),) * axis + (index,)
        result = tuple(
            tuple(len(range(n)[index]) if d == axis else n for d, n in enumerate(s))
            for s in shapes
        )
        return x[key], result

    def _softmax(self, x: Any, shapes: Any) -> Any:
        if not x.type.ndim or any(0 in s for s in shapes):
            return None
        axis = int(self.rng.integers(x.type.ndim))
        return symc.softmax(x, axis=axis), shapes

    def _dot(self, x: Any, shapes: Any) -> Any:
        if x.type.ndim != 2:
            return None
        return T.dot(x, x.T), tuple((s[0], s[0]) for s in shapes)


def random_program(seed: int, gradient: bool = False) -> RandomProgram:
    """The program of a seed; with `gradient`, outputs are gradients of the sum of its last value.

    Parameters
    ----------
    seed : int
    gradient : bool
    """
    builder = _Builder(seed)
    builder.build()
    last = [v for v, _ in builder.values[-2:]]
    outputs = last
    if gradient:
        cost = sum(T.sum(v) for v in last)
        outputs = symc.grad(cost, builder.inputs, disconnected_inputs="ignore")
    arguments = []
    for s in range(2):
        arguments.append(
            [
                np.asarray(builder.rng.uniform(-1, 1, shapes[s]), x.type.dtype)
                for x, shapes in builder.values[: len(builder.inputs)]
            ]
        )
    return RandomProgram(seed, builder.inputs, outputs, arguments)
