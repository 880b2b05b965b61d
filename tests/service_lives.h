/* service_lives.h - lives of tasks over HTTP: one client, three providers that sign, all honest. A
 * life is submitted, claimed, committed to, revealed and delivered, each when its window is open.
 *
 * The job has no nodes, so nothing is computed and no attention can be asked for: what is measured
 * is the service. Its output is a constant, which is uploaded where there is one. */
#ifndef SERVICE_LIVES_H
#define SERVICE_LIVES_H
#include "service_client.h"
#include "task_world.h"

#define LV_PROVIDERS 3

/* A job, its only run, and what is sent of it. */
typedef struct {
    uint8_t *bytes, *result, *blob;
    uint64_t size, result_size, blob_size;
    vd_digest digest, root, blob_digest;
    uint8_t body[VD_TRACE_BODY_BYTES];
} lv_job;

typedef enum { LV_SUBMIT, LV_BLOB, LV_WORK, LV_COMMIT, LV_REVEAL, LV_DELIVER, LV_DONE } lv_stage;

typedef struct lv_life {
    struct lv_life *next;
    struct lv_world *world;
    const lv_job *job;
    vd_digest task, terms;
    char hex[65], key[40];      /* key: Idempotency-Key of the submission                        */
    lv_stage stage;
    uint32_t owed, refused;     /* replies that are awaited; messages that came too late         */
    double due;                 /* when the stage begins                                         */
    vd_digest receipt[3][LV_PROVIDERS]; /* claims of receipts, by stage from WORK                */
    double begun;               /* when the submission was answered                              */
} lv_life;

typedef struct lv_world {
    sc_pool *pool;
    const vd_key *provider[LV_PROVIDERS];
    vd_digest referee;
    char token[128], client[65];
    uint64_t window_ms;         /* of open, commit, reveal                                       */
    lv_life *lives;             /* that are not over                                             */
    uint64_t begun, over, late, checked, open;
    int twice;                  /* every request is sent again after it was answered             */
    uint64_t replayed;
    char refusal[240];          /* what went wrong last */
    void (*delivered)(struct lv_world *w, lv_life *l); /* it is over; it is freed afterwards    */
    void *ctx;
} lv_world;

/* ---- the job ----------------------------------------------------------------------------- */

static inline vd_job *lv_build(ro_arena *a, const float *x)
{
    ro_err err = {RO_OK, {0}};
    ro_graph *g;
    ro_value v;
    vd_job *j = ro_arena_alloc(a, sizeof *j);
    memset(j, 0, sizeof *j);
    j->arena = a;
    j->repeats = 1;
    j->record = VD_RECORD_FULL;
    j->phase_count = j->slot_count = 1;
    j->phases = ro_arena_alloc(a, sizeof *j->phases);
    j->slots = ro_arena_alloc(a, sizeof *j->slots);
    j->slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    must(ro_graph_new(a, &g, &err), &err);
    if (x) {
        ro_type type = ro_type_of(RO_F32, 2, (int64_t[]){4, 3});
        j->constant_count = 1;
        j->constants = ro_arena_alloc(a, sizeof *j->constants);
        j->constants[0] = small_slot("x", type);
        vd_tensor_digest(&type, x, NULL, j->constants[0].digest.b);
        must(ro_graph_constant(g, 0, &type, &v, &err), &err);
        must(ro_graph_add_output(g, v, &err), &err);
    }
    j->phases[0].steps = 1;
    j->phases[0].graph = g;
    must(vd_job_seal(j, &err), &err);
    return j;
}

/* The constant as a store keeps it. */
static inline void lv_make_blob(lv_job *to, const vd_job *j, const float *x)
{
    static const uint8_t no_root[VD_DIGEST];
    uint8_t header[VD_TENSOR_HEADER_MAX + 128] = {0};
    const ro_type *type = &j->constants[0].type;
    size_t n = vd_tensor_header_encode(type, no_root, header) - VD_DIGEST - 8;
    memset(header + n, 0, sizeof header - n);
    to->blob_size = 128 + ro_type_bytes(type);
    to->blob = malloc(to->blob_size);
    to->blob_digest = j->constants[0].digest;
    memcpy(to->blob, header, 128);
    memcpy(to->blob + 128, x, ro_type_bytes(type));
}

/* The job whose constant is made from n; n 0: it has none. */
static inline lv_job *lv_job_new(uint64_t n)
{
    ro_err err = {RO_OK, {0}};
    lv_job *to = calloc(1, sizeof *to);
    tw_truth *t = calloc(1, sizeof *t);
    float x[12];
    uint8_t *bytes;
    t->arena = ro_arena_new();
    for (int k = 0; k < 12; k++) x[k] = (float)(n * 12 + (uint64_t)k);
    t->job = lv_build(t->arena, n ? x : NULL);
    t->constants[0] = x;
    if (n) {
        t->constant[0] = tw_tensor_new(t->arena, &t->job->constants[0].type);
        memcpy(t->constant[0].bytes, x, sizeof x);
        tw_seal_tensor(t->arena, &t->constant[0]);
    }
    tw_truth_run(t);
    const tw_side *side = tw_honest(t);
    to->root = side->party.root;
    memcpy(to->body, side->party.body, sizeof to->body);
    must(vd_job_encode(t->job, t->arena, &bytes, &to->size, &err), &err);
    to->bytes = malloc(to->size);
    memcpy(to->bytes, bytes, to->size);
    to->digest = t->job->digest;
    to->result_size = vd_result_bytes(t->job);
    to->result = calloc(1, to->result_size);
    if (n) memcpy(to->result, x, sizeof x);
    to->result[to->result_size - 8] = 1; /* the step after the last */
    if (n) lv_make_blob(to, t->job, x);
    vd_digest outputs, state;
    must(vd_result_digests(t->job, to->result, NULL, &outputs, &state, &err), &err);
    if (!vd_digest_equal(&outputs, &side->body.outputs) ||
        !vd_digest_equal(&state, &side->body.last_state))
        sc_die("the result is not the run's");
    tw_truth_free(t);
    return to;
}

static inline void lv_job_free(lv_job *j)
{
    if (!j) return;
    free(j->bytes);
    free(j->result);
    free(j->blob);
    free(j);
}

/* ---- the parties ------------------------------------------------------------------------- */

/* Flags that such lives need: windows of `ms`, an audit for one in a million. */
static inline void lv_flags(sc_service *s, const char *ms)
{
    const char *const flags[] = {"--open-ms", ms, "--commit-ms", ms, "--reveal-ms", ms,
                                 "--finality-ms", ms, "--base-ms", ms, "--audit-ppm", "1",
                                 "--stake", "2000000", "--challenges", "1", "--tasks-max", "65536",
                                 "--premium", "1000"};
    int k = 0;
    while (s->argument[k]) k++;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) s->argument[k++] = flags[i];
}

#define LV_MONEY (INT64_C(1) << 44)
/* Accounts with money; providers are keys 0 to 2 of message_world.h's kind. */
static inline void lv_found(lv_world *w, sc_pool *p, uint64_t window_ms)
{
    char hex[65];
    memset(w, 0, sizeof *w);
    w->pool = p;
    w->referee = p->service->referee;
    w->window_ms = window_ms;
    for (unsigned k = 0; k < LV_PROVIDERS; k++) {
        ro_err err = {RO_OK, {0}};
        vd_key *key;
        const vd_digest seed = made_up(1, k, 0);
        must(vd_key_from_seed(seed.b, &key, &err), &err);
        w->provider[k] = key;
        vd_digest id;
        memcpy(id.b, vd_key_public(key), VD_DIGEST);
        vd_digest_hex(&id, hex);
        sc_deposit(p, hex, LV_MONEY);
    }
    sc_reply r = sc_operate(p, "POST /v1/accounts", "{\"name\": \"client\"}");
    if (r.status != 201 || !sc_field(r.body, "token", w->token, sizeof w->token) ||
        !sc_field(r.body, "id", w->client, sizeof w->client))
        sc_die("an account: %u %s", r.status, r.body);
    free(r.body);
    sc_deposit(p, w->client, LV_MONEY);
}

/* ---- requests ---------------------------------------------------------------------------- */

static inline int lv_replied(sc_request *r, unsigned status, const char *body, size_t n);

typedef struct { lv_life *life; lv_stage stage; uint32_t who; int second; } lv_ctx;

static inline void lv_post(lv_life *l, uint32_t who, sc_request *r)
{
    lv_ctx *c = calloc(1, sizeof *c);
    *c = (lv_ctx){l, l->stage, who, 0};
    r->ctx = c;
    r->done = lv_replied;
    sc_post(l->world->pool, r);
}

static inline void lv_submit(lv_life *l)
{
    char headers[512];
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIdempotency-Key: %s\r\n"
             "Content-Type: application/vnd.verde.job\r\n", l->world->token, l->key);
    lv_post(l, 0, sc_request_new("POST /v1/tasks", headers, l->job->bytes, l->job->size));
}

static inline void lv_upload(lv_life *l)
{
    char line[256], headers[320], hex[65];
    vd_digest_hex(&l->job->blob_digest, hex);
    snprintf(line, sizeof line, "PUT /v1/tasks/%s/blobs/%s", l->hex, hex);
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n"
             "Content-Type: application/octet-stream\r\n", l->world->token);
    lv_post(l, 0, sc_request_new(line, headers, l->job->blob, l->job->blob_size));
}

static inline void lv_claim(const lv_life *l, rf_message *m, const vd_key *k)
{
    ro_err err = {RO_OK, {0}};
    vd_digest salt;
    rf_reveal *r = &m->claim.reveal;
    if (m->type == RF_M_WORK) {
        m->claim.terms = l->terms;
        return;
    }
    must(rf_salt(k, &m->referee, &m->task, &salt, &err), &err);
    if (m->type == RF_M_COMMIT) {
        m->claim.commitment = rf_commitment(&m->referee, &m->task, vd_key_public(k), &l->job->root,
                                            &salt);
        return;
    }
    uint8_t bytes[VD_SIGNED_BYTES];
    r->root = l->job->root;
    r->salt = salt;
    memcpy(r->backend, "cpu/avx2", 8);
    memcpy(r->body, l->job->body, sizeof r->body);
    vd_signed_bytes(0, r->backend, &r->root, bytes);
    must(vd_sign(k, bytes, sizeof bytes, r->signature, &err), &err);
}

/* The body of POST /v1/messages; how many bytes. */
static inline size_t lv_message(const lv_life *l, uint32_t who, rf_message_type type,
                                uint8_t out[4 + RF_MESSAGE_MAX])
{
    ro_err err = {RO_OK, {0}};
    rf_message m;
    const vd_key *k = l->world->provider[who];
    memset(&m, 0, sizeof m);
    m.referee = l->world->referee;
    m.task = l->task;
    m.role = RF_PROVIDER;
    m.type = type;
    memcpy(m.key, vd_key_public(k), sizeof m.key);
    m.time_ms = sc_clock_ms();
    lv_claim(l, &m, k);
    must(rf_message_sign(&m, k, &err), &err);
    size_t n = rf_message_encode(&m, out + 4);
    vd_put_le(out, n, 4);
    return 4 + n;
}

static inline void lv_say(lv_life *l, uint32_t who)
{
    uint8_t bytes[4 + RF_MESSAGE_MAX];
    const rf_message_type type = l->stage == LV_WORK     ? RF_M_WORK
                                 : l->stage == LV_COMMIT ? RF_M_COMMIT
                                                         : RF_M_REVEAL;
    const size_t n = lv_message(l, who, type, bytes);
    lv_post(l, who, sc_request_new("POST /v1/messages",
                                   "Content-Type: application/octet-stream\r\n", bytes, n));
}

static inline void lv_deliver(lv_life *l)
{
    ro_err err = {RO_OK, {0}};
    char line[160], headers[400], key[65], proof[129];
    uint8_t said[3 * VD_DIGEST], signature[64];
    vd_digest d, id;
    memcpy(said, l->world->referee.b, VD_DIGEST);
    memcpy(said + VD_DIGEST, l->task.b, VD_DIGEST);
    memcpy(said + 2 * VD_DIGEST, l->job->root.b, VD_DIGEST);
    vd_tagged_hash("verde/1 deliver", said, sizeof said, d.b);
    must(vd_sign(l->world->provider[0], d.b, VD_DIGEST, signature, &err), &err);
    for (int k = 0; k < 64; k++) snprintf(proof + 2 * k, 3, "%02x", signature[k]);
    memcpy(id.b, vd_key_public(l->world->provider[0]), VD_DIGEST);
    vd_digest_hex(&id, key);
    snprintf(line, sizeof line, "PUT /v1/tasks/%s/result", l->hex);
    snprintf(headers, sizeof headers, "Verde-Key: %s\r\nVerde-Proof: %s\r\n"
             "Content-Type: application/octet-stream\r\n", key, proof);
    lv_post(l, 0, sc_request_new(line, headers, l->job->result, l->job->result_size));
}

/* ---- the course of a life ---------------------------------------------------------------- */

#define LV_SLACK_S 0.012  /* after a window should be open */
#define LV_AGAIN_S 0.02

static inline void lv_begin_stage(lv_life *l)
{
    l->due = 0;
    l->owed = l->stage >= LV_WORK && l->stage <= LV_REVEAL ? LV_PROVIDERS : 1;
    switch (l->stage) {
    case LV_SUBMIT: lv_submit(l); break;
    case LV_BLOB: lv_upload(l); break;
    case LV_DELIVER: lv_deliver(l); break;
    default:
        for (uint32_t k = 0; k < LV_PROVIDERS; k++) lv_say(l, k);
    }
}

static inline lv_life *lv_begin(lv_world *w, const lv_job *job)
{
    lv_life *l = calloc(1, sizeof *l);
    l->world = w;
    l->job = job;
    snprintf(l->key, sizeof l->key, "life-%d-%llu", (int)getpid(), (unsigned long long)w->begun++);
    l->next = w->lives;
    w->lives = l;
    w->open++;
    lv_begin_stage(l);
    return l;
}

/* What its reply fixes: the id, the terms, when COMMIT begins. */
static inline void lv_submitted(lv_life *l, const char *body)
{
    char text[80];
    if (!sc_field(body, "id", l->hex, sizeof l->hex) || !sc_hex(l->hex, l->task.b, VD_DIGEST) ||
        !sc_field(body, "terms", text, sizeof text) || !sc_hex(text, l->terms.b, VD_DIGEST))
        sc_die("a submission: %.300s", body);
    l->begun = sc_now();
}

static inline void lv_next_stage(lv_life *l)
{
    const double window = (double)l->world->window_ms * 1e-3;
    l->stage++;
    if (l->stage == LV_BLOB && !l->job->blob) l->stage++;
    if (l->stage == LV_DONE) return;
    /* A window begins a window after the one before it began, or a little later. Attention that
     * nobody can be asked for lasts one more, base_ms, before the delivery. */
    const int windows = (int)l->stage - LV_WORK + (l->stage == LV_DELIVER);
    if (l->stage >= LV_COMMIT) l->due = l->begun + windows * (window + LV_SLACK_S);
    if (l->due < sc_now()) lv_begin_stage(l);
}

/* Whether an answer is a receipt for it; *early: it has to be said again. */
static inline int lv_is_receipt(lv_life *l, const lv_ctx *c, const char *body, size_t n, int *early)
{
    ro_err err = {RO_OK, {0}};
    rf_message m;
    /* every 64th signature is checked here: the signing client shares the processors */
    ro_status st = l->world->checked++ % 64 ? rf_message_decode(body, n, &m, &err)
                                            : rf_message_open(body, n, &m, &err);
    if (st) sc_die("an answer of %zu bytes: %s", n, err.msg);
    *early = m.type == RF_M_REFUSAL &&
             (m.claim.refusal.reason == RF_R_EARLY || m.claim.refusal.reason == RF_R_FAULT);
    if (m.type != RF_M_RECEIPT) return 0;
    const vd_digest d = rf_claim_digest(&m);
    vd_digest *kept = &l->receipt[c->stage - LV_WORK][c->who];
    if (!vd_all_zero(kept->b, VD_DIGEST) && !vd_digest_equal(kept, &d))
        sc_die("a message has two receipts");
    *kept = d;
    return 1;
}

static inline int lv_retry(sc_request *r, lv_life *l)
{
    l->due = sc_now() + LV_AGAIN_S;
    l->owed |= 0x80000000u; /* the stage is begun again when the others have come */
    free(r->ctx);
    return 0;
}

static inline int lv_good(lv_life *l, const lv_ctx *c, unsigned status, const char *body, size_t n,
                          int *early)
{
    *early = status == 503 || status == 429;
    if (*early) return 0;
    switch (c->stage) {
    case LV_SUBMIT:
        if (status != 201) sc_die("a submission: %u %.300s", status, body);
        if (c->second && !strstr(body, l->hex)) sc_die("one key made two tasks");
        if (!c->second) lv_submitted(l, body);
        return 1;
    case LV_BLOB:
        *early = strstr(body, "another request is sending") != NULL;
        return status == 200 || status == 201;
    case LV_DELIVER:
        *early = status == 409 && (strstr(body, "in reveal") || strstr(body, "in agreed"));
        /* told before the service was killed: 404 and 409 are of a task that has gone on */
        return status == 200 || status == 201 || strstr(body, "in final") ||
               strstr(body, "is open");
    default: return lv_is_receipt(l, c, body, n, early);
    }
}

/* The last of them in words. */
static inline void lv_keep_refusal(lv_life *l, const lv_ctx *c, unsigned status, const char *body,
                                size_t n)
{
    rf_message m;
    ro_err err = {RO_OK, {0}};
    const int is = rf_message_decode(body, n, &m, &err) == RO_OK && m.type == RF_M_REFUSAL;
    snprintf(l->world->refusal, sizeof l->world->refusal, "stage %d, %s time: %u %.150s",
             (int)c->stage, c->second ? "second" : "first", status,
             is ? rf_refusal_name(m.claim.refusal.reason) : body);
}

static inline int lv_replied(sc_request *r, unsigned status, const char *body, size_t n)
{
    lv_ctx *c = r->ctx;
    lv_life *l = c->life;
    int early, good = lv_good(l, c, status, body, n, &early);
    if (!good && early) {
        l->owed--;
        return lv_retry(r, l);
    }
    l->refused += !good;
    if (!good) lv_keep_refusal(l, c, status, body, n);
    if (good && l->world->twice && !c->second) {
        c->second = 1;
        l->world->replayed++;
        sc_post(l->world->pool, r);
        return 1;
    }
    free(c);
    if (--l->owed == 0) lv_next_stage(l);
    return 0;
}

/* Whatever is due is begun; who is over goes. */
static inline void lv_tick(lv_world *w)
{
    const double now = sc_now();
    for (lv_life **at = &w->lives; *at;) {
        lv_life *l = *at;
        if (l->due && l->due <= now && (l->owed & 0x7fffffffu) == 0) lv_begin_stage(l);
        if (l->stage != LV_DONE) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        w->open--;
        w->over++;
        w->late += l->refused > 0;
        if (w->delivered) w->delivered(w, l);
        free(l);
    }
}
#endif
