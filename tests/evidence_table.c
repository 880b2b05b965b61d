/* evidence_table.c - what the evidence of dear elements holds: the table of docs/EVIDENCE.md.
 *
 * Nothing of the tensors is needed for it. Inputs are made up where they are read. In each round
 * the sides differ in the middle of one of the runs of parts that are listed: in that which makes
 * the evidence largest in the end. Every operator that explains itself has a row.
 *
 *   evidence_table        prints the table */
#include <inttypes.h>

#include "../referee/game.h"
#include "small_job.h"

typedef struct {
    const char *name;
    ro_op op;
    uint32_t inputs;
    ro_type in[5];
    struct { const char *name; uint32_t n; int64_t v[4]; } attrs[6]; /* n 0: one integer */
} row;

#define T(dtype, ...)                                                                  \
    {dtype, sizeof (int64_t[]){__VA_ARGS__} / sizeof(int64_t), {__VA_ARGS__}}

#define POOL(kernel_h, kernel_w, stride)                                               \
    {"kernel_shape", 2, {kernel_h, kernel_w}}, {"strides", 2, {stride, stride}},       \
    {"pads", 4, {0, 0, 0, 0}}, {"dilations", 2, {1, 1}}
#define WINDOW                                                                         \
    {"strides", 2, {1, 1}}, {"pads", 4, {0, 0, 0, 0}}, {"dilations", 2, {1, 1}}, {"group", 0, {1}}

static const row ROWS[] = {
    {"MatMul, weight gradient, a given as (4096, 65536)", RO_OP_MatMul, 2,
     {T(RO_F32, 4096, 65536), T(RO_F32, 65536, 11008)}, {{0}}},
    {"MatMul, one product of 10^9 terms", RO_OP_MatMul, 2,
     {T(RO_F32, 1, 1000000000), T(RO_F32, 1000000000, 1)}, {{0}}},
    {"Gemm transA, weight gradient of 65,536 tokens", RO_OP_Gemm, 2,
     {T(RO_F32, 65536, 4096), T(RO_F32, 65536, 11008)}, {{"transA", 0, {1}}}},
    {"Gemm, both operands strided, float64, K = 10^6", RO_OP_Gemm, 2,
     {T(RO_F64, 1000000, 2048), T(RO_F64, 1000000, 2048)}, {{"transA", 0, {1}}}},
    {"Conv 1 x 1 over 65,536 channels of 64 x 64", RO_OP_Conv, 2,
     {T(RO_F32, 1, 65536, 64, 64), T(RO_F32, 8, 65536, 1, 1)}, {WINDOW}},
    {"ConvInputGrad 1 x 1 from 65,536 channels", RO_OP_ConvInputGrad, 2,
     {T(RO_F32, 1, 65536, 64, 64), T(RO_F32, 65536, 1024, 1, 1)}, {WINDOW, {"dims", 2, {64, 64}}}},
    {"ConvWeightGrad, 64 images of 32 x 32, 3 x 3", RO_OP_ConvWeightGrad, 2,
     {T(RO_F32, 64, 256, 32, 32), T(RO_F32, 64, 256, 32, 32)},
     {{"strides", 2, {1, 1}}, {"pads", 4, {1, 1, 1, 1}}, {"dilations", 2, {1, 1}},
      {"group", 0, {1}}, {"dims", 2, {3, 3}}}},
    {"ConvWeightGrad, 65,536 images of one pixel", RO_OP_ConvWeightGrad, 2,
     {T(RO_F32, 65536, 1024, 1, 1), T(RO_F32, 65536, 1024, 1, 1)},
     {WINDOW, {"dims", 2, {1, 1}}}},
    {"LSTMCell, a state of 65,536", RO_OP_LSTMCell, 4,
     {T(RO_F32, 1, 1, 262144), T(RO_F32, 1, 1, 65536), T(RO_F32, 1, 1, 65536),
      T(RO_F32, 65536, 262144)}, {{0}}},
    {"GRUCell, the same", RO_OP_GRUCell, 3,
     {T(RO_F32, 1, 1, 196608), T(RO_F32, 1, 1, 65536), T(RO_F32, 65536, 196608)}, {{0}}},
    {"RNNCell, the same", RO_OP_RNNCell, 3,
     {T(RO_F32, 1, 1, 65536), T(RO_F32, 1, 1, 65536), T(RO_F32, 65536, 65536)}, {{0}}},
    {"GRUGates, the same", RO_OP_GRUGates, 3,
     {T(RO_F32, 1, 1, 196608), T(RO_F32, 1, 1, 65536), T(RO_F32, 65536, 196608)}, {{0}}},
    {"GRUState, the same", RO_OP_GRUState, 4,
     {T(RO_F32, 1, 1, 196608), T(RO_F32, 1, 1, 65536), T(RO_F32, 1, 1, 131072),
      T(RO_F32, 65536, 196608)}, {{0}}},
    {"GatherGrad, embedding of 65,536 tokens", RO_OP_GatherGrad, 2,
     {T(RO_F32, 65536, 4096), T(RO_I64, 65536)}, {{"dim", 0, {50257}}}},
    {"ScatterElements, 10^7 additions to one of 50,257", RO_OP_ScatterElements, 3,
     {T(RO_F32, 50257), T(RO_I64, 10000000), T(RO_F32, 10000000)}, {{"reduction", 0, {1}}}},
    {"ScatterRows, 65,536 additions to one row", RO_OP_ScatterRows, 3,
     {T(RO_F32, 50257, 4096), T(RO_I64, 65536), T(RO_F32, 65536, 4096)},
     {{"reduction", 0, {1}}}},
    {"LayerNormalization of 10^8", RO_OP_LayerNormalization, 3,
     {T(RO_F32, 1, 100000000), T(RO_F32, 100000000), T(RO_F32, 100000000)}, {{"axis", 0, {1}}}},
    {"LayerNormalizationGrad of 10^8", RO_OP_LayerNormalizationGrad, 5,
     {T(RO_F32, 1, 100000000), T(RO_F32, 1, 100000000), T(RO_F32, 1, 1), T(RO_F32, 1, 1),
      T(RO_F32, 100000000)}, {{"axis", 0, {1}}}},
    {"LayerNormalizationScaleGrad, 65,536 tokens", RO_OP_LayerNormalizationScaleGrad, 4,
     {T(RO_F32, 65536, 4096), T(RO_F32, 65536, 4096), T(RO_F32, 65536, 1), T(RO_F32, 65536, 1)},
     {{"axis", 0, {1}}}},
    {"RMSNormalization of 10^8", RO_OP_RMSNormalization, 2,
     {T(RO_F32, 1, 100000000), T(RO_F32, 100000000)}, {{"axis", 0, {1}}}},
    {"RMSNormalizationGrad of 10^8", RO_OP_RMSNormalizationGrad, 4,
     {T(RO_F32, 1, 100000000), T(RO_F32, 1, 100000000), T(RO_F32, 1, 1), T(RO_F32, 100000000)},
     {{"axis", 0, {1}}}},
    {"ReduceSum over 65,536 tokens, a bias gradient", RO_OP_ReduceSum, 1,
     {T(RO_F32, 65536, 4096)}, {{"axes", 1, {0}}}},
    {"ReduceSum of 10^9", RO_OP_ReduceSum, 1, {T(RO_F32, 1000000000)}, {{0}}},
    {"ReduceProd of 10^9", RO_OP_ReduceProd, 1, {T(RO_F32, 1000000000)}, {{0}}},
    {"CumSum of 10^8", RO_OP_CumSum, 1, {T(RO_F32, 100000000)}, {{0}}},
    {"CumProd over 10^6, stride 1,024", RO_OP_CumProd, 1, {T(RO_F32, 1000000, 1024)}, {{0}}},
    {"ReduceMean of 10^9, float64", RO_OP_ReduceMean, 1, {T(RO_F64, 1000000000)}, {{0}}},
    {"ReduceMax of 10^9", RO_OP_ReduceMax, 1, {T(RO_F32, 1000000000)}, {{0}}},
    {"ReduceMaxGrad of 10^9", RO_OP_ReduceMaxGrad, 2, {T(RO_F32, 1), T(RO_F32, 1000000000)},
     {{"keepdims", 0, {1}}}},
    {"ReduceMaxGrad over 10^6, stride 1,024", RO_OP_ReduceMaxGrad, 2,
     {T(RO_F32, 1, 1024), T(RO_F32, 1000000, 1024)}, {{"axes", 1, {0}}, {"keepdims", 0, {1}}}},
    {"ArgMax of 10^9", RO_OP_ArgMax, 1, {T(RO_F32, 1000000000)}, {{0}}},
    {"ArgMax of 10^7, stride 1,024", RO_OP_ArgMax, 1, {T(RO_F32, 10000000, 1024)}, {{0}}},
    {"GlobalAveragePool of 32,768 x 32,768", RO_OP_GlobalAveragePool, 1,
     {T(RO_F32, 1, 1, 32768, 32768)}, {{0}}},
    {"AveragePool, a window of 65,536 x 1, stride 1,024", RO_OP_AveragePool, 1,
     {T(RO_F32, 1, 1, 65600, 1024)}, {POOL(65536, 1, 1)}},
    {"AveragePoolGrad of the same", RO_OP_AveragePoolGrad, 1, {T(RO_F32, 1, 1, 65536, 1024)},
     {POOL(65536, 1, 1), {"dims", 2, {131071, 1024}}}},
    {"MaxPool, a window of 8,192 x 8,192", RO_OP_MaxPool, 1, {T(RO_F32, 1, 1, 8200, 8200)},
     {POOL(8192, 8192, 1)}},
    {"MaxPool, a window of 65,536 x 1, stride 1,024", RO_OP_MaxPool, 1,
     {T(RO_F32, 1, 1, 65600, 1024)}, {POOL(65536, 1, 1)}},
    {"MaxPoolGrad, windows of 1,000 x 1,000 every 32", RO_OP_MaxPoolGrad, 2,
     {T(RO_F32, 1, 1, 32, 32), T(RO_F32, 1, 1, 1992, 1992)}, {POOL(1000, 1000, 32)}},
    {"MaxPoolGrad, windows of 30,000 x 1, stride 1,024", RO_OP_MaxPoolGrad, 2,
     {T(RO_F32, 1, 1, 30001, 1024), T(RO_F32, 1, 1, 60000, 1024)}, {POOL(30000, 1, 1)}},
    {"Resize of 1,000 x 1,000 to one pixel", RO_OP_Resize, 1, {T(RO_F32, 1, 1, 1000, 1000)},
     {{"axes", 2, {2, 3}}, {"sizes", 2, {1, 1}}, {"scale_n", 2, {1, 1}},
      {"scale_d", 2, {1000, 1000}}, {"mode", 0, {1}}, {"antialias", 0, {1}}}},
    {"ResizeGrad of 4 x 4 to 4,096 x 4,096", RO_OP_ResizeGrad, 1, {T(RO_F32, 1, 1, 4096, 4096)},
     {{"axes", 2, {2, 3}}, {"sizes", 2, {4096, 4096}}, {"scale_n", 2, {1024, 1024}},
      {"scale_d", 2, {1, 1}}, {"mode", 0, {1}}, {"dims", 2, {4, 4}}}},
    {"Softmax over 65,536, stride 1,024", RO_OP_Softmax, 1, {T(RO_F32, 65536, 1024)}, {{0}}},
    {"LogSoftmax of 10^9", RO_OP_LogSoftmax, 1, {T(RO_F32, 1000000000)}, {{0}}},
    {"SoftmaxGrad over 65,536, stride 1,024", RO_OP_SoftmaxGrad, 2,
     {T(RO_F32, 65536, 1024), T(RO_F32, 65536, 1024)}, {{0}}},
    {"LogSoftmaxGrad over 65,536, stride 1,024", RO_OP_LogSoftmaxGrad, 2,
     {T(RO_F32, 65536, 1024), T(RO_F32, 65536, 1024)}, {{0}}},
    {"Attention, 65,536 keys of 128, a bias", RO_OP_Attention, 4,
     {T(RO_F32, 1, 32, 4096, 128), T(RO_F32, 1, 8, 65536, 128), T(RO_F32, 1, 8, 65536, 128),
      T(RO_F32, 4096, 65536)}, {{0}}},
    {"Attention, 10^6 keys of 4,096", RO_OP_Attention, 3,
     {T(RO_F32, 1, 1, 1, 4096), T(RO_F32, 1, 1, 1000000, 4096), T(RO_F32, 1, 1, 1000000, 4096)},
     {{0}}},
    {"SoftmaxCrossEntropyLoss, 65,536 x 50,257, weights", RO_OP_SoftmaxCrossEntropyLoss, 3,
     {T(RO_F32, 65536, 50257), T(RO_I64, 65536), T(RO_F32, 50257)}, {{"reduction", 0, {2}}}},
    {"SoftmaxCrossEntropyLoss, 50,257 classes, stride 4,096", RO_OP_SoftmaxCrossEntropyLoss, 2,
     {T(RO_F32, 16, 50257, 64, 64), T(RO_I64, 16, 64, 64)}, {{"reduction", 0, {2}}}},
    {"SoftmaxCrossEntropyLoss of one row of 10^7 classes", RO_OP_SoftmaxCrossEntropyLoss, 2,
     {T(RO_F32, 2, 10000000), T(RO_I64, 2)}, {{0}}},
    {"SoftmaxCrossEntropyLoss, rows of 256 classes, stride 4,096", RO_OP_SoftmaxCrossEntropyLoss,
     2, {T(RO_F32, 16, 256, 64, 64), T(RO_I64, 16, 64, 64)}, {{"reduction", 0, {2}}}},
    {"SoftmaxCrossEntropyLossGrad, 50,257 classes, stride 4,096",
     RO_OP_SoftmaxCrossEntropyLossGrad, 4,
     {{RO_F32, 0, {0}}, T(RO_F32, 16, 50257, 64, 64), T(RO_I64, 16, 64, 64), T(RO_F32, 50257)},
     {{"reduction", 0, {2}}}},
};

/* The chunks that one run of a body touches; classes: of labels, 0 for indices; best: the element
 * that nothing beats. */
typedef struct { uint64_t *list, count, room, reads, classes, best; } touched;

#define INDEX 25128 /* each index: the row of the gradient that is asked for */
#define STEP 1031   /* labels are each in another chunk of the weights */

static uint64_t made_up_bits(const ro_reader *r, uint32_t input, uint64_t element)
{
    touched *t = r->ctx;
    uint64_t size = ro_dtypes[r->in[input].dtype].size;
    uint64_t key = (uint64_t)input << 48 | element * size / VD_CHUNK_BYTES;
    t->reads++;
    if (t->count == 0 || t->list[t->count - 1] != key) {
        if (t->count == t->room) {
            t->room = t->room ? 2 * t->room : 4096;
            t->list = realloc(t->list, t->room * sizeof *t->list);
            if (!t->list) abort();
        }
        t->list[t->count++] = key;
    }
    if (r->in[input].dtype == RO_I64) return t->classes ? element * STEP % t->classes : INDEX;
    if (r->in[input].dtype == RO_F32) return element == t->best ? 0x40000000 : 0x3f800000;
    return UINT64_C(0x3ff0000000000000);
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Hashes in the proof of the leaves at[0..count) of n; at is used up. */
static uint64_t proof_hashes(uint64_t n, uint64_t *at, uint64_t count)
{
    uint64_t hashes = 0;
    for (; n > 1; n = n / 2 + n % 2) {
        uint64_t up = 0;
        for (uint64_t k = 0; k < count; k++) {
            int pair = at[k] % 2 == 0 && k + 1 < count && at[k + 1] == at[k] + 1;
            hashes += !pair && (at[k] ^ 1) < n;
            at[up++] = at[k] / 2;
            k += (uint64_t)pair;
        }
        count = up;
    }
    return hashes;
}

/* Bytes of the operands (docs/FORMATS.md), and their chunks. */
static uint64_t operand_bytes(const rf_node *n, touched *t, uint64_t *chunks)
{
    uint64_t bytes = 4, unique = 0;
    qsort(t->list, t->count, sizeof *t->list, ascending);
    for (uint64_t k = 0; k < t->count; k++)
        if (k == 0 || t->list[k] != t->list[unique - 1]) t->list[unique++] = t->list[k];
    *chunks += unique;
    for (uint64_t k = 0, end; k < unique; k = end) {
        uint32_t input = (uint32_t)(t->list[k] >> 48);
        uint64_t *at = t->list + k;
        for (end = k; end < unique && t->list[end] >> 48 == input; end++) {
            t->list[end] &= (UINT64_C(1) << 48) - 1;
            bytes += 8 + vd_tensor_chunk_bytes(&n->in[input], t->list[end]);
        }
        bytes += 8 + VD_DIGEST * proof_hashes(vd_tensor_chunks(&n->in[input]), at, end - k);
        for (uint64_t i = k; i < end; i++) t->list[i] = 0;
    }
    return bytes;
}

/* A part's path from the value down to it, and what is agreed on that path. */
typedef struct {
    const rf_node *n;
    const ro_explain *e;
    const ro_reader *r;
    touched *t;
    uint64_t element;
    ro_parts agreed[64];
    uint32_t agreed_count;
} walk;

/* What one path takes. reads: of the part that is recomputed. */
typedef struct { uint64_t sent, reads, chunks, bytes; } sizes;

/* The best so far is the first; nothing beats anything; all else is one. */
static uint64_t made_up_claim(const ro_claims *c, uint32_t level, uint64_t index)
{
    const walk *w = c->ctx;
    (void)index;
    return level < w->e->positions ? 0 : level < w->e->marks ? 1 : rf_unknown_claim(w->n);
}

static int is_agreed(const walk *w, const ro_parts *run)
{
    for (uint32_t k = 0; k < w->agreed_count; k++)
        if (w->agreed[k].level == run->level && w->agreed[k].begin <= run->begin &&
            w->agreed[k].end >= run->end)
            return 1;
    return 0;
}

/* The largest evidence of those paths that go on from this part; depth is that of levels. */
static sizes largest(walk *w, uint32_t level, uint64_t index, sizes so_far)
{
    const ro_claims claims = {made_up_claim, w};
    ro_parts needs[RO_NEEDS_MAX];
    sizes most = {0, 0, 0, 0};
    uint64_t listed = 0;
    uint32_t runs =
        w->e->needs(w->r, w->n->node->attrs, 0, w->element, level, index, needs), open = 0;
    w->t->count = w->t->reads = 0;
    (void)w->e->part(w->r, w->n->node->attrs, 0, w->element, level, index, &claims);
    so_far.bytes += 8 + operand_bytes(w->n, w->t, &so_far.chunks);
    so_far.reads = w->t->reads;
    for (uint32_t k = 0; k < runs; k++) {
        listed += needs[k].end - needs[k].begin;
        open += !is_agreed(w, &needs[k]);
    }
    if (open == 0) return so_far; /* it is recomputed */
    so_far.sent += listed;
    so_far.bytes += 2 * (8 + 8 * listed);
    for (uint32_t k = 0; k < runs; k++) {
        uint64_t middle = needs[k].begin + (needs[k].end - needs[k].begin) / 2;
        const uint32_t before = w->agreed_count;
        if (is_agreed(w, &needs[k])) continue;
        for (uint32_t i = 0; i < k; i++) w->agreed[w->agreed_count++] = needs[i];
        w->agreed[w->agreed_count++] = (ro_parts){needs[k].level, needs[k].begin, middle};
        sizes down = largest(w, needs[k].level, middle, so_far);
        w->agreed_count = before;
        if (down.bytes > most.bytes) most = down;
    }
    return most;
}

static void print_row(const row *x, const rf_node *n)
{
    touched t = {NULL, 0, 0, 0, 0, ro_type_elements(&n->out[0]) / 2};
    ro_reader r = {n->in, n->out, n->inputs, 1, NULL, made_up_bits, &t};
    walk w = {n, ro_explain_of(n->node->op, &r), &r, &t, t.best, {{0, 0, 0}}, 0};
    if (n->node->op == RO_OP_SoftmaxCrossEntropyLoss) t.classes = (uint64_t)n->in[0].dims[1];
    if (n->node->op == RO_OP_SoftmaxCrossEntropyLossGrad) t.classes = (uint64_t)n->in[1].dims[1];
    uint64_t count[RO_LEVELS_MAX], total = 0;
    uint32_t levels = w.e->levels(&r, n->node->attrs, 0, w.element, count);
    for (uint32_t l = 0; l < levels; l++) total += count[l];
    sizes s = largest(&w, levels - 1, 0, (sizes){0, 0, 0, 8});
    printf("| %s | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64
           " |\n", x->name, rf_element_bytes(n, 0), total, s.sent, s.reads, s.chunks, s.bytes);
    free(t.list);
}

/* Every operator that explains itself has a row. */
static int all_are_there(void)
{
    int missing = 0;
    for (int op = 0; op < RO_OP_COUNT; op++) {
        int explains = 0, found = 0;
        for (int c = 0; c < RO_C_COUNT; c++) explains |= ro_ops[op].explain[c] != NULL;
        for (size_t k = 0; k < sizeof ROWS / sizeof *ROWS; k++) found |= (int)ROWS[k].op == op;
        if (explains && !found) fprintf(stderr, "%s has no row\n", ro_ops[op].name);
        missing += explains && !found;
    }
    return missing == 0;
}

int main(void)
{
    ro_err err = {RO_OK, {0}};
    printf("| element | bound on its inputs, bytes | parts | sent by a side | elements read | "
           "chunks | bytes |\n|---|---|---|---|---|---|---|\n");
    for (size_t k = 0; k < sizeof ROWS / sizeof *ROWS; k++) {
        const row *x = &ROWS[k];
        union { uint8_t bytes[RO_ATTRS_SIZE_MAX]; uint64_t align; } attrs;
        ro_arena *a = ro_arena_new();
        ro_graph *g = NULL;
        ro_value in[5], y;
        rf_node n;
        memset(&attrs, 0, sizeof attrs);
        memset(&n, 0, sizeof n);
        for (size_t i = 0; i < 6 && x->attrs[i].name; i++) {
            const int64_t *v = x->attrs[i].v;
            must(x->attrs[i].n ? ro_attr_set_ints(x->op, attrs.bytes, x->attrs[i].name, v,
                                                  x->attrs[i].n, &err)
                               : ro_attr_set_int(x->op, attrs.bytes, x->attrs[i].name, v[0], &err),
                 &err);
        }
        must(ro_graph_new(a, &g, &err), &err);
        for (uint32_t i = 0; i < x->inputs; i++) {
            n.in[i] = x->in[i];
            must(ro_graph_constant(g, i, &x->in[i], &in[i], &err), &err);
        }
        const uint32_t outputs = x->op == RO_OP_LSTMCell ? 2 : 1; /* the first is explained */
        must(ro_graph_node(g, x->op, attrs.bytes, in, x->inputs, outputs, &y, &err), &err);
        n.graph = g;
        n.node = &g->nodes[0];
        n.inputs = x->inputs;
        n.outputs = outputs;
        for (uint32_t k = 0; k < outputs; k++) n.out[k] = *ro_graph_type(g, y + k);
        if (!rf_is_partial(&n, 0)) abort();
        print_row(x, &n);
        ro_arena_free(a);
    }
    return all_are_there() ? 0 : 1;
}
