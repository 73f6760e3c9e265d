"""``symc.tensor.slinalg``: the linear algebra of SciPy.

What Theano has as ops of gradients (``CholeskyGrad``, ``EigvalshGrad``, ``ExpmGrad``) are graphs of
other ops here.
"""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.linalg.decompose import Eigvalsh, eigvalsh
from ..ops.linalg.functions import Expm, expm, kron
from ..ops.linalg.solve import (
    MATRIX_STRUCTURES,
    Cholesky,
    Solve,
    cholesky,
    solve,
    solve_lower_triangular,
    solve_symmetric,
    solve_upper_triangular,
)
