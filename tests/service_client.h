/* service_client.h - a verded of its own and who speaks to it: requests over as many connections as
 * are asked for, by one thread. What benches and faults of the service share.
 *
 * A request is bytes that are sent until they are answered: when the service was killed in between
 * they are sent again, the same, to the next one. */
#ifndef SERVICE_CLIENT_H
#define SERVICE_CLIENT_H
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "small_job.h"

#define SC_CONNECTIONS_MAX 256
#define SC_ARGUMENTS_MAX 48
#define SC_REPLY_MAX (1u << 20)

static inline double sc_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline uint64_t sc_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline void sc_die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(1);
}

/* ---- the service ------------------------------------------------------------------------- */

typedef struct {
    const char *program, *dir;
    const char *argument[SC_ARGUMENTS_MAX]; /* more of them, with NULL at the end */
    pid_t pid;
    int out;
    uint16_t port;
    vd_digest referee;
    char operator_token[128];
} sc_service;

static inline int sc_hex(const char *text, uint8_t *to, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        unsigned v;
        if (sscanf(text + 2 * k, "%2x", &v) != 1) return 0;
        to[k] = (uint8_t)v;
    }
    return 1;
}

/* Its first two lines name the port and the referee. */
static inline void sc_start(sc_service *s)
{
    const char *argv[SC_ARGUMENTS_MAX + 8] = {s->program, "--data", s->dir, "--listen",
                                              "127.0.0.1:0"};
    char text[2048], path[4200];
    size_t n = 0, got;
    int ends[2];
    for (int k = 0; s->argument[k]; k++) argv[5 + k] = s->argument[k];
    if (pipe(ends)) sc_die("no pipe");
    s->pid = fork();
    if (!s->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever dies here leaves no service behind */
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execv(s->program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    s->out = ends[0];
    const char *line = NULL, *at;
    while (n + 1 < sizeof text && (got = (size_t)read(s->out, text + n, 1)) == 1) {
        text[++n] = 0;
        line = strstr(text, "\nreferee ");
        if (line && strlen(line) >= 9 + 64) break;
    }
    at = strstr(text, "127.0.0.1:");
    if (!line || !at || !sc_hex(line + 9, s->referee.b, VD_DIGEST))
        sc_die("%s did not begin: %.*s", s->program, (int)n, text);
    s->port = (uint16_t)strtoul(at + 10, NULL, 10);
    snprintf(path, sizeof path, "%s/operator.token", s->dir);
    size_t size;
    char *token = (char *)small_read(path, &size);
    snprintf(s->operator_token, sizeof s->operator_token, "%.*s", (int)strcspn(token, "\n"), token);
    free(token);
}

/* SIGTERM, or SIGKILL. What it ended with. */
static inline int sc_end(sc_service *s, int signal)
{
    int status;
    kill(s->pid, signal);
    if (waitpid(s->pid, &status, 0) != s->pid) sc_die("the service is nobody's child");
    close(s->out);
    s->pid = 0;
    return status;
}

/* A number of /proc/PID/status, in kB. */
static inline long sc_memory_kb(pid_t pid, const char *name)
{
    char path[64], line[256];
    long kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0) kb = strtol(line + strlen(name) + 1, NULL, 10);
    if (f) fclose(f);
    return kb;
}

/* Processor time of a process so far, in seconds. */
static inline double sc_processor_s(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    unsigned long user = 0, kernel = 0;
    if (f) fclose(f);
    text[n] = 0;
    const char *at = strrchr(text, ')');
    if (!at || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel)
                   != 2)
        sc_die("%s cannot be read", path);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- requests ---------------------------------------------------------------------------- */

typedef struct sc_request {
    struct sc_request *next;
    char *bytes;
    size_t size;
    /* The reply; body ends with 0. Nothing of it is there afterwards. A request that is to be sent
     * again is given to sc_post again, else it is freed. 1: it was posted again. */
    int (*done)(struct sc_request *r, unsigned status, const char *body, size_t n);
    void *ctx;
    double since; /* when it was to be sent, for who measures */
} sc_request;

typedef struct {
    int fd;
    sc_request *at;
    size_t sent, got;
    char *reply;
} sc_connection;

typedef struct {
    const sc_service *service;
    int poll, count;
    sc_connection list[SC_CONNECTIONS_MAX];
    sc_request *first, **last;
    uint64_t waiting, flying, replies, broken; /* broken: requests that were sent again */
} sc_pool;

static inline void sc_open(sc_pool *p, const sc_service *s, int connections)
{
    memset(p, 0, sizeof *p);
    p->service = s;
    p->poll = epoll_create1(EPOLL_CLOEXEC);
    p->count = connections;
    p->last = &p->first;
    for (int k = 0; k < connections; k++) {
        p->list[k].fd = -1;
        p->list[k].reply = malloc(SC_REPLY_MAX + 1);
    }
}

static inline void sc_drop(sc_connection *c)
{
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static inline void sc_close(sc_pool *p)
{
    for (int k = 0; k < p->count; k++) {
        sc_drop(&p->list[k]);
        free(p->list[k].reply);
    }
    close(p->poll);
}

static inline void sc_post(sc_pool *p, sc_request *r)
{
    r->next = NULL;
    *p->last = r;
    p->last = &r->next;
    p->waiting++;
}

/* What was under way is sent again, before everything else: it may have been heard. */
static inline void sc_again(sc_pool *p, sc_connection *c)
{
    sc_request *r = c->at;
    sc_drop(c);
    c->at = NULL;
    if (!r) return;
    r->next = p->first;
    if (!p->first) p->last = &r->next;
    p->first = r;
    p->flying--;
    p->waiting++;
    p->broken++;
}

/* The service is another: every connection begins anew. */
static inline void sc_service_changed(sc_pool *p)
{
    for (int k = 0; k < p->count; k++) sc_again(p, &p->list[k]);
}

/* "POST /v1/tasks?..", headers with \r\n each, a body; ctx and done as in the request. */
static inline sc_request *sc_request_new(const char *line, const char *headers, const void *body,
                                         size_t n)
{
    sc_request *r = calloc(1, sizeof *r);
    size_t room = strlen(line) + strlen(headers) + n + 128;
    r->bytes = malloc(room);
    int head = snprintf(r->bytes, room, "%s HTTP/1.1\r\nHost: x\r\n%s", line, headers);
    if (n || line[0] == 'P')
        head += snprintf(r->bytes + head, room - (size_t)head, "Content-Length: %zu\r\n", n);
    head += snprintf(r->bytes + head, room - (size_t)head, "\r\n");
    if (n) memcpy(r->bytes + head, body, n);
    r->size = (size_t)head + n;
    return r;
}

static inline void sc_request_free(sc_request *r)
{
    free(r->bytes);
    free(r);
}

static inline int sc_connect(sc_pool *p, sc_connection *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(p->service->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    const int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) sc_die("no socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0) {
        sc_drop(c);
        return 0;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(p->poll, EPOLL_CTL_ADD, c->fd, &e);
    return 1;
}

static inline void sc_send(sc_pool *p, sc_connection *c)
{
    while (c->sent < c->at->size) {
        ssize_t n = send(c->fd, c->at->bytes + c->sent, c->at->size - c->sent, MSG_NOSIGNAL);
        if (n > 0) {
            c->sent += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            epoll_ctl(p->poll, EPOLL_CTL_MOD, c->fd, &e);
            return;
        }
        return; /* the reader finds out */
    }
}

/* Give idle connections what waits. 0: nobody listens. */
static inline int sc_spread(sc_pool *p)
{
    for (int k = 0; k < p->count && p->first; k++) {
        sc_connection *c = &p->list[k];
        if (c->at) continue;
        if (c->fd < 0 && !sc_connect(p, c)) return 0;
        c->at = p->first;
        p->first = c->at->next;
        if (!p->first) p->last = &p->first;
        p->waiting--;
        p->flying++;
        c->sent = c->got = 0;
        sc_send(p, c);
    }
    return 1;
}

/* 1: a whole reply is there. */
static inline int sc_parse(sc_connection *c, unsigned *status, size_t *body, size_t *size)
{
    c->reply[c->got] = 0;
    const char *end = strstr(c->reply, "\r\n\r\n"),
               *n = strcasestr(c->reply, "\r\ncontent-length:");
    if (!end || (n && n > end)) return 0;
    *status = (unsigned)strtoul(c->reply + 9, NULL, 10);
    *body = (size_t)(end - c->reply) + 4;
    *size = n ? (size_t)strtoul(n + 17, NULL, 10) : 0;
    if (*body + *size > SC_REPLY_MAX) sc_die("a reply has %zu bytes", *size);
    return c->got >= *body + *size;
}

static inline void sc_receive(sc_pool *p, sc_connection *c)
{
    unsigned status;
    size_t body, size;
    ssize_t n = recv(c->fd, c->reply + c->got, SC_REPLY_MAX - c->got, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        sc_again(p, c);
        return;
    }
    c->got += (size_t)n;
    if (!c->at || !sc_parse(c, &status, &body, &size)) return;
    sc_request *r = c->at;
    const int closing = strcasestr(c->reply, "\r\nconnection: close") != NULL;
    c->at = NULL;
    p->flying--;
    p->replies++;
    c->reply[body + size] = 0;
    if (!r->done(r, status, c->reply + body, size)) sc_request_free(r);
    if (closing) sc_drop(c);
}

/* Send and receive for up to `ms`; returns when something came. 0: nobody listens. */
static inline int sc_pump(sc_pool *p, int ms)
{
    struct epoll_event e[64];
    if (!sc_spread(p)) return 0;
    int n = epoll_wait(p->poll, e, 64, ms);
    for (int k = 0; k < n; k++) {
        sc_connection *c = e[k].data.ptr;
        if (c->fd < 0) continue;
        if (e[k].events & EPOLLOUT && c->at) {
            struct epoll_event in = {.events = EPOLLIN, .data.ptr = c};
            epoll_ctl(p->poll, EPOLL_CTL_MOD, c->fd, &in);
            sc_send(p, c);
        }
        if (e[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) sc_receive(p, c);
    }
    return 1;
}

/* ---- one after the other ----------------------------------------------------------------- */

typedef struct { unsigned status; char *body; size_t size; int over; } sc_reply;

static inline int sc_keep_reply(sc_request *r, unsigned status, const char *body, size_t n)
{
    sc_reply *to = r->ctx;
    to->status = status;
    to->body = malloc(n + 1);
    memcpy(to->body, body, n + 1);
    to->size = n;
    to->over = 1;
    return 0;
}

/* Wait for one reply; free its body. */
static inline sc_reply sc_ask(sc_pool *p, const char *line, const char *headers, const void *body,
                              size_t n)
{
    sc_reply reply = {0, NULL, 0, 0};
    sc_request *r = sc_request_new(line, headers, body, n);
    r->ctx = &reply;
    r->done = sc_keep_reply;
    sc_post(p, r);
    while (!reply.over)
        if (!sc_pump(p, 1000)) sc_die("nobody listens on port %u", p->service->port);
    return reply;
}

/* As the operator, with a key of its own. */
static inline sc_reply sc_operate(sc_pool *p, const char *line, const char *json)
{
    static unsigned count;
    char headers[512];
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIdempotency-Key: op-%d-%u\r\n"
             "Content-Type: application/json\r\n", p->service->operator_token, (int)getpid(),
             count++);
    return sc_ask(p, line, headers, json, strlen(json));
}

/* The text of "name": "text" in JSON, or NULL. */
static inline const char *sc_field(const char *json, const char *name, char *to, size_t room)
{
    char label[80];
    snprintf(label, sizeof label, "\"%s\": \"", name);
    const char *at = strstr(json, label);
    if (!at) return NULL;
    at += strlen(label);
    size_t n = strcspn(at, "\"");
    if (n >= room) return NULL;
    memcpy(to, at, n);
    to[n] = 0;
    return to;
}

static inline int64_t sc_number(const char *json, const char *name)
{
    char text[32];
    if (!sc_field(json, name, text, sizeof text)) sc_die("no \"%s\" in %.200s", name, json);
    return strtoll(text, NULL, 10);
}

/* A sample of /metrics; -1: there is none. */
static inline double sc_metric(sc_pool *p, const char *name)
{
    sc_reply r = sc_ask(p, "GET /metrics", "", NULL, 0);
    char label[120];
    snprintf(label, sizeof label, "\n%s ", name);
    const char *at = strstr(r.body, label);
    double v = at ? strtod(at + strlen(label), NULL) : -1;
    free(r.body);
    return v;
}

static inline void sc_deposit(sc_pool *p, const char *to, int64_t amount)
{
    char json[200];
    snprintf(json, sizeof json, "{\"to\": \"%s\", \"amount\": \"%lld\"}", to, (long long)amount);
    sc_reply r = sc_operate(p, "POST /v1/deposits", json);
    if (r.status != 201) sc_die("a deposit: %u %s", r.status, r.body);
    free(r.body);
}
#endif
