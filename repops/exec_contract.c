/* exec_contract.c - MatMul, Gemm, Conv and its gradients through the kernels of gemm.h.
 *
 * What this file decides: how a node's shapes and attributes become strides. No value is
 * touched here.
 *
 * Invariants
 *   1. float32 and float64 only; integers and 3-D convolutions run their scalar bodies.
 *   2. Nothing empty reaches a kernel. */
#include "body.h"
#include "exec_broadcast.h"
#include "exec_cpu.h"
#include "host.h"

#define RO_PASS_ATTRS
#include "ops.def"
#undef RO_PASS_ATTRS

static const ro_kernels *kernels_of(const ro_task *t)
{
    return t->compute == RO_C_F32 ? t->kernels->f32 : t->kernels->f64;
}

static const void *shift(const ro_task *t, const void *p, uint64_t elements)
{
    return (const char *)p + elements * kernels_of(t)->size;
}

static int any_empty(const ro_task *t)
{
    for (uint32_t k = 0; k < t->reader.inputs; k++)
        if (t->reader.in[k].dtype != RO_NONE && ro_type_elements(&t->reader.in[k]) == 0) return 1;
    return ro_type_elements(&t->reader.out[0]) == 0;
}

/* ---- MatMul -------------------------------------------------------------------------------- */

/* One product for a run of batches; `outer` walks the runs. */
typedef struct { ro_gemm g; broadcast outer; uint64_t runs; } matmul;

static ro_type leading(const ro_type *t)
{
    ro_type y = *t;
    y.rank = t->rank > 2 ? t->rank - 2 : 0;
    return y;
}

static matmul matmul_of(const ro_task *t)
{
    const ro_type *a = &t->reader.in[0], *b = &t->reader.in[1], *y = &t->reader.out[0];
    ro_type la = leading(a), lb = leading(b), ly = *y;
    const ro_type *sides[SIDES] = {&la, &lb, NULL};
    matmul m;
    memset(&m, 0, sizeof m);
    m.g.k = (uint64_t)a->dims[a->rank - 1];
    m.g.m = a->rank > 1 ? (uint64_t)a->dims[a->rank - 2] : 1;
    m.g.n = b->rank > 1 ? (uint64_t)b->dims[b->rank - 1] : 1;
    ly.rank = y->rank - (a->rank > 1) - (b->rank > 1);
    broadcast w = broadcast_of(&ly, sides, 2); /* in matrices */
    m.g.a_row = (int64_t)m.g.k;
    m.g.a_col = 1;
    m.g.b_row = (int64_t)m.g.n;
    m.g.b_col = 1;
    m.g.c_row = (int64_t)m.g.n;
    m.g.c_col = 1;
    m.g.alpha = m.g.beta = 1;
    m.g.batches = w.n[0];
    m.g.a_batch = (int64_t)(w.step[0][0] * m.g.m * m.g.k);
    m.g.b_batch = (int64_t)(w.step[1][0] * m.g.k * m.g.n);
    m.g.c_batch = (int64_t)(m.g.m * m.g.n);
    if (w.step[1][0] == 0 && (w.step[0][0] || w.n[0] == 1)) { /* one b: more rows of one product */
        m.g.m *= m.g.batches;
        m.g.batches = 1;
    }
    m.outer = w;
    m.runs = ro_type_elements(&ly) / w.n[0];
    return m;
}

static uint64_t matmul_scratch(const ro_task *t, uint32_t threads)
{
    matmul m = matmul_of(t);
    return ro_gemm_scratch(kernels_of(t), &m.g, threads);
}

static void matmul_run(const ro_task *t)
{
    matmul m = matmul_of(t);
    uint64_t inner = m.outer.n[0], rows = m.g.batches == 1 ? m.g.m / inner : m.g.m;
    for (uint64_t run = 0; run < m.runs; run++) {
        uint64_t at[SIDES];
        broadcast_at(&m.outer, run * inner, at);
        m.g.a = shift(t, t->reader.data[0], at[0] * rows * m.g.k);
        m.g.b = shift(t, t->reader.data[1], at[1] * m.g.k * m.g.n);
        m.g.c = (char *)t->out[0] + run * inner * rows * m.g.n * kernels_of(t)->size;
        ro_gemm_run(kernels_of(t), &m.g, t->scratch, t->pool);
    }
}

/* ---- Gemm ---------------------------------------------------------------------------------- */

static ro_gemm gemm_of(const ro_task *t)
{
    const ro_Gemm_attrs *p = t->attrs;
    const ro_reader *r = &t->reader;
    ro_gemm g;
    memset(&g, 0, sizeof g);
    g.batches = 1;
    g.m = (uint64_t)r->out[0].dims[0];
    g.n = (uint64_t)r->out[0].dims[1];
    g.k = (uint64_t)r->in[0].dims[p->transA ? 0 : 1];
    g.a = r->data[0];
    g.a_row = p->transA ? 1 : (int64_t)g.k;
    g.a_col = p->transA ? (int64_t)g.m : 1;
    g.b = r->data[1];
    g.b_row = p->transB ? 1 : (int64_t)g.n;
    g.b_col = p->transB ? (int64_t)g.k : 1;
    g.c = t->out[0];
    g.c_row = (int64_t)g.n;
    g.c_col = 1;
    g.alpha = (double)p->alpha;
    g.beta = (double)p->beta;
    if (!ro_has(r, 2)) return g;
    const ro_type *c = &r->in[2];
    int64_t rows = c->rank > 1 ? c->dims[c->rank - 2] : 1;
    int64_t cols = c->rank > 0 ? c->dims[c->rank - 1] : 1;
    g.add = r->data[2];
    g.add_row = rows == 1 ? 0 : cols;
    g.add_col = cols == 1 ? 0 : 1;
    return g;
}

static uint64_t gemm_scratch(const ro_task *t, uint32_t threads)
{
    ro_gemm g = gemm_of(t);
    return ro_gemm_scratch(kernels_of(t), &g, threads);
}

static void gemm_run(const ro_task *t)
{
    ro_gemm g = gemm_of(t);
    ro_gemm_run(kernels_of(t), &g, t->scratch, t->pool);
}

/* ---- Conv ---------------------------------------------------------------------------------- */

/* A 1-D convolution is a 2-D one of height 1: the same terms with the same numbers. */
static ro_conv conv_of(const ro_type *x, const ro_type *w, const ro_type *y,
                       const ro_ints *strides, const ro_ints *pads, const ro_ints *dilations,
                       uint32_t group)
{
    ro_conv c;
    uint32_t axes = x->rank - 2, lead = 2 - axes;
    memset(&c, 0, sizeof c);
    c.images = (uint64_t)x->dims[0];
    c.groups = group;
    c.in_channels = (uint64_t)x->dims[1];
    c.out_channels = (uint64_t)w->dims[0];
    for (uint32_t a = 0; a < 2; a++) {
        int there = a >= lead;
        uint32_t k = there ? a - lead : 0;
        c.in[a] = there ? x->dims[2 + k] : 1;
        c.out[a] = there ? y->dims[2 + k] : 1;
        c.kernel[a] = there ? w->dims[2 + k] : 1;
        c.stride[a] = there ? strides->v[k] : 1;
        c.dilation[a] = there ? dilations->v[k] : 1;
        c.pad[a] = there ? pads->v[k] : 0;
    }
    return c;
}

static ro_conv conv_of_task(const ro_task *t, ro_conv_kind *kind)
{
    const ro_reader *r = &t->reader;
    if (t->op == RO_OP_Conv) {
        const ro_Conv_attrs *p = t->attrs;
        *kind = RO_CONV_FORWARD;
        return conv_of(&r->in[0], &r->in[1], &r->out[0], &p->strides, &p->pads, &p->dilations,
                       p->group);
    }
    if (t->op == RO_OP_ConvInputGrad) {
        const ro_ConvInputGrad_attrs *p = t->attrs;
        *kind = RO_CONV_GRAD_INPUT;
        return conv_of(&r->out[0], &r->in[1], &r->in[0], &p->strides, &p->pads, &p->dilations,
                       p->group);
    }
    const ro_ConvWeightGrad_attrs *p = t->attrs;
    *kind = RO_CONV_GRAD_WEIGHT;
    return conv_of(&r->in[1], &r->out[0], &r->in[0], &p->strides, &p->pads, &p->dilations,
                   p->group);
}

/* Attributes may be as large as 2^31; the kernels lay padding and strides out, so such ones are not
 * theirs, nor are those that would make much more of one image than the tensors hold. */
#define CONV_MAX INT64_C(4096)
#define CONV_LAID_OUT (UINT64_C(1) << 24) /* elements that are always allowed */

static int conv_spreads(const ro_conv *c)
{
    uint64_t channels = c->in_channels > c->out_channels ? c->in_channels : c->out_channels;
    uint64_t laid_out = channels, held = channels;
    for (uint32_t a = 0; a < 2; a++) {
        int64_t span = (c->kernel[a] - 1) * c->dilation[a];
        int64_t phases = c->stride[a] <= span ? c->stride[a] : span + 1;
        int64_t across = phases * (c->out[a] + span / c->stride[a] + 1) + c->in[a];
        laid_out = ro_saturating_mul(laid_out, (uint64_t)across);
        held = ro_saturating_mul(held, (uint64_t)(c->in[a] > c->out[a] ? c->in[a] : c->out[a]));
    }
    return laid_out > ro_saturating_add(CONV_LAID_OUT, ro_saturating_mul(held, 16));
}

static int conv_fits(const ro_task *t)
{
    ro_conv_kind kind;
    if (t->reader.in[0].rank > 4) return 0;
    ro_conv c = conv_of_task(t, &kind);
    for (uint32_t a = 0; a < 2; a++)
        if (c.kernel[a] > CONV_MAX || c.stride[a] > CONV_MAX || c.dilation[a] > CONV_MAX ||
            c.pad[a] > CONV_MAX)
            return 0;
    return !conv_spreads(&c);
}

static uint64_t conv_scratch(const ro_task *t, uint32_t threads)
{
    ro_conv_kind kind;
    ro_conv c = conv_of_task(t, &kind);
    return ro_conv_scratch(kernels_of(t), kind, &c, threads);
}

static void conv_run(const ro_task *t)
{
    ro_conv_kind kind;
    ro_conv c = conv_of_task(t, &kind);
    const ro_reader *r = &t->reader;
    const void *bias = t->op == RO_OP_Conv && ro_has(r, 2) ? r->data[2] : NULL;
    int turned = t->op == RO_OP_ConvWeightGrad; /* the node has (dy, x), the kernels (x, dy) */
    ro_conv_run(kernels_of(t), kind, &c, r->data[turned], r->data[!turned], bias, t->out[0],
                t->scratch, t->pool);
}

/* ---- the choice ---------------------------------------------------------------------------- */

const ro_driver *ro_contract_driver(const ro_task *t)
{
    static const ro_driver matmul_driver = {matmul_scratch, matmul_run};
    static const ro_driver gemm_driver = {gemm_scratch, gemm_run};
    static const ro_driver conv_driver = {conv_scratch, conv_run};
    if ((t->compute != RO_C_F32 && t->compute != RO_C_F64) || any_empty(t)) return NULL;
    switch (t->op) {
    case RO_OP_MatMul: return &matmul_driver;
    case RO_OP_Gemm: return &gemm_driver;
    case RO_OP_Conv:
    case RO_OP_ConvInputGrad:
    case RO_OP_ConvWeightGrad: return conv_fits(t) ? &conv_driver : NULL;
    default: return NULL;
    }
}
