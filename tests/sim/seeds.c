/* seeds.c - what a seed draws: the parties and their scripts, the job, the faults of the world.
 *
 * What this file decides: the scripted adversaries of docs/THREATS.md and which ways out of a task
 * each of them must have been seen to take.
 *
 * Invariants
 *   1. Every strategy leads every 1 in sim_strategy_count seeds; the rest are drawn.
 *   2. A seed has at least one fault; nine in ten have a strategy with a root of its own. */
#include "sim.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

/* The two last: what must have occurred in a run, and in a long one as well. */
#define LIAR(name, tale, plays, must, often) {name, tale, plays, WITH_NOBODY, must, often}
const sim_strategy sim_strategies[] = {
    /* lies, told as an honest party would tell them */
    LIAR("output", TELL_OUTPUT, 0, OUT(OUT_ELEMENT) | OUT(OUT_CLAIM), OUT(OUT_REFUND)),
    LIAR("type", TELL_TYPE, 0, OUT(OUT_STRUCTURE) | OUT(OUT_CLAIM), 0),
    LIAR("input", TELL_INPUT, 0, OUT(OUT_INPUTS) | OUT(OUT_CLAIM), 0),
    LIAR("structure", TELL_STRUCTURE, 0, OUT(OUT_STRUCTURE), OUT(OUT_STANDS)),
    LIAR("step", TELL_STEP, 0, OUT(OUT_STEP) | OUT(OUT_CLAIM), 0),
    LIAR("step fields", TELL_STEP_FIELD, 0, OUT(OUT_STRUCTURE), OUT(OUT_STANDS)),
    LIAR("segment", TELL_SEGMENT, 0, OUT(OUT_STRUCTURE) | OUT(OUT_FORFEIT), 0),
    LIAR("body", TELL_BODY, 0, OUT(OUT_STEP) | OUT(OUT_FORFEIT), 0),
    LIAR("body of another job", TELL_BAD_BODY, 0, OUT(OUT_NO_REVEAL), 0),
    LIAR("unopenable", TELL_UNOPENABLE, 0, OUT(OUT_FORFEIT), OUT(OUT_CLAIM)),
    LIAR("zero hash", TELL_ZERO, 0, OUT(OUT_FORFEIT), OUT(OUT_STANDS) | OUT(OUT_CLAIM) |
         OUT(OUT_STEP) | OUT(OUT_STRUCTURE)),
    LIAR("node as leaf", TELL_AS_LEAF, 0, OUT(OUT_FORFEIT), OUT(OUT_STANDS)),
    LIAR("skipped step", TELL_SKIP, 0, OUT(OUT_INPUTS) | OUT(OUT_CLAIM), 0),
    LIAR("part", TELL_PART, 0, OUT(OUT_CLAIM), OUT(OUT_STANDS)),
    LIAR("many divergences", TELL_MANY, 0, OUT(OUT_ELEMENT) | OUT(OUT_STRUCTURE), OUT(OUT_CLAIM) |
         OUT(OUT_INPUTS)),
    LIAR("alternating", TELL_ALTERNATE, 0, OUT(OUT_ELEMENT) | OUT(OUT_CLAIM), 0),
    /* timing */
    LIAR("silent in the dispute", TELL_ANY, PLAY_NO_ANSWER, OUT(OUT_FORFEIT), OUT(OUT_ATTENTION)),
    LIAR("one tick late with answers", TELL_ANY, PLAY_LATE_ANSWER, OUT(OUT_FORFEIT),
         OUT(OUT_ATTENTION)),
    LIAR("stalling liar", TELL_OUTPUT, PLAY_STALL, OUT(OUT_ELEMENT), OUT(OUT_CLAIM)),
    LIAR("stalling on the honest root", TELL_TRUTH, PLAY_STALL, OUT(OUT_STANDS), 0),
    LIAR("one tick late with the reveal", TELL_TRUTH, PLAY_LATE_REVEAL, OUT(OUT_NO_REVEAL), 0),
    LIAR("silent after commit", TELL_TRUTH, PLAY_NO_REVEAL, OUT(OUT_NO_REVEAL), 0),
    LIAR("squatter", TELL_TRUTH, PLAY_NO_COMMIT, OUT(OUT_FEE), 0),
    LIAR("withdraws", TELL_TRUTH, PLAY_WITHDRAW, OUT(OUT_FEE), 0),
    LIAR("withdraws after the others", TELL_ANY, PLAY_LATE_WITHDRAW, OUT(OUT_NO_REVEAL), 0),
    LIAR("early reveal", TELL_TRUTH, PLAY_EARLY_REVEAL, OUT(OUT_STANDS), 0),
    /* two claims in one slot */
    LIAR("two commitments", TELL_ANY, PLAY_TWO_COMMITS, OUT(OUT_EQUIVOCATION), 0),
    LIAR("two reveals", TELL_TRUTH, PLAY_TWO_REVEALS, OUT(OUT_EQUIVOCATION), 0),
    LIAR("two segment claims", TELL_TRUTH, PLAY_TWO_CLAIMS, OUT(OUT_EQUIVOCATION), OUT(OUT_STANDS)),
    LIAR("two explanations", TELL_PART, PLAY_TWO_CLAIMS, OUT(OUT_EQUIVOCATION), OUT(OUT_STANDS)),
    LIAR("two answers to a challenge", TELL_TRUTH, PLAY_TWO_CHALLENGES, OUT(OUT_EQUIVOCATION), 0),
    /* copying */
    LIAR("copied commitment", TELL_TRUTH, PLAY_COPY_COMMIT, OUT(OUT_NO_REVEAL), 0),
    LIAR("copied reveal", TELL_TRUTH, PLAY_COPY_REVEAL, OUT(OUT_NO_REVEAL), 0),
    LIAR("copied hashes", TELL_TRUTH, PLAY_NO_TENSORS, OUT(OUT_ATTENTION), 0),
    LIAR("front runner", TELL_TRUTH, PLAY_FRONT_RUN, OUT(OUT_STANDS), 0),
    /* openings that are none */
    LIAR("saboteur", TELL_TRUTH, PLAY_FALSE_CLAIMS | PLAY_WRONG_FIRST, OUT(OUT_CLAIM) |
         OUT(OUT_STANDS), 0),
    LIAR("false explanations", TELL_TRUTH, PLAY_FALSE_PARTS, OUT(OUT_CLAIM) | OUT(OUT_STANDS), 0),
    LIAR("saboteur without answers", TELL_TRUTH, PLAY_FALSE_CLAIMS | PLAY_NO_ANSWER,
         OUT(OUT_ATTENTION), 0),
    LIAR("wrong answers first", TELL_TRUTH, PLAY_WRONG_FIRST, OUT(OUT_STANDS), 0),
    LIAR("only wrong answers", TELL_OUTPUT, PLAY_ONLY_WRONG, OUT(OUT_FORFEIT), 0),
    LIAR("withholder", TELL_OUTPUT, PLAY_NO_TENSORS, OUT(OUT_FORFEIT) | OUT(OUT_CLAIM), 0),
    LIAR("half uploads", TELL_OUTPUT, PLAY_HALF, OUT(OUT_FORFEIT), 0),
    LIAR("wrong tensors", TELL_OUTPUT, PLAY_WRONG_TENSOR, OUT(OUT_FORFEIT), OUT(OUT_CLAIM)),
    LIAR("wrong lengths", TELL_ANY, PLAY_BAD_LENGTH, OUT(OUT_FORFEIT), 0),
    LIAR("no claims", TELL_ANY, PLAY_NO_CLAIMS, OUT(OUT_FORFEIT), OUT(OUT_STEP) |
         OUT(OUT_STRUCTURE)),
    {"no delivery", TELL_TRUTH, PLAY_NO_DELIVERY, WITH_SAME, OUT(OUT_STANDS), 0},
    /* messages */
    LIAR("replayer", TELL_TRUTH, PLAY_REPLAY, OUT(OUT_STANDS), 0),
    LIAR("everything again", TELL_TRUTH, PLAY_AGAIN, OUT(OUT_STANDS), 0),
    LIAR("random bytes", TELL_TRUTH, PLAY_NOISE, OUT(OUT_STANDS), 0),
    LIAR("forger", TELL_TRUTH, PLAY_FORGE, OUT(OUT_STANDS), 0),
    LIAR("bombs", TELL_TRUTH, PLAY_BOMB, OUT(OUT_STANDS), 0),
    LIAR("small key", TELL_TRUTH, PLAY_SMALL_KEY, OUT(OUT_NO_MEMBER), 0),
    /* several identities */
    {"both wrong", TELL_OUTPUT, 0, WITH_TWIN, OUT(OUT_ELEMENT) | OUT(OUT_CLAIM), 0},
    {"shared and unopenable", TELL_SHARED, 0, WITH_TWIN, OUT(OUT_WITHHELD) | OUT(OUT_STEP),
     OUT(OUT_CLAIM)},
    {"sybils of one root", TELL_ANY, 0, WITH_SAME, OUT(OUT_ELEMENT), OUT(OUT_CLAIM) |
     OUT(OUT_FORFEIT) | OUT(OUT_STEP) | OUT(OUT_STRUCTURE)},
    {"sybils of many roots", TELL_ANY, 0, WITH_OTHERS, OUT(OUT_ELEMENT), OUT(OUT_CLAIM) |
     OUT(OUT_FORFEIT) | OUT(OUT_STEP) | OUT(OUT_STRUCTURE) | OUT(OUT_INPUTS)},
    {"pairing manipulator", TELL_OUTPUT, PLAY_GRIND, WITH_OTHERS, OUT(OUT_ELEMENT), OUT(OUT_CLAIM) |
     OUT(OUT_FORFEIT)},
    {"dispute with oneself", TELL_OUTPUT, PLAY_ONE_ACCOUNT, WITH_TWIN, OUT(OUT_ELEMENT) |
     OUT(OUT_NO_MEMBER), OUT(OUT_CLAIM)},
};
const uint32_t sim_strategy_count = sizeof sim_strategies / sizeof *sim_strategies;

const char *sim_outcome_name(sim_outcome o)
{
    static const char *const names[OUT_KINDS] = {
        "stands", "no member", "fee", "no reveal", "equivocation", "attention", "claim", "forfeit",
        "withheld", "step", "structure", "inputs", "element", "partial", "refund"};
    return names[o];
}

const char *sim_fault_name(sim_fault f)
{
    static const char *const names[FAULT_KINDS] = {
        "drop", "duplicate", "reorder", "agent crash", "referee crash", "no memory", "faulty work",
        "work faulty for good", "downtime", "late tick", "deviating kernel", "no kernel",
        "silent auditor", "kernel later"};
    return names[f];
}

const char *sim_held_name(sim_held h)
{
    static const char *const names[HELD_KINDS] = {"confirmed", "contradicted", "stood"};
    return names[h];
}

/* ---- keys -------------------------------------------------------------------------------- */

/* Keys come from files, as everywhere: made from a fixed seed, written, loaded, removed. */
vd_key *sim_key_new(uint32_t number)
{
    char dir[] = "/tmp/verde-sim-XXXXXX", path[64];
    uint8_t seed[32] = {'s', 'i', 'm'};
    vd_key *k = NULL;
    ro_err err = {RO_OK, {0}};
    RO_ASSERT(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/key.pem", dir);
    vd_put_le(seed + 4, number, 4);
    EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    FILE *f = fopen(path, "w");
    RO_ASSERT(pair && f);
    RO_ASSERT(fchmod(fileno(f), 0600) == 0);
    RO_ASSERT(PEM_write_PKCS8PrivateKey(f, pair, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(f);
    EVP_PKEY_free(pair);
    must(vd_key_load(path, &k, &err), &err);
    unlink(path);
    rmdir(dir);
    return k;
}

void sim_keys_make(sim_keys *k)
{
    for (uint32_t i = 0; i < SIM_AGENTS_MAX; i++) k->key[i] = sim_key_new(i);
    vd_key *referee = sim_key_new(200);
    memcpy(k->referee.b, vd_key_public(referee), VD_DIGEST);
    vd_key_free(referee);
}

void sim_keys_release(sim_keys *k)
{
    for (uint32_t i = 0; i < SIM_AGENTS_MAX; i++) vd_key_free(k->key[i]);
}

/* ---- what is told ------------------------------------------------------------------------ */

typedef struct { sim_lie_kind from, to; } lie_range;

static lie_range lies_of(sim_tale tale, const sim_job *j)
{
    switch (tale) {
    case TELL_OUTPUT: return (lie_range){LIE_BIT, LIE_RANDOM};
    case TELL_TYPE: return (lie_range){LIE_SHAPE, LIE_DTYPE};
    case TELL_INPUT: return (lie_range){LIE_INPUT, LIE_INPUT_DIGEST};
    case TELL_STRUCTURE: return (lie_range){LIE_DESCRIPTOR, LIE_NODE_LONG};
    case TELL_STEP: return (lie_range){LIE_STATE, LIE_OUTPUTS};
    case TELL_STEP_FIELD: return (lie_range){LIE_REPEAT, LIE_STEP_LONG};
    case TELL_SEGMENT: return (lie_range){LIE_SEGMENT_INDEX, LIE_SEGMENT_HASH};
    case TELL_BODY: return (lie_range){LIE_LAST_STATE, LIE_TREE};
    case TELL_BAD_BODY: return (lie_range){LIE_BODY_JOB, LIE_BODY_NODES};
    case TELL_ZERO: return (lie_range){LIE_NODE_ZERO, LIE_STEP_ZERO};
    case TELL_AS_LEAF: return (lie_range){LIE_NODE_AS_LEAF, LIE_NODE_AS_LEAF};
    case TELL_SKIP: return (lie_range){LIE_SKIP, LIE_SKIP};
    case TELL_PART: return (lie_range){LIE_PART, LIE_PART};
    default:
        return (lie_range){LIE_BIT, j->job->record == VD_RECORD_FULL ? LIE_REPEAT_STATE : LIE_TREE};
    }
}

static const sim_lie_kind UNOPENABLE[] = {LIE_JUNK, LIE_NODE_HASH, LIE_NODES_ROOT, LIE_STEP_HASH,
                                          LIE_TREE, LIE_SEGMENT_HASH};

/* First, middle, last or any step. */
static uint64_t a_step(sim_world *w)
{
    uint64_t t = w->job->job->steps;
    switch (rng_in(&w->g, 0, 3)) {
    case 0: return 0;
    case 1: return t / 2;
    case 2: return t - 1;
    default: return rng_next(&w->g) % t;
    }
}

static int draw_lie(sim_world *w, sim_tale tale, uint64_t step, sim_lie *l)
{
    lie_range r = lies_of(tale, w->job);
    for (int tries = 0; tries < 40; tries++) {
        memset(l, 0, sizeof *l);
        l->step = tries < 20 ? step : rng_next(&w->g) % w->job->job->steps;
        l->kind = (sim_lie_kind)rng_in(&w->g, r.from, r.to);
        if (tale == TELL_UNOPENABLE) l->kind = UNOPENABLE[rng_in(&w->g, 0, 5)];
        l->carry = tale != TELL_ALTERNATE && rng_in(&w->g, 0, 1);
        if (l->kind == LIE_STEP_ZERO || l->kind == LIE_STEP_HASH) l->carry = 0;
        if (sim_lie_fits(w->job, l, &w->g)) return 1;
    }
    return 0;
}

/* Lies of a tale; several for the patterns. */
static uint32_t draw_lies(sim_world *w, sim_tale tale, sim_lie *lies)
{
    uint32_t n = 0;
    uint64_t step = a_step(w);
    if (tale != TELL_MANY && tale != TELL_ALTERNATE) return (uint32_t)draw_lie(w, tale, step, lies);
    for (uint64_t s = rng_next(&w->g) % 2; s < w->job->job->steps; s++) {
        memset(&lies[n], 0, sizeof lies[n]);
        lies[n].kind =
            tale == TELL_MANY ? (sim_lie_kind)rng_in(&w->g, LIE_BIT, LIE_NODE_LONG) : LIE_BIT;
        lies[n].step = s;
        n += sim_lie_fits(w->job, &lies[n], &w->g) ? 1 : 0;
        if (tale == TELL_ALTERNATE || rng_in(&w->g, 0, 1)) s++;
    }
    return n;
}

static const sim_trace *tell_lies(sim_world *w, const sim_lie *lies, uint32_t n)
{
    const sim_trace *t = sim_lying(w->job, w->arena, lies, n);
    for (uint32_t b = 0; b < SIM_BUCKETS; b++)
        for (sim_tensor *x = t->store.bucket[b]; x; x = x->next) {
            sim_tensor *copy = sim_alloc(w->arena, sizeof *copy);
            *copy = *x;
            copy->next = w->everything.bucket[b];
            w->everything.bucket[b] = copy;
        }
    return t;
}

/* A trace that is not the truth, unless the tale cannot be told of this job. */
static const sim_trace *tell(sim_world *w, sim_tale tale, sim_lie *lies, uint32_t *count)
{
    *count = 0;
    if (tale == TELL_TRUTH) return w->job->truth;
    for (int tries = 0; tries < 12; tries++) {
        uint32_t n = draw_lies(w, tale, lies);
        const sim_trace *t = n ? tell_lies(w, lies, n) : w->job->truth;
        *count = n;
        if (!vd_digest_equal(&t->root, &w->job->truth->root)) return t;
    }
    return w->job->truth;
}

/* The same lies, told otherwise. */
static const sim_trace *tell_otherwise(sim_world *w, const sim_lie *lies, uint32_t n)
{
    sim_lie other[SIM_STEPS_MAX];
    memcpy(other, lies, n * sizeof *lies);
    for (uint32_t k = 0; k < n; k++) other[k].salt = rng_next(&w->g);
    return n ? tell_lies(w, other, n) : w->job->truth;
}

/* Two liars share what nobody can open, and then differ. */
static const sim_trace *tell_shared(sim_world *w, uint64_t salt, uint64_t step)
{
    sim_lie lies[2];
    memset(lies, 0, sizeof lies);
    lies[0].kind = LIE_STATE;
    lies[0].salt = salt;
    lies[0].step = step;
    lies[1].kind = LIE_BIT;
    lies[1].step = step + 1;
    for (int tries = 0; tries < 20; tries++)
        if (sim_lie_fits(w->job, &lies[1], &w->g)) break;
    return tell_lies(w, lies, 2);
}

/* ---- false claims under an honest root --------------------------------------------------- */

/* In every segment one record is false; its ends are right. */
static const sim_trace *false_claims(sim_world *w)
{
    static const sim_lie_kind kinds[] = {LIE_DESCRIPTOR, LIE_INPUT_DIGEST, LIE_NODES_ROOT,
                                         LIE_NODE_HASH};
    const vd_job *j = w->job->job;
    sim_lie lies[SIM_STEPS_MAX];
    uint32_t n = 0;
    if (!j->segment) return w->truth;
    for (uint64_t s = 0; s < j->steps; s += j->segment) {
        uint64_t end = s + j->segment < j->steps ? s + j->segment : j->steps;
        sim_lie l;
        for (int tries = 0; tries < 12; tries++) {
            memset(&l, 0, sizeof l);
            l.kind = kinds[rng_in(&w->g, 0, 3)];
            l.step = s + rng_next(&w->g) % (end - s);
            if (!sim_lie_fits(w->job, &l, &w->g)) continue;
            lies[n++] = l;
            break;
        }
    }
    return tell_lies(w, lies, n);
}

/* ---- parties ----------------------------------------------------------------------------- */

static sim_agent *add_agent(sim_world *w, const sim_strategy *s, const sim_trace *t)
{
    sim_agent *a = &w->agents[w->agent_count];
    memset(a, 0, sizeof *a);
    a->number = w->agent_count++;
    a->key = w->keys->key[a->number];
    a->strategy = s;
    a->honest = s == NULL;
    a->trace = a->claims = a->other = t;
    a->store = &t->store;
    a->account.b[0] = (uint8_t)(a->number + 1);
    if (!s) {
        a->crashes = w->faults[FAULT_AGENT_CRASH] ? (int)rng_in(&w->g, 1, 4) : 0;
        return a;
    }
    if (s->plays & PLAY_NO_TENSORS) a->store = NULL;
    if (s->plays & PLAY_FALSE_CLAIMS) a->claims = false_claims(w);
    if (s->plays & PLAY_TWO_CLAIMS) a->other = false_claims(w);
    if (s->plays & PLAY_FALSE_PARTS) {
        sim_trace *u = sim_alloc(w->arena, sizeof *u);
        if (sim_false_parts(w->job, w->arena, u, &w->g)) a->explains = u;
    }
    return a;
}

/* The strategy's identities, at most `room`. */
static void add_adversaries(sim_world *w, const sim_strategy *s, uint32_t room)
{
    sim_lie lies[SIM_STEPS_MAX];
    uint32_t n;
    uint64_t salt = rng_next(&w->g), step = rng_next(&w->g) % (w->job->job->steps - 1);
    int shared = s->tale == TELL_SHARED;
    const sim_trace *t = shared ? tell_shared(w, salt, step) : tell(w, s->tale, lies, &n);
    for (int k = 0; s->plays & PLAY_GRIND && k < 6; k++) {
        const sim_trace *u = tell_otherwise(w, lies, n);
        if (memcmp(u->root.b, t->root.b, VD_DIGEST) < 0) t = u;
    }
    sim_agent *a = add_agent(w, s, t);
    if (s->company == WITH_NOBODY || room < 2) return;
    uint32_t more = s->company == WITH_TWIN ? 1 : (uint32_t)rng_in(&w->g, 1, room - 1);
    for (uint32_t k = 0; k < more; k++) {
        const sim_trace *u = shared                     ? tell_shared(w, salt, step)
                             : s->company == WITH_SAME   ? t
                             : s->company == WITH_OTHERS ? tell(w, s->tale, lies, &n)
                                                         : tell_otherwise(w, lies, n);
        sim_agent *b = add_agent(w, s, u);
        if (s->plays & PLAY_ONE_ACCOUNT) b->account = a->account;
    }
}

static int differs(const sim_strategy *s)
{
    return s->tale != TELL_TRUTH && s->tale != TELL_BAD_BODY &&
           !(s->plays & (PLAY_LATE_WITHDRAW | PLAY_TWO_COMMITS));
}

static const sim_strategy *draw_strategy(sim_world *w, int must_differ)
{
    for (;;) {
        const sim_strategy *s = &sim_strategies[rng_next(&w->g) % sim_strategy_count];
        if (!must_differ || (differs(s) && s->tale != TELL_PART)) return s;
    }
}

static void draw_job(sim_world *w, const sim_pool *pool, const sim_strategy *const *s, uint32_t n)
{
    uint32_t ordinary = pool->count - 6;
    int dear = rng_in(&w->g, 0, 24) == 0, segments = 0;
    for (uint32_t k = 0; k < n; k++) {
        int by_parts = s[k]->tale == TELL_PART || s[k]->plays & PLAY_FALSE_PARTS;
        dear |= by_parts;
        segments |=
            s[k]->tale == TELL_SEGMENT ||
            (!by_parts && s[k]->plays & (PLAY_FALSE_CLAIMS | PLAY_TWO_CLAIMS | PLAY_NO_CLAIMS));
    }
    uint32_t k = dear ? ordinary + (uint32_t)rng_in(&w->g, 0, 5)
                      : (uint32_t)(rng_next(&w->g) % ordinary);
    if (segments) k |= 1; /* jobs come in twos: full, checkpoint */
    w->job = &pool->jobs[k];
}

/* ---- faults ------------------------------------------------------------------------------ */

static void draw_faults(sim_world *w)
{
    static const uint8_t percent[FAULT_KINDS] = {
        [FAULT_DROP] = 40,        [FAULT_DUPLICATE] = 30,    [FAULT_REORDER] = 40,
        [FAULT_AGENT_CRASH] = 30, [FAULT_CRASH] = 25,        [FAULT_MEMORY] = 10,
        [FAULT_WORK] = 12,        [FAULT_WORK_FOR_GOOD] = 1, [FAULT_DOWNTIME] = 10,
        [FAULT_LATE_TICK] = 20,   [FAULT_KERNEL] = 2,        [FAULT_NO_KERNEL] = 10,
        [FAULT_AUDITOR] = 20};
    int any = 0;
    for (int f = 0; f < FAULT_LATE_KERNEL; f++) {
        w->faults[f] = rng_in(&w->g, 0, 99) < percent[f];
        any |= w->faults[f] && f < FAULT_WORK;
    }
    if (!any) w->faults[FAULT_CRASH] = 1;
    if (w->choice) w->faults[FAULT_KERNEL] = w->faults[FAULT_WORK_FOR_GOOD] = 0;
    /* A kernel that deviates may be missing as well, and then comes before it is too late; one that
     * does not deviate comes late, or never. */
    if (w->faults[FAULT_KERNEL]) w->faults[FAULT_NO_KERNEL] = w->seed >> 5 & 1;
    w->faults[FAULT_LATE_KERNEL] =
        w->faults[FAULT_NO_KERNEL] && (w->faults[FAULT_KERNEL] || (w->seed >> 6 & 1));
    if (w->faults[FAULT_CRASH]) w->faults[FAULT_CRASH] = (int)rng_in(&w->g, 1, 40);
    for (int f = 0; f < FAULT_KINDS; f++) w->stats->faults[f] += w->faults[f] != 0;
    for (int f = 0; w->model && f < FAULT_KINDS; f++)
        if (f <= FAULT_MEMORY || f == FAULT_LATE_TICK) w->faults[f] = 0;
}

/* Honest parties ran a kernel that is not the scalar body at one element; one party has the truth
 * of the body, and nobody may be condemned, whatever backend who copied their root names. Where the
 * element is dear it is explained by parts, which come from the body: those of the honest parties
 * do not fold to what they committed. */
static void deviating_kernel(sim_world *w, const sim_pool *pool)
{
    const sim_strategy *s = &sim_strategies[0];
    const int dear = w->seed % 3 == 0;
    sim_lie *l = &w->deviation;
    do {
        w->job = &pool->jobs[dear ? pool->count - 6 + 2 * (rng_next(&w->g) % 3)
                                  : 2 * (rng_next(&w->g) % RO_OP_COUNT)];
        memset(l, 0, sizeof *l);
        l->kind = LIE_BIT;
        l->step = 1 + rng_next(&w->g) % (w->job->job->phases[1].steps - 1);
    } while (!sim_lie_fits(w->job, l, &w->g) ||
             (dear && (l->node != w->job->subject || l->output || l->element)));
    w->everything.below = &w->job->truth->store;
    w->truth = tell_lies(w, l, 1);
    uint32_t honest = (uint32_t)rng_in(&w->g, 1, 3);
    w->honest_count = honest;
    while (honest--) add_agent(w, NULL, w->truth);
    add_agent(w, s, w->job->truth);
    if (w->seed >> 7 & 1) add_agent(w, NULL, w->truth)->misnames = 1;
}

static const sim_strategy *of_tale(sim_tale tale)
{
    const sim_strategy *s = sim_strategies;
    while (s->tale != tale) s++;
    return s;
}

/* ---- an owner that plays for money ------------------------------------------------------- */

static const sim_trace *owned_root(sim_world *w, sim_root root, const sim_trace *liar,
                                   uint64_t *computed)
{
    const uint64_t steps = w->job->job->steps;
    const sim_trace *truth = w->job->truth;
    rng g = {w->seed}; /* identities that tell one lie tell it alike */
    sim_lie l;
    *computed = 0; /* who copies has what it needs for nothing */
    if (root == ROOT_OF_LIAR && liar) return liar;
    if (root == ROOT_COPY) return truth;
    *computed = steps;
    if (root == ROOT_TRUTH) return truth;
    memset(&l, 0, sizeof l);
    l.kind = LIE_RANDOM;
    l.step = root == ROOT_LIE_HALFWAY ? steps / 2 : root == ROOT_LIE_LAST ? steps - 1 : 0;
    l.salt = root == ROOT_OTHER_LIE;
    l.carry = 1;
    while (!sim_lie_fits(w->job, &l, &g))
        if (++l.step == steps) return truth;
    const sim_trace *t = tell_lies(w, &l, 1);
    if (!vd_digest_equal(&t->root, &truth->root)) *computed = l.step;
    return t;
}

/* Who cannot come to stand has computed nothing. Late is not among them: while the host is away a
 * deadline moves. */
#define PLAY_NOTHING (PLAY_ABSENT | PLAY_NO_COMMIT | PLAY_WITHDRAW | PLAY_NO_REVEAL)

static void add_owned(sim_world *w, uint32_t k, const sim_trace *liar)
{
    uint64_t computed;
    sim_strategy *s = &w->owned[k];
    s->name = "rational";
    s->plays = w->choice->plays[k];
    if (!w->job->dear) s->plays &= ~PLAY_FALSE_PARTS;
    if (w->choice->root[k] == ROOT_COPY) s->plays |= PLAY_NO_TENSORS;
    const sim_trace *t = owned_root(w, w->choice->root[k], liar, &computed);
    add_agent(w, s, t)->owned = 1;
    if (s->plays & PLAY_NOTHING) computed = 0;
    if (computed > w->computed) w->computed = computed;
}

/* Beside the owner's identities there are honest parties, or none, and a liar, or none. */
static void draw_owner(sim_world *w, const sim_pool *pool)
{
    const sim_strategy *s = NULL;
    const sim_trace *liar = NULL;
    sim_lie lies[SIM_STEPS_MAX];
    uint32_t n;
    w->honest_count = (uint32_t)rng_in(&w->g, 0, 2);
    w->owned_count = (uint32_t)rng_in(&w->g, 1, SIM_OWNED_MAX);
    int with_liar = rng_in(&w->g, 0, 2) != 0;
    if (!w->honest_count && !with_liar && w->owned_count == 1) w->owned_count++;
    do s = draw_strategy(w, 1);
    while (s->plays || s->company != WITH_NOBODY || s->tale == TELL_UNOPENABLE);
    draw_job(w, pool, &s, (uint32_t)with_liar);
    w->truth = w->job->truth;
    w->everything.below = &w->job->truth->store;
    for (uint32_t k = 0; k < w->honest_count; k++) add_agent(w, NULL, w->truth);
    if (with_liar) {
        liar = tell(w, s->tale, lies, &n);
        add_agent(w, s, liar);
        if (vd_digest_equal(&liar->root, &w->truth->root)) liar = NULL;
    }
    for (uint32_t k = 0; k < w->owned_count; k++) add_owned(w, k, liar);
    w->g.s = ~w->seed * UINT64_C(0x9e3779b97f4a7c15); /* the same for every choice */
}

static void draw_parties(sim_world *w, const sim_pool *pool)
{
    const sim_strategy *s[SIM_PARTIES_MAX + 1];
    uint32_t honest = (uint32_t)rng_in(&w->g, 1, 3), n = (uint32_t)rng_in(&w->g, 1, 3);
    s[0] = w->options.lead ? w->options.lead : &sim_strategies[w->seed % sim_strategy_count];
    int disputed = differs(s[0]);
    for (uint32_t k = 1; k < n; k++) s[k] = draw_strategy(w, 0), disputed |= differs(s[k]);
    if (s[0]->plays & PLAY_FALSE_PARTS) s[n++] = of_tale(TELL_PART), disputed = 1;
    if (!disputed && rng_in(&w->g, 0, 9) && !(s[0]->plays & PLAY_NO_DELIVERY))
        s[n++] = draw_strategy(w, 1);
    /* Nobody is: an audit has to find out, or nobody delivers. */
    if (w->seed % 32 == 31 || (s[0]->plays & PLAY_NO_DELIVERY && n == 1)) honest = 0;
    if (honest == 0 && n == 1 && s[0]->company == WITH_NOBODY) s[n++] = draw_strategy(w, 1);
    draw_job(w, pool, s, n);
    w->truth = w->job->truth;
    w->everything.below = &w->job->truth->store;
    w->honest_count = honest;
    for (uint32_t k = 0; k < honest; k++) add_agent(w, NULL, w->truth);
    for (uint32_t k = 0; k < n && w->agent_count < SIM_PARTIES_MAX; k++)
        add_adversaries(w, s[k], SIM_PARTIES_MAX - w->agent_count);
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t i = 0; i < n; i++)
            w->stats->pairs[s[k] - sim_strategies][s[i] - sim_strategies]++;
}

/* ---- the task ---------------------------------------------------------------------------- */

static void draw_params(sim_world *w)
{
    rf_params *p = &w->setup.params;
    rf_cost c;
    ro_err err = {RO_OK, {0}};
    must(rf_cost_of_job(w->job->job, &c, &err), &err);
    if (w->choice) { /* as dear as a job that is worth paying for */
        if (!c.flops) c.flops = 1;
        const uint64_t dearer = SIM_FLOPS / c.flops + 1;
        c.flops *= dearer;
        c.step_flops *= dearer;
        c.element_flops *= dearer;
    }
    must(rf_params_defaults(&c, w->party_count, 0, RF_PRICE_DEFAULT, RF_PRICE_BYTES_DEFAULT, p,
                            &err), &err);
    RO_ASSERT(p->audit_ppm == SIM_AUDIT_PPM);
    p->challenges = (uint32_t)rng_in(&w->g, 1, SIM_CHALLENGES_MAX);
    if (rng_in(&w->g, 0, 1)) p->account_slots = w->party_count;
    must(rf_params_check(p, &err), &err);
}

static void fund(sim_world *w)
{
    const rf_params *p = &w->setup.params;
    ro_err err = {RO_OK, {0}};
    for (uint32_t k = 0; k < w->party_count; k++)
        w->funded[k] = w->money[RF_ACCOUNT_FREE][k] = p->stake + p->fee;
    w->money[RF_ACCOUNT_TREASURY][0] = p->audit;
    must(rf_params_escrow(p, &w->money[RF_ACCOUNT_ESCROW][0], &err), &err);
    for (int kind = 0; kind <= RF_ACCOUNT_BURN; kind++)
        for (uint32_t k = 0; k <= SIM_AGENTS_MAX; k++) w->total += w->money[kind][k];
}

void sim_set_up(sim_world *w, const sim_pool *pool, const sim_keys *keys, uint64_t seed)
{
    static const sim_strategy silent = {"silent auditor", TELL_TRUTH, PLAY_NO_REVEAL, WITH_NOBODY,
                                        0, 0};
    ro_err err = {RO_OK, {0}};
    w->seed = seed;
    w->g.s = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w->keys = keys;
    w->arena = ro_arena_new();
    RO_ASSERT(w->arena);
    draw_faults(w);
    if (w->choice) draw_owner(w, pool);
    else if (w->faults[FAULT_KERNEL]) deviating_kernel(w, pool);
    else draw_parties(w, pool);
    w->party_count = w->agent_count;
    for (uint32_t k = 0; k < SIM_AUDITORS; k++) {
        int is_silent = w->faults[FAULT_AUDITOR] && k + 1 < SIM_AUDITORS && rng_in(&w->g, 0, 1);
        add_agent(w, is_silent ? &silent : NULL, w->truth)->role = RF_AUDITOR;
    }
    draw_params(w);
    w->setup.job = w->job->job;
    w->setup.referee = keys->referee;
    vd_tagged_hash("simulated task", &w->seed, sizeof w->seed, w->setup.task.b);
    vd_tagged_hash("simulated secret", &w->seed, sizeof w->seed, w->setup.secret.b);
    fund(w);
    w->pair_now[0] = RF_NONE;
    w->state = RF_T_OPEN;
    must(rf_task_new(&w->setup, 0, &w->task, &err), &err);
    w->state_deadline = rf_task_deadline(w->task);
}

void sim_begin(sim_world *w, const sim_pool *pool, const sim_keys *keys, uint64_t seed,
               const sim_options *options, sim_stats *stats, const sim_choice *choice, int model)
{
    memset(w, 0, sizeof *w);
    w->stats = stats;
    w->options = *options;
    w->choice = choice;
    w->model = model;
    if (model) w->options.story = 0;
    sim_set_up(w, pool, keys, seed);
}

void sim_end(sim_world *w)
{
    rf_task_free(w->task);
    ro_free(w->saved);
    ro_free(w->queue);
    ro_free(w->log);
    ro_arena_free(w->arena);
}

/* T10: honest play is a best reply. */
static void check_reply(sim_world *w, double gain)
{
    char text[160];
    if (gain <= 0) return;
    sim_choice_text(w->choice, text, sizeof text);
    sim_violation(w, "T10: an owner of %u gains %.2f runs over honest play: %s", w->owned_count,
                  gain, text);
}

/* And pays: a reward each, less one run. */
static void check_earned(sim_world *w)
{
    const rf_params *p = &w->setup.params;
    if (!w->choice || w->choice->plan || w->choice->moves) return;
    int64_t least = ((int64_t)w->owned_count * p->reward - p->run) * (int64_t)RF_PPM;
    if (sim_pay_off(w) < least)
        sim_violation(w, "T10: an owner of %u plays by the rules and ends with %lld of %lld",
                      w->owned_count, (long long)sim_pay_off(w), (long long)least);
}

void sim_run_seed(const sim_pool *pool, const sim_keys *keys, uint64_t seed,
                  const sim_options *options, sim_stats *stats)
{
    static sim_world world;
    sim_world *w = &world;
    sim_choice choice;
    double gain = 0;
    int rational = sim_is_rational(seed, options);
    if (rational) sim_best_reply(pool, keys, seed, options, stats, &choice, &gain);
    sim_begin(w, pool, keys, seed, options, stats, rational ? &choice : NULL, 0);
    check_reply(w, gain);
    if (!sim_leak_on()) {
        sim_play(w);
        sim_check_end(w);
        check_earned(w);
    }
    stats->seeds++;
    stats->disputes += (uint64_t)w->disputes;
    stats->parties[w->party_count]++;
    if (w->failed) {
        fprintf(stderr, "verde-sim: seed %llu: %s\n", (unsigned long long)seed, w->sentence);
        if (!stats->violations++ || seed < stats->first_failing) {
            stats->first_failing = seed;
            memcpy(stats->sentence, w->sentence, sizeof stats->sentence);
        }
    }
    sim_end(w);
}
