"""What a compiled function tells about itself: explain, debugprint, pp, fgraph."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import Apply, Op, function, shared
from symc.runtime import native_available
from symc.tensor.elemwise import Elemwise

HERE = Path(__file__).name
needs_compiler = pytest.mark.skipif(not native_available(), reason="no compiled code here")


class Opaque(Op):
    __props__ = ()

    def make_node(self, x: object) -> Apply:
        return Apply(self, [x], [x.type()])

    def perform(self, node: object, inputs: list, output_storage: list) -> None:
        output_storage[0][0] = inputs[0] * 2


def test_explain_names_rule_phase_op_and_line() -> None:
    x = T.dscalar("x")
    f = function([x], T.log(1 + x) + 0)
    summary, ordered = symc.explain(f, details=True).split("\nin order:\n")
    (line,) = [text for text in ordered.splitlines() if "log_of_one_plus" in text]
    assert line.startswith("stable: log_of_one_plus on Elemwise{log}")
    assert f"{HERE}:" in line
    assert summary.rstrip() == symc.explain(f)
    assert "stable: log_of_one_plus x1" in summary.splitlines()


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "NUMPY"])
def test_explain_begins_with_a_count_in_every_mode(mode: str) -> None:
    x = T.dscalar("x")
    first = symc.explain(function([x], x, mode=mode, name="same"), details=True).splitlines()[0]
    assert first.startswith("function same: 0 rewrite(s) by 0 rule(s)")
    with pytest.raises(TypeError, match="explain tells about compiled functions"):
        symc.explain(x)


@needs_compiler
def test_debugprint_shows_order_kernels_types_and_memory() -> None:
    x = T.dmatrix("x")
    w = shared(np.zeros(3), name="w")
    y = T.exp(x) * 2 + T.dot(x, x.T).sum(axis=0)[0]
    f = function([x], [y, Opaque()(y)], updates=[(w, w * 0.5 + 1)])
    text = symc.debugprint(f, file="str", print_type=True)
    nodes = f.maker.fgraph.toposort()
    for k in range(len(nodes)):
        assert any(line.rstrip().endswith(f" {k}") or f" {k} " in line for line in
                   text.splitlines()), f"position {k} is missing:\n{text}"
    assert "Opaque" in text
    assert "Composite" in text or "FusedKernel" in text
    assert "<TensorType(float64, matrix)>" in text
    assert "updates w in place" in text
    assert "|x [id" in text


@needs_compiler
def test_notes_about_memory_name_steps_by_their_ids() -> None:
    x = T.dmatrix("x")
    v = T.tanh(T.dot(x, shared(np.eye(3), name="v")))
    f = function([x], T.exp(T.dot(v, v.T)) + 1)
    text = symc.debugprint(f, file="str")
    notes = re.findall(r"\[id (\w+)\].*writes over (.*)", text)
    assert notes
    for own, over in notes:
        (number,) = re.fullmatch(r"\[id (\w+)\]", over).groups()  # type: ignore[union-attr]
        assert number != own
        (line,) = [line for line in text.splitlines() if f" [id {number}] " in line][:1]
        assert line.split("[id")[0].strip(" |") == "dot"
    assert "[id" not in symc.debugprint(f, file="str", ids="")


def test_debugprint_of_functions_on_the_numpy_path() -> None:
    x = T.dscalar("x")
    f = function([x], T.exp(x) * 2, mode="NUMPY")
    text = symc.debugprint(f, file="str")
    assert text.splitlines()[0].startswith("Elemwise{mul}")
    assert text.splitlines()[0].rstrip().endswith("1")
    assert "Elemwise{exp}" in text


def test_formulas_of_functions() -> None:
    x = T.dscalar("x")
    f = function([x], T.exp(x) * 2, mode="NUMPY")
    assert symc.pp(f.maker.fgraph.outputs[0]) in (
        "(exp(x) * TensorConstant{2.0})",
        "(TensorConstant{2.0} * exp(x))",
    )


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_the_compiled_graph(mode: str) -> None:
    x, y = T.dvectors("x", "y")
    w = shared(np.zeros(2), name="w")
    f = function([x, y], [x + y, Opaque()(x)], updates=[(w, w + 1)], mode=mode)
    graph = f.maker.fgraph
    assert [v.name for v in graph.inputs][:2] == ["x", "y"]
    assert len(graph.outputs) == 3
    order = graph.toposort()
    assert sum(isinstance(n.op, Opaque) for n in order) == 1
    made = set()
    for node in order:
        assert all(v.owner is None or v.owner in made for v in node.inputs)
        made.add(node)
    assert [i.name for i in f.maker.inputs] == ["x", "y"]
    assert len(f.maker.outputs) == 2


@needs_compiler
def test_one_kernel_is_one_composite_and_gives_the_users_numbers() -> None:
    x, y = T.dvectors("x", "y")
    z = T.exp(x) * y + T.sin(y)
    graph = function([x, y], z).maker.fgraph
    (node,) = graph.toposort()
    assert isinstance(node.op, Elemwise)
    assert type(node.op.scalar_op).__name__ == "Composite"
    values = {v: np.array([0.5, 1.5]) * k for k, v in enumerate(graph.inputs, 1)}
    got = node.op.scalar_op.numpy_eval(*(values[v] for v in node.inputs))
    got = got[0] if isinstance(got, (tuple, list)) else got
    a, b = (values[v] for v in graph.inputs)
    np.testing.assert_allclose(got, np.exp(a) * b + np.sin(b))


@needs_compiler
def test_memory_of_dying_operands_is_shown_as_destroyed() -> None:
    x = T.dmatrix("x")
    f = function([x], T.exp(T.dot(x, x) + 1).sum(axis=0) + T.dot(x, x)[0])
    text = symc.debugprint(f, file="str", print_destroy_map=True)
    assert "id" in text
    for node in f.maker.fgraph.toposort():
        for output, inputs in getattr(node.op, "destroy_map", {}).items():
            assert 0 <= output < len(node.outputs)
            assert all(0 <= i < len(node.inputs) for i in inputs)
