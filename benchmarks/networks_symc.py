"""Convolutional networks in symc."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import symc
import symc.tensor as T
from case import RATE
from cases_networks import BETAS, DROPPED, EPSILON, SHOWN, SLOW, STEP, TINY
from symc import Out, function, shared
from symc.nn.updates import adam
from symc.tensor.shared_randomstreams import RandomStreams


def _lenet(operands: list[Any]) -> Callable[[], Any]:
    x, y, *values = operands
    images, labels = T.fmatrix("images"), T.lvector("labels")
    parameters = [shared(v) for v in values]
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters
    h = images.reshape((images.shape[0], 1, 28, 28))
    for w, b in ((w1, b1), (w2, b2)):
        maps = T.nnet.conv2d(h, w, filter_flip=False)
        pooled = T.signal.pool.pool_2d(maps, (2, 2), ignore_border=True)
        h = T.tanh(pooled + b.dimshuffle("x", 0, "x", "x"))
    h = T.tanh(T.dot(h.flatten(2), w3) + b3)
    logs = T.log(T.nnet.softmax(T.dot(h, w4) + b4))
    loss = -T.mean(logs[T.arange(labels.shape[0]), labels])
    slopes = symc.grad(loss, parameters)
    updates = [(p, p - RATE * g) for p, g in zip(parameters, slopes, strict=True)]
    step = function([images, labels], loss, updates=updates)
    return lambda: step(x, y)


def _dropout_dense(operands: list[Any]) -> Callable[[], Any]:
    x, t, *values = operands
    inputs, targets = T.fmatrix("inputs"), T.fmatrix("targets")
    parameters = [shared(v) for v in values]
    kept = RandomStreams(0).binomial(inputs.shape, p=1 - DROPPED, dtype="float32")
    h = T.nnet.relu(T.dot(inputs * kept / (1 - DROPPED), parameters[0]) + parameters[1])
    loss = T.sum((h - targets) ** 2) / (2 * inputs.shape[0])
    slopes = symc.grad(loss, parameters)
    updates = [(p, p - SLOW * g) for p, g in zip(parameters, slopes, strict=True)]
    step = function([inputs, targets], T.cast(loss, "float32"), updates=updates)
    return lambda: step(x, t)


class _Adam:
    """An update by Adam, which can say what it moves."""

    def __init__(self, operands: list[Any]) -> None:
        self.parameters, self.slope = shared(operands[0]), operands[1]
        g = T.fvector("g")
        with symc.change_flags(floatX="float32"):
            updates = adam([g], [self.parameters], STEP, *BETAS, TINY)
            self.step = function([g], updates=updates)

    def __call__(self) -> Any:
        self.step(self.slope)
        return self.parameters.get_value(borrow=True)[:SHOWN].copy()

    def traffic(self) -> dict[str, int]:
        """The bytes that a call moves, and the least possible, by name."""
        return asdict(self.step.memory_traffic(self.slope))


def _layer(name: str, v: list[Any]) -> list[Any]:
    """The result of a layer, and gradients."""
    if name.startswith("convolution"):
        y = T.nnet.conv2d(v[0], v[1], border_mode="half", filter_flip=False)
        return [y] if name == "convolution" else [y, *_slopes(y, v[:2], v[2])]
    if name == "max_pool":
        y = T.signal.pool.pool_2d(v[0], (2, 2), ignore_border=True)
        return [y, *_slopes(y, v[:1], v[1])]
    y = T.nnet.bn.batch_normalization_train(*v[:3], axes="spatial", epsilon=EPSILON)[0]
    return [y, *_slopes(y, v[:3], v[3])]


def _slopes(y: Any, wanted: list[Any], arriving: Any) -> list[Any]:
    slopes: list[Any] = symc.grad(None, wanted, known_grads={y: arriving})
    return slopes


def make(case: Any, operands: list[Any]) -> Callable[[], Any]:
    """A function of no arguments that does the work once."""
    if case.name.startswith("lenet"):
        return _lenet(operands)
    if case.name == "dropout_dense":
        return _dropout_dense(operands)
    if case.name == "adam":
        return _Adam(operands)
    kinds = {1: T.fvector, 4: T.ftensor4}
    variables = [kinds[a.ndim]() for a in operands]
    outputs = [Out(v, borrow=True) for v in _layer(case.name, variables)]
    compiled = function(variables, outputs if len(outputs) > 1 else outputs[0])
    return lambda: compiled(*operands)
