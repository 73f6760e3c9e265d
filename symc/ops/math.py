"""The elementwise functions by name: `add`, `exp`, `switch`, ...

Each is an `Elemwise` op made from the scalar op of the same name; calling it with anything that
`as_tensor_variable` takes applies it. They pickle by name.
"""

from __future__ import annotations

import functools
from typing import Any

from ..array.convert import as_tensor_variable
from ..dtypes import is_discrete
from ..errors import user_message
from ..graph.op import named_op
from ..scalar.op import REGISTRY
from .elemwise import Elemwise, cast, register_elemwise
from .reduce import All

__all__ = [
    "allclose",
    "ceil_intdiv",
    "div_proxy",
    "iround",
    "isclose",
    "largest",
    "mod_check",
    "round",
    "smallest",
]


def _named(name: str, scalar: str | None = None) -> Elemwise:
    scalar_op = REGISTRY[scalar or name]
    op = register_elemwise(Elemwise(scalar_op, name=None))
    op.__doc__ = scalar_op.doc
    return named_op(name, op)


# arithmetic
add = _named("add")
sub = _named("sub")
mul = _named("mul")
true_div = _named("true_div")
int_div = floor_div = _named("int_div")
mod = _named("mod")
pow = power = _named("pow")
neg = _named("neg")
inv = _named("inv")
sqr = square = _named("sqr")
sqrt = _named("sqrt")
abs_ = _named("abs_")
sgn = _named("sgn")
maximum = _named("maximum")
minimum = _named("minimum")
clip = _named("clip")

# exponentials and rounding
exp = _named("exp")
exp2 = _named("exp2")
expm1 = _named("expm1")
log = _named("log")
log2 = _named("log2")
log10 = _named("log10")
log1p = _named("log1p")
log1mexp = _named("log1mexp")
logaddexp = _named("logaddexp")
sigmoid = _named("sigmoid")
softplus = _named("softplus")
ceil = _named("ceil")
floor = _named("floor")
trunc = _named("trunc")
round_half_to_even = _named("round_half_to_even")
round_half_away_from_zero = _named("round_half_away_from_zero")

# trigonometry
sin = _named("sin")
cos = _named("cos")
tan = _named("tan")
arcsin = _named("arcsin")
arccos = _named("arccos")
arctan = _named("arctan")
arctan2 = _named("arctan2")
sinh = _named("sinh")
cosh = _named("cosh")
tanh = _named("tanh")
arcsinh = _named("arcsinh")
arccosh = _named("arccosh")
arctanh = _named("arctanh")
deg2rad = _named("deg2rad")
rad2deg = _named("rad2deg")

# special functions
erf = _named("erf")
erfc = _named("erfc")
erfcx = _named("erfcx")
erfinv = _named("erfinv")
erfcinv = _named("erfcinv")
gamma = _named("gamma")
gammaln = _named("gammaln")
psi = _named("psi")
tri_gamma = _named("tri_gamma")
chi2sf = _named("chi2sf")
gammainc = _named("gammainc")
gammaincc = _named("gammaincc")
gammau = _named("gammau")
gammal = _named("gammal")
j0 = _named("j0")
j1 = _named("j1")
jv = _named("jv")
i0 = _named("i0")
i1 = _named("i1")
iv = _named("iv")
xlogx = _named("xlogx")
xlogy0 = _named("xlogy0")

# complex numbers
real = _named("real")
imag = _named("imag")
angle = _named("angle")
conj = _named("conj")
complex = _named("complex")
complex_from_polar = _named("complex_from_polar")

# comparisons, logic and bits
lt = _named("lt")
gt = _named("gt")
le = _named("le")
ge = _named("ge")
eq = _named("eq")
neq = _named("neq")
isnan = _named("isnan")
isinf = _named("isinf")
and_ = bitwise_and = _named("and_")
or_ = bitwise_or = _named("or_")
xor = bitwise_xor = _named("xor")
invert = bitwise_not = _named("invert")
switch = where = _named("switch")

# structure
second = fill = _named("second")
tensor_copy = _named("tensor_copy", "identity")


def round(a: Any, mode: str | None = None) -> Any:
    """Round to the nearest integer, as a number of the same dtype.

    Parameters
    ----------
    a : tensor
    mode : {"half_to_even", "half_away_from_zero"}, optional
        Where a number half way between two integers goes. Default: to the even one.
    """
    rounders = {
        None: round_half_to_even,
        "half_to_even": round_half_to_even,
        "half_away_from_zero": round_half_away_from_zero,
    }
    if mode not in rounders:
        raise ValueError(
            user_message(
                "unknown rounding", got=repr(mode), expected="half_to_even, half_away_from_zero"
            )
        )
    return rounders[mode](a)


def iround(a: Any, mode: str | None = None) -> Any:
    """Round to the nearest integer, as int64."""
    return cast(round(a, mode), "int64")


def ceil_intdiv(a: Any, b: Any) -> Any:
    """Return ``ceil(a / b)`` of integers, without leaving them."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    quotient = int_div(a, b)
    return quotient + cast(neq(mod(a, b), 0), quotient.dtype)


def div_proxy(x: Any, y: Any) -> Any:
    """Return ``x / y``: true division, of integers too."""
    return true_div(x, y)


def mod_check(x: Any, y: Any) -> Any:
    """Return ``x % y``; complex numbers have no modulo and raise TypeError."""
    return mod(x, y)


def isclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Return, element by element, whether ``|a - b| <= atol + rtol |b|``.

    Parameters
    ----------
    a, b : tensor
    rtol, atol : float
    equal_nan : bool
        Whether two NaNs are close.

    Returns
    -------
    tensor of bool
        Infinities are close if they are equal; a NaN is close to nothing, unless `equal_nan`.
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if is_discrete(a.dtype) and is_discrete(b.dtype):
        # Differences of unsigned numbers would wrap.
        a, b = cast(a, "float64"), cast(b, "float64")
    near = le(abs_(a - b), atol + rtol * abs_(b))
    unbounded = or_(isinf(a), isinf(b))
    close = switch(unbounded, eq(a, b), near)
    return or_(close, and_(isnan(a), isnan(b))) if equal_nan else close


def allclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Return whether all elements are close; the parameters are those of `isclose`."""
    return All()(isclose(a, b, rtol, atol, equal_nan))


def smallest(*args: Any) -> Any:
    """Return the smallest of its arguments, element by element."""
    return functools.reduce(minimum, map(as_tensor_variable, args))


def largest(*args: Any) -> Any:
    """Return the largest of its arguments, element by element."""
    return functools.reduce(maximum, map(as_tensor_variable, args))


NAMES = tuple(name for name, value in globals().items() if isinstance(value, Elemwise))
"""Names of the elementwise ops of this module."""
