/* Bodies of erf and erfc; read once per precision by vecmath.h. */

/* erfc(x) for 0.8 <= x <= SY_ERFC_MAX: e^(-x^2) (1 + 2x) erfcx(x) / (1 + 2x), the factors in two
 * parts. */
SY_FN SY_REAL SY_NAME(erfc_large)(SY_REAL x) {
  SY_NAME(pair) square = SY_NAME(product)(x, x);
  SY_NAME(exp_argument) e = SY_NAME(exp_reduce)(-square.high, -square.low);
  SY_REAL power = e.r + SY_LIBM(fma)(e.r * e.r, SY_NAME(expm1_tail)(e.r), e.c); /* e^r - 1 */
  SY_NAME(pair) d = SY_NAME(ordered_sum)(2 * x, 1);
  SY_REAL inverse = 1 / (d.high * (x + 4)); /* one division for both quotients */
  SY_REAL tail = SY_NAME(erfcx_tail)((x - 4) * (d.high * inverse));
  SY_NAME(pair) p = SY_NAME(ordered_sum)(SY_ERFCX_START, tail);
  inverse *= x + 4;
  SY_REAL q = p.high * inverse;
  SY_REAL q_low = (SY_LIBM(fma)(-q, d.high, p.high) + (p.low - q * d.low)) * inverse;
  return SY_NAME(scale)(q + SY_LIBM(fma)(q, power, q_low), e.k);
}

SY_FN SY_REAL SY_NAME(erf)(SY_REAL x) {
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_REAL small = SY_LIBM(fma)(a, SY_NAME(erf_small)(a * a), a);
  SY_REAL y = a < 1 ? small : 1 - SY_NAME(erfc_large)(a > 7 ? (SY_REAL)7 : a);
  return SY_LIBM(copysign)(y, x);
}

SY_FN SY_REAL SY_NAME(erfc)(SY_REAL x) {
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_REAL small = SY_LIBM(fma)(-x, SY_NAME(erf_small)(x * x), 1 - x);
  /* Where the result is 0 anything will do but a product that underflows, which is slow. */
  SY_REAL large = SY_NAME(erfc_large)(a > SY_ERFC_MAX ? (SY_REAL)1 : a);
  large = a > SY_ERFC_MAX ? (SY_REAL)0 : large;
  large = x < 0 ? 2 - large : large;
  return a < (SY_REAL)0.8 ? small : large;
}
