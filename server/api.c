/* api.c - from a request to its handler and back; health, accounts and money.
 *
 * What this file decides: how a route is found, who may take it, which replies are kept.
 *
 * Invariants
 *   1. A reply that was given for a key is given again, never made again by doing it twice. */
#include "api.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define JSON_MAX ((uint64_t)1 << 20)
#define PREPARED_HERE 65536u /* a longer body is prepared by the clerk */

/* An exchange on its way through the engine or the clerk. */
typedef struct {
    sv_action action;
    sv_errand errand;
    sv_api *api;
    sv_exchange *x;
    sv_handler *run;
} errand;

void sv_fresh(uint8_t *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = getrandom(bytes + at, n - at, 0);
        if (got > 0) at += (size_t)got;
    }
}

vd_digest sv_token_hash(const char *token)
{
    vd_digest d;
    vd_tagged_hash("verde/1 token", token, strlen(token), d.b);
    return d;
}

void sv_etag(sv_reply *r, const vd_digest *d) { vd_digest_hex(d, r->etag); }

void sv_reply_failed(sv_reply *r, ro_status st, const ro_err *err)
{
    switch (st) {
    case RO_ENOTFOUND: sv_problem(r, 404, "not-found", "%s", err->msg); return;
    case RO_EDIFFER: sv_problem(r, 409, "conflict", "%s", err->msg); return;
    case RO_ENOMEM:
    case RO_EIO: sv_problem(r, 503, "busy", "%s", err->msg); return;
    case RO_ELIMIT: sv_problem(r, 422, "terms", "%s", err->msg); return;
    case RO_ESIGNATURE:
    case RO_EFORMAT: sv_problem(r, 422, "job", "%s", err->msg); return;
    default: sv_problem(r, 422, "job", "%s", err->msg);
    }
}

int sv_body_fields(sv_exchange *x, const char *const *names, const char **values, uint32_t count,
                   char room[SV_FIELDS_ROOM])
{
    ro_err err = {RO_OK, {0}};
    if (sv_fields(x->request.body, x->request.body_size, names, values, count, room, &err)) {
        sv_problem(&x->reply, 400, "body", "%s", err.msg);
        return 0;
    }
    return 1;
}

/* ---- pages ------------------------------------------------------------------------------ */

int sv_page_of(sv_exchange *x, uint32_t *limit, int64_t *before)
{
    char value[SV_URL_MAX + 1];
    uint64_t v = 50;
    const char *text = sv_query(&x->request, "limit", value);
    if (text && (!sv_parse_u64(text, &v) || v < 1 || v > 200)) {
        sv_problem(&x->reply, 400, "parameter", "limit is \"%.40s\"; 1 to 200 are allowed", text);
        return 0;
    }
    *limit = (uint32_t)v;
    v = INT64_MAX;
    text = sv_query(&x->request, "cursor", value);
    if (text && (!sv_parse_u64(text, &v) || v > INT64_MAX)) {
        sv_problem(&x->reply, 400, "parameter", "cursor is \"%.40s\", which no page gave", text);
        return 0;
    }
    *before = (int64_t)v;
    return 1;
}

/* ---- health ----------------------------------------------------------------------------- */

static void get_health(sv_api *a, sv_exchange *x)
{
    (void)a;
    sv_put(&x->reply.body, "{\"status\": \"ok\"}\n");
}

static void get_ready(sv_api *a, sv_exchange *x)
{
    sv_engine_counts c;
    sv_text *t = &x->reply.body;
    sv_engine_count(a->engine, &c);
    const int busy = c.waiting > 4096;
    if (c.broken || busy) x->reply.status = 503;
    sv_put(t, "{\"ready\": %s, \"checks\": [{\"name\": \"ledger\", \"ok\": %s, \"detail\": ",
           c.broken || busy ? "false" : "true", c.broken ? "false" : "true");
    sv_put_json(t, c.broken ? c.why : "");
    sv_put(t, "}, {\"name\": \"queue\", \"ok\": %s, \"detail\": \"%llu requests wait\"}]}\n",
           busy ? "false" : "true", (unsigned long long)c.waiting);
}

static void get_openapi(sv_api *a, sv_exchange *x)
{
    vd_digest d;
    (void)a;
    sv_put_bytes(&x->reply.body, sv_openapi.bytes, sv_openapi.size);
    vd_tagged_hash("verde/1 etag", sv_openapi.bytes, sv_openapi.size, d.b);
    sv_etag(&x->reply, &d);
}

static void get_server(sv_api *a, sv_exchange *x)
{
    sv_text *t = &x->reply.body;
    sv_put(t, "{\"referee\": ");
    sv_put_digest(t, sv_engine_referee(a->engine));
    sv_put(t, ", \"version\": \"%s\", \"now_ms\": \"%llu\", \"limits\": {\"job_bytes\": \"%llu\", "
           "\"payload_bytes\": \"%llu\", \"slots\": %u, \"tasks\": \"%llu\"}}\n", VD_VERSION,
           (unsigned long long)sv_now_ms(), (unsigned long long)SV_JOB_MAX,
           (unsigned long long)RF_PAYLOAD_MAX, RF_SLOTS_MAX,
           (unsigned long long)a->rules.tasks_max);
}

static void metric(sv_text *t, const char *name, const char *type, const char *help, double v)
{
    sv_put(t, "# HELP verde_%s %s\n# TYPE verde_%s %s\nverde_%s %.17g\n", name, help, name, type,
           name, v);
}

static ro_status count_row(void *ctx, const vd_digest *d, uint64_t number, ro_err *err)
{
    (void)d;
    (void)number;
    (void)err;
    ++*(uint64_t *)ctx;
    return RO_OK;
}

static void money_metrics(sv_api *a, sv_text *t)
{
    uint64_t auditors = 0;
    sv_totals m;
    ro_err err = {RO_OK, {0}};
    if (sv_catalog_auditors(a->reader, count_row, &auditors, &err) == RO_OK)
        metric(t, "auditors", "gauge", "Keys that may be drawn to audit; without any, a task that "
               "is to be audited is refunded.", (double)auditors);
    if (sv_catalog_totals(a->reader, &m, &err)) return;
    sv_put(t, "# HELP verde_money Micro-units in all accounts of a kind.\n"
           "# TYPE verde_money gauge\n");
    for (int k = 0; k < SV_ACCOUNTS; k++)
        sv_put(t, "verde_money{kind=\"%s\"} %lld\n", sv_account_name((sv_account_kind)k),
               (long long)m.sum[k]);
    int64_t sum = 0;
    for (int k = 0; k < SV_ACCOUNTS; k++) sum += m.sum[k];
    metric(t, "money_imbalance", "gauge", "What all accounts add up to: 0, or an alarm.",
           (double)sum);
}

static void state_metrics(sv_api *a, sv_text *t, const sv_engine_counts *c)
{
    uint64_t open[RF_T_REFUNDED + 1] = {0};
    uint32_t cursor = 0;
    for (sv_view *v; (v = sv_engine_next_view(a->engine, &cursor)) != NULL;) {
        open[v->state]++;
        sv_engine_release(a->engine, v);
    }
    sv_put(t, "# HELP verde_tasks_open Open tasks by state.\n# TYPE verde_tasks_open gauge\n");
    for (int s = 0; s < RF_T_SETTLED; s++)
        sv_put(t, "verde_tasks_open{state=\"%s\"} %llu\n", rf_task_state_name((rf_task_state)s),
               (unsigned long long)open[s]);
    sv_put(t, "# HELP verde_tasks_entered_total Tasks that entered a state.\n"
           "# TYPE verde_tasks_entered_total counter\n");
    for (int s = 0; s <= RF_T_REFUNDED; s++)
        sv_put(t, "verde_tasks_entered_total{state=\"%s\"} %llu\n",
               rf_task_state_name((rf_task_state)s), (unsigned long long)c->states[s]);
}

static void get_metrics(sv_api *a, sv_exchange *x)
{
    sv_engine_counts c;
    sv_http_counts h;
    sv_text *t = &x->reply.body;
    sv_engine_count(a->engine, &c);
    sv_http_count(a->http, &h);
    x->reply.type = "text/plain; version=0.0.4";
    metric(t, "up_seconds", "gauge", "Since the service began.",
           (double)(sv_now_ms() - a->started_ms) / 1000);
    metric(t, "ledger_ok", "gauge", "1: the ledger takes transactions.", !c.broken);
    metric(t, "ledger_events", "counter", "Events in the log.", (double)c.position);
    metric(t, "ledger_reopened_total", "counter", "Times that the ledger was read again.",
           (double)c.reopened);
    metric(t, "batches_total", "counter", "Durable transactions.", (double)c.batches);
    metric(t, "batch_seconds_total", "counter", "Time spent in them.", (double)c.batch_ns / 1e9);
    metric(t, "actions_total", "counter", "Requests that were in them.", (double)c.actions);
    metric(t, "actions_waiting", "gauge", "Requests that wait for one.", (double)c.waiting);
    metric(t, "failures_total", "counter", "Transactions and host events that failed.",
           (double)c.failures);
    metric(t, "verdicts_total", "counter", "Pairs that ended.", (double)c.verdicts);
    metric(t, "strikes_total", "counter", "Stakes that were lost.", (double)c.strikes);
    metric(t, "alarms_total", "counter", "Alarms: a person is needed.", (double)c.alarms);
    metric(t, "http_connections", "gauge", "Open connections.", (double)h.connections);
    metric(t, "http_streams", "gauge", "Streams of events.", (double)h.streams);
    metric(t, "http_requests_total", "counter", "Replies.", (double)h.requests);
    metric(t, "http_refused_total", "counter", "Replies of status 400 and more.",
           (double)h.refused);
    metric(t, "http_cut_total", "counter", "Connections that were cut as too slow.",
           (double)h.cut);
    metric(t, "clerk_waiting", "gauge", "Heavy requests that wait.",
           (double)sv_clerk_waiting(a->clerk));
    state_metrics(a, t, &c);
    money_metrics(a, t);
}

/* ---- accounts --------------------------------------------------------------------------- */

static int name_is_plain(const char *s)
{
    size_t n = strlen(s);
    if (n < 1 || n > SV_NAME_MAX) return 0;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
              strchr("._-", *s)))
            return 0;
    return 1;
}

/* It follows from the referee's key and the id, so it can be told again without being kept. */
static ro_status token_of(sv_api *a, const vd_digest *id, char token[72], ro_err *err)
{
    uint8_t secret[32];
    char hex[65];
    RO_TRY(vd_key_derive(sv_engine_key(a->engine), "verde/1 account token", id->b, VD_DIGEST,
                         secret, err));
    vd_digest d;
    memcpy(d.b, secret, sizeof d.b);
    vd_digest_hex(&d, hex);
    (void)snprintf(token, 72, "vt_%s", hex);
    return RO_OK;
}

/* The id follows from what asked for it, so a repeated request is of the same account. */
static int account_asked(sv_api *a, sv_exchange *x, sv_client *c, char token[72])
{
    static const char *const names[] = {"name"};
    const char *name;
    char room[SV_FIELDS_ROOM];
    ro_err err = {RO_OK, {0}};
    memset(c, 0, sizeof *c);
    if (!sv_body_fields(x, names, &name, 1, room)) return 0;
    if (!name_is_plain(name)) {
        sv_problem(&x->reply, 400, "body", "the name has %zu characters, or others than "
                   "A-Z a-z 0-9 . _ -; 1 to %u are allowed", strlen(name), SV_NAME_MAX);
        return 0;
    }
    memcpy(c->name, name, strlen(name));
    vd_tagged_hash_two("verde/1 account", x->request.idempotency_key,
                       strlen(x->request.idempotency_key), name, strlen(name), c->id.b);
    ro_status st = token_of(a, &c->id, token, &err);
    if (st) sv_reply_failed(&x->reply, st, &err);
    return st == RO_OK;
}

static void tell_account_made(sv_exchange *x, const sv_client *c, const char *token)
{
    char hex[65];
    sv_put(&x->reply.body, "{\"id\": ");
    sv_put_digest(&x->reply.body, &c->id);
    sv_put(&x->reply.body, ", \"name\": \"%s\", \"token\": \"%s\"}\n", c->name, token);
    vd_digest_hex(&c->id, hex);
    (void)snprintf(x->reply.location, sizeof x->reply.location, "/v1/accounts/%s", hex);
    x->reply.status = 201;
    x->reply.cache = "no-store";
}

static void post_account(sv_api *a, sv_exchange *x)
{
    sv_client c;
    char token[72];
    ro_status st;
    ro_err err = {RO_OK, {0}};
    if (!account_asked(a, x, &c, token)) return;
    vd_digest hash = sv_token_hash(token);
    SV_IN_TRANSACTION(a, st, &err, sv_catalog_add_client(sv_engine_catalog(a->engine), &c, &hash,
                                                      sv_now_ms(), &err));
    if (st) sv_reply_failed(&x->reply, st, &err);
    else tell_account_made(x, &c, token);
}

static void account_again(sv_api *a, sv_exchange *x)
{
    sv_client c;
    char token[72];
    if (account_asked(a, x, &c, token)) tell_account_made(x, &c, token);
}

static ro_status put_key(void *ctx, const vd_digest *key, uint64_t number, ro_err *err)
{
    sv_text *t = ctx;
    (void)number;
    (void)err;
    if (t->text[t->size - 1] != '[') sv_put(t, ", ");
    sv_put_digest(t, key);
    return RO_OK;
}

typedef struct { sv_catalog *c; int64_t held; } holding;

static ro_status add_held(void *ctx, const vd_digest *key, uint64_t number, ro_err *err)
{
    holding *h = ctx;
    int64_t v;
    (void)number;
    RO_TRY(sv_catalog_balance(h->c, SV_HELD, key, &v, err));
    h->held += v;
    return RO_OK;
}

static ro_status tell_account(sv_api *a, sv_exchange *x, const sv_client *named, ro_err *err)
{
    int64_t balance, escrow;
    sv_text *t = &x->reply.body;
    holding h = {a->reader, 0};
    const vd_digest *id = &x->request.id;
    RO_TRY(sv_catalog_balance(a->reader, SV_FREE, id, &balance, err));
    RO_TRY(sv_catalog_balance(a->reader, SV_ESCROW, id, &escrow, err));
    RO_TRY(add_held(&h, id, 0, err));
    RO_TRY(sv_catalog_keys(a->reader, id, add_held, &h, err));
    sv_put(t, "{\"id\": ");
    sv_put_digest(t, id);
    sv_put(t, ", \"name\": ");
    if (named) sv_put_json(t, named->name);
    else sv_put(t, "null");
    sv_put(t, ", \"free\": \"%lld\", \"held\": \"%lld\", \"escrow\": \"%lld\", \"keys\": [",
           (long long)balance, (long long)h.held, (long long)escrow);
    RO_TRY(sv_catalog_keys(a->reader, id, put_key, t, err));
    sv_put(t, "]}\n");
    return RO_OK;
}

/* The account of a name: ?name=alice. */
static void get_named(sv_api *a, sv_exchange *x)
{
    char name[SV_URL_MAX + 1];
    sv_client c;
    ro_err err = {RO_OK, {0}};
    if (!sv_query(&x->request, "name", name) || !name_is_plain(name)) {
        sv_problem(&x->reply, 400, "parameter", "name is missing, or no name of an account");
        return;
    }
    ro_status st = sv_catalog_named(a->reader, name, &c, &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    sv_put(&x->reply.body, "{\"id\": ");
    sv_put_digest(&x->reply.body, &c.id);
    sv_put(&x->reply.body, ", \"name\": \"%s\"}\n", c.name);
}

/* Whether whoever asks may see the account in the path; *named out: it has a name. */
static int may_see(sv_api *a, sv_exchange *x, sv_client *c, int *named)
{
    ro_err err = {RO_OK, {0}};
    ro_status st = sv_catalog_client(a->reader, &x->request.id, c, &err);
    *named = st == RO_OK;
    if (st && st != RO_ENOTFOUND) {
        sv_reply_failed(&x->reply, st, &err);
        return 0;
    }
    if (!*named || x->is_operator || (x->is_account && vd_digest_equal(&x->who, &c->id))) return 1;
    if (x->is_account)
        sv_problem(&x->reply, 403, "forbidden", "the account is another's");
    else sv_problem(&x->reply, 401, "unauthorized", "the account's own token is needed");
    return 0;
}

static void get_account(sv_api *a, sv_exchange *x)
{
    sv_client c;
    int named;
    ro_err err = {RO_OK, {0}};
    if (!may_see(a, x, &c, &named)) return;
    ro_status st = tell_account(a, x, named ? &c : NULL, &err);
    if (st) sv_reply_failed(&x->reply, st, &err);
}

static void get_key(sv_api *a, sv_exchange *x)
{
    vd_digest account;
    int64_t balance = 0, held = 0;
    sv_text *t = &x->reply.body;
    ro_err err = {RO_OK, {0}};
    ro_status st = sv_catalog_account_of(a->reader, &x->request.id, &account, &err);
    if (!st) st = sv_catalog_balance(a->reader, SV_FREE, &account, &balance, &err);
    if (!st) st = sv_catalog_balance(a->reader, SV_HELD, &x->request.id, &held, &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    sv_put(t, "{\"key\": ");
    sv_put_digest(t, &x->request.id);
    sv_put(t, ", \"account\": ");
    sv_put_digest(t, &account);
    sv_put(t, ", \"free\": \"%lld\", \"held\": \"%lld\"}\n", (long long)balance, (long long)held);
}

static void post_key(sv_api *a, sv_exchange *x)
{
    static const char *const names[] = {"key", "proof"};
    const char *values[2];
    char room[SV_FIELDS_ROOM];
    uint8_t proof[64], said[2 * VD_DIGEST];
    vd_digest key, digest;
    sv_client c;
    ro_status st;
    ro_err err = {RO_OK, {0}};
    if (!sv_body_fields(x, names, values, 2, room)) return;
    if (!x->is_operator && !vd_digest_equal(&x->who, &x->request.id)) {
        sv_problem(&x->reply, 403, "forbidden", "the account is another's");
        return;
    }
    if (!sv_parse_hex(values[0], key.b, VD_DIGEST) ||
        !sv_parse_hex(values[1], proof, sizeof proof)) {
        sv_problem(&x->reply, 400, "body", "a key has 64 and a proof 128 hexadecimal digits");
        return;
    }
    memcpy(said, sv_engine_referee(a->engine)->b, VD_DIGEST);
    memcpy(said + VD_DIGEST, x->request.id.b, VD_DIGEST);
    vd_tagged_hash("verde/1 account key", said, sizeof said, digest.b);
    if (vd_check_signature(key.b, digest.b, VD_DIGEST, proof, &err)) {
        sv_problem(&x->reply, 422, "digest", "the proof does not verify under the key");
        return;
    }
    st = sv_catalog_client(sv_engine_catalog(a->engine), &x->request.id, &c, &err);
    if (st == RO_OK)
        SV_IN_TRANSACTION(a, st, &err, sv_catalog_bind(sv_engine_catalog(a->engine), &key,
                                                    &x->request.id, &err));
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    x->reply.status = 201;
    sv_put(&x->reply.body, "{\"key\": ");
    sv_put_digest(&x->reply.body, &key);
    sv_put(&x->reply.body, ", \"account\": ");
    sv_put_digest(&x->reply.body, &x->request.id);
    sv_put(&x->reply.body, "}\n");
}

/* ---- money ------------------------------------------------------------------------------ */

static void post_deposit(sv_api *a, sv_exchange *x)
{
    static const char *const names[] = {"to", "amount"};
    const char *values[2];
    char room[SV_FIELDS_ROOM];
    uint64_t amount, position;
    sv_account to = {SV_FREE, {{0}}, {{0}}};
    vd_digest request, head;
    ro_status st;
    ro_err err = {RO_OK, {0}};
    if (!sv_body_fields(x, names, values, 2, room)) return;
    if (strcmp(values[0], "treasury") == 0) to.kind = SV_TREASURY;
    else if (!sv_parse_hex(values[0], to.owner.b, VD_DIGEST)) {
        sv_problem(&x->reply, 400, "body", "\"to\" is no account: 64 hexadecimal digits, or "
                   "\"treasury\"");
        return;
    }
    if (!sv_parse_u64(values[1], &amount) || amount < 1 || amount > (uint64_t)RF_SUPPLY_MAX) {
        sv_problem(&x->reply, 400, "body", "the amount is \"%.40s\"; 1 to %lld are allowed",
                   values[1], (long long)RF_SUPPLY_MAX);
        return;
    }
    sv_fresh(request.b, sizeof request.b);
    SV_IN_TRANSACTION(a, st, &err, sv_ledger_deposit(sv_engine_ledger(a->engine), &request, &to,
                                                  (int64_t)amount, sv_now_ms(), &err));
    if (st == RO_ELIMIT) {
        sv_problem(&x->reply, 409, "funds", "%s", err.msg);
        return;
    }
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    sv_ledger_head(sv_engine_ledger(a->engine), &position, &head);
    sv_engine_changed(a->engine, NULL, 1, "money was paid in");
    x->reply.status = 201;
    sv_put(&x->reply.body, "{\"id\": ");
    sv_put_digest(&x->reply.body, &request);
    sv_put(&x->reply.body, ", \"to\": \"%s\", \"amount\": \"%llu\", \"position\": \"%llu\"}\n",
           values[0], (unsigned long long)amount, (unsigned long long)position - 1);
}

static void get_ledger(sv_api *a, sv_exchange *x)
{
    sv_totals m;
    uint64_t position = 0, accounts = 0;
    vd_digest head;
    sv_text *t = &x->reply.body;
    ro_err err = {RO_OK, {0}};
    ro_status st = sv_catalog_totals(a->reader, &m, &err);
    if (!st) st = sv_catalog_head(a->reader, &position, &head, &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    sv_put(t, "{\"position\": \"%llu\", \"head\": ", (unsigned long long)position);
    sv_put_digest(t, &head);
    for (int k = 0; k < SV_ACCOUNTS; k++) {
        accounts += m.accounts[k];
        sv_put(t, ", \"%s\": \"%lld\"", sv_account_name((sv_account_kind)k), (long long)m.sum[k]);
    }
    sv_put(t, ", \"accounts\": %llu}\n", (unsigned long long)accounts);
    sv_etag(&x->reply, &head);
}


static ro_status put_booked(void *ctx, const sv_booked *b, ro_err *err)
{
    sv_listing *l = ctx;
    (void)err;
    if (!l->left) return RO_OK; /* there is one more: the next page begins with it */
    sv_put(l->t, l->last ? ",\n " : "");
    sv_tell_booked(l->t, b);
    l->last = b->id;
    l->left--;
    return RO_OK;
}

static void list_transfers(sv_api *a, sv_exchange *x, const vd_digest *owner)
{
    uint32_t limit;
    int64_t before;
    ro_err err = {RO_OK, {0}};
    if (!sv_page_of(x, &limit, &before)) return;
    sv_listing l = {&x->reply.body, limit, 0};
    sv_put(l.t, "{\"transfers\": [");
    ro_status st = sv_catalog_transfers(a->reader, owner, before, limit, put_booked, &l, &err);
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    if (l.left || l.last <= 1) sv_put(l.t, "], \"next\": null}\n");
    else sv_put(l.t, "], \"next\": \"%lld\"}\n", (long long)l.last);
}

static void get_ledger_transfers(sv_api *a, sv_exchange *x) { list_transfers(a, x, NULL); }

static void get_account_transfers(sv_api *a, sv_exchange *x)
{
    sv_client c;
    int named;
    if (may_see(a, x, &c, &named)) list_transfers(a, x, &x->request.id);
}

/* ---- auditors --------------------------------------------------------------------------- */

static void post_auditor(sv_api *a, sv_exchange *x)
{
    static const char *const names[] = {"key"};
    const char *value;
    char room[SV_FIELDS_ROOM];
    vd_digest key;
    ro_status st;
    ro_err err = {RO_OK, {0}};
    if (!sv_body_fields(x, names, &value, 1, room)) return;
    if (!sv_parse_hex(value, key.b, VD_DIGEST) || vd_check_key(key.b, &err)) {
        sv_problem(&x->reply, 400, "body", "\"%.70s\" is no key that may sign", value);
        return;
    }
    SV_IN_TRANSACTION(a, st, &err, sv_catalog_add_auditor(sv_engine_catalog(a->engine), &key,
                                                          &err));
    if (st) {
        sv_reply_failed(&x->reply, st, &err);
        return;
    }
    x->reply.status = 201;
    sv_put(&x->reply.body, "{\"key\": \"%s\"}\n", value);
}

static ro_status put_auditor(void *ctx, const vd_digest *key, uint64_t audits, ro_err *err)
{
    sv_text *t = ctx;
    (void)err;
    if (t->text[t->size - 1] != '[') sv_put(t, ", ");
    sv_put(t, "{\"key\": ");
    sv_put_digest(t, key);
    sv_put(t, ", \"audits\": %llu}", (unsigned long long)audits);
    return RO_OK;
}

static void get_auditors(sv_api *a, sv_exchange *x)
{
    ro_err err = {RO_OK, {0}};
    sv_put(&x->reply.body, "{\"auditors\": [");
    ro_status st = sv_catalog_auditors(a->reader, put_auditor, &x->reply.body, &err);
    if (st) sv_reply_failed(&x->reply, st, &err);
    else sv_put(&x->reply.body, "]}\n");
}

/* ---- routes ----------------------------------------------------------------------------- */

#define JSON "application/json"
static const sv_route routes[] = {
    {SV_GET, "/healthz", get_health, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/readyz", get_ready, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/metrics", get_metrics, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/openapi.json", get_openapi, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/server", get_server, 0, 0, NULL, NULL, NULL},
    {SV_POST, "/v1/accounts", post_account, SV_WRITES | SV_ONCE | SV_OPERATOR, JSON_MAX, JSON,
     NULL, account_again},
    {SV_GET, "/v1/accounts", get_named, SV_OPERATOR, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/accounts/{id}", get_account, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/accounts/{id}/transfers", get_account_transfers, 0, 0, NULL, NULL, NULL},
    {SV_POST, "/v1/accounts/{id}/keys", post_key, SV_WRITES | SV_ONCE | SV_CLIENT, JSON_MAX, JSON,
     NULL, NULL},
    {SV_GET, "/v1/keys/{id}", get_key, 0, 0, NULL, NULL, NULL},
    {SV_POST, "/v1/deposits", post_deposit, SV_WRITES | SV_ONCE | SV_OPERATOR, JSON_MAX, JSON,
     NULL, NULL},
    {SV_GET, "/v1/ledger", get_ledger, 0, 0, NULL, NULL, NULL},
    {SV_GET, "/v1/ledger/transfers", get_ledger_transfers, 0, 0, NULL, NULL, NULL},
    {SV_POST, "/v1/auditors", post_auditor, SV_WRITES | SV_ONCE | SV_OPERATOR, JSON_MAX, JSON, NULL,
     NULL},
    {SV_GET, "/v1/auditors", get_auditors, 0, 0, NULL, NULL, NULL},
    {0, NULL, NULL, 0, 0, NULL, NULL, NULL}};

/* Whether a path is of a pattern; what stands for its names goes into the request. */
static int matches(const char *pattern, const char *path, sv_request *r)
{
    for (; *pattern; ) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return 0;
            continue;
        }
        const char *end = strchr(pattern, '}');
        const size_t n = strcspn(path, "/");
        char part[65];
        if (n > 64) return 0;
        memcpy(part, path, n);
        part[n] = 0;
        if (pattern[1] == 'n' || pattern[1] == 'm') {
            uint64_t v;
            if (!sv_parse_u64(part, &v) || v > UINT32_MAX || (part[0] == '0' && part[1])) return 0;
            *(pattern[1] == 'n' ? &r->number : &r->second) = (uint32_t)v;
        } else if (!sv_parse_hex(part, pattern[1] == 'i' ? r->id.b : r->other.b, VD_DIGEST)) {
            return 0;
        }
        path += n;
        pattern = end + 1;
    }
    return *path == 0;
}

static const sv_route *find_route(sv_api *a, sv_exchange *x)
{
    const sv_route *const tables[] = {routes, sv_routes_tasks, sv_routes_files, sv_routes_pages};
    int other = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (const sv_route *r = tables[t]; r->pattern; r++) {
            if (!matches(r->pattern, x->request.path, &x->request)) continue;
            if (r->method == x->request.method) return r;
            other = 1;
        }
    }
    if (other) sv_problem(&x->reply, 405, "method", "the path does not take this method");
    else if (!sv_page_not_found(a, x))
        sv_problem(&x->reply, 404, "not-found", "there is nothing at %.200s", x->request.path);
    return NULL;
}

/* ---- who asks --------------------------------------------------------------------------- */

static void find_who(sv_api *a, sv_exchange *x)
{
    sv_client c;
    ro_err err = {RO_OK, {0}};
    if (!x->request.token[0]) return;
    const vd_digest hash = sv_token_hash(x->request.token);
    if (vd_digest_equal(&hash, &a->operator_token)) {
        x->is_operator = 1;
        return;
    }
    ro_status st = sv_catalog_token(a->reader, &hash, &c, &err);
    if (st == RO_OK) {
        x->is_account = 1;
        x->who = c.id;
    } else if (st == RO_ENOTFOUND) {
        sv_problem(&x->reply, 401, "unauthorized", "the token is nobody's");
    } else {
        sv_reply_failed(&x->reply, st, &err);
    }
}

static int may(const sv_route *r, sv_exchange *x)
{
    const int need = r->flags & (SV_OPERATOR | SV_CLIENT);
    if (!need || x->is_operator || (r->flags & SV_CLIENT && x->is_account)) return 1;
    if (x->is_account) sv_problem(&x->reply, 403, "forbidden", "the operator's token is needed");
    else sv_problem(&x->reply, 401, "unauthorized", "a token is needed: Authorization: Bearer ..");
    return 0;
}

/* ---- what is given once ------------------------------------------------------------------ */

static vd_digest request_digest(const sv_exchange *x)
{
    char head[2 * SV_URL_MAX];
    vd_digest d;
    int n = snprintf(head, sizeof head, "%d %s?%s", (int)x->request.method, x->request.path,
                     x->request.query);
    vd_tagged_hash_two("verde/1 request", head, (size_t)n, x->request.body, x->request.body_size,
                       d.b);
    return d;
}

typedef struct { sv_api *api; sv_exchange *x; const sv_route *route; int found; } giving;

static ro_status give_again(void *ctx, const sv_given *g, ro_err *err)
{
    giving *v = ctx;
    const vd_digest asked = request_digest(v->x);
    sv_reply *r = &v->x->reply;
    (void)err;
    v->found = 1;
    if (!vd_digest_equal(&asked, &g->request)) {
        sv_problem(r, 422, "idempotency", "the key \"%s\" was used for another request",
                   v->x->request.idempotency_key);
        return RO_OK;
    }
    if (v->route->again) v->route->again(v->api, v->x);
    else sv_put_bytes(&r->body, g->body, (size_t)g->size);
    r->status = g->status;
    (void)snprintf(r->location, sizeof r->location, "%s", g->location);
    r->replayed = 1;
    return RO_OK;
}

static void do_once(sv_api *a, sv_exchange *x, const sv_route *r, sv_handler *run)
{
    giving v = {a, x, r, 0};
    ro_err err = {RO_OK, {0}};
    vd_digest who = x->who;
    if (x->is_operator) memset(&who, 0xff, sizeof who);
    ro_status st = sv_catalog_given(sv_engine_catalog(a->engine), &who, x->request.idempotency_key,
                                    give_again, &v, &err);
    if (st == RO_OK && !v.found) {
        run(a, x);
        if (x->reply.status >= 400) return; /* nothing happened: it may be tried again */
        sv_given g = {request_digest(x), x->reply.status, {0}, r->again ? "" : x->reply.body.text,
                      r->again ? 0 : x->reply.body.size};
        (void)snprintf(g.location, sizeof g.location, "%s", x->reply.location);
        SV_IN_TRANSACTION(a, st, &err, sv_catalog_give(sv_engine_catalog(a->engine), &who,
                                                    x->request.idempotency_key, sv_now_ms(), &g,
                                                    &err));
    }
    if (st) sv_reply_failed(&x->reply, st, &err);
}

/* ---- the ways of a request --------------------------------------------------------------- */

static void run_action(sv_engine *e, sv_action *action)
{
    errand *w = (errand *)(void *)action;
    const sv_route *r = w->x->route;
    (void)e;
    if (r->flags & SV_ONCE) do_once(w->api, w->x, r, w->run);
    else w->run(w->api, w->x);
}

static void action_done(sv_engine *e, sv_action *action, const ro_err *failed)
{
    errand *w = (errand *)(void *)action;
    sv_exchange *x = w->x;
    (void)e;
    if (failed)
        sv_problem(&x->reply, 503, "busy", "nothing was changed: %.300s", failed->msg);
    ro_free(w);
    sv_http_done(x);
}

/* NULL: no memory, and the request has its answer. */
static errand *new_errand(sv_api *a, sv_exchange *x, sv_handler *run)
{
    errand *w = ro_alloc_zero(sizeof *w);
    if (!w) {
        sv_problem(&x->reply, 503, "busy", "there is no memory for the request");
        sv_http_done(x);
        return NULL;
    }
    w->api = a;
    w->x = x;
    w->run = run;
    return w;
}

void sv_api_write(sv_api *a, sv_exchange *x, sv_handler *run)
{
    errand *w = new_errand(a, x, run);
    if (!w) return;
    w->action.run = run_action;
    w->action.done = action_done;
    sv_engine_post(a->engine, &w->action);
}

static void run_errand(sv_errand *e)
{
    errand *w = (errand *)(void *)((char *)e - offsetof(errand, errand));
    sv_api *a = w->api;
    sv_exchange *x = w->x;
    sv_handler *run = w->run;
    ro_free(w);
    run(a, x); /* ends with sv_http_done, or sv_api_write */
}

void sv_api_heavy(sv_api *a, sv_exchange *x, sv_handler *run)
{
    if (sv_clerk_waiting(a->clerk) > 256) {
        sv_problem(&x->reply, 503, "busy", "too many heavy requests wait");
        sv_http_done(x);
        return;
    }
    errand *w = new_errand(a, x, run);
    if (!w) return;
    w->errand.run = run_errand;
    sv_clerk_post(a->clerk, &w->errand);
}

static int type_is(const char *type, const char *wanted)
{
    const size_t n = strlen(wanted);
    return strncmp(type, wanted, n) == 0 && (type[n] == 0 || type[n] == ';' || type[n] == ' ');
}

static void on_head(void *ctx, sv_exchange *x)
{
    sv_api *a = ctx;
    const sv_route *r = x->route = find_route(a, x);
    if (!r) return;
    find_who(a, x);
    if (x->reply.status >= 400 || !may(r, x)) return;
    x->body_max = r->body_max;
    /* strangers cannot keep the clerk busy with the largest jobs */
    if (r->flags & SV_HEAVY && !x->is_account && !x->is_operator && x->body_max > JSON_MAX)
        x->body_max = JSON_MAX;
    if (r->type && !type_is(x->request.content_type, r->type))
        sv_problem(&x->reply, 415, "media-type", "the body is \"%s\"; %s is expected",
                   x->request.content_type, r->type);
    else if (r->flags & SV_ONCE && !x->request.idempotency_key[0])
        sv_problem(&x->reply, 400, "parameter", "the header Idempotency-Key is missing: 1 to %u "
                   "printable characters", SV_IDEMPOTENCY_MAX);
    else if (strlen(x->request.idempotency_key) > SV_IDEMPOTENCY_MAX)
        sv_problem(&x->reply, 400, "parameter", "an Idempotency-Key has up to %u characters",
                   SV_IDEMPOTENCY_MAX);
    else if (r->flags & SV_FILE)
        r->head(a, x);
}

static void prepare_large(sv_api *a, sv_exchange *x)
{
    const sv_route *r = x->route;
    r->head(a, x);
    if (x->reply.status >= 400) sv_http_done(x);
    else sv_api_write(a, x, r->handle);
}

static int on_whole(void *ctx, sv_exchange *x)
{
    sv_api *a = ctx;
    const sv_route *r = x->route;
    if (!(r->flags & (SV_WRITES | SV_HEAVY))) {
        r->handle(a, x);
        return 1;
    }
    const int small = x->request.body_size <= PREPARED_HERE;
    if (r->flags & SV_PREPARED && small) {
        r->head(a, x);
        if (x->reply.status >= 400) return 1;
    }
    sv_http_wait(x);
    if (r->flags & SV_HEAVY) sv_api_heavy(a, x, r->handle);
    else if (r->flags & SV_PREPARED && !small) sv_api_heavy(a, x, prepare_large);
    else sv_api_write(a, x, r->handle);
    return 0;
}

static void on_over(void *ctx, sv_exchange *x)
{
    sv_mine *mine = x->mine;
    if (mine) mine->over(ctx, x);
}

sv_http_calls sv_api_calls(sv_api *a)
{
    sv_http_calls c = {a, on_head, on_whole, on_over};
    return c;
}
