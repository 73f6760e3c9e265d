/* Gradients of inputs for one type, where a convolution with the filters turned round would multiply
 * many zeros: those between the windows and around the results. Included by convolve_body.h. What
 * every place gives to the window it belongs to is a product of matrices, a row for each term and a
 * column for each place; it is added to a canvas, tile by tile. */

typedef struct {
  sy_call *call;
  const sy_conv *g; /* of the convolution itself: the canvas is the input's */
  const sy_after *after;
  const SY_T *results;
  SY_T *inputs;
  SY_T *weights;  /* by groups, parts, blocks of terms, filters, terms of the block */
  int64_t *terms; /* where the terms meet the canvas */
  int64_t *rows;  /* where the filters' rows are in the copied results */
  int64_t parts;  /* of the channels of a group */
  int64_t ld;     /* places, filled up */
} SY_R(sy_scatter_job_);

/* Adds `n` elements; no others are read or written. */
SY_INLINE void SY_R(sy_add_to_)(SY_T *y, const SY_T *x, int64_t n) {
  int64_t i = 0;
  for (; i + SY_V <= n; i += SY_V) {
    const SY_R(sy_vector_) sum = SY_R(sy_get_)(y + i) + SY_R(sy_get_)(x + i);
    memcpy(y + i, &sum, sizeof sum);
  }
#define SY_ADD_SOME(BYTES)                                              \
  if ((n - i) * (int64_t)sizeof(SY_T) >= BYTES) {                       \
    typedef SY_T some __attribute__((vector_size(BYTES), may_alias));   \
    some a, b;                                                          \
    memcpy(&a, y + i, BYTES);                                           \
    memcpy(&b, x + i, BYTES);                                           \
    a += b;                                                             \
    memcpy(y + i, &a, BYTES);                                           \
    i += BYTES / (int64_t)sizeof(SY_T);                                 \
  }
#if SY_VECTOR_BYTES > 32
  SY_ADD_SOME(32)
#endif
#if SY_VECTOR_BYTES > 16
  SY_ADD_SOME(16)
#endif
#undef SY_ADD_SOME
  for (; i < n; i++) y[i] += x[i];
}

/* Adds a row of a tile to where its term lies in the windows of the runs. */
static SY_ROUTINE void SY_R(sy_scatter_row_)(const sy_conv *g, SY_T *canvas, const SY_T *row,
                                             const sy_run *runs, int64_t found) {
  const int64_t stride = g->stride[2];
  for (int64_t r = 0; r < found; r++) {
    SY_T *const y = canvas + runs[r].from;
    const SY_T *const x = row + runs[r].column;
    if (stride == 1)
      SY_R(sy_add_to_)(y, x, runs[r].count);
    else
      for (int64_t i = 0; i < runs[r].count; i++) y[i * stride] += x[i];
  }
}

/* What the places of an image give to channels [low, high), added to the canvas of these. */
static SY_ROUTINE void SY_R(sy_scatter_)(const SY_R(sy_scatter_job_) *job, const SY_T *weights,
                                         const SY_T *results, int64_t low, int64_t high,
                                         SY_T *canvas) {
  const sy_conv *const g = job->g;
  SY_T tile[SY_TILE_ROWS * SY_TILE_VECTORS * (SY_VECTOR_BYTES / sizeof(SY_T))];
  sy_run runs[SY_TILE_VECTORS * (SY_VECTOR_BYTES / sizeof(SY_T))];
  const int64_t terms = (high - low) * g->taps, *const places = job->terms + low * g->taps;
  const int64_t vectors = (g->places + SY_V - 1) / SY_V;
  const int64_t tiles = (vectors + SY_TILE_VECTORS - 1) / SY_TILE_VECTORS;
  const int64_t blocks = (terms + SY_TILE_ROWS - 1) / SY_TILE_ROWS;
  for (int64_t i = 0; i < tiles; i++) {
    const int64_t j = sy_part(vectors, tiles, i) * SY_V, wide = sy_part(vectors, tiles, i + 1);
    const int64_t end = wide * SY_V < g->places ? wide * SY_V : g->places;
    const int64_t found = sy_runs(g, j, end, runs);
    for (int64_t k = 0; k < blocks; k++) {
      const int64_t term = sy_part(terms, blocks, k), rows = sy_part(terms, blocks, k + 1) - term;
      const SY_R(sy_block_) t = {weights + term * g->filters, results + j, job->rows, tile, rows, 1,
                                 SY_TILE_VECTORS * SY_V, g->filters};
      SY_R(sy_store_block_)(&t, rows, wide - j / SY_V);
      for (int64_t r = 0; r < rows; r++)
        SY_R(sy_scatter_row_)(g, canvas + places[term + r] - low * g->area,
                              tile + r * SY_TILE_VECTORS * SY_V, runs, found);
    }
  }
}

/* Channels [low, high) of a group, from the canvas to image `b`: zeros for what no window meets. */
static SY_ROUTINE void SY_R(sy_undraw_)(const sy_conv *g, const SY_T *canvas, int64_t b,
                                        int64_t channel, int64_t count, SY_T *to) {
  int64_t first[SY_AXES], last[SY_AXES];
  for (int d = 0; d < SY_AXES; d++) SY_R(sy_on_canvas_)(g, d, first + d, last + d);
  const int64_t s = g->from[4], length = last[2] > first[2] ? last[2] - first[2] : 0;
  for (int64_t c = 0; c < count; c++)
    for (int64_t d = 0; d < g->source[0]; d++)
      for (int64_t h = 0; h < g->source[1]; h++) {
        SY_T *const y = to + b * g->from[0] + (channel + c) * g->from[1] + d * g->from[2] +
                        h * g->from[3];
        const int met = length && d >= first[0] && d < last[0] && h >= first[1] && h < last[1];
        const int64_t from = met ? first[2] : g->source[2], end = met ? last[2] : g->source[2];
        const SY_T *const x = canvas + c * g->area + g->start[2] +
                              ((d + g->start[0]) * g->canvas[1] + h + g->start[1]) * g->canvas[2];
        for (int64_t w = 0; w < from; w++) y[w * s] = 0;
        if (s == 1)
          SY_R(sy_copy_)(y + from, x + from, end - from);
        else
          for (int64_t w = from; w < end; w++) y[w * s] = x[w];
        for (int64_t w = end; w < g->source[2]; w++) y[w * s] = 0;
      }
}

static void SY_R(sy_scatter_image_)(void *context, int64_t first, int64_t last, int thread) {
  const SY_R(sy_scatter_job_) *const job = context;
  const sy_conv *const g = job->g;
  const int64_t canvas_bytes = SY_R(sy_canvas_bytes_)(g);
  char *const memory = job->call->api->scratch(
      thread, canvas_bytes + g->filters * job->ld * (int64_t)sizeof(SY_T));
  if (!memory) {
    job->call->api->fail(job->call, SY_E_MEMORY, 0, NULL, 0);
    return;
  }
  SY_T *const canvas = (SY_T *)memory, *const copy = (SY_T *)(memory + canvas_bytes);
  for (int64_t task = first; task < last; task++) {
    const int64_t part = task % job->parts, image = task / job->parts;
    const int64_t b = image / g->groups, group = image % g->groups;
    const int64_t low = sy_part(g->channels, job->parts, part);
    const int64_t high = sy_part(g->channels, job->parts, part + 1);
    const SY_T *const y = job->results + b * g->to[0] + group * g->filters * g->to[1];
    const SY_T *const weights = job->weights + (group * g->terms + low * g->taps) * g->filters;
    SY_R(sy_take_)(g, y, 0, g->places, job->ld, copy);
    memset(canvas, 0, (size_t)((high - low) * g->area) * sizeof(SY_T));
    SY_R(sy_scatter_)(job, weights, copy, low, high, canvas);
    SY_R(sy_undraw_)(g, canvas, b, group * g->channels + low, high - low, job->inputs);
    if (job->after && sy_volume(g->source))
      job->after->run(job->after->context, b, group * g->channels + low, high - low, 0,
                      g->source[g->first], thread);
  }
}

/* Filters as blocks of terms. */
static void SY_R(sy_pack_terms_)(const SY_R(sy_scatter_job_) *job, const SY_T *w, const int64_t *s,
                                 int flip) {
  const sy_conv *const g = job->g;
  SY_T *to = job->weights;
  for (int64_t q = 0; q < g->groups * job->parts; q++) {
    const int64_t part = q % job->parts, low = sy_part(g->channels, job->parts, part) * g->taps;
    const int64_t terms = sy_part(g->channels, job->parts, part + 1) * g->taps - low;
    const int64_t blocks = (terms + SY_TILE_ROWS - 1) / SY_TILE_ROWS;
    for (int64_t k = 0; k < blocks; k++) {
      const int64_t first = low + sy_part(terms, blocks, k);
      const int64_t rows = low + sy_part(terms, blocks, k + 1) - first;
      for (int64_t r = 0; r < rows; r++) {
        const SY_T *const x = w + q / job->parts * g->filters * s[0] +
                              (first + r) / g->taps * s[1] +
                              sy_element(g, s, (first + r) % g->taps, flip);
        for (int64_t m = 0; m < g->filters; m++) to[m * rows + r] = x[m * s[0]];
      }
      to += rows * g->filters;
    }
  }
}

/* Whether that is better than the convolution with the filters turned round. Estimates in cycles for
 * a term and a channel: two products of vectors in each, and some for every run that is added. */
static int SY_R(sy_is_scattered_)(const sy_conv *g) {
  if (!g->channels) return 0;
  const double lines = (double)(g->out[0] * g->out[1]), filters = (double)g->filters;
  const double vectors = (double)((g->out[2] + SY_V - 1) / SY_V);
  const double adding = g->stride[2] == 1 ? 4.0 + 3.0 * vectors : 2.0 * (double)g->out[2];
  const double scattered = filters * (double)g->places / (2.0 * SY_V) + lines * adding;
  const double turned = filters * (double)sy_volume(g->source) / (2.0 * SY_V);
  return scattered < turned * (1.0 + 2.0 / (double)g->channels); /* tiles of few rows are slow */
}

static int SY_R(sy_scatter_inputs_)(sy_call *call, const sy_conv *g, const SY_T *y, const SY_T *w,
                                    const int64_t *s, int flip, SY_T *x, const sy_after *after) {
  const int64_t images = g->batch * g->groups;
  if (!images || !g->channels) return SY_OK;
  SY_R(sy_scatter_job_) job = {
      .call = call, .g = g, .after = after, .results = y, .inputs = x};
  const double work = (double)images * (double)g->filters * (double)g->terms * (double)g->places;
  int threads;
  job.parts = sy_shares(call, work, images, g->channels, &threads);
  job.ld = sy_up(g->places, SY_V);
  const int64_t size = (int64_t)sizeof(SY_T) * g->groups * g->filters * g->terms;
  char *const memory = call->api->alloc(
      call, sy_up(size, SY_ALIGN) + (g->terms + g->filters) * (int64_t)sizeof(int64_t));
  if (!memory) return call->api->fail(call, SY_E_MEMORY, 0, NULL, 0);
  job.weights = (SY_T *)memory;
  job.terms = (int64_t *)(memory + sy_up(size, SY_ALIGN));
  job.rows = job.terms + g->terms;
  sy_terms(g, job.terms);
  for (int64_t m = 0; m < g->filters; m++) job.rows[m] = m * job.ld;
  SY_R(sy_pack_terms_)(&job, w, s, flip);
  call->api->parallel(SY_R(sy_scatter_image_), &job, images * job.parts, threads);
  return call->failed ? SY_ERROR : SY_OK;
}
