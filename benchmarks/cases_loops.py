"""Recurrences, and LSTM steps with their gradients, as cases of `symc bench`."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Arrays, Case, normal

DECAY = 0.9
"""The factor of the state in the recurrences."""
STEPS, WIDTH = 10_000, 8
LONG = 1_000_000
TIME, BATCH = 60, 100
SHORT_ORBIT, LONG_ORBIT, ORBIT_WIDTH = 1_000, 4_000, 16_384
SLOWLY = 1e-3
"""How far a step of an orbit goes."""
GRU_STEPS, GRU_BATCH, GRU_WIDTH = 200, 32, 64


def recurrence_operands() -> Arrays:
    """The sequence, one row per step, and the state before the first step."""
    return [normal(STEPS, WIDTH), normal(WIDTH, seed=1)]


def _recurrence(x: Any, h: Any) -> Any:
    out = np.empty_like(x)
    for t, row in enumerate(x):
        h = np.tanh(DECAY * h + row)
        out[t] = h
    return out


def _recurrence_gradient(x: Any, h: Any) -> tuple[Any, Any]:
    states = _recurrence(x, h)
    slope = np.zeros_like(h)
    for state in states[::-1]:
        slope = DECAY * (1 - state * state) * (slope + 1)
    return states.sum(), slope


def _autoregression(x: Any) -> Any:
    out = np.empty_like(x)
    h = 0.0
    for t, noise in enumerate(x.tolist()):
        h = DECAY * h + noise
        out[t] = h
    return out


def orbit_steps(name: str) -> int:
    """The number of steps of one of the orbits."""
    return LONG_ORBIT if name.endswith(str(LONG_ORBIT)) else SHORT_ORBIT


def _orbit_gradient(steps: int, h: Any) -> Any:
    """The derivative of the last state with respect to the first, all elements for themselves."""
    slope = np.ones_like(h)
    for _ in range(steps):
        slope *= 1 + SLOWLY * np.cos(h)
        h = h + SLOWLY * np.sin(h)
    return slope


def lstm_operands(hidden: int) -> Arrays:
    """Inputs already multiplied by their weights, mask, recurrent weights, biases."""
    lengths = np.random.default_rng(5).integers(TIME // 2, TIME + 1, BATCH)
    return [
        normal(TIME, BATCH, 4 * hidden, dtype="float32"),
        (np.arange(TIME)[:, None] < lengths).astype("float32"),
        normal(hidden, 4 * hidden, dtype="float32", seed=1) * np.float32(0.1),
        np.zeros(4 * hidden, "float32"),
    ]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _lstm(*operands: Any) -> tuple[Any, Any, Any]:
    """The mean of the squared states, and its gradients; gates in the order i, f, o, candidate."""
    x, mask, w, b = (np.asarray(a, "float64") for a in operands)
    n = len(w)
    h = c = np.zeros((BATCH, n))
    passed, states = [], []
    for xt, m in zip(x, mask[:, :, None], strict=True):
        p = h @ w + xt + b
        i, f, o = (_sigmoid(p[:, k * n : (k + 1) * n]) for k in range(3))
        g = np.tanh(p[:, 3 * n :])
        new = f * c + i * g
        passed.append((h, c, i, f, o, g, np.tanh(new), m))
        h, c = m * o * np.tanh(new) + (1 - m) * h, m * new + (1 - m) * c
        states.append(h)
    g_w, g_b = np.zeros_like(w), np.zeros_like(b)
    g_h = g_c = np.zeros((BATCH, n))
    count = TIME * BATCH * n
    for state, (h, c, i, f, o, g, bent, m) in zip(states[::-1], passed[::-1], strict=True):
        g_h = g_h + 2 * state / count
        g_out = m * g_h
        g_new = m * g_c + g_out * o * (1 - bent * bent)
        g_p = np.hstack([
            g_new * g * i * (1 - i), g_new * c * f * (1 - f), g_out * bent * o * (1 - o),
            g_new * i * (1 - g * g),
        ])
        g_w += h.T @ g_p
        g_b += g_p.sum(0)
        g_h, g_c = (1 - m) * g_h + g_p @ w.T, (1 - m) * g_c + g_new * f
    return (np.array(states) ** 2).mean(), g_w, g_b


def gru_operands() -> Arrays:
    """Inputs already multiplied by their weights, and the recurrent weights."""
    return [
        normal(GRU_STEPS, GRU_BATCH, 3 * GRU_WIDTH, dtype="float32"),
        normal(GRU_WIDTH, 3 * GRU_WIDTH, dtype="float32", seed=1) * np.float32(0.1),
    ]


def _gru(*operands: Any) -> tuple[Any, Any]:
    """The mean of the squared states, and its gradient; gates: update, reset, candidate."""
    x, w = (np.asarray(a, "float64") for a in operands)
    n = len(w)
    h = np.zeros((GRU_BATCH, n))
    states, passed = [], []
    for xt in x:
        p = h @ w
        z, r = (_sigmoid(p[:, k * n : (k + 1) * n] + xt[:, k * n : (k + 1) * n]) for k in (0, 1))
        c = np.tanh(xt[:, 2 * n :] + r * p[:, 2 * n :])
        passed.append((h, p[:, 2 * n :], z, r, c))
        h = z * h + (1 - z) * c
        states.append(h)
    g_w, g_h = np.zeros_like(w), np.zeros_like(h)
    for state, (h, a, z, r, c) in zip(states[::-1], passed[::-1], strict=True):
        g_h = g_h + 2 * state / (len(x) * state.size)
        g_c = g_h * (1 - z) * (1 - c * c)
        g_p = np.hstack([g_h * (h - c) * z * (1 - z), g_c * a * r * (1 - r), g_c * r])
        g_w += h.T @ g_p
        g_h = g_h * z + g_p @ w.T
    return (np.array(states) ** 2).mean(), g_w


def _lstm_case(hidden: int, target: float, **targets: Any) -> Case:
    return Case(
        f"lstm_{hidden}",
        f"masked LSTM, cost and gradient, T={TIME}, batch {BATCH}, {hidden} hidden, float32",
        target,
        lambda: lstm_operands(hidden),
        _lstm,
        flops=3 * 2.0 * TIME * BATCH * hidden * 4 * hidden,
        tolerance=1e-4,
        **targets,
    )


def _orbit_case(steps: int, measure: str) -> Case:
    return Case(
        f"checkpointed_{'memory_' if measure == 'memory' else ''}{steps}",
        f"{'memory for' if measure == 'memory' else 'time of'} the gradient of a checkpointed "
        f"loop, h = h + {SLOWLY}*sin(h), {steps:,} steps of {ORBIT_WIDTH:,} doubles",
        None,
        lambda: [normal(ORBIT_WIDTH)],
        lambda h: _orbit_gradient(steps, h),
        tolerance=1e-9,
        measure=measure,
        limit=4 * steps**0.5 * 8 * ORBIT_WIDTH if measure == "memory" else None,
    )


CASES: tuple[Case, ...] = (
    Case(
        "recurrence",
        "h = tanh(0.9*h + x_t), 10,000 steps of 8 doubles",
        0.85,
        recurrence_operands,
        _recurrence,
        tolerance=1e-9,
    ),
    Case(
        "recurrence_gradient",
        "the sum of its states and the gradient with respect to the first",
        0.8,
        recurrence_operands,
        _recurrence_gradient,
        tolerance=1e-9,
    ),
    Case(
        "autoregression",
        "h = 0.9*h + x_t, 1e6 steps of one double",
        None,
        lambda: [normal(LONG)],
        _autoregression,
        bytes=16.0 * LONG,
        tolerance=1e-9,
        excess=5e-9 * LONG,
    ),
    _lstm_case(50, 0.6, first=1.5, cached=0.3),
    _lstm_case(256, 0.7),
    Case(
        "gru",
        f"GRU, cost and gradient, T={GRU_STEPS}, batch {GRU_BATCH}, {GRU_WIDTH} hidden, float32",
        1.2,
        gru_operands,
        _gru,
        flops=3 * 2.0 * GRU_STEPS * GRU_BATCH * GRU_WIDTH * 3 * GRU_WIDTH,
    ),
    _orbit_case(SHORT_ORBIT, "time"),
    _orbit_case(SHORT_ORBIT, "memory"),
    _orbit_case(LONG_ORBIT, "memory"),
)
