/* Body of the run of sin and cos; read once per precision by sy_sin_cos.h. */

/* Both, bit for bit, of a near angle. They change places in odd quarters: by bits, because
 * compilers make branches of a choice, and then compute each value twice. */
SY_FN void SY_NAME(sin_cos_near)(SY_REAL x, SY_REAL *sine, SY_REAL *cosine) {
  SY_NAME(angle) a = SY_NAME(reduce_angle)(x);
  SY_REAL z = a.r * a.r;
  SY_REAL s = a.r - SY_LIBM(fma)(a.r * z, SY_NAME(sin_tail)(z), a.rest);
  SY_REAL c = 1 - SY_LIBM(fma)(z, SY_NAME(cos_tail)(z), -(a.rest * a.r));
  SY_UINT swap = (SY_NAME(bits)(s) ^ SY_NAME(bits)(c)) & -(a.n & 1);
  const int up = sizeof a.n * 8 - 2;
  *sine = SY_NAME(from_bits)(SY_NAME(bits)(s) ^ swap ^ ((a.n << up) & SY_SIGN));
  *cosine = SY_NAME(from_bits)(SY_NAME(bits)(c) ^ swap ^ (((a.n + 1) << up) & SY_SIGN));
}

/* sin and cos of n angles, which overlap neither result. The last vector is whole: it begins
 * before the end of the one before it. Far angles are looked for once all is done. */
SY_FN void SY_NAME(sin_cos)(SY_REAL *sines, SY_REAL *cosines, const SY_REAL *x, int64_t n) {
  enum { lanes = 64 / sizeof(SY_REAL) };
  SY_REAL few[3][lanes] = {{0}}, far[lanes] = {0};
  const SY_REAL *from = x;
  SY_REAL *s = sines, *c = cosines;
  if (n < lanes) {
    for (int64_t k = 0; k < n; k++) few[0][k] = x[k];
    from = few[0], s = few[1], c = few[2];
  }
  const int64_t last = n < lanes ? 0 : n - lanes;
  for (int64_t i = 0;; i = i + lanes < last ? i + lanes : last) {
#pragma omp simd
    for (int k = 0; k < lanes; k++) {
      SY_NAME(sin_cos_near)(from[i + k], &s[i + k], &c[i + k]);
      far[k] = SY_NAME(is_far)(from[i + k]) ? (SY_REAL)1 : far[k];
    }
    if (i == last) break;
  }
  for (int64_t k = 0; k < n && n < lanes; k++) sines[k] = s[k], cosines[k] = c[k];
  SY_REAL any = 0;
  for (int k = 0; k < lanes; k++) any += far[k];
  for (int64_t k = 0; k < n && any != 0; k++) {
    sines[k] = SY_NAME(far_trig)(x[k], sines[k], SY_WHICH_SIN);
    cosines[k] = SY_NAME(far_trig)(x[k], cosines[k], SY_WHICH_COS);
  }
}
