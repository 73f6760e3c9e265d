/* Bodies of sin, cos and tan; read once per precision by vecmath.h.
 *
 * x = n pi/2 + r - rest with |r| <= pi/4 and rest below the last digit of r. */

typedef struct {
  SY_UINT n; /* its two lowest bits count */
  SY_REAL r;
  SY_REAL rest;
} SY_NAME(angle);

/* Cody and Waite's reduction, for |x| <= SY_NEAR_ANGLE (2^47, or 2^20 for float). With fma the
 * first step is exact: n pi/2 rounded to the digits of pi/2 cancels all but the digits of an angle
 * below 1. The difference `r - exact` is exact, too, as in Dekker's sum of two numbers: both are
 * multiples of the last digit of `part`. pi/2 is rounded down, so that r is negative zero where x
 * is, and the rest is positive zero there. */
SY_FN SY_NAME(angle) SY_NAME(reduce_angle)(SY_REAL x) {
  SY_NAME(angle) a;
  SY_REAL shifted = SY_LIBM(fma)(x, SY_TWO_OVER_PI, SY_ROUND);
  SY_REAL n = shifted - SY_ROUND;
  a.n = SY_NAME(bits)(shifted);
  SY_REAL exact = SY_LIBM(fma)(n, -SY_HALF_PI_BELOW, x);
  SY_REAL part = n * SY_HALF_PI_REST;
  a.r = exact - part;
  a.rest = SY_LIBM(fma)(n, SY_HALF_PI_LOW2, SY_LIBM(fma)(n, SY_HALF_PI_REST, a.r - exact));
  return a;
}

/* sin(x + quarter pi/2) from the reduced x: sin(r) = r - (r z S(z) + rest) in even quarters and
 * cos(r) = 1 - (z C(z) - r rest) in odd ones, with z = r^2. In this form sin(-0) is -0. */
SY_FN SY_REAL SY_NAME(sin_quarter)(SY_NAME(angle) a, int quarter) {
  SY_UINT n = a.n + quarter;
  SY_REAL z = a.r * a.r;
  int odd = (n & 1) != 0; /* the outcome of a comparison: a mask of lanes, no narrower integers */
  SY_REAL lead = odd ? (SY_REAL)1 : a.r;
  SY_REAL tail = odd ? SY_NAME(cos_tail)(z) : SY_NAME(sin_tail)(z);
  SY_REAL slope = odd ? a.r : (SY_REAL)-1;
  SY_REAL y = lead - SY_LIBM(fma)(lead * z, tail, -(a.rest * slope));
  return SY_NAME(from_bits)(SY_NAME(bits)(y) ^ ((n << (sizeof n * 8 - 2)) & SY_SIGN));
}

SY_FN SY_REAL SY_NAME(sin)(SY_REAL x) {
  SY_REAL y = SY_NAME(sin_quarter)(SY_NAME(reduce_angle)(x), 0);
  return SY_NAME(far_trig)(x, y, SY_WHICH_SIN);
}

SY_FN SY_REAL SY_NAME(cos)(SY_REAL x) {
  SY_REAL y = SY_NAME(sin_quarter)(SY_NAME(reduce_angle)(x), 1);
  return SY_NAME(far_trig)(x, y, SY_WHICH_COS);
}

SY_FN SY_REAL SY_NAME(tan)(SY_REAL x) {
  /* sin(r)/cos(r); what cos(r) loses by its rounding is undone in sin(r). */
  SY_NAME(angle) a = SY_NAME(reduce_angle)(x);
  SY_REAL z = a.r * a.r;
  SY_REAL drop = SY_LIBM(fma)(z, SY_NAME(cos_tail)(z), -(a.rest * a.r));
  SY_REAL c = 1 - drop;
  SY_REAL lost = (1 - c) - drop;
  SY_REAL bend = SY_LIBM(fma)(a.r * z, SY_NAME(sin_tail)(z), a.rest);
  SY_REAL s = a.r - SY_LIBM(fma)(lost, a.r, bend);
  int odd = (a.n & 1) != 0;
  SY_REAL y = (odd ? -c : s) / (odd ? s : c);
  return SY_NAME(far_trig)(x, y, SY_WHICH_TAN);
}
