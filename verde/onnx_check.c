/* onnx_check.c - names, operator sets, attributes and functions of a model that was read.
 *
 * What this file decides: docs/ONNX.md, "What is refused", beyond the form of messages and
 * tensors: the invariants of onnx.h over names, functions and attributes.
 *
 * Invariants
 *   1. No recursion: graphs in attributes and calls of functions are walked on stacks of known
 *      height.
 *   2. Every name is looked at a bounded number of times; nothing is compared pairwise. Only a
 *      model that is being refused is searched for why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"

typedef struct {
    const vd_onnx_graph *g;
    uint32_t node, attribute, item; /* where the walk of its nodes is */
} frame;

typedef struct {
    vd_onnx *m;
    uint8_t *made;      /* by id: a value of this name is visible here */
    uint32_t *seen;     /* by id: the stamp of the last list that had it */
    uint32_t *opset;    /* by id: the last body that imports the domain */
    uint32_t *declared; /* by id: the last body whose function has the attribute */
    uint32_t stamp, body;
    frame stack[VD_ONNX_DEPTH_MAX];
    uint32_t depth;
    const vd_onnx_function *function; /* whose body is walked; NULL: the model's graph */
    const vd_onnx_function **sorted;  /* by domain, name and overload */
    const vd_onnx_node **calls;       /* of functions, body after body, the model's last */
    uint32_t *first_call, call_count; /* by body */
    uint64_t nodes;                   /* of the body that is walked */
    ro_err *err;
} check;

static ro_status node_failed(const check *c, const vd_onnx_node *n, ro_status code,
                             const char *why, const vd_onnx_text *what, const char *rest)
{
    char text[150], name[60];
    return RO_FAIL(c->err, code, "%s %s \"%s\"%s", vd_onnx_node_text(c->m, n, text, sizeof text),
                   why, vd_onnx_show(what, name, sizeof name), rest);
}

static ro_status graph_failed(const check *c, const vd_onnx_graph *g, ro_status code,
                              const char *why, const vd_onnx_text *what)
{
    char name[60], of[60];
    int is_function = c->function && g == &c->function->body;
    return RO_FAIL(c->err, code, "%s \"%s\" %s \"%s\"", is_function ? "function" : "graph",
                   vd_onnx_show(is_function ? &c->function->name : &g->name, of, sizeof of), why,
                   vd_onnx_show(what, name, sizeof name));
}

/* ---- operator sets ------------------------------------------------------------------------ */

static int64_t newest(const vd_onnx_text *domain)
{
    static const struct { const char *name; int64_t version; } known[] = {
        {"", VD_ONNX_OPSET_MAX}, {"ai.onnx.ml", 5}, {"ai.onnx.preview.training", 1},
        {"ai.onnx.preview", 1}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (vd_onnx_is(domain, known[k].name)) return known[k].version;
    return INT64_MAX;
}

/* The operator sets that a body imports; of is "the model" or a function. */
static ro_status import(check *c, const vd_onnx_opset *opsets, uint32_t count, const char *of)
{
    char name[60];
    for (uint32_t k = 0; k < count; k++) {
        const vd_onnx_opset *o = &opsets[k];
        const char *domain = o->domain.n ? vd_onnx_show(&o->domain, name, sizeof name) : "ai.onnx";
        if (c->opset[o->domain.id] == c->body)
            return RO_FAIL(c->err, RO_EFORMAT, "%s imports the operator set %s twice", of, domain);
        c->opset[o->domain.id] = c->body;
        if (o->version < 1 || o->version > newest(&o->domain))
            return RO_FAIL(c->err, o->version < 1 ? RO_EFORMAT : RO_EOP,
                           "%s imports version %lld of the operator set %s; 1 to %lld are known",
                           of, (long long)o->version, domain, (long long)newest(&o->domain));
    }
    return RO_OK;
}

/* ---- attributes --------------------------------------------------------------------------- */

/* The type that an attribute's name has wherever ONNX's own operators have it, in every version.
 * Names of two types (p, seed, to, value) are not here. */
static const struct { vd_onnx_attribute_type type; const char *names; } known_types[] = {
    {VD_A_FLOAT,
     " alpha beta bias clip cubic_coeff_a epsilon extrapolation_value gamma height_scale high "
     "lambd low max mean min momentum ratio scale softcap spatial_scale value_float width_scale "},
    {VD_A_INT,
     " align_corners allowzero antialias axis batch_axis batch_dims block_size blocksize broadcast "
     "ceil_mode center_point_box chunk_size count_include_pad detect_negative detect_positive "
     "dtype end exclude_outside exclusive fmod group hidden_size ignore_index input_forget "
     "interleaved inverse is_case_sensitive is_causal is_test k keepdims kv_num_heads largest "
     "layout linear_before_reset max_gram_length max_skip_count maxsplit min_gram_length new_axis "
     "noop_with_empty_axes num_groups num_heads num_outputs num_scan_inputs offset_group onesided "
     "output_datatype output_dtype output_height output_sequence output_width periodic precision "
     "q_num_heads qk_matmul_output_mode reverse rotary_embedding_dim sample_size sampling_ratio "
     "saturate select_last_index size softmax_precision sorted spatial start stash_type "
     "storage_order time_axis training_mode transA transB upper value_int "},
    {VD_A_STRING,
     " activation approximate auto_pad case_change_action coordinate_transformation_mode "
     "delimiter direction equation keep_aspect_ratio_policy locale mode nearest_mode padding_mode "
     "pattern pixel_format reduction round_mode update_rule value_string "},
    {VD_A_FLOATS, " activation_alpha activation_beta scales value_floats weights "},
    {VD_A_INTS,
     " axes consumed_inputs dilations directions ends kernel_shape ngram_counts ngram_indexes "
     "output_padding output_shape paddings pads perm pool_int64s pooled_shape scan_input_axes "
     "scan_input_directions scan_output_axes scan_output_directions shape split starts strides "
     "value_ints "},
    {VD_A_STRINGS, " activations pool_strings stopwords value_strings "},
    {VD_A_GRAPH, " body else_branch then_branch "},
    {VD_A_SPARSE, " sparse_value "},
    {VD_A_TYPE, " type "}};

/* VD_A_NONE: no such name. */
static vd_onnx_attribute_type known_type(const vd_onnx_text *name)
{
    char word[40];
    if (!name->n || name->n + 3 > sizeof word || memchr(name->p, ' ', name->n)) return VD_A_NONE;
    word[0] = ' ';
    memcpy(word + 1, name->p, name->n);
    memcpy(word + 1 + name->n, " ", 2);
    for (size_t k = 0; k < sizeof known_types / sizeof *known_types; k++)
        if (strstr(known_types[k].names, word)) return known_types[k].type;
    return VD_A_NONE;
}

static ro_status check_attributes(check *c, const vd_onnx_node *n)
{
    c->stamp++;
    for (uint32_t k = 0; k < n->attribute_count; k++) {
        const vd_onnx_attribute *a = &n->attributes[k];
        char rest[80];
        if (!a->name.n)
            return node_failed(c, n, RO_EATTR, "has an attribute without a name:", &a->name, "");
        if (c->seen[a->name.id] == c->stamp)
            return node_failed(c, n, RO_EATTR, "has twice the attribute", &a->name, "");
        c->seen[a->name.id] = c->stamp;
        if (a->reference.n && c->declared[a->reference.id] != c->body)
            return node_failed(c, n, RO_EATTR, "refers to the undeclared attribute", &a->reference,
                               "");
        if (n->domain.n || n->function >= 0) continue;
        vd_onnx_attribute_type want = known_type(&a->name);
        if (!want || want == a->type) continue;
        snprintf(rest, sizeof rest, " of type %s; %s is needed",
                 vd_onnx_attribute_type_name(a->type), vd_onnx_attribute_type_name(want));
        return node_failed(c, n, RO_EATTR, "has the attribute", &a->name, rest);
    }
    return RO_OK;
}

/* ---- names -------------------------------------------------------------------------------- */

/* Whether node `to` of a graph needs, over any number of nodes, what node `from` does not. */
static int depends(const check *c, const vd_onnx_graph *g, uint32_t to, uint32_t from, int *depend)
{
    uint32_t *maker = ro_alloc_zero(c->m->name_count * sizeof *maker);
    uint32_t *stack = ro_alloc((size_t)g->node_count * sizeof *stack), top = 0;
    uint8_t *been = ro_alloc_zero(g->node_count);
    int good = maker && stack && been;
    *depend = 0;
    for (uint32_t k = 0; good && k < g->node_count; k++)
        for (uint32_t o = 0; o < g->nodes[k].output_count; o++)
            maker[g->nodes[k].outputs[o].id] = k + 1;
    if (good) stack[top++] = to;
    while (top && !*depend) {
        const vd_onnx_node *n = &g->nodes[stack[--top]];
        for (uint32_t i = 0; i < n->input_count; i++) {
            uint32_t k = n->inputs[i].id ? maker[n->inputs[i].id] : 0;
            if (!k-- || been[k]) continue;
            been[k] = 1;
            stack[top++] = k;
            *depend |= k == from;
        }
    }
    ro_free(maker);
    ro_free(stack);
    ro_free(been);
    return good;
}

/* Say why a name is not there: it never is, or it is made too late, perhaps in a circle. */
static ro_status name_missing(const check *c, const vd_onnx_node *user, const vd_onnx_text *name)
{
    for (uint32_t d = c->depth; d-- > 0;) {
        const frame *f = &c->stack[d];
        char maker[150], rest[230];
        int circle;
        for (uint32_t k = f->node; k < f->g->node_count; k++) {
            const vd_onnx_node *n = &f->g->nodes[k];
            uint32_t o = 0;
            while (o < n->output_count && n->outputs[o].id != name->id) o++;
            if (o == n->output_count) continue;
            if (k == f->node)
                return node_failed(c, user, RO_EFORMAT, "needs its own output", name,
                                   ": that is a cycle");
            if (!depends(c, f->g, k, f->node, &circle))
                return RO_FAIL(c->err, RO_ENOMEM, "no memory to look for a cycle");
            snprintf(rest, sizeof rest, ", which %s makes %s",
                     vd_onnx_node_text(c->m, n, maker, sizeof maker),
                     circle ? "of this node's output: that is a cycle"
                            : "later; nodes stand in the order of their use");
            return node_failed(c, user, RO_EFORMAT, "uses", name, rest);
        }
    }
    return node_failed(c, user, RO_EFORMAT, "uses", name, ", which nothing here makes");
}

static ro_status define(check *c, const vd_onnx_graph *g, const vd_onnx_text *name)
{
    if (!name->n)
        return graph_failed(c, g, RO_EFORMAT, "has an input or initializer without a name:", name);
    if (c->made[name->id])
        return graph_failed(c, g, RO_EFORMAT, "has an input or initializer that was made before:",
                            name);
    c->made[name->id] = 1;
    return RO_OK;
}

/* An initializer may be the default of an input of the same graph, once. */
static ro_status enter(check *c, const vd_onnx_graph *g)
{
    uint32_t inputs = ++c->stamp;
    RO_ASSERT(c->depth < VD_ONNX_DEPTH_MAX); /* each graph is some messages deep */
    c->stack[c->depth++] = (frame){g, 0, 0, 0};
    c->nodes += g->node_count;
    for (uint32_t k = 0; k < g->input_count; k++) {
        RO_TRY(define(c, g, &g->inputs[k].name));
        c->seen[g->inputs[k].name.id] = inputs;
    }
    for (uint32_t k = 0; k < g->initializer_count + g->sparse_count; k++) {
        const vd_onnx_text *name = k < g->initializer_count
                                       ? &g->initializers[k].name
                                       : &g->sparse[k - g->initializer_count].values->name;
        if (name->n && c->seen[name->id] == inputs) c->seen[name->id] = 0;
        else RO_TRY(define(c, g, name));
    }
    return RO_OK;
}

static void forget(check *c, const vd_onnx_graph *g)
{
    for (uint32_t k = 0; k < g->input_count; k++) c->made[g->inputs[k].name.id] = 0;
    for (uint32_t k = 0; k < g->initializer_count; k++) c->made[g->initializers[k].name.id] = 0;
    for (uint32_t k = 0; k < g->sparse_count; k++) c->made[g->sparse[k].values->name.id] = 0;
    for (uint32_t k = 0; k < g->node_count; k++)
        for (uint32_t o = 0; o < g->nodes[k].output_count; o++)
            c->made[g->nodes[k].outputs[o].id] = 0;
}

static ro_status leave(check *c, const vd_onnx_graph *g)
{
    c->stamp++;
    for (uint32_t k = 0; k < g->output_count; k++) {
        const vd_onnx_text *name = &g->outputs[k].name;
        if (!name->n) return graph_failed(c, g, RO_EFORMAT, "has an output without a name:", name);
        if (!c->made[name->id])
            return graph_failed(c, g, RO_EFORMAT, "gives what nothing in it makes:", name);
        if (c->seen[name->id] == c->stamp)
            return graph_failed(c, g, RO_EFORMAT, "gives twice", name);
        c->seen[name->id] = c->stamp;
    }
    forget(c, g);
    c->depth--;
    return RO_OK;
}

/* ---- functions ---------------------------------------------------------------------------- */

static int compare_names(const vd_onnx_text *const a[3], const vd_onnx_text *const b[3])
{
    for (int k = 0; k < 3; k++)
        if (a[k]->id != b[k]->id) return a[k]->id < b[k]->id ? -1 : 1;
    return 0;
}

static int compare_functions(const void *a, const void *b)
{
    const vd_onnx_function *f = *(const vd_onnx_function *const *)a;
    const vd_onnx_function *g = *(const vd_onnx_function *const *)b;
    return compare_names((const vd_onnx_text *[]){&f->domain, &f->name, &f->overload},
                         (const vd_onnx_text *[]){&g->domain, &g->name, &g->overload});
}

/* The number of the function that a node calls; -1: it is an operator. */
static int32_t find_function(const check *c, const vd_onnx_node *n)
{
    uint32_t low = 0, high = c->m->function_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const vd_onnx_function *f = c->sorted[middle];
        int order = compare_names((const vd_onnx_text *[]){&n->domain, &n->op, &n->overload},
                                  (const vd_onnx_text *[]){&f->domain, &f->name, &f->overload});
        if (!order) return (int32_t)(f - c->m->functions);
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return -1;
}

static ro_status sort_functions(check *c)
{
    vd_onnx *m = c->m;
    char name[60];
    for (uint32_t k = 0; k < m->function_count; k++) {
        c->sorted[k] = &m->functions[k];
        if (!m->functions[k].name.n)
            return RO_FAIL(c->err, RO_EFORMAT, "function %u has no name", k);
    }
    if (m->function_count)
        qsort(c->sorted, m->function_count, sizeof *c->sorted, compare_functions);
    for (uint32_t k = 1; k < m->function_count; k++)
        if (!compare_functions(&c->sorted[k - 1], &c->sorted[k]))
            return RO_FAIL(c->err, RO_EFORMAT, "function \"%s\" is there twice",
                           vd_onnx_show(&c->sorted[k]->name, name, sizeof name));
    return RO_OK;
}

/* ---- the walk ----------------------------------------------------------------------------- */

/* All about a node but its graphs and outputs. */
static ro_status check_node(check *c, vd_onnx_node *n)
{
    if (!n->op.n) return node_failed(c, n, RO_EFORMAT, "has no operator:", &n->op, "");
    if (c->opset[n->domain.id] != c->body)
        return node_failed(c, n, RO_EFORMAT, "is of the operator set", &n->domain,
                           c->function ? ", which its function does not import"
                                       : ", which the model does not import");
    n->function = find_function(c, n);
    if (n->function >= 0) c->calls[c->call_count++] = n;
    RO_TRY(check_attributes(c, n));
    for (uint32_t k = 0; k < n->input_count; k++)
        if (n->inputs[k].n && !c->made[n->inputs[k].id]) return name_missing(c, n, &n->inputs[k]);
    return RO_OK;
}

static ro_status make_outputs(check *c, const vd_onnx_node *n)
{
    for (uint32_t k = 0; k < n->output_count; k++) {
        if (!n->outputs[k].n) continue;
        if (c->made[n->outputs[k].id])
            return node_failed(c, n, RO_EFORMAT, "makes", &n->outputs[k],
                               ", which was made before");
        c->made[n->outputs[k].id] = 1;
    }
    return RO_OK;
}

/* The next graph in an attribute of the node where the walk is; NULL: there are no more. */
static const vd_onnx_graph *next_graph(frame *f, const vd_onnx_node *n)
{
    for (; f->attribute < n->attribute_count; f->attribute++, f->item = 0) {
        const vd_onnx_attribute *a = &n->attributes[f->attribute];
        if ((a->type == VD_A_GRAPH || a->type == VD_A_GRAPHS) && f->item < a->count)
            return &a->v.graphs[f->item++];
    }
    return NULL;
}

static ro_status walk(check *c, const vd_onnx_graph *body)
{
    c->nodes = 0;
    RO_TRY(enter(c, body));
    while (c->depth) {
        frame *f = &c->stack[c->depth - 1];
        if (f->node == f->g->node_count) {
            RO_TRY(leave(c, f->g));
            continue;
        }
        vd_onnx_node *n = &f->g->nodes[f->node];
        if (!f->attribute && !f->item) RO_TRY(check_node(c, n));
        const vd_onnx_graph *inner = next_graph(f, n);
        if (inner) {
            RO_TRY(enter(c, inner));
            continue;
        }
        RO_TRY(make_outputs(c, n));
        f->node++;
        f->attribute = f->item = 0;
    }
    return RO_OK;
}

static ro_status declare(check *c, const vd_onnx_text *name)
{
    if (!name->n || c->declared[name->id] == c->body)
        return graph_failed(c, &c->function->body, RO_EATTR,
                            "declares twice, or without a name, the attribute", name);
    c->declared[name->id] = c->body;
    return RO_OK;
}

/* Walk all functions, then the model's graph. */
static ro_status walk_bodies(check *c)
{
    vd_onnx *m = c->m;
    for (uint32_t k = 0; k < m->function_count; k++) {
        vd_onnx_function *f = &m->functions[k];
        char name[60], of[80];
        snprintf(of, sizeof of, "function \"%s\"", vd_onnx_show(&f->name, name, sizeof name));
        c->function = f;
        c->body = k + 1;
        c->first_call[k] = c->call_count;
        RO_TRY(import(c, f->opsets, f->opset_count, of));
        for (uint32_t i = 0; i < f->attribute_count; i++) RO_TRY(declare(c, &f->attributes[i]));
        for (uint32_t i = 0; i < f->default_count; i++) RO_TRY(declare(c, &f->defaults[i].name));
        RO_TRY(walk(c, &f->body));
        f->nodes = c->nodes;
    }
    c->function = NULL;
    c->body = m->function_count + 1;
    c->first_call[m->function_count] = c->call_count;
    RO_TRY(import(c, m->opsets, m->opset_count, "the model"));
    RO_TRY(walk(c, m->graphs));
    m->nodes = c->nodes;
    c->first_call[m->function_count + 1] = c->call_count;
    return RO_OK;
}

/* ---- calls -------------------------------------------------------------------------------- */

static ro_status add_call(const check *c, const vd_onnx_node *n, uint64_t *nodes)
{
    char text[150];
    *nodes += c->m->functions[n->function].nodes; /* both at most VD_ONNX_NODES_MAX */
    if (*nodes <= VD_ONNX_NODES_MAX) return RO_OK;
    return RO_FAIL(c->err, RO_ELIMIT,
                   "with the functions in place there are over %u nodes, which is the limit, at %s",
                   VD_ONNX_NODES_MAX, vd_onnx_node_text(c->m, n, text, sizeof text));
}

/* Count the nodes of all functions with their calls in place, callees first. state: 0 not yet, 1
 * on the stack, 2 counted. at: the next call of those on the stack. */
static ro_status count_functions(const check *c, uint8_t *state, uint32_t *stack, uint32_t *at)
{
    vd_onnx *m = c->m;
    char text[150];
    for (uint32_t root = 0; root < m->function_count; root++) {
        uint32_t top = 0;
        if (!state[root]) stack[top++] = root;
        while (top) {
            uint32_t f = stack[top - 1];
            if (!state[f]) at[f] = c->first_call[f];
            state[f] = 1;
            if (at[f] == c->first_call[f + 1]) {
                state[f] = 2;
                top--;
                continue;
            }
            const vd_onnx_node *n = c->calls[at[f]];
            uint32_t callee = (uint32_t)n->function;
            if (state[callee] == 1)
                return RO_FAIL(c->err, RO_EFORMAT, "%s calls a function that it is part of",
                               vd_onnx_node_text(m, n, text, sizeof text));
            if (!state[callee]) {
                stack[top++] = callee;
                continue;
            }
            at[f]++;
            RO_TRY(add_call(c, n, &m->functions[f].nodes));
        }
    }
    for (uint32_t k = c->first_call[m->function_count]; k < c->call_count; k++)
        RO_TRY(add_call(c, c->calls[k], &m->nodes));
    return RO_OK;
}

uint64_t vd_onnx_check_bytes(const vd_wire_counts *c)
{
    uint64_t names = vd_onnx_ids(c), nodes = c->messages[VD_M_NODE] + 1;
    uint64_t functions = c->messages[VD_M_FUNCTION] + 2;
    /* With what depends() and vd_onnx_external take. */
    return names * (1 + 5 * sizeof(uint32_t)) + nodes * (sizeof(void *) + 5) +
           functions * (2 * sizeof(void *) + 13) + VD_ONNX_FILES_MAX * sizeof(vd_onnx_file);
}

ro_status vd_onnx_check(vd_onnx *m, ro_err *err)
{
    check c = {.m = m, .err = err};
    ro_arena *a = m->arena;
    size_t functions = m->function_count + 2u, nodes = 1;
    if (m->ir_version < VD_ONNX_IR_MIN || m->ir_version > VD_ONNX_IR_MAX)
        return RO_FAIL(err, RO_EOP, "the model has IR version %lld; %d to %d are known",
                       (long long)m->ir_version, VD_ONNX_IR_MIN, VD_ONNX_IR_MAX);
    for (uint32_t k = 0; k < m->graph_count; k++) nodes += m->graphs[k].node_count;
    for (uint32_t k = 0; k < m->function_count; k++) nodes += m->functions[k].body.node_count;
    c.made = ro_arena_alloc(a, m->name_count);
    c.seen = ro_arena_alloc(a, m->name_count * sizeof *c.seen);
    c.opset = ro_arena_alloc(a, m->name_count * sizeof *c.opset);
    c.declared = ro_arena_alloc(a, m->name_count * sizeof *c.declared);
    c.sorted = ro_arena_alloc(a, functions * sizeof *c.sorted);
    c.calls = ro_arena_alloc(a, nodes * sizeof *c.calls);
    c.first_call = ro_arena_alloc(a, functions * sizeof *c.first_call);
    uint8_t *state = ro_arena_alloc(a, functions);
    uint32_t *stack = ro_arena_alloc(a, 2 * functions * sizeof *stack);
    if (!c.made || !c.seen || !c.opset || !c.declared || !c.sorted || !c.calls || !c.first_call ||
        !state || !stack)
        return RO_FAIL(err, RO_ENOMEM, "no memory to check a model");
    RO_TRY(sort_functions(&c));
    RO_TRY(walk_bodies(&c));
    return count_functions(&c, state, stack, stack + functions);
}
