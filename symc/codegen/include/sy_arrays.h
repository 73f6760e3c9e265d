/* Helpers of compiled programs: strided copies and atomic additions. */
#ifndef SY_ARRAYS_H
#define SY_ARRAYS_H

#include <stdint.h>
#include <string.h>

#include "symc_abi.h"

#define SY_UNUSED __attribute__((unused))

/* Copy `run` items that lie `step` bytes apart to a contiguous place. */
static SY_UNUSED void sy_pack_run(char *restrict to, const char *restrict from, int64_t run,
                                  int64_t step, int64_t size) {
#define SY_PACK_AS(TYPE) \
  for (int64_t i = 0; i < run; i++) ((TYPE *)to)[i] = *(const TYPE *)(from + i * step)
  switch (step == size ? 0 : size) {
    case 0: memcpy(to, from, (size_t)(run * size)); break;
    case 1: SY_PACK_AS(uint8_t); break;
    case 2: SY_PACK_AS(uint16_t); break;
    case 4: SY_PACK_AS(uint32_t); break;
    case 8: SY_PACK_AS(uint64_t); break;
    default:
      for (int64_t i = 0; i < run; i++) memcpy(to + i * 16, from + i * step, 16);
  }
#undef SY_PACK_AS
}

/* Copy a strided array (element strides `s`) of items of 1, 2, 4, 8 or 16 bytes to a C-contiguous
 * place. */
static __attribute__((unused, noinline)) void sy_pack(char *restrict to, const char *restrict from, int ndim,
                              const int64_t *n, const int64_t *s, int64_t size) {
  int64_t at[64] = {0};
  for (int d = 0; d < ndim; d++)
    if (n[d] == 0) return;
  const int64_t run = ndim ? n[ndim - 1] : 1;
  const int64_t step = ndim ? s[ndim - 1] * size : size;
  for (;;) {
    sy_pack_run(to, from, run, step, size);
    to += run * size;
    int d = ndim - 2;
    for (; d >= 0; d--) {
      from += s[d] * size;
      if (++at[d] < n[d]) break;
      from -= n[d] * s[d] * size;
      at[d] = 0;
    }
    if (d < 0) return;
  }
}

/* a / b, where `inverse` is 1 / b and |b| from 2^-20 to 2^20: a product, and a correction by its
 * remainder, which is exact with fma (Markstein 1990, Computation of elementary functions on the IBM
 * RISC System/6000). The bits are those of the division, but the last one may differ where the
 * remainder is subnormal: |a| < 2^-103, or 2^-968 in double precision. Where the product is zero,
 * infinite or NaN it stands. */
#define SY_QUOTIENT(NAME, TYPE, FMA)                                                              \
  static inline __attribute__((always_inline, unused)) TYPE NAME(TYPE a, TYPE b, TYPE inverse) { \
    TYPE product = a * inverse;                                                                  \
    TYPE quotient = FMA(FMA(-product, b, a), inverse, product);                                  \
    return __builtin_islessgreater(quotient, (TYPE)0) ? quotient : product;                      \
  }
SY_QUOTIENT(sy_quotientf, float, __builtin_fmaf)
SY_QUOTIENT(sy_quotient, double, __builtin_fma)

/* The number of bytes of an array, and whether its strides are those of a C-contiguous one. */
static SY_UNUSED int64_t sy_bytes(int ndim, const int64_t *n, int64_t size) {
  for (int d = 0; d < ndim; d++) size *= n[d];
  return size;
}

static SY_UNUSED int sy_is_contiguous(int ndim, const int64_t *n, const int64_t *s) {
  int64_t stride = 1;
  int contiguous = 1;
  for (int d = ndim - 1; d >= 0; d--) {
    if (n[d] == 0) return 1;
    if (n[d] != 1 && s[d] != stride) contiguous = 0;
    stride *= n[d];
  }
  return contiguous;
}

/* Stores that bypass the caches, for what is too large to stay there: no line is read before it is
 * overwritten. They are visible to others after sy_stream_end. */
#if defined(__AVX__)
typedef float sy_line __attribute__((vector_size(32), may_alias));
#define SY_STREAM(to, x) __builtin_ia32_movntps256((float *)(to), x)
#define SY_STREAM_END() __builtin_ia32_sfence()
#elif defined(__SSE2__)
typedef float sy_line __attribute__((vector_size(16), may_alias));
#define SY_STREAM(to, x) __builtin_ia32_movntps((float *)(to), x)
#define SY_STREAM_END() __builtin_ia32_sfence()
#endif

static inline SY_UNUSED void sy_stream(void *to, const void *from, int64_t bytes) {
  char *t = to;
  const char *f = from;
#ifdef SY_STREAM
  const int64_t width = sizeof(sy_line);
  int64_t head = (int64_t)(-(uintptr_t)t & (uintptr_t)(width - 1));
  if (head > bytes) head = bytes;
  memcpy(t, f, (size_t)head);
  for (t += head, f += head, bytes -= head; bytes >= width; t += width, f += width, bytes -= width) {
    sy_line x;
    memcpy(&x, f, sizeof x);
    SY_STREAM(t, x);
  }
#endif
  memcpy(t, f, (size_t)bytes);
}

/* Begin to bring `bytes` bytes into the nearest cache; there need not be memory at `from`. */
static inline SY_UNUSED void sy_prefetch(const void *from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch((const char *)from + at);
}

static inline SY_UNUSED void sy_stream_end(void) {
#ifdef SY_STREAM_END
  SY_STREAM_END();
#endif
}

/* `*p += v` when several threads may do it at once. Complex numbers are two additions. */
#define SY_ATOMIC(NAME, TYPE, BITS)                                                            \
  static SY_UNUSED void NAME(TYPE *p, TYPE v) {                                                \
    BITS old, next;                                                                            \
    __atomic_load((BITS *)p, &old, __ATOMIC_RELAXED);                                          \
    do {                                                                                       \
      TYPE x;                                                                                  \
      memcpy(&x, &old, sizeof x);                                                              \
      x = (TYPE)(x + v);                                                                       \
      memcpy(&next, &x, sizeof x);                                                             \
    } while (!__atomic_compare_exchange((BITS *)p, &old, &next, 1, __ATOMIC_RELAXED,           \
                                        __ATOMIC_RELAXED));                                    \
  }
SY_ATOMIC(sy_atomic_add_i8, int8_t, int8_t)
SY_ATOMIC(sy_atomic_add_i16, int16_t, int16_t)
SY_ATOMIC(sy_atomic_add_i32, int32_t, int32_t)
SY_ATOMIC(sy_atomic_add_i64, int64_t, int64_t)
SY_ATOMIC(sy_atomic_add_u8, uint8_t, uint8_t)
SY_ATOMIC(sy_atomic_add_u16, uint16_t, uint16_t)
SY_ATOMIC(sy_atomic_add_u32, uint32_t, uint32_t)
SY_ATOMIC(sy_atomic_add_u64, uint64_t, uint64_t)
SY_ATOMIC(sy_atomic_add_f16, _Float16, uint16_t)
SY_ATOMIC(sy_atomic_add_f32, float, uint32_t)
SY_ATOMIC(sy_atomic_add_f64, double, uint64_t)

static SY_UNUSED void sy_atomic_add_c64(float _Complex *p, float _Complex v) {
  sy_atomic_add_f32((float *)p, __real__ v);
  sy_atomic_add_f32((float *)p + 1, __imag__ v);
}

static SY_UNUSED void sy_atomic_add_c128(double _Complex *p, double _Complex v) {
  sy_atomic_add_f64((double *)p, __real__ v);
  sy_atomic_add_f64((double *)p + 1, __imag__ v);
}

#endif
