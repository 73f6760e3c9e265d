/* Convolutions for one type: SY_T is the type, SY_R(name) puts its letter behind a name. */

typedef SY_T SY_R(sy_vector_) __attribute__((vector_size(SY_VECTOR_BYTES), may_alias));
#if SY_VECTOR_BYTES > 16
#include "transpose_body.h"
#endif
#define SY_V ((int64_t)(SY_VECTOR_BYTES / sizeof(SY_T)))

SY_INLINE SY_R(sy_vector_) SY_R(sy_get_)(const SY_T *p) {
  SY_R(sy_vector_) v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* `n` elements; no others are read or written. */
SY_INLINE void SY_R(sy_copy_)(SY_T *y, const SY_T *x, int64_t n) {
  if (n >= SY_V) {
    for (int64_t i = 0; i < n; i += SY_V) { /* the last vector may overlap the one before */
      const int64_t at = i + SY_V <= n ? i : n - SY_V;
      const SY_R(sy_vector_) v = SY_R(sy_get_)(x + at);
      memcpy(y + at, &v, sizeof v);
    }
    return;
  }
  const size_t bytes = (size_t)n * sizeof(SY_T);
  char first[SY_VECTOR_BYTES / 2], last[SY_VECTOR_BYTES / 2];
#define SY_ENDS(BYTES)                                          \
  if (bytes >= BYTES) { /* two overlapping halves */            \
    memcpy(first, x, BYTES);                                    \
    memcpy(last, (const char *)x + bytes - BYTES, BYTES);       \
    memcpy(y, first, BYTES);                                    \
    memcpy((char *)y + bytes - BYTES, last, BYTES);             \
    return;                                                     \
  }
#if SY_VECTOR_BYTES > 32
  SY_ENDS(32)
#endif
#if SY_VECTOR_BYTES > 16
  SY_ENDS(16)
#endif
  SY_ENDS(8)
  if (n) *y = *x;
#undef SY_ENDS
}

/* ---- tiles: ``c[m][j] = sum_k a[k ak + m am] b[row k][j]`` */

typedef struct {
  const SY_T *a, *b;
  const int64_t *rows; /* where the rows of b start */
  SY_T *c;
  int64_t ak, am, ldc, terms;
} SY_R(sy_block_);

SY_INLINE void SY_R(sy_one_block_)(const SY_R(sy_block_) *t, const int rows, const int vectors,
                                   const int add) {
  SY_FUSED
  SY_R(sy_vector_) acc[SY_TILE_ROWS][SY_TILE_VECTORS] = {{{0}}};
  const SY_T *a = t->a;
  const int64_t ak = t->ak, am = t->am;
  for (int64_t k = 0; k < t->terms; k++, a += ak) {
    const SY_T *const b = t->b + t->rows[k];
    SY_R(sy_vector_) right[SY_TILE_VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) right[v] = SY_R(sy_get_)(b + v * SY_V);
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++)
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) acc[m][v] += a[m * am] * right[v];
  }
#pragma GCC unroll 8
  for (int m = 0; m < rows; m++)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
      SY_T *const c = t->c + m * t->ldc + v * SY_V;
      SY_R(sy_vector_) sum = acc[m][v];
      if (add) sum += SY_R(sy_get_)(c);
      memcpy(c, &sum, sizeof sum);
    }
}

#if SY_TILE_ROWS == 8
#define SY_MORE_ROWS(V, ADD)                         \
  case 5: SY_R(sy_one_block_)(t, 5, V, ADD); break;  \
  case 6: SY_R(sy_one_block_)(t, 6, V, ADD); break;  \
  case 7: SY_R(sy_one_block_)(t, 7, V, ADD); break;  \
  case 8: SY_R(sy_one_block_)(t, 8, V, ADD); break;
#else
#define SY_MORE_ROWS(V, ADD)
#endif
#define SY_ROWS(V, ADD)                                \
  switch (rows) {                                               \
    case 1: SY_R(sy_one_block_)(t, 1, V, ADD); break;  \
    case 2: SY_R(sy_one_block_)(t, 2, V, ADD); break;  \
    case 3: SY_R(sy_one_block_)(t, 3, V, ADD); break;  \
    case 4: SY_R(sy_one_block_)(t, 4, V, ADD); break;  \
      SY_MORE_ROWS(V, ADD)                             \
  }
#define SY_BLOCKS(NAME, ADD)                                                    \
  static SY_ROUTINE void NAME(const SY_R(sy_block_) * t, int64_t rows, int64_t vectors) { \
    if (vectors == 1) {                                                                  \
      SY_ROWS(1, ADD)                                                           \
    } else if (vectors == 2) {                                                           \
      SY_ROWS(2, ADD)                                                           \
    } else {                                                                             \
      SY_ROWS(3, ADD)                                                           \
    }                                                                                    \
  }
SY_BLOCKS(SY_R(sy_store_block_), 0)
SY_BLOCKS(SY_R(sy_add_block_), 1)
#undef SY_BLOCKS
#undef SY_ROWS
#undef SY_MORE_ROWS

/* ---- canvases */

/* The source elements of one axis that lie on the canvas: [*first, *last). */
static inline void SY_R(sy_on_canvas_)(const sy_conv *g, int d, int64_t *first, int64_t *last) {
  const int64_t step = g->step[d], start = g->start[d];
  *first = start >= 0 ? 0 : (-start + step - 1) / step;
  const int64_t room = g->canvas[d] - 1 - start; /* the last place, from the first element */
  *last = room < 0 ? 0 : room / step + 1;
  if (*last > g->source[d]) *last = g->source[d];
}

/* `count` channels of image `b` from `channel` on, with zeros. */
static SY_ROUTINE void SY_R(sy_draw_)(const sy_conv *g, const SY_T *source, int64_t b,
                                      int64_t channel, int64_t count, SY_T *canvas) {
  int64_t first[SY_AXES], last[SY_AXES];
  for (int d = 0; d < SY_AXES; d++) SY_R(sy_on_canvas_)(g, d, first + d, last + d);
  const int64_t s = g->from[4], step = g->step[2], length = last[2] - first[2];
  SY_T *filled = canvas; /* all in front of it has been written */
  for (int64_t c = 0; c < count && length > 0; c++)
    for (int64_t d = first[0]; d < last[0]; d++)
      for (int64_t h = first[1]; h < last[1]; h++) {
        const SY_T *const x = source + b * g->from[0] + (channel + c) * g->from[1] +
                              d * g->from[2] + h * g->from[3] + first[2] * s;
        SY_T *const y = canvas + c * g->area + g->start[2] + first[2] * step +
                        ((d * g->step[0] + g->start[0]) * g->canvas[1] + h * g->step[1] +
                         g->start[1]) *
                            g->canvas[2];
        while (filled < y) *filled++ = 0;
        if (s == 1 && step == 1) {
          SY_R(sy_copy_)(y, x, length);
        } else {
          for (int64_t w = 0; w + 1 < length; w++) {
            y[w * step] = x[w * s];
            for (int64_t i = 1; i < step; i++) y[w * step + i] = 0;
          }
          y[(length - 1) * step] = x[(length - 1) * s];
        }
        filled = y + (length - 1) * step + 1;
      }
  memset(filled, 0, (size_t)(canvas + count * g->area - filled) * sizeof(SY_T));
}

/* Places [first, last) of all filters, each filter's in a row. */
static SY_ROUTINE void SY_R(sy_take_)(const sy_conv *g, const SY_T *y, int64_t first, int64_t last,
                                      int64_t ld, SY_T *to) {
  int64_t w = first % g->out[2], h = first / g->out[2] % g->out[1];
  int64_t d = first / g->out[2] / g->out[1];
  for (int64_t p = first; p < last;) {
    const int64_t room = g->out[2] - w, run = room < last - p ? room : last - p;
    const SY_T *x = y + d * g->to[2] + h * g->to[3] + w * g->to[4];
    for (int64_t m = 0; m < g->filters; m++, x += g->to[1])
      if (g->to[4] == 1)
        SY_R(sy_copy_)(to + m * ld, x, run);
      else
        for (int64_t i = 0; i < run; i++) to[m * ld + i] = x[i * g->to[4]];
    to += run;
    p += run;
    w = 0;
    if (++h == g->out[1]) {
      h = 0;
      d++;
    }
  }
}

/* One row of columns: what filter element `tap` of a channel meets in the windows of the runs. Up
 * to a vector behind every run is read and written. */
static SY_ROUTINE void SY_R(sy_gather_)(const sy_conv *g, const SY_T *at, const sy_run *runs,
                                        int64_t count, SY_T *row) {
  const int64_t stride = g->stride[2];
  for (int64_t r = 0; r < count; r++) {
    const SY_T *const x = at + runs[r].from;
    SY_T *const y = row + runs[r].column;
    if (stride == 1 && runs[r].count <= SY_V / 2) {
      char half[SY_VECTOR_BYTES / 2];
      memcpy(half, x, sizeof half);
      memcpy(y, half, sizeof half);
    } else if (stride == 1)
      for (int64_t i = 0; i < runs[r].count; i += SY_V) {
        const SY_R(sy_vector_) v = SY_R(sy_get_)(x + i);
        memcpy(y + i, &v, sizeof v);
      }
    else
      for (int64_t i = 0; i < runs[r].count; i++) y[i] = x[i * stride];
  }
}

/* ---- values, and gradients of inputs */

typedef struct {
  sy_call *call;
  const sy_conv *g;
  const sy_after *after; /* what is done with blocks of results, or NULL */
  const SY_T *source;
  SY_T *to;
  SY_T *weights;     /* by groups, blocks of rows, terms, rows of the block */
  int64_t *terms;    /* where the terms meet the canvas */
  int64_t *rows;     /* the same, or where they are in the columns put together */
  int64_t blocks;    /* of rows of results */
  int64_t parts;     /* of the columns of an image */
  int64_t columns;   /* in all, of an image */
  int64_t chunk;     /* columns put together at a time; 0: none, the canvas is read */
  int dense;         /* results of a channel lie together */
  int64_t line;      /* columns of a row of results along their first axis in space */
  int64_t unit;      /* so many of these rows a block has, or a multiple */
  int64_t wait;      /* the least number in a block */
} SY_R(sy_job_);

/* Whether reading across the ends of rows is better than putting columns together. Estimates in
 * cycles: two products of vectors in each; some for every run that is copied, before or after. */
static int SY_R(sy_across_)(const sy_conv *g, int64_t columns) {
  for (int d = 0; d < SY_AXES; d++)
    if (g->stride[d] != 1 && g->out[d] > 1) return 0;
  const double terms = (double)g->terms, filters = (double)g->filters;
  const double runs = (double)(g->out[0] * g->out[1]);
  const double vectors = (double)((g->out[2] + SY_V - 1) / SY_V);
  const double waste = (double)(columns - g->places) / (2.0 * SY_V);
  return filters * terms * waste + filters * runs * (6.0 + 2.0 * vectors) <=
         terms * runs * (4.0 + 1.5 * vectors);
}

/* Results of some rows and columns, from a tile that is not stored in its place. */
static SY_ROUTINE void SY_R(sy_put_)(const SY_R(sy_job_) *job, const SY_T *tile, int64_t ld,
                                     SY_T *to, int64_t rows, int64_t first, int64_t count) {
  const sy_conv *const g = job->g;
  const int64_t width = job->chunk ? g->out[2] : g->canvas[2];
  const int64_t height = job->chunk ? g->out[1] : g->canvas[1];
  int64_t w = first % width, h = first / width % height, d = first / width / height;
  for (int64_t j = 0; j < count;) {
    const int64_t run = width - w < count - j ? width - w : count - j;
    const int64_t used = g->out[2] - w < run ? g->out[2] - w : run;
    SY_T *y = to + d * g->to[2] + h * g->to[3] + w * g->to[4];
    const SY_T *x = tile + j;
    if (h < g->out[1] && used > 0)
      for (int64_t m = 0; m < rows; m++, x += ld, y += g->to[1]) {
        if (g->to[4] == 1)
          SY_R(sy_copy_)(y, x, used);
        else
          for (int64_t i = 0; i < used; i++) y[i * g->to[4]] = x[i];
      }
    j += run;
    w = 0;
    if (++h == height) {
      h = 0;
      d++;
    }
  }
}

/* All rows of results, of columns [first, first + count) of `b`, whose column 0 is `first`. */
static SY_ROUTINE void SY_R(sy_rows_of_)(const SY_R(sy_job_) *job, const SY_T *weights,
                                         const SY_T *b, SY_T *to, int64_t first, int64_t count) {
  const sy_conv *const g = job->g;
  SY_T tile[SY_TILE_ROWS * SY_TILE_VECTORS * (SY_VECTOR_BYTES / sizeof(SY_T))];
  const int64_t vectors = (count + SY_V - 1) / SY_V;
  const int64_t tiles = (vectors + SY_TILE_VECTORS - 1) / SY_TILE_VECTORS;
  for (int64_t i = 0; i < tiles; i++) {
    const int64_t v = sy_part(vectors, tiles, i), wide = sy_part(vectors, tiles, i + 1) - v;
    const int64_t j = v * SY_V, rest = count - j;
    const int64_t used = rest < wide * SY_V ? rest : wide * SY_V;
    const int direct = job->chunk && job->dense && used == wide * SY_V;
    for (int64_t k = 0; k < job->blocks; k++) {
      const int64_t m = sy_part(g->filters, job->blocks, k);
      const int64_t rows = sy_part(g->filters, job->blocks, k + 1) - m;
      SY_R(sy_block_) t = {weights + m * g->terms, b + j, job->rows, tile, rows, 1,
                           SY_TILE_VECTORS * SY_V, g->terms};
      if (direct) {
        t.c = to + m * g->to[1] + first + j;
        t.ldc = g->to[1];
      }
      SY_R(sy_store_block_)(&t, rows, wide);
      if (!direct) SY_R(sy_put_)(job, tile, t.ldc, to + m * g->to[1], rows, first + j, used);
    }
  }
}

static int64_t SY_R(sy_canvas_bytes_)(const sy_conv *g) {
  const int64_t slack = (SY_TILE_VECTORS + 1) * SY_V;
  return sy_up((g->channels * g->area + slack) * (int64_t)sizeof(SY_T), SY_ALIGN);
}

/* The column at which a part of an image starts. */
static int64_t SY_R(sy_start_)(const SY_R(sy_job_) *job, int64_t part) {
  if (!job->after) return sy_part(job->columns, job->parts, part);
  const int64_t rows = job->g->out[job->g->first], units = (rows + job->unit - 1) / job->unit;
  const int64_t row = sy_part(units, job->parts, part) * job->unit;
  return row < rows ? row * job->line : job->columns;
}

/* What comes after, for results from `row` on, of an image and group, whose columns are there up to
 * `done`. Waits for more of them, unless that is the `end`. Returns the row to go on with. */
static int64_t SY_R(sy_finish_)(const SY_R(sy_job_) *job, int64_t image, int64_t row, int64_t done,
                                int64_t end, int thread) {
  const sy_conv *const g = job->g;
  const int64_t rows = g->out[g->first];
  const int64_t next = done == job->columns ? rows : done / job->line / job->unit * job->unit;
  if (next == row || (done < end && next - row < job->wait)) return row;
  job->after->run(job->after->context, image / g->groups, image % g->groups * g->filters,
                  g->filters, row, next - row, thread);
  return next;
}

/* Columns [start, end) of an image and group, read on its canvas. */
static SY_ROUTINE void SY_R(sy_on_)(const SY_R(sy_job_) *job, const SY_T *weights,
                                    const SY_T *canvas, SY_T *to, int64_t image, int64_t start,
                                    int64_t end, int thread) {
  const int64_t block = job->after ? job->wait * job->line : end - start;
  for (int64_t j = start; j < end; j += block) {
    const int64_t next = end - j < block ? end : j + block;
    SY_R(sy_rows_of_)(job, weights, canvas + j, to, j, next - j);
    if (job->after) SY_R(sy_finish_)(job, image, j / job->line, next, next, thread);
  }
}

static void SY_R(sy_image_)(void *context, int64_t first, int64_t last, int thread) {
  const SY_R(sy_job_) *const job = context;
  const sy_conv *const g = job->g;
  const int64_t size = sizeof(SY_T), slack = SY_TILE_VECTORS * SY_V;
  const int64_t canvas_bytes = SY_R(sy_canvas_bytes_)(g);
  const int64_t ld = sy_up(job->chunk, SY_V) + slack;
  const int64_t columns_bytes = job->chunk ? sy_up(g->terms * ld * size, SY_ALIGN) : 0;
  char *const memory = job->call->api->scratch(
      thread, canvas_bytes + columns_bytes + job->chunk * (int64_t)sizeof(sy_run));
  if (!memory) {
    job->call->api->fail(job->call, SY_E_MEMORY, 0, NULL, 0);
    return;
  }
  SY_T *const canvas = (SY_T *)memory, *const built = (SY_T *)(memory + canvas_bytes);
  sy_run *const runs = (sy_run *)(memory + canvas_bytes + columns_bytes);
  memset(canvas + g->channels * g->area, 0, (size_t)(slack * size));
  for (int64_t task = first; task < last; task++) {
    const int64_t part = task % job->parts, image = task / job->parts;
    const int64_t b = image / g->groups, group = image % g->groups;
    const int64_t start = SY_R(sy_start_)(job, part), end = SY_R(sy_start_)(job, part + 1);
    const SY_T *const weights = job->weights + group * g->terms * g->filters;
    SY_T *const to = job->to + b * g->to[0] + group * g->filters * g->to[1];
    SY_R(sy_draw_)(g, job->source, b, group * g->channels, g->channels, canvas);
    if (!job->chunk) {
      SY_R(sy_on_)(job, weights, canvas, to, image, start, end, thread);
      continue;
    }
    int64_t row = start / job->line;
    for (int64_t j = start; j < end; j += job->chunk) {
      const int64_t count = end - j < job->chunk ? end - j : job->chunk;
      const int64_t found = sy_runs(g, j, j + count, runs);
      for (int64_t k = 0; k < g->terms; k++)
        SY_R(sy_gather_)(g, canvas + job->terms[k], runs, found, built + k * ld);
      SY_R(sy_rows_of_)(job, weights, built, to, j, count);
      if (job->after) row = SY_R(sy_finish_)(job, image, row, j + count, end, thread);
    }
  }
}

/* Filters as blocks of rows: `row` and `channel` are strides of output and input channels. */
static void SY_R(sy_pack_)(const SY_R(sy_job_) *job, const SY_T *w, const int64_t *s, int64_t row,
                           int64_t channel, int64_t group, int backwards) {
  const sy_conv *const g = job->g;
  SY_T *to = job->weights;
  for (int64_t q = 0; q < g->groups; q++)
    for (int64_t k = 0; k < job->blocks; k++) {
      const int64_t first = sy_part(g->filters, job->blocks, k);
      const int64_t last = sy_part(g->filters, job->blocks, k + 1);
      for (int64_t term = 0; term < g->terms; term++) {
        const SY_T *const x = w + q * group + term / g->taps * channel +
                              sy_element(g, s, term % g->taps, backwards);
        for (int64_t m = first; m < last; m++) *to++ = x[m * row];
      }
    }
}

/* Lets the job do what comes after, unless its blocks are too long to be cut into the parts. */
static void SY_R(sy_in_blocks_)(SY_R(sy_job_) *job, const sy_after *after) {
  const sy_conv *const g = job->g;
  const int64_t *const n = job->chunk ? g->out : g->canvas, rows = g->out[g->first];
  job->line = 1;
  for (int d = g->first + 1; d < SY_AXES; d++) job->line *= n[d];
  if (!after) return;
  job->unit = after->unit < 1 ? 1 : after->unit < rows ? after->unit : rows;
  if (job->parts > (rows + job->unit - 1) / job->unit) return;
  const int64_t bytes = job->unit * job->line * g->filters * (int64_t)sizeof(SY_T);
  job->wait = job->unit * (bytes < SY_AFTER_BYTES ? SY_AFTER_BYTES / bytes : 1);
  int64_t even = job->unit; /* rows of which each channel has whole vectors */
  while (even <= job->wait && even * (g->places / rows) % SY_AFTER_PLACES) even += job->unit;
  if (even <= job->wait && even * job->parts <= rows) {
    job->unit = even;
    job->wait -= job->wait % even;
  }
  job->after = after;
}

static int SY_R(sy_correlate_)(sy_call *call, const sy_conv *g, const SY_T *source, const SY_T *w,
                               const int64_t *s, int64_t row, int64_t channel, int64_t group,
                               int backwards, SY_T *to, const sy_after *after) {
  const int64_t images = g->batch * g->groups;
  if (!images || !g->filters || !g->places) return SY_OK;
  SY_R(sy_job_) job = {.call = call, .g = g, .source = source, .to = to};
  job.blocks = (g->filters + SY_TILE_ROWS - 1) / SY_TILE_ROWS;
  job.columns = ((g->out[0] - 1) * g->canvas[1] + g->out[1] - 1) * g->canvas[2] + g->out[2];
  job.dense = sy_is_dense(g);
  const int64_t unit = SY_TILE_VECTORS * SY_V;
  if (!SY_R(sy_across_)(g, job.columns)) {
    const int64_t fit = SY_CHUNK_BYTES / (int64_t)sizeof(SY_T) / (g->terms + 1) / unit * unit;
    job.chunk = fit < unit ? unit : fit < g->places ? fit : g->places;
    job.columns = g->places;
  }
  const int64_t size = (int64_t)sizeof(SY_T) * g->groups * g->filters * g->terms;
  char *const memory =
      call->api->alloc(call, sy_up(size, SY_ALIGN) + 2 * (g->terms + 1) * (int64_t)sizeof(int64_t));
  if (!memory) return call->api->fail(call, SY_E_MEMORY, 0, NULL, 0);
  job.weights = (SY_T *)memory;
  job.terms = (int64_t *)(memory + sy_up(size, SY_ALIGN));
  sy_terms(g, job.terms);
  job.rows = job.chunk ? job.terms + g->terms : job.terms;
  const int64_t ld = sy_up(job.chunk, SY_V) + unit;
  if (job.chunk)
    for (int64_t k = 0; k < g->terms; k++) job.rows[k] = k * ld;
  SY_R(sy_pack_)(&job, w, s, row, channel, group, backwards);
  const double work = (double)images * (double)g->filters * (double)g->terms * (double)g->places;
  int threads;
  job.parts = sy_shares(call, work, images, job.columns / unit, &threads);
  SY_R(sy_in_blocks_)(&job, after);
  call->api->parallel(SY_R(sy_image_), &job, images * job.parts, threads);
  if (after && !job.after && !call->failed) sy_run_after(call, g, after, threads);
  return call->failed ? SY_ERROR : SY_OK;
}

static int SY_R(sy_convolve_)(sy_call *call, const sy_geometry *geometry, const sy_value *x,
                              const sy_value *w, const sy_value *y, const sy_after *after) {
  sy_conv g;
  int64_t s[5];
  sy_forward(&g, geometry, x, w, y, s);
  return SY_R(sy_correlate_)(call, &g, (const SY_T *)x->data, (const SY_T *)w->data, s, s[0], s[1],
                             g.filters * s[0], geometry->flip, (SY_T *)y->data, after);
}

#include "convolve_scatter_body.h"
#include "convolve_weights_body.h"

static int SY_R(sy_convolve_inputs_)(sy_call *call, const sy_geometry *geometry, const sy_value *y,
                                     const sy_value *w, const sy_value *x,
                                     const sy_after *after) {
  sy_conv forward, g;
  int64_t s[5];
  sy_forward(&forward, geometry, x, w, y, s);
  if (SY_R(sy_is_scattered_)(&forward))
    return SY_R(sy_scatter_inputs_)(call, &forward, (const SY_T *)y->data, (const SY_T *)w->data, s,
                                    geometry->flip, (SY_T *)x->data, after);
  sy_backward(&g, &forward);
  return SY_R(sy_correlate_)(call, &g, (const SY_T *)y->data, (const SY_T *)w->data, s, s[1], s[0],
                             g.channels * s[0], !geometry->flip, (SY_T *)x->data, after);
}

#undef SY_V
#undef SY_T
#undef SY_R
