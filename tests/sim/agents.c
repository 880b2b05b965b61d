/* agents.c - what parties do: honest ones as the software does, adversaries as their script says.
 *
 * What this file decides: when a party says what. Everything said is an item that a party keeps on
 * its disk from before it is first sent, and says again until it is answered.
 *
 * Invariants
 *   1. An honest party says one thing a slot, the same after every restart, and nothing that it
 *      has not checked to hold.
 *   2. Adversaries know all keys but use their own: what they sign for others does not verify. */
#include "sim.h"

static int plays(const sim_agent *a, uint64_t what)
{
    return a->strategy && a->strategy->plays & what;
}

/* ---- messages ---------------------------------------------------------------------------- */

static const char BACKENDS[3][VD_BACKEND_BYTES] = {SIM_BACKEND, "cpu base, second build",
                                                   "cpu another"};

static void begin_message(sim_world *w, sim_agent *a, rf_message *m, rf_message_type type)
{
    memset(m, 0, sizeof *m);
    m->referee = w->setup.referee;
    m->task = w->setup.task;
    m->role = a->role;
    m->type = type;
    m->time_ms = w->now;
    m->request = ++a->request;
}

static sim_packet *seal_packet(sim_world *w, sim_agent *a, rf_message *m, const uint8_t *payload,
                               size_t size)
{
    sim_packet *p = sim_alloc(w->arena, sizeof *p);
    ro_err err = {RO_OK, {0}};
    if (w->model) {
        memcpy(m->key, vd_key_public(a->key), sizeof m->key);
        p->m = *m;
        p->opened = 1;
    } else {
        must(rf_message_sign(m, a->key, &err), &err);
        p->size = rf_message_encode(m, p->bytes);
    }
    p->payload = payload;
    p->payload_size = size;
    p->account = a->account;
    return p;
}

/* The same claim in another envelope. */
static sim_packet *another_envelope(sim_world *w, sim_agent *a, const sim_packet *p)
{
    rf_message m;
    ro_err err = {RO_OK, {0}};
    must(rf_message_open(p->bytes, p->size, &m, &err), &err);
    m.time_ms = w->now + 1;
    m.request = ++a->request;
    return seal_packet(w, a, &m, p->payload, p->payload_size);
}

static sim_packet *say_work(sim_world *w, sim_agent *a)
{
    rf_message m;
    uint8_t terms[RF_PARAMS_BYTES];
    begin_message(w, a, &m, RF_M_WORK);
    rf_params_encode(&w->setup.params, terms);
    m.claim.terms = rf_terms_digest(terms, sizeof terms);
    return seal_packet(w, a, &m, NULL, 0);
}

static vd_digest salt_of(sim_world *w, sim_agent *a)
{
    vd_digest salt = {{0}};
    ro_err err = {RO_OK, {0}};
    if (w->model) return salt;
    must(rf_salt(a->key, &w->setup.referee, &w->setup.task, &salt, &err), &err);
    if (sim_planted("fresh-salt")) salt.b[0] ^= (uint8_t)a->request;
    return salt;
}

static sim_packet *say_commit(sim_world *w, sim_agent *a, int second)
{
    rf_message m;
    vd_digest root = a->trace->root, salt = salt_of(w, a);
    begin_message(w, a, &m, RF_M_COMMIT);
    if (second) salt.b[5] ^= 1;
    const uint8_t *key = vd_key_public(a->key);
    if (plays(a, PLAY_COPY_COMMIT)) key = vd_key_public(w->agents[a->number ? 0 : 1].key);
    m.claim.commitment = rf_commitment(&w->setup.referee, &w->setup.task, key, &root, &salt);
    if (plays(a, PLAY_COPY_REVEAL)) m.claim.commitment.b[0] ^= 1;
    return seal_packet(w, a, &m, NULL, 0);
}

static sim_packet *say_reveal(sim_world *w, sim_agent *a, int second)
{
    rf_message m;
    uint8_t bytes[VD_SIGNED_BYTES];
    ro_err err = {RO_OK, {0}};
    const char *backend = BACKENDS[second ? 1 : a->misnames ? 2 : 0];
    begin_message(w, a, &m, RF_M_REVEAL);
    m.claim.reveal.root = a->trace->root;
    m.claim.reveal.salt = salt_of(w, a);
    memcpy(m.claim.reveal.backend, backend, VD_BACKEND_BYTES);
    memcpy(m.claim.reveal.body, a->trace->body_bytes, VD_TRACE_BODY_BYTES);
    vd_signed_bytes(0, backend, &a->trace->root, bytes);
    if (!w->model)
        must(vd_sign(a->key, bytes, sizeof bytes, m.claim.reveal.signature, &err), &err);
    return seal_packet(w, a, &m, NULL, 0);
}

static sim_packet *say_withdraw(sim_world *w, sim_agent *a)
{
    rf_message m;
    begin_message(w, a, &m, RF_M_WITHDRAW);
    return seal_packet(w, a, &m, NULL, 0);
}

static void claim_body(const sim_agent *a, const sim_trace *told, uint64_t segment,
                       vd_claim_body *b)
{
    const vd_job *j = a->trace->base->job;
    uint64_t first;
    memset(b, 0, sizeof *b);
    b->job = j->digest;
    b->trace = a->trace->root;
    b->segment = segment;
    vd_job_segment(j, segment, &first, &b->steps);
    vd_tree_root(VD_TREE_STEPS, told->step_hash + first * VD_DIGEST, b->steps, b->tree.b);
}

static uint8_t *keep_bytes(sim_world *w, const void *bytes, size_t n)
{
    uint8_t *p = sim_alloc(w->arena, n + 1);
    memcpy(p, bytes, n);
    return p;
}

static sim_packet *say_segment(sim_world *w, sim_agent *a, const sim_notice *n, int second)
{
    const sim_trace *told = second ? a->other : a->claims;
    const vd_job *j = w->job->job;
    rf_message m;
    uint8_t bytes[VD_SIGNED_BYTES], leaves[SIM_STEPS_MAX * (VD_STEP_LEAF_BYTES + 1)];
    uint64_t first, count;
    size_t size = 0;
    ro_err err = {RO_OK, {0}};
    begin_message(w, a, &m, RF_M_SEGMENT);
    m.question = n->e.asked;
    m.slot.root = a->trace->root;
    m.slot.segment = n->q.lo;
    claim_body(a, told, n->q.lo, &m.claim.segment.body);
    memcpy(m.claim.segment.backend, BACKENDS[0], VD_BACKEND_BYTES);
    vd_digest root = vd_claim_root(&m.claim.segment.body);
    vd_signed_bytes(1, BACKENDS[0], &root, bytes);
    if (!w->model)
        must(vd_sign(a->key, bytes, sizeof bytes, m.claim.segment.signature, &err), &err);
    vd_job_segment(j, n->q.lo, &first, &count);
    for (uint64_t k = first; k < first + count; k++) {
        memcpy(leaves + size, told->step[k].leaf.bytes, told->step[k].leaf.size);
        size += told->step[k].leaf.size;
    }
    return seal_packet(w, a, &m, keep_bytes(w, leaves, size), size);
}

/* Which segment claim a question inside a segment is about: whose steps answer it. */
static const sim_trace *claim_asked(const sim_world *w, const sim_agent *a, const sim_notice *n)
{
    uint64_t k = w->job->job->segment ? n->q.step / w->job->job->segment : 0;
    vd_claim_body b;
    if (n->q.claim == RF_NONE) return NULL;
    if (n->e.sides == 3) return a->claims; /* what both sides claim, its own perhaps too */
    claim_body(a, a->claims, k, &b);
    vd_digest root = vd_claim_root(&b);
    return vd_digest_equal(&n->e.claim, &root) ? a->claims : NULL;
}

/* What a party has to say to a question; 0: nothing. */
static size_t answer(sim_world *w, const sim_agent *a, const sim_notice *n, uint8_t *out)
{
    rf_question q = n->q;
    const sim_trace *claim = claim_asked(w, a, n);
    sim_files f = {a->trace, a->store, &claim, 1, a->explains,
                   rf_task_game(w->task, n->e.level, n->e.pair)};
    if (q.claim != RF_NONE && !claim) return 0;
    if (q.claim != RF_NONE) q.claim = 0;
    if (q.kind == RF_Q_EXPLANATIONS) q.kind = RF_Q_PARTS;
    return sim_answer(&f, &q, out);
}

static sim_packet *say_parts(sim_world *w, sim_agent *a, const sim_notice *n, int second)
{
    uint8_t *out = sim_alloc(w->arena, 1 << 16);
    size_t size = answer(w, a, n, out);
    rf_message m;
    if (size == 0) return NULL;
    RO_ASSERT(size <= 1 << 16);
    if (second) out[size / 2] ^= 1;
    begin_message(w, a, &m, RF_M_EXPLANATION);
    m.question = n->e.asked;
    m.slot.root = n->e.claim;
    m.slot.step = n->q.step;
    m.slot.node = n->q.node;
    m.slot.output = n->q.output;
    m.slot.element = n->q.element;
    m.slot.level = n->q.level;
    m.slot.index = n->q.index;
    m.claim.parts.count = size / 8;
    m.claim.parts.digest = rf_payload_digest(out, size);
    return seal_packet(w, a, &m, out, size);
}

static sim_packet *say_challenge(sim_world *w, sim_agent *a, const sim_notice *n, int second)
{
    const ro_graph *g = w->job->job->phases[vd_job_locate(w->job->job, n->e.step).phase].graph;
    rf_message m;
    const sim_tensor *x =
        a->trace->step[n->e.step].values[g->nodes[n->e.node].first_output + n->e.output];
    begin_message(w, a, &m, RF_M_CHALLENGE);
    m.question = n->e.asked;
    m.slot.challenge = n->e.number;
    m.slot.step = n->e.step;
    m.slot.node = n->e.node;
    m.slot.output = n->e.output;
    m.claim.challenge = rf_challenge_answer(&w->setup.task, vd_key_public(a->key), x->bytes,
                                            a->store ? ro_type_bytes(&x->type) : 0);
    if (second) m.claim.challenge.b[0] ^= 1;
    return seal_packet(w, a, &m, NULL, 0);
}

static sim_packet *say_opening(sim_world *w, sim_agent *a, const sim_notice *n,
                               const uint8_t *bytes, size_t size)
{
    rf_message m;
    begin_message(w, a, &m, RF_M_OPENING);
    m.question = n->e.asked;
    m.claim.opening.size = size;
    m.claim.opening.digest = rf_payload_digest(bytes, size);
    if (plays(a, PLAY_BOMB)) m.claim.opening.digest.b[0] ^= 1; /* right bytes under another name */
    return seal_packet(w, a, &m, bytes, size);
}

/* ---- openings, right and wrong ----------------------------------------------------------- */

/* Whether an answer holds, as far as its hashes say. */
static int holds(const rf_question *q, const uint8_t *b, size_t n)
{
    uint8_t d[VD_DIGEST];
    if (q->kind == RF_Q_HASHES)
        return vd_descend_verify(q->tree, q->lo, q->hi, q->depth, b, n / VD_DIGEST, q->of.b);
    if (q->kind == RF_Q_LEAF) vd_leaf_hash(q->tree, b, n, d);
    else if (q->kind == RF_Q_HEADER) vd_tensor_header_digest(b, n, d);
    else if (q->kind == RF_Q_STATE)
        memcpy(d, vd_state_root((const vd_digest *)b, (uint32_t)(n / VD_DIGEST)).b, VD_DIGEST);
    else return 1;
    return memcmp(d, q->of.b, VD_DIGEST) == 0;
}

static size_t spoil(sim_world *w, const sim_agent *a, const rf_question *q, uint8_t *b, size_t n)
{
    if (plays(a, PLAY_HALF)) return n / 2;
    if (plays(a, PLAY_BAD_LENGTH)) {
        if (rng_in(&w->g, 0, 1) && n > VD_DIGEST) return n - VD_DIGEST;
        memset(b + n, 0, VD_DIGEST);
        return n + VD_DIGEST;
    }
    if (plays(a, PLAY_WRONG_TENSOR)) {
        for (size_t k = 0; k < n; k++) b[k] = (uint8_t)rng_next(&w->g);
        return n;
    }
    if (q->kind == RF_Q_OPERANDS &&
        n > 24) { /* well formed, but for the bytes of its first chunk */
        size_t size = vd_get_u32(b + 16);
        for (size_t k = 0; k < size && 24 + k < n; k++) b[24 + k] ^= 0x55;
        return n;
    }
    b[rng_next(&w->g) % n] ^= (uint8_t)(1 + rng_next(&w->g) % 255);
    return n;
}

static int of_tensor(const rf_question *q)
{
    return q->kind == RF_Q_HEADER || q->kind == RF_Q_OPERANDS ||
           ((q->kind == RF_Q_HASHES || q->kind == RF_Q_LEAF) && q->tree == VD_TREE_CHUNKS);
}

static void send_wrong(sim_world *w, sim_agent *a, const sim_notice *n, const uint8_t *out,
                       size_t size, uint32_t times)
{
    for (uint32_t k = 0; k < times && size; k++) {
        uint8_t *b = sim_alloc(w->arena, size + VD_DIGEST + 1);
        memcpy(b, out, size);
        size_t s = spoil(w, a, &n->q, b, size);
        sim_send(w, a, RF_NONE, say_opening(w, a, n, b, s), w->now + 1);
    }
}

static sim_packet *opening(sim_world *w, sim_agent *a, const sim_notice *n)
{
    static uint8_t out[SIM_ANSWER_MAX + VD_DIGEST];
    size_t size = answer(w, a, n, out);
    if (size == 0) return NULL;
    if (!a->strategy && !holds(&n->q, out, size)) return NULL;
    if (plays(a, PLAY_WRONG_FIRST)) send_wrong(w, a, n, out, size, 2);
    if (plays(a, PLAY_ONLY_WRONG)) {
        send_wrong(w, a, n, out, size, 17);
        return NULL;
    }
    if (plays(a, PLAY_HALF | PLAY_BAD_LENGTH) || (plays(a, PLAY_WRONG_TENSOR) && of_tensor(&n->q)))
        size = spoil(w, a, &n->q, out, size);
    return say_opening(w, a, n, keep_bytes(w, out, size), size);
}

/* ---- items ------------------------------------------------------------------------------- */

/* The time it takes to have it: nothing for who copies. In an owner's model it hangs on nothing
 * that the owner does. */
static uint64_t time_taken(sim_world *w, const sim_agent *a, const vd_digest *what,
                           rf_message_type type)
{
    const uint64_t most = w->setup.params.base_ms / 16;
    if (plays(a, PLAY_FRONT_RUN)) return 0;
    if (!w->model) return rng_next(&w->g) % most;
    rng g = {vd_get_u64(what->b) ^ w->seed << 16 ^ (uint64_t)a->number << 8 ^ (uint64_t)type};
    return rng_next(&g) % most;
}

static sim_item *item_of(sim_world *w, sim_agent *a, const vd_digest *what, rf_message_type type)
{
    for (uint32_t k = 0; k < a->item_count; k++)
        if (a->items[k].type == type && vd_digest_equal(&a->items[k].what, what))
            return &a->items[k];
    RO_ASSERT(a->item_count < SIM_ITEMS_MAX);
    sim_item *i = &a->items[a->item_count++];
    memset(i, 0, sizeof *i);
    i->what = *what;
    i->type = type;
    i->next = w->now + time_taken(w, a, what, type);
    return i;
}

/* Say it now, or when its script wants to. */
static void say(sim_world *w, sim_agent *a, sim_item *i, sim_packet *p, uint64_t deadline)
{
    uint32_t number = (uint32_t)(i - a->items);
    uint64_t at = 0;
    i->packet = p;
    i->next = w->now + w->setup.params.base_ms / 8;
    if (!p) {
        i->done = 1;
        return;
    }
    int answers = rf_has_question(i->type);
    if (plays(a, PLAY_STALL) && (answers || i->type == RF_M_REVEAL)) at = deadline - 1;
    if (plays(a, PLAY_LATE_ANSWER) && answers) at = deadline;
    if (plays(a, PLAY_LATE_REVEAL) && i->type == RF_M_REVEAL) at = deadline;
    if (at) i->done = 1;
    sim_send(w, a, number, p, at);
    if (plays(a, PLAY_AGAIN) && !i->extras++)
        for (int k = 0; k < 2; k++) sim_send(w, a, RF_NONE, another_envelope(w, a, p), w->now + 2);
}

static void say_twice(sim_world *w, sim_agent *a, sim_item *i, sim_packet *second)
{
    if (i->extras++ || !second) return;
    sim_send(w, a, RF_NONE, second, w->now + sim_delay(w) * 4);
}

/* ---- windows ----------------------------------------------------------------------------- */

static const vd_digest NOTHING = {{0}};

static int is_due(const sim_world *w, const sim_item *i) { return !i->done && i->next <= w->now; }

static void during_open(sim_world *w, sim_agent *a)
{
    sim_item *i = item_of(w, a, &NOTHING, RF_M_WORK);
    if (is_due(w, i)) say(w, a, i, i->packet ? i->packet : say_work(w, a), w->state_deadline);
}

static void during_commit(sim_world *w, sim_agent *a)
{
    sim_item *i = item_of(w, a, &NOTHING, RF_M_COMMIT);
    if (plays(a, PLAY_NO_COMMIT)) return;
    if (is_due(w, i)) say(w, a, i, i->packet ? i->packet : say_commit(w, a, 0), w->state_deadline);
    if (plays(a, PLAY_TWO_COMMITS)) say_twice(w, a, i, say_commit(w, a, 1));
    if (plays(a, PLAY_EARLY_REVEAL)) say_twice(w, a, i, say_reveal(w, a, 0));
    if (!plays(a, PLAY_WITHDRAW) || !i->done) return;
    i = item_of(w, a, &NOTHING, RF_M_WITHDRAW);
    if (is_due(w, i)) say(w, a, i, i->packet ? i->packet : say_withdraw(w, a), w->state_deadline);
}

static void during_reveal(sim_world *w, sim_agent *a)
{
    sim_item *i = item_of(w, a, &NOTHING, RF_M_REVEAL);
    if (plays(a, PLAY_NO_COMMIT | PLAY_WITHDRAW)) return;
    if (plays(a, PLAY_LATE_WITHDRAW)) say_twice(w, a, i, say_withdraw(w, a));
    if (plays(a, PLAY_NO_REVEAL | PLAY_LATE_WITHDRAW)) return;
    if (is_due(w, i)) say(w, a, i, i->packet ? i->packet : say_reveal(w, a, 0), w->state_deadline);
    if (plays(a, PLAY_TWO_REVEALS)) say_twice(w, a, i, say_reveal(w, a, 1));
}

/* ---- notices ----------------------------------------------------------------------------- */

static int is_asked(const sim_agent *a, const sim_notice *n)
{
    for (uint32_t k = 0; k < 2; k++)
        if (n->e.sides >> k & 1 && vd_digest_equal(&n->e.roots[k], &a->trace->root)) return 1;
    return 0;
}

static void at_question(sim_world *w, sim_agent *a, const sim_notice *n)
{
    int window = rf_is_window(n->q.kind);
    rf_message_type type = n->q.kind == RF_Q_SEGMENTS ? RF_M_SEGMENT
                           : window                   ? RF_M_EXPLANATION : RF_M_OPENING;
    if (!is_asked(a, n) || plays(a, PLAY_NO_ANSWER)) return;
    if (window && plays(a, PLAY_NO_CLAIMS)) return;
    if (plays(a, PLAY_NO_TENSORS) && of_tensor(&n->q)) return;
    sim_item *i = item_of(w, a, &n->e.asked, type);
    if (!is_due(w, i)) return;
    sim_packet *p = i->packet;
    if (!p) p = type == RF_M_SEGMENT ? say_segment(w, a, n, 0)
                : window             ? say_parts(w, a, n, 0) : opening(w, a, n);
    say(w, a, i, p, n->e.deadline);
    if (plays(a, PLAY_TWO_CLAIMS) && window)
        say_twice(w, a, i, type == RF_M_SEGMENT ? say_segment(w, a, n, 1) : say_parts(w, a, n, 1));
}

static void at_challenge(sim_world *w, sim_agent *a, const sim_notice *n)
{
    sim_item *i = item_of(w, a, &n->e.asked, RF_M_CHALLENGE);
    if (a->role != RF_PROVIDER || !a->revealed || plays(a, PLAY_NO_ANSWER)) return;
    if (is_due(w, i))
        say(w, a, i, i->packet ? i->packet : say_challenge(w, a, n, 0), n->e.deadline);
    if (plays(a, PLAY_TWO_CHALLENGES)) say_twice(w, a, i, say_challenge(w, a, n, 1));
}

static void at_delivery(sim_world *w, sim_agent *a, const sim_notice *n)
{
    sim_event e;
    sim_item *i = item_of(w, a, &n->e.roots[0], RF_M_RECEIPT); /* no message: an upload */
    if (!vd_digest_equal(&n->e.roots[0], &a->trace->root) || !a->revealed || i->done) return;
    if (plays(a, PLAY_NO_DELIVERY) || a->role == RF_AUDITOR) return;
    memset(&e, 0, sizeof e);
    e.kind = SIM_UPLOAD;
    e.at = w->now + sim_delay(w);
    e.event.kind = RF_EV_DELIVERED;
    e.event.member = rf_task_find(w->task, vd_key_public(a->key));
    i->done = 1;
    if (e.event.member != RF_NONE) sim_schedule(w, &e);
}

/* ---- attacks that are no move ------------------------------------------------------------ */

static void replay(sim_world *w, sim_agent *a)
{
    rf_message m;
    sim_agent *victim = &w->agents[rng_next(&w->g) % w->agent_count];
    if (victim->item_count) {
        const sim_item *i = &victim->items[rng_next(&w->g) % victim->item_count];
        if (i->packet) sim_send(w, a, RF_NONE, i->packet, w->now + 1);
    }
    /* What the victim said in another task, to another referee: signed by it, and another claim. */
    begin_message(w, victim, &m, RF_M_COMMIT);
    if (rng_in(&w->g, 0, 1)) m.task.b[3] ^= 1;
    else m.referee.b[3] ^= 1;
    m.claim.commitment = m.task;
    sim_send(w, a, RF_NONE, seal_packet(w, victim, &m, NULL, 0), w->now + 1);
    begin_message(w, a, &m, RF_M_COMMIT);
    m.role = a->role == RF_PROVIDER ? RF_AUDITOR : RF_PROVIDER;
    m.claim.commitment = m.task;
    sim_send(w, a, RF_NONE, seal_packet(w, a, &m, NULL, 0), w->now + 1);
}

static void noise(sim_world *w, sim_agent *a)
{
    sim_packet *p = sim_alloc(w->arena, sizeof *p);
    sim_agent *victim = &w->agents[rng_next(&w->g) % w->agent_count];
    const sim_packet *other = victim->item_count ? victim->items[0].packet : NULL;
    if (other && rng_in(&w->g, 0, 1)) {
        *p = *other;
        p->opened = 0;
        p->bytes[rng_next(&w->g) % p->size] ^= (uint8_t)(1 + rng_next(&w->g) % 255);
    } else {
        p->size = rng_next(&w->g) % RF_MESSAGE_MAX;
        for (size_t k = 0; k < p->size; k++) p->bytes[k] = (uint8_t)rng_next(&w->g);
    }
    sim_send(w, a, RF_NONE, p, w->now + 1);
}

/* A message that names another as its signer: as it was signed by us, it does not verify. */
static void forge(sim_world *w, sim_agent *a)
{
    rf_message m;
    sim_agent *victim = &w->agents[rng_next(&w->g) % w->party_count];
    if (victim == a) return;
    begin_message(w, a, &m, RF_M_COMMIT);
    m.claim.commitment = m.task;
    sim_packet *p = seal_packet(w, a, &m, NULL, 0);
    memcpy(m.key, vd_key_public(victim->key), 32);
    p->size = rf_message_encode(&m, p->bytes);
    sim_send(w, a, RF_NONE, p, w->now + 1);
}

/* R = the base point, S = 1 verifies under the neutral key for every message. */
static void small_key(sim_world *w, sim_agent *a)
{
    rf_message m;
    uint8_t terms[RF_PARAMS_BYTES];
    sim_packet *p = sim_alloc(w->arena, sizeof *p);
    begin_message(w, a, &m, RF_M_WORK);
    rf_params_encode(&w->setup.params, terms);
    m.claim.terms = rf_terms_digest(terms, sizeof terms);
    m.key[0] = 1;
    m.signature[0] = 0x58;
    memset(m.signature + 1, 0x66, 31);
    m.signature[32] = 1;
    p->size = rf_message_encode(&m, p->bytes);
    p->account = a->account;
    sim_send(w, a, RF_NONE, p, w->now + 1);
}

static void bomb(sim_world *w, sim_agent *a)
{
    rf_message m;
    uint64_t size = rng_in(&w->g, 0, 1) ? UINT64_MAX : RF_PAYLOAD_MAX + 1;
    for (uint32_t k = 0; k < w->board_count; k++) {
        const sim_notice *n = &w->board[k];
        if (!n->open || n->kind != RF_DO_ASK) continue;
        begin_message(w, a, &m, RF_M_OPENING);
        m.question = n->e.asked;
        m.claim.opening.size = size;
        sim_send(w, a, RF_NONE, seal_packet(w, a, &m, m.task.b, VD_DIGEST), w->now + 1);
        return;
    }
}

static void attack(sim_world *w, sim_agent *a)
{
    if (a->request > 60) return;
    if (plays(a, PLAY_REPLAY)) replay(w, a);
    if (plays(a, PLAY_NOISE)) noise(w, a);
    if (plays(a, PLAY_FORGE)) forge(w, a);
    if (plays(a, PLAY_SMALL_KEY) && w->state == RF_T_OPEN) small_key(w, a);
    if (plays(a, PLAY_BOMB)) bomb(w, a);
}

/* ---- waking and hearing ------------------------------------------------------------------ */

/* A party that is killed keeps what is on its disk; what it had signed and not stored is gone. */
static int crashes(sim_world *w, sim_agent *a)
{
    if (!a->crashes || rng_in(&w->g, 0, 3)) return 0;
    a->crashes--;
    for (uint32_t k = 0; k < a->item_count; k++) {
        sim_item *i = &a->items[k];
        i->next = i->next < w->now ? i->next : w->now;
        if (i->packet && !i->sent && rng_in(&w->g, 0, 1)) i->packet = NULL;
        if (sim_planted("fresh-salt") && i->type == RF_M_COMMIT) i->packet = NULL, i->done = 0;
    }
    sim_wake(w, a, w->now + 1 + rng_next(&w->g) % (w->setup.params.base_ms / 16));
    return 1;
}

static int is_member(const sim_world *w, const sim_agent *a)
{
    rf_task_member m;
    uint32_t k = rf_task_find(w->task, vd_key_public(a->key));
    if (k == RF_NONE) return 0;
    rf_task_get_member(w->task, k, &m);
    return m.role == RF_AUDITOR || m.assigned;
}

static void at_notices(sim_world *w, sim_agent *a)
{
    for (uint32_t k = 0; k < w->board_count; k++) {
        const sim_notice *n = &w->board[k];
        if (!n->open || w->now >= n->e.deadline) continue;
        if (n->kind == RF_DO_ASK && a->revealed) at_question(w, a, n);
        if (n->kind == RF_DO_CHALLENGE) at_challenge(w, a, n);
        if (n->kind == RF_DO_DELIVER) at_delivery(w, a, n);
    }
}

/* Whether there is still somebody to say it to. */
static int is_wanted(const sim_world *w, const sim_agent *a, const sim_item *i)
{
    if (i->done) return 0;
    if (i->type == RF_M_WORK) return w->state == RF_T_OPEN;
    if (i->type == RF_M_COMMIT || i->type == RF_M_WITHDRAW) return w->state == RF_T_COMMIT;
    if (i->type == RF_M_REVEAL) return w->state == RF_T_REVEAL || a->role == RF_AUDITOR;
    for (uint32_t k = 0; k < w->board_count; k++)
        if (w->board[k].open && w->now < w->board[k].e.deadline &&
            vd_digest_equal(&w->board[k].e.asked, &i->what))
            return 1;
    return 0;
}

void sim_agent_wakes(sim_world *w, sim_agent *a)
{
    if (w->over || crashes(w, a)) return;
    if (w->down) {
        sim_wake(w, a, w->now + w->setup.params.base_ms / 8);
        return;
    }
    int member = is_member(w, a);
    if (a->role == RF_AUDITOR) {
        if (member && !a->revealed && !plays(a, PLAY_NO_REVEAL)) during_reveal(w, a);
    } else {
        if (w->state == RF_T_OPEN && !plays(a, PLAY_SMALL_KEY | PLAY_ABSENT)) during_open(w, a);
        if (w->state == RF_T_COMMIT && member) during_commit(w, a);
        if (w->state == RF_T_REVEAL && member) during_reveal(w, a);
    }
    at_notices(w, a);
    if (a->strategy) attack(w, a);
    uint64_t next = UINT64_MAX;
    for (uint32_t k = 0; k < a->item_count; k++)
        if (is_wanted(w, a, &a->items[k]) && a->items[k].next < next) next = a->items[k].next;
    if (next == UINT64_MAX) return;
    sim_wake(w, a, next > w->now ? next : w->now + w->setup.params.base_ms / 8);
}

void sim_agent_hears(sim_world *w, sim_agent *a, uint32_t item, int reply)
{
    if (item >= a->item_count) return;
    sim_item *i = &a->items[item];
    if (reply == RF_R_EARLY || reply == RF_R_FAULT) { /* say it again later */
        i->next = w->now + w->setup.params.base_ms / 8;
        sim_wake(w, a, i->next);
        return;
    }
    i->done = 1;
    if (plays(a, PLAY_WITHDRAW) && i->type == RF_M_COMMIT) sim_wake(w, a, w->now + 1);
}
