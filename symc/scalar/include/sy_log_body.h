/* Bodies of log and its relatives; read once per precision by vecmath.h.
 *
 * x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2). */

typedef struct {
  SY_REAL k;
  SY_REAL f;
} SY_NAME(log_argument);

/* Split positive, finite, normal x/2^exponent. */
SY_FN SY_NAME(log_argument) SY_NAME(log_reduce)(SY_REAL x, SY_REAL exponent) {
  const SY_UINT one = (SY_UINT)SY_BIAS << SY_DIGITS;
  const SY_UINT fraction = ((SY_UINT)1 << SY_DIGITS) - 1;
  SY_UINT u = SY_NAME(bits)(x) + (one - SY_SQRT_HALF_BITS);
  SY_NAME(log_argument) a;
  a.k = SY_NAME(from_bits)((u >> SY_DIGITS) | SY_INT_TO_REAL_BITS) -
        (SY_INT_TO_REAL + SY_BIAS + exponent);
  a.f = SY_NAME(from_bits)((u & fraction) + SY_SQRT_HALF_BITS) - 1;
  return a;
}

/* Split any positive x; subnormal numbers are scaled first. */
SY_FN SY_NAME(log_argument) SY_NAME(log_reduce_any)(SY_REAL x) {
  const SY_REAL power = (SY_UINT)1 << (SY_DIGITS + 1);
  int subnormal = x < SY_MIN_NORMAL;
  SY_REAL factor = subnormal ? power : (SY_REAL)1;
  SY_REAL exponent = subnormal ? (SY_REAL)(SY_DIGITS + 1) : (SY_REAL)0;
  return SY_NAME(log_reduce)(x * factor, exponent);
}

/* y, or the value of a logarithm at an x that the formulas do not reach. */
SY_FN SY_REAL SY_NAME(log_special)(SY_REAL x, SY_REAL y) {
  y = x == (SY_REAL)INFINITY ? x : y;
  return x > 0 ? y : x == 0 ? -(SY_REAL)INFINITY : (SY_REAL)NAN;
}

/* k ln(2) + f + tail, where tail is log(1 + f) - f. */
SY_FN SY_REAL SY_NAME(log_sum)(SY_REAL k, SY_REAL f, SY_REAL tail) {
  tail = SY_LIBM(fma)(k, SY_LN2_REST, tail);
  SY_REAL exact = k * SY_LN2_SHORT;
  SY_REAL sum = exact + f;
  return sum + (((exact - sum) + f) + tail);
}

SY_FN SY_REAL SY_NAME(log)(SY_REAL x) {
  SY_NAME(log_argument) a = SY_NAME(log_reduce_any)(x);
  return SY_NAME(log_special)(x, SY_NAME(log_sum)(a.k, a.f, SY_NAME(log1p_tail)(a.f)));
}

/* k step + log(1 + f) factor, all constants in two parts. */
SY_FN SY_REAL SY_NAME(log_scaled)(SY_NAME(log_argument) a, SY_REAL factor, SY_REAL factor_low,
                                  SY_REAL step, SY_REAL step_low) {
  SY_REAL tail = SY_NAME(log1p_tail)(a.f);
  SY_REAL high = a.f + tail;
  SY_REAL low = (a.f - high) + tail;
  SY_REAL y = high * factor;
  SY_REAL y_low = SY_LIBM(fma)(high, factor, -y) +
                  SY_LIBM(fma)(high, factor_low, SY_LIBM(fma)(low, factor, a.k * step_low));
  SY_REAL exact = a.k * step;
  SY_REAL sum = exact + y;
  return sum + (((exact - sum) + y) + y_low);
}

SY_FN SY_REAL SY_NAME(log2)(SY_REAL x) {
  SY_NAME(log_argument) a = SY_NAME(log_reduce_any)(x);
  return SY_NAME(log_special)(x, SY_NAME(log_scaled)(a, SY_LOG2E, SY_LOG2E_LOW, 1, 0));
}

SY_FN SY_REAL SY_NAME(log10)(SY_REAL x) {
  SY_NAME(log_argument) a = SY_NAME(log_reduce_any)(x);
  SY_REAL y = SY_NAME(log_scaled)(a, SY_LOG10E, SY_LOG10E_LOW, SY_LOG10_2_SHORT, SY_LOG10_2_REST);
  return SY_NAME(log_special)(x, y);
}

/* log(1 + x + low) for x > -1, where |low| is at most an ulp of x. */
SY_FN SY_REAL SY_NAME(log1p_pair)(SY_REAL x, SY_REAL low) {
  SY_REAL u = 1 + x;
  SY_REAL x_part = u - 1;
  SY_REAL u_low = (1 - (u - x_part)) + (x - x_part);
  SY_NAME(log_argument) a = SY_NAME(log_reduce)(u, 0);
  /* For large x the lost part is far below an ulp; the limit keeps 2^-k normal. */
  SY_REAL power = SY_NAME(pow2)(a.k < SY_BIAS - 2 ? -a.k : -(SY_REAL)(SY_BIAS - 2));
  SY_REAL m_low = u_low * power;
  SY_REAL f = a.f + m_low;
  SY_REAL f_low = SY_LIBM(fma)(low, power, (a.f - f) + m_low);
  return SY_NAME(log_sum)(a.k, f, SY_NAME(log1p_tail)(f) + (f_low - f_low * f));
}

SY_FN SY_REAL SY_NAME(log1p)(SY_REAL x) {
  SY_REAL y = SY_NAME(log_special)(1 + x, SY_NAME(log1p_pair)(x, 0));
  return SY_LIBM(fabs)(x) < SY_TINY ? x : y;
}

SY_FN SY_REAL SY_NAME(softplus)(SY_REAL x) {
  /* max(x, 0) + log(1 + E) with E = e^-|x| in (0, 1]. */
  SY_REAL e = SY_NAME(exp)(-SY_LIBM(fabs)(x));
  SY_REAL y = e < SY_TINY ? e : SY_NAME(log1p_pair)(e, 0);
  return x > 0 ? x + y : y;
}
