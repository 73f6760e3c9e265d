/* Vector functions but the trigonometric ones: the bodies read for double and for float. */
#ifndef SY_VECMATH_H
#define SY_VECMATH_H

#include "sy_poly.h"

#include "sy_precision64.h"
#include "sy_exp_body.h"
#include "sy_log_body.h"
#include "sy_pow_body.h"
#include "sy_erf_body.h"
#include "sy_inverse_body.h"
#include "sy_precision_end.h"

#include "sy_precision32.h"
#include "sy_exp_body.h"
#include "sy_log_body.h"
#include "sy_pow_body.h"
#include "sy_erf_body.h"
#include "sy_inverse_body.h"
#include "sy_precision_end.h"

#endif
