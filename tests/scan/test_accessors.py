"""Operands of loops under Theano's names, helpers for graphs, and shapes as variables."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.compile.shapes import infer_shape as shapes_of_node
from symc.ops.scan.op import Scan
from symc.scan_module import scan_utils


def loop():
    """A loop with every kind of operand."""
    x = T.dvector("x")
    first, pair, w = T.dscalar("first"), T.dvector("pair"), T.dscalar("w")
    count = symc.shared(0.0, "count")

    def step(e, before, two, one, factor):
        return [before + e * factor, two + one, e * 2], {count: count + e}

    outs, updates = symc.scan(
        step, sequences=x, outputs_info=[first, {"initial": pair, "taps": [-2, -1]}, None],
        non_sequences=w,
    )  # fmt: skip
    pending = [*outs, *updates.values()]
    node = None
    while node is None:
        variable = pending.pop(0)
        if variable.owner is not None:
            if isinstance(variable.owner.op, Scan):
                node = variable.owner
            else:
                pending += variable.owner.inputs
    return node, {"x": x, "first": first, "pair": pair, "w": w, "count": count}


def test_groups_have_the_right_operands():
    node, _ = loop()
    op = node.op
    assert (op.n_seqs, op.n_mit_sot, op.n_sit_sot, op.n_nit_sot, op.n_mit_mot) == (1, 1, 1, 1, 0)
    assert op.n_shared_outs == 1
    assert op.mitsot_taps() == [[-2, -1]]
    assert op.mitmot_taps() == op.inner_mitmot() == op.outer_mitmot_outs(node) == []
    assert (op.as_while, op.truncate_gradient) == (False, -1)
    inner = [
        *op.inner_seqs(), *op.inner_mitsot(), *op.inner_sitsot(), *op.inner_shared(),
        *op.inner_non_seqs(),
    ]  # fmt: skip
    assert sorted(map(id, inner)) == sorted(map(id, op.inputs))
    outer = [
        *op.outer_seqs(node), *op.outer_mitsot(node), *op.outer_sitsot(node.inputs),
        *op.outer_shared(node), *op.outer_non_seqs(node),
    ]  # fmt: skip
    assert sorted(map(id, outer)) == sorted(map(id, node.inputs[1:]))
    assert op.outer_nitsot(node) == [node.inputs[0]]
    inner_outs = [
        *op.inner_mitsot_outs(), *op.inner_sitsot_outs(), *op.inner_nitsot_outs(),
        *op.inner_shared_outs(),
    ]  # fmt: skip
    assert sorted(map(id, inner_outs)) == sorted(map(id, op.outputs))
    outer_outs = [
        *op.outer_mitsot_outs(node), *op.outer_sitsot_outs(node), *op.outer_nitsot_outs(node),
        *op.outer_shared_outs(node.outputs),
    ]  # fmt: skip
    assert sorted(map(id, outer_outs)) == sorted(map(id, node.outputs))


def test_what_the_groups_compute():
    node, given = loop()
    op = node.op
    (taps_out,), (rows,) = op.outer_mitsot_outs(node), op.outer_sitsot_outs(node)
    (collected,), (state,) = op.outer_nitsot_outs(node), op.outer_shared_outs(node)
    f = symc.function(
        [given["x"], given["first"], given["pair"], given["w"]],
        [taps_out, rows, collected, state], on_unused_input="ignore",
    )  # fmt: skip
    taps_value, rows_value, collected_value, state_value = f([1.0, 2.0], 10.0, [1.0, 1.0], 3.0)
    np.testing.assert_allclose(taps_value, [1, 1, 2, 3])
    np.testing.assert_allclose(rows_value, [10, 13, 19])
    np.testing.assert_allclose(collected_value, [2, 4])
    assert state_value == 3.0


def test_scan_args():
    node, _ = loop()
    op = node.op
    args = scan_utils.scan_args(node.inputs, node.outputs, op.inputs, op.outputs, op.info)
    assert args.n_steps is node.inputs[0]
    assert args.outer_in_seqs == op.outer_seqs(node)
    assert args.inner_in_mit_sot == op.inner_mitsot()
    assert args.outer_out_nit_sot == op.outer_nitsot_outs(node)
    assert (args.cond, args.outer_in_mit_mot) == ([], [])


def test_map_variables():
    x, y = T.dscalars("x", "y")
    asked = []

    def sin_for_exp(variable, graph):
        asked.append(variable)
        node = variable.owner
        return T.sin(node.inputs[0]) if node is not None and node.op == T.exp else variable

    out = T.exp(T.exp(x)) + y
    (made,) = scan_utils.map_variables(sin_for_exp, [out])
    np.testing.assert_allclose(made.eval({x: 0.3, y: 1.0}), np.sin(np.sin(0.3)) + 1)
    assert len(asked) == 5
    assert scan_utils.map_variables(lambda v, g: v, [out]) == [out]
    v = T.dvector("v")
    looped, _ = symc.scan(lambda e: T.exp(e) * 2, sequences=v)
    (made,) = scan_utils.map_variables(sin_for_exp, [looped])
    np.testing.assert_allclose(made.eval({v: [0.3]}), 2 * np.sin([0.3]))
    with pytest.raises(ValueError, match="needs y, which is no operand"):
        scan_utils.map_variables(
            lambda u, g: u + y if u.owner is not None and u.owner.op == T.exp else u, [looped]
        )


def test_expand_replace_and_reconstruct():
    m = T.dmatrix("m")
    bigger = scan_utils.expand_empty(m, 2)
    value = bigger.eval({m: np.ones((3, 2))})
    assert value.shape == (5, 2)
    np.testing.assert_array_equal(value[:3], 1)
    assert scan_utils.expand_empty(m, 0) is m

    x, y = T.dscalars("x", "y")
    out = T.exp(x * y) + T.sin(x * y)
    replaced = scan_utils.forced_replace(out, x * y, y)
    np.testing.assert_allclose(replaced.eval({y: 0.5}), np.exp(0.5) + np.sin(0.5))
    assert scan_utils.forced_replace(None, x, y) is None

    ins, outs = scan_utils.reconstruct_graph([x, y], [out], "_copy")
    assert [v.name for v in ins] == ["x_copy", "y_copy"]
    np.testing.assert_allclose(outs[0].eval(dict(zip(ins, (1.0, 2.0), strict=True))),
                               np.exp(2) + np.sin(2))
    assert scan_utils.safe_new(x, dtype="float32").dtype == "float32"
    assert scan_utils.clone(out, {x: y}).eval({y: 1.0}) == out.eval({x: 1.0, y: 1.0})


def test_is_nan_or_inf_or_none():
    check = scan_utils.isNaN_or_Inf_or_None
    assert [check(v) for v in (None, np.nan, np.inf, T.constant(np.nan))] == [True] * 4
    assert [check(v) for v in (1.0, T.dscalar(), symc.shared(np.nan), "a")] == [False] * 4


# ---- shapes


def lengths(shape):
    return tuple(int(n.eval()) if isinstance(n, symc.Variable) else n for n in shape)


@pytest.mark.parametrize(
    ("make", "given", "want"),
    [
        (lambda m, n: m + n, [(3, 4), (3, 4)], (3, 4)),
        (lambda m, n: m + n, [(3, 1), (1, 4)], (3, 4)),
        (lambda m, n: m + n, [(0, 4), (1, 4)], (0, 4)),
        (T.dot, [(3, 4), (4, 5)], (3, 5)),
        (lambda m, n: m.sum(axis=0), [(3, 4), None], (4,)),
        (lambda m, n: m.dimshuffle(1, "x", 0), [(3, 4), None], (4, 1, 3)),
        (lambda m, n: T.join(0, m, n), [(3, 4), (2, 4)], (5, 4)),
        (lambda m, n: m[1:], [(3, 4), None], (2, 4)),
        (lambda m, n: m.reshape((2, 6)), [(3, 4), None], (2, 6)),
    ],
)
def test_built_in_ops_infer_shapes(make, given, want):
    m, n = T.dmatrices("m", "n")
    out = make(m, n)
    shapes = dict(zip((m, n), given, strict=True))
    (found,) = scan_utils.infer_shape([out], [m, n], given)
    assert lengths(found) == want
    node = out.owner
    if all(v in shapes for v in node.inputs):
        assert lengths(node.op.infer_shape(node, [shapes[v] for v in node.inputs])[0]) == want


def test_lengths_that_depend_on_values():
    n = T.lscalar("n")
    (shape,) = shapes_of_node(T.zeros((n, 2)).owner, [None] * len(T.zeros((n, 2)).owner.inputs))
    assert int(shape[0].eval({n: 7})) == 7
    v = T.dvector("v")
    picked = v.nonzero()[0]
    (shape,) = scan_utils.infer_shape([picked], [v], [(3,)])
    assert int(shape[0].eval({v: [0.0, 1.0, 2.0]})) == 2
