"""Named types and constructors: `matrix`, `fmatrix`, `ivector`, `scalars`, ...

The typed names (``fmatrix``) are `TensorType` instances: calling one makes a variable. The
untyped ones (``matrix``) are functions with a dtype argument whose default is floatX. Plurals
make several variables at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..config import config
from ..dtypes import (
    COMPLEX_DTYPES,
    CONTINUOUS_DTYPES,
    DISCRETE_DTYPES,
    DTYPES,
    FLOAT_DTYPES,
    INTEGER_DTYPES,
    SIGNED_DTYPES,
    UNSIGNED_DTYPES,
)
from .type import TensorType

PATTERNS: dict[str, tuple[bool, ...]] = {
    "scalar": (),
    "vector": (False,),
    "matrix": (False, False),
    "row": (True, False),
    "col": (False, True),
    **{f"tensor{n}": (False,) * n for n in range(3, 8)},
}
"""Broadcast pattern by name of the constructor."""

PREFIXES = {record.prefix: name for name, record in DTYPES.items() if record.prefix}
"""dtype by prefix: b w i l f d c z."""

all_dtypes = list(DTYPES)
float_dtypes = list(FLOAT_DTYPES)
complex_dtypes = list(COMPLEX_DTYPES)
continuous_dtypes = list(CONTINUOUS_DTYPES)
discrete_dtypes = list(DISCRETE_DTYPES)
integer_dtypes = list(INTEGER_DTYPES)
int_dtypes = list(SIGNED_DTYPES)
uint_dtypes = list(UNSIGNED_DTYPES)


def tensor(
    dtype: Any = None,
    broadcastable: Sequence[Any] | None = None,
    name: str | None = None,
    shape: Sequence[int | None] | None = None,
) -> Any:
    """Make a tensor variable of any type.

    Parameters
    ----------
    dtype : str, optional
        Default floatX.
    broadcastable : sequence of bool, optional
        The pattern. Without it, axes are broadcastable where `shape` says 1.
    name : str, optional
    shape : sequence of (int or None), optional
        Lengths promised for this variable.

    Raises
    ------
    TypeError
        If neither pattern nor shape is given.
    ShapeError
        If they contradict each other.

    Examples
    --------
    >>> tensor("float32", shape=(None, 3), name="x").type
    TensorType(float32, matrix)
    """
    if broadcastable is None:
        if shape is None:
            raise TypeError("tensor() needs broadcastable= or shape= to know the rank")
        broadcastable = [n == 1 for n in shape]
    return TensorType(config.floatX if dtype is None else dtype, broadcastable)(name, shape)


def _constructor(kind: str) -> Callable[..., Any]:
    pattern = PATTERNS[kind]

    def make(
        name: str | None = None, dtype: Any = None, shape: Sequence[int | None] | None = None
    ) -> Any:
        return TensorType(config.floatX if dtype is None else dtype, pattern)(name, shape)

    make.__name__ = make.__qualname__ = kind
    make.__doc__ = f"""Make a symbolic {kind}.

    Parameters
    ----------
    name : str, optional
    dtype : str, optional
        Default floatX.
    shape : sequence of (int or None), optional
        Lengths promised for this variable; the pattern is {pattern} in any case.
    """
    return make


def _plural(single: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def make(*names: Any, **kwargs: Any) -> Any:
        """Make several variables; see the module's docstring."""
        if len(names) == 1:
            (names_given,) = names
            if isinstance(names_given, int):
                return [single(**kwargs) for _ in range(names_given)]
            if isinstance(names_given, str):
                made = [single(name=letter, **kwargs) for letter in names_given]
                return made[0] if len(made) == 1 else made
        if not all(n is None or isinstance(n, str) for n in names):
            raise TypeError(f"{_plural_name(kind)} takes names or a number, got {names!r}")
        return [single(name=name, **kwargs) for name in names]

    make.__name__ = make.__qualname__ = _plural_name(kind)
    return make


def _plural_name(kind: str) -> str:
    return f"{kind.removesuffix('x')}ces" if kind.endswith("matrix") else f"{kind}s"


scalar = _constructor("scalar")
vector = _constructor("vector")
matrix = _constructor("matrix")
row = _constructor("row")
col = _constructor("col")
tensor3 = _constructor("tensor3")
tensor4 = _constructor("tensor4")
tensor5 = _constructor("tensor5")
tensor6 = _constructor("tensor6")
tensor7 = _constructor("tensor7")


def _typed_names() -> dict[str, Any]:
    """``fmatrix`` and its kin, and all plurals."""
    made: dict[str, Any] = {}
    for kind, pattern in PATTERNS.items():
        made[_plural_name(kind)] = _plural(globals()[kind], kind)
        for prefix, dtype in PREFIXES.items():
            made[prefix + kind] = TensorType(dtype, pattern)
            if prefix in "dfil":
                made[_plural_name(prefix + kind)] = _plural(made[prefix + kind], prefix + kind)
    return made


TYPED = _typed_names()
"""All generated names; each is also a global of this module."""
globals().update(TYPED)


def _types(kind: str, prefixes: str) -> tuple[TensorType, ...]:
    return tuple(TYPED[p + kind] for p in prefixes)


int_scalar_types = _types("scalar", "bwil")
float_scalar_types = _types("scalar", "fd")
complex_scalar_types = _types("scalar", "cz")
int_vector_types = _types("vector", "bwil")
float_vector_types = _types("vector", "fd")
complex_vector_types = _types("vector", "cz")
int_matrix_types = _types("matrix", "bwil")
float_matrix_types = _types("matrix", "fd")
complex_matrix_types = _types("matrix", "cz")
int_types = int_scalar_types + int_vector_types + int_matrix_types
float_types = float_scalar_types + float_vector_types + float_matrix_types
complex_types = complex_scalar_types + complex_vector_types + complex_matrix_types
