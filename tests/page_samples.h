/* page_samples.h - made-up contents of pages whose figures agree: a ledger that adds up,
 * tasks in every state, and disputes whose digests are made of the leaves that differ. */
#ifndef PAGE_SAMPLES_H
#define PAGE_SAMPLES_H
#include <stdlib.h>
#include <string.h>

#include "../server/page/page.h"

#define PS_CREDIT INT64_C(1000000)
#define PS_NOW UINT64_C(1795269731000) /* 21 November 2026, 14:02:11 */
#define PS_DAY UINT64_C(86400000)

static inline vd_digest ps_digest(const char *what, uint64_t a, uint64_t b)
{
    char text[96];
    vd_digest d;
    const int n = snprintf(text, sizeof text, "%s %llu %llu", what, (unsigned long long)a,
                           (unsigned long long)b);
    vd_tagged_hash("page samples", text, (size_t)n, d.b);
    return d;
}

static inline sv_page_who ps_who(const char *name)
{
    return (sv_page_who){name, ps_digest(name, 0, 0), 1};
}

static inline sv_page_frame ps_frame(void)
{
    sv_page_frame f = {PS_NOW, "0.1.0", "http://127.0.0.1:8321", {{0}}, 4108, {{0}}, NULL, "", 0};
    f.referee = ps_digest("referee", 0, 0);
    f.head = ps_digest("head", 0, 0);
    return f;
}

/* ---- the overview ------------------------------------------------------------------------ */

static const char *const ps_names[5] = {"alder", "birch", "cedar", "hazel", "rowan"};

typedef struct {
    sv_page_index page;
    sv_page_who who[5];
    sv_page_task_line tasks[9];
    sv_page_dispute_line disputes[3];
    sv_page_provider_line providers[5];
    sv_page_check checks[5];
} ps_index;

static inline sv_page_task_line ps_task_line(const ps_index *s, uint32_t k)
{
    static const struct { const char *name, *what; rf_task_state state; int disputed; } rows[9] = {
        {"mobilenet-eval", "inference, 200 steps", RF_T_OPEN, 0},
        {"smollm2-generate", "generation, 256 steps", RF_T_COMMIT, 0},
        {"fashion-mnist-mlp", "training, 937 steps", RF_T_REVEAL, 0},
        {"char-lm-adamw", "training, 1,200 steps", RF_T_DISPUTED, 1},
        {"minilm-embed", "inference, 48 steps", RF_T_FINAL, 0},
        {"fashion-mnist-cnn", "training, 937 steps", RF_T_SETTLED, 1},
        {"fashion-mnist-mlp", "training, 937 steps", RF_T_SETTLED, 0},
        {"silero-vad", "inference, 64 steps", RF_T_AGREED, 0},
        {"vad-large", "inference, 64 steps", RF_T_REFUNDED, 1}};
    sv_page_task_line t;
    memset(&t, 0, sizeof t);
    t.id = ps_digest("task", k, 0);
    t.name = rows[k].name;
    t.what = rows[k].what;
    t.state = rows[k].state;
    t.end = t.state == RF_T_REFUNDED ? RF_END_REFUNDED : RF_END_SETTLED;
    t.disputed = rows[k].disputed;
    t.deadline_ms = PS_NOW + 60000 * (k + 3);
    t.changed_ms = PS_NOW - (k < 6 ? 61000 * (k + 1) : PS_DAY);
    t.members = (sv_page_crowd){s->who, 3};
    t.slots = 3;
    t.claimed = t.state == RF_T_OPEN ? 1 : 3;
    t.committed = t.state == RF_T_COMMIT ? 2 : 3;
    t.revealed = t.state == RF_T_REVEAL ? 2 : 3;
    t.standing = t.disputed ? 2 : 3;
    t.roots = t.disputed ? 2 : 1;
    t.dispute = t.disputed ? 1 : 0;
    t.outcome = t.state == RF_T_SETTLED && t.disputed ? "cedar wrong at step 412" : NULL;
    t.escrow = 9 * PS_CREDIT;
    t.paid = t.state == RF_T_REFUNDED ? 0 : t.disputed ? 6 * PS_CREDIT : 9 * PS_CREDIT;
    return t;
}

static inline void ps_disputes(ps_index *s)
{
    for (uint32_t k = 0; k < 3; k++) {
        sv_page_dispute_line *d = &s->disputes[k];
        d->task = ps_digest("task", k == 0 ? 3 : k == 1 ? 5 : 8, 0);
        d->name = k == 0 ? "char-lm-adamw" : k == 1 ? "fashion-mnist-cnn" : "vad-large";
        d->number = 1;
        d->at_ms = PS_NOW - 1000 * (k + 1) * (k == 2 ? 86400 : 60);
        d->sides[0] = (sv_page_crowd){s->who, 2};
        d->sides[1] = (sv_page_crowd){s->who + 2, 1};
        d->state = (sv_page_dispute_state)k;
        d->verdict = k == 0 ? "open" : k == 1 ? "cedar wrong" : "undecided";
        d->where = k == 1 ? "output: step 412, node 37 Conv, element [14, 3, 1, 2]"
                   : k == 0 ? "both re-run steps 600 to 649" : "the referee could not finish";
        d->recomputed = k == 1;
    }
}

static inline ps_index *ps_index_new(void)
{
    static const sv_page_check checks[5] = {
        {"Money is conserved", "difference 0.000000 over 1,299 transfers, checked in each", 1},
        {"Writes are durable", "slowest commit in the last minute 4.1 ms", 1},
        {"Disk", "23.6 GiB free of 40 GiB", 1},
        {"Event log", "hash chain whole, head signed", 1},
        {"Oldest open dispute", "9 min 9 s; must end by 14:51", 1}};
    ps_index *s = calloc(1, sizeof *s);
    for (uint32_t k = 0; k < 5; k++) {
        s->who[k] = ps_who(ps_names[k]);
        s->providers[k] = (sv_page_provider_line){
            s->who[k], k % 2 ? "cpu AVX-512" : "", (341 - 30 * k) * PS_CREDIT + 500000,
            k == 2 ? 0 : 60 * PS_CREDIT, 60 + k, k == 2 ? 2 : 0, PS_NOW - 4000 * (k + 1)};
    }
    ps_disputes(s);
    memcpy(s->checks, checks, sizeof checks);
    s->page.tasks = s->tasks;
    s->page.task_count = 9;
    s->page.task_total = 131;
    for (uint32_t k = 0; k < 9; k++) {
        s->tasks[k] = ps_task_line(s, k);
        s->page.by_state[s->tasks[k].state]++;
    }
    for (uint32_t k = 0; k < SV_PAGE_DAYS; k++) s->page.settled[k] = k * 7 % 5 + 1;
    s->page.disputes = s->disputes;
    s->page.dispute_count = 3;
    s->page.disputes_open = s->page.disputes_decided = s->page.disputes_undecided = 1;
    s->page.recomputed = 1;
    s->page.providers = s->providers;
    s->page.provider_count = 5;
    s->page.checks = s->checks;
    s->page.check_count = 5;
    s->page.transfers = 1299;
    s->page.older = "/?before=122";
    return s;
}

/* ---- a task ------------------------------------------------------------------------------ */

typedef struct {
    ps_index *index;
    sv_page_task page;
    sv_page_member members[3];
    sv_page_task_dispute dispute;
    sv_page_cost costs[2];
    sv_page_file files[3];
    sv_page_property job[5];
} ps_task;

static inline void ps_members(ps_task *s)
{
    const sv_page_task_line *t = &s->page.line;
    for (uint32_t k = 0; k < 3; k++) {
        sv_page_member *m = &s->members[k];
        const int bad = t->disputed && k == 2 && t->state == RF_T_SETTLED;
        m->who = s->index->who[k];
        m->role = RF_PROVIDER;
        m->stage = t->state > RF_T_REVEAL ? RF_STAGE_REVEALED : RF_STAGE_COMMITTED;
        m->lost = bad ? RF_LOST_VERDICT : RF_LOST_NOTHING;
        m->has_root = t->state > RF_T_REVEAL;
        m->has_commitment = t->state >= RF_T_COMMIT && k < t->committed;
        m->claim = t->disputed && k == 2;
        m->root = ps_digest("root", m->claim, 0);
        m->commitment = ps_digest("commitment", k, 0);
        m->committed_ms = m->has_commitment ? PS_NOW - 900000 + 60000 * k : 0;
        m->revealed_ms = m->has_root ? PS_NOW - 600000 + 20000 * k : 0;
        m->stake = 20 * PS_CREDIT;
        m->received = t->state != RF_T_SETTLED || bad ? 0 : 3 * PS_CREDIT;
    }
    s->page.members = s->members;
    s->page.member_count = t->claimed;
}

static inline ps_task *ps_task_new(uint32_t row)
{
    static const char *const notes[] = {"by nordlys", "3 of 3 claimed", "3 of 3 committed",
                                        "1 root", "2 roots", "to be delivered", "8 min to object",
                                        "9 transfers", "escrow returned"};
    static const sv_page_property job[5] = {
        {"Job digest", "4c5d27e0a83c1df5862e1cb33b4cf11a9a98c9d9e653a0daaddf35eb48e6afb2", 1},
        {"Kind", "training, 937 steps of 51 nodes", 0},
        {"Recording", "full", 1},
        {"Terms", "3 providers, reward 3.00 each, stake 20.00 each", 0},
        {"Client", "nordlys", 0}};
    ps_task *s = calloc(1, sizeof *s);
    s->index = ps_index_new();
    s->page.line = s->index->tasks[row];
    s->page.client = (sv_page_who){"nordlys", {{0}}, 0};
    for (uint32_t k = 0; k <= RF_T_REFUNDED; k++) s->page.moments[k].note = notes[k];
    for (uint32_t k = 0; k <= s->page.line.state; k++) {
        const int skipped = k == RF_T_AGREED ? s->page.line.disputed
                            : k == RF_T_DISPUTED && !s->page.line.disputed;
        if (!skipped) s->page.moments[k].at_ms = PS_NOW - 60000 * (20 - k);
    }
    ps_members(s);
    s->dispute = (sv_page_task_dispute){1, s->page.line.outcome ? "cedar wrong" : "open",
                                        "output: step 412, node 37 Conv", !s->page.line.outcome};
    s->page.disputes = &s->dispute;
    s->page.dispute_count = (uint32_t)s->page.line.disputed;
    const int over = s->page.line.state == RF_T_SETTLED;
    s->costs[0] = (sv_page_cost){"to alder", 3 * PS_CREDIT};
    s->costs[1] = (sv_page_cost){"to birch", 3 * PS_CREDIT};
    s->page.costs = s->costs;
    s->page.cost_count = over ? 2 : 0;
    s->page.returned = s->page.line.escrow - s->page.line.paid;
    s->files[0] = (sv_page_file){"job", "as submitted", "/v1/tasks/x/job", 1204, {{0}}, 1};
    s->files[1] = (sv_page_file){"result", "outputs and last state", "/v1/tasks/x/result/bytes",
                                 862232, {{0}}, 0};
    s->page.files = (sv_page_files){s->files, over ? 2 : 1};
    memcpy(s->job, job, sizeof job);
    s->page.job = (sv_page_properties){s->job, 5};
    s->page.transfers = 9;
    return s;
}

static inline void ps_task_free(ps_task *s)
{
    free(s->index);
    free(s);
}

/* ---- a dispute --------------------------------------------------------------------------- */

/* From the leaves that differ, ascending, down to the first: a digest of a range is made of what it
 * holds, so sides agree on a range exactly when no leaf in it differs. */
static inline vd_digest ps_range(const char *what, int side, uint64_t lo, uint64_t hi,
                                 const uint64_t *unlike, uint32_t count)
{
    uint64_t mine = 0;
    for (uint32_t k = 0; k < count; k++) mine += unlike[k] >= lo && unlike[k] < hi;
    return ps_digest(what, lo << 20 ^ hi, side && mine ? mine : 0);
}

static inline void ps_descend(sv_descent *d, const char *what, uint64_t n, uint64_t first,
                              const uint64_t *unlike, uint32_t count, uint8_t *compared)
{
    uint64_t lo = 0, hi = n;
    memset(d, 0, sizeof *d);
    d->what = what;
    d->n = n;
    d->first = first;
    while (hi - lo > 1) {
        sv_halving *c = &d->halvings[d->count++];
        uint64_t k = 1;
        while (2 * k < hi - lo) k *= 2;
        c->lo = lo;
        c->hi = hi;
        c->mid = lo + k;
        for (int side = 0; side < 2; side++)
            c->left[side] = ps_range(what, side, lo, c->mid, unlike, count);
        c->differs = !vd_digest_equal(&c->left[0], &c->left[1]);
        if (c->differs) hi = c->mid;
        else lo = c->mid;
    }
    d->found = 1;
    d->leaf = lo;
    for (int side = 0; side < 2; side++)
        d->digest[side] = ps_range(what, side, lo, lo + 1, unlike, count);
    if (!compared) return;
    for (uint64_t k = 0; k < n; k++) compared[k] = SV_EQUAL;
    for (uint32_t k = 0; k < count; k++) compared[unlike[k]] = SV_UNLIKE;
    d->compared = compared;
    d->known = n;
}

typedef struct {
    sv_page_who who[5];
    sv_page_dispute page;
    rf_verdict verdict;
    uint8_t nodes[1024], chunks[4096], unlike[VD_CHUNK_BYTES];
    uint32_t inputs[2], uses[1];
    sv_page_file files[2];
    sv_page_difference differences[3];
    char index[192];
} ps_dispute;

/* Sizes: steps, nodes; where they first differ; the result's type and element. */
typedef struct {
    uint64_t steps, step;
    uint32_t nodes, node;
    ro_type type;
    uint64_t element;
} ps_shape;

static inline ps_shape ps_usual(void)
{
    return (ps_shape){937, 412, 51, 37, ro_type_of(RO_F32, 4, (int64_t[]){32, 16, 5, 5}),
                      14 * 400 + 3 * 25 + 1 * 5 + 2};
}

static inline void ps_element(ps_dispute *s, const ps_shape *x)
{
    const uint32_t size = ro_dtypes[x->type.dtype].size, each = VD_CHUNK_BYTES / size;
    const uint64_t all = ro_type_elements(&x->type), chunk = x->element / each;
    const uint64_t left = all - chunk * each;
    const uint64_t n = vd_tensor_chunks(&x->type);
    sv_page_dispute *p = &s->page;
    ps_descend(&p->chunks, "chunk", n, 0, &chunk, 1, n <= sizeof s->chunks ? s->chunks : NULL);
    p->type = x->type;
    p->element_count = (uint32_t)(left < each ? left : each);
    p->element = (uint32_t)(x->element % each);
    s->unlike[p->element] = 1;
    if (p->element + 70 < p->element_count) s->unlike[p->element + 70] = 1;
    p->unlike = s->unlike;
    uint64_t e = x->element, at[RO_RANK_MAX];
    int m = snprintf(s->index, sizeof s->index, "[");
    for (uint32_t k = x->type.rank; k-- > 0; e /= (uint64_t)x->type.dims[k])
        at[k] = e % (uint64_t)x->type.dims[k];
    for (uint32_t k = 0; k < x->type.rank; k++)
        m += snprintf(s->index + m, sizeof s->index - (size_t)m, "%s%llu", k ? ", " : "",
                      (unsigned long long)at[k]);
    snprintf(s->index + m, sizeof s->index - (size_t)m, "]");
    p->index = s->index;
    p->has_values = p->has_recomputed = 1;
    p->value_type = x->type.dtype;
    const uint64_t mask = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
    p->values[0] = p->recomputed = UINT64_C(0x3fe5f14a3d2f8a11) & mask;
    p->values[1] = p->values[0] ^ 0x40;
}

static inline void ps_evidence(ps_dispute *s)
{
    sv_page_dispute *p = &s->page;
    s->files[0] = (sv_page_file){"evidence", "signed roots, proofs, 28 chunks",
                                 "/v1/tasks/x/disputes/1/evidence", 118964,
                                 ps_digest("evidence", 0, 0), 1};
    s->files[1] = (sv_page_file){"transcript", "every accepted answer, in order",
                                 "/v1/tasks/x/disputes/1/transcript", 524288, {{0}}, 0};
    p->files = (sv_page_files){s->files, 2};
    p->evidence = "/v1/tasks/x/disputes/1/evidence";
}

static inline ps_dispute *ps_dispute_new(const ps_shape *x)
{
    ps_dispute *s = calloc(1, sizeof *s);
    sv_page_dispute *p = &s->page;
    uint64_t steps[1] = {x->step}, nodes[2] = {x->node, x->node + 8};
    for (uint32_t k = 0; k < 5; k++) s->who[k] = ps_who(ps_names[k]);
    p->task = ps_digest("task", 5, 0);
    p->name = "fashion-mnist-cnn";
    p->number = p->of = 1;
    p->sides[0] = (sv_page_crowd){s->who, 2};
    p->sides[1] = (sv_page_crowd){s->who + 2, 1};
    p->roots[0] = ps_digest("root", 0, 0);
    p->roots[1] = ps_digest("root", 1, 0);
    p->job = ps_digest("job", 0, 0);
    p->steps_total = x->steps;
    p->guilty[1] = 1;
    p->state = SV_DISPUTE_DECIDED;
    ps_descend(&p->steps, "step", x->steps, 0, steps, 1, NULL);
    ps_descend(&p->nodes, "node", x->nodes, 0, nodes, x->node + 8 < x->nodes ? 2 : 1,
               x->nodes <= sizeof s->nodes ? s->nodes : NULL);
    p->op = "Conv";
    p->op_version = 1;
    if (x->node >= 5) {
        s->inputs[0] = x->node - 5;
        s->inputs[1] = x->node - 4;
        p->input_count = 2;
    }
    s->uses[0] = x->node + 8;
    p->use_count = p->use_total = x->node + 8 < x->nodes;
    p->inputs = s->inputs;
    p->uses = s->uses;
    ps_element(s, x);
    rf_verdict *v = &s->verdict;
    v->kind = RF_OUTPUT;
    v->method = RF_BY_ELEMENT;
    v->has_step = v->has_node = v->has_element = v->has_value = 1;
    v->step = x->step;
    v->node = x->node;
    v->op = RO_OP_Conv;
    v->type = x->type;
    v->element = x->element;
    snprintf(v->why, sizeof v->why, "the element is not what its operator gives");
    p->verdict = v;
    p->bytes_read = 114688;
    p->recomputed_count = 1;
    p->questions = 14;
    p->reads = 26;
    p->job_flops = UINT64_C(1050588000000);
    p->element_flops = 25088;
    p->opened_ms = PS_NOW - 240000;
    p->ended_ms = PS_NOW - 239962;
    p->stake = 20 * PS_CREDIT;
    p->waiting = "";
    ps_evidence(s);
    return s;
}

/* The same, that came only so far: 0 nothing, 1 steps, 2 nodes, 3 chunks. */
static inline ps_dispute *ps_dispute_open(const ps_shape *x, int stages)
{
    ps_dispute *s = ps_dispute_new(x);
    sv_page_dispute *p = &s->page;
    p->state = SV_DISPUTE_OPEN;
    p->verdict = NULL;
    p->guilty[1] = 0;
    p->waiting = "birch and cedar";
    p->deadline_ms = PS_NOW + 900000;
    p->ended_ms = 0;
    p->evidence = NULL;
    p->has_recomputed = p->has_values = 0;
    p->recomputed_count = 0;
    p->unlike = NULL;
    if (stages < 3) memset(&p->chunks, 0, sizeof p->chunks);
    if (stages < 2) memset(&p->nodes, 0, sizeof p->nodes);
    if (stages < 1) {
        p->steps.found = 0;
        p->steps.count = 0;
    }
    return s;
}

/* The node is of another program, or has read something else. */
static inline ps_dispute *ps_dispute_about_node(const ps_shape *x, rf_kind kind)
{
    ps_dispute *s = ps_dispute_new(x);
    sv_page_dispute *p = &s->page;
    memset(&p->chunks, 0, sizeof p->chunks);
    p->unlike = NULL;
    p->has_values = p->has_recomputed = 0;
    p->recomputed_count = 0;
    p->evidence = NULL;
    s->verdict.kind = kind;
    s->verdict.method = RF_BY_NONE;
    s->verdict.has_element = s->verdict.has_value = 0;
    snprintf(s->verdict.why, sizeof s->verdict.why, "an input is not what was put out for it");
    s->differences[0] = (sv_page_difference){"descriptor", {"7849f7aa2bc128a1", "7849f7aa2bc128a1"},
                                             kind == RF_STRUCTURE};
    s->differences[1] = (sv_page_difference){"input 0", {"948c569c24728f6e", "0a6a54d5e9e1ad3a"},
                                             kind == RF_INPUTS};
    if (kind == RF_STRUCTURE) s->differences[0].says[1] = "4be900bdc0ffee00";
    p->differences = s->differences;
    p->difference_count = 2;
    return s;
}

static inline ps_dispute *ps_dispute_undecided(const ps_shape *x)
{
    ps_dispute *s = ps_dispute_open(x, 2);
    sv_page_dispute *p = &s->page;
    p->state = SV_DISPUTE_UNDECIDED;
    p->waiting = "";
    p->faulted = 1;
    p->ended_ms = PS_NOW;
    p->verdict = &s->verdict;
    s->verdict.kind = RF_UNDECIDED;
    s->verdict.method = RF_BY_NONE;
    s->verdict.has_element = s->verdict.has_value = 0;
    snprintf(s->verdict.why, sizeof s->verdict.why, "two implementations of the referee differ");
    return s;
}

static inline ps_dispute *ps_dispute_both_wrong(const ps_shape *x)
{
    ps_dispute *s = ps_dispute_new(x);
    s->page.guilty[0] = 1;
    s->page.recomputed ^= 0x10000;
    return s;
}

/* ---- a provider -------------------------------------------------------------------------- */

typedef struct {
    ps_index *index;
    sv_page_provider page;
    sv_point points[40], marks[2];
    sv_page_slash slashes[2];
    sv_page_provider_task tasks[6];
    sv_page_property identity[3];
} ps_provider;

static inline ps_provider *ps_provider_new(uint32_t who)
{
    static const sv_page_property identity[3] = {
        {"Key", "4be900bd84d76e1c24fe0a6a54d5e9e1ad3a06f9dccb244f9edde7f85ccba617", 1},
        {"Backend", "cpu AVX2", 0}, {"Joined", "22 Oct 2026", 0}};
    ps_provider *s = calloc(1, sizeof *s);
    int64_t amount = 160 * PS_CREDIT;
    s->index = ps_index_new();
    s->page.line = s->index->providers[who];
    const uint32_t slashed = s->page.line.slashed;
    for (uint32_t k = 0; k < 40; k++) {
        const int falls = slashed && (k == 20 || k == 39);
        amount += falls ? -20 * PS_CREDIT : 2 * PS_CREDIT + 250000;
        s->points[k] = (sv_point){PS_NOW - PS_DAY * 30 + PS_DAY * 3 / 4 * k, amount};
        if (falls) s->marks[k == 39] = (sv_point){s->points[k].ms, -20 * PS_CREDIT};
    }
    s->page.history = (sv_history){s->page.line.who.name, s->points, s->marks, 40, slashed,
                                   PS_NOW - PS_DAY * 30, PS_NOW};
    for (uint32_t k = 0; k < slashed; k++)
        s->slashes[k] = (sv_page_slash){
            ps_digest("task", 5 + k, 0), k ? "silero-vad" : "fashion-mnist-cnn", "training",
            k ? 0 : 1, k ? RF_LOST_NO_REVEAL : RF_LOST_VERDICT,
            k ? "" : "step 412, node 37 Conv, element [14, 3, 1, 2]", s->marks[1 - k].ms,
            20 * PS_CREDIT, 10 * PS_CREDIT, k ? 10 * PS_CREDIT : 5 * PS_CREDIT,
            k ? 0 : 5 * PS_CREDIT};
    s->page.slashes = s->slashes;
    s->page.slash_count = slashed;
    for (uint32_t k = 0; k < 6; k++)
        s->tasks[k] = (sv_page_provider_task){
            ps_digest("task", k, 0), s->index->tasks[k].name, s->index->tasks[k].what,
            RF_T_SETTLED, k == 0 && slashed ? RF_LOST_VERDICT : RF_LOST_NOTHING,
            k == 0 && slashed ? -20 * PS_CREDIT : 3 * PS_CREDIT, PS_NOW - PS_DAY * k};
    s->page.tasks = s->tasks;
    s->page.task_count = 6;
    s->page.task_total = s->page.line.tasks;
    s->page.paid = s->page.line.tasks - slashed;
    s->page.earned = 3 * PS_CREDIT * (int64_t)s->page.paid;
    s->page.lost_amount = 20 * PS_CREDIT * (int64_t)slashed;
    s->page.stake = 20 * PS_CREDIT;
    s->page.joined_ms = PS_NOW - 30 * PS_DAY;
    memcpy(s->identity, identity, sizeof identity);
    s->page.identity = (sv_page_properties){s->identity, 3};
    return s;
}

static inline void ps_provider_free(ps_provider *s)
{
    free(s->index);
    free(s);
}

/* ---- the ledger -------------------------------------------------------------------------- */

typedef struct {
    sv_page_ledger page;
    sv_page_balance balances[8];
    sv_page_transfer transfers[9];
    sv_page_group groups[2];
} ps_ledger;

static inline void ps_move(ps_ledger *s, uint32_t from, int a, uint32_t to, int b, int64_t amount)
{
    s->balances[from].places[a] -= amount;
    s->balances[to].places[b] += amount;
}

static inline ps_ledger *ps_ledger_new(int64_t credit)
{
    static const char *const names[8] = {"alder", "birch", "cedar", "hazel", "nordlys",
                                         "1 task", "treasury", "burn"};
    ps_ledger *s = calloc(1, sizeof *s);
    sv_page_ledger *p = &s->page;
    for (uint32_t k = 0; k < 8; k++) {
        s->balances[k].who = ps_who(names[k]);
        s->balances[k].who.is_provider = k < 4;
        if (k > 4) continue;
        s->balances[k].places[0] = (int64_t)(300 - 40 * k) * credit;
        p->deposits += (int64_t)(300 - 40 * k) * credit;
    }
    p->withdrawals = 20 * credit;
    s->balances[3].places[0] -= p->withdrawals;
    for (uint32_t k = 0; k < 3; k++) ps_move(s, k, 0, k, 1, 20 * credit);
    ps_move(s, 4, 0, 5, 2, 18 * credit);
    ps_move(s, 5, 2, 0, 0, 3 * credit);
    ps_move(s, 5, 2, 1, 0, 3 * credit);
    ps_move(s, 5, 2, 4, 0, 3 * credit);
    ps_move(s, 2, 1, 7, 4, 10 * credit);
    ps_move(s, 2, 1, 6, 3, 5 * credit);
    ps_move(s, 2, 1, 0, 0, 5 * credit);
    for (uint32_t k = 0; k < 8; k++)
        for (uint32_t i = 0; i < SV_PLACES; i++) {
            p->places[i] += s->balances[k].places[i];
            p->accounts += s->balances[k].places[i] != 0;
        }
    for (uint32_t k = 0; k < 9; k++)
        s->transfers[k] = k < 3 ? (sv_page_transfer){1291 + k, "task 51be88d7, escrow",
                                                     "alder, free", "reward", credit}
                                : (sv_page_transfer){1291 + k, "cedar, held", "burn",
                                                     "half of a lost stake", credit};
    s->groups[0] = (sv_page_group){"Settlement of", "fashion-mnist-cnn", ps_digest("task", 5, 0), 1,
                                   PS_NOW - 60000, s->transfers, 8};
    s->groups[1] = (sv_page_group){"Paid in", "", {{0}}, 0, PS_NOW - PS_DAY, s->transfers + 8, 1};
    p->balances = s->balances;
    p->balance_count = 8;
    p->transfers = 1299;
    p->checked_ms = PS_NOW - 60000;
    p->groups = s->groups;
    p->group_count = 2;
    p->older = "/ledger?before=1290";
    return s;
}
#endif
