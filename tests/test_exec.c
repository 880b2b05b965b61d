/* test_exec.c - the CPU backend against the scalar bodies.
 *
 * What this file decides: that a plan gives, for every operator, every ISA level this processor
 * has and 1, 2 and 3 threads, exactly the bits of ro_at; that memory plans change no bit; and
 * what slots, faults, caps, wrong calls and lack of memory do.
 *
 * Invariants
 *   1. Every operator of the table is run: the tests below are made from ops.def.
 *   2. Inputs are also random bit patterns, so NaNs, infinities, subnormals and both zeros meet
 *      every operator. */
#define _POSIX_C_SOURCE 200809L
#include "ops_cases.h"

#include <criterion/criterion.h>

static ro_err err;
#define OK(call) cr_assert_eq((call), RO_OK, "%s: %s", #call, err.msg)
#define FAILS(code_, call)                                                                    \
    do {                                                                                      \
        memset(&err, 0, sizeof err);                                                          \
        cr_assert_eq((call), code_, "%s gave \"%s\"", #call, err.msg);                        \
        cr_assert_neq(err.msg[0], 0);                                                         \
        memset(&err, 0, sizeof err);                                                          \
    } while (0)

/* ---- devices ----------------------------------------------------------------------------------- */

enum { THREADS_MAX = 3, LEVELS_MAX = 4 };
typedef struct {
    ro_pool *pools[THREADS_MAX];
    ro_device *devices[LEVELS_MAX * THREADS_MAX];
    uint32_t count;
} machines;

/* A device for each level that runs here and each thread count. */
static void machines_open(machines *m)
{
    static const char *const names[] = {"base", "avx2", "avx512", "neon"};
    memset(m, 0, sizeof *m);
    for (uint32_t t = 0; t < THREADS_MAX; t++) OK(ro_pool_new(t + 1, &m->pools[t], &err));
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        setenv("VERDE_ISA", names[k], 1);
        for (uint32_t t = 0; t < THREADS_MAX; t++) {
            ro_err lacks = {0};
            ro_status st = ro_cpu()->open(m->pools[t], &m->devices[m->count], &lacks);
            if (st) break; /* this processor lacks the level */
            cr_assert_str_eq(ro_cpu_isa(), names[k]);
            m->count++;
        }
    }
    unsetenv("VERDE_ISA");
    cr_assert_geq(m->count, THREADS_MAX);
}

static void machines_close(machines *m)
{
    for (uint32_t k = 0; k < m->count; k++) ro_cpu()->close(m->devices[k]);
    for (uint32_t t = 0; t < THREADS_MAX; t++) ro_pool_free(m->pools[t]);
}

/* ---- values -------------------------------------------------------------------------------------- */

static void store(ro_dtype d, void *data, uint64_t j, uint64_t bits)
{
    switch (ro_dtypes[d].size) {
    case 8: ((uint64_t *)data)[j] = bits; break;
    case 4: ((uint32_t *)data)[j] = (uint32_t)bits; break;
    default: ((uint8_t *)data)[j] = (uint8_t)bits; break;
    }
}

/* A value in [lo, hi]; one in eight of any bits where `wild`. */
static uint64_t a_value(ro_dtype d, double lo, double hi, int wild, rng *g)
{
    static const uint32_t odd[] = {0, 0x80000000u, 1, 0x80000001u, 0x7f800000u, 0xff800000u,
                                   0x7fc00000u, 0xffc00001u, 0x7f800001u, 0x007fffffu, 0x7f7fffffu};
    double x = lo + (hi - lo) * (double)(rng_next(g) >> 11) * 0x1p-53;
    if (wild && rng_in(g, 0, 7) == 0) {
        if (d == RO_F32 && rng_in(g, 0, 1)) return odd[rng_in(g, 0, 10)];
        return rng_next(g);
    }
    if (d == RO_F32) return ro_f32_bits((float)x);
    if (d == RO_F64) return ro_f64_bits(x);
    return (uint64_t)(int64_t)floor(x + 0.5);
}

static void *some_data(const ro_type *t, double lo, double hi, int wild, rng *g)
{
    uint64_t n = ro_type_elements(t);
    void *p = ro_alloc(ro_type_bytes(t));
    int any_bits = wild && rng_in(g, 0, 3) == 0;
    for (uint64_t j = 0; j < n; j++)
        store(t->dtype, p, j, any_bits ? rng_next(g) : a_value(t->dtype, lo, hi, wild, g));
    return p;
}

/* ---- one node on all machines --------------------------------------------------------------------- */

static void check_with_body(const node_case *c, void *const *data, uint32_t out, const void *got,
                            rng *g)
{
    const ro_type *y = &c->out[out];
    ro_reader r = {.in = c->in, .out = c->out, .inputs = c->inputs, .outputs = c->outputs,
                   .data = (const void *const *)data};
    uint64_t n = ro_type_elements(y), cost = 1;
    cost = ro_ops[c->op].flops(c->attrs.bytes, c->in, c->inputs, y) + 16;
    uint64_t checks = 4000000 / cost;
    if (checks < 20) checks = 20;
    for (uint64_t k = 0; k < (n < checks ? n : checks); k++) {
        uint64_t i = n < checks ? k : k < 4 ? k : rng_next(g) % n;
        uint64_t want = ro_at(c->op, &r, c->attrs.bytes, out, i), have;
        have = ro_load(y->dtype, got, i);
        char text[96], x[96];
        cr_assert_eq(have, want, "%s output %u element %llu of %s (input %s): %llx, not %llx",
                     ro_ops[c->op].name, out, (unsigned long long)i,
                     ro_type_text(y, text, sizeof text), ro_type_text(&c->in[0], x, sizeof x),
                     (unsigned long long)have, (unsigned long long)want);
    }
}

typedef struct { ro_arena *arena; ro_graph *graph; ro_value first; } node_graph;

static node_graph graph_of(const node_case *c)
{
    node_graph n = {ro_arena_new(), NULL, 0};
    ro_value in[CASE_INPUTS];
    OK(ro_graph_new(n.arena, &n.graph, &err));
    for (uint32_t k = 0; k < c->inputs; k++) {
        in[k] = RO_NO_VALUE;
        if (c->in[k].dtype) OK(ro_graph_constant(n.graph, k, &c->in[k], &in[k], &err));
    }
    OK(ro_graph_node(n.graph, c->op, c->attrs.bytes, in, c->inputs, c->outputs, &n.first, &err));
    for (uint32_t k = 0; k < c->outputs; k++) OK(ro_graph_add_output(n.graph, n.first + k, &err));
    return n;
}

/* Run the node; outputs into got[], allocated here. */
static void run_once(ro_device *d, const node_graph *n, const node_case *c, void *const *data,
                     void **got)
{
    ro_state *s;
    ro_plan *p;
    ro_plan_options o = {.constants = (const void *const *)data, .constant_count = c->inputs};
    OK(ro_cpu()->state_new(d, NULL, 0, &s, &err));
    OK(ro_cpu()->plan(d, s, n->graph, &o, &p, &err));
    OK(ro_cpu()->step(p, NULL, &err));
    for (uint32_t k = 0; k < c->outputs; k++) {
        got[k] = ro_alloc(ro_type_bytes(&c->out[k]));
        OK(ro_cpu()->value(p, n->first + k, got[k], &err));
    }
    ro_cpu()->plan_free(p);
    ro_cpu()->state_free(s);
}

static void check_case(const machines *m, const node_case *c, rng *g)
{
    void *data[CASE_INPUTS] = {0}, *first[CASE_INPUTS] = {0}, *got[CASE_INPUTS] = {0};
    int wild = rng_in(g, 0, 2) != 0;
    node_graph n = graph_of(c);
    for (uint32_t k = 0; k < c->inputs; k++)
        if (c->in[k].dtype) data[k] = some_data(&c->in[k], c->lo[k], c->hi[k], wild, g);
    for (uint32_t d = 0; d < m->count; d++) {
        run_once(m->devices[d], &n, c, data, d ? got : first);
        for (uint32_t k = 0; k < c->outputs; k++) {
            if (d == 0) {
                check_with_body(c, data, k, first[k], g);
                continue;
            }
            uint64_t bytes = ro_type_bytes(&c->out[k]);
            char text[96];
            cr_assert(bytes == 0 || memcmp(first[k], got[k], bytes) == 0,
                      "%s output %u (input %s) differs between %s and %s", ro_ops[c->op].name, k,
                      ro_type_text(&c->in[0], text, sizeof text),
                      ro_cpu()->describe(m->devices[0]), ro_cpu()->describe(m->devices[d]));
            ro_free(got[k]);
        }
    }
    for (uint32_t k = 0; k < CASE_INPUTS; k++) {
        ro_free(data[k]);
        ro_free(first[k]);
    }
    ro_arena_free(n.arena);
}

#define COST_MAX UINT64_C(100000000) /* flops of scalar bodies in a case */

/* Small cases with empty axes, larger ones whose ranges end inside vectors and threads' shares,
 * and rows over the bounds of blocks and chunks. VERDE_EXEC_CASES: how many times as many. */
static void check_operator(ro_op op)
{
    static const struct { int64_t most; int big, empty, count; } kinds[] = {
        {4, 0, 1, 40}, {12, 0, 0, 20}, {33, 0, 0, 8}, {4, 1, 0, 12}, {100, 0, 0, 3}};
    const char *times = getenv("VERDE_EXEC_CASES");
    int factor = times ? (int)strtol(times, NULL, 10) : 1;
    rng g = {UINT64_C(0x5eed) + (uint64_t)op};
    machines m;
    machines_open(&m);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int j = 0; j < kinds[k].count * factor; j++) {
            node_case c;
            uint64_t elements = 0;
            memset(&c, 0, sizeof c);
            c.most = kinds[k].most;
            c.big = kinds[k].big;
            c.empty = kinds[k].empty;
            c.force = j % 2 ? RO_F32 : RO_NONE; /* where the fast paths are */
            case_make(&c, op, &g);
            for (uint32_t i = 0; i < c.inputs; i++) elements += ro_type_elements(&c.in[i]);
            uint64_t made = ro_type_elements(&c.out[0]);
            uint64_t cost = ro_ops[op].flops(c.attrs.bytes, c.in, c.inputs, &c.out[0]);
            if (elements <= 400000 && made <= 400000 && ro_saturating_mul(made, cost) < COST_MAX)
                check_case(&m, &c, &g);
        }
    }
    machines_close(&m);
}

#define RO_OP(op, ...) \
    Test(operators, op, .timeout = 600) { check_operator(RO_OP_##op); }
#include "../repops/ops.def"
#undef RO_OP
