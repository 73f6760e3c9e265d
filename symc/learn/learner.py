"""Networks with their values: built and compiled when first used, pickled as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.nn import random as nn_random
from symc.nn import updates as nn_updates
from symc.nn.regularization import apply_penalty, l2

from .networks import (
    Loss,
    Outputs,
    all_shared,
    dense_layers,
    losses_of_rows,
    outputs_of,
)

# Rows that go through a network at once when nothing is learned, so that memory is bounded.
BLOCK = 1024

# Layers take their first values from one generator of the process (symc.nn.random).
_building = RLock()


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
    classes : bool
        Whether targets are numbers of classes, and not rows of numbers.
    update : callable
        Of loss, parameters and learning rate.
    penalty : bool
        Whether squares of weights are added to the loss.
    dtype : str
    n_features, n_outputs : int
    decoder : callable, tuple of int or None
        Of an autoencoder: from outputs back to features.
    """

    network: Any
    nonlinearity: Any
    loss: Loss | None
    classes: bool
    update: Callable[..., Any]
    penalty: bool
    dtype: str
    n_features: int
    n_outputs: int
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
        with _building, symc.change_flags(floatX=self.dtype):
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


class Learner:
    """A network, the values of its parameters, and its functions.

    Pickles and copies hold values; expressions and functions are made again when they are needed.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        For the network's first values.
    shuffling : numpy.random.RandomState
        For the order of rows.
    """

    def __init__(self, recipe: Recipe, seed: int, shuffling: np.random.RandomState) -> None:
        self.recipe = recipe
        self.seed = seed
        self.shuffling = shuffling
        self._values: list[np.ndarray] | None = None
        self._forget()

    def _forget(self) -> None:
        self._model: Model | None = None
        self._updates: dict[Any, Any] = {}
        self._rule_state: list[tuple[Any, np.ndarray]] = []
        self._train_inputs: list[Any] = []
        self._train_output: Any = None
        self._state: list[Any] = []
        self._functions: dict[str, Callable[..., Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "seed": self.seed,
            "shuffling": self.shuffling,
            "values": self.values(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.recipe, self.seed = state["recipe"], state["seed"]
        self.shuffling, self._values = state["shuffling"], state["values"]
        self._forget()

    @property
    def model(self) -> Model:
        """The expressions; made when they are first asked for."""
        with _building:
            if self._model is None:
                self._build()
            assert self._model is not None
            return self._model

    def _build(self) -> None:
        recipe = self.recipe
        model = recipe.build(self.seed)
        updates: dict[Any, Any] = {}
        with symc.change_flags(floatX=recipe.dtype):
            weight, rate, penalty = T.vector("weight"), T.scalar("rate"), T.scalar("penalty")
            if model.training_losses is not None and model.parameters:
                total = T.sum(weight * model.training_losses)
                cost = total / T.cast(model.x.shape[0], recipe.dtype)
                if recipe.penalty:
                    cost = cost + penalty * apply_penalty(model.penalised, l2)
                updates = dict(recipe.update(cost, model.parameters, rate))
                self._train_output = total
        self._train_inputs = [model.x, model.target, weight, rate, penalty]
        own = set(model.parameters)
        self._rule_state = [(v, v.get_value()) for v in updates if v not in own]
        self._updates = updates
        used = [model.outputs.prediction, model.outputs.training, model.decoded]
        used += [model.training_losses, model.prediction_losses, *updates, *updates.values()]
        self._state = all_shared([*model.parameters, *(e for e in used if e is not None)])
        if self._values is not None:
            _assign(self._state, self._values)
            self._values = None
        self._model = model

    def _function(self, name: str) -> Callable[..., Any]:
        made = self._functions.get(name)
        if made is None:
            with _building, symc.change_flags(floatX=self.recipe.dtype):
                made = self._functions.setdefault(name, self._compiled(name))
        return made

    def _compiled(self, name: str) -> Callable[..., Any]:
        model = self.model
        if name == "train":
            return symc.function(
                self._train_inputs,
                self._train_output,
                updates=list(self._updates.items()),
                on_unused_input="ignore",
            )
        if name == "loss":
            weight = self._train_inputs[2]
            inputs = [model.x, model.target, weight]
            output = T.sum(weight * model.prediction_losses)
        elif name == "decode":
            inputs, output = [model.code], model.decoded
        else:
            inputs, output = [model.x], model.outputs.prediction
        return symc.function(
            inputs, output, no_default_updates=True, on_unused_input="ignore"
        )

    @property
    def learns(self) -> bool:
        """Whether there is a loss, and something to learn."""
        model = self.model
        return model.training_losses is not None and bool(model.parameters)

    def train(self, X: Any, target: Any, weight: Any, rate: float, penalty: float) -> float:
        """Apply the update rule once; return the weighted sum of the losses of rows before it."""
        dtype = self.recipe.dtype
        numbers = (np.asarray(rate, dtype), np.asarray(penalty, dtype))
        return float(self._function("train")(X, target, weight, *numbers))

    def loss(self, X: Any, target: Any, weight: Any) -> float:
        """Return the weighted sum of the losses of rows, divided by the sum of weights."""
        f = self._function("loss")
        total = sum(float(f(X[b], target[b], weight[b])) for b in _blocks(len(X)))
        return total / float(weight.sum())

    def output(self, X: np.ndarray) -> np.ndarray:
        """Return what the network says of rows, a block of them at a time."""
        return self._by_blocks("output", X)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return what the decoder makes of rows of codes."""
        return self._by_blocks("decode", codes)

    def _by_blocks(self, name: str, rows: np.ndarray) -> np.ndarray:
        f = self._function(name)
        return np.concatenate([f(rows[b]) for b in _blocks(len(rows))])

    def check_shape(self, X: np.ndarray) -> None:
        """Refuse a network whose output has the wrong shape, from a try with a few rows."""
        few = X[:2]
        tries = {"network": self.output(few)}
        wanted = {"network": (len(few), self.recipe.n_outputs)}
        if self.recipe.decoder is not None:
            tries["decoder"] = self.decode(tries["network"])
            wanted["decoder"] = (len(few), self.recipe.n_features)
        for name, got in tries.items():
            if got.shape != wanted[name]:
                raise ValueError(
                    f"the output of the function {name} has shape {got.shape} for {len(few)} rows, "
                    f"expected {wanted[name]}: one column for each of the outputs"
                )

    def values(self) -> list[np.ndarray]:
        """Return copies of all values: parameters, accumulators, states of generators."""
        if self._values is not None:
            return [v.copy() for v in self._values]
        self.model  # noqa: B018  (built here where it has not been)
        return [v.get_value() for v in self._state]

    def set_values(self, values: Sequence[np.ndarray]) -> None:
        """Set all values, as `values` returned them."""
        self.model  # noqa: B018
        _assign(self._state, values)

    def parameters(self) -> list[np.ndarray]:
        """Return copies of the values of what is learned."""
        return [p.get_value() for p in self.model.parameters]

    def restarted(self, recipe: Recipe, shuffling: np.random.RandomState | None) -> Learner:
        """Return a learner that goes on from these parameters.

        Parameters
        ----------
        recipe : Recipe
            May differ in anything that leaves the shapes of parameters as they are.
        shuffling : numpy.random.RandomState or None
            For a new start of the order of rows and of the update rule. None to go on, where the
            recipe is the same.

        Returns
        -------
        Learner
            This one, if the recipe is the same.

        Raises
        ------
        ValueError
            If parameters of the new recipe have other shapes.
        """
        if recipe == self.recipe:
            if shuffling is not None:
                self.shuffling = shuffling
                for variable, first in self._rule_state:
                    variable.set_value(first)
            return self
        made = Learner(recipe, self.seed, shuffling or self.shuffling)
        old, new = self.parameters(), made.parameters()
        if [v.shape for v in old] != [v.shape for v in new]:
            raise ValueError(
                "fit with warm_start=True and partial_fit go on with the parameters of the "
                f"earlier fit, of shapes {[v.shape for v in old]}; with the settings and data of "
                f"now they would have shapes {[v.shape for v in new]}. Fit with warm_start=False, "
                "or a clone"
            )
        _assign(made.model.parameters, old)
        return made


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    now = [np.shape(v.get_value(borrow=True)) for v in variables]
    given = [np.shape(v) for v in values]
    if now != given:
        raise ValueError(
            f"the network has shared variables of shapes {now}, and values of shapes {given} are "
            "to be put into them: the function that makes the network must make the same one "
            "whenever it is called with the same arguments"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.set_value(value)


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]


UPDATE_RULES = (
    "sgd",
    "momentum",
    "nesterov_momentum",
    "adagrad",
    "rmsprop",
    "adadelta",
    "adam",
    "adamax",
    "amsgrad",
)


def update_named(update: Any) -> Callable[..., Any]:
    """Return the update rule: one of `symc.nn.updates` by name, or as given.

    Parameters
    ----------
    update : str or callable

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if callable(update):
        return update
    if update not in UPDATE_RULES:
        raise ValueError(
            "update is a function of loss, parameters and learning rate, or one of "
            f"{', '.join(UPDATE_RULES)}; got {update!r}"
        )
    return getattr(nn_updates, update)
