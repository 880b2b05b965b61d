/* work.h - the referee's own work: what members must have answered, what kernels compute.
 *
 * What this file decides: how the host computes, on its own copies, in child processes with limits,
 * one after the other, what the state machine asks it for (referee/task.h, RF_DO_RUN).
 *
 * Invariants
 *   1. A result is said only of tensors that the accepted root, or the question, commits to: where
 *      the host's own run does not come to the same, the work cannot be done here.
 *   2. What fails for want of memory, time or a process is a fault, which decides nothing.
 *   3. Nothing here outlives the process: what is open is handed out again when it starts. */
#ifndef SV_WORK_H
#define SV_WORK_H
#include "engine.h"

typedef struct sv_work sv_work;
/* dir: of the service, whose store has the jobs' data. */
ro_status sv_work_open(const char *dir, sv_work **out, ro_err *err) RO_CHECKED;
/* Start the thread: results go to this engine, whose ledger is there. */
ro_status sv_work_begin(sv_work *w, sv_engine *e, ro_err *err) RO_CHECKED;
/* What an engine hands out, for sv_engine_options: any thread, returns at once. */
void sv_work_take(sv_work *w, const sv_task_look *l, const rf_effect *x);
/* What is under way is finished, nothing else begun. Before the engine is closed. */
void sv_work_stop(sv_work *w);
void sv_work_close(sv_work *w); /* after it */

/* A task's job, decoded anew, in the arena. RO_ENOTFOUND. */
ro_status sv_read_job(sv_catalog *c, const vd_digest *task, ro_arena *arena, vd_job **job,
                      ro_err *err) RO_CHECKED;
/* The trace body under a root that was revealed in a task. RO_ENOTFOUND. */
ro_status sv_read_body(sv_catalog *c, const vd_digest *task, const vd_digest *root,
                       vd_trace_body *body, ro_err *err) RO_CHECKED;

#endif
