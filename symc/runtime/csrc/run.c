/* One call of one program: bind the operands, run, hand out the results, commit the updates. */
#include "callpath.h"

#include <string.h>

static PyObject *name_convert, *name_explain;

/* ---- binding --------------------------------------------------------------------------------------------- */

static int same_type(const PyArray_Descr *got, const PyArray_Descr *want) {
  if (got == want) return 1;
  return PyArray_ISNBO(got->byteorder) && got->kind == want->kind &&
         PyDataType_ELSIZE(got) == PyDataType_ELSIZE(want) && PyDataType_ISBOOL(got) == PyDataType_ISBOOL(want);
}

int sy_bind(sy_value *v, PyArrayObject *array, const sy_operand *is) {
  int ndim = is->ndim, flags = PyArray_FLAGS(array);
  if (Py_TYPE(array) != &PyArray_Type || PyArray_NDIM(array) != ndim ||
      !same_type(PyArray_DESCR(array), is->descr) || !(flags & NPY_ARRAY_ALIGNED))
    return 0;
  if ((is->flags & SY_WRITABLE) && !(flags & NPY_ARRAY_WRITEABLE)) return 0;
  if ((is->flags & SY_CONTIGUOUS) && !(flags & NPY_ARRAY_C_CONTIGUOUS)) return 0;
  const npy_intp *dims = PyArray_DIMS(array), *strides = PyArray_STRIDES(array);
  int64_t expected = 1;
  npy_intp partial = ((npy_intp)1 << is->shift) - 1;
  int dense = (flags & NPY_ARRAY_C_CONTIGUOUS) != 0; /* holds for every array without elements */
  for (int d = ndim - 1; d >= 0; d--) {
    int64_t n = dims[d];
    if (((is->broadcast >> d) & 1) && n != 1) return 0;
    if (dense || n == 1) {
      v->s[d] = expected;
    } else {
      if (strides[d] & partial) return 0;
      v->s[d] = strides[d] >> is->shift;
    }
    v->n[d] = n;
    expected *= n;
  }
  v->data = PyArray_DATA(array);
  v->object = (PyObject *)array;
  return 1;
}

/* Python and NumPy scalars for 0-d inputs, where no value can change. */
static int bind_scalar(sy_frame *f, int k, PyObject *value, const sy_operand *is) {
  if (is->ndim != 0 || (is->flags & (SY_STRICT | SY_WRITABLE))) return 0;
  int type = is->descr->type_num;
  if (type == NPY_DOUBLE) {
    if (!PyFloat_CheckExact(value) && Py_TYPE(value) != &PyDoubleArrType_Type) return 0;
    f->scalar[k] = PyFloat_AS_DOUBLE(value);
  } else if (type == NPY_INT64) {
    if (!PyLong_CheckExact(value)) return 0;
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow) return 0;
    memcpy(&f->scalar[k], &number, sizeof number);
  } else {
    return 0;
  }
  f->call.in[k].data = (char *)&f->scalar[k];
  f->call.in[k].object = NULL;
  return 1;
}

/* Ask the function for a value that fits input `k`. */
static int convert(sy_frame *f, int k, PyObject *value, const sy_operand *is) {
  PyObject *position = PyLong_FromLong(k);
  if (!position) return -1;
  PyObject *fitting =
      PyObject_CallMethodObjArgs(f->function, name_convert, position, value, NULL);
  Py_DECREF(position);
  if (!fitting) return -1;
  f->held[k] = fitting;
  if (!is->descr) {
    f->call.in[k].object = fitting;
    return 0;
  }
  if (PyArray_Check(fitting) && sy_bind(&f->call.in[k], (PyArrayObject *)fitting, is)) return 0;
  PyErr_Format(PyExc_TypeError,
               "input %d was converted to %R, which does not fit the compiled program (dtype %R, "
               "%d axes)",
               k, (PyObject *)Py_TYPE(fitting), is->descr, is->ndim);
  return -1;
}

static int bind_inputs(sy_frame *f, PyObject *const *args) {
  const sy_program *p = f->program;
  for (int k = 0; k < p->nin; k++) {
    const sy_operand *is = &p->in[k];
    if (is->descr) {
      if (Py_TYPE(args[k]) == &PyArray_Type) {
        if (sy_bind(&f->call.in[k], (PyArrayObject *)args[k], is)) continue;
      } else if (bind_scalar(f, k, args[k], is)) {
        continue;
      }
    }
    if (convert(f, k, args[k], is) < 0) return -1;
  }
  return 0;
}

static int raise_misfit(const sy_container *c, const sy_operand *is) {
  if (PyArray_Check(c->value)) {
    PyArrayObject *array = (PyArrayObject *)c->value;
    PyErr_Format(PyExc_TypeError,
                 "a shared variable holds an array of dtype %R with %d axes; the compiled function "
                 "needs dtype %R with %d axes",
                 PyArray_DESCR(array), PyArray_NDIM(array), is->descr, is->ndim);
  } else {
    PyErr_Format(PyExc_TypeError,
                 "a shared variable holds %R; the compiled function needs an array of dtype %R",
                 (PyObject *)Py_TYPE(c->value), is->descr);
  }
  return -1;
}

/* A new array of the pool with the values of `array`. */
static PyObject *fresh_copy(PyObject *value, const sy_operand *is) {
  PyArrayObject *array = (PyArrayObject *)value;
  if (!PyArray_Check(value) || PyArray_NDIM(array) != is->ndim ||
      !PyArray_EquivTypenums(PyArray_TYPE(array), is->descr->type_num))
    return NULL;
  PyObject *copy = sy_new_array(is->descr, is->ndim, (const int64_t *)PyArray_DIMS(array));
  if (copy && PyArray_CopyInto((PyArrayObject *)copy, array) < 0) Py_CLEAR(copy);
  return copy;
}

/* Bind container `k`. An array that does not fit is replaced for good by a copy that does; one
 * that other calls are reading is copied for this call, and the copy goes in at the commit. */
static int bind_container(sy_frame *f, int k) {
  const sy_program *p = f->program;
  const sy_operand *is = &p->in[p->nin + k];
  sy_value *v = &f->call.in[p->nin + k];
  sy_container *c = p->container[k];
  if (!p->updated[k] && sy_container_settle(c) < 0) return -1;
  if (is->descr) {
    int in_place = (is->flags & SY_WRITABLE) != 0;
    if (in_place && (c->readers || c->depth > 1)) {
      PyObject *copy = fresh_copy(c->value, is);
      if (!copy) return PyErr_Occurred() ? -1 : raise_misfit(c, is);
      f->held[p->nin + k] = copy;
      sy_bind(v, (PyArrayObject *)copy, is);
      return 0;
    }
    if (!PyArray_Check(c->value) || !sy_bind(v, (PyArrayObject *)c->value, is)) {
      PyObject *copy = fresh_copy(c->value, is);
      if (!copy) return PyErr_Occurred() ? -1 : raise_misfit(c, is);
      if (!sy_bind(v, (PyArrayObject *)copy, is)) {
        Py_DECREF(copy);
        return raise_misfit(c, is);
      }
      Py_DECREF(sy_container_swap(c, copy));
    }
    if (in_place) c->in_place = 1;
  }
  v->object = c->value;
  Py_INCREF(c->value);
  f->held[p->nin + k] = c->value;
  return 0;
}

/* ---- storage that is written must not overlap other operands ------------------------------------------------ */

static void extent(const sy_value *v, const sy_operand *is, char **low, char **high) {
  int64_t from = 0, to = 1;
  for (int d = 0; d < is->ndim; d++) {
    if (v->n[d] == 0) {
      *low = *high = v->data;
      return;
    }
    int64_t reach = (v->n[d] - 1) * v->s[d];
    if (reach < 0)
      from += reach;
    else
      to += reach;
  }
  *low = v->data + from * ((int64_t)1 << is->shift);
  *high = v->data + to * ((int64_t)1 << is->shift);
}

/* Nobody but the container refers to its array and the array owns its memory. */
static int exclusive(const PyObject *value) {
  return Py_REFCNT(value) == 2 /* the container and the frame */ &&
         PyArray_CHKFLAGS((const PyArrayObject *)value, NPY_ARRAY_OWNDATA);
}

/* Where operand `k` overlaps the written operand `w`, copy one of them: an argument that is written, so
 * that nothing else changes with it; beside a container that is written, `k`. */
static int separate(sy_frame *f, int w, int k) {
  const sy_program *p = f->program;
  char *low, *high, *from, *to;
  extent(&f->call.in[w], &p->in[w], &low, &high);
  extent(&f->call.in[k], &p->in[k], &from, &to);
  if (from >= high || low >= to) return 0;
  if (w < p->nin) k = w;
  sy_operand is = p->in[k];
  PyObject *value = f->call.in[k].object;
  PyObject *copy = fresh_copy(value, &is);
  if (!copy) return -1;
  sy_bind(&f->call.in[k], (PyArrayObject *)copy, &is);
  PyObject *before = f->held[k];
  f->held[k] = copy;
  Py_XDECREF(before);
  return 0;
}

static int separate_all(sy_frame *f) {
  const sy_program *p = f->program;
  int count = p->nin + p->nshared;
  for (int w = 0; w < count; w++) {
    if (!(p->in[w].flags & SY_WRITABLE) || !p->in[w].descr) continue;
    if (!f->call.in[w].object) continue;
    int alone = w >= p->nin && exclusive(f->call.in[w].object);
    if (alone) continue;
    for (int k = 0; k < count; k++)
      if (k != w && p->in[k].descr && f->call.in[k].object && separate(f, w, k) < 0) return -1;
  }
  return 0;
}

/* ---- results --------------------------------------------------------------------------------------------------- */

static int new_result(sy_frame *f, int k) {
  const sy_result *out = &f->program->out[k];
  sy_value *v = &f->call.out[k];
  PyObject *array = sy_new_array(out->is.descr, out->is.ndim, v->n);
  if (!array) return -1;
  f->result[k] = array;
  v->data = PyArray_DATA((PyArrayObject *)array);
  int64_t stride = 1;
  for (int d = out->is.ndim - 1; d >= 0; d--) {
    v->s[d] = stride;
    stride *= v->n[d];
  }
  return 0;
}

static int allocate_results(sy_frame *f) {
  const sy_program *p = f->program;
  for (int k = 0; k < p->nout + p->nfresh; k++) {
    if (p->out[k].how == SY_FRESH) {
      if (new_result(f, k) < 0) return -1;
    } else {
      f->call.out[k].data = NULL;
      f->call.out[k].object = NULL;
    }
  }
  return 0;
}

PyObject *sy_wrap(const sy_value *v, const sy_operand *is, int writable) {
  npy_intp strides[64];
  for (int d = 0; d < is->ndim; d++) strides[d] = (npy_intp)(v->s[d] * ((int64_t)1 << is->shift));
  Py_INCREF(is->descr);
  return PyArray_NewFromDescr(&PyArray_Type, is->descr, is->ndim, (const npy_intp *)v->n, strides,
                              v->data, NPY_ARRAY_ALIGNED | (writable ? NPY_ARRAY_WRITEABLE : 0), NULL);
}

static int looks_like(const sy_value *v, const sy_operand *is, PyObject *object) {
  if (!object || !PyArray_CheckExact(object)) return 0;
  PyArrayObject *array = (PyArrayObject *)object;
  if (PyArray_DATA(array) != v->data || PyArray_NDIM(array) != is->ndim) return 0;
  return memcmp(PyArray_DIMS(array), v->n, (size_t)is->ndim * sizeof *v->n) == 0 &&
         PyArray_IS_C_CONTIGUOUS(array) && PyArray_DESCR(array) == is->descr;
}

/* Whether a Python step of this call made `object`, and nobody else refers to it. */
static int is_ours(const sy_frame *f, const PyObject *object) {
  if (Py_REFCNT(object) != 1) return 0;
  for (int k = 0; k < f->nkept; k++)
    if (f->kept[k] == object) return 1;
  return 0;
}

/* A result whose storage the body has chosen: adopt the array if it is nobody else's, else copy. */
static PyObject *dynamic_result(const sy_frame *f, const sy_value *v, const sy_operand *is) {
  PyObject *object = v->object;
  if (looks_like(v, is, object) && is_ours(f, object)) {
    Py_INCREF(object);
    return object;
  }
  PyObject *seen = sy_wrap(v, is, 0);
  if (!seen) return NULL;
  PyObject *copy = sy_new_array(is->descr, is->ndim, v->n);
  if (copy && PyArray_CopyInto((PyArrayObject *)copy, (PyArrayObject *)seen) < 0) Py_CLEAR(copy);
  Py_DECREF(seen);
  return copy;
}

/* The output that took over the storage of an input. */
static PyObject *input_result(sy_frame *f, const sy_value *v, const sy_result *out) {
  PyObject *owner = f->call.in[out->source].object;
  if (!owner) return dynamic_result(f, v, &out->is);
  if (looks_like(v, &out->is, owner)) {
    Py_INCREF(owner);
    return owner;
  }
  PyObject *view = sy_wrap(v, &out->is, 1);
  Py_INCREF(owner);
  if (view && PyArray_SetBaseObject((PyArrayObject *)view, owner) < 0) Py_CLEAR(view);
  return view;
}

static int collect_results(sy_frame *f) {
  const sy_program *p = f->program;
  for (int k = 0; k < p->nout + p->nfresh; k++) {
    if (f->result[k]) continue;
    const sy_result *out = &p->out[k];
    const sy_value *v = &f->call.out[k];
    if (out->how == SY_OBJECT) {
      f->result[k] = v->object ? v->object : Py_None;
      Py_INCREF(f->result[k]);
    } else {
      f->result[k] =
          out->how == SY_INPUT ? input_result(f, v, out) : dynamic_result(f, v, &out->is);
      if (!f->result[k]) return -1;
    }
  }
  return 0;
}

/* Everything has succeeded: put the new values in. Old values go to the frame, which drops them
 * when no container is half-updated any more. */
static void commit(sy_frame *f) {
  const sy_program *p = f->program;
  for (int u = 0; u < p->nupdate; u++) {
    int position = p->update[u].source;
    sy_container *c = p->container[position];
    PyObject **from =
        p->update_out[u] < 0 ? &f->held[p->nin + position] : &f->result[p->update_out[u]];
    *from = sy_container_swap(c, *from);
  }
}

/* ---- what programs may ask for ------------------------------------------------------------------------------------ */

static int fail(sy_call *c, int32_t code, int32_t where, const int64_t *v, int32_t nv) {
  int32_t none = 0;
  if (__atomic_compare_exchange_n(&c->failed, &none, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    c->error.code = code;
    c->error.where = where;
    for (int32_t k = 0; k < 8; k++) c->error.v[k] = k < nv ? v[k] : 0;
  }
  return SY_ERROR;
}

/* Only from the thread that runs the body. */
static char *alloc(sy_call *c, int64_t bytes) {
  sy_frame *f = c->frame;
  if (f->nblock == f->block_room) {
    int room = f->block_room ? 2 * f->block_room : 8;
    void **more = PyMem_RawRealloc(f->block, (size_t)room * sizeof *more);
    if (!more) return NULL;
    f->block = more;
    f->block_room = room;
  }
  void *data = bytes < 0 ? NULL : sy_pool_alloc((size_t)bytes);
  if (data) f->block[f->nblock++] = data;
  return data;
}

/* How many blocks there are. */
static int32_t blocks(sy_call *c) {
  sy_frame *f = c->frame;
  return f->nblock;
}

/* Give back what was allocated since there were `count` blocks, unless Python may still see it. */
static void release(sy_call *c, int32_t count) {
  sy_frame *f = c->frame;
  if (f->memory) return;
  while (f->nblock > count) sy_pool_free(f->block[--f->nblock]);
}

static int output(sy_call *c, int32_t k) {
  sy_frame *f = c->frame;
  PyThreadState *released = f->released;
  if (released) PyEval_RestoreThread(released);
  f->released = NULL;
  int failed = new_result(f, k) < 0;
  if (failed) {
    Py_XSETREF(f->exception, sy_take_exception());
    fail(c, SY_E_PYTHON, -1, NULL, 0);
  }
  if (released) f->released = PyEval_SaveThread();
  return failed ? SY_ERROR : SY_OK;
}

sy_api sy_the_api = {
    .parallel = sy_parallel,
    .foreign = sy_foreign,
    .alloc = alloc,
    .scratch = sy_scratch,
    .fail = fail,
    .blas = sy_blas,
    .threads = sy_threads,
    .output = output,
    .blocks = blocks,
    .release = release,
};

/* ---- the call --------------------------------------------------------------------------------------------------------- */

static void release_containers(sy_frame *f) {
  const sy_program *p = f->program;
  if (f->pinned)
    for (int k = 0; k < p->nshared; k++)
      if (!p->updated[k]) sy_container_unpin(p->container[k]);
  f->pinned = 0;
  while (f->locked) sy_container_unlock(p->lock[--f->locked]);
}

static int bind_containers(sy_frame *f) {
  const sy_program *p = f->program;
  for (; f->locked < p->nlock; f->locked++)
    if (sy_container_lock(p->lock[f->locked]) < 0) return -1;
  for (int k = 0; k < p->nshared; k++)
    if (bind_container(f, k) < 0) return -1;
  return 0;
}

static int run_body(sy_frame *f) {
  sy_program *p = f->program;
  sy_call *c = &f->call;
  int release = c->work > SY_GIL_WORK && !p->hold_gil;
  c->threads = release ? sy_call_threads() : 1;
  if (p->nshared && (release || p->nstep)) {
    for (int k = 0; k < p->nshared; k++)
      if (!p->updated[k]) sy_container_pin(p->container[k]);
    f->pinned = 1;
  }
  int outcome;
  if (release) {
    f->released = PyEval_SaveThread();
    outcome = p->body(c);
    PyEval_RestoreThread(f->released);
    f->released = NULL;
  } else {
    outcome = p->body(c);
  }
  return outcome != SY_OK || c->failed ? -1 : 0;
}

/* Raise what the function makes of the program's error record. */
static void raise_record(sy_program *p, PyObject *function, PyObject *const *args,
                         const sy_error *e, PyObject *cause) {
  PyObject *exception = NULL;
  PyObject *tuple = sy_tuple_of(args, p->nin);
  PyObject *record = Py_BuildValue("(ii(LLLLLLLL))", e->code, e->where, e->v[0], e->v[1], e->v[2],
                                   e->v[3], e->v[4], e->v[5], e->v[6], e->v[7]);
  if (tuple && record)
    exception = PyObject_CallMethodObjArgs(function, name_explain, (PyObject *)p, record, tuple,
                                           cause ? cause : Py_None, NULL);
  if (exception && PyExceptionInstance_Check(exception))
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
  else if (exception)
    PyErr_Format(PyExc_TypeError, "_explain returned %R instead of an exception", exception);
  Py_XDECREF(exception);
  Py_XDECREF(record);
  Py_XDECREF(tuple);
}

/* Leave the call with an error; the frame goes back, containers are as they were. */
static sy_outcome give_up(sy_frame *f, PyObject *const *args, int recorded) {
  sy_program *p = f->program;
  PyObject *function = f->function, *cause = f->exception;
  sy_error error = f->call.error;
  if (recorded && !f->call.failed) {
    error = (sy_error){.code = SY_E_VALUE, .where = -1};
  }
  f->exception = NULL;
  release_containers(f);
  sy_frame_give(f);
  if (recorded) raise_record(p, function, args, &error, cause);
  Py_XDECREF(cause);
  return SY_RUN_RAISED;
}

sy_outcome sy_run(sy_program *p, PyObject *function, PyObject *const *args, sy_frame **frame) {
  sy_frame *f = sy_frame_take(p);
  if (!f) return SY_RUN_RAISED;
  f->function = function;
  f->call.failed = 0;
  f->call.work = 0;
  if (bind_inputs(f, args) < 0) return give_up(f, args, 0);
  if (p->nshared && bind_containers(f) < 0) return give_up(f, args, 0);
  if (p->writes && separate_all(f) < 0) return give_up(f, args, 0);
  int outcome = p->prologue(&f->call);
  if (outcome == SY_GUARD) {
    release_containers(f);
    *frame = f;
    return SY_RUN_GUARD;
  }
  if (outcome != SY_OK) return give_up(f, args, 1);
  if (allocate_results(f) < 0) return give_up(f, args, 0);
  if (p->nslot && sy_frame_layout(f) < 0) return give_up(f, args, 0);
  if (run_body(f) < 0) return give_up(f, args, 1);
  if (collect_results(f) < 0) return give_up(f, args, 0);
  commit(f);
  release_containers(f);
  *frame = f;
  return SY_RUN_DONE;
}

int sy_run_init(void) {
  sy_the_api.products = sy_machine_products(INT_MAX);
  sy_the_api.convolutions = sy_machine_convolutions(sy_the_api.products);
  if (sy_onednn_init() < 0) return -1;
  name_convert = PyUnicode_InternFromString("_convert");
  name_explain = PyUnicode_InternFromString("_explain");
  return name_convert && name_explain ? 0 : -1;
}
