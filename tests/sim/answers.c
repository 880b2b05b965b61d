/* answers.c - what a party says to a question, and what the host computes, from memory.
 *
 * Invariants
 *   1. A party answers from its own trace; tensors come from whatever store it has.
 *   2. Nothing here knows who is right. */
#include "jobs.h"

/* ---- trees and records ------------------------------------------------------------------- */

typedef struct { const sim_trace *t; uint64_t first, steps; } told_steps;

/* The steps that the question's tree of steps covers: a trace's, or a segment claim's. */
static int steps_of(const sim_files *f, const rf_question *q, told_steps *s)
{
    const vd_job *j = f->trace->base->job;
    s->t = f->trace;
    s->first = 0;
    s->steps = j->steps;
    if (q->claim == RF_NONE) return 1;
    if (q->claim >= f->claim_count || !f->claims[q->claim]) return 0;
    s->t = f->claims[q->claim];
    if (q->step >= j->steps || !j->segment) return 0;
    vd_job_segment(j, q->step / j->segment, &s->first, &s->steps);
    return 1;
}

static size_t copy(uint8_t *out, const void *bytes, size_t n)
{
    memcpy(out, bytes, n);
    return n;
}

static size_t say_hashes(const sim_files *f, const told_steps *s, const rf_question *q,
                         uint8_t *out)
{
    const vd_job *j = f->trace->base->job;
    const uint8_t *leaves = NULL;
    uint64_t n = 0;
    if (q->tree == VD_TREE_STEPS) leaves = s->t->step_hash + s->first * VD_DIGEST, n = s->steps;
    if (q->tree == VD_TREE_OUTPUTS) leaves = s->t->output_hash, n = j->steps;
    if (q->tree == VD_TREE_SEGMENTS) leaves = s->t->segment_hash, n = vd_job_segments(j);
    if (q->tree == VD_TREE_NODES && q->step < j->steps) {
        leaves = s->t->step[q->step].node_hash;
        n = j->phases[vd_job_locate(j, q->step).phase].graph->node_count;
    }
    if (q->tree == VD_TREE_CHUNKS) {
        const sim_tensor *x = sim_find(f->store, &q->tensor);
        if (!x) return 0;
        leaves = x->tree;
        n = vd_tensor_chunks(&x->type);
    }
    if (!leaves || !vd_range_is_node(n, q->lo, q->hi)) return 0;
    return VD_DIGEST *
           (size_t)vd_descend_from_leaves(q->tree, leaves, n, q->lo, q->hi, q->depth, out);
}

static size_t say_leaf(const sim_files *f, const told_steps *s, const rf_question *q, uint8_t *out)
{
    const vd_job *j = f->trace->base->job;
    const sim_leaf *l = NULL;
    if (q->tree == VD_TREE_STEPS && q->lo < s->steps) l = &s->t->step[s->first + q->lo].leaf;
    if (q->tree == VD_TREE_SEGMENTS && q->lo < vd_job_segments(j)) l = &s->t->segment[q->lo];
    if (q->tree == VD_TREE_NODES && q->step < j->steps &&
        q->lo < j->phases[vd_job_locate(j, q->step).phase].graph->node_count)
        l = &s->t->step[q->step].nodes[q->lo];
    if (q->tree == VD_TREE_CHUNKS) {
        const sim_tensor *x = sim_find(f->store, &q->tensor);
        size_t n = x ? vd_tensor_chunk_bytes(&x->type, q->lo) : 0;
        return n ? copy(out, x->bytes + q->lo * VD_CHUNK_BYTES, n) : 0;
    }
    return l ? copy(out, l->bytes, l->size) : 0;
}

static size_t say_state(const sim_trace *t, const rf_question *q, uint8_t *out)
{
    const vd_job *j = t->base->job;
    if (q->step > j->steps) return 0;
    const vd_digest *d = q->step == j->steps ? t->state_end : t->step[q->step].state;
    return copy(out, d, j->slot_count * sizeof *d);
}

static size_t say_steps(const sim_files *f, const told_steps *s, const rf_question *q,
                        uint8_t *out)
{
    size_t n = 0;
    if (q->kind == RF_Q_STEP_LEAVES)
        for (uint64_t k = 0; k < s->steps; k++)
            n += copy(out + n, s->t->step[s->first + k].leaf.bytes,
                      s->t->step[s->first + k].leaf.size);
    else
        for (uint64_t k = q->lo; k < q->hi && k < f->trace->base->job->steps; k++)
            n += copy(out + n, f->trace->step[k].outputs.b, VD_DIGEST);
    return n;
}

/* ---- tensors ----------------------------------------------------------------------------- */

typedef struct { const sim_store *store; uint8_t path[VD_PROOF_MAX * VD_DIGEST]; } source;

static int chunk_of(void *ctx, const vd_digest *d, const ro_type *type, uint64_t index,
                    const uint8_t **bytes, size_t *size, const uint8_t **path, uint32_t *path_size)
{
    source *s = ctx;
    const sim_tensor *x = sim_find(s->store, d);
    if (!x || !ro_type_equal(&x->type, type)) return 0;
    *bytes = x->bytes + index * VD_CHUNK_BYTES;
    *size = vd_tensor_chunk_bytes(type, index);
    *path_size = vd_proof_from_tree(x->tree, vd_tensor_chunks(type), index, s->path);
    *path = s->path;
    return 1;
}

/* The node that a question of operands or parts is about, as this trace tells it. */
static int subject_of(const sim_trace *t, const rf_question *q, rf_node *n)
{
    const vd_job *j = t->base->job;
    vd_node_leaf l;
    ro_err err = {RO_OK, {0}};
    if (q->step >= j->steps) return 0;
    vd_place at = vd_job_locate(j, q->step);
    if (q->node >= j->phases[at.phase].graph->node_count) return 0;
    const sim_leaf *leaf = &t->step[q->step].nodes[q->node];
    if (vd_node_leaf_decode(leaf->bytes, leaf->size, &l, &err)) return 0;
    rf_node_init(n, j, at.phase, q->node, l.in);
    return 1;
}

static size_t keep(uint8_t *answer, size_t size, uint8_t *out)
{
    size_t n = size <= SIM_ANSWER_MAX ? copy(out, answer, size) : 0;
    ro_free(answer);
    return n;
}

static size_t say_operands(const sim_files *f, const rf_question *q, uint8_t *out)
{
    source s = {f->store, {0}};
    rf_chunk_source from = {chunk_of, &s};
    rf_node n;
    uint8_t *answer;
    size_t size;
    ro_err err = {RO_OK, {0}};
    const sim_trace *t = q->claim != RF_NONE && q->claim < f->claim_count && f->claims[q->claim]
                             ? f->claims[q->claim] : f->trace;
    if (!f->game || !subject_of(t, q, &n)) return 0;
    const rf_node *now = rf_game_subject(f->game); /* a notice may come when the game is further */
    for (uint32_t k = 0; now->node == n.node && k < n.inputs; k++)
        if (!vd_digest_equal(&now->digest[k], &n.digest[k])) return 0;
    if (now->node != n.node ||
        rf_operands_write(f->game, q, &from, &answer, &size, &err))
        return 0;
    return keep(answer, size, out);
}

static size_t say_parts(const sim_files *f, const rf_question *q, uint8_t *out)
{
    const sim_trace *t = f->trace;
    rf_node n;
    uint8_t *answer;
    size_t size;
    ro_err err = {RO_OK, {0}};
    if (q->claim != RF_NONE && q->claim < f->claim_count && f->claims[q->claim])
        t = f->claims[q->claim];
    if (!subject_of(t, q, &n)) return 0;
    const sim_job *j = t->base;
    if (!j->dear || q->node != j->subject || q->element != 0 || q->output != 0) return 0;
    if (f->explains) t = f->explains;
    int own = t->parts && (t->part_step == q->step || t->part_step == SIM_EVERY_STEP);
    if (rf_parts_write(&n, q, own ? t->parts : j->parts, j->part_count, &answer, &size, &err))
        return 0;
    return keep(answer, size, out);
}

size_t sim_answer(const sim_files *f, const rf_question *q, uint8_t *out)
{
    told_steps s;
    const sim_tensor *x;
    if (!steps_of(f, q, &s)) return 0;
    switch (q->kind) {
    case RF_Q_HASHES: return say_hashes(f, &s, q, out);
    case RF_Q_LEAF: return say_leaf(f, &s, q, out);
    case RF_Q_STATE: return say_state(q->claim == RF_NONE ? f->trace : s.t, q, out);
    case RF_Q_OUTPUTS:
    case RF_Q_STEP_LEAVES: return say_steps(f, &s, q, out);
    case RF_Q_HEADER:
        x = sim_find(f->store, &q->tensor);
        return x ? copy(out, x->header, x->header_size) : 0;
    case RF_Q_OPERANDS: return say_operands(f, q, out);
    case RF_Q_PARTS: return say_parts(f, q, out);
    default: return 0;
    }
}

/* ---- the host ---------------------------------------------------------------------------- */

static int whole_inputs(const sim_store *store, const rf_node *n, const void **data)
{
    for (uint32_t k = 0; k < n->inputs; k++) {
        data[k] = NULL;
        if (n->in[k].dtype == RO_NONE) continue;
        const sim_tensor *x = sim_find(store, &n->digest[k]);
        if (!x || !ro_type_equal(&x->type, &n->in[k])) return 0;
        data[k] = x->data;
    }
    return 1;
}

/* The digests of a node's outputs, or the kernel's bits of one element. Where the node's inputs
 * are the honest run's, so are its outputs; else it is run by a backend. */
static size_t host_operator(const sim_job *j, const sim_store *store, const rf_node *n,
                            const rf_question *q, uint8_t *out)
{
    const void *data[RO_INPUTS_MAX];
    vd_digest digests[RO_OUTPUTS_MAX];
    uint64_t bits = 0;
    ro_err err = {RO_OK, {0}};
    int kernel = q->kind == RF_Q_KERNEL, same = 1;
    const sim_step *st = &j->truth->step[q->step];
    for (uint32_t k = 0; k < n->inputs; k++)
        if (n->node->in[k] != RO_NO_VALUE)
            same = same && vd_digest_equal(&n->digest[k], &st->values[n->node->in[k]]->digest);
    if (same) {
        for (uint32_t k = 0; k < n->outputs; k++)
            digests[k] = st->values[n->node->first_output + k]->digest;
        const sim_tensor *y = st->values[n->node->first_output + (kernel ? q->output : 0)];
        if (kernel) bits = ro_load(y->type.dtype, y->data, q->element);
    } else {
        if (!whole_inputs(store, n, data)) return 0;
        /* No value makes an operator fail: V-014. */
        must(rf_run_operator(n, ro_cpu(), NULL, data, kernel ? NULL : digests, q->output,
                                 q->element, kernel ? &bits : NULL, &err), &err);
    }
    if (!kernel) {
        size_t size = copy(out, digests, n->outputs * sizeof *digests);
        out[size] = 0; /* by one implementation */
        return size + 1;
    }
    vd_put_le(out, bits, 8);
    out[8] = RF_RAN_TWICE;
    return RF_KERNEL_BYTES;
}

/* Running the steps again gives what the honest run says, whatever was claimed before them. */
static size_t host_rerun(const sim_job *j, const rf_question *q, uint8_t *out)
{
    const sim_trace *t = j->truth;
    uint64_t first, end;
    rf_range_steps(j->job, q->tree, q->lo, q->hi, &first, &end);
    const uint8_t *leaves = q->tree == VD_TREE_STEPS    ? t->step_hash
                            : q->tree == VD_TREE_OUTPUTS ? t->output_hash : t->segment_hash;
    const vd_digest *after = end == j->job->steps ? t->state_end : t->step[end].state;
    vd_digest before = vd_state_root(t->step[first].state, j->job->slot_count);
    vd_digest state = vd_state_root(after, j->job->slot_count);
    vd_tree_root(q->tree, leaves + q->lo * VD_DIGEST, q->hi - q->lo, out);
    memcpy(out + VD_DIGEST, state.b, VD_DIGEST);
    int landed = !q->has_state || vd_digest_equal(&before, &q->state);
    out[2 * VD_DIGEST] = landed ? RF_RAN_LANDED : 0;
    return 2 * VD_DIGEST + 1;
}

size_t sim_host(const sim_job *j, const sim_store *store, const rf_node *subject,
                const rf_question *q, uint8_t *out)
{
    if (q->kind == RF_Q_RERUN) return host_rerun(j, q, out);
    return host_operator(j, store, subject, q, out);
}
