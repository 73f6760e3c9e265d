/* Polynomials of the vector functions.
 *
 * All coefficients were computed for this project: Remez exchange in 200-bit arithmetic, leading
 * coefficients rounded one at a time and the rest fitted again. The comment above each names the
 * function, the interval and the bound of the relative error of the function it serves. */
#ifndef SY_POLY_H
#define SY_POLY_H

#include "sy_base.h"

/* (e^r - 1 - r) / r^2 for |r| <= ln(2)/2; e^r to 2^-57. Even and odd terms are in chains of their
 * own: fewer operations wait for each other. */
SY_FN double sy_exp_tail(double r) {
  double square = r * r;
  double odd = 0x1.adab7c1639781p-26, even = 0x1.28adf5b28143cp-22;
  odd = fma(odd, square, 0x1.71df0887be45ep-19);
  even = fma(even, square, 0x1.a019996596d89p-16);
  odd = fma(odd, square, 0x1.a01a0137c7c85p-13);
  even = fma(even, square, 0x1.6c16c18475257p-10);
  odd = fma(odd, square, 0x1.1111111125208p-7);
  even = fma(even, square, 0x1.55555555506c1p-5);
  odd = fma(odd, square, 0x1.5555555555505p-3);
  even = fma(even, square, 0x1.000000000000ap-1);
  return fma(odd, r, even);
}

/* The same to 2^-28. */
SY_FN float sy_exp_tailf(float r) {
  float p = 0x1.6ac82p-10f;
  p = fmaf(p, r, 0x1.123de8p-7f);
  p = fmaf(p, r, 0x1.555858p-5f);
  p = fmaf(p, r, 0x1.55548cp-3f);
  return fmaf(p, r, 0x1.fffffcp-2f);
}

/* (e^r - 1 - r) / r^2 for |r| <= ln(2)/2; e^r - 1 to 2^-60. */
SY_FN double sy_expm1_tail(double r) {
  double square = r * r;
  double odd = 0x1.2019a2a9449abp-29, even = 0x1.af621667e35c9p-26;
  odd = fma(odd, square, 0x1.27e4747738d43p-22);
  even = fma(even, square, 0x1.71ddf6d981676p-19);
  odd = fma(odd, square, 0x1.a01a01d2d1a2cp-16);
  even = fma(even, square, 0x1.a01a01b04cb25p-13);
  odd = fma(odd, square, 0x1.6c16c16c0ed43p-10);
  even = fma(even, square, 0x1.111111110f619p-7);
  odd = fma(odd, square, 0x1.5555555555561p-5);
  even = fma(even, square, 0x1.5555555555559p-3);
  return fma(fma(odd, r, even), r, 0.5);
}

/* The same to 2^-27. */
SY_FN float sy_expm1_tailf(float r) {
  float p = 0x1.38f53ap-12f;
  p = fmaf(p, r, 0x1.6ce2fp-10f);
  p = fmaf(p, r, 0x1.107f5p-7f);
  p = fmaf(p, r, 0x1.555536p-5f);
  p = fmaf(p, r, 0x1.5555bp-3f);
  return fmaf(p, r, 0.5f);
}

/* Numerator and denominator of (tanh(x)/x - 1)/x^2 with z = x^2, |x| <= SY_TANH_SMALL; tanh to
 * 2^-57. */
SY_FN double sy_tanh_top(double z) {
  double p = fma(z, -0x1.a13443b6423afp-13, -0x1.4fc37e159bf91p-6);
  return fma(p, z, -0x1.5555555555550p-2);
}

SY_FN double sy_tanh_bottom(double z) {
  double p = fma(z, 0x1.b09833a984dedp-13, 0x1.7d7caa5df1c6ep-6);
  p = fma(p, z, 0x1.d88e413da6ac3p-2);
  return fma(p, z, 1.0);
}

/* The same to 2^-28. */
SY_FN float sy_tanh_topf(float z) { return fmaf(z, -0x1.963f16p-10f, -0x1.55554cp-2f); }

SY_FN float sy_tanh_bottomf(float z) { return fmaf(z, 0x1.9e5a26p-2f, 1.0f); }

/* log(1 + f) - f for sqrt(1/2) <= 1 + f <= sqrt(2); log(1 + f) to 2^-59.
 * With s = f/(2 + f): log(1 + f) = 2 atanh(s) = 2s + s*R(s^2) and f - 2s = s*f. */
SY_FN double sy_log1p_tail(double f) {
  double s = f / (2.0 + f);
  double z = s * s;
  double half_square = 0.5 * f * f;
  double p = 0x1.2f1276e074566p-3;
  p = fma(p, z, 0x1.39a080afc408dp-3);
  p = fma(p, z, 0x1.74664a55f2eb1p-3);
  p = fma(p, z, 0x1.c71c51d58676ap-3);
  p = fma(p, z, 0x1.249249422bd1ap-2);
  p = fma(p, z, 0x1.999999997f9f4p-2);
  p = fma(p, z, 0x1.5555555555593p-1);
  return fma(s, fma(p, z, half_square), -half_square);
}

/* The same to 2^-32, without the division. */
SY_FN float sy_log1p_tailf(float f) {
  float p = -0x1.c00ebep-5f;
  p = fmaf(p, f, 0x1.a9a73ep-4f);
  p = fmaf(p, f, -0x1.bfda6ap-4f);
  p = fmaf(p, f, 0x1.c64b6ep-4f);
  p = fmaf(p, f, -0x1.fc823ep-4f);
  p = fmaf(p, f, 0x1.2478b6p-3f);
  p = fmaf(p, f, -0x1.5565aap-3f);
  p = fmaf(p, f, 0x1.999abcp-3f);
  p = fmaf(p, f, -0x1.ffffccp-3f);
  p = fmaf(p, f, 0x1.555554p-2f);
  p = fmaf(p, f, -0.5f);
  return p * (f * f);
}

/* (atanh(s)/s - 1)/s^2 * 2 - 2/3, divided by z = s^2, for |s| <= 3 - 2 sqrt(2); atanh to 2^-66. */
SY_FN double sy_atanh_tail(double z) {
  double p = 0x1.0e48e9accbbedp-3;
  p = fma(p, z, 0x1.0f7f4716e3494p-3);
  p = fma(p, z, 0x1.3b1ef2975ae4fp-3);
  p = fma(p, z, 0x1.745ce9c16a1ep-3);
  p = fma(p, z, 0x1.c71c722dc2aeep-3);
  p = fma(p, z, 0x1.249249245798p-2);
  return fma(p, z, 0x1.9999999999b32p-2);
}

/* The same to 2^-36. */
SY_FN float sy_atanh_tailf(float z) {
  float p = 0x1.dfa31ap-3f;
  p = fmaf(p, z, 0x1.24527ap-2f);
  return fmaf(p, z, 0x1.999ap-2f);
}

/* (r - sin(r))/r^3 with z = r^2, |r| <= 0.79; sin to 2^-57. */
SY_FN double sy_sin_tail(double z) {
  double p = -0x1.5d783283df9f3p-33;
  p = fma(p, z, 0x1.ae5e09b4a19fcp-26);
  p = fma(p, z, -0x1.71de350149175p-19);
  p = fma(p, z, 0x1.a01a019b8859bp-13);
  p = fma(p, z, -0x1.111111110f425p-7);
  return fma(p, z, 0x1.5555555555546p-3);
}

/* The same to 2^-27. */
SY_FN float sy_sin_tailf(float z) {
  float p = 0x1.9922p-13f;
  p = fmaf(p, z, -0x1.1106dp-7f);
  return fmaf(p, z, 0x1.555544p-3f);
}

/* (1 - cos(r))/r^2 with z = r^2, |r| <= 0.79; cos to 2^-63. */
SY_FN double sy_cos_tail(double z) {
  double p = 0x1.8f8bbe79af76bp-37;
  p = fma(p, z, -0x1.1ee9a828d42c3p-29);
  p = fma(p, z, 0x1.27e4f7a58d92fp-22);
  p = fma(p, z, -0x1.a01a019c25978p-16);
  p = fma(p, z, 0x1.6c16c16c14bd3p-10);
  p = fma(p, z, -0x1.5555555555549p-5);
  return fma(p, z, 0.5);
}

/* The same to 2^-32. */
SY_FN float sy_cos_tailf(float z) {
  float p = -0x1.99e42cp-16f;
  p = fmaf(p, z, 0x1.6c0c2p-10f);
  p = fmaf(p, z, -0x1.55554ap-5f);
  return fmaf(p, z, 0.5f);
}

/* erf(x)/x - 1 with z = x^2, |x| <= 1; erf to 2^-56. */
SY_FN double sy_erf_small(double z) {
  double p = -0x1.a0c74aba747fdp-31;
  p = fma(p, z, 0x1.d36137f77d0f9p-27);
  p = fma(p, z, -0x1.5b7abdbf8f4f2p-23);
  p = fma(p, z, 0x1.b96888ad522fap-20);
  p = fma(p, z, -0x1.f4c7e92ddce81p-17);
  p = fma(p, z, 0x1.f9a2926e2f689p-14);
  p = fma(p, z, -0x1.c02dae8d209b6p-11);
  p = fma(p, z, 0x1.565bccede40f3p-8);
  p = fma(p, z, -0x1.b82ce311a34a5p-6);
  p = fma(p, z, 0x1.ce2f21a03f794p-4);
  p = fma(p, z, -0x1.812746b03799cp-2);
  return fma(p, z, 0x1.06eba8214db68p-3);
}

/* The same to 2^-29. */
SY_FN float sy_erf_smallf(float z) {
  float p = 0x1.4c341ep-14f;
  p = fmaf(p, z, -0x1.a50b02p-11f);
  p = fmaf(p, z, 0x1.542e1p-8f);
  p = fmaf(p, z, -0x1.b7fe9p-6f);
  p = fmaf(p, z, 0x1.ce2d5p-4f);
  p = fmaf(p, z, -0x1.81274p-2f);
  return fmaf(p, z, 0x1.06eba8p-3f);
}

/* (1 + 2x) e^(x^2) erfc(x) less SY_ERFCX_START, its value at x = 4, with t = (x - 4)/(x + 4),
 * 0.79 <= x <= 27.3; the whole to 2^-58. */
SY_FN double sy_erfcx_tail(double t) {
  double t2 = t * t; /* even and odd terms apart: half the latency */
  double odd = -0x1.f77591983983p-27;
  odd = fma(odd, t2, 0x1.38523e1f141e7p-24);
  odd = fma(odd, t2, 0x1.3b8b929d6f853p-22);
  odd = fma(odd, t2, -0x1.7888afcbe89c3p-17);
  odd = fma(odd, t2, 0x1.3be04531f3b8fp-13);
  odd = fma(odd, t2, -0x1.8d4a99eaed53p-11);
  odd = fma(odd, t2, -0x1.0962388548b7ap-6);
  odd = fma(odd, t2, -0x1.0fb06dfe47c49p-4);
  odd = fma(odd, t2, -0x1.9ddb23c3e91dp-4);
  odd = fma(odd, t2, 0x1.f7f5df66fd7d4p-7);
  double even = -0x1.d00281256d70ap-28;
  even = fma(even, t2, 0x1.9e411a841be78p-24);
  even = fma(even, t2, -0x1.b44ce2e390ac3p-21);
  even = fma(even, t2, 0x1.7eb2ed7a59879p-18);
  even = fma(even, t2, -0x1.994f33cab0157p-16);
  even = fma(even, t2, -0x1.a1df6bed3ea73p-13);
  even = fma(even, t2, 0x1.49c672d43ae94p-8);
  even = fma(even, t2, 0x1.3079edf5b1ab4p-5);
  even = fma(even, t2, 0x1.7fee004e17268p-4);
  even = fma(even, t2, 0x1.16ecefcfa51f4p-4);
  double p = fma(even, t, odd);
  p = fma(p, t, -0x1.1df1ad154a28dp-3);
  return fma(p, t, -0x1.aa9c415679e6fp-55);
}

/* The same on 0.79 <= x <= 10.1, to 2^-28. */
SY_FN float sy_erfcx_tailf(float t) {
  float p = 0x1.629982p-8f;
  p = fmaf(p, t, -0x1.0ce946p-6f);
  p = fmaf(p, t, 0x1.2ef13ep-5f);
  p = fmaf(p, t, -0x1.0fa9f2p-4f);
  p = fmaf(p, t, 0x1.800b5ap-4f);
  p = fmaf(p, t, -0x1.9dd8b8p-4f);
  p = fmaf(p, t, 0x1.16eb54p-4f);
  p = fmaf(p, t, 0x1.f7f4c8p-7f);
  p = fmaf(p, t, -0x1.1df1aap-3f);
  return fmaf(p, t, -0x1.22c05p-25f);
}

/* (atan(q)/q - 1)/q^2 with z = q^2, |q| <= 1; atan to 2^-56. */
SY_FN double sy_atan_tail(double z) {
  double z2 = z * z; /* even and odd terms apart: half the latency */
  double even = -0x1.3e65bc68787dp-13;
  even = fma(even, z2, -0x1.799d7244d8e82p-9);
  even = fma(even, z2, -0x1.c72ec3596eb37p-7);
  even = fma(even, z2, -0x1.e9d4a8c261ff6p-6);
  even = fma(even, z2, -0x1.599ef4a685f78p-5);
  even = fma(even, z2, -0x1.ae5df979d6fecp-5);
  even = fma(even, z2, -0x1.110e4f613c01ap-4);
  even = fma(even, z2, -0x1.745d11ab67515p-4);
  even = fma(even, z2, -0x1.249249237f1fcp-3);
  double odd = 0x1.ba91b6615dbcp-17;
  odd = fma(odd, z2, 0x1.b314121ef8453p-11);
  odd = fma(odd, z2, 0x1.d7288c4653481p-8);
  odd = fma(odd, z2, 0x1.680c06778f2d8p-6);
  odd = fma(odd, z2, 0x1.2c2350e6214d3p-5);
  odd = fma(odd, z2, 0x1.82d912623c466p-5);
  odd = fma(odd, z2, 0x1.e1bb8e2036726p-5);
  odd = fma(odd, z2, 0x1.3b13666bfc666p-4);
  odd = fma(odd, z2, 0x1.c71c717fb2217p-4);
  double p = fma(odd, z, even);
  p = fma(p, z, 0x1.99999999955b7p-3);
  return fma(p, z, -0x1.5555555555526p-2);
}

/* The same to 2^-27. */
SY_FN float sy_atan_tailf(float z) {
  float p = -0x1.d4cf88p-10f;
  p = fmaf(p, z, 0x1.64ddb2p-7f);
  p = fmaf(p, z, -0x1.fe11fep-6f);
  p = fmaf(p, z, 0x1.da66fp-5f);
  p = fmaf(p, z, -0x1.58169ep-4f);
  p = fmaf(p, z, 0x1.c08f56p-4f);
  p = fmaf(p, z, -0x1.2420a8p-3f);
  p = fmaf(p, z, 0x1.9991e4p-3f);
  return fmaf(p, z, -0x1.55553ep-2f);
}

/* (asin(s)/s - 1)/s^2 with z = s^2, |s| <= 1/2; asin to 2^-55. */
SY_FN double sy_asin_tail(double z) {
  double p = 0x1.05faa310f91abp-5;
  p = fma(p, z, -0x1.0b74c953cf7f4p-6);
  p = fma(p, z, 0x1.4102a40b1769ap-6);
  p = fma(p, z, 0x1.aa3eb803eda52p-8);
  p = fma(p, z, 0x1.8ef20de1590b8p-7);
  p = fma(p, z, 0x1.c6f6773bfd1acp-7);
  p = fma(p, z, 0x1.1c6c41d111559p-6);
  p = fma(p, z, 0x1.6e89edc157c65p-6);
  p = fma(p, z, 0x1.f1c72c7fa4f43p-6);
  p = fma(p, z, 0x1.6db6db419ad2dp-5);
  p = fma(p, z, 0x1.333333336fe16p-4);
  return fma(p, z, 0x1.5555555555384p-3);
}

/* The same to 2^-31. */
SY_FN float sy_asin_tailf(float z) {
  float p = 0x1.349b2cp-5f;
  p = fmaf(p, z, 0x1.d59098p-7f);
  p = fmaf(p, z, 0x1.04ccc2p-5f);
  p = fmaf(p, z, 0x1.6ca7ep-5f);
  p = fmaf(p, z, 0x1.3338aap-4f);
  return fmaf(p, z, 0x1.55554cp-3f);
}

/* (1 + f)^(-1/3) for sqrt(1/2) <= 1 + f <= sqrt(2), to 2^-11. */
SY_FN double sy_rcbrt_start(double f) {
  double p = -0x1.18ff2c87c167fp-3;
  p = fma(p, f, 0x1.e42140295f626p-3);
  p = fma(p, f, -0x1.5883d46f93061p-2);
  return fma(p, f, 0x1.ffe2c2dfe453fp-1);
}

/* The same. */
SY_FN float sy_rcbrt_startf(float f) {
  float p = -0x1.19043cp-3f;
  p = fmaf(p, f, 0x1.e42212p-3f);
  p = fmaf(p, f, -0x1.58839cp-2f);
  return fmaf(p, f, 0x1.ffe2c2p-1f);
}

#endif
