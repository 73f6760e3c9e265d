"""scikit-learn's own checks of estimators, all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.utils.estimator_checks import (
    check_dict_unchanged,
    check_estimators_overwrite_params,
    check_estimators_pickle,
    check_fit2d_1sample,
    check_fit_idempotent,
    check_methods_sample_order_invariance,
    check_methods_subset_invariance,
    check_regressors_train,
    parametrize_with_checks,
)

from symc.learn import ExpressionClassifier, ExpressionRegressor, ExpressionTransformer
from tests.learn.data import linear, random_layers

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = {"learning_rate": 0.01, "max_epochs": 40}

# One check wants to be asked for by the environment before SciPy is imported.
ARRAY_API = """
from sklearn.utils.estimator_checks import check_array_api_input
from symc.learn import ExpressionClassifier, ExpressionRegressor, ExpressionTransformer
for kind in (ExpressionClassifier, ExpressionRegressor, ExpressionTransformer):
    check_array_api_input(kind.__name__, kind(max_epochs=2), "numpy",
                          expect_only_array_outputs=False)
print("checked")
"""


@parametrize_with_checks(
    [
        ExpressionClassifier(**SETTINGS),
        ExpressionRegressor(**SETTINGS),
        ExpressionTransformer(**SETTINGS),
    ]
)
def test_estimator(estimator: Any, check: Any) -> None:
    check(estimator)


NETWORK_CHECKS = (
    check_dict_unchanged,
    check_estimators_overwrite_params,
    check_estimators_pickle,
    check_fit_idempotent,
    check_methods_sample_order_invariance,
    check_methods_subset_invariance,
)


@pytest.mark.parametrize("check", NETWORK_CHECKS, ids=lambda check: check.__name__)
def test_a_network_of_the_user(check: Any) -> None:
    check("ExpressionClassifier", ExpressionClassifier(random_layers, **SETTINGS))


def test_early_stopping() -> None:
    estimator = ExpressionRegressor(linear, early_stopping=True, **SETTINGS)
    check_fit2d_1sample("ExpressionRegressor", estimator)
    check_regressors_train("ExpressionRegressor", estimator)


def test_array_api() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ARRAY_API],
        cwd=ROOT,
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip().endswith("checked"), done.stderr[-3000:]
