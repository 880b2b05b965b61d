/* engine.h - the one thread that writes: what happens, in which order, and who is told when.
 *
 * What this file decides: which requests share a transaction, when a reply may go out, what readers
 * see of a task, what is done by itself (ticks, data that has come, auditors).
 *
 * Invariants
 *   1. Ledger, catalog and tasks are touched by the engine's thread alone.
 *   2. Requests that wait together are one durable transaction; each stands or falls by itself in
 *      it, and none is told of before it is durable.
 *   3. When a transaction is lost, ledger and tasks are read again from the disk before anything
 *      else is taken.
 *   4. Readers get views, which are never changed and are of what is durable. */
#ifndef SV_ENGINE_H
#define SV_ENGINE_H
#include "catalog.h"
#include "tasks.h"
#include "tell.h"

#define SV_BATCH_MAX 64u

typedef struct sv_engine sv_engine;

/* What an operator may set: parameters of tasks that are not the computed ones. */
typedef struct {
    uint32_t slots;                 /* of a task whose client does not say                       */
    uint64_t replay_steps;          /* D; 0: computed                                            */
    int64_t price, price_bytes;
    int64_t given[SV_PARAMS];       /* in the order of sv_params; -1: computed                   */
    uint64_t tasks_max;             /* open at a time                                            */
} sv_rules;
void sv_rules_defaults(sv_rules *r);

typedef struct {
    const char *dir;
    int older;                      /* an older copy of the database is accepted                 */
    sv_rules rules;
    int64_t treasury;               /* paid in when the ledger begins                            */
    /* What became durable, in order; by the engine's thread. changes: for streams.              */
    void (*changed)(void *ctx, uint64_t position, const vd_digest *task, int ledger,
                    const char *what);
    /* Host work that a task asks for, and whether a task has ended; by the engine's thread, after
     * it is durable. The effect is valid during the call.                                       */
    void (*work)(void *ctx, const sv_task_look *t, const rf_effect *e);
    void *ctx;
} sv_engine_options;

/* Open everything in a folder, begin it where there is nothing, start the thread.
 *   returns   what sv_ledger_open and sv_tasks_open return; RO_EIO; RO_ENOMEM                    */
ro_status sv_engine_open(const sv_engine_options *o, const vd_key *key, sv_engine **out,
                         ro_err *err) RO_CHECKED;
/* What waits is done first. */
void sv_engine_close(sv_engine *e);

/* Something to be done by the engine's thread. run: in the batch; what it begins it ends. done:
 * afterwards, failed NULL: it is durable. Neither is called after the other engine calls when the
 * batch cannot be begun: then done comes alone, with the reason. */
typedef struct sv_action {
    struct sv_action *next;
    void (*run)(sv_engine *e, struct sv_action *a);
    void (*done)(sv_engine *e, struct sv_action *a, const ro_err *failed);
} sv_action;
void sv_engine_post(sv_engine *e, sv_action *a);

/* For actions. */
sv_ledger *sv_engine_ledger(sv_engine *e);
sv_catalog *sv_engine_catalog(sv_engine *e);
sv_tasks *sv_engine_tasks(sv_engine *e);
uint64_t sv_now_ms(void); /* since 1970 */
const vd_key *sv_engine_key(const sv_engine *e);
const vd_digest *sv_engine_referee(const sv_engine *e);

/* The parameters of a task, by any thread.
 *   w         what the client asks for; the rest is the server's
 *   returns   RO_OK; RO_ELIMIT below or above what is allowed, or a job that is refused at
 *             admission; what rf_cost_of_job returns                                            */
typedef struct { uint64_t value[SV_PARAMS]; uint8_t has[SV_PARAMS]; } sv_wishes;
ro_status sv_engine_quote(const sv_engine *e, const vd_job *j, const sv_wishes *w, rf_params *p,
                          sv_fixed *f, ro_err *err) RO_CHECKED;
/* Open a task, as sv_tasks_submit does; f as sv_engine_quote gave it. For actions. */
ro_status sv_engine_submit(sv_engine *e, const sv_order *o, const sv_fixed *f, ro_err *err)
    RO_CHECKED;
/* Note a change for streams, told when the batch is durable. task NULL: none. For actions. */
void sv_engine_changed(sv_engine *e, const vd_digest *task, int ledger, const char *what);
/* Tell the engine that data of a task may be complete, after a blob was put into the store. */
void sv_engine_look_again(sv_engine *e, const vd_digest *task);

/* ---- views: by any thread ---------------------------------------------------------------- */

typedef struct { vd_digest digest; ro_type type; uint64_t bytes; } sv_blob; /* bytes: of the file */
typedef struct {
    uint8_t key[32];
    rf_role role;
    vd_digest root;
    int has_root, lost, assigned;
} sv_seat;

typedef struct sv_view {
    int references;               /* under the engine's lock                                     */
    vd_digest task, client;
    rf_task_state state;
    uint64_t position;            /* of the event that it is as of                               */
    sv_text full, brief;
    sv_asked *asked;
    uint32_t asked_count;
    sv_seat *seats;
    uint32_t seat_count;
    uint32_t disputes;
    /* the same in all views of a task, which keep it alive                                      */
    const struct sv_open *open;
    /* from RESOLVED on                                                                         */
    int has_root;
    vd_digest root;
    uint64_t result_bytes;
} sv_view;
/* NULL: no such task is open. To be given back. */
sv_view *sv_engine_view(sv_engine *e, const vd_digest *task);
void sv_engine_release(sv_engine *e, sv_view *v);
/* The views of all open tasks, one after the other: *cursor 0 at first; NULL: no more. */
sv_view *sv_engine_next_view(sv_engine *e, uint32_t *cursor);
/* What its job needs: constants, and first values of slots that are not zeros. */
const sv_blob *sv_view_blobs(const sv_view *v, uint32_t *count);

/* Counts for /metrics and /readyz. */
typedef struct {
    uint64_t batches, actions, failures, reopened, waiting;
    uint64_t tasks, deadline_ms, position;
    uint64_t states[RF_T_REFUNDED + 1]; /* tasks that entered each, since the start              */
    uint64_t verdicts, strikes, alarms;
    int64_t batch_ns;                    /* all together                                        */
    int broken;
    char why[200];
} sv_engine_counts;
void sv_engine_count(sv_engine *e, sv_engine_counts *c);

#endif
