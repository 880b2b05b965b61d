/* cmd_model.c - what a model gives: its outputs after a run, and verde conformance, which runs a
 * folder of models that say what they should give. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "conform.h"
#include "files.h"

/* ---- .npy --------------------------------------------------------------------------------- */

/* numpy's version 1: a header padded to 64 bytes, then elements row-major, little-endian. */
static ro_status write_npy(const char *path, const ro_type *t, const void *data, ro_err *err)
{
    static const char *const kinds[RO_DTYPE_LIMIT] = {
        [RO_F16] = "<f2", [RO_F32] = "<f4", [RO_F64] = "<f8", [RO_BF16] = "<V2",
        [RO_I8] = "|i1",  [RO_I16] = "<i2", [RO_I32] = "<i4", [RO_I64] = "<i8",
        [RO_U8] = "|u1",  [RO_U16] = "<u2", [RO_U32] = "<u4", [RO_U64] = "<u8", [RO_BOOL] = "|b1"};
    char text[320];
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                     kinds[t->dtype]);
    for (uint32_t k = 0; k < t->rank; k++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%lld,%s", (long long)t->dims[k],
                      k + 1 < t->rank ? " " : "");
    n += snprintf(text + n, sizeof text - (size_t)n, "), }");
    size_t header = ((size_t)n + 11 + 63) / 64 * 64 - 10;
    uint64_t bytes = ro_type_bytes(t);
    uint8_t *p = ro_alloc(10 + header + bytes);
    if (!p) return RO_FAIL(err, RO_ENOMEM, "no memory to write %s", path);
    memcpy(p, "\x93NUMPY\x01\x00", 8);
    p[8] = (uint8_t)header;
    p[9] = (uint8_t)(header >> 8);
    memset(p + 10, ' ', header);
    memcpy(p + 10, text, (size_t)n);
    p[10 + header - 1] = '\n';
    ro_canonical_bytes(t->dtype, data, p + 10 + header, ro_type_elements(t));
    ro_status st = vd_fs_replace(path, p, 10 + header + bytes, err);
    ro_free(p);
    return st;
}

/* ---- outputs ------------------------------------------------------------------------------ */

typedef struct { ro_tensor tensor; vd_digest digest; cli_file_name file; } output;

static void print_outputs(const vd_onnx_job *m, const output *list, const char *folder)
{
    char type[96], hex[65];
    int wide = 6;
    for (uint32_t k = 0; k < m->output_count; k++) {
        int n = (int)strlen(m->outputs[k]);
        wide = n > wide && n <= 40 ? n : wide;
    }
    printf("%-*s  %-28s  %-16s%s\n", wide, "output", "type", "digest", folder ? "  file" : "");
    for (uint32_t k = 0; k < m->output_count; k++) {
        const vd_onnx_text name = {m->outputs[k], (uint32_t)strlen(m->outputs[k]), 0};
        char shown[120];
        vd_digest_hex(&list[k].digest, hex);
        printf("%-*s  %-28s  %.16s%s%s%s%s\n", wide, vd_onnx_show(&name, shown, sizeof shown),
               ro_type_text(&list[k].tensor.type, type, sizeof type), hex, folder ? "  " : "",
               folder ? folder : "", folder ? "/" : "", folder ? list[k].file : "");
    }
}

static void json_outputs(const vd_onnx_job *m, const output *list, const char *folder, cJSON *o)
{
    char type[96];
    if (!cJSON_GetObjectItemCaseSensitive(o, "schema"))
        cJSON_AddStringToObject(o, "schema", "verde-run/1");
    cJSON *all = cJSON_AddArrayToObject(o, "outputs");
    for (uint32_t k = 0; k < m->output_count; k++) {
        cJSON *x = cJSON_CreateObject();
        cJSON_AddItemToArray(all, x);
        cJSON_AddStringToObject(x, "name", m->outputs[k]);
        cJSON_AddStringToObject(x, "type", ro_type_text(&list[k].tensor.type, type, sizeof type));
        cli_json_digest(x, "digest", &list[k].digest);
        if (folder) cJSON_AddStringToObject(x, "file", list[k].file);
    }
}

ro_status cli_model_outputs(cli_job *j, const vd_exec_options *e, const vd_digest *expect,
                            const char *out, cJSON *o, ro_err *err)
{
    const vd_onnx_job *m = &j->onnx;
    output *list = ro_arena_alloc(j->arena, (m->output_count + 1) * sizeof *list);
    ro_tensor *t = ro_arena_alloc(j->arena, (m->output_count + 1) * sizeof *t);
    vd_digest outputs;
    char path[4096];
    if (!list || !t) return RO_FAIL(err, RO_ENOMEM, "no memory for a model's outputs");
    RO_TRY(cli_model_run(j, e, t, &outputs, err));
    for (uint32_t k = 0; k < m->output_count; k++) {
        list[k].tensor = t[k];
        vd_tensor_digest(&t[k].type, t[k].data, j->pool, list[k].digest.b);
    }
    if (expect && !vd_digest_equal(expect, &outputs))
        return RO_FAIL(err, RO_EDIFFER, "the model's outputs are not those that the trace has");
    if (out && mkdir(out, 0777) < 0 && errno != EEXIST)
        return vd_fs_failed("create the folder", out, err);
    for (uint32_t k = 0; out && k < m->output_count; k++) {
        cli_name_file(m->outputs[k], &list[0].file, sizeof *list, k);
        if (snprintf(path, sizeof path, "%s/%s", out, list[k].file) >= (int)sizeof path)
            return RO_FAIL(err, RO_EUSAGE, "the folder's path is too long");
        RO_TRY(write_npy(path, &t[k].type, t[k].data, err));
    }
    if (o) json_outputs(m, list, out, o);
    else print_outputs(m, list, out);
    return RO_OK;
}

/* ---- conformance -------------------------------------------------------------------------- */

static void print_suite(const vd_suite *s)
{
    char t[VD_CASE_RESULTS][32];
    for (int r = VD_CASE_WRONG; r >= VD_CASE_REFUSED; r--)
        for (uint32_t k = 0; k < s->count; k++)
            if ((int)s->cases[k].result == r)
                printf("%-8s %s: %s\n", vd_case_results[r], s->cases[k].name, s->cases[k].why);
    for (int r = 0; r < VD_CASE_RESULTS; r++) cli_count(s->total[r], t[r]);
    printf("%u cases: %s passed, %s refused, %s wrong\n", s->count, t[0], t[1], t[2]);
}

static void json_texts(cJSON *o, const char *key, const char *const *list, uint32_t count)
{
    cJSON *all = cJSON_AddArrayToObject(o, key);
    for (uint32_t k = 0; k < count; k++) cJSON_AddItemToArray(all, cJSON_CreateString(list[k]));
}

static void json_suite(const vd_suite *s)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "schema", "verde-conformance/1");
    for (int r = 0; r < VD_CASE_RESULTS; r++) cli_json_u64(o, vd_case_results[r], s->total[r]);
    cJSON *list = cJSON_AddArrayToObject(o, "cases");
    for (uint32_t k = 0; k < s->count; k++) {
        const vd_case *c = &s->cases[k];
        cJSON *x = cJSON_CreateObject();
        cJSON_AddItemToArray(list, x);
        cJSON_AddStringToObject(x, "name", c->name);
        cJSON_AddStringToObject(x, "result", vd_case_results[c->result]);
        if (c->why[0]) cJSON_AddStringToObject(x, "why", c->why);
        if (c->subject) cJSON_AddStringToObject(x, "operator", c->subject);
        json_texts(x, "operators", c->operators, c->operator_count);
        cJSON_AddNumberToObject(x, "opset", (double)c->opset);
        json_texts(x, "dtypes", c->dtypes, c->dtype_count);
    }
    cli_json(o);
}

typedef struct { cli_progress p; double start; } suite_progress;

static void show_progress(void *ctx, uint32_t done, uint32_t count)
{
    suite_progress *p = ctx;
    vd_progress v;
    memset(&v, 0, sizeof v);
    v.done = done;
    v.total = count;
    v.seconds = vd_seconds() - p->start;
    cli_progress_step(&p->p, &v);
}

static ro_status run_suite(const cli_args *a, vd_suite *s, ro_arena *arena, ro_err *err)
{
    suite_progress p;
    uint64_t threads = 0;
    RO_TRY(cli_number(a, "--threads", 1, RO_THREADS_MAX, &threads, err));
    RO_TRY(cli_progress_init(&p.p, cli_value(a, "--progress"), "conformance", err));
    RO_TRY(vd_suite_find(a->words[0], arena, s, err));
    p.start = vd_seconds();
    ro_status st = vd_suite_run(s, (uint32_t)threads, arena, show_progress, &p, err);
    cli_progress_end(&p.p);
    return st;
}

ro_status cmd_conformance(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--json"}, {.name = "--progress", .has_value = 1},
                            {.name = "--threads", .has_value = 1}, {0}};
    cli_args a = {.options = options};
    vd_suite s;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    ro_arena *arena = ro_arena_new();
    if (!arena) return RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    ro_status st = run_suite(&a, &s, arena, err);
    if (!st && cli_value(&a, "--json")) json_suite(&s);
    else if (!st) print_suite(&s);
    if (!st && s.total[VD_CASE_WRONG]) *exit_code = 1;
    ro_arena_free(arena);
    return st;
}
