/* provide.c - the life of a provider's tasks: claim, compute, commit, reveal, answer, deliver.
 *
 * What this file decides: when something is said, and of what a line is printed. It looks at the
 * server again and again and does what is due; of what it did it keeps nothing but the message log
 * and the files of its tasks, so a start is not different from any other look.                  */
#define _GNU_SOURCE
#include "provide.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../referee/task.h"
#include "../verde/bytes.h"
#include "../verde/files.h"

#define TASKS_MAX 1024u
#define FAILURES_MAX 3u        /* of computing, before a task is left */
#define DECLINED_MAX 4096u
#define TRANSCRIPT_MAX (UINT64_C(1) << 28)
#define ANSWERED_MAX 64u       /* questions of a task whose receipts are remembered */

typedef struct {
    vd_digest id;
    sv_task_told told;
    char shown[16];            /* the state that was printed last                          */
    pid_t child;               /* 0: none computes                                         */
    double again;              /* no earlier                                               */
    uint32_t failures;
    int done, left, revealed;  /* revealed: by this process, with a receipt                */
    sv_party *party;
    vd_digest answered[ANSWERED_MAX]; /* questions with a receipt: a window stays open      */
    uint32_t answered_count;
} seat;

typedef struct {
    const sv_provide_options *o;
    sv_remote *r;
    vd_key *key;
    rf_agent *agent;
    rf_wire wire;
    ro_pool *pool;
    vd_digest referee;
    seat *seats;
    uint32_t count, ended, lost;
    vd_digest *declined;       /* tasks that are not ours to take                          */
    uint32_t declined_count;
    int away;                  /* the server does not answer: said once                    */
    double unclaimed;          /* no claim before: the account cannot pay                  */
} provider;

/* ---- what is printed --------------------------------------------------------------------- */

static void say(const provider *p, const vd_digest *task, const char *what, const char *format, ...)
    RO_PRINTF(4, 5);
static void say(const provider *p, const vd_digest *task, const char *what, const char *format, ...)
{
    char text[400], hex[65] = "";
    va_list a;
    va_start(a, format);
    vsnprintf(text, sizeof text, format, a);
    va_end(a);
    for (char *c = text; *c; c++) /* some of it is a server's word */
        if (*c < ' ' || *c > '~') *c = '?';
    if (task) vd_digest_hex(task, hex);
    if (p->o->json) {
        cJSON *o = cJSON_CreateObject();
        if (task) cJSON_AddStringToObject(o, "task", hex);
        cJSON_AddStringToObject(o, "event", what);
        cJSON_AddStringToObject(o, "detail", text);
        char *line = cJSON_PrintUnformatted(o);
        if (line) printf("%s\n", line);
        cJSON_free(line);
        cJSON_Delete(o);
    } else {
        time_t now = time(NULL);
        struct tm t;
        char clock[16] = "";
        if (localtime_r(&now, &t)) (void)strftime(clock, sizeof clock, "%H:%M:%S", &t);
        printf("%s  %-8.8s  %-10s %s\n", clock, hex, what, text);
    }
    fflush(stdout);
}

/* ---- messages ---------------------------------------------------------------------------- */

/* rf_wire.send: one attempt. */
static ro_status send_message(void *ctx, const void *bytes, size_t n, const void *payload,
                              size_t payload_size, uint8_t answer[RF_MESSAGE_MAX],
                              size_t *answer_size, ro_err *err)
{
    provider *p = ctx;
    sv_said said;
    ro_err why = {RO_OK, {0}};
    *answer_size = 0;
    uint8_t *body = ro_alloc(4 + n + payload_size);
    if (!body) return RO_FAIL(err, RO_ENOMEM, "no memory to send a message");
    vd_put_le(body, n, 4);
    memcpy(body + 4, bytes, n);
    if (payload_size) memcpy(body + 4 + n, payload, payload_size);
    sv_ask a = {.method = "POST", .path = "/v1/messages", .type = "application/octet-stream",
                .body = body, .size = 4 + n + payload_size, .limit = 65536};
    ro_status st = sv_remote_ask(p->r, &a, &said, &why);
    if (!st && strncmp(said.type, "application/vnd.verde.message", 29) == 0 &&
        said.size <= RF_MESSAGE_MAX) {
        memcpy(answer, said.body, said.size);
        *answer_size = said.size;
    }
    sv_said_free(&said);
    ro_free(body);
    return st == RO_ENOMEM ? RO_FAIL(err, st, "%s", why.msg) : RO_OK; /* else: nothing came back */
}

static void draft_of(const provider *p, const seat *s, rf_message_type type, rf_message *m)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    memset(m, 0, sizeof *m);
    m->referee = p->referee;
    m->task = s->id;
    m->role = s->told.me.is_auditor ? RF_AUDITOR : RF_PROVIDER;
    m->type = type;
    m->time_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Say it; *taken 1: there is a receipt. A refusal is printed. */
static ro_status deliver(provider *p, const seat *s, const rf_message *m, const void *payload,
                         size_t size, int *taken, ro_err *err)
{
    rf_message answer;
    int answered = 0;
    *taken = 0;
    RO_TRY(rf_agent_deliver(p->agent, m, payload, size, &p->wire, &answer, &answered, err));
    if (!answered) return RO_OK;
    *taken = answer.type == RF_M_RECEIPT;
    if (!*taken)
        say(p, &s->id, "refused", "%s: %s", rf_message_type_name(m->type),
            rf_refusal_name(answer.claim.refusal.reason));
    return RO_OK;
}

/* After a start: whatever was signed and has no receipt. What has a payload is made again when its
 * question is still open. */
static ro_status send_again(provider *p, ro_err *err)
{
    uint64_t cursor = 0;
    for (;;) {
        uint8_t bytes[RF_MESSAGE_MAX], back[RF_MESSAGE_MAX];
        size_t n, back_size = 0;
        rf_message m, answer;
        ro_err why = {RO_OK, {0}};
        RO_TRY(rf_agent_unanswered(p->agent, &cursor, bytes, &n, err));
        if (!n) return RO_OK;
        RO_TRY(rf_message_decode(bytes, n, &m, err));
        if (rf_has_payload(m.type)) continue;
        RO_TRY(send_message(p, bytes, n, NULL, 0, back, &back_size, err));
        if (!back_size || rf_agent_hear(p->agent, back, back_size, &answer, &why)) continue;
        say(p, &m.task, "sent again", "%s: %s", rf_message_type_name(m.type),
            answer.type == RF_M_RECEIPT ? "receipt" : rf_refusal_name(answer.claim.refusal.reason));
    }
}

/* ---- tasks ------------------------------------------------------------------------------- */

static seat *find_seat(provider *p, const vd_digest *id)
{
    for (uint32_t k = 0; k < p->count; k++)
        if (vd_digest_equal(&p->seats[k].id, id)) return &p->seats[k];
    return NULL;
}

static seat *add_seat(provider *p, const vd_digest *id)
{
    if (p->count == TASKS_MAX) return NULL;
    seat *s = &p->seats[p->count++];
    memset(s, 0, sizeof *s);
    s->id = *id;
    return s;
}

static void drop_seat(provider *p, seat *s)
{
    sv_task_files f;
    ro_err why = {RO_OK, {0}};
    sv_party_close(s->party);
    if (s->child) {
        kill(s->child, SIGKILL);
        (void)waitpid(s->child, NULL, 0);
    }
    if (!p->o->keep && sv_task_files_of(p->o->data, &s->id, &f, &why) == RO_OK)
        sv_task_files_remove(&f);
    *s = p->seats[--p->count];
}

static void decline(provider *p, const vd_digest *id)
{
    p->declined[p->declined_count++ % DECLINED_MAX] = *id;
}

static int is_declined(const provider *p, const vd_digest *id)
{
    uint32_t n = p->declined_count < DECLINED_MAX ? p->declined_count : DECLINED_MAX;
    for (uint32_t k = 0; k < n; k++)
        if (vd_digest_equal(&p->declined[k], id)) return 1;
    return 0;
}

/* Whether the terms are ones that we work for. */
static ro_status read_terms(provider *p, const sv_task_told *t, rf_params *params, ro_err *err)
{
    char path[SV_PATH_MAX], hex[65];
    uint8_t *bytes = NULL;
    size_t n = 0;
    vd_digest_hex(&t->id, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s/terms", hex);
    RO_TRY(sv_get_bytes(p->r, path, RF_PARAMS_BYTES, &bytes, &n, err));
    vd_digest d = rf_terms_digest(bytes, n);
    ro_status st = vd_digest_equal(&d, &t->terms)
                       ? rf_params_decode(bytes, n, params, err)
                       : RO_FAIL(err, RO_EFORMAT, "the terms are not those that the task names");
    ro_free(bytes);
    return st;
}

static ro_status check_job(provider *p, const sv_task_told *t, ro_err *err)
{
    vd_job *j = NULL;
    vd_cost c;
    ro_arena *arena = ro_arena_new();
    if (!arena) return RO_FAIL(err, RO_ENOMEM, "no memory for a job");
    ro_status st = sv_get_job(p->r, t, arena, &j, err);
    if (!st) st = vd_job_cost(j, &c, err);
    if (!st && c.peak_bytes > p->o->memory_bytes)
        st = RO_FAIL(err, RO_ELIMIT, "it takes %" PRIu64 " bytes of memory; %" PRIu64 " are given",
                     c.peak_bytes, p->o->memory_bytes);
    if (!st && c.flops > p->o->flops)
        st = RO_FAIL(err, RO_ELIMIT, "it takes %" PRIu64 " operations; %" PRIu64 " are given",
                     c.flops, p->o->flops);
    ro_arena_free(arena);
    return st;
}

/* What keeps us from a task: RO_ELIMIT with the reason. */
static ro_status may_take(provider *p, const sv_task_told *t, rf_params *params, ro_err *err)
{
    RO_TRY(read_terms(p, t, params, err));
    if (params->reward < p->o->reward)
        return RO_FAIL(err, RO_ELIMIT, "its reward is %" PRId64 "; we work for %" PRId64,
                       params->reward, p->o->reward);
    if (params->stake > p->o->stake)
        return RO_FAIL(err, RO_ELIMIT, "its stake is %" PRId64 "; we risk %" PRId64, params->stake,
                       p->o->stake);
    RO_TRY(rf_params_check(params, err));
    return check_job(p, t, err);
}

static ro_status claim(provider *p, const vd_digest *id, ro_err *err)
{
    sv_task_told t;
    rf_params params;
    rf_message m;
    int taken = 0;
    ro_err why = {RO_OK, {0}};
    RO_TRY(sv_get_task(p->r, id, vd_key_public(p->key), &t, NULL, err));
    if (strcmp(t.state, "open") != 0) return RO_OK;
    ro_status st = may_take(p, &t, &params, &why);
    if (st == RO_EIO || st == RO_ENOMEM) return RO_FAIL(err, st, "%s", why.msg);
    if (st) {
        say(p, id, "not taken", "%s", why.msg);
        decline(p, id);
        return RO_OK;
    }
    seat *s = add_seat(p, id);
    if (!s) return RO_OK;
    s->told = t;
    draft_of(p, s, RF_M_WORK, &m);
    m.claim.terms = t.terms;
    st = deliver(p, s, &m, NULL, 0, &taken, err);
    if (!st && taken) {
        say(p, id, "claimed", "a slot: reward %" PRId64 ", stake %" PRId64, params.reward,
            params.stake);
        return RO_OK;
    }
    p->count--; /* it was the last */
    p->unclaimed = vd_seconds() + 5; /* mostly: no money for the stake */
    return st;
}

/* ---- computing --------------------------------------------------------------------------- */

static int has_result(const provider *p, const vd_digest *id)
{
    sv_task_files f;
    struct stat st;
    ro_err why = {RO_OK, {0}};
    return sv_task_files_of(p->o->data, id, &f, &why) == RO_OK && stat(f.result, &st) == 0;
}

/* How it ended: a step run again gave something else; a server or a disk that may come back. */
enum { DIFFERED = 1, AGAIN = 4 };

static void compute(provider *p, const seat *s, pid_t parent)
{
    sv_task_files f;
    sv_remote *r = NULL;
    ro_err err = {RO_OK, {0}};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever started this is who says what it found */
    if (getppid() != parent) _exit(6);
    rf_agent_close(p->agent); /* its lock is the parent's alone */
    ro_status st = sv_task_files_of(p->o->data, &s->id, &f, &err);
    if (!st) st = sv_remote_open(p->o->server, NULL, p->o->stop, &r, &err);
    if (!st) st = sv_compute(p->o, r, p->key, &s->told, &f, &err);
    if (st && !*p->o->stop) say(p, &s->id, "trouble", "%s", err.msg);
    _exit(st == RO_OK ? 0 : st == RO_EDIFFER ? DIFFERED : st == RO_EIO ? AGAIN : 6);
}

static ro_status start_computing(provider *p, seat *s, ro_err *err)
{
    for (uint32_t k = 0; k < p->count; k++)
        if (p->seats[k].child) return RO_OK; /* one after the other: each uses all cores */
    if (s->child || vd_seconds() < s->again) return RO_OK;
    fflush(stdout);
    const pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) return RO_FAIL(err, RO_EDEVICE, "no process can be started to compute in");
    if (child == 0) compute(p, s, parent);
    s->child = child;
    say(p, &s->id, "computing", "%" PRIu64 " steps", s->told.steps);
    return RO_OK;
}

static void reap(provider *p)
{
    int status;
    for (uint32_t k = 0; k < p->count; k++) {
        seat *s = &p->seats[k];
        if (!s->child || waitpid(s->child, &status, WNOHANG) != s->child) continue;
        s->child = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
        s->again = vd_seconds() + (double)(1u << s->failures);
        if (WIFEXITED(status) && WEXITSTATUS(status) == AGAIN) continue;
        s->failures++;
        if (WIFEXITED(status) && WEXITSTATUS(status) == DIFFERED) s->failures = FAILURES_MAX;
        if (s->failures >= FAILURES_MAX) s->left = 1;
    }
}

static int log_failed(provider *p)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    size_t n;
    uint64_t cursor = 0;
    ro_err why = {RO_OK, {0}};
    return rf_agent_unanswered(p->agent, &cursor, bytes, &n, &why) != RO_OK;
}

/* What went wrong with one task keeps no other from its due: it is printed and tried again. But
 * nothing can be said once the message log has failed, and without memory nothing is sure. */
static ro_status in_trouble(provider *p, seat *s, const char *what, ro_status st,
                            const ro_err *why, ro_err *err)
{
    if (*p->o->stop) return RO_OK;
    if (st == RO_ENOMEM || log_failed(p)) return RO_FAIL(err, st, "%s", why->msg);
    say(p, &s->id, "trouble", "%s: %s", what, why->msg);
    s->again = vd_seconds() + 0.5;
    return RO_OK;
}

/* ---- what is due ------------------------------------------------------------------------- */

static ro_status need_party(provider *p, seat *s, ro_err *err)
{
    sv_task_files f;
    if (s->party) return RO_OK;
    RO_TRY(sv_task_files_of(p->o->data, &s->id, &f, err));
    return sv_party_open(p->o, p->key, &f, p->pool, &s->party, err);
}

static ro_status commit(provider *p, seat *s, ro_err *err)
{
    rf_message m;
    vd_digest salt;
    int taken;
    RO_TRY(need_party(p, s, err));
    RO_TRY(rf_salt(p->key, &p->referee, &s->id, &salt, err));
    draft_of(p, s, RF_M_COMMIT, &m);
    m.claim.commitment = rf_commitment(&p->referee, &s->id, vd_key_public(p->key),
                                       sv_party_root(s->party), &salt);
    RO_TRY(deliver(p, s, &m, NULL, 0, &taken, err));
    if (taken) say(p, &s->id, "committed", "sealed");
    s->again = taken ? 0 : vd_seconds() + 1;
    return RO_OK;
}

static ro_status reveal(provider *p, seat *s, ro_err *err)
{
    rf_message m;
    int taken;
    char hex[65];
    RO_TRY(need_party(p, s, err));
    draft_of(p, s, RF_M_REVEAL, &m);
    sv_party_reveal(s->party, &m.claim.reveal);
    RO_TRY(rf_salt(p->key, &p->referee, &s->id, &m.claim.reveal.salt, err));
    RO_TRY(deliver(p, s, &m, NULL, 0, &taken, err));
    vd_digest_hex(sv_party_root(s->party), hex);
    s->revealed = taken;
    if (taken) say(p, &s->id, "revealed", "root %.16s...", hex);
    s->again = taken ? 0 : vd_seconds() + 1;
    return RO_OK;
}

static ro_status withdraw(provider *p, seat *s, ro_err *err)
{
    rf_message m;
    int taken;
    draft_of(p, s, RF_M_WITHDRAW, &m);
    RO_TRY(deliver(p, s, &m, NULL, 0, &taken, err));
    if (taken) say(p, &s->id, "withdrew", "it cannot be computed here");
    s->again = taken ? 0 : vd_seconds() + 1;
    return RO_OK;
}

/* A task that is over, or in which we have no place: 1 when it is dropped. */
static int end_seat(provider *p, seat *s)
{
    const sv_member_told *me = &s->told.me;
    const int open = strcmp(s->told.state, "open") == 0;
    if (sv_has_ended(&s->told)) {
        const int lost = me->is_member && strcmp(me->lost, "nothing") != 0;
        say(p, &s->id, "ended", "%s%s%s%s%s", s->told.state, s->told.end[0] ? ": " : "",
            s->told.end, lost ? "; our stake is lost: " : "", lost ? me->lost : "");
        p->lost += (uint32_t)lost;
    } else if (!open && (!me->is_member || (!me->assigned && !me->is_auditor))) {
        say(p, &s->id, "no slot", "others got them");
    } else {
        return 0;
    }
    p->ended++;
    decline(p, &s->id);
    drop_seat(p, s);
    return 1;
}

/* Do what the state of a task asks for. */
static ro_status act(provider *p, seat *s, ro_err *err)
{
    const sv_member_told *me = &s->told.me;
    const char *state = s->told.state;
    const int is_commit = strcmp(state, "commit") == 0;
    if (strcmp(s->shown, state) != 0) {
        if (s->shown[0]) say(p, &s->id, "state", "%s", state);
        memcpy(s->shown, state, sizeof s->shown);
    }
    if (strcmp(me->lost, "nothing") != 0 || vd_seconds() < s->again) return RO_OK;
    const int audits = me->is_auditor && !s->revealed;
    const int works = is_commit && me->assigned && strcmp(me->stage, "claimed") == 0;
    if (!s->done && !s->child) s->done = has_result(p, &s->id);
    if ((works || audits) && !s->done)
        return s->left ? works ? withdraw(p, s, err) : RO_OK : start_computing(p, s, err);
    if (works) return commit(p, s, err);
    if (audits) return reveal(p, s, err);
    if (strcmp(state, "reveal") == 0 && strcmp(me->stage, "committed") == 0)
        return reveal(p, s, err);
    return RO_OK;
}

/* ---- questions --------------------------------------------------------------------------- */

typedef struct { vd_digest roots[2]; uint8_t body[2][VD_TRACE_BODY_BYTES]; int found; } pair_bodies;

static void note_body(void *ctx, const vd_digest *root, const uint8_t *body)
{
    pair_bodies *b = ctx;
    for (int k = 0; k < 2; k++)
        if (vd_digest_equal(root, &b->roots[k])) {
            memcpy(b->body[k], body, VD_TRACE_BODY_BYTES);
            b->found |= 1 << k;
        }
}

static ro_status read_question(const cJSON *o, sv_pair_question *q, ro_err *err)
{
    const cJSON *roots;
    memset(q, 0, sizeof *q);
    RO_TRY(sv_field_digest(o, "task", &q->task, NULL, err));
    RO_TRY(sv_field_digest(o, "asked", &q->asked, NULL, err));
    RO_TRY(sv_field_digest(o, "claim", &q->claim, NULL, err));
    RO_TRY(sv_field_u32(o, "level", &q->level, err));
    RO_TRY(sv_field_u32(o, "pair", &q->pair, err));
    RO_TRY(sv_field_list(o, "roots", &roots, err));
    for (int k = 0; k < 2; k++) {
        const char *s = cJSON_GetStringValue(cJSON_GetArrayItem(roots, k));
        if (!s) return RO_FAIL(err, RO_EFORMAT, "a question names no roots");
        RO_TRY(vd_digest_parse(s, &q->roots[k], err));
    }
    return RO_OK;
}

static ro_status answer_pair(provider *p, seat *s, const cJSON *o, int *taken, ro_err *err)
{
    sv_pair_question q;
    pair_bodies b;
    sv_saying said;
    char path[SV_PATH_MAX], hex[65];
    uint8_t *openings = NULL;
    size_t n = 0;
    int has = 0;
    RO_TRY(read_question(o, &q, err));
    memset(&b, 0, sizeof b);
    memcpy(b.roots, q.roots, sizeof b.roots);
    RO_TRY(sv_get_reveals(p->r, &s->id, note_body, &b, err));
    if (b.found != 3) return RO_FAIL(err, RO_EFORMAT, "a question's roots were not revealed");
    vd_digest_hex(&s->id, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s/pairs/%u/%u/transcript", hex, q.level, q.pair);
    RO_TRY(sv_get_bytes(p->r, path, TRANSCRIPT_MAX, &openings, &n, err));
    ro_status st = sv_party_answer(s->party, &q, (const uint8_t(*)[VD_TRACE_BODY_BYTES])b.body,
                                   openings, n, &said, &has, err);
    ro_free(openings);
    RO_TRY(st);
    if (!has) return RO_OK;
    rf_message m = said.draft;
    draft_of(p, s, said.draft.type, &m);
    m.slot = said.draft.slot;
    m.claim = said.draft.claim;
    m.question = said.draft.question;
    st = deliver(p, s, &m, said.payload, said.size, taken, err);
    if (!st && *taken)
        say(p, &s->id, "answered", "%s of %zu bytes", rf_message_type_name(m.type), said.size);
    ro_free(said.payload);
    return st;
}

static ro_status answer_challenge(provider *p, seat *s, const cJSON *o, int *taken,
                                  ro_err *err)
{
    rf_message m;
    uint64_t step;
    draft_of(p, s, RF_M_CHALLENGE, &m);
    RO_TRY(sv_field_u64(o, "step", &step, err));
    RO_TRY(sv_field_u32(o, "number", &m.slot.challenge, err));
    RO_TRY(sv_field_u32(o, "node", &m.slot.node, err));
    RO_TRY(sv_field_u32(o, "output", &m.slot.output, err));
    RO_TRY(sv_field_digest(o, "asked", &m.question, NULL, err));
    m.slot.step = step;
    RO_TRY(sv_party_attention(s->party, &s->id, step, m.slot.node, m.slot.output,
                              &m.claim.challenge, err));
    RO_TRY(deliver(p, s, &m, NULL, 0, taken, err));
    if (*taken) say(p, &s->id, "attention", "challenge %u answered", m.slot.challenge);
    return RO_OK;
}

static ro_status proof_headers(provider *p, const seat *s, char key[96], char proof[160],
                               ro_err *err)
{
    uint8_t all[3 * VD_DIGEST], hash[VD_DIGEST], signature[64];
    char hex[65], text[129];
    vd_digest public;
    memcpy(all, p->referee.b, VD_DIGEST);
    memcpy(all + VD_DIGEST, s->id.b, VD_DIGEST);
    memcpy(all + 2 * VD_DIGEST, sv_party_root(s->party)->b, VD_DIGEST);
    vd_tagged_hash("verde/1 deliver", all, sizeof all, hash);
    RO_TRY(vd_sign(p->key, hash, sizeof hash, signature, err));
    memcpy(public.b, vd_key_public(p->key), VD_DIGEST);
    vd_digest_hex(&public, hex);
    for (size_t k = 0; k < sizeof signature; k++) snprintf(text + 2 * k, 3, "%02x", signature[k]);
    snprintf(key, 96, "Verde-Key: %s", hex);
    snprintf(proof, 160, "Verde-Proof: %s", text);
    return RO_OK;
}

static ro_status deliver_result(provider *p, seat *s, const cJSON *o, ro_err *err)
{
    sv_task_files f;
    vd_digest root;
    struct stat st;
    char path[SV_PATH_MAX], where[SV_PATH_MAX + 80], hex[65], key[96], proof[160];
    const char *headers[2] = {key, proof};
    sv_transfer how = {NULL, NULL, 10};
    RO_TRY(sv_field_digest(o, "root", &root, NULL, err));
    if (!vd_digest_equal(&root, sv_party_root(s->party))) return RO_OK;
    RO_TRY(proof_headers(p, s, key, proof, err));
    RO_TRY(sv_task_files_of(p->o->data, &s->id, &f, err));
    vd_digest_hex(&s->id, hex);
    snprintf(path, sizeof path, "/v1/tasks/%s/result", hex);
    snprintf(where, sizeof where, "%s?key=%.64s", path, key + strlen("Verde-Key: "));
    int fd = open(f.result, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        if (fd >= 0) close(fd);
        return vd_fs_failed("open", f.result, err);
    }
    ro_status status = sv_upload(p->r, path, where, NULL, fd, (uint64_t)st.st_size, headers, &how,
                                 err);
    close(fd);
    if (!status) say(p, &s->id, "delivered", "%llu bytes", (unsigned long long)st.st_size);
    return status;
}

/* What is asked, answered; *taken: a receipt says so. */
static ro_status answer_by_kind(provider *p, seat *s, const cJSON *o, const char *what, int *taken,
                                ro_err *err)
{
    RO_TRY(need_party(p, s, err));
    if (strcmp(what, "question") == 0) return answer_pair(p, s, o, taken, err);
    if (strcmp(what, "challenge") == 0) return answer_challenge(p, s, o, taken, err);
    if (strcmp(what, "deliver") == 0) return deliver_result(p, s, o, err);
    return RO_FAIL(err, RO_EFORMAT, "nobody knows how to answer that");
}

static int was_answered(const seat *s, const vd_digest *asked)
{
    uint32_t n = s->answered_count < ANSWERED_MAX ? s->answered_count : ANSWERED_MAX;
    for (uint32_t k = 0; k < n; k++)
        if (vd_digest_equal(&s->answered[k], asked)) return 1;
    return 0;
}

/* One question; what goes wrong with it is printed, and it is tried again at the next look. */
static ro_status answer_one(provider *p, const cJSON *o, ro_err *err)
{
    vd_digest task, asked;
    const char *what = "";
    int taken = 0;
    ro_err why = {RO_OK, {0}}, none = {RO_OK, {0}};
    RO_TRY(sv_field_digest(o, "task", &task, NULL, err));
    RO_TRY(sv_field_text(o, "what", &what, err));
    seat *s = find_seat(p, &task);
    const int has_asked = sv_field_digest(o, "asked", &asked, NULL, &none) == RO_OK;
    if (!s || strcmp(what, "audit") == 0) return RO_OK; /* act() does what an audit needs */
    if (vd_seconds() < s->again || (has_asked && was_answered(s, &asked))) return RO_OK;
    ro_status st = answer_by_kind(p, s, o, what, &taken, &why);
    if (taken && has_asked) s->answered[s->answered_count++ % ANSWERED_MAX] = asked;
    return st ? in_trouble(p, s, what, st, &why, err) : RO_OK;
}

static ro_status answer_all(provider *p, ro_err *err)
{
    char path[SV_PATH_MAX], hex[65];
    vd_digest key;
    cJSON *o = NULL;
    const cJSON *list = NULL, *q;
    memcpy(key.b, vd_key_public(p->key), VD_DIGEST);
    vd_digest_hex(&key, hex);
    snprintf(path, sizeof path, "/v1/questions?key=%s", hex);
    RO_TRY(sv_get_json(p->r, path, &o, err));
    ro_status st = sv_field_list(o, "questions", &list, err);
    cJSON_ArrayForEach(q, list)
        if (!st) st = answer_one(p, q, err);
    cJSON_Delete(o);
    return st;
}

/* ---- looking ----------------------------------------------------------------------------- */

/* Tasks of a list, page after page while `all`: each that is new is handed over. */
static ro_status look_at(provider *p, const char *filter, int all,
                         ro_status (*each)(provider *p, const vd_digest *id, ro_err *err),
                         ro_err *err)
{
    char path[SV_PATH_MAX], next[128] = "";
    do {
        cJSON *o = NULL;
        const cJSON *list = NULL, *t;
        snprintf(path, sizeof path, "/v1/tasks?limit=100&%.100s%s%.120s", filter,
                 next[0] ? "&cursor=" : "", next);
        RO_TRY(sv_get_json(p->r, path, &o, err));
        ro_status st = sv_field_list(o, "tasks", &list, err);
        cJSON_ArrayForEach(t, list) {
            vd_digest id;
            const char *state;
            if (st) break;
            st = sv_field_digest(t, "id", &id, NULL, err);
            if (!st) st = sv_field_text(t, "state", &state, err);
            if (st || strcmp(state, "settled") == 0 || strcmp(state, "refunded") == 0) continue;
            if (!find_seat(p, &id) && !is_declined(p, &id)) st = each(p, &id, err);
        }
        const char *more = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "next"));
        snprintf(next, sizeof next, "%.120s", more && cJSON_GetArraySize(list) ? more : "");
        cJSON_Delete(o);
        RO_TRY(st);
    } while (all && next[0]);
    return RO_OK;
}

static ro_status take_up(provider *p, const vd_digest *id, ro_err *err)
{
    (void)err;
    if (add_seat(p, id)) say(p, id, "ours", "a place in it");
    return RO_OK;
}

static ro_status claim_if_free(provider *p, const vd_digest *id, ro_err *err)
{
    if (p->count >= p->o->tasks || vd_seconds() < p->unclaimed) return RO_OK;
    return claim(p, id, err);
}

static ro_status look(provider *p, int first, ro_err *err)
{
    char filter[80], hex[65];
    vd_digest key;
    memcpy(key.b, vd_key_public(p->key), VD_DIGEST);
    vd_digest_hex(&key, hex);
    snprintf(filter, sizeof filter, "key=%s", hex);
    RO_TRY(look_at(p, filter, first, take_up, err));
    RO_TRY(answer_all(p, err));
    if (p->count < p->o->tasks) RO_TRY(look_at(p, "state=open", 1, claim_if_free, err));
    for (uint32_t k = 0; k < p->count;) {
        seat *s = &p->seats[k];
        RO_TRY(sv_get_task(p->r, &s->id, vd_key_public(p->key), &s->told, NULL, err));
        if (end_seat(p, s)) continue;
        ro_err why = {RO_OK, {0}};
        ro_status st = act(p, s, &why);
        if (st) RO_TRY(in_trouble(p, s, s->told.state, st, &why, err));
        k++;
    }
    return RO_OK;
}

/* ---- beginning and ending ---------------------------------------------------------------- */

static ro_status open_provider(provider *p, ro_err *err)
{
    rf_disk disk;
    cJSON *o = NULL;
    char path[SV_FOLDER_MAX + 32];
    const sv_provide_options *w = p->o;
    RO_TRY(vd_key_load(w->key_path, &p->key, err));
    if (mkdir(w->data, 0700) < 0 && errno != EEXIST)
        return vd_fs_failed("create the folder", w->data, err);
    snprintf(path, sizeof path, "%.3700s/messages.log", w->data);
    RO_TRY(rf_disk_file(path, &disk, err));
    RO_TRY(rf_agent_open(&disk, p->key, &p->agent, err));
    RO_TRY(ro_pool_new((uint32_t)w->threads, &p->pool, err));
    p->seats = ro_alloc_zero(TASKS_MAX * sizeof *p->seats);
    p->declined = ro_alloc_zero(DECLINED_MAX * sizeof *p->declined);
    if (!p->seats || !p->declined) return RO_FAIL(err, RO_ENOMEM, "no memory for tasks");
    p->wire = (rf_wire){p, send_message};
    RO_TRY(sv_remote_open(w->server, NULL, w->stop, &p->r, err));
    RO_TRY(sv_get_json(p->r, "/v1/server", &o, err));
    ro_status st = sv_field_digest(o, "referee", &p->referee, NULL, err);
    cJSON_Delete(o);
    return st;
}

static void close_provider(provider *p)
{
    for (uint32_t k = 0; k < p->count; k++)
        if (p->seats[k].child) kill(p->seats[k].child, SIGTERM);
    for (uint32_t k = 0; k < p->count; k++) {
        if (p->seats[k].child) (void)waitpid(p->seats[k].child, NULL, 0);
        sv_party_close(p->seats[k].party);
    }
    rf_agent_close(p->agent);
    ro_pool_free(p->pool);
    sv_remote_close(p->r);
    vd_key_free(p->key);
    ro_free(p->seats);
    ro_free(p->declined);
}

static void rest(const provider *p)
{
    for (uint64_t ms = 0; ms < p->o->poll_ms && !*p->o->stop; ms += 20) {
        struct timespec t = {0, 20000000};
        nanosleep(&t, NULL);
    }
}

static ro_status serve(provider *p, ro_err *err)
{
    vd_digest key;
    char hex[65];
    int first = 1;
    memcpy(key.b, vd_key_public(p->key), VD_DIGEST);
    vd_digest_hex(&key, hex);
    say(p, NULL, "provider", "%s of %s", hex, sv_remote_server(p->r));
    for (uint32_t k = 0; k < p->o->fault_count; k++)
        say(p, NULL, "CHEATING", "on purpose (--inject): bit %u of element %" PRIu64 " of node %u "
            "at step %" PRIu64 " is flipped in every task that has it", p->o->faults[k].fault.bit,
            p->o->faults[k].fault.element, p->o->faults[k].fault.node, p->o->faults[k].step);
    RO_TRY(send_again(p, err));
    while (!*p->o->stop) {
        ro_err why = {RO_OK, {0}};
        reap(p);
        ro_status st = look(p, first, &why);
        if (*p->o->stop) break;
        if (st && (st == RO_ENOMEM || log_failed(p))) return RO_FAIL(err, st, "%s", why.msg);
        if (st && !p->away) say(p, NULL, "trouble", "%s", why.msg);
        p->away = st != RO_OK;
        if (!st) first = 0;
        if (!st && p->o->once && p->ended && !p->count) return RO_OK;
        rest(p);
    }
    say(p, NULL, "stops", "what is under way goes on after the next start");
    return RO_OK;
}

ro_status sv_provide(const sv_provide_options *o, uint32_t *lost, ro_err *err)
{
    provider p;
    memset(&p, 0, sizeof p);
    p.o = o;
    ro_status st = open_provider(&p, err);
    if (!st) st = serve(&p, err);
    *lost = p.lost;
    close_provider(&p);
    return st;
}
