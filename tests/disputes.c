/* disputes.c - many small disputes and their evidence, for the second verifier: every operator,
 * every shape of explanation, one side wrong and both, steps first, last and between, at `full`
 * and at `checkpoint`, signed and not.
 *
 *   disputes COUNT FOLDER [SEED]
 *
 * Writes FOLDER/NNNN.evidence and a line for each: file, operator, method, step, element, and for
 * each side of the evidence whether the party that it belongs to lied. */
#include "dispute_files.h"

#include "ops_cases.h"

#define INPUTS CASE_INPUTS

/* ---- values ----------------------------------------------------------------------------- */

/* Numbers whose sums depend on their order; wild: any bits. Indices are mostly valid. */
static void *fill(const node_case *c, uint32_t k, rng *g, int wild)
{
    const ro_type *t = &c->in[k];
    uint64_t n = ro_type_elements(t);
    uint8_t *data = calloc(n + 1, 8);
    for (uint64_t j = 0; j < n; j++) {
        uint64_t b = rng_next(g);
        double x = (double)(int64_t)(b % 2000001) / 1e6 - 1;
        int64_t low = (int64_t)c->lo[k], high = (int64_t)c->hi[k];
        if (!wild && t->dtype == RO_F32) b = ro_f32_bits((float)x);
        if (!wild && t->dtype == RO_F64) b = ro_f64_bits(x);
        if (!wild && (t->dtype == RO_I32 || t->dtype == RO_I64)) b = (uint64_t)rng_in(g, low, high);
        switch (ro_dtypes[t->dtype].size) {
        case 8: memcpy(data + 8 * j, &b, 8); break;
        case 4: memcpy(data + 4 * j, &(uint32_t){(uint32_t)b}, 4); break;
        default: data[j] = (uint8_t)b; break;
        }
    }
    return data;
}

/* Which parties lied, by side of the evidence; 1: the file could be written. */
static void write_out(fixture *f, rf_files *x, rf_game *g, const char *folder, unsigned number,
                      const int lied[2])
{
    char path[4096];
    size_t size;
    uint32_t sides[2], used[2];
    const rf_verdict *v = rf_game_verdict(g);
    snprintf(path, sizeof path, "%s/%04u.evidence", folder, number);
    uint8_t *bytes = evidence_of(f, x, g, &size);
    small_put(path, bytes, size);
    ro_free(bytes);
    if (!rf_evidence_sides(g, sides, used)) abort();
    printf("%04u.evidence %s %s %llu %llu %d %d\n", number, ro_ops[v->op].name,
           rf_method_name(v->method), (unsigned long long)v->step, (unsigned long long)v->element,
           lied[sides[0]], lied[sides[1]]);
}

/* ---- by element: a job around one node, really run ------------------------------------------ */

typedef struct {
    node_case c;
    void *data[INPUTS];
    vd_slot slots[INPUTS + 1], constants[INPUTS];
    const void *slot_data[INPUTS + 1], *constant_data[INPUTS];
    uint32_t slot_count, constant_count, node; /* node: the number of the one that is judged */
    uint64_t reached; /* steps before the phase in which it is */
    ro_value step;    /* slot 0, RO_NO_VALUE before it is read */
} world;

static const char *const NAMES[INPUTS] = {"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"};

static vd_slot named(const world *w, uint32_t k)
{
    vd_slot s = small_slot(NAMES[k], w->c.in[k]);
    vd_tensor_digest(&s.type, w->data[k], NULL, s.digest.b);
    return s;
}

static ro_value as_constant(world *w, ro_graph *g, uint32_t k, ro_err *err)
{
    ro_value v = RO_NO_VALUE;
    uint32_t c = w->constant_count++;
    w->constants[c] = named(w, k);
    w->constant_data[c] = w->data[k];
    must(ro_graph_constant(g, c, &w->c.in[k], &v, err), err);
    return v;
}

/* Where an input comes from: the step, a slot, a constant, a node over a constant. */
static ro_value provide(world *w, ro_graph *g, rng *r, uint32_t k, ro_err *err)
{
    const ro_type *t = &w->c.in[k];
    ro_value v = RO_NO_VALUE, copy = RO_NO_VALUE;
    uint64_t how = rng_next(r) % 4;
    if (t->dtype == RO_NONE) return v;
    if (t->dtype == RO_I64 && t->rank == 0 && how < 2) {
        if (w->step == RO_NO_VALUE) must(ro_graph_slot(g, 0, t, &w->step, err), err);
        return w->step;
    }
    if (how == 0) {
        uint32_t s = w->slot_count++;
        w->slots[s] = named(w, k);
        w->slot_data[s] = w->data[k];
        must(ro_graph_slot(g, s, t, &v, err), err);
        return v;
    }
    v = as_constant(w, g, k, err);
    if (how == 1) return v;
    must(ro_emit1(g, RO_OP_Identity, NULL, v, &copy, err), err);
    return copy;
}

static const ro_graph *around(world *w, fixture *f, rng *r)
{
    ro_graph *g = NULL;
    ro_value in[INPUTS], first, copy;
    must(ro_graph_new(f->arena, &g, &f->err), &f->err);
    for (uint32_t k = 0; k < w->c.inputs; k++) in[k] = provide(w, g, r, k, &f->err);
    w->node = g->node_count;
    must(ro_graph_node(g, w->c.op, w->c.attrs.bytes, in, w->c.inputs, w->c.outputs, &first,
                       &f->err), &f->err);
    for (uint32_t k = 0; k < w->c.outputs; k++)
        must(ro_graph_add_output(g, first + k, &f->err), &f->err);
    must(ro_emit1(g, RO_OP_Identity, NULL, first, &copy, &f->err), &f->err);
    must(ro_graph_add_output(g, copy, &f->err), &f->err);
    return g;
}

/* A phase before it, so that steps and phases differ. */
static const ro_graph *counting(fixture *f)
{
    ro_graph *g = NULL;
    ro_value step, copy;
    const ro_type t = ro_type_of(RO_I64, 0, NULL);
    must(ro_graph_new(f->arena, &g, &f->err), &f->err);
    must(ro_graph_slot(g, 0, &t, &step, &f->err), &f->err);
    must(ro_emit1(g, RO_OP_Identity, NULL, step, &copy, &f->err), &f->err);
    must(ro_graph_add_output(g, copy, &f->err), &f->err);
    return g;
}

static void make_job(world *w, fixture *f, rng *r)
{
    vd_job *j = ro_arena_alloc(f->arena, sizeof *j);
    uint32_t phases = (uint32_t)rng_in(r, 1, 2);
    j->arena = f->arena;
    j->repeats = (uint64_t)rng_in(r, 1, 2);
    j->phases = ro_arena_alloc(f->arena, 2 * sizeof *j->phases);
    j->phase_count = phases;
    w->slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    w->slot_count = 1;
    if (phases == 2) j->phases[0] = (vd_phase){.steps = 2, .graph = counting(f)};
    j->phases[phases - 1].steps = (uint64_t)rng_in(r, 1, 4);
    j->phases[phases - 1].graph = around(w, f, r);
    j->segment = rng_next(r) % 4 == 0 ? (uint32_t)rng_in(r, 1, 3) : 0;
    j->record = j->segment ? VD_RECORD_CHECKPOINT : VD_RECORD_FULL;
    j->slots = w->slots;
    j->slot_count = w->slot_count;
    j->constants = w->constants;
    j->constant_count = w->constant_count;
    w->reached = phases == 2 ? 2 : 0;
    must(vd_job_seal(j, &f->err), &f->err);
    f->job = j;
    f->constants = w->constant_data;
    f->slots = w->slot_data;
}

/* A step of the node's phase: the first, the last or any. */
static uint64_t some_step(const world *w, const vd_job *j, rng *r)
{
    uint64_t steps = j->phases[j->phase_count - 1].steps, repeat = rng_next(r) % j->repeats;
    uint64_t where[3] = {0, steps - 1, rng_next(r) % steps};
    return repeat * (w->reached + steps) + w->reached + where[rng_next(r) % 3];
}

static void by_element(ro_op op, unsigned number, const char *folder, rng *r)
{
    static const int64_t sizes[4] = {3, 4, 5, 9};
    world w;
    fixture f;
    rf_files x;
    uint32_t out;
    fixture_open(&f);
    memset(&w, 0, sizeof w);
    w.step = RO_NO_VALUE;
    do {
        memset(&w.c, 0, sizeof w.c);
        w.c.most = sizes[rng_next(r) % 4];
        case_make(&w.c, op, r);
        out = (uint32_t)(rng_next(r) % w.c.outputs);
    } while (ro_type_elements(&w.c.out[out]) == 0);
    int wild = rng_next(r) % 5 == 0;
    for (uint32_t k = 0; k < w.c.inputs; k++)
        if (w.c.in[k].dtype != RO_NONE) w.data[k] = fill(&w.c, k, r, wild);
    make_job(&w, &f, r);
    uint64_t step = some_step(&w, f.job, r), n = ro_type_elements(&w.c.out[out]);
    uint32_t width = 8 * ro_dtypes[w.c.out[out].dtype].size;
    vd_fault fault = {step, {w.node, out, (uint32_t)(rng_next(r) % width), rng_next(r) % n}};
    vd_fault other = fault;
    int lied[2] = {rng_next(r) % 4 == 0, 1}, keyed = rng_next(r) % 4 != 0;
    other.fault.bit = (fault.fault.bit + 1) % width;
    run_party(&f, 'a', keyed, lied[0] ? &other : NULL, 1, step);
    run_party(&f, 'b', keyed, &fault, 1, step);
    open_files(&f, &x, f.job->segment != 0);
    rf_game *g = play_files(&f, &x, 0);
    const rf_verdict *v = rf_game_verdict(g);
    if (v->method != RF_BY_ELEMENT || v->step != step)
        fprintf(stderr, "dispute %u of %s: %s\n", number, ro_ops[op].name, v->why);
    write_out(&f, &x, g, folder, number, lied);
    rf_game_free(g);
    rf_files_release(&x);
    for (uint32_t k = 0; k < w.c.inputs; k++) free(w.data[k]);
    fixture_close(&f);
}

/* ---- by partial: one dear node, its output and explanations made up -------------------------- */

/* A dear node: what its attributes need beside zero, which element, and up to five inputs. */
typedef struct {
    ro_op op;
    uint64_t element;
    uint32_t inputs;
    ro_type in[5];
    struct { const char *name; uint32_t n; int64_t v[6]; } attrs[6]; /* n 0: one integer */
} dear;

#define T(dtype, ...)                                                                  \
    {dtype, sizeof (int64_t[]){__VA_ARGS__} / sizeof(int64_t), {__VA_ARGS__}}
#define POOL(kernel_h, kernel_w)                                                       \
    {"kernel_shape", 2, {kernel_h, kernel_w}}, {"strides", 2, {1, 1}},                 \
    {"pads", 4, {0, 0, 0, 0}}, {"dilations", 2, {1, 1}}
#define WINDOW                                                                         \
    {"strides", 2, {1, 1}}, {"pads", 4, {0, 0, 0, 0}}, {"dilations", 2, {1, 1}}, {"group", 0, {1}}

static const dear DEAR[] = {
    {RO_OP_ReduceSum, 0, 1, {T(RO_F32, 300001)}, {{0}}},
    {RO_OP_ReduceSum, 7, 1, {T(RO_I32, 300, 1100)}, {{"axes", 1, {0}}}},
    {RO_OP_ReduceSum, 0, 1, {T(RO_U8, 1200000)}, {{0}}},
    {RO_OP_ReduceMean, 519, 1, {T(RO_F64, 280, 520)}, {{"axes", 1, {0}}}},
    {RO_OP_ReduceMax, 0, 1, {T(RO_F32, 270000)}, {{0}}},
    {RO_OP_ReduceMaxGrad, 77777, 2, {T(RO_F32, 1), T(RO_F32, 270000)}, {{"keepdims", 0, {1}}}},
    {RO_OP_ArgMax, 0, 1, {T(RO_F32, 270000)}, {{0}}},
    {RO_OP_Softmax, 4, 1, {T(RO_F32, 270000)}, {{0}}},
    {RO_OP_LogSoftmax, 1025, 1, {T(RO_F32, 270, 1024)}, {{0}}},
    {RO_OP_SoftmaxGrad, 140000, 2, {T(RO_F32, 150000), T(RO_F32, 150000)}, {{0}}},
    {RO_OP_LogSoftmaxGrad, 1, 2, {T(RO_F32, 270000), T(RO_F32, 270000)}, {{0}}},
    {RO_OP_LayerNormalization, 3, 3,
     {T(RO_F32, 1, 270000), T(RO_F32, 270000), T(RO_F32, 270000)}, {{"axis", 0, {1}}}},
    {RO_OP_LayerNormalizationGrad, 9, 5,
     {T(RO_F32, 1, 100000), T(RO_F32, 1, 100000), T(RO_F32, 1, 1), T(RO_F32, 1, 1),
      T(RO_F32, 100000)}, {{"axis", 0, {1}}}},
    {RO_OP_LayerNormalizationScaleGrad, 1000, 4,
     {T(RO_F32, 140, 1024), T(RO_F32, 140, 1024), T(RO_F32, 140, 1), T(RO_F32, 140, 1)},
     {{"axis", 0, {1}}}},
    {RO_OP_RMSNormalization, 3, 2, {T(RO_F32, 1, 270000), T(RO_F32, 270000)}, {{"axis", 0, {1}}}},
    {RO_OP_RMSNormalizationGrad, 9, 4,
     {T(RO_F32, 1, 100000), T(RO_F32, 1, 100000), T(RO_F32, 1, 1), T(RO_F32, 100000)},
     {{"axis", 0, {1}}}},
    {RO_OP_MatMul, 0, 2, {T(RO_F32, 1, 140000), T(RO_F32, 140000, 1)}, {{0}}},
    {RO_OP_MatMul, 523, 2, {T(RO_I64, 2, 300), T(RO_I64, 300, 520)}, {{0}}},
    {RO_OP_Gemm, 5, 2, {T(RO_F32, 600, 1024), T(RO_F32, 600, 1)}, {{"transA", 0, {1}}}},
    {RO_OP_Conv, 0, 2, {T(RO_F32, 1, 34000, 2, 2), T(RO_F32, 1, 34000, 2, 2)}, {WINDOW}},
    {RO_OP_ConvInputGrad, 3, 2, {T(RO_F32, 1, 60000, 1, 1), T(RO_F32, 60000, 1, 2, 2)},
     {WINDOW, {"dims", 2, {2, 2}}}},
    {RO_OP_ConvWeightGrad, 2, 2, {T(RO_F32, 2, 1, 299, 249), T(RO_F32, 2, 1, 300, 250)},
     {WINDOW, {"dims", 2, {2, 2}}}},
    {RO_OP_Attention, 3, 4,
     {T(RO_F32, 1, 2, 1, 60), T(RO_F32, 1, 1, 5000, 60), T(RO_F32, 1, 1, 5000, 2), T(RO_F32, 5000)},
     {{"causal", 0, {1}}, {"past", 0, {4800}}}},
    {RO_OP_LSTMCell, 431, 4,
     {T(RO_F32, 1, 2, 1200), T(RO_F32, 1, 2, 300), T(RO_F32, 1, 2, 300), T(RO_F32, 300, 1200)},
     {{"g", 0, {1}}, {"h", 0, {1}}}},
    {RO_OP_LSTMCell, 17, 5,
     {T(RO_F32, 3, 1, 2000), T(RO_F32, 1, 1, 500), T(RO_F32, 1, 1, 500), T(RO_F32, 500, 2000),
      T(RO_F32, 1500)}, {{"step", 0, {2}}, {"g", 0, {1}}, {"input_forget", 0, {1}}}},
    {RO_OP_GRUCell, 299, 3, {T(RO_F32, 1, 1, 1200), T(RO_F32, 1, 1, 400), T(RO_F32, 400, 1200)},
     {{"g", 0, {1}}}},
    {RO_OP_RNNCell, 5, 3, {T(RO_F64, 1, 1, 600), T(RO_F64, 1, 1, 600), T(RO_F64, 600, 600)},
     {{0}}},
    {RO_OP_GRUGates, 799, 3, {T(RO_F32, 1, 1, 1200), T(RO_F32, 1, 1, 400), T(RO_F32, 400, 1200)},
     {{0}}},
    {RO_OP_GRUState, 7, 4,
     {T(RO_F32, 1, 1, 1200), T(RO_F32, 1, 1, 400), T(RO_F32, 1, 1, 800), T(RO_F32, 400, 1200)},
     {{0}}},
    {RO_OP_GatherGrad, 1, 2, {T(RO_F32, 140000, 1), T(RO_I64, 140000)}, {{"dim", 0, {3}}}},
    {RO_OP_GlobalAveragePool, 0, 1, {T(RO_F32, 1, 1, 600, 500)}, {{0}}},
    {RO_OP_AveragePool, 12, 1, {T(RO_F32, 1, 1, 600, 500)}, {POOL(590, 490)}},
    {RO_OP_AveragePoolGrad, 600000, 1, {T(RO_F32, 1, 1, 600, 500)},
     {POOL(560, 520), {"dims", 2, {1159, 1019}}}},
    {RO_OP_MaxPool, 12, 1, {T(RO_F32, 1, 1, 600, 500)}, {POOL(590, 490)}},
    {RO_OP_MaxPoolGrad, 501, 2, {T(RO_F32, 1, 1, 6, 6), T(RO_F32, 1, 1, 600, 500)},
     {POOL(595, 495)}},
    {RO_OP_SoftmaxCrossEntropyLoss, 0, 2, {T(RO_F32, 1200, 256), T(RO_I64, 1200)},
     {{"reduction", 0, {2}}}},
    {RO_OP_SoftmaxCrossEntropyLoss, 0, 2, {T(RO_F32, 300, 900), T(RO_I64, 300)},
     {{"reduction", 0, {2}}}},
    {RO_OP_SoftmaxCrossEntropyLoss, 0, 2, {T(RO_F32, 1, 300, 1024), T(RO_I64, 1, 1024)}, {{0}}},
    {RO_OP_SoftmaxCrossEntropyLossGrad, 700000, 3,
     {{RO_F32, 0, {0}}, T(RO_F32, 2, 400, 1024), T(RO_I64, 2, 1024)}, {{"reduction", 0, {1}}}},
    {RO_OP_SoftmaxCrossEntropyLossGrad, 8, 3,
     {{RO_F32, 0, {0}}, T(RO_F32, 140000, 2), T(RO_I64, 140000)}, {{"reduction", 0, {2}}}},
};

static void dear_case(const dear *d, node_case *c, ro_err *err)
{
    memset(c, 0, sizeof *c);
    c->op = d->op;
    c->inputs = d->inputs;
    c->outputs = d->op == RO_OP_LSTMCell ? 2 : 1;
    for (uint32_t k = 0; k < d->inputs; k++) {
        c->in[k] = d->in[k];
        /* Valid as indices and labels of each case; integers that are summed have both signs. */
        case_range(c, k, d->op == RO_OP_MatMul || d->op == RO_OP_ReduceSum ? -1 : 0, 1);
    }
    if (d->op == RO_OP_Attention)
        must(ro_attr_set_real(d->op, c->attrs.bytes, "root", 0.25, err), err);
    if (d->op == RO_OP_Gemm) must(ro_attr_set_real(d->op, c->attrs.bytes, "alpha", 1, err), err);
    for (size_t k = 0; k < sizeof d->attrs / sizeof *d->attrs && d->attrs[k].name; k++) {
        const int64_t *v = d->attrs[k].v;
        if (d->attrs[k].n)
            must(ro_attr_set_ints(d->op, c->attrs.bytes, d->attrs[k].name, v, d->attrs[k].n, err),
                 err);
        else must(ro_attr_set_int(d->op, c->attrs.bytes, d->attrs[k].name, v[0], err), err);
    }
}

/* Levels in which a part reads inputs: the lowest, the lanes of later stages, terms of a loss, the
 * number at the best tap of a MaxPool; and of an Attention lanes and blocks that list scores. */
static uint32_t some_level(const rf_node *n, uint64_t element, uint64_t *count, rng *r)
{
    ro_reader reader = {n->in, n->out, n->inputs, n->outputs, NULL, NULL, NULL};
    const ro_explain *e = ro_explain_of(n->node->op, &reader);
    uint32_t levels = e->levels(&reader, n->node->attrs, 0, element, count);
    uint32_t x = n->node->op == RO_OP_SoftmaxCrossEntropyLossGrad;
    uint32_t pick = (uint32_t)(rng_next(r) % 3), rows = n->in[x].dims[1] > RO_CHAIN ? 4 : 0;
    switch (n->node->op) {
    case RO_OP_Softmax: case RO_OP_LogSoftmax: case RO_OP_LayerNormalization:
    case RO_OP_LayerNormalizationGrad: return pick ? (levels - 1) / 2 : 0;
    case RO_OP_SoftmaxCrossEntropyLoss: return pick == 2 ? rows + 3 : rows / 2 * pick;
    case RO_OP_SoftmaxCrossEntropyLossGrad: return rows / 2 * pick;
    case RO_OP_MaxPool: return pick == 2 ? 2 : 0;
    case RO_OP_Attention: return pick == 2 ? levels - 4 : pick ? levels / 2 - 1 : 0;
    case RO_OP_LSTMCell: case RO_OP_GRUCell: return 3 * pick; /* of each gate */
    default: return 0;
    }
}

/* An explanation with a false part that gives another value than `honest`. */
static uint64_t *lie(const rf_node *n, const void *const *data, uint64_t element, uint64_t honest,
                     rng *r, uint64_t *value)
{
    for (int tries = 0; tries < 100; tries++) {
        uint64_t count[RO_LEVELS_MAX];
        uint32_t level = some_level(n, element, count, r);
        ro_op op = n->node->op;
        int mark = op == RO_OP_ReduceMaxGrad || op == RO_OP_MaxPoolGrad; /* 0 or 1 */
        uint64_t flip = UINT64_C(1) << (mark ? 0 : rng_next(r) % 32);
        uint64_t *parts =
            forge_parts(n, data, element, level, rng_next(r) % count[level], flip, value);
        if (*value != honest) return parts;
        ro_free(parts);
    }
    fprintf(stderr, "no false part of %s shows\n", ro_ops[n->node->op].name);
    abort();
}

static void by_partial(const dear *d, unsigned number, const char *folder, rng *r)
{
    node_case c;
    fixture f;
    rf_files x;
    rf_node n;
    void *data[INPUTS] = {NULL}, *y[2];
    uint64_t *parts[2], value[2], honest;
    int lied[2] = {rng_next(r) % 3 == 0, 1}, keyed = rng_next(r) % 4 != 0;
    fixture_open(&f);
    dear_case(d, &c, &f.err);
    for (uint32_t k = 0; k < c.inputs; k++) data[k] = fill(&c, k, r, 0);
    if (c.op == RO_OP_ReduceMaxGrad || c.op == RO_OP_MaxPoolGrad) {
        ((float *)data[1])[d->element] = 2; /* chosen: so that one false mark is seen */
        lied[0] = 0;                        /* and there is but one false value */
    }
    const void *const *in = (const void *const *)data;
    f.job = lone_job(&f, c.op, c.attrs.bytes, c.in, c.inputs, in, (uint64_t)rng_in(r, 1, 3));
    lone_node(f.job, &n);
    if (!rf_is_partial(&n, 0)) {
        fprintf(stderr, "an element of %s is not dear\n", ro_ops[d->op].name);
        abort();
    }
    parts[0] = forge_parts(&n, in, d->element, RF_NONE, 0, 0, &honest);
    value[0] = honest;
    if (lied[0]) {
        ro_free(parts[0]);
        parts[0] = lie(&n, in, d->element, honest, r, &value[0]);
    }
    parts[1] = lie(&n, in, d->element, honest, r, &value[1]);
    for (int tries = 0; value[1] == value[0] && tries < 100; tries++) {
        ro_free(parts[1]);
        parts[1] = lie(&n, in, d->element, honest, r, &value[1]);
    }
    uint64_t step = rng_next(r) % f.job->steps;
    uint32_t width = ro_dtypes[n.out[0].dtype].size;
    y[0] = calloc(ro_type_bytes(&n.out[0]), 1); /* all that nobody disputes may be anything */
    y[1] = calloc(ro_type_bytes(&n.out[0]), 1);
    for (int k = 0; k < 2; k++) {
        for (uint32_t b = 0; b < width; b++) /* as machines here have them: little-endian */
            ((uint8_t *)y[1])[d->element * width + b] = (uint8_t)(value[k] >> (8 * b));
        lone_party(&f, k ? 'b' : 'a', keyed, in, (const void *const[]){y[0], y[1]}, step,
                   d->element, parts[k]);
        ro_free(parts[k]);
    }
    open_files(&f, &x, 0);
    rf_game *g = play_files(&f, &x, 0);
    const rf_verdict *v = rf_game_verdict(g);
    if (v->method != RF_BY_PARTIAL)
        fprintf(stderr, "dispute %u of %s: %s\n", number, ro_ops[d->op].name, v->why);
    write_out(&f, &x, g, folder, number, lied);
    rf_game_free(g);
    rf_files_release(&x);
    for (uint32_t k = 0; k < c.inputs; k++) free(data[k]);
    free(y[0]);
    free(y[1]);
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    const unsigned dears = sizeof DEAR / sizeof *DEAR;
    unsigned elements = 0, partials = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: disputes COUNT FOLDER [SEED]\n");
        return 2;
    }
    rng r = {argc > 3 ? strtoull(argv[3], NULL, 10) : 1};
    for (unsigned k = 0; k < (unsigned)strtoul(argv[1], NULL, 10); k++) {
        if (k % 6 == 5) by_partial(&DEAR[partials++ % dears], k, argv[2], &r);
        else by_element((ro_op)(elements++ % RO_OP_COUNT), k, argv[2], &r);
    }
    return 0;
}
