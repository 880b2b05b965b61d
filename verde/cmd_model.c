/* cmd_model.c - what a model gives: its outputs after a run, and verde conformance, which runs a
 * folder of models in the layout of ONNX's backend tests. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "files.h"

/* ---- .npy --------------------------------------------------------------------------------- */

/* numpy's version 1: a header padded to 64 bytes, then elements row-major, little-endian. */
static ro_status write_npy(const char *path, const ro_type *t, const void *data, ro_err *err)
{
    static const char *const kinds[RO_DTYPE_LIMIT] = {
        [RO_F32] = "<f4", [RO_F64] = "<f8", [RO_I32] = "<i4",
        [RO_I64] = "<i8", [RO_U8] = "|u1",  [RO_BOOL] = "|b1"};
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

typedef struct { const ro_type *type; void *data; vd_digest digest; char file[200]; } output;

/* Whether an output before it has the file of output k. */
static int is_taken(const output *list, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++)
        if (strcmp(list[i].file, list[k].file) == 0) return 1;
    return 0;
}

/* An output's name as a file's: other characters become _, and what is taken gets its number. */
static void name_file(const char *name, output *list, uint32_t k)
{
    char *out = list[k].file;
    size_t n = 0;
    for (const char *s = name; *s && n + 24 < sizeof list[k].file; s++) {
        int plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                    (*s >= '0' && *s <= '9') || *s == '_' || *s == '-' || (*s == '.' && n);
        out[n++] = plain ? *s : '_';
    }
    snprintf(out + n, sizeof list[k].file - n, ".npy");
    for (uint32_t number = k; is_taken(list, k); number++)
        snprintf(out + n, sizeof list[k].file - n, "-%u.npy", number);
}

/* Run the only step; the outputs in the arena. */
static ro_status run_once(cli_job *j, const vd_exec_options *e, output *list, vd_digest *outputs,
                          ro_err *err)
{
    vd_exec *x = NULL;
    vd_step_result r;
    const ro_graph *g = j->job->phases[0].graph;
    RO_TRY(vd_exec_new(j->job, e, &x, err));
    ro_status st = vd_exec_first_state(x, j->store, err);
    if (!st) st = vd_exec_step(x, 0, 0, &r, err);
    for (uint32_t k = 0; !st && k < g->output_count; k++) {
        list[k].type = ro_graph_type(g, g->outputs[k]);
        list[k].data = ro_arena_alloc(j->arena, ro_type_bytes(list[k].type));
        if (!list[k].data) st = RO_FAIL(err, RO_ENOMEM, "no memory for a model's outputs");
        if (!st) st = vd_exec_value(x, g->outputs[k], list[k].data, err);
        if (!st) vd_tensor_digest(list[k].type, list[k].data, j->pool, list[k].digest.b);
    }
    if (!st) *outputs = r.outputs;
    vd_exec_free(x);
    return st;
}

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
               ro_type_text(list[k].type, type, sizeof type), hex, folder ? "  " : "",
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
        cJSON_AddStringToObject(x, "type", ro_type_text(list[k].type, type, sizeof type));
        cli_json_digest(x, "digest", &list[k].digest);
        if (folder) cJSON_AddStringToObject(x, "file", list[k].file);
    }
}

ro_status cli_model_outputs(cli_job *j, const vd_exec_options *e, const vd_digest *expect,
                            const char *out, cJSON *o, ro_err *err)
{
    const vd_onnx_job *m = &j->onnx;
    output *list = ro_arena_alloc(j->arena, (m->output_count + 1) * sizeof *list);
    vd_digest outputs;
    char path[4096];
    if (!list) return RO_FAIL(err, RO_ENOMEM, "no memory for a model's outputs");
    RO_TRY(run_once(j, e, list, &outputs, err));
    if (expect && !vd_digest_equal(expect, &outputs))
        return RO_FAIL(err, RO_EDIFFER, "the model's outputs are not those that the trace has");
    if (out && mkdir(out, 0777) < 0 && errno != EEXIST)
        return vd_fs_failed("create the folder", out, err);
    for (uint32_t k = 0; out && k < m->output_count; k++) {
        name_file(m->outputs[k], list, k);
        if (snprintf(path, sizeof path, "%s/%s", out, list[k].file) >= (int)sizeof path)
            return RO_FAIL(err, RO_EUSAGE, "the folder's path is too long");
        RO_TRY(write_npy(path, list[k].type, list[k].data, err));
    }
    if (o) json_outputs(m, list, out, o);
    else print_outputs(m, list, out);
    return RO_OK;
}

/* ---- conformance: one case ---------------------------------------------------------------- */

#define CASE_SECONDS 10u
#define CASES_MAX 65536u
#define SETS_MAX 64u

typedef enum { PASSED, REFUSED, WRONG } outcome;
static const char *const OUTCOMES[] = {"passed", "refused", "wrong"};
typedef struct { uint8_t result; char why[255]; } verdict;

static void decide(verdict *v, outcome result, const char *why)
{
    v->result = (uint8_t)result;
    snprintf(v->why, sizeof v->why, "%.250s", why);
}

static int is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

static double real_at(ro_dtype d, const void *data, uint64_t i)
{
    float f;
    double x;
    if (d == RO_F32) {
        memcpy(&f, (const uint8_t *)data + 4 * i, 4);
        return (double)f;
    }
    memcpy(&x, (const uint8_t *)data + 8 * i, 8);
    return x;
}

/* ONNX's own tolerance: floats 1e-7 + 1e-3 |expected|, a NaN meets a NaN; integers are equal. */
static int is_near(const ro_type *t, const void *got, const void *want, uint64_t *first)
{
    uint64_t n = ro_type_elements(t);
    uint32_t size = ro_dtypes[t->dtype].size;
    for (*first = 0; *first < n; ++*first) {
        uint64_t i = *first;
        if (t->dtype != RO_F32 && t->dtype != RO_F64) {
            if (memcmp((const uint8_t *)got + i * size, (const uint8_t *)want + i * size, size))
                return 0;
            continue;
        }
        double a = real_at(t->dtype, got, i), b = real_at(t->dtype, want, i);
        double apart = a > b ? a - b : b - a, size_of_b = b < 0 ? -b : b;
        if (a == b || (a != a && b != b) || apart <= 1e-7 + 1e-3 * size_of_b) continue;
        return 0;
    }
    return 1;
}

typedef struct {
    cli_job j;
    output *got;
    ro_tensor *want;
    uint32_t wanted;
} data_set;

/* input_0.pb, input_1.pb, ... are the graph's inputs in order. */
static ro_status read_set(const char *folder, const vd_onnx *m, data_set *s, ro_err *err)
{
    const vd_onnx_graph *g = &m->graphs[0];
    char path[4096];
    vd_onnx_input *in = ro_arena_alloc(s->j.arena, (g->input_count + 1) * sizeof *in);
    s->want = ro_arena_alloc(s->j.arena, (g->output_count + 1) * sizeof *s->want);
    s->got = ro_arena_alloc(s->j.arena, (g->output_count + 1) * sizeof *s->got);
    uint32_t n = 0;
    if (!in || !s->want || !s->got) return RO_FAIL(err, RO_ENOMEM, "no memory for a case");
    for (; n < g->input_count; n++) {
        const vd_onnx_value *v = &g->inputs[n];
        snprintf(path, sizeof path, "%.4000s/input_%u.pb", folder, n);
        if (!is_file(path)) break;
        if (v->type && v->type->kind != VD_ONNX_TENSOR)
            return RO_FAIL(err, RO_EOP, "input %u is no tensor; only tensors are taken", n);
        in[n].name = ro_arena_string(s->j.arena, v->name.p, v->name.n);
        if (!in[n].name) return RO_FAIL(err, RO_ENOMEM, "no memory for a case");
        RO_TRY(cli_tensor_load(path, s->j.arena, &in[n].tensor, err));
    }
    for (s->wanted = 0; s->wanted < g->output_count; s->wanted++) {
        const vd_onnx_value *v = &g->outputs[s->wanted];
        snprintf(path, sizeof path, "%.4000s/output_%u.pb", folder, s->wanted);
        if (!is_file(path)) break;
        if (v->type && v->type->kind != VD_ONNX_TENSOR)
            return RO_FAIL(err, RO_EOP, "output %u is no tensor; only tensors are given",
                           s->wanted);
        RO_TRY(cli_tensor_load(path, s->j.arena, &s->want[s->wanted], err));
    }
    if (!s->wanted) return RO_FAIL(err, RO_EFORMAT, "%.200s expects no output", folder);
    RO_TRY(vd_onnx_lower(m, in, n, VD_RECORD_FULL, 0, s->j.arena, &s->j.onnx, err));
    s->j.job = s->j.onnx.job;
    s->j.constants = s->j.onnx.constants;
    return RO_OK;
}

static void check_set(data_set *s, verdict *v)
{
    vd_exec_options e;
    vd_digest outputs;
    ro_err err = {RO_OK, {0}};
    char why[256], a[96], b[96];
    memset(&e, 0, sizeof e);
    e.backend = ro_cpu();
    e.constants = s->j.constants;
    if (run_once(&s->j, &e, s->got, &outputs, &err)) {
        decide(v, WRONG, err.msg);
        return;
    }
    for (uint32_t k = 0; k < s->wanted; k++) {
        const ro_type *t = s->got[k].type;
        uint64_t at = 0;
        if (!ro_type_equal(t, &s->want[k].type))
            snprintf(why, sizeof why, "output %u is %s; %s is expected", k,
                     ro_type_text(t, a, sizeof a), ro_type_text(&s->want[k].type, b, sizeof b));
        else if (!is_near(t, s->got[k].data, s->want[k].data, &at))
            snprintf(why, sizeof why, "output %u differs at element %llu of %llu", k,
                     (unsigned long long)at, (unsigned long long)ro_type_elements(t));
        else continue;
        decide(v, WRONG, why);
        return;
    }
}

/* All of its data sets are lowered before the first one is run: what is refused is not run. */
static void check_case(const char *folder, verdict *v)
{
    data_set *s = ro_alloc_zero(SETS_MAX * sizeof *s);
    vd_onnx *m = NULL;
    ro_err err = {RO_OK, {0}};
    char path[4096];
    uint32_t n = 0;
    decide(v, PASSED, "");
    snprintf(path, sizeof path, "%.4000s/model.onnx", folder);
    ro_status st = s ? vd_onnx_open(path, &m, &err) : RO_FAIL(&err, RO_ENOMEM, "no memory");
    for (; !st && n < SETS_MAX; n++) {
        struct stat there;
        snprintf(path, sizeof path, "%.4000s/test_data_set_%u", folder, n);
        if (stat(path, &there)) break;
        s[n].j.arena = ro_arena_new();
        if (!s[n].j.arena) st = RO_FAIL(&err, RO_ENOMEM, "no memory for a case");
        if (!st) st = read_set(path, m, &s[n], &err);
    }
    if (!st && !n) st = RO_FAIL(&err, RO_EFORMAT, "the case has no test_data_set_0");
    if (!st) st = ro_float_mode(&err);
    if (st) decide(v, st == RO_ENOMEM || st == RO_EIO ? WRONG : REFUSED, err.msg);
    for (uint32_t k = 0; !st && k < n && v->result == PASSED; k++) check_set(&s[k], v);
}

/* In a child, which may crash or hang. */
static ro_status run_case(const char *folder, verdict *v, ro_err *err)
{
    int ends[2], status = 0;
    size_t got = 0;
    char why[80];
    fflush(stdout);
    if (pipe(ends)) return RO_FAIL(err, RO_EIO, "no pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) return RO_FAIL(err, RO_EIO, "no child process: %s", strerror(errno));
    if (child == 0) {
        (void)alarm(CASE_SECONDS);
        check_case(folder, v);
        _exit(write(ends[1], v, sizeof *v) != (ssize_t)sizeof *v);
    }
    close(ends[1]);
    memset(v, 0, sizeof *v);
    for (ssize_t n; got < sizeof *v; got += (size_t)n) {
        n = read(ends[0], (uint8_t *)v + got, sizeof *v - got);
        if (n <= 0) break;
    }
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (got == sizeof *v && WIFEXITED(status) && WEXITSTATUS(status) == 0) return RO_OK;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(why, sizeof why, "it takes over %u s", CASE_SECONDS);
    else snprintf(why, sizeof why, "it ends the process (status %d)", status);
    decide(v, WRONG, why);
    return RO_OK;
}

/* ---- conformance: a folder of cases ------------------------------------------------------- */

typedef struct {
    ro_arena *arena;
    const char **folders;
    verdict *verdicts;
    uint32_t count;
    uint64_t total[3];
    size_t base; /* bytes of the given folder's name */
} suite;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every folder with a model.onnx, at most four below the given one. */
static ro_status find_cases(suite *s, const char *folder, int depth, ro_err *err)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%.4000s/model.onnx", folder);
    if (is_file(path)) {
        if (s->count == CASES_MAX)
            return RO_FAIL(err, RO_ELIMIT, "%.160s has over %u cases", folder, CASES_MAX);
        s->folders[s->count] = ro_arena_string(s->arena, folder, strlen(folder));
        return s->folders[s->count++] ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    }
    DIR *d = depth < 4 ? opendir(folder) : NULL;
    if (!d && depth == 0) return vd_fs_failed("open the folder", folder, err);
    ro_status found = RO_OK;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%.3800s/%.255s", folder, e->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            found = find_cases(s, path, depth + 1, err);
    }
    if (d) closedir(d);
    return found;
}

static const char *case_name(const suite *s, uint32_t k)
{
    const char *name = s->folders[k] + s->base;
    while (*name == '/') name++;
    return *name ? name : s->folders[k];
}

static void print_suite(const suite *s)
{
    char t[3][32];
    for (int r = WRONG; r >= REFUSED; r--)
        for (uint32_t k = 0; k < s->count; k++)
            if (s->verdicts[k].result == r)
                printf("%-8s %s: %s\n", OUTCOMES[r], case_name(s, k), s->verdicts[k].why);
    printf("%u cases: %s passed, %s refused, %s wrong\n", s->count, cli_count(s->total[0], t[0]),
           cli_count(s->total[1], t[1]), cli_count(s->total[2], t[2]));
}

static void json_suite(const suite *s)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "schema", "verde-conformance/1");
    for (int r = PASSED; r <= WRONG; r++) cli_json_u64(o, OUTCOMES[r], s->total[r]);
    cJSON *list = cJSON_AddArrayToObject(o, "cases");
    for (uint32_t k = 0; k < s->count; k++) {
        cJSON *x = cJSON_CreateObject();
        cJSON_AddItemToArray(list, x);
        cJSON_AddStringToObject(x, "name", case_name(s, k));
        cJSON_AddStringToObject(x, "result", OUTCOMES[s->verdicts[k].result]);
        if (s->verdicts[k].why[0]) cJSON_AddStringToObject(x, "why", s->verdicts[k].why);
    }
    cli_json(o);
}

static ro_status run_suite(suite *s, const char *folder, const char *progress, ro_err *err)
{
    cli_progress p;
    vd_progress v;
    s->base = strlen(folder);
    s->folders = ro_arena_alloc(s->arena, CASES_MAX * sizeof *s->folders);
    if (!s->folders) return RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    RO_TRY(cli_progress_init(&p, progress, "conformance", err));
    RO_TRY(find_cases(s, folder, 0, err));
    if (!s->count)
        return RO_FAIL(err, RO_ENOTFOUND, "%.160s holds no case (a folder with model.onnx)",
                       folder);
    qsort(s->folders, s->count, sizeof *s->folders, by_name);
    s->verdicts = ro_arena_alloc(s->arena, s->count * sizeof *s->verdicts);
    if (!s->verdicts) return RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    memset(&v, 0, sizeof v);
    v.total = s->count;
    double start = vd_seconds();
    for (uint32_t k = 0; k < s->count; k++) {
        RO_TRY(run_case(s->folders[k], &s->verdicts[k], err));
        s->total[s->verdicts[k].result]++;
        v.done = k + 1;
        v.seconds = vd_seconds() - start;
        cli_progress_step(&p, &v);
    }
    cli_progress_end(&p);
    return RO_OK;
}

ro_status cmd_conformance(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--json"}, {.name = "--progress", .has_value = 1}, {0}};
    cli_args a = {.options = options};
    suite s;
    memset(&s, 0, sizeof s);
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    s.arena = ro_arena_new();
    if (!s.arena) return RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    ro_status st = run_suite(&s, a.words[0], cli_value(&a, "--progress"), err);
    if (!st && cli_value(&a, "--json")) json_suite(&s);
    else if (!st) print_suite(&s);
    if (!st && s.total[WRONG]) *exit_code = 1;
    ro_arena_free(s.arena);
    return st;
}
