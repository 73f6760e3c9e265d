"""The cases in symc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networks_symc
import numpy as np
import symc
import symc.tensor as T
from case import RATE
from cases_loops import DECAY, SLOWLY, orbit_steps
from cases_models import chain
from cases_networks import NAMES as NETWORKS
from cases_random import DRAWS, KEEP
from symc import function, shared
from symc.runtime import trim_memory
from symc.scan_module import scan_checkpoints
from symc.tensor.shared_randomstreams import RandomStreams

LOOPS = ("recurrence", "autoregression", "lstm", "gru", "checkpointed")
KINDS = {
    ("float64", 1): T.dvector,
    ("float32", 1): T.fvector,
    ("float32", 2): T.fmatrix,
    ("float64", 2): T.dmatrix,
    ("float32", 3): T.ftensor3,
}

PLAIN: dict[str, Callable[..., Any]] = {
    "small": lambda v: v * 2 + 1,
    "square": lambda a, b: a**2 + b**2 + 2 * a * b,
    "functions": lambda a, b, c: T.tanh(T.exp(-a * a) * T.sin(b) + 1 / (1 + T.exp(-c))),
    "add": lambda a, b: a + b,
    "sum": lambda x: x.sum(),
    "softmax": lambda x: symc.softmax(x, axis=1),
    "var": lambda x: x.var(axis=0),
    "logsumexp": lambda x: T.logsumexp(x, axis=1),
}


def _training(operands: list[Any]) -> Callable[[], Any]:
    x, y, *values = operands
    images, labels = T.fmatrix("images"), T.lvector("labels")
    parameters = [shared(v) for v in values]
    *hidden, w, b = parameters
    seen = T.tanh(T.dot(images, hidden[0]) + hidden[1]) if hidden else images
    logs = T.log(T.nnet.softmax(T.dot(seen, w) + b))
    loss = -T.mean(logs[T.arange(labels.shape[0]), labels])
    slopes = symc.grad(loss, parameters)
    updates = [(p, p - RATE * g) for p, g in zip(parameters, slopes, strict=True)]
    step = function([images, labels], loss, updates=updates)
    return lambda: step(x, y)


def _log_posterior(operands: list[Any]) -> Callable[[], Any]:
    x, y, point = operands
    t = T.dvector("t")
    w, mean, scale = t[:10], t[10], t[11]
    z = T.dot(x, w)
    value = T.sum(y * z - T.nnet.softplus(z)) - 0.5 * T.sum(((w - mean) / T.exp(scale)) ** 2)
    value = value - 10 * scale - 0.5 * mean * mean - 0.5 * scale * scale
    compiled = function([t], [value, symc.grad(value, t)])
    return lambda: compiled(point)


def _lstm(x: Any, mask: Any, w: Any, b: Any) -> list[Any]:
    n = len(w.get_value(borrow=True))

    def step(m: Any, xt: Any, h: Any, c: Any) -> Any:
        p = T.dot(h, w) + xt + b
        i, f, o = (T.nnet.sigmoid(p[:, k * n : (k + 1) * n]) for k in range(3))
        new = f * c + i * T.tanh(p[:, 3 * n :])
        m = m[:, None]
        return m * o * T.tanh(new) + (1 - m) * h, m * new + (1 - m) * c

    start = T.zeros((x.shape[1], n), dtype="float32")
    (states, _), _ = symc.scan(step, [mask, x], [start, start])
    cost = (states**2).mean()
    return [cost, *symc.grad(cost, [w, b])]


def _gru(x: Any, w: Any) -> list[Any]:
    n = len(w.get_value(borrow=True))

    def step(xt: Any, h: Any) -> Any:
        p = T.dot(h, w)
        z, r = (T.nnet.sigmoid((p + xt)[:, k * n : (k + 1) * n]) for k in range(2))
        candidate = T.tanh(xt[:, 2 * n :] + r * p[:, 2 * n :])
        return z * h + (1 - z) * candidate

    states, _ = symc.scan(step, x, T.zeros((x.shape[1], n), dtype="float32"))
    cost = (states**2).mean()
    return [cost, symc.grad(cost, w)]


def _loop(case: Any, variables: list[Any], operands: list[Any]) -> Callable[..., Any]:
    """One of the loops, compiled for the variables it has not been given as shared ones."""
    if case.name.startswith("lstm"):
        weights = [shared(a) for a in operands[2:]]
        return function(variables[:2], _lstm(*variables[:2], *weights))
    if case.name == "gru":
        return function(variables[:1], _gru(variables[0], shared(operands[1])))
    if case.name == "autoregression":
        zero = T.zeros((), dtype="float64")
        states, _ = symc.scan(lambda row, h: DECAY * h + row, variables, zero)
        return function(variables, states)
    if case.name.startswith("checkpointed"):
        steps = orbit_steps(case.name)
        rows, _ = scan_checkpoints(
            lambda h: h + SLOWLY * T.sin(h),
            outputs_info=variables[0],
            n_steps=steps,
            save_every_N=round(steps**0.5),
        )
        return function(variables, symc.grad(rows[-1].sum(), variables[0]))
    x, start = variables
    states, _ = symc.scan(lambda row, h: T.tanh(DECAY * h + row), x, start)
    if case.name == "recurrence":
        return function(variables, states)
    total = states.sum()
    return function(variables, [total, symc.grad(total, start)])


def _random(case: Any, variables: list[Any]) -> Any:
    """A draw, or the variable with draws dropped."""
    streams = RandomStreams(0)
    if case.name == "normal":
        return streams.normal((DRAWS,), dtype="float32")
    (x,) = variables
    keep = np.float32(KEEP)
    return x * streams.binomial(x.shape, p=keep, dtype="float32") / keep


give_back = trim_memory


def make(case: Any, operands: list[Any]) -> Callable[[], Any] | None:
    """A function of no arguments that does the work once."""
    if case.name in ("logistic", "mlp"):
        return _training(operands)
    if case.name in NETWORKS:
        return networks_symc.make(case, operands)
    if case.name == "hierarchical":
        return _log_posterior(operands)
    variables = [KINDS[str(a.dtype), a.ndim]() for a in operands]
    if case.name == "chain":
        total = chain(variables[0], T.sin, T.tanh).sum()
        compiled = function(variables, [total, symc.grad(total, variables[0])])
    elif case.name.startswith(LOOPS):
        compiled = _loop(case, variables, operands)
        operands = operands[: 1 if case.name == "gru" else 2]  # weights are shared variables
    elif case.name in ("normal", "dropout"):
        compiled = function(variables, _random(case, variables))
    else:
        compiled = function(variables, PLAIN[case.name.split("_")[0]](*variables))
    if not operands:
        return compiled
    if len(operands) == 1:
        (x,) = operands
        return lambda: compiled(x)
    if len(operands) == 2:
        x, y = operands
        return lambda: compiled(x, y)
    return lambda: compiled(*operands)
