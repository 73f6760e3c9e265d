"""Ops that make their own thunks, as those written for other machines do."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.gof import Apply, Op
from symc.runtime.toolchain import compiler


@pytest.fixture(params=["native", "numpy"])
def mode(request):
    return symc.Mode(request.param)


class _Unary(Op):
    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])


class OwnThunk(_Unary):
    made = 0

    def make_thunk(self, node, storage_map, compute_map, no_recycling, impl=None):
        OwnThunk.made += 1
        (x,), (z,) = ([storage_map[v] for v in part] for part in (node.inputs, node.outputs))

        def thunk():
            if np.any(x[0] < 0):
                raise ValueError("negative")
            z[0] = x[0] * 3
            compute_map[node.outputs[0]][0] = True

        return thunk


def test_a_thunk_is_made_once_and_called_often(mode):
    x = T.dvector("x")
    OwnThunk.made = 0
    f = symc.function([x], OwnThunk()(x + 1) * 2, mode=mode)
    for _ in range(3):
        np.testing.assert_allclose(f([0.0, 1.0]), [6, 12])
    assert OwnThunk.made == 1
    with pytest.raises(ValueError, match="negative") as error:
        f([-5.0])
    assert "OwnThunk" in str(error.value)
    np.testing.assert_allclose(f([0.0]), [6])


def test_prepare_node(mode):
    class Prepared(_Unary):
        def prepare_node(self, node, storage_map, compute_map, impl):
            self.factor = 7

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] * self.factor

    x = T.dvector("x")
    assert symc.function([x], Prepared()(x), mode=mode)([2.0]) == [14.0]


def test_the_default_thunk():
    x = T.dvector("x")

    class Double(_Unary):
        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] * 2

    node = Double()(x).owner
    storage = {x: [np.ones(2)], node.outputs[0]: [None]}
    computed = {x: [True], node.outputs[0]: [False]}
    thunk = node.op.make_thunk(node, storage, computed, [])
    thunk()
    assert computed[node.outputs[0]] == [True]
    np.testing.assert_array_equal(storage[node.outputs[0]][0], [2, 2])
    assert thunk.lazy is False
    assert thunk.outputs == [storage[node.outputs[0]]]


@pytest.mark.skipif(not symc.config.cxx or compiler() is None, reason="needs a C++ compiler")
def test_a_thunk_of_c_code():
    x = T.dvector("x")

    class Copy(_Unary):
        def c_code(self, node, name, inames, onames, sub):
            return f"{onames[0]} = (PyArrayObject *)PyArray_NewCopy({inames[0]}, NPY_CORDER);"

    node = Copy()(x).owner
    storage = {x: [np.arange(2.0)], node.outputs[0]: [None]}
    computed = {x: [True], node.outputs[0]: [False]}
    node.op.make_c_thunk(node, storage, computed, [])()
    np.testing.assert_array_equal(storage[node.outputs[0]][0], [0, 1])
    assert computed[node.outputs[0]] == [True]
    plain = OwnThunk()(x).owner
    with pytest.raises(NotImplementedError, match="no C code"):
        plain.op.make_c_thunk(plain, {}, {}, [])
