"""Several scalar ops as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symc.errors import user_message

from .derive import gradient
from .evaluate import evaluate
from .expr import Context, Expr, substitute, walk
from .op import CASTS, ScalarOp, render, replay

_LONGEST_NAME = 400


class Composite(ScalarOp):
    """A scalar op defined by expressions over its operands.

    Parameters
    ----------
    inputs : sequence of Expr
        Its operands: distinct ``arg`` leaves, whose dtypes are the operands' types.
    outputs : sequence of Expr
        Expressions over them, of the same context. Only a Composite with one output can be
        called; one with more describes a fused kernel.

    Raises
    ------
    ValueError
        If an output depends on a leaf that is neither an input nor a constant.
    """

    def __init__(self, inputs: Sequence[Expr], outputs: Sequence[Expr]) -> None:
        ctx = Context()
        formal = [ctx.arg(i, x.dtype) for i, x in enumerate(inputs)]
        self.inputs = formal
        self.outputs = substitute(outputs, dict(zip(inputs, formal, strict=True)), ctx)
        known = set(formal)
        for node in walk(self.outputs):
            if not node.args and node.kind != "const" and node not in known:
                raise ValueError(
                    user_message(
                        "a Composite depends on something that is not among its inputs",
                        got=repr(node),
                        expected=", ".join(map(repr, inputs)) or "constants only",
                    )
                )
        self._key = _structure(self.inputs, self.outputs)
        dtypes = tuple(x.dtype for x in inputs)
        result = self.outputs[0].dtype
        super().__init__(
            f"Composite{{{_formula(self.outputs)}}}",
            len(formal),
            out=lambda given: (dtypes, result),
            numpy=self._evaluate,
            kinds="biufc",
            moves=True,
            cost=sum(n.op.cost for n in walk(self.outputs) if n.kind == "call"),
            needs=tuple(sorted({h for n in walk(self.outputs) if n.op for h in n.op.needs})),
            vector=all(n.op.vector for n in walk(self.outputs) if n.kind == "call"),
            doc="A composition of scalar ops.",
        )
        self.nout = len(self.outputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Composite) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> Any:
        return _rebuilt, (self._key,)

    def prepare(self, ctx: Context, args: tuple[Any, ...]) -> Expr:
        """Substitute the operands: a Composite never stays a node of an expression."""
        typed = super().prepare(ctx, args)
        assert isinstance(typed, tuple)
        return self.inline(ctx, typed)[0]

    def inline(self, ctx: Context, args: Sequence[Expr]) -> list[Expr]:
        """All outputs as expressions of `args`, which must have the operands' types."""
        return substitute(self.outputs, dict(zip(self.inputs, args, strict=True)), ctx)

    def numpy_outputs(self, *arrays: Any) -> list[np.ndarray[Any, Any]]:
        """Reference of all outputs."""
        return evaluate(self.outputs, dict(zip(self.inputs, arrays, strict=True)))

    def _evaluate(self, *arrays: Any) -> np.ndarray[Any, Any]:
        return self.numpy_outputs(*arrays)[0]

    def _text(self, templates: Any, target: str, dtype: str, operands: Sequence[str]) -> str:
        return render(self.outputs[0], operands, target)

    def _real_grads(self, g: Any, y: Any, xs: Sequence[Any]) -> tuple[Any, ...]:
        ctx = self.outputs[0].ctx
        arriving = ctx.arg(len(self.inputs), self.outputs[0].dtype)
        terms = gradient(self.outputs[0], self.inputs, arriving)
        typed = [
            x if x.dtype == formal.dtype else CASTS[formal.dtype](x)
            for x, formal in zip(xs, self.inputs, strict=True)
        ]
        values = iter(replay([t for t in terms if t is not None], (*typed, g)))
        return tuple(None if t is None else next(values) for t in terms)


def _structure(inputs: Sequence[Expr], outputs: Sequence[Expr]) -> tuple[Any, ...]:
    """A hashable description of expressions over ``arg`` leaves, from which they are rebuilt."""
    rows: list[tuple[Any, ...]] = []
    position: dict[Expr, int] = {}
    for node in walk([*inputs, *outputs]):
        position[node] = len(rows)
        if node.kind == "call":
            rows.append((node.op, node.dtype, *[position[a] for a in node.args]))
        else:
            value = node.payload.tobytes() if node.kind == "const" else node.payload
            rows.append((node.kind, node.dtype, value))
    return len(inputs), tuple(rows), tuple(position[o] for o in outputs)


def _rebuilt(structure: tuple[Any, ...]) -> Composite:
    count, rows, roots = structure
    ctx = Context()
    nodes: list[Expr] = []
    for head, dtype, *rest in rows:
        if head == "arg":
            nodes.append(ctx.arg(rest[0], dtype))
        elif head == "const":
            nodes.append(ctx.const(np.frombuffer(rest[0], dtype)[0], dtype))
        else:
            args = tuple(nodes[i] for i in rest)
            key = ("call", head, dtype, *[a.number for a in args])
            nodes.append(ctx._intern("call", dtype, head, args, None, key))
    inputs = sorted((n for n in nodes if n.kind == "arg"), key=lambda n: n.payload)
    return Composite(inputs[:count], [nodes[i] for i in roots])


_INFIX = {
    "add": " + ",
    "sub": " - ",
    "mul": " * ",
    "true_div": " / ",
    "int_div": " // ",
    "mod": " % ",
    "pow": " ** ",
    "lt": " < ",
    "le": " <= ",
    "gt": " > ",
    "ge": " >= ",
    "and_": " & ",
    "or_": " | ",
    "xor": " ^ ",
}


def _formula(outputs: Sequence[Expr]) -> str:
    """A readable formula over i0, i1, ...; long ones are cut."""
    texts: dict[Expr, str] = {}
    for node in walk(outputs):
        if node.kind == "arg":
            text = f"i{node.payload}"
        elif node.kind == "const":
            text = f"{node.payload}"
        else:
            parts = [texts[a] for a in node.args]
            infix = _INFIX.get(node.op.name)
            text = f"({infix.join(parts)})" if infix else f"{node.op.name}({', '.join(parts)})"
        texts[node] = text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."
    return ", ".join(texts[o] for o in outputs)
