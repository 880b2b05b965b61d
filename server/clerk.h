/* clerk.h - a thread that does one thing after the other.
 *
 * What this file decides: nothing but the order, which is that of posting.
 *
 * Invariants
 *   1. What was posted is run once, also when the clerk is closed, unless it says otherwise. */
#ifndef SV_CLERK_H
#define SV_CLERK_H
#include "../repops/repops.h"

typedef struct sv_errand {
    struct sv_errand *next;
    void (*run)(struct sv_errand *e);
} sv_errand;

typedef struct sv_clerk sv_clerk;
ro_status sv_clerk_open(sv_clerk **out, ro_err *err) RO_CHECKED;
void sv_clerk_post(sv_clerk *c, sv_errand *e); /* taken until it has run */
uint64_t sv_clerk_waiting(sv_clerk *c);
/* What waits is run first. */
void sv_clerk_close(sv_clerk *c);

#endif
