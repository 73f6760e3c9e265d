/* The transpose of as many vectors as one has elements, for one real type: SY_T, SY_BITS, SY_R(name)
 * and SY_VECTOR_BYTES as in narrow_body.h. Each stage interleaves the first half of the vectors with
 * the second. */

static inline __attribute__((always_inline, unused)) void SY_R(sy_transpose_)(SY_R(sy_vector_) * v) {
  enum { W = SY_VECTOR_BYTES / sizeof(SY_T) };
  typedef SY_BITS lanes __attribute__((vector_size(SY_VECTOR_BYTES), may_alias));
  lanes low, high;
#pragma GCC unroll 16
  for (int l = 0; l < W; l++) {
    low[l] = (SY_BITS)(l / 2 + l % 2 * W);
    high[l] = low[l] + W / 2;
  }
#pragma GCC unroll 4
  for (int stage = 1; stage < W; stage *= 2) {
    SY_R(sy_vector_) next[W];
#pragma GCC unroll 16
    for (int l = 0; l < W / 2; l++) {
      next[2 * l] = __builtin_shuffle(v[l], v[l + W / 2], low);
      next[2 * l + 1] = __builtin_shuffle(v[l], v[l + W / 2], high);
    }
#pragma GCC unroll 16
    for (int l = 0; l < W; l++) v[l] = next[l];
  }
}
