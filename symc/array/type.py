"""`TensorType`: the type of dense arrays, a dtype and a broadcast pattern.

Ranks, dtypes and the pattern (which axes have length 1 for certain) are static; other lengths are
not part of the type. They may be declared for a *variable* (`symc.array.lengths`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..config import config
from ..dtypes import DTYPES, can_cast_safely, canonical, is_complex
from ..errors import ShapeError, user_message
from ..graph.node import Type, Variable
from .scalartype import Scalar, get_scalar_type

__all__ = [
    "TensorType",
    "TypedValuesEq",
    "tolerance",
    "values_eq_approx",
    "values_eq_approx_always_true",
    "values_eq_approx_remove_inf",
    "values_eq_approx_remove_inf_nan",
    "values_eq_approx_remove_nan",
]

_NUMPY_NAMES = {
    (): "scalar",
    (False,): "vector",
    (False, True): "col",
    (True, False): "row",
    (False, False): "matrix",
}


def is_masked(data: Any) -> bool:
    """Whether `data` is a masked array; does not import what nobody has used."""
    module = sys.modules.get("numpy.ma")
    return module is not None and isinstance(data, module.MaskedArray)


class TensorType(Type):
    """The type of arrays of one dtype, one rank and one broadcast pattern.

    Parameters
    ----------
    dtype : str or dtype
        A dtype, or ``"floatX"``.
    broadcastable : sequence of bool
        One entry per axis: True where the length is known to be 1.
    name : str, optional
        Shown instead of dtype and pattern; not part of the type.
    sparse_grad : bool
        Kept for Theano's sake; not part of the type.

    Attributes
    ----------
    dtype : str
    broadcastable : tuple of bool
    ndim : int

    Examples
    --------
    >>> TensorType("float64", (False, True))
    TensorType(float64, col)
    """

    def __init__(
        self,
        dtype: Any,
        broadcastable: Iterable[Any],
        name: str | None = None,
        sparse_grad: bool = False,
    ) -> None:
        self.dtype = canonical(dtype)
        self.broadcastable = tuple(bool(b) for b in broadcastable)
        self.ndim = len(self.broadcastable)
        self.name = name
        self.sparse_grad = sparse_grad
        self._hash = hash((self.dtype, self.broadcastable))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, TensorType):
            return NotImplemented
        return (
            type(self) is type(other)
            and self.dtype == other.dtype
            and self.broadcastable == other.broadcastable
        )

    def __hash__(self) -> int:
        return self._hash

    def fingerprint_key(self) -> tuple[Any, ...]:
        """What identifies the type in every process."""
        return (self.dtype, self.broadcastable)

    def __getstate__(self) -> dict[str, Any]:
        # Hashes of strings differ between processes.
        return {k: v for k, v in self.__dict__.items() if k != "_hash"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._hash = hash((self.dtype, self.broadcastable))

    def __str__(self) -> str:
        if self.name:
            return self.name
        known = _NUMPY_NAMES.get(self.broadcastable)
        if known is None:
            known = str(self.broadcastable) if any(self.broadcastable) else f"{self.ndim}D"
        return f"TensorType({self.dtype}, {known})"

    __repr__ = __str__

    # ------------------------------------------------------------------ making variables

    def __call__(self, name: str | None = None, shape: Sequence[int | None] | None = None) -> Any:
        """Return a new variable of this type.

        Parameters
        ----------
        name : str, optional
        shape : sequence of (int or None), optional
            Lengths that are promised for this variable; None where nothing is. They are facts
            about the variable and not part of its type. A call with other lengths is an error.
        """
        variable = super().__call__(name)
        if shape is not None:
            variable.static_shape = self.checked_lengths(shape)
        return variable

    def checked_lengths(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return declared lengths as a tuple, after checking that they fit this type.

        Raises
        ------
        ShapeError
            If rank or a length of 1 contradicts the type, or a length is no natural number.
        """
        lengths = tuple(None if n is None else int(n) for n in shape)
        fits = len(lengths) == self.ndim and all(
            n is None or (n == 1 if b else n >= 0)
            for n, b in zip(lengths, self.broadcastable, strict=False)
        )
        if not fits:
            raise ShapeError(
                user_message(
                    f"these lengths do not fit {self}",
                    got=f"shape={tuple(shape)}",
                    expected=f"{self.ndim} lengths, each a natural number or None, "
                    f"and 1 where the pattern {self.broadcastable} is True",
                )
            )
        return lengths

    def clone(self, dtype: Any = None, broadcastable: Iterable[Any] | None = None) -> TensorType:
        """Return a type of the same class with another dtype or pattern."""
        return type(self)(
            self.dtype if dtype is None else dtype,
            self.broadcastable if broadcastable is None else broadcastable,
            name=self.name if dtype is None and broadcastable is None else None,
            sparse_grad=self.sparse_grad,
        )

    # ------------------------------------------------------------------ values

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Return `data` as a NumPy array of this type.

        Parameters
        ----------
        data : array_like
        strict : bool
            Only an ndarray of exactly this dtype and rank is accepted.
        allow_downcast : bool, optional
            True: any conversion. False: only those that keep every value of the source dtype.
            None: besides those, a Python float for a type of dtype floatX, and scalars and lists
            whose values are exactly representable.

        Returns
        -------
        numpy.ndarray
            `data` itself if it is aligned, in native byte order and of the right dtype.

        Raises
        ------
        TypeError
            If the dtype does not convert without loss, the rank differs, or a broadcastable axis
            is longer than 1; the text names what was got and what was expected.
        """
        if type(data) is not np.ndarray or data.dtype.name != self.dtype:
            data = self._converted(data, strict, allow_downcast)
        if not data.flags.aligned or not data.dtype.isnative:
            data = data.astype(self.dtype)
        if data.ndim != self.ndim:
            raise TypeError(self._refusal(data, f"it has {data.ndim} axes, not {self.ndim}"))
        for axis, (length, b) in enumerate(zip(data.shape, self.broadcastable, strict=True)):
            if b and length != 1:
                raise TypeError(
                    self._refusal(data, f"axis {axis} must have length 1, it has {length}")
                )
        return data

    def _converted(self, data: Any, strict: bool, allow_downcast: bool | None) -> Any:
        if isinstance(data, Variable):
            raise TypeError(
                user_message(
                    f"a number or array is expected for {self}, not a symbolic variable",
                    got=f"{data} of type {data.type}",
                    hint="to put an expression in its place, use givens",
                )
            )
        if is_masked(data):
            raise TypeError(
                self._refusal(data, "its mask would be lost", hint="fill it first: x.filled(value)")
            )
        if isinstance(data, np.ndarray) and data.dtype.name == self.dtype:
            return np.asarray(data)
        if strict:
            raise TypeError(self._refusal(data, "strict: only an ndarray of this dtype will do"))
        array = self._as_array(data)
        kind = array.dtype.kind
        if kind not in "biufc":
            raise TypeError(self._refusal(data, f"its elements are {array.dtype}, not numbers"))
        if allow_downcast or can_cast_safely(canonical(array.dtype), self.dtype):
            return _cast(array, self.dtype)
        if isinstance(data, np.ndarray):
            raise TypeError(
                self._refusal(
                    data,
                    "the conversion could lose precision",
                    hint=f"convert it with numpy.asarray(x, {self.dtype!r}), or pass "
                    "allow_input_downcast=True",
                )
            )
        if allow_downcast is None and type(data) is float and self.dtype == config.floatX:
            return np.asarray(data, dtype=self.dtype)
        return self._exactly_converted(data, array)

    def _exactly_converted(self, data: Any, array: Any) -> Any:
        converted = _cast(array, self.dtype)
        same = (converted == array) | ((converted != converted) & (array != array))
        if kind_loses(array.dtype.kind, self.dtype) or not np.all(same):
            raise TypeError(
                self._refusal(
                    data,
                    f"its values are not exactly representable in {self.dtype}",
                    hint=f"convert it with numpy.asarray(x, {self.dtype!r})",
                )
            )
        return converted

    def _as_array(self, data: Any) -> Any:
        try:
            return np.asarray(data)
        except (TypeError, ValueError) as error:
            raise TypeError(self._refusal(data, f"NumPy can't convert it: {error}")) from error

    def _refusal(self, data: Any, why: str, hint: str | None = None) -> str:
        if isinstance(data, np.ndarray):
            got = f"{data.dtype} array of shape {data.shape}"
        else:
            got = f"{type(data).__name__} {data!r}"[:200]
        wanted = f"{self.dtype} array with {self.ndim} axes"
        if any(self.broadcastable):
            wanted += f", of length 1 where the pattern {self.broadcastable} is True"
        return user_message(
            f"this value does not fit {self}: {why}", got=got, expected=wanted, hint=hint
        )

    def filter_output(self, value: Any) -> Any:
        """Return what ``perform`` stored; NumPy scalars stand for 0-d arrays."""
        if isinstance(value, np.generic):
            value = np.asarray(value)
        return self.filter(value, strict=True)

    def copy_value(self, value: Any) -> Any:
        """Return a copy of an array."""
        return np.array(value, copy=True)

    def convert_variable(self, var: Variable) -> Variable | None:
        """Return `var` with this type, where this type only promises less, else None."""
        other = var.type
        if other == self:
            return var
        if (
            type(other) is not type(self)
            or other.dtype != self.dtype
            or other.ndim != self.ndim
            or any(
                b and not o for b, o in zip(self.broadcastable, other.broadcastable, strict=True)
            )
        ):
            return None
        converted: Variable = var.with_pattern(self.broadcastable)  # type: ignore[attr-defined]
        return converted

    # ------------------------------------------------------------------ comparing and measuring

    def values_eq(self, a: Any, b: Any) -> bool:
        """Tell whether two arrays are equal in dtype, shape and values; NaNs are equal."""
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return bool(np.all((a == b) | ((a != a) & (b != b))))

    def values_eq_approx(
        self,
        a: Any,
        b: Any,
        allow_remove_inf: bool = False,
        allow_remove_nan: bool = False,
        rtol: float | None = None,
        atol: float | None = None,
    ) -> bool:
        """Tell whether two arrays are equal up to rounding; see `values_eq_approx`."""
        return values_eq_approx(a, b, allow_remove_inf, allow_remove_nan, rtol, atol)

    def value_zeros(self, shape: Sequence[int]) -> Any:
        """Return an array of zeros of this dtype."""
        return np.zeros(shape, dtype=self.dtype)

    def may_share_memory(self, a: Any, b: Any) -> bool:
        """Tell whether two arrays may overlap; False when one is not an array."""
        if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
            return False
        return np.may_share_memory(a, b)

    def get_shape_info(self, obj: Any) -> tuple[int, ...]:
        """Return the shape of an array."""
        return tuple(obj.shape)

    def get_size(self, shape_info: Any) -> int:
        """Return the bytes of an array of shape `shape_info`."""
        return math.prod(int(n) for n in shape_info) * DTYPES[self.dtype].itemsize

    def filter_checks_isfinite(self) -> bool:
        """Return whether `filter` refuses NaN and infinity: it never does."""
        return False

    def to_scalar_type(self) -> Scalar:
        """Return the type of one element, as a number."""
        return get_scalar_type(self.dtype)

    def dtype_specs(self) -> tuple[type, str, str]:
        """Return the Python type, the NumPy C type and the NumPy type number's name."""
        kinds: dict[str, type] = {"b": int, "f": float, "c": complex}
        return (
            kinds.get(DTYPES[self.dtype].kind, int),
            f"npy_{self.dtype}",
            f"NPY_{self.dtype.upper()}",
        )


def kind_loses(kind: str, dtype: str) -> bool:
    """Tell whether values of NumPy kind `kind` lose their imaginary part in `dtype`."""
    return kind == "c" and not is_complex(dtype)


def _cast(array: Any, dtype: str) -> Any:
    if kind_loses(array.dtype.kind, dtype):
        array = array.real
    with np.errstate(all="ignore"):
        return array.astype(dtype)


# ---------------------------------------------------------------------------------------------
# Approximate comparison
# ---------------------------------------------------------------------------------------------

_TOLERANCES = {
    # dtype: (atol, rtol) for cmp_sloppy 0, 1, 2
    "float16": ((1e-3, 5e-3), (5e-3, 1e-2), (1e-2, 5e-2)),
    "float32": ((1e-5, 1e-5), (1e-4, 1e-3), (5e-4, 1e-3)),
    "float64": ((1e-8, 1e-5), (1e-3, 1e-4), (1e-3, 1e-4)),
}

float16_atol, float16_rtol = _TOLERANCES["float16"][0]
float32_atol, float32_rtol = _TOLERANCES["float32"][0]
float64_atol, float64_rtol = _TOLERANCES["float64"][0]


def tolerance(*dtypes: str) -> tuple[float, float]:
    """Return (atol, rtol) for comparing values of these dtypes, the least precise one deciding."""
    sloppy = min(int(config.tensor.cmp_sloppy), 2)
    found = [_TOLERANCES[_precision(dtype)][sloppy] for dtype in dtypes]
    return max(a for a, _ in found), max(r for _, r in found)


def _precision(dtype: str) -> str:
    if dtype in ("float16", "float32"):
        return dtype
    return "float32" if dtype == "complex64" else "float64"


def values_eq_approx(
    a: Any,
    b: Any,
    allow_remove_inf: bool = False,
    allow_remove_nan: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
) -> bool:
    """Tell whether two arrays have equal dtype, shape and, up to rounding, values.

    Parameters
    ----------
    a, b : numpy.ndarray
    allow_remove_inf : bool
        Elements where `a` is infinite count as equal.
    allow_remove_nan : bool
        Elements where `a` is NaN count as equal.
    rtol, atol : float, optional
        Tolerances instead of those of `tolerance`.

    Returns
    -------
    bool
        NaN equals NaN, and infinities of one sign are equal. Discrete values must be exact.
    """
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return False
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return bool(np.all(a == b))
    default_atol, default_rtol = tolerance(a.dtype.name)
    equal = np.isclose(
        a,
        b,
        rtol=default_rtol if rtol is None else rtol,
        atol=default_atol if atol is None else atol,
        equal_nan=True,
    )
    if allow_remove_inf:
        equal = equal | np.isinf(a)
    if allow_remove_nan:
        equal = equal | np.isnan(a)
    return bool(np.all(equal))


def values_eq_approx_remove_inf(a: Any, b: Any) -> bool:
    """Compare as `values_eq_approx`, leaving out infinities of `a`."""
    return values_eq_approx(a, b, allow_remove_inf=True)


def values_eq_approx_remove_nan(a: Any, b: Any) -> bool:
    """Compare as `values_eq_approx`, leaving out NaNs of `a`."""
    return values_eq_approx(a, b, allow_remove_nan=True)


def values_eq_approx_remove_inf_nan(a: Any, b: Any) -> bool:
    """Compare as `values_eq_approx`, leaving out infinities and NaNs of `a`."""
    return values_eq_approx(a, b, allow_remove_inf=True, allow_remove_nan=True)


def values_eq_approx_always_true(a: Any, b: Any) -> bool:
    """Return True."""
    return True


TypedValuesEq = Callable[[Any, Any], bool]
"""What a variable's ``tag.values_eq_approx`` may hold."""
