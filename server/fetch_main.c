/* fetch_main.c - the `verde-fetch` command: the result of a task, checked before it has a name.
 *
 * What this file decides: argv, the files that a result becomes, and what is checked before.
 * Exit codes as those of `verde`; 1: what came is not the accepted result.
 *
 * Invariants
 *   1. No file has its final name before all bytes of the result were hashed and gave the outputs
 *      and the last state of the accepted root, whose body a provider signed.                   */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../verde/files.h"
#include "commands.h"

static const char usage_text[] = "usage: verde-fetch TASK --out DIR --server URL --token FILE "
                                 "[--progress auto|plain|json|none]\n"
                                 "                   [--json]\n"
                                 "\n"
                                 "Downloads the result of a task and checks it against the "
                                 "accepted root, which a provider\n"
                                 "signed: the outputs of every step and the last state. Then DIR "
                                 "has\n"
                                 "  state.safetensors   the last state by the names of its slots: "
                                 "the trained parameters\n"
                                 "  outputs.safetensors the outputs of the last step: output0, "
                                 "output1, ..\n"
                                 "  result              all of it, as docs/API.md says\n"
                                 "A download that was cut off goes on where it stopped.\n"
                                 "\n"
                                 "  --out      a folder; made where it is missing\n"
                                 "  --server, --token   as for verde-account; the token is the "
                                 "client's\n"
                                 "\n"
                                 "Example\n"
                                 "  verde fetch 51be88d7... --out result --server $URL --token "
                                 "alice.token\n";

typedef struct {
    char folder[3600], partial[3700], result[3700], state[3700], outputs[3700];
} places;

static ro_status make_places(const char *out, places *p, ro_err *err)
{
    if (strlen(out) >= sizeof p->folder)
        return RO_FAIL(err, RO_EUSAGE, "the path of --out has more than %zu bytes",
                       sizeof p->folder - 1);
    if (mkdir(out, 0777) < 0 && errno != EEXIST) return vd_fs_failed("create", out, err);
    snprintf(p->folder, sizeof p->folder, "%s", out);
    snprintf(p->partial, sizeof p->partial, "%s/.result.partial", p->folder);
    snprintf(p->result, sizeof p->result, "%s/result", p->folder);
    snprintf(p->state, sizeof p->state, "%s/state.safetensors", p->folder);
    snprintf(p->outputs, sizeof p->outputs, "%s/outputs.safetensors", p->folder);
    return RO_OK;
}

static ro_status download(const cli_args *a, sv_remote *r, const sv_task_told *t, uint64_t size,
                          int fd, ro_err *err)
{
    char path[SV_PATH_MAX], hex[65];
    sv_meter m;
    sv_transfer how = {sv_meter_moved, &m, SV_PATIENCE_S};
    vd_digest_hex(&t->id, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s/result/bytes", hex);
    RO_TRY(sv_meter_init(&m, cli_value(a, "--progress"), "download", size, err));
    ro_status st = sv_download(r, path, fd, size, &how, err);
    sv_meter_end(&m);
    return st;
}

/* RO_EDIFFER: it is not what the body commits to. */
static ro_status check(const vd_job *j, const vd_trace_body *b, const uint8_t *bytes, ro_pool *pool,
                       ro_err *err)
{
    vd_digest outputs, state;
    RO_TRY(vd_result_digests(j, bytes, pool, &outputs, &state, err));
    if (!vd_digest_equal(&outputs, &b->outputs))
        return RO_FAIL(err, RO_EDIFFER, "the outputs that came are not those of the accepted root");
    return vd_digest_equal(&state, &b->last_state)
               ? RO_OK
               : RO_FAIL(err, RO_EDIFFER, "the state that came is not that of the accepted root");
}

/* The outputs of the last step and the last state lie at the end. */
static ro_status write_tensors(const vd_job *j, const uint8_t *bytes, uint64_t size,
                               const places *p, ro_arena *arena, ro_err *err)
{
    const ro_graph *g = j->phases[vd_job_locate(j, j->steps - 1).phase].graph;
    const uint32_t n = g->output_count, all = n + j->slot_count;
    const uint8_t *at = bytes + size;
    vd_named_tensor *t = ro_arena_alloc(arena, all * sizeof *t);
    if (!t) return RO_FAIL(err, RO_ENOMEM, "no memory for the names of tensors");
    for (uint32_t k = all; k-- > 0;) {
        char name[32];
        snprintf(name, sizeof name, "output%u", k);
        t[k].type = k < n ? *ro_graph_type(g, g->outputs[k]) : j->slots[k - n].type;
        t[k].name = k < n ? ro_arena_string(arena, name, strlen(name)) : j->slots[k - n].name;
        at -= ro_type_bytes(&t[k].type);
        t[k].bytes = at;
        if (!t[k].name) return RO_FAIL(err, RO_ENOMEM, "no memory for the names of tensors");
    }
    if (n) RO_TRY(vd_safetensors_write(p->outputs, t, n, err));
    return vd_safetensors_write(p->state, t + n, j->slot_count, err);
}

static ro_status publish(int fd, const places *p, ro_err *err)
{
    int dir;
    const char *base;
    RO_TRY(vd_fs_folder_of(p->result, &dir, &base, err));
    ro_status st = vd_fs_publish(fd, dir, ".result.partial", base, p->result, err);
    close(dir);
    return st;
}

static ro_status take(const vd_job *j, const vd_trace_body *b,
                      const places *p, int fd, ro_arena *arena, ro_err *err)
{
    const uint64_t size = vd_result_bytes(j);
    ro_pool *pool = NULL;
    RO_TRY(ro_pool_new(0, &pool, err));
    uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    ro_status st = bytes == MAP_FAILED ? vd_fs_failed("read", p->partial, err) : RO_OK;
    if (!st) st = check(j, b, bytes, pool, err);
    if (st == RO_EDIFFER) (void)unlink(p->partial); /* it would be refused again */
    if (!st) st = write_tensors(j, bytes, size, p, arena, err);
    if (!st) st = publish(fd, p, err);
    if (bytes != MAP_FAILED) (void)munmap(bytes, size);
    ro_pool_free(pool);
    return st;
}

static void print_done(const cli_args *a, const sv_task_told *t, const places *p, uint64_t size)
{
    char hex[65], text[32];
    vd_digest_hex(&t->root, hex);
    if (!cli_value(a, "--json")) {
        printf("result   %s in %s\nroot     %s\n         its outputs and last state are those of "
               "the accepted root\n", cli_bytes(size, text), p->folder, hex);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "schema", "verde-fetch/1");
    cli_json_digest(o, "task", &t->id);
    cJSON_AddStringToObject(o, "root", hex);
    cli_json_u64(o, "bytes", size);
    cJSON_AddStringToObject(o, "folder", p->folder);
    cli_json(o);
}

static ro_status fetch(const cli_args *a, sv_remote *r, ro_arena *arena, ro_err *err)
{
    vd_digest id;
    sv_task_told t;
    vd_job *j = NULL;
    vd_trace_body body;
    places p;
    RO_TRY(vd_digest_parse(a->words[0], &id, err));
    RO_TRY(sv_get_task(r, &id, NULL, &t, NULL, err));
    RO_TRY(sv_get_job(r, &t, arena, &j, err));
    RO_TRY(sv_get_body(r, &t, j, &body, err));
    const uint64_t size = vd_result_bytes(j);
    if (size > INT64_MAX) return RO_FAIL(err, RO_ELIMIT, "the result does not fit a file");
    RO_TRY(make_places(cli_value(a, "--out"), &p, err));
    int fd = open(p.partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return vd_fs_failed("create", p.partial, err);
    ro_status st = download(a, r, &t, size, fd, err);
    if (!st) st = take(j, &body, &p, fd, arena, err);
    close(fd);
    if (!st) print_done(a, &t, &p, size);
    return st;
}

static ro_status run(const cli_args *a, int *exit_code, ro_err *err)
{
    sv_remote *r = NULL;
    (void)exit_code;
    if (!cli_value(a, "--out")) return RO_FAIL(err, RO_EUSAGE, "verde-fetch needs --out DIR");
    RO_TRY(sv_command_server(a, 1, &r, err));
    ro_arena *arena = ro_arena_new();
    ro_status st = arena ? fetch(a, r, arena, err)
                         : RO_FAIL(err, RO_ENOMEM, "no memory to fetch a result");
    ro_arena_free(arena);
    sv_remote_close(r);
    return st;
}

int main(int argc, char **argv)
{
    cli_option options[] = {{.name = "--server", .has_value = 1},
                            {.name = "--token", .has_value = 1},
                            {.name = "--out", .has_value = 1},
                            {.name = "--progress", .has_value = 1},
                            {.name = "--json"},
                            {0}};
    const sv_program p = {"verde-fetch", usage_text, options, 1, 1, run};
    sv_catch_signals();
    return sv_program_main(&p, argc, argv);
}
