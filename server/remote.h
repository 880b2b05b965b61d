/* remote.h - the API of docs/API.md as calls: replies are checked before anything is taken of them.
 *
 * What this file decides: which fields an agent needs and what it refuses, how files go up and come
 * down in parts, where a token is read from.
 *
 * Invariants
 *   1. What a reply says about numbers, digests and sizes is parsed strictly; a server that says
 *      nonsense is an error with a sentence, never a crash.
 *   2. A file goes on where it stopped, on either side, until it is whole.
 *   3. A token is never part of a command line that this program writes.                        */
#ifndef SV_REMOTE_H
#define SV_REMOTE_H
#include <cjson/cJSON.h>

#include "client.h"

#define SV_PATH_MAX 512u
#define SV_PATIENCE_S 30 /* of commands: how long a server may be away */

/* ---- JSON -------------------------------------------------------------------------------- */

/* GET, POST of a body (taken; NULL: none) with a fresh Idempotency-Key. *out: to be freed by
 * cJSON_Delete; NULL after a failure. RO_OK: status 2xx and an object. Else sv_said_status's, what
 * sv_remote_ask returns; RO_EFORMAT it is no JSON object. */
ro_status sv_get_json(sv_remote *r, const char *path, cJSON **out, ro_err *err) RO_CHECKED;
ro_status sv_post_json(sv_remote *r, const char *path, cJSON *body, cJSON **out, ro_err *err)
    RO_CHECKED;

/* A reply as JSON, in which text is visible ASCII: what else strings hold becomes '?', so nothing
 * of a server acts on a terminal. NULL: it is no object. */
cJSON *sv_parse_reply(const char *text, size_t size);
/* Fields of an object. RO_EFORMAT, naming it, when it is missing or of another kind. */
ro_status sv_field_text(const cJSON *o, const char *name, const char **out, ro_err *err)
    RO_CHECKED;
/* A string of decimal digits, i64 with a minus perhaps; u64 and u32: or a number below 2^53. */
ro_status sv_field_u64(const cJSON *o, const char *name, uint64_t *out, ro_err *err) RO_CHECKED;
ro_status sv_field_i64(const cJSON *o, const char *name, int64_t *out, ro_err *err) RO_CHECKED;
ro_status sv_field_u32(const cJSON *o, const char *name, uint32_t *out, ro_err *err) RO_CHECKED;
/* *given 0: it is null (given NULL: it must not be). */
ro_status sv_field_digest(const cJSON *o, const char *name, vd_digest *out, int *given,
                          ro_err *err) RO_CHECKED;
ro_status sv_field_list(const cJSON *o, const char *name, const cJSON **out, ro_err *err)
    RO_CHECKED;
int sv_field_true(const cJSON *o, const char *name);
/* 32 bytes of random, as hexadecimal digits. */
ro_status sv_random_hex(char hex[65], ro_err *err) RO_CHECKED;

/* ---- tasks ------------------------------------------------------------------------------- */

/* A member of a task: what an agent wants to know of its own. */
typedef struct {
    int is_member, is_auditor, assigned, stands, delivered;
    char stage[16], lost[32];
} sv_member_told;

typedef struct {
    vd_digest id, job, terms, root;
    int has_root, data_ready;
    char state[16], end[16]; /* end "": it has not ended */
    uint64_t job_bytes, output_bytes, steps, flops, deadline_ms;
    uint32_t members, disputes;
    sv_member_told me; /* of the key that was asked for */
} sv_task_told;
/* Of GET /v1/tasks/ID. key: NULL, or whose place is looked for. */
ro_status sv_read_task(const cJSON *o, const uint8_t key[32], sv_task_told *t, ro_err *err)
    RO_CHECKED;
ro_status sv_get_task(sv_remote *r, const vd_digest *id, const uint8_t key[32], sv_task_told *t,
                      cJSON **doc, ro_err *err) RO_CHECKED; /* doc NULL: not wanted */
int sv_has_ended(const sv_task_told *t);
/* Its canonical job, whose digest is checked: *job in the arena. */
ro_status sv_get_job(sv_remote *r, const sv_task_told *t, ro_arena *arena, vd_job **job,
                     ro_err *err) RO_CHECKED;
/* The trace body of the accepted root, from the reveals; held against the root and the job. */
ro_status sv_get_body(sv_remote *r, const sv_task_told *t, const vd_job *j, vd_trace_body *b,
                      ro_err *err) RO_CHECKED;
/* The bodies of all reveals: each that opens as a message of this task.
 *   each      called with the root and VD_TRACE_BODY_BYTES bytes                               */
ro_status sv_get_reveals(sv_remote *r, const vd_digest *task,
                         void (*each)(void *ctx, const vd_digest *root, const uint8_t *body),
                         void *ctx, ro_err *err) RO_CHECKED;
/* Bytes of any other route, at most `limit`: from ro_alloc, freed with ro_free. */
ro_status sv_get_bytes(sv_remote *r, const char *path, uint64_t limit, uint8_t **bytes,
                       size_t *size, ro_err *err) RO_CHECKED;

/* ---- files ------------------------------------------------------------------------------- */

typedef struct {
    void (*moved)(void *ctx, uint64_t bytes); /* NULL: nobody listens */
    void *ctx;
    int patience_s;
} sv_transfer;

/* Send a file in parts, from where the server has it.
 *   path      PUT there; `where` is asked where it stands: a list of blobs, in which `digest` is
 *             looked for, or the record of a result (digest NULL)
 *   headers   at most 2 more, as of sv_ask; NULL: none
 *   returns   RO_OK: the server has it whole, and has checked it; what it is refused with       */
ro_status sv_upload(sv_remote *r, const char *path, const char *where, const vd_digest *digest,
                    int fd, uint64_t size, const char *const headers[2], const sv_transfer *t,
                    ro_err *err) RO_CHECKED;
/* Fetch a file of a known size into fd, from the bytes on that it has. Only its size is checked. */
ro_status sv_download(sv_remote *r, const char *path, int fd, uint64_t size, const sv_transfer *t,
                      ro_err *err) RO_CHECKED;

#endif
