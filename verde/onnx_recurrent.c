/* onnx_recurrent.c - LSTM, GRU and RNN: a node for a time step.
 *
 * What this file decides: the order of operations of a step. What the input gives to all gates is
 * one product for all steps; a step then is a cell (repops/ops/LSTMCell.h), and of a GRU that
 * resets the state before its product two, since one element of that product takes the reset gate
 * of the whole row. Where a cell will not do, a step is one product with the state and a node for
 * each operation on its gates: in training, since gradients come from those nodes, and with a clip
 * or a function that cells have not.
 *
 * Invariants
 *   1. Values of a step are (1, batch, n), so that those of all steps join along axis 0.
 *   2. A sequence that has ended keeps its state, and its outputs are +0.
 *   3. In float32 and float64 a cell's bits are those of the nodes that it stands for. */
#include "onnx_lower.h"

/* ---- activations -------------------------------------------------------------------------- */

/* Numbers that a function takes: 0 none, 1 alpha, 2 alpha and beta. NAN: ONNX has no default. */
static const struct { const char *name; int takes; float alpha, beta; } FUNCTIONS[] = {
    {"Sigmoid", 0, 0, 0}, {"Tanh", 0, 0, 0}, {"Relu", 0, 0, 0}, {"Softsign", 0, 0, 0},
    {"Softplus", 0, 0, 0}, {"LeakyRelu", 1, 0.01f, 0}, {"ThresholdedRelu", 1, 1, 0},
    {"Elu", 1, 1, 0}, {"HardSigmoid", 2, 0.2f, 0.5f}, {"ScaledTanh", 2, 0, 0},
    {"Affine", 2, 0, 0}};
enum { SIGMOID = 0, TANH = 1, RELU = 2, /* so far the numbers that cells have for them */
       HAS_DEFAULT = 8, SCALED_TANH = 9, AFFINE = 10, FUNCTION_COUNT = 11 };

typedef struct { uint32_t function; double alpha, beta; } activation;

/* The list of floats of an attribute; NULL: none. */
static ro_status floats_of(const vd_use *u, const char *name, uint32_t want, const float **list)
{
    const vd_onnx_attribute *a = vd_use_attribute(u, name);
    *list = NULL;
    if (!a || (a->type == VD_A_FLOATS && !a->count)) return RO_OK;
    if (a->type != VD_A_FLOATS || a->count != want)
        return vd_use_fail(u, RO_EATTR, "has %u numbers in %s for %u functions that take one",
                           a->count, name, want);
    *list = a->v.floats;
    return RO_OK;
}

static ro_status function_named(const vd_use *u, const vd_onnx_text *name, uint32_t *out)
{
    char text[40];
    for (*out = 0; *out < FUNCTION_COUNT; ++*out)
        if (vd_onnx_is(name, FUNCTIONS[*out].name) &&
            (*out >= SCALED_TANH || ro_op_newest(FUNCTIONS[*out].name) != RO_OP_COUNT))
            return RO_OK;
    return vd_use_fail(u, RO_EOP, "has the activation \"%s\", which is not taken",
                       vd_onnx_show(name, text, sizeof text));
}

/* The functions of all directions, `each` a direction; without the attribute Sigmoid, then Tanh. A
 * list for two directions may stand where there is one, as ONNX's own default of RNN does. */
static ro_status activations_of(const vd_use *u, uint32_t each, uint32_t directions,
                                activation *out)
{
    const vd_onnx_attribute *a = vd_use_attribute(u, "activations");
    const uint32_t n = each * directions;
    const float *alpha, *beta;
    uint32_t alphas = 0, betas = 0, at[2] = {0, 0};
    if (a && (a->type != VD_A_STRINGS || (a->count != n && a->count != 2 * each)))
        return vd_use_fail(u, RO_EATTR, "has %u activations; %u are wanted", a->count, n);
    for (uint32_t k = 0; k < n; k++) {
        out[k].function = k % each || each == 1 ? TANH : SIGMOID;
        if (a) RO_TRY(function_named(u, &a->v.strings[k], &out[k].function));
        alphas += FUNCTIONS[out[k].function].takes > 0;
        betas += FUNCTIONS[out[k].function].takes > 1;
    }
    RO_TRY(floats_of(u, "activation_alpha", alphas, &alpha));
    RO_TRY(floats_of(u, "activation_beta", betas, &beta));
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t f = out[k].function;
        const int takes = FUNCTIONS[f].takes;
        if (f > HAS_DEFAULT && (!alpha || !beta))
            return vd_use_fail(u, RO_EATTR, "lacks the numbers of its activation %s",
                               FUNCTIONS[f].name);
        out[k].alpha = (double)(takes > 0 && alpha ? alpha[at[0]++] : FUNCTIONS[f].alpha);
        out[k].beta = (double)(takes > 1 && beta ? beta[at[1]++] : FUNCTIONS[f].beta);
    }
    return RO_OK;
}

/* ---- what a node is ----------------------------------------------------------------------- */

typedef struct {
    const char *name;
    uint32_t gates, functions; /* of a direction */
} kind;
static const kind KINDS[] = {{"RNN", 1, 1}, {"GRU", 3, 2}, {"LSTM", 4, 3}};

#define FUNCTIONS_MAX 3u

typedef struct {
    ro_dtype dtype;
    int64_t steps, batch, in, size; /* size: of the state */
    uint32_t directions;
    int layout, reversed, joined, linear; /* joined: input_forget; linear: linear_before_reset */
    int cells;                            /* a step is one, or of a GRU two */
    ro_value x;                           /* (steps, batch, in) */
    ro_value low, high;                   /* of clip; RO_NO_VALUE: none */
    ro_value lengths, whole;              /* (1, batch, 1) of int64; as the model has them */
    int64_t shortest, longest;
    activation f[2 * FUNCTIONS_MAX];
} recurrent;

/* One direction: its parameters, and the state of its last step. */
typedef struct {
    const recurrent *n;
    const activation *f;
    ro_value from_x;   /* (steps, batch, gates * size), biases added */
    ro_value r, r_hidden; /* R transposed; of GRU's hidden gate where it is apart */
    ro_value bias_hidden, peepholes[3];
    ro_value peephole; /* all of them */
    ro_value h, c;     /* (1, batch, size) */
} direction;

static ro_value applied(vd_maker *m, const recurrent *n, const activation *f, ro_value x)
{
    const char *name = FUNCTIONS[f->function].name;
    vd_attrs a = vd_attrs_of(f->function < SCALED_TANH ? name : "Clip");
    if (n->low != RO_NO_VALUE)
        x = vd_make_plain(m, "Clip", (const ro_value[]){x, n->low, n->high}, 3);
    if (f->function == SCALED_TANH) {
        x = vd_make_1(m, "Tanh", vd_make_2(m, "Mul", vd_make_real(m, n->dtype, f->beta), x));
        return vd_make_2(m, "Mul", vd_make_real(m, n->dtype, f->alpha), x);
    }
    if (f->function == AFFINE) {
        x = vd_make_2(m, "Mul", vd_make_real(m, n->dtype, f->alpha), x);
        return vd_make_2(m, "Add", x, vd_make_real(m, n->dtype, f->beta));
    }
    if (FUNCTIONS[f->function].takes > 0) vd_attrs_real(m->l, &a, "alpha", f->alpha);
    if (FUNCTIONS[f->function].takes > 1) vd_attrs_real(m->l, &a, "beta", f->beta);
    return vd_make_node(m, &a, &x, 1);
}

/* ---- steps -------------------------------------------------------------------------------- */

static void rnn_step(vd_maker *m, direction *d, ro_value x)
{
    x = vd_make_2(m, "Add", x, vd_make_2(m, "MatMul", d->h, d->r));
    d->h = applied(m, d->n, &d->f[0], x);
}

static void gru_step(vd_maker *m, direction *d, ro_value x)
{
    const recurrent *n = d->n;
    const int64_t gates[2] = {2 * n->size, n->size}, each[2] = {n->size, n->size};
    ro_value part[2], hidden[2], gate[2], h;
    ro_value from_h = vd_make_2(m, "MatMul", d->h, d->r);
    vd_make_split(m, x, 2, gates, 2, part);
    if (n->linear) vd_make_split(m, from_h, 2, gates, 2, hidden);
    else hidden[0] = from_h;
    vd_make_split(m, vd_make_2(m, "Add", part[0], hidden[0]), 2, each, 2, gate);
    ro_value z = applied(m, n, &d->f[0], gate[0]), r = applied(m, n, &d->f[0], gate[1]);
    if (n->linear) {
        h = d->bias_hidden == RO_NO_VALUE ? hidden[1]
                                          : vd_make_2(m, "Add", hidden[1], d->bias_hidden);
        h = vd_make_2(m, "Mul", r, h);
    } else {
        h = vd_make_2(m, "MatMul", vd_make_2(m, "Mul", r, d->h), d->r_hidden);
    }
    h = applied(m, n, &d->f[1], vd_make_2(m, "Add", part[1], h));
    ro_value rest = vd_make_2(m, "Sub", vd_make_real(m, n->dtype, 1), z);
    h = vd_make_2(m, "Mul", rest, h);
    d->h = vd_make_2(m, "Add", h, vd_make_2(m, "Mul", z, d->h));
}

static ro_value peeped(vd_maker *m, const direction *d, uint32_t gate, ro_value x, ro_value cell)
{
    if (d->peepholes[gate] == RO_NO_VALUE) return x;
    return vd_make_2(m, "Add", x, vd_make_2(m, "Mul", d->peepholes[gate], cell));
}

static void lstm_step(vd_maker *m, direction *d, ro_value x)
{
    const recurrent *n = d->n;
    const int64_t each[4] = {n->size, n->size, n->size, n->size};
    ro_value gate[4], f;
    x = vd_make_2(m, "Add", x, vd_make_2(m, "MatMul", d->h, d->r));
    vd_make_split(m, x, 2, each, 4, gate); /* i, o, f, c */
    ro_value i = applied(m, n, &d->f[0], peeped(m, d, 0, gate[0], d->c));
    if (n->joined) f = vd_make_2(m, "Sub", vd_make_real(m, n->dtype, 1), i);
    else f = applied(m, n, &d->f[0], peeped(m, d, 2, gate[2], d->c));
    ro_value c = applied(m, n, &d->f[1], gate[3]);
    f = vd_make_2(m, "Mul", f, d->c);
    d->c = vd_make_2(m, "Add", f, vd_make_2(m, "Mul", i, c));
    ro_value o = applied(m, n, &d->f[0], peeped(m, d, 1, gate[1], d->c));
    d->h = vd_make_2(m, "Mul", o, applied(m, n, &d->f[2], d->c));
}

/* ---- a step as a cell --------------------------------------------------------------------- */

/* A cell, with as many of the inputs as there are; *second: its second output. */
static ro_value cell(vd_maker *m, const vd_attrs *a, const ro_value *in, uint32_t count,
                     ro_value *second)
{
    ro_value first = RO_NO_VALUE;
    while (in[count - 1] == RO_NO_VALUE) count--;
    if (!m->status) m->status = vd_lower_emit(m->l, a, in, count, second ? 2 : 1, &first);
    if (m->status) return RO_NO_VALUE;
    if (second) *second = first + 1;
    return first;
}

/* Step t of a direction; what has ended by then keeps its state. */
static void cell_step(vd_maker *m, const kind *k, direction *d, int64_t t)
{
    static const char *const letters[FUNCTIONS_MAX] = {"f", "g", "h"};
    const recurrent *n = d->n;
    const ro_value ends = t < n->shortest ? RO_NO_VALUE : n->whole;
    const int apart = k->gates == 3 && !n->linear;
    vd_attrs a = vd_attrs_of(k->gates == 4 ? "LSTMCell" : apart ? "GRUState"
                             : k->gates == 3 ? "GRUCell" : "RNNCell");
    vd_attrs_int(m->l, &a, "step", t);
    for (uint32_t f = apart ? 1 : 0; f < k->functions; f++)
        vd_attrs_int(m->l, &a, letters[f], d->f[f].function);
    if (k->gates == 4) {
        vd_attrs_int(m->l, &a, "input_forget", n->joined);
        d->h = cell(m, &a, (ro_value[]){d->from_x, d->h, d->c, d->r, d->peephole, ends}, 6, &d->c);
    } else if (apart) {
        vd_attrs gates = vd_attrs_of("GRUGates");
        vd_attrs_int(m->l, &gates, "step", t);
        vd_attrs_int(m->l, &gates, "f", d->f[0].function);
        ro_value g = cell(m, &gates, (ro_value[]){d->from_x, d->h, d->r}, 3, NULL);
        d->h = cell(m, &a, (ro_value[]){d->from_x, d->h, g, d->r, ends}, 5, NULL);
    } else if (k->gates == 3) {
        d->h = cell(m, &a, (ro_value[]){d->from_x, d->h, d->r, d->bias_hidden, ends}, 5, NULL);
    } else {
        d->h = cell(m, &a, (ro_value[]){d->from_x, d->h, d->r, ends}, 4, NULL);
    }
}

/* Of the states of all steps, +0 in place of those of what had ended. */
static ro_value outputs_of_cells(vd_use *u, vd_maker *m, const recurrent *n, ro_value y)
{
    if (n->shortest == n->steps) return y;
    ro_value t = vd_make_numbers(m, u, n->steps, 0, 3);
    ro_value on = vd_make_2(m, "Greater", n->lengths, t);
    return vd_make_where(m, on, y, vd_make_real(m, n->dtype, 0));
}

/* Whether a step can be a cell. */
static int takes_cells(const vd_use *u, const recurrent *n, const kind *k)
{
    if (u->l->train || n->low != RO_NO_VALUE) return 0;
    for (uint32_t f = 0; f < k->functions * n->directions; f++)
        if (n->f[f].function > RELU) return 0;
    return 1;
}

/* ---- one direction ------------------------------------------------------------------------ */

/* A part of a parameter's row for a direction, [from, to) of n; the whole where it is all. */
static ro_value row_part(vd_maker *m, ro_value row, int64_t from, int64_t to, int64_t n)
{
    return from == 0 && to == n ? row : vd_make_slice(m, row, 0, from, to, 1);
}

/* What is added to the products with x: both biases; but GRU's own of the hidden gate stays with
 * the state where that is reset after its product. */
static ro_value biases(vd_maker *m, direction *d, ro_value b, const kind *k)
{
    const recurrent *n = d->n;
    const int64_t all = k->gates * n->size, apart = n->linear ? 2 * n->size : all;
    ro_value of_x = vd_make_slice(m, b, 0, 0, all, 1);
    ro_value of_h = vd_make_slice(m, b, 0, all, 2 * all, 1);
    ro_value sum = row_part(m, of_x, 0, apart, all);
    sum = vd_make_2(m, "Add", sum, row_part(m, of_h, 0, apart, all));
    if (!n->linear) return sum;
    d->bias_hidden = vd_make_slice(m, of_h, 0, apart, all, 1);
    return vd_make_join(m, sum, vd_make_slice(m, of_x, 0, apart, all, 1), 0);
}

static ro_value initial(vd_use *u, vd_maker *m, const recurrent *n, uint32_t input, uint32_t at)
{
    const int64_t dims[3] = {1, n->batch, n->size};
    if (!vd_use_type(u, input)) return vd_make_zeros(m, n->dtype, 3, dims);
    return vd_make_reshape(m, vd_make_at(m, u->in[input], n->layout ? 1 : 0, at), 3, dims);
}

static ro_status begin(vd_use *u, const recurrent *n, const kind *k, uint32_t at, direction *d)
{
    vd_maker m = {u->l, RO_OK};
    ro_value w = vd_make_swap(&m, vd_make_at(&m, u->in[1], 0, at), 0, 1);
    ro_value r = vd_make_swap(&m, vd_make_at(&m, u->in[2], 0, at), 0, 1);
    *d = (direction){.n = n, .f = n->f + at * k->functions, .r = r, .r_hidden = RO_NO_VALUE,
                     .bias_hidden = RO_NO_VALUE, .peephole = RO_NO_VALUE, .c = RO_NO_VALUE};
    d->from_x = vd_make_2(&m, "MatMul", n->x, w);
    if (vd_use_type(u, 3))
        d->from_x = vd_make_2(&m, "Add", d->from_x,
                              biases(&m, d, vd_make_at(&m, u->in[3], 0, at), k));
    if (k->gates == 3 && !n->linear && !n->cells) {
        d->r = vd_make_slice(&m, r, 1, 0, 2 * n->size, 1);
        d->r_hidden = vd_make_slice(&m, r, 1, 2 * n->size, 3 * n->size, 1);
    }
    d->h = initial(u, &m, n, 5, at);
    if (k->gates == 4) d->c = initial(u, &m, n, 6, at);
    if (k->gates == 4 && vd_use_type(u, 7)) d->peephole = vd_make_at(&m, u->in[7], 0, at);
    for (uint32_t p = 0; p < 3; p++) {
        d->peepholes[p] = RO_NO_VALUE;
        if (d->peephole != RO_NO_VALUE && !n->cells)
            d->peepholes[p] = vd_make_slice(&m, d->peephole, 0, p * n->size, (p + 1) * n->size, 1);
    }
    return m.status;
}

/* A step at position t: what has ended by then keeps its state. */
static ro_value step(vd_maker *m, const kind *k, direction *d, int64_t t, ro_value zero)
{
    const recurrent *n = d->n;
    const ro_value h = d->h, c = d->c;
    if (n->cells) {
        cell_step(m, k, d, t);
        return d->h;
    }
    ro_value x = n->steps == 1 ? d->from_x : vd_make_slice(m, d->from_x, 0, t, t + 1, 1);
    if (k->gates == 1) rnn_step(m, d, x);
    else if (k->gates == 3) gru_step(m, d, x);
    else lstm_step(m, d, x);
    if (t < n->shortest) return d->h;
    ro_value on = vd_make_2(m, "Greater", n->lengths, vd_make_real(m, RO_I64, (double)t));
    ro_value y = vd_make_where(m, on, d->h, zero);
    d->h = vd_make_where(m, on, d->h, h);
    if (c != RO_NO_VALUE) d->c = vd_make_where(m, on, d->c, c);
    return y;
}

/* All steps: y (steps, batch, size). */
/* As many nodes a step as in one: whether a job has them is known before they are made. */
static ro_status room_for_steps(vd_use *u, const recurrent *n, uint32_t nodes)
{
    if ((uint64_t)nodes * (uint64_t)n->longest <= RO_NODES_MAX) return RO_OK;
    return vd_use_fail(u, RO_ELIMIT, "has %lld time steps of %u nodes; a job has at most %u",
                       (long long)n->longest, nodes, RO_NODES_MAX);
}

static ro_status run(vd_use *u, const kind *k, direction *d, int reversed, ro_value *y)
{
    vd_maker m = {u->l, RO_OK};
    const recurrent *n = d->n;
    const int64_t dims[3] = {1, n->batch, n->size};
    ro_value zero = vd_make_zeros(&m, n->dtype, 3, dims);
    ro_value *all = ro_arena_alloc(u->l->arena, (uint64_t)n->steps * sizeof *all);
    if (!all) return RO_FAIL(u->l->err, RO_ENOMEM, "no memory to lower the model");
    RO_TRY(vd_use_turns(u, (uint64_t)n->steps));
    const uint32_t *nodes = &u->l->graph->node_count;
    uint32_t before = 0;
    for (int64_t s = 0; s < n->steps; s++) {
        const int64_t t = reversed ? n->steps - 1 - s : s;
        if (s == 2) RO_TRY(room_for_steps(u, n, *nodes - before));
        before = *nodes;
        all[t] = t < n->longest ? step(&m, k, d, t, zero) : zero;
        RO_TRY(m.status);
    }
    RO_TRY(vd_lower_concat(u->l, all, (uint32_t)n->steps, 0, y));
    if (n->cells) *y = outputs_of_cells(u, &m, n, *y);
    return m.status;
}

/* ---- the node ----------------------------------------------------------------------------- */

/* Lengths of the sequences, known before the run as all inputs are. */
static ro_status lengths_of(vd_use *u, recurrent *n)
{
    vd_maker m = {u->l, RO_OK};
    const ro_type *t = vd_use_type(u, 4);
    const int64_t dims[3] = {1, n->batch, 1};
    const void *data;
    n->shortest = n->longest = n->steps;
    n->whole = n->lengths = RO_NO_VALUE;
    if (!t) return RO_OK;
    if (t->dtype != RO_I32 || ro_type_elements(t) != (uint64_t)n->batch)
        return vd_use_fail(u, RO_ETYPE, "has lengths that are not an int32 for each of %lld "
                           "sequences", (long long)n->batch);
    RO_TRY(vd_lower_known(u->l, u->in[4], &data));
    n->longest = 0;
    for (int64_t k = 0; k < n->batch; k++) {
        const int64_t v = ro_integer_of_bits(RO_I32, ro_element(RO_I32, data, (uint64_t)k));
        if (v < 0 || v > n->steps)
            return vd_use_fail(u, RO_ESHAPE, "has a sequence of length %lld; there are %lld steps",
                               (long long)v, (long long)n->steps);
        n->shortest = v < n->shortest ? v : n->shortest;
        n->longest = v > n->longest ? v : n->longest;
    }
    n->whole = u->in[4];
    n->lengths = vd_make_reshape(&m, vd_make_cast(&m, u->in[4], RO_I64), 3, dims);
    return m.status;
}

static ro_status check_input(const vd_use *u, uint32_t input, uint32_t rank, const int64_t *dims)
{
    const ro_type *t = vd_use_type(u, input);
    int same = !t || t->rank == rank;
    for (uint32_t k = 0; t && same && k < rank; k++) same = t->dims[k] == dims[k];
    return same ? RO_OK : vd_use_fail(u, RO_ESHAPE, "has an input %u of another shape than its "
                                      "other inputs want", input);
}

static ro_status check_inputs(const vd_use *u, const recurrent *n, const kind *k)
{
    const int64_t d = n->directions, all = k->gates * n->size;
    const int64_t w[3] = {d, all, n->in}, r[3] = {d, all, n->size}, b[2] = {d, 2 * all};
    const int64_t h[3] = {n->layout ? n->batch : d, n->layout ? d : n->batch, n->size};
    const int64_t p[2] = {d, 3 * n->size};
    RO_TRY(check_input(u, 1, 3, w));
    RO_TRY(check_input(u, 2, 3, r));
    RO_TRY(check_input(u, 3, 2, b));
    RO_TRY(check_input(u, 5, 3, h));
    if (k->gates < 4) return RO_OK;
    RO_TRY(check_input(u, 6, 3, h));
    return check_input(u, 7, 2, p);
}

static ro_status read_node(vd_use *u, const kind *k, recurrent *n)
{
    static const char *const ways[] = {"forward", "reverse", "bidirectional", NULL};
    vd_maker m = {u->l, RO_OK};
    uint32_t way;
    memset(n, 0, sizeof *n);
    RO_TRY(vd_use_wants(u, 3, k->gates == 4 ? 8 : 6));
    RO_TRY(vd_use_choice(u, "direction", ways, &way));
    const ro_type x = *vd_use_type(u, 0), r = *vd_use_type(u, 2);
    n->layout = vd_use_int(u, "layout", 0) != 0;
    if (x.rank != 3 || r.rank != 3 || vd_use_int(u, "hidden_size", r.dims[2]) != r.dims[2])
        return vd_use_fail(u, RO_ESHAPE, "takes X and R of 3 axes, the last of R of hidden_size");
    n->dtype = x.dtype;
    n->steps = x.dims[n->layout ? 1 : 0];
    n->batch = x.dims[n->layout ? 0 : 1];
    n->in = x.dims[2];
    n->size = r.dims[2];
    n->directions = way == 2 ? 2 : 1;
    n->reversed = way == 1;
    n->joined = vd_use_int(u, "input_forget", 0) != 0;
    n->linear = k->gates == 3 && vd_use_int(u, "linear_before_reset", 0);
    RO_TRY(activations_of(u, k->functions, n->directions, n->f));
    if (n->steps < 1 || n->steps > (int64_t)VD_LOWER_TURNS)
        return vd_use_fail(u, RO_ELIMIT, "has %lld time steps; 1 to %u are taken",
                           (long long)n->steps, VD_LOWER_TURNS);
    RO_TRY(check_inputs(u, n, k));
    RO_TRY(lengths_of(u, n));
    n->low = n->high = RO_NO_VALUE;
    if (vd_use_attribute(u, "clip")) {
        n->low = vd_make_real(&m, n->dtype, -vd_use_float(u, "clip", 0));
        n->high = vd_make_real(&m, n->dtype, vd_use_float(u, "clip", 0));
    }
    n->cells = takes_cells(u, n, k);
    n->x = n->layout ? vd_make_swap(&m, u->in[0], 0, 1) : u->in[0];
    return m.status;
}

/* The last states (directions, batch, size), or (batch, directions, size). */
static ro_value last(vd_maker *m, const recurrent *n, ro_value forward, ro_value backward)
{
    ro_value v = n->directions == 2 ? vd_make_join(m, forward, backward, 0) : forward;
    return n->layout ? vd_make_swap(m, v, 0, 1) : v;
}

static ro_status lower(vd_use *u)
{
    static const int64_t by_batch[4] = {2, 0, 1, 3};
    vd_maker m = {u->l, RO_OK};
    const kind *k = KINDS;
    recurrent n;
    direction d[2];
    ro_value y[2];
    while (strcmp(k->name, u->name)) k++;
    RO_TRY(read_node(u, k, &n));
    for (uint32_t at = 0; at < n.directions; at++) {
        const int64_t dims[4] = {n.steps, 1, n.batch, n.size};
        RO_TRY(begin(u, &n, k, at, &d[at]));
        RO_TRY(run(u, k, &d[at], at ? 1 : n.reversed, &y[at]));
        y[at] = vd_make_reshape(&m, y[at], 4, dims);
    }
    const uint32_t second = n.directions - 1;
    u->out[0] = second ? vd_make_join(&m, y[0], y[1], 1) : y[0];
    if (n.layout) u->out[0] = vd_make_transpose(&m, u->out[0], by_batch);
    u->out[1] = last(&m, &n, d[0].h, d[second].h);
    if (k->gates == 4) u->out[2] = last(&m, &n, d[0].c, d[second].c);
    return m.status;
}

/* ---- the table ---------------------------------------------------------------------------- */

/* output_sequence: version 1's word for whether Y is wanted, which its name says. */
const vd_lower_row vd_lower_recurrent[] = {
    {"RNN", lower,
     "activation_alpha activation_beta activations clip direction hidden_size layout "
     "output_sequence"},
    {"GRU", lower,
     "activation_alpha activation_beta activations clip direction hidden_size layout "
     "linear_before_reset output_sequence"},
    {"LSTM", lower,
     "activation_alpha activation_beta activations clip direction hidden_size input_forget layout "
     "output_sequence"},
    {NULL, NULL, NULL},
};
