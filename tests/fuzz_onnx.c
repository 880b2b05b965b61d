/* fuzz_onnx.c - models of any bytes: refused with a sentence, or a model whose every tensor can be
 * had and whose every node can be named.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "../verde/onnx.h"
#include "fuzz_replay.h"
#include "onnx_models.h"
#include "small_job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_onnx *m = NULL;
    ro_err err = {RO_OK, {0}};
    ro_status status = vd_onnx_read(data, size, -1, &m, &err);
    if (status) {
        if (err.code != status || !err.msg[0] || m) abort();
        return 0;
    }
    if (m->nodes > VD_ONNX_NODES_MAX) abort();
    for (uint32_t k = 0; k < m->tensor_count; k++) {
        const vd_onnx_tensor *t = &m->tensors[k];
        if (!t->dtype || t->rank > RO_RANK_MAX || t->elements > RO_ELEMENTS_MAX) abort();
        if (t->bytes > 8 * size) abort(); /* a number of 8 bytes can take one */
        uint8_t *to = ro_alloc(t->bytes);
        if (!to) abort();
        if (vd_onnx_tensor_data(m, t, to, &err)) abort();
        ro_free(to);
    }
    for (uint32_t g = 0; g < m->graph_count; g++) {
        for (uint32_t k = 0; k < m->graphs[g].node_count; k++) {
            char text[150];
            const vd_onnx_node *n = &m->graphs[g].nodes[k];
            if (strncmp(vd_onnx_node_text(m, n, text, sizeof text), "node ", 5)) abort();
            for (const char *p = text; *p; p++)
                if ((uint8_t)*p < 0x20 || *p == 0x7f) abort();
        }
    }
    vd_onnx_close(m);
    return 0;
}

static void put_seed(const char *folder, const char *name, buf b)
{
    small_put(in_folder(folder, name), b.p, b.n);
    free(b.p);
}

void write_seeds(const char *folder)
{
    static const float f[3] = {1, 2, 3};
    buf typed = tensor("w", 22, 1, (const int64_t[]){5}), g = graph("x", "x,w"), types = {0};
    buf sequence = {0}, element = {0}, place = tensor("w", 1, 1, (const int64_t[]){2});
    put_bytes(&typed, 5, "\x21\x43\x05", 3);
    put(&g, 5, typed);
    put(&element, 1, tensor_type(1, 1, (const int64_t[]){-1}));
    put(&sequence, 9, element);
    put(&g, 13, value_of("s", sequence));
    put_int(&place, 14, 1);
    put(&place, 13, entry("location", "data"));
    put(&types, 5, place);
    buf sparse = {0}, held = attribute("sparse_value", 11);
    put(&sparse, 1, raw_tensor("v", 1, 3, f, sizeof f));
    put(&sparse, 2, raw_tensor("", 2, 3, "\0\1\2", 3));
    put_bytes(&sparse, 3, "\x05", 1);
    put(&held, 22, sparse);
    put_seed(folder, "sparse", one_node(with(node("Constant", NULL, "y", "c"), 5, held)));
    put_seed(folder, "rich", rich_model());
    put_seed(folder, "typed", model(g));
    put_seed(folder, "external", model(types));
    put_seed(folder, "raw", model(with(graph("x", "x"), 5, raw_tensor("w", 1, 3, f, sizeof f))));
    put_seed(folder, "nested", nested_graphs(2000));
    put_seed(folder, "empty-nodes", empty_nodes(4000));
    put_seed(folder, "doubling", doubling_functions(20));
}
