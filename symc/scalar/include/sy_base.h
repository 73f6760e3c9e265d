/* Macros, bit casts and the list of constants for the two precisions of the vector functions. */
#ifndef SY_BASE_H
#define SY_BASE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* SY_FN: functions for vector lanes; every call is inlined, so that loops around them vectorise.
 * SY_FN_SLOW: functions with branches and loops, which stay ordinary functions. */
#if defined(__CUDACC__)
#define SY_FN static __device__ __forceinline__
#define SY_FN_SLOW static __device__
#elif defined(__GNUC__)
#define SY_FN static inline __attribute__((always_inline, unused))
#define SY_FN_SLOW static __attribute__((unused))
#else
#define SY_FN static inline
#define SY_FN_SLOW static inline
#endif

/* Bit patterns; compilers turn the copies into register moves. */
SY_FN uint64_t sy_bits(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

SY_FN double sy_from_bits(uint64_t u) {
  double x;
  memcpy(&x, &u, sizeof x);
  return x;
}

SY_FN uint32_t sy_bitsf(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

SY_FN float sy_from_bitsf(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

#endif
