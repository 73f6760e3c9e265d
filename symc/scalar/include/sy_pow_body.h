/* Body of pow; read once per precision by vecmath.h.
 *
 * |x|^y = e^(y log|x|), the logarithm as an unevaluated sum of relative error 2^-64 (2^-34 for
 * float), so that its product with y keeps an absolute error far below an ulp of the result. */

/* a * b as high + low, exactly. */
SY_FN SY_NAME(pair) SY_NAME(product)(SY_REAL a, SY_REAL b) {
  SY_NAME(pair) p;
  p.high = a * b;
  p.low = SY_LIBM(fma)(a, b, -p.high);
  return p;
}

/* a + b as high + low, exactly, where |a| >= |b| or a = 0. */
SY_FN SY_NAME(pair) SY_NAME(ordered_sum)(SY_REAL a, SY_REAL b) {
  SY_NAME(pair) s;
  s.high = a + b;
  s.low = (a - s.high) + b;
  return s;
}

/* log(x) as high + low for positive finite x. */
SY_FN SY_NAME(pair) SY_NAME(log_pair)(SY_REAL x) {
  SY_NAME(log_argument) a = SY_NAME(log_reduce_any)(x);
  /* s = f/(2 + f) */
  SY_NAME(pair) d = SY_NAME(ordered_sum)(2, a.f);
  SY_REAL inverse = 1 / d.high;
  SY_NAME(pair) s;
  s.high = a.f * inverse;
  s.low = SY_LIBM(fma)(-s.high, d.low, SY_LIBM(fma)(-s.high, d.high, a.f)) * inverse;
  /* log(1 + f) = 2 s + s^3 c with c = 2/3 + z*tail(z), z = s^2 */
  SY_NAME(pair) z = SY_NAME(product)(s.high, s.high);
  z.low = SY_LIBM(fma)(2 * s.high, s.low, z.low);
  SY_NAME(pair) c = SY_NAME(ordered_sum)(SY_TWO_THIRDS, z.high * SY_NAME(atanh_tail)(z.high));
  c.low += SY_TWO_THIRDS_LOW;
  SY_NAME(pair) cube = SY_NAME(product)(z.high, s.high);
  cube.low += SY_LIBM(fma)(z.high, s.low, z.low * s.high);
  SY_NAME(pair) t = SY_NAME(product)(cube.high, c.high);
  t.low += SY_LIBM(fma)(cube.high, c.low, cube.low * c.high);
  /* k ln(2) + 2 s + t, largest first */
  SY_NAME(pair) y = SY_NAME(ordered_sum)(a.k * SY_LN2_SHORT, 2 * s.high);
  SY_REAL low = y.low + 2 * s.low + t.low;
  SY_NAME(pair) rest = SY_NAME(product)(a.k, SY_LN2_REST);
  rest.low = SY_LIBM(fma)(a.k, SY_LN2_REST_LOW, rest.low);
  SY_NAME(pair) u = SY_NAME(ordered_sum)(y.high, t.high);
  SY_NAME(pair) v = SY_NAME(ordered_sum)(u.high, rest.high);
  return SY_NAME(ordered_sum)(v.high, v.low + (u.low + (low + rest.low)));
}

/* x^y for positive finite x. */
SY_FN SY_REAL SY_NAME(pow_positive)(SY_REAL x, SY_REAL y) {
  SY_NAME(pair) l = SY_NAME(log_pair)(x);
  SY_NAME(pair) p = SY_NAME(product)(y, l.high);
  p.low = SY_LIBM(fma)(y, l.low, p.low);
  SY_NAME(exp_argument) e = SY_NAME(exp_reduce)(p.high, p.low);
  SY_REAL z = SY_NAME(scale)(SY_NAME(exp_reduced)(e.r, e.c), e.k);
  z = p.high < SY_EXP_MIN ? (SY_REAL)0 : z; /* beyond the limits the formulas give anything */
  return p.high > SY_EXP_MAX ? (SY_REAL)INFINITY : z;
}

SY_FN SY_REAL SY_NAME(pow)(SY_REAL x, SY_REAL y) {
  const SY_REAL infinity = (SY_REAL)INFINITY;
  SY_REAL a = SY_LIBM(fabs)(x);
  int integral = SY_LIBM(rint)(y) == y;
  int odd = integral && SY_LIBM(rint)(y * (SY_REAL)0.5) != y * (SY_REAL)0.5;
  int grows = (a > 1) == (y > 0); /* of |x|^y for infinite y, or for |x| = 0 or infinity */
  SY_REAL extreme = grows ? infinity : (SY_REAL)0;
  SY_REAL z = SY_NAME(pow_positive)(a, y);
  z = a == 0 || a == infinity || SY_LIBM(fabs)(y) == infinity ? extreme : z;
  z = x < 0 && !integral && a < infinity ? (SY_REAL)NAN : z;
  z = odd ? SY_LIBM(copysign)(z, x) : z;
  z = x != x || y != y ? x + y : z;
  z = a == 1 && SY_LIBM(fabs)(y) == infinity ? (SY_REAL)1 : z;
  return x == 1 || y == 0 ? (SY_REAL)1 : z;
}
