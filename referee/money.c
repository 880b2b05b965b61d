/* money.c - parameters of a task, and the transfers that end it.
 *
 * What this file decides: docs/ECONOMICS.md, in integers. A settlement is two pools, of fees and of
 * lost stakes, that are paid out in a fixed order: each payment takes from the pool's sources in
 * theirs, so every micro-unit can be followed from who lost it to who has it.
 *
 * Invariants
 *   1. Money moves only in book(), which never moves zero or less.
 *   2. A payment out of a pool is at most what the pool still holds; a pool ends empty. So what a
 *      member held is booked exactly once: fee, lost, or back. */
#include "money.h"

#include "../verde/bytes.h"

/* ---- amounts ---------------------------------------------------------------------------- */

ro_status rf_money_add(int64_t *sum, int64_t amount, ro_err *err)
{
    int64_t r;
    if (__builtin_add_overflow(*sum, amount, &r) || r < 0 || r > RF_SUPPLY_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%lld and %lld micro-units make a sum outside 0 to %lld",
                       (long long)*sum, (long long)amount, (long long)RF_SUPPLY_MAX);
    *sum = r;
    return RO_OK;
}

ro_status rf_money_multiply(int64_t a, int64_t b, int64_t *product, ro_err *err)
{
    int64_t r;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &r) || r > RF_SUPPLY_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%lld x %lld micro-units are outside 0 to %lld",
                       (long long)a, (long long)b, (long long)RF_SUPPLY_MAX);
    *product = r;
    return RO_OK;
}

/* floor(amount x ppm / 10^6) and its ceiling, for amounts up to RF_SUPPLY_MAX and ppm up to RF_PPM:
 * no product here is over 10^12. */
static int64_t share(int64_t amount, uint32_t ppm)
{
    const int64_t one = RF_PPM, part = ppm;
    return amount / one * part + amount % one * part / one;
}
static int64_t share_up(int64_t amount, uint32_t ppm)
{
    return amount - share(amount, RF_PPM - ppm);
}

static uint32_t log2_up(uint32_t n)
{
    uint32_t levels = 0;
    while ((UINT64_C(1) << levels) < n) levels++;
    return levels;
}

/* ---- parameters: range, bytes ------------------------------------------------------------ */

/* What a client may ask for, compared with what the server computed. */
typedef enum { EQUAL, AT_LEAST, AT_MOST } freedom;

typedef struct { const char *name; uint64_t min, max; freedom client; } limit;

#define ANY UINT64_MAX
#define MONEY (uint64_t)RF_SUPPLY_MAX
static const limit LIMITS[] = {
    {"slots", 1, RF_SLOTS_MAX, EQUAL},
    {"quorum", 1, RF_SLOTS_MAX, AT_LEAST},
    {"challenges", 0, 4096, AT_LEAST},
    {"account_slots", 1, RF_SLOTS_MAX, AT_MOST},
    {"burn_ppm", 0, RF_PPM, AT_LEAST},
    {"audit_ppm", 0, RF_PPM, AT_LEAST},
    {"refusals", 1, 65536, AT_LEAST},
    {"retries", 0, 1000, AT_LEAST},
    {"reward", 0, MONEY, AT_LEAST},
    {"stake", 0, MONEY, AT_LEAST},
    {"fee", 0, MONEY, AT_LEAST},
    {"premium", 0, MONEY, AT_LEAST},
    {"delivery", 0, MONEY, EQUAL},
    {"run", 0, MONEY, EQUAL},
    {"audit", 0, MONEY, EQUAL},
    {"replay", 0, MONEY, EQUAL},
    {"segment", 0, MONEY, EQUAL},
    {"replay_steps", 1, ANY, EQUAL},
    {"replay_flops", 0, ANY, EQUAL},
    {"answer_bytes", 0, ANY, EQUAL},
    {"output_bytes", 0, ANY, EQUAL},
    {"flops_second", 1, ANY, AT_MOST},
    {"bytes_second", 1, ANY, AT_MOST},
    {"open_ms", 0, RF_MS_MAX, AT_LEAST},
    {"commit_ms", 0, RF_MS_MAX, AT_LEAST},
    {"reveal_ms", 0, RF_MS_MAX, AT_LEAST},
    {"base_ms", 0, RF_MS_MAX, AT_LEAST},
    {"finality_ms", 0, RF_MS_MAX, AT_LEAST},
    {"retry_ms", 0, RF_MS_MAX, AT_LEAST}};
#define FIELDS (sizeof LIMITS / sizeof LIMITS[0])

/* Fields as numbers, in order. A negative amount is over every limit. */
static void values(const rf_params *p, uint64_t v[FIELDS])
{
    size_t k = 0;
#define VALUE(type, name) v[k++] = (uint64_t)p->name;
    RF_PARAMS(VALUE)
    RO_ASSERT(k == FIELDS);
}

static ro_status in_range(const rf_params *p, ro_err *err)
{
    uint64_t v[FIELDS];
    values(p, v);
    for (size_t k = 0; k < FIELDS; k++)
        if (v[k] < LIMITS[k].min || v[k] > LIMITS[k].max)
            return RO_FAIL(err, RO_ELIMIT, "%s is %lld; %llu to %llu are allowed", LIMITS[k].name,
                           (long long)v[k], (unsigned long long)LIMITS[k].min,
                           (unsigned long long)LIMITS[k].max);
    return RO_OK;
}

#define SIZE_u32 4u
#define SIZE_u64 8u
#define SIZE_i64 8u

void rf_params_encode(const rf_params *p, uint8_t out[RF_PARAMS_BYTES])
{
    vd_out o = {out, 0};
    vd_out_u32(&o, RF_PARAMS_VERSION);
#define PUT(type, name) vd_out_le(&o, (uint64_t)p->name, SIZE_##type);
    RF_PARAMS(PUT)
    RO_ASSERT(o.n == RF_PARAMS_BYTES);
}

#define READ_u32(in) vd_in_u32(in)
#define READ_u64(in) vd_in_u64(in)
#define READ_i64(in) (int64_t)vd_in_u64(in)

ro_status rf_params_decode(const void *bytes, size_t n, rf_params *p, ro_err *err)
{
    vd_in in = {bytes, n, 0, 0};
    rf_params r;
    if (n != RF_PARAMS_BYTES)
        return RO_FAIL(err, RO_EFORMAT, "a task's parameters are %u bytes, not %zu",
                       RF_PARAMS_BYTES, n);
    uint32_t version = vd_in_u32(&in);
    if (version != RF_PARAMS_VERSION)
        return RO_FAIL(err, RO_EFORMAT, "parameters of version %u; this program knows version %u",
                       version, RF_PARAMS_VERSION);
#define GET(type, name) r.name = READ_##type(&in);
    RF_PARAMS(GET)
    RO_TRY(in_range(&r, err));
    *p = r;
    return RO_OK;
}

/* ---- parameters: what they must satisfy -------------------------------------------------- */

ro_status rf_params_rerun_max(const rf_params *p, int64_t *out, ro_err *err)
{
    int64_t once = p->replay, claimants = (int64_t)p->slots * log2_up(p->slots + 1);
    RO_TRY(rf_money_add(&once, p->segment, err));
    return rf_money_multiply(claimants, once, out, err);
}

ro_status rf_params_exposure(const rf_params *p, int64_t *out, ro_err *err)
{
    int64_t sum = 0;
    RO_TRY(rf_params_rerun_max(p, &sum, err));
    RO_TRY(rf_money_add(&sum, p->audit, err));
    *out = sum;
    return RO_OK;
}

ro_status rf_params_escrow(const rf_params *p, int64_t *out, ro_err *err)
{
    int64_t sum = 0;
    RO_TRY(rf_money_multiply(p->slots, p->reward, &sum, err));
    RO_TRY(rf_money_add(&sum, p->premium, err));
    RO_TRY(rf_money_add(&sum, p->delivery, err));
    *out = sum;
    return RO_OK;
}

static ro_status at_least(const char *what, int64_t v, const char *why, int64_t min, ro_err *err)
{
    if (v >= min) return RO_OK;
    return RO_FAIL(err, RO_ELIMIT, "%s is %lld; it must be at least %lld (%s)", what, (long long)v,
                   (long long)min, why);
}

/* The audit is certain where fewer than the quorum can stand. */
static int64_t audit_expected(const rf_params *p)
{
    return p->quorum > p->slots ? p->audit : share_up(p->audit, p->audit_ppm);
}

ro_status rf_params_check(const rf_params *p, ro_err *err)
{
    int64_t exposure = 0, ten = 0, escrow = 0, all = 0;
    RO_TRY(in_range(p, err));
    RO_TRY(rf_params_exposure(p, &exposure, err));
    RO_TRY(rf_money_multiply(10, exposure, &ten, err));
    RO_TRY(at_least("the stake", p->stake,
                    "10 x (audit + n x ceil(log2(n + 1)) x (replay + segment))", ten, err));
    RO_TRY(at_least("a tenth of the stake", p->stake / 10, "the fee", p->fee, err));
    RO_TRY(at_least("the fee", p->fee, "one full audit", p->audit, err));
    RO_TRY(at_least("the audit", p->audit, "the job's own cost", p->run, err));
    RO_TRY(at_least("the reward", p->reward, "more than the job costs", p->run + 1, err));
    RO_TRY(at_least("audit rate x stake", share(p->stake, p->audit_ppm),
                    "more than skipping the work saves", p->run + 1, err));
    RO_TRY(at_least("the premium", p->premium, "what audits cost on average", audit_expected(p),
                    err));
    RO_TRY(at_least("the burn share", p->burn_ppm, "half, in millionths", RF_PPM / 2, err));
    RO_TRY(at_least("the number of challenges", p->challenges, "one", 1, err));
    RO_TRY(rf_params_escrow(p, &escrow, err));
    RO_TRY(rf_money_multiply(p->slots, p->stake, &all, err));
    return rf_money_add(&all, escrow, err);
}

ro_status rf_params_within(const rf_params *server, const rf_params *asked, ro_err *err)
{
    uint64_t s[FIELDS], a[FIELDS];
    RO_TRY(in_range(server, err));
    RO_TRY(in_range(asked, err));
    values(server, s);
    values(asked, a);
    for (size_t k = 0; k < FIELDS; k++) {
        const char *word = LIMITS[k].client == EQUAL      ? "exactly"
                           : LIMITS[k].client == AT_LEAST ? "at least"
                                                          : "at most";
        if (a[k] == s[k] || (LIMITS[k].client == AT_LEAST && a[k] > s[k]) ||
            (LIMITS[k].client == AT_MOST && a[k] < s[k]))
            continue;
        return RO_FAIL(err, RO_ELIMIT, "%s is %llu; a client may ask for %s %llu", LIMITS[k].name,
                       (unsigned long long)a[k], word, (unsigned long long)s[k]);
    }
    return RO_OK;
}

/* ---- times ------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ceil(1000 x amount / rate), at most RF_MS_MAX. */
static uint64_t time_ms(uint64_t amount, uint64_t rate)
{
    uint64_t whole = amount / rate, rest = amount % rate, scaled;
    if (whole >= RF_MS_MAX / 1000) return RF_MS_MAX;
    if (!ro_mul_size(rest, 1000, &scaled)) { /* rate is over 2^54: a part in 2^44 of it is lost */
        scaled = rest / 1024 * 1000 + 1000;
        rate /= 1024;
    }
    return least(whole * 1000 + scaled / rate + (scaled % rate != 0), RF_MS_MAX);
}

uint64_t rf_deadline_ms(const rf_params *p, uint64_t flops, uint64_t bytes)
{
    uint64_t work = time_ms(flops, p->flops_second), sent = time_ms(bytes, p->bytes_second);
    return least(p->base_ms + 4 * work + sent, RF_MS_MAX);
}

uint64_t rf_deadline_max_ms(const rf_params *p)
{
    return rf_deadline_ms(p, p->replay_flops, p->answer_bytes);
}

uint64_t rf_delivery_ms(const rf_params *p) { return rf_deadline_ms(p, 0, p->output_bytes); }

int rf_audit_due(const rf_params *p, uint32_t standing, const vd_digest *draw)
{
    /* The step is rounded up, so the chance is never below audit_ppm. */
    const uint64_t step = UINT64_MAX / RF_PPM + 1;
    return standing < p->quorum || vd_get_u64(draw->b) / step < p->audit_ppm;
}

/* ---- the defaults ------------------------------------------------------------------------ */

/* sum + a x b; what does not fit saturates, so that nothing looks cheap. */
static uint64_t plus(uint64_t sum, uint64_t a, uint64_t b)
{
    return ro_mul_size(a, b, &a) && ro_add_size(sum, a, &sum) ? sum : UINT64_MAX;
}

ro_status rf_cost_of_job(const vd_job *j, rf_cost *c, ro_err *err)
{
    vd_cost all, step;
    RO_TRY(vd_job_cost(j, &all, err));
    *c = (rf_cost){.flops = all.flops, .steps = j->steps,
                   .segment_steps = j->record == VD_RECORD_FULL ? 1 : j->segment,
                   .element_flops = all.element_flops, .element_bytes = all.element_bytes,
                   .evidence_bytes = all.evidence_bytes, .state_bytes = all.state_bytes,
                   .output_bytes = all.state_bytes};
    for (uint32_t p = 0; p < j->phase_count; p++) {
        vd_phase once = j->phases[p];
        vd_job one = *j;
        uint64_t bytes = 0;
        for (uint32_t k = 0; k < once.graph->output_count; k++) {
            const ro_type *type = ro_graph_type(once.graph, once.graph->outputs[k]);
            bytes = plus(bytes, ro_type_bytes(type), 1);
        }
        c->output_bytes = plus(c->output_bytes, bytes, once.steps * j->repeats); /* below 2^40 */
        once.steps = 1;
        one.phases = &once;
        one.phase_count = 1;
        one.repeats = 1;
        RO_TRY(vd_job_cost(&one, &step, err));
        if (step.flops > c->step_flops) c->step_flops = step.flops;
    }
    return RO_OK;
}

/* amount x price per `unit` (a GB or a TFLOP), rounded up, and at least 1: nothing that is done is
 * free. At most 1.9 x 10^16, since a price is at most RF_PRICE_MAX: two of them fit the supply. */
static ro_status price_of(uint64_t amount, uint64_t unit, int64_t price, int64_t *out, ro_err *err)
{
    const int64_t u = (int64_t)unit;
    if (amount == UINT64_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a cost that saturates its bound has no price");
    int64_t whole = (int64_t)(amount / unit) * price, part = (int64_t)(amount % unit) * price;
    whole += part / u + (part % u != 0);
    *out = whole ? whole : 1;
    return RO_OK;
}

#define TFLOP UINT64_C(1000000000000)
#define GB UINT64_C(1000000000)
#define HOUR_MS UINT64_C(3600000)
#define REPLAY_LEAST 64u
/* Beside the chunks of an element: 4,096 hashes, or the step leaves of a segment. */
#define ANSWER_REST (UINT64_C(512) << 10)

static void defaults_of_time(const rf_cost *c, rf_params *p)
{
    p->flops_second = 10 * GB;
    p->bytes_second = 1000000;
    p->base_ms = 60000;
    p->open_ms = p->reveal_ms = HOUR_MS;
    p->commit_ms = least(rf_deadline_ms(p, c->flops, c->output_bytes) + HOUR_MS, RF_MS_MAX);
    p->finality_ms = p->retry_ms = 24 * HOUR_MS;
}

/* The costs of work, from sizes. */
static ro_status defaults_of_work(const rf_cost *c, int64_t price, int64_t price_bytes,
                                  rf_params *p, ro_err *err)
{
    uint64_t segment = plus(c->element_flops, c->segment_steps, c->step_flops);
    int64_t bytes = 0;
    p->replay_flops = plus(c->element_flops, p->replay_steps, c->step_flops);
    p->answer_bytes = plus(ANSWER_REST, c->evidence_bytes, 1);
    p->output_bytes = c->output_bytes;
    RO_TRY(price_of(c->flops, TFLOP, price, &p->run, err));
    RO_TRY(price_of(c->output_bytes, GB, price_bytes, &p->delivery, err));
    RO_TRY(price_of(p->replay_flops, TFLOP, price, &p->replay, err));
    RO_TRY(price_of(p->answer_bytes, GB, price_bytes, &bytes, err));
    p->replay += bytes;
    RO_TRY(price_of(segment, TFLOP, price, &p->segment, err));
    RO_TRY(price_of(c->element_bytes, GB, price_bytes, &bytes, err));
    p->segment += bytes;
    return RO_OK;
}

/* What is paid and staked, from the costs of work: docs/ECONOMICS.md has the reasons. */
static ro_status defaults_of_money(rf_params *p, ro_err *err)
{
    /* The job's run is at most RF_PRICE_MAX x 2^64 / TFLOP: these products of it fit. */
    const int64_t caught = (p->run + 1) * (2 * (int64_t)(RF_PPM / p->audit_ppm));
    int64_t exposure = 0;
    p->reward = p->run + p->run / 2 + 1; /* half as much again */
    p->audit = p->fee = p->reward; /* an auditor runs the job as a provider does */
    p->premium = audit_expected(p);
    RO_TRY(rf_params_exposure(p, &exposure, err));
    RO_TRY(rf_money_multiply(10, exposure, &p->stake, err));
    if (p->stake < caught) p->stake = caught; /* p x stake: twice what skipping the work saves */
    return rf_params_check(p, err);
}

ro_status rf_params_defaults(const rf_cost *c, uint32_t slots, uint64_t replay_steps,
                             int64_t price, int64_t price_bytes, rf_params *p, ro_err *err)
{
    rf_params r = {.slots = slots, .quorum = 2, .challenges = 16, .account_slots = 1,
                   .burn_ppm = RF_PPM / 2, .audit_ppm = RF_PPM / 10, .refusals = 16, .retries = 3};
    uint64_t d = c->segment_steps > REPLAY_LEAST ? c->segment_steps : REPLAY_LEAST;
    if (slots < 1 || slots > RF_SLOTS_MAX)
        return RO_FAIL(err, RO_EUSAGE, "%u slots; 1 to %u are allowed", slots, RF_SLOTS_MAX);
    if (price < 1 || price > RF_PRICE_MAX || price_bytes < 1 || price_bytes > RF_PRICE_MAX)
        return RO_FAIL(err, RO_EUSAGE, "prices of %lld and %lld; 1 to %lld are allowed",
                       (long long)price, (long long)price_bytes, (long long)RF_PRICE_MAX);
    r.replay_steps = replay_steps ? replay_steps : least(d, c->steps ? c->steps : 1);
    defaults_of_time(c, &r);
    RO_TRY(defaults_of_work(c, price, price_bytes, &r, err));
    RO_TRY(defaults_of_money(&r, err));
    *p = r;
    return RO_OK;
}

/* ---- how a task ended -------------------------------------------------------------------- */

/* Members that hold a stake; those the outcome leaves right. */
static int has_stake(const rf_member *m) { return m->stage != RF_STAGE_AUDITOR; }
static int is_right(const rf_member *m) { return m->standing && m->lost == RF_LOST_NOTHING; }
static int is_paid(const rf_outcome *o, const rf_member *m)
{
    return is_right(m) && (o->end == RF_END_SETTLED || !has_stake(m));
}

/* Whoever revealed and lost nothing stands, as member_check saw. */
static int owes_fee(const rf_outcome *o, const rf_member *m)
{
    if (m->lost != RF_LOST_NOTHING || o->end == RF_END_REFUNDED || !has_stake(m)) return 0;
    return m->stage == RF_STAGE_CLAIMED || m->stage == RF_STAGE_WITHDRAWN ||
           o->end == RF_END_UNDELIVERED;
}

static ro_status member_check(const rf_params *p, const rf_outcome *o, uint32_t k, ro_err *err)
{
    const rf_member *m = &o->members[k];
    const int lost = m->lost != RF_LOST_NOTHING;
    const int64_t held = has_stake(m) ? p->stake : 0;
    if ((unsigned)m->stage > RF_STAGE_AUDITOR || (unsigned)m->lost > RF_LOST_ATTENTION)
        return RO_FAIL(err, RO_EFORMAT, "member %u has stage %d and loss %d, which are none", k,
                       (int)m->stage, (int)m->lost);
    if (m->held != held)
        return RO_FAIL(err, RO_EDIFFER, "member %u holds %lld; the task's stake is %lld", k,
                       (long long)m->held, (long long)held);
    if (m->delivered && !m->standing)
        return RO_FAIL(err, RO_EFORMAT, "member %u delivered and does not stand", k);
    switch (m->stage) {
    case RF_STAGE_CLAIMED:
    case RF_STAGE_AUDITOR:
        if (lost || (m->standing && has_stake(m)))
            return RO_FAIL(err, RO_EFORMAT, "member %u has no stake in a claim and lost or stands",
                           k);
        return RO_OK;
    case RF_STAGE_WITHDRAWN:
    case RF_STAGE_COMMITTED:
        if (m->standing ||
            (!lost && m->stage == RF_STAGE_COMMITTED && o->end != RF_END_REFUNDED))
            return RO_FAIL(err, RO_EFORMAT, "member %u revealed nothing; it cannot stand", k);
        return RO_OK;
    default:
        if (!lost && !m->standing && o->end != RF_END_REFUNDED)
            return RO_FAIL(err, RO_EFORMAT, "member %u neither stands nor lost for anything", k);
        return RO_OK;
    }
}

/* What members must come to for the task to have ended as it says. */
static ro_status end_check(const rf_params *p, const rf_outcome *o, ro_err *err)
{
    uint32_t slots = 0, auditors = 0, stand = 0, delivered = 0, right = 0;
    for (uint32_t k = 0; k < o->member_count; k++) {
        const rf_member *m = &o->members[k];
        slots += has_stake(m) != 0;
        auditors += !has_stake(m);
        stand += m->standing != 0;
        right += m->standing && has_stake(m);
        delivered += m->delivered != 0;
    }
    if (slots > p->slots || auditors > 1 || delivered > 1)
        return RO_FAIL(err, RO_EFORMAT, "%u members with a slot, %u auditors, %u first deliveries; "
                       "%u, 1 and 1 are allowed", slots, auditors, delivered, p->slots);
    switch (o->end) {
    case RF_END_SETTLED:
        if (delivered) return RO_OK;
        return RO_FAIL(err, RO_EFORMAT, "a task is settled that nobody delivered");
    case RF_END_UNDELIVERED:
        if (stand && !delivered) return RO_OK;
        return RO_FAIL(err, RO_EFORMAT, "%u stand and %u delivered: this is not undelivered",
                       stand, delivered);
    case RF_END_NOBODY:
        if (!right) return RO_OK;
        return RO_FAIL(err, RO_EFORMAT, "%u members stand: this is not nobody", right);
    case RF_END_REFUNDED: return RO_OK;
    default: return RO_FAIL(err, RO_EFORMAT, "end %d is none", (int)o->end);
    }
}

static ro_status answers_check(const rf_params *p, const rf_outcome *o, ro_err *err)
{
    int64_t most = p->replay;
    RO_TRY(rf_money_add(&most, p->segment, err));
    if (o->answer_count > RF_ANSWERS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%u answers; %u are allowed", o->answer_count,
                       RF_ANSWERS_MAX);
    for (uint32_t k = 0; k < o->answer_count; k++) {
        const rf_answer *a = &o->answers[k];
        if (a->member >= o->member_count)
            return RO_FAIL(err, RO_EFORMAT, "answer %u is of member %u of %u", k, a->member,
                           o->member_count);
        if (k && a->question <= a[-1].question)
            return RO_FAIL(err, RO_EFORMAT, "answer %u is to question %llu, not after %llu", k,
                           (unsigned long long)a->question, (unsigned long long)a[-1].question);
        if (a->cost < 1 || a->cost > most)
            return RO_FAIL(err, RO_ELIMIT, "answer %u costs %lld; 1 to %lld are allowed", k,
                           (long long)a->cost, (long long)most);
    }
    return RO_OK;
}

static ro_status outcome_check(const rf_params *p, const rf_outcome *o, ro_err *err)
{
    int64_t escrow = 0, all = 0;
    RO_TRY(in_range(p, err));
    RO_TRY(rf_params_escrow(p, &escrow, err));
    if (o->escrow != escrow)
        return RO_FAIL(err, RO_EDIFFER, "the escrow holds %lld; the task's is %lld",
                       (long long)o->escrow, (long long)escrow);
    if (o->treasury < 0 || o->referee_cost < 0 || o->referee_cost > RF_SUPPLY_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a treasury of %lld and a referee's cost of %lld; 0 to %lld "
                       "are allowed", (long long)o->treasury, (long long)o->referee_cost,
                       (long long)RF_SUPPLY_MAX);
    if (p->fee > p->stake)
        return RO_FAIL(err, RO_ELIMIT, "a fee of %lld from a stake of %lld", (long long)p->fee,
                       (long long)p->stake);
    if (o->member_count > RF_SLOTS_MAX + 1)
        return RO_FAIL(err, RO_ELIMIT, "%u members; %u are allowed", o->member_count,
                       RF_SLOTS_MAX + 1);
    RO_TRY(rf_money_add(&all, o->treasury, err));
    RO_TRY(rf_money_add(&all, escrow, err));
    for (uint32_t k = 0; k < o->member_count; k++) {
        RO_TRY(member_check(p, o, k, err));
        RO_TRY(rf_money_add(&all, o->members[k].held, err));
    }
    RO_TRY(end_check(p, o, err));
    return answers_check(p, o, err);
}

/* ---- settlement -------------------------------------------------------------------------- */

/* The list being written, and the pool that payments come from: members in order, each with the
 * same amount. */
typedef struct {
    const rf_params *p;
    const rf_outcome *o;
    rf_transfer *list;
    uint32_t max, count;
    uint32_t *source, sources, at;
    int64_t each, left; /* of a source; of the one at `at` */
    int64_t escrow, treasury; /* treasury: what an auditor of another's can be paid from */
    int64_t audit;            /* still unpaid */
    rf_account auditor;
    ro_err *err;
} settlement;

static ro_status book(settlement *s, rf_purpose purpose, uint32_t index, rf_account from,
                      rf_account to, int64_t amount)
{
    RO_ASSERT(amount >= 0);
    if (amount == 0) return RO_OK;
    if (s->count == s->max)
        return RO_FAIL(s->err, RO_ELIMIT, "more than %u transfers", s->max);
    s->list[s->count++] = (rf_transfer){
        (uint64_t)purpose << 56 | (uint64_t)index << 28 | from.member, purpose, from, to, amount};
    return RO_OK;
}

static rf_account free_of(uint32_t member) { return (rf_account){RF_ACCOUNT_FREE, member}; }
static rf_account held_of(uint32_t member) { return (rf_account){RF_ACCOUNT_HELD, member}; }
static const rf_account CLIENT = {RF_ACCOUNT_CLIENT, 0}, ESCROW = {RF_ACCOUNT_ESCROW, 0},
                        TREASURY = {RF_ACCOUNT_TREASURY, 0}, BURN = {RF_ACCOUNT_BURN, 0};

static void pool_open(settlement *s, int64_t each)
{
    s->sources = s->at = 0;
    s->each = s->left = each;
}

/* Fits: at most RF_SLOTS_MAX sources of one stake each, whose sum passed outcome_check. */
static int64_t pool_holds(const settlement *s)
{
    return s->at == s->sources ? 0 : s->left + (int64_t)(s->sources - s->at - 1) * s->each;
}

/* Pay up to `amount`; what could be paid into *paid. */
static ro_status pool_pay(settlement *s, rf_purpose purpose, uint32_t index, rf_account to,
                          int64_t amount, int64_t *paid)
{
    *paid = 0;
    while (*paid < amount && s->at < s->sources) {
        int64_t part = amount - *paid < s->left ? amount - *paid : s->left;
        RO_TRY(book(s, purpose, index, held_of(s->source[s->at]), to, part));
        *paid += part;
        s->left -= part;
        if (s->left == 0) {
            s->at++;
            s->left = s->each;
        }
    }
    return RO_OK;
}

static ro_status pay_audit(settlement *s, rf_purpose purpose)
{
    int64_t paid;
    RO_TRY(pool_pay(s, purpose, 0, s->auditor, s->audit, &paid));
    s->audit -= paid;
    return RO_OK;
}

/* To the treasury; more than RF_SUPPLY_MAX cannot come together there. */
static ro_status pay_treasury(settlement *s, rf_purpose purpose, int64_t amount)
{
    int64_t paid;
    RO_TRY(pool_pay(s, purpose, 0, TREASURY, amount, &paid));
    s->treasury += paid;
    return RO_OK;
}

static ro_status settle_fees(settlement *s)
{
    pool_open(s, s->p->fee);
    for (uint32_t k = 0; k < s->o->member_count; k++)
        if (s->p->fee && owes_fee(s->o, &s->o->members[k])) s->source[s->sources++] = k;
    RO_TRY(pay_audit(s, RF_FOR_FEE_AUDIT));
    return pay_treasury(s, RF_FOR_FEE, pool_holds(s));
}

/* Sources of lost stakes by log position: a heap, since there may be thousands and no memory. */
static void sift(settlement *s, uint32_t root, uint32_t n)
{
    const rf_member *m = s->o->members;
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        uint32_t *v = s->source, t;
        if (child + 1 < n && m[v[child + 1]].lost_at > m[v[child]].lost_at) child++;
        if (m[v[root]].lost_at >= m[v[child]].lost_at) return;
        t = v[root];
        v[root] = v[child];
        v[child] = t;
    }
}

static ro_status open_lost(settlement *s)
{
    const rf_member *m = s->o->members;
    pool_open(s, s->p->stake);
    for (uint32_t k = 0; k < s->o->member_count; k++)
        if (m[k].lost != RF_LOST_NOTHING && s->p->stake) s->source[s->sources++] = k;
    for (uint32_t k = s->sources / 2; k-- > 0;) sift(s, k, s->sources);
    for (uint32_t n = s->sources; n > 1; n--) {
        uint32_t t = s->source[0];
        s->source[0] = s->source[n - 1];
        s->source[n - 1] = t;
        sift(s, 0, n - 1);
    }
    for (uint32_t k = 1; k < s->sources; k++)
        if (m[s->source[k]].lost_at == m[s->source[k - 1]].lost_at)
            return RO_FAIL(s->err, RO_EFORMAT, "members %u and %u lost at one log position",
                           s->source[k - 1], s->source[k]);
    return RO_OK;
}

/* Declared costs to those whose answers were first, as far as their claim stands. */
static ro_status pay_reruns(settlement *s, int64_t left)
{
    int64_t paid;
    for (uint32_t k = 0; k < s->o->answer_count; k++) {
        const rf_answer *a = &s->o->answers[k];
        if (!is_paid(s->o, &s->o->members[a->member])) continue;
        RO_TRY(pool_pay(s, RF_FOR_RERUN, k, free_of(a->member), a->cost < left ? a->cost : left,
                        &paid));
        left -= paid;
    }
    return RO_OK;
}

static ro_status settle_lost(settlement *s)
{
    int64_t rest, burn, paid, most = 0;
    uint32_t winners = 0;
    RO_TRY(rf_params_rerun_max(s->p, &most, s->err));
    RO_TRY(open_lost(s));
    RO_TRY(pay_reruns(s, most));
    RO_TRY(pay_treasury(s, RF_FOR_REFEREE, s->o->referee_cost < most ? s->o->referee_cost : most));
    RO_TRY(pay_audit(s, RF_FOR_AUDIT));
    rest = pool_holds(s);
    burn = share_up(rest, s->p->burn_ppm);
    RO_TRY(pool_pay(s, RF_FOR_BURN, 0, BURN, burn, &paid));
    for (uint32_t k = 0; k < s->o->member_count; k++)
        winners += has_stake(&s->o->members[k]) && is_paid(s->o, &s->o->members[k]);
    for (uint32_t k = 0; winners && k < s->o->member_count; k++)
        if (has_stake(&s->o->members[k]) && is_paid(s->o, &s->o->members[k]))
            RO_TRY(pool_pay(s, RF_FOR_SHARE, k, free_of(k), (rest - burn) / winners, &paid));
    return pay_treasury(s, RF_FOR_REST, pool_holds(s));
}

static ro_status settle_stakes(settlement *s)
{
    for (uint32_t k = 0; k < s->o->member_count; k++) {
        const rf_member *m = &s->o->members[k];
        if (m->lost == RF_LOST_NOTHING)
            RO_TRY(book(s, RF_FOR_STAKE, 0, held_of(k), free_of(k),
                        m->held - (owes_fee(s->o, m) ? s->p->fee : 0)));
    }
    return RO_OK;
}

/* From the escrow to a member, which outcome_check saw to be at most what there is. */
static ro_status earn(settlement *s, rf_purpose purpose, uint32_t member, int64_t amount)
{
    s->escrow -= amount;
    RO_ASSERT(s->escrow >= 0);
    return book(s, purpose, member, ESCROW, free_of(member), amount);
}

/* Rewards are per slot: one that nobody won goes back to the client, not to the others. */
static ro_status settle_escrow(settlement *s)
{
    const rf_member *m = s->o->members;
    if (s->o->end == RF_END_SETTLED) {
        for (uint32_t k = 0; k < s->o->member_count; k++)
            if (has_stake(&m[k]) && is_right(&m[k]))
                RO_TRY(earn(s, RF_FOR_REWARD, k, s->p->reward));
        for (uint32_t k = 0; k < s->o->member_count; k++)
            if (m[k].delivered && is_right(&m[k]))
                RO_TRY(earn(s, RF_FOR_DELIVERY, k, s->p->delivery));
        RO_TRY(book(s, RF_FOR_PREMIUM, 0, ESCROW, TREASURY, s->p->premium));
        s->escrow -= s->p->premium;
        s->treasury += s->p->premium;
    }
    return book(s, RF_FOR_REFUND, 0, ESCROW, CLIENT, s->escrow);
}

/* An auditor of the referee's own is owed nothing more by the treasury. */
static ro_status settle_treasury(settlement *s)
{
    if (s->auditor.kind == RF_ACCOUNT_TREASURY) return RO_OK;
    if (s->audit > s->treasury)
        return RO_FAIL(s->err, RO_ELIMIT, "the treasury holds %lld; %lld of the audit are unpaid",
                       (long long)s->treasury, (long long)s->audit);
    return book(s, RF_FOR_TREASURY_AUDIT, 0, TREASURY, s->auditor, s->audit);
}

ro_status rf_settle(const rf_params *p, const rf_outcome *o, rf_transfer *list, uint32_t max,
                    uint32_t *count, ro_err *err)
{
    uint32_t source[RF_SLOTS_MAX];
    settlement s = {.p = p, .o = o, .list = list, .max = max, .err = err, .source = source,
                    .auditor = TREASURY};
    RO_TRY(outcome_check(p, o, err));
    s.escrow = o->escrow;
    s.treasury = o->treasury;
    s.audit = o->audited ? p->audit : 0;
    for (uint32_t k = 0; k < o->member_count; k++) {
        if (has_stake(&o->members[k])) continue;
        s.auditor = free_of(k);
        if (!is_right(&o->members[k])) s.audit = 0; /* it did not find the truth: nothing is owed */
    }
    RO_TRY(settle_fees(&s));
    RO_TRY(settle_lost(&s));
    RO_TRY(settle_stakes(&s));
    RO_TRY(settle_escrow(&s));
    RO_TRY(settle_treasury(&s));
    *count = s.count;
    return RO_OK;
}

/* ---- names ------------------------------------------------------------------------------- */

const char *rf_loss_name(rf_loss l)
{
    static const char *const NAMES[] = {"nothing",  "no reveal", "equivocation",   "verdict",
                                        "forfeit",  "withheld",  "claim",          "attention"};
    return (unsigned)l <= RF_LOST_ATTENTION ? NAMES[l] : "unknown";
}

const char *rf_end_name(rf_end e)
{
    static const char *const NAMES[] = {"settled", "undelivered", "nobody", "refunded"};
    return (unsigned)e <= RF_END_REFUNDED ? NAMES[e] : "unknown";
}

const char *rf_purpose_name(rf_purpose p)
{
    static const char *const NAMES[] = {"fee, audit", "fee",   "answer", "referee", "audit",
                                        "burn",       "share", "rest",   "stake",   "reward",
                                        "delivery",   "premium", "refund", "audit, treasury"};
    return p >= RF_FOR_FEE_AUDIT && p <= RF_FOR_TREASURY_AUDIT ? NAMES[p - 1] : "unknown";
}
