/* main.c - the `verded` command.
 *
 * What this file decides: argv, the configuration file, what a first start makes, what is printed.
 *
 * Exit codes: 0 done; 1 the ledger is not balanced; others as those of `verde`. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../verde/cli.h"
#include "../verde/files.h"
#include "api.h"
#include "work.h"

#define TREASURY_DEFAULT (INT64_C(1) << 40)
#define CONFIG_MAX 65536u

static const char usage[] =
    "usage: verded --data DIR [--listen 127.0.0.1:8321] [--tls-cert FILE --tls-key FILE]\n"
    "              [--config FILE] [--older-copy] [--PARAMETER VALUE]...\n"
    "       verded reconcile --data DIR\n"
    "       verded backup --data DIR --to FOLDER\n"
    "\n"
    "Without a command the service runs until it is told to stop (SIGTERM).\n"
    "  --listen ADDRESS   default 127.0.0.1:8321; port 0: any, which is printed\n"
    "  --config FILE      lines NAME = VALUE: every option below and --listen, without the dashes\n"
    "  --older-copy       accept an older copy of the ledger: what it lacks is given up\n"
    "  --treasury AMOUNT  paid in when a ledger begins (default 2^40 micro-units)\n"
    "  --connections N    at a time, --per-address N of them from one address\n"
    "  --tasks-max N      open at a time\n"
    "  --price N, --price-bytes N    micro-units a TFLOP, a GB\n"
    "  --slots N, --quorum N, --challenges N, --open-ms N, ..: every parameter of a task, as\n"
    "                     docs/ECONOMICS.md has them; what is not given is computed from the job\n"
    "\n"
    "  reconcile  read the ledger of DIR again, from its rows alone: exit 0 balanced, 1 not\n"
    "  backup     copy the ledger of DIR into FOLDER, which has none\n";

static ro_status reconcile(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--data", .has_value = 1}, {.name = NULL}};
    cli_args a = {.options = options};
    char why[256];
    int balanced;
    RO_TRY(cli_parse(argc, argv, &a, 0, 0, err));
    if (!cli_value(&a, "--data"))
        return RO_FAIL(err, RO_EUSAGE, "--data DIR is missing: the folder of the ledger");
    RO_TRY(sv_reconcile(cli_value(&a, "--data"), &balanced, why, stdout, err));
    *exit_code = balanced ? 0 : 1;
    return RO_OK;
}

static ro_status backup(int argc, char **argv, ro_err *err)
{
    cli_option options[] = {{.name = "--data", .has_value = 1}, {.name = "--to", .has_value = 1},
                            {.name = NULL}};
    cli_args a = {.options = options};
    RO_TRY(cli_parse(argc, argv, &a, 0, 0, err));
    if (!cli_value(&a, "--data") || !cli_value(&a, "--to"))
        return RO_FAIL(err, RO_EUSAGE, "verded backup needs --data DIR and --to FOLDER");
    return sv_backup(cli_value(&a, "--data"), cli_value(&a, "--to"), err);
}

/* ---- settings --------------------------------------------------------------------------- */

typedef struct {
    const char *data, *listen, *certificate, *key;
    int older;
    uint64_t treasury, connections, per_address;
    sv_rules rules;
    ro_arena *arena;
} settings;

/* One setting by its name in a file: "open_ms". */
static ro_status set(settings *s, const char *name, const char *value, ro_err *err)
{
    uint64_t v = 0;
    const int is_number = sv_parse_u64(value, &v);
    if (strcmp(name, "listen") == 0) s->listen = value;
    else if (strcmp(name, "tls_cert") == 0) s->certificate = value;
    else if (strcmp(name, "tls_key") == 0) s->key = value;
    else if (!is_number || v > INT64_MAX)
        return RO_FAIL(err, RO_EUSAGE, "%s is \"%.40s\"; a whole number is needed", name, value);
    else if (strcmp(name, "treasury") == 0) s->treasury = v;
    else if (strcmp(name, "connections") == 0) s->connections = v;
    else if (strcmp(name, "per_address") == 0) s->per_address = v;
    else if (strcmp(name, "tasks_max") == 0) s->rules.tasks_max = v;
    else if (strcmp(name, "price") == 0) s->rules.price = (int64_t)v;
    else if (strcmp(name, "price_bytes") == 0) s->rules.price_bytes = (int64_t)v;
    else if (strcmp(name, "slots") == 0) s->rules.slots = v > RF_SLOTS_MAX ? 0 : (uint32_t)v;
    else if (strcmp(name, "replay_steps") == 0) s->rules.replay_steps = v;
    else {
        uint32_t k = 0;
        while (k < SV_PARAMS && strcmp(sv_params()[k].name, name) != 0) k++;
        if (k == SV_PARAMS)
            return RO_FAIL(err, RO_EUSAGE, "%.60s is no setting; see verded --help", name);
        s->rules.given[k] = (int64_t)v;
    }
    return RO_OK;
}

static char *trim(char *s)
{
    char *end = s + strlen(s);
    while (*s == ' ' || *s == '\t') s++;
    while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) *--end = 0;
    return s;
}

static ro_status read_config(settings *s, const char *path, ro_err *err)
{
    uint8_t *bytes;
    uint64_t size, number = 0;
    RO_TRY(vd_file_read(path, CONFIG_MAX, s->arena, &bytes, &size, err));
    for (char *line = (char *)bytes, *next; line && *line; line = next) {
        char *end = strchr(line, '\n'), *equals;
        next = end ? end + 1 : NULL;
        number++;
        if (end) *end = 0;
        line = trim(line);
        if (!*line || *line == '#') continue;
        equals = strchr(line, '=');
        if (!equals)
            return RO_FAIL(err, RO_EUSAGE, "line %llu of %.100s is no NAME = VALUE",
                           (unsigned long long)number, path);
        *equals = 0;
        RO_TRY(set(s, trim(line), trim(equals + 1), err));
    }
    return RO_OK;
}

/* "--open-ms" for "open_ms", in the arena. */
static char *option_name(ro_arena *a, const char *name)
{
    char *text = ro_arena_alloc(a, strlen(name) + 3);
    if (!text) return NULL;
    text[0] = text[1] = '-';
    memcpy(text + 2, name, strlen(name) + 1);
    for (char *p = text + 2; *p; p++)
        if (*p == '_') *p = '-';
    return text;
}

static const char *const plain[] = {"data", "config", "listen", "tls_cert", "tls_key", "treasury",
                                    "connections", "per_address", "tasks_max", "price",
                                    "price_bytes"};
#define PLAIN (sizeof plain / sizeof *plain)

static ro_status read_settings(int argc, char **argv, settings *s, ro_err *err)
{
    static cli_option options[PLAIN + SV_PARAMS + 2];
    cli_args a = {.options = options};
    memset(options, 0, sizeof options);
    for (size_t k = 0; k < PLAIN + SV_PARAMS; k++) {
        options[k].name = option_name(s->arena, k < PLAIN ? plain[k] : sv_params()[k - PLAIN].name);
        options[k].has_value = 1;
        if (!options[k].name) return RO_FAIL(err, RO_ENOMEM, "no memory for options");
    }
    options[PLAIN + SV_PARAMS].name = "--older-copy";
    RO_TRY(cli_parse(argc, argv, &a, 0, 0, err));
    s->data = cli_value(&a, "--data");
    s->older = cli_get(&a, "--older-copy")->count > 0;
    if (!s->data)
        return RO_FAIL(err, RO_EUSAGE, "--data DIR is missing: the folder of the service");
    if (cli_value(&a, "--config")) RO_TRY(read_config(s, cli_value(&a, "--config"), err));
    for (size_t k = 2; k < PLAIN + SV_PARAMS; k++)
        if (options[k].value)
            RO_TRY(set(s, k < PLAIN ? plain[k] : sv_params()[k - PLAIN].name, options[k].value,
                       err));
    if (!s->certificate != !s->key)
        return RO_FAIL(err, RO_EUSAGE, "--tls-cert and --tls-key go together");
    return RO_OK;
}

/* ---- the folder ------------------------------------------------------------------------- */

typedef struct { char text[VD_FS_NAME_MAX]; } path_text;

static ro_status path_of(const char *dir, const char *name, path_text *p, ro_err *err)
{
    int n = snprintf(p->text, sizeof p->text, "%s/%s", dir, name);
    if (n > 0 && (size_t)n < sizeof p->text) return RO_OK;
    return RO_FAIL(err, RO_ELIMIT, "the folder's path has more than %u bytes", VD_FS_NAME_MAX - 40);
}

static ro_status make_folder(const char *path, ro_err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return RO_OK;
    return vd_fs_failed("create the folder", path, err);
}

static ro_status make_folders(const char *dir, ro_err *err)
{
    static const char *const names[] = {"store", "spill", "results"};
    path_text p;
    RO_TRY(make_folder(dir, err));
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        RO_TRY(path_of(dir, names[k], &p, err));
        RO_TRY(make_folder(p.text, err));
    }
    return RO_OK;
}

static ro_status load_key(const char *dir, vd_key **key, ro_err *err)
{
    path_text p;
    RO_TRY(path_of(dir, "referee.key", &p, err));
    if (access(p.text, F_OK) != 0) RO_TRY(vd_key_new(p.text, err));
    return vd_key_load(p.text, key, err);
}

/* The operator's token, made where there is none. */
static ro_status load_token(settings *s, vd_digest *hash, ro_err *err)
{
    path_text p, partial;
    uint8_t *bytes;
    uint64_t size;
    vd_digest fresh;
    char hex[65], text[80];
    RO_TRY(path_of(s->data, "operator.token", &p, err));
    RO_TRY(path_of(s->data, ".operator.token.partial", &partial, err));
    if (access(p.text, F_OK) != 0) {
        sv_fresh(fresh.b, sizeof fresh.b);
        vd_digest_hex(&fresh, hex);
        int n = snprintf(text, sizeof text, "vo_%s\n", hex);
        int fd = open(partial.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) return vd_fs_failed("create", partial.text, err);
        ro_status st = vd_fs_write(fd, text, (uint64_t)n, 0, partial.text, err);
        if (!st) st = vd_fs_sync(fd, partial.text, err);
        close(fd);
        RO_TRY(st);
        if (rename(partial.text, p.text) < 0) return vd_fs_failed("rename", p.text, err);
    }
    RO_TRY(vd_file_read(p.text, 1024, s->arena, &bytes, &size, err));
    char *token = trim((char *)bytes), *end = strchr(token, '\n');
    if (end) *end = 0;
    if (strlen(token) < 32)
        return RO_FAIL(err, RO_EFORMAT, "%.200s holds %zu characters; an operator's token has "
                       "32 at least", p.text, strlen(token));
    *hash = sv_token_hash(token);
    return RO_OK;
}

/* ---- the service ------------------------------------------------------------------------ */

typedef struct {
    settings s;
    sv_api api;
    vd_key *key;
    sv_work *work;
    pthread_mutex_t lock; /* of the next */
    sv_http *told;        /* who hears of changes, while it listens */
} service;

static void changed(void *ctx, uint64_t position, const vd_digest *task, int ledger,
                    const char *what)
{
    service *v = ctx;
    sv_change c;
    memset(&c, 0, sizeof c);
    c.position = position;
    c.task = *task;
    c.ledger = ledger;
    (void)snprintf(c.what, sizeof c.what, "%s", what);
    pthread_mutex_lock(&v->lock);
    if (v->told) sv_http_publish(v->told, &c, 1);
    pthread_mutex_unlock(&v->lock);
}

static void tell_changes_to(service *v, sv_http *h)
{
    pthread_mutex_lock(&v->lock);
    v->told = h;
    pthread_mutex_unlock(&v->lock);
}

static void work(void *ctx, const sv_task_look *t, const rf_effect *e)
{
    sv_work_take(((service *)ctx)->work, t, e);
}

static ro_status read_pem(settings *s, const char *path, const char **text, ro_err *err)
{
    uint8_t *bytes;
    uint64_t size;
    if (!path) return RO_OK;
    RO_TRY(vd_file_read(path, CONFIG_MAX, s->arena, &bytes, &size, err));
    *text = (const char *)bytes;
    return RO_OK;
}

/* What commands and pages are told: with the port that it got, where any was asked for. */
static void set_address(service *v, unsigned port)
{
    const char *colon = strrchr(v->s.listen, ':'), *scheme = v->s.key ? "https" : "http";
    if (port && colon)
        (void)snprintf(v->api.address, sizeof v->api.address, "%s://%.*s:%u", scheme,
                       (int)(colon - v->s.listen), v->s.listen, port);
    else (void)snprintf(v->api.address, sizeof v->api.address, "%s://%s", scheme, v->s.listen);
}

static ro_status listen_on(service *v, ro_err *err)
{
    path_text spill;
    sv_http_options o = {.listen = v->s.listen, .connections = (uint32_t)v->s.connections,
                         .per_address = (uint32_t)v->s.per_address, .head_ms = 15000,
                         .body_ms = 30000, .idle_ms = 60000, .rate = 16384};
    const sv_http_calls c = sv_api_calls(&v->api);
    vd_digest head;
    RO_TRY(sv_catalog_head(v->api.reader, &o.position, &head, err));
    RO_TRY(path_of(v->s.data, "spill", &spill, err));
    o.spill = spill.text;
    RO_TRY(read_pem(&v->s, v->s.certificate, &o.certificate, err));
    RO_TRY(read_pem(&v->s, v->s.key, &o.key, err));
    RO_TRY(sv_http_open(&o, &c, &v->api.http, err));
    tell_changes_to(v, v->api.http);
    return RO_OK;
}

static ro_status open_service(service *v, ro_err *err)
{
    settings *s = &v->s;
    path_text store;
    RO_TRY(make_folders(s->data, err));
    v->api.folder = open(s->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (v->api.folder < 0) return vd_fs_failed("open", s->data, err);
    RO_TRY(load_key(s->data, &v->key, err));
    RO_TRY(load_token(s, &v->api.operator_token, err));
    const sv_engine_options o = {.dir = s->data, .older = s->older, .rules = s->rules,
                                 .treasury = (int64_t)s->treasury, .changed = changed, .work = work,
                                 .ctx = v};
    RO_TRY(sv_work_open(s->data, &v->work, err));
    RO_TRY(sv_engine_open(&o, v->key, &v->api.engine, err));
    RO_TRY(sv_work_begin(v->work, v->api.engine, err));
    RO_TRY(sv_catalog_read(s->data, &v->api.reader, err));
    RO_TRY(sv_catalog_read(s->data, &v->api.clerk_reader, err));
    RO_TRY(path_of(s->data, "store", &store, err));
    RO_TRY(vd_store_open(store.text, 0, &v->api.store, err));
    RO_TRY(sv_clerk_open(&v->api.clerk, err));
    v->api.rules = s->rules;
    v->api.started_ms = sv_now_ms();
    set_address(v, 0);
    RO_TRY(listen_on(v, err));
    set_address(v, sv_http_port(v->api.http));
    return RO_OK;
}

static void close_service(service *v)
{
    tell_changes_to(v, NULL);
    sv_http_close(v->api.http, 3000);
    v->api.http = NULL;
    sv_clerk_close(v->api.clerk);
    sv_work_stop(v->work);
    sv_engine_close(v->api.engine);
    sv_work_close(v->work);
    sv_catalog_close(v->api.reader);
    sv_catalog_close(v->api.clerk_reader);
    vd_store_close(v->api.store);
    vd_key_free(v->key);
    if (v->api.folder >= 0) close(v->api.folder);
}

static void say_hello(const service *v)
{
    char hex[65];
    sv_engine_counts c;
    const char *at = v->api.address, *data = v->s.data;
    vd_digest_hex(sv_engine_referee(v->api.engine), hex);
    sv_engine_count(v->api.engine, &c);
    printf("verded listens on %s\nreferee %s\n", at, hex);
    if (c.position <= 1)
        printf("\nNobody has an account yet. A client, money for it and a task:\n"
               "  verde account new alice --server %s --token %s/operator.token "
               "--out alice.token\n"
               "  verde account deposit alice 1000000 --server %s --token %s/operator.token\n"
               "  verde submit docs/examples/mlp.json --server %s --token alice.token\n",
               at, data, at, data, at);
    fflush(stdout);
}

static ro_status serve(int argc, char **argv, ro_err *err)
{
    static service v = {.lock = PTHREAD_MUTEX_INITIALIZER};
    sigset_t stop;
    int which;
    v.s = (settings){.listen = "127.0.0.1:8321", .treasury = TREASURY_DEFAULT, .connections = 1024,
                     .per_address = 512, .arena = ro_arena_new()};
    v.api.folder = -1;
    sv_rules_defaults(&v.s.rules);
    if (!v.s.arena) return RO_FAIL(err, RO_ENOMEM, "no memory for settings");
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* threads begin with it */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like any other */
    ro_status st = read_settings(argc, argv, &v.s, err);
    if (st == RO_OK) st = open_service(&v, err);
    if (st == RO_OK) {
        say_hello(&v);
        (void)sigwait(&stop, &which);
        printf("verded stops\n");
    }
    close_service(&v);
    ro_arena_free(v.s.arena);
    return st;
}

static ro_status run(int argc, char **argv, int *exit_code, ro_err *err)
{
    const char *name = argc > 1 ? argv[1] : "nothing";
    if (strcmp(name, "reconcile") == 0) return reconcile(argc - 2, argv + 2, exit_code, err);
    if (strcmp(name, "backup") == 0) return backup(argc - 2, argv + 2, err);
    if (strncmp(name, "--", 2) == 0) return serve(argc - 1, argv + 1, err);
    return RO_FAIL(err, RO_EUSAGE, "%.60s is no command of verded; see verded --help", name);
}

int main(int argc, char **argv)
{
    ro_err err = {RO_OK, {0}};
    int exit_code = 0;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    ro_status st = run(argc, argv, &exit_code, &err);
    if (!st && (fflush(stdout) != 0 || ferror(stdout)))
        st = RO_FAIL(&err, RO_EIO, "the output cannot be written");
    if (!st) return exit_code;
    fprintf(stderr, "verded: %s\n", err.msg);
    return cli_exit_code(st);
}
