/* api_tasks.c - tasks and what is said of them: submitting, lists, messages, questions, disputes.
 *
 * What this file decides: what of a task is shown to whom, and the status of a signed answer.
 *
 * Invariants
 *   1. A job is decoded and priced outside of the engine's thread, and admitted in it.
 *   2. Messages need no token: what they say is signed, what answers them too. */
#include <string.h>

#include "../verde/bytes.h"
#include "api.h"

/* ---- submitting ------------------------------------------------------------------------- */

typedef struct { sv_mine mine; rf_params params; sv_fixed fixed; } submission;

static void submission_over(sv_api *a, sv_exchange *x)
{
    (void)a;
    ro_free(x->mine);
    x->mine = NULL;
}

/* What the query asks for; 0: the reply says what is wrong. */
static int read_wishes(sv_exchange *x, sv_wishes *w)
{
    memset(w, 0, sizeof *w);
    for (const char *p = x->request.query; *p;) {
        const size_t size = strcspn(p, "&"), name = strcspn(p, "=&");
        char value[24] = {0};
        uint32_t k = 0;
        while (k < SV_PARAMS && (strlen(sv_params()[k].name) != name ||
                                 strncmp(sv_params()[k].name, p, name) != 0))
            k++;
        if (k == SV_PARAMS || w->has[k]) {
            sv_problem(&x->reply, 400, "parameter", "%.*s is no parameter of a task, or is there "
                       "twice", (int)(name < 60 ? name : 60), p);
            return 0;
        }
        if (size > name && size - name - 1 < sizeof value)
            memcpy(value, p + name + 1, size - name - 1);
        if (!sv_parse_u64(value, &w->value[k])) {
            sv_problem(&x->reply, 400, "parameter", "%s is no whole number", sv_params()[k].name);
            return 0;
        }
        w->has[k] = 1;
        p += size + (p[size] == '&');
    }
    return 1;
}

static ro_status price(sv_api *a, const sv_exchange *x, const sv_wishes *w, vd_job **job,
                       ro_arena *arena, rf_params *p, sv_fixed *f, int *is_job, ro_err *err)
{
    *is_job = 0;
    RO_TRY(vd_job_decode(x->request.body, x->request.body_size, arena, job, err));
    *is_job = 1;
    return sv_engine_quote(a->engine, *job, w, p, f, err);
}

/* Decode and price the body's job; 0: the reply is there. *job lies in the arena. */
static int priced(sv_api *a, sv_exchange *x, ro_arena *arena, vd_job **job, rf_params *p,
                  sv_fixed *f)
{
    sv_wishes w;
    int is_job = 0;
    ro_err err = {RO_OK, {0}};
    if (!read_wishes(x, &w)) return 0;
    ro_status st = arena ? price(a, x, &w, job, arena, p, f, &is_job, &err)
                         : RO_FAIL(&err, RO_ENOMEM, "there is no memory for a job");
    if (st == RO_ENOMEM) sv_problem(&x->reply, 503, "busy", "%s", err.msg);
    else if (st) sv_problem(&x->reply, 422, is_job ? "terms" : "job", "%s", err.msg);
    return st == RO_OK;
}

static void tell_quote(sv_exchange *x, const vd_job *j, const rf_params *p, const sv_fixed *f)
{
    sv_text *t = &x->reply.body;
    int64_t escrow = 0;
    ro_err err = {RO_OK, {0}};
    if (rf_params_escrow(p, &escrow, &err)) {
        sv_problem(&x->reply, 422, "terms", "%s", err.msg);
        return;
    }
    sv_put(t, "{");
    sv_tell_job(t, j, x->request.body_size, f);
    sv_put(t, ", \"params\": ");
    sv_tell_params(t, p);
    sv_put(t, ", \"escrow\": \"%lld\"}\n", (long long)escrow);
}

static void post_quote(sv_api *a, sv_exchange *x)
{
    ro_arena *arena = ro_arena_new();
    vd_job *job;
    rf_params p;
    sv_fixed f;
    if (priced(a, x, arena, &job, &p, &f)) tell_quote(x, job, &p, &f);
    ro_arena_free(arena);
    sv_http_done(x);
}

static void submit(sv_api *a, sv_exchange *x)
{
    const submission *s = x->mine;
    sv_order o;
    sv_task_look l;
    char hex[65];
    ro_err err = {RO_OK, {0}};
    memset(&o, 0, sizeof o);
    sv_fresh(o.task.b, sizeof o.task.b);
    sv_fresh(o.secret.b, sizeof o.secret.b);
    o.client = x->who;
    o.params = s->params;
    o.job = x->request.body;
    o.job_size = x->request.body_size;
    ro_status st = sv_engine_submit(a->engine, &o, &s->fixed, &err);
    if (st == RO_ELIMIT) sv_problem(&x->reply, 409, "funds", "%s", err.msg);
    else if (st) sv_reply_failed(&x->reply, st, &err);
    if (st || !sv_tasks_look(sv_engine_tasks(a->engine), &o.task, &l)) return;
    sv_fixed f = s->fixed;
    f.secret = o.secret;
    f.made_ms = sv_ledger_stamp(sv_engine_ledger(a->engine));
    uint64_t position;
    vd_digest head;
    sv_ledger_head(sv_engine_ledger(a->engine), &position, &head);
    sv_tell_task(&x->reply.body, &l, &f, f.made_ms, position - 1, 0, 0, 0);
    vd_digest_hex(&o.task, hex);
    (void)snprintf(x->reply.location, sizeof x->reply.location, "/v1/tasks/%s", hex);
    x->reply.status = 201;
}

static void post_task(sv_api *a, sv_exchange *x)
{
    submission *s = ro_alloc_zero(sizeof *s);
    ro_arena *arena = ro_arena_new();
    vd_job *job;
    int go = 0;
    if (!s) sv_problem(&x->reply, 503, "busy", "there is no memory for a task");
    else if (!x->is_account)
        sv_problem(&x->reply, 403, "forbidden", "a task is an account's; this is the operator's "
                   "token");
    else go = priced(a, x, arena, &job, &s->params, &s->fixed);
    ro_arena_free(arena);
    if (!go) {
        ro_free(s);
        sv_http_done(x);
        return;
    }
    s->mine.over = submission_over;
    x->mine = s;
    sv_api_write(a, x, submit);
}

/* ---- tasks ------------------------------------------------------------------------------ */

static void text_etag(sv_reply *r)
{
    vd_digest d;
    vd_tagged_hash("verde/1 etag", r->body.text, r->body.size, d.b);
    sv_etag(r, &d);
}

static ro_status put_full(void *ctx, const sv_listed *t, ro_err *err)
{
    (void)err;
    if (t->full) sv_put_bytes(ctx, t->full, strlen(t->full));
    return RO_OK;
}

static void get_task(sv_api *a, sv_exchange *x)
{
    ro_err err = {RO_OK, {0}};
    sv_text *t = &x->reply.body;
    sv_view *v = sv_engine_view(a->engine, &x->request.id);
    ro_status st = RO_OK;
    if (v) sv_put_bytes(t, v->full.text, v->full.size);
    else st = sv_catalog_task(a->reader, &x->request.id, put_full, t, &err);
    sv_engine_release(a->engine, v);
    if (st == RO_OK && !t->size)
        st = RO_FAIL(&err, RO_EIO, "the task is being read; ask again");
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    sv_put(t, "\n");
    text_etag(&x->reply);
}

typedef struct { sv_api *api; sv_listing l; } tasks_page;

static ro_status put_brief(void *ctx, const sv_listed *t, ro_err *err)
{
    tasks_page *p = ctx;
    (void)err;
    if (!p->l.left) return RO_OK;
    sv_view *v = t->brief ? NULL : sv_engine_view(p->api->engine, &t->task);
    sv_put(p->l.t, p->l.last ? ",\n " : "");
    if (v) sv_put_bytes(p->l.t, v->brief.text, v->brief.size);
    else if (t->brief) sv_put_bytes(p->l.t, t->brief, strlen(t->brief));
    else { /* it is being read */
        sv_put(p->l.t, "{\"id\": ");
        sv_put_digest(p->l.t, &t->task);
        sv_put(p->l.t, ", \"state\": \"%s\"}", t->status);
    }
    sv_engine_release(p->api->engine, v);
    p->l.last = t->number;
    p->l.left--;
    return RO_OK;
}

static int read_filter(sv_exchange *x, sv_filter *f, char state[SV_URL_MAX + 1], vd_digest *id)
{
    char text[SV_URL_MAX + 1];
    int set = 0, known = 0;
    memset(f, 0, sizeof *f);
    if (sv_query(&x->request, "state", state)) {
        set++;
        f->status = state;
        for (int s = 0; s <= RF_T_REFUNDED; s++)
            known |= strcmp(state, rf_task_state_name((rf_task_state)s)) == 0;
        if (!known) {
            sv_problem(&x->reply, 400, "parameter", "state is \"%.40s\", which is none", state);
            return 0;
        }
    }
    for (int k = 0; k < 2; k++) {
        if (!sv_query(&x->request, k ? "key" : "client", text)) continue;
        set++;
        if (!sv_parse_hex(text, id->b, VD_DIGEST)) {
            sv_problem(&x->reply, 400, "parameter", "%s is not 64 hexadecimal digits",
                       k ? "key" : "client");
            return 0;
        }
        *(k ? &f->key : &f->client) = id;
    }
    if (set > 1)
        sv_problem(&x->reply, 400, "parameter", "of state, client and key one may be given");
    return set <= 1;
}

static void get_tasks(sv_api *a, sv_exchange *x)
{
    sv_filter f;
    vd_digest id;
    char state[SV_URL_MAX + 1];
    uint32_t limit;
    int64_t before;
    ro_err err = {RO_OK, {0}};
    if (!read_filter(x, &f, state, &id) || !sv_page_of(x, &limit, &before)) return;
    tasks_page p = {a, {&x->reply.body, limit, 0}};
    sv_put(p.l.t, "{\"tasks\": [");
    ro_status st = sv_catalog_tasks(a->reader, &f, before, limit, put_brief, &p, &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    if (p.l.left || p.l.last <= 1) sv_put(p.l.t, "], \"next\": null}\n");
    else sv_put(p.l.t, "], \"next\": \"%lld\"}\n", (long long)p.l.last);
    text_etag(&x->reply);
}

static ro_status put_job(void *ctx, const sv_task_record *r, ro_err *err)
{
    sv_reply *reply = ctx;
    sv_order o;
    RO_TRY(sv_order_read(r->order, r->order_size, &o, err));
    sv_put_bytes(&reply->body, o.job, (size_t)o.job_size);
    return RO_OK;
}

static ro_status put_terms(void *ctx, const sv_task_record *r, ro_err *err)
{
    sv_reply *reply = ctx;
    sv_order o;
    uint8_t bytes[RF_PARAMS_BYTES];
    RO_TRY(sv_order_read(r->order, r->order_size, &o, err));
    rf_params_encode(&o.params, bytes);
    sv_put_bytes(&reply->body, bytes, sizeof bytes);
    return RO_OK;
}

static void get_order(sv_api *a, sv_exchange *x, sv_task_row *row, const char *type)
{
    ro_err err = {RO_OK, {0}};
    ro_status st = sv_catalog_order(a->reader, &x->request.id, row, &x->reply, &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    x->reply.type = type;
    x->reply.ranges = 1;
    x->reply.cache = "public, max-age=31536000, immutable";
    sv_etag(&x->reply, &x->request.id);
}

static void get_job(sv_api *a, sv_exchange *x)
{
    get_order(a, x, put_job, "application/vnd.verde.job");
}

static void get_terms(sv_api *a, sv_exchange *x)
{
    get_order(a, x, put_terms, "application/octet-stream");
}

/* ---- what was said ----------------------------------------------------------------------- */

/* Whether reveals of a task are public; 0 with a reply when there is no such task. */
static int revealed(sv_api *a, sv_exchange *x, int *is)
{
    ro_err err = {RO_OK, {0}};
    sv_text none = {NULL, 0, 0, 0};
    sv_view *v = sv_engine_view(a->engine, &x->request.id);
    *is = !v || v->state > RF_T_REVEAL;
    ro_status st = v ? RO_OK : sv_catalog_task(a->reader, &x->request.id, put_full, &none, &err);
    if (st == RO_OK && !v && !none.size)
        st = RO_FAIL(&err, RO_EIO, "the task is being read; ask again");
    sv_engine_release(a->engine, v);
    sv_text_free(&none);
    if (st) sv_reply_failed(&x->reply, st, &err);
    return st == RO_OK;
}

typedef struct { sv_api *api; sv_text *t; int revealed, count; } saying;

static ro_status put_receipt(void *ctx, const sv_event *row, ro_err *err)
{
    saying *s = ctx;
    rf_message m;
    const void *payload;
    uint8_t bytes[RF_MESSAGE_MAX];
    size_t size;
    int is;
    RO_TRY(sv_event_message(row, &m, &payload, &size, &is, err));
    if (!is || (m.type == RF_M_REVEAL && !s->revealed)) return RO_OK;
    RO_TRY(sv_event_receipt(sv_engine_key(s->api->engine), row, &m, bytes, &size, err));
    sv_put(s->t, "%s{\"position\": \"%llu\", \"key\": \"", s->count++ ? ",\n " : "",
           (unsigned long long)row->number);
    sv_put_hex(s->t, m.key, sizeof m.key);
    sv_put(s->t, "\", \"type\": \"%s\", \"logged_ms\": \"%llu\", \"receipt\": \"",
           rf_message_type_name(m.type), (unsigned long long)row->stamp_ms);
    sv_put_base64(s->t, bytes, size);
    sv_put(s->t, "\"}");
    return RO_OK;
}

static ro_status put_reveal(void *ctx, const sv_event *row, ro_err *err)
{
    saying *s = ctx;
    rf_message m;
    const void *payload;
    uint8_t bytes[RF_MESSAGE_MAX];
    size_t size;
    int is;
    RO_TRY(sv_event_message(row, &m, &payload, &size, &is, err));
    if (!is || m.type != RF_M_REVEAL) return RO_OK;
    sv_put(s->t, "%s{\"key\": \"", s->count++ ? ",\n " : "");
    sv_put_hex(s->t, m.key, sizeof m.key);
    sv_put(s->t, "\", \"root\": ");
    sv_put_digest(s->t, &m.claim.reveal.root);
    sv_put(s->t, ", \"backend\": ");
    sv_put_json(s->t, m.claim.reveal.backend);
    sv_put(s->t, ", \"message\": \"");
    sv_put_base64(s->t, bytes, rf_message_encode(&m, bytes));
    sv_put(s->t, "\"}");
    return RO_OK;
}

static void get_said(sv_api *a, sv_exchange *x, const char *name, sv_event_row *row)
{
    ro_err err = {RO_OK, {0}};
    saying s = {a, &x->reply.body, 0, 0};
    if (!revealed(a, x, &s.revealed)) return;
    if (row == put_reveal && !s.revealed) {
        sv_problem(&x->reply, 409, "conflict", "reveals are sealed until REVEAL has ended");
        return;
    }
    sv_put(s.t, "{\"%s\": [", name);
    ro_status st = sv_catalog_messages(a->reader, &x->request.id, row, &s, &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    sv_put(s.t, "]}\n");
    text_etag(&x->reply);
}

static void get_receipts(sv_api *a, sv_exchange *x) { get_said(a, x, "receipts", put_receipt); }
static void get_reveals(sv_api *a, sv_exchange *x) { get_said(a, x, "reveals", put_reveal); }

/* ---- messages --------------------------------------------------------------------------- */

static unsigned status_of(const rf_message *answer)
{
    static const unsigned status[RF_REFUSALS] = {
        [RF_R_MALFORMED] = 400, [RF_R_SIGNATURE] = 401, [RF_R_CONTEXT] = 404,
        [RF_R_UNKNOWN] = 403,   [RF_R_EARLY] = 409,     [RF_R_LATE] = 409,
        [RF_R_STALE] = 409,     [RF_R_MISMATCH] = 409,  [RF_R_CONFLICT] = 409,
        [RF_R_STRUCK] = 403,    [RF_R_CONTENT] = 422,   [RF_R_LIMIT] = 429,
        [RF_R_FAULT] = 503};
    return answer->type == RF_M_RECEIPT ? 200 : status[answer->claim.refusal.reason];
}

/* A message whose signature was checked before it waits for the engine. */
typedef struct { sv_mine mine; sv_opened opened; } posted;

static void posted_over(sv_api *a, sv_exchange *x)
{
    (void)a;
    ro_free(x->mine);
    x->mine = NULL;
}

static void open_message(sv_api *a, sv_exchange *x)
{
    const uint8_t *bytes = x->request.body;
    const size_t n = x->request.body_size;
    const uint32_t size = n < 4 ? 0 : vd_get_u32(bytes);
    (void)a;
    if (n < 4 || size > n - 4 || size > RF_MESSAGE_MAX) {
        sv_problem(&x->reply, 400, "body", "the body has %zu bytes; it is a size of 4 bytes, a "
                   "message of that size, at most %u, and its payload", n, RF_MESSAGE_MAX);
        return;
    }
    posted *p = ro_alloc_zero(sizeof *p);
    if (!p) {
        sv_problem(&x->reply, 503, "busy", "there is no memory for the message");
        return;
    }
    p->mine.over = posted_over;
    x->mine = p;
    sv_message_open(bytes + 4, size, bytes + 4 + size, n - 4 - size, &p->opened);
}

static void post_message(sv_api *a, sv_exchange *x)
{
    const posted *p = x->mine;
    uint8_t answer[RF_MESSAGE_MAX];
    size_t answer_size;
    vd_digest key, account;
    rf_message m;
    ro_err err = {RO_OK, {0}};
    memcpy(key.b, p->opened.message.key, VD_DIGEST); /* 0 where it was not opened */
    ro_status st = sv_catalog_account_of(sv_engine_catalog(a->engine), &key, &account, &err);
    if (!st)
        st = sv_tasks_opened(sv_engine_tasks(a->engine), &p->opened, &account, sv_now_ms(), answer,
                             &answer_size, &err);
    if (!st) st = rf_message_decode(answer, answer_size, &m, &err);
    if (st) {
        sv_problem(&x->reply, 503, "busy", "%s", err.msg);
        return;
    }
    sv_put_bytes(&x->reply.body, answer, answer_size);
    x->reply.status = status_of(&m);
    x->reply.type = "application/vnd.verde.message";
    x->reply.cache = "no-store";
}

/* ---- questions -------------------------------------------------------------------------- */

/* Whether a question is asked of a seat; *side: on which side it stands. */
static int is_asked(const sv_view *v, const sv_asked *q, const sv_seat *s, int *side)
{
    *side = -1;
    if (q->kind == RF_DO_AUDIT) return s->role == RF_AUDITOR && !s->has_root;
    if (s->lost || !s->has_root) return 0;
    if (q->kind == RF_DO_CHALLENGE) return s->role == RF_PROVIDER;
    if (q->kind == RF_DO_DELIVER) return vd_digest_equal(&s->root, &v->root);
    for (int k = 0; k < 2; k++)
        if (vd_digest_equal(&s->root, &q->roots[k])) *side = k;
    return *side >= 0 && q->sides >> *side & 1;
}

static void put_questions(sv_text *t, const sv_view *v, const vd_digest *key, uint32_t *count)
{
    const sv_seat *seat = NULL;
    for (uint32_t k = 0; key && k < v->seat_count; k++)
        if (memcmp(v->seats[k].key, key->b, VD_DIGEST) == 0) seat = &v->seats[k];
    if (key && !seat) return;
    for (uint32_t k = 0; k < v->asked_count; k++) {
        int side = -1;
        const sv_asked *q = &v->asked[k];
        if (seat && !is_asked(v, q, seat, &side)) continue;
        sv_put(t, *count ? ",\n " : "");
        ++*count;
        sv_put_bytes(t, q->text.text, q->text.size);
        if (side >= 0) sv_put(t, ", \"side\": %d", side);
        sv_put(t, "}");
    }
}

/* The key of ?key=; 0: the reply says that it is none. *has: it is there. */
static int key_of(sv_exchange *x, vd_digest *key, int *has)
{
    char text[SV_URL_MAX + 1];
    *has = sv_query(&x->request, "key", text) != NULL;
    if (!*has || sv_parse_hex(text, key->b, VD_DIGEST)) return 1;
    sv_problem(&x->reply, 400, "parameter", "key is not 64 hexadecimal digits");
    return 0;
}

static void get_all_questions(sv_api *a, sv_exchange *x)
{
    vd_digest key;
    uint32_t cursor = 0, count = 0;
    int has;
    if (!key_of(x, &key, &has)) return;
    if (!has) {
        sv_problem(&x->reply, 400, "parameter", "key is missing");
        return;
    }
    sv_put(&x->reply.body, "{\"questions\": [");
    for (sv_view *v; (v = sv_engine_next_view(a->engine, &cursor)) != NULL;) {
        put_questions(&x->reply.body, v, &key, &count);
        sv_engine_release(a->engine, v);
    }
    sv_put(&x->reply.body, "]}\n");
    text_etag(&x->reply);
}

static void get_questions(sv_api *a, sv_exchange *x)
{
    vd_digest key;
    uint32_t count = 0;
    int has, is;
    if (!key_of(x, &key, &has) || !revealed(a, x, &is)) return;
    sv_view *v = sv_engine_view(a->engine, &x->request.id);
    sv_put(&x->reply.body, "{\"questions\": [");
    if (v) put_questions(&x->reply.body, v, has ? &key : NULL, &count);
    sv_put(&x->reply.body, "]}\n");
    sv_engine_release(a->engine, v);
    text_etag(&x->reply);
}

/* ---- disputes --------------------------------------------------------------------------- */

static ro_status put_dispute(void *ctx, const sv_dispute *d, ro_err *err)
{
    sv_text *t = ctx;
    (void)err;
    sv_put(t, "%s{\"number\": %u, \"level\": %u, \"pair\": %u, \"roots\": [",
           d->number > 1 ? ",\n " : "", d->number, d->level, d->pair);
    sv_put_digest(t, &d->roots[0]);
    sv_put(t, ", ");
    sv_put_digest(t, &d->roots[1]);
    sv_put(t, "], \"ended\": %s, \"verdict\": %s, \"openings\": \"%llu\", \"evidence\": ",
           d->ended ? "true" : "false", d->verdict, (unsigned long long)d->openings_size);
    if (d->evidence_size) sv_put(t, "\"%llu\"}", (unsigned long long)d->evidence_size);
    else sv_put(t, "null}");
    return RO_OK;
}

static void get_disputes(sv_api *a, sv_exchange *x)
{
    ro_err err = {RO_OK, {0}};
    int is;
    if (!revealed(a, x, &is)) return;
    sv_put(&x->reply.body, "{\"disputes\": [");
    ro_status st = sv_catalog_disputes(a->reader, &x->request.id, 0, put_dispute, &x->reply.body,
                                       &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    sv_put(&x->reply.body, "]}\n");
    text_etag(&x->reply);
}

static ro_status put_evidence(void *ctx, const sv_dispute *d, ro_err *err)
{
    (void)err;
    sv_put_bytes(ctx, d->evidence, (size_t)d->evidence_size);
    return RO_OK;
}

static void get_evidence(sv_api *a, sv_exchange *x)
{
    ro_err err = {RO_OK, {0}};
    ro_status st = RO_OK;
    if (x->request.number)
        st = sv_catalog_disputes(a->reader, &x->request.id, x->request.number, put_evidence,
                                 &x->reply.body, &err);
    if (st == RO_OK && !x->reply.body.size)
        st = RO_FAIL(&err, RO_ENOTFOUND, "there is no such dispute, or its verdict has no "
                     "evidence");
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    x->reply.type = "application/vnd.verde.evidence";
    x->reply.ranges = 1;
    x->reply.cache = "public, max-age=31536000, immutable";
    text_etag(&x->reply);
}

typedef struct { uint32_t level, pair, from; sv_text *t; uint32_t total; int found; } transcript;

/* What follows the first `from` openings. */
static ro_status put_openings(void *ctx, const sv_dispute *d, ro_err *err)
{
    transcript *s = ctx;
    (void)err;
    if (d->level != s->level || d->pair != s->pair || !d->openings) return RO_OK;
    vd_in in = {d->openings, d->openings_size, 0, 0};
    s->found = 1;
    for (s->total = 0; vd_in_left(&in) && !in.bad; s->total++) {
        const uint64_t at = in.at;
        (void)vd_in_bytes(&in, 2);
        const uint64_t n = vd_in_u64(&in);
        (void)vd_in_bytes(&in, n);
        if (!in.bad && s->total >= s->from) sv_put_bytes(s->t, in.p + at, (size_t)(in.at - at));
    }
    return RO_OK;
}

static ro_status find_pair(void *ctx, const sv_dispute *d, ro_err *err)
{
    transcript *s = ctx;
    (void)err;
    if (d->level == s->level && d->pair == s->pair) s->total = d->number;
    return RO_OK;
}

/* A pair that has ended lies in the catalog; one that is judged is the engine's alone. */
static ro_status read_transcript(sv_api *a, const vd_digest *task, transcript *s, ro_err *err)
{
    rf_task *t = sv_tasks_find(sv_engine_tasks(a->engine), task);
    rf_game *g = t ? rf_task_game(t, s->level, s->pair) : NULL;
    sv_catalog *c = sv_engine_catalog(a->engine);
    uint8_t *bytes;
    size_t size;
    if (g) {
        s->found = 1;
        RO_TRY(rf_game_openings(g, s->from, &bytes, &size, &s->total, err));
        sv_put_bytes(s->t, bytes, size);
        ro_free(bytes);
        return RO_OK;
    }
    RO_TRY(sv_catalog_disputes(c, task, 0, find_pair, s, err));
    return s->total ? sv_catalog_disputes(c, task, s->total, put_openings, s, err) : RO_OK;
}

static void get_transcript(sv_api *a, sv_exchange *x)
{
    char text[SV_URL_MAX + 1];
    uint64_t from = 0;
    ro_err err = {RO_OK, {0}};
    transcript s = {x->request.number, x->request.second, 0, &x->reply.body, 0, 0};
    if (sv_query(&x->request, "from", text) && (!sv_parse_u64(text, &from) || from > UINT32_MAX)) {
        sv_problem(&x->reply, 400, "parameter", "from is \"%.40s\", no number of 32 bits", text);
        return;
    }
    s.from = (uint32_t)from;
    ro_status st = read_transcript(a, &x->request.id, &s, &err);
    if (st == RO_OK && !s.found)
        st = RO_FAIL(&err, RO_ENOTFOUND, "the task has no such pair");
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    x->reply.type = "application/octet-stream";
    x->reply.openings = s.total;
}

/* ---- the operator ------------------------------------------------------------------------ */

static void post_freeze(sv_api *a, sv_exchange *x)
{
    rf_event e;
    ro_err err = {RO_OK, {0}};
    memset(&e, 0, sizeof e);
    e.kind = RF_EV_ALARM;
    ro_status st = sv_tasks_event(sv_engine_tasks(a->engine), &x->request.id, &e, sv_now_ms(),
                                  &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    sv_put(&x->reply.body, "{\"id\": ");
    sv_put_digest(&x->reply.body, &x->request.id);
    sv_put(&x->reply.body, "}\n");
}

/* ---- events ----------------------------------------------------------------------------- */

static void stream(sv_exchange *x, sv_topic topic)
{
    char text[SV_URL_MAX + 1];
    uint64_t after;
    const char *last = x->request.last_event_id;
    x->stream = 1;
    x->topic = topic;
    x->task = x->request.id;
    if (!*last) last = sv_query(&x->request, "after", text);
    if (!last) return; /* from now on */
    if (!sv_parse_u64(last, &after) || after == UINT64_MAX)
        sv_problem(&x->reply, 400, "parameter", "\"%.40s\" is no position", last);
    else x->after = after + 1;
}

static void get_events(sv_api *a, sv_exchange *x)
{
    (void)a;
    stream(x, SV_TOPIC_ALL);
}
static void get_ledger_events(sv_api *a, sv_exchange *x)
{
    (void)a;
    stream(x, SV_TOPIC_LEDGER);
}
static void get_task_events(sv_api *a, sv_exchange *x)
{
    int is;
    if (revealed(a, x, &is)) stream(x, SV_TOPIC_TASK);
}

/* ---- routes ----------------------------------------------------------------------------- */

#define JOB "application/vnd.verde.job"
#define BYTES "application/octet-stream"
const sv_route sv_routes_tasks[] = {
    {SV_POST, "/v1/quotes", post_quote, SV_HEAVY, SV_JOB_MAX, JOB, NULL, NULL},
    {SV_POST, "/v1/tasks", post_task, SV_HEAVY | SV_ONCE | SV_CLIENT, SV_JOB_MAX, JOB, NULL, NULL},
    {SV_GET, "/v1/tasks", get_tasks, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}", get_task, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/job", get_job, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/terms", get_terms, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/receipts", get_receipts, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/reveals", get_reveals, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/questions", get_questions, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/disputes", get_disputes, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/disputes/{n}/evidence", get_evidence, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/pairs/{n}/{m}/transcript", get_transcript, SV_WRITES, 0, NULL, NULL,
     NULL},
    {SV_POST, "/v1/tasks/{id}/freeze", post_freeze, SV_WRITES | SV_ONCE | SV_OPERATOR, 0, NULL,
     NULL, NULL},
    {SV_POST, "/v1/messages", post_message, SV_WRITES | SV_PREPARED,
     4 + RF_MESSAGE_MAX + RF_PAYLOAD_MAX, BYTES, open_message, NULL},
    {SV_GET, "/v1/questions", get_all_questions, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/events", get_events, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/tasks/{id}/events", get_task_events, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/ledger/events", get_ledger_events, 0, 0, NULL, NULL, NULL},
    {0, NULL, NULL, 0, 0, NULL, NULL, NULL}};
