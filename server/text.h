/* text.h - text that grows: bodies of replies, JSON. Pages have page/html.h, which escapes.
 *
 * What this file decides: how outside text is written into JSON so that it stays text.
 *
 * Invariants
 *   1. Whoever appends checks nothing: without memory `failed` is set, and stays.
 *   2. text ends with a 0 that size does not count; NULL while nothing was put. */
#ifndef SV_TEXT_H
#define SV_TEXT_H
#include "../repops/repops.h"

typedef struct { char *text; size_t size, room; int failed; } sv_text;

void sv_put(sv_text *t, const char *format, ...) RO_PRINTF(2, 3);
void sv_put_bytes(sv_text *t, const void *bytes, size_t n);
/* A string of JSON, its quotes too. */
void sv_put_json(sv_text *t, const char *s);
void sv_put_hex(sv_text *t, const void *bytes, size_t n);
void sv_put_base64(sv_text *t, const void *bytes, size_t n);
void sv_text_clear(sv_text *t); /* its memory stays */
void sv_text_free(sv_text *t);

#endif
