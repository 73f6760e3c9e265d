"""Loops around values whose lengths are known only when the step has run."""

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import scan
from symc.errors import ShapeError

MODES = [None, "FAST_COMPILE", "NUMPY"]


class Resized(symc.Op):
    """``x + 1`` with `by` elements more or fewer; it does not say how long its result is."""

    __props__ = ("by",)

    def __init__(self, by):
        self.by = by

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symc.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        output_storage[0][0] = np.resize(x + 1, (len(x) + self.by, *x.shape[1:]))

    def grad(self, inputs, output_grads):
        return [output_grads[0]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("last", [False, True])
def test_state_of_unchanged_length(mode, last):
    x = T.vector("x")
    out, _ = scan(Resized(0), outputs_info=[x], n_steps=4)
    f = symc.function([x], out[-1] if last else out, mode=mode)
    for n in (0, 1, 3):
        start = np.arange(float(n))
        expected = start + np.arange(1.0, 5.0)[:, None]
        np.testing.assert_array_equal(f(start), expected[-1] if last else expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("rank", [1, 2])
def test_state_of_another_length_is_refused(mode, by, rank):
    x = T.TensorType("float64", (False,) * rank)("x")
    out, _ = scan(Resized(by), outputs_info=[x], n_steps=4)
    for result in (out, out[-1]):
        f = symc.function([x], result, mode=mode)
        with pytest.raises(ShapeError) as caught:
            f(np.ones((3, 2)[:rank]))
        message = str(caught.value)
        assert f"changes its length along axis 0 from 3 to {3 + by}" in message
        assert f"Resized{{by={by}}}" in message
        assert "test_late_lengths.py" in message


@pytest.mark.parametrize("mode", MODES)
def test_state_by_mask_indexing(mode):
    x = T.vector("x")
    out, _ = scan(lambda s: (s + 1)[(s > -1).nonzero()] * 2, outputs_info=[x], n_steps=3)
    f = symc.function([x], out, mode=mode)
    np.testing.assert_array_equal(f([0.0, 1.0]), [[2, 4], [6, 10], [14, 22]])
    with pytest.raises(ShapeError, match="from 2 to 1"):
        f([-2.0, 1.0])


@pytest.mark.parametrize("mode", MODES)
def test_length_that_changes_in_a_later_step(mode):
    x = T.vector("x")
    other = T.vector("other")

    def step(s, r):
        kept = (s - 1)[(s > 0).nonzero()]
        return kept, (r[: kept.shape[0]] + kept)

    (s, r), _ = scan(step, outputs_info=[x, other], n_steps=4)
    f = symc.function([x, other], [s[-1], r], mode=mode)
    last, rows = f([5.0, 4.0], [0.0, 0.0])
    np.testing.assert_array_equal(last, [1, 0])
    np.testing.assert_array_equal(rows, [[4, 3], [7, 5], [9, 6], [10, 6]])
    with pytest.raises(ShapeError, match="from 2 to 1"):
        f([5.0, 2.0], [0.0, 0.0])


@pytest.mark.parametrize("mode", MODES)
def test_gradient_through_a_step_of_unknown_length(mode):
    x = T.vector("x")
    out, _ = scan(lambda s: Resized(0)(s) * s, outputs_info=[x], n_steps=2)
    f = symc.function([x], T.grad(out[-1].sum(), x), mode=mode)
    v = np.array([0.5, -1.0, 2.0])
    once = v * v + v
    np.testing.assert_allclose(f(v), (2 * once + 1) * (2 * v + 1), rtol=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_collected_rows_of_unknown_length(mode):
    x = T.matrix("x")
    rows, _ = scan(lambda r: r[(r > 0).nonzero()], sequences=[x])
    f = symc.function([x], rows, mode=mode)
    np.testing.assert_array_equal(f([[1.0, -1, 2], [-1, 3, 4]]), [[1, 2], [3, 4]])
    with pytest.raises(ShapeError, match=r"\(2,\), then \(3,\)"):
        f([[1.0, -1, 2], [1, 3, 4]])
    last = symc.function([x], rows[-1], mode=mode)
    np.testing.assert_array_equal(last([[1.0, -1, 2], [-1, 3, 4]]), [3, 4])


@pytest.mark.parametrize("mode", MODES)
def test_rows_of_unknown_length_in_a_loop_in_a_loop(mode):
    x = T.matrix("x")

    def step(r):
        rows, _ = scan(lambda q: r[(r > q).nonzero()] * q, sequences=[r[:2]])
        return rows.sum()

    sums, _ = scan(step, sequences=[x])
    f = symc.function([x], sums, mode=mode)
    np.testing.assert_array_equal(f([[1.0, 1, 5], [2, 2, 7]]), [10, 28])
    with pytest.raises(ShapeError, match="then"):
        f([[1.0, 2, 5], [2, 2, 7]])


@pytest.mark.parametrize("mode", MODES)
def test_shared_state_of_another_length_stays_as_it_was(mode):
    shared = symc.shared(np.array([3.0, 1.0]), "shared")

    def step():
        return {shared: (shared - 1)[(shared > 0).nonzero()]}

    _, updates = scan(step, n_steps=2)
    f = symc.function([], [], updates=updates, mode=mode)
    with pytest.raises(ShapeError, match="from 2 to 1"):
        f()
    np.testing.assert_array_equal(shared.get_value(), [3, 1])
    shared.set_value(np.array([5.0, 4.0, 3.0]))
    f()
    np.testing.assert_array_equal(shared.get_value(), [3, 2, 1])
