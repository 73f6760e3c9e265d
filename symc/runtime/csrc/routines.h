/* Products of matrices and vectors for the BLAS types. The file that includes this defines
 * SY_PRODUCTS, the name of its table, and SY_VECTOR_BYTES, the width of its vectors. Layouts are
 * recognised here, at run time; what BLAS can't take is packed, and small products never leave
 * this file. */
#ifndef SY_ROUTINES_H
#define SY_ROUTINES_H

#include <complex.h>
#include <stdlib.h>

#include "../../codegen/include/sy_arrays.h"
#include "products.h"

#define SY_SMALL_PRODUCT 512.0
#define SY_SIMD _Pragma("omp simd")
#define SY_ROUTINE __attribute__((unused, noinline))

/* Blocks of products with few columns (narrow_body.h), whose accumulators fit the registers. */
#if SY_VECTOR_BYTES == 64
#define SY_NARROW_ROWS 4
#define SY_NARROW_VECTORS 4
#else
#define SY_NARROW_ROWS 2
#define SY_NARROW_VECTORS 2
#endif
#define SY_NARROW_COLUMNS 6
#define SY_NARROW_MOST 18        /* columns */
#define SY_NARROW_CHUNK 64       /* rows */
#define SY_NARROW_PARALLEL 4e5   /* multiplications */

/* Tiles of products of middling size (direct_body.h): accumulators for the registers, and rows of
 * the right factor for the first cache. */
#if SY_VECTOR_BYTES == 64
#define SY_DIRECT_VECTORS 4
#define SY_DIRECT_SUM 128
#elif SY_VECTOR_BYTES == 32
#define SY_DIRECT_VECTORS 2
#define SY_DIRECT_SUM 256
#else
#define SY_DIRECT_VECTORS 0 /* BLAS knows more than the compiler */
#endif
#define SY_DIRECT_ROWS 6
#define SY_DIRECT_MOST_ROWS 512
#define SY_DIRECT_PARALLEL 4e5 /* multiplications */

#define SY_SLAB_PARALLEL 1e6 /* multiplications from which a product is worth two threads */
#define SY_SLAB_LEAST 64     /* rows or columns */
#define SY_SLAB_COLUMNS 256 /* from here slabs are columns: products and their gradients agree on
                             * which processor's cache holds which part of the weights */
#define SY_SLAB_LONG 256     /* rows or columns for each thread */
#define SY_SLAB_FEW 8        /* threads */
#define SY_SLAB_UNIT 16      /* lengths of slabs are multiples of this: kernels' blocks */

/* How many slabs `length` rows or columns of a product are cut into: one for each thread, for each
 * slab packs the other operand anew; two where they are long, so that the faster thread takes more. */
static inline int64_t sy_slabs(int threads, int64_t length, double work) {
  if (threads < 2 || work < SY_SLAB_PARALLEL) return 1;
  const int64_t most = length / SY_SLAB_LEAST, slabs = length < threads * SY_SLAB_LONG ? 1 : 2;
  if (most < threads && threads > SY_SLAB_FEW) return 1; /* BLAS divides both ways */
  return most < threads ? most : slabs * threads;
}

static inline int64_t sy_slab_length(int64_t length, int64_t slabs) {
  const int64_t even = (length + slabs - 1) / slabs;
  return (even + SY_SLAB_UNIT - 1) / SY_SLAB_UNIT * SY_SLAB_UNIT;
}

#if defined(__clang__)
#define SY_NARROW_FUSED _Pragma("clang fp contract(fast)")
#else
#define SY_NARROW_FUSED
#endif

#define SY_BITS uint32_t
#define SY_T float
#define SY_R(name) name##f32
#define SY_WIDE double
#define SY_GEMM SY_BLAS_SGEMM
#define SY_GEMV SY_BLAS_SGEMV
#include "routines_body.h"
#undef SY_BITS

#define SY_BITS uint64_t
#define SY_T double
#define SY_R(name) name##f64
#define SY_WIDE double
#define SY_GEMM SY_BLAS_DGEMM
#define SY_GEMV SY_BLAS_DGEMV
#include "routines_body.h"
#undef SY_BITS

#define SY_T float _Complex
#define SY_R(name) name##c64
#define SY_WIDE double _Complex
#define SY_GEMM SY_BLAS_CGEMM
#define SY_GEMV SY_BLAS_CGEMV
#include "routines_body.h"

#define SY_T double _Complex
#define SY_R(name) name##c128
#define SY_WIDE double _Complex
#define SY_GEMM SY_BLAS_ZGEMM
#define SY_GEMV SY_BLAS_ZGEMV
#include "routines_body.h"

#define SY_ROW(name) {sy_gemm_##name, sy_gemv_##name, sy_ger_##name, sy_dot_##name}

const sy_products SY_PRODUCTS[SY_BLAS_TYPES] = {
    [SY_F32] = SY_ROW(f32),
    [SY_F64] = SY_ROW(f64),
    [SY_C64] = SY_ROW(c64),
    [SY_C128] = SY_ROW(c128),
};

#endif
