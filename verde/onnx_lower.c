/* onnx_lower.c - an ONNX model and its inputs become a job of one step.
 *
 * What this file decides: which value a name stands for, where constants come from, how functions
 * are put in place, and what is computed before the run.
 *
 * Invariants
 *   1. Names are bound and restored like a stack: an inner graph or a function leaves the names
 *      around it as they were.
 *   2. Nothing recurses but over functions and inner graphs, which the reader has bounded.
 *   3. The job has the constants that its nodes read and no others, in the order of making. */
#include "onnx_lower.h"

#include <stdarg.h>
#include <stdio.h>

#include "bytes.h"

/* ---- failing ------------------------------------------------------------------------------ */

ro_status vd_use_fail(const vd_use *u, ro_status code, const char *format, ...)
{
    char where[120], why[140];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    vd_onnx_node_text(u->l->m, u->node, where, sizeof where);
    return RO_FAIL(u->l->err, code, "%s %s", where, why);
}

/* What RepOps says of a node that it does not take. */
static ro_status said_of(const vd_use *u, const ro_err *why)
{
    int own = why->code == RO_ENOMEM || why->code == RO_ELIMIT;
    return vd_use_fail(u, own ? why->code : RO_EOP, "cannot be run: %.120s", why->msg);
}

/* Room for one more in an array of the arena. */
ro_status vd_lower_more(vd_lower *l, void **p, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room) return RO_OK;
    uint32_t want = *room ? 8 * *room : 64; /* what is not used takes no memory */
    void *q = ro_arena_alloc(l->arena, want * size);
    if (!q) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
    if (n) memcpy(q, *p, n * size);
    *p = q;
    *room = want;
    return RO_OK;
}

/* ---- constants ---------------------------------------------------------------------------- */

ro_status vd_lower_constant(vd_lower *l, const char *name, const ro_type *type, const void *data,
                            ro_value *out)
{
    uint32_t room = l->constant_room, again = l->constant_room;
    void *slots = l->constants, *list = (void *)l->data;
    RO_TRY(vd_lower_more(l, &slots, l->constant_count, &room, sizeof *l->constants));
    RO_TRY(vd_lower_more(l, &list, l->constant_count, &again, sizeof *l->data));
    l->constants = slots;
    l->data = list;
    l->constant_room = room;
    RO_TRY(ro_graph_constant(l->graph, l->constant_count, type, out, l->err));
    l->constants[l->constant_count].name = name;
    l->constants[l->constant_count].type = *type;
    l->data[l->constant_count++] = data;
    return RO_OK;
}

ro_status vd_lower_kept_int64s(vd_lower *l, const int64_t *v, uint32_t rank, const int64_t *dims,
                               ro_value *out)
{
    const ro_type t = ro_type_of(RO_I64, rank, dims);
    return vd_lower_constant(l, NULL, &t, v, out);
}

ro_status vd_lower_int64s(vd_lower *l, const int64_t *v, uint32_t rank, const int64_t *dims,
                          ro_value *out)
{
    ro_type t = ro_type_of(RO_I64, rank, dims);
    int64_t *copy = ro_arena_alloc(l->arena, ro_type_bytes(&t));
    if (!copy) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
    memcpy(copy, v, ro_type_bytes(&t));
    return vd_lower_kept_int64s(l, copy, rank, dims, out);
}

ro_status vd_lower_scalar(vd_lower *l, ro_dtype d, double x, ro_value *out)
{
    vd_attrs a = vd_attrs_of("ConstantOfShape");
    vd_attrs_int(l, &a, "dtype", (int64_t)d);
    vd_attrs_int(l, &a, "bits", (int64_t)ro_bits_of_number(d, x));
    return vd_lower_emit(l, &a, NULL, 0, 1, out);
}

/* A tensor of the model in machine byte order. */
static ro_status tensor_data(const vd_onnx *m, const vd_onnx_tensor *t, ro_arena *arena,
                             ro_tensor *out, ro_err *err)
{
    char name[80];
    int small = vd_small_bits(t->dtype) != 0;
    ro_dtype d = small ? vd_small_held(t->dtype) : (ro_dtype)t->dtype;
    vd_onnx_show(&t->name, name, sizeof name);
    if (d >= RO_DTYPE_LIMIT || !ro_dtypes[d].name)
        return RO_FAIL(err, RO_EOP, "tensor \"%s\" is of dtype %s, which is not computed with",
                       name, vd_onnx_dtype_name(t->dtype));
    out->type = ro_type_of(d, t->rank, t->dims);
    RO_TRY(ro_type_check(&out->type, err));
    uint8_t *p = ro_arena_alloc(arena, t->bytes);
    uint8_t *unpacked = small ? ro_arena_alloc(arena, t->elements) : p;
    if (!p || !unpacked)
        return RO_FAIL(err, RO_ENOMEM, "no memory for the %llu bytes of tensor \"%s\"",
                       (unsigned long long)t->bytes, name);
    RO_TRY(vd_onnx_tensor_data(m, t, p, err));
    if (small) vd_small_unpack(t->dtype, p, t->elements, unpacked);
    else ro_canonical_bytes(d, p, p, t->elements);
    out->data = unpacked;
    return RO_OK;
}

ro_status vd_lower_tensor_data(vd_lower *l, const vd_onnx_tensor *t, ro_tensor *out)
{
    return tensor_data(l->m, t, l->arena, out, l->err);
}

/* Once, however often a loop comes by. */
static ro_status model_constant(vd_lower *l, const vd_onnx_tensor *t, int named, ro_value *out)
{
    ro_tensor x;
    ro_value *made = &l->tensors[t - l->m->tensors];
    *out = *made;
    if (*made != RO_NO_VALUE) return RO_OK;
    RO_TRY(tensor_data(l->m, t, l->arena, &x, l->err));
    if (t->name.n > VD_NAME_MAX) named = 0; /* longer than a job's names may be: one is made */
    const char *name = named ? ro_arena_string(l->arena, t->name.p, t->name.n) : NULL;
    if (named && !name) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
    RO_TRY(vd_lower_constant(l, name, &x.type, x.data, made));
    if (vd_small_bits(t->dtype)) RO_TRY(vd_lower_mark(l, *made, t->dtype));
    *out = *made;
    return RO_OK;
}

ro_status vd_lower_tensor(vd_lower *l, const vd_onnx_tensor *t, ro_value *out)
{
    return model_constant(l, t, 0, out);
}

/* The field that a message stands in, and its length. */
static void put_message_head(vd_out *o, uint8_t field, uint64_t length)
{
    vd_out_u8(o, field);
    for (; length > 127; length >>= 7) vd_out_u8(o, (uint8_t)(length & 127) | 128);
    vd_out_u8(o, (uint8_t)length);
}

/* A model of nothing but that tensor, which is given a name. */
ro_status vd_onnx_tensor_parse(const uint8_t *bytes, uint64_t size, const char *name,
                               ro_arena *arena, ro_tensor *out, ro_err *err)
{
    static const uint8_t head[] = {0x08, 8, 0x42, 2, 0x10, 17}; /* IR version, operator set */
    static const uint8_t graph[] = {0x12, 1, 'g'}, called[] = {0x42, 1, 't'};
    ro_err why = {RO_OK, {0}};
    vd_onnx *m = NULL;
    if (size > VD_ONNX_FILE_MAX - 64)
        return RO_FAIL(err, RO_ELIMIT, "%s is larger than %llu bytes", name,
                       (unsigned long long)VD_ONNX_FILE_MAX - 64);
    vd_out counted = {NULL, 0};
    put_message_head(&counted, 0x2a, size + sizeof called);
    const uint64_t all = sizeof graph + counted.n + size + sizeof called;
    vd_out o = {ro_alloc(all + 64), 0};
    if (!o.to) return RO_FAIL(err, RO_ENOMEM, "no memory to read %s", name);
    vd_out_bytes(&o, head, sizeof head);
    put_message_head(&o, 0x3a, all);
    vd_out_bytes(&o, graph, sizeof graph);
    put_message_head(&o, 0x2a, size + sizeof called);
    vd_out_bytes(&o, bytes, size);
    vd_out_bytes(&o, called, sizeof called);
    ro_status st = vd_onnx_read(o.to, o.n, -1, &m, &why);
    if (!st) st = tensor_data(m, &m->graphs[0].initializers[0], arena, out, &why);
    vd_onnx_close(m);
    ro_free(o.to);
    return st ? RO_FAIL(err, st, "%.100s: %.150s", name, why.msg) : RO_OK;
}

/* ---- what is known before the run --------------------------------------------------------- */

static ro_status room_for_known(vd_lower *l, ro_value v)
{
    void *p = (void *)l->known;
    uint32_t old = l->known_room;
    while (v >= l->known_room)
        RO_TRY(vd_lower_more(l, &p, l->known_room, &l->known_room, sizeof *l->known));
    if (l->known_room > old) l->known = p;
    return RO_OK;
}

/* Every output of a node whose inputs are known. */
static ro_status compute(vd_lower *l, const ro_node *n)
{
    const ro_graph *g = l->graph;
    ro_type in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    const void *data[RO_INPUTS_MAX];
    memset(in, 0, sizeof in);
    for (uint32_t k = 0; k < n->inputs; k++) {
        data[k] = NULL;
        if (n->in[k] == RO_NO_VALUE) continue;
        in[k] = g->values[n->in[k]].type;
        data[k] = l->known[n->in[k]];
    }
    for (uint32_t k = 0; k < n->outputs; k++) out[k] = g->values[n->first_output + k].type;
    const ro_reader r = {in, out, n->inputs, n->outputs, data, NULL, NULL};
    uint64_t flops = vd_body_flops(g, n);
    if (flops > l->flops)
        return RO_FAIL(l->err, RO_ELIMIT,
                       "a shape hangs on a %s of %llu operations; %llu in all are computed "
                       "before a run", ro_ops[n->op].name, (unsigned long long)flops,
                       (unsigned long long)VD_LOWER_FLOPS);
    l->flops -= flops;
    for (uint32_t k = 0; k < n->outputs; k++) {
        uint32_t size = ro_dtypes[out[k].dtype].size;
        uint64_t elements = ro_type_elements(&out[k]);
        uint8_t *p = ro_arena_alloc(l->arena, elements * size);
        if (!p) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
        for (uint64_t e = 0; e < elements; e++)
            vd_put_le(p + e * size, ro_at(n->op, &r, n->attrs, k, e), size);
        ro_canonical_bytes(out[k].dtype, p, p, elements);
        l->known[n->first_output + k] = p;
    }
    return RO_OK;
}

ro_status vd_lower_known(vd_lower *l, ro_value v, const void **data)
{
    const ro_graph *g = l->graph;
    uint32_t n = 0;
    void *p = l->waiting;
    RO_TRY(room_for_known(l, g->value_count));
    RO_TRY(vd_lower_more(l, &p, n, &l->waiting_room, sizeof *l->waiting));
    l->waiting = p;
    for (l->waiting[n++] = v; n;) {
        ro_value top = l->waiting[n - 1], wait = RO_NO_VALUE;
        const ro_value_info *i = &g->values[top];
        if (i->kind == RO_V_SLOT) return vd_train_unknown(l, i->index);
        if (i->kind == RO_V_CONSTANT) l->known[top] = l->data[i->index];
        if (!l->known[top]) {
            const ro_node *node = &g->nodes[i->index];
            for (uint32_t k = 0; k < node->inputs && wait == RO_NO_VALUE; k++)
                if (node->in[k] != RO_NO_VALUE && !l->known[node->in[k]]) wait = node->in[k];
            if (wait == RO_NO_VALUE) RO_TRY(compute(l, node));
        }
        if (wait == RO_NO_VALUE) n--;
        else {
            RO_TRY(vd_lower_more(l, &p, n, &l->waiting_room, sizeof *l->waiting));
            l->waiting = p;
            l->waiting[n++] = wait;
        }
    }
    *data = l->known[v];
    return RO_OK;
}

/* ---- nodes -------------------------------------------------------------------------------- */

vd_attrs vd_attrs_of(const char *name)
{
    vd_attrs a = {ro_op_newest(name), {0}, RO_OK};
    return a;
}

static void keep(vd_attrs *a, ro_status st)
{
    if (!a->status) a->status = st;
}

void vd_attrs_int(vd_lower *l, vd_attrs *a, const char *name, int64_t v)
{
    if (a->op != RO_OP_COUNT) keep(a, ro_attr_set_int(a->op, a->bytes, name, v, l->err));
}

void vd_attrs_real(vd_lower *l, vd_attrs *a, const char *name, double v)
{
    if (a->op != RO_OP_COUNT) keep(a, ro_attr_set_real(a->op, a->bytes, name, v, l->err));
}

void vd_attrs_ints(vd_lower *l, vd_attrs *a, const char *name, const int64_t *v, uint32_t n)
{
    if (a->op != RO_OP_COUNT) keep(a, ro_attr_set_ints(a->op, a->bytes, name, v, n, l->err));
}

ro_status vd_lower_emit(vd_lower *l, const vd_attrs *a, const ro_value *in, uint32_t count,
                        uint32_t outputs, ro_value *first)
{
    if (a->op == RO_OP_COUNT) return RO_FAIL(l->err, RO_EOP, "this program lacks the operator");
    if (a->status) return a->status;
    return ro_graph_node(l->graph, a->op, a->bytes, in, count, outputs, first, l->err);
}

ro_status vd_lower_plain(vd_lower *l, const char *name, const ro_value *in, uint32_t count,
                         ro_value *out)
{
    const vd_attrs a = vd_attrs_of(name);
    RO_ASSERT(a.op != RO_OP_COUNT);
    return vd_lower_emit(l, &a, in, count, 1, out);
}

ro_status vd_lower_binary(vd_lower *l, const char *name, ro_value a, ro_value b, ro_value *out)
{
    const ro_value in[2] = {a, b};
    return vd_lower_plain(l, name, in, 2, out);
}

ro_status vd_lower_reshape(vd_lower *l, ro_value x, uint32_t rank, const int64_t *dims,
                           ro_value *out)
{
    vd_attrs a = vd_attrs_of("Reshape");
    vd_attrs_ints(l, &a, "shape", dims, rank);
    return vd_lower_emit(l, &a, &x, 1, 1, out);
}

ro_status vd_lower_concat(vd_lower *l, const ro_value *in, uint32_t count, int64_t axis,
                          ro_value *out)
{
    vd_attrs a = vd_attrs_of("Concat");
    ro_value part[RO_INPUTS_MAX];
    vd_attrs_int(l, &a, "axis", axis);
    if (count <= RO_INPUTS_MAX) return vd_lower_emit(l, &a, in, count, 1, out);
    uint32_t each = (count + RO_INPUTS_MAX - 1) / RO_INPUTS_MAX, n = 0;
    for (uint32_t at = 0; at < count; at += each)
        RO_TRY(vd_lower_concat(l, in + at, at + each < count ? each : count - at, axis,
                               &part[n++]));
    return vd_lower_emit(l, &a, part, n, 1, out);
}

/* ---- attributes and inputs of a node ------------------------------------------------------ */

const ro_type *vd_use_type(const vd_use *u, uint32_t input)
{
    if (input >= u->count || u->in[input] >= VD_LIST_FIRST) return NULL;
    return ro_graph_type(u->l->graph, u->in[input]);
}

static const vd_onnx_attribute *find(const vd_onnx_attribute *list, uint32_t n, const char *name,
                                     size_t size)
{
    for (uint32_t k = 0; k < n; k++)
        if (list[k].name.n == size && memcmp(list[k].name.p, name, size) == 0) return &list[k];
    return NULL;
}

/* What an attribute is in the end: in a function it may name one of the call's, and so on out. */
static const vd_onnx_attribute *resolve(const vd_onnx_attribute *a, const vd_lower_call *c)
{
    while (a && a->reference.n && c) {
        const vd_onnx_attribute *given =
            find(c->node->attributes, c->node->attribute_count, a->reference.p, a->reference.n);
        if (!given)
            return find(c->function->defaults, c->function->default_count, a->reference.p,
                        a->reference.n);
        a = given;
        c = c->outer;
    }
    return a && a->reference.n ? NULL : a;
}

const vd_onnx_attribute *vd_use_resolve(const vd_use *u, const vd_onnx_attribute *a)
{
    return resolve(a, u->l->call);
}

const vd_onnx_attribute *vd_use_attribute(const vd_use *u, const char *name)
{
    return resolve(find(u->node->attributes, u->node->attribute_count, name, strlen(name)),
                   u->l->call);
}

int64_t vd_use_int(const vd_use *u, const char *name, int64_t otherwise)
{
    const vd_onnx_attribute *a = vd_use_attribute(u, name);
    return a && a->type == VD_A_INT ? a->v.i : otherwise;
}

double vd_use_float(const vd_use *u, const char *name, float otherwise)
{
    const vd_onnx_attribute *a = vd_use_attribute(u, name);
    return (double)(a && a->type == VD_A_FLOAT ? a->v.f : otherwise);
}

ro_status vd_use_ints(const vd_use *u, uint32_t input, const char *name, ro_ints *out, int *given)
{
    const ro_type *t = vd_use_type(u, input);
    const vd_onnx_attribute *a = name ? vd_use_attribute(u, name) : NULL;
    const void *data;
    memset(out, 0, sizeof *out);
    *given = t || a;
    if (t) {
        if ((t->dtype != RO_I64 && t->dtype != RO_I32) || t->rank > 1)
            return vd_use_fail(u, RO_ETYPE, "wants a list of integers as input %u", input);
        uint64_t n = ro_type_elements(t);
        if (n > RO_INTS_MAX)
            return vd_use_fail(u, RO_ELIMIT, "has %llu numbers in input %u; %u are allowed",
                               (unsigned long long)n, input, RO_INTS_MAX);
        ro_dtype d = t->dtype;
        RO_TRY(vd_lower_known(u->l, u->in[input], &data));
        out->n = (uint32_t)n;
        for (uint32_t k = 0; k < out->n; k++)
            out->v[k] = ro_integer_of_bits(d, ro_element(d, data, k));
    } else if (a) {
        if (a->type != VD_A_INTS || a->count > RO_INTS_MAX)
            return vd_use_fail(u, RO_EATTR, "has no list of at most %u integers as \"%s\"",
                               RO_INTS_MAX, name);
        out->n = a->count;
        for (uint32_t k = 0; k < out->n; k++) out->v[k] = a->v.ints[k];
    }
    return RO_OK;
}

ro_status vd_use_scalar(const vd_use *u, uint32_t input, double *real, int64_t *whole)
{
    const ro_type *t = vd_use_type(u, input);
    const void *data;
    *real = 0;
    *whole = 0;
    if (!t || ro_type_elements(t) != 1)
        return vd_use_fail(u, RO_ESHAPE, "wants one number as input %u", input);
    ro_dtype d = t->dtype;
    RO_TRY(vd_lower_known(u->l, u->in[input], &data));
    uint64_t bits = ro_element(d, data, 0);
    if (!ro_dtype_is_float(d)) *whole = ro_integer_of_bits(d, bits);
    *real = ro_dtype_is_float(d) ? ro_float_of_bits(d, bits)
            : d == RO_U64        ? (double)(uint64_t)*whole
                                 : (double)*whole;
    return RO_OK;
}

/* ---- names -------------------------------------------------------------------------------- */

static ro_status bind(vd_lower *l, const vd_onnx_text *name, ro_value v)
{
    void *p = l->hidden;
    if (!name->id) return RO_OK; /* an output that nobody wants */
    RO_TRY(vd_lower_more(l, &p, l->hidden_count, &l->hidden_room, sizeof *l->hidden));
    l->hidden = p;
    l->hidden[l->hidden_count].id = name->id;
    l->hidden[l->hidden_count++].was = l->values[name->id];
    l->values[name->id] = v;
    return RO_OK;
}

static void leave(vd_lower *l, uint32_t mark)
{
    while (l->hidden_count > mark) {
        l->hidden_count--;
        l->values[l->hidden[l->hidden_count].id] = l->hidden[l->hidden_count].was;
    }
}

ro_value vd_lower_value(const vd_lower *l, const vd_onnx_text *name)
{
    return name->id ? l->values[name->id] : RO_NO_VALUE;
}

/* ---- graphs: nodes in order, inner graphs and functions in place -------------------------- */

static ro_status lower_nodes(vd_lower *l, const vd_onnx_graph *g);

static ro_status initializers(vd_lower *l, const vd_onnx_graph *g, int named)
{
    if (g->sparse_count)
        return RO_FAIL(l->err, RO_EOP, "the model has sparse initializers, which are not read");
    for (uint32_t k = 0; k < g->initializer_count; k++) {
        ro_value v = RO_NO_VALUE;
        const int given = vd_lower_value(l, &g->initializers[k].name) != RO_NO_VALUE;
        if (given && named) continue;
        if (l->train && named) RO_TRY(vd_train_initializer(l, &g->initializers[k], &v));
        if (v == RO_NO_VALUE) RO_TRY(model_constant(l, &g->initializers[k], named, &v));
        RO_TRY(bind(l, &g->initializers[k].name, v));
    }
    return RO_OK;
}

/* An inner graph's nodes; its outputs' values into out. */
ro_status vd_lower_inner(vd_lower *l, const vd_onnx_graph *g, const ro_value *in, uint32_t count,
                         ro_value *out)
{
    uint32_t mark = l->hidden_count;
    RO_ASSERT(count <= g->input_count);
    for (uint32_t k = 0; k < count; k++) RO_TRY(bind(l, &g->inputs[k].name, in[k]));
    RO_TRY(initializers(l, g, 0));
    RO_TRY(lower_nodes(l, g));
    for (uint32_t k = 0; k < g->output_count; k++) out[k] = vd_lower_value(l, &g->outputs[k].name);
    leave(l, mark);
    return RO_OK;
}

/* ---- functions ---------------------------------------------------------------------------- */

static int64_t version_of(const vd_onnx_opset *list, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (!list[k].domain.n || vd_onnx_is(&list[k].domain, "ai.onnx")) return list[k].version;
    return 0;
}

static ro_status lower_function(vd_use *u)
{
    vd_lower *l = u->l;
    const vd_onnx_function *f = &l->m->functions[u->node->function];
    const vd_lower_call call = {u->node, f, l->call};
    const vd_lower_call *outer = l->call;
    int64_t opset = l->opset, own = version_of(f->opsets, f->opset_count);
    uint32_t mark = l->hidden_count;
    if (f->body.output_count > RO_OUTPUTS_MAX)
        return vd_use_fail(u, RO_ELIMIT, "has more than %u outputs", RO_OUTPUTS_MAX);
    for (uint32_t k = 0; k < f->body.input_count; k++)
        RO_TRY(bind(l, &f->body.inputs[k].name, k < u->count ? u->in[k] : RO_NO_VALUE));
    l->call = &call;
    if (own) l->opset = own;
    RO_TRY(lower_nodes(l, &f->body));
    l->call = outer;
    l->opset = opset;
    for (uint32_t k = 0; k < f->body.output_count; k++)
        u->out[k] = vd_lower_value(l, &f->body.outputs[k].name);
    leave(l, mark);
    return RO_OK;
}

/* ---- one node after another --------------------------------------------------------------- */

static ro_status lower_use(vd_use *u)
{
    ro_err why = {RO_OK, {0}}, *err = u->l->err;
    if (u->node->function >= 0) return lower_function(u);
    u->l->err = &why;
    ro_status st = vd_lower_operator(u);
    u->l->err = err;
    if (!st) return RO_OK;
    if (strncmp(why.msg, "node ", 5) == 0) return RO_FAIL(err, st, "%s", why.msg);
    return said_of(u, &why);
}

/* The nodes that came of it, if no node inside it claims them. */
static ro_status note_origin(vd_lower *l, const vd_onnx_node *n)
{
    void *p = (void *)l->origin;
    while (l->origin_count < l->graph->node_count) {
        RO_TRY(vd_lower_more(l, &p, l->origin_count, &l->origin_room, sizeof *l->origin));
        l->origin = p;
        l->origin[l->origin_count++] = n;
    }
    return RO_OK;
}

ro_status vd_use_nodes(const vd_use *u, uint64_t n)
{
    if (u->l->nodes < n)
        return vd_use_fail(u, RO_ELIMIT, "is %llu nodes more; loops and sequences are put in place "
                           "as %u", (unsigned long long)n, VD_LOWER_NODES);
    u->l->nodes -= (uint32_t)n;
    return RO_OK;
}

/* Those that stand in the model once were counted by its reader. */
static ro_status count_in_loops(const vd_use *u)
{
    if (!u->l->loops) return RO_OK;
    if (u->l->graph->node_count > VD_LOWER_LOOPED)
        return vd_use_fail(u, RO_ELIMIT, "comes in a loop after %u nodes of the job",
                           VD_LOWER_LOOPED);
    return vd_use_nodes(u, 1 + u->node->input_count / 16);
}

static ro_status lower_node(vd_lower *l, const vd_onnx_node *n)
{
    vd_use u;
    char name[64];
    memset(&u, 0, sizeof u);
    u.l = l;
    u.node = n;
    u.name = name;
    RO_TRY(count_in_loops(&u));
    if (n->input_count > RO_INPUTS_MAX || n->output_count > RO_OUTPUTS_MAX)
        return vd_use_fail(&u, RO_ELIMIT, "has %u inputs and %u outputs; %u are allowed",
                           n->input_count, n->output_count, RO_INPUTS_MAX);
    snprintf(name, sizeof name, "%.*s", (int)(n->op.n < 63 ? n->op.n : 63), n->op.p);
    for (uint32_t k = 0; k < n->input_count; k++) {
        u.in[k] = vd_lower_value(l, &n->inputs[k]);
        if (u.in[k] != RO_NO_VALUE) u.count = k + 1;
    }
    for (uint32_t k = 0; k < RO_OUTPUTS_MAX; k++) u.out[k] = RO_NO_VALUE;
    RO_TRY(lower_use(&u));
    if (l->train) RO_TRY(note_origin(l, n));
    for (uint32_t k = 0; k < n->output_count; k++) {
        if (!n->outputs[k].id) continue;
        if (u.out[k] == RO_NO_VALUE)
            return vd_use_fail(&u, RO_EOP, "gives no output %u in this program", k);
        RO_TRY(bind(l, &n->outputs[k], u.out[k]));
    }
    return RO_OK;
}

static ro_status lower_nodes(vd_lower *l, const vd_onnx_graph *g)
{
    for (uint32_t k = 0; k < g->node_count; k++) RO_TRY(lower_node(l, &g->nodes[k]));
    return RO_OK;
}

/* ---- the model's own inputs and outputs --------------------------------------------------- */

static ro_status check_size(vd_lower *l, const vd_onnx_type *t, const char *name, uint32_t axis,
                            int64_t size)
{
    const vd_onnx_dim *d = &t->dims[axis];
    char dim[60];
    int64_t want = d->size;
    int named = d->name.id && !vd_onnx_is(&d->name, "?"); /* some writers call all of them that */
    for (uint32_t k = 0; want < 0 && named && k < l->size_count; k++)
        if (l->sizes[k].id == d->name.id) want = l->sizes[k].size;
    if (want >= 0 && want != size) {
        vd_onnx_show(&d->name, dim, sizeof dim);
        return RO_FAIL(l->err, RO_ESHAPE, "input \"%s\" has %lld positions on axis %u; the model "
                       "wants %lld%s%s", name, (long long)size, axis, (long long)want,
                       d->name.n ? ", as before for " : "", dim);
    }
    if (want >= 0 || !named) return RO_OK;
    void *p = l->sizes;
    RO_TRY(vd_lower_more(l, &p, l->size_count, &l->size_room, sizeof *l->sizes));
    l->sizes = p;
    l->sizes[l->size_count++] = (vd_lower_size){d->name.id, size};
    return RO_OK;
}

/* Whether a tensor is of the type that the model wants (NULL: any). sized 0: names of sizes mean
 * nothing, as for members of a sequence. */
static ro_status check_tensor(vd_lower *l, const char *name, const vd_onnx_type *want,
                              const ro_type *t, int sized)
{
    const char *dtype = want ? vd_onnx_dtype_name(want->dtype) : NULL;
    const uint32_t small = want && vd_small_bits(want->dtype) ? want->dtype : 0;
    RO_TRY(ro_type_check(t, l->err));
    if (want && want->dtype &&
        (uint32_t)t->dtype != (small ? (uint32_t)vd_small_held(small) : want->dtype))
        return RO_FAIL(l->err, RO_ETYPE, "input \"%s\" is %s; the model wants %s", name,
                       ro_dtypes[t->dtype].name, dtype ? dtype : "?");
    if (want && want->has_shape && want->rank != t->rank && sized)
        return RO_FAIL(l->err, RO_ESHAPE, "input \"%s\" has %u axes; the model wants %u", name,
                       t->rank, want->rank);
    for (uint32_t a = 0; want && want->has_shape && sized && a < t->rank; a++)
        RO_TRY(check_size(l, want, name, a, t->dims[a]));
    return RO_OK;
}

static ro_status take_tensor(vd_lower *l, const char *name, const vd_onnx_type *want,
                             const char *as, const ro_tensor *x, int sized, ro_value *made)
{
    RO_TRY(check_tensor(l, name, want, &x->type, sized));
    RO_TRY(vd_lower_constant(l, as, &x->type, x->data, made));
    return want && vd_small_bits(want->dtype) ? vd_lower_mark(l, *made, want->dtype) : RO_OK;
}

/* "x[2]", in the arena. */
static ro_status member_name(vd_lower *l, const char *name, size_t n, uint32_t at, const char **out)
{
    char number[16];
    const int digits = snprintf(number, sizeof number, "[%u]", at);
    char *p = ro_arena_alloc(l->arena, n + (size_t)digits + 1);
    if (!p) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
    memcpy(p, name, n);
    memcpy(p + n, number, (size_t)digits + 1);
    *out = p;
    return RO_OK;
}

static ro_status take_list(vd_lower *l, const char *name, const vd_onnx_type *want,
                           const vd_onnx_input *in, ro_value *made)
{
    ro_value *items;
    const char *as = NULL;
    RO_TRY(vd_lower_list_new(l, in->count, &items, made));
    for (uint32_t k = 0; k < in->count; k++) {
        RO_TRY(member_name(l, in->name, strlen(in->name), k, &as));
        if (strlen(as) > VD_NAME_MAX) as = NULL; /* one is made */
        RO_TRY(take_tensor(l, name, want, as, &in->members[k], 0, &items[k]));
        if (in->members[k].type.dtype != in->members[0].type.dtype)
            return RO_FAIL(l->err, RO_ETYPE, "input \"%s\" has members of two dtypes", name);
    }
    return RO_OK;
}

ro_status vd_lower_bind_input(vd_lower *l, const vd_onnx_value *v, const ro_type *t, ro_value is)
{
    char name[80];
    vd_onnx_show(&v->name, name, sizeof name);
    if (v->type && v->type->kind != VD_ONNX_TENSOR && v->type->kind != VD_ONNX_NO_TYPE)
        return RO_FAIL(l->err, RO_EOP, "input \"%s\" is no tensor, which a batch is", name);
    RO_TRY(check_tensor(l, name, v->type, t, 1));
    return bind(l, &v->name, is);
}

static ro_status take_input(vd_lower *l, const vd_onnx_value *v, const vd_onnx_input *in)
{
    const vd_onnx_type *want = v->type;
    ro_value made;
    char name[80];
    vd_onnx_show(&v->name, name, sizeof name);
    const int may_lack = want && want->kind == VD_ONNX_OPTIONAL;
    if (may_lack) want = want->element;
    const int list = want && want->kind == VD_ONNX_SEQUENCE;
    if (list) want = want->element;
    if ((in->form == VD_ONNX_NOTHING && !may_lack) || (in->form == VD_ONNX_LIST && !list) ||
        (in->form == VD_ONNX_ONE && list))
        return RO_FAIL(l->err, RO_ETYPE, "input \"%s\" is not what the model wants: %s", name,
                       list ? "a sequence" : "a tensor");
    if (want && want->kind != VD_ONNX_TENSOR && want->kind != VD_ONNX_NO_TYPE)
        return RO_FAIL(l->err, RO_EOP, "input \"%s\" is of sparse tensors, maps, or sequences in "
                       "others, which are not taken", name);
    if (in->form == VD_ONNX_NOTHING) RO_TRY(vd_lower_nothing(l, &made));
    else if (list) RO_TRY(take_list(l, name, want, in, &made));
    else RO_TRY(take_tensor(l, name, want, in->name, &in->tensor, 1, &made));
    return bind(l, &v->name, made);
}

const vd_onnx_value *vd_lower_input_named(const vd_onnx_graph *g, const char *name)
{
    for (uint32_t k = 0; k < g->input_count; k++)
        if (vd_onnx_is(&g->inputs[k].name, name)) return &g->inputs[k];
    return NULL;
}

ro_status vd_lower_take_inputs(vd_lower *l, const vd_onnx_input *in, uint32_t count)
{
    const vd_onnx_graph *g = &l->m->graphs[0];
    char name[80];
    uint8_t *defaults = ro_arena_alloc(l->arena, l->m->name_count + (size_t)1);
    if (!defaults) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
    for (uint32_t k = 0; k < g->initializer_count; k++) defaults[g->initializers[k].name.id] = 1;
    for (uint32_t k = 0; k < count; k++) {
        const vd_onnx_value *v = vd_lower_input_named(g, in[k].name);
        if (!v) return RO_FAIL(l->err, RO_EUSAGE, "the model has no input \"%.80s\"", in[k].name);
        if (vd_lower_value(l, &v->name) != RO_NO_VALUE)
            return RO_FAIL(l->err, RO_EUSAGE, "input \"%.80s\" is given twice", in[k].name);
        RO_TRY(take_input(l, v, &in[k]));
    }
    for (uint32_t k = 0; k < g->input_count; k++) {
        const vd_onnx_value *v = &g->inputs[k];
        if (vd_lower_value(l, &v->name) != RO_NO_VALUE || defaults[v->name.id]) continue;
        return RO_FAIL(l->err, RO_EUSAGE, "the model's input \"%s\" is not given: --input %s=FILE",
                       vd_onnx_show(&v->name, name, sizeof name), name);
    }
    return RO_OK;
}

/* Outputs are what nodes give, each once. */
static ro_status give_output(vd_lower *l, vd_onnx_job *out, ro_value v, uint8_t *taken)
{
    int own = l->graph->values[v].kind == RO_V_NODE && !taken[v];
    taken[v] = 1;
    out->output_count++;
    if (!own) RO_TRY(vd_lower_plain(l, "Identity", &v, 1, &v));
    return ro_graph_add_output(l->graph, v, l->err);
}

static ro_status give_outputs(vd_lower *l, vd_onnx_job *out)
{
    const vd_onnx_graph *g = &l->m->graphs[0];
    uint64_t n = 0;
    out->given_count = g->output_count;
    out->given = ro_arena_alloc(l->arena, (g->output_count + 1) * sizeof *out->given);
    uint8_t *taken = ro_arena_alloc(l->arena, l->graph->value_count + (size_t)1);
    if (!out->given || !taken) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
    for (uint32_t k = 0; k < g->output_count; k++) {
        ro_value v = vd_lower_value(l, &g->outputs[k].name);
        RO_ASSERT(v != RO_NO_VALUE); /* the reader saw that each is made */
        n += vd_lower_is_list(v) ? vd_lower_list(l, v)->count : 1;
    }
    out->outputs = ro_arena_alloc(l->arena, (n + 1) * sizeof *out->outputs);
    if (!out->outputs) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
    for (uint32_t k = 0; k < g->output_count; k++) {
        const vd_onnx_text *name = &g->outputs[k].name;
        ro_value v = vd_lower_value(l, name);
        vd_list one = {&v, 1, 1};
        const int list = vd_lower_is_list(v);
        if (list) one = *vd_lower_list(l, v);
        out->given[k].form = !one.present ? VD_ONNX_NOTHING : list ? VD_ONNX_LIST : VD_ONNX_ONE;
        out->given[k].first = out->output_count;
        out->given[k].count = one.count;
        for (uint32_t i = 0; i < one.count; i++) {
            const char **to = &out->outputs[out->output_count];
            if (list) RO_TRY(member_name(l, name->p, name->n, i, to));
            else *to = ro_arena_string(l->arena, name->p, name->n);
            if (!*to) return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
            RO_TRY(give_output(l, out, one.items[i], taken));
        }
    }
    return RO_OK;
}

/* ---- the job ------------------------------------------------------------------------------ */

/* Of the k-th that was made. */
static ro_status name_constant(vd_lower *l, uint32_t k, const char **name)
{
    char made[40];
    snprintf(made, sizeof made, "verde.constant.%u", k);
    *name = ro_arena_string(l->arena, made, strlen(made));
    return *name ? RO_OK : RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
}

ro_status vd_lower_settle(vd_lower *l, vd_job *j, vd_onnx_job *out)
{
    ro_graph *g = l->graph;
    uint32_t n = 0;
    RO_TRY(ro_graph_prune(g, l->err));
    for (uint32_t k = 0; k < g->constant_count; k++) {
        ro_value v = g->constants[k];
        if (v == RO_NO_VALUE) continue;
        g->values[v].index = n;
        g->constants[n] = v;
        l->constants[n] = l->constants[k];
        l->data[n] = l->data[k];
        if (!l->constants[n].name) RO_TRY(name_constant(l, k, &l->constants[n].name));
        vd_tensor_digest(&l->constants[n].type, l->data[n], NULL, l->constants[n].digest.b);
        n++;
    }
    g->constant_count = n;
    out->constants = l->data;
    out->job = j;
    j->constants = l->constants;
    j->constant_count = n;
    return RO_OK;
}

ro_status vd_lower_job(vd_lower *l, vd_record record, uint32_t segment, vd_onnx_job *out)
{
    vd_job *j = ro_arena_alloc(l->arena, sizeof *j);
    ro_type step = ro_type_of(RO_I64, 0, NULL);
    if (j) {
        j->phases = ro_arena_alloc(l->arena, sizeof *j->phases);
        j->slots = ro_arena_alloc(l->arena, sizeof *j->slots);
    }
    if (!j || !j->phases || !j->slots) return RO_FAIL(l->err, RO_ENOMEM, "no memory for a job");
    j->arena = l->arena;
    j->repeats = j->phase_count = j->slot_count = 1;
    j->record = record;
    j->segment = segment;
    j->phases[0].steps = 1;
    j->phases[0].graph = l->graph;
    j->slots[0].name = "step";
    j->slots[0].type = step;
    j->slots[0].digest = vd_step_digest(0);
    RO_TRY(vd_lower_settle(l, j, out));
    return vd_job_seal(j, l->err);
}

ro_status vd_lower_begin(vd_lower *l, const vd_onnx *m, ro_arena *arena, ro_err *err)
{
    memset(l, 0, sizeof *l);
    l->m = m;
    l->arena = arena;
    l->err = err;
    l->flops = VD_LOWER_FLOPS;
    l->items = VD_LOWER_INDICES;
    l->numbers = VD_LOWER_INDICES;
    l->turns = VD_LOWER_TURNS;
    l->nodes = VD_LOWER_NODES;
    l->opset = version_of(m->opsets, m->opset_count);
    l->values = ro_arena_alloc(arena, (m->name_count + 1) * sizeof *l->values);
    l->tensors = ro_arena_alloc(arena, (m->tensor_count + 1) * sizeof *l->tensors);
    l->rows = ro_arena_alloc(arena, (m->name_count + (size_t)1) * sizeof *l->rows);
    if (!l->values || !l->tensors || !l->rows)
        return RO_FAIL(err, RO_ENOMEM, "no memory to lower the model");
    for (uint32_t k = 0; k <= m->name_count; k++) l->values[k] = RO_NO_VALUE;
    for (uint32_t k = 0; k <= m->tensor_count; k++) l->tensors[k] = RO_NO_VALUE;
    return RO_OK;
}

ro_status vd_lower_body(vd_lower *l)
{
    RO_TRY(initializers(l, &l->m->graphs[0], 1));
    return lower_nodes(l, &l->m->graphs[0]);
}

ro_status vd_onnx_lower(const vd_onnx *m, const vd_onnx_input *inputs, uint32_t count,
                        vd_record record, uint32_t segment, ro_arena *arena, vd_onnx_job *out,
                        ro_err *err)
{
    vd_lower l;
    memset(out, 0, sizeof *out);
    RO_TRY(vd_lower_begin(&l, m, arena, err));
    RO_TRY(ro_graph_new(arena, &l.graph, err));
    RO_TRY(vd_lower_take_inputs(&l, inputs, count));
    RO_TRY(vd_lower_body(&l));
    RO_TRY(give_outputs(&l, out));
    return vd_lower_job(&l, record, segment, out);
}
