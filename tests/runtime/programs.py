"""Hand-written programs for the call path, and a plain subclass of the callable."""

from __future__ import annotations

from typing import Any

import numpy as np

from symc.runtime import FunctionBase, compile_library, native_program

HEAD = """
#include "symc_abi.h"
const int symc_abi_version = SY_ABI_VERSION;
"""

VECTOR_IN = ("float64", 1, (False,), "")
MATRIX_IN = ("float64", 2, (False, False), "")
SCALAR_IN = ("float64", 0, (), "")
VECTOR_OUT = ("fresh", "float64", 1, -1)
MATRIX_OUT = ("fresh", "float64", 2, -1)

#: y = 2 x + 1 for a vector of any stride
AFFINE = (
    HEAD
    + """
int symc_prologue(sy_call *c) { c->out[0].n[0] = c->in[0].n[0]; c->work = 1; return SY_OK; }
int symc_body(sy_call *c) {
  const double *x = (const double *)c->in[0].data;
  double *y = (double *)c->out[0].data;
  for (int64_t i = 0; i < c->in[0].n[0]; i++) y[i] = x[i * c->in[0].s[0]] * 2 + 1;
  return SY_OK;
}
"""
)

#: y = x transposed, whatever the strides; reports the strides that the program saw
TRANSPOSE = (
    HEAD
    + """
int symc_prologue(sy_call *c) {
  c->out[0].n[0] = c->in[0].n[1];
  c->out[0].n[1] = c->in[0].n[0];
  c->out[1].n[0] = 2;
  c->work = 1;
  return SY_OK;
}
int symc_body(sy_call *c) {
  const sy_value *x = &c->in[0];
  double *y = (double *)c->out[0].data;
  int64_t *s = (int64_t *)c->out[1].data;
  for (int64_t j = 0; j < x->n[1]; j++)
    for (int64_t i = 0; i < x->n[0]; i++)
      y[j * c->out[0].s[0] + i * c->out[0].s[1]] =
          ((const double *)x->data)[i * x->s[0] + j * x->s[1]];
  s[0] = x->s[0];
  s[1] = x->s[1];
  return SY_OK;
}
"""
)


class PlainFunction(FunctionBase):
    """Converts by NumPy, and reports errors as records."""

    def __init__(self, *args: Any, dtypes: Any = ("float64",), names: Any = ("x",)) -> None:
        super().__init__(*args)
        self.dtypes = dtypes
        self.names = names
        self.converted: list[int] = []
        self.another: Any = None

    def _convert(self, position: int, value: Any) -> Any:
        self.converted.append(position)
        dtype = self.dtypes[position]
        if dtype is None:
            return value
        array = np.array(value, dtype=dtype, copy=True, subok=False)
        return array.newbyteorder("=") if not array.dtype.isnative else array

    def _arrange(self, args: Any, kwargs: Any) -> Any:
        values = dict(zip(self.names, args, strict=False), **kwargs)
        if set(values) != set(self.names) or len(args) + len(kwargs) > self.nargs:
            raise TypeError(f"inputs are {self.names}")
        return [values[name] for name in self.names]

    def _another_variant(self, args: Any) -> Any:
        return self.another(args)

    def _explain(self, program: Any, record: Any, args: Any, cause: Any) -> Exception:
        return FailureError(program.info, record, args, cause)


class FailureError(Exception):
    """What `PlainFunction` raises: notes of the program, record, inputs, cause."""

    @property
    def record(self) -> tuple[int, int, tuple[int, ...]]:
        return self.args[1]


def program(text: str, **description: Any) -> Any:
    """Compile and load one program."""
    return native_program(compile_library({"main": text}), **description)


def function(text: str, returns: Any = "single", **description: Any) -> PlainFunction:
    """A callable of one hand-written program."""
    made = program(text, **description)
    inputs = description.get("inputs", ())
    names = ("x", "y", "z", "u", "v", "w")[: len(inputs)]
    return PlainFunction(
        len(inputs), returns, [made], dtypes=[spec[0] for spec in inputs], names=names
    )
