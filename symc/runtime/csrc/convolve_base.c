/* Convolutions for every processor of the architecture, and the choice of a table. */
#define SY_CONVOLUTIONS sy_convolutions_base
#define SY_VECTOR_BYTES 16
#include "convolve.h"

const sy_convolutions *sy_machine_convolutions(const sy_products *products) {
#if SY_X86_TABLES
  if (products == sy_products_avx512) return sy_convolutions_avx512;
  if (products == sy_products_avx2) return sy_convolutions_avx2;
#endif
  (void)products;
  return sy_convolutions_base;
}
