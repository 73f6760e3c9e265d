"""Random graphs over inputs whose lengths are drawn from {0, 1, 2, 5}, broadcast at run time."""

from __future__ import annotations

from typing import Any

import numpy as np

from symc.array.type import TensorType
from symc.graph.node import Apply
from symc.graph.op import Op
from symc.ops import methods  # noqa: F401 - gives variables their methods
from symc.ops.elemwise import cast
from symc.ops.math import exp, maximum, switch, tanh
from symc.ops.shape import reshape

LENGTHS = (0, 1, 2, 5)


class Opaque(Op):
    """A user's op without a shape rule: the elements that are greater than a bound."""

    __props__ = ("bound",)

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [TensorType(x.type.dtype, (False,))()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any, params: Any = None) -> None:
        output_storage[0][0] = inputs[0][inputs[0] > self.bound]


class Doubled(Op):
    """A user's op with Theano's ``infer_shape``: every row twice."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type.clone(broadcastable=(False, False))()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any, params: Any = None) -> None:
        output_storage[0][0] = np.repeat(inputs[0], 2, axis=0)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [(shapes[0][0] * 2, shapes[0][1])]


class RandomGraph:
    """A graph of random ops, with values for its inputs.

    Parameters
    ----------
    seed : int
    dynamic : bool
        Whether ops whose result has a size that only the computation tells may occur.
    """

    def __init__(self, seed: int, dynamic: bool = False, steps: int = 10) -> None:
        self.rng = np.random.default_rng(seed)
        self.dynamic = dynamic
        self.inputs: list[Any] = []
        self.values: list[Any] = []
        self.made: list[tuple[Any, Any]] = []
        self.common = [int(self.rng.choice(LENGTHS)) for _ in range(3)]
        for _ in range(3):
            self.new_input()
        for _ in range(steps):
            self.step()
        count = int(self.rng.integers(1, 4))
        chosen = [self.made[-1 - int(k)] for k in self.rng.integers(0, 6, count)]
        self.outputs = [v for v, _ in chosen]

    def new_input(self) -> None:
        ndim = int(self.rng.choice([0, 1, 2, 2, 3]))
        shape = tuple(
            int(self.rng.choice([self.common[d], self.common[d], 1])) for d in range(3 - ndim, 3)
        )
        dtype = str(self.rng.choice(["float64", "float64", "float32"]))
        x = TensorType(dtype, [False] * ndim)(f"x{len(self.inputs)}")
        value = self.rng.standard_normal(shape).astype(dtype)
        if ndim > 1 and self.rng.integers(2):
            value = np.asfortranarray(value)
        self.inputs.append(x)
        self.values.append(value)
        self.made.append((x, value))

    def step(self) -> None:
        x, value = self.made[int(self.rng.integers(max(0, len(self.made) - 5), len(self.made)))]
        names = ["unary", "binary", "binary", "reduce", "reduce", "move", "index", "normal"]
        names += ["reshape"] + ["opaque", "doubled", "late"] * self.dynamic
        made = getattr(self, "_" + str(self.rng.choice(names)))(x, value)
        if made is not None:
            self.made.append(made)

    def _unary(self, x: Any, value: Any) -> Any:
        k = int(self.rng.integers(4))
        if k == 0:
            return tanh(x), np.tanh(value)
        if k == 1:
            return 2 * x + 1, 2 * value + 1
        if k == 2:
            return -x, -value
        return exp(-abs(x)), np.exp(-abs(value))

    def _binary(self, x: Any, value: Any) -> Any:
        y, other = self.made[int(self.rng.integers(len(self.made)))]
        try:
            np.broadcast_shapes(value.shape, other.shape)
        except ValueError:
            return None
        k = int(self.rng.integers(4))
        if k == 0:
            return x + y, value + other
        if k == 1:
            return x * tanh(y), value * np.tanh(other)
        if k == 2:
            return maximum(x, y), np.maximum(value, other)
        return switch(x > y, x, 2 * y), np.where(value > other, value, 2 * other)

    def _reduce(self, x: Any, value: Any) -> Any:
        if not value.ndim:
            return None
        axes = tuple(d for d in range(value.ndim) if self.rng.integers(2))
        keep = bool(self.rng.integers(2))
        if not axes:
            return x.sum(), np.asarray(value.sum())
        if any(value.shape[d] == 0 for d in axes) or self.rng.integers(2):
            return (
                x.sum(axis=axes, keepdims=keep),
                np.asarray(value.sum(axis=axes, keepdims=keep)),
            )
        return x.max(axis=axes, keepdims=keep), np.asarray(value.max(axis=axes, keepdims=keep))

    def _move(self, x: Any, value: Any) -> Any:
        order: list[Any] = [int(d) for d in self.rng.permutation(value.ndim)]
        moved = np.transpose(value, order)
        if value.ndim < 3 and self.rng.integers(3) == 0:
            order, moved = ["x", *order], moved[None]
        return x.dimshuffle(*order), moved

    def _index(self, x: Any, value: Any) -> Any:
        if not value.ndim:
            return None
        axis = int(self.rng.integers(value.ndim))
        key: Any = [slice(None, None, -1), slice(1, None), slice(None, -1), slice(None, None, 2)][
            int(self.rng.integers(4))
        ]
        if value.shape[axis] and self.rng.integers(3) == 0:
            key = int(self.rng.integers(-value.shape[axis], value.shape[axis]))
        full = (slice(None),) * axis + (key,)
        return x[full], value[full]

    def _normal(self, x: Any, value: Any) -> Any:
        if not value.ndim or value.shape[-1] == 0:
            return None
        shifted = x - x.max(axis=-1, keepdims=True)
        e = exp(shifted)
        top = value - value.max(axis=-1, keepdims=True)
        return (
            e / e.sum(axis=-1, keepdims=True),
            np.exp(top) / np.exp(top).sum(axis=-1, keepdims=True),
        )

    def _reshape(self, x: Any, value: Any) -> Any:
        if value.ndim == 2 and self.rng.integers(2):
            return reshape(x, (x.shape[1], x.shape[0])), value.reshape(value.shape[::-1])
        return x.flatten(), value.flatten()

    def _opaque(self, x: Any, value: Any) -> Any:
        return Opaque(0.1)(x), value[value > 0.1]

    def _doubled(self, x: Any, value: Any) -> Any:
        return (Doubled()(x), np.repeat(value, 2, axis=0)) if value.ndim == 2 else None

    def _late(self, x: Any, value: Any) -> Any:
        if not value.ndim or not value.size:
            return None
        count = cast((abs(x).max() * 2), "int64")
        stop = int(abs(value).max() * 2)
        return x[:count], value[:stop]
