/* Convolutions for one type: SY_T is the type, SY_R(name) puts its letter behind a name. */

typedef SY_T SY_R(sy_lane_) __attribute__((vector_size(SY_VECTOR_BYTES), may_alias));
#define SY_V ((int64_t)(SY_VECTOR_BYTES / sizeof(SY_T)))

SY_INLINE SY_R(sy_lane_) SY_R(sy_get_)(const SY_T *p) {
  SY_R(sy_lane_) v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* ---- tiles: ``c[m][j] = sum_k a[k ak + m am] b[row k][j]`` */

typedef struct {
  const SY_T *a, *b;
  const int64_t *rows; /* where the rows of b start; NULL: ldb apart */
  SY_T *c;
  int64_t ak, am, ldb, ldc, terms;
} SY_R(sy_block_);

SY_INLINE void SY_R(sy_one_block_)(const SY_R(sy_block_) *t, const int rows, const int vectors,
                                   const int indexed, const int add) {
  SY_FUSED
  SY_R(sy_lane_) acc[SY_TILE_ROWS][SY_TILE_VECTORS] = {{{0}}};
  const SY_T *a = t->a;
  const int64_t ak = t->ak, am = t->am;
  for (int64_t k = 0; k < t->terms; k++, a += ak) {
    const SY_T *const b = t->b + (indexed ? t->rows[k] : k * t->ldb);
    SY_R(sy_lane_) right[SY_TILE_VECTORS];
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
      SY_R(sy_lane_) sum = acc[m][v];
      if (add) sum += SY_R(sy_get_)(c);
      memcpy(c, &sum, sizeof sum);
    }
}

#if SY_TILE_ROWS == 8
#define SY_MORE_ROWS(V, INDEXED, ADD)                         \
  case 5: SY_R(sy_one_block_)(t, 5, V, INDEXED, ADD); break;  \
  case 6: SY_R(sy_one_block_)(t, 6, V, INDEXED, ADD); break;  \
  case 7: SY_R(sy_one_block_)(t, 7, V, INDEXED, ADD); break;  \
  case 8: SY_R(sy_one_block_)(t, 8, V, INDEXED, ADD); break;
#else
#define SY_MORE_ROWS(V, INDEXED, ADD)
#endif
#define SY_ROWS(V, INDEXED, ADD)                                \
  switch (rows) {                                               \
    case 1: SY_R(sy_one_block_)(t, 1, V, INDEXED, ADD); break;  \
    case 2: SY_R(sy_one_block_)(t, 2, V, INDEXED, ADD); break;  \
    case 3: SY_R(sy_one_block_)(t, 3, V, INDEXED, ADD); break;  \
    case 4: SY_R(sy_one_block_)(t, 4, V, INDEXED, ADD); break;  \
      SY_MORE_ROWS(V, INDEXED, ADD)                             \
  }
#define SY_BLOCKS(NAME, INDEXED, ADD)                                                    \
  static SY_ROUTINE void NAME(const SY_R(sy_block_) * t, int64_t rows, int64_t vectors) { \
    if (vectors == 1) {                                                                  \
      SY_ROWS(1, INDEXED, ADD)                                                           \
    } else if (vectors == 2) {                                                           \
      SY_ROWS(2, INDEXED, ADD)                                                           \
    } else {                                                                             \
      SY_ROWS(3, INDEXED, ADD)                                                           \
    }                                                                                    \
  }
SY_BLOCKS(SY_R(sy_store_block_), 1, 0)
SY_BLOCKS(SY_R(sy_add_block_), 0, 1)
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

/* Channels [first, last) of image `b`, with zeros. */
static SY_ROUTINE void SY_R(sy_draw_)(const sy_conv *g, const SY_T *source, int64_t b,
                                      int64_t channel, int64_t count, SY_T *canvas) {
  int64_t first[SY_AXES], last[SY_AXES];
  int whole = 1;
  for (int d = 0; d < SY_AXES; d++) {
    SY_R(sy_on_canvas_)(g, d, first + d, last + d);
    whole &= g->step[d] == 1 && g->start[d] <= 0 && last[d] - first[d] == g->canvas[d];
  }
  if (!whole) memset(canvas, 0, (size_t)(count * g->area) * sizeof(SY_T));
  const int64_t s = g->from[4], step = g->step[2];
  for (int64_t c = 0; c < count; c++)
    for (int64_t d = first[0]; d < last[0]; d++)
      for (int64_t h = first[1]; h < last[1]; h++) {
        const SY_T *const x = source + b * g->from[0] + (channel + c) * g->from[1] +
                              d * g->from[2] + h * g->from[3];
        SY_T *const y = canvas + c * g->area + g->start[2] +
                        ((d * g->step[0] + g->start[0]) * g->canvas[1] + h * g->step[1] +
                         g->start[1]) *
                            g->canvas[2];
        const int64_t from = first[2], to = last[2];
        if (s == 1 && step == 1 && from < to)
          memcpy(y + from, x + from, (size_t)(to - from) * sizeof(SY_T));
        else
          for (int64_t w = from; w < to; w++) y[w * step] = x[w * s];
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
    if (stride == 1)
      for (int64_t i = 0; i < runs[r].count; i += SY_V) {
        const SY_R(sy_lane_) v = SY_R(sy_get_)(x + i);
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
  for (int64_t j = 0; j < count;) {
    const int64_t row = (first + j) / width, w = (first + j) % width;
    const int64_t h = row % height, d = row / height;
    const int64_t run = width - w < count - j ? width - w : count - j;
    const int64_t used = g->out[2] - w < run ? g->out[2] - w : run;
    if (h < g->out[1])
      for (int64_t m = 0; m < rows; m++) {
        SY_T *const y = to + m * g->to[1] + d * g->to[2] + h * g->to[3] + w * g->to[4];
        const SY_T *const x = tile + m * ld + j;
        if (g->to[4] == 1)
          for (int64_t i = 0; i < used; i++) y[i] = x[i];
        else
          for (int64_t i = 0; i < used; i++) y[i * g->to[4]] = x[i];
      }
    j += run;
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
      SY_R(sy_block_) t = {weights + m * g->terms, b + j, job->rows, tile, rows, 1, 0,
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
    const int64_t start = sy_part(job->columns, job->parts, part);
    const int64_t end = sy_part(job->columns, job->parts, part + 1);
    const SY_T *const weights = job->weights + group * g->terms * g->filters;
    SY_T *const to = job->to + b * g->to[0] + group * g->filters * g->to[1];
    SY_R(sy_draw_)(g, job->source, b, group * g->channels, g->channels, canvas);
    if (!job->chunk) {
      SY_R(sy_rows_of_)(job, weights, canvas + start, to, start, end - start);
      continue;
    }
    for (int64_t j = start; j < end; j += job->chunk) {
      const int64_t count = end - j < job->chunk ? end - j : job->chunk;
      const int64_t found = sy_runs(g, j, j + count, runs);
      for (int64_t k = 0; k < g->terms; k++)
        SY_R(sy_gather_)(g, canvas + job->terms[k], runs, found, built + k * ld);
      SY_R(sy_rows_of_)(job, weights, built, to, j, count);
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
        int64_t tap = term % g->taps;
        if (backwards) tap = g->taps - 1 - tap;
        const int64_t line = tap / g->filter[2];
        const SY_T *const x = w + q * group + term / g->taps * channel +
                              line / g->filter[1] * s[2] + line % g->filter[1] * s[3] +
                              tap % g->filter[2] * s[4];
        for (int64_t m = first; m < last; m++) *to++ = x[m * row];
      }
    }
}

static int SY_R(sy_correlate_)(sy_call *call, const sy_conv *g, const SY_T *source, const SY_T *w,
                               const int64_t *s, int64_t row, int64_t channel, int64_t group,
                               int backwards, SY_T *to) {
  const int64_t images = g->batch * g->groups;
  if (!images || !g->filters || !g->places) return SY_OK;
  SY_R(sy_job_) job = {.call = call, .g = g, .source = source, .to = to};
  job.blocks = (g->filters + SY_TILE_ROWS - 1) / SY_TILE_ROWS;
  job.columns = ((g->out[0] - 1) * g->canvas[1] + g->out[1] - 1) * g->canvas[2] + g->out[2];
  job.dense = (g->out[2] == 1 || g->to[4] == 1) && (g->out[1] == 1 || g->to[3] == g->out[2]) &&
              (g->out[0] == 1 || g->to[2] == g->out[1] * g->out[2]);
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
  call->api->parallel(SY_R(sy_image_), &job, images * job.parts, threads);
  return call->failed ? SY_ERROR : SY_OK;
}

static int SY_R(sy_convolve_)(sy_call *call, const sy_geometry *geometry, const sy_value *x,
                              const sy_value *w, const sy_value *y) {
  sy_conv g = {.groups = geometry->groups};
  int64_t n[5], k[5], m[5], s[5], before[SY_AXES];
  sy_spread(x, geometry->ndim, n, g.from);
  sy_spread(w, geometry->ndim, k, s);
  sy_spread(y, geometry->ndim, m, g.to);
  sy_axes(geometry, k + 2, g.stride, g.dilation, before);
  g.batch = n[0];
  g.channels = k[1];
  g.filters = k[0] / g.groups;
  for (int d = 0; d < SY_AXES; d++) {
    g.source[d] = n[2 + d];
    g.filter[d] = k[2 + d];
    g.out[d] = m[2 + d];
    g.step[d] = 1;
    g.start[d] = before[d];
  }
  sy_count(&g);
  return SY_R(sy_correlate_)(call, &g, (const SY_T *)x->data, (const SY_T *)w->data, s, s[0], s[1],
                             g.filters * s[0], geometry->flip, (SY_T *)y->data);
}

static int SY_R(sy_convolve_inputs_)(sy_call *call, const sy_geometry *geometry, const sy_value *y,
                                     const sy_value *w, const sy_value *x) {
  sy_conv g = {.groups = geometry->groups};
  int64_t n[5], k[5], m[5], s[5], before[SY_AXES];
  sy_spread(x, geometry->ndim, n, g.to);
  sy_spread(w, geometry->ndim, k, s);
  sy_spread(y, geometry->ndim, m, g.from);
  sy_axes(geometry, k + 2, g.step, g.dilation, before);
  g.batch = n[0];
  g.channels = k[0] / g.groups;
  g.filters = k[1];
  for (int d = 0; d < SY_AXES; d++) {
    g.source[d] = m[2 + d];
    g.filter[d] = k[2 + d];
    g.out[d] = n[2 + d];
    g.stride[d] = 1;
    g.start[d] = (k[2 + d] - 1) * g.dilation[d] - before[d];
  }
  sy_count(&g);
  return SY_R(sy_correlate_)(call, &g, (const SY_T *)y->data, (const SY_T *)w->data, s, s[1], s[0],
                             g.channels * s[0], !geometry->flip, (SY_T *)x->data);
}

/* ---- gradients of weights */

/* Sums of products over the places of some images: rows are terms, columns are filters. */
typedef struct {
  sy_call *call;
  const sy_conv *g;
  const SY_T *source, *results;
  int64_t *terms;  /* where the terms meet the canvas */
  SY_T *sums;      /* by slices, groups, terms, filters (filled up to whole vectors) */
  int64_t slices;  /* of the batch */
  int64_t parts;   /* of the terms */
  int64_t chunk;   /* places at a time */
  int64_t ld;      /* filters, filled up */
} SY_R(sy_sum_job_);

/* What arrived at places [first, last) of an image, filters side by side. */
static SY_ROUTINE void SY_R(sy_turn_)(const sy_conv *g, const SY_T *y, int64_t first, int64_t last,
                                      int64_t ld, SY_T *to) {
  int64_t w = first % g->out[2], h = first / g->out[2] % g->out[1];
  int64_t d = first / g->out[2] / g->out[1];
  for (int64_t p = first; p < last;) {
    const int64_t room = g->out[2] - w, run = room < last - p ? room : last - p;
    const SY_T *const x = y + d * g->to[2] + h * g->to[3] + w * g->to[4];
    for (int64_t m = 0; m < g->filters; m++)
      for (int64_t i = 0; i < run; i++) to[i * ld + m] = x[m * g->to[1] + i * g->to[4]];
    if (g->filters < ld)
      for (int64_t i = 0; i < run; i++)
        for (int64_t m = g->filters; m < ld; m++) to[i * ld + m] = 0;
    to += run * ld;
    p += run;
    w = 0;
    if (++h == g->out[1]) {
      h = 0;
      d++;
    }
  }
}

/* Adds what `count` places contribute to terms [first, last). */
static SY_ROUTINE void SY_R(sy_add_terms_)(const SY_R(sy_sum_job_) *job, const SY_T *canvas,
                                           const SY_T *turned, const sy_run *runs, int64_t found,
                                           int64_t count, SY_T *built, int64_t first, int64_t last,
                                           SY_T *sums) {
  const sy_conv *const g = job->g;
  const int64_t wide = sy_up(count, SY_V) + SY_V, vectors = job->ld / SY_V;
  const int64_t tiles = (vectors + SY_TILE_VECTORS - 1) / SY_TILE_VECTORS;
  const int64_t blocks = (last - first + SY_TILE_ROWS - 1) / SY_TILE_ROWS;
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t k = first + sy_part(last - first, blocks, block);
    const int64_t rows = first + sy_part(last - first, blocks, block + 1) - k;
    for (int64_t r = 0; r < rows; r++)
      SY_R(sy_gather_)(g, canvas + job->terms[k + r], runs, found, built + r * wide);
    for (int64_t i = 0; i < tiles; i++) {
      const int64_t v = sy_part(vectors, tiles, i);
      const SY_R(sy_block_) t = {built, turned + v * SY_V, NULL, sums + k * job->ld + v * SY_V,
                                 1,     wide,              job->ld, job->ld, count};
      SY_R(sy_add_block_)(&t, rows, sy_part(vectors, tiles, i + 1) - v);
    }
  }
}

static void SY_R(sy_slice_)(void *context, int64_t first, int64_t last, int thread) {
  const SY_R(sy_sum_job_) *const job = context;
  const sy_conv *const g = job->g;
  const int64_t size = sizeof(SY_T), canvas_bytes = SY_R(sy_canvas_bytes_)(g);
  const int64_t turned_bytes = sy_up(job->chunk * job->ld * size, SY_ALIGN);
  const int64_t wide = sy_up(job->chunk, SY_V) + SY_V;
  const int64_t built_bytes = sy_up(SY_TILE_ROWS * wide * size, SY_ALIGN);
  char *const memory = job->call->api->scratch(
      thread, canvas_bytes + turned_bytes + built_bytes + job->chunk * (int64_t)sizeof(sy_run));
  if (!memory) {
    job->call->api->fail(job->call, SY_E_MEMORY, 0, NULL, 0);
    return;
  }
  SY_T *const canvas = (SY_T *)memory, *const turned = (SY_T *)(memory + canvas_bytes);
  SY_T *const built = (SY_T *)(memory + canvas_bytes + turned_bytes);
  sy_run *const runs = (sy_run *)(memory + canvas_bytes + turned_bytes + built_bytes);
  for (int64_t task = first; task < last; task++) {
    const int64_t slice = task / job->parts, part = task % job->parts;
    const int64_t low = sy_part(g->terms, job->parts, part);
    const int64_t high = sy_part(g->terms, job->parts, part + 1);
    for (int64_t group = 0; group < g->groups; group++) {
      SY_T *const sums = job->sums + (slice * g->groups + group) * g->terms * job->ld;
      memset(sums + low * job->ld, 0, (size_t)((high - low) * job->ld * size));
      const int64_t end = sy_part(g->batch, job->slices, slice + 1);
      for (int64_t b = sy_part(g->batch, job->slices, slice); b < end; b++) {
        const SY_T *const y = job->results + b * g->to[0] + group * g->filters * g->to[1];
        SY_R(sy_draw_)(g, job->source, b, group * g->channels, g->channels, canvas);
        for (int64_t j = 0; j < g->places; j += job->chunk) {
          const int64_t rest = g->places - j, count = rest < job->chunk ? rest : job->chunk;
          SY_R(sy_turn_)(g, y, j, j + count, job->ld, turned);
          const int64_t found = sy_runs(g, j, j + count, runs);
          SY_R(sy_add_terms_)(job, canvas, turned, runs, found, count, built, low, high, sums);
        }
      }
    }
  }
}

/* Adds up the slices, in their order, and puts sums where the filters' elements are. */
static void SY_R(sy_settle_)(const SY_R(sy_sum_job_) *job, SY_T *w, const int64_t *s, int flip) {
  const sy_conv *const g = job->g;
  const int64_t slice = g->groups * g->terms * job->ld;
  for (int64_t i = 0; i < g->groups * g->terms; i++) {
    SY_T *const sums = job->sums + i * job->ld;
    for (int64_t k = 1; k < job->slices; k++)
      for (int64_t m = 0; m < g->filters; m++) sums[m] += sums[k * slice + m];
    const int64_t group = i / g->terms, term = i % g->terms;
    const int64_t tap = flip ? g->taps - 1 - term % g->taps : term % g->taps;
    const int64_t line = tap / g->filter[2];
    SY_T *const to = w + group * g->filters * s[0] + term / g->taps * s[1] +
                     line / g->filter[1] * s[2] + line % g->filter[1] * s[3] +
                     tap % g->filter[2] * s[4];
    for (int64_t m = 0; m < g->filters; m++) to[m * s[0]] = sums[m];
  }
}

static int SY_R(sy_convolve_weights_)(sy_call *call, const sy_geometry *geometry,
                                      const sy_value *x, const sy_value *y, const sy_value *w) {
  sy_conv g = {.groups = geometry->groups};
  int64_t n[5], k[5], m[5], s[5], before[SY_AXES];
  sy_spread(x, geometry->ndim, n, g.from);
  sy_spread(w, geometry->ndim, k, s);
  sy_spread(y, geometry->ndim, m, g.to);
  sy_axes(geometry, k + 2, g.stride, g.dilation, before);
  g.batch = n[0];
  g.channels = k[1];
  g.filters = k[0] / g.groups;
  for (int d = 0; d < SY_AXES; d++) {
    g.source[d] = n[2 + d];
    g.filter[d] = k[2 + d];
    g.out[d] = m[2 + d];
    g.step[d] = 1;
    g.start[d] = before[d];
  }
  sy_count(&g);
  if (!g.filters || !g.terms) return SY_OK;
  SY_R(sy_sum_job_) job = {.call = call, .g = &g, .ld = sy_up(g.filters, SY_V)};
  job.source = (const SY_T *)x->data;
  job.results = (const SY_T *)y->data;
  const int64_t bytes = g.groups * g.terms * job.ld * (int64_t)sizeof(SY_T);
  job.slices = g.batch < SY_MOST_SLICES ? g.batch : SY_MOST_SLICES;
  while (job.slices > 1 && job.slices * bytes > SY_SLICE_BYTES) job.slices--;
  if (job.slices < 1) job.slices = 1; /* of an empty batch: zeros */
  const int64_t fit = SY_CHUNK_BYTES / (job.ld * (int64_t)sizeof(SY_T));
  job.chunk = fit > 1024 ? 1024 : fit < 64 ? 64 : fit;
  if (job.chunk > g.places) job.chunk = g.places;
  const int64_t sums_bytes = sy_up(job.slices * bytes, SY_ALIGN);
  char *const memory = call->api->alloc(call, sums_bytes + g.terms * (int64_t)sizeof(int64_t));
  if (!memory) return call->api->fail(call, SY_E_MEMORY, 0, NULL, 0);
  job.sums = (SY_T *)memory;
  job.terms = (int64_t *)(memory + sums_bytes);
  sy_terms(&g, job.terms);
  const double work = (double)g.batch * (double)g.groups * (double)g.terms * (double)g.places *
                      (double)g.filters;
  int threads;
  job.parts = sy_shares(call, work, job.slices, g.terms / SY_TILE_ROWS, &threads);
  call->api->parallel(SY_R(sy_slice_), &job, job.slices * job.parts, threads);
  if (call->failed) return SY_ERROR;
  SY_R(sy_settle_)(&job, (SY_T *)w->data, s, geometry->flip);
  return SY_OK;
}

#undef SY_V
#undef SY_T
#undef SY_R
