/* Mathematical functions of compiled programs, for C11 and CUDA C++. */
#ifndef SY_SPECIAL_H
#define SY_SPECIAL_H

#include "sy_arith.h"
#include "trig.h"
#include "vecmath.h"

#endif
