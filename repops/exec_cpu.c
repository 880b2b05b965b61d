/* exec_cpu.c - the CPU backend: devices, states, plans and steps.
 *
 * What this file decides: which ISA level runs, which driver runs a node, and the order of a
 * step: each node, its fault, its digests; then the next values of the slots.
 *
 * Invariants
 *   1. A node without a fitting driver runs its scalar body for every element: an operator is
 *      right on this backend as soon as its body is.
 *   2. A step allocates nothing and fails on nothing but its options.
 *   3. The level, the driver and the thread count never change a bit. */
#include "exec_cpu.h"
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ISA levels ---------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const ro_patterns *patterns;
    const ro_kernel_set *kernels;
    int (*runs_here)(void);
    int is_scalar; /* no driver: every element by its body */
} isa_level;

static int always(void) { return 1; }

#if defined(__x86_64__)
static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
}
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

/* Best first; "base" runs everywhere, so what follows it is never the best. */
static const isa_level levels[] = {
#if defined(__x86_64__)
    {"avx512", &ro_patterns_avx512, &ro_gemm_avx512, has_avx512, 0},
    {"avx2", &ro_patterns_avx2, &ro_gemm_avx2, has_avx2, 0},
#endif
#if defined(__aarch64__)
    {"neon", &ro_patterns_base, &ro_gemm_base, always, 0},
#endif
    {"base", &ro_patterns_base, &ro_gemm_base, always, 0},
    {"scalar", &ro_patterns_base, &ro_gemm_base, always, 1}, /* where it is asked for: slow */
};
#define LEVELS (sizeof levels / sizeof *levels)

static const isa_level *best_level(void)
{
    const isa_level *l = levels;
    while (!l->runs_here()) l++;
    return l;
}

static ro_status choose_level(const isa_level **out, ro_err *err)
{
    const char *name = getenv("VERDE_ISA");
    *out = best_level();
    if (!name || !*name) return RO_OK;
    for (size_t k = 0; k < LEVELS; k++) {
        if (strcmp(levels[k].name, name) != 0) continue;
        if (!levels[k].runs_here())
            return RO_FAIL(err, RO_EDEVICE, "VERDE_ISA is %s, which this processor lacks", name);
        *out = &levels[k];
        return RO_OK;
    }
    return RO_FAIL(err, RO_EUSAGE, "VERDE_ISA is \"%.40s\"; avx512, avx2, base, scalar are known",
                   name);
}

int ro_cpu_runs(const char *isa)
{
    for (size_t k = 0; k < LEVELS; k++)
        if (strcmp(levels[k].name, isa) == 0) return levels[k].runs_here();
    return 0;
}

const char *ro_cpu_isa(void)
{
    const isa_level *l;
    return choose_level(&l, NULL) ? best_level()->name : l->name;
}

/* ---- devices and states -------------------------------------------------------------------- */

struct ro_device {
    ro_pool *pool;
    const isa_level *level;
    char text[32];
};

struct ro_state {
    uint32_t count;
    ro_type *types;
    void **data; /* one allocation each: plans exchange them */
    ro_pool *pool;
};

struct ro_plan {
    ro_arena *arena;
    ro_device *device;
    ro_state *state;
    const ro_graph *graph;
    ro_plan_options options;
    ro_layout *layout;
    ro_task *tasks;
    const ro_driver **drivers; /* NULL: the scalar body */
    char *block;
    void **own;
    void *scratch;
    char *packed;
    uint64_t peak_bytes;
    int stepped;
};

static ro_status cpu_open(ro_pool *pool, ro_device **out, ro_err *err)
{
    const isa_level *level;
    RO_TRY(choose_level(&level, err));
    RO_TRY(ro_float_mode(err));
    ro_device *d = ro_alloc_zero(sizeof *d);
    if (!d) return RO_FAIL(err, RO_ENOMEM, "no memory for a device");
    d->pool = pool;
    d->level = level;
    snprintf(d->text, sizeof d->text, "cpu %s", level->name);
    *out = d;
    return RO_OK;
}

static void cpu_close(ro_device *d) { ro_free(d); }

static const char *cpu_describe(const ro_device *d) { return d->text; }

static void state_free(ro_state *s)
{
    if (!s) return;
    for (uint32_t k = 0; s->data && k < s->count; k++) ro_free(s->data[k]);
    ro_free(s->data);
    ro_free(s->types);
    ro_free(s);
}

static ro_status fill_state(ro_state *s, const ro_type *slots, uint32_t count, ro_err *err)
{
    s->types = ro_alloc_zero((size_t)count * sizeof *s->types);
    s->data = ro_alloc_zero((size_t)count * sizeof *s->data);
    if (!s->types || !s->data) return RO_FAIL(err, RO_ENOMEM, "no memory for %u slots", count);
    s->count = count;
    for (uint32_t k = 0; k < count; k++) {
        char text[96];
        RO_TRY(ro_type_check(&slots[k], err));
        s->types[k] = slots[k];
        s->data[k] = ro_alloc_zero(ro_type_bytes(&slots[k]));
        if (!s->data[k])
            return RO_FAIL(err, RO_ENOMEM, "no memory for slot %u, %s", k,
                           ro_type_text(&slots[k], text, sizeof text));
    }
    return RO_OK;
}

static ro_status state_new(ro_device *d, const ro_type *slots, uint32_t count, ro_state **out,
                           ro_err *err)
{
    if (count > RO_VALUES_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%u slots were asked for; at most %u are allowed", count,
                       RO_VALUES_MAX);
    ro_state *s = ro_alloc_zero(sizeof *s);
    if (!s) return RO_FAIL(err, RO_ENOMEM, "no memory for a state");
    s->pool = d->pool;
    ro_status st = fill_state(s, slots, count, err);
    if (st) {
        state_free(s);
        return st;
    }
    *out = s;
    return RO_OK;
}

static ro_status check_slot(const ro_state *s, uint32_t slot, ro_err *err)
{
    if (slot >= s->count)
        return RO_FAIL(err, RO_ENOTFOUND, "slot %u is not there; the state has %u", slot, s->count);
    return RO_OK;
}

static ro_status state_put(ro_state *s, uint32_t slot, const void *data, ro_err *err)
{
    RO_TRY(check_slot(s, slot, err));
    uint64_t n = ro_type_bytes(&s->types[slot]);
    if (n) memcpy(s->data[slot], data, n);
    return RO_OK;
}

static ro_status state_get(ro_state *s, uint32_t slot, void *data, ro_err *err)
{
    RO_TRY(check_slot(s, slot, err));
    uint64_t n = ro_type_bytes(&s->types[slot]);
    if (n) memcpy(data, s->data[slot], n);
    return RO_OK;
}

static ro_status state_hash(ro_state *s, uint32_t slot, ro_hash_fn *hash, uint8_t digest[32],
                            ro_err *err)
{
    RO_TRY(check_slot(s, slot, err));
    hash(&s->types[slot], s->data[slot], s->pool, digest);
    return RO_OK;
}

/* ---- tasks --------------------------------------------------------------------------------- */

static ro_status prepare_task(const ro_graph *g, const ro_node *n, ro_arena *a, ro_task *t,
                              ro_err *err)
{
    ro_type *in = ro_arena_alloc(a, (n->inputs + 1) * sizeof *in);
    ro_type *out = ro_arena_alloc(a, n->outputs * sizeof *out);
    const void **data = ro_arena_alloc(a, (n->inputs + 1) * sizeof *data);
    t->out = ro_arena_alloc(a, n->outputs * sizeof *t->out);
    if (!in || !out || !data || !t->out)
        return RO_FAIL(err, RO_ENOMEM, "no memory to prepare %s", ro_ops[n->op].name);
    for (uint32_t k = 0; k < n->inputs; k++)
        if (n->in[k] != RO_NO_VALUE) in[k] = g->values[n->in[k]].type;
    for (uint32_t k = 0; k < n->outputs; k++) out[k] = g->values[n->first_output + k].type;
    t->op = n->op;
    t->compute = n->inputs ? ro_dtypes[in[0].dtype].compute : RO_C_F32;
    t->attrs = n->attrs;
    t->reader.in = in;
    t->reader.out = out;
    t->reader.inputs = n->inputs;
    t->reader.outputs = n->outputs;
    t->reader.data = data;
    return RO_OK;
}

static const ro_driver *choose_driver(const ro_task *t, const isa_level *level)
{
    if (level->is_scalar) return NULL;
    const ro_driver *d = ro_contract_driver(t);
    return d ? d : level->patterns->driver(t);
}

/* The driver of 16-bit floats is float32's, around which inputs are widened and outputs rounded. */
static ro_status find_driver(ro_task *t, const isa_level *level, ro_arena *a, const ro_driver **out,
                             ro_err *err)
{
    *out = NULL;
    if (!ro_half_fits(t)) {
        *out = choose_driver(t, level);
        return RO_OK;
    }
    RO_TRY(ro_half_widen(t, a, err));
    t->wide_driver = choose_driver(t->wide, level);
    if (t->wide_driver) *out = &ro_half_driver;
    return RO_OK;
}

/* Prepare every node and find the scratch bytes of the greediest. */
static ro_status prepare(const ro_graph *g, const isa_level *level, ro_pool *pool, uint32_t threads,
                         ro_arena *a, ro_task **tasks, const ro_driver ***drivers,
                         uint64_t *scratch, ro_err *err)
{
    *tasks = ro_arena_alloc(a, (g->node_count + (size_t)1) * sizeof **tasks);
    *drivers = ro_arena_alloc(a, (g->node_count + (size_t)1) * sizeof **drivers);
    *scratch = 0;
    if (!*tasks || !*drivers)
        return RO_FAIL(err, RO_ENOMEM, "no memory to prepare %u nodes", g->node_count);
    for (uint32_t i = 0; i < g->node_count; i++) {
        ro_task *t = &(*tasks)[i];
        RO_TRY(prepare_task(g, &g->nodes[i], a, t, err));
        t->pool = pool;
        t->kernels = level->kernels;
        const ro_driver *d = NULL;
        RO_TRY(find_driver(t, level, a, &d, err));
        (*drivers)[i] = d;
        uint64_t bytes = d && d->scratch ? d->scratch(t, threads) : 0;
        if (bytes > *scratch) *scratch = bytes;
    }
    return RO_OK;
}

/* ---- operands that tasks share ------------------------------------------------------------- */

#define SHARERS 4u /* so many make up for what laying an operand out costs more than reading it */

/* Tasks that share what the first of them, the leader, lays out; numbers are 1 more, 0: none. */
typedef struct { uint32_t leader, before, count; } sharing;

/* Whether what one lays out of an input serves the other, whose value there is the same. */
static int alike(const ro_task *a, const ro_task *b, uint32_t input)
{
    int same = a->op == b->op;
    for (uint32_t k = 0; same && k <= input; k++)
        same = ro_type_equal(&a->reader.in[k], &b->reader.in[k]);
    return same;
}

/* Find them, and where what they share lies in a block of *bytes: place[node] is 1 more, 0: it
 * shares nothing. */
static ro_status share(const ro_graph *g, const isa_level *level, ro_task *tasks,
                       const ro_driver *const *drivers, ro_arena *a, uint64_t **place,
                       uint64_t *bytes, ro_err *err)
{
    uint64_t (*const packed)(const ro_task *, uint32_t *) = level->patterns->packed;
    uint32_t *last = ro_arena_alloc(a, (g->value_count + (size_t)1) * sizeof *last); /* leader */
    sharing *of = ro_arena_alloc(a, (g->node_count + (size_t)1) * sizeof *of);
    *place = ro_arena_alloc(a, (g->node_count + (size_t)1) * sizeof **place);
    *bytes = 0;
    if (!last || !of || !*place)
        return RO_FAIL(err, RO_ENOMEM, "no memory to prepare %u nodes", g->node_count);
    for (uint32_t i = 0; i < g->node_count; i++) {
        uint32_t input = 0;
        if (!drivers[i] || tasks[i].wide || !packed(&tasks[i], &input)) continue;
        uint32_t *known = &last[g->nodes[i].in[input]], l = *known;
        while (l && !alike(&tasks[l - 1], &tasks[i], input)) l = of[l - 1].before;
        if (!l) {
            of[i].before = *known;
            *known = l = i + 1;
        }
        of[i].leader = l;
        of[l - 1].count++;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        uint32_t l = of[i].leader, input;
        if (!l || of[l - 1].count < SHARERS) continue;
        (*place)[i] = (*place)[l - 1];
        if (l != i + 1) continue;
        tasks[i].packs = 1;
        (*place)[i] = 1 + *bytes;
        if (!ro_add_size(*bytes, packed(&tasks[i], &input), bytes))
            return RO_FAIL(err, RO_ELIMIT, "a plan needs more bytes than 64 bits count");
    }
    return RO_OK;
}

static ro_status sum_bytes(const ro_layout *l, uint64_t scratch, uint64_t packed, uint64_t *sum,
                           ro_err *err)
{
    *sum = l->block_bytes;
    if (!ro_add_size(*sum, l->own_bytes, sum) || !ro_add_size(*sum, l->slot_bytes, sum) ||
        !ro_add_size(*sum, scratch, sum) || !ro_add_size(*sum, packed, sum))
        return RO_FAIL(err, RO_ELIMIT, "a plan needs more bytes than 64 bits count");
    return RO_OK;
}

ro_status ro_plan_bytes(const ro_graph *g, int keep_all, uint32_t threads, uint64_t *bytes,
                        ro_err *err)
{
    const isa_level *level;
    ro_layout *layout;
    ro_task *tasks;
    const ro_driver **drivers;
    uint64_t scratch, packed, *place;
    if (threads == 0) threads = ro_cores();
    RO_TRY(choose_level(&level, err));
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to plan a graph");
    ro_status st = ro_layout_new(g, keep_all, a, &layout, err);
    if (!st) st = prepare(g, level, NULL, threads, a, &tasks, &drivers, &scratch, err);
    if (!st) st = share(g, level, tasks, drivers, a, &place, &packed, err);
    if (!st) st = sum_bytes(layout, scratch, packed, bytes, err);
    ro_arena_free(a);
    return st;
}

/* ---- plans --------------------------------------------------------------------------------- */

static void plan_free(ro_plan *p)
{
    if (!p) return;
    for (uint32_t k = 0; p->own && k < p->layout->own_count; k++) ro_free(p->own[k]);
    ro_free(p->packed);
    ro_free(p->scratch);
    ro_free(p->block);
    ro_arena_free(p->arena);
    ro_free(p);
}

static ro_status check_leaves(const ro_graph *g, const ro_state *s, const ro_plan_options *o,
                              ro_err *err)
{
    for (ro_value v = 0; v < g->value_count; v++) {
        const ro_value_info *i = &g->values[v];
        char a[96], b[96];
        if (i->kind == RO_V_CONSTANT && (i->index >= o->constant_count || !o->constants[i->index]))
            return RO_FAIL(err, RO_ENOTFOUND, "constant %u is not among the %u given", i->index,
                           o->constant_count);
        if (i->kind != RO_V_SLOT) continue;
        RO_TRY(check_slot(s, i->index, err));
        if (!ro_type_equal(&i->type, &s->types[i->index]))
            return RO_FAIL(err, RO_ESHAPE, "slot %u is %s in the graph and %s in the state",
                           i->index, ro_type_text(&i->type, a, sizeof a),
                           ro_type_text(&s->types[i->index], b, sizeof b));
    }
    return RO_OK;
}

static ro_status allocate(ro_plan *p, uint64_t scratch, uint64_t packed, ro_err *err)
{
    const ro_layout *l = p->layout;
    p->own = ro_arena_alloc(p->arena, (l->own_count + (size_t)1) * sizeof *p->own);
    if (p->own) p->block = ro_alloc(l->block_bytes);
    if (p->block) p->scratch = ro_alloc(scratch);
    if (p->scratch) p->packed = ro_alloc(packed);
    int ok = p->own && p->block && p->scratch && p->packed;
    for (uint32_t k = 0; ok && k < l->own_count; k++) {
        p->own[k] = ro_alloc_zero(l->own[k]);
        ok = p->own[k] != NULL;
    }
    if (!ok)
        return RO_FAIL(err, RO_ENOMEM, "no memory for a plan of %llu bytes",
                       (unsigned long long)p->peak_bytes);
    return RO_OK;
}

static ro_status fill_plan(ro_plan *p, ro_err *err)
{
    const ro_graph *g = p->graph;
    uint64_t scratch, packed, *place;
    p->arena = ro_arena_new();
    if (!p->arena) return RO_FAIL(err, RO_ENOMEM, "no memory for a plan");
    RO_TRY(check_leaves(g, p->state, &p->options, err));
    RO_TRY(ro_layout_new(g, p->options.keep_all, p->arena, &p->layout, err));
    RO_TRY(prepare(g, p->device->level, p->device->pool, ro_pool_threads(p->device->pool), p->arena,
                   &p->tasks, &p->drivers, &scratch, err));
    RO_TRY(share(g, p->device->level, p->tasks, p->drivers, p->arena, &place, &packed,
                 err));
    RO_TRY(sum_bytes(p->layout, scratch, packed, &p->peak_bytes, err));
    if (p->options.byte_cap && p->peak_bytes > p->options.byte_cap)
        return RO_FAIL(err, RO_ELIMIT, "a plan needs %llu bytes; %llu are allowed",
                       (unsigned long long)p->peak_bytes,
                       (unsigned long long)p->options.byte_cap);
    RO_TRY(allocate(p, scratch, packed, err));
    for (uint32_t i = 0; i < g->node_count; i++) {
        p->tasks[i].scratch = p->scratch;
        if (place[i]) p->tasks[i].packed = p->packed + place[i] - 1;
    }
    return RO_OK;
}

static ro_status cpu_plan(ro_device *d, ro_state *s, const ro_graph *g, const ro_plan_options *o,
                          ro_plan **out, ro_err *err)
{
    ro_plan *p = ro_alloc_zero(sizeof *p);
    if (!p) return RO_FAIL(err, RO_ENOMEM, "no memory for a plan");
    p->device = d;
    p->state = s;
    p->graph = g;
    p->options = *o;
    ro_status st = fill_plan(p, err);
    if (st) {
        plan_free(p);
        return st;
    }
    *out = p;
    return RO_OK;
}

static uint64_t plan_peak(const ro_plan *p) { return p->peak_bytes; }

/* ---- a step -------------------------------------------------------------------------------- */

/* Where a value lies now: exchanges move slots and own buffers between steps. */
static void *locate(const ro_plan *p, ro_value v)
{
    const ro_place *at = &p->layout->places[v];
    switch (at->where) {
    case RO_AT_SLOT: return p->state->data[at->index];
    case RO_AT_OWN: return p->own[at->index];
    case RO_AT_BLOCK: return p->block + at->offset;
    case RO_AT_CONSTANT: break;
    }
    return (void *)(uintptr_t)p->options.constants[at->index]; /* read only */
}

typedef struct { const ro_task *task; ro_elements_fn *fn; uint32_t out; } elements_job;

static void run_elements(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const elements_job *j = ctx;
    const ro_task *t = j->task;
    (void)worker;
    j->fn(&t->reader, t->attrs, j->out, begin, end, t->out[j->out]);
}

/* Elements a thread takes at once when each costs `flops` and some index arithmetic. */
static uint64_t generic_grain(uint64_t flops)
{
    uint64_t grain = RO_GRAIN / 8 / (1 + flops / 16);
    return grain < 64 ? 64 : grain / 64 * 64; /* whole cache lines of every dtype */
}

static void run_generic(const ro_task *t, const ro_patterns *patterns)
{
    const ro_reader *r = &t->reader;
    elements_job j = {t, patterns->elements(t->op, t->compute), 0};
    RO_ASSERT(j.fn); /* the dtype was checked against the signature at admission */
    for (; j.out < r->outputs; j.out++) {
        uint64_t flops = ro_ops[t->op].flops(t->attrs, r->in, r->inputs, &r->out[j.out]);
        ro_parallel(t->pool, ro_type_elements(&r->out[j.out]), generic_grain(flops), run_elements,
                    &j);
    }
}

static void run_node(ro_plan *p, uint32_t i)
{
    const ro_node *n = &p->graph->nodes[i];
    ro_task *t = &p->tasks[i];
    const void **data = (const void **)(uintptr_t)t->reader.data;
    if (p->layout->places[n->first_output].is_view) return;
    for (uint32_t k = 0; k < n->inputs; k++)
        data[k] = n->in[k] == RO_NO_VALUE ? NULL : locate(p, n->in[k]);
    for (uint32_t k = 0; k < n->outputs; k++) t->out[k] = locate(p, n->first_output + k);
    if (p->drivers[i])
        p->drivers[i]->run(t);
    else
        run_generic(t, p->device->level->patterns);
}

/* Flip a bit of an element's value, whatever the byte order. */
static void flip(const ro_type *type, void *data, uint64_t element, uint32_t bit)
{
    uint32_t size = ro_dtypes[type->dtype].size, byte = bit / 8;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    byte = size - 1 - byte;
#endif
    ((uint8_t *)data)[element * size + byte] ^= (uint8_t)(1u << bit % 8);
}

static ro_status check_fault(const ro_plan *p, const ro_fault *f, ro_err *err)
{
    const ro_graph *g = p->graph;
    if (!f) return RO_OK;
    if (f->node >= g->node_count || f->output >= g->nodes[f->node].outputs)
        return RO_FAIL(err, RO_EUSAGE, "a fault names output %u of node %u, which is not there",
                       f->output, f->node);
    const ro_type *t = &g->values[g->nodes[f->node].first_output + f->output].type;
    if (f->element >= ro_type_elements(t) || f->bit >= 8 * ro_dtypes[t->dtype].size)
        return RO_FAIL(err, RO_EUSAGE, "a fault names bit %u of element %llu of %llu", f->bit,
                       (unsigned long long)f->element, (unsigned long long)ro_type_elements(t));
    return RO_OK;
}

static void send_digests(ro_plan *p, uint32_t i, const ro_step_options *o)
{
    const ro_node *n = &p->graph->nodes[i];
    for (uint32_t k = 0; k < n->outputs; k++) {
        ro_value v = n->first_output + k;
        uint8_t digest[32];
        if (!o->want[v]) continue;
        p->options.hash(&p->graph->values[v].type, locate(p, v), p->device->pool, digest);
        o->digest(o->ctx, v, digest);
    }
}

static void exchange(ro_plan *p, const ro_next *n)
{
    void *old = p->state->data[n->slot];
    p->state->data[n->slot] = p->own[n->own];
    p->own[n->own] = old;
}

static void give_next_values(ro_plan *p)
{
    const ro_layout *l = p->layout;
    for (uint32_t k = 0; k < l->next_count; k++) { /* while all slots hold their old values */
        const ro_next *n = &l->nexts[k];
        if (n->kind == RO_NEXT_STAGE && n->bytes)
            memcpy(p->own[n->own], locate(p, n->from), n->bytes);
    }
    for (uint32_t k = 0; k < l->next_count; k++) {
        const ro_next *n = &l->nexts[k];
        if (n->kind != RO_NEXT_COPY)
            exchange(p, n);
        else if (n->bytes)
            memcpy(p->state->data[n->slot], locate(p, n->from), n->bytes);
    }
}

static ro_status cpu_step(ro_plan *p, const ro_step_options *o, ro_err *err)
{
    static const ro_step_options none;
    if (!o) o = &none;
    RO_TRY(check_fault(p, o->fault, err));
    if (o->want && (!o->digest || !p->options.hash))
        return RO_FAIL(err, RO_EUSAGE, "digests are wanted of a plan without a hash or a sink");
    RO_TRY(ro_float_mode(err)); /* the caller's thread may have changed since the plan was made */
    for (uint32_t i = 0; i < p->graph->node_count; i++) {
        run_node(p, i);
        if (o->fault && o->fault->node == i) {
            ro_value v = p->graph->nodes[i].first_output + o->fault->output;
            flip(&p->graph->values[v].type, locate(p, v), o->fault->element, o->fault->bit);
        }
        if (o->want) send_digests(p, i, o);
    }
    give_next_values(p);
    p->stepped = 1;
    return RO_OK;
}

static ro_status plan_value(ro_plan *p, ro_value v, void *data, ro_err *err)
{
    if (v >= p->graph->value_count || p->graph->values[v].kind != RO_V_NODE ||
        !p->layout->places[v].kept)
        return RO_FAIL(err, RO_ENOTFOUND,
                       "value %u is not kept; outputs are, or all node outputs with keep_all", v);
    if (!p->stepped) return RO_FAIL(err, RO_ENOTFOUND, "value %u: no step has been run", v);
    uint64_t n = ro_type_bytes(&p->graph->values[v].type);
    if (n) memcpy(data, locate(p, v), n);
    return RO_OK;
}

const ro_backend *ro_cpu(void)
{
    static const ro_backend backend = {
        .name = "cpu", .open = cpu_open, .close = cpu_close, .describe = cpu_describe,
        .state_new = state_new, .state_free = state_free, .put = state_put, .get = state_get,
        .hash = state_hash, .plan = cpu_plan, .peak_bytes = plan_peak, .step = cpu_step,
        .value = plan_value, .plan_free = plan_free};
    return &backend;
}
