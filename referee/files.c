/* files.c - what a party would answer, read from its files.
 *
 * Invariants
 *   1. Nothing here judges: whatever is found is handed to the game, which checks it. A damaged
 *      file is a source that has no answer.
 *   2. A party's claims are answered from its own file; what a digest names, from any store.
 *   3. Whatever runs here runs on tensors that were read into memory and hashed there.
 *   4. What the host computes for a verdict it computes in a child, by every kernel set that the
 *      parties name and by the scalar bodies. A fault, or a difference, condemns nobody. */
#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../verde/bytes.h"
#include "../verde/files.h"

ro_status rf_files_init(rf_files *f, uint32_t traces, uint32_t claims, uint32_t stores, ro_err *err)
{
    memset(f, 0, sizeof *f);
    f->backend = ro_cpu();
    f->arena = ro_arena_new();
    if (f->arena) {
        f->traces = ro_arena_alloc(f->arena, traces * sizeof *f->traces);
        f->claims = ro_arena_alloc(f->arena, claims * sizeof *f->claims);
        f->stores = ro_arena_alloc(f->arena, stores * sizeof *f->stores);
        f->path = ro_arena_alloc(f->arena, VD_PROOF_MAX * (size_t)VD_DIGEST);
    }
    return f->traces && f->claims && f->stores && f->path
               ? RO_OK
               : RO_FAIL(err, RO_ENOMEM, "no memory to read a dispute's files");
}

int rf_files_own_claim(const rf_files *f, uint32_t claim)
{
    const uint8_t *by = vd_trace_key(f->claims[claim]);
    for (uint32_t k = 0; k < f->trace_count; k++) {
        const uint8_t *key = vd_trace_key(f->traces[k]);
        if (!vd_digest_equal(vd_trace_get_root(f->traces[k]),
                             &vd_trace_get_claim(f->claims[claim])->trace))
            continue;
        if (by && key ? memcmp(by, key, VD_DIGEST) == 0 : !by && !key) return 1;
    }
    return 0;
}

/* Every answer goes through here. */
static ro_status give(rf_files *f, rf_game *g, const rf_question *q, const void *bytes, size_t n,
                      int *accepted, ro_err *err)
{
    if (rf_is_window(q->kind)) RO_TRY(rf_game_admits(g, q, NULL, bytes, n, accepted, err));
    else RO_TRY(rf_game_answer(g, q, RF_NONE, bytes, n, accepted, err));
    if (f->heard) f->heard(f->heard_ctx, f->from, bytes, n, *accepted);
    return RO_OK;
}

/* ---- faults ----------------------------------------------------------------------------- */

/* Nobody is condemned from here on; the first reason counts. */
static void stop(rf_files *f, int alarm, const char *why)
{
    if (f->stopped) return;
    f->stopped = 1;
    f->alarm = alarm;
    snprintf(f->stop_why, sizeof f->stop_why, "%.190s", why);
}

const rf_verdict *rf_files_verdict(rf_files *f, const rf_game *g)
{
    rf_verdict *v = &f->undecided;
    if (!f->stopped) return rf_game_verdict(g);
    *v = *rf_game_verdict(g);
    v->kind = RF_UNDECIDED;
    v->method = RF_BY_NONE;
    v->has_value = 0;
    v->guilty_count = v->struck_claims = 0;
    v->provisional = 0;
    v->alarm = f->alarm;
    memcpy(v->why, f->stop_why, sizeof v->why);
    return v;
}

int rf_files_stands(const rf_files *f, const rf_game *g, uint32_t party)
{
    return f->stopped || rf_game_stands(g, party);
}

/* ---- tensors ---------------------------------------------------------------------------- */

static int build_tree(rf_tensor *t)
{
    uint64_t n = vd_tensor_chunks(&t->type), whole = n;
    uint8_t header[VD_TENSOR_HEADER_MAX], root[VD_DIGEST], got[VD_DIGEST];
    if (n && vd_tensor_chunk_bytes(&t->type, n - 1) < VD_CHUNK_BYTES) whole--;
    vd_leaf_hashes(VD_TREE_CHUNKS, t->bytes, VD_CHUNK_BYTES, whole, t->tree);
    if (whole < n)
        vd_leaf_hash(VD_TREE_CHUNKS, t->bytes + whole * VD_CHUNK_BYTES,
                     vd_tensor_chunk_bytes(&t->type, whole), t->tree + whole * VD_DIGEST);
    vd_tree_build(VD_TREE_CHUNKS, t->tree, n, root);
    vd_tensor_header_digest(header, vd_tensor_header_encode(&t->type, root, header), got);
    return memcmp(got, t->digest.b, VD_DIGEST) == 0;
}

static void free_tensor(rf_tensor *t)
{
    ro_free(t->bytes);
    ro_free(t->tree);
    ro_free(t);
}

/* bytes are taken; NULL: they could not be had. Returns NULL when they are not the digest's, or
 * where there is no memory, which stops. */
static rf_tensor *keep_tensor(rf_files *f, const vd_digest *d, const ro_type *type, uint8_t *bytes)
{
    rf_tensor *t = bytes ? ro_alloc_zero(sizeof *t) : NULL;
    uint8_t *tree = t ? ro_alloc((vd_tree_size(vd_tensor_chunks(type)) + 1) * VD_DIGEST) : NULL;
    if (!tree) {
        stop(f, 0, "the referee has no memory to read a tensor");
        ro_free(bytes);
        ro_free(t);
        return NULL;
    }
    *t = (rf_tensor){f->tensors, *d, *type, bytes, tree, NULL};
    if (!build_tree(t)) {
        free_tensor(t);
        return NULL;
    }
    f->tensors = t;
    return t;
}

/* Those of one game are not those of the next: constants alone are kept. */
static void forget_tensors(rf_files *f)
{
    rf_tensor *kept = NULL;
    for (rf_tensor *t = f->tensors; t;) {
        rf_tensor *next = t->next;
        int is_constant = 0;
        for (uint32_t k = 0; f->constants && k < f->job->constant_count; k++)
            is_constant |= f->constants[k] == t->bytes;
        if (is_constant) {
            t->next = kept;
            kept = t;
        } else free_tensor(t);
        t = next;
    }
    f->tensors = kept;
}

void rf_files_release(rf_files *f)
{
    ro_free(f->parts);
    f->constants = NULL;
    forget_tensors(f);
    for (uint32_t k = 0; k < f->claim_count; k++) vd_trace_close(f->claims[k]);
    for (uint32_t k = f->trace_count; k-- > 0;) vd_trace_close(f->traces[k]); /* the first lends */
    for (uint32_t k = 0; k < f->store_count; k++) vd_store_close(f->stores[k]);
    ro_arena_free(f->arena);
}

static uint64_t larger(uint64_t a, const ro_type *t)
{
    uint64_t b = ro_type_bytes(t);
    return a > b ? a : b;
}

/* Nothing that the job computes with is larger. */
static uint64_t largest_tensor(const vd_job *j)
{
    uint64_t n = 0;
    for (uint32_t k = 0; k < j->slot_count; k++) n = larger(n, &j->slots[k].type);
    for (uint32_t k = 0; k < j->constant_count; k++) n = larger(n, &j->constants[k].type);
    for (uint32_t p = 0; p < j->phase_count; p++)
        for (uint32_t v = 0; v < j->phases[p].graph->value_count; v++)
            n = larger(n, &j->phases[p].graph->values[v].type);
    return n;
}

/* Of the data that came with a job: its digest was computed when it was loaded, and is again. */
static rf_tensor *find_data(rf_files *f, const vd_digest *d)
{
    for (uint32_t k = 0; f->data_job && k < f->data_job->constant_count; k++) {
        const vd_slot *c = &f->data_job->constants[k];
        if (!f->data[k] || !vd_digest_equal(&c->digest, d)) continue;
        uint8_t *bytes = ro_alloc(ro_type_bytes(&c->type));
        if (bytes)
            ro_canonical_bytes(c->type.dtype, f->data[k], bytes, ro_type_elements(&c->type));
        return keep_tensor(f, d, &c->type, bytes);
    }
    return NULL;
}

/* A tensor by digest, read into memory of our own and hashed there: its file may change while it
 * is judged. From any store, from the data of the job; one of zeros of a known type from nowhere.
 * What is larger than anything here is not looked at. */
static rf_tensor *find_tensor(rf_files *f, const vd_digest *d, const ro_type *type)
{
    ro_type got;
    uint8_t *bytes;
    for (rf_tensor *t = f->tensors; t; t = t->next)
        if (vd_digest_equal(&t->digest, d)) return t;
    uint64_t limit = type ? ro_type_bytes(type) : largest_tensor(f->job);
    for (uint32_t k = 0; k < f->store_count; k++) {
        ro_err why = {RO_OK, {0}};
        ro_status st = vd_store_copy(f->stores[k], d, limit, &got, &bytes, &why);
        if (st == RO_ENOMEM) stop(f, 0, why.msg);
        if (st) continue;
        rf_tensor *t = keep_tensor(f, d, &got, bytes);
        if (t) t->from = vd_store_path(f->stores[k]);
        if (t) return t;
    }
    vd_digest zero;
    rf_tensor *given = find_data(f, d);
    if (given || !type) return given;
    vd_tensor_digest_zero(type, zero.b);
    if (!vd_digest_equal(&zero, d)) return NULL;
    return keep_tensor(f, d, type, ro_alloc_zero(ro_type_bytes(type)));
}

static int chunk_of(void *ctx, const vd_digest *d, const ro_type *type, uint64_t index,
                    const uint8_t **bytes, size_t *size, const uint8_t **path, uint32_t *path_size)
{
    rf_files *f = ctx;
    rf_tensor *t = find_tensor(f, d, type);
    if (!t || !ro_type_equal(&t->type, type)) return 0;
    *bytes = t->bytes + index * VD_CHUNK_BYTES;
    *size = vd_tensor_chunk_bytes(type, index);
    *path_size = vd_proof_from_tree(t->tree, vd_tensor_chunks(type), index, f->path);
    *path = f->path;
    return 1;
}

/* A tensor in machine byte order, which mostly is the canonical one; NULL: it is not to be had. */
static const void *whole_tensor(rf_files *f, const vd_digest *d, const ro_type *type, ro_arena *a)
{
    rf_tensor *t = find_tensor(f, d, type);
    if (!t || !ro_type_equal(&t->type, type)) return NULL;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    (void)a;
    return t->bytes;
#else
    void *copy = ro_arena_alloc(a, ro_type_bytes(type) + 1);
    if (copy) ro_canonical_bytes(type->dtype, t->bytes, copy, ro_type_elements(type));
    return copy;
#endif
}

/* Whole inputs of a node in machine byte order; NULL where there is none. */
static int load_inputs(rf_files *f, const rf_node *n, const void **data, ro_arena *a)
{
    for (uint32_t k = 0; k < n->inputs; k++) {
        data[k] = NULL;
        if (n->in[k].dtype == RO_NONE) continue;
        data[k] = whole_tensor(f, &n->digest[k], &n->in[k], a);
        if (!data[k]) return 0;
    }
    return 1;
}

/* ---- states ----------------------------------------------------------------------------- */

/* The digest of a slot before step `step` of a file that records node leaves: the last step that
 * wrote it says. 0: that lies before what the file covers. */
static int slot_before(const vd_trace *t, uint32_t slot, uint64_t step, vd_digest *d,
                       uint32_t *base)
{
    const vd_job *j = vd_trace_job(t);
    uint64_t first, count;
    vd_trace_steps(t, &first, &count);
    for (; step > first; step--) {
        if (slot == 0) {
            *d = vd_step_digest(step);
            return 1;
        }
        const vd_phase *p = &j->phases[vd_job_locate(j, step - 1).phase];
        ro_value v = vd_phase_next(p, slot);
        if (v == RO_NO_VALUE) continue;
        const ro_value_info *i = &p->graph->values[v];
        if (i->kind == RO_V_SLOT) {
            slot = i->index;
            continue;
        }
        if (i->kind == RO_V_CONSTANT) {
            *d = j->constants[i->index].digest;
            return 1;
        }
        size_t size;
        const uint8_t *leaf = vd_trace_node_leaf(t, step - 1, i->index, &size);
        uint32_t outputs = p->graph->nodes[i->index].outputs;
        if (!leaf) return 0;
        memcpy(d->b, leaf + size - (size_t)(outputs - i->output) * VD_DIGEST, VD_DIGEST);
        return 1;
    }
    *base = slot;
    if (first == 0) *d = j->slots[slot].digest;
    return first == 0;
}

/* The state at a segment's begin, from the stores, by the root that any trace says. */
static int base_state(rf_files *f, uint64_t first, vd_digest *slots)
{
    const vd_job *j = f->job;
    if (j->record != VD_RECORD_CHECKPOINT || first == 0) return 0;
    for (uint32_t i = 0; i < f->trace_count; i++) {
        vd_segment_leaf l;
        vd_segment_leaf_decode(vd_trace_segment_leaf(f->traces[i], first / j->segment - 1), &l);
        for (uint32_t k = 0; k < f->store_count; k++) {
            ro_err why = {RO_OK, {0}};
            if (!vd_store_get_state(f->stores[k], &l.state, slots, j->slot_count, &why)) return 1;
        }
    }
    return 0;
}

static int derive_state(rf_files *f, const vd_trace *t, uint64_t step, vd_digest *slots,
                        vd_digest *base)
{
    uint64_t first, count;
    int has_base = -1;
    vd_trace_steps(t, &first, &count);
    if (step < first || step > first + count) return 0;
    for (uint32_t s = 0; s < f->job->slot_count; s++) {
        uint32_t from = 0;
        if (slot_before(t, s, step, &slots[s], &from)) continue;
        if (has_base < 0) has_base = base_state(f, first, base);
        if (!has_base) return 0;
        slots[s] = base[from];
    }
    return 1;
}

/* ---- what the host computes ------------------------------------------------------------- */

/* Scalar bodies make some 10^8 operations a second; the rest is for reading and for a busy
 * machine. A limit is for what does not end, not for what is slow. */
#define SLOW_FLOPS UINT64_C(100000000)
#define SPARE_SECONDS UINT64_C(60)
#define SECONDS_MAX (UINT64_C(7) * 86400)
#define SPARE_BYTES (UINT64_C(256) << 20)
/* Whole operators and steps are computed by scalar bodies too where that takes seconds. */
#define SCALAR_FLOPS UINT64_C(1000000000)

ro_status rf_files_cost(rf_files *f, const vd_cost **c, ro_err *err)
{
    if (!f->has_cost) RO_TRY(vd_job_cost(f->job, &f->cost, err));
    f->has_cost = 1;
    *c = &f->cost;
    return RO_OK;
}

ro_status rf_files_admit(rf_files *f, uint64_t bytes, uint64_t flops, ro_err *err)
{
    const vd_cost *c;
    RO_TRY(rf_files_cost(f, &c, err));
    return vd_job_admit(f->job, c, bytes, flops, err);
}

/* Limits that are not given follow from the job: its peak twice, for a plan beside its values. */
static void limits_for(const rf_files *f, const vd_cost *c, uint64_t flops, rf_limits *l)
{
    *l = f->limits;
    if (!l->memory_bytes) {
        if (!ro_mul_size(c->peak_bytes, 2, &l->memory_bytes) ||
            !ro_add_size(l->memory_bytes, SPARE_BYTES, &l->memory_bytes))
            l->memory_bytes = 0; /* more than there are addresses: allocating it fails */
    }
    if (!l->wall_ms) {
        uint64_t seconds = flops / SLOW_FLOPS + SPARE_SECONDS;
        l->wall_ms = 1000 * (seconds < SECONDS_MAX ? seconds : SECONDS_MAX);
    }
}

/* A bound of the operations of any element. */
static uint64_t element_flops(rf_files *f)
{
    const vd_cost *c;
    ro_err why = {RO_OK, {0}};
    return rf_files_cost(f, &c, &why) == RO_OK ? c->element_flops : 0;
}

/* 1: result is set; 0: it cannot be computed here, or this was a fault, which stops the dispute.
 * threads 0: as many as the limits say. */
static int run_limited(rf_files *f, const rf_work *w, uint64_t flops, uint32_t threads,
                       uint8_t *result)
{
    rf_limits l;
    const vd_cost *c;
    ro_err why = {RO_OK, {0}};
    char text[sizeof f->stop_why];
    ro_status st = rf_files_cost(f, &c, &why);
    if (!st) {
        limits_for(f, c, flops, &l);
        if (threads) l.threads = threads;
        st = rf_child_run(w, &l, result, &why);
    }
    if (rf_is_fault(st)) {
        snprintf(text, sizeof text, "the referee's own computing failed %u times: %.140s",
                 RF_CHILD_RETRIES + 1, why.msg);
        stop(f, 0, text);
    }
    return st == RO_OK;
}

static int in_child(rf_files *f, const rf_work *w, uint64_t flops, uint32_t threads,
                    uint8_t *result)
{
    return !f->stopped && run_limited(f, w, flops, threads, result);
}

typedef struct { rf_body *body; const void *work; } scalar_work;

static ro_status compute_body(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    const scalar_work *s = ctx;
    (void)pool;
    (void)err;
    s->body(s->work, result);
    return RO_OK;
}

/* A body of the game: one element or one part, by one thread. After an alarm the game still comes
 * to its own end, which says the same. */
static int run_body(void *ctx, rf_body *body, const void *work, uint8_t *result, size_t size)
{
    rf_files *f = ctx;
    scalar_work s = {body, work};
    rf_work w = {NULL, compute_body, &s, size};
    if (f->stopped && !f->alarm) return 0;
    return run_limited(f, &w, element_flops(f), 1, result);
}

/* ---- kernel sets ------------------------------------------------------------------------ */

/* One implementation: a level of the CPU backend. "scalar" is the definition. */
#define LEVELS_MAX 5u
#define SCALAR "scalar"
static const char *const KERNEL_SETS[] = {"avx512", "avx2", "neon", "base"};

static int names_level(const vd_trace *t, const char *level)
{
    const char *s = vd_trace_backend(t);
    return strncmp(s, "cpu ", 4) == 0 && strcmp(s + 4, level) == 0;
}

int rf_files_ran(const rf_files *f, uint32_t trace)
{
    for (size_t k = 0; k < sizeof KERNEL_SETS / sizeof *KERNEL_SETS; k++)
        if (names_level(f->traces[trace], KERNEL_SETS[k])) return ro_cpu_runs(KERNEL_SETS[k]);
    return 0;
}

/* The kernel sets that parties name and this processor has; none: the one in use. */
static uint32_t named_levels(const rf_files *f, const char *levels[LEVELS_MAX])
{
    uint32_t n = 0;
    for (size_t k = 0; k < sizeof KERNEL_SETS / sizeof *KERNEL_SETS; k++) {
        int named = 0;
        for (uint32_t i = 0; i < f->trace_count; i++)
            named |= names_level(f->traces[i], KERNEL_SETS[k]);
        for (uint32_t i = 0; i < f->claim_count; i++)
            named |= names_level(f->claims[i], KERNEL_SETS[k]);
        if (named && ro_cpu_runs(KERNEL_SETS[k])) levels[n++] = KERNEL_SETS[k];
    }
    if (n == 0) levels[n++] = ro_cpu_isa();
    return n;
}

/* In a child: what is opened from now on is of this level. */
static const ro_backend *use_level(const rf_files *f, const char *level)
{
    (void)setenv("VERDE_ISA", level, 1);
    return strcmp(level, SCALAR) == 0 ? ro_cpu() : f->backend;
}

/* Of `count` answers of `size` bytes: 1 when all are one. Else the dispute stops. */
static int all_agree(rf_files *f, const uint8_t *answers, uint32_t count, size_t size)
{
    for (uint32_t k = 1; k < count; k++)
        if (memcmp(answers, answers + k * size, size) != 0) {
            stop(f, 1, "two implementations of the referee's own differ: nobody is condemned");
            return 0;
        }
    return 1;
}

/* ---- one operator ----------------------------------------------------------------------- */

typedef struct {
    const rf_files *f;
    const rf_node *n;
    const rf_question *q;
    const void *data[RO_INPUTS_MAX];
    const char *levels[LEVELS_MAX];
    uint32_t count;
    int explained; /* by parts */
} operating;

/* Every level runs the whole operator on its whole inputs, so an element, or a part of one, is
 * computed in its real tile with its real neighbours. Then come the scalar body's bits and, of an
 * element that is explained, what its parts fold to. */
static ro_status compute_kernel(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    operating *o = ctx;
    const rf_node *n = o->n;
    ro_reader r;
    uint64_t bits[2] = {0, 0};
    for (uint32_t k = 0; k < o->count; k++) {
        const ro_backend *b = use_level(o->f, o->levels[k]);
        RO_TRY(rf_run_operator(n, b, pool, o->data, NULL, o->q->output, o->q->element, bits, err));
        vd_put_le(result + 8 * k, bits[0], 8);
    }
    rf_reader_of(n, o->data, &r);
    bits[0] = ro_at(n->node->op, &r, n->node->attrs, o->q->output, o->q->element);
    if (o->explained) RO_TRY(rf_fold_parts(n, &r, o->q->output, o->q->element, &bits[1], err));
    vd_put_le(result + 8 * o->count, bits[0], 8);
    if (o->explained) vd_put_le(result + 8 * (o->count + 1), bits[1], 8);
    return RO_OK;
}

static ro_status compute_operator(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    operating *o = ctx;
    size_t size = o->n->outputs * sizeof(vd_digest);
    for (uint32_t k = 0; k < o->count; k++) {
        vd_digest digests[RO_OUTPUTS_MAX];
        const ro_backend *b = use_level(o->f, o->levels[k]);
        RO_TRY(rf_run_operator(o->n, b, pool, o->data, digests, 0, 0, NULL, err));
        memcpy(result + k * size, digests[0].b, size);
    }
    return RO_OK;
}

/* The kernel's bits where it agrees with the scalar body; else bits that do not. */
static ro_status answer_operator(rf_files *f, rf_game *g, const rf_question *q, ro_err *err)
{
    operating o = {f, rf_game_subject(g), q, {NULL}, {NULL}, 0, 0};
    int whole = q->kind == RF_Q_OPERATOR, accepted;
    uint8_t answers[LEVELS_MAX * RO_OUTPUTS_MAX * VD_DIGEST], say[RO_OUTPUTS_MAX * VD_DIGEST + 1];
    size_t size = whole ? o.n->outputs * sizeof(vd_digest) : 8;
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to run an operator");
    uint64_t flops = vd_body_flops(o.n->graph, o.n->node);
    o.count = named_levels(f, o.levels);
    if (whole && flops <= SCALAR_FLOPS) o.levels[o.count++] = SCALAR;
    o.explained = !whole && rf_is_partial(o.n, q->output);
    uint32_t count = whole ? o.count : o.count + 1 + (uint32_t)o.explained;
    uint64_t all = flops <= UINT64_MAX / count ? flops * count : UINT64_MAX;
    rf_work w = {NULL, whole ? compute_operator : compute_kernel, &o, count * size};
    ro_status st = RO_OK;
    if (load_inputs(f, o.n, o.data, a) && in_child(f, &w, all, 0, answers)) {
        int agree = all_agree(f, answers, count, size);
        uint32_t k = 0;
        while (!agree && !whole && k < o.count &&
               memcmp(answers + k * size, answers + o.count * size, size) == 0)
            k++;
        memcpy(say, answers + k * size, size);
        say[size] = agree && count > 1 ? RF_RAN_TWICE : 0;
        if (agree || !whole) st = give(f, g, q, say, size + 1, &accepted, err);
    }
    ro_arena_free(a);
    return st;
}

/* ---- steps ------------------------------------------------------------------------------ */

static ro_status load_constants(rf_files *f, int *there, ro_err *err)
{
    const vd_job *j = f->job;
    if (!f->constants)
        f->constants = ro_arena_alloc(f->arena, (j->constant_count + 1) * sizeof *f->constants);
    if (!f->constants) return RO_FAIL(err, RO_ENOMEM, "no memory for the job's constants");
    *there = 1;
    for (uint32_t k = 0; k < j->constant_count; k++) {
        const vd_slot *c = &j->constants[k];
        if (!f->constants[k]) f->constants[k] = whole_tensor(f, &c->digest, &c->type, f->arena);
        if (!f->constants[k]) *there = 0;
    }
    return RO_OK;
}

/* Whether some trace records this root as the state after `steps` steps. */
static int is_recorded(const rf_files *f, uint64_t steps, const vd_digest *root)
{
    const vd_job *j = f->job;
    for (uint32_t k = 0; k < f->trace_count + f->claim_count; k++) {
        const vd_trace *t = k < f->trace_count ? f->traces[k] : f->claims[k - f->trace_count];
        const uint8_t *leaf = vd_trace_step_leaf(t, steps - 1);
        vd_step_leaf l;
        vd_segment_leaf s;
        if (leaf) {
            vd_step_leaf_decode(leaf, &l);
            if (vd_digest_equal(&l.state, root)) return 1;
        }
        if (leaf || j->record == VD_RECORD_FULL || (steps % j->segment && steps != j->steps))
            continue;
        leaf = vd_trace_segment_leaf(t, (steps - 1) / j->segment);
        if (!leaf) continue;
        vd_segment_leaf_decode(leaf, &s);
        if (vd_digest_equal(&s.state, root)) return 1;
    }
    return 0;
}

#define RERUN_BYTES (2 * VD_DIGEST + 1)

/* A run of steps from a snapshot, or from the job's first state (at 0). */
typedef struct {
    const rf_files *f;
    const rf_question *q;
    const char *level;
    vd_store *store; /* NULL: none is needed */
    uint64_t at;
    vd_digest root;
    vd_exec *e;
} rerunning;

static ro_status prepare_rerun(void *ctx, ro_pool *pool, ro_err *err)
{
    rerunning *x = ctx;
    vd_exec_options o;
    memset(&o, 0, sizeof o);
    o.backend = use_level(x->f, x->level);
    o.pool = pool;
    o.constants = x->f->constants;
    RO_TRY(vd_exec_new(x->f->job, &o, &x->e, err));
    return x->at ? vd_exec_load(x->e, x->store, x->at, &x->root, err)
                 : vd_exec_first_state(x->e, x->store, err);
}

/* From a snapshot nothing is worth running on that does not come to the agreed state. */
static ro_status compute_rerun(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    rerunning *x = ctx;
    const rf_question *q = x->q;
    uint64_t first, end;
    vd_digest hash, state;
    (void)pool;
    rf_range_steps(x->f->job, q->tree, q->lo, q->hi, &first, &end);
    while (vd_exec_steps(x->e) < first) {
        vd_step_result r;
        int last = vd_exec_steps(x->e) + 1 == first;
        RO_TRY(vd_exec_step(x->e, 0, last, &r, err));
        if (last) x->root = r.state;
    }
    int landed = !q->has_state || vd_digest_equal(&x->root, &q->state);
    if (x->at && !landed)
        return RO_FAIL(err, RO_EDIFFER, "a snapshot does not lead to the agreed state");
    RO_TRY(rf_run_range(x->e, x->f->job, q->tree, q->lo, q->hi, &hash, &state, err));
    memcpy(result, hash.b, VD_DIGEST);
    memcpy(result + VD_DIGEST, state.b, VD_DIGEST);
    result[2 * VD_DIGEST] = landed ? RF_RAN_LANDED : 0;
    return RO_OK;
}

static int rerun_from(rf_files *f, rerunning *x, uint8_t *answer)
{
    uint64_t first, end;
    rf_work w = {prepare_rerun, compute_rerun, x, RERUN_BYTES};
    rf_range_steps(f->job, x->q->tree, x->q->lo, x->q->hi, &first, &end);
    return in_child(f, &w, vd_steps_body_flops(f->job, end - x->at), 0, answer);
}

/* From the latest snapshot of a store that leads to the agreed state. */
static int rerun_from_snapshot(rf_files *f, rerunning *x, uint64_t first, uint8_t *answer)
{
    for (uint64_t limit = first; limit > 0 && !f->stopped; limit = x->at - 1) {
        ro_err why = {RO_OK, {0}};
        if (vd_store_find_snapshot(x->store, f->job, limit, &x->at, &x->root, &why) || x->at == 0)
            return 0;
        if (is_recorded(f, x->at, &x->root) && rerun_from(f, x, answer)) return 1;
    }
    return 0;
}

/* From wherever there is a way; x is left where it was found. */
static int rerun(rf_files *f, rerunning *x, uint64_t first, uint8_t *answer)
{
    for (uint32_t k = 0; x->q->has_state && k < f->store_count; k++) {
        x->store = f->stores[k];
        if (rerun_from_snapshot(f, x, first, answer)) return 1;
    }
    x->at = 0;
    x->root = f->job->first_state;
    for (uint32_t k = 0; k <= f->store_count; k++) {
        x->store = k < f->store_count ? f->stores[k] : NULL;
        if (rerun_from(f, x, answer)) return 1;
    }
    return 0;
}

static ro_status answer_rerun(rf_files *f, rf_game *g, const rf_question *q, ro_err *err)
{
    const char *levels[LEVELS_MAX];
    uint8_t answers[LEVELS_MAX * RERUN_BYTES];
    uint64_t first, end;
    rerunning x = {f, q, NULL, NULL, 0, {{0}}, NULL};
    int there = 0, accepted;
    RO_TRY(load_constants(f, &there, err));
    rf_range_steps(f->job, q->tree, q->lo, q->hi, &first, &end);
    uint32_t count = named_levels(f, levels);
    x.level = levels[0];
    if (!there || !rerun(f, &x, first, answers)) return RO_OK;
    if (vd_steps_body_flops(f->job, end - x.at) <= SCALAR_FLOPS) levels[count++] = SCALAR;
    for (uint32_t k = 1; there && k < count; k++) { /* the others from the same place */
        x.level = levels[k];
        there = rerun_from(f, &x, answers + k * RERUN_BYTES);
    }
    if (!there || !all_agree(f, answers, count, RERUN_BYTES)) return RO_OK;
    if (count > 1) answers[2 * VD_DIGEST] |= RF_RAN_TWICE;
    return give(f, g, q, answers, RERUN_BYTES, &accepted, err);
}

/* ---- the game over these files ----------------------------------------------------------- */

/* The segment claims under the game's roots. */
static ro_status file_claims(rf_files *f, rf_claim *claims, ro_err *err)
{
    f->filed_count = 0;
    for (uint32_t k = 0; k < f->claim_count; k++) {
        const vd_claim_body *body = vd_trace_get_claim(f->claims[k]);
        uint32_t i = 0, p = 0;
        while (i < f->trace_count &&
               !vd_digest_equal(vd_trace_get_root(f->traces[i]), &body->trace))
            i++;
        if (i == f->trace_count)
            return RO_FAIL(err, RO_EUSAGE, "%.120s is a claim for a trace that is not given here",
                           vd_trace_path(f->claims[k]));
        while (p < f->party_count &&
               !vd_digest_equal(vd_trace_get_root(f->traces[f->party[p]]), &body->trace))
            p++;
        if (p == f->party_count) continue;
        if (f->filed_count == RF_CLAIMS_MAX)
            return RO_FAIL(err, RO_EUSAGE, "%u traces meet with more than %u segment claims",
                           f->party_count, RF_CLAIMS_MAX);
        claims[f->filed_count] =
            (rf_claim){*vd_trace_get_root(f->claims[k]), *body, rf_files_own_claim(f, k)};
        f->filed[f->filed_count++] = k;
    }
    return RO_OK;
}

ro_status rf_files_game(rf_files *f, const uint32_t *party, uint32_t count, rf_game **g,
                        ro_err *err)
{
    rf_party parties[RF_PARTIES_MAX];
    rf_claim claims[RF_CLAIMS_MAX];
    rf_setup s;
    RO_ASSERT(count <= RF_PARTIES_MAX);
    forget_tensors(f);
    memset(&s, 0, sizeof s);
    for (uint32_t k = 0; k < count; k++) {
        const vd_trace *t = f->traces[f->party[k] = party[k]];
        size_t n;
        parties[k].root = *vd_trace_get_root(t);
        memcpy(parties[k].body, vd_trace_body_bytes(t, &n), VD_TRACE_BODY_BYTES);
    }
    f->party_count = count;
    RO_TRY(file_claims(f, claims, err));
    s.job = f->job;
    s.parties = parties;
    s.party_count = count;
    s.claims = claims;
    s.claim_count = f->filed_count;
    s.task = f->job->digest;
    RO_TRY(rf_game_new(&s, g, err));
    f->runner = (rf_runner){run_body, f};
    rf_game_use_runner(*g, &f->runner);
    return RO_OK;
}

ro_status rf_files_pair(rf_files *f, const vd_digest *task, const rf_party parties[2],
                        const void *openings, size_t n, rf_game **g, rf_question open[RF_OPEN_MAX],
                        uint32_t *count, ro_err *err)
{
    rf_setup s;
    const vd_digest *own = vd_trace_get_root(f->traces[0]);
    if (!vd_digest_equal(own, &parties[0].root) && !vd_digest_equal(own, &parties[1].root))
        return RO_FAIL(err, RO_EUSAGE, "%.160s is no side of this pair",
                       vd_trace_path(f->traces[0]));
    forget_tensors(f);
    memset(&s, 0, sizeof s);
    f->party[0] = f->party[1] = 0; /* whichever side is asked is asked of this trace */
    f->party_count = s.party_count = 2;
    f->filed_count = 0;
    s.job = f->job;
    s.parties = parties;
    s.online = 1;
    s.task = *task;
    RO_TRY(rf_game_new(&s, g, err));
    ro_status st = rf_game_replay(*g, openings, n, open, count, err);
    if (st) rf_game_free(*g);
    return st;
}

/* ---- explanations ----------------------------------------------------------------------- */

/* A store's explanations/<64 hex>: "VERDEEXP", version u32, levels u32, count u64 of each, then the
 * parts of all levels, 8 bytes each. The name is the digest of what it explains. */
#define EXPLANATION_TAG "verde/1 explanation"
static const char EXPLANATION_MAGIC[8] = {'V', 'E', 'R', 'D', 'E', 'E', 'X', 'P'};
#define EXPLANATION_VERSION 2u /* 1 was never part of a release */
#define EXPLANATION_PARTS_MAX (UINT64_C(1) << 26) /* a sum of 8 * 10^9 values has no more */

static void explanation_name(const vd_digest *output_digest, uint64_t element, char name[96])
{
    uint8_t bytes[VD_DIGEST + 8];
    vd_digest d;
    char hex[65];
    memcpy(bytes, output_digest->b, VD_DIGEST);
    vd_put_le(bytes + VD_DIGEST, element, 8);
    vd_tagged_hash(EXPLANATION_TAG, bytes, sizeof bytes, d.b);
    vd_digest_hex(&d, hex);
    snprintf(name, 96, "explanations/%s", hex);
}

static uint32_t explanation_levels(const rf_node *n, uint32_t output, uint64_t element,
                                   uint64_t *count, uint64_t *total)
{
    ro_reader r;
    rf_reader_of(n, NULL, &r);
    const ro_explain *e = ro_explain_of(n->node->op, &r);
    *total = 0;
    uint32_t levels = e ? e->levels(&r, n->node->attrs, output, element, count) : 0;
    for (uint32_t k = 0; k < levels; k++) *total += count[k];
    return levels;
}

ro_status rf_explanation_get(const char *store, const rf_node *n, const vd_digest *output_digest,
                             uint32_t output, uint64_t element, uint64_t **parts, uint64_t *count,
                             uint32_t *levels, ro_err *err)
{
    char name[96], path[4096];
    uint64_t total, size;
    uint8_t *bytes;
    *levels = explanation_levels(n, output, element, count, &total);
    explanation_name(output_digest, element, name);
    if (*levels == 0) return RO_FAIL(err, RO_EOP, "this operator's elements are not explained");
    if (total > EXPLANATION_PARTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "an explanation of %llu parts; %llu are read",
                       (unsigned long long)total, (unsigned long long)EXPLANATION_PARTS_MAX);
    snprintf(path, sizeof path, "%.3900s/%s", store, name);
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to read an explanation");
    ro_status st = vd_file_read(path, 16 + *levels * 8u + total * 8, a, &bytes, &size, err);
    vd_in in = {bytes, st ? 0 : size, 0, 0};
    const uint8_t *magic = st ? NULL : vd_in_bytes(&in, 8);
    int ok = magic && memcmp(magic, EXPLANATION_MAGIC, 8) == 0 &&
             vd_in_u32(&in) == EXPLANATION_VERSION && vd_in_u32(&in) == *levels;
    for (uint32_t k = 0; ok && k < *levels; k++) ok = vd_in_u64(&in) == count[k];
    if (!st && (!ok || vd_in_left(&in) != total * 8))
        st = RO_FAIL(err, RO_EFORMAT, "%.120s is no explanation of this element", path);
    *parts = st ? NULL : ro_alloc(total * 8);
    if (!st && !*parts) st = RO_FAIL(err, RO_ENOMEM, "no memory to read an explanation");
    for (uint64_t k = 0; !st && k < total; k++) (*parts)[k] = vd_in_u64(&in);
    ro_arena_free(a);
    return st;
}

ro_status rf_write_file(const char *path, const void *bytes, uint64_t size, ro_err *err)
{
    return vd_fs_replace(path, bytes, size, err);
}

static ro_status write_explanation(const char *store, const char *name, const uint8_t *bytes,
                                   size_t size, ro_err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%.3900s/explanations", store);
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return vd_fs_failed("create the folder", path, err);
    snprintf(path, sizeof path, "%.3900s/%s", store, name);
    return rf_write_file(path, bytes, size, err);
}

ro_status rf_explanation_put(const char *store, const rf_node *n, const vd_digest *output_digest,
                             uint32_t output, uint64_t element, const void *const *data,
                             const uint64_t *parts, ro_err *err)
{
    ro_reader r;
    uint64_t count[RO_LEVELS_MAX], total, *own = NULL;
    char name[96];
    rf_reader_of(n, data, &r);
    uint32_t levels = explanation_levels(n, output, element, count, &total);
    if (!parts)
        RO_TRY(ro_explain_all(n->node->op, &r, n->node->attrs, output, element, &levels, count,
                              &own, err));
    uint8_t *bytes = ro_alloc(16 + levels * 8u + total * 8);
    vd_out o = {bytes, 0};
    ro_status st = bytes ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory to write an explanation");
    if (!st) {
        vd_out_bytes(&o, EXPLANATION_MAGIC, 8);
        vd_out_u32(&o, EXPLANATION_VERSION);
        vd_out_u32(&o, levels);
        for (uint32_t k = 0; k < levels; k++) vd_out_u64(&o, count[k]);
        for (uint64_t k = 0; k < total; k++) vd_out_u64(&o, (parts ? parts : own)[k]);
        explanation_name(output_digest, element, name);
        st = write_explanation(store, name, bytes, o.n, err);
    }
    ro_free(bytes);
    ro_free(own);
    return st;
}

typedef struct {
    const rf_node *n;
    const rf_question *q;
    const void *data[RO_INPUTS_MAX];
    uint64_t total;
} explaining;

static ro_status compute_parts(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    const explaining *x = ctx;
    ro_reader r;
    uint32_t levels;
    uint64_t count[RO_LEVELS_MAX], *parts;
    (void)pool;
    rf_reader_of(x->n, x->data, &r);
    RO_TRY(ro_explain_all(x->n->node->op, &r, x->n->node->attrs, x->q->output, x->q->element,
                          &levels, count, &parts, err));
    for (uint64_t k = 0; k < x->total; k++) vd_put_le(result + 8 * k, parts[k], 8);
    ro_free(parts);
    return RO_OK;
}

static uint64_t *explain_in_child(rf_files *f, const explaining *x)
{
    uint64_t size, *parts = NULL;
    uint8_t *bytes = NULL;
    rf_work w = {NULL, compute_parts, (void *)(uintptr_t)x, 0};
    if (ro_mul_size(x->total, sizeof *parts, &size)) bytes = ro_alloc(size);
    if (!bytes) stop(f, 0, "the referee has no memory for an explanation");
    w.size = size;
    if (bytes && in_child(f, &w, element_flops(f), 1, bytes)) parts = (uint64_t *)(void *)bytes;
    for (uint64_t k = 0; parts && k < x->total; k++) parts[k] = vd_get_u64(bytes + 8 * k);
    if (!parts) ro_free(bytes);
    return parts;
}

/* Every part as an honest party computes them, kept for the next question. */
static int own_parts(rf_files *f, const rf_node *n, const rf_question *q)
{
    explaining x = {n, q, {NULL}, 0};
    if (f->parts && f->parts_step == q->step && f->parts_node == q->node &&
        f->parts_output == q->output && f->parts_element == q->element &&
        memcmp(f->parts_inputs, n->digest, sizeof n->digest) == 0)
        return 1;
    ro_free(f->parts);
    f->parts = NULL;
    ro_arena *a = ro_arena_new();
    if (!a) return 0;
    if (explanation_levels(n, q->output, q->element, f->parts_count, &x.total) &&
        load_inputs(f, n, x.data, a))
        f->parts = explain_in_child(f, &x);
    ro_arena_free(a);
    memcpy(f->parts_inputs, n->digest, sizeof n->digest);
    f->parts_step = q->step;
    f->parts_node = q->node;
    f->parts_output = q->output;
    f->parts_element = q->element;
    return f->parts != NULL;
}

/* Of all parts those that the question is about; the game says whether they fold. */
static ro_status give_parts(rf_files *f, rf_game *g, const rf_question *q, const rf_node *n,
                            const uint64_t *parts, const uint64_t *count, int *accepted,
                            ro_err *err)
{
    uint8_t *answer = NULL;
    size_t size;
    ro_err why = {RO_OK, {0}};
    ro_status st = rf_parts_write(n, q, parts, count, &answer, &size, &why);
    if (st) return st == RO_ENOMEM ? RO_FAIL(err, st, "%.200s", why.msg) : RO_OK;
    st = give(f, g, q, answer, size, accepted, err);
    ro_free(answer);
    return st;
}

/* What a party explains. Files do not say whose an explanation in a store is, so what the inputs
 * give comes first: it folds to the value of whoever computed right, and nobody can put a false
 * explanation in that party's place. Only a value that is wrong is left to what stores hold. */
static ro_status answer_parts(rf_files *f, rf_game *g, const rf_question *q, ro_err *err)
{
    const rf_node *n = rf_game_subject(g);
    int accepted = 0;
    if (!own_parts(f, n, q)) return RO_OK; /* nobody's word is taken for the inputs */
    RO_TRY(give_parts(f, g, q, n, f->parts, f->parts_count, &accepted, err));
    for (uint32_t k = 0; k < f->store_count && !accepted; k++) {
        uint64_t count[RO_LEVELS_MAX], *parts = NULL;
        uint32_t levels;
        ro_err why = {RO_OK, {0}};
        if (rf_explanation_get(vd_store_path(f->stores[k]), n, &q->tensor, q->output, q->element,
                               &parts, count, &levels, &why))
            continue;
        f->from = vd_store_path(f->stores[k]);
        ro_status st = give_parts(f, g, q, n, parts, count, &accepted, err);
        ro_free(parts);
        if (st) return st;
    }
    return RO_OK;
}

/* ---- questions -------------------------------------------------------------------------- */

#define ROOM_BYTES ((size_t)VD_SEGMENT_MAX * VD_STEP_LEAF_BYTES)

/* From one file: hashes and leaves of its trees, a claim's step leaves, a segment's outputs.
 * room: for what is put together. */
static ro_status answer_from(rf_files *f, const vd_trace *t, rf_game *g, const rf_question *q,
                             uint8_t *room, int *accepted, ro_err *err)
{
    const void *bytes = NULL;
    size_t n = 0;
    uint32_t count;
    ro_err why = {RO_OK, {0}};
    uint64_t first, covered, lo = q->lo;
    vd_trace_steps(t, &first, &covered);
    f->from = vd_trace_path(t);
    if (q->kind == RF_Q_HASHES) {
        if (vd_trace_descend(t, (int)q->tree, q->step, q->lo, q->hi, q->depth, room, &count, &why))
            return RO_OK;
        return give(f, g, q, room, count * (size_t)VD_DIGEST, accepted, err);
    }
    if (q->kind == RF_Q_LEAF && q->tree == VD_TREE_STEPS) {
        bytes = vd_trace_step_leaf(t, first + lo);
        n = VD_STEP_LEAF_BYTES;
    } else if (q->kind == RF_Q_LEAF && q->tree == VD_TREE_SEGMENTS) {
        bytes = vd_trace_segment_leaf(t, lo);
        n = VD_SEGMENT_LEAF_BYTES;
    } else if (q->kind == RF_Q_LEAF && q->tree == VD_TREE_NODES) {
        bytes = vd_trace_node_leaf(t, q->step, (uint32_t)lo, &n);
    } else if (q->kind == RF_Q_STEP_LEAVES && covered == q->hi) {
        for (uint64_t k = 0; k < covered; k++) {
            const uint8_t *leaf = vd_trace_step_leaf(t, first + k);
            if (!leaf) return RO_OK;
            memcpy(room + k * VD_STEP_LEAF_BYTES, leaf, VD_STEP_LEAF_BYTES);
        }
        bytes = room;
        n = covered * VD_STEP_LEAF_BYTES;
    } else if (q->kind == RF_Q_OUTPUTS && q->hi - q->lo <= VD_SEGMENT_MAX) {
        for (uint64_t k = q->lo; k < q->hi; k++) {
            const vd_digest *d = vd_trace_outputs_digest(t, k);
            if (!d) return RO_OK;
            memcpy(room + (k - q->lo) * VD_DIGEST, d->b, VD_DIGEST);
        }
        bytes = room;
        n = (q->hi - q->lo) * VD_DIGEST;
    }
    return bytes ? give(f, g, q, bytes, n, accepted, err) : RO_OK;
}

/* Whether this trace has the root of a party that is asked. */
static int is_asked(const rf_files *f, const rf_question *q, const vd_trace *t)
{
    for (uint32_t p = 0; p < f->party_count; p++)
        if (q->parties >> p & 1 && vd_digest_equal(vd_trace_get_root(f->traces[f->party[p]]),
                                                   vd_trace_get_root(t)))
            return 1;
    return 0;
}

/* The files of the parties asked; for the trees of a claim, all claims: the hash decides. */
static ro_status answer_tree(rf_files *f, rf_game *g, const rf_question *q, ro_err *err)
{
    int accepted = 0;
    ro_status st = RO_OK;
    uint8_t *room = ro_alloc(ROOM_BYTES);
    if (!room) return RO_FAIL(err, RO_ENOMEM, "no memory to answer");
    if (q->claim != RF_NONE && q->claim < f->filed_count)
        st = answer_from(f, f->claims[f->filed[q->claim]], g, q, room, &accepted, err);
    for (uint32_t k = 0; !st && !accepted && q->claim != RF_NONE && k < f->claim_count; k++)
        st = answer_from(f, f->claims[k], g, q, room, &accepted, err);
    for (uint32_t k = 0; !st && !accepted && q->claim == RF_NONE && k < f->trace_count; k++)
        if (is_asked(f, q, f->traces[k]))
            st = answer_from(f, f->traces[k], g, q, room, &accepted, err);
    ro_free(room);
    return st;
}

static ro_status answer_state(rf_files *f, rf_game *g, const rf_question *q, ro_err *err)
{
    uint64_t size = f->job->slot_count * (uint64_t)VD_DIGEST;
    vd_digest *slots = ro_alloc(2 * size);
    int accepted = 0;
    ro_status st = RO_OK;
    if (!slots) return RO_FAIL(err, RO_ENOMEM, "no memory for a state");
    for (uint32_t k = 0; !st && !accepted && k < f->store_count; k++) {
        ro_err why = {RO_OK, {0}};
        f->from = vd_store_path(f->stores[k]);
        if (!vd_store_get_state(f->stores[k], &q->of, slots, f->job->slot_count, &why))
            st = give(f, g, q, slots, size, &accepted, err);
    }
    for (uint32_t k = 0; !st && !accepted && k < f->trace_count + f->claim_count; k++) {
        const vd_trace *t = k < f->trace_count ? f->traces[k] : f->claims[k - f->trace_count];
        f->from = vd_trace_path(t);
        if (derive_state(f, t, q->step, slots, slots + f->job->slot_count))
            st = give(f, g, q, slots, size, &accepted, err);
    }
    ro_free(slots);
    return st;
}

static ro_status answer_tensor(rf_files *f, rf_game *g, const rf_question *q, ro_err *err)
{
    const rf_tensor *t = find_tensor(f, &q->tensor, NULL);
    uint8_t header[VD_TENSOR_HEADER_MAX], root[VD_DIGEST];
    int accepted;
    if (!t) return RO_OK;
    f->from = t->from;
    uint64_t n = vd_tensor_chunks(&t->type);
    if (q->kind == RF_Q_HEADER) {
        if (n) memcpy(root, t->tree + (vd_tree_size(n) - 1) * VD_DIGEST, VD_DIGEST);
        else vd_tree_root(VD_TREE_CHUNKS, NULL, 0, root);
        n = vd_tensor_header_encode(&t->type, root, header);
        return give(f, g, q, header, n, &accepted, err);
    }
    if (q->hi > n) return RO_OK;
    if (q->kind == RF_Q_LEAF)
        return give(f, g, q, t->bytes + q->lo * VD_CHUNK_BYTES,
                    vd_tensor_chunk_bytes(&t->type, q->lo), &accepted, err);
    uint8_t *room = ro_alloc((size_t)VD_DESCEND_MAX * VD_DIGEST);
    if (!room) return RO_FAIL(err, RO_ENOMEM, "no memory to answer");
    uint32_t count = vd_descend_from_tree(t->tree, n, q->lo, q->hi, q->depth, room);
    ro_status st = give(f, g, q, room, count * (size_t)VD_DIGEST, &accepted, err);
    ro_free(room);
    return st;
}

static ro_status answer_operands(rf_files *f, rf_game *g, const rf_question *q, ro_err *err)
{
    rf_chunk_source s = {chunk_of, f};
    const rf_node *node = rf_game_subject(g);
    uint8_t *answer = NULL;
    size_t n;
    int accepted;
    ro_err why = {RO_OK, {0}};
    /* What the body reads is found out in a child, which opens no file any more. */
    for (uint32_t k = 0; k < node->inputs; k++)
        if (node->in[k].dtype != RO_NONE) (void)find_tensor(f, &node->digest[k], &node->in[k]);
    ro_status st = rf_operands_write(g, q, &s, &answer, &n, &why);
    if (st == RO_ENOTFOUND || st == RO_ELIMIT) return RO_OK;
    if (st) return RO_FAIL(err, st, "%.200s", why.msg);
    f->from = "the stores"; /* of several of them, perhaps */
    st = give(f, g, q, answer, n, &accepted, err);
    ro_free(answer);
    return st;
}

ro_status rf_files_readable(const rf_files *f, ro_err *err)
{
    for (uint32_t k = 0; k < f->trace_count; k++) RO_TRY(vd_trace_status(f->traces[k], err));
    for (uint32_t k = 0; k < f->claim_count; k++) RO_TRY(vd_trace_status(f->claims[k], err));
    return RO_OK;
}

ro_status rf_files_answer(rf_files *f, rf_game *g, const rf_question *q, ro_err *err)
{
    f->from = NULL;
    switch (q->kind) {
    case RF_Q_HASHES:
    case RF_Q_LEAF:
        if (q->tree == VD_TREE_CHUNKS) RO_TRY(answer_tensor(f, g, q, err));
        else RO_TRY(answer_tree(f, g, q, err));
        break;
    case RF_Q_STEP_LEAVES:
    case RF_Q_OUTPUTS: RO_TRY(answer_tree(f, g, q, err)); break;
    case RF_Q_STATE: RO_TRY(answer_state(f, g, q, err)); break;
    case RF_Q_HEADER: RO_TRY(answer_tensor(f, g, q, err)); break;
    case RF_Q_OPERANDS: RO_TRY(answer_operands(f, g, q, err)); break;
    case RF_Q_PARTS:
    case RF_Q_EXPLANATIONS: RO_TRY(answer_parts(f, g, q, err)); break;
    case RF_Q_OPERATOR:
    case RF_Q_KERNEL: RO_TRY(answer_operator(f, g, q, err)); break;
    case RF_Q_RERUN: RO_TRY(answer_rerun(f, g, q, err)); break;
    case RF_Q_SEGMENTS: break; /* nobody files anything offline; a provider's are its own affair */
    }
    RO_TRY(rf_files_readable(f, err)); /* what a cut file had to say is not an absent answer */
    rf_game_cannot(g, q, RF_NONE); /* no effect on a question that was answered */
    return RO_OK;
}
