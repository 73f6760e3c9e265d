/* Gradients of filters for one type; included by convolve_body.h. Sums over places: a row for each
 * filter, whose elements lie as in the results, and a column for each term. The canvas has its
 * channels last, so what a window meets in one line lies together, channels of an element and
 * elements of the filter's line; it is read where it is, or, where such runs are short, a few windows
 * at a time are copied side by side. */

typedef struct {
  sy_call *call;
  const sy_conv *g;
  const SY_T *source, *results;
  SY_T *sums;       /* by slices, groups, filters, runs */
  int64_t *starts;  /* of the runs of terms, on the canvas of a window */
  int beside;       /* windows are copied side by side */
  int64_t count;    /* of the runs that are read: 1 where windows are copied */
  int64_t length;   /* of each */
  int64_t wide;     /* the same, filled up to whole vectors */
  int64_t runs, run; /* what a window meets: how many, and how long */
  int64_t slices;   /* of the batch */
  int64_t parts;    /* of the filters */
  int64_t chunk;    /* places at a time */
} SY_R(sy_sum_job_);

/* The address behind the last element of the source. */
static inline const SY_T *SY_R(sy_source_end_)(const sy_conv *g, const SY_T *source) {
  const int64_t n[5] = {g->batch, g->groups * g->channels, g->source[0], g->source[1], g->source[2]};
  int64_t last = 0;
  for (int d = 0; d < 5; d++)
    if (g->from[d] > 0) last += (n[d] - 1) * g->from[d];
  return source + last + 1;
}

/* Up to SY_V places and channels, channels last. Elements from `end` on can't be read; up to a vector
 * behind the channels of the last place is written. */
static inline void SY_R(sy_turn_block_)(SY_T *y, int64_t wide, const SY_T *x, int64_t apart,
                                        int64_t step, int64_t places, int64_t channels,
                                        const SY_T *end) {
#if SY_VECTOR_BYTES > 16
  enum { W = SY_VECTOR_BYTES / sizeof(SY_T) };
  if (step == 1 && end - (x + (channels - 1) * apart) >= W && end - x >= W) {
    SY_R(sy_vector_) v[W];
#pragma GCC unroll 16
    for (int c = 0; c < W; c++)
      v[c] = c < channels ? SY_R(sy_get_)(x + c * apart) : (SY_R(sy_vector_)){0};
    SY_R(sy_transpose_)(v);
#pragma GCC unroll 16
    for (int w = 0; w < W; w++)
      if (w < places) memcpy(y + w * wide, &v[w], sizeof v[w]);
    return;
  }
#endif
  (void)end;
  for (int64_t w = 0; w < places; w++)
    for (int64_t c = 0; c < channels; c++) y[w * wide + c] = x[c * apart + w * step];
}

/* A line of all channels, channels last. Blocks write over those in front of them, so the last
 * channels come first. */
static SY_ROUTINE void SY_R(sy_turn_line_)(const sy_conv *g, SY_T *y, const SY_T *x, int64_t length,
                                           const SY_T *end) {
  const int64_t n = g->channels, apart = g->from[1], s = g->from[4];
  if (n == 1 && s == 1) {
    SY_R(sy_copy_)(y, x, length);
    return;
  }
  for (int64_t w = 0; w < length; w += SY_V)
    for (int64_t c = (n - 1) / SY_V * SY_V; c >= 0; c -= SY_V)
      SY_R(sy_turn_block_)(y + w * n + c, n, x + c * apart + w * s, apart, s,
                           length - w < SY_V ? length - w : SY_V, n - c < SY_V ? n - c : SY_V, end);
}

/* All channels of a group of image `b` as a canvas with the channels last. */
static SY_ROUTINE void SY_R(sy_draw_last_)(const sy_conv *g, const SY_T *source, int64_t b,
                                           int64_t channel, SY_T *canvas) {
  int64_t first[SY_AXES], last[SY_AXES];
  int whole = g->from[4] == 1 && g->from[3] == g->source[2] &&
              g->from[2] == g->source[1] * g->source[2];
  for (int d = 0; d < SY_AXES; d++) {
    SY_R(sy_on_canvas_)(g, d, first + d, last + d);
    whole &= g->start[d] == 0 && g->canvas[d] == g->source[d];
  }
  const int64_t n = g->channels, length = last[2] - first[2];
  const SY_T *const end = SY_R(sy_source_end_)(g, source);
  source += b * g->from[0] + channel * g->from[1];
  if (whole) {
    SY_R(sy_turn_line_)(g, canvas, source, g->area, end);
    return;
  }
  SY_T *filled = canvas; /* all in front of it has been written */
  for (int64_t d = first[0]; d < last[0] && length > 0; d++)
    for (int64_t h = first[1]; h < last[1]; h++) {
      const int64_t line = (d + g->start[0]) * g->canvas[1] + h + g->start[1];
      SY_T *const y = canvas + (line * g->canvas[2] + g->start[2] + first[2]) * n;
      if (y > filled) memset(filled, 0, (size_t)(y - filled) * sizeof(SY_T));
      SY_R(sy_turn_line_)(g, y, source + d * g->from[2] + h * g->from[3] + first[2] * g->from[4],
                          length, end);
      filled = y + length * n;
    }
  memset(filled, 0, (size_t)(canvas + n * g->area - filled) * sizeof(SY_T));
}

/* Where the windows of places [first, last) start on the canvas. */
static inline void SY_R(sy_windows_)(const sy_conv *g, int64_t first, int64_t last,
                                     int64_t *windows) {
  int64_t w = first % g->out[2], h = first / g->out[2] % g->out[1];
  int64_t d = first / g->out[2] / g->out[1];
  for (int64_t p = first; p < last; p++) {
    const int64_t line = d * g->stride[0] * g->canvas[1] + h * g->stride[1];
    windows[p - first] = (line * g->canvas[2] + w * g->stride[2]) * g->channels;
    if (++w == g->out[2]) {
      w = 0;
      if (++h == g->out[1]) {
        h = 0;
        d++;
      }
    }
  }
}

/* Windows side by side. Up to a vector behind every run is read and written. */
static SY_ROUTINE void SY_R(sy_beside_)(const SY_R(sy_sum_job_) *job, const SY_T *canvas,
                                        int64_t *windows, int64_t count, SY_T *built) {
  typedef SY_T half __attribute__((vector_size(SY_VECTOR_BYTES / 2), may_alias));
  const int64_t runs = job->runs, run = job->run, *const starts = job->starts;
  for (int64_t p = 0; p < count; p++) {
    const SY_T *const x = canvas + windows[p];
    SY_T *const y = built + p * job->wide;
    for (int64_t r = 0; r < runs; r++)
      for (int64_t i = 0; i < run; i += SY_V / 2) {
        half v;
        memcpy(&v, x + starts[r] + i, sizeof v);
        memcpy(y + r * run + i, &v, sizeof v);
      }
    windows[p] = p * job->wide;
  }
}

/* Adds what `count` places contribute to filters [low, high). `y` are the results, `apart` by
 * filters and `step` by places; `b` is the canvas or windows side by side. */
static SY_ROUTINE void SY_R(sy_add_places_)(const SY_R(sy_sum_job_) *job, const SY_T *b,
                                            const int64_t *windows, int64_t count, const SY_T *y,
                                            int64_t apart, int64_t step, int64_t low, int64_t high,
                                            SY_T *sums) {
  const int64_t vectors = job->wide / SY_V, row = job->count * job->wide;
  const int64_t tiles = (vectors + SY_TILE_VECTORS - 1) / SY_TILE_VECTORS;
  const int64_t blocks = (high - low + SY_TILE_ROWS - 1) / SY_TILE_ROWS;
  for (int64_t r = 0; r < job->count; r++) {
    const int64_t start = job->beside ? 0 : job->starts[r];
    for (int64_t i = 0; i < tiles; i++) {
      const int64_t v = sy_part(vectors, tiles, i), wide = sy_part(vectors, tiles, i + 1) - v;
      for (int64_t block = 0; block < blocks; block++) {
        const int64_t m = low + sy_part(high - low, blocks, block);
        const SY_R(sy_block_) t = {y + m * apart, b + start + v * SY_V, windows,
                                   sums + m * row + r * job->wide + v * SY_V,
                                   step, apart, row, count};
        SY_R(sy_add_block_)(&t, low + sy_part(high - low, blocks, block + 1) - m, wide);
      }
    }
  }
}

static void SY_R(sy_slice_)(void *context, int64_t first, int64_t last, int thread) {
  const SY_R(sy_sum_job_) *const job = context;
  const sy_conv *const g = job->g;
  const int64_t size = sizeof(SY_T), canvas_bytes = SY_R(sy_canvas_bytes_)(g);
  const int64_t built_bytes =
      !job->beside ? 0 : sy_up((job->chunk * job->wide + job->run + SY_V) * size, SY_ALIGN);
  const int64_t copy_bytes = sy_up(g->filters * job->chunk * size, SY_ALIGN);
  char *const memory = job->call->api->scratch(
      thread,
      canvas_bytes + built_bytes + copy_bytes + job->chunk * (int64_t)sizeof(int64_t));
  if (!memory) {
    job->call->api->fail(job->call, SY_E_MEMORY, 0, NULL, 0);
    return;
  }
  SY_T *const canvas = (SY_T *)memory, *const built = (SY_T *)(memory + canvas_bytes);
  SY_T *const copy = (SY_T *)(memory + canvas_bytes + built_bytes);
  int64_t *const windows = (int64_t *)(memory + canvas_bytes + built_bytes + copy_bytes);
  for (int64_t task = first; task < last; task++) {
    const int64_t slice = task / job->parts, part = task % job->parts;
    const int64_t low = sy_part(g->filters, job->parts, part);
    const int64_t high = sy_part(g->filters, job->parts, part + 1);
    const int64_t row = job->count * job->wide;
    for (int64_t group = 0; group < g->groups; group++) {
      SY_T *const sums = job->sums + (slice * g->groups + group) * g->filters * row;
      memset(sums + low * row, 0, (size_t)((high - low) * row * size));
      const int64_t end = sy_part(g->batch, job->slices, slice + 1);
      for (int64_t b = sy_part(g->batch, job->slices, slice); b < end; b++) {
        const SY_T *const y = job->results + b * g->to[0] + group * g->filters * g->to[1];
        SY_R(sy_draw_last_)(g, job->source, b, group * g->channels, canvas);
        for (int64_t j = 0; j < g->places; j += job->chunk) {
          const int64_t rest = g->places - j, count = rest < job->chunk ? rest : job->chunk;
          SY_R(sy_windows_)(g, j, j + count, windows);
          if (job->beside) SY_R(sy_beside_)(job, canvas, windows, count, built);
          const SY_T *a = y + j;
          int64_t apart = g->to[1];
          if (!sy_is_dense(g)) {
            SY_R(sy_take_)(g, y, j, j + count, job->chunk, copy);
            a = copy;
            apart = job->chunk;
          }
          SY_R(sy_add_places_)(job, job->beside ? built : canvas, windows, count, a, apart, 1,
                               low, high, sums);
        }
      }
    }
  }
}

/* Adds up the slices, in their order, and puts sums where the filters' elements are. */
static void SY_R(sy_settle_)(const SY_R(sy_sum_job_) *job, SY_T *w, const int64_t *s, int flip) {
  const sy_conv *const g = job->g;
  const int64_t row = job->count * job->wide, slice = g->groups * g->filters * row;
  for (int64_t k = 1; k < job->slices; k++) {
    SY_T *restrict to = job->sums;
    const SY_T *restrict from = job->sums + k * slice;
    for (int64_t i = 0; i < slice; i += SY_V) {
      const SY_R(sy_vector_) sum = SY_R(sy_get_)(to + i) + SY_R(sy_get_)(from + i);
      memcpy(to + i, &sum, sizeof sum);
    }
  }
  for (int64_t m = 0; m < g->groups * g->filters; m++)
    for (int64_t tap = 0; tap < g->taps; tap++) {
      const int64_t at = tap * g->channels, run = at / job->length;
      const SY_T *const x = job->sums + m * row + run * job->wide + at - run * job->length;
      SY_T *const to = w + m * s[0] + sy_element(g, s, tap, flip);
      for (int64_t c = 0; c < g->channels; c++) to[c * s[1]] = x[c];
    }
}

/* How terms are divided into runs, and whether windows are copied. */
static void SY_R(sy_sum_plan_)(SY_R(sy_sum_job_) *job) {
  const sy_conv *const g = job->g;
  const int64_t together = g->dilation[2] == 1 ? g->filter[2] : 1;
  job->run = together * g->channels;
  job->runs = g->taps / together;
  const int64_t direct = sy_up(job->run, SY_V) * job->runs, beside = sy_up(g->terms, SY_V);
  job->beside = direct * 10 > beside * 11;
  job->count = job->beside ? 1 : job->runs;
  job->length = job->beside ? g->terms : job->run;
  job->wide = sy_up(job->length, SY_V);
  job->chunk = SY_WINDOWS_BYTES / (SY_TILE_VECTORS * SY_VECTOR_BYTES);
  if (job->chunk > g->places) job->chunk = g->places;
}

static int SY_R(sy_convolve_weights_)(sy_call *call, const sy_geometry *geometry,
                                      const sy_value *x, const sy_value *y, const sy_value *w) {
  sy_conv g;
  int64_t s[5];
  sy_forward(&g, geometry, x, w, y, s);
  if (!g.filters || !g.terms) return SY_OK;
  SY_R(sy_sum_job_) job = {.call = call, .g = &g};
  job.source = (const SY_T *)x->data;
  job.results = (const SY_T *)y->data;
  SY_R(sy_sum_plan_)(&job);
  const int64_t bytes = g.groups * g.filters * job.count * job.wide * (int64_t)sizeof(SY_T);
  job.slices = g.batch < SY_MOST_SLICES ? g.batch : SY_MOST_SLICES;
  while (job.slices > 1 && job.slices * bytes > SY_SLICE_BYTES) job.slices /= 2;
  if (job.slices < 1) job.slices = 1; /* of an empty batch: zeros */
  const int64_t sums_bytes = sy_up(job.slices * bytes, SY_ALIGN);
  char *const memory = call->api->alloc(call, sums_bytes + job.runs * (int64_t)sizeof(int64_t));
  if (!memory) return call->api->fail(call, SY_E_MEMORY, 0, NULL, 0);
  job.sums = (SY_T *)memory;
  job.starts = (int64_t *)(memory + sums_bytes);
  for (int64_t r = 0; r < job.runs; r++)
    job.starts[r] = sy_tap(&g, r * (g.taps / job.runs)) * g.channels;
  const double work = (double)g.batch * (double)g.groups * (double)g.terms * (double)g.places *
                      (double)g.filters;
  int threads;
  job.parts = sy_shares(call, work, job.slices, g.filters / SY_TILE_ROWS, &threads);
  call->api->parallel(SY_R(sy_slice_), &job, job.slices * job.parts, threads);
  if (call->failed) return SY_ERROR;
  SY_R(sy_settle_)(&job, (SY_T *)w->data, s, geometry->flip);
  return SY_OK;
}
