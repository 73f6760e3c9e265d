/* Names and constants with which the function bodies are read for float. See vecmath.h. */
#define SY_REAL float
#define SY_UINT uint32_t
#define SY_NAME(name) sy_##name##f
#define SY_LIBM(name) name##f
#define SY_DIGITS 23
#define SY_BIAS 127
#define SY_SIGN 0x80000000u
#define SY_ROUND 0x1.8p23f
#define SY_TINY 0x1p-25f
#define SY_TANH_SMALL 0.5625f
#define SY_TANH_MAX 9.1f
#define SY_MIN_NORMAL 0x1p-126f
#define SY_EXP_MAX 89.0f
#define SY_EXP_MIN -104.0f
#define SY_EXP2_MAX 129.0f
#define SY_EXP2_MIN -151.0f
#define SY_LN2 0x1.62e43p-1f
#define SY_LN2_LOW -0x1.05c61p-29f
#define SY_LN2_SHORT 0x1.62e4p-1f /* 16 bits */
#define SY_LN2_REST 0x1.7f7d1cp-20f
#define SY_LN2_REST_LOW 0x1.ef357ap-45f
#define SY_LOG2E 0x1.715476p+0f
#define SY_LOG2E_LOW 0x1.4ae0cp-26f
#define SY_LOG10E 0x1.bcb7b2p-2f
#define SY_LOG10E_LOW -0x1.5b235ep-27f
#define SY_LOG10_2_SHORT 0x1.344p-2f
#define SY_LOG10_2_REST 0x1.3509f8p-18f
#define SY_LN10 0x1.26bb1cp+1f
#define SY_TWO_OVER_PI 0x1.45f306p-1f
#define SY_HALF_PI 0x1.921fb6p+0f
#define SY_HALF_PI_LOW -0x1.777a5cp-25f
#define SY_HALF_PI_LOW2 -0x1.ee59dap-50f
#define SY_HALF_PI_BELOW 0x1.921fb4p+0f
#define SY_HALF_PI_REST 0x1.4442d2p-24f
#define SY_TWO_THIRDS 0x1.555556p-1f
#define SY_TWO_THIRDS_LOW -0x1.555556p-26f
#define SY_SQRT_HALF_BITS 0x3f3504f3u
#define SY_INT_TO_REAL_BITS 0x4b000000u /* of 2^23 */
#define SY_INT_TO_REAL 0x1p23f
#define SY_ERFC_MAX 10.1f /* erfc is 0 from here on */
#define SY_CBRT_HALF 0x1.965feap-1f
#define SY_CBRT_QUARTER 0x1.428a3p-1f
#define SY_SQUARE_MAX 0x1p60f
#define SY_SQUARE_MIN 0x1p-40f
#define SY_SCALE_DOWN 0x1p-70f
#define SY_SCALE_UP 0x1p90f
#define SY_ERFCX_START 0x1.3ba592p+0f /* 9 e^16 erfc(4) */
