/* NativeFunction: the callable, a chain of variants with the one used last in front.
 *
 * Subclasses in Python supply what only they know, as methods that are looked up when they are
 * needed, so that no reference cycle is made:
 *
 *     _arrange(args, kwargs) -> sequence      all inputs, for calls that are not plain positional
 *     _convert(position, value) -> object     a value that fits input `position`, or an exception
 *     _another_variant(args) -> variant       for arguments that every variant has refused
 *     _explain(program, (code, where, values), args, cause) -> exception
 *
 * A variant is a NativeProgram, or a callable that takes the converted inputs and returns a list
 * of outputs, or NotImplemented where it does not serve them.
 */
#include "callpath.h"

#include <stddef.h>
#include <structmember.h>

#define MOST_VARIANTS 64

typedef enum { FORM_NONE, FORM_SINGLE, FORM_LIST, FORM_DICT } result_form;

typedef struct {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  Py_ssize_t nargs;
  result_form form;
  PyObject *keys; /* tuple, for FORM_DICT */
  int count;
  PyObject *variant[MOST_VARIANTS];
} sy_function;

static PyObject *name_arrange, *name_another, *name_convert;

PyObject *sy_tuple_of(PyObject *const *values, Py_ssize_t count) {
  PyObject *tuple = PyTuple_New(count);
  for (Py_ssize_t k = 0; tuple && k < count; k++) {
    Py_INCREF(values[k]);
    PyTuple_SET_ITEM(tuple, k, values[k]);
  }
  return tuple;
}

/* ---- results ------------------------------------------------------------------------------------------------ */

/* Build what the caller gets from `count` owned references, which are taken over. */
static PyObject *shape_results(const sy_function *self, PyObject **values, Py_ssize_t count) {
  PyObject *result = NULL;
  if (self->form == FORM_NONE && count == 0) {
    Py_INCREF(Py_None);
    result = Py_None;
  } else if (self->form == FORM_SINGLE && count == 1) {
    result = values[0];
    values[0] = NULL;
  } else if (self->form == FORM_DICT && count == PyTuple_GET_SIZE(self->keys)) {
    result = PyDict_New();
    for (Py_ssize_t k = 0; result && k < count; k++)
      if (PyDict_SetItem(result, PyTuple_GET_ITEM(self->keys, k), values[k]) < 0) Py_CLEAR(result);
  } else if (self->form == FORM_LIST) {
    result = PyList_New(count);
    for (Py_ssize_t k = 0; result && k < count; k++) {
      PyList_SET_ITEM(result, k, values[k]);
      values[k] = NULL;
    }
  } else {
    PyErr_Format(PyExc_SystemError, "the program has %zd outputs, which is not what the function "
                 "returns", count);
  }
  return result;
}

static PyObject *run_python(sy_function *self, PyObject *variant, PyObject *arguments) {
  PyObject *values = PyObject_CallFunctionObjArgs(variant, arguments, NULL);
  if (!values || values == Py_NotImplemented) return values;
  PyObject *list = PySequence_List(values);
  Py_DECREF(values);
  if (!list) return NULL;
  if (self->form == FORM_LIST) return list;
  Py_ssize_t count = PyList_GET_SIZE(list);
  PyObject *one = count == 1 ? PyList_GET_ITEM(list, 0) : NULL, *result;
  if (self->form == FORM_SINGLE && one) {
    Py_INCREF(one);
    result = one;
  } else {
    result = shape_results(self, &PyList_GET_ITEM(list, 0), count);
  }
  Py_DECREF(list);
  return result;
}

/* ---- variants -------------------------------------------------------------------------------------------------- */

static PyObject *get_variants(sy_function *self, void *unused) {
  (void)unused;
  return sy_tuple_of(self->variant, self->count);
}

static void move_to_front(sy_function *self, PyObject *variant) {
  for (int k = 1; k < self->count; k++) {
    if (self->variant[k] != variant) continue;
    for (; k > 0; k--) self->variant[k] = self->variant[k - 1];
    self->variant[0] = variant;
    return;
  }
}

static int add_variant(sy_function *self, PyObject *variant) {
  if (Py_TYPE(variant) == &sy_program_type) {
    if (((sy_program *)variant)->nin != self->nargs) {
      PyErr_Format(PyExc_ValueError, "a program with %d inputs can't be a variant of a function of %zd",
                   ((sy_program *)variant)->nin, self->nargs);
      return -1;
    }
  } else if (!PyCallable_Check(variant)) {
    PyErr_Format(PyExc_TypeError, "a variant must be a NativeProgram or a callable, not %R",
                 (PyObject *)Py_TYPE(variant));
    return -1;
  }
  PyObject *last = NULL;
  if (self->count == MOST_VARIANTS)
    last = self->variant[MOST_VARIANTS - 1];
  else
    self->count++;
  for (int k = self->count - 1; k > 0; k--) self->variant[k] = self->variant[k - 1];
  Py_INCREF(variant);
  self->variant[0] = variant;
  Py_XDECREF(last);
  return 0;
}

/* Converted inputs of a refused call, for the variants that are tried next. */
static PyObject *converted(const sy_frame *f, PyObject *const *args) {
  PyObject *tuple = PyTuple_New(f->program->nin);
  for (int k = 0; tuple && k < f->program->nin; k++) {
    PyObject *value = f->held[k] ? f->held[k] : args[k];
    Py_INCREF(value);
    PyTuple_SET_ITEM(tuple, k, value);
  }
  return tuple;
}

static PyObject *convert_all(sy_function *self, PyObject *const *args) {
  PyObject *list = PyList_New(self->nargs);
  for (Py_ssize_t k = 0; list && k < self->nargs; k++) {
    PyObject *position = PyLong_FromSsize_t(k);
    PyObject *value = position ? PyObject_CallMethodObjArgs((PyObject *)self, name_convert, position,
                                                            args[k], NULL)
                               : NULL;
    Py_XDECREF(position);
    if (!value)
      Py_CLEAR(list);
    else
      PyList_SET_ITEM(list, k, value);
  }
  return list;
}

/* One variant: a result, NULL with an exception, or NotImplemented where it refuses; then *refused
 * are the converted inputs. */
static PyObject *try_variant(sy_function *self, PyObject *variant, PyObject *const *args,
                             PyObject **refused) {
  PyObject *result = NULL;
  if (Py_TYPE(variant) == &sy_program_type) {
    sy_frame *frame = NULL;
    sy_outcome outcome = sy_run((sy_program *)variant, (PyObject *)self, args, &frame);
    if (outcome == SY_RUN_RAISED) return NULL;
    if (outcome == SY_RUN_DONE) {
      result = shape_results(self, frame->result, frame->program->nout);
    } else {
      PyObject *better = converted(frame, args);
      if (better) {
        Py_XSETREF(*refused, better);
        Py_INCREF(Py_NotImplemented);
        result = Py_NotImplemented;
      }
    }
    sy_frame_give(frame);
    return result;
  }
  PyObject *list = convert_all(self, args);
  if (!list) return NULL;
  result = run_python(self, variant, list);
  if (result == Py_NotImplemented) Py_XSETREF(*refused, PyList_AsTuple(list));
  Py_DECREF(list);
  return result;
}

/* `first` has refused the inputs: try the other variants. Replaces *refused when one converts. */
static PyObject *try_others(sy_function *self, PyObject *first, PyObject **refused) {
  PyObject *variants = get_variants(self, NULL); /* the chain may change during the calls */
  if (!variants) return NULL;
  PyObject *result = Py_NotImplemented;
  Py_INCREF(result);
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(variants) && result == Py_NotImplemented; k++) {
    PyObject *variant = PyTuple_GET_ITEM(variants, k);
    if (variant == first) continue;
    Py_DECREF(result);
    PyObject *inputs = *refused;
    Py_INCREF(inputs);
    result = try_variant(self, variant, &PyTuple_GET_ITEM(inputs, 0), refused);
    Py_DECREF(inputs);
    if (result && result != Py_NotImplemented) move_to_front(self, variant);
  }
  Py_DECREF(variants);
  return result;
}

/* Have a variant made for inputs that all others have refused, and run it. */
static PyObject *call_another(sy_function *self, PyObject **refused) {
  PyObject *variant = PyObject_CallMethodObjArgs((PyObject *)self, name_another, *refused, NULL);
  if (variant && add_variant(self, variant) < 0) Py_CLEAR(variant);
  if (!variant) return NULL;
  PyObject *inputs = *refused;
  Py_INCREF(inputs);
  PyObject *result = try_variant(self, variant, &PyTuple_GET_ITEM(inputs, 0), refused);
  Py_DECREF(inputs);
  Py_DECREF(variant);
  if (result == Py_NotImplemented) {
    Py_CLEAR(result);
    PyErr_SetString(PyExc_RuntimeError, "the variant made for these arguments refuses them");
  }
  return result;
}

static PyObject *invoke(sy_function *self, PyObject *const *args) {
  PyObject *refused = NULL, *first = NULL, *result = Py_NotImplemented;
  if (self->count) {
    first = self->variant[0];
    Py_INCREF(first);
    result = try_variant(self, first, args, &refused);
    if (result != Py_NotImplemented) {
      Py_DECREF(first);
      Py_XDECREF(refused);
      return result;
    }
    Py_DECREF(result);
  } else {
    refused = sy_tuple_of(args, self->nargs);
  }
  result = refused ? try_others(self, first, &refused) : NULL;
  if (result == Py_NotImplemented) {
    Py_DECREF(result);
    result = call_another(self, &refused);
  }
  Py_XDECREF(first);
  Py_XDECREF(refused);
  return result;
}

/* ---- calling ------------------------------------------------------------------------------------------------------ */

static PyObject *invoke_sequence(sy_function *self, PyObject *sequence) {
  PyObject *fast = PySequence_Fast(sequence, "the inputs must be a sequence");
  if (!fast) return NULL;
  PyObject *result = NULL;
  if (PySequence_Fast_GET_SIZE(fast) != self->nargs)
    PyErr_Format(PyExc_TypeError, "the function has %zd inputs, got %zd", self->nargs,
                 PySequence_Fast_GET_SIZE(fast));
  else
    result = invoke(self, PySequence_Fast_ITEMS(fast));
  Py_DECREF(fast);
  return result;
}

/* Keywords, defaults or a wrong number of arguments: Python sorts them out. */
static PyObject *call_arranged(sy_function *self, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames) {
  PyObject *positional = sy_tuple_of(args, nargs), *named = PyDict_New(), *result = NULL;
  if (!positional || !named) goto done;
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++)
    if (PyDict_SetItem(named, PyTuple_GET_ITEM(kwnames, k), args[nargs + k]) < 0) goto done;
  PyObject *arranged =
      PyObject_CallMethodObjArgs((PyObject *)self, name_arrange, positional, named, NULL);
  if (arranged) result = invoke_sequence(self, arranged);
  Py_XDECREF(arranged);
done:
  Py_XDECREF(positional);
  Py_XDECREF(named);
  return result;
}

static PyObject *function_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                                     PyObject *kwnames) {
  sy_function *self = (sy_function *)callable;
  Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
  if (nargs != self->nargs || (kwnames && PyTuple_GET_SIZE(kwnames)))
    return call_arranged(self, args, nargs, kwnames);
  return invoke(self, args);
}

/* ---- the type -------------------------------------------------------------------------------------------------------- */

static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  (void)args;
  (void)kwargs;
  sy_function *self = (sy_function *)type->tp_alloc(type, 0);
  if (self) self->vectorcall = function_vectorcall;
  return (PyObject *)self;
}

static int function_init(sy_function *self, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"nargs", "returns", "variants", NULL};
  Py_ssize_t nargs;
  PyObject *returns, *variants = NULL;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "nO|O:NativeFunction", names, &nargs, &returns,
                                   &variants))
    return -1;
  if (nargs < 0) {
    PyErr_SetString(PyExc_ValueError, "nargs must not be negative");
    return -1;
  }
  self->nargs = nargs;
  if (PyTuple_Check(returns)) {
    self->form = FORM_DICT;
    Py_INCREF(returns);
    Py_XSETREF(self->keys, returns);
  } else if (PyUnicode_Check(returns) && PyUnicode_CompareWithASCIIString(returns, "single") == 0) {
    self->form = FORM_SINGLE;
  } else if (PyUnicode_Check(returns) && PyUnicode_CompareWithASCIIString(returns, "list") == 0) {
    self->form = FORM_LIST;
  } else if (PyUnicode_Check(returns) && PyUnicode_CompareWithASCIIString(returns, "none") == 0) {
    self->form = FORM_NONE;
  } else {
    PyErr_SetString(PyExc_ValueError,
                    "returns must be 'none', 'single', 'list' or a tuple of keys");
    return -1;
  }
  while (self->count) Py_CLEAR(self->variant[--self->count]);
  PyObject *fast = variants ? PySequence_Fast(variants, "variants") : PyTuple_New(0);
  int outcome = fast ? 0 : -1;
  for (Py_ssize_t k = fast ? PySequence_Fast_GET_SIZE(fast) - 1 : -1; k >= 0 && outcome == 0; k--)
    outcome = add_variant(self, PySequence_Fast_GET_ITEM(fast, k));
  Py_XDECREF(fast);
  return outcome;
}

static int function_traverse(sy_function *self, visitproc visit, void *arg) {
  Py_VISIT(self->keys);
  for (int k = 0; k < self->count; k++) Py_VISIT(self->variant[k]);
  return 0;
}

static int function_clear(sy_function *self) {
  while (self->count) Py_CLEAR(self->variant[--self->count]);
  Py_CLEAR(self->keys);
  return 0;
}

static void function_dealloc(sy_function *self) {
  PyObject_GC_UnTrack(self);
  function_clear(self);
  Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *method_add(sy_function *self, PyObject *variant) {
  if (add_variant(self, variant) < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *method_drop(sy_function *self, PyObject *unused) {
  (void)unused;
  PyObject *dropped = get_variants(self, NULL);
  if (!dropped) return NULL;
  while (self->count) Py_CLEAR(self->variant[--self->count]);
  Py_DECREF(dropped);
  Py_RETURN_NONE;
}

/* Python subclasses are called through the vectorcall slot too, unless they define __call__. */
static PyObject *init_subclass(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  (void)args;
  (void)kwargs;
  if (type->tp_call == PyVectorcall_Call &&
      type->tp_vectorcall_offset == offsetof(sy_function, vectorcall))
    type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
  Py_RETURN_NONE;
}

static PyMethodDef function_methods[] = {
    {"invoke", (PyCFunction)invoke_sequence, METH_O,
     "invoke(inputs)\n--\n\nCall with a sequence of all inputs."},
    {"add_variant", (PyCFunction)method_add, METH_O,
     "add_variant(variant)\n--\n\nAdd a variant in front of the others."},
    {"drop_variants", (PyCFunction)method_drop, METH_NOARGS,
     "drop_variants()\n--\n\nForget all variants and free what they hold."},
    {"__init_subclass__", (PyCFunction)(void (*)(void))init_subclass,
     METH_CLASS | METH_VARARGS | METH_KEYWORDS, "Let the subclass be called without a detour."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef function_getset[] = {
    {"variants", (getter)get_variants, NULL, "The variants, the one used last in front.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef function_members[] = {
    {"nargs", T_PYSSIZET, offsetof(sy_function, nargs), READONLY, "Number of inputs."},
    {NULL, 0, 0, 0, NULL}};

PyTypeObject sy_function_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "symc.runtime._callpath.NativeFunction",
    .tp_doc = "NativeFunction(nargs, returns, variants=())\n--\n\n"
              "Base of compiled functions; see symc.runtime.",
    .tp_basicsize = sizeof(sy_function),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(sy_function, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_new = function_new,
    .tp_init = (initproc)function_init,
    .tp_dealloc = (destructor)function_dealloc,
    .tp_traverse = (traverseproc)function_traverse,
    .tp_clear = (inquiry)function_clear,
    .tp_methods = function_methods,
    .tp_getset = function_getset,
    .tp_members = function_members,
};

int sy_function_init(PyObject *module) {
  name_arrange = PyUnicode_InternFromString("_arrange");
  name_another = PyUnicode_InternFromString("_another_variant");
  name_convert = PyUnicode_InternFromString("_convert");
  if (!name_arrange || !name_another || !name_convert) return -1;
  if (PyType_Ready(&sy_function_type) < 0) return -1;
  Py_INCREF(&sy_function_type);
  return PyModule_AddObject(module, "NativeFunction", (PyObject *)&sy_function_type);
}
