/* cost.c - what a job costs: to run, and to judge where it is dearest.
 *
 * Invariants
 *   1. Every figure is computed from the graph; nothing that a client states is believed.
 *   2. Bounds saturate instead of wrapping, so no graph looks cheap by overflow. */
#include "verde.h"

#include <string.h>

static uint64_t mul(uint64_t a, uint64_t b)
{
    uint64_t r;
    return ro_mul_size(a, b, &r) ? r : UINT64_MAX;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t r;
    return ro_add_size(a, b, &r) ? r : UINT64_MAX;
}

static uint64_t at_most(uint64_t a, uint64_t limit) { return a < limit ? a : limit; }

/* Bytes of chunks that `reads` elements of an input touch at most, and of the proof they share. */
static void element_input(const ro_type *t, uint64_t reads, uint64_t *bytes, uint64_t *proofs)
{
    uint64_t all = ro_type_bytes(t), chunks = (all + VD_CHUNK_BYTES - 1) / VD_CHUNK_BYTES;
    uint64_t touched = at_most(reads, chunks), levels = 1;
    while (levels < 40 && touched << levels < chunks) levels++;
    *bytes = add(*bytes, at_most(mul(touched, VD_CHUNK_BYTES), all));
    *proofs = add(*proofs, mul(touched, (levels + 1) * VD_DIGEST));
}

/* A dear element that explains itself is judged by one part of it (docs/EVIDENCE.md). */
#define WHOLE_BYTES (UINT64_C(1) << 20)
#define EXPLANATION_BYTES (UINT64_C(8) * 4096 * 2 * 3) /* both sides, three rounds of a list */

static uint64_t evidence_bytes(const ro_node *n, const ro_type *in, const ro_type *out,
                               uint64_t bytes, uint64_t proofs)
{
    const ro_op_desc *d = &ro_ops[n->op];
    const ro_reader r = {.in = in, .inputs = n->inputs};
    uint64_t rest = 2 * VD_CHUNK_BYTES + 65536;
    if (bytes <= WHOLE_BYTES || !ro_explain_of(n->op, &r)) return add(add(bytes, proofs), rest);
    bytes = proofs = 0;
    for (uint32_t i = 0; i < n->inputs; i++) {
        uint64_t most = RO_PART_READS;
        if (in[i].dtype == RO_NONE) continue;
        if (n->op == RO_OP_SoftmaxCrossEntropyLoss || n->op == RO_OP_SoftmaxCrossEntropyLossGrad)
            most += (uint64_t)in[n->op == RO_OP_SoftmaxCrossEntropyLossGrad].dims[1];
        element_input(&in[i], at_most(most, d->reads(n->attrs, in, n->inputs, out, i)), &bytes,
                      &proofs);
    }
    return add(add(bytes, proofs), rest + EXPLANATION_BYTES);
}

/* RO_NONE where an input is absent. */
static void input_types(const ro_graph *g, const ro_node *n, ro_type in[RO_INPUTS_MAX])
{
    memset(in, 0, RO_INPUTS_MAX * sizeof *in);
    for (uint32_t k = 0; k < n->inputs; k++)
        if (n->in[k] != RO_NO_VALUE) in[k] = g->values[n->in[k]].type;
}

static void node_cost(const ro_graph *g, uint32_t node, uint64_t steps, uint32_t phase, vd_cost *c)
{
    const ro_node *n = &g->nodes[node];
    const ro_op_desc *d = &ro_ops[n->op];
    ro_type in[RO_INPUTS_MAX];
    input_types(g, n, in);
    for (uint32_t k = 0; k < n->outputs; k++) {
        const ro_type *out = &g->values[n->first_output + k].type;
        uint64_t flops = d->flops(n->attrs, in, n->inputs, out), bytes = 0, proofs = 0;
        uint64_t shared = d->shared ? d->shared(n->attrs, in, n->inputs, out) : 1;
        uint64_t share = shared > 1 ? flops / shared : flops;
        c->flops = add(c->flops, mul(mul(share, ro_type_elements(out)), steps));
        for (uint32_t i = 0; i < n->inputs; i++)
            if (in[i].dtype != RO_NONE)
                element_input(&in[i], d->reads(n->attrs, in, n->inputs, out, i), &bytes, &proofs);
        /* The dearest is the one with the most to send; equal ones by operations. */
        if (bytes > c->element_bytes || (bytes == c->element_bytes && flops > c->element_flops)) {
            c->phase = phase;
            c->node = node;
            c->element_bytes = bytes;
            c->evidence_bytes = evidence_bytes(n, in, out, bytes, proofs);
        }
        if (flops > c->element_flops) c->element_flops = flops;
    }
}

uint64_t vd_body_flops(const ro_graph *g, const ro_node *n)
{
    uint64_t sum = 0;
    ro_type in[RO_INPUTS_MAX];
    input_types(g, n, in);
    for (uint32_t k = 0; k < n->outputs; k++) {
        const ro_type *out = &g->values[n->first_output + k].type;
        uint64_t flops = ro_ops[n->op].flops(n->attrs, in, n->inputs, out);
        sum = add(sum, mul(add(flops, 1), ro_type_elements(out)));
    }
    return sum;
}

uint64_t vd_steps_body_flops(const vd_job *j, uint64_t steps)
{
    uint64_t most = 0;
    for (uint32_t p = 0; p < j->phase_count; p++) {
        const ro_graph *g = j->phases[p].graph;
        uint64_t sum = 0;
        for (uint32_t k = 0; k < g->node_count; k++)
            sum = add(sum, vd_body_flops(g, &g->nodes[k]));
        if (sum > most) most = sum;
    }
    return mul(most, steps);
}

ro_status vd_job_cost(const vd_job *j, vd_cost *c, ro_err *err)
{
    memset(c, 0, sizeof *c);
    for (uint32_t s = 0; s < j->slot_count; s++)
        c->state_bytes = add(c->state_bytes, ro_type_bytes(&j->slots[s].type));
    for (uint32_t k = 0; k < j->constant_count; k++)
        c->constant_bytes = add(c->constant_bytes, ro_type_bytes(&j->constants[k].type));
    for (uint32_t p = 0; p < j->phase_count; p++) {
        const ro_graph *g = j->phases[p].graph;
        uint64_t bytes;
        RO_TRY(ro_plan_bytes(g, 0, 0, &bytes, err));
        bytes = add(add(bytes, c->state_bytes), c->constant_bytes);
        if (bytes > c->peak_bytes) c->peak_bytes = bytes;
        for (uint32_t i = 0; i < g->node_count; i++)
            node_cost(g, i, mul(j->phases[p].steps, j->repeats), p, c);
    }
    return RO_OK;
}

ro_status vd_job_admit(const vd_job *j, const vd_cost *c, uint64_t bytes, uint64_t flops,
                       ro_err *err)
{
    const ro_graph *g = j->phases[c->phase].graph;
    const char *op = g->node_count ? ro_ops[g->nodes[c->node].op].name : "none";
    if (c->element_bytes > bytes)
        return RO_FAIL(err, RO_ELIMIT,
                       "one element of node %u (%s) reads up to %llu bytes; a dispute may cost "
                       "%llu "
                       "(--max-dispute raises it)",
                       c->node, op, (unsigned long long)c->element_bytes,
                       (unsigned long long)bytes);
    if (c->element_flops > flops)
        return RO_FAIL(err, RO_ELIMIT,
                       "one element of a node takes up to %llu operations; a dispute may cost %llu "
                       "(--max-dispute raises it)",
                       (unsigned long long)c->element_flops, (unsigned long long)flops);
    return RO_OK;
}
