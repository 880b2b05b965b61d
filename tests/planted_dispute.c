/* planted_dispute.c - verde-dispute whose kernels go wrong on purpose. Linked with --wrap=ro_cpu:
 * what it computes by kernels it computes by planted.h; the scalar bodies stay what they are. And
 * with --wrap=rf_game_new, which is called when all files are open.
 *
 *   VERDE_PLANT=flip:NODE:OUTPUT:ELEMENT:BIT, spin, kill, eat, fork or socket; cut:FILE, which
 *   shortens that file to a page once all traces are open; unset: nothing */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "../referee/referee.h"

const ro_backend *__real_ro_cpu(void);
const ro_backend *__wrap_ro_cpu(void);
#define PLANTED_REAL __real_ro_cpu
#include "planted.h"

static void read_plant(const char *text)
{
    static const char *const kinds[] = {"flip", "spin", "kill", "eat", "fork", "socket"};
    unsigned long long element = 0;
    for (int k = 0; k < 6; k++)
        if (strncmp(text, kinds[k], strlen(kinds[k])) == 0) plant = (plant_kind)k;
    (void)sscanf(text, "flip:%u:%u:%llu:%u", &plant_fault.node, &plant_fault.output, &element,
                 &plant_fault.bit);
    plant_fault.element = element;
}

const ro_backend *__wrap_ro_cpu(void)
{
    const char *what = getenv("VERDE_PLANT"), *level = getenv("VERDE_ISA");
    if (!what || strncmp(what, "cut:", 4) == 0 || (level && strcmp(level, "scalar") == 0))
        return __real_ro_cpu();
    read_plant(what);
    return planted();
}

ro_status __real_rf_game_new(const rf_setup *s, rf_game **out, ro_err *err);
ro_status __wrap_rf_game_new(const rf_setup *s, rf_game **out, ro_err *err);
ro_status __wrap_rf_game_new(const rf_setup *s, rf_game **out, ro_err *err)
{
    const char *what = getenv("VERDE_PLANT");
    if (what && strncmp(what, "cut:", 4) == 0 && truncate(what + 4, 4096) != 0) abort();
    return __real_rf_game_new(s, out, err);
}
