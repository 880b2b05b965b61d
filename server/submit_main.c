/* submit_main.c - the `verde-submit` command: a job becomes a task of a server.
 *
 * What this file decides: argv, what is shown of the price before anything is bought, and the order
 * quote, submit, upload, follow. Exit codes as those of `verde`.                               */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"

static const char usage_text[] =
    "usage: verde-submit JOB --server URL --token FILE [--slots N] [--quorum N] [--reward N]\n"
    "                    [--set NAME=N]... [--quote] [--max-escrow N] [--watch] [--store DIR]\n"
    "                    [--record full|checkpoint:K] [--input NAME=FILE]... [--threads N]\n"
    "                    [--progress auto|plain|json|none] [--json]\n"
    "\n"
    "Asks what the task costs, opens it, and sends the data that the server has not yet: what was\n"
    "sent before a break is not sent again. The same command for a task that is there already:\n"
    "--task.\n"
    "\n"
    "  JOB           a job in JSON, in canonical bytes, or a model (.onnx)\n"
    "  --slots       how many providers run it\n"
    "  --quorum      with fewer standing it is audited\n"
    "  --reward      micro-units for each slot\n"
    "  --set         any other parameter by its name (docs/ECONOMICS.md)\n"
    "  --quote       show the price and stop\n"
    "  --max-escrow  stop when the price is higher\n"
    "  --task        go on sending the data of this task\n"
    "  --watch       follow the task until it has ended; exit 1 when it was not settled\n"
    "  --store       where the job's tensors are (default: a folder that is removed)\n"
    "  --server, --token   as for verde-account\n"
    "\n"
    "Examples\n"
    "  verde submit mlp.json --server $URL --token alice.token --quote\n"
    "  verde submit mlp.json --server $URL --token alice.token --slots 3 --watch\n";

#define QUERY_MAX 1000u

/* ---- parameters -------------------------------------------------------------------------- */

static ro_status add_parameter(char *query, const char *name, size_t n, const char *value,
                               ro_err *err)
{
    size_t at = strlen(query), digits = strspn(value, "0123456789");
    if (!n || n > 40 || strspn(name, "abcdefghijklmnopqrstuvwxyz_") < n || !digits ||
        value[digits] || digits > 20)
        return RO_FAIL(err, RO_EUSAGE, "\"%.40s\" = \"%.40s\" is no parameter; it is a name of "
                                       "docs/ECONOMICS.md and a whole number", name, value);
    int size =
        snprintf(query + at, QUERY_MAX - at, "%c%.*s=%s", at ? '&' : '?', (int)n, name, value);
    return size > 0 && at + (size_t)size < QUERY_MAX
               ? RO_OK : RO_FAIL(err, RO_EUSAGE, "too many parameters are set");
}

static ro_status make_query(const cli_args *a, char query[QUERY_MAX], ro_err *err)
{
    static const char *const own[] = {"--slots", "--quorum", "--reward"};
    const cli_option *set = cli_get(a, "--set");
    query[0] = 0;
    for (size_t k = 0; k < sizeof own / sizeof *own; k++)
        if (cli_value(a, own[k]))
            RO_TRY(add_parameter(query, own[k] + 2, strlen(own[k] + 2), cli_value(a, own[k]), err));
    for (uint32_t k = 0; k < set->count; k++) {
        const char *is = strchr(set->all[k], '=');
        if (!is) return RO_FAIL(err, RO_EUSAGE, "--set is \"%.60s\"; it is NAME=N", set->all[k]);
        RO_TRY(add_parameter(query, set->all[k], (size_t)(is - set->all[k]), is + 1, err));
    }
    return RO_OK;
}

/* ---- the job and its tensors ------------------------------------------------------------- */

typedef struct {
    cli_job j;
    uint8_t *bytes; /* canonical, in the job's arena */
    uint64_t size;
    char folder[64]; /* made here; "": none */
} submission;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *w)
{
    (void)st; (void)kind; (void)w;
    return remove(path);
}

static void end_submission(submission *s)
{
    cli_job_free(&s->j);
    if (s->folder[0]) (void)nftw(s->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static ro_status load_job(const cli_args *a, submission *s, ro_err *err)
{
    const char *store = cli_value(a, "--store");
    RO_TRY(cli_job_load(&s->j, a->words[0], a, err));
    RO_TRY(vd_job_encode(s->j.job, s->j.arena, &s->bytes, &s->size, err));
    if (!store) {
        const char *t = getenv("TMPDIR");
        snprintf(s->folder, sizeof s->folder, "%.40s/verde-XXXXXX", t && *t ? t : P_tmpdir);
        store = mkdtemp(s->folder);
        if (!store) {
            s->folder[0] = 0;
            return RO_FAIL(err, RO_EIO, "no temporary folder can be made: %s", strerror(errno));
        }
    }
    RO_TRY(vd_store_open(store, 1, &s->j.store, err));
    return cli_job_constants(&s->j, err);
}

/* ---- quote and submit -------------------------------------------------------------------- */

static ro_status post_job(sv_remote *r, const submission *s, const char *route, const char *query,
                          cJSON **out, ro_err *err)
{
    char path[SV_PATH_MAX + QUERY_MAX], hex[65], key[96];
    sv_said said;
    RO_TRY(sv_random_hex(hex, err));
    snprintf(path, sizeof path, "/v1/%s%s", route, query);
    snprintf(key, sizeof key, "Idempotency-Key: %s", hex);
    sv_ask a = {.method = "POST", .path = path, .type = "application/vnd.verde.job",
                .body = s->bytes, .size = s->size, .headers = {key}, .limit = SV_JSON_MAX,
                .patience_s = SV_PATIENCE_S};
    ro_status st = sv_remote_ask(r, &a, &said, err);
    if (!st) st = sv_said_status(&said, route, err);
    *out = st ? NULL : sv_parse_reply(said.body, said.size);
    if (!st && !*out) st = RO_FAIL(err, RO_EFORMAT, "the reply to %s is no JSON object", route);
    sv_said_free(&said);
    return st;
}

static ro_status show_quote(const cJSON *o, int64_t escrow, ro_err *err)
{
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(o, "params");
    const cJSON *job = cJSON_GetObjectItemCaseSensitive(o, "job");
    uint32_t slots;
    uint64_t flops, steps, bytes, commit;
    int64_t reward, premium, delivery;
    char a[40], b[40], c[40], d[40], e[40];
    RO_TRY(sv_field_u32(p, "slots", &slots, err));
    RO_TRY(sv_field_i64(p, "reward", &reward, err));
    RO_TRY(sv_field_i64(p, "premium", &premium, err));
    RO_TRY(sv_field_i64(p, "delivery", &delivery, err));
    RO_TRY(sv_field_u64(p, "commit_ms", &commit, err));
    RO_TRY(sv_field_u64(job, "flops", &flops, err));
    RO_TRY(sv_field_u64(job, "steps", &steps, err));
    RO_TRY(sv_field_u64(job, "output_bytes", &bytes, err));
    fprintf(stderr, "job      %s steps, %sFLOP, a result of %s\n", cli_count(steps, a),
            cli_amount((double)flops, b), cli_bytes(bytes, c));
    fprintf(stderr, "price    %s = %u slots x %s + premium %s + delivery %s\n", sv_money(escrow, a),
            slots, sv_money(reward, b), sv_money(premium, c), sv_money(delivery, d));
    fprintf(stderr, "time     at most %s to run\n", cli_time((double)commit / 1000, e));
    return RO_OK;
}

/* Returns the quote's document in *out when it is wanted. */
static ro_status quote(const cli_args *a, sv_remote *r, const submission *s, const char *query,
                       cJSON **out, ro_err *err)
{
    cJSON *o = NULL;
    int64_t escrow = 0;
    uint64_t most = INT64_MAX;
    RO_TRY(cli_number(a, "--max-escrow", 0, INT64_MAX, &most, err));
    RO_TRY(post_job(r, s, "quotes", query, &o, err));
    ro_status st = sv_field_i64(o, "escrow", &escrow, err);
    if (!st) st = show_quote(o, escrow, err);
    if (!st && escrow > (int64_t)most)
        st = RO_FAIL(err, RO_EUSAGE,
                     "the task costs %" PRId64 " micro-units; --max-escrow is %" PRIu64, escrow,
                     most);
    if (st) cJSON_Delete(o);
    else *out = o;
    return st;
}

/* ---- data -------------------------------------------------------------------------------- */

typedef struct { vd_digest digest; uint64_t size, received; } missing_blob;

/* What the server lacks; *list from ro_alloc. */
static ro_status list_missing(sv_remote *r, const char *path, missing_blob **list, uint32_t *count,
                              uint64_t *bytes, ro_err *err)
{
    cJSON *o = NULL;
    const cJSON *blobs = NULL, *b;
    *count = 0;
    *bytes = 0;
    RO_TRY(sv_get_json(r, path, &o, err));
    ro_status st = sv_field_list(o, "blobs", &blobs, err);
    *list = ro_alloc(((size_t)cJSON_GetArraySize(blobs) + 1) * sizeof **list);
    if (!st && !*list) st = RO_FAIL(err, RO_ENOMEM, "no memory for a list of blobs");
    cJSON_ArrayForEach(b, blobs) {
        missing_blob m;
        if (st) break;
        st = sv_field_digest(b, "digest", &m.digest, NULL, err);
        if (!st) st = sv_field_u64(b, "bytes", &m.size, err);
        if (!st) st = sv_field_u64(b, "received", &m.received, err);
        if (st || sv_field_true(b, "have")) continue;
        (*list)[(*count)++] = m;
        *bytes += m.size > m.received ? m.size - m.received : 0;
    }
    cJSON_Delete(o);
    if (st) ro_free(*list);
    return st;
}

static ro_status send_blob(sv_remote *r, const submission *s, const char *list,
                           const missing_blob *b, sv_meter *m, ro_err *err)
{
    char file[4096], path[SV_PATH_MAX], hex[65];
    struct stat st;
    sv_transfer t = {sv_meter_moved, m, SV_PATIENCE_S};
    vd_digest_hex(&b->digest, hex);
    snprintf(path, sizeof path, "%.120s/%s", list, hex);
    RO_TRY(vd_store_file(s->j.store, &b->digest, file, sizeof file, err));
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return RO_FAIL(err, errno == ENOENT ? RO_ENOTFOUND : RO_EIO,
                       "the job needs tensor %.16s..., which is not in its store: %s", hex,
                       strerror(errno));
    ro_status status = RO_OK;
    if (fstat(fd, &st) || (uint64_t)st.st_size != b->size)
        status = RO_FAIL(err, RO_EFORMAT,
                         "the server wants %" PRIu64 " bytes of tensor %.16s...; its "
                         "file has another size",
                         b->size, hex);
    if (!status) status = sv_upload(r, path, list, &b->digest, fd, b->size, NULL, &t, err);
    close(fd);
    return status;
}

static ro_status send_data(const cli_args *a, sv_remote *r, const submission *s, const char *hex,
                           ro_err *err)
{
    char path[SV_PATH_MAX], t1[32], t2[32];
    missing_blob *list = NULL;
    uint32_t count;
    uint64_t bytes;
    sv_meter m;
    snprintf(path, sizeof path, "/v1/tasks/%s/blobs", hex);
    RO_TRY(list_missing(r, path, &list, &count, &bytes, err));
    ro_status st = sv_meter_init(&m, cli_value(a, "--progress"), "upload", bytes, err);
    for (uint32_t k = 0; !st && k < count; k++) st = send_blob(r, s, path, &list[k], &m, err);
    if (!st) {
        sv_meter_end(&m);
        fprintf(stderr, "data     %s in %s tensor%s sent\n", cli_bytes(bytes, t1),
                cli_count(count, t2), count == 1 ? "" : "s");
    }
    ro_free(list);
    return st;
}

/* ---- the command ------------------------------------------------------------------------- */

static ro_status open_task(const cli_args *a, sv_remote *r, const submission *s, vd_digest *task,
                           int *only_quote, ro_err *err)
{
    char query[QUERY_MAX];
    cJSON *o = NULL;
    RO_TRY(make_query(a, query, err));
    RO_TRY(quote(a, r, s, query, &o, err));
    *only_quote = cli_value(a, "--quote") != NULL;
    if (*only_quote) {
        if (cli_value(a, "--json")) cli_json(o);
        else cJSON_Delete(o);
        return RO_OK;
    }
    cJSON_Delete(o);
    RO_TRY(post_job(r, s, "tasks", query, &o, err));
    ro_status st = sv_field_digest(o, "id", task, NULL, err);
    cJSON_Delete(o);
    return st;
}

static ro_status end_well(const cli_args *a, sv_remote *r, const vd_digest *task, int *code,
                          ro_err *err)
{
    sv_task_told t;
    char hex[65];
    cJSON *o = NULL;
    if (cli_value(a, "--watch")) RO_TRY(sv_follow(r, task, &t, err));
    RO_TRY(sv_get_task(r, task, NULL, &t, &o, err));
    if (cli_value(a, "--watch")) *code = strcmp(t.state, "settled") == 0 ? 0 : 1;
    if (cli_value(a, "--json")) {
        cli_json(o);
        return RO_OK;
    }
    vd_digest_hex(task, hex);
    printf("%s\n", hex);
    if (cli_value(a, "--watch"))
        fprintf(stderr, "ended    %s%s%s\n", t.state, t.end[0] ? ": " : "", t.end);
    cJSON_Delete(o);
    return RO_OK;
}

static ro_status submit(const cli_args *a, sv_remote *r, submission *s, int *code, ro_err *err)
{
    vd_digest task;
    char hex[65];
    int only_quote = 0;
    RO_TRY(load_job(a, s, err));
    if (cli_value(a, "--task")) RO_TRY(vd_digest_parse(cli_value(a, "--task"), &task, err));
    else RO_TRY(open_task(a, r, s, &task, &only_quote, err));
    if (only_quote) return RO_OK;
    vd_digest_hex(&task, hex);
    fprintf(stderr, "task     %s\n", hex); /* now: whoever is cut off goes on with --task */
    RO_TRY(send_data(a, r, s, hex, err));
    return end_well(a, r, &task, code, err);
}

static ro_status run(const cli_args *a, int *exit_code, ro_err *err)
{
    sv_remote *r = NULL;
    submission s;
    memset(&s, 0, sizeof s);
    RO_TRY(sv_command_server(a, cli_value(a, "--quote") ? 0 : 1, &r, err));
    ro_status st = submit(a, r, &s, exit_code, err);
    end_submission(&s);
    sv_remote_close(r);
    return st;
}

int main(int argc, char **argv)
{
    cli_option options[] = {
        {.name = "--server", .has_value = 1},   {.name = "--token", .has_value = 1},
        {.name = "--slots", .has_value = 1},    {.name = "--quorum", .has_value = 1},
        {.name = "--reward", .has_value = 1},   {.name = "--set", .has_value = 1, .many = 1},
        {.name = "--quote"},                    {.name = "--max-escrow", .has_value = 1},
        {.name = "--task", .has_value = 1},     {.name = "--watch"},
        {.name = "--store", .has_value = 1},    {.name = "--record", .has_value = 1},
        {.name = "--threads", .has_value = 1},  {.name = "--input", .has_value = 1, .many = 1},
        {.name = "--progress", .has_value = 1}, {.name = "--json"},
        {0}};
    const sv_program p = {"verde-submit", usage_text, options, 1, 1, run};
    sv_catch_signals();
    return sv_program_main(&p, argc, argv);
}
