/* client.h - HTTP as the agents see it: a request, its whole reply, or a stream of changes.
 *
 * What this file decides: how long a server is waited for, how much of a reply is believed to be
 * one, and which sentence and exit code a failure becomes.
 *
 * Invariants
 *   1. No reply takes more memory, or more of a file, than its caller allows.
 *   2. A redirect is not followed: a token goes to the server that it was given for.
 *   3. Whoever waits is woken by *stop.                                                          */
#ifndef SV_CLIENT_H
#define SV_CLIENT_H
#include "../verde/verde.h"

#define SV_JSON_MAX (UINT64_C(16) << 20) /* of a reply in JSON                                 */
#define SV_TOKEN_MAX 160u

typedef struct sv_remote sv_remote;

/* A server to talk to; nothing is sent yet.
 *   server    "http://127.0.0.1:8321" or "https://..", without a path
 *   token     NULL: none; borrowed
 *   stop      NULL, or set by a signal handler: what is under way fails with RO_EIO
 *   returns   RO_OK; RO_EUSAGE no such URL, or a token that is none; RO_ENOMEM
 *   thread    one at a time                                                                     */
ro_status sv_remote_open(const char *server, const char *token, volatile int *stop,
                         sv_remote **out, ro_err *err) RO_CHECKED;
void sv_remote_close(sv_remote *r);
const char *sv_remote_server(const sv_remote *r);

typedef struct {
    const char *method; /* "GET", "POST", "PUT"                                              */
    const char *path;   /* "/v1/tasks?limit=3"                                               */
    const char *type;   /* of the body; NULL: there is none                                  */
    const void *body;   /* `size` bytes; NULL: they are in `file` from `at` on               */
    int file;
    uint64_t at, size;
    const char *headers[4]; /* "Range: bytes=0-", NULL after the last                        */
    /* where the body of a reply of status 200 or 206 goes: NULL: into memory */
    int to;             /* a file when to_max is not 0                                       */
    uint64_t to_at, to_max;
    uint64_t limit;     /* bytes of a reply in memory                                        */
    int patience_s;     /* how long a server that is away, or busy, is asked again           */
    /* told of bytes that went or came, now and then */
    void (*moved)(void *ctx, uint64_t bytes);
    void *ctx;
} sv_ask;

typedef struct {
    unsigned status;
    char *body;      /* a 0 follows; from ro_alloc: sv_said_free                             */
    size_t size;
    uint64_t written; /* bytes that went to ask->to                                          */
    char type[80], etag[96];
    unsigned retry_after;
} sv_said;
void sv_said_free(sv_said *s);

/* Ask, and wait for the whole reply.
 *   *said     out: to be freed, whatever is returned
 *   returns   RO_OK: there is a reply, of any status; RO_EIO there is none, or it was cut;
 *             RO_ELIMIT it is longer than allowed; RO_ENOMEM
 *   note      asked again, within the patience, only where the request may be repeated: GET, HEAD,
 *             PUT, and a POST with an Idempotency-Key                                           */
ro_status sv_remote_ask(sv_remote *r, const sv_ask *a, sv_said *said, ro_err *err) RO_CHECKED;
/* The failure that a reply of status 400 and more is, its `detail` as the sentence; RO_OK: it is
 * none. 401, 403, 400: RO_EUSAGE; 404: RO_ENOTFOUND; 409: RO_EDIFFER; 413, 415, 422: RO_EFORMAT
 * (terms: RO_EUSAGE); others RO_EIO.                                                            */
ro_status sv_said_status(const sv_said *s, const char *about, ro_err *err) RO_CHECKED;

/* Read a stream of server-sent events until `event` returns 0, the stream ends or idle_s seconds
 * bring nothing. id and data are borrowed.
 *   after     Last-Event-ID; NULL: none
 *   returns   RO_OK it ended, in any of these ways; RO_EIO it could not be begun, or *stop      */
ro_status sv_remote_events(sv_remote *r, const char *path, const char *after, int idle_s,
                           int (*event)(void *ctx, const char *id, const char *data), void *ctx,
                           ro_err *err) RO_CHECKED;

#endif
