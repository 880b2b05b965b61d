/* provide.h - a provider: which tasks it takes, what it computes, what it says.
 *
 * What this file decides: what provide.c (the life of its tasks), compute.c (computing, in a
 * process of its own) and party.c (answers) share. Private to verde-provide.
 *
 * Invariants
 *   1. Whatever is signed is in the message log before it is sent (referee/agent.h), so this
 *      process may be killed at any instant and started again.
 *   2. All that is said follows from the trace, which vd_run writes the same however often it is
 *      cut off; nothing is committed to before random steps of it were run again.
 *   3. Computing has a process of its own, so that questions are answered meanwhile, and ends with
 *      this one.                                                                                */
#ifndef SV_PROVIDE_H
#define SV_PROVIDE_H
#include "../referee/agent.h"
#include "remote.h"

typedef struct {
    const char *server, *key_path, *data;
    uint64_t memory_bytes, flops;  /* of a job; more is not taken                              */
    int64_t reward, stake;         /* of a slot: at least, at most                             */
    uint64_t tasks;                /* at a time                                                */
    uint64_t checks;               /* steps that are run again before a commitment             */
    uint64_t threads, snapshot;
    uint64_t poll_ms;
    int once, json, keep;
    const vd_fault *faults;        /* --inject: it cheats                                      */
    uint32_t fault_count;
    volatile int *stop;
} sv_provide_options;

/* Take tasks and see them through until *stop, or with `once` until they have ended.
 *   *lost     out: tasks in which a stake was lost
 *   returns   RO_OK; what opening key, log, folder and server returns                          */
ro_status sv_provide(const sv_provide_options *o, uint32_t *lost, ro_err *err) RO_CHECKED;

/* ---- compute.c ------------------------------------------------------------------------------ */

#define SV_FOLDER_MAX 3800u
/* The files of a task: DATA/tasks/<id>/run.trace, store/, result. */
typedef struct {
    char folder[SV_FOLDER_MAX], trace[SV_FOLDER_MAX + 32], store[SV_FOLDER_MAX + 32],
        result[SV_FOLDER_MAX + 32], partial[SV_FOLDER_MAX + 32];
} sv_task_files;
ro_status sv_task_files_of(const char *data, const vd_digest *task, sv_task_files *f, ro_err *err)
    RO_CHECKED;
/* Remove them. */
void sv_task_files_remove(const sv_task_files *f);

/* Fetch the job and its data, run it, run random steps again, lay down the result: whatever of that
 * is not done yet. f->result is there when all of it is. RO_EDIFFER: a step run again gave
 * something else, which no honest machine does. */
ro_status sv_compute(const sv_provide_options *o, sv_remote *r, const vd_key *key,
                  const sv_task_told *t, const sv_task_files *f, ro_err *err) RO_CHECKED;

/* The faults that fall into a job; *count of them. list: room for VD_FAULTS_MAX. */
void sv_faults_of(const sv_provide_options *o, const vd_job *j, vd_fault *list, uint32_t *count);

/* ---- party.c ----------------------------------------------------------------------------- */

/* A finished trace with all that answers come from. */
typedef struct sv_party sv_party;
ro_status sv_party_open(const sv_provide_options *o, const vd_key *key, const sv_task_files *f,
                        ro_pool *pool, sv_party **out, ro_err *err) RO_CHECKED;
void sv_party_close(sv_party *p);
const vd_digest *sv_party_root(const sv_party *p);
/* The reveal of its trace, but for the salt. */
void sv_party_reveal(const sv_party *p, rf_reveal *reveal);

/* What the API says is asked. */
typedef struct {
    vd_digest task, asked, claim, roots[2];
    uint64_t deadline_ms;
    uint32_t level, pair;
} sv_pair_question;
typedef struct {
    rf_message draft;
    uint8_t *payload; /* from ro_alloc */
    size_t size;
} sv_saying;
/* The message that answers a question: type, slot, claim and envelope of the draft are set.
 *   bodies    of the two roots, in their order
 *   *said     0: this party has nothing to say to it, or it is not what is open any more
 *   returns   RO_OK; RO_EFORMAT the openings are no game; what running a step again returns    */
ro_status sv_party_answer(sv_party *p, const sv_pair_question *q,
                          const uint8_t bodies[2][VD_TRACE_BODY_BYTES], const void *openings,
                          size_t n, sv_saying *s, int *said, ro_err *err) RO_CHECKED;
/* The claim of an attention challenge: H(task, key, the tensor). */
ro_status sv_party_attention(sv_party *p, const vd_digest *task, uint64_t step, uint32_t node,
                             uint32_t output, vd_digest *answer, ro_err *err) RO_CHECKED;

#endif
