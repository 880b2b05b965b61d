/* model.c - from layers, a loss and an optimizer to a job of ordinary nodes.
 *
 * Invariants
 *   1. Everything a step computes is a node: drawing the parameters, choosing the batch, the
 *      schedule, the powers of Adam's betas. The host computes attributes only, here, once.
 *   2. Slot 0 is the step, slots 1.. are the parameters in the order of the layers, then the
 *      optimizer's; streams of random numbers are numbered in the order of their creation. */
#include "builder.h"

/* A double's square root, correctly rounded like the hardware's; no libm. */
static double root(double x) { return __builtin_sqrt(x); }

void vd_spec_defaults(vd_spec *s)
{
    memset(s, 0, sizeof *s);
    s->scale = 1.0;
    s->deviation = 1.0;
    s->optimizer = VD_OPT_ADAMW;
    s->rate = 0.001;
    s->beta1 = 0.9;
    s->beta2 = 0.999;
    s->epsilon = 1e-8;
    s->weight_decay = 0.01;
    s->gamma = 1.0;
    s->period = 1;
    s->batch = 64;
    s->steps = 1;
}

/* The next parameter of the layers: made on the first pass over them, found on later ones. */
static ro_status param(builder *b, const char *name, uint32_t layer, const ro_type *type,
                       double bound, ro_value *out)
{
    uint32_t index = 1 + b->next_param++;
    if (index >= b->job->slot_count) {
        char full[64];
        snprintf(full, sizeof full, "%u.%s", layer, name);
        RO_TRY(vd_build_slot(b, full, type, &index));
        b->bound[index] = bound;
        b->trained[b->params++] = index;
    }
    return vd_build_use(b, index, out);
}

/* ---- layers ------------------------------------------------------------------------------ */

static ro_type f32_type(uint32_t rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t dims[4] = {a, b, c, d};
    return ro_type_of(RO_F32, rank, dims);
}

static ro_status bad_layer(builder *b, uint32_t layer, const char *why)
{
    return RO_FAIL(b->err, RO_ESHAPE, "layer %u %s", layer, why);
}

static ro_status conv(builder *b, uint32_t index, const vd_layer *l, ro_value x, ro_value *y)
{
    ro_type t = *ro_graph_type(b->graph, x);
    attrs a;
    if (t.rank != 4) return bad_layer(b, index, "is a convolution; its input has no (c, h, w)");
    if (l->group == 0 || t.dims[1] % l->group || l->channels % l->group)
        return bad_layer(b, index, "has channels that its groups do not divide");
    int64_t in = t.dims[1] / l->group, k = l->kernel;
    double bound = 1.0 / root((double)(in * k * k));
    ro_type tw = f32_type(4, l->channels, in, k, k), tb = f32_type(1, l->channels, 0, 0, 0);
    ro_value v[3] = {x, 0, 0};
    RO_TRY(param(b, "weight", index, &tw, bound, &v[1]));
    RO_TRY(param(b, "bias", index, &tb, bound, &v[2]));
    RO_TRY(attrs_of("Conv", &a, b->err));
    RO_TRY(set_ints(&a, "strides", 2, (int64_t[]){l->stride, l->stride}, b->err));
    RO_TRY(set_ints(&a, "pads", 4, (int64_t[]){l->pad, l->pad, l->pad, l->pad}, b->err));
    RO_TRY(set_ints(&a, "dilations", 2, (int64_t[]){l->dilation, l->dilation}, b->err));
    RO_TRY(set_int(&a, "group", l->group, b->err));
    return emit(b, &a, 3, v, y);
}

/* x seen as (batch, everything else). */
static ro_status flatten(builder *b, ro_value x, ro_value *y)
{
    attrs a;
    *y = x;
    if (ro_graph_type(b->graph, x)->rank == 2) return RO_OK;
    RO_TRY(attrs_of("Flatten", &a, b->err));
    RO_TRY(set_int(&a, "axis", 1, b->err));
    return emit(b, &a, 1, &x, y);
}

/* dense: MatMul and Add on a (in, out) weight; gemm: one Gemm on an (out, in) weight. */
static ro_status dense(builder *b, uint32_t index, const vd_layer *l, ro_value x, ro_value *y)
{
    ro_value v[3];
    attrs a;
    RO_TRY(flatten(b, x, &v[0]));
    int64_t in = ro_graph_type(b->graph, v[0])->dims[1], n = l->channels;
    int gemm = l->kind == VD_L_GEMM;
    double bound = in ? 1.0 / root((double)in) : 0.0;
    ro_type tw = gemm ? f32_type(2, n, in, 0, 0) : f32_type(2, in, n, 0, 0);
    ro_type tb = f32_type(1, n, 0, 0, 0);
    RO_TRY(param(b, "weight", index, &tw, bound, &v[1]));
    RO_TRY(param(b, "bias", index, &tb, bound, &v[2]));
    if (!gemm) {
        RO_TRY(binary(b, "MatMul", v[0], v[1], y));
        return binary(b, "Add", *y, v[2], y);
    }
    RO_TRY(attrs_of("Gemm", &a, b->err));
    RO_TRY(set_int(&a, "transB", 1, b->err));
    RO_TRY(set_real(&a, "alpha", 1.0, b->err));
    RO_TRY(set_real(&a, "beta", 1.0, b->err));
    return emit(b, &a, 3, v, y);
}

static ro_status pool(builder *b, uint32_t index, const vd_layer *l, ro_value x, ro_value *y)
{
    attrs a;
    int max = l->kind == VD_L_MAX_POOL;
    if (ro_graph_type(b->graph, x)->rank != 4)
        return bad_layer(b, index, "is a pool; its input has no (c, h, w)");
    RO_TRY(attrs_of(max ? "MaxPool" : "AveragePool", &a, b->err));
    RO_TRY(set_ints(&a, "kernel_shape", 2, (int64_t[]){l->kernel, l->kernel}, b->err));
    RO_TRY(set_ints(&a, "strides", 2, (int64_t[]){l->stride, l->stride}, b->err));
    RO_TRY(set_ints(&a, "pads", 4, (int64_t[]){l->pad, l->pad, l->pad, l->pad}, b->err));
    RO_TRY(set_ints(&a, "dilations", 2, (int64_t[]){l->dilation, l->dilation}, b->err));
    return emit(b, &a, 1, &x, y);
}

static ro_status layer_norm(builder *b, uint32_t index, const vd_layer *l, ro_value x, ro_value *y)
{
    ro_type t = *ro_graph_type(b->graph, x);
    attrs a;
    ro_value v[3] = {x, 0, 0}, first;
    if (t.rank < 2) return bad_layer(b, index, "normalises; its input has no axis to normalise");
    ro_type row = ro_type_of(RO_F32, t.rank - 1, t.dims + 1);
    RO_TRY(param(b, "scale", index, &row, -1.0, &v[1]));
    RO_TRY(param(b, "bias", index, &row, 0.0, &v[2]));
    RO_TRY(attrs_of("LayerNormalization", &a, b->err));
    RO_TRY(set_int(&a, "axis", 1, b->err));
    RO_TRY(set_real(&a, "epsilon", l->epsilon, b->err));
    RO_TRY(ro_graph_node(b->graph, a.op, a.bytes, v, 3, 3, &first, b->err));
    *y = first;
    return RO_OK;
}

static ro_status layer(builder *b, uint32_t index, int training, ro_value x, ro_value *y)
{
    const vd_layer *l = &b->spec->layers[index];
    attrs a;
    switch (l->kind) {
    case VD_L_CONV: return conv(b, index, l, x, y);
    case VD_L_DENSE: case VD_L_GEMM: return dense(b, index, l, x, y);
    case VD_L_RELU: return plain(b, "Relu", 1, &x, y);
    case VD_L_TANH: return plain(b, "Tanh", 1, &x, y);
    case VD_L_SIGMOID: return plain(b, "Sigmoid", 1, &x, y);
    case VD_L_GELU: case VD_L_GELU_TANH:
        RO_TRY(attrs_of("Gelu", &a, b->err));
        RO_TRY(set_int(&a, "approximate", l->kind == VD_L_GELU_TANH, b->err));
        return emit(b, &a, 1, &x, y);
    case VD_L_MAX_POOL: case VD_L_AVERAGE_POOL: return pool(b, index, l, x, y);
    case VD_L_GLOBAL_AVERAGE_POOL: return plain(b, "GlobalAveragePool", 1, &x, y);
    case VD_L_FLATTEN: return flatten(b, x, y);
    case VD_L_LAYER_NORM: return layer_norm(b, index, l, x, y);
    case VD_L_DROPOUT:
        *y = x;
        if (!training || l->ratio == 0.0) return RO_OK;
        return vd_build_dropout(b, l->ratio, b->streams++, x, y);
    }
    return RO_FAIL(b->err, RO_EUSAGE, "layer %u is of no known kind", index);
}

/* Images of any dtype and rank -> float32 (batch, c, h, w) or (batch, features), normalised. */
static ro_status prepare(builder *b, ro_value images, ro_value *x)
{
    RO_TRY(cast(b, images, RO_F32, x));
    ro_type t = *ro_graph_type(b->graph, *x);
    if (t.rank == 3) {
        int64_t dims[4] = {t.dims[0], 1, t.dims[1], t.dims[2]};
        RO_TRY(reshape(b, *x, 4, dims, x));
    }
    return vd_build_scale(b, x);
}

static ro_status forward(builder *b, int training, ro_value images, ro_value *logits)
{
    ro_value x;
    RO_TRY(prepare(b, images, &x));
    for (uint32_t k = 0; k < b->spec->layer_count; k++) RO_TRY(layer(b, k, training, x, &x));
    const ro_type *t = ro_graph_type(b->graph, x);
    if (t->rank != 2 || t->dims[1] != (int64_t)b->spec->classes) {
        char text[96];
        return RO_FAIL(b->err, RO_ESHAPE,
                       "the layers end in %s; the loss needs (batch, %u)",
                       ro_type_text(t, text, sizeof text), b->spec->classes);
    }
    *logits = x;
    return RO_OK;
}

/* ---- the training phase ------------------------------------------------------------------ */

/* step counted from the first training step. */
static ro_status training_step(builder *b, uint32_t before)
{
    ro_value s, c;
    RO_TRY(vd_build_use(b, 0, &s));
    b->step = s;
    if (before == 0) return RO_OK;
    RO_TRY(scalar(b, RO_I64, (double)before, &c));
    return binary(b, "Sub", s, c, &b->step);
}

static ro_status batch_of(builder *b, ro_value indices, uint32_t constant, ro_value *out)
{
    ro_value data;
    RO_TRY(ro_graph_constant(b->graph, constant, &b->job->constants[constant].type, &data, b->err));
    return vd_build_batch(b, data, indices, out);
}

static ro_status train_phase(builder *b, uint32_t phase)
{
    ro_value indices, images, labels, logits, loss;
    uint32_t stuck;
    RO_TRY(vd_build_phase(b, phase, b->spec->steps));
    RO_TRY(training_step(b, phase));
    RO_TRY(vd_build_draw(b, &indices));
    RO_TRY(batch_of(b, indices, 0, &images));
    RO_TRY(batch_of(b, indices, 1, &labels));
    RO_TRY(forward(b, 1, images, &logits));
    RO_TRY(vd_build_loss(b, logits, labels, &loss));
    RO_TRY(vd_build_update(b, loss, &stuck));
    return ro_graph_prune(b->graph, b->err);
}

/* ---- the init phase ---------------------------------------------------------------------- */

static const vd_slot *given(const vd_spec *s, const char *name)
{
    for (uint32_t k = 0; k < s->given_count; k++)
        if (strcmp(s->given[k].name, name) == 0) return &s->given[k];
    return NULL;
}

static ro_status draw_param(builder *b, uint32_t slot, ro_value *out)
{
    const ro_type *t = &b->job->slots[slot].type;
    double bound = b->bound[slot];
    attrs a;
    ro_value step;
    if (bound <= 0.0) return fill(b, t, bound < 0.0 ? 0x3f800000u : 0, out);
    RO_TRY(vd_build_use(b, 0, &step));
    RO_TRY(attrs_of("RandomUniform", &a, b->err));
    RO_TRY(set_int(&a, "seed", (int64_t)b->spec->seed, b->err));
    RO_TRY(set_int(&a, "stream", b->streams++, b->err));
    RO_TRY(set_real(&a, "low", -bound, b->err));
    RO_TRY(set_real(&a, "high", bound, b->err));
    RO_TRY(set_ints(&a, "shape", t->rank, t->dims, b->err));
    return emit(b, &a, 1, &step, out);
}

static ro_status init_phase(builder *b)
{
    RO_TRY(vd_build_phase(b, 0, 1));
    for (uint32_t p = 1; p <= b->params; p++) {
        ro_value slot, v;
        if (given(b->spec, b->job->slots[p].name)) continue;
        RO_TRY(vd_build_use(b, p, &slot));
        RO_TRY(draw_param(b, p, &v));
        RO_TRY(ro_graph_set_next(b->graph, p, v, b->err));
    }
    for (uint32_t k = 1; b->spec->optimizer != VD_OPT_SGD && k <= 2; k++) {
        ro_value slot, v;
        RO_TRY(vd_build_use(b, b->moments_at + k - 1, &slot));
        RO_TRY(scalar(b, RO_F64, 1.0, &v));
        RO_TRY(ro_graph_set_next(b->graph, b->moments_at + k - 1, v, b->err));
    }
    return RO_OK;
}

static ro_status apply_given(builder *b)
{
    for (uint32_t k = 0; k < b->spec->given_count; k++) {
        const vd_slot *want = &b->spec->given[k];
        uint32_t p = 1;
        while (p <= b->params && strcmp(b->job->slots[p].name, want->name)) p++;
        if (p > b->params)
            return RO_FAIL(b->err, RO_EFORMAT,
                           "the initial state names %s; no parameter is called so",
                           want->name);
        b->job->slots[p].digest = want->digest;
    }
    return RO_OK;
}

/* ---- entry points ------------------------------------------------------------------------ */

static ro_status check_spec(const vd_spec *s, ro_err *err)
{
    if (s->layer_count == 0 || s->layer_count > VD_LAYERS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a model has %u layers; 1 to %u are allowed",
                       s->layer_count, VD_LAYERS_MAX);
    if (s->images.type.rank < 2 || s->labels.type.rank != 1 ||
        s->images.type.dims[0] != s->labels.type.dims[0] || s->images.type.dims[0] < 1)
        return RO_FAIL(err, RO_ESHAPE, "the data must be (n, ...) and labels (n) with one n >= 1");
    return vd_build_check(s, err);
}

ro_status vd_model_job(const vd_spec *s, ro_arena *arena, vd_job **out, ro_err *err)
{
    builder b;
    RO_TRY(check_spec(s, err));
    RO_TRY(vd_build_new(&b, s, arena, 2, err));
    b.job->record = s->record;
    b.job->segment = s->record == VD_RECORD_CHECKPOINT ? s->segment : 0;
    b.job->constant_count = 2;
    b.job->constants[0] = s->images;
    b.job->constants[1] = s->labels;
    RO_TRY(train_phase(&b, 1)); /* first: it makes the slots that init fills */
    RO_TRY(init_phase(&b));
    RO_TRY(apply_given(&b));
    RO_TRY(vd_job_seal(b.job, err));
    *out = b.job;
    return RO_OK;
}

static ro_status count_right(builder *b, ro_value logits, ro_value labels, ro_value *out)
{
    attrs a;
    ro_value best, same, n;
    RO_TRY(attrs_of("ArgMax", &a, b->err));
    RO_TRY(set_int(&a, "axis", 1, b->err));
    RO_TRY(emit(b, &a, 1, &logits, &best));
    RO_TRY(cast(b, labels, RO_I64, &labels));
    RO_TRY(binary(b, "Equal", best, labels, &same));
    RO_TRY(cast(b, same, RO_I64, &n));
    RO_TRY(attrs_of("ReduceSum", &a, b->err));
    return emit(b, &a, 1, &n, out);
}

ro_status vd_model_eval(const vd_spec *s, uint64_t batch, ro_arena *arena, vd_job **out,
                        ro_err *err)
{
    builder b;
    ro_value images, labels, logits, right;
    RO_TRY(check_spec(s, err));
    RO_TRY(vd_build_new(&b, s, arena, 1, err));
    RO_TRY(vd_build_phase(&b, 0, 1));
    ro_type ti = s->images.type, tl = s->labels.type;
    ti.dims[0] = tl.dims[0] = (int64_t)batch;
    /* The parameters come first, as in the job: a throw-away constant stands for the images
     * while the layers make them. */
    ro_value seed;
    RO_TRY(fill(&b, &ti, 0, &seed));
    RO_TRY(forward(&b, 0, seed, &logits));
    uint32_t si, sl;
    RO_TRY(vd_build_slot(&b, "images", &ti, &si));
    RO_TRY(vd_build_slot(&b, "labels", &tl, &sl));
    RO_TRY(vd_build_phase(&b, 0, 1));
    RO_TRY(vd_build_use(&b, si, &images));
    RO_TRY(vd_build_use(&b, sl, &labels));
    RO_TRY(forward(&b, 0, images, &logits));
    RO_TRY(count_right(&b, logits, labels, &right));
    RO_TRY(ro_graph_add_output(b.graph, logits, err));
    RO_TRY(ro_graph_add_output(b.graph, right, err));
    RO_TRY(vd_job_seal(b.job, err));
    *out = b.job;
    return RO_OK;
}
