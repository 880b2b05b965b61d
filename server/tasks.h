/* tasks.h - tasks that outlive the process: the state machine of referee/task.h over a ledger.
 *
 * What this file decides: in which order an event is stamped, applied, logged, booked and answered;
 * what money is moved before a task ends; how a task comes back after a crash.
 *
 * Invariants
 *   1. An event, the transfers and notices that follow from it, and the state it leads to, are one
 *      transaction; nobody is told anything of it before that is durable.
 *   2. The log alone gives a task again: its first event is the setup, the others are replayed in
 *      order. A saved state only makes that shorter.
 *   3. When a transaction fails the task in memory is given up and read again.
 *   4. A stake is held from the message that claims a slot on, and the escrow from the submission
 *      on; a task is opened only while the treasury holds an audit for every open one.
 *   5. Stamps never go down, whatever the clock does.
 *   6. For one place of a task's log there is one receipt, however often its message comes. */
#ifndef SV_TASKS_H
#define SV_TASKS_H
#include "../referee/task.h"
#include "ledger.h"

#define SV_TASKS_MAX 65536u       /* open at a time */
#define SV_JOB_MAX (UINT64_C(1) << 26) /* bytes of a job */
#define SV_REPLAY_MAX 32u         /* events after which a task's state is saved again */

typedef struct sv_tasks sv_tasks;

/* Take up all tasks of a ledger that have not ended.
 *   l, key    kept; key is the referee's
 *   returns   RO_OK; RO_EFORMAT, RO_EDIFFER a task that does not come back as it was; RO_EIO;
 *             RO_ENOMEM
 *   thread    one at a time, as all of this file                                               */
ro_status sv_tasks_open(sv_ledger *l, const vd_key *key, sv_tasks **out, ro_err *err) RO_CHECKED;
void sv_tasks_close(sv_tasks *s);
uint32_t sv_tasks_count(const sv_tasks *s); /* open */

typedef struct {
    vd_digest task;    /* its id: one that was never used                                       */
    vd_digest client;  /* whose free account pays                                               */
    vd_digest secret;  /* sealed until the task is resolved: nobody else may know or guess it   */
    rf_params params;
    const void *job;   /* canonical bytes; borrowed                                             */
    uint64_t job_size;
} sv_order;
/* Open a task: the escrow is put aside.
 *   returns   RO_OK; RO_ELIMIT the client has less than the escrow, or the treasury less than an
 *             audit of every open task, or too many are open, or rf_task_new refuses; RO_EDIFFER
 *             the id is taken; what vd_job_decode returns; RO_EIO; RO_ENOMEM                   */
ro_status sv_tasks_submit(sv_tasks *s, const sv_order *o, uint64_t now_ms, ro_err *err) RO_CHECKED;

/* What a task was opened with, from the order of its record; the task's id is not in it.
 *   out       its job points into the order
 *   returns   RO_OK; RO_EFORMAT                                                               */
ro_status sv_order_read(const void *order, uint64_t size, sv_order *out, ro_err *err) RO_CHECKED;

/* The task while it is open; NULL: it has ended, never was, or cannot be read now. What it is asked
 * leaves it as it is (rf_task_pending and reading); events go through this file. Valid until the
 * next event. */
rf_task *sv_tasks_find(sv_tasks *s, const vd_digest *task);

/* What a task was opened with, and its state. Valid until the next event. */
typedef struct {
    vd_digest task, client;
    const rf_params *params;
    const vd_job *job;
    rf_task *state; /* NULL: it was given up, and is read again with its next event */
    uint64_t job_size;
} sv_task_look;
/* Task k of those that are open, below sv_tasks_count, in no order. */
void sv_tasks_at(sv_tasks *s, uint32_t k, sv_task_look *out);
int sv_tasks_look(sv_tasks *s, const vd_digest *task, sv_task_look *out); /* 0: it is not open */

/* Called for each event that a task took, after it was booked and in its transaction, so that what
 * is written then is there with it or not at all; e NULL: the task was opened. Not for events that
 * are replayed. A status other than RO_OK undoes the event. */
typedef ro_status sv_tasks_watch(void *ctx, const sv_task_look *t, const rf_event *e, ro_err *err);
void sv_tasks_set_watch(sv_tasks *s, sv_tasks_watch *watch, void *ctx);

/* Apply an event of the host's own, or a message that it has opened.
 *   returns   RO_OK: durable, and rf_task_effects of sv_tasks_find has its effects, unless that
 *             ended the task; RO_ENOTFOUND no such task is open; RO_ELIMIT the account cannot pay
 *             the stake of a slot, and nothing was logged; RO_EIO, RO_ENOMEM: nothing happened, but
 *             see sv_ledger_commit                                                              */
ro_status sv_tasks_event(sv_tasks *s, const vd_digest *task, const rf_event *e, uint64_t now_ms,
                         ro_err *err) RO_CHECKED;

/* Take in what came from outside and answer it.
 *   bytes, payload  of any origin; borrowed
 *   account   that the key of the message belongs to, not whoever brought it: it pays the stake
 *             if this claims a slot, and is paid in the end
 *   answer    out: RF_MESSAGE_MAX; a receipt or a refusal, signed
 *   returns   RO_OK: what the answer says is durable; RO_EIO, RO_ENOMEM: there is none          */
ro_status sv_tasks_message(sv_tasks *s, const void *bytes, size_t n, const void *payload,
                           size_t payload_size, const vd_digest *account, uint64_t now_ms,
                           uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size, ro_err *err)
    RO_CHECKED;

/* The message of an event of the log, and its payload, which points into the row; *is_message 0: it
 * has none. RO_EFORMAT. */
ro_status sv_event_message(const sv_event *row, rf_message *m, const void **payload, size_t *size,
                           int *is_message, ro_err *err) RO_CHECKED;
/* The receipt of a message that the log accepted: row has its number. Any thread. */
ro_status sv_event_receipt(const vd_key *key, const sv_event *row, const rf_message *of,
                           uint8_t out[RF_MESSAGE_MAX], size_t *size, ro_err *err) RO_CHECKED;

/* The same in two: what costs most, signatures and the payload's hash, by any thread; the rest.
 * bytes and payload are kept. */
typedef struct {
    const void *bytes, *payload;
    size_t size, payload_size;
    ro_status status; /* what rf_message_open returned */
    ro_err why;
    rf_message message;
    int payload_fits; /* it is the one that the message names */
} sv_opened;
void sv_message_open(const void *bytes, size_t n, const void *payload, size_t payload_size,
                     sv_opened *out);
ro_status sv_tasks_opened(sv_tasks *s, const sv_opened *o, const vd_digest *account,
                          uint64_t now_ms, uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size,
                          ro_err *err) RO_CHECKED;

/* When time alone will change something next; UINT64_MAX: never. */
uint64_t sv_tasks_deadline(const sv_tasks *s);
/* Tick all that are due. One that fails keeps no other from its tick: the first failure is
 * returned. cost: a look at every open task. */
ro_status sv_tasks_tick(sv_tasks *s, uint64_t now_ms, ro_err *err) RO_CHECKED;

#endif
