/* model.c - from layers, a loss and an optimizer to a job of ordinary nodes.
 *
 * Invariants
 *   1. Everything a step computes is a node: drawing the parameters, choosing the batch, the
 *      schedule, the powers of Adam's betas. The host computes attributes only, here, once.
 *   2. Slot 0 is the step, slots 1.. are the parameters in the order of the layers, then the
 *      optimizer's; streams of random numbers are numbered in the order of their creation. */
#include "verde.h"

#include <string.h>

/* A double's square root, correctly rounded like the hardware's; no libm. */
static double root(double x) { return __builtin_sqrt(x); }

typedef struct {
    const vd_spec *spec;
    ro_arena *arena;
    ro_err *err;
    vd_job *job;
    ro_graph *graph;      /* of the phase being built */
    uint32_t params;      /* slots 1 .. params */
    uint32_t streams;     /* used so far */
    uint32_t next_param;  /* while layers are laid down */
    ro_value *slot_value; /* [slot]: declared in the current graph, or RO_NO_VALUE */
    double *bound;        /* [slot]: drawn from U(-bound, bound); 0: zeros; < 0: ones */
    ro_value step;        /* counted from 0 at the first training step */
} builder;

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

/* ---- small pieces ------------------------------------------------------------------------ */

typedef struct { ro_op op; uint64_t bytes[RO_ATTRS_SIZE_MAX / 8]; } attrs;

static ro_status attrs_of(const char *name, attrs *a, ro_err *err)
{
    memset(a, 0, sizeof *a);
    a->op = ro_op_newest(name);
    if (a->op != RO_OP_COUNT) return RO_OK;
    return RO_FAIL(err, RO_EOP, "this program lacks the operator %s", name);
}

static ro_status set_int(attrs *a, const char *name, int64_t v, ro_err *err)
{
    return ro_attr_set_int(a->op, a->bytes, name, v, err);
}

static ro_status set_real(attrs *a, const char *name, double v, ro_err *err)
{
    return ro_attr_set_real(a->op, a->bytes, name, v, err);
}

static ro_status set_ints(attrs *a, const char *name, uint32_t n, const int64_t *v, ro_err *err)
{
    return ro_attr_set_ints(a->op, a->bytes, name, v, n, err);
}

static ro_status emit(builder *b, const attrs *a, uint32_t n, const ro_value *in, ro_value *out)
{
    return ro_graph_node(b->graph, a->op, a->bytes, in, n, 1, out, b->err);
}

/* An operator without attributes. */
static ro_status plain(builder *b, const char *name, uint32_t n, const ro_value *in, ro_value *out)
{
    attrs a;
    RO_TRY(attrs_of(name, &a, b->err));
    return emit(b, &a, n, in, out);
}

static ro_status binary(builder *b, const char *name, ro_value x, ro_value y, ro_value *out)
{
    ro_value in[2] = {x, y};
    return plain(b, name, 2, in, out);
}

static ro_status fill(builder *b, const ro_type *t, uint64_t bits, ro_value *out)
{
    attrs a;
    RO_TRY(attrs_of("ConstantOfShape", &a, b->err));
    RO_TRY(set_int(&a, "dtype", (int64_t)t->dtype, b->err));
    RO_TRY(set_ints(&a, "shape", t->rank, t->dims, b->err));
    RO_TRY(set_int(&a, "bits", (int64_t)bits, b->err));
    return emit(b, &a, 0, NULL, out);
}

static ro_status scalar(builder *b, ro_dtype d, double x, ro_value *out)
{
    ro_type t = ro_type_of(d, 0, NULL);
    return fill(b, &t, ro_bits_of_number(d, x), out);
}

static ro_status cast(builder *b, ro_value x, ro_dtype to, ro_value *out)
{
    attrs a;
    *out = x;
    if (ro_graph_type(b->graph, x)->dtype == to) return RO_OK;
    RO_TRY(attrs_of("Cast", &a, b->err));
    RO_TRY(set_int(&a, "to", (int64_t)to, b->err));
    return emit(b, &a, 1, &x, out);
}

static ro_status reshape(builder *b, ro_value x, uint32_t rank, const int64_t *dims, ro_value *out)
{
    attrs a;
    RO_TRY(attrs_of("Reshape", &a, b->err));
    RO_TRY(set_ints(&a, "shape", rank, dims, b->err));
    return emit(b, &a, 1, &x, out);
}

/* ---- slots ------------------------------------------------------------------------------- */

static ro_status add_slot(builder *b, const char *name, const ro_type *type, uint32_t *index)
{
    vd_job *j = b->job;
    if (j->slot_count >= VD_SLOTS_MAX)
        return RO_FAIL(b->err, RO_ELIMIT, "a job has more than %u slots", VD_SLOTS_MAX);
    vd_slot *s = &j->slots[j->slot_count];
    s->name = ro_arena_string(b->arena, name, strlen(name));
    if (!s->name) return RO_FAIL(b->err, RO_ENOMEM, "no memory for the slots of a job");
    s->type = *type;
    RO_TRY(ro_type_check(type, b->err));
    vd_tensor_digest_zero(type, s->digest.b);
    *index = j->slot_count++;
    return RO_OK;
}

static ro_status use_slot(builder *b, uint32_t index, ro_value *out)
{
    if (b->slot_value[index] == RO_NO_VALUE)
        RO_TRY(ro_graph_slot(b->graph, index, &b->job->slots[index].type, &b->slot_value[index],
                             b->err));
    *out = b->slot_value[index];
    return RO_OK;
}

/* The next parameter of the layers: made on the first pass over them, found on later ones. */
static ro_status param(builder *b, const char *name, uint32_t layer, const ro_type *type,
                       double bound, ro_value *out)
{
    uint32_t index = 1 + b->next_param++;
    if (index >= b->job->slot_count) {
        char full[64];
        snprintf(full, sizeof full, "%u.%s", layer, name);
        RO_TRY(add_slot(b, full, type, &index));
        b->bound[index] = bound;
        b->params++;
    }
    return use_slot(b, index, out);
}

static ro_status begin_phase(builder *b, uint32_t phase, uint64_t steps)
{
    RO_TRY(ro_graph_new(b->arena, &b->graph, b->err));
    b->job->phases[phase].graph = b->graph;
    b->job->phases[phase].steps = steps;
    b->next_param = 0;
    for (uint32_t k = 0; k < VD_SLOTS_MAX; k++) b->slot_value[k] = RO_NO_VALUE;
    return RO_OK;
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

/* threshold = min(2^32 - 1, RNE(ratio 2^32)) and scale = RN32(1 / (1 - ratio)), rule 17. */
static ro_status dropout(builder *b, const vd_layer *l, int training, ro_value x, ro_value *y)
{
    attrs a;
    ro_value v[2] = {x, b->step};
    *y = x;
    if (!training || l->ratio == 0.0) return RO_OK;
    double t = l->ratio * 0x1p32, whole = (double)(uint64_t)t, rest = t - whole;
    uint64_t threshold = (uint64_t)t;
    if (rest > 0.5 || (rest == 0.5 && (threshold & 1))) threshold++;
    if (threshold > UINT32_MAX) threshold = UINT32_MAX;
    RO_TRY(attrs_of("Dropout", &a, b->err));
    RO_TRY(set_int(&a, "seed", (int64_t)b->spec->seed, b->err));
    RO_TRY(set_int(&a, "stream", b->streams++, b->err));
    RO_TRY(set_int(&a, "threshold", (int64_t)threshold, b->err));
    RO_TRY(set_real(&a, "scale", 1.0 / (1.0 - l->ratio), b->err));
    return emit(b, &a, 2, v, y);
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
    case VD_L_DROPOUT: return dropout(b, l, training, x, y);
    }
    return RO_FAIL(b->err, RO_EUSAGE, "layer %u is of no known kind", index);
}

/* Images of any dtype and rank -> float32 (batch, c, h, w) or (batch, features), normalised. */
static ro_status prepare(builder *b, ro_value images, ro_value *x)
{
    const vd_spec *s = b->spec;
    ro_value c;
    RO_TRY(cast(b, images, RO_F32, x));
    ro_type t = *ro_graph_type(b->graph, *x);
    if (t.rank == 3) {
        int64_t dims[4] = {t.dims[0], 1, t.dims[1], t.dims[2]};
        RO_TRY(reshape(b, *x, 4, dims, x));
    }
    if (s->scale != 1.0) {
        RO_TRY(scalar(b, RO_F32, s->scale, &c));
        RO_TRY(binary(b, "Mul", *x, c, x));
    }
    if (s->mean != 0.0) {
        RO_TRY(scalar(b, RO_F32, s->mean, &c));
        RO_TRY(binary(b, "Sub", *x, c, x));
    }
    if (s->deviation != 1.0) {
        RO_TRY(scalar(b, RO_F32, s->deviation, &c));
        RO_TRY(binary(b, "Div", *x, c, x));
    }
    return RO_OK;
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

static ro_status batch_of(builder *b, ro_value indices, uint32_t constant, ro_value *out)
{
    attrs a;
    ro_value v[2] = {0, indices};
    RO_TRY(ro_graph_constant(b->graph, constant, &b->job->constants[constant].type, &v[0], b->err));
    RO_TRY(attrs_of("Gather", &a, b->err));
    return emit(b, &a, 2, v, out);
}

static ro_status draw_batch(builder *b, ro_value *images, ro_value *labels)
{
    attrs a;
    ro_value indices;
    RO_TRY(attrs_of("BatchIndices", &a, b->err));
    RO_TRY(set_int(&a, "seed", (int64_t)b->spec->seed, b->err));
    RO_TRY(set_int(&a, "n", b->spec->images.type.dims[0], b->err));
    RO_TRY(set_int(&a, "batch", (int64_t)b->spec->batch, b->err));
    RO_TRY(set_int(&a, "stream", b->streams++, b->err));
    RO_TRY(emit(b, &a, 1, &b->step, &indices));
    RO_TRY(batch_of(b, indices, 0, images));
    return batch_of(b, indices, 1, labels);
}

static ro_status loss_of(builder *b, ro_value logits, ro_value labels, ro_value *loss)
{
    attrs a;
    if (b->spec->loss == VD_LOSS_CROSS_ENTROPY) {
        ro_dtype d = ro_graph_type(b->graph, labels)->dtype;
        ro_value v[2] = {logits, labels};
        if (d != RO_I32 && d != RO_I64) RO_TRY(cast(b, labels, RO_I64, &v[1]));
        RO_TRY(attrs_of("SoftmaxCrossEntropyLoss", &a, b->err));
        RO_TRY(set_int(&a, "reduction", 2, b->err));
        return emit(b, &a, 2, v, loss);
    }
    ro_value t, d, sq;
    RO_TRY(cast(b, labels, RO_F32, &t));
    if (ro_graph_type(b->graph, t)->rank == 1) {
        int64_t dims[2] = {ro_graph_type(b->graph, t)->dims[0], 1};
        RO_TRY(reshape(b, t, 2, dims, &t));
    }
    RO_TRY(binary(b, "Sub", logits, t, &d));
    RO_TRY(binary(b, "Mul", d, d, &sq));
    RO_TRY(attrs_of("ReduceMean", &a, b->err));
    return emit(b, &a, 1, &sq, loss);
}

static ro_status rate_of(builder *b, ro_value *rate)
{
    const vd_spec *s = b->spec;
    attrs a;
    RO_TRY(attrs_of("LearningRate", &a, b->err));
    RO_TRY(set_int(&a, "kind", s->schedule, b->err));
    RO_TRY(set_real(&a, "base", s->rate, b->err));
    RO_TRY(set_real(&a, "min", s->rate_min, b->err));
    RO_TRY(set_int(&a, "warmup", (int64_t)s->warmup, b->err));
    RO_TRY(set_int(&a, "total", (int64_t)s->steps, b->err));
    RO_TRY(set_real(&a, "gamma", s->gamma, b->err));
    RO_TRY(set_int(&a, "period", (int64_t)s->period, b->err));
    return emit(b, &a, 1, &b->step, rate);
}

/* Slots that an optimizer keeps a parameter, in the order of its outputs after p. */
static uint32_t moments(const vd_spec *s)
{
    return s->optimizer != VD_OPT_SGD ? 2 : s->momentum != 0.0 ? 1 : 0;
}

static uint32_t moment_slot(const builder *b, uint32_t p, uint32_t k)
{
    uint32_t powers = b->spec->optimizer != VD_OPT_SGD ? 2 : 0;
    return 1 + b->params + powers + p * moments(b->spec) + k;
}

static ro_status add_optimizer_slots(builder *b)
{
    ro_type f64 = ro_type_of(RO_F64, 0, NULL);
    uint32_t index;
    if (b->spec->optimizer != VD_OPT_SGD) {
        RO_TRY(add_slot(b, "beta1_power", &f64, &index));
        RO_TRY(add_slot(b, "beta2_power", &f64, &index));
    }
    for (uint32_t p = 0; p < b->params; p++)
        for (uint32_t k = 0; k < moments(b->spec); k++) {
            char name[VD_NAME_MAX + 1];
            const char *what = moments(b->spec) == 1 ? "momentum" : k ? "second_moment" : "moment";
            snprintf(name, sizeof name, "%s.%s", b->job->slots[1 + p].name, what);
            RO_TRY(add_slot(b, name, &b->job->slots[1 + p].type, &index));
        }
    return RO_OK;
}

/* beta^t for this step: the slot times beta, which is also the slot's next value. */
static ro_status beta_power(builder *b, uint32_t slot, double beta, ro_value *out)
{
    ro_value s, c;
    RO_TRY(use_slot(b, slot, &s));
    RO_TRY(scalar(b, RO_F64, beta, &c));
    RO_TRY(binary(b, "Mul", s, c, out));
    return ro_graph_set_next(b->graph, slot, *out, b->err);
}

static ro_status optimizer_attrs(builder *b, attrs *a)
{
    const vd_spec *s = b->spec;
    if (s->optimizer == VD_OPT_SGD) {
        RO_TRY(attrs_of("SGD", a, b->err));
        RO_TRY(set_real(a, "momentum", s->momentum, b->err));
        RO_TRY(set_real(a, "dampening", s->dampening, b->err));
        RO_TRY(set_real(a, "weight_decay", s->weight_decay, b->err));
        return set_int(a, "nesterov", s->nesterov, b->err);
    }
    RO_TRY(attrs_of("AdamW", a, b->err));
    RO_TRY(set_real(a, "beta1", s->beta1, b->err));
    RO_TRY(set_real(a, "beta2", s->beta2, b->err));
    RO_TRY(set_real(a, "epsilon", s->epsilon, b->err));
    RO_TRY(set_real(a, "weight_decay", s->weight_decay, b->err));
    return set_int(a, "decoupled", s->optimizer == VD_OPT_ADAMW, b->err);
}

static ro_status update(builder *b, const ro_value *grads)
{
    attrs a;
    ro_value rate, powers[2] = {RO_NO_VALUE, RO_NO_VALUE}, first;
    int adam = b->spec->optimizer != VD_OPT_SGD;
    RO_TRY(rate_of(b, &rate));
    if (adam) RO_TRY(beta_power(b, 1 + b->params, b->spec->beta1, &powers[0]));
    if (adam) RO_TRY(beta_power(b, 2 + b->params, b->spec->beta2, &powers[1]));
    RO_TRY(optimizer_attrs(b, &a));
    for (uint32_t p = 0; p < b->params; p++) {
        ro_value in[7] = {b->slot_value[1 + p], grads[p], rate, powers[0], powers[1], 0, 0};
        uint32_t n = adam ? 5 : 3;
        for (uint32_t k = 0; k < moments(b->spec); k++)
            RO_TRY(use_slot(b, moment_slot(b, p, k), &in[n++]));
        RO_TRY(ro_graph_node(b->graph, a.op, a.bytes, in, n, 1 + moments(b->spec), &first, b->err));
        RO_TRY(ro_graph_set_next(b->graph, 1 + p, first, b->err));
        for (uint32_t k = 0; k < moments(b->spec); k++)
            RO_TRY(ro_graph_set_next(b->graph, moment_slot(b, p, k), first + 1 + k, b->err));
    }
    return RO_OK;
}

/* step counted from the first training step. */
static ro_status training_step(builder *b, uint32_t before)
{
    ro_value s, c;
    RO_TRY(use_slot(b, 0, &s));
    b->step = s;
    if (before == 0) return RO_OK;
    RO_TRY(scalar(b, RO_I64, (double)before, &c));
    return binary(b, "Sub", s, c, &b->step);
}

static ro_status train_phase(builder *b, uint32_t phase)
{
    ro_value images, labels, logits, loss;
    RO_TRY(begin_phase(b, phase, b->spec->steps));
    RO_TRY(training_step(b, phase));
    RO_TRY(draw_batch(b, &images, &labels));
    RO_TRY(forward(b, 1, images, &logits));
    RO_TRY(loss_of(b, logits, labels, &loss));
    if (b->job->slot_count == 1 + b->params) RO_TRY(add_optimizer_slots(b));
    ro_value *wrt = ro_arena_alloc(b->arena, (b->params + 1) * sizeof *wrt);
    ro_value *grads = ro_arena_alloc(b->arena, (b->params + 1) * sizeof *grads);
    if (!wrt || !grads) return RO_FAIL(b->err, RO_ENOMEM, "no memory for the gradients of a job");
    for (uint32_t p = 0; p < b->params; p++) wrt[p] = b->slot_value[1 + p];
    RO_TRY(ro_graph_differentiate(b->graph, loss, wrt, b->params, grads, b->err));
    RO_TRY(update(b, grads));
    RO_TRY(ro_graph_add_output(b->graph, loss, b->err));
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
    RO_TRY(use_slot(b, 0, &step));
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
    RO_TRY(begin_phase(b, 0, 1));
    for (uint32_t p = 1; p <= b->params; p++) {
        ro_value slot, v;
        if (given(b->spec, b->job->slots[p].name)) continue;
        RO_TRY(use_slot(b, p, &slot));
        RO_TRY(draw_param(b, p, &v));
        RO_TRY(ro_graph_set_next(b->graph, p, v, b->err));
    }
    for (uint32_t k = 1; b->spec->optimizer != VD_OPT_SGD && k <= 2; k++) {
        ro_value slot, v;
        RO_TRY(use_slot(b, b->params + k, &slot));
        RO_TRY(scalar(b, RO_F64, 1.0, &v));
        RO_TRY(ro_graph_set_next(b->graph, b->params + k, v, b->err));
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
    if (s->batch < 1 || s->batch > (uint64_t)s->images.type.dims[0])
        return RO_FAIL(err, RO_ELIMIT, "the batch is %llu; 1 to %lld (the data) are allowed",
                       (unsigned long long)s->batch, (long long)s->images.type.dims[0]);
    if (s->steps < 1 || s->steps >= VD_STEPS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "the steps are %llu; 1 to %llu are allowed",
                       (unsigned long long)s->steps, (unsigned long long)(VD_STEPS_MAX - 1));
    return RO_OK;
}

static ro_status new_builder(builder *b, const vd_spec *s, ro_arena *arena, uint32_t phases,
                             ro_err *err)
{
    ro_type step = ro_type_of(RO_I64, 0, NULL);
    uint32_t index;
    memset(b, 0, sizeof *b);
    b->spec = s;
    b->arena = arena;
    b->err = err;
    b->job = ro_arena_alloc(arena, sizeof *b->job);
    b->slot_value = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b->slot_value);
    b->bound = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b->bound);
    if (!b->job || !b->slot_value || !b->bound)
        return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    b->job->arena = arena;
    b->job->repeats = 1;
    b->job->phase_count = phases;
    b->job->phases = ro_arena_alloc(arena, phases * sizeof *b->job->phases);
    b->job->slots = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b->job->slots);
    b->job->constants = ro_arena_alloc(arena, 2 * sizeof *b->job->constants);
    if (!b->job->phases || !b->job->slots || !b->job->constants)
        return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    return add_slot(b, "step", &step, &index);
}

ro_status vd_model_job(const vd_spec *s, ro_arena *arena, vd_job **out, ro_err *err)
{
    builder b;
    RO_TRY(check_spec(s, err));
    RO_TRY(new_builder(&b, s, arena, 2, err));
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
    RO_TRY(new_builder(&b, s, arena, 1, err));
    RO_TRY(begin_phase(&b, 0, 1));
    ro_type ti = s->images.type, tl = s->labels.type;
    ti.dims[0] = tl.dims[0] = (int64_t)batch;
    /* The parameters come first, as in the job: a throw-away constant stands for the images
     * while the layers make them. */
    ro_value seed;
    RO_TRY(fill(&b, &ti, 0, &seed));
    RO_TRY(forward(&b, 0, seed, &logits));
    uint32_t si, sl;
    RO_TRY(add_slot(&b, "images", &ti, &si));
    RO_TRY(add_slot(&b, "labels", &tl, &sl));
    RO_TRY(begin_phase(&b, 0, 1));
    RO_TRY(use_slot(&b, si, &images));
    RO_TRY(use_slot(&b, sl, &labels));
    RO_TRY(forward(&b, 0, images, &logits));
    RO_TRY(count_right(&b, logits, labels, &right));
    RO_TRY(ro_graph_add_output(b.graph, logits, err));
    RO_TRY(ro_graph_add_output(b.graph, right, err));
    RO_TRY(vd_job_seal(b.job, err));
    *out = b.job;
    return RO_OK;
}
