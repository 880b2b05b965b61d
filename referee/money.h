/* money.h - what a task costs, what is at stake in it, and who gets what when it ends.
 *
 * What this file decides: the parameters of a task as data, which of them are refused, and the list
 * of transfers that ends a task. docs/ECONOMICS.md derives the defaults; docs/PROTOCOL.md says who
 * loses what for which act. Amounts are int64 micro-units. No I/O, no clock, no memory of its own.
 *
 * Invariants
 *   1. Every transfer moves a positive amount from one account to another, so the sum over all
 *      accounts never changes, whatever the outcome says.
 *   2. No account falls below zero at any place of the list; at its end the task's accounts (the
 *      client's escrow, what its members hold) are empty.
 *   3. Equal parameters and equal outcomes give equal lists, and no two transfers of a list have
 *      one key. A ledger with a unique (task, key) cannot book a list twice.
 *   4. Only a member that stands at the end and lost nothing is paid anything. Others get back
 *      their own: a stake not lost, less the fee where one is due.
 *   5. Of a lost stake members get back at most a tenth for answers and, of what is then left, 1 -
 *      burn share: at most 0.55 of it under rf_params_check, however many of them are one person.
 *   6. Every sum and product is checked; what does not fit is an error and moves nothing. */
#ifndef RF_MONEY_H
#define RF_MONEY_H
#include "referee.h"
#ifdef __cplusplus
extern "C" {
#endif

#define RF_SUPPLY_MAX (INT64_C(1) << 62) /* of all money: two sums of it fit one int64          */
#define RF_PPM UINT32_C(1000000)         /* shares are in millionths                            */
#define RF_SLOTS_MAX 4096u               /* of a task; their keys and legs are counted in 28 bits */
#define RF_ANSWERS_MAX (1u << 24)        /* paid answers of a task                              */
#define RF_MS_MAX (UINT64_C(1) << 40)    /* 34 years: sums of a thousand times stay in 64 bits  */

/* ---- parameters of a task --------------------------------------------------------------- */

/* One list makes the struct and its canonical bytes. All are copied into the task when it is
 * created; nobody reads them from anywhere else afterwards. F(type, name). */
#define RF_PARAMS(F)                                                                           \
    /* who takes part */                                                                       \
    F(u32, slots)            /* n: work slots, the most identities that can hold a stake     */\
    F(u32, quorum)           /* q: with fewer standing, the audit is certain                 */\
    F(u32, challenges)       /* k: attention challenges to each revealed identity            */\
    F(u32, account_slots)    /* slots that one funding account may claim                     */\
    F(u32, burn_ppm)         /* of the rest of a lost stake                                  */\
    F(u32, audit_ppm)        /* p: chance of an audit with q or more standing                */\
    F(u32, refusals)         /* wrong answers of an identity to a question until ignored     */\
    F(u32, retries)          /* of a faulty execution before the task is refunded            */\
    /* micro-units */                                                                          \
    F(i64, reward)           /* of one slot                                                  */\
    F(i64, stake)            /* of one identity, held from the claim of a slot on            */\
    F(i64, fee)              /* claimed and not committed, withdrawn, or not delivered       */\
    F(i64, premium)          /* the client's share in audits, above the slots' rewards       */\
    F(i64, delivery)         /* to whoever is first to deliver everything, above its reward  */\
    F(i64, run)              /* cost of the job once: what skipping all of it saves          */\
    F(i64, audit)            /* cost of one full audit                                       */\
    F(i64, replay)           /* cost of the dearest answer: D steps again, and its bytes     */\
    F(i64, segment)          /* cost of one segment again and of judging one difference      */\
    /* work and rates: times follow from these, never from what a party says */                \
    F(u64, replay_steps)     /* D: the longest replay an answer may need                     */\
    F(u64, replay_flops)     /* of D steps and the dearest element                           */\
    F(u64, answer_bytes)     /* of the longest answer                                        */\
    F(u64, output_bytes)     /* of everything to be delivered                                */\
    F(u64, flops_second)     /* reference rate                                               */\
    F(u64, bytes_second)     /* reference bandwidth                                          */\
    /* milliseconds */                                                                         \
    F(u64, open_ms)          /* slots may be claimed                                         */\
    F(u64, commit_ms)        /* the run, commitments, withdrawals                            */\
    F(u64, reveal_ms)                                                                          \
    F(u64, base_ms)          /* in every deadline                                            */\
    F(u64, finality_ms)      /* from delivery to settlement                                  */\
    F(u64, retry_ms)         /* within which all retries are made                            */

#define RF_FIELD_u32(name) uint32_t name;
#define RF_FIELD_u64(name) uint64_t name;
#define RF_FIELD_i64(name) int64_t name;
#define RF_FIELD(type, name) RF_FIELD_##type(name)
typedef struct { RF_PARAMS(RF_FIELD) } rf_params;

#define RF_PARAMS_VERSION 1u
#define RF_PARAMS_BYTES 204u /* version, 8 of 4 bytes, 21 of 8 */

/* Canonical bytes: the version, then the fields in the order of RF_PARAMS, little-endian. */
void rf_params_encode(const rf_params *p, uint8_t out[RF_PARAMS_BYTES]);
/* The inverse.
 *   bytes     of any origin; borrowed
 *   *p        set only on success
 *   returns   RO_OK; RO_EFORMAT another size or version; RO_ELIMIT a field out of its range (not
 *             the inequalities: rf_params_check)                                               */
ro_status rf_params_decode(const void *bytes, size_t n, rf_params *p, ro_err *err) RO_CHECKED;

/* Whether honest work is the best reply under these parameters: ranges, and
 *     stake   >= 10 x rf_params_exposure       a lost stake pays for all it can cause
 *     fee     >= audit, <= stake / 10            an empty place pays for the audit it causes
 *     audit   >= run                             an audit runs the job
 *     reward  >  run                             computing pays
 *     p stake >  run                             skipping the work does not (q or more standing)
 *     premium >= p audit                         random audits are paid for; q > n: >= audit
 *     burn    >= 1/2, challenges >= 1
 *   returns   RO_OK; RO_ELIMIT with a sentence that names both sides of what is violated
 *   source    docs/ECONOMICS.md                                                                */
ro_status rf_params_check(const rf_params *p, ro_err *err) RO_CHECKED;
/* Whether a client may ask for these: no time, stake, fee, quorum, share or cost may be below what
 * the server computed for the same job, no rate above, no cost other. What it may do is lengthen
 * and pay more.
 *   server    what rf_params_defaults gave with the same number of slots
 *   returns   RO_OK; RO_ELIMIT                                                                 */
ro_status rf_params_within(const rf_params *server, const rf_params *asked, ro_err *err)
    RO_CHECKED;

/* What one task can cost others at most: audit + n x ceil(log2(n + 1)) x (replay + segment). Of n +
 * 1 claimants one may be an auditor. RO_ELIMIT: it does not fit. */
ro_status rf_params_exposure(const rf_params *p, int64_t *out, ro_err *err) RO_CHECKED;
/* What may be paid for answers in a task at most, and for judging: exposure - audit. */
ro_status rf_params_rerun_max(const rf_params *p, int64_t *out, ro_err *err) RO_CHECKED;
/* What the client puts into escrow: slots x reward + premium + delivery. */
ro_status rf_params_escrow(const rf_params *p, int64_t *out, ro_err *err) RO_CHECKED;

/* The time for one answer: base + 4 x flops / reference rate + bytes / reference bandwidth, rounded
 * up, at most RF_MS_MAX. It counts from the question; nothing is carried over from another. */
uint64_t rf_deadline_ms(const rf_params *p, uint64_t flops, uint64_t bytes);
/* The longest of them: replay of D steps and the longest answer. */
uint64_t rf_deadline_max_ms(const rf_params *p);
/* The time for delivery, from RESOLVED on. */
uint64_t rf_delivery_ms(const rf_params *p);

/* Whether the surviving root must be audited before RESOLVED counts, disputed or not.
 *   standing  identities, the auditor not among them, whose claim stands
 *   draw      H(server's secret committed at OPEN, all reveals); its first 8 bytes decide      */
int rf_audit_due(const rf_params *p, uint32_t standing, const vd_digest *draw);

/* ---- the defaults ----------------------------------------------------------------------- */

#define RF_PRICE_DEFAULT INT64_C(1000)      /* micro-units a TFLOP: one buys a GFLOP             */
#define RF_PRICE_BYTES_DEFAULT INT64_C(100) /* micro-units a GB sent                             */
#define RF_PRICE_MAX INT64_C(1000000)       /* of either: times a TFLOP it fits in 62 bits       */

/* What a job costs, from its graph alone; `verde job check` prints the same bounds. */
typedef struct {
    uint64_t flops, steps;                   /* of the whole job                                */
    uint64_t step_flops;                     /* of its dearest step                             */
    uint64_t segment_steps;                  /* K, 1 at `full`                                  */
    uint64_t element_flops, element_bytes, evidence_bytes; /* of the dearest element            */
    uint64_t state_bytes, output_bytes;      /* output: the last state and every step's outputs */
} rf_cost;
/* Bounds saturate, as vd_job_cost's do.
 *   j         sealed; borrowed
 *   returns   RO_OK; what vd_job_cost returns                                                  */
ro_status rf_cost_of_job(const vd_job *j, rf_cost *c, ro_err *err) RO_CHECKED;

/* Parameters that rf_params_check accepts.
 *   c            from rf_cost_of_job
 *   slots        1 to RF_SLOTS_MAX
 *   replay_steps D; 0: as many as one segment, at least 64, at most the job's
 *   price        micro-units a TFLOP, price_bytes a GB; 1 to RF_PRICE_MAX each
 *   returns      RO_OK; RO_ELIMIT a job whose costs do not fit under RF_SUPPLY_MAX; RO_EUSAGE  */
ro_status rf_params_defaults(const rf_cost *c, uint32_t slots, uint64_t replay_steps,
                             int64_t price, int64_t price_bytes, rf_params *p, ro_err *err)
    RO_CHECKED;

/* ---- how a task ended ------------------------------------------------------------------- */

/* How far a member came. */
typedef enum {
    RF_STAGE_CLAIMED,   /* a slot, and committed nothing: fee                                  */
    RF_STAGE_WITHDRAWN, /* before COMMIT closed: fee                                           */
    RF_STAGE_COMMITTED, /* and revealed nothing valid: it has lost, unless the task was refunded */
    RF_STAGE_REVEALED,
    RF_STAGE_AUDITOR    /* a claimant without stake; no slot, no reward                        */
} rf_stage;

/* What a stake was lost for; the first cause logged counts. */
typedef enum {
    RF_LOST_NOTHING,
    RF_LOST_NO_REVEAL,    /* committed, revealed nothing valid                                 */
    RF_LOST_EQUIVOCATION,
    RF_LOST_VERDICT,      /* its root fell by a verdict                                        */
    RF_LOST_FORFEIT,      /* its root fell by silence                                          */
    RF_LOST_WITHHELD,     /* its root fell with an opening that nobody has                     */
    RF_LOST_CLAIM,        /* a false segment claim or explanation of its own                   */
    RF_LOST_ATTENTION     /* a challenge unanswered or answered wrong                          */
} rf_loss;
const char *rf_loss_name(rf_loss l); /* "equivocation" */

/* One identity in a task. */
typedef struct {
    rf_stage stage;
    rf_loss lost;
    uint64_t lost_at; /* log position; members that lost have different ones                  */
    int standing;     /* its claim stands at the end (with lost: an equivocator's may)        */
    int delivered;    /* the first complete upload logged is its: at most one member has this */
    int64_t held;     /* in its held account for this task: the stake; an auditor: 0          */
} rf_member;

/* An answer that had to be computed: of valid ones, or standing claims, the first logged. */
typedef struct {
    uint64_t question; /* log position of the question: ascending, each once                   */
    uint32_t member;
    int64_t cost;      /* declared by the question: 1 to replay + segment                      */
} rf_answer;

typedef enum {
    RF_END_SETTLED,      /* FINAL: somebody stands and the outputs were delivered               */
    RF_END_UNDELIVERED,  /* somebody stands, and delivered nothing in time                      */
    RF_END_NOBODY,       /* no valid reveal, or nobody was right                                */
    RF_END_REFUNDED      /* a fault of the referee, or an operator's freeze: no fees, what was
                            lost before stays lost                                              */
} rf_end;
const char *rf_end_name(rf_end e); /* "settled" */

typedef struct {
    rf_end end;
    int64_t escrow;       /* in the client's escrow for this task: rf_params_escrow             */
    int64_t treasury;     /* its balance now. The server opens a task only while the treasury
                             holds an audit for every open one, so a settlement never lacks it  */
    int64_t referee_cost; /* of judging, declared by the pairs judged; taken from lost stakes, at
                             most rf_params_rerun_max of it                                     */
    int audited;          /* an audit was run to its end                                        */
    const rf_member *members;
    uint32_t member_count; /* at most one of stage RF_STAGE_AUDITOR: none: the referee's own    */
    const rf_answer *answers;
    uint32_t answer_count;
} rf_outcome;

/* ---- settlement ------------------------------------------------------------------------- */

typedef enum {
    RF_ACCOUNT_FREE,     /* a member's                      */
    RF_ACCOUNT_HELD,     /* a member's, for this task       */
    RF_ACCOUNT_CLIENT,   /* the client's, free              */
    RF_ACCOUNT_ESCROW,   /* the client's, for this task     */
    RF_ACCOUNT_TREASURY, /* the referee's                   */
    RF_ACCOUNT_BURN      /* nothing ever leaves it          */
} rf_account_kind;
typedef struct {
    rf_account_kind kind;
    uint32_t member; /* of FREE and HELD; else 0 */
} rf_account;

/* What a transfer is for, in the order in which a list has them. */
typedef enum {
    RF_FOR_FEE_AUDIT = 1, /* of fees, to the auditor                                           */
    RF_FOR_FEE,           /* of fees, the rest, to the treasury                                */
    RF_FOR_RERUN,         /* of lost stakes: index is the answer's place in the list           */
    RF_FOR_REFEREE,       /* of lost stakes, to the treasury                                   */
    RF_FOR_AUDIT,         /* of lost stakes, to the auditor                                    */
    RF_FOR_BURN,          /* of lost stakes                                                    */
    RF_FOR_SHARE,         /* of lost stakes, to a standing member                              */
    RF_FOR_REST,          /* of lost stakes: what does not divide, or has nobody: the treasury */
    RF_FOR_STAKE,         /* a stake that comes back                                           */
    RF_FOR_REWARD,        /* of the escrow                                                     */
    RF_FOR_DELIVERY,      /* of the escrow, to who delivered                                   */
    RF_FOR_PREMIUM,       /* of the escrow, to the treasury                                    */
    RF_FOR_REFUND,        /* of the escrow, to the client                                      */
    RF_FOR_TREASURY_AUDIT /* what fees and lost stakes left unpaid of the audit                */
} rf_purpose;
const char *rf_purpose_name(rf_purpose p); /* "burn" */

typedef struct {
    uint64_t key; /* purpose (8 bits), index (28), member it came from (28): unique in a list */
    rf_purpose purpose;
    rf_account from, to;
    int64_t amount; /* > 0 */
} rf_transfer;

/* No list is longer than this. */
#define RF_TRANSFERS_MAX(members, answers) (6u * (members) + (answers) + 16u)

/* The transfers that end a task, in the order in which they are booked.
 *   p         as copied when the task was created: in range; rf_params_check is not repeated
 *   o         borrowed; what it says is checked, not believed: held and escrow are what the
 *             parameters say, causes and stages fit, SETTLED has a delivery, nobody holds a slot
 *             too many
 *   list      out: RF_TRANSFERS_MAX(o->member_count, o->answer_count) suffice
 *   *count    out: set only on success; the list says nothing without it
 *   returns   RO_OK; RO_EFORMAT an outcome that contradicts itself; RO_EDIFFER amounts that are not
 *             what the parameters say; RO_ELIMIT more than `max` transfers, or money over the
 *             supply, or a treasury that lacks the audit
 *   cost      members log members + answers; 32 KiB of stack      thread  any
 *   source    docs/ECONOMICS.md, "How a task is settled"                                        */
ro_status rf_settle(const rf_params *p, const rf_outcome *o, rf_transfer *list, uint32_t max,
                    uint32_t *count, ro_err *err) RO_CHECKED;

/* *sum += amount, for ledgers and whoever counts after us: RO_ELIMIT when it leaves
 * [0, RF_SUPPLY_MAX]. amount may be negative. */
ro_status rf_money_add(int64_t *sum, int64_t amount, ro_err *err) RO_CHECKED;
/* *product = a x b: RO_ELIMIT unless both are >= 0 and it is at most RF_SUPPLY_MAX. */
ro_status rf_money_multiply(int64_t a, int64_t b, int64_t *product, ro_err *err) RO_CHECKED;

#ifdef __cplusplus
}
#endif
#endif
