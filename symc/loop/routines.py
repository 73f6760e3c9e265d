"""Library routines: names, operands and meaning.

A routine is what a :class:`~symc.loop.program.RoutineStep` asks a target for. All operands of one
call have one dtype, one of :data:`DTYPES`. Matrices may have any strides (a transpose is a view);
targets recognise layouts when the program runs. Lengths agree: whoever makes the step has
checked them. The output may not share memory with an input, except where an operand of length one
is read.

================ =================== ========== ==========================================
name             inputs              output     meaning
================ =================== ========== ==========================================
``gemm``         A (m,k), B (k,n)    C (m,n)    C = alpha A B [+ beta C]
``gemv``         A (m,k), x (k)      y (m)      y = alpha A x [+ beta y]
``ger``          x (m), y (n)        A (m,n)    A = alpha x y^T [+ beta A]
``dot``          x (k), y (k)        z ()       z = alpha sum_k x_k y_k [+ beta z]
``batched_gemm`` A (b,m,k), B (b,k,n) C (b,m,n) C_b = alpha A_b B_b [+ beta C_b]
================ =================== ========== ==========================================

Convolutions (:mod:`symc.loop.convolution`) are routines too, of the dtypes in
:data:`CONVOLUTION_DTYPES`: ``convolve`` of inputs and filters, ``convolve_inputs`` of gradients and
filters, ``convolve_weights`` of inputs and gradients. Their parameter ``geometry`` is a
:class:`~symc.loop.convolution.ConvGeometry`; the output's lengths say what is computed.

The term in brackets is there if the step accumulates; then the old output is read. Parameters
``alpha`` and ``beta`` are numbers (1 by default) or a
:class:`~symc.loop.program.ScalarBuffer` of the same dtype. An empty sum is 0. Complex operands
are not conjugated. With ``beta = 0`` the old output does not matter, even if it is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .convolution import ConvGeometry, correlate, inputs_gradient, weights_gradient

DTYPES = ("float32", "float64", "complex64", "complex128")
"""Dtypes for which routines exist."""


@dataclass(frozen=True)
class Routine:
    """The contract of one routine.

    Attributes
    ----------
    name : str
    ranks : tuple of int
        Number of axes of the inputs.
    out_rank : int
    subscripts : str
        The product, as for `numpy.einsum`.
    """

    name: str
    ranks: tuple[int, ...]
    out_rank: int
    subscripts: str


ROUTINES = {
    r.name: r
    for r in (
        Routine("gemm", (2, 2), 2, "mk,kn->mn"),
        Routine("gemv", (2, 1), 1, "mk,k->m"),
        Routine("ger", (1, 1), 2, "m,n->mn"),
        Routine("dot", (1, 1), 0, "k,k->"),
        Routine("batched_gemm", (3, 3), 3, "bmk,bkn->bmn"),
    )
}
"""All routines by name."""

PARAMS = ("alpha", "beta")
"""Names of numeric parameters."""

CONVOLUTIONS = ("convolve", "convolve_inputs", "convolve_weights")
"""Names of the convolutions."""

CONVOLUTION_DTYPES = ("float32", "float64")
"""Dtypes for which they exist."""


def evaluate(
    name: str,
    inputs: Sequence[np.ndarray[Any, Any]],
    output: np.ndarray[Any, Any],
    alpha: Any = 1,
    beta: Any = 1,
    accumulate: bool = False,
) -> None:
    """The reference: compute a routine into `output`.

    Parameters
    ----------
    name : str
        A key of :data:`ROUTINES`.
    inputs : sequence of numpy.ndarray
    output : numpy.ndarray
    alpha, beta : number
    accumulate : bool
        Whether ``beta * output`` is added.
    """
    product = np.asarray(alpha, output.dtype) * np.einsum(ROUTINES[name].subscripts, *inputs)
    if accumulate and beta != 0:
        product = product + np.asarray(beta, output.dtype) * output
    output[...] = product


def evaluate_convolution(
    name: str,
    inputs: Sequence[np.ndarray[Any, Any]],
    output: np.ndarray[Any, Any],
    geometry: ConvGeometry,
) -> None:
    """The reference: compute a convolution or one of its gradients into `output`.

    Parameters
    ----------
    name : str
        One of :data:`CONVOLUTIONS`.
    inputs : sequence of numpy.ndarray
    output : numpy.ndarray
    geometry : ConvGeometry
    """
    a, b = inputs
    if name == "convolve":
        output[...] = correlate(a, b, geometry)
    elif name == "convolve_inputs":
        output[...] = inputs_gradient(a, b, output.shape[2:], geometry)
    else:
        output[...] = weights_gradient(a, b, output.shape[2:], geometry)
