"""Random loops: a step that runs on symbolic variables and, the same text, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.scan_module import until

LENGTHS = (0, 1, 2, 5)


class Symbolic:
    """Functions of a step, on variables."""

    tanh, exp, sin, sqrt, maximum, where = T.tanh, T.exp, T.sin, T.sqrt, T.maximum, T.switch
    dot = T.dot

    @staticmethod
    def total(x: Any) -> Any:
        return x.sum()


class Numeric:
    """The same functions, on arrays."""

    tanh, exp, sin, sqrt, maximum, where = (
        np.tanh, np.exp, np.sin, np.sqrt, np.maximum, np.where,
    )
    dot = np.dot

    @staticmethod
    def total(x: Any) -> Any:
        return np.sum(x, dtype=x.dtype if x.dtype.kind == "f" else None)


Unary: list[Callable[[Any, Any], Any]] = [
    lambda ns, x: ns.tanh(x),
    lambda ns, x: ns.sin(x) * 0.5,
    lambda ns, x: ns.exp(-(x * x)),
    lambda ns, x: x * 0.5 + 0.25,
    lambda ns, x: ns.sqrt(x * x + 1.0) - 1.0,
    lambda ns, x: x + 0.125 * ns.total(ns.tanh(x)),
    lambda ns, x: ns.maximum(x, 0.0) - 0.1 * x,
    lambda ns, x: x[::-1] * 0.75,
]

Binary: list[Callable[[Any, Any, Any], Any]] = [
    lambda ns, x, y: x + y,
    lambda ns, x, y: x - 0.5 * y,
    lambda ns, x, y: x * ns.tanh(y),
    lambda ns, x, y: ns.where(x > y, x, 0.5 * y),
    lambda ns, x, y: x / (1.0 + y * y),
]


@dataclass
class RandomScan:
    """One random loop of vectors of one length.

    Attributes
    ----------
    steps, length : int
        Number of steps; length of every vector.
    sequences : list of tuple of int
        Taps of each sequence.
    outputs : list of tuple of int
        Taps of each output; () where steps do not see it.
    """

    seed: int
    dtype: str
    steps: int
    length: int
    sequences: list[tuple[int, ...]]
    outputs: list[tuple[int, ...]]
    product: bool
    stops: bool
    backwards: bool
    explicit: bool
    plan: list[tuple[int, int, int, int]] = field(default_factory=list)
    picks: list[int] = field(default_factory=list)
    nested: bool = False

    # ---- the step, for both kinds of values

    def step(self, ns: Any, given: list[Any], vector: Any, matrix: Any) -> list[Any]:
        """Values of the outputs."""
        pool = [*given, vector]
        if self.product:
            pool.append(ns.dot(pool[-2 % len(pool)], matrix) * 0.5)
        for kind, which, a, b in self.plan:
            x, y = pool[a % len(pool)], pool[b % len(pool)]
            if kind == 0:
                pool.append(Unary[which % len(Unary)](ns, x))
            else:
                pool.append(Binary[which % len(Binary)](ns, x, y))
        return [pool[-1 - p % min(4, len(pool))] for p in self.picks]

    # ---- operands

    def arrays(self) -> list[np.ndarray[Any, Any]]:
        """Sequences, first values, a vector and a matrix."""
        rng = np.random.default_rng(self.seed + 1)

        def made(*shape: int) -> np.ndarray[Any, Any]:
            return rng.normal(size=shape).astype(self.dtype) * np.asarray(0.7, self.dtype)

        spans = [max(0, *t) - min(0, *t) for t in self.sequences]
        extra = [int(rng.integers(3)) if self.explicit else 0 for _ in spans]
        arrays = [made(self.steps + s + e, self.length) for s, e in zip(spans, extra, strict=True)]
        for taps in self.outputs:
            if taps == (-1,):
                arrays.append(made(self.length))
            elif taps:
                arrays.append(made(-min(taps), self.length))
        return [*arrays, made(self.length), made(self.length, self.length)]

    def variables(self) -> list[Any]:
        """Symbolic operands, one per array."""
        kinds = {1: T.vector, 2: T.matrix}
        return [
            kinds[a.ndim](f"x{k}", dtype=self.dtype) for k, a in enumerate(self.arrays())
        ]

    # ---- the loop, by symc and by hand

    def _counts(self) -> tuple[int, int]:
        return len(self.sequences), sum(bool(t) for t in self.outputs)

    def symbolic(self, variables: list[Any]) -> list[Any]:
        """Outputs by `symc.scan`."""
        n, m = self._counts()
        sequences, first = variables[:n], iter(variables[n : n + m])
        vector, matrix = variables[n + m :]

        def fn(*given: Any) -> Any:
            *values, v, w = given
            outs = self.step(Symbolic, values, v, w)
            return (outs, until(outs[0].sum() > 1.5)) if self.stops else outs

        info = [{"initial": next(first), "taps": list(t)} if t else None for t in self.outputs]
        taken = [
            {"input": s, "taps": list(t)} for s, t in zip(sequences, self.sequences, strict=True)
        ]
        outs, updates = symc.scan(
            fn,
            sequences=taken,
            outputs_info=info,
            non_sequences=[vector, matrix],
            n_steps=self.steps if self.explicit or not taken else None,
            go_backwards=self.backwards,
            return_list=True,
        )
        assert not updates
        return outs

    def unrolled(self, ns: Any, values: list[Any]) -> list[list[Any]]:
        """Rows of the outputs, step by step; on arrays or on variables."""
        n, m = self._counts()
        sequences, first = values[:n], iter(values[n : n + m])
        vector, matrix = values[n + m :]
        past: list[list[Any]] = []
        for taps in self.outputs:
            start = next(first) if taps else None
            if taps == (-1,):
                past.append([start])
            else:
                past.append([start[k] for k in range(-min(taps))] if taps else [])
        starts = [len(p) for p in past]
        lengths = [a.shape[0] for a in self.arrays()[:n]]
        for t in range(self.steps):
            given = []
            for s, taps, length in zip(sequences, self.sequences, lengths, strict=True):
                before, after = -min(0, *taps), max(0, *taps)
                place = length - 1 - after - t if self.backwards else before + t
                given += [s[place + tap] for tap in taps]
            for taps, rows in zip(self.outputs, past, strict=True):
                given += [rows[len(rows) + tap] for tap in taps]
            outs = self.step(ns, given, vector, matrix)
            for rows, out in zip(past, outs, strict=True):
                rows.append(out)
            if self.stops and outs[0].sum() > 1.5:
                break
        return [rows[k:] for rows, k in zip(past, starts, strict=True)]

    def by_hand(self) -> list[np.ndarray[Any, Any]]:
        """The outputs as arrays, by a loop in NumPy."""
        rows = self.unrolled(Numeric, self.arrays())
        return [
            np.array(r, self.dtype).reshape(len(r), self.length) if not r else np.stack(r)
            for r in rows
        ]


def random_scan(seed: int, differentiable: bool = False) -> RandomScan:
    """A random loop.

    Parameters
    ----------
    seed : int
    differentiable : bool
        Whether its gradient will be compared with that of the unrolled graph: no condition, and
        at least one step.
    """
    rng = np.random.default_rng(seed)

    def chance(p: float) -> bool:
        return bool(rng.random() < p)

    steps = int(rng.choice(LENGTHS[1:] if differentiable else LENGTHS))
    taps = [(0,), (0,), (0,), (-1, 0), (0, 1), (-2,), (1,), (0, -1, 2)]
    lags = [(-1,), (-1,), (-2, -1), (-3,), (-1, -3), ()]
    count = int(rng.integers(0, 3))
    sequences = [taps[int(rng.integers(len(taps)))] for _ in range(count)]
    outputs = [lags[int(rng.integers(len(lags)))] for _ in range(int(rng.integers(1, 4)))]
    if not count and not any(outputs):
        outputs[0] = (-1,)
    return RandomScan(
        seed,
        str(rng.choice(["float64", "float64", "float32"])),
        steps,
        int(rng.choice(LENGTHS[1:])) if not chance(0.1) else 0,
        sequences,
        outputs,
        chance(0.5),
        not differentiable and chance(0.25),
        chance(0.3),
        chance(0.5),
        [tuple(map(int, rng.integers(0, 1000, 4) % [2, 1000, 1000, 1000])) for _ in range(4)],
        [int(k) for k in rng.integers(0, 4, len(outputs))],
    )
