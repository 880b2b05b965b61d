/* vectors.c - conformance vectors: reads vectors/<Operator>.vec and runs every case.
 *
 * What this file decides: whether a text of vectors is one (vectors/README.md has the grammar),
 * and whether the scalar bodies or a backend give its answers, bit for bit.
 *
 * Invariants
 *   1. A case is admitted as any node is: through ro_graph_node. A refusal is a failed case.
 *   2. Text is read strictly: an unknown word, a wrong count, a pattern of the wrong width is
 *      RO_EFORMAT with file and line; nothing is skipped.
 *   3. Every size in the text is bounded before memory is asked for. */
#include "repops.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX (UINT64_C(64) << 20)    /* bytes of a file; ours have a few hundred thousand */
#define ELEMENTS_MAX (UINT64_C(1) << 22) /* of one tensor of a case                           */

/* ---- words ------------------------------------------------------------------------------- */

typedef struct {
    const char *file, *at;
    char word[96]; /* the word in hand; "" after the last. A digest has 64 characters */
    uint32_t line;
    ro_err *err;
} reader;

static ro_status bad(const reader *r, const char *what)
{
    return RO_FAIL(r->err, RO_EFORMAT, "%s, line %u: '%.48s' is not %s", r->file, r->line, r->word,
                   what);
}

static int is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

static ro_status advance(reader *r)
{
    size_t n = 0;
    while (is_space(*r->at) || *r->at == '#') {
        if (*r->at == '#')
            while (r->at[1] && r->at[1] != '\n') r->at++;
        if (*r->at == '\n') r->line++;
        r->at++;
    }
    for (; *r->at && *r->at != '#' && !is_space(*r->at); r->at++) {
        if (n + 1 == sizeof r->word) {
            r->word[n] = 0;
            return bad(r, "a word of at most 95 characters");
        }
        r->word[n++] = *r->at;
    }
    r->word[n] = 0;
    return RO_OK;
}

static int is(const reader *r, const char *word) { return strcmp(r->word, word) == 0; }

static ro_status expect(reader *r, const char *word)
{
    if (!is(r, word)) return bad(r, word);
    return advance(r);
}

static ro_status read_u64(reader *r, uint64_t most, uint64_t *out)
{
    const char *s = r->word;
    uint64_t v = 0;
    if (!*s || (s[0] == '0' && s[1])) return bad(r, "a decimal number");
    for (; *s; s++) {
        uint64_t d = (uint64_t)(*s - '0');
        if (*s < '0' || *s > '9') return bad(r, "a decimal number");
        if (!ro_mul_size(v, 10, &v) || !ro_add_size(v, d, &v) || v > most)
            return bad(r, "a number small enough for its place");
    }
    *out = v;
    return advance(r);
}

static ro_status read_i64(reader *r, int64_t *out)
{
    uint64_t v;
    int minus = r->word[0] == '-';
    if (minus) memmove(r->word, r->word + 1, sizeof r->word - 1);
    RO_TRY(read_u64(r, (uint64_t)INT64_MAX + (minus ? 1 : 0), &v));
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return RO_OK;
}

/* The value of `digits` lower-case hexadecimal digits at s, which is in the word in hand. */
static ro_status hex_value(const reader *r, const char *s, uint32_t digits, uint64_t *out)
{
    uint64_t v = 0;
    for (uint32_t k = 0; k < digits; k++) {
        int letter = s[k] >= 'a' && s[k] <= 'f';
        if (!letter && (s[k] < '0' || s[k] > '9')) return bad(r, "hexadecimal in lower case");
        v = v << 4 | (uint64_t)(letter ? s[k] - 'a' + 10 : s[k] - '0');
    }
    *out = v;
    return RO_OK;
}

static ro_status read_hex(reader *r, uint32_t digits, uint64_t *out)
{
    if (strlen(r->word) != digits) return bad(r, "a bit pattern of its type's width");
    RO_TRY(hex_value(r, r->word, digits, out));
    return advance(r);
}

/* ---- generated inputs ---------------------------------------------------------------------- */

enum { GEN_BITS, GEN_SMALL, GEN_NORMAL, GEN_WIDE, GEN_POSITIVE, GEN_SPECIAL, GEN_BELOW, GEN_INDEX };
static const char *const generators[] = {"bits",     "small",   "normal", "wide",
                                         "positive", "special", "below",  "index"};

/* How numbers of a dtype look: F fraction bits, the bias of the exponent; F = 0: an integer. */
typedef struct {
    ro_dtype dtype;
    uint32_t width, fraction, bias;
} look;

static look look_of(ro_dtype d)
{
    look l = {d, ro_dtypes[d].size * 8, 0, 0};
    if (d == RO_F32) l.fraction = 23, l.bias = 127;
    if (d == RO_F64) l.fraction = 52, l.bias = 1023;
    if (d == RO_F16) l.fraction = 10, l.bias = 15;
    if (d == RO_BF16) l.fraction = 7, l.bias = 127;
    return l;
}

/* An integer as bits of the dtype; exact, since |v| <= 2^fraction. */
static uint64_t integer_bits(const look *l, int64_t v)
{
    uint64_t m = v < 0 ? (uint64_t)-v : (uint64_t)v, high = 0;
    if (!l->fraction) return (uint64_t)v;
    if (!m) return 0;
    while (m >> (high + 1)) high++;
    return (uint64_t)(v < 0) << (l->width - 1) | (l->bias + high) << l->fraction |
           (m - (UINT64_C(1) << high)) << (l->fraction - high);
}

static uint64_t float_bits(const look *l, uint64_t sign, uint64_t exponent, uint64_t z)
{
    uint64_t mask = (UINT64_C(1) << l->fraction) - 1;
    return sign << (l->width - 1) | exponent << l->fraction | (z & mask);
}

static uint64_t special_bits(const look *l, uint64_t entry)
{
    uint64_t top = UINT64_C(1) << (l->width - 1), low = UINT64_C(1) << l->fraction;
    uint64_t one = (uint64_t)l->bias << l->fraction;
    uint64_t inf = (2 * (uint64_t)l->bias + 1) << l->fraction;
    const uint64_t floats[16] = {0, top, 1, top | 1, low - 1, top | low, one, top | one, inf - 1,
                                 top | (inf - 1), inf, top | inf, inf | low >> 1,
                                 top | inf | low >> 1 | 1, inf | 1, inf | (low - 1)};
    const uint64_t integers[16] = {0,       1,   0 - UINT64_C(1), top, top - 1,          top + 1,
                                   top - 2, 2,   0 - UINT64_C(2), 3,   0 - UINT64_C(3), 7,
                                   0 - UINT64_C(7), 10, 0 - UINT64_C(10), 64};
    return l->fraction ? floats[entry] : integers[entry];
}

/* floor(z[32..63] n / 2^32) for n < 2^33. */
static uint64_t scaled(uint64_t z, uint64_t n)
{
    return (z >> 32) * (n >> 32) + ((z >> 32) * (n & UINT32_MAX) >> 32);
}

/* The word z of an element becomes bits; the caller keeps the low `width` of them. */
static uint64_t generate(const look *l, int how, uint64_t limit, uint64_t z)
{
    uint64_t sign = z >> 63;
    switch (how) {
    case GEN_SMALL: return l->dtype == RO_BOOL ? sign : integer_bits(l, (int64_t)(z >> 60) - 8);
    case GEN_NORMAL: return float_bits(l, sign, l->bias - 4 + (z >> 60 & 7), z);
    case GEN_POSITIVE: return float_bits(l, 0, l->bias - 4 + (z >> 60 & 7), z);
    case GEN_WIDE:
        if (l->dtype == RO_F16) return float_bits(l, sign, l->bias - 8 + (z >> 57 & 15), z);
        return float_bits(l, sign, l->bias - 32 + (z >> 57 & 63), z);
    case GEN_BELOW: return integer_bits(l, (int64_t)scaled(z, limit));
    case GEN_INDEX: return scaled(z, 2 * limit + 4) - limit - 2;
    case GEN_SPECIAL:
        if (z >> 62 == 0) return special_bits(l, z >> 58 & 15);
        return l->fraction ? generate(l, GEN_NORMAL, 0, z) : z;
    default: return z;
    }
}

static uint64_t split_mix(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* ---- tensors of a case --------------------------------------------------------------------- */

typedef struct {
    ro_tensor tensor; /* dtype RO_NONE: absent; data NULL: given by its digest */
    uint64_t elements;
    uint8_t digest[32]; /* of a large output: SHA-256 of its canonical bytes */
} sample;

typedef struct {
    ro_arena *arena;
    char id[96];
    void *attrs;
    uint32_t inputs, outputs;
    sample in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
} vector_case;

static ro_status read_type(reader *r, sample *s)
{
    uint64_t rank, d;
    ro_type *t = &s->tensor.type;
    t->dtype = ro_dtype_by_word(r->word);
    if (t->dtype == RO_NONE) return bad(r, "a dtype");
    RO_TRY(advance(r));
    RO_TRY(read_u64(r, RO_RANK_MAX, &rank));
    t->rank = (uint32_t)rank;
    for (uint32_t a = 0; a < t->rank; a++) {
        RO_TRY(read_u64(r, ELEMENTS_MAX, &d));
        t->dims[a] = (int64_t)d;
    }
    RO_TRY(ro_type_check(t, r->err));
    s->elements = ro_type_elements(t);
    if (s->elements > ELEMENTS_MAX)
        return RO_FAIL(r->err, RO_ELIMIT, "%s, line %u: a tensor has %llu elements; at most %llu "
                       "are allowed", r->file, r->line, (unsigned long long)s->elements,
                       (unsigned long long)ELEMENTS_MAX);
    return RO_OK;
}

static ro_status room(reader *r, ro_arena *a, sample *s)
{
    s->tensor.data = ro_arena_alloc(a, ro_type_bytes(&s->tensor.type));
    if (!s->tensor.data) return RO_FAIL(r->err, RO_ENOMEM, "no memory for a vector");
    return RO_OK;
}

static ro_status read_listed(reader *r, ro_arena *a, sample *s)
{
    const ro_dtype d = s->tensor.type.dtype;
    uint64_t bits;
    RO_TRY(room(r, a, s));
    for (uint64_t i = 0; i < s->elements; i++) {
        RO_TRY(read_hex(r, 2 * ro_dtypes[d].size, &bits));
        ro_set_element(d, s->tensor.data, i, bits);
    }
    return RO_OK;
}

static ro_status read_generated(reader *r, ro_arena *a, sample *s)
{
    look l = look_of(s->tensor.type.dtype);
    uint64_t seed, limit = 0;
    int how = -1, count = (int)(sizeof generators / sizeof *generators);
    RO_TRY(read_u64(r, UINT64_MAX, &seed));
    for (int k = 0; k < count; k++)
        if (is(r, generators[k])) how = k;
    int floats = how == GEN_NORMAL || how == GEN_WIDE || how == GEN_POSITIVE;
    int numbers = how == GEN_SPECIAL || how == GEN_BELOW || how == GEN_INDEX;
    if (how < 0 || (floats && !l.fraction) || (numbers && l.dtype == RO_BOOL) ||
        (how == GEN_INDEX && l.dtype != RO_I32 && l.dtype != RO_I64))
        return bad(r, "a generator for this dtype");
    RO_TRY(advance(r));
    if (how == GEN_BELOW || how == GEN_INDEX) {
        int exact = l.fraction && l.fraction < 31;
        uint64_t most = UINT64_C(1) << (exact ? l.fraction + 1 : 31);
        if (is(r, "0")) return bad(r, "a limit; the least is 1");
        RO_TRY(read_u64(r, most, &limit));
    }
    RO_TRY(room(r, a, s));
    for (uint64_t i = 0; i < s->elements; i++)
        ro_set_element(l.dtype, s->tensor.data, i, generate(&l, how, limit, split_mix(seed, i)));
    return RO_OK;
}

static ro_status read_input(reader *r, ro_arena *a, sample *s)
{
    if (is(r, "absent")) return advance(r);
    RO_TRY(read_type(r, s));
    if (is(r, "gen")) {
        RO_TRY(advance(r));
        return read_generated(r, a, s);
    }
    RO_TRY(expect(r, "hex"));
    return read_listed(r, a, s);
}

static ro_status read_output(reader *r, ro_arena *a, sample *s)
{
    RO_TRY(read_type(r, s));
    if (is(r, "hex")) {
        RO_TRY(advance(r));
        return read_listed(r, a, s);
    }
    RO_TRY(expect(r, "sha256"));
    if (strlen(r->word) != 64) return bad(r, "a SHA-256 digest");
    for (uint32_t k = 0; k < 32; k++) {
        uint64_t byte = 0;
        RO_TRY(hex_value(r, r->word + 2 * k, 2, &byte));
        s->digest[k] = (uint8_t)byte;
    }
    return advance(r);
}

/* ---- a case --------------------------------------------------------------------------------- */

static ro_status read_attribute(reader *r, const ro_field *f, void *attrs)
{
    static const char *const kinds[] = {"u32", "u64", "i64", "f32", "f64", "ints"};
    char *to = (char *)attrs + f->offset;
    uint64_t v = 0;
    int64_t i = 0;
    RO_TRY(expect(r, f->name));
    RO_TRY(expect(r, kinds[f->kind]));
    switch (f->kind) {
    case RO_A_U32: RO_TRY(read_u64(r, UINT32_MAX, &v)); break;
    case RO_A_U64: RO_TRY(read_u64(r, UINT64_MAX, &v)); break;
    case RO_A_F32: RO_TRY(read_hex(r, 8, &v)); break;
    case RO_A_F64: RO_TRY(read_hex(r, 16, &v)); break;
    case RO_A_I64:
        RO_TRY(read_i64(r, &i));
        v = (uint64_t)i;
        break;
    case RO_A_INTS: {
        ro_ints list;
        memset(&list, 0, sizeof list);
        RO_TRY(read_u64(r, RO_INTS_MAX, &v));
        list.n = (uint32_t)v;
        for (uint32_t k = 0; k < list.n; k++) RO_TRY(read_i64(r, &list.v[k]));
        memcpy(to, &list, sizeof list);
        return RO_OK;
    }
    }
    ro_set_element(f->kind == RO_A_U32 || f->kind == RO_A_F32 ? RO_U32 : RO_U64, to, 0, v);
    return RO_OK;
}

static ro_status read_case(reader *r, ro_op op, vector_case *c)
{
    uint32_t fields;
    const ro_field *f = ro_ops[op].fields(&fields);
    RO_TRY(expect(r, "case"));
    memcpy(c->id, r->word, sizeof c->id);
    RO_TRY(advance(r));
    c->attrs = ro_arena_alloc(c->arena, ro_ops[op].attrs_size);
    if (!c->attrs) return RO_FAIL(r->err, RO_ENOMEM, "no memory for a vector");
    for (uint32_t k = 0; k < fields; k++) {
        RO_TRY(expect(r, "attr"));
        RO_TRY(read_attribute(r, &f[k], c->attrs));
    }
    while (is(r, "in")) {
        if (c->inputs == RO_INPUTS_MAX) return bad(r, "an output: a case has at most 64 inputs");
        RO_TRY(advance(r));
        RO_TRY(read_input(r, c->arena, &c->in[c->inputs++]));
    }
    while (is(r, "out")) {
        if (c->outputs == RO_OUTPUTS_MAX) return bad(r, "a case: one has at most 64 outputs");
        RO_TRY(advance(r));
        RO_TRY(read_output(r, c->arena, &c->out[c->outputs++]));
    }
    if (c->outputs == 0) return bad(r, "an output of the case");
    if (r->word[0] && !is(r, "case")) return bad(r, "the next case");
    return RO_OK;
}

/* Admit the case as a graph of one node whose inputs are slots. */
static ro_status admit(const vector_case *c, ro_op op, ro_graph **g, ro_value *first, ro_err *err)
{
    ro_value in[RO_INPUTS_MAX];
    RO_TRY(ro_graph_new(c->arena, g, err));
    for (uint32_t k = 0; k < c->inputs; k++) {
        in[k] = RO_NO_VALUE;
        if (c->in[k].tensor.type.dtype != RO_NONE)
            RO_TRY(ro_graph_slot(*g, k, &c->in[k].tensor.type, &in[k], err));
    }
    RO_TRY(ro_graph_node(*g, op, c->attrs, in, c->inputs, c->outputs, first, err));
    for (uint32_t k = 0; k < c->outputs; k++) {
        const ro_type *made = ro_graph_type(*g, *first + k), *wanted = &c->out[k].tensor.type;
        char a[96], b[96];
        if (!ro_type_equal(made, wanted))
            return RO_FAIL(err, RO_ESHAPE, "output %u is %s, the vector says %s", k,
                           ro_type_text(made, a, sizeof a), ro_type_text(wanted, b, sizeof b));
        RO_TRY(ro_graph_add_output(*g, *first + k, err));
    }
    return RO_OK;
}

/* The scalar bodies, element by element. */
typedef struct {
    const ro_reader *r;
    const void *attrs;
    ro_op op;
    uint32_t output;
    void *made;
} bodies;

static void run_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const bodies *b = ctx;
    const ro_dtype d = b->r->out[b->output].dtype;
    (void)worker;
    for (uint64_t i = begin; i < end; i++)
        ro_set_element(d, b->made, i, ro_at(b->op, b->r, b->attrs, b->output, i));
}

static void run_bodies(const vector_case *c, ro_op op, ro_pool *pool, void *const *made)
{
    ro_type in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    const void *data[RO_INPUTS_MAX];
    for (uint32_t k = 0; k < c->inputs; k++) {
        in[k] = c->in[k].tensor.type;
        data[k] = c->in[k].tensor.data;
    }
    for (uint32_t k = 0; k < c->outputs; k++) out[k] = c->out[k].tensor.type;
    ro_reader r = {in, out, c->inputs, c->outputs, data, NULL, NULL};
    for (uint32_t k = 0; k < c->outputs; k++) {
        bodies b = {&r, c->attrs, op, k, made[k]};
        ro_parallel(pool, c->out[k].elements, 64, run_range, &b);
    }
}

/* A backend: the graph of one node, run for one step. */
static ro_status run_planned(const vector_case *c, const ro_backend *b, ro_device *d,
                             const ro_graph *g, ro_value first, void *const *made, ro_err *err)
{
    ro_type slots[RO_INPUTS_MAX];
    ro_plan_options options;
    ro_step_options step;
    ro_state *state = NULL;
    ro_plan *plan = NULL;
    memset(&options, 0, sizeof options);
    memset(&step, 0, sizeof step);
    options.keep_all = 1;
    for (uint32_t k = 0; k < c->inputs; k++) {
        slots[k] = c->in[k].tensor.type;
        if (slots[k].dtype == RO_NONE) slots[k] = ro_type_of(RO_U8, 0, NULL); /* never read */
    }
    ro_status s = b->state_new(d, slots, c->inputs, &state, err);
    for (uint32_t k = 0; !s && k < c->inputs; k++)
        if (c->in[k].tensor.type.dtype != RO_NONE)
            s = b->put(state, k, c->in[k].tensor.data, err);
    if (!s) s = b->plan(d, state, g, &options, &plan, err);
    if (!s) s = b->step(plan, &step, err);
    for (uint32_t k = 0; !s && k < c->outputs; k++) s = b->value(plan, first + k, made[k], err);
    if (plan) b->plan_free(plan);
    if (state) b->state_free(state);
    return s;
}

/* RO_EDIFFER with a sentence unless the bits are those of the vector. */
static ro_status compare(const ro_vectors_options *o, const sample *want, uint32_t k, void *made,
                         ro_err *err)
{
    ro_dtype d = want->tensor.type.dtype;
    uint32_t size = ro_dtypes[d].size;
    uint8_t digest[32];
    if (!want->tensor.data) {
        ro_canonical_bytes(d, made, made, want->elements);
        o->sha256(made, want->elements * size, digest);
        if (memcmp(digest, want->digest, sizeof digest) != 0)
            return RO_FAIL(err, RO_EDIFFER, "output %u has the digest %02x%02x%02x%02x..., the "
                           "vector says %02x%02x%02x%02x...", k, digest[0], digest[1], digest[2],
                           digest[3], want->digest[0], want->digest[1], want->digest[2],
                           want->digest[3]);
        return RO_OK;
    }
    for (uint64_t i = 0; i < want->elements; i++) {
        uint64_t a = ro_element(d, made, i), b = ro_element(d, want->tensor.data, i);
        if (a != b)
            return RO_FAIL(err, RO_EDIFFER, "element %llu of output %u is %0*llx, the vector says "
                           "%0*llx", (unsigned long long)i, k, (int)(2 * size),
                           (unsigned long long)a, (int)(2 * size), (unsigned long long)b);
    }
    return RO_OK;
}

/* RO_OK also when the case fails: then *why says how. */
static ro_status run_case(const ro_vectors_options *o, ro_device *d, ro_op op,
                          const vector_case *c, ro_err *why, ro_err *err)
{
    void *made[RO_OUTPUTS_MAX];
    ro_graph *g;
    ro_value first;
    ro_status s = admit(c, op, &g, &first, why);
    for (uint32_t k = 0; !s && k < c->outputs; k++) {
        made[k] = ro_arena_alloc(c->arena, ro_type_bytes(&c->out[k].tensor.type));
        if (!made[k]) return RO_FAIL(err, RO_ENOMEM, "no memory for a vector");
    }
    if (!s && !o->backend) run_bodies(c, op, o->pool, made);
    if (!s && o->backend) s = run_planned(c, o->backend, d, g, first, made, why);
    for (uint32_t k = 0; !s && k < c->outputs; k++) s = compare(o, &c->out[k], k, made[k], why);
    if (s == RO_ENOMEM) return RO_FAIL(err, s, "%s", why->msg);
    return RO_OK;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* The whole file, ended by NUL; freed by ro_free. RO_ENOTFOUND when there is none. */
static ro_status read_text(const char *path, char **out, ro_err *err)
{
    FILE *f = fopen(path, "rb");
    size_t room = 1 << 16, n = 0, got;
    char *text = f ? ro_alloc(room) : NULL, *more;
    if (!f) return RO_ENOTFOUND;
    while (text && (got = fread(text + n, 1, room - n - 1, f)) > 0) {
        n += got;
        if (n + 1 < room) continue;
        more = room < TEXT_MAX ? ro_resize(text, room, 2 * room) : NULL;
        if (!more) ro_free(text);
        text = more;
        room *= 2;
    }
    int failed = ferror(f);
    fclose(f);
    if (!text && room > TEXT_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%s has more than %llu bytes", path,
                       (unsigned long long)TEXT_MAX);
    if (!text) return RO_FAIL(err, RO_ENOMEM, "no memory for %s", path);
    text[n] = 0;
    if (!failed && memchr(text, 0, n) == NULL) {
        *out = text;
        return RO_OK;
    }
    ro_free(text);
    if (failed) return RO_FAIL(err, RO_EIO, "%s cannot be read", path);
    return RO_FAIL(err, RO_EFORMAT, "%s has a NUL byte; vectors are text", path);
}

static void note(ro_vectors_result *result, const char *id, const char *why)
{
    if (result->failed++ == 0)
        snprintf(result->first, sizeof result->first, "%s%s%s", id, *id ? ": " : "", why);
}

static ro_status run_cases(const ro_vectors_options *o, ro_device *d, ro_op op, reader *r,
                           ro_vectors_result *result)
{
    while (r->word[0]) {
        ro_err why = {RO_OK, ""};
        ro_arena *arena = ro_arena_new();
        vector_case *c = arena ? ro_arena_alloc(arena, sizeof *c) : NULL;
        ro_status s;
        if (c) {
            c->arena = arena;
            s = read_case(r, op, c);
            if (!s) s = run_case(o, d, op, c, &why, r->err);
            if (!s && why.code) note(result, c->id, why.msg);
            for (uint32_t k = 0; !s && k < c->outputs; k++) result->elements += c->out[k].elements;
        } else {
            s = RO_FAIL(r->err, RO_ENOMEM, "no memory for a vector");
        }
        ro_arena_free(arena);
        if (s) return s;
        result->cases++;
    }
    return RO_OK;
}

static ro_status check_operator(const ro_vectors_options *o, ro_device *d, ro_op op,
                                ro_vectors_result *result, ro_err *err)
{
    char path[1024], *text = NULL;
    int n = snprintf(path, sizeof path, "%s/%s.vec", o->dir, ro_ops[op].name);
    if (n < 0 || (size_t)n >= sizeof path)
        return RO_FAIL(err, RO_EUSAGE, "the folder's name is longer than %zu bytes", sizeof path);
    ro_status s = read_text(path, &text, err);
    if (s == RO_ENOTFOUND) {
        note(result, "", "there is no file of vectors");
        return RO_OK;
    }
    RO_TRY(s);
    reader r = {path, text, "", 1, err};
    uint64_t version = 0;
    s = advance(&r);
    if (!s) s = expect(&r, "operator");
    if (!s) s = expect(&r, ro_ops[op].name);
    if (!s) s = read_u64(&r, UINT32_MAX, &version);
    if (!s && version != ro_ops[op].version)
        note(result, "", "the vectors are of another version of the operator");
    else if (!s)
        s = run_cases(o, d, op, &r, result);
    if (!s && result->cases == 0 && !result->failed) note(result, "", "there is no case");
    ro_free(text);
    return s;
}

ro_status ro_vectors_check(const ro_vectors_options *o, ro_err *err)
{
    ro_device *d = NULL;
    ro_status s = o->backend ? o->backend->open(o->pool, &d, err) : ro_float_mode(err);
    int known = o->only == NULL;
    for (int op = 0; !s && op < RO_OP_COUNT; op++) {
        ro_vectors_result result;
        if (o->only && strcmp(o->only, ro_ops[op].name) != 0) continue;
        known = 1;
        memset(&result, 0, sizeof result);
        result.name = ro_ops[op].name;
        result.version = ro_ops[op].version;
        s = check_operator(o, d, (ro_op)op, &result, err);
        if (!s) o->report(o->ctx, &result);
    }
    if (d) o->backend->close(d);
    if (!s && !known) return RO_FAIL(err, RO_EOP, "%s is not an operator", o->only);
    return s;
}
