"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from .base import Rows, SupervisedEstimator
from .networks import VALUE_LOSSES, loss_named
from .recipe import Recipe


class ExpressionRegressor(RegressorMixin, SupervisedEstimator):
    """Numbers predicted by any expression of the features.

    Parameters
    ----------
    network : int, sequence of int or callable
        As for `ExpressionClassifier`; there is an output for each column of the targets.
    loss : {'squared_error', 'absolute_error', 'huber'} or callable
        A function gets the output and the target, both matrices, and returns the loss of each
        element or row.
    nonlinearity, update, learning_rate, l2, batch_size, max_epochs, shuffle
        As for `ExpressionClassifier`.
    early_stopping, validation_fraction, patience, tol, warm_start, random_state, dtype
        As for `ExpressionClassifier`.

    Attributes
    ----------
    n_outputs_ : int
    loss_curve_, validation_curve_, n_epochs_, n_features_in_, feature_names_in_, parameters_
        As for `ExpressionClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 40).reshape(-1, 1)
    >>> model = ExpressionRegressor((20,), learning_rate=0.01, random_state=0).fit(X, X[:, 0] ** 2)
    >>> bool(model.score(X, X[:, 0] ** 2) > 0.9)
    True
    """

    def __init__(
        self, network=(100,), *, loss="squared_error", nonlinearity="rectify", update="adam",
        learning_rate=0.001, l2=0.0, batch_size=200, max_epochs=200, shuffle=True,
        early_stopping=False, validation_fraction=0.1, patience=10, tol=1e-4, warm_start=False,
        random_state=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            network, loss, nonlinearity, update, learning_rate, l2, batch_size, max_epochs, shuffle,
            early_stopping, validation_fraction, patience, tol, warm_start, random_state, dtype,
        )  # fmt: skip

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> ExpressionRegressor:
        """Go once through more rows, from where the last call or fit ended.

        Parameters
        ----------
        X, y
            As for `fit`.
        sample_weight : array_like, optional
            Factors of the losses of rows, as they are: chunks may weigh differently.

        Returns
        -------
        ExpressionRegressor
            This one.
        """
        self._fit_more(X, y, sample_weight)
        return self

    def _rows(
        self, X: Any, y: Any, sample_weight: Any, first: bool, classes: Any = None
    ) -> Rows:
        X, y, weight = self._validated_with_targets(
            X, y, sample_weight, first, multi_output=True, y_numeric=True
        )
        target = np.ascontiguousarray(y, X.dtype).reshape(len(X), -1)
        if first:
            self.n_outputs_ = target.shape[1]
            self._flat = y.ndim == 1
        elif target.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {target.shape[1]} columns, and had {self.n_outputs_} in the first call"
            )
        return Rows(X, target, weight)

    def _new_recipe(self) -> Recipe:
        return self._recipe(self.n_outputs_, loss_named(self.loss, VALUE_LOSSES))

    def predict(self, X: Any) -> np.ndarray:
        """Return the network's output: like the targets, a matrix or a vector.

        Parameters
        ----------
        X
            As for `fit`.
        """
        output = self._output(X)
        return output[:, 0] if self._flat else output
