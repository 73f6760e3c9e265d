"""Networks with values that are learned; pickled as values."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any
from weakref import finalize

import numpy as np

from .program import Program, give_back, program_for
from .recipe import Recipe, building

# Rows that go through a network at once when nothing is learned, so that memory is bounded.
BLOCK = 1024


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
        self._values: list[Any] | None = None
        self._program: Program | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "seed": self.seed,
            "shuffling": self.shuffling,
            "values": self.values(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["recipe"], state["seed"], state["shuffling"])  # type: ignore[misc]
        self._values = state["values"]

    @property
    def program(self) -> Program:
        """Variables and functions; made when they are first needed."""
        with building:
            if self._program is None:
                program = program_for(self.recipe, self.seed)
                if self._values is not None:
                    program.load(self._values)
                    self._values = None
                finalize(self, give_back, program).atexit = False
                self._program = program
            return self._program

    @property
    def learns(self) -> bool:
        """Whether there is a loss, and something to learn."""
        model = self.program.model
        return model.training_losses is not None and bool(model.parameters)

    def train(self, X: Any, target: Any, weight: Any, rate: float, penalty: float) -> float:
        """Apply the update rule once; return the weighted sum of the losses of rows before it."""
        dtype = self.recipe.dtype
        numbers = (np.asarray(rate, dtype), np.asarray(penalty, dtype))
        return float(self.program.function("train")(X, target, weight, *numbers))

    def loss(self, X: Any, target: Any, weight: Any) -> float:
        """Return the weighted sum of the losses of rows, divided by the sum of weights."""
        f = self.program.function("loss")
        total = sum(float(f(X[b], target[b], weight[b])) for b in _blocks(len(X)))
        return total / float(weight.sum())

    def output(self, X: np.ndarray) -> np.ndarray:
        """Return what the network says of rows, a block of them at a time."""
        return self._by_blocks("output", X)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return what the decoder makes of rows of codes."""
        return self._by_blocks("decode", codes)

    def _by_blocks(self, name: str, rows: np.ndarray) -> np.ndarray:
        f = self.program.function(name)
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

    def values(self) -> list[Any]:
        """Return copies of all values: parameters, accumulators, states of generators."""
        with building:
            if self._values is not None:  # loaded and not used so far: no need to build anything
                return deepcopy(self._values)
        return self.program.values()

    def set_values(self, values: Sequence[Any]) -> None:
        """Set all values, as `values` returned them."""
        self.program.load(values)

    def parameters(self) -> list[np.ndarray]:
        """Return copies of the values of what is learned."""
        return [p.get_value() for p in self.program.model.parameters]

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
                self.program.start_rule()
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
        made.program.take_over(self.program)
        return made


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]
