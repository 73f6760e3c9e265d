from __future__ import annotations

import pickle

import numpy as np
import pytest

from symc.array.constructors import lscalar, matrix, scalar, vector
from symc.errors import AsTensorError
from symc.graph.special import DisconnectedType
from symc.ops.slicetype import (
    MakeSlice,
    NoneConst,
    as_int_none_variable,
    make_slice,
    none_type_t,
    slicetype,
)
from tests.helpers import evaluate


def test_slices_are_values() -> None:
    n, m = lscalar(), lscalar()
    out = make_slice(n, m, None)
    assert out.type == slicetype
    assert evaluate(out, [n, m], [1, 5]) == slice(1, 5, None)
    assert evaluate(make_slice(slice(None, n)), [n], [3]) == slice(None, 3, None)
    assert slicetype.make_constant(slice(1, 2)).equals(slicetype.make_constant(slice(1, 2)))
    assert not slicetype.make_constant(slice(1, 2)).equals(slicetype.make_constant(slice(1, 3)))
    terms = MakeSlice().L_op([n, m, NoneConst], [out], [DisconnectedType()()])
    assert all(isinstance(t.type, DisconnectedType) for t in terms)
    assert pickle.loads(pickle.dumps(make_slice)) is make_slice


def test_indexing_with_variables_of_slices_and_none() -> None:
    x, n = matrix(), lscalar()
    a = np.arange(12.0).reshape(3, 4)
    out = x[make_slice(slice(None, n)), NoneConst, slicetype.make_constant(slice(1, 3))]
    np.testing.assert_array_equal(evaluate(out, [x, n], [a, 2]), a[:2, None, 1:3])
    with pytest.raises(TypeError, match="make its bounds inputs"):
        x[slicetype("s")]


def test_what_is_no_slice() -> None:
    with pytest.raises(TypeError, match="a slice is expected"):
        slicetype.filter(3)
    with pytest.raises(TypeError, match="None is expected"):
        none_type_t.filter(3)
    assert none_type_t.filter(None) is None
    assert as_int_none_variable(None) is NoneConst
    assert as_int_none_variable(3).data == 3
    for bad in (scalar(), 1.5, vector()):
        with pytest.raises(AsTensorError):
            as_int_none_variable(bad)
