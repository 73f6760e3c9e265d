/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): a counter-based generator. The words are those
 * of the published algorithm for the counter (block, counter) and the key, low halves first. */
#ifndef SY_RANDOM_H
#define SY_RANDOM_H

#include "sy_base.h"

/* The low and the high 64 bits of a block, by `high`. */
SY_FN uint64_t sy_philox_half(uint64_t key, uint64_t counter, uint64_t block, uint32_t high) {
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
  uint64_t lower = (uint64_t)c1 << 32 | c0, upper = (uint64_t)c3 << 32 | c2;
  return high ? upper : lower;
}

/* Element i: group i / 128, word (i % 128) / 32, lane i % 32. */
SY_FN uint64_t sy_philox32(uint64_t key, uint64_t counter, uint64_t i) {
  uint64_t block = (i >> 7 << 5) | (i & 31);
  uint64_t half = sy_philox_half(key, counter, block, (uint32_t)(i >> 6 & 1));
  return (i >> 5 & 1) ? half >> 32 : half & 0xFFFFFFFFu;
}

/* Element i: group i / 64, half (i % 64) / 32, lane i % 32. */
SY_FN uint64_t sy_philox64(uint64_t key, uint64_t counter, uint64_t i) {
  uint64_t block = (i >> 6 << 5) | (i & 31);
  return sy_philox_half(key, counter, block, (uint32_t)(i >> 5 & 1));
}

#endif
