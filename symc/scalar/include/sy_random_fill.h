/* Draws of many consecutive elements: a block of the generator is computed once and serves all
 * the elements that its words belong to (sy_random.h has the map). */
#ifndef SY_RANDOM_FILL_H
#define SY_RANDOM_FILL_H

#include "sy_random.h"

#if defined(__AVX512F__)
#define SY_LANES 8
#elif defined(__AVX2__)
#define SY_LANES 4
#endif

#if defined(__GNUC__) && defined(SY_LANES)
/* Compilers do not find the instruction that multiplies the lower halves of 64-bit lanes, so the
 * rounds are written for vectors. Upper halves of lanes hold rubbish where nothing reads them. */
typedef uint64_t sy_words __attribute__((vector_size(8 * SY_LANES)));
typedef int32_t sy_halves __attribute__((vector_size(8 * SY_LANES)));

SY_FN sy_words sy_multiply_lower(sy_words a, uint32_t by) {
  sy_words b = (sy_words){0} + by;
#if defined(__clang__)
  return (a & 0xFFFFFFFFu) * b;
#elif SY_LANES == 8
  typedef long long sy_none __attribute__((vector_size(64)));
  return (sy_words)__builtin_ia32_pmuludq512_mask((sy_halves)a, (sy_halves)b, (sy_none){0}, 255);
#else
  return (sy_words)__builtin_ia32_pmuludq256((sy_halves)a, (sy_halves)b);
#endif
}

/* The words of the 32 blocks of a group: word w of block `lane` is element 32 w + lane. */
SY_FN_SLOW void sy_philox_group(uint32_t *out, uint64_t key, uint64_t counter, uint64_t group) {
  sy_words count;
  for (int j = 0; j < SY_LANES; j++) count[j] = (uint64_t)j;
  for (int first = 0; first < 32; first += 2 * SY_LANES) {
    sy_words c0[2], c1[2], c2[2], c3[2];
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int j = 0; j < 2; j++) {
      c0[j] = count + ((group << 5) + (uint64_t)(first + j * SY_LANES));
      c1[j] = c0[j] >> 32;
      c2[j] = (sy_words){0} + counter;
      c3[j] = c2[j] >> 32;
    }
    for (int round = 0; round < 10; round++) {
      for (int j = 0; j < 2; j++) {
        sy_words p0 = sy_multiply_lower(c0[j], 0xD2511F53u);
        sy_words p1 = sy_multiply_lower(c2[j], 0xCD9E8D57u);
        c0[j] = (p1 >> 32) ^ c1[j] ^ (uint64_t)k0;
        c2[j] = (p0 >> 32) ^ c3[j] ^ (uint64_t)k1;
        c1[j] = p1;
        c3[j] = p0;
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    for (int j = 0; j < 2; j++) {
      uint32_t *to = out + first + j * SY_LANES;
      for (int k = 0; k < SY_LANES; k++) to[k] = (uint32_t)c0[j][k];
      for (int k = 0; k < SY_LANES; k++) to[32 + k] = (uint32_t)c1[j][k];
      for (int k = 0; k < SY_LANES; k++) to[64 + k] = (uint32_t)c2[j][k];
      for (int k = 0; k < SY_LANES; k++) to[96 + k] = (uint32_t)c3[j][k];
    }
  }
}
#else
SY_FN_SLOW void sy_philox_group(uint32_t *out, uint64_t key, uint64_t counter, uint64_t group) {
#pragma omp simd
  for (int lane = 0; lane < 32; lane++) {
    sy_block b = sy_philox(key, counter, (group << 5) + (uint64_t)lane);
    out[lane] = b.w0;
    out[32 + lane] = b.w1;
    out[64 + lane] = b.w2;
    out[96 + lane] = b.w3;
  }
}
#endif

SY_FN void sy_philox32_group(uint32_t *out, const uint32_t *words) {
  memcpy(out, words, 128 * sizeof *out);
}

SY_FN void sy_philox64_group(uint64_t *out, const uint32_t *words) {
#pragma omp simd
  for (int lane = 0; lane < 32; lane++) {
    out[lane] = sy_join(words[lane], words[32 + lane]);
    out[32 + lane] = sy_join(words[64 + lane], words[96 + lane]);
  }
}

SY_FN void sy_normal32_group(float *out, const uint32_t *words) {
  for (int half = 0; half < 128; half += 64) {
#pragma omp simd
    for (int lane = half; lane < half + 32; lane++)
      sy_normal_pairf(words[lane], words[32 + lane], out + lane, out + 32 + lane);
  }
}

SY_FN void sy_normal64_group(double *out, const uint32_t *words) {
#pragma omp simd
  for (int lane = 0; lane < 32; lane++)
    sy_normal_pair(sy_join(words[lane], words[32 + lane]),
                   sy_join(words[64 + lane], words[96 + lane]), out + lane, out + 32 + lane);
}

/* out[k] is element first + k, for k below count. A group that is needed in part is made aside and
 * kept: short runs that follow each other share it. */
#define SY_RANDOM_FILL(name, type, size)                                                         \
  SY_FN_SLOW void name##_fill(type *restrict out, int64_t count, uint64_t key, uint64_t counter,  \
                              uint64_t first) {                                                  \
    static _Thread_local struct {                                                                \
      uint64_t key, counter, group;                                                              \
      int64_t made;                                                                              \
      type values[size];                                                                         \
    } kept;                                                                                      \
    _Alignas(64) uint32_t words[128];                                                            \
    for (int64_t done = 0; done < count;) {                                                      \
      uint64_t at = first + (uint64_t)done, skip = at % size, group = at / size;                 \
      int64_t here = (int64_t)(size - skip), left = count - done;                                \
      if (skip == 0 && here <= left) {                                                           \
        sy_philox_group(words, key, counter, group);                                             \
        name##_group(out + done, words);                                                         \
      } else {                                                                                   \
        if (!kept.made || kept.group != group || kept.counter != counter || kept.key != key) {   \
          sy_philox_group(words, key, counter, group);                                           \
          name##_group(kept.values, words);                                                      \
          kept.key = key, kept.counter = counter, kept.group = group, kept.made = 1;             \
        }                                                                                        \
        here = here < left ? here : left;                                                        \
        memcpy(out + done, kept.values + skip, (size_t)here * sizeof *out);                      \
      }                                                                                          \
      done += here;                                                                              \
    }                                                                                            \
  }

SY_RANDOM_FILL(sy_philox32, uint32_t, 128)
SY_RANDOM_FILL(sy_philox64, uint64_t, 64)
SY_RANDOM_FILL(sy_normal32, float, 128)
SY_RANDOM_FILL(sy_normal64, double, 64)

#endif
