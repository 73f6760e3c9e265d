"""Convolutional networks in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from case import RATE
from cases_networks import EPSILON


def _convolved(x: Any, w: Any, padding: Any) -> Any:
    return jax.lax.conv_general_dilated(
        x, w, (1, 1), padding, dimension_numbers=("NCHW", "OIHW", "NCHW")
    )


def _pooled(x: Any) -> Any:
    window = (1, 1, 2, 2)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


def _loss(p: Any, x: Any, y: Any) -> Any:
    h = x.reshape(-1, 1, 28, 28)
    for w, b in (p[:2], p[2:4]):
        h = jnp.tanh(_pooled(_convolved(h, w, "VALID")) + b[:, None, None])
    h = jnp.tanh(h.reshape(len(h), -1) @ p[4] + p[5])
    logs = jax.nn.log_softmax(h @ p[6] + p[7])
    return -jnp.mean(jnp.take_along_axis(logs, y[:, None], 1))


def _lenet(operands: list[Any]) -> Callable[[], Any]:
    def step(parameters: Any, x: Any, y: Any) -> Any:
        loss, slopes = jax.value_and_grad(_loss)(parameters, x, y)
        return loss, [p - RATE * g for p, g in zip(parameters, slopes, strict=True)]

    jitted = jax.jit(step, donate_argnums=0)
    x, y, *state = operands

    def run() -> Any:
        nonlocal state
        loss, state = jitted(state, x, y)
        jax.block_until_ready(state)
        return loss.block_until_ready()

    return run


def _batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    mean = x.mean((0, 2, 3), keepdims=True)
    var = ((x - mean) ** 2).mean((0, 2, 3), keepdims=True)
    unit = (x - mean) * jax.lax.rsqrt(var + EPSILON)
    return unit * gamma[:, None, None] + beta[:, None, None]


LAYERS: dict[str, Callable[..., Any]] = {
    "convolution": lambda x, w: _convolved(x, w, "SAME"),
    "convolution_gradients": lambda x, w: _convolved(x, w, "SAME"),
    "batch_norm": _batch_norm,
    "max_pool": _pooled,
}


def make(case: Any, placed: list[Any]) -> Callable[[], Any]:
    """A function of no arguments that does the work once."""
    if case.name.startswith("lenet"):
        return _lenet(placed)
    layer = LAYERS[case.name]
    if case.name == "convolution":
        forward = jax.jit(layer)
        return lambda: forward(*placed).block_until_ready()

    def both(*operands: Any) -> Any:
        *wanted, arriving = operands
        y, back = jax.vjp(layer, *wanted)
        return (y, *back(arriving))

    jitted = jax.jit(both)
    return lambda: jax.block_until_ready(jitted(*placed))
