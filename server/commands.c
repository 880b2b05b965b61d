/* commands.c - begin, end, server, token. */
#define _GNU_SOURCE
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

volatile int sv_stop;

static void on_signal(int sig)
{
    (void)sig;
    sv_stop = 1;
}

void sv_catch_signals(void)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_signal;
    a.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

int sv_program_main(const sv_program *p, int argc, char **argv)
{
    cli_args a = {.options = p->options};
    ro_err err = {RO_OK, {0}};
    int code = 0;
    for (int k = 1; k < argc; k++)
        if (strcmp(argv[k], "--help") == 0 || strcmp(argv[k], "-h") == 0) {
            fputs(p->usage, stdout);
            return 0;
        }
    signal(SIGPIPE, SIG_IGN); /* a connection that breaks is an error of its call */
    signal(SIGXFSZ, SIG_IGN);
    ro_status st = cli_parse(argc - 1, argv + 1, &a, p->min_words, p->max_words, &err);
    if (!st) st = p->run(&a, &code, &err);
    if (st) {
        fprintf(stderr, "%s: %s\n", p->name, err.msg[0] ? err.msg : ro_status_name(st));
        return cli_exit_code(st);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: the output cannot be written: %s\n", p->name, strerror(errno));
        return 4;
    }
    return code;
}

/* The lines of a token's file: the token, then perhaps its account. */
typedef struct { char text[2 * SV_TOKEN_MAX + 2], *token, *account; } token_file;

static ro_status read_token(const char *path, token_file *t, ro_err *err)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    if (!f)
        return RO_FAIL(err, errno == ENOENT ? RO_ENOTFOUND : RO_EIO, "cannot open %.120s: %s", path,
                       strerror(errno));
    size_t n = fread(t->text, 1, sizeof t->text - 1, f);
    int seen = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 077;
    fclose(f);
    if (seen)
        return RO_FAIL(err, RO_EUSAGE, "others than its owner may read %.120s: chmod 600 it", path);
    t->text[n] = 0;
    t->token = t->text;
    t->account = strchr(t->text, '\n');
    if (t->account) *t->account++ = 0;
    char *end = t->account ? strchr(t->account, '\n') : NULL;
    if (end) *end = 0;
    return RO_OK;
}

ro_status sv_command_server(const cli_args *a, int need, sv_remote **out, ro_err *err)
{
    token_file t;
    const char *server = cli_value(a, "--server"), *token = NULL;
    const char *path = need >= 0 ? cli_value(a, "--token") : NULL;
    if (!server) server = getenv("VERDE_SERVER");
    if (!server || !*server)
        return RO_FAIL(err, RO_EUSAGE, "no server: give --server URL or set VERDE_SERVER");
    if (path) {
        RO_TRY(read_token(path, &t, err));
        token = t.token;
    } else if (need >= 0) {
        token = getenv("VERDE_TOKEN");
        if (token && !*token) token = NULL;
    }
    if (need == 1 && !token)
        return RO_FAIL(err, RO_EUSAGE, "no token: give --token FILE or set VERDE_TOKEN");
    return sv_remote_open(server, token, &sv_stop, out, err);
}

ro_status sv_command_account(const cli_args *a, vd_digest *account, int *found, ro_err *err)
{
    token_file t;
    const char *path = cli_value(a, "--token");
    *found = 0;
    if (!path) return RO_OK;
    RO_TRY(read_token(path, &t, err));
    if (!t.account || !*t.account) return RO_OK;
    RO_TRY(vd_digest_parse(t.account, account, err));
    *found = 1;
    return RO_OK;
}

/* ---- bytes on their way ------------------------------------------------------------------ */

ro_status sv_meter_init(sv_meter *m, const char *kind, const char *label, uint64_t total,
                        ro_err *err)
{
    cli_progress p;
    RO_TRY(cli_progress_init(&p, kind, label, err));
    *m = (sv_meter){p.kind, label, 0, total, vd_seconds(), -1, 0};
    return RO_OK;
}

void sv_meter_moved(void *ctx, uint64_t bytes)
{
    sv_meter *m = ctx;
    char a[32], b[32], c[32], d[32];
    double now = vd_seconds() - m->begun;
    double every = m->kind == CLI_AUTO ? 0.1 : m->kind == CLI_JSON ? 1 : 5;
    m->done += bytes;
    if (m->kind == CLI_NONE || (m->last >= 0 && now - m->last < every && m->done < m->total))
        return;
    m->last = now;
    double rate = now > 0 ? (double)m->done / now : 0;
    double eta = m->done < m->total && rate > 0 ? (double)(m->total - m->done) / rate : 0;
    if (m->kind == CLI_JSON) {
        fprintf(stderr, "{\"%s\":%llu,\"bytes\":%llu,\"seconds\":%.3f,\"eta\":%.3f}\n", m->label,
                (unsigned long long)m->done, (unsigned long long)m->total, now, eta);
        return;
    }
    fprintf(stderr, m->kind == CLI_AUTO ? "\r\033[K%s %s of %s, %s/s, %s left"
                                        : "%s: %s of %s, %s/s, %s left\n",
            m->label, cli_bytes(m->done, a), cli_bytes(m->total, b), cli_bytes((uint64_t)rate, c),
            cli_time(eta, d));
    m->drawn = m->kind == CLI_AUTO;
}

void sv_meter_end(sv_meter *m)
{
    if (m->drawn) fprintf(stderr, "\r\033[K");
    m->drawn = 0;
}

/* ---- a task's changes -------------------------------------------------------------------- */

typedef struct { char last[32]; int changed, drain; } follower;

/* One line a change. Then the stream is left, to look whether that was the end; it goes on after
 * this change. drain: it was. */
static int hear_change(void *ctx, const char *id, const char *data)
{
    follower *f = ctx;
    char now[16];
    cJSON *o = sv_parse_reply(data, strlen(data));
    const char *what = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "what"));
    snprintf(f->last, sizeof f->last, "%.31s", id);
    fprintf(stderr, "%s  %s\n", sv_clock(now), what ? what : "?");
    cJSON_Delete(o);
    f->changed = 1;
    return f->drain;
}

ro_status sv_follow(sv_remote *r, const vd_digest *task, sv_task_told *t, ro_err *err)
{
    char path[SV_PATH_MAX], hex[65];
    follower f = {"0", 0, 0}; /* its story from the beginning */
    vd_digest_hex(task, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s/events", hex);
    for (;;) {
        ro_err why = {RO_OK, {0}};
        RO_TRY(sv_get_task(r, task, NULL, t, NULL, err));
        if (sv_has_ended(t)) { /* what led to it, as far as it is there */
            f.drain = 1;
            (void)!sv_remote_events(r, path, f.last, 2, hear_change, &f, &why);
            return RO_OK;
        }
        f.changed = 0;
        ro_status st = sv_remote_events(r, path, f.last, 45, hear_change, &f,
                                        &why);
        if (sv_stop) return RO_FAIL(err, RO_EIO, "stopped; the task goes on");
        if (st || !f.changed) usleep(500000);
    }
}

const char *sv_money(int64_t n, char text[40])
{
    char count[32];
    uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    snprintf(text, 40, "%s%s", n < 0 ? "-" : "", cli_count(size, count));
    return text;
}

const char *sv_clock(char text[16])
{
    time_t now = time(NULL);
    struct tm t;
    if (!localtime_r(&now, &t) || !strftime(text, 16, "%H:%M:%S", &t)) snprintf(text, 16, "?");
    return text;
}
