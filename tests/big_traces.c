/* big_traces.c - two traces of one job, of any size, that differ in one step, for measuring what a
 * dispute costs.
 *
 *   big_traces FOLDER [--steps T] [--nodes N] [--op neg|relu|sum|matmul] [--elements E]
 *
 * writes FOLDER/{a,b}.{trace,store}, the traces signed: 100,000 steps of 60 nodes by default, the
 * one in question Neg of 6 numbers. They differ in step T / 3, node N / 3: deep in the trees, whose
 * right edges may be shallow.
 *
 *   neg     E numbers, negated            relu    the same by Relu
 *   sum     E numbers into one, explained by parts where it must be
 *   matmul  [S,128] x [128,S], S x S about E: each number has 256 operands
 *
 * What is made up: all nodes but that one are Neg, and their digests are of no tensor; no node
 * reads them but their like, so a dispute never comes to ask for one. What is real: the digests
 * hang together (an input is what its producer put out, states follow), and that node has its
 * tensors, as after `verde open`; b has bit 12 of one element wrong. Tensors of over a million
 * elements are 0 but for one chunk, in files that are holes but for that: their digests come from
 * the tree over equal chunks, and whoever reads them reads every byte. */
#include <fcntl.h>

#include "../referee/files.h"
#include "small_job.h"

enum { INPUTS_MAX = 2, INNER = 128, DENSE_MAX = 1000000 };

typedef struct {
    const char *folder;
    uint64_t steps, nodes, elements;
    const char *op;
    ro_arena *arena;
    vd_job *job;
    uint32_t inputs;
    uint64_t special[INPUTS_MAX]; /* the element that is not 0 in a sparse input */
    ro_type out;
    float *in[INPUTS_MAX];        /* NULL: sparse                                 */
} plan;

static void die(const char *what)
{
    fprintf(stderr, "big_traces: %s\n", what);
    exit(2);
}

static int is(const plan *p, const char *op) { return strcmp(p->op, op) == 0; }

/* ---- tensors ---------------------------------------------------------------------------- */

/* A tensor of zeros but for one float: its digest, and its file with holes in a store. */
static void put_sparse(const char *store, const ro_type *type, uint64_t at, uint32_t bits,
                       vd_digest *d)
{
    uint64_t chunks = vd_tensor_chunks(type), bytes = ro_type_bytes(type);
    uint8_t chunk[VD_CHUNK_BYTES] = {0}, zero[VD_DIGEST], root[VD_DIGEST];
    uint8_t header[VD_TENSOR_HEADER_MAX], head[128] = {0};
    uint8_t *leaves = ro_alloc(chunks * VD_DIGEST);
    char path[4200], hex[65];
    if (!leaves) die("no memory");
    vd_leaf_hash(VD_TREE_CHUNKS, chunk, sizeof chunk, zero);
    for (uint64_t k = 0; k < chunks; k++) memcpy(leaves + k * VD_DIGEST, zero, VD_DIGEST);
    uint64_t last = chunks - 1, own = at * 4 / VD_CHUNK_BYTES;
    vd_leaf_hash(VD_TREE_CHUNKS, chunk, vd_tensor_chunk_bytes(type, last),
                 leaves + last * VD_DIGEST);
    memcpy(chunk + at * 4 % VD_CHUNK_BYTES, &bits, 4);
    vd_leaf_hash(VD_TREE_CHUNKS, chunk, vd_tensor_chunk_bytes(type, own), leaves + own * VD_DIGEST);
    vd_tree_root(VD_TREE_CHUNKS, leaves, chunks, root);
    ro_free(leaves);
    size_t n = vd_tensor_header_encode(type, root, header);
    vd_tensor_header_digest(header, n, d->b);
    if (!store) return;
    memcpy(head, header, n - VD_DIGEST - 8); /* without chunk count and root */
    vd_digest_hex(d, hex);
    snprintf(path, sizeof path, "%s/tensors/%.2s", store, hex);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/tensors/%.2s/%s", store, hex, hex);
    int fd = open(path, O_RDWR | O_CREAT, 0666);
    if (fd < 0 || ftruncate(fd, (off_t)(sizeof head + bytes)) < 0 ||
        pwrite(fd, head, sizeof head, 0) != sizeof head ||
        pwrite(fd, &bits, 4, (off_t)(sizeof head + at * 4)) != 4)
        die("a tensor cannot be written");
    close(fd);
}

static void put_dense(const char *store, const ro_type *type, const float *data, vd_digest *d)
{
    ro_err err = {RO_OK, {0}};
    vd_store *s = NULL;
    vd_tensor_digest(type, data, NULL, d->b);
    if (!store) return;
    must(vd_store_open(store, 1, &s, &err), &err);
    must(vd_store_put(s, type, data, d, &err), &err);
    vd_store_close(s);
}

static void put_input(const plan *p, const char *store, uint32_t k, vd_digest *d)
{
    const ro_type *type = &p->job->constants[k].type;
    if (p->in[k]) put_dense(store, type, p->in[k], d);
    else put_sparse(store, type, p->special[k], 0x3fc00000, d);
}

/* ---- the job ---------------------------------------------------------------------------- */

static void set_input(plan *p, uint32_t k, ro_type type)
{
    uint64_t n = ro_type_elements(&type);
    p->job->constants[k] = small_slot(k ? "y" : "x", type);
    p->special[k] = n / 3 * 2;
    if (n <= DENSE_MAX || is(p, "matmul")) {
        p->in[k] = ro_alloc(n * sizeof *p->in[k]);
        if (!p->in[k]) die("no memory");
        for (uint64_t i = 0; i < n; i++)
            p->in[k][i] = is(p, "matmul") ? k ? 0.5f : 1.0f
                                          : 1.0f + (float)(i * 2654435761u % 1000) / 1024;
    }
    put_input(p, NULL, k, &p->job->constants[k].digest);
}

static void set_operands(plan *p)
{
    int64_t e = (int64_t)p->elements, side = 1;
    while (side * side < e) side++;
    p->inputs = is(p, "matmul") ? 2 : 1;
    if (p->inputs == 2) {
        set_input(p, 0, ro_type_of(RO_F32, 2, (int64_t[]){side, INNER}));
        set_input(p, 1, ro_type_of(RO_F32, 2, (int64_t[]){INNER, side}));
    } else set_input(p, 0, ro_type_of(RO_F32, 1, &e));
}

static void make_graph(plan *p, ro_graph *g)
{
    ro_err err = {RO_OK, {0}};
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8] = {0}; /* a sum over all axes */
    ro_value w, c[INPUTS_MAX], y = RO_NO_VALUE;
    ro_op op = is(p, "relu") ? RO_OP_Relu : is(p, "sum") ? RO_OP_ReduceSum
             : is(p, "matmul") ? RO_OP_MatMul : RO_OP_Neg;
    must(ro_graph_slot(g, 1, &p->job->slots[1].type, &w, &err), &err);
    for (uint32_t k = 0; k < p->inputs; k++)
        must(ro_graph_constant(g, k, &p->job->constants[k].type, &c[k], &err), &err);
    for (uint64_t k = 0; k < p->nodes; k++) {
        if (k != p->nodes / 3) must(ro_emit1(g, RO_OP_Neg, NULL, w, &w, &err), &err);
        else must(ro_graph_node(g, op, attrs, c, p->inputs, 1, &y, &err), &err);
    }
    must(ro_graph_set_next(g, 1, w, &err), &err);
    must(ro_graph_add_output(g, y, &err), &err);
    p->out = *ro_graph_type(g, y);
}

static void make_job(plan *p)
{
    ro_err err = {RO_OK, {0}};
    ro_arena *a = p->arena;
    vd_job *j = ro_arena_alloc(a, sizeof *j);
    ro_graph *g = NULL;
    if (!j) die("no memory");
    p->job = j;
    j->arena = a;
    j->repeats = 1;
    j->phase_count = 1;
    j->slot_count = 2;
    j->phases = ro_arena_alloc(a, sizeof *j->phases);
    j->slots = ro_arena_alloc(a, 2 * sizeof *j->slots);
    j->constants = ro_arena_alloc(a, INPUTS_MAX * sizeof *j->constants);
    if (!j->phases || !j->slots || !j->constants) die("no memory");
    j->slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    j->slots[1] = small_slot("w", ro_type_of(RO_F32, 1, (int64_t[]){6}));
    set_operands(p);
    j->constant_count = p->inputs;
    must(ro_graph_new(a, &g, &err), &err);
    make_graph(p, g);
    j->phases[0].steps = p->steps;
    j->phases[0].graph = g;
    must(vd_job_seal(j, &err), &err);
}

/* ---- what the node in question puts out ------------------------------------------------- */

typedef struct { const uint64_t *parts, *first; } table;
static uint64_t from_all(const ro_claims *c, uint32_t level, uint64_t index)
{
    const table *t = c->ctx;
    return t->parts[t->first[level] + index];
}

/* The sum by its parts; a liar has one of them wrong and folds the rest from it. */
static uint64_t explain_sum(const rf_node *n, const float *x, int lie, uint64_t **parts)
{
    const void *data[1] = {x};
    ro_reader r = {n->in, n->out, 1, 1, data, NULL, NULL};
    uint64_t count[RO_LEVELS_MAX], first[RO_LEVELS_MAX + 1] = {0};
    uint32_t levels;
    ro_err err = {RO_OK, {0}};
    must(ro_explain_all(n->node->op, &r, n->node->attrs, 0, 0, &levels, count, parts, &err), &err);
    for (uint32_t l = 0; l < levels; l++) first[l + 1] = first[l] + count[l];
    table t = {*parts, first};
    ro_claims claims = {from_all, &t};
    if (lie) {
        uint64_t *part = &(*parts)[count[0] / 3 * 2];
        *part ^= *part ? UINT64_C(1) << 22 : 0x40000000; /* large: it must not be rounded away */
        for (uint32_t l = 1; l < levels; l++)
            for (uint64_t k = 0; k < count[l]; k++)
                (*parts)[first[l] + k] = ro_explain_of(n->node->op, &r)
                                             ->part(&r, n->node->attrs, 0, 0, l, k, &claims);
    }
    return (*parts)[first[levels] - 1];
}

static void put_sum(const plan *p, const char *store, int lie, vd_digest *d)
{
    rf_node n;
    ro_err err = {RO_OK, {0}};
    uint64_t *parts, elements = ro_type_elements(&p->job->constants[0].type);
    float v, *zeros = NULL, one = 1.5f;
    rf_node_init(&n, p->job, 0, (uint32_t)p->nodes / 3, &p->job->constants[0].digest);
    if (!p->in[0]) { /* pages of zeros that nobody writes take no room */
        zeros = ro_alloc_zero(elements * sizeof *zeros);
        if (!zeros) die("no memory");
        zeros[p->special[0]] = one;
    }
    uint64_t bits = explain_sum(&n, zeros ? zeros : p->in[0], lie, &parts);
    uint32_t low = (uint32_t)bits;
    memcpy(&v, &low, 4);
    put_dense(store, &p->out, &v, d);
    if (lie && store && rf_is_partial(&n, 0))
        must(rf_explanation_put(store, &n, d, 0, 0, NULL, parts, &err), &err);
    ro_free(parts);
    ro_free(zeros);
}

/* All ones by all halves. */
static void put_matmul(const plan *p, const char *store, int lie, vd_digest *d)
{
    uint64_t n = ro_type_elements(&p->out);
    float *y = ro_alloc(n * sizeof *y);
    if (!y) die("no memory");
    for (uint64_t k = 0; k < n; k++) y[k] = INNER / 2;
    if (lie) y[n / 3 * 2] += 0.03125f; /* bit 12 */
    put_dense(store, &p->out, y, d);
    ro_free(y);
}

static void put_same(const plan *p, const char *store, int lie, vd_digest *d)
{
    uint64_t at = p->special[0], n = ro_type_elements(&p->out);
    uint32_t flip = lie ? 1u << 12 : 0;
    if (!p->in[0]) { /* Relu leaves it as it is */
        put_sparse(store, &p->out, at, 0x3fc00000u ^ flip, d);
        return;
    }
    uint32_t *y = ro_alloc(n * sizeof *y);
    if (!y) die("no memory");
    memcpy(y, p->in[0], n * sizeof *y);
    for (uint64_t k = 0; k < n && is(p, "neg"); k++) y[k] ^= 0x80000000u;
    y[at] ^= flip;
    put_dense(store, &p->out, (const float *)(const void *)y, d);
    ro_free(y);
}

static void put_output(const plan *p, const char *store, int lie, vd_digest *d)
{
    if (is(p, "sum")) put_sum(p, store, lie, d);
    else if (is(p, "matmul")) put_matmul(p, store, lie, d);
    else put_same(p, store, lie, d);
}

/* ---- traces ----------------------------------------------------------------------------- */

/* The next step's digests and the state after it. */
static void advance(const plan *p, uint64_t step, const vd_digest *output, vd_digest *slots,
                    vd_digest *digests)
{
    vd_digest *d = digests;
    for (uint64_t k = 0; k < p->nodes; k++) {
        if (k != p->nodes / 3) {
            *d++ = slots[1];
            *d++ = slots[1] = made_up(step, k, 0);
            continue;
        }
        for (uint32_t i = 0; i < p->inputs; i++) *d++ = p->job->constants[i].digest;
        *d++ = *output;
    }
    slots[0] = vd_step_digest(step + 1);
}

static void write_trace(const plan *p, int lie)
{
    ro_err err = {RO_OK, {0}};
    vd_writer *w = NULL;
    vd_key *key = NULL;
    vd_store *s = NULL;
    vd_digest root, out[2], in, slots[2] = {p->job->slots[0].digest, p->job->slots[1].digest};
    uint64_t begun;
    char hex[65], path[4096], backend[VD_BACKEND_BYTES];
    snprintf(path, sizeof path, "%s/%c.store", p->folder, "ab"[lie]);
    must(vd_store_open(path, 1, &s, &err), &err);
    vd_store_close(s);
    for (uint32_t k = 0; k < p->inputs; k++) put_input(p, path, k, &in);
    put_output(p, lie ? NULL : path, 0, &out[0]);
    if (lie) put_output(p, path, 1, &out[1]);
    snprintf(path, sizeof path, "%s/%c.pem", p->folder, "ab"[lie]);
    must(vd_key_new(path, &err), &err);
    must(vd_key_load(path, &key, &err), &err);
    snprintf(path, sizeof path, "%s/%c.trace", p->folder, "ab"[lie]);
    must(vd_writer_open(path, p->job, -1, NULL, &w, &begun, &err), &err);
    vd_digest *digests = ro_alloc((2 * p->nodes + INPUTS_MAX) * sizeof *digests);
    if (!digests) die("no memory");
    for (uint64_t step = 0; step < p->steps; step++) {
        const vd_digest *output = &out[lie && step == p->steps / 3];
        advance(p, step, output, slots, digests);
        vd_digest state = vd_state_root(slots, 2), outputs = vd_outputs_digest(output, 1);
        must(vd_writer_step(w, &state, &outputs, digests, &err), &err);
    }
    snprintf(backend, sizeof backend, "cpu %s", ro_cpu_isa());
    must(vd_writer_finish(w, key, backend, &root, &err), &err);
    vd_writer_free(w);
    vd_key_free(key);
    ro_free(digests);
    vd_digest_hex(&root, hex);
    printf("%s  %s\n", path, hex);
}

int main(int argc, char **argv)
{
    plan p = {.steps = 100000, .nodes = 60, .elements = 6, .op = "neg"};
    for (int k = 1; k < argc; k++) {
        const char *name = argv[k];
        if (name[0] != '-' && !p.folder) {
            p.folder = name;
            continue;
        }
        if (k + 1 == argc) die("an option needs a value");
        const char *value = argv[++k];
        uint64_t n = strtoull(value, NULL, 10);
        if (!strcmp(name, "--steps")) p.steps = n;
        else if (!strcmp(name, "--nodes")) p.nodes = n;
        else if (!strcmp(name, "--elements")) p.elements = n;
        else if (!strcmp(name, "--op")) p.op = value;
        else die("there is no such option");
    }
    int known = is(&p, "neg") || is(&p, "relu") || is(&p, "sum") || is(&p, "matmul");
    if (!p.folder || !known || p.steps < 1 || p.nodes < 1 || p.elements < 1 ||
        (is(&p, "neg") && p.elements > DENSE_MAX))
        die("big_traces FOLDER [--steps T] [--nodes N] [--op neg|relu|sum|matmul] [--elements E]; "
            "neg: at most 1000000 elements");
    p.arena = ro_arena_new();
    make_job(&p);
    write_trace(&p, 0);
    write_trace(&p, 1);
    for (uint32_t k = 0; k < p.inputs; k++) ro_free(p.in[k]);
    ro_arena_free(p.arena);
    return 0;
}
