/* test_trace.c - trace files: what is written is read, what is altered is refused, what is
 * interrupted is picked up in the same bytes.
 *
 * Names carry the threat of docs/THREATS.md that they test. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "small_job.h"

typedef struct { ro_arena *arena; vd_job *job; char *folder; ro_err err; } fixture;

static fixture set_up(uint64_t repeats, uint64_t steps, uint32_t segment)
{
    fixture f;
    memset(&f, 0, sizeof f);
    f.arena = ro_arena_new();
    must(small_job(f.arena, repeats, steps, segment, 0, &f.job, &f.err), &f.err);
    f.folder = strdup(small_folder());
    return f;
}

static void tear_down(fixture *f)
{
    remove_folder(f->folder);
    free(f->folder);
    ro_arena_free(f->arena);
}

#define PATH(f, name) in_folder((f).folder, name)

/* ---- round trips ---------------------------------------------------------------------------- */

static void check_step(const vd_trace *t, const small_run *r, int full)
{
    uint64_t s = r->steps - 1;
    const vd_job *j = vd_trace_job(t);
    vd_place at = vd_job_locate(j, s);
    cr_assert(vd_digest_equal(vd_trace_outputs_digest(t, s), &r->outputs));
    if (!full) {
        cr_assert_null(vd_trace_step_leaf(t, s));
        return;
    }
    vd_step_leaf l;
    vd_step_leaf_decode(vd_trace_step_leaf(t, s), &l);
    cr_assert(l.repeat == at.repeat && l.phase == at.phase && l.step == at.step && l.global == s);
    cr_assert(vd_digest_equal(&l.state, &r->state));
    cr_assert(vd_digest_equal(&l.outputs, &r->outputs));
    const ro_graph *g = j->phases[at.phase].graph;
    const vd_digest *d = r->digests;
    for (uint32_t i = 0; i < g->node_count; i++) {
        vd_node_leaf n;
        size_t size;
        ro_err err = {0};
        const uint8_t *bytes = vd_trace_node_leaf(t, s, i, &size);
        must(vd_node_leaf_decode(bytes, size, &n, &err), &err);
        vd_digest want = vd_node_descriptor(g, i);
        cr_assert(n.global == s && n.node == i && vd_digest_equal(&n.descriptor, &want));
        cr_assert(n.inputs == g->nodes[i].inputs && n.outputs == g->nodes[i].outputs);
        cr_assert_eq(memcmp(n.in, d, n.inputs * VD_DIGEST), 0);
        cr_assert_eq(memcmp(n.out, d + n.inputs, n.outputs * VD_DIGEST), 0);
        d += n.inputs + n.outputs;
    }
    size_t size;
    cr_assert_null(vd_trace_node_leaf(t, s, g->node_count, &size));
}

static void round_trip(uint64_t repeats, uint64_t steps, uint32_t segment)
{
    fixture f = set_up(repeats, steps, segment);
    vd_trace *t = NULL;
    vd_digest root;
    small_run r;
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    must(vd_trace_open(PATH(f, "a"), &t, &f.err), &f.err);
    cr_assert(vd_digest_equal(vd_trace_get_root(t), &root));
    cr_assert(vd_digest_equal(&vd_trace_job(t)->digest, &f.job->digest));
    cr_assert_str_eq(vd_trace_backend(t), "cpu test");
    cr_assert_null(vd_trace_key(t));
    cr_assert(!vd_trace_signature_checked(t));
    must(vd_trace_verify(t, &f.err), &f.err);
    small_begin(&r, f.job);
    while (r.steps < f.job->steps) {
        small_advance(&r);
        check_step(t, &r, segment == 0);
    }
    const vd_trace_body *b = vd_trace_get_body(t);
    cr_assert(vd_digest_equal(&b->last_state, &r.state));
    cr_assert(vd_digest_equal(&b->first_state, &f.job->first_state));
    cr_assert_eq(b->steps, f.job->steps);
    int tree = segment ? VD_TREE_SEGMENTS : VD_TREE_STEPS;
    uint32_t top = vd_tree_levels(vd_trace_leaves(t, tree, 0)) - 1;
    cr_assert(vd_digest_equal(vd_trace_tree(t, tree, top, 0), &b->tree));
    cr_assert_null(vd_trace_tree(t, tree, top, 1));
    cr_assert_null(vd_trace_tree(t, tree, top + 1, 0));
    cr_assert_null(vd_trace_tree(t, VD_TREE_NODES, 0, 0));
    cr_assert_null(vd_trace_outputs_digest(t, f.job->steps));
    cr_assert_null(vd_trace_step_leaf(t, UINT64_MAX));
    cr_assert_null(vd_trace_segment_leaf(t, vd_job_segments(f.job)));
    vd_trace_close(t);
    tear_down(&f);
}

Test(trace, round_trips)
{
    round_trip(1, 1, 0);
    round_trip(1, 4, 0);
    round_trip(3, 5, 0);
    round_trip(1, 1, 1);
    round_trip(2, 3, 3);
    round_trip(2, 3, 4);
    round_trip(2, 3, 4096);
    round_trip(1, 63, 7);
}

/* More leaves than one block of the streaming tree writer, at its edges. */
Test(trace, trees_over_several_blocks, .timeout = 60)
{
    static const uint64_t sizes[] = {4095, 4096, 4097, 8192, 8193};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) round_trip(1, sizes[k] - 1, 1);
}

Test(trace, segment_claims)
{
    fixture f = set_up(2, 3, 3);
    vd_digest root, claim_root, got;
    vd_trace *t = NULL;
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    for (int64_t s = 0; s < 3; s++) {
        char name[32];
        uint64_t first, count, segment, number;
        snprintf(name, sizeof name, "s%d", (int)s);
        must(small_trace(PATH(f, name), f.job, s, &root, NULL, &claim_root, &f.err), &f.err);
        must(vd_trace_open(PATH(f, name), &t, &f.err), &f.err);
        cr_assert(vd_trace_is_segment(t, &got, &segment) && segment == (uint64_t)s);
        cr_assert(vd_digest_equal(&got, &root));
        cr_assert(vd_digest_equal(vd_trace_get_root(t), &claim_root));
        cr_assert_null(vd_trace_get_body(t));
        vd_trace_steps(t, &first, &number);
        vd_job_segment(f.job, (uint64_t)s, &first, &count);
        cr_assert(number == count && vd_trace_get_claim(t)->steps == count);
        small_run r;
        small_begin(&r, f.job);
        while (r.steps < first + count) {
            small_advance(&r);
            if (r.steps > first) check_step(t, &r, 1);
        }
        if (first) cr_assert_null(vd_trace_step_leaf(t, first - 1));
        cr_assert_null(vd_trace_step_leaf(t, first + count));
        must(vd_trace_verify(t, &f.err), &f.err);
        vd_trace_close(t);
    }
    vd_writer *w;
    uint64_t done;
    cr_assert_eq(vd_writer_open(PATH(f, "s3"), f.job, 3, &root, &w, &done, &f.err), RO_EUSAGE);
    tear_down(&f);
}

Test(trace, answers_hash_up)
{
    fixture f = set_up(5, 12, 0);
    vd_digest root;
    vd_trace *t = NULL;
    static uint8_t out[VD_DESCEND_MAX * VD_DIGEST];
    uint32_t count;
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    must(vd_trace_open(PATH(f, "a"), &t, &f.err), &f.err);
    const vd_trace_body *b = vd_trace_get_body(t);
    for (uint32_t depth = 0; depth <= VD_DESCEND_DEPTH_MAX; depth++) {
        must(vd_trace_descend(t, VD_TREE_STEPS, 0, 0, 65, depth, out, &count, &f.err), &f.err);
        cr_assert(vd_descend_verify(VD_TREE_STEPS, 0, 65, depth, out, count, b->tree.b));
        must(vd_trace_descend(t, VD_TREE_OUTPUTS, 0, 0, 65, depth, out, &count, &f.err), &f.err);
        cr_assert(vd_descend_verify(VD_TREE_OUTPUTS, 0, 65, depth, out, count, b->outputs.b));
        for (uint64_t s = 0; s < 65; s++) {
            vd_step_leaf l;
            uint64_t n = vd_trace_leaves(t, VD_TREE_NODES, s);
            vd_step_leaf_decode(vd_trace_step_leaf(t, s), &l);
            must(vd_trace_descend(t, VD_TREE_NODES, s, 0, n, depth, out, &count, &f.err), &f.err);
            cr_assert(vd_descend_verify(VD_TREE_NODES, 0, n, depth, out, count, l.nodes.b));
        }
    }
    cr_assert_eq(vd_trace_descend(t, VD_TREE_STEPS, 0, 1, 3, 1, out, &count, &f.err), RO_EUSAGE);
    f.err.code = RO_OK;
    cr_assert_eq(vd_trace_descend(t, VD_TREE_STEPS, 0, 0, 65, 13, out, &count, &f.err), RO_EUSAGE);
    f.err.code = RO_OK;
    cr_assert_eq(vd_trace_descend(t, VD_TREE_SEGMENTS, 0, 0, 1, 1, out, &count, &f.err),
                 RO_ENOTFOUND);
    f.err.code = RO_OK;
    cr_assert_eq(vd_trace_descend(t, VD_TREE_NODES, 65, 0, 1, 1, out, &count, &f.err),
                 RO_ENOTFOUND);
    vd_trace_close(t);
    tear_down(&f);
}
