"""Promotion tables of both cast policies, written out by hand, and the dtype records."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from symc import dtypes
from symc.config import change_flags
from symc.errors import DTypeError, LiteralOverflowError

SHORT = {
    "b": "bool",
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "f2": "float16",
    "f4": "float32",
    "f8": "float64",
    "c8": "complex64",
    "c16": "complex128",
}
ALL = list(SHORT.values())
INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

# One table for custom (any floatX) and for weak under floatX=float64: NumPy's.
WIDE = """
      b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
b     b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
i1    i1  i1  i2  i4  i8  i2  i4  i8  f8  f2  f4  f8  c8  c16
i2    i2  i2  i2  i4  i8  i2  i4  i8  f8  f4  f4  f8  c8  c16
i4    i4  i4  i4  i4  i8  i4  i4  i8  f8  f8  f8  f8  c16 c16
i8    i8  i8  i8  i8  i8  i8  i8  i8  f8  f8  f8  f8  c16 c16
u1    u1  i2  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
u2    u2  i4  i4  i4  i8  u2  u2  u4  u8  f4  f4  f8  c8  c16
u4    u4  i8  i8  i8  i8  u4  u4  u4  u8  f8  f8  f8  c16 c16
u8    u8  f8  f8  f8  f8  u8  u8  u8  u8  f8  f8  f8  c16 c16
f2    f2  f2  f4  f8  f8  f2  f4  f8  f8  f2  f4  f8  c8  c16
f4    f4  f4  f4  f8  f8  f4  f4  f8  f8  f4  f4  f8  c8  c16
f8    f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  c16 c16
c8    c8  c8  c8  c16 c16 c8  c8  c16 c16 c8  c8  c16 c8  c16
c16   c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16
"""

WEAK_FLOAT32 = """
      b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
b     b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
i1    i1  i1  i2  i4  i8  i2  i4  i8  f4  f2  f4  f8  c8  c16
i2    i2  i2  i2  i4  i8  i2  i4  i8  f4  f4  f4  f8  c8  c16
i4    i4  i4  i4  i4  i8  i4  i4  i8  f4  f4  f4  f8  c8  c16
i8    i8  i8  i8  i8  i8  i8  i8  i8  f4  f4  f4  f8  c8  c16
u1    u1  i2  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
u2    u2  i4  i4  i4  i8  u2  u2  u4  u8  f4  f4  f8  c8  c16
u4    u4  i8  i8  i8  i8  u4  u4  u4  u8  f4  f4  f8  c8  c16
u8    u8  f4  f4  f4  f4  u8  u8  u8  u8  f4  f4  f8  c8  c16
f2    f2  f2  f4  f4  f4  f2  f4  f4  f4  f2  f4  f8  c8  c16
f4    f4  f4  f4  f4  f4  f4  f4  f4  f4  f4  f4  f8  c8  c16
f8    f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  c16 c16
c8    c8  c8  c8  c8  c8  c8  c8  c8  c8  c8  c8  c16 c8  c16
c16   c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16
"""

WEAK_FLOAT16 = """
      b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
b     b   i1  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
i1    i1  i1  i2  i4  i8  i2  i4  i8  f2  f2  f4  f8  c8  c16
i2    i2  i2  i2  i4  i8  i2  i4  i8  f2  f2  f4  f8  c8  c16
i4    i4  i4  i4  i4  i8  i4  i4  i8  f2  f2  f4  f8  c8  c16
i8    i8  i8  i8  i8  i8  i8  i8  i8  f2  f2  f4  f8  c8  c16
u1    u1  i2  i2  i4  i8  u1  u2  u4  u8  f2  f4  f8  c8  c16
u2    u2  i4  i4  i4  i8  u2  u2  u4  u8  f2  f4  f8  c8  c16
u4    u4  i8  i8  i8  i8  u4  u4  u4  u8  f2  f4  f8  c8  c16
u8    u8  f2  f2  f2  f2  u8  u8  u8  u8  f2  f4  f8  c8  c16
f2    f2  f2  f2  f2  f2  f2  f2  f2  f2  f2  f4  f8  c8  c16
f4    f4  f4  f4  f4  f4  f4  f4  f4  f4  f4  f4  f8  c8  c16
f8    f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  c16 c16
c8    c8  c8  c8  c8  c8  c8  c8  c8  c8  c8  c8  c16 c8  c16
c16   c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16
"""

TABLES = {
    ("weak", "float64"): WIDE,
    ("weak", "float32"): WEAK_FLOAT32,
    ("weak", "float16"): WEAK_FLOAT16,
    ("custom", "float64"): WIDE,
    ("custom", "float32"): WIDE,
    ("custom", "float16"): WIDE,
}
SETTINGS = list(TABLES)


def cells(table: str) -> dict[tuple[str, str], str]:
    head, *rows = [line.split() for line in table.strip().splitlines()]
    return {
        (SHORT[row[0]], SHORT[column]): SHORT[cell]
        for row in rows
        for column, cell in zip(head, row[1:], strict=True)
    }


@pytest.mark.parametrize(("policy", "floatX"), SETTINGS)
def test_upcast_of_every_pair(policy: str, floatX: str) -> None:
    expected = cells(TABLES[policy, floatX])
    assert len(expected) == len(ALL) ** 2
    with change_flags(cast_policy=policy, floatX=floatX):
        got = {pair: dtypes.upcast(*pair) for pair in itertools.product(ALL, ALL)}
    assert got == expected


@pytest.mark.parametrize("pair", list(itertools.product(ALL, ALL)), ids="-".join)
def test_the_hand_written_table_is_numpys(pair: tuple[str, str]) -> None:
    assert cells(WIDE)[pair] == np.result_type(*(np.dtype(d) for d in pair)).name


@pytest.mark.parametrize("floatX", ["float64", "float32", "float16"])
def test_weak_promotion_never_makes_a_float_wider_than_written(floatX: str) -> None:
    size = {"float64": 8, "float32": 4, "float16": 2}
    with change_flags(cast_policy="weak", floatX=floatX):
        for triple in itertools.product(["bool", *INTS, "float16", "float32"], repeat=3):
            result = dtypes.upcast(*triple)
            if dtypes.is_float(result):
                widest = max([size[floatX], *(size.get(name, 0) for name in triple)])
                assert size[result] <= widest, triple


def test_upcast_of_one_and_of_many() -> None:
    for name in ALL:
        assert dtypes.upcast(name) == name
    assert dtypes.upcast("int8", "uint8", "int32") == "int32"
    assert dtypes.upcast("bool", "int8", "float32", "complex64") == "complex64"


def test_the_policy_can_be_given() -> None:
    with change_flags(floatX="float32", cast_policy="weak"):
        assert dtypes.upcast("int32", "float32") == "float32"
        assert dtypes.upcast("int32", "float32", policy="custom") == "float64"


def test_upcast_of_nothing_or_of_something_unknown() -> None:
    with pytest.raises(DTypeError, match="at least one"):
        dtypes.upcast()
    with pytest.raises(DTypeError, match="float33"):
        dtypes.upcast("float33", "int8")


# ---------------------------------------------------------------------------------------------
# Python numbers
# ---------------------------------------------------------------------------------------------

CUSTOM_INTS = [
    (0, "int8"),
    (127, "int8"),
    (-128, "int8"),
    (128, "int16"),
    (300, "int16"),
    (-32768, "int16"),
    (32768, "int32"),
    (-(2**31), "int32"),
    (2**31, "int64"),
    (2**63 - 1, "int64"),
    (-(2**63), "int64"),
    (2**63, "uint64"),
    (2**64 - 1, "uint64"),
]


@pytest.mark.parametrize(("value", "expected"), CUSTOM_INTS)
def test_custom_int(value: int, expected: str) -> None:
    for other in (None, "float32", "int8"):
        assert dtypes.python_scalar_dtype(value, other, policy="custom") == expected


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
@pytest.mark.parametrize("policy", ["weak", "custom"])
def test_an_int_that_fits_nowhere(value: int, policy: str) -> None:
    with pytest.raises(LiteralOverflowError, match="too large for every integer dtype"):
        dtypes.python_scalar_dtype(value, policy=policy)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, "float32"),
        (0.0, "float32"),
        (-0.0, "float32"),
        (float("inf"), "float32"),
        (2.0**100, "float32"),
        (0.1, "float64"),
        (1e300, "float64"),
        (1.0 + 2.0**-30, "float64"),
        (float("nan"), "float64"),
    ],
)
def test_custom_float(value: float, expected: str) -> None:
    assert dtypes.python_scalar_dtype(value, policy="custom") == expected
    for floatX in ("float32", "float16"):
        with change_flags(floatX=floatX):
            assert dtypes.python_scalar_dtype(value, policy="custom") == floatX


def test_the_examples_of_the_custom_policy() -> None:
    def add(dtype: str, value: complex) -> str:
        literal = dtypes.python_scalar_dtype(value, dtype, policy="custom")
        return dtypes.upcast(dtype, literal, policy="custom")

    assert add("float32", 0.5) == "float32"
    assert add("float32", 0.1) == "float64"
    assert add("int8", 300) == "int16"
    assert add("uint8", -1) == "int16"
    assert add("float32", 1) == "float32"
    assert add("float32", 70000) == "float64"
    assert add("float32", 1j) == "complex128"
    assert add("bool", True) == "bool"
    with change_flags(floatX="float32"):
        assert add("float32", 0.1) == "float32"
        assert add("int32", 0.5) == "float64"


@pytest.mark.parametrize("floatX", ["float64", "float32", "float16"])
def test_weak_numbers_alone_and_with_bool(floatX: str) -> None:
    half = {"float64": "complex128", "float32": "complex64", "float16": "complex64"}
    with change_flags(floatX=floatX, cast_policy="weak"):
        for other in (None, "bool"):
            assert dtypes.python_scalar_dtype(True, other) == "bool"
            assert dtypes.python_scalar_dtype(3, other) == "int64"
            assert dtypes.python_scalar_dtype(-(2**63), other) == "int64"
            assert dtypes.python_scalar_dtype(2**63, other) == "uint64"
            assert dtypes.python_scalar_dtype(0.1, other) == floatX
            assert dtypes.python_scalar_dtype(1j, other) == half[floatX]


@pytest.mark.parametrize("floatX", ["float64", "float32"])
@pytest.mark.parametrize("other", ALL)
@pytest.mark.parametrize("value", [True, 3, 0.1, 1e30, float("nan")])
def test_weak_real_numbers_never_widen_their_kind(floatX: str, other: str, value: complex) -> None:
    with change_flags(floatX=floatX, cast_policy="weak"):
        result = dtypes.upcast(other, dtypes.python_scalar_dtype(value, other))
        if isinstance(value, bool) or (
            not dtypes.is_discrete(other) or (isinstance(value, int) and other != "bool")
        ):
            assert result == other
        elif isinstance(value, int):
            assert result == "int64"
        else:
            assert result == floatX


@pytest.mark.parametrize("other", ALL)
@pytest.mark.parametrize("value", [True, 3, 0.1, 1j])
def test_weak_under_float64_is_numpys_rule(other: str, value: complex) -> None:
    expected = (np.ones(2, other) * value).dtype.name
    result = dtypes.upcast(other, dtypes.python_scalar_dtype(value, other, policy="weak"))
    assert result == expected


@pytest.mark.parametrize(
    ("value", "dtype", "limits"),
    [(300, "uint8", "0 to 255"), (-1, "uint64", "0 to 18446744073709551615"),
     (2**31, "int32", "-2147483648 to 2147483647"), (128, "int8", "-128 to 127")],
)  # fmt: skip
def test_weak_int_out_of_range(value: int, dtype: str, limits: str) -> None:
    with pytest.raises(LiteralOverflowError) as caught:
        dtypes.python_scalar_dtype(value, dtype, policy="weak")
    text = str(caught.value)
    assert f"the Python integer {value} does not fit {dtype}" in text
    assert limits in text
    assert "hint: cast" in text


@pytest.mark.parametrize("policy", ["weak", "custom"])
@pytest.mark.parametrize("name", ALL)
def test_numpy_scalars_keep_their_dtype(policy: str, name: str) -> None:
    for value in (np.dtype(name).type(1), np.zeros((), name)):
        assert dtypes.python_scalar_dtype(value, "int8", policy=policy) == name


@pytest.mark.parametrize("value", ["1", None, [1], object()])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(DTypeError, match="a number is expected"):
        dtypes.python_scalar_dtype(value)


# ---------------------------------------------------------------------------------------------
# Quotients, inexact functions, reductions
# ---------------------------------------------------------------------------------------------

CUSTOM_FLOAT_OF = {
    "bool": "float32",
    "int8": "float32",
    "int16": "float32",
    "int32": "float64",
    "int64": "float64",
    "uint8": "float32",
    "uint16": "float32",
    "uint32": "float64",
    "uint64": "float64",
    "float16": "float16",
    "float32": "float32",
    "float64": "float64",
    "complex64": "complex64",
    "complex128": "complex128",
}


@pytest.mark.parametrize("floatX", ["float64", "float32", "float16"])
@pytest.mark.parametrize("name", ALL)
def test_dtype_of_exp(floatX: str, name: str) -> None:
    with change_flags(floatX=floatX):
        assert dtypes.float_dtype_of(name, policy="custom") == CUSTOM_FLOAT_OF[name]
        weak = floatX if name == "bool" or name in INTS else name
        assert dtypes.float_dtype_of(name, policy="weak") == weak


def test_dtype_of_arctan2() -> None:
    assert dtypes.float_dtype_of("int8", "float64", policy="custom") == "float64"
    assert dtypes.float_dtype_of("int32", "float32", policy="custom") == "float64"
    assert dtypes.float_dtype_of("int8", "int16", policy="custom") == "float32"
    with change_flags(floatX="float32"):
        assert dtypes.float_dtype_of("int64", "float32", policy="weak") == "float32"
        assert dtypes.float_dtype_of("int64", "int8", policy="weak") == "float32"
        assert dtypes.float_dtype_of("int64", "float64", policy="weak") == "float64"


@pytest.mark.parametrize(("policy", "floatX"), SETTINGS)
def test_dtype_of_a_quotient(policy: str, floatX: str) -> None:
    discrete = ["bool", *INTS]
    table = cells(TABLES[policy, floatX])
    with change_flags(cast_policy=policy, floatX=floatX):
        for pair in itertools.product(ALL, ALL):
            both = pair[0] in discrete and pair[1] in discrete
            assert dtypes.true_div_dtype(*pair) == (floatX if both else table[pair]), pair


# dtype: (sum, accumulator, custom mean, custom var with ddof=1, custom cumsum, weak cumsum)
REDUCTIONS = {
    "bool": ("int64", "int64", "float64", "float64", "bool", "int64"),
    "int8": ("int64", "int64", "float64", "float64", "int8", "int64"),
    "int16": ("int64", "int64", "float64", "float64", "int16", "int64"),
    "int32": ("int64", "int64", "float64", "float64", "int32", "int64"),
    "int64": ("int64", "int64", "float64", "float64", "int64", "int64"),
    "uint8": ("uint64", "uint64", "float64", "float64", "uint8", "uint64"),
    "uint16": ("uint64", "uint64", "float64", "float64", "uint16", "uint64"),
    "uint32": ("uint64", "uint64", "float64", "float64", "uint32", "uint64"),
    "uint64": ("uint64", "uint64", "float64", "float64", "uint64", "uint64"),
    "float16": ("float16", "float32", "float16", "float64", "float16", "float16"),
    "float32": ("float32", "float64", "float32", "float64", "float32", "float32"),
    "float64": ("float64", "float64", "float64", "float64", "float64", "float64"),
    "complex64": ("complex64", "complex128", "complex64", "complex128", "complex64", "complex64"),
    "complex128": ("complex128",) * 6,
}


@pytest.mark.parametrize("floatX", ["float64", "float32"])
@pytest.mark.parametrize("name", ALL)
def test_reductions(floatX: str, name: str) -> None:
    total, accumulator, mean, var1, custom_cumsum, weak_cumsum = REDUCTIONS[name]
    discrete = name == "bool" or name in INTS
    with change_flags(floatX=floatX):
        for policy in ("weak", "custom"):
            assert dtypes.sum_dtype(name, policy=policy) == total
            assert dtypes.acc_dtype(name, policy=policy) == accumulator
        assert dtypes.mean_dtype(name, policy="custom") == mean
        assert dtypes.var_dtype(name, policy="custom") == mean
        assert dtypes.var_dtype(name, 1, policy="custom") == var1
        assert dtypes.cumulative_dtype(name, policy="custom") == custom_cumsum
        assert dtypes.cumulative_dtype(name, policy="weak") == weak_cumsum
        weak_mean = floatX if discrete else name
        weak_var = {"complex64": "float32", "complex128": "float64"}.get(name, weak_mean)
        assert dtypes.mean_dtype(name, policy="weak") == weak_mean
        for ddof in (0, 1):
            assert dtypes.var_dtype(name, ddof, policy="weak") == weak_var


@pytest.mark.parametrize("name", ALL)
def test_weak_reductions_have_numpys_dtypes(name: str) -> None:
    x = np.ones((2, 2), name)
    with change_flags(cast_policy="weak", floatX="float64"):
        assert dtypes.sum_dtype(name) == x.sum().dtype.name
        assert dtypes.cumulative_dtype(name) == x.cumsum().dtype.name
        assert dtypes.mean_dtype(name) == x.mean().dtype.name
        assert dtypes.var_dtype(name, 1) == x.var(ddof=1).dtype.name


@pytest.mark.parametrize("ask", [dtypes.sum_dtype, dtypes.acc_dtype])
def test_requested_dtypes(ask) -> None:
    assert ask("float32", "float64", policy="custom") == "float64"
    assert ask("int64", "float32", policy="custom") == "float32"
    assert ask("int8", "int8", policy="custom") == "int8"
    assert ask("float64", "float32", policy="weak") == "float32"
    assert ask("int64", "int8", policy="weak") == "int8"
    assert ask("float64", np.float32, policy="weak") == "float32"
    for dtype, requested in (("float64", "float32"), ("int64", "int8"), ("float32", "int64")):
        with pytest.raises(DTypeError, match=f"a reduction of {dtype}.*{requested}"):
            ask(dtype, requested, policy="custom")
    for policy in ("weak", "custom"):
        with pytest.raises(DTypeError, match="precision would be lost"):
            ask("complex64", "float64", policy=policy)
        with pytest.raises(DTypeError, match="not a dtype"):
            ask("float32", "float31", policy=policy)


def test_an_accumulator_is_as_wide_as_the_result() -> None:
    assert dtypes.acc_dtype("float16", result="float64") == "float64"
    assert dtypes.acc_dtype("int8", result="float32") == "float64"
    assert dtypes.acc_dtype("float32", result="complex64") == "complex128"
    assert dtypes.acc_dtype("float32", result="float32") == "float64"


# ---------------------------------------------------------------------------------------------
# Records, names, kinds
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_records_agree_with_numpy(name: str) -> None:
    record = dtypes.DTYPES[name]
    assert record.numpy == np.dtype(name)
    assert record.itemsize == np.dtype(name).itemsize
    assert record.kind == np.dtype(name).kind
    assert record.char == np.dtype(name).char
    assert record.compute == ("float32" if name == "float16" else name)


def test_c_types() -> None:
    storage = {name: record.storage for name, record in dtypes.DTYPES.items()}
    assert storage["bool"] == "uint8_t"
    assert storage["int64"] == "int64_t"
    assert storage["float16"] == "_Float16"
    assert dtypes.DTYPES["float16"].compute_c == "float"
    assert storage["complex128"] == "double _Complex"


def test_constructor_letters() -> None:
    letters = {record.prefix: name for name, record in dtypes.DTYPES.items() if record.prefix}
    assert letters == {
        "b": "int8",
        "w": "int16",
        "i": "int32",
        "l": "int64",
        "f": "float32",
        "d": "float64",
        "c": "complex64",
        "z": "complex128",
    }


def test_kinds() -> None:
    def which(predicate) -> list[str]:
        return [name for name in ALL if predicate(name)]

    assert which(dtypes.is_float) == ["float16", "float32", "float64"]
    assert which(dtypes.is_complex) == ["complex64", "complex128"]
    assert which(dtypes.is_continuous) == [*dtypes.FLOAT_DTYPES, *dtypes.COMPLEX_DTYPES]
    assert which(dtypes.is_signed) == ["int8", "int16", "int32", "int64"]
    assert which(dtypes.is_unsigned) == ["uint8", "uint16", "uint32", "uint64"]
    assert which(dtypes.is_int) == INTS == list(dtypes.INTEGER_DTYPES)
    assert which(dtypes.is_discrete) == ["bool", *INTS] == list(dtypes.DISCRETE_DTYPES)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("float32", "float32"),
        ("floatX", "float64"),
        ("f4", "float32"),
        (">f8", "float64"),
        (np.dtype(">i4"), "int32"),
        (np.float16, "float16"),
        (float, "float64"),
        (int, "int64"),
        (bool, "bool"),
        (complex, "complex128"),
        ("longlong", "int64"),
        ("intc", "int32"),
    ],
)
def test_canonical_names(given: object, expected: str) -> None:
    assert dtypes.canonical(given) == expected


@pytest.mark.parametrize("given", ["float31", "U3", "M8[s]", "object", None, 3, ""])
def test_unknown_dtypes(given: object) -> None:
    with pytest.raises(DTypeError) as caught:
        dtypes.canonical(given)
    assert repr(given) in str(caught.value)
    assert "float32" in str(caught.value)


def test_safe_casts() -> None:
    assert dtypes.can_cast_safely("int8", "float16")
    assert dtypes.can_cast_safely("float32", "complex64")
    assert dtypes.can_cast_safely("bool", "int8")
    assert not dtypes.can_cast_safely("float64", "float32")
    assert not dtypes.can_cast_safely("int8", "uint8")
    assert not dtypes.can_cast_safely("complex64", "float64")


def test_real_and_complex_counterparts() -> None:
    assert dtypes.real_dtype_of("complex64") == "float32"
    assert dtypes.real_dtype_of("complex128") == "float64"
    assert dtypes.real_dtype_of("int8") == "int8"
    assert dtypes.complex_dtype_of("float16") == "complex64"
    assert dtypes.complex_dtype_of("float64") == "complex128"
    assert dtypes.complex_dtype_of("complex64") == "complex64"
    with change_flags(floatX="float32"):
        assert dtypes.complex_dtype_of("int64") == "complex64"
