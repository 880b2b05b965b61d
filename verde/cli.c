/* cli.c - options, tables, progress and JSON for the commands of `verde`.
 *
 * Invariants
 *   1. stdout carries results (with --json one document and nothing else), stderr the rest.
 *   2. No option is ignored: what a command does not know is refused. */
#define _GNU_SOURCE
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnx.h"

int cli_exit_code(ro_status st)
{
    switch (st) {
    case RO_OK: return 0;
    case RO_EDIFFER: return 1;
    case RO_EUSAGE: return 2;
    case RO_EFORMAT: case RO_ELIMIT: case RO_ESHAPE: case RO_ETYPE: case RO_EATTR:
    case RO_ESIGNATURE: return 3;
    case RO_EIO: case RO_ENOTFOUND: return 4;
    case RO_EOP: return 5;
    default: return 6;
    }
}

/* ---- options ----------------------------------------------------------------------------- */

static cli_option *find(cli_args *a, const char *name, size_t n)
{
    for (cli_option *o = a->options; o->name; o++)
        if (strlen(o->name) == n && memcmp(o->name, name, n) == 0) return o;
    return NULL;
}

ro_status cli_parse(int argc, char **argv, cli_args *a, uint32_t min_words, uint32_t max_words,
                    ro_err *err)
{
    int words_only = 0;
    a->words = argv;
    for (int k = 0; k < argc; k++) {
        char *s = argv[k];
        const char *eq = strchr(s, '=');
        if (!words_only && strcmp(s, "--") == 0) {
            words_only = 1;
            continue;
        }
        if (words_only || s[0] != '-' || s[1] == 0) {
            if (a->word_count >= max_words)
                return RO_FAIL(err, RO_EUSAGE, "\"%.60s\" is one argument too many", s);
            a->words[a->word_count++] = s;
            continue;
        }
        cli_option *o = find(a, s, eq ? (size_t)(eq - s) : strlen(s));
        if (!o) return RO_FAIL(err, RO_EUSAGE, "there is no option %.60s here", s);
        if (!o->has_value && eq) return RO_FAIL(err, RO_EUSAGE, "%s takes no value", o->name);
        if (o->has_value && !eq && k + 1 >= argc)
            return RO_FAIL(err, RO_EUSAGE, "%s needs a value", o->name);
        if (o->count && o->has_value && !o->many)
            return RO_FAIL(err, RO_EUSAGE, "%s is given twice", o->name);
        o->value = !o->has_value ? "" : eq ? eq + 1 : argv[++k];
        if (o->count >= sizeof o->all / sizeof *o->all)
            return RO_FAIL(err, RO_EUSAGE, "%s is given more than %zu times", o->name,
                           sizeof o->all / sizeof *o->all);
        o->all[o->count++] = o->value;
    }
    if (a->word_count < min_words)
        return RO_FAIL(err, RO_EUSAGE, "an argument is missing; --help shows what is needed");
    return RO_OK;
}

static const cli_option *option_or_null(const cli_args *a, const char *name)
{
    for (const cli_option *o = a->options; o->name; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

const cli_option *cli_get(const cli_args *a, const char *name)
{
    const cli_option *o = option_or_null(a, name);
    RO_ASSERT(o); /* the command declares the options it reads */
    return o;
}

const char *cli_value(const cli_args *a, const char *name) { return cli_get(a, name)->value; }

ro_status cli_number(const cli_args *a, const char *name, uint64_t low, uint64_t high,
                     uint64_t *out, ro_err *err)
{
    const char *s = cli_value(a, name);
    uint64_t v = 0;
    if (!s) return RO_OK;
    for (const char *p = s; *p || p == s; p++) {
        if (*p < '0' || *p > '9' || v > (UINT64_MAX - (uint64_t)(*p - '0')) / 10)
            return RO_FAIL(err, RO_EUSAGE, "%s is \"%.40s\", no whole number", name, s);
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (v < low || v > high)
        return RO_FAIL(err, RO_EUSAGE, "%s is %llu; %llu to %llu are allowed", name,
                       (unsigned long long)v, (unsigned long long)low, (unsigned long long)high);
    *out = v;
    return RO_OK;
}

/* ---- JSON -------------------------------------------------------------------------------- */

/* Text of strangers stays the same text to a program; what a terminal would act on, or not show,
 * is written as an escape. */
static void put_json(const char *text)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    while (p < end) {
        unsigned n = *p < 0x7f ? 0 : vd_wire_character(p, (uint64_t)(end - p));
        uint32_t v = n ? vd_onnx_character(p, n) : 'a';
        if (!n) n = 1; /* ASCII, or a byte of a path that is no character */
        if (vd_onnx_is_seen(v)) fwrite(p, 1, n, stdout);
        else if (v < 0x10000) printf("\\u%04x", v);
        else printf("\\u%04x\\u%04x", 0xd7c0 + (v >> 10), 0xdc00 + (v & 0x3ff));
        p += n;
    }
    putchar('\n');
}

void cli_json(cJSON *doc)
{
    char *text = cJSON_Print(doc);
    if (text) put_json(text);
    cJSON_free(text);
    cJSON_Delete(doc);
}

void cli_json_u64(cJSON *o, const char *key, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    if (v <= UINT64_C(1) << 53) cJSON_AddRawToObject(o, key, text);
    else cJSON_AddStringToObject(o, key, text);
}

void cli_json_digest(cJSON *o, const char *key, const vd_digest *d)
{
    char hex[65];
    vd_digest_hex(d, hex);
    cJSON_AddStringToObject(o, key, hex);
}

/* ---- figures for people ------------------------------------------------------------------ */

const char *cli_amount(double n, char text[32])
{
    static const char units[] = " kMGTPE";
    int u = 0;
    for (; n >= 999.5 && u < 6; u++) n /= 1000;
    if (u == 0) snprintf(text, 32, "%.0f ", n);
    else snprintf(text, 32, n < 9.995 ? "%.2f %c" : n < 99.95 ? "%.1f %c" : "%.0f %c", n, units[u]);
    return text;
}

const char *cli_bytes(uint64_t n, char text[32])
{
    char amount[32];
    snprintf(text, 32, "%.29sB", cli_amount((double)n, amount));
    return text;
}

const char *cli_count(uint64_t n, char text[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int k = 0; k < len; k++) {
        if (k && (len - k) % 3 == 0) text[at++] = ',';
        text[at++] = digits[k];
    }
    text[at] = 0;
    return text;
}

const char *cli_time(double s, char text[32])
{
    if (s < 0.9995) snprintf(text, 32, "%.0f ms", s * 1e3);
    else if (s < 99.95) snprintf(text, 32, "%.1f s", s);
    else if (s < 5940) snprintf(text, 32, "%d min %d s", (int)(s / 60), (int)s % 60);
    else snprintf(text, 32, "%d h %d min", (int)(s / 3600), (int)(s / 60) % 60);
    return text;
}

/* ---- progress ---------------------------------------------------------------------------- */

ro_status cli_progress_init(cli_progress *p, const char *kind, const char *label, ro_err *err)
{
    memset(p, 0, sizeof *p);
    p->label = label;
    p->kind = CLI_AUTO;
    p->last = -1;
    if (!kind || strcmp(kind, "auto") == 0) p->kind = isatty(2) ? CLI_AUTO : CLI_NONE;
    else if (strcmp(kind, "plain") == 0) p->kind = CLI_PLAIN;
    else if (strcmp(kind, "json") == 0) p->kind = CLI_JSON;
    else if (strcmp(kind, "none") == 0) p->kind = CLI_NONE;
    else
        return RO_FAIL(err, RO_EUSAGE,
                       "--progress is \"%.20s\"; it can be auto, plain, json or none", kind);
    return RO_OK;
}

static void draw_bar(cli_progress *p, const vd_progress *v, double eta)
{
    char bar[31], a[32], b[32], c[32], loss[32] = "";
    int full = (int)(30 * v->done / v->total);
    for (int k = 0; k < 30; k++) bar[k] = k < full ? '#' : '.';
    bar[30] = 0;
    if (v->has_loss) snprintf(loss, sizeof loss, "  loss %.4f", v->loss);
    fprintf(stderr, "\r\033[K%s [%s] %s / %s%s  %s left", p->label, bar, cli_count(v->done, a),
            cli_count(v->total, b), loss, cli_time(eta, c));
    fflush(stderr);
    p->drawn = 1;
}

void cli_progress_step(void *ctx, const vd_progress *v)
{
    cli_progress *p = ctx;
    double every = p->kind == CLI_AUTO ? 0.1 : p->kind == CLI_JSON ? 1.0 : 5.0;
    if (p->kind == CLI_NONE) return;
    if (v->done < v->total && p->last >= 0 && v->seconds - p->last < every) return;
    p->last = v->seconds;
    uint64_t here = v->done - v->since;
    double eta = here ? v->seconds * (double)(v->total - v->done) / (double)here : 0;
    char a[32], b[32], c[32];
    if (p->kind == CLI_AUTO) {
        draw_bar(p, v, eta);
    } else if (p->kind == CLI_PLAIN) {
        fprintf(stderr, "%s: step %s of %s", p->label, cli_count(v->done, a),
                cli_count(v->total, b));
        if (v->has_loss) fprintf(stderr, ", loss %.4f", v->loss);
        fprintf(stderr, ", %s left\n", cli_time(eta, c));
    } else {
        fprintf(stderr, "{\"step\":%llu,\"steps\":%llu,\"seconds\":%.3f,\"eta\":%.3f",
                (unsigned long long)v->done, (unsigned long long)v->total, v->seconds, eta);
        if (v->has_loss && v->loss - v->loss == 0) fprintf(stderr, ",\"loss\":%.9g", v->loss);
        fprintf(stderr, "}\n");
    }
}

void cli_progress_end(cli_progress *p)
{
    if (p->drawn) fprintf(stderr, "\r\033[K");
}

/* ---- jobs, stores, faults ---------------------------------------------------------------- */

ro_status cli_pool(const cli_args *a, ro_pool **pool, ro_err *err)
{
    uint64_t n = 0;
    RO_TRY(cli_number(a, "--threads", 1, RO_THREADS_MAX, &n, err));
    return ro_pool_new((uint32_t)n, pool, err);
}

ro_status cli_store(const cli_args *a, const char *trace, int create, vd_store **out, ro_err *err)
{
    const char *given = cli_value(a, "--store");
    char path[4096];
    if (given) return vd_store_open(given, create, out, err);
    size_t n = strlen(trace);
    if (n > 6 && strcmp(trace + n - 6, ".trace") == 0) n -= 6;
    if (n + 7 > sizeof path) return RO_FAIL(err, RO_EUSAGE, "the trace's path is too long");
    memcpy(path, trace, n);
    memcpy(path + n, ".store", 7);
    return vd_store_open(path, create, out, err);
}

ro_status cli_file_open(const char *path, vd_trace **out, ro_err *err)
{
    ro_err why = {RO_OK, {0}};
    ro_status st = vd_trace_open(path, out, &why);
    if (st == RO_EDIFFER) st = RO_EFORMAT; /* with itself: no other file is in question */
    return st ? RO_FAIL(err, st, "%s", why.msg) : RO_OK;
}

ro_status cli_trace_open(const char *path, vd_trace **out, ro_err *err)
{
    vd_trace *t = NULL;
    RO_TRY(cli_file_open(path, &t, err));
    if (vd_trace_is_segment(t, NULL, NULL)) {
        vd_trace_close(t);
        return RO_FAIL(err, RO_EUSAGE, "%.160s claims one segment; a whole trace is needed", path);
    }
    *out = t;
    return RO_OK;
}

/* step:node:element:bit */
static ro_status parse_fault(const char *s, vd_fault *f, ro_err *err)
{
    uint64_t v[4] = {0};
    const char *p = s;
    for (int k = 0; k < 4; k++) {
        const char *start = p;
        for (; *p >= '0' && *p <= '9'; p++) {
            if (v[k] > (UINT64_MAX - 9) / 10) break;
            v[k] = v[k] * 10 + (uint64_t)(*p - '0');
        }
        if (p == start || *p != (k < 3 ? ':' : 0) || (k % 2 && v[k] > UINT32_MAX))
            return RO_FAIL(err, RO_EUSAGE,
                           "--inject is \"%.60s\"; it is step:node:element:bit, four whole numbers",
                           s);
        p++;
    }
    memset(f, 0, sizeof *f);
    f->step = v[0];
    f->fault.node = (uint32_t)v[1];
    f->fault.element = v[2];
    f->fault.bit = (uint32_t)v[3];
    return RO_OK;
}

ro_status cli_faults(const cli_args *a, vd_fault *f, uint32_t *count, ro_err *err)
{
    const cli_option *o = cli_get(a, "--inject");
    for (uint32_t k = 0; k < o->count; k++) RO_TRY(parse_fault(o->all[k], &f[k], err));
    *count = o->count;
    return RO_OK;
}

/* ---- models ------------------------------------------------------------------------------ */

static int ends_in(const char *s, const char *ending)
{
    size_t n = strlen(s), e = strlen(ending);
    return n >= e && strcmp(s + n - e, ending) == 0;
}

ro_status cli_value_load(const char *path, const vd_onnx_type *type, ro_arena *arena,
                         vd_onnx_input *out, ro_err *err)
{
    uint8_t *bytes;
    uint64_t size;
    if (!ends_in(path, ".pb")) return vd_data_load(path, arena, &out->tensor, err);
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to read %s", path);
    ro_status st = vd_file_read(path, VD_ONNX_FILE_MAX, a, &bytes, &size, err);
    if (!st) st = vd_onnx_value_parse(bytes, size, type, path, arena, out, err);
    ro_arena_free(a);
    return st;
}

static char *file_at(cli_file_name *list, size_t stride, uint32_t k)
{
    return (char *)list + k * stride;
}

static int is_taken(cli_file_name *list, size_t stride, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++)
        if (strcmp(file_at(list, stride, i), file_at(list, stride, k)) == 0) return 1;
    return 0;
}

void cli_name_file(const char *name, cli_file_name *list, size_t stride, uint32_t k)
{
    char *out = file_at(list, stride, k);
    size_t n = 0;
    for (const char *s = name; *s && n + 24 < sizeof *list; s++) {
        int plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                    (*s >= '0' && *s <= '9') || *s == '_' || *s == '-' || (*s == '.' && n);
        out[n++] = plain ? *s : '_';
    }
    snprintf(out + n, sizeof *list - n, ".npy");
    for (uint32_t number = k; is_taken(list, stride, k); number++)
        snprintf(out + n, sizeof *list - n, "-%u.npy", number);
}

/* m NULL: it is an encoder, whose inputs are tensors. */
static ro_status load_inputs(cli_job *j, const vd_job_file *f, const vd_onnx *m, vd_onnx_input *in,
                             ro_err *err)
{
    for (uint32_t k = 0; k < f->input_count; k++) {
        const vd_onnx_type *type = NULL;
        for (uint32_t i = 0; m && i < m->graphs[0].input_count; i++)
            if (vd_onnx_is(&m->graphs[0].inputs[i].name, f->input_names[k]))
                type = m->graphs[0].inputs[i].type;
        in[k].name = f->input_names[k];
        RO_TRY(cli_value_load(f->input_paths[k], type, j->arena, &in[k], err));
    }
    return RO_OK;
}

/* A model is trained on what the job file names. */
static ro_status train_model(cli_job *j, const vd_job_file *f, const vd_onnx *m,
                             const vd_onnx_input *in, ro_err *err)
{
    vd_onnx_input data[2];
    memset(data, 0, sizeof data);
    RO_TRY(cli_value_load(f->images, NULL, j->arena, &data[0], err));
    if (f->labels) RO_TRY(cli_value_load(f->labels, NULL, j->arena, &data[1], err));
    const vd_onnx_training t = {f->feed_images,  f->feed_labels, f->output,
                                f->freeze,       f->freeze_count,
                                {data[0].tensor, data[1].tensor}, in, f->input_count};
    return vd_onnx_train(m, &f->spec, &t, j->arena, &j->onnx, err);
}

/* A model (of a file, or an encoder's config and weights) and files for its inputs become the job
 * of running it once, or of training it. */
static ro_status build_model(cli_job *j, const vd_job_file *f, ro_err *err)
{
    const uint32_t n = f->input_count;
    vd_onnx *m = NULL;
    vd_onnx_input *in = ro_arena_alloc(j->arena, (n + (size_t)1) * sizeof *in);
    if (!in) return RO_FAIL(err, RO_ENOMEM, "no memory for a model's inputs");
    j->is_model = !f->trains;
    if (f->onnx) RO_TRY(vd_onnx_open(f->onnx, &m, err));
    ro_status st = load_inputs(j, f, m, in, err);
    if (!st && f->trains)
        st = train_model(j, f, m, in, err);
    else if (!st && m)
        st = vd_onnx_lower(m, in, n, f->spec.record, f->spec.segment, j->arena, &j->onnx, err);
    else if (!st)
        st = vd_encoder_job(f->config, f->weights, in, n, f->spec.record, f->spec.segment, j->arena,
                            &j->onnx, err);
    vd_onnx_close(m);
    j->job = j->onnx.job;
    j->constants = j->onnx.constants;
    return st;
}

/* --input NAME=FILE, each. */
static ro_status files_of_options(const char *path, const cli_option *o, ro_arena *arena,
                                  vd_job_file *f, ro_err *err)
{
    const uint32_t n = o ? o->count : 0;
    memset(f, 0, sizeof *f);
    f->onnx = path;
    f->input_names = ro_arena_alloc(arena, (n + (size_t)1) * sizeof *f->input_names);
    f->input_paths = ro_arena_alloc(arena, (n + (size_t)1) * sizeof *f->input_paths);
    if (!f->input_names || !f->input_paths)
        return RO_FAIL(err, RO_ENOMEM, "no memory for a model's inputs");
    for (; f->input_count < n; f->input_count++) {
        const char *text = o->all[f->input_count], *is = strchr(text, '=');
        if (!is || is == text || !is[1])
            return RO_FAIL(err, RO_EUSAGE, "--input is \"%.80s\"; it is NAME=FILE", text);
        f->input_names[f->input_count] = ro_arena_string(arena, text, (size_t)(is - text));
        if (!f->input_names[f->input_count])
            return RO_FAIL(err, RO_ENOMEM, "no memory for a model's inputs");
        f->input_paths[f->input_count] = is + 1;
    }
    return RO_OK;
}

/* A job file in JSON. */
static ro_status files_of_json(const char *path, const uint8_t *bytes, uint64_t size,
                               ro_arena *arena, vd_job_file *f, ro_err *err)
{
    const char *slash = strrchr(path, '/');
    char *base = ro_arena_string(arena, path, slash ? (size_t)(slash - path) : 0);
    if (!base) return RO_FAIL(err, RO_ENOMEM, "no memory to read %s", path);
    if (slash == path) base = "/";
    return vd_job_parse((const char *)bytes, size, base, arena, f, err);
}

static int is_canonical(const uint8_t *bytes, uint64_t size)
{
    return size >= 8 && memcmp(bytes, "VERDEJOB", 8) == 0;
}

ro_status cli_model_files(const char *path, const cli_args *a, ro_arena *arena, vd_job_file *f,
                          ro_err *err)
{
    uint8_t *bytes;
    uint64_t size;
    if (ends_in(path, ".onnx"))
        return files_of_options(path, option_or_null(a, "--input"), arena, f, err);
    memset(f, 0, sizeof *f);
    RO_TRY(vd_file_read(path, VD_JOB_BYTES_MAX, arena, &bytes, &size, err));
    return is_canonical(bytes, size) ? RO_OK : files_of_json(path, bytes, size, arena, f, err);
}

static ro_status build_json(cli_job *j, const char *path, const char *record, const uint8_t *bytes,
                            uint64_t size, ro_err *err)
{
    j->is_json = 1;
    RO_TRY(files_of_json(path, bytes, size, j->arena, &j->file, err));
    if (record)
        RO_TRY(vd_record_parse(record, &j->file.spec.record, &j->file.spec.segment, err));
    if (j->file.onnx || j->file.config) return build_model(j, &j->file, err);
    RO_TRY(vd_job_load_data(&j->file, j->pool, j->arena, err));
    return vd_model_job(&j->file.spec, j->arena, &j->job, err);
}

static ro_status build_options(cli_job *j, const char *path, const char *record,
                               const cli_option *inputs, ro_err *err)
{
    vd_job_file f;
    RO_TRY(files_of_options(path, inputs, j->arena, &f, err));
    f.spec.record = VD_RECORD_FULL;
    if (record) RO_TRY(vd_record_parse(record, &f.spec.record, &f.spec.segment, err));
    return build_model(j, &f, err);
}

ro_status cli_job_load(cli_job *j, const char *path, const cli_args *a, ro_err *err)
{
    uint8_t *bytes;
    uint64_t size;
    const cli_option *r = option_or_null(a, "--record"), *inputs = option_or_null(a, "--input");
    const char *record = r ? r->value : NULL;
    j->arena = ro_arena_new();
    if (!j->arena) return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    RO_TRY(cli_pool(a, &j->pool, err));
    if (ends_in(path, ".onnx")) return build_options(j, path, record, inputs, err);
    if (inputs && inputs->count)
        return RO_FAIL(err, RO_EUSAGE, "--input is for ONNX models; %.160s does not end in .onnx",
                       path);
    RO_TRY(vd_file_read(path, VD_JOB_BYTES_MAX, j->arena, &bytes, &size, err));
    if (is_canonical(bytes, size)) {
        if (record)
            return RO_FAIL(err, RO_EUSAGE, "--record cannot change a job in canonical form");
        RO_TRY(vd_job_decode(bytes, size, j->arena, &j->job, err));
    } else {
        RO_TRY(build_json(j, path, record, bytes, size, err));
    }
    if (j->constants) return RO_OK; /* a model's */
    j->constants = ro_arena_alloc(j->arena, (j->job->constant_count + 1) * sizeof *j->constants);
    if (!j->constants) return RO_FAIL(err, RO_ENOMEM, "no memory for a job's constants");
    if (j->is_json)
        for (uint32_t k = 0; k < j->job->constant_count; k++)
            j->constants[k] = j->file.data[k].data;
    return RO_OK;
}

ro_status cli_model_run(const cli_job *j, const vd_exec_options *e, ro_tensor *out,
                        vd_digest *outputs, ro_err *err)
{
    vd_exec *x = NULL;
    vd_step_result r;
    const ro_graph *g = j->job->phases[0].graph;
    RO_TRY(vd_exec_new(j->job, e, &x, err));
    ro_status st = vd_exec_first_state(x, j->store, err);
    if (!st) st = vd_exec_step(x, 0, 0, &r, err);
    for (uint32_t k = 0; !st && k < g->output_count; k++) {
        out[k].type = *ro_graph_type(g, g->outputs[k]);
        out[k].data = ro_arena_alloc(j->arena, ro_type_bytes(&out[k].type));
        if (!out[k].data) st = RO_FAIL(err, RO_ENOMEM, "no memory for a model's outputs");
        if (!st) st = vd_exec_value(x, g->outputs[k], out[k].data, err);
    }
    if (!st) *outputs = r.outputs;
    vd_exec_free(x);
    return st;
}

ro_status cli_job_constants(cli_job *j, ro_err *err)
{
    for (uint32_t k = 0; k < j->job->constant_count; k++)
        if (j->constants[k])
            RO_TRY(vd_store_put(j->store, &j->job->constants[k].type, j->constants[k],
                                &j->job->constants[k].digest, err));
    for (uint32_t k = 0; j->onnx.slots && k < j->job->slot_count; k++)
        if (j->onnx.slots[k])
            RO_TRY(vd_store_put(j->store, &j->job->slots[k].type, j->onnx.slots[k],
                                &j->job->slots[k].digest, err));
    return vd_constants_load(j->job, j->store, j->constants, j->arena, err);
}

void cli_job_free(cli_job *j)
{
    vd_store_close(j->store);
    ro_pool_free(j->pool);
    ro_arena_free(j->arena);
}
