/* client.c - the only file that sees libcurl. */
#define _GNU_SOURCE
#include "client.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 5000L
#define STALLED_S 30L    /* so many seconds below STALLED_RATE bytes a second end an exchange */
#define STALLED_RATE 1L
#define SERVER_MAX 256u
#define EVENT_MAX 4096u   /* of a stream of events                                            */
#define PROBLEM_MAX 16384u

struct sv_remote {
    CURL *curl;
    char server[SERVER_MAX + 1], authorization[SV_TOKEN_MAX + 32];
    volatile int *stop;
};

/* One exchange while it is under way. */
typedef struct {
    sv_remote *r;
    const sv_ask *a;
    sv_said *said;
    uint64_t sent, room, told;
    ro_err *err;
    ro_status status;
} exchange;

/* ---- opening ----------------------------------------------------------------------------- */

static int is_server(const char *s)
{
    size_t n = strncmp(s, "http://", 7) == 0 ? 7 : strncmp(s, "https://", 8) == 0 ? 8 : 0;
    if (!n || !s[n] || strlen(s) > SERVER_MAX) return 0;
    for (const char *p = s + n; *p; p++) {
        int end = *p == '/' && !p[1]; /* one at the end does no harm */
        if (!isalnum((unsigned char)*p) && !strchr(".-:[]", *p) && !end) return 0;
    }
    return 1;
}

static int is_token(const char *s)
{
    size_t n = 0;
    for (; s[n]; n++)
        if (s[n] <= ' ' || s[n] > '~') return 0;
    return n > 0 && n <= SV_TOKEN_MAX;
}

ro_status sv_remote_open(const char *server, const char *token, volatile int *stop,
                         sv_remote **out, ro_err *err)
{
    static int begun;
    if (!is_server(server))
        return RO_FAIL(err, RO_EUSAGE,
                       "\"%.80s\" is no server; it is http:// or https:// and HOST[:PORT]", server);
    if (token && !is_token(token))
        return RO_FAIL(err, RO_EUSAGE, "the token is none: it has 1 to %u visible characters",
                       SV_TOKEN_MAX);
    if (!begun && curl_global_init(CURL_GLOBAL_DEFAULT))
        return RO_FAIL(err, RO_ENOMEM, "libcurl cannot be started");
    begun = 1;
    sv_remote *r = ro_alloc_zero(sizeof *r);
    if (r) r->curl = curl_easy_init();
    if (!r || !r->curl) {
        ro_free(r);
        return RO_FAIL(err, RO_ENOMEM, "no memory for a connection");
    }
    snprintf(r->server, sizeof r->server, "%s", server);
    size_t n = strlen(r->server);
    if (r->server[n - 1] == '/') r->server[n - 1] = 0;
    if (token)
        snprintf(r->authorization, sizeof r->authorization, "Authorization: Bearer %s", token);
    r->stop = stop;
    *out = r;
    return RO_OK;
}

void sv_remote_close(sv_remote *r)
{
    if (!r) return;
    curl_easy_cleanup(r->curl);
    ro_free(r);
}

const char *sv_remote_server(const sv_remote *r) { return r->server; }

void sv_said_free(sv_said *s)
{
    ro_free(s->body);
    s->body = NULL;
    s->size = 0;
}

/* ---- one exchange ------------------------------------------------------------------------ */

static void tell(exchange *x, uint64_t bytes)
{
    x->told += bytes;
    if (x->a->moved) x->a->moved(x->a->ctx, bytes);
}

static size_t take_body(char *bytes, size_t one, size_t n, void *ctx)
{
    exchange *x = ctx;
    sv_said *s = x->said;
    long status = 0;
    (void)one;
    curl_easy_getinfo(x->r->curl, CURLINFO_RESPONSE_CODE, &status);
    int to_file = x->a->to_max && (status == 200 || status == 206);
    uint64_t have = to_file ? s->written : s->size;
    uint64_t most = to_file ? x->a->to_max : status >= 400 ? PROBLEM_MAX : x->a->limit;
    if (n > most - (have < most ? have : most)) {
        x->status = RO_FAIL(x->err, RO_ELIMIT, "a reply is longer than the %llu bytes it may have",
                            (unsigned long long)most);
        return 0;
    }
    if (to_file) {
        for (size_t at = 0; at < n;) {
            ssize_t done = pwrite(x->a->to, bytes + at, n - at,
                                  (off_t)(x->a->to_at + s->written + at));
            if (done < 0 && errno == EINTR) continue;
            if (done <= 0) {
                x->status = RO_FAIL(x->err, RO_EIO, "what was received cannot be written: %s",
                                    strerror(errno));
                return 0;
            }
            at += (size_t)done;
        }
        s->written += n;
        tell(x, n);
        return n;
    }
    if (s->size + n + 1 > x->room) {
        uint64_t room = 2 * (s->size + n) + 1024;
        char *more = ro_resize(s->body, x->room, room);
        if (!more) {
            x->status = RO_FAIL(x->err, RO_ENOMEM, "no memory for a reply");
            return 0;
        }
        s->body = more;
        x->room = room;
    }
    memcpy(s->body + s->size, bytes, n);
    s->size += n;
    s->body[s->size] = 0;
    return n;
}

static size_t give_body(char *to, size_t one, size_t room, void *ctx)
{
    exchange *x = ctx;
    uint64_t left = x->a->size - x->sent;
    size_t n = left < one * room ? (size_t)left : one * room;
    if (x->a->body) {
        memcpy(to, (const char *)x->a->body + x->sent, n);
    } else {
        ssize_t got = n ? pread(x->a->file, to, n, (off_t)(x->a->at + x->sent)) : 0;
        if (got < 0 || (n && got == 0)) {
            x->status = RO_FAIL(x->err, RO_EIO, "what is to be sent cannot be read: %s",
                                got ? strerror(errno) : "its file is shorter than it was");
            return CURL_READFUNC_ABORT;
        }
        n = (size_t)got;
    }
    x->sent += n;
    tell(x, n);
    return n;
}

/* The value of header `name` in a line, cut to the room. */
static void header_value(const char *line, size_t n, const char *name, char *out, size_t room)
{
    size_t at = strlen(name), size = 0;
    if (n <= at || strncasecmp(line, name, at) != 0 || line[at] != ':') return;
    for (at++; at < n && line[at] == ' '; at++) {}
    while (at < n && line[at] != '\r' && line[at] != '\n' && size + 1 < room)
        out[size++] = line[at++];
    out[size] = 0;
}

static size_t take_header(char *line, size_t one, size_t n, void *ctx)
{
    exchange *x = ctx;
    char again[16] = "";
    header_value(line, one * n, "Content-Type", x->said->type, sizeof x->said->type);
    header_value(line, one * n, "ETag", x->said->etag, sizeof x->said->etag);
    header_value(line, one * n, "Retry-After", again, sizeof again);
    for (const char *p = again; *p >= '0' && *p <= '9' && x->said->retry_after < 3600; p++)
        x->said->retry_after = x->said->retry_after * 10 + (unsigned)(*p - '0');
    return one * n;
}

static int watch(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const sv_remote *r = ctx;
    (void)a; (void)b; (void)c; (void)d;
    return r->stop && *r->stop;
}

static int is_stopped(const sv_remote *r) { return r->stop && *r->stop; }

static struct curl_slist *make_headers(const sv_remote *r, const sv_ask *a, int *failed)
{
    struct curl_slist *list = NULL, *more;
    char type[128];
    const char *own[3] = {"Expect:", r->authorization, type};
    snprintf(type, sizeof type, "Content-Type: %.100s", a->type ? a->type : "");
    for (int k = 0; k < 7 && !*failed; k++) {
        const char *line = k < 3 ? own[k] : a->headers[k - 3];
        if (k == 1 && !*line) continue;
        if (k == 2 && !a->type) continue;
        if (!line) break;
        more = curl_slist_append(list, line);
        *failed = !more;
        if (more) list = more;
    }
    return list;
}

static void set_common(sv_remote *r, const char *url, struct curl_slist *headers, char *why)
{
    CURL *c = r->curl;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, r);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "verde/" VD_VERSION);
}

static void set_exchange(exchange *x)
{
    CURL *c = x->r->curl;
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, STALLED_RATE);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALLED_S);
    if (strcmp(x->a->method, "GET") == 0) return;
    if (strcmp(x->a->method, "PUT") == 0) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->a->size);
    } else {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->a->size);
    }
    curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(c, CURLOPT_READDATA, x);
}

static ro_status exchange_once(sv_remote *r, const sv_ask *a, sv_said *said, ro_err *err)
{
    char url[SERVER_MAX + 1100], why[CURL_ERROR_SIZE] = "";
    exchange x = {r, a, said, 0, 0, 0, err, RO_OK};
    int failed = 0;
    long status = 0;
    memset(said, 0, sizeof *said);
    if (is_stopped(r)) return RO_FAIL(err, RO_EIO, "stopped");
    snprintf(url, sizeof url, "%s%.1024s", r->server, a->path);
    struct curl_slist *headers = make_headers(r, a, &failed);
    if (failed) {
        curl_slist_free_all(headers);
        return RO_FAIL(err, RO_ENOMEM, "no memory for a request");
    }
    set_common(r, url, headers, why);
    set_exchange(&x);
    CURLcode end = curl_easy_perform(r->curl);
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    said->status = (unsigned)status;
    if (x.status) return x.status;
    if (is_stopped(r)) return RO_FAIL(err, RO_EIO, "stopped");
    /* A server may answer before it has taken all of a body that it does not want. */
    if (end == CURLE_SEND_ERROR && status >= 400) end = CURLE_OK;
    if (end != CURLE_OK)
        return RO_FAIL(err, end == CURLE_OUT_OF_MEMORY ? RO_ENOMEM : RO_EIO,
                       "%s does not answer: %s", r->server,
                       why[0] ? why : curl_easy_strerror(end));
    return RO_OK;
}

static int may_repeat(const sv_ask *a)
{
    if (strcmp(a->method, "POST") != 0) return 1;
    for (int k = 0; k < 4 && a->headers[k]; k++)
        if (strncasecmp(a->headers[k], "Idempotency-Key:", 16) == 0) return 1;
    return 0;
}

static void pause_ms(const sv_remote *r, long ms)
{
    for (; ms > 0 && !is_stopped(r); ms -= 50) {
        struct timespec t = {0, (ms < 50 ? ms : 50) * 1000000L};
        nanosleep(&t, NULL);
    }
}

ro_status sv_remote_ask(sv_remote *r, const sv_ask *a, sv_said *said, ro_err *err)
{
    double end = vd_seconds() + a->patience_s;
    for (long wait = 100;; wait = wait < 4000 ? wait * 2 : 4000) {
        ro_err why = {RO_OK, {0}};
        ro_status st = exchange_once(r, a, said, &why);
        int again = st == RO_EIO || (!st && (said->status == 429 || said->status == 503));
        if (!st && said->retry_after && again && wait < 1000L * said->retry_after)
            wait = said->retry_after < 10 ? 1000L * said->retry_after : 10000;
        /* a part that was written is asked for anew by who knows how long it should be */
        again = again && may_repeat(a) && !said->written && !is_stopped(r) &&
                vd_seconds() + (double)wait / 1000 <= end;
        if (!again) return st ? RO_FAIL(err, st, "%s", why.msg) : RO_OK;
        sv_said_free(said);
        pause_ms(r, wait);
    }
}

/* ---- failures ---------------------------------------------------------------------------- */

static ro_status status_of(unsigned s, const char *type)
{
    if (type && strcmp(type, "/problems/terms") == 0) return RO_EUSAGE;
    switch (s) {
    case 400: case 401: case 403: case 405: case 411: return RO_EUSAGE;
    case 404: return RO_ENOTFOUND;
    case 409: return RO_EDIFFER;
    case 413: case 415: case 416: case 422: return RO_EFORMAT;
    default: return RO_EIO;
    }
}

/* What a stranger's sentence may do to a terminal: nothing. */
static void plain_text(const char *s, char *out, size_t room)
{
    size_t n = 0;
    for (; *s && n + 1 < room; s++) out[n++] = (unsigned char)*s < ' ' || *s == 127 ? '?' : *s;
    out[n] = 0;
}

ro_status sv_said_status(const sv_said *s, const char *about, ro_err *err)
{
    if (s->status < 400 && s->status >= 200) return RO_OK;
    cJSON *o = s->body ? cJSON_Parse(s->body) : NULL;
    const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "detail"));
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "type"));
    char text[200];
    plain_text(detail ? detail : "the server gives no reason", text, sizeof text);
    ro_status st = RO_FAIL(err, status_of(s->status, type), "%.40s: %s (%u)", about, text,
                           s->status);
    cJSON_Delete(o);
    return st;
}

/* ---- streams ----------------------------------------------------------------------------- */

typedef struct {
    sv_remote *r;
    int (*event)(void *ctx, const char *id, const char *data);
    void *ctx;
    char line[EVENT_MAX], id[32], data[EVENT_MAX];
    size_t n;
    int over; /* the caller has heard enough */
} stream;

static void take_line(stream *s)
{
    s->line[s->n] = 0;
    s->n = 0;
    if (s->line[0] == 0) {
        if (s->data[0]) s->over = !s->event(s->ctx, s->id, s->data);
        s->data[0] = 0;
    } else if (strncmp(s->line, "id:", 3) == 0) {
        snprintf(s->id, sizeof s->id, "%.31s", s->line + 3 + (s->line[3] == ' '));
    } else if (strncmp(s->line, "data:", 5) == 0) {
        snprintf(s->data, sizeof s->data, "%s", s->line + 5 + (s->line[5] == ' '));
    }
}

static size_t take_stream(char *bytes, size_t one, size_t n, void *ctx)
{
    stream *s = ctx;
    long status = 0;
    curl_easy_getinfo(s->r->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) return one * n;
    for (size_t k = 0; k < one * n && !s->over; k++) {
        if (bytes[k] == '\n') take_line(s);
        else if (bytes[k] != '\r' && s->n + 1 < sizeof s->line) s->line[s->n++] = bytes[k];
    }
    return s->over ? 0 : one * n;
}

ro_status sv_remote_events(sv_remote *r, const char *path, const char *after, int idle_s,
                           int (*event)(void *ctx, const char *id, const char *data), void *ctx,
                           ro_err *err)
{
    char url[SERVER_MAX + 1100], why[CURL_ERROR_SIZE] = "", last[64];
    sv_ask a = {.method = "GET"};
    int failed = 0;
    long status = 0;
    snprintf(last, sizeof last, "Last-Event-ID: %.31s", after ? after : "");
    if (after) a.headers[0] = last;
    stream *s = ro_alloc_zero(sizeof *s);
    struct curl_slist *headers = s ? make_headers(r, &a, &failed) : NULL;
    if (!s || failed) {
        curl_slist_free_all(headers);
        ro_free(s);
        return RO_FAIL(err, RO_ENOMEM, "no memory for a stream");
    }
    s->r = r;
    s->event = event;
    s->ctx = ctx;
    snprintf(url, sizeof url, "%s%.1024s", r->server, path);
    set_common(r, url, headers, why);
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, take_stream);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(r->curl, CURLOPT_LOW_SPEED_LIMIT, STALLED_RATE);
    curl_easy_setopt(r->curl, CURLOPT_LOW_SPEED_TIME, (long)idle_s);
    CURLcode end = curl_easy_perform(r->curl);
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    int over = s->over;
    ro_free(s);
    if (is_stopped(r)) return RO_FAIL(err, RO_EIO, "stopped");
    if (over || (status == 200 && (end == CURLE_OK || end == CURLE_OPERATION_TIMEDOUT ||
                                   end == CURLE_PARTIAL_FILE || end == CURLE_RECV_ERROR)))
        return RO_OK;
    return RO_FAIL(err, RO_EIO, "%s gives no stream of events: %s (%ld)", r->server,
                   why[0] ? why : "it answered otherwise", status);
}
