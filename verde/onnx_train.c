/* onnx_train.c - ONNX's optimizers, and batch normalization by the batch's own statistics.
 *
 * What this file decides: the order of operations, which is that of ONNX's own formulas from left
 * to right; differences of constants are taken exactly and rounded once. */
#include "onnx_lower.h"

/* ---- optimizers --------------------------------------------------------------------------- */

/* Of a call, one argument makes nodes, as with vd_make_2.
 * One tensor that is optimized: inputs R, T, then of all tensors X, then G, then each state. */
typedef struct {
    vd_maker m;
    ro_dtype d;
    ro_value rate, count; /* R, T: one number each */
    ro_value x, g, state[2];
} tensor;

static ro_value real(tensor *t, double x) { return vd_make_real(&t->m, t->d, x); }
static ro_value add(tensor *t, ro_value a, ro_value b) { return vd_make_2(&t->m, "Add", a, b); }
static ro_value sub(tensor *t, ro_value a, ro_value b) { return vd_make_2(&t->m, "Sub", a, b); }
static ro_value mul(tensor *t, ro_value a, ro_value b) { return vd_make_2(&t->m, "Mul", a, b); }
static ro_value div_by(tensor *t, ro_value a, ro_value b) { return vd_make_2(&t->m, "Div", a, b); }

/* a where T > 0, else b. */
static ro_value later(tensor *t, ro_value a, ro_value b)
{
    ro_value is = vd_make_2(&t->m, "Greater", t->count, vd_make_real(&t->m, RO_I64, 0));
    return vd_make_where(&t->m, is, a, b);
}

/* norm_coefficient * X + G */
static ro_value regularized(vd_use *u, tensor *t)
{
    return add(t, mul(t, real(t, vd_use_float(u, "norm_coefficient", 0)), t->x), t->g);
}

static void adagrad(vd_use *u, tensor *t)
{
    ro_value n = vd_make_cast(&t->m, t->count, t->d), g = regularized(u, t);
    ro_value r = mul(t, n, real(t, vd_use_float(u, "decay_factor", 0)));
    r = div_by(t, t->rate, add(t, real(t, 1), r));
    t->state[0] = add(t, t->state[0], mul(t, g, g));
    ro_value h = vd_make_1(&t->m, "Sqrt", t->state[0]);
    h = add(t, h, real(t, vd_use_float(u, "epsilon", 1e-6f)));
    t->x = sub(t, t->x, div_by(t, mul(t, r, g), h));
}

static void momentum(vd_use *u, tensor *t, int nesterov)
{
    ro_value g = regularized(u, t), alpha = real(t, vd_use_float(u, "alpha", 0));
    ro_value beta = real(t, vd_use_float(u, "beta", 0)), kept = mul(t, alpha, t->state[0]);
    beta = later(t, beta, real(t, 1));
    ro_value v = t->state[0] = add(t, kept, mul(t, beta, g));
    if (nesterov) v = add(t, g, mul(t, alpha, v));
    t->x = sub(t, t->x, mul(t, t->rate, v));
}

static void adam(vd_use *u, tensor *t)
{
    const double alpha = vd_use_float(u, "alpha", 0.9f), beta = vd_use_float(u, "beta", 0.999f);
    ro_value n = vd_make_cast(&t->m, t->count, t->d), g = regularized(u, t), a = real(t, alpha);
    ro_value b = real(t, beta), one = real(t, 1);
    ro_value v = mul(t, a, t->state[0]), h = mul(t, b, t->state[1]);
    v = t->state[0] = add(t, v, mul(t, real(t, 1 - alpha), g));
    h = t->state[1] = add(t, h, mul(t, mul(t, real(t, 1 - beta), g), g));
    h = vd_make_1(&t->m, "Sqrt", h);
    h = add(t, h, real(t, vd_use_float(u, "epsilon", 1e-6f)));
    ro_value up = vd_make_1(&t->m, "Sqrt", sub(t, one, vd_make_2(&t->m, "Pow", b, n)));
    ro_value down = sub(t, one, vd_make_2(&t->m, "Pow", a, n));
    ro_value r = later(t, div_by(t, mul(t, t->rate, up), down), t->rate);
    t->x = sub(t, t->x, div_by(t, mul(t, r, v), h));
    const double after = vd_use_float(u, "norm_coefficient_post", 0);
    t->x = mul(t, real(t, 1 - after), t->x);
}

/* R or T as a tensor of no axes. */
static ro_status one_number(vd_use *u, uint32_t input, vd_maker *m, ro_value *out)
{
    const ro_type *t = vd_use_type(u, input);
    if (!t || ro_type_elements(t) != 1 || (input == 1 && t->dtype != RO_I64))
        return vd_use_fail(u, RO_ESHAPE, "wants one number as input %u", input);
    *out = t->rank ? vd_make_reshape(m, u->in[input], 0, NULL) : u->in[input];
    return m->status;
}

static ro_status optimizer(vd_use *u)
{
    static const char *const modes[] = {"standard", "nesterov", NULL};
    const int is_adam = strcmp(u->name, "Adam") == 0, is_momentum = u->name[0] == 'M';
    const uint32_t states = is_adam ? 2 : 1, per = 2 + states, n = (u->count - 2) / per;
    uint32_t mode = 0;
    RO_TRY(vd_use_wants(u, 2 + per, RO_INPUTS_MAX));
    RO_TRY(vd_use_wants(u, 2 + n * per, 2 + n * per));
    if (is_momentum) RO_TRY(vd_use_choice(u, "mode", modes, &mode));
    if (is_adam && !vd_use_attribute(u, "epsilon"))
        return vd_use_fail(u, RO_EOP, "has no epsilon: ONNX's text means 1e-6 by that, and its own "
                           "test 1e-2");
    for (uint32_t k = 0; is_momentum && k < 3; k++) {
        static const char *const must[] = {"alpha", "beta", "norm_coefficient"};
        if (!vd_use_attribute(u, must[k])) return vd_use_fail(u, RO_EATTR, "lacks %s", must[k]);
    }
    for (uint32_t k = 0; k < n; k++) {
        const ro_type x = *vd_use_type(u, 2 + k);
        tensor t = {.m = {u->l, RO_OK}, .d = x.dtype, .x = u->in[2 + k], .g = u->in[2 + n + k]};
        for (uint32_t s = 1; s < per; s++)
            if (!ro_type_equal(&x, vd_use_type(u, 2 + s * n + k)))
                return vd_use_fail(u, RO_ESHAPE, "has a gradient or a state of another type than "
                                   "its tensor %u", k);
        RO_TRY(one_number(u, 0, &t.m, &t.rate));
        RO_TRY(one_number(u, 1, &t.m, &t.count));
        t.rate = vd_make_cast(&t.m, t.rate, t.d);
        for (uint32_t s = 0; s < states; s++) t.state[s] = u->in[2 + (2 + s) * n + k];
        if (is_adam) adam(u, &t);
        else if (is_momentum) momentum(u, &t, mode == 1);
        else adagrad(u, &t);
        RO_TRY(t.m.status);
        u->out[k] = t.x;
        for (uint32_t s = 0; s < states; s++) u->out[(1 + s) * n + k] = t.state[s];
    }
    return RO_OK;
}

/* ---- batch normalization by the batch ----------------------------------------------------- */

/* momentum * running + (1 - momentum) * batch, in the dtype of `running`. */
static ro_value moved(vd_maker *m, double momentum, ro_value running, ro_value batch)
{
    const ro_type t = vd_make_type(m, running);
    batch = vd_make_cast(m, vd_make_reshape(m, batch, t.rank, t.dims), t.dtype);
    running = vd_make_2(m, "Mul", vd_make_real(m, t.dtype, momentum), running);
    batch = vd_make_2(m, "Mul", vd_make_real(m, t.dtype, 1 - momentum), batch);
    return vd_make_2(m, "Add", running, batch);
}

/* A channel's elements in all of the batch become a row (n, sizes), which LayerNormalization takes;
 * and back. */
ro_status vd_lower_batch_statistics(vd_use *u, ro_value *x)
{
    vd_maker m = {u->l, RO_OK};
    vd_attrs a = vd_attrs_of("LayerNormalization"), mean = vd_attrs_of("ReduceMean");
    const double momentum = vd_use_float(u, "momentum", 0.9f);
    const ro_type t = *vd_use_type(u, 0);
    const int64_t axis = 1;
    int64_t size = 1;
    ro_value y, d;
    for (uint32_t k = 2; k < t.rank; k++) size *= t.dims[k];
    const int64_t cut[3] = {t.dims[0], t.dims[1], size}, turned[3] = {t.dims[1], t.dims[0], size};
    const int64_t rows[2] = {t.dims[1], t.dims[0] * size};
    if (!rows[0] || !rows[1])
        return vd_use_fail(u, RO_ESHAPE, "takes statistics of no elements");
    ro_value row = vd_make_swap(&m, vd_make_reshape(&m, u->in[0], 3, cut), 0, 1);
    row = vd_make_reshape(&m, row, 2, rows);
    vd_attrs_int(u->l, &a, "axis", 1);
    vd_attrs_real(u->l, &a, "epsilon", vd_use_float(u, "epsilon", 1e-5f));
    RO_TRY(m.status);
    RO_TRY(vd_lower_emit(u->l, &a, &row, 1, 3, &y)); /* its gradient needs the third */
    *x = vd_make_swap(&m, vd_make_reshape(&m, y, 3, turned), 0, 1);
    *x = vd_make_reshape(&m, *x, t.rank, t.dims);
    d = vd_make_2(&m, "Sub", row, vd_make_cast(&m, y + 1, t.dtype));
    d = vd_make_2(&m, "Mul", d, d);
    vd_attrs_ints(u->l, &mean, "axes", &axis, 1);
    RO_TRY(m.status);
    RO_TRY(vd_lower_emit(u->l, &mean, &d, 1, 1, &d));
    u->out[1] = moved(&m, momentum, vd_train_average(u, 3), y + 1);
    u->out[2] = moved(&m, momentum, vd_train_average(u, 4), d);
    return m.status;
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_training[] = {
    {"Adagrad", optimizer, "decay_factor epsilon norm_coefficient"},
    {"Adam", optimizer, "alpha beta epsilon norm_coefficient norm_coefficient_post"},
    {"Momentum", optimizer, "alpha beta mode norm_coefficient"},
    {NULL, NULL, NULL},
};
