/* oneDNN by pointer: float32 convolutions of a library that may be there or not. What only its three
 * sources share. */
#ifndef SYMC_ONEDNN_H
#define SYMC_ONEDNN_H

#include "callpath.h"

/* The functions in use, in the order in which Python gives their addresses (onednn.py). Handles are
 * opaque; every function returns 0 on success unless it says otherwise. */
typedef struct {
  int argument;
  void *memory;
} sy_dnn_argument;

#define SY_DNN_FUNCTIONS(F)                                                                         \
  F(int, engine_create, (void **engine, int kind, size_t index))                                    \
  F(int, stream_create, (void **stream, void *engine, unsigned flags))                              \
  F(int, stream_destroy, (void *stream))                                                            \
  F(int, layout_strided, (void **layout, int ndim, const int64_t *n, int type, const int64_t *s))   \
  F(int, layout_tagged, (void **layout, int ndim, const int64_t *n, int type, int tag))             \
  F(int, layout_destroy, (void *layout))                                                            \
  F(size_t, layout_bytes, (const void *layout))                                                     \
  F(int, layout_equal, (const void *a, const void *b))                                              \
  F(int, memory_create, (void **memory, const void *layout, void *engine, void *data))              \
  F(int, memory_set, (void *memory, void *data))                                                    \
  F(int, memory_destroy, (void *memory))                                                            \
  F(int, forward, (void **choice, void *engine, int purpose, int algorithm, const void *x,          \
                   const void *w, const void *bias, const void *y, const int64_t *stride,           \
                   const int64_t *dilation, const int64_t *before, const int64_t *after,            \
                   const void *options))                                                            \
  F(int, inputs, (void **choice, void *engine, int algorithm, const void *x, const void *w,         \
                  const void *y, const int64_t *stride, const int64_t *dilation,                    \
                  const int64_t *before, const int64_t *after, const void *forward,                 \
                  const void *options))                                                             \
  F(int, weights, (void **choice, void *engine, int algorithm, const void *x, const void *w,        \
                   const void *bias, const void *y, const int64_t *stride,                          \
                   const int64_t *dilation, const int64_t *before, const int64_t *after,            \
                   const void *forward, const void *options))                                       \
  F(int, reorder, (void **choice, const void *from, void *from_engine, const void *to,              \
                   void *to_engine, const void *options))                                           \
  F(int, choice_destroy, (void *choice))                                                            \
  F(const void *, choice_layout, (const void *choice, int what, int index))                         \
  F(int, choice_query, (const void *choice, int what, int index, void *result))                     \
  F(int, options_create, (void **options))                                                          \
  F(int, options_scratchpad, (void *options, int mode))                                             \
  F(int, options_destroy, (void *options))                                                          \
  F(int, primitive_create, (void **primitive, const void *choice))                                  \
  F(int, primitive_execute, (const void *primitive, void *stream, int count,                        \
                             const sy_dnn_argument *arguments))                                     \
  F(int, primitive_destroy, (void *primitive))                                                      \
  F(void, omp_set_threads, (int threads))                                                           \
  F(int, omp_threads, (void))

#define SY_DNN_MEMBER(TYPE, NAME, ARGUMENTS) TYPE(*NAME) ARGUMENTS;
typedef struct {
  SY_DNN_FUNCTIONS(SY_DNN_MEMBER)
} sy_dnn_library;

#define SY_DNN_ONE(TYPE, NAME, ARGUMENTS) +1
enum { SY_DNN_COUNT = 0 SY_DNN_FUNCTIONS(SY_DNN_ONE) };

SY_HIDDEN extern sy_dnn_library sy_dnn; /* complete once `sy_dnn_ready` has said so */
SY_HIDDEN extern void *sy_dnn_engine;

enum { SY_DNN_VALUES, SY_DNN_INPUTS, SY_DNN_WEIGHTS };

/* What oneDNN is asked for: `kind` is one of the three above, and x, w and y are images, filters and
 * results, of which one is computed. Filters have the channels of a group; `axes` is the rank. */
typedef struct {
  int64_t kind, axes, groups;
  int64_t plain; /* images and results stay in the caller's layout */
  int64_t x[5], w[5], y[5], xs[5], ws[5], ys[5];
  int64_t stride[3], dilation[3], before[3], after[3];
} sy_dnn_shape;

/* How the work is cut: always the same for a shape, however many threads there are. */
typedef struct {
  int64_t images; /* of a unit, which is one call of oneDNN */
  int64_t units;  /* in all */
  int64_t slices; /* of the units: sums of their own, for gradients of filters */
  int64_t parts;  /* of the channels or groups */
} sy_dnn_cut;

/* A step of a plan: `choice` is oneDNN's description of it. */
typedef struct {
  void *choice, *primitive;
  const void *pad_layout;
  int64_t pad; /* bytes of scratch */
} sy_dnn_step;

enum { SY_DNN_X, SY_DNN_W, SY_DNN_Y, SY_DNN_CONVOLUTION, SY_DNN_STEPS };

/* What one unit takes: a convolution between layouts that oneDNN likes, and the changes of layout. */
typedef struct {
  sy_dnn_shape shape;
  int usable;
  sy_dnn_step step[SY_DNN_STEPS]; /* changes of x, w and y where needed, then the convolution */
  void *user[3];                  /* layouts of the caller's arrays */
  const void *inner[3];           /* and those of the convolution */
  int64_t bytes[3];               /* of the inner ones */
  int64_t uses;                   /* by running calls, and one by the table (its lock) */
  uint64_t used;                  /* when it was used last */
} sy_dnn_plan;

/* The plan of a shape, made if there is none; NULL where oneDNN can't do it. */
SY_HIDDEN sy_dnn_plan *sy_dnn_plan_take(const sy_dnn_shape *shape);
SY_HIDDEN void sy_dnn_plan_give(sy_dnn_plan *plan);
SY_HIDDEN int sy_dnn_plans_init(void);

/* Whether this convolution is expected to be quicker by oneDNN, by the rule of docs/onednn.md. */
SY_HIDDEN int sy_dnn_wins(const sy_dnn_shape *shape);
/* Whether oneDNN is to work on images and results as they lie, not to change their layout. */
SY_HIDDEN int sy_dnn_stays_plain(const sy_dnn_shape *shape);

/* What a shape computes: 0 inputs, 1 filters, 2 results. */
static inline int sy_dnn_target(const sy_dnn_shape *shape) {
  return shape->kind == SY_DNN_INPUTS    ? SY_DNN_X
         : shape->kind == SY_DNN_WEIGHTS ? SY_DNN_W
                                         : SY_DNN_Y;
}

/* oneDNN's own threads stay out of it: each call of it runs on the thread that makes it. Returns what
 * `sy_dnn_many` gets. */
static inline int sy_dnn_alone(void) {
  if (!sy_dnn.omp_threads) return 0;
  const int before = sy_dnn.omp_threads();
  sy_dnn.omp_set_threads(1);
  return before;
}

static inline void sy_dnn_many(int before) {
  if (before > 1) sy_dnn.omp_set_threads(before);
}

/* Compute `shape` from images, filters (in C order) and results, with what is done `after` it or
 * NULL. SY_OK, SY_ERROR, or SY_GUARD where it was not done. */
SY_HIDDEN int sy_dnn_run(sy_call *call, const sy_dnn_shape *shape, float *const data[3],
                         const sy_after *after);

/* A convolution that is asked for; `shape` describes it for oneDNN. */
typedef struct {
  sy_call *call;
  const sy_geometry *geometry;
  int kind;
  const sy_value *x, *w, *y;
  sy_dnn_shape shape;
} sy_dnn_request;

/* Compute it by oneDNN (as `sy_dnn_run`, filters in any layout) or by symc's own kernels. */
SY_HIDDEN int sy_dnn_theirs(const sy_dnn_request *request, const sy_after *after);
SY_HIDDEN int sy_dnn_ours(const sy_dnn_request *request, const sy_after *after);
/* Whether oneDNN was quicker when both were tried, which is now if it never was; -1 with an error
 * recorded. */
SY_HIDDEN int sy_dnn_is_quicker(const sy_dnn_request *request);
SY_HIDDEN int sy_dnn_measure_init(void);
SY_HIDDEN void sy_dnn_set_judge(PyObject *callable); /* GIL */

/* Between these the interpreter may be used, with the outcome of the first handed to the second. */
SY_HIDDEN PyThreadState *sy_dnn_take_gil(sy_call *call);
SY_HIDDEN void sy_dnn_give_gil(sy_call *call, PyThreadState *released);
/* What a Python function returns, with `key` and `answer` or, for no key, without arguments; NULL with
 * an error recorded. */
SY_HIDDEN PyObject *sy_dnn_ask(sy_call *call, PyObject *callable, const char *key, int64_t bytes,
                               int answer);

#endif
