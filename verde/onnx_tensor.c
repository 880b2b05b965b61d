/* onnx_tensor.c - tensors of ONNX models: shape, dtype, and data in any of its encodings.
 *
 * What this file decides: which bytes a TensorProto means.
 *
 * Invariants
 *   1. A shape has at most RO_RANK_MAX dimensions of at most RO_ELEMENTS_MAX each, and at most
 *      RO_ELEMENTS_MAX elements: no product overflows. A dimension may be 0.
 *   2. Data is there once, in the field that the dtype has, with as many numbers as the shape
 *      has elements, each within the dtype's range. Nothing is cut, wrapped or filled up: bits
 *      after the last of 4-bit and 2-bit elements are 0. Of data in other files only the size is
 *      known. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "onnx.h"

/* TensorProto's fields of data. */
enum { FLOATS = 4, INT32S = 5, STRINGS = 6, INT64S = 7, RAW = 9, DOUBLES = 10, UINT64S = 11 };

/* How elements of a dtype lie in its typed field: each number there is `bytes` bytes of canonical
 * data, and `bits` are an element's. Integers lie in low to high, in INT64S and UINT64S in all. */
typedef struct {
    const char *name;
    uint32_t field, bits, bytes;
    int64_t low, high;
} dtype_info;

static const dtype_info dtypes[VD_ONNX_DTYPE_LIMIT] = {
    [1] = {"float32", FLOATS, 32, 4, 0, 0},
    [2] = {"uint8", INT32S, 8, 1, 0, UINT8_MAX},
    [3] = {"int8", INT32S, 8, 1, INT8_MIN, INT8_MAX},
    [4] = {"uint16", INT32S, 16, 2, 0, UINT16_MAX},
    [5] = {"int16", INT32S, 16, 2, INT16_MIN, INT16_MAX},
    [6] = {"int32", INT32S, 32, 4, INT32_MIN, INT32_MAX},
    [7] = {"int64", INT64S, 64, 8, INT64_MIN, INT64_MAX},
    [8] = {"string", STRINGS, 0, 0, 0, 0},
    [9] = {"bool", INT32S, 8, 1, 0, 1},
    [10] = {"float16", INT32S, 16, 2, 0, UINT16_MAX},
    [11] = {"float64", DOUBLES, 64, 8, 0, 0},
    [12] = {"uint32", UINT64S, 32, 4, 0, UINT32_MAX},
    [13] = {"uint64", UINT64S, 64, 8, INT64_MIN, INT64_MAX},
    [14] = {"complex64", FLOATS, 64, 4, 0, 0},
    [15] = {"complex128", DOUBLES, 128, 8, 0, 0},
    [16] = {"bfloat16", INT32S, 16, 2, 0, UINT16_MAX},
    [17] = {"float8e4m3fn", INT32S, 8, 1, 0, UINT8_MAX},
    [18] = {"float8e4m3fnuz", INT32S, 8, 1, 0, UINT8_MAX},
    [19] = {"float8e5m2", INT32S, 8, 1, 0, UINT8_MAX},
    [20] = {"float8e5m2fnuz", INT32S, 8, 1, 0, UINT8_MAX},
    [21] = {"uint4", INT32S, 4, 1, 0, UINT8_MAX},
    [22] = {"int4", INT32S, 4, 1, 0, UINT8_MAX},
    [23] = {"float4e2m1", INT32S, 4, 1, 0, UINT8_MAX},
    [24] = {"float8e8m0", INT32S, 8, 1, 0, UINT8_MAX},
    [25] = {"uint2", INT32S, 2, 1, 0, UINT8_MAX},
    [26] = {"int2", INT32S, 2, 1, 0, UINT8_MAX}};

const char *vd_onnx_dtype_name(uint32_t dtype)
{
    return dtype < VD_ONNX_DTYPE_LIMIT ? dtypes[dtype].name : NULL;
}

static ro_status bad(const vd_onnx_tensor *t, ro_err *err, ro_status code, const char *format, ...)
    RO_PRINTF(4, 5);
static ro_status bad(const vd_onnx_tensor *t, ro_err *err, ro_status code, const char *format, ...)
{
    char name[80], why[170];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return RO_FAIL(err, code, "tensor \"%s\" %s", vd_onnx_show(&t->name, name, sizeof name), why);
}

/* ---- shape ------------------------------------------------------------------------------- */

static ro_status add_dimension(vd_onnx_tensor *t, uint64_t size, ro_err *err)
{
    if (t->rank == RO_RANK_MAX)
        return bad(t, err, RO_ELIMIT, "has over %u dimensions, which is the limit", RO_RANK_MAX);
    if (size > INT64_MAX)
        return bad(t, err, RO_ESHAPE,
                   "has a dimension of %lld, or of 2^63 or more; 0 to %llu are allowed",
                   (long long)size, (unsigned long long)RO_ELEMENTS_MAX);
    if (size > RO_ELEMENTS_MAX)
        return bad(t, err, RO_ELIMIT, "has a dimension of %llu; 0 to %llu are allowed",
                   (unsigned long long)size, (unsigned long long)RO_ELEMENTS_MAX);
    t->dims[t->rank++] = (int64_t)size;
    return RO_OK;
}

static ro_status count_elements(vd_onnx_tensor *t, ro_err *err)
{
    uint64_t n = 1, all = 1;
    for (uint32_t a = 0; a < t->rank; a++) {
        if (!vd_onnx_multiply(&all, t->dims[a]))
            return bad(t, err, RO_ELIMIT, "has over %llu elements, which is the limit",
                       (unsigned long long)RO_ELEMENTS_MAX);
        n *= (uint64_t)t->dims[a]; /* at most `all` */
    }
    t->elements = n;
    uint64_t bits = dtypes[t->dtype].bits;
    t->bytes = (n * bits + 7) / 8; /* below 2^47 */
    return RO_OK;
}

/* ---- data -------------------------------------------------------------------------------- */

static int one(const vd_onnx_tensor *t, uint64_t value, uint64_t index, uint8_t *to)
{
    const dtype_info *d = &dtypes[t->dtype];
    int is_float = d->field == FLOATS || d->field == DOUBLES;
    if (!is_float && ((int64_t)value < d->low || (int64_t)value > d->high)) return 0;
    if (to) vd_put_le(to + index * d->bytes, value, d->bytes);
    return 1;
}

/* How many numbers the typed field has; with `wrong`, up to the first that its dtype lacks. */
typedef struct { uint64_t count, value; int wrong; } numbers;

static void next_number(const vd_onnx_tensor *t, numbers *n, uint64_t room, uint8_t *to)
{
    n->wrong = n->count < room && !one(t, n->value, n->count, to);
    n->count++;
}

/* Walk the numbers of the typed field in order, and put them into `to` unless that is NULL. */
static numbers read_numbers(const vd_onnx_tensor *t, uint8_t *to)
{
    const dtype_info *d = &dtypes[t->dtype];
    vd_wire_type type = vd_wire_number_type(vd_wire_spec_of(VD_M_TENSOR, d->field).kind);
    uint64_t room = t->bytes / d->bytes;
    numbers n = {0, 0, 0};
    vd_wire w = t->message;
    vd_wire_field f;
    while (!n.wrong && vd_wire_next(&w, &f) > 0) {
        if (f.number != d->field) continue;
        if (f.type == type) {
            n.value = f.value;
            next_number(t, &n, room, to);
        }
        while (f.type == VD_W_BYTES && !n.wrong && f.bytes.p < f.bytes.end &&
               vd_wire_number(&f.bytes, type, &n.value))
            next_number(t, &n, room, to);
    }
    return n;
}

/* Of the last byte, which elements of less than a byte may not fill. */
static ro_status check_last(const vd_onnx_tensor *t, uint64_t last, ro_err *err)
{
    uint64_t used = t->elements * dtypes[t->dtype].bits % 8;
    if (!used || last >> used == 0) return RO_OK;
    return bad(t, err, RO_EFORMAT, "of %s has bits after its last element, in the byte %llu",
               dtypes[t->dtype].name, (unsigned long long)last);
}

static ro_status check_numbers(const vd_onnx_tensor *t, ro_err *err)
{
    const dtype_info *d = &dtypes[t->dtype];
    numbers n = read_numbers(t, NULL);
    uint64_t room = t->bytes / d->bytes;
    if (n.wrong)
        return bad(t, err, RO_EFORMAT, "of %s holds the number %lld; %lld to %lld are allowed",
                   d->name, (long long)n.value, (long long)d->low, (long long)d->high);
    if (n.count != room)
        return bad(t, err, RO_ESHAPE, "has %llu numbers of data; its shape and %s need %llu",
                   (unsigned long long)n.count, d->name, (unsigned long long)room);
    return check_last(t, n.value, err);
}

/* Raw bytes are every number of their dtype, but for those of truth values. */
static ro_status check_raw(const vd_onnx_tensor *t, ro_err *err)
{
    const dtype_info *d = &dtypes[t->dtype];
    for (uint64_t k = 0; d->high == 1 && k < t->bytes; k++)
        if (t->data[k] > 1)
            return bad(t, err, RO_EFORMAT, "of %s holds the number %u; 0 to 1 are allowed", d->name,
                       t->data[k]);
    return t->bytes ? check_last(t, t->data[t->bytes - 1], err) : RO_OK;
}

void vd_onnx_tensor_inner(const vd_onnx_tensor *t, uint8_t *to)
{
    if (t->bytes && t->data) memcpy(to, t->data, t->bytes);
    else if (t->bytes) read_numbers(t, to);
}

/* Which fields of data are there, and the raw one; typed fields may be there and be empty. */
typedef struct { uint32_t fields, strings; int external; vd_wire raw; } data_found;

static ro_status look(vd_onnx_tensor *t, data_found *found, ro_err *err)
{
    vd_wire w = t->message;
    vd_wire_field f;
    while (vd_wire_next(&w, &f) > 0) {
        int some = f.type != VD_W_BYTES || f.bytes.p < f.bytes.end;
        switch (f.number) {
        case 1:
            if (f.type != VD_W_BYTES) {
                RO_TRY(add_dimension(t, f.value, err));
                break;
            }
            for (uint64_t v; f.bytes.p < f.bytes.end && vd_wire_number(&f.bytes, VD_W_VARINT, &v);)
                RO_TRY(add_dimension(t, v, err));
            break;
        case 2:
            if (f.value == 0 || f.value >= VD_ONNX_DTYPE_LIMIT)
                return bad(t, err, RO_ETYPE, "has the data type %lld; 1 to %u are known",
                           (long long)f.value, VD_ONNX_DTYPE_LIMIT - 1);
            t->dtype = (uint32_t)f.value;
            break;
        case 3:
            return bad(t, err, RO_EFORMAT, "is a segment of a larger tensor, which is not read");
        case 14:
            if (f.value > 1)
                return bad(t, err, RO_EFORMAT, "has the data location %lld; 0 and 1 are known",
                           (long long)f.value);
            found->external = (int)f.value;
            break;
        case RAW:
            found->raw = f.bytes;
            found->fields |= some ? 1u << RAW : 0;
            break;
        case STRINGS:
            found->strings++;
            found->fields |= 1u << STRINGS;
            break;
        case FLOATS: case INT32S: case INT64S: case DOUBLES: case UINT64S:
            found->fields |= some ? 1u << f.number : 0;
            break;
        default: break;
        }
    }
    return RO_OK;
}

ro_status vd_onnx_tensor_check(vd_onnx_tensor *t, ro_err *err)
{
    data_found found = {0};
    RO_TRY(look(t, &found, err));
    if (!t->dtype) return bad(t, err, RO_ETYPE, "has no data type");
    RO_TRY(count_elements(t, err));
    const dtype_info *d = &dtypes[t->dtype];
    t->external = found.external;
    if (found.external) {
        if (found.fields)
            return bad(t, err, RO_EFORMAT, "has data in the model and in another file");
        if (d->field == STRINGS)
            return bad(t, err, RO_ETYPE, "of strings has its data in another file");
        return RO_OK;
    }
    if (found.fields & (found.fields - 1))
        return bad(t, err, RO_EFORMAT, "has data in more than one field");
    if (d->field == STRINGS) {
        if (found.fields & ~(1u << STRINGS))
            return bad(t, err, RO_ETYPE, "of strings has data of numbers");
        if (found.strings != t->elements)
            return bad(t, err, RO_ESHAPE, "has %u strings; its shape needs %llu", found.strings,
                       (unsigned long long)t->elements);
        return RO_OK;
    }
    if (found.fields & ~(1u << d->field | 1u << RAW))
        return bad(t, err, RO_ETYPE, "of %s has its data in another type's field", d->name);
    if (!(found.fields & 1u << RAW)) return check_numbers(t, err);
    uint64_t raw = (uint64_t)(found.raw.end - found.raw.p);
    if (raw != t->bytes)
        return bad(t, err, RO_ESHAPE, "has %llu bytes of data; its shape and %s need %llu",
                   (unsigned long long)raw, d->name, (unsigned long long)t->bytes);
    t->data = found.raw.p;
    return check_raw(t, err);
}
