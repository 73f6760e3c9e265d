/* Containers: storage of shared variables, and the locks of calls that update them.
 *
 * All fields are guarded by the GIL. A call that updates containers owns them from before it reads
 * until it has committed; a call that works without the GIL pins what it reads, and whoever wants
 * to write in place into a pinned array takes a fresh copy instead. Waiting releases the GIL.
 */
#include "callpath.h"

#include <pthread.h>
#include <stddef.h>
#include <structmember.h>

static _Thread_local sy_holder me;

/* Raised whenever somebody may stop waiting. */
static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  uint64_t news; /* written with the GIL and the mutex */
  int waiters;   /* GIL */
  unsigned era;  /* counts forks; owners and pins of an older era belong to threads that are gone */
} market = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Forget owners and pins that did not survive a fork. */
static void refresh(sy_container *self) {
  if (self->era == market.era) return;
  if (self->owner != &me) {
    self->owner = NULL;
    self->depth = self->in_place = 0;
  }
  self->readers = 0;
  self->era = market.era;
}

static int would_deadlock(sy_container *wanted) {
  for (sy_container *c = wanted; c && c->owner; c = c->owner->waiting)
    if (c->owner == &me) return 1;
  return 0;
}

/* Wait for news about `self`. */
static int wait_for(sy_container *self) {
  if (would_deadlock(self)) {
    PyErr_SetString(PyExc_RuntimeError,
                    "deadlock: two threads update shared variables from inside Python steps and "
                    "each waits for a variable that the other one holds");
    return -1;
  }
  uint64_t seen = market.news;
  me.waiting = self;
  market.waiters++;
  Py_BEGIN_ALLOW_THREADS
  pthread_mutex_lock(&market.mutex);
  while (market.news == seen) pthread_cond_wait(&market.changed, &market.mutex);
  pthread_mutex_unlock(&market.mutex);
  Py_END_ALLOW_THREADS
  market.waiters--;
  me.waiting = NULL;
  return 0;
}

static void announce(void) {
  if (!market.waiters) return;
  pthread_mutex_lock(&market.mutex);
  market.news++;
  pthread_cond_broadcast(&market.changed);
  pthread_mutex_unlock(&market.mutex);
}

int sy_container_lock(sy_container *self) {
  refresh(self);
  while (self->owner && self->owner != &me)
    if (wait_for(self) < 0) return -1;
  self->owner = &me;
  self->depth++;
  return 0;
}

void sy_container_unlock(sy_container *self) {
  if (--self->depth > 0) return;
  self->owner = NULL;
  self->in_place = 0;
  announce();
}

int sy_container_settle(sy_container *self) {
  refresh(self);
  while (self->owner && self->owner != &me && self->in_place)
    if (wait_for(self) < 0) return -1;
  return 0;
}

void sy_container_pin(sy_container *self) {
  refresh(self);
  self->readers++;
}

void sy_container_unpin(sy_container *self) {
  refresh(self);
  if (self->readers > 0) self->readers--;
}

PyObject *sy_container_swap(sy_container *self, PyObject *value) {
  PyObject *old = self->value;
  self->value = value;
  return old;
}

static void after_fork_child(void) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  market.mutex = mutex;
  market.changed = changed;
  market.waiters = 0;
  market.era++;
  me.waiting = NULL;
}

/* ---- the Python type ------------------------------------------------------------------------------- */

static PyObject *container_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *value = Py_None;
  static char *names[] = {"value", NULL};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Container", names, &value)) return NULL;
  sy_container *self = (sy_container *)type->tp_alloc(type, 0);
  if (!self) return NULL;
  Py_INCREF(value);
  self->value = value;
  self->era = market.era;
  return (PyObject *)self;
}

static int container_traverse(sy_container *self, visitproc visit, void *arg) {
  Py_VISIT(self->value);
  return 0;
}

static int container_clear(sy_container *self) {
  Py_CLEAR(self->value);
  return 0;
}

static void container_dealloc(sy_container *self) {
  PyObject_GC_UnTrack(self);
  if (self->weakrefs) PyObject_ClearWeakRefs((PyObject *)self);
  Py_CLEAR(self->value);
  Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *get_value(sy_container *self, void *unused) {
  (void)unused;
  if (sy_container_settle(self) < 0) return NULL;
  PyObject *value = self->value ? self->value : Py_None;
  Py_INCREF(value);
  return value;
}

static int set_value(sy_container *self, PyObject *value, void *unused) {
  (void)unused;
  if (!value) {
    PyErr_SetString(PyExc_AttributeError, "the value of a container can't be deleted");
    return -1;
  }
  if (sy_container_lock(self) < 0) return -1;
  Py_INCREF(value);
  PyObject *old = sy_container_swap(self, value);
  sy_container_unlock(self);
  Py_XDECREF(old);
  return 0;
}

static PyObject *lock(sy_container *self, PyObject *unused) {
  (void)unused;
  if (sy_container_lock(self) < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *unlock(sy_container *self, PyObject *unused) {
  (void)unused;
  if (self->owner != &me)
    return PyErr_Format(PyExc_RuntimeError, "the container is not locked by this thread");
  sy_container_unlock(self);
  Py_RETURN_NONE;
}

static PyObject *pin(sy_container *self, PyObject *unused) {
  PyObject *value = get_value(self, NULL);
  (void)unused;
  if (value) sy_container_pin(self);
  return value;
}

static PyObject *unpin(sy_container *self, PyObject *unused) {
  (void)unused;
  sy_container_unpin(self);
  Py_RETURN_NONE;
}

static PyMethodDef container_methods[] = {
    {"lock", (PyCFunction)lock, METH_NOARGS,
     "lock()\n--\n\nWait until no other thread updates the value, then keep others from it."},
    {"unlock", (PyCFunction)unlock, METH_NOARGS, "unlock()\n--\n\nUndo one `lock`."},
    {"pin", (PyCFunction)pin, METH_NOARGS,
     "pin()\n--\n\nThe value; until `unpin`, nobody writes into it (updates use a new array)."},
    {"unpin", (PyCFunction)unpin, METH_NOARGS, "unpin()\n--\n\nUndo one `pin`."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef container_getset[] = {
    {"value", (getter)get_value, (setter)set_value,
     "What is stored. Reading waits while another thread writes into the array; setting waits "
     "while another thread updates it.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject sy_container_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "symc.runtime._callpath.Container",
    .tp_doc = "Container(value=None)\n--\n\nStorage of one shared variable, seen by many functions.",
    .tp_basicsize = sizeof(sy_container),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = container_new,
    .tp_dealloc = (destructor)container_dealloc,
    .tp_traverse = (traverseproc)container_traverse,
    .tp_clear = (inquiry)container_clear,
    .tp_methods = container_methods,
    .tp_getset = container_getset,
    .tp_weaklistoffset = offsetof(sy_container, weakrefs),
};

int sy_container_init(PyObject *module) {
  if (pthread_atfork(NULL, NULL, after_fork_child) != 0) {
    PyErr_SetString(PyExc_MemoryError, "pthread_atfork failed");
    return -1;
  }
  if (PyType_Ready(&sy_container_type) < 0) return -1;
  Py_INCREF(&sy_container_type);
  return PyModule_AddObject(module, "Container", (PyObject *)&sy_container_type);
}
