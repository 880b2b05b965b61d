/* main.c - verde-dispute: traces in, verdict out.
 *
 * What this file decides: options, what a verdict looks like to people and to programs, and the
 * exit code. The rules are the game's; the answers are files.c's.
 *
 * Invariants
 *   1. stdout carries the verdict (with --json one document and nothing else), stderr the rest.
 *   2. Exit 1 is a verdict, 0 agreement, 6 undecided; a fault is never one of these. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../verde/cli.h"
#include "report.h"

static const char usage_text[] =
    "usage: verde-dispute A.trace B.trace [C.trace ...] [options]\n\n"
    "Finds the first step, operator and number on which the traces differ, recomputes\n"
    "that one number, and says who is right. Up to 4,096 traces; equal roots are one side.\n\n"
    "  --job JOB        the job that the traces must record: JSON, canonical job,\n"
    "                   trace, or 64 hexadecimal digits of its digest\n"
    "  --store DIR      a further store to look in; X.trace has X.store beside it\n"
    "  --segment S      a segment claim, for traces at checkpoint:K; many times\n"
    "  --party A=KEY    trace A (the first) must be signed by the key of this\n"
    "                   fingerprint; many times\n"
    "  --evidence F     write the evidence, for verde-verdict F; of several pairs F.1,\n"
    "                   F.2, ...\n"
    "  --threads N      for what is run again\n"
    "  --max-dispute BYTES  judge a job whose dearest element costs more than 256 MiB\n"
    "                   or 1 GFLOP (without --job such a job is refused, exit 3)\n"
    "  --limit-memory BYTES, --limit-seconds N   for what is computed, in a process\n"
    "                   of its own; by default what the job costs, and much to spare\n"
    "  --no-sandbox     compute without a filter of system calls, where there is none\n\n"
    "What is shown\n"
    "  --explain        the verdict in sentences: what was agreed, who said what,\n"
    "                   what was recomputed, why that decides, cost, what stays open\n"
    "  --tree           the way down, halving after halving; on a terminal always\n"
    "  --svg F          the same as a picture\n"
    "  --transcript F   every question and every answer, one JSON object a line\n"
    "  --json           one JSON document, with --explain the sentences in it\n\n"
    "Colour, lines and width follow the terminal, NO_COLOR, TERM and the locale; in a\n"
    "pipe, COLUMNS.\n\n"
    "Exit codes: 0 all agree, 1 a verdict, 2 usage, 3 malformed input or bad\n"
    "signature, 4 I/O, 5 not comparable (another job, an operator version this\n"
    "program lacks), 6 undecided.\n\n"
    "Examples\n"
    "  verde open cnn.json --trace mine.trace --step 912   (each, where asked to)\n"
    "  verde-dispute mine.trace theirs.trace\n"
    "  verde-dispute mine.trace theirs.trace --explain\n"
    "  verde-dispute a.trace b.trace c.trace --job cnn.json --json\n"
    "  verde-dispute a.trace b.trace --evidence v; verde-verdict v\n"
    "  verde-dispute a.trace b.trace --transcript t; jq -c 'del(.answer, .job)' t\n"
    "  verde-dispute a.trace b.trace --tree | less\n"
    "  verde replay cnn.json --trace a.trace --segment 18 --out a18.trace\n"
    "  verde-dispute a.trace b.trace --segment a18.trace --segment b18.trace\n";

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- opening ---------------------------------------------------------------------------- */

static ro_status open_trace(const char *path, const rf_files *f, vd_trace **t, int *code,
                            ro_err *err)
{
    ro_status st = vd_trace_open_like(path, f->traces[0], t, err);
    if (st == RO_EDIFFER) *code = 3; /* its own job says so: malformed, not another job */
    return st;
}

static ro_status open_store_beside(rf_files *f, const char *trace, ro_err *err)
{
    char path[4096];
    ro_err why = {RO_OK, {0}};
    size_t n = strlen(trace);
    if (n > 6 && strcmp(trace + n - 6, ".trace") == 0) n -= 6;
    if (n + 7 > sizeof path)
        return RO_FAIL(err, RO_EUSAGE, "the path of a trace has %zu bytes; at most %zu are allowed",
                       strlen(trace), sizeof path - 7);
    memcpy(path, trace, n);
    memcpy(path + n, ".store", 7);
    ro_status st = vd_store_open(path, 0, &f->stores[f->store_count], &why);
    if (st == RO_ENOTFOUND) return RO_OK; /* a trace need not have one */
    if (st) return RO_FAIL(err, st, "%.200s", why.msg);
    f->store_count++;
    return RO_OK;
}

static ro_status open_all(rf_files *f, const cli_args *a, int *code, ro_err *err)
{
    const cli_option *stores = cli_get(a, "--store"), *segments = cli_get(a, "--segment");
    for (uint32_t k = 0; k < a->word_count; k++) {
        RO_TRY(open_trace(a->words[k], f, &f->traces[k], code, err));
        f->trace_count++;
        if (vd_trace_is_segment(f->traces[k], NULL, NULL))
            return RO_FAIL(err, RO_EUSAGE, "%.120s is a segment claim; it goes after --segment",
                           a->words[k]);
        RO_TRY(open_store_beside(f, a->words[k], err));
    }
    f->job = vd_trace_job(f->traces[0]);
    for (uint32_t k = 0; k < segments->count; k++) {
        RO_TRY(open_trace(segments->all[k], f, &f->claims[k], code, err));
        f->claim_count++;
        if (!vd_trace_is_segment(f->claims[k], NULL, NULL))
            return RO_FAIL(err, RO_EUSAGE, "%.120s is a whole trace, not a segment claim",
                           segments->all[k]);
        RO_TRY(open_store_beside(f, segments->all[k], err));
    }
    for (uint32_t k = 0; k < stores->count; k++) {
        RO_TRY(vd_store_open(stores->all[k], 0, &f->stores[f->store_count], err));
        f->store_count++;
    }
    return RO_OK;
}

/* ---- what must match -------------------------------------------------------------------- */

/* A trace that does not open is reported as one, not as a job in bad JSON. *j: to be freed. */
static ro_status expected_job(const cli_args *a, const char *text, cli_job *j, vd_digest *d,
                              ro_err *err)
{
    char magic[8] = {0};
    if (strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64)
        return vd_digest_parse(text, d, err);
    FILE *file = fopen(text, "rb");
    if (file) {
        size_t n = fread(magic, 1, sizeof magic, file);
        fclose(file);
        if (n == sizeof magic && memcmp(magic, "VERDETRC", sizeof magic) == 0) {
            vd_trace *t;
            RO_TRY(vd_trace_open(text, &t, err));
            *d = vd_trace_job(t)->digest;
            vd_trace_close(t);
            return RO_OK;
        }
    }
    RO_TRY(cli_job_load(j, text, a, err));
    ro_pool_free(j->pool); /* a child is started from one thread */
    j->pool = NULL;
    *d = j->job->digest;
    return RO_OK;
}

/* A job that nobody vouches for is admitted as `verde job check` admits one. */
static ro_status admit(rf_files *f, const cli_args *a, ro_err *err)
{
    uint64_t bytes = VD_DISPUTE_BYTES_MAX, flops = VD_DISPUTE_FLOPS_MAX;
    RO_TRY(cli_number(a, "--max-dispute", 1, UINT64_MAX / 8, &bytes, err));
    if (cli_value(a, "--max-dispute") && bytes * 4 > flops) flops = bytes * 4;
    return cli_value(a, "--job") && !cli_value(a, "--max-dispute")
               ? RO_OK
               : rf_files_admit(f, bytes, flops, err);
}

static ro_status set_limits(rf_files *f, const cli_args *a, ro_err *err)
{
    uint64_t seconds = 0, threads = 0;
    RO_TRY(cli_number(a, "--threads", 1, RO_THREADS_MAX, &threads, err));
    RO_TRY(cli_number(a, "--limit-memory", 1, UINT64_MAX, &f->limits.memory_bytes, err));
    RO_TRY(cli_number(a, "--limit-seconds", 1, UINT32_MAX, &seconds, err));
    f->limits.threads = (uint32_t)threads;
    f->limits.wall_ms = seconds * 1000;
    f->limits.no_seccomp = cli_value(a, "--no-sandbox") != NULL;
    return RO_OK;
}

static ro_status check_jobs(rf_files *f, const cli_args *a, cli_job *j, int *code, ro_err *err)
{
    const char *want = cli_value(a, "--job");
    vd_digest d = f->job->digest;
    char x[65], y[65];
    if (want) RO_TRY(expected_job(a, want, j, &d, err));
    if (j->job) {
        f->data_job = j->job;
        f->data = j->constants;
    }
    for (uint32_t k = 0; k < f->trace_count + f->claim_count; k++) {
        const vd_trace *t = k < f->trace_count ? f->traces[k] : f->claims[k - f->trace_count];
        if (vd_digest_equal(&vd_trace_job(t)->digest, &d)) continue;
        *code = 5;
        vd_digest_hex(&vd_trace_job(t)->digest, x);
        vd_digest_hex(&d, y);
        return RO_FAIL(err, RO_EDIFFER, "%.80s records job %.16s..., not %.16s...: not comparable",
                       vd_trace_path(t), x, y);
    }
    return RO_OK;
}

/* A=FINGERPRINT */
static ro_status check_parties(const rf_files *f, const cli_args *a, ro_err *err)
{
    const cli_option *o = cli_get(a, "--party");
    for (uint32_t i = 0; i < o->count; i++) {
        const char *eq = strchr(o->all[i], '='), *want = eq ? eq + 1 : "";
        uint32_t k = 0;
        char name[8], print[65];
        for (; eq && k < f->trace_count; k++) {
            rf_party_name(k, name);
            if (strlen(name) == (size_t)(eq - o->all[i]) &&
                memcmp(name, o->all[i], strlen(name)) == 0)
                break;
        }
        if (!eq || k >= f->trace_count || strlen(want) != 64)
            return RO_FAIL(
                err, RO_EUSAGE,
                "--party is \"%.90s\"; it is A=FINGERPRINT, A to the last trace's letter "
                "and 64 hexadecimal digits",
                o->all[i]);
        if (!vd_trace_key(f->traces[k]))
            return RO_FAIL(err, RO_ESIGNATURE, "%.120s is not signed; --party %s asks for a key",
                           vd_trace_path(f->traces[k]), name);
        vd_fingerprint(vd_trace_key(f->traces[k]), print);
        if (strcmp(print, want) != 0)
            return RO_FAIL(err, RO_ESIGNATURE, "%.120s is signed by %.16s..., not by %.16s...",
                           vd_trace_path(f->traces[k]), print, want);
    }
    return RO_OK;
}

/* ---- the verdict for programs ----------------------------------------------------------- */

static void json_value(cJSON *o, ro_dtype d, uint64_t bits)
{
    char text[40], hex[24];
    cJSON_AddStringToObject(o, "value", ro_element_text(d, bits, text));
    snprintf(hex, sizeof hex, "0x%0*" PRIx64, (int)ro_dtypes[d].size * 2, bits);
    cJSON_AddStringToObject(o, "bits", hex);
}

static void json_place(cJSON *o, const rf_verdict *v)
{
    char text[160];
    if (v->has_step) cli_json_u64(o, "step", v->step);
    if (v->has_node) {
        cli_json_u64(o, "node", v->node);
        cJSON_AddStringToObject(o, "operator", ro_ops[v->op].name);
    }
    if (v->has_element) {
        cli_json_u64(o, "output", v->output);
        cli_json_u64(o, "element", v->element);
        cJSON_AddStringToObject(o, "index", rf_index_text(&v->type, v->element, text));
        cJSON_AddStringToObject(o, "type", ro_type_text(&v->type, text, sizeof text));
    }
    if (v->kind == RF_INPUTS) cli_json_u64(o, "input", v->input);
    if (v->method == RF_BY_PARTIAL) {
        cli_json_u64(o, "part_level", v->part_level);
        cli_json_u64(o, "part_index", v->part_index);
    }
    if (v->method == RF_BY_STEP || v->method == RF_BY_SEGMENT) {
        cli_json_u64(o, "first_step", v->lo);
        cli_json_u64(o, "end_step", v->hi);
    }
}

static void json_values(cJSON *o, const rf_files *f, const rf_verdict *v)
{
    cJSON *list = cJSON_AddArrayToObject(o, "claimed");
    if (!v->has_element) return;
    ro_dtype d = v->has_value ? rf_value_dtype(f->job, v) : v->type.dtype;
    int first = v->sides[0] > v->sides[1];
    for (int i = 0; i < 2; i++) {
        int k = i ^ first;
        char names[256];
        cJSON *e = cJSON_CreateObject();
        cJSON_AddItemToArray(list, e);
        cJSON_AddStringToObject(
            e, "party",
            rf_side_names(f, vd_trace_get_root(f->traces[v->sides[k]]), names, sizeof names));
        json_value(e, d, v->claimed[k]);
    }
    if (v->has_value) json_value(cJSON_AddObjectToObject(o, "recomputed"), d, v->recomputed);
}

static void json_guilty(cJSON *o, const rf_files *f, const rf_report *out)
{
    cJSON *list = cJSON_AddArrayToObject(o, "guilty");
    for (uint32_t k = 0; k < out->party_count; k++) {
        rf_kind cause = rf_guilt_of(out, k);
        char name[8];
        if (cause == RF_AGREE) continue;
        cJSON *e = cJSON_CreateObject();
        cJSON_AddItemToArray(list, e);
        cJSON_AddStringToObject(e, "party", rf_party_name(k, name));
        cJSON_AddStringToObject(e, "cause", rf_kind_name(cause));
        cJSON_AddStringToObject(e, "trace", vd_trace_path(f->traces[k]));
    }
}

static void json_piece(void *ctx, uint32_t pair, const char *about, const char *text)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(ctx, o);
    if (pair != RF_NONE) cli_json_u64(o, "pair", pair);
    cJSON_AddStringToObject(o, "about", about);
    cJSON_AddStringToObject(o, "text", text);
}

static void json_lists(cJSON *o, const rf_files *f, const rf_report *out)
{
    cJSON *standing = cJSON_AddArrayToObject(o, "standing");
    for (uint32_t k = 0; k < f->trace_count; k++) {
        char name[8];
        if (out->stands[k])
            cJSON_AddItemToArray(standing, cJSON_CreateString(rf_party_name(k, name)));
    }
    cJSON *struck = cJSON_AddArrayToObject(o, "struck_segments");
    for (uint32_t k = 0; k < f->claim_count; k++)
        if (!out->claim_stands[k])
            cJSON_AddItemToArray(struck, cJSON_CreateString(vd_trace_path(f->claims[k])));
}

static void print_json(const rf_files *f, const rf_report *out, int explain)
{
    const rf_verdict *v = out->verdict;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "schema", "verde-dispute/1");
    cJSON_AddStringToObject(o, "verdict", rf_kind_name(v->kind));
    cJSON_AddStringToObject(o, "method", rf_method_name(v->method));
    json_place(o, v);
    json_values(o, f, v);
    json_guilty(o, f, out);
    json_lists(o, f, out);
    cJSON_AddStringToObject(o, "why", v->why);
    cJSON_AddBoolToObject(o, "provisional", rf_is_provisional(out));
    cJSON_AddBoolToObject(o, "sandbox", !f->limits.no_seccomp);
    if (v->alarm) cJSON_AddBoolToObject(o, "alarm", 1);
    cli_json_u64(o, "pairs", out->pair_count);
    cli_json_u64(o, "elements_recomputed", v->elements_recomputed);
    cli_json_u64(o, "bytes_read", v->bytes_read);
    cli_json_u64(o, "questions", v->questions);
    if (out->job_flops) cli_json_u64(o, "job_flops", out->job_flops);
    cJSON_AddNumberToObject(o, "ms", (double)(int64_t)(out->ms * 1000) / 1000);
    if (explain) rf_explain(out, json_piece, cJSON_AddArrayToObject(o, "explanation"));
    cli_json(o);
}

/* ---- the verdict for people ------------------------------------------------------------- */

static void print_parties(const rf_files *f, const rf_report *o, const rf_screen *s)
{
    int named = 1, backends = 0, is_signed = 0;
    char name[8], root[65];
    for (uint32_t k = 0; k < f->trace_count; k++) {
        int n = (int)strlen(rf_party_name(k, name));
        int b = (int)strlen(vd_trace_backend(f->traces[k]));
        if (n > named) named = n;
        if (b > backends) backends = b;
        is_signed |= vd_trace_key(f->traces[k]) != NULL;
    }
    for (uint32_t k = 0; k < f->trace_count; k++) {
        const vd_trace *t = f->traces[k];
        char print[65] = "";
        int stands = o->stands[k], keyed = vd_trace_key(t) != NULL;
        rf_line_out l = {s, 0};
        vd_digest_hex(vd_trace_get_root(t), root);
        if (keyed) vd_fingerprint(vd_trace_key(t), print);
        rf_put(&l, RF_BOLD, "  %-*s", named, rf_party_name(k, name));
        rf_put(&l, RF_BAD, "  %-5s", stands ? "" : "wrong");
        rf_put(&l, RF_PLAIN, "  root %.16s", root);
        if (is_signed)
            rf_put(&l, RF_PLAIN, "  %-8s %-16.16s", keyed ? "signed" : "unsigned", print);
        rf_put(&l, RF_PLAIN, "  %-*s  ", backends, vd_trace_backend(t));
        rf_put(&l, RF_PLAIN, "%.900s%s", vd_trace_path(t), is_signed ? "" : "  (unsigned)");
        rf_end_line(&l);
    }
}

/* "A, B", of many the first that fit. */
static void names_of(const rf_report *o, int stands, size_t room, char text[512])
{
    size_t n = 0;
    uint32_t more = 0;
    text[0] = 0;
    for (uint32_t k = 0; k < o->party_count; k++) {
        char name[8];
        if ((o->stands[k] != 0) != stands) continue;
        rf_party_name(k, name);
        if (more || n + strlen(name) + 2 > room) more++;
        else n += (size_t)snprintf(text + n, 512 - n, "%s%s", n ? ", " : "", name);
    }
    if (more) snprintf(text + n, 512 - n, " and %u more", more);
}

static void print_headline(const rf_report *o, const rf_screen *s)
{
    const rf_verdict *v = o->verdict;
    char names[2][512];
    rf_line_out l = {s, 0};
    size_t room = s->width > 480 ? 220 : s->width < 72 ? 16 : (s->width - 40) / 2;
    for (int k = 0; k < 2; k++) names_of(o, k, room, names[k]);
    putchar('\n');
    if (v->kind == RF_AGREE) rf_put(&l, RF_GOOD, "All agree.");
    else if (v->kind == RF_UNDECIDED)
        rf_put(&l, RF_BOLD, "Undecided%s.", v->alarm ? ", and ALARM" : "");
    else {
        rf_put(&l, RF_GOOD, "%s right", names[1][0] ? names[1] : "Nobody");
        rf_put(&l, RF_PLAIN, ", ");
        rf_put(&l, RF_BAD, "%s wrong", names[0]);
        rf_put(&l, RF_PLAIN, ": ");
        rf_put(&l, RF_BOLD, "%s.", rf_kind_name(v->kind));
    }
    rf_end_line(&l);
    char sentence[208];
    snprintf(sentence, sizeof sentence, "%s.", v->why);
    rf_wrap(s, 2, sentence);
    putchar('\n');
}

/* A labelled line; what is too long for the screen goes on under its beginning. */
static void detail(const rf_screen *s, const char *label, const char *format, ...) RO_PRINTF(3, 4);
static void detail(const rf_screen *s, const char *label, const char *format, ...)
{
    char text[512];
    va_list a;
    va_start(a, format);
    vsnprintf(text, sizeof text, format, a);
    va_end(a);
    if (strlen(text) + 15 <= s->width) {
        printf("  %-12s %s\n", label, text);
    } else {
        printf("  %s\n", label);
        rf_wrap(s, 4, text);
    }
}

static void print_values(const rf_files *f, const rf_screen *s, const rf_verdict *v)
{
    ro_dtype d = v->has_value ? rf_value_dtype(f->job, v) : v->type.dtype;
    int digits = (int)ro_dtypes[d].size * 2, room = s->width < 70 ? 1 : 24;
    char text[40], names[512];
    int first = v->sides[0] > v->sides[1];
    for (int i = 0; i <= 2; i++) {
        int k = i ^ first;
        rf_line_out l = {s, 0};
        if (i == 2 && !v->has_value) break;
        rf_put(&l, RF_PLAIN, "  %-12s ", i == 0 ? "claimed" : i == 1 ? "" : "recomputed");
        uint64_t bits = i == 2 ? v->recomputed : v->claimed[k];
        rf_put(&l, v->has_value && bits != v->recomputed ? RF_BAD : RF_PLAIN,
               "%*s   0x%0*" PRIx64, room, ro_element_text(d, bits, text), digits, bits);
        if (i < 2)
            rf_put(&l, RF_PLAIN, "   %s",
                   rf_side_names(f, vd_trace_get_root(f->traces[v->sides[k]]), names,
                                 sizeof names));
        rf_end_line(&l);
    }
}

static void print_place(const rf_files *f, const rf_screen *s, const rf_verdict *v)
{
    char a[32], b[32], text[160], type[160];
    if (v->has_step)
        detail(s, "step", "%s of %s, phase %u", cli_count(v->step, a), cli_count(f->job->steps, b),
               vd_job_locate(f->job, v->step).phase);
    if (v->has_node)
        detail(s, "node", "%u of %u, %s version %u", v->node,
               f->job->phases[v->phase].graph->node_count, ro_ops[v->op].name,
               ro_ops[v->op].version);
    if (v->kind == RF_INPUTS) detail(s, "input", "%u", v->input);
    if (v->has_element)
        detail(s, "element", "%s of output %u, %s", rf_index_text(&v->type, v->element, text),
               v->output, ro_type_text(&v->type, type, sizeof type));
    if (v->method == RF_BY_PARTIAL)
        detail(s, "partial", "level %u, number %s of that element", v->part_level,
               cli_count(v->part_index, a));
    if (v->method == RF_BY_STEP || v->method == RF_BY_SEGMENT)
        detail(s, "run again", "steps %s to %s", cli_count(v->lo, a), cli_count(v->hi - 1, b));
    if (v->has_element) print_values(f, s, v);
}

static void print_method(const rf_screen *s, const rf_report *o)
{
    const rf_verdict *v = o->verdict;
    char a[32], b[32], c[32];
    detail(s, "method", "%s%s", rf_method_name(v->method),
           v->provisional            ? " (provisional: one implementation alone was asked)"
           : rf_is_provisional(o) ? " (provisional: the condemned backend was not run here)"
                                     : "");
    detail(s, "cost", "%s number%s recomputed, %s read, %s question%s, %.1f ms",
           cli_count(v->elements_recomputed, a), v->elements_recomputed == 1 ? "" : "s",
           cli_bytes(v->bytes_read, b), cli_count(v->questions, c), v->questions == 1 ? "" : "s",
           o->ms);
    if (o->job_flops)
        detail(s, "instead of", "%sFLOP to run the job again", cli_amount((double)o->job_flops, a));
}

static void print_trees(const rf_report *o, const rf_screen *s)
{
    for (uint32_t k = 0; k < o->pair_count; k++) {
        const rf_verdict *v = o->pairs[k];
        char a[512], b[512];
        int second = v->sides[0] > v->sides[1];
        putchar('\n');
        if (o->pair_count > 1) {
            rf_line_out l = {s, 0};
            rf_put(&l, RF_BOLD, "Pair %u of %u: %s against %s: %s", k + 1, o->pair_count,
                   rf_side_text(o, v, second, a), rf_side_text(o, v, !second, b),
                   rf_kind_name(v->kind));
            rf_end_line(&l);
        }
        rf_print_tree(o, s, k);
    }
}

static void print_text(const rf_files *f, const rf_report *o, int tree, int explain)
{
    rf_screen s, parties;
    rf_screen_init(&s);
    parties = s;
    if (!s.terminal) parties.width = UINT32_MAX; /* who reads a file wants whole paths */
    print_parties(f, o, &parties);
    print_headline(o, &s);
    print_place(f, &s, o->verdict);
    for (uint32_t k = 0; k < f->claim_count; k++)
        if (!o->claim_stands[k])
            detail(&parties, "struck out", "%.480s", vd_trace_path(f->claims[k]));
    if (o->verdict->kind != RF_AGREE) print_method(&s, o);
    if (f->limits.no_seccomp) detail(&s, "sandbox", "none: system calls were not filtered");
    if (tree || s.terminal) print_trees(o, &s);
    if (explain) rf_print_explanation(o, &s);
}

static int exit_code(const rf_verdict *v)
{
    return v->kind == RF_AGREE ? 0 : v->kind == RF_UNDECIDED ? 6 : 1;
}

static void show(const cli_args *a, const rf_files *f, const rf_report *o)
{
    int explain = cli_value(a, "--explain") != NULL, tree = cli_value(a, "--tree") != NULL;
    if (cli_value(a, "--json")) print_json(f, o, explain);
    else print_text(f, o, tree, explain);
}

static ro_status write_files(const cli_args *a, rf_files *f, const rf_report *o, rf_transcript *t,
                             ro_err *err)
{
    if (cli_value(a, "--evidence"))
        RO_TRY(rf_files_evidence(f, o, cli_value(a, "--evidence"), err));
    if (cli_value(a, "--svg"))
        RO_TRY(rf_draw(f, o->verdict, cli_value(a, "--svg"), err));
    if (t) RO_TRY(rf_transcript_write(t, cli_value(a, "--transcript"), err));
    return RO_OK;
}

/* Everything that is shown or written comes from here. */
static ro_status judge(const cli_args *a, rf_files *f, double start, rf_report *o, ro_err *err)
{
    rf_transcript *t = NULL;
    const vd_cost *cost;
    ro_err why = {RO_OK, {0}};
    if (cli_value(a, "--transcript")) RO_TRY(rf_transcript_new(&t, err));
    if (t) f->heard = rf_transcript_hear;
    f->heard_ctx = t;
    ro_status st = rf_rounds(f, t, o, err);
    f->heard = NULL; /* what is asked after the games is not of them */
    if (!st && rf_files_cost(f, &cost, &why) == RO_OK) o->job_flops = cost->flops;
    o->ms = now_ms() - start;
    if (!st) st = write_files(a, f, o, t, err);
    rf_transcript_free(t);
    return st;
}

static ro_status dispute(const cli_args *a, rf_files *f, cli_job *j, int *code, ro_err *err)
{
    rf_report o;
    double start = now_ms();
    if (cli_value(a, "--json") && cli_value(a, "--tree"))
        return RO_FAIL(err, RO_EUSAGE, "--tree draws for people; with --json nothing is drawn");
    RO_TRY(set_limits(f, a, err));
    RO_TRY(open_all(f, a, code, err));
    RO_TRY(check_jobs(f, a, j, code, err));
    RO_TRY(admit(f, a, err));
    RO_TRY(check_parties(f, a, err));
    memset(&o, 0, sizeof o);
    ro_status st = judge(a, f, start, &o, err);
    if (!st) show(a, f, &o);
    if (!st) *code = exit_code(o.verdict);
    rf_game_free(o.game);
    return st;
}

/* Every trace, claim and store at once; a store is an open folder. */
static ro_status make_room(const cli_args *a, rf_files *f, ro_err *err)
{
    uint32_t claims = cli_get(a, "--segment")->count, stores = cli_get(a, "--store")->count;
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l); /* without it fewer can be opened: an error says so */
    }
    return rf_files_init(f, a->word_count, claims, a->word_count + claims + stores, err);
}

int main(int argc, char **argv)
{
    cli_option options[] = {{.name = "--job", .has_value = 1},
                            {.name = "--store", .has_value = 1, .many = 1},
                            {.name = "--segment", .has_value = 1, .many = 1},
                            {.name = "--party", .has_value = 1, .many = 1},
                            {.name = "--evidence", .has_value = 1},
                            {.name = "--svg", .has_value = 1},
                            {.name = "--transcript", .has_value = 1},
                            {.name = "--explain"},
                            {.name = "--tree"},
                            {.name = "--threads", .has_value = 1},
                            {.name = "--max-dispute", .has_value = 1},
                            {.name = "--limit-memory", .has_value = 1},
                            {.name = "--limit-seconds", .has_value = 1},
                            {.name = "--no-sandbox"},
                            {.name = "--json"},
                            {0}};
    cli_args a = {.options = options};
    rf_files f;
    ro_err err = {RO_OK, {0}};
    int code = -1;
    for (int k = 1; k < argc; k++)
        if (strcmp(argv[k], "--help") == 0) {
            fputs(usage_text, stdout);
            return 0;
        }
    ro_status st = cli_parse(argc - 1, argv + 1, &a, 2, RF_TRACES_MAX, &err);
    memset(&f, 0, sizeof f);
    (void)signal(SIGCHLD, SIG_DFL); /* ignored, as some callers leave it, no child can be heard */
    if (!st) st = make_room(&a, &f, &err);
    if (!st) {
        cli_job j;
        memset(&j, 0, sizeof j);
        st = dispute(&a, &f, &j, &code, &err);
        rf_files_release(&f);
        cli_job_free(&j);
    }
    if (st == RO_EDIFFER) st = RO_EFORMAT; /* of a file with itself: never exit 1, a verdict */
    if (st) {
        fprintf(stderr, "verde-dispute: %s\n", err.msg[0] ? err.msg : ro_status_name(st));
        return code > 0 ? code : cli_exit_code(st);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "verde-dispute: the output cannot be written: %s\n", strerror(errno));
        return 4;
    }
    return code;
}
