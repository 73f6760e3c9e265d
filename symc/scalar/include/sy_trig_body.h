/* Bodies of sin, cos and tan; read once per precision by vecmath.h.
 *
 * x = n pi/2 + r + c with |r| <= pi/4 and c the rounding error of r. */

typedef struct {
  SY_UINT n; /* its two lowest bits count */
  SY_REAL r;
  SY_REAL c;
} SY_NAME(angle);

/* Cody and Waite's reduction, for |x| <= SY_NEAR_ANGLE (2^47, or 2^20 for float). With fma the first step is exact: n pi/2
 * rounded to the digits of pi/2 cancels all but the digits of an angle below 1. */
SY_FN SY_NAME(angle) SY_NAME(reduce_angle)(SY_REAL x) {
  SY_NAME(angle) a;
  SY_REAL shifted = SY_LIBM(fma)(x, SY_TWO_OVER_PI, SY_ROUND);
  SY_REAL n = shifted - SY_ROUND;
  a.n = SY_NAME(bits)(shifted);
  SY_REAL exact = SY_LIBM(fma)(n, -SY_HALF_PI, x);
  SY_REAL part = n * SY_HALF_PI_LOW;
  SY_REAL part_low = SY_LIBM(fma)(n, SY_HALF_PI_LOW, -part);
  a.r = exact - part;
  SY_REAL lost = (exact - (a.r + (exact - a.r))) + ((exact - a.r) - part);
  a.c = lost - SY_LIBM(fma)(n, SY_HALF_PI_LOW2, part_low);
  return a;
}

SY_FN SY_REAL SY_NAME(sin_reduced)(SY_REAL r, SY_REAL c) {
  SY_REAL z = r * r;
  return r + SY_LIBM(fma)(r * z, SY_NAME(sin_tail)(z), SY_LIBM(fma)(z * (SY_REAL)-0.5, c, c));
}

SY_FN SY_REAL SY_NAME(cos_reduced)(SY_REAL r, SY_REAL c) {
  SY_REAL z = r * r;
  SY_REAL half = (SY_REAL)0.5 * z;
  SY_REAL w = 1 - half;
  return w + (((1 - w) - half) + SY_LIBM(fma)(z * z, SY_NAME(cos_tail)(z), -(r * c)));
}

/* sin(x + quarter pi/2) from the reduced x. */
SY_FN SY_REAL SY_NAME(sin_quarter)(SY_NAME(angle) a, int quarter) {
  SY_UINT n = a.n + quarter;
  SY_REAL s = SY_NAME(sin_reduced)(a.r, a.c);
  SY_REAL c = SY_NAME(cos_reduced)(a.r, a.c);
  SY_REAL y = n & 1 ? c : s;
  return SY_NAME(from_bits)(SY_NAME(bits)(y) ^ ((n << (sizeof n * 8 - 2)) & SY_SIGN));
}

SY_FN SY_REAL SY_NAME(sin)(SY_REAL x) {
  SY_REAL y = SY_NAME(sin_quarter)(SY_NAME(reduce_angle)(x), 0);
  return SY_NAME(far_trig)(x, x == 0 ? x : y, SY_WHICH_SIN);
}

SY_FN SY_REAL SY_NAME(cos)(SY_REAL x) {
  SY_REAL y = SY_NAME(sin_quarter)(SY_NAME(reduce_angle)(x), 1);
  return SY_NAME(far_trig)(x, y, SY_WHICH_COS);
}

SY_FN SY_REAL SY_NAME(tan)(SY_REAL x) {
  SY_NAME(angle) a = SY_NAME(reduce_angle)(x);
  SY_REAL s = SY_NAME(sin_reduced)(a.r, a.c);
  SY_REAL c = SY_NAME(cos_reduced)(a.r, a.c);
  SY_REAL y = a.n & 1 ? -c / s : s / c;
  return SY_NAME(far_trig)(x, x == 0 ? x : y, SY_WHICH_TAN);
}
