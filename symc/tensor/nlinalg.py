"""``symc.tensor.nlinalg``: the linear algebra of NumPy.

What Theano has as ops of gradients (``EighGrad``) are graphs of other ops here.
"""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.diagonal import AllocDiag, ExtractDiag, diag, trace
from ..ops.linalg.decompose import QR, SVD, Eig, Eigh, eig, eigh, qr, svd
from ..ops.linalg.functions import (
    TensorInv,
    TensorSolve,
    alloc_diag,
    extract_diag,
    matrix_dot,
    matrix_power,
    norm,
    tensorinv,
    tensorsolve,
)
from ..ops.linalg.inverse import (
    Det,
    MatrixInverse,
    MatrixPinv,
    SLogDet,
    det,
    matrix_inverse,
    pinv,
    slogdet,
)
from ..ops.linalg.solve import Lstsq, lstsq

QRFull = QRIncomplete = QR
