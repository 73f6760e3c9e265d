/* sin and cos of an array of angles, each from one reduction for both. */
#ifndef SY_SIN_COS_H
#define SY_SIN_COS_H

#include "trig.h"

#include "sy_precision64.h"
#include "sy_sin_cos_body.h"
#include "sy_precision_end.h"

#include "sy_precision32.h"
#include "sy_sin_cos_body.h"
#include "sy_precision_end.h"

#endif
