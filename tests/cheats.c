/* cheats.c - records a run that cheats in a way people would try.
 *
 *   cheats KIND JOB.json --trace F [--store DIR] [--at STEP] [--own]
 *
 * A small interpreter runs the job's graph by the scalar bodies, one tensor after the other, and
 * bends it as KIND says; what it then claims is written with the honest descriptors, and every
 * tensor goes into the store, so that the referee gets every opening it asks for. With "honest"
 * it must give the root of `verde run`.
 *
 * Prints the trace root. With --own it prints too, as edits for forge, the descriptors of what
 * was really run where that was another operator than the job's. */
#include <stdlib.h>
#include <string.h>

#include "../verde/bytes.h"
#include "../verde/cli.h"

typedef enum {
    HONEST, SKIP_STEP, REUSE_BATCH, OTHER_RATE, STALE_WEIGHTS, OTHER_SEED, HALF_PRECISION,
    LIBRARY_MATMUL, COPY_DIGESTS, STOP_EARLY, RANDOM_BYTES
} cheat;
static const char *const names[] = {
    "honest", "skip-step", "reuse-batch", "other-rate", "stale-weights", "other-seed",
    "half-precision", "library-matmul", "copy-digests", "stop-early", "random-bytes", NULL};

typedef struct {
    const vd_job *job;      /* what the trace claims to be */
    const vd_job *run;      /* whose graph is run: another one for other-rate and other-seed */
    const void *const *constants;
    vd_store *store;
    void **slots, **saved;  /* the state; a copy of an earlier one */
    vd_digest *slot_digests, *saved_digests;
    void **values;
    vd_digest *digests, *flat;
    cheat kind;
    uint64_t at;            /* from this step on */
    ro_arena *arena;
} runner;

static void die(const char *what, const ro_err *err)
{
    fprintf(stderr, "cheats: %s: %s\n", what, err ? err->msg : "failed");
    exit(4);
}

static void *room(runner *r, uint64_t n)
{
    void *p = ro_arena_alloc(r->arena, n ? n : 1);
    if (!p) die("memory", NULL);
    return p;
}

/* binary32 -> binary16 -> binary32, to nearest even, as a tensor core's input would be. */
static float through_half(float x)
{
    uint32_t u, sign, magnitude;
    memcpy(&u, &x, 4);
    sign = u & 0x80000000u;
    magnitude = u & 0x7fffffffu;
    if (magnitude >= 0x7f800000u) return x;
    uint32_t rounded = (magnitude + 0xfff + (magnitude >> 13 & 1)) & ~0x1fffu;
    if (magnitude < 0x38800000u) rounded = 0; /* subnormal halves flushed, as many do */
    u = sign | rounded;
    memcpy(&x, &u, 4);
    return x;
}

/* A matrix product as a library would sum it: eight interleaved chains, then a tree. */
static float library_element(const ro_reader *r, ro_op op, uint64_t i)
{
    const float *a = r->data[0], *b = r->data[1], *c = r->inputs > 2 ? r->data[2] : NULL;
    uint64_t K = (uint64_t)r->in[0].dims[1], N = (uint64_t)r->out[0].dims[1];
    uint64_t m = i / N, n = i % N;
    int transposed = strcmp(ro_ops[op].name, "Gemm") == 0;
    float s[8] = {0};
    for (uint64_t k = 0; k < K; k++)
        s[k % 8] += a[m * K + k] * (transposed ? b[n * K + k] : b[k * N + n]);
    for (int h = 4; h; h /= 2)
        for (int l = 0; l < h; l++) s[l] += s[l + h];
    return c ? s[0] + c[n] : s[0];
}

static void store_bits(ro_dtype d, void *to, uint64_t i, uint64_t bits)
{
    uint32_t w = ro_dtypes[d].size;
    uint8_t b1 = (uint8_t)bits;
    uint32_t b4 = (uint32_t)bits;
    if (w == 1) memcpy((uint8_t *)to + i, &b1, 1);
    else if (w == 4) memcpy((uint8_t *)to + 4 * i, &b4, 4);
    else memcpy((uint8_t *)to + 8 * i, &bits, 8);
}

/* Whether the cheat runs something else in this node's place, by another body or attributes. */
static int is_replaced(const runner *r, const ro_node *n)
{
    const char *name = ro_ops[n->op].name;
    return (r->kind == HALF_PRECISION && !strcmp(name, "Conv")) ||
           (r->kind == LIBRARY_MATMUL && !strcmp(name, "Gemm") && n->inputs == 3);
}

static void bend(runner *r, const ro_node *n, const ro_reader *reader, uint64_t global, void *out,
                 const ro_type *type)
{
    uint64_t count = ro_type_elements(type);
    float *y = out;
    if (global < r->at) return;
    if (r->kind == HALF_PRECISION && is_replaced(r, n))
        for (uint64_t i = 0; i < count; i++) y[i] = through_half(y[i]);
    if (r->kind == LIBRARY_MATMUL && is_replaced(r, n))
        for (uint64_t i = 0; i < count; i++) y[i] = library_element(reader, n->op, i);
    if (r->kind == RANDOM_BYTES && !strcmp(ro_ops[n->op].name, "Relu"))
        for (uint64_t i = 0; i < count; i++)
            y[i] = (float)((i * 2654435761u + global) % 1000) / 500;
    if (r->kind == REUSE_BATCH && !strcmp(ro_ops[n->op].name, "BatchIndices")) {
        int64_t step = (int64_t)r->at - 2; /* the batch of the step before */
        ro_reader again = *reader;
        const void *data[1] = {&step};
        again.data = data;
        for (uint64_t i = 0; i < count; i++)
            store_bits(type->dtype, out, i, ro_at(n->op, &again, n->attrs, 0, i));
    }
}

static void run_node(runner *r, const ro_graph *g, uint32_t index, uint64_t global)
{
    const ro_node *n = &g->nodes[index];
    ro_type in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    const void *data[RO_INPUTS_MAX];
    memset(in, 0, sizeof in);
    for (uint32_t k = 0; k < n->inputs; k++) {
        data[k] = n->in[k] == RO_NO_VALUE ? NULL : r->values[n->in[k]];
        if (data[k]) in[k] = g->values[n->in[k]].type;
    }
    for (uint32_t k = 0; k < n->outputs; k++) out[k] = g->values[n->first_output + k].type;
    ro_reader reader;
    memset(&reader, 0, sizeof reader);
    reader.in = in;
    reader.out = out;
    reader.inputs = n->inputs;
    reader.outputs = n->outputs;
    reader.data = data;
    for (uint32_t k = 0; k < n->outputs; k++) {
        ro_value v = n->first_output + k;
        uint64_t count = ro_type_elements(&out[k]);
        ro_err err = {0};
        for (uint64_t i = 0; i < count; i++)
            store_bits(out[k].dtype, r->values[v], i, ro_at(n->op, &reader, n->attrs, k, i));
        if (k == 0) bend(r, n, &reader, global, r->values[v], &out[k]);
        vd_tensor_digest(&out[k], r->values[v], NULL, r->digests[v].b);
        if (vd_store_put(r->store, &out[k], r->values[v], &r->digests[v], &err)) die("store", &err);
    }
}

static void bind(runner *r, const ro_graph *g)
{
    r->values = room(r, g->value_count * sizeof *r->values);
    r->digests = room(r, g->value_count * sizeof *r->digests);
    r->flat = room(r, (g->value_count + (uint64_t)g->node_count * RO_INPUTS_MAX) * sizeof *r->flat);
    for (uint32_t v = 0; v < g->value_count; v++) {
        const ro_value_info *i = &g->values[v];
        uint64_t bytes = ro_type_bytes(&i->type);
        if (i->kind == RO_V_NODE) r->values[v] = room(r, bytes);
        if (i->kind == RO_V_CONSTANT) r->values[v] = (void *)r->constants[i->index];
        if (i->kind == RO_V_CONSTANT) r->digests[v] = r->job->constants[i->index].digest;
        if (i->kind == RO_V_SLOT) {
            int stale = r->kind == STALE_WEIGHTS && r->saved && i->index > 0;
            r->values[v] = stale ? r->saved[i->index] : r->slots[i->index];
            r->digests[v] = r->slot_digests[i->index];
        }
    }
}

/* Give the slots their next values; 0: the state stands still. */
static void advance(runner *r, const ro_graph *g, uint64_t global, int move)
{
    const vd_job *j = r->job;
    ro_err err = {0};
    for (uint32_t s = 1; move && s < g->slot_count; s++) {
        ro_value v = g->next[s];
        if (v == RO_NO_VALUE) continue;
        r->slots[s] = r->values[v];
        r->slot_digests[s] = r->digests[v];
    }
    int64_t *step = room(r, 8);
    *step = (int64_t)global + 1;
    r->slots[0] = step;
    vd_tensor_digest(&j->slots[0].type, step, NULL, r->slot_digests[0].b);
    for (uint32_t s = 0; s < j->slot_count; s++)
        if (vd_store_put(r->store, &j->slots[s].type, r->slots[s], &r->slot_digests[s], &err))
            die("store", &err);
}

static vd_digest tree_of(vd_tree_kind kind, const vd_digest *leaves, uint32_t n)
{
    vd_digest root, *hashes = ro_alloc((n + 1) * sizeof *hashes);
    if (!hashes) die("memory", NULL);
    vd_leaf_hashes(kind, leaves, VD_DIGEST, n, hashes->b);
    vd_tree_root(kind, hashes->b, n, root.b);
    ro_free(hashes);
    return root;
}

/* Edits that put the cheat's own descriptors into the trace. */
static void print_own(const runner *r)
{
    for (uint64_t t = 0; t < r->job->steps; t++) {
        uint32_t phase = vd_job_locate(r->job, t).phase;
        const ro_graph *job = r->job->phases[phase].graph, *run = r->run->phases[phase].graph;
        for (uint32_t i = 0; i < job->node_count; i++) {
            static uint8_t record[VD_NODE_RECORD_MAX];
            vd_digest have = vd_node_descriptor(job, i), own = vd_node_descriptor(run, i);
            char hex[65];
            if (t >= r->at && is_replaced(r, &job->nodes[i])) {
                size_t n = vd_node_record(job, i, record);
                vd_put_le(record + 1 + record[0], 1000, 4); /* a version of its own */
                vd_leaf_hash(VD_TREE_GRAPH, record, n, own.b);
            }
            if (vd_digest_equal(&have, &own)) continue;
            vd_digest_hex(&own, hex);
            printf("node:%llu:%u:descriptor=%s\n", (unsigned long long)t, i, hex);
        }
    }
}

static void write_step(runner *r, vd_writer *w, const ro_graph *g, uint64_t global)
{
    vd_digest state, outputs, out[8];
    uint32_t n = 0;
    ro_err err = {0};
    for (uint32_t i = 0; i < g->node_count; i++) {
        for (uint32_t k = 0; k < g->nodes[i].inputs; k++)
            if (g->nodes[i].in[k] != RO_NO_VALUE) r->flat[n++] = r->digests[g->nodes[i].in[k]];
        for (uint32_t k = 0; k < g->nodes[i].outputs; k++)
            r->flat[n++] = r->digests[g->nodes[i].first_output + k];
    }
    if (r->kind == COPY_DIGESTS && global >= r->at) /* copied half the run, invents the rest */
        for (uint32_t k = 0; k < n; k++) r->flat[k].b[0] ^= 0x5a;
    for (uint32_t k = 0; k < g->output_count && k < 8; k++) out[k] = r->digests[g->outputs[k]];
    outputs = tree_of(VD_TREE_STEP_OUTPUTS, out, g->output_count);
    state = tree_of(VD_TREE_STATE, r->slot_digests, r->job->slot_count);
    if (vd_store_put_state(r->store, &state, r->slot_digests, r->job->slot_count, &err) ||
        vd_store_put_snapshot(r->store, &r->job->digest, global + 1, &state, &err) ||
        vd_writer_step(w, &state, &outputs, r->flat, &err))
        die("write", &err);
}

static void save_state(runner *r)
{
    uint32_t n = r->job->slot_count;
    r->saved = room(r, n * sizeof *r->saved);
    for (uint32_t s = 0; s < n; s++) r->saved[s] = r->slots[s];
}

static void run_step(runner *r, vd_writer *w, uint64_t global)
{
    vd_place at = vd_job_locate(r->job, global);
    const ro_graph *g = r->run->phases[at.phase].graph;
    int idle = (r->kind == SKIP_STEP && global == r->at) ||
               (r->kind == STOP_EARLY && global >= r->at);
    if (r->kind == STALE_WEIGHTS && global == r->at - 1) save_state(r);
    if (r->kind == STALE_WEIGHTS && global > r->at) r->saved = NULL;
    if (!idle || !r->values) bind(r, g);
    for (uint32_t i = 0; !idle && i < g->node_count; i++) run_node(r, g, i, global);
    advance(r, g, global, !idle);
    write_step(r, w, g, global);
}

static const vd_job *other_job(const vd_job_file *f, cheat kind, ro_arena *arena)
{
    vd_spec *s = ro_arena_alloc(arena, sizeof *s);
    vd_job *j = NULL;
    ro_err err = {0};
    if (!s) die("memory", NULL);
    *s = f->spec;
    if (kind == OTHER_RATE) s->rate *= 1.5;
    if (kind == OTHER_SEED) s->seed += 1;
    if (vd_model_job(s, arena, &j, &err)) die("job", &err);
    return j;
}

static void run_all(runner *r, const char *trace)
{
    vd_writer *w = NULL;
    uint64_t done;
    vd_digest root;
    char hex[65];
    ro_err err = {0};
    uint32_t n = r->job->slot_count;
    r->slots = room(r, n * sizeof *r->slots);
    r->slot_digests = room(r, n * sizeof *r->slot_digests);
    for (uint32_t s = 0; s < n; s++) {
        r->slots[s] = room(r, ro_type_bytes(&r->job->slots[s].type));
        r->slot_digests[s] = r->job->slots[s].digest;
    }
    if (vd_writer_open(trace, r->job, -1, NULL, &w, &done, &err) || vd_writer_rewind(w, 0, &err))
        die("trace", &err);
    for (uint64_t t = 0; t < r->job->steps; t++) run_step(r, w, t);
    if (vd_writer_finish(w, NULL, "cheats", &root, &err)) die("trace", &err);
    vd_writer_free(w);
    vd_digest_hex(&root, hex);
    puts(hex);
}

int main(int argc, char **argv)
{
    cli_option options[] = {{.name = "--trace", .has_value = 1},
                            {.name = "--store", .has_value = 1}, {.name = "--at", .has_value = 1},
                            {.name = "--threads", .has_value = 1}, {.name = "--own"}, {0}};
    cli_args a = {.options = options};
    cli_job j;
    runner r;
    ro_err err = {0};
    memset(&j, 0, sizeof j);
    memset(&r, 0, sizeof r);
    if (cli_parse(argc - 1, argv + 1, &a, 2, 2, &err)) die("usage", &err);
    while (names[r.kind] && strcmp(names[r.kind], a.words[0])) r.kind++;
    if (!names[r.kind] || !cli_value(&a, "--trace")) die("usage", NULL);
    r.at = 2;
    if (cli_number(&a, "--at", 2, VD_STEPS_MAX, &r.at, &err)) die("usage", &err);
    if (cli_job_load(&j, a.words[1], &a, &err)) die("job", &err);
    if (cli_store(&a, cli_value(&a, "--trace"), 1, &j.store, &err)) die("store", &err);
    if (cli_job_constants(&j, &err)) die("data", &err);
    r.job = j.job;
    r.arena = j.arena;
    r.store = j.store;
    r.constants = j.constants;
    r.run = j.job;
    if (r.kind == OTHER_RATE || r.kind == OTHER_SEED) r.run = other_job(&j.file, r.kind, j.arena);
    run_all(&r, cli_value(&a, "--trace"));
    if (cli_value(&a, "--own")) print_own(&r);
    cli_job_free(&j);
    return 0;
}
