/* Mathematical functions of compiled programs, for C11 and CUDA C++. */
#ifndef SY_SPECIAL_H
#define SY_SPECIAL_H

#include "sy_arith.h"
#include "sy_bessel.h"
#include "sy_error.h"
#include "sy_gamma.h"
#include "sy_integer.h"
#include "trig.h"
#include "vecmath.h"

#endif
