/* Products of middling size for one real type: SY_T and SY_R(name) as in routines_body.h, vectors
 * as in narrow_body.h. A block of B is copied to the first cache and stays there while all rows of
 * A go past; elements of A are broadcast, so that A is read where it lies and may have any strides.
 * For the weights of a layer and a batch of some hundred rows, BLAS's copies of both factors, made
 * for larger products, cost as much as a third of the product. */

typedef struct {
  SY_R(sy_matrix_) a, b, c;
  SY_T alpha, beta;
  int64_t groups;     /* of rows of C */
  int64_t group_rows; /* in each of them */
} SY_R(sy_direct_);

/* What a tile needs: `sum` elements of the rows of A, as many rows of B, and rows of C. */
typedef struct {
  const SY_T *a, *b;
  SY_T *c;
  int64_t a0, a1, ldb, ldc, sum;
  SY_T alpha, beta; /* C = alpha A B + beta C */
} SY_R(sy_tile_);

static inline __attribute__((always_inline)) void SY_R(sy_one_tile_)(const SY_R(sy_tile_) *t,
                                                                     const int rows,
                                                                     const int vectors) {
  SY_NARROW_FUSED
  SY_R(sy_vector_) acc[SY_DIRECT_ROWS][SY_DIRECT_VECTORS] = {{{0}}};
  const SY_T *a = t->a, *b = t->b;
  const int64_t a0 = t->a0, a1 = t->a1, ldb = t->ldb;
  for (int64_t k = 0; k < t->sum; k++, a += a1, b += ldb) {
    SY_R(sy_vector_) right[SY_DIRECT_VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) right[v] = SY_R(sy_vload_)(b + v * SY_W);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) acc[r][v] += a[r * a0] * right[v];
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
      SY_T *const c = t->c + r * t->ldc + v * SY_W;
      SY_R(sy_vector_) sum = t->alpha * acc[r][v];
      if (t->beta != 0) sum += t->beta * SY_R(sy_vload_)(c);
      memcpy(c, &sum, sizeof sum);
    }
}

#define SY_TILE(V)                                                                    \
  static SY_ROUTINE void SY_R(sy_tile##V##_)(const SY_R(sy_tile_) * t, int64_t rows) { \
    switch (rows) {                                                                   \
      case 1: SY_R(sy_one_tile_)(t, 1, V); break;                                     \
      case 2: SY_R(sy_one_tile_)(t, 2, V); break;                                     \
      case 3: SY_R(sy_one_tile_)(t, 3, V); break;                                     \
      case 4: SY_R(sy_one_tile_)(t, 4, V); break;                                     \
      case 5: SY_R(sy_one_tile_)(t, 5, V); break;                                     \
      default: SY_R(sy_one_tile_)(t, 6, V);                                           \
    }                                                                                 \
  }
SY_TILE(1)
SY_TILE(2)
#if SY_DIRECT_VECTORS > 2
SY_TILE(3)
SY_TILE(4)
#endif
#undef SY_TILE

typedef void (*SY_R(sy_tile_kernel_))(const SY_R(sy_tile_) *, int64_t);

/* A tile whose last vector is not whole: through memory that has room for it. */
static SY_ROUTINE void SY_R(sy_edge_tile_)(SY_R(sy_tile_) t, int64_t rows, int64_t columns,
                                           SY_R(sy_tile_kernel_) kernel) {
  SY_T whole[SY_DIRECT_ROWS * SY_DIRECT_VECTORS * SY_VECTOR_BYTES / sizeof(SY_T)];
  const int64_t ld = SY_DIRECT_VECTORS * SY_W, ldc = t.ldc;
  const SY_T beta = t.beta;
  SY_T *const c = t.c;
  t.c = whole;
  t.ldc = ld;
  t.beta = 0;
  kernel(&t, rows);
  for (int64_t r = 0; r < rows; r++)
    SY_SIMD for (int64_t j = 0; j < columns; j++)
      c[r * ldc + j] = whole[r * ld + j] + (beta != 0 ? beta * c[r * ldc + j] : 0);
}

#include "transpose_body.h"

/* `rows` rows of B to contiguous ones of `wide` elements, with zeros behind; `by_rows` says in which
 * direction B is contiguous. */
static SY_ROUTINE void SY_R(sy_take_block_)(SY_T *restrict block, SY_R(sy_matrix_) b, int64_t rows,
                                            int64_t columns, int64_t wide) {
  const int by_rows = b.s1 == 1;
  const int64_t whole = columns / SY_W * SY_W, turned = by_rows ? 0 : rows / SY_W * SY_W;
  for (int64_t k = 0; k < turned; k += SY_W)
    for (int64_t j = 0; j < whole; j += SY_W) {
      SY_R(sy_vector_) v[SY_VECTOR_BYTES / sizeof(SY_T)];
#pragma GCC unroll 16
      for (int l = 0; l < SY_W; l++) v[l] = SY_R(sy_vload_)(b.p + (j + l) * b.s1 + k);
      SY_R(sy_transpose_)(v);
#pragma GCC unroll 16
      for (int l = 0; l < SY_W; l++) memcpy(block + (k + l) * wide + j, &v[l], sizeof v[l]);
    }
  for (int64_t k = 0; k < rows; k++) {
    int64_t j = k < turned ? whole : 0;
    if (by_rows)
      for (; j < whole; j += SY_W) {
        const SY_R(sy_vector_) v = SY_R(sy_vload_)(b.p + k * b.s0 + j);
        memcpy(block + k * wide + j, &v, sizeof v);
      }
    for (; j < wide; j++) block[k * wide + j] = j < columns ? b.p[k * b.s0 + j * b.s1] : 0;
  }
}

/* Fetch `rows` rows of C, of `columns` elements and what lies beside them in their cache lines. */
static inline void SY_R(sy_fetch_)(const SY_T *c, int64_t ldc, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < columns + SY_W; j += 64 / (int64_t)sizeof(SY_T))
      __builtin_prefetch(c + r * ldc + j, 1);
}

/* One panel of columns from j on, rows [first, last) of C. */
static SY_UNUSED void SY_R(sy_direct_panel_)(const SY_R(sy_direct_) *g, int64_t j, int64_t first,
                                             int64_t last) {
  static const SY_R(sy_tile_kernel_) kernels[] = {
      SY_R(sy_tile1_), SY_R(sy_tile2_),
#if SY_DIRECT_VECTORS > 2
      SY_R(sy_tile3_), SY_R(sy_tile4_),
#endif
  };
  _Alignas(64) SY_T block[SY_DIRECT_SUM * SY_DIRECT_VECTORS * SY_VECTOR_BYTES / sizeof(SY_T)];
  const int64_t most = SY_DIRECT_VECTORS * SY_W;
  const int64_t columns = g->c.cols - j < most ? g->c.cols - j : most;
  const int64_t vectors = (columns + SY_W - 1) / SY_W, wide = vectors * SY_W;
  const SY_R(sy_tile_kernel_) kernel = kernels[vectors - 1];
  for (int64_t k = 0; k < g->a.cols; k += SY_DIRECT_SUM) {
    SY_R(sy_tile_) t = {.b = block, .a0 = g->a.s0, .a1 = g->a.s1, .ldb = wide, .ldc = g->c.s0};
    t.sum = g->a.cols - k < SY_DIRECT_SUM ? g->a.cols - k : SY_DIRECT_SUM;
    t.alpha = g->alpha;
    t.beta = k ? 1 : g->beta;
    SY_R(sy_matrix_) b = g->b;
    b.p += k * b.s0 + j * b.s1;
    SY_R(sy_take_block_)(block, b, t.sum, columns, wide);
    for (int64_t i = first; i < last; i += SY_DIRECT_ROWS) {
      const int64_t rows = last - i < SY_DIRECT_ROWS ? last - i : SY_DIRECT_ROWS;
      t.a = g->a.p + i * g->a.s0 + k * g->a.s1;
      t.c = g->c.p + i * g->c.s0 + j;
      if (k == 0 && t.beta != 0) /* the next tile's */
        SY_R(sy_fetch_)(t.c + rows * t.ldc, t.ldc,
                        last - i - rows < rows ? last - i - rows : rows, columns);
      if (columns < wide)
        SY_R(sy_edge_tile_)(t, rows, columns, kernel);
      else
        kernel(&t, rows);
    }
  }
}

/* Chunks: the groups of rows of the first panel of columns, then those of the second. */
static SY_UNUSED void SY_R(sy_direct_task_)(void *context, int64_t first, int64_t last,
                                            int thread) {
  (void)thread;
  const SY_R(sy_direct_) *g = context;
  for (int64_t chunk = first; chunk < last; chunk++) {
    const int64_t top = chunk % g->groups * g->group_rows;
    const int64_t end = top + g->group_rows < g->c.rows ? top + g->group_rows : g->c.rows;
    SY_R(sy_direct_panel_)(g, chunk / g->groups * SY_DIRECT_VECTORS * SY_W, top, end);
  }
}

/* Whether rows of C and rows or columns of B are contiguous, and there is enough to do for each
 * block of B. One block can serve any number of rows (784x60x500 float32, added to weights: 315 us
 * through BLAS on two threads, whose packed copies wander between the processors' caches, 200 so);
 * on one thread BLAS is faster. */
static SY_UNUSED int SY_R(sy_is_direct_)(SY_R(sy_matrix_) b, SY_R(sy_matrix_) c, int threads) {
  if (c.s1 != 1 || c.cols < 2 * SY_W) return 0;
  if (c.rows > SY_DIRECT_MOST_ROWS && (b.rows > SY_DIRECT_SUM || threads == 1)) return 0;
  return (b.s1 == 1 && c.rows >= SY_DIRECT_ROWS) || (b.s0 == 1 && c.rows >= 4 * SY_DIRECT_ROWS);
}

/* C = alpha A B + beta C */
static SY_UNUSED void SY_R(sy_gemm_direct_)(sy_call *call, SY_R(sy_matrix_) a, SY_R(sy_matrix_) b,
                                            SY_R(sy_matrix_) c, SY_T alpha, SY_T beta) {
  SY_R(sy_direct_) g = {a, b, c, alpha, beta, 1, c.rows};
  const int64_t wide = SY_DIRECT_VECTORS * SY_W, panels = (c.cols + wide - 1) / wide;
  const double work = (double)c.rows * (double)c.cols * (double)a.cols;
  const int threads = work < SY_DIRECT_PARALLEL ? 1 : call->threads;
  if (threads > 1 && panels < 4 * (int64_t)threads) {
    g.groups = (4 * (int64_t)threads + panels - 1) / panels;
    g.group_rows = (c.rows + g.groups * SY_DIRECT_ROWS - 1) / (g.groups * SY_DIRECT_ROWS) *
                   SY_DIRECT_ROWS;
    g.groups = (c.rows + g.group_rows - 1) / g.group_rows;
  }
  if (threads > 1)
    call->api->parallel(SY_R(sy_direct_task_), &g, panels * g.groups, threads);
  else
    SY_R(sy_direct_task_)(&g, 0, panels * g.groups, 0);
}
