/* pages_task.c - tasks and providers: from what is told of them in JSON, the log and transfers to
 * the structs of their pages.
 *
 * What this file decides: how a task is read that may be open or have ended. Both are told in the
 * same JSON (tell.c), which is ours: what is missing in it reads as 0. */
#include <cjson/cJSON.h>
#include <string.h>

#include "pages.h"

/* ---- JSON of ours ----------------------------------------------------------------------- */

static const char *string_of(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    return s ? s : "";
}

static uint64_t number_of(const cJSON *o, const char *name)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, name);
    uint64_t v = 0;
    if (cJSON_IsNumber(x)) return x->valuedouble < 0 ? 0 : (uint64_t)x->valuedouble;
    return sv_parse_u64(string_of(o, name), &v) ? v : 0;
}

static int64_t amount_of(const cJSON *o, const char *name)
{
    const uint64_t v = number_of(o, name);
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static int digest_of(const cJSON *o, const char *name, vd_digest *d)
{
    memset(d, 0, sizeof *d);
    return sv_parse_hex(string_of(o, name), d->b, VD_DIGEST);
}

static int is_true(const cJSON *o, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, name));
}

/* Which of so many names it is; 0 where it is none. */
typedef const char *name_of(uint32_t k);
static uint32_t which(const cJSON *o, const char *name, name_of *names, uint32_t count)
{
    const char *s = string_of(o, name);
    for (uint32_t k = 0; k < count; k++)
        if (strcmp(s, names(k)) == 0) return k;
    return 0;
}

static const char *state_name(uint32_t k) { return rf_task_state_name((rf_task_state)k); }
static const char *end_name(uint32_t k) { return rf_end_name((rf_end)k); }
static const char *loss_name(uint32_t k) { return rf_loss_name((rf_loss)k); }
static const char *role_name(uint32_t k) { return rf_role_name((rf_role)k); }
static const char *stage_name(uint32_t k)
{
    static const char *const names[] = {"claimed", "withdrawn", "committed", "revealed", "auditor"};
    return names[k];
}

/* ---- a task ----------------------------------------------------------------------------- */

static int read_members(sv_paging *p, const cJSON *task, sv_told *t)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(task, "members"), *x;
    sv_told_member *m = sv_paging_room(p, ((size_t)cJSON_GetArraySize(list) + 1) * sizeof *m);
    if (!m) return 0;
    t->members = m;
    cJSON_ArrayForEach(x, list)
    {
        (void)digest_of(x, "key", &m->key);
        (void)digest_of(x, "account", &m->account);
        m->has_root = digest_of(x, "root", &m->root);
        m->role = (rf_role)which(x, "role", role_name, RF_ROLES);
        m->stage = (rf_stage)which(x, "stage", stage_name, RF_STAGE_AUDITOR + 1);
        m->lost = (rf_loss)which(x, "lost", loss_name, RF_LOST_ATTENTION + 1);
        m->assigned = is_true(x, "assigned");
        m->provisional = is_true(x, "provisional");
        m->stands = is_true(x, "stands");
        m++;
        t->member_count++;
    }
    return 1;
}

static int read_task(sv_paging *p, const cJSON *o, sv_told *t)
{
    const cJSON *job = cJSON_GetObjectItemCaseSensitive(o, "job");
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(o, "params");
    (void)digest_of(o, "id", &t->id);
    (void)digest_of(o, "client", &t->client);
    (void)digest_of(job, "digest", &t->job);
    t->state = (rf_task_state)which(o, "state", state_name, RF_T_REFUNDED + 1);
    t->end = (rf_end)which(o, "end", end_name, RF_END_REFUNDED + 1);
    t->created_ms = number_of(o, "created_ms");
    t->changed_ms = number_of(o, "changed_ms");
    t->deadline_ms = number_of(o, "deadline_ms");
    t->record = sv_paging_text(p, "%s", string_of(job, "record"));
    t->job_bytes = number_of(job, "bytes");
    t->steps = number_of(job, "steps");
    t->nodes = number_of(job, "nodes");
    t->flops = number_of(job, "flops");
    t->output_bytes = number_of(job, "output_bytes");
    t->finality_ms = number_of(params, "finality_ms");
    t->slots = (uint32_t)number_of(params, "slots");
    t->reward = amount_of(params, "reward");
    t->stake = amount_of(params, "stake");
    t->escrow = amount_of(o, "escrow");
    t->disputes = (uint32_t)number_of(o, "disputes");
    t->roots = (uint32_t)number_of(cJSON_GetObjectItemCaseSensitive(o, "counts"), "roots");
    return read_members(p, o, t);
}

int sv_paging_told(sv_paging *p, const char *json, sv_told *out)
{
    cJSON *o = cJSON_Parse(json);
    memset(out, 0, sizeof *out);
    if (!o) (void)RO_FAIL(&p->err, RO_EFORMAT, "what is told of a task cannot be read");
    const int done = o && read_task(p, o, out);
    cJSON_Delete(o);
    return done && p->err.code == RO_OK;
}

typedef struct { sv_paging *p; sv_told *t; int done; } telling;

static ro_status told_row(void *ctx, const sv_listed *row, ro_err *err)
{
    telling *x = ctx;
    (void)err;
    if (row->full) x->done = sv_paging_told(x->p, row->full, x->t);
    return RO_OK;
}

int sv_paging_task(sv_paging *p, const vd_digest *id, sv_told *out)
{
    telling x = {p, out, 0};
    ro_err none = {RO_OK, {0}};
    sv_view *v = sv_engine_view(p->api->engine, id);
    if (v) x.done = sv_paging_told(p, v->full.text, out);
    sv_engine_release(p->api->engine, v);
    if (v) return x.done;
    ro_status st = sv_catalog_task(p->c, id, told_row, &x, &none);
    if (st && st != RO_ENOTFOUND) (void)RO_FAIL(&p->err, st, "%s", none.msg);
    return x.done;
}

const char *sv_paging_name(sv_paging *p, const vd_digest *id)
{
    char hex[65];
    vd_digest_hex(id, hex);
    return sv_paging_text(p, "Task %.8s", hex);
}

/* ---- what moved in a task ---------------------------------------------------------------- */

#define MOVES_MAX 2048u

typedef struct { sv_booked *list; uint32_t count; } moves;

static ro_status add_move(void *ctx, const sv_booked *b, ro_err *err)
{
    moves *m = ctx;
    (void)err;
    if (m->count < MOVES_MAX) m->list[m->count++] = *b;
    return RO_OK;
}

static moves moves_of(sv_paging *p, const vd_digest *task)
{
    moves m = {sv_paging_room(p, MOVES_MAX * sizeof *m.list), 0};
    if (m.list)
        (void)sv_paging_ok(p, sv_catalog_scope(p->c, task, MOVES_MAX, add_move, &m, &p->err));
    return m;
}

static int is_purpose(const sv_booked *b, rf_purpose purpose)
{
    return b->key >> 56 == (uint64_t)purpose;
}

static ro_status add_returned(void *ctx, const sv_booked *b, ro_err *err)
{
    (void)err;
    if (b->from.kind == SV_ESCROW && is_purpose(b, RF_FOR_REFUND)) *(int64_t *)ctx += b->amount;
    return RO_OK;
}

/* What of a task's escrow went back. */
static int64_t returned_of(sv_paging *p, const vd_digest *task)
{
    int64_t sum = 0;
    (void)sv_paging_ok(p, sv_catalog_scope(p->c, task, UINT32_MAX, add_returned, &sum, &p->err));
    return sum;
}

/* ---- its line ---------------------------------------------------------------------------- */

static sv_page_crowd crowd_of(sv_paging *p, const sv_told *t, const vd_digest *root)
{
    sv_page_crowd c = {NULL, 0};
    sv_page_who *list = sv_paging_room(p, (t->member_count + 1u) * sizeof *list);
    if (!list) return c;
    for (uint32_t k = 0; k < t->member_count; k++) {
        const sv_told_member *m = &t->members[k];
        if (root ? !m->has_root || !vd_digest_equal(root, &m->root)
                 : m->role != RF_PROVIDER || (t->state > RF_T_OPEN && !m->assigned))
            continue;
        list[c.count++] = sv_paging_who(p, &m->key);
    }
    c.list = list;
    return c;
}

void sv_paging_sides(sv_paging *p, const sv_told *t, const vd_digest roots[2],
                     sv_page_crowd sides[2])
{
    for (int k = 0; k < 2; k++) sides[k] = crowd_of(p, t, &roots[k]);
}

static void count_members(const sv_told *t, sv_page_task_line *line)
{
    for (uint32_t k = 0; k < t->member_count; k++) {
        const sv_told_member *m = &t->members[k];
        if (m->role != RF_PROVIDER) continue;
        line->claimed += t->state == RF_T_OPEN || m->assigned;
        line->committed += m->stage == RF_STAGE_COMMITTED || m->stage == RF_STAGE_REVEALED;
        line->revealed += m->stage == RF_STAGE_REVEALED;
        line->standing += m->stands != 0;
    }
}

/* The pair that is judged; where none is, what the last one came to. */
static void add_outcome(sv_paging *p, const sv_told *t, sv_page_task_line *line)
{
    uint32_t count;
    sv_page_crowd sides[2];
    const sv_pair *list = sv_paging_pairs(p, &t->id, &count), *last = NULL;
    for (uint32_t k = 0; list && k < count; k++)
        if (!last || last->ended_ms) last = &list[k];
    if (!last) return;
    line->dispute = last->number;
    if (!last->ended_ms) return;
    sv_paging_sides(p, t, last->roots, sides);
    const char *verdict = sv_paging_verdict(p, last, sides);
    const unsigned long long step = last->step;
    line->outcome = last->has_step ? sv_paging_text(p, "%s at step %llu", verdict, step) : verdict;
}

sv_page_task_line sv_paging_line(sv_paging *p, const sv_told *t)
{
    sv_page_task_line line;
    memset(&line, 0, sizeof line);
    line.id = t->id;
    line.name = sv_paging_name(p, &t->id);
    line.what = sv_paging_text(p, "%llu step%s", (unsigned long long)t->steps,
                               t->steps == 1 ? "" : "s");
    line.state = t->state;
    line.end = t->end;
    line.disputed = t->disputes > 0 || t->state == RF_T_DISPUTED;
    line.deadline_ms = t->deadline_ms;
    line.changed_ms = t->changed_ms;
    line.members = crowd_of(p, t, NULL);
    line.slots = t->slots;
    line.roots = t->roots;
    line.escrow = line.paid = t->escrow;
    count_members(t, &line);
    if (t->disputes) add_outcome(p, t, &line);
    if (t->state >= RF_T_SETTLED) line.paid = t->escrow - returned_of(p, &t->id);
    return line;
}

/* ---- its page ---------------------------------------------------------------------------- */

static void moments(sv_paging *p, const sv_told *t, const sv_page_task_line *line,
                    uint32_t transfers, sv_page_task *page)
{
    uint64_t at[RF_T_REFUNDED + 1];
    if (!sv_paging_ok(p, sv_catalog_entered(p->c, &t->id, at, RF_T_REFUNDED + 1, &p->err))) return;
    for (uint32_t k = 0; k <= RF_T_REFUNDED; k++)
        page->moments[k] = (sv_page_moment){at[k], ""};
    page->moments[RF_T_OPEN].note = sv_paging_text(p, "by %s", page->client.name);
    page->moments[RF_T_COMMIT].note =
        at[RF_T_COMMIT] ? sv_paging_text(p, "%u of %u claimed", line->claimed, t->slots) : "";
    page->moments[RF_T_REVEAL].note =
        at[RF_T_REVEAL] ? sv_paging_text(p, "%u of %u committed", line->committed, line->claimed)
                        : "roots stay sealed";
    page->moments[RF_T_AGREED].note = at[RF_T_AGREED] ? "1 root" : "or DISPUTED";
    page->moments[RF_T_DISPUTED].note = sv_paging_text(p, "%u roots", t->roots);
    page->moments[RF_T_RESOLVED].note = at[RF_T_RESOLVED] ? "one root stands" : "";
    page->moments[RF_T_FINAL].note =
        sv_paging_text(p, "%s to object", sv_paging_duration(p, t->finality_ms));
    page->moments[RF_T_SETTLED].note =
        at[RF_T_SETTLED] ? sv_paging_text(p, "%u transfers", transfers) : "";
    page->moments[RF_T_REFUNDED].note = "the escrow went back";
}

typedef struct { sv_paging *p; const sv_told *t; sv_page_member *list; } saying;

static ro_status note_message(void *ctx, const sv_event *row, ro_err *err)
{
    saying *s = ctx;
    rf_message m;
    const void *payload;
    size_t size;
    int is;
    RO_TRY(sv_event_message(row, &m, &payload, &size, &is, err));
    if (!is || (m.type != RF_M_COMMIT && m.type != RF_M_REVEAL)) return RO_OK;
    for (uint32_t k = 0; k < s->t->member_count; k++) {
        if (memcmp(s->t->members[k].key.b, m.key, sizeof m.key) != 0) continue;
        if (m.type == RF_M_REVEAL) s->list[k].revealed_ms = row->stamp_ms;
        else {
            s->list[k].committed_ms = row->stamp_ms;
            s->list[k].commitment = m.claim.commitment;
            s->list[k].has_commitment = 1;
        }
    }
    return RO_OK;
}

/* The letters of roots: those of the first pair are A and B, as on its page, the others follow. */
typedef struct { const vd_digest **roots; uint32_t count; } letters;

static uint32_t letter_of(letters *l, const vd_digest *root)
{
    uint32_t k = 0;
    while (k < l->count && !vd_digest_equal(l->roots[k], root)) k++;
    if (k == l->count) l->roots[l->count++] = root;
    return k;
}

/* What came to an account in a task beside its own stake. */
static int64_t received_of(const moves *m, const sv_told_member *who)
{
    int64_t sum = 0;
    for (uint32_t k = 0; k < m->count; k++) {
        const sv_booked *b = &m->list[k];
        const int own = b->from.kind == SV_HELD && vd_digest_equal(&b->from.owner, &who->key);
        if (b->to.kind == SV_FREE && !own && !is_purpose(b, RF_FOR_REFUND) &&
            vd_digest_equal(&b->to.owner, &who->account))
            sum += b->amount;
    }
    return sum;
}

static void members(sv_paging *p, const sv_told *t, const moves *m, const sv_pair *pairs,
                    uint32_t count, sv_page_task *page)
{
    sv_page_member *list = sv_paging_room(p, (t->member_count + 1u) * sizeof *list);
    letters l = {sv_paging_room(p, (t->member_count + 2u * count + 1u) * sizeof *l.roots), 0};
    saying s = {p, t, list};
    if (!list || !l.roots) return;
    for (uint32_t k = 0; k < 2 * count; k++) (void)letter_of(&l, &pairs[k / 2].roots[k % 2]);
    for (uint32_t k = 0; k < t->member_count; k++) {
        const sv_told_member *x = &t->members[k];
        list[k].who = sv_paging_who(p, &x->key);
        list[k].role = x->role;
        list[k].stage = x->stage;
        list[k].lost = x->lost;
        list[k].provisional = x->provisional;
        list[k].has_root = x->has_root;
        list[k].root = x->root;
        if (x->has_root) list[k].claim = letter_of(&l, &x->root);
        list[k].stake = x->role == RF_PROVIDER ? t->stake : 0;
        list[k].received = received_of(m, x);
    }
    (void)sv_paging_ok(p, sv_catalog_messages(p->c, &t->id, note_message, &s, &p->err));
    page->members = list;
    page->member_count = t->member_count;
}

static void costs(sv_paging *p, const moves *m, sv_page_task *page)
{
    sv_page_cost *list = sv_paging_room(p, (m->count + 1u) * sizeof *list);
    if (!list) return;
    for (uint32_t k = 0; k < m->count; k++) {
        const sv_booked *b = &m->list[k];
        if (b->from.kind != SV_ESCROW || is_purpose(b, RF_FOR_REFUND)) continue;
        const char *to = b->to.kind == SV_FREE ? sv_paging_who(p, &b->to.owner).name
                                               : sv_account_name(b->to.kind);
        list[page->cost_count].what = sv_paging_text(p, "to %s: %s", to, sv_purpose(b->key));
        list[page->cost_count++].amount = b->amount;
    }
    page->costs = list;
    page->returned = page->line.escrow - page->line.paid;
}

static const char *hex_of(sv_paging *p, const vd_digest *d)
{
    char hex[65];
    vd_digest_hex(d, hex);
    return sv_paging_text(p, "%s", hex);
}

static const char *count_text(sv_paging *p, uint64_t n)
{
    sv_html h;
    sv_html_init(&h);
    sv_mark_count(&h, n);
    return sv_paging_keep(p, &h);
}

static const char *money_text(sv_paging *p, int64_t micro)
{
    sv_html h;
    sv_html_init(&h);
    sv_mark_money(&h, micro);
    return sv_paging_keep(p, &h);
}

static void job(sv_paging *p, const sv_told *t, sv_page_task *page)
{
    sv_page_property *list = sv_paging_room(p, 6 * sizeof *list);
    if (!list) return;
    list[0] = (sv_page_property){"Job digest", hex_of(p, &t->job), 1};
    list[1] = (sv_page_property){
        "Size", sv_paging_text(p, "%llu step%s, at most %llu nodes in one; %s operations",
                               (unsigned long long)t->steps, t->steps == 1 ? "" : "s",
                               (unsigned long long)t->nodes, count_text(p, t->flops)), 0};
    list[2] = (sv_page_property){"Recording", t->record, 1};
    list[3] = (sv_page_property){
        "Terms", sv_paging_text(p, "%u provider%s, reward %s each, stake %s each, %s to object",
                                t->slots, t->slots == 1 ? "" : "s", money_text(p, t->reward),
                                money_text(p, t->stake), sv_paging_duration(p, t->finality_ms)), 0};
    list[4] = (sv_page_property){"Client", page->client.name, 0};
    list[5] = (sv_page_property){"Result", sv_paging_text(p, "verde fetch %s --server %s",
                                                          hex_of(p, &t->id), p->api->address), 1};
    page->job = (sv_page_properties){list, t->state >= RF_T_FINAL ? 6 : 5};
}

/* The job as it was submitted, and the evidence of each pair that has one. */
static void files(sv_paging *p, const sv_told *t, const sv_pair *pairs, uint32_t count,
                  sv_page_task *page)
{
    sv_page_file *list = sv_paging_room(p, (count + 1u) * sizeof *list);
    const char *id = hex_of(p, &t->id);
    uint32_t n = 0;
    if (!list) return;
    list[n++] = (sv_page_file){"job", "as submitted; its digest is the job\xe2\x80\x99s",
                               sv_paging_text(p, "/v1/tasks/%s/job", id), t->job_bytes, t->job, 1};
    for (uint32_t k = 0; k < count; k++)
        if (pairs[k].evidence)
            list[n++] = (sv_page_file){
                sv_paging_text(p, "evidence of dispute %u", pairs[k].number),
                "checked offline by verde-verdict",
                sv_paging_text(p, "/v1/tasks/%s/disputes/%u/evidence", id, pairs[k].number),
                pairs[k].evidence, {{0}}, 0};
    page->files = (sv_page_files){list, n};
}

static void disputes(sv_paging *p, const sv_told *t, const sv_pair *pairs, uint32_t count,
                     sv_page_task *page)
{
    sv_page_task_dispute *list = sv_paging_room(p, (count + 1u) * sizeof *list);
    sv_page_crowd sides[2];
    if (!list) return;
    for (uint32_t k = 0; k < count; k++) {
        sv_paging_sides(p, t, pairs[k].roots, sides);
        list[k] = (sv_page_task_dispute){pairs[k].number, sv_paging_verdict(p, &pairs[k], sides),
                                         pairs[k].where, pairs[k].ended_ms == 0};
    }
    page->disputes = list;
    page->dispute_count = count;
}

static void fill_task(sv_paging *p, const sv_told *t, sv_page_task *page)
{
    uint32_t count;
    page->line = sv_paging_line(p, t);
    page->client = sv_paging_client(p, &t->client);
    page->finality_ms = t->finality_ms;
    const sv_pair *pairs = sv_paging_pairs(p, &t->id, &count);
    const moves m = moves_of(p, &t->id);
    for (uint32_t k = 0; k < m.count; k++) page->transfers += m.list[k].key >> 63 == 0;
    moments(p, t, &page->line, page->transfers, page);
    members(p, t, &m, pairs, count, page);
    costs(p, &m, page);
    job(p, t, page);
    files(p, t, pairs, count, page);
    disputes(p, t, pairs, count, page);
}

void sv_get_task_page(sv_api *a, sv_exchange *x)
{
    sv_paging p;
    sv_html h;
    sv_told t;
    sv_page_task page;
    memset(&page, 0, sizeof page);
    if (!sv_paging_begin(&p, a, a->reader, x)) return;
    const sv_page_frame f = sv_paging_frame(&p);
    if (!sv_paging_task(&p, &x->request.id, &t) && p.err.code == RO_OK) {
        sv_paging_missing(&p, x, "task");
    } else {
        if (p.err.code == RO_OK) fill_task(&p, &t, &page);
        sv_html_init(&h);
        if (p.err.code == RO_OK) sv_page_write_task(&h, &f, &page);
        sv_paging_etag(&p, x, &f);
        sv_paging_send(&p, x, &h, 200);
    }
    sv_paging_end(&p);
}

/* ---- providers --------------------------------------------------------------------------- */

static void stakes(sv_paging *p, const vd_digest *key, int64_t *free_amount, int64_t *held)
{
    vd_digest account;
    if (sv_paging_ok(p, sv_catalog_account_of(p->c, key, &account, &p->err)) &&
        sv_paging_ok(p, sv_catalog_balance(p->c, SV_FREE, &account, free_amount, &p->err)))
        (void)sv_paging_ok(p, sv_catalog_balance(p->c, SV_HELD, key, held, &p->err));
}

void sv_paging_provider(sv_paging *p, const sv_provider *r, sv_page_provider_line *out)
{
    memset(out, 0, sizeof *out);
    out->who = sv_paging_who(p, &r->key);
    out->note = "";
    out->tasks = r->tasks;
    out->slashed = r->slashed;
    out->seen_ms = r->seen_ms;
    stakes(p, &r->key, &out->free_amount, &out->held);
}

#define STATEMENT_MAX 2000u
#define TASKS_SHOWN 12u
#define SLASHES_MAX 16u

/* What moved between a provider's own accounts (free of its account, held of its key) and others,
 * newest first. */
typedef struct {
    sv_booked *list;
    uint32_t count;
    vd_digest key, account;
} statement;

static ro_status add_statement(void *ctx, const sv_booked *b, ro_err *err)
{
    statement *s = ctx;
    (void)err;
    uint32_t at = s->count;
    if (s->count >= STATEMENT_MAX) return RO_OK;
    while (at && s->list[at - 1].id < b->id) at--;
    if (at < s->count && s->list[at].id == b->id) return RO_OK;
    if (at && s->list[at - 1].id == b->id) return RO_OK;
    memmove(s->list + at + 1, s->list + at, (s->count - at) * sizeof *s->list);
    s->list[at] = *b;
    s->count++;
    return RO_OK;
}

static int is_own(const statement *s, const sv_account *a)
{
    return (a->kind == SV_FREE && vd_digest_equal(&a->owner, &s->account)) ||
           (a->kind == SV_HELD && vd_digest_equal(&a->owner, &s->key));
}

static int64_t change_of(const statement *s, const sv_booked *b)
{
    return (is_own(s, &b->to) ? b->amount : 0) - (is_own(s, &b->from) ? b->amount : 0);
}

static int is_lost(const statement *s, const sv_booked *b)
{
    const uint64_t purpose = b->key >> 56;
    return b->from.kind == SV_HELD && is_own(s, &b->from) && purpose >= RF_FOR_RERUN &&
           purpose <= RF_FOR_REST;
}

static int read_statement(sv_paging *p, const vd_digest *key, statement *s)
{
    memset(s, 0, sizeof *s);
    s->key = *key;
    s->list = sv_paging_room(p, (STATEMENT_MAX + 1) * sizeof *s->list);
    return s->list && sv_paging_ok(p, sv_catalog_account_of(p->c, key, &s->account, &p->err)) &&
           sv_paging_ok(p, sv_catalog_transfers(p->c, &s->account, INT64_MAX, STATEMENT_MAX / 2,
                                                add_statement, s, &p->err)) &&
           sv_paging_ok(p, sv_catalog_transfers(p->c, key, INT64_MAX, STATEMENT_MAX / 2,
                                                add_statement, s, &p->err));
}

/* Backwards from what it has now. Points are ascending. */
static void history(sv_paging *p, const statement *s, sv_page_provider *page)
{
    sv_point *points = sv_paging_room(p, (s->count + 2u) * sizeof *points);
    sv_point *marks = sv_paging_room(p, (s->count + 1u) * sizeof *marks);
    int64_t now = page->line.free_amount + page->line.held;
    uint32_t at = s->count + 1, mark = s->count + 1, first_mark;
    if (!points || !marks) return;
    for (uint32_t k = 0; k < s->count; k++) {
        const sv_booked *b = &s->list[k];
        const int64_t by = change_of(s, b);
        if (by == 0) continue;
        if (at > s->count || points[at].ms != b->stamp_ms)
            points[--at] = (sv_point){b->stamp_ms, now};
        now -= by;
        if (!is_lost(s, b)) continue;
        if (mark > s->count || marks[mark].ms != b->stamp_ms)
            marks[--mark] = (sv_point){b->stamp_ms, 0};
        marks[mark].amount += by;
    }
    first_mark = mark;
    page->history = (sv_history){page->line.who.name, points + at, marks + first_mark,
                                 s->count + 1 - at, s->count + 1 - first_mark,
                                 at <= s->count ? points[at].ms : p->now_ms, p->now_ms};
    page->joined_ms = page->history.from_ms;
}

static rf_loss loss_in(const sv_told *t, const vd_digest *key, const vd_digest **root)
{
    for (uint32_t k = 0; k < t->member_count; k++) {
        if (!vd_digest_equal(&t->members[k].key, key)) continue;
        *root = t->members[k].has_root ? &t->members[k].root : NULL;
        return t->members[k].lost;
    }
    return RF_LOST_NOTHING;
}

/* The pair in which its root fell. */
static void name_dispute(sv_paging *p, const sv_told *t, const vd_digest *root, sv_page_slash *out)
{
    uint32_t count;
    const sv_pair *list = sv_paging_pairs(p, &t->id, &count);
    for (uint32_t k = 0; list && root && k < count; k++)
        for (int side = 0; side < 2; side++)
            if (list[k].guilty[side] && vd_digest_equal(&list[k].roots[side], root)) {
                out->dispute = list[k].number;
                out->why = list[k].where;
            }
}

static void slashes(sv_paging *p, const statement *s, sv_page_provider *page)
{
    sv_page_slash *list = sv_paging_room(p, SLASHES_MAX * sizeof *list);
    if (!list) return;
    for (uint32_t k = 0; k < s->count; k++) {
        const sv_booked *b = &s->list[k];
        uint32_t at = 0;
        if (!is_lost(s, b)) continue;
        page->lost_amount += b->amount;
        while (at < page->slash_count && !vd_digest_equal(&list[at].task, &b->scope)) at++;
        if (at == SLASHES_MAX) continue;
        sv_page_slash *x = &list[at];
        if (at == page->slash_count) {
            sv_told t;
            const vd_digest *root = NULL;
            page->slash_count++;
            x->task = b->scope;
            x->name = sv_paging_name(p, &b->scope);
            x->what = x->why = "";
            x->at_ms = b->stamp_ms;
            if (sv_paging_task(p, &b->scope, &t)) {
                x->lost = loss_in(&t, &s->key, &root);
                name_dispute(p, &t, root, x);
            }
        }
        x->amount += b->amount;
        if (b->to.kind == SV_BURN) x->burned += b->amount;
        else if (b->to.kind == SV_TREASURY) x->treasury += b->amount;
        else x->shared += b->amount;
    }
    page->slashes = list;
}

typedef struct { sv_paging *p; const statement *s; sv_page_provider *page; sv_told *list; } tasks;

static ro_status add_task(void *ctx, const sv_listed *row, ro_err *err)
{
    tasks *x = ctx;
    sv_view *v = row->full ? NULL : sv_engine_view(x->p->api->engine, &row->task);
    const char *json = row->full ? row->full : v ? v->full.text : NULL;
    (void)err;
    if (json && x->page->task_count < TASKS_SHOWN &&
        sv_paging_told(x->p, json, &x->list[x->page->task_count]))
        x->page->task_count++;
    sv_engine_release(x->p->api->engine, v);
    return RO_OK;
}

static void its_tasks(sv_paging *p, const statement *s, sv_page_provider *page)
{
    const sv_filter f = {NULL, NULL, &s->key};
    sv_page_provider_task *list = sv_paging_room(p, TASKS_SHOWN * sizeof *list);
    tasks x = {p, s, page, sv_paging_room(p, TASKS_SHOWN * sizeof *x.list)};
    if (!list || !x.list ||
        !sv_paging_ok(p, sv_catalog_tasks(p->c, &f, INT64_MAX, TASKS_SHOWN, add_task, &x, &p->err)))
        return;
    for (uint32_t k = 0; k < page->task_count; k++) {
        const sv_told *t = &x.list[k];
        const vd_digest *root = NULL;
        list[k] = (sv_page_provider_task){t->id, sv_paging_name(p, &t->id),
                                          sv_paging_text(p, "%llu steps",
                                                         (unsigned long long)t->steps),
                                          t->state, loss_in(t, &s->key, &root), 0, t->changed_ms};
        for (uint32_t i = 0; i < s->count; i++)
            if (vd_digest_equal(&s->list[i].scope, &t->id))
                list[k].change += change_of(s, &s->list[i]);
        if (k == 0) page->stake = t->stake;
    }
    page->tasks = list;
    page->task_total = page->line.tasks;
}

/* Rewards and shares that came from tasks; which of them were paid. */
static void earnings(const statement *s, sv_page_provider *page)
{
    for (uint32_t k = 0; k < s->count; k++) {
        const sv_booked *b = &s->list[k];
        if (b->from.kind == SV_ESCROW && is_own(s, &b->to) && is_purpose(b, RF_FOR_REWARD))
            page->paid++;
        if (b->key >> 63 == 0 && !is_purpose(b, RF_FOR_REFUND) && change_of(s, b) > 0)
            page->earned += b->amount;
    }
}

static void identity(sv_paging *p, const statement *s, sv_page_provider *page)
{
    sv_page_property *list = sv_paging_room(p, 3 * sizeof *list);
    if (!list) return;
    list[0] = (sv_page_property){"Key", hex_of(p, &s->key), 1};
    list[1] = (sv_page_property){"Account", hex_of(p, &s->account), 1};
    list[2] = (sv_page_property){"Transfers",
                                 s->count >= STATEMENT_MAX / 2
                                     ? sv_paging_text(p, "the last %u are counted here", s->count)
                                     : sv_paging_text(p, "%u", s->count), 0};
    page->identity = (sv_page_properties){list, 3};
}

void sv_get_provider_page(sv_api *a, sv_exchange *x)
{
    sv_paging p;
    sv_html h;
    sv_provider known;
    statement s;
    sv_page_provider page;
    ro_err none = {RO_OK, {0}};
    memset(&page, 0, sizeof page);
    if (!sv_paging_begin(&p, a, a->reader, x)) return;
    const sv_page_frame f = sv_paging_frame(&p);
    ro_status st = sv_catalog_provider(p.c, &x->request.id, &known, &none);
    if (st == RO_ENOTFOUND) sv_paging_missing(&p, x, "provider");
    else {
        if (st) (void)RO_FAIL(&p.err, st, "%s", none.msg);
        sv_html_init(&h);
        if (p.err.code == RO_OK && read_statement(&p, &known.key, &s)) {
            sv_paging_provider(&p, &known, &page.line);
            history(&p, &s, &page);
            slashes(&p, &s, &page);
            its_tasks(&p, &s, &page);
            earnings(&s, &page);
            identity(&p, &s, &page);
        }
        if (p.err.code == RO_OK) sv_page_write_provider(&h, &f, &page);
        sv_paging_etag(&p, x, &f);
        sv_paging_send(&p, x, &h, 200);
    }
    sv_paging_end(&p);
}
