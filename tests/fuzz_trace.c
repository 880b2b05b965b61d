/* fuzz_trace.c - trace files of any bytes: opened, every lookup made, verified; as a .partial,
 * picked up by a writer of the small job.
 *
 * An input's root and sizes would never come out right by chance, so where the job decodes the
 * header's sizes and the trailer's root are put right and the file is tried again: then fuzzing
 * reaches the lookups.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "../verde/trace.h"
#include "fuzz_replay.h"
#include "small_job.h"

static void look_around(const vd_trace *t)
{
    static uint8_t out[VD_DESCEND_MAX * VD_DIGEST];
    uint64_t first, count, sum = 0;
    uint32_t n;
    size_t size;
    ro_err err = {RO_OK, {0}};
    vd_trace_steps(t, &first, &count);
    uint64_t steps[] = {0, first - 1, first, first + count / 2, first + count - 1, first + count,
                        UINT64_MAX};
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        const uint8_t *p = vd_trace_step_leaf(t, steps[k]);
        if (p) sum += p[0] + p[VD_STEP_LEAF_BYTES - 1];
        for (uint32_t i = 0; i < 4; i++) {
            p = vd_trace_node_leaf(t, steps[k], i, &size);
            if (p) sum += p[0] + p[size - 1];
        }
        const vd_digest *d = vd_trace_outputs_digest(t, steps[k]);
        if (d) sum += d->b[31];
        p = vd_trace_segment_leaf(t, steps[k]);
        if (p) sum += p[VD_SEGMENT_LEAF_BYTES - 1];
        for (int tree = 0; tree < VD_TREE_KINDS; tree++) {
            uint64_t leaves = vd_trace_leaves(t, tree, steps[k]);
            d = vd_trace_tree(t, tree, (uint32_t)k, steps[k]);
            if (d) sum += d->b[31];
            if (leaves)
                must(vd_trace_descend(t, tree, steps[k], 0, leaves, (uint32_t)k, out, &n, &err),
                     &err);
        }
    }
    if (vd_trace_verify(t, &err) && !err.msg[0]) abort();
    if (sum == 1) puts(""); /* the reads are not for nothing */
}

static void open_bytes(const uint8_t *data, size_t size)
{
    char path[64];
    vd_trace *t = NULL;
    ro_err err = {RO_OK, {0}};
    int fd = memfd_create("trace", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ro_status status = vd_trace_open(path, &t, &err);
    if (status && (err.code != status || !err.msg[0])) abort();
    if (!status) look_around(t);
    vd_trace_close(t);
    close(fd);
}

/* The same file with the sizes and the root that its job and body ask for, when they are small. */
static void open_put_right(const uint8_t *data, size_t size)
{
    ro_arena *a = ro_arena_new();
    vd_job *j = NULL;
    vd_layout l;
    ro_err err = {RO_OK, {0}};
    if (size < 256 || !a) {
        ro_arena_free(a);
        return;
    }
    uint64_t job = (uint64_t)data[48] | (uint64_t)data[49] << 8;
    int64_t segment = data[12] & 1 ? data[24] : -1;
    if (job <= size - 256 && vd_job_decode(data + 256, job, a, &j, &err) == RO_OK &&
        vd_layout_make(a, j, job, segment, &l, &err) == RO_OK && l.size < 1 << 20) {
        uint8_t *whole = calloc(1, l.size), *trailer = whole + l.trailer;
        memcpy(whole, data, size < l.size ? size : l.size);
        vd_layout_header(&l, l.size, whole);
        memset(whole + 256 + job, 0, l.records - 256 - job);
        memset(trailer + VD_TRAILER_END, 0, VD_TRAILER_BYTES - VD_TRAILER_END);
        vd_records_end end;
        vd_digest root, of;
        memcpy(&end.tree, trailer + 160, VD_DIGEST);
        memcpy(&end.outputs, trailer + 128, VD_DIGEST);
        memcpy(&end.last_state, trailer + 96, VD_DIGEST);
        memcpy(&of, trailer + 40, VD_DIGEST);
        vd_layout_body(&l, &end, &of, trailer, &root);
        memcpy(trailer + VD_TRAILER_ROOT, root.b, VD_DIGEST);
        memset(trailer + VD_TRAILER_BACKEND, 0, VD_BACKEND_BYTES);
        trailer[VD_TRAILER_BACKEND] = 'x';
        if (!trailer[VD_TRAILER_SIGNED]) {
            memset(trailer + VD_TRAILER_KEY, 0, VD_DIGEST);
            memset(trailer + VD_TRAILER_SIGNATURE, 0, 68);
        }
        open_bytes(whole, l.size);
        free(whole);
    }
    ro_arena_free(a);
}

/* What a killed or hostile process left as a .partial. */
static void pick_up(const uint8_t *data, size_t size)
{
    static char *folder;
    static vd_job *jobs[2];
    if (!folder) {
        ro_err err = {RO_OK, {0}};
        folder = small_folder();
        must(small_job(ro_arena_new(), 2, 3, 0, 0, &jobs[0], &err), &err);
        must(small_job(ro_arena_new(), 2, 3, 3, 0, &jobs[1], &err), &err);
    }
    for (int k = 0; k < 2; k++) {
        vd_writer *w = NULL;
        uint64_t done = 0;
        vd_digest state;
        ro_err err = {RO_OK, {0}};
        small_put(in_folder(folder, "t.partial"), data, size);
        ro_status status =
            vd_writer_open(in_folder(folder, "t"), jobs[k], -1, NULL, &w, &done, &err);
        if (status && (err.code != status || !err.msg[0])) abort();
        if (!status && done > jobs[k]->steps) abort();
        for (uint64_t s = 0; !status && s < 10; s++)
            if (vd_writer_state(w, s, &state) && s >= done) abort();
        vd_writer_free(w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 20) return 0;
    open_bytes(data, size);
    open_put_right(data, size);
    pick_up(data, size);
    return 0;
}

void write_seeds(const char *folder)
{
    static const uint32_t segments[] = {0, 3};
    for (size_t k = 0; k < 2; k++) {
        ro_arena *a = ro_arena_new();
        vd_job *j = NULL;
        vd_digest root, claim;
        ro_err err = {RO_OK, {0}};
        must(small_job(a, 2, 3, segments[k], 0, &j, &err), &err);
        const char *path = in_folder(folder, k ? "checkpoint" : "full");
        must(small_trace(path, j, -1, NULL, NULL, &root, &err), &err);
        if (k) must(small_trace(in_folder(folder, "claim"), j, 1, &root, NULL, &claim, &err), &err);
        ro_arena_free(a);
    }
}
