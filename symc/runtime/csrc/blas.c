/* The BLAS table of compiled programs, and OpenBLAS on our thread pool.
 *
 * Python fills the table with addresses from scipy.linalg.cython_blas. An OpenBLAS behind it that
 * exports openblas_set_threads_callback_function gets its jobs run by our pool: two
 * pools on few cores fight, and each parallel product would pay for the other's spinning workers.
 */
#define _GNU_SOURCE
#include "callpath.h"
#include "products.h"

#include <dlfcn.h>
#include <pthread.h>
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

static void (*set_blas_threads)(int);
static int (*get_blas_threads)(void);
static struct {
  pthread_mutex_t mutex;
  int usual;   /* threads of BLAS when nobody wants it to use one */
  int reasons; /* products that run in slabs now, and one while the machine is crowded */
} single = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Let BLAS use one thread until as many `sy_blas_many` have followed; 0 if it can't be told to. */
int sy_blas_one(void) {
  if (!set_blas_threads) return 0;
  pthread_mutex_lock(&single.mutex);
  if (!single.reasons++) {
    single.usual = get_blas_threads();
    if (single.usual != 1) set_blas_threads(1);
  }
  pthread_mutex_unlock(&single.mutex);
  return 1;
}

/* The end of a `sy_blas_one` that returned 1: BLAS uses what it used before, unless somebody has
 * changed that meanwhile. */
void sy_blas_many(void) {
  pthread_mutex_lock(&single.mutex);
  if (!--single.reasons && single.usual != 1 && get_blas_threads() == 1)
    set_blas_threads(single.usual);
  pthread_mutex_unlock(&single.mutex);
}

/* In the child of a fork no product runs. */
void sy_blas_after_fork(void) {
  pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
  single.mutex = fresh;
  if (single.reasons && single.usual != 1 && get_blas_threads() == 1)
    set_blas_threads(single.usual);
  single.reasons = 0;
}

/* openblas(path, share): what OpenBLAS the library at `path` is or is linked with; None if none. */
static PyObject *openblas(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *path;
  int share;
  if (!PyArg_ParseTuple(args, "O&p:openblas", PyUnicode_FSConverter, &path, &share)) return NULL;
  void *library = dlopen(PyBytes_AS_STRING(path), RTLD_NOLOAD | RTLD_LAZY);
  Py_DECREF(path);
  if (!library) Py_RETURN_NONE;
  char *(*config)(void) = (char *(*)(void))openblas_symbol(library, "openblas_get_config");
  int (*threads)(void) = (int (*)(void))openblas_symbol(library, "openblas_get_num_threads");
  void (*limit)(int) = (void (*)(int))openblas_symbol(library, "openblas_set_num_threads");
  void (*set)(openblas_threads) =
      (void (*)(openblas_threads))openblas_symbol(library, "openblas_set_threads_callback_function");
  PyObject *result = NULL;
  if (config && threads && limit) {
    if (share && threads() > sy_threads()) limit(sy_threads());
    if (share && set) set(openblas_callback);
    if (share) {
      set_blas_threads = limit;
      get_blas_threads = threads;
    }
    Dl_info where;
    const char *file = dladdr((void *)config, &where) && where.dli_fname ? where.dli_fname : "";
    result = Py_BuildValue("{s:N,s:s,s:i,s:O}", "path", PyUnicode_DecodeFSDefault(file), "config",
                           config(), "threads", threads(), "callback", set ? Py_True : Py_False);
  } else {
    Py_INCREF(Py_None);
    result = Py_None;
  }
  dlclose(library);
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
    {"openblas", openblas, METH_VARARGS,
     "openblas(path, share)\n--\n\nDescribe the OpenBLAS that the loaded library at `path` is or uses, "
     "or None; with\n`share`, have it run its jobs on symc's threads where it allows that."},
    {NULL, NULL, 0, NULL}};
