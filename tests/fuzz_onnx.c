/* fuzz_onnx.c - models of any bytes: refused with a sentence, or a model whose every tensor can be
 * had and whose every node can be named. Such a model becomes a job on inputs of its types, or is
 * refused with a sentence; a job of little work is run, by scalar bodies and by the fast kernels,
 * to the same bits.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "fuzz_replay.h"
#include "lowered.h"
#include "onnx_models.h"
#include "small_job.h"

#define FEW 4096u

static uint64_t next(uint64_t *s) /* splitmix64 */
{
    uint64_t z = *s += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Mostly numbers that may be sizes and axes, and some of any bits. */
static void fill(const ro_type *t, void *to, uint64_t *draw)
{
    for (uint64_t i = 0; i < ro_type_elements(t); i++) {
        uint64_t any = next(draw);
        double x = (double)(int)(any >> 8 & 7) - 2;
        ro_set_element(t->dtype, to, i, (any & 15) == 0 ? any : ro_bits_of_number(t->dtype, x));
    }
}

/* An input: sizes that are not said are 2. Returns 0 where it would be too large. */
static int make_input(const vd_onnx_value *v, ro_arena *a, vd_onnx_input *in, uint64_t *draw)
{
    ro_type t = {RO_F32, 0, {0}};
    ro_err err = {RO_OK, {0}};
    if (v->type && v->type->kind != VD_ONNX_TENSOR) return 0;
    if (v->type && v->type->dtype && v->type->dtype < RO_DTYPE_LIMIT)
        t.dtype = (ro_dtype)v->type->dtype;
    for (; v->type && v->type->has_shape && t.rank < v->type->rank; t.rank++)
        t.dims[t.rank] = v->type->dims[t.rank].size < 0 ? 2 : v->type->dims[t.rank].size;
    if (ro_type_check(&t, &err) || ro_type_elements(&t) > FEW) return 0;
    in->name = ro_arena_string(a, v->name.p, v->name.n);
    in->tensor.type = t;
    in->tensor.data = ro_arena_alloc(a, ro_type_bytes(&t));
    if (!in->name || !in->tensor.data) abort();
    fill(&t, in->tensor.data, draw);
    return 1;
}

static void lower(const vd_onnx *m, uint64_t draw)
{
    ro_arena *a = ro_arena_new();
    vd_onnx_job job;
    ro_err err = {RO_OK, {0}};
    const vd_onnx_graph *g = &m->graphs[0];
    vd_onnx_input *in = a ? ro_arena_alloc(a, (g->input_count + 1) * sizeof *in) : NULL;
    uint32_t n = 0;
    if (!in) abort();
    while (n < g->input_count && n < 64 && make_input(&g->inputs[n], a, &in[n], &draw)) n++;
    ro_status status = vd_onnx_lower(m, in, n, VD_RECORD_FULL, 0, a, &job, &err);
    if (status && (err.code != status || !err.msg[0])) abort();
    for (const char *p = err.msg; *p; p++)
        if ((uint8_t)*p < 0x20 || *p == 0x7f) abort();
    if (!status) (void)lowered_run(&job, FEW * 64u);
    ro_arena_free(a);
}

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
    for (uint64_t k = 0; k < 3; k++) lower(m, size + k);
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
    put_seed(folder, "nested-30-kb", nested_graphs(30000));
    put_seed(folder, "empty-nodes-4-mb", empty_nodes(4 << 20));
    put_seed(folder, "doubling", doubling_functions(20));
    static const char *const ops[] = {
        "Reshape", "Slice", "Concat", "Split", "Pad", "Tile", "Resize", "Conv", "ConvTranspose",
        "MaxPool", "Gather", "GatherElements", "OneHot", "Range", "EyeLike", "Trilu", "TopK",
        "Softmax", "ReduceMin", "GroupNormalization", "DepthToSpace", "Loop", "If", "Clip", "Pow"};
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        static const int64_t numbers[2] = {1, 2};
        buf n = node(ops[k], "x,n", "y", NULL);
        put(&n, 5, int_attribute("axis", 0));
        put_seed(folder, ops[k], model(with(with(graph("x", "y"), 1, n), 5,
                                            raw_tensor("n", 7, 2, numbers, sizeof numbers))));
    }
}
