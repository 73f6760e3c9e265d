"""The cases in PyTorch, eager or through ``torch.compile``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networks_torch
import torch
from case import RATE
from cases_loops import DECAY
from cases_models import chain
from cases_networks import NAMES as NETWORKS
from cases_random import DRAWS, KEEP

PLAIN: dict[str, Callable[..., Any]] = {
    "small": lambda v: v * 2 + 1,
    "square": lambda a, b: a**2 + b**2 + 2 * a * b,
    "functions": lambda a, b, c: torch.tanh(
        torch.exp(-a * a) * torch.sin(b) + 1 / (1 + torch.exp(-c))
    ),
    "add": lambda a, b: a + b,
    "sum": lambda x: x.sum(),
    "softmax": lambda x: torch.softmax(x, 1),
    "var": lambda x: x.var(0, correction=0),
    "logsumexp": lambda x: torch.logsumexp(x, 1),
}


def _training(operands: list[Any], compiled: Callable[..., Any]) -> Callable[[], Any]:
    x, y, *parameters = operands
    for p in parameters:
        p.requires_grad_()

    def loss(x: Any, y: Any, *given: Any) -> Any:
        *hidden, w, b = given
        if hidden:
            x = torch.tanh(x @ hidden[0] + hidden[1])
        return torch.nn.functional.cross_entropy(x @ w + b, y)

    function = compiled(loss)

    def run() -> Any:
        value = function(x, y, *parameters)
        value.backward()
        with torch.no_grad():
            for p in parameters:
                p.sub_(p.grad, alpha=float(RATE))
                p.grad = None
        return value

    return run


def _log_posterior(operands: list[Any], compiled: Callable[..., Any]) -> Callable[[], Any]:
    x, y, t = operands
    t.requires_grad_()

    def value(t: Any) -> Any:
        w, mean, scale = t[:10], t[10], t[11]
        z = x @ w
        fit = torch.sum(y * z - torch.nn.functional.softplus(z))
        prior = -0.5 * torch.sum(((w - mean) / torch.exp(scale)) ** 2) - 10 * scale
        return fit + prior - 0.5 * mean * mean - 0.5 * scale * scale

    function = compiled(value)

    def run() -> Any:
        out = function(t)
        return (out, *torch.autograd.grad(out, t))

    return run


def _chain(operands: list[Any]) -> Callable[[], Any]:
    (x,) = operands
    x.requires_grad_()

    def run() -> Any:
        out = chain(x, torch.sin, torch.tanh).sum()
        return (out, *torch.autograd.grad(out, x))

    return run


def _states(x: Any, h: Any) -> Any:
    states = []
    for row in x:
        h = torch.tanh(DECAY * h + row)
        states.append(h)
    return torch.stack(states)


def _lstm(x: Any, mask: Any, w: Any, b: Any) -> Any:
    n = len(w)
    h = c = x.new_zeros((x.shape[1], n))
    total = x.new_zeros(())
    for xt, m in zip(x, mask[:, :, None], strict=True):
        p = torch.addmm(xt + b, h, w)
        i, f, o = torch.sigmoid(p[:, : 3 * n]).split(n, 1)
        new = f * c + i * torch.tanh(p[:, 3 * n :])
        h, c = m * o * torch.tanh(new) + (1 - m) * h, m * new + (1 - m) * c
        total = total + (h**2).sum()
    return total / (len(x) * h.numel())


def _loop(case: Any, operands: list[Any]) -> Callable[[], Any] | None:
    """A call of one of the loops, as a loop of Python's."""
    if case.name == "recurrence":
        return lambda: _states(*operands)
    if case.name == "recurrence_gradient":
        wanted, of = operands[1:], lambda: _states(*operands).sum()
    elif case.name.startswith("lstm"):
        wanted, of = operands[2:], lambda: _lstm(*operands)
    else:
        return None
    for p in wanted:
        p.requires_grad_()

    def run() -> Any:
        value = of()
        return (value, *torch.autograd.grad(value, wanted))

    return run


def make(case: Any, operands: list[Any], compile_: bool = False) -> Callable[[], Any] | None:
    """A function of no arguments that does the work once."""
    placed = [torch.from_numpy(a.copy()) for a in operands]

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function, dynamic=False) if compile_ else function

    if case.name in ("logistic", "mlp"):
        return _training(placed, compiled)
    if case.name in NETWORKS:
        return networks_torch.make(case, placed, compiled)
    if case.name == "hierarchical":
        return _log_posterior(placed, compiled)
    if case.name == "chain":
        return None if compile_ else _chain(placed)
    if case.name.startswith(("recurrence", "autoregression", "lstm")):
        return None if compile_ else _loop(case, placed)
    if case.name == "normal":
        draw = compiled(lambda: torch.randn(DRAWS))
        return lambda: draw()
    if case.name == "dropout":
        dropout = compiled(lambda x: torch.nn.functional.dropout(x, 1 - KEEP))
        return lambda: dropout(*placed)
    plain = PLAIN.get(case.name.split("_")[0])
    if plain is None:
        return None
    function = compiled(plain)

    def run() -> Any:
        with torch.no_grad():
            return function(*placed)

    return run
