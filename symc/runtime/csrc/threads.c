/* The thread pool: parallel loops of compiled programs, and OpenBLAS's jobs.
 *
 * One job runs at a time. The caller publishes it by opening the gate and raising the signal; a
 * worker that sees the signal enters through the gate, which gives it a thread number, and works
 * on its own range of chunks first, a quarter of what is left of it at a time, then on what others
 * have left: the last pieces are small, so that all end together even where one processor is slower
 * (the second thread of a core, a guest whose host is busy). When the caller finds no chunk
 * any more it closes the gate and waits only for the workers that are inside: a worker that the
 * system has not scheduled yet delays nobody. Idle workers spin briefly, then sleep.
 *
 * A call from inside a task, or while another thread's job runs, is done serially by the caller.
 *
 * Where other programs keep the processors busy, calls use one thread: a worker that is not
 * scheduled in the middle of its chunk would delay the call by a whole time slice, milliseconds for
 * work of microseconds.
 */
#define _GNU_SOURCE
#include "callpath.h"
#include "products.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

#define MOST_THREADS 256
/* How long a thread polls before it sleeps. Waking one costs the caller 20 to 50 us in a virtual
 * machine, and a step of training has serial parts of that length: with 50 us here an MLP step of
 * 0.7 ms took a tenth longer. */
#define SPIN_NANOSECONDS 300000

#if defined(__x86_64__) || defined(__i386__)
#define relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define relax() __asm__ volatile("yield")
#else
#define relax() sched_yield()
#endif

/* ---- spinning, sleeping and waking -------------------------------------------------------------------------- */

/* One poll of a spinning thread; false once it has spun for long enough. */
static int spin_on(int *polls, int64_t *since) {
  relax();
  if (++*polls % 32) return 1;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
  if (*polls == 32) *since = now;
  return now - *since < SPIN_NANOSECONDS;
}

/* A word that threads wait on until it changes. */
typedef struct {
  _Atomic uint32_t word;
  _Atomic int sleepers;
#ifndef __linux__
  pthread_mutex_t mutex;
  pthread_cond_t changed;
#endif
} signal_word;

static void signal_wait(signal_word *s, uint32_t seen) {
  atomic_fetch_add(&s->sleepers, 1);
#ifdef __linux__
  while (atomic_load(&s->word) == seen)
    syscall(SYS_futex, (uint32_t *)&s->word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
#else
  pthread_mutex_lock(&s->mutex);
  while (atomic_load(&s->word) == seen) pthread_cond_wait(&s->changed, &s->mutex);
  pthread_mutex_unlock(&s->mutex);
#endif
  atomic_fetch_sub(&s->sleepers, 1);
}

static void signal_raise(signal_word *s, int wake) {
#ifdef __linux__
  atomic_fetch_add(&s->word, 1);
  if (atomic_load(&s->sleepers))
    syscall(SYS_futex, (uint32_t *)&s->word, FUTEX_WAKE_PRIVATE, wake, NULL, NULL, 0);
#else
  (void)wake;
  pthread_mutex_lock(&s->mutex);
  atomic_fetch_add(&s->word, 1);
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->mutex);
#endif
}

static void signal_reset(signal_word *s) {
  atomic_store(&s->word, 0);
  atomic_store(&s->sleepers, 0);
#ifndef __linux__
  pthread_mutex_init(&s->mutex, NULL);
  pthread_cond_init(&s->changed, NULL);
#endif
}

/* ---- the pool ---------------------------------------------------------------------------------------- */

/* Chunks of one thread number, on a cache line of its own. */
typedef struct {
  _Alignas(128) _Atomic int64_t next;
  int64_t end;
} chunk_range;

/* The gate: open flag, threads of the job, workers that have entered, workers inside. One word,
 * so that a worker which compares and swaps it can't mix the numbers of two jobs. */
#define GATE_OPEN ((uint64_t)1 << 63)
#define GATE_THREADS ((uint64_t)1 << 48)
#define GATE_ENTERED ((uint64_t)1 << 32)
#define GATE_INSIDE ((uint64_t)1)
#define threads_of(gate) ((int)((gate) >> 48 & 0x7fff))
#define entered_of(gate) ((int)((gate) >> 32 & 0xffff))
#define inside_of(gate) ((int)((gate) & 0xffffffffu))

static struct {
  pthread_mutex_t owner; /* held by the thread whose job runs */
  pthread_mutex_t growth;
  signal_word work;      /* raised for every job */
  signal_word done;      /* raised by the last worker to leave a closed gate */
  _Atomic uint64_t gate;
  _Atomic int workers;
  _Atomic int limit; /* threads to use; 0: not found out yet */
  _Atomic int asked; /* whether the user has asked for that many */
  /* the job; written before the gate opens */
  sy_task task;
  void *context;
  int threads;
  chunk_range range[MOST_THREADS];
} team = {.owner = PTHREAD_MUTEX_INITIALIZER, .growth = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local int inside_task;

static void work_on_chunks(int thread) {
  int threads = team.threads;
  inside_task++;
  for (int k = 0; k < threads; k++) {
    int whose = thread + k < threads ? thread + k : thread + k - threads;
    chunk_range *range = &team.range[whose];
    int64_t first = atomic_load_explicit(&range->next, memory_order_relaxed);
    while (first < range->end) {
      int64_t quarter = (range->end - first) / 4;
      int64_t last = first + (quarter > 1 ? quarter : 1);
      if (atomic_compare_exchange_weak_explicit(&range->next, &first, last, memory_order_relaxed,
                                                memory_order_relaxed)) {
        team.task(team.context, first, last, thread);
        first = atomic_load_explicit(&range->next, memory_order_relaxed);
      }
    }
  }
  inside_task--;
}

/* Enter the gate; the thread number, or -1 where it is closed or enough workers are in. */
static int enter_gate(void) {
  uint64_t gate = atomic_load_explicit(&team.gate, memory_order_acquire);
  while ((gate & GATE_OPEN) && entered_of(gate) + 1 < threads_of(gate))
    if (atomic_compare_exchange_weak_explicit(&team.gate, &gate,
                                              gate + GATE_ENTERED + GATE_INSIDE,
                                              memory_order_acq_rel, memory_order_acquire))
      return entered_of(gate) + 1;
  return -1;
}

static void leave_gate(void) {
  uint64_t before = atomic_fetch_sub_explicit(&team.gate, GATE_INSIDE, memory_order_acq_rel);
  if (!(before & GATE_OPEN) && inside_of(before) == 1) signal_raise(&team.done, 1);
}

static void *worker(void *unused) {
  (void)unused;
  sigset_t all; /* signals are for Python's threads */
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  uint32_t seen = atomic_load(&team.work.word) - 1; /* the job it was started for may be open */
  for (;;) {
    int polls = 0;
    int64_t since = 0;
    while (atomic_load_explicit(&team.work.word, memory_order_acquire) == seen)
      if (!spin_on(&polls, &since)) signal_wait(&team.work, seen);
    seen = atomic_load_explicit(&team.work.word, memory_order_acquire);
    int thread = enter_gate();
    if (thread > 0) {
      work_on_chunks(thread);
      leave_gate();
    }
  }
  return NULL;
}

/* Start workers until there are `wanted`; returns how many there are. */
static int grow(int wanted) {
  if (atomic_load(&team.workers) >= wanted) return atomic_load(&team.workers);
  pthread_mutex_lock(&team.growth);
  while (atomic_load(&team.workers) < wanted) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attributes, worker, NULL);
    pthread_attr_destroy(&attributes);
    if (failed) break;
    atomic_fetch_add(&team.workers, 1);
  }
  pthread_mutex_unlock(&team.growth);
  return atomic_load(&team.workers);
}

static void close_gate(void) {
  uint32_t seen = atomic_load(&team.done.word);
  uint64_t gate = atomic_fetch_and_explicit(&team.gate, ~GATE_OPEN, memory_order_acq_rel);
  int polls = 0;
  int64_t since = 0;
  while (inside_of(gate)) {
    if (!spin_on(&polls, &since)) {
      signal_wait(&team.done, seen);
      seen = atomic_load(&team.done.word);
    }
    gate = atomic_load_explicit(&team.gate, memory_order_acquire);
  }
}

/* Set up the job and let workers in; the caller owns the team. */
static void open_gate(sy_task task, void *context, int64_t chunks, int threads) {
  team.task = task;
  team.context = context;
  team.threads = threads;
  for (int t = 0; t < threads; t++) {
    atomic_store_explicit(&team.range[t].next, chunks * t / threads, memory_order_relaxed);
    team.range[t].end = chunks * (t + 1) / threads;
  }
  atomic_store_explicit(&team.gate, GATE_OPEN + (uint64_t)threads * GATE_THREADS,
                        memory_order_release);
  signal_raise(&team.work, threads - 1);
}

void sy_parallel(sy_task task, void *context, int64_t chunks, int threads) {
  if (chunks <= 0) return;
  int usable = sy_threads();
  if (threads > usable) threads = usable;
  if ((int64_t)threads > chunks) threads = (int)chunks;
  if (threads > 1 && !inside_task) {
    int workers = grow(threads - 1);
    if (workers + 1 < threads) threads = workers + 1;
  }
  if (threads <= 1 || inside_task || pthread_mutex_trylock(&team.owner) != 0) {
    inside_task++;
    task(context, 0, chunks, 0);
    inside_task--;
    return;
  }
  open_gate(task, context, chunks, threads);
  work_on_chunks(0);
  close_gate();
  pthread_mutex_unlock(&team.owner);
}

typedef struct {
  sy_task task;
  void *context;
  int64_t number;
} single_job;

static void *single(void *pointer) {
  single_job *job = pointer;
  inside_task++;
  job->task(job->context, job->number, job->number + 1, (int)job->number);
  return NULL;
}

/* Threads made for the occasion: jobs started from inside a task can't have the team. */
static void temporary_threads(sy_task task, void *context, int jobs) {
  single_job job[MOST_THREADS];
  pthread_t thread[MOST_THREADS];
  int started = 1;
  for (; started < jobs; started++) {
    job[started] = (single_job){task, context, started};
    if (pthread_create(&thread[started], NULL, single, &job[started]) != 0) break;
  }
  inside_task++;
  task(context, 0, 1, 0);
  if (started < jobs) task(context, started, jobs, 0);
  inside_task--;
  for (int k = 1; k < started; k++) pthread_join(thread[k], NULL);
}

void sy_concurrent(sy_task task, void *context, int jobs) {
  if (jobs > MOST_THREADS) jobs = MOST_THREADS;
  if (jobs <= 1) {
    task(context, 0, jobs, 0);
  } else if (inside_task || grow(jobs - 1) < jobs - 1) {
    temporary_threads(task, context, jobs);
  } else {
    pthread_mutex_lock(&team.owner);
    open_gate(task, context, jobs, jobs);
    work_on_chunks(0);
    close_gate();
    pthread_mutex_unlock(&team.owner);
  }
}

int sy_thread_workers(void) { return atomic_load(&team.workers); }

/* ---- how many threads ---------------------------------------------------------------------------------- */

static int processors(void) {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (int)n : 1;
}

/* Whole processors that the cgroup at `path` grants, or 0 where it sets no limit. */
static int quota_at(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  double quota = 0, period = 0;
  int read = fscanf(file, "%lf %lf", &quota, &period);
  fclose(file);
  if (read != 2 || quota <= 0 || period <= 0) return 0;
  int whole = (int)(quota / period + 0.5);
  return whole > 0 ? whole : 1;
}

static int cgroup_quota(void) {
  int least = 0;
#ifdef __linux__
  char line[512], path[640];
  FILE *file = fopen("/proc/self/cgroup", "r");
  if (!file) return 0;
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, "0::", 3) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    for (;;) { /* this group and all its parents */
      snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", line + 3);
      int quota = quota_at(path);
      if (quota && (!least || quota < least)) least = quota;
      char *slash = strrchr(line + 3, '/');
      if (!slash) break;
      *slash = 0;
    }
  }
  fclose(file);
#endif
  return least;
}

static int default_threads(void) {
  int threads = processors();
  int quota = cgroup_quota();
  if (quota && quota < threads) threads = quota;
  const char *text = getenv("OMP_NUM_THREADS");
  if (text && atoi(text) > 0) threads = atoi(text);
  return threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
}

/* ---- other programs ---- */

#define LOOK_NANOSECONDS 50000000    /* how often the system is asked who else is running */
#define CROWDED_NANOSECONDS 10000000 /* the same while it is crowded: threads are missed */
#define ONE_OTHER 256                /* one other running thread, in the unit of `pressure` */

static struct {
  _Atomic int64_t next; /* when to look again */
  _Atomic int pressure; /* mean number of other running threads, recent ones counting more */
  _Atomic int crowded;
  int holds_blas; /* whether BLAS was told to use one thread because of the crowd */
} machine;

/* Threads of other programs that are running or waiting for a processor now; -1 if not known. */
static int others_running(void) {
#ifdef __linux__
  char text[128];
  int file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return -1;
  text[length] = 0;
  int running;
  if (sscanf(text, "%*f %*f %*f %d/", &running) != 1) return -1;
  int awake = atomic_load(&team.workers) - atomic_load(&team.work.sleepers);
  int others = running - 1 - (awake > 0 ? awake : 0);
  return others > 0 ? others : 0;
#else
  return -1;
#endif
}

static void look_around(int threads, int recently) {
  int others = others_running();
  if (others < 0) return;
  int before = recently ? atomic_load(&machine.pressure) : 0; /* what was seen long ago says nothing */
  int pressure = (3 * before + others * ONE_OTHER) / 4;
  int bearable = (processors() - threads) * ONE_OTHER + ONE_OTHER * 3 / 4;
  int crowded = pressure > bearable;
  /* However many there were, one look without them ends it. */
  atomic_store(&machine.pressure, crowded ? bearable + 1 : pressure);
  if (atomic_exchange(&machine.crowded, crowded) == crowded) return;
  if (crowded)
    machine.holds_blas = sy_blas_one();
  else if (machine.holds_blas)
    sy_blas_many();
}

static int is_crowded(int threads) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
  int64_t next = atomic_load_explicit(&machine.next, memory_order_relaxed);
  int64_t later = atomic_load_explicit(&machine.crowded, memory_order_relaxed) ? CROWDED_NANOSECONDS
                                                                                : LOOK_NANOSECONDS;
  if (now >= next && atomic_compare_exchange_strong(&machine.next, &next, now + later))
    look_around(threads, now - next < 4 * LOOK_NANOSECONDS);
  return atomic_load_explicit(&machine.crowded, memory_order_relaxed);
}

/* Threads for a call that starts now: as many as were asked for, else what the machine bears. */
int sy_call_threads(void) {
  int threads = sy_threads();
  if (atomic_load_explicit(&team.asked, memory_order_relaxed)) return threads;
  return threads > 1 && is_crowded(threads) ? 1 : threads;
}

int sy_threads(void) {
  if (inside_task) return 1;
  int limit = atomic_load_explicit(&team.limit, memory_order_relaxed);
  if (!limit) {
    limit = default_threads();
    atomic_store_explicit(&team.limit, limit, memory_order_relaxed);
  }
  return limit;
}

void sy_set_threads(int threads) {
  atomic_store(&team.asked, threads > 0);
  atomic_store(&team.limit, threads < 0 ? 0 : threads > MOST_THREADS ? MOST_THREADS : threads);
}

/* ---- scratch memory --------------------------------------------------------------------------------------- */

typedef struct {
  char *data;
  int64_t bytes;
} scratch_area;

static pthread_key_t scratch_key;

static void scratch_drop(void *pointer) {
  scratch_area *area = pointer;
  sy_pool_free(area->data);
  free(area);
}

char *sy_scratch(int thread, int64_t bytes) {
  (void)thread; /* memory goes by the real thread: several calls may run as thread 0 */
  scratch_area *area = pthread_getspecific(scratch_key);
  if (!area) {
    area = calloc(1, sizeof *area);
    if (!area) return NULL;
    if (pthread_setspecific(scratch_key, area) != 0) {
      free(area);
      return NULL;
    }
  }
  if (area->bytes < bytes || !area->data) {
    sy_pool_free(area->data);
    area->bytes = 0;
    area->data = bytes < 0 ? NULL : sy_pool_alloc((size_t)bytes);
    if (area->data) area->bytes = bytes;
  }
  return area->data;
}

/* ---- fork ---------------------------------------------------------------------------------------------------- */

static void before_fork(void) {
  pthread_mutex_lock(&team.growth);
}

static void after_fork_parent(void) { pthread_mutex_unlock(&team.growth); }

/* The child has no workers, and the job of another thread is gone. */
static void after_fork_child(void) {
  pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
  team.owner = fresh;
  team.growth = fresh;
  atomic_store(&team.workers, 0);
  atomic_store(&team.gate, 0);
  signal_reset(&team.work);
  signal_reset(&team.done);
  inside_task = 0;
  machine.holds_blas = 0;
  atomic_store(&machine.crowded, 0);
  sy_blas_after_fork();
}

int sy_threads_init(void) {
  signal_reset(&team.work);
  signal_reset(&team.done);
  if (pthread_key_create(&scratch_key, scratch_drop) != 0 ||
      pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0) {
    PyErr_SetString(PyExc_MemoryError, "the thread pool can't be set up");
    return -1;
  }
  return 0;
}
