/* Convolutions and their gradients for float32 and float64. The file that includes this defines
 * SY_CONVOLUTIONS, the name of its table, and SY_VECTOR_BYTES, the width of its vectors.
 *
 * Everything is one product of matrices whose right factor is never stored as a whole. An image is
 * copied, with its zeros around and between, to a canvas. Where neighbouring windows are neighbours
 * in memory, a row of the factor is the canvas itself from some place on, read across the ends of
 * its rows, and results that belong to no window are dropped. Where that would waste more than it
 * saves, a few columns of the factor at a time are put together in the cache. */
#ifndef SY_CONVOLVE_H
#define SY_CONVOLVE_H

#include <stdlib.h>
#include <string.h>

#include "products.h"

#define SY_AXES 3
#define SY_TILE_VECTORS 3         /* columns of a tile of results */
#define SY_MOST_SLICES 8          /* parts of a batch that sum up gradients of their own */
#define SY_SLICE_BYTES (3 << 19)  /* and what all of them may need */
#define SY_CHUNK_BYTES (256 << 10)
#define SY_AFTER_BYTES (256 << 10) /* of results that wait for what is done afterwards */
#define SY_AFTER_PLACES 64 /* in a row of these are whole vectors of any type */
#define SY_WINDOWS_BYTES (24 << 10) /* of a tile's columns, that stay in the first cache */
#define SY_CONVOLVE_PARALLEL 3e5 /* multiplications from which a second thread is worth it */
#if SY_VECTOR_BYTES == 64
#define SY_TILE_ROWS 8
#else
#define SY_TILE_ROWS 4
#endif

#if defined(__clang__)
#define SY_FUSED _Pragma("clang fp contract(fast)")
#else
#define SY_FUSED
#pragma GCC optimize("O2", "fp-contract=fast") /* whatever the unit has */
#endif
#define SY_INLINE static inline __attribute__((always_inline, unused))
#define SY_ROUTINE __attribute__((unused, noinline))

static inline int64_t sy_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/* Part `i` of a range that is cut into `parts` as even as can be: where it starts. */
static inline int64_t sy_part(int64_t n, int64_t parts, int64_t i) {
  return n / parts * i + (i < n % parts ? i : n % parts);
}

/* A run of windows along the last axis: where the first one lies on the canvas, which column is
 * its, and how many they are. */
typedef struct {
  int64_t from, column, count;
} sy_run;

/* What is convolved with what, in terms of three axes in space, of which some may be of length 1.
 * Result `p` of output channel m of a group is the sum, over channels and filter elements k, of
 * the canvas at ``p stride + k dilation``. Source element i lies at ``i step + start``. */
typedef struct {
  int64_t batch, groups, channels, filters; /* channels and filters of a group */
  int64_t source[SY_AXES], canvas[SY_AXES], out[SY_AXES], filter[SY_AXES];
  int64_t stride[SY_AXES], dilation[SY_AXES], step[SY_AXES], start[SY_AXES];
  int64_t from[5], to[5]; /* strides of source and results: images, channels, space */
  int64_t area, places, taps, terms; /* of the canvas, results, filter; taps of all channels */
  int first;                         /* axis in space of the operands themselves */
} sy_conv;

static inline int64_t sy_volume(const int64_t *n) { return n[0] * n[1] * n[2]; }

/* Lengths and strides of an array of `ndim` axes in space as one of three. */
static inline void sy_spread(const sy_value *v, int ndim, int64_t *n, int64_t *s) {
  for (int d = 0; d < 5; d++) {
    const int missing = SY_AXES - ndim, there = d < 2 || d - 2 >= missing;
    const int from = d < 2 ? d : d - missing;
    n[d] = there ? v->n[from] : 1;
    s[d] = there ? v->s[from] : 0;
  }
}

/* The geometry with three axes; `taps` are the filters' lengths. */
static inline void sy_axes(const sy_geometry *g, const int64_t *taps, int64_t *stride,
                           int64_t *dilation, int64_t *before) {
  for (int d = 0; d < SY_AXES; d++) {
    const int from = d - (SY_AXES - g->ndim);
    stride[d] = from < 0 ? 1 : g->stride[from];
    dilation[d] = from < 0 ? 1 : g->dilation[from];
    const int64_t reach = (taps[d] - 1) * dilation[d];
    before[d] = from < 0                      ? 0
                : g->border == SY_BORDER_FULL ? reach
                : g->border == SY_BORDER_HALF ? (reach + 1) / 2
                                              : g->before[from];
  }
}

static inline void sy_count(sy_conv *g) {
  for (int d = 0; d < SY_AXES; d++)
    g->canvas[d] = (g->out[d] - 1) * g->stride[d] + (g->filter[d] - 1) * g->dilation[d] + 1;
  g->area = sy_volume(g->canvas);
  g->places = sy_volume(g->out);
  g->taps = sy_volume(g->filter);
  g->terms = g->taps * g->channels;
}

/* The runs of columns [first, last); returns how many. */
static inline int64_t sy_runs(const sy_conv *g, int64_t first, int64_t last, sy_run *runs) {
  int64_t count = 0, w = first % g->out[2], h = first / g->out[2] % g->out[1];
  int64_t d = first / g->out[2] / g->out[1];
  for (int64_t p = first; p < last;) {
    const int64_t room = g->out[2] - w, rest = last - p;
    const int64_t line = d * g->stride[0] * g->canvas[1] + h * g->stride[1];
    runs[count++] = (sy_run){line * g->canvas[2] + w * g->stride[2], p - first,
                             room < rest ? room : rest};
    p += room;
    w = 0;
    if (++h == g->out[1]) {
      h = 0;
      d++;
    }
  }
  return count;
}

/* Where filter element `tap` of a channel meets the canvas. */
static inline int64_t sy_tap(const sy_conv *g, int64_t tap) {
  const int64_t w = tap % g->filter[2], row = tap / g->filter[2];
  const int64_t h = row % g->filter[1], d = row / g->filter[1];
  return ((d * g->dilation[0] * g->canvas[1]) + h * g->dilation[1]) * g->canvas[2] +
         w * g->dilation[2];
}

/* Where every term meets the canvas. */
static inline void sy_terms(const sy_conv *g, int64_t *places) {
  for (int64_t tap = 0; tap < g->taps; tap++) {
    const int64_t place = sy_tap(g, tap);
    for (int64_t c = 0; c < g->channels; c++) places[c * g->taps + tap] = c * g->area + place;
  }
}

/* Where element `tap` lies in a filter's channel of strides `s`, `turned` round or not. */
static inline int64_t sy_element(const sy_conv *g, const int64_t *s, int64_t tap, int turned) {
  if (turned) tap = g->taps - 1 - tap;
  const int64_t line = tap / g->filter[2];
  return line / g->filter[1] * s[2] + line % g->filter[1] * s[3] + tap % g->filter[2] * s[4];
}

/* Whether results of a filter follow each other without gaps. */
static inline int sy_is_dense(const sy_conv *g) {
  return (g->out[2] == 1 || g->to[4] == 1) && (g->out[1] == 1 || g->to[3] == g->out[2]) &&
         (g->out[0] == 1 || g->to[2] == g->out[1] * g->out[2]);
}

/* A convolution of `x` with `w`; `s` are the strides of the filters. */
static inline void sy_forward(sy_conv *g, const sy_geometry *geometry, const sy_value *x,
                              const sy_value *w, const sy_value *y, int64_t *s) {
  int64_t n[5], k[5], m[5], before[SY_AXES];
  sy_spread(x, geometry->ndim, n, g->from);
  sy_spread(w, geometry->ndim, k, s);
  sy_spread(y, geometry->ndim, m, g->to);
  sy_axes(geometry, k + 2, g->stride, g->dilation, before);
  g->first = SY_AXES - geometry->ndim;
  g->groups = geometry->groups;
  g->batch = n[0];
  g->channels = k[1];
  g->filters = k[0] / g->groups;
  for (int d = 0; d < SY_AXES; d++) {
    g->source[d] = n[2 + d];
    g->filter[d] = k[2 + d];
    g->out[d] = m[2 + d];
    g->step[d] = 1;
    g->start[d] = before[d];
  }
  sy_count(g);
}

/* The convolution of results with filters turned round that gives the inputs' gradient. */
static inline void sy_backward(sy_conv *g, const sy_conv *forward) {
  *g = *forward;
  memcpy(g->from, forward->to, sizeof g->from);
  memcpy(g->to, forward->from, sizeof g->to);
  g->channels = forward->filters;
  g->filters = forward->channels;
  for (int d = 0; d < SY_AXES; d++) {
    g->source[d] = forward->out[d];
    g->out[d] = forward->source[d];
    g->step[d] = forward->stride[d];
    g->stride[d] = 1;
    g->start[d] = (g->filter[d] - 1) * g->dilation[d] - forward->start[d];
  }
  sy_count(g);
}

/* How many parts each of `items` pieces of work is cut into, and threads for all of them. */
static inline int64_t sy_shares(const sy_call *c, double work, int64_t items, int64_t most,
                                int *threads) {
  *threads = work < SY_CONVOLVE_PARALLEL ? 1 : c->threads;
  if (*threads < 2 || items >= 2 * (int64_t)*threads) return 1;
  const int64_t wanted = (2 * (int64_t)*threads + items - 1) / items;
  return wanted < most ? wanted : most < 1 ? 1 : most;
}

/* A result whose channels are the blocks. */
typedef struct {
  const sy_after *after;
  int64_t channels, rows;
} sy_blocks;

static SY_ROUTINE void sy_after_channels(void *context, int64_t first, int64_t last, int thread) {
  const sy_blocks *const blocks = context;
  for (int64_t i = first; i < last; i++)
    blocks->after->run(blocks->after->context, i / blocks->channels, i % blocks->channels, 1, 0,
                       blocks->rows, thread);
}

/* What is done afterwards, where it was not done block by block. */
static SY_ROUTINE void sy_run_after(sy_call *call, const sy_conv *g, const sy_after *after,
                                    int threads) {
  sy_blocks blocks = {after, g->groups * g->filters, g->out[g->first]};
  call->api->parallel(sy_after_channels, &blocks, g->batch * blocks.channels, threads);
}

#define SY_BITS uint32_t
#define SY_T float
#define SY_R(name) name##f32
#include "convolve_body.h"
#undef SY_BITS

#define SY_BITS uint64_t
#define SY_T double
#define SY_R(name) name##f64
#include "convolve_body.h"
#undef SY_BITS

#define SY_ROW(name) {sy_convolve_##name, sy_convolve_inputs_##name, sy_convolve_weights_##name}

const sy_convolutions SY_CONVOLUTIONS[SY_BLAS_TYPES] = {
    [SY_F32] = SY_ROW(f32),
    [SY_F64] = SY_ROW(f64),
};

#endif
