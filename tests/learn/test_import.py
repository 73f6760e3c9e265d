"""scikit-learn is needed by symc.learn, and by nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WITHOUT = """
import sys
sys.modules["sklearn"] = None
import symc, symc.nn
try:
    import symc.learn
except ImportError as problem:
    print(problem)
"""

OLD = """
import sklearn.utils.validation
del sklearn.utils.validation.validate_data
try:
    import symc.learn
except ImportError as problem:
    print(problem)
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_error_says_what_to_install() -> None:
    said = run(WITHOUT)
    assert "symc.learn" in said
    assert "pip install 'symc[learn]'" in said
    assert "scikit-learn>=1.6" in said


def test_an_old_scikit_learn_is_named() -> None:
    pytest.importorskip("sklearn")
    said = run(OLD)
    assert "needs scikit-learn 1.6 or newer" in said
    assert "validate_data" in said


def test_symc_does_not_import_it() -> None:
    assert run("import sys, symc, symc.nn; print('sklearn' in sys.modules)") == "False\n"
