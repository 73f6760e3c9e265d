/* Bodies of erf and erfc; read once per precision by vecmath.h. */

/* erfc(x) for x >= 0.47: e^(-x^2) (1 + 2x) erfcx(x) / (1 + 2x), everything but the polynomial
 * in two parts. */
SY_FN SY_REAL SY_NAME(erfc_large)(SY_REAL x) {
  x = x > SY_ERFC_MAX ? SY_ERFC_MAX : x;
  SY_NAME(pair) square = SY_NAME(product)(x, x);
  SY_REAL exponent = SY_NAME(clamp)(-square.high, SY_EXP_MIN, 0);
  SY_NAME(exp_argument) e =
      SY_NAME(exp_reduce)(exponent, exponent == -square.high ? -square.low : (SY_REAL)0);
  SY_REAL power = e.r + SY_LIBM(fma)(e.r * e.r, SY_NAME(exp_tail)(e.r), e.c); /* e^r - 1 */
  SY_REAL d = 1 + 2 * x;
  SY_REAL d_low = (1 - (d - 2 * x)) + (2 * x - (d - (d - 2 * x)));
  SY_REAL inverse = 1 / (d * (x + 4)); /* one division for both quotients */
  SY_REAL p = SY_NAME(erfcx_scaled)((x - 4) * (d * inverse));
  inverse *= x + 4;
  SY_REAL q = p * inverse;
  SY_REAL q_low = (SY_LIBM(fma)(-q, d, p) - q * d_low) * inverse;
  return SY_NAME(scale)(q + SY_LIBM(fma)(q, power, q_low), e.k);
}

SY_FN SY_REAL SY_NAME(erf)(SY_REAL x) {
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_REAL small = SY_LIBM(fma)(a, SY_NAME(erf_small)(a * a), a);
  SY_REAL y = a < 1 ? small : 1 - SY_NAME(erfc_large)(a);
  return SY_LIBM(copysign)(y, x);
}

SY_FN SY_REAL SY_NAME(erfc)(SY_REAL x) {
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_REAL small = SY_LIBM(fma)(x, SY_NAME(erf_small)(x * x), x);
  SY_REAL large = SY_NAME(erfc_large)(a);
  large = x < 0 ? 2 - large : large;
  return a < (SY_REAL)0.477 ? 1 - small : large;
}
