/* remote.c - requests of the API, and what is believed of their replies. */
#define _GNU_SOURCE
#include "remote.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../referee/message.h"
#include "../verde/files.h"

#define PART ((uint64_t)8 << 20) /* of a file that goes up: what is sent again at most */

/* ---- JSON -------------------------------------------------------------------------------- */

ro_status sv_random_hex(char hex[65], ro_err *err)
{
    vd_digest d;
    if (getrandom(d.b, sizeof d.b, 0) != (ssize_t)sizeof d.b)
        return RO_FAIL(err, RO_EIO, "the system gives no random numbers");
    vd_digest_hex(&d, hex);
    return RO_OK;
}

/* The API's own text is ASCII. A tree is walked without recursion: who sent it chose its depth. */
static void make_plain(cJSON *root)
{
    cJSON *at = root->child;
    uint32_t depth = 0;
    cJSON *stack[1024]; /* cJSON refuses deeper ones (CJSON_NESTING_LIMIT) */
    while (at || depth) {
        if (!at) {
            at = stack[--depth]->next;
            continue;
        }
        for (char *c = at->valuestring; c && *c; c++)
            if (*c < ' ' || *c > '~') *c = '?';
        if (at->child && depth < sizeof stack / sizeof *stack) {
            stack[depth++] = at;
            at = at->child;
        } else {
            at = at->next;
        }
    }
}

cJSON *sv_parse_reply(const char *text, size_t size)
{
    const char *end = NULL;
    cJSON *o = cJSON_ParseWithLengthOpts(text ? text : "", size + 1, &end, 1);
    if (!cJSON_IsObject(o)) {
        cJSON_Delete(o);
        return NULL;
    }
    make_plain(o);
    return o;
}

static ro_status ask_json(sv_remote *r, const sv_ask *a, cJSON **out, ro_err *err)
{
    sv_said said;
    *out = NULL;
    ro_status st = sv_remote_ask(r, a, &said, err);
    if (!st) st = sv_said_status(&said, a->path + (strncmp(a->path, "/v1/", 4) ? 0 : 4), err);
    if (!st) {
        *out = sv_parse_reply(said.body, said.size);
        if (!*out)
            st = RO_FAIL(err, RO_EFORMAT, "%.60s: the reply of %zu bytes is no JSON object",
                         a->path, said.size);
    }
    sv_said_free(&said);
    return st;
}

ro_status sv_get_json(sv_remote *r, const char *path, cJSON **out, ro_err *err)
{
    sv_ask a = {.method = "GET", .path = path, .limit = SV_JSON_MAX, .patience_s = SV_PATIENCE_S};
    return ask_json(r, &a, out, err);
}

ro_status sv_post_json(sv_remote *r, const char *path, cJSON *body, cJSON **out, ro_err *err)
{
    char hex[65], key[96];
    char *text = body ? cJSON_PrintUnformatted(body) : NULL;
    sv_ask a = {.method = "POST", .path = path, .type = "application/json", .body = text,
                .size = text ? strlen(text) : 0, .limit = SV_JSON_MAX,
                .patience_s = SV_PATIENCE_S};
    *out = NULL;
    ro_status st = body && !text ? RO_FAIL(err, RO_ENOMEM, "no memory for a request") : RO_OK;
    if (!st) st = sv_random_hex(hex, err);
    if (!st) {
        snprintf(key, sizeof key, "Idempotency-Key: %s", hex);
        a.headers[0] = key;
        st = ask_json(r, &a, out, err);
    }
    cJSON_free(text);
    cJSON_Delete(body);
    return st;
}

static const cJSON *field(const cJSON *o, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(o, name);
}

static ro_status bad_field(const char *name, ro_err *err)
{
    return RO_FAIL(err, RO_EFORMAT, "the server's reply has no proper \"%.40s\"", name);
}

ro_status sv_field_text(const cJSON *o, const char *name, const char **out, ro_err *err)
{
    const char *s = cJSON_GetStringValue(field(o, name));
    if (!s) return bad_field(name, err);
    *out = s;
    return RO_OK;
}

static int digits(const char *s, uint64_t *out)
{
    uint64_t v = 0;
    if (!*s) return 0;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || v > (UINT64_MAX - (uint64_t)(*s - '0')) / 10) return 0;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *out = v;
    return 1;
}

ro_status sv_field_u64(const cJSON *o, const char *name, uint64_t *out, ro_err *err)
{
    const cJSON *f = field(o, name);
    const char *s = cJSON_GetStringValue(f);
    double x = cJSON_IsNumber(f) ? f->valuedouble : -1;
    if (s && digits(s, out)) return RO_OK;
    if (s || !(x >= 0 && x < 9007199254740992.0) || (double)(uint64_t)x != x)
        return bad_field(name, err);
    *out = (uint64_t)x;
    return RO_OK;
}

ro_status sv_field_i64(const cJSON *o, const char *name, int64_t *out, ro_err *err)
{
    const char *s = cJSON_GetStringValue(field(o, name));
    uint64_t v;
    int minus = s && *s == '-';
    if (!s || !digits(s + minus, &v) || v > (uint64_t)INT64_MAX) return bad_field(name, err);
    *out = minus ? -(int64_t)v : (int64_t)v;
    return RO_OK;
}

ro_status sv_field_u32(const cJSON *o, const char *name, uint32_t *out, ro_err *err)
{
    uint64_t v;
    RO_TRY(sv_field_u64(o, name, &v, err));
    if (v > UINT32_MAX) return bad_field(name, err);
    *out = (uint32_t)v;
    return RO_OK;
}

ro_status sv_field_digest(const cJSON *o, const char *name, vd_digest *out, int *given, ro_err *err)
{
    const cJSON *f = field(o, name);
    const char *s = cJSON_GetStringValue(f);
    ro_err why = {RO_OK, {0}};
    if (given) *given = s != NULL;
    if (given && cJSON_IsNull(f)) return RO_OK;
    if (!s || vd_digest_parse(s, out, &why)) return bad_field(name, err);
    return RO_OK;
}

ro_status sv_field_list(const cJSON *o, const char *name, const cJSON **out, ro_err *err)
{
    const cJSON *f = field(o, name);
    if (!cJSON_IsArray(f)) return bad_field(name, err);
    *out = f;
    return RO_OK;
}

int sv_field_true(const cJSON *o, const char *name) { return cJSON_IsTrue(field(o, name)); }

/* ---- tasks ------------------------------------------------------------------------------- */

/* A short word of the API. */
static ro_status field_word(const cJSON *o, const char *name, char *out, size_t room, ro_err *err)
{
    const char *s = NULL;
    RO_TRY(sv_field_text(o, name, &s, err));
    if (strlen(s) >= room) return bad_field(name, err);
    memcpy(out, s, strlen(s) + 1);
    return RO_OK;
}

static ro_status read_member(const cJSON *m, sv_member_told *me, ro_err *err)
{
    char role[16];
    memset(me, 0, sizeof *me);
    RO_TRY(field_word(m, "role", role, sizeof role, err));
    RO_TRY(field_word(m, "stage", me->stage, sizeof me->stage, err));
    RO_TRY(field_word(m, "lost", me->lost, sizeof me->lost, err));
    me->is_member = 1;
    me->is_auditor = strcmp(role, "auditor") == 0;
    me->assigned = sv_field_true(m, "assigned");
    me->stands = sv_field_true(m, "stands");
    me->delivered = sv_field_true(m, "delivered");
    return RO_OK;
}

ro_status sv_read_task(const cJSON *o, const uint8_t key[32], sv_task_told *t, ro_err *err)
{
    const cJSON *job = field(o, "job"), *members = field(o, "members"), *m;
    memset(t, 0, sizeof *t);
    RO_TRY(sv_field_digest(o, "id", &t->id, NULL, err));
    RO_TRY(field_word(o, "state", t->state, sizeof t->state, err));
    if (!cJSON_IsNull(field(o, "end"))) RO_TRY(field_word(o, "end", t->end, sizeof t->end, err));
    if (!cJSON_IsNull(field(o, "deadline_ms")))
        RO_TRY(sv_field_u64(o, "deadline_ms", &t->deadline_ms, err));
    RO_TRY(sv_field_digest(job, "digest", &t->job, NULL, err));
    RO_TRY(sv_field_u64(job, "bytes", &t->job_bytes, err));
    RO_TRY(sv_field_u64(job, "output_bytes", &t->output_bytes, err));
    RO_TRY(sv_field_u64(job, "steps", &t->steps, err));
    RO_TRY(sv_field_u64(job, "flops", &t->flops, err));
    RO_TRY(sv_field_digest(o, "root", &t->root, &t->has_root, err));
    t->data_ready = sv_field_true(o, "data_ready");
    RO_TRY(sv_field_u32(o, "disputes", &t->disputes, err));
    if (!members) return RO_OK; /* of a list: told in brief */
    RO_TRY(sv_field_digest(o, "terms", &t->terms, NULL, err));
    cJSON_ArrayForEach(m, members) {
        vd_digest of;
        RO_TRY(sv_field_digest(m, "key", &of, NULL, err));
        t->members++;
        if (key && memcmp(of.b, key, 32) == 0) RO_TRY(read_member(m, &t->me, err));
    }
    return RO_OK;
}

ro_status sv_get_task(sv_remote *r, const vd_digest *id, const uint8_t key[32], sv_task_told *t,
                      cJSON **doc, ro_err *err)
{
    char path[SV_PATH_MAX], hex[65];
    cJSON *o = NULL;
    vd_digest_hex(id, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s", hex);
    if (doc) *doc = NULL;
    RO_TRY(sv_get_json(r, path, &o, err));
    ro_status st = sv_read_task(o, key, t, err);
    if (!st && !vd_digest_equal(&t->id, id))
        st = RO_FAIL(err, RO_EFORMAT, "the server answered with another task");
    if (st || !doc) cJSON_Delete(o);
    else *doc = o;
    return st;
}

int sv_has_ended(const sv_task_told *t)
{
    return strcmp(t->state, "settled") == 0 || strcmp(t->state, "refunded") == 0;
}

ro_status sv_get_bytes(sv_remote *r, const char *path, uint64_t limit, uint8_t **bytes,
                       size_t *size, ro_err *err)
{
    sv_said said;
    sv_ask a = {.method = "GET", .path = path, .limit = limit, .patience_s = SV_PATIENCE_S};
    ro_status st = sv_remote_ask(r, &a, &said, err);
    if (!st) st = sv_said_status(&said, path + (strncmp(path, "/v1/", 4) ? 0 : 4), err);
    if (st) {
        sv_said_free(&said);
        return st;
    }
    *bytes = (uint8_t *)said.body;
    *size = said.size;
    return RO_OK;
}

ro_status sv_get_job(sv_remote *r, const sv_task_told *t, ro_arena *arena, vd_job **job,
                     ro_err *err)
{
    char path[SV_PATH_MAX], hex[65];
    uint8_t *bytes = NULL;
    size_t size = 0;
    vd_digest_hex(&t->id, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s/job", hex);
    RO_TRY(sv_get_bytes(r, path, VD_JOB_BYTES_MAX, &bytes, &size, err));
    ro_status st = vd_job_decode(bytes, size, arena, job, err);
    ro_free(bytes);
    if (!st && !vd_digest_equal(&(*job)->digest, &t->job))
        st = RO_FAIL(err, RO_EFORMAT, "the job that came is not the task's: its digest differs");
    return st;
}

/* Base64 as RFC 4648 has it; -1: it is none, or longer than `room`. */
static int64_t base64(const char *s, uint8_t *out, size_t room)
{
    size_t n = strlen(s), size = 0, pad = 0;
    uint32_t bits = 0;
    if (n % 4) return -1;
    for (size_t k = 0; k < n; k++) {
        const char c = s[k];
        int v = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '+'             ? 62
                : c == '/'             ? 63
                : c == '=' && k + 2 >= n ? 0 : -1;
        if (v < 0 || (pad && c != '=')) return -1;
        pad += c == '=';
        bits = bits << 6 | (uint32_t)v;
        if (k % 4 != 3) continue;
        for (size_t b = 0; b < 3 - pad; b++) {
            if (size == room) return -1;
            out[size++] = (uint8_t)(bits >> (16 - 8 * b));
        }
        bits = 0;
    }
    return (int64_t)size;
}

ro_status sv_get_reveals(sv_remote *r, const vd_digest *task,
                         void (*each)(void *ctx, const vd_digest *root, const uint8_t *body),
                         void *ctx, ro_err *err)
{
    char path[SV_PATH_MAX], hex[65];
    cJSON *o = NULL;
    const cJSON *list = NULL, *e;
    vd_digest_hex(task, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s/reveals", hex);
    RO_TRY(sv_get_json(r, path, &o, err));
    ro_status st = sv_field_list(o, "reveals", &list, err);
    if (!st) {
        cJSON_ArrayForEach(e, list) {
            uint8_t bytes[RF_MESSAGE_MAX];
            const char *text = cJSON_GetStringValue(field(e, "message"));
            int64_t n = text ? base64(text, bytes, sizeof bytes) : -1;
            rf_message m;
            ro_err why = {RO_OK, {0}};
            if (n < 0 || rf_message_open(bytes, (size_t)n, &m, &why) || m.type != RF_M_REVEAL ||
                !vd_digest_equal(&m.task, task)) {
                st = RO_FAIL(err, RO_EFORMAT, "a reveal that the server tells is none: %.150s",
                             why.msg);
                break;
            }
            each(ctx, &m.claim.reveal.root, m.claim.reveal.body);
        }
    }
    cJSON_Delete(o);
    return st;
}

typedef struct { const vd_digest *root; uint8_t body[VD_TRACE_BODY_BYTES]; int found; } accepted;

static void look_for(void *ctx, const vd_digest *root, const uint8_t *body)
{
    accepted *a = ctx;
    if (!vd_digest_equal(root, a->root)) return;
    memcpy(a->body, body, sizeof a->body);
    a->found = 1;
}

ro_status sv_get_body(sv_remote *r, const sv_task_told *t, const vd_job *j, vd_trace_body *b,
                      ro_err *err)
{
    accepted a = {&t->root, {0}, 0};
    if (!t->has_root)
        return RO_FAIL(err, RO_EDIFFER, "the task (%.15s) has no accepted root", t->state);
    RO_TRY(sv_get_reveals(r, &t->id, look_for, &a, err));
    if (!a.found)
        return RO_FAIL(err, RO_EFORMAT, "nobody revealed the root that the server calls accepted");
    RO_TRY(vd_trace_body_decode(a.body, b, err));
    vd_digest root = vd_trace_root(b);
    if (!vd_digest_equal(&root, &t->root) || !vd_digest_equal(&b->job, &j->digest))
        return RO_FAIL(err, RO_EFORMAT, "the accepted root's body is not its own, or not of the "
                                        "task's job");
    return RO_OK;
}

/* ---- files ------------------------------------------------------------------------------- */

/* How much of it the server has. */
static ro_status ask_where(sv_remote *r, const char *where, const vd_digest *digest, uint64_t *have,
                           int *whole, ro_err *err)
{
    cJSON *o = NULL;
    const cJSON *list = NULL, *e, *found = NULL;
    RO_TRY(sv_get_json(r, where, &o, err));
    ro_status st = digest ? sv_field_list(o, "blobs", &list, err) : RO_OK;
    if (!digest) found = o;
    cJSON_ArrayForEach(e, list) {
        vd_digest d;
        if (!st) st = sv_field_digest(e, "digest", &d, NULL, err);
        if (!st && vd_digest_equal(&d, digest)) found = e;
    }
    if (!st && !found) st = RO_FAIL(err, RO_EFORMAT, "the server's list lacks what it asked for");
    if (!st) st = sv_field_u64(found, "received", have, err);
    if (!st) *whole = sv_field_true(found, "have");
    cJSON_Delete(o);
    return st;
}

static ro_status send_part(sv_remote *r, const char *path, int fd, uint64_t at, uint64_t n,
                           uint64_t size, const char *const headers[2], const sv_transfer *t,
                           unsigned *status, ro_err *err)
{
    sv_said said;
    char range[96];
    sv_ask a = {.method = "PUT", .path = path, .type = "application/octet-stream", .file = fd,
                .at = at, .size = n, .limit = SV_JSON_MAX, .patience_s = 0, .moved = t->moved,
                .ctx = t->ctx};
    snprintf(range, sizeof range, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, at,
             at + n - 1, size);
    a.headers[0] = range;
    for (int k = 0; headers && k < 2; k++) a.headers[1 + k] = headers[k];
    ro_status st = sv_remote_ask(r, &a, &said, err);
    *status = st ? 0 : said.status;
    if (!st) st = sv_said_status(&said, "upload", err);
    sv_said_free(&said);
    return st;
}

ro_status sv_upload(sv_remote *r, const char *path, const char *where, const vd_digest *digest,
                    int fd, uint64_t size, const char *const headers[2], const sv_transfer *t,
                    ro_err *err)
{
    uint64_t have = 0, least = 0;
    int whole = 0;
    unsigned status = 0;
    double end = vd_seconds() + t->patience_s;
    RO_TRY(ask_where(r, where, digest, &have, &whole, err));
    while (!whole) {
        ro_err why = {RO_OK, {0}};
        if (have > size)
            return RO_FAIL(err, RO_EFORMAT,
                           "the server has %" PRIu64 " bytes of a file of %" PRIu64, have, size);
        uint64_t at = have < size ? have : 0; /* all bytes and not whole: begun anew */
        uint64_t n = size - at < PART ? size - at : PART;
        ro_status st = send_part(r, path, fd, at, n, size, headers, t, &status, &why);
        int again = st == RO_EIO || status == 409 || status == 429 || status == 503;
        if (st && (!again || vd_seconds() > end)) return RO_FAIL(err, st, "%s", why.msg);
        if (st) usleep(100000);
        RO_TRY(ask_where(r, where, digest, &have, &whole, err));
        if (have > least) end = vd_seconds() + t->patience_s;
        least = have > least ? have : least;
        if (!st && !whole && have <= at)
            return RO_FAIL(err, RO_EIO, "the server took %" PRIu64 " bytes and has lost them", n);
    }
    return RO_OK;
}

ro_status sv_download(sv_remote *r, const char *path, int fd, uint64_t size, const sv_transfer *t,
                      ro_err *err)
{
    uint64_t have = 0;
    double end = vd_seconds() + t->patience_s;
    RO_TRY(vd_fs_size(fd, &have, "a download", err));
    if (have > size) {
        RO_TRY(vd_fs_truncate(fd, 0, "a download", err));
        have = 0;
    }
    while (have < size) {
        sv_said said;
        char range[64];
        ro_err why = {RO_OK, {0}};
        sv_ask a = {.method = "GET", .path = path, .to = fd, .to_at = have, .to_max = size - have,
                    .limit = 65536, .patience_s = 0, .moved = t->moved, .ctx = t->ctx};
        snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-", have);
        if (have) a.headers[0] = range;
        ro_status st = sv_remote_ask(r, &a, &said, &why);
        unsigned status = said.status;
        if (!st) st = sv_said_status(&said, "download", &why);
        if (have && status == 200) /* all of it came where a part was asked for */
            st = RO_FAIL(&why, RO_EFORMAT, "the server does not heed Range");
        if (status == 200 || status == 206) have += said.written;
        if (said.written) end = vd_seconds() + t->patience_s;
        sv_said_free(&said);
        int again = st == RO_EIO || status == 429 || status == 503;
        if (st && (!again || vd_seconds() > end)) return RO_FAIL(err, st, "%s", why.msg);
        if (!st && have < size) st = RO_EIO; /* it said that this was all */
        if (st && vd_seconds() > end)
            return RO_FAIL(err, RO_EIO, "%" PRIu64 " of %" PRIu64 " bytes came", have, size);
        if (st) usleep(100000);
    }
    return RO_OK;
}
