/* onnx.c - from the bytes of an ONNX model to its structs.
 *
 * What this file decides: how much room a model takes, and which struct each message becomes.
 *
 * Invariants
 *   1. vd_wire_scan has counted everything before anything is made, and the room for it all is
 *      within VD_ONNX_MEMORY_MAX or the model is refused.
 *   2. Messages of one kind are one array, of the size counted; the bytes stay as they were.
 *   3. No recursion: a graph in an attribute waits in the array of graphs for its turn. */
#define _GNU_SOURCE
#include "onnx.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bytes.h"
#include "files.h"

enum {
    P_NODES, P_ATTRIBUTES, P_TENSORS, P_SPARSE, P_VALUES, P_TYPES, P_DIMS, P_LISTED, P_INTS,
    P_FLOATS, P_GRAPHS, P_FUNCTIONS, P_OPSETS, P_ENTRIES, P_COUNT
};

/* Room for all messages of a kind. */
typedef struct { uint8_t *at; uint64_t left; size_t size; } pool;

typedef struct {
    vd_onnx *m;
    pool pools[P_COUNT];
    struct { const uint8_t *p; uint32_t n; } *names; /* by id */
    uint32_t *table, mask, name_count, names_max;
    uint64_t key[2];
    int too_many; /* names: the table stays half empty */
    ro_err *err;
} builder;

/* ---- text for people --------------------------------------------------------------------- */

/* Characters that are not seen, or move others about: controls, and what Unicode calls format
 * characters, fillers and tags. */
static const struct { uint32_t first, last; } unseen[] = {
    {0, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160},
    {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
    {0x3164, 0x3164}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};

uint32_t vd_onnx_character(const uint8_t *p, unsigned n)
{
    uint32_t v = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (unsigned k = 1; k < n; k++) v = v << 6 | (p[k] & 63u);
    return v;
}

int vd_onnx_is_seen(uint32_t v)
{
    for (size_t k = 0; k < sizeof unseen / sizeof *unseen; k++)
        if (v >= unseen[k].first && v <= unseen[k].last) return 0;
    return 1;
}

/* A character that is shown as it is. */
static int is_plain(const uint8_t *p, unsigned n)
{
    uint32_t v = vd_onnx_character(p, n);
    return vd_onnx_is_seen(v) && v != '"' && v != '\\';
}

const char *vd_onnx_show(const vd_onnx_text *t, char *out, size_t size)
{
    size_t at = 0, cut = 0; /* cut: the last place where "..." fits */
    const uint8_t *p = (const uint8_t *)t->p;
    RO_ASSERT(size >= 4);
    for (uint32_t k = 0; k < t->n;) {
        unsigned n = vd_wire_character(p + k, t->n - k);
        int plain = n && is_plain(p + k, n);
        if (!n) n = 1; /* a byte that begins no character */
        size_t need = plain ? n : 4 * n;
        if (at + 4 <= size) cut = at;
        if (at + need + 1 > size) {
            memcpy(out + cut, "...", 4);
            return out;
        }
        if (plain) memcpy(out + at, p + k, n);
        for (unsigned b = 0; !plain && b < n; b++)
            snprintf(out + at + 4 * b, 5, "\\x%02x", p[k + b]);
        at += need;
        k += n;
    }
    out[at] = 0;
    return out;
}

/* The graph that a node is of; *function is NULL unless it is a function's body. */
static const vd_onnx_graph *graph_of(const vd_onnx *m, const vd_onnx_node *n,
                                     const vd_onnx_function **function)
{
    *function = NULL;
    for (uint32_t k = 0; k < m->graph_count; k++) {
        const vd_onnx_graph *g = &m->graphs[k];
        if (g->nodes && n >= g->nodes && n < g->nodes + g->node_count) return g;
    }
    for (uint32_t k = 0; k < m->function_count; k++) {
        const vd_onnx_graph *g = &m->functions[k].body;
        if (!g->nodes || n < g->nodes || n >= g->nodes + g->node_count) continue;
        *function = &m->functions[k];
        return g;
    }
    return NULL;
}

const char *vd_onnx_node_text(const vd_onnx *m, const vd_onnx_node *n, char *out, size_t size)
{
    char name[44], op[30], where[40], in[60] = "";
    const vd_onnx_function *f;
    const vd_onnx_graph *g = graph_of(m, n, &f);
    RO_ASSERT(g);
    if (f) snprintf(in, sizeof in, " of function \"%s\"", vd_onnx_show(&f->name, where, 40));
    else if (g != m->graphs)
        snprintf(in, sizeof in, " of graph \"%s\"", vd_onnx_show(&g->name, where, 40));
    vd_onnx_show(&n->op, op, sizeof op);
    unsigned long number = (unsigned long)(n - g->nodes);
    if (n->name.n)
        snprintf(out, size, "node %lu \"%s\" (%s)%s", number,
                 vd_onnx_show(&n->name, name, sizeof name), op, in);
    else snprintf(out, size, "node %lu (%s)%s", number, op, in);
    return out;
}

/* ---- names: equal ones get one id --------------------------------------------------------- */

static uint64_t rotate(uint64_t v, unsigned n) { return v << n | v >> (64 - n); }

static void sip_round(uint64_t v[4])
{
    v[0] += v[1]; v[1] = rotate(v[1], 13) ^ v[0]; v[0] = rotate(v[0], 32);
    v[2] += v[3]; v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3]; v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1]; v[1] = rotate(v[1], 17) ^ v[2]; v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 with a key of this run: whoever wrote the model cannot make names collide. No
 * result depends on it. */
static uint64_t sip_hash(const uint64_t key[2], const uint8_t *p, uint64_t n)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    uint64_t last = n << 56;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word = vd_get_u64(p);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    last |= vd_get_le(p, (unsigned)n);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int k = 0; k < 3; k++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static vd_onnx_text plain_text(vd_wire w)
{
    return (vd_onnx_text){(const char *)w.p, (uint32_t)(w.end - w.p), 0};
}

/* A name with its id. */
static void name(builder *b, vd_onnx_text *t, vd_wire w)
{
    *t = plain_text(w);
    if (!t->n) return;
    for (uint64_t at = sip_hash(b->key, w.p, t->n);; at++) {
        uint32_t *slot = &b->table[at & b->mask];
        if (!*slot) {
            if (b->name_count > b->names_max) {
                b->too_many = 1;
                return;
            }
            *slot = t->id = b->name_count;
            b->names[b->name_count].p = w.p;
            b->names[b->name_count++].n = t->n;
            return;
        }
        if (b->names[*slot].n == t->n && memcmp(b->names[*slot].p, w.p, t->n) == 0) {
            t->id = *slot;
            return;
        }
    }
}

/* ONNX's own operators have two names of their domain. */
static void domain(builder *b, vd_onnx_text *t, vd_wire w)
{
    if (w.end - w.p == 7 && memcmp(w.p, "ai.onnx", 7) == 0) w.end = w.p;
    name(b, t, w);
}

/* ---- room --------------------------------------------------------------------------------- */

/* The part of a pool that one message's children have. */
typedef struct { uint8_t *at; uint32_t count, used; size_t size; } slots;

static slots take(builder *b, int p, uint64_t n)
{
    pool *from = &b->pools[p];
    slots s = {from->at, (uint32_t)n, 0, from->size};
    RO_ASSERT(n <= from->left);
    from->left -= n;
    from->at += n * from->size;
    return s;
}

static void *slot(slots *s)
{
    RO_ASSERT(s->used < s->count);
    return s->at + s->size * s->used++;
}

/* How many fields of each number a message has. */
typedef struct { uint32_t n[VD_ONNX_NUMBERS]; } tally;

/* The next field; none when there are too many names already. */
static int next(builder *b, vd_wire *w, vd_wire_field *f)
{
    int got = b->too_many ? 0 : vd_wire_next(w, f);
    RO_ASSERT(got >= 0); /* the scan has seen these bytes */
    return got;
}

static tally count_fields(builder *b, vd_wire w)
{
    tally t = {{0}};
    vd_wire_field f = {0};
    while (next(b, &w, &f))
        if (f.number < VD_ONNX_NUMBERS) t.n[f.number]++;
    return t;
}

/* The numbers of a repeated field: counted, or put into ints or floats of `room`. */
static uint64_t read_numbers(vd_wire w, uint32_t number, vd_wire_type type, uint64_t room,
                             int64_t *ints, float *floats)
{
    uint64_t n = 0;
    vd_wire_field f = {0};
    while (vd_wire_next(&w, &f) > 0) {
        if (f.number != number) continue;
        int single = f.type != VD_W_BYTES;
        uint64_t value = f.value;
        while (single || (f.bytes.p < f.bytes.end && vd_wire_number(&f.bytes, type, &value))) {
            uint32_t bits = (uint32_t)value;
            if (ints && n < room) ints[n] = (int64_t)value;
            if (floats && n < room) memcpy(&floats[n], &bits, sizeof bits);
            n++;
            if (single) break;
        }
    }
    return n;
}

/* ---- types -------------------------------------------------------------------------------- */

static ro_status type_failed(const vd_onnx_text *of, ro_status code, const char *why, int64_t value,
                             ro_err *err)
{
    char text[80];
    return RO_FAIL(err, code, "the type of \"%s\" has %s %lld; up to %llu are allowed",
                   vd_onnx_show(of, text, sizeof text), why, (long long)value,
                   (unsigned long long)RO_ELEMENTS_MAX);
}

static ro_status build_dim(builder *b, vd_onnx_dim *d, vd_wire w, const vd_onnx_text *of,
                           ro_err *err)
{
    vd_wire_field f = {0};
    d->size = -1;
    while (next(b, &w, &f)) {
        if (f.number == 1) {
            *d = (vd_onnx_dim){(int64_t)f.value, {NULL, 0, 0}};
            if (f.value == UINT64_MAX) continue; /* -1: some writers' word for "not known" */
            if (f.value > RO_ELEMENTS_MAX)
                return type_failed(of, f.value > INT64_MAX ? RO_ESHAPE : RO_ELIMIT,
                                   f.value > INT64_MAX
                                       ? "a dimension that is negative, or 2^63 or more:"
                                       : "a dimension of",
                                   (int64_t)f.value, err);
        } else if (f.number == 2) {
            d->size = -1;
            name(b, &d->name, f.bytes);
        }
    }
    return RO_OK;
}

static ro_status build_shape(builder *b, vd_onnx_type *t, vd_wire w, const vd_onnx_text *of,
                             ro_err *err)
{
    slots dims = take(b, P_DIMS, count_fields(b, w).n[1]);
    vd_wire_field f = {0};
    uint64_t product = 1;
    char text[80];
    t->has_shape = 1;
    t->dims = (const vd_onnx_dim *)dims.at;
    t->rank = dims.count;
    if (t->rank > RO_RANK_MAX)
        return RO_FAIL(err, RO_ELIMIT, "the type of \"%s\" has %u dimensions; %u are allowed",
                       vd_onnx_show(of, text, sizeof text), t->rank, RO_RANK_MAX);
    while (next(b, &w, &f)) {
        vd_onnx_dim *d = f.number == 1 ? slot(&dims) : NULL;
        if (!d) continue;
        RO_TRY(build_dim(b, d, f.bytes, of, err));
        if (!vd_onnx_multiply(&product, d->size))
            return RO_FAIL(err, RO_ELIMIT,
                           "the type of \"%s\" has over %llu elements, which is the limit",
                           vd_onnx_show(of, text, sizeof text),
                           (unsigned long long)RO_ELEMENTS_MAX);
    }
    return RO_OK;
}

static ro_status build_leaf(builder *b, vd_onnx_type *t, vd_wire w, const vd_onnx_text *of,
                            ro_err *err)
{
    vd_wire_field f = {0};
    char text[80];
    while (next(b, &w, &f)) {
        if (f.number == 1) {
            if (f.value >= VD_ONNX_DTYPE_LIMIT)
                return RO_FAIL(err, RO_ETYPE,
                               "the type of \"%s\" has elements of type %lld; up to %u are known",
                               vd_onnx_show(of, text, sizeof text), (long long)f.value,
                               VD_ONNX_DTYPE_LIMIT - 1);
            t->dtype = (uint32_t)f.value;
        } else if (f.number == 2 && t->kind != VD_ONNX_MAP) {
            RO_TRY(build_shape(b, t, f.bytes, of, err));
        }
    }
    return RO_OK;
}

/* A type of a type of a type is a chain: each link has one below it. */
static ro_status build_type(builder *b, vd_onnx_type *t, vd_wire w, const vd_onnx_text *of,
                            ro_err *err)
{
    static const vd_onnx_type_kind kinds[VD_ONNX_NUMBERS] = {
        [1] = VD_ONNX_TENSOR, [4] = VD_ONNX_SEQUENCE, [5] = VD_ONNX_MAP, [8] = VD_ONNX_SPARSE,
        [9] = VD_ONNX_OPTIONAL};
    char text[80];
    while (t) {
        vd_wire_field f = {0};
        vd_wire inside = {NULL, NULL};
        while (next(b, &w, &f)) {
            vd_onnx_type_kind kind = f.number < VD_ONNX_NUMBERS ? kinds[f.number] : 0;
            if (kind && t->kind)
                return RO_FAIL(err, RO_EFORMAT, "the type of \"%s\" is of two kinds",
                               vd_onnx_show(of, text, sizeof text));
            if (!kind) continue;
            t->kind = kind;
            inside = f.bytes;
        }
        int leaf = t->kind == VD_ONNX_TENSOR || t->kind == VD_ONNX_SPARSE;
        uint32_t number = t->kind == VD_ONNX_MAP ? 2 : 1;
        if (leaf || t->kind == VD_ONNX_MAP) RO_TRY(build_leaf(b, t, inside, of, err));
        if (leaf) return RO_OK;
        vd_onnx_type *element = NULL;
        while (next(b, &inside, &f)) {
            if (f.number != number) continue;
            slots one = take(b, P_TYPES, 1);
            element = slot(&one);
            w = f.bytes;
        }
        t->element = element;
        t = element;
    }
    return RO_OK;
}

static ro_status build_value(builder *b, vd_onnx_value *v, vd_wire w, ro_err *err)
{
    vd_wire_field f = {0};
    vd_wire again = w;
    while (next(b, &w, &f))
        if (f.number == 1) name(b, &v->name, f.bytes);
    while (next(b, &again, &f)) {
        if (f.number != 2) continue;
        slots one = take(b, P_TYPES, 1);
        vd_onnx_type *t = slot(&one);
        v->type = t;
        RO_TRY(build_type(b, t, f.bytes, &v->name, err));
    }
    return RO_OK;
}

/* ---- tensors ------------------------------------------------------------------------------ */

static void build_entry(builder *b, vd_onnx_entry *e, vd_wire w)
{
    vd_wire_field f = {0};
    while (next(b, &w, &f)) {
        if (f.number == 1) name(b, &e->key, f.bytes);
        else if (f.number == 2) name(b, &e->value, f.bytes); /* a location has an id */
    }
}

static ro_status build_tensor(builder *b, vd_onnx_tensor *t, vd_wire w, ro_err *err)
{
    slots entries = take(b, P_ENTRIES, count_fields(b, w).n[13]);
    vd_wire_field f = {0};
    t->message = w;
    t->entries = (const vd_onnx_entry *)entries.at;
    t->entry_count = entries.count;
    while (next(b, &w, &f)) {
        vd_onnx_entry *e = f.number == 13 ? slot(&entries) : NULL;
        if (e) build_entry(b, e, f.bytes);
        else if (f.number == 8) name(b, &t->name, f.bytes);
    }
    return vd_onnx_tensor_check(t, err);
}

static ro_status build_sparse(builder *b, vd_onnx_sparse *s, vd_wire w, ro_err *err)
{
    vd_wire_field f = {0};
    vd_wire again = w;
    uint64_t product = 1;
    char text[80];
    while (next(b, &w, &f)) {
        if (f.number != 1 && f.number != 2) continue;
        slots one = take(b, P_TENSORS, 1);
        vd_onnx_tensor *t = slot(&one);
        if (f.number == 1) s->values = t;
        else s->indices = t;
        RO_TRY(build_tensor(b, t, f.bytes, err));
    }
    if (!s->values || !s->indices)
        return RO_FAIL(err, RO_EFORMAT, "a sparse tensor lacks its values or its indices");
    uint64_t rank = read_numbers(again, 3, VD_W_VARINT, RO_RANK_MAX, s->dims, NULL);
    vd_onnx_show(&s->values->name, text, sizeof text);
    if (rank > RO_RANK_MAX)
        return RO_FAIL(err, RO_ELIMIT, "sparse tensor \"%s\" has %llu dimensions; %u are allowed",
                       text, (unsigned long long)rank, RO_RANK_MAX);
    s->rank = (uint32_t)rank;
    for (uint32_t k = 0; k < s->rank; k++) {
        if (s->dims[k] < 0 || (uint64_t)s->dims[k] > RO_ELEMENTS_MAX)
            return RO_FAIL(err, RO_ESHAPE,
                           "sparse tensor \"%s\" has a dimension of %lld; 0 to %llu are allowed",
                           text, (long long)s->dims[k], (unsigned long long)RO_ELEMENTS_MAX);
        if (!vd_onnx_multiply(&product, s->dims[k]))
            return RO_FAIL(err, RO_ELIMIT,
                           "sparse tensor \"%s\" has over %llu elements, which is the limit", text,
                           (unsigned long long)RO_ELEMENTS_MAX);
    }
    return RO_OK;
}

/* ---- attributes --------------------------------------------------------------------------- */

static const struct { const char *name; uint32_t number; int pool; } attribute_types[VD_A_COUNT] = {
    {"no type", 0, 0},
    {"FLOAT", 2, 0}, {"INT", 3, 0}, {"STRING", 4, 0}, {"TENSOR", 5, P_TENSORS},
    {"GRAPH", 6, P_GRAPHS}, {"FLOATS", 7, P_FLOATS}, {"INTS", 8, P_INTS},
    {"STRINGS", 9, P_LISTED}, {"TENSORS", 10, P_TENSORS}, {"GRAPHS", 11, P_GRAPHS},
    {"SPARSE_TENSOR", 22, P_SPARSE}, {"SPARSE_TENSORS", 23, P_SPARSE}, {"TYPE_PROTO", 14, P_TYPES},
    {"TYPE_PROTOS", 15, P_TYPES}};

const char *vd_onnx_attribute_type_name(vd_onnx_attribute_type t)
{
    return attribute_types[t].name;
}

/* The type of an attribute is what it says and what it holds; some writers say nothing, some
 * leave out a number that is 0, a text that is empty and a list of nothing. */
static ro_status find_type(vd_onnx_attribute *a, const tally *t, uint64_t said, ro_err *err)
{
    char text[60];
    int held = 0;
    vd_onnx_show(&a->name, text, sizeof text);
    if (said >= VD_A_COUNT)
        return RO_FAIL(err, RO_EATTR, "attribute \"%s\" has the type %llu; 1 to %d are known", text,
                       (unsigned long long)said, VD_A_COUNT - 1);
    for (int k = 1; k < VD_A_COUNT; k++) {
        if (!t->n[attribute_types[k].number]) continue;
        if (held)
            return RO_FAIL(err, RO_EATTR, "attribute \"%s\" holds %s and %s; one value is allowed",
                           text, attribute_types[held].name, attribute_types[k].name);
        held = k;
    }
    a->type = said ? (vd_onnx_attribute_type)said : (vd_onnx_attribute_type)held;
    if (!a->type) return RO_FAIL(err, RO_EATTR, "attribute \"%s\" has no type and no value", text);
    if (held && held != (int)a->type)
        return RO_FAIL(err, RO_EATTR, "attribute \"%s\" says %s and holds %s", text,
                       attribute_types[a->type].name, attribute_types[held].name);
    if (held && a->reference.n)
        return RO_FAIL(err, RO_EATTR, "attribute \"%s\" has a value and refers to another", text);
    int needed = a->type == VD_A_TENSOR || a->type == VD_A_GRAPH || a->type == VD_A_SPARSE ||
                 a->type == VD_A_TYPE;
    if (!held && needed && !a->reference.n)
        return RO_FAIL(err, RO_EATTR, "attribute \"%s\" says %s and holds nothing", text,
                       attribute_types[a->type].name);
    return RO_OK;
}

/* One message, text or byte string of an attribute's value. */
static ro_status build_item(builder *b, vd_onnx_attribute *a, void *item, vd_wire w, ro_err *err)
{
    switch (a->type) {
    case VD_A_TENSOR: case VD_A_TENSORS: return build_tensor(b, item, w, err);
    case VD_A_SPARSE: case VD_A_SPARSES: return build_sparse(b, item, w, err);
    case VD_A_TYPE: case VD_A_TYPES: return build_type(b, item, w, &a->name, err);
    case VD_A_GRAPH: case VD_A_GRAPHS: ((vd_onnx_graph *)item)->message = w; break;
    default: *(vd_onnx_text *)item = plain_text(w);
    }
    return RO_OK;
}

static ro_status build_list(builder *b, vd_onnx_attribute *a, vd_wire w, ro_err *err)
{
    uint32_t number = attribute_types[a->type].number;
    vd_wire_type type = a->type == VD_A_FLOATS ? VD_W_32 : VD_W_VARINT;
    int numbers = a->type == VD_A_FLOATS || a->type == VD_A_INTS;
    uint64_t n = numbers ? read_numbers(w, number, type, 0, NULL, NULL)
                         : count_fields(b, w).n[number];
    slots s = take(b, attribute_types[a->type].pool, n);
    vd_wire_field f = {0};
    a->count = s.count;
    a->v.ints = (const int64_t *)(const void *)s.at; /* whatever it is a list of: one pointer */
    if (a->type == VD_A_INTS) read_numbers(w, number, type, s.count, (int64_t *)(void *)s.at, NULL);
    if (a->type == VD_A_FLOATS) read_numbers(w, number, type, s.count, NULL, (float *)(void *)s.at);
    while (!numbers && next(b, &w, &f)) {
        void *item = f.number == number ? slot(&s) : NULL;
        if (item) RO_TRY(build_item(b, a, item, f.bytes, err));
    }
    return RO_OK;
}

static ro_status build_attribute(builder *b, vd_onnx_attribute *a, vd_wire w, ro_err *err)
{
    tally t = count_fields(b, w);
    vd_wire all = w;
    vd_wire_field f = {0};
    uint64_t said = 0, number = 0;
    vd_wire string = {NULL, NULL};
    uint32_t bits = 0;
    while (next(b, &w, &f)) {
        switch (f.number) {
        case 1: name(b, &a->name, f.bytes); break;
        case 2: bits = (uint32_t)f.value; break;
        case 3: number = f.value; break;
        case 4: string = f.bytes; break;
        case 20: said = f.value; break;
        case 21: name(b, &a->reference, f.bytes); break;
        default: break;
        }
    }
    RO_TRY(find_type(a, &t, said, err));
    switch (a->type) {
    case VD_A_FLOAT: memcpy(&a->v.f, &bits, sizeof bits); return RO_OK;
    case VD_A_INT: a->v.i = (int64_t)number; return RO_OK;
    case VD_A_STRING: a->v.s = plain_text(string); return RO_OK;
    default: return build_list(b, a, all, err);
    }
}

/* ---- nodes, graphs, functions ------------------------------------------------------------- */

static ro_status build_node(builder *b, vd_onnx_node *n, vd_wire w)
{
    tally t = count_fields(b, w);
    vd_wire again = w;
    vd_wire_field f = {0};
    slots in = take(b, P_LISTED, t.n[1]), out = take(b, P_LISTED, t.n[2]);
    slots attributes = take(b, P_ATTRIBUTES, t.n[5]);
    n->inputs = (const vd_onnx_text *)(void *)in.at;
    n->outputs = (const vd_onnx_text *)(void *)out.at;
    n->attributes = (const vd_onnx_attribute *)(void *)attributes.at;
    n->function = -1;
    while (next(b, &w, &f)) {
        vd_onnx_text *x = f.number == 1 ? slot(&in) : f.number == 2 ? slot(&out) : NULL;
        if (x) name(b, x, f.bytes);
        else if (f.number == 3) n->name = plain_text(f.bytes);
        else if (f.number == 4) name(b, &n->op, f.bytes);
        else if (f.number == 7) domain(b, &n->domain, f.bytes);
        else if (f.number == 8) name(b, &n->overload, f.bytes);
    }
    n->input_count = in.used;
    n->output_count = out.used;
    while (next(b, &again, &f)) {
        ro_err why = {RO_OK, {0}};
        char text[150];
        vd_onnx_attribute *a = f.number == 5 ? slot(&attributes) : NULL;
        if (a && build_attribute(b, a, f.bytes, &why))
            return RO_FAIL(b->err, why.code, "%s: %s",
                           vd_onnx_node_text(b->m, n, text, sizeof text), why.msg);
    }
    n->attribute_count = attributes.used;
    return RO_OK;
}

/* One child of a graph. */
static ro_status build_child(builder *b, const vd_wire_field *f, slots *of)
{
    void *x = slot(of);
    switch (f->number) {
    case 1: return build_node(b, x, f->bytes);
    case 5: return build_tensor(b, x, f->bytes, b->err);
    case 15: return build_sparse(b, x, f->bytes, b->err);
    default: return build_value(b, x, f->bytes, b->err);
    }
}

static ro_status build_graph(builder *b, vd_onnx_graph *g)
{
    tally t = count_fields(b, g->message);
    slots of[VD_ONNX_NUMBERS] = {
        [1] = take(b, P_NODES, t.n[1]), [5] = take(b, P_TENSORS, t.n[5]),
        [11] = take(b, P_VALUES, t.n[11]), [12] = take(b, P_VALUES, t.n[12]),
        [13] = take(b, P_VALUES, t.n[13]), [15] = take(b, P_SPARSE, t.n[15])};
    vd_wire w = g->message;
    vd_wire_field f = {0};
    g->nodes = (vd_onnx_node *)(void *)of[1].at;
    g->node_count = of[1].count;
    g->initializers = (const vd_onnx_tensor *)(void *)of[5].at;
    g->initializer_count = of[5].count;
    g->inputs = (const vd_onnx_value *)(void *)of[11].at;
    g->input_count = of[11].count;
    g->outputs = (const vd_onnx_value *)(void *)of[12].at;
    g->output_count = of[12].count;
    g->values = (const vd_onnx_value *)(void *)of[13].at;
    g->value_count = of[13].count;
    g->sparse = (const vd_onnx_sparse *)(void *)of[15].at;
    g->sparse_count = of[15].count;
    while (next(b, &w, &f)) {
        if (f.number == 2) name(b, &g->name, f.bytes);
        else if (f.number < VD_ONNX_NUMBERS && of[f.number].size)
            RO_TRY(build_child(b, &f, &of[f.number]));
    }
    return RO_OK;
}

static void build_opset(builder *b, vd_onnx_opset *o, vd_wire w)
{
    vd_wire_field f = {0};
    while (next(b, &w, &f)) {
        if (f.number == 1) domain(b, &o->domain, f.bytes);
        else if (f.number == 2) o->version = (int64_t)f.value;
    }
}

static ro_status function_child(builder *b, vd_onnx_function *f, const vd_wire_field *field,
                                slots *of)
{
    void *x = slot(of);
    ro_err why = {RO_OK, {0}};
    char text[60];
    switch (field->number) {
    case 4: case 5: name(b, &((vd_onnx_value *)x)->name, field->bytes); break;
    case 6: name(b, x, field->bytes); break;
    case 7: return build_node(b, x, field->bytes);
    case 9: build_opset(b, x, field->bytes); break;
    case 12: return build_value(b, x, field->bytes, b->err);
    default:
        if (build_attribute(b, x, field->bytes, &why))
            return RO_FAIL(b->err, why.code, "function \"%s\": %s",
                           vd_onnx_show(&f->name, text, sizeof text), why.msg);
    }
    return RO_OK;
}

static ro_status build_function(builder *b, vd_onnx_function *fn)
{
    vd_onnx_graph *g = &fn->body;
    tally t = count_fields(b, g->message);
    slots of[VD_ONNX_NUMBERS] = {
        [4] = take(b, P_VALUES, t.n[4]), [5] = take(b, P_VALUES, t.n[5]),
        [6] = take(b, P_LISTED, t.n[6]), [7] = take(b, P_NODES, t.n[7]),
        [9] = take(b, P_OPSETS, t.n[9]), [11] = take(b, P_ATTRIBUTES, t.n[11]),
        [12] = take(b, P_VALUES, t.n[12])};
    vd_wire w = g->message;
    vd_wire_field f = {0};
    g->inputs = (const vd_onnx_value *)(void *)of[4].at;
    g->input_count = of[4].count;
    g->outputs = (const vd_onnx_value *)(void *)of[5].at;
    g->output_count = of[5].count;
    g->nodes = (vd_onnx_node *)(void *)of[7].at;
    g->node_count = of[7].count;
    g->values = (const vd_onnx_value *)(void *)of[12].at;
    g->value_count = of[12].count;
    fn->attributes = (const vd_onnx_text *)(void *)of[6].at;
    fn->attribute_count = of[6].count;
    fn->opsets = (const vd_onnx_opset *)(void *)of[9].at;
    fn->opset_count = of[9].count;
    fn->defaults = (const vd_onnx_attribute *)(void *)of[11].at;
    fn->default_count = of[11].count;
    while (next(b, &w, &f)) {
        if (f.number == 1) name(b, &fn->name, f.bytes);
        else if (f.number == 10) domain(b, &fn->domain, f.bytes);
        else if (f.number == 13) name(b, &fn->overload, f.bytes);
    }
    w = g->message;
    while (next(b, &w, &f))
        if (f.number < VD_ONNX_NUMBERS && of[f.number].size)
            RO_TRY(function_child(b, fn, &f, &of[f.number]));
    return RO_OK;
}

/* ---- the model ---------------------------------------------------------------------------- */

static void model_field(builder *b, const vd_wire_field *f, slots *of)
{
    vd_onnx *m = b->m;
    void *x = f->number < VD_ONNX_NUMBERS && of[f->number].size ? slot(&of[f->number]) : NULL;
    switch (f->number) {
    case 1: m->ir_version = (int64_t)f->value; break;
    case 2: name(b, &m->producer, f->bytes); break;
    case 3: name(b, &m->producer_version, f->bytes); break;
    case 4: name(b, &m->domain, f->bytes); break;
    case 5: m->model_version = (int64_t)f->value; break;
    case 7: if (x) ((vd_onnx_graph *)x)->message = f->bytes; break;
    case 8: if (x) build_opset(b, x, f->bytes); break;
    case 14: if (x) build_entry(b, x, f->bytes); break;
    case 20: m->training_count++; break;
    case 25: if (x) ((vd_onnx_function *)x)->body.message = f->bytes; break;
    default: break;
    }
}

static ro_status build_model(builder *b, vd_wire w)
{
    vd_onnx *m = b->m;
    tally t = count_fields(b, w);
    vd_wire_field f = {0};
    m->graphs = (vd_onnx_graph *)(void *)b->pools[P_GRAPHS].at;
    m->tensors = (vd_onnx_tensor *)(void *)b->pools[P_TENSORS].at;
    const uint64_t graphs = b->pools[P_GRAPHS].left, tensors = b->pools[P_TENSORS].left;
    if (!t.n[7]) return RO_FAIL(b->err, RO_EFORMAT, "the model has no graph");
    slots of[VD_ONNX_NUMBERS] = {
        [7] = take(b, P_GRAPHS, 1), [8] = take(b, P_OPSETS, t.n[8]),
        [14] = take(b, P_ENTRIES, t.n[14]), [25] = take(b, P_FUNCTIONS, t.n[25])};
    m->opsets = (const vd_onnx_opset *)(void *)of[8].at;
    m->opset_count = of[8].count;
    m->metadata = (const vd_onnx_entry *)(void *)of[14].at;
    m->metadata_count = of[14].count;
    m->functions = (vd_onnx_function *)(void *)of[25].at;
    m->function_count = of[25].count;
    m->graph_count = of[7].count;
    while (next(b, &w, &f)) model_field(b, &f, of);
    for (uint32_t k = 0; k < m->function_count; k++) RO_TRY(build_function(b, &m->functions[k]));
    m->graph_count = (uint32_t)(graphs - b->pools[P_GRAPHS].left);
    for (uint32_t k = 0; k < m->graph_count; k++) { /* each may bring more */
        RO_TRY(build_graph(b, &m->graphs[k]));
        m->graph_count = (uint32_t)(graphs - b->pools[P_GRAPHS].left);
    }
    m->tensor_count = (uint32_t)(tensors - b->pools[P_TENSORS].left);
    m->name_count = b->name_count;
    return RO_OK;
}

/* With too many names messages end early, and what is then said of them is not why the model is
 * refused. */
static ro_status build(builder *b, vd_wire w)
{
    ro_err *err = b->err, why = {RO_OK, {0}};
    b->err = &why;
    ro_status st = build_model(b, w);
    b->err = err;
    if (b->too_many)
        return RO_FAIL(err, RO_ELIMIT, "the model has over %u different names, which is the limit",
                       VD_ONNX_NAMES_MAX);
    return st ? RO_FAIL(err, st, "%s", why.msg) : RO_OK;
}

static ro_status make_room(builder *b, const vd_wire_counts *c)
{
    const struct { uint64_t n; size_t size; } want[P_COUNT] = {
        [P_NODES] = {c->messages[VD_M_NODE], sizeof(vd_onnx_node)},
        [P_ATTRIBUTES] = {c->messages[VD_M_ATTRIBUTE], sizeof(vd_onnx_attribute)},
        [P_TENSORS] = {c->messages[VD_M_TENSOR], sizeof(vd_onnx_tensor)},
        [P_SPARSE] = {c->messages[VD_M_SPARSE], sizeof(vd_onnx_sparse)},
        [P_VALUES] = {c->messages[VD_M_VALUE] + c->parameters, sizeof(vd_onnx_value)},
        [P_TYPES] = {c->messages[VD_M_TYPE], sizeof(vd_onnx_type)},
        [P_DIMS] = {c->messages[VD_M_DIMENSION], sizeof(vd_onnx_dim)},
        [P_LISTED] = {c->listed, sizeof(vd_onnx_text)},
        [P_INTS] = {c->ints, sizeof(int64_t)},
        [P_FLOATS] = {c->floats, sizeof(float)},
        [P_GRAPHS] = {c->messages[VD_M_GRAPH], sizeof(vd_onnx_graph)},
        [P_FUNCTIONS] = {c->messages[VD_M_FUNCTION], sizeof(vd_onnx_function)},
        [P_OPSETS] = {c->messages[VD_M_OPSET], sizeof(vd_onnx_opset)},
        [P_ENTRIES] = {c->messages[VD_M_ENTRY], sizeof(vd_onnx_entry)}};
    uint64_t names = vd_onnx_ids(c), table = 16, all;
    if (c->messages[VD_M_NODE] > VD_ONNX_NODES_MAX)
        return RO_FAIL(b->err, RO_ELIMIT, "the model has %llu nodes; %u are allowed",
                       (unsigned long long)c->messages[VD_M_NODE], VD_ONNX_NODES_MAX);
    while (table < 2 * names) table *= 2;
    all = table * sizeof *b->table + names * sizeof *b->names + vd_onnx_check_bytes(c);
    for (int p = 0; p < P_COUNT; p++) all += want[p].n * want[p].size; /* n < 2^31 each */
    if (all > VD_ONNX_MEMORY_MAX)
        return RO_FAIL(b->err, RO_ELIMIT,
                       "the model would take %llu bytes beside its tensors; %llu are allowed",
                       (unsigned long long)all, (unsigned long long)VD_ONNX_MEMORY_MAX);
    b->mask = (uint32_t)table - 1;
    b->names_max = (uint32_t)names - 1;
    b->name_count = 1; /* 0 is "" */
    b->table = ro_arena_alloc(b->m->arena, table * sizeof *b->table);
    b->names = ro_arena_alloc(b->m->arena, names * sizeof *b->names);
    int good = b->table && b->names;
    for (int p = 0; p < P_COUNT; p++) {
        b->pools[p] = (pool){ro_arena_alloc(b->m->arena, want[p].n * want[p].size), want[p].n,
                             want[p].size};
        good = good && b->pools[p].at;
    }
    return good ? RO_OK : RO_FAIL(b->err, RO_ENOMEM, "no memory for a model");
}

static ro_status read_model(builder *b, const uint8_t *bytes, uint64_t size)
{
    vd_wire_counts c;
    RO_TRY(vd_wire_scan(bytes, size, &c, b->err));
    if (getrandom(b->key, sizeof b->key, 0) != (ssize_t)sizeof b->key)
        return vd_fs_failed("read", "random numbers", b->err);
    RO_TRY(make_room(b, &c));
    RO_TRY(build(b, (vd_wire){bytes, bytes + size}));
    RO_TRY(vd_onnx_check(b->m, b->err));
    return vd_onnx_external(b->m, b->err); /* last: it asks the disk, and costs the most */
}

ro_status vd_onnx_read(const uint8_t *bytes, uint64_t size, int folder, vd_onnx **out, ro_err *err)
{
    ro_arena *a = ro_arena_new();
    vd_onnx *m = a ? ro_arena_alloc(a, sizeof *m) : NULL;
    builder b = {.m = m, .err = err};
    if (!m) {
        ro_arena_free(a);
        if (folder >= 0) close(folder);
        return RO_FAIL(err, RO_ENOMEM, "no memory for a model");
    }
    m->arena = a;
    m->folder = folder;
    ro_status st = read_model(&b, bytes, size);
    if (st) vd_onnx_close(m);
    else *out = m;
    return st;
}

static ro_status read_file(int folder, const char *name, const char *shown, uint8_t **bytes,
                           uint64_t *size, ro_err *err)
{
    /* O_NONBLOCK: a pipe of that name must not hold us up before it is refused. */
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return vd_fs_failed("open", shown, err);
    ro_status st = vd_fs_size(fd, size, shown, err);
    if (!st && *size > VD_ONNX_FILE_MAX)
        st = RO_FAIL(err, RO_ELIMIT, "%.120s has %llu bytes; a model has up to %llu", shown,
                     (unsigned long long)*size, (unsigned long long)VD_ONNX_FILE_MAX);
    if (!st && !(*bytes = ro_alloc(*size)))
        st = RO_FAIL(err, RO_ENOMEM, "no memory for the %llu bytes of %.120s",
                     (unsigned long long)*size, shown);
    if (!st) st = vd_fs_read(fd, *bytes, *size, 0, shown, err);
    close(fd);
    return st;
}

ro_status vd_onnx_open(const char *path, vd_onnx **out, ro_err *err)
{
    int folder = -1;
    const char *base;
    uint8_t *bytes = NULL;
    uint64_t size = 0;
    RO_TRY(vd_fs_folder_of(path, &folder, &base, err));
    ro_status st = read_file(folder, base, path, &bytes, &size, err);
    if (st) close(folder);
    else st = vd_onnx_read(bytes, size, folder, out, err);
    if (st) ro_free(bytes);
    else (*out)->bytes = bytes;
    return st;
}

void vd_onnx_close(vd_onnx *m)
{
    if (!m) return;
    if (m->folder >= 0) close(m->folder);
    ro_free(m->bytes);
    ro_arena_free(m->arena);
}
