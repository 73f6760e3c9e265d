/* Names and constants with which the function bodies are read for double. See vecmath.h. */
#define SY_REAL double
#define SY_UINT uint64_t
#define SY_NAME(name) sy_##name
#define SY_LIBM(name) name
#define SY_DIGITS 52               /* stored bits of the significand */
#define SY_BIAS 1023               /* of the exponent */
#define SY_SIGN 0x8000000000000000ull
#define SY_ROUND 0x1.8p52          /* adding it rounds to an integer kept in the low bits */
#define SY_TINY 0x1p-54            /* below it x and x + x*x/2 agree */
#define SY_TANH_SMALL 0.6875 /* sy_tanh_top and sy_tanh_bottom are for smaller arguments */
#define SY_TANH_MAX 19.1
#define SY_MIN_NORMAL 0x1p-1022
#define SY_EXP_MAX 710.0           /* exp is infinite from here on, */
#define SY_EXP_MIN -746.0          /* and 0 from here down */
#define SY_EXP2_MAX 1025.0
#define SY_EXP2_MIN -1076.0
#define SY_LN2 0x1.62e42fefa39efp-1
#define SY_LN2_LOW 0x1.abc9e3b39803fp-56
#define SY_LN2_SHORT 0x1.62e42fefa38p-1 /* 42 bits: its products with exponents are exact */
#define SY_LN2_REST 0x1.ef35793c7673p-45
#define SY_LN2_REST_LOW 0x1.f97b57a079a19p-103
#define SY_LOG2E 0x1.71547652b82fep+0
#define SY_LOG2E_LOW 0x1.777d0ffda0d24p-56
#define SY_LOG10E 0x1.bcb7b1526e50ep-2
#define SY_LOG10E_LOW 0x1.95355baaafad3p-57
#define SY_LOG10_2_SHORT 0x1.34413509f78p-2
#define SY_LOG10_2_REST 0x1.fef311f12b358p-46
#define SY_LN10 0x1.26bb1bbb55516p+1
#define SY_TWO_OVER_PI 0x1.45f306dc9c883p-1
#define SY_HALF_PI 0x1.921fb54442d18p+0
#define SY_HALF_PI_LOW 0x1.1a62633145c07p-54
#define SY_HALF_PI_LOW2 -0x1.f1976b7ed8fbcp-110
#define SY_HALF_PI_BELOW SY_HALF_PI
#define SY_HALF_PI_REST SY_HALF_PI_LOW
#define SY_TWO_THIRDS 0x1.5555555555555p-1
#define SY_TWO_THIRDS_LOW 0x1.5555555555555p-55
#define SY_SQRT_HALF_BITS 0x3fe6a09e667f3bcdull
#define SY_INT_TO_REAL_BITS 0x4330000000000000ull /* of 2^52: or-ing an integer in adds it */
#define SY_INT_TO_REAL 0x1p52
#define SY_ERFC_MAX 27.3 /* erfc is 0 from here on */
#define SY_CBRT_HALF 0x1.965fea53d6e3dp-1 /* cube root of 1/2 */
#define SY_CBRT_QUARTER 0x1.428a2f98d728bp-1
#define SY_SQUARE_MAX 0x1p500 /* beyond these limits hypot scales */
#define SY_SQUARE_MIN 0x1p-400
#define SY_SCALE_DOWN 0x1p-600
#define SY_SCALE_UP 0x1p600
#define SY_ERFCX_START 0x1.3ba5916e9fd7fp+0 /* 9 e^16 erfc(4) */
