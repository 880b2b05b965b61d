/* game.c - the course of a game: grouping, pairing, questions, what is accepted as an answer,
 * and the walk down two trees.
 *
 * Invariants
 *   1. Pairing follows from the task and the set of roots alone, not from who came first.
 *   2. A walk always goes to the leftmost part whose hashes differ; what lies left of it is equal.
 *   3. An answer that does not hash up is refused and changes nothing but a count. */
#include "game.h"


#include <string.h>

#include "../verde/bytes.h"

const char *rf_kind_name(rf_kind k)
{
    static const char *const names[] = {"agree",  "step",    "structure", "inputs",
                                        "output", "forfeit", "withheld",  "undecided"};
    return names[k];
}

const char *rf_method_name(rf_method m)
{
    static const char *const names[] = {"none",     "element", "partial",
                                        "operator", "step",    "segment"};
    return names[m];
}

const char *rf_question_name(rf_question_kind k)
{
    static const char *const names[] = {"hashes",      "leaf",   "state",    "outputs",
                                        "step leaves", "header", "operands", "parts",
                                        "segments",    "explanation",
                                        "operator",    "rerun",  "kernel"};
    return names[k];
}

int rf_is_window(rf_question_kind k) { return k == RF_Q_SEGMENTS || k == RF_Q_EXPLANATIONS; }

/* ---- setting up ------------------------------------------------------------------------- */

ro_status rf_check_body(const vd_job *j, const rf_party *party, vd_trace_body *b, ro_err *err)
{
    uint8_t again[VD_TRACE_BODY_BYTES];
    vd_trace_body want;
    RO_TRY(vd_trace_body_decode(party->body, b, err));
    vd_digest root = vd_trace_root(b);
    if (!vd_digest_equal(&root, &party->root))
        return RO_FAIL(err, RO_EFORMAT, "a trace body is not the one its root is the hash of");
    want = *b;
    want.record = j->record;
    want.segment = j->segment;
    want.job = j->digest;
    want.steps = j->steps;
    want.first_state = j->first_state;
    want.node_count = 0;
    for (uint32_t p = 0; j->record == VD_RECORD_FULL && p < j->phase_count; p++)
        want.node_count += j->repeats * j->phases[p].steps * j->phases[p].graph->node_count;
    vd_trace_body_encode(&want, again);
    if (memcmp(again, party->body, sizeof again) != 0)
        return RO_FAIL(err, RO_EDIFFER,
                       "a trace body is not of this job: level, job digest, counts or first state");
    return RO_OK;
}

static int compare_digest(const void *a, const void *b) { return memcmp(a, b, VD_DIGEST); }

/* Insertion sort: at most 64, no recursion. */
static void sort_groups(rf_group *groups, uint32_t n, size_t field)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = i; k > 0 && compare_digest((const uint8_t *)&groups[k - 1] + field,
                                                     (const uint8_t *)&groups[k] + field) > 0;
             k--) {
            rf_group t = groups[k];
            groups[k] = groups[k - 1];
            groups[k - 1] = t;
        }
}

vd_digest rf_pairing_seed(const vd_digest *roots, uint32_t count)
{
    vd_digest d;
    vd_tagged_hash("verde/1 roots", roots, count * sizeof *roots, d.b);
    return d;
}

vd_digest rf_pairing_order(const vd_digest *task, const vd_digest *seed, const vd_digest *root)
{
    const vd_digest key[3] = {*task, *seed, *root};
    vd_digest d;
    vd_tagged_hash("verde/1 pairing", key, sizeof key, d.b);
    return d;
}

/* Nobody can choose whom to meet. */
static void order_groups(rf_game *g, const vd_digest *task)
{
    vd_digest roots[RF_PARTIES_MAX];
    sort_groups(g->groups, g->group_count, offsetof(rf_group, root));
    for (uint32_t k = 0; k < g->group_count; k++) roots[k] = g->groups[k].root;
    vd_digest seed = rf_pairing_seed(roots, g->group_count);
    for (uint32_t k = 0; k < g->group_count; k++)
        g->groups[k].order = rf_pairing_order(task, &seed, &g->groups[k].root);
    sort_groups(g->groups, g->group_count, offsetof(rf_group, order));
}

static ro_status make_groups(rf_game *g, const rf_setup *s, ro_err *err)
{
    g->groups = ro_arena_alloc(g->arena, s->party_count * sizeof *g->groups);
    if (!g->groups) return RO_FAIL(err, RO_ENOMEM, "no memory for a game");
    for (uint32_t i = 0; i < s->party_count; i++) {
        vd_trace_body body;
        uint32_t k = 0;
        RO_TRY(rf_check_body(s->job, &s->parties[i], &body, err));
        while (k < g->group_count && !vd_digest_equal(&g->groups[k].root, &s->parties[i].root)) k++;
        if (k == g->group_count) {
            g->group_count++;
            g->groups[k].root = s->parties[i].root;
            g->groups[k].body = body;
        }
        g->groups[k].mask |= UINT64_C(1) << i;
    }
    order_groups(g, &s->task);
    for (uint32_t i = 0; i < s->party_count; i++)
        for (uint32_t k = 0; k < g->group_count; k++)
            if (g->groups[k].mask >> i & 1) g->party_group[i] = k;
    return RO_OK;
}

/* In every level but the last somebody falls, so n roots have at most n - 1 levels, of which the
 * one with m roots left judges m / 2 pairs. */
static ro_status make_pairs(rf_game *g, ro_err *err)
{
    g->pair_room = g->group_count / 2 * ((g->group_count + 1) / 2);
    g->pairs = ro_arena_alloc(g->arena, g->pair_room * sizeof *g->pairs);
    return g->pairs ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory for a game");
}

static ro_status keep_claims(rf_game *g, const rf_setup *s, ro_err *err)
{
    g->claims = ro_arena_alloc(g->arena, s->claim_count * sizeof *g->claims);
    g->claims_struck = ro_arena_alloc(g->arena, s->claim_count);
    if (!g->claims || !g->claims_struck)
        return RO_FAIL(err, RO_ENOMEM, "no memory for segment claims");
    for (uint32_t k = 0; k < s->claim_count; k++) {
        const vd_claim_body *b = &s->claims[k].body;
        vd_digest root = vd_claim_root(b);
        uint64_t first, count = 0;
        if (b->segment < vd_job_segments(s->job))
            vd_job_segment(s->job, b->segment, &first, &count);
        if (!vd_digest_equal(&root, &s->claims[k].root))
            return RO_FAIL(err, RO_EFORMAT,
                           "a segment claim is not the one its root is the hash of");
        if (!vd_digest_equal(&b->job, &s->job->digest) || count == 0 || b->steps != count)
            return RO_FAIL(err, RO_EDIFFER, "a segment claim is not of this job");
        g->claims[k] = s->claims[k];
    }
    g->claim_count = s->claim_count;
    return RO_OK;
}

ro_status rf_game_new(const rf_setup *s, rf_game **out, ro_err *err)
{
    if (s->party_count == 0 || s->party_count > RF_PARTIES_MAX || s->claim_count > RF_CLAIMS_MAX)
        return RO_FAIL(err, RO_EUSAGE, "a game has 1 to %u parties and at most %u segment claims",
                       RF_PARTIES_MAX, RF_CLAIMS_MAX);
    if (s->online && s->claim_count)
        return RO_FAIL(err, RO_EUSAGE, "online, segment claims are filed in their windows");
    ro_arena *a = ro_arena_new();
    rf_game *g = a ? ro_arena_alloc(a, sizeof *g) : NULL;
    if (!g) {
        ro_arena_free(a);
        return RO_FAIL(err, RO_ENOMEM, "no memory for a game");
    }
    g->arena = a;
    g->job = s->job;
    g->online = s->online;
    g->current[0] = RF_NONE;
    ro_status st = make_groups(g, s, err);
    if (!st) st = make_pairs(g, err);
    if (!st) st = keep_claims(g, s, err);
    if (st) {
        rf_game_free(g);
        return st;
    }
    *out = g;
    return RO_OK;
}

void rf_game_use_runner(rf_game *g, const rf_runner *r) { g->runner = r; }

void rf_game_free(rf_game *g)
{
    if (!g) return;
    ro_arena_free(g->pair);
    ro_arena_free(g->scratch);
    ro_arena_free(g->arena);
}

/* ---- openings --------------------------------------------------------------------------- */

void rf_question_init(rf_question *q, rf_question_kind kind, uint64_t parties)
{
    memset(q, 0, sizeof *q);
    q->kind = kind;
    q->parties = parties;
    q->claim = RF_NONE;
    q->level = RF_NONE;
}

static int same_question(const rf_question *a, const rf_question *b)
{
    return a->kind == b->kind && a->parties == b->parties && a->claim == b->claim &&
           a->tree == b->tree && a->lo == b->lo && a->hi == b->hi && a->depth == b->depth &&
           vd_digest_equal(&a->of, &b->of) && vd_digest_equal(&a->tensor, &b->tensor) &&
           a->step == b->step && a->node == b->node && a->output == b->output &&
           a->element == b->element && a->level == b->level && a->index == b->index &&
           a->has_state == b->has_state && vd_digest_equal(&a->state, &b->state);
}

/* What is asked for is a digest: its bytes spread well enough. */
static uint32_t bucket(const rf_question *q)
{
    return (q->of.b[0] | (uint32_t)q->of.b[1] << 8) % RF_BUCKETS;
}

static const rf_opening *find_opening(const rf_game *g, const rf_question *q)
{
    const rf_opening *o = g->openings[bucket(q)];
    while (o && !same_question(&o->q, q)) o = o->next;
    return o;
}

rf_flow rf_fault(rf_pass *p, ro_status status)
{
    p->status = status;
    return RF_FAULT;
}

void *rf_scratch(rf_pass *p, size_t size)
{
    void *m = ro_arena_alloc(p->scratch, size);
    if (!m) p->status = RO_FAIL(p->err, RO_ENOMEM, "no memory to judge");
    return m;
}

/* Online silence decides: of one side or both about what is its own, or of everybody about what
 * both committed to. */
static rf_flow silent(rf_pass *p, const rf_question *q, const int wrong[2], rf_kind kind)
{
    const char *what = kind == RF_WITHHELD    ? "nobody showed what both sides committed to"
                       : wrong[0] && wrong[1] ? "neither side showed what it committed to"
                                              : "one side did not show what it committed to";
    for (int k = 0; k < 2; k++)
        if (wrong[k]) rf_guilty_side(p, k, kind);
    snprintf(p->v->why, sizeof p->v->why, "%s: %s", what, rf_question_name(q->kind));
    return RF_DECIDED;
}

rf_flow rf_ask(rf_pass *p, const rf_question *q, const uint8_t **bytes, size_t *size)
{
    static const int both[2] = {1, 1};
    const rf_opening *o = find_opening(p->g, q);
    if (o && o->absent) {
        if (!p->g->online || q->parties != (p->mask[0] | p->mask[1])) return RF_ABSENT;
        return silent(p, q, both, RF_WITHHELD);
    }
    if (o) {
        *bytes = o->bytes;
        *size = o->size;
        return RF_GO;
    }
    RO_ASSERT(p->open_count < RF_OPEN_MAX);
    p->open[p->open_count++] = *q;
    return RF_WAIT;
}

rf_flow rf_ask_both(rf_pass *p, const rf_question q[2], const uint8_t *bytes[2], size_t size[2])
{
    rf_flow a = rf_ask(p, &q[0], &bytes[0], &size[0]);
    rf_flow b = rf_ask(p, &q[1], &bytes[1], &size[1]);
    if (a == RF_WAIT || b == RF_WAIT) return RF_WAIT;
    RO_ASSERT(a != RF_DECIDED && b != RF_DECIDED); /* that is what everybody was asked for */
    if (a == RF_GO && b == RF_GO) return RF_GO;
    if (!p->g->online) return RF_ABSENT;
    const int wrong[2] = {a == RF_ABSENT, b == RF_ABSENT};
    return silent(p, &q[0], wrong, RF_FORFEIT);
}

rf_flow rf_ask_windows(rf_pass *p, const rf_question q[2], size_t size, rf_filed filed[2])
{
    const uint8_t *b[2];
    size_t n[2];
    RF_FLOW(rf_ask_both(p, q, b, n));
    for (int k = 0; k < 2; k++)
        filed[k] = (rf_filed){b[k], size, (uint32_t)(n[k] / size),
                              find_opening(p->g, &q[k])->struck};
    return RF_GO;
}

/* Take a place for every question that is open, before it is asked: what closes it needs no more
 * memory than its bytes have. */
static ro_status get_ready(rf_game *g, ro_err *err)
{
    while (g->ready_count < g->open_count) {
        rf_opening *o = ro_arena_alloc(g->pair, sizeof *o);
        if (!o) return RO_FAIL(err, RO_ENOMEM, "no memory for a question");
        g->ready[g->ready_count++] = o;
    }
    return RO_OK;
}

/* What the open question in this slot is closed with: an absence, until the caller says more. */
static rf_opening *add_opening(rf_game *g, uint32_t slot)
{
    const rf_question *q = &g->open[slot];
    RO_ASSERT(g->ready_count > 0);
    rf_opening *o = g->ready[--g->ready_count];
    o->q = *q;
    o->absent = 1;
    o->next = g->openings[bucket(q)];
    g->openings[bucket(q)] = o;
    o->slot = slot;
    if (g->newest) g->newest->later = o;
    else g->oldest = o;
    g->newest = o;
    g->questions++;
    return o;
}

/* ---- what is accepted ------------------------------------------------------------------- */

static int hashes_hold(const rf_question *q, const uint8_t *bytes, size_t n)
{
    return n % VD_DIGEST == 0 && n <= (size_t)VD_DESCEND_MAX * VD_DIGEST &&
           vd_descend_verify(q->tree, q->lo, q->hi, q->depth, bytes, n / VD_DIGEST, q->of.b);
}

/* The root of the tree over `size`-byte payloads; the scratch arena holds the leaf hashes. */
static ro_status payloads_hold(rf_game *g, const rf_question *q, const uint8_t *bytes, size_t n,
                               size_t size, int *ok, ro_err *err)
{
    uint64_t count = q->hi - q->lo;
    uint8_t root[VD_DIGEST];
    if (n != count * size) return RO_OK;
    uint8_t *leaves = ro_arena_alloc(g->scratch, count * VD_DIGEST);
    if (!leaves) return RO_FAIL(err, RO_ENOMEM, "no memory to check an answer");
    vd_leaf_hashes(q->tree, bytes, size, count, leaves);
    vd_tree_root(q->tree, leaves, count, root);
    *ok = memcmp(root, q->of.b, VD_DIGEST) == 0;
    return RO_OK;
}

static int side_of(const rf_game *g, uint64_t parties)
{
    return parties == g->groups[g->current[1]].mask;
}

/* How many bytes one claim in an open window has. */
static size_t claim_bytes(const rf_game *g, const rf_question *q)
{
    ro_parts needs[RO_NEEDS_MAX];
    uint64_t total;
    if (q->kind == RF_Q_SEGMENTS) return VD_CLAIM_BODY_BYTES;
    rf_part_needs(&g->subject, q->output, q->element, &g->part, needs, &total);
    RO_ASSERT(total && total <= RF_PARTS_MAX); /* else nobody is asked */
    return total * 8;
}

/* Ascending, each once, and each of them admissible as far as its bytes show it. */
static ro_status window_holds(rf_game *g, const rf_question *q, const uint8_t *b, size_t n,
                              int *ok, ro_err *err)
{
    size_t size = claim_bytes(g, q);
    *ok = n % size == 0 && n / size <= RF_FILED_MAX;
    for (size_t at = 0; *ok && at < n; at += size) {
        vd_claim_body body;
        ro_err why = {RO_OK, {0}};
        if (at && memcmp(b + at - size, b + at, size) >= 0) *ok = 0;
        else if (q->kind == RF_Q_SEGMENTS)
            *ok = vd_claim_body_decode(b + at, &body, &why) == RO_OK &&
                  vd_digest_equal(&body.job, &g->job->digest) && body.segment == q->lo &&
                  body.steps == g->leaf[0].count &&
                  vd_digest_equal(&body.trace, &g->groups[g->current[side_of(g, q->parties)]].root);
        else
            RO_TRY(rf_parts_hold(&g->subject, q, &g->part, side_of(g, q->parties), b + at, size,
                                 ok, err));
    }
    return RO_OK;
}

static ro_status holds(rf_game *g, const rf_question *q, const uint8_t *b, size_t n, int *ok,
                       ro_err *err)
{
    uint8_t d[VD_DIGEST];
    *ok = 0;
    switch (q->kind) {
    case RF_Q_HASHES: *ok = hashes_hold(q, b, n); return RO_OK;
    case RF_Q_LEAF:
        if (n > RF_LEAF_BYTES_MAX) return RO_OK;
        vd_leaf_hash(q->tree, b, n, d);
        *ok = memcmp(d, q->of.b, VD_DIGEST) == 0;
        return RO_OK;
    case RF_Q_HEADER:
        if (n > RF_LEAF_BYTES_MAX) return RO_OK;
        vd_tensor_header_digest(b, n, d);
        *ok = memcmp(d, q->of.b, VD_DIGEST) == 0;
        return RO_OK;
    case RF_Q_STATE:
    case RF_Q_OUTPUTS: return payloads_hold(g, q, b, n, VD_DIGEST, ok, err);
    case RF_Q_STEP_LEAVES: return payloads_hold(g, q, b, n, VD_STEP_LEAF_BYTES, ok, err);
    case RF_Q_OPERANDS: return rf_operands_hold(&g->subject, q, &g->part, b, n, ok, err);
    case RF_Q_PARTS:
        return rf_parts_hold(&g->subject, q, &g->part, side_of(g, q->parties), b, n, ok, err);
    case RF_Q_SEGMENTS:
    case RF_Q_EXPLANATIONS: return window_holds(g, q, b, n, ok, err);
    case RF_Q_OPERATOR: *ok = n == g->subject.outputs * (size_t)VD_DIGEST + 1; return RO_OK;
    case RF_Q_RERUN: *ok = n == 2 * VD_DIGEST + 1; return RO_OK;
    case RF_Q_KERNEL: *ok = n == RF_KERNEL_BYTES; return RO_OK;
    }
    return RO_OK;
}

static int find_open(const rf_game *g, const rf_question *q, uint32_t *slot)
{
    for (uint32_t k = 0; k < g->open_count; k++)
        if (same_question(&g->open[k], q)) {
            *slot = k;
            return 1;
        }
    return 0;
}

static void close_question(rf_game *g, uint32_t slot)
{
    for (uint32_t k = slot + 1; k < g->open_count; k++) {
        g->open[k - 1] = g->open[k];
        memcpy(g->refused[k - 1], g->refused[k], sizeof g->refused[k]);
    }
    g->open_count--;
}

static ro_status take(rf_game *g, uint32_t slot, const void *bytes, size_t n, ro_err *err)
{
    const int window = rf_is_window(g->open[slot].kind);
    uint8_t *copy = ro_arena_alloc(g->pair, n + 1);
    uint8_t *struck = copy && window ? ro_arena_alloc(g->pair, RF_FILED_MAX) : NULL;
    if (!copy || (window && !struck))
        return RO_FAIL(err, RO_ENOMEM, "no memory for an answer of %zu bytes", n);
    if (n) memcpy(copy, bytes, n);
    rf_opening *o = add_opening(g, slot);
    o->bytes = copy;
    o->size = n;
    o->absent = 0;
    o->struck = struck;
    if (window) {
        o->window = g->windows;
        g->windows = o;
    }
    g->bytes_read += n;
    close_question(g, slot);
    return RO_OK;
}

/* An answer names its party so that refusals can be counted; what it opens is judged by its hash.
 * Nobody's (RF_NONE) is as good: a store may hold what a party owes. */
ro_status rf_game_answer(rf_game *g, const rf_question *q, uint32_t party, const void *bytes,
                         size_t n, int *accepted, ro_err *err)
{
    uint32_t slot, row = party < RF_PARTIES_MAX ? party : RF_PARTIES_MAX;
    *accepted = 0;
    RO_TRY(ro_float_mode(err));
    if (!find_open(g, q, &slot) || !bytes || rf_is_window(q->kind)) return RO_OK;
    if (party != RF_NONE && (party >= RF_PARTIES_MAX || !(q->parties >> party & 1))) return RO_OK;
    if (g->refused[slot][row] >= RF_REFUSALS_MAX) return RO_OK;
    RO_TRY(holds(g, q, bytes, n, accepted, err));
    if (!*accepted) {
        if (++g->refused[slot][row] >= RF_REFUSALS_MAX && party != RF_NONE)
            rf_game_cannot(g, q, party);
        return RO_OK;
    }
    return take(g, slot, bytes, n, err);
}

ro_status rf_game_offer(rf_game *g, const rf_question *q, const void *bytes, size_t n,
                        int *accepted, ro_err *err)
{
    uint32_t slot;
    *accepted = 0;
    RO_TRY(ro_float_mode(err));
    if (!find_open(g, q, &slot) || !bytes) return RO_OK;
    RO_TRY(holds(g, q, bytes, n, accepted, err));
    return *accepted ? take(g, slot, bytes, n, err) : RO_OK;
}

ro_status rf_game_admits(rf_game *g, const rf_question *q, const vd_claim_body *body,
                         const void *bytes, size_t n, int *admitted, ro_err *err)
{
    uint32_t slot;
    *admitted = 0;
    RO_TRY(ro_float_mode(err));
    if (!find_open(g, q, &slot) || !rf_is_window(q->kind)) return RO_OK;
    int side = side_of(g, q->parties);
    if (q->kind == RF_Q_EXPLANATIONS)
        return rf_parts_hold(&g->subject, q, &g->part, side, bytes, n, admitted, err);
    const vd_segment_leaf *leaf = &g->leaf[side];
    if (!vd_digest_equal(&body->job, &g->job->digest) || body->segment != leaf->index ||
        !vd_digest_equal(&body->trace, &g->groups[g->current[side]].root) ||
        body->steps != leaf->count || n != leaf->count * VD_STEP_LEAF_BYTES)
        return RO_OK;
    ro_arena *a = ro_arena_new();
    int fits = a ? rf_claim_fits(g->job, leaf, bytes, a) : -1;
    ro_arena_free(a);
    if (fits < 0) return RO_FAIL(err, RO_ENOMEM, "no memory to check a segment claim");
    *admitted = fits;
    return RO_OK;
}

void rf_game_cannot(rf_game *g, const rf_question *q, uint32_t party)
{
    uint32_t slot;
    if (!find_open(g, q, &slot) || rf_is_window(q->kind)) return;
    if (party < RF_PARTIES_MAX) {
        g->refused[slot][party] = RF_REFUSALS_MAX;
        for (uint32_t k = 0; k < RF_PARTIES_MAX; k++)
            if (q->parties >> k & 1 && g->refused[slot][k] < RF_REFUSALS_MAX) return;
    }
    (void)add_opening(g, slot);
    close_question(g, slot);
}

/* ---- what was accepted, in bytes -------------------------------------------------------- */

ro_status rf_game_openings(const rf_game *g, uint32_t from, uint8_t **bytes, size_t *size,
                           uint32_t *count, ro_err *err)
{
    vd_out out = {NULL, 0};
    for (int pass = 0;; pass++) { /* counted, then written */
        *count = 0;
        for (const rf_opening *o = g->oldest; o; o = o->later) {
            if ((*count)++ < from) continue;
            vd_out_u8(&out, (uint8_t)o->slot);
            vd_out_u8(&out, (uint8_t)o->absent);
            vd_out_u64(&out, o->size);
            vd_out_bytes(&out, o->bytes, o->size);
        }
        if (pass) break;
        out.to = ro_alloc(out.n + 1);
        if (!out.to) return RO_FAIL(err, RO_ENOMEM, "no memory for %zu bytes of openings", out.n);
        out.n = 0;
    }
    *bytes = out.to;
    *size = out.n;
    return RO_OK;
}

static ro_status replay_one(rf_game *g, vd_in *in, const rf_question *open, uint32_t count,
                            ro_err *err)
{
    uint32_t slot = vd_in_u8(in), absent = vd_in_u8(in);
    uint64_t n = vd_in_u64(in);
    const uint8_t *bytes = vd_in_bytes(in, n);
    int accepted = 1;
    if (!bytes || slot >= count || absent > 1 ||
        (absent && (n || rf_is_window(open[slot].kind))))
        return RO_FAIL(err, RO_EFORMAT, "an opening is of no question");
    if (absent) rf_game_cannot(g, &open[slot], RF_NONE);
    else RO_TRY(rf_game_offer(g, &open[slot], bytes, (size_t)n, &accepted, err));
    return accepted ? RO_OK : RO_FAIL(err, RO_EFORMAT, "an opening of %llu bytes answers nothing",
                                      (unsigned long long)n);
}

ro_status rf_game_replay(rf_game *g, const void *bytes, size_t n, rf_question *open,
                         uint32_t *count, ro_err *err)
{
    vd_in in = {bytes, n, 0, 0};
    RO_TRY(rf_game_next(g, open, count, err));
    while (vd_in_left(&in)) {
        RO_TRY(replay_one(g, &in, open, *count, err));
        RO_TRY(rf_game_next(g, open, count, err));
    }
    return RO_OK;
}

/* ---- walking two trees ------------------------------------------------------------------ */

static void walk_question(const rf_walk *w, int side, int joint, rf_question *q)
{
    rf_question_init(q, RF_Q_HASHES, joint ? w->mask[0] | w->mask[1] : w->mask[side]);
    q->tree = w->tree;
    q->claim = w->claim[side];
    q->lo = w->lo;
    q->hi = w->hi;
    q->depth = VD_DESCEND_DEPTH_MAX;
    q->of = w->hash[side];
    q->tensor = w->tensor[side];
    q->step = w->step;
    q->node = w->node;
    q->output = w->output;
}

/* The answers of both sides; where both committed to one hash, one answer is both's. */
static rf_flow walk_answers(rf_pass *p, const rf_walk *w, const uint8_t *h[2])
{
    rf_question q[2];
    size_t size[2];
    int joint = vd_digest_equal(&w->hash[0], &w->hash[1]);
    for (int k = 0; k < 2; k++) walk_question(w, k, joint, &q[k]);
    if (!joint) return rf_ask_both(p, q, h, size);
    rf_flow f = rf_ask(p, &q[0], &h[0], &size[0]);
    h[1] = h[0];
    return f;
}

/* The path from a part up to [lo, hi) goes behind what is recorded below it later: paths are
 * collected top down, so each piece is put in front. A part's place among the parts has the path
 * that it has in a tree of that many leaves, since what is left of a split has at least as many
 * levels as what is right of it. */
static void record_path(rf_walk *w, const uint8_t *h[2], uint32_t count, uint32_t part)
{
    for (int k = 0; k < 2; k++) {
        uint8_t piece[VD_PROOF_MAX * VD_DIGEST];
        uint32_t n = vd_proof_from_leaves(w->tree, h[k], count, part, piece);
        RO_ASSERT(w->path_size + n <= VD_PROOF_MAX);
        memmove(w->path[k] + n * VD_DIGEST, w->path[k], w->path_size * (size_t)VD_DIGEST);
        memcpy(w->path[k], piece, n * (size_t)VD_DIGEST);
        if (k) w->path_size += n;
    }
}

static uint32_t first_unlike(const uint8_t *h[2], uint32_t count)
{
    uint32_t i = 0;
    while (i < count && memcmp(h[0] + i * VD_DIGEST, h[1] + i * VD_DIGEST, VD_DIGEST) == 0) i++;
    return i;
}

static uint32_t part_of(uint64_t lo, uint64_t hi, uint32_t count, uint64_t index)
{
    uint32_t a = 0, b = count;
    while (b - a > 1) {
        uint64_t part_lo, part_hi;
        vd_descend_range(lo, hi, VD_DESCEND_DEPTH_MAX, a + (b - a) / 2, &part_lo, &part_hi);
        if (index < part_lo) b = a + (b - a) / 2;
        else a += (b - a) / 2;
    }
    return a;
}

static rf_flow walk(rf_pass *p, rf_walk *w, int first, uint64_t index)
{
    w->lo = 0;
    w->hi = w->n;
    w->path_size = 0;
    for (int k = 0; k < 2; k++) {
        w->hash[k] = w->root[k];
        if (p->trail->recording && !(w->path[k] = rf_scratch(p, VD_PROOF_MAX * VD_DIGEST)))
            return RF_FAULT;
    }
    while (w->hi - w->lo > 1) {
        const uint8_t *h[2];
        uint64_t lo = w->lo, hi = w->hi, part_lo = 0, part_hi = 0;
        uint32_t count = vd_descend_count(lo, hi, VD_DESCEND_DEPTH_MAX);
        RF_FLOW(walk_answers(p, w, h));
        uint32_t i = first ? first_unlike(h, count) : part_of(lo, hi, count, index);
        RO_ASSERT(i < count); /* both answers hash up, to different nodes */
        vd_descend_range(lo, hi, VD_DESCEND_DEPTH_MAX, i, &part_lo, &part_hi);
        if (p->trail->recording) record_path(w, h, count, i);
        w->lo = part_lo;
        w->hi = part_hi;
        for (int k = 0; k < 2; k++) memcpy(w->hash[k].b, h[k] + i * VD_DIGEST, VD_DIGEST);
    }
    return RF_GO;
}

rf_flow rf_walk_first(rf_pass *p, rf_walk *w) { return walk(p, w, 1, 0); }
rf_flow rf_walk_to(rf_pass *p, rf_walk *w, uint64_t index) { return walk(p, w, 0, index); }

/* ---- passes and pairs ------------------------------------------------------------------- */

rf_flow rf_run_pass(rf_game *g, uint32_t a, uint32_t b, rf_verdict *v, int record,
                    rf_question *open, uint32_t *open_count, ro_err *err)
{
    rf_pass p;
    const uint32_t side[2] = {a, b};
    memset(&p, 0, sizeof p);
    memset(v, 0, sizeof *v);
    memset(&g->trail, 0, sizeof g->trail);
    ro_arena_free(g->scratch);
    g->scratch = ro_arena_new();
    for (rf_opening *o = g->windows; o; o = o->window) memset(o->struck, 0, RF_FILED_MAX);
    p.g = g;
    p.scratch = g->scratch;
    p.err = err;
    p.v = v;
    p.trail = &g->trail;
    p.trail->recording = record;
    for (int k = 0; k < 2; k++) {
        p.group[k] = side[k];
        p.mask[k] = g->groups[side[k]].mask;
        p.body[k] = &g->groups[side[k]].body;
        p.trail->claim[k] = RF_NONE;
        while (!(p.mask[k] >> v->sides[k] & 1)) v->sides[k]++;
    }
    if (!p.scratch) {
        p.status = RO_FAIL(err, RO_ENOMEM, "no memory to judge");
        return RF_FAULT;
    }
    rf_flow f = rf_judge(&p);
    RO_ASSERT(f == RF_WAIT || f == RF_DECIDED || f == RF_FAULT);
    RO_ASSERT((f == RF_WAIT) == (p.open_count > 0) || f == RF_FAULT || f == RF_DECIDED);
    memcpy(open, p.open, sizeof p.open);
    *open_count = f == RF_WAIT ? p.open_count : 0;
    v->bytes_read = g->bytes_read;
    v->questions = g->questions;
    g->recomputed = v->elements_recomputed + (f == RF_DECIDED ? 0 : p.recomputed);
    for (uint32_t k = 0; f == RF_DECIDED && !record && p.struck && k < g->claim_count; k++)
        g->claims_struck[k] |= p.struck[k];
    return f;
}

/* The next two of the present level that still stand; starts the next level when it ends. */
static int next_pair(rf_game *g)
{
    for (;;) {
        if (g->at + 1 < g->level_count) {
            g->current[0] = g->level[g->at];
            g->current[1] = g->level[g->at + 1];
            g->at += 2;
            return 1;
        }
        uint32_t before = g->level_count;
        if (before && g->fell == 0) return 0; /* a whole level without a decision */
        g->level_count = g->fell = g->at = 0;
        for (uint32_t k = 0; k < g->group_count; k++)
            if (!g->groups[k].fallen) g->level[g->level_count++] = k;
        if (g->level_count < 2) return 0;
    }
}

static void add_guilt(rf_verdict *v, const rf_guilt *guilt)
{
    for (uint32_t k = 0; k < v->guilty_count; k++)
        if (v->guilty[k].party == guilt->party) return;
    v->guilty[v->guilty_count++] = *guilt;
}

static void end_pair(rf_game *g, const rf_verdict *v)
{
    RO_ASSERT(g->pair_count < g->pair_room);
    g->pairs[g->pair_count++] = *v;
    for (uint32_t k = 0; k < v->guilty_count; k++) {
        rf_group *group = &g->groups[g->party_group[v->guilty[k].party]];
        if (!group->fallen) g->fell++;
        group->fallen = 1;
    }
}

void rf_add_pair(rf_verdict *v, const rf_verdict *w)
{
    v->elements_recomputed += w->elements_recomputed;
    v->bytes_read += w->bytes_read;
    v->questions += w->questions;
    v->struck_claims += w->struck_claims;
    v->provisional |= w->provisional;
    v->alarm |= w->alarm;
}

/* The last decided pair speaks; guilt and cost are of all. */
static void finish(rf_game *g)
{
    uint32_t standing = 0, last = 0;
    rf_verdict *v = &g->verdict;
    for (uint32_t k = 0; k < g->group_count; k++) standing += !g->groups[k].fallen;
    g->finished = 1;
    if (g->pair_count == 0) {
        v->kind = RF_AGREE;
        snprintf(v->why, sizeof v->why, "all parties committed to one root");
        return;
    }
    for (uint32_t k = 0; k < g->pair_count; k++)
        if ((g->pairs[k].kind == RF_UNDECIDED) == (standing > 1)) last = k;
    *v = g->pairs[last];
    for (uint32_t k = 0; k < g->pair_count; k++) {
        const rf_verdict *w = &g->pairs[k];
        for (uint32_t i = 0; i < w->guilty_count; i++) add_guilt(v, &w->guilty[i]);
        if (k != last) rf_add_pair(v, w);
    }
}

/* Without memory nothing has changed, and the next call begins the same pair. */
static ro_status begin_pair(rf_game *g, ro_err *err)
{
    ro_arena *fresh = ro_arena_new();
    if (!fresh) return RO_FAIL(err, RO_ENOMEM, "no memory for a game");
    ro_arena_free(g->pair);
    g->pair = fresh;
    memset(g->openings, 0, sizeof g->openings);
    g->windows = g->oldest = g->newest = NULL;
    g->ready_count = 0;
    if (g->claims_filed) g->claim_count = 0;
    g->claims_filed = 0;
    g->bytes_read = g->questions = 0;
    g->begun = 1;
    return RO_OK;
}

/* What the pass left open is asked when there is room for what closes it; else it is not open. */
static ro_status hand_out(rf_game *g, rf_question *open, uint32_t *count, ro_err *err)
{
    ro_status st = get_ready(g, err);
    if (st) {
        g->open_count = 0;
        return st;
    }
    for (uint32_t k = 0; k < g->open_count; k++) open[k] = g->open[k];
    *count = g->open_count;
    return RO_OK;
}

ro_status rf_game_next(rf_game *g, rf_question *open, uint32_t *count, ro_err *err)
{
    *count = 0;
    RO_TRY(ro_float_mode(err)); /* bodies run in the caller's thread, whatever it did before */
    while (!g->finished && g->open_count == 0) {
        rf_verdict v;
        if (g->current[0] == RF_NONE && !next_pair(g)) {
            finish(g);
            break;
        }
        if (!g->begun) RO_TRY(begin_pair(g, err));
        memset(g->refused, 0, sizeof g->refused);
        rf_flow f = rf_run_pass(g, g->current[0], g->current[1], &v, 0, g->open, &g->open_count,
                                err);
        if (f == RF_FAULT) return err && err->code ? err->code : RO_ENOMEM;
        if (f == RF_WAIT) break;
        end_pair(g, &v);
        memcpy(g->last, g->current, sizeof g->last);
        g->current[0] = RF_NONE;
        g->begun = 0;
    }
    return hand_out(g, open, count, err);
}

/* ---- what came of it -------------------------------------------------------------------- */

const rf_verdict *rf_game_verdict(const rf_game *g)
{
    RO_ASSERT(g->finished);
    return &g->verdict;
}

uint32_t rf_game_pairs(const rf_game *g) { return g->pair_count; }
const rf_verdict *rf_game_pair(const rf_game *g, uint32_t k)
{
    RO_ASSERT(k < g->pair_count);
    return &g->pairs[k];
}

int rf_game_stands(const rf_game *g, uint32_t party)
{
    return !g->groups[g->party_group[party]].fallen;
}

int rf_game_claim_stands(const rf_game *g, uint32_t claim)
{
    return !g->claims_struck[claim];
}

int rf_game_struck(const rf_game *g, const rf_question *window, uint32_t k)
{
    const rf_opening *o = find_opening(g, window);
    return o && o->struck && k < RF_FILED_MAX && o->struck[k];
}

const rf_claim *rf_game_get_claim(const rf_game *g, uint32_t claim)
{
    RO_ASSERT(claim < g->claim_count);
    return &g->claims[claim];
}

const rf_node *rf_game_subject(const rf_game *g) { return &g->subject; }
