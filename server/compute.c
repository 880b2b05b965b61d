/* compute.c - a provider's computing: the job and its data come, the trace and the result are made.
 *
 * Invariants
 *   1. Whatever is there already is taken as far as it holds: a tensor by its digest, a trace by
 *      vd_run's own rules, a result by the digests of the trace.
 *   2. The result has its name only when it is the one that the trace commits to.               */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../verde/files.h"
#include "provide.h"

#define BLOB_HEADER 128u  /* of a store's file before its canonical bytes: docs/FORMATS.md     */
#define TRANSFER_PATIENCE_S 30

/* ---- files ------------------------------------------------------------------------------- */

static ro_status make_folder(const char *path, ro_err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return RO_OK;
    return vd_fs_failed("create the folder", path, err);
}

ro_status sv_task_files_of(const char *data, const vd_digest *task, sv_task_files *f, ro_err *err)
{
    char hex[65], tasks[SV_FOLDER_MAX];
    vd_digest_hex(task, hex);
    if (strlen(data) + 96 > SV_FOLDER_MAX)
        return RO_FAIL(err, RO_EUSAGE, "the folder's path has %zu bytes; %u are allowed",
                       strlen(data), SV_FOLDER_MAX - 96);
    snprintf(tasks, sizeof tasks, "%.3700s/tasks", data);
    snprintf(f->folder, sizeof f->folder, "%.3706s/%s", tasks, hex);
    snprintf(f->trace, sizeof f->trace, "%s/run.trace", f->folder);
    snprintf(f->store, sizeof f->store, "%s/store", f->folder);
    snprintf(f->result, sizeof f->result, "%s/result", f->folder);
    snprintf(f->partial, sizeof f->partial, "%s/result.partial", f->folder);
    RO_TRY(make_folder(tasks, err));
    return make_folder(f->folder, err);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *w)
{
    (void)st; (void)kind; (void)w;
    return remove(path);
}

void sv_task_files_remove(const sv_task_files *f)
{
    (void)nftw(f->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void sv_faults_of(const sv_provide_options *o, const vd_job *j, vd_fault *list, uint32_t *count)
{
    *count = 0;
    for (uint32_t k = 0; k < o->fault_count; k++) {
        const vd_fault *x = &o->faults[k];
        if (x->step >= j->steps) continue;
        const ro_graph *g = j->phases[vd_job_locate(j, x->step).phase].graph;
        if (x->fault.node >= g->node_count) continue;
        const ro_type *t = &g->values[g->nodes[x->fault.node].first_output].type;
        if (x->fault.element < ro_type_elements(t) && x->fault.bit < 8 * ro_dtypes[t->dtype].size)
            list[(*count)++] = *x;
    }
}

/* ---- data -------------------------------------------------------------------------------- */

/* The tensor in a file that came goes into the store, if it is what it is called. */
static ro_status keep_tensor(vd_store *s, const vd_slot *x, int fd, ro_err *err)
{
    const uint64_t size = ro_type_bytes(&x->type);
    vd_digest d;
    uint8_t *bytes = ro_alloc(size + 1);
    if (!bytes) return RO_FAIL(err, RO_ENOMEM, "no memory for tensor %.80s", x->name);
    ro_status st = vd_fs_read(fd, bytes, size, BLOB_HEADER, "a tensor that came", err);
    if (!st) vd_tensor_digest_canonical(&x->type, bytes, NULL, d.b);
    if (!st && !vd_digest_equal(&d, &x->digest))
        st = RO_FAIL(err, RO_EFORMAT, "the bytes that came for tensor %.80s are not it", x->name);
    if (!st) ro_canonical_bytes(x->type.dtype, bytes, bytes, ro_type_elements(&x->type));
    if (!st) st = vd_store_put(s, &x->type, bytes, &x->digest, err);
    ro_free(bytes);
    return st;
}

static ro_status fetch_tensor(sv_remote *r, vd_store *s, const sv_task_told *t,
                              const sv_task_files *f, const vd_slot *x, ro_err *err)
{
    char path[SV_PATH_MAX], task[65], hex[65], file[SV_FOLDER_MAX + 96];
    sv_transfer how = {NULL, NULL, TRANSFER_PATIENCE_S};
    vd_digest_hex(&t->id, task);
    vd_digest_hex(&x->digest, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s/blobs/%s", task, hex);
    snprintf(file, sizeof file, "%s/%s.partial", f->folder, hex);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return vd_fs_failed("create", file, err);
    ro_status st = sv_download(r, path, fd, BLOB_HEADER + ro_type_bytes(&x->type), &how, err);
    if (!st) st = keep_tensor(s, x, fd, err);
    close(fd);
    if (!st || st == RO_EFORMAT) (void)unlink(file); /* what is wrong is asked for anew */
    return st;
}

/* Constants, and first values that are not zeros. */
static ro_status fetch_data(sv_remote *r, vd_store *s, const sv_task_told *t,
                            const sv_task_files *f, const vd_job *j, ro_err *err)
{
    for (uint32_t k = 0; k < j->constant_count + j->slot_count; k++) {
        const int slot = k >= j->constant_count;
        const vd_slot *x = slot ? &j->slots[k - j->constant_count] : &j->constants[k];
        vd_digest zero;
        if (slot) vd_tensor_digest_zero(&x->type, zero.b);
        if ((slot && vd_digest_equal(&zero, &x->digest)) || vd_store_has(s, &x->digest)) continue;
        RO_TRY(fetch_tensor(r, s, t, f, x, err));
    }
    return RO_OK;
}

/* ---- the result -------------------------------------------------------------------------- */

typedef struct { const vd_job *job; int fd; } result_file;

static uint64_t outputs_bytes(const ro_graph *g)
{
    uint64_t n = 0;
    for (uint32_t k = 0; k < g->output_count; k++)
        n += ro_type_bytes(ro_graph_type(g, g->outputs[k]));
    return n;
}

/* Where a step's outputs begin; what vd_result_bytes gave bounds every sum. */
static uint64_t offset_of(const vd_job *j, uint64_t step)
{
    vd_place at = vd_job_locate(j, step);
    uint64_t round = 0, before = 0;
    for (uint32_t p = 0; p < j->phase_count; p++) {
        uint64_t each = outputs_bytes(j->phases[p].graph);
        round += each * j->phases[p].steps;
        if (p < at.phase) before += each * j->phases[p].steps;
        if (p == at.phase) before += each * at.step;
    }
    return at.repeat * round + before;
}

/* A step's outputs go to their place; after the last one the state's slots. */
static ro_status write_step(void *ctx, vd_exec *e, uint64_t step, ro_err *err)
{
    const result_file *f = ctx;
    const vd_job *j = f->job;
    const ro_graph *g = j->phases[vd_job_locate(j, step).phase].graph;
    const uint32_t slots = step + 1 == j->steps ? j->slot_count : 0;
    uint64_t at = offset_of(j, step);
    for (uint32_t k = 0; k < g->output_count + slots; k++) {
        const ro_type *t = k < g->output_count ? ro_graph_type(g, g->outputs[k])
                                               : &j->slots[k - g->output_count].type;
        const uint64_t size = ro_type_bytes(t);
        uint8_t *bytes = ro_alloc(size + 1);
        if (!bytes) return RO_FAIL(err, RO_ENOMEM, "no memory for an output");
        ro_status st = k < g->output_count ? vd_exec_value(e, g->outputs[k], bytes, err)
                                           : vd_exec_slot(e, k - g->output_count, bytes, err);
        if (!st) ro_canonical_bytes(t->dtype, bytes, bytes, ro_type_elements(t));
        if (!st) st = vd_fs_write(f->fd, bytes, size, at, "the result", err);
        ro_free(bytes);
        RO_TRY(st);
        at += size;
    }
    return RO_OK;
}

/* RO_EDIFFER: the file is not what the trace commits to. */
static ro_status result_holds(const result_file *f, const vd_trace_body *b, ro_pool *pool,
                              ro_err *err)
{
    const uint64_t size = vd_result_bytes(f->job);
    uint64_t is = 0;
    vd_digest outputs, state;
    RO_TRY(vd_fs_size(f->fd, &is, "the result", err));
    if (is != size) return RO_FAIL(err, RO_EDIFFER, "the result is not whole");
    uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, f->fd, 0);
    if (bytes == MAP_FAILED) return vd_fs_failed("read", "the result", err);
    ro_status st = vd_result_digests(f->job, bytes, pool, &outputs, &state, err);
    (void)munmap(bytes, size);
    RO_TRY(st);
    return vd_digest_equal(&outputs, &b->outputs) && vd_digest_equal(&state, &b->last_state)
               ? RO_OK : RO_FAIL(err, RO_EDIFFER, "the result is not the trace's");
}

/* All steps once more, for their outputs alone. */
static ro_status write_again(const vd_exec_options *run, vd_store *s, result_file *f,
                             volatile int *stop, ro_err *err)
{
    vd_exec *e = NULL;
    vd_step_result r;
    RO_TRY(vd_exec_new(f->job, run, &e, err));
    ro_status st = vd_exec_first_state(e, s, err);
    for (uint64_t k = 0; !st && k < f->job->steps; k++) {
        if (stop && *stop) st = RO_FAIL(err, RO_EIO, "stopped");
        if (!st) st = vd_exec_step(e, 0, 0, &r, err);
        if (!st) st = write_step(f, e, k, err);
    }
    vd_exec_free(e);
    return st;
}

/* ---- the run ----------------------------------------------------------------------------- */

typedef struct {
    const sv_provide_options *o;
    const vd_key *key;
    const sv_task_files *files;
    const vd_job *job;
    vd_store *store;
    vd_exec_options run;
    result_file result;
} working;

static ro_status run_job(working *w, ro_err *err)
{
    vd_run_options o;
    vd_run_result r;
    struct stat st;
    if (stat(w->files->trace, &st) == 0) return RO_OK; /* it was finished before */
    memset(&o, 0, sizeof o);
    o.trace_path = w->files->trace;
    o.store = w->store;
    o.snapshot = w->o->snapshot;
    o.key = w->key;
    o.interrupted = w->o->stop;
    o.stepped = write_step;
    o.stepped_ctx = &w->result;
    RO_TRY(vd_run(w->job, &w->run, &o, &r, err));
    return r.finished ? RO_OK : RO_FAIL(err, RO_EIO, "stopped");
}

/* A machine that does not give the same twice must not commit to anything. */
static ro_status check_steps(working *w, const vd_trace *t, ro_err *err)
{
    for (uint64_t k = 0; k < w->o->checks; k++) {
        uint64_t draw;
        if (getrandom(&draw, sizeof draw, 0) != (ssize_t)sizeof draw)
            return RO_FAIL(err, RO_EIO, "the system gives no random numbers");
        if (w->o->stop && *w->o->stop) return RO_FAIL(err, RO_EIO, "stopped");
        RO_TRY(vd_recheck_step(t, &w->run, w->store, draw % w->job->steps, err));
    }
    return RO_OK;
}

static ro_status finish_result(working *w, const vd_trace *t, ro_err *err)
{
    int dir;
    const char *base;
    ro_err why = {RO_OK, {0}};
    const vd_trace_body *b = vd_trace_get_body(t);
    ro_status st = result_holds(&w->result, b, w->run.pool, &why);
    if (st == RO_EDIFFER) { /* cut off between a step's outputs and its state */
        RO_TRY(write_again(&w->run, w->store, &w->result, w->o->stop, err));
        st = result_holds(&w->result, b, w->run.pool, &why);
    }
    if (st) return RO_FAIL(err, st, "%s", why.msg);
    RO_TRY(vd_fs_folder_of(w->files->result, &dir, &base, err));
    st = vd_fs_publish(w->result.fd, dir, "result.partial", base, w->files->result, err);
    close(dir);
    return st;
}

static ro_status run_and_check(working *w, ro_arena *arena, ro_err *err)
{
    vd_fault faults[VD_FAULTS_MAX];
    vd_trace *t = NULL;
    const size_t n = (w->job->constant_count + (size_t)1) * sizeof(void *);
    const void **constants = ro_arena_alloc(arena, n);
    if (!constants) return RO_FAIL(err, RO_ENOMEM, "no memory for a job's constants");
    memset(constants, 0, n);
    RO_TRY(vd_constants_load(w->job, w->store, constants, arena, err));
    sv_faults_of(w->o, w->job, faults, &w->run.fault_count);
    w->run.backend = ro_cpu();
    w->run.constants = constants;
    w->run.faults = faults;
    w->run.byte_cap = w->o->memory_bytes;
    RO_TRY(run_job(w, err));
    RO_TRY(vd_trace_open(w->files->trace, &t, err));
    ro_status st = check_steps(w, t, err);
    if (!st) st = finish_result(w, t, err);
    vd_trace_close(t);
    return st;
}

static ro_status work_in(working *w, sv_remote *r, const sv_task_told *t, ro_arena *arena,
                         ro_err *err)
{
    vd_job *job = NULL;
    RO_TRY(ro_pool_new((uint32_t)w->o->threads, &w->run.pool, err));
    RO_TRY(sv_get_job(r, t, arena, &job, err));
    w->job = w->result.job = job;
    if (vd_result_bytes(job) > INT64_MAX)
        return RO_FAIL(err, RO_ELIMIT, "the result of the job does not fit a file");
    RO_TRY(vd_store_open(w->files->store, 1, &w->store, err));
    RO_TRY(fetch_data(r, w->store, t, w->files, job, err));
    w->result.fd = open(w->files->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (w->result.fd < 0) return vd_fs_failed("create", w->files->partial, err);
    return run_and_check(w, arena, err);
}

ro_status sv_compute(const sv_provide_options *o, sv_remote *r, const vd_key *key,
                  const sv_task_told *t, const sv_task_files *f, ro_err *err)
{
    working w;
    memset(&w, 0, sizeof w);
    w.o = o;
    w.key = key;
    w.files = f;
    w.result.fd = -1;
    ro_arena *arena = ro_arena_new();
    ro_status st = arena ? work_in(&w, r, t, arena, err)
                         : RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    if (w.result.fd >= 0) close(w.result.fd);
    vd_store_close(w.store);
    ro_pool_free(w.run.pool);
    ro_arena_free(arena);
    return st;
}
