/* plants.c - planted bugs: what a referee could do wrong, each of which the simulator must catch.
 *
 * What this file decides: where the referee is altered. Most plants stand between two of its files:
 * the linker hands a call of rf_X to __wrap_rf_X, which does something else when its plant is on
 * (CMakeLists.txt lists the names). So the core holds nothing of them, and what is linked is the
 * object file that every other program links. The others are in the simulated host.
 *
 * Invariants
 *   1. At most one plant is on; without one every wrapper hands on what it is given. */
#include "../../referee/game.h"
#include "sim.h"

const sim_plant sim_plants[] = {
    {"deadline-off-by-one", "a message counts as one tick earlier than it came", 0},
    {"swapped-pair", "the two sides of a pair are taken for each other", 0},
    {"missing-context", "task, referee and role of a message are not looked at", 0},
    {"missing-key", "a commitment does not name its key", 0},
    {"unsigned", "signatures are not checked", 0},
    {"small-keys", "keys of small order are taken", 0},
    {"index-without-hash", "hashes below a node are taken without hashing them up", 0},
    {"operands-without-proof", "operands are taken without their proof", 0},
    {"winner-paid-twice", "a reward is booked twice", 0},
    {"burn-nothing", "what is to be burned goes to a standing party", 0},
    {"undelivered-is-paid", "a task whose outputs were not delivered ends like one that was", 0},
    {"lost-transfer", "the last transfer of a settlement is left out", 0},
    {"fault-as-result", "a failed execution is read as its result", 0},
    {"different-for-ever", "the first difference is found by halving, as if the rest differed", 0},
    {"trusted-segment", "a segment claim is admitted unseen", 0},
    {"condemned-together", "a false claim strikes all claims under its root", 0},
    {"first-come", "a window closes with its first claim", 0},
    {"one-slot", "all claims of a type are in one slot", 0},
    {"envelope-in-claim", "the same claim in another envelope is another claim", 0},
    {"padded-tile", "the fast kernel is asked on a tile padded with zeros", 0},
    {"one-backend", "of the backends that are named the fast kernel of one is asked", 0},
    {"never-differs", "the host says that kernel and body agree without running the body", 0},
    {"refused-is-lost", "a wrong opening closes the question as unanswered", 0},
    {"loser-forgotten", "of two guilty sides one is let go", 0},
    {"not-a-so-b", "a side that answered wins because the other is guilty of anything", 0},
    {"no-audit", "nothing is ever audited", 0},
    {"hasty-deadline", "deadlines are a fiftieth of what they are", 0},
    {"own-pairing", "roots meet in their own order", 0},
    {"lost-event", "an event that was answered is not there after a restart", 0},
    {"fresh-salt", "an agent draws a new salt when it is started again", 0},
    {"unread-payload", "a payload is not compared with what its message names", 0},
    {"spared-member", "a root's fall strikes the first of its members only", 0},
    {"late-kernel-unheard", "what a kernel computed late is not listened to", 0},
    /* what they do is never seen in one task, but whoever plays for money finds it */
    {"burn-share-0", "of a lost stake nothing is burned", 1},
    {"audit-rate-0", "with a quorum standing nothing is audited", 1},
    {"winner-keeps-all", "lost stakes and empty slots' rewards go to the first who stands", 1},
    {"early-payout", "rewards are paid before audit and delivery", 1},
    {"undisputed-only", "after a dispute nothing is audited", 1},
    {"free-challenges", "the answers to attention challenges are not checked", 1},
};
const uint32_t sim_plant_count = sizeof sim_plants / sizeof *sim_plants;
static const char *chosen;
static sim_world *watched;

int sim_plant_choose(const char *name)
{
    for (uint32_t k = 0; k < sim_plant_count; k++)
        if (strcmp(sim_plants[k].name, name) == 0) {
            chosen = sim_plants[k].name;
            return 1;
        }
    return 0;
}

int sim_plant_on(void) { return chosen != NULL; }
int sim_leak_on(void)
{
    for (uint32_t k = 0; k < sim_plant_count; k++)
        if (sim_planted(sim_plants[k].name)) return sim_plants[k].leak;
    return 0;
}
void sim_watch(sim_world *w) { watched = w; }
int sim_planted(const char *name) { return chosen && strcmp(chosen, name) == 0; }

/* ---- in the host ------------------------------------------------------------------------- */

/* A claim of this question, by another, has been taken. */
static int came_first(const sim_world *w, const rf_message *m)
{
    for (uint32_t k = 0; k < w->claim_count; k++)
        if (vd_digest_equal(&w->claims[k]->question, &m->question) &&
            memcmp(w->claims[k]->key, m->key, 32) != 0)
            return 1;
    return 0;
}

int sim_host_message(sim_world *w, const rf_event *e)
{
    rf_event x = *e;
    rf_message *m = sim_alloc(w->arena, sizeof *m);
    *m = *e->message;
    if (sim_planted("missing-context")) {
        m->task = w->setup.task;
        m->referee = w->setup.referee;
        x.message = m;
    }
    if (sim_planted("first-come") && m->type == RF_M_SEGMENT && came_first(w, m)) return RF_R_LATE;
    w->payload_bytes += e->size;
    return sim_host_event(w, &x, w->now - (sim_planted("deadline-off-by-one") && w->now ? 1 : 0));
}

/* ---- between the files of the core ------------------------------------------------------- */

/* REAL(type, name, arguments): the function itself, and the wrapper's head. */
#define REAL(type, name, ...)       \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

REAL(void, vd_tagged_hash, const char *tag, const void *payload, size_t size, uint8_t out[32])
{
    __real_vd_tagged_hash(tag, payload, size, out);
    if (sim_planted("own-pairing") && strcmp(tag, "verde/1 pairing") == 0)
        memcpy(out, (const uint8_t *)payload + 2 * VD_DIGEST, VD_DIGEST);
}

void sim_real_hash(const char *tag, const void *payload, size_t size, uint8_t out[VD_DIGEST])
{
    __real_vd_tagged_hash(tag, payload, size, out);
}

REAL(ro_status, rf_game_new, const rf_setup *s, rf_game **out, ro_err *err)
{
    rf_setup other = *s;
    rf_party parties[2];
    if (sim_planted("swapped-pair") && s->party_count == 2) {
        parties[0] = s->parties[1];
        parties[1] = s->parties[0];
        other.parties = parties;
    }
    return __real_rf_game_new(&other, out, err);
}

REAL(vd_digest, rf_commitment, const vd_digest *referee, const vd_digest *task,
     const uint8_t key[32], const vd_digest *root, const vd_digest *salt)
{
    static const uint8_t none[32] = {0};
    return __real_rf_commitment(referee, task, sim_planted("missing-key") ? none : key, root, salt);
}

REAL(ro_status, vd_check_signature, const uint8_t key[32], const void *bytes, size_t n,
     const uint8_t sig[64], ro_err *err)
{
    ro_err why = {RO_OK, {0}};
    if (sim_planted("unsigned")) return RO_OK;
    if (sim_planted("small-keys") && vd_check_key(key, &why)) return RO_OK;
    return sim_check_signature(key, bytes, n, sig, err);
}

REAL(bool, vd_descend_verify, vd_tree_kind kind, uint64_t lo, uint64_t hi, uint32_t depth,
     const uint8_t *hashes, size_t count, const uint8_t expected[32])
{
    if (sim_planted("index-without-hash")) return count == vd_descend_count(lo, hi, depth);
    return __real_vd_descend_verify(kind, lo, hi, depth, hashes, count, expected);
}

REAL(ro_status, rf_operands_hold, const rf_node *n, const rf_question *q, const rf_part *part,
     const uint8_t *bytes, size_t size, int *ok, ro_err *err)
{
    RO_TRY(__real_rf_operands_hold(n, q, part, bytes, size, ok, err));
    if (sim_planted("operands-without-proof")) *ok = 1;
    return RO_OK;
}

REAL(ro_status, rf_settle, const rf_params *p, const rf_outcome *o, rf_transfer *list,
     uint32_t max, uint32_t *count, ro_err *err)
{
    rf_outcome other = *o;
    rf_member members[SIM_AGENTS_MAX];
    if ((sim_planted("undelivered-is-paid") || sim_planted("early-payout")) &&
        o->end == RF_END_UNDELIVERED) {
        memcpy(members, o->members, o->member_count * sizeof *members);
        for (uint32_t k = 0, first = 1; k < o->member_count; k++)
            if (members[k].standing) members[k].delivered = (int)first, first = 0;
        other.members = members;
        other.end = RF_END_SETTLED;
    }
    rf_params terms = *p;
    if (sim_planted("burn-share-0")) terms.burn_ppm = 0;
    ro_status st = __real_rf_settle(&terms, &other, list, max, count, err);
    uint32_t to = RF_NONE;
    for (uint32_t k = 0; !st && k < o->member_count; k++)
        if (o->members[k].standing && to == RF_NONE) to = k;
    for (uint32_t k = 0, n = st ? 0 : *count; k < n; k++) {
        rf_transfer *t = &list[k];
        if (sim_planted("winner-paid-twice") && t->purpose == RF_FOR_REWARD && *count < max) {
            list[*count] = *t;
            list[(*count)++].key++;
            break;
        }
        int lost = t->purpose >= RF_FOR_RERUN && t->purpose <= RF_FOR_REST;
        if (sim_planted("winner-keeps-all") && to != RF_NONE &&
            (lost || t->purpose == RF_FOR_REFUND))
            t->to = (rf_account){RF_ACCOUNT_FREE, to};
        if (sim_planted("burn-nothing") && t->purpose == RF_FOR_BURN && to != RF_NONE) {
            t->purpose = RF_FOR_SHARE;
            t->to = (rf_account){RF_ACCOUNT_FREE, to};
        }
    }
    if (!st && sim_planted("lost-transfer") && *count) --*count;
    return st;
}

/* Halving: where the middle is equal the difference lies behind it, else before. */
REAL(rf_flow, rf_walk_first, rf_pass *p, rf_walk *w)
{
    uint64_t lo = 0, hi = w->n;
    if (!sim_planted("different-for-ever") || w->tree != VD_TREE_STEPS)
        return __real_rf_walk_first(p, w);
    while (hi - lo > 1) {
        uint64_t middle = lo + (hi - lo) / 2;
        RF_FLOW(rf_walk_to(p, w, middle - 1));
        if (vd_digest_equal(&w->hash[0], &w->hash[1])) lo = middle;
        else hi = middle;
    }
    return rf_walk_to(p, w, lo);
}

REAL(ro_status, rf_game_admits, rf_game *g, const rf_question *q, const vd_claim_body *body,
     const void *bytes, size_t n, int *admitted, ro_err *err)
{
    ro_status st = __real_rf_game_admits(g, q, body, bytes, n, admitted, err);
    if (!st && sim_planted("trusted-segment") && body) *admitted = 1;
    return st;
}

REAL(int, rf_game_struck, const rf_game *g, const rf_question *window, uint32_t k)
{
    int struck = __real_rf_game_struck(g, window, k);
    if (sim_planted("condemned-together") && k > 0) struck |= __real_rf_game_struck(g, window, 0);
    return struck;
}

REAL(vd_digest, rf_slot_digest, const rf_message *m)
{
    rf_message other = *m;
    if (sim_planted("one-slot")) memset(&other.slot, 0, sizeof other.slot);
    return __real_rf_slot_digest(&other);
}

REAL(vd_digest, rf_claim_digest, const rf_message *m)
{
    vd_digest d = __real_rf_claim_digest(m);
    if (sim_planted("envelope-in-claim")) d.b[0] ^= (uint8_t)m->request;
    return d;
}

REAL(ro_status, rf_game_offer, rf_game *g, const rf_question *q, const void *bytes, size_t n,
     int *accepted, ro_err *err)
{
    ro_status st = __real_rf_game_offer(g, q, bytes, n, accepted, err);
    if (!st && !*accepted && sim_planted("refused-is-lost") && !rf_is_window(q->kind)) {
        rf_game_cannot(g, q, RF_NONE);
        *accepted = 1;
    }
    return st;
}

REAL(const rf_verdict *, rf_game_verdict, const rf_game *g)
{
    static rf_verdict other;
    const rf_verdict *v = __real_rf_game_verdict(g);
    other = *v;
    if (sim_planted("loser-forgotten") && v->guilty_count == 2) other.guilty_count = 1;
    if (sim_planted("not-a-so-b") && v->guilty_count == 1 && v->kind == RF_STRUCTURE)
        other.guilty[0].party ^= 1;
    return chosen ? &other : v;
}

/* The draw is the server's secret: an owner that plays a task in its mind plays it both ways. */
REAL(int, rf_audit_due, const rf_params *p, uint32_t standing, const vd_digest *draw)
{
    if (sim_planted("no-audit") || sim_planted("early-payout")) return 0;
    if (standing < p->quorum) return __real_rf_audit_due(p, standing, draw);
    if (sim_planted("audit-rate-0")) return 0;
    if (sim_planted("undisputed-only") && watched && watched->disputes) return 0;
    if (!watched || !watched->model) return __real_rf_audit_due(p, standing, draw);
    watched->draw_mattered = 1;
    return watched->drawn;
}

REAL(uint64_t, rf_deadline_ms, const rf_params *p, uint64_t flops, uint64_t bytes)
{
    uint64_t ms = __real_rf_deadline_ms(p, flops, bytes);
    return sim_planted("hasty-deadline") ? ms / 50 : ms;
}

REAL(ro_status, rf_payload_check, const rf_message *m, const void *bytes, size_t n, ro_err *err)
{
    if (sim_planted("unread-payload")) return RO_OK;
    return __real_rf_payload_check(m, bytes, n, err);
}

ro_status sim_real_payload_check(const rf_message *m, const void *bytes, size_t n)
{
    ro_err why = {RO_OK, {0}};
    return __real_rf_payload_check(m, bytes, n, &why);
}

/* strike_root calls it for each member in turn, at one position. */
REAL(ro_status, rf_strike, rf_task *t, uint32_t member, rf_loss lost, uint64_t first, ro_err *err)
{
    uint32_t count;
    const rf_effect *list = rf_task_effects(t, &count);
    int other = 0;
    for (uint32_t k = 0; k < count; k++) other |= list[k].kind == RF_DO_STRIKE;
    if (sim_planted("spared-member") && lost == RF_LOST_VERDICT && other) return RO_OK;
    return __real_rf_strike(t, member, lost, first, err);
}
