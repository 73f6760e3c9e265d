"""Every function rule: it fires where it should, and values, shapes and types stay."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from symc.array.convert import constant
from symc.array.type import TensorType
from symc.gradient import grad
from symc.lower.facts import Facts
from symc.ops import math as m
from symc.ops import reduce as r
from symc.ops.alloc import alloc, arange, eye, zeros_like
from symc.ops.argmax import argmax
from symc.ops.ctc import ctc
from symc.ops.dot import dot
from symc.ops.elemwise import Elemwise, cast, elemwise_of
from symc.ops.gather import AdvancedSubtensor
from symc.ops.grad_control import consider_constant, grad_clip
from symc.ops.join import concatenate, split, stack
from symc.ops.known_gradient import with_shape_of
from symc.ops.linalg.inverse import matrix_inverse
from symc.ops.scatter import AdvancedIncSubtensor
from symc.ops.shape import Rebroadcast, specify_shape
from symc.ops.sizes import Shape_i
from symc.ops.softmax import softmax
from symc.ops.vector import make_vector
from symc.ops.write import inc_subtensor, set_subtensor
from symc.rewrite.rule import all_rules
from symc.rewrite.selection import Selection
from symc.scalar.arith import add as scalar_add
from symc.scalar.op import CASTS
from tests.rewrite.randomgraphs import compare

LENGTHS = {"x": (3, 4), "y": (3, 4), "z": (4, 2), "u": (3, 1), "v": (4,), "w": (4,), "t": (3,)}


def operands() -> SimpleNamespace:
    """Variables of several types, and their values in ``values``."""
    rng = np.random.default_rng(5)
    g = SimpleNamespace(values={})

    def put(name: str, value: Any, pattern: Any = None) -> None:
        value = np.asarray(value)
        v = TensorType(value.dtype, pattern or (False,) * value.ndim)(name)
        setattr(g, name, v)
        g.values[v] = value

    for name, shape in LENGTHS.items():
        put(name, rng.uniform(0.2, 0.9, size=shape) * rng.choice([-1, 1], size=shape))
    put("s", 1.7)
    put("row", rng.normal(size=(1, 4)), (True, False))
    put("col", rng.normal(size=(3, 1)), (False, True))
    put("k", np.array([2, 0, 3]))
    put("j", np.array([1, 0, 1], dtype="int32"))
    put("i", np.int64(2))
    put("b", rng.random((3, 4)) < 0.5)
    put("c", rng.random((3, 4)) < 0.5)
    put("f", rng.normal(size=(3, 4)).astype("float32"))
    return g


def _scattered(g: Any, values: Any) -> Any:
    zeros = zeros_like(g.x)
    return AdvancedIncSubtensor((0, 1))(zeros, values, arange(g.x.shape[0]), g.k)


CASES: dict[str, list[Callable[[Any], Any]]] = {
    "canonical_sum": [
        lambda g: g.x - g.x,
        lambda g: g.x + g.y - g.x,
        lambda g: -(g.x - g.row),
        lambda g: 2 * g.x + g.x * 3 - 1 + g.s,
        lambda g: 1 - (2 - (3 - g.v)),
        lambda g: (lambda a: [m.exp(a), a - g.x])(g.x + g.y),
        lambda g: g.j - (g.j + 200) + g.k,
        lambda g: g.f + 1 - g.f,
        lambda g: g.t + g.j * 100 + g.j - g.t,
        lambda g: g.u + g.v - g.u,
    ],
    "canonical_product": [
        lambda g: g.x * g.y / g.x,
        lambda g: g.x / g.x,
        lambda g: (-g.x) * (-g.y) * (-2.0),
        lambda g: 2 * g.x * 3 / 4 / g.y,
        lambda g: g.x * g.x * g.x,
        lambda g: g.x**-2 * g.x**3,
        lambda g: (g.x**2) ** 2,
        lambda g: g.x**1 + g.x**0,
        lambda g: g.x * 0,
        lambda g: g.j * 0 + g.j * g.j,
        lambda g: m.inv(m.inv(g.s)) * g.v,
        lambda g: (lambda q: [m.exp(q), q * g.y])(g.x / g.y),
        lambda g: (g.k + 1) / (g.k + 1) * g.t,
        lambda g: g.j / g.t * g.j * 100 * g.t,
        lambda g: g.u * g.v / g.u,
    ],
    "quotient_by_abs": [
        lambda g: g.x / m.abs_(g.x),
        lambda g: g.y * m.abs_(g.x) / g.x,
        lambda g: m.sqr(g.x) / m.abs_(g.x),
    ],
    "power_of_half": [lambda g: m.abs_(g.x) ** 0.5, lambda g: m.abs_(g.x) ** -0.5 * g.y],
    "product_over_sum": [
        lambda g: (g.x / g.y + g.s) * g.y,
        lambda g: (g.x / g.y - g.row / g.y) * g.y * g.s,
    ],
    "inverse_of_function": [
        lambda g: m.log(m.exp(g.x)),
        lambda g: m.sinh(m.arcsinh(g.x)),
        lambda g: m.conj(m.conj(cast(g.x, "complex128"))),
    ],
    "idempotent_function": [lambda g: m.floor(m.floor(g.x)), lambda g: m.sgn(m.sgn(g.x))],
    "operation_with_itself": [lambda g: m.maximum(g.x, g.x), lambda g: g.b & g.b],
    "abs_of_sign": [lambda g: m.abs_(-g.x), lambda g: m.abs_(m.exp(g.x))],
    "even_function": [lambda g: m.cos(-g.x), lambda g: m.sqr(m.abs_(g.x)), lambda g: m.sqr(-g.j)],
    "sqrt_of_square": [lambda g: m.sqrt(m.sqr(g.x)), lambda g: m.sqrt(g.x * g.x)],
    "operation_on_one_operand": [lambda g: Elemwise(scalar_add)(g.x)],
    "gradient_control": [lambda g: consider_constant(g.x), lambda g: grad_clip(g.x, -1, 1)],
    "division_by_one": [
        lambda g: g.k // 1,
        lambda g: g.k % 1,
        lambda g: 0 // g.k,
    ],
    "power_of_one": [lambda g: 1.0**g.x],
    "comparison_with_itself": [lambda g: m.eq(g.k, g.k), lambda g: m.lt(g.x, g.x)],
    "comparison_of_length": [
        lambda g: m.ge(g.x.shape[0], 0),
        lambda g: m.maximum(g.x.shape[1], 0),
        lambda g: m.minimum(0, g.x.shape[1]),
    ],
    "truth_with_constant": [
        lambda g: g.b & True,
        lambda g: g.b & False,
        lambda g: g.b | False,
        lambda g: g.b | True,
        lambda g: g.b ^ False,
        lambda g: m.and_(g.b, True, g.c),
    ],
    "useless_switch": [
        lambda g: m.switch(True, g.x, g.y),
        lambda g: m.switch(g.b, g.row, g.row),
        lambda g: m.switch(constant(np.zeros((3, 4), bool)), g.x, g.y),
    ],
    "nested_switch": [lambda g: m.switch(g.b, m.switch(g.b, g.x, 1.0), m.switch(g.b, 2.0, g.y))],
    "product_with_masked_factor": [
        lambda g: g.x * m.switch(g.b, 0, g.y) * g.s,
        lambda g: m.switch(g.b, g.y, 0) / g.x,
    ],
    "operation_on_switches": [
        lambda g: m.switch(g.b, g.x, 1.0) + m.switch(g.b, 2.0, g.y),
    ],
    "useless_fill": [lambda g: m.second(g.x, g.y), lambda g: m.second(m.second(g.x, 0.0), 1.0)],
    "fill_sink": [
        lambda g: m.exp(m.second(g.x, g.s)) + g.y,
        lambda g: m.second(g.u, g.s) * g.v,
    ],
    "elemwise_of_alloc": [
        lambda g: alloc(g.s, 3, 4) * g.x,
        lambda g: g.x + alloc(2.0, *(g.x.shape[a] for a in (0, 1))),
    ],
    "unary_of_alloc": [lambda g: m.exp(alloc(g.s, 3, g.i))],
    "useless_alloc": [lambda g: alloc(m.exp(g.x), g.x.shape[0], g.x.shape[1])],
    "alloc_of_alloc": [lambda g: alloc(alloc(g.s, g.i), 3, g.i)],
    "fill_to_alloc": [lambda g: m.second(g.x, g.s), lambda g: m.second(g.x * g.row, g.s)],
    "constant_folding": [lambda g: m.exp(constant(np.ones(3))) + g.t],
    "useless_cast": [lambda g: elemwise_of(CASTS["float64"])(g.x)],
    "cast_of_cast": [lambda g: cast(cast(g.f, "float64"), "complex128")],
    "transpose_of_dot": [lambda g: dot(g.x, g.z).T],
    "product_with_inverse": [
        lambda g: dot(matrix_inverse(dot(g.x, g.x.T) + eye(3)), g.y),
        lambda g: dot(g.y.T, matrix_inverse(dot(g.x, g.x.T) + eye(3))),
        lambda g: dot(g.t, matrix_inverse(dot(g.x, g.x.T) + eye(3))),
    ],
    "dot_with_zero": [
        lambda g: dot(g.x, alloc(0.0, g.x.shape[1], 5)),
        lambda g: dot(g.v * 0, g.v),
    ],
    "dot_over_short_axis": [lambda g: dot(g.col, g.row)],
    "dot_with_column": [lambda g: dot(g.x.T, g.col), lambda g: dot(g.row, g.z)],
    "factor_out_of_dot": [
        lambda g: dot(g.s * g.x, g.z),
        lambda g: dot((-g.x).T, g.y),
        lambda g: dot(-g.x, g.z * g.s * 2),
    ],
    "gemm_of_sum": [
        lambda g: g.z - 0.5 * dot(g.x.T, g.x[:, :2]),
        lambda g: g.z * 0.9 - g.s * dot(g.x.T, g.y[:, :2]),
        lambda g: g.v + dot(g.x.T, g.t),
        lambda g: g.v - g.s * dot(g.t, g.x),
        lambda g: dot(g.x, g.z) + dot(g.y, g.z),
        lambda g: g.z - g.s * (dot(g.x.T, g.y[:, :2]) / 3 + 0.1 * g.z),
        lambda g: g.s * dot(g.x, g.z) - dot(g.y, g.z) / g.s + dot(g.x, g.z * 2),
    ],
    "useless_slice": [
        lambda g: g.x[0 : g.x.shape[0]] + 1,
        lambda g: g.x[:, :] * 2,
        lambda g: g.x[g.i, :],
    ],
    "element_of_vector": [
        lambda g: make_vector([g.s, g.s * 2, 1.0])[1],
        lambda g: make_vector([g.s, 2.0, 1.0])[1:],
        lambda g: g.x.shape[-1],
    ],
    "index_of_short_axis": [lambda g: g.row[0], lambda g: g.col[1:, -1], lambda g: g.row[0, g.i]],
    "index_of_index": [
        lambda g: g.x[g.i][1],
        lambda g: g.x[1:][0],
        lambda g: g.x[1:][:1],
        lambda g: g.x[:, 1:][g.i],
        lambda g: g.x[::-1][:, 2:],
    ],
    "index_of_elemwise": [
        lambda g: m.exp(g.x)[g.i],
        lambda g: (g.x + g.y)[1:, 2],
        lambda g: (g.x * g.row)[1],
        lambda g: (g.col * g.row)[:, 1],
    ],
    "piece_of_elemwise": [
        lambda g: (lambda e: e[:2] * m.exp(e[2:].sum()))(g.x + g.y),
        lambda g: (lambda e: [m.exp(e[:, :1]), e[:, 1:3] + e[:, 3:]])(g.col * g.x),
        lambda g: (lambda e: grad(r.sum(e[:, :2] * e[:, 2:]), g.x))(m.sin(g.x + g.row)),
    ],
    "slice_of_alloc": [lambda g: alloc(g.s, 3, 4)[1:, ::2]],
    "index_of_dot": [
        lambda g: dot(g.x, g.z)[g.i],
        lambda g: dot(g.x, g.z)[1:, 0],
        lambda g: dot(g.x, g.v)[0],
    ],
    "write_of_everything": [
        lambda g: set_subtensor(g.x[:], g.y),
        lambda g: inc_subtensor(g.x[:], g.s),
    ],
    "write_of_own_part": [
        lambda g: set_subtensor(g.x[1:], g.x[1:]),
        lambda g: set_subtensor(g.x[1:], g.x[1:] + g.s),
    ],
    "increment_by_zero": [lambda g: inc_subtensor(g.x[1:], 0.0)],
    "read_of_write": [
        lambda g: set_subtensor(g.x[1:], m.exp(g.x)[1:])[1:],
        lambda g: (lambda w: [w[g.i], w])(set_subtensor(g.x[g.i], m.exp(g.x[0]))),
    ],
    "read_of_scatter": [
        lambda g: inc_subtensor(zeros_like(g.x)[1:], m.exp(g.x[1:]))[1:],
        lambda g: inc_subtensor(zeros_like(g.x)[-2:], m.exp(g.x[-2:]))[-2 : g.x.shape[0]],
    ],
    "write_of_filled_values": [lambda g: inc_subtensor(g.x[g.i], alloc(g.s, g.x.shape[1]))],
    "row_sums_of_scatter": [
        lambda g: (lambda a: [a, r.sum(a, axis=1)])(_scattered(g, r.sum(g.x, axis=1))),
    ],
    "product_with_scatter": [
        lambda g: g.y * _scattered(g, g.t),
        lambda g: _scattered(g, g.t) / g.y,
        lambda g: g.s * _scattered(g, g.t),
        lambda g: g.col * _scattered(g, g.t),
        lambda g: g.y * inc_subtensor(zeros_like(g.x)[1:], g.y[1:]),
    ],
    "product_with_zeroed_part": [
        lambda g: g.y * set_subtensor(m.exp(g.x)[1:], 0),
        lambda g: set_subtensor(g.x[:, g.k[:2]], 0.0) / g.y,
    ],
    "sum_with_scatter": [
        lambda g: m.exp(g.x) + _scattered(g, g.t),
        lambda g: m.exp(g.x) - _scattered(g, g.t),
        lambda g: _scattered(g, g.t) - m.exp(g.x),
        lambda g: inc_subtensor(zeros_like(g.x)[1:], 1.0) + inc_subtensor(zeros_like(g.x)[0], g.v),
    ],
    "sum_of_pieces": [
        lambda g: (lambda e: grad(r.sum(e[:, :2] * m.exp(e[:, 2:])), g.x))(m.sin(g.x)),
        lambda g: (lambda n: inc_subtensor(zeros_like(g.x)[n:], m.exp(g.x[n:]))
                   + inc_subtensor(zeros_like(g.x)[:n], m.sin(g.x[:n])))(g.i),
        lambda g: m.exp(g.x) + inc_subtensor(zeros_like(g.x)[:, 1:], m.sin(g.x[:, 1:]))
        + inc_subtensor(zeros_like(g.x)[:, :1], g.x[:, :1] * g.s),
    ],
    "join_of_one": [lambda g: concatenate([g.x], axis=1)],
    "join_of_empty": [lambda g: concatenate([g.v, np.zeros(0), g.t])],
    "join_of_joins": [lambda g: concatenate([concatenate([g.v, g.t]), g.w])],
    "join_of_vectors_of_scalars": [
        lambda g: concatenate([make_vector([g.s, 1.0]), make_vector([g.s])])
    ],
    "split_of_join": [
        lambda g: split(concatenate([g.v, g.t]), [g.v.shape[0], g.t.shape[0]], 2),
    ],
    "split_into_one": [lambda g: split(g.v, [g.v.shape[0]], 1)[0]],
    "reduction_over_no_axis": [lambda g: r.sum(g.s), lambda g: r.sum(g.i)],
    "reduction_over_short_axes": [
        lambda g: r.sum(g.row, axis=0),
        lambda g: r.prod(g.col),
        lambda g: r.max(g.row, axis=(0, 1)),
    ],
    "reduction_of_reduction": [
        lambda g: r.sum(r.sum(g.x, axis=0)),
        lambda g: r.max(r.max(g.x, axis=1)),
        lambda g: r.prod(r.prod(g.x, axis=0)),
        lambda g: r.all(r.all(g.b, axis=1)),
    ],
    "sum_of_negative": [lambda g: r.sum(-g.x, axis=0)],
    "sum_of_scaled": [
        lambda g: r.sum(g.s * g.x, axis=1),
        lambda g: r.sum(g.x * g.col, axis=1),
        lambda g: r.sum(g.x / g.row, axis=0),
        lambda g: r.sum(g.x * 3.0),
    ],
    "reduction_of_transpose": [
        lambda g: r.sum(g.x.T, axis=0),
        lambda g: r.max(g.x.T),
        lambda g: r.sum(g.x.dimshuffle(1, 0), axis=1),
    ],
    "reduction_of_constant": [
        lambda g: r.sum(alloc(g.s, 3, 4), axis=0),
        lambda g: r.prod(alloc(g.s, 5)),
        lambda g: r.sum(m.second(g.x, g.s)),
    ],
    "reduction_of_join": [lambda g: r.sum(concatenate([g.row, g.row * 2]), axis=0)],
    "length_from_facts": [lambda g: Shape_i(0)(m.exp(g.x)) + Shape_i(1)(dot(g.x, g.z))],
    "shape_of_lengths": [lambda g: m.exp(g.x).shape],
    "useless_dimshuffle": [lambda g: g.x.T.T],
    "dimshuffle_of_dimshuffle": [lambda g: g.x.dimshuffle(1, "x", 0).dimshuffle(2, 0, 1)],
    "dimshuffle_of_elemwise": [
        lambda g: m.exp(g.x + g.row).T,
        lambda g: m.second(g.x, 1.0).dimshuffle(1, "x", 0),
    ],
    "dimshuffle_of_alloc": [lambda g: alloc(g.s, 3, g.i).dimshuffle(1, "x", 0)],
    "reshape_of_reshape": [lambda g: g.x.reshape((12,)).reshape((2, 6))],
    "useless_reshape": [lambda g: g.x.reshape((g.x.shape[0], g.x.shape[1]))],
    "reshape_to_dimshuffle": [lambda g: g.v.reshape((1, g.v.shape[0]))],
    "useless_rebroadcast": [lambda g: Rebroadcast((0, False))(g.x)],
    "useless_specify_shape": [lambda g: specify_shape(alloc(g.s, 3, 4), (3, 4))],
    "sum_to_decided": [
        lambda g: grad(r.sum(g.x * g.u), [g.x, g.u]),
    ],
    "power_as_products": [
        lambda g: g.x**5,
        lambda g: g.x**-3,
        lambda g: g.k**7,
    ],
    "costs_of_alignments": [
        lambda g: ctc(stack([g.x, g.y, g.x * g.y]), np.array([[1, 2], [3, -1], [2, 2]]), g.k[:3])
    ],
    "useless_known_gradient": [lambda g: with_shape_of(g.x, g.x * 2)],
    "product_with_itself": [lambda g: m.mul(g.x, g.x)],
    "product_with_one": [lambda g: m.mul(1.0, g.x, g.y), lambda g: m.mul(g.x, -1.0)],
    "sum_with_zero": [lambda g: m.add(0.0, g.x, g.row)],
    "quotient_of_one": [lambda g: 1 / g.x],
    "quotient_by_power_of_two": [lambda g: g.x / 4],
    "extreme_of_negative": [lambda g: r.max(-g.x, axis=0), lambda g: r.min(-g.x)],
    "negative_of_negative": [lambda g: m.neg(m.neg(g.x)), lambda g: m.neg(-g.x / g.y)],
    "argmax_of_softmax": [lambda g: argmax(softmax(g.x, axis=-1), axis=1)],
    "exp_of_log": [lambda g: m.exp(m.log(m.sqr(g.x)))],
    "logistic_residual": [
        lambda g: (1 - g.x) * m.sigmoid(g.y) - g.x * m.sigmoid(-g.y),
        lambda g: g.s * g.x * (1 - m.sigmoid(g.y)) - g.s * (1 - g.x) * m.sigmoid(g.y),
    ],
    "one_minus_sigmoid": [lambda g: 1 - m.sigmoid(g.x)],
    "log_of_erfc": [lambda g: m.log(m.erfc(g.x * 5))],
    "log_of_several_exponentials": [
        lambda g: m.log(m.exp(g.x) + m.exp(g.y)),
        lambda g: m.log(m.exp(g.x) + m.exp(g.row) + m.exp(g.u) + 1),
        lambda g: m.log(2 + m.exp(g.x)),
    ],
    "exponential_over_sum_of_exponentials": [
        lambda g: m.exp(g.x) / (m.exp(g.x) + m.exp(g.y)),
        lambda g: grad(r.sum(m.log(m.exp(g.x) + m.exp(g.y) + m.exp(2 * g.x) + 3)), [g.x, g.y]),
        lambda g: (lambda p: [p * m.exp(g.x), p * m.exp(g.y)])(1 / (m.exp(g.x) + m.exp(g.y))),
    ],
    "log_of_sum_of_exponentials": [
        lambda g: m.log(r.sum(m.exp(g.x), axis=1)),
        lambda g: m.log(r.sum(m.exp(g.x))),
    ],
    "softmax_of_exponentials": [
        lambda g: m.exp(g.x) / r.sum(m.exp(g.x), axis=1, keepdims=True),
        lambda g: g.y * m.exp(g.x) / r.sum(m.exp(g.x), axis=0, keepdims=True),
        lambda g: m.exp(g.x) / r.sum(m.exp(g.x), keepdims=True),
        lambda g: (lambda e: e / r.sum(e, axis=1, keepdims=True))(
            m.exp(g.x - r.max(g.x, axis=1, keepdims=True))
        ),
    ],
    "log_of_softmax": [lambda g: m.log(softmax(g.x))],
    "log_of_picked_softmax": [
        lambda g: m.log(softmax(g.x)[1]),
        lambda g: m.log(AdvancedSubtensor((0, 1))(softmax(g.x), np.array([0, 1]), g.k[:2])),
    ],
    "crossentropy_of_picked_log_softmax": [
        lambda g: m.log(softmax(g.x + g.v))[arange(g.k.shape[0]), g.k],
        lambda g: -m.log(softmax(g.x))[arange(3), g.k - 4],
    ],
}

_ELSEWHERE = {"unsafe", "scan"}  # rules of loops are tested with the loops, in tests/scan
_FUNCTION_RULES = [e for e in all_rules() if e.pattern is None and not _ELSEWHERE & e.tags]
_TABLE = [(name, k) for name, cases in CASES.items() for k in range(len(cases))]


def test_every_function_rule_has_cases() -> None:
    assert {e.name for e in _FUNCTION_RULES} == set(CASES)


@pytest.mark.parametrize(("name", "k"), _TABLE)
def test_a_function_rule_fires_and_keeps_values(name: str, k: int) -> None:
    g = operands()
    result = CASES[name][k](g)
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    inputs, values = list(g.values), list(g.values.values())

    def oracle(v: Any, axis: int | None) -> int:
        return int(g.values[v]) if axis is None else g.values[v].shape[axis]

    single = any(v.type.dtype == "float32" for v in outputs)
    tolerance = 1e-6 if single else 1e-9
    whole = compare(outputs, inputs, values, Facts(inputs, oracle), rtol=tolerance, atol=tolerance)
    alone = Selection("merge").including(name, "constant_folding")
    fired = whole.fired(name) or compare(
        outputs, inputs, values, Facts(inputs, oracle), alone
    ).fired(name)
    assert fired, [f.rule for f in whole.firings]
