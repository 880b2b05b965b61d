/* graph.c - the SSA step program: building, checking and differentiating it.
 *
 * Invariants
 *   1. A node's inputs are values declared before it: a slot, a constant or a node's output.
 *   2. Every node was admitted: arity, dtype sets, shapes and attributes were checked here, so
 *      nothing later can fail on them.
 *   3. Gradients are ordinary nodes appended after the forward ones. Contributions to one
 *      value are added left to right in the order of its consumers (rule 48). */
#include "host.h"

#include <string.h>

/* ---- growing arrays in an arena ------------------------------------------------------------- */

/* Room for `more` elements in all. The old array stays in the arena. */
static ro_status make_room(ro_arena *a, void **array, uint32_t count, uint32_t *room, size_t size,
                           uint32_t more, const char *what, ro_err *err)
{
    void *p = ro_arena_alloc(a, more * size);
    if (!p) return RO_FAIL(err, RO_ENOMEM, "no memory for %u %s of a graph", more, what);
    if (count) memcpy(p, *array, count * size);
    *array = p;
    *room = more;
    return RO_OK;
}

/* Room for one more element. Eight times what there was: the arrays that are left behind are then a
 * seventh, and an arena takes no memory for room that is not used. */
static ro_status grow(ro_arena *a, void **array, uint32_t count, uint32_t *room, size_t size,
                      uint32_t limit, const char *what, ro_err *err)
{
    if (count < *room) return RO_OK;
    if (count >= limit)
        return RO_FAIL(err, RO_ELIMIT, "a graph has more than %u %s", limit, what);
    uint32_t more = !*room ? 64 : *room > limit / 8 ? limit : *room * 8;
    return make_room(a, array, count, room, size, more, what, err);
}

static ro_status add_value(ro_graph *g, ro_value_kind kind, uint32_t index, uint32_t output,
                           const ro_type *type, ro_value *out, ro_err *err)
{
    void *p = g->values;
    RO_TRY(grow(g->arena, &p, g->value_count, &g->value_room, sizeof *g->values, RO_VALUES_MAX,
                "values", err));
    g->values = p;
    g->values[g->value_count] = (ro_value_info){kind, index, output, *type};
    *out = g->value_count++;
    return RO_OK;
}

ro_status ro_graph_new(ro_arena *arena, ro_graph **out, ro_err *err)
{
    ro_graph *g = ro_arena_alloc(arena, sizeof *g);
    if (!g) return RO_FAIL(err, RO_ENOMEM, "no memory for a graph");
    g->arena = arena;
    *out = g;
    return RO_OK;
}

ro_status ro_graph_reserve(ro_graph *g, uint32_t nodes, uint32_t values, ro_err *err)
{
    void *n = g->nodes, *v = g->values;
    if (nodes > RO_NODES_MAX - g->node_count || values > RO_VALUES_MAX - g->value_count)
        return RO_FAIL(err, RO_ELIMIT, "a graph of %u nodes more and %u values more; at most %u "
                       "and %u are allowed", nodes, values, RO_NODES_MAX, RO_VALUES_MAX);
    nodes += g->node_count;
    values += g->value_count;
    if (nodes > g->node_room)
        RO_TRY(make_room(g->arena, &n, g->node_count, &g->node_room, sizeof *g->nodes, nodes,
                         "nodes", err));
    g->nodes = n;
    if (values > g->value_room)
        RO_TRY(make_room(g->arena, &v, g->value_count, &g->value_room, sizeof *g->values, values,
                         "values", err));
    g->values = v;
    return RO_OK;
}

/* Arrays by slot or constant number have an entry for every number up to the largest declared. */
static ro_status reach(ro_graph *g, ro_value **array, uint32_t *count, uint32_t *room,
                       uint32_t index, const char *what, ro_err *err)
{
    while (*count <= index) {
        void *p = *array;
        RO_TRY(grow(g->arena, &p, *count, room, sizeof **array, RO_VALUES_MAX, what, err));
        *array = p;
        (*array)[(*count)++] = RO_NO_VALUE;
    }
    return RO_OK;
}

static ro_status declare(ro_graph *g, ro_value_kind kind, uint32_t index, const ro_type *type,
                         ro_value *known, ro_value *out, ro_err *err)
{
    if (*known != RO_NO_VALUE)
        return RO_FAIL(err, RO_EUSAGE, "%s %u is declared twice in one graph",
                       kind == RO_V_SLOT ? "slot" : "constant", index);
    RO_TRY(ro_type_check(type, err));
    RO_TRY(add_value(g, kind, index, 0, type, out, err));
    *known = *out;
    return RO_OK;
}

ro_status ro_graph_slot(ro_graph *g, uint32_t index, const ro_type *type, ro_value *out,
                        ro_err *err)
{
    uint32_t count = g->slot_count;
    RO_TRY(reach(g, &g->next, &count, &g->next_room, index, "slots", err));
    RO_TRY(reach(g, &g->slots, &g->slot_count, &g->slot_room, index, "slots", err));
    return declare(g, RO_V_SLOT, index, type, &g->slots[index], out, err);
}

ro_status ro_graph_constant(ro_graph *g, uint32_t index, const ro_type *type, ro_value *out,
                            ro_err *err)
{
    RO_TRY(reach(g, &g->constants, &g->constant_count, &g->constant_room, index, "constants", err));
    return declare(g, RO_V_CONSTANT, index, type, &g->constants[index], out, err);
}

const ro_type *ro_graph_type(const ro_graph *g, ro_value v)
{
    RO_ASSERT(v < g->value_count);
    return &g->values[v].type;
}

ro_status ro_graph_set_next(ro_graph *g, uint32_t slot, ro_value v, ro_err *err)
{
    if (slot >= g->slot_count || v >= g->value_count)
        return RO_FAIL(err, RO_EUSAGE, "slot %u or value %u is not in the graph", slot, v);
    if (g->slots[slot] == RO_NO_VALUE)
        return RO_FAIL(err, RO_EUSAGE, "slot %u is not declared in this graph", slot);
    const ro_type *have = ro_graph_type(g, g->slots[slot]), *next = ro_graph_type(g, v);
    if (!ro_type_equal(have, next)) {
        char a[96], b[96];
        return RO_FAIL(err, RO_ESHAPE, "slot %u is %s and its next value is %s", slot,
                       ro_type_text(have, a, sizeof a), ro_type_text(next, b, sizeof b));
    }
    g->next[slot] = v;
    return RO_OK;
}

ro_status ro_graph_add_output(ro_graph *g, ro_value v, ro_err *err)
{
    void *p = g->outputs;
    if (v >= g->value_count) return RO_FAIL(err, RO_EUSAGE, "value %u is not in the graph", v);
    RO_TRY(grow(g->arena, &p, g->output_count, &g->output_room, sizeof *g->outputs, RO_VALUES_MAX,
                "outputs", err));
    g->outputs = p;
    g->outputs[g->output_count++] = v;
    return RO_OK;
}

/* ---- signatures ----------------------------------------------------------------------------- */

/* One declared input or output: "F x?" */
typedef struct { char set[6]; int optional, variadic; } formal;

/* Read one formal at *s; 0 at the end of the list ("->" or the string's end). */
static int next_formal(const char **s, formal *f)
{
    const char *p = *s;
    size_t n = 0;
    while (*p == ' ' || *p == ',') p++;
    if (!*p || (p[0] == '-' && p[1] == '>')) {
        *s = p;
        return 0;
    }
    memset(f, 0, sizeof *f);
    while (*p && *p != ' ' && n + 1 < sizeof f->set) f->set[n++] = *p++;
    while (*p && *p != ',' && !(p[0] == '-' && p[1] == '>')) {
        if (*p == '?') f->optional = 1;
        if (*p == '.') f->variadic = 1;
        p++;
    }
    *s = p;
    return 1;
}

static int in_set(const char *set, ro_dtype d)
{
    ro_compute c = ro_dtypes[d].compute;
    switch (set[1] ? 0 : set[0]) {
    case 'F': return c == RO_C_F32 || c == RO_C_F64;
    case 'H': return c == RO_C_F32;
    case 'S': return d == RO_F32 || d == RO_F64;
    case 'I': return d == RO_I32 || d == RO_I64;
    case 'N': return d != RO_BOOL;
    case 'A': case 'B': return 1;
    default: break;
    }
    return d != RO_NONE && ro_dtype_by_word(set) == d;
}

/* dtypes bound to the set letters so far: equal letters mean equal dtypes. */
typedef struct { ro_dtype bound[26]; } bindings;

static ro_status bind(const char *op, const formal *f, uint32_t k, const char *what, ro_dtype d,
                      bindings *b, ro_err *err)
{
    if (!in_set(f->set, d))
        return RO_FAIL(err, RO_ETYPE, "%s of %s number %u is %s; it takes %s", what, op, k,
                       ro_dtypes[d].name, f->set);
    if (f->set[1]) return RO_OK;
    if (f->set[0] == 'F') b->bound['S' - 'A'] = ro_dtypes[d].compute == RO_C_F64 ? RO_F64 : RO_F32;
    ro_dtype *slot = &b->bound[f->set[0] - 'A'];
    if (*slot == RO_NONE) *slot = d;
    if (*slot != d)
        return RO_FAIL(err, RO_ETYPE, "%s %u of %s is %s where %s is needed", what, k, op,
                       ro_dtypes[d].name, ro_dtypes[*slot].name);
    return RO_OK;
}

static ro_status check_inputs(const ro_op_desc *d, const ro_type *in, uint32_t n, bindings *b,
                              const char **rest, ro_err *err)
{
    const char *s = d->signature;
    formal f;
    uint32_t k = 0;
    while (next_formal(&s, &f)) {
        do {
            int absent = k >= n || in[k].dtype == RO_NONE;
            if (absent && f.variadic && k >= n && k > 0) break;
            if (absent && !f.optional)
                return RO_FAIL(err, RO_EUSAGE, "%s lacks its input %u", d->name, k);
            if (!absent) RO_TRY(bind(d->name, &f, k, "input", in[k].dtype, b, err));
            k++;
        } while (f.variadic && k < n);
    }
    if (n > k) return RO_FAIL(err, RO_EUSAGE, "%s has %u inputs; it takes %u", d->name, n, k);
    *rest = s[0] == '-' ? s + 2 : s;
    return RO_OK;
}

static ro_status check_outputs(const ro_op_desc *d, const char *s, const ro_type *out, uint32_t n,
                               bindings *b, ro_err *err)
{
    formal f;
    uint32_t k = 0, required = 0;
    while (next_formal(&s, &f)) {
        do {
            if (!f.optional && !f.variadic) required = k + 1;
            if (out && k < n) RO_TRY(bind(d->name, &f, k, "output", out[k].dtype, b, err));
            k++;
        } while (f.variadic && k < n);
    }
    if (n < required || n > k || n == 0)
        return RO_FAIL(err, RO_EUSAGE, "%s is asked for %u outputs; it has %u to %u", d->name, n,
                       required, k);
    return RO_OK;
}

static ro_status infer_node(ro_op op, const void *attrs, const ro_type *in, uint32_t n_in,
                            ro_type *out, uint32_t n_out, ro_err *err)
{
    const ro_op_desc *d = &ro_ops[op];
    bindings b;
    const char *outputs = d->signature;
    memset(&b, 0, sizeof b);
    RO_TRY(check_inputs(d, in, n_in, &b, &outputs, err));
    RO_TRY(check_outputs(d, outputs, NULL, n_out, &b, err));
    ro_compute c = n_in ? ro_dtypes[in[0].dtype].compute : RO_C_F32;
    if (!d->at[c])
        return RO_FAIL(err, RO_ETYPE, "%s does not compute in %s", d->name,
                       ro_dtypes[in[0].dtype].name);
    RO_TRY(d->infer(attrs, in, n_in, out, n_out, err));
    for (uint32_t k = 0; k < n_out; k++) RO_TRY(ro_type_check(&out[k], err));
    return check_outputs(d, outputs, out, n_out, &b, err);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static ro_status copy_node(ro_graph *g, ro_op op, const void *attrs, const ro_value *in,
                           uint32_t inputs, ro_node *n, ro_err *err)
{
    n->op = op;
    n->inputs = inputs;
    const size_t size = ro_ops[op].attrs_size, before = inputs * sizeof *n->in;
    const size_t at = (before + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) *
                      _Alignof(max_align_t);
    n->in = ro_arena_alloc(g->arena, at + size);
    if (!n->in) return RO_FAIL(err, RO_ENOMEM, "no memory for a node of a graph");
    n->attrs = (char *)n->in + at;
    if (attrs) memcpy(n->attrs, attrs, size);
    if (inputs) memcpy(n->in, in, inputs * sizeof *in);
    return RO_OK;
}

ro_status ro_graph_node(ro_graph *g, ro_op op, const void *attrs, const ro_value *in,
                        uint32_t inputs, uint32_t outputs, ro_value *first, ro_err *err)
{
    ro_type types[RO_INPUTS_MAX], made[RO_OUTPUTS_MAX];
    if ((unsigned)op >= RO_OP_COUNT) return RO_FAIL(err, RO_EOP, "%d is not an operator", (int)op);
    if (inputs > RO_INPUTS_MAX || outputs > RO_OUTPUTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%s has %u inputs and %u outputs; at most %u are allowed",
                       ro_ops[op].name, inputs, outputs, RO_INPUTS_MAX);
    memset(types, 0, inputs * sizeof *types);
    memset(made, 0, outputs * sizeof *made);
    for (uint32_t k = 0; k < inputs; k++) {
        if (in[k] == RO_NO_VALUE) continue;
        if (in[k] >= g->value_count)
            return RO_FAIL(err, RO_EUSAGE, "%s reads value %u of %u", ro_ops[op].name, in[k],
                           g->value_count);
        types[k] = g->values[in[k]].type;
    }
    void *p = g->nodes;
    RO_TRY(grow(g->arena, &p, g->node_count, &g->node_room, sizeof *g->nodes, RO_NODES_MAX,
                "nodes", err));
    g->nodes = p;
    ro_node *n = &g->nodes[g->node_count];
    memset(n, 0, sizeof *n);
    RO_TRY(copy_node(g, op, attrs, in, inputs, n, err));
    RO_TRY(infer_node(op, n->attrs, types, inputs, made, outputs, err));
    n->outputs = outputs;
    n->first_output = g->value_count;
    for (uint32_t k = 0; k < outputs; k++) {
        ro_value v;
        RO_TRY(add_value(g, RO_V_NODE, g->node_count, k, &made[k], &v, err));
    }
    *first = n->first_output;
    g->node_count++;
    return RO_OK;
}

/* ---- emission ------------------------------------------------------------------------------- */

ro_status ro_emit(ro_graph *g, ro_op op, const void *attrs, const ro_value *in, uint32_t n,
                  ro_value *out, ro_err *err)
{
    return ro_graph_node(g, op, attrs, in, n, 1, out, err);
}

ro_status ro_emit1(ro_graph *g, ro_op op, const void *attrs, ro_value a, ro_value *out,
                   ro_err *err)
{
    return ro_emit(g, op, attrs, &a, 1, out, err);
}

ro_status ro_emit2(ro_graph *g, ro_op op, const void *attrs, ro_value a, ro_value b,
                   ro_value *out, ro_err *err)
{
    ro_value in[2] = {a, b};
    return ro_emit(g, op, attrs, in, 2, out, err);
}

/* ---- gradients ------------------------------------------------------------------------------ */

/* A gradient that reaches `value` through input `input` of a consumer. */
typedef struct contribution { struct contribution *next; ro_value grad; } contribution;

typedef struct {
    ro_graph *g;
    uint32_t values;      /* of the forward graph */
    uint8_t *needed;      /* the value depends on a wrt value */
    contribution **grads; /* ascending consumers */
} reverse;

static ro_status contribute(reverse *r, ro_value v, ro_value grad, ro_err *err)
{
    contribution *c = ro_arena_alloc(r->g->arena, sizeof *c);
    if (!c) return RO_FAIL(err, RO_ENOMEM, "no memory for a gradient");
    c->grad = grad;
    c->next = r->grads[v]; /* consumers are visited last to first: the list is ascending */
    r->grads[v] = c;
    return RO_OK;
}

/* The gradient of v: its contributions added left to right; RO_NO_VALUE when there is none. */
static ro_status total(reverse *r, ro_value v, ro_value *out, ro_err *err)
{
    const contribution *c = r->grads[v];
    *out = c ? c->grad : RO_NO_VALUE;
    for (c = c ? c->next : NULL; c; c = c->next)
        RO_TRY(ro_emit2(r->g, RO_OP_Add, NULL, *out, c->grad, out, err));
    return RO_OK;
}

static ro_status reverse_node(reverse *r, uint32_t index, ro_err *err)
{
    ro_node n = r->g->nodes[index]; /* a copy: emission moves the array */
    ro_value dy[RO_OUTPUTS_MAX], dx[RO_INPUTS_MAX];
    int wanted = 0, reached = 0;
    for (uint32_t k = 0; k < n.inputs; k++) {
        dx[k] = RO_NO_VALUE;
        if (n.in[k] != RO_NO_VALUE && r->needed[n.in[k]]) wanted = 1;
    }
    for (uint32_t k = 0; k < n.outputs; k++)
        if (r->grads[n.first_output + k]) reached = 1;
    if (!wanted || !reached) return RO_OK;
    for (uint32_t k = 0; k < n.outputs; k++) RO_TRY(total(r, n.first_output + k, &dy[k], err));
    if (!ro_ops[n.op].grad)
        return RO_FAIL(err, RO_EOP, "%s has no gradient; a model with it cannot be trained",
                       ro_ops[n.op].name);
    RO_TRY(ro_ops[n.op].grad(r->g, &n, dy, dx, err));
    for (uint32_t k = n.inputs; k-- > 0;)
        if (dx[k] != RO_NO_VALUE && r->needed[n.in[k]]) RO_TRY(contribute(r, n.in[k], dx[k], err));
    return RO_OK;
}

static void mark_needed(reverse *r, const ro_value *wrt, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) r->needed[wrt[k]] = 1;
    for (uint32_t i = 0; i < r->g->node_count; i++) {
        const ro_node *n = &r->g->nodes[i];
        int any = 0;
        for (uint32_t k = 0; k < n->inputs; k++)
            any |= n->in[k] != RO_NO_VALUE && r->needed[n->in[k]];
        for (uint32_t k = 0; any && k < n->outputs; k++)
            if (ro_dtype_is_float(r->g->values[n->first_output + k].type.dtype))
                r->needed[n->first_output + k] = 1;
    }
}

ro_status ro_graph_differentiate(ro_graph *g, ro_value loss, const ro_value *wrt, uint32_t count,
                                 ro_value *grads, uint32_t *stuck, ro_err *err)
{
    reverse r = {g, g->value_count, NULL, NULL};
    uint32_t nodes = g->node_count;
    if (stuck) *stuck = UINT32_MAX;
    if (loss >= g->value_count || ro_graph_type(g, loss)->rank != 0 ||
        !ro_dtype_is_float(ro_graph_type(g, loss)->dtype))
        return RO_FAIL(err, RO_ESHAPE, "a loss is one float: a scalar of rank 0");
    for (uint32_t k = 0; k < count; k++)
        if (wrt[k] >= g->value_count || !ro_dtype_is_float(ro_graph_type(g, wrt[k])->dtype))
            return RO_FAIL(err, RO_ETYPE, "parameter %u is not a float tensor of the graph", k);
    r.needed = ro_arena_alloc(g->arena, r.values);
    r.grads = ro_arena_alloc(g->arena, r.values * sizeof *r.grads);
    if (!r.needed || !r.grads) return RO_FAIL(err, RO_ENOMEM, "no memory for gradients");
    mark_needed(&r, wrt, count);
    ro_value one;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, loss)->dtype, 1.0, &one, err));
    RO_TRY(contribute(&r, loss, one, err));
    for (uint32_t i = nodes; i-- > 0;) {
        ro_status st = reverse_node(&r, i, err);
        if (st && stuck) *stuck = i;
        RO_TRY(st);
    }
    for (uint32_t k = 0; k < count; k++) {
        RO_TRY(total(&r, wrt[k], &grads[k], err));
        if (grads[k] != RO_NO_VALUE) continue;
        ro_type t = *ro_graph_type(g, wrt[k]);
        RO_TRY(ro_emit_fill(g, &t, 0.0, &grads[k], err));
    }
    return RO_OK;
}

/* ---- pruning -------------------------------------------------------------------------------- */

static void mark_live(const ro_graph *g, uint8_t *live)
{
    for (uint32_t s = 0; s < g->slot_count; s++)
        if (g->next[s] != RO_NO_VALUE) live[g->next[s]] = 1;
    for (uint32_t k = 0; k < g->output_count; k++) live[g->outputs[k]] = 1;
    for (uint32_t i = g->node_count; i-- > 0;) {
        const ro_node *n = &g->nodes[i];
        int any = 0;
        for (uint32_t k = 0; k < n->outputs; k++) any |= live[n->first_output + k];
        for (uint32_t k = 0; any && k < n->outputs; k++) live[n->first_output + k] = 1;
        for (uint32_t k = 0; any && k < n->inputs; k++)
            if (n->in[k] != RO_NO_VALUE) live[n->in[k]] = 1;
    }
    for (uint32_t v = 0; v < g->value_count; v++)
        if (g->values[v].kind != RO_V_NODE) live[v] = 1;
}

ro_status ro_graph_prune(ro_graph *g, ro_err *err)
{
    uint8_t *live = ro_arena_alloc(g->arena, g->value_count);
    ro_value *to = ro_arena_alloc(g->arena, g->value_count * sizeof *to);
    uint32_t values = 0, nodes = 0;
    if (!live || !to) return RO_FAIL(err, RO_ENOMEM, "no memory to prune a graph");
    mark_live(g, live);
    for (uint32_t v = 0; v < g->value_count; v++) {
        to[v] = live[v] ? values : RO_NO_VALUE;
        if (live[v]) g->values[values++] = g->values[v];
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        ro_node n = g->nodes[i];
        if (!live[n.first_output]) continue;
        n.first_output = to[n.first_output];
        for (uint32_t k = 0; k < n.inputs; k++)
            if (n.in[k] != RO_NO_VALUE) n.in[k] = to[n.in[k]];
        for (uint32_t k = 0; k < n.outputs; k++) g->values[n.first_output + k].index = nodes;
        g->nodes[nodes++] = n;
    }
    g->value_count = values;
    g->node_count = nodes;
    for (uint32_t s = 0; s < g->slot_count; s++) {
        if (g->slots[s] != RO_NO_VALUE) g->slots[s] = to[g->slots[s]];
        if (g->next[s] != RO_NO_VALUE) g->next[s] = to[g->next[s]];
    }
    for (uint32_t c = 0; c < g->constant_count; c++)
        if (g->constants[c] != RO_NO_VALUE) g->constants[c] = to[g->constants[c]];
    for (uint32_t k = 0; k < g->output_count; k++) g->outputs[k] = to[g->outputs[k]];
    return RO_OK;
}
