"""The functions of a network, compiled when first used, and used again by later networks.

A function takes a tenth of a second to compile even where its library is in the cache, much more
than a fit on little data. So the programs of estimators that are gone are kept for a while, for
networks whose expressions are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.gof.graph import equal_computations
from symc.nn import updates as nn_updates
from symc.nn.regularization import apply_penalty, l2
from symc.nn.utils import collect_shared_vars, unique

from .networks import function_named
from .recipe import Model, Recipe, building

# How many programs are kept for networks to come.
KEPT = 16

UPDATE_RULES = {
    rule.__name__: rule
    for rule in (
        nn_updates.sgd,
        nn_updates.momentum,
        nn_updates.nesterov_momentum,
        nn_updates.adagrad,
        nn_updates.rmsprop,
        nn_updates.adadelta,
        nn_updates.adam,
        nn_updates.adamax,
        nn_updates.amsgrad,
    )
}


def update_named(update: Any) -> Callable[..., Any]:
    """Return the update rule; see `function_named`."""
    return function_named(update, UPDATE_RULES, "update", "loss, parameters and learning rate")


class Program:
    """The variables that hold a network's values, and its functions.

    Parameters
    ----------
    recipe : Recipe
    model : Model
        Made by `recipe`; its shared variables are those of the program.

    Attributes
    ----------
    state : list of SharedVariable
        One for each value: parameters, accumulators of the update rule, states of generators.
    """

    def __init__(self, recipe: Recipe, model: Model) -> None:
        self.recipe = recipe
        self.model = model
        self._mode = symc.config.mode
        self.variables = shared_variables(model)
        self._weight, self._rate, self._penalty = (
            T.TensorType(recipe.dtype, (False,) * ndim)(name)
            for name, ndim in (("weight", 1), ("rate", 0), ("penalty", 0))
        )
        self._total, self._updates = self._training()
        accumulators = shared_of([*self._updates, *self._updates.values()])
        own = {id(v.container) for v in self.variables}
        self._accumulators = [
            (v, _first(v.get_value())) for v in accumulators if id(v.container) not in own
        ]
        self.state = by_container([*self.variables, *(v for v, _ in self._accumulators)])
        self._shapes = [np.shape(v.get_value(borrow=True)) for v in self.state]
        self._pattern = _pattern(self.variables)
        self._functions: dict[str, Callable[..., Any]] = {}

    def _training(self) -> tuple[Any, dict[Any, Any]]:
        model, recipe = self.model, self.recipe
        if model.training_losses is None or not model.parameters:
            return None, {}
        with symc.change_flags(floatX=recipe.dtype):
            total = T.sum(self._weight * model.training_losses)
            cost = total / T.cast(model.x.shape[0], recipe.dtype)
            if recipe.penalty:
                cost = cost + self._penalty * apply_penalty(model.penalised, l2)
            return total, dict(recipe.update(cost, model.parameters, self._rate))

    def values(self) -> list[Any]:
        """Return copies of the values of `state`."""
        return [v.get_value() for v in self.state]

    def load(self, values: Sequence[Any]) -> None:
        """Set the values of `state`.

        Raises
        ------
        ValueError
            If they have other shapes than those that the program was made with.
        """
        given = [np.shape(v) for v in values]
        if given != self._shapes:
            raise ValueError(
                f"the network has shared variables of shapes {self._shapes}, and values of shapes "
                f"{given} are to be put into them: the function that makes the network must make "
                "the same one whenever it is called with the same arguments"
            )
        for variable, value in zip(self.state, values, strict=True):
            variable.set_value(value)

    def start(self, model: Model) -> None:
        """Take the first values of a model that this `serves`."""
        for variable, other in zip(self.variables, shared_variables(model), strict=True):
            variable.set_value(other.get_value())
        self.start_rule()

    def take_over(self, other: Program) -> None:
        """Take the network's values of another program, or of parameters if it differs in more."""
        mine, theirs = self.variables, other.variables
        if self._pattern != other._pattern:
            mine, theirs = self.model.parameters, other.model.parameters
        for variable, old in zip(mine, theirs, strict=True):
            variable.set_value(old.get_value())

    def drop_values(self) -> None:
        """Let go of the memory of all values; `load` or `start` comes next."""
        for variable in self.state:
            value = variable.get_value(borrow=True)
            if isinstance(value, np.ndarray):
                variable.set_value(np.zeros((1,) * value.ndim, value.dtype), borrow=True)

    def start_rule(self) -> None:
        """Give accumulators of the update rule their first values."""
        for variable, first in self._accumulators:
            variable.set_value(first)

    def function(self, name: str) -> Callable[..., Any]:
        """Return a compiled function.

        Parameters
        ----------
        name : {'train', 'loss', 'output', 'decode'}
            From inputs, targets, weights, learning rate and penalty to the weighted sum of losses;
            from inputs, targets and weights to that; from inputs to outputs; from codes to what the
            decoder makes of them. Only the first changes anything.
        """
        made = self._functions.get(name)
        if made is None:
            with building, symc.change_flags(floatX=self.recipe.dtype):
                made = self._functions.get(name) or self._compiled(name)
                self._functions[name] = made
        return made

    def _compiled(self, name: str) -> Callable[..., Any]:
        model = self.model
        data = [model.x, model.target, self._weight]
        if name == "train":
            return symc.function(
                [*data, self._rate, self._penalty],
                self._total,
                updates=list(self._updates.items()),
                on_unused_input="ignore",
                mode=self._mode,
            )
        inputs, output = {
            "loss": (data, lambda: T.sum(self._weight * model.prediction_losses)),
            "output": ([model.x], lambda: model.outputs.prediction),
            "decode": ([model.code], lambda: model.decoded),
        }[name]
        return symc.function(
            inputs,
            output(),
            no_default_updates=True,
            on_unused_input="ignore",
            mode=self._mode,
        )

    def serves(self, model: Model) -> bool:
        """Tell whether this computes what a program made for `model` now would."""
        mine, other = self.model, model
        variables = shared_variables(other)
        if self._mode != symc.config.mode or _pattern(variables) != self._pattern:
            return False
        learned = [self.variables.index(p) for p in mine.parameters]
        if learned != [variables.index(p) for p in other.parameters]:
            return False
        if len(mine.penalised) != len(other.penalised):
            return False
        return equal_computations(
            [*mine.expressions(), *default_updates(self.variables), *mine.penalised],
            [*other.expressions(), *default_updates(variables), *other.penalised],
            [*mine.inputs(), *self.variables],
            [*other.inputs(), *variables],
        )


def _first(value: Any) -> Any:
    """A value to begin with again; zeros take no memory."""
    if isinstance(value, np.ndarray) and not value.any():
        return np.broadcast_to(np.zeros((), value.dtype), value.shape)
    return value


def _pattern(variables: Sequence[Any]) -> list[tuple[int, tuple[int, ...]]]:
    """Which variables stand on one container, and the shapes of values."""
    places: dict[int, int] = {}
    return [
        (
            places.setdefault(id(v.container), len(places)),
            np.shape(v.get_value(borrow=True)),
        )
        for v in variables
    ]


def default_updates(variables: Sequence[Any]) -> list[Any]:
    """Return the default updates of those shared variables that have one."""
    found = (getattr(v, "default_update", None) for v in variables)
    return [update for update in found if update is not None]


def shared_of(expressions: Sequence[Any]) -> list[Any]:
    """Return shared variables that expressions, and their default updates, are computed from.

    Parameters
    ----------
    expressions : list of Variable

    Returns
    -------
    list of SharedVariable
        Each once, in the order of a walk.
    """
    found: list[Any] = []
    pending = list(expressions)
    while pending:
        known = set(found)
        new = [v for v in unique(collect_shared_vars(pending)) if v not in known]
        found += new
        pending = default_updates(new)
    return found


def shared_variables(model: Model) -> list[Any]:
    """Return the shared variables of a network's expressions, parameters first."""
    return shared_of([*model.parameters, *model.expressions()])


def by_container(variables: Sequence[Any]) -> list[Any]:
    """Return one variable for each value."""
    return list({id(v.container): v for v in reversed(variables)}.values())[::-1]


_idle: deque[Program] = deque(maxlen=KEPT)


def program_for(recipe: Recipe, seed: int) -> Program:
    """Return a program with the first values that a seed gives: one that is kept, or a new one.

    Parameters
    ----------
    recipe : Recipe
    seed : int
    """
    with building:
        model = recipe.build(seed)
        for program in list(_idle):
            if program.recipe == recipe and program.serves(model):
                _idle.remove(program)
                program.start(model)
                return program
        return Program(recipe, model)


def give_back(program: Program) -> None:
    """Keep a program that is not used any more."""
    program.drop_values()
    _idle.append(program)
