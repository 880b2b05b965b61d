/* evidence_write.c - the evidence of a verdict by element or partial: one file, written from a
 * game. docs/FORMATS.md, "Evidence", states every byte; evidence.c reads it.
 *
 * Invariants
 *   1. Nothing in the file says who is guilty.
 *   2. Sizes are counted by the code that writes. */
#include "game.h"

#include <string.h>

#include "../verde/bytes.h"

/* ---- writing: with `to` NULL everything is only counted --------------------------------- */

static void put_blob(vd_out *o, const void *bytes, size_t n)
{
    vd_out_u32(o, (uint32_t)n);
    vd_out_bytes(o, bytes, n);
}

static void put_path(vd_out *o, const uint8_t *path, uint32_t hashes)
{
    vd_out_u32(o, hashes);
    vd_out_bytes(o, path, hashes * (size_t)VD_DIGEST);
}

static void put_signer(vd_out *o, const rf_signer *s)
{
    vd_out_u8(o, s->is_signed ? 1 : 0);
    vd_out_bytes(o, s->backend, VD_BACKEND_BYTES);
    vd_out_bytes(o, s->key, sizeof s->key);
    vd_out_bytes(o, s->signature, sizeof s->signature);
}

/* What the writer goes by; leaf hashes of the job's record trees are made once. */
typedef struct {
    const rf_game *g;
    const rf_verdict *v;
    const rf_trail *t;
    const rf_signer *traces, *claims;
    const vd_trace_body *body[2];
    const ro_graph *graph;
    uint8_t *graph_leaves, *slot_leaves, *constant_leaves, *state_leaves, *record;
} writer;

static void put_proof(vd_out *o, vd_tree_kind kind, const uint8_t *leaves, uint64_t n, uint64_t i)
{
    uint8_t path[VD_PROOF_MAX * VD_DIGEST];
    uint32_t size = vd_proof_size(n, i);
    if (o->to) size = vd_proof_from_leaves(kind, leaves, n, i, path);
    else memset(path, 0, sizeof path);
    put_path(o, path, size);
}

static void put_node_record(const writer *w, vd_out *o, uint32_t node)
{
    put_blob(o, w->record, vd_node_record(w->graph, node, w->record));
    put_proof(o, VD_TREE_GRAPH, w->graph_leaves, w->graph->node_count, node);
}

static void put_input(const writer *w, vd_out *o, uint32_t k)
{
    const vd_job *j = w->g->job;
    const ro_value_info *i = &w->graph->values[w->graph->nodes[w->v->node].in[k]];
    if (i->kind == RO_V_SLOT) {
        put_blob(o, w->record, vd_slot_record(&j->slots[i->index], w->record));
        put_proof(o, VD_TREE_SLOTS, w->slot_leaves, j->slot_count, i->index);
        put_proof(o, VD_TREE_STATE, w->state_leaves, j->slot_count, i->index);
    } else if (i->kind == RO_V_CONSTANT) {
        put_blob(o, w->record, vd_slot_record(&j->constants[i->index], w->record));
        put_proof(o, VD_TREE_CONSTANTS, w->constant_leaves, j->constant_count, i->index);
    } else {
        put_node_record(w, o, i->index);
        put_blob(o, w->t->producer[k], w->t->producer_size[k]);
        put_path(o, w->t->producer_path[k], w->t->producer_path_size[k]);
    }
}

static void put_job(const writer *w, vd_out *o)
{
    const vd_job *j = w->g->job;
    uint8_t body[VD_JOB_BODY_BYTES];
    vd_job_body(j, body);
    vd_out_bytes(o, body, sizeof body);
    for (uint32_t p = 0; p < j->phase_count; p++) {
        uint32_t size = (uint32_t)vd_phase_record(j, p, NULL);
        vd_out_u32(o, size);
        if (o->to) vd_phase_record(j, p, o->to + o->n);
        o->n += size;
    }
}

static void put_roots(const writer *w, vd_out *o)
{
    for (int k = 0; k < 2; k++) {
        uint8_t body[VD_TRACE_BODY_BYTES];
        vd_trace_body_encode(w->body[k], body);
        vd_out_bytes(o, body, sizeof body);
        put_signer(o, &w->traces[k]);
    }
    for (int k = 0; k < 2 && w->t->claim[0] != RF_NONE; k++) {
        uint8_t body[VD_CLAIM_BODY_BYTES];
        vd_claim_body_encode(&w->g->claims[w->t->claim[k]].body, body);
        vd_out_bytes(o, body, sizeof body);
        put_signer(o, &w->claims[k]);
    }
}

/* Where the agreed state before the step is written down. */
static void put_before(const writer *w, vd_out *o)
{
    const rf_trail *t = w->t;
    int kind = t->steps.lo > 0      ? RF_BEFORE_STEP
               : t->segment_before ? RF_BEFORE_SEGMENT
                                   : RF_BEFORE_FIRST;
    int known = kind != RF_BEFORE_STEP || t->step_before != NULL;
    vd_out_u8(o, (uint8_t)(known ? kind : RF_BEFORE_FIRST));
    if (!known || kind == RF_BEFORE_FIRST) return;
    if (kind == RF_BEFORE_STEP) {
        vd_out_bytes(o, t->step_before, VD_STEP_LEAF_BYTES);
    } else {
        for (int k = 0; k < 2; k++) {
            vd_out_bytes(o, t->segments.hash[k].b, VD_DIGEST);
            put_path(o, t->segments.path[k], t->segments.path_size);
        }
        vd_out_bytes(o, t->segment_before, VD_SEGMENT_LEAF_BYTES);
    }
    put_path(o, t->before.path[0], t->before.path_size);
}

static void put_long(vd_out *o, const void *bytes, size_t n)
{
    vd_out_u64(o, n);
    vd_out_bytes(o, bytes, n);
}

static void put_method(const writer *w, vd_out *o)
{
    const rf_trail *t = w->t;
    if (w->v->method == RF_BY_ELEMENT) {
        vd_out_u32(o, 0);
        put_long(o, t->operands, t->operands_size);
        return;
    }
    vd_out_u32(o, 1);
    vd_out_u32(o, t->round_count);
    for (uint32_t k = 0; k < t->round_count; k++) {
        const rf_round *x = &t->rounds[k];
        put_long(o, x->operands, x->operands_size);
        for (int side = 0; side < 2; side++) put_long(o, x->answer[side], x->answer_size);
    }
    put_long(o, t->part.operands, t->part.operands_size);
}

static void put_trail(const writer *w, vd_out *o)
{
    const rf_trail *t = w->t;
    vd_out_u64(o, t->steps.lo);
    for (int k = 0; k < 2; k++) {
        vd_out_bytes(o, t->step_leaf[k], VD_STEP_LEAF_BYTES);
        put_path(o, t->steps.path[k], t->steps.path_size);
    }
    put_before(w, o);
    vd_out_u32(o, w->v->node);
    for (int k = 0; k < 2; k++) {
        put_blob(o, t->node_leaf[k], t->node_size);
        put_path(o, t->nodes.path[k], t->nodes.path_size);
    }
    put_node_record(w, o, w->v->node);
    for (uint32_t k = 0; k < w->graph->nodes[w->v->node].inputs; k++)
        if (w->graph->nodes[w->v->node].in[k] != RO_NO_VALUE) put_input(w, o, k);
    vd_out_u32(o, w->v->output);
    vd_out_u64(o, w->v->chunk);
    for (int k = 0; k < 2; k++) {
        put_blob(o, t->header[k], t->header_size);
        put_blob(o, t->chunk[k], t->chunk_size);
        put_path(o, t->chunks.path[k], t->chunks.path_size);
    }
    put_method(w, o);
}

static void put_all(const writer *w, vd_out *o)
{
    vd_out_bytes(o, RF_EVIDENCE_MAGIC, 8);
    vd_out_u32(o, RF_EVIDENCE_VERSION);
    vd_out_u32(o, w->t->claim[0] != RF_NONE);
    put_job(w, o);
    put_roots(w, o);
    put_trail(w, o);
}

static uint8_t *hash_slots(const writer *w, vd_tree_kind kind, const vd_slot *slots, uint32_t n,
                           ro_arena *a)
{
    uint8_t *leaves = ro_arena_alloc(a, ((size_t)n + 1) * VD_DIGEST);
    for (uint32_t k = 0; leaves && k < n; k++)
        vd_leaf_hash(kind, w->record, vd_slot_record(&slots[k], w->record), leaves + k * VD_DIGEST);
    return leaves;
}

static ro_status prepare(writer *w, ro_arena *a, ro_err *err)
{
    const vd_job *j = w->g->job;
    w->graph = j->phases[w->v->phase].graph;
    w->record = ro_arena_alloc(a, VD_NODE_RECORD_MAX);
    w->graph_leaves = ro_arena_alloc(a, (size_t)w->graph->node_count * VD_DIGEST);
    w->state_leaves = ro_arena_alloc(a, (size_t)j->slot_count * VD_DIGEST);
    if (w->record && w->graph_leaves && w->state_leaves) {
        w->slot_leaves = hash_slots(w, VD_TREE_SLOTS, j->slots, j->slot_count, a);
        w->constant_leaves = hash_slots(w, VD_TREE_CONSTANTS, j->constants, j->constant_count, a);
    }
    if (!w->slot_leaves || !w->constant_leaves)
        return RO_FAIL(err, RO_ENOMEM, "no memory to write evidence");
    for (uint32_t i = 0; i < w->graph->node_count; i++) {
        vd_digest d = vd_node_descriptor(w->graph, i);
        memcpy(w->graph_leaves + i * VD_DIGEST, d.b, VD_DIGEST);
    }
    if (w->t->state)
        vd_leaf_hashes(VD_TREE_STATE, w->t->state, VD_DIGEST, j->slot_count, w->state_leaves);
    return RO_OK;
}

int rf_evidence_sides(const rf_game *g, uint32_t sides[2], uint32_t claims[2])
{
    const rf_verdict *v = g->pair_count ? &g->pairs[g->pair_count - 1] : NULL;
    if (!g->finished || !v || v->kind != RF_OUTPUT ||
        (v->method != RF_BY_ELEMENT && v->method != RF_BY_PARTIAL))
        return 0;
    for (int k = 0; k < 2; k++) {
        sides[k] = v->sides[k];
        claims[k] = g->trail.claim[k];
    }
    return 1;
}

ro_status rf_evidence_write(rf_game *g, const rf_signer traces[2], const rf_signer claims[2],
                            uint8_t **bytes, size_t *size, ro_err *err)
{
    uint32_t sides[2], used[2], open_count;
    rf_question open[RF_OPEN_MAX];
    rf_verdict v;
    writer w;
    if (!rf_evidence_sides(g, sides, used))
        return RO_FAIL(err, RO_EUSAGE, "this verdict has no evidence file");
    if (rf_run_pass(g, g->last[0], g->last[1], &v, 1, open, &open_count, err) != RF_DECIDED)
        return err->code ? err->code : RO_FAIL(err, RO_ENOMEM, "no memory to write evidence");
    if (v.kind == RF_UNDECIDED)
        return RO_FAIL(err, RO_EDEVICE, "what was computed for the verdict cannot be any more");
    memset(&w, 0, sizeof w);
    w.g = g;
    w.v = &v;
    w.t = &g->trail;
    w.traces = traces;
    w.claims = claims;
    for (int k = 0; k < 2; k++) w.body[k] = &g->groups[g->last[k]].body;
    RO_TRY(prepare(&w, g->scratch, err));
    vd_out o = {NULL, 0};
    put_all(&w, &o);
    size_t total = o.n;
    if (total > RF_EVIDENCE_MAX)
        return RO_FAIL(err, RO_ELIMIT,
                       "nobody explained the element, and its inputs take %zu bytes; evidence "
                       "takes at most %llu", total, (unsigned long long)RF_EVIDENCE_MAX);
    o = (vd_out){ro_alloc(total), 0};
    if (!o.to) return RO_FAIL(err, RO_ENOMEM, "no memory to write evidence");
    put_all(&w, &o);
    RO_ASSERT(o.n == total);
    *bytes = o.to;
    *size = total;
    return RO_OK;
}
