/* Plans of oneDNN's work, one for each shape, in a table that forgets those not used for longest.
 *
 * A plan lets oneDNN choose the layouts of all three arrays, as its quick kernels want them blocked by
 * channels, and has a step for each array that lies otherwise. Where making one fails, or only
 * oneDNN's reference code is there for it, the table remembers that, too. */
#include "onednn.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of oneDNN's interface, version 3. */
enum {
  TYPE_F32 = 3,
  TAG_ANY = 1,
  PURPOSE_TRAINING = 64,
  ALGORITHM_DIRECT = 1,
  QUERY_NAME = 8,
  QUERY_X = 129,
  QUERY_W = 131,
  QUERY_Y = 133, /* gradients: one more */
  QUERY_PAD = 136,
  SCRATCHPAD_USER = 1
};

#define PLANS 128
static struct {
  pthread_mutex_t mutex;
  sy_dnn_plan *plan[PLANS];
  uint64_t clock;
} table = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int layout_of(void **layout, const sy_dnn_shape *shape, int operand, int free_choice) {
  const int64_t *const n = operand == SY_DNN_X   ? shape->x
                           : operand == SY_DNN_W ? shape->w
                                                 : shape->y;
  const int64_t *const s = operand == SY_DNN_X   ? shape->xs
                           : operand == SY_DNN_W ? shape->ws
                                                 : shape->ys;
  int64_t lengths[6], strides[6];
  int rank = (int)shape->axes, grouped = operand == SY_DNN_W && shape->groups > 1;
  memcpy(lengths + grouped, n, (size_t)rank * sizeof *lengths);
  memcpy(strides + grouped, s, (size_t)rank * sizeof *strides);
  if (grouped) {
    lengths[0] = shape->groups;
    lengths[1] = n[0] / shape->groups;
    strides[0] = s[0] * lengths[1];
    rank++;
  }
  return free_choice ? sy_dnn.layout_tagged(layout, rank, lengths, TYPE_F32, TAG_ANY)
                     : sy_dnn.layout_strided(layout, rank, lengths, TYPE_F32, strides);
}

static int make_step(sy_dnn_step *step) {
  step->pad_layout = sy_dnn.choice_layout(step->choice, QUERY_PAD, 0);
  step->pad = step->pad_layout ? (int64_t)sy_dnn.layout_bytes(step->pad_layout) : 0;
  return sy_dnn.primitive_create(&step->primitive, step->choice);
}

/* oneDNN's choice of a kernel for layouts `wanted`; the gradients need that of the values, too. */
static int choose(sy_dnn_plan *plan, void *const *wanted, void *options) {
  const sy_dnn_shape *const g = &plan->shape;
  void *forward = NULL, **const choice = &plan->step[SY_DNN_CONVOLUTION].choice;
  int failed = sy_dnn.forward(&forward, sy_dnn_engine, PURPOSE_TRAINING, ALGORITHM_DIRECT, wanted[0],
                              wanted[1], NULL, wanted[2], g->stride, g->dilation, g->before, g->after,
                              options);
  if (failed) return failed;
  if (g->kind == SY_DNN_VALUES) {
    *choice = forward;
    return 0;
  }
  if (g->kind == SY_DNN_INPUTS)
    failed = sy_dnn.inputs(choice, sy_dnn_engine, ALGORITHM_DIRECT, wanted[0], wanted[1], wanted[2],
                           g->stride, g->dilation, g->before, g->after, forward, options);
  else
    failed = sy_dnn.weights(choice, sy_dnn_engine, ALGORITHM_DIRECT, wanted[0], wanted[1], NULL,
                            wanted[2], g->stride, g->dilation, g->before, g->after, forward, options);
  sy_dnn.choice_destroy(forward);
  return failed;
}

/* The layouts inside, and the steps that change those of the caller. */
static int connect(sy_dnn_plan *plan, void *options) {
  static const int query[] = {QUERY_X, QUERY_W, QUERY_Y};
  sy_dnn_step *const step = plan->step;
  const int target = sy_dnn_target(&plan->shape);
  for (int k = 0; k < 3; k++) {
    const int gradient = k == SY_DNN_Y ? plan->shape.kind != SY_DNN_VALUES : k == target;
    const void *const inner =
        sy_dnn.choice_layout(step[SY_DNN_CONVOLUTION].choice, query[k] + gradient, 0);
    if (!inner) return -1;
    plan->inner[k] = inner;
    plan->bytes[k] = (int64_t)sy_dnn.layout_bytes(inner);
    if (sy_dnn.layout_equal(inner, plan->user[k])) continue;
    const void *const from = k == target ? inner : plan->user[k];
    const void *const to = k == target ? plan->user[k] : inner;
    if (sy_dnn.reorder(&step[k].choice, from, sy_dnn_engine, to, sy_dnn_engine, options) ||
        make_step(&step[k]))
      return -1;
  }
  return 0;
}

static int make_plan(sy_dnn_plan *plan) {
  void *options = NULL, *wanted[3] = {NULL};
  const char *name = NULL;
  int failed = sy_dnn.options_create(&options) ||
               sy_dnn.options_scratchpad(options, SCRATCHPAD_USER);
  for (int k = 0; k < 3 && !failed; k++)
    failed = layout_of(&plan->user[k], &plan->shape, k, 0) ||
             layout_of(&wanted[k], &plan->shape, k, k == SY_DNN_W || !plan->shape.plain);
  failed = failed || choose(plan, wanted, options) ||
           sy_dnn.choice_query(plan->step[SY_DNN_CONVOLUTION].choice, QUERY_NAME, 0, &name) ||
           strncmp(name, "ref", 3) == 0 || make_step(&plan->step[SY_DNN_CONVOLUTION]) ||
           connect(plan, options);
  for (int k = 0; k < 3; k++)
    if (wanted[k]) sy_dnn.layout_destroy(wanted[k]);
  if (options) sy_dnn.options_destroy(options);
  return failed ? -1 : 0;
}

static void drop_parts(sy_dnn_plan *plan) {
  for (int k = 0; k < SY_DNN_STEPS; k++) {
    if (plan->step[k].primitive) sy_dnn.primitive_destroy(plan->step[k].primitive);
    if (plan->step[k].choice) sy_dnn.choice_destroy(plan->step[k].choice);
  }
  for (int k = 0; k < 3; k++)
    if (plan->user[k]) sy_dnn.layout_destroy(plan->user[k]);
  memset(plan->step, 0, sizeof plan->step);
  memset(plan->user, 0, sizeof plan->user);
}

static sy_dnn_plan *new_plan(const sy_dnn_shape *shape) {
  sy_dnn_plan *const plan = calloc(1, sizeof *plan);
  if (!plan) return NULL;
  plan->shape = *shape;
  plan->uses = 1;
  const int threads = sy_dnn_alone();
  plan->usable = make_plan(plan) == 0;
  sy_dnn_many(threads);
  if (!plan->usable) drop_parts(plan);
  return plan;
}

/* The place of a shape in the table, or of what goes for a new one. Under the lock. */
static int place_of(const sy_dnn_shape *shape, int *found) {
  int best = 0;
  *found = 0;
  for (int k = 0; k < PLANS; k++) {
    if (table.plan[k] && memcmp(&table.plan[k]->shape, shape, sizeof *shape) == 0) {
      *found = 1;
      return k;
    }
    if (!table.plan[best]) continue;
    if (!table.plan[k] || table.plan[k]->used < table.plan[best]->used) best = k;
  }
  return best;
}

static void put_down(sy_dnn_plan *plan) {
  if (--plan->uses) return;
  drop_parts(plan);
  free(plan);
}

sy_dnn_plan *sy_dnn_plan_take(const sy_dnn_shape *shape) {
  int found;
  pthread_mutex_lock(&table.mutex);
  const int k = place_of(shape, &found);
  if (!found) {
    sy_dnn_plan *const plan = new_plan(shape);
    if (plan && table.plan[k]) put_down(table.plan[k]);
    if (plan) table.plan[k] = plan;
    found = plan != NULL;
  }
  sy_dnn_plan *plan = found ? table.plan[k] : NULL;
  if (plan) plan->used = ++table.clock;
  if (plan && plan->usable)
    plan->uses++;
  else
    plan = NULL;
  pthread_mutex_unlock(&table.mutex);
  return plan;
}

void sy_dnn_plan_give(sy_dnn_plan *plan) {
  pthread_mutex_lock(&table.mutex);
  put_down(plan);
  pthread_mutex_unlock(&table.mutex);
}

/* Where no other thread is left that could give the lock back. */
static void after_fork(void) {
  pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
  table.mutex = fresh;
}

int sy_dnn_plans_init(void) { return pthread_atfork(NULL, NULL, after_fork); }
