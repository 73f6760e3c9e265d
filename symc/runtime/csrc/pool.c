/* Recycled memory for outputs, arenas and dynamic buffers.
 *
 * Fresh memory costs more than arithmetic: every new page is a fault. Blocks are sorted into size
 * classes (four per doubling) and kept when they are freed, up to a limit in bytes; what does not
 * fit evicts blocks of the class that was used least recently. Output arrays own their memory: the
 * pool is their NumPy memory handler (NEP 49), so dropping or resizing an array comes back here.
 */
#define _GNU_SOURCE
#include "callpath.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC 0x73796d63u
#define CLASSES 180
#define HUGE_PAGE ((size_t)2 << 20)
#define MAPPED_FROM HUGE_PAGE          /* larger blocks come from mmap */
#define SMALL_CLASS_BYTES ((size_t)4 << 20) /* kept per class of blocks below MAPPED_FROM */
#define COLOURS 32
#define COLOUR_BYTES 128

/* Header of a block, right before its data; 64 bytes keep the data aligned. */
typedef struct block {
  struct block *next;
  size_t capacity;
  size_t size;   /* bytes asked for */
  void *base;    /* what free or munmap gets */
  size_t mapped; /* length of the mapping, 0 for malloc */
  uint32_t magic;
  uint32_t class;
  uint64_t unused[2];
} block;
_Static_assert(sizeof(block) == SY_ALIGN, "the header must keep the data aligned");

static struct {
  atomic_flag lock;
  block *free[CLASSES];
  size_t class_bytes[CLASSES];
  uint64_t used_at[CLASSES];
  uint64_t clock;
  size_t cached; /* bytes in the free lists */
  size_t live;   /* bytes handed out */
  size_t limit;
  unsigned colour;
} pool = {.lock = ATOMIC_FLAG_INIT};

static PyObject *handler_capsule;

static inline void lock_pool(void) {
  int spins = 0;
  while (atomic_flag_test_and_set_explicit(&pool.lock, memory_order_acquire))
    if (++spins > 100) sched_yield();
}

static inline void unlock_pool(void) {
  atomic_flag_clear_explicit(&pool.lock, memory_order_release);
}

/* Size class of `bytes` and the capacity of its blocks: 64, 80, 96, 112, 128, 160, ... */
static inline uint32_t size_class(size_t bytes, size_t *capacity) {
  if (bytes <= 64) {
    *capacity = 64;
    return 0;
  }
  int top = 63 - __builtin_clzll((unsigned long long)(bytes - 1));
  int shift = top - 2;
  size_t quarter = ((bytes - 1) >> shift) + 1; /* 5..8 */
  *capacity = quarter << shift;
  return (uint32_t)((top - 6) * 4 + (int)(quarter - 5) + 1);
}

static void release_block(block *b) {
  if (b->mapped)
    munmap(b->base, b->mapped);
  else
    free(b->base);
}

static block *mapped_block(size_t capacity) {
  /* Blocks start at varying offsets: arrays of equal alignment modulo 4096 would stall each
   * other's loads and stores and fall into the same cache sets. */
  size_t colour = (size_t)(__atomic_fetch_add(&pool.colour, 1, __ATOMIC_RELAXED) % COLOURS);
  size_t length = capacity + sizeof(block) + COLOURS * COLOUR_BYTES;
  length = (length + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
  char *raw = mmap(NULL, length + HUGE_PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return NULL;
  char *start = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
  if (start > raw) munmap(raw, (size_t)(start - raw));
  size_t tail = (size_t)(raw + HUGE_PAGE - start);
  if (tail) munmap(start + length, tail);
#ifdef MADV_HUGEPAGE
  madvise(start, length, MADV_HUGEPAGE);
#endif
  block *b = (block *)(start + colour * COLOUR_BYTES);
  b->base = start;
  b->mapped = length;
  return b;
}

static block *new_block(size_t capacity) {
  if (capacity >= MAPPED_FROM) return mapped_block(capacity);
  void *base = NULL;
  if (posix_memalign(&base, SY_ALIGN, sizeof(block) + capacity) != 0) return NULL;
  block *b = base;
  b->base = base;
  b->mapped = 0;
  return b;
}

/* Unlink blocks until at most `target` bytes are cached; with the lock held. The caller releases
 * the returned list without it. */
static block *evict(size_t target) {
  block *list = NULL;
  while (pool.cached > target) {
    int oldest = -1;
    for (int c = 0; c < CLASSES; c++)
      if (pool.free[c] && (oldest < 0 || pool.used_at[c] < pool.used_at[oldest])) oldest = c;
    if (oldest < 0) break;
    block *b = pool.free[oldest];
    pool.free[oldest] = b->next;
    pool.class_bytes[oldest] -= b->capacity;
    pool.cached -= b->capacity;
    b->next = list;
    list = b;
  }
  return list;
}

static void release_list(block *list) {
  while (list) {
    block *next = list->next;
    release_block(list);
    list = next;
  }
}

static void trim(size_t target) {
  lock_pool();
  block *list = evict(target);
  unlock_pool();
  release_list(list);
}

void *sy_pool_alloc(size_t bytes) {
  if (bytes > (size_t)1 << 47) return NULL;
  size_t capacity;
  uint32_t class = size_class(bytes, &capacity);
  lock_pool();
  block *b = pool.free[class];
  pool.used_at[class] = ++pool.clock;
  pool.live += capacity;
  if (b) {
    pool.free[class] = b->next;
    pool.class_bytes[class] -= capacity;
    pool.cached -= capacity;
  }
  unlock_pool();
  if (!b) {
    b = new_block(capacity);
    if (!b) {
      trim(0);
      b = new_block(capacity);
    }
    if (!b) {
      lock_pool();
      pool.live -= capacity;
      unlock_pool();
      return NULL;
    }
    b->capacity = capacity;
    b->class = class;
    b->magic = MAGIC;
  }
  b->size = bytes;
  return b + 1;
}

void sy_pool_free(void *data) {
  if (!data) return;
  block *b = (block *)data - 1;
  if (b->magic != MAGIC) Py_FatalError("symc: memory before an array was overwritten");
  size_t capacity = b->capacity;
  int small = capacity < MAPPED_FROM;
  block *list = NULL;
  lock_pool();
  pool.live -= capacity;
  if (capacity > pool.limit || (small && pool.class_bytes[b->class] >= SMALL_CLASS_BYTES)) {
    b->next = NULL;
    list = b;
  } else {
    if (pool.cached + capacity > pool.limit) list = evict(pool.limit - capacity);
    b->next = pool.free[b->class];
    pool.free[b->class] = b;
    pool.class_bytes[b->class] += capacity;
    pool.cached += capacity;
  }
  unlock_pool();
  release_list(list);
}

/* ---- NumPy's memory handler ---------------------------------------------------------------------- */

static void *handler_malloc(void *context, size_t size) {
  (void)context;
  return sy_pool_alloc(size);
}

static void *handler_calloc(void *context, size_t count, size_t size) {
  (void)context;
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void *data = sy_pool_alloc(bytes);
  if (data) memset(data, 0, bytes);
  return data;
}

static void *handler_realloc(void *context, void *data, size_t size) {
  (void)context;
  if (!data) return sy_pool_alloc(size);
  block *b = (block *)data - 1;
  if (size <= b->capacity && size >= b->capacity / 2) {
    b->size = size;
    return data;
  }
  void *moved = sy_pool_alloc(size);
  if (!moved) return NULL;
  memcpy(moved, data, b->size < size ? b->size : size);
  sy_pool_free(data);
  return moved;
}

static void handler_free(void *context, void *data, size_t size) {
  (void)context;
  (void)size;
  sy_pool_free(data);
}

static PyDataMem_Handler handler = {
    "symc_pool", 1, {NULL, handler_malloc, handler_calloc, handler_realloc, handler_free}};

static void own(PyArrayObject *array) {
  PyArrayObject_fields *fields = (PyArrayObject_fields *)array;
  fields->flags |= NPY_ARRAY_OWNDATA;
  Py_INCREF(handler_capsule);
  Py_XSETREF(fields->mem_handler, handler_capsule);
}

int64_t sy_count(int ndim, const int64_t *n, int64_t itemsize) {
  int64_t count = 1, bytes = itemsize;
  int empty = 0;
  for (int d = 0; d < ndim; d++) {
    if (n[d] < 0) return -1;
    if (n[d] == 0) {
      empty = 1;
      continue;
    }
    if (__builtin_mul_overflow(bytes, n[d], &bytes)) return -1;
    count *= n[d];
  }
  return empty ? 0 : count;
}

PyObject *sy_new_array(PyArray_Descr *descr, int ndim, const int64_t *n) {
  int64_t itemsize = PyDataType_ELSIZE(descr);
  int64_t count = sy_count(ndim, n, itemsize);
  if (count < 0) {
    for (int d = 0; d < ndim; d++)
      if (n[d] < 0)
        return PyErr_Format(PyExc_ValueError, "negative length %lld of axis %d",
                            (long long)n[d], d);
    PyErr_SetString(PyExc_MemoryError, "the number of bytes of an array does not fit");
    return NULL;
  }
  void *data = sy_pool_alloc((size_t)(count * itemsize));
  if (!data) return PyErr_NoMemory();
  Py_INCREF(descr);
  PyObject *array = PyArray_NewFromDescr(&PyArray_Type, descr, ndim, (const npy_intp *)n, NULL,
                                         data, NPY_ARRAY_CARRAY, NULL);
  if (!array) {
    sy_pool_free(data);
    return NULL;
  }
  own((PyArrayObject *)array);
  return array;
}

int sy_detach(PyArrayObject *array) {
  npy_intp bytes = PyArray_NBYTES(array);
  PyArrayObject *copy = (PyArrayObject *)sy_new_array(PyArray_DESCR(array), PyArray_NDIM(array),
                                                      (const int64_t *)PyArray_DIMS(array));
  if (!copy) return -1;
  if (bytes && PyArray_CopyInto(copy, array) < 0) {
    Py_DECREF(copy);
    return -1;
  }
  PyArrayObject_fields *to = (PyArrayObject_fields *)array;
  PyArrayObject_fields *from = (PyArrayObject_fields *)copy;
  to->data = from->data;
  for (int d = 0; d < to->nd; d++) to->strides[d] = from->strides[d];
  from->flags &= ~NPY_ARRAY_OWNDATA;
  own(array);
  PyArray_UpdateFlags(array, NPY_ARRAY_UPDATE_ALL);
  Py_DECREF(copy);
  return 0;
}

/* ---- Python's view --------------------------------------------------------------------------------- */

static PyObject *pool_info(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  lock_pool();
  size_t cached = pool.cached, live = pool.live, limit = pool.limit;
  unlock_pool();
  return Py_BuildValue("{s:n,s:n,s:n}", "cached", (Py_ssize_t)cached, "live", (Py_ssize_t)live,
                       "limit", (Py_ssize_t)limit);
}

static PyObject *pool_limit(PyObject *module, PyObject *arg) {
  (void)module;
  Py_ssize_t limit = PyLong_AsSsize_t(arg);
  if (limit < 0) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the limit must not be negative");
    return NULL;
  }
  lock_pool();
  pool.limit = (size_t)limit;
  unlock_pool();
  trim((size_t)limit);
  Py_RETURN_NONE;
}

static PyObject *pool_trim(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  trim(0);
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"pool_info", pool_info, METH_NOARGS,
     "pool_info()\n--\n\nBytes kept for reuse, bytes handed out and the limit of the first."},
    {"set_pool_limit", pool_limit, METH_O,
     "set_pool_limit(bytes)\n--\n\nKeep at most `bytes` of unused memory; 0 keeps none."},
    {"trim_pool", pool_trim, METH_NOARGS,
     "trim_pool()\n--\n\nGive all unused memory back to the system."},
    {NULL, NULL, 0, NULL}};

int sy_pool_init(PyObject *module) {
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  size_t memory = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : (size_t)4 << 30;
  size_t most = (size_t)1 << 30;
  pool.limit = memory / 8 < most ? memory / 8 : most;
  if (pthread_atfork(lock_pool, unlock_pool, unlock_pool) != 0) {
    PyErr_SetString(PyExc_MemoryError, "pthread_atfork failed");
    return -1;
  }
  handler_capsule = PyCapsule_New(&handler, "mem_handler", NULL);
  if (!handler_capsule) return -1;
  return PyModule_AddFunctions(module, methods);
}
