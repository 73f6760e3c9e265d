/* Convolutions of float32 that oneDNN computes where that is quicker, in front of symc's own.
 *
 * The library is looked for when a convolution comes that it would get: by a Python function, which
 * gives its functions' addresses to `set_onednn` or leaves it. Whatever oneDNN is not asked for, can't
 * do or fails at is computed by symc's own convolutions. */
#include "onednn.h"

#include <string.h>

sy_dnn_library sy_dnn;
void *sy_dnn_engine;

enum { UNKNOWN, PRESENT, ABSENT };
static atomic_int state = UNKNOWN;
static atomic_llong computed;
static PyObject *finder; /* GIL */
static const sy_convolutions *own;
static sy_convolutions table[SY_BLAS_TYPES];

#define ENGINE_CPU 1

/* ---- finding the library ---------------------------------------------------------------------- */

PyObject *sy_dnn_ask(sy_call *call, PyObject *callable, const char *key, int64_t bytes, int answer) {
  PyObject *const found = key ? PyObject_CallFunction(callable, "y#i", key, (Py_ssize_t)bytes, answer)
                              : PyObject_CallNoArgs(callable);
  if (found) return found;
  sy_frame *const f = call->frame;
  Py_XSETREF(f->exception, sy_take_exception());
  call->api->fail(call, SY_E_PYTHON, -1, NULL, 0);
  return NULL;
}

PyThreadState *sy_dnn_take_gil(sy_call *call) {
  sy_frame *const f = call->frame;
  PyThreadState *const released = f->released;
  if (released) PyEval_RestoreThread(released);
  f->released = NULL;
  return released;
}

void sy_dnn_give_gil(sy_call *call, PyThreadState *released) {
  if (released) ((sy_frame *)call->frame)->released = PyEval_SaveThread();
}

/* Whether oneDNN is there, looking for it if nobody has; -1 with an error recorded. */
static int is_there(sy_call *call) {
  if (atomic_load(&state) != UNKNOWN) return atomic_load(&state) == PRESENT;
  PyThreadState *const released = sy_dnn_take_gil(call);
  PyObject *const found = finder ? sy_dnn_ask(call, finder, NULL, 0, 0) : Py_NewRef(Py_None);
  int unknown = UNKNOWN;
  if (found) atomic_compare_exchange_strong(&state, &unknown, ABSENT);
  Py_XDECREF(found);
  sy_dnn_give_gil(call, released);
  return found ? atomic_load(&state) == PRESENT : -1;
}

/* ---- describing a convolution ----------------------------------------------------------------- */

/* Lengths and strides of an array; 0 where it is empty or oneDNN can't describe how it lies. */
static int describe(const sy_value *v, int64_t axes, int64_t *n, int64_t *s) {
  int64_t dense = 1;
  for (int64_t d = axes - 1; d >= 0; d--) {
    n[d] = v->n[d];
    if (n[d] < 1 || n[d] > INT32_MAX || (n[d] > 1 && v->s[d] < 1)) return 0;
    s[d] = n[d] == 1 ? dense : v->s[d];
    dense = s[d] * n[d];
  }
  return 1;
}

static int shape_of(sy_dnn_shape *shape, const sy_geometry *g, int kind, const sy_value *x,
                    const sy_value *w, const sy_value *y) {
  memset(shape, 0, sizeof *shape); /* shapes are compared by their bytes */
  shape->kind = kind;
  shape->axes = g->ndim + 2;
  shape->groups = g->groups;
  if (!describe(x, shape->axes, shape->x, shape->xs) ||
      !describe(y, shape->axes, shape->y, shape->ys))
    return 0;
  int64_t dense = 1;
  for (int64_t d = shape->axes - 1; d >= 0; d--) {
    shape->w[d] = w->n[d];
    shape->ws[d] = dense;
    dense *= w->n[d];
  }
  if (dense < 1) return 0;
  for (int32_t d = 0; d < g->ndim; d++) {
    const int64_t reach = (shape->w[2 + d] - 1) * g->dilation[d];
    shape->stride[d] = g->stride[d];
    shape->dilation[d] = g->dilation[d] - 1;
    shape->before[d] = g->border == SY_BORDER_FULL   ? reach
                       : g->border == SY_BORDER_HALF ? (reach + 1) / 2
                                                     : g->before[d];
    shape->after[d] = (shape->y[2 + d] - 1) * g->stride[d] + reach + 1 - shape->x[2 + d] -
                      shape->before[d];
  }
  shape->plain = sy_dnn_stays_plain(shape);
  return 1;
}

/* ---- filters in C order, turned round or not -------------------------------------------------- */

typedef struct {
  const sy_value *w;
  float *dense;
  int axes, turned, back;
} copying;

static void copy_filters(void *context, int64_t first, int64_t last, int thread) {
  (void)thread;
  const copying *const job = context;
  const int missing = 3 - (job->axes - 2);
  int64_t n[3] = {1, 1, 1}, s[3] = {0, 0, 0};
  for (int d = missing; d < 3; d++) {
    n[d] = job->w->n[2 + d - missing];
    s[d] = job->w->s[2 + d - missing];
  }
  float *from = (float *)job->w->data;
  if (job->turned)
    for (int d = 0; d < 3; d++) {
      from += (n[d] - 1) * s[d];
      s[d] = -s[d];
    }
  const int64_t channels = job->w->n[1], taps = n[0] * n[1] * n[2];
  for (int64_t k = first; k < last; k++) {
    float *to = job->dense + k * taps;
    float *const start = from + k / channels * job->w->s[0] + k % channels * job->w->s[1];
    for (int64_t a = 0; a < n[0]; a++)
      for (int64_t b = 0; b < n[1]; b++)
        for (int64_t i = 0; i < n[2]; i++, to++) {
          float *const at = start + a * s[0] + b * s[1] + i * s[2];
          if (job->back)
            *at = *to;
          else
            *to = *at;
        }
  }
}

static int is_dense(const sy_value *w, const sy_dnn_shape *shape) {
  for (int64_t d = 0; d < shape->axes; d++)
    if (w->n[d] > 1 && w->s[d] != shape->ws[d]) return 0;
  return 1;
}

/* ---- the convolutions ------------------------------------------------------------------------- */

int sy_dnn_theirs(const sy_dnn_request *r, const sy_after *after) {
  sy_call *const call = r->call;
  const sy_dnn_shape *const shape = &r->shape;
  float *const data[3] = {(float *)r->x->data, (float *)r->w->data, (float *)r->y->data};
  const int64_t taps = shape->ws[1], count = shape->w[0] * shape->ws[0];
  const int turned = r->geometry->flip && taps > 1;
  if (!turned && is_dense(r->w, shape)) return sy_dnn_run(call, shape, data, after);
  float *const dense = (float *)call->api->alloc(call, count * (int64_t)sizeof(float));
  if (!dense) return call->api->fail(call, SY_E_MEMORY, 0, NULL, 0);
  float *const inner[3] = {data[0], dense, data[2]};
  copying job = {r->w, dense, (int)shape->axes, turned, shape->kind == SY_DNN_WEIGHTS};
  const int threads = count < 1 << 15 ? 1 : call->threads;
  if (!job.back) call->api->parallel(copy_filters, &job, count / taps, threads);
  const int outcome = sy_dnn_run(call, shape, inner, after);
  if (job.back && outcome == SY_OK) call->api->parallel(copy_filters, &job, count / taps, threads);
  return outcome;
}

int sy_dnn_ours(const sy_dnn_request *r, const sy_after *after) {
  const sy_convolutions *const f = &own[SY_F32];
  return r->kind == SY_DNN_VALUES   ? f->values(r->call, r->geometry, r->x, r->w, r->y, after)
         : r->kind == SY_DNN_INPUTS ? f->inputs(r->call, r->geometry, r->y, r->w, r->x, after)
                                    : f->weights(r->call, r->geometry, r->x, r->y, r->w);
}

/* Whether this processor is like the one that the rule was found on. */
static int measured_here(void) {
#if SY_X86_TABLES
  return sy_the_api.products == sy_products_avx512;
#else
  return 0;
#endif
}

/* Whether the convolution is for oneDNN; -1 with an error recorded. */
static int is_theirs(sy_dnn_request *r) {
  const int mode = ((sy_frame *)r->call->frame)->program->onednn;
  if (mode == SY_ONEDNN_OFF || !shape_of(&r->shape, r->geometry, r->kind, r->x, r->w, r->y)) return 0;
  if (mode == SY_ONEDNN_AUTO && !(measured_here() && sy_dnn_wins(&r->shape))) return 0;
  const int there = is_there(r->call);
  return there == 1 && mode == SY_ONEDNN_MEASURE ? sy_dnn_is_quicker(r) : there;
}

static int convolve(sy_dnn_request *r, const sy_after *after) {
  const int theirs = is_theirs(r);
  if (theirs < 0) return SY_ERROR;
  const int outcome = theirs ? sy_dnn_theirs(r, after) : SY_GUARD;
  if (outcome == SY_GUARD) return sy_dnn_ours(r, after);
  if (outcome == SY_OK) atomic_fetch_add(&computed, 1);
  return outcome;
}

static int values(sy_call *call, const sy_geometry *g, const sy_value *x, const sy_value *w,
                  const sy_value *y, const sy_after *after) {
  return convolve(&(sy_dnn_request){call, g, SY_DNN_VALUES, x, w, y, {0}}, after);
}

static int inputs(sy_call *call, const sy_geometry *g, const sy_value *y, const sy_value *w,
                  const sy_value *x, const sy_after *after) {
  return convolve(&(sy_dnn_request){call, g, SY_DNN_INPUTS, x, w, y, {0}}, after);
}

static int weights(sy_call *call, const sy_geometry *g, const sy_value *x, const sy_value *y,
                   const sy_value *w) {
  return convolve(&(sy_dnn_request){call, g, SY_DNN_WEIGHTS, x, w, y, {0}}, NULL);
}

int sy_onednn_init(void) {
  own = sy_the_api.convolutions;
  memcpy(table, own, sizeof table);
  table[SY_F32] = (sy_convolutions){values, inputs, weights};
  sy_the_api.convolutions = table;
  if (sy_dnn_plans_init() == 0 && sy_dnn_measure_init() == 0) return 0;
  PyErr_SetString(PyExc_MemoryError, "oneDNN's plans can't be set up");
  return -1;
}

/* ---- what Python sees ------------------------------------------------------------------------- */

static PyObject *set_onednn(PyObject *module, PyObject *addresses) {
  (void)module;
  if (!PyTuple_Check(addresses) || PyTuple_GET_SIZE(addresses) != SY_DNN_COUNT)
    return PyErr_Format(PyExc_ValueError, "set_onednn needs a tuple of %d addresses",
                        (int)SY_DNN_COUNT);
  if (!sy_dnn_engine) {
    void *address[SY_DNN_COUNT];
    for (int k = 0; k < SY_DNN_COUNT; k++) {
      address[k] = PyLong_AsVoidPtr(PyTuple_GET_ITEM(addresses, k));
      if (!address[k] && PyErr_Occurred()) return NULL;
    }
    _Static_assert(sizeof address == sizeof sy_dnn, "one pointer for each function");
    memcpy(&sy_dnn, address, sizeof sy_dnn);
    void *engine = NULL;
    if (sy_dnn.engine_create(&engine, ENGINE_CPU, 0) != 0) {
      PyErr_SetString(PyExc_RuntimeError, "oneDNN has no engine for this processor");
      return NULL;
    }
    sy_dnn_engine = engine;
  }
  atomic_store(&state, PRESENT);
  Py_RETURN_NONE;
}

static PyObject *set_onednn_finder(PyObject *module, PyObject *callable) {
  (void)module;
  if (!PyCallable_Check(callable))
    return PyErr_Format(PyExc_TypeError, "%R can't be called", callable);
  Py_INCREF(callable);
  Py_XSETREF(finder, callable);
  atomic_store(&state, UNKNOWN);
  Py_RETURN_NONE;
}

static PyObject *set_onednn_judge(PyObject *module, PyObject *callable) {
  (void)module;
  if (!PyCallable_Check(callable))
    return PyErr_Format(PyExc_TypeError, "%R can't be called", callable);
  sy_dnn_set_judge(callable);
  Py_RETURN_NONE;
}

static PyObject *onednn_count(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return PyLong_FromLongLong(atomic_load(&computed));
}

PyMethodDef sy_onednn_methods[] = {
    {"set_onednn", set_onednn, METH_O,
     "set_onednn(addresses)\n--\n\nUse oneDNN: the addresses of its functions, in the order of "
     "csrc/onednn.h.\nThe first library stays; later ones are ignored."},
    {"set_onednn_finder", set_onednn_finder, METH_O,
     "set_onednn_finder(callable)\n--\n\nCall this without arguments when oneDNN is first wanted; it "
     "calls `set_onednn` or\nreturns. oneDNN counts as not looked for again."},
    {"set_onednn_judge", set_onednn_judge, METH_O,
     "set_onednn_judge(callable)\n--\n\nCall this with the bytes of a shape and a choice (1: oneDNN, 0: "
     "symc, -1: not measured\nyet); it returns the choice that holds. Choices are asked for anew."},
    {"onednn_count", onednn_count, METH_NOARGS,
     "onednn_count()\n--\n\nHow many convolutions oneDNN has computed in this process."},
    {NULL, NULL, 0, NULL}};
