/* api_files.c - data up and down: a job's blobs, a task's result.
 *
 * What this file decides: where a file that is coming lies, when it gets its final name, who may
 * send and who may fetch.
 *
 * Invariants
 *   1. Names are made from digests and keys that were decoded; nothing of a request is in a path.
 *   2. A file has its final name only when all of it is there, hashes to what it is called and is
 *      on the disk. What does not hash is thrown away.
 *   3. One upload writes a file at a time. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../verde/files.h"
#include "api.h"
#include "work.h"

#define BLOB_HEADER 128u /* docs/FORMATS.md, "The store" */
#define PATH_ROOM 224u

/* An upload under way. */
typedef struct sv_upload {
    sv_mine mine;
    struct sv_upload *next;
    char partial[PATH_ROOM], final[PATH_ROOM];
    int fd, is_result;
    vd_digest task, digest, key, root; /* key, root: of a result */
    ro_type type;                      /* of a blob */
    uint64_t size, begin;              /* of the whole; where this part begins */
} upload;

/* ---- names ------------------------------------------------------------------------------ */

static void blob_names(const vd_digest *d, char partial[PATH_ROOM], char final[PATH_ROOM])
{
    char hex[65];
    vd_digest_hex(d, hex);
    (void)snprintf(partial, PATH_ROOM, "spill/%s.part", hex);
    (void)snprintf(final, PATH_ROOM, "store/tensors/%.2s/%s", hex, hex);
}

static void result_names(const vd_digest *task, const vd_digest *key, char partial[PATH_ROOM],
                         char final[PATH_ROOM])
{
    char hex[65], who[65];
    vd_digest_hex(task, hex);
    vd_digest_hex(key, who);
    (void)snprintf(partial, PATH_ROOM, "results/%s.%s.part", hex, who);
    (void)snprintf(final, PATH_ROOM, "results/%s", hex);
}

static int file_size(const sv_api *a, const char *name, uint64_t *size)
{
    struct stat st;
    *size = 0;
    if (fstatat(a->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) return 0;
    *size = (uint64_t)st.st_size;
    return 1;
}

/* ---- an upload --------------------------------------------------------------------------- */

static void upload_over(sv_api *a, sv_exchange *x)
{
    upload *u = x->mine, **at = &a->uploads;
    while (*at != u) at = &(*at)->next;
    *at = u->next;
    if (u->fd >= 0) close(u->fd);
    ro_free(u);
    x->mine = NULL;
}

static int parse_part(const char *text, uint64_t *from, uint64_t *to, uint64_t *size)
{
    char n[3][24];
    if (sscanf(text, "bytes %20[0-9]-%20[0-9]/%20[0-9]", n[0], n[1], n[2]) != 3) return 0;
    return strlen(text) == 8 + strlen(n[0]) + strlen(n[1]) + strlen(n[2]) &&
           sv_parse_u64(n[0], from) && sv_parse_u64(n[1], to) && sv_parse_u64(n[2], size) &&
           *from <= *to && *to < *size;
}

static void told_have(sv_exchange *x, uint64_t received)
{
    sv_put(&x->reply.body, "{\"received\": \"%llu\"}\n", (unsigned long long)received);
    x->answered = 1;
}

/* Where the body goes: behind what is there already, or from the beginning. */
static void begin_upload(sv_api *a, sv_exchange *x, upload *u)
{
    uint64_t from = 0, to = u->size - 1, size = u->size, there;
    const char *range = x->request.content_range;
    for (const upload *o = a->uploads; o; o = o->next)
        if (strcmp(o->partial, u->partial) == 0) {
            sv_problem(&x->reply, 409, "conflict", "another request is sending this file");
            return;
        }
    if (*range && (!parse_part(range, &from, &to, &size) || size != u->size)) {
        sv_problem(&x->reply, 416, "range", "Content-Range is \"%s\"; the file has %llu bytes",
                   range, (unsigned long long)u->size);
        return;
    }
    (void)file_size(a, u->partial, &there);
    if (from && from != there) {
        sv_problem(&x->reply, 409, "conflict", "the part begins at %llu; %llu bytes are there",
                   (unsigned long long)from, (unsigned long long)there);
        return;
    }
    upload *kept = ro_alloc(sizeof *kept);
    u->fd = openat(a->folder, u->partial, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (!kept || u->fd < 0 || ftruncate(u->fd, (off_t)from) < 0) {
        if (u->fd >= 0) close(u->fd);
        ro_free(kept);
        sv_problem(&x->reply, 503, "busy", "the file cannot be kept now");
        return;
    }
    u->begin = from;
    *kept = *u;
    kept->mine.over = upload_over;
    kept->next = a->uploads;
    a->uploads = kept;
    x->mine = kept;
    x->sink = kept->fd;
    x->sink_at = from;
    x->body_max = to - from + 1;
}

/* ---- blobs up --------------------------------------------------------------------------- */

static void head_blob(sv_api *a, sv_exchange *x)
{
    upload u;
    uint32_t n;
    memset(&u, 0, sizeof u);
    sv_view *v = sv_engine_view(a->engine, &x->request.id);
    if (!v) {
        sv_problem(&x->reply, 404, "not-found", "there is no such task that is open");
        return;
    }
    const sv_blob *list = sv_view_blobs(v, &n);
    uint32_t k = 0;
    while (k < n && !vd_digest_equal(&list[k].digest, &x->request.other)) k++;
    if (!x->is_operator && !vd_digest_equal(&x->who, &v->client)) {
        sv_problem(&x->reply, 403, "forbidden", "the task is another account's");
    } else if (k == n) {
        sv_problem(&x->reply, 404, "not-found", "the task's job does not name this blob");
    } else if (vd_store_has(a->store, &x->request.other)) {
        told_have(x, list[k].bytes);
    } else {
        u.task = x->request.id;
        u.digest = x->request.other;
        u.type = list[k].type;
        u.size = list[k].bytes;
        blob_names(&u.digest, u.partial, u.final);
        begin_upload(a, x, &u);
    }
    sv_engine_release(a->engine, v);
}

/* Whether the file is the header of the type and bytes that hash to the digest. A store's header is
 * the tensor's without its count of chunks and their root. */
static int blob_holds(const upload *u, const uint8_t *bytes)
{
    static const uint8_t no_root[VD_DIGEST];
    uint8_t header[VD_TENSOR_HEADER_MAX > BLOB_HEADER ? VD_TENSOR_HEADER_MAX : BLOB_HEADER] = {0};
    vd_digest d;
    const size_t n = vd_tensor_header_encode(&u->type, no_root, header) - VD_DIGEST - 8;
    memset(header + n, 0, sizeof header - n);
    if (memcmp(header, bytes, BLOB_HEADER) != 0) return 0;
    vd_tensor_digest_canonical(&u->type, bytes + BLOB_HEADER, NULL, d.b);
    return vd_digest_equal(&d, &u->digest);
}

static ro_status publish(sv_api *a, const upload *u, ro_err *err)
{
    char folder[PATH_ROOM];
    const char *slash = strrchr(u->final, '/');
    const size_t n = (size_t)(slash - u->final);
    memcpy(folder, u->final, n);
    folder[n] = 0;
    if (mkdirat(a->folder, folder, 0777) < 0 && errno != EEXIST)
        return vd_fs_failed("create the folder", folder, err);
    return vd_fs_publish(u->fd, a->folder, u->partial, u->final, u->final, err);
}

/* All bytes of a file that is coming, mapped; NULL: no memory. Nobody else writes it. */
static uint8_t *map_file(const upload *u)
{
    void *p = mmap(NULL, (size_t)u->size, PROT_READ, MAP_PRIVATE, u->fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void refuse_upload(sv_api *a, sv_exchange *x, const upload *u)
{
    (void)unlinkat(a->folder, u->partial, 0);
    sv_problem(&x->reply, 422, "digest", "the %llu bytes are not what they are called; they were "
               "thrown away", (unsigned long long)u->size);
}

/* 1: all of it is there. */
static int is_whole(sv_exchange *x, const upload *u)
{
    const uint64_t received = u->begin + x->received;
    if (received == u->size) return 1;
    x->reply.status = 202;
    sv_put(&x->reply.body, "{\"received\": \"%llu\"}\n", (unsigned long long)received);
    return 0;
}

static void stored(sv_exchange *x, const upload *u)
{
    x->reply.status = 201;
    sv_put(&x->reply.body, "{\"received\": \"%llu\"}\n", (unsigned long long)u->size);
}

static void put_blob(sv_api *a, sv_exchange *x)
{
    const upload *u = x->mine;
    ro_err err = {RO_OK, {0}};
    if (is_whole(x, u)) {
        uint8_t *bytes = map_file(u);
        if (!bytes) {
            sv_problem(&x->reply, 503, "busy", "there is no memory to check the file");
        } else if (!blob_holds(u, bytes)) {
            refuse_upload(a, x, u);
        } else {
            ro_status st = publish(a, u, &err);
            if (st) sv_reply_failed(&x->reply, st, &err);
            else stored(x, u);
            if (!st) sv_engine_look_again(a->engine, &u->task);
        }
        if (bytes) (void)munmap(bytes, (size_t)u->size);
    }
    sv_http_done(x);
}

/* ---- results up ------------------------------------------------------------------------- */

static int proof_holds(sv_api *a, const sv_exchange *x, const vd_digest *key, const vd_digest *root)
{
    uint8_t proof[64], said[3 * VD_DIGEST];
    vd_digest d;
    ro_err err = {RO_OK, {0}};
    if (!sv_parse_hex(x->request.proof, proof, sizeof proof)) return 0;
    memcpy(said, sv_engine_referee(a->engine)->b, VD_DIGEST);
    memcpy(said + VD_DIGEST, x->request.id.b, VD_DIGEST);
    memcpy(said + 2 * VD_DIGEST, root->b, VD_DIGEST);
    vd_tagged_hash("verde/1 deliver", said, sizeof said, d.b);
    return vd_check_signature(key->b, d.b, VD_DIGEST, proof, &err) == RO_OK;
}

static int stands_on(const sv_view *v, const vd_digest *key)
{
    for (uint32_t k = 0; k < v->seat_count; k++)
        if (memcmp(v->seats[k].key, key->b, VD_DIGEST) == 0)
            return v->seats[k].has_root && !v->seats[k].lost &&
                   vd_digest_equal(&v->seats[k].root, &v->root);
    return 0;
}

static void head_result(sv_api *a, sv_exchange *x)
{
    upload u;
    memset(&u, 0, sizeof u);
    sv_view *v = sv_engine_view(a->engine, &x->request.id);
    if (!v) {
        sv_problem(&x->reply, 404, "not-found", "there is no such task that is open");
        return;
    }
    if (v->state != RF_T_RESOLVED || !v->has_root) {
        sv_problem(&x->reply, 409, "conflict", "the task is in %s; results are taken in resolved",
                   rf_task_state_name(v->state));
    } else if (!sv_parse_hex(x->request.key, u.key.b, VD_DIGEST) || !stands_on(v, &u.key) ||
               !proof_holds(a, x, &u.key, &v->root)) {
        sv_problem(&x->reply, 403, "forbidden", "Verde-Key and Verde-Proof are not of a member "
                   "that stands on the accepted root");
    } else {
        u.task = x->request.id;
        u.root = v->root;
        u.size = v->result_bytes;
        u.is_result = 1;
        result_names(&u.task, &u.key, u.partial, u.final);
        /* A file that has its name already was not booked, or the task were in final: the service
         * fell in between. It is sent again. */
        begin_upload(a, x, &u);
    }
    sv_engine_release(a->engine, v);
}

static ro_status result_holds(sv_api *a, const upload *u, const uint8_t *bytes, ro_arena *arena,
                              int *holds, ro_err *err)
{
    vd_job *job;
    vd_trace_body body;
    vd_digest outputs, state;
    RO_TRY(sv_read_job(a->clerk_reader, &u->task, arena, &job, err));
    RO_TRY(sv_read_body(a->clerk_reader, &u->task, &u->root, &body, err));
    RO_ASSERT(vd_result_bytes(job) == u->size);
    RO_TRY(vd_result_digests(job, bytes, NULL, &outputs, &state, err));
    *holds = vd_digest_equal(&outputs, &body.outputs) && vd_digest_equal(&state, &body.last_state);
    return RO_OK;
}

/* In the engine's thread: the result has its name. */
static void deliver(sv_api *a, sv_exchange *x)
{
    const upload *u = x->mine;
    rf_event e;
    ro_err err = {RO_OK, {0}};
    rf_task *t = sv_tasks_find(sv_engine_tasks(a->engine), &u->task);
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_DELIVERED;
    e.member = t ? rf_task_find(t, u->key.b) : RF_NONE;
    ro_status st = t ? sv_tasks_event(sv_engine_tasks(a->engine), &u->task, &e, sv_now_ms(), &err)
                     : RO_FAIL(&err, RO_ENOTFOUND, "the task has ended");
    if (st) sv_reply_failed(&x->reply, st, &err);
    else stored(x, u);
}

static void put_result(sv_api *a, sv_exchange *x)
{
    const upload *u = x->mine;
    int holds = 0;
    ro_err err = {RO_OK, {0}};
    if (!is_whole(x, u)) {
        sv_http_done(x);
        return;
    }
    ro_arena *arena = ro_arena_new();
    uint8_t *bytes = map_file(u);
    ro_status st = arena && bytes ? result_holds(a, u, bytes, arena, &holds, &err)
                                  : RO_FAIL(&err, RO_ENOMEM, "no memory to check the result");
    if (bytes) (void)munmap(bytes, (size_t)u->size);
    ro_arena_free(arena);
    if (st == RO_OK && holds) st = publish(a, u, &err);
    if (st) sv_reply_failed(&x->reply, st, &err);
    else if (!holds) refuse_upload(a, x, u);
    if (st || !holds) sv_http_done(x);
    else sv_api_write(a, x, deliver);
}

/* ---- down ------------------------------------------------------------------------------- */

static void send_file(sv_api *a, sv_exchange *x, const char *name, const char *type)
{
    struct stat st;
    int fd = openat(a->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0) close(fd);
        sv_problem(&x->reply, 404, "not-found", "it is not there yet");
        return;
    }
    x->reply.file = fd;
    x->reply.size = (uint64_t)st.st_size;
    x->reply.type = type;
    x->reply.ranges = 1;
    x->reply.cache = "private, max-age=31536000, immutable";
}

typedef struct { sv_api *api; vd_digest digest; sv_text *t; int found; } blobs;

static void put_blob_row(blobs *b, const vd_digest *d, uint64_t bytes)
{
    char partial[PATH_ROOM], final[PATH_ROOM];
    uint64_t received;
    const int have = vd_store_has(b->api->store, d);
    if (!b->t) {
        b->found |= vd_digest_equal(d, &b->digest);
        return;
    }
    blob_names(d, partial, final);
    (void)file_size(b->api, partial, &received);
    sv_put(b->t, "%s{\"digest\": ", b->found++ ? ",\n " : "");
    sv_put_digest(b->t, d);
    sv_put(b->t, ", \"bytes\": \"%llu\", \"have\": %s, \"received\": \"%llu\"}",
           (unsigned long long)bytes, have ? "true" : "false",
           (unsigned long long)(have ? bytes : received));
}

/* Of a task that has ended. */
static ro_status job_blobs(sv_api *a, const vd_digest *task, blobs *b, ro_err *err)
{
    vd_job *j;
    ro_arena *arena = ro_arena_new();
    ro_status st = arena ? sv_read_job(a->reader, task, arena, &j, err)
                         : RO_FAIL(err, RO_ENOMEM, "no memory to read a job");
    for (uint32_t k = 0; st == RO_OK && k < j->constant_count + j->slot_count; k++) {
        const vd_slot *s = k < j->constant_count ? &j->constants[k]
                                                 : &j->slots[k - j->constant_count];
        put_blob_row(b, &s->digest, BLOB_HEADER + ro_type_bytes(&s->type));
    }
    ro_arena_free(arena);
    return st;
}

/* Of a task that is open or has ended; 0: the reply says why not. */
static int each_blob(sv_api *a, sv_exchange *x, blobs *b)
{
    uint32_t n;
    ro_err err = {RO_OK, {0}};
    ro_status st = RO_OK;
    sv_view *v = sv_engine_view(a->engine, &x->request.id);
    const sv_blob *list = v ? sv_view_blobs(v, &n) : NULL;
    for (uint32_t k = 0; v && k < n; k++) put_blob_row(b, &list[k].digest, list[k].bytes);
    sv_engine_release(a->engine, v);
    if (!v) st = job_blobs(a, &x->request.id, b, &err);
    if (st) sv_reply_failed(&x->reply, st, &err);
    return st == RO_OK;
}

static void get_blobs(sv_api *a, sv_exchange *x)
{
    blobs b = {a, {{0}}, &x->reply.body, 0};
    sv_put(b.t, "{\"blobs\": [");
    if (each_blob(a, x, &b)) sv_put(b.t, "]}\n");
}

static void get_blob(sv_api *a, sv_exchange *x)
{
    char partial[PATH_ROOM], final[PATH_ROOM];
    blobs b = {a, x->request.other, NULL, 0};
    if (!each_blob(a, x, &b)) return;
    if (!b.found) {
        sv_problem(&x->reply, 404, "not-found", "the task's job does not name this blob");
        return;
    }
    blob_names(&x->request.other, partial, final);
    send_file(a, x, final, "application/octet-stream");
    sv_etag(&x->reply, &x->request.other);
}

static ro_status own_task(void *ctx, const sv_listed *t, ro_err *err)
{
    sv_exchange *x = ctx;
    (void)err;
    const int over = strcmp(t->status, "settled") == 0 || strcmp(t->status, "final") == 0;
    if (!x->is_operator && !vd_digest_equal(&t->client, &x->who))
        sv_problem(&x->reply, 403, "forbidden", "the task is another account's");
    else if (!over)
        sv_problem(&x->reply, 409, "conflict", "the task is in %s; its result is given out in "
                   "final and settled", t->status);
    return RO_OK;
}

static void get_result_bytes(sv_api *a, sv_exchange *x)
{
    char partial[PATH_ROOM], final[PATH_ROOM];
    ro_err err = {RO_OK, {0}};
    ro_status st = sv_catalog_task(a->reader, &x->request.id, own_task, x, &err);
    if (st) sv_reply_failed(&x->reply, st, &err);
    if (x->reply.status >= 400) return;
    result_names(&x->request.id, &x->request.id, partial, final);
    send_file(a, x, final, "application/octet-stream");
    sv_etag(&x->reply, &x->request.id);
}

static void get_result(sv_api *a, sv_exchange *x)
{
    char partial[PATH_ROOM], final[PATH_ROOM], text[SV_URL_MAX + 1];
    vd_digest key = {{0}};
    uint64_t received = 0, size;
    sv_text *t = &x->reply.body;
    sv_view *v = sv_engine_view(a->engine, &x->request.id);
    if (sv_query(&x->request, "key", text) && !sv_parse_hex(text, key.b, VD_DIGEST)) {
        sv_problem(&x->reply, 400, "parameter", "key is not 64 hexadecimal digits");
        sv_engine_release(a->engine, v);
        return;
    }
    result_names(&x->request.id, &key, partial, final);
    /* while the task waits for it, a file that is there was not booked */
    const int have = file_size(a, final, &size) && !(v && v->state == RF_T_RESOLVED);
    (void)file_size(a, partial, &received);
    sv_put(t, "{\"root\": ");
    if (v && v->has_root) sv_put_digest(t, &v->root);
    else sv_put(t, "null");
    if (v) sv_put(t, ", \"bytes\": \"%llu\"", (unsigned long long)v->result_bytes);
    else if (have) sv_put(t, ", \"bytes\": \"%llu\"", (unsigned long long)size);
    else sv_put(t, ", \"bytes\": null");
    sv_put(t, ", \"have\": %s, \"received\": \"%llu\"}\n", have ? "true" : "false",
           (unsigned long long)(have ? size : received));
    if (!v && !have) sv_problem(&x->reply, 404, "not-found", "there is no such task, or it ended "
                                "without a result");
    sv_engine_release(a->engine, v);
}

#define BYTES "application/octet-stream"
const sv_route sv_routes_files[] = {
    {SV_GET, "/v1/tasks/{id}/blobs", get_blobs, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/blobs/{other}", get_blob, 0, 0, NULL, NULL, NULL},
    {SV_PUT, "/v1/tasks/{id}/blobs/{other}", put_blob, SV_HEAVY | SV_FILE | SV_CLIENT, 0, BYTES,
     head_blob, NULL},
    {SV_GET, "/v1/tasks/{id}/result", get_result, 0, 0, NULL, NULL, NULL},
    {SV_PUT, "/v1/tasks/{id}/result", put_result, SV_HEAVY | SV_FILE, 0, BYTES, head_result, NULL},
    {SV_GET, "/v1/tasks/{id}/result/bytes", get_result_bytes, SV_CLIENT, 0, NULL, NULL, NULL},
    {0, NULL, NULL, 0, 0, NULL, NULL, NULL}};
