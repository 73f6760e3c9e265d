/* Convolutions for x86 processors with AVX2 and FMA. */
#include "products.h"

#if SY_X86_TABLES
#pragma GCC target("avx2,fma,bmi,bmi2")
#define SY_CONVOLUTIONS sy_convolutions_avx2
#define SY_VECTOR_BYTES 32
#include "convolve.h"
#endif
