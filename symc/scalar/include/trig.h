/* sin, cos and tan: the bodies read for double and for float. */
#ifndef SY_TRIG_H
#define SY_TRIG_H

#include "sy_far_angle.h"
#include "sy_poly.h"

#include "sy_precision64.h"
#include "sy_trig_body.h"
#include "sy_precision_end.h"

#include "sy_precision32.h"
#include "sy_trig_body.h"
#include "sy_precision_end.h"

#endif
