/* NativeProgram: one compiled variant of a function, with the description of its operands. */
#include "callpath.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

/* ---- reading the description ------------------------------------------------------------------------ */

static int read_operand(sy_operand *is, PyObject *dtype, Py_ssize_t ndim) {
  if (ndim < 0 || ndim > 64) {
    PyErr_Format(PyExc_ValueError, "an operand has %zd axes", ndim);
    return -1;
  }
  is->ndim = (int)ndim;
  if (dtype == Py_None) return 0;
  if (!PyArray_DescrConverter(dtype, &is->descr)) return -1;
  npy_intp size = PyDataType_ELSIZE(is->descr);
  while (((npy_intp)1 << is->shift) < size) is->shift++;
  if (((npy_intp)1 << is->shift) != size || !PyDataType_ISNUMBER(is->descr)) {
    if (!PyDataType_ISBOOL(is->descr)) {
      PyErr_Format(PyExc_TypeError, "compiled programs can't hold arrays of dtype %R", is->descr);
      return -1;
    }
  }
  return 0;
}

static int read_flags(sy_operand *is, const char *text) {
  for (; *text; text++) {
    if (*text == 'w') {
      is->flags |= SY_WRITABLE;
    } else if (*text == 'c') {
      is->flags |= SY_CONTIGUOUS;
    } else if (*text == 's') {
      is->flags |= SY_STRICT;
    } else {
      PyErr_Format(PyExc_ValueError, "unknown operand flag '%c'; flags are w, c and s", *text);
      return -1;
    }
  }
  return 0;
}

static int read_how(const char *word, sy_how *how) {
  static const char *const words[] = {"fresh", "dynamic", "object", "input", "buffer", "inplace"};
  for (size_t k = 0; k < sizeof words / sizeof *words; k++)
    if (strcmp(word, words[k]) == 0) {
      *how = (sy_how)k;
      return 0;
    }
  PyErr_Format(PyExc_ValueError, "unknown kind of result '%s'", word);
  return -1;
}

static PyObject *item(PyObject *sequence, Py_ssize_t k) { return PySequence_Fast_GET_ITEM(sequence, k); }

/* A zeroed array with at least one entry, so that empty ones are no special case. */
static void *entries(Py_ssize_t count, size_t size) {
  void *array = PyMem_Calloc((size_t)count + 1, size);
  if (!array) PyErr_NoMemory();
  return array;
}

/* PyArg_ParseTuple must not be given anything else. */
static int all_tuples(PyObject *fast, const char *name) {
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(fast); k++)
    if (!PyTuple_Check(item(fast, k))) {
      PyErr_Format(PyExc_TypeError, "%s must be tuples, not %R", name,
                   (PyObject *)Py_TYPE(item(fast, k)));
      return 0;
    }
  return 1;
}

static int read_broadcast(sy_operand *is, PyObject *broadcast) {
  Py_ssize_t ndim = is->ndim;
  if (is->descr && PyTuple_GET_SIZE(broadcast) != ndim) {
    PyErr_SetString(PyExc_ValueError, "the broadcast pattern must have one entry per axis");
    return -1;
  }
  for (Py_ssize_t d = 0; d < PyTuple_GET_SIZE(broadcast); d++) {
    int one = PyObject_IsTrue(PyTuple_GET_ITEM(broadcast, d));
    if (one < 0) return -1;
    if (one) is->broadcast |= (uint64_t)1 << d;
  }
  return 0;
}

static int read_input(sy_operand *is, PyObject *spec) {
  PyObject *dtype, *broadcast;
  Py_ssize_t ndim;
  const char *flags;
  if (!PyArg_ParseTuple(spec, "OnO!s;input: (dtype or None, ndim, broadcast, flags)", &dtype, &ndim,
                        &PyTuple_Type, &broadcast, &flags))
    return -1;
  if (read_operand(is, dtype, ndim) < 0 || read_flags(is, flags) < 0) return -1;
  return read_broadcast(is, broadcast);
}

static int read_inputs(sy_program *p, PyObject *inputs, PyObject *shared) {
  p->nin = (int)PySequence_Fast_GET_SIZE(inputs);
  p->nshared = (int)PySequence_Fast_GET_SIZE(shared);
  p->in = entries(p->nin + p->nshared, sizeof *p->in);
  p->container = entries(p->nshared, sizeof *p->container);
  p->updated = entries(p->nshared, 1);
  if (!p->in || !p->container || !p->updated) return -1;
  for (int k = 0; k < p->nin; k++)
    if (read_input(&p->in[k], item(inputs, k)) < 0) return -1;
  for (int k = 0; k < p->nshared; k++) {
    PyObject *container, *dtype;
    Py_ssize_t ndim;
    const char *flags;
    if (!PyArg_ParseTuple(item(shared, k), "O!Ons;shared: (container, dtype or None, ndim, flags)",
                          &sy_container_type, &container, &dtype, &ndim, &flags))
      return -1;
    if (read_operand(&p->in[p->nin + k], dtype, ndim) < 0) return -1;
    if (read_flags(&p->in[p->nin + k], flags) < 0) return -1;
    Py_INCREF(container);
    p->container[k] = (sy_container *)container;
  }
  for (int k = 0; k < p->nin + p->nshared; k++)
    if (p->in[k].flags & SY_WRITABLE) p->writes = 1;
  return 0;
}

static int read_constants(sy_program *p, PyObject *constants) {
  p->nconst = (int)PySequence_Fast_GET_SIZE(constants);
  p->constant = entries(p->nconst, sizeof *p->constant);
  if (!p->constant) return -1;
  for (int k = 0; k < p->nconst; k++) {
    PyObject *value = item(constants, k);
    if (PyArray_Check(value) && !PyArray_ISCARRAY_RO((PyArrayObject *)value)) {
      PyErr_SetString(PyExc_ValueError, "array constants must be C-contiguous, aligned and native");
      return -1;
    }
    Py_INCREF(value);
    p->constant[k] = value;
  }
  return 0;
}

static int compare_addresses(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)*(void *const *)a, y = (uintptr_t)*(void *const *)b;
  return x < y ? -1 : x > y;
}

/* The distinct containers that are updated, by address: everybody locks in this order. */
static int collect_locks(sy_program *p) {
  p->lock = entries(p->nupdate, sizeof *p->lock);
  if (!p->lock) return -1;
  for (int u = 0; u < p->nupdate; u++) p->lock[u] = p->container[p->update[u].source];
  qsort(p->lock, (size_t)p->nupdate, sizeof *p->lock, compare_addresses);
  for (int u = 1; u < p->nupdate; u++)
    if (p->lock[u] == p->lock[u - 1]) {
      PyErr_SetString(PyExc_ValueError, "a container is updated twice");
      return -1;
    }
  p->nlock = p->nupdate;
  for (int k = 0; k < p->nshared; k++)
    for (int u = 0; u < p->nlock; u++)
      if (p->container[k] == p->lock[u]) p->updated[k] = 1;
  return 0;
}

static int read_update(sy_program *p, int u, PyObject *spec) {
  const char *word;
  sy_result *update = &p->update[u];
  if (!PyArg_ParseTuple(spec, "is;update: (shared position, how)", &update->source, &word)) return -1;
  if (read_how(word, &update->how) < 0) return -1;
  if (update->source < 0 || update->source >= p->nshared) {
    PyErr_Format(PyExc_ValueError, "update of shared container %d of %d", update->source, p->nshared);
    return -1;
  }
  sy_operand *shared = &p->in[p->nin + update->source];
  update->is = *shared;
  Py_XINCREF(shared->descr);
  p->update_out[u] = -1;
  if (update->how == SY_INPLACE) {
    shared->flags |= SY_WRITABLE;
    p->writes = 1;
    return 0;
  }
  p->update_out[u] = p->nout + p->nfresh;
  p->out[p->nout + p->nfresh] = *update;
  Py_XINCREF(shared->descr);
  p->nfresh++;
  return 0;
}

static int read_results(sy_program *p, PyObject *outputs, PyObject *updates) {
  p->nout = (int)PySequence_Fast_GET_SIZE(outputs);
  Py_ssize_t nupdate = PySequence_Fast_GET_SIZE(updates);
  p->out = entries(p->nout + nupdate, sizeof *p->out);
  p->update = entries(nupdate, sizeof *p->update);
  p->update_out = entries(nupdate, sizeof *p->update_out);
  if (!p->out || !p->update || !p->update_out) return -1;
  for (int k = 0; k < p->nout; k++) {
    PyObject *dtype;
    Py_ssize_t ndim;
    const char *word;
    sy_result *out = &p->out[k];
    if (!PyArg_ParseTuple(item(outputs, k), "sOni;output: (how, dtype or None, ndim, source)", &word,
                          &dtype, &ndim, &out->source))
      return -1;
    if (read_how(word, &out->how) < 0 || read_operand(&out->is, dtype, ndim) < 0) return -1;
    if (out->how == SY_INPUT && (out->source < 0 || out->source >= p->nin)) {
      PyErr_Format(PyExc_ValueError, "output %d stands for input %d of %d", k, out->source, p->nin);
      return -1;
    }
  }
  for (; p->nupdate < nupdate; p->nupdate++)
    if (read_update(p, p->nupdate, item(updates, p->nupdate)) < 0) return -1;
  return collect_locks(p);
}

static int read_step(sy_step *step, PyObject *spec) {
  PyObject *call, *inputs, *outputs;
  if (!PyArg_ParseTuple(spec, "OO!O!;step: (callable, inputs, outputs)", &call, &PyTuple_Type,
                        &inputs, &PyTuple_Type, &outputs))
    return -1;
  if (!all_tuples(inputs, "inputs of a step") || !all_tuples(outputs, "outputs of a step")) return -1;
  Py_INCREF(call);
  step->call = call;
  step->in = entries(PyTuple_GET_SIZE(inputs), sizeof *step->in);
  step->out = entries(PyTuple_GET_SIZE(outputs), sizeof *step->out);
  if (!step->in || !step->out) return -1;
  PyObject *dtype;
  Py_ssize_t ndim;
  for (; step->nin < PyTuple_GET_SIZE(inputs); step->nin++) {
    if (!PyArg_ParseTuple(item(inputs, step->nin), "On;step input: (dtype or None, ndim)", &dtype,
                          &ndim))
      return -1;
    if (read_operand(&step->in[step->nin], dtype, ndim) < 0) return -1;
  }
  for (; step->nout < PyTuple_GET_SIZE(outputs); step->nout++) {
    const char *word;
    sy_result *out = &step->out[step->nout];
    PyObject *broadcast;
    if (!PyArg_ParseTuple(item(outputs, step->nout),
                          "sOnO!;step output: (how, dtype or None, ndim, broadcast)", &word, &dtype,
                          &ndim, &PyTuple_Type, &broadcast))
      return -1;
    if (read_how(word, &out->how) < 0 || read_operand(&out->is, dtype, ndim) < 0) return -1;
    if (read_broadcast(&out->is, broadcast) < 0) return -1;
  }
  return 0;
}

static int read_steps(sy_program *p, PyObject *steps, PyObject *slots) {
  Py_ssize_t nstep = PySequence_Fast_GET_SIZE(steps);
  p->step = entries(nstep, sizeof *p->step);
  p->nslot = (int)PySequence_Fast_GET_SIZE(slots);
  p->slot = entries(p->nslot, sizeof *p->slot);
  if (!p->step || !p->slot) return -1;
  while (p->nstep < nstep) {
    p->nstep++; /* first, so that a half-read step is freed */
    if (read_step(&p->step[p->nstep - 1], item(steps, p->nstep - 1)) < 0) return -1;
  }
  for (int k = 0; k < p->nslot; k++)
    if (!PyArg_ParseTuple(item(slots, k), "ii;slot: (first, last)", &p->slot[k].first,
                          &p->slot[k].last))
      return -1;
  return 0;
}

static int read_all(sy_program *p, PyObject *sequence[7]) {
  static const char *const names[] = {"inputs",  "shared", "constants", "outputs",
                                      "updates", "steps",  "slots"};
  PyObject *fast[7] = {NULL};
  int failed = 0;
  for (int k = 0; k < 7 && !failed; k++) {
    fast[k] = sequence[k] ? PySequence_Fast(sequence[k], names[k]) : PyTuple_New(0);
    failed = fast[k] == NULL || (k != 2 /* constants */ && !all_tuples(fast[k], names[k]));
  }
  failed = failed || read_inputs(p, fast[0], fast[1]) < 0 || read_constants(p, fast[2]) < 0 ||
           read_results(p, fast[3], fast[4]) < 0 || read_steps(p, fast[5], fast[6]) < 0;
  for (int k = 0; k < 7; k++) Py_XDECREF(fast[k]);
  return failed ? -1 : 0;
}

/* ---- the type ----------------------------------------------------------------------------------------- */

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"prologue", "body",  "inputs", "shared",  "constants", "outputs", "updates",
                          "slots",    "steps", "sizes",  "library", "info",      "hold_gil", "onednn",
                          NULL};
  PyObject *prologue, *body, *s[7] = {NULL}, *library = Py_None, *info = Py_None;
  int sizes = 0, hold_gil = 0, onednn = SY_ONEDNN_OFF;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!|$OOOOOOOiOOpi:NativeProgram", names,
                                   &PyLong_Type, &prologue, &PyLong_Type, &body, &s[0], &s[1], &s[2],
                                   &s[3], &s[4], &s[6], &s[5], &sizes, &library, &info, &hold_gil,
                                   &onednn))
    return NULL;
  sy_program *p = (sy_program *)type->tp_alloc(type, 0);
  if (!p) return NULL;
  Py_INCREF(library);
  p->library = library;
  Py_INCREF(info);
  p->info = info;
  *(void **)&p->prologue = PyLong_AsVoidPtr(prologue);
  *(void **)&p->body = PyLong_AsVoidPtr(body);
  p->nsize = sizes;
  p->hold_gil = hold_gil;
  p->onednn = onednn;
  if (!p->prologue || !p->body || sizes < 0) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_ValueError, "a program needs the addresses of its two functions");
    Py_DECREF(p);
    return NULL;
  }
  if (read_all(p, s) < 0) {
    Py_DECREF(p);
    return NULL;
  }
  return (PyObject *)p;
}

static int program_traverse(sy_program *p, visitproc visit, void *arg) {
  Py_VISIT(p->library);
  Py_VISIT(p->info);
  for (int k = 0; p->container && k < p->nshared; k++) Py_VISIT(p->container[k]);
  for (int k = 0; p->constant && k < p->nconst; k++) Py_VISIT(p->constant[k]);
  for (int k = 0; k < p->nstep; k++) Py_VISIT(p->step[k].call);
  return 0;
}

/* Breaks cycles; the operands stay, so a call that still runs is safe. */
static int program_clear(sy_program *p) {
  Py_CLEAR(p->info);
  return 0;
}

static void drop_operands(sy_operand *operands, int count) {
  for (int k = 0; operands && k < count; k++) Py_XDECREF(operands[k].descr);
  PyMem_Free(operands);
}

static void drop_results(sy_result *results, int count) {
  for (int k = 0; results && k < count; k++) Py_XDECREF(results[k].is.descr);
  PyMem_Free(results);
}

static void program_dealloc(sy_program *p) {
  PyObject_GC_UnTrack(p);
  if (p->weakrefs) PyObject_ClearWeakRefs((PyObject *)p);
  while (p->nidle) PyMem_Free(p->idle[--p->nidle]);
  drop_operands(p->in, p->nin + p->nshared);
  drop_results(p->out, p->nout + p->nfresh);
  drop_results(p->update, p->nupdate);
  for (int k = 0; k < p->nstep; k++) {
    Py_XDECREF(p->step[k].call);
    drop_operands(p->step[k].in, p->step[k].nin);
    drop_results(p->step[k].out, p->step[k].nout);
  }
  for (int k = 0; p->container && k < p->nshared; k++) Py_XDECREF(p->container[k]);
  for (int k = 0; p->constant && k < p->nconst; k++) Py_XDECREF(p->constant[k]);
  for (int k = 0; k < SY_LAYOUTS; k++) PyMem_Free(p->layout[k].bytes);
  PyMem_Free(p->container);
  PyMem_Free(p->constant);
  PyMem_Free(p->updated);
  PyMem_Free(p->update_out);
  PyMem_Free(p->lock);
  PyMem_Free(p->step);
  PyMem_Free(p->slot);
  Py_CLEAR(p->info);
  Py_CLEAR(p->library);
  Py_TYPE(p)->tp_free((PyObject *)p);
}

static PyMemberDef program_members[] = {
    {"info", T_OBJECT, offsetof(sy_program, info), 0, "The maker's notes, used for messages."},
    {"library", T_OBJECT, offsetof(sy_program, library), READONLY, "What keeps the code loaded."},
    {NULL, 0, 0, 0, NULL}};

static PyObject *layouts(sy_program *p, PyObject *unused) {
  (void)unused;
  PyObject *list = PyList_New(0);
  for (int k = 0; list && k < SY_LAYOUTS; k++) {
    if (!p->layout[k].bytes) continue;
    PyObject *offsets = PyTuple_New(p->nslot);
    for (int s = 0; offsets && s < p->nslot; s++)
      PyTuple_SET_ITEM(offsets, s, PyLong_FromLongLong(p->layout[k].offset[s]));
    PyObject *entry = offsets ? Py_BuildValue("(LN)", (long long)p->layout[k].total, offsets) : NULL;
    if (!entry || PyList_Append(list, entry) < 0) Py_CLEAR(list);
    Py_XDECREF(entry);
  }
  return list;
}

static PyMethodDef program_methods[] = {
    {"layouts", (PyCFunction)layouts, METH_NOARGS,
     "layouts()\n--\n\n[(arena bytes, slot offsets)] of the slot sizes seen lately."},
    {NULL, NULL, 0, NULL}};

PyTypeObject sy_program_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "symc.runtime._callpath.NativeProgram",
    .tp_doc = "NativeProgram(prologue, body, *, inputs, shared, constants, outputs, updates, slots, "
              "steps, sizes, library, info, hold_gil, onednn)\n--\n\n"
              "One compiled variant of a function; see symc.runtime.",
    .tp_basicsize = sizeof(sy_program),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = program_new,
    .tp_dealloc = (destructor)program_dealloc,
    .tp_traverse = (traverseproc)program_traverse,
    .tp_clear = (inquiry)program_clear,
    .tp_members = program_members,
    .tp_methods = program_methods,
    .tp_weaklistoffset = offsetof(sy_program, weakrefs),
};

int sy_program_init(PyObject *module) {
  if (PyType_Ready(&sy_program_type) < 0) return -1;
  Py_INCREF(&sy_program_type);
  return PyModule_AddObject(module, "NativeProgram", (PyObject *)&sy_program_type);
}
