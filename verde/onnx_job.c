/* onnx_job.c - the job of training an ONNX model.
 *
 * What this file decides: which initializers are trained, where a batch goes in and where the loss
 * is taken, and what a model does otherwise in training: BatchNormalization by the batch, Dropout
 * by streams of the job.
 *
 * Invariants
 *   1. Slot 0 is the step; then float32 initializers that are not frozen, in the model's order;
 *      then the optimizer's. Those that are running averages get what BatchNormalization makes of
 *      them; those that the loss does not move stay as they are.
 *   2. There is no phase that draws: every slot's first value is the model's, or the optimizer's.
 *   3. What cannot be trained is refused here, by the model's node, before the first step. */
#include "builder.h"
#include "commit.h"
#include "onnx_lower.h"

/* ---- initializers --------------------------------------------------------------------------- */

static int matches(const char *pattern, const vd_onnx_text *name)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*') return name->n >= n - 1 && !memcmp(name->p, pattern, n - 1);
    return name->n == n && memcmp(name->p, pattern, n) == 0;
}

static int is_frozen(const vd_lower *l, const vd_onnx_text *name)
{
    for (uint32_t k = 0; k < l->wish->freeze_count; k++)
        if (matches(l->wish->freeze[k], name)) return 1;
    return 0;
}

/* A name that freezes nothing is a mistake. */
static ro_status check_freeze(const vd_lower *l)
{
    const vd_onnx_graph *g = &l->m->graphs[0];
    for (uint32_t k = 0; k < l->wish->freeze_count; k++) {
        int any = 0;
        for (uint32_t i = 0; i < g->initializer_count; i++)
            any |= matches(l->wish->freeze[k], &g->initializers[i].name);
        if (!any)
            return RO_FAIL(l->err, RO_EUSAGE, "the model has no initializer \"%.80s\" to freeze",
                           l->wish->freeze[k]);
    }
    return RO_OK;
}

ro_status vd_train_initializer(vd_lower *l, const vd_onnx_tensor *t, ro_value *out)
{
    builder *b = l->train;
    char name[VD_NAME_MAX + 1];
    uint32_t slot;
    ro_tensor x;
    *out = RO_NO_VALUE;
    if (!ro_dtype_is_float((ro_dtype)t->dtype) || is_frozen(l, &t->name)) return RO_OK;
    vd_onnx_show(&t->name, name, sizeof name);
    if (t->dtype != RO_F32)
        return RO_FAIL(l->err, RO_EOP, "initializer \"%.80s\" is %s; what is trained is float32: "
                       "freeze it", name, vd_onnx_dtype_name(t->dtype));
    RO_TRY(vd_lower_tensor_data(l, t, &x));
    if (!t->name.n || t->name.n > VD_NAME_MAX)
        snprintf(name, sizeof name, "verde.slot.%u", b->job->slot_count);
    RO_TRY(vd_build_slot(b, name, &x.type, &slot));
    vd_tensor_digest(&x.type, x.data, NULL, b->job->slots[slot].digest.b);
    b->first[slot] = x.data;
    return vd_build_use(b, slot, out);
}

ro_status vd_train_unknown(const vd_lower *l, uint32_t slot)
{
    if (!slot)
        return RO_FAIL(l->err, RO_EOP, "what its nodes are hangs on the batch, which changes from "
                       "step to step");
    return RO_FAIL(l->err, RO_EOP, "what its nodes are hangs on the initializer \"%.80s\", which "
                   "is trained: freeze it", l->train->job->slots[slot].name);
}

/* ---- running averages ----------------------------------------------------------------------- */

static uint32_t slot_of(const vd_use *u, uint32_t input)
{
    const ro_value_info *i = &u->l->graph->values[u->in[input]];
    return i->kind == RO_V_SLOT ? i->index : 0;
}

int vd_train_averages(const vd_use *u)
{
    return u->l->train && slot_of(u, 3) && slot_of(u, 4);
}

ro_value vd_train_average(const vd_use *u, uint32_t input)
{
    const ro_value so_far = vd_train_averages(u) ? u->l->train->running[slot_of(u, input)]
                                                 : RO_NO_VALUE;
    return so_far != RO_NO_VALUE ? so_far : u->in[input];
}

ro_status vd_train_averages_next(vd_use *u)
{
    for (uint32_t k = 0; k < 2 && vd_train_averages(u); k++) {
        const uint32_t slot = slot_of(u, 3 + k);
        u->l->train->running[slot] = u->out[1 + k];
        RO_TRY(ro_graph_set_next(u->l->graph, slot, u->out[1 + k], u->l->err));
    }
    return RO_OK;
}

/* ---- dropout -------------------------------------------------------------------------------- */

ro_status vd_train_dropout(vd_use *u, double ratio)
{
    builder *b = u->l->train;
    const ro_type t = *vd_use_type(u, 0);
    ro_type all = t;
    const uint32_t stream = b->streams++;
    ro_value ones;
    if (!(ratio > 0 && ratio < 1))
        return vd_use_fail(u, RO_EATTR, "drops a share of %g; below 1 is taken", ratio);
    if (t.dtype != RO_F32)
        return vd_use_fail(u, RO_EOP, "drops %s; float32 is taken", ro_dtypes[t.dtype].name);
    b->err = u->l->err;
    RO_TRY(vd_build_dropout(b, ratio, stream, u->in[0], &u->out[0]));
    RO_TRY(fill(b, &all, 0x3f800000u, &ones)); /* the mask: what is left of ones */
    RO_TRY(vd_build_dropout(b, ratio, stream, ones, &ones));
    return vd_lower_cast(u->l, ones, RO_BOOL, &u->out[1]);
}

/* ---- what goes in --------------------------------------------------------------------------- */

/* A batch as the model's input wants it: its dtype, and a channel axis where images lack one. */
static ro_status feed(vd_lower *l, const vd_onnx_value *v, ro_value x, int scaled)
{
    builder *b = l->train;
    vd_maker m = {l, RO_OK};
    const vd_onnx_type *wants = v->type;
    const ro_dtype to = wants && wants->dtype ? (ro_dtype)wants->dtype : RO_F32;
    const ro_type *t = ro_graph_type(l->graph, x);
    char name[80];
    const int real = ro_dtype_is_float(to);
    const int neutral = b->spec->scale == 1.0 && b->spec->mean == 0.0 && b->spec->deviation == 1.0;
    vd_onnx_show(&v->name, name, sizeof name);
    if (wants && wants->dtype >= RO_DTYPE_LIMIT)
        return RO_FAIL(l->err, RO_EOP, "the model's input \"%s\" is %s, which no data is", name,
                       vd_onnx_dtype_name(wants->dtype));
    if (scaled && !real && !neutral)
        return RO_FAIL(l->err, RO_EUSAGE, "data has a scale, mean or deviation; the model's input "
                       "\"%s\" is %s", name, ro_dtypes[to].name);
    if (t->rank == 3 && wants && wants->has_shape && wants->rank == 4) {
        const int64_t dims[4] = {t->dims[0], 1, t->dims[1], t->dims[2]};
        RO_TRY(vd_lower_reshape(l, x, 4, dims, &x));
    }
    if (scaled && real) {
        x = vd_make_cast(&m, x, RO_F32);
        RO_TRY(m.status);
        RO_TRY(vd_build_scale(b, &x));
    }
    x = vd_make_cast(&m, x, to);
    RO_TRY(m.status);
    return vd_lower_bind_input(l, v, ro_graph_type(l->graph, x), x);
}

/* The input of that name; without one the only input without a default that is not given. */
static ro_status input_of(const vd_lower *l, const char *name, const vd_onnx_value **out)
{
    const vd_onnx_graph *g = &l->m->graphs[0];
    uint32_t open = 0;
    *out = name ? vd_lower_input_named(g, name) : NULL;
    if (name && !*out)
        return RO_FAIL(l->err, RO_EUSAGE, "the model has no input \"%.80s\" to feed", name);
    for (uint32_t k = 0; !name && k < g->input_count; k++) {
        int has = 0;
        for (uint32_t i = 0; i < g->initializer_count; i++)
            has |= g->initializers[i].name.id == g->inputs[k].name.id;
        for (uint32_t i = 0; i < l->wish->input_count; i++)
            has |= vd_onnx_is(&g->inputs[k].name, l->wish->inputs[i].name);
        if (!has && !open++) *out = &g->inputs[k];
    }
    if (!name && open != 1)
        return RO_FAIL(l->err, RO_EUSAGE, "the model has %u inputs that nothing is given for; "
                       "\"feed\" says which one images go to", open);
    return RO_OK;
}

static ro_status constant(vd_lower *l, const char *name, const ro_tensor *t, ro_value indices,
                          ro_value *batch)
{
    ro_value all;
    RO_TRY(vd_lower_constant(l, name, &t->type, t->data, &all));
    return vd_build_batch(l->train, all, indices, batch);
}

/* *labels out: RO_NO_VALUE: there are none. */
static ro_status batches(vd_lower *l, ro_value *labels)
{
    const vd_onnx_training *t = l->wish;
    const vd_onnx_value *v;
    ro_value indices, images;
    *labels = RO_NO_VALUE;
    RO_TRY(vd_build_draw(l->train, &indices));
    RO_TRY(constant(l, "data.images", &t->data[0], indices, &images));
    if (t->data[1].type.dtype)
        RO_TRY(constant(l, "data.labels", &t->data[1], indices, labels));
    if (t->labels && *labels == RO_NO_VALUE)
        return RO_FAIL(l->err, RO_EUSAGE, "input \"%.80s\" is fed labels; data names none",
                       t->labels);
    if (t->labels && t->images && strcmp(t->labels, t->images) == 0)
        return RO_FAIL(l->err, RO_EUSAGE, "input \"%.80s\" is fed images and labels", t->images);
    if (t->labels) {
        RO_TRY(input_of(l, t->labels, &v));
        RO_TRY(feed(l, v, *labels, 0));
        if (!t->images)
            return RO_FAIL(l->err, RO_EUSAGE, "\"feed\" names an input for labels and none for "
                           "images");
    }
    RO_TRY(input_of(l, t->images, &v));
    return feed(l, v, images, 1);
}

/* ---- what comes out ------------------------------------------------------------------------- */

static ro_status output_of(vd_lower *l, ro_value *out)
{
    const vd_onnx_graph *g = &l->m->graphs[0];
    const char *name = l->wish->output;
    if (!name && g->output_count != 1)
        return RO_FAIL(l->err, RO_EUSAGE, "the model has %u outputs; \"output\" says which one the "
                       "loss is taken of", g->output_count);
    for (uint32_t k = 0; k < g->output_count; k++) {
        if (name && !vd_onnx_is(&g->outputs[k].name, name)) continue;
        *out = vd_lower_value(l, &g->outputs[k].name);
        if (!vd_lower_is_list(*out)) return RO_OK;
        return RO_FAIL(l->err, RO_EOP, "the output that a loss is taken of is no tensor");
    }
    return RO_FAIL(l->err, RO_EUSAGE, "the model has no output \"%.80s\"", name);
}

/* Labels beside the output: class numbers (n, sizes) beside (n, classes, sizes); else the output's
 * shape, or (n) beside (n, 1). */
static int labels_fit(const ro_type *y, const ro_type *t, int classes)
{
    if (classes) {
        if (y->rank < 2 || t->rank != y->rank - 1 || t->dims[0] != y->dims[0]) return 0;
        for (uint32_t k = 1; k < t->rank; k++)
            if (t->dims[k] != y->dims[k + 1]) return 0;
        return 1;
    }
    if (y->rank == 2 && t->rank == 1) return y->dims[1] == 1 && y->dims[0] == t->dims[0];
    return ro_type_equal(&(ro_type){RO_F32, y->rank, {0}}, &(ro_type){RO_F32, t->rank, {0}}) &&
           memcmp(y->dims, t->dims, y->rank * sizeof *y->dims) == 0;
}

static ro_status loss_of(vd_lower *l, ro_value labels, ro_value *loss)
{
    const vd_loss kind = l->train->spec->loss;
    ro_value y = RO_NO_VALUE;
    char a[96], b[96];
    RO_TRY(output_of(l, &y));
    const ro_type t = *ro_graph_type(l->graph, y);
    if (t.dtype != RO_F32 || (kind == VD_LOSS_OUTPUT && ro_type_elements(&t) != 1))
        return RO_FAIL(l->err, RO_ETYPE, "the output that %s is %s; %s float32 is taken",
                       kind == VD_LOSS_OUTPUT ? "is the loss" : "the loss is taken of",
                       ro_type_text(&t, a, sizeof a), kind == VD_LOSS_OUTPUT ? "one" : "a");
    if (kind == VD_LOSS_OUTPUT) return vd_lower_reshape(l, y, 0, NULL, loss);
    if (labels == RO_NO_VALUE)
        return RO_FAIL(l->err, RO_EUSAGE, "data names no labels, which the loss needs");
    const ro_type w = *ro_graph_type(l->graph, labels);
    if (!labels_fit(&t, &w, kind == VD_LOSS_CROSS_ENTROPY))
        return RO_FAIL(l->err, RO_ESHAPE, "the output is %s and a batch of labels %s, which the "
                       "loss does not take together", ro_type_text(&t, a, sizeof a),
                       ro_type_text(&w, b, sizeof b));
    return vd_build_loss(l->train, y, labels, loss);
}

/* ---- the job -------------------------------------------------------------------------------- */

static ro_status check_data(const vd_onnx_training *t, ro_err *err)
{
    const ro_type *x = &t->data[0].type, *y = &t->data[1].type;
    if (x->rank < 1 || x->dims[0] < 1 || (y->dtype && (y->rank < 1 || y->dims[0] != x->dims[0])))
        return RO_FAIL(err, RO_ESHAPE, "the data must be (n, ...) and labels (n, ...) with one "
                       "n >= 1");
    return RO_OK;
}

/* Which slots the optimizer has: those that are no averages. */
static void choose_trained(builder *b)
{
    for (uint32_t s = 1; s < b->job->slot_count; s++)
        if (b->running[s] == RO_NO_VALUE) b->trained[b->params++] = s;
}

/* Gradients and updates; what has no gradient is named as the model names it. */
static ro_status finish_step(vd_lower *l, ro_value loss)
{
    builder *b = l->train;
    ro_err why = {RO_OK, {0}};
    uint32_t stuck;
    char where[120];
    choose_trained(b);
    b->err = &why;
    ro_status st = vd_build_update(b, loss, &stuck);
    b->err = l->err;
    if (!st) return b->params ? RO_OK : RO_FAIL(l->err, RO_EUSAGE, "no initializer of the model "
                                                "moves the loss; nothing would be trained");
    if (stuck >= l->origin_count || st == RO_ENOMEM || st == RO_ELIMIT)
        return RO_FAIL(l->err, st, "%s", why.msg);
    return RO_FAIL(l->err, RO_EOP, "%s cannot be trained: %.120s",
                   vd_onnx_node_text(l->m, l->origin[stuck], where, sizeof where), why.msg);
}

/* Adam's powers of beta begin as 1. */
static void set_powers(builder *b)
{
    static const double one = 1.0;
    for (uint32_t k = 0; b->spec->optimizer != VD_OPT_SGD && k < 2; k++) {
        vd_slot *s = &b->job->slots[b->moments_at + k];
        b->first[b->moments_at + k] = &one;
        vd_tensor_digest(&s->type, &one, NULL, s->digest.b);
    }
}

static ro_status one_step(vd_lower *l)
{
    builder *b = l->train;
    ro_value labels, loss;
    RO_TRY(vd_build_use(b, 0, &b->step));
    RO_TRY(batches(l, &labels));
    RO_TRY(vd_lower_take_inputs(l, l->wish->inputs, l->wish->input_count));
    RO_TRY(vd_lower_body(l));
    b->err = l->err;
    RO_TRY(loss_of(l, labels, &loss));
    return finish_step(l, loss);
}

ro_status vd_onnx_train(const vd_onnx *m, const vd_spec *given, const vd_onnx_training *t,
                        ro_arena *arena, vd_onnx_job *out, ro_err *err)
{
    vd_lower l;
    builder b;
    vd_spec s = *given;
    memset(out, 0, sizeof *out);
    RO_TRY(check_data(t, err));
    s.images.type = t->data[0].type;
    RO_TRY(vd_build_check(&s, err));
    RO_TRY(vd_lower_begin(&l, m, arena, err));
    RO_TRY(vd_build_new(&b, &s, arena, 1, err));
    b.first = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b.first);
    b.running = ro_arena_alloc(arena, VD_SLOTS_MAX * sizeof *b.running);
    if (!b.first || !b.running) return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    for (uint32_t k = 0; k < VD_SLOTS_MAX; k++) b.running[k] = RO_NO_VALUE;
    RO_TRY(vd_build_phase(&b, 0, s.steps));
    b.job->record = s.record;
    b.job->segment = s.record == VD_RECORD_CHECKPOINT ? s.segment : 0;
    l.graph = b.graph;
    l.train = &b;
    l.wish = t;
    RO_TRY(check_freeze(&l));
    RO_TRY(one_step(&l));
    set_powers(&b);
    RO_TRY(vd_lower_settle(&l, b.job, out));
    out->slots = b.first;
    return vd_job_seal(b.job, err);
}
