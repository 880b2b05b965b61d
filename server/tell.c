/* tell.c - what is known, as JSON.
 *
 * What this file decides: names and order of fields. */
#include "tell.h"

#include <stddef.h>
#include <string.h>

void sv_put_digest(sv_text *t, const vd_digest *d)
{
    sv_put_bytes(t, "\"", 1);
    sv_put_hex(t, d->b, VD_DIGEST);
    sv_put_bytes(t, "\"", 1);
}

static void digest(sv_text *t, const char *name, const vd_digest *d)
{
    sv_put(t, ", \"%s\": ", name);
    sv_put_digest(t, d);
}

static void u64(sv_text *t, const char *name, uint64_t v)
{
    sv_put(t, ", \"%s\": \"%llu\"", name, (unsigned long long)v);
}

static void boolean(sv_text *t, const char *name, int v)
{
    sv_put(t, ", \"%s\": %s", name, v ? "true" : "false");
}

/* ---- parameters ------------------------------------------------------------------------- */

#define BYTES_u32 4, 0
#define BYTES_u64 8, 0
#define BYTES_i64 8, 1
#define ROW(type, name) {#name, BYTES_##type, offsetof(rf_params, name)},
static const sv_param params[] = {RF_PARAMS(ROW)};
_Static_assert(sizeof params / sizeof *params == SV_PARAMS, "the number of parameters");

const sv_param *sv_params(void) { return params; }

int64_t sv_param_get(const rf_params *p, const sv_param *which)
{
    const uint8_t *at = (const uint8_t *)p + which->at;
    uint32_t small;
    int64_t v;
    memcpy(&small, at, sizeof small);
    if (which->bytes == 4) return small;
    memcpy(&v, at, sizeof v);
    return v;
}

ro_status sv_param_set(rf_params *p, const sv_param *which, uint64_t value, ro_err *err)
{
    const uint64_t most = which->bytes == 4 ? UINT32_MAX : INT64_MAX;
    const uint32_t small = (uint32_t)value;
    if (value > most)
        return RO_FAIL(err, RO_ELIMIT, "%s is %llu; at most %llu is possible", which->name,
                       (unsigned long long)value, (unsigned long long)most);
    if (which->bytes == 4) memcpy((uint8_t *)p + which->at, &small, sizeof small);
    else memcpy((uint8_t *)p + which->at, &value, sizeof value);
    return RO_OK;
}

void sv_tell_params(sv_text *t, const rf_params *p)
{
    for (uint32_t k = 0; k < SV_PARAMS; k++) {
        const char *quote = params[k].bytes == 4 ? "" : "\"";
        sv_put(t, "%s\"%s\": %s%lld%s", k ? ", " : "{", params[k].name, quote,
               (long long)sv_param_get(p, &params[k]), quote);
    }
    sv_put(t, "}");
}

/* ---- tasks ------------------------------------------------------------------------------ */

void sv_tell_job(sv_text *t, const vd_job *j, uint64_t bytes, const sv_fixed *f)
{
    sv_put(t, "\"job\": {\"digest\": ");
    sv_put_digest(t, &j->digest);
    u64(t, "bytes", bytes);
    if (j->record == VD_RECORD_FULL) sv_put(t, ", \"record\": \"full\"");
    else sv_put(t, ", \"record\": \"checkpoint:%u\"", j->segment);
    u64(t, "steps", j->steps);
    sv_put(t, ", \"nodes\": %llu", (unsigned long long)f->nodes);
    u64(t, "flops", f->cost.flops);
    u64(t, "state_bytes", f->cost.state_bytes);
    u64(t, "output_bytes", f->cost.output_bytes);
    sv_put(t, "}");
}

static void tell_member(sv_text *t, const rf_task_member *m, int revealed)
{
    static const char *const stages[] = {"claimed", "withdrawn", "committed", "revealed",
                                         "auditor"};
    sv_put(t, "{\"key\": \"");
    sv_put_hex(t, m->key, sizeof m->key);
    sv_put(t, "\", \"role\": \"%s\"", rf_role_name(m->role));
    digest(t, "account", &m->account);
    boolean(t, "assigned", m->assigned);
    sv_put(t, ", \"stage\": \"%s\", \"lost\": \"%s\"", stages[m->stage], rf_loss_name(m->lost));
    boolean(t, "provisional", m->provisional);
    if (m->has_root && revealed) digest(t, "root", &m->root);
    else sv_put(t, ", \"root\": null");
    boolean(t, "stands", m->stands && revealed);
    boolean(t, "delivered", m->delivered);
    sv_put(t, "}");
}

static void tell_counts(sv_text *t, const rf_task *task)
{
    rf_task_counts c;
    rf_task_get_counts(task, &c);
    sv_put(t, ", \"counts\": {\"roots\": %u, \"claims\": %u, \"explanations\": %u", c.roots,
           c.claims, c.explanations);
    u64(t, "recomputed", c.recomputed);
    u64(t, "questions", c.questions);
    sv_put(t, ", \"levels\": %u, \"pairs\": %u", c.levels, c.pairs);
    boolean(t, "audited", c.audited);
    boolean(t, "provisional", c.provisional);
    sv_put(t, "}");
}

static void tell_terms(sv_text *t, const rf_params *p)
{
    uint8_t bytes[RF_PARAMS_BYTES];
    rf_params_encode(p, bytes);
    vd_digest d = rf_terms_digest(bytes, sizeof bytes);
    digest(t, "terms", &d);
    sv_put(t, ", \"params\": ");
    sv_tell_params(t, p);
}

static void tell_members(sv_text *t, const rf_task *task, int revealed)
{
    rf_task_member m;
    sv_put(t, ", \"members\": [");
    for (uint32_t k = 0; k < rf_task_members(task); k++) {
        rf_task_get_member(task, k, &m);
        if (k) sv_put(t, ", ");
        tell_member(t, &m, revealed);
    }
    sv_put(t, "]");
}

void sv_tell_task(sv_text *t, const sv_task_look *l, const sv_fixed *f, uint64_t changed_ms,
                  uint64_t position, int data_ready, uint32_t disputes, int brief)
{
    ro_err err = {RO_OK, {0}};
    const rf_task_state s = rf_task_get_state(l->state);
    const int over = s == RF_T_SETTLED || s == RF_T_REFUNDED, revealed = s > RF_T_REVEAL;
    const uint64_t deadline = rf_task_deadline(l->state);
    vd_digest root, sealed = rf_task_sealed_secret(&f->secret);
    int64_t escrow = 0;
    if (rf_params_escrow(&l->params[0], &escrow, &err)) escrow = 0; /* it was checked */
    sv_put(t, "{\"id\": ");
    sv_put_digest(t, &l->task);
    digest(t, "client", &l->client);
    sv_put(t, ", \"state\": \"%s\"", rf_task_state_name(s));
    if (over) sv_put(t, ", \"end\": \"%s\"", rf_end_name(rf_task_end(l->state)));
    else sv_put(t, ", \"end\": null");
    u64(t, "created_ms", f->made_ms);
    u64(t, "changed_ms", changed_ms);
    if (deadline == UINT64_MAX) sv_put(t, ", \"deadline_ms\": null");
    else u64(t, "deadline_ms", deadline);
    u64(t, "position", position);
    sv_put(t, ", ");
    sv_tell_job(t, l->job, l->job_size, f);
    sv_put(t, ", \"slots\": %u, \"claimed\": %u, \"reward\": \"%lld\", \"escrow\": \"%lld\"",
           l->params->slots, rf_task_members(l->state), (long long)l->params->reward,
           (long long)escrow);
    boolean(t, "data_ready", data_ready);
    if (rf_task_root(l->state, &root)) digest(t, "root", &root);
    else sv_put(t, ", \"root\": null");
    sv_put(t, ", \"disputes\": %u", disputes);
    if (!brief) {
        tell_terms(t, l->params);
        digest(t, "sealed_secret", &sealed);
        if (over) digest(t, "secret", &f->secret);
        else sv_put(t, ", \"secret\": null");
        tell_members(t, l->state, revealed);
        tell_counts(t, l->state);
    }
    sv_put(t, "}");
}

/* ---- questions -------------------------------------------------------------------------- */

static void tell_question(sv_text *t, const rf_question *q)
{
    sv_put(t, "{\"kind\": \"%s\", \"parties\": %llu, \"tree\": \"%s\"", rf_question_name(q->kind),
           (unsigned long long)q->parties, vd_tree_kind_name(q->tree));
    u64(t, "lo", q->lo);
    u64(t, "hi", q->hi);
    sv_put(t, ", \"depth\": %u", q->depth);
    digest(t, "of", &q->of);
    digest(t, "tensor", &q->tensor);
    u64(t, "step", q->step);
    sv_put(t, ", \"node\": %u, \"output\": %u", q->node, q->output);
    u64(t, "element", q->element);
    sv_put(t, ", \"level\": %u", q->level);
    u64(t, "index", q->index);
    sv_put(t, ", \"claim\": %u", q->claim);
    if (q->has_state) digest(t, "state", &q->state);
    else sv_put(t, ", \"state\": null");
    sv_put(t, "}");
}

void sv_tell_asked(sv_asked *a, const vd_digest *task, const rf_effect *e)
{
    sv_text *t = &a->text;
    a->kind = e->kind;
    a->sides = e->sides;
    a->roots[0] = e->roots[0];
    a->roots[1] = e->roots[1];
    sv_put(t, "{\"task\": ");
    sv_put_digest(t, task);
    if (e->kind == RF_DO_ASK) {
        sv_put(t, ", \"what\": \"question\", \"level\": %u, \"pair\": %u, \"sides\": %u, "
               "\"roots\": [", e->level, e->pair, e->sides);
        sv_put_digest(t, &e->roots[0]);
        sv_put(t, ", ");
        sv_put_digest(t, &e->roots[1]);
        sv_put(t, "]");
        digest(t, "asked", &e->asked);
        digest(t, "claim", &e->claim);
        sv_put(t, ", \"question\": ");
        tell_question(t, e->question);
    } else if (e->kind == RF_DO_CHALLENGE) {
        sv_put(t, ", \"what\": \"challenge\", \"number\": %u", e->number);
        u64(t, "step", e->step);
        sv_put(t, ", \"node\": %u, \"output\": %u", e->node, e->output);
        digest(t, "asked", &e->asked);
    } else {
        sv_put(t, ", \"what\": \"%s\"", e->kind == RF_DO_DELIVER ? "deliver" : "audit");
        if (e->kind == RF_DO_DELIVER) digest(t, "root", &e->roots[0]);
    }
    u64(t, "deadline_ms", e->deadline);
}

/* ---- verdicts --------------------------------------------------------------------------- */

void sv_tell_verdict(sv_text *t, const rf_verdict *v)
{
    sv_put(t, "{\"kind\": \"%s\", \"method\": \"%s\"", rf_kind_name(v->kind),
           rf_method_name(v->method));
    if (v->has_step) u64(t, "step", v->step);
    if (v->has_node)
        sv_put(t, ", \"node\": %u, \"output\": %u, \"operator\": \"%s\"", v->node, v->output,
               ro_ops[v->op].name);
    if (v->has_element) {
        u64(t, "element", v->element);
        u64(t, "chunk", v->chunk);
        sv_put(t, ", \"claimed\": [\"%016llx\", \"%016llx\"]", (unsigned long long)v->claimed[0],
               (unsigned long long)v->claimed[1]);
    }
    if (v->has_value)
        sv_put(t, ", \"recomputed\": \"%016llx\"", (unsigned long long)v->recomputed);
    sv_put(t, ", \"guilty\": [");
    for (uint32_t k = 0; k < v->guilty_count; k++)
        sv_put(t, "%s{\"side\": %u, \"cause\": \"%s\"}", k ? ", " : "", v->guilty[k].party,
               rf_kind_name(v->guilty[k].cause));
    sv_put(t, "]");
    u64(t, "elements_recomputed", v->elements_recomputed);
    u64(t, "bytes_read", v->bytes_read);
    u64(t, "questions", v->questions);
    boolean(t, "provisional", v->provisional);
    boolean(t, "alarm", v->alarm);
    sv_put(t, ", \"why\": ");
    sv_put_json(t, v->why);
    sv_put(t, "}");
}

/* ---- money ------------------------------------------------------------------------------ */

const char *sv_purpose(uint64_t key)
{
    const uint64_t first = key >> 56;
    if (first >= RF_FOR_FEE_AUDIT && first <= RF_FOR_TREASURY_AUDIT)
        return rf_purpose_name((rf_purpose)first);
    switch (first) {
    case SV_KEY_ESCROW >> 56: return "escrow";
    case SV_KEY_STAKE >> 56: return "hold";
    case SV_KEY_RELEASE >> 56: return "release";
    case SV_KEY_DEPOSIT >> 56: return "deposit";
    default: return "other";
    }
}

static void tell_account(sv_text *t, const char *name, const sv_account *a)
{
    sv_put(t, ", \"%s\": {\"kind\": \"%s\"", name, sv_account_name(a->kind));
    if (a->kind == SV_FREE || a->kind == SV_HELD || a->kind == SV_ESCROW)
        digest(t, "owner", &a->owner);
    if (a->kind == SV_HELD || a->kind == SV_ESCROW) digest(t, "task", &a->task);
    sv_put(t, "}");
}

void sv_tell_booked(sv_text *t, const sv_booked *b)
{
    sv_put(t, "{\"id\": \"%lld\"", (long long)b->id);
    u64(t, "at_ms", b->stamp_ms);
    sv_put(t, ", \"purpose\": \"%s\", \"amount\": \"%lld\"", sv_purpose(b->key),
           (long long)b->amount);
    tell_account(t, "from", &b->from);
    tell_account(t, "to", &b->to);
    if (b->key >> 56 == SV_KEY_DEPOSIT >> 56) sv_put(t, ", \"task\": null");
    else digest(t, "task", &b->scope);
    sv_put(t, "}");
}
