/* Integer division and powers for every width, and conversions and rounding of floats, with NumPy's
 * results where C leaves them undefined. */
#ifndef SY_INTEGER_H
#define SY_INTEGER_H

#include "sy_arith.h"

/* Quotients round to minus infinity; anything over 0 is 0; the smallest number over -1 wraps to
 * itself. The divisor is replaced where C would trap. */
#define SY_SIGNED_DIVISION(T, bits)                                             \
  SY_FN T sy_floordiv_i##bits(T a, T b) {                                       \
    T d = b == 0 || b == -1 ? 1 : b;                                            \
    T q = (T)(a / d - ((a % d != 0) & ((a < 0) != (d < 0))));                   \
    return b == 0 ? 0 : b == -1 ? (T)(0 - (uint##bits##_t)a) : q;               \
  }                                                                             \
  SY_FN T sy_floormod_i##bits(T a, T b) {                                       \
    T d = b == 0 || b == -1 ? 1 : b;                                            \
    T r = (T)(a % d);                                                           \
    return (T)(r + ((r != 0) & ((r < 0) != (d < 0)) ? d : 0));                  \
  }

#define SY_UNSIGNED_DIVISION(T, bits)                                           \
  SY_FN T sy_floordiv_u##bits(T a, T b) { return b == 0 ? 0 : (T)(a / b); }     \
  SY_FN T sy_floormod_u##bits(T a, T b) { return b == 0 ? 0 : (T)(a % b); }

SY_SIGNED_DIVISION(int8_t, 8)
SY_SIGNED_DIVISION(int16_t, 16)
SY_SIGNED_DIVISION(int32_t, 32)
SY_SIGNED_DIVISION(int64_t, 64)
SY_UNSIGNED_DIVISION(uint8_t, 8)
SY_UNSIGNED_DIVISION(uint16_t, 16)
SY_UNSIGNED_DIVISION(uint32_t, 32)
SY_UNSIGNED_DIVISION(uint64_t, 64)
#undef SY_SIGNED_DIVISION
#undef SY_UNSIGNED_DIVISION

/* Powers of the narrower types, reduced modulo their range. */
#define SY_NARROW_POWER(T, name, wide) \
  SY_FN_SLOW T sy_ipow_##name(T a, T b) { return (T)sy_ipow_##wide(a, b); }

SY_NARROW_POWER(int8_t, i8, i64)
SY_NARROW_POWER(int16_t, i16, i64)
SY_NARROW_POWER(int32_t, i32, i64)
SY_NARROW_POWER(uint8_t, u8, u64)
SY_NARROW_POWER(uint16_t, u16, u64)
SY_NARROW_POWER(uint32_t, u32, u64)
#undef SY_NARROW_POWER

/* Conversions truncate. Outside the range, and for NaN, they give what x86's cvttsd2si does: the
 * smallest number of the 32-bit or 64-bit register, reduced to the width of the target. */
#define SY_CONVERSIONS(T, name)                                                          \
  SY_FN int32_t sy_##name##_to_i32(T x) {                                                \
    int inside = (x > (T)-2147483648.0 - 1) & (x < (T)2147483648.0);                     \
    return (int32_t)(inside ? x : (T)-2147483648.0);                                     \
  }                                                                                      \
  SY_FN int64_t sy_##name##_to_i64(T x) {                                                \
    int inside = (x >= (T)-0x1p63) & (x < (T)0x1p63);                                    \
    return (int64_t)(inside ? x : (T)-0x1p63);                                           \
  }                                                                                      \
  SY_FN int8_t sy_##name##_to_i8(T x) { return (int8_t)sy_##name##_to_i32(x); }          \
  SY_FN int16_t sy_##name##_to_i16(T x) { return (int16_t)sy_##name##_to_i32(x); }       \
  SY_FN uint8_t sy_##name##_to_u8(T x) { return (uint8_t)sy_##name##_to_i32(x); }        \
  SY_FN uint16_t sy_##name##_to_u16(T x) { return (uint16_t)sy_##name##_to_i32(x); }     \
  SY_FN uint32_t sy_##name##_to_u32(T x) { return (uint32_t)sy_##name##_to_i64(x); }     \
  SY_FN uint64_t sy_##name##_to_u64(T x) {                                               \
    int large = x >= (T)0x1p63;                                                          \
    uint64_t low = (uint64_t)sy_##name##_to_i64(large ? x - (T)0x1p63 : x);              \
    return low ^ ((uint64_t)large << 63);                                                \
  }

SY_CONVERSIONS(double, f64)
SY_CONVERSIONS(float, f32)
#undef SY_CONVERSIONS

/* Adding the number below 1/2 leaves it to truncation whether the sum reaches the next integer. */
#define SY_ROUNDING(T, F, below_half)                                                    \
  SY_FN T sy_round_half_away##F(T x) { return trunc##F(x + copysign##F(below_half, x)); }

SY_ROUNDING(double, , 0x1.fffffffffffffp-2)
SY_ROUNDING(float, f, 0x1.fffffep-2f)
#undef SY_ROUNDING

#endif
