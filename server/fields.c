/* fields.c - JSON objects of texts, digits and digests, as requests bring them.
 *
 * What this file decides: what is taken for such an object. It is read in one pass, without
 * recursion: there is nothing nested. */
#include "fields.h"

#include <string.h>

int sv_parse_u64(const char *s, uint64_t *v)
{
    *v = 0;
    if (!*s || strlen(s) > 20) return 0;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || *v > (UINT64_MAX - (uint64_t)(*s - '0')) / 10) return 0;
        *v = *v * 10 + (uint64_t)(*s - '0');
    }
    return 1;
}

int sv_parse_hex(const char *text, uint8_t *bytes, size_t n)
{
    if (strlen(text) != 2 * n) return 0;
    for (size_t k = 0; k < 2 * n; k++) {
        const char c = text[k];
        const int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0) return 0;
        bytes[k / 2] = (uint8_t)(k % 2 ? bytes[k / 2] | d : d << 4);
    }
    return 1;
}

typedef struct { const uint8_t *p, *end; char *to, *to_end; ro_err *err; } scanner;

static void skip_space(scanner *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

static int take(scanner *s, char c)
{
    skip_space(s);
    if (s->p == s->end || *s->p != (uint8_t)c) return 0;
    s->p++;
    return 1;
}

static int put_char(scanner *s, unsigned c)
{
    if (s->to + 4 >= s->to_end || !c) return 0;
    if (c < 0x80) *s->to++ = (char)c;
    else if (c < 0x800) {
        *s->to++ = (char)(0xc0 | c >> 6);
        *s->to++ = (char)(0x80 | (c & 63));
    } else {
        *s->to++ = (char)(0xe0 | c >> 12);
        *s->to++ = (char)(0x80 | (c >> 6 & 63));
        *s->to++ = (char)(0x80 | (c & 63));
    }
    return 1;
}

static int take_escape(scanner *s)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s->p == s->end) return 0;
    const char c = (char)*s->p++;
    const char *at = c ? strchr(from, c) : NULL;
    if (at) return put_char(s, (unsigned char)to[at - from]);
    unsigned v = 0;
    if (c != 'u' || s->end - s->p < 4) return 0;
    for (int k = 0; k < 4; k++) {
        const uint8_t h = *s->p++;
        const unsigned l = h | 32u;
        const unsigned d = h >= '0' && h <= '9' ? h - 48u : l >= 'a' && l <= 'f' ? l - 87u : 16;
        if (d > 15) return 0;
        v = v << 4 | d;
    }
    return v < 0xd800 || v > 0xdfff ? put_char(s, v) : 0; /* no name needs what is beyond */
}

/* Whether bytes are UTF-8 of at most 3 bytes a character. */
static int is_utf8(const uint8_t *p, const uint8_t *end, unsigned *n)
{
    *n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 0;
    if (!*n || end - p < *n) return 0;
    for (unsigned k = 1; k < *n; k++)
        if ((p[k] & 0xc0) != 0x80) return 0;
    return *n < 3 || (p[0] == 0xe0 ? p[1] >= 0xa0 : p[0] != 0xed || p[1] < 0xa0);
}

/* A string, into the room; NULL: none, or too long. */
static const char *take_string(scanner *s)
{
    const char *begin = s->to;
    if (!take(s, '"')) return NULL;
    while (s->p < s->end && *s->p != '"') {
        unsigned n;
        if (*s->p < 0x20) return NULL;
        if (*s->p == '\\') {
            s->p++;
            if (!take_escape(s)) return NULL;
            continue;
        }
        if (!is_utf8(s->p, s->end, &n) || s->to + n + 1 >= s->to_end) return NULL;
        memcpy(s->to, s->p, n);
        s->to += n;
        s->p += n;
    }
    if (s->p == s->end) return NULL;
    s->p++;
    *s->to++ = 0;
    return begin;
}

ro_status sv_fields(const uint8_t *text, size_t size, const char *const *names,
                    const char **values, uint32_t count, char room[SV_FIELDS_ROOM], ro_err *err)
{
    scanner s = {text, text + size, room, room + SV_FIELDS_ROOM, err};
    for (uint32_t k = 0; k < count; k++) values[k] = NULL;
    if (!take(&s, '{')) return RO_FAIL(err, RO_EFORMAT, "the body is no object { ... }");
    for (int first = 1; !take(&s, '}'); first = 0) {
        uint32_t k = 0;
        if (!first && !take(&s, ','))
            return RO_FAIL(err, RO_EFORMAT, "a comma or } is missing in the body");
        const char *name = take_string(&s), *value = name && take(&s, ':') ? take_string(&s) : NULL;
        if (!value)
            return RO_FAIL(err, RO_EFORMAT, "the body has what is no \"name\": \"text\", or more "
                           "than %u bytes of texts", SV_FIELDS_ROOM);
        while (k < count && strcmp(name, names[k]) != 0) k++;
        if (k == count)
            return RO_FAIL(err, RO_EFORMAT, "the body has the unknown key \"%.60s\"", name);
        if (values[k]) return RO_FAIL(err, RO_EFORMAT, "the body has the key \"%s\" twice", name);
        values[k] = value;
    }
    skip_space(&s);
    if (s.p != s.end) return RO_FAIL(err, RO_EFORMAT, "something follows the body's object");
    for (uint32_t k = 0; k < count; k++)
        if (!values[k]) return RO_FAIL(err, RO_EFORMAT, "the body lacks \"%s\"", names[k]);
    return RO_OK;
}
