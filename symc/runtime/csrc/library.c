/* Library: a shared object in memory, closed when the last program that needs it is gone. */
#include "callpath.h"

#include <dlfcn.h>

typedef struct {
  PyObject_HEAD
  void *handle;
  PyObject *path;
} sy_library;

static int open_libraries; /* GIL */

static PyObject *library_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"path", NULL};
  PyObject *bytes;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&:Library", names, PyUnicode_FSConverter, &bytes))
    return NULL;
  sy_library *self = (sy_library *)type->tp_alloc(type, 0);
  if (self) self->path = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(bytes));
  if (self && self->path) {
    self->handle = dlopen(PyBytes_AS_STRING(bytes), RTLD_NOW | RTLD_LOCAL);
    if (self->handle) {
      open_libraries++;
    } else {
      const char *reason = dlerror();
      PyErr_Format(PyExc_OSError, "%s", reason ? reason : "the library can't be loaded");
    }
  }
  Py_DECREF(bytes);
  if (self && !self->handle) Py_CLEAR(self);
  return (PyObject *)self;
}

static void library_dealloc(sy_library *self) {
  if (self->handle) {
    dlclose(self->handle);
    open_libraries--;
  }
  Py_XDECREF(self->path);
  Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *address(sy_library *self, PyObject *name) {
  const char *text = PyUnicode_AsUTF8(name);
  if (!text) return NULL;
  void *found = dlsym(self->handle, text);
  if (!found) return PyErr_Format(PyExc_AttributeError, "%U has no symbol %U", self->path, name);
  return PyLong_FromVoidPtr(found);
}

/* The value of an exported `const int`. */
static PyObject *integer(sy_library *self, PyObject *name) {
  PyObject *where = address(self, name);
  if (!where) return NULL;
  const int *value = PyLong_AsVoidPtr(where);
  Py_DECREF(where);
  return PyLong_FromLong(*value);
}

static PyMethodDef library_methods[] = {
    {"address", (PyCFunction)address, METH_O, "address(name)\n--\n\nAddress of a symbol."},
    {"integer", (PyCFunction)integer, METH_O,
     "integer(name)\n--\n\nValue of an exported variable of type int."},
    {NULL, NULL, 0, NULL}};

static PyObject *get_path(sy_library *self, void *unused) {
  (void)unused;
  Py_INCREF(self->path);
  return self->path;
}

static PyGetSetDef library_getset[] = {
    {"path", (getter)get_path, NULL, "The file it was loaded from.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject sy_library_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "symc.runtime._callpath.Library",
    .tp_doc = "Library(path)\n--\n\nLoad a shared object; OSError where that fails.",
    .tp_basicsize = sizeof(sy_library),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = library_new,
    .tp_dealloc = (destructor)library_dealloc,
    .tp_methods = library_methods,
    .tp_getset = library_getset,
};

static PyObject *library_count(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return PyLong_FromLong(open_libraries);
}

static PyMethodDef methods[] = {
    {"library_count", library_count, METH_NOARGS,
     "library_count()\n--\n\nNumber of libraries that are loaded now."},
    {NULL, NULL, 0, NULL}};

int sy_library_init(PyObject *module) {
  if (PyType_Ready(&sy_library_type) < 0) return -1;
  Py_INCREF(&sy_library_type);
  if (PyModule_AddObject(module, "Library", (PyObject *)&sy_library_type) < 0) return -1;
  return PyModule_AddFunctions(module, methods);
}
