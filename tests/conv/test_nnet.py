"""Batch normalisation, patches, CTC, sparse blocks and the hierarchical softmax."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

import symc.tensor as T
from symc import function
from symc.gradient import verify_grad
from symc.tensor.nnet import bn, neighbours
from symc.tensor.nnet.ctc import ctc


def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(("axes", "over"), [
    ("spatial", (0, 2, 3)), ("per-activation", (0,)), ((0, 1), (0, 1)), ((-1,), (3,)),
])
@pytest.mark.parametrize("skipped", [True, False])
def test_a_batch_is_normalised_by_its_statistics(axes, over, skipped):
    x = rng().standard_normal((5, 3, 4, 6))
    kept = [n for d, n in enumerate(x.shape) if d not in over]
    wide = [1 if d in over else n for d, n in enumerate(x.shape)]
    shape = kept if skipped else wide
    gamma, beta, mean, var = (rng().random(shape) + k for k in range(4))
    kind = T.TensorType("float64", [n == 1 for n in shape])
    a, g, b, m, v = T.dtensor4(), kind(), kind(), kind(), kind()
    outputs = bn.batch_normalization_train(a, g, b, axes, 1e-3, 0.2, m, v)
    found = function([a, g, b, m, v], list(outputs))(x, gamma, beta, mean, var)
    own, spread = x.mean(over, keepdims=True), x.var(over, keepdims=True)
    unit = (x - own) / np.sqrt(spread + 1e-3)
    expected = [
        unit * gamma.reshape(wide) + beta.reshape(wide),
        own,
        1 / np.sqrt(spread + 1e-3),
        0.8 * mean.reshape(wide) + 0.2 * own,
        0.8 * var.reshape(wide) + 0.2 * x.var(over, ddof=1, keepdims=True),
    ]
    for k, (value, reference) in enumerate(zip(found, expected, strict=True)):
        assert value.shape == (x.shape if k == 0 else tuple(shape))
        np.testing.assert_allclose(value.reshape(reference.shape), reference, rtol=1e-9)
    test = bn.batch_normalization_test(a, g, b, m, v, axes, 1e-3)
    found = function([a, g, b, m, v], test)(x, gamma, beta, mean, var)
    unit = (x - mean.reshape(wide)) / np.sqrt(var.reshape(wide) + 1e-3)
    np.testing.assert_allclose(found, unit * gamma.reshape(wide) + beta.reshape(wide))


def test_gradients_of_batch_normalisation():
    x, gamma, beta = rng().standard_normal((4, 2, 3)), rng().random(2), rng().random(2)
    verify_grad(
        lambda a, b, c: bn.batch_normalization_train(a, b, c, (0, 2))[0] ** 2,
        [x, gamma, beta],
        rng=np.random.RandomState(1),
    )


def test_wrong_calls_of_batch_normalisation():
    x, g = T.dtensor4(), T.dvector()
    with pytest.raises(ValueError, match="axes of batch normalisation"):
        bn.batch_normalization_train(x, g, g, "spatially")
    with pytest.raises(ValueError, match="axes of batch normalisation"):
        bn.batch_normalization_train(x, g, g, (0, 4))
    with pytest.raises(ValueError, match="wrong number of axes"):
        bn.batch_normalization_train(x, T.dmatrix(), g, "spatial")
    with pytest.raises(ValueError, match="both running averages"):
        bn.batch_normalization_train(x, g, g, "spatial", running_mean=g)


def patches(x, size, step, mode):
    """Patches one by one, in an image with what the mode puts around it."""
    c, d = size
    if mode in ("half", "full"):
        a, b = (c // 2, d // 2) if mode == "half" else (c - 1, d - 1)
        x = np.pad(x, ((0, 0), (0, 0), (a, a), (b, b)))
    rows = []
    for image in x.reshape(-1, *x.shape[2:]):
        h, w = image.shape
        if mode == "wrap_centered":
            for i, j in product(range(0, h, step[0]), range(0, w, step[1])):
                rows.append(np.roll(image, (c // 2 - i, d // 2 - j), (0, 1))[:c, :d].ravel())
        else:
            for i, j in product(range(0, h - c + 1, step[0]), range(0, w - d + 1, step[1])):
                rows.append(image[i : i + c, j : j + d].ravel())
    return np.array(rows)


@pytest.mark.parametrize("mode", neighbours.MODES)
@pytest.mark.parametrize(("shape", "size", "step"), [
    ((2, 3, 7, 5), (3, 3), (2, 1)), ((1, 1, 5, 5), (1, 3), (1, 2)),
])
def test_patches_of_images(mode, shape, size, step):
    x = rng().standard_normal(shape)
    v = T.dtensor4()
    found = function([v], neighbours.images2neibs(v, size, step, mode))(x)
    np.testing.assert_array_equal(found, patches(x, size, step, mode))


def test_patches_that_do_not_fit():
    v = T.dtensor4()
    f = function([v], neighbours.images2neibs(v, (2, 2)))
    with pytest.raises(AssertionError, match="ignore_borders"):
        f(np.zeros((1, 1, 5, 4)))
    with pytest.raises(ValueError, match="sizes must be odd"):
        neighbours.images2neibs(v, (2, 3), (1, 1), "half")
    with pytest.raises(NotImplementedError, match="mode of images2neibs"):
        neighbours.images2neibs(v, (2, 2), mode="same")


@pytest.mark.parametrize(("shape", "mode"), [
    ((2, 3, 6, 4), "valid"), ((1, 2, 7, 5), "ignore_borders"),
])
def test_images_from_patches(shape, mode):
    x = rng().standard_normal(shape)
    v = T.dtensor4()
    rows = neighbours.images2neibs(v, (3, 2), mode=mode)
    found = function([v], neighbours.neibs2images(rows, (3, 2), v.shape, mode))(x)
    expected = np.zeros(shape)
    inner = (..., slice(shape[2] // 3 * 3), slice(shape[3] // 2 * 2))
    expected[inner] = x[inner]
    np.testing.assert_array_equal(found, expected)


def test_gradients_of_patches():
    x = rng().standard_normal((1, 2, 4, 3))
    verify_grad(
        lambda v: neighbours.images2neibs(v, (3, 3), (1, 1), "half") ** 2,
        [x],
        rng=np.random.RandomState(1),
    )


def alignments(x, labels, steps):
    """Minus the logarithm of the probability of a labelling: the sum over all paths."""
    p = np.exp(x[:steps])
    p /= p.sum(1, keepdims=True)
    wanted = [k for k in labels if k >= 0]
    total = 0.0
    for path in product(range(x.shape[1]), repeat=steps):
        if [k for k, _ in groupby(path) if k] == wanted:
            total += np.prod(p[range(steps), path])
    with np.errstate(divide="ignore"):
        return -np.log(total)


def test_ctc_sums_over_all_alignments():
    x = rng().standard_normal((5, 5, 3))
    labels = np.array([[1, 2, -1], [2, 2, 1], [-1, -1, -1], [1, -1, -1], [1, 1, 1]])
    steps = np.array([4, 5, 3, 1, 4])
    a = T.dtensor3()
    found = function([a], ctc(a, labels, steps))(x)
    expected = [alignments(x[:, b], labels[b], steps[b]) for b in range(5)]
    assert expected[4] == np.inf  # three times the same label needs five steps
    np.testing.assert_allclose(found, expected)
    verify_grad(
        lambda v: ctc(v, labels[:4], steps[:4]), [x[:, :4]], rng=np.random.RandomState(4)
    )


def test_wrong_calls_of_ctc():
    a, k, n = T.dtensor3(), T.lmatrix(), T.lvector()
    with pytest.raises(TypeError, match="ctc: an operand"):
        ctc(a, T.dmatrix(), n)
    f = function([a, k, n], ctc(a, k, n))
    with pytest.raises(ValueError, match=r"batches of (different )?sizes"):
        f(np.zeros((4, 2, 3)), np.ones((3, 1), "int64"), np.array([4, 4]))
    with pytest.raises(ValueError, match="a label is no class"):
        f(np.zeros((4, 1, 3)), np.array([[3]]), np.array([4]))


def test_sparse_blocks_are_products_of_blocks():
    w, h = rng().standard_normal((3, 4, 5, 2)), rng().standard_normal((6, 2, 5))
    k, o = rng().integers(0, 3, (6, 2)), rng().integers(0, 4, (6, 3))
    b = rng().standard_normal((4, 2))
    found = T.nnet.sparse_block_dot(w, h, k, b, o).eval()
    for n, j in np.ndindex(6, 3):
        total = b[o[n, j]] + sum(h[n, i] @ w[k[n, i], o[n, j]] for i in range(2))
        np.testing.assert_allclose(found[n, j], total)
    single = T.nnet.sparse_block_dot(w, h[0], k[0], b, o[0]).eval()
    np.testing.assert_allclose(single, found[0])


def test_the_hierarchical_softmax_is_a_distribution():
    x, w1, b1 = rng().standard_normal((6, 5)), rng().standard_normal((5, 3)), rng().random(3)
    w2, b2 = rng().standard_normal((3, 5, 4)), rng().random((3, 4))
    v = T.dmatrix()
    whole = function([v], T.nnet.h_softmax(v, 6, 12, 3, 4, w1, b1, w2, b2))(x)
    np.testing.assert_allclose(whole.sum(1), 1)
    first = np.exp(x @ w1 + b1)
    first /= first.sum(1, keepdims=True)
    np.testing.assert_allclose(whole.reshape(6, 3, 4).sum(2), first)
    labels = np.array([0, 3, 10, 5, 6, 11])
    some = function([v], T.nnet.h_softmax(v, 6, 12, 3, 4, w1, b1, w2, b2, labels))(x)
    np.testing.assert_allclose(some, whole[range(6), labels])
    for wrong in (-1, 12):
        labels[2] = wrong
        with pytest.raises(AssertionError, match="targets are outputs"):
            function([v], T.nnet.h_softmax(v, 6, 12, 3, 4, w1, b1, w2, b2, labels))(x)
    assert function([v], T.nnet.h_softmax(v, 6, 10, 3, 4, w1, b1, w2, b2))(x).shape == (6, 10)
