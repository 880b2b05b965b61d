/* http.c - the one file that sees libmicrohttpd.
 *
 * What this file decides: the settings of the library, what it lets through that we refuse, and
 * when a connection is cut.
 *
 * Invariants
 *   1. The URL is checked as it came: the library cuts it at %00 and would unescape it.
 *   2. The library's time-out starts again with every byte; the deadline here does not.
 *   3. An exchange that waits is suspended, and resumed once. */
#include "http.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../verde/files.h"

#define NEVER UINT64_MAX
#define CONNECTION_POOL_BYTES (SV_HEAD_MAX + 8192u) /* both heads, as the library keeps them */
#define KEEP_ALIVE_MS 15000u

/* A socket. */
typedef struct connection {
    struct connection *next, **link;
    int fd;
    uint64_t deadline;
} connection;

struct sv_exchange_state {
    sv_http *http;
    struct MHD_Connection *at;
    connection *socket;
    int bad_url, begun, given, sent; /* given: whole was called */
    int over_limit, failed;
    uint8_t *memory;
    size_t room;
    int spill;              /* a file without a name, or -1 */
    uint64_t spilled;       /* bytes that it counts for */
    void *map;
    /* of a stream */
    struct sv_exchange_state *next_stream, **stream_link;
    sv_exchange *x;
    sv_text out;
    size_t out_at;
    uint64_t next;          /* position that it has not seen */
    int idle, due;          /* suspended; a comment is due */
};

struct sv_http {
    sv_http_options o;
    sv_http_calls call;
    struct MHD_Daemon *daemon;
    char *spill;
    uint16_t port;
    pthread_mutex_t lock;   /* connections, streams, changes, counts */
    pthread_cond_t wake;
    pthread_t watch;
    int watching, closing;
    uint32_t waiting;       /* exchanges that are owed an sv_http_done */
    uint64_t spilled;       /* bytes of bodies in files without a name */
    connection *connections;
    struct sv_exchange_state *streams;
    sv_change *changes;     /* a ring */
    uint64_t change_count;  /* ever */
    sv_http_counts counts;
};

static uint64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- deadlines -------------------------------------------------------------------------- */

static void set_deadline(sv_http *h, connection *c, uint64_t ms)
{
    if (!c) return;
    pthread_mutex_lock(&h->lock);
    c->deadline = ms == NEVER ? NEVER : clock_ms() + ms;
    pthread_mutex_unlock(&h->lock);
}

/* What the least rate allows for n bytes. */
static uint64_t time_for(const sv_http *h, uint64_t n) { return n / h->o.rate * 1000 + 1000; }

static void on_connection(void *ctx, struct MHD_Connection *at, void **mine,
                          enum MHD_ConnectionNotificationCode what)
{
    sv_http *h = ctx;
    connection *c = *mine;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *i =
            MHD_get_connection_info(at, MHD_CONNECTION_INFO_CONNECTION_FD);
        c = ro_alloc_zero(sizeof *c);
        *mine = c;
        if (!c || !i) return; /* without a deadline of ours the library's own stands */
        c->fd = i->connect_fd;
        pthread_mutex_lock(&h->lock);
        c->deadline = clock_ms() + h->o.head_ms;
        c->next = h->connections;
        c->link = &h->connections;
        if (c->next) c->next->link = &c->next;
        h->connections = c;
        h->counts.connections++;
        pthread_mutex_unlock(&h->lock);
    } else if (c) {
        pthread_mutex_lock(&h->lock);
        if (c->link) {
            *c->link = c->next;
            if (c->next) c->next->link = c->link;
            h->counts.connections--;
        }
        pthread_mutex_unlock(&h->lock);
        ro_free(c);
        *mine = NULL;
    }
}

static void resume_stream(struct sv_exchange_state *s)
{
    if (!s->idle) return;
    s->idle = 0;
    MHD_resume_connection(s->at);
}

/* Cut who is late. Shutting a socket down wakes the library, which then closes it. */
static void *watch(void *ctx)
{
    sv_http *h = ctx;
    uint64_t comment = clock_ms() + KEEP_ALIVE_MS;
    pthread_mutex_lock(&h->lock);
    while (!h->closing) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 250000000;
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&h->wake, &h->lock, &t);
        const uint64_t now = clock_ms();
        for (connection *c = h->connections; c; c = c->next) {
            if (now < c->deadline) continue;
            (void)shutdown(c->fd, SHUT_RDWR);
            c->deadline = NEVER;
            h->counts.cut++;
        }
        if (now < comment) continue;
        comment = now + KEEP_ALIVE_MS;
        for (struct sv_exchange_state *s = h->streams; s; s = s->next_stream) {
            s->due = 1;
            resume_stream(s);
        }
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* ---- the head --------------------------------------------------------------------------- */

static int url_is_plain(const char *u)
{
    static const char extra[] = "/_-.?=&~";
    size_t n = strlen(u), marks = 0;
    if (*u != '/' || n > SV_URL_MAX) return 0;
    for (size_t k = 0; k < n; k++) {
        const char c = u[k];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr(extra, c)))
            return 0;
        marks += c == '?';
        if (!marks && c == '/' && (u[k + 1] == '/' || u[k + 1] == '.')) return 0;
    }
    return marks <= 1;
}

static void *on_url(void *ctx, const char *url, struct MHD_Connection *at)
{
    sv_http *h = ctx;
    sv_exchange *x = ro_alloc_zero(sizeof *x + sizeof *x->state);
    if (!x) return NULL;
    struct sv_exchange_state *s = x->state = (struct sv_exchange_state *)(void *)(x + 1);
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(at, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    s->http = h;
    s->at = at;
    s->x = x;
    s->socket = i ? i->socket_context : NULL;
    s->spill = x->sink = x->reply.file = -1;
    x->reply.status = 200;
    x->reply.openings = -1;
    x->reply.type = "application/json";
    x->request.path = x->request.query = "";
    s->bad_url = !url_is_plain(url);
    if (s->bad_url) return x;
    memcpy(x->request.url, url, strlen(url) + 1);
    x->request.path = x->request.url;
    char *mark = strchr(x->request.url, '?');
    if (mark) {
        *mark = 0;
        x->request.query = mark + 1;
    }
    return x;
}

/* Text of the library stays as it is: nothing is unescaped. */
static size_t no_unescape(void *ctx, struct MHD_Connection *at, char *text)
{
    (void)ctx;
    (void)at;
    return strlen(text);
}

typedef struct {
    sv_request *r;
    uint32_t lengths, encodings, hosts, tokens, codings;
    int chunked, bad;
    uint64_t length;
} head;

static int keep(char *to, size_t room, const char *value)
{
    size_t n = strlen(value);
    if (n >= room) return 0;
    for (size_t k = 0; k < n; k++)
        if ((unsigned char)value[k] < 0x20 || (unsigned char)value[k] > 0x7e) return 0;
    memcpy(to, value, n + 1);
    return 1;
}

static int parse_length(const char *s, uint64_t *n)
{
    *n = 0;
    if (!*s) return 0;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || *n > (UINT64_MAX - 9) / 10) return 0;
        *n = *n * 10 + (uint64_t)(*s - '0');
    }
    return 1;
}

static int same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a | 32) != (*b | 32)) return 0;
    return *a == *b;
}

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    head *x = ctx;
    sv_request *r = x->r;
    (void)kind;
    const struct { const char *name; char *to; size_t room; } kept[] = {
        {"idempotency-key", r->idempotency_key, sizeof r->idempotency_key},
        {"if-none-match", r->if_none_match, sizeof r->if_none_match},
        {"range", r->range, sizeof r->range},
        {"content-range", r->content_range, sizeof r->content_range},
        {"content-type", r->content_type, sizeof r->content_type},
        {"last-event-id", r->last_event_id, sizeof r->last_event_id},
        {"verde-key", r->key, sizeof r->key},
        {"verde-proof", r->proof, sizeof r->proof}};
    if (!value) value = "";
    for (size_t k = 0; k < sizeof kept / sizeof *kept; k++)
        if (same_name(name, kept[k].name) &&
            (kept[k].to[0] || !keep(kept[k].to, kept[k].room, value)))
            x->bad = 1; /* twice, too long or not printable */
    if (same_name(name, "accept")) (void)keep(r->accept, sizeof r->accept, value);
    if (same_name(name, "authorization")) {
        x->tokens++;
        if (strncmp(value, "Bearer ", 7) != 0 || !keep(r->token, sizeof r->token, value + 7))
            memcpy(r->token, "?", 2); /* no token of ours */
    }
    x->hosts += (uint32_t)same_name(name, "host");
    x->codings += (uint32_t)same_name(name, "content-encoding");
    if (same_name(name, "transfer-encoding")) {
        x->encodings++;
        x->chunked = same_name(value, "chunked");
    }
    if (same_name(name, "content-length")) {
        x->lengths++;
        if (!parse_length(value, &x->length)) x->bad = 1;
    }
    return MHD_YES;
}

/* What is read in two ways by two programs is not read at all. */
static void read_head(sv_exchange *x, const char *method, const char *version)
{
    static const char *const methods[] = {"GET", "POST", "PUT"};
    head h;
    memset(&h, 0, sizeof h);
    h.r = &x->request;
    x->request.method = SV_METHODS;
    for (int m = 0; m < SV_METHODS; m++)
        if (strcmp(method, methods[m]) == 0) x->request.method = (sv_method)m;
    if (strcmp(method, "HEAD") == 0) x->request.method = SV_GET;
    MHD_get_connection_values(x->state->at, MHD_HEADER_KIND, on_header, &h);
    const int old = strcmp(version, "HTTP/1.1") != 0;
    if (x->state->bad_url)
        sv_problem(&x->reply, 400, "request", "the URL has more than %u characters, one that is "
                   "not among A-Z a-z 0-9 / _ - . ? = & ~, or an empty or dotted part", SV_URL_MAX);
    else if (h.lengths > 1 || h.encodings > 1 || (h.lengths && h.encodings))
        sv_problem(&x->reply, 400, "request", "the request has %u lengths and %u transfer "
                   "encodings; one of either is allowed", h.lengths, h.encodings);
    else if ((h.encodings && (!h.chunked || old)) || h.hosts > 1 || h.tokens > 1 || h.bad)
        sv_problem(&x->reply, 400, "request", "a header is doubled, too long or not what it may "
                   "be");
    else if (h.codings)
        sv_problem(&x->reply, 415, "media-type", "a body has no content encoding here");
    x->received = h.length; /* for `begin` alone */
}

/* ---- bodies ----------------------------------------------------------------------------- */

static int open_spill(sv_http *h)
{
    char path[VD_FS_NAME_MAX];
    int n = snprintf(path, sizeof path, "%s/body-XXXXXX", h->spill);
    int fd = n < 0 || (size_t)n >= sizeof path ? -1 : mkstemp(path);
    if (fd < 0) return -1;
    (void)unlink(path);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static int write_all(int fd, const void *bytes, size_t n, uint64_t at)
{
    ro_err err = {RO_OK, {0}};
    return vd_fs_write(fd, bytes, n, at, "a body", &err) == RO_OK;
}

/* Room for n more bytes of bodies on the disk: all of them together are bounded. */
static int spill_more(struct sv_exchange_state *s, uint64_t n)
{
    sv_http *h = s->http;
    pthread_mutex_lock(&h->lock);
    const int fits = n <= SV_SPILL_MAX - h->spilled;
    if (fits) h->spilled += n;
    pthread_mutex_unlock(&h->lock);
    if (fits) s->spilled += n;
    return fits;
}

/* Keep a piece of a body: in memory, then in a file. */
static int keep_piece(struct sv_exchange_state *s, const char *bytes, size_t n, uint64_t at)
{
    if (s->spill >= 0) return spill_more(s, n) && write_all(s->spill, bytes, n, at);
    if (at + n > SV_MEMORY_BODY_MAX) {
        s->spill = open_spill(s->http);
        return s->spill >= 0 && spill_more(s, at + n) &&
               write_all(s->spill, s->memory, (size_t)at, 0) && write_all(s->spill, bytes, n, at);
    }
    if (at + n > s->room) {
        size_t room = s->room ? s->room : 1024;
        while (room < at + n) room *= 2;
        uint8_t *p = ro_resize(s->memory, s->room, room);
        if (!p) return 0;
        s->memory = p;
        s->room = room;
    }
    memcpy(s->memory + at, bytes, n);
    return 1;
}

static void take_piece(sv_exchange *x, const char *bytes, size_t n)
{
    struct sv_exchange_state *s = x->state;
    const uint64_t at = x->received;
    if (s->over_limit || s->failed) return; /* drained until its deadline, kept nowhere */
    if (n > x->body_max - at) {
        s->over_limit = 1;
        return;
    }
    x->received += n;
    s->failed = x->sink >= 0 ? !write_all(x->sink, bytes, n, x->sink_at + at)
                             : !keep_piece(s, bytes, n, at);
    /* at the least rate it has until then, counted from here: who is faster may pause */
    if (x->received / 262144 != at / 262144)
        set_deadline(s->http, s->socket, s->http->o.body_ms + time_for(s->http, 262144));
}

static int body_is_there(sv_exchange *x)
{
    struct sv_exchange_state *s = x->state;
    x->request.body = s->memory ? s->memory : (const uint8_t *)"";
    x->request.body_size = x->sink >= 0 ? 0 : (size_t)x->received;
    if (s->over_limit)
        sv_problem(&x->reply, 413, "too-large", "the body has more than %llu bytes",
                   (unsigned long long)x->body_max);
    else if (s->spill >= 0) {
        s->map = mmap(NULL, x->request.body_size, PROT_READ, MAP_PRIVATE, s->spill, 0);
        if (s->map == MAP_FAILED) {
            s->map = NULL;
            s->failed = 1;
        }
        x->request.body = s->map;
    }
    if (s->failed)
        sv_problem(&x->reply, 503, "busy", "the body of %llu bytes cannot be kept now",
                   (unsigned long long)x->received);
    return x->reply.status < 400;
}

/* ---- replies ---------------------------------------------------------------------------- */

void sv_problem(sv_reply *r, unsigned status, const char *name, const char *format, ...)
{
    static const struct { unsigned status; const char *title; } titles[] = {
        {400, "Bad request"}, {401, "Not authorized"}, {403, "Forbidden"}, {404, "Not found"},
        {405, "Method not allowed"}, {409, "Conflict"}, {411, "Length required"},
        {413, "Too large"}, {415, "Unsupported media type"}, {416, "Range not satisfiable"},
        {422, "Not acceptable"}, {429, "Too many"}, {500, "Fault"}, {503, "Not available now"}};
    char detail[512];
    va_list list;
    const char *title = "Failure";
    for (size_t k = 0; k < sizeof titles / sizeof *titles; k++)
        if (titles[k].status == status) title = titles[k].title;
    va_start(list, format);
    (void)vsnprintf(detail, sizeof detail, format, list);
    va_end(list);
    r->status = status;
    r->type = "application/problem+json";
    r->etag[0] = r->location[0] = 0;
    if (r->file >= 0) close(r->file);
    r->file = -1;
    r->ranges = 0;
    if (status == 503 || status == 429) r->retry_after = 1;
    sv_text_clear(&r->body);
    sv_put(&r->body, "{\"type\": \"/problems/%s\", \"title\": \"%s\", \"status\": %u, \"detail\": ",
           name, title, status);
    sv_put_json(&r->body, detail);
    sv_put(&r->body, "}\n");
}

const char *sv_query(const sv_request *r, const char *name, char *value)
{
    const size_t n = strlen(name);
    for (const char *p = r->query; *p;) {
        const char *end = strchr(p, '&');
        const size_t size = end ? (size_t)(end - p) : strlen(p);
        if (size >= n && strncmp(p, name, n) == 0 && (size == n || p[n] == '=')) {
            const size_t skip = size == n ? n : n + 1;
            memcpy(value, p + skip, size - skip);
            value[size - skip] = 0;
            return value;
        }
        p += size + (end != NULL);
    }
    return NULL;
}

/* bytes=A-B, bytes=A-, bytes=-N; *from and *count of `size`. 0: not satisfiable. -1: not heeded. */
static int read_range(const char *text, uint64_t size, uint64_t *from, uint64_t *count)
{
    uint64_t a = 0, b = 0;
    char part[32];
    if (strncmp(text, "bytes=", 6) != 0 || strchr(text, ',')) return -1;
    const char *dash = strchr(text + 6, '-');
    if (!dash || (size_t)(dash - text - 6) >= sizeof part) return -1;
    memcpy(part, text + 6, (size_t)(dash - text - 6));
    part[dash - text - 6] = 0;
    const int has_a = parse_length(part, &a), has_b = parse_length(dash + 1, &b);
    if ((!has_a && part[0]) || (!has_b && dash[1]) || (!has_a && !has_b)) return -1;
    if (!has_a) { /* the last b bytes */
        if (!b || !size) return 0;
        *from = b < size ? size - b : 0;
        *count = size - *from;
        return 1;
    }
    if (a >= size || (has_b && b < a)) return 0;
    *from = a;
    *count = (has_b && b < size - 1 ? b : size - 1) - a + 1;
    return 1;
}

static void say(struct MHD_Response *m, const char *name, const char *value)
{
    if (value[0]) (void)MHD_add_response_header(m, name, value);
}

/* The part of the reply that is sent, when a range is asked for. */
static void heed_range(sv_exchange *x, char content_range[96], uint64_t *from, uint64_t *count)
{
    sv_reply *r = &x->reply;
    const uint64_t size = r->file >= 0 ? r->size : r->body.size;
    *from = 0;
    *count = size;
    content_range[0] = 0;
    if (!r->ranges || r->status != 200 || !x->request.range[0]) return;
    int got = read_range(x->request.range, size, from, count);
    if (got < 0) return;
    if (!got) {
        sv_problem(r, 416, "range", "the range is \"%s\"; there are %llu bytes", x->request.range,
                   (unsigned long long)size);
        (void)snprintf(content_range, 96, "bytes */%llu", (unsigned long long)size);
        *from = 0;
        *count = r->body.size;
        return;
    }
    r->status = 206;
    (void)snprintf(content_range, 96, "bytes %llu-%llu/%llu", (unsigned long long)*from,
                   (unsigned long long)(*from + *count - 1), (unsigned long long)size);
}

static int etag_matches(const sv_exchange *x)
{
    char quoted[96];
    const char *asked = x->request.if_none_match;
    if (!x->reply.etag[0] || x->reply.status != 200 || !asked[0]) return 0;
    if (strncmp(asked, "W/", 2) == 0) asked += 2;
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", x->reply.etag);
    return strcmp(asked, quoted) == 0 || strcmp(asked, "*") == 0;
}

static void add_headers(const sv_exchange *x, struct MHD_Response *m, const char *content_range)
{
    const sv_reply *r = &x->reply;
    char text[96];
    say(m, "Content-Type", r->type);
    say(m, "X-Content-Type-Options", "nosniff");
    say(m, "Cache-Control", r->cache ? r->cache : "no-cache");
    say(m, "Location", r->location);
    say(m, "Content-Range", content_range);
    if (r->ranges) say(m, "Accept-Ranges", "bytes");
    if (r->replayed) say(m, "Idempotency-Replayed", "true");
    if (r->status == 401) say(m, "WWW-Authenticate", "Bearer");
    if (r->status == 405) say(m, "Allow", "GET, HEAD, POST, PUT");
    if (r->etag[0]) {
        (void)snprintf(text, sizeof text, "\"%s\"", r->etag);
        say(m, "ETag", text);
    }
    if (r->retry_after) {
        (void)snprintf(text, sizeof text, "%u", r->retry_after);
        say(m, "Retry-After", text);
    }
    if (r->openings >= 0) {
        (void)snprintf(text, sizeof text, "%lld", (long long)r->openings);
        say(m, "Verde-Openings", text);
    }
    if (strncmp(r->type, "text/html", 9) != 0) return;
    say(m, "Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'");
    say(m, "Referrer-Policy", "no-referrer");
}

static enum MHD_Result send_reply(sv_exchange *x)
{
    sv_reply *r = &x->reply;
    struct sv_exchange_state *s = x->state;
    struct MHD_Response *m;
    char content_range[96];
    uint64_t from, count;
    if (r->body.failed) {
        sv_text_free(&r->body);
        sv_problem(r, 503, "busy", "there is no memory for the reply");
    }
    heed_range(x, content_range, &from, &count);
    const int same = etag_matches(x);
    if (same) r->status = 304;
    if (same) {
        m = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    } else if (r->file >= 0) {
        m = MHD_create_response_from_fd_at_offset64(count, r->file, r->at + from);
        if (m) r->file = -1; /* the library closes it */
    } else {
        char *text = r->body.text ? r->body.text : (char *)(uintptr_t)"";
        m = MHD_create_response_from_buffer((size_t)count, text + from, MHD_RESPMEM_PERSISTENT);
    }
    if (!m) return MHD_NO;
    add_headers(x, m, content_range);
    s->sent = 1;
    set_deadline(s->http, s->socket, s->http->o.head_ms + time_for(s->http, count));
    enum MHD_Result got = MHD_queue_response(s->at, r->status, m);
    MHD_destroy_response(m);
    pthread_mutex_lock(&s->http->lock);
    s->http->counts.requests++;
    s->http->counts.refused += r->status >= 400;
    pthread_mutex_unlock(&s->http->lock);
    return got;
}

/* ---- streams of changes ------------------------------------------------------------------ */

static int concerns(const sv_exchange *x, const sv_change *c)
{
    if (x->topic == SV_TOPIC_LEDGER) return c->ledger;
    return x->topic == SV_TOPIC_ALL || vd_digest_equal(&x->task, &c->task);
}

static void put_change(sv_text *t, const sv_change *c, const char *what)
{
    char hex[65];
    sv_put(t, "event: change\nid: %llu\ndata: {\"what\": ", (unsigned long long)c->position);
    sv_put_json(t, what);
    vd_digest_hex(&c->task, hex);
    sv_put(t, ", \"task\": \"%s\"}\n\n", hex);
}

/* What a subscriber has not seen, into its text; the lock is held. */
static void collect(sv_http *h, struct sv_exchange_state *s)
{
    const uint64_t n = h->change_count;
    const uint64_t oldest = n > SV_CHANGES_MAX ? n - SV_CHANGES_MAX : 0;
    uint64_t k = n;
    while (k > oldest && h->changes[(k - 1) % SV_CHANGES_MAX].position >= s->next) k--;
    if (k == oldest && oldest && s->next) { /* what was before is not known any more */
        put_change(&s->out, &h->changes[k % SV_CHANGES_MAX], "more than 1024 changes");
        k++;
    }
    for (; k < n; k++) {
        const sv_change *c = &h->changes[k % SV_CHANGES_MAX];
        if (concerns(s->x, c)) put_change(&s->out, c, c->what);
    }
    if (n) s->next = h->changes[(n - 1) % SV_CHANGES_MAX].position + 1;
    if (s->due) sv_put(&s->out, ": still here\n\n");
    s->due = 0;
}

static ssize_t read_stream(void *ctx, uint64_t at, char *to, size_t room)
{
    sv_exchange *x = ctx;
    struct sv_exchange_state *s = x->state;
    sv_http *h = s->http;
    (void)at;
    if (s->out_at == s->out.size) {
        sv_text_clear(&s->out);
        s->out_at = 0;
        pthread_mutex_lock(&h->lock);
        collect(h, s);
        if (!s->out.size && !h->closing && !s->out.failed) {
            s->idle = 1;
            MHD_suspend_connection(s->at);
        }
        const int end = h->closing || s->out.failed;
        pthread_mutex_unlock(&h->lock);
        if (!s->out.size) return end ? MHD_CONTENT_READER_END_OF_STREAM : 0;
    }
    size_t n = s->out.size - s->out_at < room ? s->out.size - s->out_at : room;
    memcpy(to, s->out.text + s->out_at, n);
    s->out_at += n;
    return (ssize_t)n;
}

static enum MHD_Result send_stream(sv_exchange *x)
{
    struct sv_exchange_state *s = x->state;
    sv_http *h = s->http;
    pthread_mutex_lock(&h->lock);
    const int full = h->counts.streams >= SV_STREAMS_MAX || h->closing;
    if (!full) {
        h->counts.streams++;
        s->next_stream = h->streams;
        s->stream_link = &h->streams;
        if (s->next_stream) s->next_stream->stream_link = &s->next_stream;
        h->streams = s;
        s->next = x->after;
        if (!x->after && h->change_count) /* from now on */
            s->next = h->changes[(h->change_count - 1) % SV_CHANGES_MAX].position + 1;
        sv_put(&s->out, "retry: 2000\n\n");
        if (x->after && x->after < h->o.position) { /* what was between is not known here */
            sv_change since = {.position = h->o.position - 1, .task = {{0}}, .what = ""};
            put_change(&s->out, &since, "the service was started again");
            s->next = h->o.position;
        }
    }
    pthread_mutex_unlock(&h->lock);
    if (full) {
        sv_problem(&x->reply, 503, "busy", "%u streams are open; %u are allowed", SV_STREAMS_MAX,
                   SV_STREAMS_MAX);
        return send_reply(x);
    }
    x->reply.type = "text/event-stream";
    x->reply.cache = "no-store";
    struct MHD_Response *m =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, x, NULL);
    if (!m) return MHD_NO;
    add_headers(x, m, "");
    s->sent = 1;
    set_deadline(h, s->socket, NEVER);
    enum MHD_Result got = MHD_queue_response(s->at, 200, m);
    MHD_destroy_response(m);
    return got;
}

void sv_http_publish(sv_http *h, const sv_change *list, uint32_t count)
{
    pthread_mutex_lock(&h->lock);
    for (uint32_t k = 0; k < count; k++)
        h->changes[h->change_count++ % SV_CHANGES_MAX] = list[k];
    for (struct sv_exchange_state *s = h->streams; count && s; s = s->next_stream)
        resume_stream(s);
    pthread_mutex_unlock(&h->lock);
}

/* ---- an exchange ------------------------------------------------------------------------ */

void sv_http_wait(sv_exchange *x)
{
    sv_http *h = x->state->http;
    set_deadline(h, x->state->socket, NEVER);
    pthread_mutex_lock(&h->lock);
    h->waiting++;
    pthread_mutex_unlock(&h->lock);
    MHD_suspend_connection(x->state->at);
}

void sv_http_done(sv_exchange *x)
{
    sv_http *h = x->state->http;
    MHD_resume_connection(x->state->at); /* from here on the exchange may be over */
    pthread_mutex_lock(&h->lock);
    h->waiting--;
    pthread_mutex_unlock(&h->lock);
}

static enum MHD_Result begin(sv_http *h, sv_exchange *x, const char *method, const char *version)
{
    struct sv_exchange_state *s = x->state;
    read_head(x, method, version);
    const uint64_t length = x->received;
    x->received = 0;
    pthread_mutex_lock(&h->lock);
    const int closing = h->closing;
    pthread_mutex_unlock(&h->lock);
    if (closing) sv_problem(&x->reply, 503, "busy", "the service is stopping");
    if (x->reply.status < 400) h->call.head(h->call.ctx, x);
    if (x->reply.status < 400 && !x->answered && length > x->body_max)
        sv_problem(&x->reply, 413, "too-large", "the body has %llu bytes; %llu are allowed",
                   (unsigned long long)length, (unsigned long long)x->body_max);
    if (x->reply.status >= 400 || x->answered) return send_reply(x);
    set_deadline(h, s->socket, h->o.body_ms);
    return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *at, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **mine)
{
    sv_http *h = ctx;
    sv_exchange *x = *mine;
    (void)at;
    (void)url;
    if (!x) return MHD_NO;
    struct sv_exchange_state *s = x->state;
    if (!s->begun) {
        s->begun = 1;
        return begin(h, x, method, version);
    }
    if (*size) {
        take_piece(x, bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    if (s->sent) return MHD_YES;
    if (!s->given) {
        s->given = 1;
        if (body_is_there(x) && !h->call.whole(h->call.ctx, x)) return MHD_YES;
    }
    return x->stream && x->reply.status < 400 ? send_stream(x) : send_reply(x);
}

static void leave_stream(sv_http *h, struct sv_exchange_state *s)
{
    pthread_mutex_lock(&h->lock);
    if (s->stream_link) {
        *s->stream_link = s->next_stream;
        if (s->next_stream) s->next_stream->stream_link = s->stream_link;
        h->counts.streams--;
    }
    pthread_mutex_unlock(&h->lock);
}

static void on_over(void *ctx, struct MHD_Connection *at, void **mine,
                    enum MHD_RequestTerminationCode how)
{
    sv_http *h = ctx;
    sv_exchange *x = *mine;
    (void)at;
    if (!x) return;
    struct sv_exchange_state *s = x->state;
    leave_stream(h, s);
    x->broken = how != MHD_REQUEST_TERMINATED_COMPLETED_OK;
    if (s->begun) h->call.over(h->call.ctx, x);
    if (s->map) (void)munmap(s->map, x->request.body_size);
    if (s->spill >= 0) close(s->spill);
    pthread_mutex_lock(&h->lock);
    h->spilled -= s->spilled;
    pthread_mutex_unlock(&h->lock);
    if (x->reply.file >= 0) close(x->reply.file);
    ro_free(s->memory);
    sv_text_free(&s->out);
    sv_text_free(&x->reply.body);
    set_deadline(h, s->socket, h->o.idle_ms);
    ro_free(x);
    *mine = NULL;
}

/* ---- opening and closing ---------------------------------------------------------------- */

typedef union {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
} address;

static ro_status parse_address(const char *text, address *a, ro_err *err)
{
    char host[64];
    uint64_t port;
    const char *colon = strrchr(text, ':');
    memset(a, 0, sizeof *a);
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (!colon || n >= sizeof host || !parse_length(colon + 1, &port) || port > 65535)
        return RO_FAIL(err, RO_EUSAGE, "%.80s is no address; one is written 127.0.0.1:8321 or "
                       "[::1]:8321", text);
    const int six = n > 2 && text[0] == '[' && text[n - 1] == ']';
    memcpy(host, text + six, n - 2 * (size_t)six);
    host[n - 2 * (size_t)six] = 0;
    a->any.sa_family = six ? AF_INET6 : AF_INET;
    if (six) a->six.sin6_port = htons((uint16_t)port);
    else a->four.sin_port = htons((uint16_t)port);
    void *to = six ? (void *)&a->six.sin6_addr : (void *)&a->four.sin_addr;
    if (inet_pton(a->any.sa_family, host, to) == 1) return RO_OK;
    return RO_FAIL(err, RO_EUSAGE, "%.64s is no address of a machine", host);
}

static ro_status start(sv_http *h, const address *a, ro_err *err)
{
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)h->o.key},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)h->o.certificate},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
    if (h->o.key) flags |= MHD_USE_TLS;
    if (a->any.sa_family == AF_INET6) flags |= MHD_USE_IPv6;
    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR, &a->any,
        MHD_OPTION_URI_LOG_CALLBACK, on_url, h, MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, h,
        MHD_OPTION_NOTIFY_COMPLETED, on_over, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
        MHD_OPTION_CONNECTION_LIMIT, h->o.connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        h->o.per_address, MHD_OPTION_CONNECTION_TIMEOUT, 60u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_POOL_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, h->o.key ? tls : none, MHD_OPTION_END);
    if (!h->daemon)
        return RO_FAIL(err, RO_EIO, "%.80s cannot be listened on: the address is taken or not this "
                       "machine's, or the TLS key does not fit its certificate", h->o.listen);
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
    h->port = i ? i->port : 0;
    return RO_OK;
}

ro_status sv_http_open(const sv_http_options *o, const sv_http_calls *c, sv_http **out, ro_err *err)
{
    address a;
    RO_TRY(parse_address(o->listen, &a, err));
    sv_http *h = ro_alloc_zero(sizeof *h);
    if (!h) return RO_FAIL(err, RO_ENOMEM, "no memory to listen");
    h->o = *o;
    h->call = *c;
    h->changes = ro_alloc_zero(SV_CHANGES_MAX * sizeof *h->changes);
    h->spill = ro_alloc(strlen(o->spill) + 1);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    *out = h; /* before anybody can call */
    ro_status st = RO_OK;
    if (!h->changes || !h->spill) st = RO_FAIL(err, RO_ENOMEM, "no memory to listen");
    if (st == RO_OK) memcpy(h->spill, o->spill, strlen(o->spill) + 1);
    if (st == RO_OK) st = start(h, &a, err);
    if (st == RO_OK && pthread_create(&h->watch, NULL, watch, h) != 0)
        st = RO_FAIL(err, RO_ENOMEM, "a thread cannot be had");
    h->watching = st == RO_OK;
    if (st) {
        sv_http_close(h, 0);
        *out = NULL;
    }
    return st;
}

uint16_t sv_http_port(const sv_http *h) { return h->port; }

void sv_http_count(sv_http *h, sv_http_counts *c)
{
    pthread_mutex_lock(&h->lock);
    *c = h->counts;
    pthread_mutex_unlock(&h->lock);
}

void sv_http_close(sv_http *h, uint64_t ms)
{
    if (!h) return;
    if (h->daemon) {
        int fd = MHD_quiesce_daemon(h->daemon);
        if (fd >= 0) close(fd);
    }
    pthread_mutex_lock(&h->lock);
    h->closing = 1;
    for (struct sv_exchange_state *s = h->streams; s; s = s->next_stream) resume_stream(s);
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    if (h->watching) pthread_join(h->watch, NULL);
    /* Who waits for a reply is waited for: the library does not close what is suspended. Streams
     * have `ms`; who is idle between two requests has nothing. */
    for (const uint64_t end = clock_ms() + ms; h->daemon;) {
        const struct timespec nap = {0, 10000000};
        pthread_mutex_lock(&h->lock);
        const uint32_t waiting = h->waiting, streams = h->counts.streams;
        pthread_mutex_unlock(&h->lock);
        if (!waiting && (!streams || clock_ms() > end)) break;
        nanosleep(&nap, NULL);
    }
    if (h->daemon) MHD_stop_daemon(h->daemon);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->wake);
    ro_free(h->changes);
    ro_free(h->spill);
    ro_free(h);
}
