/* pages.c - the routes of the pages, the overview and the ledger.
 *
 * What this file decides: which pages there are, what of them is kept from one request to the next,
 * and how they are sent. docs/SERVICE.md, "The pages". */
#include "pages.h"

#include <stdarg.h>
#include <string.h>

/* ---- a request -------------------------------------------------------------------------- */

int sv_paging_begin(sv_paging *p, sv_api *a, sv_catalog *c, sv_exchange *x)
{
    memset(p, 0, sizeof *p);
    p->api = a;
    p->c = c;
    p->now_ms = sv_now_ms();
    p->arena = ro_arena_new();
    if (!p->arena) (void)RO_FAIL(&p->err, RO_ENOMEM, "there is no memory for a page");
    if (sv_paging_ok(p, p->err.code) && sv_paging_ok(p, sv_catalog_freeze(c, &p->err))) return 1;
    sv_reply_failed(&x->reply, p->err.code, &p->err);
    ro_arena_free(p->arena);
    return 0;
}

void sv_paging_end(sv_paging *p)
{
    sv_catalog_thaw(p->c);
    ro_arena_free(p->arena);
    p->arena = NULL;
}

int sv_paging_ok(sv_paging *p, ro_status st)
{
    return st == RO_OK && p->err.code == RO_OK;
}

void *sv_paging_room(sv_paging *p, size_t size)
{
    void *room = ro_arena_alloc(p->arena, size ? size : 1);
    if (!room) (void)RO_FAIL(&p->err, RO_ENOMEM, "there is no memory for a page");
    return room;
}

const char *sv_paging_text(sv_paging *p, const char *format, ...)
{
    char text[512];
    va_list a;
    va_start(a, format);
    const int n = vsnprintf(text, sizeof text, format, a);
    va_end(a);
    const size_t size = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    const char *kept = ro_arena_string(p->arena, text, size);
    if (!kept) (void)RO_FAIL(&p->err, RO_ENOMEM, "there is no memory for a page");
    return kept ? kept : "";
}

const char *sv_paging_keep(sv_paging *p, sv_html *h)
{
    const char *text = sv_paging_text(p, "%s", h->size ? h->text : "");
    sv_html_release(h);
    return text;
}

const char *sv_paging_duration(sv_paging *p, uint64_t ms)
{
    sv_html h;
    sv_html_init(&h);
    sv_mark_duration(&h, ms);
    return sv_paging_keep(p, &h);
}

static const char *short_hex(sv_paging *p, const vd_digest *d)
{
    char hex[65];
    vd_digest_hex(d, hex);
    return sv_paging_text(p, "%.8s", hex);
}

sv_page_who sv_paging_client(sv_paging *p, const vd_digest *id)
{
    sv_client c;
    ro_err none = {RO_OK, {0}};
    sv_page_who who = {"", *id, 0};
    if (sv_catalog_client(p->c, id, &c, &none) == RO_OK) who.name = sv_paging_text(p, "%s", c.name);
    else who.name = short_hex(p, id);
    return who;
}

sv_page_who sv_paging_who(sv_paging *p, const vd_digest *key)
{
    vd_digest account;
    sv_page_who who = {"", *key, 1};
    if (sv_paging_ok(p, sv_catalog_account_of(p->c, key, &account, &p->err)))
        who.name = sv_paging_client(p, &account).name;
    return who;
}

/* ---- replies ---------------------------------------------------------------------------- */

sv_page_frame sv_paging_frame(sv_paging *p)
{
    sv_engine_counts n;
    sv_page_frame f;
    memset(&f, 0, sizeof f);
    sv_engine_count(p->api->engine, &n);
    f.now_ms = p->now_ms;
    f.version = VD_VERSION;
    f.server = p->api->address;
    f.referee = *sv_engine_referee(p->api->engine);
    (void)sv_paging_ok(p, sv_catalog_head(p->c, &f.events, &f.head, &p->err));
    if (!n.broken) return f;
    f.trouble = "Not taking new work: the ledger cannot be written.";
    f.trouble_why = sv_paging_text(p, "%s. What was acknowledged before is safe; reading works, "
                                   "and shows the last durable state.", n.why);
    return f;
}

void sv_paging_send(sv_paging *p, sv_exchange *x, sv_html *h, unsigned status)
{
    ro_status st = p->err.code;
    if (st == RO_OK) st = sv_html_status(h, &p->err);
    if (st) sv_reply_failed(&x->reply, st, &p->err);
    else {
        x->reply.status = status;
        x->reply.type = "text/html; charset=utf-8";
        sv_put_bytes(&x->reply.body, h->text, h->size);
    }
    sv_html_release(h);
}

/* What a page shows follows from the log up to its head, but for the time in its header: so that
 * names it. */
void sv_paging_etag(sv_paging *p, sv_exchange *x, const sv_page_frame *f)
{
    char text[SV_URL_MAX + 256], head[65];
    vd_digest d;
    vd_digest_hex(&f->head, head);
    const int n = snprintf(text, sizeof text, "%s %s %s?%s %s", VD_VERSION, head, x->request.path,
                           x->request.query, f->trouble ? f->trouble_why : "");
    const size_t size = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    vd_tagged_hash("verde/1 page", text, size, d.b);
    if (p->err.code == RO_OK) sv_etag(&x->reply, &d);
}

void sv_paging_missing(sv_paging *p, sv_exchange *x, const char *what)
{
    sv_html h;
    const sv_page_frame f = sv_paging_frame(p);
    const sv_page_missing m = {what, x->request.path};
    sv_html_init(&h);
    sv_page_write_missing(&h, &f, &m);
    sv_paging_send(p, x, &h, 404);
}

int sv_page_not_found(sv_api *a, sv_exchange *x)
{
    sv_paging p;
    if (!strstr(x->request.accept, "text/html")) return 0;
    if (!sv_paging_begin(&p, a, a->reader, x)) return 1;
    sv_paging_missing(&p, x, "page");
    sv_paging_end(&p);
    return 1;
}

static void get_asset(sv_api *a, sv_exchange *x)
{
    const sv_page_asset *file = sv_page_find_asset(x->request.path);
    (void)a;
    RO_ASSERT(file); /* a route is of one */
    x->reply.type = file->type;
    sv_put_bytes(&x->reply.body, file->bytes, file->size);
    (void)snprintf(x->reply.etag, sizeof x->reply.etag, "%s", file->etag);
}

/* ---- the overview ------------------------------------------------------------------------ */

#define TASKS_SHOWN 30u
#define DISPUTES_SHOWN 10u
#define PROVIDERS_SHOWN 50u

typedef struct {
    sv_paging *p;
    sv_page_task_line *list;
    uint32_t count, room;
    int skip_open; /* they are there already */
    int64_t last;
} lines;

static ro_status add_line(void *ctx, const sv_listed *t, ro_err *err)
{
    lines *l = ctx;
    sv_told told;
    sv_view *v = t->full ? NULL : sv_engine_view(l->p->api->engine, &t->task);
    const char *json = t->full ? t->full : v ? v->full.text : NULL;
    (void)err;
    l->last = t->number;
    if (json && !(v && l->skip_open) && l->count < l->room &&
        sv_paging_told(l->p, json, &told))
        l->list[l->count++] = sv_paging_line(l->p, &told);
    sv_engine_release(l->p->api->engine, v);
    return RO_OK;
}

/* On the first page those in progress come first; later ones are by age alone. */
static void task_lines(sv_paging *p, int64_t before, sv_page_index *page)
{
    lines l = {p, NULL, 0, TASKS_SHOWN, 0, before};
    l.list = sv_paging_room(p, TASKS_SHOWN * sizeof *l.list);
    if (!l.list) return;
    for (uint32_t s = 0; before == INT64_MAX && s < RF_T_SETTLED; s++) {
        const sv_filter f = {rf_task_state_name((rf_task_state)s), NULL, NULL};
        if (!sv_paging_ok(p, sv_catalog_tasks(p->c, &f, before, TASKS_SHOWN - l.count, add_line, &l,
                                              &p->err)))
            return;
    }
    const sv_filter all = {NULL, NULL, NULL};
    l.skip_open = before == INT64_MAX;
    l.last = before;
    if (l.count < TASKS_SHOWN)
        (void)sv_paging_ok(p, sv_catalog_tasks(p->c, &all, before, TASKS_SHOWN, add_line, &l,
                                               &p->err));
    page->tasks = l.list;
    page->task_count = l.count;
    if (l.last > 1 && l.last < INT64_MAX)
        page->older = sv_paging_text(p, "/?cursor=%lld", (long long)l.last);
}

static void count_states(sv_paging *p, sv_page_index *page)
{
    uint32_t cursor = 0;
    for (sv_view *v; (v = sv_engine_next_view(p->api->engine, &cursor)) != NULL;) {
        page->by_state[v->state]++;
        sv_engine_release(p->api->engine, v);
    }
}

/* The side that it names is known by its members. */
static void fill_dispute(sv_paging *p, const sv_pair *d, sv_page_dispute_line *line)
{
    sv_told t;
    line->task = d->task;
    line->name = sv_paging_name(p, &d->task);
    line->number = d->number;
    line->at_ms = d->ended_ms ? d->ended_ms : d->begun_ms;
    line->where = d->where;
    line->recomputed = d->recomputed;
    memcpy(line->guilty, d->guilty, sizeof line->guilty);
    line->state = d->ended_ms == 0 ? SV_DISPUTE_OPEN
                  : d->guilty[0] || d->guilty[1] ? SV_DISPUTE_DECIDED : SV_DISPUTE_UNDECIDED;
    line->verdict = "";
    if (!sv_paging_task(p, &d->task, &t)) return;
    sv_paging_sides(p, &t, d->roots, line->sides);
    line->verdict = sv_paging_verdict(p, d, line->sides);
}

typedef struct { sv_paging *p; sv_pair *list; uint32_t count; } pair_list;

static ro_status add_pair(void *ctx, const sv_dispute *d, ro_err *err)
{
    pair_list *l = ctx;
    (void)err;
    if (l->count < DISPUTES_SHOWN) sv_paging_row(l->p, d, &l->list[l->count++]);
    return RO_OK;
}

static void dispute_list(sv_paging *p, sv_page_index *page)
{
    sv_dispute_totals n;
    pair_list l = {p, sv_paging_room(p, DISPUTES_SHOWN * sizeof *l.list), 0};
    sv_page_dispute_line *list = sv_paging_room(p, DISPUTES_SHOWN * sizeof *list);
    if (!l.list || !list) return;
    if (!sv_paging_ok(p, sv_catalog_last_disputes(p->c, DISPUTES_SHOWN, add_pair, &l, &p->err)) ||
        !sv_paging_ok(p, sv_catalog_dispute_totals(p->c, &n, &p->err)))
        return;
    for (uint32_t k = 0; k < l.count; k++) fill_dispute(p, &l.list[k], &list[k]);
    page->disputes = list;
    page->dispute_count = l.count;
    page->disputes_open = n.all - n.ended;
    page->disputes_decided = n.decided;
    page->disputes_undecided = n.ended - n.decided;
    page->recomputed = n.recomputed;
}

typedef struct { sv_provider list[PROVIDERS_SHOWN]; uint32_t count; } provider_list;

static ro_status add_provider(void *ctx, const sv_provider *r, ro_err *err)
{
    provider_list *l = ctx;
    (void)err;
    if (l->count < PROVIDERS_SHOWN) l->list[l->count++] = *r;
    return RO_OK;
}

static void providers(sv_paging *p, sv_page_index *page)
{
    provider_list *l = sv_paging_room(p, sizeof *l);
    sv_page_provider_line *list = sv_paging_room(p, PROVIDERS_SHOWN * sizeof *list);
    if (!l || !list) return;
    l->count = 0;
    if (!sv_paging_ok(p, sv_catalog_providers(p->c, PROVIDERS_SHOWN, add_provider, l, &p->err)))
        return;
    for (uint32_t k = 0; k < l->count; k++) sv_paging_provider(p, &l->list[k], &list[k]);
    page->providers = list;
    page->provider_count = l->count;
}

/* What the service knows about itself now. */
static void checks(sv_paging *p, const sv_page_frame *f, sv_page_index *page)
{
    sv_engine_counts n;
    sv_page_check *list = sv_paging_room(p, 4 * sizeof *list);
    if (!list) return;
    sv_engine_count(p->api->engine, &n);
    const uint64_t each_us = n.batches ? (uint64_t)n.batch_ns / 1000 / n.batches : 0;
    list[0] = (sv_page_check){"Money is conserved",
                              sv_paging_text(p, "difference 0.000000 over %llu transfers",
                                             (unsigned long long)page->transfers),
                              page->difference == 0};
    list[1] = (sv_page_check){"Writes are durable",
                              n.broken ? sv_paging_text(p, "%s", n.why)
                                       : sv_paging_text(p, "%llu.%03llu ms a transaction of up to "
                                                        "%u requests, %llu failed since the start",
                                                        (unsigned long long)(each_us / 1000),
                                                        (unsigned long long)(each_us % 1000),
                                                        SV_BATCH_MAX,
                                                        (unsigned long long)n.failures),
                              !n.broken};
    list[2] = (sv_page_check){"Requests are taken",
                              sv_paging_text(p, "%llu wait", (unsigned long long)n.waiting),
                              n.waiting <= 4096};
    list[3] = (sv_page_check){"Event log",
                              sv_paging_text(p, "a chain of %llu events, its head signed",
                                             (unsigned long long)f->events), 1};
    page->checks = list;
    page->check_count = 4;
}

static void totals(sv_paging *p, sv_page_index *page)
{
    sv_totals t;
    int64_t sum = 0;
    if (!sv_paging_ok(p, sv_catalog_totals(p->c, &t, &p->err))) return;
    for (int k = 0; k < SV_ACCOUNTS; k++) sum += t.sum[k];
    page->difference = sum;
    (void)sv_paging_ok(p, sv_catalog_counts(p->c, &page->task_total, &page->transfers, &p->err));
    (void)sv_paging_ok(p, sv_catalog_days(p->c, RF_T_SETTLED, p->now_ms, page->settled,
                                          SV_PAGE_DAYS, &p->err));
}

/* Everything of it follows from the log: it is made once for a head. */
static struct { char etag[80]; sv_text text; } kept_index;

static void get_index(sv_api *a, sv_exchange *x)
{
    sv_paging p;
    sv_html h;
    uint32_t limit;
    int64_t before;
    sv_page_index page;
    memset(&page, 0, sizeof page);
    if (!sv_page_of(x, &limit, &before) || !sv_paging_begin(&p, a, a->reader, x)) return;
    const sv_page_frame f = sv_paging_frame(&p);
    sv_paging_etag(&p, x, &f);
    sv_html_init(&h);
    if (x->reply.etag[0] && strcmp(x->reply.etag, kept_index.etag) == 0) {
        x->reply.type = "text/html; charset=utf-8";
        sv_put_bytes(&x->reply.body, kept_index.text.text, kept_index.text.size);
        sv_paging_end(&p);
        return;
    }
    count_states(&p, &page);
    totals(&p, &page);
    task_lines(&p, before, &page);
    dispute_list(&p, &page);
    providers(&p, &page);
    checks(&p, &f, &page);
    sv_page_write_index(&h, &f, &page);
    sv_paging_send(&p, x, &h, 200);
    if (p.err.code == RO_OK && before == INT64_MAX) {
        sv_text_clear(&kept_index.text);
        sv_put_bytes(&kept_index.text, x->reply.body.text, x->reply.body.size);
        kept_index.etag[0] = 0;
        if (!kept_index.text.failed)
            (void)snprintf(kept_index.etag, sizeof kept_index.etag, "%s", x->reply.etag);
    }
    sv_paging_end(&p);
}

/* ---- the ledger -------------------------------------------------------------------------- */

#define HOLDERS_SHOWN 50u
#define TRANSFERS_SHOWN 60u

typedef struct { sv_booked list[TRANSFERS_SHOWN + 1]; uint32_t count; } booked_list;

static ro_status add_booked(void *ctx, const sv_booked *b, ro_err *err)
{
    booked_list *l = ctx;
    (void)err;
    if (l->count <= TRANSFERS_SHOWN) l->list[l->count++] = *b;
    return RO_OK;
}

/* "alder, free": by the name of the account, or of the key that holds a stake. */
static const char *account_text(sv_paging *p, const sv_account *a)
{
    switch (a->kind) {
    case SV_FREE: return sv_paging_text(p, "%s, free", sv_paging_who(p, &a->owner).name);
    case SV_HELD: return sv_paging_text(p, "%s, held", sv_paging_who(p, &a->owner).name);
    case SV_ESCROW: return sv_paging_text(p, "task %s, escrow", short_hex(p, &a->task));
    default: return sv_account_name(a->kind);
    }
}

static const char *group_title(const sv_booked *b)
{
    switch (b->key & UINT64_C(0xff) << 56) {
    case SV_KEY_ESCROW: return "Submitted:";
    case SV_KEY_STAKE: return "A slot claimed in";
    case SV_KEY_RELEASE: return "A slot given back in";
    case SV_KEY_DEPOSIT: return "Paid in";
    default: return "End of";
    }
}

static int same_group(const sv_booked *a, const sv_booked *b)
{
    return vd_digest_equal(&a->scope, &b->scope) && a->stamp_ms == b->stamp_ms &&
           group_title(a) == group_title(b);
}

static void journal(sv_paging *p, int64_t before, sv_page_ledger *page)
{
    booked_list *l = sv_paging_room(p, sizeof *l);
    sv_page_transfer *list = sv_paging_room(p, TRANSFERS_SHOWN * sizeof *list);
    sv_page_group *groups = sv_paging_room(p, TRANSFERS_SHOWN * sizeof *groups);
    if (!l || !list || !groups) return;
    l->count = 0;
    if (!sv_paging_ok(p, sv_catalog_transfers(p->c, NULL, before, TRANSFERS_SHOWN + 1, add_booked,
                                              l, &p->err)))
        return;
    const uint32_t shown = l->count < TRANSFERS_SHOWN ? l->count : TRANSFERS_SHOWN;
    for (uint32_t k = 0; k < shown; k++) {
        const sv_booked *b = &l->list[k];
        list[k] = (sv_page_transfer){(uint64_t)b->id, account_text(p, &b->from),
                                     account_text(p, &b->to), sv_purpose(b->key), b->amount};
        if (k && same_group(b, &l->list[k - 1])) {
            groups[page->group_count - 1].count++;
            continue;
        }
        sv_page_group *g = &groups[page->group_count++];
        g->title = group_title(b);
        g->has_task = (b->key & UINT64_C(0xff) << 56) != SV_KEY_DEPOSIT;
        g->task = b->scope;
        g->name = g->has_task ? sv_paging_name(p, &b->scope) : "";
        g->at_ms = b->stamp_ms;
        g->list = &list[k];
        g->count = 1;
    }
    if (shown) page->checked_ms = l->list[0].stamp_ms;
    page->groups = groups;
    if (l->count > shown)
        page->older = sv_paging_text(p, "/ledger?cursor=%lld", (long long)l->list[shown - 1].id);
}

typedef struct { vd_digest owner[HOLDERS_SHOWN]; uint32_t count; } holder_list;

static ro_status add_holder(void *ctx, const vd_digest *owner, uint64_t number, ro_err *err)
{
    holder_list *l = ctx;
    (void)number;
    (void)err;
    if (l->count < HOLDERS_SHOWN) l->owner[l->count++] = *owner;
    return RO_OK;
}

/* What an owner has, in the line of its account: a stake is held by a key. */
static int add_owner(sv_paging *p, const vd_digest *owner, sv_page_balance *list, uint32_t *count)
{
    static const sv_account_kind of[3] = {SV_FREE, SV_HELD, SV_ESCROW};
    vd_digest account;
    sv_provider known;
    ro_err none = {RO_OK, {0}};
    uint32_t at = 0;
    if (!sv_paging_ok(p, sv_catalog_account_of(p->c, owner, &account, &p->err))) return 0;
    while (at < *count && !vd_digest_equal(&list[at].account, &account)) at++;
    sv_page_balance *b = &list[at];
    if (at == *count) {
        b->who = sv_paging_client(p, &account);
        b->account = account;
        ++*count;
    }
    if (sv_catalog_provider(p->c, owner, &known, &none) == RO_OK) {
        b->who.key = *owner;
        b->who.is_provider = 1;
    }
    for (int i = 0; i < 3; i++) {
        int64_t sum;
        if (!sv_paging_ok(p, sv_catalog_balance(p->c, of[i], owner, &sum, &p->err))) return 0;
        b->places[i] += sum;
    }
    return 1;
}

/* Accounts by name, then all others together, the treasury and what was burned: it sums. */
static void balances(sv_paging *p, const sv_totals *t, sv_page_ledger *page)
{
    holder_list *l = sv_paging_room(p, sizeof *l);
    sv_page_balance *list = sv_paging_room(p, (HOLDERS_SHOWN + 3) * sizeof *list);
    int64_t rest[3] = {t->sum[SV_FREE], t->sum[SV_HELD], t->sum[SV_ESCROW]};
    if (!l || !list) return;
    l->count = 0;
    if (!sv_paging_ok(p, sv_catalog_holders(p->c, HOLDERS_SHOWN, add_holder, l, &p->err))) return;
    for (uint32_t k = 0; k < l->count; k++)
        if (!add_owner(p, &l->owner[k], list, &page->balance_count)) return;
    for (uint32_t k = 0; k < page->balance_count; k++)
        for (int i = 0; i < 3; i++) rest[i] -= list[k].places[i];
    sv_page_balance *other = &list[page->balance_count];
    if (rest[0] || rest[1] || rest[2]) {
        other->who.name = "all others";
        for (int i = 0; i < 3; i++) other->places[i] = rest[i];
        page->balance_count++;
    }
    list[page->balance_count].who.name = "treasury";
    list[page->balance_count++].places[3] = t->sum[SV_TREASURY];
    list[page->balance_count].who.name = "burn";
    list[page->balance_count++].places[4] = t->sum[SV_BURN];
    page->balances = list;
}

static void get_ledger_page(sv_api *a, sv_exchange *x)
{
    static const sv_account_kind of[SV_PLACES] = {SV_FREE, SV_HELD, SV_ESCROW, SV_TREASURY,
                                                  SV_BURN};
    sv_paging p;
    sv_html h;
    uint32_t limit;
    int64_t before, sum = 0;
    sv_totals t;
    sv_page_ledger page;
    uint64_t tasks;
    memset(&page, 0, sizeof page);
    if (!sv_page_of(x, &limit, &before) || !sv_paging_begin(&p, a, a->reader, x)) return;
    const sv_page_frame f = sv_paging_frame(&p);
    sv_html_init(&h);
    if (sv_paging_ok(&p, sv_catalog_totals(p.c, &t, &p.err))) {
        for (uint32_t k = 0; k < SV_PLACES; k++) {
            page.places[k] = t.sum[of[k]];
            page.accounts += t.accounts[of[k]];
            sum += page.places[k];
        }
        page.deposits = -t.sum[SV_MINT];
        if (sum != page.deposits) /* the page asserts it: better no page than a wrong one */
            (void)RO_FAIL(&p.err, RO_EDIFFER, "accounts hold %lld, paid in are %lld",
                          (long long)sum, (long long)page.deposits);
        balances(&p, &t, &page);
        journal(&p, before, &page);
        (void)sv_paging_ok(&p, sv_catalog_counts(p.c, &tasks, &page.transfers, &p.err));
    }
    if (p.err.code == RO_OK) sv_page_write_ledger(&h, &f, &page);
    sv_paging_etag(&p, x, &f);
    sv_paging_send(&p, x, &h, 200);
    sv_paging_end(&p);
}

/* ---- routes ----------------------------------------------------------------------------- */

const sv_route sv_routes_pages[] = {
    {SV_GET, "/", get_index, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/tasks/{id}", sv_get_task_page, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/tasks/{id}/disputes/{n}", sv_get_dispute_page, SV_HEAVY, 0, NULL, NULL, NULL},
    {SV_GET, "/providers/{id}", sv_get_provider_page, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/ledger", get_ledger_page, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/verde.css", get_asset, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/live.js", get_asset, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/favicon.svg", get_asset, 0, 0, NULL, NULL, NULL},
    {0, NULL, NULL, 0, 0, NULL, NULL, NULL}};
