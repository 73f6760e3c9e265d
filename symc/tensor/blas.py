"""``symc.tensor.blas``: products of matrices by Theano's names.

What differs there by which operand is overwritten is one op here: the compiler decides about
memory, and results are new values.
"""

# ruff: noqa: F401 - a namespace re-exports

from typing import Any

from ..array.convert import as_tensor_variable
from ..ops.dot import BatchedDot, Dot, Gemm, Gemv, Ger, batched_dot, dot_op, gemm, gemv, ger

Dot22 = Dot
_dot22 = dot_op
gemm_inplace = gemm_no_inplace = gemm
gemv_inplace = gemv_no_inplace = gemv
ger_destructive = ger


class Dot22Scalar:
    """``Dot22Scalar()(x, y, a)`` is ``a * dot(x, y)`` for matrices and a 0-d `a`."""

    def __call__(self, x: Any, y: Any, a: Any) -> Any:
        """Apply the function."""
        return as_tensor_variable(a) * dot_op(x, y)


_dot22scalar = Dot22Scalar()


def ldflags(libs: bool = True, flags: bool = False, libs_dir: bool = False) -> list[str]:
    """Return the options that link BLAS: none, since it is called by pointer."""
    return []
