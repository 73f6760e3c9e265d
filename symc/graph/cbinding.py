"""How values of a type become C variables in the C code of users' ops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FAIL", "CBinding", "c_binding"]

FAIL = "@FAIL@"
"""Stands in the texts for the statement that leaves the scope with an exception set."""

_ARRAY = """
if (!PyArray_Check(py_{name}) ||
    PyArray_TYPE((PyArrayObject *)py_{name}) != {num} ||
    PyArray_NDIM((PyArrayObject *)py_{name}) != {ndim}) {{
  PyErr_SetString(PyExc_TypeError, "expected an array of dtype {dtype} with {ndim} axes");
  @FAIL@
}}
{name} = (PyArrayObject *)py_{name};
Py_INCREF({name});
"""

_NUMBER = """
{{
  PyObject *symc_array = PyArray_FromAny(
      py_{name}, PyArray_DescrFromType({num}), 0, 0, NPY_ARRAY_CARRAY_RO, NULL);
  if (!symc_array) @FAIL@
  {name} = *({ctype} *)PyArray_DATA((PyArrayObject *)symc_array);
  Py_DECREF(symc_array);
}}
"""


@dataclass(frozen=True)
class CBinding:
    """Texts about one C variable; ``py_<name>`` is the Python object.

    Attributes
    ----------
    declare, init, extract, sync, cleanup : str
        Declaration; making it empty; taking it from the object; giving an object (a new
        reference); letting go.
    """

    name: str
    declare: str
    init: str
    extract: str
    sync: str
    cleanup: str


def c_binding(type_: Any, name: str) -> CBinding:
    """The C variable for a value of `type_`.

    Parameters
    ----------
    type_ : Type
        A type with ``c_declare``, ``c_init``, ``c_extract``, ``c_sync`` and ``c_cleanup`` speaks
        for itself; tensors are arrays, other types with a dtype are numbers, the rest objects.
    name : str

    Returns
    -------
    CBinding
    """
    if hasattr(type_, "c_declare"):
        sub = {"fail": FAIL}
        return CBinding(
            name,
            type_.c_declare(name, sub),
            type_.c_init(name, sub),
            type_.c_extract(name, sub),
            type_.c_sync(name, sub),
            type_.c_cleanup(name, sub),
        )
    dtype = getattr(type_, "dtype", None)
    empty = f"{name} = NULL;"
    give = f"py_{name} = {name} ? (PyObject *){name} : Py_None; Py_INCREF(py_{name});"
    let_go = f"Py_XDECREF({name}); {name} = NULL;"
    if dtype is None:
        take = f"{name} = py_{name}; Py_INCREF({name});"
        return CBinding(name, f"PyObject *{name};", empty, take, give, let_go)
    number, ctype = np.dtype(dtype).num, f"npy_{dtype}"
    if getattr(type_, "broadcastable", None) is None:
        take = _NUMBER.format(name=name, num=number, ctype=ctype)
        wrap = f"py_{name} = PyArray_Scalar(&{name}, PyArray_DescrFromType({number}), NULL);"
        declare = f"{ctype} {name}; typedef {ctype} dtype_{name};"
        return CBinding(name, declare, f"{name} = 0;", take, wrap, "")
    take = _ARRAY.format(name=name, num=number, ndim=type_.ndim, dtype=dtype)
    declare = f"PyArrayObject *{name}; typedef {ctype} dtype_{name};"
    return CBinding(name, declare, empty, take, give, let_go)
