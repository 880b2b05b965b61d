/* cmd_run.c - verde run, open, replay, keygen: the commands that compute or sign. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static volatile int interrupted;

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void catch_signals(void)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_signal;
    a.sa_flags = (int)SA_RESETHAND; /* a second one ends the process at once */
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

static ro_status parse_hex(const char *text, vd_digest *d, int *given, ro_err *err)
{
    *given = text != NULL;
    return text ? vd_digest_parse(text, d, err) : RO_OK;
}

/* Admission: the dearest element must be cheap enough to judge. */
static ro_status admit(const cli_args *a, const vd_job *j, ro_err *err)
{
    vd_cost c;
    uint64_t bytes = VD_DISPUTE_BYTES_MAX;
    RO_TRY(cli_number(a, "--max-dispute", 1, UINT64_MAX, &bytes, err));
    RO_TRY(vd_job_cost(j, &c, err));
    uint64_t flops = VD_DISPUTE_FLOPS_MAX;
    uint64_t four = bytes > UINT64_MAX / 4 ? UINT64_MAX : 4 * bytes;
    if (cli_value(a, "--max-dispute")) flops = four > flops ? four : flops;
    return vd_job_admit(j, &c, bytes, flops, err);
}

/* ---- run --------------------------------------------------------------------------------- */

static ro_status write_model(cli_job *j, const char *path, const vd_digest *root, ro_err *err)
{
    uint32_t n = j->job->slot_count;
    vd_digest *slots = ro_arena_alloc(j->arena, n * sizeof *slots);
    vd_named_tensor *t = ro_arena_alloc(j->arena, n * sizeof *t);
    if (!slots || !t) return RO_FAIL(err, RO_ENOMEM, "no memory to write the model");
    RO_TRY(vd_store_get_state(j->store, root, slots, n, err));
    for (uint32_t s = 0; s < n; s++) {
        const ro_type *type = &j->job->slots[s].type;
        uint64_t elements = ro_type_elements(type);
        void *data = ro_arena_alloc(j->arena, ro_type_bytes(type));
        vd_digest zero;
        if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory to write the model");
        vd_tensor_digest_zero(type, zero.b);
        if (!vd_digest_equal(&zero, &slots[s]))
            RO_TRY(vd_store_get(j->store, &slots[s], type, data, err));
        ro_canonical_bytes(type->dtype, data, data, elements);
        t[s] = (vd_named_tensor){j->job->slots[s].name, *type, data};
    }
    return vd_safetensors_write(path, t, n, err);
}

static void print_run(const cli_job *j, const vd_run_result *r, cJSON *o)
{
    char t1[32], t2[32], t3[32], hex[65];
    if (o) {
        cJSON_AddStringToObject(o, "schema", "verde-run/1");
        cJSON_AddBoolToObject(o, "finished", r->finished);
        if (r->finished) cli_json_digest(o, "root", &r->root);
        cli_json_digest(o, "job_digest", &j->job->digest);
        cli_json_u64(o, "steps", r->steps);
        cli_json_u64(o, "resumed_from", r->resumed_from);
        if (r->has_loss && !j->is_model) cJSON_AddNumberToObject(o, "loss", r->loss);
        cJSON_AddNumberToObject(o, "seconds", r->seconds);
        cJSON_AddNumberToObject(o, "recording_seconds", r->hash_seconds);
        cli_json_u64(o, "peak_bytes", r->peak_bytes);
        return;
    }
    if (!r->finished) {
        printf("stopped after step %s of %s; run the same command again to go on\n",
               cli_count(r->steps, t1), cli_count(j->job->steps, t2));
        return;
    }
    vd_digest_hex(&r->root, hex);
    printf("trace root  %s\n", hex);
    printf("steps       %s in %s, of which %.1f %% recording\n",
           cli_count(r->steps - r->resumed_from, t1), cli_time(r->seconds, t2),
           r->seconds > 0 ? 100 * r->hash_seconds / r->seconds : 0.0);
    if (r->resumed_from) printf("resumed     at step %s\n", cli_count(r->resumed_from, t3));
    if (r->has_loss && !j->is_model) printf("last loss   %.4f\n", r->loss);
}

/* How the steps of a job are run, here and by open and replay. faults: room for --inject's. */
static ro_status exec_options(const cli_args *a, const cli_job *j, vd_fault *faults,
                              vd_exec_options *e, ro_err *err)
{
    memset(e, 0, sizeof *e);
    e->backend = ro_cpu();
    e->pool = j->pool;
    e->constants = j->constants;
    e->faults = faults;
    return cli_faults(a, faults, &e->fault_count, err);
}

static ro_status run_job(const cli_args *a, cli_job *j, vd_run_result *r, ro_err *err)
{
    vd_fault faults[VD_FAULTS_MAX];
    vd_exec_options e;
    vd_run_options o;
    vd_digest expect;
    cli_progress p;
    vd_key *key = NULL;
    int expected;
    memset(&o, 0, sizeof o);
    o.trace_path = cli_value(a, "--trace");
    o.store = j->store;
    o.interrupted = &interrupted;
    o.progress = cli_progress_step;
    o.ctx = &p;
    RO_TRY(exec_options(a, j, faults, &e, err));
    RO_TRY(cli_number(a, "--keep", 1, VD_STEPS_MAX, &o.snapshot, err));
    RO_TRY(cli_number(a, "--steps", 1, VD_STEPS_MAX, &o.stop_after, err));
    RO_TRY(parse_hex(cli_value(a, "--expect"), &expect, &expected, err));
    o.expect = expected ? &expect : NULL;
    RO_TRY(cli_progress_init(&p, cli_value(a, "--progress"), "run", err));
    if (cli_value(a, "--key")) RO_TRY(vd_key_load(cli_value(a, "--key"), &key, err));
    o.key = key;
    catch_signals();
    ro_status st = vd_run(j->job, &e, &o, r, err);
    cli_progress_end(&p);
    vd_key_free(key);
    return st;
}

/* A finished trace is not signed once more: --key must be the one that signed it. */
static ro_status check_signer(const vd_trace *t, const char *path, ro_err *err)
{
    vd_key *key = NULL;
    RO_TRY(vd_key_load(path, &key, err));
    const uint8_t *by = vd_trace_key(t);
    int same = by && memcmp(by, vd_key_public(key), VD_DIGEST) == 0;
    vd_key_free(key);
    if (same) return RO_OK;
    return RO_FAIL(err, RO_EUSAGE, "%.120s exists and %s", vd_trace_path(t),
                   by ? "is signed by another key" : "is not signed; a finished trace stays so");
}

/* A trace that is already complete: the command was killed after its last write, or called
 * again. *found 0: there is none yet. */
static ro_status already_done(const cli_args *a, const cli_job *j, vd_run_result *r, int *found,
                              ro_err *err)
{
    const char *path = cli_value(a, "--trace"), *want = cli_value(a, "--expect");
    vd_trace *t = NULL;
    vd_digest expect;
    *found = access(path, F_OK) == 0;
    if (!*found) return RO_OK;
    memset(r, 0, sizeof *r);
    RO_TRY(cli_trace_open(path, &t, err));
    int same = vd_digest_equal(&vd_trace_job(t)->digest, &j->job->digest);
    r->root = *vd_trace_get_root(t);
    ro_status st = RO_OK;
    if (same && cli_value(a, "--key")) st = check_signer(t, cli_value(a, "--key"), err);
    vd_trace_close(t);
    RO_TRY(st);
    if (!same) return RO_FAIL(err, RO_EUSAGE, "%s exists and records another job", path);
    r->finished = 1;
    r->steps = r->resumed_from = j->job->steps;
    if (want) RO_TRY(vd_digest_parse(want, &expect, err));
    if (want && !vd_digest_equal(&expect, &r->root))
        return RO_FAIL(err, RO_EDIFFER, "the root of %s is not the expected %.16s...", path, want);
    return RO_OK;
}

/* What a finished trace ends in: the last state, and its first step's outputs where it has them. */
typedef struct { vd_digest last_state, outputs; int has_outputs; } traced_end;

/* Run a job with a trace. */
static ro_status run_traced(const cli_args *a, cli_job *j, vd_run_result *r, traced_end *end,
                            ro_err *err)
{
    vd_trace *t = NULL;
    int done;
    RO_TRY(admit(a, j->job, err));
    RO_TRY(cli_store(a, cli_value(a, "--trace"), 1, &j->store, err));
    RO_TRY(cli_job_constants(j, err));
    RO_TRY(already_done(a, j, r, &done, err));
    if (!done) RO_TRY(run_job(a, j, r, err));
    if (!r->finished || !(j->is_model || cli_value(a, "--out"))) return RO_OK;
    RO_TRY(cli_trace_open(cli_value(a, "--trace"), &t, err));
    const vd_digest *outputs = vd_trace_outputs_digest(t, 0);
    end->last_state = vd_trace_get_body(t)->last_state;
    end->has_outputs = outputs != NULL;
    if (outputs) end->outputs = *outputs;
    vd_trace_close(t);
    return RO_OK;
}

/* The outputs of a model that ran, with the same faults as the run had. */
static ro_status show_outputs(const cli_args *a, cli_job *j, const traced_end *end, cJSON *o,
                              ro_err *err)
{
    vd_fault faults[VD_FAULTS_MAX];
    vd_exec_options e;
    RO_TRY(exec_options(a, j, faults, &e, err));
    return cli_model_outputs(j, &e, end->has_outputs ? &end->outputs : NULL, cli_value(a, "--out"),
                             o, err);
}

static ro_status run_all(const cli_args *a, cli_job *j, ro_err *err)
{
    vd_run_result r;
    traced_end end;
    int traced = cli_value(a, "--trace") != NULL;
    cJSON *o = cli_value(a, "--json") ? cJSON_CreateObject() : NULL;
    ro_status st = RO_OK;
    memset(&r, 0, sizeof r);
    memset(&end, 0, sizeof end);
    if (traced) st = run_traced(a, j, &r, &end, err);
    if (!st && r.finished && cli_value(a, "--out") && !j->is_model)
        st = write_model(j, cli_value(a, "--out"), &end.last_state, err);
    if (!st && traced) print_run(j, &r, o);
    if (!st && j->is_model && (r.finished || !traced))
        st = show_outputs(a, j, &end, o, err);
    if (st) cJSON_Delete(o);
    else if (o) cli_json(o);
    return st;
}

ro_status cmd_run(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {
        {.name = "--trace", .has_value = 1}, {.name = "--store", .has_value = 1},
        {.name = "--record", .has_value = 1}, {.name = "--keep", .has_value = 1},
        {.name = "--threads", .has_value = 1}, {.name = "--steps", .has_value = 1},
        {.name = "--out", .has_value = 1}, {.name = "--key", .has_value = 1},
        {.name = "--expect", .has_value = 1}, {.name = "--progress", .has_value = 1},
        {.name = "--inject", .has_value = 1, .many = 1}, {.name = "--json"},
        {.name = "--input", .has_value = 1, .many = 1}, {.name = "--max-dispute", .has_value = 1},
        {0}};
    cli_args a = {.options = options};
    cli_job j;
    memset(&j, 0, sizeof j);
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    ro_status st = cli_job_load(&j, a.words[0], &a, err);
    if (!st && !j.is_model && !cli_value(&a, "--trace"))
        st = RO_FAIL(err, RO_EUSAGE, "verde run needs --trace F, the file to write");
    if (!st) st = run_all(&a, &j, err);
    cli_job_free(&j);
    return st;
}

/* ---- open and replay --------------------------------------------------------------------- */

/* A finished trace, its store, the job's constants: what both commands work on. */
typedef struct {
    vd_trace *trace;
    cli_job j;
    vd_exec_options e;
    vd_fault faults[VD_FAULTS_MAX];
} reopened;

static ro_status reopen(const cli_args *a, reopened *r, ro_err *err)
{
    const char *path = cli_value(a, "--trace");
    memset(r, 0, sizeof *r);
    if (!path) return RO_FAIL(err, RO_EUSAGE, "--trace F is needed, the trace to work on");
    RO_TRY(cli_trace_open(path, &r->trace, err));
    RO_TRY(cli_job_load(&r->j, a->words[0], a, err));
    const vd_job *j = vd_trace_job(r->trace);
    if (!vd_digest_equal(&j->digest, &r->j.job->digest))
        return RO_FAIL(err, RO_EOP, "%s records another job than %s", path, a->words[0]);
    RO_TRY(cli_store(a, path, 1, &r->j.store, err));
    RO_TRY(cli_job_constants(&r->j, err));
    return exec_options(a, &r->j, r->faults, &r->e, err);
}

static void close_again(reopened *r)
{
    cli_job_free(&r->j);
    vd_trace_close(r->trace);
}

static ro_status open_steps(const cli_args *a, reopened *r, ro_err *err)
{
    uint64_t step = 0, replayed = 0;
    char t[32];
    RO_TRY(cli_number(a, "--step", 0, VD_STEPS_MAX, &step, err));
    if (!cli_value(a, "--step"))
        return RO_FAIL(err, RO_EUSAGE, "verde open needs --step T, the step to open");
    RO_TRY(vd_open_step(r->trace, &r->e, r->j.store, step, &replayed, err));
    if (cli_value(a, "--json")) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-open/1");
        cli_json_u64(o, "step", step);
        cli_json_u64(o, "replayed", replayed);
        cJSON_AddStringToObject(o, "store", vd_store_path(r->j.store));
        cli_json(o);
    } else {
        printf("opened step %llu: its tensors are in %s (%s step%s re-run)\n",
               (unsigned long long)step, vd_store_path(r->j.store), cli_count(replayed, t),
               replayed == 1 ? "" : "s");
    }
    return RO_OK;
}

ro_status cmd_open(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {
        {.name = "--trace", .has_value = 1}, {.name = "--store", .has_value = 1},
        {.name = "--step", .has_value = 1}, {.name = "--threads", .has_value = 1},
        {.name = "--record", .has_value = 1}, {.name = "--inject", .has_value = 1, .many = 1},
        {.name = "--input", .has_value = 1, .many = 1}, {.name = "--json"}, {0}};
    cli_args a = {.options = options};
    reopened r;
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    ro_status st = reopen(&a, &r, err);
    if (!st) st = open_steps(&a, &r, err);
    close_again(&r);
    return st;
}

static ro_status replay_one(const cli_args *a, reopened *r, ro_err *err)
{
    uint64_t segment = 0;
    vd_key *key = NULL;
    vd_digest root;
    char hex[65];
    RO_TRY(cli_number(a, "--segment", 0, VD_STEPS_MAX, &segment, err));
    if (!cli_value(a, "--segment") || !cli_value(a, "--out"))
        return RO_FAIL(err, RO_EUSAGE, "verde replay needs --segment I and --out S.trace");
    if (cli_value(a, "--key")) RO_TRY(vd_key_load(cli_value(a, "--key"), &key, err));
    ro_status st = vd_replay(r->trace, &r->e, r->j.store, segment, cli_value(a, "--out"), key,
                             &root, err);
    vd_key_free(key);
    RO_TRY(st);
    vd_digest_hex(&root, hex);
    if (cli_value(a, "--json")) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-replay/1");
        cli_json_u64(o, "segment", segment);
        cJSON_AddStringToObject(o, "root", hex);
        cli_json(o);
    } else {
        printf("segment claim %s\n", hex);
    }
    return RO_OK;
}

ro_status cmd_replay(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {
        {.name = "--trace", .has_value = 1}, {.name = "--store", .has_value = 1},
        {.name = "--segment", .has_value = 1}, {.name = "--out", .has_value = 1},
        {.name = "--key", .has_value = 1}, {.name = "--threads", .has_value = 1},
        {.name = "--record", .has_value = 1}, {.name = "--inject", .has_value = 1, .many = 1},
        {.name = "--input", .has_value = 1, .many = 1}, {.name = "--json"}, {0}};
    cli_args a = {.options = options};
    reopened r;
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    ro_status st = reopen(&a, &r, err);
    if (!st) st = replay_one(&a, &r, err);
    close_again(&r);
    return st;
}

/* ---- keygen ------------------------------------------------------------------------------ */

ro_status cmd_keygen(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--json"}, {0}};
    cli_args a = {.options = options};
    vd_key *key = NULL;
    char print[65];
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    RO_TRY(vd_key_new(a.words[0], err));
    RO_TRY(vd_key_load(a.words[0], &key, err));
    vd_fingerprint(vd_key_public(key), print);
    if (cli_value(&a, "--json")) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-keygen/1");
        cJSON_AddStringToObject(o, "fingerprint", print);
        cli_json(o);
    } else {
        printf("wrote %s; its fingerprint is %s\n", a.words[0], print);
    }
    vd_key_free(key);
    return RO_OK;
}
