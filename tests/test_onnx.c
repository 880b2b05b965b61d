/* test_onnx.c - ONNX models: what is read is what was written, and whatever is malformed, too
 * large or contradicts itself is refused by name, in little time and memory.
 *
 * Names carry the threat of docs/THREATS.md that they test. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../verde/onnx.h"
#include "onnx_models.h"
#include "small_job.h"

#if defined(__SANITIZE_ADDRESS__) /* maps terabytes, and takes its time */
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Read what b holds, from a block of its own size, and free b. */
static ro_status read_in(buf b, int folder, vd_onnx **m, uint8_t **bytes, ro_err *err)
{
    *bytes = malloc(b.n ? b.n : 1);
    if (b.n) memcpy(*bytes, b.p, b.n);
    memset(err, 0, sizeof *err);
    *m = NULL;
    ro_status st = vd_onnx_read(*bytes, b.n, folder < 0 ? -1 : dup(folder), m, err);
    cr_assert_eq(st == RO_OK, *m != NULL);
    cr_assert(st == RO_OK || (err->code == st && err->msg[0]));
    free(b.p);
    return st;
}

static void accepted(const char *what, buf b)
{
    vd_onnx *m;
    uint8_t *bytes;
    ro_err err;
    ro_status st = read_in(b, -1, &m, &bytes, &err);
    cr_assert_eq(st, RO_OK, "%s: %s", what, err.msg);
    vd_onnx_close(m);
    free(bytes);
}

static void refused_in(const char *what, buf b, int folder, ro_status want, const char *says)
{
    vd_onnx *m;
    uint8_t *bytes;
    ro_err err;
    ro_status st = read_in(b, folder, &m, &bytes, &err);
    cr_assert_eq(st, want, "%s: %s, \"%s\"", what, ro_status_name(st), err.msg);
    cr_assert(strstr(err.msg, says), "%s: \"%s\" lacks \"%s\"", what, err.msg, says);
    vd_onnx_close(m);
    free(bytes);
}

static void refused(const char *what, buf b, ro_status want, const char *says)
{
    refused_in(what, b, -1, want, says);
}

/* ---- what is read ------------------------------------------------------------------------ */

Test(onnx, everything_is_read)
{
    vd_onnx *m;
    uint8_t *bytes;
    ro_err err;
    char text[200];
    must(read_in(rich_model(), -1, &m, &bytes, &err), &err);
    const vd_onnx_graph *g = m->graphs;
    cr_assert_eq(m->ir_version, 8);
    cr_assert(vd_onnx_is(&m->producer, "test"));
    cr_assert_eq(m->opset_count, 2);
    cr_assert(vd_onnx_is(&m->opsets[1].domain, "f") && m->opsets[0].version == 17);
    cr_assert(m->metadata_count == 1 && vd_onnx_is(&m->metadata[0].value, "value"));
    cr_assert(g->input_count == 1 && vd_onnx_is(&g->inputs[0].name, "x"));
    const vd_onnx_type *t = g->inputs[0].type;
    cr_assert(t->kind == VD_ONNX_TENSOR && t->dtype == 1 && t->rank == 2);
    cr_assert(t->dims[0].size == -1 && vd_onnx_is(&t->dims[0].name, "n") && t->dims[1].size == 3);
    cr_assert(g->value_count == 1 && g->values[0].type->dims[1].size == 0);
    cr_assert_eq(g->node_count, 3);
    const vd_onnx_node *n = &g->nodes[0];
    cr_assert(n->input_count == 3 && !n->inputs[2].n && vd_onnx_is(&n->inputs[1], "w"));
    cr_assert_eq(n->inputs[1].id, g->initializers[0].name.id);
    cr_assert(n->attribute_count == 2 && n->attributes[0].v.f == 0.5f);
    const vd_onnx_attribute *a = &n->attributes[1];
    cr_assert(a->type == VD_A_INTS && a->count == 3);
    for (int k = 0; k < 3; k++) cr_assert_eq(a->v.ints[k], k + 1);
    cr_assert_eq(m->graph_count, 2);
    cr_assert_eq(g->nodes[1].attributes[0].v.graphs, &m->graphs[1]);
    cr_assert_str_eq(vd_onnx_node_text(m, n, text, sizeof text), "node 0 \"first\" (Elu)");
    cr_assert_str_eq(vd_onnx_node_text(m, m->graphs[1].nodes, text, sizeof text),
                     "node 0 \"inner\" (Relu) of graph \"g\"");
    cr_assert_str_eq(vd_onnx_node_text(m, m->functions[0].body.nodes, text, sizeof text),
                     "node 0 (Elu) of function \"twice\"");
    cr_assert(g->nodes[2].function == 0 && g->nodes[0].function == -1);
    cr_assert(m->functions[0].nodes == 1 && m->nodes == 5);
    cr_assert(vd_onnx_is(&m->functions[0].body.nodes[0].attributes[0].reference, "alpha"));
    vd_onnx_close(m);
    free(bytes);
}

/* Cut at any byte, or with any byte changed, it is a model or a sentence. */
Test(onnx, T90_cut_and_changed_at_every_byte, .timeout = 120)
{
    buf b = rich_model();
    unsigned read = 0;
    for (size_t n = 0; n < 2 * b.n; n++) {
        vd_onnx *m;
        uint8_t *bytes;
        ro_err err;
        buf c = {malloc(b.n), n < b.n ? n : b.n, b.n};
        memcpy(c.p, b.p, b.n);
        for (unsigned v = 1; v < 256; v += n < b.n ? 255 : 18) {
            buf d = {malloc(b.n), c.n, b.n};
            memcpy(d.p, c.p, c.n);
            if (n >= b.n) d.p[n - b.n] = (uint8_t)(d.p[n - b.n] + v);
            read += read_in(d, -1, &m, &bytes, &err) == RO_OK;
            vd_onnx_close(m);
            free(bytes);
        }
        free(c.p);
    }
    cr_assert(read > 0 && read < 20 * b.n, "%u read", read);
    free(b.p);
}

static buf constant(buf t)
{
    buf a = attribute("value", 4);
    put(&a, 5, t);
    return model(with(graph(NULL, "y"), 1, with(node("Constant", NULL, "y", "c"), 5, a)));
}

typedef struct { unsigned dtype, field, wire; int64_t low, high; const char *data; size_t bytes; }
    typed;

/* In the typed field, alone and packed, every dtype means the bytes that raw_data has; a number
 * outside its range is refused. Three elements each. */
static const typed types[] = {
    {1, 4, 5, 0, 0, "\0\0\x80?\0\0\0@\0\0@@", 12},
    {2, 5, 0, 0, 255, "\0\x7f\xff", 3},
    {3, 5, 0, -128, 127, "\x80\0\x7f", 3},
    {4, 5, 0, 0, 65535, "\0\0\x01\x02\xff\xff", 6},
    {5, 5, 0, -32768, 32767, "\0\x80\x01\x02\xff\x7f", 6},
    {6, 5, 0, INT32_MIN, INT32_MAX, "\0\0\0\x80\x01\x02\x03\x04\xff\xff\xff\x7f", 12},
    {7, 7, 0, 0, 0, "\0\0\0\0\0\0\0\x80\1\2\3\4\5\6\7\x08\xff\xff\xff\xff\xff\xff\xff\x7f", 24},
    {9, 5, 0, 0, 1, "\0\1\1", 3},
    {10, 5, 0, 0, 65535, "\0\0\x01\x02\xff\xff", 6},
    {11, 10, 1, 0, 0, "\0\0\0\0\0\0\xf0?\1\2\3\4\5\6\7\x08\0\0\0\0\0\0\0\0", 24},
    {12, 11, 0, 0, UINT32_MAX, "\0\0\0\0\x01\x02\x03\x04\xff\xff\xff\xff", 12},
    {13, 11, 0, 0, 0, "\0\0\0\0\0\0\0\0\1\2\3\4\5\6\7\x08\xff\xff\xff\xff\xff\xff\xff\xff", 24},
    {16, 5, 0, 0, 65535, "\0\0\x01\x02\xff\xff", 6},
    {17, 5, 0, 0, 255, "\0\x7f\xff", 3}};

/* The number at index k of canonical bytes, as its field holds it. */
static uint64_t number_at(const typed *t, size_t k)
{
    size_t w = t->bytes / 3;
    uint64_t v = 0;
    for (size_t b = 0; b < w; b++) v |= (uint64_t)(uint8_t)t->data[k * w + b] << (8 * b);
    if (t->low < 0 && v >> (8 * w - 1)) v |= w < 8 ? ~UINT64_C(0) << (8 * w) : 0;
    return v;
}

static void put_number(buf *b, unsigned wire, uint64_t v)
{
    if (wire == 0) put_varint(b, v);
    else put_raw(b, &v, wire == 5 ? 4 : 8);
}

static buf typed_tensor(const typed *t, int packed, size_t count, const uint64_t *last)
{
    buf b = tensor("w", t->dtype, 1, (const int64_t[]){3}), all = {0};
    for (size_t k = 0; k < count; k++) {
        uint64_t v = k == count - 1 && last ? *last : number_at(t, k % 3);
        if (!packed) put_varint(&b, t->field << 3 | t->wire);
        put_number(packed ? &all : &b, t->wire, v);
    }
    if (packed) put(&b, t->field, all);
    return b;
}

static void data_is(const char *what, buf model, const void *want, size_t bytes)
{
    vd_onnx *m;
    uint8_t *file, got[64];
    ro_err err;
    must(read_in(model, -1, &m, &file, &err), &err);
    const vd_onnx_tensor *t = m->graphs->nodes[0].attributes[0].v.tensors;
    cr_assert_eq(t->bytes, bytes, "%s: %llu bytes", what, (unsigned long long)t->bytes);
    must(vd_onnx_tensor_data(m, t, got, &err), &err);
    cr_assert(memcmp(got, want, bytes) == 0, "%s", what);
    vd_onnx_close(m);
    free(file);
}

Test(onnx, typed_and_raw_data_agree)
{
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        const typed *t = &types[k];
        const char *name = vd_onnx_dtype_name(t->dtype);
        data_is(name, constant(typed_tensor(t, 0, 3, NULL)), t->data, t->bytes);
        data_is(name, constant(typed_tensor(t, 1, 3, NULL)), t->data, t->bytes);
        data_is(name, constant(raw_tensor("w", t->dtype, 3, t->data, t->bytes)), t->data,
                t->bytes);
        refused(name, constant(typed_tensor(t, 1, 2, NULL)), RO_ESHAPE, "tensor \"w\" has 2 numb");
        refused(name, constant(typed_tensor(t, 0, 4, NULL)), RO_ESHAPE, "tensor \"w\" has 4 numb");
        refused(name, constant(raw_tensor("w", t->dtype, 3, t->data, t->bytes - 1)), RO_ESHAPE,
                "bytes of data; its shape");
        if (t->low == t->high) continue;
        uint64_t low = (uint64_t)(t->low - 1), high = (uint64_t)(t->high + 1);
        refused(name, constant(typed_tensor(t, 0, 3, &low)), RO_EFORMAT, "holds the number");
        refused(name, constant(typed_tensor(t, 1, 3, &high)), RO_EFORMAT, "holds the number");
    }
}

Test(onnx, packed_elements_and_strings)
{
    buf four = tensor("w", 22, 1, (const int64_t[]){3}), two = tensor("w", 25, 1,
                                                                     (const int64_t[]){5});
    put_int(&four, 5, 0x21);
    put_int(&four, 5, 0x03);
    data_is("int4", constant(four), "\x21\x03", 2);
    put_int(&two, 5, 0xe4);
    put_int(&two, 5, 0x01);
    data_is("uint2", constant(two), "\xe4\x01", 2);
    buf over = tensor("w", 22, 1, (const int64_t[]){3}), of_two = tensor("w", 25, 1,
                                                                      (const int64_t[]){5});
    put_int(&over, 5, 0x21);
    put_int(&over, 5, 0x13);
    refused("a fourth int4", constant(over), RO_EFORMAT,
            "tensor \"w\" of int4 has bits after its last element, in the byte 19");
    put_int(&of_two, 5, 0xe4);
    put_int(&of_two, 5, 0x05);
    refused("a sixth uint2", constant(of_two), RO_EFORMAT, "of uint2 has bits after its last");
    data_is("raw int4", constant(raw_tensor("w", 22, 3, "\x21\x03", 2)), "\x21\x03", 2);
    refused("a fourth raw int4", constant(raw_tensor("w", 22, 3, "\x21\x13", 2)), RO_EFORMAT,
            "in the byte 19");
    data_is("four raw int4", constant(raw_tensor("w", 22, 4, "\x21\x13", 2)), "\x21\x13", 2);
    refused("a raw bool", constant(raw_tensor("w", 9, 2, "\x07\x01", 2)), RO_EFORMAT,
            "tensor \"w\" of bool holds the number 7; 0 to 1 are allowed");
    refused("a last raw bool", constant(raw_tensor("w", 9, 2, "\1\2", 2)), RO_EFORMAT,
            "the number 2");
    buf complex = tensor("w", 14, 1, (const int64_t[]){1});
    put_float(&complex, 4, 1);
    put_float(&complex, 4, 2);
    data_is("complex64", constant(complex), "\0\0\x80?\0\0\0@", 8);
    buf strings = tensor("w", 8, 1, (const int64_t[]){2}), fewer, numbers;
    put_text(&strings, 6, "a");
    put_bytes(&strings, 6, "\xff\0", 2);
    accepted("bytes that are no text, as strings", constant(strings));
    fewer = tensor("w", 8, 1, (const int64_t[]){2});
    put_text(&fewer, 6, "a");
    refused("too few strings", constant(fewer), RO_ESHAPE, "has 1 strings; its shape needs 2");
    numbers = raw_tensor("w", 8, 1, "a", 1);
    refused("raw strings", constant(numbers), RO_ETYPE, "of strings has data of numbers");
    accepted("no elements", constant(tensor("w", 1, 2, (const int64_t[]){0, INT64_C(1) << 40})));
    accepted("no raw bytes either", constant(raw_tensor("w", 1, 0, "", 0)));
}

Test(onnx, untyped_attributes_and_their_defaults)
{
    buf untyped = attribute("axis", 0), empty = attribute("axis", 2), none = attribute("axes", 7);
    put_int(&untyped, 3, 5);
    accepted("no type said", one_node(with(node("Softmax", "x", "y", NULL), 5, untyped)));
    accepted("a 0 left out", one_node(with(node("Softmax", "x", "y", NULL), 5, empty)));
    accepted("a list of nothing", one_node(with(node("ReduceSum", "x", "y", NULL), 5, none)));
}

Test(onnx, text_is_shown_without_controls)
{
    static const struct { const char *in, *out; } cases[] = {
        {"plain/name.0", "plain/name.0"}, {"a\nb\x1b[31m", "a\\x0ab\\x1b[31m"},
        {"\xc3\xa9\xe4\xb8\xad", "\xc3\xa9\xe4\xb8\xad"}, {"\xc2\x85", "\\xc2\\x85"},
        {"\xe2\x80\xae", "\\xe2\\x80\\xae"}, {"\xff\xfe", "\\xff\\xfe"}, {"\x7f", "\\x7f"},
        {"\xd8\x9c", "\\xd8\\x9c"}, {"\xc2\xad", "\\xc2\\xad"},
        {"\xf3\xa0\x80\x81", "\\xf3\\xa0\\x80\\x81"},
        {"\xf3\xa0\x81\xbf", "\\xf3\\xa0\\x81\\xbf"},
        {"\xf0\x9f\x98\x80\xf0\x90\x8d\x88", "\xf0\x9f\x98\x80\xf0\x90\x8d\x88"},
        {"\xc2\xa0\xc2\xac", "\xc2\xa0\xc2\xac"}, {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
        {"\xe2\x80\xb0", "\xe2\x80\xb0"}, {"a\"b", "a\\x22b"}, {"", ""},
        {"0123456789012345678901234567890", "0123456789012345678901234567890"},
        {"01234567890123456789012345678901", "0123456789012345678901234567..."},
        {"012345678901234567890123456\x1b", "012345678901234567890123456\\x1b"},
        {"0123456789012345678901234567\x1b", "0123456789012345678901234567..."}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char out[32];
        vd_onnx_text t = {cases[k].in, (uint32_t)strlen(cases[k].in), 0};
        cr_assert_str_eq(vd_onnx_show(&t, out, sizeof out), cases[k].out);
    }
}

/* ---- the wire ---------------------------------------------------------------------------- */

static buf bytes_of(const char *p, size_t n)
{
    buf b = {0};
    put_raw(&b, p, n);
    return b;
}
#define BYTES(s) bytes_of(s, sizeof(s) - 1)

Test(onnx, T90_malformed_messages)
{
    refused("nothing", BYTES(""), RO_EFORMAT, "the model has no graph");
    refused("a cut tag", BYTES("\x80"), RO_EFORMAT, "byte 0, in the model: no field");
    refused("field 0", BYTES("\x02\x00"), RO_EFORMAT, "no field");
    refused("a start of a group", BYTES("\x0b\x0c"), RO_EFORMAT, "no field");
    refused("an end of a group", BYTES("\x0c"), RO_EFORMAT, "no field");
    refused("wire type 7", BYTES("\x0f"), RO_EFORMAT, "no field");
    refused("a tag of 2^32", BYTES("\x80\x80\x80\x80\x10\x01"), RO_EFORMAT, "no field");
    refused("a varint of 11 bytes", BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x01"),
            RO_EFORMAT, "no field");
    refused("a varint of 65 bits", BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
            RO_EFORMAT, "no field");
    refused("a length past the end", BYTES("\x3a\x05\x00"), RO_EFORMAT, "no field");
    refused("a length of 2^64 - 1", BYTES("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            RO_EFORMAT, "no field");
    refused("half a float", BYTES("\x3d\x00\x00"), RO_EFORMAT, "no field");
    refused("a graph that is a number", BYTES("\x38\x01"), RO_EFORMAT, "a number where");
    refused("a version that is text", BYTES("\x0a\x01\x01"), RO_EFORMAT, "another wire type");
    refused("text that is no UTF-8", BYTES("\x12\x02\xc3\x28"), RO_EFORMAT, "not UTF-8");
    refused("an overlong form", BYTES("\x12\x02\xc1\xa1"), RO_EFORMAT, "not UTF-8");
    refused("a surrogate", BYTES("\x12\x03\xed\xa0\x80"), RO_EFORMAT, "not UTF-8");
    refused("byte 0 in text", BYTES("\x12\x01\x00"), RO_EFORMAT, "has a byte 0");
    refused("two graphs", BYTES("\x3a\x00\x3a\x00"), RO_EFORMAT, "in the model: a message that");
    buf shape = {0}, wide = {0};
    put_bytes(&shape, 8, "\x01\x80", 2);
    refused("a packed number that does not end",
            one_node(with(node("Relu", "x", "y", NULL), 5, shape)), RO_EFORMAT, "does not end");
    put_bytes(&wide, 7, "\0\0\0\0\0", 5);
    refused("half a packed float", one_node(with(node("Relu", "x", "y", NULL), 5, wide)),
            RO_EFORMAT, "end inside one");
}

Test(onnx, unknown_fields_and_repeated_numbers)
{
    buf n = node("Relu", "x", "y", NULL), m;
    put_text(&n, 4, "Abs");
    m = one_node(n);
    put_int(&m, 1000, 7);
    put_float(&m, 9, 1);
    put_text(&m, 15, "\xff");
    put_int(&m, 1, 9); /* the last one counts */
    put_text(&m, 2, "other");
    vd_onnx *r;
    uint8_t *bytes;
    ro_err err;
    must(read_in(m, -1, &r, &bytes, &err), &err);
    cr_assert(r->ir_version == 9 && vd_onnx_is(&r->producer, "other"));
    cr_assert(vd_onnx_is(&r->graphs->nodes[0].op, "Abs"));
    vd_onnx_close(r);
    free(bytes);
}

/* ---- what is refused --------------------------------------------------------------------- */

Test(onnx, T90_versions)
{
    buf none = {0}, zero = model_of(8, 17, graph("x", "x")), twice;
    put_int(&none, 1, 8);
    put(&none, 7, with(graph("x", "y"), 1, node("Relu", "x", "y", "r")));
    refused("no operator set", none, RO_EFORMAT, "node 0 \"r\" (Relu) is of the operator set \"\"");
    refused("IR version 2", model_of(2, 17, graph("x", "x")), RO_EOP, "version 2; 3 to 13");
    refused("IR version 14", model_of(14, 17, graph("x", "x")), RO_EOP, "version 14; 3 to 13");
    refused("IR version -1", model_of(-1, 17, graph("x", "x")), RO_EOP, "version -1; 3 to 13");
    refused("opset 28", model_of(8, 28, graph("x", "x")), RO_EOP, "version 28 of the operator set "
            "ai.onnx; 1 to 27 are known");
    refused("opset 0", model_of(8, 0, graph("x", "x")), RO_EFORMAT, "version 0");
    accepted("opset 27", model_of(13, 27, graph("x", "x")));
    put(&zero, 8, opset("ai.onnx", 17)); /* the other name of "" */
    refused("one set twice", zero, RO_EFORMAT, "imports the operator set ai.onnx twice");
    twice = model(graph("x", "x"));
    put(&twice, 8, opset("ai.onnx.ml", 6));
    refused("a later ai.onnx.ml", twice, RO_EOP, "version 6 of the operator set ai.onnx.ml");
    refused("a foreign operator", one_node(node_of("com.other", "Magic", "x", "y")), RO_EFORMAT,
            "node 0 (Magic) is of the operator set \"com.other\", which the model does not import");
    accepted("a foreign operator whose set is there",
             with(one_node(node_of("com.other", "Magic", "x", "y")), 8, opset("com.other", 77)));
}

static buf two_nodes(buf a, buf b) { return model(with(with(graph("x", "y"), 1, a), 1, b)); }

Test(onnx, T90_names)
{
    refused("a dangling input", one_node(node("Add", "x,z", "y", "sum")), RO_EFORMAT,
            "node 0 \"sum\" (Add) uses \"z\", which nothing here makes");
    refused("a dangling output", model(graph("x", "y")), RO_EFORMAT,
            "graph \"g\" gives what nothing in it makes: \"y\"");
    refused("a node that needs itself", one_node(node("Add", "x,y", "y", "sum")), RO_EFORMAT,
            "node 0 \"sum\" (Add) needs its own output \"y\": that is a cycle");
    refused("two nodes in a circle",
            two_nodes(node("Add", "x,b", "a", "p"), node("Add", "x,a", "b,y", "q")), RO_EFORMAT,
            "node 0 \"p\" (Add) uses \"b\", which node 1 \"q\" (Add) makes of this node's output");
    refused("nodes out of order",
            two_nodes(node("Add", "x,b", "y", "p"), node("Neg", "x", "b", "q")), RO_EFORMAT,
            "node 0 \"p\" (Add) uses \"b\", which node 1 \"q\" (Neg) makes later");
    refused("a name made twice", two_nodes(node("Neg", "x", "y", NULL),
            node("Neg", "x", "y", "again")), RO_EFORMAT,
            "node 1 \"again\" (Neg) makes \"y\", which was made before");
    refused("a name made twice by one node", one_node(node("Split", "x", "y,y", NULL)),
            RO_EFORMAT, "node 0 (Split) makes \"y\", which was made before");
    refused("an input made again", one_node(node("Neg", "x", "x,y", NULL)), RO_EFORMAT,
            "makes \"x\", which was made before");
    refused("two inputs of one name", model(graph("x,x", "x")), RO_EFORMAT,
            "graph \"g\" has an input or initializer that was made before: \"x\"");
    refused("two outputs of one name", model(graph("x", "x,x")), RO_EFORMAT,
            "graph \"g\" gives twice \"x\"");
    refused("an input without a name", model(graph("", "x")), RO_EFORMAT, "without a name");
    refused("a node without an operator", one_node(node("", "x", "y", "odd")), RO_EFORMAT,
            "node 0 \"odd\" () has no operator");
    buf g = graph("x", "x");
    put(&g, 5, raw_tensor("x", 1, 0, "", 0));
    accepted("an input with a default", model(g));
    g = graph("x", "x");
    put(&g, 5, raw_tensor("x", 1, 0, "", 0));
    put(&g, 5, raw_tensor("x", 1, 0, "", 0));
    refused("two initializers of one name", model(g), RO_EFORMAT, "was made before: \"x\"");
}

/* A node with a graph whose one node is `inner`, whose inputs and outputs are in and out. */
static buf holder(const char *in, const char *out, buf inner, const char *input)
{
    buf body = with(graph(in, out), 1, inner);
    return with(node("If", input, "y", "if"), 5, graph_attribute("then_branch", body));
}

Test(onnx, T90_names_of_inner_graphs)
{
    accepted("an outer name", one_node(holder(NULL, "t", node("Neg", "x", "t", NULL), "x")));
    refused("an inner name outside", two_nodes(holder(NULL, "t", node("Neg", "x", "t", NULL), "x"),
            node("Neg", "t", "z", "late")), RO_EFORMAT, "node 1 \"late\" (Neg) uses \"t\", which "
            "nothing");
    refused("an outer name hidden", one_node(holder(NULL, "x", node("Neg", "x", "x", "in"), "x")),
            RO_EFORMAT, "node 0 \"in\" (Neg) of graph \"g\" makes \"x\", which was made before");
    refused("an outer name hidden by an input",
            one_node(holder("x", "t", node("Neg", "x", "t", NULL), "x")), RO_EFORMAT,
            "was made before: \"x\"");
    refused("a graph that needs its own node",
            one_node(holder(NULL, "t", node("Neg", "y", "t", "in"), "x")), RO_EFORMAT,
            "node 0 \"in\" (Neg) of graph \"g\" needs its own output \"y\": that is a cycle");
    refused("a circle through a graph",
            two_nodes(holder(NULL, "t", node("Neg", "late", "t", "in"), "x"),
                      node("Neg", "y", "late", "q")), RO_EFORMAT,
            "uses \"late\", which node 1 \"q\" (Neg) makes of this node's output");
    buf both = with(holder(NULL, "t", node("Neg", "x", "t", NULL), "x"), 5,
                    graph_attribute("else_branch", with(graph(NULL, "t"), 1,
                                                        node("Abs", "x", "t", NULL))));
    accepted("one name in two branches", one_node(both));
}

Test(onnx, T90_attributes)
{
    buf wrong = attribute("kernel_shape", 2), said = attribute("axis", 1), two = attribute("p", 2);
    buf nothing = attribute("value", 4), none = attribute("mode", 0), kind = attribute("a", 15);
    buf unnamed = {0}, refers = attribute("axis", 2), both = attribute("axis", 2);
    put_int(&wrong, 3, 1);
    refused("the type of another operator", one_node(with(node("Conv", "x", "y", "c"), 5, wrong)),
            RO_EATTR, "node 0 \"c\" (Conv) has the attribute \"kernel_shape\" of type INT; INTS");
    put_int(&said, 3, 1);
    refused("another value than its type", one_node(with(node("Softmax", "x", "y", "s"), 5, said)),
            RO_EATTR, "node 0 \"s\" (Softmax): attribute \"axis\" says FLOAT and holds INT");
    put_int(&two, 3, 1);
    put_float(&two, 2, 1);
    refused("two values", one_node(with(node("LpPool", "x", "y", NULL), 5, two)), RO_EATTR,
            "\"p\" holds FLOAT and INT");
    refused("no tensor", one_node(with(node("Constant", NULL, "y", NULL), 5, nothing)), RO_EATTR,
            "\"value\" says TENSOR and holds nothing");
    refused("nothing at all", one_node(with(node("Pad", "x", "y", NULL), 5, none)), RO_EATTR,
            "\"mode\" has no type and no value");
    refused("type 15", one_node(with(node("Pad", "x", "y", NULL), 5, kind)), RO_EATTR,
            "\"a\" has the type 15; 1 to 14");
    refused("no name", one_node(with(node("Pad", "x", "y", NULL), 5, with(unnamed, 20,
            (buf){0}))), RO_EFORMAT, "another wire type");
    refused("one name twice", one_node(with(with(node("Softmax", "x", "y", NULL), 5,
            int_attribute("axis", 1)), 5, int_attribute("axis", 1))), RO_EATTR,
            "node 0 (Softmax) has twice the attribute \"axis\"");
    refused("an empty name", one_node(with(node("Softmax", "x", "y", NULL), 5,
            int_attribute("", 1))), RO_EATTR, "has an attribute without a name");
    put_text(&refers, 21, "axis");
    refused("a reference outside functions", one_node(with(node("Softmax", "x", "y", NULL), 5,
            refers)), RO_EATTR, "refers to the undeclared attribute \"axis\"");
    put_text(&both, 21, "axis");
    put_int(&both, 3, 1);
    refused("a value and a reference", one_node(with(node("Softmax", "x", "y", NULL), 5, both)),
            RO_EATTR, "has a value and refers to another");
    accepted("any type for a foreign operator",
             with(one_node(with(node_of("com.other", "Magic", "x", "y"), 5,
                                int_attribute("kernel_shape", 3))), 8, opset("com.other", 1)));
}

Test(onnx, T90_shapes)
{
    static const int64_t ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const int64_t minus[] = {2, -2}, wide[] = {INT64_C(1) << 41};
    static const int64_t product[] = {1 << 20, 1 << 20, 2}, zero[] = {0, 1 << 30, 1 << 30};
    static const int64_t least[] = {INT64_MIN};
    static const int64_t wraps[] = {INT64_C(1) << 40, INT64_C(1) << 40, 3};
    static const int64_t more[] = {INT64_C(1) << 32, INT64_C(1) << 32, INT64_C(1) << 40};
    refused("rank 9", constant(tensor("w", 1, 9, ones)), RO_ELIMIT,
            "node 0 \"c\" (Constant): tensor \"w\" has over 8 dimensions");
    refused("a negative size", constant(tensor("w", 1, 2, minus)), RO_ESHAPE,
            "tensor \"w\" has a dimension of -2");
    refused("a size of 2^63", constant(tensor("w", 1, 1, least)), RO_ESHAPE, "or of 2^63 or more");
    refused("a size of 2^41", constant(tensor("w", 1, 1, wide)), RO_ELIMIT,
            "a dimension of 2199023255552; 0 to 1099511627776");
    refused("a product of 2^41", constant(tensor("w", 1, 3, product)), RO_ELIMIT,
            "over 1099511627776 elements");
    refused("a product of 2^60 beside a 0", constant(tensor("w", 1, 3, zero)), RO_ELIMIT,
            "over 1099511627776 elements");
    refused("no data type", constant(tensor("w", 0, 0, NULL)), RO_ETYPE, "the data type 0");
    refused("data type 27", constant(tensor("w", 27, 0, NULL)), RO_ETYPE, "the data type 27");
    buf packed = {0}, bomb = {0};
    for (int k = 0; k < 1000000; k++) put_varint(&bomb, 1);
    put(&packed, 1, bomb);
    refused("a packed rank of a million", constant(packed), RO_ELIMIT, "over 8 dimensions");
    static const struct { unsigned rank; const int64_t *dims; ro_status st; const char *says; }
        cases[] = {{9, ones, RO_ELIMIT, "the type of \"x\" has 9 dimensions; 8 are allowed"},
                   {2, minus, RO_ESHAPE, "the type of \"x\" has a dimension that is negative"},
                   {1, wide, RO_ELIMIT, "the type of \"x\" has a dimension of 2199023255552"},
                   {3, product, RO_ELIMIT, "the type of \"x\" has over 1099511627776 elements"},
                   {3, wraps, RO_ELIMIT, "the type of \"x\" has over 1099511627776 elements"},
                   {3, more, RO_ELIMIT, "the type of \"x\" has over 1099511627776 elements"},
                   {3, zero, RO_ELIMIT, "the type of \"x\" has over 1099511627776 elements"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        buf g = {0};
        put(&g, 11, value_of("x", tensor_type(1, cases[k].rank, cases[k].dims)));
        refused("a type", model(g), cases[k].st, cases[k].says);
    }
    refused("a product that wraps", constant(tensor("w", 1, 3, wraps)), RO_ELIMIT,
            "over 1099511627776 elements");
    buf g = {0};
    put(&g, 11, value_of("x", tensor_type(1, 2, zero)));
    accepted("no elements", model(g));
    buf kinds = tensor_type(1, 0, NULL), sequence = {0}, graph_of = {0};
    put(&sequence, 1, tensor_type(1, 0, NULL));
    put(&kinds, 4, sequence);
    put(&graph_of, 11, value_of("x", kinds));
    refused("a type of two kinds", model(graph_of), RO_EFORMAT, "\"x\" is of two kinds");
}

Test(onnx, T90_data_in_two_fields)
{
    buf both = raw_tensor("w", 1, 1, "\0\0\0\0", 4), other = tensor("w", 1, 0, NULL);
    put_float(&both, 4, 1);
    refused("raw and typed", constant(both), RO_EFORMAT, "\"w\" has data in more than one field");
    put_int(&other, 5, 1);
    refused("another type's", constant(other), RO_ETYPE, "of float32 has its data in another");
    buf place = raw_tensor("w", 1, 1, "\0\0\0\0", 4), piece = tensor("w", 1, 0, NULL);
    put(&piece, 3, (buf){0});
    refused("a segment", constant(piece), RO_EFORMAT, "is a segment of a larger tensor");
    put_int(&place, 14, 2);
    refused("a third place", constant(place), RO_EFORMAT, "the data location 2");
}

static buf sparse_of(buf values, buf indices, unsigned rank, const int64_t *dims)
{
    buf a = attribute("sparse_value", 11), s = {0};
    put(&s, 1, values);
    if (indices.p) put(&s, 2, indices);
    for (unsigned k = 0; k < rank; k++) put_int(&s, 3, (uint64_t)dims[k]);
    put(&a, 22, s);
    return model(with(graph(NULL, "y"), 1, with(node("Constant", NULL, "y", "c"), 5, a)));
}

static buf sparse_constant(buf values, buf indices, int64_t size)
{
    return sparse_of(values, indices, 1, &size);
}

Test(onnx, T90_sparse_tensors)
{
    static const int64_t wraps[] = {INT64_C(1) << 40, INT64_C(1) << 40, 3};
    static const int64_t beside[] = {0, 1 << 30, 1 << 11}, most[] = {0, 1 << 30, 1 << 10};
    vd_onnx *m;
    uint8_t *bytes;
    ro_err err;
    buf v = raw_tensor("v", 1, 1, "\0\0\x80?", 4), i = raw_tensor("", 7, 1, "\3\0\0\0\0\0\0\0", 8);
    must(read_in(sparse_constant(v, i, 9), -1, &m, &bytes, &err), &err);
    const vd_onnx_sparse *s = m->graphs->nodes[0].attributes[0].v.sparse;
    cr_assert(s->rank == 1 && s->dims[0] == 9 && s->values->elements == 1);
    cr_assert(vd_onnx_is(&s->values->name, "v") && s->indices->dtype == 7);
    vd_onnx_close(m);
    free(bytes);
    refused("no indices", sparse_constant(raw_tensor("v", 1, 0, "", 0), (buf){0}, 9), RO_EFORMAT,
            "node 0 \"c\" (Constant): a sparse tensor lacks its values or its indices");
    refused("a negative size", sparse_constant(raw_tensor("v", 1, 0, "", 0),
            raw_tensor("", 7, 0, "", 0), -9), RO_ESHAPE,
            "sparse tensor \"v\" has a dimension of -9");
    refused("a product that wraps", sparse_of(raw_tensor("v", 1, 0, "", 0),
            raw_tensor("", 7, 0, "", 0), 3, wraps), RO_ELIMIT,
            "sparse tensor \"v\" has over 1099511627776 elements, which is the limit");
    refused("a product of 2^41 beside a 0", sparse_of(raw_tensor("v", 1, 0, "", 0),
            raw_tensor("", 7, 0, "", 0), 3, beside), RO_ELIMIT, "over 1099511627776 elements");
    accepted("a product of 2^40 beside a 0", sparse_of(raw_tensor("v", 1, 0, "", 0),
             raw_tensor("", 7, 0, "", 0), 3, most));
}

/* ---- functions --------------------------------------------------------------------------- */

static buf call(const char *f, buf functions)
{
    buf m = with(model(with(graph("x", "y"), 1, node_of("f", f, "x", "y"))), 8, opset("f", 1));
    put_raw(&m, functions.p, functions.n);
    free(functions.p);
    return m;
}

static buf function_calling(const char *name, const char *callee)
{
    buf all = {0};
    put(&all, 25, with(function(name, "a", "b"), 7, node_of("f", callee, "a", "b")));
    return all;
}

Test(onnx, T90_functions)
{
    refused("a function of itself", call("p", function_calling("p", "p")), RO_EFORMAT,
            "node 0 (p) of function \"p\" calls a function that it is part of");
    buf ring = function_calling("p", "q"), other = function_calling("q", "p");
    put_raw(&ring, other.p, other.n);
    free(other.p);
    refused("two functions in a circle", call("p", ring), RO_EFORMAT, "that it is part of");
    buf twice = {0};
    for (int k = 0; k < 2; k++)
        put(&twice, 25, with(function("p", "a", "b"), 7, node("Neg", "a", "b", NULL)));
    refused("one function twice", call("p", twice), RO_EFORMAT, "function \"p\" is there twice");
    buf outer = {0}, gives = {0}, unknown = {0}, imports = {0};
    put(&outer, 25, with(function("p", "a", "b"), 7, node("Add", "a,x", "b", "n")));
    refused("a name of the caller", call("p", outer), RO_EFORMAT,
            "node 0 \"n\" (Add) of function \"p\" uses \"x\", which nothing here makes");
    put(&gives, 25, function("p", "a", "b"));
    refused("an output that nothing makes", call("p", gives), RO_EFORMAT,
            "function \"p\" gives what nothing in it makes: \"b\"");
    put(&unknown, 25, function("", "a", "a"));
    refused("a function without a name", call("p", unknown), RO_EFORMAT, "has no name");
    put(&imports, 25, with(function("p", "a", "b"), 7, node_of("h", "Magic", "a", "b")));
    refused("an operator set that only the model imports",
            with(call("p", imports), 8, opset("h", 1)), RO_EFORMAT,
            "is of the operator set \"h\", which its function does not import");
    accepted("14 doublings", doubling_functions(14));
    refused("16 doublings", doubling_functions(16), RO_ELIMIT,
            "with the functions in place there are over 65536 nodes");
    refused("a billion nodes", doubling_functions(30), RO_ELIMIT, "over 65536 nodes");
    refused("2^1000 nodes", doubling_functions(1000), RO_ELIMIT, "over 65536 nodes");
}

/* ---- limits ------------------------------------------------------------------------------ */

/* Types of types: the model, graph, value and type are 4 messages, each sequence 2 more. */
static buf deep_type(int sequences)
{
    buf t = {0}, g = {0};
    for (int k = 0; k < sequences; k++) {
        buf element = {0}, outer = {0};
        put(&element, 1, t);
        put(&outer, 4, element);
        t = outer;
    }
    put(&g, 11, value_of("x", t));
    return model(g);
}

/* A node of many inputs, none of which is made; the output and the operator have names too. */
static buf many_names(uint32_t count)
{
    buf n = node("Add", NULL, "y", NULL);
    for (uint32_t k = 0; k < count; k++) {
        char name[16];
        snprintf(name, sizeof name, "%x", k * 7919u);
        put_text(&n, 1, name);
    }
    buf g = {0};
    put(&g, 1, n);
    return model(g);
}

Test(onnx, T90_limits, .timeout = 120)
{
    accepted("32 messages deep", deep_type(14));
    refused("34 messages deep", deep_type(15), RO_ELIMIT, "messages nest deeper than 32 at byte");
    buf g = graph("x", "x"), more = graph("x", "x");
    for (uint32_t k = 0; k < VD_ONNX_FIELDS_MAX - 26; k++) put_int(&g, 99, 0);
    for (uint32_t k = 0; k < VD_ONNX_FIELDS_MAX - 25; k++) put_int(&more, 99, 0);
    accepted("a million fields", model(g));
    refused("a million fields and one", model(more), RO_ELIMIT, "over 1000000 fields, at byte");
    buf nodes = graph("x", "x");
    for (uint32_t k = 0; k <= VD_ONNX_NODES_MAX; k++) put_raw(&nodes, "\x0a\0", 2);
    refused("65,537 nodes", model(nodes), RO_ELIMIT, "has 65537 nodes; 65536 are allowed");
    buf tensors = graph("x", "x");
    for (int k = 0; k < 500000; k++) put_raw(&tensors, "\x2a\0", 2);
    refused("half a million tensors", model(tensors), RO_ELIMIT, "bytes beside its tensors");
    buf names = graph("x", "x"), name = {0};
    for (uint64_t k = 0; k <= VD_ONNX_TEXT_MAX; k++) put_raw(&name, "a", 1);
    put(&names, 2, name);
    refused("131,073 names", many_names(131073 - 3), RO_ELIMIT, "over 131072 different names");
    refused("a name of 16 MiB", model(names), RO_ELIMIT, "over 16777216 bytes of names");
}

/* A child of 64 MiB more than it has, and of half a MiB of stack. */
static void refused_small(const char *what, buf b, ro_status want)
{
    pid_t child = fork();
    if (child == 0) {
        unsigned long pages = 0;
        struct rlimit stack = {1 << 19, 1 << 19};
        vd_onnx *m;
        ro_err err = {RO_OK, {0}};
        FILE *f = fopen("/proc/self/statm", "r");
        if (!f || fscanf(f, "%lu", &pages) != 1) _exit(9);
        fclose(f);
        struct rlimit all = {pages * 4096 + (64u << 20), pages * 4096 + (64u << 20)};
        if (!SANITIZED && (setrlimit(RLIMIT_AS, &all) || setrlimit(RLIMIT_STACK, &stack)))
            _exit(9);
        ro_status st = RO_OK;
        double ms = 1e9;
        for (int k = 0; k < 5 && ms > 50; k++) { /* other work on the machine costs time too */
            clock_t start = clock();
            st = vd_onnx_read(b.p, b.n, -1, &m, &err);
            ms = 1e3 * (double)(clock() - start) / CLOCKS_PER_SEC;
        }
        fprintf(stderr, "%s: %.1f ms of processor, %s\n", what, ms, err.msg);
        _exit(st != want ? 1 : !SANITIZED && ms > 50 ? 2 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x", what,
              (unsigned)status);
    free(b.p);
}

/* A chain of nodes, the last of which needs a name that is not there. */
static buf long_chain(uint32_t count)
{
    buf g = graph("x0", "x1");
    for (uint32_t k = 0; k < count; k++) {
        char in[24], out[24];
        snprintf(in, sizeof in, "x%u", k == count - 1 ? count + 7 : k);
        snprintf(out, sizeof out, "x%u", k + 1);
        put(&g, 1, node("Neg", in, out, NULL));
    }
    return model(g);
}

/* Two nodes of two names that differ in their last bytes, and are all the text there may be. */
static buf long_name(void)
{
    char *name = malloc(1 << 22);
    buf g = graph("x", "y");
    memset(name, 'a', 1 << 22);
    for (int k = 0; k < 2; k++) {
        size_t n = k ? (1 << 22) - 1 : (1 << 22) - 100;
        name[n] = 0;
        put(&g, 1, node("Neg", k ? "missing" : "x", name, NULL));
        put(&g, 13, value(name));
        name[n] = 'a';
    }
    free(name);
    return model(g);
}

/* The same with the last node's output needed by the first: the search for a cycle is long. */
static buf long_circle(uint32_t count)
{
    buf g = graph("x", "y");
    for (uint32_t k = 0; k < count; k++) {
        char in[24], out[24];
        snprintf(in, sizeof in, "x%u", k ? k - 1 : count - 1);
        snprintf(out, sizeof out, "x%u", k);
        put(&g, 1, node("Neg", in, out, NULL));
    }
    return model(g);
}

/* 60 MB of packed numbers that fit into no memory, of a byte or of four each. */
static buf packed_numbers(unsigned type, unsigned field)
{
    const size_t size = 60u << 20;
    buf a = attribute(type == 7 ? "value_ints" : "value_floats", type), all = {0};
    all = (buf){calloc(1, size + 4), size + (type == 7 ? 0 : 4), size + 4};
    put(&a, field, all);
    return one_node(with(node("Constant", "x", "y", NULL), 5, a));
}

Test(onnx, T90_little_time_and_memory, .timeout = 120)
{
    refused_small("30 KB of nested graphs", nested_graphs(30000), RO_ELIMIT);
    refused_small("4 MB of empty nodes", empty_nodes(4 << 20), RO_ELIMIT);
    refused_small("130 KB of empty nodes", empty_nodes(130000), RO_EFORMAT);
    refused_small("a billion nodes", doubling_functions(30), RO_ELIMIT);
    refused_small("2^10000 nodes", doubling_functions(10000), RO_ELIMIT);
    refused_small("a chain of 65,536 nodes", long_chain(65536), RO_EFORMAT);
    refused_small("a circle of 65,536 nodes", long_circle(65536), RO_EFORMAT);
    refused_small("131,072 names", many_names(131072 - 3), RO_EFORMAT);
    refused_small("16 MiB of names", long_name(), RO_EFORMAT);
    refused_small("60 MB of integers", packed_numbers(7, 8), RO_ELIMIT);
    refused_small("60 MB of floats", packed_numbers(6, 7), RO_ELIMIT);
    refused_small("900,000 names", many_names(900000), RO_ELIMIT);
}

/* ---- external data ----------------------------------------------------------------------- */

static buf external(const char *location, const char *offset, const char *length)
{
    buf t = tensor("w", 1, 1, (const int64_t[]){2}), g = graph("x", "w");
    put_int(&t, 14, 1);
    if (location) put(&t, 13, entry("location", location));
    if (offset) put(&t, 13, entry("offset", offset));
    if (length) put(&t, 13, entry("length", length));
    put(&g, 5, t);
    return model(g);
}

/* The folder "model" with files in it and beside it; returns the open folder. */
static int make_files(const char *root)
{
    small_put(in_folder(root, "secret"), "secret data", 11);
    cr_assert_eq(mkdir(in_folder(root, "model"), 0777), 0);
    cr_assert_eq(mkdir(in_folder(root, "model/sub"), 0777), 0);
    small_put(in_folder(root, "model/data"), "\1\2\3\4\5\6\7\x08\x09", 9);
    small_put(in_folder(root, "model/sub/data"), "\1\2\3\4\5\6\7\x08", 8);
    cr_assert_eq(symlink("../secret", in_folder(root, "model/link")), 0);
    cr_assert_eq(symlink("..", in_folder(root, "model/up")), 0);
    cr_assert_eq(symlink("..", in_folder(root, "model/\x1b[31mL")), 0);
    cr_assert_eq(mkfifo(in_folder(root, "model/pipe"), 0666), 0);
    int folder = open(in_folder(root, "model"), O_RDONLY | O_DIRECTORY);
    cr_assert(folder >= 0);
    return folder;
}

#define LONG_NAME "56 bytes, so that what follows them is cut whole: ......" /* of 60 with "..." */
#define DEEP "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/" /* 15 names */

Test(onnx, T91_external_data)
{
    static const struct { const char *location, *offset, *length; ro_status st; const char *says; }
        bad[] = {
            {"../secret", NULL, NULL, RO_EFORMAT, "tensor \"w\" has external data outside"},
            {"sub/../../secret", NULL, NULL, RO_EFORMAT, "outside the model's folder"},
            {"/etc/passwd", NULL, NULL, RO_EFORMAT, "outside the model's folder"},
            {"./data", NULL, NULL, RO_EFORMAT, "outside the model's folder"},
            {"sub//data", NULL, NULL, RO_EFORMAT, "outside the model's folder"},
            {"", NULL, NULL, RO_EFORMAT, "outside the model's folder"},
            {"..", NULL, NULL, RO_EFORMAT, "outside the model's folder"},
            {"link", NULL, NULL, RO_EFORMAT, "in \"link\", which is a link"},
            {"up/secret", NULL, NULL, RO_EFORMAT, "below \"up\", which is a link or no folder"},
            {"data/data", NULL, NULL, RO_EFORMAT, "below \"data\", which is a link or no folder"},
            {"sub", NULL, NULL, RO_EFORMAT, "is not a regular file"},
            {"pipe", NULL, NULL, RO_EFORMAT, "is not a regular file"},
            {"nowhere", NULL, NULL, RO_ENOTFOUND, "cannot open nowhere"},
            {"no/where", NULL, NULL, RO_ENOTFOUND, "cannot open the folder no"},
            {"\x1b[31mX", NULL, NULL, RO_ENOTFOUND, "cannot open \\x1b[31mX: "},
            {"\x1b[31mX/y", NULL, NULL, RO_ENOTFOUND, "cannot open the folder \\x1b[31mX: "},
            {"\x1b[31mL", NULL, NULL, RO_EFORMAT, "in \"\\x1b[31mL\", which is a link"},
            {"\x1b[31mL/x", NULL, NULL, RO_EFORMAT, "below \"\\x1b[31mL\", which is a link or"},
            {"\xe2\x80\xae", NULL, NULL, RO_ENOTFOUND, "cannot open \\xe2\\x80\\xae: "},
            {LONG_NAME "ab\xc3\xa9", NULL, NULL, RO_ENOTFOUND, "open " LONG_NAME "...: "},
            {DEEP "data", NULL, NULL, RO_ENOTFOUND, "cannot open the folder a"},
            {DEEP "b/data", NULL, NULL, RO_ELIMIT, "whose location has 17 names; up to 16 are"},
            {DEEP "b/../data", NULL, NULL, RO_EFORMAT, "outside the model's folder"},
            {NULL, "0", NULL, RO_EFORMAT, "without a location"},
            {"data", "2", NULL, RO_EFORMAT, "has 8 bytes of external data at offset 2 of a file "
                                            "of 9"},
            {"data", "18446744073709551615", NULL, RO_EFORMAT, "at offset 18446744073709551615"},
            {"data", "18446744073709551616", NULL, RO_EFORMAT, "offset is no whole number"},
            {"data", "-1", NULL, RO_EFORMAT, "offset is no whole number"},
            {"data", "", NULL, RO_EFORMAT, "offset is no whole number"},
            {"data", NULL, "7", RO_ESHAPE, "has 7 bytes of external data; its shape and dtype "
                                           "need 8"}};
    char *root = strdup(small_folder());
    int folder = make_files(root);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        refused_in(bad[k].location ? bad[k].location : "none",
                   external(bad[k].location, bad[k].offset, bad[k].length), folder, bad[k].st,
                   bad[k].says);
    refused_in("no folder", external("data", NULL, NULL), -1, RO_EFORMAT, "there is no folder");
    buf both = graph("x", "w"), t = raw_tensor("w", 1, 2, "\0\0\0\0\0\0\0\0", 8);
    put_int(&t, 14, 1);
    put(&t, 13, entry("location", "data"));
    put(&both, 5, t);
    refused_in("data in both", model(both), folder, RO_EFORMAT, "in the model and in another file");
    static const char *const good[] = {"data", "sub/data"};
    for (int k = 0; k < 2; k++) {
        vd_onnx *m;
        uint8_t *bytes, got[8];
        ro_err err;
        must(read_in(external(good[k], k ? NULL : "1", "8"), folder, &m, &bytes, &err), &err);
        must(vd_onnx_tensor_data(m, m->graphs->initializers, got, &err), &err);
        cr_assert_eq(got[0], k ? 1 : 2);
        cr_assert(m->file_count == 1 && vd_onnx_is(m->files[0].name, good[k]));
        vd_onnx_close(m);
        free(bytes);
    }
    close(folder);
    remove_folder(root);
    free(root);
}

/* Two readers could take two places; and of a model that is bad in itself no file is looked at. */
Test(onnx, T91_keys_of_external_data_and_when_they_are_read)
{
    char *root = strdup(small_folder());
    int folder = make_files(root);
    static const char *const keys[] = {"location", "offset", "length", "checksum"};
    for (int k = 0; k < 4; k++) {
        buf t = tensor("w", 1, 1, (const int64_t[]){2}), g = graph("x", "w");
        char says[60];
        put_int(&t, 14, 1);
        put(&t, 13, entry("location", "data"));
        for (int n = 0; n < 2; n++) put(&t, 13, entry(keys[k], k ? "0" : "sub/data"));
        put(&g, 5, t);
        snprintf(says, sizeof says, "has external data whose %s is given twice", keys[k]);
        refused_in("a key twice", model(g), folder, RO_EFORMAT, says);
    }
    buf d = tensor("w", 1, 1, (const int64_t[]){2}), dangling = graph("x", "y");
    put_int(&d, 14, 1);
    put(&d, 13, entry("location", "nowhere"));
    put(&dangling, 5, d);
    refused_in("a file that is not there, and a name", model(dangling), folder, RO_EFORMAT,
               "graph \"g\" gives what nothing in it makes: \"y\"");
    close(folder);
    remove_folder(root);
    free(root);
}

static buf floats_outside(const char *location, int64_t count, const char *offset)
{
    buf t = tensor("w", 1, 1, &count), g = graph("x", "w");
    put_int(&t, 14, 1);
    put(&t, 13, entry("location", location));
    put(&t, 13, entry("offset", offset));
    put(&g, 5, t);
    return model(g);
}

/* In pieces, the digest of the whole: at the edges of a chunk and of a piece of 256. */
Test(onnx, digests_of_external_data)
{
    static const int64_t counts[] = {0, 1, 1024, 1025, 256 * 1024, 256 * 1024 + 1, 600001};
    const size_t size = 600001 * 4 + 3;
    char *root = strdup(small_folder());
    uint8_t *data = malloc(size);
    for (size_t k = 0; k < size; k++) data[k] = (uint8_t)(k * k >> 5);
    small_put(in_folder(root, "data"), data, size);
    int folder = open(root, O_RDONLY | O_DIRECTORY);
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        vd_onnx *m;
        uint8_t *bytes, got[32], want[32];
        ro_err err;
        ro_type type = ro_type_of(RO_F32, 1, &counts[k]);
        must(read_in(floats_outside("data", counts[k], "3"), folder, &m, &bytes, &err), &err);
        must(vd_onnx_external_digest(m, m->graphs->initializers, got, &err), &err);
        vd_tensor_digest_canonical(&type, data + 3, NULL, want);
        cr_assert_eq(memcmp(got, want, sizeof got), 0, "%lld", (long long)counts[k]);
        if (k == 6) {
            ro_alloc_fail_at(1, 0);
            cr_assert_eq(vd_onnx_external_digest(m, m->graphs->initializers, got, &err), RO_ENOMEM);
            ro_alloc_fail_at(0, 0);
            err.code = RO_OK;
            cr_assert_eq(truncate(in_folder(root, "data"), (off_t)size - 1), 0);
            cr_assert_eq(vd_onnx_external_digest(m, m->graphs->initializers, got, &err),
                         RO_EFORMAT);
            cr_assert(strstr(err.msg, "data is cut off at byte 2400006"), "%s", err.msg);
        }
        vd_onnx_close(m);
        free(bytes);
    }
    close(folder);
    free(data);
    remove_folder(root);
    free(root);
}

/* A model in a file, with its data beside it; the file's folder is where the data is looked for. */
Test(onnx, a_file_and_its_folder)
{
    char *root = strdup(small_folder());
    close(make_files(root));
    buf b = external("data", NULL, NULL);
    vd_onnx *m = NULL;
    ro_err err = {RO_OK, {0}};
    small_put(in_folder(root, "model/m.onnx"), b.p, b.n);
    small_put(in_folder(root, "m.onnx"), b.p, b.n);
    small_put(in_folder(root, "empty.onnx"), "", 0);
    must(vd_onnx_open(in_folder(root, "model/m.onnx"), &m, &err), &err);
    uint8_t got[8];
    must(vd_onnx_tensor_data(m, m->graphs->initializers, got, &err), &err);
    cr_assert_eq(got[0], 1);
    cr_assert_eq(truncate(in_folder(root, "model/data"), 7), 0);
    cr_assert_eq(vd_onnx_tensor_data(m, m->graphs->initializers, got, &err), RO_EFORMAT);
    cr_assert(strstr(err.msg, "data is cut off at byte 7"), "%s", err.msg);
    err.code = RO_OK;
    cr_assert_eq(unlink(in_folder(root, "model/data")), 0);
    cr_assert_eq(symlink("../secret", in_folder(root, "model/data")), 0);
    cr_assert_eq(vd_onnx_tensor_data(m, m->graphs->initializers, got, &err), RO_EFORMAT);
    cr_assert(strstr(err.msg, "which is a link"), "%s", err.msg);
    err.code = RO_OK;
    vd_onnx_close(m);
    cr_assert_eq(vd_onnx_open(in_folder(root, "m.onnx"), &m, &err), RO_ENOTFOUND);
    err.code = RO_OK;
    cr_assert_eq(vd_onnx_open(in_folder(root, "empty.onnx"), &m, &err), RO_EFORMAT);
    err.code = RO_OK;
    cr_assert_eq(vd_onnx_open(in_folder(root, "none.onnx"), &m, &err), RO_ENOTFOUND);
    err.code = RO_OK;
    cr_assert_eq(vd_onnx_open(in_folder(root, "model"), &m, &err), RO_EFORMAT);
    free(b.p);
    remove_folder(root);
    free(root);
}

Test(onnx, no_memory_at_any_time)
{
    uint64_t n = 1;
    for (int done = 0; !done; n++) {
        vd_onnx *m;
        uint8_t *bytes;
        ro_err err;
        buf b = rich_model();
        ro_alloc_fail_at(n, 0);
        ro_status st = read_in(b, -1, &m, &bytes, &err);
        ro_alloc_fail_at(0, 0);
        cr_assert(st == RO_OK || st == RO_ENOMEM, "%s", err.msg);
        done = st == RO_OK;
        vd_onnx_close(m);
        free(bytes);
    }
    cr_assert(n > 3);
}
