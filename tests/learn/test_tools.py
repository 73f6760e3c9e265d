"""The estimators in scikit-learn's tools, and with all kinds of data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", minversion="1.6")

import joblib
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from symc.learn import ExpressionClassifier, ExpressionRegressor, ExpressionTransformer
from tests.learn.data import blobs, curve, linear, random_layers

X, Y = blobs()
NAMES = np.array(["ash", "elm", "oak"])[Y]
POINTS, HEIGHTS = curve()
CLASSIFIER = ExpressionClassifier((8,), learning_rate=0.05, max_epochs=30, random_state=0)
REGRESSOR = ExpressionRegressor((8,), learning_rate=0.05, max_epochs=60, random_state=0)
TRANSFORMER = ExpressionTransformer((8,), learning_rate=0.05, max_epochs=30, random_state=0)


def classifier(**settings: Any) -> Any:
    return clone(CLASSIFIER).set_params(**settings)


@pytest.mark.usefixtures("_numpy_path")
@pytest.mark.parametrize(
    "tool",
    [
        CalibratedClassifierCV(classifier(), cv=3),
        CalibratedClassifierCV(classifier(loss="hinge"), cv=3),
        BaggingClassifier(classifier(), n_estimators=3, random_state=0),
        BaggingClassifier(classifier(), n_estimators=3, max_samples=12, random_state=0),
        AdaBoostClassifier(classifier(), n_estimators=2, random_state=0),
        StackingClassifier([("a", classifier()), ("b", classifier(loss="hinge"))], cv=2),
        VotingClassifier([("a", classifier()), ("b", classifier(network=linear))], voting="soft"),
        OneVsRestClassifier(classifier()),
        OneVsOneClassifier(classifier()),
        OutputCodeClassifier(classifier(), random_state=0),
        make_pipeline(StandardScaler(), clone(TRANSFORMER), classifier()),
        make_pipeline(FeatureUnion([("a", clone(TRANSFORMER))]), classifier()),
        GridSearchCV(classifier(), {"network": [(4,), 8, linear], "l2": [0.0, 1e-3]}, cv=2),
        RandomizedSearchCV(classifier(), {"batch_size": [8, None]}, n_iter=2, cv=2),
    ],
    ids=lambda tool: type(tool).__name__,
)
def test_tools_for_classifiers(tool: Any) -> None:
    fitted = tool.fit(X, NAMES)
    assert fitted.score(X, NAMES) > 0.8
    assert set(fitted.predict(X)) == {"ash", "elm", "oak"}


@pytest.mark.usefixtures("_numpy_path")
@pytest.mark.parametrize(
    "tool",
    [
        StackingRegressor([("a", clone(REGRESSOR))], final_estimator=clone(REGRESSOR), cv=2),
        TransformedTargetRegressor(clone(REGRESSOR), transformer=StandardScaler()),
        GridSearchCV(clone(REGRESSOR), {"loss": ["huber", "squared_error"]}, cv=2),
    ],
    ids=lambda tool: type(tool).__name__,
)
def test_tools_for_regressors(tool: Any) -> None:
    assert tool.fit(POINTS, 100 * HEIGHTS if hasattr(tool, "func") else HEIGHTS) is tool
    assert tool.predict(POINTS).shape == (60,)


def test_several_targets() -> None:
    both = np.c_[HEIGHTS, -HEIGHTS]
    model = clone(REGRESSOR).fit(POINTS, both)
    assert model.predict(POINTS).shape == (60, 2)
    assert model.score(POINTS, both) > 0.8
    assert MultiOutputRegressor(clone(REGRESSOR)).fit(POINTS, both).score(POINTS, both) > 0.8
    classes = np.c_[Y == 0, Y == 1].astype(int)
    MultiOutputClassifier(classifier()).fit(X, classes).predict_proba(X)
    assert ClassifierChain(classifier()).fit(X, classes).predict(X).shape == (60, 2)
    with pytest.raises(ValueError, match="1d array"):
        classifier().fit(X, classes)


def test_cross_validation() -> None:
    assert cross_val_score(classifier(), X, NAMES, cv=3).mean() > 0.8
    assert cross_val_predict(classifier(), X, NAMES, method="predict_proba").shape == (60, 3)
    scoring = ["accuracy", "neg_log_loss", "roc_auc_ovr"]
    assert cross_validate(classifier(), X, Y, cv=2, scoring=scoring)["test_accuracy"].mean() > 0.8
    learning_curve(
        classifier(), X, Y, cv=2, train_sizes=[0.5, 1.0], exploit_incremental_learning=True
    )
    permutation_importance(classifier().fit(X, Y), X, Y, n_repeats=1)


def test_processes_and_threads() -> None:
    """Functions defined where only this process knows them are sent along."""

    def local(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
        return linear(x, n_features, n_outputs, rng)

    model = classifier(network=local)
    alone = cross_val_score(model, X, Y, cv=3)
    assert_allclose(cross_val_score(model, X, Y, cv=3, n_jobs=2), alone)
    bag = BaggingClassifier(classifier(network=random_layers), n_estimators=6, random_state=0)
    expected = bag.fit(X, Y).predict_proba(X)
    with joblib.parallel_config(backend="threading", n_jobs=4):
        assert_allclose(clone(bag).fit(X, Y).predict_proba(X), expected)


def test_kinds_of_arrays() -> None:
    scores = classifier().fit(X, Y).decision_function(X)
    wide = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)
    for same in (np.asfortranarray(X), wide[::2, ::3], X.tolist(), X.astype(object)):
        model = classifier().fit(same, Y)
        assert (model.decision_function(same) == scores).all()
    for other in ((10 * X).astype("int8"), X > 0, X.astype("float32"), X[::-1]):
        model = classifier().fit(other, Y)
        assert model.decision_function(other).dtype == np.float64
    model = classifier(dtype="float32").fit(X.astype("float32"), Y)
    assert model.predict_proba(X).dtype == np.float32


@pytest.mark.parametrize(
    "labels",
    [NAMES, NAMES.astype(object), Y.astype(float), Y - 7, Y == 1, Y.astype("uint8")],
    ids=lambda labels: f"{labels.dtype.kind}{labels[0]}",
)
def test_kinds_of_labels(labels: np.ndarray) -> None:
    model = classifier().fit(X, labels)
    assert model.predict(X).dtype == labels.dtype
    assert (model.classes_ == np.unique(labels)).all()
    assert model.score(X, labels) > 0.9


@pytest.mark.parametrize("network", [(30, 20), random_layers])
def test_predictions_do_not_depend_on_batches(network: Any) -> None:
    model = classifier(network=network).fit(X, Y)
    scores = model.decision_function(X)
    alone = np.concatenate([model.decision_function(row[None]) for row in X])
    assert_allclose(alone, scores, rtol=1e-12, atol=1e-13)
    many = model.decision_function(np.tile(X, (40, 1)))  # more than go through at once
    assert_allclose(many, np.tile(scores, (40, 1)), rtol=1e-12, atol=1e-13)


def test_one_row_and_one_class() -> None:
    model = classifier().fit(X[:1], NAMES[:1])
    assert set(model.predict(X)) == {"ash"}
    assert (model.predict_proba(X) == 1).all()
    assert model.predict_proba(X).shape == (60, 1)
    assert clone(REGRESSOR).fit(POINTS[:1], HEIGHTS[:1]).predict(POINTS[:1]).shape == (1,)
    assert clone(TRANSFORMER).fit(X[:1]).transform(X[:1]).shape == (1, 2)
    with pytest.raises(ValueError, match="1 sample"):
        classifier(early_stopping=True).fit(X[:1], Y[:1])


def test_bad_data() -> None:
    model = classifier().fit(X, Y)
    holes = X.copy()
    holes[3, 1] = np.nan
    for method in (model.predict, model.predict_proba):
        with pytest.raises(ValueError, match="NaN"):
            method(holes)
        with pytest.raises(ValueError, match="2 features, but ExpressionClassifier is expecting 4"):
            method(X[:, :2])
        with pytest.raises(TypeError, match=r"[Ss]parse.*toarray"):
            method(scipy.sparse.csr_array(X))
    with pytest.raises(TypeError, match=r"[Ss]parse.*toarray"):
        classifier().fit(scipy.sparse.csr_array(X), Y)
    with pytest.raises(ValueError, match="NaN"):
        classifier().fit(holes, Y)
    with pytest.raises(ValueError, match="continuous"):
        classifier().fit(X, X[:, 0])
    for weight, message in ((-np.ones(60), "negative"), (np.zeros(60), "zero"), (np.ones(3), "60")):
        with pytest.raises(ValueError, match=message):
            classifier().fit(X, Y, sample_weight=weight)
    with pytest.raises(ValueError, match="takes 2 columns, got 4"):
        clone(TRANSFORMER).fit(X).inverse_transform(X)
    for count in (0, 1.5):
        with pytest.raises(ValueError, match="n_components"):
            clone(TRANSFORMER).set_params(n_components=count).fit(X)


def test_before_a_fit() -> None:
    for call in (
        lambda: classifier().predict(X),
        lambda: classifier().predict_proba(X),
        lambda: classifier().parameters_,
        lambda: clone(REGRESSOR).predict(X),
        lambda: clone(TRANSFORMER).transform(X),
        lambda: clone(TRANSFORMER).inverse_transform(X),
        lambda: clone(TRANSFORMER).score(X),
        lambda: clone(TRANSFORMER).get_feature_names_out(),
    ):
        with pytest.raises(NotFittedError):
            call()


def test_settings_after_a_fit() -> None:
    model = classifier().fit(X, Y)
    p = model.predict_proba(X)
    model.set_params(network=(3,), output="probabilities", random_state=5)
    assert (model.predict_proba(X) == p).all()
    fresh = clone(model)
    assert not hasattr(fresh, "classes_")
    assert fresh.network == (3,)
    assert "ExpressionClassifier" in repr(model)
    assert "ExpressionClassifier" in model._repr_html_()


def test_columns_of_tables() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=list("abcd"))
    model = classifier().fit(table, pandas.Series(NAMES))
    assert model.feature_names_in_.tolist() == list("abcd")
    assert (model.predict(table) == classifier().fit(X, NAMES).predict(X)).all()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[list("bacd")])
    with pytest.warns(UserWarning, match="feature names"):
        model.predict(X)
    named = clone(TRANSFORMER).set_output(transform="pandas").fit(table).transform(table)
    assert named.columns.tolist() == ["expressiontransformer0", "expressiontransformer1"]
    parts = ColumnTransformer([("code", clone(TRANSFORMER), ["a", "b"])], remainder="passthrough")
    assert parts.fit_transform(table).shape == (60, 4)
