"""Kernels, nests and programs as text, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..scalar.expr import Expr, walk
from . import ir
from .kernel import Kernel, Store
from .program import (
    Buffer,
    CheckStep,
    CopyStep,
    ForeignStep,
    KernelStep,
    LoopStep,
    Program,
    RepeatStep,
    ReshapeViewStep,
    RoutineStep,
    ScalarBuffer,
    Step,
    ViewStep,
    numbered,
)

MAX_WIDTH = 400
"""Longer expressions are cut."""

_INFIX = {
    **{"add": "+", "sub": "-", "mul": "*", "true_div": "/", "int_div": "//", "mod": "%"},
    **{"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "neq": "!="},
    **{"and_": "&", "or_": "|", "xor": "^", "size_div": "/"},
}


def format_expr(root: Expr) -> str:
    """An expression in infix notation, cut after `MAX_WIDTH` characters."""
    texts: dict[Expr, str] = {}
    for node in walk([root]):
        args = [texts[a] for a in node.args]
        if node.kind == "load":
            args = [_opened(a, t) for a, t in zip(node.args, args, strict=True)]
        texts[node] = _shortened(_node(node, args))
    return _opened(root, texts[root])


def _opened(node: Expr, text: str) -> str:
    """`text` without the parentheses of its outermost operator."""
    return text[1:-1] if node.kind == "call" and node.op.name in _INFIX else text


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 4] + " ..."


def _node(node: Expr, args: Sequence[str]) -> str:
    if node.kind == "const":
        return str(node.payload)
    if node.kind == "call":
        symbol = _INFIX.get(node.op.name)
        return f"({f' {symbol} '.join(args)})" if symbol else f"{node.op.name}({', '.join(args)})"
    if node.kind == "load":
        return f"{node.payload}[{', '.join(args)}]"
    if node.kind == "size":
        return _size(node.payload)
    return str(node.payload)


def _size(payload: object) -> str:
    if not isinstance(payload, tuple):
        return str(payload)
    kind, name, *rest = payload
    owner = f"%{name}" if isinstance(name, int) else str(name)
    if kind == "dim":
        return f"dim({owner}, {rest[0]})"
    if kind == "stride":
        return f"stride({owner}, {rest[0]})"
    return f"value({owner})" if kind == "val" else owner


# ---------------------------------------------------------------------------------------------
# Kernels
# ---------------------------------------------------------------------------------------------


def format_kernel(kernel: Kernel) -> str:
    """A kernel: operands, axes and stages."""
    operands = ", ".join(f"{o.key}: {o.dtype}[{o.ndim}] {o.access}" for o in kernel.operands)
    axes = ", ".join(f"{a.role} {a.key} < {format_expr(a.extent)}" for a in kernel.axes)
    lines = [f"kernel({operands})", f"  for {axes or 'one point'}:"]
    for index, length, tag in kernel.index_checks:
        lines.append(f"    check {format_expr(index)} within {format_expr(length)}  # {tag}")
    for number, stage in enumerate(kernel.stages):
        lines.append(f"    stage {number} ({stage.level}):")
        for r in stage.reductions:
            name = r.arg or r.op.name
            lines.append(
                f"      {r.key} = {name} of {format_expr(r.value)}  # {r.acc_dtype} -> {r.dtype}"
            )
        lines += [f"      {key} = {format_expr(value)}" for key, value in stage.keep]
        lines += [f"      {_store(s)}" for s in stage.stores]
    return "\n".join(lines)


def _store(store: Store | ir.AtomicAdd, symbol: str = "=") -> str:
    index = ", ".join(format_expr(i) for i in store.index)
    return f"{store.operand}[{index}] {symbol} {format_expr(store.value)}"


# ---------------------------------------------------------------------------------------------
# Nests
# ---------------------------------------------------------------------------------------------


def format_nest(nest: ir.Nest) -> str:
    """A nest, statement by statement."""
    operands = [f"{o.key}: {o.dtype}[{o.ndim}] {o.access}" for o in nest.operands]
    sizes = [f"{name} = {format_expr(value)}" for name, value in nest.sizes]
    lines = [f"nest({', '.join(operands + sizes)})"]
    stack: list[tuple[ir.Stmt | str, int]] = [(s, 1) for s in reversed(nest.body)]
    while stack:
        stmt, depth = stack.pop()
        lines.append("  " * depth + (stmt if isinstance(stmt, str) else _statement(stmt)))
        if isinstance(stmt, str):
            continue
        for number, block in reversed(list(enumerate(ir.blocks(stmt)))):
            stack.extend((s, depth + 1) for s in reversed(block))
            if number and block:
                stack.append(("else:", depth))
    return "\n".join(lines)


def _statement(stmt: ir.Stmt) -> str:
    if isinstance(stmt, ir.Let):
        return f"let {stmt.key} = {format_expr(stmt.value)}"
    if isinstance(stmt, ir.Var):
        return f"var {stmt.key} = {format_expr(stmt.value)}"
    if isinstance(stmt, ir.Assign):
        return f"{stmt.key} := {format_expr(stmt.value)}"
    if isinstance(stmt, ir.Array):
        length = format_expr(stmt.length) if isinstance(stmt.length, Expr) else str(stmt.length)
        fill = "" if stmt.fill is None else f" = {format_expr(stmt.fill)}"
        return f"array {stmt.key}: {stmt.dtype}[{length}]{fill}"
    if isinstance(stmt, Store):
        return _store(stmt)
    if isinstance(stmt, ir.AtomicAdd):
        return _store(stmt, "+= (atomic)")
    if isinstance(stmt, ir.Stream):
        index, count = format_expr(stmt.index), format_expr(stmt.count)
        return f"stream {stmt.array}[:{count}] to {stmt.operand}[{index}:]"
    if isinstance(stmt, ir.Prefetch):
        index, count = format_expr(stmt.index), format_expr(stmt.count)
        return f"prefetch {count} of {stmt.operand}[{index}:]"
    if isinstance(stmt, ir.Run):
        return f"{stmt.array}[:{format_expr(stmt.count)}] = run of {format_expr(stmt.value)}"
    if isinstance(stmt, ir.Apply):
        source = "" if stmt.source is None else f" from {format_expr(stmt.source)} on"
        twin = "" if stmt.twin is None else f" and its twin to {stmt.twin}"
        return f"{stmt.array}[:{format_expr(stmt.count)}] by {stmt.op.name}{twin}{source}"
    if isinstance(stmt, ir.For):
        step = f" step {stmt.step}" if stmt.step != 1 else ""
        span = f"{format_expr(stmt.start)} .. {format_expr(stmt.stop)}"
        return f"{stmt.kind} for {stmt.key} in {span}{step}:"
    if isinstance(stmt, ir.While):
        return f"while {format_expr(stmt.condition)}:"
    if isinstance(stmt, ir.If):
        return f"if {format_expr(stmt.condition)}:"
    if isinstance(stmt, ir.CheckIndex):
        return f"check {format_expr(stmt.index)} within {format_expr(stmt.length)}  # {stmt.tag}"
    return f"fail {stmt.reason} if {format_expr(stmt.condition)}"


# ---------------------------------------------------------------------------------------------
# Programs
# ---------------------------------------------------------------------------------------------


def format_program(program: Program, kernels: bool = True) -> str:
    """A program: guards, checks, then its steps with the buffers that they touch.

    Parameters
    ----------
    program : Program
    kernels : bool
        Whether the insides of kernels and nests are shown.
    """
    lines = [f"guard {format_expr(g.condition)}" for g in program.guards]
    lines += [f"check {format_expr(c.condition)}: {c.message}" for c in program.checks]
    for number, step in numbered(program.steps):
        mark = " !" if step.fallible else ""
        lines.append(f"{number}{mark} {_step(program, step)}")
        inside = None
        if kernels and isinstance(step, KernelStep):
            inside = format_kernel(step.kernel)
        elif kernels and isinstance(step, LoopStep):
            inside = format_nest(step.nest)
        if inside is not None:
            lines += [f"    {line}" for line in inside.splitlines()]
    lines.append(f"return {_names(program, program.outputs)}")
    for position, buffer in program.updates:
        lines.append(f"update container {position} = {_names(program, [buffer])}")
    return "\n".join(lines)


def _buffer(buffer: Buffer) -> str:
    shape = ", ".join(format_expr(n) for n in buffer.shape)
    place = f" slot {buffer.slot}" if buffer.slot is not None else ""
    over = f" over %{buffer.alias_of}" if buffer.alias_of is not None else ""
    return f"%{buffer.id} {buffer.kind} {buffer.dtype}({shape}){place}{over}"


def _names(program: Program, ids: Iterable[int]) -> str:
    return ", ".join(_buffer(program.buffers[b]) for b in ids) or "nothing"


def _step(program: Program, step: Step) -> str:
    targets = _names(program, step.writes())
    sources = ", ".join(f"%{b}" for b in step.reads())
    if isinstance(step, (KernelStep, LoopStep)):
        pairs = ", ".join(f"{key}=%{b}" for key, b in step.bind.items())
        return f"{targets} <- {'kernel' if isinstance(step, KernelStep) else 'nest'}({pairs})"
    if isinstance(step, RoutineStep):
        params = "".join(f", {k}={_param(v)}" for k, v in step.params.items())
        add = ", accumulate" if step.accumulate else ""
        add += f", {len(step.epilogue)} steps on its blocks" if step.epilogue else ""
        return f"{targets} <- {step.name}({sources}{params}{add})"
    if isinstance(step, ForeignStep):
        return f"{targets} <- python {step.key}({sources})"
    if isinstance(step, CheckStep):
        return f"check {format_expr(step.condition)}: {step.message}"
    if isinstance(step, ViewStep):
        axes = ", ".join(
            f"{'new' if a is None else a}*{format_expr(pace)}" for a, pace in step.axes
        )
        offset = ", ".join(format_expr(o) for o in step.offset)
        return f"{targets} <- view({sources}; axes {axes}; offset {offset})"
    if isinstance(step, RepeatStep):
        inside = ", ".join(str(len(part)) for part in step.parts)
        count = format_expr(step.count)
        return f"{targets} <- repeat {step.counter!r} < {count} ({inside} steps)({sources})"
    word = {ReshapeViewStep: "reshape", CopyStep: "copy"}.get(type(step), type(step).__name__)
    return f"{targets} <- {word}({sources})"


def _param(value: object) -> str:
    if isinstance(value, ScalarBuffer):
        return f"%{value.id}"
    return format_expr(value) if isinstance(value, Expr) else str(value)
