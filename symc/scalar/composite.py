"""Several scalar ops as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symc.dtypes import is_continuous
from symc.errors import user_message

from .derive import gradient
from .evaluate import evaluate
from .expr import Context, Expr, substitute, walk
from .formal import render, replay
from .op import ScalarOp, as_dtype, cast_expr

_LONGEST_NAME = 400


class Composite(ScalarOp):
    """A scalar op defined by expressions over its operands.

    Parameters
    ----------
    inputs : sequence of Expr, or of scalar variables
        Its operands: distinct ``arg`` leaves, whose dtypes are the operands' types.
    outputs : sequence of Expr, or of scalar variables
        Expressions over them, of the same context. Only a Composite with one output can be
        called in expressions; one with more describes a fused kernel. Scalar variables say by
        ``_as_expressions(inputs, outputs)`` what they are.

    Raises
    ------
    ValueError
        If an output depends on a leaf that is neither an input nor a constant.
    """

    def __init__(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        symbolic = [v for v in (*inputs, *outputs) if hasattr(v, "_as_expressions")]
        if symbolic:
            inputs, outputs = symbolic[0]._as_expressions(inputs, outputs)
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
            numpy=self.numpy_eval,
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

    def fingerprint_key(self) -> tuple[Any, ...]:
        """What identifies the op in every process."""
        return self._key

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

    def typed_call(self, ctx: Context, exprs: Sequence[Expr], out: str) -> Expr:
        """As for :class:`ScalarOp`; the types are settled by the Composite itself."""
        return self.typed_calls(ctx, exprs, [out])[0]

    def typed_calls(self, ctx: Context, exprs: Sequence[Expr], outs: Sequence[str]) -> list[Expr]:
        """All outputs as expressions of operands of any type, converted to the types `outs`."""
        self.check_arity(len(exprs))
        typed = [
            cast_expr(ctx, e, formal.dtype) for e, formal in zip(exprs, self.inputs, strict=True)
        ]
        results = self.inline(ctx, typed)
        return [cast_expr(ctx, e, dtype) for e, dtype in zip(results, outs, strict=True)]

    def out_dtype(self, *dtypes: str) -> Any:
        """Dtype of the output; a tuple if there are several."""
        found = tuple(o.dtype for o in self.outputs)
        return found if self.nout > 1 else found[0]

    def numpy_eval(self, *arrays: Any) -> Any:
        """Reference of the output; a tuple if there are several."""
        given = [np.asarray(a) for a in arrays]
        self.check_arity(len(given))
        with np.errstate(all="ignore"):
            values = [
                a.astype(x.dtype, copy=False) for a, x in zip(given, self.inputs, strict=True)
            ]
        results = evaluate(self.outputs, dict(zip(self.inputs, values, strict=True)))
        shape = np.broadcast_shapes(*(a.shape for a in given))
        full = tuple(r if r.shape == shape else np.broadcast_to(r, shape).copy() for r in results)
        return full if self.nout > 1 else full[0]

    def c_text(self, dtype: str, operands: Sequence[str]) -> str:
        """C text of the first output."""
        return render(self.outputs[0], operands, "c")

    def cuda_text(self, dtype: str, operands: Sequence[str]) -> str:
        """CUDA text of the first output."""
        return render(self.outputs[0], operands, "cuda")

    def grad_exprs(self, g: Any, y: Any, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Gradients with respect to the operands.

        Parameters
        ----------
        g, y : symbolic, or sequence of symbolic if there are several outputs
            What arrives at the outputs (``None``: nothing), and the outputs.
        xs : sequence of symbolic
        """
        arriving = list(g) if self.nout > 1 else [g]
        typed = [as_dtype(x, formal.dtype) for x, formal in zip(xs, self.inputs, strict=True)]
        typed += [
            None if a is None else as_dtype(a, o.dtype)
            for a, o in zip(arriving, self.outputs, strict=True)
        ]
        totals: list[Any] = [None] * len(xs)
        for number, output in enumerate(self.outputs):
            if arriving[number] is None or not is_continuous(output.dtype):
                continue
            seed = output.ctx.arg(len(xs) + number, output.dtype)
            for i, term in enumerate(gradient(output, self.inputs, seed)):
                if term is not None:
                    totals[i] = term if totals[i] is None else totals[i] + term
        found = iter(replay([t for t in totals if t is not None], typed))
        return tuple(
            None if t is None else as_dtype(next(found), x.dtype)
            for t, x in zip(totals, xs, strict=True)
        )


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
