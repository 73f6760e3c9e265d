"""The transformer."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from .base import ExpressionEstimator, Rows
from .networks import VALUE_LOSSES, hidden_sizes, loss_named
from .recipe import Recipe


def _decodes(transformer: Any) -> bool:
    if transformer.decoder is None:
        raise AttributeError("a transformer with decoder=None has no way back")
    return True


def _learns(transformer: Any) -> bool:
    if transformer.loss is None:
        raise AttributeError("a transformer with loss=None learns nothing and has no score")
    return True


class ExpressionTransformer(
    TransformerMixin, ClassNamePrefixFeaturesOutMixin, ExpressionEstimator
):
    """Features made by any expression, of which a decoder can make the given ones again.

    An autoencoder by default. With ``decoder=None`` the loss is of the new features themselves, or
    there is none and nothing is learned.

    Parameters
    ----------
    network : int, sequence of int or callable
        As for `ExpressionClassifier`; there are `n_components` outputs.
    n_components : int
        How many new features there are.
    decoder : 'mirror', int, sequence of int, callable or None
        The way back: numbers of hidden units, or a function like `network` that gets codes, their
        number of features, the number of columns to be made again, and a generator. 'mirror' has
        the numbers of `network` from the last to the first, and none where that is a function.
    loss : {'squared_error', 'absolute_error', 'huber'}, callable or None
        A function gets what the decoder makes (without one, the new features) and the given
        features, both matrices, and returns the loss of each element or row. None if nothing is to
        be learned.
    nonlinearity, update, learning_rate, l2, batch_size, max_epochs, shuffle
        As for `ExpressionClassifier`.
    early_stopping, validation_fraction, patience, tol, warm_start, random_state, dtype
        As for `ExpressionClassifier`.

    Attributes
    ----------
    loss_curve_, validation_curve_, n_epochs_, n_features_in_, feature_names_in_, parameters_
        As for `ExpressionClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> X = np.hstack([t, 2 * t, 1 - t])
    >>> model = ExpressionTransformer((), n_components=1, learning_rate=0.05, random_state=0)
    >>> codes = model.fit_transform(X)
    >>> codes.shape
    (50, 1)
    >>> bool(abs(model.inverse_transform(codes) - X).max() < 0.1)
    True
    """

    def __init__(
        self, network=(100,), *, n_components=2, decoder="mirror", loss="squared_error",
        nonlinearity="rectify", update="adam", learning_rate=0.001, l2=0.0, batch_size=200,
        max_epochs=200, shuffle=True, early_stopping=False, validation_fraction=0.1, patience=10,
        tol=1e-4, warm_start=False, random_state=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            network, loss, nonlinearity, update, learning_rate, l2, batch_size, max_epochs, shuffle,
            early_stopping, validation_fraction, patience, tol, warm_start, random_state, dtype,
        )  # fmt: skip
        self.n_components = n_components
        self.decoder = decoder

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> ExpressionTransformer:
        """Learn from the beginning, or with ``warm_start=True`` from where the last fit ended.

        Parameters
        ----------
        X : array_like
            Shape (rows, features).
        y : None
            Not used.
        sample_weight : array_like, optional
            Factors of the losses of rows; only their proportions matter.

        Returns
        -------
        ExpressionTransformer
            This one.
        """
        del y
        rows = self._rows(X, sample_weight, True)
        self._start(self._new_recipe(), rows.X, self.warm_start)
        self._learn(rows)
        return self

    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> ExpressionTransformer:
        """Go once through more rows, as `ExpressionRegressor.partial_fit` does."""
        del y
        rows = self._rows(X, sample_weight, not hasattr(self, "_learner"))
        self._go_on(self._new_recipe(), rows.X)
        self._epoch(rows)
        return self

    def _rows(self, X: Any, sample_weight: Any, first: bool) -> Rows:
        self._check_settings()
        n = self.n_components
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n_components is a positive integer, got {n!r}")
        X = self._validated(X, reset=first)
        weight = self._weights(sample_weight, X)
        counted = slice(None) if weight.all() else weight > 0
        return Rows(X[counted], X[counted], weight[counted])

    def _new_recipe(self) -> Recipe:
        decoder = self.decoder
        if isinstance(decoder, str) and decoder == "mirror":
            decoder = () if callable(self.network) else hidden_sizes(self.network, "network")[::-1]
        elif decoder is not None and not callable(decoder):
            decoder = hidden_sizes(decoder, "decoder")
        loss = None if self.loss is None else loss_named(self.loss, VALUE_LOSSES)
        return self._recipe(int(self.n_components), loss, decoder=decoder)

    @property
    def _n_features_out(self) -> int:
        return self._learner.recipe.n_outputs

    def transform(self, X: Any) -> np.ndarray:
        """Return the new features, of shape (rows, n_components).

        Parameters
        ----------
        X
            As for `fit`.
        """
        return self._output(X)

    @available_if(_decodes)
    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return what the decoder makes of new features, of shape (rows, features).

        Parameters
        ----------
        X : array_like
            Shape (rows, n_components).

        Raises
        ------
        ValueError
            If there are not `n_components` columns.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=np.dtype(self._float()), order="C")
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"inverse_transform takes {self._n_features_out} columns, got {codes.shape[1]}"
            )
        return self._learner.decode(codes)

    @available_if(_learns)
    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean loss of rows, so that more is better.

        Parameters
        ----------
        X, y
            As for `fit`.
        """
        del y
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        return -self._learner.loss(X, X, np.ones(len(X), X.dtype))
