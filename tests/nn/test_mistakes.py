"""Shapes that don't fit are refused when a layer is built: by its name, the shapes and the line."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import layers
from symc.nn.init import Constant
from symc.nn.layers import cuda_convnet, dnn, special
from symc.nn.layers.conv import Correlating
from symc.nn.layers.corrmm import Conv2DMMLayer

ONE = np.ones(1)
IMAGES = (None, 3, 6, 5)
ROWS = (None, 4)
TIMES = (None, 5, 4)
GIVEN = layers.InputLayer

# For each class the arguments of a layer that can't be built, and what the message must have.
MISTAKES = [
    (layers.Layer, ((None, 0),), r"\(None, 0\)"),
    (layers.MergeLayer, ([ROWS, (None, -1)],), r"\(None, -1\)"),
    (layers.InputLayer, ((None, 0),), r"\(None, 0\)"),
    (layers.InputLayer, ((None, 2.5),), "lengths are whole numbers, got 2.5"),
    (layers.InputLayer, (3,), "a shape is a tuple of lengths, got int: 3"),
    (layers.InputLayer, ((None, 3), T.vector()), r"\(None, 3\), of 2 dimensions"),
    (layers.DenseLayer, ((None, None), 3), r"\(None, None\)"),
    (layers.DenseLayer, (ROWS, 3, np.ones((3, 3))), r"\(3, 3\), expected \(4, 3\)"),
    (layers.DenseLayer, (ROWS, 3, symc.shared(np.ones((3, 2, 2))).flatten(2)), r"\(3, 4\), exp"),
    (layers.DenseLayer, (ROWS, 3, Constant(0.1), None, "relu"), "a function.*str: 'relu'"),
    (layers.DenseLayer, (ROWS, 3, T.vector()), r"1 dimensions, the layer needs shape \(4, 3\)"),
    (layers.NINLayer, ((None, None, 3), 3), r"\(None, None, 3\)"),
    (layers.NINLayer, ((None, 2, None), 3, True), r"\(None, 2, None\)"),
    (layers.BatchwiseDropoutDenseLayer, ((None, None), 3), r"\(None, None\)"),
    (layers.DropoutLayer, (ROWS, 0.5, True, (2,)), r"axis 2 of an input of shape \(None, 4\)"),
    (layers.DropoutLayer, (ROWS, 1.5), r"p is at least 0 and below 1, got 1.5"),
    (layers.GaussianNoiseLayer, ([3],), r"list: \[3\]"),
    (layers.GaussianNoiseLayer, (ROWS, -0.1), "sigma is not negative, got -0.1"),
    (layers.Conv1DLayer, (ROWS, 2, 3), r"\(None, 4\)"),
    (layers.Conv2DLayer, (IMAGES, 2, 7), r"\(7, 7\).*\(None, 3, 6, 5\)"),
    (layers.Conv2DLayer, (IMAGES, 2, 3, 1, 0, False, np.ones((2, 2, 3, 3))), r"\(2, 3, 3, 3\)"),
    (layers.Conv2DLayer, ((None, 3, None, 5), 2, 3, 1, 0, True), r"\(None, 3, None, 5\)"),
    (layers.Conv2DLayer, (IMAGES, 2, 3, 0), r"stride is at least 1, got \(0, 0\)"),
    (layers.Conv2DLayer, (IMAGES, 2, 3, 1, (0, -1)), r"pad is at least 0, got \(0, -1\)"),
    (layers.Conv2DLayer, (IMAGES, 2, 3, 1, "half"), r"pad is a number.*'half'"),
    (layers.Conv3DLayer, (IMAGES, 2, 3), r"\(None, 3, 6, 5\)"),
    (dnn.Conv2DDNNLayer, ((None, None, 6, 5), 2, 3), r"\(None, None, 6, 5\)"),
    (dnn.Conv3DDNNLayer, (IMAGES, 2, 3), r"\(None, 3, 6, 5\)"),
    (Conv2DMMLayer, (ROWS, 2, 3), r"\(None, 4\)"),
    (layers.TransposedConv2DLayer, (ROWS, 2, 3), r"\(None, 4\)"),
    (layers.TransposedConv2DLayer, (IMAGES, 2, 3, 1, 9), r"\(None, 2, -10, -11\)"),
    (
        layers.TransposedConv2DLayer,
        (IMAGES, 2, 3, 2, 0, False, Constant(0.1), None, None, False, (13, 14)),
        "length 14 to 6, not 5",
    ),
    (layers.TransposedConv3DLayer, (IMAGES, 2, 3), r"\(None, 3, 6, 5\)"),
    (layers.DilatedConv2DLayer, (IMAGES, 2, 3, 0), r"a dilation is at least 1"),
    (layers.DilatedConv2DLayer, (IMAGES, 2, 3, 3), r"\(None, 3, 6, 5\)"),
    (layers.LocallyConnected2DLayer, ((None, 3, 6, None), 2, 3), r"\(None, 3, 6, None\)"),
    (layers.LocallyConnected2DLayer, (IMAGES, 2, 3, 2), "stride 1"),
    (layers.Pool1DLayer, (ROWS, 2), r"\(None, 4\)"),
    (layers.Pool2DLayer, (IMAGES, 7), r"\(None, 3, 6, 5\) has shape \(None, 3, 0, 0\)"),
    (layers.Pool2DLayer, (IMAGES, 2, 0), r"stride is at least 1"),
    (layers.Pool2DLayer, (IMAGES, 2, None, 2), r"pad is less than pool_size, got \(2, 2\)"),
    (layers.Pool2DLayer, (IMAGES, 2, None, 0, True, "mean"), r"mode is one of max.*'mean'"),
    (layers.Pool3DLayer, (IMAGES, 2), r"\(None, 3, 6, 5\)"),
    (layers.MaxPool1DLayer, (ROWS, 2), r"\(None, 4\)"),
    (layers.MaxPool2DLayer, (IMAGES, 2, 2, 1, False), "ignore_border"),
    (layers.MaxPool3DLayer, (IMAGES, 2), r"\(None, 3, 6, 5\)"),
    (layers.Upscale1DLayer, (ROWS, 2), r"\(None, 4\)"),
    (layers.Upscale2DLayer, (IMAGES, 0), "got 0"),
    (layers.Upscale3DLayer, (IMAGES, 2), r"\(None, 3, 6, 5\)"),
    (layers.FeaturePoolLayer, (ROWS, 3), r"3 do not divide axis 1.*\(None, 4\)"),
    (layers.FeaturePoolLayer, (ROWS, 2, 2), r"axis 2 of an input of shape \(None, 4\)"),
    (layers.FeatureWTALayer, (ROWS, 3), r"\(None, 4\)"),
    (layers.GlobalPoolLayer, (ROWS,), r"\(None, 4\)"),
    (layers.GlobalPoolLayer, (IMAGES, "mean"), "pool_function is a function.*str: 'mean'"),
    (layers.FeaturePoolLayer, (ROWS, 2, 1, "max"), "pool_function is a function.*str: 'max'"),
    (layers.SpatialPyramidPoolingLayer, (ROWS,), r"\(None, 4\)"),
    (layers.SpatialPyramidPoolingLayer, (IMAGES, [6]), r"6 regions.*\(None, 3, 6, 5\)"),
    (layers.SpatialPyramidPoolingLayer, (IMAGES, [(2, 1)]), r"positive integers"),
    (layers.SpatialPyramidPoolingLayer, (IMAGES, [2], "mean"), r"'mean'"),
    (layers.FlattenLayer, (ROWS, 3), r"\(None, 4\), got 3"),
    (layers.ReshapeLayer, ((2, 4), (3, 3)), r"8 elements.*\(2, 4\).*\(3, 3\)"),
    (layers.ReshapeLayer, (ROWS, ([2], -1)), r"\[2\] in shape"),
    (layers.ReshapeLayer, (IMAGES, ([0], 7)), r"\(None, 3, 6, 5\) the shape \(\[0\], 7\)"),
    (layers.ReshapeLayer, (IMAGES, ([0], -1, 4)), r"90 elements.*\(None, 3, 6, 5\)"),
    (layers.DimshuffleLayer, (ROWS, (0,)), r"axis 1 of an input of shape \(None, 4\)"),
    (layers.PadLayer, (IMAGES, [1, 2, 3]), r"3 axes, \[1, 2, 3\], for 2 axes"),
    (layers.PadLayer, (IMAGES, [1, (0, -1)]), "is not negative"),
    (layers.PadLayer, (IMAGES, [(1,), 2]), r"a number or two.*\[\(1,\), 2\]"),
    (layers.SliceLayer, (ROWS, 4), r"index 4 of axis 1.*\(None, 4\)"),
    (layers.SliceLayer, (ROWS, slice(4, None)), r"\(None, 4\) has shape \(None, 0\)"),
    (layers.SliceLayer, (ROWS, 0, 2), r"axis 2 of an input of shape \(None, 4\)"),
    (layers.ConcatLayer, ([(2, 4), (3, 4)],), r"\(2, 4\), \(3, 4\)"),
    (layers.ConcatLayer, ([ROWS, ROWS], 2), r"axis 2"),
    (layers.ElemwiseMergeLayer, ([ROWS, (None, 3)], T.add), r"\(None, 4\), \(None, 3\)"),
    (layers.ElemwiseSumLayer, ([ROWS, (None, 3)],), r"\(None, 4\), \(None, 3\)"),
    (layers.ElemwiseMergeLayer, ([ROWS, ROWS], "add"), "merge_function is a func.*str: 'add'"),
    (layers.ElemwiseSumLayer, ([ROWS, ROWS], [1, 2, 3]), "3 coefficients for 2"),
    (layers.LocalResponseNormalization2DLayer, (ROWS,), r"\(None, 4\)"),
    (layers.BatchNormLayer, ((None, None),), r"\(None, None\)"),
    (layers.BatchNormLayer, (ROWS, 2), r"axis 2 of an input of shape \(None, 4\)"),
    (layers.StandardizationLayer, (ROWS, "spatial"), r"no axes.*\(None, 4\)"),
    (layers.StandardizationLayer, (ROWS, (2,)), r"axis 2 of an input of shape \(None, 4\)"),
    (layers.EmbeddingLayer, (ROWS, 5, 3, np.ones((3, 5))), r"\(3, 5\), expected \(5, 3\)"),
    (layers.RecurrentLayer, ((None, 5),  3), r"RecurrentLayer 'here' on \(None, 5\)"),
    (layers.LSTMLayer, ((None, 5), 3), r"\(None, 5\)"),
    (layers.GRULayer, ((None, 5, None), 3), r"\(None, 5, None\)"),
    (layers.NonlinearityLayer, (None,), "NoneType"),
    (layers.BiasLayer, ((None, None),), r"\(None, None\)"),
    (layers.BiasLayer, (ROWS, ONE, 2), r"axis 2 of an input of shape \(None, 4\)"),
    (layers.ScaleLayer, (ROWS, np.ones(3)), r"\(3,\), expected \(4,\)"),
    (layers.ExpressionLayer, (ROWS, 3), "function is a function of expressions.*int: 3"),
    (layers.ExpressionLayer, (ROWS, T.exp, (None, 0)), r"\(None, 0\)"),
    (layers.InverseLayer, (ROWS, layers.DenseLayer(GIVEN(ROWS), 3)), r"\(None, 3\)"),
    (layers.InverseLayer, (ROWS, layers.DenseLayer(ROWS, 3)), r"DenseLayer on \(None, 4\)"),
    (layers.ParametricRectifierLayer, ((None, None),), r"\(None, None\)"),
    (layers.RandomizedRectifierLayer, (ROWS, 0.8, 0.3), "lower=0.8"),
    (layers.RandomizedRectifierLayer, (ROWS, 0.3, 0.8, 2), "axis 2"),
    (special.TransformerLayer, (IMAGES, (None, 5)), r"\(None, 5\), expected \(None, 6\)"),
    (special.TPSTransformerLayer, (IMAGES, (None, 31)), r"\(None, 31\), expected \(None, 32\)"),
    (cuda_convnet.Conv2DCCLayer, (IMAGES, 2, 7), r"\(7, 7\).*\(None, 3, 6, 5\)"),
    (cuda_convnet.MaxPool2DCCLayer, (ROWS, 2), r"\(None, 4\)"),
    (cuda_convnet.ShuffleBC01ToC01BLayer, (ROWS,), r"\(None, 4\)"),
    (cuda_convnet.ShuffleC01BToBC01Layer, (ROWS,), r"\(None, 4\)"),
    (cuda_convnet.NINLayer_c01b, ((None, 3, 3, None), 2), r"\(None, 3, 3, None\)"),
]


@pytest.mark.parametrize(("kind", "arguments", "says"), MISTAKES)
def test_what_does_not_fit(kind, arguments, says):
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=says) as caught:
        kind(*arguments, name="here")
    text = str(caught.value)
    assert f"{kind.__name__} 'here'" in text
    assert "test_mistakes.py" in text
    assert 'kind(*arguments, name="here")' in text


def test_every_class_is_among_them():
    modules = [layers, dnn, cuda_convnet]
    classes = {
        c for m in modules for c in vars(m).values()
        if isinstance(c, type) and issubclass(c, layers.Layer) and c.__name__[0] != "_"
    }
    bases = {layers.BaseConvLayer, layers.CustomRecurrentLayer, Correlating}
    assert classes - bases - {kind for kind, _, _ in MISTAKES} == set()


def test_networks_inside_of_a_loop_and_what_is_given_to_it():
    into, between = layers.DenseLayer(GIVEN((None, 7)), 3), layers.DenseLayer(GIVEN((None, 3)), 3)
    with pytest.raises(ValueError, match=r"CustomRecurrentLayer.*\(4,\) and \(7,\)"):
        layers.CustomRecurrentLayer(TIMES, into, between)
    with pytest.raises(ValueError, match="input_to_hidden must have one InputLayer, got 2"):
        layers.CustomRecurrentLayer(TIMES, layers.ElemwiseSumLayer([into, between]), between)
    mask = GIVEN((None, 6))
    for kind in (layers.RecurrentLayer, layers.LSTMLayer, layers.GRULayer):
        with pytest.raises(ValueError, match=r"mask has shape \(None, 6\), expected \(None, 5\)"):
            kind(TIMES, 3, mask_input=mask)
        with pytest.raises(ValueError, match=r"hid_init has shape \(None, 6\), expected \(None, 3"):
            kind(TIMES, 3, hid_init=mask)


def test_the_line_of_a_layer_is_told_when_its_output_is_made():
    x = layers.ExpressionLayer(GIVEN(ROWS), lambda x: x.dimshuffle(0, 1, 2), name="three")
    with pytest.raises(ValueError, match="ExpressionLayer 'three', built.*test_mistakes"):
        layers.get_output(x)
    again = pickle.loads(pickle.dumps(layers.DenseLayer(ROWS, 3)))
    assert "test_mistakes.py" in again._built_at


def test_keys_of_a_dict_of_inputs_are_layers():
    x = layers.DenseLayer(GIVEN(ROWS), 3)
    with pytest.raises(TypeError, match="str: 'x'"):
        layers.get_output(x, {"x": np.ones((2, 4))})


def test_an_unknown_keyword_is_warned_of_at_the_users_line():
    x = layers.DropoutLayer(GIVEN(ROWS))

    def output_of(x):
        return layers.get_output(x, determinstic=True)

    with pytest.warns(UserWarning, match="perhaps you mean deterministic") as caught:
        output_of(x)
    (warning,) = caught
    assert warning.filename == __file__
    assert warning.lineno == output_of.__code__.co_firstlineno + 1


def test_classes_of_users_may_know_their_shape_later():
    class Halves(layers.Layer):
        def get_output_shape_for(self, input_shape):
            return (input_shape[0] // 2, *self.rest)

    halves = Halves((None, 4))  # not even asked for
    halves.rest = (4,)
    assert halves.get_output_shape_for((8, 4)) == (4, 4)
    assert layers.DenseLayer(SimpleNamespace(output_shape=(None, 4)), 3).output_shape == (None, 3)

    class Nothing(layers.Layer):
        def get_output_shape_for(self, input_shape):
            return (0, *input_shape[1:])

    with pytest.raises(ValueError, match=r"Nothing.*\(0, 4\)"):
        Nothing((None, 4))
