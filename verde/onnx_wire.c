/* onnx_wire.c - fields of protobuf messages, and the one bounded walk over a whole model.
 *
 * What this file decides: docs/ONNX.md, "What is read". The rules are protobuf's where writers
 * differ (the last of a single number or text counts, numbers come packed or one by one, fields
 * that nobody knows are skipped) and stricter where two readers could see two models: a single
 * message given twice, a field of another wire type, groups, and text that is not UTF-8 are
 * refused. */
#include "onnx_wire.h"

#include "bytes.h"

static const vd_wire_spec specs[VD_M_COUNT][VD_ONNX_NUMBERS] = {
    [VD_M_MODEL] = {
        [1] = {VD_F_INT, 0}, [2] = {VD_F_TEXT, 0}, [3] = {VD_F_TEXT, 0}, [4] = {VD_F_TEXT, 0},
        [5] = {VD_F_INT, 0}, [6] = {VD_F_SKIP, 0}, [7] = {VD_F_MESSAGE, VD_M_GRAPH},
        [8] = {VD_F_MESSAGES, VD_M_OPSET}, [14] = {VD_F_MESSAGES, VD_M_ENTRY},
        [20] = {VD_F_SKIP, 0}, [25] = {VD_F_MESSAGES, VD_M_FUNCTION}, [26] = {VD_F_SKIP, 0}},
    [VD_M_OPSET] = {[1] = {VD_F_TEXT, 0}, [2] = {VD_F_INT, 0}},
    [VD_M_ENTRY] = {[1] = {VD_F_TEXT, 0}, [2] = {VD_F_TEXT, 0}},
    [VD_M_GRAPH] = {
        [1] = {VD_F_MESSAGES, VD_M_NODE}, [2] = {VD_F_TEXT, 0},
        [5] = {VD_F_MESSAGES, VD_M_TENSOR}, [10] = {VD_F_SKIP, 0},
        [11] = {VD_F_MESSAGES, VD_M_VALUE}, [12] = {VD_F_MESSAGES, VD_M_VALUE},
        [13] = {VD_F_MESSAGES, VD_M_VALUE}, [14] = {VD_F_SKIP, 0},
        [15] = {VD_F_MESSAGES, VD_M_SPARSE}, [16] = {VD_F_SKIP, 0}},
    [VD_M_FUNCTION] = {
        [1] = {VD_F_TEXT, 0}, [4] = {VD_F_TEXTS, 0}, [5] = {VD_F_TEXTS, 0}, [6] = {VD_F_TEXTS, 0},
        [7] = {VD_F_MESSAGES, VD_M_NODE}, [8] = {VD_F_SKIP, 0},
        [9] = {VD_F_MESSAGES, VD_M_OPSET}, [10] = {VD_F_TEXT, 0},
        [11] = {VD_F_MESSAGES, VD_M_ATTRIBUTE}, [12] = {VD_F_MESSAGES, VD_M_VALUE},
        [13] = {VD_F_TEXT, 0}, [14] = {VD_F_SKIP, 0}},
    [VD_M_NODE] = {
        [1] = {VD_F_TEXTS, 0}, [2] = {VD_F_TEXTS, 0}, [3] = {VD_F_TEXT, 0}, [4] = {VD_F_TEXT, 0},
        [5] = {VD_F_MESSAGES, VD_M_ATTRIBUTE}, [6] = {VD_F_SKIP, 0}, [7] = {VD_F_TEXT, 0},
        [8] = {VD_F_TEXT, 0}, [9] = {VD_F_SKIP, 0}, [10] = {VD_F_SKIP, 0}},
    [VD_M_ATTRIBUTE] = {
        [1] = {VD_F_TEXT, 0}, [2] = {VD_F_FLOAT, 0}, [3] = {VD_F_INT, 0}, [4] = {VD_F_BYTES, 0},
        [5] = {VD_F_MESSAGE, VD_M_TENSOR}, [6] = {VD_F_MESSAGE, VD_M_GRAPH},
        [7] = {VD_F_FLOATS, 0}, [8] = {VD_F_INTS, 0}, [9] = {VD_F_BYTESES, 0},
        [10] = {VD_F_MESSAGES, VD_M_TENSOR}, [11] = {VD_F_MESSAGES, VD_M_GRAPH},
        [13] = {VD_F_SKIP, 0}, [14] = {VD_F_MESSAGE, VD_M_TYPE},
        [15] = {VD_F_MESSAGES, VD_M_TYPE}, [20] = {VD_F_INT, 0}, [21] = {VD_F_TEXT, 0},
        [22] = {VD_F_MESSAGE, VD_M_SPARSE}, [23] = {VD_F_MESSAGES, VD_M_SPARSE}},
    [VD_M_TENSOR] = {
        [1] = {VD_F_INTS, 0}, [2] = {VD_F_INT, 0}, [3] = {VD_F_SKIP, 0}, [4] = {VD_F_FLOATS, 0},
        [5] = {VD_F_INTS, 0}, [6] = {VD_F_BYTESES, 0}, [7] = {VD_F_INTS, 0},
        [8] = {VD_F_TEXT, 0}, [9] = {VD_F_BYTES, 0}, [10] = {VD_F_DOUBLES, 0},
        [11] = {VD_F_INTS, 0}, [12] = {VD_F_SKIP, 0}, [13] = {VD_F_MESSAGES, VD_M_ENTRY},
        [14] = {VD_F_INT, 0}, [16] = {VD_F_SKIP, 0}},
    [VD_M_SPARSE] = {[1] = {VD_F_MESSAGE, VD_M_TENSOR}, [2] = {VD_F_MESSAGE, VD_M_TENSOR},
                     [3] = {VD_F_INTS, 0}},
    [VD_M_VALUE] = {[1] = {VD_F_TEXT, 0}, [2] = {VD_F_MESSAGE, VD_M_TYPE}, [3] = {VD_F_SKIP, 0},
                    [4] = {VD_F_SKIP, 0}},
    [VD_M_TYPE] = {
        [1] = {VD_F_MESSAGE, VD_M_TYPE_TENSOR}, [4] = {VD_F_MESSAGE, VD_M_TYPE_ELEMENT},
        [5] = {VD_F_MESSAGE, VD_M_TYPE_MAP}, [6] = {VD_F_SKIP, 0},
        [8] = {VD_F_MESSAGE, VD_M_TYPE_TENSOR}, [9] = {VD_F_MESSAGE, VD_M_TYPE_ELEMENT}},
    [VD_M_TYPE_TENSOR] = {[1] = {VD_F_INT, 0}, [2] = {VD_F_MESSAGE, VD_M_SHAPE}},
    [VD_M_TYPE_ELEMENT] = {[1] = {VD_F_MESSAGE, VD_M_TYPE}},
    [VD_M_TYPE_MAP] = {[1] = {VD_F_INT, 0}, [2] = {VD_F_MESSAGE, VD_M_TYPE}},
    [VD_M_SHAPE] = {[1] = {VD_F_MESSAGES, VD_M_DIMENSION}},
    [VD_M_DIMENSION] = {[1] = {VD_F_INT, 0}, [2] = {VD_F_TEXT, 0}, [3] = {VD_F_SKIP, 0}}};

static const char *const names[VD_M_COUNT] = {
    "the model", "an opset import", "an entry", "a graph", "a function", "a node", "an attribute",
    "a tensor", "a sparse tensor", "a value", "a type", "a tensor type", "an element type",
    "a map type", "a shape", "a dimension"};

vd_wire_spec vd_wire_spec_of(vd_wire_message message, uint32_t number)
{
    return number < VD_ONNX_NUMBERS ? specs[message][number] : (vd_wire_spec){VD_F_UNKNOWN, 0};
}

/* ---- fields ------------------------------------------------------------------------------ */

/* At most ten bytes, of which the tenth can only be 0 or 1. */
static int varint(vd_wire *w, uint64_t *value)
{
    uint64_t v = 0;
    const uint8_t *p = w->p;
    for (unsigned shift = 0; p < w->end; shift += 7) {
        uint8_t b = *p++;
        if (shift == 63 && b > 1) return 0;
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) {
            w->p = p;
            *value = v;
            return 1;
        }
    }
    return 0;
}

int vd_wire_number(vd_wire *w, vd_wire_type type, uint64_t *value)
{
    if (type == VD_W_VARINT) return varint(w, value);
    unsigned bytes = type == VD_W_64 ? 8 : 4;
    if ((uint64_t)(w->end - w->p) < bytes) return 0;
    *value = vd_get_le(w->p, bytes);
    w->p += bytes;
    return 1;
}

int vd_wire_next(vd_wire *w, vd_wire_field *f)
{
    uint64_t tag, n;
    if (w->p == w->end) return 0;
    if (!varint(w, &tag) || tag > UINT32_MAX || tag < 8) return -1;
    f->number = (uint32_t)tag >> 3;
    switch (tag & 7) {
    case VD_W_VARINT: f->type = VD_W_VARINT; return varint(w, &f->value) ? 1 : -1;
    case VD_W_64: f->type = VD_W_64; return vd_wire_number(w, VD_W_64, &f->value) ? 1 : -1;
    case VD_W_32: f->type = VD_W_32; return vd_wire_number(w, VD_W_32, &f->value) ? 1 : -1;
    case VD_W_BYTES: break;
    default: return -1; /* groups, and numbers that are no wire type */
    }
    f->type = VD_W_BYTES;
    if (!varint(w, &n) || n > (uint64_t)(w->end - w->p)) return -1;
    f->bytes = (vd_wire){w->p, w->p + n};
    w->p += n;
    return 1;
}

vd_wire_type vd_wire_number_type(vd_wire_kind kind)
{
    return kind == VD_F_FLOAT || kind == VD_F_FLOATS ? VD_W_32
           : kind == VD_F_DOUBLES                    ? VD_W_64
                                                     : VD_W_VARINT;
}

/* ---- text -------------------------------------------------------------------------------- */

unsigned vd_wire_character(const uint8_t *p, uint64_t left)
{
    unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4 : 0;
    if (n > left) return 0;
    for (unsigned k = 1; k < n; k++)
        if ((p[k] & 0xc0) != 0x80) return 0;
    if (n == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))) return 0;
    if (n == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))) return 0;
    return p[0] ? n : 0;
}

/* Whether none of the next 8 bytes is 0 or above 127: the first borrows, the second has its top. */
static int is_plain_word(const uint8_t *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t word = vd_get_u64(p);
    return !((word | (word - ones)) & tops);
}

static int is_text(vd_wire w)
{
    while (w.p < w.end) {
        while (w.end - w.p >= 8 && is_plain_word(w.p)) w.p += 8;
        if (w.p == w.end) return 1;
        unsigned n = vd_wire_character(w.p, (uint64_t)(w.end - w.p));
        if (!n) return 0;
        w.p += n;
    }
    return 1;
}

/* ---- the walk ---------------------------------------------------------------------------- */

typedef struct { vd_wire rest; vd_wire_message message; uint32_t seen; } frame;

typedef struct {
    const uint8_t *begin;
    vd_wire_counts *c;
    frame stack[VD_ONNX_DEPTH_MAX];
    uint32_t depth;
    ro_err *err;
} walk;

static ro_status malformed(const walk *w, const uint8_t *at, const char *why)
{
    const frame *f = &w->stack[w->depth - 1];
    return RO_FAIL(w->err, RO_EFORMAT, "the model is malformed at byte %llu, in %s: %s",
                   (unsigned long long)(at - w->begin), names[f->message], why);
}

/* What is left for numbers of this size. Tensors keep theirs in the file. */
static uint64_t room_for(const walk *w, uint64_t bytes)
{
    uint64_t used = w->c->ints * sizeof(int64_t) + w->c->floats * sizeof(float);
    if (w->stack[w->depth - 1].message == VD_M_TENSOR) return VD_ONNX_FILE_MAX;
    return (VD_ONNX_MEMORY_MAX - used) / bytes;
}

/* Numbers of one field, packed or alone: counted, up to the first that there is no room for. */
static ro_status count_numbers(walk *w, const uint8_t *at, vd_wire_kind kind,
                               const vd_wire_field *f)
{
    vd_wire_type type = vd_wire_number_type(kind);
    uint64_t n = 1, v, room = room_for(w, type == VD_W_32 ? sizeof(float) : sizeof(int64_t));
    if (f->type == VD_W_BYTES) {
        vd_wire packed = f->bytes;
        if (type != VD_W_VARINT) {
            uint64_t size = (uint64_t)(packed.end - packed.p), one = type == VD_W_64 ? 8 : 4;
            if (size % one) return malformed(w, at, "packed numbers end inside one");
            n = size / one;
        } else {
            for (n = 0; packed.p < packed.end && n <= room; n++)
                if (!varint(&packed, &v)) return malformed(w, at, "a packed number does not end");
        }
    } else if (f->type != type) {
        return malformed(w, at, "a number of another wire type than the schema's");
    }
    if (n > room)
        return RO_FAIL(w->err, RO_ELIMIT,
                       "the model would take over %llu bytes for lists of numbers beside its "
                       "tensors, at byte %llu",
                       (unsigned long long)VD_ONNX_MEMORY_MAX,
                       (unsigned long long)(at - w->begin));
    if (w->stack[w->depth - 1].message == VD_M_TENSOR) return RO_OK;
    if (kind == VD_F_INTS) w->c->ints += n;
    else w->c->floats += n;
    return RO_OK;
}

static ro_status enter(walk *w, const uint8_t *at, vd_wire_spec s, const vd_wire_field *f)
{
    frame *top = &w->stack[w->depth - 1];
    if (s.kind == VD_F_MESSAGE) {
        if (top->seen >> f->number & 1)
            return malformed(w, at, "a message that can be there once is there twice");
        top->seen |= UINT32_C(1) << f->number;
    }
    w->c->messages[s.child]++;
    if (w->depth == VD_ONNX_DEPTH_MAX)
        return RO_FAIL(w->err, RO_ELIMIT,
                       "messages nest deeper than %u at byte %llu of the model, in %s",
                       VD_ONNX_DEPTH_MAX, (unsigned long long)(at - w->begin),
                       names[top->message]);
    w->stack[w->depth++] = (frame){f->bytes, s.child, 0};
    return RO_OK;
}

static ro_status count_text(walk *w, const uint8_t *at, vd_wire_kind kind, vd_wire text)
{
    vd_wire_counts *c = w->c;
    vd_wire_message in = w->stack[w->depth - 1].message;
    if (kind == VD_F_TEXTS || (kind == VD_F_BYTESES && in != VD_M_TENSOR)) c->listed++;
    if (kind == VD_F_BYTES || kind == VD_F_BYTESES) return RO_OK;
    c->names++;
    c->parameters += kind == VD_F_TEXTS && in == VD_M_FUNCTION;
    c->text_bytes += (uint64_t)(text.end - text.p);
    if (c->text_bytes > VD_ONNX_TEXT_MAX)
        return RO_FAIL(w->err, RO_ELIMIT, "the model has over %llu bytes of names, at byte %llu",
                       (unsigned long long)VD_ONNX_TEXT_MAX,
                       (unsigned long long)(at - w->begin));
    return is_text(text) ? RO_OK : malformed(w, at, "text that is not UTF-8 or has a byte 0");
}

static ro_status take(walk *w, const uint8_t *at, const vd_wire_field *f)
{
    vd_wire_spec s = vd_wire_spec_of(w->stack[w->depth - 1].message, f->number);
    switch (s.kind) {
    case VD_F_UNKNOWN: return RO_OK;
    case VD_F_INT: case VD_F_FLOAT:
        return f->type == vd_wire_number_type(s.kind)
                   ? RO_OK
                   : malformed(w, at, "a number of another wire type than the schema's");
    case VD_F_INTS: case VD_F_FLOATS: case VD_F_DOUBLES: return count_numbers(w, at, s.kind, f);
    default: break;
    }
    if (f->type != VD_W_BYTES) return malformed(w, at, "a number where the schema has bytes");
    switch (s.kind) {
    case VD_F_SKIP: return RO_OK;
    case VD_F_MESSAGE: case VD_F_MESSAGES: return enter(w, at, s, f);
    default: return count_text(w, at, s.kind, f->bytes);
    }
}

ro_status vd_wire_scan(const uint8_t *bytes, uint64_t size, vd_wire_counts *c, ro_err *err)
{
    walk w = {.begin = bytes, .c = c, .depth = 1, .err = err};
    *c = (vd_wire_counts){0};
    if (size > VD_ONNX_FILE_MAX)
        return RO_FAIL(err, RO_ELIMIT, "the model has %llu bytes; %llu are allowed",
                       (unsigned long long)size, (unsigned long long)VD_ONNX_FILE_MAX);
    w.stack[0] = (frame){{bytes, size ? bytes + size : bytes}, VD_M_MODEL, 0};
    c->messages[VD_M_MODEL] = 1;
    while (w.depth) {
        frame *top = &w.stack[w.depth - 1];
        const uint8_t *at = top->rest.p;
        vd_wire_field f = {0};
        int got = vd_wire_next(&top->rest, &f);
        if (got < 0) return malformed(&w, at, "no field that fits begins here");
        if (!got) {
            w.depth--;
            continue;
        }
        if (++c->fields > VD_ONNX_FIELDS_MAX)
            return RO_FAIL(err, RO_ELIMIT, "the model has over %u fields, at byte %llu",
                           VD_ONNX_FIELDS_MAX, (unsigned long long)(at - bytes));
        RO_TRY(take(&w, at, &f));
    }
    return RO_OK;
}
