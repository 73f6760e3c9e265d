"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from .base import Rows, SupervisedEstimator
from .networks import PROBABILITY_LOSSES, SCORE_LOSSES, loss_named
from .recipe import Recipe


def _has_probabilities(classifier: Any) -> bool:
    if classifier.loss == "hinge":
        raise AttributeError("scores learned with loss='hinge' don't say how probable a class is")
    return True


class ExpressionClassifier(ClassifierMixin, SupervisedEstimator):
    """Classes predicted by any expression of the features.

    Parameters
    ----------
    network : int, sequence of int or callable
        Numbers of units of hidden dense layers, ``()`` for none; or a function that is called with
        the input (a matrix of rows, symbolic), the number of features, the number of outputs (here
        of classes) and a generator of random numbers (`numpy.random.RandomState`). It makes new
        shared variables at each call and returns a matrix with a row of outputs for each row of
        the input, as an expression or as a layer of `symc.nn.layers`, or a pair: what is used in
        training, and what is used in predictions. A layer stands for both, the second being
        deterministic. All shared variables that the first depends on are learned, except those
        with a default update; of a layer, those that are trainable.
    loss : {'log_loss', 'hinge'} or callable
        A function gets the output and the target, a vector of numbers of classes, and returns the
        loss of each row.
    output : {'scores', 'probabilities'}
        What the network's outputs are. Scores may be any numbers; their softmax is the
        probabilities. A network that ends in a softmax has probabilities.
    nonlinearity : str, callable or None
        Of the hidden layers, where `network` is numbers: a function of an expression, or the name
        of one of `symc.nn.nonlinearities`.
    update : str or callable
        The update rule: the name of one of `symc.nn.updates`, or a function of the loss, the
        parameters and the learning rate, all symbolic, that returns a dict of updates.
    learning_rate : float or callable
        A function gets the number of the epoch, from 0.
    l2 : float
        This times the sum of squares of all weights, but not of biases, is added to the loss.
    batch_size : int or None
        Rows per update; None for all.
    max_epochs : int
        Passes over the data in `fit`.
    shuffle : bool
        Whether each epoch goes through the rows in a new order.
    early_stopping : bool
        Whether to hold rows out, to end when their loss has not become better by `tol` for
        `patience` epochs, and to keep the parameters that were best.
    validation_fraction : float
        How many of the rows are held out.
    patience : int
    tol : float
    warm_start : bool
        Whether `fit` begins with the parameters of the last fit.
    random_state : int, numpy.random.RandomState or None
        For first values, random layers and the order of rows.
    dtype : {'float32', 'float64'} or None
        Of inputs and of what layers make; None for ``config.floatX``.
    class_weight : dict, 'balanced' or None
        Factors of the losses of classes, by label; 'balanced' lets all have the same total weight.

    Attributes
    ----------
    classes_ : numpy.ndarray
        The labels, in order.
    loss_curve_ : list of float
        Mean loss in each epoch, or call of `partial_fit`, taken while parameters were changing.
    validation_curve_ : list of float
        With ``early_stopping=True``, the mean loss of the rows held out, after each epoch.
    n_epochs_ : int
        Passes over the data so far.
    n_features_in_ : int
    feature_names_in_ : numpy.ndarray
        Names of the columns, where `fit` saw a table with names that are strings.
    parameters_ : list of numpy.ndarray
        Copies of what was learned.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = ["same", "other", "other", "same"]
    >>> model = ExpressionClassifier((20,), learning_rate=0.05, random_state=0).fit(X, y)
    >>> model.predict(X).tolist()
    ['same', 'other', 'other', 'same']
    """

    def __init__(
        self, network=(100,), *, loss="log_loss", output="scores", nonlinearity="rectify",
        update="adam", learning_rate=0.001, l2=0.0, batch_size=200, max_epochs=200, shuffle=True,
        early_stopping=False, validation_fraction=0.1, patience=10, tol=1e-4, warm_start=False,
        random_state=None, dtype=None, class_weight=None,
    ):  # fmt: skip
        super().__init__(
            network, loss, nonlinearity, update, learning_rate, l2, batch_size, max_epochs, shuffle,
            early_stopping, validation_fraction, patience, tol, warm_start, random_state, dtype,
        )  # fmt: skip
        self.output = output
        self.class_weight = class_weight

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> ExpressionClassifier:
        """Go once through more rows, from where the last call or fit ended.

        Parameters
        ----------
        X, y
            As for `fit`.
        classes : array_like, optional
            All labels there will ever be; needed in the first call.
        sample_weight : array_like, optional
            Factors of the losses of rows, as they are: chunks may weigh differently.

        Returns
        -------
        ExpressionClassifier
            This one.

        Raises
        ------
        ValueError
            If the classes are not known, are others than in the first call, or don't contain all
            labels.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all data at once; give partial_fit's estimator a "
                "dict (sklearn.utils.class_weight.compute_class_weight makes one of a sample)"
            )
        fitted = hasattr(self, "_learner")
        if classes is None and not fitted:
            raise ValueError("classes must be given in the first call of partial_fit")
        labels = self.classes_ if classes is None else np.unique(classes)
        if fitted and not np.array_equal(labels, self.classes_):
            raise ValueError(
                f"classes={labels} is not the same as in the first call: {self.classes_}"
            )
        self._fit_more(X, y, sample_weight, labels)
        return self

    def _rows(
        self, X: Any, y: Any, sample_weight: Any, first: bool, classes: Any = None
    ) -> Rows:
        check_classification_targets(y)
        X, y, weight = self._validated_with_targets(X, y, sample_weight, first)
        labels = np.unique(y) if classes is None else classes
        unknown = np.setdiff1d(y, labels)
        if len(unknown):
            raise ValueError(f"y has labels {unknown} that are not among classes={labels}")
        goes_on = self.warm_start and hasattr(self, "_learner")
        if goes_on and not np.array_equal(labels, self.classes_):
            raise ValueError(
                "fit with warm_start=True goes on with the classes of the last fit, "
                f"{self.classes_}; y has {labels}"
            )
        self.classes_: np.ndarray = labels
        target = np.searchsorted(labels, y)
        return Rows(X, target, weight * self._class_factors(target, weight)[target])

    def _class_factors(self, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The factor of each class, by `class_weight`."""
        chosen, n = self.class_weight, len(self.classes_)
        factors = np.ones(n, weight.dtype)
        if chosen == "balanced":
            totals = np.bincount(target, weight, n)
            present = totals > 0
            factors[present] = totals.sum() / (present.sum() * totals[present])
        elif isinstance(chosen, dict):
            for i, label in enumerate(self.classes_):
                factors[i] = chosen.get(label, 1.0)
        elif chosen is not None:
            raise ValueError(f"class_weight is a dict, 'balanced' or None, got {chosen!r}")
        return factors

    def _new_recipe(self) -> Recipe:
        if self.output not in ("scores", "probabilities"):
            raise ValueError(f"output is 'scores' or 'probabilities', got {self.output!r}")
        probabilities = self.output == "probabilities"
        loss = loss_named(self.loss, PROBABILITY_LOSSES if probabilities else SCORE_LOSSES)
        return self._recipe(
            len(self.classes_), loss, classes=True, probabilities=probabilities
        )

    def _learn(self, rows: Rows, stratify: np.ndarray | None = None) -> None:
        super()._learn(rows, rows.target)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return scores of classes: the more, the likelier.

        Parameters
        ----------
        X : array_like
            Shape (rows, features).

        Returns
        -------
        numpy.ndarray
            Shape (rows, classes); of two classes, how much higher the second scores, of shape
            (rows,). Logarithms of probabilities where these are the network's output.
        """
        scores = self._scores(X)
        if scores.shape[1] > 2:
            return scores
        return scores[:, -1] - scores[:, 0] if scores.shape[1] == 2 else scores[:, 0]

    def _scores(self, X: Any) -> np.ndarray:
        output = self._output(X)
        if not self._learner.recipe.probabilities:
            return output
        with np.errstate(divide="ignore"):
            return np.log(output)

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels of the classes with the highest scores, of shape (rows,).

        Parameters
        ----------
        X
            As for `fit`.
        """
        best = self._output(X).argmax(axis=1)
        return self.classes_[best]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities in the order of ``classes_``, of shape (rows, classes).

        Parameters
        ----------
        X
            As for `fit`.
        """
        return np.exp(self.predict_log_proba(X))

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of what `predict_proba` returns.

        Parameters
        ----------
        X
            As for `fit`.
        """
        scores = self._scores(X)
        return scores if self._learner.recipe.probabilities else log_softmax(scores, axis=1)
