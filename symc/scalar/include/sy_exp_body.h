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

/* v * 2^k with one rounding, where v is near 1 and -bias - digits - 10 <= k <= bias + 2.
 * The power is applied in two factors: 2 and 2^(k - 1), or 2^-64 and 2^(k + 64) for small k. */
SY_FN SY_REAL SY_NAME(scale)(SY_REAL v, SY_REAL k) {
  int small = k < -(SY_BIAS - SY_DIGITS - 10);
  SY_REAL offset = small ? SY_ROUND + SY_BIAS + 64 : SY_ROUND + SY_BIAS - 1;
  SY_REAL factor = small ? (SY_REAL)0x1p-64 : (SY_REAL)2;
  SY_REAL power = SY_NAME(from_bits)(SY_NAME(bits)(k + offset) << SY_DIGITS);
  return v * power * factor;
}

/* e^(r + c) for a reduced argument. */
SY_FN SY_REAL SY_NAME(exp_reduced)(SY_REAL r, SY_REAL c) {
  return 1 + (r + SY_LIBM(fma)(r * r, SY_NAME(exp_tail)(r), c));
}

/* y, or the value of an exponential at an x beyond the limits, where the formulas give anything.
 * Selecting at the end is faster than limiting x: products that underflow are slow. */
SY_FN SY_REAL SY_NAME(exp_special)(SY_REAL x, SY_REAL low, SY_REAL high, SY_REAL y) {
  y = x < low ? (SY_REAL)0 : y;
  return x > high ? (SY_REAL)INFINITY : y;
}

SY_FN SY_REAL SY_NAME(exp)(SY_REAL x) {
  SY_REAL k = SY_LIBM(fma)(x, SY_LOG2E, SY_ROUND) - SY_ROUND;
  SY_REAL r = SY_LIBM(fma)(k, -SY_LN2_LOW, SY_LIBM(fma)(k, -SY_LN2, x));
  SY_REAL y = SY_LIBM(fma)(SY_NAME(exp_tail)(r), r, (SY_REAL)1);
  y = SY_NAME(scale)(SY_LIBM(fma)(y, r, (SY_REAL)1), k);
  return SY_NAME(exp_special)(x, SY_EXP_MIN, SY_EXP_MAX, y);
}

SY_FN SY_REAL SY_NAME(exp2)(SY_REAL x) {
  SY_REAL k = (x + SY_ROUND) - SY_ROUND;
  SY_REAL f = x - k;
  SY_REAL r = f * SY_LN2;
  SY_REAL c = SY_LIBM(fma)(f, SY_LN2, -r) + f * SY_LN2_LOW;
  SY_REAL y = SY_NAME(scale)(SY_NAME(exp_reduced)(r, c), k);
  return SY_NAME(exp_special)(x, SY_EXP2_MIN, SY_EXP2_MAX, y);
}

/* A number as the unevaluated sum high + low. */
typedef struct {
  SY_REAL high;
  SY_REAL low;
} SY_NAME(pair);

/* (e^x - 1) 2^-shift, with unit = 2^-shift. A shift keeps 2^(k-shift) finite where e^x is. */
SY_FN SY_NAME(pair) SY_NAME(expm1_shifted)(SY_REAL x, int shift, SY_REAL unit) {
  SY_NAME(exp_argument) a = SY_NAME(exp_reduce)(x, 0);
  SY_REAL tail = SY_LIBM(fma)(a.r * a.r, SY_NAME(exp_tail)(a.r), a.c);
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

#if SY_DIGITS == 23
SY_FN SY_REAL SY_NAME(tanh)(SY_REAL x) {
  /* A polynomial for small |x|, else 1 - 2/(e^(2|x|) + 1), which rounds to 1 beyond the limit. */
  SY_REAL a = SY_LIBM(fabs)(x);
  SY_REAL twice = a + a;
  SY_REAL shifted = SY_LIBM(fma)(twice, SY_LOG2E, SY_ROUND + SY_BIAS);
  SY_REAL k = shifted - (SY_ROUND + SY_BIAS);
  SY_REAL r = SY_LIBM(fma)(k, -SY_LN2_LOW, SY_LIBM(fma)(k, -SY_LN2, twice));
  SY_REAL e = SY_LIBM(fma)(SY_LIBM(fma)(SY_NAME(exp_tail)(r), r, (SY_REAL)1), r, (SY_REAL)1);
  SY_REAL power = SY_NAME(from_bits)(SY_NAME(bits)(shifted) << SY_DIGITS); /* 2^k */
  SY_REAL rest = 2 / SY_LIBM(fma)(e, power, (SY_REAL)1);
  SY_REAL large = 1 - (a > SY_TANH_MAX ? (SY_REAL)0 : rest);
  SY_REAL z = a * a;
  SY_REAL small = SY_LIBM(fma)(a * z, SY_NAME(tanh_tail)(z), a);
  return SY_LIBM(copysign)(a < SY_TANH_SMALL ? small : large, x);
}
#else
SY_FN SY_REAL SY_NAME(tanh)(SY_REAL x) {
  /* h/(1 + h) with h = (e^(2|x|) - 1)/2; beyond the limit the result is 1, whatever the formula
   * gives. Recurrences wait for the result, so the longest chain of operations is kept short: the
   * limit is off it, as are 2|x| and 1 + h, which are computed from their parts. */
  SY_REAL a = SY_LIBM(fabs)(x);
  const SY_REAL round = SY_ROUND + (SY_BIAS - 1);
  SY_REAL shifted = SY_LIBM(fma)(a, 2 * SY_LOG2E, round);
  SY_REAL k = shifted - round;
  SY_REAL exact = SY_LIBM(fma)(k, -SY_LN2, a + a);
  SY_REAL rest = k * -SY_LN2_LOW;
  SY_REAL r = exact + rest;
  SY_REAL c = (exact - r) + rest;
  SY_REAL square = r * r;
  SY_REAL start = SY_LIBM(fma)(square, (SY_REAL)0.5, c);
  SY_REAL tail = SY_LIBM(fma)(square * r, SY_NAME(exp_cubic_tail)(r, square), start);
  SY_REAL e = r + tail; /* e^(r+c) - 1 */
  SY_REAL e_low = (r - e) + tail;
  SY_REAL s = SY_NAME(from_bits)(SY_NAME(bits)(shifted) << SY_DIGITS); /* 2^(k - 1) */
  SY_REAL offset = s - (SY_REAL)0.5;
  SY_REAL h = SY_LIBM(fma)(s, e, offset);
  SY_REAL h_low = SY_LIBM(fma)(s, e, offset - h) + s * e_low;
  SY_REAL d = SY_LIBM(fma)(s, e, s + (SY_REAL)0.5);
  SY_REAL h_part = d - 1;
  SY_REAL d_low = ((h - h_part) + (1 - (d - h_part))) + h_low;
  SY_REAL inverse = 1 / d;
  SY_REAL q = h * inverse;
  SY_REAL remainder = SY_LIBM(fma)(-q, d, h) + SY_LIBM(fma)(-q, d_low, h_low);
  q = SY_LIBM(fma)(remainder, inverse, q);
  return SY_LIBM(copysign)(a > SY_DIGITS / 2 ? (SY_REAL)1 : q, x);
}

#endif

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
  e = a > -SY_EXP_MIN ? (SY_REAL)0 : e;
  SY_REAL d = 1 + e;
  SY_REAL d_low = e - (d - 1);
  SY_REAL inverse = 1 / d;
  SY_REAL top = x < 0 ? e : (SY_REAL)1;
  SY_REAL q = top * inverse;
  SY_REAL remainder = SY_LIBM(fma)(-q, d_low, SY_LIBM(fma)(-q, d, top));
  return SY_LIBM(fma)(remainder, inverse, q);
}
