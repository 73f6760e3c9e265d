/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): a counter-based generator. The words are those
 * of the published algorithm for the counter (block, counter) and the key, low halves first. What
 * is drawn uses integers, +, -, *, / and sqrt alone, so that it is the same on every machine. */
#ifndef SY_RANDOM_H
#define SY_RANDOM_H

#include "sy_base.h"

typedef struct {
  uint32_t w0, w1, w2, w3;
} sy_block;

SY_FN sy_block sy_philox(uint64_t key, uint64_t counter, uint64_t block) {
  uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
  uint32_t c2 = (uint32_t)counter, c3 = (uint32_t)(counter >> 32);
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
#define SY_PHILOX_ROUND                                                        \
  {                                                                            \
    uint64_t p0 = (uint64_t)c0 * 0xD2511F53u, p1 = (uint64_t)c2 * 0xCD9E8D57u; \
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;                              \
    uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;                              \
    c1 = (uint32_t)p1;                                                         \
    c3 = (uint32_t)p0;                                                         \
    c0 = n0;                                                                   \
    c2 = n2;                                                                   \
    k0 += 0x9E3779B9u;                                                         \
    k1 += 0xBB67AE85u;                                                         \
  }
  SY_PHILOX_ROUND SY_PHILOX_ROUND SY_PHILOX_ROUND SY_PHILOX_ROUND SY_PHILOX_ROUND
  SY_PHILOX_ROUND SY_PHILOX_ROUND SY_PHILOX_ROUND SY_PHILOX_ROUND SY_PHILOX_ROUND
#undef SY_PHILOX_ROUND
  return (sy_block){c0, c1, c2, c3};
}

SY_FN uint64_t sy_join(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }

/* Element i: group i / 128, word (i % 128) / 32, lane i % 32. */
SY_FN uint32_t sy_philox32(uint64_t key, uint64_t counter, uint64_t i) {
  sy_block b = sy_philox(key, counter, (i >> 7 << 5) | (i & 31));
  uint32_t even = i >> 6 & 1 ? b.w2 : b.w0, odd = i >> 6 & 1 ? b.w3 : b.w1;
  return i >> 5 & 1 ? odd : even;
}

/* Element i: group i / 64, half (i % 64) / 32, lane i % 32. */
SY_FN uint64_t sy_philox64(uint64_t key, uint64_t counter, uint64_t i) {
  sy_block b = sy_philox(key, counter, (i >> 6 << 5) | (i & 31));
  return i >> 5 & 1 ? sy_join(b.w2, b.w3) : sy_join(b.w0, b.w1);
}

/* A number below `count`: the upper half of the product of 128 bits. */
SY_FN uint64_t sy_below(uint64_t word, uint64_t count) {
  uint64_t a = word >> 32, b = word & 0xFFFFFFFFu, c = count >> 32, d = count & 0xFFFFFFFFu;
  uint64_t middle = a * d + (b * d >> 32), rest = b * c + (middle & 0xFFFFFFFFu);
  return a * c + (middle >> 32) + (rest >> 32);
}

/* ------------------------------------------------------------- normal draws: Box, Muller 1958 */

/* -2 log(x) for a positive normal x (Cephes' polynomial, without fma). */
SY_FN float sy_minus_two_logf(float x) {
  uint32_t bits = sy_bitsf(x);
  int32_t e = (int32_t)(bits - 0x3F3504F3u) >> 23;
  float f = sy_from_bitsf(bits - ((uint32_t)e << 23)) - 1.0f, k = (float)e, z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  p = p * f * z + k * -2.12194440e-4f;
  return -2.0f * (f + (p - 0.5f * z) + k * 0.693359375f);
}

/* -2 log((1 + f) 2^k) in double precision (the polynomial of FreeBSD's e_log.c). */
SY_FN double sy_minus_two_log_of(double f, double k) {
  double s = f / (2.0 + f), z = s * s, half = 0.5 * (f * f);
  double p = 1.479819860511658591e-01;
  p = p * z + 1.531383769920937332e-01;
  p = p * z + 1.818357216161805012e-01;
  p = p * z + 2.222219843214978396e-01;
  p = p * z + 2.857142874366239149e-01;
  p = p * z + 3.999999999940941908e-01;
  p = p * z + 6.666666666666735130e-01;
  p = s * (half + p * z) + k * 1.90821492927058770002e-10;
  return -2.0 * (k * 6.93147180369123816490e-01 - ((half - p) - f));
}

SY_FN double sy_minus_two_log(double x) {
  uint64_t bits = sy_bits(x);
  uint64_t e = (bits - 0x3FE6A09E667F3BCDu + ((uint64_t)1023 << 52)) >> 52;
  double k = sy_from_bits(0x4330000000000000u | e) - (4503599627370496.0 + 1023.0);
  return sy_minus_two_log_of(sy_from_bits(bits - ((e - 1023) << 52)) - 1.0, k);
}

/* Two normal draws of two words. The upper two bits of `b` choose a quadrant, the others an angle
 * from -pi/4 to pi/4 in it. */
SY_FN void sy_normal_pairf(uint32_t a, uint32_t b, float *x, float *y) {
  float u = ((float)(int32_t)(a >> 1) + 0.5f) * 0x1p-31f;
  float r = sqrtf(sy_minus_two_logf(u));
  float t = (sy_from_bitsf(0x3F800000u | b << 2 >> 9) - 1.5f) * 1.57079632679489662f, z = t * t;
  float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * t + t;
  float c = (2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f;
  c = c * z * z - 0.5f * z + 1.0f;
  uint32_t q = b >> 30, turned = 0u - (q & 1);
  uint32_t even = sy_bitsf(c), odd = sy_bitsf(s), swap = (even ^ odd) & turned;
  *x = r * sy_from_bitsf(even ^ swap ^ (q + 1) >> 1 << 31);
  *y = r * sy_from_bitsf(odd ^ swap ^ q >> 1 << 31);
}

SY_FN void sy_normal_pair(uint64_t a, uint64_t b, double *x, double *y) {
  double u = sy_from_bits(0x3FF0000000000000u | a >> 12) - (1.0 - 0x1p-53);
  double r = sqrt(sy_minus_two_log(u));
  double t = sy_from_bits(0x3FF0000000000000u | b << 2 >> 12) - 1.5, z, s, c;
  t = t * 1.57079632679489662;
  z = t * t;
  s = 1.58969099521155010221e-10;
  s = s * z - 2.50507602534068634195e-08;
  s = s * z + 2.75573137070700676789e-06;
  s = s * z - 1.98412698298579493134e-04;
  s = s * z + 8.33333333332248946124e-03;
  s = s * z - 1.66666666666666324348e-01;
  s = s * z * t + t;
  c = -1.13596475577881948265e-11;
  c = c * z + 2.08757232129817482790e-09;
  c = c * z - 2.75573143513906633035e-07;
  c = c * z + 2.48015872894767294178e-05;
  c = c * z - 1.38888888888741095749e-03;
  c = c * z + 4.16666666666666019037e-02;
  c = c * z * z - 0.5 * z + 1.0;
  uint64_t q = b >> 62, turned = (uint64_t)0 - (q & 1);
  uint64_t even = sy_bits(c), odd = sy_bits(s), swap = (even ^ odd) & turned;
  *x = r * sy_from_bits(even ^ swap ^ (q + 1) >> 1 << 63);
  *y = r * sy_from_bits(odd ^ swap ^ q >> 1 << 63);
}

/* Element i: group i / 128; of the two pairs of words of a block, the first makes the draws of
 * lanes 0-31 and 32-63, the second those of lanes 64-95 and 96-127. */
SY_FN float sy_normal32(uint64_t key, uint64_t counter, uint64_t i) {
  sy_block b = sy_philox(key, counter, (i >> 7 << 5) | (i & 31));
  float x, y;
  sy_normal_pairf(i >> 6 & 1 ? b.w2 : b.w0, i >> 6 & 1 ? b.w3 : b.w1, &x, &y);
  return i >> 5 & 1 ? y : x;
}

/* Element i: group i / 64; a block makes the draws of lanes 0-31 and 32-63. */
SY_FN double sy_normal64(uint64_t key, uint64_t counter, uint64_t i) {
  sy_block b = sy_philox(key, counter, (i >> 6 << 5) | (i & 31));
  double x, y;
  sy_normal_pair(sy_join(b.w0, b.w1), sy_join(b.w2, b.w3), &x, &y);
  return i >> 5 & 1 ? y : x;
}

#endif
