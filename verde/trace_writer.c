/* trace_writer.c - writing a trace: a .partial that grows step by step, finished at the end.
 *
 * Invariants
 *   1. A step is one write at the end of the records. What a killed process leaves is a whole
 *      number of steps and perhaps the beginning of one, which is cut off when it is picked up.
 *   2. The header is written first and names no file size; with its size in place and under its
 *      final name a file is complete.
 *   3. Trees are made from the records in one pass and bounded memory, so a run that was
 *      interrupted ends in the same bytes as one that was not. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "files.h"
#include "trace.h"

/* ---- trees of any size ------------------------------------------------------------------- */

/* Leaves are taken in blocks of 4,096. A full block's levels are written where they belong and
 * its root becomes a leaf of the tier above, twelve levels up. */
#define TIER_LEVELS 12u
#define TIER_LEAVES ((uint64_t)1 << TIER_LEVELS)
#define TIERS 4u /* 2^40 leaves: 12 + 12 + 12 + 4 levels */

typedef struct {
    int fd;
    const char *shown;
    vd_tree_place place;
    uint32_t tiers;
    uint8_t *leaves[TIERS]; /* [TIER_LEAVES x 32] waiting in each tier */
    uint64_t taken[TIERS];  /* leaves so far */
    uint8_t *block;         /* scratch: a tree of TIER_LEAVES leaves */
    vd_digest root;
} tree_writer;

static void tree_release(tree_writer *w)
{
    for (uint32_t k = 0; k < w->tiers; k++) ro_free(w->leaves[k]);
    ro_free(w->block);
}

static ro_status tree_start(tree_writer *w, int fd, const char *shown, const vd_tree_place *p,
                            ro_err *err)
{
    memset(w, 0, sizeof *w);
    w->fd = fd;
    w->shown = shown;
    w->place = *p;
    w->block = ro_alloc((size_t)vd_tree_size(TIER_LEAVES) * VD_DIGEST);
    int had = w->block != NULL;
    for (uint64_t n = p->leaves;; n = (n + TIER_LEAVES - 1) / TIER_LEAVES) {
        w->leaves[w->tiers] = ro_alloc(TIER_LEAVES * VD_DIGEST);
        had &= w->leaves[w->tiers++] != NULL;
        if (n <= TIER_LEAVES) break;
    }
    if (had) return RO_OK;
    tree_release(w);
    memset(w, 0, sizeof *w);
    return RO_FAIL(err, RO_ENOMEM, "no memory for the trees of %.160s", shown);
}

/* Write the levels of the last block of a tier; its root goes up. */
static ro_status tree_flush(tree_writer *w, uint32_t tier, ro_err *err)
{
    uint64_t n = w->place.leaves, first = (w->taken[tier] - 1) / TIER_LEAVES * TIER_LEAVES;
    uint64_t count = w->taken[tier] - first;
    uint32_t levels = tier + 1 < w->tiers ? TIER_LEVELS : vd_tree_levels(n) - tier * TIER_LEVELS;
    memcpy(w->block, w->leaves[tier], (size_t)count * VD_DIGEST);
    vd_tree_build(w->place.kind, w->block, count, w->root.b);
    for (uint32_t k = 0; k < levels; k++) {
        /* Above its own root a short block is promoted: one hash a level. */
        int own = k < vd_tree_levels(count);
        const uint8_t *from = own ? w->block + vd_tree_node_offset(count, k, 0) * VD_DIGEST
                                  : w->root.b;
        uint64_t hashes = own ? (count + (UINT64_C(1) << k) - 1) >> k : 1;
        uint64_t at = vd_tree_node_offset(n, tier * TIER_LEVELS + k, first >> k);
        RO_TRY(vd_fs_write(w->fd, from, hashes * VD_DIGEST, w->place.at + at * VD_DIGEST, w->shown,
                           err));
    }
    return RO_OK;
}

static ro_status tree_append(tree_writer *w, const uint8_t leaf[VD_DIGEST], ro_err *err)
{
    vd_digest up;
    memcpy(up.b, leaf, VD_DIGEST);
    for (uint32_t tier = 0; tier < w->tiers; tier++) {
        memcpy(w->leaves[tier] + w->taken[tier] % TIER_LEAVES * VD_DIGEST, up.b, VD_DIGEST);
        w->taken[tier]++;
        if (w->taken[tier] % TIER_LEAVES || tier + 1 == w->tiers) return RO_OK;
        RO_TRY(tree_flush(w, tier, err));
        up = w->root;
    }
    return RO_OK;
}

/* All leaves are there: write what waits, from the lowest tier up. */
static ro_status tree_finish(tree_writer *w, ro_err *err)
{
    RO_ASSERT(w->taken[0] == w->place.leaves && w->place.leaves);
    for (uint32_t tier = 0; tier < w->tiers; tier++) {
        int last = tier + 1 == w->tiers;
        if (!last && w->taken[tier] % TIER_LEAVES == 0) continue;
        RO_TRY(tree_flush(w, tier, err));
        if (last) break;
        memcpy(w->leaves[tier + 1] + w->taken[tier + 1] % TIER_LEAVES * VD_DIGEST, w->root.b,
               VD_DIGEST);
        w->taken[tier + 1]++;
    }
    return RO_OK;
}

/* ---- opening ----------------------------------------------------------------------------- */

struct vd_writer {
    ro_arena *arena;
    const vd_job *job;
    vd_layout layout;
    const char *shown, *partial, *name; /* PATH.partial; its last part; the final last part */
    int dir, fd;
    uint64_t done; /* covered steps whose records are complete */
    vd_digest trace_root;
    uint8_t *job_bytes;
    uint8_t *record;       /* one step's */
    uint8_t *leaves;       /* node leaf hashes of a step */
    vd_digest *descriptors;
    uint32_t *first_node;  /* [phase_count] of its descriptors */
    vd_frontier outputs;   /* of the segment that is being written (checkpoint) */
    ro_status failed;      /* a write failed: nothing more is written */
};

/* The largest number of covered steps whose records lie within `bytes`. */
static uint64_t complete_steps(const vd_layout *l, uint64_t bytes)
{
    uint64_t low = 0, high = l->count;
    while (low < high) {
        uint64_t mid = high - (high - low) / 2;
        if (vd_layout_records(l, mid) <= bytes)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

/* Take the outputs of the segment that step `done` continues back into the frontier. */
static ro_status restore_segment(vd_writer *w, ro_err *err)
{
    vd_frontier_init(&w->outputs, VD_TREE_OUTPUTS);
    if (w->layout.full) return RO_OK;
    for (uint64_t s = w->done / w->job->segment * w->job->segment; s < w->done; s++) {
        vd_digest d;
        RO_TRY(vd_fs_read(w->fd, d.b, VD_DIGEST, vd_layout_step(&w->layout, s), w->shown, err));
        vd_leaf_hash(VD_TREE_OUTPUTS, d.b, VD_DIGEST, d.b);
        vd_frontier_append(&w->outputs, d.b);
    }
    return RO_OK;
}

/* Keep the records of the first `steps` covered steps. */
static ro_status cut(vd_writer *w, uint64_t steps, ro_err *err)
{
    w->done = steps;
    RO_TRY(vd_fs_truncate(w->fd, vd_layout_step(&w->layout, steps), w->shown, err));
    return restore_segment(w, err);
}

static ro_status write_header(vd_writer *w, uint64_t size, ro_err *err)
{
    uint8_t header[VD_TRACE_HEADER_BYTES];
    vd_layout_header(&w->layout, size, header);
    return vd_fs_write(w->fd, header, sizeof header, 0, w->shown, err);
}

static ro_status start_afresh(vd_writer *w, ro_err *err)
{
    static const uint8_t zeros[64] = {0};
    uint64_t end = VD_TRACE_HEADER_BYTES + w->layout.job_bytes;
    w->done = 0;
    RO_TRY(vd_fs_truncate(w->fd, 0, w->shown, err));
    RO_TRY(write_header(w, 0, err));
    RO_TRY(vd_fs_write(w->fd, w->job_bytes, w->layout.job_bytes, VD_TRACE_HEADER_BYTES, w->shown,
                       err));
    return vd_fs_write(w->fd, zeros, w->layout.records - end, end, w->shown, err);
}

/* Whether the bytes before the records are what this writer puts there: the header with file
 * size 0, or with its final size when the process ended just before the rename. */
static ro_status same_beginning(vd_writer *w, int *same, ro_err *err)
{
    uint8_t want[VD_TRACE_HEADER_BYTES], final[VD_TRACE_HEADER_BYTES];
    uint64_t end = VD_TRACE_HEADER_BYTES + w->layout.job_bytes;
    uint8_t *have = ro_alloc(w->layout.records);
    if (!have) return RO_FAIL(err, RO_ENOMEM, "no memory to continue %.160s", w->shown);
    vd_layout_header(&w->layout, 0, want);
    vd_layout_header(&w->layout, w->layout.size, final);
    ro_status status = vd_fs_read(w->fd, have, w->layout.records, 0, w->shown, err);
    if (!status)
        *same = (memcmp(have, want, sizeof want) == 0 || memcmp(have, final, sizeof final) == 0) &&
                memcmp(have + VD_TRACE_HEADER_BYTES, w->job_bytes, w->layout.job_bytes) == 0 &&
                vd_all_zero(have + end, w->layout.records - end);
    ro_free(have);
    return status;
}

/* A file too short for its header and job has no step to lose; it must still be one of ours. */
static ro_status is_own_beginning(vd_writer *w, uint64_t size, int *own, ro_err *err)
{
    uint8_t have[8], want[VD_TRACE_HEADER_BYTES];
    uint64_t n = size < sizeof have ? size : sizeof have;
    vd_layout_header(&w->layout, 0, want);
    RO_TRY(vd_fs_read(w->fd, have, n, 0, w->shown, err));
    *own = memcmp(have, want, n) == 0 || vd_all_zero(have, n);
    return RO_OK;
}

static ro_status pick_up(vd_writer *w, ro_err *err)
{
    uint64_t size;
    int ours = 0;
    RO_TRY(vd_fs_size(w->fd, &size, w->shown, err));
    if (size < w->layout.records) {
        RO_TRY(is_own_beginning(w, size, &ours, err));
        if (ours) return start_afresh(w, err);
    } else {
        RO_TRY(same_beginning(w, &ours, err));
    }
    if (!ours)
        return RO_FAIL(err, RO_EDIFFER, "%.160s is there and does not belong to this job; move it "
                       "away", w->shown);
    RO_TRY(write_header(w, 0, err));
    return cut(w, complete_steps(&w->layout, size - w->layout.records), err);
}

static ro_status prepare_nodes(vd_writer *w, ro_err *err)
{
    const vd_job *j = w->job;
    uint32_t nodes = 0, most = 1;
    uint64_t record = VD_DIGEST + VD_SEGMENT_LEAF_BYTES;
    if (w->layout.full) {
        w->first_node = ro_arena_alloc(w->arena, j->phase_count * sizeof *w->first_node);
        if (!w->first_node) return RO_FAIL(err, RO_ENOMEM, "no memory to write %.160s", w->shown);
        for (uint32_t p = 0; p < j->phase_count; p++) {
            uint32_t n = j->phases[p].graph->node_count;
            w->first_node[p] = nodes;
            nodes += n;
            most = n > most ? n : most;
            uint64_t bytes = w->layout.phases[p].node_at[n];
            record = bytes > record ? bytes : record;
        }
    }
    w->record = ro_arena_alloc(w->arena, record);
    w->leaves = ro_arena_alloc(w->arena, (size_t)most * VD_DIGEST);
    w->descriptors = ro_arena_alloc(w->arena, ((size_t)nodes + 1) * sizeof *w->descriptors);
    if (!w->record || !w->leaves || !w->descriptors)
        return RO_FAIL(err, RO_ENOMEM, "no memory to write %.160s", w->shown);
    for (uint32_t p = 0, at = 0; w->layout.full && p < j->phase_count; p++)
        for (uint32_t i = 0; i < j->phases[p].graph->node_count; i++)
            w->descriptors[at++] = vd_node_descriptor(j->phases[p].graph, i);
    return RO_OK;
}

static ro_status check_absent(const vd_writer *w, const char *path, ro_err *err)
{
    if (faccessat(w->dir, w->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return RO_FAIL(err, RO_EUSAGE, "%.160s exists; traces are never overwritten", path);
    return RO_OK;
}

static ro_status name_files(vd_writer *w, const char *path, ro_err *err)
{
    static const char END[] = ".partial";
    size_t n = strlen(path);
    const char *base;
    char *shown = ro_arena_alloc(w->arena, n + sizeof END);
    if (!shown) return RO_FAIL(err, RO_ENOMEM, "no memory for the name of a trace");
    memcpy(shown, path, n);
    memcpy(shown + n, END, sizeof END);
    w->shown = shown;
    RO_TRY(vd_fs_folder_of(path, &w->dir, &base, err));
    w->partial = shown + (base - path);
    w->name = ro_arena_string(w->arena, base, strlen(base));
    if (!w->name) return RO_FAIL(err, RO_ENOMEM, "no memory for the name of a trace");
    return check_absent(w, path, err);
}

static ro_status writer_start(vd_writer *w, const char *path, int64_t segment, ro_err *err)
{
    int fresh = 0;
    uint64_t size;
    RO_TRY(name_files(w, path, err));
    RO_TRY(vd_job_encode(w->job, w->arena, &w->job_bytes, &size, err));
    RO_TRY(vd_layout_make(w->arena, w->job, size, segment, &w->layout, err));
    RO_TRY(prepare_nodes(w, err));
    RO_TRY(vd_fs_lock(w->dir, w->partial, w->shown, 0, &w->fd, &fresh, err));
    vd_frontier_init(&w->outputs, VD_TREE_OUTPUTS);
    if (!fresh) return pick_up(w, err);
    ro_status status = start_afresh(w, err);
    if (status) (void)unlinkat(w->dir, w->partial, 0); /* it says nothing */
    return status;
}

ro_status vd_writer_open(const char *path, const vd_job *j, int64_t segment,
                         const vd_digest *trace_root, vd_writer **out, uint64_t *done, ro_err *err)
{
    ro_arena *a = ro_arena_new();
    vd_writer *w = a ? ro_arena_alloc(a, sizeof *w) : NULL;
    if (!w) {
        ro_arena_free(a);
        return RO_FAIL(err, RO_ENOMEM, "no memory to write %.160s", path);
    }
    w->arena = a;
    w->job = j;
    w->dir = w->fd = -1;
    if (trace_root) w->trace_root = *trace_root;
    RO_ASSERT(segment < 0 || trace_root);
    ro_status status = writer_start(w, path, segment, err);
    if (status) {
        vd_writer_free(w);
        return status;
    }
    *out = w;
    *done = w->done;
    return RO_OK;
}

void vd_writer_free(vd_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    if (w->dir >= 0) close(w->dir);
    ro_arena_free(w->arena);
}

/* ---- steps ------------------------------------------------------------------------------- */

ro_status vd_writer_rewind(vd_writer *w, uint64_t steps, ro_err *err)
{
    if (w->failed) return RO_FAIL(err, w->failed, "an earlier write to %.160s failed", w->shown);
    if (steps > w->done)
        return RO_FAIL(err, RO_EUSAGE, "%.160s has %llu steps; it cannot be taken back to %llu",
                       w->shown, (unsigned long long)w->done, (unsigned long long)steps);
    w->failed = cut(w, steps, err);
    return w->failed;
}

int vd_writer_state(const vd_writer *w, uint64_t global, vd_digest *state)
{
    const vd_layout *l = &w->layout;
    uint64_t number = global - l->first, at;
    if (global < l->first || number >= w->done) return 0;
    if (l->full) {
        at = vd_layout_step(l, number) + 28;
    } else {
        if ((number + 1) % w->job->segment && number + 1 < l->count) return 0;
        at = vd_layout_segment(l, number / w->job->segment) + 24;
    }
    ro_err why = {RO_OK, {0}};
    return vd_fs_read(w->fd, state->b, VD_DIGEST, at, w->shown, &why) == RO_OK;
}

static size_t full_record(vd_writer *w, const vd_digest *state, const vd_digest *outputs,
                          const vd_digest *digests)
{
    uint64_t global = w->layout.first + w->done;
    vd_place at = vd_job_locate(w->job, global);
    const ro_graph *g = w->job->phases[at.phase].graph;
    const uint32_t *node_at = w->layout.phases[at.phase].node_at;
    vd_step_leaf leaf = {at.repeat, at.phase, at.step, global, *state, *outputs, {{0}}};
    for (uint32_t i = 0; i < g->node_count; i++) {
        uint32_t inputs = vd_node_inputs(&g->nodes[i]), outs = g->nodes[i].outputs;
        vd_node_leaf n = {global, i, w->descriptors[w->first_node[at.phase] + i], inputs, outs,
                          digests, digests + inputs};
        vd_node_leaf_encode(&n, w->record + node_at[i]);
        digests += inputs + outs;
    }
    vd_node_leaf_hashes(&w->layout, at.phase, w->record, w->leaves);
    vd_tree_root(VD_TREE_NODES, w->leaves, g->node_count, leaf.nodes.b);
    vd_step_leaf_encode(&leaf, w->record);
    return node_at[g->node_count];
}

static size_t checkpoint_record(vd_writer *w, const vd_digest *state, const vd_digest *outputs)
{
    vd_digest leaf;
    memcpy(w->record, outputs->b, VD_DIGEST);
    vd_leaf_hash(VD_TREE_OUTPUTS, outputs->b, VD_DIGEST, leaf.b);
    vd_frontier_append(&w->outputs, leaf.b);
    if ((w->done + 1) % w->job->segment && w->done + 1 < w->layout.count) return VD_DIGEST;
    RO_ASSERT(state);
    vd_segment_leaf s;
    s.index = w->done / w->job->segment;
    vd_job_segment(w->job, s.index, &s.first, &s.count);
    s.state = *state;
    vd_frontier_root(&w->outputs, s.outputs.b);
    vd_frontier_init(&w->outputs, VD_TREE_OUTPUTS);
    return VD_DIGEST + vd_segment_leaf_encode(&s, w->record + VD_DIGEST);
}

ro_status vd_writer_step(vd_writer *w, const vd_digest *state, const vd_digest *outputs,
                         const vd_digest *digests, ro_err *err)
{
    if (w->failed) return RO_FAIL(err, w->failed, "an earlier write to %.160s failed", w->shown);
    RO_ASSERT(w->done < w->layout.count);
    RO_ASSERT(!w->layout.full || state);
    size_t n = w->layout.full ? full_record(w, state, outputs, digests)
                              : checkpoint_record(w, state, outputs);
    uint64_t at = vd_layout_step(&w->layout, w->done);
    w->failed = vd_fs_write(w->fd, w->record, n, at, w->shown, err);
    if (!w->failed) w->done++;
    return w->failed;
}

ro_status vd_writer_sync(vd_writer *w, ro_err *err)
{
    if (w->failed) return RO_FAIL(err, w->failed, "an earlier write to %.160s failed", w->shown);
    /* After a failed sync the system may have dropped what was written: no second chance. */
    w->failed = vd_fs_sync(w->fd, w->shown, err);
    return w->failed;
}

/* ---- the end ----------------------------------------------------------------------------- */

typedef struct { tree_writer first, second; int two; vd_digest last_state; } both_trees;

/* Leaves of a covered step: of the step tree (or, at a segment's end, of the segment tree) and of
 * the outputs tree. */
static ro_status append_step(vd_writer *w, both_trees *b, uint64_t s, ro_err *err)
{
    uint8_t leaf[VD_STEP_LEAF_BYTES], hash[VD_DIGEST];
    const vd_layout *l = &w->layout;
    uint64_t size = l->full ? VD_STEP_LEAF_BYTES : VD_DIGEST;
    RO_TRY(vd_fs_read(w->fd, leaf, size, vd_layout_step(l, s), w->shown, err));
    if (b->two) {
        vd_leaf_hash(VD_TREE_OUTPUTS, l->full ? leaf + 60 : leaf, VD_DIGEST, hash);
        RO_TRY(tree_append(&b->second, hash, err));
    }
    if (l->full) {
        vd_leaf_hash(VD_TREE_STEPS, leaf, VD_STEP_LEAF_BYTES, hash);
        memcpy(b->last_state.b, leaf + 28, VD_DIGEST);
        return tree_append(&b->first, hash, err);
    }
    if ((s + 1) % l->job->segment && s + 1 < l->count) return RO_OK;
    RO_TRY(vd_fs_read(w->fd, leaf, VD_SEGMENT_LEAF_BYTES,
                      vd_layout_segment(l, s / l->job->segment), w->shown, err));
    vd_leaf_hash(VD_TREE_SEGMENTS, leaf, VD_SEGMENT_LEAF_BYTES, hash);
    memcpy(b->last_state.b, leaf + 24, VD_DIGEST);
    return tree_append(&b->first, hash, err);
}

static ro_status write_trees(vd_writer *w, vd_records_end *end, ro_err *err)
{
    both_trees b;
    vd_tree_place p;
    memset(&b, 0, sizeof b);
    RO_ASSERT(vd_layout_tree(&w->layout, 0, &p));
    RO_TRY(tree_start(&b.first, w->fd, w->shown, &p, err));
    ro_status status = RO_OK;
    b.two = vd_layout_tree(&w->layout, 1, &p);
    if (b.two) status = tree_start(&b.second, w->fd, w->shown, &p, err);
    for (uint64_t s = 0; !status && s < w->layout.count; s++) status = append_step(w, &b, s, err);
    if (!status) status = tree_finish(&b.first, err);
    if (!status && b.two) status = tree_finish(&b.second, err);
    end->tree = b.first.root;
    end->outputs = b.second.root;
    end->last_state = b.last_state;
    tree_release(&b.first);
    tree_release(&b.second);
    return status;
}

static ro_status write_trailer(vd_writer *w, const vd_records_end *end, const vd_key *key,
                               const char *backend, vd_digest *root, ro_err *err)
{
    uint8_t trailer[VD_TRAILER_BYTES] = {0}, bytes[VD_SIGNED_BYTES];
    vd_layout_body(&w->layout, end, &w->trace_root, trailer, root);
    memcpy(trailer + VD_TRAILER_ROOT, root->b, VD_DIGEST);
    memcpy(trailer + VD_TRAILER_BACKEND, backend, strlen(backend));
    if (key) {
        vd_signed_bytes(w->layout.claim, (const char *)trailer + VD_TRAILER_BACKEND, root, bytes);
        RO_TRY(vd_sign(key, bytes, sizeof bytes, trailer + VD_TRAILER_SIGNATURE, err));
        memcpy(trailer + VD_TRAILER_KEY, vd_key_public(key), VD_DIGEST);
        vd_put_le(trailer + VD_TRAILER_SIGNED, 1, 4);
    }
    return vd_fs_write(w->fd, trailer, sizeof trailer, w->layout.trailer, w->shown, err);
}

static ro_status check_backend(const char *backend, ro_err *err)
{
    size_t n = strnlen(backend, VD_BACKEND_BYTES);
    int printable = n > 0 && n < VD_BACKEND_BYTES;
    for (size_t k = 0; k < n; k++) printable &= backend[k] >= 0x20 && backend[k] < 0x7f;
    if (!printable)
        return RO_FAIL(err, RO_EUSAGE, "a backend is named by 1 to %u printable ASCII characters",
                       VD_BACKEND_BYTES - 1);
    return RO_OK;
}

static ro_status finish(vd_writer *w, const vd_key *key, const char *backend, vd_digest *root,
                        ro_err *err)
{
    vd_records_end end;
    RO_TRY(write_trees(w, &end, err));
    RO_TRY(write_trailer(w, &end, key, backend, root, err));
    RO_TRY(write_header(w, w->layout.size, err));
    return vd_fs_publish(w->fd, w->dir, w->partial, w->name, w->shown, err);
}

ro_status vd_writer_finish(vd_writer *w, const vd_key *key, const char *backend, vd_digest *root,
                           ro_err *err)
{
    if (w->failed) return RO_FAIL(err, w->failed, "an earlier write to %.160s failed", w->shown);
    if (w->done != w->layout.count)
        return RO_FAIL(err, RO_EUSAGE, "%.160s has %llu of %llu steps; it cannot be finished",
                       w->shown, (unsigned long long)w->done, (unsigned long long)w->layout.count);
    RO_TRY(check_backend(backend, err));
    RO_TRY(check_absent(w, w->name, err));
    w->failed = finish(w, key, backend, root, err);
    if (w->failed) return w->failed;
    w->failed = RO_EUSAGE; /* the file has its final name: nothing may follow */
    return RO_OK;
}
