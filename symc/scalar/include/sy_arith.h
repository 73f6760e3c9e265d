/* Floor division, modulo, integer powers, extremes and limits with NumPy's meaning. */
#ifndef SY_ARITH_H
#define SY_ARITH_H

#include "sy_base.h"

/* The quotient is taken after the exact remainder, so that it is the floor of a / b however the
 * division rounds. A zero result has the sign of a / b, a zero remainder that of b. */
#define SY_FLOOR_DIVISION(REAL, F)                                                     \
  SY_FN_SLOW REAL sy_floormod##F(REAL a, REAL b) {                                     \
    REAL m = fmod##F(a, b);                                                            \
    if (b == 0) return m;                                                              \
    if (m == 0) return copysign##F((REAL)0, b);                                              \
    return (b < 0) != (m < 0) ? m + b : m;                                             \
  }                                                                                    \
  SY_FN_SLOW REAL sy_floordiv##F(REAL a, REAL b) {                                     \
    REAL m = fmod##F(a, b);                                                            \
    REAL q, whole;                                                                     \
    if (b == 0) return a / b;                                                          \
    q = (a - m) / b;                                                                   \
    if (m != 0 && (b < 0) != (m < 0)) q -= 1;                                          \
    if (q == 0) return copysign##F((REAL)0, a / b);                                          \
    whole = floor##F(q);                                                               \
    return q - whole > (REAL)0.5 ? whole + 1 : whole;                                  \
  }

SY_FLOOR_DIVISION(double, )
SY_FLOOR_DIVISION(float, f)
#undef SY_FLOOR_DIVISION

/* The larger and the smaller operand, NaN if any of them is. Both are chosen before a is asked for
 * NaN: so that is one instruction for extremes, and what an accumulator b waits for is short; in one
 * expression gcc joins the conditions, which takes twice as long. */
#define SY_EXTREMES(REAL, F)                                                           \
  SY_FN REAL sy_maximum##F(REAL a, REAL b) {                                           \
    REAL larger = a > b ? a : b;                                                       \
    return a != a ? a : larger;                                                        \
  }                                                                                    \
  SY_FN REAL sy_minimum##F(REAL a, REAL b) {                                           \
    REAL smaller = a < b ? a : b;                                                      \
    return a != a ? a : smaller;                                                       \
  }

SY_EXTREMES(double, )
SY_EXTREMES(float, f)
#undef SY_EXTREMES

/* min(max(x, low), high), NaN if any of them is. (Selections whose conditions are joined by | are
 * split into branches by gcc 12 if there are several, and then the loop stays scalar.) */
#define SY_CLIP(REAL, F)                                                               \
  SY_FN REAL sy_clip##F(REAL x, REAL low, REAL high) {                                 \
    return sy_minimum##F(sy_maximum##F(x, low), high);                                 \
  }

SY_CLIP(double, )
SY_CLIP(float, f)
#undef SY_CLIP

/* a^b modulo 2^64 by squaring. */
SY_FN_SLOW uint64_t sy_ipow_u64(uint64_t a, uint64_t b) {
  uint64_t power = 1;
  for (; b != 0; b >>= 1) {
    if (b & 1) power *= a;
    a *= a;
  }
  return power;
}

/* Negative powers are truncated towards 0: of 1 and -1 they are 1 or -1, of all else 0. */
SY_FN_SLOW int64_t sy_ipow_i64(int64_t a, int64_t b) {
  if (b >= 0) return (int64_t)sy_ipow_u64((uint64_t)a, (uint64_t)b);
  if (a == 1) return 1;
  return a == -1 ? (b & 1 ? -1 : 1) : 0;
}

#endif
