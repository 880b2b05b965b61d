/* exec_half.c - nodes on 16-bit floats by the drivers of float32.
 *
 * What this file decides: that such a node runs as the same node on float32. Its 16-bit inputs are
 * widened into scratch, the driver runs, and 16-bit outputs are rounded once when they are stored.
 *
 * Invariants
 *   1. The bits are the scalar body's, which computes in float32 whatever the inputs' width: only
 *      nodes whose compute type that is come here, and none that moves bits.
 *   2. Scratch has room for every widened tensor whole; what of it the driver does not read is
 *      left as it was. */
#include "body.h"
#include "exec_cpu.h"

#define RO_PASS_ATTRS
#include "ops.def"
#undef RO_PASS_ATTRS

#define ALIGN UINT64_C(64)

static int is_half(const ro_type *t) { return t->dtype == RO_F16 || t->dtype == RO_BF16; }

static uint64_t wide_bytes(const ro_type *t)
{
    return is_half(t) ? (ro_type_elements(t) * sizeof(float) + ALIGN - 1) / ALIGN * ALIGN : 0;
}

static uint64_t tensors_bytes(const ro_reader *r)
{
    uint64_t bytes = 0;
    for (uint32_t k = 0; k < r->inputs; k++) bytes += wide_bytes(&r->in[k]);
    for (uint32_t k = 0; k < r->outputs; k++) bytes += wide_bytes(&r->out[k]);
    return bytes;
}

typedef struct { ro_dtype dtype; uint16_t *half; float *wide; } conversion;

static void widen(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const conversion *c = ctx;
    (void)worker;
    if (c->dtype == RO_F16)
        for (uint64_t i = begin; i < end; i++) c->wide[i] = ro_f16_to_f32(c->half[i]);
    else
        for (uint64_t i = begin; i < end; i++) c->wide[i] = ro_bf16_to_f32(c->half[i]);
}

static void narrow(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const conversion *c = ctx;
    (void)worker;
    if (c->dtype == RO_F16)
        for (uint64_t i = begin; i < end; i++) c->half[i] = (uint16_t)ro_f32_to_f16(c->wide[i]);
    else
        for (uint64_t i = begin; i < end; i++) c->half[i] = (uint16_t)ro_f32_to_bf16(c->wide[i]);
}

/* What a driver reads of an input: all of it; but a recurrent cell of x its own step alone, or a
 * sequence would be widened once for each of its steps. */
static void read_range(const ro_task *t, uint32_t k, uint64_t *begin, uint64_t *end)
{
    const ro_type *x = &t->reader.in[k];
    *begin = 0;
    *end = ro_type_elements(x);
    if (k || !ro_is_cell(t->op)) return;
    *begin = (uint64_t)ro_cell_step(t->attrs) * ro_span(x, 1, 3);
    *end = *begin + ro_span(x, 1, 3);
}

static uint64_t half_scratch(const ro_task *t, uint32_t threads)
{
    uint64_t inner = t->wide_driver->scratch ? t->wide_driver->scratch(t->wide, threads) : 0;
    return tensors_bytes(&t->reader) + inner;
}

static void half_run(const ro_task *t)
{
    const ro_reader *r = &t->reader;
    ro_task *w = t->wide;
    const void **data = (const void **)(uintptr_t)w->reader.data;
    char *at = t->scratch;
    for (uint32_t k = 0; k < r->inputs; k++) {
        data[k] = r->data[k];
        if (!is_half(&r->in[k])) continue;
        uint64_t begin, end;
        read_range(t, k, &begin, &end);
        conversion c = {r->in[k].dtype, (uint16_t *)(uintptr_t)r->data[k] + begin,
                        (float *)(void *)at + begin};
        ro_parallel(t->pool, end - begin, RO_GRAIN, widen, &c);
        data[k] = at;
        at += wide_bytes(&r->in[k]);
    }
    for (uint32_t k = 0; k < r->outputs; k++) {
        w->out[k] = is_half(&r->out[k]) ? at : t->out[k];
        at += wide_bytes(&r->out[k]);
    }
    w->scratch = at;
    t->wide_driver->run(w);
    for (uint32_t k = 0; k < r->outputs; k++) {
        if (!is_half(&r->out[k])) continue;
        conversion c = {r->out[k].dtype, t->out[k], w->out[k]};
        ro_parallel(t->pool, ro_type_elements(&r->out[k]), RO_GRAIN, narrow, &c);
    }
}

static void as_wide(ro_type *to, const ro_type *from, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        to[k] = from[k];
        if (is_half(&from[k])) to[k].dtype = RO_F32;
    }
}

int ro_half_fits(const ro_task *t)
{
    int half = 0;
    if (t->compute != RO_C_F32 || ro_keeps_bits(t->op, t->attrs)) return 0;
    for (uint32_t k = 0; k < t->reader.inputs; k++) half |= is_half(&t->reader.in[k]);
    for (uint32_t k = 0; k < t->reader.outputs; k++) half |= is_half(&t->reader.out[k]);
    return half;
}

ro_status ro_half_widen(ro_task *t, ro_arena *a, ro_err *err)
{
    const ro_reader *r = &t->reader;
    ro_task *w = ro_arena_alloc(a, sizeof *w);
    ro_type *in = ro_arena_alloc(a, (r->inputs + 1) * sizeof *in);
    ro_type *out = ro_arena_alloc(a, r->outputs * sizeof *out);
    const void **data = ro_arena_alloc(a, (r->inputs + 1) * sizeof *data);
    void **made = ro_arena_alloc(a, r->outputs * sizeof *made);
    if (!w || !in || !out || !data || !made)
        return RO_FAIL(err, RO_ENOMEM, "no memory to prepare %s", ro_ops[t->op].name);
    as_wide(in, r->in, r->inputs);
    as_wide(out, r->out, r->outputs);
    *w = *t;
    w->reader.in = in;
    w->reader.out = out;
    w->reader.data = data;
    w->out = made;
    t->wide = w;
    return RO_OK;
}

const ro_driver ro_half_driver = {half_scratch, half_run};
