"""What fits keep and what they begin anew: warm starts, chunks, pickles, programs used again."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone

from symc.learn import ExpressionClassifier, ExpressionRegressor, ExpressionTransformer, program
from tests.learn.data import blobs, curve, linear, noisy, random_features, random_layers

FAST: dict[str, Any] = {"learning_rate": 0.05, "max_epochs": 5, "random_state": 0}

pytestmark = pytest.mark.usefixtures("_numpy_path")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The programs that are made in a test, which begins with none that could be used again."""
    program._idle.clear()
    found: list[Any] = []
    init = program.Program.__init__

    def noted(self: Any, *args: Any) -> None:
        found.append(self)
        init(self, *args)

    monkeypatch.setattr(program.Program, "__init__", noted)
    return found


@pytest.mark.parametrize("network", [(6,), random_layers, noisy, random_features])
def test_copies_go_on_with_the_same_numbers(network: Any) -> None:
    X, y = blobs()
    model = ExpressionClassifier(network, batch_size=16, **FAST).fit(X, y)
    others = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    others.append(pickle.loads(pickle.dumps(others[0])))  # before its values were used
    scores = model.decision_function(X)
    for other in others:
        assert (other.decision_function(X) == scores).all()
    model.partial_fit(X, y)
    assert not (model.decision_function(X) == scores).all()
    for other in others:
        assert (other.partial_fit(X, y).decision_function(X) == model.decision_function(X)).all()


def test_one_fit_is_as_many_passes() -> None:
    X, y = blobs()
    whole = ExpressionClassifier((6,), batch_size=16, **FAST).fit(X, y)
    parts = ExpressionClassifier((6,), batch_size=16, **FAST)
    for _ in range(5):
        parts.partial_fit(X, y, [0, 1, 2])
    assert (whole.decision_function(X) == parts.decision_function(X)).all()
    assert whole.loss_curve_ == parts.loss_curve_
    assert parts.n_epochs_ == 5


def test_partial_fit_compiles_once(made: list[Any]) -> None:
    X, y = curve()
    model = ExpressionRegressor((6,), **FAST)
    for k in range(6):
        model.partial_fit(X[k : k + 20 - k], y[k : k + 20 - k])
        model.predict(X[k:])
    assert len(made) == 1
    assert sorted(made[0]._functions) == ["output", "train"]


def test_settings_change_between_passes(made: list[Any]) -> None:
    X, y = curve()
    model = ExpressionRegressor((), **FAST).partial_fit(X, y)
    W, _ = model.parameters_
    model.set_params(learning_rate=0.0).partial_fit(X, y)
    assert_allclose(model.parameters_[0], W)
    assert len(made) == 1
    model.set_params(loss="huber", l2=0.1).partial_fit(X, y)
    assert_allclose(model.parameters_[0], W)
    assert len(made) == 2
    with pytest.raises(ValueError, match=r"parameters of the earlier fit.*\(3, 1\)"):
        model.set_params(network=(2,)).partial_fit(X, y)


def test_warm_start() -> None:
    X, y = blobs()
    model = ExpressionClassifier((6,), warm_start=True, **FAST).fit(X, y)
    W = model.parameters_[0]
    model.set_params(max_epochs=0).fit(X, y)
    assert (model.parameters_[0] == W).all()
    assert (model.loss_curve_, model.n_epochs_) == ([], 0)
    with pytest.raises(ValueError, match="classes of the last fit"):
        model.fit(X, y + 1)
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(X[:, :2], y)
    cold = model.set_params(warm_start=False).fit(X, y)
    assert not (cold.parameters_[0] == W).all()


def test_running_averages_go_on_with_another_loss() -> None:
    X, y = curve()
    X = 5 + 2 * X
    model = ExpressionRegressor(random_layers, warm_start=True, **{**FAST, "max_epochs": 60})
    predicted = model.fit(X, y).predict(X)
    model.set_params(loss="huber", max_epochs=0).fit(X, y)
    assert_allclose(model.predict(X), predicted, rtol=1e-10)


def test_programs_are_used_again(made: list[Any]) -> None:
    X, y = blobs()
    first = ExpressionClassifier((6,), **FAST).fit(X, y)
    scores = first.decision_function(X)
    second = ExpressionClassifier((6,), **FAST).fit(X, y)  # while the first is in use
    assert len(made) == 2
    assert (second.decision_function(X) == scores).all()
    del first, second
    gc.collect()
    for seed in (0, 1, 2):
        third = ExpressionClassifier((6,), **{**FAST, "random_state": seed}, l2=0.0).fit(X, y)
        assert (third.decision_function(X) == scores).all() == (seed == 0)
    assert len(made) == 2
    ExpressionClassifier((6,), l2=0.1, **FAST).fit(X, y)
    ExpressionClassifier((7,), **FAST).fit(X, y)
    ExpressionClassifier((6,), update="sgd", **FAST).fit(X, y)
    assert len(made) == 5


def test_programs_of_users_networks_are_used_where_they_are_the_same(made: list[Any]) -> None:
    X, y = blobs()
    factor = [1.0]

    def network(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
        return factor[0] * linear(x, n_features, n_outputs, rng)

    scores = ExpressionClassifier(network, **FAST).fit(X, y).decision_function(X)
    assert (ExpressionClassifier(network, **FAST).fit(X, y).decision_function(X) == scores).all()
    assert len(made) == 1
    factor[0] = 2.0
    others = ExpressionClassifier(network, **FAST).fit(X, y).decision_function(X)
    assert len(made) == 2
    assert not (others == scores).any()


@pytest.mark.parametrize("network", [noisy, random_features, random_layers])
def test_a_program_used_again_gives_the_numbers_of_a_new_one(
    network: Any, made: list[Any]
) -> None:
    X, y = blobs()
    model = ExpressionClassifier(network, batch_size=16, **FAST)
    scores = clone(model).fit(X, y).decision_function(X)
    clone(model).set_params(random_state=7).fit(X, y)
    assert (clone(model).fit(X, y).decision_function(X) == scores).all()
    # Directions that are drawn are constants: another seed is another network.
    assert len(made) == (2 if network is random_features else 1)


def test_values_of_programs_that_are_kept_take_no_memory(made: list[Any]) -> None:
    X, y = curve()
    ExpressionRegressor((500,), **FAST).fit(X, y)
    assert len(program._idle) == 1
    assert all(v.get_value(borrow=True).size <= 1 for v in made[0].state)


def test_predictions_leave_the_estimator_alone() -> None:
    X, y = blobs()
    model = ExpressionClassifier(random_layers, **FAST).fit(X, y)
    values = pickle.dumps(model._learner.values())
    model.predict(X)
    model.predict_proba(X[:1])
    assert pickle.dumps(model._learner.values()) == values


def test_chunks_for_data_that_do_not_fit_into_memory() -> None:
    X, y = blobs(300)
    model = ExpressionClassifier((10,), learning_rate=0.02, random_state=0)
    for _ in range(20):
        for k in range(0, 300, 100):
            model.partial_fit(X[k : k + 100], y[k : k + 100], classes=[0, 1, 2])
    assert model.score(X, y) > 0.9
    encoder = ExpressionTransformer((), n_components=2, random_state=0)
    for k in range(0, 300, 100):
        encoder.partial_fit(X[k : k + 100])
    assert encoder.transform(X).shape == (300, 2)


def test_what_partial_fit_refuses() -> None:
    X, y = blobs()
    model = ExpressionClassifier((), **FAST)
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match="balanced"):
        clone(model).set_params(class_weight="balanced").partial_fit(X, y, [0, 1, 2])
    model.partial_fit(X, y, [0, 1, 2])
    with pytest.raises(ValueError, match=r"labels \[3\]"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="not the same as in the first call"):
        model.partial_fit(X, y, [0, 1])
    targets = np.c_[X[:, 0], X[:, 1]]
    regressor = ExpressionRegressor((), **FAST).partial_fit(X, targets)
    with pytest.raises(ValueError, match="had 2 in the first call"):
        regressor.partial_fit(X, targets[:, :1])
