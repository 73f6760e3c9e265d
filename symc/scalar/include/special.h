/* Mathematical functions of compiled programs, for C11 and CUDA C++.
 *
 * Every function exists as sy_name for double and sy_namef for float.
 *
 * Vector functions (vecmath.h, trig.h; sy_*_body.h hold the bodies, read once per precision)
 * have no branches and call nothing that is not inlined, so that loops around them vectorise
 * without -ffast-math, and an array's elements get the same bits wherever they stand:
 *
 *   exp exp2 expm1 log log2 log10 log1p pow sinh cosh tanh asinh acosh atanh sigmoid softplus
 *   sin cos tan asin acos atan atan2 erf erfc cbrt hypot log1mexp xlogx xlogy0
 *
 * They want a fused multiply-add (-mfma, any 64-bit Arm) and SSE4.1 or better; the flags
 * -ffp-contract=off -fno-math-errno -fno-trapping-math; round to nearest. With nvcc, -fmad=false
 * gives the bits of the CPU. Programs without sin, cos and tan compile faster if SY_NO_TRIG is
 * defined before this file.
 *
 * Functions with branches (sy_error.h, sy_gamma.h, sy_bessel.h), computed in double:
 *
 *   erfcx erfinv erfcinv gamma gammaln psi trigamma gammainc gammaincc gammal gammau chi2sf
 *   betainc j0 j1 jv i0 i1 iv
 *
 * Integers, conversions, rounding, extrema: sy_arith.h, sy_integer.h.
 *
 * Where the formulas come from. Reductions of arguments: Cody and Waite, Software Manual for the
 * Elementary Functions (1980). The shape of exp, log, sin and cos: well known from fdlibm and
 * Cephes. Sums and products in two parts: Dekker (1971), with fma. The corrected hypot: Borges
 * (2019). erfcx in t = (x - k)/(x + k): Shepherd and Laframboise (1981). Series and continued
 * fractions of the gamma, beta and Bessel functions: the NIST Digital Library of Mathematical
 * Functions, with the equation numbers given there; Temme (1979) for incomplete gamma functions
 * of large order; Steed, and Temme (1975), for Bessel functions. The polynomials' coefficients
 * are our own: see sy_poly.h. */
#ifndef SY_SPECIAL_H
#define SY_SPECIAL_H

#include "sy_arith.h"
#include "sy_bessel.h"
#include "sy_error.h"
#include "sy_gamma.h"
#include "sy_integer.h"
#ifndef SY_NO_TRIG
#include "trig.h"
#endif
#include "vecmath.h"

#endif
