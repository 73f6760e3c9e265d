/* The extension module symc.runtime._callpath. */
#define SYMC_MODULE_INIT
#include "callpath.h"

static PyObject *set_threads(PyObject *module, PyObject *arg) {
  (void)module;
  long threads = PyLong_AsLong(arg);
  if (threads < 0) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_ValueError, "the number of threads must not be negative");
    return NULL;
  }
  sy_set_threads(threads > 1 << 20 ? 1 << 20 : (int)threads);
  Py_RETURN_NONE;
}

static PyObject *threads_info(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return Py_BuildValue("(ii)", sy_threads(), sy_thread_workers());
}

static PyMethodDef methods[] = {
    {"set_threads", set_threads, METH_O,
     "set_threads(threads)\n--\n\nUse at most this many threads per call; 0: OMP_NUM_THREADS, or "
     "what affinity and\ncgroup quota allow."},
    {"threads", threads_info, METH_NOARGS,
     "threads()\n--\n\n(threads that a call may use, workers that have been started)."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "symc.runtime._callpath",
                                        "The call path of compiled programs.", -1, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__callpath(void) {
  import_array();
  PyObject *module = PyModule_Create(&definition);
  if (!module) return NULL;
  if (sy_pool_init(module) < 0 || sy_threads_init() < 0 || sy_run_init() < 0 ||
      sy_container_init(module) < 0 || sy_program_init(module) < 0 ||
      sy_function_init(module) < 0 || sy_library_init(module) < 0 ||
      PyModule_AddFunctions(module, sy_blas_methods) < 0 ||
      PyModule_AddFunctions(module, sy_onednn_methods) < 0 ||
      PyModule_AddIntConstant(module, "abi_version", SY_ABI_VERSION) < 0) {
    Py_DECREF(module);
    return NULL;
  }
  return module;
}
