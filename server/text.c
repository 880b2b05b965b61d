/* text.c - text that grows.
 *
 * What this file decides: which characters are escaped. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX ((size_t)1 << 30)

/* Room for n more and a 0. */
static int room(sv_text *t, size_t n)
{
    if (t->failed || n > TEXT_MAX - t->size - 1) {
        t->failed = 1;
        return 0;
    }
    if (t->size + n + 1 <= t->room) return 1;
    size_t want = t->room ? 2 * t->room : 512;
    while (want < t->size + n + 1) want *= 2;
    char *p = ro_resize(t->text, t->room, want);
    if (!p) {
        t->failed = 1;
        return 0;
    }
    t->text = p;
    t->room = want;
    return 1;
}

void sv_put_bytes(sv_text *t, const void *bytes, size_t n)
{
    if (!room(t, n)) return;
    if (n) memcpy(t->text + t->size, bytes, n);
    t->size += n;
    t->text[t->size] = 0;
}

void sv_put(sv_text *t, const char *format, ...)
{
    va_list list;
    if (!room(t, 128)) return;
    for (int tries = 0; tries < 2; tries++) {
        va_start(list, format);
        int n = vsnprintf(t->text + t->size, t->room - t->size, format, list);
        va_end(list);
        if (n < 0) t->failed = 1;
        else if ((size_t)n < t->room - t->size) {
            t->size += (size_t)n;
            return;
        }
        if (t->failed || !room(t, (size_t)n)) return;
    }
}

void sv_put_json(sv_text *t, const char *s)
{
    sv_put_bytes(t, "\"", 1);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') sv_put(t, "\\%c", c);
        else if (c < 0x20 || c == 0x7f) sv_put(t, "\\u%04x", c);
        else sv_put_bytes(t, s, 1);
    }
    sv_put_bytes(t, "\"", 1);
}

void sv_put_hex(sv_text *t, const void *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = bytes;
    if (n > TEXT_MAX / 2 || !room(t, 2 * n)) return;
    for (size_t k = 0; k < n; k++) {
        t->text[t->size++] = digits[b[k] >> 4];
        t->text[t->size++] = digits[b[k] & 15];
    }
    t->text[t->size] = 0;
}

void sv_put_base64(sv_text *t, const void *bytes, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = bytes;
    if (n > TEXT_MAX / 2 || !room(t, (n + 2) / 3 * 4)) return;
    for (size_t k = 0; k < n; k += 3) {
        uint32_t left = (uint32_t)(n - k < 3 ? n - k : 3), v = (uint32_t)b[k] << 16;
        if (left > 1) v |= (uint32_t)b[k + 1] << 8;
        if (left > 2) v |= b[k + 2];
        for (uint32_t d = 0; d < 4; d++)
            t->text[t->size++] = d <= left ? digits[v >> (18 - 6 * d) & 63] : '=';
    }
    t->text[t->size] = 0;
}

void sv_text_clear(sv_text *t)
{
    t->size = 0;
    if (t->text) t->text[0] = 0;
}

void sv_text_free(sv_text *t)
{
    ro_free(t->text);
    *t = (sv_text){NULL, 0, 0, 0};
}
