/* games.c - every small game: parties that lie in any set of steps, judged in pairs and triples by
 * the dispute core alone (T25).
 *
 * What this file decides: which games are exhausted. A pattern says in which steps a party lies;
 * the lie of a step is always the same, so two patterns agree wherever their bits do.
 *
 * Invariants
 *   1. The verdict is about the first step in which the two differ, and the one who lies in it is
 *      guilty, whatever comes after.
 *   2. With an honest party among them everybody else falls. */
#include "sim.h"

typedef struct {
    const sim_job *job;
    ro_arena *arena;
    uint32_t length;
    const sim_trace **traces; /* by pattern */
    uint64_t games, wrong;
} exhausted;

static void answer_all(exhausted *x, rf_game *g, const uint32_t *patterns, const rf_question *q)
{
    static uint8_t out[SIM_ANSWER_MAX];
    ro_err err = {RO_OK, {0}};
    int accepted = 0;
    for (uint32_t k = 0; q->parties && !accepted && k < 3; k++) {
        if (!(q->parties >> k & 1)) continue;
        const sim_trace *t = x->traces[patterns[k]];
        sim_files f = {t, &t->store, NULL, 0, NULL, g};
        size_t n = sim_answer(&f, q, out);
        if (n) must(rf_game_answer(g, q, k, out, n, &accepted, &err), &err);
    }
    if (!q->parties) {
        size_t n = sim_host(x->job, &x->job->truth->store, rf_game_subject(g), q, out);
        if (n) must(rf_game_answer(g, q, RF_NONE, out, n, &accepted, &err), &err);
    }
    if (!accepted) rf_game_cannot(g, q, RF_NONE);
}

/* Play `count` patterns against each other; the guilty, a bit each. */
static uint32_t play(exhausted *x, const uint32_t *patterns, uint32_t count, uint64_t *step)
{
    rf_party parties[3];
    rf_setup s;
    rf_game *g;
    rf_question open[RF_OPEN_MAX];
    uint32_t n, guilty = 0;
    ro_err err = {RO_OK, {0}};
    memset(&s, 0, sizeof s);
    for (uint32_t k = 0; k < count; k++) {
        parties[k].root = x->traces[patterns[k]]->root;
        memcpy(parties[k].body, x->traces[patterns[k]]->body_bytes, VD_TRACE_BODY_BYTES);
    }
    s.job = x->job->job;
    s.parties = parties;
    s.party_count = count;
    s.online = 1;
    s.task = x->job->job->digest;
    must(rf_game_new(&s, &g, &err), &err);
    for (;;) {
        must(rf_game_next(g, open, &n, &err), &err);
        if (n == 0) break;
        for (uint32_t k = 0; k < n; k++) answer_all(x, g, patterns, &open[k]);
    }
    const rf_verdict *v = rf_game_verdict(g);
    for (uint32_t k = 0; k < v->guilty_count; k++) guilty |= 1u << v->guilty[k].party;
    *step = v->step;
    rf_game_free(g);
    x->games++;
    return guilty;
}

static void play_pair(exhausted *x, uint32_t a, uint32_t b)
{
    const uint32_t patterns[3] = {a, b, 0};
    uint64_t step;
    if (a == b) return;
    uint32_t first = (uint32_t)__builtin_ctz(a ^ b), want = a >> first & 1 ? 1 : 2;
    uint32_t guilty = play(x, patterns, 2, &step);
    if (guilty == want && step == first) return;
    if (!x->wrong++)
        fprintf(stderr, "patterns %x and %x: guilty %u, not %u, at step %llu\n", a, b, guilty, want,
                (unsigned long long)step);
}

/* Two liars and the truth: both fall. */
static void play_triple(exhausted *x, uint32_t a, uint32_t b)
{
    const uint32_t patterns[3] = {a, b, 0};
    uint64_t step;
    if (!a || !b) return;
    uint32_t guilty = play(x, patterns, 3, &step);
    if (guilty != 3 && !x->wrong++)
        fprintf(stderr, "patterns %x, %x and 0: guilty %u\n", a, b, guilty);
}

/* A lie that no later step reads: in phase 1 a bit of what the last node puts out, which is no
 * slot's next value; in phase 0, where all is, a record. */
static int lies_everywhere(const sim_job *j, uint32_t length, sim_lie *lies)
{
    rng g = {7};
    if (j->job->segment || j->dear || j->job->steps < length) return 0;
    for (uint32_t s = 0; s < length; s++) {
        memset(&lies[s], 0, sizeof lies[s]);
        uint32_t phase = vd_job_locate(j->job, s).phase;
        lies[s].kind = phase ? LIE_BIT : LIE_DESCRIPTOR;
        lies[s].step = s;
        if (!sim_lie_fits(j, &lies[s], &g)) return 0;
        if (!phase) continue;
        lies[s].node = j->job->phases[phase].graph->node_count - 1;
        lies[s].output = 0;
        lies[s].element = 0;
    }
    return 1;
}

/* every: all pairs of the length; else each pattern against the truth and against 15 others. */
int sim_games(const sim_pool *pool, uint32_t length, int every, int json)
{
    exhausted x;
    sim_lie lies[SIM_STEPS_MAX], told[SIM_STEPS_MAX];
    uint32_t k = 0, all = 1u << length;
    rng g = {99};
    memset(&x, 0, sizeof x);
    while (k < pool->count && !lies_everywhere(&pool->jobs[k], length, lies)) k++;
    RO_ASSERT(k < pool->count);
    x.job = &pool->jobs[k];
    x.arena = ro_arena_new();
    RO_ASSERT(x.arena);
    x.length = length;
    x.traces = sim_alloc(x.arena, all * sizeof *x.traces);
    for (uint32_t p = 0; p < all; p++) {
        uint32_t n = 0;
        for (uint32_t s = 0; s < length; s++)
            if (p >> s & 1) told[n++] = lies[s];
        x.traces[p] = sim_lying(x.job, x.arena, told, n);
    }
    for (uint32_t a = 0; a < all; a++) {
        for (uint32_t b = 0; every && b < a; b++) play_pair(&x, a, b);
        for (int i = 0; !every && i < 15; i++) play_pair(&x, a, (uint32_t)(rng_next(&g) % all));
        play_pair(&x, a, 0);
        play_triple(&x, a, (uint32_t)(rng_next(&g) % all));
    }
    printf(json ? "{\"length\": %u, \"games\": %llu, \"wrong\": %llu}\n"
                : "length %u\ngames %llu\nwrong %llu\n",
           length, (unsigned long long)x.games, (unsigned long long)x.wrong);
    ro_arena_free(x.arena);
    return x.wrong == 0;
}
