/* Which convolutions are quicker by oneDNN, and how it is to see their arrays. The rule comes from the
 * timings in docs/onednn.md and knows lengths only: the same convolution always goes the same way. */
#include "onednn.h"

#define BLOCK 16             /* channels of a block of oneDNN's */
#define LEAST_WORK 2e6       /* multiplications; below, the calls of oneDNN themselves are too dear */
#define SHORT_LINE 28        /* of results, at which symc's own kernels lose part of their vectors */
#define FEW_CHANNELS 8
#define FEW_PLACES 196       /* a block of pixels by channels is too small for a product of matrices */

static int64_t places_of(const sy_dnn_shape *g) {
  int64_t all = 1;
  for (int64_t d = 2; d < g->axes; d++) all *= g->y[d];
  return all;
}

static int has_blocks(const sy_dnn_shape *g) {
  return g->w[1] % BLOCK == 0 && g->w[0] / g->groups % BLOCK == 0;
}

/* One element a filter, no zeros around: a product of matrices for each image. */
static int is_pointwise(const sy_dnn_shape *g) {
  for (int64_t d = 0; d < g->axes - 2; d++)
    if (g->w[2 + d] != 1 || g->before[d] || g->after[d] > 0) return 0;
  return g->groups == 1;
}

int sy_dnn_stays_plain(const sy_dnn_shape *g) {
  for (int64_t d = g->axes - 1, x = 1, y = 1; d >= 0; x *= g->x[d], y *= g->y[d], d--)
    if (g->xs[d] != x || g->ys[d] != y) return 0;
  if (!is_pointwise(g)) return 0;
  return g->kind == SY_DNN_WEIGHTS || places_of(g) >= FEW_PLACES || !has_blocks(g);
}

static int is_strided(const sy_dnn_shape *g) {
  for (int64_t d = 0; d < g->axes - 2; d++)
    if (g->stride[d] > 1) return 1;
  return 0;
}

static int pointwise_wins(const sy_dnn_shape *g) {
  const int64_t in = g->w[1], out = g->w[0];
  if (in < FEW_CHANNELS || out < FEW_CHANNELS) return 0;
  if (g->kind == SY_DNN_INPUTS) return 1;
  if (is_strided(g)) return 0;
  if (g->kind == SY_DNN_VALUES) return 1;
  return in * out >= 1 << 12 && in * out <= 1 << 16 && places_of(g) >= 28 * 28 && g->x[0] >= 4;
}

/* A filter for each channel: symc's own kernels sum its gradient up one element at a time. */
static int depthwise_wins(const sy_dnn_shape *g, double work) {
  if (g->axes != 4) return 0;
  if (g->kind == SY_DNN_WEIGHTS) return work >= LEAST_WORK / 8 && g->w[2] <= 3 && g->w[3] <= 3;
  return work >= LEAST_WORK / 2 && g->groups % BLOCK == 0 && g->y[3] <= 64;
}

int sy_dnn_wins(const sy_dnn_shape *g) {
  const int64_t in = g->w[1], out = g->w[0] / g->groups, line = g->y[g->axes - 1];
  const double taps = (double)g->ws[1];
  const double work = (double)g->x[0] * (double)g->w[0] * (double)in * taps * (double)places_of(g);
  if (g->groups > 1 && in == 1 && out == 1) return depthwise_wins(g, work);
  if (work < LEAST_WORK) return 0;
  if (is_pointwise(g)) return pointwise_wins(g);
  if (in <= 3 && g->groups == 1 && g->axes == 4 && is_strided(g))
    return g->kind != SY_DNN_INPUTS && out % BLOCK == 0;
  if (g->kind == SY_DNN_WEIGHTS || !has_blocks(g)) return 0;
  return is_strided(g) || line <= SHORT_LINE;
}
