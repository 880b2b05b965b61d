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
#include <string.h>
#include <time.h>

#include "../verde/cli.h"
#include "report.h"

static const char usage_text[] =
    "usage: verde-dispute A.trace B.trace [C.trace ...] [options]\n\n"
    "Finds the first step, operator and number on which the traces differ, recomputes that one\n"
    "number, and says who is right.\n\n"
    "  --job JOB            the job that the traces must record: JSON, canonical job, trace, or\n"
    "                       64 hexadecimal digits of its digest\n"
    "  --store DIR          a further store to look in (each trace X.trace has X.store beside it)\n"
    "  --segment S.trace    a segment claim, for traces recorded at checkpoint:K; many times\n"
    "  --party A=FINGERPRINT  trace A (the first) must be signed by this key; many times\n"
    "  --evidence F         write the evidence, for verde-verdict F\n"
    "  --svg F              draw the dispute\n"
    "  --threads N          for what is run again\n"
    "  --json               one JSON document\n\n"
    "Exit codes: 0 all agree, 1 a verdict, 2 usage, 3 malformed input or bad signature, 4 I/O,\n"
    "5 not comparable (another job, an operator version this program lacks), 6 undecided.\n\n"
    "Examples\n"
    "  verde open cnn.json --trace mine.trace --step 912     (each party, where asked to)\n"
    "  verde-dispute mine.trace theirs.trace\n"
    "  verde-dispute a.trace b.trace c.trace --job cnn.json --json\n"
    "  verde-dispute a.trace b.trace --evidence v.evidence; verde-verdict v.evidence\n"
    "  verde replay cnn.json --trace a.trace --segment 18 --out a18.trace\n"
    "  verde-dispute a.trace b.trace --segment a18.trace --segment b18.trace\n";

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- names and numbers ------------------------------------------------------------------ */

const char *rf_party_name(uint32_t party, char name[8])
{
    if (party < 26) snprintf(name, 8, "%c", 'A' + (int)party);
    else snprintf(name, 8, "P%u", (party + 1) % 1000);
    return name;
}

const char *rf_side_names(const rf_files *f, const vd_digest *root, char *text, size_t size)
{
    size_t n = 0;
    text[0] = 0;
    for (uint32_t k = 0; k < f->trace_count; k++) {
        char name[8];
        if (!vd_digest_equal(vd_trace_get_root(f->traces[k]), root) || n + 12 > size) continue;
        n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", rf_party_name(k, name));
    }
    return text;
}

const char *rf_value_text(ro_dtype d, uint64_t bits, char text[40])
{
    float f;
    double x;
    uint32_t low = (uint32_t)bits;
    switch (d) {
    case RO_F32:
        memcpy(&f, &low, sizeof f);
        snprintf(text, 40, "%.9g", (double)f);
        break;
    case RO_F64:
        memcpy(&x, &bits, sizeof x);
        snprintf(text, 40, "%.17g", x);
        break;
    case RO_I32: snprintf(text, 40, "%" PRId32, (int32_t)low); break;
    case RO_I64: snprintf(text, 40, "%" PRId64, (int64_t)bits); break;
    default: snprintf(text, 40, "%" PRIu64, bits); break;
    }
    return text;
}

const char *rf_index_text(const ro_type *t, uint64_t element, char text[160])
{
    uint64_t at[RO_RANK_MAX];
    int n = 1;
    for (uint32_t a = t->rank; a-- > 0;) {
        uint64_t d = (uint64_t)t->dims[a];
        at[a] = element % d;
        element /= d;
    }
    text[0] = '[';
    for (uint32_t a = 0; a < t->rank; a++)
        n += snprintf(text + n, 160 - (size_t)n, "%s%" PRIu64, a ? ", " : "", at[a]);
    snprintf(text + n, 160 - (size_t)n, "]");
    return text;
}

/* No verdict is final on one implementation, nor against a backend that was not run here. */
static int is_provisional(const rf_files *f, const rf_verdict *v)
{
    for (uint32_t k = 0; k < v->guilty_count; k++)
        if (v->elements_recomputed &&
            strncmp(vd_trace_backend(f->traces[v->guilty[k].party]), "cpu", 3) != 0)
            return 1;
    return v->provisional;
}

/* How the claimed and recomputed bits are to be read: a part is of the compute type. */
static ro_dtype value_dtype(const rf_files *f, const rf_verdict *v)
{
    static const ro_dtype of[RO_C_COUNT] = {RO_F32, RO_F64, RO_I64, RO_U64};
    if (v->method != RF_BY_PARTIAL) return v->type.dtype;
    const ro_graph *g = f->job->phases[v->phase].graph;
    return of[ro_dtypes[g->values[g->nodes[v->node].in[0]].type.dtype].compute];
}

/* ---- opening ---------------------------------------------------------------------------- */

static ro_status open_trace(const char *path, vd_trace **t, int *code, ro_err *err)
{
    ro_status st = vd_trace_open(path, t, err);
    if (st == RO_EDIFFER) *code = 3; /* its own job says so: malformed, not another job */
    return st;
}

static ro_status open_store_beside(rf_files *f, const char *trace)
{
    char path[4096];
    ro_err why = {RO_OK, {0}};
    size_t n = strlen(trace);
    if (n > 6 && strcmp(trace + n - 6, ".trace") == 0) n -= 6;
    if (n + 7 > sizeof path) return RO_OK;
    memcpy(path, trace, n);
    memcpy(path + n, ".store", 7);
    if (vd_store_open(path, 0, &f->stores[f->store_count], &why) == RO_OK) f->store_count++;
    return why.code == RO_ENOMEM ? RO_ENOMEM : RO_OK; /* a trace need not have one */
}

static ro_status open_all(rf_files *f, const cli_args *a, int *code, ro_err *err)
{
    const cli_option *stores = cli_get(a, "--store"), *segments = cli_get(a, "--segment");
    for (uint32_t k = 0; k < a->word_count; k++) {
        RO_TRY(open_trace(a->words[k], &f->traces[k], code, err));
        f->trace_count++;
        if (vd_trace_is_segment(f->traces[k], NULL, NULL))
            return RO_FAIL(err, RO_EUSAGE, "%.120s is a segment claim; it goes after --segment",
                           a->words[k]);
        RO_TRY(open_store_beside(f, a->words[k]));
    }
    f->job = vd_trace_job(f->traces[0]);
    for (uint32_t k = 0; k < segments->count; k++) {
        RO_TRY(open_trace(segments->all[k], &f->claims[k], code, err));
        f->claim_count++;
        if (!vd_trace_is_segment(f->claims[k], NULL, NULL))
            return RO_FAIL(err, RO_EUSAGE, "%.120s is a whole trace, not a segment claim",
                           segments->all[k]);
        RO_TRY(open_store_beside(f, segments->all[k]));
    }
    for (uint32_t k = 0; k < stores->count; k++) {
        RO_ASSERT(f->store_count < RF_STORES_MAX); /* the options are counted */
        RO_TRY(vd_store_open(stores->all[k], 0, &f->stores[f->store_count], err));
        f->store_count++;
    }
    return RO_OK;
}

/* ---- what must match -------------------------------------------------------------------- */

/* A trace that does not open is reported as one, not as a job in bad JSON. */
static ro_status expected_job(const cli_args *a, const char *text, vd_digest *d, ro_err *err)
{
    char magic[8] = {0};
    cli_job j;
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
    memset(&j, 0, sizeof j);
    ro_status st = cli_job_load(&j, text, a, err);
    if (!st) *d = j.job->digest;
    cli_job_free(&j);
    return st;
}

static ro_status check_jobs(const rf_files *f, const cli_args *a, int *code, ro_err *err)
{
    const char *want = cli_value(a, "--job");
    vd_digest d = f->job->digest;
    char x[65], y[65];
    if (want) RO_TRY(expected_job(a, want, &d, err));
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

/* ---- the game --------------------------------------------------------------------------- */

static ro_status new_game(const rf_files *f, rf_game **g, ro_err *err)
{
    rf_setup s;
    memset(&s, 0, sizeof s);
    rf_party *parties = ro_arena_alloc(f->arena, f->trace_count * sizeof *parties);
    rf_claim *claims = ro_arena_alloc(f->arena, (f->claim_count + 1) * sizeof *claims);
    if (!parties || !claims) return RO_FAIL(err, RO_ENOMEM, "no memory for a game");
    for (uint32_t k = 0; k < f->trace_count; k++) {
        size_t n;
        parties[k].root = *vd_trace_get_root(f->traces[k]);
        memcpy(parties[k].body, vd_trace_body_bytes(f->traces[k], &n), VD_TRACE_BODY_BYTES);
    }
    for (uint32_t k = 0; k < f->claim_count; k++) {
        uint32_t i = 0;
        claims[k].root = *vd_trace_get_root(f->claims[k]);
        claims[k].body = *vd_trace_get_claim(f->claims[k]);
        claims[k].own = rf_files_own_claim(f, k);
        while (i < f->trace_count &&
               !vd_digest_equal(vd_trace_get_root(f->traces[i]), &claims[k].body.trace))
            i++;
        if (i == f->trace_count)
            return RO_FAIL(err, RO_EUSAGE, "%.120s is a claim for a trace that is not given here",
                           vd_trace_path(f->claims[k]));
    }
    s.job = f->job;
    s.parties = parties;
    s.party_count = f->trace_count;
    s.claims = claims;
    s.claim_count = f->claim_count;
    s.task = f->job->digest;
    return rf_game_new(&s, g, err);
}

static ro_status play(rf_files *f, rf_game *g, ro_err *err)
{
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    for (;;) {
        RO_TRY(rf_game_next(g, open, &count, err));
        if (count == 0) return RO_OK;
        for (uint32_t k = 0; k < count; k++) RO_TRY(rf_files_answer(f, g, &open[k], err));
    }
}

/* ---- the verdict for programs ----------------------------------------------------------- */

static void json_value(cJSON *o, ro_dtype d, uint64_t bits)
{
    char text[40], hex[24];
    cJSON_AddStringToObject(o, "value", rf_value_text(d, bits, text));
    snprintf(hex, sizeof hex, "0x%0*" PRIx64, (int)ro_dtypes[d].size * 2, bits);
    cJSON_AddStringToObject(o, "bits", hex);
}

static void json_place(cJSON *o, const rf_files *f, const rf_verdict *v)
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
    (void)f;
}

static void json_values(cJSON *o, const rf_files *f, const rf_verdict *v)
{
    cJSON *list = cJSON_AddArrayToObject(o, "claimed");
    if (!v->has_element) return;
    ro_dtype d = v->has_value ? value_dtype(f, v) : v->type.dtype;
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

static void json_guilty(cJSON *o, const rf_files *f, const rf_verdict *v)
{
    cJSON *list = cJSON_AddArrayToObject(o, "guilty");
    for (uint32_t k = 0; k < v->guilty_count; k++) {
        char name[8];
        cJSON *e = cJSON_CreateObject();
        cJSON_AddItemToArray(list, e);
        cJSON_AddStringToObject(e, "party", rf_party_name(v->guilty[k].party, name));
        cJSON_AddStringToObject(e, "cause", rf_kind_name(v->guilty[k].cause));
        cJSON_AddStringToObject(e, "trace", vd_trace_path(f->traces[v->guilty[k].party]));
    }
}

static void print_json(const rf_files *f, const rf_game *g, double ms)
{
    const rf_verdict *v = rf_game_verdict(g);
    vd_cost cost;
    ro_err why = {RO_OK, {0}};
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "schema", "verde-dispute/1");
    cJSON_AddStringToObject(o, "verdict", rf_kind_name(v->kind));
    cJSON_AddStringToObject(o, "method", rf_method_name(v->method));
    json_place(o, f, v);
    json_values(o, f, v);
    json_guilty(o, f, v);
    cJSON *standing = cJSON_AddArrayToObject(o, "standing");
    for (uint32_t k = 0; k < f->trace_count; k++) {
        char name[8];
        if (rf_game_stands(g, k))
            cJSON_AddItemToArray(standing, cJSON_CreateString(rf_party_name(k, name)));
    }
    cJSON *struck = cJSON_AddArrayToObject(o, "struck_segments");
    for (uint32_t k = 0; k < f->claim_count; k++)
        if (!rf_game_claim_stands(g, k))
            cJSON_AddItemToArray(struck, cJSON_CreateString(vd_trace_path(f->claims[k])));
    cJSON_AddStringToObject(o, "why", v->why);
    cJSON_AddBoolToObject(o, "provisional", is_provisional(f, v));
    if (v->alarm) cJSON_AddBoolToObject(o, "alarm", 1);
    cli_json_u64(o, "pairs", rf_game_pairs(g));
    cli_json_u64(o, "elements_recomputed", v->elements_recomputed);
    cli_json_u64(o, "bytes_read", v->bytes_read);
    cli_json_u64(o, "questions", v->questions);
    if (vd_job_cost(f->job, &cost, &why) == RO_OK) cli_json_u64(o, "job_flops", cost.flops);
    cJSON_AddNumberToObject(o, "ms", (double)(int64_t)(ms * 1000) / 1000);
    cli_json(o);
}

/* ---- the verdict for people ------------------------------------------------------------- */

static void print_parties(const rf_files *f, const rf_game *g)
{
    for (uint32_t k = 0; k < f->trace_count; k++) {
        char name[8], root[65], print[65] = "unsigned";
        const vd_trace *t = f->traces[k];
        vd_digest_hex(vd_trace_get_root(t), root);
        if (vd_trace_key(t)) vd_fingerprint(vd_trace_key(t), print);
        printf("  %-3s %-5s  root %.16s  %s %.16s  %s  %s\n", rf_party_name(k, name),
               rf_game_stands(g, k) ? "" : "wrong", root,
               vd_trace_key(t) ? "signed" : "       ", print, vd_trace_backend(t),
               vd_trace_path(t));
    }
}

static void print_headline(const rf_files *f, const rf_game *g, const rf_verdict *v)
{
    char names[2][256] = {"", ""};
    size_t n[2] = {0, 0};
    for (uint32_t k = 0; k < f->trace_count; k++) {
        char name[8];
        int stands = rf_game_stands(g, k);
        if (n[stands] + 12 > sizeof names[0]) continue;
        n[stands] += (size_t)snprintf(names[stands] + n[stands], sizeof names[0] - n[stands],
                                      "%s%s", n[stands] ? ", " : "", rf_party_name(k, name));
    }
    if (v->kind == RF_AGREE) printf("\nAll agree.\n");
    else if (v->kind == RF_UNDECIDED) printf("\nUndecided%s.\n", v->alarm ? ", and ALARM" : "");
    else
        printf("\n%s right, %s wrong: %s.\n", n[1] ? names[1] : "Nobody", names[0],
               rf_kind_name(v->kind));
    printf("  %s.\n\n", v->why);
}

static void print_values(const rf_files *f, const rf_verdict *v)
{
    ro_dtype d = v->has_value ? value_dtype(f, v) : v->type.dtype;
    int digits = (int)ro_dtypes[d].size * 2;
    char text[40], names[256];
    int first = v->sides[0] > v->sides[1];
    for (int i = 0; i < 2; i++) {
        int k = i ^ first;
        const vd_digest *root = vd_trace_get_root(f->traces[v->sides[k]]);
        printf("  %-12s %24s   0x%0*" PRIx64 "   %s\n", i ? "" : "claimed",
               rf_value_text(d, v->claimed[k], text), digits, v->claimed[k],
               rf_side_names(f, root, names, sizeof names));
    }
    if (v->has_value)
        printf("  %-12s %24s   0x%0*" PRIx64 "\n", "recomputed",
               rf_value_text(d, v->recomputed, text), digits, v->recomputed);
}

static void print_place(const rf_files *f, const rf_verdict *v)
{
    char a[32], b[32], text[160];
    if (v->has_step)
        printf("  %-12s %s of %s, phase %u\n", "step", cli_count(v->step, a),
               cli_count(f->job->steps, b), vd_job_locate(f->job, v->step).phase);
    if (v->has_node)
        printf("  %-12s %u of %u, %s version %u\n", "node", v->node,
               f->job->phases[v->phase].graph->node_count, ro_ops[v->op].name,
               ro_ops[v->op].version);
    if (v->kind == RF_INPUTS) printf("  %-12s %u\n", "input", v->input);
    if (v->has_element) {
        printf("  %-12s %s", "element", rf_index_text(&v->type, v->element, text));
        printf(" of output %u, %s\n", v->output, ro_type_text(&v->type, text, sizeof text));
    }
    if (v->method == RF_BY_PARTIAL)
        printf("  %-12s level %u, number %s of that element\n", "partial", v->part_level,
               cli_count(v->part_index, a));
    if (v->method == RF_BY_STEP || v->method == RF_BY_SEGMENT)
        printf("  %-12s steps %s to %s\n", "run again", cli_count(v->lo, a),
               cli_count(v->hi - 1, b));
    if (v->has_element) print_values(f, v);
}

static void print_text(const rf_files *f, const rf_game *g, double ms)
{
    const rf_verdict *v = rf_game_verdict(g);
    char a[32], b[32], c[32];
    vd_cost cost;
    ro_err why = {RO_OK, {0}};
    print_parties(f, g);
    print_headline(f, g, v);
    print_place(f, v);
    for (uint32_t k = 0; k < f->claim_count; k++)
        if (!rf_game_claim_stands(g, k))
            printf("  %-12s %s\n", "struck out", vd_trace_path(f->claims[k]));
    if (v->kind == RF_AGREE) return;
    printf("  %-12s %s%s\n", "method", rf_method_name(v->method),
           v->provisional         ? " (provisional: one implementation alone was asked)"
           : is_provisional(f, v) ? " (provisional: the condemned backend was not run here)"
                                  : "");
    printf("  %-12s %s numbers recomputed, %s read, %s questions, %.1f ms\n", "cost",
           cli_count(v->elements_recomputed, a), cli_bytes(v->bytes_read, b),
           cli_count(v->questions, c), ms);
    if (vd_job_cost(f->job, &cost, &why) == RO_OK)
        printf("  %-12s %sFLOP to run the job again\n", "instead of",
               cli_amount((double)cost.flops, a));
}

/* ---- evidence --------------------------------------------------------------------------- */

static void signer_of(const vd_trace *t, rf_signer *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->backend, vd_trace_backend(t), VD_BACKEND_BYTES);
    if (!vd_trace_key(t)) return;
    s->is_signed = 1;
    memcpy(s->key, vd_trace_key(t), sizeof s->key);
    memcpy(s->signature, vd_trace_signature(t), sizeof s->signature);
}

static ro_status write_evidence(const rf_files *f, rf_game *g, const char *path, ro_err *err)
{
    rf_signer traces[2], claims[2];
    uint8_t *bytes;
    size_t size;
    uint32_t sides[2], used[2];
    memset(claims, 0, sizeof claims);
    if (!rf_evidence_sides(g, sides, used)) {
        fprintf(stderr, "verde-dispute: a verdict by %s has no evidence file; %.120s was not "
                        "written\n", rf_method_name(rf_game_verdict(g)->method), path);
        return RO_OK;
    }
    for (int k = 0; k < 2; k++) {
        signer_of(f->traces[sides[k]], &traces[k]);
        if (used[k] != RF_NONE) signer_of(f->claims[used[k]], &claims[k]);
    }
    RO_TRY(rf_evidence_write(g, traces, claims, &bytes, &size, err));
    ro_status st = rf_write_file(path, bytes, size, err);
    ro_free(bytes);
    return st;
}

static int exit_code(const rf_verdict *v)
{
    return v->kind == RF_AGREE ? 0 : v->kind == RF_UNDECIDED ? 6 : 1;
}

static ro_status dispute(const cli_args *a, rf_files *f, int *code, ro_err *err)
{
    rf_game *g = NULL;
    double start = now_ms();
    RO_TRY(open_all(f, a, code, err));
    RO_TRY(check_jobs(f, a, code, err));
    RO_TRY(check_parties(f, a, err));
    RO_TRY(cli_pool(a, &f->pool, err));
    RO_TRY(new_game(f, &g, err));
    ro_status st = play(f, g, err);
    double ms = now_ms() - start;
    if (!st && cli_value(a, "--evidence"))
        st = write_evidence(f, g, cli_value(a, "--evidence"), err);
    if (!st && cli_value(a, "--svg"))
        st = rf_draw(f, rf_game_verdict(g), cli_value(a, "--svg"), err);
    if (!st && cli_value(a, "--json")) print_json(f, g, ms);
    else if (!st) print_text(f, g, ms);
    if (!st) *code = exit_code(rf_game_verdict(g));
    rf_game_free(g);
    return st;
}

int main(int argc, char **argv)
{
    cli_option options[] = {{.name = "--job", .has_value = 1},
                            {.name = "--store", .has_value = 1, .many = 1},
                            {.name = "--segment", .has_value = 1, .many = 1},
                            {.name = "--party", .has_value = 1, .many = 1},
                            {.name = "--evidence", .has_value = 1},
                            {.name = "--svg", .has_value = 1},
                            {.name = "--threads", .has_value = 1},
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
    ro_status st = cli_parse(argc - 1, argv + 1, &a, 2, RF_PARTIES_MAX, &err);
    if (!st) st = rf_files_init(&f, &err);
    if (!st) {
        st = dispute(&a, &f, &code, &err);
        rf_files_release(&f);
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
