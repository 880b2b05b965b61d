/* checks.c - what must hold after every event, and at the end of a task.
 *
 * What this file decides: the invariants V-001 to V-017 of docs/PROTOCOL.md as programs. Each knows
 * the truth from the seed, and nothing of the task but its effects and what it says when asked.
 *
 * Invariants
 *   1. The first violation of a seed is kept, with its sentence; the seed ends there.
 *   2. No check changes the task. */
#include "sim.h"

#include <stdarg.h>

void sim_violation(sim_world *w, const char *format, ...)
{
    va_list args;
    if (w->failed || w->model) return;
    w->failed = 1;
    va_start(args, format);
    vsnprintf(w->sentence, sizeof w->sentence, format, args);
    va_end(args);
    for (char *c = w->sentence; *c; c++) /* it goes into JSON as it is */
        if (*c == '"' || *c == '\\' || *c < ' ') *c = '\'';
}

static sim_agent *agent_of(sim_world *w, const uint8_t key[32])
{
    for (uint32_t k = 0; k < w->agent_count; k++)
        if (memcmp(vd_key_public(w->agents[k].key), key, 32) == 0) return &w->agents[k];
    return NULL;
}

static sim_agent *member_agent(sim_world *w, uint32_t member)
{
    rf_task_member m;
    rf_task_get_member(w->task, member, &m);
    sim_agent *a = agent_of(w, m.key);
    RO_ASSERT(a);
    return a;
}

static int is_true(const sim_world *w, const vd_digest *root)
{
    return vd_digest_equal(root, &w->truth->root);
}

/* ---- money: V-003 ------------------------------------------------------------------------ */

static int64_t *account(sim_world *w, const rf_account *a)
{
    uint32_t owner = 0;
    if (a->kind == RF_ACCOUNT_FREE || a->kind == RF_ACCOUNT_HELD) {
        owner = member_agent(w, a->member)->number;
    }
    return &w->money[a->kind][owner];
}

static void move(sim_world *w, int64_t *from, int64_t *to, int64_t amount)
{
    *from -= amount;
    *to += amount;
    if (amount <= 0 || *from < 0)
        sim_violation(w, "V-003: a transfer of %lld leaves %lld", (long long)amount,
                      (long long)*from);
}

static int64_t all_money(const sim_world *w)
{
    int64_t sum = 0;
    for (int kind = 0; kind <= RF_ACCOUNT_BURN; kind++)
        for (uint32_t k = 0; k <= SIM_AGENTS_MAX; k++) sum += w->money[kind][k];
    return sum;
}

static void hold_stake(sim_world *w, const sim_agent *a, int back)
{
    int64_t *of = &w->money[RF_ACCOUNT_FREE][a->number],
            *held = &w->money[RF_ACCOUNT_HELD][a->number];
    move(w, back ? held : of, back ? of : held, w->setup.params.stake);
}

/* Of lost stakes, half of what is not paid for answers, audit and referee is burned. */
static void check_burn(sim_world *w, const rf_effect *e)
{
    int64_t lost = 0, costs = 0, burned = 0;
    for (uint32_t k = 0; k < e->transfer_count; k++) {
        const rf_transfer *t = &e->transfers[k];
        int from_held = t->from.kind == RF_ACCOUNT_HELD;
        if (t->purpose >= RF_FOR_RERUN && t->purpose <= RF_FOR_REST && from_held) lost += t->amount;
        if (t->purpose >= RF_FOR_RERUN && t->purpose <= RF_FOR_AUDIT && from_held)
            costs += t->amount;
        if (t->purpose == RF_FOR_BURN) burned += t->amount;
    }
    if (burned < (lost - costs) / 2 - (int64_t)w->party_count)
        sim_violation(w, "V-003: of %lld lost and not spent %lld were burned",
                      (long long)(lost - costs), (long long)burned);
}

/* What is not counted when somebody plays for money: answers and delivery are paid what they cost;
 * and what answers and judging took of lost stakes before they were shared. Else it would pay to
 * let a liar answer what both sides were asked, since nobody is paid for that. */
static void note_costs(sim_world *w, const rf_effect *e)
{
    int64_t shared[SIM_AGENTS_MAX] = {0}, all = 0, judging = 0;
    for (uint32_t k = 0; k < e->transfer_count; k++) {
        const rf_transfer *t = &e->transfers[k];
        uint32_t to = 0;
        if (t->to.kind == RF_ACCOUNT_FREE) to = member_agent(w, t->to.member)->number;
        if (t->purpose == RF_FOR_RERUN || t->purpose == RF_FOR_DELIVERY)
            w->at_cost[to] += t->amount;
        if (t->purpose == RF_FOR_RERUN || t->purpose == RF_FOR_REFEREE) judging += t->amount;
        if (t->purpose != RF_FOR_SHARE) continue;
        shared[to] += t->amount;
        all += t->amount;
    }
    judging -= judging * w->setup.params.burn_ppm / (int64_t)RF_PPM;
    for (uint32_t k = 0; all && k < SIM_AGENTS_MAX; k++)
        w->at_cost[k] -= judging * shared[k] / all;
}

/* V-004, V-016: once, at the end, and rewards only for what was delivered. */
static void settle(sim_world *w, const rf_effect *e)
{
    int right_end = w->state == RF_T_SETTLED || w->state == RF_T_REFUNDED;
    if (w->settled++) sim_violation(w, "V-004: a task settles twice");
    for (uint32_t k = 0; k < e->transfer_count && !w->failed; k++) {
        const rf_transfer *t = &e->transfers[k];
        move(w, account(w, &t->from), account(w, &t->to), t->amount);
        if (t->purpose == RF_FOR_REWARD &&
            (!right_end || e->end != RF_END_SETTLED || !w->delivered))
            sim_violation(w, "V-016: a reward is paid before delivery and resolution");
        for (uint32_t i = 0; i < k; i++)
            if (e->transfers[i].key == t->key)
                sim_violation(w, "V-003: two transfers have one key");
    }
    if (all_money(w) != w->total) sim_violation(w, "V-003: money was made or lost");
    for (uint32_t k = 0; k < w->agent_count; k++)
        if (w->money[RF_ACCOUNT_HELD][k])
            sim_violation(w, "V-003: a settled task still holds a stake");
    if (w->money[RF_ACCOUNT_ESCROW][0]) sim_violation(w, "V-003: a settled task holds escrow");
    check_burn(w, e);
    note_costs(w, e);
    w->stats->ends[e->end]++;
}

/* ---- verdicts ---------------------------------------------------------------------------- */

static const rf_message *reveal_of(const sim_world *w, const vd_digest *root)
{
    for (uint32_t k = 0; k < w->agent_count; k++)
        if (w->reveals[k] && vd_digest_equal(&w->reveals[k]->claim.reveal.root, root))
            return w->reveals[k];
    return NULL;
}

static void signer_of(const rf_message *m, rf_signer *s)
{
    const rf_reveal *r = &m->claim.reveal;
    memset(s, 0, sizeof *s);
    s->is_signed = 1;
    memcpy(s->key, m->key, 32);
    memcpy(s->signature, m->type == RF_M_REVEAL ? r->signature : m->claim.segment.signature, 64);
    memcpy(s->backend, m->type == RF_M_REVEAL ? r->backend : m->claim.segment.backend,
           VD_BACKEND_BYTES);
}

static int claim_signer(const sim_world *w, const rf_game *g, uint32_t claim, rf_signer *s)
{
    for (uint32_t k = 0; claim != RF_NONE && k < w->claim_count; k++) {
        vd_digest root = vd_claim_root(&w->claims[k]->claim.segment.body);
        if (!vd_digest_equal(&root, &rf_game_get_claim(g, claim)->root)) continue;
        signer_of(w->claims[k], s);
        return 1;
    }
    memset(s, 0, sizeof *s);
    return claim == RF_NONE;
}

/* For other verifiers: a line with what the file must give, and the file. */
static void hand_out(const sim_world *w, const rf_evidence *e, const uint8_t *bytes, size_t size)
{
    FILE *f = w->options.evidence;
    char hex[3][2 * VD_DIGEST + 1];
    vd_digest_hex(&e->job, hex[0]);
    for (int k = 0; k < 2; k++) vd_digest_hex(&e->roots[k], hex[k + 1]);
#define U(n) ((unsigned long long)(n))
    fprintf(f, "{\"seed\": %llu, \"bytes\": %zu, \"verdict\": {\"job\": \"%s\", "
            "\"roots\": [\"%s\", \"%s\"], \"step\": %llu, \"node\": %u, \"operator\": \"%s\", "
            "\"output\": %u, \"element\": %llu, \"method\": \"%s\", \"part_level\": %u, "
            "\"part_index\": %llu, \"chunks\": %llu, \"claimed\": [%llu, %llu], "
            "\"recomputed\": %llu, \"guilty\": [%s, %s]}}\n", U(w->seed), size, hex[0], hex[1],
            hex[2], U(e->step), e->node, e->op, e->output, U(e->element),
            rf_method_name(e->method), e->part_level, U(e->part_index), U(e->chunks),
            U(e->claimed[0]), U(e->claimed[1]), U(e->recomputed),
            e->guilty[0] ? "true" : "false", e->guilty[1] ? "true" : "false");
#undef U
    fwrite(bytes, 1, size, f);
    if (!ferror(f)) return;
    fprintf(stderr, "verde-sim: evidence cannot be written\n");
    exit(1);
}

/* V-008: the verdict follows from its evidence file and nothing else. */
static void check_evidence(sim_world *w, const rf_effect *e)
{
    rf_game *g = rf_task_game(w->task, e->level, e->pair);
    const rf_verdict *v = e->verdict;
    rf_signer traces[2], claims[2];
    uint32_t sides[2], used[2];
    uint8_t *bytes;
    size_t size;
    rf_evidence again;
    ro_err err = {RO_OK, {0}};
    if (!g || !rf_evidence_sides(g, sides, used)) {
        sim_violation(w, "V-008: a verdict by %s has no evidence", rf_method_name(v->method));
        return;
    }
    for (int k = 0; k < 2; k++) {
        const rf_message *m = reveal_of(w, &e->roots[sides[k]]);
        if (!m || !claim_signer(w, g, used[k], &claims[k])) {
            sim_violation(w, "V-008: nobody signed what was judged");
            return;
        }
        signer_of(m, &traces[k]);
    }
    ro_status st = rf_evidence_write(g, traces, claims, &bytes, &size, &err);
    if (!st) {
        st = rf_evidence_check(bytes, size, &again, &err);
        if (!st && w->options.evidence) hand_out(w, &again, bytes, size);
        ro_free(bytes);
    }
    if (st) {
        sim_violation(w, "V-008: evidence does not verify: %s", err.msg);
        return;
    }
    w->stats->evidence++;
    for (int k = 0; k < 2; k++) {
        int guilty = 0;
        for (uint32_t i = 0; i < v->guilty_count; i++) guilty |= v->guilty[i].party == sides[k];
        if (!v->struck_claims && again.guilty[k] != guilty)
            sim_violation(w, "V-008: evidence and verdict differ about side %d", k);
    }
}

static sim_outcome way_of(const rf_verdict *v)
{
    switch (v->kind) {
    case RF_STEP: return OUT_STEP;
    case RF_STRUCTURE: return OUT_STRUCTURE;
    case RF_INPUTS: return OUT_INPUTS;
    case RF_OUTPUT: return v->method == RF_BY_PARTIAL ? OUT_PARTIAL : OUT_ELEMENT;
    case RF_WITHHELD: return OUT_WITHHELD;
    default: return OUT_FORFEIT;
    }
}

/* The kernel that honest parties ran deviates, and the host has none for now: what is said is only
 * provisional, and must be taken back. */
static int is_in_doubt(const sim_world *w, int provisional)
{
    return provisional && w->faults[FAULT_KERNEL] && w->faults[FAULT_NO_KERNEL];
}

static void note_verdict(sim_world *w, const rf_effect *e)
{
    const rf_verdict *v = e->verdict;
    if (!v) return;
    w->stats->verdicts[v->kind][v->method]++;
    for (uint32_t i = 0; i < v->guilty_count; i++)
        for (uint32_t k = 0; k < w->agent_count; k++)
            if (vd_digest_equal(&w->agents[k].trace->root, &e->roots[v->guilty[i].party]))
                w->fell[k] = way_of(v);
    for (uint32_t k = 0; k < 2; k++) {
        uint32_t side = v->sides[k];
        int guilty = 0;
        for (uint32_t i = 0; i < v->guilty_count; i++) guilty |= v->guilty[i].party == side;
        if (guilty && is_true(w, &e->roots[side]) && w->honest_revealed &&
            !is_in_doubt(w, v->provisional))
            sim_violation(w, "V-001: the true root falls: %s, %s", rf_kind_name(v->kind), v->why);
        /* Of two false claims of a segment both are struck, and a side with another stands. */
        int by_claims = w->job->job->record == VD_RECORD_CHECKPOINT && v->struck_claims > 1;
        if (v->method == RF_BY_ELEMENT && v->claimed[k] != v->recomputed && !guilty && !by_claims)
            sim_violation(w, "V-001: a side that is not what was recomputed is not guilty");
    }
    if (v->guilty_count == 0 && !v->alarm && v->kind != RF_UNDECIDED)
        sim_violation(w, "V-006: a pair has ended without a loser: %s", v->why);
    if (v->kind == RF_UNDECIDED && !v->alarm)
        sim_violation(w, "V-006: online a pair is undecided: %s", v->why);
    if (w->faults[FAULT_WORK_FOR_GOOD] && v->method == RF_BY_ELEMENT && !v->provisional)
        sim_violation(w, "V-011: a verdict by an execution that always fails");
    if (w->faults[FAULT_NO_KERNEL] && v->method == RF_BY_ELEMENT && !v->provisional)
        sim_violation(w, "V-013: condemned by one implementation, and not provisional");
    if (w->faults[FAULT_NO_KERNEL] && v->kind == RF_FORFEIT && v->has_element && !v->provisional)
        sim_violation(w, "V-013: fallen with an element of which no kernel was heard for good");
    if (v->method == RF_BY_ELEMENT || v->method == RF_BY_PARTIAL) {
        uint64_t most = w->job->dear ? RF_EVIDENCE_MAX : RF_PARTIAL_BYTES * 2;
        if (v->bytes_read > most)
            sim_violation(w, "V-007: a verdict read %llu bytes", (unsigned long long)v->bytes_read);
        if (v->kind == RF_OUTPUT && !w->model) check_evidence(w, e);
        uint64_t last = w->job->job->steps - 1;
        w->stats->judged[v->op][v->step == 0 ? 0 : v->step < last ? 1 : 2]++;
    }
}

typedef struct {
    uint32_t n;
    vd_digest roots[SIM_AGENTS_MAX], order[SIM_AGENTS_MAX];
    int stands[SIM_AGENTS_MAX]; /* somebody on it has not lost yet */
} bracket;

/* The distinct roots that parties revealed, ascending, and what they are ordered by. */
static void draw_bracket(const sim_world *w, bracket *b)
{
    vd_digest key[3];
    b->n = 0;
    for (uint32_t k = 0; k < w->party_count; k++) {
        uint32_t i = 0;
        if (!w->reveals[k]) continue;
        const vd_digest *root = &w->reveals[k]->claim.reveal.root;
        while (i < b->n && memcmp(b->roots[i].b, root->b, VD_DIGEST) < 0) i++;
        if (i < b->n && vd_digest_equal(&b->roots[i], root)) continue;
        memmove(&b->roots[i + 1], &b->roots[i], (b->n++ - i) * sizeof *b->roots);
        b->roots[i] = *root;
    }
    key[0] = w->setup.task;
    sim_real_hash("verde/1 roots", b->roots, b->n * VD_DIGEST, key[1].b);
    for (uint32_t k = 0; k < b->n; k++) {
        key[2] = b->roots[k];
        sim_real_hash("verde/1 pairing", key, sizeof key, b->order[k].b);
        b->stands[k] = 0;
        for (uint32_t i = 0; i < w->party_count; i++)
            b->stands[k] |= w->reveals[i] && w->agents[i].lost == RF_LOST_NOTHING &&
                            vd_digest_equal(&w->reveals[i]->claim.reveal.root, &b->roots[k]);
    }
}

/* RF_NONE: no party revealed it (an auditor did). */
static uint32_t place_in(const bracket *b, const vd_digest *root)
{
    uint32_t at = 0, before = 0;
    while (at < b->n && !vd_digest_equal(&b->roots[at], root)) at++;
    if (at == b->n) return RF_NONE;
    for (uint32_t i = 0; i < b->n; i++)
        before += b->stands[i] && memcmp(b->order[i].b, b->order[at].b, VD_DIGEST) < 0;
    return before;
}

/* The pairs of the first level follow from the task and the roots, whoever came first: partners
 * are beside each other in the order. */
static void check_pairing(sim_world *w, const rf_effect *e)
{
    bracket b;
    if (e->level != 0 || w->paired) return;
    w->paired = 1;
    draw_bracket(w, &b);
    const uint32_t at[2] = {place_in(&b, &e->roots[0]), place_in(&b, &e->roots[1])};
    if (at[0] == RF_NONE || at[1] == RF_NONE) return;
    if (at[0] / 2 != at[1] / 2 || at[0] / 2 != e->pair)
        sim_violation(w, "T33: the pair of places %u and %u is not one of the draw", at[0], at[1]);
}

/* ---- effects ----------------------------------------------------------------------------- */

/* V-002, V-012, V-017: who loses a stake, once, and by what it did itself. */
static void check_strike(sim_world *w, const rf_event *e, const rf_effect *x)
{
    sim_agent *a = member_agent(w, x->member);
    rf_task_member m;
    rf_task_get_member(w->task, x->member, &m);
    a->provisional = m.provisional;
    int own = e->kind == RF_EV_MESSAGE && agent_of(w, e->message->key) == a;
    if (a->honest && !is_in_doubt(w, m.provisional)) {
        w->stats->honest_slashed++;
        sim_violation(w, "V-002: honest party %u is struck for %s", a->number,
                      rf_loss_name(x->lost));
    }
    int by_verdict = x->lost == RF_LOST_VERDICT || (x->lost == RF_LOST_FORFEIT && w->job->dear);
    if (w->faults[FAULT_KERNEL] && by_verdict && !is_in_doubt(w, m.provisional))
        sim_violation(w, "V-013: party %u is condemned while two implementations differ",
                      a->number);
    if (a->lost != RF_LOST_NOTHING)
        sim_violation(w, "V-012: party %u is struck twice", a->number);
    if (x->lost == RF_LOST_EQUIVOCATION && !own)
        sim_violation(w, "V-017: party %u equivocates by another's message", a->number);
    if (x->lost == RF_LOST_CLAIM && !a->filed)
        sim_violation(w, "V-017: party %u loses for a claim it did not file", a->number);
    if (x->lost == RF_LOST_NOTHING) sim_violation(w, "a stake is lost for nothing");
    a->lost = x->lost;
}

/* V-013: what was taken provisionally comes back, and nothing else does. */
static void check_return(sim_world *w, const rf_effect *x)
{
    sim_agent *a = member_agent(w, x->member);
    if (a->lost == RF_LOST_NOTHING || !a->provisional)
        sim_violation(w, "V-013: party %u has a stake again that was lost for good", a->number);
    a->lost = RF_LOST_NOTHING;
    a->provisional = 0;
    w->stats->held[HELD_CONTRADICTED]++;
}

static void check_window(sim_world *w, const rf_event *e, uint64_t now)
{
    const rf_message *m = e->message;
    int late = 0;
    if (m->type == RF_M_WORK) late = w->state != RF_T_OPEN;
    if (m->type == RF_M_COMMIT || m->type == RF_M_WITHDRAW) late = w->state != RF_T_COMMIT;
    if (m->type == RF_M_REVEAL && m->role == RF_PROVIDER) late = w->state != RF_T_REVEAL;
    if (m->type <= RF_M_WITHDRAW && m->role == RF_PROVIDER && w->state_deadline &&
        w->now >= w->state_deadline)
        late = 1;
    if (m->type == RF_M_OPENING || m->type == RF_M_SEGMENT || m->type == RF_M_EXPLANATION) {
        late = 1;
        for (uint32_t k = 0; k < w->board_count; k++)
            if (w->board[k].open && w->board[k].kind == RF_DO_ASK &&
                vd_digest_equal(&w->board[k].e.asked, &m->question) &&
                w->now < w->board[k].e.deadline)
                late = 0;
    }
    if (late)
        sim_violation(w, "T28: a %s is taken at %llu, which is not before its deadline",
                      rf_message_type_name(m->type), (unsigned long long)now);
}

static void note_accept(sim_world *w, const rf_event *e, const rf_effect *x, uint64_t now)
{
    const rf_message *m = e->message;
    sim_agent *a = agent_of(w, m->key);
    if (m->key[0] == 1 && vd_all_zero(m->key + 1, 31))
        sim_violation(w, "T09: a key of small order is a member's");
    if (!vd_digest_equal(&m->task, &w->setup.task) ||
        !vd_digest_equal(&m->referee, &w->setup.referee))
        sim_violation(w, "T08: a message of another task or referee is taken");
    if (rf_has_payload(m->type) && sim_real_payload_check(m, e->bytes, e->size))
        sim_violation(w, "T44: a payload is taken that is not what its message names");
    if (!a || x->duplicate) return;
    check_window(w, e, now);
    if (m->type == RF_M_WORK) hold_stake(w, a, 0);
    if (m->type == RF_M_REVEAL) {
        a->revealed = 1;
        w->reveals[a->number] = m;
        if (a->honest && a->role == RF_PROVIDER) w->honest_revealed++;
    }
    if (m->type == RF_M_SEGMENT || m->type == RF_M_EXPLANATION) a->filed = 1;
    if (m->type == RF_M_SEGMENT && w->claim_count < SIM_CLAIMS_MAX) w->claims[w->claim_count++] = m;
    if (m->type == RF_M_CHALLENGE) {
        RO_ASSERT(m->slot.challenge < SIM_CHALLENGES_MAX);
        a->answered |= UINT64_C(1) << m->slot.challenge;
        a->said[m->slot.challenge] = m->claim.challenge;
    }
}

/* V-015: nothing that an honest party says is held against it. */
static void note_refusal(sim_world *w, const rf_event *e, const rf_effect *x)
{
    sim_agent *a = agent_of(w, e->message->key);
    if (!a || !a->honest) return;
    if (!vd_digest_equal(&e->message->task, &w->setup.task)) return; /* brought here by another */
    if (!vd_digest_equal(&e->message->referee, &w->setup.referee)) return;
    /* Inside segment claims a party cannot always tell whose claim a common question is about, nor
     * inside explanations whose part. */
    int may_miss = (e->message->type == RF_M_OPENING && w->job->job->segment) ||
                   e->message->type == RF_M_EXPLANATION;
    if (x->reason == RF_R_CONTENT && may_miss) return;
    if (x->reason == RF_R_CONFLICT || x->reason == RF_R_MISMATCH || x->reason == RF_R_CONTENT ||
        x->reason == RF_R_LIMIT || x->reason == RF_R_CONTEXT)
        sim_violation(w, "V-015: an honest %s is refused: %s",
                      rf_message_type_name(e->message->type), rf_refusal_name(x->reason));
}

static void note_state(sim_world *w, const rf_effect *x, uint64_t now)
{
    if (x->state <= w->state && !(x->state == RF_T_OPEN && w->state == RF_T_OPEN))
        sim_violation(w, "V-005: from %s to %s", rf_task_state_name(w->state),
                      rf_task_state_name(x->state));
    if (x->state > RF_T_REVEAL && !w->reveal_end) w->reveal_end = now;
    if (x->state == RF_T_DISPUTED) w->disputes = 1;
    if (x->state == RF_T_RESOLVED) w->resolved_at = now;
    for (uint32_t k = 0; x->state == RF_T_RESOLVED && k < rf_task_members(w->task); k++) {
        rf_task_member m;
        rf_task_get_member(w->task, k, &m);
        w->standing += m.role == RF_PROVIDER && m.stands;
    }
    w->state = x->state;
    w->state_deadline = x->deadline;
    if (x->state >= RF_T_SETTLED) w->over = 1;
}

static void check_effect(sim_world *w, const rf_event *e, const rf_effect *x, uint64_t now)
{
    switch (x->kind) {
    case RF_DO_STATE: note_state(w, x, now); break;
    case RF_DO_ACCEPT:
        if (e->kind == RF_EV_MESSAGE) note_accept(w, e, x, now);
        break;
    case RF_DO_REFUSE:
        if (e->kind == RF_EV_MESSAGE) note_refusal(w, e, x);
        break;
    case RF_DO_RELEASE: hold_stake(w, member_agent(w, x->member), 1); break;
    case RF_DO_PUBLISH:
        if (w->state < RF_T_REVEAL || (w->state == RF_T_REVEAL && w->state_deadline > w->now))
            sim_violation(w, "T05: reveals are published before their window has ended");
        break;
    case RF_DO_ASK:
        check_pairing(w, x);
        if (x->level != w->pair_now[0] || x->pair != w->pair_now[1]) w->pair_questions = 0;
        w->pair_now[0] = x->level;
        w->pair_now[1] = x->pair;
        w->pair_questions++;
        if (w->pair_questions > w->pair_questions_most) w->pair_questions_most = w->pair_questions;
        if (x->deadline < now + w->setup.params.base_ms)
            sim_violation(w, "T27: a question has a deadline of less than the base time");
        break;
    case RF_DO_VERDICT: note_verdict(w, x); break;
    case RF_DO_STRIKE: check_strike(w, e, x); break;
    case RF_DO_AUDIT: w->audit_asked = 1; break;
    case RF_DO_SETTLE: settle(w, x); break;
    case RF_DO_ALARM: w->alarm = 1; break;
    case RF_DO_RETURN: check_return(w, x); break;
    case RF_DO_STAND:
        w->stats->held[e->kind == RF_EV_WORK ? HELD_CONFIRMED : HELD_STOOD]++;
        if (w->faults[FAULT_KERNEL])
            sim_violation(w, "V-013: a verdict stands that the condemned kernel contradicts");
        break;
    default: break;
    }
}

void sim_check_event(sim_world *w, const rf_event *e, uint64_t now)
{
    uint32_t count;
    rf_task_counts c;
    const rf_effect *list = rf_task_effects(w->task, &count);
    if (e->kind == RF_EV_DELIVERED && w->state == RF_T_RESOLVED) w->delivered = 1;
    for (uint32_t k = 0; k < count && !w->failed; k++) check_effect(w, e, &list[k], now);
    rf_task_get_counts(w->task, &c);
    uint64_t claims = (uint64_t)c.roots + c.claims + c.explanations;
    /* An auditor may bring a root again that fell provisionally: its pair is judged again. */
    if (is_in_doubt(w, 1)) claims += (uint64_t)c.audited;
    if (c.recomputed > (claims ? claims - 1 : 0))
        sim_violation(w, "V-007: %llu recomputations for %llu claims",
                      (unsigned long long)c.recomputed, (unsigned long long)claims);
    for (uint32_t k = 0; k < rf_task_members(w->task) && !w->failed; k++) {
        rf_task_member m;
        rf_task_get_member(w->task, k, &m);
        const sim_agent *a = agent_of(w, m.key);
        if (!a) sim_violation(w, "a member is nobody");
        else if (a->lost != m.lost) sim_violation(w, "V-012: a member's loss changes unsaid");
        if (a && a->honest && m.lost != RF_LOST_NOTHING && !is_in_doubt(w, m.provisional))
            sim_violation(w, "V-002: honest party %u has lost its stake", a->number);
    }
}

/* ---- the end ----------------------------------------------------------------------------- */

static void check_root(sim_world *w)
{
    vd_digest root;
    rf_task_counts c;
    rf_task_get_counts(w->task, &c);
    int has = rf_task_root(w->task, &root);
    if (has && !is_true(w, &root) && (w->honest_revealed || c.audited)) {
        w->stats->wrong_accepted++;
        sim_violation(w, "V-001: a wrong root is accepted");
    }
    if (!has && w->honest_revealed && !w->faults[FAULT_KERNEL] && !w->faults[FAULT_WORK_FOR_GOOD])
        sim_violation(w, "V-001: an honest party revealed, and no root is accepted (%s)",
                      rf_end_name(rf_task_end(w->task)));
    for (uint32_t k = 0; has && k < rf_task_members(w->task); k++) {
        rf_task_member m;
        rf_task_get_member(w->task, k, &m);
        if (m.stands && !vd_digest_equal(&m.root, &root))
            sim_violation(w, "a member stands on a root that was not accepted");
    }
    if (has && w->standing < w->setup.params.quorum && !w->audit_asked)
        sim_violation(w, "T65: %u stand, fewer than the quorum, and nobody audits", w->standing);
    if (c.audited) w->stats->audits++;
}

/* V-006: no dispute lasts longer than the bound that the task gives. */
static void check_bound(sim_world *w)
{
    rf_task_counts c;
    rf_task_get_counts(w->task, &c);
    if (!w->resolved_at || w->faults[FAULT_WORK] || w->faults[FAULT_WORK_FOR_GOOD]) return;
    uint64_t bound = rf_task_bound_ms(&w->setup.params, c.roots, w->agent_count,
                                      w->pair_questions_most + 2);
    uint64_t audits = SIM_AUDITORS * (w->setup.params.commit_ms + w->setup.params.reveal_ms + 2);
    uint64_t work = 64 * w->setup.params.base_ms; /* of the host's own */
    if (w->resolved_at - w->reveal_end > bound + audits + work + w->slack_ms)
        sim_violation(w, "V-006: a dispute took %llu ms; its bound is %llu",
                      (unsigned long long)(w->resolved_at - w->reveal_end),
                      (unsigned long long)bound);
}

/* V-009: the log alone, from the beginning and without a crash, gives the task as it is. */
static void check_replay(sim_world *w)
{
    rf_task *again = NULL;
    uint8_t *a = NULL, *b = NULL;
    size_t n = 0, m = 0;
    ro_err err = {RO_OK, {0}};
    must(rf_task_new(&w->setup, 0, &again, &err), &err);
    for (uint32_t k = 0; k < w->log_count; k++)
        must(rf_task_event(again, &w->log[k].e, w->log[k].now, &err), &err);
    must(rf_task_save(again, &a, &n, &err), &err);
    must(rf_task_save(w->task, &b, &m, &err), &err);
    if (n != m || memcmp(a, b, n) != 0)
        sim_violation(w, "V-009: the log replayed gives another state");
    uint64_t most = 65536 + (uint64_t)rf_task_members(w->task) * 65536; /* V-010 */
    if (m > most + w->payload_bytes)
        sim_violation(w, "V-010: a state has %zu bytes", m);
    ro_free(a);
    ro_free(b);
    rf_task_free(again);
}

static sim_outcome outcome_of(sim_world *w, const sim_agent *a)
{
    rf_task_member m;
    uint32_t k = rf_task_find(w->task, vd_key_public(a->key));
    if (k == RF_NONE) return OUT_NO_MEMBER;
    rf_task_get_member(w->task, k, &m);
    switch (m.lost) {
    case RF_LOST_NO_REVEAL: return OUT_NO_REVEAL;
    case RF_LOST_EQUIVOCATION: return OUT_EQUIVOCATION;
    case RF_LOST_ATTENTION: return OUT_ATTENTION;
    case RF_LOST_CLAIM: return OUT_CLAIM;
    case RF_LOST_VERDICT:
    case RF_LOST_FORFEIT:
    case RF_LOST_WITHHELD: return w->fell[a->number];
    default: break;
    }
    if (!m.assigned) return OUT_NO_MEMBER;
    if (m.stage == RF_STAGE_CLAIMED || m.stage == RF_STAGE_WITHDRAWN) return OUT_FEE;
    return rf_task_end(w->task) == RF_END_REFUNDED ? OUT_REFUND : OUT_STANDS;
}

void sim_check_end(sim_world *w)
{
    if (!w->failed && !w->over) sim_violation(w, "V-006: the task never ends");
    if (!w->failed && w->settled != 1)
        sim_violation(w, "V-004: a task ends and settles %d times", w->settled);
    if (!w->failed) check_root(w);
    if (!w->failed) check_bound(w);
    if (!w->failed) check_replay(w);
    for (uint32_t k = 0; !w->failed && k < rf_task_members(w->task); k++) {
        rf_task_member m;
        rf_task_get_member(w->task, k, &m);
        if (m.provisional || (member_agent(w, k)->honest && m.lost != RF_LOST_NOTHING))
            sim_violation(w, "V-013: a task ends while a loss of party %u is in doubt",
                          member_agent(w, k)->number);
    }
    for (uint32_t k = 0; !w->failed && k < w->party_count; k++) {
        const sim_agent *a = &w->agents[k];
        int64_t less = w->funded[k] - w->money[RF_ACCOUNT_FREE][k];
        if (a->honest &&
            less > (rf_task_end(w->task) == RF_END_UNDELIVERED ? w->setup.params.fee : 0))
            sim_violation(w, "V-002: an honest party is %lld poorer", (long long)less);
        if (!a->strategy) continue;
        sim_outcome way = outcome_of(w, a);
        if (a->owned) {
            w->stats->rational_out[way][!w->model]++;
            continue;
        }
        w->stats->outcomes[a->strategy - sim_strategies][way]++;
        if (a->strategy->plays & (PLAY_COPY_COMMIT | PLAY_COPY_REVEAL) && way == OUT_STANDS)
            sim_violation(w, "T02: who copied stands");
    }
}
