/* jobs.c - the pool: a small job for every operator, at full and at checkpoint level, a few whose
 * subject explains itself by parts, and an honest run of each.
 *
 * What this file decides: the graphs around a subject. Phase 0 gives the slots their first values;
 * phase 1 moves them, runs the subject on slots, constants and node outputs, keeps what it put out
 * in a slot and repeats that one, so every kind of producer occurs.
 *
 * Invariants
 *   1. Which jobs there are follows from the operator table and fixed seeds alone.
 *   2. Values come from scalar bodies: the definition, not a kernel. */
#include "jobs.h"

void *sim_alloc(ro_arena *a, size_t n)
{
    void *p = ro_arena_alloc(a, n);
    RO_ASSERT(p);
    return p;
}

/* ---- tensors ----------------------------------------------------------------------------- */

const sim_tensor *sim_find(const sim_store *s, const vd_digest *d)
{
    for (; s; s = s->below)
        for (const sim_tensor *t = s->bucket[d->b[0] % SIM_BUCKETS]; t; t = t->next)
            if (vd_digest_equal(&t->digest, d)) return t;
    return NULL;
}

sim_tensor *sim_put(sim_store *s, ro_arena *a, const ro_type *type, void *data)
{
    sim_tensor *t = sim_alloc(a, sizeof *t);
    uint64_t n = vd_tensor_chunks(type), size = ro_type_bytes(type);
    uint8_t root[VD_DIGEST], *bytes = sim_alloc(a, size + 1);
    t->type = *type;
    t->data = data;
    ro_canonical_bytes(type->dtype, data, bytes, ro_type_elements(type));
    t->bytes = bytes;
    t->tree = sim_alloc(a, (vd_tree_size(n) + 1) * VD_DIGEST);
    if (n) vd_tensor_chunk_hashes(type, data, 0, n, t->tree);
    vd_tree_build(VD_TREE_CHUNKS, t->tree, n, root);
    t->header_size = vd_tensor_header_encode(type, root, t->header);
    vd_tensor_header_digest(t->header, t->header_size, t->digest.b);
    sim_tensor **bucket = &s->bucket[t->digest.b[0] % SIM_BUCKETS];
    t->next = *bucket;
    *bucket = t;
    return t;
}

/* ---- values ------------------------------------------------------------------------------ */

void sim_put_bits(ro_dtype d, void *data, uint64_t j, uint64_t bits)
{
    uint8_t canonical[8];
    vd_put_le(canonical, bits, 8);
    ro_canonical_bytes(d, canonical, (uint8_t *)data + j * ro_dtypes[d].size, 1);
}

/* wild: one float in nine is of any bits, so NaNs, infinities and subnormals meet every operator. A
 * sum that is NaN explains nothing. */
static uint64_t a_value(ro_dtype d, double lo, double hi, int wild, rng *g)
{
    double x = lo + (hi - lo) * (double)(rng_next(g) >> 11) * 0x1p-53;
    if (wild && rng_in(g, 0, 8) == 0 && ro_dtype_is_float(d)) return rng_next(g);
    if (ro_dtype_is_float(d)) return ro_bits_of_number(d, x);
    return (uint64_t)(int64_t)floor(x + 0.5) & (d == RO_BOOL ? 1 : ~0ull);
}

static const sim_tensor *some_tensor(sim_job *j, const ro_type *type, double lo, double hi, rng *g)
{
    uint8_t *data = sim_alloc(j->arena, ro_type_bytes(type) + 8);
    uint64_t n = ro_type_elements(type);
    for (uint64_t i = 0; i < n; i++)
        sim_put_bits(type->dtype, data, i, a_value(type->dtype, lo, hi, !j->dear, g));
    return sim_put(&j->store, j->arena, type, data);
}

/* ---- a job around a subject -------------------------------------------------------------- */

typedef struct {
    sim_job *j;
    node_case c;
    vd_slot slots[SIM_SLOTS_MAX], constants[CASE_INPUTS + 1];
    uint32_t slot_count, constant_count, slot_of[CASE_INPUTS], constant_of[CASE_INPUTS];
    ro_err err;
} making;

static int is_step(const ro_type *t) { return t->dtype == RO_I64 && t->rank == 0; }

/* Each present input has a constant; every second one, in an ordinary job, a slot as well. */
static void declare(making *m, rng *g)
{
    static const char *const names[2][CASE_INPUTS] = {
        {"a", "b", "c", "d", "e", "f", "g", "h"},
        {"slot a", "slot b", "slot c", "slot d", "slot e", "slot f", "slot g", "slot h"}};
    m->slots[m->slot_count++] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    for (uint32_t k = 0; k < m->c.inputs; k++) {
        const ro_type *t = &m->c.in[k];
        m->slot_of[k] = 0;
        if (!t->dtype || is_step(t)) continue;
        const sim_tensor *x = some_tensor(m->j, t, m->c.lo[k], m->c.hi[k], g);
        m->constant_of[k] = m->constant_count;
        m->j->constants[m->constant_count] = x;
        vd_slot *c = &m->constants[m->constant_count++];
        *c = small_slot(names[0][k], *t);
        c->digest = x->digest;
        if (m->j->dear || rng_in(g, 0, 1)) continue;
        m->slot_of[k] = m->slot_count;
        m->slots[m->slot_count++] = small_slot(names[1][k], *t);
    }
    m->slots[m->slot_count++] = small_slot("kept", m->c.out[0]);
}

static const ro_graph *first_phase(making *m, int direct)
{
    ro_graph *g;
    must(ro_graph_new(m->j->arena, &g, &m->err), &m->err);
    for (uint32_t k = 0; k < m->c.inputs; k++) {
        ro_value c, v;
        if (!m->slot_of[k]) continue;
        uint32_t slot = m->slot_of[k];
        must(ro_graph_slot(g, slot, &m->c.in[k], &c, &m->err), &m->err);
        must(ro_graph_constant(g, m->constant_of[k], &m->c.in[k], &c, &m->err), &m->err);
        v = c;
        if (!direct) must(ro_emit1(g, RO_OP_Identity, NULL, c, &v, &m->err), &m->err);
        must(ro_graph_set_next(g, slot, v, &m->err), &m->err);
    }
    return g;
}

/* The value that the subject reads as input k. */
static ro_value subject_input(making *m, ro_graph *g, uint32_t k, rng *r)
{
    const ro_type *t = &m->c.in[k];
    ro_value slot, c, v;
    if (!t->dtype) return RO_NO_VALUE;
    if (is_step(t)) {
        must(ro_graph_slot(g, 0, t, &v, &m->err), &m->err);
        return v;
    }
    must(ro_graph_constant(g, m->constant_of[k], t, &c, &m->err), &m->err);
    if (!m->slot_of[k]) return c;
    int is_float = t->dtype == RO_F32 || t->dtype == RO_F64;
    must(ro_graph_slot(g, m->slot_of[k], t, &slot, &m->err), &m->err);
    must(is_float ? ro_emit2(g, RO_OP_Add, NULL, slot, c, &v, &m->err)
                      : ro_emit1(g, RO_OP_Identity, NULL, slot, &v, &m->err), &m->err);
    must(ro_graph_set_next(g, m->slot_of[k], v, &m->err), &m->err);
    return rng_in(r, 0, 1) ? v : slot;
}

static const ro_graph *second_phase(making *m, rng *r)
{
    ro_graph *g;
    ro_value in[CASE_INPUTS], y, kept, echo, step;
    uint32_t slot = m->slot_count - 1;
    ro_type i64 = ro_type_of(RO_I64, 0, NULL);
    int step_read = 0;
    must(ro_graph_new(m->j->arena, &g, &m->err), &m->err);
    for (uint32_t k = 0; k < m->c.inputs; k++) {
        if (m->c.in[k].dtype && is_step(&m->c.in[k]) && step_read++) {
            in[k] = in[k - 1]; /* one slot is declared once */
            for (uint32_t i = 0; i < k; i++)
                if (is_step(&m->c.in[i]) && m->c.in[i].dtype) in[k] = in[i];
            continue;
        }
        in[k] = subject_input(m, g, k, r);
    }
    if (!step_read) { /* something changes with every step */
        must(ro_graph_slot(g, 0, &i64, &step, &m->err), &m->err);
        must(ro_emit1(g, RO_OP_Neg, NULL, step, &step, &m->err), &m->err);
        must(ro_graph_add_output(g, step, &m->err), &m->err);
    }
    m->j->subject = g->node_count;
    must(ro_graph_node(g, m->c.op, m->c.attrs.bytes, in, m->c.inputs, m->c.outputs, &y,
                           &m->err), &m->err);
    must(ro_graph_slot(g, slot, &m->c.out[0], &kept, &m->err), &m->err);
    must(ro_emit1(g, RO_OP_Identity, NULL, kept, &echo, &m->err), &m->err);
    must(ro_graph_set_next(g, slot, y, &m->err), &m->err);
    for (uint32_t k = 0; k < m->c.outputs; k++)
        must(ro_graph_add_output(g, y + k, &m->err), &m->err);
    must(ro_graph_add_output(g, echo, &m->err), &m->err);
    return g;
}

static void explain(sim_job *j)
{
    const ro_graph *g = j->job->phases[1].graph;
    const ro_node *n = &g->nodes[j->subject];
    const sim_step *s = &j->truth->step[j->job->steps - 1];
    ro_type in[CASE_INPUTS];
    const void *data[CASE_INPUTS];
    ro_err err = {RO_OK, {0}};
    for (uint32_t k = 0; k < n->inputs; k++) {
        in[k] = g->values[n->in[k]].type;
        data[k] = s->values[n->in[k]]->data;
    }
    ro_reader r = {in, &g->values[n->first_output].type, n->inputs, n->outputs, data, NULL, NULL};
    must(ro_explain_all(n->op, &r, n->attrs, 0, 0, &j->part_levels, j->part_count, &j->parts,
                            &err), &err);
}

static void build(making *m, uint32_t segment, rng *g)
{
    sim_job *j = m->j;
    vd_job *job = sim_alloc(j->arena, sizeof *job);
    declare(m, g);
    job->arena = j->arena;
    job->record = segment ? VD_RECORD_CHECKPOINT : VD_RECORD_FULL;
    job->segment = segment;
    job->repeats = (uint64_t)rng_in(g, 1, 2);
    job->phase_count = 2;
    job->slot_count = m->slot_count;
    job->constant_count = m->constant_count;
    job->phases = sim_alloc(j->arena, 2 * sizeof *job->phases);
    job->slots = sim_alloc(j->arena, sizeof m->slots);
    job->constants = sim_alloc(j->arena, sizeof m->constants);
    memcpy(job->slots, m->slots, sizeof m->slots);
    memcpy(job->constants, m->constants, sizeof m->constants);
    job->phases[0].steps = 1;
    job->phases[0].graph = first_phase(m, rng_in(g, 0, 1) != 0);
    job->phases[1].steps =
        job->repeats == 1 ? (uint64_t)rng_in(g, 7, 11) : (uint64_t)rng_in(g, 4, 6);
    job->phases[1].graph = second_phase(m, g);
    must(vd_job_seal(job, &m->err), &m->err);
    j->job = job;
    j->op = m->c.op;
    snprintf(j->name, sizeof j->name, "%s%s %s", ro_ops[j->op].name, j->dear ? " by parts" : "",
             segment ? "checkpoint" : "full");
    j->truth = sim_lying(j, j->arena, NULL, 0);
    if (j->dear) explain(j);
}

/* ---- the pool ---------------------------------------------------------------------------- */

/* A case whose outputs cost little to compute one by one, and have elements. */
static void cheap_case(node_case *c, ro_op op, int64_t most, rng *g)
{
    for (;;) {
        uint64_t cost = 0, elements = 1;
        memset(c, 0, sizeof *c);
        c->most = most;
        case_make(c, op, g);
        for (uint32_t k = 0; k < c->outputs; k++) {
            uint64_t n = ro_type_elements(&c->out[k]);
            cost += n * (16 + ro_ops[op].flops(c->attrs.bytes, c->in, c->inputs, &c->out[k]));
            if (n == 0) elements = 0;
        }
        if (cost < 400000 && elements) return;
    }
}

static void dear_case(node_case *c, ro_op op)
{
    enum { LONG = 300001, HALF = 150001 };
    ro_err err = {RO_OK, {0}};
    memset(c, 0, sizeof *c);
    c->op = op;
    c->outputs = 1;
    c->inputs = op == RO_OP_MatMul ? 2 : 1;
    if (op == RO_OP_MatMul) {
        c->in[0] = ro_type_of(RO_F32, 2, (int64_t[]){1, HALF});
        c->in[1] = ro_type_of(RO_F32, 2, (int64_t[]){HALF, 1});
    } else {
        c->in[0] = ro_type_of(RO_F32, 1, (int64_t[]){LONG});
    }
    if (op == RO_OP_ReduceSum || op == RO_OP_ReduceMax) {
        must(ro_attr_set_int(op, c->attrs.bytes, "keepdims", 1, &err), &err);
        must(ro_attr_set_ints(op, c->attrs.bytes, "axes", (int64_t[]){0}, 1, &err), &err);
    }
    for (uint32_t k = 0; k < c->inputs; k++) case_range(c, k, -1, 1);
    must(ro_ops[op].infer(c->attrs.bytes, c->in, c->inputs, c->out, 1, &err), &err);
}

static void add_job(sim_pool *p, const node_case *c, uint32_t segment, int dear, rng *g)
{
    making m;
    memset(&m, 0, sizeof m);
    m.j = &p->jobs[p->count++];
    m.j->arena = ro_arena_new();
    RO_ASSERT(m.j->arena);
    m.j->dear = dear;
    m.c = *c;
    build(&m, segment, g);
}

void sim_pool_make(sim_pool *p)
{
    static const ro_op dear[] = {RO_OP_ReduceSum, RO_OP_MatMul, RO_OP_ReduceMax};
    ro_err err = {RO_OK, {0}};
    node_case c;
    must(ro_float_mode(&err), &err);
    p->jobs = ro_alloc_zero((2 * RO_OP_COUNT + 6) * sizeof *p->jobs);
    RO_ASSERT(p->jobs);
    for (int op = 0; op < RO_OP_COUNT; op++)
        for (uint32_t level = 0; level < 2; level++) {
            rng g = {(uint64_t)op * 2 + level + 1};
            cheap_case(&c, (ro_op)op, rng_in(&g, 0, 3) ? 4 : 8, &g);
            add_job(p, &c, level ? (uint32_t)rng_in(&g, 1, 5) : 0, 0, &g);
        }
    for (uint32_t k = 0; k < 6; k++) {
        rng g = {1000 + k};
        dear_case(&c, dear[k / 2]);
        add_job(p, &c, k % 2 ? 3 : 0, 1, &g);
    }
}

void sim_pool_release(sim_pool *p)
{
    for (uint32_t k = 0; k < p->count; k++) {
        ro_free(p->jobs[k].parts);
        ro_arena_free(p->jobs[k].arena);
    }
    ro_free(p->jobs);
}
