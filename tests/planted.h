/* planted.h - a backend that goes wrong on purpose: ro_cpu(), but its steps flip one bit, or do not
 * come to an end. For the tests of what the referee makes of its own faults. */
#ifndef PLANTED_H
#define PLANTED_H
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../repops/repops.h"

#ifndef PLANTED_REAL
#define PLANTED_REAL ro_cpu
#endif

typedef enum {
    PLANT_FLIP, PLANT_SPIN, PLANT_KILL, PLANT_EAT, PLANT_FORK, PLANT_SOCKET, PLANT_CRASH
} plant_kind;

static plant_kind plant;
static ro_fault plant_fault; /* PLANT_FLIP; node 0 where the graph has no such node */

static int *volatile plant_nothing; /* NULL, which the compiler does not know */

static inline ro_status plant_bomb(ro_err *err)
{
    volatile uint64_t forever = 0;
    if (plant == PLANT_SPIN) for (;;) forever++;
    if (plant == PLANT_CRASH) *plant_nothing = 1;
    if (plant == PLANT_KILL) raise(SIGKILL);
    if (plant == PLANT_FORK) (void)!fork();
    if (plant == PLANT_SOCKET) (void)!socket(AF_INET, SOCK_STREAM, 0);
    for (int k = 0; plant == PLANT_EAT && k < 64; k++) {
        uint8_t *p = ro_alloc((size_t)64 << 20);
        if (!p) return RO_FAIL(err, RO_ENOMEM, "no memory is left to eat");
        memset(p, 1, (size_t)64 << 20);
    }
    return RO_OK;
}

static inline ro_status plant_step(ro_plan *p, const ro_step_options *o, ro_err *err)
{
    static const ro_step_options none;
    ro_step_options with = o ? *o : none;
    ro_err why = {RO_OK, {0}};
    if (plant != PLANT_FLIP) RO_TRY(plant_bomb(err));
    if (plant != PLANT_FLIP) return PLANTED_REAL()->step(p, o, err);
    ro_fault f = plant_fault;
    with.fault = &f;
    if (PLANTED_REAL()->step(p, &with, &why) != RO_EUSAGE) return why.code;
    f.node = 0;
    return PLANTED_REAL()->step(p, &with, err);
}

static inline const ro_backend *planted(void)
{
    static ro_backend b;
    b = *PLANTED_REAL();
    b.step = plant_step;
    return &b;
}
#endif
