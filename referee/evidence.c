/* evidence.c - a verdict by element or partial that anyone can check: re-derived from its file.
 * docs/FORMATS.md, "Evidence", states every byte.
 *
 * Invariants
 *   1. Nothing in the file says who is guilty: it is computed here.
 *   2. All that is read is either hashed up to the two signed roots or the job's digest, or
 *      compared with what those prescribe; bytes that nothing covers are refused.
 *   3. A first difference is shown by paths whose left siblings are equal, so what lies before it
 *      is agreed.
 *   4. Nothing here names a backend, a kernel, a store or a trace file, and nothing links one.
 *   5. No text of the file is in an error but operators' names, of letters, digits and "_". */
#include "game.h"

#include <string.h>

#include "../verde/bytes.h"

/* ---- reading ---------------------------------------------------------------------------- */

typedef struct {
    vd_in in;
    ro_arena *arena;
    ro_err *err;
    rf_evidence *out;
    /* the job */
    uint64_t repeats, steps_of_repeat, phase_steps[VD_PHASES_MAX];
    uint32_t record, segment, phases, slots, constants;
    uint32_t node_count[VD_PHASES_MAX];
    const uint8_t *graph_root[VD_PHASES_MAX], *slots_root, *constants_root;
    uint64_t total_nodes;
    vd_digest job;
    /* the claims */
    vd_trace_body body[2];
    vd_claim_body claim[2];
    const uint8_t *tree[2];
    uint64_t first, count; /* steps of the line */
    vd_step_leaf leaf[2];
    uint64_t step;
    uint32_t phase;
    vd_digest before;
    vd_node_leaf node[2];
    rf_node subject;
} reader;

typedef struct { const uint8_t *bytes; uint32_t size; } blob;

static ro_status refuse(const reader *r, const char *what)
{
    return RO_FAIL(r->err, RO_EFORMAT, "the evidence does not hold: %s", what);
}

static blob get_blob(reader *r, uint32_t limit)
{
    blob b = {NULL, vd_in_u32(&r->in)};
    if (b.size > limit) r->in.bad = 1;
    b.bytes = vd_in_bytes(&r->in, b.size);
    return b;
}

typedef struct { const uint8_t *hashes; uint32_t count; } path;

static path get_path(reader *r)
{
    path p = {NULL, vd_in_u32(&r->in)};
    if (p.count > VD_PROOF_MAX) r->in.bad = 1;
    p.hashes = vd_in_bytes(&r->in, p.count * (uint64_t)VD_DIGEST);
    return p;
}

static int leads_to(vd_tree_kind kind, const uint8_t *root, uint64_t n, uint64_t i,
                    const uint8_t *leaf, path p)
{
    return vd_proof_verify(kind, root, n, i, leaf, p.hashes, p.count);
}

/* Paths of one place in two trees whose left siblings are all equal. */
static int left_equal(uint64_t n, uint64_t i, path a, path b)
{
    uint32_t at = 0;
    if (a.count != b.count) return 0;
    for (; n > 1; n = n / 2 + n % 2, i /= 2) {
        if (i % 2 == 0 && i + 1 == n) continue; /* promoted */
        if (at >= a.count) return 0;
        if (i % 2 && memcmp(a.hashes + at * VD_DIGEST, b.hashes + at * VD_DIGEST, VD_DIGEST) != 0)
            return 0;
        at++;
    }
    return at == a.count;
}

/* Two leaves at one place, each under its root, unlike, and all before them alike. */
static int first_unlike(vd_tree_kind kind, const uint8_t *const root[2], uint64_t n, uint64_t i,
                        uint8_t leaf[2][VD_DIGEST], const path p[2])
{
    return memcmp(leaf[0], leaf[1], VD_DIGEST) != 0 &&
           leads_to(kind, root[0], n, i, leaf[0], p[0]) &&
           leads_to(kind, root[1], n, i, leaf[1], p[1]) && left_equal(n, i, p[0], p[1]);
}

/* ---- the job and the signed roots ------------------------------------------------------- */

static ro_status read_phases(reader *r, const uint8_t *phases_root)
{
    uint8_t leaves[VD_PHASES_MAX][VD_DIGEST], root[VD_DIGEST];
    for (uint32_t p = 0; p < r->phases; p++) {
        blob b = get_blob(r, (uint32_t)VD_JOB_BYTES_MAX);
        vd_in in = {b.bytes, b.bytes ? b.size : 0, 0, 0};
        r->phase_steps[p] = vd_in_u64(&in);
        r->node_count[p] = vd_in_u32(&in);
        r->graph_root[p] = vd_in_bytes(&in, VD_DIGEST);
        if (r->in.bad || in.bad || r->phase_steps[p] == 0 || r->phase_steps[p] > VD_STEPS_MAX ||
            r->node_count[p] > VD_NODES_MAX)
            return refuse(r, "a phase record is malformed");
        r->steps_of_repeat += r->phase_steps[p];
        r->total_nodes += r->phase_steps[p] * r->node_count[p];
        vd_leaf_hash(VD_TREE_PHASES, b.bytes, b.size, leaves[p]);
    }
    vd_tree_root(VD_TREE_PHASES, leaves[0], r->phases, root);
    if (memcmp(root, phases_root, VD_DIGEST) != 0) return refuse(r, "the phases are not the job's");
    return RO_OK;
}

static ro_status read_job(reader *r)
{
    const uint8_t *b = vd_in_bytes(&r->in, VD_JOB_BODY_BYTES);
    if (!b) return refuse(r, "it is cut off");
    vd_in in = {b, VD_JOB_BODY_BYTES, 0, 0};
    uint32_t version = vd_in_u32(&in);
    r->repeats = vd_in_u64(&in);
    r->record = vd_in_u32(&in);
    r->segment = vd_in_u32(&in);
    r->phases = vd_in_u32(&in);
    r->slots = vd_in_u32(&in);
    r->constants = vd_in_u32(&in);
    r->slots_root = vd_in_bytes(&in, VD_DIGEST);
    r->constants_root = vd_in_bytes(&in, VD_DIGEST);
    const uint8_t *phases_root = vd_in_bytes(&in, VD_DIGEST);
    vd_tagged_hash("verde/1 job", b, VD_JOB_BODY_BYTES, r->job.b);
    if (version != 1 || r->repeats == 0 || r->repeats > VD_STEPS_MAX || r->phases == 0 ||
        r->phases > VD_PHASES_MAX || r->record > 1 || (r->record == 1) != (r->segment > 0) ||
        r->segment > VD_SEGMENT_MAX || r->slots > VD_SLOTS_MAX || r->constants > VD_CONSTANTS_MAX)
        return refuse(r, "its job body is none");
    RO_TRY(read_phases(r, phases_root));
    uint64_t steps;
    if (!ro_mul_size(r->repeats, r->steps_of_repeat, &steps) || steps > VD_STEPS_MAX)
        return refuse(r, "its job has too many steps");
    r->count = steps;
    return RO_OK;
}

static ro_status read_signer(reader *r, int is_segment, const vd_digest *root, rf_signer *s,
                             int *checked)
{
    uint8_t bytes[VD_SIGNED_BYTES];
    uint32_t n = 0;
    uint8_t is_signed = vd_in_u8(&r->in);
    const uint8_t *backend = vd_in_bytes(&r->in, VD_BACKEND_BYTES);
    const uint8_t *key = vd_in_bytes(&r->in, sizeof s->key);
    const uint8_t *signature = vd_in_bytes(&r->in, sizeof s->signature);
    if (r->in.bad || is_signed > 1) return refuse(r, "a signature is cut off");
    while (n < VD_BACKEND_BYTES && backend[n] >= 0x20 && backend[n] < 0x7f) n++;
    if (n == 0 || n == VD_BACKEND_BYTES || !vd_all_zero(backend + n, VD_BACKEND_BYTES - n))
        return refuse(r, "a backend is not printable text");
    s->is_signed = is_signed;
    memcpy(s->backend, backend, VD_BACKEND_BYTES);
    memcpy(s->key, key, sizeof s->key);
    memcpy(s->signature, signature, sizeof s->signature);
    *checked = 0;
    if (!is_signed)
        return vd_all_zero(key, 32) && vd_all_zero(signature, 64)
                   ? RO_OK : refuse(r, "a signature is there and said to be absent");
    ro_err why = {RO_OK, {0}};
    vd_signed_bytes(is_segment, s->backend, root, bytes);
    ro_status st = vd_check_signature(key, bytes, sizeof bytes, signature, &why);
    if (st == RO_EOP) return RO_OK; /* a build without signatures */
    if (st) return RO_FAIL(r->err, st, "%.200s", why.msg);
    *checked = 1;
    return RO_OK;
}

static ro_status read_trace_root(reader *r, int k)
{
    const uint8_t *b = vd_in_bytes(&r->in, VD_TRACE_BODY_BYTES);
    uint8_t again[VD_TRACE_BODY_BYTES];
    ro_err why = {RO_OK, {0}};
    if (!b || vd_trace_body_decode(b, &r->body[k], &why)) return refuse(r, "a trace body is none");
    const vd_trace_body *t = &r->body[k];
    vd_trace_body_encode(t, again);
    uint64_t nodes = r->record == 0 ? r->repeats * r->total_nodes : 0;
    if (memcmp(again, b, sizeof again) != 0 || (uint32_t)t->record != r->record ||
        t->segment != r->segment || !vd_digest_equal(&t->job, &r->job) || t->steps != r->count ||
        t->node_count != nodes)
        return refuse(r, "a trace body is not of the job");
    r->out->roots[k] = vd_trace_root(t);
    r->tree[k] = t->tree.b;
    return read_signer(r, 0, &r->out->roots[k], &r->out->traces[k], &r->out->checked[k]);
}

static ro_status read_claim_root(reader *r, int k)
{
    const uint8_t *b = vd_in_bytes(&r->in, VD_CLAIM_BODY_BYTES);
    uint8_t again[VD_CLAIM_BODY_BYTES];
    ro_err why = {RO_OK, {0}};
    vd_claim_body *c = &r->claim[k];
    if (!b || vd_claim_body_decode(b, c, &why)) return refuse(r, "a segment claim's body is none");
    vd_claim_body_encode(c, again);
    uint64_t segments = (r->body[k].steps + r->segment - 1) / r->segment;
    if (memcmp(again, b, sizeof again) != 0 || !vd_digest_equal(&c->job, &r->job) ||
        !vd_digest_equal(&c->trace, &r->out->roots[k]) || c->segment >= segments)
        return refuse(r, "a segment claim is not of its trace");
    uint64_t first = c->segment * r->segment;
    uint64_t count = r->body[k].steps - first < r->segment ? r->body[k].steps - first : r->segment;
    if (c->steps != count || (k && c->segment != r->claim[0].segment))
        return refuse(r, "a segment claim is of another segment");
    r->out->claim_roots[k] = vd_claim_root(c);
    r->tree[k] = c->tree.b;
    r->first = first;
    r->count = count;
    return read_signer(r, 1, &r->out->claim_roots[k], &r->out->claims[k],
                       &r->out->claims_checked[k]);
}

static ro_status read_roots(reader *r)
{
    for (int k = 0; k < 2; k++) RO_TRY(read_trace_root(r, k));
    if (!vd_digest_equal(&r->body[0].first_state, &r->body[1].first_state) ||
        vd_digest_equal(&r->out->roots[0], &r->out->roots[1]))
        return refuse(r, "the two traces are no pair");
    if ((r->record == 1) != r->out->has_claims)
        return refuse(r, "segment claims go with a checkpoint job, and only with one");
    for (int k = 0; k < 2 && r->out->has_claims; k++) RO_TRY(read_claim_root(r, k));
    return RO_OK;
}

/* ---- the first differing step, and the state before it ---------------------------------- */

static void locate(const reader *r, uint64_t step, vd_place *at)
{
    uint64_t rest = step % r->steps_of_repeat;
    at->repeat = step / r->steps_of_repeat;
    at->phase = 0;
    while (rest >= r->phase_steps[at->phase]) rest -= r->phase_steps[at->phase++];
    at->step = rest;
}

static int read_step_leaf(const reader *r, const uint8_t *b, uint64_t step, vd_step_leaf *l,
                          uint8_t hash[VD_DIGEST])
{
    vd_place at;
    locate(r, step, &at);
    vd_step_leaf_decode(b, l);
    vd_leaf_hash(VD_TREE_STEPS, b, VD_STEP_LEAF_BYTES, hash);
    return l->repeat == at.repeat && l->phase == at.phase && l->step == at.step &&
           l->global == step;
}

static ro_status read_steps(reader *r, uint64_t *index)
{
    uint8_t hash[2][VD_DIGEST];
    path p[2];
    *index = vd_in_u64(&r->in);
    if (r->in.bad || *index >= r->count) return refuse(r, "there is no such step");
    r->step = r->first + *index;
    for (int k = 0; k < 2; k++) {
        const uint8_t *b = vd_in_bytes(&r->in, VD_STEP_LEAF_BYTES);
        p[k] = get_path(r);
        if (r->in.bad || !read_step_leaf(r, b, r->step, &r->leaf[k], hash[k]))
            return refuse(r, "a step leaf is not of its step");
    }
    if (!first_unlike(VD_TREE_STEPS, r->tree, r->count, *index, hash, p))
        return refuse(r, "the step is not the first that differs");
    r->phase = r->leaf[0].phase;
    return RO_OK;
}

static ro_status before_segment(reader *r)
{
    const uint8_t *root[2] = {r->body[0].tree.b, r->body[1].tree.b};
    uint64_t n = (r->body[0].steps + r->segment - 1) / r->segment, s = r->claim[0].segment;
    uint8_t hash[2][VD_DIGEST];
    path p[2];
    vd_segment_leaf l;
    if (s == 0) return refuse(r, "there is no segment before the first");
    for (int k = 0; k < 2; k++) {
        const uint8_t *h = vd_in_bytes(&r->in, VD_DIGEST);
        if (h) memcpy(hash[k], h, VD_DIGEST);
        p[k] = get_path(r);
    }
    const uint8_t *b = vd_in_bytes(&r->in, VD_SEGMENT_LEAF_BYTES);
    path before = get_path(r);
    if (r->in.bad || !first_unlike(VD_TREE_SEGMENTS, root, n, s, hash, p))
        return refuse(r, "the segment is not the first that differs");
    vd_leaf_hash(VD_TREE_SEGMENTS, b, VD_SEGMENT_LEAF_BYTES, hash[0]);
    vd_segment_leaf_decode(b, &l);
    if (!leads_to(VD_TREE_SEGMENTS, root[0], n, s - 1, hash[0], before) || l.index != s - 1)
        return refuse(r, "the segment before is not in the trace");
    r->before = l.state;
    return RO_OK;
}

/* *known 0: no input of the node is a slot, and the state was not needed. */
static ro_status read_before(reader *r, uint64_t index, int *known)
{
    uint8_t kind = vd_in_u8(&r->in), hash[VD_DIGEST];
    vd_step_leaf l;
    *known = 1;
    if (kind == RF_BEFORE_SEGMENT && index == 0 && r->out->has_claims) return before_segment(r);
    if (kind == RF_BEFORE_STEP && index > 0) {
        const uint8_t *b = vd_in_bytes(&r->in, VD_STEP_LEAF_BYTES);
        path p = get_path(r);
        if (r->in.bad || !read_step_leaf(r, b, r->step - 1, &l, hash) ||
            !leads_to(VD_TREE_STEPS, r->tree[0], r->count, index - 1, hash, p))
            return refuse(r, "the step before is not in the trace");
        r->before = l.state;
        return RO_OK;
    }
    if (r->in.bad || kind != RF_BEFORE_FIRST)
        return refuse(r, "the state before has no such source");
    *known = r->step == 0;
    r->before = r->body[0].first_state;
    return RO_OK;
}

/* ---- the node, its record and its inputs ------------------------------------------------ */

#define OPERATOR_NAME_MAX 63u /* twice the longest of ops.def */
typedef struct { uint8_t kind; uint32_t index, output; } reference;
typedef struct {
    ro_op op;
    uint8_t attrs[RO_ATTRS_SIZE_MAX] __attribute__((aligned(16)));
    uint32_t inputs, outputs;
    reference in[RO_INPUTS_MAX];
    ro_type out[RO_OUTPUTS_MAX];
    uint8_t descriptor[VD_DIGEST];
} record;

static int read_type(vd_in *in, ro_type *t)
{
    ro_err why = {RO_OK, {0}};
    memset(t, 0, sizeof *t);
    uint32_t dtype = vd_in_u32(in), rank = vd_in_u32(in);
    if (in->bad || dtype >= RO_DTYPE_LIMIT || rank > RO_RANK_MAX) return 0;
    t->dtype = (ro_dtype)dtype;
    t->rank = rank;
    for (uint32_t a = 0; a < rank; a++) t->dims[a] = (int64_t)vd_in_u64(in);
    return !in->bad && ro_type_check(t, &why) == RO_OK;
}

/* An operator's name, maybe one of a later program: it may reach a terminal. */
static int read_name(vd_in *in, char name[OPERATOR_NAME_MAX + 1])
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_";
    uint32_t size = vd_in_u8(in);
    const uint8_t *text = vd_in_bytes(in, size);
    if (!text || size == 0 || size > OPERATOR_NAME_MAX) return 0;
    memcpy(name, text, size);
    name[size] = 0;
    return strspn(name, LETTERS) == size;
}

static ro_status parse_record(const reader *r, blob b, record *x)
{
    vd_in in = {b.bytes, b.size, 0, 0};
    char name[OPERATOR_NAME_MAX + 1];
    ro_err why = {RO_OK, {0}};
    if (!read_name(&in, name)) return refuse(r, "a node record names no operator");
    uint32_t version = vd_in_u32(&in), attrs_size = vd_in_u32(&in);
    const uint8_t *attrs = vd_in_bytes(&in, attrs_size);
    x->inputs = vd_in_u32(&in);
    if (in.bad || x->inputs > RO_INPUTS_MAX) return refuse(r, "a node record is malformed");
    x->op = ro_op_find(name, version);
    if (x->op == RO_OP_COUNT)
        return RO_FAIL(r->err, RO_EOP, "this program lacks operator %s version %u", name, version);
    memset(x->attrs, 0, sizeof x->attrs);
    if (ro_attrs_decode(x->op, attrs, attrs_size, x->attrs, &why))
        return refuse(r, "a node record's attributes are malformed");
    for (uint32_t k = 0; k < x->inputs; k++) {
        x->in[k].kind = vd_in_u8(&in);
        x->in[k].index = vd_in_u32(&in);
        x->in[k].output = vd_in_u32(&in);
    }
    x->outputs = vd_in_u32(&in);
    if (in.bad || x->outputs > RO_OUTPUTS_MAX) return refuse(r, "a node record is malformed");
    for (uint32_t k = 0; k < x->outputs; k++)
        if (!read_type(&in, &x->out[k])) return refuse(r, "a node record's type is malformed");
    if (vd_in_left(&in)) return refuse(r, "a node record is too long");
    vd_leaf_hash(VD_TREE_GRAPH, b.bytes, b.size, x->descriptor);
    return RO_OK;
}

static ro_status read_record(reader *r, uint32_t node, record *x)
{
    blob b = get_blob(r, VD_NODE_RECORD_MAX);
    path p = get_path(r);
    if (r->in.bad) return refuse(r, "it is cut off");
    RO_TRY(parse_record(r, b, x));
    if (!leads_to(VD_TREE_GRAPH, r->graph_root[r->phase], r->node_count[r->phase], node,
                  x->descriptor, p))
        return refuse(r, "a node record is not the job's");
    return RO_OK;
}

/* A node leaf that says what the job's record prescribes. */
static int leaf_fits(const reader *r, const vd_node_leaf *l, uint32_t node, const record *x)
{
    uint32_t present = 0;
    for (uint32_t k = 0; k < x->inputs; k++) present += x->in[k].kind != 0;
    return l->global == r->step && l->node == node && l->inputs == present &&
           l->outputs == x->outputs && memcmp(l->descriptor.b, x->descriptor, VD_DIGEST) == 0;
}

static ro_status read_node_leaf(reader *r, vd_node_leaf *l, uint8_t hash[VD_DIGEST])
{
    blob b = get_blob(r, RF_LEAF_BYTES_MAX);
    ro_err why = {RO_OK, {0}};
    if (r->in.bad || vd_node_leaf_decode(b.bytes, b.size, l, &why))
        return refuse(r, "a node leaf is malformed");
    vd_leaf_hash(VD_TREE_NODES, b.bytes, b.size, hash);
    return RO_OK;
}

static ro_status slot_record(reader *r, vd_tree_kind kind, const uint8_t *root, uint32_t n,
                             uint32_t index, ro_type *type, vd_digest *d)
{
    blob b = get_blob(r, VD_SLOT_RECORD_MAX);
    path p = get_path(r);
    uint8_t hash[VD_DIGEST];
    vd_in in = {b.bytes, b.bytes ? b.size : 0, 0, 0};
    uint32_t name = (uint32_t)vd_in_le(&in, 2);
    (void)vd_in_bytes(&in, name);
    if (r->in.bad || !read_type(&in, type))
        return refuse(r, "a slot or constant record is malformed");
    const uint8_t *digest = vd_in_bytes(&in, VD_DIGEST);
    if (in.bad || vd_in_left(&in)) return refuse(r, "a slot or constant record is malformed");
    memcpy(d->b, digest, VD_DIGEST);
    vd_leaf_hash(kind, b.bytes, b.size, hash);
    if (!leads_to(kind, root, n, index, hash, p))
        return refuse(r, "a slot or constant record is not the job's");
    return RO_OK;
}

static ro_status read_producer(reader *r, uint32_t node, const reference *in, ro_type *type,
                               vd_digest *d)
{
    record x;
    vd_node_leaf l;
    uint8_t hash[VD_DIGEST];
    RO_TRY(read_record(r, in->index, &x));
    RO_TRY(read_node_leaf(r, &l, hash));
    path p = get_path(r);
    if (r->in.bad || in->index >= node || in->output >= x.outputs ||
        !leaf_fits(r, &l, in->index, &x) ||
        !leads_to(VD_TREE_NODES, r->leaf[0].nodes.b, r->node_count[r->phase], in->index, hash, p))
        return refuse(r, "an input's producer is not in the trace");
    *type = x.out[in->output];
    *d = l.out[in->output];
    return RO_OK;
}

/* The digest that both sides must have for an input, and its type. */
static ro_status read_input(reader *r, uint32_t node, const reference *in, int before_known,
                            const vd_digest *said, ro_type *type, vd_digest *d)
{
    uint8_t hash[VD_DIGEST];
    if (in->kind == 3) return read_producer(r, node, in, type, d);
    if (in->kind == 2)
        return slot_record(r, VD_TREE_CONSTANTS, r->constants_root, r->constants, in->index, type,
                           d);
    if (in->kind != 1) return refuse(r, "an input has no such kind");
    RO_TRY(slot_record(r, VD_TREE_SLOTS, r->slots_root, r->slots, in->index, type, d));
    path p = get_path(r);
    vd_leaf_hash(VD_TREE_STATE, said->b, VD_DIGEST, hash);
    if (r->in.bad || !before_known ||
        !leads_to(VD_TREE_STATE, r->before.b, r->slots, in->index, hash, p))
        return refuse(r, "an input is not in the state before the step");
    *d = *said;
    return RO_OK;
}

/* The node as the job's record says, admitted by the same rules as when a job is decoded. */
static ro_status admit_node(reader *r, const record *x)
{
    rf_node *n = &r->subject;
    ro_graph *g;
    ro_value in[RO_INPUTS_MAX], first;
    ro_err why = {RO_OK, {0}};
    RO_TRY(ro_graph_new(r->arena, &g, r->err));
    for (uint32_t k = 0; k < x->inputs; k++) {
        in[k] = RO_NO_VALUE;
        if (x->in[k].kind) RO_TRY(ro_graph_constant(g, k, &n->in[k], &in[k], r->err));
    }
    ro_status st = ro_graph_node(g, x->op, x->attrs, in, x->inputs, x->outputs, &first, &why);
    if (st == RO_ENOMEM) return RO_FAIL(r->err, st, "no memory to check evidence");
    if (st) return refuse(r, why.msg);
    for (uint32_t k = 0; k < x->outputs; k++) {
        n->out[k] = x->out[k];
        if (!ro_type_equal(&g->values[first + k].type, &x->out[k]))
            return refuse(r, "a node's output is not of the type its record says");
    }
    n->graph = g;
    n->node = &g->nodes[0];
    n->inputs = x->inputs;
    n->outputs = x->outputs;
    return RO_OK;
}

static ro_status read_node(reader *r, int before_known, record *x)
{
    const uint8_t *root[2] = {r->leaf[0].nodes.b, r->leaf[1].nodes.b};
    uint8_t hash[2][VD_DIGEST];
    path p[2];
    uint32_t node = vd_in_u32(&r->in), at = 0;
    if (r->in.bad || node >= r->node_count[r->phase]) return refuse(r, "there is no such node");
    for (int k = 0; k < 2; k++) {
        RO_TRY(read_node_leaf(r, &r->node[k], hash[k]));
        p[k] = get_path(r);
    }
    if (r->in.bad || !first_unlike(VD_TREE_NODES, root, r->node_count[r->phase], node, hash, p))
        return refuse(r, "the node is not the first that differs");
    RO_TRY(read_record(r, node, x));
    if (!leaf_fits(r, &r->node[0], node, x) || !leaf_fits(r, &r->node[1], node, x))
        return refuse(r, "a node leaf is not what the job prescribes");
    for (uint32_t k = 0; k < x->inputs; k++) {
        if (x->in[k].kind == 0) continue;
        vd_digest *d = &r->subject.digest[k];
        RO_TRY(read_input(r, node, &x->in[k], before_known, &r->node[0].in[at],
                          &r->subject.in[k], d));
        if (!vd_digest_equal(d, &r->node[0].in[at]) || !vd_digest_equal(d, &r->node[1].in[at]))
            return refuse(r, "an input is not agreed");
        at++;
    }
    r->out->node = node;
    return admit_node(r, x);
}

/* ---- the two chunks and the element ----------------------------------------------------- */

static ro_status read_element(reader *r)
{
    rf_evidence *e = r->out;
    blob header, chunk[2];
    uint8_t hash[2][VD_DIGEST], root[2][VD_DIGEST];
    const uint8_t *roots[2] = {root[0], root[1]};
    path p[2];
    ro_type type;
    e->output = vd_in_u32(&r->in);
    e->chunk = vd_in_u64(&r->in);
    if (r->in.bad || e->output >= r->subject.outputs) return refuse(r, "there is no such output");
    e->type = r->subject.out[e->output];
    for (int k = 0; k < 2; k++) {
        uint8_t d[VD_DIGEST];
        header = get_blob(r, VD_TENSOR_HEADER_MAX);
        chunk[k] = get_blob(r, VD_CHUNK_BYTES);
        p[k] = get_path(r);
        if (r->in.bad) return refuse(r, "it is cut off");
        vd_tensor_header_digest(header.bytes, header.size, d);
        if (memcmp(d, r->node[k].out[e->output].b, VD_DIGEST) != 0 ||
            !vd_tensor_header_decode(header.bytes, header.size, &type, root[k]) ||
            !ro_type_equal(&type, &e->type))
            return refuse(r, "a tensor's header is not what its digest commits to");
        vd_leaf_hash(VD_TREE_CHUNKS, chunk[k].bytes, chunk[k].size, hash[k]);
    }
    size_t size = vd_tensor_chunk_bytes(&e->type, e->chunk);
    if (size == 0 || chunk[0].size != size || chunk[1].size != size ||
        !first_unlike(VD_TREE_CHUNKS, roots, vd_tensor_chunks(&e->type), e->chunk, hash, p))
        return refuse(r, "the chunk is not the first that differs");
    uint32_t width = ro_dtypes[e->type.dtype].size, at = 0;
    while (memcmp(chunk[0].bytes + at, chunk[1].bytes + at, width) == 0) at += width;
    e->element = (e->chunk * VD_CHUNK_BYTES + at) / width;
    for (int k = 0; k < 2; k++) e->claimed[k] = vd_get_le(chunk[k].bytes + at, width);
    return RO_OK;
}

static ro_status get_long(reader *r, const uint8_t **bytes, uint64_t *size)
{
    *size = vd_in_u64(&r->in);
    *bytes = vd_in_bytes(&r->in, *size);
    return *bytes ? RO_OK : refuse(r, "it is cut off");
}

/* The job of some evidence was admitted by nobody here: an element that reads or computes without
 * end must not hold up whoever checks it. */
static ro_status affordable(const reader *r)
{
    const rf_node *n = &r->subject;
    uint32_t output = r->out->output;
    uint64_t flops =
        ro_ops[n->node->op].flops(n->node->attrs, n->in, n->inputs, &n->out[output]);
    uint64_t bytes = rf_element_bytes(n, output);
    if (bytes <= RF_OPERANDS_MAX && flops <= RF_EVIDENCE_FLOPS) return RO_OK;
    return RO_FAIL(r->err, RO_ELIMIT,
                   "the element may read %llu bytes and take %llu operations; %llu and %llu are "
                   "allowed in evidence", (unsigned long long)bytes, (unsigned long long)flops,
                   (unsigned long long)RF_OPERANDS_MAX, (unsigned long long)RF_EVIDENCE_FLOPS);
}

/* Operands of the element, or of a part. */
static ro_status read_operands(reader *r, uint32_t level, uint64_t index, rf_part *part,
                               rf_operands *o)
{
    rf_question q;
    uint64_t size;
    int ok = 0;
    RO_TRY(get_long(r, &part->operands, &size));
    part->operands_size = size;
    memset(&q, 0, sizeof q);
    q.output = r->out->output;
    q.element = r->out->element;
    q.level = level;
    q.index = index;
    RO_TRY(rf_operands_hold(&r->subject, &q, part, part->operands, size, &ok, r->err));
    if (!ok) return refuse(r, "the operands are not exactly those that are read");
    RO_TRY(rf_operands_parse(&r->subject, part->operands, size, o, r->arena, &ok, r->err));
    r->out->chunks += o->count;
    return RO_OK;
}

/* Both sides' explanations of the part they differ on: each must fold to its own value. */
static ro_status read_round(reader *r, rf_part *part)
{
    rf_evidence *e = r->out;
    rf_operands o;
    rf_question q;
    ro_parts needs[RO_NEEDS_MAX];
    const uint8_t *answer[2];
    uint64_t total, size;
    RO_TRY(read_operands(r, part->level, part->index, part, &o));
    uint32_t count = rf_part_needs(&r->subject, e->output, e->element, part, needs, &total);
    memset(&q, 0, sizeof q);
    q.output = e->output;
    q.element = e->element;
    q.level = part->level;
    q.index = part->index;
    for (int k = 0; k < 2; k++) {
        int ok = 0;
        RO_TRY(get_long(r, &answer[k], &size));
        RO_TRY(rf_parts_hold(&r->subject, &q, part, k, answer[k], size, &ok, r->err));
        if (!ok) return refuse(r, "an explanation does not hold");
    }
    if (rf_parts_agreed(part, needs, count) || part->agreed_count + count > RF_RUNS_MAX ||
        !rf_part_descend(part, needs, count, answer))
        return refuse(r, "an explanation explains nothing");
    return RO_OK;
}

static ro_status recompute_part(reader *r, rf_part *part)
{
    rf_evidence *e = r->out;
    rf_operands o;
    ro_parts needs[RO_NEEDS_MAX];
    uint64_t total;
    int complete;
    uint32_t rounds = vd_in_u32(&r->in);
    if (r->in.bad || rounds > RF_RUNS_MAX || !rf_is_partial(&r->subject, e->output))
        return refuse(r, "its element is not explained by parts");
    part->level = rf_part_levels(&r->subject, e->output, e->element) - 1;
    for (int k = 0; k < 2; k++) part->value[k] = e->claimed[k];
    for (uint32_t k = 0; k < rounds; k++) RO_TRY(read_round(r, part));
    RO_TRY(read_operands(r, part->level, part->index, part, &o));
    uint32_t count = rf_part_needs(&r->subject, e->output, e->element, part, needs, &total);
    if (!rf_parts_agreed(part, needs, count)) return refuse(r, "its last part needs others");
    e->recomputed = rf_compute_part(&o, e->output, e->element, part, NULL, &complete);
    if (!complete || o.missing) return refuse(r, "its last part reads more than is there");
    for (int k = 0; k < 2; k++) e->claimed[k] = part->value[k];
    e->part_level = part->level;
    e->part_index = part->index;
    e->method = RF_BY_PARTIAL;
    return RO_OK;
}

static ro_status recompute(reader *r)
{
    rf_evidence *e = r->out;
    rf_operands o;
    rf_part *part = ro_arena_alloc(r->arena, sizeof *part);
    uint32_t method = vd_in_u32(&r->in);
    if (!part) return RO_FAIL(r->err, RO_ENOMEM, "no memory to check evidence");
    if (r->in.bad || method > 1) return refuse(r, "its method is none");
    if (method) {
        RO_TRY(recompute_part(r, part));
    } else {
        RO_TRY(affordable(r));
        RO_TRY(read_operands(r, RF_NONE, 0, part, &o));
        e->recomputed = rf_compute(&o, e->output, e->element);
        e->method = RF_BY_ELEMENT;
    }
    if (vd_in_left(&r->in)) return refuse(r, "it goes on after its end");
    for (int k = 0; k < 2; k++) e->guilty[k] = e->claimed[k] != e->recomputed;
    return RO_OK;
}

static ro_status check(reader *r)
{
    record *x = ro_arena_alloc(r->arena, sizeof *x);
    uint64_t index;
    int before_known;
    if (!x) return RO_FAIL(r->err, RO_ENOMEM, "no memory to check evidence");
    const uint8_t *magic = vd_in_bytes(&r->in, 8);
    if (!magic || memcmp(magic, RF_EVIDENCE_MAGIC, 8) != 0)
        return refuse(r, "it does not begin VERDEEVD");
    if (vd_in_u32(&r->in) != RF_EVIDENCE_VERSION) return refuse(r, "it is of another version");
    uint32_t claims = vd_in_u32(&r->in);
    if (claims > 1) return refuse(r, "its flags are none");
    r->out->has_claims = (int)claims;
    RO_TRY(read_job(r));
    RO_TRY(read_roots(r));
    RO_TRY(read_steps(r, &index));
    RO_TRY(read_before(r, index, &before_known));
    RO_TRY(read_node(r, before_known, x));
    RO_TRY(read_element(r));
    RO_TRY(recompute(r));
    r->out->job = r->job;
    r->out->step = r->step;
    r->out->op = ro_ops[x->op].name;
    r->out->version = ro_ops[x->op].version;
    return RO_OK;
}

ro_status rf_evidence_check(const void *bytes, size_t n, rf_evidence *out, ro_err *err)
{
    rf_evidence e;
    RO_TRY(ro_float_mode(err)); /* bodies run in the caller's thread, whatever it did before */
    ro_arena *a = ro_arena_new();
    reader *r = a ? ro_arena_alloc(a, sizeof *r) : NULL;
    if (!r) {
        ro_arena_free(a);
        return RO_FAIL(err, RO_ENOMEM, "no memory to check evidence");
    }
    memset(&e, 0, sizeof e);
    r->in = (vd_in){bytes, n, 0, 0};
    r->arena = a;
    r->err = err;
    r->out = &e;
    ro_status st = n > RF_EVIDENCE_MAX
                       ? RO_FAIL(err, RO_ELIMIT, "evidence of %zu bytes is over the limit", n)
                       : check(r);
    ro_arena_free(a);
    if (!st) *out = e;
    return st;
}
