/* The contract between compiled programs and the call path.
 *
 * A compiled program is one shared object that exports
 *
 *     const int   symc_abi_version;            must equal SY_ABI_VERSION
 *     int  symc_prologue(sy_call *c);          sizes, guards, checks; writes nothing else
 *     int  symc_body(sy_call *c);              runs the steps
 *
 * The caller fills `in` (inputs, then shared containers, then constants), calls the prologue,
 * which evaluates every early size into `size`, output shapes into `out[k].n`, the byte length of
 * every arena slot into `slot_bytes` and an estimate of the work; then allocates the output arrays
 * (C-contiguous) and the arena, lays the slots out and calls the body, without the GIL when the
 * work is worth it. Nothing in here includes Python.h, so programs build without its headers.
 *
 * What the caller guarantees: arrays have the dtype and rank of the program, are aligned and in
 * native byte order, and their strides are whole elements. An axis of length 1, and every axis of
 * an array without elements, has the stride it would have in a C-contiguous array, so comparing
 * strides decides contiguity. Storage that is written overlaps no other operand.
 *
 * An output whose lengths the prologue can't know is declared "dynamic": the body writes out[k].n
 * and calls `output`, or fills data, n, s (and object) with what a Python step gave it.
 */
#ifndef SYMC_ABI_H
#define SYMC_ABI_H
#include <stdint.h>

#define SY_ABI_VERSION 5
#define SY_ALIGN 64 /* alignment in bytes of the arena, of slots and of output memory */

enum { SY_OK = 0, SY_GUARD = 1, SY_ERROR = 2 };

/* One array: element strides, not bytes. `n` and `s` have `ndim` entries. `object` is a borrowed
 * PyObject* for object operands and for arrays that Python owns. */
typedef struct {
  char *data;
  int64_t *n;
  int64_t *s;
  void *object;
} sy_value;

/* What went wrong: `where` is the number of a check (prologue) or step (body), `a..d` are integers
 * for the message (offending index, length, sizes). Code SY_E_PYTHON: the exception is set aside by
 * the callee and re-raised by the caller. */
enum {
  SY_E_CHECK = 1,  /* check number `where` failed, values in v[] */
  SY_E_INDEX = 2,  /* index v[0] out of bounds for length v[1], step `where`, tag v[2] */
  SY_E_PYTHON = 3, /* a Python step raised */
  SY_E_MEMORY = 4, /* allocation failed */
  SY_E_VALUE = 5   /* other run-time error of step `where`, reason code v[0] */
};
typedef struct {
  int32_t code;
  int32_t where;
  int64_t v[8];
} sy_error;

typedef struct sy_call sy_call;

/* body of a parallel loop: chunks [first, last) of the range, by thread number `thread` */
typedef void (*sy_task)(void *context, int64_t first, int64_t last, int thread);

/* A matrix with element strides. */
typedef struct {
  char *data;
  int64_t rows, cols, s0, s1;
} sy_matrix;

/* Products for one BLAS type, of operands in any layout. alpha and beta point to scalars of the
 * type; without `accumulate` the term with beta is left out. Not from inside a task. Return
 * SY_OK/SY_ERROR. */
typedef struct {
  /* C = alpha A B [+ beta C] */
  int (*gemm)(sy_call *call, sy_matrix a, sy_matrix b, sy_matrix c, const void *alpha,
              const void *beta, int accumulate);
  /* y = alpha A x [+ beta y] */
  int (*gemv)(sy_call *call, sy_matrix a, const void *x, int64_t sx, void *y, int64_t sy,
              const void *alpha, const void *beta, int accumulate);
  /* A = alpha x y' [+ beta A] */
  int (*ger)(sy_call *call, const void *x, int64_t sx, const void *y, int64_t sy, sy_matrix a,
             const void *alpha, const void *beta, int accumulate);
  /* z = alpha sum_k x_k y_k [+ beta z] */
  int (*dot)(sy_call *call, const void *x, int64_t sx, const void *y, int64_t sy, int64_t n,
             void *z, const void *alpha, const void *beta, int accumulate);
} sy_products;

enum { SY_F32, SY_F64, SY_C64, SY_C128, SY_BLAS_TYPES };

/* A convolution: its axes in space, and how filters lie on the input along them. `before` zeros in
 * front of an axis are there for SY_BORDER_GIVEN; else the filter's (dilated) length decides. */
enum { SY_BORDER_GIVEN, SY_BORDER_FULL, SY_BORDER_HALF };
typedef struct {
  int32_t ndim; /* 1 to 3 */
  int32_t border;
  int32_t flip;
  int64_t groups;
  int64_t stride[3], dilation[3], before[3];
} sy_geometry;

/* What is done with blocks of a result while they are in the cache: `run` is called, from inside a
 * task and without order, for `channels` channels of an image from `channel` on, and in these for
 * `rows` rows of the first axis in space from `row` on, so that every place is met once, when it
 * has its value. Blocks begin at multiples of `unit` rows and end at others or at the axis' end. A
 * result without elements has no blocks. Scratch memory is not to be asked for. */
typedef struct {
  void (*run)(void *context, int64_t image, int64_t channel, int64_t channels, int64_t row,
              int64_t rows, int thread);
  void *context;
  int64_t unit;
} sy_after;

/* Convolutions for one type, of operands in any layout: the values (inputs, filters, results), and
 * the gradients of inputs (gradients of results, filters, inputs) and of filters (inputs, gradients
 * of results, filters). The last operand is written; lengths fit. What is done afterwards may be
 * NULL. Not from inside a task. */
typedef struct {
  int (*values)(sy_call *call, const sy_geometry *g, const sy_value *x, const sy_value *w,
                const sy_value *y, const sy_after *after);
  int (*inputs)(sy_call *call, const sy_geometry *g, const sy_value *y, const sy_value *w,
                const sy_value *x, const sy_after *after);
  int (*weights)(sy_call *call, const sy_geometry *g, const sy_value *x, const sy_value *y,
                 const sy_value *w);
} sy_convolutions;

typedef struct {
  /* Run task over `chunks` chunks on at most `threads` threads; returns when all are done. */
  void (*parallel)(sy_task task, void *context, int64_t chunks, int threads);
  /* Run Python step number `step` (GIL taken inside); values are described by the caller's static
   * table; outputs of unknown size get data, n, s (whose entries the program provides) and object
   * filled in, and are C-contiguous. Not from inside a task. Returns SY_OK/SY_ERROR. */
  int (*foreign)(sy_call *c, int32_t step, sy_value *const *args, int32_t nin, int32_t nout);
  /* Memory for a buffer whose size was not known before, or NULL; freed when the call ends. Not
   * from inside a task. */
  char *(*alloc)(sy_call *c, int64_t bytes);
  /* Scratch private to a thread, at least `bytes` long, valid until its next request. */
  char *(*scratch)(int thread, int64_t bytes);
  /* Record the first error (thread safe); later ones are ignored. Returns SY_ERROR. */
  int (*fail)(sy_call *c, int32_t code, int32_t where, const int64_t *v, int32_t nv);
  /* BLAS by Fortran calling convention, looked up by index SY_BLAS_*; filled in lazily. */
  void **blas;
  /* Number of threads that may be used now (OMP_NUM_THREADS, affinity, configuration). */
  int (*threads)(void);
  /* Allocate dynamic output k, whose lengths are in out[k].n, as a C-contiguous array: fills its
   * data and s. Returns SY_OK/SY_ERROR. */
  int (*output)(sy_call *c, int32_t k);
  /* Number of the blocks that `alloc` has given out in this call, and giving back all but the first
   * `count` of them: what a step of a loop allocated goes before the next one. */
  int32_t (*blocks)(sy_call *c);
  void (*release)(sy_call *c, int32_t count);
  /* Products, by SY_F32 and so on. */
  const sy_products *products;
  /* Convolutions, by SY_F32 and SY_F64. */
  const sy_convolutions *convolutions;
} sy_api;

enum {
  SY_BLAS_SGEMM, SY_BLAS_DGEMM, SY_BLAS_CGEMM, SY_BLAS_ZGEMM,
  SY_BLAS_SGEMV, SY_BLAS_DGEMV, SY_BLAS_CGEMV, SY_BLAS_ZGEMV,
  SY_BLAS_SGER, SY_BLAS_DGER, SY_BLAS_CGERU, SY_BLAS_ZGERU,
  SY_BLAS_SDOT, SY_BLAS_DDOT,
  SY_BLAS_COUNT
};

struct sy_call {
  const sy_api *api;
  sy_value *in;         /* inputs, shared containers, constants, in this order */
  sy_value *out;        /* outputs, then updates that do not happen in place */
  int64_t *size;        /* early sizes, written by the prologue, read by the body */
  int64_t *slot_bytes;  /* written by the prologue */
  int64_t *slot_offset; /* bytes from `arena`, written by the caller */
  char *arena;
  double work;          /* estimated nanoseconds of one thread, written by the prologue */
  int threads;          /* set by the caller before the body */
  int32_t failed;       /* set by `fail`; programs test it after fallible steps */
  sy_error error;
  void *frame;          /* the caller's own */
};

#endif
