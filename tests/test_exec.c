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

/* ---- devices ------------------------------------------------------------------------------- */

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

/* ---- values -------------------------------------------------------------------------------- */

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
    return ro_bits_of_number(d, ro_dtype_is_float(d) ? x : floor(x + 0.5));
}

static void *some_data(const ro_type *t, double lo, double hi, int wild, rng *g)
{
    uint64_t n = ro_type_elements(t);
    void *p = ro_alloc(ro_type_bytes(t));
    int any_bits = wild && rng_in(g, 0, 3) == 0;
    for (uint64_t j = 0; j < n; j++)
        ro_set_element(t->dtype, p, j, any_bits ? rng_next(g) : a_value(t->dtype, lo, hi, wild, g));
    return p;
}

/* ---- one node on all machines -------------------------------------------------------------- */

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

/* Flops of scalar bodies in a case; fewer where the body is the kernel too, and every machine runs
 * it. */
#define COST_MAX UINT64_C(100000000)
#define COST_MAX_AT UINT64_C(20000000)

/* Cases of a kind that are drawn beyond its count while all were too large. */
#define REDRAWS 40

/* 1: it was run; 0: it is too large. */
static int check_one(const machines *m, node_case *c, ro_op op, case_dtypes *dtypes, rng *g)
{
    uint64_t elements = 0;
    case_make(c, op, g);
    for (uint32_t i = 0; i < c->inputs; i++) elements += ro_type_elements(&c->in[i]);
    uint64_t made = ro_type_elements(&c->out[0]);
    uint64_t cost = ro_ops[op].flops(c->attrs.bytes, c->in, c->inputs, &c->out[0]);
    uint64_t most = ro_ops[op].pattern == RO_P_AT ? COST_MAX_AT : COST_MAX;
    if (elements > 400000 || made > 400000 || ro_saturating_mul(made, cost) >= most) return 0;
    check_case(m, c, g);
    case_note(dtypes->seen, c);
    return 1;
}

/* Every dtype that the operator takes, in every input, is run by the kernels and by the body. */
static void check_dtypes(const machines *m, ro_op op, case_dtypes *dtypes, rng *g)
{
    ro_dtype lacks = RO_NONE;
    for (int k = 0; k < 24 * RO_DTYPE_LIMIT; k++) {
        node_case c;
        memset(&c, 0, sizeof c);
        c.most = 6;
        c.force = k / RO_DTYPE_LIMIT % 2 ? RO_NONE : (ro_dtype)(k % RO_DTYPE_LIMIT);
        if (!case_is_dtype(k % RO_DTYPE_LIMIT)) continue;
        check_one(m, &c, op, dtypes, g);
        if (k < 2 * RO_DTYPE_LIMIT) case_try_dtypes(dtypes, &c);
        if (k >= 4 * RO_DTYPE_LIMIT && case_lacks(dtypes, &lacks) < 0) break;
    }
    int input = case_lacks(dtypes, &lacks);
    cr_expect_lt(input, 0, "%s takes %s as input %d (%d: gives it), and no case has it",
                 ro_ops[op].name, ro_dtypes[lacks].name, input, CASE_INPUTS);
}

/* Small cases with empty axes, larger ones whose ranges end inside vectors and threads' shares,
 * and rows over the bounds of blocks and chunks. VERDE_EXEC_CASES: how many times as many. */
static void check_operator(ro_op op)
{
    static const struct { int64_t most; int big, empty, count; } kinds[] = {
        {4, 0, 1, 40}, {12, 0, 0, 20}, {33, 0, 0, 8}, {4, 1, 0, 12}, {100, 0, 0, 3}};
    const char *times = getenv("VERDE_EXEC_CASES");
    int factor = times ? (int)strtol(times, NULL, 10) : 1;
    rng g = rng_of(op);
    machines m;
    case_dtypes dtypes = {{{0}}, {{0}}};
    machines_open(&m);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int ran = 0, count = kinds[k].count * factor;
        for (int j = 0; j < count || (!ran && j < count + REDRAWS); j++) {
            node_case c;
            memset(&c, 0, sizeof c);
            c.most = kinds[k].most;
            c.big = kinds[k].big;
            c.empty = kinds[k].empty;
            /* Most are where the fast paths are. */
            c.force = j % 2 ? RO_F32 : j % 8 == 2 ? RO_F16 : j % 8 == 6 ? RO_BF16 : RO_NONE;
            ran += check_one(&m, &c, op, &dtypes, &g);
        }
        cr_expect_gt(ran, 0, "no case of %s with axes up to %lld%s is small enough",
                     ro_ops[op].name, (long long)kinds[k].most,
                     kinds[k].big ? " and a long one" : "");
    }
    check_dtypes(&m, op, &dtypes, &g);
    machines_close(&m);
}

#define RO_OP(op, ...) \
    Test(operators, op, .timeout = 600) { check_operator(RO_OP_##op); }
#include "../repops/ops.def"
#undef RO_OP

/* ---- an operand that nodes share ------------------------------------------------------------ */

/* Cells that take one value as their weights lay it out once a step: of what it is in that step. */
static void run_cells(const char *isa, ro_dtype dtype, uint32_t seed, void *got[2])
{
    enum { H = 33, B = 3, T = 6 };
    ro_arena *arena = ro_arena_new();
    ro_graph *graph;
    ro_state *s;
    ro_plan *p;
    ro_device *d;
    rng g = {seed};
    const ro_type types[4] = {ro_type_of(RO_I64, 0, NULL),
                              ro_type_of(dtype, 2, (int64_t[]){H, 3 * H}),
                              ro_type_of(dtype, 3, (int64_t[]){T, B, 3 * H}),
                              ro_type_of(dtype, 3, (int64_t[]){1, B, H})};
    const ro_type lengths = ro_type_of(RO_I64, 1, (int64_t[]){B});
    const int64_t ends[B] = {T, 2, 0};
    const void *constants[1] = {ends};
    ro_value v[4], y = 0, n;
    setenv("VERDE_ISA", isa, 1);
    OK(ro_cpu()->open(NULL, &d, &err));
    unsetenv("VERDE_ISA");
    OK(ro_graph_new(arena, &graph, &err));
    for (uint32_t k = 0; k < 4; k++) OK(ro_graph_slot(graph, k, &types[k], &v[k], &err));
    OK(ro_graph_constant(graph, 0, &lengths, &n, &err));
    ro_value h = v[3];
    for (int64_t t = 0; t < T; t++) { /* each pair of two kinds of cells; some with lengths */
        const ro_GRUCell_attrs cell = {.step = t, .g = 1};
        const ro_GRUGates_attrs gates = {.step = t};
        const ro_GRUState_attrs state = {.step = t, .g = 1};
        const ro_value in[5] = {v[2], h, v[1], RO_NO_VALUE, n};
        OK(ro_graph_node(graph, RO_OP_GRUCell, &cell, in, t < 3 ? 3 : 5, 1, &y, &err));
        const ro_value second[3] = {v[2], y, v[1]};
        OK(ro_graph_node(graph, RO_OP_GRUGates, &gates, second, 3, 1, &h, &err));
        const ro_value third[5] = {v[2], y, h, v[1], n};
        OK(ro_graph_node(graph, RO_OP_GRUState, &state, third, t < 3 ? 4 : 5, 1, &h, &err));
    }
    OK(ro_graph_add_output(graph, h, &err));
    OK(ro_cpu()->state_new(d, types, 4, &s, &err));
    const ro_plan_options o = {.constants = constants, .constant_count = 1};
    OK(ro_cpu()->plan(d, s, graph, &o, &p, &err));
    for (int step = 0; step < 2; step++) {
        for (uint32_t k = 1; k < 4; k++) {
            void *data = some_data(&types[k], -1, 1, 0, &g);
            OK(ro_cpu()->put(s, k, data, &err));
            ro_free(data);
        }
        OK(ro_cpu()->step(p, NULL, &err));
        got[step] = ro_alloc(ro_type_bytes(&types[3]));
        OK(ro_cpu()->value(p, h, got[step], &err));
    }
    uint64_t bytes;
    OK(ro_plan_bytes(graph, 0, 1, &bytes, &err));
    if (!strcmp(isa, ro_cpu_isa())) cr_assert_eq(bytes, ro_cpu()->peak_bytes(p));
    ro_cpu()->plan_free(p);
    ro_cpu()->state_free(s);
    ro_cpu()->close(d);
    ro_arena_free(arena);
}

Test(exec, cells_share_their_weights)
{
    static const char *const levels[] = {"base", "avx2", "avx512"};
    static const ro_dtype dtypes[] = {RO_F32, RO_F64, RO_BF16};
    for (size_t d = 0; d < 3; d++) {
        void *want[2], *got[2];
        const uint64_t bytes = 3 * 33 * ro_dtypes[dtypes[d]].size;
        run_cells("scalar", dtypes[d], 7, want);
        cr_assert_neq(memcmp(want[0], want[1], bytes), 0);
        for (size_t k = 0; k < sizeof levels / sizeof *levels; k++) {
            if (!ro_cpu_runs(levels[k])) continue;
            run_cells(levels[k], dtypes[d], 7, got);
            for (int step = 0; step < 2; step++) {
                cr_assert_eq(memcmp(got[step], want[step], bytes), 0, "%s, step %d", levels[k],
                             step);
                ro_free(got[step]);
            }
        }
        ro_free(want[0]);
        ro_free(want[1]);
    }
}

/* ---- random graphs against an interpreter of scalar bodies --------------------------------- */

/* A step program over f32 (4, 6): slots, constants, and nodes that compute, move or only rename. */
enum { SLOTS = 5, CONSTANTS = 2, NODES = 24, VALUES = SLOTS + CONSTANTS + NODES, CELLS = 24 };
static const int64_t cell_dims[2] = {4, 6};

typedef struct {
    ro_arena *arena;
    ro_graph *graph;
    ro_type slots[SLOTS];
    float constants[CONSTANTS][CELLS];
    const void *constant_data[CONSTANTS];
    ro_value slot_value[SLOTS];
} program;

static ro_value add_node(program *p, rng *g)
{
    ro_graph *graph = p->graph;
    ro_value a = (ro_value)rng_in(g, 0, graph->value_count - 1), y;
    ro_value b = (ro_value)rng_in(g, 0, graph->value_count - 1);
    ro_type type = *ro_graph_type(graph, a), flat = ro_type_of(RO_F32, 1, (int64_t[]){CELLS});
    ro_type square = ro_type_of(RO_F32, 2, cell_dims);
    switch (rng_in(g, 0, 5)) {
    case 0: OK(ro_emit1(graph, RO_OP_Relu, NULL, a, &y, &err)); break;
    case 1: OK(ro_emit1(graph, RO_OP_Identity, NULL, a, &y, &err)); break;
    case 2: /* there and, some time, back: chains of views */
        y = a;
        OK(ro_emit_reshape(graph, a, type.rank == 1 ? &square : &flat, &y, &err));
        break;
    case 3: OK(ro_emit1(graph, RO_OP_Neg, NULL, a, &y, &err)); break;
    default:
        OK(ro_emit_reshape(graph, b, &type, &b, &err));
        OK(ro_emit2(graph, rng_in(g, 0, 1) ? RO_OP_Add : RO_OP_Mul, NULL, a, b, &y, &err));
        break;
    }
    return y;
}

static void program_make(program *p, rng *g)
{
    p->arena = ro_arena_new();
    OK(ro_graph_new(p->arena, &p->graph, &err));
    for (uint32_t s = 0; s < SLOTS; s++) {
        p->slots[s] = ro_type_of(RO_F32, 2, cell_dims);
        OK(ro_graph_slot(p->graph, s, &p->slots[s], &p->slot_value[s], &err));
    }
    for (uint32_t k = 0; k < CONSTANTS; k++) {
        ro_value v;
        OK(ro_graph_constant(p->graph, k, &p->slots[0], &v, &err));
        for (int i = 0; i < CELLS; i++) p->constants[k][i] = (float)rng_in(g, -100, 100) / 64;
        p->constant_data[k] = p->constants[k];
    }
    while (p->graph->node_count < NODES) add_node(p, g);
    for (uint32_t s = 0; s < SLOTS; s++) { /* any value of the slot's shape, several times too */
        ro_value v;
        if (rng_in(g, 0, 4) == 0) continue;
        do v = (ro_value)rng_in(g, 0, p->graph->value_count - 1);
        while (ro_graph_type(p->graph, v)->rank != 2);
        OK(ro_graph_set_next(p->graph, s, v, &err));
        if (rng_in(g, 0, 3) == 0 && p->graph->values[v].kind == RO_V_NODE)
            OK(ro_graph_add_output(p->graph, v, &err));
    }
}

/* One step as it is defined: every value in memory of its own. */
static void interpret(const program *p, float slots[SLOTS][CELLS], const ro_fault *fault,
                      float (*values)[CELLS])
{
    const ro_graph *graph = p->graph;
    float next[SLOTS][CELLS];
    for (ro_value v = 0; v < graph->value_count; v++) {
        const ro_value_info *i = &graph->values[v];
        if (i->kind == RO_V_SLOT) memcpy(values[v], slots[i->index], sizeof values[v]);
        if (i->kind == RO_V_CONSTANT) memcpy(values[v], p->constants[i->index], sizeof values[v]);
    }
    for (uint32_t k = 0; k < graph->node_count; k++) {
        const ro_node *n = &graph->nodes[k];
        ro_type in[2], out = graph->values[n->first_output].type;
        const void *data[2];
        for (uint32_t j = 0; j < n->inputs; j++) {
            in[j] = graph->values[n->in[j]].type;
            data[j] = values[n->in[j]];
        }
        ro_reader r = {.in = in, .out = &out, .inputs = n->inputs, .outputs = 1, .data = data};
        for (uint64_t i = 0; i < CELLS; i++)
            ro_set_element(RO_F32, values[n->first_output], i, ro_at(n->op, &r, n->attrs, 0, i));
        if (fault && fault->node == k)
            ((uint32_t *)(void *)values[n->first_output])[fault->element] ^= 1u << fault->bit;
    }
    for (uint32_t s = 0; s < SLOTS; s++)
        memcpy(next[s], graph->next[s] == RO_NO_VALUE ? slots[s] : values[graph->next[s]],
               sizeof next[s]);
    memcpy(slots, next, sizeof next);
}

/* A digest that keeps the first bytes: enough to see any element of CELLS. */
static void sum_hash(const ro_type *type, const void *data, ro_pool *pool, uint8_t digest[32])
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    (void)pool;
    for (uint64_t i = 0; i < ro_type_bytes(type); i++)
        h = (h ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
    memset(digest, 0, 32);
    memcpy(digest, &h, sizeof h);
}

typedef struct { const program *p; float (*values)[CELLS]; uint32_t seen; } expectation;

static void expect_digest(void *ctx, ro_value v, const uint8_t digest[32])
{
    expectation *e = ctx;
    uint8_t want[32];
    sum_hash(&e->p->graph->values[v].type, e->values[v], NULL, want);
    cr_assert_arr_eq(digest, want, 32, "value %u", v);
    e->seen++;
}

static void run_program(const program *p, ro_device *d, int keep_all, rng *g)
{
    const ro_backend *cpu = ro_cpu();
    ro_state *state;
    ro_plan *plan;
    float slots[SLOTS][CELLS], got[CELLS];
    float (*values)[CELLS] = ro_alloc(p->graph->value_count * sizeof *values);
    uint8_t *want = ro_alloc_zero(p->graph->value_count);
    ro_plan_options o = {.constants = p->constant_data, .constant_count = CONSTANTS,
                         .keep_all = keep_all, .hash = sum_hash};
    for (uint32_t k = 0; k < p->graph->node_count; k++) want[p->graph->nodes[k].first_output] = 1;
    OK(cpu->state_new(d, p->slots, SLOTS, &state, &err));
    OK(cpu->plan(d, state, p->graph, &o, &plan, &err));
    for (uint32_t s = 0; s < SLOTS; s++) {
        for (int i = 0; i < CELLS; i++) slots[s][i] = (float)rng_in(g, -100, 100) / 32;
        OK(cpu->put(state, s, slots[s], &err));
    }
    for (int step = 0; step < 4; step++) {
        ro_fault fault = {(uint32_t)rng_in(g, 0, p->graph->node_count - 1), 0,
                          (uint32_t)rng_in(g, 0, 31), (uint64_t)rng_in(g, 0, CELLS - 1)};
        expectation e = {p, values, 0};
        ro_step_options so = {want, expect_digest, &e, step % 2 ? &fault : NULL};
        interpret(p, slots, so.fault, values);
        OK(cpu->step(plan, &so, &err));
        cr_assert_eq(e.seen, p->graph->node_count);
        for (uint32_t s = 0; s < SLOTS; s++) {
            OK(cpu->get(state, s, got, &err));
            cr_assert_arr_eq(got, slots[s], sizeof got, "slot %u after step %d", s, step);
        }
        for (ro_value v = 0; v < p->graph->value_count; v++) {
            int kept = keep_all;
            for (uint32_t k = 0; k < p->graph->output_count; k++) kept |= p->graph->outputs[k] == v;
            if (!kept || p->graph->values[v].kind != RO_V_NODE) continue;
            OK(cpu->value(plan, v, got, &err));
            cr_assert_arr_eq(got, values[v], sizeof got, "value %u after step %d", v, step);
        }
    }
    cpu->plan_free(plan);
    cpu->state_free(state);
    ro_free(values);
    ro_free(want);
}

Test(plans, random_graphs)
{
    rng g = {7};
    ro_device *d;
    OK(ro_cpu()->open(NULL, &d, &err));
    for (int k = 0; k < 400; k++) {
        program p;
        uint64_t less, all;
        program_make(&p, &g);
        run_program(&p, d, 0, &g);
        run_program(&p, d, 1, &g);
        OK(ro_plan_bytes(p.graph, 0, 1, &less, &err));
        OK(ro_plan_bytes(p.graph, 1, 1, &all, &err));
        cr_assert_leq(less, all + SLOTS * 128); /* exchanged values are not in the block */
        ro_arena_free(p.arena);
    }
    ro_cpu()->close(d);
}

/* ---- slots by hand, two plans on one state ------------------------------------------------- */

static program swap_program(void)
{
    program p;
    memset(&p, 0, sizeof p);
    p.arena = ro_arena_new();
    OK(ro_graph_new(p.arena, &p.graph, &err));
    for (uint32_t s = 0; s < SLOTS; s++) {
        p.slots[s] = ro_type_of(RO_F32, 2, cell_dims);
        OK(ro_graph_slot(p.graph, s, &p.slots[s], &p.slot_value[s], &err));
    }
    return p;
}

Test(plans, slots_take_old_values)
{
    const ro_backend *cpu = ro_cpu();
    program p = swap_program(), q = swap_program();
    ro_value sum;
    ro_device *d;
    ro_state *state;
    ro_plan *first, *second;
    ro_plan_options o = {0};
    float x[CELLS], want[SLOTS] = {2, 1, 1, 4, 3};
    /* 0 and 1 exchange, 2 takes 0 too, 4 and 3 take a sum and each other's old value */
    OK(ro_emit2(p.graph, RO_OP_Add, NULL, p.slot_value[0], p.slot_value[1], &sum, &err));
    OK(ro_graph_set_next(p.graph, 0, p.slot_value[1], &err));
    OK(ro_graph_set_next(p.graph, 1, p.slot_value[0], &err));
    OK(ro_graph_set_next(p.graph, 2, p.slot_value[0], &err));
    OK(ro_graph_set_next(p.graph, 3, p.slot_value[3], &err));
    OK(ro_graph_set_next(p.graph, 4, sum, &err));
    OK(ro_emit2(q.graph, RO_OP_Add, NULL, q.slot_value[4], q.slot_value[3], &sum, &err));
    OK(ro_graph_set_next(q.graph, 4, sum, &err));
    OK(cpu->open(NULL, &d, &err));
    OK(cpu->state_new(d, p.slots, SLOTS, &state, &err));
    OK(cpu->plan(d, state, p.graph, &o, &first, &err));
    OK(cpu->plan(d, state, q.graph, &o, &second, &err));
    for (uint32_t s = 0; s < SLOTS; s++) {
        for (int i = 0; i < CELLS; i++) x[i] = (float)(s + 1);
        OK(cpu->put(state, s, x, &err));
    }
    OK(cpu->step(first, NULL, &err));
    for (uint32_t s = 0; s < SLOTS; s++) {
        OK(cpu->get(state, s, x, &err));
        cr_assert_eq(x[CELLS - 1], want[s], "slot %u is %f", s, (double)x[CELLS - 1]);
    }
    for (int k = 0; k < 3; k++) OK(cpu->step(second, NULL, &err));
    cpu->plan_free(first); /* buffers that plans exchanged belong to whoever holds them now */
    OK(cpu->step(second, NULL, &err));
    OK(cpu->get(state, 4, x, &err));
    cr_assert_eq(x[0], 3 + 4 * 4);
    cpu->plan_free(second);
    cpu->state_free(state);
    cpu->close(d);
    ro_arena_free(p.arena);
    ro_arena_free(q.arena);
}

/* ---- refusals ------------------------------------------------------------------------------ */

Test(plans, refusals)
{
    const ro_backend *cpu = ro_cpu();
    program p;
    rng g = {3};
    ro_device *d;
    ro_state *state;
    ro_plan *plan = NULL;
    ro_plan_options o = {.constant_count = CONSTANTS};
    float x[CELLS];
    uint8_t digest[32];
    program_make(&p, &g);
    OK(cpu->open(NULL, &d, &err));
    OK(cpu->state_new(d, p.slots, SLOTS, &state, &err));
    FAILS(RO_ENOTFOUND, cpu->put(state, SLOTS, x, &err));
    FAILS(RO_ENOTFOUND, cpu->get(state, SLOTS, x, &err));
    FAILS(RO_ENOTFOUND, cpu->hash(state, SLOTS, sum_hash, digest, &err));
    const void *missing[CONSTANTS] = {0};
    o.constants = missing;
    FAILS(RO_ENOTFOUND, cpu->plan(d, state, p.graph, &o, &plan, &err));
    o.constants = p.constant_data;
    o.constant_count = CONSTANTS - 1;
    FAILS(RO_ENOTFOUND, cpu->plan(d, state, p.graph, &o, &plan, &err));
    o.constant_count = CONSTANTS;
    uint64_t bytes;
    OK(ro_plan_bytes(p.graph, 0, 1, &bytes, &err));
    o.byte_cap = bytes - 1;
    FAILS(RO_ELIMIT, cpu->plan(d, state, p.graph, &o, &plan, &err));
    o.byte_cap = bytes;
    OK(cpu->plan(d, state, p.graph, &o, &plan, &err));
    cr_assert_eq(cpu->peak_bytes(plan), bytes);
    FAILS(RO_ENOTFOUND, cpu->value(plan, p.graph->value_count, x, &err));
    FAILS(RO_ENOTFOUND, cpu->value(plan, p.slot_value[0], x, &err));
    ro_fault fault = {NODES * 4, 0, 0, 0};
    ro_step_options so = {.fault = &fault};
    FAILS(RO_EUSAGE, cpu->step(plan, &so, &err));
    fault = (ro_fault){0, 0, 32, 0};
    FAILS(RO_EUSAGE, cpu->step(plan, &so, &err));
    fault = (ro_fault){0, 0, 0, CELLS};
    FAILS(RO_EUSAGE, cpu->step(plan, &so, &err));
    uint8_t want[VALUES * 4] = {0};
    so = (ro_step_options){.want = want};
    FAILS(RO_EUSAGE, cpu->step(plan, &so, &err));
    cpu->plan_free(plan);
    cpu->state_free(state);
    ro_type wrong[SLOTS];
    for (uint32_t s = 0; s < SLOTS; s++) wrong[s] = ro_type_of(RO_F32, 1, (int64_t[]){CELLS});
    OK(cpu->state_new(d, wrong, SLOTS, &state, &err));
    FAILS(RO_ESHAPE, cpu->plan(d, state, p.graph, &o, &plan, &err));
    cpu->state_free(state);
    OK(cpu->state_new(d, p.slots, SLOTS - 1, &state, &err));
    FAILS(RO_ENOTFOUND, cpu->plan(d, state, p.graph, &o, &plan, &err));
    cpu->state_free(state);
    cpu->close(d);
    setenv("VERDE_ISA", "sse9", 1);
    FAILS(RO_EUSAGE, cpu->open(NULL, &d, &err));
    unsetenv("VERDE_ISA");
    ro_arena_free(p.arena);
}

/* ---- no memory ----------------------------------------------------------------------------- */

/* Every thread has scratch of its own, and all of it is foreseen. */
Test(plans, bytes_with_threads)
{
    ro_type t = ro_type_of(RO_F32, 2, (int64_t[]){300, 300}), step = ro_type_of(RO_I64, 0, NULL);
    ro_arena *a = ro_arena_new();
    ro_graph *graph;
    ro_value x, y;
    ro_pool *pool;
    ro_device *d;
    ro_state *s;
    ro_plan *plan;
    uint64_t one, three;
    const void *constants[1] = {ro_arena_alloc(a, ro_type_bytes(&t))};
    ro_plan_options o = {.constants = constants, .constant_count = 1};
    OK(ro_graph_new(a, &graph, &err));
    OK(ro_graph_constant(graph, 0, &t, &x, &err));
    OK(ro_emit2(graph, RO_OP_MatMul, NULL, x, x, &y, &err));
    OK(ro_graph_add_output(graph, y, &err));
    OK(ro_pool_new(3, &pool, &err));
    OK(ro_cpu()->open(pool, &d, &err));
    OK(ro_cpu()->state_new(d, &step, 1, &s, &err));
    OK(ro_cpu()->plan(d, s, graph, &o, &plan, &err));
    OK(ro_plan_bytes(graph, 0, 1, &one, &err));
    OK(ro_plan_bytes(graph, 0, 3, &three, &err));
    cr_assert_eq(ro_cpu()->peak_bytes(plan), three);
    cr_assert_gt(three, one);
    ro_cpu()->plan_free(plan);
    ro_cpu()->state_free(s);
    ro_cpu()->close(d);
    ro_pool_free(pool);
    ro_arena_free(a);
}

/* Everything up to a step with the n-th allocation failing; 1 when nothing failed. */
static int try_all(const program *p, uint64_t n, int persistent)
{
    const ro_backend *cpu = ro_cpu();
    ro_device *d = NULL;
    ro_state *s = NULL;
    ro_plan *plan = NULL;
    ro_plan_options o = {.constants = p->constant_data, .constant_count = CONSTANTS};
    uint64_t bytes;
    memset(&err, 0, sizeof err);
    ro_alloc_fail_at(n, persistent);
    ro_status st = cpu->open(NULL, &d, &err);
    if (!st) st = ro_plan_bytes(p->graph, 0, 1, &bytes, &err);
    if (!st) st = cpu->state_new(d, p->slots, SLOTS, &s, &err);
    if (!st) st = cpu->plan(d, s, p->graph, &o, &plan, &err);
    if (!st) {
        ro_alloc_fail_at(1, 1); /* a step allocates nothing */
        OK(cpu->step(plan, NULL, &err));
    }
    ro_alloc_fail_at(0, 0);
    cr_assert(st == RO_OK || st == RO_ENOMEM, "%s", err.msg);
    cr_assert(st == RO_OK || err.msg[0]);
    cpu->plan_free(plan);
    cpu->state_free(s);
    if (d) cpu->close(d);
    return st == RO_OK;
}

Test(plans, every_allocation_may_fail)
{
    rng g = {11};
    program p;
    program_make(&p, &g);
    for (int persistent = 0; persistent < 2; persistent++) {
        uint64_t n = 1;
        while (!try_all(&p, n, persistent)) n++;
        cr_assert_gt(n, 5);
    }
    ro_arena_free(p.arena);
}
