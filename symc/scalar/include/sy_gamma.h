/* The gamma function and its relatives: logarithmic derivatives, incomplete gamma and beta
 * functions. Computed in double; the float versions round the result. */
#ifndef SY_GAMMA_H
#define SY_GAMMA_H

#include "sy_poly.h"

#define SY_PI 0x1.921fb54442d18p+1

/* Sum of c[i] x^i, i < n. */
SY_FN_SLOW double sy_horner(const double *c, int n, double x) {
  double y = c[n - 1];
  for (int i = n - 2; i >= 0; i--) y = fma(y, x, c[i]);
  return y;
}

/* log(1 + x) - x without cancellation, x > -1. */
SY_FN_SLOW double sy_log1p_minus(double x) {
  return fabs(x) < 0.29 ? sy_log1p_tail(x) : log1p(x) - x;
}

SY_FN_SLOW double sy_gamma(double x) {
  if (x < 0 && x == floor(x)) return NAN;
  return x == 0 ? 1 / x : tgamma(x);
}

/* log|gamma(x)|. lgamma() of POSIX also writes the sign to a global variable, a data race between
 * threads; lgamma_r() does not. It is declared here because strict C hides it in math.h. */
#if defined(__CUDACC__) || defined(_WIN32)
SY_FN_SLOW double sy_gammaln(double x) { return lgamma(x); }
#else
extern double lgamma_r(double, int *);
SY_FN_SLOW double sy_gammaln(double x) {
  int sign;
  return lgamma_r(x, &sign);
}
#endif

/* ------------------------------------------------------------- digamma and trigamma */

/* psi(1.4616... + d) for |d| <= 1/4, to 2^-53; the argument of the root is given in two parts. */
SY_FN_SLOW double sy_psi_near_root(double x) {
  double d = (x - 0x1.762d86356be3fp+0) - 0x1.b86a722197829p-54;
  const double c[] = {
      0x1.ef72bc8ee38acp-1,  -0x1.c563b54aa1a89p-2, 0x1.08b4294d4fe5bp-2,  -0x1.4fc1317239793p-3,
      0x1.b9a5b638d3dccp-4,  -0x1.27baba59b7a81p-4, 0x1.8fce00db1064ep-5,  -0x1.0fa7c4cef02e7p-5,
      0x1.723e57bf84c87p-6,  -0x1.f99044d5ae2c2p-7, 0x1.5913cfd47de29p-7,  -0x1.d0cc0314ec453p-8,
      0x1.4cea05f040c5bp-8,  -0x1.58935cfc77909p-8, 0x1.8bfcb345bcef4p-11, 0x1.f50bb0de10064p-7,
      0x1.eaad3981c579p-8,   -0x1.01ac2f3082f03p-4};
  return d * sy_horner(c, 18, d);
}

/* psi(x) for x > 0: upward recurrence to x >= 10, then the asymptotic series with the Bernoulli
 * numbers (DLMF 5.11.2). */
SY_FN_SLOW double sy_psi_positive(double x) {
  if (fabs(x - 1.4616321449683623) < 0.25) return sy_psi_near_root(x);
  double sum = 0;
  for (; x < 10; x += 1) sum -= 1 / x;
  const double c[] = {1.0 / 12,   -1.0 / 120,     1.0 / 252, -1.0 / 240,
                      1.0 / 132,  -691.0 / 32760, 1.0 / 12,  -3617.0 / 8160};
  double t = 1 / (x * x);
  return sum + (log(x) - 0.5 / x - t * sy_horner(c, 8, t));
}

SY_FN_SLOW double sy_psi(double x) {
  if (x == 0) return -1 / x;
  if (x > 0 || x != x) return sy_psi_positive(x);
  double r = x - rint(x);
  if (r == 0 || x == -INFINITY) return NAN;
  /* psi(x) = psi(1 - x) - pi cot(pi x) */
  return sy_psi_positive(1 - x) - SY_PI / tan(SY_PI * r);
}

/* The derivative of psi for x > 0, likewise (DLMF 5.15.8). */
SY_FN_SLOW double sy_trigamma_positive(double x) {
  double sum = 0;
  for (; x < 12; x += 1) sum += 1 / (x * x);
  const double c[] = {1.0 / 6,  -1.0 / 30,       1.0 / 42, -1.0 / 30,
                      5.0 / 66, -691.0 / 2730.0, 7.0 / 6,  -3617.0 / 510};
  double r = 1 / x;
  double t = r * r;
  return sum + (r + (0.5 * t + r * t * sy_horner(c, 8, t)));
}

SY_FN_SLOW double sy_trigamma(double x) {
  if (x > 0 || x != x) return sy_trigamma_positive(x);
  double r = x - rint(x);
  if (r == 0 || x == -INFINITY) return INFINITY;
  /* trigamma(x) + trigamma(1 - x) = (pi / sin(pi x))^2 */
  double s = SY_PI / sin(SY_PI * r);
  return s * s - sy_trigamma_positive(1 - x);
}

/* ------------------------------------------------------------- incomplete gamma functions */

/* log(gamma(a + 1)) - (a log(a) - a + log(2 pi a)/2), Stirling's series, a >= 10. */
SY_FN_SLOW double sy_stirling_error(double a) {
  const double c[] = {1.0 / 12,   -1.0 / 360,       1.0 / 1260, -1.0 / 1680,
                      1.0 / 1188, -691.0 / 360360.0, 1.0 / 156,  -3617.0 / 122400};
  double r = 1 / a;
  return r * sy_horner(c, 8, r * r);
}

/* log(gamma(1 + a)) with full relative accuracy near a = 0. */
SY_FN_SLOW double sy_lgamma1p(double a) {
  const double c[] = {
      -0x1.2788cfc6fb619p-1, 0x1.a51a6625307cdp-1,  -0x1.9a4d55beab1b3p-2, 0x1.151322ac80849p-2,
      -0x1.a8b9c17af20ccp-3, 0x1.5b40cb0939f99p-3,  -0x1.2703a1a0b1e6ap-3, 0x1.010b3a2480f67p-3,
      -0x1.c8069f5f87b0bp-4, 0x1.9a000d4e6809p-4,   -0x1.748235ac2ec18p-4, 0x1.55b06fbc63122p-4,
      -0x1.3c4ec5f7babf1p-4, 0x1.1ee3756ed24e7p-4,  -0x1.fb14559934bf3p-5, 0x1.3c386ea1ed996p-4,
      -0x1.80fb9bea068b6p-4};
  return fabs(a) <= 0.2 ? a * sy_horner(c, 17, a) : sy_gammaln(1 + a);
}

/* x^a e^-x / gamma(a + 1) for x > 0, a > 0. */
SY_FN_SLOW double sy_gamma_prefactor(double a, double x) {
  if (a >= 10) {
    double u = (x - a) / a;
    double exponent = a * (fabs(u) < 0.29 ? sy_log1p_tail(u) : log(x / a) - u);
    return exp(exponent - sy_stirling_error(a)) / sqrt(2 * SY_PI * a);
  }
  double power = pow(x, a) * exp(-x);
  if (power > 0x1p-900) return power / tgamma(a + 1);
  return exp(a * log(x) - x - sy_gammaln(a + 1));
}

/* P(a, x) by its power series (DLMF 8.11.4). */
SY_FN_SLOW double sy_gamma_series(double a, double x) {
  double term = 1, sum = 1;
  for (double n = a + 1; term > sum * 0x1p-54; n += 1) sum += term *= x / n;
  return sy_gamma_prefactor(a, x) * sum;
}

/* Q(a, x) for small a and x: 1 - x^a/gamma(1 + a) (1 + sum of a (-x)^n / (n! (a + n))). */
SY_FN_SLOW double sy_gamma_small(double a, double x) {
  double exponent = a * log(x) - sy_lgamma1p(a);
  double term = 1, sum = 0, part;
  double n = 0;
  do {
    n += 1;
    term *= -x / n;
    part = term / (a + n);
    sum += part;
  } while (fabs(part) > fabs(sum) * 0x1p-54);
  return -expm1(exponent) - exp(exponent) * a * sum;
}

/* Q(a, x) by Legendre's continued fraction (DLMF 8.9.2), with Lentz's algorithm. */
SY_FN_SLOW double sy_gamma_fraction(double a, double x) {
  const double tiny = 0x1p-900;
  double b = x + 1 - a;
  double c = 1 / tiny, d = 1 / b, h = d;
  for (int n = 1; n < 1000000; n++) {
    double an = n * (a - n);
    b += 2;
    d = an * d + b;
    d = 1 / (fabs(d) < tiny ? tiny : d);
    c = b + an / c;
    c = fabs(c) < tiny ? tiny : c;
    double factor = c * d;
    h *= factor;
    if (fabs(factor - 1) < 0x1p-52) break;
  }
  return a * sy_gamma_prefactor(a, x) * h;
}

/* P(a, x) or Q(a, x) for large a and x near a: Temme's uniform expansion (DLMF 8.12.3), with the
 * Taylor series of its coefficients about x = a. */
SY_FN_SLOW double sy_gamma_uniform(double a, double x, int upper) {
  const double c0[] = {-1.0 / 3, 1.0 / 12, -0.0148148148148148148, 0.00115740740740740741,
                       0.000352733686067019401, -0.000178755144032921811,
                       3.91926317852243778e-5, -2.18544851067999216e-6};
  const double c1[] = {-1.0 / 540, -1.0 / 288, 0.0026455026455026455, -0.000990226337448559671,
                       0.000205761316872427984};
  const double c2[] = {25.0 / 6048, -0.00268132716049382716, 0.000771604938271604938};
  double half_square = -sy_log1p_minus((x - a) / a); /* eta^2 / 2 */
  double eta = copysign(sqrt(2 * half_square), x - a);
  double sum = sy_horner(c0, 8, eta) + (sy_horner(c1, 5, eta) + sy_horner(c2, 3, eta) / a) / a;
  double correction = exp(-a * half_square) / sqrt(2 * SY_PI * a) * sum;
  double argument = copysign(sqrt(a * half_square), eta);
  return upper ? 0.5 * erfc(argument) + correction : 0.5 * erfc(-argument) - correction;
}

/* P(a, x), or Q(a, x) = 1 - P(a, x) if upper: the one that is computed directly is the one that
 * does not cancel. */
SY_FN_SLOW double sy_gamma_regularised(double a, double x, int upper) {
  if (!(a >= 0 && x >= 0) || (a == 0 && x == 0) || (a == INFINITY && x == INFINITY)) return NAN;
  if (x == 0 || a == INFINITY) return upper;
  if (a == 0 || x == INFINITY) return !upper;
  if (a > 20000 && fabs(x - a) < 0.03 * a) return sy_gamma_uniform(a, x, upper);
  int small = x <= 1.1;
  if (small && (x < 0.5 ? -0.4 / log(x) >= a : 1.1 * x >= a)) {
    double q = sy_gamma_small(a, x);
    return upper ? q : q > 0.9 ? sy_gamma_series(a, x) : 1 - q;
  }
  if (small || x < a) {
    double p = sy_gamma_series(a, x);
    return upper ? 1 - p : p;
  }
  double q = sy_gamma_fraction(a, x);
  return upper ? q : 1 - q;
}

SY_FN_SLOW double sy_gammainc(double a, double x) { return sy_gamma_regularised(a, x, 0); }
SY_FN_SLOW double sy_gammaincc(double a, double x) { return sy_gamma_regularised(a, x, 1); }

/* The integrals themselves, from 0 to x and from x to infinity. */
SY_FN_SLOW double sy_gammal(double a, double x) { return sy_gammainc(a, x) * sy_gamma(a); }
SY_FN_SLOW double sy_gammau(double a, double x) { return sy_gammaincc(a, x) * sy_gamma(a); }

/* Survival function of the chi-squared distribution with k degrees of freedom. */
SY_FN_SLOW double sy_chi2sf(double x, double k) {
  return sy_gammaincc(0.5 * k, 0.5 * x);
}

/* ------------------------------------------------------------- incomplete beta function */

/* x^a (1-x)^b / (a B(a, b)) for 0 < x < 1. */
SY_FN_SLOW double sy_beta_prefactor(double a, double b, double x) {
  double s = a + b;
  double log_y = log1p(-x);
  if (s < 100) {
    double p = pow(x, a) * exp(b * log_y);
    if (p > 0x1p-900) return p * (tgamma(s) / (tgamma(a + 1) * tgamma(b)));
  }
  if (a >= 10 && b >= 10) {
    /* Stirling's formula; the deviations of x from a/s and of 1 - x from b/s are exact. */
    double deviation = fma(x, b, fma(x, a, -a));
    double u = a * sy_log1p_minus(deviation / a) + b * sy_log1p_minus(-deviation / b);
    double error = sy_stirling_error(s) - sy_stirling_error(a) - sy_stirling_error(b);
    return exp(u + error) * sqrt(b / (2 * SY_PI * a * s));
  }
  if (b >= 10) {
    /* gamma(s)/gamma(b) by Stirling's formula, gamma(a + 1) as it is */
    double ratio = (b - 0.5) * log1p(a / b) - a + sy_stirling_error(s) - sy_stirling_error(b);
    return exp(a * log(x * s) + b * log_y + ratio) / tgamma(a + 1);
  }
  if (a >= 10) {
    double ratio = (a + 0.5) * log1p(b / a) - b + sy_stirling_error(s) - sy_stirling_error(a);
    return exp(a * log(x) + b * (log_y + log(s)) + ratio) / tgamma(b) / s;
  }
  return exp(a * log(x) + b * log_y + (sy_gammaln(s) - sy_gammaln(a + 1) - sy_gammaln(b)));
}

/* I_x(a, b) by its continued fraction (DLMF 8.17.22), for x below about a/(a + b). */
SY_FN_SLOW double sy_beta_fraction(double a, double b, double x) {
  const double tiny = 0x1p-900;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (fabs(d) < tiny ? tiny : d);
  double h = d;
  for (int n = 1; n < 1000000; n++) {
    double factor = 1;
    for (int odd = 0; odd < 2; odd++) {
      double t = odd ? -(a + n) * (a + b + n) / ((a + 2 * n) * (a + 2 * n + 1))
                     : n * (b - n) / ((a + 2 * n - 1) * (a + 2 * n));
      d = 1 + t * x * d;
      d = 1 / (fabs(d) < tiny ? tiny : d);
      c = 1 + t * x / c;
      c = fabs(c) < tiny ? tiny : c;
      factor = c * d;
      h *= factor;
    }
    if (fabs(factor - 1) < 0x1p-52) break;
  }
  return sy_beta_prefactor(a, b, x) * h;
}

/* Regularised incomplete beta function I_x(a, b). */
SY_FN_SLOW double sy_betainc(double a, double b, double x) {
  if (!(a >= 0 && b >= 0 && x >= 0 && x <= 1)) return NAN;
  if ((a == 0 && b == 0) || (a == INFINITY && b == INFINITY)) return NAN;
  if (x == 0 || x == 1) return x;
  if (a == 0 || b == INFINITY) return 1;
  if (b == 0 || a == INFINITY) return 0;
  if (x * (a + b + 2) <= a + 1) return sy_beta_fraction(a, b, x);
  double rest = 1 - sy_beta_fraction(b, a, 1 - x);
  /* Where this cancels the fraction converges still, if slowly. */
  return rest > 0.01 ? rest : sy_beta_fraction(a, b, x);
}

/* ------------------------------------------------------------- single precision */

#define SY_SINGLE1(name) \
  SY_FN_SLOW float name##f(float x) { return (float)name(x); }
#define SY_SINGLE2(name) \
  SY_FN_SLOW float name##f(float a, float x) { return (float)name(a, x); }

SY_SINGLE1(sy_gamma)
SY_SINGLE1(sy_gammaln)
SY_SINGLE1(sy_psi)
SY_SINGLE1(sy_trigamma)
SY_SINGLE2(sy_gammainc)
SY_SINGLE2(sy_gammaincc)
SY_SINGLE2(sy_gammal)
SY_SINGLE2(sy_gammau)
SY_SINGLE2(sy_chi2sf)
SY_FN_SLOW float sy_betaincf(float a, float b, float x) { return (float)sy_betainc(a, b, x); }

#endif
