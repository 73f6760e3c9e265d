/* Bessel functions of the first kind, J and I, of real order. Computed in double. */
#ifndef SY_BESSEL_H
#define SY_BESSEL_H

#include "sy_gamma.h"

/* sin(pi v) and cos(pi v), exact at multiples of 1/2. */
SY_FN_SLOW double sy_sinpi(double v) {
  double r = v - 2 * rint(0.5 * v);
  r = r > 0.5 ? 1 - r : r < -0.5 ? -1 - r : r;
  return sin(SY_PI * r);
}

SY_FN_SLOW double sy_cospi(double v) {
  double r = fabs(v - 2 * rint(0.5 * v));
  return r == 0.5 ? 0.0 : cos(SY_PI * r);
}

/* h^v / gamma(v + 1) for h > 0 and v that is no negative integer. */
SY_FN_SLOW double sy_power_over_gamma(double h, double v) {
  if (fabs(v) < 20) return pow(h, v) / tgamma(v + 1);
  double u = fabs(v);
  double log_ratio = u * (1 + log(h / u)) - sy_stirling_error(u);
  if (v > 0) return exp(log_ratio) / sqrt(2 * SY_PI * u);
  /* 1/gamma(1 - u) = gamma(u) sin(pi u)/pi */
  return sy_sinpi(u) * exp(-log_ratio) * sqrt(2 / (SY_PI * u));
}

/* Sum of (sign x^2/4)^k / (k! gamma(v + k + 1)) times (x/2)^v (DLMF 10.2.2, 10.25.2). */
SY_FN_SLOW double sy_bessel_series(double v, double x, double sign) {
  double h = 0.5 * x;
  double step = sign * h * h;
  double term = 1, sum = 1;
  for (double k = 1; k < 1e6; k += 1) {
    term *= step / (k * (v + k));
    sum += term;
    if (fabs(term) <= fabs(sum) * 0x1p-54 && k + v > 0) break;
  }
  return sy_power_over_gamma(h, v) * sum;
}

/* J_v and Y_v at one x. */
typedef struct {
  double j;
  double y;
} sy_bessel_pair;

/* Hankel's asymptotic expansion for large x (DLMF 10.17.3). */
SY_FN_SLOW sy_bessel_pair sy_bessel_asymptotic(double v, double x) {
  double p = 1, q = 0, term = 1, last = INFINITY;
  for (int k = 1; k < 200; k++) {
    double odd = 2 * k - 1;
    term *= (2 * v - odd) * (2 * v + odd) / (8 * k * x);
    if (fabs(term) >= last || fabs(term) < 0x1p-56) break;
    last = fabs(term);
    double signed_term = k & 2 ? -term : term;
    if (k & 1)
      q += signed_term;
    else
      p += signed_term;
  }
  /* cos and sin of x - (v/2 + 1/4) pi, the phase of v reduced exactly */
  double cos_phase = sy_cospi(0.5 * v + 0.25), sin_phase = sy_sinpi(0.5 * v + 0.25);
  double cos_x = cos(x), sin_x = sin(x);
  double c = cos_x * cos_phase + sin_x * sin_phase;
  double s = sin_x * cos_phase - cos_x * sin_phase;
  double scale = sqrt(2 / (SY_PI * x));
  sy_bessel_pair r;
  r.j = scale * (p * c - q * s);
  r.y = scale * (p * s + q * c);
  return r;
}

/* J'_v / J_v by continued fraction (DLMF 10.10.1), and the sign of J_v relative to the
 * sequence below it. */
SY_FN_SLOW double sy_bessel_log_derivative(double v, double x, int *sign) {
  const double tiny = 0x1p-900;
  double b = 2 * v / x;
  double h = v / x;
  h = fabs(h) < tiny ? tiny : h;
  double c = h, d = 0;
  *sign = 1;
  for (int i = 0; i < 10000000; i++) {
    b += 2 / x;
    d = b - d;
    d = fabs(d) < tiny ? tiny : d;
    c = b - 1 / c;
    c = fabs(c) < tiny ? tiny : c;
    d = 1 / d;
    double factor = c * d;
    h *= factor;
    if (d < 0) *sign = -*sign;
    if (fabs(factor - 1) < 0x1p-52) break;
  }
  return h;
}

/* p + iq = (J'_m + i Y'_m)/(J_m + i Y_m) for |m| <= x by continued fraction (DLMF 10.10 with
 * the Hankel functions; x >= 1), evaluated with Steed's and Lentz's algorithms. */
SY_FN_SLOW void sy_bessel_hankel_ratio(double m, double x, double *p, double *q) {
  double a = 0.25 - m * m;
  double re = -0.5 / x, im = 1;
  double b_re = 2 * x, b_im = 2;
  double t = a / (x * (re * re + im * im));
  double c_re = b_re + im * t, c_im = b_im + re * t;
  double n = b_re * b_re + b_im * b_im;
  double d_re = b_re / n, d_im = -b_im / n;
  double f_re = c_re * d_re - c_im * d_im, f_im = c_re * d_im + c_im * d_re;
  t = re * f_re - im * f_im;
  im = re * f_im + im * f_re;
  re = t;
  for (int k = 2; k < 100000; k++) {
    a += 2 * (k - 1);
    b_im += 2;
    d_re = a * d_re + b_re;
    d_im = a * d_im + b_im;
    n = c_re * c_re + c_im * c_im;
    c_re = b_re + a * c_re / n;
    c_im = b_im - a * c_im / n;
    n = d_re * d_re + d_im * d_im;
    d_re /= n;
    d_im = -d_im / n;
    f_re = c_re * d_re - c_im * d_im;
    f_im = c_re * d_im + c_im * d_re;
    t = re * f_re - im * f_im;
    im = re * f_im + im * f_re;
    re = t;
    if (fabs(f_re - 1) + fabs(f_im) < 0x1p-52) break;
  }
  *p = re;
  *q = im;
}

/* J and Y at two neighbouring orders. */
typedef struct {
  sy_bessel_pair here;
  sy_bessel_pair above;
} sy_bessel_step;

/* From orders v - 1 and v to v and v + 1. */
SY_FN_SLOW sy_bessel_step sy_bessel_up(sy_bessel_step s, double v, double x) {
  double t = 2 * v / x;
  sy_bessel_step r;
  r.here = s.above;
  r.above.j = t * s.above.j - s.here.j;
  r.above.y = t * s.above.y - s.here.y;
  return r;
}

/* J_v by downward recurrence from J'_v / J_v to the order m = v - steps, at which J is jm. */
SY_FN_SLOW double sy_bessel_down(double v, double steps, double jm, double x) {
  int sign;
  double j = 1, scale = 1;
  double derivative = sy_bessel_log_derivative(v, x, &sign);
  for (double i = 0, order = v; i < steps; i += 1, order -= 1) {
    double below = order / x * j + derivative;
    derivative = (order - 1) / x * below - j;
    j = below;
    if (fabs(j) > 0x1p900) {
      j *= 0x1p-900;
      derivative *= 0x1p-900;
      scale *= 0x1p-900;
    }
  }
  return jm / j * scale;
}

/* J_v and Y_v for v >= 0, x >= 25: the asymptotic expansion at an order below 1, recurrence
 * upward, which is stable for J up to v = x and for Y always. */
SY_FN_SLOW sy_bessel_pair sy_bessel_large(double v, double x) {
  double order = v - floor(v);
  double last = x < v ? v - floor(v - x + 1) : v; /* of J by upward recurrence */
  sy_bessel_step s;
  s.here = sy_bessel_asymptotic(order, x);
  s.above = sy_bessel_asymptotic(order + 1, x);
  for (; order < last - 0.5; order += 1) s = sy_bessel_up(s, order + 1, x);
  double j = s.here.j;
  for (; order < v - 0.5; order += 1) s = sy_bessel_up(s, order + 1, x);
  s.here.j = last < v ? sy_bessel_down(v, v - last, j, x) : j;
  return s.here;
}

/* J_v and Y_v for v >= 0, 2 <= x < 25 by Steed's method: the ratio at v, recurrence down to an
 * order m <= x, where J is fixed by the ratio of Hankel functions and the Wronskian. */
SY_FN_SLOW sy_bessel_pair sy_bessel_steed(double v, double x) {
  int sign;
  double steps = v - x + 1.5 > 0 ? floor(v - x + 1.5) : 0;
  double m = v - steps;
  double j = 1, derivative = sy_bessel_log_derivative(v, x, &sign);
  for (double order = v; order > m + 0.5; order -= 1) {
    double below = order / x * j + derivative;
    derivative = (order - 1) / x * below - j;
    j = below;
  }
  double p, q;
  sy_bessel_hankel_ratio(m, x, &p, &q);
  double f = derivative / j;
  double g = (p - f) / q;
  double jm = copysign(sqrt(2 / (SY_PI * x) / ((p - f) * g + q)), sign * j);
  double ym = jm * g;
  double next = g == 0 ? -jm * q : ym * (m / x - p - q / g); /* Y at m + 1 */
  for (double order = m + 1; order < v + 0.5; order += 1) {
    double above = 2 * order / x * next - ym;
    ym = next;
    next = above;
  }
  sy_bessel_pair r;
  r.j = jm / j;
  r.y = ym;
  return r;
}

/* Beyond this order J is computed only where it vanishes or has its asymptotic form. */
#define SY_BESSEL_ORDER_MAX 1e6

/* Bessel function J of real order; NaN for negative x unless the order is an integer. */
SY_FN_SLOW double sy_jv(double v, double x) {
  if (v != v || x != x) return v + x;
  int integral = v == rint(v);
  int odd = integral && v != 2 * rint(0.5 * v);
  double sign = 1;
  if (x < 0) {
    if (!integral) return NAN;
    x = -x;
    sign = odd ? -1 : 1;
  }
  if (v < 0 && integral) {
    v = -v;
    sign = odd ? -sign : sign;
  }
  if (x == 0) return v == 0 ? 1 : v > 0 ? 0 : INFINITY;
  double u = fabs(v);
  if (x == INFINITY || v == -INFINITY) return NAN;
  if (u > SY_BESSEL_ORDER_MAX && 0.5 * u * u > x) /* 0 if its bound (x/2)^u / gamma(u + 1) is */
    return v > 0 && u * (1 + log(0.5 * x / u)) < -760 ? 0 : NAN;
  if (0.25 * x * x <= u + 1) return sign * sy_bessel_series(v, x, -1);
  sy_bessel_pair r = x < 25                 ? sy_bessel_steed(u, x)
                     : x >= 0.5 * u * u ? sy_bessel_asymptotic(u, x)
                                        : sy_bessel_large(u, x);
  /* J_-u = cos(pi u) J_u - sin(pi u) Y_u */
  return sign * (v < 0 ? sy_cospi(u) * r.j - sy_sinpi(u) * r.y : r.j);
}

/* I_v(x) sqrt(2 pi x) e^-x for x large against v^2 (DLMF 10.40.1). */
SY_FN_SLOW double sy_bessel_i_asymptotic(double v, double x) {
  double sum = 1, term = 1, last = INFINITY;
  for (int k = 1; k < 200; k++) {
    double odd = 2 * k - 1;
    term *= -(2 * v - odd) * (2 * v + odd) / (8 * k * x);
    if (fabs(term) >= last || fabs(term) < 0x1p-56) break;
    last = fabs(term);
    sum += term;
  }
  return sum;
}

/* K_v for v >= 0, x >= 2: Steed's continued fraction with Temme's sum at an order m <= 1/2, then
 * upward recurrence. */
SY_FN_SLOW double sy_bessel_k(double v, double x) {
  double steps = floor(v + 0.5);
  double m = v - steps;
  double a = 0.25 - m * m;
  double b = 2 * (1 + x);
  double d = 1 / b, h = d, delta = d;
  double q1 = 0, q2 = 1, c = a, q = a;
  double sum = 1 + q * delta;
  double n = -a;
  for (int i = 1; i < 10000; i++) {
    n -= 2 * i;
    c = -n * c / (i + 1);
    double next = (q1 - b * q2) / n;
    q1 = q2;
    q2 = next;
    q += c * next;
    b += 2;
    d = 1 / (b + n * d);
    delta = (b * d - 1) * delta;
    h += delta;
    double part = q * delta;
    sum += part;
    if (fabs(part) < fabs(sum) * 0x1p-54) break;
  }
  double k = sqrt(SY_PI / (2 * x)) * exp(-x) / sum;
  double next = k * (m + x + 0.5 - a * h) / x;
  for (double order = m + 1; order < v + 0.5; order += 1) {
    double above = 2 * order / x * next + k;
    k = next;
    next = above;
  }
  return k;
}

/* I_v and K_v for large v > 0 and any x > 0 (Debye; DLMF 10.41.3 and 10.41.4). */
typedef struct {
  double i;
  double k;
} sy_modified_pair;

SY_FN_SLOW sy_modified_pair sy_bessel_debye(double v, double x) {
  double z = x / v;
  double root = sqrt(1 + z * z);
  double eta = root + log(z / (1 + root));
  double p = 1 / root, p2 = p * p;
  double u1 = p * (3 - 5 * p2) / 24;
  double u2 = p2 * (81 + p2 * (-462 + 385 * p2)) / 1152;
  double u3 = p * p2 * (30375 + p2 * (-369603 + p2 * (765765 - 425425 * p2))) / 414720;
  double even = 1 + u2 / (v * v), odd = (u1 + u3 / (v * v)) / v;
  sy_modified_pair r;
  r.i = exp(v * eta) * (even + odd) / sqrt(2 * SY_PI * v * root);
  r.k = exp(-v * eta) * (even - odd) * sqrt(SY_PI / (2 * v * root));
  return r;
}

/* I_v and K_v for v >= 0, x > 0, K only where it is asked for, for x >= 2. */
SY_FN_SLOW sy_modified_pair sy_bessel_modified(double v, double x, int with_k) {
  sy_modified_pair r;
  if (v > 1e4) return sy_bessel_debye(v, x);
  r.k = with_k ? sy_bessel_k(v, x) : 0;
  if (x > 1e3 && v < 0.5 * x && sqrt(x * x + v * v) - v * asinh(v / x) > 760) {
    r.i = INFINITY;
  } else if (x >= 25 && x >= 0.5 * v * v) {
    double half = exp(0.5 * x); /* e^x in two factors, which overflow only with the result */
    r.i = half * (sy_bessel_i_asymptotic(v, x) / sqrt(2 * SY_PI * x)) * half;
  } else {
    r.i = sy_bessel_series(v, x, 1);
  }
  return r;
}

/* Modified Bessel function I of real order; NaN for negative x unless the order is an integer. */
SY_FN_SLOW double sy_iv(double v, double x) {
  if (v != v || x != x) return v + x;
  int integral = v == rint(v);
  double sign = 1;
  if (x < 0) {
    if (!integral) return NAN;
    x = -x;
    sign = v != 2 * rint(0.5 * v) ? -1 : 1;
  }
  if (v < 0 && integral) v = -v;
  if (x == 0) return v == 0 ? 1 : v > 0 ? 0 : INFINITY;
  if (x == INFINITY) return NAN;
  if (v == INFINITY) return 0;
  if (v >= 0) return sign * sy_bessel_modified(v, x, 0).i;
  if (0.25 * x * x <= 1 - v && v > -1e4) return sy_bessel_series(v, x, 1);
  /* The series cancels: I_-u = I_u + 2/pi sin(pi u) K_u. */
  sy_modified_pair r = sy_bessel_modified(-v, x, 1);
  return r.i + 2 / SY_PI * sy_sinpi(-v) * r.k;
}

/* Like the others, NaN at infinity, as in SciPy. */
SY_FN_SLOW double sy_j0(double x) { return fabs(x) < INFINITY ? j0(x) : NAN; }
SY_FN_SLOW double sy_j1(double x) { return fabs(x) < INFINITY ? j1(x) : NAN; }
SY_FN_SLOW double sy_i0(double x) { return sy_iv(0, x); }
SY_FN_SLOW double sy_i1(double x) { return x == 0 ? x : sy_iv(1, x); }

SY_SINGLE1(sy_j0)
SY_SINGLE1(sy_j1)
SY_SINGLE1(sy_i0)
SY_SINGLE1(sy_i1)
SY_SINGLE2(sy_jv)
SY_SINGLE2(sy_iv)

#endif
