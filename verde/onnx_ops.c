/* onnx_ops.c - how each operator of ONNX becomes nodes of RepOps.
 *
 * What this file decides: which operators are taken, and as what. An operator that RepOps has under
 * ONNX's name, with ONNX's attributes and inputs, needs no line here but for attributes whose
 * default is not 0: it is plain. All others have a function in the table at the end.
 *
 * Invariants
 *   1. An attribute that is not known to change nothing is taken or refused, never passed over.
 *   2. What an operator means is read in the version that the model asks for. */
#include "onnx_lower.h"

#include <float.h>
#include <stdio.h>

/* ---- small pieces ------------------------------------------------------------------------- */

ro_status vd_use_axis(const vd_use *u, int64_t axis, uint32_t rank, uint32_t *out)
{
    *out = 0;
    if (axis < -(int64_t)rank || axis >= (int64_t)rank)
        return vd_use_fail(u, RO_EATTR, "has the axis %lld; a tensor of %u axes has %d to %d",
                           (long long)axis, rank, -(int)rank, (int)rank - 1);
    *out = (uint32_t)(axis < 0 ? axis + (int64_t)rank : axis);
    return RO_OK;
}

ro_status vd_use_choice(const vd_use *u, const char *name, const char *const *list, uint32_t *out)
{
    const vd_onnx_attribute *a = vd_use_attribute(u, name);
    char text[40];
    *out = 0;
    if (!a) return RO_OK;
    for (uint32_t k = 0; a->type == VD_A_STRING && list[k]; k++)
        if (vd_onnx_is(&a->v.s, list[k])) {
            *out = k;
            return RO_OK;
        }
    vd_onnx_text none = {"", 0, 0};
    return vd_use_fail(u, RO_EOP, "has %s \"%s\", which is not taken", name,
                       vd_onnx_show(a->type == VD_A_STRING ? &a->v.s : &none, text, sizeof text));
}

ro_status vd_use_only(const vd_use *u, const char *name, int64_t v)
{
    int64_t is = vd_use_int(u, name, v);
    if (is == v) return RO_OK;
    return vd_use_fail(u, RO_EOP, "has %s %lld; %lld is taken", name, (long long)is, (long long)v);
}

ro_status vd_use_wants(const vd_use *u, uint32_t least, uint32_t most)
{
    if (u->count > most || u->count < least)
        return vd_use_fail(u, RO_EFORMAT, "has %u inputs; %u to %u are allowed", u->count, least,
                           most);
    for (uint32_t k = 0; k < least; k++)
        if (u->in[k] == RO_NO_VALUE) return vd_use_fail(u, RO_EFORMAT, "lacks input %u", k);
    return RO_OK;
}

ro_status vd_use_counted(const vd_use *u, const char *name, uint32_t n, int64_t otherwise,
                         ro_ints *out)
{
    int given;
    RO_TRY(vd_use_ints(u, RO_INPUTS_MAX, name, out, &given));
    for (uint32_t k = 0; !given && k < n; k++) out->v[out->n++] = otherwise;
    if (out->n == n) return RO_OK;
    return vd_use_fail(u, RO_EATTR, "has %u numbers in %s; %u are wanted", out->n, name, n);
}

ro_status vd_use_axis_list(const vd_use *u, const char *name, uint32_t n, int64_t least,
                           int64_t otherwise, ro_ints *out)
{
    RO_TRY(vd_use_counted(u, name, n, otherwise, out));
    for (uint32_t k = 0; k < n; k++)
        if (out->v[k] < least || out->v[k] > INT64_C(1) << 20)
            return vd_use_fail(u, RO_EATTR, "has %lld in %s; %lld to 2^20 are allowed",
                               (long long)out->v[k], name, (long long)least);
    return RO_OK;
}

ro_status vd_use_charge(const vd_use *u, uint64_t a, uint64_t b)
{
    uint64_t work;
    if (!ro_mul_size(a, b, &work) || work > u->l->flops)
        return vd_use_fail(u, RO_ELIMIT, "hangs on over %llu operations before the run",
                           (unsigned long long)VD_LOWER_FLOPS);
    u->l->flops -= work;
    return RO_OK;
}

uint32_t vd_use_wanted(const vd_use *u, uint32_t most)
{
    uint32_t n = u->node->output_count < most ? u->node->output_count : most;
    while (n > 1 && !u->node->outputs[n - 1].id) n--;
    return n;
}

ro_status vd_use_emit(vd_use *u, const vd_attrs *a, uint32_t inputs, uint32_t outputs)
{
    RO_TRY(vd_lower_emit(u->l, a, u->in, inputs, outputs, &u->out[0]));
    for (uint32_t k = 1; k < outputs; k++) u->out[k] = u->out[0] + k;
    return RO_OK;
}

ro_status vd_use_list(const vd_use *u, uint64_t n, int64_t **list)
{
    if (n > u->l->numbers)
        return vd_use_fail(u, RO_ELIMIT, "makes %llu numbers more; %llu are allowed in all",
                           (unsigned long long)n, (unsigned long long)VD_LOWER_INDICES);
    u->l->numbers -= n;
    *list = ro_arena_alloc(u->l->arena, (n + 1) * sizeof **list);
    return *list ? RO_OK : RO_FAIL(u->l->err, RO_ENOMEM, "no memory to lower the model");
}

ro_status vd_use_numbers(const vd_use *u, int64_t n, uint32_t axis, uint32_t rank, ro_value *out)
{
    int64_t *list, dims[RO_RANK_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    RO_TRY(vd_use_list(u, (uint64_t)n, &list));
    for (int64_t k = 0; k < n; k++) list[k] = k;
    dims[axis] = n;
    return vd_lower_kept_int64s(u->l, list, rank, dims, out);
}

ro_status vd_lower_take(vd_lower *l, ro_value x, uint32_t axis, const int64_t *at, uint64_t n,
                        ro_value *out)
{
    vd_attrs a = vd_attrs_of("Gather");
    ro_value in[2] = {x, RO_NO_VALUE};
    int64_t dims[1] = {(int64_t)n};
    RO_TRY(vd_lower_kept_int64s(l, at, 1, dims, &in[1]));
    vd_attrs_int(l, &a, "axis", axis);
    return vd_lower_emit(l, &a, in, 2, 1, out);
}

ro_status vd_lower_cast(vd_lower *l, ro_value x, ro_dtype to, ro_value *out)
{
    vd_attrs a = vd_attrs_of("Cast");
    vd_attrs_int(l, &a, "to", (int64_t)to);
    return vd_lower_emit(l, &a, &x, 1, 1, out);
}

ro_status vd_lower_where(vd_lower *l, ro_value c, ro_value x, ro_value y, ro_value *out)
{
    const ro_value in[3] = {c, x, y};
    return vd_lower_plain(l, "Where", in, 3, out);
}

/* ---- plain operators ---------------------------------------------------------------------- */

/* Attributes whose default is not 0, and those that change nothing here (only 0 is taken). */
static const struct { const char *op, *attribute; int64_t whole; float real; } DEFAULTS[] = {
    {"ArgMax", "keepdims", 1, 0}, {"ArgMin", "keepdims", 1, 0}, {"Flatten", "axis", 1, 0},
    {"Gemm", "alpha", 0, 1},      {"Gemm", "beta", 0, 1},       {"Elu", "alpha", 0, 1},
    {"Celu", "alpha", 0, 1},     {"Swish", "alpha", 0, 1},
    {"LeakyRelu", "alpha", 0, 0.01f}, {"ThresholdedRelu", "alpha", 0, 1},
    {"IsInf", "detect_negative", 1, 0}, {"IsInf", "detect_positive", 1, 0},
    {"HardSigmoid", "alpha", 0, 0.2f}, {"HardSigmoid", "beta", 0, 0.5f},
    {"Shrink", "lambd", 0, 0.5f}};

static int is_field(const vd_attrs *a, const char *name, size_t n, ro_field_kind *kind)
{
    uint32_t count;
    const ro_field *f = ro_ops[a->op].fields(&count);
    for (uint32_t k = 0; k < count; k++)
        if (strlen(f[k].name) == n && memcmp(f[k].name, name, n) == 0) {
            *kind = f[k].kind;
            return 1;
        }
    return 0;
}

static ro_status copy_attribute(vd_use *u, vd_attrs *a, const char *name, ro_field_kind kind,
                                const vd_onnx_attribute *as_written)
{
    const vd_onnx_attribute *x = vd_use_resolve(u, as_written);
    if (!x) return RO_OK; /* a reference to what the call does not give */
    int real = kind == RO_A_F32 || kind == RO_A_F64;
    if (x->type == VD_A_FLOAT && real) vd_attrs_real(u->l, a, name, (double)x->v.f);
    else if (x->type == VD_A_INT && !real && kind != RO_A_INTS) vd_attrs_int(u->l, a, name, x->v.i);
    else if (x->type == VD_A_INTS && kind == RO_A_INTS && x->count <= RO_INTS_MAX)
        vd_attrs_ints(u->l, a, name, x->v.ints, x->count);
    else
        return vd_use_fail(u, RO_EATTR, "has the attribute %s as %s", name,
                           vd_onnx_attribute_type_name(x->type));
    return RO_OK;
}

/* RepOps's own operators, which ONNX does not have or means otherwise. */
static int is_own(const char *name)
{
    static const char *const own[] = {"AdamW", "SGD", "BatchIndices", "LearningRate",
                                      "RandomUniform", "RandomNormal", "ScatterRows", NULL};
    size_t n = strlen(name);
    for (uint32_t k = 0; own[k]; k++)
        if (strcmp(own[k], name) == 0) return 1;
    return n > 4 && strcmp(name + n - 4, "Grad") == 0;
}

static int is_plain(const char *name)
{
    return ro_op_newest(name) != RO_OP_COUNT && !is_own(name);
}

static ro_status plain(vd_use *u)
{
    vd_attrs a = vd_attrs_of(u->name);
    ro_field_kind kind;
    char text[40];
    if (!is_plain(u->name))
        return vd_use_fail(u, RO_EOP, "is of an operator that this program lacks");
    for (size_t k = 0; k < sizeof DEFAULTS / sizeof *DEFAULTS; k++) {
        const char *name = DEFAULTS[k].attribute;
        if (strcmp(DEFAULTS[k].op, u->name) || !is_field(&a, name, strlen(name), &kind)) continue;
        if (kind == RO_A_F32 || kind == RO_A_F64)
            vd_attrs_real(u->l, &a, name, (double)DEFAULTS[k].real);
        else vd_attrs_int(u->l, &a, name, DEFAULTS[k].whole);
    }
    for (uint32_t k = 0; k < u->node->attribute_count; k++) {
        const vd_onnx_attribute *x = &u->node->attributes[k];
        vd_onnx_show(&x->name, text, sizeof text);
        if (!is_field(&a, x->name.p, x->name.n, &kind))
            return vd_use_fail(u, RO_EOP, "has the attribute %s, which is not taken", text);
        RO_TRY(copy_attribute(u, &a, text, kind, x));
    }
    return vd_use_emit(u, &a, u->count, vd_use_wanted(u, RO_OUTPUTS_MAX));
}

/* ---- arithmetic --------------------------------------------------------------------------- */

/* Before version 7 b was stretched on demand, and to the axes from `axis` on. */
static ro_status stretch(vd_use *u)
{
    ro_type a = *vd_use_type(u, 0), b = *vd_use_type(u, 1);
    int64_t dims[RO_RANK_MAX];
    uint32_t axis;
    if (u->l->opset >= 7 && (vd_use_attribute(u, "broadcast") || vd_use_attribute(u, "axis")))
        return vd_use_fail(u, RO_EATTR, "has the axis or broadcast of before version 7");
    if (!vd_use_int(u, "broadcast", 0) || !vd_use_attribute(u, "axis") || b.rank >= a.rank)
        return RO_OK;
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", 0), a.rank, &axis));
    if (axis + b.rank > a.rank) return vd_use_fail(u, RO_ESHAPE, "has an axis that b does not fit");
    for (uint32_t k = 0; k < a.rank - axis; k++) dims[k] = k < b.rank ? b.dims[k] : 1;
    return vd_lower_reshape(u->l, u->in[1], a.rank - axis, dims, &u->in[1]);
}

static ro_status binary(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 2, 2));
    RO_TRY(stretch(u));
    return vd_lower_binary(u->l, u->name, u->in[0], u->in[1], &u->out[0]);
}

/* Before version 7 a slope was one number a channel. */
static ro_status p_relu(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 2, 2));
    ro_type x = *vd_use_type(u, 0), s = *vd_use_type(u, 1);
    if (u->l->opset < 7 && s.rank == 1 && x.rank > 2 && s.dims[0] == x.dims[1]) {
        int64_t dims[RO_RANK_MAX] = {s.dims[0], 1, 1, 1, 1, 1, 1, 1};
        RO_TRY(vd_lower_reshape(u->l, u->in[1], x.rank - 1, dims, &u->in[1]));
    }
    return vd_lower_binary(u->l, "PRelu", u->in[0], u->in[1], &u->out[0]);
}

/* Whole numbers have powers by whole numbers only: a root would be cut off. */
static ro_status whole_exponents(vd_use *u)
{
    const void *data;
    const ro_dtype d = vd_use_type(u, 1)->dtype;
    const uint64_t n = ro_type_elements(vd_use_type(u, 1));
    RO_TRY(vd_lower_known(u->l, u->in[1], &data));
    for (uint64_t k = 0; k < n; k++) {
        double x = ro_float_of_bits(d, ro_element(d, data, k));
        if (!(x >= -9e15 && x <= 9e15) || (double)(int64_t)x != x)
            return vd_use_fail(u, RO_EOP, "raises whole numbers to the power of %g", x);
    }
    return RO_OK;
}

/* The exponent may be of another dtype; of floats the wider one is computed in. */
static ro_status power(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    RO_TRY(vd_use_wants(u, 2, 2));
    RO_TRY(stretch(u));
    const ro_dtype d = vd_use_type(u, 0)->dtype, e = vd_use_type(u, 1)->dtype;
    const int floats = ro_dtype_is_float(d), by_float = ro_dtype_is_float(e);
    if (!floats && by_float) RO_TRY(whole_exponents(u));
    const ro_dtype in = floats && by_float && ro_dtypes[e].size > ro_dtypes[d].size ? e : d;
    const ro_value x = vd_make_cast(&m, u->in[0], in), y = vd_make_cast(&m, u->in[1], in);
    u->out[0] = vd_make_cast(&m, vd_make_2(&m, "Pow", x, y), d);
    return m.status;
}

/* An operator whose one attribute is a text in ONNX, and here that text's place in a list. */
static ro_status by_choice(vd_use *u, uint32_t inputs, const char *name, const char *const *list)
{
    vd_attrs a = vd_attrs_of(u->name);
    uint32_t way;
    RO_TRY(vd_use_wants(u, inputs, inputs));
    RO_TRY(vd_use_choice(u, name, list, &way));
    vd_attrs_int(u->l, &a, name, way);
    return vd_use_emit(u, &a, inputs, 1);
}

static ro_status bit_shift(vd_use *u)
{
    static const char *const ways[] = {"LEFT", "RIGHT", NULL};
    return by_choice(u, 2, "direction", ways);
}

/* Bounds were attributes before version 11. One that is not there bounds nothing, but from version
 * 6 on it was the greatest float32, which is less than infinity. */
static ro_status clip(vd_use *u)
{
    vd_lower *l = u->l;
    RO_TRY(vd_use_wants(u, 1, 3));
    for (uint32_t k = 1; k < 3; k++) {
        const char *name = k == 1 ? "min" : "max";
        if (l->opset < 11) {
            u->in[k] = RO_NO_VALUE;
            if (vd_use_attribute(u, name) || l->opset >= 6)
                RO_TRY(vd_lower_scalar(l, vd_use_type(u, 0)->dtype,
                                       vd_use_float(u, name, k == 1 ? -FLT_MAX : FLT_MAX),
                                       &u->in[k]));
        } else if (k >= u->count) {
            u->in[k] = RO_NO_VALUE;
        } else if (vd_use_type(u, k) && vd_use_type(u, k)->rank) {
            RO_TRY(vd_lower_reshape(l, u->in[k], 0, NULL, &u->in[k]));
        }
    }
    return vd_lower_plain(l, "Clip", u->in, 3, &u->out[0]);
}

static ro_status gelu(vd_use *u)
{
    static const char *const forms[] = {"none", "tanh", NULL};
    return by_choice(u, 1, "approximate", forms);
}

/* Before version 6 the numbers had five digits. */
static ro_status selu(vd_use *u)
{
    vd_attrs a = vd_attrs_of("Selu");
    int old = u->l->opset < 6;
    RO_TRY(vd_use_wants(u, 1, 1));
    vd_attrs_real(u->l, &a, "alpha",
                  vd_use_float(u, "alpha", old ? 1.6732f : 1.67326319217681884765625f));
    vd_attrs_real(u->l, &a, "gamma",
                  vd_use_float(u, "gamma", old ? 1.0507f : 1.05070102214813232421875f));
    return vd_use_emit(u, &a, 1, 1);
}

static ro_status gemm(vd_use *u)
{
    vd_attrs a = vd_attrs_of("Gemm");
    RO_TRY(vd_use_wants(u, 2, 3));
    vd_attrs_int(u->l, &a, "transA", vd_use_int(u, "transA", 0) != 0);
    vd_attrs_int(u->l, &a, "transB", vd_use_int(u, "transB", 0) != 0);
    vd_attrs_real(u->l, &a, "alpha", vd_use_float(u, "alpha", 1));
    vd_attrs_real(u->l, &a, "beta", vd_use_float(u, "beta", 1));
    return vd_use_emit(u, &a, u->count, 1);
}

/* ---- constants and shapes ----------------------------------------------------------------- */

static ro_status constant(vd_use *u)
{
    const vd_onnx_attribute *a = u->node->attribute_count == 1 ? u->node->attributes : NULL;
    char name[40] = "";
    if (a) vd_onnx_show(&a->name, name, sizeof name);
    a = a ? vd_use_attribute(u, name) : NULL;
    if (!a) return vd_use_fail(u, RO_EFORMAT, "has not one value");
    uint32_t n = a->type == VD_A_INT || a->type == VD_A_FLOAT ? 1 : a->count;
    int list = a->type == VD_A_INTS || a->type == VD_A_FLOATS;
    const int64_t dims[1] = {n};
    ro_type t = ro_type_of(a->type == VD_A_FLOAT || a->type == VD_A_FLOATS ? RO_F32 : RO_I64,
                           list ? 1 : 0, dims);
    const void *from = a->type == VD_A_INT ? (const void *)&a->v.i
                       : a->type == VD_A_FLOAT ? (const void *)&a->v.f
                       : a->type == VD_A_INTS  ? (const void *)a->v.ints
                                               : (const void *)a->v.floats;
    if (a->type == VD_A_TENSOR) return vd_lower_tensor(u->l, a->v.tensors, &u->out[0]);
    if (a->type != VD_A_INT && a->type != VD_A_FLOAT && !list)
        return vd_use_fail(u, RO_EOP, "has a value of type %s, which is not taken",
                           vd_onnx_attribute_type_name(a->type));
    int64_t *copy; /* charged: a loop comes by as often as it turns */
    RO_TRY(vd_use_list(u, n, &copy));
    memcpy(copy, from, ro_type_bytes(&t));
    return vd_lower_constant(u->l, NULL, &t, copy, &u->out[0]);
}

static ro_status constant_of_shape(vd_use *u)
{
    const vd_onnx_attribute *v = vd_use_attribute(u, "value");
    vd_attrs a = vd_attrs_of("ConstantOfShape");
    ro_value one;
    ro_ints shape;
    int given;
    uint64_t bits = 0;
    ro_dtype d = RO_F32;
    const void *data;
    RO_TRY(vd_use_wants(u, 1, 1));
    RO_TRY(vd_use_ints(u, 0, NULL, &shape, &given));
    if (v && v->type == VD_A_TENSOR) {
        RO_TRY(vd_lower_tensor(u->l, v->v.tensors, &one));
        RO_TRY(vd_lower_known(u->l, one, &data));
        ro_type t = *ro_graph_type(u->l->graph, one);
        if (ro_type_elements(&t) != 1) return vd_use_fail(u, RO_EFORMAT, "has not one value");
        d = t.dtype;
        uint8_t bytes[8] = {0};
        ro_canonical_bytes(d, data, bytes, 1);
        for (uint32_t k = 8; k-- > 0;) bits = bits << 8 | bytes[k];
    }
    vd_attrs_int(u->l, &a, "dtype", (int64_t)d);
    vd_attrs_ints(u->l, &a, "shape", shape.v, shape.n);
    vd_attrs_int(u->l, &a, "bits", (int64_t)bits);
    return vd_lower_emit(u->l, &a, NULL, 0, 1, &u->out[0]);
}

static int64_t bound(int64_t v, int64_t rank)
{
    if (v < 0) v += rank;
    return v < 0 ? 0 : v > rank ? rank : v;
}

static ro_status shape(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    int64_t from = bound(vd_use_int(u, "start", 0), t.rank);
    int64_t to = bound(vd_use_int(u, "end", t.rank), t.rank);
    int64_t n[1] = {to > from ? to - from : 0};
    return vd_lower_int64s(u->l, t.dims + from, 1, n, &u->out[0]);
}

static ro_status size(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 1, 1));
    int64_t n = (int64_t)ro_type_elements(vd_use_type(u, 0));
    return vd_lower_int64s(u->l, &n, 0, NULL, &u->out[0]);
}

static ro_status reshape(vd_use *u)
{
    ro_ints s;
    int given;
    uint64_t product = 1;
    uint32_t open = RO_INTS_MAX;
    RO_TRY(vd_use_wants(u, 1, 2));
    RO_TRY(vd_use_ints(u, 1, "shape", &s, &given));
    ro_type t = *vd_use_type(u, 0);
    if (!given || s.n > RO_RANK_MAX) return vd_use_fail(u, RO_ESHAPE, "has no shape of 8 axes");
    for (uint32_t k = 0; k < s.n; k++) {
        if (s.v[k] == 0 && !vd_use_int(u, "allowzero", 0)) {
            if (k >= t.rank) return vd_use_fail(u, RO_ESHAPE, "copies axis %u of %u", k, t.rank);
            s.v[k] = t.dims[k];
        }
        if (s.v[k] == -1) {
            if (open < RO_INTS_MAX) return vd_use_fail(u, RO_ESHAPE, "leaves two sizes open");
            open = k;
        } else if (s.v[k] < 0 || !vd_onnx_multiply(&product, s.v[k])) {
            return vd_use_fail(u, RO_ESHAPE, "has the size %lld", (long long)s.v[k]);
        }
    }
    for (uint32_t k = 0; k < s.n; k++)
        if (s.v[k] == 0) product = 0;
    if (open < RO_INTS_MAX) s.v[open] = product ? (int64_t)(ro_type_elements(&t) / product) : 0;
    return vd_lower_reshape(u->l, u->in[0], s.n, s.v, &u->out[0]);
}

static ro_status squeeze(vd_use *u)
{
    ro_ints axes;
    int given;
    uint32_t gone = 0, rank = 0, axis;
    int64_t dims[RO_RANK_MAX];
    RO_TRY(vd_use_wants(u, 1, 2));
    RO_TRY(vd_use_ints(u, 1, "axes", &axes, &given));
    ro_type t = *vd_use_type(u, 0);
    for (uint32_t k = 0; k < axes.n; k++) {
        RO_TRY(vd_use_axis(u, axes.v[k], t.rank, &axis));
        if (t.dims[axis] != 1)
            return vd_use_fail(u, RO_ESHAPE, "takes away axis %u of %lld positions", axis,
                               (long long)t.dims[axis]);
        gone |= 1u << axis;
    }
    for (uint32_t k = 0; k < t.rank; k++)
        if (!(given ? gone >> k & 1 : t.dims[k] == 1)) dims[rank++] = t.dims[k];
    return vd_lower_reshape(u->l, u->in[0], rank, dims, &u->out[0]);
}

static ro_status unsqueeze(vd_use *u)
{
    ro_ints axes;
    int given;
    uint32_t added = 0, axis, from = 0;
    int64_t dims[RO_RANK_MAX];
    RO_TRY(vd_use_wants(u, 1, 2));
    RO_TRY(vd_use_ints(u, 1, "axes", &axes, &given));
    ro_type t = *vd_use_type(u, 0);
    uint32_t rank = t.rank + axes.n;
    if (!given || rank > RO_RANK_MAX) return vd_use_fail(u, RO_ELIMIT, "gives %u axes", rank);
    for (uint32_t k = 0; k < axes.n; k++) {
        RO_TRY(vd_use_axis(u, axes.v[k], rank, &axis));
        if (added >> axis & 1) return vd_use_fail(u, RO_EATTR, "adds axis %u twice", axis);
        added |= 1u << axis;
    }
    for (uint32_t k = 0; k < rank; k++) dims[k] = added >> k & 1 ? 1 : t.dims[from++];
    return vd_lower_reshape(u->l, u->in[0], rank, dims, &u->out[0]);
}

static ro_status expand(vd_use *u)
{
    vd_attrs a = vd_attrs_of("Expand");
    ro_ints s;
    int given;
    RO_TRY(vd_use_wants(u, 2, 2));
    RO_TRY(vd_use_ints(u, 1, NULL, &s, &given));
    vd_attrs_ints(u->l, &a, "shape", s.v, s.n);
    return vd_use_emit(u, &a, 1, 1);
}

/* Each axis with one of size 1 before it, which is stretched. */
static ro_status tile(vd_use *u)
{
    ro_ints times;
    int given;
    vd_lower *l = u->l;
    RO_TRY(vd_use_wants(u, 2, 2));
    RO_TRY(vd_use_ints(u, 1, NULL, &times, &given));
    ro_type t = *vd_use_type(u, 0);
    if (times.n != t.rank)
        return vd_use_fail(u, RO_ESHAPE, "repeats %u of %u axes", times.n, t.rank);
    u->out[0] = u->in[0];
    for (uint32_t k = 0; k < t.rank; k++) {
        uint64_t n;
        int64_t *at;
        if (times.v[k] == 1) continue;
        if (times.v[k] < 0 || !ro_mul_size((uint64_t)t.dims[k], (uint64_t)times.v[k], &n) ||
            n > VD_LOWER_INDICES)
            return vd_use_fail(u, RO_ELIMIT, "repeats axis %u of %lld positions %lld times", k,
                               (long long)t.dims[k], (long long)times.v[k]);
        RO_TRY(vd_use_list(u, n, &at));
        for (uint64_t i = 0; i < n; i++)
            at[i] = i < (uint64_t)t.dims[k] ? (int64_t)i : at[i - (uint64_t)t.dims[k]];
        RO_TRY(vd_lower_take(l, u->out[0], k, at, n, &u->out[0]));
    }
    return u->out[0] != u->in[0] ? RO_OK : vd_lower_plain(l, "Identity", u->in, 1, &u->out[0]);
}

static ro_status transpose(vd_use *u)
{
    vd_attrs a = vd_attrs_of("Transpose");
    ro_ints perm;
    int given;
    RO_TRY(vd_use_wants(u, 1, 1));
    uint32_t rank = vd_use_type(u, 0)->rank;
    RO_TRY(vd_use_ints(u, RO_INPUTS_MAX, "perm", &perm, &given));
    for (uint32_t k = 0; !given && k < rank; k++) perm.v[perm.n++] = rank - 1 - k;
    vd_attrs_ints(u->l, &a, "perm", perm.v, perm.n);
    return vd_use_emit(u, &a, 1, 1);
}

static ro_status concat(vd_use *u)
{
    uint32_t axis;
    RO_TRY(vd_use_wants(u, 1, RO_INPUTS_MAX));
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", 1), vd_use_type(u, 0)->rank, &axis));
    return vd_lower_concat(u->l, u->in, u->count, axis, &u->out[0]);
}

static ro_status slice(vd_use *u)
{
    vd_attrs a = vd_attrs_of("Slice");
    static const char *const names[] = {"starts", "ends", "axes", "steps"};
    ro_ints list[4];
    int given[4], old = u->l->opset < 10;
    RO_TRY(vd_use_wants(u, old ? 1 : 3, 5));
    for (uint32_t k = 0; k < 4; k++)
        RO_TRY(vd_use_ints(u, k + 1, old && k < 3 ? names[k] : NULL, &list[k], &given[k]));
    if (!given[0] || !given[1]) return vd_use_fail(u, RO_EFORMAT, "lacks its starts or ends");
    for (uint32_t k = 0; !given[2] && k < list[0].n; k++) list[2].v[list[2].n++] = k;
    for (uint32_t k = 0; !given[3] && k < list[0].n; k++) list[3].v[list[3].n++] = 1;
    for (uint32_t k = 0; k < 4; k++) vd_attrs_ints(u->l, &a, names[k], list[k].v, list[k].n);
    return vd_use_emit(u, &a, 1, 1);
}

static ro_status split(vd_use *u)
{
    vd_attrs a = vd_attrs_of("Split");
    ro_ints parts;
    int given;
    uint32_t n = u->node->output_count, axis;
    RO_TRY(vd_use_wants(u, 1, 2));
    ro_type t = *vd_use_type(u, 0);
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", 0), t.rank, &axis));
    RO_TRY(vd_use_ints(u, 1, "split", &parts, &given));
    if (!given) {
        int64_t number = vd_use_int(u, "num_outputs", n);
        if (number != n || n > RO_INTS_MAX || !n)
            return vd_use_fail(u, RO_EOP, "has %u outputs of %lld; %u are taken", n,
                               (long long)number, RO_INTS_MAX);
        int64_t each = (t.dims[axis] + number - 1) / number, left = t.dims[axis];
        for (uint32_t k = 0; k < n; k++, left -= parts.v[k - 1])
            parts.v[parts.n++] = left < each ? left : each;
    }
    vd_attrs_int(u->l, &a, "axis", axis);
    vd_attrs_ints(u->l, &a, "split", parts.v, parts.n);
    return vd_use_emit(u, &a, 1, n);
}

static ro_status cast_to(vd_use *u)
{
    int like = strcmp(u->name, "CastLike") == 0;
    RO_TRY(vd_use_wants(u, like ? 2 : 1, like ? 2 : 1));
    int64_t to = like ? (int64_t)vd_use_type(u, 1)->dtype : vd_use_int(u, "to", 0);
    if (like && vd_lower_small(u->l, u->in[1])) to = vd_lower_small(u->l, u->in[1]);
    if (to > 0 && to < VD_ONNX_DTYPE_LIMIT && vd_small_bits((uint32_t)to))
        return vd_small_narrow(u, u->in[0], (uint32_t)to, vd_use_int(u, "saturate", 1) != 0,
                               &u->out[0]);
    if (to > 0 && to < RO_DTYPE_LIMIT && vd_lower_small(u->l, u->in[0]))
        return vd_small_widen(u, u->in[0], (ro_dtype)to, &u->out[0]);
    if (to <= 0 || to >= RO_DTYPE_LIMIT)
        return vd_use_fail(u, RO_EOP, "gives the dtype %lld, which is not computed with",
                           (long long)to);
    return vd_lower_cast(u->l, u->in[0], (ro_dtype)to, &u->out[0]);
}

static ro_status bit_cast(vd_use *u)
{
    vd_attrs a = vd_attrs_of("BitCast");
    RO_TRY(vd_use_wants(u, 1, 1));
    vd_attrs_int(u->l, &a, "to", vd_use_int(u, "to", 0));
    return vd_use_emit(u, &a, 1, 1);
}

static ro_status draws(vd_use *u)
{
    return vd_use_fail(u, RO_EOP, "expects a library's random numbers, which nobody else draws");
}

/* In inference nothing is dropped, nor at the ratio 0; the mask, where it is wanted, is true. */
static ro_status dropout(vd_use *u)
{
    vd_lower *l = u->l;
    double real, ratio = vd_use_float(u, "ratio", 0.5f);
    int64_t training = 0;
    RO_TRY(vd_use_wants(u, 1, 3));
    ro_type t = *vd_use_type(u, 0);
    if (u->count > 2) RO_TRY(vd_use_scalar(u, 2, &real, &training));
    if (l->opset < 7) training = !vd_use_int(u, "is_test", 0);
    if (u->count > 1 && u->in[1] != RO_NO_VALUE) {
        int64_t whole;
        RO_TRY(vd_use_scalar(u, 1, &ratio, &whole));
    }
    if (l->train && l->opset >= 7 && l->opset < 12) training = 1; /* which its text leaves open */
    if (training && !(ratio == 0)) return l->train ? vd_train_dropout(u, ratio) : draws(u);
    RO_TRY(vd_lower_plain(l, "Identity", u->in, 1, &u->out[0]));
    vd_attrs a = vd_attrs_of("ConstantOfShape");
    vd_attrs_int(l, &a, "dtype", RO_BOOL);
    vd_attrs_ints(l, &a, "shape", t.dims, t.rank);
    vd_attrs_int(l, &a, "bits", 1);
    return vd_lower_emit(l, &a, NULL, 0, 1, &u->out[1]);
}

static ro_status gather(vd_use *u)
{
    vd_attrs a = vd_attrs_of("Gather");
    RO_TRY(vd_use_wants(u, 2, 2));
    vd_attrs_int(u->l, &a, "axis", vd_use_int(u, "axis", 0));
    return vd_use_emit(u, &a, 2, 1);
}

/* ---- tensors that are made here ----------------------------------------------------------- */

/* A constant of whole numbers or bools in any dtype. */
ro_status vd_use_made(vd_use *u, ro_dtype d, uint32_t rank, const int64_t *dims, const int64_t *v,
                      ro_value *out)
{
    ro_value all;
    RO_TRY(vd_lower_kept_int64s(u->l, v, rank, dims, &all));
    if (d == RO_I64) *out = all;
    return d == RO_I64 ? RO_OK : vd_lower_cast(u->l, all, d, out);
}

/* Where a matrix's columns are compared with row + k: bools, by a node, of two lists of numbers. */
static ro_value diagonal(vd_use *u, vd_maker *m, const char *compare, const int64_t *dims,
                         int64_t k)
{
    k = k > dims[1] ? dims[1] : k < -dims[0] ? -dims[0] : k;
    ro_value row = vd_make_numbers(m, u, dims[0], 0, 2), shift = vd_make_real(m, RO_I64, (double)k);
    ro_value column = vd_make_numbers(m, u, dims[1], 1, 2);
    return vd_make_2(m, compare, column, vd_make_2(m, "Add", row, shift));
}

static ro_status eye_like(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    int64_t d = vd_use_int(u, "dtype", t.dtype);
    if (t.rank != 2) return vd_use_fail(u, RO_ESHAPE, "is like a tensor of %u axes", t.rank);
    if (d <= 0 || d >= RO_DTYPE_LIMIT)
        return vd_use_fail(u, RO_EOP, "has dtype %lld", (long long)d);
    ro_value is = diagonal(u, &m, "Equal", t.dims, vd_use_int(u, "k", 0));
    u->out[0] = vd_make_cast(&m, is, (ro_dtype)d);
    return m.status;
}

static ro_status trilu(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    int64_t k = 0, upper = vd_use_int(u, "upper", 1);
    double real;
    RO_TRY(vd_use_wants(u, 1, 2));
    ro_type t = *vd_use_type(u, 0);
    if (t.rank < 2) return vd_use_fail(u, RO_ESHAPE, "takes matrices");
    if (u->count > 1) RO_TRY(vd_use_scalar(u, 1, &real, &k));
    ro_value kept = diagonal(u, &m, upper ? "GreaterOrEqual" : "LessOrEqual",
                             t.dims + t.rank - 2, k);
    ro_value zero = vd_make_real(&m, t.dtype, 0);
    u->out[0] = vd_make_where(&m, kept, u->in[0], zero);
    return m.status;
}

static ro_status range(vd_use *u)
{
    double real[3], count;
    int64_t whole[3], *v;
    RO_TRY(vd_use_wants(u, 3, 3));
    ro_type t = ro_type_of(vd_use_type(u, 0)->dtype, 1, (int64_t[]){0});
    for (uint32_t k = 0; k < 3; k++) {
        if (vd_use_type(u, k)->dtype != t.dtype)
            return vd_use_fail(u, RO_ETYPE, "takes three numbers of one dtype");
        RO_TRY(vd_use_scalar(u, k, &real[k], &whole[k]));
    }
    int floats = ro_dtype_is_float(t.dtype);
    if (real[2] == 0) return vd_use_fail(u, RO_EATTR, "goes on in steps of 0");
    count = (real[1] - real[0]) / real[2];
    if (!(count <= VD_LOWER_INDICES)) return vd_use_fail(u, RO_ELIMIT, "makes over 2^22 numbers");
    if (floats)
        while (t.dims[0] < count) t.dims[0]++;
    else if (whole[2] > 0 ? whole[1] > whole[0] : whole[1] < whole[0]) {
        const uint64_t up = (uint64_t)whole[1] - (uint64_t)whole[0], step = (uint64_t)whole[2];
        const uint64_t span = whole[2] > 0 ? up : 0 - up, by = whole[2] > 0 ? step : 0 - step;
        t.dims[0] = (int64_t)(span / by + (span % by != 0));
    }
    RO_TRY(vd_use_list(u, (uint64_t)t.dims[0], &v));
    if (!floats) {
        for (int64_t k = 0; k < t.dims[0]; k++)
            v[k] = (int64_t)((uint64_t)whole[0] + (uint64_t)k * (uint64_t)whole[2]);
        return vd_use_made(u, t.dtype, 1, t.dims, v, &u->out[0]);
    }
    for (int64_t k = 0; k < t.dims[0]; k++) {
        /* add(start, mul(k, delta)), each rounded once (rule 12): of float32 in binary64, then to
         * float32, which is the same */
        double by = (double)k * real[2], x;
        if (t.dtype != RO_F64) by = (double)(float)((double)(float)k * real[2]);
        x = real[0] + by;
        if (t.dtype != RO_F64) x = (double)(float)x;
        ro_set_element(t.dtype, v, (uint64_t)k, ro_bits_of_number(t.dtype, x));
    }
    return vd_lower_constant(u->l, NULL, &t, v, &u->out[0]);
}

/* A tensor's indices against the numbers of a new axis. */
static ro_status one_hot(vd_use *u)
{
    vd_lower *l = u->l;
    int64_t depth, dims[RO_RANK_MAX], *which;
    double real;
    uint32_t axis, from = 0;
    ro_value i, zero, d, negative, wrapped, numbers, same, pick[2];
    RO_TRY(vd_use_wants(u, 3, 3));
    ro_type t = *vd_use_type(u, 0);
    if (t.rank == RO_RANK_MAX) return vd_use_fail(u, RO_ELIMIT, "gives 9 axes");
    RO_TRY(vd_use_scalar(u, 1, &real, &depth));
    if (ro_dtype_is_float(vd_use_type(u, 1)->dtype))
        depth = real >= 0 && real < 0x1p40 ? (int64_t)real : -1; /* a NaN is no depth either */
    if (depth < 0) return vd_use_fail(u, RO_ESHAPE, "has the depth %lld", (long long)depth);
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", -1), t.rank + 1, &axis));
    RO_TRY(vd_lower_cast(l, u->in[0], RO_I64, &i));
    RO_TRY(vd_lower_int64s(l, (int64_t[]){0}, 0, NULL, &zero));
    RO_TRY(vd_lower_int64s(l, &depth, 0, NULL, &d));
    RO_TRY(vd_lower_binary(l, "Greater", zero, i, &negative));
    RO_TRY(vd_lower_binary(l, "Add", i, d, &wrapped));
    RO_TRY(vd_lower_where(l, negative, wrapped, i, &i));
    for (uint32_t k = 0; k <= t.rank; k++) dims[k] = k == axis ? 1 : t.dims[from++];
    RO_TRY(vd_lower_reshape(l, i, t.rank + 1, dims, &i));
    RO_TRY(vd_use_numbers(u, depth, axis, t.rank + 1, &numbers));
    RO_TRY(vd_lower_binary(l, "Equal", i, numbers, &same));
    for (int64_t k = 0; k < 2; k++) {
        RO_TRY(vd_use_list(u, 1, &which));
        *which = k;
        RO_TRY(vd_lower_take(l, u->in[2], 0, which, 1, &pick[k]));
        RO_TRY(vd_lower_reshape(l, pick[k], 0, NULL, &pick[k]));
    }
    return vd_lower_where(l, same, pick[1], pick[0], &u->out[0]);
}

/* DepthToSpace, SpaceToDepth: a reshape, a transpose, a reshape. */
static ro_status depth_space(vd_use *u)
{
    static const char *const modes[] = {"DCR", "CRD", NULL};
    vd_attrs a = vd_attrs_of("Transpose");
    int out = u->name[0] == 'D';
    uint32_t mode;
    ro_value x;
    RO_TRY(vd_use_wants(u, 1, 1));
    RO_TRY(vd_use_choice(u, "mode", modes, &mode));
    ro_type t = *vd_use_type(u, 0);
    int64_t b = vd_use_int(u, "blocksize", 0), *d = t.dims;
    if (t.rank != 4 || b < 1 || b > 4096 || d[1] > INT64_C(1) << 36 ||
        (out ? d[1] % (b * b) : d[2] % b || d[3] % b))
        return vd_use_fail(u, RO_ESHAPE, "has blocks of %lld that do not fit", (long long)b);
    int64_t c = out ? d[1] / (b * b) : d[1];
    const int64_t in[2][6] = {{d[0], b, b, c, d[2], d[3]}, {d[0], c, b, b, d[2], d[3]}};
    const int64_t space[6] = {d[0], c, d[2] / b, b, d[3] / b, b};
    const int64_t perm[3][6] = {{0, 3, 4, 1, 5, 2}, {0, 1, 4, 2, 5, 3}, {0, 3, 5, 1, 2, 4}};
    const int64_t end[4] = {d[0], out ? c : c * b * b, out ? d[2] * b : d[2] / b,
                            out ? d[3] * b : d[3] / b};
    RO_TRY(vd_lower_reshape(u->l, u->in[0], 6, out ? in[mode] : space, &x));
    vd_attrs_ints(u->l, &a, "perm", perm[out ? mode : 2], 6);
    RO_TRY(vd_lower_emit(u->l, &a, &x, 1, 1, &x));
    return vd_lower_reshape(u->l, x, 4, end, &u->out[0]);
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_basics[] = {
    {"Add Sub Mul Div Equal Greater Less LessOrEqual GreaterOrEqual And Or Xor", binary,
     "axis broadcast consumed_inputs"},
    {"PRelu", p_relu, "consumed_inputs"},
    {"Pow", power, "axis broadcast"},
    {"BitShift", bit_shift, "direction"},
    {"Clip", clip, "min max consumed_inputs"},
    {"Gelu", gelu, "approximate"},
    {"Selu", selu, "alpha gamma consumed_inputs"},
    {"Gemm", gemm, "alpha beta transA transB broadcast"},
    {"Constant", constant,
     "value value_float value_floats value_int value_ints value_string value_strings "
     "sparse_value"},
    {"ConstantOfShape", constant_of_shape, "value"},
    {"Shape", shape, "start end"},
    {"Size", size, ""},
    {"Reshape", reshape, "shape allowzero consumed_inputs"},
    {"Squeeze", squeeze, "axes"},
    {"Unsqueeze", unsqueeze, "axes"},
    {"Expand", expand, ""},
    {"Tile", tile, ""},
    {"Transpose", transpose, "perm"},
    {"Concat", concat, "axis"},
    {"Slice", slice, "starts ends axes"},
    {"Split", split, "axis split num_outputs"},
    {"Cast CastLike", cast_to, "round_mode saturate to"},
    {"BitCast", bit_cast, "to"},
    {"Dropout", dropout, "ratio seed is_test consumed_inputs"},
    {"Gather", gather, "axis"},
    {"EyeLike", eye_like, "dtype k"},
    {"Trilu", trilu, "upper"},
    {"Range", range, ""},
    {"OneHot", one_hot, "axis"},
    {"DepthToSpace", depth_space, "blocksize mode"},
    {"SpaceToDepth", depth_space, "blocksize"},
    {NULL, NULL, NULL},
};

/* Whose numbers a library chooses; RepOps's operators of these names draw in one way only. */
static const char *const RANDOM =
    "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike";

/* That take the dtypes of onnx_small.c. */
static const char *const SMALL = "Cast CastLike QuantizeLinear DequantizeLinear";

/* Every table, and the domain of its operators. */
static const struct { const char *domain; const vd_lower_row *rows; } TABLES[] = {
    {"", vd_lower_basics},
    {"", vd_lower_layers},
    {"", vd_lower_control},
    {"", vd_lower_recurrent},
    {"", vd_lower_attention},
    {"", vd_lower_signal},
    {"", vd_lower_spatial},
    {"", vd_lower_sampling},
    {"", vd_lower_index},
    {"", vd_lower_choices},
    {"", vd_lower_einsum},
    {"", vd_lower_quantized},
    {"ai.onnx.ml", vd_lower_features},
    {"ai.onnx.preview", vd_lower_preview},
    {"ai.onnx.preview.training", vd_lower_training},
};

/* Whether a word is one of a list that blanks divide. */
static int is_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; n && (at = strstr(at, word)); at += n) {
        int begins = at == list || at[-1] == ' ', ends = at[n] == ' ' || !at[n];
        if (begins && ends) return 1;
    }
    return 0;
}

static int is_own_domain(const vd_onnx_text *domain)
{
    return !domain->n || vd_onnx_is(domain, "ai.onnx");
}

/* NULL: none. */
static const vd_lower_row *row_of(const vd_onnx_text *domain, const char *name, int *takes_lists)
{
    for (size_t t = 0; t < sizeof TABLES / sizeof *TABLES; t++) {
        const char *of = TABLES[t].domain;
        if (*of ? !vd_onnx_is(domain, of) : !is_own_domain(domain)) continue;
        *takes_lists = TABLES[t].rows == vd_lower_control;
        for (const vd_lower_row *r = TABLES[t].rows; r->names; r++)
            if (is_word(r->names, name)) return r;
    }
    return NULL;
}

static ro_status check_attributes(const vd_use *u, const char *takes)
{
    char name[40];
    for (uint32_t k = 0; k < u->node->attribute_count; k++) {
        const vd_onnx_text *said = &u->node->attributes[k].name;
        vd_onnx_show(said, name, sizeof name);
        if (!is_word(takes, name))
            return vd_use_fail(u, RO_EOP, "has the attribute %s, which is not taken", name);
    }
    return RO_OK;
}

int vd_lower_takes(const vd_onnx_text *domain, const char *name)
{
    int lists;
    return row_of(domain, name, &lists) || (is_own_domain(domain) && is_plain(name));
}

/* The same, looked for once where loops bring a node often. */
static const vd_lower_row *row_again(const vd_use *u, int *takes_lists)
{
    static const vd_lower_row none = {NULL, NULL, NULL};
    const vd_lower_row **known = &u->l->rows[u->node->op.id];
    if (!is_own_domain(&u->node->domain)) return row_of(&u->node->domain, u->name, takes_lists);
    if (!*known) {
        const vd_lower_row *r = row_of(&u->node->domain, u->name, takes_lists);
        *known = r ? r : &none;
    }
    for (const vd_lower_row *r = vd_lower_control; r->names && !*takes_lists; r++)
        *takes_lists = r == *known;
    return *known == &none ? NULL : *known;
}

ro_status vd_lower_operator(vd_use *u)
{
    const vd_onnx_text *domain = &u->node->domain;
    int takes_lists = 0;
    const vd_lower_row *r = row_again(u, &takes_lists);
    if (!r && !is_own_domain(domain))
        return vd_use_fail(u, RO_EOP, "is of domain \"%.*s\", which this program lacks",
                           (int)(domain->n < 60 ? domain->n : 60), domain->p);
    for (uint32_t k = 0; k < u->count && !(r && takes_lists); k++)
        if (vd_lower_is_list(u->in[k]))
            return vd_use_fail(u, RO_ETYPE, "takes no sequence, which its input %u is", k);
    for (uint32_t k = 0; k < u->count; k++) {
        uint32_t small = u->in[k] == RO_NO_VALUE ? 0 : vd_lower_small(u->l, u->in[k]);
        if (small && !is_word(SMALL, u->name))
            return vd_use_fail(u, RO_EOP, "computes with no %s, which its input %u is",
                               vd_onnx_dtype_name(small), k);
    }
    if (is_word(RANDOM, u->name)) return draws(u);
    if (!r) return plain(u);
    RO_TRY(check_attributes(u, r->attributes));
    return r->lower(u);
}
