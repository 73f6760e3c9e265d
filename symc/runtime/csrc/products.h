/* Tables of products, one for each width of vectors that the compiler can be told to use here. */
#ifndef SY_PRODUCTS_H
#define SY_PRODUCTS_H

#include "symc_abi.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SY_X86_TABLES 1
#else
#define SY_X86_TABLES 0
#endif

#define SY_HIDDEN __attribute__((visibility("hidden")))

SY_HIDDEN extern const sy_products sy_products_base[SY_BLAS_TYPES];
SY_HIDDEN extern const sy_products sy_products_avx2[SY_BLAS_TYPES];
SY_HIDDEN extern const sy_products sy_products_avx512[SY_BLAS_TYPES];

/* The table for this machine. `most` is the widest vector in bytes that it may use. */
const sy_products *sy_machine_products(int most);

SY_HIDDEN extern const sy_convolutions sy_convolutions_base[SY_BLAS_TYPES];
SY_HIDDEN extern const sy_convolutions sy_convolutions_avx2[SY_BLAS_TYPES];
SY_HIDDEN extern const sy_convolutions sy_convolutions_avx512[SY_BLAS_TYPES];

/* The table of convolutions that goes with one of products. */
const sy_convolutions *sy_machine_convolutions(const sy_products *products);

/* Between these BLAS uses one thread, whoever calls it (blas.c); the first returns 0, and the second
 * must not follow, where BLAS can't be told how many threads to use. */
SY_HIDDEN int sy_blas_one(void);
SY_HIDDEN void sy_blas_many(void);
SY_HIDDEN void sy_blas_after_fork(void);

#endif
