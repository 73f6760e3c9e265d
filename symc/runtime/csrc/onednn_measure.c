/* Which of both is quicker at a shape, by trying: oneDNN or symc's own kernels. What comes out is kept
 * by a Python function for all later processes, and here for the shapes met last. */
#include "onednn.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define ROUNDS 4 /* the first of both is not counted: plans are made in it */
#define KNOWN 256

typedef struct {
  sy_dnn_shape shape;
  int64_t turned;
} known_key;

static struct {
  pthread_mutex_t mutex;
  struct {
    known_key key;
    int quicker, used;
  } entry[KNOWN];
} known = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static PyObject *judge; /* GIL */

static void after_fork(void) {
  pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
  known.mutex = fresh;
}

int sy_dnn_measure_init(void) { return pthread_atfork(NULL, NULL, after_fork); }

void sy_dnn_set_judge(PyObject *callable) {
  Py_INCREF(callable);
  Py_XSETREF(judge, callable);
  pthread_mutex_lock(&known.mutex);
  for (int k = 0; k < KNOWN; k++) known.entry[k].used = 0;
  pthread_mutex_unlock(&known.mutex);
}

/* The place of a shape among those known. */
static int place_of(const known_key *key) {
  const unsigned char *const bytes = (const unsigned char *)key;
  uint64_t hash = 14695981039346656037u;
  for (size_t k = 0; k < sizeof *key; k++) hash = (hash ^ bytes[k]) * 1099511628211u;
  return (int)((hash ^ hash >> 32) % KNOWN);
}

/* 1 or 0, or -1 where it is not known. */
static int look_up(const known_key *key) {
  const int k = place_of(key);
  pthread_mutex_lock(&known.mutex);
  const int there = known.entry[k].used && memcmp(&known.entry[k].key, key, sizeof *key) == 0;
  const int quicker = there ? known.entry[k].quicker : -1;
  pthread_mutex_unlock(&known.mutex);
  return quicker;
}

static void note(const known_key *key, int quicker) {
  const int k = place_of(key);
  pthread_mutex_lock(&known.mutex);
  known.entry[k].key = *key;
  known.entry[k].quicker = quicker;
  known.entry[k].used = 1;
  pthread_mutex_unlock(&known.mutex);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Computes the convolution some times in both ways; whether oneDNN was quicker, or -1. */
static int try_both(const sy_dnn_request *r) {
  double best[2] = {0, 0};
  for (int round = 0; round < ROUNDS; round++)
    for (int theirs = 0; theirs < 2; theirs++) {
      const int32_t blocks = r->call->api->blocks(r->call);
      const double start = seconds();
      const int outcome = theirs ? sy_dnn_theirs(r, NULL) : sy_dnn_ours(r, NULL);
      const double taken = seconds() - start;
      r->call->api->release(r->call, blocks);
      if (outcome == SY_GUARD) return 0;
      if (outcome != SY_OK) return -1;
      if (round < 2 || taken < best[theirs]) best[theirs] = taken;
    }
  return best[1] < best[0];
}

/* What the judge says to a choice, or to -1 for none: 1, 0 or -1; -2 with an error recorded. */
static int ask(const sy_dnn_request *r, const known_key *key, int quicker) {
  PyThreadState *const released = sy_dnn_take_gil(r->call);
  PyObject *const said =
      judge ? sy_dnn_ask(r->call, judge, (const char *)key, sizeof *key, quicker)
            : PyLong_FromLong(quicker);
  const long choice = said ? PyLong_AsLong(said) : -2;
  Py_XDECREF(said);
  sy_dnn_give_gil(r->call, released);
  return (int)choice;
}

int sy_dnn_is_quicker(const sy_dnn_request *r) {
  const known_key key = {r->shape, r->geometry->flip != 0};
  int quicker = look_up(&key);
  if (quicker >= 0) return quicker;
  quicker = ask(r, &key, -1);
  if (quicker == -1) {
    quicker = try_both(r);
    if (quicker >= 0) quicker = ask(r, &key, quicker);
  }
  if (quicker < 0) return -1;
  note(&key, quicker);
  return quicker;
}
