/* op_table.c - ops.def becomes the descriptor table; dtypes, types and attribute bytes.
 *
 * Invariants
 *   1. This and the backends are the only files that expand ops.def; no C file names an
 *      operator to compute it.
 *   2. Attribute bytes are a function of the field list: fields in order, little-endian. */
#include "host.h"

#include <stdio.h>
#include <string.h>

/* ---- dtypes and types ----------------------------------------------------------------------- */

const ro_dtype_info ro_dtypes[RO_DTYPE_LIMIT] = {
    [RO_F32] = {"float32", "f32", 4, RO_C_F32},     [RO_F64] = {"float64", "f64", 8, RO_C_F64},
    [RO_F16] = {"float16", "f16", 2, RO_C_F32},     [RO_BF16] = {"bfloat16", "bf16", 2, RO_C_F32},
    [RO_I8] = {"int8", "i8", 1, RO_C_I64},          [RO_I16] = {"int16", "i16", 2, RO_C_I64},
    [RO_I32] = {"int32", "i32", 4, RO_C_I64},       [RO_I64] = {"int64", "i64", 8, RO_C_I64},
    [RO_U8] = {"uint8", "u8", 1, RO_C_U64},         [RO_U16] = {"uint16", "u16", 2, RO_C_U64},
    [RO_U32] = {"uint32", "u32", 4, RO_C_U64},      [RO_U64] = {"uint64", "u64", 8, RO_C_U64},
    [RO_BOOL] = {"bool", "bool", 1, RO_C_U64},
};

ro_dtype ro_dtype_by_name(const char *name)
{
    for (int d = 0; d < RO_DTYPE_LIMIT; d++)
        if (ro_dtypes[d].name && strcmp(ro_dtypes[d].name, name) == 0) return (ro_dtype)d;
    return RO_NONE;
}

ro_dtype ro_dtype_by_word(const char *word)
{
    for (int d = 0; d < RO_DTYPE_LIMIT; d++)
        if (ro_dtypes[d].word && strcmp(ro_dtypes[d].word, word) == 0) return (ro_dtype)d;
    return RO_NONE;
}

ro_type ro_type_of(ro_dtype dtype, uint32_t rank, const int64_t *dims)
{
    ro_type t;
    memset(&t, 0, sizeof t);
    t.dtype = dtype;
    t.rank = rank;
    for (uint32_t a = 0; a < rank; a++) t.dims[a] = dims[a];
    return t;
}

int ro_type_equal(const ro_type *a, const ro_type *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank) return 0;
    for (uint32_t k = 0; k < a->rank; k++)
        if (a->dims[k] != b->dims[k]) return 0;
    return 1;
}

uint64_t ro_type_elements(const ro_type *t)
{
    uint64_t n = 1;
    for (uint32_t a = 0; a < t->rank; a++) n *= (uint64_t)t->dims[a];
    return n;
}

uint64_t ro_type_bytes(const ro_type *t) { return ro_type_elements(t) * ro_dtypes[t->dtype].size; }

ro_status ro_type_check(const ro_type *t, ro_err *err)
{
    uint64_t nonzero = 1; /* the product of the sizes that are not 0 */
    if ((unsigned)t->dtype >= RO_DTYPE_LIMIT || !ro_dtypes[t->dtype].name)
        return RO_FAIL(err, RO_ETYPE, "%d is not the code of a dtype", (int)t->dtype);
    if (t->rank > RO_RANK_MAX)
        return RO_FAIL(err, RO_ESHAPE, "a tensor has %u axes; at most %u are allowed", t->rank,
                       RO_RANK_MAX);
    for (uint32_t a = 0; a < t->rank; a++) {
        if (t->dims[a] < 0)
            return RO_FAIL(err, RO_ESHAPE, "axis %u has size %lld; 0 or more is allowed", a,
                           (long long)t->dims[a]);
        uint64_t d = (uint64_t)t->dims[a];
        /* The zeros left out: partial products of an empty tensor must not overflow. */
        if (!ro_mul_size(nonzero, d ? d : 1, &nonzero) || nonzero > RO_ELEMENTS_MAX)
            return RO_FAIL(err, RO_ELIMIT, "a tensor has more than %llu elements",
                           (unsigned long long)RO_ELEMENTS_MAX);
    }
    return RO_OK;
}

const char *ro_type_text(const ro_type *t, char *text, size_t size)
{
    const char *name = (unsigned)t->dtype < RO_DTYPE_LIMIT ? ro_dtypes[t->dtype].name : NULL;
    int at = snprintf(text, size, "%s[", name ? name : "none");
    for (uint32_t a = 0; a < t->rank && at > 0 && (size_t)at < size; a++)
        at += snprintf(text + at, size - (size_t)at, a ? ",%lld" : "%lld", (long long)t->dims[a]);
    if (at > 0 && (size_t)at < size) snprintf(text + at, size - (size_t)at, "]");
    return text;
}

void ro_canonical_bytes(ro_dtype dtype, const void *from, void *to, uint64_t elements)
{
    uint32_t w = ro_dtypes[dtype].size;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    const uint8_t *p = from;
    uint8_t *q = to, one[8];
    for (uint64_t i = 0; i < elements; i++) {
        for (uint32_t b = 0; b < w; b++) one[b] = p[i * w + w - 1 - b];
        memcpy(q + i * w, one, w);
    }
#else
    if (from != to) memmove(to, from, elements * w);
#endif
}

/* ---- the passes of ops.def ------------------------------------------------------------------ */

#include "body.h"

#include "body_all.h"

#define RO_PASS_HOST
#include "ops.def"
#undef RO_PASS_HOST

int ro_dtype_is_float(ro_dtype d) { return ro_is_float(d); }

uint64_t ro_element(ro_dtype d, const void *data, uint64_t i) { return ro_load(d, data, i); }

void ro_set_element(ro_dtype d, void *data, uint64_t i, uint64_t bits)
{
    switch (ro_dtypes[d].size) {
    case 8: ((uint64_t *)data)[i] = bits; break;
    case 4: ((uint32_t *)data)[i] = (uint32_t)bits; break;
    case 2: ((uint16_t *)data)[i] = (uint16_t)bits; break;
    default: ((uint8_t *)data)[i] = (uint8_t)bits; break;
    }
}

double ro_float_of_bits(ro_dtype d, uint64_t bits)
{
    return d == RO_F64 ? ro_bits_f64(bits) : (double)ro_f32_of_bits(d, bits);
}

int64_t ro_integer_of_bits(ro_dtype d, uint64_t bits) { return ro_i64_of_bits(d, bits); }

uint64_t ro_bits_of_number(ro_dtype d, double x)
{
    return ro_is_float(d) ? ro_bits_of_f64(d, x) : ro_bits_of_i64(d, ro_f64_to_i64(x));
}

const char *ro_element_text(ro_dtype d, uint64_t bits, char text[40])
{
    int digits = d == RO_F64 ? 17 : d == RO_F32 ? 9 : 5;
    if (ro_is_float(d))
        snprintf(text, 40, "%.*g", digits, ro_float_of_bits(d, bits));
    else if (ro_dtypes[d].compute == RO_C_I64)
        snprintf(text, 40, "%lld", (long long)ro_i64_of_bits(d, bits));
    else
        snprintf(text, 40, "%llu", (unsigned long long)bits);
    return text;
}

#define FIELD_KIND_u32 RO_A_U32
#define FIELD_KIND_u64 RO_A_U64
#define FIELD_KIND_i64 RO_A_I64
#define FIELD_KIND_f32 RO_A_F32
#define FIELD_KIND_f64 RO_A_F64
#define FIELD_KIND_ints RO_A_INTS
/* A function an operator, because offsetof needs a struct name that the list cannot know. */
#define FIELD_ROW(type, field) {#field, FIELD_KIND_##type, (uint32_t)offsetof(struct_of, field)},
#define RO_OP(op, ...)                                                    \
    static const ro_field *op##_fields(uint32_t *count)                   \
    {                                                                     \
        typedef ro_##op##_attrs struct_of;                                \
        static const ro_field list[] = {                                  \
            RO_##op##_ATTRS(FIELD_ROW){"end_", RO_A_U32, (uint32_t)offsetof(struct_of, end_)}}; \
        *count = (uint32_t)(sizeof list / sizeof *list) - 1;              \
        return list;                                                      \
    }
#include "ops.def"
#undef RO_OP

#define RO_AT_ALL(op) {ro_##op##_at_f32, ro_##op##_at_f64, ro_##op##_at_i64, ro_##op##_at_u64}
#define RO_AT_FLOAT(op) {ro_##op##_at_f32, ro_##op##_at_f64, NULL, NULL}
#define RO_AT_F32(op) {ro_##op##_at_f32, NULL, NULL, NULL}
#define RO_AT_I64(op) {NULL, NULL, ro_##op##_at_i64, NULL}
#define RO_AT_NO_F64(op) {ro_##op##_at_f32, NULL, ro_##op##_at_i64, ro_##op##_at_u64}
#define RO_AT_INT(op) {NULL, NULL, ro_##op##_at_i64, ro_##op##_at_u64}
#define RO_AT_U64(op) {NULL, NULL, NULL, ro_##op##_at_u64}
#define RO_AT_BITS(op) {ro_##op##_at_bits, ro_##op##_at_bits, ro_##op##_at_bits, ro_##op##_at_bits}
#define RO_EXPLAIN_ALL(op) \
    {&ro_##op##_explain_f32, &ro_##op##_explain_f64, &ro_##op##_explain_i64, \
     &ro_##op##_explain_u64}
#define RO_EXPLAIN_FLOAT(op) {&ro_##op##_explain_f32, &ro_##op##_explain_f64, NULL, NULL}
#define RO_EXPLAIN_F32(op) {&ro_##op##_explain_f32, NULL, NULL, NULL}

const ro_op_desc ro_ops[RO_OP_COUNT] = {
#define RO_OP(op, PATTERN, ...)                                                              \
    [RO_OP_##op] = {.name = #op, .pattern = RO_P_##PATTERN, .fields = op##_fields,           \
                    .attrs_size = sizeof(ro_##op##_attrs), __VA_ARGS__},
#include "ops.def"
#undef RO_OP
};

ro_op ro_op_find(const char *name, uint32_t version)
{
    for (int op = 0; op < RO_OP_COUNT; op++)
        if (ro_ops[op].name[0] == name[0] && strcmp(ro_ops[op].name, name) == 0 &&
            ro_ops[op].version == version)
            return (ro_op)op;
    return RO_OP_COUNT;
}

ro_op ro_op_newest(const char *name)
{
    ro_op best = RO_OP_COUNT;
    for (int op = 0; op < RO_OP_COUNT; op++)
        if (ro_ops[op].name[0] == name[0] && ro_ops[op].name[1] == name[1] &&
            strcmp(ro_ops[op].name, name) == 0 &&
            (best == RO_OP_COUNT || ro_ops[op].version > ro_ops[best].version))
            best = (ro_op)op;
    return best;
}

int ro_keeps_bits(ro_op op, const void *attrs)
{
    if (op == RO_OP_ScatterElements)
        return ((const ro_ScatterElements_attrs *)attrs)->reduction == 0;
    if (op == RO_OP_ScatterRows) return ((const ro_ScatterRows_attrs *)attrs)->reduction == 0;
    return ro_ops[op].at[RO_C_F32] && ro_ops[op].at[RO_C_F32] == ro_ops[op].at[RO_C_U64];
}

uint64_t ro_at(ro_op op, const ro_reader *r, const void *attrs, uint32_t out, uint64_t i)
{
    ro_compute c = r->inputs ? ro_dtypes[r->in[0].dtype].compute : RO_C_F32;
    RO_ASSERT(ro_ops[op].at[c]); /* the dtype was checked against the signature at admission */
    return ro_ops[op].at[c](r, attrs, out, i);
}

/* ---- attribute bytes ------------------------------------------------------------------------ */

static size_t put_le(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t b = 0; b < n; b++) p[b] = (uint8_t)(v >> (8 * b));
    return n;
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t b = 0; b < n; b++) v |= (uint64_t)p[b] << (8 * b);
    return v;
}

size_t ro_attrs_encode(ro_op op, const void *attrs, uint8_t *out)
{
    uint32_t count;
    const ro_field *f = ro_ops[op].fields(&count);
    size_t n = 0;
    for (uint32_t k = 0; k < count; k++) {
        const char *at = (const char *)attrs + f[k].offset;
        ro_ints list;
        uint64_t v8;
        uint32_t v4;
        switch (f[k].kind) {
        case RO_A_U32: case RO_A_F32:
            memcpy(&v4, at, 4);
            n += put_le(out + n, v4, 4);
            break;
        case RO_A_U64: case RO_A_I64: case RO_A_F64:
            memcpy(&v8, at, 8);
            n += put_le(out + n, v8, 8);
            break;
        case RO_A_INTS:
            memcpy(&list, at, sizeof list);
            n += put_le(out + n, list.n, 4);
            for (uint32_t j = 0; j < list.n; j++) n += put_le(out + n, (uint64_t)list.v[j], 8);
            break;
        }
    }
    RO_ASSERT(n <= RO_ATTR_BYTES_MAX);
    return n;
}

static ro_status decode_field(const ro_field *f, const uint8_t *bytes, size_t n, size_t *at,
                              void *attrs, ro_err *err)
{
    char *to = (char *)attrs + f->offset;
    size_t width = f->kind == RO_A_U32 || f->kind == RO_A_F32 || f->kind == RO_A_INTS ? 4 : 8;
    if (n - *at < width)
        return RO_FAIL(err, RO_EFORMAT, "attribute %s is cut off at byte %zu", f->name, n);
    uint64_t v = get_le(bytes + *at, width);
    *at += width;
    if (f->kind == RO_A_INTS) {
        ro_ints list;
        memset(&list, 0, sizeof list);
        if (v > RO_INTS_MAX)
            return RO_FAIL(err, RO_ELIMIT, "attribute %s has %llu numbers; at most %u are allowed",
                           f->name, (unsigned long long)v, RO_INTS_MAX);
        list.n = (uint32_t)v;
        if ((n - *at) / 8 < list.n)
            return RO_FAIL(err, RO_EFORMAT, "attribute %s is cut off at byte %zu", f->name, n);
        for (uint32_t j = 0; j < list.n; j++, *at += 8) list.v[j] = (int64_t)get_le(bytes + *at, 8);
        memcpy(to, &list, sizeof list);
    } else if (width == 4) {
        uint32_t v4 = (uint32_t)v;
        memcpy(to, &v4, 4);
    } else {
        memcpy(to, &v, 8);
    }
    return RO_OK;
}

ro_status ro_attrs_decode(ro_op op, const uint8_t *bytes, size_t n, void *attrs, ro_err *err)
{
    uint32_t count;
    const ro_field *f = ro_ops[op].fields(&count);
    size_t at = 0;
    memset(attrs, 0, ro_ops[op].attrs_size);
    for (uint32_t k = 0; k < count; k++) RO_TRY(decode_field(&f[k], bytes, n, &at, attrs, err));
    if (at != n)
        return RO_FAIL(err, RO_EFORMAT, "%s has %zu attribute bytes; its fields take %zu",
                       ro_ops[op].name, n, at);
    return RO_OK;
}

static const ro_field *find_field(ro_op op, const char *name)
{
    uint32_t count;
    const ro_field *f = ro_ops[op].fields(&count);
    RO_ASSERT(ro_ops[op].attrs_size <= RO_ATTRS_SIZE_MAX);
    for (uint32_t k = 0; k < count; k++)
        if (strcmp(f[k].name, name) == 0) return &f[k];
    return NULL;
}

static ro_status no_field(ro_op op, const char *name, ro_err *err)
{
    return RO_FAIL(err, RO_EATTR, "%s has no attribute %s of this type", ro_ops[op].name, name);
}

ro_status ro_attr_set_int(ro_op op, void *attrs, const char *name, int64_t v, ro_err *err)
{
    const ro_field *f = find_field(op, name);
    uint32_t v4 = (uint32_t)v;
    if (f && f->kind == RO_A_U32) {
        if (v < 0 || v > UINT32_MAX)
            return RO_FAIL(err, RO_EATTR, "%s of %s is %lld; 0 to 4294967295 are allowed", name,
                           ro_ops[op].name, (long long)v);
        memcpy((char *)attrs + f->offset, &v4, 4);
        return RO_OK;
    }
    if (!f || (f->kind != RO_A_U64 && f->kind != RO_A_I64)) return no_field(op, name, err);
    memcpy((char *)attrs + f->offset, &v, 8);
    return RO_OK;
}

ro_status ro_attr_set_real(ro_op op, void *attrs, const char *name, double v, ro_err *err)
{
    const ro_field *f = find_field(op, name);
    float v4 = ro_f64_to_f32(v);
    if (!f || (f->kind != RO_A_F32 && f->kind != RO_A_F64)) return no_field(op, name, err);
    if (f->kind == RO_A_F32) memcpy((char *)attrs + f->offset, &v4, 4);
    else memcpy((char *)attrs + f->offset, &v, 8);
    return RO_OK;
}

ro_status ro_attr_set_ints(ro_op op, void *attrs, const char *name, const int64_t *v, uint32_t n,
                           ro_err *err)
{
    const ro_field *f = find_field(op, name);
    ro_ints list;
    if (!f || f->kind != RO_A_INTS) return no_field(op, name, err);
    if (n > RO_INTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%s of %s has %u numbers; at most %u are allowed", name,
                       ro_ops[op].name, n, RO_INTS_MAX);
    memset(&list, 0, sizeof list);
    list.n = n;
    for (uint32_t k = 0; k < n; k++) list.v[k] = v[k];
    memcpy((char *)attrs + f->offset, &list, sizeof list);
    return RO_OK;
}

/* ---- inference and cost helpers ------------------------------------------------------------- */

ro_status ro_infer_same(RO_INFER_ARGS)
{
    (void)attrs, (void)n_in, (void)n_out, (void)err;
    out[0] = in[0];
    return RO_OK;
}

ro_status ro_broadcast(const ro_type *a, const ro_type *b, ro_type *out, ro_err *err)
{
    ro_type y = *a;
    y.rank = a->rank > b->rank ? a->rank : b->rank;
    for (uint32_t k = 0; k < y.rank; k++) { /* k counts axes from the last */
        int64_t da = k < a->rank ? a->dims[a->rank - 1 - k] : 1;
        int64_t db = k < b->rank ? b->dims[b->rank - 1 - k] : 1;
        if (da != db && da != 1 && db != 1)
            return RO_FAIL(err, RO_ESHAPE,
                           "sizes %lld and %lld on axis %u do not broadcast; one must be 1",
                           (long long)da, (long long)db, y.rank - 1 - k);
        y.dims[y.rank - 1 - k] = da == 1 ? db : da;
    }
    *out = y;
    return RO_OK;
}

ro_status ro_infer_broadcast(RO_INFER_ARGS)
{
    (void)attrs, (void)n_in, (void)n_out;
    return ro_broadcast(&in[0], &in[1], &out[0], err);
}

ro_status ro_check_shapes(const ro_type *a, const char *a_name, const ro_type *b,
                          const char *b_name, ro_err *err)
{
    ro_type like = *b;
    char ta[96], tb[96];
    like.dtype = a->dtype;
    if (!ro_type_equal(a, &like))
        return RO_FAIL(err, RO_ESHAPE, "%s is %s and %s is %s; their shapes must be equal", a_name,
                       ro_type_text(a, ta, sizeof ta), b_name, ro_type_text(b, tb, sizeof tb));
    return RO_OK;
}

ro_status ro_check_scalar(const ro_type *t, const char *name, ro_err *err)
{
    char text[96];
    if (t->rank != 0)
        return RO_FAIL(err, RO_ESHAPE, "%s is %s; it must be a scalar", name,
                       ro_type_text(t, text, sizeof text));
    return RO_OK;
}

ro_status ro_check_flag(uint32_t value, const char *name, ro_err *err)
{
    if (value > 1)
        return RO_FAIL(err, RO_EATTR, "%s is %u; 0 or 1 is allowed", name, value);
    return RO_OK;
}

ro_status ro_check_finite(double x, const char *name, ro_err *err)
{
    if (!(x - x == 0))
        return RO_FAIL(err, RO_EATTR, "%s is not a finite number", name);
    return RO_OK;
}

int ro_given(const ro_type *in, uint32_t n_in, uint32_t k)
{
    return k < n_in && in[k].dtype != RO_NONE;
}

ro_status ro_infer_alike(RO_INFER_ARGS)
{
    RO_TRY(ro_check_shapes(&in[0], "the first input", &in[1], "the second", err));
    return ro_infer_same(attrs, in, n_in, out, n_out, err);
}

ro_status ro_infer_shape(ro_dtype dtype, const ro_ints *sizes, ro_type *out, ro_err *err)
{
    if (sizes->n > RO_RANK_MAX)
        return RO_FAIL(err, RO_EATTR, "a shape has %u sizes; at most %u are allowed", sizes->n,
                       RO_RANK_MAX);
    for (uint32_t a = 0; a < sizes->n; a++)
        if (sizes->v[a] < 0)
            return RO_FAIL(err, RO_EATTR, "size %u of a shape is %lld; 0 or more is allowed", a,
                           (long long)sizes->v[a]);
    *out = ro_type_of(dtype, sizes->n, sizes->v);
    return ro_type_check(out, err);
}

ro_status ro_check_axis(int64_t axis, uint32_t rank, ro_err *err)
{
    if (axis < -(int64_t)rank || axis >= (int64_t)rank)
        return RO_FAIL(err, RO_EATTR, "axis %lld is outside [%lld, %lld) of a rank %u tensor",
                       (long long)axis, -(long long)rank, (long long)rank, rank);
    return RO_OK;
}

uint64_t ro_saturating_mul(uint64_t a, uint64_t b)
{
    uint64_t r;
    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

uint64_t ro_saturating_add(uint64_t a, uint64_t b)
{
    uint64_t r;
    return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

#define RO_CONSTANT_FLOPS(n)                                  \
    uint64_t ro_flops_##n(RO_FLOPS_ARGS)                      \
    {                                                         \
        (void)attrs, (void)in, (void)n_in, (void)out;         \
        return n;                                             \
    }
RO_CONSTANT_FLOPS(0)
RO_CONSTANT_FLOPS(1)
RO_CONSTANT_FLOPS(2)
RO_CONSTANT_FLOPS(32)

uint64_t ro_reads_1(RO_FLOPS_ARGS, uint32_t input)
{
    (void)attrs, (void)in, (void)n_in, (void)out, (void)input;
    return 1;
}

/* ---- what explanations need at most --------------------------------------------------------- */

static uint64_t greater(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* Of MaxPool one more: the number at the best tap. */
static uint64_t chain_needs_most(uint64_t n)
{
    uint64_t count[RO_LEVELS_MAX];
    ro_chain_levels(n, count);
    return greater(count[0] < RO_LIST ? count[0] : RO_LIST, count[1]) + 1;
}

static uint64_t maxpoolgrad_needs_most(const ro_reader *r, const void *attrs)
{
    const ro_window w = ro_maxpool_window(attrs, &r->in[1], &r->in[0]);
    const ro_maxpool_shape s = ro_maxpool_shape_by(&w, ro_window_most(&w));
    uint64_t marks = s.windows > RO_CHAIN ? RO_CHAIN * s.lists + 1 : s.windows * s.lists;
    return greater(greater(marks, s.parts < RO_LIST ? s.parts : RO_LIST),
                   chain_needs_most(s.windows));
}

/* Of the element; the later of two parts of a level may need the one before it as well. */
static uint64_t element_needs_most(const ro_explain *e, const ro_reader *r, const void *attrs,
                                   uint32_t out)
{
    uint64_t count[RO_LEVELS_MAX], most = 0;
    uint32_t levels = e->levels(r, attrs, out, 0, count);
    for (uint32_t l = 0; l < levels; l++)
        for (uint64_t k = 0; k < 2 && k < count[l]; k++) {
            ro_parts needs[RO_NEEDS_MAX];
            uint64_t total = 0;
            uint32_t runs = e->needs(r, attrs, out, 0, l, k, needs);
            for (uint32_t t = 0; t < runs; t++) total += needs[t].end - needs[t].begin;
            most = greater(most, total);
        }
    return most;
}

uint64_t ro_part_needs_most(ro_op op, const ro_reader *r, const void *attrs, uint32_t out)
{
    const ro_explain *e = ro_explain_of(op, r);
    uint64_t reads, all;
    if (!e || ro_type_elements(&r->out[out]) == 0) return 0;
    switch (op) { /* those at edges need less: of pools and images, and a line's first elements */
    case RO_OP_CumSum:
    case RO_OP_CumProd:
        return chain_needs_most(ro_ops[op].reads(attrs, r->in, r->inputs, &r->out[out], 0));
    case RO_OP_MaxPoolGrad: return maxpoolgrad_needs_most(r, attrs);
    case RO_OP_AveragePoolGrad: return chain_needs_most(ro_span(&r->in[0], 2, r->in[0].rank));
    case RO_OP_MaxPool:
    case RO_OP_AveragePool:
    case RO_OP_ResizeGrad:
        reads = ro_ops[op].reads(attrs, r->in, r->inputs, &r->out[out], 0);
        all = ro_type_elements(&r->in[0]);
        return chain_needs_most(reads < all ? reads : all);
    default: return element_needs_most(e, r, attrs, out);
    }
}

/* ---- emission that needs attribute structs -------------------------------------------------- */

static ro_ints ints_of_dims(const ro_type *t)
{
    ro_ints list;
    memset(&list, 0, sizeof list);
    list.n = t->rank;
    for (uint32_t a = 0; a < t->rank; a++) list.v[a] = t->dims[a];
    return list;
}

ro_status ro_emit_fill(ro_graph *g, const ro_type *type, double x, ro_value *out, ro_err *err)
{
    ro_ConstantOfShape_attrs t;
    memset(&t, 0, sizeof t);
    t.dtype = (uint32_t)type->dtype;
    t.shape = ints_of_dims(type);
    t.bits = ro_bits_of_number(type->dtype, x);
    return ro_emit(g, RO_OP_ConstantOfShape, &t, NULL, 0, out, err);
}

ro_status ro_emit_scalar(ro_graph *g, ro_dtype dtype, double x, ro_value *out, ro_err *err)
{
    ro_type t = ro_type_of(dtype, 0, NULL);
    return ro_emit_fill(g, &t, x, out, err);
}

ro_status ro_emit_reshape(ro_graph *g, ro_value a, const ro_type *like, ro_value *out, ro_err *err)
{
    ro_Reshape_attrs t;
    ro_type have = *ro_graph_type(g, a), want = *like;
    want.dtype = have.dtype;
    *out = a;
    if (ro_type_equal(&have, &want)) return RO_OK;
    memset(&t, 0, sizeof t);
    t.shape = ints_of_dims(like);
    return ro_emit1(g, RO_OP_Reshape, &t, a, out, err);
}

ro_status ro_emit_where(ro_graph *g, ro_op is, ro_value x, ro_value bound, ro_value v,
                        ro_value otherwise, ro_value *out, ro_err *err)
{
    ro_value in[3] = {RO_NO_VALUE, v, otherwise};
    RO_TRY(ro_emit2(g, is, NULL, x, bound, &in[0], err));
    return ro_emit(g, RO_OP_Where, NULL, in, 3, out, err);
}

ro_status ro_emit_below_zero(ro_graph *g, ro_value x, ro_value below, ro_value above,
                             ro_value *out, ro_err *err)
{
    ro_value zero;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, x)->dtype, 0, &zero, err));
    return ro_emit_where(g, RO_OP_Less, x, zero, below, above, out, err);
}

ro_status ro_emit_unbroadcast(ro_graph *g, ro_value dy, ro_value like, ro_value *out, ro_err *err)
{
    ro_type y = *ro_graph_type(g, dy), x = *ro_graph_type(g, like);
    ro_ReduceSum_attrs t;
    memset(&t, 0, sizeof t);
    *out = dy;
    for (uint32_t a = 0; a < y.rank; a++) {
        uint32_t lead = y.rank - x.rank;
        if (a < lead || (x.dims[a - lead] == 1 && y.dims[a] != 1)) t.axes.v[t.axes.n++] = a;
    }
    if (t.axes.n == 0) return RO_OK;
    t.keepdims = 1;
    RO_TRY(ro_emit1(g, RO_OP_ReduceSum, &t, dy, out, err));
    return ro_emit_reshape(g, *out, &x, out, err);
}
