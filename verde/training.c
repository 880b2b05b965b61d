/* training.c - what is around a model in a training job: where batches come from, the loss, the
 * schedule and the optimizer. docs/JOBS.md names them, docs/ARITHMETIC.md says what they are. */
#include "builder.h"

/* ---- a job that begins ---------------------------------------------------------------------- */

ro_status vd_build_new(builder *b, const vd_spec *s, ro_arena *arena, uint32_t phases, ro_err *err)
{
    ro_type step = ro_type_of(RO_I64, 0, NULL);
    uint32_t index;
    memset(b, 0, sizeof *b);
    b->spec = s;
    b->arena = arena;
    b->err = err;
    b->job = ro_arena_alloc(arena, sizeof *b->job);
    b->slot_value = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b->slot_value);
    b->trained = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b->trained);
    b->bound = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b->bound);
    if (!b->job || !b->slot_value || !b->trained || !b->bound)
        return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    b->job->arena = arena;
    b->job->repeats = 1;
    b->job->phase_count = phases;
    b->job->phases = ro_arena_alloc(arena, phases * sizeof *b->job->phases);
    b->job->slots = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b->job->slots);
    b->job->constants = ro_arena_alloc(arena, 2 * sizeof *b->job->constants);
    if (!b->job->phases || !b->job->slots || !b->job->constants)
        return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    return vd_build_slot(b, "step", &step, &index);
}

ro_status vd_build_check(const vd_spec *s, ro_err *err)
{
    if (s->batch < 1 || s->batch > (uint64_t)s->images.type.dims[0])
        return RO_FAIL(err, RO_ELIMIT, "the batch is %llu; 1 to %lld (the data) are allowed",
                       (unsigned long long)s->batch, (long long)s->images.type.dims[0]);
    if (s->steps < 1 || s->steps >= VD_STEPS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "the steps are %llu; 1 to %llu are allowed",
                       (unsigned long long)s->steps, (unsigned long long)(VD_STEPS_MAX - 1));
    return RO_OK;
}

ro_status vd_build_slot(builder *b, const char *name, const ro_type *type, uint32_t *index)
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

ro_status vd_build_use(builder *b, uint32_t index, ro_value *out)
{
    if (b->slot_value[index] == RO_NO_VALUE)
        RO_TRY(ro_graph_slot(b->graph, index, &b->job->slots[index].type, &b->slot_value[index],
                             b->err));
    *out = b->slot_value[index];
    return RO_OK;
}

ro_status vd_build_phase(builder *b, uint32_t phase, uint64_t steps)
{
    RO_TRY(ro_graph_new(b->arena, &b->graph, b->err));
    b->job->phases[phase].graph = b->graph;
    b->job->phases[phase].steps = steps;
    b->next_param = 0;
    for (uint32_t k = 0; k < VD_SLOTS_MAX; k++) b->slot_value[k] = RO_NO_VALUE;
    return RO_OK;
}

/* ---- batches -------------------------------------------------------------------------------- */

ro_status vd_build_draw(builder *b, ro_value *indices)
{
    attrs a;
    RO_TRY(attrs_of("BatchIndices", &a, b->err));
    RO_TRY(set_int(&a, "seed", (int64_t)b->spec->seed, b->err));
    RO_TRY(set_int(&a, "n", b->spec->images.type.dims[0], b->err));
    RO_TRY(set_int(&a, "batch", (int64_t)b->spec->batch, b->err));
    RO_TRY(set_int(&a, "stream", b->streams++, b->err));
    return emit(b, &a, 1, &b->step, indices);
}

ro_status vd_build_batch(builder *b, ro_value data, ro_value indices, ro_value *out)
{
    ro_value in[2] = {data, indices};
    return plain(b, "Gather", 2, in, out);
}

ro_status vd_build_scale(builder *b, ro_value *x)
{
    const vd_spec *s = b->spec;
    const double by[3] = {s->scale, s->mean, s->deviation}, neutral[3] = {1.0, 0.0, 1.0};
    static const char *const names[3] = {"Mul", "Sub", "Div"};
    for (int k = 0; k < 3; k++) {
        ro_value c;
        if (by[k] == neutral[k]) continue;
        RO_TRY(scalar(b, RO_F32, by[k], &c));
        RO_TRY(binary(b, names[k], *x, c, x));
    }
    return RO_OK;
}

/* threshold = min(2^32 - 1, RNE(ratio 2^32)) and scale = RN32(1 / (1 - ratio)), rule 17. */
ro_status vd_build_dropout(builder *b, double ratio, uint32_t stream, ro_value x, ro_value *y)
{
    attrs a;
    ro_value v[2] = {x, b->step};
    double t = ratio * 0x1p32, whole = (double)(uint64_t)t, rest = t - whole;
    uint64_t threshold = (uint64_t)t;
    if (rest > 0.5 || (rest == 0.5 && (threshold & 1))) threshold++;
    if (threshold > UINT32_MAX) threshold = UINT32_MAX;
    RO_TRY(attrs_of("Dropout", &a, b->err));
    RO_TRY(set_int(&a, "seed", (int64_t)b->spec->seed, b->err));
    RO_TRY(set_int(&a, "stream", stream, b->err));
    RO_TRY(set_int(&a, "threshold", (int64_t)threshold, b->err));
    RO_TRY(set_real(&a, "scale", 1.0 / (1.0 - ratio), b->err));
    return emit(b, &a, 2, v, y);
}

/* ---- loss, rate, optimizer ------------------------------------------------------------------- */

ro_status vd_build_loss(builder *b, ro_value logits, ro_value labels, ro_value *loss)
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
    if (ro_graph_type(b->graph, t)->rank == 1 && ro_graph_type(b->graph, logits)->rank == 2) {
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
    return b->moments_at + powers + p * moments(b->spec) + k;
}

static ro_status add_optimizer_slots(builder *b)
{
    ro_type f64 = ro_type_of(RO_F64, 0, NULL);
    uint32_t index;
    b->moments_at = b->job->slot_count;
    if (b->spec->optimizer != VD_OPT_SGD) {
        RO_TRY(vd_build_slot(b, "beta1_power", &f64, &index));
        RO_TRY(vd_build_slot(b, "beta2_power", &f64, &index));
    }
    for (uint32_t p = 0; p < b->params; p++)
        for (uint32_t k = 0; k < moments(b->spec); k++) {
            char name[VD_NAME_MAX + 1];
            const char *what = moments(b->spec) == 1 ? "momentum" : k ? "second_moment" : "moment";
            snprintf(name, sizeof name, "%s.%s", b->job->slots[b->trained[p]].name, what);
            RO_TRY(vd_build_slot(b, name, &b->job->slots[b->trained[p]].type, &index));
        }
    return RO_OK;
}

/* beta^t for this step: the slot times beta, which is also the slot's next value. */
static ro_status beta_power(builder *b, uint32_t slot, double beta, ro_value *out)
{
    ro_value s, c;
    RO_TRY(vd_build_use(b, slot, &s));
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
    if (adam) RO_TRY(beta_power(b, b->moments_at, b->spec->beta1, &powers[0]));
    if (adam) RO_TRY(beta_power(b, b->moments_at + 1, b->spec->beta2, &powers[1]));
    RO_TRY(optimizer_attrs(b, &a));
    for (uint32_t p = 0; p < b->params; p++) {
        ro_value in[7] = {b->slot_value[b->trained[p]], grads[p], rate, powers[0], powers[1], 0, 0};
        uint32_t n = adam ? 5 : 3;
        for (uint32_t k = 0; k < moments(b->spec); k++)
            RO_TRY(vd_build_use(b, moment_slot(b, p, k), &in[n++]));
        RO_TRY(ro_graph_node(b->graph, a.op, a.bytes, in, n, 1 + moments(b->spec), &first, b->err));
        RO_TRY(ro_graph_set_next(b->graph, b->trained[p], first, b->err));
        for (uint32_t k = 0; k < moments(b->spec); k++)
            RO_TRY(ro_graph_set_next(b->graph, moment_slot(b, p, k), first + 1 + k, b->err));
    }
    return RO_OK;
}

/* A parameter that the loss does not hang on, whose gradient is a tensor of zeros made for it, is
 * left as it is. */
static void leave_unmoved(builder *b, ro_value *grads)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < b->params; p++) {
        const ro_value_info *i = &b->graph->values[grads[p]];
        if (i->kind == RO_V_NODE && i->type.rank &&
            b->graph->nodes[i->index].op == ro_op_newest("ConstantOfShape"))
            continue;
        b->trained[n] = b->trained[p];
        grads[n++] = grads[p];
    }
    b->params = n;
}

ro_status vd_build_update(builder *b, ro_value loss, uint32_t *stuck)
{
    ro_value *wrt = ro_arena_alloc(b->arena, (b->params + 1) * sizeof *wrt);
    ro_value *grads = ro_arena_alloc(b->arena, (b->params + 1) * sizeof *grads);
    *stuck = UINT32_MAX;
    if (!wrt || !grads) return RO_FAIL(b->err, RO_ENOMEM, "no memory for the gradients of a job");
    for (uint32_t p = 0; p < b->params; p++) wrt[p] = b->slot_value[b->trained[p]];
    RO_TRY(ro_graph_differentiate(b->graph, loss, wrt, b->params, grads, stuck, b->err));
    if (b->first) leave_unmoved(b, grads);
    if (!b->moments_at) RO_TRY(add_optimizer_slots(b));
    RO_TRY(update(b, grads));
    return ro_graph_add_output(b->graph, loss, b->err);
}
