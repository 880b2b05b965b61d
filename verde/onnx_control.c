/* onnx_control.c - branches, loops and scans put in place; sequences and optional values.
 *
 * What this file decides: which graph a branch is, how often a body is put in place, and what is a
 * member of a sequence. All of it is known before the run, so none of it is left in the job.
 *
 * Invariants
 *   1. A sequence is a list of values, and is never changed once it is made.
 *   2. Turns of all loops, and members of all sequences, come from one budget each. */
#include "onnx_lower.h"

static ro_status no_memory(const vd_lower *l)
{
    return RO_FAIL(l->err, RO_ENOMEM, "no memory to lower the model");
}

/* ---- lists -------------------------------------------------------------------------------- */

int vd_lower_is_list(ro_value v) { return v >= VD_LIST_FIRST && v != RO_NO_VALUE; }

const vd_list *vd_lower_list(const vd_lower *l, ro_value v)
{
    RO_ASSERT(vd_lower_is_list(v) && v - VD_LIST_FIRST < l->list_count);
    return &l->lists[v - VD_LIST_FIRST];
}

ro_status vd_lower_list_new(vd_lower *l, uint64_t count, ro_value **items, ro_value *out)
{
    void *p = l->lists;
    if (count > l->items)
        return RO_FAIL(l->err, RO_ELIMIT, "the model's sequences have over %llu members, all "
                       "together", (unsigned long long)VD_LOWER_INDICES);
    RO_TRY(vd_lower_more(l, &p, l->list_count, &l->list_room, sizeof *l->lists));
    l->lists = p;
    *items = ro_arena_alloc(l->arena, (count + 1) * sizeof **items);
    if (!*items) return no_memory(l);
    l->items -= count;
    l->lists[l->list_count] = (vd_list){*items, (uint32_t)count, 1};
    *out = VD_LIST_FIRST + l->list_count++;
    return RO_OK;
}

ro_status vd_lower_nothing(vd_lower *l, ro_value *out)
{
    ro_value *none;
    RO_TRY(vd_lower_list_new(l, 0, &none, out));
    l->lists[l->list_count - 1].present = 0;
    return RO_OK;
}

/* The sequence that an input is. */
static ro_status sequence(const vd_use *u, uint32_t input, vd_list *out)
{
    ro_value v = input < u->count ? u->in[input] : RO_NO_VALUE;
    memset(out, 0, sizeof *out);
    if (!vd_lower_is_list(v) || !vd_lower_list(u->l, v)->present)
        return vd_use_fail(u, RO_ETYPE, "wants a sequence as input %u", input);
    *out = *vd_lower_list(u->l, v);
    return RO_OK;
}

/* Its members are of one dtype. */
static ro_status check_member(const vd_use *u, const vd_list *s, ro_value x)
{
    const ro_graph *g = u->l->graph;
    if (x == RO_NO_VALUE || vd_lower_is_list(x))
        return vd_use_fail(u, RO_ETYPE, "has a member that is no tensor");
    if (!s->count || ro_graph_type(g, s->items[0])->dtype == ro_graph_type(g, x)->dtype)
        return RO_OK;
    return vd_use_fail(u, RO_ETYPE, "has members of two dtypes");
}

/* The place that an input says, from 0 to `most`; a negative one counts from n. */
static ro_status place_of(const vd_use *u, uint32_t input, int64_t n, int64_t most,
                          int64_t otherwise, uint32_t *out)
{
    double real;
    int64_t at = otherwise;
    if (input < u->count && u->in[input] != RO_NO_VALUE) {
        RO_TRY(vd_use_scalar(u, input, &real, &at));
        if (at < 0) at += n;
    }
    *out = (uint32_t)at;
    if (at >= 0 && at <= most) return RO_OK;
    return vd_use_fail(u, RO_ESHAPE, "has a place outside a sequence of %lld", (long long)n);
}

static ro_status sequence_construct(vd_use *u)
{
    vd_list s = {NULL, 0, 1};
    ro_value *items;
    RO_TRY(vd_use_wants(u, 1, RO_INPUTS_MAX));
    RO_TRY(vd_lower_list_new(u->l, u->count, &items, &u->out[0]));
    for (s.items = items; s.count < u->count; s.count++) {
        RO_TRY(check_member(u, &s, u->in[s.count]));
        items[s.count] = u->in[s.count];
    }
    return RO_OK;
}

static ro_status sequence_empty(vd_use *u)
{
    ro_value *items;
    RO_TRY(vd_use_wants(u, 0, 0));
    return vd_lower_list_new(u->l, 0, &items, &u->out[0]);
}

static ro_status sequence_insert(vd_use *u)
{
    vd_list s;
    ro_value *items;
    uint32_t at;
    RO_TRY(vd_use_wants(u, 2, 3));
    RO_TRY(sequence(u, 0, &s));
    RO_TRY(check_member(u, &s, u->in[1]));
    RO_TRY(place_of(u, 2, s.count, s.count, s.count, &at));
    RO_TRY(vd_lower_list_new(u->l, s.count + (uint64_t)1, &items, &u->out[0]));
    for (uint32_t k = 0; k <= s.count; k++)
        items[k] = k == at ? u->in[1] : s.items[k > at ? k - 1 : k];
    return RO_OK;
}

static ro_status sequence_erase(vd_use *u)
{
    vd_list s;
    ro_value *items;
    uint32_t at;
    RO_TRY(vd_use_wants(u, 1, 2));
    RO_TRY(sequence(u, 0, &s));
    RO_TRY(place_of(u, 1, s.count, (int64_t)s.count - 1, (int64_t)s.count - 1, &at));
    RO_TRY(vd_lower_list_new(u->l, s.count - 1, &items, &u->out[0]));
    for (uint32_t k = 0; k + 1 < s.count; k++) items[k] = s.items[k < at ? k : k + 1];
    return RO_OK;
}

static ro_status sequence_at(vd_use *u)
{
    vd_list s;
    uint32_t at;
    RO_TRY(vd_use_wants(u, 2, 2));
    RO_TRY(sequence(u, 0, &s));
    RO_TRY(place_of(u, 1, s.count, (int64_t)s.count - 1, 0, &at));
    u->out[0] = s.items[at];
    return RO_OK;
}

static ro_status sequence_length(vd_use *u)
{
    vd_list s;
    RO_TRY(vd_use_wants(u, 1, 1));
    RO_TRY(sequence(u, 0, &s));
    const int64_t n = s.count;
    return vd_lower_int64s(u->l, &n, 0, NULL, &u->out[0]);
}

/* The sizes of the parts: by default 1 each; one number is the size of all but the last. */
static ro_status parts_of(vd_use *u, int64_t n, int64_t **sizes, uint32_t *count)
{
    const ro_type *t = vd_use_type(u, 1);
    double real;
    int64_t each = 1;
    *count = 0;
    *sizes = NULL;
    if (t && t->rank) {
        vd_maker m = {u->l, RO_OK};
        const uint64_t parts = ro_type_elements(t);
        const void *data;
        if (t->rank != 1 || (t->dtype != RO_I32 && t->dtype != RO_I64))
            return vd_use_fail(u, RO_ETYPE, "wants a list of integers as input 1");
        RO_TRY(vd_use_list(u, parts, sizes));
        ro_value list = vd_make_cast(&m, u->in[1], RO_I64);
        RO_TRY(m.status);
        RO_TRY(vd_lower_known(u->l, list, &data));
        memcpy(*sizes, data, parts * sizeof **sizes);
        *count = (uint32_t)parts;
        return RO_OK;
    }
    if (t) RO_TRY(vd_use_scalar(u, 1, &real, &each));
    if (each < 1) return vd_use_fail(u, RO_EATTR, "has parts of %lld", (long long)each);
    RO_TRY(vd_use_list(u, (uint64_t)(n / each) + 1, sizes));
    for (; n > 0; n -= each) (*sizes)[(*count)++] = n < each ? n : each;
    return RO_OK;
}

static ro_status split_to_sequence(vd_use *u)
{
    vd_maker m = {u->l, RO_OK};
    ro_value *items;
    int64_t *sizes, at = 0;
    uint32_t axis, count;
    RO_TRY(vd_use_wants(u, 1, 2));
    if (!vd_use_type(u, 0)) return vd_use_fail(u, RO_ETYPE, "splits a sequence");
    const ro_type t = *vd_use_type(u, 0);
    const int one = !vd_use_type(u, 1) && !vd_use_int(u, "keepdims", 1);
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", 0), t.rank, &axis));
    RO_TRY(parts_of(u, t.dims[axis], &sizes, &count));
    RO_TRY(vd_use_nodes(u, count));
    RO_TRY(vd_lower_list_new(u->l, count, &items, &u->out[0]));
    for (uint32_t k = 0; k < count; at += sizes[k++]) {
        if (sizes[k] < 0 || sizes[k] > t.dims[axis] - at)
            return vd_use_fail(u, RO_ESHAPE, "has parts that do not fit axis %u", axis);
        items[k] = one ? vd_make_at(&m, u->in[0], axis, at)
                       : vd_make_slice(&m, u->in[0], axis, at, at + sizes[k], 1);
        RO_TRY(m.status);
    }
    if (at == t.dims[axis]) return RO_OK;
    return vd_use_fail(u, RO_ESHAPE, "has parts that do not fill axis %u", axis);
}

/* Values one after another: along an axis they have, or along a new one. */
static ro_status join(vd_use *u, const ro_value *v, uint32_t n, uint32_t axis, int is_new,
                      ro_value *out)
{
    vd_lower *l = u->l;
    vd_maker m = {l, RO_OK};
    ro_value *all = ro_arena_alloc(l->arena, (n + (size_t)1) * sizeof *all);
    if (!all) return no_memory(l);
    for (uint32_t k = 0; k < n; k++) all[k] = is_new ? vd_make_axis(&m, v[k], axis) : v[k];
    RO_TRY(m.status);
    return vd_lower_concat(l, all, n, axis, out);
}

static ro_status concat_from_sequence(vd_use *u)
{
    vd_list s;
    uint32_t axis;
    int is_new = vd_use_int(u, "new_axis", 0) != 0;
    RO_TRY(vd_use_wants(u, 1, 1));
    RO_TRY(sequence(u, 0, &s));
    if (!s.count) return vd_use_fail(u, RO_ESHAPE, "joins the members of an empty sequence");
    const uint32_t rank = ro_graph_type(u->l->graph, s.items[0])->rank;
    RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", 0), rank + (is_new ? 1 : 0), &axis));
    return join(u, s.items, s.count, axis, is_new, &u->out[0]);
}

/* ---- optional values ---------------------------------------------------------------------- */

static int is_nothing(const vd_use *u, uint32_t input)
{
    ro_value v = input < u->count ? u->in[input] : RO_NO_VALUE;
    return v == RO_NO_VALUE || (vd_lower_is_list(v) && !vd_lower_list(u->l, v)->present);
}

static ro_status optional(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 0, 1));
    u->out[0] = u->count ? u->in[0] : RO_NO_VALUE;
    return u->count ? RO_OK : vd_lower_nothing(u->l, &u->out[0]);
}

static ro_status optional_has(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 0, 1));
    return vd_lower_scalar(u->l, RO_BOOL, !is_nothing(u, 0), &u->out[0]);
}

static ro_status optional_get(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 1, 1));
    if (is_nothing(u, 0)) return vd_use_fail(u, RO_EOP, "gets the element of nothing");
    u->out[0] = u->in[0];
    return RO_OK;
}

static ro_status identity(vd_use *u)
{
    RO_TRY(vd_use_wants(u, 1, 1));
    u->out[0] = u->in[0];
    if (vd_lower_is_list(u->in[0])) return RO_OK;
    return vd_lower_plain(u->l, "Identity", u->in, 1, &u->out[0]);
}

/* ---- branches and loops ------------------------------------------------------------------- */

ro_status vd_use_graph(const vd_use *u, const char *name, const vd_onnx_graph **g)
{
    const vd_onnx_attribute *a = vd_use_attribute(u, name);
    *g = NULL;
    if (!a || a->type != VD_A_GRAPH)
        return vd_use_fail(u, RO_EATTR, "lacks the graph \"%s\"", name);
    *g = a->v.graphs;
    if ((*g)->output_count > RO_OUTPUTS_MAX || (*g)->input_count > RO_INPUTS_MAX)
        return vd_use_fail(u, RO_ELIMIT, "has an inner graph of more than %u values",
                           RO_OUTPUTS_MAX);
    return RO_OK;
}

ro_status vd_use_turns(const vd_use *u, uint64_t n)
{
    if (n > u->l->turns)
        return vd_use_fail(u, RO_ELIMIT, "turns on when all loops have taken %u turns",
                           VD_LOWER_TURNS);
    u->l->turns -= (uint32_t)n;
    return RO_OK;
}

static ro_status condition(const vd_use *u, ro_value v, int *holds)
{
    const void *data;
    const ro_type *t = vd_lower_is_list(v) ? NULL : ro_graph_type(u->l->graph, v);
    if (!t || t->dtype != RO_BOOL || ro_type_elements(t) != 1)
        return vd_use_fail(u, RO_ETYPE, "has a condition that is not one bool");
    RO_TRY(vd_lower_known(u->l, v, &data));
    *holds = *(const uint8_t *)data != 0;
    return RO_OK;
}

static ro_status branch(vd_use *u)
{
    const vd_onnx_graph *g;
    int holds = 0;
    if (u->count != 1 || u->in[0] == RO_NO_VALUE)
        return vd_use_fail(u, RO_EFORMAT, "lacks its condition");
    RO_TRY(condition(u, u->in[0], &holds));
    RO_TRY(vd_use_graph(u, holds ? "then_branch" : "else_branch", &g));
    if (g->output_count != u->node->output_count)
        return vd_use_fail(u, RO_EFORMAT, "has %u outputs and a branch with %u",
                           u->node->output_count, g->output_count);
    return vd_lower_inner(u->l, g, NULL, 0, u->out);
}

/* What a body gives in each of its turns, `per` values a turn. */
typedef struct { ro_value *turns; uint32_t per, room, count; } turns;

static ro_status keep_turn(vd_use *u, turns *o, const ro_value *out)
{
    vd_lower *l = u->l;
    if (o->count == o->room) {
        uint32_t room = o->room ? 2 * o->room : 16;
        ro_value *p = ro_arena_alloc(l->arena, (size_t)room * (o->per + 1) * sizeof *p);
        if (!p) return no_memory(l);
        for (uint32_t s = 0; s < o->per && o->count; s++)
            memcpy(p + s * room, o->turns + s * o->room, o->count * sizeof *p);
        o->turns = p;
        o->room = room;
    }
    for (uint32_t s = 0; s < o->per; s++) {
        if (out[s] == RO_NO_VALUE) return vd_use_fail(u, RO_EFORMAT, "has an output of no value");
        if (vd_lower_is_list(out[s]))
            return vd_use_fail(u, RO_ETYPE, "gives a sequence in each turn");
        o->turns[s * o->room + o->count] = out[s];
    }
    o->count++;
    return RO_OK;
}

/* Those of one of the values, along a new axis. */
static ro_status gather_turns(vd_use *u, const turns *o, uint32_t s, uint32_t axis, ro_value *out)
{
    if (!o->count)
        return vd_use_fail(u, RO_EOP, "runs no turn, and what it gives has no shape then");
    return join(u, o->turns + s * o->room, o->count, axis, 1, out);
}

static ro_status loop(vd_use *u)
{
    vd_lower *l = u->l;
    const vd_onnx_graph *body;
    turns o = {NULL, 0, 0, 0};
    ro_value in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    double real;
    int64_t most = INT64_MAX;
    int holds = 1, has_most = u->count > 0 && u->in[0] != RO_NO_VALUE;
    RO_TRY(vd_use_graph(u, "body", &body));
    const uint32_t carried = u->count > 2 ? u->count - 2 : 0;
    if (body->input_count != carried + 2 || body->output_count < carried + 1 ||
        body->output_count - 1 < u->node->output_count)
        return vd_use_fail(u, RO_EFORMAT, "has a body of %u inputs and %u outputs",
                           body->input_count, body->output_count);
    o.per = body->output_count - 1 - carried;
    if (has_most) RO_TRY(vd_use_scalar(u, 0, &real, &most));
    if (u->count > 1 && u->in[1] != RO_NO_VALUE) RO_TRY(condition(u, u->in[1], &holds));
    for (uint32_t k = 0; k < carried; k++) in[2 + k] = u->in[2 + k];
    if (holds && most > 0) RO_TRY(vd_lower_scalar(l, RO_BOOL, 1, &in[1]));
    for (int64_t turn = 0; holds && turn < most; turn++) {
        RO_TRY(vd_use_turns(u, 1));
        RO_TRY(vd_lower_int64s(l, &turn, 0, NULL, &in[0]));
        l->loops++;
        RO_TRY(vd_lower_inner(l, body, in, body->input_count, out));
        l->loops--;
        if (out[0] == RO_NO_VALUE) return vd_use_fail(u, RO_EFORMAT, "has a body of no condition");
        RO_TRY(condition(u, out[0], &holds));
        for (uint32_t k = 0; k < carried; k++) in[2 + k] = out[1 + k];
        RO_TRY(keep_turn(u, &o, out + 1 + carried));
    }
    for (uint32_t k = 0; k < carried; k++) u->out[k] = in[2 + k];
    for (uint32_t s = 0; s < o.per && carried + s < u->node->output_count; s++)
        RO_TRY(gather_turns(u, &o, s, 0, &u->out[carried + s]));
    return RO_OK;
}

/* ---- Scan --------------------------------------------------------------------------------- */

typedef struct {
    const vd_onnx_graph *body;
    uint32_t states, inputs, outputs;
    ro_ints in_way, out_way, in_axis, out_axis;
    ro_value in[RO_INPUTS_MAX]; /* the states, then what is scanned */
    int64_t length;
} scan;

static ro_status scan_shape(vd_use *u, scan *s)
{
    const int old = u->l->opset < 9;
    int64_t inputs = vd_use_int(u, "num_scan_inputs", 0);
    RO_TRY(vd_use_graph(u, "body", &s->body));
    const uint32_t count = u->count - (old && u->count ? 1 : 0);
    if (inputs < 1 || inputs > count || s->body->input_count != count || count > RO_INTS_MAX)
        return vd_use_fail(u, RO_EFORMAT, "scans %lld of %u values with a body of %u inputs",
                           (long long)inputs, count, s->body->input_count);
    s->inputs = (uint32_t)inputs;
    s->states = count - s->inputs;
    if (s->body->output_count < s->states || s->body->output_count < u->node->output_count ||
        s->body->output_count - s->states > RO_INTS_MAX)
        return vd_use_fail(u, RO_EFORMAT, "has %u outputs and a body with %u",
                           u->node->output_count, s->body->output_count);
    s->outputs = s->body->output_count - s->states;
    const char *ways = old ? "directions" : "scan_input_directions";
    RO_TRY(vd_use_counted(u, ways, s->inputs, 0, &s->in_way));
    RO_TRY(vd_use_counted(u, "scan_output_directions", s->outputs, 0, &s->out_way));
    RO_TRY(vd_use_counted(u, "scan_input_axes", s->inputs, 0, &s->in_axis));
    RO_TRY(vd_use_counted(u, "scan_output_axes", s->outputs, 0, &s->out_axis));
    for (uint32_t k = 0; k < count; k++) {
        s->in[k] = u->in[k + (old ? 1 : 0)];
        if (s->in[k] == RO_NO_VALUE || (k >= s->states && vd_lower_is_list(s->in[k])))
            return vd_use_fail(u, RO_ETYPE, "scans what is no tensor");
    }
    return RO_OK;
}

/* The body once for each position: the states become the last ones, `o` gets the rest. */
static ro_status scan_run(vd_use *u, scan *s, turns *o)
{
    vd_maker m = {u->l, RO_OK};
    ro_value in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    uint32_t axis[RO_INPUTS_MAX];
    s->length = -1;
    for (uint32_t k = 0; k < s->inputs; k++) {
        const ro_type *t = ro_graph_type(u->l->graph, s->in[s->states + k]);
        RO_TRY(vd_use_axis(u, s->in_axis.v[k], t->rank, &axis[k]));
        if (s->length >= 0 && t->dims[axis[k]] != s->length)
            return vd_use_fail(u, RO_ESHAPE, "scans %lld positions of one value and %lld of "
                               "another", (long long)s->length, (long long)t->dims[axis[k]]);
        s->length = t->dims[axis[k]];
    }
    RO_TRY(vd_use_turns(u, (uint64_t)s->length));
    for (int64_t t = 0; t < s->length; t++) {
        memcpy(in, s->in, s->states * sizeof *in);
        for (uint32_t k = 0; k < s->inputs; k++)
            in[s->states + k] = vd_make_at(&m, s->in[s->states + k], axis[k],
                                           s->in_way.v[k] ? s->length - 1 - t : t);
        RO_TRY(m.status);
        u->l->loops++;
        RO_TRY(vd_lower_inner(u->l, s->body, in, s->body->input_count, out));
        u->l->loops--;
        memcpy(s->in, out, s->states * sizeof *out);
        for (uint32_t k = 0; k < s->states; k++)
            if (out[k] == RO_NO_VALUE) return vd_use_fail(u, RO_EFORMAT, "loses a state");
        RO_TRY(keep_turn(u, o, out + s->states));
    }
    for (uint32_t k = 0; k < o->per; k++)
        for (uint32_t a = 0, z = o->count; s->out_way.v[k] && a + 1 < z; a++) {
            ro_value *list = o->turns + k * o->room, first = list[a];
            list[a] = list[--z];
            list[z] = first;
        }
    return RO_OK;
}

/* What a run gives, as outputs of the node. */
static ro_status scan_end(vd_use *u, const scan *s, const turns *o, ro_value *out)
{
    memcpy(out, s->in, s->states * sizeof *out);
    for (uint32_t k = 0; k < s->outputs && s->states + k < u->node->output_count; k++) {
        uint32_t axis = 0;
        if (o->count)
            RO_TRY(vd_use_axis(u, s->out_axis.v[k],
                               ro_graph_type(u->l->graph, o->turns[k * o->room])->rank + 1,
                               &axis));
        RO_TRY(gather_turns(u, o, k, axis, &out[s->states + k]));
    }
    return RO_OK;
}

/* Version 8: all values begin with an axis of the batch, each of which is scanned alone. */
static ro_status scan_batch(vd_use *u, const scan *all)
{
    vd_maker m = {u->l, RO_OK};
    turns each = {NULL, all->states + all->outputs, 0, 0};
    if (u->in[0] != RO_NO_VALUE) return vd_use_fail(u, RO_EOP, "has lengths, which are not taken");
    const ro_type *first = ro_graph_type(u->l->graph, all->in[all->states]);
    const int64_t n = first->rank ? first->dims[0] : 0;
    each.per = each.per < u->node->output_count ? each.per : u->node->output_count;
    for (int64_t b = 0; b < n; b++) {
        scan s = *all;
        turns o = {NULL, s.outputs, 0, 0};
        ro_value out[RO_OUTPUTS_MAX];
        for (uint32_t k = 0; k < s.states + s.inputs; k++) {
            const ro_type *t = vd_lower_is_list(s.in[k]) ? NULL
                                                         : ro_graph_type(u->l->graph, s.in[k]);
            if (!t || !t->rank || t->dims[0] != n)
                return vd_use_fail(u, RO_ESHAPE, "has values of other batches than %lld",
                                   (long long)n);
            s.in[k] = vd_make_at(&m, s.in[k], 0, b);
            RO_TRY(m.status);
        }
        RO_TRY(scan_run(u, &s, &o));
        RO_TRY(scan_end(u, &s, &o, out));
        RO_TRY(keep_turn(u, &each, out));
    }
    for (uint32_t k = 0; k < each.per; k++) RO_TRY(gather_turns(u, &each, k, 0, &u->out[k]));
    return RO_OK;
}

static ro_status scan_over(vd_use *u)
{
    scan s;
    turns o = {NULL, 0, 0, 0};
    memset(&s, 0, sizeof s);
    RO_TRY(scan_shape(u, &s));
    if (u->l->opset < 9) return scan_batch(u, &s);
    o.per = s.outputs;
    RO_TRY(scan_run(u, &s, &o));
    return scan_end(u, &s, &o, u->out);
}

/* A body for each member of the first input; of other sequences it gets the one of that place. */
static ro_status sequence_map(vd_use *u)
{
    const vd_onnx_graph *body;
    vd_list s[RO_INPUTS_MAX];
    ro_value in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX], *items[RO_OUTPUTS_MAX];
    RO_TRY(vd_use_wants(u, 1, RO_INPUTS_MAX));
    RO_TRY(vd_use_graph(u, "body", &body));
    RO_TRY(sequence(u, 0, &s[0]));
    if (body->input_count != u->count || body->output_count != u->node->output_count)
        return vd_use_fail(u, RO_EFORMAT, "has a body of %u inputs and %u outputs",
                           body->input_count, body->output_count);
    for (uint32_t k = 0; k < u->count; k++) {
        in[k] = u->in[k];
        if (!vd_lower_is_list(u->in[k])) continue;
        RO_TRY(sequence(u, k, &s[k]));
        if (s[k].count != s[0].count)
            return vd_use_fail(u, RO_ESHAPE, "has sequences of %u and of %u members", s[0].count,
                               s[k].count);
    }
    RO_TRY(vd_use_turns(u, s[0].count));
    for (uint32_t k = 0; k < body->output_count; k++)
        RO_TRY(vd_lower_list_new(u->l, s[0].count, &items[k], &u->out[k]));
    for (uint32_t t = 0; t < s[0].count; t++) {
        for (uint32_t k = 0; k < u->count; k++)
            if (vd_lower_is_list(u->in[k])) in[k] = s[k].items[t];
        u->l->loops++;
        RO_TRY(vd_lower_inner(u->l, body, in, u->count, out));
        u->l->loops--;
        for (uint32_t k = 0; k < body->output_count; k++) {
            const vd_list before = {items[k], t, 1};
            RO_TRY(check_member(u, &before, out[k]));
            items[k][t] = out[k];
        }
    }
    return RO_OK;
}

/* ---- the table ---------------------------------------------------------------------------- */

const vd_lower_row vd_lower_control[] = {
    {"If", branch, "then_branch else_branch"},
    {"Loop", loop, "body"},
    {"Scan", scan_over,
     "body directions num_scan_inputs scan_input_axes scan_input_directions scan_output_axes "
     "scan_output_directions"},
    {"Identity", identity, ""},
    {"SequenceConstruct", sequence_construct, ""},
    {"SequenceEmpty", sequence_empty, "dtype"},
    {"SequenceInsert", sequence_insert, ""},
    {"SequenceErase", sequence_erase, ""},
    {"SequenceAt", sequence_at, ""},
    {"SequenceLength", sequence_length, ""},
    {"SequenceMap", sequence_map, "body"},
    {"SplitToSequence", split_to_sequence, "axis keepdims"},
    {"ConcatFromSequence", concat_from_sequence, "axis new_axis"},
    {"Optional", optional, "type"},
    {"OptionalHasElement", optional_has, ""},
    {"OptionalGetElement", optional_get, ""},
    {NULL, NULL, NULL},
};
