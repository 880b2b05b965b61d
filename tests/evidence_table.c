/* evidence_table.c - what the evidence of dear elements holds: the table of docs/EVIDENCE.md.
 *
 * Nothing of the tensors is needed for it. Inputs are made up where they are read, and of each
 * round of explanations the middle part is the one on which the sides differ.
 *
 *   evidence_table        prints the table */
#include <inttypes.h>

#include "../referee/game.h"
#include "small_job.h"

typedef struct {
    const char *name;
    ro_op op;
    uint32_t inputs;
    ro_type in[4];
    struct { const char *name; uint32_t n; int64_t v[4]; } attrs[5]; /* n 0: one integer */
} row;

#define T(dtype, ...)                                                                  \
    {dtype, sizeof (int64_t[]){__VA_ARGS__} / sizeof(int64_t), {__VA_ARGS__}}

static const row ROWS[] = {
    {"MatMul, weight gradient, a given as (4096, 65536)", RO_OP_MatMul, 2,
     {T(RO_F32, 4096, 65536), T(RO_F32, 65536, 11008)}, {{0}}},
    {"Gemm transA, weight gradient of 65,536 tokens", RO_OP_Gemm, 2,
     {T(RO_F32, 65536, 4096), T(RO_F32, 65536, 11008)}, {{"transA", 0, {1}}}},
    {"ConvWeightGrad, 64 images of 32 x 32, 3 x 3", RO_OP_ConvWeightGrad, 2,
     {T(RO_F32, 64, 256, 32, 32), T(RO_F32, 64, 256, 32, 32)},
     {{"strides", 2, {1, 1}}, {"pads", 4, {1, 1, 1, 1}}, {"dilations", 2, {1, 1}},
      {"group", 0, {1}}, {"dims", 2, {3, 3}}}},
    {"GatherGrad, embedding of 65,536 tokens", RO_OP_GatherGrad, 2,
     {T(RO_F32, 65536, 4096), T(RO_I64, 65536)}, {{"dim", 0, {50257}}}},
    {"LayerNormalizationScaleGrad, 65,536 tokens", RO_OP_LayerNormalizationScaleGrad, 4,
     {T(RO_F32, 65536, 4096), T(RO_F32, 65536, 4096), T(RO_F32, 65536, 1), T(RO_F32, 65536, 1)},
     {{"axis", 0, {1}}}},
    {"ReduceSum over 65,536 tokens, a bias gradient", RO_OP_ReduceSum, 1,
     {T(RO_F32, 65536, 4096)}, {{"axes", 1, {0}}}},
    {"ReduceSum of 10^9", RO_OP_ReduceSum, 1, {T(RO_F32, 1000000000)}, {{0}}},
    {"ReduceMean of 10^9, float64", RO_OP_ReduceMean, 1, {T(RO_F64, 1000000000)}, {{0}}},
    {"ReduceMax of 10^9", RO_OP_ReduceMax, 1, {T(RO_F32, 1000000000)}, {{0}}},
    {"ArgMax of 10^9", RO_OP_ArgMax, 1, {T(RO_F32, 1000000000)}, {{0}}},
    {"MatMul, one product of 10^9 terms", RO_OP_MatMul, 2,
     {T(RO_F32, 1, 1000000000), T(RO_F32, 1000000000, 1)}, {{0}}},
    {"Softmax over 65,536, stride 1,024", RO_OP_Softmax, 1, {T(RO_F32, 65536, 1024)}, {{0}}},
    {"Gemm, both operands strided, K = 10^6", RO_OP_Gemm, 2,
     {T(RO_F64, 1000000, 2048), T(RO_F64, 1000000, 2048)}, {{"transA", 0, {1}}}},
    {"SoftmaxCrossEntropyLoss, 65,536 x 50,257", RO_OP_SoftmaxCrossEntropyLoss, 2,
     {T(RO_F32, 65536, 50257), T(RO_I64, 65536)}, {{"reduction", 0, {2}}}},
};

/* The chunks that one run of a body touches. */
typedef struct { uint64_t *list, count, room, reads; } touched;

#define INDEX 25128 /* each index and label: the row of the gradient that is asked for */

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
    return r->in[input].dtype == RO_I64 ? INDEX : ro_dtypes[r->in[input].dtype].compute == RO_C_F32
                                                  ? 0x3f800000 : UINT64_C(0x3ff0000000000000);
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

static uint64_t one_claim(const ro_claims *c, uint32_t level, uint64_t index)
{
    (void)level, (void)index;
    return *(const uint64_t *)c->ctx;
}

static void print_row(const row *x, const rf_node *n)
{
    touched t = {NULL, 0, 0, 0};
    ro_reader r = {n->in, n->out, n->inputs, 1, NULL, made_up_bits, &t};
    const ro_explain *e = ro_explain_of(n->node->op, &r);
    uint64_t count[RO_LEVELS_MAX], total = 0, bytes = 8, chunks = 0, sent = 0, index = 0;
    uint64_t element = ro_type_elements(&n->out[0]) / 2, one = rf_unknown_claim(n);
    if (n->node->op == RO_OP_ArgMax) one = 0; /* the best so far is the first */
    uint32_t levels = e->levels(&r, n->node->attrs, 0, element, count), level = levels - 1;
    const ro_claims claims = {one_claim, &one};
    if (n->node->op == RO_OP_ArgMax) one = 0; /* the best so far is the first */
    for (uint32_t l = 0; l < levels; l++) total += count[l];
    for (;;) {
        ro_parts needs[RO_NEEDS_MAX];
        uint64_t listed = 0;
        uint32_t runs = e->needs(&r, n->node->attrs, 0, element, level, index, needs);
        t.count = t.reads = 0;
        (void)e->part(&r, n->node->attrs, 0, element, level, index, &claims);
        bytes += 8 + operand_bytes(n, &t, &chunks);
        if (runs == 0 || needs[runs - 1].level >= level) break; /* what it needs is agreed */
        for (uint32_t k = 0; k < runs; k++) listed += needs[k].end - needs[k].begin;
        bytes += 2 * (8 + 8 * listed);
        sent += listed;
        level = needs[runs - 1].level;
        index = needs[runs - 1].begin + (needs[runs - 1].end - needs[runs - 1].begin) / 2;
    }
    printf("| %s | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64
           " |\n", x->name, rf_element_bytes(n, 0), total, sent, t.reads, chunks, bytes);
    free(t.list);
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
        ro_value in[4], y;
        rf_node n;
        memset(&attrs, 0, sizeof attrs);
        memset(&n, 0, sizeof n);
        for (size_t i = 0; i < 5 && x->attrs[i].name; i++) {
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
        must(ro_graph_node(g, x->op, attrs.bytes, in, x->inputs, 1, &y, &err), &err);
        n.graph = g;
        n.node = &g->nodes[0];
        n.inputs = x->inputs;
        n.outputs = 1;
        n.out[0] = *ro_graph_type(g, y);
        print_row(x, &n);
        ro_arena_free(a);
    }
    return 0;
}
