/* bench_step.c - how long a training step of the demo's network takes on the CPU backend.
 *
 * What this file decides: Conv 16 3x3, Relu, MaxPool 2, Conv 32 3x3, Relu, MaxPool 2, Gemm 10,
 * mean cross entropy, AdamW; batch 64 of 28 x 28 bytes. Random data: time does not depend on it.
 * Usage: bench_step [THREADS [STEPS [nodes]]]; "nodes" also prints the time of each operator. */
#define _POSIX_C_SOURCE 200809L
#include "../repops/host.h"

#include "../repops/body.h"
#define RO_PASS_ATTRS
#include "../repops/ops.def"
#undef RO_PASS_ATTRS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 64, IMAGES = 4096, SIDE = 28, CLASSES = 10, PARAMETERS = 6 };
enum { STEP, POWER1, POWER2, FIRST }; /* slots; then p, m and v of each parameter */

static ro_err err;
#define MUST(call)                                                \
    do {                                                          \
        if (call) {                                               \
            fprintf(stderr, "bench_step: %s\n", err.msg);         \
            exit(1);                                              \
        }                                                         \
    } while (0)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ro_type type(ro_dtype d, uint32_t rank, int64_t a, int64_t b, int64_t c, int64_t e)
{
    return ro_type_of(d, rank, (int64_t[]){a, b, c, e});
}

typedef struct {
    ro_graph *g;
    ro_type slots[FIRST + 3 * PARAMETERS];
    ro_value values[FIRST + 3 * PARAMETERS];
} model;

static void declare(model *m)
{
    ro_type *s = m->slots;
    s[STEP] = ro_type_of(RO_I64, 0, NULL);
    s[POWER1] = s[POWER2] = ro_type_of(RO_F64, 0, NULL);
    for (int k = 0; k < 3; k++) {
        ro_type *p = s + FIRST + k * PARAMETERS;
        p[0] = type(RO_F32, 4, 16, 1, 3, 3);
        p[1] = type(RO_F32, 1, 16, 0, 0, 0);
        p[2] = type(RO_F32, 4, 32, 16, 3, 3);
        p[3] = type(RO_F32, 1, 32, 0, 0, 0);
        p[4] = type(RO_F32, 2, CLASSES, 32 * 7 * 7, 0, 0);
        p[5] = type(RO_F32, 1, CLASSES, 0, 0, 0);
    }
    for (uint32_t k = 0; k < FIRST + 3 * PARAMETERS; k++)
        MUST(ro_graph_slot(m->g, k, &s[k], &m->values[k], &err));
}

static ro_value batch_of(model *m, ro_value *labels)
{
    ro_type images = type(RO_U8, 4, IMAGES, 1, SIDE, SIDE);
    ro_type classes = type(RO_I64, 1, IMAGES, 0, 0, 0);
    ro_value data, target, index, x, scale;
    ro_BatchIndices_attrs b = {.seed = 1, .n = IMAGES, .batch = BATCH};
    ro_Gather_attrs t = {0};
    ro_Cast_attrs to = {.to = RO_F32};
    MUST(ro_graph_constant(m->g, 0, &images, &data, &err));
    MUST(ro_graph_constant(m->g, 1, &classes, &target, &err));
    MUST(ro_emit1(m->g, RO_OP_BatchIndices, &b, m->values[STEP], &index, &err));
    MUST(ro_emit2(m->g, RO_OP_Gather, &t, data, index, &x, &err));
    MUST(ro_emit2(m->g, RO_OP_Gather, &t, target, index, labels, &err));
    MUST(ro_emit1(m->g, RO_OP_Cast, &to, x, &x, &err));
    MUST(ro_emit_scalar(m->g, RO_F32, 1.0 / 255, &scale, &err));
    MUST(ro_emit2(m->g, RO_OP_Mul, NULL, x, scale, &x, &err));
    return x;
}

static ro_value block_of(model *m, ro_value x, const ro_value *p)
{
    ro_Conv_attrs c = {.strides = {2, {1, 1}}, .pads = {4, {1, 1, 1, 1}}, .dilations = {2, {1, 1}},
                       .group = 1};
    ro_MaxPool_attrs pool = {.kernel_shape = {2, {2, 2}}, .strides = {2, {2, 2}},
                             .pads = {4, {0}}, .dilations = {2, {1, 1}}};
    MUST(ro_emit(m->g, RO_OP_Conv, &c, (ro_value[]){x, p[0], p[1]}, 3, &x, &err));
    MUST(ro_emit1(m->g, RO_OP_Relu, NULL, x, &x, &err));
    MUST(ro_emit1(m->g, RO_OP_MaxPool, &pool, x, &x, &err));
    return x;
}

static void update(model *m, const ro_value *grads)
{
    ro_LearningRate_attrs schedule = {.kind = 1, .base = 1e-3, .total = 1876};
    ro_AdamW_attrs a = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01,
                        .decoupled = 1};
    ro_value rate, b1, b2, power1, power2, first;
    MUST(ro_emit1(m->g, RO_OP_LearningRate, &schedule, m->values[STEP], &rate, &err));
    MUST(ro_emit_scalar(m->g, RO_F64, a.beta1, &b1, &err));
    MUST(ro_emit_scalar(m->g, RO_F64, a.beta2, &b2, &err));
    MUST(ro_emit2(m->g, RO_OP_Mul, NULL, m->values[POWER1], b1, &power1, &err));
    MUST(ro_emit2(m->g, RO_OP_Mul, NULL, m->values[POWER2], b2, &power2, &err));
    MUST(ro_graph_set_next(m->g, POWER1, power1, &err));
    MUST(ro_graph_set_next(m->g, POWER2, power2, &err));
    for (uint32_t k = 0; k < PARAMETERS; k++) {
        const ro_value *v = m->values + FIRST + k;
        ro_value in[7] = {v[0], grads[k], rate, power1, power2, v[PARAMETERS], v[2 * PARAMETERS]};
        MUST(ro_graph_node(m->g, RO_OP_AdamW, &a, in, 7, 3, &first, &err));
        for (uint32_t j = 0; j < 3; j++)
            MUST(ro_graph_set_next(m->g, FIRST + k + j * PARAMETERS, first + j, &err));
    }
}

static void build(model *m, ro_arena *arena)
{
    ro_value x, labels, loss, grads[PARAMETERS];
    const ro_value *p = m->values + FIRST;
    ro_Flatten_attrs flat = {.axis = 1};
    ro_Gemm_attrs gemm = {.transB = 1, .alpha = 1, .beta = 1};
    ro_SoftmaxCrossEntropyLoss_attrs mean = {.reduction = 2};
    MUST(ro_graph_new(arena, &m->g, &err));
    declare(m);
    x = batch_of(m, &labels);
    x = block_of(m, x, p);
    x = block_of(m, x, p + 2);
    MUST(ro_emit1(m->g, RO_OP_Flatten, &flat, x, &x, &err));
    MUST(ro_emit(m->g, RO_OP_Gemm, &gemm, (ro_value[]){x, p[4], p[5]}, 3, &x, &err));
    MUST(ro_emit2(m->g, RO_OP_SoftmaxCrossEntropyLoss, &mean, x, labels, &loss, &err));
    MUST(ro_graph_add_output(m->g, loss, &err));
    MUST(ro_graph_differentiate(m->g, loss, p, PARAMETERS, grads, NULL, &err));
    update(m, grads);
}

/* ---- time of nodes: a hash that does nothing tells when each node ended -------------------- */

typedef struct { const ro_graph *g; double last, by_op[RO_OP_COUNT]; } profile;

static void no_hash(const ro_type *t, const void *data, ro_pool *pool, uint8_t digest[32])
{
    (void)t, (void)data, (void)pool;
    memset(digest, 0, 32);
}

static void node_done(void *ctx, ro_value v, const uint8_t digest[32])
{
    profile *p = ctx;
    double t = now();
    (void)digest;
    p->by_op[p->g->nodes[p->g->values[v].index].op] += t - p->last;
    p->last = t;
}

static void fill(ro_device *d, ro_state *s, const model *m)
{
    uint32_t seed = 1;
    (void)d;
    for (uint32_t k = FIRST; k < FIRST + PARAMETERS; k++) {
        uint64_t n = ro_type_elements(&m->slots[k]);
        float *x = ro_alloc(n * sizeof *x);
        for (uint64_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            x[i] = ((float)(seed >> 8) * 0x1p-24f - 0.5f) * 0.2f;
        }
        MUST(ro_cpu()->put(s, k, x, &err));
        ro_free(x);
    }
    double one = 1;
    MUST(ro_cpu()->put(s, POWER1, &one, &err));
    MUST(ro_cpu()->put(s, POWER2, &one, &err));
}

static void run(ro_plan *plan, ro_state *s, const model *m, long steps, int nodes)
{
    profile p = {.g = m->g};
    uint8_t *want = ro_alloc_zero(m->g->value_count);
    for (uint32_t k = 0; nodes && k < m->g->node_count; k++) want[m->g->nodes[k].first_output] = 1;
    ro_step_options o = {.want = nodes ? want : NULL, .digest = node_done, .ctx = &p};
    double begin = now(), best = 1e9;
    for (int64_t t = 0; t < steps; t++) {
        double start = p.last = now();
        MUST(ro_cpu()->put(s, STEP, &t, &err));
        MUST(ro_cpu()->step(plan, &o, &err));
        if (now() - start < best) best = now() - start;
    }
    double mean = (now() - begin) / (double)steps;
    printf("%u nodes, %.1f MB: %.2f ms a step (%.1f/s), best %.2f ms\n", m->g->node_count,
           (double)ro_cpu()->peak_bytes(plan) / 1e6, mean * 1e3, 1 / mean, best * 1e3);
    for (int op = 0; nodes && op < RO_OP_COUNT; op++)
        if (p.by_op[op] > 0)
            printf("  %8.3f ms  %s\n", p.by_op[op] / (double)steps * 1e3, ro_ops[op].name);
    ro_free(want);
}

int main(int argc, char **argv)
{
    uint32_t threads = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    long steps = argc > 2 ? strtol(argv[2], NULL, 10) : 100;
    static uint8_t images[IMAGES * SIDE * SIDE];
    static int64_t labels[IMAGES];
    const void *constants[2] = {images, labels};
    model m;
    ro_pool *pool;
    ro_device *d;
    ro_state *s;
    ro_plan *plan;
    ro_arena *arena = ro_arena_new();
    for (uint32_t i = 0; i < sizeof images; i++) images[i] = (uint8_t)(i * 2654435761u >> 24);
    for (int64_t i = 0; i < IMAGES; i++) labels[i] = i % CLASSES;
    build(&m, arena);
    MUST(ro_pool_new(threads, &pool, &err));
    MUST(ro_cpu()->open(pool, &d, &err));
    MUST(ro_cpu()->state_new(d, m.slots, FIRST + 3 * PARAMETERS, &s, &err));
    ro_plan_options o = {.constants = constants, .constant_count = 2, .hash = no_hash};
    MUST(ro_cpu()->plan(d, s, m.g, &o, &plan, &err));
    fill(d, s, &m);
    printf("%s, %u threads\n", ro_cpu()->describe(d), ro_pool_threads(pool));
    run(plan, s, &m, steps > 0 ? steps : 1, argc > 3);
    ro_cpu()->plan_free(plan);
    ro_cpu()->state_free(s);
    ro_cpu()->close(d);
    ro_pool_free(pool);
    ro_arena_free(arena);
    return 0;
}
