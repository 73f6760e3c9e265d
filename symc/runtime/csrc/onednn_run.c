/* A convolution by oneDNN, on symc's threads: cut into units, each a call of oneDNN on one thread. */
#include "onednn.h"

#include <string.h>

#define UNIT_BYTES (1 << 20)       /* images and results of a unit, that stay in the second cache */
#define SUM_BYTES (3 << 19)        /* of all the sums of slices */
#define MOST_SLICES 8
#define FEW_TASKS 4                /* less are cut along channels, too */
#define PART_CHANNELS 16           /* of the channels of a part: what a block of oneDNN's has */
#define PARALLEL 3e5               /* multiplications from which a second thread is worth it */

/* Arguments of oneDNN's steps. */
enum { FROM = 1, TO = 17, ARG_X = 1, ARG_Y = 17, ARG_W = 33, ARG_PAD = 80, ARG_GRADIENT = 128 };

static int64_t up(int64_t bytes) { return (bytes + SY_ALIGN - 1) / SY_ALIGN * SY_ALIGN; }

static int64_t product(const int64_t *n, int64_t count) {
  int64_t all = 1;
  for (int64_t d = 0; d < count; d++) all *= n[d];
  return all;
}

static int64_t largest_divisor(int64_t n, int64_t most) {
  int64_t d = most < n ? most : n;
  while (d > 1 && n % d) d--;
  return d < 1 ? 1 : d;
}

/* The channels or groups that can be cut into parts which do not see each other's results. */
static int64_t parts_of(const sy_dnn_shape *g, int64_t wanted) {
  const int64_t channels = g->kind == SY_DNN_INPUTS ? g->w[1] : g->w[0] / g->groups;
  const int64_t blocks = g->groups > 1             ? g->groups
                         : channels % PART_CHANNELS ? 1
                                                    : channels / PART_CHANNELS;
  int64_t parts = wanted;
  while (parts > 1 && blocks % parts) parts /= 2;
  return parts;
}

static sy_dnn_cut cut_of(const sy_dnn_shape *g) {
  const int64_t size = sizeof(float), batch = g->x[0];
  const int64_t image = size * (product(g->x + 1, g->axes - 1) + product(g->y + 1, g->axes - 1));
  const int64_t filters = size * product(g->w, g->axes);
  sy_dnn_cut cut = {.slices = 1, .parts = 1};
  if (g->kind == SY_DNN_WEIGHTS) {
    const int64_t most = SUM_BYTES / (filters + 1);
    cut.slices = largest_divisor(batch, most < MOST_SLICES ? most : MOST_SLICES);
    const int64_t worth = 4 * filters > UNIT_BYTES ? 4 * filters : UNIT_BYTES;
    cut.images = largest_divisor(batch / cut.slices, worth / (image + 1));
  } else {
    const int64_t most = UNIT_BYTES / (image + 1), even = (batch + 2 * FEW_TASKS - 1) / (2 * FEW_TASKS);
    cut.images = largest_divisor(batch, most < even ? most : even);
  }
  cut.units = batch / cut.images;
  const int64_t tasks = g->kind == SY_DNN_WEIGHTS ? cut.slices : cut.units;
  if (tasks < FEW_TASKS) cut.parts = parts_of(g, FEW_TASKS);
  if (g->plain && cut.parts > 1) cut.images = 1; /* the channels of a part lie together in one only */
  cut.units = batch / cut.images;
  return cut;
}

/* The shape of a unit of one part. */
static sy_dnn_shape unit_of(const sy_dnn_shape *shape, const sy_dnn_cut *cut) {
  sy_dnn_shape g = *shape;
  g.x[0] = g.y[0] = cut->images;
  if (cut->parts == 1) return g;
  const int grouped = g.groups > 1;
  if (grouped) g.groups /= cut->parts;
  if (grouped || g.kind == SY_DNN_INPUTS) g.x[1] /= cut->parts;
  if (grouped || g.kind != SY_DNN_INPUTS) g.y[1] /= cut->parts;
  g.w[!grouped && g.kind == SY_DNN_INPUTS] /= cut->parts;
  if (g.x[0] == 1) { /* what lies between images does not matter */
    g.xs[0] = g.xs[1] * g.x[1];
    g.ys[0] = g.ys[1] * g.y[1];
  }
  return g;
}

typedef struct {
  sy_call *call;
  const sy_dnn_shape *shape; /* of all */
  const sy_dnn_plan *plan;
  const sy_after *after;
  sy_dnn_cut cut;
  float *x, *y;    /* the caller's */
  float *w;        /* filters in their usual layout */
  char *inner;     /* filters as oneDNN has them: by slices and parts; NULL: `w` is as it wants */
  int failed;      /* oneDNN has refused */
} job_of;

/* oneDNN's handles for what one thread works on. */
typedef struct {
  void *stream, *user[3], *inner[3], *pad[SY_DNN_STEPS];
} desk;

static void clear_desk(desk *d) {
  for (int k = 0; k < 3; k++) {
    if (d->user[k]) sy_dnn.memory_destroy(d->user[k]);
    if (d->inner[k]) sy_dnn.memory_destroy(d->inner[k]);
  }
  for (int k = 0; k < SY_DNN_STEPS; k++)
    if (d->pad[k]) sy_dnn.memory_destroy(d->pad[k]);
  if (d->stream) sy_dnn.stream_destroy(d->stream);
}

static int set_desk(desk *d, const sy_dnn_plan *plan, char *pad) {
  memset(d, 0, sizeof *d);
  int failed = sy_dnn.stream_create(&d->stream, sy_dnn_engine, 1);
  for (int k = 0; k < 3 && !failed; k++)
    failed = sy_dnn.memory_create(&d->user[k], plan->user[k], sy_dnn_engine, NULL) ||
             sy_dnn.memory_create(&d->inner[k], plan->inner[k], sy_dnn_engine, NULL);
  for (int k = 0; k < SY_DNN_STEPS && !failed; k++)
    if (plan->step[k].pad)
      failed = sy_dnn.memory_create(&d->pad[k], plan->step[k].pad_layout, sy_dnn_engine, pad);
  if (failed) clear_desk(d);
  return failed;
}

/* The change of layout of operand `k`, in the direction the plan has. */
static int change(const desk *d, const sy_dnn_plan *plan, int k) {
  const int back = k == sy_dnn_target(&plan->shape);
  const sy_dnn_argument arguments[] = {{FROM, back ? d->inner[k] : d->user[k]},
                                       {TO, back ? d->user[k] : d->inner[k]},
                                       {ARG_PAD, d->pad[k]}};
  return sy_dnn.primitive_execute(plan->step[k].primitive, d->stream, 2 + (d->pad[k] != NULL),
                                  arguments);
}

static int convolve(const desk *d, const sy_dnn_plan *plan) {
  const int target = sy_dnn_target(&plan->shape), k = SY_DNN_CONVOLUTION;
  const sy_dnn_argument arguments[] = {
      {ARG_X + (target == SY_DNN_X ? ARG_GRADIENT : 0), d->inner[SY_DNN_X]},
      {ARG_W + (target == SY_DNN_W ? ARG_GRADIENT : 0), d->inner[SY_DNN_W]},
      {ARG_Y + (target == SY_DNN_Y ? 0 : ARG_GRADIENT), d->inner[SY_DNN_Y]},
      {ARG_PAD, d->pad[k]}};
  return sy_dnn.primitive_execute(plan->step[k].primitive, d->stream, 3 + (d->pad[k] != NULL),
                                  arguments);
}

/* Where part `part` starts in images, filters and results. */
static void starts_of(const job_of *job, int64_t part, int64_t *start) {
  const sy_dnn_shape *const all = job->shape, *const unit = &job->plan->shape;
  const int in = all->x[1] != unit->x[1], out = all->y[1] != unit->y[1];
  start[SY_DNN_X] = in ? part * unit->x[1] * all->xs[1] : 0;
  start[SY_DNN_Y] = out ? part * unit->y[1] * all->ys[1] : 0;
  start[SY_DNN_W] = out  ? part * unit->w[0] * all->ws[0]
                    : in ? part * unit->w[1] * all->ws[1]
                         : 0;
}

/* Filters of a part as oneDNN has them, of slice `slice` where there are sums. */
static float *filters_at(const job_of *job, int64_t slice, int64_t part) {
  int64_t start[3];
  starts_of(job, part, start);
  if (!job->inner) return job->w + start[SY_DNN_W];
  return (float *)(job->inner + (slice * job->cut.parts + part) * up(job->plan->bytes[SY_DNN_W]));
}

/* One unit; the handles of the filters are set. `room` is for images and results in other layouts. */
static int run_unit(const job_of *job, const desk *d, int64_t unit, int64_t part, char *room) {
  const sy_dnn_plan *const plan = job->plan;
  const int target = sy_dnn_target(&plan->shape);
  int64_t start[3];
  starts_of(job, part, start);
  for (int k = SY_DNN_X; k <= SY_DNN_Y; k += SY_DNN_Y - SY_DNN_X) {
    const int64_t image = k == SY_DNN_X ? job->shape->xs[0] : job->shape->ys[0];
    float *const data =
        (k == SY_DNN_X ? job->x : job->y) + unit * job->cut.images * image + start[k];
    const int changes = plan->step[k].primitive != NULL;
    if (sy_dnn.memory_set(d->user[k], data) ||
        sy_dnn.memory_set(d->inner[k], changes ? (void *)room : data))
      return -1;
    if (changes) room += up(plan->bytes[k]);
    if (changes && k != target && change(d, plan, k)) return -1;
  }
  if (convolve(d, plan)) return -1;
  return target != SY_DNN_W && plan->step[target].primitive ? change(d, plan, target) : 0;
}

/* The sum over the units of one slice; `spare` has room for filters. */
static int run_slice(const job_of *job, const desk *d, int64_t task, char *room, float *spare) {
  const int64_t slice = task / job->cut.parts, part = task % job->cut.parts;
  const int64_t units = job->cut.units / job->cut.slices;
  const int64_t count = job->plan->bytes[SY_DNN_W] / (int64_t)sizeof(float);
  float *const sum = filters_at(job, slice, part);
  for (int64_t k = 0; k < units; k++) {
    if (sy_dnn.memory_set(d->inner[SY_DNN_W], k ? spare : sum) ||
        run_unit(job, d, slice * units + k, part, room))
      return -1;
    for (int64_t i = 0; k && i < count; i++) sum[i] += spare[i];
  }
  return 0;
}

/* What comes after a unit's results. */
static void go_on(const job_of *job, int64_t unit, int64_t part, int thread) {
  const int inputs = job->shape->kind == SY_DNN_INPUTS;
  const int64_t *const all = inputs ? job->shape->x : job->shape->y;
  const int64_t channels = inputs ? job->plan->shape.x[1] : job->plan->shape.y[1];
  const int64_t first = channels == all[1] ? 0 : part * channels;
  for (int64_t image = unit * job->cut.images; image < (unit + 1) * job->cut.images; image++)
    job->after->run(job->after->context, image, first, channels, 0, all[2], thread);
}

static void run_tasks(void *context, int64_t first, int64_t last, int thread) {
  job_of *const job = context;
  const sy_dnn_plan *const plan = job->plan;
  const int64_t images = up(plan->bytes[SY_DNN_X]) + up(plan->bytes[SY_DNN_Y]);
  int64_t pad = 0;
  for (int k = 0; k < SY_DNN_STEPS; k++) pad = plan->step[k].pad > pad ? plan->step[k].pad : pad;
  char *const room =
      job->call->api->scratch(thread, images + up(plan->bytes[SY_DNN_W]) + up(pad) + SY_ALIGN);
  desk d;
  const int threads = sy_dnn_alone();
  const int ready = room && !set_desk(&d, plan, room + images + up(plan->bytes[SY_DNN_W]));
  int failed = !ready;
  for (int64_t task = first; task < last && !failed; task++) {
    if (plan->shape.kind == SY_DNN_WEIGHTS) {
      failed = run_slice(job, &d, task, room, (float *)(room + images));
      continue;
    }
    const int64_t part = task % job->cut.parts;
    failed = sy_dnn.memory_set(d.inner[SY_DNN_W], filters_at(job, 0, part)) ||
             run_unit(job, &d, task / job->cut.parts, part, room);
    if (!failed && job->after) go_on(job, task / job->cut.parts, part, thread);
  }
  if (ready) clear_desk(&d);
  sy_dnn_many(threads);
  if (failed) __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
}

/* Changes filters from the usual layout to oneDNN's before the convolution, or back after it. */
static void change_filters(void *context, int64_t first, int64_t last, int thread) {
  job_of *const job = context;
  const sy_dnn_step *const step = &job->plan->step[SY_DNN_W];
  char *const pad = job->call->api->scratch(thread, up(step->pad) + SY_ALIGN);
  desk d;
  const int threads = sy_dnn_alone(), ready = pad && !set_desk(&d, job->plan, pad);
  int failed = !ready;
  for (int64_t part = first; part < last && !failed; part++) {
    int64_t start[3];
    starts_of(job, part, start);
    failed = sy_dnn.memory_set(d.user[SY_DNN_W], job->w + start[SY_DNN_W]) ||
             sy_dnn.memory_set(d.inner[SY_DNN_W], filters_at(job, 0, part)) ||
             change(&d, job->plan, SY_DNN_W);
  }
  if (ready) clear_desk(&d);
  sy_dnn_many(threads);
  if (failed) __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
}

/* Adds the sums of all slices to those of the first. */
static void add_slices(const job_of *job) {
  const int64_t count = job->cut.parts * up(job->plan->bytes[SY_DNN_W]) / (int64_t)sizeof(float);
  float *const sum = (float *)job->inner;
  for (int64_t k = 1; k < job->cut.slices; k++)
    for (int64_t i = 0; i < count; i++) sum[i] += sum[k * count + i];
}

/* The sums of all parts, which are in their usual layout, to their places. */
static void copy_parts(const job_of *job) {
  for (int64_t part = 0; part < job->cut.parts; part++) {
    int64_t start[3];
    starts_of(job, part, start);
    memcpy(job->w + start[SY_DNN_W], filters_at(job, 0, part),
           (size_t)job->plan->bytes[SY_DNN_W]);
  }
}

static int run_job(job_of *job) {
  sy_call *const call = job->call;
  const sy_dnn_shape *const g = job->shape;
  const int sums = g->kind == SY_DNN_WEIGHTS;
  if (job->plan->step[SY_DNN_W].primitive || (sums && job->cut.slices > 1)) {
    const int64_t bytes = job->cut.parts * up(job->plan->bytes[SY_DNN_W]);
    job->inner = call->api->alloc(call, bytes * job->cut.slices);
    if (!job->inner) return call->api->fail(call, SY_E_MEMORY, 0, NULL, 0);
    memset(job->inner, 0, (size_t)(bytes * job->cut.slices)); /* also what lies between parts */
  }
  const double work = (double)product(g->y, g->axes) * (double)product(g->w + 1, g->axes - 1);
  const int threads = work < PARALLEL ? 1 : call->threads;
  const int changes = job->plan->step[SY_DNN_W].primitive != NULL;
  if (!sums && changes) call->api->parallel(change_filters, job, job->cut.parts, threads);
  if (job->failed) return SY_GUARD;
  const int64_t tasks = (sums ? job->cut.slices : job->cut.units) * job->cut.parts;
  call->api->parallel(run_tasks, job, tasks, threads);
  if (job->failed && job->after) /* may have happened in part, and must not happen again */
    return call->api->fail(call, SY_E_MEMORY, 0, NULL, 0);
  if (job->failed) return SY_GUARD;
  if (sums && job->cut.slices > 1) add_slices(job);
  if (sums && changes)
    call->api->parallel(change_filters, job, job->cut.parts, threads);
  else if (sums && job->inner)
    copy_parts(job);
  return job->failed ? SY_GUARD : SY_OK;
}

int sy_dnn_run(sy_call *call, const sy_dnn_shape *shape, float *const data[3],
               const sy_after *after) {
  job_of job = {.call = call, .shape = shape, .x = data[0], .w = data[1], .y = data[2],
                .after = after};
  job.cut = cut_of(shape);
  const sy_dnn_shape unit = unit_of(shape, &job.cut);
  sy_dnn_plan *const plan = sy_dnn_plan_take(&unit);
  if (!plan) return SY_GUARD;
  job.plan = plan;
  const int outcome = run_job(&job);
  sy_dnn_plan_give(plan);
  return outcome;
}
