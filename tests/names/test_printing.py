"""`symc.printing`: drawings, descriptions, printers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import printing
from symc.graph.node import Variable


def model() -> tuple[list[Variable], Variable]:
    x, y = T.vector("x"), T.vector("y")
    total = x + y
    total.name = "total"
    return [x, y], T.exp(total) * y + total


def test_dot_source() -> None:
    _, out = model()
    text = printing.dot_source(out)
    assert text.startswith("digraph {")
    labels = re.findall(r'label="([^"]*)", shape=ellipse', text)
    assert sorted(labels) == sorted(
        ["Elemwise{add}", "Elemwise{exp}", "Elemwise{mul}", "Elemwise{add}"]
    )
    assert text.count("name=total") == 1
    assert "name=x" in text
    edges = text.count(" -> ")
    assert edges == 2 + 1 + 1 + 2 + 2 + 1, "operands, the named result, the output"
    full = printing.dot_source(out, compact=False)
    assert full.count("shape=box") > text.count("shape=box")
    assert "0: Elemwise" in printing.dot_source(out, with_ids=True)
    assert 'color="red"' in printing.dot_source(out, high_contrast=False, colorCodes={"exp": "red"})
    assert 'label="total"' in printing.dot_source(out, var_with_name_simple=True)
    assert (
        max(map(len, re.findall(r'label="([^"]*)"', printing.dot_source(out, max_label_size=9))))
        == 9
    )


def test_a_deep_graph_is_drawn() -> None:
    x = T.scalar("x")
    y = x
    for _ in range(20_000):
        y = T.sin(y)
    assert printing.dot_source(y).count("ellipse") == 20_000


def test_a_compiled_function_is_drawn_into_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs, out = model()
    f = symc.function(inputs, out)
    printing.pydotprint(f, tmp_path / "graph", format="dot")
    text = (tmp_path / "graph.dot").read_text()
    assert text.count("ellipse") == len(f.maker.fgraph.toposort())
    assert "graph.dot" in capsys.readouterr().out
    assert printing.pydotprint(f, format="dot", return_image=True) == text.encode()
    if shutil.which("dot") is None:
        with pytest.raises(RuntimeError, match="Graphviz"):
            printing.pydotprint(f, tmp_path / "graph.png")


def test_inner_graphs_are_drawn(tmp_path: Path) -> None:
    x = T.vector("x")
    total, _ = symc.scan(lambda v, s: T.tanh(s + v), sequences=[x], outputs_info=[T.zeros(())])
    printing.pydotprint(total, tmp_path / "loop.dot", format="dot", scan_graphs=True)
    assert "tanh" in (tmp_path / "loop_0.dot").read_text()
    assert "tanh" not in (tmp_path / "loop.dot").read_text()


def test_min_informative_str() -> None:
    a, b, d = T.matrices("abd")
    c = a + b
    c.name = "C"
    shared = d * d
    assert printing.min_informative_str(c + shared - shared) == "\n".join(
        [
            "A. Elemwise{sub}",
            " B. Elemwise{add}",
            "  C. C",
            "  D. Elemwise{mul}",
            "   E. d",
            "   <E>",
            " <D>",
        ]
    )


def test_descriptions_do_not_depend_on_addresses() -> None:
    a = np.arange(6.0).reshape(2, 3)
    assert printing.var_descriptor([a, 1]) == printing.var_descriptor([a.copy(), 1])
    assert printing.var_descriptor({"k": a}) != printing.var_descriptor({"k": a + 1})
    assert printing.hex_digest(a) != printing.hex_digest(np.asfortranarray(a))
    x = T.vector("x")
    assert (
        printing.position_independent_str(x) == "TensorVariable(type=TensorType(float64, vector))"
    )
    assert printing.var_descriptor(x) == printing.position_independent_str(T.vector())
    with pytest.raises(TypeError, match="variables"):
        printing.position_independent_str(3)  # type: ignore[arg-type]


def test_names_that_programs_import() -> None:
    x = T.vector("x")
    assert printing.debugprint(x + 1, file="str").startswith("Elemwise{add}")
    assert printing.pp(x + 1) == symc.pp(x + 1)
    assert printing.Print("m").message == "m"
    printer = printing.PPrinter()
    printer.assign(T.exp, printing.FunctionPrinter("e"))
    assert printer.process(T.exp(x)) == "e(x)"
    assert "left" in printing.VALID_ASSOC
    assert printing.leaf_printer.process(x) == "x"
    assert isinstance(printing.default_printer, printing.DefaultPrinter)
    assert printing.pydot_imported == (printing.pydot_imported_msg == "")
