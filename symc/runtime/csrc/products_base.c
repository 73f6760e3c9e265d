/* Products for every processor of the architecture, and the choice of a table. */
#define SY_PRODUCTS sy_products_base
#define SY_VECTOR_BYTES 16
#include "routines.h"

const sy_products *sy_machine_products(int most) {
#if SY_X86_TABLES
  __builtin_cpu_init();
  const int fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (most >= 64 && fused && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq"))
    return sy_products_avx512;
  if (most >= 32 && fused) return sy_products_avx2;
#endif
  (void)most;
  return sy_products_base;
}
