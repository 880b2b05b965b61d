/* run.c - executing a job step by step, recording it, and picking it up again.
 *
 * Invariants
 *   1. The digests recorded at a level are the same however a run was interrupted, however many
 *      threads ran it and whatever was kept in the store.
 *   2. A snapshot enters the store only after the trace that vouches for it is on disk, so a
 *      resume never starts from a state that no leaf names.
 *   3. Slot 0 is written here, from the step number, and nowhere else. */
#include "verde.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

double vd_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- one step after another -------------------------------------------------------------- */

struct vd_exec {
    const vd_job *job;
    vd_exec_options o;
    ro_arena *arena;
    ro_device *device;
    ro_state *state;
    ro_plan **plans;      /* [phase_count], made when first needed */
    vd_digest **values;   /* [phase_count][value_count] digests of the last step */
    vd_digest **roots;    /* [phase_count][value_count] their chunk trees' roots, where hashed */
    uint8_t **want_all;   /* [phase_count][value_count]; not what only renames another output */
    uint8_t **want_outputs;
    vd_digest *slots;     /* digests of the state's slots */
    uint8_t *stale;       /* the slot changed since its digest was computed */
    uint8_t *unsaved;     /* the slot changed since it was saved */
    vd_digest *leaves;    /* scratch of state roots */
    vd_digest *flat;      /* node digests in file order */
    vd_digest root;       /* of the tensor hashed last */
    double hash_seconds;
    uint64_t steps, peak_bytes;
    uint32_t phase;       /* of the last step */
};

/* The run that hashes: the backend calls hash on the thread that called step. */
static _Thread_local vd_exec *hashing;

static void timed_hash(const ro_type *type, const void *data, ro_pool *pool, uint8_t digest[32])
{
    double t = vd_seconds();
    vd_tensor_root(type, data, pool, hashing->root.b);
    vd_tensor_digest_of_root(type, hashing->root.b, digest);
    hashing->hash_seconds += vd_seconds() - t;
}

/* The node output whose bytes n's output has in another shape, or RO_NO_VALUE. */
static ro_value renamed(const ro_graph *g, const ro_node *n)
{
    if (!ro_only_renames(n->op) || g->values[n->in[0]].kind != RO_V_NODE) return RO_NO_VALUE;
    return n->in[0];
}

static uint32_t flat_count(const ro_graph *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        n += g->nodes[i].outputs;
        for (uint32_t k = 0; k < g->nodes[i].inputs; k++) n += g->nodes[i].in[k] != RO_NO_VALUE;
    }
    return n;
}

static ro_status allocate_phases(vd_exec *e, ro_err *err)
{
    const vd_job *j = e->job;
    uint32_t widest = 1, outputs = 1;
    for (uint32_t p = 0; p < j->phase_count; p++) {
        const ro_graph *g = j->phases[p].graph;
        e->values[p] = ro_arena_alloc(e->arena, g->value_count * sizeof(vd_digest));
        e->roots[p] = ro_arena_alloc(e->arena, g->value_count * sizeof(vd_digest));
        e->want_all[p] = ro_arena_alloc(e->arena, g->value_count);
        e->want_outputs[p] = ro_arena_alloc(e->arena, g->value_count);
        if (!e->values[p] || !e->roots[p] || !e->want_all[p] || !e->want_outputs[p])
            return RO_FAIL(err, RO_ENOMEM, "no memory for the digests of phase %u", p);
        for (uint32_t v = 0; v < g->value_count; v++)
            e->want_all[p][v] = g->values[v].kind == RO_V_NODE;
        for (uint32_t i = 0; i < g->node_count; i++)
            if (renamed(g, &g->nodes[i]) != RO_NO_VALUE)
                e->want_all[p][g->nodes[i].first_output] = 0;
        for (uint32_t k = 0; k < g->output_count; k++)
            e->want_outputs[p][g->outputs[k]] = g->values[g->outputs[k]].kind == RO_V_NODE;
        uint32_t n = flat_count(g);
        widest = n > widest ? n : widest;
        outputs = g->output_count > outputs ? g->output_count : outputs;
    }
    uint32_t leaves = outputs > j->slot_count ? outputs : j->slot_count;
    e->flat = ro_arena_alloc(e->arena, widest * sizeof *e->flat);
    e->leaves = ro_arena_alloc(e->arena, leaves * sizeof *e->leaves);
    if (!e->flat || !e->leaves) return RO_FAIL(err, RO_ENOMEM, "no memory for a run's digests");
    return RO_OK;
}

static ro_status exec_start(vd_exec *e, ro_err *err)
{
    const vd_job *j = e->job;
    ro_arena *a = e->arena;
    e->plans = ro_arena_alloc(a, j->phase_count * sizeof *e->plans);
    e->values = ro_arena_alloc(a, j->phase_count * sizeof *e->values);
    e->roots = ro_arena_alloc(a, j->phase_count * sizeof *e->roots);
    e->want_all = ro_arena_alloc(a, j->phase_count * sizeof *e->want_all);
    e->want_outputs = ro_arena_alloc(a, j->phase_count * sizeof *e->want_outputs);
    e->slots = ro_arena_alloc(a, j->slot_count * sizeof *e->slots);
    e->stale = ro_arena_alloc(a, j->slot_count);
    e->unsaved = ro_arena_alloc(a, j->slot_count);
    ro_type *types = ro_arena_alloc(a, j->slot_count * sizeof *types);
    if (!e->plans || !e->values || !e->roots || !e->want_all || !e->want_outputs || !e->slots ||
        !e->stale || !e->unsaved || !types)
        return RO_FAIL(err, RO_ENOMEM, "no memory for a run of %u slots", j->slot_count);
    RO_TRY(allocate_phases(e, err));
    for (uint32_t s = 0; s < j->slot_count; s++) types[s] = j->slots[s].type;
    RO_TRY(e->o.backend->open(e->o.pool, &e->device, err));
    return e->o.backend->state_new(e->device, types, j->slot_count, &e->state, err);
}

/* What this machine has: a plan that needs more would be killed half-way, where the system lets it
 * begin at all. */
static uint64_t machine_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

ro_status vd_exec_new(const vd_job *j, const vd_exec_options *o, vd_exec **out, ro_err *err)
{
    ro_arena *a = ro_arena_new();
    vd_exec *e = a ? ro_arena_alloc(a, sizeof *e) : NULL;
    if (!e) {
        ro_arena_free(a);
        return RO_FAIL(err, RO_ENOMEM, "no memory for a run");
    }
    e->arena = a;
    e->job = j;
    e->o = *o;
    if (!o->byte_cap) e->o.byte_cap = machine_bytes();
    ro_status st = exec_start(e, err);
    if (st) {
        vd_exec_free(e);
        return st;
    }
    *out = e;
    return RO_OK;
}

void vd_exec_free(vd_exec *e)
{
    if (!e) return;
    for (uint32_t p = 0; e->plans && p < e->job->phase_count; p++)
        if (e->plans[p]) e->o.backend->plan_free(e->plans[p]);
    if (e->state) e->o.backend->state_free(e->state);
    if (e->device) e->o.backend->close(e->device);
    ro_arena_free(e->arena);
}

uint64_t vd_exec_steps(const vd_exec *e) { return e->steps; }
uint64_t vd_exec_peak_bytes(const vd_exec *e) { return e->peak_bytes; }
uint64_t vd_exec_hash_ns(const vd_exec *e)
{
    return (uint64_t)(e->hash_seconds * 1e9);
}

/* ---- state: first, loaded, saved --------------------------------------------------------- */

static ro_status put_step(vd_exec *e, uint64_t steps, ro_err *err)
{
    int64_t v = (int64_t)steps;
    e->steps = steps;
    vd_tensor_digest(&e->job->slots[0].type, &v, NULL, e->slots[0].b);
    e->stale[0] = 0;
    e->unsaved[0] = 1;
    return e->o.backend->put(e->state, 0, &v, err);
}

/* Put slot s from the store, or zeros when its digest is that of zeros. */
static ro_status put_slot(vd_exec *e, vd_store *store, uint32_t s, const vd_digest *d, ro_err *err)
{
    const ro_type *t = &e->job->slots[s].type;
    uint64_t bytes = ro_type_bytes(t);
    vd_digest zero;
    vd_tensor_digest_zero(t, zero.b);
    int is_zero = vd_digest_equal(&zero, d);
    void *data = is_zero ? ro_alloc_zero(bytes) : ro_alloc(bytes);
    if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory for slot %s", e->job->slots[s].name);
    ro_status st = RO_OK;
    if (!is_zero && !store)
        st = RO_FAIL(err, RO_ENOTFOUND, "slot %s needs a store to come from",
                     e->job->slots[s].name);
    else if (!is_zero)
        st = vd_store_get(store, d, t, data, err);
    if (!st) st = e->o.backend->put(e->state, s, data, err);
    ro_free(data);
    e->slots[s] = *d;
    e->stale[s] = 0;
    e->unsaved[s] = is_zero ? 1 : 0;
    return st;
}

ro_status vd_exec_first_state(vd_exec *e, vd_store *s, ro_err *err)
{
    for (uint32_t k = 1; k < e->job->slot_count; k++)
        RO_TRY(put_slot(e, s, k, &e->job->slots[k].digest, err));
    return put_step(e, 0, err);
}

ro_status vd_exec_load(vd_exec *e, vd_store *s, uint64_t steps, const vd_digest *root, ro_err *err)
{
    RO_TRY(vd_store_get_state(s, root, e->leaves, e->job->slot_count, err));
    for (uint32_t k = 1; k < e->job->slot_count; k++) {
        vd_digest d = e->leaves[k]; /* put_slot may not touch leaves, but does not promise it */
        RO_TRY(put_slot(e, s, k, &d, err));
    }
    RO_TRY(put_step(e, steps, err));
    if (!vd_digest_equal(&e->slots[0], &e->leaves[0]))
        return RO_FAIL(err, RO_EDIFFER, "the snapshot of step %llu holds another step number",
                       (unsigned long long)steps);
    return RO_OK;
}

static ro_status refresh_slots(vd_exec *e, ro_err *err)
{
    hashing = e;
    for (uint32_t s = 0; s < e->job->slot_count; s++) {
        if (!e->stale[s]) continue;
        RO_TRY(e->o.backend->hash(e->state, s, timed_hash, e->slots[s].b, err));
        e->stale[s] = 0;
    }
    return RO_OK;
}

static ro_status state_root(vd_exec *e, vd_digest *root, ro_err *err)
{
    RO_TRY(refresh_slots(e, err));
    double t = vd_seconds();
    vd_leaf_hashes(VD_TREE_STATE, e->slots, VD_DIGEST, e->job->slot_count, e->leaves->b);
    vd_tree_root(VD_TREE_STATE, e->leaves->b, e->job->slot_count, root->b);
    e->hash_seconds += vd_seconds() - t;
    return RO_OK;
}

static ro_status save_slot(vd_exec *e, vd_store *s, uint32_t slot, ro_err *err)
{
    const ro_type *t = &e->job->slots[slot].type;
    void *data = ro_alloc(ro_type_bytes(t));
    if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory to save %s", e->job->slots[slot].name);
    ro_status st = e->o.backend->get(e->state, slot, data, err);
    if (!st) st = vd_store_put(s, t, data, &e->slots[slot], err);
    ro_free(data);
    return st;
}

ro_status vd_exec_save(vd_exec *e, vd_store *s, ro_err *err)
{
    vd_digest root;
    RO_TRY(state_root(e, &root, err));
    for (uint32_t k = 0; k < e->job->slot_count; k++) {
        if (!e->unsaved[k]) continue;
        RO_TRY(save_slot(e, s, k, err));
        e->unsaved[k] = 0;
    }
    RO_TRY(vd_store_put_state(s, &root, e->slots, e->job->slot_count, err));
    return vd_store_put_snapshot(s, &e->job->digest, e->steps, &root, err);
}

/* ---- one step ---------------------------------------------------------------------------- */

static void sink_digest(void *ctx, ro_value v, const uint8_t digest[32])
{
    vd_exec *e = ctx;
    memcpy(e->values[e->phase][v].b, digest, VD_DIGEST);
    e->roots[e->phase][v] = e->root;
}

/* Digests of what only renames another node's output: those bytes are not hashed again. */
static void digest_renamed(vd_exec *e, const ro_graph *g, const uint8_t *want)
{
    vd_digest *roots = e->roots[e->phase];
    for (uint32_t i = 0; i < g->node_count; i++) {
        ro_value from = renamed(g, &g->nodes[i]), v = g->nodes[i].first_output;
        if (from == RO_NO_VALUE || want[v]) continue;
        roots[v] = roots[from];
        vd_tensor_digest_of_root(&g->values[v].type, roots[v].b, e->values[e->phase][v].b);
    }
}

static ro_status plan_of(vd_exec *e, uint32_t phase, ro_plan **out, ro_err *err)
{
    if (!e->plans[phase]) {
        ro_plan_options o;
        memset(&o, 0, sizeof o);
        o.constants = e->o.constants;
        o.constant_count = e->job->constant_count;
        o.byte_cap = e->o.byte_cap;
        o.keep_all = e->o.keep_all;
        o.hash = timed_hash;
        RO_TRY(e->o.backend->plan(e->device, e->state, e->job->phases[phase].graph, &o,
                                  &e->plans[phase], err));
        uint64_t bytes = e->o.backend->peak_bytes(e->plans[phase]);
        if (bytes > e->peak_bytes) e->peak_bytes = bytes;
    }
    *out = e->plans[phase];
    return RO_OK;
}

static const ro_fault *fault_of(const vd_exec *e, uint64_t global)
{
    for (uint32_t k = 0; k < e->o.fault_count; k++)
        if (e->o.faults[k].step == global) return &e->o.faults[k].fault;
    return NULL;
}

/* Digests of slots and constants of a phase's graph, as its nodes read them. */
static void set_leaf_values(vd_exec *e, const ro_graph *g, vd_digest *values)
{
    for (uint32_t v = 0; v < g->value_count; v++) {
        const ro_value_info *i = &g->values[v];
        if (i->kind == RO_V_SLOT) values[v] = e->slots[i->index];
        if (i->kind == RO_V_CONSTANT) values[v] = e->job->constants[i->index].digest;
    }
}

/* A flipped bit makes a renaming node's output differ from its input, so it is hashed then. */
static ro_status run_nodes(vd_exec *e, ro_plan *plan, const ro_graph *g, ro_err *err)
{
    const ro_fault *fault = fault_of(e, e->steps);
    uint8_t *want = e->want_all[e->phase], *flipped = NULL;
    ro_step_options o = {want, sink_digest, e, fault};
    if (fault && fault->node < g->node_count) flipped = &want[g->nodes[fault->node].first_output];
    uint8_t before = flipped ? *flipped : 0;
    if (flipped) *flipped = 1;
    ro_status st = e->o.backend->step(plan, &o, err);
    if (!st) digest_renamed(e, g, want);
    if (flipped) *flipped = before;
    return st;
}

static uint32_t flatten_digests(vd_exec *e, const ro_graph *g, const vd_digest *values)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const ro_node *node = &g->nodes[i];
        for (uint32_t k = 0; k < node->inputs; k++)
            if (node->in[k] != RO_NO_VALUE) e->flat[n++] = values[node->in[k]];
        for (uint32_t k = 0; k < node->outputs; k++) e->flat[n++] = values[node->first_output + k];
    }
    return n;
}

/* After the step: slots take their next values' digests, known where nodes were digested. */
static void advance_slots(vd_exec *e, const ro_graph *g, const vd_digest *values, int nodes)
{
    for (uint32_t s = 1; s < g->slot_count; s++) {
        ro_value v = g->next[s];
        if (v == RO_NO_VALUE) continue;
        int known = nodes || g->values[v].kind != RO_V_NODE;
        if (known) e->leaves[s] = values[v];
        e->stale[s] = known ? 0 : 1;
        e->unsaved[s] = 1;
    }
    for (uint32_t s = 1; s < g->slot_count; s++)
        if (g->next[s] != RO_NO_VALUE && !e->stale[s]) e->slots[s] = e->leaves[s];
}

static void outputs_root(vd_exec *e, const ro_graph *g, const vd_digest *values, vd_digest *root)
{
    for (uint32_t k = 0; k < g->output_count; k++) e->leaves[k] = values[g->outputs[k]];
    vd_leaf_hashes(VD_TREE_STEP_OUTPUTS, e->leaves, VD_DIGEST, g->output_count, e->leaves->b);
    vd_tree_root(VD_TREE_STEP_OUTPUTS, e->leaves->b, g->output_count, root->b);
}

ro_status vd_exec_step(vd_exec *e, int nodes, int state, vd_step_result *r, ro_err *err)
{
    RO_ASSERT(e->steps < e->job->steps);
    vd_place at = vd_job_locate(e->job, e->steps);
    const ro_graph *g = e->job->phases[at.phase].graph;
    vd_digest *values = e->values[at.phase];
    ro_step_options o = {e->want_outputs[at.phase], sink_digest, e, fault_of(e, e->steps)};
    ro_plan *plan;
    memset(r, 0, sizeof *r);
    hashing = e;
    RO_TRY(plan_of(e, at.phase, &plan, err));
    if (nodes || g->output_count) RO_TRY(refresh_slots(e, err));
    set_leaf_values(e, g, values);
    e->phase = at.phase;
    RO_TRY(nodes ? run_nodes(e, plan, g, err) : e->o.backend->step(plan, &o, err));
    r->global = e->steps;
    outputs_root(e, g, values, &r->outputs);
    if (nodes) {
        r->digest_count = flatten_digests(e, g, values);
        r->digests = e->flat;
    }
    advance_slots(e, g, values, nodes);
    RO_TRY(put_step(e, e->steps + 1, err));
    if (state) {
        RO_TRY(state_root(e, &r->state, err));
        r->has_state = 1;
    }
    return RO_OK;
}

ro_status vd_exec_value(vd_exec *e, ro_value v, void *data, ro_err *err)
{
    return e->o.backend->value(e->plans[e->phase], v, data, err);
}

ro_status vd_exec_slot(vd_exec *e, uint32_t slot, void *data, ro_err *err)
{
    return e->o.backend->get(e->state, slot, data, err);
}

const vd_digest *vd_exec_digest(const vd_exec *e, ro_value v) { return &e->values[e->phase][v]; }

ro_status vd_constants_load(const vd_job *j, vd_store *s, const void **data, ro_arena *arena,
                            ro_err *err)
{
    for (uint32_t k = 0; k < j->constant_count; k++) {
        if (data[k]) continue;
        void *p = ro_arena_alloc(arena, ro_type_bytes(&j->constants[k].type));
        if (!p) return RO_FAIL(err, RO_ENOMEM, "no memory for constant %s", j->constants[k].name);
        RO_TRY(vd_store_get(s, &j->constants[k].digest, &j->constants[k].type, p, err));
        data[k] = p;
    }
    return RO_OK;
}

/* ---- whole runs -------------------------------------------------------------------------- */

typedef struct {
    const vd_job *job;
    const vd_run_options *o;
    vd_exec *e;
    vd_writer *w;
    uint64_t snapshot, begun;
    double start, loss;
    int has_loss;
} running;

/* Whether the state root is recorded after `steps` steps. */
static int is_recorded(const vd_job *j, uint64_t steps)
{
    return j->record == VD_RECORD_FULL || steps == j->steps || steps % j->segment == 0;
}

/* A state is kept often enough that any step is re-run quickly, and at most some 64 times. */
static uint64_t choose_snapshot(const vd_job *j, uint64_t asked)
{
    uint64_t s = asked ? asked : j->steps / 16 + 1;
    if (!asked && j->record == VD_RECORD_CHECKPOINT)
        s = (s + j->segment - 1) / j->segment * j->segment;
    return s;
}

static ro_status resume(running *r, uint64_t done, ro_err *err)
{
    uint64_t at = done;
    while (at > 0) {
        uint64_t found;
        vd_digest kept, recorded;
        RO_TRY(vd_store_find_snapshot(r->o->store, r->job, at, &found, &kept, err));
        at = found;
        if (at == 0) break;
        if (is_recorded(r->job, at) && vd_writer_state(r->w, at - 1, &recorded) &&
            vd_digest_equal(&kept, &recorded)) {
            ro_err why = {0};
            if (vd_exec_load(r->e, r->o->store, at, &kept, &why) == RO_OK)
                return vd_writer_rewind(r->w, at, err);
        }
        at--; /* a damaged or foreign snapshot: try the one before */
    }
    RO_TRY(vd_exec_first_state(r->e, r->o->store, err));
    return vd_writer_rewind(r->w, 0, err);
}

/* The loss shown in progress is the step's first output when that is one float. */
static void read_loss(running *r, const ro_graph *g)
{
    if (g->output_count == 0) return;
    const ro_value_info *i = &g->values[g->outputs[0]];
    float x;
    if (i->type.dtype != RO_F32 || ro_type_elements(&i->type) != 1 || i->kind != RO_V_NODE) return;
    if (vd_exec_value(r->e, g->outputs[0], &x, NULL)) return;
    r->loss = (double)x;
    r->has_loss = 1;
}

static void report(running *r)
{
    if (!r->o->progress) return;
    vd_progress p = {vd_exec_steps(r->e), r->job->steps,       r->begun,
                     vd_seconds() - r->start, r->loss, r->has_loss};
    r->o->progress(r->o->ctx, &p);
}

static ro_status run_step(running *r, ro_err *err)
{
    vd_step_result s;
    uint64_t next = vd_exec_steps(r->e) + 1;
    const ro_graph *g = r->job->phases[vd_job_locate(r->job, next - 1).phase].graph;
    RO_TRY(vd_exec_step(r->e, r->job->record == VD_RECORD_FULL, is_recorded(r->job, next), &s,
                        err));
    RO_TRY(vd_writer_step(r->w, s.has_state ? &s.state : NULL, &s.outputs, s.digests, err));
    if (r->o->stepped) RO_TRY(r->o->stepped(r->o->stepped_ctx, r->e, next - 1, err));
    if (next % r->snapshot == 0 || next == r->job->steps) {
        RO_TRY(vd_writer_sync(r->w, err));
        RO_TRY(vd_exec_save(r->e, r->o->store, err));
    }
    read_loss(r, g);
    report(r);
    return RO_OK;
}

/* Leave early: keep the state, where the trace names it, so that nothing is computed twice. */
static ro_status pause_run(running *r, ro_err *err)
{
    RO_TRY(vd_writer_sync(r->w, err));
    if (vd_exec_steps(r->e) && is_recorded(r->job, vd_exec_steps(r->e)))
        return vd_exec_save(r->e, r->o->store, err);
    return RO_OK;
}

static ro_status run_steps(running *r, ro_err *err)
{
    while (vd_exec_steps(r->e) < r->job->steps) {
        uint64_t here = vd_exec_steps(r->e) - r->begun;
        int stop = r->o->stop_after && here >= r->o->stop_after;
        if (stop || (r->o->interrupted && *r->o->interrupted)) return pause_run(r, err);
        RO_TRY(run_step(r, err));
    }
    return RO_OK;
}

static ro_status finish(running *r, vd_run_result *out, ro_err *err)
{
    char backend[64] = {0};
    snprintf(backend, sizeof backend, "%s", r->e->o.backend->describe(r->e->device));
    RO_TRY(vd_writer_finish(r->w, r->o->key, backend, &out->root, err));
    out->finished = 1;
    if (r->o->expect && !vd_digest_equal(r->o->expect, &out->root)) {
        char want[65], got[65];
        vd_digest_hex(r->o->expect, want);
        vd_digest_hex(&out->root, got);
        return RO_FAIL(err, RO_EDIFFER, "the trace root is %.16s..., not the expected %.16s...",
                       got, want);
    }
    return RO_OK;
}

ro_status vd_run(const vd_job *j, const vd_exec_options *eo, const vd_run_options *o,
                 vd_run_result *out, ro_err *err)
{
    running r;
    uint64_t done = 0;
    memset(&r, 0, sizeof r);
    memset(out, 0, sizeof *out);
    r.job = j;
    r.o = o;
    r.snapshot = choose_snapshot(j, o->snapshot);
    r.start = vd_seconds();
    ro_status st = vd_exec_new(j, eo, &r.e, err);
    if (!st) st = vd_writer_open(o->trace_path, j, -1, NULL, &r.w, &done, err);
    if (!st) st = resume(&r, done, err);
    if (!st) {
        out->resumed_from = r.begun = vd_exec_steps(r.e);
        st = run_steps(&r, err);
        out->steps = vd_exec_steps(r.e);
        out->peak_bytes = vd_exec_peak_bytes(r.e);
        out->hash_seconds = (double)vd_exec_hash_ns(r.e) * 1e-9;
    }
    if (!st && out->steps == j->steps) st = finish(&r, out, err);
    out->loss = r.loss;
    out->has_loss = r.has_loss;
    out->seconds = vd_seconds() - r.start;
    vd_writer_free(r.w);
    vd_exec_free(r.e);
    return st;
}

/* ---- one step of a finished trace -------------------------------------------------------- */

/* Whether the trace names another state after `steps` steps; 0 where it names none. */
static int disowns(const vd_trace *t, uint64_t steps, const vd_digest *state)
{
    const vd_job *j = vd_trace_job(t);
    vd_step_leaf step;
    vd_segment_leaf segment;
    if (j->record == VD_RECORD_FULL) {
        const uint8_t *leaf = vd_trace_step_leaf(t, steps - 1);
        if (!leaf) return 0;
        vd_step_leaf_decode(leaf, &step);
        return !vd_digest_equal(&step.state, state);
    }
    if (!is_recorded(j, steps)) return 0;
    const uint8_t *leaf = vd_trace_segment_leaf(t, (steps - 1) / j->segment);
    if (!leaf) return 0;
    vd_segment_leaf_decode(leaf, &segment);
    return !vd_digest_equal(&segment.state, state);
}

/* Load the greatest snapshot at or before `steps` that the trace does not disown. */
static ro_status load_before(const vd_trace *t, vd_exec *e, vd_store *s, uint64_t steps,
                             ro_err *err)
{
    const vd_job *j = vd_trace_job(t);
    for (uint64_t at = steps; at > 0; at--) {
        vd_digest kept;
        RO_TRY(vd_store_find_snapshot(s, j, at, &at, &kept, err));
        if (at == 0) break;
        ro_err why = {0};
        if (disowns(t, at, &kept)) continue;
        if (vd_exec_load(e, s, at, &kept, &why) == RO_OK) return RO_OK;
    }
    return vd_exec_first_state(e, s, err);
}

static ro_status differs(const char *what, uint64_t step, ro_err *err)
{
    return RO_FAIL(err, RO_EDIFFER, "re-running step %llu does not give the trace's %s",
                   (unsigned long long)step, what);
}

/* Hold the digests of a step against the trace's records. */
static ro_status compare_records(const vd_trace *t, const vd_step_result *r, ro_err *err)
{
    const vd_job *j = vd_trace_job(t);
    const vd_digest *outputs = vd_trace_outputs_digest(t, r->global);
    if (outputs && !vd_digest_equal(outputs, &r->outputs))
        return differs("outputs", r->global, err);
    const uint8_t *leaf = vd_trace_step_leaf(t, r->global);
    if (leaf) {
        vd_step_leaf l;
        vd_step_leaf_decode(leaf, &l);
        if (!vd_digest_equal(&l.state, &r->state)) return differs("state root", r->global, err);
    }
    const ro_graph *g = j->phases[vd_job_locate(j, r->global).phase].graph;
    const vd_digest *d = r->digests;
    for (uint32_t i = 0; leaf && i < g->node_count; i++) {
        size_t size;
        const uint8_t *node = vd_trace_node_leaf(t, r->global, i, &size);
        uint32_t inputs = 0;
        for (uint32_t k = 0; k < g->nodes[i].inputs; k++)
            inputs += g->nodes[i].in[k] != RO_NO_VALUE;
        if (!node || memcmp(node + 48, d, inputs * VD_DIGEST) != 0 ||
            memcmp(node + 52 + inputs * VD_DIGEST, d + inputs, g->nodes[i].outputs * VD_DIGEST))
            return differs("node digests", r->global, err);
        d += inputs + g->nodes[i].outputs;
    }
    return RO_OK;
}

static ro_status compare_step(const vd_trace *t, const vd_step_result *r, ro_err *err)
{
    ro_err why = {RO_OK, {0}};
    ro_status st = compare_records(t, r, &why);
    RO_TRY(vd_trace_status(t, err));
    return st ? RO_FAIL(err, st, "%s", why.msg) : RO_OK;
}

static ro_status store_value(vd_exec *e, vd_store *s, const ro_graph *g, ro_value v, ro_err *err)
{
    const ro_type *t = &g->values[v].type;
    void *data = ro_alloc(ro_type_bytes(t));
    if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory for a tensor of the opened step");
    ro_status st = vd_exec_value(e, v, data, err);
    if (!st) st = vd_store_put(s, t, data, vd_exec_digest(e, v), err);
    ro_free(data);
    return st;
}

static ro_status open_step(const vd_trace *t, vd_exec *e, vd_store *s, uint64_t step,
                           uint64_t *replayed, ro_err *err)
{
    const vd_job *j = vd_trace_job(t);
    const ro_graph *g = j->phases[vd_job_locate(j, step).phase].graph;
    vd_step_result r;
    RO_TRY(load_before(t, e, s, step, err));
    *replayed = step + 1 - vd_exec_steps(e);
    while (vd_exec_steps(e) < step) RO_TRY(vd_exec_step(e, 0, 0, &r, err));
    RO_TRY(vd_exec_save(e, s, err)); /* the agreed inputs, slot by slot */
    RO_TRY(vd_exec_step(e, 1, 1, &r, err));
    RO_TRY(compare_step(t, &r, err));
    for (uint32_t v = 0; v < g->value_count; v++)
        if (g->values[v].kind == RO_V_NODE) RO_TRY(store_value(e, s, g, v, err));
    return vd_exec_save(e, s, err);
}

ro_status vd_open_step(const vd_trace *t, const vd_exec_options *o, vd_store *s, uint64_t step,
                       uint64_t *replayed, ro_err *err)
{
    vd_exec_options keep = *o;
    vd_exec *e = NULL;
    if (step >= vd_trace_job(t)->steps)
        return RO_FAIL(err, RO_EUSAGE, "step %llu was asked for; the job has steps 0 to %llu",
                       (unsigned long long)step,
                       (unsigned long long)(vd_trace_job(t)->steps - 1));
    keep.keep_all = 1;
    RO_TRY(vd_exec_new(vd_trace_job(t), &keep, &e, err));
    ro_status st = open_step(t, e, s, step, replayed, err);
    vd_exec_free(e);
    return st;
}

ro_status vd_recheck_step(const vd_trace *t, const vd_exec_options *o, vd_store *s, uint64_t step,
                          ro_err *err)
{
    vd_exec *e = NULL;
    vd_step_result r;
    RO_ASSERT(step < vd_trace_job(t)->steps);
    RO_TRY(vd_exec_new(vd_trace_job(t), o, &e, err));
    ro_status st = load_before(t, e, s, step, err);
    while (!st && vd_exec_steps(e) < step) st = vd_exec_step(e, 0, 0, &r, err);
    if (!st) st = vd_exec_step(e, 1, 1, &r, err);
    if (!st) st = compare_step(t, &r, err);
    vd_exec_free(e);
    return st;
}

/* ---- segment claims ---------------------------------------------------------------------- */

static ro_status replay_segment(const vd_trace *t, vd_exec *e, vd_store *s, uint64_t segment,
                                vd_writer *w, ro_err *err)
{
    const vd_job *j = vd_trace_job(t);
    uint64_t first = segment * j->segment;
    uint64_t end = j->steps - first < j->segment ? j->steps : first + j->segment;
    vd_step_result r;
    vd_segment_leaf leaf;
    RO_TRY(load_before(t, e, s, first, err));
    while (vd_exec_steps(e) < first) RO_TRY(vd_exec_step(e, 0, 0, &r, err));
    RO_TRY(vd_exec_save(e, s, err));
    while (vd_exec_steps(e) < end) {
        RO_TRY(vd_exec_step(e, 1, 1, &r, err));
        RO_TRY(compare_step(t, &r, err));
        RO_TRY(vd_writer_step(w, &r.state, &r.outputs, r.digests, err));
    }
    vd_segment_leaf_decode(vd_trace_segment_leaf(t, segment), &leaf);
    RO_TRY(vd_trace_status(t, err));
    if (!vd_digest_equal(&leaf.state, &r.state)) return differs("segment end", end - 1, err);
    return RO_OK;
}

ro_status vd_replay(const vd_trace *t, const vd_exec_options *o, vd_store *s, uint64_t segment,
                    const char *path, const vd_key *key, vd_digest *root, ro_err *err)
{
    const vd_job *j = vd_trace_job(t);
    vd_exec *e = NULL;
    vd_writer *w = NULL;
    uint64_t done;
    if (j->record != VD_RECORD_CHECKPOINT)
        return RO_FAIL(err, RO_EUSAGE, "a trace recorded at full has no segments to replay");
    if (segment >= (j->steps + j->segment - 1) / j->segment)
        return RO_FAIL(err, RO_EUSAGE, "segment %llu was asked for; the trace has %llu",
                       (unsigned long long)segment,
                       (unsigned long long)((j->steps + j->segment - 1) / j->segment));
    RO_TRY(vd_exec_new(j, o, &e, err));
    ro_status st =
        vd_writer_open(path, j, (int64_t)segment, vd_trace_get_root(t), &w, &done, err);
    if (!st) st = vd_writer_rewind(w, 0, err); /* a claim is short: it always starts afresh */
    if (!st) st = replay_segment(t, e, s, segment, w, err);
    char backend[64] = {0};
    if (!st) snprintf(backend, sizeof backend, "%s", o->backend->describe(e->device));
    if (!st) st = vd_writer_finish(w, key, backend, root, err);
    vd_writer_free(w);
    vd_exec_free(e);
    return st;
}

/* ---- results ---------------------------------------------------------------------------- */

static uint64_t plus_times(uint64_t sum, uint64_t a, uint64_t n)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, n, &product) || __builtin_add_overflow(sum, product, &sum))
        return UINT64_MAX;
    return sum;
}

static uint64_t graph_output_bytes(const ro_graph *g)
{
    uint64_t bytes = 0;
    for (uint32_t k = 0; k < g->output_count; k++)
        bytes = plus_times(bytes, ro_type_bytes(&g->values[g->outputs[k]].type), 1);
    return bytes;
}

uint64_t vd_result_bytes(const vd_job *j)
{
    uint64_t bytes = 0;
    for (uint32_t k = 0; k < j->slot_count; k++)
        bytes = plus_times(bytes, ro_type_bytes(&j->slots[k].type), 1);
    for (uint32_t p = 0; p < j->phase_count; p++) {
        const uint64_t each = graph_output_bytes(j->phases[p].graph);
        bytes = plus_times(bytes, plus_times(0, each, j->phases[p].steps), j->repeats);
    }
    return bytes;
}

ro_status vd_result_digests(const vd_job *j, const uint8_t *bytes, ro_pool *pool,
                            vd_digest *outputs, vd_digest *last_state, ro_err *err)
{
    uint32_t widest = j->slot_count;
    vd_frontier tree;
    for (uint32_t p = 0; p < j->phase_count; p++)
        if (j->phases[p].graph->output_count > widest) widest = j->phases[p].graph->output_count;
    vd_digest *list = ro_alloc((uint64_t)widest * sizeof *list);
    if (!list) return RO_FAIL(err, RO_ENOMEM, "no memory for %u digests", widest);
    vd_frontier_init(&tree, VD_TREE_OUTPUTS);
    for (uint64_t s = 0; s < j->steps; s++) {
        const ro_graph *g = j->phases[vd_job_locate(j, s).phase].graph;
        uint8_t leaf[VD_DIGEST];
        for (uint32_t k = 0; k < g->output_count; k++) {
            const ro_type *t = &g->values[g->outputs[k]].type;
            vd_tensor_digest_canonical(t, bytes, pool, list[k].b);
            bytes += ro_type_bytes(t);
        }
        vd_digest d = vd_outputs_digest(list, g->output_count);
        vd_leaf_hash(VD_TREE_OUTPUTS, d.b, VD_DIGEST, leaf);
        vd_frontier_append(&tree, leaf);
    }
    for (uint32_t k = 0; k < j->slot_count; k++) {
        vd_tensor_digest_canonical(&j->slots[k].type, bytes, pool, list[k].b);
        bytes += ro_type_bytes(&j->slots[k].type);
    }
    *last_state = vd_state_root(list, j->slot_count);
    vd_frontier_root(&tree, outputs->b);
    ro_free(list);
    return RO_OK;
}
