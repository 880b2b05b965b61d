/* sim.h - a simulated world around one task: its clock, network, referee, parties and what is
 * checked of it.
 *
 * What this file decides: what a seed is. A seed draws a job, 2 to 6 parties, how each plays, and
 * the faults of the world, and in one of 16 an owner that has no script but plays for money;
 * everything follows from it. The referee is the task that every host links (referee/task.h); its
 * messages are signed and opened for real.
 *
 * Invariants
 *   1. Nothing but the seed decides what happens: no wall clock, no threads, no addresses.
 *   2. Honest parties meet every deadline whatever the network does: a message of theirs is
 *      dropped at most SIM_DROPS times.
 *   3. Checks see what a host sees: events, effects, the task's answers. Who is honest, and what
 *      is true, they know from the seed. */
#ifndef SIM_H
#define SIM_H
#include "../../referee/task.h"
#include "jobs.h"

#define SIM_AGENTS_MAX 12u /* parties, and auditors          */
#define SIM_PARTIES_MAX 6u
#define SIM_AUDITORS 3u
#define SIM_ITEMS_MAX 256u
#define SIM_BOARD_MAX 64u
#define SIM_CLAIMS_MAX 256u
#define SIM_DROPS 3u
#define SIM_CHALLENGES_MAX 2u
#define SIM_RECEIVED_MAX 65536u

/* ---- how parties play -------------------------------------------------------------------- */

typedef enum {
    /* what its trace tells */
    TELL_TRUTH, TELL_OUTPUT, TELL_TYPE, TELL_INPUT, TELL_STRUCTURE, TELL_STEP, TELL_STEP_FIELD,
    TELL_SEGMENT, TELL_BODY, TELL_BAD_BODY, TELL_UNOPENABLE, TELL_ZERO, TELL_AS_LEAF, TELL_SKIP,
    TELL_PART, TELL_MANY, TELL_ALTERNATE, TELL_ANY, TELL_SHARED, TELL_KINDS
} sim_tale;

#define PLAY(n) (UINT64_C(1) << (n))
#define PLAY_NO_COMMIT PLAY(0)
#define PLAY_NO_REVEAL PLAY(1)
#define PLAY_LATE_REVEAL PLAY(2)   /* arrives at its deadline: one tick late */
#define PLAY_NO_ANSWER PLAY(3)
#define PLAY_LATE_ANSWER PLAY(4)
#define PLAY_STALL PLAY(5)         /* every move one tick before its deadline */
#define PLAY_TWO_COMMITS PLAY(6)
#define PLAY_TWO_REVEALS PLAY(7)
#define PLAY_TWO_CLAIMS PLAY(8)
#define PLAY_TWO_CHALLENGES PLAY(9)
#define PLAY_COPY_COMMIT PLAY(10)
#define PLAY_COPY_REVEAL PLAY(11)
#define PLAY_NO_TENSORS PLAY(12)   /* answers trees and records only */
#define PLAY_FALSE_CLAIMS PLAY(13)
#define PLAY_NO_CLAIMS PLAY(14)
#define PLAY_WRONG_FIRST PLAY(15)
#define PLAY_ONLY_WRONG PLAY(16)
#define PLAY_HALF PLAY(17)
#define PLAY_WRONG_TENSOR PLAY(18)
#define PLAY_BAD_LENGTH PLAY(19)
#define PLAY_REPLAY PLAY(20)       /* others' messages, its own in other contexts */
#define PLAY_AGAIN PLAY(21)        /* everything three times, in other envelopes */
#define PLAY_NOISE PLAY(22)
#define PLAY_WITHDRAW PLAY(23)
#define PLAY_LATE_WITHDRAW PLAY(24)
#define PLAY_EARLY_REVEAL PLAY(25)
#define PLAY_NO_DELIVERY PLAY(26)
#define PLAY_GRIND PLAY(27)        /* picks its root to be paired to its liking */
#define PLAY_SMALL_KEY PLAY(28)
#define PLAY_FORGE PLAY(29)        /* messages under another's key */
#define PLAY_ONE_ACCOUNT PLAY(30)  /* shares a funding account with its twin */
#define PLAY_FRONT_RUN PLAY(31)    /* repeats others' answers the moment they come */
#define PLAY_BOMB PLAY(32)         /* sizes over every limit */
#define PLAY_FALSE_PARTS PLAY(33)  /* explains a true value falsely */
#define PLAY_ABSENT PLAY(34)       /* claims no slot */

typedef enum { WITH_NOBODY, WITH_TWIN, WITH_SAME, WITH_OTHERS } sim_company;

/* How an adversary can come out of a task. */
typedef enum {
    OUT_STANDS, OUT_NO_MEMBER, OUT_FEE, OUT_NO_REVEAL, OUT_EQUIVOCATION, OUT_ATTENTION, OUT_CLAIM,
    OUT_FORFEIT, OUT_WITHHELD, OUT_STEP, OUT_STRUCTURE, OUT_INPUTS, OUT_ELEMENT, OUT_PARTIAL,
    OUT_REFUND, OUT_KINDS
} sim_outcome;
#define OUT(o) (1u << (o))
const char *sim_outcome_name(sim_outcome o);

typedef struct {
    const char *name;
    sim_tale tale;
    uint64_t plays;
    sim_company company;
    /* The ways out that occur, a bit each: a run without one of them has failed; `often`: a long
     * run. */
    uint32_t must, often;
} sim_strategy;
extern const sim_strategy sim_strategies[];
extern const uint32_t sim_strategy_count;

/* ---- an owner that plays for money ------------------------------------------------------- */

#define SIM_OWNED_MAX 3u
#define SIM_PLANS_MAX 16u
#define SIM_FLOPS UINT64_C(10000000000000) /* what the job of such a task is taken to cost */
#define SIM_AUDIT_PPM 100000        /* the default */
#define SIM_MOVES_MAX 32u

/* What the root of an identity says, and from where on nothing was computed. */
typedef enum {
    ROOT_TRUTH, ROOT_LIE, ROOT_LIE_HALFWAY, ROOT_LIE_LAST, ROOT_OTHER_LIE, ROOT_OF_LIAR, ROOT_COPY
} sim_root;

/* How an owner plays all its identities. */
typedef struct {
    uint32_t plan;        /* its number: of sim_plans        */
    uint32_t moves;       /* made of sim_moves, a bit each   */
    int all;              /* by all identities, else by the last alone */
    sim_root root[SIM_OWNED_MAX];
    uint64_t plays[SIM_OWNED_MAX];
} sim_choice;

/* ---- faults of the world ----------------------------------------------------------------- */

typedef enum {
    FAULT_DROP, FAULT_DUPLICATE, FAULT_REORDER, FAULT_AGENT_CRASH, FAULT_CRASH, FAULT_MEMORY,
    FAULT_WORK, FAULT_WORK_FOR_GOOD, FAULT_DOWNTIME, FAULT_LATE_TICK, FAULT_KERNEL,
    FAULT_NO_KERNEL, FAULT_AUDITOR, FAULT_LATE_KERNEL, FAULT_KINDS
} sim_fault;
const char *sim_fault_name(sim_fault f);

/* ---- planted bugs ------------------------------------------------------------------------ */

/* The number of a planted bug, 0: none is on. */
typedef struct {
    const char *name, *what;
    int leak; /* of money: that somebody who plays for it finds */
} sim_plant;
extern const sim_plant sim_plants[];
extern const uint32_t sim_plant_count;
int sim_planted(const char *name);
int sim_plant_on(void);
int sim_leak_on(void); /* a plant that is one of money: its seeds are weighed and not played */
int sim_plant_choose(const char *name); /* 0: no such */

/* ---- the world --------------------------------------------------------------------------- */

/* A message on its way, and what its receiver made of it: bytes that come again are not opened
 * again. */
typedef struct {
    uint8_t bytes[RF_MESSAGE_MAX];
    size_t size;
    const uint8_t *payload;
    size_t payload_size;
    vd_digest account;
    int opened; /* 0 not yet, 1 it is a message, -1 it is none */
    rf_message m;
} sim_packet;

/* What a party has to say once: kept on its disk. */
typedef struct {
    vd_digest what;
    rf_message_type type;
    sim_packet *packet;
    uint64_t next, deadline; /* when to say it again; until when it counts */
    uint32_t sent;
    int done, extras; /* extras: the adversary's have been sent */
} sim_item;

/* What is open, as everybody can see it. */
typedef struct {
    rf_effect_kind kind; /* ASK, CHALLENGE, DELIVER */
    rf_effect e;
    rf_question q;
    int open;
} sim_notice;

/* What honest parties name, and the one to deviate where a kernel does. */
#define SIM_BACKEND "cpu base"

typedef struct sim_world sim_world;
typedef struct {
    uint32_t number;
    const vd_key *key;
    rf_role role;
    int honest;
    const sim_strategy *strategy; /* NULL: honest */
    vd_digest account;
    const sim_trace *trace, *claims; /* claims: whose step leaves its segment claims list */
    const sim_store *store;
    const sim_trace *other;          /* what an equivocator says the second time */
    const sim_trace *explains;       /* whose explanations it files, or NULL     */
    sim_item items[SIM_ITEMS_MAX];
    uint32_t item_count;
    uint64_t request;
    int crashes;                     /* left */
    int waking;                      /* a wake is in the queue */
    int owned;                       /* by whoever plays for money */
    int misnames;                    /* reveals another backend than its root was computed by */
    uint64_t wake_at;
    int revealed, filed;             /* its reveal counted; it filed a claim           */
    uint64_t answered;               /* attention challenges that counted, a bit each  */
    vd_digest said[SIM_CHALLENGES_MAX]; /* to them                                     */
    rf_loss lost;
    int provisional;                 /* the loss */
} sim_agent;

typedef enum {
    SIM_ARRIVE, SIM_WAKE, SIM_REPLY, SIM_TICK, SIM_READY, SIM_WORK, SIM_UPLOAD, SIM_AUDITOR,
    SIM_DOWN, SIM_UP
} sim_event_kind;
typedef struct {
    uint64_t at, number; /* number: of equal times the first put in comes first */
    sim_event_kind kind;
    uint32_t agent, item;
    sim_packet *packet;
    int reply;           /* -1 accepted, else the refusal's reason */
    rf_event event;
} sim_event;

/* What became of verdicts that no kernel had confirmed. */
typedef enum { HELD_CONFIRMED, HELD_CONTRADICTED, HELD_STOOD, HELD_KINDS } sim_held;
const char *sim_held_name(sim_held h);

/* What an event did, for checks and for the replay at the end. */
typedef struct { rf_event e; uint64_t now; } sim_logged;

/* Counted over seeds. */
typedef struct {
    uint64_t seeds, violations, honest_slashed, wrong_accepted, disputes, first_failing;
    uint64_t outcomes[64][OUT_KINDS], verdicts[8][6], faults[FAULT_KINDS], ends[8], parties[8];
    uint64_t pairs[64][64]; /* seeds in which both strategies were played            */
    uint64_t events, messages, restores, evidence, audits, held[HELD_KINDS];
    /* owners that play for money: seeds, plays tried, what was tried and chosen, how their
       identities came out, tried and played */
    uint64_t rational, tried, plans[SIM_PLANS_MAX][2], moves[SIM_MOVES_MAX][2];
    uint64_t rational_out[OUT_KINDS][2];
    uint64_t judged[RO_OP_COUNT][3]; /* outputs by element or part: at the first, a middle, the last
                                        step of a job                                    */
    char sentence[256]; /* of the first failing seed */
} sim_stats;

typedef struct {
    const sim_strategy *lead; /* of every seed; NULL: in turn */
    int story;                /* what happens is printed      */
    int rational;             /* somebody plays for money in every seed */
    FILE *evidence;           /* where evidence goes, or NULL */
} sim_options;

struct sim_world {
    uint64_t seed, now;
    rng g;
    ro_arena *arena;
    const sim_job *job;
    const struct sim_keys *keys;
    sim_stats *stats;
    /* the referee */
    rf_task_setup setup;
    rf_task *task;
    uint8_t *saved;      /* before the last event, for a planted bug */
    size_t saved_size;
    sim_notice board[SIM_BOARD_MAX];
    uint32_t board_count;
    sim_logged *log;
    uint32_t log_count, log_room;
    const rf_message *reveals[SIM_AGENTS_MAX]; /* that counted, by agent        */
    const rf_message *claims[SIM_CLAIMS_MAX];  /* segment claims that counted   */
    uint32_t claim_count;
    rf_task_state state;
    uint64_t state_deadline, reveal_end, resolved_at, slack_ms;
    int down, settled, over;
    uint64_t down_since;
    uint32_t work_done[64]; /* faults told so far, by work id modulo */
    /* parties */
    sim_agent agents[SIM_AGENTS_MAX];
    uint32_t agent_count, party_count, honest_count, auditors_used;
    sim_store everything; /* of tensors, whoever has them */
    int faults[FAULT_KINDS];
    /* what happened */
    sim_event *queue;
    uint32_t queue_count, queue_room;
    uint64_t event_number, event_count;
    uint32_t pair_questions, pair_now[2], disputes;
    int alarm, delivered, paired, audit_asked;
    uint32_t honest_revealed, pair_questions_most, standing;
    uint64_t payload_bytes;
    const sim_trace *truth; /* what honest parties have                                    */
    sim_lie deviation;      /* FAULT_KERNEL: where their kernel is not the scalar body     */
    sim_outcome fell[SIM_AGENTS_MAX]; /* how the root of each agent fell */
    int64_t money[RF_ACCOUNT_BURN + 1][SIM_AGENTS_MAX + 1];
    int64_t total, funded[SIM_AGENTS_MAX];
    int64_t at_cost[SIM_AGENTS_MAX]; /* of its money, what does not count: note_costs           */
    /* an owner's identities are the last of the parties */
    const sim_choice *choice;        /* NULL: nobody plays for money                            */
    sim_strategy owned[SIM_OWNED_MAX];
    uint32_t owned_count;
    uint64_t computed;               /* steps that the owner runs                               */
    int model;                       /* the owner's: nothing is signed, nothing checked         */
    int drawn, draw_mattered;        /* model: how the audit is drawn; whether it was           */
    int failed;
    sim_options options;
    char sentence[256];
};

typedef struct sim_keys {
    vd_key *key[SIM_AGENTS_MAX];
    vd_digest referee;
} sim_keys;
void sim_keys_make(sim_keys *k);
vd_key *sim_key_new(uint32_t number);
void sim_keys_release(sim_keys *k);

/* signatures.c: vd_check_signature, which is asked of few signatures that were made here. */
ro_status sim_check_signature(const uint8_t key[32], const void *bytes, size_t n,
                              const uint8_t sig[64], ro_err *err) RO_CHECKED;

/* seeds.c: what a seed draws; one seed from begin to end */
void sim_set_up(sim_world *w, const sim_pool *pool, const sim_keys *keys, uint64_t seed);
void sim_begin(sim_world *w, const sim_pool *pool, const sim_keys *keys, uint64_t seed,
               const sim_options *options, sim_stats *stats, const sim_choice *choice, int model);
void sim_end(sim_world *w);
void sim_run_seed(const sim_pool *pool, const sim_keys *keys, uint64_t seed,
                  const sim_options *options, sim_stats *stats);

/* world.c */
void sim_schedule(sim_world *w, const sim_event *e);
void sim_play(sim_world *w);
void sim_send(sim_world *w, sim_agent *a, uint32_t item, sim_packet *p, uint64_t at);
uint64_t sim_delay(sim_world *w); /* of the network */
void sim_wake(sim_world *w, sim_agent *a, uint64_t at);

/* Apply an event at a stamp: logged, checked, carried out. -1: its message was accepted, >= 0: why
 * it was refused, -2: neither. */
int sim_host_event(sim_world *w, const rf_event *e, uint64_t now);
/* plants.c: two functions as they are without a plant; what a host does with a message that was
 * opened, where a planted bug may be. */
void sim_real_hash(const char *tag, const void *payload, size_t size, uint8_t out[VD_DIGEST]);
int sim_host_message(sim_world *w, const rf_event *e);
void sim_watch(sim_world *w); /* the world whose audits are drawn */
ro_status sim_real_payload_check(const rf_message *m, const void *bytes, size_t n);

/* agents.c */
void sim_agent_wakes(sim_world *w, sim_agent *a);
void sim_agent_hears(sim_world *w, sim_agent *a, uint32_t item, int reply);

/* rational.c: an owner of some identities plays for money alone. */
extern const uint32_t sim_plan_count, sim_move_count;
const char *sim_plan_name(uint32_t plan);
const char *sim_move_name(uint32_t move);
int sim_is_rational(uint64_t seed, const sim_options *options);
/* The choice with the best expected pay-off in this seed's world, by playing it. *gain: over honest
 * play, in runs of the job. */
void sim_best_reply(const sim_pool *pool, const sim_keys *keys, uint64_t seed,
                    const sim_options *options, sim_stats *stats, sim_choice *best, double *gain);
/* How it is said. */
void sim_choice_text(const sim_choice *c, char *out, size_t n);
/* What an owner has at the end, computing paid, answers and delivery at cost; in millionths. */
int64_t sim_pay_off(const sim_world *w);

/* crowd.c: one honest party among `roots` distinct roots; games.c: all patterns of lying steps of a
 * length. They print what they counted; 0: a bound or a verdict was wrong. */
int sim_crowd(const sim_pool *pool, uint32_t roots, int json);
int sim_games(const sim_pool *pool, uint32_t length, int every, int json);

/* checks.c: each notes the first violation of a seed */
void sim_violation(sim_world *w, const char *format, ...) RO_PRINTF(2, 3);
void sim_check_event(sim_world *w, const rf_event *e, uint64_t now);
void sim_check_end(sim_world *w);
#endif
