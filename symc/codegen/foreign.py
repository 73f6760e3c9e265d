"""The C++ text of one user's op: an extension module around the user's own statements.

The module has one function, ``create(params)``, which makes the struct of a node and returns the
function that computes it: from a list of values to a list of results. What the user wrote stands in
scopes of its own, so that jumps to the end of a scope, on errors, pass no declaration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["MODULE_NAME", "Operand", "UserText", "foreign_source"]

MODULE_NAME = "symc_user_op"


@dataclass(frozen=True)
class Operand:
    """How a value is a C variable.

    Attributes
    ----------
    name : str
        The C variable.
    declare : str
        Its declaration, at the place where members of a struct are declared.
    init : str
        Statements that make it empty.
    extract : str
        Statements that take it from ``py_<name>``, a borrowed reference.
    sync : str
        Statements that put it into ``py_<name>``, a new reference.
    cleanup : str
        Statements that let go of it.
    overwritten : bool
        Whether the op writes into this input, so that it gets a copy.
    """

    name: str
    declare: str
    init: str
    extract: str
    sync: str = ""
    cleanup: str = ""
    overwritten: bool = False


@dataclass
class UserText:
    """What an op says, each part as text.

    Attributes
    ----------
    parts : mapping
        ``support``, ``support_apply``, ``support_struct``, ``init_module``, ``init_struct``,
        ``cleanup_struct``, ``code``, ``code_cleanup``; missing ones are empty.
    headers : list of str
    inputs, outputs : list of Operand
    params : Operand or None
    """

    parts: Mapping[str, str]
    headers: Sequence[str] = ()
    inputs: Sequence[Operand] = ()
    outputs: Sequence[Operand] = ()
    params: Operand | None = None
    version: str = ""
    type_support: Sequence[str] = field(default_factory=tuple)


_HEAD = """#include <Python.h>
#include <numpy/arrayobject.h>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <math.h>
"""

_MODULE = """
static PyObject *symc_run(PyObject *self, PyObject *values) {
  symc_node *node = (symc_node *)PyCapsule_GetPointer(self, "symc_node");
  return node ? node->run(values) : NULL;
}

static PyMethodDef symc_run_def = {"run", symc_run, METH_O, NULL};

static void symc_drop(PyObject *capsule) {
  delete (symc_node *)PyCapsule_GetPointer(capsule, "symc_node");
}

static PyObject *symc_create(PyObject *, PyObject *params) {
  symc_node *node = new symc_node();
  if (node->init(params) < 0) {
    delete node;
    return NULL;
  }
  PyObject *capsule = PyCapsule_New(node, "symc_node", symc_drop);
  if (!capsule) {
    delete node;
    return NULL;
  }
  PyObject *function = PyCFunction_New(&symc_run_def, capsule);
  Py_DECREF(capsule);
  return function;
}

static PyMethodDef symc_methods[] = {{"create", symc_create, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef symc_module = {
    PyModuleDef_HEAD_INIT, "%(module)s", NULL, -1, symc_methods, NULL, NULL, NULL, NULL};

static int symc_init_module() {
%(init_module)s
  return 0;
}

PyMODINIT_FUNC PyInit_%(module)s(void) {
  import_array();
  PyObject *module = PyModule_Create(&symc_module);
  if (module && (symc_init_module() < 0 || PyErr_Occurred())) Py_CLEAR(module);
  return module;
}
"""


def failing(label: str) -> str:
    """What ``sub['fail']`` stands for: leave the scope, with an exception set."""
    return (
        "{ symc_failed = 1; if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "
        '"the C code of an op has failed and set no Python exception"); '
        f"goto {label}; }}"
    )


def foreign_source(text: UserText) -> str:
    """The text of the unit.

    Parameters
    ----------
    text : UserText

    Returns
    -------
    str
        C++ that needs Python's and NumPy's headers.
    """
    parts = {**dict.fromkeys(_PARTS, ""), **text.parts}
    includes = "".join(
        f"#include {h if h[:1] in '<' + chr(34) else f'<{h}>'}\n" for h in text.headers
    )
    pieces = [
        f"/* version {text.version} */\n" if text.version else "",
        _HEAD,
        includes,
        *text.type_support,
        parts["support"],
        parts["support_apply"],
        _struct(text, parts),
        _MODULE % {"module": MODULE_NAME, "init_module": parts["init_module"]},
    ]
    return "\n".join(p for p in pieces if p)


_PARTS = (
    *("support", "support_apply", "support_struct", "init_module", "init_struct"),
    *("cleanup_struct", "code", "code_cleanup"),
)


def _struct(text: UserText, parts: Mapping[str, str]) -> str:
    params = [] if text.params is None else [text.params]
    return f"""struct symc_node {{
{_lines(f"{x.declare} PyObject *py_{x.name};" for x in params)}
  int symc_begun;
{parts["support_struct"]}

  symc_node() : symc_begun(0) {{
{_lines(f"py_{x.name} = NULL; {x.init}" for x in params)}
  }}

  ~symc_node() {{
    if (symc_begun) {{
{parts["cleanup_struct"]}
    }}
{_lines(f"{x.cleanup} Py_XDECREF(py_{x.name});" for x in params)}
  }}

  int init(PyObject *symc_params) {{
    int symc_failed = 0;
    {{
{_lines(_take_params(x) for x in params)}
      symc_begun = 1;
      {{
{parts["init_struct"]}
      }}
    }}
  symc_init_end:
    if (!symc_failed && PyErr_Occurred()) symc_failed = 1;
    return symc_failed ? -1 : 0;
  }}
{_run(text, parts)}
}};
"""


def _run(text: UserText, parts: Mapping[str, str]) -> str:
    """The method that computes; operands are its own, so calls may overlap."""
    operands = [*text.inputs, *text.outputs]
    given = "\n".join(_take(k, x) for k, x in enumerate(text.inputs))
    results = "\n".join(
        f"  {{ {y.sync} }}\n  PyList_SET_ITEM(results, {k}, py_{y.name});\n"
        f"  py_{y.name} = NULL;"
        for k, y in enumerate(text.outputs)
    )
    return f"""
  PyObject *run(PyObject *values) {{
    PyObject *results = NULL;
    int symc_failed = 0;
    if (!PyList_Check(values) || PyList_GET_SIZE(values) != {len(text.inputs)})
      return PyErr_Format(PyExc_ValueError, "the C code of this op takes a list of %d values",
                          {len(text.inputs)});
{_lines(f"{x.declare} PyObject *py_{x.name} = NULL; {x.init}" for x in operands)}
    {{
{given}
      {{
{parts["code"]}
      }}
    }}
  symc_code_end:
    {{
{parts["code_cleanup"]}
    }}
    if (!symc_failed && PyErr_Occurred()) symc_failed = 1;
    if (!symc_failed) {{
      results = PyList_New({len(text.outputs)});
      if (results) {{
{results}
      }}
    }}
{_lines(f"{{ {x.cleanup} }} Py_XDECREF(py_{x.name});" for x in operands)}
    if (results && PyErr_Occurred()) Py_CLEAR(results);
    return results;
  }}"""


def _lines(texts: object) -> str:
    return "\n".join(f"    {t}" for t in texts)  # type: ignore[attr-defined]


def _take_params(x: Operand) -> str:
    fail = failing("symc_init_end")
    return (
        f"py_{x.name} = symc_params; Py_INCREF(py_{x.name});\n"
        f"      {{ {x.extract.replace('@FAIL@', fail)} }}"
    )


def _take(k: int, x: Operand) -> str:
    """Statements that take input `k` from the list."""
    fail = failing("symc_code_end")
    copy = ""
    if x.overwritten:
        copy = (
            f"  if (PyArray_Check(py_{x.name})) {{ PyObject *own = (PyObject *)PyArray_NewCopy("
            f"(PyArrayObject *)py_{x.name}, NPY_ANYORDER); if (!own) {fail} "
            f"Py_SETREF(py_{x.name}, own); }}\n"
        )
    return (
        f"  py_{x.name} = PyList_GET_ITEM(values, {k}); Py_INCREF(py_{x.name});\n{copy}"
        f"  {{ {x.extract.replace('@FAIL@', fail)} }}"
    )
