/* onnx_einsum.c - Einsum becomes diagonals, sums, transposes and matrix products.
 *
 * What this file decides: the order in which an equation is worked off. Operands are joined left to
 * right. An index that no later operand and not the output has is summed up when the operands that
 * have it are joined: by MatMul where both have it, those indices in the order in which they first
 * appear, the last one fastest; by ReduceSum where one has it. Where nothing is summed, operands
 * are multiplied by Mul.
 *
 * Invariants
 *   1. A term's indices are different ones, as many as it has axes.
 *   2. An index has one size; an axis of size 1 is stretched to it when it meets another. */
#include "onnx_lower.h"

#define DOTS 64u /* the indices of an ellipsis: DOTS + axes to the right of it in the ellipsis */
#define INDICES (DOTS + RO_RANK_MAX)

/* What a term of the equation says: an index an axis. */
typedef struct { uint32_t n; uint8_t at[RO_RANK_MAX]; } term;

typedef struct {
    vd_use *u;
    vd_maker m;
    term in[RO_INPUTS_MAX], out;
    uint32_t operands, dots; /* axes that the widest ellipsis has */
    int64_t size[INDICES];   /* 1 where no operand has more */
    uint8_t order[INDICES];  /* of first appearance; */
    uint32_t indices;        /* so many */
    uint32_t uses[INDICES];  /* times that it stands in operands */
} einsum;

typedef struct { ro_value v; term t; } operand;

/* ---- the equation ------------------------------------------------------------------------- */

static int has(const term *t, uint8_t index)
{
    for (uint32_t k = 0; k < t->n; k++)
        if (t->at[k] == index) return 1;
    return 0;
}

static ro_status add(einsum *e, term *t, uint8_t index)
{
    if (t->n == RO_RANK_MAX)
        return vd_use_fail(e->u, RO_ELIMIT, "has a term of over %u indices", RO_RANK_MAX);
    t->at[t->n++] = index;
    return RO_OK;
}

/* A letter's number: capitals first, as where no output is said. */
static int letter(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    return c >= 'a' && c <= 'z' ? c - 'a' + 26 : -1;
}

/* A term, up to a comma, an arrow or the end.
 *   axes   that an operand has; for the output 0: an ellipsis there has them all */
static ro_status read_term(einsum *e, const char **p, const char *end, uint32_t axes, term *t)
{
    uint32_t letters = 0, dotted = 0;
    const char *q = *p;
    for (; q < end && *q != ',' && *q != '-'; q++) letters += letter(*q) >= 0;
    for (t->n = 0; *p < q; ++*p) {
        if (**p == ' ') continue;
        if (letter(**p) >= 0) {
            RO_TRY(add(e, t, (uint8_t)letter(**p)));
            continue;
        }
        if (q - *p < 3 || memcmp(*p, "...", 3) != 0 || dotted++)
            return vd_use_fail(e->u, RO_EATTR, "has an equation with a stray \"%c\"", **p);
        uint32_t n = axes ? axes - (letters < axes ? letters : axes) : e->dots;
        if (axes && n > e->dots) e->dots = n;
        for (uint32_t k = n; k-- > 0;) RO_TRY(add(e, t, (uint8_t)(DOTS + k)));
        *p += 2;
    }
    if (axes && t->n != axes)
        return vd_use_fail(e->u, RO_ESHAPE, "has %u indices for an operand of %u axes", t->n, axes);
    return RO_OK;
}

/* What the operands' axes say of the indices. */
static ro_status note_sizes(einsum *e, const term *t, const ro_type *x)
{
    for (uint32_t k = 0; k < t->n; k++) {
        uint8_t i = t->at[k];
        if (!e->uses[i]++) e->order[e->indices++] = i;
        int64_t *is = &e->size[i], d = x->dims[k];
        if (*is != 1 && d != 1 && *is != d)
            return vd_use_fail(e->u, RO_ESHAPE, "has an index of sizes %lld and %lld",
                               (long long)*is, (long long)d);
        if (d != 1) *is = d;
    }
    return RO_OK;
}

/* Where none is said: an ellipsis, then the letters that stand once, in their order. */
static ro_status implied(einsum *e)
{
    e->out.n = 0;
    for (uint32_t k = e->dots; k-- > 0;) RO_TRY(add(e, &e->out, (uint8_t)(DOTS + k)));
    for (uint8_t i = 0; i < DOTS; i++)
        if (e->uses[i] == 1) RO_TRY(add(e, &e->out, i));
    return RO_OK;
}

static ro_status read_equation(einsum *e)
{
    vd_use *u = e->u;
    const vd_onnx_attribute *a = vd_use_attribute(u, "equation");
    if (!a || a->type != VD_A_STRING) return vd_use_fail(u, RO_EATTR, "has no equation");
    const char *p = a->v.s.p, *end = p + a->v.s.n;
    for (uint32_t k = 0; k < INDICES; k++) e->size[k] = 1;
    for (uint32_t k = 0; k < u->count; k++) {
        const ro_type *x = vd_use_type(u, k);
        if (k && (p == end || *p != ','))
            return vd_use_fail(u, RO_EATTR, "has %u terms for %u operands", k, u->count);
        p += k != 0;
        e->in[k].n = 0;
        if (x->rank) RO_TRY(read_term(e, &p, end, x->rank, &e->in[k]));
        while (p < end && *p == ' ') p++;
        if (!x->rank && end - p >= 3 && memcmp(p, "...", 3) == 0) p += 3; /* of no axes */
        while (p < end && *p == ' ') p++;
        RO_TRY(note_sizes(e, &e->in[k], x));
    }
    if (p == end) return implied(e);
    if (end - p < 2 || p[0] != '-' || p[1] != '>')
        return vd_use_fail(u, RO_EATTR, "has an equation that goes on with \"%c\"", *p);
    p += 2;
    RO_TRY(read_term(e, &p, end, 0, &e->out));
    for (uint32_t k = 0; k < e->out.n; k++) {
        uint32_t times = 0;
        for (uint32_t j = 0; j < e->out.n; j++) times += e->out.at[j] == e->out.at[k];
        if (times > 1 || !e->uses[e->out.at[k]])
            return vd_use_fail(u, RO_EATTR, "gives an index that is %s",
                               times > 1 ? "there twice" : "in no operand");
    }
    return p == end ? RO_OK : vd_use_fail(u, RO_EATTR, "has more than one output");
}

/* ---- one operand -------------------------------------------------------------------------- */

/* Axes a < b, whose index is one: the elements where they agree, on a. */
static void diagonal(einsum *e, operand *x, uint32_t a, uint32_t b)
{
    ro_type t = vd_make_type(&e->m, x->v);
    int64_t perm[RO_RANK_MAX] = {a, b}, dims[RO_RANK_MAX], back[RO_RANK_MAX], *at;
    uint32_t n = 2;
    if (e->m.status) return;
    const int64_t d = t.dims[a], by = t.dims[b];
    for (uint32_t k = 0; k < t.rank; k++)
        if (k != a && k != b) perm[n++] = k;
    for (uint32_t k = 2; k < n; k++) dims[k - 1] = t.dims[perm[k]];
    const int64_t same = d < by ? (d == 1 ? by : d) : by == 1 ? d : by; /* 1 is stretched */
    dims[0] = d * by;
    e->m.status = vd_use_list(e->u, (uint64_t)same, &at);
    if (e->m.status) return;
    for (int64_t k = 0; k < same; k++) at[k] = (d == 1 ? 0 : k * by) + (by == 1 ? 0 : k);
    x->v = vd_make_reshape(&e->m, vd_make_transpose(&e->m, x->v, perm), t.rank - 1, dims);
    if (!e->m.status) e->m.status = vd_lower_take(e->m.l, x->v, 0, at, (uint64_t)same, &x->v);
    for (uint32_t k = 0; k < n - 1; k++) back[k] = k < a ? k + 1 : k == a ? 0 : k;
    x->v = vd_make_transpose(&e->m, x->v, back);
    memmove(x->t.at + b, x->t.at + b + 1, x->t.n - b - 1);
    x->t.n--;
}

static void diagonals(einsum *e, operand *x)
{
    for (uint32_t a = 0; a < x->t.n; a++)
        for (uint32_t b = x->t.n; b-- > a + 1;)
            if (x->t.at[a] == x->t.at[b]) diagonal(e, x, a, b);
}

/* Sum up every index that `keeps` has not. */
static void sum_out(einsum *e, operand *x, const uint8_t *keeps)
{
    ro_ints axes = {0, {0}};
    term left = {0, {0}};
    for (uint32_t k = 0; k < x->t.n; k++)
        if (keeps[x->t.at[k]]) left.at[left.n++] = x->t.at[k];
        else axes.v[axes.n++] = k;
    x->t = left;
    if (axes.n && !e->m.status)
        e->m.status = vd_lower_reduce(e->m.l, "ReduceSum", x->v, &axes, 0, &x->v);
}

/* x with its axes in the order of the term, one of size 1 where it lacks an index; `stretch`: each
 * as long as its index is. */
static void arrange(einsum *e, operand *x, const term *as, int stretch)
{
    ro_type t = vd_make_type(&e->m, x->v);
    int64_t perm[RO_RANK_MAX], dims[RO_RANK_MAX];
    uint32_t n = 0, moved = 0, grown = 0;
    if (e->m.status) return;
    for (uint32_t k = 0; k < as->n; k++) {
        dims[k] = 1;
        for (uint32_t j = 0; j < x->t.n; j++)
            if (x->t.at[j] == as->at[k]) {
                dims[k] = t.dims[j];
                moved |= n != j;
                perm[n++] = j;
            }
    }
    if (moved) x->v = vd_make_transpose(&e->m, x->v, perm);
    if (n != as->n) x->v = vd_make_reshape(&e->m, x->v, as->n, dims);
    for (uint32_t k = 0; k < as->n; k++) {
        grown |= stretch && dims[k] != e->size[as->at[k]];
        if (stretch) dims[k] = e->size[as->at[k]];
    }
    x->t = *as;
    if (!grown || e->m.status) return;
    vd_attrs a = vd_attrs_of("Expand");
    vd_attrs_ints(e->m.l, &a, "shape", dims, as->n);
    e->m.status = vd_lower_emit(e->m.l, &a, &x->v, 1, 1, &x->v);
}

/* ---- two operands ------------------------------------------------------------------------- */

/* Axes [0, a), [a, b), [b, rank) each as one. */
static ro_value in_three(einsum *e, ro_value v, uint32_t a, uint32_t b)
{
    ro_type t = vd_make_type(&e->m, v);
    int64_t dims[3] = {1, 1, 1};
    for (uint32_t k = 0; k < t.rank; k++) dims[k < a ? 0 : k < b ? 1 : 2] *= t.dims[k];
    return vd_make_reshape(&e->m, v, 3, dims);
}

/* Both joined; `keeps`: indices that later operands or the output have. */
static ro_status join(einsum *e, operand *x, operand *y, const uint8_t *keeps)
{
    term both = {0, {0}}, of_x, of_y, sums = {0, {0}}, out, as_x, as_y;
    for (uint32_t k = 0; k < e->indices; k++) {
        uint8_t i = e->order[k];
        if (!has(&x->t, i) || !has(&y->t, i)) continue;
        RO_TRY(add(e, keeps[i] ? &both : &sums, i));
    }
    of_x = of_y = out = both;
    for (uint32_t k = 0; k < x->t.n; k++)
        if (!has(&y->t, x->t.at[k])) RO_TRY(add(e, &of_x, x->t.at[k]));
    out = as_x = of_x;
    for (uint32_t k = 0; k < y->t.n; k++)
        if (!has(&x->t, y->t.at[k])) RO_TRY(add(e, &out, y->t.at[k]));
    if (!sums.n) {
        arrange(e, x, &out, 0);
        arrange(e, y, &out, 0);
        x->v = vd_make_2(&e->m, "Mul", x->v, y->v);
        return e->m.status;
    }
    for (uint32_t k = 0; k < sums.n; k++) RO_TRY(add(e, &as_x, sums.at[k]));
    for (uint32_t k = 0; k < sums.n; k++) RO_TRY(add(e, &of_y, sums.at[k]));
    as_y = of_y;
    for (uint32_t k = of_x.n; k < out.n; k++) RO_TRY(add(e, &as_y, out.at[k]));
    arrange(e, x, &as_x, 1);
    arrange(e, y, &as_y, 1);
    x->v = vd_make_2(&e->m, "MatMul", in_three(e, x->v, both.n, of_x.n),
                     in_three(e, y->v, both.n, of_y.n));
    int64_t dims[RO_RANK_MAX];
    for (uint32_t k = 0; k < out.n; k++) dims[k] = e->size[out.at[k]];
    x->v = vd_make_reshape(&e->m, x->v, out.n, dims);
    x->t = out;
    return e->m.status;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static void mark(uint8_t *set, const term *t)
{
    for (uint32_t k = 0; k < t->n; k++) set[t->at[k]] = 1;
}

static ro_status equation(vd_use *u)
{
    einsum e;
    operand x, y;
    memset(&e, 0, sizeof e);
    e.u = u;
    e.m = (vd_maker){u->l, RO_OK};
    RO_TRY(vd_use_wants(u, 1, RO_INPUTS_MAX));
    for (uint32_t k = 0; k < u->count; k++)
        if (!vd_use_type(u, k)) return vd_use_fail(u, RO_EFORMAT, "lacks input %u", k);
    RO_TRY(read_equation(&e));
    for (uint32_t k = 0; k < u->count; k++) {
        uint8_t later[INDICES] = {0}, here[INDICES] = {0};
        mark(later, &e.out);
        for (uint32_t j = k + 1; j < u->count; j++) mark(later, &e.in[j]);
        y = (operand){u->in[k], e.in[k]};
        diagonals(&e, &y);
        memcpy(here, later, sizeof here);
        if (k) mark(here, &x.t);
        sum_out(&e, &y, here);
        if (!k) {
            x = y;
            continue;
        }
        memcpy(here, later, sizeof here);
        mark(here, &y.t);
        sum_out(&e, &x, here);
        RO_TRY(join(&e, &x, &y, later));
    }
    arrange(&e, &x, &e.out, 1);
    u->out[0] = x.v;
    if (e.m.status || x.v != u->in[0]) return e.m.status;
    return vd_lower_plain(u->l, "Identity", u->in, 1, &u->out[0]);
}

const vd_lower_row vd_lower_einsum[] = {
    {"Einsum", equation, "equation"},
    {NULL, NULL, NULL},
};
