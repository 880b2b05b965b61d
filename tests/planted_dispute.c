/* planted_dispute.c - verde-dispute that goes wrong on purpose. The linker hands calls of three
 * functions here first: ro_cpu, whose kernels become those of planted.h; ro_at, every scalar body;
 * rf_game_new, which is called when all files are open.
 *
 *   VERDE_PLANT=KIND, of kernels: flip:NODE:OUTPUT:ELEMENT:BIT, spin, kill, eat, fork, socket or
 *               crash
 *               body-KIND, of scalar bodies: the same kinds; flip is of bit 0
 *               cut:FILE, which shortens that file to a page
 *               unset: nothing */
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
    static const char *const kinds[] = {"flip", "spin", "kill", "eat", "fork", "socket",
                                        "crash"};
    unsigned long long element = 0;
    for (int k = 0; k <= PLANT_CRASH; k++)
        if (strncmp(text, kinds[k], strlen(kinds[k])) == 0) plant = (plant_kind)k;
    (void)sscanf(text, "flip:%u:%u:%llu:%u", &plant_fault.node, &plant_fault.output, &element,
                 &plant_fault.bit);
    plant_fault.element = element;
}

static int is_cut(const char *what) { return strncmp(what, "cut:", 4) == 0; }
static int is_body(const char *what) { return strncmp(what, "body-", 5) == 0; }

const ro_backend *__wrap_ro_cpu(void)
{
    const char *what = getenv("VERDE_PLANT"), *level = getenv("VERDE_ISA");
    if (!what || is_cut(what) || is_body(what) || (level && strcmp(level, "scalar") == 0))
        return __real_ro_cpu();
    read_plant(what);
    return planted();
}

ro_status __real_rf_game_new(const rf_setup *s, rf_game **out, ro_err *err);
ro_status __wrap_rf_game_new(const rf_setup *s, rf_game **out, ro_err *err);
ro_status __wrap_rf_game_new(const rf_setup *s, rf_game **out, ro_err *err)
{
    const char *what = getenv("VERDE_PLANT");
    if (what && is_cut(what) && truncate(what + 4, 4096) != 0) abort();
    return __real_rf_game_new(s, out, err);
}

uint64_t __real_ro_at(ro_op op, const ro_reader *r, const void *attrs, uint32_t out, uint64_t i);
uint64_t __wrap_ro_at(ro_op op, const ro_reader *r, const void *attrs, uint32_t out, uint64_t i);
uint64_t __wrap_ro_at(ro_op op, const ro_reader *r, const void *attrs, uint32_t out, uint64_t i)
{
    const char *what = getenv("VERDE_PLANT");
    ro_err err = {RO_OK, {0}};
    if (!what || !is_body(what)) return __real_ro_at(op, r, attrs, out, i);
    read_plant(what + 5);
    (void)!plant_bomb(&err);
    return __real_ro_at(op, r, attrs, out, i) ^ (plant == PLANT_FLIP);
}
