"""Theano's classes of convolution ops: they compute, and they are found in graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.tensor.nnet import abstract_conv, corr, corr3d
from symc.tensor.nnet.conv import ConvOp

RNG = np.random.default_rng(0)


def correlation(x: Any, w: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], tuple(range(2, x.ndim)))
    n = x.ndim - 2
    kept = [0, *range(2, 2 + n)]
    total = np.tensordot(windows, w, ([1, *range(2 + n, 2 + 2 * n)], [1, *range(2, 2 + n)]))
    assert total.ndim == len(kept) + 1
    return np.moveaxis(total, -1, 1)


@pytest.mark.parametrize(("ndim", "module"), [(2, corr), (3, corr3d)])
def test_a_convolution_and_its_gradients(ndim: int, module: Any) -> None:
    prefix = "CorrMM" if ndim == 2 else "Corr3dMM"
    x = RNG.standard_normal((2, 3, 5, 6, 4)[: ndim + 2])
    w = RNG.standard_normal((4, 3, 2, 3, 2)[: ndim + 2])
    flipped = w[(slice(None), slice(None), *(slice(None, None, -1),) * ndim)]
    abstract = getattr(abstract_conv, f"AbstractConv{ndim}d")()
    y = correlation(x, w)
    np.testing.assert_allclose(abstract(x, w).eval(), correlation(x, flipped))
    np.testing.assert_allclose(getattr(module, prefix)()(x, w).eval(), y)
    g = RNG.standard_normal(y.shape)
    to_weights = getattr(module, f"{prefix}_gradWeights")()
    to_inputs = getattr(module, f"{prefix}_gradInputs")()
    for given in (None, T.constant(w.shape[2:])):
        # <g, corr(x, v)> = <gw, v> = ... for every v
        v = RNG.standard_normal(w.shape)
        gw = to_weights(x, g, given).eval()
        assert np.sum(gw * v) == pytest.approx(np.sum(g * correlation(x, v)))
    for given in (None, T.constant(x.shape[2:])):
        v = RNG.standard_normal(x.shape)
        gx = to_inputs(w, g, given).eval()
        assert np.sum(gx * v) == pytest.approx(np.sum(g * correlation(v, w)))


def test_nodes_are_found_by_class() -> None:
    x, w = T.tensor4("x"), T.tensor4("w")
    y = T.nnet.conv2d(x, w)
    assert isinstance(y.owner.op, abstract_conv.AbstractConv2d)
    assert isinstance(y.owner.op, abstract_conv.BaseAbstractConv)
    assert isinstance(y.owner.op, (corr.CorrMM, ConvOp))
    assert not isinstance(y.owner.op, abstract_conv.AbstractConv3d)
    assert not isinstance(y.owner.op, corr.CorrMM_gradWeights)
    assert not isinstance(T.exp(x).owner.op, abstract_conv.BaseAbstractConv)
    f = symc.function([x, w], symc.grad(y.sum(), [x, w]))
    ops = [node.op for node in f.maker.fgraph.toposort()]
    assert any(isinstance(op, corr.CorrMM_gradWeights) for op in ops)
    assert any(isinstance(op, abstract_conv.AbstractConv2d_gradInputs) for op in ops)


def test_the_older_op_and_wrong_use() -> None:
    x, w = RNG.standard_normal((2, 3, 5, 6)), RNG.standard_normal((4, 3, 2, 3))
    op = ConvOp((3, 5, 6), (2, 3), 4, 2, dx=2, unroll_batch=2)
    expected = correlation(x, w[:, :, ::-1, ::-1])[:, :, ::2]
    np.testing.assert_allclose(op(x, w).eval(), expected)
    with pytest.raises(ValueError, match="needs a shape"):
        corr.CorrMM_gradWeights(subsample=(2, 2))(x, expected)
    with pytest.raises(ValueError, match="2 or 3, got 4"):
        abstract_conv.AbstractConv(4)
