/* Convolutions for x86 processors with the AVX-512 of servers (F, VL, BW, DQ). */
#include "products.h"

#if SY_X86_TABLES
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi,bmi2")
#define SY_CONVOLUTIONS sy_convolutions_avx512
#define SY_VECTOR_BYTES 64
#include "convolve.h"
#endif
