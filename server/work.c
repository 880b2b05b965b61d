/* work.c - expected answers and kernels, in children.
 *
 * What this file decides: what a child runs, and what its result says to the state machine.
 *
 * Invariants
 *   1. Everything that an effect names is copied when it is handed out: it is valid only then.
 *   2. One child at a time; its job, data and tensors are read anew for each. */
#include "work.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../referee/child.h"
#include "../verde/bytes.h"
#include "../verde/files.h"

#define LEVELS_MAX 5u
#define SLOW_FLOPS UINT64_C(100000000) /* a second, by scalar bodies */
#define SPARE_SECONDS UINT64_C(60)
#define SPARE_BYTES (UINT64_C(256) << 20)

/* One piece of host work, by its task and number. */
typedef struct item {
    struct item *next;
    vd_digest task;
    uint32_t work;
    int is_kernel, is_late; /* late: of a verdict that is held */
    enum { WAITING, RUNNING, TAKEN } at; /* taken: the task has the result, not yet durable */
    uint64_t not_before;
    /* a challenge */
    vd_digest root;
    uint64_t step;
    uint32_t node, output, key_count;
    uint8_t *keys;
    /* a kernel */
    rf_question question;
    vd_digest inputs[RO_INPUTS_MAX];
    uint32_t input_count;
    char levels[LEVELS_MAX][VD_BACKEND_BYTES]; /* of those named, what this machine has */
    uint32_t level_count;
    int missing; /* one that is named is not here */
} item;

struct sv_work {
    char *dir;
    sv_engine *engine;
    sv_catalog *reader; /* of the thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    item *items; /* all that was handed out and not yet said for good */
    int started, stop;
};

typedef struct { vd_trace_body body; const vd_digest *root; int found; } searching;

/* ---- from the catalog -------------------------------------------------------------------- */

typedef struct { ro_arena *arena; vd_job *job; } decoding;

static ro_status decode_order(void *ctx, const sv_task_record *r, ro_err *err)
{
    decoding *d = ctx;
    sv_order o;
    RO_TRY(sv_order_read(r->order, r->order_size, &o, err));
    return vd_job_decode(o.job, o.job_size, d->arena, &d->job, err);
}

ro_status sv_read_job(sv_catalog *c, const vd_digest *task, ro_arena *arena, vd_job **job,
                      ro_err *err)
{
    decoding d = {arena, NULL};
    RO_TRY(sv_catalog_order(c, task, decode_order, &d, err));
    *job = d.job;
    return RO_OK;
}

static ro_status find_body(void *ctx, const sv_event *row, ro_err *err)
{
    searching *s = ctx;
    rf_message m;
    const void *payload;
    size_t size;
    int is;
    RO_TRY(sv_event_message(row, &m, &payload, &size, &is, err));
    if (!is || m.type != RF_M_REVEAL || s->found) return RO_OK;
    if (!vd_digest_equal(&m.claim.reveal.root, s->root)) return RO_OK;
    RO_TRY(vd_trace_body_decode(m.claim.reveal.body, &s->body, err));
    s->found = 1;
    return RO_OK;
}

ro_status sv_read_body(sv_catalog *c, const vd_digest *task, const vd_digest *root,
                       vd_trace_body *body, ro_err *err)
{
    searching s;
    memset(&s, 0, sizeof s);
    s.root = root;
    RO_TRY(sv_catalog_messages(c, task, find_body, &s, err));
    if (!s.found) return RO_FAIL(err, RO_ENOTFOUND, "nobody revealed this root");
    *body = s.body;
    return RO_OK;
}

/* ---- running a job in a child ------------------------------------------------------------ */

typedef struct {
    const vd_job *job;
    const char *store;
    item *list;              /* linked by next; of one task and kind */
    const vd_trace_body *body; /* challenges: of the accepted root */
    ro_arena *arena;
    vd_exec *e;
    const void **constants;
} running;

static ro_status prepare(void *ctx, ro_pool *pool, ro_err *err)
{
    running *r = ctx;
    vd_store *s;
    vd_exec_options o;
    memset(&o, 0, sizeof o);
    r->arena = ro_arena_new();
    if (r->arena)
        r->constants = ro_arena_alloc(r->arena,
                                      (r->job->constant_count + 1) * sizeof *r->constants);
    if (!r->arena || !r->constants) return RO_FAIL(err, RO_ENOMEM, "no memory for a job's data");
    RO_TRY(vd_store_open(r->store, 0, &s, err));
    RO_TRY(vd_constants_load(r->job, s, r->constants, r->arena, err));
    o.backend = ro_cpu();
    o.pool = pool;
    o.constants = r->constants;
    o.keep_all = 1;
    RO_TRY(vd_exec_new(r->job, &o, &r->e, err));
    return vd_exec_first_state(r->e, s, err);
}

static const ro_graph *graph_at(const running *r, uint64_t step)
{
    return r->job->phases[vd_job_locate(r->job, step).phase].graph;
}

/* ---- expected answers -------------------------------------------------------------------- */

/* Of the step that has just been run: what each key must have said. */
static ro_status answer_step(running *r, uint64_t step, uint8_t *result, ro_err *err)
{
    size_t at = 1;
    for (const item *i = r->list; i; at += (size_t)i->key_count * VD_DIGEST, i = i->next) {
        const ro_graph *g = graph_at(r, step);
        if (i->step != step) continue;
        if (i->node >= g->node_count || i->output >= g->nodes[i->node].outputs)
            return RO_FAIL(err, RO_EDIFFER, "the job has no such node");
        const ro_value v = g->nodes[i->node].first_output + i->output;
        const ro_type *t = &g->values[v].type;
        const size_t bytes = (size_t)ro_type_bytes(t);
        uint8_t *data = ro_alloc(bytes + 1), *canonical = ro_alloc(bytes + 1);
        ro_status st = data && canonical ? vd_exec_value(r->e, v, data, err)
                                         : RO_FAIL(err, RO_ENOMEM, "no memory for a tensor");
        if (st == RO_OK) ro_canonical_bytes(t->dtype, data, canonical, ro_type_elements(t));
        for (uint32_t k = 0; st == RO_OK && k < i->key_count; k++) {
            vd_digest d = rf_challenge_answer(&i->task, i->keys + 32u * k, canonical, bytes);
            memcpy(result + at + k * VD_DIGEST, d.b, VD_DIGEST);
        }
        ro_free(data);
        ro_free(canonical);
        RO_TRY(st);
    }
    return RO_OK;
}

/* The whole run, so that it can be held against what the root commits to: result[0] is 1 when it
 * comes to the same. */
static ro_status compute_answers(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    running *r = ctx;
    vd_frontier tree;
    vd_digest outputs;
    vd_step_result s;
    (void)pool;
    vd_frontier_init(&tree, VD_TREE_OUTPUTS);
    for (uint64_t step = 0; step < r->job->steps; step++) {
        uint8_t leaf[VD_DIGEST];
        RO_TRY(vd_exec_step(r->e, 0, step + 1 == r->job->steps, &s, err));
        vd_leaf_hash(VD_TREE_OUTPUTS, s.outputs.b, VD_DIGEST, leaf);
        vd_frontier_append(&tree, leaf);
        RO_TRY(answer_step(r, step, result, err));
    }
    vd_frontier_root(&tree, outputs.b);
    result[0] = vd_digest_equal(&outputs, &r->body->outputs) &&
                vd_digest_equal(&s.state, &r->body->last_state);
    return RO_OK;
}

/* ---- kernels ---------------------------------------------------------------------------- */

static ro_status whole_value(running *r, const ro_graph *g, ro_value v, void **out, ro_err *err)
{
    const ro_value_info *i = &g->values[v];
    void *data = ro_arena_alloc(r->arena, ro_type_bytes(&i->type) + 8);
    if (!data) return RO_FAIL(err, RO_ENOMEM, "no memory for an operator's input");
    *out = data;
    if (i->kind == RO_V_SLOT) return vd_exec_slot(r->e, i->index, data, err);
    return vd_exec_value(r->e, v, data, err);
}

/* The node's inputs, as the question has agreed on them. */
static ro_status read_inputs(running *r, rf_node *n, const void *data[RO_INPUTS_MAX], ro_err *err)
{
    const item *i = r->list;
    const uint64_t step = i->question.step;
    const ro_graph *g = graph_at(r, step);
    const ro_node *node = &g->nodes[i->question.node];
    void *got[RO_INPUTS_MAX] = {NULL};
    vd_step_result s;
    while (vd_exec_steps(r->e) < step) RO_TRY(vd_exec_step(r->e, 0, 0, &s, err));
    for (uint32_t k = 0; k < node->inputs; k++) /* before the step changes them */
        if (node->in[k] != RO_NO_VALUE && g->values[node->in[k]].kind == RO_V_SLOT)
            RO_TRY(whole_value(r, g, node->in[k], &got[k], err));
    RO_TRY(vd_exec_step(r->e, 0, 0, &s, err));
    for (uint32_t k = 0, present = 0; k < node->inputs; k++) {
        vd_digest d;
        if (node->in[k] == RO_NO_VALUE) continue;
        const ro_value_info *v = &g->values[node->in[k]];
        if (v->kind == RO_V_NODE) RO_TRY(whole_value(r, g, node->in[k], &got[k], err));
        data[k] = v->kind == RO_V_CONSTANT ? r->constants[v->index] : got[k];
        vd_tensor_digest(&v->type, data[k], NULL, d.b);
        if (present == i->input_count || !vd_digest_equal(&d, &i->inputs[present++]))
            return RO_FAIL(err, RO_EDIFFER, "the agreed inputs are not those of an honest run");
    }
    rf_node_init(n, r->job, vd_job_locate(r->job, step).phase, i->question.node, i->inputs);
    return RO_OK;
}

/* Of each level, then of the scalar body, then what its parts fold to: 8 bytes each. */
static ro_status compute_kernel(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    running *r = ctx;
    const item *i = r->list;
    const rf_question *q = &i->question;
    const void *data[RO_INPUTS_MAX] = {NULL};
    rf_node n;
    ro_reader reader;
    uint64_t bits = 0;
    RO_TRY(read_inputs(r, &n, data, err));
    for (uint32_t k = 0; k < i->level_count; k++) {
        (void)setenv("VERDE_ISA", i->levels[k] + 4, 1); /* of what is opened from now on */
        RO_TRY(rf_run_operator(&n, ro_cpu(), pool, data, NULL, q->output, q->element, &bits, err));
        vd_put_le(result + 8 * k, bits, 8);
    }
    rf_reader_of(&n, data, &reader);
    bits = ro_at(n.node->op, &reader, n.node->attrs, q->output, q->element);
    vd_put_le(result + 8 * i->level_count, bits, 8);
    if (rf_is_partial(&n, q->output))
        RO_TRY(rf_fold_parts(&n, &reader, q->output, q->element, &bits, err));
    vd_put_le(result + 8 * (i->level_count + 1), bits, 8);
    return RO_OK;
}

/* ---- one child --------------------------------------------------------------------------- */

static void limits_of(const vd_job *j, rf_limits *l)
{
    vd_cost c;
    ro_err err = {RO_OK, {0}};
    memset(l, 0, sizeof *l);
    l->threads = 1; /* the other cores are for those who are waiting */
    if (vd_job_cost(j, &c, &err)) return;
    if (c.peak_bytes < UINT64_MAX / 8) /* a plan beside its values, twice */
        l->memory_bytes = 4 * c.peak_bytes + c.constant_bytes + SPARE_BYTES;
    l->wall_ms = 1000 * (c.flops / SLOW_FLOPS + SPARE_SECONDS);
}

static ro_status run_child(sv_work *w, item *list, uint8_t *result, size_t size, ro_err *err)
{
    running r;
    rf_limits limits;
    vd_trace_body body;
    vd_job *job;
    char store[VD_FS_NAME_MAX];
    ro_arena *arena = ro_arena_new();
    if (!arena) return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    memset(&r, 0, sizeof r);
    (void)snprintf(store, sizeof store, "%s/store", w->dir);
    ro_status st = sv_read_job(w->reader, &list->task, arena, &job, err);
    if (st == RO_OK && !list->is_kernel)
        st = sv_read_body(w->reader, &list->task, &list->root, &body, err);
    if (st == RO_OK) {
        r.job = job;
        r.store = store;
        r.list = list;
        r.body = &body;
        limits_of(job, &limits);
        const rf_work work = {prepare, list->is_kernel ? compute_kernel : compute_answers, &r,
                              size};
        st = rf_child_run(&work, &limits, result, err);
    }
    ro_arena_free(arena);
    return st;
}

/* ---- what is said ------------------------------------------------------------------------ */

typedef struct {
    sv_action action;
    sv_work *work;
    vd_digest task;
    uint32_t number;
    rf_work_end end;
    size_t size;
    uint8_t *bytes;
} saying;

static item **find_item(sv_work *w, const vd_digest *task, uint32_t work)
{
    item **at = &w->items;
    while (*at && ((*at)->work != work || !vd_digest_equal(&(*at)->task, task))) at = &(*at)->next;
    return at;
}

static void run_saying(sv_engine *e, sv_action *a)
{
    const saying *s = (saying *)(void *)a;
    rf_event ev;
    ro_err err = {RO_OK, {0}};
    memset(&ev, 0, sizeof ev);
    ev.kind = RF_EV_WORK;
    ev.work = s->number;
    ev.end = s->end;
    ev.bytes = s->bytes;
    ev.size = s->size;
    ro_status st = sv_tasks_event(sv_engine_tasks(e), &s->task, &ev, sv_now_ms(), &err);
    if (st && st != RO_ENOTFOUND) return; /* it is tried again */
    pthread_mutex_lock(&s->work->lock);
    item *i = *find_item(s->work, &s->task, s->number);
    if (i) i->at = TAKEN;
    pthread_mutex_unlock(&s->work->lock);
}

/* What was not taken, or not durable, is done again. What the host cannot do is kept, so that it
 * is not tried again in this process. */
static void saying_done(sv_engine *e, sv_action *a, const ro_err *failed)
{
    saying *s = (saying *)(void *)a;
    sv_work *w = s->work;
    (void)e;
    pthread_mutex_lock(&w->lock);
    item **at = find_item(w, &s->task, s->number), *i = *at;
    if (i && (failed || i->at == RUNNING)) {
        i->at = WAITING;
        i->not_before = sv_now_ms() + 1000;
    } else if (i && i->at == TAKEN && !(s->end == RF_WORK_CANNOT && i->is_kernel)) {
        *at = i->next;
        ro_free(i->keys);
        ro_free(i);
    }
    pthread_mutex_unlock(&w->lock);
    ro_free(s->bytes);
    ro_free(s);
}

static void say(sv_work *w, const item *i, rf_work_end end, const uint8_t *bytes, size_t size)
{
    saying *s = ro_alloc_zero(sizeof *s);
    if (s) s->bytes = ro_alloc(size + 1);
    if (!s || !s->bytes) { /* it is handed out again by the next start */
        ro_free(s);
        return;
    }
    if (size) memcpy(s->bytes, bytes, size);
    s->work = w;
    s->task = i->task;
    s->number = i->work;
    s->end = end;
    s->size = size;
    s->action.run = run_saying;
    s->action.done = saying_done;
    sv_engine_post(w->engine, &s->action);
}

/* What a kernel's run says: docs/PROTOCOL.md, "The life of a task". */
static void say_kernel(sv_work *w, const item *i, const uint8_t *result)
{
    uint8_t answer[RF_KERNEL_BYTES];
    const uint8_t *scalar = result + 8 * i->level_count;
    uint32_t k = 0;
    while (k < i->level_count && memcmp(result + 8 * k, scalar, 8) == 0) k++;
    const int differs = k < i->level_count, folds = memcmp(scalar, scalar + 8, 8) == 0;
    memcpy(answer, differs ? result + 8 * k : scalar, 8);
    answer[8] = !differs && folds ? RF_RAN_TWICE : 0;
    if (!differs && i->missing) say(w, i, RF_WORK_CANNOT, NULL, 0);
    else say(w, i, RF_WORK_DONE, answer, sizeof answer);
}

/* list: one kernel, or all challenges of a task that wait. */
static void do_work(sv_work *w, item *list)
{
    ro_err err = {RO_OK, {0}};
    size_t size = list->is_kernel ? 8u * (list->level_count + 2u) : 1;
    for (const item *i = list; !list->is_kernel && i; i = i->next)
        size += (size_t)i->key_count * VD_DIGEST;
    uint8_t *result = ro_alloc_zero(size), *at = result + 1;
    const int none = list->is_kernel && !list->level_count;
    ro_status st = !result ? RO_FAIL(&err, RO_ENOMEM, "no memory for a result")
                   : none ? RO_FAIL(&err, RO_ENOTFOUND, "no kernel that is named is here")
                          : run_child(w, list, result, size, &err);
    const rf_work_end end = rf_is_fault(st) || st == RO_EIO ? RF_WORK_FAULT : RF_WORK_CANNOT;
    for (item *i = list, *next; i; i = next) {
        next = i->next;
        if (st) say(w, i, end, NULL, 0);
        else if (i->is_kernel) say_kernel(w, i, result);
        else if (!result[0]) say(w, i, RF_WORK_CANNOT, NULL, 0);
        else say(w, i, RF_WORK_DONE, at, (size_t)i->key_count * VD_DIGEST);
        if (!i->is_kernel) at += (size_t)i->key_count * VD_DIGEST;
    }
    ro_free(result);
}

/* ---- the queue -------------------------------------------------------------------------- */

static void take_levels(item *i, const rf_effect *x)
{
    for (uint32_t k = 0; k < x->backend_count; k++) {
        const char *name = x->backends[k];
        const int here = strncmp(name, "cpu ", 4) == 0 && ro_cpu_runs(name + 4);
        if (here && i->level_count < LEVELS_MAX)
            memcpy(i->levels[i->level_count++], name, VD_BACKEND_BYTES);
        else i->missing = 1;
    }
}

static item *item_of(const sv_task_look *l, const rf_effect *x)
{
    item *i = ro_alloc_zero(sizeof *i);
    if (!i) return NULL;
    i->task = l->task;
    i->work = x->work;
    i->is_kernel = x->question != NULL;
    i->is_late = x->kind == RF_DO_HOLD;
    i->not_before = x->deadline == UINT64_MAX || i->is_late ? 0 : x->deadline;
    i->root = x->roots[0];
    if (i->is_kernel) {
        rf_game *g = rf_task_game(l->state, x->level, x->pair);
        const rf_node *n = g ? rf_game_subject(g) : NULL;
        i->question = *x->question;
        for (uint32_t k = 0; n && k < n->inputs; k++)
            if (n->in[k].dtype != RO_NONE) i->inputs[i->input_count++] = n->digest[k];
        take_levels(i, x);
        return i;
    }
    i->step = x->step;
    i->node = x->node;
    i->output = x->output;
    i->keys = ro_alloc(32u * (x->member_count + 1u));
    for (uint32_t k = 0; i->keys && k < x->member_count; k++) {
        rf_task_member m;
        rf_task_get_member(l->state, x->members[k], &m);
        memcpy(i->keys + 32u * i->key_count++, m.key, 32);
    }
    return i;
}

void sv_work_take(sv_work *w, const sv_task_look *l, const rf_effect *x)
{
    pthread_mutex_lock(&w->lock);
    item **at = find_item(w, &l->task, x->work);
    if (!*at) {
        *at = item_of(l, x);
    } else if ((*at)->at == TAKEN && x->kind == RF_DO_RUN) { /* it was a fault: once more, later */
        (*at)->at = WAITING;
        (*at)->not_before = x->deadline == UINT64_MAX ? 0 : x->deadline;
    }
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

/* Copies of what is to be run together, linked; NULL: nothing is due. Under the lock. */
static item *choose(sv_work *w, uint64_t *due)
{
    item *list = NULL, **end = &list;
    const uint64_t now = sv_now_ms();
    *due = UINT64_MAX;
    for (item *i = w->items; i; i = i->next) {
        if (i->at != WAITING) continue;
        if (i->not_before > now) {
            if (i->not_before < *due) *due = i->not_before;
            continue;
        }
        if (list && (list->is_kernel || i->is_kernel || !vd_digest_equal(&list->task, &i->task)))
            continue;
        item *copy = ro_alloc(sizeof *copy);
        if (!copy) break;
        *copy = *i;
        copy->next = NULL;
        *end = copy;
        end = &copy->next;
        i->at = RUNNING;
    }
    return list;
}

static void *serve(void *ctx)
{
    sv_work *w = ctx;
    for (;;) {
        uint64_t due;
        pthread_mutex_lock(&w->lock);
        item *list = choose(w, &due);
        if (!list && !w->stop) {
            struct timespec t;
            const uint64_t until = due < sv_now_ms() + 1000 ? due : sv_now_ms() + 1000;
            t.tv_sec = (time_t)(until / 1000);
            t.tv_nsec = (long)(until % 1000) * 1000000;
            (void)pthread_cond_timedwait(&w->wake, &w->lock, &t);
        }
        const int stop = w->stop;
        pthread_mutex_unlock(&w->lock);
        if (list && !stop) do_work(w, list);
        while (list) {
            item *next = list->next;
            ro_free(list);
            list = next;
        }
        if (stop) return NULL;
    }
}

ro_status sv_work_open(const char *dir, sv_work **out, ro_err *err)
{
    sv_work *w = ro_alloc_zero(sizeof *w);
    if (w) w->dir = ro_alloc(strlen(dir) + 1);
    if (!w || !w->dir) {
        ro_free(w);
        return RO_FAIL(err, RO_ENOMEM, "no memory for the host's work");
    }
    memcpy(w->dir, dir, strlen(dir) + 1);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    *out = w;
    return RO_OK;
}

ro_status sv_work_begin(sv_work *w, sv_engine *e, ro_err *err)
{
    RO_TRY(sv_catalog_read(w->dir, &w->reader, err));
    w->engine = e;
    if (pthread_create(&w->thread, NULL, serve, w) != 0)
        return RO_FAIL(err, RO_ENOMEM, "a thread cannot be had");
    w->started = 1;
    return RO_OK;
}

void sv_work_stop(sv_work *w)
{
    if (!w || !w->started) return;
    pthread_mutex_lock(&w->lock);
    w->stop = 1;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->started = 0;
}

void sv_work_close(sv_work *w)
{
    if (!w) return;
    sv_work_stop(w);
    while (w->items) {
        item *i = w->items;
        w->items = i->next;
        ro_free(i->keys);
        ro_free(i);
    }
    sv_catalog_close(w->reader);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    ro_free(w->dir);
    ro_free(w);
}
