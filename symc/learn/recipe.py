"""What a network is made from, and the expressions that are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.nn import random as nn_random

from .networks import Loss, Outputs, dense_layers, losses_of_rows, outputs_of

# Layers take their first values from one generator of the process (symc.nn.random).
building = RLock()


@dataclass
class Model:
    """The expressions of a network.

    Attributes
    ----------
    x, target : TensorVariable
    outputs : Outputs
        ``outputs.prediction`` is what the network says of rows.
    training_losses, prediction_losses : vector or None
        Losses of rows; None where nothing is learned.
    parameters, penalised : list of SharedVariable
    code, decoded : matrix, optional
        What an autoencoder makes of codes.
    """

    x: Any
    target: Any
    outputs: Outputs
    training_losses: Any
    prediction_losses: Any
    parameters: list[Any]
    penalised: list[Any]
    code: Any = None
    decoded: Any = None

    def inputs(self) -> list[Any]:
        """Return the variables that data are put into."""
        return [v for v in (self.x, self.target, self.code) if v is not None]

    def expressions(self) -> list[Any]:
        """Return all that is computed."""
        all_of_them = (
            self.outputs.training,
            self.outputs.prediction,
            self.training_losses,
            self.prediction_losses,
            self.decoded,
        )
        return [e for e in all_of_them if e is not None]


@dataclass(frozen=True)
class Recipe:
    """All that the expressions and functions of a network depend on.

    Attributes
    ----------
    network : callable or tuple of int
        A function of the input, the number of features, the number of outputs and a generator; or
        the numbers of hidden units.
    nonlinearity : str, callable or None
        Of hidden units.
    loss : callable or None
        Of output and target.
    update : callable
        Of loss, parameters and learning rate.
    penalty : bool
        Whether squares of weights are added to the loss.
    dtype : str
    n_features, n_outputs : int
    classes : bool
        Whether targets are numbers of classes, and not rows of numbers.
    probabilities : bool
        Whether outputs are those of classes, and not scores.
    decoder : callable, tuple of int or None
        Of an autoencoder: from outputs back to features.
    """

    network: Any
    nonlinearity: Any
    loss: Loss | None
    update: Callable[..., Any]
    penalty: bool
    dtype: str
    n_features: int
    n_outputs: int
    classes: bool = False
    probabilities: bool = False
    decoder: Any = None

    def build(self, seed: int) -> Model:
        """Return the expressions, with first values that depend on the seed alone.

        Parameters
        ----------
        seed : int

        Raises
        ------
        TypeError, ValueError
            If a function of the user's returns what can't be used.
        """
        rng = np.random.RandomState(seed)
        with building, symc.change_flags(floatX=self.dtype):
            before = nn_random.get_rng()
            nn_random.set_rng(rng)
            try:
                return self._model(rng)
            finally:
                nn_random.set_rng(before)

    def _model(self, rng: np.random.RandomState) -> Model:
        x = T.matrix("x")
        target = T.lvector("target") if self.classes else T.matrix("target")
        outputs = self._applied("network", x, self.n_features, self.n_outputs, rng)
        parameters, penalised = list(outputs.parameters), list(outputs.penalised)
        compared = [outputs.training, outputs.prediction]
        code = decoded = None
        if self.decoder is not None:
            code = T.matrix("code")
            back = self._applied("decoder", code, self.n_outputs, self.n_features, rng)
            decoded = back.prediction
            parameters += [p for p in back.parameters if p not in parameters]
            penalised += [p for p in back.penalised if p not in penalised]
            compared = [
                symc.clone(after, {code: before}, strict=False)
                for after, before in zip((back.training, decoded), compared, strict=True)
            ]
        in_training, in_use = (
            None if self.loss is None else losses_of_rows(self.loss, output, target)
            for output in compared
        )
        return Model(
            x, target, outputs, in_training, in_use, parameters, penalised, code, decoded
        )

    def _applied(self, name: str, x: Any, inputs: int, outputs: int, rng: Any) -> Outputs:
        network = getattr(self, name)
        if callable(network):
            made = network(x, inputs, outputs, rng)
        else:
            made = dense_layers(x, network, inputs, outputs, self.nonlinearity)
        return outputs_of(made, x, outputs, name)
