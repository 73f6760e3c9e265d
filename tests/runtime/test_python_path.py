"""The twin in Python of the callable, and what works without the extension."""

from __future__ import annotations

import numpy as np
import pytest

from symc.errors import CompileError
from symc.runtime import (
    PythonFunction,
    load_blas,
    load_library,
    memory_info,
    native,
    native_available,
    set_memory_limit,
    set_num_threads,
    thread_info,
    trim_memory,
)


class Doubled(PythonFunction):
    def _convert(self, position, value):
        return np.asarray(value, "float64")

    def _arrange(self, args, kwargs):
        return (*args, *kwargs.values())

    def _another_variant(self, args):
        return lambda values: [values[0] * 2]


def test_variants_of_the_twin():
    f = Doubled(1, "single", [lambda v: [v[0]] if v[0].size == 1 else NotImplemented])
    assert f(3) == 3
    assert f([1, 2]).tolist() == [2, 4]
    assert len(f.variants) == 2
    first = f.variants[0]
    assert f(3) == 6
    assert f.variants[0] is first
    f.drop_variants()
    assert f.variants == ()
    assert f.nargs == 1


def test_the_last_used_variant_comes_first():
    only = [lambda v, n=n: [n] if v[0].size == n else NotImplemented for n in range(3)]
    f = Doubled(1, "single", only)
    assert f([1, 2]) == 2
    assert f.variants[0] is only[2]
    assert f([1]) == 1
    assert f.variants == (only[1], only[2], only[0])


def test_forms_of_results():
    assert Doubled(2, "list", [lambda v: (v[0], v[1])])(1, 2) == [1, 2]
    assert Doubled(1, ("a",), [lambda v: [v[0]]])(1) == {"a": 1}
    with pytest.raises(ValueError, match="shorter|longer"):
        Doubled(1, ("a",), [lambda v: [1, 2]])(1)
    with pytest.raises(TypeError, match="2 inputs, got 3"):
        Doubled(2, "list")(1, 2, 3)
    with pytest.raises(ValueError, match="returns"):
        Doubled(1, "lists")
    with pytest.raises(ValueError, match="negative"):
        Doubled(-1, "list")


def test_a_new_variant_that_refuses_is_an_error():
    class Refusing(Doubled):
        def _another_variant(self, args):
            return lambda values: NotImplemented

    with pytest.raises(RuntimeError, match="refuses"):
        Refusing(1, "single")(1)


def test_without_the_extension(monkeypatch):
    monkeypatch.setattr(native, "callpath", None)
    monkeypatch.setattr(native, "problem", "it was not built")
    assert not native_available()
    assert memory_info() == {"cached": 0, "live": 0, "limit": 0}
    assert thread_info() == (1, 0)
    set_memory_limit(3)
    set_num_threads(2)
    trim_memory()
    with pytest.raises(CompileError, match="it was not built"):
        load_library("x")
    monkeypatch.setattr("symc.runtime.blas._loaded", [])
    with pytest.raises(CompileError, match="it was not built"):
        load_blas()
