/* tell.h - tasks, questions, verdicts and money in JSON.
 *
 * What this file decides: what is told of them, and what not yet (docs/API.md, "Tasks",
 * "Questions").
 *
 * Invariants
 *   1. A root is not told before all reveals are public; the secret not before the task has ended.
 *   2. Integers of 64 bits and digests are strings. */
#ifndef SV_TELL_H
#define SV_TELL_H
#include "catalog.h"
#include "tasks.h"
#include "text.h"

void sv_put_digest(sv_text *t, const vd_digest *d); /* with its quotes */

/* The parameters of a task by name, as docs/ECONOMICS.md has them. */
typedef struct { const char *name; int bytes; int is_signed; size_t at; } sv_param;
#define SV_PARAMS 29u
const sv_param *sv_params(void); /* SV_PARAMS of them */
int64_t sv_param_get(const rf_params *p, const sv_param *which);
/* RO_ELIMIT: it does not fit. */
ro_status sv_param_set(rf_params *p, const sv_param *which, uint64_t value, ro_err *err) RO_CHECKED;
void sv_tell_params(sv_text *t, const rf_params *p);

/* What of a task does not change. */
typedef struct {
    vd_digest secret;
    uint64_t made_ms;
    rf_cost cost;
    uint64_t nodes;
} sv_fixed;
/* Of the job alone: "job": {..}. */
void sv_tell_job(sv_text *t, const vd_job *j, uint64_t bytes, const sv_fixed *f);
/* A task: brief 1: without parameters and members.
 *   changed_ms, position   of its last event                                                   */
void sv_tell_task(sv_text *t, const sv_task_look *l, const sv_fixed *f, uint64_t changed_ms,
                  uint64_t position, int data_ready, uint32_t disputes, int brief);

/* A question that is open: its object without what is of whoever asks, and without its end. */
typedef struct {
    rf_effect_kind kind;   /* ASK, CHALLENGE, DELIVER, AUDIT */
    uint32_t sides;
    vd_digest roots[2];
    sv_text text;
} sv_asked;
void sv_tell_asked(sv_asked *a, const vd_digest *task, const rf_effect *e);
/* A verdict. sides: what their parties are called. */
void sv_tell_verdict(sv_text *t, const rf_verdict *v);
/* A transfer, and what a key of one says it is for. */
void sv_tell_booked(sv_text *t, const sv_booked *b);
const char *sv_purpose(uint64_t key);

#endif
