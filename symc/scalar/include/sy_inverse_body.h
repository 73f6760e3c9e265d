/* Bodies of the inverse trigonometric and hyperbolic functions, the cube root and hypot; read
 * once per precision by vecmath.h. */

/* The angle in [0, pi/2] of a point with coordinates x, y >= 0. */
SY_FN SY_REAL SY_NAME(quadrant_angle)(SY_REAL y, SY_REAL x) {
  int steep = y > x;
  SY_REAL longer = steep ? y : x;
  SY_REAL shorter = steep ? x : y;
  SY_REAL q = shorter / longer;
  q = shorter == 0 ? (SY_REAL)0 : q; /* 0/0 */
  q = shorter == (SY_REAL)INFINITY ? (SY_REAL)1 : q;
  SY_REAL z = q * q;
  SY_REAL angle = SY_LIBM(fma)(q * z, SY_NAME(atan_tail)(z), q);
  return steep ? SY_HALF_PI - (angle - SY_HALF_PI_LOW) : angle;
}

SY_FN SY_REAL SY_NAME(atan)(SY_REAL x) {
  SY_REAL y = SY_LIBM(copysign)(SY_NAME(quadrant_angle)(SY_LIBM(fabs)(x), 1), x);
  return x != x ? x : y;
}

SY_FN SY_REAL SY_NAME(atan2)(SY_REAL y, SY_REAL x) {
  SY_REAL angle = SY_NAME(quadrant_angle)(SY_LIBM(fabs)(y), SY_LIBM(fabs)(x));
  SY_REAL obtuse = 2 * SY_HALF_PI - (angle - 2 * SY_HALF_PI_LOW);
  angle = SY_LIBM(copysign)((SY_REAL)1, x) < 0 ? obtuse : angle;
  return x != x || y != y ? x + y : SY_LIBM(copysign)(angle, y);
}


SY_FN SY_REAL SY_NAME(asin)(SY_REAL x) {
  /* Above 1/2: asin(x) = pi/2 - 2 asin(sqrt((1 - x)/2)). */
  SY_REAL a = SY_LIBM(fabs)(x);
  int small = a < (SY_REAL)0.5;
  SY_REAL z = small ? a * a : (SY_REAL)0.5 * (1 - a);
  SY_REAL s = small ? a : SY_LIBM(sqrt)(z);
  SY_REAL tail = s * z * SY_NAME(asin_tail)(z); /* asin(s) - s */
  SY_REAL rest = SY_HALF_PI - 2 * s;
  SY_REAL rest_low = (SY_HALF_PI - rest) - 2 * s;
  SY_REAL y = small ? s + tail : rest + (rest_low - (2 * tail - SY_HALF_PI_LOW));
  return SY_LIBM(copysign)(y, x);
}

SY_FN SY_REAL SY_NAME(acos)(SY_REAL x) {
  SY_REAL a = SY_LIBM(fabs)(x);
  int small = a < (SY_REAL)0.5;
  SY_REAL z = small ? a * a : (SY_REAL)0.5 * (1 - a);
  SY_REAL s = small ? a : SY_LIBM(sqrt)(z);
  SY_REAL y = SY_LIBM(fma)(s * z, SY_NAME(asin_tail)(z), s); /* asin(s) */
  SY_REAL middle = SY_HALF_PI - (SY_LIBM(copysign)(y, x) - SY_HALF_PI_LOW);
  SY_REAL outer = x < 0 ? 2 * (SY_HALF_PI - (y - SY_HALF_PI_LOW)) : 2 * y;
  return small ? middle : outer;
}

SY_FN SY_REAL SY_NAME(asinh)(SY_REAL x) {
  /* log(a + sqrt(a^2 + 1)) = log1p(a + q) with q = sqrt(a^2 + 1) - 1; log(2a) for large a. */
  SY_REAL a = SY_LIBM(fabs)(x);
  int large = a > (SY_REAL)((SY_UINT)1 << (SY_DIGITS / 2 + 4));
  SY_REAL square = a * a;
  SY_REAL q = square / (1 + SY_LIBM(sqrt)(square + 1));
  SY_REAL sum = large ? a - 1 : a + q;
  SY_REAL low = (a - sum) + q;
  SY_REAL y = SY_NAME(log1p_pair)(sum, large ? (SY_REAL)0 : low);
  y = large ? y + SY_LN2 : y;
  return a < (SY_REAL)INFINITY ? SY_LIBM(copysign)(a < SY_TINY ? a : y, x) : x;
}

SY_FN SY_REAL SY_NAME(acosh)(SY_REAL x) {
  /* log1p(t + sqrt(t^2 + 2t)) with t = x - 1; log(2x) for large x. */
  int large = x > (SY_REAL)((SY_UINT)1 << (SY_DIGITS / 2 + 4));
  SY_REAL t = x - 1;
  SY_REAL q = SY_LIBM(sqrt)(SY_LIBM(fma)(t, t, 2 * t));
  SY_REAL sum = large ? t : t + q;
  SY_REAL low = (q - (sum - t)) + (t - (sum - (sum - t)));
  SY_REAL y = SY_NAME(log1p_pair)(sum, large ? (SY_REAL)0 : low);
  y = large ? y + SY_LN2 : y;
  y = x == (SY_REAL)INFINITY ? x : y;
  return x >= 1 ? y : (SY_REAL)NAN;
}

SY_FN SY_REAL SY_NAME(atanh)(SY_REAL x) {
  /* log1p(2a/(1 - a))/2 with the quotient in two parts. */
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_REAL d = 1 - a;
  SY_REAL inverse = 1 / d;
  SY_REAL q = 2 * a * inverse;
  SY_REAL low = (SY_LIBM(fma)(-q, d, 2 * a) - q * ((1 - d) - a)) * inverse;
  SY_REAL y = (SY_REAL)0.5 * SY_NAME(log1p_pair)(q, low);
  y = a < SY_TINY ? a : y;
  y = a == 1 ? (SY_REAL)INFINITY : y;
  return a <= 1 ? SY_LIBM(copysign)(y, x) : (SY_REAL)NAN;
}

/* From y near 1/cbrt(t) to about three times the digits. */
SY_FN SY_REAL SY_NAME(rcbrt_step)(SY_REAL t, SY_REAL y) {
  SY_REAL h = SY_LIBM(fma)(-t * y, y * y, (SY_REAL)1);
  return SY_LIBM(fma)(y * h, SY_LIBM(fma)(h, (SY_REAL)2 / 9, 1 / (SY_REAL)3), y);
}

SY_FN SY_REAL SY_NAME(cbrt)(SY_REAL x) {
  /* |x| = t 8^q with t = m 2^j, m in [sqrt(1/2), sqrt(2)) and j = 0, 1, 2. */
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_NAME(log_argument) e = SY_NAME(log_reduce_any)(a);
  SY_REAL q = ((e.k - 1) * (1 / (SY_REAL)3) + SY_ROUND) - SY_ROUND;
  SY_REAL j = e.k - 3 * q;
  SY_REAL t = (1 + e.f) * (j == 0 ? (SY_REAL)1 : j == 1 ? (SY_REAL)2 : (SY_REAL)4);
  SY_REAL root = j == 0 ? (SY_REAL)1 : j == 1 ? SY_CBRT_HALF : SY_CBRT_QUARTER;
  SY_REAL y = SY_NAME(rcbrt_step)(t, SY_NAME(rcbrt_start)(e.f) * root);
  y = SY_DIGITS > 33 ? SY_NAME(rcbrt_step)(t, y) : y;
  /* c = t y^2, corrected by a Newton step with an exact residual. */
  SY_REAL c = t * y * y;
  SY_NAME(pair) square = SY_NAME(product)(c, c);
  SY_REAL residual = SY_LIBM(fma)(-square.high, c, t) - square.low * c;
  c = SY_LIBM(fma)(residual, y * y * (1 / (SY_REAL)3), c);
  c = SY_LIBM(copysign)(c * SY_NAME(pow2)(q), x);
  return a > 0 && a < (SY_REAL)INFINITY ? c : x;
}

SY_FN SY_REAL SY_NAME(hypot)(SY_REAL x, SY_REAL y) {
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_REAL b = SY_LIBM(fabs)(y);
  SY_REAL longer = a > b ? a : b;
  SY_REAL factor = longer > SY_SQUARE_MAX ? SY_SCALE_DOWN : (SY_REAL)1;
  factor = longer < SY_SQUARE_MIN ? SY_SCALE_UP : factor;
  SY_NAME(pair) aa = SY_NAME(product)(a * factor, a * factor);
  SY_NAME(pair) bb = SY_NAME(product)(b * factor, b * factor);
  SY_REAL h = SY_LIBM(sqrt)(aa.high + bb.high);
  /* A Newton step; of its residual the differences of the high parts, larger first, are exact. */
  SY_NAME(pair) hh = SY_NAME(product)(h, h);
  SY_REAL high = a > b ? (aa.high - hh.high) + bb.high : (bb.high - hh.high) + aa.high;
  SY_REAL residual = high + ((aa.low + bb.low) - hh.low);
  h = h + residual / (2 * h);
  h = longer == 0 ? (SY_REAL)0 : h / factor;
  h = x != x || y != y ? x + y : h;
  return a == (SY_REAL)INFINITY || b == (SY_REAL)INFINITY ? (SY_REAL)INFINITY : h;
}
