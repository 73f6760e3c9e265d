/* Error functions with branches: erfcx, erfinv, erfcinv; log1mexp, xlogx, xlogy0. */
#ifndef SY_ERROR_H
#define SY_ERROR_H

#include "vecmath.h"

#define SY_TWO_OVER_SQRT_PI 0x1.20dd750429b6dp+0

/* e^(x^2): the rounding error of the square is applied to the result. */
SY_FN_SLOW double sy_exp_square(double x) {
  double square = x * x;
  double y = exp(square);
  return y < INFINITY ? fma(y, fma(x, x, -square), y) : y;
}

/* erfcx(x) for x >= 0.8. */
SY_FN_SLOW double sy_erfcx_large(double x) {
  if (x <= 27) {
    /* 9 e^16 erfc(4) and the rest */
    return (0x1.3ba5916e9fd7fp+0 + sy_erfcx_tail((x - 4) / (x + 4))) / (1 + 2 * x);
  }
  double first = 0.5 * SY_TWO_OVER_SQRT_PI / x;
  if (x > 0x1p30) return first;
  /* Asymptotic series: 1 - 1/(2 x^2) + 3/(2 x^2)^2 - 15/(2 x^2)^3 + ... */
  double t = 0.5 / (x * x);
  return first * (1 - t * (1 - 3 * t * (1 - 5 * t * (1 - 7 * t * (1 - 9 * t)))));
}

/* e^(x^2) erfc(x). */
SY_FN_SLOW double sy_erfcx(double x) {
  if (x >= 0.8) return sy_erfcx_large(x);
  double y = sy_exp_square(x);
  if (x <= -6) return 2 * y;
  return x <= -0.8 ? fma(2.0, y, -sy_erfcx_large(-x)) : y * sy_erfc(x);
}

/* x > 0.4 with erfc(x) = q, for 0 < q <= 1/2: Winitzki's estimate for erf and three of Halley's
 * steps on erfcx(x) = q e^(x^2), which neither overflow nor cancel in the tail. */
SY_FN_SLOW double sy_erfc_inverse(double q) {
  double l = log(q * (2 - q));
  double m = 2 / (0.147 * 3.14159265358979324) + 0.5 * l;
  double x = sqrt(sqrt(m * m - l / 0.147) - m);
  double log_q = log(q);
  for (int i = 0; i < 3; i++) {
    double square = x * x;
    double target = exp(square + log_q);
    target = fma(target, fma(x, x, -square), target);
    double step = (sy_erfcx(x) - target) / SY_TWO_OVER_SQRT_PI;
    x += step / (1 - x * step);
  }
  return x;
}

SY_FN_SLOW double sy_erfinv(double y) {
  double a = fabs(y);
  if (!(a < 1)) return a == 1 ? copysign(INFINITY, y) : NAN;
  if (a > 0.5) return copysign(sy_erfc_inverse(1 - a), y);
  /* The power series, then Halley's steps on erf(x) = y. */
  double s = a / SY_TWO_OVER_SQRT_PI;
  double x = s * (1 + s * s * (1.0 / 3 + s * s * (7.0 / 30)));
  for (int i = 0; i < 2; i++) {
    double step = (sy_erf(x) - a) / (SY_TWO_OVER_SQRT_PI * exp(-x * x));
    x -= step / (1 + x * step);
  }
  return copysign(x, y);
}

SY_FN_SLOW double sy_erfcinv(double q) {
  if (!(q > 0 && q < 2)) return q == 0 ? INFINITY : q == 2 ? -INFINITY : NAN;
  if (q < 0.5) return sy_erfc_inverse(q);
  if (q > 1.5) return -sy_erfc_inverse(2 - q);
  return sy_erfinv(1 - q);
}

/* log(1 - e^x) for x <= 0. */
SY_FN double sy_log1mexp(double x) {
  double near = sy_log(-sy_expm1(x));
  double far = sy_log1p(-sy_exp(x));
  return x > -0x1.62e42fefa39efp-1 ? near : far;
}

SY_FN float sy_log1mexpf(float x) {
  float near = sy_logf(-sy_expm1f(x));
  float far = sy_log1pf(-sy_expf(x));
  return x > -0x1.62e43p-1f ? near : far;
}

/* x log(x) and x log(y), 0 where x is 0. */
SY_FN double sy_xlogx(double x) { return x == 0 ? 0.0 : x * sy_log(x); }
SY_FN float sy_xlogxf(float x) { return x == 0 ? 0.0f : x * sy_logf(x); }
SY_FN double sy_xlogy0(double x, double y) { return x == 0 ? 0.0 : x * sy_log(y); }
SY_FN float sy_xlogy0f(float x, float y) { return x == 0 ? 0.0f : x * sy_logf(y); }

SY_FN_SLOW float sy_erfcxf(float x) { return (float)sy_erfcx(x); }
SY_FN_SLOW float sy_erfinvf(float y) { return (float)sy_erfinv(y); }
SY_FN_SLOW float sy_erfcinvf(float q) { return (float)sy_erfcinv(q); }

#endif
