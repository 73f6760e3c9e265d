/* Products where one factor has few columns, for one real type: SY_T and SY_R(name) as in
 * routines_body.h. BLAS copies the large factor into packed panels before it multiplies, which
 * here costs as much as the product; these kernels read it once, where it lies. */

typedef SY_T SY_R(sy_vector_) __attribute__((vector_size(SY_VECTOR_BYTES), may_alias));
#define SY_W ((int64_t)(SY_VECTOR_BYTES / sizeof(SY_T)))

static inline SY_UNUSED SY_R(sy_vector_) SY_R(sy_vload_)(const SY_T *p) {
  SY_R(sy_vector_) v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* All bits set in the last `count` lanes. */
typedef SY_BITS SY_R(sy_lanes_) __attribute__((vector_size(SY_VECTOR_BYTES), may_alias));

static inline SY_UNUSED SY_R(sy_lanes_) SY_R(sy_last_lanes_)(int64_t count) {
  SY_BITS bits[SY_VECTOR_BYTES / sizeof(SY_T)];
  for (int64_t l = 0; l < SY_W; l++) bits[l] = l < SY_W - count ? 0 : (SY_BITS)-1;
  SY_R(sy_lanes_) v;
  memcpy(&v, bits, sizeof v);
  return v;
}

static inline SY_UNUSED SY_R(sy_vector_) SY_R(sy_vkeep_)(SY_R(sy_vector_) v,
                                                         SY_R(sy_lanes_) lanes) {
  return (SY_R(sy_vector_))((SY_R(sy_lanes_))v & lanes);
}

typedef struct {
  SY_R(sy_matrix_) a, b, c;
  SY_T alpha, beta;
} SY_R(sy_narrow_);

/* Blocks of results, out of the kernels: unrolled there they would be most of what is compiled. */
static SY_ROUTINE void SY_R(sy_put_sums_)(const SY_R(sy_narrow_) *g, int64_t i, int64_t j, int rows,
                                          int columns, const SY_R(sy_vector_) *lanes) {
  for (int p = 0; p < rows; p++)
    for (int q = 0; q < columns; q++) {
      const SY_T *const lane = (const SY_T *)(lanes + p * SY_NARROW_COLUMNS + q);
      SY_T total = 0;
      _Pragma("omp simd reduction(+ : total)") for (int l = 0; l < SY_W; l++) total += lane[l];
      SY_T *const x = g->c.p + (i + p) * g->c.s0 + (j + q) * g->c.s1;
      *x = g->alpha * total + (g->beta != 0 ? g->beta * *x : 0);
    }
}

static SY_ROUTINE void SY_R(sy_put_rows_)(const SY_R(sy_narrow_) *g, int64_t i, int64_t j,
                                          int vectors, int columns,
                                          const SY_R(sy_vector_) *lanes) {
  for (int q = 0; q < columns; q++)
    for (int p = 0; p < vectors; p++) {
      const SY_T *const lane = (const SY_T *)(lanes + q * SY_NARROW_VECTORS + p);
      for (int64_t l = 0; l < SY_W; l++) {
        SY_T *const x = g->c.p + (i + p * SY_W + l) * g->c.s0 + (j + q) * g->c.s1;
        *x = g->alpha * lane[l] + (g->beta != 0 ? g->beta * *x : 0);
      }
    }
}

/* Rows [i, i + rows) and columns [j, j + columns) of C, where rows of A and columns of B are
 * contiguous: vectors along the sum. */
static inline __attribute__((always_inline)) void SY_R(sy_along_sum_)(
    const SY_R(sy_narrow_) *g, int64_t i, int64_t j, const int rows, const int columns) {
  SY_NARROW_FUSED
  SY_R(sy_vector_) acc[SY_NARROW_ROWS][SY_NARROW_COLUMNS] = {{{0}}};
  const int64_t sum = g->a.cols, whole = sum / SY_W * SY_W;
  const SY_T *const a = g->a.p + i * g->a.s0;
  const SY_T *const b = g->b.p + j * g->b.s1;
  for (int64_t k = 0; k < whole; k += SY_W) {
    SY_R(sy_vector_) right[SY_NARROW_COLUMNS];
#pragma GCC unroll 8
    for (int q = 0; q < columns; q++) right[q] = SY_R(sy_vload_)(b + q * g->b.s1 + k);
#pragma GCC unroll 8
    for (int p = 0; p < rows; p++) {
      const SY_R(sy_vector_) left = SY_R(sy_vload_)(a + p * g->a.s0 + k);
#pragma GCC unroll 8
      for (int q = 0; q < columns; q++) acc[p][q] += left * right[q];
    }
  }
  if (whole < sum) { /* the last vectors once more, without what has been taken */
    SY_R(sy_vector_) right[SY_NARROW_COLUMNS];
    const SY_R(sy_lanes_) fresh = SY_R(sy_last_lanes_)(sum - whole);
#pragma GCC unroll 8
    for (int q = 0; q < columns; q++)
      right[q] = SY_R(sy_vkeep_)(SY_R(sy_vload_)(b + q * g->b.s1 + sum - SY_W), fresh);
#pragma GCC unroll 8
    for (int p = 0; p < rows; p++) {
      const SY_R(sy_vector_) left =
          SY_R(sy_vkeep_)(SY_R(sy_vload_)(a + p * g->a.s0 + sum - SY_W), fresh);
#pragma GCC unroll 8
      for (int q = 0; q < columns; q++) acc[p][q] += left * right[q];
    }
  }
  SY_R(sy_vector_) lanes[SY_NARROW_ROWS][SY_NARROW_COLUMNS];
#pragma GCC unroll 8
  for (int p = 0; p < rows; p++)
#pragma GCC unroll 8
    for (int q = 0; q < columns; q++) lanes[p][q] = acc[p][q];
  SY_R(sy_put_sums_)(g, i, j, rows, columns, lanes[0]);
}

/* The same where columns of A are contiguous: `vectors` vectors of rows from i on. */
static inline __attribute__((always_inline)) void SY_R(sy_along_rows_)(
    const SY_R(sy_narrow_) *g, int64_t i, int64_t j, const int vectors, const int columns) {
  SY_NARROW_FUSED
  SY_R(sy_vector_) acc[SY_NARROW_COLUMNS][SY_NARROW_VECTORS] = {{{0}}};
  const SY_T *const a = g->a.p + i;
  const SY_T *const b = g->b.p + j * g->b.s1;
  for (int64_t k = 0; k < g->a.cols; k++) {
    SY_R(sy_vector_) left[SY_NARROW_VECTORS];
#pragma GCC unroll 8
    for (int p = 0; p < vectors; p++) left[p] = SY_R(sy_vload_)(a + k * g->a.s1 + p * SY_W);
#pragma GCC unroll 8
    for (int q = 0; q < columns; q++) {
      const SY_T right = b[k * g->b.s0 + q * g->b.s1];
#pragma GCC unroll 8
      for (int p = 0; p < vectors; p++) acc[q][p] += left[p] * right;
    }
  }
  SY_R(sy_vector_) lanes[SY_NARROW_COLUMNS][SY_NARROW_VECTORS];
#pragma GCC unroll 8
  for (int q = 0; q < columns; q++)
#pragma GCC unroll 8
    for (int p = 0; p < vectors; p++) lanes[q][p] = acc[q][p];
  SY_R(sy_put_rows_)(g, i, j, vectors, columns, lanes[0]);
}

/* One element after the other, for the last rows. */
static SY_UNUSED void SY_R(sy_narrow_rest_)(const SY_R(sy_narrow_) *g, int64_t first,
                                            int64_t last) {
  for (int64_t i = first; i < last; i++)
    for (int64_t j = 0; j < g->c.cols; j++) {
      SY_T total = 0;
      for (int64_t k = 0; k < g->a.cols; k++)
        total += g->a.p[i * g->a.s0 + k * g->a.s1] * g->b.p[k * g->b.s0 + j * g->b.s1];
      SY_T *const x = g->c.p + i * g->c.s0 + j * g->c.s1;
      *x = g->alpha * total + (g->beta != 0 ? g->beta * *x : 0);
    }
}

#define SY_NARROW_CASES(KERNEL, SIZE)            \
  switch (columns) {                             \
    case 1: KERNEL(g, i, j, SIZE, 1); break;     \
    case 2: KERNEL(g, i, j, SIZE, 2); break;     \
    case 3: KERNEL(g, i, j, SIZE, 3); break;     \
    case 4: KERNEL(g, i, j, SIZE, 4); break;     \
    case 5: KERNEL(g, i, j, SIZE, 5); break;     \
    default: KERNEL(g, i, j, SIZE, 6);           \
  }

static SY_ROUTINE void SY_R(sy_sum_block_)(const SY_R(sy_narrow_) *g, int64_t i, int64_t j,
                                           int columns) {
  SY_NARROW_CASES(SY_R(sy_along_sum_), SY_NARROW_ROWS)
}

static SY_ROUTINE void SY_R(sy_sum_row_)(const SY_R(sy_narrow_) *g, int64_t i, int64_t j,
                                         int columns) {
  SY_NARROW_CASES(SY_R(sy_along_sum_), 1)
}

static SY_ROUTINE void SY_R(sy_rows_block_)(const SY_R(sy_narrow_) *g, int64_t i, int64_t j,
                                            int columns) {
  SY_NARROW_CASES(SY_R(sy_along_rows_), SY_NARROW_VECTORS)
}

static SY_ROUTINE void SY_R(sy_rows_vector_)(const SY_R(sy_narrow_) *g, int64_t i, int64_t j,
                                             int columns) {
  SY_NARROW_CASES(SY_R(sy_along_rows_), 1)
}

typedef void (*SY_R(sy_narrow_kernel_))(const SY_R(sy_narrow_) *, int64_t, int64_t, int);

/* All columns of the rows at i, in blocks of about equal width. */
static SY_UNUSED void SY_R(sy_all_columns_)(const SY_R(sy_narrow_) *g, int64_t i,
                                            SY_R(sy_narrow_kernel_) kernel) {
  const int64_t blocks = (g->c.cols + SY_NARROW_COLUMNS - 1) / SY_NARROW_COLUMNS;
  for (int64_t q = 0, j = 0; q < blocks; q++) {
    const int64_t columns = (g->c.cols - j + blocks - q - 1) / (blocks - q);
    kernel(g, i, j, (int)columns);
    j += columns;
  }
}

/* Chunks of SY_NARROW_CHUNK rows of C. */
static SY_UNUSED void SY_R(sy_narrow_task_)(void *context, int64_t first, int64_t last,
                                            int thread) {
  (void)thread;
  const SY_R(sy_narrow_) *g = context;
  int64_t i = first * SY_NARROW_CHUNK;
  const int64_t end = last * SY_NARROW_CHUNK < g->c.rows ? last * SY_NARROW_CHUNK : g->c.rows;
  if (g->a.s1 == 1) {
    for (; i + SY_NARROW_ROWS <= end; i += SY_NARROW_ROWS)
      SY_R(sy_all_columns_)(g, i, SY_R(sy_sum_block_));
    for (; i < end; i++) SY_R(sy_all_columns_)(g, i, SY_R(sy_sum_row_));
    return;
  }
  for (; i + SY_NARROW_VECTORS * SY_W <= end; i += SY_NARROW_VECTORS * SY_W)
    SY_R(sy_all_columns_)(g, i, SY_R(sy_rows_block_));
  for (; i + SY_W <= end; i += SY_W) SY_R(sy_all_columns_)(g, i, SY_R(sy_rows_vector_));
  SY_R(sy_narrow_rest_)(g, i, end);
}

/* Whether the product has few columns and A lies so that a kernel can walk through it. */
static SY_UNUSED int SY_R(sy_is_narrow_)(SY_R(sy_matrix_) a, SY_R(sy_matrix_) b) {
  if (b.cols > SY_NARROW_MOST || a.rows < 4 * SY_NARROW_MOST) return 0;
  return (a.s1 == 1 && a.cols >= 2 * SY_W) || (a.s0 == 1 && a.cols >= SY_W);
}

/* C = alpha A B + beta C with few columns. */
static SY_ROUTINE int SY_R(sy_gemm_narrow_)(sy_call *call, SY_R(sy_matrix_) a, SY_R(sy_matrix_) b,
                                           SY_R(sy_matrix_) c, SY_T alpha, SY_T beta) {
  if (a.s1 == 1 && b.s0 != 1) { /* a copy of B by columns */
    const int64_t n[2] = {b.cols, b.rows}, s[2] = {b.s1, b.s0};
    SY_T *copy = (SY_T *)call->api->scratch(0, sy_bytes(2, n, sizeof(SY_T)));
    if (!copy) return call->api->fail(call, SY_E_MEMORY, 0, 0, 0);
    sy_pack((char *)copy, (const char *)b.p, 2, n, s, sizeof(SY_T));
    b = (SY_R(sy_matrix_)){copy, b.rows, b.cols, 1, b.rows};
  }
  SY_R(sy_narrow_) g = {a, b, c, alpha, beta};
  const int64_t chunks = (c.rows + SY_NARROW_CHUNK - 1) / SY_NARROW_CHUNK;
  const double work = (double)c.rows * (double)c.cols * (double)a.cols;
  if (work > SY_NARROW_PARALLEL && call->threads > 1)
    call->api->parallel(SY_R(sy_narrow_task_), &g, chunks, call->threads);
  else
    SY_R(sy_narrow_task_)(&g, 0, chunks, 0);
  return SY_OK;
}

#undef SY_NARROW_CASES
