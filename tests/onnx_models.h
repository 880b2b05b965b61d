/* onnx_models.h - a tiny writer of ONNX models, good and bad, for tests/test_onnx.c and
 * tests/fuzz_onnx.c. Field numbers are those of the public schema, written down once more. */
#ifndef ONNX_MODELS_H
#define ONNX_MODELS_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint8_t *p; size_t n, room; } buf;

static inline void put_raw(buf *b, const void *p, size_t n)
{
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n) + 64;
        b->p = realloc(b->p, b->room);
        if (!b->p) abort();
    }
    if (n) memcpy(b->p + b->n, p, n);
    b->n += n;
}

static inline void put_varint(buf *b, uint64_t v)
{
    uint8_t byte;
    do {
        byte = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
        put_raw(b, &byte, 1);
    } while (v >>= 7);
}

static inline void put_int(buf *b, unsigned field, uint64_t v)
{
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, v);
}

static inline void put_float(buf *b, unsigned field, float v)
{
    put_varint(b, (uint64_t)field << 3 | 5);
    put_raw(b, &v, 4); /* tests run where floats are little-endian */
}

static inline void put_bytes(buf *b, unsigned field, const void *p, size_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    put_raw(b, p, n);
}

static inline void put_text(buf *b, unsigned field, const char *s)
{
    put_bytes(b, field, s, strlen(s));
}

/* A message into another; the inner one is freed. */
static inline void put(buf *b, unsigned field, buf inner)
{
    put_bytes(b, field, inner.p, inner.n);
    free(inner.p);
}

/* "a,b,,c" as one field each; NULL: none. */
static inline void put_list(buf *b, unsigned field, const char *list)
{
    for (const char *end; list; list = *end ? end + 1 : NULL) {
        end = list + strcspn(list, ",");
        put_bytes(b, field, list, (size_t)(end - list));
    }
}

/* ---- attributes: name 1, type 20 --------------------------------------------------------- */

static inline buf attribute(const char *name, unsigned type)
{
    buf b = {0};
    put_text(&b, 1, name);
    if (type) put_int(&b, 20, type);
    return b;
}

static inline buf int_attribute(const char *name, int64_t v)
{
    buf b = attribute(name, 2);
    put_int(&b, 3, (uint64_t)v);
    return b;
}

static inline buf graph_attribute(const char *name, buf graph)
{
    buf b = attribute(name, 5);
    put(&b, 6, graph);
    return b;
}

/* ---- nodes, values, tensors, graphs, models ---------------------------------------------- */

static inline buf node(const char *op, const char *in, const char *out, const char *name)
{
    buf b = {0};
    put_list(&b, 1, in);
    put_list(&b, 2, out);
    if (name) put_text(&b, 3, name);
    put_text(&b, 4, op);
    return b;
}

static inline buf node_of(const char *domain, const char *op, const char *in, const char *out)
{
    buf b = node(op, in, out, NULL);
    put_text(&b, 7, domain);
    return b;
}

static inline buf with(buf b, unsigned field, buf inner)
{
    put(&b, field, inner);
    return b;
}

/* Sizes; -1 is the name "n". */
static inline buf tensor_type(unsigned dtype, unsigned rank, const int64_t *dims)
{
    buf shape = {0}, tensor = {0}, type = {0};
    for (unsigned k = 0; k < rank; k++) {
        buf dim = {0};
        if (dims[k] == -1) put_text(&dim, 2, "n");
        else put_int(&dim, 1, (uint64_t)dims[k]);
        put(&shape, 1, dim);
    }
    put_int(&tensor, 1, dtype);
    put(&tensor, 2, shape);
    put(&type, 1, tensor);
    return type;
}

static inline buf value_of(const char *name, buf type)
{
    buf b = {0};
    put_text(&b, 1, name);
    put(&b, 2, type);
    return b;
}

static inline buf value(const char *name)
{
    return value_of(name, tensor_type(1, 2, (const int64_t[]){-1, 3}));
}

static inline buf tensor(const char *name, unsigned dtype, unsigned rank, const int64_t *dims)
{
    buf b = {0};
    for (unsigned k = 0; k < rank; k++) put_int(&b, 1, (uint64_t)dims[k]);
    put_int(&b, 2, dtype);
    put_text(&b, 8, name);
    return b;
}

static inline buf raw_tensor(const char *name, unsigned dtype, int64_t size, const void *raw,
                             size_t bytes)
{
    buf b = tensor(name, dtype, 1, &size);
    put_bytes(&b, 9, raw, bytes);
    return b;
}

static inline buf entry(const char *key, const char *text)
{
    buf b = {0};
    put_text(&b, 1, key);
    put_text(&b, 2, text);
    return b;
}

/* A graph "g" with inputs and outputs; nodes and tensors are put in by who makes it. */
static inline buf graph(const char *in, const char *out)
{
    buf b = {0};
    put_text(&b, 2, "g");
    for (int side = 0; side < 2; side++) {
        const char *list = side ? out : in;
        for (const char *end; list; list = *end ? end + 1 : NULL) {
            char name[64];
            end = list + strcspn(list, ",");
            snprintf(name, sizeof name, "%.*s", (int)(end - list), list);
            put(&b, side ? 12 : 11, value(name));
        }
    }
    return b;
}

static inline buf opset(const char *domain, int64_t version)
{
    buf b = {0};
    if (domain) put_text(&b, 1, domain);
    put_int(&b, 2, (uint64_t)version);
    return b;
}

static inline buf model_of(int64_t ir, int64_t version, buf graph)
{
    buf b = {0};
    put_int(&b, 1, (uint64_t)ir);
    put_text(&b, 2, "test");
    put(&b, 8, opset(NULL, version));
    put(&b, 7, graph);
    return b;
}

static inline buf model(buf graph) { return model_of(8, 17, graph); }

/* y = op(x) and nothing else. */
static inline buf one_node(buf n) { return model(with(graph("x", "y"), 1, n)); }

/* A function of the domain "f", whose nodes may be ONNX's and of "f". */
static inline buf function(const char *name, const char *in, const char *out)
{
    buf b = {0};
    put_text(&b, 1, name);
    put_list(&b, 4, in);
    put_list(&b, 5, out);
    put(&b, 9, opset(NULL, 17));
    put(&b, 9, opset("f", 1));
    put_text(&b, 10, "f");
    return b;
}

/* ---- the two files that a plain reader fails on ------------------------------------------ */

/* Graphs in attributes of nodes, one in the other, until there are `bytes` bytes. */
static inline buf nested_graphs(size_t bytes)
{
    buf g = {0};
    put_text(&g, 2, "g");
    while (g.n < bytes) { /* written from the inside: lengths come before what they measure */
        buf a = {0}, n = {0}, outer = {0};
        put(&a, 6, g);
        put(&n, 5, a);
        put(&outer, 1, n);
        g = outer;
    }
    return model(g);
}

/* A graph of nodes without a field, two bytes each. */
static inline buf empty_nodes(size_t bytes)
{
    buf g = {0};
    while (g.n < bytes) put_raw(&g, "\x0a\0", 2);
    return model(g);
}

/* Each function calls the one before it twice, and the model the last of them. */
static inline buf doubling_functions(unsigned count)
{
    char name[16] = "Identity", last[16];
    buf m = {0};
    for (unsigned k = 0; k < count; k++) {
        memcpy(last, name, sizeof last);
        snprintf(name, sizeof name, "f%u", k);
        buf f = function(name, "a", "c");
        put(&f, 7, node_of(k ? "f" : "", last, "a", "b"));
        put(&f, 7, node_of(k ? "f" : "", last, "b", "c"));
        put(&m, 25, f);
    }
    buf g = with(graph("x", "y"), 1, node_of("f", name, "x", "y"));
    buf all = with(model(g), 8, opset("f", 1));
    put_raw(&all, m.p, m.n);
    free(m.p);
    return all;
}

/* A model of everything that there is, small enough to be cut at every byte. */
static inline buf rich_model(void)
{
    static const float f[3] = {1, 2, 3};
    buf body = with(graph("a", "b"), 1, node("Relu", "a", "b", "inner"));
    buf g = graph("x", "y"), shapes = attribute("axes", 7), scale = attribute("alpha", 1);
    put_bytes(&shapes, 8, "\x01\x02", 2); /* packed, and one more alone */
    put_int(&shapes, 8, 3);
    put_float(&scale, 2, 0.5f);
    put(&g, 5, raw_tensor("w", 1, 3, f, sizeof f));
    put(&g, 1, with(with(node("Elu", "x,w,", "t", "first"), 5, scale), 5, shapes));
    put(&g, 1, with(node("Scan", "t", "u", "loop"), 5, graph_attribute("body", body)));
    put(&g, 1, node_of("f", "twice", "u", "y"));
    put(&g, 13, value_of("t", tensor_type(1, 2, (const int64_t[]){2, 0})));
    buf m = with(model(g), 8, opset("f", 1));
    put(&m, 14, entry("key", "value"));
    buf fn = function("twice", "a", "b");
    buf reference = attribute("alpha", 1);
    put_text(&reference, 21, "alpha");
    put_text(&fn, 6, "alpha");
    put(&fn, 7, with(node("Elu", "a", "b", NULL), 5, reference));
    put(&m, 25, fn);
    return m;
}
#endif
