/* http.h - HTTP as the rest of the server sees it: whole requests in, replies out.
 *
 * What this file decides: what is read as a request at all, how long and how much anybody may take
 * for it, and how a reply, a part of it or a stream of changes is sent. docs/API.md, "Conventions".
 *
 * Invariants
 *   1. A request has one meaning: one length, one host, a path of plain characters without empty,
 *      "." or ".." parts. Anything else is refused before its body is read.
 *   2. Memory is bounded: connections, head, what of a body is kept in memory, subscribers.
 *   3. Every request has a deadline for its head, its body and the reading of its reply, whatever
 *      trickles in.
 *   4. One thread runs all calls; only sv_http_done and sv_http_publish may come from others. */
#ifndef SV_HTTP_H
#define SV_HTTP_H
#include "../verde/verde.h"
#include "text.h"

#define SV_URL_MAX 1024u
#define SV_HEAD_MAX 8192u            /* request line and headers                                */
#define SV_MEMORY_BODY_MAX 65536u    /* a longer body goes to a file that has no name            */
#define SV_SPILL_MAX (UINT64_C(1) << 30) /* of all such files together                           */
#define SV_STREAMS_MAX 256u
#define SV_CHANGES_MAX 1024u         /* that a stream may come back after                        */
#define SV_CHANGE_TEXT_MAX 120u
#define SV_PROOF_TEXT_MAX 136u

typedef enum { SV_GET, SV_POST, SV_PUT, SV_METHODS } sv_method;

/* All texts end with 0 and are "" where the request has none; all is borrowed until `over`. */
typedef struct {
    sv_method method;              /* SV_METHODS: another                                       */
    char url[SV_URL_MAX + 1];
    const char *path, *query;      /* in url; query: without the question mark                  */
    char token[160];               /* of Authorization: Bearer                                  */
    char idempotency_key[136], if_none_match[96], range[64], content_range[96], content_type[80];
    char last_event_id[24], accept[128], key[72], proof[SV_PROOF_TEXT_MAX]; /* Verde-Key, -Proof */
    const uint8_t *body;
    size_t body_size;
    vd_digest id, other;           /* of {id} and {other} in the route's pattern                */
    uint32_t number, second;       /* of {n}, {m}                                               */
} sv_request;

typedef struct {
    unsigned status;               /* 200                                                       */
    const char *type;              /* "application/json"; static text                           */
    sv_text body;
    int file;                      /* -1; else `size` bytes of it from `at` on, closed after    */
    uint64_t at, size;
    int ranges;                    /* Range is heeded                                           */
    char etag[80];                 /* without quotes; "": none                                  */
    const char *cache;             /* Cache-Control; NULL: "no-cache"                           */
    char location[160];
    unsigned retry_after;          /* seconds; 0: not said                                      */
    int replayed;                  /* Idempotency-Replayed                                      */
    int64_t openings;              /* Verde-Openings; -1: not said                              */
} sv_reply;

typedef enum { SV_TOPIC_ALL, SV_TOPIC_TASK, SV_TOPIC_LEDGER } sv_topic;

typedef struct sv_exchange {
    sv_request request;
    sv_reply reply;
    /* set by `head` */
    uint64_t body_max;             /* bytes that are taken; more is 413                          */
    int answered;                  /* 1: the reply is set, no body is wanted                     */
    int sink;                      /* -1; else the body is written there, from sink_at on        */
    uint64_t sink_at;
    int stream;                    /* 1: the reply is changes of `topic` after `after`           */
    sv_topic topic;
    vd_digest task;
    uint64_t after;
    const void *route;
    void *mine;                    /* the caller's                                              */
    vd_digest who;                 /* the account of the token                                  */
    int is_account, is_operator;
    /* set by http.c */
    uint64_t received;             /* bytes of the body so far                                  */
    int broken;                    /* over: the reply was not sent to its end                    */
    struct sv_exchange_state *state;
} sv_exchange;

typedef struct {
    void *ctx;
    /* The head has come. Sets how the body is taken, or a reply of status 400 and more, which is
     * sent at once. */
    void (*head)(void *ctx, sv_exchange *x);
    /* All of it has come. 1: the reply is set. 0: sv_http_wait was called, and sv_http_done
     * follows. */
    int (*whole)(void *ctx, sv_exchange *x);
    /* The exchange is over; nothing of it is used any more. */
    void (*over)(void *ctx, sv_exchange *x);
} sv_http_calls;

typedef struct {
    const char *listen;            /* "127.0.0.1:8321", "[::1]:0"                                */
    const char *certificate, *key; /* PEM texts, or NULL: without TLS                            */
    const char *spill;             /* a folder for bodies that do not fit in memory              */
    uint32_t connections, per_address;
    uint64_t head_ms, body_ms, idle_ms; /* body_ms: beside what the least rate gives              */
    uint64_t rate;                 /* bytes a second that anybody must take or give              */
    uint64_t position;             /* changes before it were told by an earlier process          */
} sv_http_options;

typedef struct sv_http sv_http;
/* Begin to listen.
 *   o, c      o borrowed, c copied
 *   *out      set before the first call comes
 *   returns   RO_OK; RO_EUSAGE `listen` is no address; RO_EIO it is taken; RO_EFORMAT the key or
 *             certificate is none; RO_ENOMEM                                                    */
ro_status sv_http_open(const sv_http_options *o, const sv_http_calls *c, sv_http **out,
                       ro_err *err) RO_CHECKED;
/* Take no more connections, let what is under way end for up to `ms`, close. Whoever owes an
 * sv_http_done has given it before. */
void sv_http_close(sv_http *h, uint64_t ms);
uint16_t sv_http_port(const sv_http *h); /* that it got */
typedef struct { uint32_t connections, streams; uint64_t requests, refused, cut; } sv_http_counts;
void sv_http_count(sv_http *h, sv_http_counts *c);

/* Call before anybody who will call sv_http_done can know of the exchange. */
void sv_http_wait(sv_exchange *x);
void sv_http_done(sv_exchange *x);

/* A value of the query, "" when it is empty; NULL: not there. value has SV_URL_MAX + 1 bytes. */
const char *sv_query(const sv_request *r, const char *name, char *value);
/* A failure: application/problem+json. name as in docs/API.md, "conflict". */
void sv_problem(sv_reply *r, unsigned status, const char *name, const char *format, ...)
    RO_PRINTF(4, 5);

/* Tell subscribers. position rises with every change. */
typedef struct {
    uint64_t position;
    vd_digest task;
    int ledger;                    /* money moved                                               */
    char what[SV_CHANGE_TEXT_MAX];
} sv_change;
void sv_http_publish(sv_http *h, const sv_change *list, uint32_t count);

#endif
