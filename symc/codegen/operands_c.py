"""How the operands of a kernel lie in memory: conditions on it, and copies where they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..dtypes import DTYPES
from ..loop.kernel import Axis, Kernel, Operand, Stage, Store
from ..loop.program import Program
from ..scalar.expr import Expr
from .cexpr import storage_type
from .schedule_c import Variant
from .values import Places


def variant_condition(places: Places, variant: Variant, bind: Mapping[str, int]) -> str:
    """Text of the condition under which a variant of a kernel serves; empty if it always does.

    Parameters
    ----------
    places : Places
    variant : Variant
    bind : mapping
        The kernel's buffers, by the keys of its operands.
    """
    terms = []
    if variant.when is not None:
        terms.append(places.condition(variant.when))
    if not variant.pack:
        terms += [t for key in variant.contiguous for t in contiguous_terms(places, bind[key])]
    for key in variant.unit:
        buffer = bind[key]
        stride = places.stride(buffer, len(places.buffers[buffer].shape) - 1)
        if stride != "1":
            terms.append(f"{stride} == 1")
    return " && ".join(dict.fromkeys(terms))


def contiguous_terms(places: Places, buffer: int) -> list[str]:
    """Terms of the condition that a buffer is C-contiguous."""
    record = places.buffers[buffer]
    terms = []
    for axis in reversed(range(len(record.shape))):
        length = record.shape[axis]
        if length.is_const and int(length.value) == 1:
            continue
        expected = places.size(places.contiguous_stride(record, axis))
        actual = places.stride(buffer, axis)
        if actual != expected:
            terms.append(f"{actual} == {expected}")
    return terms


def packed_lines(places: Places, number: int, buffer: int, name: str, condition: str) -> list[str]:
    """Lines that make `name` point to a contiguous array of what `buffer` holds.

    Parameters
    ----------
    places : Places
    number : int
        Of the step, for the error that there is no memory.
    buffer : int
    name : str
    condition : str
        Under which the buffer itself is such an array.
    """
    record = places.buffers[buffer]
    ctype, itemsize = storage_type(record.dtype), DTYPES[record.dtype].itemsize
    pointer = places.pointer(buffer)
    rank = len(record.shape)
    n = ", ".join(places.dim(buffer, k) for k in range(rank))
    s = ", ".join(places.stride(buffer, k) for k in range(rank))
    size = f"sy_bytes({rank}, n, {itemsize})"
    return [
        f"{ctype} *{name} = {pointer};",
        f"if (!({condition})) {{",
        f"  const int64_t n[] = {{{n}}}, s[] = {{{s}}};",
        f"  {name} = ({ctype} *)c->api->alloc(c, {size});",
        f"  if (!{name}) return c->api->fail(c, SY_E_MEMORY, {number}, 0, 0);",
        f"  sy_pack((char *){name}, (const char *){pointer}, {rank}, n, s, {itemsize});",
        "}",
    ]


def copy_kernel(program: Program, dtype: str, shape: Sequence[Expr]) -> Kernel:
    """The kernel that copies an array of a given shape."""
    ctx = program.ctx
    axes = tuple(Axis(f"i{k}", n, "outer") for k, n in enumerate(shape))
    index = tuple(ctx.index(a.key) for a in axes)
    operands = (Operand("from", dtype, len(axes), "r"), Operand("to", dtype, len(axes), "w"))
    stage = Stage("outer", (), (Store("to", index, ctx.load("from", index, dtype)),))
    return Kernel(ctx, axes, operands, (stage,))
