/* fuzz_game.c - disputes driven by any bytes: how a party lies, who else takes part, and for every
 * question what strangers and the liar say before whoever is honest answers.
 *
 * Invariants, whatever the bytes are
 *   1. A party that is honest and answers is never condemned, and its root is left standing.
 *   2. Where the host can run again what it is asked for, every liar falls.
 *   3. The game ends, after at most QUESTIONS questions.
 *   4. What is over stays over.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "fuzz_replay.h"
#include "game_real.h"

#define QUESTIONS 256u

typedef struct { const uint8_t *p; size_t n; } tape;

static uint8_t next(tape *t)
{
    if (t->n == 0) return 0;
    t->n--;
    return *t->p++;
}

/* ---- the jobs: one at each level, their honest runs made once ------------------------ */

typedef struct { real_tensors *tensors; vd_job *job; real_side *truth; } world;

static world *worlds(void)
{
    static world w[2];
    for (uint32_t k = 0; k < 2 && !w[1].job; k++) {
        w[k].tensors = calloc(1, sizeof *w[k].tensors);
        if (!w[k].tensors) abort();
        w[k].tensors->arena = ro_arena_new();
        w[k].job = real_mixed(w[k].tensors, 2 * k, 2);
        w[k].truth = real_run(w[k].tensors, w[k].job, NULL, 0, NULL, 0);
    }
    return w;
}

/* ---- a liar -------------------------------------------------------------------------- */

enum { STEPS = 8 };

static void rehash(real_side *x, const vd_job *j, uint64_t step)
{
    for (uint32_t i = 0; i < x->w.nodes[step]; i++)
        vd_leaf_hash(VD_TREE_NODES, x->w.node[step][i].bytes, x->w.node[step][i].size,
                     x->w.node_hash[step][i]);
    vd_leaf_hash(VD_TREE_STEPS, x->w.step[step].bytes, x->w.step[step].size, x->w.step_hash[step]);
    vd_leaf_hash(VD_TREE_OUTPUTS, x->w.step[step].bytes + 60, VD_DIGEST, x->w.output_hash[step]);
    real_body(x, j);
}

/* Any byte of any record altered, and what lies above it hashed again, or not. */
static void alter_record(real_side *x, const vd_job *j, tape *t)
{
    uint64_t step = next(t) % STEPS;
    uint32_t node = next(t);
    uint8_t at = next(t), flip = next(t);
    if (x->w.nodes[step] && node & 0x80) {
        world_leaf *l = &x->w.node[step][node % x->w.nodes[step]];
        l->bytes[at % l->size] ^= flip;
        rehash(x, j, step);
        if (node & 0x40)
            vd_tree_root(VD_TREE_NODES, x->w.node_hash[step][0], x->w.nodes[step],
                         x->w.step[step].bytes + 92);
    } else {
        x->w.step[step].bytes[at % x->w.step[step].size] ^= flip;
    }
    rehash(x, j, step);
}

static real_side *make_liar(world *w, tape *t)
{
    uint8_t how = next(t);
    real_fault fault = {STEPS, 0, 0, 0, 0, FORGE_NONE};
    world_plan plan = {STEPS, 0, LIE_NONE, 0};
    if (how & 1) {
        fault.step = next(t) % STEPS;
        fault.node = next(t) % REAL_NODES;
        fault.output = next(t) % 2;
        fault.element = next(t) % 6;
        fault.flip = (uint64_t)next(t) & (fault.node == REAL_EMPTY || (fault.node == REAL_SUM &&
                                          fault.element > 0) ? 0 : 255);
        fault.forge = (real_forge)(next(t) % (FORGE_ROOT + 1));
    }
    if (how & 2) {
        plan.step = next(t) % STEPS;
        plan.node = next(t) % REAL_NODES;
        plan.lie = (world_lie)(next(t) % LIE_KINDS);
        plan.salt = (uint8_t)(next(t) | 1);
    }
    real_side *x = real_run(w->tensors, w->job, &fault, 1, &plan, 1);
    for (int k = 0; k < (how >> 4 & 3); k++) alter_record(x, w->job, t);
    if (how & 4) x->w.body.last_state.b[next(t) % VD_DIGEST] ^= 1;
    if (how & 8) {
        x->w.output_hash[next(t) % STEPS][1] ^= 1;
        vd_tree_root(VD_TREE_OUTPUTS, x->w.output_hash[0], STEPS, x->w.body.outputs.b);
    }
    if (how & 0x40) x->w.body.tree.b[next(t) % VD_DIGEST] ^= 1;
    world_seal(&x->w);
    if (how & 0x80 && w->job->segment)
        real_forge_segment(x, w->job, next(t) % 4, next(t) % (VD_SEGMENT_LEAF_BYTES + 1));
    return x;
}

/* ---- what is said -------------------------------------------------------------------- */

static void alter_question(rf_question *q, uint8_t by)
{
    switch (by % 8) {
    case 0: q->lo ^= by >> 3; break;
    case 1: q->hi += by >> 3; break;
    case 2: q->of.b[by >> 3] ^= by; break;
    case 3: q->kind = (rf_question_kind)((by >> 3) % (RF_Q_KERNEL + 1)); break;
    case 4: q->parties ^= by >> 3; break;
    case 5: q->step += by >> 3; break;
    case 6: q->level ^= by >> 3; break;
    default: q->tree = (vd_tree_kind)((by >> 3) % VD_TREE_KINDS); break;
    }
}

/* Strangers and the liar, before anybody honest: right answers, altered and invented ones, to this
 * question and to others. What the host runs itself is nobody's to say. */
static void disturb(real_host *h, rf_game *g, const rf_question *q, uint8_t *out, tape *t)
{
    uint8_t what = next(t);
    uint32_t party = what & 1 ? 0 : RF_NONE; /* the liar is party 0 */
    rf_question asked = *q;
    int accepted = 0;
    size_t n = 0;
    ro_err err = {RO_OK, {0}};
    if (what & 2 && q->parties) n = real_says(h, g, what >> 2 & 1, q, out);
    if (what & 8 && n) out[(next(t) | (size_t)next(t) << 8) % n] ^= next(t);
    if (what & 16) n = n > 0 ? n - 1 : next(t);
    if (what & 32)
        for (n = 0; n < next(t) && n < 255; n++) out[n] = next(t);
    if (what & 64) alter_question(&asked, next(t));
    if (asked.parties == 0) return;
    must(rf_game_answer(g, &asked, party, out, n, &accepted, &err), &err);
    if (what & 128 && asked.parties == 1) rf_game_cannot(g, &asked, 0);
}

static void answer(real_host *h, rf_game *g, const rf_question *q, uint8_t *out, tape *t)
{
    ro_err err = {RO_OK, {0}};
    uint8_t noise = next(t);
    for (int k = 0; k < (noise & 3); k++) disturb(h, g, q, out, t);
    h->silent = noise & 4 ? 1 : 0; /* the liar */
    h->deaf_kinds = q->parties == 0 && noise & 8 ? 1u << q->kind : 0;
    /* Online nobody who stands lets a window pass. */
    for (uint32_t k = 0; q->kind == RF_Q_SEGMENTS && k < h->count; k++)
        if (q->parties >> k & 1 && h->claim_count < REAL_CLAIMS_MAX)
            real_claim(h, h->sides[k], h->sides[k], q->lo, 1);
    must(real_answer(h, g, q, out, &err), &err);
}

/* ---- the game ------------------------------------------------------------------------ */

static void check(const real_host *h, const rf_game *g, int host_silent)
{
    const rf_verdict *v = rf_game_verdict(g);
    int lies = 0;
    if (v->alarm) abort();
    for (uint32_t k = 0; k < h->count; k++) {
        int honest = vd_digest_equal(&h->sides[k]->w.party.root, &h->truth->w.party.root);
        lies |= !honest;
        if (honest && !rf_game_stands(g, k)) abort();
        if (!honest && !host_silent && rf_game_stands(g, k)) abort();
    }
    for (uint32_t k = 0; k < v->guilty_count; k++)
        if (rf_game_stands(g, v->guilty[k].party)) abort();
    if (lies == (v->kind == RF_AGREE)) abort();
}

static void play(real_host *h, tape *t)
{
    static uint8_t out[REAL_ROOM];
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    int host_silent = 0;
    ro_err err = {RO_OK, {0}};
    rf_game *g = real_new(h);
    for (must(rf_game_next(g, open, &count, &err), &err); count;
         must(rf_game_next(g, open, &count, &err), &err)) {
        int second_first = count == 2 && next(t) & 1;
        for (uint32_t k = 0; k < count; k++) {
            answer(h, g, &open[k ^ (uint32_t)second_first], out, t);
            if (h->deaf_kinds) host_silent = 1;
        }
        if (h->questions > QUESTIONS) abort();
    }
    check(h, g, host_silent);
    must(rf_game_next(g, open, &count, &err), &err);
    if (count) abort();
    rf_game_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tape t = {data, size};
    if (size > 4096) return 0;
    uint8_t setting = next(&t);
    world *w = &worlds()[setting & 1];
    real_host h;
    ro_arena *kept = w->tensors->arena;
    uint32_t tensors = w->tensors->count;
    w->tensors->arena = ro_arena_new();
    real_side *liar = make_liar(w, &t), *other = setting & 8 ? make_liar(w, &t) : NULL;
    memset(&h, 0, sizeof h);
    h.job = w->job;
    h.tensors = w->tensors;
    h.truth = w->truth;
    h.online = setting >> 1 & 1;
    h.sides[0] = liar;
    h.sides[1] = w->truth;
    h.sides[2] = other ? other : w->truth;
    h.count = 2 + (setting >> 2 & 1);
    /* Whoever is honest hands in its claim; the liar may hand in one for either root before it. */
    if (w->job->segment)
        for (uint64_t s = 0; s < 4 && setting & 16 && h.claim_count + 3 <= REAL_CLAIMS_MAX; s++) {
            if (!(setting >> 5 & 1) && s % 2) continue;
            if (setting & 64) real_claim(&h, liar, w->truth, s, 0);
            real_claim(&h, w->truth, w->truth, s, 1);
            real_claim(&h, liar, liar, s, 1);
        }
    play(&h, &t);
    free(liar);
    free(other);
    ro_arena_free(w->tensors->arena);
    w->tensors->arena = kept;
    w->tensors->count = tensors;
    return 0;
}

void write_seeds(const char *folder)
{
    static const struct { const char *name; uint8_t bytes[16]; } SEEDS[] = {
        {"element", {0, 1, 2, REAL_NEG, 0, 3, 1, 0}},
        {"element-online", {2, 1, 2, REAL_ADD, 0, 3, 1, 0}},
        {"silent", {2, 1, 2, REAL_NEG, 0, 3, 1, 0, 4, 4, 4, 4, 4}},
        {"forged", {0, 1, 2, REAL_POOL, 1, 3, 1, FORGE_SHORT_CHUNK}},
        {"wiring", {0, 2, 3, 0, LIE_STATE, 1}},
        {"record", {4, 0x10, 3, 0xc1, 48, 1}},
        {"body", {0, 12, 5, 3}},
        {"tree", {0, 0x40, 7}},
        {"segment", {1, 1, 2, REAL_NEG, 0, 3, 1, 0}},
        {"claims", {1 | 16, 1, 5, REAL_NEG, 0, 3, 1, 0}},
        {"saboteur", {1 | 2 | 16 | 32 | 64, 3, 2, REAL_NEG, 0, 3, 1, 0, 2, 0, LIE_OUTPUT, 1}},
        {"segment-leaf", {1, 0x80, 1, 8}},
        {"two-liars", {4 | 8, 1, 2, REAL_NEG, 0, 3, 1, 0, 2, 3, 0, LIE_OUTPUTS, 1}},
        {"noise", {0, 1, 2, REAL_NEG, 0, 3, 1, 0, 3, 2 | 8, 5, 0, 1, 2 | 16, 32 | 1}},
    };
    for (size_t k = 0; k < sizeof SEEDS / sizeof *SEEDS; k++)
        small_put(in_folder(folder, SEEDS[k].name), SEEDS[k].bytes, sizeof SEEDS[k].bytes);
}
