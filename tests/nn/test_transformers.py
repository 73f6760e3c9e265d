"""Spatial transformers against loops over points in NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import init, layers

RNG = np.random.default_rng(5)
IMAGES = RNG.standard_normal((2, 3, 6, 5))
IDENTITY = np.array([[1.0, 0, 0, 0, 1, 0]] * 2)
MODES = ["nearest", "mirror", "wrap"]


def on_the_image(i, length, mode):
    """The pixel that stands for pixel `i` of an unbounded image."""
    if mode == "nearest":
        return min(max(i, 0), length - 1)
    if mode == "wrap":
        return i % length
    path = [*range(length), *range(length - 2, 0, -1)]
    return path[i % len(path)]


def sampled(image, x, y, mode):
    """The channels of an image at one point, by bilinear interpolation."""
    _, height, width = image.shape
    x, y = (x + 1) / 2 * (width - 1), (y + 1) / 2 * (height - 1)
    i, j = int(np.floor(y)), int(np.floor(x))
    total = 0
    for a, wa in ((i, 1 - (y - i)), (i + 1, y - i)):
        for b, wb in ((j, 1 - (x - j)), (j + 1, x - j)):
            pixel = image[:, on_the_image(a, height, mode), on_the_image(b, width, mode)]
            total = total + wa * wb * pixel
    return total


def warped(images, point, shape, mode):
    """`images` at ``point(sample, x, y)`` for the points of a grid."""
    expected = np.zeros((*images.shape[:2], *shape))
    for k, i, j in np.ndindex(len(images), *shape):
        x, y = np.linspace(-1, 1, shape[1])[j], np.linspace(-1, 1, shape[0])[i]
        expected[k, :, i, j] = sampled(images[k], *point(k, x, y), mode)
    return expected


def run(make, numbers, images=IMAGES, shape=(None, 3, 6, 5), **options):
    x, given = T.tensor4("x"), T.matrix("given")
    below = layers.InputLayer(shape, x)
    network = layers.InputLayer((None, numbers.shape[1]), given)
    layer = make(below, network, **options)
    got = symc.function([x, given], layers.get_output(layer))(images, numbers)
    known = [n for n in zip(got.shape, layer.output_shape, strict=True) if n[1] is not None]
    assert all(a == b for a, b in known)
    return got


@pytest.mark.parametrize("mode", MODES)
def test_an_affine_map(mode):
    theta = IDENTITY + RNG.standard_normal((2, 6))
    got = run(layers.TransformerLayer, theta, border_mode=mode)
    expected = warped(IMAGES, lambda k, x, y: theta[k].reshape(2, 3) @ (x, y, 1), (6, 5), mode)
    np.testing.assert_allclose(got, expected, atol=1e-10)


def test_the_identity_with_fewer_points():
    np.testing.assert_allclose(run(layers.TransformerLayer, IDENTITY), IMAGES, atol=1e-12)
    got = run(layers.TransformerLayer, IDENTITY, downsample_factor=(2, 1.5))
    expected = warped(IMAGES, lambda k, x, y: (x, y), (3, 3), "nearest")
    np.testing.assert_allclose(got, expected, atol=1e-12)
    dot = run(layers.TransformerLayer, IDENTITY, downsample_factor=5)
    np.testing.assert_allclose(dot[..., 0, 0], IMAGES[..., 0, 0])  # a grid of one point: -1, -1


def spline(moves, x, y):
    """A thin plate spline, by solving for its coefficients directly."""
    side = int(np.sqrt(len(moves) // 2))
    line = np.linspace(-1, 1, side)
    points = np.array([(a, b) for b in line for a in line])

    def radial(p, q):
        square = np.sum((p - q) ** 2)
        return 0.0 if square == 0 else square * np.log(square)

    n = len(points)
    system = np.zeros((n + 3, n + 3))
    for i in range(n):
        system[i, :n] = [radial(points[i], q) for q in points]
        system[i, n:] = system[n:, i] = (1, *points[i])
    values = np.zeros((n + 3, 2))
    values[:n] = points + moves.reshape(2, n).T
    coefficients = np.linalg.solve(system, values)
    basis = [radial(np.array([x, y]), q) for q in points] + [1, x, y]
    return np.array(basis) @ coefficients


@pytest.mark.parametrize("precompute", [True, False, "auto"])
@pytest.mark.parametrize("points", [4, 9])
def test_a_thin_plate_spline(precompute, points):
    moves = 0.2 * RNG.standard_normal((2, 2 * points))
    got = run(
        layers.TPSTransformerLayer, moves, control_points=points, precompute_grid=precompute,
        downsample_factor=(1, 2), border_mode="mirror",
    )
    expected = warped(IMAGES, lambda k, x, y: spline(moves[k], x, y), (6, 2), "mirror")
    np.testing.assert_allclose(got, expected, atol=1e-8)


def test_a_spline_over_images_of_any_size():
    moves = 0.2 * RNG.standard_normal((2, 32))
    for shape in ((None, 3, None, None), (None, 3, 6, 5)):
        got = run(layers.TPSTransformerLayer, moves, shape=shape)
        expected = warped(IMAGES, lambda k, x, y: spline(moves[k], x, y), (6, 5), "nearest")
        np.testing.assert_allclose(got, expected, atol=1e-8)
    with pytest.raises(ValueError, match=r"precompute_grid.*None, None"):
        run(layers.TPSTransformerLayer, moves, shape=(None, 3, None, None), precompute_grid=True)


@pytest.mark.parametrize("kind", [layers.TransformerLayer, layers.TPSTransformerLayer])
def test_it_is_trained_and_pickled(kind):
    x = T.tensor4("x")
    below = layers.InputLayer((None, 3, 6, 5), x)
    count = 6 if kind is layers.TransformerLayer else 32
    first = IDENTITY[0] if count == 6 else np.zeros(32)
    where = layers.DenseLayer(below, count, W=init.Normal(0.01), b=first, nonlinearity=None)
    layer = kind(below, where)
    params = layers.get_all_params(layer)
    cost = T.sum(T.sqr(layers.get_output(layer)))
    slopes = symc.function([x], symc.grad(cost, [x, *params]))(IMAGES)
    value = symc.function([x], cost)
    bias = params[1].get_value()
    step = 1e-6
    for k in (0, 2, count - 1):
        ends = []
        for sign in (1, -1):
            moved = bias.copy()
            moved[k] += sign * step
            params[1].set_value(moved)
            ends.append(value(IMAGES))
        params[1].set_value(bias)
        assert slopes[2][k] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=1e-6)
    moved = IMAGES.copy()
    moved[1, 2, 3, 3] += step
    ends = [value(moved), value(2 * IMAGES - moved)]
    expected = (ends[0] - ends[1]) / (2 * step)
    assert slopes[0][1, 2, 3, 3] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    again = layers.get_output(pickle.loads(pickle.dumps(layer)), IMAGES)
    np.testing.assert_array_equal(again.eval(), layers.get_output(layer, IMAGES).eval())


def test_wrong_use():
    images = (None, 3, 6, 5)
    with pytest.raises(ValueError, match=r"TransformerLayer 'st'.*\(None, 5\), expected"):
        layers.TransformerLayer(images, (None, 5), name="st")
    with pytest.raises(ValueError, match=r"rows, columns\), got shape \(None, 3\)"):
        layers.TransformerLayer((None, 3), (None, 6))
    with pytest.raises(ValueError, match="'reflect'"):
        layers.TransformerLayer(images, (None, 6), border_mode="reflect")
    with pytest.raises(ValueError, match="square number.*got 8"):
        layers.TPSTransformerLayer(images, (None, 16), control_points=8)
