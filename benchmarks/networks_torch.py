"""Convolutional networks in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from case import RATE
from cases_networks import BETAS, DROPPED, EPSILON, SHOWN, SLOW, STEP, TINY

Compiled = Callable[[Callable[..., Any]], Callable[..., Any]]


def _lenet(operands: list[Any], compiled: Compiled) -> Callable[[], Any]:
    x, y, *parameters = operands
    for p in parameters:
        p.requires_grad_()

    def loss(x: Any, y: Any, *p: Any) -> Any:
        h = x.reshape(-1, 1, 28, 28)
        for w, b in (p[:2], p[2:4]):
            h = torch.tanh(F.max_pool2d(F.conv2d(h, w), 2) + b[:, None, None])
        h = torch.tanh(h.flatten(1) @ p[4] + p[5])
        return F.cross_entropy(h @ p[6] + p[7], y)

    return _descent(compiled(loss), x, y, parameters, RATE)


def _dropout_dense(operands: list[Any], compiled: Compiled) -> Callable[[], Any]:
    x, t, *parameters = operands
    for p in parameters:
        p.requires_grad_()

    def loss(x: Any, t: Any, w: Any, b: Any) -> Any:
        h = torch.relu(torch.addmm(b, F.dropout(x, float(DROPPED)), w))
        return torch.sum((h - t) ** 2) / (2 * len(x))

    return _descent(compiled(loss), x, t, parameters, SLOW)


def _descent(
    loss: Callable[..., Any], x: Any, y: Any, parameters: list[Any], rate: Any
) -> Callable[[], Any]:
    """A step down the slopes of a loss."""

    def run() -> Any:
        value = loss(x, y, *parameters)
        value.backward()
        with torch.no_grad():
            for p in parameters:
                p.sub_(p.grad, alpha=float(rate))
                p.grad = None
        return value

    return run


def _adam(operands: list[Any], compiled: Compiled) -> Callable[[], Any]:
    p, g = operands
    p.requires_grad_()
    p.grad = g
    step = compiled(torch.optim.Adam([p], STEP, BETAS, TINY, fused=True).step)

    def run() -> Any:
        step()
        return p.detach()[:SHOWN].clone()

    return run


def _layer(name: str) -> Callable[..., Any]:
    if name.startswith("convolution"):
        return lambda x, w: F.conv2d(x, w, padding=1)
    if name == "max_pool":
        return lambda x: F.max_pool2d(x, 2)
    return lambda x, gamma, beta: F.batch_norm(
        x, None, None, gamma, beta, training=True, eps=float(EPSILON)
    )


def make(case: Any, placed: list[Any], compiled: Compiled) -> Callable[[], Any]:
    """A function of no arguments that does the work once."""
    if case.name.startswith("lenet"):
        return _lenet(placed, compiled)
    if case.name == "dropout_dense":
        return _dropout_dense(placed, compiled)
    if case.name == "adam":
        return _adam(placed, compiled)
    layer = compiled(_layer(case.name))
    if case.name == "convolution":

        def forward() -> Any:
            with torch.no_grad():
                return layer(*placed)

        return forward
    *wanted, arriving = placed
    for v in wanted:
        v.requires_grad_()

    def run() -> Any:
        y = layer(*wanted)
        return (y, *torch.autograd.grad(y, wanted, arriving))

    return run
