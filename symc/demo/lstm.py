"""A character LSTM, which learns what symbol comes next.

The recurrent layer is that of Hochreiter and Schmidhuber (1997) with the forget gate of Gers,
Schmidhuber and Cummins (2000). The weights of its three gates and of its candidate stand side by
side, so that each step needs a single matrix product. The updates are those of Adam (Kingma and
Ba, 2015, algorithm 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import tensor as T  # noqa: N812 - Theano's customary name
from ..compile.function import Function, function
from ..compile.shared import shared
from ..gradient import grad
from ..scan_module import scan, until
from .text import END

NAMES = ("W", "U", "b", "V", "d")
"""Parameters: input to gates, state to gates, bias of gates, state to scores, bias of scores."""


@dataclass(frozen=True)
class CompiledLSTM:
    """An LSTM compiled by symc.

    Attributes
    ----------
    step : Function
        ``step(symbols, mask)`` updates the parameters by Adam and returns the loss before it.
    loss : Function
        ``loss(symbols, mask)`` is the cross-entropy in nats per symbol; see `cross_entropy`.
    say : Function
        ``say(uniform)`` are the numbers of a sentence, drawn with one uniform number per symbol;
        see `sentence`.
    parameters : list of SharedVariable
        In the order of `NAMES`.
    """

    step: Function
    loss: Function
    say: Function
    parameters: list[Any]


def initial_lstm(
    symbols: int, hidden: int, seed: int = 0, dtype: str = "float32"
) -> list[np.ndarray]:
    """Parameters in the order of `NAMES`.

    Weights are uniform in ``+-1 / sqrt(hidden)``, biases zero; those of the forget gates are one,
    so that at first nothing is forgotten (Jozefowicz, Zaremba and Sutskever, 2015).

    Returns
    -------
    list of ndarray
        Of shapes (symbols, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,), (hidden, symbols),
        (symbols,).
    """
    rng = np.random.default_rng(seed)
    bound = 1.0 / np.sqrt(hidden)
    shapes = [(symbols, 4 * hidden), (hidden, 4 * hidden), (hidden, symbols)]
    inputs, states, scores = (rng.uniform(-bound, bound, shape) for shape in shapes)
    bias = np.zeros(4 * hidden)
    bias[hidden : 2 * hidden] = 1.0
    values = [inputs, states, bias, scores, np.zeros(symbols)]
    return [value.astype(dtype) for value in values]


def cell(from_input: Any, h: Any, c: Any, weights: Any) -> tuple[Any, Any]:
    """One step of the layer.

    Parameters
    ----------
    from_input : matrix, (lines, 4 * hidden)
        What the input and the bias give to the input gate, the forget gate, the output gate and
        the candidate.
    h, c : matrix, (lines, hidden)
        Output and memory before the step.
    weights : matrix, (hidden, 4 * hidden)

    Returns
    -------
    h, c : matrix, (lines, hidden)
    """
    n = weights.shape[0]
    a = from_input + T.dot(h, weights)
    keep_new, keep_old, show = (
        T.nnet.sigmoid(a[:, k * n : (k + 1) * n]) for k in range(3)
    )
    c = keep_old * c + keep_new * T.tanh(a[:, 3 * n :])
    return show * T.tanh(c), c


def outputs_of(parameters: list[Any], symbols: Any, mask: Any) -> Any:
    """What the layer gives out at each step: (steps, lines, hidden).

    Where the mask is 0, output and memory stay as they are.
    """
    w, u, b = parameters[:3]

    def step(m: Any, from_input: Any, h: Any, c: Any) -> list[Any]:
        new_h, new_c = cell(from_input, h, c, u)
        m = m[:, None]
        return [m * new_h + (1 - m) * h, m * new_c + (1 - m) * c]

    zeros = T.zeros((symbols.shape[1], u.shape[0]), dtype=u.dtype)
    (h, _), _ = scan(step, [mask, w[symbols[:-1]] + b], [zeros, zeros], name="lstm")
    return h


def cross_entropy(parameters: list[Any], symbols: Any, mask: Any) -> Any:
    """The mean of -log p(next symbol | those before), over the steps where the mask is 1.

    Parameters
    ----------
    parameters : list of variables
        In the order of `NAMES`.
    symbols : int64 matrix, (steps + 1, lines)
    mask : float matrix, (steps, lines)

    Returns
    -------
    scalar variable
        In nats per symbol; the mark at the end of a line counts as one.
    """
    v, d = parameters[3:]
    h = outputs_of(parameters, symbols, mask)
    scores = T.dot(h.reshape((-1, v.shape[0])), v) + d
    wanted = symbols[1:].flatten()
    log_p = T.nnet.logsoftmax(scores)[T.arange(wanted.shape[0]), wanted]
    return -(mask.flatten() * log_p).sum() / mask.sum()


def adam(
    cost: Any,
    parameters: list[Any],
    rate: float,
    decay: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
) -> list[tuple[Any, Any]]:
    """Updates that follow the mean of the gradient, divided by the root of its mean square.

    Both means decay exponentially; the rate makes up for their start at zero.
    """
    dtype = parameters[0].dtype
    first, second = (np.asarray(d, dtype) for d in decay)
    one = np.asarray(1, dtype)
    count = shared(np.asarray(0, dtype), name="count")
    now = count + one
    unbiased = np.asarray(rate, dtype) * T.sqrt(one - second**now) / (one - first**now)
    updates = [(count, now)]
    for p, g in zip(parameters, grad(cost, parameters), strict=True):
        mean = shared(np.zeros_like(p.get_value()), name=f"mean_{p.name}")
        square = shared(np.zeros_like(p.get_value()), name=f"square_{p.name}")
        new_mean = first * mean + (one - first) * g
        new_square = second * square + (one - second) * g * g
        change = unbiased * new_mean / (T.sqrt(new_square) + np.asarray(epsilon, dtype))
        updates += [(mean, new_mean), (square, new_square), (p, p - change)]
    return updates


def sentence(parameters: list[Any], uniform: Any) -> Any:
    """Numbers of symbols, each drawn from what the model expects after those before.

    The loop ends with `END`, or when `uniform` does. A symbol is drawn by inversion: it is the
    first one up to which the probabilities sum to more than the uniform number.

    Parameters
    ----------
    parameters : list of variables
        In the order of `NAMES`.
    uniform : float vector
        Numbers in [0, 1), one per symbol.

    Returns
    -------
    int64 vector
    """
    w, u, b, v, d = parameters

    def step(number: Any, last: Any, h: Any, c: Any) -> tuple[list[Any], Any]:
        h, c = cell((w[last] + b)[None, :], h, c, u)
        below = T.cumsum(T.nnet.softmax(T.dot(h, v) + d)[0]) <= number
        # Rounding may leave the whole sum below the number: then it is the last symbol.
        drawn = T.minimum(below.sum(), d.shape[0] - 1).astype("int64")
        return [drawn, h, c], until(T.eq(drawn, END))

    zeros = T.zeros((1, u.shape[0]), dtype=u.dtype)
    start = T.constant(np.int64(END))
    (numbers, _, _), _ = scan(step, uniform, [start, zeros, zeros], name="sentence")
    return numbers


def compile_lstm(values: list[np.ndarray], rate: float, mode: Any = None) -> CompiledLSTM:
    """Compile an LSTM.

    Parameters
    ----------
    values : list of ndarray
        Initial parameters, see `initial_lstm`.
    rate : float
        Of Adam.
    mode : Mode or str, optional
    """
    dtype = str(values[0].dtype)
    symbols = T.matrix("symbols", dtype="int64")
    mask = T.matrix("mask", dtype=dtype)
    uniform = T.vector("uniform", dtype=dtype)
    parameters = [shared(v, name=n) for v, n in zip(values, NAMES, strict=True)]
    cost = cross_entropy(parameters, symbols, mask)
    updates = adam(cost, parameters, rate)
    return CompiledLSTM(
        function([symbols, mask], cost, updates=updates, mode=mode, name="step"),
        function([symbols, mask], cost, mode=mode, name="loss"),
        function([uniform], sentence(parameters, uniform), mode=mode, name="say"),
        parameters,
    )
