"""The functions about convolution: transposed, separable, unshared, causal; hints and shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import symc.tensor as T
from symc import function
from symc.gradient import verify_grad
from symc.runtime import native_available
from symc.tensor.nnet import abstract_conv as ac
from tests.conv.direct import convolve

HERE = Path(__file__).name


def rng():
    return np.random.default_rng(5)


def test_transposed_convolution_puts_filters_at_every_element():
    x, w = rng().standard_normal((2, 3, 4, 3)), rng().standard_normal((3, 2, 3, 2))
    expected = np.zeros((2, 2, 9, 6))
    for i, j in np.ndindex(4, 3):
        stamp = np.einsum("bo,ockl->bckl", x[:, :, i, j], w)
        expected[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2] += stamp
    a, b = T.dtensor4(), T.dtensor4()
    y = T.nnet.conv2d_transpose(
        a, b, (2, 2, 9, 6), input_dilation=(2, 2), filter_flip=False
    )
    np.testing.assert_allclose(function([a, b], y)(x, w), expected)


def test_separable_convolution_is_two_convolutions():
    x = rng().standard_normal((2, 3, 6, 6))
    deep, point = rng().standard_normal((6, 1, 3, 3)), rng().standard_normal((4, 6, 1, 1))
    a = T.dtensor4()
    y = T.nnet.separable_conv2d(a, deep, point, 3, border_mode="half")
    expected = convolve(convolve(x, deep, border="half", groups=3), point)
    np.testing.assert_allclose(function([a], y)(x), expected)
    cube, filters = x[:, :, None], deep[:, :, None]
    c = T.dtensor5()
    y = T.nnet.separable_conv3d(c, filters, point[:, :, None], 3, border_mode=(0, 1, 1))
    np.testing.assert_allclose(function([c], y)(cube)[:, :, 0], expected)
    with pytest.raises(ValueError, match="no extent in space"):
        T.nnet.separable_conv2d(a, deep, np.zeros((4, 6, 2, 1)), 3)


def test_causal_convolution_sees_no_later_inputs():
    x, w = rng().standard_normal((1, 2, 8)), rng().standard_normal((3, 2, 3))
    a = T.dtensor3()
    f = function([a], T.nnet.causal_conv1d(a, w, (3, 2, 3), filter_dilation=2))
    before = f(x)
    assert before.shape == (1, 3, 8)
    x[:, :, 5:] += 1
    after = f(x)
    np.testing.assert_array_equal(after[:, :, :5], before[:, :, :5])
    assert not np.allclose(after[:, :, 5:], before[:, :, 5:])


@pytest.mark.parametrize(("flip", "groups"), [(True, 1), (False, 2)])
def test_unshared_filters_are_different_at_every_place(flip, groups):
    x = rng().standard_normal((2, 4, 5, 6))
    w = rng().standard_normal((6, 3, 3, 4 // groups, 3, 2))
    a, b = T.dtensor4(), T.TensorType("float64", (False,) * 6)()
    options = {"subsample": (1, 2), "filter_flip": flip, "num_groups": groups, "unshared": True}
    found = function([a, b], T.nnet.conv2d(a, b, **options))(x, w)
    for i, j in np.ndindex(3, 3):
        whole = convolve(x, w[:, i, j], strides=(1, 2), groups=groups, flip=flip)
        np.testing.assert_allclose(found[:, :, i, j], whole[:, :, i, j])
    verify_grad(
        lambda a, b: T.nnet.conv2d(a, b, **options), [x, w], rng=np.random.RandomState(1)
    )


def test_images_without_channels():
    images, filters = rng().standard_normal((4, 6, 5)), rng().standard_normal((2, 3, 3))
    expected = convolve(images[:, None], filters[:, None])
    for ranks, chosen in (((3, 3), expected), ((2, 3), expected[0]), ((3, 2), expected[:, 0]),
                          ((2, 2), expected[0, 0])):
        x, w = (T.dmatrix() if r == 2 else T.dtensor3() for r in ranks)
        values = [v[0] if r == 2 else v for v, r in zip((images, filters), ranks, strict=True)]
        y = T.signal.conv.conv2d(x, w)
        assert y.ndim == chosen.ndim
        np.testing.assert_allclose(function([x, w], y)(*values), chosen)


def test_hints_are_checked_when_the_graph_is_built():
    x, w = T.dtensor4("x"), T.dtensor4("w")
    with pytest.raises(ValueError, match="2 channels, filters for 4") as caught:
        T.nnet.conv2d(x, w, input_shape=(None, 2, 7, 7), filter_shape=(3, 4, 5, 5))
    assert HERE in str(caught.value)
    with pytest.raises(ValueError, match="do not fit into inputs of length 3"):
        T.nnet.conv2d(x, w, input_shape=(1, 1, 3, 9), filter_shape=(1, 1, 4, 4))
    with pytest.raises(ValueError, match="contradicts"):
        T.nnet.conv2d(np.zeros((1, 2, 3, 3)), w, input_shape=(1, 2, 4, 3))
    with pytest.raises(ValueError, match="expected: 4 lengths"):
        T.nnet.conv2d(x, w, input_shape=(1, 2, 3))
    y = T.nnet.conv2d(x, w, image_shape=(None, 2, 7, 7), filter_shape=(3, 2, 5, 5))
    with pytest.raises(ValueError, match=r"promised|the shape is another one"):
        function([x, w], y)(np.zeros((1, 2, 8, 7)), np.zeros((3, 2, 5, 5)))


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_wrong_shapes_are_errors_with_the_users_line(mode):
    x, w = T.dtensor4("x"), T.dtensor4("w")
    f = function([x, w], T.nnet.conv2d(x, w, border_mode=1), mode=mode)
    for shapes, text in (
        (((1, 2, 5, 5), (3, 4, 2, 2)), "2 channels, filters for 4"),
        (((1, 2, 5, 5), (3, 2, 9, 2)), "filters of length 9 do not fit into inputs of length 5"),
        (((1, 2, 5, 5), (3, 2, 0, 2)), "filters without elements"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            f(*map(np.zeros, shapes))
        assert HERE in str(caught.value)
    slope = ac.conv2d_grad_wrt_inputs(x, w, (1, 2, 9, 9))
    with pytest.raises(ValueError, match="result"):
        function([x, w], slope, mode=mode)(np.zeros((1, 3, 5, 5)), np.zeros((3, 2, 2, 2)))


@pytest.mark.parametrize(("options", "text"), [
    ({"border_mode": "vallid"}, "border_mode"),
    ({"border_mode": -1}, "border_mode"),
    ({"border_mode": (1, 2, 3)}, "border_mode"),
    ({"border_mode": ((1, 2, 3), 1)}, "border_mode"),
    ({"subsample": (1, 0)}, "subsample"),
    ({"subsample": (1.0, 2)}, "subsample"),
    ({"subsample": 1.5}, r"(?s)subsample.*got: 1.5.*a positive integer, or 2 of them"),
    ({"filter_dilation": (1,)}, "filter_dilation"),
    ({"num_groups": 0}, r"(?s)num_groups.*expected: a positive integer$"),
    ({"input_shape": (1, 3, 5, 6), "image_shape": (1, 3, 5, 5)}, "two names of one argument"),
])
def test_options_that_make_no_sense(options, text):
    with pytest.raises(ValueError, match=text):
        T.nnet.conv2d(T.dtensor4(), T.dtensor4(), **options)


def test_operands_of_another_rank():
    with pytest.raises(TypeError, match="wrong number of axes"):
        T.nnet.conv2d(T.dtensor3(), T.dtensor4())
    with pytest.raises(TypeError, match="wrong number of axes"):
        T.signal.conv.conv2d(T.dvector(), T.dmatrix())


def test_lengths_of_results():
    assert ac.get_conv_output_shape((50, 1, 28, None), (20, 1, 5, 5), "valid", (1, 1)) == (
        50, 20, 24, None)
    assert ac.get_conv_output_shape((1, 1, 9, 9), (2, 1, 3, 3), ((1, 0), (2, 2)), (2, 1)) == (
        1, 2, 4, 11)
    assert ac.get_conv_shape_1axis(9, 3, "full", 2, 2) == 7
    assert ac.get_conv_gradinputs_shape((2, 3, 5, 5), (7, 2, 24, 24), "valid", (1, 1)) == (
        7, 3, 28, 28)
    assert ac.get_conv_gradweights_shape((7, 3, 28, 28), (7, 2, 24, 24), "valid", (1, 2)) == (
        2, 3, 5, None)
    assert ac.check_conv_gradinputs_shape((7, 3, 28, 28), (2, 3, 5, 5), (7, 2, 24, None),
                                          "valid", (1, 1))
    assert not ac.check_conv_gradinputs_shape((7, 3, 28, 28), (2, 3, 5, 5), (7, 2, 23, 24),
                                              "valid", (1, 1))
    with pytest.raises(ValueError, match="negative length"):
        ac.assert_conv_shape((1, 2, -1))
    n = T.lscalar()
    length = ac.get_conv_shape_1axis(n, 5, "half", 2)
    assert function([n], length)(28) == 14


@pytest.mark.skipif(not native_available(), reason="needs the facts of the native path")
def test_shapes_are_known_without_computing():
    x, w = T.dtensor4(), T.dtensor4()
    y = T.nnet.conv2d(x, w, border_mode="full", subsample=(2, 1))
    f = function([x, w], y.shape)
    assert not any("Conv{" in str(node.op) for node in f.maker.fgraph.toposort())
    assert tuple(f(np.zeros((3, 2, 7, 7)), np.zeros((4, 2, 2, 3)))) == (3, 4, 4, 9)


def test_bilinear_upsampling_is_linear_interpolation():
    x = rng().standard_normal((2, 1, 4, 3))
    a = T.dtensor4()
    found = function([a], ac.bilinear_upsampling(a, 2))(x)
    assert found.shape == (2, 1, 8, 6)
    np.testing.assert_allclose(found[:, :, ::2, ::2], x)
    np.testing.assert_allclose(found[:, :, 1:-1:2, 0], (x[:, :, 1:, 0] + x[:, :, :-1, 0]) / 2)
    # the transposed convolution that it is defined by, with the borders repeated
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    kernel = ac.bilinear_kernel_2D(3).eval()
    flat = ac.conv2d_grad_wrt_inputs(
        wide.reshape(2, 1, 6, 5), kernel[None, None], (2, 1, 12, 9), border_mode=(4, 4),
        subsample=(3, 3),
    )
    expected = flat.eval()
    np.testing.assert_allclose(function([a], ac.bilinear_upsampling(a, 3))(x), expected)
    half = function([a], ac.bilinear_upsampling(a, frac_ratio=(3, 2)))(x)
    np.testing.assert_allclose(half, expected[:, :, ::2, ::2])
    with pytest.raises(ValueError, match="either ratio or frac_ratio"):
        ac.bilinear_upsampling(a)
