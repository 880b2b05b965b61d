/* trace.c - the records of a run as bytes, where they lie in a file, reading and verifying one.
 *
 * What this file decides: the bytes of leaves, bodies and trace files (docs/FORMATS.md).
 *
 * Invariants
 *   1. A header is a function of the job, the kind of file and the segment: a reader makes the
 *      header that must be there and compares.
 *   2. Every offset comes from a vd_layout, whose sums were checked and whose total is the size
 *      of the file: no access can leave it.
 *   3. Opening reads the header, the job and the trailer; a lookup the windows it answers from.
 *   4. What vd_trace_verify finds good hangs together as it was read, once: the body's roots are
 *      made of the records' own hashes, not of trees that are read later, when the file may have
 *      changed.
 *   5. A file that cannot be read, or no longer, is an error that vd_trace_status keeps; what is
 *      looked up in it is zeros then. */
#include "trace.h"

#include <string.h>

#include "bytes.h"
#include "files.h"

#define TRACE_VERSION 1u
#define FILE_SIZE_AT 80u
#define LARGEST_FILE ((uint64_t)INT64_MAX)

static const char MAGIC[8] = {'V', 'E', 'R', 'D', 'E', 'T', 'R', 'C'};

/* ---- leaves ------------------------------------------------------------------------------ */

size_t vd_step_leaf_encode(const vd_step_leaf *l, uint8_t out[VD_STEP_LEAF_BYTES])
{
    vd_out o = {out, 0};
    vd_out_u64(&o, l->repeat);
    vd_out_u32(&o, l->phase);
    vd_out_u64(&o, l->step);
    vd_out_u64(&o, l->global);
    vd_out_bytes(&o, l->state.b, VD_DIGEST);
    vd_out_bytes(&o, l->outputs.b, VD_DIGEST);
    vd_out_bytes(&o, l->nodes.b, VD_DIGEST);
    RO_ASSERT(o.n == VD_STEP_LEAF_BYTES);
    return o.n;
}

static vd_digest in_digest(vd_in *i)
{
    vd_digest d;
    const uint8_t *p = vd_in_bytes(i, VD_DIGEST);
    memset(&d, 0, sizeof d);
    if (p) memcpy(d.b, p, VD_DIGEST);
    return d;
}

void vd_step_leaf_decode(const uint8_t in[VD_STEP_LEAF_BYTES], vd_step_leaf *l)
{
    vd_in i = {in, VD_STEP_LEAF_BYTES, 0, 0};
    l->repeat = vd_in_u64(&i);
    l->phase = vd_in_u32(&i);
    l->step = vd_in_u64(&i);
    l->global = vd_in_u64(&i);
    l->state = in_digest(&i);
    l->outputs = in_digest(&i);
    l->nodes = in_digest(&i);
}

size_t vd_segment_leaf_encode(const vd_segment_leaf *l, uint8_t out[VD_SEGMENT_LEAF_BYTES])
{
    vd_out o = {out, 0};
    vd_out_u64(&o, l->index);
    vd_out_u64(&o, l->first);
    vd_out_u64(&o, l->count);
    vd_out_bytes(&o, l->state.b, VD_DIGEST);
    vd_out_bytes(&o, l->outputs.b, VD_DIGEST);
    RO_ASSERT(o.n == VD_SEGMENT_LEAF_BYTES);
    return o.n;
}

void vd_segment_leaf_decode(const uint8_t in[VD_SEGMENT_LEAF_BYTES], vd_segment_leaf *l)
{
    vd_in i = {in, VD_SEGMENT_LEAF_BYTES, 0, 0};
    l->index = vd_in_u64(&i);
    l->first = vd_in_u64(&i);
    l->count = vd_in_u64(&i);
    l->state = in_digest(&i);
    l->outputs = in_digest(&i);
}

uint32_t vd_node_inputs(const ro_node *n)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < n->inputs; k++) count += n->in[k] != RO_NO_VALUE;
    return count;
}

size_t vd_node_leaf_size(const ro_graph *g, uint32_t node)
{
    const ro_node *n = &g->nodes[node];
    return VD_NODE_LEAF_BYTES(vd_node_inputs(n), n->outputs);
}

size_t vd_node_leaf_encode(const vd_node_leaf *l, uint8_t *out)
{
    vd_out o = {out, 0};
    vd_out_u64(&o, l->global);
    vd_out_u32(&o, l->node);
    vd_out_bytes(&o, l->descriptor.b, VD_DIGEST);
    vd_out_u32(&o, l->inputs);
    vd_out_bytes(&o, l->in, (size_t)l->inputs * VD_DIGEST);
    vd_out_u32(&o, l->outputs);
    vd_out_bytes(&o, l->out, (size_t)l->outputs * VD_DIGEST);
    return o.n;
}

ro_status vd_node_leaf_decode(const uint8_t *bytes, size_t size, vd_node_leaf *l, ro_err *err)
{
    vd_in i = {bytes, size, 0, 0};
    l->global = vd_in_u64(&i);
    l->node = vd_in_u32(&i);
    l->descriptor = in_digest(&i);
    l->inputs = vd_in_u32(&i);
    l->in = (const vd_digest *)vd_in_bytes(&i, (uint64_t)l->inputs * VD_DIGEST);
    l->outputs = vd_in_u32(&i);
    l->out = (const vd_digest *)vd_in_bytes(&i, (uint64_t)l->outputs * VD_DIGEST);
    if (i.bad || vd_in_left(&i))
        return RO_FAIL(err, RO_EFORMAT, "a node leaf of %zu bytes does not fit its counts", size);
    return RO_OK;
}

/* ---- bodies and what is signed ----------------------------------------------------------- */

size_t vd_trace_body_encode(const vd_trace_body *b, uint8_t out[VD_TRACE_BODY_BYTES])
{
    vd_out o = {out, 0};
    vd_out_u32(&o, TRACE_VERSION);
    vd_out_u32(&o, (uint32_t)b->record);
    vd_out_u32(&o, b->segment);
    vd_out_u32(&o, 0);
    vd_out_bytes(&o, b->job.b, VD_DIGEST);
    vd_out_u64(&o, b->steps);
    vd_out_u64(&o, b->node_count);
    vd_out_bytes(&o, b->first_state.b, VD_DIGEST);
    vd_out_bytes(&o, b->last_state.b, VD_DIGEST);
    vd_out_bytes(&o, b->outputs.b, VD_DIGEST);
    vd_out_bytes(&o, b->tree.b, VD_DIGEST);
    RO_ASSERT(o.n == VD_TRACE_BODY_BYTES);
    return o.n;
}

static ro_status check_version(uint32_t version, const char *what, ro_err *err)
{
    if (version == TRACE_VERSION) return RO_OK;
    return RO_FAIL(err, RO_EFORMAT, "%s has format version %u; this program reads %u", what,
                   version, TRACE_VERSION);
}

ro_status vd_trace_body_decode(const uint8_t in[VD_TRACE_BODY_BYTES], vd_trace_body *b, ro_err *err)
{
    vd_in i = {in, VD_TRACE_BODY_BYTES, 0, 0};
    RO_TRY(check_version(vd_in_u32(&i), "a trace body", err));
    uint32_t record = vd_in_u32(&i);
    b->segment = vd_in_u32(&i);
    uint32_t reserved = vd_in_u32(&i);
    b->job = in_digest(&i);
    b->steps = vd_in_u64(&i);
    b->node_count = vd_in_u64(&i);
    b->first_state = in_digest(&i);
    b->last_state = in_digest(&i);
    b->outputs = in_digest(&i);
    b->tree = in_digest(&i);
    if (record > VD_RECORD_CHECKPOINT || reserved)
        return RO_FAIL(err, RO_EFORMAT, "a trace body has level %u and reserved number %u", record,
                       reserved);
    b->record = record == 0 ? VD_RECORD_FULL : VD_RECORD_CHECKPOINT;
    return RO_OK;
}

vd_digest vd_trace_root(const vd_trace_body *b)
{
    uint8_t bytes[VD_TRACE_BODY_BYTES];
    vd_digest root;
    vd_trace_body_encode(b, bytes);
    vd_tagged_hash("verde/1 trace", bytes, sizeof bytes, root.b);
    return root;
}

size_t vd_claim_body_encode(const vd_claim_body *b, uint8_t out[VD_CLAIM_BODY_BYTES])
{
    vd_out o = {out, 0};
    vd_out_u32(&o, TRACE_VERSION);
    vd_out_u32(&o, 0);
    vd_out_bytes(&o, b->job.b, VD_DIGEST);
    vd_out_bytes(&o, b->trace.b, VD_DIGEST);
    vd_out_u64(&o, b->segment);
    vd_out_u64(&o, b->steps);
    vd_out_bytes(&o, b->tree.b, VD_DIGEST);
    RO_ASSERT(o.n == VD_CLAIM_BODY_BYTES);
    return o.n;
}

ro_status vd_claim_body_decode(const uint8_t in[VD_CLAIM_BODY_BYTES], vd_claim_body *b, ro_err *err)
{
    vd_in i = {in, VD_CLAIM_BODY_BYTES, 0, 0};
    RO_TRY(check_version(vd_in_u32(&i), "a segment claim", err));
    uint32_t reserved = vd_in_u32(&i);
    b->job = in_digest(&i);
    b->trace = in_digest(&i);
    b->segment = vd_in_u64(&i);
    b->steps = vd_in_u64(&i);
    b->tree = in_digest(&i);
    if (reserved)
        return RO_FAIL(err, RO_EFORMAT, "a segment claim has reserved number %u", reserved);
    return RO_OK;
}

vd_digest vd_claim_root(const vd_claim_body *b)
{
    uint8_t bytes[VD_CLAIM_BODY_BYTES];
    vd_digest root;
    vd_claim_body_encode(b, bytes);
    vd_tagged_hash("verde/1 segment claim", bytes, sizeof bytes, root.b);
    return root;
}

void vd_signed_bytes(int is_segment, const char backend[VD_BACKEND_BYTES], const vd_digest *root,
                     uint8_t out[VD_SIGNED_BYTES])
{
    static const char *const TAGS[2] = {"verde/1 signed trace", "verde/1 signed segment"};
    const char *tag = TAGS[is_segment ? 1 : 0];
    memset(out, 0, VD_SIGNED_BYTES);
    memcpy(out, tag, strlen(tag));
    memcpy(out + 64, backend, VD_BACKEND_BYTES);
    memcpy(out + 128, root->b, VD_DIGEST);
}

/* ---- layout ------------------------------------------------------------------------------ */

uint64_t vd_job_segments(const vd_job *j)
{
    if (j->record == VD_RECORD_FULL) return 0;
    return j->steps / j->segment + (j->steps % j->segment != 0);
}

void vd_job_segment(const vd_job *j, uint64_t segment, uint64_t *first, uint64_t *count)
{
    RO_ASSERT(segment < vd_job_segments(j));
    *first = segment * j->segment;
    *count = j->steps - *first < j->segment ? j->steps - *first : j->segment;
}

static ro_status too_large(ro_err *err)
{
    return RO_FAIL(err, RO_ELIMIT, "the trace of this job would have more than %llu bytes",
                   (unsigned long long)LARGEST_FILE);
}

static uint32_t step_bytes(const vd_layout *l, uint32_t phase)
{
    return l->phases[phase].node_at[l->job->phases[phase].graph->node_count];
}

/* Offsets inside the record of a step. A job has at most 131,072 nodes of at most 4,148 bytes. */
static ro_status lay_out_nodes(ro_arena *a, vd_layout *l, uint32_t phase, ro_err *err)
{
    const ro_graph *g = l->job->phases[phase].graph;
    uint32_t at = VD_STEP_LEAF_BYTES;
    uint32_t *node_at = ro_arena_alloc(a, ((size_t)g->node_count + 1) * sizeof *node_at);
    if (!node_at) return RO_FAIL(err, RO_ENOMEM, "no memory for the layout of a trace");
    for (uint32_t i = 0; i < g->node_count; i++) {
        node_at[i] = at;
        at += (uint32_t)vd_node_leaf_size(g, i);
    }
    node_at[g->node_count] = at;
    l->phases[phase].node_at = node_at;
    return RO_OK;
}

/* Full traces: a repeat is a block of bytes, and the repeats are equal blocks. */
static ro_status lay_out_trace(vd_layout *l, uint64_t *records, ro_err *err)
{
    const vd_job *j = l->job;
    uint64_t nodes = 0;
    for (uint32_t p = 0; p < j->phase_count; p++) {
        uint64_t bytes, n;
        l->phases[p].before = l->repeat_bytes;
        if (!ro_mul_size(j->phases[p].steps, step_bytes(l, p), &bytes) ||
            !ro_add_size(l->repeat_bytes, bytes, &l->repeat_bytes) ||
            !ro_mul_size(j->phases[p].steps, j->phases[p].graph->node_count, &n) ||
            !ro_add_size(nodes, n, &nodes))
            return too_large(err);
    }
    if (!ro_mul_size(l->repeat_bytes, j->repeats, records) ||
        !ro_mul_size(nodes, j->repeats, &l->node_count))
        return too_large(err);
    return RO_OK;
}

static ro_status lay_out_claim(ro_arena *a, vd_layout *l, uint64_t *records, ro_err *err)
{
    l->claim_at = ro_arena_alloc(a, (l->count + 1) * sizeof *l->claim_at);
    if (!l->claim_at) return RO_FAIL(err, RO_ENOMEM, "no memory for the layout of a trace");
    for (uint64_t s = 0; s < l->count; s++) {
        uint32_t phase = vd_job_locate(l->job, l->first + s).phase;
        l->claim_at[s + 1] = l->claim_at[s] + step_bytes(l, phase);
        l->node_count += l->job->phases[phase].graph->node_count;
    }
    *records = l->claim_at[l->count];
    return RO_OK;
}

static ro_status lay_out_full(ro_arena *a, vd_layout *l, uint64_t *records, ro_err *err)
{
    const vd_job *j = l->job;
    l->phases = ro_arena_alloc(a, j->phase_count * sizeof *l->phases);
    if (!l->phases) return RO_FAIL(err, RO_ENOMEM, "no memory for the layout of a trace");
    for (uint32_t p = 0; p < j->phase_count; p++) RO_TRY(lay_out_nodes(a, l, p, err));
    return l->claim ? lay_out_claim(a, l, records, err) : lay_out_trace(l, records, err);
}

ro_status vd_layout_make(ro_arena *a, const vd_job *j, uint64_t job_bytes, int64_t segment,
                         vd_layout *l, ro_err *err)
{
    uint64_t records, padded = (job_bytes + 63) / 64 * 64;
    vd_tree_place tree;
    memset(l, 0, sizeof *l);
    l->job = j;
    l->claim = segment >= 0;
    l->full = l->claim || j->record == VD_RECORD_FULL;
    l->count = j->steps;
    if (l->claim && (uint64_t)segment >= vd_job_segments(j))
        return RO_FAIL(err, RO_EUSAGE, "segment %lld was asked for; the job's trace has %llu",
                       (long long)segment, (unsigned long long)vd_job_segments(j));
    if (l->claim) {
        l->segment = (uint64_t)segment;
        vd_job_segment(j, l->segment, &l->first, &l->count);
    }
    if (l->full)
        RO_TRY(lay_out_full(a, l, &records, err));
    else
        records = vd_layout_records(l, l->count); /* < 2^40 x 120 */
    l->job_bytes = job_bytes;
    l->records = VD_TRACE_HEADER_BYTES + padded;
    if (!ro_add_size(l->records, records, &l->trees)) return too_large(err);
    l->trailer = l->trees;
    for (int k = 0; vd_layout_tree(l, k, &tree); k++)
        if (!ro_add_size(l->trailer, vd_tree_size(tree.leaves) * VD_DIGEST, &l->trailer))
            return too_large(err);
    if (!ro_add_size(l->trailer, VD_TRAILER_BYTES, &l->size) || l->size > LARGEST_FILE)
        return too_large(err);
    return RO_OK;
}

uint64_t vd_layout_records(const vd_layout *l, uint64_t steps)
{
    if (l->claim) return l->claim_at[steps];
    if (!l->full) {
        uint64_t whole = steps / l->job->segment;
        if (steps == l->count && steps % l->job->segment) whole++;
        return steps * VD_DIGEST + whole * VD_SEGMENT_LEAF_BYTES;
    }
    if (steps == l->count) return l->repeat_bytes * l->job->repeats;
    vd_place at = vd_job_locate(l->job, steps);
    return at.repeat * l->repeat_bytes + l->phases[at.phase].before +
           at.step * step_bytes(l, at.phase);
}

uint64_t vd_layout_step(const vd_layout *l, uint64_t number)
{
    return l->records + vd_layout_records(l, number);
}

uint64_t vd_layout_segment(const vd_layout *l, uint64_t segment)
{
    uint64_t first, count;
    vd_job_segment(l->job, segment, &first, &count);
    return l->records + (first + count) * VD_DIGEST + segment * VD_SEGMENT_LEAF_BYTES;
}

int vd_layout_tree(const vd_layout *l, int which, vd_tree_place *p)
{
    if (which < 0 || which > (l->claim ? 0 : 1)) return 0;
    p->kind = which == 1 ? VD_TREE_OUTPUTS : l->full ? VD_TREE_STEPS : VD_TREE_SEGMENTS;
    p->leaves = p->kind == VD_TREE_SEGMENTS ? vd_job_segments(l->job) : l->count;
    p->at = l->trees;
    if (which == 1) {
        vd_tree_place first;
        vd_layout_tree(l, 0, &first);
        p->at += vd_tree_size(first.leaves) * VD_DIGEST;
    }
    return 1;
}

void vd_layout_header(const vd_layout *l, uint64_t size, uint8_t out[VD_TRACE_HEADER_BYTES])
{
    vd_out o = {out, 0};
    vd_out_bytes(&o, MAGIC, sizeof MAGIC);
    vd_out_u32(&o, TRACE_VERSION);
    vd_out_u32(&o, l->claim ? 1 : 0);
    vd_out_u32(&o, (uint32_t)l->job->record);
    vd_out_u32(&o, l->job->segment);
    vd_out_u64(&o, l->first);
    vd_out_u64(&o, l->count);
    vd_out_u64(&o, VD_TRACE_HEADER_BYTES);
    vd_out_u64(&o, l->job_bytes);
    vd_out_u64(&o, l->records);
    vd_out_u64(&o, l->trees);
    vd_out_u64(&o, l->trailer);
    RO_ASSERT(o.n == FILE_SIZE_AT);
    vd_out_u64(&o, size);
    vd_out_bytes(&o, l->job->digest.b, VD_DIGEST);
    vd_out_zeros(&o, VD_TRACE_HEADER_BYTES - o.n);
}

void vd_layout_body(const vd_layout *l, const vd_records_end *e, const vd_digest *trace_root,
                    uint8_t body[VD_TRACE_BODY_BYTES], vd_digest *root)
{
    memset(body, 0, VD_TRACE_BODY_BYTES);
    if (l->claim) {
        vd_claim_body b = {l->job->digest, *trace_root, l->segment, l->count, e->tree};
        vd_claim_body_encode(&b, body);
        *root = vd_claim_root(&b);
    } else {
        vd_trace_body b = {l->job->record, l->job->segment, l->job->digest,  l->count,
                           l->node_count,  l->job->first_state, e->last_state, e->outputs, e->tree};
        vd_trace_body_encode(&b, body);
        *root = vd_trace_root(&b);
    }
}

/* ---- opening ----------------------------------------------------------------------------- */

struct vd_trace {
    ro_arena *arena;
    const char *path;
    vd_fs_view *view;
    uint64_t size;
    const vd_job *job;
    const vd_trace *like; /* NULL, or one whose job this one shares if its bytes are the same */
    vd_layout layout;
    uint8_t trailer[VD_TRAILER_BYTES];
    vd_trace_body body;
    vd_claim_body claim;
    vd_digest root;
    int checked;
};

static const uint8_t *bytes_at(const vd_trace *t, uint64_t offset, uint64_t n)
{
    return vd_fs_view_at(t->view, offset, n);
}

static ro_status malformed(const vd_trace *t, const char *what, ro_err *err)
{
    return RO_FAIL(err, RO_EFORMAT, "%.120s is malformed: %s", t->path, what);
}

/* The header up to where the job lies; the rest is compared once the job is known. */
static ro_status open_job(vd_trace *t, ro_err *err)
{
    if (t->size < VD_TRACE_HEADER_BYTES + VD_TRAILER_BYTES)
        return RO_FAIL(err, RO_EFORMAT, "%.120s has %llu bytes, too few for a trace", t->path,
                       (unsigned long long)t->size);
    const uint8_t *header = bytes_at(t, 0, VD_TRACE_HEADER_BYTES);
    if (memcmp(header, MAGIC, sizeof MAGIC) != 0)
        return RO_FAIL(err, RO_EFORMAT, "%.120s is not a trace: it does not begin VERDETRC",
                       t->path);
    RO_TRY(check_version(vd_get_u32(header + 8), "a trace", err));
    if (vd_get_u64(header + FILE_SIZE_AT) == 0)
        return malformed(t, "it is an unfinished recording", err);
    uint64_t job = vd_get_u64(header + 40), size = vd_get_u64(header + 48);
    if (job != VD_TRACE_HEADER_BYTES || size > t->size - VD_TRACE_HEADER_BYTES)
        return malformed(t, "its job does not lie in the file", err);
    if (size > VD_JOB_BYTES_MAX) /* before it is read: what is read is kept */
        return RO_FAIL(err, RO_ELIMIT, "%.120s has a job of %llu bytes; %llu are allowed", t->path,
                       (unsigned long long)size, (unsigned long long)VD_JOB_BYTES_MAX);
    const uint8_t *bytes = bytes_at(t, job, size);
    const vd_trace *like = t->like;
    if (like && like->layout.job_bytes == size &&
        memcmp(bytes_at(like, job, size), bytes, size) == 0) {
        t->job = like->job;
        return RO_OK;
    }
    vd_job *own = NULL;
    ro_status st = vd_job_decode(bytes, size, t->arena, &own, err);
    t->job = own;
    return st;
}

static ro_status compare_header(const vd_trace *t, ro_err *err)
{
    static const struct { uint32_t end; const char *name; } fields[] = {
        {16, "magic, version or kind"}, {24, "recording level"}, {40, "covered steps"},
        {56, "place of the job"}, {80, "places of records, trees and trailer"},
        {88, "file size"}, {120, "job digest"}, {VD_TRACE_HEADER_BYTES, "reserved bytes"}};
    const uint8_t *header = bytes_at(t, 0, VD_TRACE_HEADER_BYTES);
    uint8_t want[VD_TRACE_HEADER_BYTES];
    char text[96];
    vd_layout_header(&t->layout, t->layout.size, want);
    for (uint32_t k = 0, from = 0; k < sizeof fields / sizeof *fields; from = fields[k++].end) {
        if (memcmp(header + from, want + from, fields[k].end - from) == 0) continue;
        snprintf(text, sizeof text, "the header's %s does not follow from its job",
                 fields[k].name);
        return malformed(t, text, err);
    }
    return RO_OK;
}

static ro_status open_layout(vd_trace *t, ro_err *err)
{
    const uint8_t *header = bytes_at(t, 0, VD_TRACE_HEADER_BYTES);
    uint32_t kind = vd_get_u32(header + 12);
    uint64_t first = vd_get_u64(header + 24), job_bytes = vd_get_u64(header + 48);
    int64_t segment = -1;
    if (kind > 1) return malformed(t, "it is neither a trace nor a segment claim", err);
    if (kind == 1) {
        if (t->job->record != VD_RECORD_CHECKPOINT || first >= t->job->steps)
            return malformed(t, "it claims a segment that its job does not have", err);
        segment = (int64_t)(first / t->job->segment);
    }
    RO_TRY(vd_layout_make(t->arena, t->job, job_bytes, segment, &t->layout, err));
    RO_TRY(compare_header(t, err));
    if (t->size != t->layout.size)
        return RO_FAIL(err, RO_EFORMAT, "%.120s has %llu bytes; its counts take %llu", t->path,
                       (unsigned long long)t->size, (unsigned long long)t->layout.size);
    uint64_t end = VD_TRACE_HEADER_BYTES + job_bytes;
    if (!vd_all_zero(bytes_at(t, end, t->layout.records - end), t->layout.records - end))
        return malformed(t, "the bytes after its job are not zero", err);
    return RO_OK;
}

static ro_status check_backend(const vd_trace *t, const uint8_t *b, ro_err *err)
{
    uint32_t n = 0;
    while (n < VD_BACKEND_BYTES && b[n] >= 0x20 && b[n] < 0x7f) n++;
    if (n == 0 || n == VD_BACKEND_BYTES || !vd_all_zero(b + n, VD_BACKEND_BYTES - n))
        return malformed(t, "its backend is not 1 to 63 printable characters", err);
    return RO_OK;
}

static ro_status open_body(vd_trace *t, ro_err *err)
{
    uint8_t want[VD_TRACE_BODY_BYTES];
    vd_records_end end;
    if (t->layout.claim) {
        RO_TRY(vd_claim_body_decode(t->trailer, &t->claim, err));
        if (!vd_all_zero(t->trailer + VD_CLAIM_BODY_BYTES,
                         VD_TRACE_BODY_BYTES - VD_CLAIM_BODY_BYTES))
            return malformed(t, "the bytes after its body are not zero", err);
    } else {
        RO_TRY(vd_trace_body_decode(t->trailer, &t->body, err));
    }
    end = (vd_records_end){t->layout.claim ? t->claim.tree : t->body.tree, t->body.outputs,
                           t->body.last_state};
    vd_layout_body(&t->layout, &end, &t->claim.trace, want, &t->root);
    if (memcmp(want, t->trailer, sizeof want) != 0)
        return RO_FAIL(err, RO_EDIFFER,
                       "%.120s has a body that is not its job's: level, job digest, counts or "
                       "first state", t->path);
    if (memcmp(t->root.b, t->trailer + VD_TRAILER_ROOT, VD_DIGEST) != 0)
        return malformed(t, "its root is not the hash of its body", err);
    return RO_OK;
}

static ro_status open_signature(vd_trace *t, ro_err *err)
{
    uint8_t bytes[VD_SIGNED_BYTES];
    uint32_t is_signed = vd_get_u32(t->trailer + VD_TRAILER_SIGNED);
    const uint8_t *backend = t->trailer + VD_TRAILER_BACKEND;
    RO_TRY(check_backend(t, backend, err));
    if (is_signed > 1 ||
        !vd_all_zero(t->trailer + VD_TRAILER_END, VD_TRAILER_BYTES - VD_TRAILER_END))
        return malformed(t, "the end of its trailer is neither signed nor unsigned", err);
    if (!is_signed) {
        if (!vd_all_zero(t->trailer + VD_TRAILER_KEY, VD_DIGEST) ||
            !vd_all_zero(t->trailer + VD_TRAILER_SIGNATURE, 64))
            return malformed(t, "it is unsigned and carries a key or signature", err);
        return RO_OK;
    }
    ro_err why = {RO_OK, {0}};
    vd_signed_bytes(t->layout.claim, (const char *)backend, &t->root, bytes);
    ro_status st = vd_check_signature(t->trailer + VD_TRAILER_KEY, bytes, sizeof bytes,
                                      t->trailer + VD_TRAILER_SIGNATURE, &why);
    if (st == RO_EOP) return RO_OK; /* a build without signatures says so and goes on */
    if (st) return RO_FAIL(err, st, "%.120s: %.120s", t->path, why.msg);
    t->checked = 1;
    return RO_OK;
}

static ro_status open_parts(vd_trace *t, ro_err *err)
{
    RO_TRY(open_job(t, err));
    RO_TRY(open_layout(t, err));
    memcpy(t->trailer, bytes_at(t, t->layout.trailer, VD_TRAILER_BYTES), VD_TRAILER_BYTES);
    RO_TRY(open_body(t, err));
    return open_signature(t, err);
}

static ro_status open_all(vd_trace *t, const char *path, ro_err *err)
{
    ro_err why = {RO_OK, {0}};
    t->path = ro_arena_string(t->arena, path, strlen(path));
    if (!t->path) return RO_FAIL(err, RO_ENOMEM, "no memory for the name of a trace");
    RO_TRY(vd_fs_view_open(t->path, &t->view, err));
    t->size = vd_fs_view_size(t->view);
    ro_status status = open_parts(t, &why);
    RO_TRY(vd_fs_view_status(t->view, err)); /* zeros in the place of bytes decide nothing */
    return status ? RO_FAIL(err, status, "%s", why.msg) : RO_OK;
}

ro_status vd_trace_open(const char *path, vd_trace **out, ro_err *err)
{
    return vd_trace_open_like(path, NULL, out, err);
}

ro_status vd_trace_open_like(const char *path, const vd_trace *like, vd_trace **out, ro_err *err)
{
    ro_arena *a = ro_arena_new();
    vd_trace *t = a ? ro_arena_alloc(a, sizeof *t) : NULL;
    if (!t) {
        ro_arena_free(a);
        return RO_FAIL(err, RO_ENOMEM, "no memory to open %.160s", path);
    }
    t->arena = a;
    t->like = like;
    ro_status status = open_all(t, path, err);
    if (status) {
        vd_trace_close(t);
        return status;
    }
    *out = t;
    return RO_OK;
}

void vd_trace_close(vd_trace *t)
{
    if (!t) return;
    vd_fs_view_close(t->view);
    ro_arena_free(t->arena);
}

/* ---- what it says ------------------------------------------------------------------------ */

const vd_job *vd_trace_job(const vd_trace *t) { return t->job; }
const vd_digest *vd_trace_get_root(const vd_trace *t) { return &t->root; }
const char *vd_trace_path(const vd_trace *t) { return t->path; }
int vd_trace_signature_checked(const vd_trace *t) { return t->checked; }
uint64_t vd_trace_bytes(const vd_trace *t) { return t->size; }
ro_status vd_trace_status(const vd_trace *t, ro_err *err)
{
    return vd_fs_view_status(t->view, err);
}

const vd_trace_body *vd_trace_get_body(const vd_trace *t)
{
    return t->layout.claim ? NULL : &t->body;
}

const vd_claim_body *vd_trace_get_claim(const vd_trace *t)
{
    return t->layout.claim ? &t->claim : NULL;
}

const uint8_t *vd_trace_body_bytes(const vd_trace *t, size_t *size)
{
    *size = t->layout.claim ? VD_CLAIM_BODY_BYTES : VD_TRACE_BODY_BYTES;
    return t->trailer;
}

const uint8_t *vd_trace_job_bytes(const vd_trace *t, uint64_t *size)
{
    *size = t->layout.job_bytes;
    return bytes_at(t, VD_TRACE_HEADER_BYTES, *size);
}

const char *vd_trace_backend(const vd_trace *t)
{
    return (const char *)t->trailer + VD_TRAILER_BACKEND;
}

const uint8_t *vd_trace_key(const vd_trace *t)
{
    return vd_get_u32(t->trailer + VD_TRAILER_SIGNED) ? t->trailer + VD_TRAILER_KEY : NULL;
}

const uint8_t *vd_trace_signature(const vd_trace *t)
{
    return vd_get_u32(t->trailer + VD_TRAILER_SIGNED) ? t->trailer + VD_TRAILER_SIGNATURE : NULL;
}

int vd_trace_is_segment(const vd_trace *t, vd_digest *trace_root, uint64_t *segment)
{
    if (!t->layout.claim) return 0;
    if (trace_root) *trace_root = t->claim.trace;
    if (segment) *segment = t->claim.segment;
    return 1;
}

void vd_trace_steps(const vd_trace *t, uint64_t *first, uint64_t *count)
{
    *first = t->layout.first;
    *count = t->layout.count;
}

/* ---- lookups ----------------------------------------------------------------------------- */

static int covers(const vd_trace *t, uint64_t step)
{
    return step >= t->layout.first && step - t->layout.first < t->layout.count;
}

const uint8_t *vd_trace_step_leaf(const vd_trace *t, uint64_t step)
{
    if (!t->layout.full || !covers(t, step)) return NULL;
    return bytes_at(t, vd_layout_step(&t->layout, step - t->layout.first), VD_STEP_LEAF_BYTES);
}

const uint8_t *vd_trace_segment_leaf(const vd_trace *t, uint64_t segment)
{
    if (t->layout.full || segment >= vd_job_segments(t->job)) return NULL;
    return bytes_at(t, vd_layout_segment(&t->layout, segment), VD_SEGMENT_LEAF_BYTES);
}

const uint8_t *vd_trace_node_leaf(const vd_trace *t, uint64_t step, uint32_t node, size_t *size)
{
    if (!t->layout.full || !covers(t, step)) return NULL;
    uint32_t phase = vd_job_locate(t->job, step).phase;
    if (node >= t->job->phases[phase].graph->node_count) return NULL;
    const uint32_t *place = t->layout.phases[phase].node_at + node;
    *size = place[1] - place[0];
    return bytes_at(t, vd_layout_step(&t->layout, step - t->layout.first) + place[0], *size);
}

const vd_digest *vd_trace_outputs_digest(const vd_trace *t, uint64_t step)
{
    if (!covers(t, step)) return NULL;
    uint64_t record = vd_layout_step(&t->layout, step - t->layout.first);
    return (const vd_digest *)bytes_at(t, record + (t->layout.full ? 60 : 0), VD_DIGEST);
}

/* The stored tree of this kind. */
static int find_tree(const vd_trace *t, int tree, vd_tree_place *p)
{
    for (int k = 0; vd_layout_tree(&t->layout, k, p); k++)
        if ((int)p->kind == tree) return 1;
    return 0;
}

const vd_digest *vd_trace_tree(const vd_trace *t, int tree, uint32_t level, uint64_t index)
{
    vd_tree_place p;
    if (!find_tree(t, tree, &p) || level >= vd_tree_levels(p.leaves)) return NULL;
    uint64_t begin = vd_tree_node_offset(p.leaves, level, 0);
    uint64_t end = vd_tree_node_offset(p.leaves, level + 1, 0);
    if (index >= end - begin) return NULL;
    return (const vd_digest *)bytes_at(t, p.at + (begin + index) * VD_DIGEST, VD_DIGEST);
}

uint64_t vd_trace_leaves(const vd_trace *t, int tree, uint64_t step)
{
    vd_tree_place p;
    if (tree == VD_TREE_NODES) {
        if (!t->layout.full || !covers(t, step)) return 0;
        return t->job->phases[vd_job_locate(t->job, step).phase].graph->node_count;
    }
    return find_tree(t, tree, &p) ? p.leaves : 0;
}

/* Hashes of the node leaves in a record: runs of equal leaves are hashed side by side. */
static void hash_node_leaves(const uint32_t *node_at, const uint8_t *record, uint32_t lo,
                             uint32_t hi, uint8_t *out)
{
    while (lo < hi) {
        uint32_t size = node_at[lo + 1] - node_at[lo], end = lo + 1;
        while (end < hi && node_at[end + 1] - node_at[end] == size) end++;
        vd_leaf_hashes(VD_TREE_NODES, record + node_at[lo], size, end - lo, out);
        out += (size_t)(end - lo) * VD_DIGEST;
        lo = end;
    }
}

void vd_node_leaf_hashes(const vd_layout *l, uint32_t phase, const uint8_t *record, uint8_t *out)
{
    hash_node_leaves(l->phases[phase].node_at, record, 0, l->job->phases[phase].graph->node_count,
                     out);
}

static ro_status descend_nodes(const vd_trace *t, uint64_t step, uint64_t lo, uint64_t hi,
                               uint32_t depth, uint8_t *out, uint32_t *count, ro_err *err)
{
    uint32_t phase = vd_job_locate(t->job, step).phase;
    uint64_t n = t->job->phases[phase].graph->node_count;
    uint8_t *leaves = ro_alloc(n * VD_DIGEST); /* only [lo, hi) is read and written */
    if (!leaves) return RO_FAIL(err, RO_ENOMEM, "no memory for %llu node leaves",
                                (unsigned long long)n);
    const uint32_t *node_at = t->layout.phases[phase].node_at;
    uint64_t record = vd_layout_step(&t->layout, step - t->layout.first);
    (void)bytes_at(t, record + node_at[lo], node_at[hi] - node_at[lo]);
    hash_node_leaves(node_at, bytes_at(t, record, VD_STEP_LEAF_BYTES), (uint32_t)lo, (uint32_t)hi,
                     leaves + lo * VD_DIGEST);
    *count = vd_descend_from_leaves(VD_TREE_NODES, leaves, n, lo, hi, depth, out);
    ro_free(leaves);
    return RO_OK;
}

ro_status vd_trace_descend(const vd_trace *t, int tree, uint64_t step, uint64_t lo, uint64_t hi,
                           uint32_t depth, uint8_t *out, uint32_t *count, ro_err *err)
{
    uint64_t n = vd_trace_leaves(t, tree, step);
    if (n == 0) return RO_FAIL(err, RO_ENOTFOUND, "%.120s has no such tree", t->path);
    if (depth > VD_DESCEND_DEPTH_MAX || !vd_range_is_node(n, lo, hi))
        return RO_FAIL(err, RO_EUSAGE, "[%llu, %llu) at depth %u is no question about %llu leaves",
                       (unsigned long long)lo, (unsigned long long)hi, depth,
                       (unsigned long long)n);
    if (tree == VD_TREE_NODES) return descend_nodes(t, step, lo, hi, depth, out, count, err);
    *count = vd_descend_count(lo, hi, depth);
    for (uint32_t k = 0; k < *count; k++) {
        uint64_t a, b;
        uint32_t level = 0;
        vd_descend_range(lo, hi, depth, k, &a, &b);
        while (b - a > UINT64_C(1) << level) level++;
        memcpy(out + (size_t)k * VD_DIGEST, vd_trace_tree(t, tree, level, a >> level), VD_DIGEST);
    }
    return RO_OK;
}

/* ---- verifying everything ---------------------------------------------------------------- */

typedef struct {
    const vd_trace *t;
    vd_digest *slots;        /* of the state before the step; undefined in a claim at first */
    uint8_t *known;          /* the digest of this slot is known */
    vd_digest *values;       /* of the step's values, by number */
    uint8_t *value_known;
    vd_digest *next;         /* scratch: slots after the step, outputs */
    vd_digest *descriptors;  /* of all phases, one after the other */
    uint32_t *first_node;    /* [phase_count] of its descriptors */
    uint8_t *leaves;         /* node leaf hashes of a step */
    vd_frontier segment;     /* outputs of the current segment */
    vd_frontier trees[2];    /* of the records that were read, as vd_layout_tree counts them */
    vd_records_end end;
} verifier;

static ro_status not_following(const verifier *v, uint64_t step, const char *what, ro_err *err)
{
    return RO_FAIL(err, RO_EFORMAT, "%.120s: step %llu: %s", v->t->path, (unsigned long long)step,
                   what);
}

static ro_status verifier_start(verifier *v, ro_arena *a, ro_err *err)
{
    const vd_job *j = v->t->job;
    uint32_t nodes = 0, values = 1, most = 1, outputs = j->slot_count;
    for (uint32_t p = 0; p < j->phase_count; p++) {
        const ro_graph *g = j->phases[p].graph;
        nodes += g->node_count;
        values = g->value_count > values ? g->value_count : values;
        most = g->node_count > most ? g->node_count : most;
        outputs = g->output_count > outputs ? g->output_count : outputs;
    }
    v->slots = ro_arena_alloc(a, j->slot_count * sizeof *v->slots);
    v->known = ro_arena_alloc(a, j->slot_count);
    v->values = ro_arena_alloc(a, values * sizeof *v->values);
    v->value_known = ro_arena_alloc(a, values);
    v->next = ro_arena_alloc(a, outputs * sizeof *v->next);
    v->descriptors = ro_arena_alloc(a, (nodes + 1) * sizeof *v->descriptors);
    v->first_node = ro_arena_alloc(a, j->phase_count * sizeof *v->first_node);
    v->leaves = ro_arena_alloc(a, (size_t)most * VD_DIGEST);
    if (!v->slots || !v->known || !v->values || !v->value_known || !v->next || !v->descriptors ||
        !v->first_node || !v->leaves)
        return RO_FAIL(err, RO_ENOMEM, "no memory to verify %.160s", v->t->path);
    nodes = 0;
    for (uint32_t p = 0; p < j->phase_count; p++) {
        v->first_node[p] = nodes;
        for (uint32_t i = 0; i < j->phases[p].graph->node_count; i++)
            v->descriptors[nodes++] = vd_node_descriptor(j->phases[p].graph, i);
    }
    for (uint32_t s = 0; s < j->slot_count; s++) {
        v->slots[s] = j->slots[s].digest;
        v->known[s] = !v->t->layout.claim;
    }
    v->slots[0] = vd_step_digest(v->t->layout.first);
    v->known[0] = 1;
    vd_frontier_init(&v->segment, VD_TREE_OUTPUTS);
    vd_tree_place p;
    for (int k = 0; vd_layout_tree(&v->t->layout, k, &p); k++)
        vd_frontier_init(&v->trees[k], p.kind);
    v->end.last_state = j->first_state;
    return RO_OK;
}

/* Records and trees are read once from their beginning to their end: what was read goes. */
#define KEPT_MOST (UINT64_C(4) << 20)
static void keep_little(const verifier *v)
{
    uint64_t records = v->t->layout.records; /* what lies before them stays */
    if (vd_fs_view_kept(v->t->view) > records + KEPT_MOST)
        vd_fs_view_forget(v->t->view, records);
}

/* A digest met for a value: the first one met for a slot of unknown state stands. */
static int agrees(verifier *v, ro_value value, const vd_digest *d)
{
    if (v->value_known[value]) return vd_digest_equal(&v->values[value], d);
    v->values[value] = *d;
    v->value_known[value] = 1;
    return 1;
}

static void begin_values(verifier *v, const ro_graph *g)
{
    const vd_job *j = v->t->job;
    for (uint32_t k = 0; k < g->value_count; k++) {
        const ro_value_info *i = &g->values[k];
        v->value_known[k] =
            i->kind == RO_V_CONSTANT || (i->kind == RO_V_SLOT && v->known[i->index]);
        if (i->kind == RO_V_CONSTANT) v->values[k] = j->constants[i->index].digest;
        if (i->kind == RO_V_SLOT) v->values[k] = v->slots[i->index];
    }
}

static ro_status verify_node(verifier *v, uint64_t step, uint32_t phase, uint32_t node, ro_err *err)
{
    const ro_graph *g = v->t->job->phases[phase].graph;
    const ro_node *n = &g->nodes[node];
    vd_node_leaf l;
    size_t size;
    uint32_t at = 0;
    const uint8_t *bytes = vd_trace_node_leaf(v->t, step, node, &size);
    ro_err why = {RO_OK, {0}};
    if (vd_node_leaf_decode(bytes, size, &l, &why) || l.inputs != vd_node_inputs(n) ||
        l.global != step || l.node != node ||
        !vd_digest_equal(&l.descriptor, &v->descriptors[v->first_node[phase] + node]))
        return not_following(v, step, "a node leaf is not the one its job prescribes", err);
    for (uint32_t k = 0; k < n->inputs; k++)
        if (n->in[k] != RO_NO_VALUE && !agrees(v, n->in[k], &l.in[at++]))
            return not_following(v, step, "an input is not what was put out for it", err);
    for (uint32_t k = 0; k < n->outputs; k++) (void)agrees(v, n->first_output + k, &l.out[k]);
    return RO_OK;
}

/* The state after the step, as far as it is known. */
static int advance_state(verifier *v, const vd_phase *p, uint64_t step)
{
    const vd_job *j = v->t->job;
    const ro_graph *g = p->graph;
    int all = 1;
    /* What nodes read of an unknown state becomes known before the slots move on. */
    for (uint32_t k = 0; k < g->value_count; k++)
        if (g->values[k].kind == RO_V_SLOT && v->value_known[k]) {
            v->slots[g->values[k].index] = v->values[k];
            v->known[g->values[k].index] = 1;
        }
    for (uint32_t s = 0; s < j->slot_count; s++) {
        ro_value next = vd_phase_next(p, s);
        if (next == RO_NO_VALUE) {
            v->next[s] = v->slots[s];
            continue;
        }
        v->next[s] = v->values[next];
        v->known[s] = v->value_known[next];
    }
    v->next[0] = vd_step_digest(step + 1);
    for (uint32_t s = 0; s < j->slot_count; s++) {
        v->slots[s] = v->next[s];
        all &= v->known[s];
    }
    return all;
}

static ro_status verify_full_step(verifier *v, uint64_t step, uint8_t leaf[VD_DIGEST], ro_err *err)
{
    const vd_job *j = v->t->job;
    vd_place place = vd_job_locate(j, step);
    const uint8_t *bytes = bytes_at(v->t, vd_layout_step(&v->t->layout, step - v->t->layout.first),
                              step_bytes(&v->t->layout, place.phase));
    const vd_phase *p = &j->phases[place.phase];
    vd_digest d;
    vd_step_leaf l;
    vd_step_leaf_decode(bytes, &l);
    if (l.repeat != place.repeat || l.phase != place.phase || l.step != place.step ||
        l.global != step)
        return not_following(v, step, "its leaf is of another step", err);
    begin_values(v, p->graph);
    for (uint32_t i = 0; i < p->graph->node_count; i++)
        RO_TRY(verify_node(v, step, place.phase, i, err));
    vd_node_leaf_hashes(&v->t->layout, place.phase, bytes, v->leaves);
    vd_tree_root(VD_TREE_NODES, v->leaves, p->graph->node_count, d.b);
    if (!vd_digest_equal(&d, &l.nodes))
        return not_following(v, step, "its node root is not that of its nodes", err);
    int known = 1;
    for (uint32_t k = 0; k < p->graph->output_count; k++) {
        v->next[k] = v->values[p->graph->outputs[k]];
        known &= v->value_known[p->graph->outputs[k]];
    }
    d = vd_outputs_digest(v->next, p->graph->output_count);
    if (known && !vd_digest_equal(&d, &l.outputs))
        return not_following(v, step, "its outputs digest is not that of its outputs", err);
    if (advance_state(v, p, step)) {
        d = vd_state_root(v->slots, j->slot_count);
        if (!vd_digest_equal(&d, &l.state))
            return not_following(v, step, "its state root is not that of its slots", err);
    }
    v->end.last_state = l.state;
    vd_leaf_hash(VD_TREE_STEPS, bytes, VD_STEP_LEAF_BYTES, leaf);
    return RO_OK;
}

static ro_status verify_segment(verifier *v, uint64_t segment, uint8_t leaf[VD_DIGEST], ro_err *err)
{
    uint64_t first, count;
    vd_segment_leaf l;
    vd_digest d;
    const uint8_t *bytes = vd_trace_segment_leaf(v->t, segment);
    vd_job_segment(v->t->job, segment, &first, &count);
    vd_segment_leaf_decode(bytes, &l);
    if (l.index != segment || l.first != first || l.count != count)
        return not_following(v, first, "its segment leaf is of another segment", err);
    vd_frontier_root(&v->segment, d.b);
    if (!vd_digest_equal(&d, &l.outputs))
        return not_following(v, first, "its segment's outputs root is not that of its steps", err);
    vd_frontier_init(&v->segment, VD_TREE_OUTPUTS);
    v->end.last_state = l.state;
    vd_leaf_hash(VD_TREE_SEGMENTS, bytes, VD_SEGMENT_LEAF_BYTES, leaf);
    return RO_OK;
}

static ro_status wrong_tree(const verifier *v, int tree, ro_err *err)
{
    return RO_FAIL(err, RO_EFORMAT, "%.120s: its %s tree is not that of its records", v->t->path,
                   vd_tree_kind_name((vd_tree_kind)tree));
}

/* A leaf of the records: it is the stored tree's, and one of the tree that they really have. */
static ro_status verify_leaf(verifier *v, int which, uint64_t index, const uint8_t leaf[VD_DIGEST],
                             ro_err *err)
{
    int kind = (int)v->trees[which].kind;
    const vd_digest *stored = vd_trace_tree(v->t, kind, 0, index);
    if (!stored || memcmp(stored->b, leaf, VD_DIGEST) != 0) return wrong_tree(v, kind, err);
    vd_frontier_append(&v->trees[which], leaf);
    return RO_OK;
}

static ro_status verify_steps(verifier *v, ro_err *err)
{
    const vd_layout *l = &v->t->layout;
    uint8_t leaf[VD_DIGEST];
    for (uint64_t s = 0; s < l->count; s++) {
        uint64_t step = l->first + s;
        keep_little(v);
        if (l->full) {
            RO_TRY(verify_full_step(v, step, leaf, err));
            RO_TRY(verify_leaf(v, 0, s, leaf, err));
        }
        if (l->claim) continue;
        vd_leaf_hash(VD_TREE_OUTPUTS, vd_trace_outputs_digest(v->t, step), VD_DIGEST, leaf);
        RO_TRY(verify_leaf(v, 1, s, leaf, err));
        if (l->full) continue;
        vd_frontier_append(&v->segment, leaf);
        if ((s + 1) % l->job->segment && s + 1 < l->count) continue;
        RO_TRY(verify_segment(v, s / l->job->segment, leaf, err));
        RO_TRY(verify_leaf(v, 0, s / l->job->segment, leaf, err));
    }
    return RO_OK;
}

/* Every inner node is the hash of the two under it, or the one that has no neighbour, and the
 * last one the root of the records' hashes. */
static ro_status verify_tree(const verifier *v, const vd_tree_place *p, const vd_digest *root,
                             ro_err *err)
{
    uint64_t count = p->leaves;
    uint32_t levels = vd_tree_levels(p->leaves);
    for (uint32_t k = 1; k < levels; k++) {
        uint64_t below = p->at + vd_tree_node_offset(p->leaves, k - 1, 0) * VD_DIGEST;
        uint64_t here = p->at + vd_tree_node_offset(p->leaves, k, 0) * VD_DIGEST;
        for (uint64_t i = 0; i < count / 2 + count % 2; i++) {
            keep_little(v);
            int pair = i < count / 2;
            uint64_t from = below + 2 * i * VD_DIGEST;
            const uint8_t *two = bytes_at(v->t, from, (pair ? 2 : 1) * VD_DIGEST);
            vd_digest d;
            if (pair) vd_inner_hash(p->kind, two, two + VD_DIGEST, d.b);
            else memcpy(d.b, two, VD_DIGEST);
            if (memcmp(d.b, bytes_at(v->t, here + i * VD_DIGEST, VD_DIGEST), VD_DIGEST) != 0)
                return wrong_tree(v, (int)p->kind, err);
        }
        count = count / 2 + count % 2;
    }
    return vd_digest_equal(vd_trace_tree(v->t, (int)p->kind, levels - 1, 0), root)
               ? RO_OK
               : wrong_tree(v, (int)p->kind, err);
}

static ro_status verify_body(verifier *v, ro_err *err)
{
    const vd_trace *t = v->t;
    vd_tree_place p;
    uint8_t body[VD_TRACE_BODY_BYTES];
    vd_digest root;
    memset(&v->end.outputs, 0, sizeof v->end.outputs);
    for (int k = 0; vd_layout_tree(&t->layout, k, &p); k++) {
        vd_digest *end = k ? &v->end.outputs : &v->end.tree;
        vd_frontier_root(&v->trees[k], end->b);
        RO_TRY(verify_tree(v, &p, end, err));
    }
    vd_layout_body(&t->layout, &v->end, &t->claim.trace, body, &root);
    if (!vd_digest_equal(&root, &t->root))
        return RO_FAIL(err, RO_EFORMAT,
                       "%.120s: its body's last state, outputs or tree is not that of its records",
                       t->path);
    return RO_OK;
}

ro_status vd_trace_verify(const vd_trace *t, ro_err *err)
{
    verifier v;
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to verify %.160s", t->path);
    memset(&v, 0, sizeof v);
    v.t = t;
    ro_err why = {RO_OK, {0}};
    ro_status status = verifier_start(&v, a, &why);
    if (!status) status = verify_steps(&v, &why);
    if (!status) status = verify_body(&v, &why);
    ro_arena_free(a);
    RO_TRY(vd_trace_status(t, err));
    return status ? RO_FAIL(err, status, "%s", why.msg) : RO_OK;
}
