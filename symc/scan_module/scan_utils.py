"""Helpers for graphs and loops, under Theano's module name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array.type import TensorType
from ..compile.shapes import infer_shapes
from ..graph.graph import clone_get_equiv, clone_replace, equal_computations, rebuild
from ..graph.node import Constant, SharedVariable, Variable
from ..graph.walk import toposort
from ..lazy import late_names
from ..ops.alloc import zeros
from ..ops.join import join
from ..ops.scan.op import Scan, ScanInfo
from .returned import until

__all__ = [
    "clone",
    "equal_computations",
    "expand_empty",
    "forced_replace",
    "infer_shape",
    "isNaN_or_Inf_or_None",
    "map_variables",
    "reconstruct_graph",
    "safe_new",
    "scan_args",
    "until",
]

clone = clone_replace

ABSENT: dict[str, str] = {
    "Validator": "scan finds what its function uses by itself; `strict=True` refuses what is not "
    "handed to it",
    "compress_outs": "loops are taken apart and put together by symc.ops.scan.parts.LoopParts",
    "scan_can_remove_outs": "what nobody needs leaves a loop when it is compiled",
    "traverse": "graphs are not moved to a device; use map_variables",
}
"""Names of Theano's that have no counterpart, and what to use."""

__getattr__ = late_names(__name__, {}, ABSENT)


def infer_shape(
    outs: Sequence[Variable],
    inputs: Sequence[Variable],
    input_shapes: Sequence[Sequence[Any] | None],
) -> list[tuple[Any, ...] | None]:
    """Return the shapes of the outputs of a graph, from those of its inputs.

    Parameters
    ----------
    outs, inputs : sequence of Variable
    input_shapes : sequence
        Per input a tuple of lengths, or None.
    """
    return infer_shapes(outs, inputs, input_shapes)


def map_variables(
    replacer: Callable[[Variable, Variable], Any],
    graphs: Sequence[Variable],
    additional_inputs: Sequence[Variable] = (),
) -> list[Variable]:
    """Rebuild graphs, and let a function replace variables, operands first.

    Parameters
    ----------
    replacer : callable
        ``replacer(variable, graph)``, where `graph` is the same as `variable`, returns what takes
        the variable's place. It is asked about every variable once, those that it has returned
        excepted. Graphs inside of loops are rebuilt too; there, what the replacement needs from
        outside must be among the loop's own operands.
    graphs : sequence of Variable
    additional_inputs : sequence of Variable, optional
        Accepted as in Theano.

    Returns
    -------
    list of Variable

    Raises
    ------
    ValueError
        If a replacement in a loop needs something that the loop does not have.
    """
    del additional_inputs
    new: dict[Variable, Variable] = {}

    def replaced(old: Variable, current: Variable) -> Variable:
        made = replacer(current, current)
        new[old] = current if made is None else made
        return new[old]

    for node in toposort(graphs):
        inputs = [new[v] if v in new else replaced(v, v) for v in node.inputs]
        made = node.clone_with_new_inputs(inputs) if inputs != node.inputs else node
        if isinstance(node.op, Scan):
            inner = map_variables(replacer, node.op.outputs)
            _check_closed(node.op, inner)
            if any(a is not b for a, b in zip(inner, node.op.outputs, strict=True)):
                made = node.op.rebuilt(inner).make_node(*inputs)
        for old, current in zip(node.outputs, made.outputs, strict=True):
            replaced(old, current)
    return [new[v] if v in new else replaced(v, v) for v in graphs]


def _check_closed(op: Scan, outputs: Sequence[Variable]) -> None:
    given = set(op.inputs)
    for node in toposort(outputs, given):
        for v in node.inputs:
            if v.owner is None and v not in given and not isinstance(v, Constant):
                raise ValueError(
                    f"a replacement in {op} needs {v}, which is no operand of the loop; hand it "
                    "to the loop as a non-sequence"
                )


def expand_empty(tensor_var: Any, size: Any) -> Any:
    """Return a tensor with `size` more rows behind its own; their values mean nothing."""
    if isinstance(size, int) and size == 0:
        return tensor_var
    shape = [size, *(tensor_var.shape[i] for i in range(1, tensor_var.type.ndim))]
    return join(0, tensor_var, zeros(shape, dtype=tensor_var.type.dtype))


def forced_replace(out: Any, x: Any, y: Variable) -> Any:
    """Return `out` with every variable that computes the same as `x` replaced by `y`.

    Parameters
    ----------
    out : Variable or None
    x : Variable or list of Variable
    y : Variable
    """
    if out is None:
        return None
    wanted = x if isinstance(x, (list, tuple)) else [x]
    pairs = {}
    for variable in (o for node in toposort([out]) for o in (*node.inputs, *node.outputs)):
        if any(equal_computations([variable], [w]) for w in wanted):
            pairs[variable] = y
    return rebuild([out], pairs, strict=False)[0]


def reconstruct_graph(
    inputs: Sequence[Variable], outputs: Sequence[Variable], tag: str | None = None
) -> tuple[list[Variable], list[Variable]]:
    """Return a copy of a graph on new inputs.

    Parameters
    ----------
    inputs, outputs : sequence of Variable
    tag : str, optional
        Added to the names of the inputs.
    """
    fresh = [safe_new(v, tag or "") for v in inputs]
    memo: dict[Any, Any] = dict(zip(inputs, fresh, strict=True))
    copies = clone_get_equiv(inputs, outputs, copy_orphans=False, memo=memo)
    return fresh, [copies[v] for v in outputs]


def safe_new(x: Any, tag: str = "", dtype: str | None = None) -> Any:
    """Return a new variable of the type of `x`, with its name and `tag`; constants are copied.

    Parameters
    ----------
    x : Variable
    tag : str, optional
    dtype : str, optional
        Another dtype.
    """
    name = f"{x.name}{tag}" if getattr(x, "name", None) else None
    if isinstance(x, Constant):
        other = dtype is not None and dtype != x.type.dtype
        made: Any = x.astype(dtype) if other else x.clone()  # type: ignore[attr-defined]
        made.name = name
        return made
    type_ = x.type
    if dtype is not None and isinstance(type_, TensorType):
        type_ = type_.clone(dtype=dtype)
    return type_(name)


def isNaN_or_Inf_or_None(x: Any) -> bool:
    """Tell whether a value is None, NaN or infinite; a variable is so if its constant is."""
    if x is None:
        return True
    if isinstance(x, SharedVariable):
        return False
    if isinstance(x, Variable):
        if not isinstance(x, Constant):
            return False
        x = x.data
    array = np.asarray(x)
    return array.dtype.kind in "fc" and array.size == 1 and not bool(np.isfinite(array).all())


@dataclass
class scan_args:  # noqa: N801 - Theano's name
    """The operands of a loop by kind.

    Parameters
    ----------
    outer_inputs, outer_outputs : list of Variable
        Of the node.
    _inner_inputs, _inner_outputs : list of Variable
        Of the op.
    info : ScanInfo

    Attributes
    ----------
    n_steps : Variable
    outer_in_seqs, inner_in_seqs, outer_in_mit_sot, ... : list of Variable
        As in `symc.ops.scan.accessors`, with Theano's names.
    """

    outer_inputs: list[Any]
    outer_outputs: list[Any]
    _inner_inputs: list[Any]
    _inner_outputs: list[Any]
    info: ScanInfo

    def __post_init__(self) -> None:
        op = Scan(self._inner_inputs, self._inner_outputs, self.info)
        self.n_steps = self.outer_inputs[0]
        for kind, name in (
            *(("seqs", "seqs"), ("mit_mot", "mitmot"), ("mit_sot", "mitsot")),
            *(("sit_sot", "sitsot"), ("shared", "shared"), ("non_seqs", "non_seqs")),
        ):
            setattr(self, f"outer_in_{kind}", getattr(op, f"outer_{name}")(self.outer_inputs))
            setattr(self, f"inner_in_{kind}", getattr(op, f"inner_{name}")(self._inner_inputs))
        self.outer_in_nit_sot = op.outer_nitsot(self.outer_inputs)
        for kind in ("mit_mot", "mit_sot", "sit_sot", "nit_sot", "shared"):
            name = kind.replace("_", "")
            outer, inner = f"outer_{name}_outs", f"inner_{name}_outs"
            setattr(self, f"outer_out_{kind}", getattr(op, outer)(self.outer_outputs))
            setattr(self, f"inner_out_{kind}", getattr(op, inner)(self._inner_outputs))
        self.cond = [self._inner_outputs[-1]] if self.info.until else []
