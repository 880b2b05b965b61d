/* html.c - bytes into a page, checked and escaped. */
#include "html.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_ROOM ((size_t)16 << 10)

void sv_html_init(sv_html *h) { memset(h, 0, sizeof *h); }

void sv_html_release(sv_html *h)
{
    ro_free(h->text);
    sv_html_init(h);
}

ro_status sv_html_status(const sv_html *h, ro_err *err)
{
    if (h->lost == RO_ELIMIT)
        return RO_FAIL(err, RO_ELIMIT, "a page would be longer than %zu bytes", SV_HTML_MAX);
    if (h->lost) return RO_FAIL(err, RO_ENOMEM, "no memory for a page");
    return RO_OK;
}

static void put_bytes(sv_html *h, const char *bytes, size_t n)
{
    if (h->lost) return;
    if (n > SV_HTML_MAX - h->size) {
        h->lost = RO_ELIMIT;
        return;
    }
    if (h->size + n + 1 > h->room) {
        size_t room = h->room ? h->room : FIRST_ROOM;
        while (room < h->size + n + 1) room *= 2;
        char *text = ro_resize(h->text, h->room, room);
        if (!text) {
            h->lost = RO_ENOMEM;
            return;
        }
        h->text = text;
        h->room = room;
    }
    memcpy(h->text + h->size, bytes, n);
    h->size += n;
    h->text[h->size] = 0;
}

static void put_plain(sv_html *h, const char *text) { put_bytes(h, text, strlen(text)); }

void sv_mark_html(sv_html *h, const sv_html *from)
{
    if (from->lost && !h->lost) h->lost = from->lost;
    if (from->size) put_bytes(h, from->text, from->size);
}

/* ---- text of any origin ----------------------------------------------------------------- */

/* The bytes of the character that begins here, and which it is; 0: they are none. */
static size_t utf8(const unsigned char *s, uint32_t *character)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    if (n == 0) return 0;
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t k = 1; k < n; k++) {
        if ((s[k] & 0xc0) != 0x80) return 0; /* a 0 at the end is none either */
        c = c << 6 | (s[k] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
    *character = c;
    return n;
}

/* Controls, what is no character, and what turns the direction of the text around it. */
static int is_unfit(uint32_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
           c == 0x200f || c == 0x061c || (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

static void put_escaped(sv_html *h, const char *text)
{
    static const char instead[] = "\xef\xbf\xbd";
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        uint32_t c = 0;
        size_t n = utf8(s, &c);
        if (n == 0 || is_unfit(c)) put_bytes(h, instead, 3);
        else if (c == '&') put_bytes(h, "&amp;", 5);
        else if (c == '<') put_bytes(h, "&lt;", 4);
        else if (c == '>') put_bytes(h, "&gt;", 4);
        else if (c == '"') put_bytes(h, "&quot;", 6);
        else if (c == '\'') put_bytes(h, "&#39;", 5);
        else put_bytes(h, (const char *)s, n);
        s += n ? n : 1;
    }
}

/* ---- formats ---------------------------------------------------------------------------- */

/* One number; `spec` is its conversion without the length. */
static void put_signed(sv_html *h, char spec, intmax_t v)
{
    char text[32];
    RO_ASSERT(spec == 'd' || spec == 'i' || spec == 'c');
    if (spec == 'c') snprintf(text, sizeof text, "%c", (int)v);
    else snprintf(text, sizeof text, "%" PRIdMAX, v);
    if (spec == 'c') put_escaped(h, text);
    else put_plain(h, text);
}

static void put_unsigned(sv_html *h, char spec, uintmax_t v)
{
    char text[32];
    RO_ASSERT(spec == 'u' || spec == 'x');
    snprintf(text, sizeof text, spec == 'x' ? "%" PRIxMAX : "%" PRIuMAX, v);
    put_plain(h, text);
}

void sv_mark(sv_html *h, const char *format, ...)
{
    va_list a;
    va_start(a, format);
    for (const char *f = format; *f;) {
        size_t n = strcspn(f, "%");
        put_bytes(h, f, n);
        f += n;
        if (!*f) break;
        uint32_t longs = 0;
        int size = 0;
        for (f++; *f == 'l' || *f == 'z'; f++) {
            longs += *f == 'l';
            size |= *f == 'z';
        }
        const char spec = *f++;
        const int is_signed = spec == 'd' || spec == 'i' || spec == 'c';
        if (spec == '%') put_bytes(h, "%", 1);
        else if (spec == 's') put_escaped(h, va_arg(a, const char *));
        else if (size) put_unsigned(h, spec, va_arg(a, size_t));
        else if (is_signed && longs == 0) put_signed(h, spec, va_arg(a, int));
        else if (is_signed && longs == 1) put_signed(h, spec, va_arg(a, long));
        else if (is_signed) put_signed(h, spec, va_arg(a, long long));
        else if (longs == 0) put_unsigned(h, spec, va_arg(a, unsigned));
        else if (longs == 1) put_unsigned(h, spec, va_arg(a, unsigned long));
        else put_unsigned(h, spec, va_arg(a, unsigned long long));
    }
    va_end(a);
}

/* ---- numbers, money --------------------------------------------------------------------- */

void sv_mark_count(sv_html *h, uint64_t n)
{
    char text[32];
    size_t at = sizeof text, digits = 0;
    do {
        if (digits && digits % 3 == 0) text[--at] = ',';
        text[--at] = (char)('0' + n % 10);
        digits++;
    } while (n /= 10);
    put_bytes(h, text + at, sizeof text - at);
}

static uint64_t magnitude(int64_t v) { return v < 0 ? 0 - (uint64_t)v : (uint64_t)v; }

static void put_whole(sv_html *h, int64_t micro)
{
    if (micro < 0) put_bytes(h, "\xe2\x88\x92", 3); /* a minus, as wide as a plus */
    sv_mark_count(h, magnitude(micro) / 1000000);
}

void sv_mark_money(sv_html *h, int64_t micro)
{
    const unsigned part = (unsigned)(magnitude(micro) % 1000000);
    char text[16];
    put_whole(h, micro);
    if (part % 10000 == 0) snprintf(text, sizeof text, ".%02u", part / 10000);
    else snprintf(text, sizeof text, ".%06u", part);
    put_plain(h, text);
}

void sv_mark_micro(sv_html *h, int64_t micro)
{
    const unsigned part = (unsigned)(magnitude(micro) % 1000000);
    char text[64];
    put_whole(h, micro);
    snprintf(text, sizeof text, ".%02u<span class=\"u\">%04u</span>", part / 10000, part % 10000);
    put_plain(h, text);
}

void sv_mark_signed(sv_html *h, int64_t micro)
{
    if (micro > 0) put_bytes(h, "+", 1);
    sv_mark_money(h, micro);
}

void sv_mark_bytes(sv_html *h, uint64_t n)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    char text[40];
    size_t k = 0;
    if (n < 4096) {
        sv_mark_count(h, n);
        put_bytes(h, n == 1 ? " byte" : " bytes", n == 1 ? 5 : 6);
        return;
    }
    uint64_t unit = 1024;
    while (n / unit >= 1024 && k + 1 < sizeof units / sizeof *units) {
        unit *= 1024;
        k++;
    }
    const uint64_t whole = n / unit, hundredths = n % unit / (unit / 1024) * 100 / 1024;
    if (whole >= 100) snprintf(text, sizeof text, "%" PRIu64 " %s", whole, units[k]);
    else snprintf(text, sizeof text, "%" PRIu64 ".%02" PRIu64 " %s", whole, hundredths, units[k]);
    put_plain(h, text);
}

void sv_mark_duration(sv_html *h, uint64_t ms)
{
    const uint64_t s = ms / 1000, minutes = s / 60, hours = minutes / 60;
    char text[64];
    if (ms < 1000) snprintf(text, sizeof text, "%" PRIu64 " ms", ms);
    else if (ms < 10000)
        snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
    else if (s < 60) snprintf(text, sizeof text, "%" PRIu64 " s", s);
    else if (minutes < 60 && s % 60 == 0) snprintf(text, sizeof text, "%" PRIu64 " min", minutes);
    else if (minutes < 60)
        snprintf(text, sizeof text, "%" PRIu64 " min %" PRIu64 " s", minutes, s % 60);
    else if (hours < 48 && minutes % 60 == 0) snprintf(text, sizeof text, "%" PRIu64 " h", hours);
    else if (hours < 48)
        snprintf(text, sizeof text, "%" PRIu64 " h %" PRIu64 " min", hours, minutes % 60);
    else snprintf(text, sizeof text, "%" PRIu64 " d %" PRIu64 " h", hours / 24, hours % 24);
    put_plain(h, text);
}

/* ---- times and digests ------------------------------------------------------------------ */

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

#define SOON_MS UINT64_C(864000000) /* ten days: a deadline, of which the hour counts */

/* 0: a time that has no date of four digits. */
static int date_of(uint64_t ms, struct tm *out)
{
    const time_t t = (time_t)(ms / 1000);
    return ms / 1000 <= UINT64_C(253402300799) && gmtime_r(&t, out) != NULL;
}

void sv_mark_time(sv_html *h, uint64_t ms, uint64_t now_ms)
{
    struct tm t, now;
    char text[160];
    if (ms == 0 || !date_of(ms, &t) || !date_of(now_ms, &now)) {
        put_plain(h, "<span aria-hidden=\"true\">\xe2\x80\x93</span>"
                     "<span class=\"sr\">none</span>");
        return;
    }
    snprintf(text, sizeof text, "<time datetime=\"%04d-%02d-%02dT%02d:%02d:%02dZ\">",
             t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
    put_plain(h, text);
    if (t.tm_year == now.tm_year && t.tm_yday == now.tm_yday)
        snprintf(text, sizeof text, "%02d:%02d:%02d</time>", t.tm_hour, t.tm_min, t.tm_sec);
    else if (ms > now_ms && ms - now_ms < SOON_MS)
        snprintf(text, sizeof text, "%d %s, %02d:%02d</time>", t.tm_mday, months[t.tm_mon],
                 t.tm_hour, t.tm_min);
    else if (t.tm_year == now.tm_year)
        snprintf(text, sizeof text, "%d %s</time>", t.tm_mday, months[t.tm_mon]);
    else
        snprintf(text, sizeof text, "%d %s %d</time>", t.tm_mday, months[t.tm_mon],
                 t.tm_year + 1900);
    put_plain(h, text);
}

void sv_mark_digest(sv_html *h, const vd_digest *d, uint32_t digits)
{
    char hex[2 * VD_DIGEST + 1];
    RO_ASSERT(digits && digits <= 2 * VD_DIGEST);
    vd_digest_hex(d, hex);
    if (digits == 2 * VD_DIGEST) put_bytes(h, "<code>", 6);
    else sv_mark(h, "<code title=\"%s\">", hex);
    put_bytes(h, hex, digits);
    put_bytes(h, "</code>", 7);
}
