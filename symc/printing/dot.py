"""Drawings of graphs in Graphviz's language, and by its program ``dot`` where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import config
from ..graph.node import Apply, Constant, SharedVariable, Variable
from ..graph.text import described
from ..graph.walk import toposort

__all__ = ["default_colorCodes", "dot_source", "pydot_imported", "pydot_imported_msg", "pydotprint"]

default_colorCodes = {  # noqa: N816 - Theano's name
    "Scan": "yellow",
    "Split": "cyan",
    "Join": "cyan",
    "AdvancedSubtensor": "cyan",
    "AdvancedIncSubtensor1": "orange",
    "IncSubtensor": "orange",
    "Shape": "cyan",
    "IfElse": "magenta",
    "Elemwise": "#FFAABB",
    "Sum": "#FFAABB",
}
"""Fill colours of applications, by a part of the name of their op."""

pydot_imported = shutil.which("dot") is not None
"""Whether drawings can be made; texts in Graphviz's language always can."""

pydot_imported_msg = "" if pydot_imported else "the program 'dot' (of Graphviz) is not installed"

_TEXT_FORMATS = ("dot", "gv", "raw")


def dot_source(
    obj: Any,
    *,
    compact: bool = True,
    with_ids: bool = False,
    high_contrast: bool = True,
    colorCodes: Mapping[str, str] | None = None,
    max_label_size: int = 70,
    var_with_name_simple: bool = False,
) -> str:
    """Return a graph in Graphviz's language.

    Parameters
    ----------
    obj : compiled function, Graph, variable, application, or list of them
    compact : bool
        Leave out variables between two applications that have no name.
    with_ids : bool
        Number the applications in the order of execution.
    high_contrast : bool
        Fill shapes with colour instead of drawing coloured borders.
    colorCodes : mapping, optional
        As `default_colorCodes`.
    max_label_size : int
        Longer labels are cut.
    var_with_name_simple : bool
        Label named variables by their name alone, without the type.
    """
    writer = _Writer(
        compact,
        with_ids,
        high_contrast,
        default_colorCodes if colorCodes is None else colorCodes,
        max_label_size,
        var_with_name_simple,
    )
    for info in described(obj):
        outputs = list(info.outputs)
        order = list(info.order) if info.order else toposort(outputs)
        writer.add(outputs, order)
    return writer.text()


class _Writer:
    """Collects the lines of a drawing."""

    def __init__(
        self,
        compact: bool,
        with_ids: bool,
        high_contrast: bool,
        colors: Mapping[str, str],
        max_label_size: int,
        short_names: bool,
    ) -> None:
        self.compact = compact
        self.with_ids = with_ids
        self.style = "filled" if high_contrast else "solid"
        self.paint = "fillcolor" if high_contrast else "color"
        self.colors = colors
        self.max_label_size = max_label_size
        self.short_names = short_names
        self.lines: list[str] = []
        self.names: dict[Any, str] = {}

    def text(self) -> str:
        """The whole drawing."""
        return "digraph {\n" + "".join(f"  {line}\n" for line in self.lines) + "}\n"

    def add(self, outputs: list[Variable], order: list[Apply]) -> None:
        """Draw a graph."""
        for number, node in enumerate(order):
            label = f"{number}: {node.op}" if self.with_ids else str(node.op)
            self._shape(node, label, "ellipse", self._color(node))
        for node in order:
            for place, v in enumerate(node.inputs):
                label = str(place) if len(node.inputs) > 1 else ""
                self._edge(self._source(v), self.names[node], label)
        for v in outputs:
            source = self._source(v)
            if v.owner is not None and self.names.get(v) is None:
                self._variable(v, "#2E8B57")
                self._edge(source, self.names[v], "")

    def _source(self, v: Variable) -> str:
        """The name of the shape that an edge from `v` starts at."""
        if v.owner is None:
            if v not in self.names:
                plain = "#FFD39B" if isinstance(v, Constant) else "#32CD32"
                self._variable(v, "#BEBEBE" if isinstance(v, SharedVariable) else plain)
            return self.names[v]
        if self.compact and v.name is None:
            return self.names[v.owner]
        if v not in self.names:
            self._variable(v, "white")
            self._edge(self.names[v.owner], self.names[v], "")
        return self.names[v]

    def _variable(self, v: Variable, color: str) -> None:
        if v.name is not None:
            label = v.name if self.short_names else f"name={v.name} {v.type}"
        else:
            label = f"val={v} {v.type}" if isinstance(v, Constant) else str(v.type)
        self._shape(v, label, "box", color)

    def _color(self, node: Apply) -> str:
        name = str(node.op)
        return next((color for part, color in self.colors.items() if part in name), "white")

    def _shape(self, obj: Any, label: str, shape: str, color: str) -> None:
        if obj not in self.names:
            self.names[obj] = f"n{len(self.names)}"
            paint = f'style={self.style}, {self.paint}="{color}"'
            text = self._quoted(label)
            self.lines.append(f"{self.names[obj]} [label={text}, shape={shape}, {paint}];")

    def _edge(self, source: str, target: str, label: str) -> None:
        suffix = f" [label={self._quoted(label)}]" if label else ""
        self.lines.append(f"{source} -> {target}{suffix};")

    def _quoted(self, label: str) -> str:
        if len(label) > self.max_label_size:
            label = label[: self.max_label_size - 3] + "..."
        escaped = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'


def pydotprint(
    fct: Any,
    outfile: str | os.PathLike[str] | None = None,
    compact: bool = True,
    format: str = "png",
    with_ids: bool = False,
    high_contrast: bool = True,
    cond_highlight: Any = None,
    colorCodes: Mapping[str, str] | None = None,
    max_label_size: int = 70,
    scan_graphs: bool = False,
    var_with_name_simple: bool = False,
    print_output_file: bool = True,
    return_image: bool = False,
) -> bytes | None:
    """Draw a graph into a file.

    Parameters
    ----------
    fct : compiled function, Graph, variable, application, or list of them
    outfile : path, optional
        By default ``symc.pydotprint.<format>`` in the folder of compiled code.
    compact, with_ids, high_contrast, colorCodes, max_label_size, var_with_name_simple
        As for `dot_source`.
    format : str
        ``"dot"`` writes Graphviz's language; others (``"png"``, ``"svg"``, ``"pdf"``) need its
        program ``dot``.
    cond_highlight : object
        Accepted and ignored.
    scan_graphs : bool
        Whether to draw the graphs inside loops too, into files ``<name>_<number>.<format>``.
    print_output_file : bool
        Whether to print the name of the file.
    return_image : bool
        Return the drawing instead of writing it.

    Returns
    -------
    bytes or None

    Raises
    ------
    RuntimeError
        If the format needs Graphviz and it is not installed.
    """
    options: dict[str, Any] = {
        "compact": compact,
        "with_ids": with_ids,
        "high_contrast": high_contrast,
        "colorCodes": colorCodes,
        "max_label_size": max_label_size,
        "var_with_name_simple": var_with_name_simple,
    }
    image = _rendered(dot_source(fct, **options), format)
    if return_image:
        return image
    path = Path(outfile or Path(config.compiledir) / f"symc.pydotprint.{format}")
    path = path if path.suffix == f".{format}" else Path(f"{path}.{format}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image)
    if print_output_file:
        print(f"The output file is available at {path}")
    for number, inner in enumerate(_inner_graphs(fct) if scan_graphs else []):
        image = _rendered(dot_source(inner, **options), format)
        path.with_name(f"{path.stem}_{number}.{format}").write_bytes(image)
    return None


def _inner_graphs(obj: Any) -> list[Any]:
    nodes: list[Apply] = []
    for info in described(obj):
        nodes += info.order or toposort(info.outputs)
    found = [getattr(node.op, "inner_graph", None) for node in nodes]
    return [graph for graph in found if graph is not None]


def _rendered(source: str, format: str) -> bytes:
    if format in _TEXT_FORMATS:
        return source.encode()
    program = shutil.which("dot")
    if program is None:
        raise RuntimeError(
            f"drawing a graph as {format} needs the program 'dot' of Graphviz, which is not "
            "installed; pydotprint(..., format='dot') writes a text that other tools can draw"
        )
    command = [program, f"-T{format}"]
    done = subprocess.run(command, input=source.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.decode(errors='replace')}")
    return done.stdout
