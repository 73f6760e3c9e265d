"""The cases in JAX, jitted; steps of training give their parameters' memory back (donated)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import networks_jax
import numpy as np
from case import RATE
from cases_loops import DECAY, SLOWLY, orbit_steps
from cases_models import chain
from cases_networks import NAMES as NETWORKS
from cases_random import DRAWS, KEEP

PLAIN: dict[str, Callable[..., Any]] = {
    "small": lambda v: v * 2 + 1,
    "square": lambda a, b: a**2 + b**2 + 2 * a * b,
    "functions": lambda a, b, c: jnp.tanh(jnp.exp(-a * a) * jnp.sin(b) + 1 / (1 + jnp.exp(-c))),
    "add": lambda a, b: a + b,
    "sum": lambda x: x.sum(),
    "softmax": lambda x: jax.nn.softmax(x, 1),
    "var": lambda x: x.var(0),
    "logsumexp": lambda x: jax.scipy.special.logsumexp(x, 1),
}


def _loss(parameters: Any, x: Any, y: Any) -> Any:
    *hidden, w, b = parameters
    if hidden:
        x = jnp.tanh(x @ hidden[0] + hidden[1])
    logs = jax.nn.log_softmax(x @ w + b)
    return -jnp.mean(jnp.take_along_axis(logs, y[:, None], 1))


def _training(operands: list[Any]) -> Callable[[], Any]:
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


def _log_posterior(x: Any, y: Any) -> Callable[[Any], Any]:
    def value(t: Any) -> Any:
        w, mean, scale = t[:10], t[10], t[11]
        z = x @ w
        fit = jnp.sum(y * z - jax.nn.softplus(z))
        prior = -0.5 * jnp.sum(((w - mean) / jnp.exp(scale)) ** 2) - 10 * scale
        return fit + prior - 0.5 * mean * mean - 0.5 * scale * scale

    return value


def _states(x: Any, h: Any) -> Any:
    def step(h: Any, row: Any) -> Any:
        new = jnp.tanh(DECAY * h + row)
        return new, new

    return jax.lax.scan(step, h, x)[1]


def _autoregression(x: Any) -> Any:
    def step(h: Any, row: Any) -> Any:
        new = DECAY * h + row
        return new, new

    return jax.lax.scan(step, jnp.zeros(()), x)[1]


def _orbit(steps: int, h: Any) -> Any:
    """The sum of the last states; of all states one per block is kept for the gradient."""

    def step(h: Any, _: Any) -> Any:
        return h + SLOWLY * jnp.sin(h), None

    def steps_of(number: int) -> Callable[..., Any]:
        return jax.checkpoint(lambda h, _: (jax.lax.scan(step, h, None, length=number)[0], None))

    block = round(steps**0.5)
    h, _ = jax.lax.scan(steps_of(block), h, None, length=steps // block)
    return steps_of(steps % block)(h, None)[0].sum()


def _lstm(w: Any, b: Any, x: Any, mask: Any) -> Any:
    n = len(w)

    def step(carry: Any, row: Any) -> Any:
        (h, c), (xt, m) = carry, row
        p = h @ w + xt + b
        i, f, o = (jax.nn.sigmoid(p[:, k * n : (k + 1) * n]) for k in range(3))
        new = f * c + i * jnp.tanh(p[:, 3 * n :])
        m = m[:, None]
        h = m * o * jnp.tanh(new) + (1 - m) * h
        return (h, m * new + (1 - m) * c), h

    start = jnp.zeros((x.shape[1], n), x.dtype)
    return jnp.mean(jax.lax.scan(step, (start, start), (x, mask))[1] ** 2)


def _loop(case: Any, placed: list[Any]) -> Callable[[], Any]:
    """A call of one of the loops."""
    if case.name.startswith("lstm"):
        lstm = jax.jit(jax.value_and_grad(_lstm, argnums=(0, 1)))
        x, mask, w, b = placed

        def run() -> Any:
            cost, slopes = jax.block_until_ready(lstm(w, b, x, mask))
            return (cost, *slopes)

        return run
    plain: dict[str, Callable[..., Any]] = {
        "recurrence": _states,
        "recurrence_gradient": jax.value_and_grad(lambda x, h: _states(x, h).sum(), argnums=1),
        "autoregression": _autoregression,
        "checkpointed": jax.grad(lambda h: _orbit(orbit_steps(case.name), h)),
    }
    loop = jax.jit(plain[case.name.split("_memory")[0].rstrip("_0123456789")])
    return lambda: jax.block_until_ready(loop(*placed))


def _random(case: Any, placed: list[Any]) -> Callable[[], Any]:
    """Draws; the key goes from call to call."""

    def draw(key: Any) -> Any:
        key, own = jax.random.split(key)
        return key, jax.random.normal(own, (DRAWS,))

    def dropout(key: Any, x: Any) -> Any:
        key, own = jax.random.split(key)
        return key, jnp.where(jax.random.bernoulli(own, KEEP, x.shape), x / KEEP, 0)

    jitted = jax.jit(draw if case.name == "normal" else dropout)
    key = jax.random.key(0)

    def run() -> Any:
        nonlocal key
        key, out = jitted(key, *placed)
        return out.block_until_ready()

    return run


def make(case: Any, operands: list[Any]) -> Callable[[], Any] | None:
    """A function of no arguments that does the work once."""
    double = any(a.dtype == np.float64 for a in operands)
    jax.config.update("jax_enable_x64", double)
    placed = [jnp.asarray(a) for a in operands]
    if case.name in ("logistic", "mlp"):
        return _training(placed)
    if case.name in NETWORKS:
        return networks_jax.make(case, placed)
    if case.name == "hierarchical":
        function = jax.jit(jax.value_and_grad(_log_posterior(*placed[:2])))
        return lambda: jax.block_until_ready(function(placed[2]))
    if case.name == "chain":
        function = jax.jit(jax.value_and_grad(lambda x: chain(x, jnp.sin, jnp.tanh).sum()))
        return lambda: jax.block_until_ready(function(*placed))
    if case.name.startswith(("recurrence", "autoregression", "lstm", "checkpointed")):
        return _loop(case, placed)
    if case.name in ("normal", "dropout"):
        return _random(case, placed)
    plain = PLAIN.get(case.name.split("_")[0])
    if plain is None:
        return None
    compiled = jax.jit(plain)
    return lambda: compiled(*placed).block_until_ready()
