"""The loops of connectionist temporal classification: one input of a batch after the other.

Along an axis of `steps` positions a path goes through the symbols of a labelling, with a blank
before, between and behind the labels. ``alpha[t, s]`` is the logarithm of the probability of all
beginnings that are at symbol `s` at step `t`, ``beta[t, s]`` that of all ends that come after it;
a path may stay, go to the next symbol, and skip a blank between labels that differ.

Logarithms are float64 for every type of the activations. Rows have two elements more than there
are symbols, of log 0, so that no symbol needs another formula than its neighbours, and symbols are
filled up to whole vectors with some that are never emitted.
"""

from __future__ import annotations

from typing import Any

from ..scalar.arith import add, maximum, minimum
from ..scalar.expr import Expr
from ..scalar.logic import and_, eq, ge, gt, lt, neq, or_, switch
from ..scalar.logic import cast as cast_scalar
from ..scalar.math import exp, log

LANES = 16
"""Accumulators of a sum or maximum over classes, so that several elements are added at once."""
BLOCK = 8
"""Symbols are computed in whole blocks; those that are too many are never emitted."""
LABEL, LENGTH = 0, 1
"""Reasons for which the loops fail."""


def write_alignments(b: Any, ins: Any, outs: Any) -> None:
    """Write the checks of labels and lengths, then a parallel loop over the batch.

    Parameters
    ----------
    b : Builder
    ins : sequence of ArrayRef
        Activations (steps, batch, classes), labels (batch, longest) and lengths (batch).
    outs : sequence of ArrayRef
        Costs (batch) and, where they are wanted, gradients (steps, batch, classes).
    """
    x, labels, lengths = ins
    steps, batch, classes = b.shape(x)
    with b.loop(batch) as i:
        length = b.let(cast_scalar(b.load(lengths, i), "int64"))
        b.fail_if(or_(lt(length, 0), gt(length, steps)), LENGTH, length, steps)
        with b.loop(b.dim(labels, 1)) as k:
            label = b.let(cast_scalar(b.load(labels, (i, k)), "int64"))
            b.fail_if(ge(label, classes), LABEL, label, classes)
    with b.loop(batch, "parallel") as i:
        _Input(b, ins, outs, i).write()


def _whole_blocks(count: Expr) -> Expr:
    """`count`, rounded up to whole blocks."""
    return (count + (BLOCK - 1)) // BLOCK * BLOCK


class _Input:
    """Writes the statements for input `i` of the batch."""

    def __init__(self, b: Any, ins: Any, outs: Any, i: Expr) -> None:
        self.b, self.i = b, i
        self.x, self.labels, self.lengths = ins
        self.costs = outs[0]
        self.gradient: Any = outs[1] if len(outs) > 1 else None
        self.steps, _, self.classes = b.shape(self.x)
        self.work = "float64" if self.x.dtype == "float64" else "float32"
        self.nothing = b.const(float("-inf"), "float64")

    def write(self) -> None:
        """All statements: the cost, and the gradient of every step."""
        b, i = self.b, self.i
        width = self.width = b.let(_whole_blocks(2 * b.dim(self.labels, 1) + 1) + 2)
        length = b.let(cast_scalar(b.load(self.lengths, i), "int64"))
        self.length = b.let(switch(gt(self.classes, 0), length, b.integer(0)))
        zero = b.const(0, self.costs.dtype)
        with b.if_(eq(self.length, 0)):
            b.store(self.costs, i, zero)
            self._no_gradient(b.integer(0))
        with b.else_():
            self.alpha = b.scratch("float64", self.steps * width)
            self.norm = b.scratch("float64", self.steps)
            self.emitted = b.scratch("float64", width, self.nothing)
            self.skip = b.scratch("float64", width, self.nothing)
            self.ends = b.scratch("float64", width, self.nothing)
            self.after = b.scratch("float64", width)
            self._labels()
            with b.loop(self.length) as t:
                self._softmax(t)
            self._beginnings()
            self._cost()

    def _no_gradient(self, first: Expr) -> None:
        """Zeros from step `first` on."""
        if self.gradient is None:
            return
        b, zero = self.b, self.b.const(0, self.gradient.dtype)
        with b.loop(self.steps, start=first) as t, b.loop(self.classes) as c:
            b.store(self.gradient, (t, self.i, c), zero)

    def _label(self, k: Expr) -> Expr:
        return cast_scalar(self.b.load(self.labels, (self.i, k)), "int64")

    def _labels(self) -> None:
        """Count the labels, and note which symbols can be reached from the last but one."""
        b = self.b
        count, most = b.mutable(b.integer(0)), b.dim(self.labels, 1)
        with b.loop(most) as k:
            going = and_(eq(count, k), ge(self._label(k), 0))
            b.assign(count, count + cast_scalar(going, "int64"))
        self.count = b.let(count)
        self.symbols = b.let(2 * count + 1)
        self.places = b.let(_whole_blocks(self.symbols))
        with b.loop(self.count, start=1) as k:
            label, before = b.let(self._label(k)), b.let(self._label(k - 1))
            other = and_(neq(label, before), neq(label * before, 0))
            b.store(self.skip, 2 * k + 1, switch(other, b.const(0.0, "float64"), self.nothing))

    # ---- probabilities of classes

    def _softmax(self, t: Expr) -> None:
        """Store the logarithm of the divisor of a softmax, and it as the step's gradient so far."""
        b, i = self.b, self.i
        largest = b.let(self._over_classes(
            maximum, float("-inf"), self.work, lambda c: self._activation(t, c)
        ))
        shift = b.let(switch(eq(largest, b.const(float("-inf"), self.work)),
                             b.const(0.0, self.work), largest))

        def power(c: Expr) -> Expr:
            value = b.let(exp(self._activation(t, c) - shift))
            if self.gradient is not None:
                b.store(self.gradient, (t, i, c), cast_scalar(value, self.gradient.dtype))
            return cast_scalar(value, "float64")

        total = b.let(self._over_classes(add, 0.0, "float64", power))
        b.store(self.norm, t, cast_scalar(shift, "float64") + log(total))
        if self.gradient is None:
            return
        scale = b.let(cast_scalar(b.const(1.0, "float64") / total, self.work))
        with b.loop(self.classes, "simd") as c:
            value = cast_scalar(b.load(self.gradient, (t, i, c)), self.work) * scale
            b.store(self.gradient, (t, i, c), cast_scalar(value, self.gradient.dtype))

    def _activation(self, t: Expr, c: Expr) -> Expr:
        return cast_scalar(self.b.load(self.x, (t, self.i, c)), self.work)

    def _over_classes(self, op: Any, start: float, dtype: str, value: Any) -> Expr:
        """Combine values of all classes, `LANES` side by side."""
        b = self.b
        whole = b.let(self.classes - self.classes % LANES)
        parts = b.array(dtype, LANES, b.const(start, dtype))
        with b.loop(whole, step=LANES) as c, b.loop(LANES, "simd") as lane:
            b.store(parts, lane, op(b.load(parts, lane), value(c + lane)))
        with b.loop(self.classes, start=whole) as c:
            b.store(parts, 0, op(b.load(parts, 0), value(c)))
        total = b.mutable(b.const(start, dtype))
        with b.loop(LANES) as lane:
            b.assign(total, op(total, b.load(parts, lane)))
        return total

    def _emit(self, t: Expr) -> None:
        """Logarithms of the probabilities of the symbols at a step."""
        b = self.b
        norm = b.let(b.load(self.norm, t))

        def logp(c: Expr) -> Expr:
            value = b.load(self.x, (t, self.i, c))
            return b.let(cast_scalar(value, "float64") - norm)

        blank = logp(b.integer(0))
        b.store(self.emitted, 0, blank)
        with b.loop(self.count) as k:
            b.store(self.emitted, 2 * k + 1, logp(self._label(k)))
            b.store(self.emitted, 2 * k + 2, blank)

    # ---- sums over paths

    def _sum(self, first: Expr, second: Expr, third: Expr) -> Expr:
        """The logarithm of the sum of three numbers given by theirs: the largest counts as 1."""
        b = self.b
        none, one = b.const(0.0, "float64"), b.const(1.0, "float64")
        a, c, d = (b.let(v) for v in (first, second, third))
        low, high = b.let(minimum(a, c)), b.let(maximum(a, c))
        largest = b.let(maximum(high, d))
        empty = b.let(eq(largest, self.nothing))
        shift = b.let(switch(empty, none, largest))
        others = exp(minimum(low, d) - shift) + exp(maximum(low, minimum(high, d)) - shift)
        return shift + log(switch(empty, none, one) + others)

    def _beginnings(self) -> None:
        """Compute alpha, in rows that begin with two elements of log 0."""
        b, alpha, width = self.b, self.alpha, self.width
        with b.loop(self.length) as t:
            b.store(alpha, t * width, self.nothing)
            b.store(alpha, t * width + 1, self.nothing)
        self._emit(b.integer(0))
        with b.loop(self.places, "simd") as s:
            first = switch(lt(s, 2), b.load(self.emitted, s), self.nothing)
            b.store(alpha, s + 2, first)
        with b.loop(self.length, start=1) as t:
            self._emit(t)
            before, now = b.let((t - 1) * width), b.let(t * width)
            with b.loop(self.places, "simd") as s:
                total = self._sum(
                    b.load(alpha, before + s + 2),
                    b.load(alpha, before + s + 1),
                    b.load(alpha, before + s) + b.load(self.skip, s),
                )
                b.store(alpha, now + s + 2, total + b.load(self.emitted, s))

    def _cost(self) -> None:
        """The cost, and the gradient where a path exists."""
        b, i = self.b, self.i
        end = b.let((self.length - 1) * self.width + self.symbols)
        total = b.let(self._sum(
            b.load(self.alpha, end + 1), b.load(self.alpha, end), self.nothing
        ))
        b.store(self.costs, i, cast_scalar(-total, self.costs.dtype))
        if self.gradient is None:
            return
        with b.if_(eq(total, self.nothing)):
            self._no_gradient(b.integer(0))
        with b.else_():
            self._no_gradient(self.length)
            self._shares(total)

    def _shares(self, total: Expr) -> None:
        """Subtract from the softmax what share of the paths is at each symbol, backwards in time.

        ``ends[s]`` is ``beta[t, s]``; ``after[s]`` that of the step after it, with what is emitted
        there.
        """
        b, last, places = self.b, self.symbols - 1, self.places
        b.store(self.ends, last, b.const(0.0, "float64"))
        with b.if_(gt(last, 0)):
            b.store(self.ends, last - 1, b.const(0.0, "float64"))
        with b.loop(self.length) as back:
            t = b.let(self.length - 1 - back)
            self._emit(t)
            row = b.let(t * self.width + 2)
            with b.loop(places, "simd") as s:
                end = b.let(b.load(self.ends, s))
                share = exp(b.load(self.alpha, row + s) + end - total)
                b.store(self.after, s, end + b.load(self.emitted, s))
                b.store(self.ends, s, share)
            self._subtract(t)
            b.store(self.after, places, self.nothing)
            b.store(self.after, places + 1, self.nothing)
            with b.loop(places, "simd") as s:
                end = self._sum(
                    b.load(self.after, s),
                    b.load(self.after, s + 1),
                    b.load(self.after, s + 2) + b.load(self.skip, s + 2),
                )
                b.store(self.ends, s, end)

    def _subtract(self, t: Expr) -> None:
        """Subtract the shares, which are where beta was, from the gradient of a step."""
        b, i = self.b, self.i
        blank = b.mutable(b.load(self.ends, 0))

        def take(c: Expr, share: Expr) -> None:
            value = b.load(self.gradient, (t, i, c)) - cast_scalar(share, self.gradient.dtype)
            b.store(self.gradient, (t, i, c), value)

        with b.loop(self.count) as k:
            take(b.let(self._label(k)), b.load(self.ends, 2 * k + 1))
            b.assign(blank, blank + b.load(self.ends, 2 * k + 2))
        take(b.integer(0), blank)
