/* cmd_job.c - verde job new, job check, eval, vectors check. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "files.h"
#include "sha256_lanes.h"

/* ---- job new ----------------------------------------------------------------------------- */

/* A template's text, or with a model the job of running it. A job in another folder than this one
 * names the model by its whole path. */
static ro_status write_job(const char *text, const char *model, const char *out, FILE *f,
                           ro_err *err)
{
    char whole[PATH_MAX];
    if (text) return fputs(text, f) < 0 ? RO_FAIL(err, RO_EIO, "the job cannot be written") : RO_OK;
    int elsewhere = out && strchr(out, '/');
    if (elsewhere && !realpath(model, whole))
        return RO_FAIL(err, RO_ENOTFOUND, "%.160s cannot be found: %s", model, strerror(errno));
    return cli_model_template(model, elsewhere ? whole : model, f, out ? stdout : NULL, err);
}

ro_status cmd_job_new(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--template", .has_value = 1},
                            {.name = "--out", .has_value = 1},
                            {.name = "--model", .has_value = 1}, {0}};
    cli_args a = {.options = options};
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 0, 0, err));
    const char *name = cli_value(&a, "--template"), *out = cli_value(&a, "--out");
    const char *model = cli_value(&a, "--model"), *text = name ? vd_job_template(name) : NULL;
    int onnx = name && strcmp(name, "onnx") == 0;
    if (!text && !onnx)
        return RO_FAIL(err, RO_EUSAGE,
                       "--template is \"%.20s\"; it can be mlp, cnn, onnx or sentence-encoder",
                       name ? name : "");
    if (!model != !onnx)
        return RO_FAIL(err, RO_EUSAGE, "--template %s %s", name,
                       onnx ? "needs --model M.onnx" : "has no --model");
    FILE *f = out ? fopen(out, "wx") : stdout;
    if (!f) return RO_FAIL(err, RO_EIO, "%s cannot be made: %s", out, strerror(errno));
    ro_status st = write_job(text, model, out, f, err);
    int bad = (out ? fclose(f) : fflush(f)) != 0, why = errno;
    if ((st || bad) && out) (void)unlink(out); /* half a job is none */
    if (bad && !st) return RO_FAIL(err, RO_EIO, "the job cannot be written: %s", strerror(why));
    return st;
}

/* ---- job check --------------------------------------------------------------------------- */

static void check_json(const vd_job *j, const vd_cost *c)
{
    const ro_graph *g = j->phases[c->phase].graph;
    cJSON *o = cJSON_CreateObject(), *d;
    cJSON_AddStringToObject(o, "schema", "verde-job-check/1");
    cli_json_digest(o, "job_digest", &j->digest);
    cli_json_u64(o, "steps", j->steps);
    cJSON_AddStringToObject(o, "record", j->record == VD_RECORD_FULL ? "full" : "checkpoint");
    if (j->segment) cli_json_u64(o, "segment", j->segment);
    cli_json_u64(o, "flops", c->flops);
    cli_json_u64(o, "peak_bytes", c->peak_bytes);
    cli_json_u64(o, "state_bytes", c->state_bytes);
    cli_json_u64(o, "constant_bytes", c->constant_bytes);
    d = cJSON_AddObjectToObject(o, "dearest");
    cli_json_u64(d, "phase", c->phase);
    cli_json_u64(d, "node", c->node);
    if (g->node_count)
        cJSON_AddStringToObject(d, "operator", ro_ops[g->nodes[c->node].op].name);
    cli_json_u64(d, "flops", c->element_flops);
    cli_json_u64(d, "input_bytes", c->element_bytes);
    cli_json_u64(d, "evidence_bytes", c->evidence_bytes);
    cli_json(o);
}

static void check_text(const vd_job *j, const vd_cost *c)
{
    const ro_graph *g = j->phases[c->phase].graph;
    char hex[65], t[32], u[32];
    uint32_t nodes = 0;
    vd_digest_hex(&j->digest, hex);
    for (uint32_t p = 0; p < j->phase_count; p++) nodes += j->phases[p].graph->node_count;
    printf("job digest      %s\n", hex);
    printf("steps           %s in %u phases, %u nodes\n", cli_count(j->steps, t), j->phase_count,
           nodes);
    if (j->record == VD_RECORD_FULL) printf("recording       full\n");
    else printf("recording       checkpoint:%u\n", j->segment);
    printf("operations      %sFLOP\n", cli_amount((double)c->flops, t));
    printf("peak memory     %s, of which state %s\n", cli_bytes(c->peak_bytes, t),
           cli_bytes(c->state_bytes, u));
    if (!g->node_count) return;
    printf("dearest element node %u of phase %u (%s): ", c->node, c->phase,
           ro_ops[g->nodes[c->node].op].name);
    printf("%sFLOP, %s of input, ", cli_amount((double)c->element_flops, t),
           cli_bytes(c->element_bytes, u));
    printf("%s of evidence\n", cli_bytes(c->evidence_bytes, t));
}

static ro_status write_canonical(const cli_job *j, const char *path, ro_err *err)
{
    uint8_t *bytes;
    uint64_t size;
    RO_TRY(vd_job_encode(j->job, j->arena, &bytes, &size, err));
    return vd_fs_replace(path, bytes, size, err);
}

ro_status cmd_job_check(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--json"}, {.name = "--record", .has_value = 1},
                            {.name = "--threads", .has_value = 1},
                            {.name = "--input", .has_value = 1, .many = 1},
                            {.name = "--max-dispute", .has_value = 1},
                            {.name = "--out", .has_value = 1}, {0}};
    cli_args a = {.options = options};
    cli_job j;
    vd_cost c;
    uint64_t bytes = VD_DISPUTE_BYTES_MAX, flops = VD_DISPUTE_FLOPS_MAX;
    memset(&j, 0, sizeof j);
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    RO_TRY(cli_number(&a, "--max-dispute", 1, UINT64_MAX / 8, &bytes, err));
    if (cli_value(&a, "--max-dispute") && bytes * 4 > flops) flops = bytes * 4;
    ro_status st = cli_job_load(&j, a.words[0], &a, err);
    if (!st) st = vd_job_cost(j.job, &c, err);
    if (!st) {
        if (cli_value(&a, "--json")) check_json(j.job, &c);
        else check_text(j.job, &c);
        st = vd_job_admit(j.job, &c, bytes, flops, err);
    }
    if (!st && cli_value(&a, "--out")) st = write_canonical(&j, cli_value(&a, "--out"), err);
    cli_job_free(&j);
    return st;
}

/* ---- eval -------------------------------------------------------------------------------- */

#define EVAL_BATCH 500u

typedef struct {
    cli_job *j;
    ro_tensor images, labels;
    vd_job *program;
    uint64_t batch, right, seen;
} evaluation;

/* Parameters by name: from a safetensors file, or from the state that a trace ends in. */
static ro_status params_from_file(evaluation *v, const char *path, ro_state *s,
                                  ro_err *err)
{
    vd_named_tensor *t;
    uint32_t n;
    RO_TRY(vd_safetensors_read(path, v->j->arena, &t, &n, err));
    for (uint32_t k = 1; k + 2 < v->program->slot_count; k++) {
        const vd_slot *slot = &v->program->slots[k];
        uint32_t i = 0;
        while (i < n && strcmp(t[i].name, slot->name)) i++;
        if (i == n || !ro_type_equal(&t[i].type, &slot->type))
            return RO_FAIL(err, RO_EFORMAT, "%s holds no %s of the model's shape", path,
                           slot->name);
        void *data = ro_arena_alloc(v->j->arena, ro_type_bytes(&slot->type));
        if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory for %s", slot->name);
        ro_canonical_bytes(slot->type.dtype, t[i].bytes, data, ro_type_elements(&slot->type));
        RO_TRY(ro_cpu()->put(s, k, data, err));
    }
    return RO_OK;
}

static ro_status params_from_trace(evaluation *v, const char *path, ro_state *s, ro_err *err)
{
    vd_trace *t = NULL;
    uint32_t n = v->j->job->slot_count;
    vd_digest *slots = ro_arena_alloc(v->j->arena, n * sizeof *slots);
    if (!slots) return RO_FAIL(err, RO_ENOMEM, "no memory for a state");
    RO_TRY(cli_trace_open(path, &t, err));
    vd_digest last = vd_trace_get_body(t)->last_state;
    vd_trace_close(t);
    RO_TRY(vd_store_get_state(v->j->store, &last, slots, n, err));
    for (uint32_t k = 1; k + 2 < v->program->slot_count; k++) {
        const ro_type *type = &v->program->slots[k].type;
        void *data = ro_arena_alloc(v->j->arena, ro_type_bytes(type));
        if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory for a parameter");
        RO_TRY(vd_store_get(v->j->store, &slots[k], type, data, err));
        RO_TRY(ro_cpu()->put(s, k, data, err));
    }
    return RO_OK;
}

static ro_status eval_batches(evaluation *v, ro_plan *plan, ro_state *s, ro_err *err)
{
    const ro_graph *g = v->program->phases[0].graph;
    uint32_t n = v->program->slot_count;
    uint64_t image = ro_type_bytes(&v->images.type) / (uint64_t)v->images.type.dims[0];
    uint64_t label = ro_type_bytes(&v->labels.type) / (uint64_t)v->labels.type.dims[0];
    ro_step_options o;
    memset(&o, 0, sizeof o);
    for (uint64_t at = 0; at + v->batch <= (uint64_t)v->images.type.dims[0]; at += v->batch) {
        int64_t right;
        RO_TRY(ro_cpu()->put(s, n - 2, (const uint8_t *)v->images.data + at * image, err));
        RO_TRY(ro_cpu()->put(s, n - 1, (const uint8_t *)v->labels.data + at * label, err));
        RO_TRY(ro_cpu()->step(plan, &o, err));
        RO_TRY(ro_cpu()->value(plan, g->outputs[1], &right, err));
        v->right += (uint64_t)right;
        v->seen += v->batch;
    }
    return RO_OK;
}

static ro_status eval_on_device(evaluation *v, const cli_args *a, ro_device *d, ro_err *err)
{
    const vd_job *p = v->program;
    ro_state *s = NULL;
    ro_plan *plan = NULL;
    ro_plan_options o;
    ro_type *types = ro_arena_alloc(v->j->arena, p->slot_count * sizeof *types);
    if (!types) return RO_FAIL(err, RO_ENOMEM, "no memory for an evaluation");
    for (uint32_t k = 0; k < p->slot_count; k++) types[k] = p->slots[k].type;
    memset(&o, 0, sizeof o);
    ro_status st = ro_cpu()->state_new(d, types, p->slot_count, &s, err);
    if (!st && cli_value(a, "--model"))
        st = params_from_file(v, cli_value(a, "--model"), s, err);
    else if (!st)
        st = params_from_trace(v, cli_value(a, "--trace"), s, err);
    if (!st) st = ro_cpu()->plan(d, s, p->phases[0].graph, &o, &plan, err);
    if (!st) st = eval_batches(v, plan, s, err);
    if (plan) ro_cpu()->plan_free(plan);
    if (s) ro_cpu()->state_free(s);
    return st;
}

static ro_status evaluate(evaluation *v, const cli_args *a, ro_err *err)
{
    vd_spec spec = v->j->file.spec;
    ro_device *d = NULL;
    if (!v->j->is_json || !v->j->file.test_images)
        return RO_FAIL(err, RO_EUSAGE, "verde eval needs a JSON job that names \"test\" data");
    RO_TRY(vd_data_load(v->j->file.test_images, v->j->arena, &v->images, err));
    RO_TRY(vd_data_load(v->j->file.test_labels, v->j->arena, &v->labels, err));
    spec.images.type = v->images.type;
    spec.labels.type = v->labels.type;
    uint64_t n = v->images.type.rank ? (uint64_t)v->images.type.dims[0] : 0;
    v->batch = EVAL_BATCH;
    while (v->batch > 1 && n % v->batch) v->batch--; /* every image is seen once */
    spec.batch = v->batch;
    RO_TRY(vd_model_eval(&spec, v->batch, v->j->arena, &v->program, err));
    RO_TRY(ro_cpu()->open(v->j->pool, &d, err));
    ro_status st = eval_on_device(v, a, d, err);
    ro_cpu()->close(d);
    return st;
}

static ro_status eval_job(evaluation *v, const cli_args *a, ro_err *err)
{
    char t[32], u[32];
    if (!cli_value(a, "--model"))
        RO_TRY(cli_store(a, cli_value(a, "--trace"), 0, &v->j->store, err));
    RO_TRY(evaluate(v, a, err));
    double share = v->seen ? (double)v->right / (double)v->seen : 0.0;
    if (cli_value(a, "--json")) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-eval/1");
        cli_json_u64(o, "images", v->seen);
        cli_json_u64(o, "right", v->right);
        cJSON_AddNumberToObject(o, "accuracy", share);
        cli_json(o);
    } else {
        printf("accuracy %.2f %% (%s of %s test images)\n", 100 * share, cli_count(v->right, t),
               cli_count(v->seen, u));
    }
    return RO_OK;
}

ro_status cmd_eval(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {
        {.name = "--trace", .has_value = 1}, {.name = "--store", .has_value = 1},
        {.name = "--model", .has_value = 1}, {.name = "--threads", .has_value = 1},
        {.name = "--record", .has_value = 1}, {.name = "--json"}, {0}};
    cli_args a = {.options = options};
    evaluation v;
    cli_job j;
    memset(&v, 0, sizeof v);
    memset(&j, 0, sizeof j);
    v.j = &j;
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    if (!cli_value(&a, "--trace") == !cli_value(&a, "--model"))
        return RO_FAIL(err, RO_EUSAGE,
                       "verde eval needs either --trace F or --model F.safetensors");
    ro_status st = cli_job_load(&j, a.words[0], &a, err);
    if (!st) st = eval_job(&v, &a, err);
    cli_job_free(&j);
    return st;
}

/* ---- vectors check ----------------------------------------------------------------------- */

typedef struct { cJSON *list; int json; uint64_t cases, failed, operators; } vectors_report;

static void report_vectors(void *ctx, const ro_vectors_result *r)
{
    vectors_report *v = ctx;
    char t[32];
    v->operators++;
    v->cases += r->cases;
    v->failed += r->failed;
    if (v->json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddItemToArray(v->list, o);
        cJSON_AddStringToObject(o, "operator", r->name);
        cli_json_u64(o, "version", r->version);
        cli_json_u64(o, "cases", r->cases);
        cli_json_u64(o, "failed", r->failed);
        if (r->failed) cJSON_AddStringToObject(o, "first", r->first);
        return;
    }
    printf("%-32s %7u  %6s  %s\n", r->name, r->version, cli_count(r->cases, t),
           r->failed ? r->first : "ok");
}

static ro_status check_vectors(const cli_args *a, ro_pool *pool, vectors_report *v, ro_err *err)
{
    ro_vectors_options o;
    memset(&o, 0, sizeof o);
    o.dir = cli_value(a, "--dir");
    if (!o.dir) o.dir = access(VERDE_VECTORS, R_OK | X_OK) == 0 ? VERDE_VECTORS : "vectors";
    o.backend = cli_value(a, "--scalar") ? NULL : ro_cpu();
    o.pool = pool;
    o.sha256 = vd_sha256;
    o.report = report_vectors;
    o.ctx = v;
    if (access(o.dir, R_OK | X_OK) != 0)
        return RO_FAIL(err, RO_ENOTFOUND, "%s cannot be read: %s", o.dir, strerror(errno));
    if (!v->json) printf("%-32s %7s  %6s  %s\n", "operator", "version", "cases", "result");
    return ro_vectors_check(&o, err);
}

ro_status cmd_vectors(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--dir", .has_value = 1}, {.name = "--scalar"},
                            {.name = "--threads", .has_value = 1}, {.name = "--json"}, {0}};
    cli_args a = {.options = options};
    vectors_report v;
    ro_pool *pool = NULL;
    char t[32];
    memset(&v, 0, sizeof v);
    RO_TRY(cli_parse(argc, argv, &a, 0, 0, err));
    RO_TRY(cli_pool(&a, &pool, err));
    v.json = cli_value(&a, "--json") != NULL;
    if (v.json) v.list = cJSON_CreateArray();
    ro_status st = check_vectors(&a, pool, &v, err);
    ro_pool_free(pool);
    if (st) {
        cJSON_Delete(v.list);
        return st;
    }
    *exit_code = v.failed ? 1 : 0;
    if (v.json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-vectors/1");
        cJSON_AddStringToObject(o, "isa", cli_value(&a, "--scalar") ? "scalar" : ro_cpu_isa());
        cli_json_u64(o, "cases", v.cases);
        cli_json_u64(o, "failed", v.failed);
        cJSON_AddItemToObject(o, "operators", v.list);
        cli_json(o);
    } else {
        printf("%llu operators, %s cases, %llu failed\n", (unsigned long long)v.operators,
               cli_count(v.cases, t), (unsigned long long)v.failed);
    }
    return RO_OK;
}
