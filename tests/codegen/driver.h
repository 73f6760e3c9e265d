/* A minimal caller of compiled programs for tests: one call at a time, chunks run backwards. */
#include <math.h>
#include <complex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "symc_abi.h"
#include "special.h"

static void *driver_blas[SY_BLAS_COUNT];
static char *driver_scratch_memory[64];
static void *driver_allocated[256];
static int driver_allocations;

typedef struct {
  sy_task task;
  void *context;
  int64_t first, last;
  int thread;
} driver_part;

static void *driver_run_part(void *p) {
  driver_part *part = p;
  for (int64_t k = part->last - 1; k >= part->first; k--)
    part->task(part->context, k, k + 1, part->thread);
  return 0;
}

static void driver_parallel(sy_task task, void *context, int64_t chunks, int threads) {
  pthread_t ids[64];
  driver_part parts[64];
  for (int t = 0; t < threads; t++) {
    parts[t] = (driver_part){task, context, chunks * t / threads, chunks * (t + 1) / threads, t};
    pthread_create(&ids[t], 0, driver_run_part, &parts[t]);
  }
  for (int t = 0; t < threads; t++) pthread_join(ids[t], 0);
}

static char *driver_scratch(int thread, int64_t bytes) {
  free(driver_scratch_memory[thread]);
  driver_scratch_memory[thread] = aligned_alloc(64, (size_t)(bytes + 128) / 64 * 64);
  return driver_scratch_memory[thread];
}

static char *driver_alloc(sy_call *c, int64_t bytes) {
  (void)c;
  void *memory = aligned_alloc(64, (size_t)(bytes + 128) / 64 * 64);
  driver_allocated[driver_allocations++ % 256] = memory;
  return memory;
}

static int driver_fail(sy_call *c, int32_t code, int32_t where, const int64_t *v, int32_t nv) {
  if (!c->failed) {
    c->failed = 1;
    c->error.code = code;
    c->error.where = where;
    for (int k = 0; k < nv && k < 8; k++) c->error.v[k] = v[k];
  }
  return SY_ERROR;
}


static int driver_threads(void) { return 1; }

static sy_api driver_api = {
    .parallel = driver_parallel,
    .alloc = driver_alloc,
    .scratch = driver_scratch,
    .fail = driver_fail,
    .blas = driver_blas,
    .threads = driver_threads,
};

void driver_setup(sy_call *c, void *foreign, void *output, void **blas,
                  const sy_products *products) {
  driver_api.foreign = (int (*)(sy_call *, int32_t, sy_value *const *, int32_t, int32_t))foreign;
  driver_api.output = (int (*)(sy_call *, int32_t))output;
  memcpy(driver_blas, blas, sizeof driver_blas);
  driver_api.products = products;
  c->api = &driver_api;
}
