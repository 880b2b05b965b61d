/* onnx_value.c - what a model is given and gives in files: tensors, sequences, optional values.
 *
 * Invariants
 *   1. Which of them a file holds is the model's word, as their messages do not say.
 *   2. Nothing recurses: an optional value holds a sequence, which holds tensors. */
#include "onnx_lower.h"

/* Fields of SequenceProto and of OptionalProto. */
enum { FIELD_NAME = 1, FIELD_KIND = 2, FIELD_TENSOR = 3, FIELD_SEQUENCE = 5 };

static ro_status malformed(const char *file, ro_err *err)
{
    return RO_FAIL(err, RO_EFORMAT, "%.160s is no message of a sequence or an optional value",
                   file);
}

static ro_status no_memory(const char *file, ro_err *err)
{
    return RO_FAIL(err, RO_ENOMEM, "no memory to read %.160s", file);
}

/* The next tensor or sequence of a message: 1, 0 at its end, -1 malformed or of another kind. */
static int next_member(vd_wire *w, vd_wire_field *f)
{
    int got;
    while ((got = vd_wire_next(w, f)) > 0) {
        if (f->number == FIELD_KIND && f->type == VD_W_VARINT) continue;
        if (f->number == FIELD_NAME && f->type == VD_W_BYTES) continue;
        return f->type == VD_W_BYTES && (f->number == FIELD_TENSOR || f->number == FIELD_SEQUENCE)
                   ? 1 : -1;
    }
    return got;
}

static ro_status read_sequence(vd_wire w, const char *file, ro_arena *arena, vd_onnx_input *out,
                               ro_err *err)
{
    vd_wire_field f;
    vd_wire ahead = w;
    uint32_t n = 0;
    int got;
    while ((got = next_member(&ahead, &f)) > 0 && f.number == FIELD_TENSOR)
        if (n++ == VD_ONNX_MEMBERS_MAX)
            return RO_FAIL(err, RO_ELIMIT, "%.160s has over %u tensors in a sequence", file,
                           VD_ONNX_MEMBERS_MAX);
    if (got) return malformed(file, err);
    out->form = VD_ONNX_LIST;
    out->members = ro_arena_alloc(arena, (n + (size_t)1) * sizeof *out->members);
    if (!out->members) return no_memory(file, err);
    for (; out->count < n; out->count++) {
        (void)next_member(&w, &f);
        RO_TRY(vd_onnx_tensor_parse(f.bytes.p, (uint64_t)(f.bytes.end - f.bytes.p), file, arena,
                                    &out->members[out->count], err));
    }
    return RO_OK;
}

static ro_status read_optional(vd_wire w, const char *file, ro_arena *arena, vd_onnx_input *out,
                               ro_err *err)
{
    vd_wire_field f, more;
    int got = next_member(&w, &f);
    if (got == 0) {
        out->form = VD_ONNX_NOTHING;
        return RO_OK;
    }
    if (got < 0 || next_member(&w, &more) != 0) return malformed(file, err);
    if (f.number == FIELD_SEQUENCE) return read_sequence(f.bytes, file, arena, out, err);
    return vd_onnx_tensor_parse(f.bytes.p, (uint64_t)(f.bytes.end - f.bytes.p), file, arena,
                                &out->tensor, err);
}

ro_status vd_onnx_value_parse(const uint8_t *bytes, uint64_t size, const vd_onnx_type *type,
                              const char *file, ro_arena *arena, vd_onnx_input *out, ro_err *err)
{
    const vd_wire w = {bytes, bytes + size};
    out->form = VD_ONNX_ONE;
    out->count = 0;
    if (type && type->kind == VD_ONNX_SEQUENCE) return read_sequence(w, file, arena, out, err);
    if (type && type->kind == VD_ONNX_OPTIONAL) return read_optional(w, file, arena, out, err);
    return vd_onnx_tensor_parse(bytes, size, file, arena, &out->tensor, err);
}
