/* job.c - jobs: their records, canonical bytes, roots and digest.
 *
 * What this file decides: which bytes say what a job is (docs/FORMATS.md, "The job"), and which
 * jobs are admitted.
 *
 * Invariants
 *   1. One meaning has one byte string. A value that says nothing new is left out when it is
 *      written (a slot that keeps its value, absent inputs at the end), and a decoder refuses
 *      bytes that are not what it would write.
 *   2. A decoder walks all lengths before it believes a content, so that bytes that are cut
 *      off or too long cost no memory.
 *   3. Nodes enter through ro_graph_node: a decoded job runs.
 *   4. A sealed job's steps, node counts and types are within the limits of verde.h; code that
 *      takes a sealed job need not check them again. */
#include "verde.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"

#define JOB_VERSION 1u
#define JOB_HEADER_BYTES 40u /* magic to the count of constants */
#define REFERENCE_BYTES 9u
#define RECORD_MIN_BYTES 8u /* shorter than any record: bounds counts by sizes */

static const char MAGIC[8] = {'V', 'E', 'R', 'D', 'E', 'J', 'O', 'B'};

enum { REF_NONE, REF_SLOT, REF_CONSTANT, REF_NODE };

/* ---- records ----------------------------------------------------------------------------- */

static void put_type(vd_out *o, const ro_type *t)
{
    vd_out_u32(o, (uint32_t)t->dtype);
    vd_out_u32(o, t->rank);
    for (uint32_t a = 0; a < t->rank; a++) vd_out_u64(o, (uint64_t)t->dims[a]);
}

static void put_reference(vd_out *o, const ro_graph *g, ro_value v)
{
    uint32_t kind = REF_NONE, index = 0, output = 0;
    if (v != RO_NO_VALUE) {
        const ro_value_info *i = &g->values[v];
        kind = i->kind == RO_V_SLOT ? REF_SLOT : i->kind == RO_V_CONSTANT ? REF_CONSTANT : REF_NODE;
        index = i->index;
        output = i->kind == RO_V_NODE ? i->output : 0;
    }
    vd_out_u8(o, (uint8_t)kind);
    vd_out_u32(o, index);
    vd_out_u32(o, output);
}

/* Absent optional inputs at the end say nothing. */
static uint32_t inputs_of(const ro_node *n)
{
    uint32_t count = n->inputs;
    while (count && n->in[count - 1] == RO_NO_VALUE) count--;
    return count;
}

size_t vd_node_record(const ro_graph *g, uint32_t node, uint8_t *out)
{
    const ro_node *n = &g->nodes[node];
    const ro_op_desc *d = &ro_ops[n->op];
    vd_out o = {out, 0};
    uint8_t attrs[RO_ATTR_BYTES_MAX];
    size_t name = strlen(d->name), size = ro_attrs_encode(n->op, n->attrs, attrs);
    uint32_t inputs = inputs_of(n);
    vd_out_u8(&o, (uint8_t)name);
    vd_out_bytes(&o, d->name, name);
    vd_out_u32(&o, d->version);
    vd_out_u32(&o, (uint32_t)size);
    vd_out_bytes(&o, attrs, size);
    vd_out_u32(&o, inputs);
    for (uint32_t k = 0; k < inputs; k++) put_reference(&o, g, n->in[k]);
    vd_out_u32(&o, n->outputs);
    for (uint32_t k = 0; k < n->outputs; k++) put_type(&o, &g->values[n->first_output + k].type);
    RO_ASSERT(o.n <= VD_NODE_RECORD_MAX);
    return o.n;
}

vd_digest vd_node_descriptor(const ro_graph *g, uint32_t node)
{
    uint8_t record[VD_NODE_RECORD_MAX];
    vd_digest d;
    size_t n = vd_node_record(g, node, record);
    vd_leaf_hash(VD_TREE_GRAPH, record, n, d.b);
    return d;
}

size_t vd_slot_record(const vd_slot *s, uint8_t *out)
{
    vd_out o = {out, 0};
    size_t name = strlen(s->name);
    vd_out_le(&o, name, 2);
    vd_out_bytes(&o, s->name, name);
    put_type(&o, &s->type);
    vd_out_bytes(&o, s->digest.b, VD_DIGEST);
    RO_ASSERT(o.n <= VD_SLOT_RECORD_MAX);
    return o.n;
}

ro_value vd_phase_next(const vd_phase *p, uint32_t slot)
{
    const ro_graph *g = p->graph;
    ro_value v = slot < g->slot_count ? g->next[slot] : RO_NO_VALUE;
    if (v == RO_NO_VALUE) return v;
    return g->values[v].kind == RO_V_SLOT && g->values[v].index == slot ? RO_NO_VALUE : v;
}

static void put_wiring(vd_out *o, const vd_job *j, uint32_t phase, int with_slot_count)
{
    const ro_graph *g = j->phases[phase].graph;
    if (with_slot_count) vd_out_u32(o, j->slot_count);
    for (uint32_t s = 0; s < j->slot_count; s++)
        put_reference(o, g, vd_phase_next(&j->phases[phase], s));
    vd_out_u32(o, g->output_count);
    for (uint32_t k = 0; k < g->output_count; k++) put_reference(o, g, g->outputs[k]);
}

size_t vd_phase_record(const vd_job *j, uint32_t phase, uint8_t *out)
{
    const vd_phase *p = &j->phases[phase];
    vd_out o = {out, 0};
    vd_out_u64(&o, p->steps);
    vd_out_u32(&o, p->graph->node_count);
    vd_out_bytes(&o, p->graph_root.b, VD_DIGEST);
    put_wiring(&o, j, phase, 1);
    return o.n;
}

static void put_counts(vd_out *o, const vd_job *j)
{
    vd_out_u32(o, JOB_VERSION);
    vd_out_u64(o, j->repeats);
    vd_out_u32(o, (uint32_t)j->record);
    vd_out_u32(o, j->segment);
    vd_out_u32(o, j->phase_count);
    vd_out_u32(o, j->slot_count);
    vd_out_u32(o, j->constant_count);
}

size_t vd_job_body(const vd_job *j, uint8_t *out)
{
    vd_out o = {out, 0};
    put_counts(&o, j);
    vd_out_bytes(&o, j->slots_root.b, VD_DIGEST);
    vd_out_bytes(&o, j->constants_root.b, VD_DIGEST);
    vd_out_bytes(&o, j->phases_root.b, VD_DIGEST);
    RO_ASSERT(o.n == VD_JOB_BODY_BYTES);
    return o.n;
}

/* ---- canonical bytes --------------------------------------------------------------------- */

static void put_job(vd_out *o, const vd_job *j)
{
    uint8_t record[VD_NODE_RECORD_MAX];
    vd_out_bytes(o, MAGIC, sizeof MAGIC);
    put_counts(o, j);
    for (uint32_t k = 0; k < j->slot_count + j->constant_count; k++) {
        const vd_slot *s = k < j->slot_count ? &j->slots[k] : &j->constants[k - j->slot_count];
        size_t n = vd_slot_record(s, record);
        vd_out_u32(o, (uint32_t)n);
        vd_out_bytes(o, record, n);
    }
    for (uint32_t p = 0; p < j->phase_count; p++) {
        const ro_graph *g = j->phases[p].graph;
        vd_out_u64(o, j->phases[p].steps);
        vd_out_u32(o, g->node_count);
        for (uint32_t i = 0; i < g->node_count; i++) {
            size_t n = vd_node_record(g, i, record);
            vd_out_u32(o, (uint32_t)n);
            vd_out_bytes(o, record, n);
        }
        put_wiring(o, j, p, 0);
    }
}

ro_status vd_job_encode(const vd_job *j, ro_arena *a, uint8_t **bytes, uint64_t *size, ro_err *err)
{
    vd_out o = {NULL, 0};
    put_job(&o, j);
    o.to = ro_arena_alloc(a, o.n);
    if (!o.to) return RO_FAIL(err, RO_ENOMEM, "no memory for the %zu bytes of a job", o.n);
    o.n = 0;
    put_job(&o, j);
    *bytes = o.to;
    *size = o.n;
    return RO_OK;
}

/* ---- admission --------------------------------------------------------------------------- */

/* Length of the UTF-8 character at p, 0 when it is not one or is a control character. */
static size_t character(const uint8_t *p, size_t left)
{
    uint32_t lead = p[0], code;
    size_t n = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (n == 1) return lead < 0x20 || lead == 0x7f ? 0 : 1;
    if (n == 0 || lead > 0xf4 || left < n) return 0;
    code = lead & (0xffu >> (n + 1));
    for (size_t k = 1; k < n; k++) {
        if ((p[k] & 0xc0) != 0x80) return 0;
        code = code << 6 | (p[k] & 0x3fu);
    }
    if (n == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) return 0;
    if (n == 4 && (code < 0x10000 || code > 0x10ffff)) return 0;
    return code < 0xa0 ? 0 : n;
}

/* Names are shown to people: no control characters, 1 to VD_NAME_MAX bytes of UTF-8. */
static ro_status check_name(const char *name, const char *what, uint32_t index, ro_err *err)
{
    size_t n = name ? strnlen(name, VD_NAME_MAX + 1) : 0;
    if (n == 0 || n > VD_NAME_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%s %u has a name of %s bytes; 1 to %u are allowed", what,
                       index, n ? "more than 255" : "0", VD_NAME_MAX);
    for (size_t at = 0, k; at < n; at += k) {
        k = character((const uint8_t *)name + at, n - at);
        if (k == 0)
            return RO_FAIL(err, RO_EFORMAT, "the name of %s %u is not printable UTF-8", what,
                           index);
    }
    return RO_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ro_status check_tensors(const vd_slot *list, uint32_t count, const char *what, ro_err *err)
{
    const char **names = ro_alloc((count ? count : 1) * sizeof *names);
    ro_status status = RO_OK;
    if (!names) return RO_FAIL(err, RO_ENOMEM, "no memory for %u names", count);
    for (uint32_t k = 0; k < count && !status; k++) {
        status = check_name(list[k].name, what, k, err);
        if (!status) status = ro_type_check(&list[k].type, err);
        names[k] = list[k].name;
    }
    if (!status) {
        qsort(names, count, sizeof *names, by_name);
        for (uint32_t k = 1; k < count && !status; k++)
            if (strcmp(names[k - 1], names[k]) == 0)
                status = RO_FAIL(err, RO_EFORMAT, "two %ss are called %s", what, names[k]);
    }
    ro_free(names);
    return status;
}

static ro_status check_step_slot(const vd_job *j, ro_err *err)
{
    ro_type t = ro_type_of(RO_I64, 0, NULL);
    vd_digest zero = vd_step_digest(0);
    if (strcmp(j->slots[0].name, "step") != 0 || !ro_type_equal(&j->slots[0].type, &t))
        return RO_FAIL(err, RO_EFORMAT, "slot 0 must be \"step\", an int64 scalar");
    if (!vd_digest_equal(&j->slots[0].digest, &zero))
        return RO_FAIL(err, RO_EFORMAT, "slot 0 (step) must be 0 at first");
    return RO_OK;
}

static ro_status check_counts(const vd_job *j, ro_err *err)
{
    if (j->repeats < 1 || j->repeats > VD_STEPS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has %llu repeats; 1 to %llu are allowed",
                       (unsigned long long)j->repeats, (unsigned long long)VD_STEPS_MAX);
    if (j->record != VD_RECORD_FULL && j->record != VD_RECORD_CHECKPOINT)
        return RO_FAIL(err, RO_EFORMAT, "recording level %u is neither 0 (full) nor 1 (checkpoint)",
                       (unsigned)j->record);
    if (j->record == VD_RECORD_FULL && j->segment != 0)
        return RO_FAIL(err, RO_EFORMAT, "a job recorded in full has K = %u; it must be 0",
                       j->segment);
    if (j->record == VD_RECORD_CHECKPOINT && (j->segment < 1 || j->segment > VD_SEGMENT_MAX))
        return RO_FAIL(err, RO_ELIMIT, "checkpoints every %u steps; 1 to %u are allowed",
                       j->segment, VD_SEGMENT_MAX);
    if (j->phase_count < 1 || j->phase_count > VD_PHASES_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has %u phases; 1 to %u are allowed", j->phase_count,
                       VD_PHASES_MAX);
    if (j->slot_count < 1 || j->slot_count > VD_SLOTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has %u slots; 1 to %u are allowed", j->slot_count,
                       VD_SLOTS_MAX);
    if (j->constant_count > VD_CONSTANTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has %u constants; at most %u are allowed",
                       j->constant_count, VD_CONSTANTS_MAX);
    return RO_OK;
}

static ro_status count_steps(vd_job *j, ro_err *err)
{
    uint64_t sum = 0, total, nodes = 0;
    for (uint32_t p = 0; p < j->phase_count; p++) {
        if (j->phases[p].steps < 1)
            return RO_FAIL(err, RO_ELIMIT, "phase %u has 0 steps; 1 or more are needed", p);
        if (!ro_add_size(sum, j->phases[p].steps, &sum)) sum = UINT64_MAX;
        nodes += j->phases[p].graph->node_count;
    }
    if (!ro_mul_size(sum, j->repeats, &total) || total > VD_STEPS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has more than %llu steps",
                       (unsigned long long)VD_STEPS_MAX);
    if (nodes > VD_NODES_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has %llu nodes; at most %u are allowed",
                       (unsigned long long)nodes, VD_NODES_MAX);
    j->steps = total;
    return RO_OK;
}

/* A graph's slots and constants are the job's, by number and by type. */
static ro_status check_phase(const vd_job *j, uint32_t phase, ro_err *err)
{
    const ro_graph *g = j->phases[phase].graph;
    for (uint32_t v = 0; v < g->value_count; v++) {
        const ro_value_info *i = &g->values[v];
        int slot = i->kind == RO_V_SLOT;
        char a[96], b[96];
        if (i->kind == RO_V_NODE) continue;
        if (i->index >= (slot ? j->slot_count : j->constant_count))
            return RO_FAIL(err, RO_EFORMAT, "phase %u uses %s %u of %u", phase,
                           slot ? "slot" : "constant", i->index,
                           slot ? j->slot_count : j->constant_count);
        const vd_slot *s = slot ? &j->slots[i->index] : &j->constants[i->index];
        if (!ro_type_equal(&s->type, &i->type))
            return RO_FAIL(err, RO_ESHAPE, "%s %s is %s and phase %u takes it for %s",
                           slot ? "slot" : "constant", s->name, ro_type_text(&s->type, a, sizeof a),
                           phase, ro_type_text(&i->type, b, sizeof b));
    }
    if (g->slot_count && vd_phase_next(&j->phases[phase], 0) != RO_NO_VALUE)
        return RO_FAIL(err, RO_EFORMAT, "phase %u writes slot 0 (step), which nothing may", phase);
    return RO_OK;
}

/* ---- roots ------------------------------------------------------------------------------- */

static vd_digest tensors_root(vd_tree_kind kind, const vd_slot *list, uint32_t count)
{
    uint8_t record[VD_SLOT_RECORD_MAX];
    vd_frontier f;
    vd_digest d;
    vd_frontier_init(&f, kind);
    for (uint32_t k = 0; k < count; k++) {
        size_t n = vd_slot_record(&list[k], record);
        vd_leaf_hash(kind, record, n, d.b);
        vd_frontier_append(&f, d.b);
    }
    vd_frontier_root(&f, d.b);
    return d;
}

static vd_digest graph_root(const ro_graph *g)
{
    vd_frontier f;
    vd_digest d;
    vd_frontier_init(&f, VD_TREE_GRAPH);
    for (uint32_t i = 0; i < g->node_count; i++) {
        d = vd_node_descriptor(g, i);
        vd_frontier_append(&f, d.b);
    }
    vd_frontier_root(&f, d.b);
    return d;
}

static ro_status phases_root(const vd_job *j, vd_digest *root, ro_err *err)
{
    vd_frontier f;
    vd_frontier_init(&f, VD_TREE_PHASES);
    for (uint32_t p = 0; p < j->phase_count; p++) {
        size_t n = vd_phase_record(j, p, NULL);
        uint8_t *record = ro_alloc(n), leaf[VD_DIGEST];
        if (!record) return RO_FAIL(err, RO_ENOMEM, "no memory for %zu bytes of a phase", n);
        vd_phase_record(j, p, record);
        vd_leaf_hash(VD_TREE_PHASES, record, n, leaf);
        vd_frontier_append(&f, leaf);
        ro_free(record);
    }
    vd_frontier_root(&f, root->b);
    return RO_OK;
}

/* Of every job that is admitted an element's evidence has room for its phases. */
static ro_status check_phases_bytes(const vd_job *j, ro_err *err)
{
    uint64_t bytes = 0;
    for (uint32_t p = 0; p < j->phase_count; p++) bytes += vd_phase_record(j, p, NULL);
    if (bytes > VD_PHASES_BYTES_MAX)
        return RO_FAIL(err, RO_ELIMIT,
                       "the records of %u phases, 9 bytes a slot, take %llu bytes; at most %llu "
                       "are allowed", j->phase_count, (unsigned long long)bytes,
                       (unsigned long long)VD_PHASES_BYTES_MAX);
    return RO_OK;
}

/* Online a dear element is explained or its side falls, so every part must fit into an answer. */
static ro_status check_parts(const ro_graph *g, uint32_t phase, uint32_t node, ro_err *err)
{
    const ro_node *n = &g->nodes[node];
    ro_type in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    const ro_reader r = {in, out, n->inputs, n->outputs, NULL, NULL, NULL};
    for (uint32_t k = 0; k < n->inputs; k++)
        in[k] = n->in[k] == RO_NO_VALUE ? (ro_type){0} : g->values[n->in[k]].type;
    for (uint32_t k = 0; k < n->outputs; k++) out[k] = g->values[n->first_output + k].type;
    for (uint32_t k = 0; k < n->outputs; k++) {
        uint64_t most = ro_part_needs_most(n->op, &r, n->attrs, k);
        if (most > VD_PARTS_MAX)
            return RO_FAIL(err, RO_ELIMIT,
                           "phase %u, node %u: an element of %s is explained by a part that needs "
                           "up to %llu others; at most %llu are allowed", phase, node,
                           ro_ops[n->op].name, (unsigned long long)most,
                           (unsigned long long)VD_PARTS_MAX);
    }
    return RO_OK;
}

static ro_status check_nodes(const vd_job *j, ro_err *err)
{
    for (uint32_t p = 0; p < j->phase_count; p++)
        for (uint32_t k = 0; k < j->phases[p].graph->node_count; k++)
            RO_TRY(check_parts(j->phases[p].graph, p, k, err));
    return RO_OK;
}

static ro_status first_state(vd_job *j, ro_err *err)
{
    vd_digest *all = ro_alloc(j->slot_count * sizeof *all);
    if (!all) return RO_FAIL(err, RO_ENOMEM, "no memory for %u digests", j->slot_count);
    for (uint32_t s = 0; s < j->slot_count; s++) all[s] = j->slots[s].digest;
    j->first_state = vd_state_root(all, j->slot_count);
    ro_free(all);
    return RO_OK;
}

ro_status vd_job_seal(vd_job *j, ro_err *err)
{
    uint8_t body[VD_JOB_BODY_BYTES];
    vd_out o = {NULL, 0};
    RO_TRY(check_counts(j, err));
    RO_TRY(count_steps(j, err));
    RO_TRY(check_tensors(j->slots, j->slot_count, "slot", err));
    RO_TRY(check_tensors(j->constants, j->constant_count, "constant", err));
    RO_TRY(check_step_slot(j, err));
    for (uint32_t p = 0; p < j->phase_count; p++) RO_TRY(check_phase(j, p, err));
    RO_TRY(check_phases_bytes(j, err));
    RO_TRY(check_nodes(j, err));
    put_job(&o, j);
    if (o.n > VD_JOB_BYTES_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has %zu bytes; at most %llu are allowed", o.n,
                       (unsigned long long)VD_JOB_BYTES_MAX);
    for (uint32_t p = 0; p < j->phase_count; p++)
        j->phases[p].graph_root = graph_root(j->phases[p].graph);
    j->slots_root = tensors_root(VD_TREE_SLOTS, j->slots, j->slot_count);
    j->constants_root = tensors_root(VD_TREE_CONSTANTS, j->constants, j->constant_count);
    RO_TRY(phases_root(j, &j->phases_root, err));
    RO_TRY(first_state(j, err));
    vd_job_body(j, body);
    vd_tagged_hash("verde/1 job", body, sizeof body, j->digest.b);
    return RO_OK;
}

vd_place vd_job_locate(const vd_job *j, uint64_t global_step)
{
    vd_place at = {0, 0, 0};
    uint64_t round = j->steps / j->repeats;
    RO_ASSERT(global_step < j->steps);
    at.repeat = global_step / round;
    at.step = global_step % round;
    while (at.step >= j->phases[at.phase].steps) at.step -= j->phases[at.phase++].steps;
    return at;
}

/* ---- decoding ---------------------------------------------------------------------------- */

typedef struct {
    vd_in in;
    vd_job *job;
    ro_arena *arena;
    ro_value *slots, *constants; /* the phase's value of each, RO_NO_VALUE: not declared yet */
    ro_err *err;
} decoder;

static ro_status cut_off(const vd_in *in, ro_err *err)
{
    return RO_FAIL(err, RO_EFORMAT, "a job is cut off at byte %llu", (unsigned long long)in->n);
}

/* Skip `count` records of which each says its length; at most `max` bytes each. */
static ro_status skip_records(vd_in *in, uint64_t count, uint32_t max, ro_err *err)
{
    if (count > vd_in_left(in) / RECORD_MIN_BYTES) return cut_off(in, err);
    for (uint64_t k = 0; k < count; k++) {
        uint32_t n = vd_in_u32(in);
        if (n > max)
            return RO_FAIL(err, RO_ELIMIT, "a record of a job has %u bytes; at most %u are allowed",
                           n, max);
        vd_in_bytes(in, n);
        if (in->bad) return cut_off(in, err);
    }
    return RO_OK;
}

/* Walk every length once: afterwards the bytes end where the job does. */
static ro_status scan(vd_in in, const vd_job *j, ro_err *err)
{
    uint64_t nodes = 0;
    RO_TRY(skip_records(&in, (uint64_t)j->slot_count + j->constant_count, VD_SLOT_RECORD_MAX, err));
    for (uint32_t p = 0; p < j->phase_count; p++) {
        vd_in_u64(&in);
        uint32_t n = vd_in_u32(&in);
        nodes += n;
        if (nodes > VD_NODES_MAX)
            return RO_FAIL(err, RO_ELIMIT, "a job has more than %u nodes", VD_NODES_MAX);
        RO_TRY(skip_records(&in, n, VD_NODE_RECORD_MAX, err));
        vd_in_bytes(&in, (uint64_t)REFERENCE_BYTES * j->slot_count);
        uint32_t outputs = vd_in_u32(&in);
        vd_in_bytes(&in, (uint64_t)REFERENCE_BYTES * outputs);
        if (in.bad) return cut_off(&in, err);
    }
    if (vd_in_left(&in))
        return RO_FAIL(err, RO_EFORMAT, "a job ends at byte %llu and %llu bytes follow",
                       (unsigned long long)in.at, (unsigned long long)vd_in_left(&in));
    return RO_OK;
}

static ro_status get_header(vd_in *in, vd_job *j, ro_err *err)
{
    const uint8_t *magic = vd_in_bytes(in, sizeof MAGIC);
    if (!magic || memcmp(magic, MAGIC, sizeof MAGIC) != 0)
        return RO_FAIL(err, RO_EFORMAT, "these bytes are not a job: they do not begin VERDEJOB");
    uint32_t version = vd_in_u32(in);
    if (!in->bad && version != JOB_VERSION)
        return RO_FAIL(err, RO_EFORMAT, "a job has format version %u; this program reads %u",
                       version, JOB_VERSION);
    j->repeats = vd_in_u64(in);
    uint32_t record = vd_in_u32(in);
    j->segment = vd_in_u32(in);
    j->phase_count = vd_in_u32(in);
    j->slot_count = vd_in_u32(in);
    j->constant_count = vd_in_u32(in);
    if (in->bad) return cut_off(in, err);
    if (record > VD_RECORD_CHECKPOINT)
        return RO_FAIL(err, RO_EFORMAT, "recording level %u is neither 0 (full) nor 1 (checkpoint)",
                       record);
    j->record = record == 0 ? VD_RECORD_FULL : VD_RECORD_CHECKPOINT;
    return check_counts(j, err);
}

static ro_status get_type(vd_in *in, ro_type *t, ro_err *err)
{
    memset(t, 0, sizeof *t);
    uint32_t dtype = vd_in_u32(in), rank = vd_in_u32(in);
    if (dtype >= RO_DTYPE_LIMIT)
        return RO_FAIL(err, RO_ETYPE, "%u is not the code of a dtype", dtype);
    if (rank > RO_RANK_MAX)
        return RO_FAIL(err, RO_ESHAPE, "a tensor has %u axes; at most %u are allowed", rank,
                       RO_RANK_MAX);
    t->dtype = (ro_dtype)dtype;
    t->rank = rank;
    for (uint32_t a = 0; a < rank; a++) t->dims[a] = (int64_t)vd_in_u64(in);
    return ro_type_check(t, err);
}

static ro_status broken(const char *what, uint32_t index, ro_err *err)
{
    return RO_FAIL(err, RO_EFORMAT, "the record of %s %u is not of its stated length", what, index);
}

/* The next record, as bytes of its own; scan has seen that it is there. */
static vd_in next_record(vd_in *in)
{
    uint32_t n = vd_in_u32(in);
    vd_in one = {vd_in_bytes(in, n), n, 0, 0};
    return one;
}

static ro_status get_tensors(decoder *d, vd_slot **list, uint32_t count, const char *what)
{
    vd_slot *all = ro_arena_alloc(d->arena, (count ? count : 1) * sizeof *all);
    if (!all) return RO_FAIL(d->err, RO_ENOMEM, "no memory for %u %ss", count, what);
    for (uint32_t k = 0; k < count; k++) {
        vd_in r = next_record(&d->in);
        uint64_t n = vd_in_le(&r, 2);
        const uint8_t *name = vd_in_bytes(&r, n);
        if (!name || memchr(name, 0, n)) return broken(what, k, d->err);
        all[k].name = ro_arena_string(d->arena, (const char *)name, n);
        if (!all[k].name) return RO_FAIL(d->err, RO_ENOMEM, "no memory for a name");
        RO_TRY(get_type(&r, &all[k].type, d->err));
        const uint8_t *digest = vd_in_bytes(&r, VD_DIGEST);
        if (!digest || vd_in_left(&r)) return broken(what, k, d->err);
        memcpy(all[k].digest.b, digest, VD_DIGEST);
    }
    *list = all;
    return RO_OK;
}

/* The value of slot or constant `index`, declared in the graph when it is first met. */
static ro_status declared(decoder *d, ro_graph *g, int slot, uint32_t index, ro_value *v)
{
    uint32_t count = slot ? d->job->slot_count : d->job->constant_count;
    if (index >= count)
        return RO_FAIL(d->err, RO_EFORMAT, "%s %u is read and the job has %u",
                       slot ? "slot" : "constant", index, count);
    ro_value *known = slot ? &d->slots[index] : &d->constants[index];
    if (*known == RO_NO_VALUE && slot)
        RO_TRY(ro_graph_slot(g, index, &d->job->slots[index].type, known, d->err));
    if (*known == RO_NO_VALUE)
        RO_TRY(ro_graph_constant(g, index, &d->job->constants[index].type, known, d->err));
    *v = *known;
    return RO_OK;
}

static ro_status get_reference(decoder *d, vd_in *in, ro_graph *g, ro_value *v)
{
    const uint8_t *b = vd_in_bytes(in, REFERENCE_BYTES);
    *v = RO_NO_VALUE;
    if (!b) return RO_FAIL(d->err, RO_EFORMAT, "a value reference is cut off");
    uint8_t kind = b[0];
    uint32_t index = vd_get_u32(b + 1), output = vd_get_u32(b + 5);
    if (kind > REF_NODE || (kind != REF_NODE && output) || (kind == REF_NONE && index))
        return RO_FAIL(d->err, RO_EFORMAT, "a value reference has kind %u, index %u, output %u",
                       kind, index, output);
    if (kind == REF_NONE) return RO_OK;
    if (kind != REF_NODE) return declared(d, g, kind == REF_SLOT, index, v);
    if (index >= g->node_count || output >= g->nodes[index].outputs)
        return RO_FAIL(d->err, RO_EFORMAT,
                       "output %u of node %u is read where %u nodes are before it", output, index,
                       g->node_count);
    *v = g->nodes[index].first_output + output;
    return RO_OK;
}

static ro_status get_operator(vd_in *r, ro_op *op, ro_err *err)
{
    char text[256] = {0};
    uint64_t n = vd_in_u8(r);
    const uint8_t *name = vd_in_bytes(r, n);
    uint32_t version = vd_in_u32(r);
    if (r->bad) return RO_FAIL(err, RO_EFORMAT, "its operator is cut off");
    for (uint64_t k = 0; k < n; k++) {
        int plain = (name[k] | 32) >= 'a' && (name[k] | 32) <= 'z';
        if (!plain && name[k] != '_' && (name[k] < '0' || name[k] > '9'))
            return RO_FAIL(err, RO_EFORMAT, "its operator's name has the byte 0x%02x", name[k]);
        text[k] = (char)name[k];
    }
    *op = ro_op_find(text, version);
    if (*op == RO_OP_COUNT)
        return RO_FAIL(err, RO_EOP, "this program has no operator %s of version %u", text, version);
    return RO_OK;
}

static ro_status get_node(decoder *d, vd_in *r, ro_graph *g)
{
    ro_op op = RO_OP_COUNT;
    ro_value in[RO_INPUTS_MAX], first;
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8]; /* attribute structs hold 64-bit numbers */
    RO_TRY(get_operator(r, &op, d->err));
    uint32_t size = vd_in_u32(r);
    const uint8_t *bytes = vd_in_bytes(r, size);
    uint32_t inputs = vd_in_u32(r);
    if (r->bad) return RO_FAIL(d->err, RO_EFORMAT, "its attributes are cut off");
    if (inputs > RO_INPUTS_MAX)
        return RO_FAIL(d->err, RO_ELIMIT, "it has %u inputs; at most %u are allowed", inputs,
                       RO_INPUTS_MAX);
    RO_TRY(ro_attrs_decode(op, bytes, size, attrs, d->err));
    for (uint32_t k = 0; k < inputs; k++) RO_TRY(get_reference(d, r, g, &in[k]));
    uint32_t outputs = vd_in_u32(r);
    if (r->bad) return RO_FAIL(d->err, RO_EFORMAT, "its outputs are cut off");
    RO_TRY(ro_graph_node(g, op, attrs, in, inputs, outputs, &first, d->err));
    for (uint32_t k = 0; k < outputs; k++) {
        ro_type t;
        char a[96], b[96];
        RO_TRY(get_type(r, &t, d->err));
        if (!r->bad && !ro_type_equal(&t, ro_graph_type(g, first + k)))
            return RO_FAIL(d->err, RO_ESHAPE, "its output %u is stated as %s and is %s", k,
                           ro_type_text(&t, a, sizeof a),
                           ro_type_text(ro_graph_type(g, first + k), b, sizeof b));
    }
    if (r->bad || vd_in_left(r))
        return RO_FAIL(d->err, RO_EFORMAT, "its record is not of its stated length");
    return RO_OK;
}

/* Say where a failure lies, once it is known what it is. */
static ro_status at_node(ro_status status, uint32_t phase, uint32_t node, ro_err *err)
{
    if (status && err) {
        char text[sizeof err->msg];
        memcpy(text, err->msg, sizeof text);
        snprintf(err->msg, sizeof err->msg, "node %u of phase %u: %.200s", node, phase, text);
    }
    return status;
}

static ro_status get_phase(decoder *d, uint32_t phase)
{
    vd_job *j = d->job;
    ro_graph *g;
    ro_value v;
    RO_TRY(ro_graph_new(d->arena, &g, d->err));
    for (uint32_t s = 0; s < j->slot_count; s++) d->slots[s] = RO_NO_VALUE;
    for (uint32_t c = 0; c < j->constant_count; c++) d->constants[c] = RO_NO_VALUE;
    j->phases[phase].steps = vd_in_u64(&d->in);
    j->phases[phase].graph = g;
    uint32_t nodes = vd_in_u32(&d->in);
    RO_TRY(ro_graph_reserve(g, nodes, nodes, d->err)); /* scan has seen that all are there */
    for (uint32_t i = 0; i < nodes; i++) {
        vd_in r = next_record(&d->in);
        RO_TRY(at_node(get_node(d, &r, g), phase, i, d->err));
    }
    for (uint32_t s = 0; s < j->slot_count; s++) {
        ro_value own;
        RO_TRY(get_reference(d, &d->in, g, &v));
        if (v == RO_NO_VALUE) continue;
        RO_TRY(declared(d, g, 1, s, &own));
        RO_TRY(ro_graph_set_next(g, s, v, d->err));
    }
    uint32_t outputs = vd_in_u32(&d->in);
    for (uint32_t k = 0; k < outputs; k++) {
        RO_TRY(get_reference(d, &d->in, g, &v));
        if (v == RO_NO_VALUE)
            return RO_FAIL(d->err, RO_EFORMAT, "output %u of phase %u is no value", k, phase);
        RO_TRY(ro_graph_add_output(g, v, d->err));
    }
    return RO_OK;
}

/* Invariant 1: what is written must be what was read. */
static ro_status compare(const vd_job *j, const uint8_t *bytes, uint64_t size, ro_err *err)
{
    vd_out o = {NULL, 0};
    put_job(&o, j);
    uint8_t *again = o.n == size ? ro_alloc(o.n) : NULL;
    if (o.n == size && !again)
        return RO_FAIL(err, RO_ENOMEM, "no memory for the %zu bytes of a job", o.n);
    int same = 0;
    if (again) {
        o = (vd_out){again, 0};
        put_job(&o, j);
        same = memcmp(again, bytes, o.n) == 0;
    }
    ro_free(again);
    if (!same) return RO_FAIL(err, RO_EFORMAT, "a job is not in its canonical form");
    return RO_OK;
}

ro_status vd_job_decode(const uint8_t *bytes, uint64_t size, ro_arena *arena, vd_job **out,
                        ro_err *err)
{
    decoder d = {{bytes, size, 0, 0}, NULL, arena, NULL, NULL, err};
    if (size > VD_JOB_BYTES_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a job has %llu bytes; at most %llu are allowed",
                       (unsigned long long)size, (unsigned long long)VD_JOB_BYTES_MAX);
    vd_job *j = d.job = ro_arena_alloc(arena, sizeof *j);
    if (!j) return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    j->arena = arena;
    RO_TRY(get_header(&d.in, j, err));
    RO_TRY(scan(d.in, j, err));
    j->phases = ro_arena_alloc(arena, j->phase_count * sizeof *j->phases);
    d.slots = ro_arena_alloc(arena, j->slot_count * sizeof *d.slots);
    d.constants = ro_arena_alloc(arena, (j->constant_count + 1) * sizeof *d.constants);
    if (!j->phases || !d.slots || !d.constants)
        return RO_FAIL(err, RO_ENOMEM, "no memory for the phases of a job");
    RO_TRY(get_tensors(&d, &j->slots, j->slot_count, "slot"));
    RO_TRY(get_tensors(&d, &j->constants, j->constant_count, "constant"));
    for (uint32_t p = 0; p < j->phase_count; p++) RO_TRY(get_phase(&d, p));
    RO_TRY(compare(j, bytes, size, err)); /* before it is sealed, which hashes all of it */
    RO_TRY(vd_job_seal(j, err));
    *out = j;
    return RO_OK;
}
