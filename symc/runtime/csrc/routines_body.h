/* The routines for one type: SY_T is the type, SY_R(name) puts its letter behind a name, SY_WIDE
 * is the type of sums of products, SY_GEMM and SY_GEMV are places in the table of BLAS. */

typedef struct {
  SY_T *p;
  int64_t rows, cols, s0, s1;
} SY_R(sy_matrix_);

/* Whether a matrix fits BLAS by rows: unit stride along a row, rows `*ld` apart. */
static SY_UNUSED int SY_R(sy_by_rows_)(SY_R(sy_matrix_) a, int64_t *ld) {
  if (a.cols != 1 && a.s1 != 1) return 0;
  if (a.rows != 1 && a.s0 < a.cols) return 0;
  *ld = a.rows == 1 ? (a.cols > 1 ? a.cols : 1) : a.s0;
  return 1;
}

static SY_UNUSED SY_R(sy_matrix_) SY_R(sy_turned_)(SY_R(sy_matrix_) a) {
  return (SY_R(sy_matrix_)){a.p, a.cols, a.rows, a.s1, a.s0};
}

/* The letter that tells BLAS, which counts by columns, to use the transpose of `a`; 0 if it can't. */
static SY_UNUSED char SY_R(sy_letter_)(SY_R(sy_matrix_) a, int64_t *ld) {
  if (SY_R(sy_by_rows_)(a, ld)) return 'N';
  if (SY_R(sy_by_rows_)(SY_R(sy_turned_)(a), ld)) return 'T';
  return 0;
}

/* A contiguous copy in memory of the call; p is NULL if there is none. */
static SY_ROUTINE SY_R(sy_matrix_) SY_R(sy_packed_)(sy_call *c, SY_R(sy_matrix_) a) {
  const int64_t n[2] = {a.rows, a.cols}, s[2] = {a.s0, a.s1};
  SY_T *copy = (SY_T *)c->api->alloc(c, sy_bytes(2, n, sizeof(SY_T)));
  if (copy) sy_pack((char *)copy, (const char *)a.p, 2, n, s, sizeof(SY_T));
  return (SY_R(sy_matrix_)){copy, a.rows, a.cols, a.cols, 1};
}

static SY_ROUTINE void SY_R(sy_scale_)(SY_R(sy_matrix_) a, SY_T beta, int accumulate) {
  for (int64_t i = 0; i < a.rows; i++)
    for (int64_t j = 0; j < a.cols; j++) {
      SY_T *x = a.p + i * a.s0 + j * a.s1;
      *x = accumulate && beta != 0 ? beta * *x : 0;
    }
}

/* C = alpha A B + C for small or odd products. */
static SY_ROUTINE void SY_R(sy_gemm_small_)(SY_R(sy_matrix_) a, SY_R(sy_matrix_) b,
                                           SY_R(sy_matrix_) c, SY_T alpha) {
  for (int64_t i = 0; i < c.rows; i++)
    for (int64_t k = 0; k < a.cols; k++) {
      const SY_T x = alpha * a.p[i * a.s0 + k * a.s1];
      SY_T *restrict row = c.p + i * c.s0;
      const SY_T *restrict from = b.p + k * b.s0;
      if (b.s1 == 1 && c.s1 == 1)
        SY_SIMD for (int64_t j = 0; j < c.cols; j++) row[j] += x * from[j];
      else
        for (int64_t j = 0; j < c.cols; j++) row[j * c.s1] += x * from[j * b.s1];
    }
}

#ifdef SY_BITS
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O2", "fp-contract=fast") /* whatever the unit has */
#endif
#include "narrow_body.h"
#if SY_DIRECT_VECTORS
#include "direct_body.h"
#endif
#undef SY_W
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif

typedef void (*SY_R(sy_blas_gemm_))(const char *, const char *, const int *, const int *,
                                    const int *, const SY_T *, const SY_T *, const int *,
                                    const SY_T *, const int *, const SY_T *, SY_T *, const int *);

/* A product as slabs of C, of `wide` rows or columns each: slab by slab BLAS works on one thread, so
 * that a processor which is late delays nobody. BLAS's own division of small products lets threads
 * wait for each other's packed blocks. */
typedef struct {
  SY_R(sy_matrix_) a, b, c;
  SY_T alpha, beta;
  SY_R(sy_blas_gemm_) gemm;
  int lda, ldb, ldc, by_rows;
  char la, lb;
  int64_t wide;
} SY_R(sy_slabs_);

static void SY_R(sy_slab_task_)(void *context, int64_t first, int64_t last, int thread) {
  (void)thread;
  const SY_R(sy_slabs_) *g = context;
  const int64_t length = g->by_rows ? g->c.rows : g->c.cols, begin = first * g->wide;
  const int64_t end = last * g->wide < length ? last * g->wide : length;
  const int m = (int)(g->by_rows ? end - begin : g->c.rows), k = (int)g->a.cols;
  const int n = (int)(g->by_rows ? g->c.cols : end - begin);
  const SY_T *a = g->a.p + (g->by_rows ? begin * g->a.s0 : 0);
  const SY_T *b = g->b.p + (g->by_rows ? 0 : begin * g->b.s1);
  SY_T *c = g->c.p + begin * (g->by_rows ? g->c.s0 : g->c.s1);
  /* C by rows: by columns this is C' = B' A' */
  g->gemm(&g->lb, &g->la, &n, &m, &k, &g->alpha, b, &g->ldb, a, &g->lda, &g->beta, c, &g->ldc);
}

/* C by rows, through BLAS. */
static SY_ROUTINE int SY_R(sy_gemm_blas_)(sy_call *call, SY_R(sy_matrix_) a, SY_R(sy_matrix_) b,
                                         SY_R(sy_matrix_) c, SY_T alpha, SY_T beta) {
  int64_t lda = 0, ldb = 0, ldc = 0;
  char la = SY_R(sy_letter_)(a, &lda), lb = SY_R(sy_letter_)(b, &ldb);
  if (!la) {
    a = SY_R(sy_packed_)(call, a);
    la = SY_R(sy_letter_)(a, &lda);
  }
  if (!lb) {
    b = SY_R(sy_packed_)(call, b);
    lb = SY_R(sy_letter_)(b, &ldb);
  }
  if (!a.p || !b.p) return call->api->fail(call, SY_E_MEMORY, 0, 0, 0);
  SY_R(sy_by_rows_)(c, &ldc);
  SY_R(sy_slabs_) g = {.la = la, .lb = lb, .lda = (int)lda, .ldb = (int)ldb, .ldc = (int)ldc};
  g.a = a, g.b = b, g.c = c, g.alpha = alpha, g.beta = beta;
  g.gemm = (SY_R(sy_blas_gemm_))call->api->blas[SY_GEMM];
  g.by_rows = c.rows > c.cols && c.cols < SY_SLAB_COLUMNS;
  const int64_t length = g.by_rows ? c.rows : c.cols;
  const int64_t slabs = sy_slabs(call->threads, length, (double)c.rows * (double)c.cols * (double)a.cols);
  g.wide = slabs > 1 ? sy_slab_length(length, slabs) : length;
  if (slabs > 1 && sy_blas_one()) {
    call->api->parallel(SY_R(sy_slab_task_), &g, (length + g.wide - 1) / g.wide, call->threads);
    sy_blas_many();
  } else {
    g.wide = length;
    SY_R(sy_slab_task_)(&g, 0, 1, 0);
  }
  return SY_OK;
}

static SY_UNUSED int SY_R(sy_fits_int_)(SY_R(sy_matrix_) a) {
  const int64_t most = INT32_MAX;
  return a.rows <= most && a.cols <= most && a.s0 <= most && a.s1 <= most;
}

/* C = alpha A B [+ beta C] */
static SY_ROUTINE int SY_R(sy_own_gemm_)(sy_call *call, SY_R(sy_matrix_) a, SY_R(sy_matrix_) b,
                                    SY_R(sy_matrix_) c, SY_T alpha, SY_T beta, int accumulate) {
  if (c.rows == 0 || c.cols == 0) return SY_OK;
  if (!accumulate) beta = 0;
  const int fits = SY_R(sy_fits_int_)(a) && SY_R(sy_fits_int_)(b) && SY_R(sy_fits_int_)(c);
  const double work = (double)c.rows * (double)c.cols * (double)a.cols;
  if (work < SY_SMALL_PRODUCT || !fits || !call->api->blas[SY_GEMM]) {
    if (beta != 1) SY_R(sy_scale_)(c, beta, accumulate);
    SY_R(sy_gemm_small_)(a, b, c, alpha);
    return SY_OK;
  }
#ifdef SY_BITS
  if (SY_R(sy_is_narrow_)(a, b)) return SY_R(sy_gemm_narrow_)(call, a, b, c, alpha, beta);
  if (SY_R(sy_is_narrow_)(SY_R(sy_turned_)(b), SY_R(sy_turned_)(a)))
    return SY_R(sy_gemm_narrow_)(call, SY_R(sy_turned_)(b), SY_R(sy_turned_)(a),
                                 SY_R(sy_turned_)(c), alpha, beta);
#if SY_DIRECT_VECTORS
  const SY_R(sy_matrix_) at = SY_R(sy_turned_)(a), ct = SY_R(sy_turned_)(c);
  if (SY_R(sy_is_direct_)(b, c, call->threads))
    return SY_R(sy_gemm_direct_)(call, a, b, c, alpha, beta), SY_OK;
  if (SY_R(sy_is_direct_)(at, ct, call->threads))
    return SY_R(sy_gemm_direct_)(call, SY_R(sy_turned_)(b), at, ct, alpha, beta), SY_OK;
#endif
#endif
  int64_t ld = 0;
  if (SY_R(sy_by_rows_)(c, &ld)) return SY_R(sy_gemm_blas_)(call, a, b, c, alpha, beta);
  SY_R(sy_matrix_) turned = SY_R(sy_turned_)(c);
  if (SY_R(sy_by_rows_)(turned, &ld))
    return SY_R(sy_gemm_blas_)(call, SY_R(sy_turned_)(b), SY_R(sy_turned_)(a), turned, alpha, beta);
  SY_R(sy_matrix_) own = SY_R(sy_packed_)(call, c);
  if (!own.p) return call->api->fail(call, SY_E_MEMORY, 0, 0, 0);
  if (SY_R(sy_gemm_blas_)(call, a, b, own, alpha, beta) != SY_OK) return SY_ERROR;
  for (int64_t i = 0; i < c.rows; i++)
    for (int64_t j = 0; j < c.cols; j++) c.p[i * c.s0 + j * c.s1] = own.p[i * own.s0 + j];
  return SY_OK;
}

/* sum_k x_k y_k in blocks: lanes of the own type, then the wide type. */
static SY_UNUSED SY_WIDE SY_R(sy_inner_)(const SY_T *restrict x, int64_t sx, const SY_T *restrict y,
                                         int64_t sy, int64_t n) {
  SY_WIDE total = 0;
  int64_t k = 0;
  if (sx == 1 && sy == 1) {
    for (; k + 16 <= n;) {
      const int64_t end = k + 256 < n - 15 ? k + 256 : n - 15;
      SY_T lane[16] = {0};
      for (; k < end; k += 16)
        SY_SIMD for (int l = 0; l < 16; l++) lane[l] += x[k + l] * y[k + l];
      for (int l = 0; l < 16; l++) total += lane[l];
    }
  }
  for (; k < n; k++) total += (SY_WIDE)x[k * sx] * y[k * sy];
  return total;
}

/* y = alpha A x [+ beta y], a row at a time */
static SY_ROUTINE void SY_R(sy_gemv_small_)(SY_R(sy_matrix_) a, const SY_T *x, int64_t sx, SY_T *y,
                                           int64_t sy, SY_T alpha, SY_T beta) {
  for (int64_t i = 0; i < a.rows; i++) {
    const SY_T sum = (SY_T)SY_R(sy_inner_)(a.p + i * a.s0, a.s1, x, sx, a.cols);
    y[i * sy] = alpha * sum + (beta != 0 ? beta * y[i * sy] : 0);
  }
}

typedef void (*SY_R(sy_blas_gemv_))(const char *, const int *, const int *, const SY_T *,
                                    const SY_T *, const int *, const SY_T *, const int *,
                                    const SY_T *, SY_T *, const int *);

/* y = alpha A x [+ beta y] */
static SY_ROUTINE int SY_R(sy_own_gemv_)(sy_call *call, SY_R(sy_matrix_) a, const SY_T *x, int64_t sx,
                                    SY_T *y, int64_t sy, SY_T alpha, SY_T beta, int accumulate) {
  if (a.rows == 0) return SY_OK;
  if (!accumulate) beta = 0;
  int64_t ld = 0;
  const double work = (double)a.rows * (double)a.cols;
  const char letter = SY_R(sy_letter_)(a, &ld);
  const int fits = SY_R(sy_fits_int_)(a) && llabs(sx) < INT32_MAX && llabs(sy) < INT32_MAX;
  if (work < SY_SMALL_PRODUCT || !fits || !letter || !sx || !sy || !call->api->blas[SY_GEMV]) {
    SY_R(sy_gemv_small_)(a, x, sx, y, sy, alpha, beta);
    return SY_OK;
  }
  if (beta == 0) /* BLAS may multiply what is there */
    for (int64_t i = 0; i < a.rows; i++) y[i * sy] = 0;
  const char trans = letter == 'N' ? 'T' : 'N';
  const int m = (int)(letter == 'N' ? a.cols : a.rows), n = (int)(letter == 'N' ? a.rows : a.cols);
  const int lda = (int)ld, ix = (int)sx, iy = (int)sy;
  if (sx < 0) x += (a.cols - 1) * sx; /* BLAS counts from the lowest address */
  if (sy < 0) y += (a.rows - 1) * sy;
  SY_R(sy_blas_gemv_) gemv = (SY_R(sy_blas_gemv_))call->api->blas[SY_GEMV];
  gemv(&trans, &m, &n, &alpha, a.p, &lda, x, &ix, &beta, y, &iy);
  return SY_OK;
}

/* A = alpha x y' [+ beta A] */
static SY_ROUTINE int SY_R(sy_own_ger_)(sy_call *call, const SY_T *x, int64_t sx, const SY_T *y,
                                   int64_t sy, SY_R(sy_matrix_) a, SY_T alpha, SY_T beta,
                                   int accumulate) {
  (void)call;
  if (!accumulate) beta = 0;
  for (int64_t i = 0; i < a.rows; i++) {
    const SY_T f = alpha * x[i * sx];
    SY_T *restrict row = a.p + i * a.s0;
    if (beta == 0 && a.s1 == 1 && sy == 1)
      SY_SIMD for (int64_t j = 0; j < a.cols; j++) row[j] = f * y[j];
    else if (beta == 0)
      for (int64_t j = 0; j < a.cols; j++) row[j * a.s1] = f * y[j * sy];
    else if (a.s1 == 1 && sy == 1)
      SY_SIMD for (int64_t j = 0; j < a.cols; j++) row[j] = beta * row[j] + f * y[j];
    else
      for (int64_t j = 0; j < a.cols; j++) row[j * a.s1] = beta * row[j * a.s1] + f * y[j * sy];
  }
  return SY_OK;
}

/* z = alpha sum_k x_k y_k [+ beta z] */
static SY_ROUTINE int SY_R(sy_own_dot_)(sy_call *call, const SY_T *x, int64_t sx, const SY_T *y,
                                   int64_t sy, int64_t n, SY_T *z, SY_T alpha, SY_T beta,
                                   int accumulate) {
  (void)call;
  const SY_T sum = alpha * (SY_T)SY_R(sy_inner_)(x, sx, y, sy, n);
  *z = accumulate && beta != 0 ? sum + beta * *z : sum;
  return SY_OK;
}

/* ---- the same for any type, as the table has them */

static SY_R(sy_matrix_) SY_R(sy_typed_)(sy_matrix a) {
  return (SY_R(sy_matrix_)){(SY_T *)a.data, a.rows, a.cols, a.s0, a.s1};
}

static int SY_R(sy_gemm_)(sy_call *call, sy_matrix a, sy_matrix b, sy_matrix c, const void *alpha,
                          const void *beta, int accumulate) {
  return SY_R(sy_own_gemm_)(call, SY_R(sy_typed_)(a), SY_R(sy_typed_)(b), SY_R(sy_typed_)(c),
                            *(const SY_T *)alpha, *(const SY_T *)beta, accumulate);
}

static int SY_R(sy_gemv_)(sy_call *call, sy_matrix a, const void *x, int64_t sx, void *y,
                          int64_t sy, const void *alpha, const void *beta, int accumulate) {
  return SY_R(sy_own_gemv_)(call, SY_R(sy_typed_)(a), x, sx, y, sy, *(const SY_T *)alpha,
                            *(const SY_T *)beta, accumulate);
}

static int SY_R(sy_ger_)(sy_call *call, const void *x, int64_t sx, const void *y, int64_t sy,
                         sy_matrix a, const void *alpha, const void *beta, int accumulate) {
  return SY_R(sy_own_ger_)(call, x, sx, y, sy, SY_R(sy_typed_)(a), *(const SY_T *)alpha,
                           *(const SY_T *)beta, accumulate);
}

static int SY_R(sy_dot_)(sy_call *call, const void *x, int64_t sx, const void *y, int64_t sy,
                         int64_t n, void *z, const void *alpha, const void *beta,
                         int accumulate) {
  return SY_R(sy_own_dot_)(call, x, sx, y, sy, n, z, *(const SY_T *)alpha, *(const SY_T *)beta,
                           accumulate);
}

#undef SY_T
#undef SY_R
#undef SY_WIDE
#undef SY_GEMM
#undef SY_GEMV
