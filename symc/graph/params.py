"""Parameters of ops: values that are no operands, seen by ``perform`` and by C code.

``params_type`` of an op is the type of the parameter; `ParamsType` has several, by name.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
from collections.abc import Sequence
from typing import Any

from symc.errors import user_message
from symc.graph.cbinding import FAIL, c_binding
from symc.graph.node import Type

__all__ = ["CDataType", "CEnumType", "EnumList", "EnumType", "Params", "ParamsType"]

_WORD = re.compile(r"[A-Za-z_]\w*\Z")


class _CSpeaking(Type):
    """Base of types that say themselves how they are C variables."""

    def c_support_code(self) -> str:
        """Return declarations that C code with values of this type needs."""
        return ""

    def c_sync(self, name: str, sub: dict[str, str]) -> str:
        """Return statements that make ``py_<name>``; by default parameters are never results."""
        return f"py_{name} = Py_None; Py_INCREF(py_{name});"

    def c_cleanup(self, name: str, sub: dict[str, str]) -> str:
        """Return statements that let go of the variable."""
        return ""


class Params(dict[str, Any]):
    """Values of the fields of a `ParamsType`; also attributes.

    Parameters
    ----------
    params_type : ParamsType
    **values
        One per field.

    Raises
    ------
    TypeError
        If a field is missing or too many are given.
    """

    def __init__(self, params_type: ParamsType, **values: Any) -> None:
        if set(values) != set(params_type.fields):
            raise TypeError(
                user_message(
                    "the values of parameters do not fit their type",
                    got=", ".join(sorted(values)) or "nothing",
                    expected=", ".join(params_type.fields),
                )
            )
        super().__init__(values)
        self.__params_type__ = params_type

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no parameter {name!r} in {sorted(self)}") from None

    def __reduce__(self) -> Any:
        return _params, (self.__params_type__, dict(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Params) or self.__params_type__ != other.__params_type__:
            return False
        types = self.__params_type__
        return all(
            t.values_eq(self[f], other[f])
            for f, t in zip(types.fields, types.types, strict=True)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self.__params_type__, tuple(map(str, self.values()))))


def _params(params_type: ParamsType, values: dict[str, Any]) -> Params:
    return Params(params_type, **values)


class ParamsType(_CSpeaking):
    """Several parameters, by name.

    Parameters
    ----------
    **fields : Type
        In C code ``params`` is a pointer to a struct with these members.

    Examples
    --------
    >>> from symc.graph.params import EnumList, ParamsType
    >>> params = ParamsType(order=EnumList("C_ORDER", "F_ORDER"))
    >>> params.filter(params.get_params(order="F_ORDER")).order
    1
    """

    def __init__(self, **fields: Type) -> None:
        if not fields:
            raise ValueError("ParamsType needs at least one field")
        for name, type_ in fields.items():
            if not isinstance(type_, Type):
                raise TypeError(f"field {name!r} of ParamsType must be a Type, got {type_!r}")
        self.fields = tuple(sorted(fields))
        self.types = tuple(fields[name] for name in self.fields)
        self.length = len(self.fields)
        text = repr([(name, str(fields[name])) for name in self.fields])
        self.name = f"symc_params_{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def __eq__(self, other: object) -> bool:
        same = type(self) is type(other)
        return same and self.fields == other.fields and self.types == other.types  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self.fields, self.types))

    def __str__(self) -> str:
        inside = ", ".join(f"{f}: {t}" for f, t in zip(self.fields, self.types, strict=True))
        return f"ParamsType<{inside}>"

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and "types" in self.__dict__:  # constants of enumerations
            for type_ in self.types:
                if isinstance(type_, EnumType) and name in type_:
                    return type_[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def has_type(self, type_: Type) -> bool:
        """Tell whether a field has this type."""
        return type_ in self.types

    def get_type(self, field: str) -> Type:
        """Return the type of a field."""
        return self.types[self.fields.index(field)]

    def get_field(self, type_: Type) -> str:
        """Return the first field of this type."""
        return self.fields[self.types.index(type_)]

    def extended(self, **fields: Type) -> ParamsType:
        """Return a type with more fields."""
        return ParamsType(**dict(zip(self.fields, self.types, strict=True)), **fields)

    def get_params(self, *objects: Any, **values: Any) -> Params:
        """Collect values of the fields: from `values`, or attributes of `objects`.

        Raises
        ------
        AttributeError
            If nothing has a value for a field.
        """
        found = {}
        for name, type_ in zip(self.fields, self.types, strict=True):
            if name in values:
                found[name] = type_.filter(values[name])
                continue
            holder = next((o for o in objects if hasattr(o, name)), None)
            if holder is None:
                raise AttributeError(f"no value for the parameter {name!r} of {self}")
            found[name] = type_.filter(getattr(holder, name))
        return Params(self, **found)

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Return `data` as `Params` of this type."""
        if not isinstance(data, Params):
            raise TypeError(f"expected Params, got {data!r} of {type(data).__name__}")
        if set(data) != set(self.fields):
            raise TypeError(f"expected the parameters {self.fields}, got {sorted(data)}")
        values = {
            f: t.filter(data[f], strict=strict, allow_downcast=allow_downcast)
            for f, t in zip(self.fields, self.types, strict=True)
        }
        return Params(self, **values)

    def c_support_code(self) -> str:
        """Return the struct and what its members need."""
        below = [t.c_support_code() for t in self.types if hasattr(t, "c_support_code")]
        members = [c_binding(t, f) for f, t in zip(self.fields, self.types, strict=True)]
        declared = "\n".join(f"  {m.declare}\n  PyObject *py_{m.name};" for m in members)
        empty = " ".join(f"py_{m.name} = NULL; {m.init}" for m in members)
        taken = "\n".join(
            f'    py_{m.name} = PyObject_GetAttrString(symc_object, "{m.name}");\n'
            f"    if (!py_{m.name}) return -1;\n"
            f"    {{ {m.extract.replace(FAIL, '{ return -1; }')} }}"
            for m in members
        )
        dropped = " ".join(f"{m.cleanup} Py_XDECREF(py_{m.name});" for m in members)
        struct = (
            f"#ifndef SYMC_{self.name}\n#define SYMC_{self.name}\nstruct {self.name} {{\n"
            f"{declared}\n  {self.name}() {{ {empty} }}\n  ~{self.name}() {{ {dropped} }}\n"
            f"  int take(PyObject *symc_object) {{\n{taken}\n    return 0;\n  }}\n}};\n#endif\n"
        )
        return "\n".join([*below, struct])

    def c_declare(self, name: str, sub: dict[str, str]) -> str:
        """Declare a pointer to the struct."""
        return f"{self.name} *{name};"

    def c_init(self, name: str, sub: dict[str, str]) -> str:
        """Make the pointer empty."""
        return f"{name} = NULL;"

    def c_extract(self, name: str, sub: dict[str, str]) -> str:
        """Fill a new struct from the object's attributes."""
        return f"{name} = new {self.name}(); if ({name}->take(py_{name}) < 0) {sub['fail']}"

    def c_cleanup(self, name: str, sub: dict[str, str]) -> str:
        """Delete the struct."""
        return f"delete {name}; {name} = NULL;"


class EnumType(_CSpeaking, dict[str, Any]):  # type: ignore[misc]
    """Named constants, which are macros in C code.

    Parameters
    ----------
    ctype : str
        C type of a value; default ``"double"``.
    cname : str, optional
        Accepted as in Theano.
    **constants
        Names (in capital letters) and values; a value may be given as ``(alias, value)``.
    """

    default_ctype = "double"

    def __init__(
        self, ctype: str | None = None, cname: str | None = None, **constants: Any
    ) -> None:
        self.aliases: dict[str, str] = {}
        values = {}
        for name, value in constants.items():
            if isinstance(value, (tuple, list)) and len(value) == 2:
                self.aliases[value[0]], value = name, value[1]
            values[name] = int(value) if isinstance(value, bool) else value
        _check_names(values, self.aliases)
        self.ctype = ctype or self.default_ctype
        self.cname = cname
        dict.__init__(self, values)

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"{type(self).__name__} has no constant {name!r}")

    def _key(self) -> Any:
        aliases = tuple(sorted(self.aliases.items()))
        return (type(self), self.ctype, tuple(self.items()), aliases)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnumType) and self._key() == other._key()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self._key())

    def __str__(self) -> str:
        inside = ", ".join(f"{k}:{v}" for k, v in self.items())
        return f"{type(self).__name__}<{self.ctype}>({inside})"

    __repr__ = __str__

    def fromalias(self, alias: str) -> Any:
        """Return the value of a constant by its alias or name."""
        return self[self.aliases.get(alias, alias)]

    def has_alias(self, alias: str) -> bool:
        """Tell whether there is such an alias."""
        return alias in self.aliases

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Return the value of a constant, given by value, name or alias."""
        if isinstance(data, str) and not strict:
            name = self.aliases.get(data, data)
            if name in self:
                return self[name]
        elif data in self.values():
            return data
        raise TypeError(
            user_message(
                "a value is none of the constants of an enumeration",
                got=repr(data),
                expected=", ".join(f"{k} ({v})" for k, v in self.items()),
            )
        )

    def values_eq(self, a: Any, b: Any) -> bool:
        """Tell whether two values are equal."""
        return bool(a == b)

    def c_support_code(self) -> str:
        """Return the constants as macros."""
        return "".join(
            f"#ifndef {k}\n#define {k} (({self.ctype})({v}))\n#endif\n" for k, v in self.items()
        )

    def c_declare(self, name: str, sub: dict[str, str]) -> str:
        """Declare a number."""
        return f"{self.ctype} {name};"

    def c_init(self, name: str, sub: dict[str, str]) -> str:
        """Set it to zero."""
        return f"{name} = ({self.ctype})0;"

    def c_extract(self, name: str, sub: dict[str, str]) -> str:
        """Take it from a Python number."""
        return (
            f"{{ double symc_number = PyFloat_AsDouble(py_{name}); "
            f"if (symc_number == -1.0 && PyErr_Occurred()) {sub['fail']} "
            f"{name} = ({self.ctype})symc_number; }}"
        )


class EnumList(EnumType):
    """Constants that are numbered from 0.

    Parameters
    ----------
    *names : str or (str, str)
        Names, or pairs of name and alias.
    ctype : str
        Default ``"int"``.
    """

    default_ctype = "int"

    def __init__(self, *names: Any, ctype: str | None = None, cname: str | None = None) -> None:
        pairs = [(n, None) if isinstance(n, str) else tuple(n) for n in names]
        constants = {
            name: k if alias is None else (alias, k) for k, (name, alias) in enumerate(pairs)
        }
        if len(constants) != len(pairs):
            raise AttributeError(f"names of an enumeration must differ, got {list(names)}")
        super().__init__(ctype, cname, **constants)


class CEnumType(EnumList):
    """Constants that C headers define: in Python they are numbered, in C they are themselves."""

    def c_support_code(self) -> str:
        """Return nothing: the names belong to C."""
        return ""

    def c_extract(self, name: str, sub: dict[str, str]) -> str:
        """Take the constant that has the number."""
        cases = " ".join(f"case {v}: {name} = {k}; break;" for k, v in self.items())
        return (
            f"switch (PyLong_AsLong(py_{name})) {{ {cases} default: "
            f'PyErr_SetString(PyExc_ValueError, "no constant has this number"); {sub["fail"]} }}'
        )


def _check_names(values: dict[str, Any], aliases: dict[str, str]) -> None:
    for name, value in values.items():
        if not _WORD.match(name) or name != name.upper():
            raise AttributeError(
                f"names of an enumeration must be C words in capital letters, got {name!r}"
            )
        if not isinstance(value, (int, float)):
            raise TypeError(f"the constant {name} must be a number, got {value!r}")
    for alias in aliases:
        if not isinstance(alias, str) or alias in values:
            raise TypeError(f"an alias must be a string that is no constant, got {alias!r}")


class CDataType(_CSpeaking):
    """A C pointer, kept in a capsule.

    Parameters
    ----------
    ctype : str
        The pointer's type, for example ``"struct state*"``.
    freefunc : str, optional
        C function that frees what a result of an op points to.
    headers, header_dirs, libraries, lib_dirs : sequence of str
        What C code with it needs.
    extra_support_code : str
    version : object, optional
        Accepted as in Theano.
    """

    __props__ = ("ctype", "freefunc", "headers", "extra_support_code")

    def __init__(
        self,
        ctype: str,
        freefunc: str | None = None,
        headers: Sequence[str] = (),
        header_dirs: Sequence[str] = (),
        libraries: Sequence[str] = (),
        lib_dirs: Sequence[str] = (),
        extra_support_code: str = "",
        version: Any = None,
    ) -> None:
        self.ctype = ctype
        self.freefunc = freefunc
        self.headers = tuple(headers)
        self.header_dirs = tuple(header_dirs)
        self.libraries = tuple(libraries)
        self.lib_dirs = tuple(lib_dirs)
        self.extra_support_code = extra_support_code
        self.version = version

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Return `data` if it is a capsule."""
        if type(data).__name__ != "PyCapsule":
            raise TypeError(f"expected a PyCapsule, got {data!r}")
        return data

    @staticmethod
    def make_value(pointer: int) -> Any:
        """Return a capsule around an address."""
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(pointer, None, None)

    def c_headers(self) -> list[str]:
        """Return the headers."""
        return list(self.headers)

    def c_header_dirs(self) -> list[str]:
        """Return directories of headers."""
        return list(self.header_dirs)

    def c_libraries(self) -> list[str]:
        """Return the libraries."""
        return list(self.libraries)

    def c_lib_dirs(self) -> list[str]:
        """Return directories of libraries."""
        return list(self.lib_dirs)

    def c_support_code(self) -> str:
        """Return the declarations, and the destructor of capsules."""
        word = self._destructor()
        if self.freefunc is None:
            return self.extra_support_code
        return (
            f"{self.extra_support_code}\n#ifndef {word}_\n#define {word}_\n"
            f"static void {word}(PyObject *capsule) {{ "
            f"{self.freefunc}(({self.ctype})PyCapsule_GetPointer(capsule, NULL)); }}\n#endif\n"
        )

    def _destructor(self) -> str:
        text = f"{self.ctype} {self.freefunc}"
        return f"symc_free_{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def c_declare(self, name: str, sub: dict[str, str]) -> str:
        """Declare the pointer."""
        return f"{self.ctype} {name};"

    def c_init(self, name: str, sub: dict[str, str]) -> str:
        """Make it NULL."""
        return f"{name} = NULL;"

    def c_extract(self, name: str, sub: dict[str, str]) -> str:
        """Take it from a capsule."""
        return (
            f"{name} = ({self.ctype})PyCapsule_GetPointer(py_{name}, NULL); "
            f"if (!{name} && PyErr_Occurred()) {sub['fail']}"
        )

    def c_sync(self, name: str, sub: dict[str, str]) -> str:
        """Put it into a capsule."""
        free = "NULL" if self.freefunc is None else self._destructor()
        return (
            f"py_{name} = {name} ? PyCapsule_New((void *){name}, NULL, {free}) : NULL; "
            f"if (!py_{name}) {{ PyErr_Clear(); py_{name} = Py_None; Py_INCREF(py_{name}); }}"
        )
