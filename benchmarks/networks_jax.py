"""Convolutional networks in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from case import RATE
from cases_networks import BETAS, DROPPED, EPSILON, SHOWN, SLOW, STEP, TINY


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


def _dropout_dense(operands: list[Any]) -> Callable[[], Any]:
    def loss(parameters: Any, key: Any, x: Any, t: Any) -> Any:
        w, b = parameters
        kept = jax.random.bernoulli(key, 1 - DROPPED, x.shape)
        h = jax.nn.relu(jnp.where(kept, x / (1 - DROPPED), 0) @ w + b)
        return jnp.sum((h - t) ** 2) / (2 * len(x))

    def step(parameters: Any, key: Any, x: Any, t: Any) -> Any:
        key, own = jax.random.split(key)
        value, slopes = jax.value_and_grad(loss)(parameters, own, x, t)
        return value, [p - SLOW * g for p, g in zip(parameters, slopes, strict=True)], key

    jitted = jax.jit(step, donate_argnums=0)
    x, t, *state = operands
    key = jax.random.key(0)

    def run() -> Any:
        nonlocal state, key
        value, state, key = jitted(state, key, x, t)
        jax.block_until_ready(state)
        return value.block_until_ready()

    return run


def _adam(operands: list[Any]) -> Callable[[], Any]:
    def step(p: Any, m: Any, v: Any, t: Any, g: Any) -> Any:
        t = t + 1
        m = BETAS[0] * m + (1 - BETAS[0]) * g
        v = BETAS[1] * v + (1 - BETAS[1]) * g**2
        rate = STEP * jnp.sqrt(1 - BETAS[1] ** t) / (1 - BETAS[0] ** t)
        return p - rate * m / (jnp.sqrt(v) + TINY), m, v, t

    jitted = jax.jit(step, donate_argnums=(0, 1, 2))
    p, g = operands
    state = (p, jnp.zeros_like(p), jnp.zeros_like(p), jnp.float32(0))

    def run() -> Any:
        nonlocal state
        state = jax.block_until_ready(jitted(*state, g))
        return state[0][:SHOWN].block_until_ready()

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
    if case.name == "dropout_dense":
        return _dropout_dense(placed)
    if case.name == "adam":
        return _adam(placed)
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
