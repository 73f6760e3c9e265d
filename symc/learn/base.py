"""What the estimators have in common: settings, the loop over epochs, early stopping."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

import symc

from .learner import Learner
from .networks import Loss, hidden_sizes
from .program import update_named
from .recipe import Recipe

LARGEST_SEED = 2**31 - 1


class Rows(NamedTuple):
    """Data of one length: inputs, targets, and the weight of each row."""

    X: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def take(self, index: Any) -> Rows:
        """Return some of the rows."""
        return Rows(self.X[index], self.target[index], self.weight[index])


def batches(rows: Rows, size: int, order: np.random.RandomState | None) -> Iterator[Rows]:
    """Yield the rows in batches.

    Parameters
    ----------
    rows : Rows
    size : int
        Of each batch but the last, which may be smaller.
    order : numpy.random.RandomState or None
        For the order of rows; None for the order they have.
    """
    n = len(rows.X)
    if size >= n:
        yield rows
        return
    index = np.arange(n) if order is None else order.permutation(n)
    for start in range(0, n, size):
        yield rows.take(index[start : start + size])


class ExpressionEstimator(BaseEstimator):
    """Base of the estimators; its subclasses say what a target is and what is made of outputs.

    Settings and attributes are those of `ExpressionClassifier`.
    """

    _learner: Learner

    def __init__(
        self, network: Any, loss: Any, nonlinearity: Any, update: Any, learning_rate: Any, l2: Any,
        batch_size: Any, max_epochs: Any, shuffle: Any, early_stopping: Any,
        validation_fraction: Any, patience: Any, tol: Any, warm_start: Any, random_state: Any,
        dtype: Any,
    ) -> None:  # fmt: skip
        self.network = network
        self.loss = loss
        self.nonlinearity = nonlinearity
        self.update = update
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.dtype = dtype

    def _check_settings(self) -> None:
        """Refuse hyperparameters that make no sense, by name."""
        whole = self.batch_size is None or _is_number(self.batch_size, Integral, 1)
        share = self.validation_fraction
        checks = [
            ("batch_size", whole, "a positive integer or None"),
            ("max_epochs", _is_number(self.max_epochs, Integral, 0), "an integer >= 0"),
            (
                "learning_rate",
                callable(self.learning_rate) or _is_number(self.learning_rate, Real, 0),
                "a number >= 0, or a function from the number of the epoch to one",
            ),
            ("l2", _is_number(self.l2, Real, 0), "a number >= 0"),
            ("patience", _is_number(self.patience, Integral, 1), "an integer >= 1"),
            ("tol", _is_number(self.tol, Real, 0), "a number >= 0"),
            (
                "validation_fraction",
                _is_number(share, Real, 0) and 0 < share < 1,
                "a number between 0 and 1",
            ),
            ("dtype", self.dtype in (None, "float32", "float64"), "'float32', 'float64' or None"),
        ]
        for name, fine, wanted in checks:
            if not fine:
                raise ValueError(f"{name} is {wanted}, got {getattr(self, name)!r}")

    def _float(self) -> str:
        return self.dtype or symc.config.floatX

    def _recipe(self, n_outputs: int, loss: Loss | None, **others: Any) -> Recipe:
        network = self.network
        if not callable(network):
            network = hidden_sizes(network, "network")
        return Recipe(
            network=network,
            nonlinearity=self.nonlinearity,
            loss=loss,
            update=update_named(self.update),
            penalty=self.l2 > 0,
            dtype=self._float(),
            n_features=self.n_features_in_,
            n_outputs=n_outputs,
            **others,
        )

    def _validated(self, X: Any, reset: bool) -> np.ndarray:
        return validate_data(self, X, reset=reset, dtype=np.dtype(self._float()), order="C")

    def _weights(self, sample_weight: Any, X: np.ndarray) -> np.ndarray:
        """Weights as an array; some must be positive, and none negative."""
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if (weight < 0).any():
            raise ValueError(
                f"sample_weight has negative values, the least is {weight.min()}; weights are >= 0"
            )
        if not weight.any():
            raise ValueError("sample_weight is zero for all rows, so that there is nothing to fit")
        return weight

    def _start(self, recipe: Recipe, X: np.ndarray, go_on: bool) -> None:
        """Have a learner for a fit: a new one, or one that starts where the last fit ended."""
        rng = check_random_state(self.random_state)
        seed, order = rng.randint(LARGEST_SEED), rng.randint(LARGEST_SEED)
        shuffling = np.random.RandomState(order)
        if go_on and hasattr(self, "_learner"):
            learner = self._learner.restarted(recipe, shuffling)
        else:
            learner = Learner(recipe, seed, shuffling)
        learner.check_shape(X)
        self._learner = learner
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []
        self.n_epochs_ = 0

    def _go_on(self, recipe: Recipe, X: np.ndarray) -> None:
        """Have a learner for one pass more."""
        if not hasattr(self, "_learner"):
            self._start(recipe, X, False)
            return
        learner = self._learner.restarted(recipe, None)
        if learner is not self._learner:
            learner.check_shape(X)
            self._learner = learner

    def _epoch(self, rows: Rows) -> None:
        """Go through the rows once, if there is something to learn."""
        learner = self._learner
        if not learner.learns:
            return
        rate = self.learning_rate
        if callable(rate):
            rate = rate(self.n_epochs_)
        size = len(rows.X) if self.batch_size is None else self.batch_size
        order = learner.shuffling if self.shuffle else None
        total = sum(
            learner.train(*batch, rate, self.l2) for batch in batches(rows, size, order)
        )
        self.n_epochs_ += 1
        self.loss_curve_.append(total / float(rows.weight.sum()))
        if not np.isfinite(total):
            raise ValueError(
                f"the loss is {self.loss_curve_[-1]} after {self.n_epochs_} epochs of training; a "
                f"lower learning_rate (now {rate}) or features of similar scales "
                "(sklearn.preprocessing.StandardScaler) usually help"
            )

    def _learn(self, rows: Rows, stratify: np.ndarray | None = None) -> None:
        """Fit the learner: all epochs, or until the rows held out are predicted no better."""
        if not self._learner.learns:
            return
        weight = rows.weight / rows.weight.mean(dtype=np.float64)
        rows = rows._replace(weight=weight.astype(rows.weight.dtype))
        if not self.early_stopping:
            for _ in range(self.max_epochs):
                self._epoch(rows)
            return
        train, held = self._split(rows, stratify)
        best, best_values, waited = np.inf, None, 0
        for _ in range(self.max_epochs):
            self._epoch(train)
            loss = self._learner.loss(*held)
            self.validation_curve_.append(loss)
            waited = 0 if loss < best - self.tol else waited + 1
            if loss < best:
                best, best_values = loss, self._learner.values()
            if waited >= self.patience:
                break
        if best_values is not None:
            self._learner.set_values(best_values)

    def _split(self, rows: Rows, stratify: np.ndarray | None) -> tuple[Rows, Rows]:
        n = len(rows.X)
        if n < 2:
            raise ValueError("early_stopping=True holds rows out and needs 2 or more, got 1 sample")
        held = int(np.ceil(self.validation_fraction * n))
        held = min(held, n - 1)
        if stratify is not None:
            counts = np.bincount(stratify)
            kinds = len(counts)
            if counts[counts > 0].min() < 2 or held < kinds or n - held < kinds:
                stratify = None
        index, other = train_test_split(
            np.arange(n), test_size=held, random_state=self._learner.shuffling, stratify=stratify
        )
        return rows.take(index), rows.take(other)

    def _output(self, X: Any) -> np.ndarray:
        """What the network says of rows."""
        check_is_fitted(self)
        return self._learner.output(self._validated(X, reset=False))

    @property
    def parameters_(self) -> list[np.ndarray]:
        """Copies of the values of all that is learned, in the order of the network's layers."""
        check_is_fitted(self)
        return self._learner.parameters()


class SupervisedEstimator(ExpressionEstimator):
    """Base of the estimators that learn from targets."""

    def _rows(
        self, X: Any, y: Any, sample_weight: Any, first: bool, classes: Any = None
    ) -> Rows:
        """Check data; where they are the first, note what they say of the targets."""
        raise NotImplementedError

    def _new_recipe(self) -> Recipe:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Learn from the beginning, or with ``warm_start=True`` from where the last fit ended.

        Parameters
        ----------
        X : array_like
            Shape (rows, features).
        y : array_like
            Targets: shape (rows,); numbers may have the shape (rows, outputs).
        sample_weight : array_like, optional
            Factors of the losses of rows; only their proportions matter. Zero is as if the row
            were not there.

        Returns
        -------
        estimator
            This one.

        Raises
        ------
        ValueError
            If settings or data make no sense, or the loss becomes infinite or nan.
        """
        self._check_settings()
        rows = self._rows(X, y, sample_weight, first=True)
        self._start(self._new_recipe(), rows.X, self.warm_start)
        self._learn(rows)
        return self

    def _fit_more(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> None:
        self._check_settings()
        rows = self._rows(X, y, sample_weight, not hasattr(self, "_learner"), classes)
        self._go_on(self._new_recipe(), rows.X)
        self._epoch(rows)

    def _validated_with_targets(
        self, X: Any, y: Any, sample_weight: Any, first: bool, **kwargs: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs, targets and weights, without the rows that weigh nothing."""
        dtype = np.dtype(self._float())
        X, y = validate_data(self, X, y, reset=first, dtype=dtype, order="C", **kwargs)
        weight = self._weights(sample_weight, X)
        if weight.all():
            return X, y, weight
        counted = weight > 0
        return X[counted], y[counted], weight[counted]


def _is_number(value: Any, kind: Any, least: int) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and value >= least
