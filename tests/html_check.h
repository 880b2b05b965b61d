/* html_check.h - whether HTML is well formed, by the few rules that the pages keep: attributes
 * quoted and each once, every element closed but the void ones, ids once and found where they are
 * named, no style and no script within the page, pictures with words, tables with captions, places
 * within the picture. It says the first thing that is wrong. */
#ifndef HTML_CHECK_H
#define HTML_CHECK_H
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HC_DEPTH 64
#define HC_IDS 4096

typedef struct {
    const char *at, *begin;
    char wrong[400];
    char open[HC_DEPTH][16];
    int depth;
    char ids[HC_IDS][48], named[HC_IDS][48];
    int id_count, named_count;
    unsigned long svgs, tables, captions, headings, mains;
} html_check;

static inline int hc_fail(html_check *c, const char *format, ...)
{
    va_list a;
    char what[200];
    if (c->wrong[0]) return 0;
    va_start(a, format);
    vsnprintf(what, sizeof what, format, a);
    va_end(a);
    const size_t before = (size_t)(c->at - c->begin);
    snprintf(c->wrong, sizeof c->wrong, "%s at \"%.60s\" after \"%.60s\"", what, c->at,
             c->at - (before < 60 ? before : 60));
    return 0;
}

static inline int hc_is_void(const char *tag)
{
    static const char *const list[] = {"meta", "link", "br", "img", "hr", "input"};
    for (size_t k = 0; k < sizeof list / sizeof *list; k++)
        if (strcmp(tag, list[k]) == 0) return 1;
    return 0;
}

static inline void hc_entity(html_check *c)
{
    static const char *const list[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t k = 0; k < sizeof list / sizeof *list; k++)
        if (strncmp(c->at, list[k], strlen(list[k])) == 0) {
            c->at += strlen(list[k]);
            return;
        }
    hc_fail(c, "an ampersand that begins no entity");
}

/* x, width, x1 .. of a picture: "12.5%" lies in it. */
static inline void hc_place(html_check *c, const char *name, const char *value)
{
    static const char *const names[] = {"x", "width", "x1", "x2", "height", "y", "y1", "y2"};
    int is = 0;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) is |= strcmp(names[k], name) == 0;
    if (!is) return;
    for (const char *v = value; *v;) {
        char *end;
        const double n = strtod(v, &end);
        if (end == v) {
            hc_fail(c, "%s=\"%.40s\" is no place", name, value);
            return;
        }
        if (*end == '%' && (n < -0.001 || n > 100.001))
            hc_fail(c, "%s=%.40s lies outside", name, v);
        if (!(n > -1e5 && n < 1e6)) hc_fail(c, "%s=%.40s lies far outside", name, v);
        v = end + (*end == '%');
        v += *v == ' ';
    }
}

typedef struct { int role, label, hidden, scope, caption, src, href; double x, width; } hc_seen;

static inline void hc_keep(html_check *c, char list[HC_IDS][48], int *count, const char *id)
{
    const size_t n = strlen(id);
    if (n == 0 || n > 47 || *count == HC_IDS) hc_fail(c, "an id of %zu characters, or too many", n);
    else memcpy(list[(*count)++], id, n + 1);
}

static inline void hc_attribute(html_check *c, const char *tag, const char *name, const char *value,
                                hc_seen *seen)
{
    if (strncmp(name, "on", 2) == 0 || strcmp(name, "style") == 0)
        hc_fail(c, "<%s> has %s", tag, name);
    if (strcmp(name, "id") == 0) {
        for (int k = 0; k < c->id_count; k++)
            if (strcmp(c->ids[k], value) == 0) hc_fail(c, "the id %s is there twice", value);
        hc_keep(c, c->ids, &c->id_count, value);
    }
    if (strcmp(name, "aria-labelledby") == 0 || strcmp(name, "aria-describedby") == 0)
        hc_keep(c, c->named, &c->named_count, value);
    if ((strcmp(name, "href") == 0 || strcmp(name, "src") == 0) && value[0] != '/' &&
        value[0] != '#')
        hc_fail(c, "%s=\"%.60s\" leads elsewhere", name, value);
    if (strncmp(value, "//", 2) == 0) hc_fail(c, "%s leads to another host", name);
    hc_place(c, name, value);
    seen->role |= strcmp(name, "role") == 0;
    seen->label |= strcmp(name, "aria-label") == 0 && value[0];
    seen->hidden |= strcmp(name, "aria-hidden") == 0;
    seen->scope |= strcmp(name, "scope") == 0;
    seen->src |= strcmp(name, "src") == 0;
    if (strcmp(name, "x") == 0 && strchr(value, '%')) seen->x = atof(value);
    if (strcmp(name, "width") == 0 && strchr(value, '%')) seen->width = atof(value);
}

/* From behind the name of a tag to behind its ">". 1: it closes itself. */
static inline int hc_attributes(html_check *c, const char *tag, hc_seen *seen)
{
    char names[24][32];
    int count = 0;
    static char value[65536];
    while (!c->wrong[0]) {
        size_t n = 0;
        while (isspace((unsigned char)*c->at)) c->at++;
        if (*c->at == '/' && c->at[1] == '>') return c->at += 2, 1;
        if (*c->at == '>') return c->at++, 0;
        while (isalnum((unsigned char)c->at[n]) || c->at[n] == '-') n++;
        if (n == 0 || n > 31 || count == 24) return hc_fail(c, "no attribute of <%s>", tag);
        memcpy(names[count], c->at, n);
        names[count][n] = 0;
        for (int k = 0; k < count; k++)
            if (strcmp(names[k], names[count]) == 0)
                return hc_fail(c, "<%s> has %s twice", tag, names[k]);
        c->at += n;
        value[0] = 0;
        if (*c->at == '=') {
            if (c->at[1] != '"') return hc_fail(c, "a value of <%s> without quotes", tag);
            const char *from = c->at += 2;
            while (*c->at && *c->at != '"' && !c->wrong[0]) {
                if (*c->at == '&') hc_entity(c);
                else if (*c->at == '<') return hc_fail(c, "< in a value of <%s>", tag);
                else c->at++;
            }
            if (*c->at != '"') return hc_fail(c, "a value of <%s> without an end", tag);
            snprintf(value, sizeof value, "%.*s", (int)(c->at - from), from);
            c->at++;
        }
        hc_attribute(c, tag, names[count++], value, seen);
    }
    return 0;
}

static inline void hc_element(html_check *c, const char *tag, const hc_seen *s)
{
    if (strcmp(tag, "style") == 0 || strcmp(tag, "iframe") == 0 || strcmp(tag, "object") == 0 ||
        strcmp(tag, "base") == 0)
        hc_fail(c, "<%s> is there", tag);
    if (strcmp(tag, "script") == 0 && !s->src) hc_fail(c, "a script within the page");
    if (strcmp(tag, "th") == 0 && !s->scope) hc_fail(c, "a heading of a table without scope");
    const int outer = c->depth == 0 || strcmp(c->open[c->depth - 1], "svg") != 0;
    if (strcmp(tag, "svg") == 0 && outer) {
        c->svgs++;
        if (!s->hidden && !(s->role && s->label)) hc_fail(c, "a picture without words");
    }
    if (s->x + s->width > 100.002) hc_fail(c, "<%s> ends outside of its picture", tag);
    c->tables += strcmp(tag, "table") == 0;
    c->captions += strcmp(tag, "caption") == 0;
    c->headings += strcmp(tag, "h1") == 0;
    c->mains += strcmp(tag, "main") == 0;
}

static inline void hc_tag(html_check *c)
{
    char tag[16] = "";
    size_t n = 0;
    hc_seen seen;
    memset(&seen, 0, sizeof seen);
    const int closing = *++c->at == '/';
    c->at += closing;
    while (isalnum((unsigned char)c->at[n])) n++;
    if (n == 0 || n > 15) {
        hc_fail(c, "no tag");
        return;
    }
    memcpy(tag, c->at, n);
    c->at += n;
    if (closing) {
        if (*c->at != '>' || c->depth == 0 || strcmp(c->open[c->depth - 1], tag) != 0)
            hc_fail(c, "</%s> closes <%s>", tag, c->depth ? c->open[c->depth - 1] : "");
        else c->at++, c->depth--;
        return;
    }
    const int closed = hc_attributes(c, tag, &seen);
    hc_element(c, tag, &seen);
    if (closed || hc_is_void(tag)) return;
    if (c->depth == HC_DEPTH) hc_fail(c, "too deep");
    else strcpy(c->open[c->depth++], tag);
}

/* NULL: all is well; else what is wrong, until the next call. */
static inline const char *html_wrong(const char *text)
{
    static html_check c;
    memset(&c, 0, sizeof c);
    c.at = c.begin = text;
    if (strncmp(text, "<!doctype html>", 15) != 0) hc_fail(&c, "no doctype");
    else c.at += 15;
    while (*c.at && !c.wrong[0]) {
        if (*c.at == '<') hc_tag(&c);
        else if (*c.at == '&') hc_entity(&c);
        else if (*c.at == '>') hc_fail(&c, "a > that ends nothing");
        else c.at++;
    }
    if (c.depth) hc_fail(&c, "<%s> is not closed", c.open[c.depth - 1]);
    if (c.tables != c.captions) hc_fail(&c, "a table without a caption");
    if (c.headings != 1 || c.mains != 1) hc_fail(&c, "not one main and one h1");
    for (int k = 0; k < c.named_count; k++) {
        int found = 0;
        for (int i = 0; i < c.id_count; i++) found |= strcmp(c.ids[i], c.named[k]) == 0;
        if (!found) hc_fail(&c, "nothing has the id %s", c.named[k]);
    }
    return c.wrong[0] ? c.wrong : NULL;
}
#endif
