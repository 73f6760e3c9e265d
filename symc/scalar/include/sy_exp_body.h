/* Bodies of exp and its relatives; read once per precision by vecmath.h.
 *
 * x = k ln(2) + r + c with integer k, |r| <= ln(2)/2 and c the rounding error of r (Cody and
 * Waite's reduction; with fma the two-part constant keeps it exact). */

typedef struct {
  SY_REAL k; /* an integer */
  SY_REAL r;
  SY_REAL c;
} SY_NAME(exp_argument);

/* Reduce x + low, where |low| is at most a few ulp of x and x lies within the limits of exp. */
SY_FN SY_NAME(exp_argument) SY_NAME(exp_reduce)(SY_REAL x, SY_REAL low) {
  SY_NAME(exp_argument) a;
  a.k = SY_LIBM(fma)(x, SY_LOG2E, SY_ROUND) - SY_ROUND;
  SY_REAL exact = SY_LIBM(fma)(a.k, -SY_LN2, x);
  SY_REAL rest = SY_LIBM(fma)(a.k, -SY_LN2_LOW, low);
  a.r = exact + rest;
  a.c = (exact - a.r) + rest;
  return a;
}

/* Limit x to [low, high]; NaN stays NaN. */
SY_FN SY_REAL SY_NAME(clamp)(SY_REAL x, SY_REAL low, SY_REAL high) {
  x = x > high ? high : x;
  return x < low ? low : x;
}

/* 2^k for integers -bias < k <= bias. */
SY_FN SY_REAL SY_NAME(pow2)(SY_REAL k) {
  return SY_NAME(from_bits)(SY_NAME(bits)(k + (SY_ROUND + SY_BIAS)) << SY_DIGITS);
}

/* v * 2^k with one rounding, where v is near 1, -bias - digits - 10 <= k <= bias + 2, and shifted
 * is k + SY_ROUND + 2 SY_BIAS. The power is applied in two halves, so that neither leaves the range
 * of exponents: without a comparison, as selecting is slow where masks have no registers. */
SY_FN SY_REAL SY_NAME(scale_shifted)(SY_REAL v, SY_REAL shifted) {
  SY_UINT whole = SY_NAME(bits)(shifted); /* its last bits are k + 2 bias */
  SY_UINT half = whole >> 1;
  SY_REAL first = SY_NAME(from_bits)(half << SY_DIGITS);
  return v * first * SY_NAME(from_bits)((whole - half) << SY_DIGITS);
}

/* The same for an integer k. */
SY_FN SY_REAL SY_NAME(scale)(SY_REAL v, SY_REAL k) {
  return SY_NAME(scale_shifted)(v, k + (SY_ROUND + 2 * SY_BIAS));
}

/* e^(r + c) for a reduced argument. */
SY_FN SY_REAL SY_NAME(exp_reduced)(SY_REAL r, SY_REAL c) {
  return 1 + (r + SY_LIBM(fma)(r * r, SY_NAME(expm1_tail)(r), c));
}

SY_FN SY_REAL SY_NAME(exp)(SY_REAL x) {
  /* Below the lower limit the formulas give anything, and 0 is selected at the end: that is faster
   * than limiting x, as products that underflow are slow. */
  const SY_REAL round = SY_ROUND + 2 * SY_BIAS;
  x = x > SY_EXP_MAX ? SY_EXP_MAX : x; /* where e^x is infinite */
  SY_REAL shifted = SY_LIBM(fma)(x, SY_LOG2E, round);
  SY_REAL k = shifted - round;
  SY_REAL r = SY_LIBM(fma)(k, -SY_LN2_LOW, SY_LIBM(fma)(k, -SY_LN2, x));
  SY_REAL y = SY_LIBM(fma)(SY_NAME(exp_tail)(r), r, (SY_REAL)1);
  y = SY_NAME(scale_shifted)(SY_LIBM(fma)(y, r, (SY_REAL)1), shifted);
  return x < SY_EXP_MIN ? (SY_REAL)0 : y;
}

SY_FN SY_REAL SY_NAME(exp2)(SY_REAL x) {
  const SY_REAL round = SY_ROUND + 2 * SY_BIAS;
  x = x > SY_EXP2_MAX ? SY_EXP2_MAX : x; /* where 2^x is infinite */
  SY_REAL shifted = x + round;
  SY_REAL f = x - (shifted - round);
  SY_REAL r = f * SY_LN2;
  SY_REAL c = SY_LIBM(fma)(f, SY_LN2, -r) + f * SY_LN2_LOW;
  SY_REAL y = SY_NAME(scale_shifted)(SY_NAME(exp_reduced)(r, c), shifted);
  return x < SY_EXP2_MIN ? (SY_REAL)0 : y;
}

/* A number as the unevaluated sum high + low. */
typedef struct {
  SY_REAL high;
  SY_REAL low;
} SY_NAME(pair);

/* (e^x - 1) 2^-shift, with unit = 2^-shift. A shift keeps 2^(k-shift) finite where e^x is. */
SY_FN SY_NAME(pair) SY_NAME(expm1_shifted)(SY_REAL x, int shift, SY_REAL unit) {
  SY_NAME(exp_argument) a = SY_NAME(exp_reduce)(x, 0);
  SY_REAL tail = SY_LIBM(fma)(a.r * a.r, SY_NAME(expm1_tail)(a.r), a.c);
  SY_REAL e = a.r + tail; /* e^(r+c) - 1 */
  SY_REAL e_low = (a.r - e) + tail;
  SY_REAL s = SY_NAME(pow2)(a.k - shift);
  SY_REAL offset = s - unit;
  SY_NAME(pair) y;
  y.high = SY_LIBM(fma)(s, e, offset);
  y.low = SY_LIBM(fma)(s, e, offset - y.high) + s * e_low;
  return y;
}

SY_FN SY_REAL SY_NAME(expm1)(SY_REAL x) {
  /* e^x - 1 is -1 to full precision below the lower limit, which keeps 2^(k-1) normal. */
  SY_REAL limited = SY_NAME(clamp)(x, -2 * SY_DIGITS, SY_EXP_MAX);
  SY_NAME(pair) y = SY_NAME(expm1_shifted)(limited, 1, (SY_REAL)0.5);
  return SY_LIBM(fabs)(x) < SY_TINY ? x : 2 * y.high;
}

SY_FN SY_REAL SY_NAME(sinh)(SY_REAL x) {
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_NAME(pair) y =
      SY_NAME(expm1_shifted)(SY_NAME(clamp)(a, 0, SY_EXP_MAX + (SY_REAL)0.5), 2, (SY_REAL)0.25);
  SY_REAL d = 1 + 4 * y.high; /* e^a; infinite for the largest a, where y.high alone matters */
  SY_REAL sum = y.high + (y.low + y.high / d);
  sum = a > SY_DIGITS ? y.high : sum;
  return a < SY_TINY ? x : SY_LIBM(copysign)(2 * sum, x);
}

SY_FN SY_REAL SY_NAME(cosh)(SY_REAL x) {
  SY_REAL a = SY_NAME(clamp)(SY_LIBM(fabs)(x), 0, SY_EXP_MAX + (SY_REAL)0.5);
  SY_NAME(exp_argument) e = SY_NAME(exp_reduce)(a, 0);
  SY_REAL half = SY_NAME(scale)(SY_NAME(exp_reduced)(e.r, e.c), e.k - 1); /* e^a / 2 */
  return half + (SY_REAL)0.25 / half;
}

SY_FN SY_REAL SY_NAME(tanh)(SY_REAL x) {
  /* a + a z P(z)/Q(z) for small a = |x| with z = a^2, else 1 - 2/(e^(2a) + 1): one division serves
   * both. The larger the power is the less its error counts: ln(2) in one part is enough. */
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_REAL limited = a > SY_TANH_MAX ? SY_TANH_MAX : a; /* tanh rounds to 1 from here on */
  SY_REAL shifted = SY_LIBM(fma)(limited, 2 * SY_LOG2E, SY_ROUND + SY_BIAS);
  SY_REAL k = shifted - (SY_ROUND + SY_BIAS);
  SY_REAL r = SY_LIBM(fma)(k, -SY_LN2, limited + limited);
  SY_REAL e = SY_LIBM(fma)(SY_LIBM(fma)(SY_NAME(exp_tail)(r), r, (SY_REAL)1), r, (SY_REAL)1);
  SY_REAL power = SY_NAME(from_bits)(SY_NAME(bits)(shifted) << SY_DIGITS); /* 2^k */
  SY_REAL z = a * a;
  int small = a < SY_TANH_SMALL;
  SY_REAL top = small ? a * z * SY_NAME(tanh_top)(z) : (SY_REAL)-2;
  SY_REAL bottom = small ? SY_NAME(tanh_bottom)(z) : SY_LIBM(fma)(e, power, (SY_REAL)1);
  return SY_LIBM(copysign)((small ? a : (SY_REAL)1) + top / bottom, x);
}

/* y where the condition holds, else 0. By bits: compilers make a choice between two results of
 * the operations that follow. */
SY_FN SY_REAL SY_NAME(where)(int condition, SY_REAL y) {
  return SY_NAME(from_bits)(SY_NAME(bits)(y) & -(SY_UINT)condition);
}

SY_FN SY_REAL SY_NAME(sigmoid)(SY_REAL x) {
  /* With E = e^-|x|: 1/(1 + E) for x >= 0, E/(1 + E) for x < 0. The rounding of 1 + E is undone. */
  SY_REAL a = SY_LIBM(fabs)(x);
  const SY_REAL round = SY_ROUND + SY_BIAS + 64;
  SY_REAL shifted = SY_LIBM(fma)(a, -SY_LOG2E, round);
  SY_REAL k = shifted - round;
  SY_REAL r = SY_LIBM(fma)(k, -SY_LN2_LOW, SY_LIBM(fma)(k, -SY_LN2, -a));
  SY_REAL v = SY_LIBM(fma)(SY_NAME(exp_tail)(r), r, (SY_REAL)1);
  SY_REAL power = SY_NAME(from_bits)(SY_NAME(bits)(shifted) << SY_DIGITS); /* 2^(k + 64) */
  SY_REAL e = SY_LIBM(fma)(v, r, (SY_REAL)1) * power * (SY_REAL)0x1p-64;
  e = SY_NAME(where)(!(a > -SY_EXP_MIN), e);
  SY_REAL d = 1 + e;
  SY_REAL d_low = e - (d - 1);
  SY_REAL inverse = 1 / d;
  SY_REAL top = x < 0 ? e : (SY_REAL)1;
  SY_REAL q = top * inverse;
  SY_REAL remainder = SY_LIBM(fma)(-q, d_low, SY_LIBM(fma)(-q, d, top));
  return SY_LIBM(fma)(remainder, inverse, q);
}
