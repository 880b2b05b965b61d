/* status_main.c - the `verde-status` command: the tasks of a server, or one of them.
 *
 * What this file decides: argv, and the tables. Exit codes as those of `verde`.                */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "../referee/referee.h"
#include "../verde/files.h"
#include "commands.h"

static const char usage_text[] =
    "usage: verde-status [TASK] --server URL [--state S] [--key KEY] [--limit N]\n"
    "                    [--evidence FILE] [--dispute N] [--json]\n"
    "\n"
    "Without TASK: the newest tasks, a line each. With one: its state, its price, who takes part,\n"
    "its disputes.\n"
    "\n"
    "  --state   only tasks in this state, for example open\n"
    "  --key     only tasks in which this key (64 hexadecimal digits) has a place\n"
    "  --limit   tasks to print (default 20)\n"
    "  --evidence  write the evidence of a dispute of TASK to FILE, for verde-verdict\n"
    "  --dispute   which one (default 1)\n"
    "  --server  as for verde-account\n"
    "\n"
    "Examples\n"
    "  verde status --server $URL\n"
    "  verde status 51be88d7... --server $URL --json\n";

static const char *text_of(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    return s ? s : "-";
}

/* How long until a deadline of this machine's clock; "" when there is none. */
static const char *left_until(uint64_t deadline_ms, char text[48])
{
    struct timespec now;
    char time[32];
    text[0] = 0;
    if (!deadline_ms) return text;
    clock_gettime(CLOCK_REALTIME, &now);
    double left = (double)deadline_ms / 1000 - (double)now.tv_sec;
    snprintf(text, 48, "%s", left > 0 ? cli_time(left, time) : "now");
    return text;
}

/* ---- many -------------------------------------------------------------------------------- */

static ro_status print_line(const cJSON *o, ro_err *err)
{
    sv_task_told t;
    char a[32], b[32], c[48], hex[65];
    RO_TRY(sv_read_task(o, NULL, &t, err));
    vd_digest_hex(&t.id, hex);
    printf("%s  %-9s %-11s %10s %12s  %8u  %s\n", hex, t.state, t.end[0] ? t.end : "-",
           cli_count(t.steps, a), cli_amount((double)t.flops, b), t.disputes,
           left_until(t.deadline_ms, c));
    return RO_OK;
}

static ro_status task_page(const char *filter, uint64_t left, char next[128], cJSON *all,
                           uint64_t *printed, sv_remote *r, ro_err *err)
{
    char path[SV_PATH_MAX];
    cJSON *o = NULL;
    const cJSON *list = NULL, *t;
    snprintf(path, sizeof path, "/v1/tasks?limit=%" PRIu64 "%s%s%.120s", left < 200 ? left : 200,
             filter, next[0] ? "&cursor=" : "", next);
    RO_TRY(sv_get_json(r, path, &o, err));
    ro_status st = sv_field_list(o, "tasks", &list, err);
    if (!st) {
        cJSON_ArrayForEach(t, list) {
            if (all) cJSON_AddItemToArray(all, cJSON_Duplicate(t, 1));
            else if (!st) st = print_line(t, err);
            ++*printed;
        }
    }
    const char *more = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "next"));
    snprintf(next, 128, "%.120s", more && cJSON_GetArraySize(list) ? more : "");
    cJSON_Delete(o);
    return st;
}

static ro_status list_tasks(const cli_args *a, sv_remote *r, ro_err *err)
{
    char filter[160] = "", next[128] = "";
    const char *state = cli_value(a, "--state"), *key = cli_value(a, "--key");
    uint64_t most = 20, printed = 0;
    vd_digest checked;
    RO_TRY(cli_number(a, "--limit", 1, 1000000, &most, err));
    if (state && key) return RO_FAIL(err, RO_EUSAGE, "--state or --key, not both");
    if (state && (!*state || strlen(state) > 20 ||
                  state[strspn(state, "abcdefghijklmnopqrstuvwxyz")]))
        return RO_FAIL(err, RO_EUSAGE, "--state is \"%.40s\", no state", state);
    if (key) RO_TRY(vd_digest_parse(key, &checked, err));
    if (state) snprintf(filter, sizeof filter, "&state=%s", state);
    if (key) snprintf(filter, sizeof filter, "&key=%s", key);
    cJSON *all = cli_value(a, "--json") ? cJSON_CreateArray() : NULL;
    if (!all)
        printf("%-64s  %-9s %-11s %10s %12s  %8s  %s\n", "task", "state", "end", "steps", "FLOP",
               "disputes", "left");
    ro_status st = RO_OK;
    do st = task_page(filter, most - printed, next, all, &printed, r, err);
    while (!st && next[0] && printed < most);
    if (st || !all) {
        cJSON_Delete(all);
        return st;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "schema", "verde-tasks/1");
    cJSON_AddItemToObject(o, "tasks", all);
    cli_json(o);
    return RO_OK;
}

/* ---- one --------------------------------------------------------------------------------- */

static void print_members(const cJSON *o)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "members"), *m;
    if (cJSON_GetArraySize(list))
        printf("\n%-16s  %-8s %-9s %-9s %-16s %-16s %s\n", "key", "role", "slot", "stage", "lost",
               "root", "stands");
    cJSON_ArrayForEach(m, list)
        printf("%-16.16s  %-8.8s %-9s %-9.9s %-16.16s %-16.16s %s%s\n", text_of(m, "key"),
               text_of(m, "role"), sv_field_true(m, "assigned") ? "yes" : "-", text_of(m, "stage"),
               text_of(m, "lost"), text_of(m, "root"), sv_field_true(m, "stands") ? "yes" : "-",
               sv_field_true(m, "provisional") ? " (provisional)" : "");
}

static ro_status print_disputes(sv_remote *r, const char *hex, ro_err *err)
{
    char path[SV_PATH_MAX];
    cJSON *o = NULL;
    const cJSON *list = NULL, *d;
    snprintf(path, sizeof path, "/v1/tasks/%s/disputes", hex);
    RO_TRY(sv_get_json(r, path, &o, err));
    ro_status st = sv_field_list(o, "disputes", &list, err);
    if (!st && cJSON_GetArraySize(list))
        printf("\n%-8s %-16s   %-16s  %-10s %-9s %s\n", "dispute", "root", "against", "verdict",
               "method", "evidence");
    cJSON_ArrayForEach(d, list) {
        const cJSON *roots = cJSON_GetObjectItemCaseSensitive(d, "roots");
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(d, "verdict");
        const char *one = cJSON_GetStringValue(cJSON_GetArrayItem(roots, 0));
        const char *two = cJSON_GetStringValue(cJSON_GetArrayItem(roots, 1));
        uint32_t number = 0;
        if (!st) st = sv_field_u32(d, "number", &number, err);
        const cJSON *e = cJSON_GetObjectItemCaseSensitive(d, "evidence");
        if (!st)
            printf("%-8u %-16.16s   %-16.16s  %-10.10s %-9.9s %s\n", number, one ? one : "-",
                   two ? two : "-", cJSON_IsObject(v) ? text_of(v, "kind") : "-",
                   cJSON_IsObject(v) ? text_of(v, "method") : "-",
                   e && !cJSON_IsNull(e) ? "yes" : "-");
    }
    cJSON_Delete(o);
    return st;
}

static ro_status print_task(const cJSON *o, const sv_task_told *t, ro_err *err)
{
    char hex[65], root[65], a[40], b[40], c[48];
    int64_t escrow;
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(o, "params");
    uint32_t slots;
    int64_t reward, stake;
    RO_TRY(sv_field_i64(o, "escrow", &escrow, err));
    RO_TRY(sv_field_u32(p, "slots", &slots, err));
    RO_TRY(sv_field_i64(p, "reward", &reward, err));
    RO_TRY(sv_field_i64(p, "stake", &stake, err));
    vd_digest_hex(&t->id, hex);
    printf("task      %s\nstate     %s%s%s%s%s\n", hex, t->state, t->end[0] ? ": " : "", t->end,
           t->deadline_ms ? ", ends in " : "", left_until(t->deadline_ms, c));
    vd_digest_hex(&t->job, hex);
    printf("job       %s\n          %s steps, %sFLOP, a result of %s\n", hex,
           cli_count(t->steps, a), cli_amount((double)t->flops, b), cli_bytes(t->output_bytes, c));
    if (!t->data_ready) printf("data      the server does not have all of it yet\n");
    printf("escrow    %s\n", sv_money(escrow, a));
    printf("slots     %u, reward %s, stake %s\n", slots, sv_money(reward, a), sv_money(stake, b));
    vd_digest_hex(&t->root, root);
    printf("root      %s\n", t->has_root ? root : "-");
    return RO_OK;
}

/* Evidence needs no trust in who hands it out: verde-verdict derives the verdict from it again. */
static ro_status save_evidence(const cli_args *a, sv_remote *r, const char *hex, ro_err *err)
{
    char path[SV_PATH_MAX], text[32];
    uint8_t *bytes = NULL;
    size_t n = 0;
    uint64_t number = 1;
    RO_TRY(cli_number(a, "--dispute", 1, UINT32_MAX, &number, err));
    snprintf(path, sizeof path, "/v1/tasks/%.64s/disputes/%" PRIu64 "/evidence", hex, number);
    RO_TRY(sv_get_bytes(r, path, RF_EVIDENCE_MAX, &bytes, &n, err));
    ro_status st = vd_fs_replace(cli_value(a, "--evidence"), bytes, n, err);
    ro_free(bytes);
    if (!st)
        fprintf(stderr, "evidence of dispute %" PRIu64 ": %s in %.200s\n", number,
                cli_bytes(n, text), cli_value(a, "--evidence"));
    return st;
}

static ro_status show_task(const cli_args *a, sv_remote *r, ro_err *err)
{
    vd_digest id;
    sv_task_told t;
    cJSON *o = NULL;
    char hex[65];
    if (cli_value(a, "--state") || cli_value(a, "--key") || cli_value(a, "--limit"))
        return RO_FAIL(err, RO_EUSAGE,
                       "--state, --key and --limit are for lists, not for one task");
    RO_TRY(vd_digest_parse(a->words[0], &id, err));
    vd_digest_hex(&id, hex);
    if (cli_value(a, "--evidence")) return save_evidence(a, r, hex, err);
    if (cli_value(a, "--dispute"))
        return RO_FAIL(err, RO_EUSAGE, "--dispute N says whose --evidence FILE is to be written");
    RO_TRY(sv_get_task(r, &id, NULL, &t, &o, err));
    if (cli_value(a, "--json")) {
        cli_json(o);
        return RO_OK;
    }
    ro_status st = print_task(o, &t, err);
    if (!st) print_members(o);
    cJSON_Delete(o);
    if (!st && t.disputes) st = print_disputes(r, hex, err);
    return st;
}

static ro_status run(const cli_args *a, int *exit_code, ro_err *err)
{
    sv_remote *r = NULL;
    (void)exit_code;
    RO_TRY(sv_command_server(a, -1, &r, err));
    if (!a->word_count && (cli_value(a, "--evidence") || cli_value(a, "--dispute"))) {
        sv_remote_close(r);
        return RO_FAIL(err, RO_EUSAGE, "--evidence is of one task: give its id");
    }
    ro_status st = a->word_count ? show_task(a, r, err) : list_tasks(a, r, err);
    sv_remote_close(r);
    return st;
}

int main(int argc, char **argv)
{
    cli_option options[] = {{.name = "--server", .has_value = 1},
                            {.name = "--state", .has_value = 1},
                            {.name = "--key", .has_value = 1},
                            {.name = "--limit", .has_value = 1},
                            {.name = "--evidence", .has_value = 1},
                            {.name = "--dispute", .has_value = 1},
                            {.name = "--json"},
                            {0}};
    const sv_program p = {"verde-status", usage_text, options, 0, 1, run};
    sv_catch_signals();
    return sv_program_main(&p, argc, argv);
}
