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

#include "../verde/bytes.h"
#include "../verde/files.h"
#include "small_job.h"

#ifndef VD_TESTS_DIR
#define VD_TESTS_DIR "tests"
#endif

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

/* ---- round trips ------------------------------------------------------------------------- */

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

/* ---- bad bytes --------------------------------------------------------------------------- */

/* Open altered bytes as a file: some failure with a sentence, never success. */
static void refused(const char *path, const uint8_t *bytes, size_t size, size_t at)
{
    vd_trace *t = NULL;
    ro_err err = {0};
    small_put(path, bytes, size);
    ro_status status = vd_trace_open(path, &t, &err);
    cr_assert_neq(status, RO_OK, "accepted with byte %zu of %zu altered", at, size);
    cr_assert(err.code == status && strlen(err.msg) > 10, "no sentence at %zu", at);
    cr_assert(status == RO_EFORMAT || status == RO_EDIFFER || status == RO_ELIMIT ||
                  status == RO_ESHAPE || status == RO_ETYPE || status == RO_EOP ||
                  status == RO_ESIGNATURE || status == RO_EATTR || status == RO_EUSAGE,
              "status %s at %zu: %s", ro_status_name(status), at, err.msg);
}

static uint8_t *one_trace(fixture *f, int64_t segment, const vd_key *key, size_t *size)
{
    vd_digest root, claim;
    must(small_trace(PATH(*f, "a"), f->job, -1, NULL, key, &root, &f->err), &f->err);
    if (segment >= 0)
        must(small_trace(PATH(*f, "s"), f->job, segment, &root, key, &claim, &f->err), &f->err);
    return small_read(PATH(*f, segment >= 0 ? "s" : "a"), size);
}

static void truncate_everywhere(uint32_t segment, int64_t claim)
{
    fixture f = set_up(1, 1, segment);
    size_t size;
    uint8_t *bytes = one_trace(&f, claim, NULL, &size);
    for (size_t n = 0; n < size; n++) refused(PATH(f, "t"), bytes, n, n);
    uint8_t *longer = realloc(bytes, size + 1);
    longer[size] = 0;
    refused(PATH(f, "t"), longer, size + 1, size);
    free(longer);
    tear_down(&f);
}

Test(trace, test_T52_truncated_full, .timeout = 120) { truncate_everywhere(0, -1); }
Test(trace, test_T52_truncated_checkpoint, .timeout = 120) { truncate_everywhere(2, -1); }
Test(trace, test_T52_truncated_claim, .timeout = 120) { truncate_everywhere(2, 0); }

/* Numbers of `width` bytes at `at` are set to 0, their largest, and one more and less. */
static void change_field(const char *path, uint8_t *bytes, size_t size, size_t at, size_t width)
{
    uint8_t kept[8];
    uint64_t v = 0;
    memcpy(kept, bytes + at, width);
    for (size_t k = 0; k < width; k++) v |= (uint64_t)kept[k] << (8 * k);
    uint64_t tried[] = {0, UINT64_MAX, v + 1, v - 1, UINT64_C(1) << (8 * width - 1), v ^ 0x80};
    for (size_t n = 0; n < sizeof tried / sizeof *tried; n++) {
        for (size_t k = 0; k < width; k++) bytes[at + k] = (uint8_t)(tried[n] >> (8 * k));
        if (memcmp(bytes + at, kept, width) != 0) refused(path, bytes, size, at);
    }
    memcpy(bytes + at, kept, width);
}

/* Every field of header, job and trailer; a signature makes the trailer's a matter of OpenSSL. */
static void change_fields(uint32_t segment, int64_t claim, const char *key_path)
{
    fixture f = set_up(2, 3, segment);
    vd_key *key = NULL;
    size_t size;
    if (key_path) {
        must(vd_key_new(PATH(f, key_path), &f.err), &f.err);
        must(vd_key_load(PATH(f, key_path), &key, &f.err), &f.err);
    }
    uint8_t *bytes = one_trace(&f, claim, key, &size);
    static const uint8_t widths[] = {4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8};
    size_t at = 0, records = 0;
    for (size_t k = 0; k < sizeof widths; at += widths[k++])
        change_field(PATH(f, "t"), bytes, size, at, widths[k]);
    for (; at < 256; at++) change_field(PATH(f, "t"), bytes, size, at, 1);
    for (int k = 7; k >= 0; k--) records = records << 8 | bytes[56 + k];
    for (at = 256; at < records; at++) change_field(PATH(f, "t"), bytes, size, at, 1);
    for (at = size - 480; at < size; at++) {
        size_t in = at - (size - 480);
        /* An unsigned trace says nothing of its backend but that it is printable. */
        if (!key && in >= 256 && in < 320) continue;
        change_field(PATH(f, "t"), bytes, size, at, 1);
    }
    free(bytes);
    vd_key_free(key);
    tear_down(&f);
}

Test(trace, test_T52_fields_full, .timeout = 300) { change_fields(0, -1, NULL); }
Test(trace, test_T52_fields_signed, .timeout = 300) { change_fields(0, -1, "key"); }
Test(trace, test_T52_fields_checkpoint, .timeout = 300) { change_fields(3, -1, NULL); }
Test(trace, test_T52_fields_claim, .timeout = 300) { change_fields(3, 1, "key"); }

/* Bytes of this process that lie in memory. */
static uint64_t resident(void)
{
    unsigned long all = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    cr_assert(f && fscanf(f, "%lu %lu", &all, &pages) == 2);
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A few bytes on a disk can be a file of terabytes, all of which its header calls the job. */
static void sparse(const fixture *f, const uint8_t *header, uint64_t size, uint64_t job,
                   ro_status want, const char *says)
{
    vd_trace *t = NULL;
    ro_err err = {0};
    uint8_t bytes[256];
    const char *path = PATH(*f, "sparse");
    memcpy(bytes, header, sizeof bytes);
    for (int k = 0; job && k < 8; k++) bytes[48 + k] = (uint8_t)(job >> (8 * k));
    small_put(path, bytes, sizeof bytes);
    if (truncate(path, (off_t)size) < 0 && errno == EFBIG) return; /* no such disk here */
    uint64_t before = resident();
    cr_assert_eq(vd_trace_open(path, &t, &err), want, "%s", err.msg);
    uint64_t after = resident();
    cr_assert(strstr(err.msg, says), "%s", err.msg);
    cr_assert(after < before + (1 << 20), "%llu bytes more", (unsigned long long)(after - before));
}

/* A view of a large file, read at its edges and at those of what is kept of it in one piece. */
Test(trace, views_forget_from_any_place)
{
    char *folder = strdup(small_folder());
    const char *path = in_folder(folder, "large");
    const uint64_t size = (UINT64_C(300) << 20) + 77, block = UINT64_C(128) << 20;
    const uint64_t at[] = {0, 4095, 8192, block - 1, block, 2 * block + 4096, size - 1};
    enum { PLACES = sizeof at / sizeof *at };
    vd_fs_view *v = NULL;
    ro_err err = {0};
    small_put(path, "", 0);
    cr_assert_eq(truncate(path, (off_t)size), 0);
    int fd = open(path, O_WRONLY);
    for (unsigned k = 0; k < PLACES; k++) cr_assert_eq(pwrite(fd, "x", 1, (off_t)at[k]), 1);
    for (unsigned from = 0; from < PLACES; from++) {
        must(vd_fs_view_open(path, &v, &err), &err);
        for (unsigned k = 0; k < PLACES; k++) cr_assert_eq(*vd_fs_view_at(v, at[k], 1), 'x');
        cr_assert_eq(vd_fs_view_kept(v), 6 * 4096); /* the first two lie in one window */
        for (unsigned k = 0; k < PLACES; k++) cr_assert_eq(pwrite(fd, "y", 1, (off_t)at[k]), 1);
        vd_fs_view_forget(v, at[from]);
        uint64_t begin = (at[from] + 4095) / 4096 * 4096, kept = 0;
        for (unsigned k = 1; k < PLACES; k++) kept += at[k] < begin ? 4096 : 0;
        cr_assert_eq(vd_fs_view_kept(v), kept, "%u", from);
        for (unsigned k = 0; k < PLACES; k++)
            cr_assert_eq(*vd_fs_view_at(v, at[k], 1), at[k] < begin ? 'x' : 'y', "%u %u", from, k);
        must(vd_fs_view_status(v, &err), &err);
        vd_fs_view_close(v);
        for (unsigned k = 0; k < PLACES; k++) cr_assert_eq(pwrite(fd, "x", 1, (off_t)at[k]), 1);
    }
    close(fd);
    remove_folder(folder);
    free(folder);
}

/* When these bytes of a view are asked for, the file is another one. */
static struct { uint64_t at, n, place; int fd; const uint8_t *bytes; unsigned times; } swap = {0};
const uint8_t *__real_vd_fs_view_at(vd_fs_view *v, uint64_t at, uint64_t n);
const uint8_t *__wrap_vd_fs_view_at(vd_fs_view *v, uint64_t at, uint64_t n);

const uint8_t *__wrap_vd_fs_view_at(vd_fs_view *v, uint64_t at, uint64_t n)
{
    if (swap.n == n && swap.at == at) {
        swap.times++;
        cr_assert_eq(pwrite(swap.fd, swap.bytes, VD_DIGEST, (off_t)swap.place), VD_DIGEST);
    }
    return __real_vd_fs_view_at(v, at, n);
}

/* A trace with a segment leaf that is not under its root, and a tree that has it until verifying
 * has gone over all records and forgotten that one: then the tree is the root's. */
Test(trace, test_T52_swapped_while_it_is_verified, .timeout = 60)
{
    enum { STEPS = 40000, ALTERED = 1000 }; /* many windows from the edge of records and trees */
    fixture f = set_up(1, STEPS, 1);
    size_t size;
    uint8_t *bytes = one_trace(&f, -1, NULL, &size), leaf[VD_DIGEST];
    uint64_t trees = vd_get_u64(bytes + 64), place = trees + ALTERED * VD_DIGEST;
    uint8_t *segment = bytes + vd_get_u64(bytes + 56) + VD_DIGEST /* its one step's outputs */ +
                       ALTERED * (VD_DIGEST + VD_SEGMENT_LEAF_BYTES);
    vd_trace *t = NULL;
    segment[24] ^= 1; /* the state after it, which its signer claims */
    vd_leaf_hash(VD_TREE_SEGMENTS, segment, VD_SEGMENT_LEAF_BYTES, leaf);
    small_put(PATH(f, "t"), bytes, size);
    int fd = open(PATH(f, "t"), O_RDWR);
    for (int swapped = 0; swapped < 2; swapped++) {
        f.err.code = RO_OK;
        cr_assert_eq(pwrite(fd, leaf, VD_DIGEST, (off_t)place), VD_DIGEST);
        must(vd_trace_open(PATH(f, "t"), &t, &f.err), &f.err);
        swap.at = trees;
        swap.n = swapped ? 2 * VD_DIGEST : 0; /* the second pass over the leaves asks for two */
        swap.place = place;
        swap.fd = fd;
        swap.bytes = bytes + place;
        cr_assert_eq(vd_trace_verify(t, &f.err), RO_EFORMAT, "%d", swapped);
        cr_assert(strstr(f.err.msg, "segments tree is not that of its records"), "%s", f.err.msg);
        cr_assert_eq(swap.times, (unsigned)swapped);
        vd_trace_close(t);
    }
    swap.n = 0;
    close(fd);
    free(bytes);
    tear_down(&f);
}

Test(trace, test_T52_sparse_files_take_no_memory)
{
    fixture f = set_up(1, 1, 0);
    size_t size;
    uint8_t *bytes = one_trace(&f, -1, NULL, &size);
    const uint64_t tera = UINT64_C(1) << 40, most = VD_JOB_BYTES_MAX;
    sparse(&f, bytes, most + 1000, most + 1, RO_ELIMIT, "has a job of 67108865 bytes; 67108864");
    sparse(&f, bytes, most + 1000, most + 900, RO_EFORMAT, "its job does not lie in the file");
    sparse(&f, bytes, tera, tera - 256, RO_ELIMIT, "has a job of 1099511627520 bytes");
    sparse(&f, bytes, 12 * tera, 12 * tera - 256, RO_ELIMIT, "67108864 are allowed");
    bytes[0] ^= 1;
    sparse(&f, bytes, 12 * tera, 0, RO_EFORMAT, "is not a trace");
    free(bytes);
    tear_down(&f);
}

/* Every byte of records and trees: the file opens (nothing was read), and verify finds it. */
static void verify_finds(uint32_t segment, int64_t claim)
{
    fixture f = set_up(2, 3, segment);
    size_t size, records = 0;
    uint8_t *bytes = one_trace(&f, claim, NULL, &size);
    for (int k = 7; k >= 0; k--) records = records << 8 | bytes[56 + k];
    for (size_t at = records; at < size - 480; at++) {
        vd_trace *t = NULL;
        ro_err err = {0};
        bytes[at] ^= 1;
        small_put(PATH(f, "t"), bytes, size);
        bytes[at] ^= 1;
        must(vd_trace_open(PATH(f, "t"), &t, &err), &err);
        cr_assert_eq(vd_trace_verify(t, &err), RO_EFORMAT, "byte %zu altered unseen", at);
        cr_assert(strlen(err.msg) > 10);
        vd_trace_close(t);
    }
    free(bytes);
    tear_down(&f);
}

Test(trace, test_T18_verify_full, .timeout = 300) { verify_finds(0, -1); }
Test(trace, test_T18_verify_checkpoint, .timeout = 300) { verify_finds(3, -1); }
Test(trace, test_T18_verify_claim, .timeout = 300) { verify_finds(3, 1); }

Test(trace, things_that_are_no_trace)
{
    fixture f = set_up(1, 1, 0);
    vd_trace *t = NULL;
    cr_assert_eq(vd_trace_open(PATH(f, "none"), &t, &f.err), RO_ENOTFOUND);
    f.err.code = RO_OK;
    cr_assert_eq(vd_trace_open(f.folder, &t, &f.err), RO_EFORMAT);
    f.err.code = RO_OK;
    cr_assert_eq(mkfifo(PATH(f, "pipe"), 0600), 0);
    cr_assert_eq(vd_trace_open(PATH(f, "pipe"), &t, &f.err), RO_EFORMAT);
    vd_writer *w = NULL;
    uint64_t done;
    small_run r;
    f.err.code = RO_OK;
    must(vd_writer_open(PATH(f, "a"), f.job, -1, NULL, &w, &done, &f.err), &f.err);
    small_begin(&r, f.job);
    must(small_write(w, &r, 2, 1, &f.err), &f.err);
    vd_writer_free(w);
    cr_assert_eq(vd_trace_open(PATH(f, "a.partial"), &t, &f.err), RO_EFORMAT);
    cr_assert(strstr(f.err.msg, "unfinished") || strstr(f.err.msg, "too few"), "%s", f.err.msg);
    tear_down(&f);
}

/* A job is shared with another open trace where it is the same to the byte, and only there. */
Test(trace, a_job_is_decoded_once)
{
    fixture f = set_up(1, 2, 0), other = set_up(1, 3, 0);
    vd_trace *a = NULL, *b = NULL, *c = NULL;
    vd_digest root;
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    must(small_trace(PATH(other, "c"), other.job, -1, NULL, NULL, &root, &f.err), &f.err);
    must(vd_trace_open(PATH(f, "a"), &a, &f.err), &f.err);
    must(vd_trace_open_like(PATH(f, "a"), a, &b, &f.err), &f.err);
    must(vd_trace_open_like(PATH(other, "c"), a, &c, &f.err), &f.err);
    cr_assert_eq(vd_trace_job(b), vd_trace_job(a));
    cr_assert_neq(vd_trace_job(c), vd_trace_job(a));
    cr_assert(vd_digest_equal(&vd_trace_job(c)->digest, &other.job->digest));
    must(vd_trace_verify(b, &f.err), &f.err);
    vd_trace_close(c);
    vd_trace_close(b);
    must(vd_trace_verify(a, &f.err), &f.err);
    vd_trace_close(a);
    tear_down(&other);
    tear_down(&f);
}

/* ---- resuming ---------------------------------------------------------------------------- */

static int same_file(const char *a, const char *b)
{
    size_t n, m;
    uint8_t *x = small_read(a, &n), *y = small_read(b, &m);
    int same = x && y && n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

/* A .partial cut at every byte is picked up and ends in the bytes of an uninterrupted one. */
static void resume_everywhere(uint32_t segment, int64_t claim)
{
    fixture f = set_up(2, 2, segment);
    vd_digest root, again;
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    if (claim >= 0)
        must(small_trace(PATH(f, "s"), f.job, claim, &root, NULL, &again, &f.err), &f.err);
    const char *whole = claim >= 0 ? "s" : "a";
    size_t size, records = 0;
    uint8_t *bytes = small_read(PATH(f, whole), &size);
    for (int k = 7; k >= 0; k--) records = records << 8 | bytes[56 + k];
    uint64_t last = 0;
    for (size_t n = 0; n <= size; n++) {
        vd_writer *w = NULL;
        uint64_t done;
        uint8_t kept[8];
        memcpy(kept, bytes + 80, 8);
        if (n < size) memset(bytes + 80, 0, 8); /* the file size is written last */
        small_put(PATH(f, "t.partial"), bytes, n);
        memcpy(bytes + 80, kept, 8);
        must(vd_writer_open(PATH(f, "t"), f.job, claim, &root, &w, &done, &f.err), &f.err);
        cr_assert(done >= last && (n >= records || done == 0));
        last = done;
        vd_writer_free(w);
        if (n % 97 && n < size - 3) continue; /* running on is dear: a sample */
        must(small_trace(PATH(f, "t"), f.job, claim, &root, NULL, &again, &f.err), &f.err);
        cr_assert(same_file(PATH(f, "t"), PATH(f, whole)), "cut at %zu", n);
        unlink(PATH(f, "t"));
    }
    uint64_t first = 0, count = f.job->steps;
    if (claim >= 0) vd_job_segment(f.job, (uint64_t)claim, &first, &count);
    cr_assert_eq(last, count);
    free(bytes);
    tear_down(&f);
}

Test(trace, resumes_full, .timeout = 300) { resume_everywhere(0, -1); }
Test(trace, resumes_checkpoint, .timeout = 300) { resume_everywhere(4, -1); }
Test(trace, resumes_claim, .timeout = 300) { resume_everywhere(4, 1); }

/* Rewinding to every step, and what the writer says of states. */
static void rewinds(uint32_t segment)
{
    fixture f = set_up(2, 3, segment);
    vd_digest root, again;
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    for (uint64_t to = 0; to <= f.job->steps; to++) {
        vd_writer *w = NULL;
        uint64_t done;
        small_run r;
        vd_digest state;
        must(vd_writer_open(PATH(f, "b"), f.job, -1, NULL, &w, &done, &f.err), &f.err);
        small_begin(&r, f.job);
        must(small_write(w, &r, f.job->steps, !segment, &f.err), &f.err);
        cr_assert_eq(vd_writer_rewind(w, f.job->steps + 1, &f.err), RO_EUSAGE);
        f.err.code = RO_OK;
        must(vd_writer_rewind(w, to, &f.err), &f.err);
        cr_assert(!vd_writer_state(w, to, &state));
        small_begin(&r, f.job);
        for (uint64_t s = 0; s < to; s++) {
            int recorded = !segment || (s + 1) % segment == 0 || s + 1 == f.job->steps;
            small_advance(&r);
            cr_assert_eq(vd_writer_state(w, s, &state), recorded);
            cr_assert(!recorded || vd_digest_equal(&state, &r.state));
        }
        must(small_write(w, &r, f.job->steps, !segment, &f.err), &f.err);
        must(vd_writer_sync(w, &f.err), &f.err);
        must(vd_writer_finish(w, NULL, "cpu test", &again, &f.err), &f.err);
        vd_writer_free(w);
        cr_assert(same_file(PATH(f, "a"), PATH(f, "b")), "rewound to %d", (int)to);
        unlink(PATH(f, "b"));
    }
    tear_down(&f);
}

Test(trace, rewinds_full) { rewinds(0); }
Test(trace, rewinds_checkpoint) { rewinds(3); }

Test(trace, foreign_partial_is_left_alone)
{
    fixture f = set_up(2, 3, 0);
    vd_job *other = NULL;
    vd_writer *w = NULL;
    uint64_t done;
    must(small_job(f.arena, 2, 4, 0, 0, &other, &f.err), &f.err);
    must(vd_writer_open(PATH(f, "a"), other, -1, NULL, &w, &done, &f.err), &f.err);
    vd_writer_free(w);
    cr_assert_eq(vd_writer_open(PATH(f, "a"), f.job, -1, NULL, &w, &done, &f.err), RO_EDIFFER);
    cr_assert(strstr(f.err.msg, "does not belong to this job"));
    small_put(PATH(f, "b.partial"), "my diary", 8);
    f.err.code = RO_OK;
    cr_assert_eq(vd_writer_open(PATH(f, "b"), f.job, -1, NULL, &w, &done, &f.err), RO_EDIFFER);
    small_put(PATH(f, "c"), "my diary", 8);
    f.err.code = RO_OK;
    cr_assert_eq(vd_writer_open(PATH(f, "c"), f.job, -1, NULL, &w, &done, &f.err), RO_EUSAGE);
    cr_assert(strstr(f.err.msg, "never overwritten"));
    cr_assert_eq(access(PATH(f, "c.partial"), F_OK), -1);
    tear_down(&f);
}

Test(trace, one_process_writes)
{
    fixture f = set_up(2, 3, 0);
    vd_writer *w = NULL, *second = NULL;
    uint64_t done;
    must(vd_writer_open(PATH(f, "a"), f.job, -1, NULL, &w, &done, &f.err), &f.err);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        ro_err err = {0};
        ro_status status = vd_writer_open(PATH(f, "a"), f.job, -1, NULL, &second, &done, &err);
        _exit(status == RO_EIO && strstr(err.msg, "another process") ? 0 : 1);
    }
    int code;
    cr_assert_eq(waitpid(child, &code, 0), child);
    cr_assert(WIFEXITED(code) && WEXITSTATUS(code) == 0);
    vd_writer_free(w);
    must(vd_writer_open(PATH(f, "a"), f.job, -1, NULL, &w, &done, &f.err), &f.err);
    vd_writer_free(w);
    tear_down(&f);
}

/* A process that is killed at any instant leaves what the next one finishes. */
Test(trace, survives_kill_9, .timeout = 120)
{
    fixture f = set_up(40, 24, 0);
    vd_digest root;
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    int kills = 0;
    for (int round = 0; round < 60 && (!kills || access(PATH(f, "b"), F_OK)); round++) {
        (void)unlink(PATH(f, "b")); /* on a busy machine a child may end before it is killed */
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            ro_err err = {0};
            vd_digest again;
            _exit(small_trace(PATH(f, "b"), f.job, -1, NULL, NULL, &again, &err) ? 1 : 0);
        }
        if (round) usleep((useconds_t)(round * 100)); /* the first is hit as it starts */
        kill(child, SIGKILL);
        int code;
        waitpid(child, &code, 0);
        cr_assert(WIFSIGNALED(code) || WEXITSTATUS(code) == 0);
        kills += WIFSIGNALED(code);
    }
    if (access(PATH(f, "b"), F_OK))
        must(small_trace(PATH(f, "b"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    cr_assert(kills > 0);
    cr_assert(same_file(PATH(f, "a"), PATH(f, "b")));
    tear_down(&f);
}

/* ---- faults of the machine --------------------------------------------------------------- */

/* Fail the n-th allocation, for n = 1, 2, ... until nothing fails. */
Test(trace, every_allocation_fails, .timeout = 120)
{
    fixture f = set_up(2, 3, 3);
    vd_digest root, again;
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    for (int persistent = 0; persistent < 2; persistent++) {
        uint64_t n = 1;
        for (;; n++) {
            vd_trace *t = NULL;
            ro_err err = {0};
            static uint8_t out[VD_DESCEND_MAX * VD_DIGEST];
            uint32_t count;
            ro_alloc_fail_at(n, persistent);
            ro_status status = vd_trace_open(PATH(f, "a"), &t, &err);
            if (!status) status = vd_trace_verify(t, &err);
            if (!status)
                status = vd_trace_descend(t, VD_TREE_OUTPUTS, 0, 0, 8, 3, out, &count, &err);
            ro_alloc_fail_at(0, 0);
            vd_trace_close(t);
            if (!status) break;
            cr_assert_eq(status, RO_ENOMEM, "allocation %d: %s", (int)n, err.msg);
        }
        cr_assert(n > 5);
        for (n = 1;; n++) {
            ro_err err = {0};
            ro_alloc_fail_at(n, persistent);
            ro_status status = small_trace(PATH(f, "b"), f.job, -1, NULL, NULL, &again, &err);
            ro_alloc_fail_at(0, 0);
            if (!status) break;
            cr_assert_eq(status, RO_ENOMEM, "allocation %d: %s", (int)n, err.msg);
            cr_assert_neq(access(PATH(f, "b"), F_OK), 0);
        }
        cr_assert(n > 5 && same_file(PATH(f, "a"), PATH(f, "b")));
        unlink(PATH(f, "b"));
    }
    tear_down(&f);
}

/* Files may not grow beyond n bytes, for every n: one sentence, no file under the final name,
 * and a later run with room ends in the right bytes. */
static void full_disk(uint32_t segment)
{
    fixture f = set_up(2, 1, segment);
    vd_digest root, again;
    struct rlimit limit, none = {RLIM_INFINITY, RLIM_INFINITY};
    size_t size;
    signal(SIGXFSZ, SIG_IGN);
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, NULL, &root, &f.err), &f.err);
    free(small_read(PATH(f, "a"), &size));
    for (size_t n = 0; n < size; n++) {
        ro_err err = {0};
        limit = (struct rlimit){n, RLIM_INFINITY};
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        ro_status status = small_trace(PATH(f, "b"), f.job, -1, NULL, NULL, &again, &err);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
        cr_assert_eq(status, RO_EIO, "%zu bytes: %s", n, err.msg);
        cr_assert(strstr(err.msg, "b.partial"), "%s", err.msg);
        cr_assert_neq(access(PATH(f, "b"), F_OK), 0);
        if (n % 64 == 0) unlink(PATH(f, "b.partial"));
    }
    must(small_trace(PATH(f, "b"), f.job, -1, NULL, NULL, &again, &f.err), &f.err);
    cr_assert(same_file(PATH(f, "a"), PATH(f, "b")));
    tear_down(&f);
}

Test(trace, test_T57_full_disk, .timeout = 120) { full_disk(0); }
Test(trace, test_T57_full_disk_checkpoint, .timeout = 120) { full_disk(3); }

Test(trace, places_that_cannot_be_written)
{
    fixture f = set_up(1, 1, 0);
    vd_writer *w = NULL;
    uint64_t done;
    cr_assert_eq(vd_writer_open(PATH(f, "no/a"), f.job, -1, NULL, &w, &done, &f.err),
                 RO_ENOTFOUND);
    f.err.code = RO_OK;
    cr_assert_eq(vd_writer_open(PATH(f, ""), f.job, -1, NULL, &w, &done, &f.err), RO_EUSAGE);
    f.err.code = RO_OK;
    cr_assert_eq(vd_writer_open("/proc/a", f.job, -1, NULL, &w, &done, &f.err), RO_ENOTFOUND);
    cr_assert(strstr(f.err.msg, "/proc/a.partial"), "%s", f.err.msg);
    f.err.code = RO_OK;
    cr_assert_eq(symlink("elsewhere", PATH(f, "l.partial")), 0);
    cr_assert_eq(vd_writer_open(PATH(f, "l"), f.job, -1, NULL, &w, &done, &f.err), RO_EIO);
    f.err.code = RO_OK;
    cr_assert_eq(mkdir(PATH(f, "d.partial"), 0700), 0);
    cr_assert_eq(vd_writer_open(PATH(f, "d"), f.job, -1, NULL, &w, &done, &f.err), RO_EIO);
    tear_down(&f);
}

Test(trace, finishing_too_early_or_twice)
{
    fixture f = set_up(1, 2, 0);
    vd_writer *w = NULL;
    uint64_t done;
    small_run r;
    vd_digest root;
    must(vd_writer_open(PATH(f, "a"), f.job, -1, NULL, &w, &done, &f.err), &f.err);
    small_begin(&r, f.job);
    must(small_write(w, &r, 2, 1, &f.err), &f.err);
    cr_assert_eq(vd_writer_finish(w, NULL, "cpu", &root, &f.err), RO_EUSAGE);
    f.err.code = RO_OK;
    must(small_write(w, &r, 3, 1, &f.err), &f.err);
    static const char *const backends[] = {
        "", "a\n", "\xc3\xa9", "0123456789012345678901234567890123456789012345678901234567890123"};
    for (int k = 0; k < 4; k++) {
        cr_assert_eq(vd_writer_finish(w, NULL, backends[k], &root, &f.err), RO_EUSAGE);
        f.err.code = RO_OK;
    }
    must(vd_writer_finish(w, NULL, "cpu", &root, &f.err), &f.err);
    cr_assert_eq(vd_writer_finish(w, NULL, "cpu", &root, &f.err), RO_EUSAGE);
    f.err.code = RO_OK;
    cr_assert_eq(vd_writer_rewind(w, 0, &f.err), RO_EUSAGE);
    vd_writer_free(w);
    tear_down(&f);
}

/* ---- signatures -------------------------------------------------------------------------- */

Test(trace, signed_traces)
{
    fixture f = set_up(1, 2, 2);
    vd_key *key = NULL;
    vd_trace *t = NULL;
    vd_digest root, claim;
    must(vd_key_new(PATH(f, "key"), &f.err), &f.err);
    must(vd_key_load(PATH(f, "key"), &key, &f.err), &f.err);
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, key, &root, &f.err), &f.err);
    must(small_trace(PATH(f, "s"), f.job, 0, &root, key, &claim, &f.err), &f.err);
    for (int k = 0; k < 2; k++) {
        uint8_t bytes[VD_SIGNED_BYTES];
        must(vd_trace_open(PATH(f, k ? "s" : "a"), &t, &f.err), &f.err);
        cr_assert(vd_trace_signature_checked(t));
        cr_assert_eq(memcmp(vd_trace_key(t), vd_key_public(key), 32), 0);
        vd_signed_bytes(k, vd_trace_backend(t), vd_trace_get_root(t), bytes);
        must(vd_check_signature(vd_trace_key(t), bytes, sizeof bytes, vd_trace_signature(t),
                                &f.err), &f.err);
        /* T08: a trace's signature is none for a segment, and the other way round. */
        vd_signed_bytes(!k, vd_trace_backend(t), vd_trace_get_root(t), bytes);
        cr_assert_eq(vd_check_signature(vd_trace_key(t), bytes, sizeof bytes,
                                        vd_trace_signature(t), &f.err), RO_ESIGNATURE);
        f.err.code = RO_OK;
        vd_trace_close(t);
    }
    vd_key_free(key);
    tear_down(&f);
}

/* ---- the second implementation ----------------------------------------------------------- */

static void python_agrees(uint32_t segment, int with_key)
{
    fixture f = set_up(2, 3, segment);
    vd_key *key = NULL;
    vd_digest root, claim;
    char command[20000], hex[65];
    if (with_key) {
        must(vd_key_new(PATH(f, "key"), &f.err), &f.err);
        must(vd_key_load(PATH(f, "key"), &key, &f.err), &f.err);
    }
    must(small_trace(PATH(f, "a"), f.job, -1, NULL, key, &root, &f.err), &f.err);
    vd_digest_hex(&root, hex);
    snprintf(command, sizeof command, "/usr/bin/python3 %s/formats.py '%s' %s >/dev/null",
             VD_TESTS_DIR, PATH(f, "a"), hex);
    cr_assert_eq(system(command), 0);
    if (segment) {
        must(small_trace(PATH(f, "s"), f.job, 2, &root, key, &claim, &f.err), &f.err);
        vd_digest_hex(&claim, hex);
        snprintf(command, sizeof command, "/usr/bin/python3 %s/formats.py '%s' %s >/dev/null",
                 VD_TESTS_DIR, PATH(f, "s"), hex);
        cr_assert_eq(system(command), 0);
    }
    /* It is not a program that agrees with anything. */
    snprintf(command, sizeof command, "/usr/bin/python3 %s/formats.py '%s' %064d >/dev/null 2>&1",
             VD_TESTS_DIR, PATH(f, "a"), 0);
    cr_assert_neq(system(command), 0);
    vd_key_free(key);
    tear_down(&f);
}

Test(trace, python_agrees, .timeout = 60)
{
    python_agrees(0, 0);
    python_agrees(0, 1);
    python_agrees(3, 1);
}
