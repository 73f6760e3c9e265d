"""Cases in PyTensor, in its default mode; those that need minutes to compile are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytensor
import pytensor.tensor as pt
from case import RATE

PLAIN: dict[str, Callable[..., Any]] = {
    "small": lambda v: v * 2 + 1,
    "square": lambda a, b: a**2 + b**2 + 2 * a * b,
    "functions": lambda a, b, c: pt.tanh(pt.exp(-a * a) * pt.sin(b) + 1 / (1 + pt.exp(-c))),
    "add": lambda a, b: a + b,
    "sum": lambda x: x.sum(),
    "softmax": lambda x: pt.special.softmax(x, axis=1),
    "var": lambda x: x.var(axis=0),
    "logsumexp": lambda x: pt.logsumexp(x, axis=1),
}


def _training(operands: list[Any]) -> Callable[[], Any]:
    x, y, *values = operands
    images, labels = pt.fmatrix(), pt.lvector()
    parameters = [pytensor.shared(v) for v in values]
    *hidden, w, b = parameters
    seen = pt.tanh(images @ hidden[0] + hidden[1]) if hidden else images
    logs = pt.special.log_softmax(seen @ w + b, axis=1)
    loss = -pt.mean(logs[pt.arange(labels.shape[0]), labels])
    slopes = pytensor.grad(loss, parameters)
    updates = [(p, p - RATE * g) for p, g in zip(parameters, slopes, strict=True)]
    step = pytensor.function([images, labels], loss, updates=updates)
    return lambda: step(x, y)


def _log_posterior(operands: list[Any]) -> Callable[[], Any]:
    x, y, point = operands
    t = pt.dvector()
    w, mean, scale = t[:10], t[10], t[11]
    z = pt.dot(x, w)
    value = pt.sum(y * z - pt.softplus(z)) - 0.5 * pt.sum(((w - mean) / pt.exp(scale)) ** 2)
    value = value - 10 * scale - 0.5 * mean * mean - 0.5 * scale * scale
    function = pytensor.function([t], [value, pytensor.grad(value, t)])
    function.trust_input = True
    return lambda: function(point)


def make(case: Any, operands: list[Any]) -> Callable[[], Any] | None:
    """A function of no arguments that does the work once."""
    if case.name in ("logistic", "mlp"):
        return _training(operands)
    if case.name == "hierarchical":
        return _log_posterior(operands)
    kind = case.name.split("_")[0]
    if kind not in PLAIN:
        return None
    kinds = {("float64", 1): pt.dvector, ("float32", 1): pt.fvector, ("float32", 2): pt.fmatrix}
    variables = [kinds[str(a.dtype), a.ndim]() for a in operands]
    function = pytensor.function(variables, PLAIN[kind](*variables))
    return lambda: function(*operands)
