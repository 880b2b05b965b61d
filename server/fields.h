/* fields.h - what requests bring as text: objects of strings, whole numbers, digits.
 *
 * What this file decides: nothing is guessed. What is not exactly of its form is none.
 *
 * Invariants
 *   1. Bytes of any origin; nothing is read past their end.
 *   2. Every name is known and comes once; every value is UTF-8 without a 0. */
#ifndef SV_FIELDS_H
#define SV_FIELDS_H
#include "../repops/repops.h"

/* The fields of a JSON object that has strings alone: values[k] is names[k]'s; all must be there.
 *   text      borrowed; values lie in room
 *   returns   RO_OK; RO_EFORMAT with a sentence                                                */
#define SV_FIELDS_ROOM 2048u
ro_status sv_fields(const uint8_t *text, size_t size, const char *const *names,
                    const char **values, uint32_t count, char room[SV_FIELDS_ROOM], ro_err *err)
    RO_CHECKED;
/* 1: they are what is asked for. Decimal digits alone, at most 20; exactly 2 n lower-case ones. */
int sv_parse_u64(const char *text, uint64_t *value);
int sv_parse_hex(const char *text, uint8_t *bytes, size_t n);

#endif
