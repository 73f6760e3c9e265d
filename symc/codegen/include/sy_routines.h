/* Products of matrices and vectors for the BLAS types. The unit defines SY_ROUTINES_f32 and so on
 * for the types that it uses. Layouts are recognised here, at run time; what BLAS can't take is
 * packed, and small products never leave this file. */
#ifndef SY_ROUTINES_H
#define SY_ROUTINES_H

#include <stdlib.h>

#include "sy_arrays.h"

#define SY_SMALL_PRODUCT 512.0
#define SY_SIMD _Pragma("omp simd")
#define SY_ROUTINE __attribute__((unused, noinline))

/* Kernels for products with few columns (sy_narrow_body.h): the width of vectors, and blocks whose
 * accumulators fit the registers. */
#if defined(__AVX512F__)
#define SY_VECTOR_BYTES 64
#define SY_NARROW_ROWS 4
#define SY_NARROW_VECTORS 4
#else
#if defined(__AVX__)
#define SY_VECTOR_BYTES 32
#else
#define SY_VECTOR_BYTES 16
#endif
#define SY_NARROW_ROWS 2
#define SY_NARROW_VECTORS 2
#endif
#define SY_NARROW_COLUMNS 6
#define SY_NARROW_MOST 18        /* columns */
#define SY_NARROW_CHUNK 64       /* rows */
#define SY_NARROW_PARALLEL 4e5   /* multiplications */
#if defined(__clang__)
#define SY_NARROW_FUSED _Pragma("clang fp contract(fast)")
#else
#define SY_NARROW_FUSED
#endif

#ifdef SY_ROUTINES_f32
#define SY_BITS uint32_t
#define SY_T float
#define SY_R(name) name##f32
#define SY_WIDE double
#define SY_GEMM SY_BLAS_SGEMM
#define SY_GEMV SY_BLAS_SGEMV
#include "sy_routines_body.h"
#undef SY_BITS
#endif

#ifdef SY_ROUTINES_f64
#define SY_BITS uint64_t
#define SY_T double
#define SY_R(name) name##f64
#define SY_WIDE double
#define SY_GEMM SY_BLAS_DGEMM
#define SY_GEMV SY_BLAS_DGEMV
#include "sy_routines_body.h"
#undef SY_BITS
#endif

#ifdef SY_ROUTINES_c64
#define SY_T float _Complex
#define SY_R(name) name##c64
#define SY_WIDE double _Complex
#define SY_GEMM SY_BLAS_CGEMM
#define SY_GEMV SY_BLAS_CGEMV
#include "sy_routines_body.h"
#endif

#ifdef SY_ROUTINES_c128
#define SY_T double _Complex
#define SY_R(name) name##c128
#define SY_WIDE double _Complex
#define SY_GEMM SY_BLAS_ZGEMM
#define SY_GEMV SY_BLAS_ZGEMV
#include "sy_routines_body.h"
#endif

#endif
