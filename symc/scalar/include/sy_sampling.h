/* Draws with parameters, by rejection or by search. Attempt t of element i has the blocks i of the
 * counters 2 t and 2 t + 1 after the draw's own. Like all draws these use +, -, *, / and sqrt
 * alone, so logarithms and exponentials are written out (polynomials of FreeBSD's libm). */
#ifndef SY_SAMPLING_H
#define SY_SAMPLING_H

#include "sy_random.h"

#define SY_ATTEMPTS 16384 /* a draw is accepted long before */
#define SY_SECOND_DRAW 32768 /* counters between the two draws of a ratio */
#define SY_SEARCHED 1000 /* where a search ends that rounding keeps from ending */

/* The upper 52 bits of a word as a number inside of (0, 1). */
SY_FN double sy_open_unit(uint64_t word) { return ((double)(int64_t)(word >> 12) + 0.5) * 0x1p-52; }

SY_FN void sy_attempt(uint64_t key, uint64_t counter, uint64_t i, uint64_t *a, uint64_t *b) {
  sy_block block = sy_philox(key, counter, i);
  *a = sy_join(block.w0, block.w1);
  *b = sy_join(block.w2, block.w3);
}

SY_FN double sy_plain_log(double x) { return -0.5 * sy_minus_two_log(x); }

/* exp(x) for x <= 0. */
SY_FN double sy_plain_exp(double x) {
  if (!(x > -700.0)) return x == x ? 0.0 : x;
  double k = x * 1.44269504088896338700 + 6755399441055744.0;
  uint64_t low = sy_bits(k);
  k -= 6755399441055744.0;
  double high = x - k * 6.93147180369123816490e-01, rest = k * 1.90821492927058770002e-10;
  double r = high - rest, t = r * r;
  double c = 4.13813679705723846039e-08;
  c = c * t - 1.65339022054652515390e-06;
  c = c * t + 6.61375632143793436117e-05;
  c = c * t - 2.77777777770155933842e-03;
  c = c * t + 1.66666666666666019037e-01;
  c = r - c * t;
  double y = 1.0 - ((rest - r * c / (2.0 - c)) - high);
  return y * sy_from_bits((low + 1023) << 52);
}

/* The number below which a share u of the normal distribution between -2 and 2 lies (the rational
 * functions of Wichura's AS 241, 1988). */
SY_FN double sy_within_two(double u) {
  double q = (u - 0.5) * 0.95449973610364158560, far = q < 0 ? 0.5 + q : 0.5 - q;
  double r = 0.180625 - q * q, n = 2.5090809287301226727e+3, m = 5.2264952788528545610e+3;
  n = n * r + 3.3430575583588128105e+4, m = m * r + 2.8729085735721942674e+4;
  n = n * r + 6.7265770927008700853e+4, m = m * r + 3.9307895800092710610e+4;
  n = n * r + 4.5921953931549871457e+4, m = m * r + 2.1213794301586595867e+4;
  n = n * r + 1.3731693765509461125e+4, m = m * r + 5.3941960214247511077e+3;
  n = n * r + 1.9715909503065514427e+3, m = m * r + 6.8718700749205790830e+2;
  n = n * r + 1.3314166789178437745e+2, m = m * r + 4.2313330701600911252e+1;
  n = n * r + 3.3871328727963666080e+0, m = m * r + 1.0;
  double near = q * n / m;
  r = sqrt(sy_minus_two_log(far) * 0.5) - 1.6, n = 7.74545014278341407640e-4;
  m = 1.05075007164441684324e-9;
  n = n * r + 2.27238449892691845833e-2, m = m * r + 5.47593808499534494600e-4;
  n = n * r + 2.41780725177450611770e-1, m = m * r + 1.51986665636164571966e-2;
  n = n * r + 1.27045825245236838258e+0, m = m * r + 1.48103976427480074590e-1;
  n = n * r + 3.64784832476320460504e+0, m = m * r + 6.89767334985100004550e-1;
  n = n * r + 5.76949722146069140550e+0, m = m * r + 1.67638483018380384940e+0;
  n = n * r + 4.63033784615654529590e+0, m = m * r + 2.05319162663775882187e+0;
  n = n * r + 1.42343711074968357734e+0, m = m * r + 1.0;
  double rest = q < 0 ? -(n / m) : n / m;
  double found = far < 0.075 ? rest : near;
  return u >= 0 && u <= 1 ? found : NAN;
}

/* log(k!) is (k + 1/2) log(k + 1) - (k + 1) + log(2 pi) / 2 + this. */
SY_FN double sy_stirling_rest(double k) {
  static const double small[10] = {
      0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
      0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
      0.00925546218271273, 0.00833056343336287};
  if (k < 10) return small[(int)k];
  double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

/* A gamma draw is a number times exp of another one (Marsaglia, Tsang 2000): returns the first,
 * of shape 1 at least, and gives the second, 0 unless `shape` is less. */
SY_FN_SLOW double sy_gamma_parts(uint64_t key, uint64_t counter, uint64_t i, double shape,
                                 double *power) {
  double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / (3 * sqrt(d));
  for (int t = 0; t < SY_ATTEMPTS; t++, counter += 2) {
    uint64_t a, b, chance, boost;
    double x, y;
    sy_attempt(key, counter, i, &a, &b);
    sy_attempt(key, counter + 1, i, &chance, &boost);
    sy_normal_pair(a, b, &x, &y);
    double v = 1 + c * x;
    if (!(v > 0)) continue;
    v = v * v * v;
    double u = sy_open_unit(chance), square = x * x;
    if (u >= 1 - 0.0331 * (square * square) &&
        !(sy_plain_log(u) < 0.5 * square + (d - d * v + d * sy_plain_log(v))))
      continue;
    *power = shape < 1 ? sy_plain_log(sy_open_unit(boost)) / shape : 0.0;
    return d * v;
  }
  *power = 0;
  return NAN;
}

SY_FN_SLOW double sy_gamma_draw(uint64_t key, uint64_t counter, uint64_t i, double shape) {
  if (!(shape > 0 && shape < 1e300)) return shape == 0 ? 0.0 : NAN;
  double power, drawn = sy_gamma_parts(key, counter, i, shape, &power);
  return shape < 1 ? drawn * sy_plain_exp(power) : drawn;
}

SY_FN_SLOW double sy_beta_draw(uint64_t key, uint64_t counter, uint64_t i, double a, double b) {
  if (!(a > 0 && b > 0 && a < 1e300 && b < 1e300)) return NAN;
  double more, x = sy_gamma_parts(key, counter, i, a, &more);
  x = sy_plain_log(x) + more;
  double y = sy_gamma_parts(key, counter + SY_SECOND_DRAW, i, b, &more);
  y = sy_plain_log(y) + more;
  double odds = sy_plain_exp(x < y ? x - y : y - x);
  return x < y ? odds / (1 + odds) : 1 / (1 + odds);
}

/* Search from 0 below a mean of 10, else rejection (Hormann 1993: PTRS). */
SY_FN_SLOW int64_t sy_poisson_draw(uint64_t key, uint64_t counter, uint64_t i, double mean) {
  uint64_t first, second;
  if (!(mean >= 0 && mean < 0x1p62)) return -1;
  if (mean < 10) {
    sy_attempt(key, counter, i, &first, &second);
    double left = sy_open_unit(first), p = sy_plain_exp(-mean);
    int64_t k = 0;
    while (left > p && k < SY_SEARCHED) {
      left -= p;
      k++;
      p = p * mean / (double)k;
    }
    return k;
  }
  double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
  double scale = 1.1239 + 1.1328 / (b - 3.4), sure = 0.9277 - 3.6224 / (b - 2);
  for (int t = 0; t < SY_ATTEMPTS; t++, counter += 2) {
    sy_attempt(key, counter, i, &first, &second);
    double u = sy_open_unit(first) - 0.5, v = sy_open_unit(second);
    double us = 0.5 - (u < 0 ? -u : u), k = floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= sure) return (int64_t)k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    double likely = k * sy_plain_log(mean / (k + 1)) + (k + 1 - mean);
    likely = likely - 0.5 * sy_plain_log(k + 1) - 0.91893853320467274178 - sy_stirling_rest(k);
    if (sy_plain_log(v * scale / (a / (us * us) + b)) <= likely) return (int64_t)k;
  }
  return (int64_t)mean;
}

/* Successes in n trials of probability p <= 1/2: search from 0 where few are expected, else
 * rejection (Hormann 1993: BTRS). */
SY_FN_SLOW double sy_few_successes(uint64_t key, uint64_t counter, uint64_t i, double n, double p) {
  uint64_t first, second;
  double q = 1 - p, odds = p / q;
  if (n * p < 10) {
    sy_attempt(key, counter, i, &first, &second);
    double one = p < 0.25 ? sy_minus_two_log_of(-p, 0.0) : sy_minus_two_log(q);
    double left = sy_open_unit(first), chance = sy_plain_exp(n * (-0.5 * one)), k = 0;
    while (left > chance && k < n && k < SY_SEARCHED) {
      left -= chance;
      k += 1;
      chance = chance * odds * (n - k + 1) / k;
    }
    return k;
  }
  double spread = sqrt(n * p * q), b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
  double centre = n * p + 0.5, alpha = (2.83 + 5.1 / b) * spread, sure = 0.92 - 4.2 / b;
  double mode = floor((n + 1) * p);
  double fixed = (mode + 0.5) * sy_plain_log((mode + 1) / (odds * (n - mode + 1)));
  fixed = fixed + sy_stirling_rest(mode) + sy_stirling_rest(n - mode);
  for (int t = 0; t < SY_ATTEMPTS; t++, counter += 2) {
    sy_attempt(key, counter, i, &first, &second);
    double u = sy_open_unit(first) - 0.5, v = sy_open_unit(second);
    double us = 0.5 - (u < 0 ? -u : u), k = floor((2 * a / us + b) * u + centre);
    if (k < 0 || k > n) continue;
    if (us >= 0.07 && v <= sure) return k;
    double likely = fixed + (n + 1) * sy_plain_log((n - mode + 1) / (n - k + 1));
    likely = likely + (k + 0.5) * sy_plain_log(odds * (n - k + 1) / (k + 1));
    likely = likely - sy_stirling_rest(k) - sy_stirling_rest(n - k);
    if (sy_plain_log(v * alpha / (a / (us * us) + b)) <= likely) return k;
  }
  return mode;
}

SY_FN_SLOW int64_t sy_binomial_draw(uint64_t key, uint64_t counter, uint64_t i, double n, double p) {
  if (!(n >= 0 && n <= 0x1p53 && p >= 0 && p <= 1)) return -1;
  double k = sy_few_successes(key, counter, i, n, p > 0.5 ? 1 - p : p);
  return (int64_t)(p > 0.5 ? n - k : k);
}

#endif
