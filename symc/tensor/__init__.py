"""``symc.tensor``, customarily imported as ``T``: everything that makes and takes tensors.

Only names; the code lives in `symc.array` and `symc.ops`.
"""

import sys

from ..array import constructors as _constructors
from ..array.constructors import (
    all_dtypes,
    col,
    complex_dtypes,
    complex_matrix_types,
    complex_scalar_types,
    complex_types,
    complex_vector_types,
    continuous_dtypes,
    discrete_dtypes,
    float_dtypes,
    float_matrix_types,
    float_scalar_types,
    float_types,
    float_vector_types,
    int_dtypes,
    int_matrix_types,
    int_scalar_types,
    int_types,
    int_vector_types,
    integer_dtypes,
    matrix,
    row,
    scalar,
    tensor,
    tensor3,
    tensor4,
    tensor5,
    tensor6,
    tensor7,
    uint_dtypes,
    vector,
)
from ..array.convert import as_tensor, as_tensor_variable, constant
from ..array.type import (
    TensorType,
    values_eq_approx_always_true,
    values_eq_approx_remove_inf,
    values_eq_approx_remove_inf_nan,
    values_eq_approx_remove_nan,
)
from ..array.variable import (
    ScalarSharedVariable,
    TensorConstant,
    TensorConstantSignature,
    TensorSharedVariable,
    TensorVariable,
)
from ..errors import (
    AdvancedIndexingError,
    AsTensorError,
    EmptyConstantError,
    NotScalarConstantError,
    ShapeError,
)
from ..gradient import (
    DisconnectedType,
    Lop,
    Rop,
    consider_constant,
    grad,
    grad_not_implemented,
    grad_undefined,
    hessian,
    jacobian,
    numeric_grad,
    verify_grad,
)
from ..lazy import LazyModule, late_names
from ..ops import formulas as _formulas
from ..ops.accumulate import CumOp, cumprod, cumsum, diff
from ..ops.advanced import Nonzero, flatnonzero, nonzero, nonzero_values
from ..ops.aliases import (
    AdvancedBooleanIncSubtensor,
    AdvancedBooleanSubtensor,
    CumprodOp,
    CumsumOp,
    DiffOp,
    Flatten,
    Mean,
    PermuteRowElements,
    RepeatOp,
    Tile,
    advanced_boolean_inc_subtensor,
    advanced_boolean_set_subtensor,
    advanced_boolean_subtensor,
    advanced_inc_subtensor,
    advanced_inc_subtensor1,
    advanced_set_subtensor,
    advanced_set_subtensor1,
    advanced_subtensor,
    advanced_subtensor1,
    cpu_contiguous,
)
from ..ops.alloc import (
    Alloc,
    AllocEmpty,
    ARange,
    Eye,
    Tri,
    alloc,
    alloc_validate_shape,
    arange,
    broadcast_to,
    empty,
    eye,
    full,
    full_like,
    identity_like,
    mgrid,
    ogrid,
    ones,
    ones_like,
    tri,
    tril,
    triu,
    zeros,
    zeros_like,
)
from ..ops.argmax import Argmax, Argmin, MaxAndArgmax, argmax, argmin, max_and_argmax
from ..ops.axes import check_and_normalize_axes
from ..ops.constants import extract_constant, get_scalar_constant_value, numpy_scalar
from ..ops.control import Assert, Print, Raise, assert_, assert_op
from ..ops.diagonal import AllocDiag, ExtractDiag, diag, diagonal, trace
from ..ops.dimshuffle import DimShuffle, dimshuffle, transpose
from ..ops.dot import (
    BatchedDot,
    Dot,
    Gemm,
    Gemv,
    Ger,
    batched_dot,
    batched_tensordot,
    dot,
    matmul,
    outer,
    tensordot,
)
from ..ops.elemwise import Elemwise, cast
from ..ops.extra import (
    BinCount,
    RavelMultiIndex,
    Unique,
    UnravelIndex,
    bartlett,
    bincount,
    default,
    fill_diagonal,
    fill_diagonal_offset,
    inverse_permutation,
    linspace,
    logspace,
    permute_row_elements,
    ravel_multi_index,
    unique,
    unravel_index,
)
from ..ops.extra import default as setdefault
from ..ops.gather import AdvancedSubtensor, AdvancedSubtensor1
from ..ops.join import (
    Join,
    Split,
    concatenate,
    horizontal_stack,
    join,
    roll,
    split,
    stack,
    stacklists,
    vertical_stack,
)
from ..ops.logsumexp import logsumexp
from ..ops.math import (
    abs_,
    add,
    allclose,
    and_,
    angle,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    ceil,
    ceil_intdiv,
    chi2sf,
    clip,
    complex,
    complex_from_polar,
    conj,
    cos,
    cosh,
    deg2rad,
    div_proxy,
    eq,
    erf,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    exp,
    exp2,
    expm1,
    fill,
    floor,
    floor_div,
    gamma,
    gammainc,
    gammaincc,
    gammal,
    gammaln,
    gammau,
    ge,
    gt,
    i0,
    i1,
    imag,
    int_div,
    inv,
    invert,
    iround,
    isclose,
    isinf,
    isnan,
    iv,
    j0,
    j1,
    jv,
    largest,
    le,
    log,
    log1mexp,
    log1p,
    log2,
    log10,
    logaddexp,
    lt,
    maximum,
    minimum,
    mod,
    mod_check,
    mul,
    neg,
    neq,
    or_,
    pow,
    power,
    psi,
    rad2deg,
    real,
    round,
    round_half_away_from_zero,
    round_half_to_even,
    second,
    sgn,
    sigmoid,
    sin,
    sinh,
    smallest,
    softplus,
    sqr,
    sqrt,
    square,
    sub,
    switch,
    tan,
    tanh,
    tensor_copy,
    tri_gamma,
    true_div,
    trunc,
    where,
    xor,
)
from ..ops.methods import divmod, register_transfer, transfer
from ..ops.reduce import (
    All,
    CAReduce,
    CAReduceDtype,
    Max,
    Min,
    Prod,
    ProdWithoutZeros,
    Sum,
    all,
    any,
    max,
    min,
    prod,
    sum,
)
from ..ops.reduce import Any_ as Any
from ..ops.reduce import keep_dims as makeKeepDims  # noqa: N812 - Theano's name
from ..ops.repeat import choose, compress, repeat, take, tile, to_one_hot
from ..ops.scalars import (
    ScalarFromTensor,
    TensorFromScalar,
    scalar_from_tensor,
    tensor_from_scalar,
)
from ..ops.scatter import AdvancedIncSubtensor, AdvancedIncSubtensor1
from ..ops.shape import (
    Rebroadcast,
    Reshape,
    SpecifyShape,
    addbroadcast,
    atleast_nd,
    expand_dims,
    flatten,
    is_flat,
    moveaxis,
    patternbroadcast,
    reshape,
    shape_padaxis,
    shape_padleft,
    shape_padright,
    specify_shape,
    squeeze,
    swapaxes,
    unbroadcast,
)
from ..ops.sizes import Shape, Shape_i, shape
from ..ops.slice import Subtensor, get_idx_list
from ..ops.slicetype import (
    MakeSlice,
    NoneConst,
    NoneTypeT,
    SliceConstant,
    SliceType,
    as_int_none_variable,
    make_slice,
    none_type_t,
    slicetype,
)
from ..ops.sort import searchsorted
from ..ops.statistics import cov, mean, norm, ptp, std
from ..ops.vector import MakeVector, get_vector_length
from ..ops.vector import as_index_scalar as as_index_variable
from ..ops.write import IncSubtensor, inc_subtensor, set_subtensor
from ..scalar import set_names_hook

# The functions `sort` and `var` hide the modules of these names, which can still be imported from.
from .sort import (
    ArgSortOp,
    SortOp,
    TopKOp,
    argsort,
    argtopk,
    sort,
    topk,
    topk_and_argtopk,
)
from .var import var
from .xlogx import xlogy0

_scalar_names = LazyModule("symc.tensor.scalar_names")
set_names_hook(lambda: _scalar_names.names())

globals().update(_constructors.TYPED)  # dmatrix, fvector, lscalar, ..., and the plurals

# Old code imports from `tensor.basic` what is defined here.
basic = sys.modules[__name__]
sys.modules[f"{__name__}.basic"] = basic

# What few programs use is imported when they do, so that `import symc` stays quick.
_MODULES = (
    *("blas", "elemwise", "extra_ops", "fft", "inplace", "io", "nlinalg", "sharedvar", "slinalg"),
    *("nnet", "signal", "subtensor", "type", "type_other", "utils"),
    *("opt", "raw_random", "shared_randomstreams"),
)
_LATER = {
    **{name: f"{__name__}.{name}" for name in _MODULES},
    "Tensor": "symc.array.type:TensorType",
    "AdvancedBooleanIndexingError": "symc.errors:AdvancedIndexingError",
    **{
        name: f"symc.ops.canonical:{name}"
        for name in ("check_and_reject_bool", "check_equal_numpy", "get_canonical_form_slice")
    },
    **{name: f"symc.ops.load:{name}" for name in ("LoadFromDisk", "load")},
    **{
        name: f"symc.array.type:{name}"
        for kind in ("float16", "float32", "float64")
        for name in (f"{kind}_atol", f"{kind}_rtol")
    },
}

__getattr__ = late_names(__name__, _LATER)
