/* A GRU's mean squared state and its gradient with respect to the recurrent weights, by hand.
 *
 * Row-major arrays: inputs (T, B, 3n) already multiplied by their weights, states (T + 1, B, n),
 * weights (n, 3n), gates in the order update, reset, candidate. The products are those of the
 * Fortran BLAS whose sgemm is passed in. */
#include <math.h>
#include <stdint.h>

typedef void gemm(char *, char *, int *, int *, int *, float *, float *, int *, float *, int *,
                  float *, float *, int *);

static inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

float gru(gemm *sgemm, int T, int B, int n, float *x, float *w, float *g_w, float *h, float *p,
          float *gates, float *g_p, float *g_h) {
  float one = 1, zero = 0, total = 0;
  int wide = 3 * n;
  for (int k = 0; k < B * n; k++) h[k] = 0;
  for (int t = 0; t < T; t++) {
    float *before = h + (int64_t)t * B * n, *after = before + B * n;
    float *pt = p + (int64_t)t * B * wide, *gt = gates + (int64_t)t * B * wide;
    const float *xt = x + (int64_t)t * B * wide;
    sgemm("N", "N", &wide, &B, &n, &one, w, &wide, before, &n, &zero, pt, &wide);
    for (int i = 0; i < B; i++) {
      const float *a = pt + i * wide, *b = xt + i * wide;
      float *g = gt + i * wide;
#pragma omp simd reduction(+ : total)
      for (int k = 0; k < n; k++) {
        float z = sigmoid(a[k] + b[k]), r = sigmoid(a[n + k] + b[n + k]);
        float c = tanhf(b[2 * n + k] + r * a[2 * n + k]);
        float new = z * before[i * n + k] + (1 - z) * c;
        g[k] = z, g[n + k] = r, g[2 * n + k] = c;
        after[i * n + k] = new;
        total += new * new;
      }
    }
  }
  float scale = 2 / ((float)T * B * n);
  for (int k = 0; k < B * n; k++) g_h[k] = 0;
  for (int t = T - 1; t >= 0; t--) {
    const float *before = h + (int64_t)t * B * n, *after = before + B * n;
    const float *pt = p + (int64_t)t * B * wide, *gt = gates + (int64_t)t * B * wide;
    float *d = g_p + (int64_t)t * B * wide;
    for (int i = 0; i < B; i++) {
      const float *a = pt + i * wide, *g = gt + i * wide;
      float *row = d + i * wide;
#pragma omp simd
      for (int k = 0; k < n; k++) {
        float z = g[k], r = g[n + k], c = g[2 * n + k];
        float slope = g_h[i * n + k] + scale * after[i * n + k];
        float of_c = slope * (1 - z) * (1 - c * c);
        row[k] = slope * (before[i * n + k] - c) * z * (1 - z);
        row[n + k] = of_c * a[2 * n + k] * r * (1 - r);
        row[2 * n + k] = of_c * r;
        g_h[i * n + k] = slope * z;
      }
    }
    sgemm("T", "N", &n, &B, &wide, &one, w, &wide, d, &wide, &one, g_h, &n);
  }
  int rows = T * B;
  sgemm("N", "T", &wide, &n, &rows, &one, g_p, &wide, h, &n, &zero, g_w, &wide);
  return total / ((float)T * B * n);
}
