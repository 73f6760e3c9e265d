"""Without a compiler, without the extension, when compiling fails: right results, one notice."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, shared
from symc.compile import batch as batch_module
from symc.compile.executors import NativeExecutor, NumpyExecutor
from symc.errors import CacheError, CompileError
from symc.runtime import native_available, notice

ROOT = Path(__file__).resolve().parents[2]
needs_compiler = pytest.mark.skipif(not native_available(), reason="no compiled code here")

PROGRAM = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np, symc, symc.tensor as T
    x, y = T.dmatrices("x", "y")
    w = symc.shared(np.zeros(3), name="w")
    f = symc.function([x, y], [T.dot(x, y.T), symc.grad((T.exp(x) * y).sum(), x)],
                      updates=[(w, w + x.sum(axis=0))])
    g = symc.function([x], symc.softmax(x, axis=1))
    a = np.arange(6.0).reshape(2, 3) / 6
    dot, slope = f(a, a[:1])
    assert np.allclose(dot, a @ a[:1].T)
    assert np.allclose(slope, np.exp(a) * a[:1])
    assert np.allclose(w.get_value(), a.sum(0))
    assert np.allclose(g(a), np.exp(a) / np.exp(a).sum(1, keepdims=True))
    try:
        f(a, a[:, :2])
    except ValueError as error:
        assert len(str(error).splitlines()) < 40
    else:
        raise SystemExit("no error for shapes that do not fit")
    assert np.allclose(w.get_value(), a.sum(0)), "half-updated"
notices = [c for c in caught if "symc" in str(c.message)]
print(type(f.maker.executor).__name__, len(notices))
"""

BLOCKED = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "symc.runtime._callpath":
            raise ImportError("blocked by the test")
sys.meta_path.insert(0, Refuse())
"""


def outcome(code: str, **environ: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("SYMC_FLAGS", "SYMCRC")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**env, "PYTHONPATH": str(ROOT), **environ},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_a_compiler() -> None:
    assert outcome(PROGRAM, SYMC_FLAGS="cc=") == "NumpyExecutor 1"


def test_without_the_extension() -> None:
    assert outcome(BLOCKED + PROGRAM) == "NumpyExecutor 1"


@pytest.fixture
def _fresh_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "_given", [])


@needs_compiler
@pytest.mark.usefixtures("_fresh_notice")
@pytest.mark.parametrize("kind", [CompileError, CacheError])
def test_when_compiling_fails(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise kind("the disk is full\n  got: nothing")

    monkeypatch.setattr(batch_module, "compile_library", refuse)
    x, w = T.dvector("x"), shared(1.0, name="w")
    with pytest.warns(RuntimeWarning, match="the disk is full"):
        f = function([x], x * w, updates=[(w, w + 1)])
    assert isinstance(f.maker.executor, NumpyExecutor)
    np.testing.assert_array_equal(f([1.0, 2.0]), [1, 2])
    assert w.get_value() == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function([x], x.sum())([1.0, 2.0]) == 3
    with symc.change_flags(on_opt_error="raise"), pytest.raises(kind):
        function([x], x * 3)


@needs_compiler
@pytest.mark.usefixtures("_fresh_notice")
@pytest.mark.parametrize("times", [1, 2])
def test_a_library_that_is_cleared_before_it_is_loaded(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_library = batch_module.compile_library
    made = []

    def cleared(*args: Any, **kwargs: Any) -> Path:
        path = compile_library(*args, **kwargs)
        made.append(path)
        if len(made) <= times:
            path.unlink()
        return path

    monkeypatch.setattr(batch_module, "compile_library", cleared)
    x = T.dvector("x")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f = function([x], x * 0.4375 + times)
    expected = NativeExecutor if times == 1 else NumpyExecutor
    assert isinstance(f.maker.executor, expected)
    assert len(made) == 2
    assert len(caught) == times - 1
    np.testing.assert_array_equal(f([0.0, 1.0]), [times, times + 0.4375])


@needs_compiler
@pytest.mark.usefixtures("_fresh_notice")
@pytest.mark.parametrize("kind", [CompileError, CacheError])
def test_when_compiling_fails_for_a_later_call(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = T.dvectors("x", "y")
    w = shared(np.zeros(2), name="w")
    f = function([x, y], x + y, updates=[(w, w + 1)])
    assert isinstance(f.maker.executor, NativeExecutor)
    np.testing.assert_array_equal(f([1.0, 2.0], [1.0, 1.0]), [2, 3])

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise kind("the disk is full")

    monkeypatch.setattr(batch_module, "compile_library", refuse)
    with pytest.warns(RuntimeWarning, match="the disk is full"):
        np.testing.assert_array_equal(f([1.0, 2.0], [1.0]), [2, 3])
    np.testing.assert_array_equal(w.get_value(), [2, 2])
    np.testing.assert_array_equal(f([1.0], [1.0, 5.0]), [2, 6])
    np.testing.assert_array_equal(f([1.0, 2.0], [1.0, 1.0]), [2, 3])
    with pytest.raises(ValueError, match="2"):
        f([1.0, 2.0], [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(w.get_value(), [4, 4])
