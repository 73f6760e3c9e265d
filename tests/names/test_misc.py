"""`symc.misc`: pickles with arrays of their own, sets, dicts, templates."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.misc import pkl_utils
from symc.misc.cpucount import cpuCount
from symc.misc.doubleop import DoubleOp
from symc.misc.frozendict import frozendict
from symc.misc.may_share_memory import may_share_memory
from symc.misc.ordered_set import OrderedSet
from symc.misc.strutil import render_string


def dumped(obj: object, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    pkl_utils.dump(obj, file, **options)  # type: ignore[arg-type]
    file.seek(0)
    return file


def test_arrays_of_a_dump_are_files() -> None:
    w = symc.shared(np.arange(6.0).reshape(2, 3), name="w")
    bias = symc.shared(np.ones(3), name="w")
    file = dumped([w, bias, w, np.arange(2), "text"])
    with np.load(file) as arrays:
        np.testing.assert_array_equal(arrays["w"], w.get_value())
        np.testing.assert_array_equal(arrays["w_2"], bias.get_value())
        np.testing.assert_array_equal(arrays["array_0"], [0, 1])
    file.seek(0)
    first, second, third, plain, text = pkl_utils.load(file)
    assert third is first
    np.testing.assert_array_equal(first.get_value(), w.get_value())
    np.testing.assert_array_equal(second.get_value(), bias.get_value())
    np.testing.assert_array_equal(plain, [0, 1])
    assert text == "text"
    np.testing.assert_allclose((first.sum() * 2).eval(), 30.0)


def test_arrays_without_names_are_numbered() -> None:
    file = dumped(
        [np.zeros(0), symc.shared(np.ones(2))], persistent_id=pkl_utils.PersistentNdarrayID
    )
    assert sorted(zipfile.ZipFile(file).namelist()) == ["array_0.npy", "array_1.npy", "pkl"]


def test_names_that_can_not_be_used() -> None:
    file = io.BytesIO()
    archive = zipfile.ZipFile(file, "w")
    strict = pkl_utils.PersistentSharedVariableID(archive, False, False)
    with pytest.raises(ValueError, match="has no name"):
        strict(symc.shared(np.ones(2)))
    strict(symc.shared(np.ones(2), name="a"))
    with pytest.raises(ValueError, match="several"):
        strict(symc.shared(np.ones(3), name="a"))
    with pytest.raises(ValueError, match="pkl"):
        strict(symc.shared(np.ones(4), name="pkl"))
    with pytest.raises(pickle.UnpicklingError, match="other"):
        pkl_utils.PersistentNdarrayLoad(archive)("other.thing")
    archive.close()


def test_strip_pickler() -> None:
    x = T.vector("x")
    x.tag.test_value = np.ones(1000)
    x.tag.kept, x.tag.extra = "kept", "extra"
    file = io.BytesIO()
    pkl_utils.StripPickler(file, extra_tag_to_remove="extra").dump(x)
    copied = pickle.loads(file.getvalue())
    assert (copied.name, copied.type, copied.tag.kept) == ("x", x.type, "kept")
    assert not hasattr(copied.tag, "test_value")
    assert not hasattr(copied.tag, "extra")
    assert hasattr(x.tag, "test_value")
    assert len(file.getvalue()) < 2000


def test_may_share_memory() -> None:
    a = np.arange(4)
    assert may_share_memory(a, a[1:])
    assert not may_share_memory(a, a.copy())
    assert not may_share_memory(a, 3, raise_other_type=False)
    with pytest.raises(TypeError, match="int"):
        may_share_memory(a, 3)


@pytest.mark.parametrize("linker", ["c", "py"])
def test_double_op(linker: str) -> None:
    x = T.vector()
    y = DoubleOp()(x)
    outputs = [y, symc.grad((y**2).sum(), x), symc.Rop(y, x, x), y.shape]
    got = symc.function([x], outputs, mode=symc.Mode(linker, "fast_run"))([1.0, 2.0])
    for value, expected in zip(got, [[2, 4], [8, 16], [2, 4], [2]], strict=True):
        np.testing.assert_allclose(value, expected)


def test_ordered_set() -> None:
    s = OrderedSet([3, 1, 3])
    s.add(2)
    s.add(3)
    assert list(s) == [3, 1, 2]
    assert list(reversed(s)) == [2, 1, 3]
    s.discard(1)
    s.discard(9)
    s.update([7, 2])
    assert s == [3, 2, 7]
    assert s == {2, 3, 7}
    assert s != OrderedSet([2, 3, 7])
    assert list(s & {7, 3}) == [3, 7]
    assert repr(s) == "OrderedSet([3, 2, 7])"


def test_frozendict() -> None:
    d = frozendict(a=1, b=2)
    assert (d["a"], len(d), dict(d)) == (1, 2, {"a": 1, "b": 2})
    assert hash(d) == hash(frozendict(b=2, a=1))
    assert d == frozendict(b=2, a=1)
    assert d.copy(a=5) == {"a": 5, "b": 2}
    with pytest.raises(TypeError):
        d["a"] = 3  # type: ignore[index]


def test_templates() -> None:
    assert render_string("%(x)s + 1", {"x": "y"}) == "y + 1"
    with pytest.raises(KeyError, match="line 2"):
        render_string("a\n%(missing)s\nb", {})


def test_cpu_count() -> None:
    assert cpuCount() >= 1
