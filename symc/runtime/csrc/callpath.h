/* Private declarations shared by the sources of the call path extension.
 *
 * Locking rules: whatever says "GIL" below is guarded by the interpreter lock; the memory pool and
 * the thread pool have locks of their own, because program bodies use them without the GIL.
 */
#ifndef SYMC_CALLPATH_H
#define SYMC_CALLPATH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL symc_callpath_array_api
#ifndef SYMC_MODULE_INIT
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

#include <stdatomic.h>

#if NPY_SIZEOF_INTP != 8
#error "the call path needs a 64-bit system; without it symc runs on its NumPy path"
#endif

#include "products.h"
#include "symc_abi.h"

/* A call that works for longer than this, in nanoseconds, releases the GIL. */
#define SY_GIL_WORK 1e4

/* ---- pool.c: recycled memory --------------------------------------------------------------- */

/* 64-byte aligned memory of at least `bytes`, or NULL. Needs no GIL. */
void *sy_pool_alloc(size_t bytes);
void sy_pool_free(void *data);
int sy_pool_init(PyObject *module);
/* A new C-contiguous array that owns memory of the pool; steals no reference. Sets MemoryError or
 * ValueError (negative length, too many elements). */
PyObject *sy_new_array(PyArray_Descr *descr, int ndim, const int64_t *n);
/* Number of elements, or -1 where a length is negative or the byte count does not fit. */
int64_t sy_count(int ndim, const int64_t *n, int64_t itemsize);
/* Give `array` its own copy of the memory it looks at. */
int sy_detach(PyArrayObject *array);

/* ---- threads.c: the thread pool -------------------------------------------------------------- */

void sy_parallel(sy_task task, void *context, int64_t chunks, int threads);
/* Run jobs 0..jobs-1, which may wait for each other, all at the same time. */
void sy_concurrent(sy_task task, void *context, int jobs);
char *sy_scratch(int thread, int64_t bytes);
int sy_threads(void);
int sy_call_threads(void);
void sy_set_threads(int threads);
int sy_threads_init(void);
int sy_thread_workers(void);

/* ---- blas.c: BLAS table and OpenBLAS's thread callback ---------------------------------------- */

extern void *sy_blas[SY_BLAS_COUNT];
extern PyMethodDef sy_blas_methods[];

/* ---- onednn.c: convolutions of a library that may be there ------------------------------------- */

enum { SY_ONEDNN_OFF, SY_ONEDNN_AUTO, SY_ONEDNN_ON, SY_ONEDNN_MEASURE };

extern PyMethodDef sy_onednn_methods[];
/* Put oneDNN in front of the table's own convolutions for float32. */
int sy_onednn_init(void);

/* ---- library.c: shared objects in memory -------------------------------------------------------- */

int sy_library_init(PyObject *module);

/* ---- container.c: storage of shared variables -------------------------------------------------- */

/* A thread that holds containers; lives in thread-local storage. */
typedef struct sy_holder {
  struct sy_container *waiting; /* what it waits for (GIL) */
} sy_holder;

typedef struct sy_container {
  PyObject_HEAD
  PyObject *value;
  PyObject *weakrefs;
  sy_holder *owner; /* thread that updates it, or NULL (GIL) */
  unsigned era;     /* fork count when `owner` and `readers` were written */
  int depth;        /* how often the owner has locked it */
  int in_place;     /* the owner writes into the array itself */
  int readers;      /* running calls that may read `value` without the GIL */
} sy_container;

extern PyTypeObject sy_container_type;
/* Lock for an update; waits without the GIL. -1 with RuntimeError where waiting can't end. */
int sy_container_lock(sy_container *self);
void sy_container_unlock(sy_container *self);
/* Wait until no other thread writes into the array. */
int sy_container_settle(sy_container *self);
void sy_container_pin(sy_container *self);
void sy_container_unpin(sy_container *self);
/* Put `value` in (steals it) and return the old one, which the caller drops when it is safe. */
PyObject *sy_container_swap(sy_container *self, PyObject *value);
int sy_container_init(PyObject *module);

/* ---- program.c: one variant of a function ---------------------------------------------------- */

enum { /* flags of an operand */
  SY_WRITABLE = 1,   /* is written to */
  SY_CONTIGUOUS = 2, /* must be C-contiguous */
  SY_STRICT = 4      /* Python scalars are left to the converter */
};

typedef struct {
  PyArray_Descr *descr; /* NULL for a Python object */
  int ndim;
  int shift; /* log2 of the item size */
  int flags;
  uint64_t broadcast; /* bit d: axis d must have length 1 */
} sy_operand;

typedef enum { SY_FRESH, SY_DYNAMIC, SY_OBJECT, SY_INPUT, SY_BUFFER, SY_INPLACE } sy_how;

typedef struct {
  sy_operand is;
  sy_how how;
  int source; /* SY_INPUT: which input; updates: which shared position */
} sy_result;

typedef struct {
  PyObject *call;
  int nin, nout;
  sy_operand *in;
  sy_result *out;
} sy_step;

typedef struct {
  int first, last;
} sy_interval;

typedef struct {
  int64_t *bytes, *offset; /* NULL: not in use */
  int64_t total;
} sy_layout;

#define SY_LAYOUTS 8
#define SY_IDLE_FRAMES 4

typedef struct sy_frame sy_frame;

typedef struct {
  PyObject_HEAD
  PyObject *library; /* keeps the code in memory */
  PyObject *info;    /* the maker's notes, for messages */
  PyObject *weakrefs;
  int (*prologue)(sy_call *);
  int (*body)(sy_call *);
  int nin, nshared, nconst, nout, nupdate, nfresh, nslot, nsize, nstep, nlock, hold_gil, writes;
  int onednn; /* SY_ONEDNN_* */
  sy_operand *in;     /* nin inputs, then nshared shared operands */
  sy_container **container; /* by shared position */
  char *updated;            /* by shared position: its container is updated by this program */
  PyObject **constant;
  sy_result *out;           /* nout outputs, then nfresh updates that are not in place */
  sy_result *update;        /* nupdate updates; `source` is the shared position */
  int *update_out;          /* by update: index into out, or -1 */
  sy_container **lock;      /* distinct updated containers by address */
  sy_step *step;
  sy_interval *slot;
  sy_layout layout[SY_LAYOUTS];
  int next_layout;
  sy_frame *idle[SY_IDLE_FRAMES];
  int nidle;
} sy_program;

/* What one call needs; kept between calls. */
struct sy_frame {
  sy_call call;
  sy_program *program;
  PyObject *function;      /* borrowed: whom to ask for conversions */
  PyObject *const *args;   /* borrowed */
  PyObject **held;         /* by input and shared position: array owned by the frame, or NULL */
  PyObject **result;       /* by out */
  PyObject **kept;         /* objects made by Python steps */
  int nkept, kept_room;
  void **block;            /* memory from `alloc` */
  int nblock, block_room;
  PyObject *memory;        /* once something outlives the call: capsule that frees arena and blocks */
  PyObject *exception;     /* raised by a Python step */
  PyThreadState *released; /* not NULL while the GIL is released */
  int locked, pinned;
  int64_t *last_bytes;     /* slot_bytes for which slot_offset holds */
  int64_t arena_bytes;
  double *scalar;          /* storage of Python scalars, by input */
};

extern PyTypeObject sy_program_type;
int sy_program_init(PyObject *module);
sy_frame *sy_frame_take(sy_program *program);
void sy_frame_give(sy_frame *frame);
int sy_frame_layout(sy_frame *frame);
int sy_frame_keep(sy_frame *frame, PyObject *object); /* steals */
PyObject *sy_frame_memory(sy_frame *frame);           /* new reference */

/* ---- run.c: one call ---------------------------------------------------------------------------- */

typedef enum { SY_RUN_DONE, SY_RUN_GUARD, SY_RUN_RAISED } sy_outcome;

extern sy_api sy_the_api; /* complete after sy_run_init */
/* Run `program` on `args`. SY_RUN_DONE: frame->result holds the outputs, and the caller gives the
 * frame back; SY_RUN_GUARD: the same, with converted inputs in frame->held. */
sy_outcome sy_run(sy_program *program, PyObject *function, PyObject *const *args,
                  sy_frame **frame);
int sy_run_init(void);
/* Describe `array` in `v` if it is what `is` asks for; 0 if it is not. */
int sy_bind(sy_value *v, PyArrayObject *array, const sy_operand *is);
/* New reference to an array with the memory, lengths and strides of `v`, and no base. */
PyObject *sy_wrap(const sy_value *v, const sy_operand *is, int writable);

/* ---- foreign.c: Python steps --------------------------------------------------------------------- */

int sy_foreign(sy_call *c, int32_t step, sy_value *const *args, int32_t nin, int32_t nout);
/* The current exception as an object, cleared. */
PyObject *sy_take_exception(void);

/* ---- function.c: the callable -------------------------------------------------------------------- */

extern PyTypeObject sy_function_type;
PyObject *sy_tuple_of(PyObject *const *values, Py_ssize_t count);
int sy_function_init(PyObject *module);

#endif
