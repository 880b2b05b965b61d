/* cmd_onnx.c - verde inspect for ONNX models: what is in one, and which of it RepOps has. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "onnx_lower.h"

/* One operator or function, and how many nodes are of it. */
typedef struct { const vd_onnx_node *node; uint64_t count; } row;

typedef struct {
    const vd_onnx *m;
    ro_arena *arena;
    uint8_t *has_default; /* by a name's id: an initializer of the model's graph */
    row *rows;
    uint32_t row_count;
    uint64_t initializers, bytes, parameters;
} summary;

/* Domains and operators as they are written, so that a table has one order everywhere. */
static int compare_text(const vd_onnx_text *a, const vd_onnx_text *b)
{
    uint32_t n = a->n < b->n ? a->n : b->n;
    int order = n ? memcmp(a->p, b->p, n) : 0;
    return order ? order : a->n < b->n ? -1 : a->n > b->n;
}

static int by_operator(const void *a, const void *b)
{
    const vd_onnx_node *x = ((const row *)a)->node, *y = ((const row *)b)->node;
    if (x->domain.id != y->domain.id) return compare_text(&x->domain, &y->domain);
    if (x->op.id != y->op.id) return compare_text(&x->op, &y->op);
    return x->function < y->function ? -1 : x->function > y->function;
}

static int by_count(const void *a, const void *b)
{
    uint64_t x = ((const row *)a)->count, y = ((const row *)b)->count;
    return x != y ? (x < y ? 1 : -1) : by_operator(a, b);
}

static void gather(summary *s, const vd_onnx_graph *g)
{
    for (uint32_t k = 0; k < g->node_count; k++) s->rows[s->row_count++] = (row){&g->nodes[k], 1};
}

static ro_status count_operators(summary *s, ro_err *err)
{
    const vd_onnx *m = s->m;
    size_t nodes = 1;
    for (uint32_t k = 0; k < m->graph_count; k++) nodes += m->graphs[k].node_count;
    for (uint32_t k = 0; k < m->function_count; k++) nodes += m->functions[k].body.node_count;
    s->rows = ro_arena_alloc(s->arena, nodes * sizeof *s->rows);
    if (!s->rows) return RO_FAIL(err, RO_ENOMEM, "no memory to count a model's operators");
    for (uint32_t k = 0; k < m->graph_count; k++) gather(s, &m->graphs[k]);
    for (uint32_t k = 0; k < m->function_count; k++) gather(s, &m->functions[k].body);
    qsort(s->rows, s->row_count, sizeof *s->rows, by_operator);
    uint32_t n = 0;
    for (uint32_t k = 0; k < s->row_count; k++) {
        if (n && !by_operator(&s->rows[n - 1], &s->rows[k])) s->rows[n - 1].count++;
        else s->rows[n++] = s->rows[k];
    }
    s->row_count = n;
    qsort(s->rows, n, sizeof *s->rows, by_count);
    return RO_OK;
}

static int is_floating(uint32_t dtype)
{
    const char *name = vd_onnx_dtype_name(dtype);
    return strstr(name, "float") != NULL;
}

static ro_status summarize(summary *s, ro_err *err)
{
    const vd_onnx *m = s->m;
    const vd_onnx_graph *g = m->graphs;
    s->has_default = ro_arena_alloc(s->arena, m->name_count);
    if (!s->has_default) return RO_FAIL(err, RO_ENOMEM, "no memory to look at a model");
    for (uint32_t k = 0; k < g->initializer_count; k++)
        s->has_default[g->initializers[k].name.id] = 1;
    for (uint32_t k = 0; k < g->sparse_count; k++)
        s->has_default[g->sparse[k].values->name.id] = 1;
    for (uint32_t i = 0; i < m->graph_count; i++) {
        for (uint32_t k = 0; k < m->graphs[i].initializer_count; k++) {
            const vd_onnx_tensor *t = &m->graphs[i].initializers[k];
            s->initializers++;
            s->bytes += t->bytes;
            if (is_floating(t->dtype)) s->parameters += t->elements;
        }
    }
    return count_operators(s, err);
}

static const char *repops(const vd_onnx_node *n)
{
    char name[64];
    if (n->function >= 0) return "function";
    snprintf(name, sizeof name, "%.*s", (int)(n->op.n < 63 ? n->op.n : 63), n->op.p);
    return vd_lower_takes(&n->domain, name) ? "yes" : "no";
}

/* ---- types ------------------------------------------------------------------------------- */

#define TYPE_BYTES 1024u /* 14 types in each other, and a tensor of 8 named dimensions */

/* Text that grows in storage which holds the longest. */
typedef struct { char *at; size_t used; } text;

static void add(text *t, const char *s)
{
    size_t n = strlen(s);
    RO_ASSERT(t->used + n < TYPE_BYTES);
    memcpy(t->at + t->used, s, n + 1);
    t->used += n;
}

static void add_tensor(text *to, const vd_onnx_type *t)
{
    char word[64];
    add(to, t->kind == VD_ONNX_SPARSE ? "sparse " : "");
    add(to, t->dtype ? vd_onnx_dtype_name(t->dtype) : "?");
    if (!t->has_shape) {
        add(to, " of any shape");
        return;
    }
    add(to, "[");
    for (uint32_t d = 0; d < t->rank; d++) {
        if (t->dims[d].size >= 0) snprintf(word, sizeof word, "%lld", (long long)t->dims[d].size);
        else if (t->dims[d].name.n) vd_onnx_show(&t->dims[d].name, word, sizeof word);
        else snprintf(word, sizeof word, "?");
        add(to, d ? "," : "");
        add(to, word);
    }
    add(to, "]");
}

/* "float32[batch,3,224,224]", "sequence(map(int64, float32[]))", "?" where nothing is said. */
static const char *type_text(const vd_onnx_type *t, char out[TYPE_BYTES])
{
    static const char *const kinds[] = {"?", "", "sequence(", "map(", "", "optional("};
    text to = {out, 0};
    unsigned open = 0;
    out[0] = 0;
    for (; t && t->kind != VD_ONNX_TENSOR && t->kind != VD_ONNX_SPARSE; t = t->element) {
        add(&to, kinds[t->kind]);
        if (t->kind == VD_ONNX_NO_TYPE) break;
        if (t->kind == VD_ONNX_MAP) {
            add(&to, t->dtype ? vd_onnx_dtype_name(t->dtype) : "?");
            add(&to, ", ");
        }
        open++;
    }
    if (!t) add(&to, "?");
    else if (t->kind != VD_ONNX_NO_TYPE) add_tensor(&to, t);
    while (open--) add(&to, ")");
    return out;
}

/* ---- for people -------------------------------------------------------------------------- */

/* Columns that UTF-8 takes where every character takes one. */
static int columns(const char *s)
{
    int n = 0;
    for (; *s; s++) n += (*s & 0xc0) != 0x80;
    return n;
}

static void padded(const char *s, int width)
{
    int n = columns(s);
    printf("%s%*s", s, n < width ? width - n : 0, "");
}

static const char *domain_text(const vd_onnx_text *d, char *out, size_t size)
{
    return d->n ? vd_onnx_show(d, out, size) : "ai.onnx";
}

/* Lines of values under one heading; only those without a default. */
static void print_values(const summary *s, const char *heading, const vd_onnx_value *v,
                         uint32_t count, int all)
{
    char name[200], type[TYPE_BYTES];
    int width = 0;
    for (uint32_t k = 0; k < count; k++) {
        if (!all && s->has_default[v[k].name.id]) continue;
        int n = columns(vd_onnx_show(&v[k].name, name, sizeof name));
        width = n > width && n <= 40 ? n : width;
    }
    for (uint32_t k = 0; k < count; k++) {
        if (!all && s->has_default[v[k].name.id]) continue;
        printf("%-14s", heading);
        heading = "";
        padded(vd_onnx_show(&v[k].name, name, sizeof name), width);
        printf("  %s\n", type_text(v[k].type, type));
    }
    if (*heading) printf("%-14snone\n", heading);
}

static void print_operators(const summary *s)
{
    char op[100], domain[100];
    int width = 8;
    for (uint32_t k = 0; k < s->row_count; k++) {
        int n = columns(vd_onnx_show(&s->rows[k].node->op, op, sizeof op));
        width = n > width && n <= 40 ? n : width;
    }
    if (!s->row_count) return;
    printf("\n%9s  ", "nodes");
    padded("operator", width);
    printf("  %-8s  domain\n", "RepOps");
    for (uint32_t k = 0; k < s->row_count; k++) {
        const vd_onnx_node *n = s->rows[k].node;
        char count[32];
        printf("%9s  ", cli_count(s->rows[k].count, count));
        padded(vd_onnx_show(&n->op, op, sizeof op), width);
        printf("  %-8s  %s\n", repops(n), domain_text(&n->domain, domain, sizeof domain));
    }
}

static void print_extras(const vd_onnx *m)
{
    char name[100], domain[100], n[32];
    for (uint32_t k = 0; k < m->function_count; k++) {
        const vd_onnx_function *f = &m->functions[k];
        printf("%-14s%s of %s, %s nodes\n", k ? "" : "functions",
               vd_onnx_show(&f->name, name, sizeof name),
               domain_text(&f->domain, domain, sizeof domain), cli_count(f->nodes, n));
    }
    for (uint32_t k = 0; k < m->file_count; k++)
        printf("%-14s%s, %s\n", k ? "" : "external",
               vd_onnx_show(m->files[k].name, name, sizeof name), cli_bytes(m->files[k].size, n));
    for (uint32_t k = 0; k < m->metadata_count; k++) {
        char value[200];
        printf("%-14s%s = %s\n", k ? "" : "metadata",
               vd_onnx_show(&m->metadata[k].key, name, sizeof name),
               vd_onnx_show(&m->metadata[k].value, value, sizeof value));
    }
    if (m->training_count)
        printf("%-14s%u parts, not read\n", "training", m->training_count);
}

static void print_model(const summary *s)
{
    const vd_onnx *m = s->m;
    const vd_onnx_graph *g = m->graphs;
    char name[100], version[60], n[32], b[32];
    printf("%-14sONNX, IR version %lld\n%-14s", "format", (long long)m->ir_version, "opsets");
    for (uint32_t k = 0; k < m->opset_count; k++)
        printf("%s%s %lld", k ? ", " : "", domain_text(&m->opsets[k].domain, name, sizeof name),
               (long long)m->opsets[k].version);
    printf("%s\n%-14s", m->opset_count ? "" : "none", "producer");
    if (m->producer.n || m->producer_version.n)
        printf("%s%s%s\n", vd_onnx_show(&m->producer, name, sizeof name),
               m->producer.n && m->producer_version.n ? " " : "",
               vd_onnx_show(&m->producer_version, version, sizeof version));
    else printf("not said\n");
    printf("%-14s%s: %s nodes", "graph", vd_onnx_show(&g->name, name, sizeof name),
           cli_count(g->node_count, n));
    if (m->nodes != g->node_count)
        printf(", %s with inner graphs and functions in place", cli_count(m->nodes, n));
    printf("\n");
    print_values(s, "inputs", g->inputs, g->input_count, 0);
    print_values(s, "outputs", g->outputs, g->output_count, 1);
    printf("%-14s%s, %s\n", "initializers", cli_count(s->initializers, n), cli_bytes(s->bytes, b));
    printf("%-14s%s\n", "parameters", cli_count(s->parameters, n));
    print_extras(m);
    print_operators(s);
}

/* ---- for programs ------------------------------------------------------------------------ */

static void json_text(const summary *s, cJSON *o, const char *key, const vd_onnx_text *t)
{
    const char *copy = ro_arena_string(s->arena, t->n ? t->p : "", t->n);
    cJSON_AddStringToObject(o, key, copy ? copy : "");
}

static void json_domain(const summary *s, cJSON *o, const vd_onnx_text *t)
{
    if (t->n) json_text(s, o, "domain", t);
    else cJSON_AddStringToObject(o, "domain", "ai.onnx");
}

static cJSON *json_item(cJSON *list)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    return o;
}

static void json_values(const summary *s, cJSON *list, const vd_onnx_value *v, uint32_t count,
                        int inputs)
{
    char type[TYPE_BYTES];
    for (uint32_t k = 0; k < count; k++) {
        cJSON *o = json_item(list);
        json_text(s, o, "name", &v[k].name);
        cJSON_AddStringToObject(o, "type", type_text(v[k].type, type));
        if (inputs) cJSON_AddBoolToObject(o, "has_default", s->has_default[v[k].name.id]);
    }
}

/* How often the bytes of external files are read: tensors may share them, and a small model of
 * many tensors in one file may not ask for more than a large one would. */
#define READ_MOST 4u

static ro_status check_sharing(const vd_onnx *m, ro_err *err)
{
    uint64_t asked = 0, there = 0;
    for (uint32_t k = 0; k < m->tensor_count; k++)
        if (m->tensors[k].external && !ro_add_size(asked, m->tensors[k].bytes, &asked))
            asked = UINT64_MAX;
    for (uint32_t k = 0; k < m->file_count; k++)
        if (!ro_add_size(there, m->files[k].size, &there)) there = UINT64_MAX;
    if (asked / READ_MOST <= there) return RO_OK;
    return RO_FAIL(err, RO_ELIMIT,
                   "the model's tensors have %llu bytes in files of %llu; digests are made of up "
                   "to %u times what is there",
                   (unsigned long long)asked, (unsigned long long)there, READ_MOST);
}

/* The digest by which a trace or a store knows the tensor; null where no trace can have its
 * type. */
static ro_status json_digest(const summary *s, cJSON *o, const vd_onnx_tensor *t, ro_err *err)
{
    vd_digest d;
    if (t->dtype >= RO_DTYPE_LIMIT || !ro_dtypes[t->dtype].size) {
        cJSON_AddNullToObject(o, "digest");
        return RO_OK;
    }
    ro_type type = ro_type_of((ro_dtype)t->dtype, t->rank, t->dims);
    if (t->external) {
        RO_TRY(vd_onnx_external_digest(s->m, t, d.b, err));
    } else if (t->data) {
        vd_tensor_digest_canonical(&type, t->data, NULL, d.b);
    } else { /* its numbers lie in the model: they are at most 8 times as many bytes */
        uint8_t *made = ro_alloc(t->bytes);
        if (!made)
            return RO_FAIL(err, RO_ENOMEM, "no memory for a tensor of %llu bytes",
                           (unsigned long long)t->bytes);
        ro_status st = vd_onnx_tensor_data(s->m, t, made, err);
        if (!st) vd_tensor_digest_canonical(&type, made, NULL, d.b);
        ro_free(made);
        RO_TRY(st);
    }
    cli_json_digest(o, "digest", &d);
    return RO_OK;
}

static ro_status json_initializers(const summary *s, cJSON *list, ro_err *err)
{
    for (uint32_t i = 0; i < s->m->graph_count; i++) {
        const vd_onnx_graph *g = &s->m->graphs[i];
        for (uint32_t k = 0; k < g->initializer_count; k++) {
            const vd_onnx_tensor *t = &g->initializers[k];
            cJSON *o = json_item(list);
            json_text(s, o, "name", &t->name);
            cJSON_AddStringToObject(o, "dtype", vd_onnx_dtype_name(t->dtype));
            cJSON *dims = cJSON_AddArrayToObject(o, "dims");
            for (uint32_t d = 0; d < t->rank; d++) /* below 2^53 */
                cJSON_AddItemToArray(dims, cJSON_CreateNumber((double)t->dims[d]));
            cli_json_u64(o, "bytes", t->bytes);
            RO_TRY(json_digest(s, o, t, err));
        }
    }
    return RO_OK;
}

static void json_operators(const summary *s, cJSON *list)
{
    for (uint32_t k = 0; k < s->row_count; k++) {
        const vd_onnx_node *n = s->rows[k].node;
        cJSON *o = json_item(list);
        json_domain(s, o, &n->domain);
        json_text(s, o, "operator", &n->op);
        cli_json_u64(o, "nodes", s->rows[k].count);
        cJSON_AddStringToObject(o, "repops", repops(n));
    }
}

static void json_extras(const summary *s, cJSON *doc)
{
    const vd_onnx *m = s->m;
    cJSON *list = cJSON_AddArrayToObject(doc, "functions");
    for (uint32_t k = 0; k < m->function_count; k++) {
        cJSON *o = json_item(list);
        json_domain(s, o, &m->functions[k].domain);
        json_text(s, o, "name", &m->functions[k].name);
        cli_json_u64(o, "nodes", m->functions[k].nodes);
    }
    list = cJSON_AddArrayToObject(doc, "external");
    for (uint32_t k = 0; k < m->file_count; k++) {
        cJSON *o = json_item(list);
        json_text(s, o, "file", m->files[k].name);
        cli_json_u64(o, "bytes", m->files[k].size);
    }
    list = cJSON_AddArrayToObject(doc, "metadata");
    for (uint32_t k = 0; k < m->metadata_count; k++) {
        cJSON *o = json_item(list);
        json_text(s, o, "key", &m->metadata[k].key);
        json_text(s, o, "value", &m->metadata[k].value);
    }
    cli_json_u64(doc, "training_parts", m->training_count);
}

static ro_status json_model(const summary *s, ro_err *err)
{
    const vd_onnx *m = s->m;
    const vd_onnx_graph *g = m->graphs;
    RO_TRY(check_sharing(m, err));
    cJSON *doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "schema", "verde-inspect-model/1");
    cli_json_u64(doc, "ir_version", (uint64_t)m->ir_version);
    cJSON *list = cJSON_AddArrayToObject(doc, "opsets");
    for (uint32_t k = 0; k < m->opset_count; k++) {
        cJSON *o = json_item(list);
        json_domain(s, o, &m->opsets[k].domain);
        cli_json_u64(o, "version", (uint64_t)m->opsets[k].version);
    }
    json_text(s, doc, "producer", &m->producer);
    json_text(s, doc, "producer_version", &m->producer_version);
    json_text(s, doc, "graph", &g->name);
    cli_json_u64(doc, "nodes", g->node_count);
    cli_json_u64(doc, "nodes_in_place", m->nodes);
    json_values(s, cJSON_AddArrayToObject(doc, "inputs"), g->inputs, g->input_count, 1);
    json_values(s, cJSON_AddArrayToObject(doc, "outputs"), g->outputs, g->output_count, 0);
    cli_json_u64(doc, "initializer_bytes", s->bytes);
    cli_json_u64(doc, "parameters", s->parameters);
    ro_status st = json_initializers(s, cJSON_AddArrayToObject(doc, "initializers"), err);
    json_operators(s, cJSON_AddArrayToObject(doc, "operators"));
    json_extras(s, doc);
    if (st) cJSON_Delete(doc);
    else cli_json(doc);
    return st;
}

/* ---- a job that runs it ------------------------------------------------------------------ */

/* "text" as JSON writes it. */
static int put_json(FILE *f, const char *text)
{
    cJSON *o = cJSON_CreateString(text);
    char *p = o ? cJSON_PrintUnformatted(o) : NULL;
    int bad = !p || fputs(p, f) < 0;
    cJSON_free(p);
    cJSON_Delete(o);
    return bad;
}

static ro_status write_template(const summary *s, const char *as, FILE *to, FILE *notes,
                                ro_err *err)
{
    const vd_onnx_graph *g = s->m->graphs;
    char type[TYPE_BYTES], shown[200];
    cli_file_name *files = ro_arena_alloc(s->arena, (g->input_count + (size_t)1) * sizeof *files);
    uint32_t n = 0;
    if (!files) return RO_FAIL(err, RO_ENOMEM, "no memory for a job's inputs");
    int bad = fputs("{\n  \"schema\": \"verde-job/1\",\n  \"model\": ", to) < 0 ||
              put_json(to, as) || fputs(",\n  \"inputs\": {", to) < 0;
    for (uint32_t k = 0; k < g->input_count; k++) {
        const vd_onnx_text *t = &g->inputs[k].name;
        if (s->has_default[t->id]) continue;
        const char *name = ro_arena_string(s->arena, t->p, t->n);
        if (!name) return RO_FAIL(err, RO_ENOMEM, "no memory for a job's inputs");
        cli_name_file(name, files, sizeof *files, n);
        bad |= fputs(n ? ",\n    " : "\n    ", to) < 0 || put_json(to, name) ||
               fputs(": ", to) < 0 || put_json(to, files[n]);
        if (notes)
            fprintf(notes, "%s is to be %s, for the input %s\n", files[n],
                    type_text(g->inputs[k].type, type), vd_onnx_show(t, shown, sizeof shown));
        n++;
    }
    bad |= fputs(n ? "\n  },\n" : "},\n", to) < 0 || fputs("  \"record\": \"full\"\n}\n", to) < 0;
    return bad ? RO_FAIL(err, RO_EIO, "the job cannot be written") : RO_OK;
}

ro_status cli_model_template(const char *path, const char *as, FILE *to, FILE *notes, ro_err *err)
{
    vd_onnx *m = NULL;
    RO_TRY(vd_onnx_open(path, &m, err));
    summary s = {.m = m, .arena = m->arena};
    ro_status st = summarize(&s, err);
    if (!st) st = write_template(&s, as, to, notes, err);
    vd_onnx_close(m);
    return st;
}

ro_status cli_inspect_model(const char *path, int json, ro_err *err)
{
    vd_onnx *m = NULL;
    RO_TRY(vd_onnx_open(path, &m, err));
    summary s = {.m = m, .arena = m->arena};
    ro_status st = summarize(&s, err);
    if (!st && json) st = json_model(&s, err);
    else if (!st) print_model(&s);
    vd_onnx_close(m);
    return st;
}
