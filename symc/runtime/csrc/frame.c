/* Frames: what one call needs, kept between calls, and the layout of the arena. */
#include "callpath.h"

#include <stdlib.h>
#include <string.h>

/* ---- making and keeping frames ---------------------------------------------------------------------- */

static int rank_of(const sy_operand *is) { return is->descr ? is->ndim : 0; }

/* Carve `bytes` from the block at *at; with at == NULL only count. */
static void *carve(char *base, size_t *at, size_t bytes) {
  void *result = base ? base + *at : NULL;
  *at += (bytes + 15) & ~(size_t)15;
  return result;
}

static void carve_value(char *base, size_t *at, sy_value *v, int ndim) {
  int64_t *lengths = carve(base, at, 2 * (size_t)ndim * sizeof(int64_t));
  if (base) {
    v->n = lengths;
    v->s = lengths + ndim;
  }
}

/* Lay the frame out in the block at `base`; with base == NULL just return its size. */
static size_t carve_frame(sy_program *p, char *base) {
  size_t at = 0;
  int nheld = p->nin + p->nshared, nresult = p->nout + p->nfresh;
  sy_frame unused, *f = carve(base, &at, sizeof(sy_frame));
  if (!f) f = &unused;
  f->call.in = carve(base, &at, (size_t)(nheld + p->nconst) * sizeof(sy_value));
  f->call.out = carve(base, &at, (size_t)nresult * sizeof(sy_value));
  f->call.size = carve(base, &at, (size_t)p->nsize * sizeof(int64_t));
  f->call.slot_bytes = carve(base, &at, (size_t)p->nslot * sizeof(int64_t));
  f->call.slot_offset = carve(base, &at, (size_t)p->nslot * sizeof(int64_t));
  f->last_bytes = carve(base, &at, (size_t)p->nslot * sizeof(int64_t));
  f->held = carve(base, &at, (size_t)nheld * sizeof(PyObject *));
  f->result = carve(base, &at, (size_t)nresult * sizeof(PyObject *));
  f->scalar = carve(base, &at, (size_t)p->nin * sizeof(double));
  for (int k = 0; k < nheld; k++)
    carve_value(base, &at, base ? &f->call.in[k] : NULL, rank_of(&p->in[k]));
  for (int k = 0; k < p->nconst; k++) {
    PyObject *c = p->constant[k];
    carve_value(base, &at, base ? &f->call.in[nheld + k] : NULL,
                PyArray_Check(c) ? PyArray_NDIM((PyArrayObject *)c) : 0);
  }
  for (int k = 0; k < nresult; k++)
    carve_value(base, &at, base ? &f->call.out[k] : NULL, rank_of(&p->out[k].is));
  return at;
}

static void fill_constant(sy_value *v, PyObject *constant) {
  v->object = constant;
  if (!PyArray_Check(constant)) return;
  PyArrayObject *array = (PyArrayObject *)constant;
  v->data = PyArray_DATA(array);
  int64_t stride = 1;
  for (int d = PyArray_NDIM(array) - 1; d >= 0; d--) {
    v->n[d] = PyArray_DIM(array, d);
    v->s[d] = stride;
    stride *= v->n[d];
  }
}

static sy_frame *new_frame(sy_program *p) {
  size_t bytes = carve_frame(p, NULL);
  char *base = PyMem_Calloc(1, bytes);
  if (!base) {
    PyErr_NoMemory();
    return NULL;
  }
  sy_frame *f = (sy_frame *)base;
  carve_frame(p, base);
  f->program = p;
  f->call.api = &sy_the_api;
  f->call.frame = f;
  f->arena_bytes = -1;
  for (int k = 0; k < p->nconst; k++)
    fill_constant(&f->call.in[p->nin + p->nshared + k], p->constant[k]);
  return f;
}

sy_frame *sy_frame_take(sy_program *p) {
  return p->nidle ? p->idle[--p->nidle] : new_frame(p);
}

/* ---- memory that outlives the call ---------------------------------------------------------------------- */

/* What an array that a Python step has kept may still look into; owned by a capsule. */
typedef struct {
  char *arena;
  void **block;
  int nblock;
  PyObject *arrays; /* list */
} estate;

static void free_blocks(void **block, int count) {
  for (int k = 0; k < count; k++) sy_pool_free(block[k]);
}

static void settle_estate(PyObject *capsule) {
  estate *e = PyCapsule_GetPointer(capsule, "symc.memory");
  if (e->arena) sy_pool_free(e->arena);
  free_blocks(e->block, e->nblock);
  PyMem_RawFree(e->block);
  Py_XDECREF(e->arrays);
  PyMem_Free(e);
}

static PyObject *new_estate(void) {
  estate *e = PyMem_Calloc(1, sizeof *e);
  if (!e) return PyErr_NoMemory();
  PyObject *capsule = PyCapsule_New(e, "symc.memory", settle_estate);
  if (!capsule) PyMem_Free(e);
  return capsule;
}

PyObject *sy_frame_memory(sy_frame *f) {
  if (!f->memory) f->memory = new_estate();
  if (!f->memory) return NULL;
  estate *e = PyCapsule_GetPointer(f->memory, "symc.memory");
  if (!e->arrays) {
    PyObject *arrays = PyList_New(0);
    for (int k = 0; arrays && k < f->program->nin + f->program->nshared; k++) {
      PyObject *owner = f->call.in[k].object;
      if (owner && PyList_Append(arrays, owner) < 0) Py_CLEAR(arrays);
    }
    if (!arrays) return NULL;
    e->arrays = arrays;
  }
  Py_INCREF(f->memory);
  return f->memory;
}

/* The call is over: the capsule gets what its arrays may look into. */
static void bequeath(sy_frame *f) {
  estate *e = PyCapsule_GetPointer(f->memory, "symc.memory");
  e->arena = f->call.arena;
  e->block = f->block;
  e->nblock = f->nblock;
  f->block = NULL;
  f->block_room = f->nblock = 0;
  while (f->nkept) {
    PyObject *object = f->kept[--f->nkept];
    if (!e->arrays || PyList_Append(e->arrays, object) < 0)
      PyErr_Clear(); /* out of memory: never freeing it is safe, freeing it is not */
    else
      Py_DECREF(object);
  }
  Py_CLEAR(f->memory);
}

/* ---- giving frames back --------------------------------------------------------------------------------- */

/* Forget what belongs to one call; the frame can be taken again. */
void sy_frame_give(sy_frame *f) {
  sy_program *p = f->program;
  for (int k = 0; k < p->nin + p->nshared; k++) Py_CLEAR(f->held[k]);
  for (int k = 0; k < p->nout + p->nfresh; k++) Py_CLEAR(f->result[k]);
  if (f->memory) {
    bequeath(f);
  } else {
    while (f->nkept) Py_DECREF(f->kept[--f->nkept]);
    if (f->call.arena) sy_pool_free(f->call.arena);
    free_blocks(f->block, f->nblock);
  }
  f->call.arena = NULL;
  f->nblock = 0;
  Py_CLEAR(f->exception);
  if (p->nidle < SY_IDLE_FRAMES && f->kept_room <= 64 && f->block_room <= 64) {
    p->idle[p->nidle++] = f;
  } else {
    PyMem_Free(f->kept);
    PyMem_RawFree(f->block);
    PyMem_Free(f);
  }
}

int sy_frame_keep(sy_frame *f, PyObject *object) {
  if (f->nkept == f->kept_room) {
    int room = f->kept_room ? 2 * f->kept_room : 8;
    PyObject **more = PyMem_Realloc(f->kept, (size_t)room * sizeof *more);
    if (!more) {
      Py_DECREF(object);
      PyErr_NoMemory();
      return -1;
    }
    f->kept = more;
    f->kept_room = room;
  }
  f->kept[f->nkept++] = object;
  return 0;
}

/* ---- layout of the arena ------------------------------------------------------------------------------------ */

typedef struct {
  int64_t bytes;
  int number;
} sized_slot;

static int larger_first(const void *a, const void *b) {
  const sized_slot *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x->number - y->number;
}

static int lower_first(const void *a, const void *b) {
  int64_t x = ((const int64_t *)a)[0], y = ((const int64_t *)b)[0];
  return x < y ? -1 : x > y;
}

static int64_t aligned(int64_t bytes) { return (bytes + SY_ALIGN - 1) & ~(int64_t)(SY_ALIGN - 1); }

/* First fit, biggest slot first, among the slots that are live at the same time. `busy` has room
 * for two numbers per slot. Returns the arena's length. */
static int64_t first_fit(const sy_program *p, const int64_t *bytes, int64_t *offset,
                         sized_slot *order, int64_t *busy) {
  int64_t total = 0;
  for (int k = 0; k < p->nslot; k++) order[k] = (sized_slot){bytes[k], k};
  qsort(order, (size_t)p->nslot, sizeof *order, larger_first);
  for (int k = 0; k < p->nslot; k++) {
    const sy_interval *life = &p->slot[order[k].number];
    int64_t need = aligned(order[k].bytes), at = 0;
    size_t nbusy = 0;
    for (int j = 0; j < k && need; j++) {
      const sy_interval *other = &p->slot[order[j].number];
      if (other->first > life->last || life->first > other->last) continue;
      busy[2 * nbusy] = offset[order[j].number];
      busy[2 * nbusy + 1] = offset[order[j].number] + aligned(order[j].bytes);
      nbusy++;
    }
    qsort(busy, nbusy, 2 * sizeof *busy, lower_first);
    for (size_t j = 0; j < nbusy && busy[2 * j] < at + need; j++)
      if (busy[2 * j + 1] > at) at = busy[2 * j + 1];
    offset[order[k].number] = at;
    if (at + need > total) total = at + need;
  }
  return total;
}

static int compute_layout(sy_program *p, const int64_t *bytes, sy_layout *layout) {
  size_t n = (size_t)p->nslot;
  int64_t sum = 0;
  for (size_t k = 0; k < n; k++)
    if (bytes[k] < 0 || __builtin_add_overflow(sum, aligned(bytes[k]), &sum)) {
      PyErr_SetString(PyExc_MemoryError, "the intermediate values of a call do not fit into memory");
      return -1;
    }
  int64_t *table = PyMem_Malloc(2 * n * sizeof *table);
  sized_slot *order = PyMem_Malloc(n * sizeof *order);
  int64_t *busy = PyMem_Malloc(2 * n * sizeof *busy);
  if (!table || !order || !busy) {
    PyMem_Free(table);
    PyMem_Free(order);
    PyMem_Free(busy);
    PyErr_NoMemory();
    return -1;
  }
  memcpy(table, bytes, n * sizeof *table);
  int64_t total = first_fit(p, bytes, table + n, order, busy);
  PyMem_Free(order);
  PyMem_Free(busy);
  PyMem_Free(layout->bytes);
  *layout = (sy_layout){table, table + n, total};
  return 0;
}

int sy_frame_layout(sy_frame *f) {
  sy_program *p = f->program;
  const int64_t *bytes = f->call.slot_bytes;
  size_t size = (size_t)p->nslot * sizeof *bytes;
  if (f->arena_bytes < 0 || memcmp(f->last_bytes, bytes, size) != 0) {
    sy_layout *layout = NULL;
    for (int k = 0; k < SY_LAYOUTS && !layout; k++)
      if (p->layout[k].bytes && memcmp(p->layout[k].bytes, bytes, size) == 0)
        layout = &p->layout[k];
    if (!layout) {
      layout = &p->layout[p->next_layout];
      if (compute_layout(p, bytes, layout) < 0) return -1;
      p->next_layout = (p->next_layout + 1) % SY_LAYOUTS;
    }
    memcpy(f->call.slot_offset, layout->offset, size);
    memcpy(f->last_bytes, bytes, size);
    f->arena_bytes = layout->total;
  }
  f->call.arena = sy_pool_alloc((size_t)f->arena_bytes);
  if (!f->call.arena) {
    PyErr_Format(PyExc_MemoryError, "no memory for %lld bytes of intermediate values",
                 (long long)f->arena_bytes);
    return -1;
  }
  return 0;
}
