"""Random graphs with values, and the comparison of a graph before and after rewriting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symc.array.type import TensorType
from symc.graph.node import Variable
from symc.lower.facts import Facts
from symc.ops import math as m
from symc.ops import reduce as r
from symc.ops.alloc import alloc, arange, zeros_like
from symc.ops.dot import dot
from symc.ops.elemwise import cast
from symc.ops.join import concatenate, split
from symc.ops.softmax import softmax
from symc.ops.write import inc_subtensor, set_subtensor
from symc.rewrite.engine import optimize
from symc.rewrite.selection import Selection
from tests.helpers import evaluate

LENGTHS = (0, 1, 2, 5)


class RandomGraph:
    """A graph that grows from a few inputs by random ops, with the value of every variable.

    Parameters
    ----------
    seed : int
    n_ops : int
        How many ops are applied.
    dtype : str
        Of the inputs; masks and integers come in by themselves.
    """

    def __init__(self, seed: int, n_ops: int = 12, dtype: str = "float64") -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.base = tuple(int(n) for n in self.rng.choice(LENGTHS, size=2))
        self.inputs: list[Variable] = []
        self.values: list[np.ndarray] = []
        self.known: dict[Variable, np.ndarray] = {}
        for _ in range(3):
            self.new_input()
        tries = 0
        while n_ops and tries < 200:
            tries += 1
            n_ops -= self.grow()

    def new_input(self) -> None:
        """An input of the base shape, broadcast along some axes at run time or by its type."""
        shape, pattern = [], []
        for n in self.base:
            short = self.rng.random() < 0.3
            shape.append(1 if short else n)
            pattern.append(bool(short and self.rng.random() < 0.5))
        rank = int(self.rng.integers(0, 3))
        shape, pattern = shape[2 - rank :], pattern[2 - rank :]
        v = TensorType(self.dtype, pattern)(f"x{len(self.inputs)}")
        value = (self.rng.integers(-8, 9, size=shape) / 4).astype(self.dtype)
        self.inputs.append(v)
        self.values.append(value)
        self.known[v] = value

    def pick(self) -> Any:
        variables = list(self.known)
        recent = variables[-6:] if self.rng.random() < 0.6 else variables
        return recent[int(self.rng.integers(len(recent)))]

    def mask(self) -> Any:
        """A comparison of an input with what none of its elements is near to."""
        return m.gt(self.inputs[int(self.rng.integers(len(self.inputs)))], 0.1)

    def grow(self) -> bool:
        """Apply one op; tell whether the result is fit to go on with."""
        name = str(self.rng.choice(list(_OPS)))
        try:
            out = _OPS[name](self)
        except (ValueError, TypeError, IndexError):
            return False  # the op does not take operands of these ranks or dtypes
        if not isinstance(out, Variable) or out in self.known:
            return False
        try:
            value = evaluate(out, list(self.known), list(self.known.values()))
        except (ValueError, IndexError):
            return False  # lengths do not fit, an axis is empty, an index out of bounds
        finite = bool(np.all(np.isfinite(value)))
        if not finite or (value.size and float(np.max(np.abs(value))) > 1e4):
            return False
        self.known[out] = value
        return True

    def outputs(self) -> list[Any]:
        """A few of the variables, the last one among them."""
        computed = [v for v in self.known if v.owner is not None]
        chosen = [v for v in computed[:-1] if self.rng.random() < 0.2]
        return [*chosen, computed[-1]] if computed else []

    def facts(self) -> Facts:
        """Facts for a program that serves these values."""
        given = dict(zip(self.inputs, self.values, strict=True))

        def oracle(v: Any, axis: int | None) -> int:
            return int(given[v]) if axis is None else given[v].shape[axis]

        return Facts(self.inputs, oracle)


def _small(g: RandomGraph) -> Any:
    return g.rng.choice([0, 1, 2, -1, 0.5, 3]).item()


def _axis(g: RandomGraph, x: Any) -> int:
    return int(g.rng.integers(x.ndim))


_OPS: dict[str, Any] = {
    "add": lambda g: g.pick() + g.pick(),
    "sub": lambda g: g.pick() - g.pick(),
    "mul": lambda g: g.pick() * g.pick(),
    "div": lambda g: g.pick() / (1.5 + m.sqr(g.pick())),
    "quotient": lambda g: (lambda x, y: x * (2 + m.abs_(y)) / (2 + m.abs_(y)))(g.pick(), g.pick()),
    "number": lambda g: g.pick() * _small(g) + _small(g),
    "right": lambda g: _small(g) - g.pick(),
    "neg": lambda g: -g.pick(),
    "power": lambda g: g.pick() ** int(g.rng.integers(0, 4)),
    "exp": lambda g: m.exp(m.minimum(g.pick(), 2)),
    "log": lambda g: m.log(1 + m.exp(-m.sqr(g.pick()))),
    "logistic": lambda g: 1 / (1 + m.exp(-g.pick())),
    "sigmoid": lambda g: m.sigmoid(g.pick()),
    "complement": lambda g: (lambda s: s * (1 - s))(m.sigmoid(g.pick())),
    "tanh": lambda g: m.tanh(g.pick()),
    "erf": lambda g: 1 - m.erf(g.pick()),
    "max": lambda g: m.maximum(g.pick(), g.pick()),
    "switch": lambda g: m.switch(g.mask(), g.pick(), g.pick()),
    "mask": lambda g: g.pick() * m.switch(g.mask(), g.pick(), 0),
    "sum": lambda g: (lambda x: r.sum(x, axis=_axis(g, x)))(g.pick()),
    "total": lambda g: r.sum(g.pick()),
    "mean": lambda g: (lambda x: r.sum(x * 0.5, axis=_axis(g, x), keepdims=True))(g.pick()),
    "largest": lambda g: (lambda x: r.max(x, axis=_axis(g, x)))(g.pick()),
    "transpose": lambda g: g.pick().T,
    "column": lambda g: (lambda x: x.dimshuffle(*range(x.ndim), "x"))(g.pick()),
    "index": lambda g: (lambda x: x[int(g.rng.integers(-2, 2))])(g.pick()),
    "slice": lambda g: g.pick()[int(g.rng.integers(0, 2)) :],
    "slices": lambda g: (lambda x: x[:, ::-1])(g.pick()),
    "dot": lambda g: dot(g.pick(), g.pick()),
    "update": lambda g: (lambda x, y: x - 0.5 * dot(y, x))(g.pick(), g.pick()),
    "zeros": lambda g: zeros_like(g.pick()) + g.pick(),
    "alloc": lambda g: (lambda x: alloc(0.5, *(x.shape[i] for i in range(x.ndim))))(g.pick()),
    "softmax": lambda g: softmax(g.pick(), axis=-1),
    "log_softmax": lambda g: m.log(softmax(g.pick(), axis=-1)),
    "logsumexp": lambda g: m.log(r.sum(m.exp(g.pick()), axis=-1)),
    "float32": lambda g: cast(cast(g.pick(), "float32"), g.dtype),
    "take": lambda g: g.pick()[np.array([0, -1, 0])],
    "pick": lambda g: (lambda x: x[np.arange(2), np.array([-1, 0])])(g.pick()),
    "rows": lambda g: (lambda x: x[arange(x.shape[0]), x.shape[0] * [0]])(g.pick()),
    "set": lambda g: (lambda x, y: set_subtensor(x[1:], y[1:]))(g.pick(), g.pick()),
    "set zero": lambda g: set_subtensor(g.pick()[:1], 0.0),
    "inc": lambda g: (lambda x, y: inc_subtensor(x[::2], y))(g.pick(), g.pick()),
    "scatter": lambda g: (lambda x, y: inc_subtensor(zeros_like(x)[np.array([0, 0])], y))(
        g.pick(), g.pick()
    ),
    "join": lambda g: concatenate([g.pick(), g.pick()]),
    "parts": lambda g: (lambda x: split(x, [1, x.shape[0] - 1], 2)[0])(g.pick()),
    "norm": lambda g: m.sqrt(r.sum(m.sqr(g.pick()))),
    "clip": lambda g: m.clip(g.pick(), -0.7, 0.9),
    "sign": lambda g: (lambda x: x / m.maximum(m.abs_(x), 0.5))(g.pick()),
    "length": lambda g: (lambda x: x * x.shape[0] + x.shape[-1])(g.pick()),
    "reshape": lambda g: (lambda x: x.reshape(x.shape, ndim=x.ndim))(g.pick()),
}


def compare(
    outputs: Sequence[Any],
    inputs: Sequence[Variable],
    values: Sequence[Any],
    facts: Any = None,
    selection: Selection | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-9,
) -> Any:
    """Rewrite a graph, and check that types and values of its outputs stay.

    Returns
    -------
    Optimized
    """
    expected = evaluate(list(outputs), inputs, values)
    found = optimize(outputs, facts, selection)
    for old, new in zip(outputs, found.outputs, strict=True):
        assert new.type == old.type, (old.type, new.type)
    got = evaluate(found.outputs, inputs, values)
    for a, b in zip(expected, got, strict=True):
        assert a.shape == b.shape, (a.shape, b.shape)
        np.testing.assert_allclose(b, a, rtol=rtol, atol=atol)
    return found
