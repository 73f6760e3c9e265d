/* Python steps: wrap buffers as arrays, call, take the results.
 *
 * Arguments are arrays over the program's own buffers, without a copy; the memory is used again
 * when the step is over. An argument that somebody still holds then gets a copy of its own, and
 * the old memory stays allocated for as long as it lives, because views may look into it.
 */
#include "callpath.h"

#include <string.h>

PyObject *sy_take_exception(void) {
#if PY_VERSION_HEX >= 0x030c0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return value;
#endif
}

static int owned_by_container(const sy_frame *f, const PyObject *object) {
  const sy_program *p = f->program;
  for (int k = 0; k < p->nshared; k++)
    if (f->call.in[p->nin + k].object == object) return 1;
  return 0;
}

/* Whether `object` is an ordinary array with exactly the elements that `v` describes. */
static int is_array_of(const sy_value *v, const sy_operand *is, PyObject *object) {
  if (!object || !PyArray_CheckExact(object)) return 0;
  PyArrayObject *array = (PyArrayObject *)object;
  if (PyArray_DATA(array) != v->data || PyArray_NDIM(array) != is->ndim ||
      PyArray_DESCR(array) != is->descr)
    return 0;
  for (int d = 0; d < is->ndim; d++)
    if (PyArray_DIM(array, d) != v->n[d] ||
        (v->n[d] > 1 && PyArray_STRIDE(array, d) != v->s[d] * ((int64_t)1 << is->shift)))
      return 0;
  return 1;
}

/* New reference to what the step gets for `v`. */
static PyObject *argument(const sy_frame *f, const sy_value *v, const sy_operand *is) {
  PyObject *object = v->object;
  if (!is->descr || (is_array_of(v, is, object) && !owned_by_container(f, object))) {
    if (!object) object = Py_None;
    Py_INCREF(object);
    return object;
  }
  return sy_wrap(v, is, 1);
}

/* New reference to `value` as an array of the declared dtype and rank. */
static PyObject *checked_array(PyObject *value, const sy_operand *is, int k) {
  PyObject *array;
  if (PyArray_Check(value)) {
    Py_INCREF(value);
    array = value;
  } else if (is->ndim == 0 && PyArray_IsScalar(value, Generic)) {
    array = PyArray_FromScalar(value, NULL);
    if (!array) return NULL;
  } else {
    return PyErr_Format(PyExc_TypeError,
                        "result %d of a Python step is %R; expected an array of dtype %S with %d axes",
                        k, (PyObject *)Py_TYPE(value), is->descr, is->ndim);
  }
  PyArrayObject *a = (PyArrayObject *)array;
  if (PyArray_NDIM(a) != is->ndim || !PyArray_EquivTypenums(PyArray_TYPE(a), is->descr->type_num)) {
    PyErr_Format(PyExc_TypeError,
                 "result %d of a Python step has dtype %S and %d axes; expected dtype %S and %d axes",
                 k, PyArray_DESCR(a), PyArray_NDIM(a), is->descr, is->ndim);
    Py_CLEAR(array);
  }
  return array;
}

static int raise_length(int k, int axis, npy_intp got, int64_t want) {
  PyErr_Format(PyExc_ValueError,
               "result %d of a Python step has length %zd along axis %d; expected %lld", k,
               (Py_ssize_t)got, axis, (long long)want);
  return -1;
}

/* Copy `array` into the buffer that `v` describes. */
static int copy_result(PyArrayObject *array, sy_value *v, const sy_operand *is, int k) {
  for (int d = 0; d < is->ndim; d++)
    if (PyArray_DIM(array, d) != v->n[d]) return raise_length(k, d, PyArray_DIM(array, d), v->n[d]);
  if (is_array_of(v, is, (PyObject *)array)) return 0; /* written in place */
  PyObject *buffer = sy_wrap(v, is, 1);
  if (!buffer) return -1;
  int outcome = PyArray_CopyInto((PyArrayObject *)buffer, array);
  Py_DECREF(buffer);
  return outcome;
}

/* Let `v` describe `array`, or a copy of it where the array is not the program's alone. `spare`
 * references to it are known: ours and the result list's. */
static int adopt_result(sy_frame *f, PyArrayObject *array, sy_value *v, const sy_operand *is,
                        Py_ssize_t spare, int k) {
  for (int d = 0; d < is->ndim; d++)
    if (((is->broadcast >> d) & 1) && PyArray_DIM(array, d) != 1)
      return raise_length(k, d, PyArray_DIM(array, d), 1);
  PyObject *own;
  if (PyArray_CheckExact(array) && PyArray_DESCR(array) == is->descr && PyArray_ISCARRAY(array) &&
      PyArray_CHKFLAGS(array, NPY_ARRAY_OWNDATA) && Py_REFCNT(array) == spare) {
    Py_INCREF(array);
    own = (PyObject *)array;
  } else {
    own = sy_new_array(is->descr, is->ndim, (const int64_t *)PyArray_DIMS(array));
    if (!own || PyArray_CopyInto((PyArrayObject *)own, array) < 0) {
      Py_XDECREF(own);
      return -1;
    }
  }
  int64_t stride = 1;
  for (int d = is->ndim - 1; d >= 0; d--) {
    v->n[d] = PyArray_DIM((PyArrayObject *)own, d);
    v->s[d] = stride;
    stride *= v->n[d];
  }
  v->data = PyArray_DATA((PyArrayObject *)own);
  v->object = own;
  return sy_frame_keep(f, own);
}

static int take_result(sy_frame *f, PyObject *value, sy_value *v, const sy_result *out,
                       int list_is_ours, int k) {
  if (!out->is.descr) {
    Py_INCREF(value);
    v->object = value;
    return sy_frame_keep(f, value);
  }
  PyObject *array = checked_array(value, &out->is, k);
  if (!array) return -1;
  int outcome;
  if (out->how == SY_BUFFER)
    outcome = copy_result((PyArrayObject *)array, v, &out->is, k);
  else /* our reference, and the list's where it is the same object */
    outcome = adopt_result(f, (PyArrayObject *)array, v, &out->is,
                           array != value ? 1 : list_is_ours ? 2 : 0, k);
  Py_DECREF(array);
  return outcome;
}

static int take_results(sy_frame *f, PyObject *values, const sy_step *step, sy_value *const *out) {
  int list_is_ours = Py_REFCNT(values) == 1;
  PyObject *fast = PySequence_Fast(values, "a Python step must return a list of values");
  if (!fast) return -1;
  int outcome = 0;
  if (PySequence_Fast_GET_SIZE(fast) != step->nout) {
    PyErr_Format(PyExc_ValueError, "a Python step returned %zd values; expected %d",
                 PySequence_Fast_GET_SIZE(fast), step->nout);
    outcome = -1;
  }
  for (int k = 0; k < step->nout && outcome == 0; k++)
    outcome = take_result(f, PySequence_Fast_GET_ITEM(fast, k), out[k], &step->out[k], list_is_ours,
                          k);
  Py_DECREF(fast);
  return outcome;
}

/* Arguments that are still held get memory of their own. */
static int detach_kept(sy_frame *f, PyObject **argument, sy_value *const *args, int count) {
  int outcome = 0;
  for (int k = 0; k < count; k++) {
    if (argument[k] == args[k]->object || Py_REFCNT(argument[k]) == 1) continue;
    PyArrayObject *array = (PyArrayObject *)argument[k];
    PyObject *memory = sy_frame_memory(f);
    if (!memory || sy_detach(array) < 0) {
      Py_XDECREF(memory);
      outcome = -1;
    } else if (PyArray_SetBaseObject(array, memory) < 0) {
      outcome = -1;
    }
  }
  return outcome;
}

static int call_step(sy_frame *f, const sy_step *step, sy_value *const *args) {
  int made = 0, outcome = -1;
  PyObject **argv = PyMem_Malloc(((size_t)step->nin + 1) * sizeof *argv);
  PyObject *list = argv ? PyList_New(step->nin) : PyErr_NoMemory();
  for (; list && made < step->nin; made++) {
    argv[made] = argument(f, args[made], &step->in[made]);
    if (!argv[made]) break;
    Py_INCREF(argv[made]);
    PyList_SET_ITEM(list, made, argv[made]);
  }
  if (list && made == step->nin) {
    PyObject *values = PyObject_CallFunctionObjArgs(step->call, list, NULL);
    Py_CLEAR(list);
    if (values) outcome = take_results(f, values, step, args + step->nin);
    Py_XDECREF(values);
  }
  Py_XDECREF(list);
  PyObject *raised = outcome < 0 ? sy_take_exception() : NULL;
  if (made && detach_kept(f, argv, args, made) < 0) {
    if (raised)
      PyErr_Clear();
    else
      raised = sy_take_exception();
    outcome = -1;
  }
  for (int k = 0; k < made; k++) Py_DECREF(argv[k]);
  PyMem_Free(argv);
  if (raised) Py_XSETREF(f->exception, raised);
  return outcome;
}

int sy_foreign(sy_call *c, int32_t number, sy_value *const *args, int32_t nin, int32_t nout) {
  sy_frame *f = c->frame;
  PyThreadState *released = f->released;
  if (released) PyEval_RestoreThread(released);
  f->released = NULL;
  int outcome = -1;
  const sy_step *step =
      number >= 0 && number < f->program->nstep ? &f->program->step[number] : NULL;
  if (step && step->nin == nin && step->nout == nout) {
    outcome = call_step(f, step, args);
  } else {
    PyErr_Format(PyExc_SystemError, "Python step %d with %d inputs and %d outputs is not described",
                 (int)number, (int)nin, (int)nout);
    Py_XSETREF(f->exception, sy_take_exception());
  }
  if (outcome < 0) c->api->fail(c, SY_E_PYTHON, number, NULL, 0);
  if (released) f->released = PyEval_SaveThread();
  return outcome < 0 ? SY_ERROR : SY_OK;
}
