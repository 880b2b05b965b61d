/* crowd.c - one honest party among many distinct roots, in one task (T06, T32).
 *
 * What this file decides: how a crowd is played: everybody answers at once and rightly from its own
 * trace, so that what is counted is the referee's work. Messages are signed and opened for real.
 *
 * Invariants
 *   1. All roots are distinct and one is true.
 *   2. The bounds are those that docs/PROTOCOL.md promises: one recomputation a fallen root, and
 *      rounds logarithmic in the roots. */
#include "sim.h"

typedef struct {
    vd_key *key;
    const sim_trace *trace;
    vd_digest account;
} party;

typedef struct {
    const sim_job *job;
    ro_arena *arena;
    rf_task_setup setup;
    rf_task *task;
    party *parties; /* and the auditor */
    uint32_t count, messages, next, end; /* waiting: effects [next, end) of the queue */
    rf_effect *queue;
    rf_question *questions;
    uint32_t room;
    uint64_t now;
    sim_store everything;
} crowd;

static void put(crowd *c, const rf_effect *e)
{
    RO_ASSERT(c->end < c->room);
    c->queue[c->end] = *e;
    if (e->question) c->questions[c->end] = *e->question;
    c->queue[c->end].question = e->question ? &c->questions[c->end] : NULL;
    c->end++;
}

static void event(crowd *c, const rf_event *e)
{
    uint32_t n;
    ro_err err = {RO_OK, {0}};
    must(rf_task_event(c->task, e, c->now, &err), &err);
    const rf_effect *list = rf_task_effects(c->task, &n);
    for (uint32_t k = 0; k < n; k++)
        if (list[k].kind == RF_DO_ASK || list[k].kind == RF_DO_RUN ||
            list[k].kind == RF_DO_CHALLENGE || list[k].kind == RF_DO_AUDIT ||
            list[k].kind == RF_DO_DELIVER)
            put(c, &list[k]);
}

static void say(crowd *c, uint32_t who, rf_message *m, const void *payload, size_t size)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    rf_message opened;
    rf_event e;
    ro_err err = {RO_OK, {0}};
    m->referee = c->setup.referee;
    m->task = c->setup.task;
    m->request = ++c->messages;
    must(rf_message_sign(m, c->parties[who].key, &err), &err);
    size_t n = rf_message_encode(m, bytes);
    must(rf_message_open(bytes, n, &opened, &err), &err);
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_MESSAGE;
    e.message = &opened;
    e.bytes = payload;
    e.size = size;
    e.account = c->parties[who].account;
    event(c, &e);
}

/* ---- the moves --------------------------------------------------------------------------- */

static void say_first(crowd *c, uint32_t who, rf_message_type type)
{
    static const char backend[VD_BACKEND_BYTES] = "cpu base";
    const party *p = &c->parties[who];
    uint8_t bytes[VD_SIGNED_BYTES], terms[RF_PARAMS_BYTES];
    vd_digest salt;
    rf_message m;
    ro_err err = {RO_OK, {0}};
    memset(&m, 0, sizeof m);
    m.role = who == c->count ? RF_AUDITOR : RF_PROVIDER;
    m.type = type;
    must(rf_salt(p->key, &c->setup.referee, &c->setup.task, &salt, &err), &err);
    rf_params_encode(&c->setup.params, terms);
    if (type == RF_M_WORK) m.claim.terms = rf_terms_digest(terms, sizeof terms);
    if (type == RF_M_COMMIT)
        m.claim.commitment = rf_commitment(&c->setup.referee, &c->setup.task,
                                           vd_key_public(p->key), &p->trace->root, &salt);
    if (type == RF_M_REVEAL) {
        m.claim.reveal.root = p->trace->root;
        m.claim.reveal.salt = salt;
        memcpy(m.claim.reveal.backend, backend, sizeof backend);
        memcpy(m.claim.reveal.body, p->trace->body_bytes, VD_TRACE_BODY_BYTES);
        vd_signed_bytes(0, backend, &p->trace->root, bytes);
        must(vd_sign(p->key, bytes, sizeof bytes, m.claim.reveal.signature, &err), &err);
    }
    say(c, who, &m, NULL, 0);
}

static uint32_t who_has(const crowd *c, const vd_digest *root)
{
    uint32_t k = 0;
    while (k < c->count && !vd_digest_equal(&c->parties[k].trace->root, root)) k++;
    return k;
}

static void answer_question(crowd *c, const rf_effect *e)
{
    static uint8_t out[SIM_ANSWER_MAX];
    for (uint32_t side = 0; side < 2; side++) {
        rf_message m;
        if (!(e->sides >> side & 1)) continue;
        uint32_t who = who_has(c, &e->roots[side]);
        const sim_trace *t = c->parties[who].trace;
        sim_files f = {t, &t->store, NULL, 0, NULL, rf_task_game(c->task, e->level, e->pair)};
        size_t n = sim_answer(&f, e->question, out);
        if (n == 0) continue;
        memset(&m, 0, sizeof m);
        m.role = RF_PROVIDER;
        m.type = RF_M_OPENING;
        m.question = e->asked;
        m.claim.opening.size = n;
        m.claim.opening.digest = rf_payload_digest(out, n);
        say(c, who, &m, out, n);
        return;
    }
}

static vd_digest attention(const crowd *c, const rf_effect *e, uint32_t who, const sim_trace *t)
{
    const ro_graph *g = c->job->job->phases[vd_job_locate(c->job->job, e->step).phase].graph;
    const sim_tensor *x = t->step[e->step].values[g->nodes[e->node].first_output + e->output];
    return rf_challenge_answer(&c->setup.task, vd_key_public(c->parties[who].key), x->bytes,
                               ro_type_bytes(&x->type));
}

static void answer_challenge(crowd *c, const rf_effect *e)
{
    for (uint32_t k = 0; k < c->count; k++) {
        rf_message m;
        memset(&m, 0, sizeof m);
        m.role = RF_PROVIDER;
        m.type = RF_M_CHALLENGE;
        m.question = e->asked;
        m.slot.challenge = e->number;
        m.slot.step = e->step;
        m.slot.node = e->node;
        m.slot.output = e->output;
        m.claim.challenge = attention(c, e, k, c->parties[k].trace);
        say(c, k, &m, NULL, 0);
    }
}

static void do_work(crowd *c, const rf_effect *e)
{
    uint8_t out[RO_OUTPUTS_MAX * VD_DIGEST];
    rf_event x;
    memset(&x, 0, sizeof x);
    x.kind = RF_EV_WORK;
    x.work = e->work;
    x.bytes = out;
    if (!e->question) {
        vd_digest d = attention(c, e, who_has(c, &e->roots[0]), c->job->truth);
        memcpy(out, d.b, x.size = VD_DIGEST);
    } else {
        rf_game *g = rf_task_game(c->task, e->level, e->pair);
        if (!g) return; /* its pair has ended */
        x.size = sim_host(c->job, &c->everything, rf_game_subject(g), e->question, out);
        if (!x.size) x.end = RF_WORK_CANNOT;
    }
    event(c, &x);
}

static void carry_out(crowd *c, const rf_effect *e)
{
    rf_event x;
    memset(&x, 0, sizeof x);
    switch (e->kind) {
    case RF_DO_ASK: answer_question(c, e); return;
    case RF_DO_CHALLENGE: answer_challenge(c, e); return;
    case RF_DO_RUN: do_work(c, e); return;
    case RF_DO_DELIVER:
        x.kind = RF_EV_DELIVERED;
        x.member = rf_task_find(c->task, vd_key_public(c->parties[who_has(c, &e->roots[0])].key));
        event(c, &x);
        return;
    case RF_DO_AUDIT:
        x.kind = RF_EV_AUDITOR;
        memcpy(x.key, vd_key_public(c->parties[c->count].key), 32);
        event(c, &x);
        say_first(c, c->count, RF_M_REVEAL);
        return;
    default: return;
    }
}

static void tick(crowd *c)
{
    rf_event x;
    memset(&x, 0, sizeof x);
    c->now = rf_task_deadline(c->task);
    event(c, &x);
    while (c->next < c->end) {
        rf_effect e = c->queue[c->next++];
        carry_out(c, &e);
    }
    c->next = c->end = 0;
}

/* ---- a crowd ----------------------------------------------------------------------------- */

static void assemble(crowd *c, const sim_pool *pool)
{
    static const sim_lie_kind kinds[] = {LIE_RANDOM, LIE_STATE, LIE_OUTPUTS, LIE_RANDOM};
    rng g = {2024};
    uint32_t k = 0;
    while (pool->jobs[k].op != RO_OP_MatMul || pool->jobs[k].dear) k++;
    c->job = &pool->jobs[k];
    c->everything.below = &c->job->truth->store;
    for (k = 0; k <= c->count; k++) {
        sim_lie l;
        do {
            memset(&l, 0, sizeof l);
            l.kind = kinds[rng_in(&g, 0, 3)];
            l.step = rng_next(&g) % c->job->job->steps;
        } while (!sim_lie_fits(c->job, &l, &g));
        const sim_trace *t = k && k < c->count ? sim_lying(c->job, c->arena, &l, 1) : c->job->truth;
        c->parties[k].key = sim_key_new(1000 + k);
        c->parties[k].trace = t;
        vd_put_le(c->parties[k].account.b, k + 1, 8);
        for (uint32_t b = 0; t != c->job->truth && b < SIM_BUCKETS; b++)
            for (sim_tensor *x = t->store.bucket[b], *next; x; x = next) {
                sim_tensor *copy = sim_alloc(c->arena, sizeof *copy);
                next = x->next;
                *copy = *x;
                copy->next = c->everything.bucket[b];
                c->everything.bucket[b] = copy;
            }
    }
}

static int judge(const crowd *c, int json)
{
    rf_task_counts counts;
    rf_task_member m;
    vd_digest root;
    rf_task_get_counts(c->task, &counts);
    rf_task_get_member(c->task, rf_task_find(c->task, vd_key_public(c->parties[0].key)), &m);
    int has = rf_task_root(c->task, &root);
    int wins = has && vd_digest_equal(&root, &c->job->truth->root) && m.lost == RF_LOST_NOTHING;
    uint32_t rounds = 0;
    while ((UINT64_C(1) << rounds) < c->count) rounds++;
    printf(
        json ? "{\"roots\": %u, \"honest_wins\": %d, \"recomputations\": %llu, \"rounds\": %u, "
               "\"pairs\": %u, \"messages\": %u}\n"
             : "roots %u\nhonest_wins %d\nrecomputations %llu\nrounds %u\npairs %u\nmessages %u\n",
        counts.roots, wins, (unsigned long long)counts.recomputed, counts.levels, counts.pairs,
        c->messages);
    return wins && counts.roots == c->count && counts.recomputed < c->count &&
           counts.levels <= rounds;
}

int sim_crowd(const sim_pool *pool, uint32_t roots, int json)
{
    crowd c;
    rf_cost cost;
    rf_event ready;
    ro_err err = {RO_OK, {0}};
    memset(&c, 0, sizeof c);
    c.arena = ro_arena_new();
    RO_ASSERT(c.arena);
    c.count = roots;
    c.room = 64 * roots + 1024;
    c.parties = sim_alloc(c.arena, (roots + 1) * sizeof *c.parties);
    c.queue = sim_alloc(c.arena, c.room * sizeof *c.queue);
    c.questions = sim_alloc(c.arena, c.room * sizeof *c.questions);
    assemble(&c, pool);
    c.setup.job = c.job->job;
    memcpy(c.setup.referee.b, vd_key_public(c.parties[0].key), VD_DIGEST);
    must(rf_cost_of_job(c.job->job, &cost, &err), &err);
    must(rf_params_defaults(&cost, roots, 0, RF_PRICE_DEFAULT, RF_PRICE_BYTES_DEFAULT,
                                &c.setup.params, &err), &err);
    c.setup.params.challenges = 1;
    must(rf_task_new(&c.setup, 0, &c.task, &err), &err);
    memset(&ready, 0, sizeof ready);
    ready.kind = RF_EV_READY;
    event(&c, &ready);
    for (uint32_t k = 0; k < roots; k++) say_first(&c, k, RF_M_WORK);
    tick(&c);
    for (uint32_t k = 0; k < roots; k++) say_first(&c, k, RF_M_COMMIT);
    tick(&c);
    for (uint32_t k = 0; k < roots; k++) say_first(&c, k, RF_M_REVEAL);
    while (rf_task_get_state(c.task) < RF_T_SETTLED && rf_task_deadline(c.task) != UINT64_MAX)
        tick(&c);
    int good = judge(&c, json);
    rf_task_free(c.task);
    for (uint32_t k = 0; k <= roots; k++) vd_key_free(c.parties[k].key);
    ro_arena_free(c.arena);
    return good;
}
