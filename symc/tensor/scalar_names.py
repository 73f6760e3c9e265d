"""The public names of ``symc.scalar``: types, ops, and what users write scalar ops with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..array import autocast, scalarop, scalarrules, scalartype
from ..array.scalarrules import types_of
from ..array.scalartype import Scalar, as_scalar, cast, get_scalar_type
from ..config import config
from ..dtypes import DTYPES, upcast
from ..scalar.composite import Composite
from ..scalar.op import REGISTRY, Cast


def as_common_dtype(*variables: Any) -> tuple[Any, ...]:
    """Scalar variables converted to their common dtype."""
    common = upcast(*(v.dtype for v in variables))
    return tuple(cast(v, common) for v in variables)


def _several(dtype: str) -> Callable[..., list[Any]]:
    def make(*names: Any) -> list[Any]:
        """Scalar variables: as many as there are names, or characters in the only one."""
        given = names[0] if len(names) == 1 else names
        labels = [None] * given if isinstance(given, int) else given
        return [get_scalar_type(dtype)(label) for label in labels]

    return make


def _converters() -> dict[str, Any]:
    return {f"convert_to_{name}": REGISTRY[f"convert_to_{name}"] for name in DTYPES}


@functools.lru_cache(maxsize=1)
def names() -> dict[str, Any]:
    """All names, with the objects that they stand for."""
    found: dict[str, Any] = {}
    for name, op in REGISTRY.items():
        found[name] = op
        found[type(op).__name__] = type(op)
    found |= {name: getattr(scalarrules, name) for name in scalarrules.__all__}
    found |= {name: getattr(scalartype, name) for name in scalartype.__all__}
    found |= {name: getattr(autocast, name) for name in autocast.__all__}
    found |= {name: getattr(scalarop, name) for name in scalarop.__all__}
    found |= {name: get_scalar_type(name) for name in DTYPES}
    return (
        found
        | _converters()
        | {
            "Cast": Cast,
            "Composite": Composite,
            "Scalar": Scalar,
            "abs": REGISTRY["abs_"],
            "all_types": types_of("biufc"),
            "as_common_dtype": as_common_dtype,
            "as_scalar": as_scalar,
            "cast": cast,
            "complex_types": types_of("c"),
            "continuous_types": types_of("fc"),
            "discrete_dtypes": tuple(n for n, d in DTYPES.items() if d.kind in "biu"),
            "discrete_types": types_of("biu"),
            "float_types": types_of("f"),
            "floats": _several(config.floatX),
            "int_types": types_of("i"),
            "integer_types": types_of("iu"),
            "ints": _several("int64"),
            "uint_types": types_of("u"),
            "upcast": upcast,
        }
    )
