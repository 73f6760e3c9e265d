/* The BLAS table of compiled programs, and OpenBLAS on our thread pool.
 *
 * Python fills the table with addresses from scipy.linalg.cython_blas. OpenBLAS libraries in the
 * process that export openblas_set_threads_callback_function get their jobs run by our pool: two
 * pools on few cores fight, and each parallel product would pay for the other's spinning workers.
 */
#define _GNU_SOURCE
#include "callpath.h"

#include <dlfcn.h>
#ifdef __linux__
#include <link.h>
#endif
#include <string.h>

void *sy_blas[SY_BLAS_COUNT];

typedef void (*openblas_job)(int number, void *data, int argument);
typedef void (*openblas_threads)(int sync, openblas_job job, int jobs, size_t size, void *data,
                                 int argument);

typedef struct {
  openblas_job job;
  char *data;
  size_t size;
  int argument;
} blas_jobs;

static void run_blas_jobs(void *context, int64_t first, int64_t last, int thread) {
  (void)thread;
  blas_jobs *jobs = context;
  for (int64_t k = first; k < last; k++)
    jobs->job((int)k, jobs->data + (size_t)k * jobs->size, jobs->argument);
}

static void openblas_callback(int sync, openblas_job job, int jobs, size_t size, void *data,
                              int argument) {
  (void)sync;
  blas_jobs context = {job, data, size, argument};
  sy_concurrent(run_blas_jobs, &context, jobs);
}

/* `name` in `library`, with the prefixes and suffixes that builds of OpenBLAS carry. */
static void *openblas_symbol(void *library, const char *name) {
  static const char *const prefixes[] = {"", "scipy_"};
  static const char *const suffixes[] = {"", "64_", "_64"};
  char full[128];
  for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++)
    for (size_t s = 0; s < sizeof suffixes / sizeof *suffixes; s++) {
      PyOS_snprintf(full, sizeof full, "%s%s%s", prefixes[p], name, suffixes[s]);
      void *address = dlsym(library, full);
      if (address) return address;
    }
  return NULL;
}

#ifdef __linux__
static int visit_library(struct dl_phdr_info *info, size_t size, void *list) {
  (void)size;
  const char *name = info->dlpi_name ? info->dlpi_name : "";
  const char *file = strrchr(name, '/');
  if (strstr(file ? file : name, "openblas") == NULL) return 0;
  PyObject *path = PyUnicode_DecodeFSDefault(name);
  if (!path || PyList_Append(list, path) < 0) PyErr_Clear();
  Py_XDECREF(path);
  return 0;
}
#endif

/* Paths of the OpenBLAS libraries in the process; [] where the system can't tell. */
static PyObject *openblas_paths(void) {
  PyObject *list = PyList_New(0);
#ifdef __linux__
  if (list) dl_iterate_phdr(visit_library, list);
#endif
  return list;
}

static PyObject *describe_library(PyObject *path, int share) {
  PyObject *bytes = PyUnicode_EncodeFSDefault(path);
  if (!bytes) return NULL;
  void *library = dlopen(PyBytes_AS_STRING(bytes), RTLD_NOLOAD | RTLD_LAZY);
  Py_DECREF(bytes);
  if (!library) Py_RETURN_NONE;
  char *(*config)(void) = (char *(*)(void))openblas_symbol(library, "openblas_get_config");
  int (*threads)(void) = (int (*)(void))openblas_symbol(library, "openblas_get_num_threads");
  void (*limit)(int) = (void (*)(int))openblas_symbol(library, "openblas_set_num_threads");
  void (*set)(openblas_threads) =
      (void (*)(openblas_threads))openblas_symbol(library, "openblas_set_threads_callback_function");
  int shared = 0;
  if (share) {
    if (threads && limit && threads() > sy_threads()) limit(sy_threads());
    if (set) {
      set(openblas_callback);
      shared = 1;
    }
  }
  PyObject *result =
      Py_BuildValue("{s:O,s:s,s:i,s:i,s:i}", "path", path, "config", config ? config() : "",
                    "threads", threads ? threads() : 0, "callback", set != NULL, "shared", shared);
  dlclose(library);
  return result;
}

static PyObject *openblas(PyObject *module, PyObject *share) {
  (void)module;
  int on = PyObject_IsTrue(share);
  if (on < 0) return NULL;
  PyObject *paths = openblas_paths();
  if (!paths) return NULL;
  PyObject *result = PyList_New(0);
  for (Py_ssize_t k = 0; result && k < PyList_GET_SIZE(paths); k++) {
    PyObject *entry = describe_library(PyList_GET_ITEM(paths, k), on);
    if (!entry || (entry != Py_None && PyList_Append(result, entry) < 0)) Py_CLEAR(result);
    Py_XDECREF(entry);
  }
  Py_DECREF(paths);
  return result;
}

static PyObject *set_blas(PyObject *module, PyObject *addresses) {
  (void)module;
  if (!PyTuple_Check(addresses) || PyTuple_GET_SIZE(addresses) != SY_BLAS_COUNT)
    return PyErr_Format(PyExc_ValueError, "set_blas needs a tuple of %d addresses",
                        (int)SY_BLAS_COUNT);
  void *table[SY_BLAS_COUNT];
  for (int k = 0; k < SY_BLAS_COUNT; k++) {
    table[k] = PyLong_AsVoidPtr(PyTuple_GET_ITEM(addresses, k));
    if (!table[k]) {
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "an address is null");
      return NULL;
    }
  }
  memcpy(sy_blas, table, sizeof table);
  Py_RETURN_NONE;
}

PyMethodDef sy_blas_methods[] = {
    {"set_blas", set_blas, METH_O,
     "set_blas(addresses)\n--\n\nFill the BLAS table, in the order of the SY_BLAS_* numbers."},
    {"openblas", openblas, METH_O,
     "openblas(share)\n--\n\nDescribe the OpenBLAS libraries of the process; with `share`, have "
     "them run their\nthreads on symc's pool where they allow it."},
    {NULL, NULL, 0, NULL}};
