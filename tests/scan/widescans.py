"""Random loops of many kinds of values: a step that runs on variables and on NumPy arrays.

Beyond `randomscans`: states that are numbers, vectors and matrices of several dtypes, loops and
branches inside, draws, updates of shared variables, sequences of unequal lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.gradient import zero_grad
from symc.ifelse import ifelse
from symc.scan_module import until
from symc.tensor.shared_randomstreams import RandomStreams

DTYPES = ("float64", "float64", "float32", "int64", "int8", "bool", "complex128")
FLOATS = ("float64",)
STREAM_SEED = 11


class Symbolic:
    """What a step calls, on variables."""

    tanh, sin, exp, absolute = map(staticmethod, (T.tanh, T.sin, T.exp, abs))
    where, minimum, maximum = map(staticmethod, (T.switch, T.minimum, T.maximum))

    def __init__(self) -> None:
        self.begin()

    @staticmethod
    def cast(x: Any, dtype: str) -> Any:
        return T.cast(x, dtype)

    @staticmethod
    def total(x: Any) -> Any:
        return x.sum()

    @staticmethod
    def imaginary(x: Any) -> Any:
        return T.imag(x)

    @staticmethod
    def branch(condition: Any, a: Any, b: Any) -> Any:
        return ifelse(condition, a, b)

    def begin(self) -> None:
        """Forget what an earlier call of the step has drawn and updated."""
        self.streams, self.updates = RandomStreams(STREAM_SEED), {}

    def draw(self, length: int, site: str) -> Any:
        return self.streams.uniform((length,), dtype="float64")

    @staticmethod
    def read(shared: Any) -> Any:
        return shared

    def write(self, shared: Any, value: Any) -> None:
        self.updates[shared] = value

    def loop(self, step: Any, rows: Any, start: Any, steps: int, stops: bool) -> Any:
        def fn(*given: Any) -> Any:
            new = step(*given)
            return (new, until(new.sum() > 2.0)) if stops else new

        values, updates = symc.scan(
            fn, sequences=rows, outputs_info=start, n_steps=None if rows is not None else steps
        )
        self.updates.update(updates)
        return values[-1]


class Unrolled(Symbolic):
    """The same, without loops."""

    @staticmethod
    def loop(step: Any, rows: Any, start: Any, steps: int, stops: bool) -> Any:
        assert not stops
        for t in range(steps):
            start = step(start) if rows is None else step(rows[t], start)
        return start


class Numeric:
    """The same, on arrays."""

    tanh, sin, exp, absolute = map(staticmethod, (np.tanh, np.sin, np.exp, np.abs))
    where, minimum, maximum = map(staticmethod, (np.where, np.minimum, np.maximum))

    def __init__(self) -> None:
        self.streams = RandomStreams(STREAM_SEED)
        self.drawn: dict[str, Any] = {}
        self.values: dict[Any, Any] = {}
        self.later: dict[Any, Any] = {}

    @staticmethod
    def cast(x: Any, dtype: str) -> Any:
        return np.asarray(x).astype(dtype)

    @staticmethod
    def total(x: Any) -> Any:
        x = np.asarray(x)
        return np.sum(x, dtype=x.dtype if x.dtype.kind in "fc" else None)

    @staticmethod
    def imaginary(x: Any) -> Any:
        return np.imag(x)

    @staticmethod
    def branch(condition: Any, a: Any, b: Any) -> Any:
        return a if condition else b

    def draw(self, length: int, site: str) -> Any:
        if site not in self.drawn:
            draw = self.streams.uniform((length,), dtype="float64")
            self.drawn[site] = symc.function([], draw, mode="NUMPY")
        return self.drawn[site]()

    def read(self, shared: Any) -> Any:
        return self.values.setdefault(shared, shared.get_value())

    def write(self, shared: Any, value: Any) -> None:
        self.later[shared] = value

    @staticmethod
    def loop(step: Any, rows: Any, start: Any, steps: int, stops: bool) -> Any:
        for t in range(steps):
            start = step(start) if rows is None else step(rows[t], start)
            if stops and start.sum() > 2.0:
                break
        return start


def _as_float(ns: Any, x: Any, dtype: str) -> Any:
    if dtype.startswith("complex"):
        return ns.cast(ns.imaginary(x), "float64")
    return ns.cast(x, "float64")


def _fitted(ns: Any, x: Any, rank: int, dtype: str, model: Any) -> Any:
    """A float64 value of the rank of a state, as a value of its dtype and shape."""
    if x.ndim > rank:
        x = ns.total(x) * 0.25 if rank == 0 else x[0]
    if dtype == "bool":
        return ns.cast(x > 0.1, "bool") & ~model | (ns.cast(x, "float64") < -0.2) & model
    if dtype.startswith("int"):
        return ns.cast((ns.cast(ns.maximum(ns.minimum(x * 4, 50.0), -50.0), dtype) + model) // 2,
                       dtype)
    if dtype.startswith("complex"):
        return model * (0.3 + 0.2j) + ns.cast(x, dtype)
    return ns.cast(0.5 * model, dtype) + ns.cast(0.4 * x, dtype)


FLOAT_STEPS: list[Callable[..., Any]] = [
    lambda ns, x, y: ns.tanh(x) * 0.5 + 0.25 * y,
    lambda ns, x, y: ns.sin(x) - 0.5 * y * x,
    lambda ns, x, y: ns.where(x > 0.1 * y, x, 0.5 * y),
    lambda ns, x, y: ns.maximum(x, 0.3) * 0.5 + y * 0.125,
    lambda ns, x, y: ns.exp(-(x * x)) + 0.125 * ns.total(ns.tanh(y)),
    lambda ns, x, y: ns.branch(ns.total(x) > 0.2, x * 0.5, 0.25 - x) + 0.1 * y,
    lambda ns, x, y: ns.branch(ns.total(y) > 0.2, x * 0.5, x * x),
    lambda ns, x, y: ns.absolute(x - 0.3) * 0.5 + y * y * 0.1,
]


@dataclass
class WideScan:
    """One random loop; all its choices come from `seed`.

    Attributes
    ----------
    steps : int
    length : int
        Of vectors and of the rows of matrices.
    states : list of (str, int, tuple of int)
        Dtype, rank and taps of each output; () where steps do not see it.
    sequences : list of (int, tuple of int, int)
        Rank of the elements, taps, and further elements that no step reaches.
    """

    seed: int
    steps: int
    length: int
    states: list[tuple[str, int, tuple[int, ...]]]
    sequences: list[tuple[int, tuple[int, ...], int]]
    backwards: bool
    stops: bool
    nested: str
    draws: bool
    shares: bool
    truncate: int
    plan: list[tuple[int, int, int]]

    # ---- operands

    def arrays(self) -> list[np.ndarray[Any, Any]]:
        """Sequences, and first values."""
        rng = np.random.default_rng(self.seed + 1)
        found = []
        for rank, taps, more in self.sequences:
            span = max(0, *taps) - min(0, *taps)
            found.append(self._made(rng, "float64", (self.steps + span + more,), rank))
        for dtype, rank, taps in self.states:
            if taps:
                lead = () if taps == (-1,) else (-min(taps),)
                found.append(self._made(rng, dtype, lead, rank))
        return found

    def _made(self, rng: Any, dtype: str, lead: tuple[int, ...], rank: int) -> Any:
        shape = (*lead, *((3, self.length)[2 - rank :] if rank else ()))
        values = rng.normal(size=shape) * 0.7
        if dtype == "bool":
            return np.asarray(values > 0)
        if dtype.startswith("int"):
            return np.asarray(np.round(values * 5)).astype(dtype)
        if dtype.startswith("complex"):
            return np.asarray(values + 1j * rng.normal(size=shape)).astype(dtype)
        return np.asarray(values).astype(dtype)

    def variables(self) -> list[Any]:
        """Symbolic operands, one per array."""
        return [
            T.TensorType(str(a.dtype), (False,) * a.ndim)(f"x{k}")
            for k, a in enumerate(self.arrays())
        ]

    # ---- the step

    def step(self, ns: Any, given: list[Any], shared: Any) -> list[Any]:
        """New values of the outputs, from elements of sequences and rows of states."""
        taken = sum(len(taps) for _, taps, _ in self.sequences)
        pool = list(given[:taken])
        rows, place = [], taken
        for dtype, _, taps in self.states:
            rows.append(given[place : place + len(taps)])
            pool += [_as_float(ns, v, dtype) for v in rows[-1]]
            place += len(taps)
        if self.draws:
            pool.append(ns.draw(self.length, "step"))
        if self.shares:
            held = ns.read(shared)
            pool.append(held)
        for which, a, b in self.plan:
            x, y = pool[a % len(pool)], pool[b % len(pool)]
            if x.ndim < y.ndim:
                x, y = y, x
            pool.append(FLOAT_STEPS[which % len(FLOAT_STEPS)](ns, x, y))
        if self.nested:
            pool.append(self._inner(ns, pool))
        if self.shares:
            last = pool[-1]
            ns.write(shared, held * 0.5 + ns.total(last) * 0.1)
        outs = []
        for k, (dtype, rank, _) in enumerate(self.states):
            x = pool[-1 - k % len(pool)]
            model = rows[k][-1] if rows[k] else self._zero(ns, dtype)
            if x.ndim < rank and not rows[k]:
                rank = x.ndim
            outs.append(_fitted(ns, x, rank, dtype, model))
        return outs

    def _zero(self, ns: Any, dtype: str) -> Any:
        return ns.cast(np.zeros((), dtype), dtype) if isinstance(ns, Numeric) else (
            T.constant(np.zeros((), dtype))
        )

    def _inner(self, ns: Any, pool: list[Any]) -> Any:
        vectors = [v for v in pool if v.ndim == 1] or [ns.total(pool[-1]) + np.zeros(self.length)]
        start = vectors[-1]
        matrices = [v for v in pool if v.ndim == 2]
        rows = matrices[-1] if matrices and "rows" in self.nested else None
        stops = "until" in self.nested
        if "draws" in self.nested:
            return ns.loop(
                lambda s: s * 0.5 + ns.draw(self.length, "inner"), None, start, 3, stops
            )
        if rows is None:
            return ns.loop(lambda s: ns.tanh(s) * 0.9 + 0.1, None, start, 3, stops)
        return ns.loop(lambda r, s: ns.tanh(s * 0.5 + r), rows, start, 3, stops)

    # ---- the loop, by symc and by hand

    def new_shared(self) -> Any:
        """The shared variable that steps update."""
        return symc.shared(np.linspace(-0.5, 0.5, self.length), f"shared{self.seed}")

    def symbolic(self, variables: list[Any], shared: Any = None) -> tuple[list[Any], Any]:
        """Outputs by `symc.scan`, and its updates."""
        n = len(self.sequences)
        first = iter(variables[n:])
        ns = Symbolic()

        def fn(*given: Any) -> Any:
            ns.begin()
            outs = self.step(ns, list(given), shared)
            result: list[Any] = [outs]
            if self.shares or (ns.updates and self.seed % 2):
                result.append(ns.updates)
            if self.stops:
                result.append(until(T.cast(abs(outs[0]), "float64").sum() > 1.5))
            return tuple(result) if len(result) > 1 else outs

        info: list[Any] = []
        for _, _, taps in self.states:
            if taps == (-1,):
                info.append(next(first))
            else:
                info.append({"initial": next(first), "taps": list(taps)} if taps else None)
        return symc.scan(
            fn,
            sequences=[
                {"input": s, "taps": list(taps)}
                for s, (_, taps, _) in zip(variables, self.sequences, strict=False)
            ],
            outputs_info=info,
            n_steps=None if self.sequences and not self.sequences[0][2] else self.steps,
            go_backwards=self.backwards,
            truncate_gradient=self.truncate,
            return_list=True,
        )

    def unrolled(self, ns: Any, values: list[Any], shared: Any = None) -> list[list[Any]]:
        """Rows of the outputs, step by step; on arrays or on variables."""
        n = len(self.sequences)
        first, past = iter(values[n:]), []
        for _, _, taps in self.states:
            start = next(first) if taps else None
            past.append([start] if taps == (-1,) else
                        [start[k] for k in range(-min(taps))] if taps else [])
        starts = [len(p) for p in past]
        lengths = [len(a) for a in self.arrays()[:n]]
        for t in range(self.steps):
            given = []
            for s, (_, taps, _), length in zip(values, self.sequences, lengths, strict=False):
                before, after = -min(0, *taps), max(0, *taps)
                place = length - 1 - after - t if self.backwards else before + t
                given += [s[place + tap] for tap in taps]
            for (_, _, taps), rows in zip(self.states, past, strict=True):
                given += [rows[len(rows) + tap] for tap in taps]
            outs = self.step(ns, given, shared)
            if isinstance(ns, Symbolic) and 0 <= self.truncate < self.steps - t:
                outs = [zero_grad(v) for v in outs]
            for rows, out in zip(past, outs, strict=True):
                rows.append(out)
            if isinstance(ns, Numeric):
                ns.values.update(ns.later)
                if self.stops and np.abs(outs[0]).astype("float64").sum() > 1.5:
                    break
        return [rows[k:] for rows, k in zip(past, starts, strict=True)]


def wide_scan(seed: int, differentiable: bool = False) -> WideScan:
    """A random loop; one whose gradient is that of the unrolled graph, if `differentiable`."""
    rng = np.random.default_rng(seed)

    def one_of(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    lags = [(-1,), (-1,), (-2, -1), (-1, -3), (-4,), (-1, -2, -5), ()]
    reach = [(0,), (0,), (-1, 0), (2,), (-3, 1), (0, 3), (1,)]
    truncate = one_of(-1, -1, 1, 2, 5) if differentiable else -1
    if truncate >= 0:
        lags = [(-1,)]
    sequences = [
        (one_of(0, 1, 1, 2), one_of(*reach), one_of(0, 0, 1, 3)) for _ in range(one_of(0, 1, 2, 3))
    ]
    kinds = FLOATS if differentiable else DTYPES
    states = [(one_of(*kinds), one_of(0, 1, 1, 2), one_of(*lags)) for _ in range(one_of(1, 2, 3))]
    if not sequences and not any(taps for _, _, taps in states):
        states[0] = (*states[0][:2], (-1,))
    nested = one_of("", "", "", "rows", "plain", "plain" if differentiable else "draws")
    if nested and not differentiable and one_of(True, False):
        nested += " until"
    return WideScan(
        seed,
        one_of(1, 2, 4, 6) if differentiable else one_of(0, 1, 2, 5, 7),
        one_of(1, 2, 5) if differentiable else one_of(0, 1, 2, 5),
        states,
        sequences,
        one_of(True, False, False),
        not differentiable and one_of(True, False, False),
        nested,
        not differentiable and one_of(True, False, False),
        not differentiable and one_of(True, False, False),
        truncate,
        [tuple(int(k) for k in rng.integers(0, 1000, 3)) for _ in range(one_of(1, 2, 4))],
    )
