/* forge.c - a trace or segment claim in which one field lies, and everything above it agrees.
 *
 *   forge IN OUT EDIT...
 *
 *   node:STEP:NODE:FIELD   global, node, descriptor, inputs, inN (input N), outputs, outN
 *   step:STEP:FIELD        repeat, phase, step, global, state, outputs, nodes;
 *                          in a checkpoint trace: outputs
 *   segment:INDEX:FIELD    index, first, count, state, outputs
 *   body:FIELD             version, level, segment, reserved, job, steps, node_count, first_state,
 *                          last_state, outputs, tree; of a claim: version, reserved, job, trace,
 *                          segment, steps, tree
 *   swap:STEP:STEP         the states of two steps change places
 *   leaf:TREE:INDEX        steps, segments or outputs: a leaf hash in the tree of which no record
 *                          is known
 *
 * Any FIELD may be followed by =VALUE: a whole number, +1, -1 or max; 64 digits for a digest.
 * Without one a number is increased by 1 and a digest loses its first bit.
 *
 * Steps are global. After the edits node trees, step leaves, trees, body and root are made anew
 * from what was edited, each unless it was edited itself. The result is unsigned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../verde/bytes.h"
#include "../verde/trace.h"

#define EDITS_MAX 4096

typedef struct {
    vd_layout l;
    vd_job *job;
    uint8_t *file;
    ro_arena *arena;
    vd_digest trace_root;      /* that a claim is for */
    uint8_t *nodes_changed;    /* [covered steps] its node tree is to be made anew */
    uint8_t *outputs_changed;  /* [segments] */
    const char *body_edits[EDITS_MAX], *leaf_edits[EDITS_MAX];
    int body_edit_count, leaf_edit_count;
} forgery;

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "forge: %s: %s\n", what, detail);
    exit(2);
}

/* A named field of a record: where it lies and how long it is. */
typedef struct { const char *name; unsigned at, size; } field;
static const field step_fields[] = {{"repeat", 0, 8}, {"phase", 8, 4}, {"step", 12, 8},
                                    {"global", 20, 8}, {"state", 28, 32}, {"outputs", 60, 32},
                                    {"nodes", 92, 32}, {NULL, 0, 0}};
static const field segment_fields[] = {{"index", 0, 8}, {"first", 8, 8}, {"count", 16, 8},
                                       {"state", 24, 32}, {"outputs", 56, 32}, {NULL, 0, 0}};
static const field body_fields[] = {
    {"version", 0, 4}, {"level", 4, 4}, {"segment", 8, 4}, {"reserved", 12, 4}, {"job", 16, 32},
    {"steps", 48, 8}, {"node_count", 56, 8}, {"first_state", 64, 32}, {"last_state", 96, 32},
    {"outputs", 128, 32}, {"tree", 160, 32}, {NULL, 0, 0}};
static const field claim_fields[] = {
    {"version", 0, 4}, {"reserved", 4, 4}, {"job", 8, 32}, {"trace", 40, 32}, {"segment", 72, 8},
    {"steps", 80, 8}, {"tree", 88, 32}, {NULL, 0, 0}};

static void set_value(uint8_t *p, unsigned size, const char *value, const char *edit)
{
    ro_err err = {0};
    vd_digest d;
    if (size == VD_DIGEST) {
        if (!value) p[0] ^= 1;
        else if (vd_digest_parse(value, &d, &err)) die(edit, err.msg);
        else memcpy(p, d.b, VD_DIGEST);
        return;
    }
    uint64_t v = vd_get_le(p, size);
    if (!value || !strcmp(value, "+1")) v++;
    else if (!strcmp(value, "-1")) v--;
    else if (!strcmp(value, "max")) v = UINT64_MAX;
    else v = strtoull(value, NULL, 10);
    vd_put_le(p, v, size);
}

/* Change the field called `text`, "NAME" or "NAME=VALUE", of the record at p. */
static const field *set_field(uint8_t *p, const field *fields, const char *text, const char *edit)
{
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : strlen(text);
    for (const field *f = fields; f->name; f++)
        if (strlen(f->name) == n && !memcmp(f->name, text, n)) {
            set_value(p + f->at, f->size, equals ? equals + 1 : NULL, edit);
            return f;
        }
    die(edit, "there is no such field");
    return NULL;
}

/* The next number of an edit, which must be below `limit`. */
static uint64_t take_number(const char **at, uint64_t limit, const char *edit)
{
    char *end;
    uint64_t v = strtoull(*at, &end, 10);
    if (end == *at || (*end && *end != ':') || v >= limit) die(edit, "a number is out of range");
    *at = *end ? end + 1 : end;
    return v;
}

static uint64_t take_step(const forgery *f, const char **at, const char *edit)
{
    uint64_t step = take_number(at, f->l.first + f->l.count, edit);
    if (step < f->l.first) die(edit, "the file does not cover this step");
    return step - f->l.first;
}

static uint8_t *step_record(const forgery *f, uint64_t number)
{
    return f->file + vd_layout_step(&f->l, number);
}

static void edit_node(forgery *f, const char *at, const char *edit)
{
    uint64_t number = take_step(f, &at, edit);
    uint32_t phase = vd_job_locate(f->job, f->l.first + number).phase;
    const ro_graph *g = f->job->phases[phase].graph;
    if (!f->l.full) die(edit, "there are no node records here");
    uint32_t node = (uint32_t)take_number(&at, g->node_count, edit);
    unsigned inputs = vd_node_inputs(&g->nodes[node]), outputs = g->nodes[node].outputs;
    field fields[6 + RO_INPUTS_MAX + RO_OUTPUTS_MAX] = {
        {"global", 0, 8}, {"node", 8, 4}, {"descriptor", 12, 32}, {"inputs", 44, 4},
        {"outputs", 48 + 32 * inputs, 4}};
    char names[RO_INPUTS_MAX + RO_OUTPUTS_MAX][16];
    unsigned n = 5;
    for (unsigned k = 0; k < inputs + outputs; k++) {
        int in = k < inputs;
        snprintf(names[k], sizeof names[k], in ? "in%u" : "out%u", in ? k : k - inputs);
        fields[n++] = (field){names[k], (in ? 48 : 52) + 32 * k, 32};
    }
    fields[n] = (field){NULL, 0, 0};
    set_field(step_record(f, number) + f->l.phases[phase].node_at[node], fields, at, edit);
    f->nodes_changed[number] = 1;
}

static void edit_step(forgery *f, const char *at, const char *edit)
{
    static const field only_outputs[] = {{"outputs", 0, 32}, {NULL, 0, 0}};
    uint64_t number = take_step(f, &at, edit);
    set_field(step_record(f, number), f->l.full ? step_fields : only_outputs, at, edit);
    if (!f->l.full) f->outputs_changed[number / f->job->segment] = 1;
}

static void edit_segment(forgery *f, const char *at, const char *edit)
{
    if (f->l.full) die(edit, "there are no segments here");
    uint64_t segment = take_number(&at, vd_job_segments(f->job), edit);
    set_field(f->file + vd_layout_segment(&f->l, segment), segment_fields, at, edit);
}

static void swap_states(forgery *f, const char *at, const char *edit)
{
    uint8_t *a = step_record(f, take_step(f, &at, edit)) + 28;
    uint8_t *b = step_record(f, take_step(f, &at, edit)) + 28, kept[VD_DIGEST];
    if (!f->l.full) die(edit, "steps have no states here");
    memcpy(kept, a, VD_DIGEST);
    memcpy(a, b, VD_DIGEST);
    memcpy(b, kept, VD_DIGEST);
}

static void apply(forgery *f, const char *edit)
{
    const char *at = strchr(edit, ':');
    if (!at++) die(edit, "this is no edit");
    if (!strncmp(edit, "node:", 5)) edit_node(f, at, edit);
    else if (!strncmp(edit, "step:", 5)) edit_step(f, at, edit);
    else if (!strncmp(edit, "segment:", 8)) edit_segment(f, at, edit);
    else if (!strncmp(edit, "swap:", 5)) swap_states(f, at, edit);
    else if (!strncmp(edit, "body:", 5)) f->body_edits[f->body_edit_count++] = at;
    else if (!strncmp(edit, "leaf:", 5)) f->leaf_edits[f->leaf_edit_count++] = at;
    else die(edit, "this is no edit");
}

/* ---- making everything above the edits anew ------------------------------------------------ */

static void remake_leaves(forgery *f)
{
    for (uint64_t s = 0; f->l.full && s < f->l.count; s++) {
        uint32_t phase = vd_job_locate(f->job, f->l.first + s).phase;
        uint32_t n = f->job->phases[phase].graph->node_count;
        if (!f->nodes_changed[s]) continue;
        uint8_t *hashes = ro_arena_alloc(f->arena, ((size_t)n + 1) * VD_DIGEST);
        if (!hashes) die("memory", "there is none");
        vd_node_leaf_hashes(&f->l, phase, step_record(f, s), hashes);
        vd_tree_root(VD_TREE_NODES, hashes, n, step_record(f, s) + 92);
    }
    for (uint64_t k = 0; !f->l.full && k < vd_job_segments(f->job); k++) {
        uint64_t first, count;
        vd_frontier outputs;
        if (!f->outputs_changed[k]) continue;
        vd_job_segment(f->job, k, &first, &count);
        vd_frontier_init(&outputs, VD_TREE_OUTPUTS);
        for (uint64_t s = first; s < first + count; s++) {
            uint8_t leaf[VD_DIGEST];
            vd_leaf_hash(VD_TREE_OUTPUTS, step_record(f, s), VD_DIGEST, leaf);
            vd_frontier_append(&outputs, leaf);
        }
        vd_frontier_root(&outputs, f->file + vd_layout_segment(&f->l, k) + 56);
    }
}

static void leaf_of(const forgery *f, vd_tree_kind kind, uint64_t k, uint8_t *hash)
{
    if (kind == VD_TREE_STEPS)
        vd_leaf_hash(kind, step_record(f, k), VD_STEP_LEAF_BYTES, hash);
    else if (kind == VD_TREE_SEGMENTS)
        vd_leaf_hash(kind, f->file + vd_layout_segment(&f->l, k), VD_SEGMENT_LEAF_BYTES, hash);
    else
        vd_leaf_hash(kind, step_record(f, k) + (f->l.full ? 60 : 0), VD_DIGEST, hash);
}

/* Edits of the leaf hashes of a tree that are in place. */
static void edit_leaves(const forgery *f, const vd_tree_place *p)
{
    const char *name = vd_tree_kind_name(p->kind);
    size_t n = strlen(name);
    for (int k = 0; k < f->leaf_edit_count; k++) {
        const char *edit = f->leaf_edits[k], *at = edit + n + 1;
        if (strncmp(edit, name, n) != 0 || edit[n] != ':') continue;
        f->file[p->at + take_number(&at, p->leaves, edit) * VD_DIGEST] ^= 1;
    }
}

static void remake_trees(forgery *f, vd_records_end *end)
{
    memset(end, 0, sizeof *end);
    for (int which = 0; which < 2; which++) {
        vd_tree_place p;
        if (!vd_layout_tree(&f->l, which, &p)) continue;
        for (uint64_t k = 0; k < p.leaves; k++)
            leaf_of(f, p.kind, k, f->file + p.at + k * VD_DIGEST);
        edit_leaves(f, &p);
        vd_tree_build(p.kind, f->file + p.at, p.leaves, which ? end->outputs.b : end->tree.b);
    }
    uint64_t last = f->l.full ? vd_layout_step(&f->l, f->l.count - 1) + 28
                              : vd_layout_segment(&f->l, vd_job_segments(f->job) - 1) + 24;
    memcpy(end->last_state.b, f->file + last, VD_DIGEST);
}

static void remake_trailer(forgery *f)
{
    uint8_t *trailer = f->file + f->l.trailer;
    vd_records_end end;
    vd_digest root;
    remake_trees(f, &end);
    vd_layout_body(&f->l, &end, &f->trace_root, trailer, &root);
    for (int k = 0; k < f->body_edit_count; k++)
        set_field(trailer, f->l.claim ? claim_fields : body_fields, f->body_edits[k],
                  f->body_edits[k]);
    if (f->l.claim) vd_tagged_hash("verde/1 segment claim", trailer, VD_CLAIM_BODY_BYTES, root.b);
    else vd_tagged_hash("verde/1 trace", trailer, VD_TRACE_BODY_BYTES, root.b);
    memcpy(trailer + VD_TRAILER_ROOT, root.b, VD_DIGEST);
    memset(trailer + VD_TRAILER_KEY, 0, VD_DIGEST);
    memset(trailer + VD_TRAILER_SIGNATURE, 0, VD_TRAILER_BYTES - VD_TRAILER_SIGNATURE);
}

static void load(forgery *f, const char *path, ro_err *err)
{
    vd_trace *t = NULL;
    uint64_t segment, size;
    int64_t which = -1;
    memset(f, 0, sizeof *f);
    f->arena = ro_arena_new();
    if (!f->arena || vd_trace_open(path, &t, err)) die(path, err->msg);
    const uint8_t *job = vd_trace_job_bytes(t, &size);
    if (vd_trace_is_segment(t, &f->trace_root, &segment)) which = (int64_t)segment;
    if (vd_job_decode(job, size, f->arena, &f->job, err) ||
        vd_layout_make(f->arena, f->job, size, which, &f->l, err))
        die(path, err->msg);
    vd_trace_close(t);
    FILE *in = fopen(path, "rb");
    f->file = ro_arena_alloc(f->arena, f->l.size);
    f->nodes_changed = ro_arena_alloc(f->arena, f->l.count);
    f->outputs_changed = ro_arena_alloc(f->arena, f->l.count);
    if (!in || !f->file || !f->nodes_changed || !f->outputs_changed ||
        fread(f->file, 1, f->l.size, in) != f->l.size)
        die(path, "it cannot be read");
    fclose(in);
}

int main(int argc, char **argv)
{
    forgery f;
    ro_err err = {0};
    if (argc < 4 || argc > EDITS_MAX) die("usage", "forge IN OUT EDIT...");
    load(&f, argv[1], &err);
    for (int k = 3; k < argc; k++) apply(&f, argv[k]);
    remake_leaves(&f);
    remake_trailer(&f);
    FILE *out = fopen(argv[2], "wb");
    if (!out || fwrite(f.file, 1, f.l.size, out) != f.l.size || fclose(out))
        die(argv[2], "it cannot be written");
    ro_arena_free(f.arena);
    return 0;
}
