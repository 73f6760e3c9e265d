/* sin, cos and tan of arguments beyond the range of the vector reduction.
 *
 * Such arguments are rare and take long, so they are left to the C library. A branch around the
 * call would keep a loop from being vectorised. But gcc does vectorise calls of functions with
 * attribute simd: it calls the variant for the width at hand, whose name the x86 vector function
 * ABI gives. The variants defined here return at once when no lane needs the library. Elsewhere
 * the plain function is called, and loops with these functions are right but stay scalar. */
#ifndef SY_FAR_ANGLE_H
#define SY_FAR_ANGLE_H

#include "sy_base.h"

/* Largest |x| for the vector reduction. */
#define SY_NEAR_ANGLE 0x1p47
#define SY_NEAR_ANGLEF 0x1p20f

/* Values of `which`, a floating-point argument like the others for the sake of the variants. */
#define SY_WHICH_SIN 0
#define SY_WHICH_COS 1
#define SY_WHICH_TAN 2

SY_FN double sy_libm_trig(double x, double which) {
  return which == SY_WHICH_SIN ? sin(x) : which == SY_WHICH_COS ? cos(x) : tan(x);
}

SY_FN float sy_libm_trigf(float x, float which) {
  return which == SY_WHICH_SIN ? sinf(x) : which == SY_WHICH_COS ? cosf(x) : tanf(x);
}

SY_FN int sy_is_far(double x) { return fabs(x) > SY_NEAR_ANGLE; }
SY_FN int sy_is_farf(float x) { return fabsf(x) > SY_NEAR_ANGLEF; }

#if defined(__x86_64__) && defined(__ELF__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__CUDACC__)

/* Returns near for |x| <= SY_NEAR_ANGLE or NaN, else the library's value. */
__attribute__((simd("notinbranch"), const)) double sy_far_trig(double x, double near,
                                                               double which)
    __asm__("sy_far_trig64");
__attribute__((simd("notinbranch"), const)) float sy_far_trigf(float x, float near, float which)
    __asm__("sy_far_trig32");

static __attribute__((used)) double sy_far_trig64(double x, double near, double which) {
  return sy_is_far(x) ? sy_libm_trig(x, which) : near;
}

static __attribute__((used)) float sy_far_trig32(float x, float near, float which) {
  return sy_is_farf(x) ? sy_libm_trigf(x, which) : near;
}

/* The variant of sy_far_trig<bits> for n lanes in registers of class `isa`; any_above(x, limit) says
 * whether a lane of x is greater. The rare case is a function that is jumped to: the frequent one
 * needs no stack. */
#define SY_FAR_VARIANT(isa, n, bits, real, integer, any_above, limit)                     \
  typedef real sy_real_##isa##n##_t __attribute__((vector_size(n * sizeof(real))));       \
  typedef integer sy_mask_##isa##n##_t __attribute__((vector_size(n * sizeof(real))));    \
  static __attribute__((noinline, cold)) sy_real_##isa##n##_t sy_far_lanes_##isa##n(      \
      sy_real_##isa##n##_t x, sy_real_##isa##n##_t near, sy_real_##isa##n##_t which) {    \
    for (int i = 0; i < n; i++) near[i] = sy_far_trig##bits(x[i], near[i], which[0]);     \
    return near;                                                                          \
  }                                                                                       \
  static __attribute__((used)) sy_real_##isa##n##_t _ZGV##isa##N##n##vvv_sy_far_trig##bits( \
      sy_real_##isa##n##_t x, sy_real_##isa##n##_t near, sy_real_##isa##n##_t which) {    \
    const integer magnitude = (integer)(((uint##bits##_t)-1) >> 1);                       \
    const sy_real_##isa##n##_t size =                                                     \
        (sy_real_##isa##n##_t)((sy_mask_##isa##n##_t)x & magnitude);                      \
    if (__builtin_expect(any_above(size, limit - (sy_real_##isa##n##_t){0}) != 0, 0))     \
      return sy_far_lanes_##isa##n(x, near, which);                                       \
    return near;                                                                          \
  }

#define SY_ABOVE_B64(x, limit) __builtin_ia32_movmskpd((sy_real_b2_t)(x > limit))
#define SY_ABOVE_B32(x, limit) __builtin_ia32_movmskps((sy_real_b4_t)(x > limit))
SY_FAR_VARIANT(b, 2, 64, double, int64_t, SY_ABOVE_B64, SY_NEAR_ANGLE)
SY_FAR_VARIANT(b, 4, 32, float, int32_t, SY_ABOVE_B32, SY_NEAR_ANGLEF)
#if defined(__AVX2__)
#define SY_ABOVE_D64(x, limit) __builtin_ia32_movmskpd256((sy_real_d4_t)(x > limit))
#define SY_ABOVE_D32(x, limit) __builtin_ia32_movmskps256((sy_real_d8_t)(x > limit))
SY_FAR_VARIANT(d, 4, 64, double, int64_t, SY_ABOVE_D64, SY_NEAR_ANGLE)
SY_FAR_VARIANT(d, 8, 32, float, int32_t, SY_ABOVE_D32, SY_NEAR_ANGLEF)
#elif defined(__AVX__)
#define SY_ABOVE_C64(x, limit) __builtin_ia32_movmskpd256((sy_real_c4_t)(x > limit))
#define SY_ABOVE_C32(x, limit) __builtin_ia32_movmskps256((sy_real_c8_t)(x > limit))
SY_FAR_VARIANT(c, 4, 64, double, int64_t, SY_ABOVE_C64, SY_NEAR_ANGLE)
SY_FAR_VARIANT(c, 8, 32, float, int32_t, SY_ABOVE_C32, SY_NEAR_ANGLEF)
#endif
#if defined(__AVX512F__)
/* 30: greater, false for NaN, no exception; 4: the present rounding mode */
#define SY_ABOVE_E64(x, limit) __builtin_ia32_cmppd512_mask(x, limit, 30, -1, 4)
#define SY_ABOVE_E32(x, limit) __builtin_ia32_cmpps512_mask(x, limit, 30, -1, 4)
SY_FAR_VARIANT(e, 8, 64, double, int64_t, SY_ABOVE_E64, SY_NEAR_ANGLE)
SY_FAR_VARIANT(e, 16, 32, float, int32_t, SY_ABOVE_E32, SY_NEAR_ANGLEF)
#endif
#undef SY_FAR_VARIANT

#else

SY_FN double sy_far_trig(double x, double near, double which) {
  return sy_is_far(x) ? sy_libm_trig(x, which) : near;
}

SY_FN float sy_far_trigf(float x, float near, float which) {
  return sy_is_farf(x) ? sy_libm_trigf(x, which) : near;
}

#endif

#endif
