/* pages_dispute.c - the pages of disputes: of pairs that have ended, from the catalog; of one that
 * is judged, from the engine.
 *
 * What this file decides: on which thread a dispute is drawn. Its game is played again, which may
 * take a while: that is the clerk's. What an open pair has heard so far is the engine's alone, so
 * such a page goes from the clerk to the engine and back.
 *
 * Invariants
 *   1. A pair of a task that is over is drawn once, and its page kept as long as there is room:
 *      before that a verdict may be provisional, and what it took may go back. */
#include <cjson/cJSON.h>
#include <string.h>

#include "course.h"
#include "pages.h"

/* ---- verdicts as they were kept ----------------------------------------------------------- */

static const char *text_of(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    return s ? s : "";
}

static void read_verdict(sv_paging *p, const cJSON *o, sv_pair *out)
{
    const cJSON *guilty = cJSON_GetObjectItemCaseSensitive(o, "guilty"), *x;
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(o, "node");
    const char *element = text_of(o, "element");
    out->has_step = sv_parse_u64(text_of(o, "step"), &out->step);
    cJSON_ArrayForEach(x, guilty)
    {
        const cJSON *side = cJSON_GetObjectItemCaseSensitive(x, "side");
        if (cJSON_IsNumber(side)) out->guilty[side->valuedouble > 0] = 1;
    }
    out->where = sv_paging_text(p, "%s%s%s", text_of(o, "kind"), out->has_step ? ": step " : "",
                                text_of(o, "step"));
    if (cJSON_IsNumber(node))
        out->where = sv_paging_text(p, "%s, node %.0f %s", out->where, node->valuedouble,
                                    text_of(o, "operator"));
    if (element[0]) out->where = sv_paging_text(p, "%s, element %s", out->where, element);
}

void sv_paging_row(sv_paging *p, const sv_dispute *d, sv_pair *out)
{
    cJSON *o = cJSON_Parse(d->verdict);
    memset(out, 0, sizeof *out);
    out->task = d->task;
    memcpy(out->roots, d->roots, sizeof out->roots);
    out->number = d->number;
    out->level = d->level;
    out->pair = d->pair;
    out->begun_ms = d->begun_ms;
    out->ended_ms = d->ended_ms;
    out->recomputed = d->recomputed;
    out->openings = d->openings_size;
    out->evidence = d->evidence_size;
    if (cJSON_IsObject(o)) read_verdict(p, o, out);
    else out->where = d->ended ? "a side had nobody left who stands" : "being judged";
    cJSON_Delete(o);
}

typedef struct { sv_paging *p; sv_pair *list; uint32_t count, room; } pair_list;

static ro_status add_pair(void *ctx, const sv_dispute *d, ro_err *err)
{
    pair_list *l = ctx;
    (void)err;
    if (l->count == l->room) {
        sv_pair *more = sv_paging_room(l->p, 2 * (l->room + 4) * sizeof *more);
        if (!more) return RO_OK;
        if (l->count) memcpy(more, l->list, l->count * sizeof *more);
        l->list = more;
        l->room = 2 * (l->room + 4);
    }
    sv_paging_row(l->p, d, &l->list[l->count++]);
    return RO_OK;
}

const sv_pair *sv_paging_pairs(sv_paging *p, const vd_digest *task, uint32_t *count)
{
    pair_list l = {p, NULL, 0, 0};
    (void)sv_paging_ok(p, sv_catalog_disputes(p->c, task, 0, add_pair, &l, &p->err));
    *count = l.count;
    return l.list;
}

const char *sv_paging_verdict(sv_paging *p, const sv_pair *d, const sv_page_crowd sides[2])
{
    if (!d->ended_ms) return "open";
    if (!d->guilty[0] && !d->guilty[1]) return "undecided";
    if (d->guilty[0] && d->guilty[1]) return "both wrong";
    const sv_page_crowd *wrong = &sides[d->guilty[1]];
    if (wrong->count == 0) return "one side wrong";
    if (wrong->count == 1) return sv_paging_text(p, "%s wrong", wrong->list[0].name);
    return sv_paging_text(p, "%s and %u more wrong", wrong->list[0].name, wrong->count - 1);
}

/* ---- pages that are kept ------------------------------------------------------------------ */

#define KEPT 16u
#define KEPT_SIZE_MAX ((size_t)1 << 20)
/* Of the clerk's thread alone. */
static struct { vd_digest task; uint32_t number; char *text; size_t size; } kept[KEPT];
static uint32_t kept_next;

static int send_kept(sv_exchange *x)
{
    for (uint32_t k = 0; k < KEPT; k++) {
        if (!kept[k].text || kept[k].number != x->request.number ||
            !vd_digest_equal(&kept[k].task, &x->request.id))
            continue;
        x->reply.type = "text/html; charset=utf-8";
        sv_put_bytes(&x->reply.body, kept[k].text, kept[k].size);
        return 1;
    }
    return 0;
}

static void keep(const sv_exchange *x)
{
    char *text = x->reply.body.size <= KEPT_SIZE_MAX ? ro_alloc(x->reply.body.size + 1) : NULL;
    if (!text) return;
    const uint32_t k = kept_next++ % KEPT;
    ro_free(kept[k].text);
    memcpy(text, x->reply.body.text, x->reply.body.size);
    kept[k].task = x->request.id;
    kept[k].number = x->request.number;
    kept[k].text = text;
    kept[k].size = x->reply.body.size;
}

/* A page that never changes is named by its bytes. */
static void etag_of_body(sv_exchange *x)
{
    vd_digest d;
    vd_tagged_hash("verde/1 page", x->reply.body.text, x->reply.body.size, d.b);
    sv_etag(&x->reply, &d);
}

/* ---- drawing ------------------------------------------------------------------------------ */

/* What a page is drawn from: the pair, its openings and, where it is judged, what it waits for. */
typedef struct {
    const sv_pair *pair;
    const uint8_t *bytes;
    size_t size;
    int is_open;
    uint32_t sides; /* that must answer; 0: the host works */
    uint64_t deadline_ms;
} drawn;

typedef struct { sv_paging *p; const vd_job *job; } job_read;

static ro_status read_job(void *ctx, const sv_task_record *r, ro_err *err)
{
    job_read *j = ctx;
    sv_order o;
    vd_job *job;
    RO_TRY(sv_order_read(r->order, r->order_size, &o, err));
    RO_TRY(vd_job_decode(o.job, o.job_size, j->p->arena, &job, err));
    j->job = job;
    return RO_OK;
}

typedef struct { rf_party parties[2]; int found[2]; } bodies;

static ro_status note_body(void *ctx, const sv_event *row, ro_err *err)
{
    bodies *b = ctx;
    rf_message m;
    const void *payload;
    size_t size;
    int is;
    RO_TRY(sv_event_message(row, &m, &payload, &size, &is, err));
    if (!is || m.type != RF_M_REVEAL) return RO_OK;
    for (int k = 0; k < 2; k++) {
        if (b->found[k] || !vd_digest_equal(&m.claim.reveal.root, &b->parties[k].root)) continue;
        memcpy(b->parties[k].body, m.claim.reveal.body, sizeof b->parties[k].body);
        b->found[k] = 1;
    }
    return RO_OK;
}

static ro_status replay(sv_paging *p, const sv_told *t, const drawn *x, const vd_job *job,
                        sv_course *c, ro_err *err)
{
    bodies b;
    memset(&b, 0, sizeof b);
    for (int k = 0; k < 2; k++) b.parties[k].root = x->pair->roots[k];
    RO_TRY(sv_catalog_messages(p->c, &t->id, note_body, &b, err));
    if (!b.found[0] || !b.found[1])
        return RO_FAIL(err, RO_EFORMAT, "a pair's reveals are not in the log");
    const rf_setup s = {job, b.parties, 2, NULL, 0, 1, t->id};
    return sv_course_replay(&s, x->bytes, x->size, p->arena, c, err);
}

static void fill_files(sv_paging *p, const sv_told *t, const sv_pair *e, sv_page_dispute *page)
{
    char id[65];
    sv_page_file *list = sv_paging_room(p, 2 * sizeof *list);
    if (!list) return;
    vd_digest_hex(&t->id, id);
    uint32_t n = 0;
    if (e->evidence) {
        page->evidence = sv_paging_text(p, "/v1/tasks/%s/disputes/%u/evidence", id, e->number);
        list[n++] = (sv_page_file){"evidence", "signed roots, paths, what the element reads",
                                   page->evidence, e->evidence, {{0}}, 0};
    }
    if (e->openings)
        list[n++] = (sv_page_file){"transcript", "every accepted answer, in order",
                                   sv_paging_text(p, "/v1/tasks/%s/pairs/%u/%u/transcript", id,
                                                  e->level, e->pair),
                                   e->openings, {{0}}, 0};
    page->files = (sv_page_files){list, n};
}

/* A pair that ended because a side had nobody left: there is no verdict to show. */
static void without_verdict(sv_paging *p, sv_page_dispute *page)
{
    rf_verdict *v = sv_paging_room(p, sizeof *v);
    if (!v || page->verdict) return;
    memset(v, 0, sizeof *v);
    v->kind = RF_UNDECIDED;
    (void)snprintf(v->why, sizeof v->why, "one side had nobody left who stands, so nothing was "
                   "left to be decided");
    page->verdict = v;
    page->state = SV_DISPUTE_UNDECIDED;
}

static const char *waiting_text(sv_paging *p, const drawn *x, const sv_page_crowd sides[2])
{
    const char *names[2];
    for (int k = 0; k < 2; k++) {
        const sv_page_crowd *c = &sides[k];
        names[k] = c->count ? c->list[0].name : "nobody";
        if (c->count == 2)
            names[k] = sv_paging_text(p, "%s or %s", names[k], c->list[1].name);
        if (c->count > 2)
            names[k] = sv_paging_text(p, "%s or one of %u more", names[k], c->count - 1);
    }
    if (x->sides == 3) return sv_paging_text(p, "%s, and %s", names[0], names[1]);
    return x->sides ? names[x->sides == 2] : "a run of the referee\xe2\x80\x99s own";
}

static void fill(sv_paging *p, const sv_told *t, const drawn *x, sv_page_dispute *page)
{
    page->task = t->id;
    page->name = sv_paging_name(p, &t->id);
    page->number = x->pair->number;
    page->of = t->disputes;
    page->waiting = "";
    memcpy(page->roots, x->pair->roots, sizeof page->roots);
    sv_paging_sides(p, t, x->pair->roots, page->sides);
    page->opened_ms = x->pair->begun_ms;
    page->job_flops = t->flops;
    page->stake = t->stake;
    if (!x->is_open) {
        page->ended_ms = x->pair->ended_ms;
        fill_files(p, t, x->pair, page);
    } else {
        page->waiting = waiting_text(p, x, page->sides);
        page->deadline_ms = x->deadline_ms;
    }
}

static void send_pair(sv_paging *p, sv_exchange *e, const sv_page_frame *f, const sv_told *t,
                      const drawn *x)
{
    sv_html h;
    sv_course c;
    sv_page_dispute page;
    job_read j = {p, NULL};
    memset(&page, 0, sizeof page);
    sv_html_init(&h);
    if (sv_paging_ok(p, sv_catalog_order(p->c, &t->id, read_job, &j, &p->err)) &&
        sv_paging_ok(p, replay(p, t, x, j.job, &c, &p->err)) &&
        sv_paging_ok(p, sv_course_draw(&c, j.job, p->arena, &page, &p->err))) {
        fill(p, t, x, &page);
        if (!x->is_open && !page.verdict) without_verdict(p, &page);
        if (p->err.code == RO_OK) sv_page_write_dispute(&h, f, &page);
    }
    sv_paging_send(p, e, &h, 200);
    if (p->err.code == RO_OK && x->pair->ended_ms && t->state >= RF_T_SETTLED) {
        etag_of_body(e);
        keep(e);
    } else sv_paging_etag(p, e, f);
}

/* ---- a pair that is judged ----------------------------------------------------------------- */

typedef struct {
    sv_mine mine;
    sv_action action;
    sv_api *api;
    sv_exchange *x;
    uint32_t level, pair;
    drawn drawn;
    uint8_t *bytes;
    int found;
    ro_err err;
} look;

static void look_over(sv_api *a, sv_exchange *x)
{
    look *l = x->mine;
    (void)a;
    ro_free(l->bytes);
    ro_free(l);
    x->mine = NULL;
}

/* What the pair has heard, and what it waits for. */
static void look_run(sv_engine *e, sv_action *action)
{
    look *l = (look *)(void *)((char *)action - offsetof(look, action));
    rf_task *t = sv_tasks_find(sv_engine_tasks(e), &l->x->request.id);
    rf_game *g = t ? rf_task_game(t, l->level, l->pair) : NULL;
    uint32_t n, count;
    if (!g) return;
    if (rf_game_openings(g, 0, &l->bytes, &l->drawn.size, &count, &l->err)) return;
    l->found = 1;
    if (rf_task_pending(t, &l->err)) return;
    const rf_effect *x = rf_task_effects(t, &n);
    for (uint32_t k = 0; k < n; k++) {
        if (x[k].kind != RF_DO_ASK || x[k].level != l->level || x[k].pair != l->pair) continue;
        l->drawn.sides |= x[k].sides;
        l->drawn.deadline_ms = x[k].deadline;
    }
}

static void send_open(sv_paging *p, sv_exchange *x, const sv_page_frame *f, look *l)
{
    sv_told t;
    uint32_t count = 0;
    const uint32_t number = x->request.number;
    const int there = sv_paging_task(p, &x->request.id, &t);
    const sv_pair *list = there ? sv_paging_pairs(p, &t.id, &count) : NULL;
    l->drawn.bytes = l->bytes;
    l->drawn.is_open = l->found;
    if (l->err.code && !p->err.code) p->err = l->err;
    if (p->err.code) sv_reply_failed(&x->reply, p->err.code, &p->err);
    else if (!list || number > count) sv_paging_missing(p, x, "dispute");
    else {
        l->drawn.pair = &list[number - 1];
        send_pair(p, x, f, &t, &l->drawn);
    }
}

/* On the clerk's thread again. */
static void draw_open(sv_api *a, sv_exchange *x)
{
    sv_paging p;
    if (sv_paging_begin(&p, a, a->clerk_reader, x)) {
        const sv_page_frame f = sv_paging_frame(&p);
        send_open(&p, x, &f, x->mine);
        sv_paging_end(&p);
    }
    sv_http_done(x);
}

static void look_done(sv_engine *e, sv_action *action, const ro_err *failed)
{
    look *l = (look *)(void *)((char *)action - offsetof(look, action));
    (void)e;
    if (failed) l->err = *failed;
    sv_api_heavy(l->api, l->x, draw_open);
}

static void ask_engine(sv_api *a, sv_exchange *x, uint32_t level, uint32_t pair)
{
    look *l = ro_alloc_zero(sizeof *l);
    if (!l) {
        sv_problem(&x->reply, 503, "busy", "there is no memory for a page");
        sv_http_done(x);
        return;
    }
    l->mine.over = look_over;
    l->action.run = look_run;
    l->action.done = look_done;
    l->api = a;
    l->x = x;
    l->level = level;
    l->pair = pair;
    x->mine = l;
    sv_engine_post(a->engine, &l->action);
}

/* ---- the handler --------------------------------------------------------------------------- */

typedef struct { sv_paging *p; drawn *x; } opening;

static ro_status copy_openings(void *ctx, const sv_dispute *d, ro_err *err)
{
    const opening *o = ctx;
    (void)err;
    uint8_t *bytes = sv_paging_room(o->p, (size_t)d->openings_size);
    if (!bytes) return RO_OK;
    if (d->openings_size) memcpy(bytes, d->openings, (size_t)d->openings_size);
    o->x->bytes = bytes;
    o->x->size = (size_t)d->openings_size;
    return RO_OK;
}

static void send_ended(sv_paging *p, sv_exchange *x, const sv_page_frame *f, const sv_told *t,
                       const sv_pair *e)
{
    drawn known = {e, NULL, 0, 0, 0, 0};
    opening o = {p, &known};
    if (sv_paging_ok(p, sv_catalog_disputes(p->c, &t->id, e->number, copy_openings, &o, &p->err)))
        send_pair(p, x, f, t, &known);
    else sv_reply_failed(&x->reply, p->err.code, &p->err);
}

void sv_get_dispute_page(sv_api *a, sv_exchange *x)
{
    sv_paging p;
    sv_told t;
    uint32_t count = 0, level = RF_NONE, pair = 0;
    const uint32_t number = x->request.number;
    if (send_kept(x)) {
        etag_of_body(x);
        sv_http_done(x);
        return;
    }
    if (sv_paging_begin(&p, a, a->clerk_reader, x)) {
        const sv_page_frame f = sv_paging_frame(&p);
        const int there = sv_paging_task(&p, &x->request.id, &t);
        const sv_pair *list = there ? sv_paging_pairs(&p, &t.id, &count) : NULL;
        const sv_pair *e = list && number >= 1 && number <= count ? &list[number - 1] : NULL;
        if (p.err.code) sv_reply_failed(&x->reply, p.err.code, &p.err);
        else if (!e) sv_paging_missing(&p, x, there ? "dispute" : "task");
        else if (e->ended_ms || t.state != RF_T_DISPUTED) send_ended(&p, x, &f, &t, e);
        else {
            level = e->level;
            pair = e->pair;
        }
        sv_paging_end(&p);
    }
    if (level != RF_NONE) ask_engine(a, x, level, pair);
    else sv_http_done(x);
}
