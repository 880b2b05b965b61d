/* task.h - the whole life of a task as one state machine: (state, event, now) -> (state', effects).
 *
 * What this file decides: who takes part, what counts as said and when, which roots meet in which
 * pair, what is asked of whom and until when, who loses a stake for what, which root is accepted
 * and what is settled. docs/PROTOCOL.md, "The life of a task", is the rule book. A task holds
 * no socket, file, clock or key: its host (server, simulator, fuzzer) opens messages, stamps and
 * logs events, and carries out the effects.
 *
 * A pair of roots is one rf_game with two sides; identities belong to the task, which maps them to
 * sides. So a game's bound of 64 parties does not bound a task.
 *
 * Invariants
 *   1. State and effects are a function of the setup and the events with their stamps. No I/O, no
 *      clock, no chance.
 *   2. The state only moves forward: OPEN, COMMIT, REVEAL, AGREED or DISPUTED, RESOLVED, FINAL,
 *      SETTLED, or from any before SETTLED to REFUNDED.
 *   3. An event is stamped once. Expiries up to its stamp are applied before it, in the order of
 *      (deadline, claim root); expired(now, d) is now >= d, here and nowhere else.
 *   4. A stake is lost once, by the first cause. A root's fall strikes those who revealed it; a
 *      false segment claim or explanation strikes its signers, and the root falls only when none
 *      that stands is left for it.
 *   5. A fault of the referee never decides: it is tried again, then the task is refunded. What a
 *      pair takes is provisional until the pair has ended; where a kernel was not at hand longer,
 *      and nothing is settled before that kernel has been run or the finality delay has passed.
 *   6. Memory is bounded by the setup: members, their claims in windows that were opened, one
 *      answer a question. Room is made only for what has passed its check.
 *   7. rf_task_save writes canonical bytes; restored, the task has the same later effects. */
#ifndef RF_TASK_H
#define RF_TASK_H
#include "message.h"
#include "money.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Who may ask for a work slot, over how many there are: claimants lie there until OPEN ends. */
#define RF_CLAIMANTS_FACTOR 4u
#define RF_AUDITORS_MAX 8u    /* of one task: each that fell silent made room for the next    */
#define RF_CHALLENGES_MAX 64u /* attention challenges: a bit each in a member's record        */

/* In this order; AGREED and DISPUTED may each be skipped. */
typedef enum {
    RF_T_OPEN,     /* slots may be claimed                                                   */
    RF_T_COMMIT,   /* work is done; commitments, withdrawals                                 */
    RF_T_REVEAL,   /* reveals, sealed until it ends                                          */
    RF_T_AGREED,   /* one root was revealed: challenges, and an audit where one is due       */
    RF_T_DISPUTED, /* pairs are judged; then the audit of the surviving root                 */
    RF_T_RESOLVED, /* one root stands: its outputs are to be delivered                       */
    RF_T_FINAL,    /* the finality delay runs: delivered, or without a result while verdicts
                      that are provisional are held                                           */
    RF_T_SETTLED,
    RF_T_REFUNDED  /* rf_task_end says why                                                   */
} rf_task_state;
const char *rf_task_state_name(rf_task_state s); /* "open" */

/* now >= d. Every deadline of a task is held against this. */
int rf_expired(uint64_t now, uint64_t deadline);

typedef struct {
    const vd_job *job;  /* sealed; kept                                                       */
    vd_digest referee;  /* the referee's public key                                           */
    vd_digest task;     /* its id                                                             */
    vd_digest secret;   /* the server's; rf_task_sealed_secret of it is published at OPEN     */
    rf_params params;   /* rf_params_check accepts them, or the task is refused               */
} rf_task_setup;

/* ---- events ----------------------------------------------------------------------------- */

typedef enum {
    RF_EV_TICK,      /* nothing but time                                                      */
    RF_EV_MESSAGE,   /* a message came; the host has opened it (rf_message_open)              */
    RF_EV_READY,     /* the server holds and has checked every blob of the job                */
    RF_EV_WORK,      /* the host's work of that id is done, failed, or cannot be done here. A
                        kernel that could not be run and was, since HOLD asked for it: done    */
    RF_EV_AUDITOR,   /* the host found an auditor: its key                                    */
    RF_EV_DELIVERED, /* the server holds all outputs of the accepted root, sent by `member`;
                        RF_NONE: by the auditor                                               */
    RF_EV_DOWNTIME,  /* measured: added to every deadline that is open                        */
    RF_EV_ALARM      /* an operator freezes the task: it is refunded                          */
} rf_event_kind;

typedef enum {
    RF_WORK_DONE,    /* bytes are the result: of a kernel the bits that all backends of the
                        effect computed, or those of one that differ from the scalar body's   */
    RF_WORK_FAULT,   /* out of memory, killed, timed out: decides nothing, tried again        */
    RF_WORK_CANNOT   /* never here: the tensors are not at hand; one of the backends is not,
                        and none that is differs from the scalar body                         */
} rf_work_end;

typedef struct {
    rf_event_kind kind;
    const rf_message *message; /* MESSAGE: opened, so its signature holds                     */
    const void *bytes;         /* MESSAGE: its payload. WORK: the result                      */
    size_t size;
    vd_digest account;         /* MESSAGE of type WORK: who funds it; its stake is put aside  */
    uint32_t work;             /* WORK                                                        */
    rf_work_end end;           /* WORK                                                        */
    uint8_t key[32];           /* AUDITOR                                                     */
    uint32_t member;           /* DELIVERED                                                   */
    uint64_t ms;               /* DOWNTIME                                                    */
} rf_event;

/* ---- effects ---------------------------------------------------------------------------- */

typedef enum {
    RF_DO_STATE,     /* the state moved to `state`; `deadline`: when it ends, 0: by itself    */
    RF_DO_ACCEPT,    /* the message is logged at `position`; `duplicate`: it was before, there */
    RF_DO_REFUSE,    /* it is not: `reason`, and for STALE `asked`, the question open now.
                        CONFLICT: `position` is of the first claim in its slot                */
    RF_DO_RELEASE,   /* `member` got no work slot: its stake goes back                        */
    RF_DO_PUBLISH,   /* all reveals are public from now on, with the draw in `asked`          */
    RF_DO_ASK,       /* a question is open to the standing members on its side(s)             */
    RF_DO_CLOSE,     /* it is closed: answered, or its deadline has come                      */
    RF_DO_CHALLENGE, /* attention challenge `number`, of every revealed member: tensor
                        (`step`, `node`, `output`), asked digest `asked`                      */
    RF_DO_RUN,       /* host work `work`: a game's question (rf_task_game has its subject), or
                        the expected answers to a challenge (`question` NULL): 32 bytes for
                        each of `members`, who are of the root `roots[0]` and answered it     */
    RF_DO_VERDICT,   /* a pair has ended: `verdict`, NULL when a side's last member fell by
                        itself. Until the next event rf_task_game gives its evidence          */
    RF_DO_STRIKE,    /* `member` has lost its stake for `lost`; equivocation: `position` is
                        of its first claim                                                    */
    RF_DO_AUDIT,     /* find an auditor and tell its key: an audit of `roots[0]` is due        */
    RF_DO_DELIVER,   /* the outputs of `roots[0]` are to be delivered                          */
    RF_DO_SETTLE,    /* book `transfers`: at SETTLED and at REFUNDED, once                     */
    RF_DO_ALARM,     /* a person is needed: `why`                                              */
    RF_DO_HOLD,      /* a pair's verdict is provisional, as the host could not do `work`, which is
                        `question`: whoever it struck has it held against it until that is done
                        after all, or FINAL ends                                              */
    RF_DO_RETURN,    /* `member` has its stake again: what the pair took was provisional, and a
                        kernel contradicts it, or it will have no verdict. STRIKE follows when it
                        has lost the stake for something else since                           */
    RF_DO_STAND      /* a pair's verdict is provisional no more. STRIKE follows for who had its
                        stake again of another pair, and whose root fell by this one          */
} rf_effect_kind;
const char *rf_effect_name(rf_effect_kind k); /* "ask" */

typedef struct {
    rf_effect_kind kind;
    uint64_t position;     /* of what is logged: rises with every event and every act         */
    uint64_t deadline;     /* STATE, ASK, CHALLENGE, RUN (try it no earlier), AUDIT, DELIVER   */
    uint32_t member;       /* or RF_NONE                                                      */
    rf_task_state state;
    rf_refusal reason;
    rf_loss lost;
    int duplicate;
    uint32_t level, pair;  /* of the bracket, both from 0: ASK, CLOSE, RUN, VERDICT, HOLD,
                              RETURN, STAND                                                   */
    uint32_t sides;        /* ASK, CLOSE: a bit for each side that may answer                 */
    vd_digest roots[2];    /* trace roots of the two sides                                    */
    vd_digest asked;       /* what an answer's envelope carries: rf_asked_digest              */
    const rf_question *question; /* ASK, CLOSE, RUN, HOLD; parties is `sides`. Valid, as
                                    everything here, until the next event                     */
    vd_digest claim;       /* ASK: the claim that is asked about: a trace root, or a segment
                              claim's root; 0: what both sides committed to                   */
    uint32_t work, number; /* RUN, HOLD; CHALLENGE and RUN of one                             */
    uint64_t step;
    uint32_t node, output;
    const uint32_t *members;     /* RUN of a challenge                                        */
    uint32_t member_count;
    const char (*backends)[VD_BACKEND_BYTES]; /* RUN of a kernel, HOLD: all that members on
                                    either side name, each once, ascending                    */
    uint32_t backend_count;
    const rf_verdict *verdict;   /* guilty[].party is 0 or 1: the side                        */
    const rf_transfer *transfers;
    uint32_t transfer_count;
    rf_end end;                  /* SETTLE                                                    */
    const char *why;             /* ALARM                                                     */
} rf_effect;

/* ---- a task ----------------------------------------------------------------------------- */

typedef struct rf_task rf_task;

/* Open a task.
 *   s         borrowed, but for s->job
 *   now       any origin, milliseconds
 *   *out      to be freed
 *   returns   RO_OK; RO_ELIMIT parameters that rf_params_check refuses, too many challenges, no
 *             time for an answer; RO_ENOMEM
 *   thread    any, one task each      source    docs/PROTOCOL.md, "The life of a task"           */
ro_status rf_task_new(const rf_task_setup *s, uint64_t now, rf_task **out, ro_err *err) RO_CHECKED;
void rf_task_free(rf_task *t);

/* Apply an event: first the expiries up to its stamp, then itself.
 *   e         borrowed, with its bytes; of any content
 *   now       when it was logged, below UINT64_MAX; before an earlier event's it counts as that
 *   returns   RO_OK: the effects are there, refusals too. RO_ENOMEM and what else the referee's
 *             own faults are: nothing was decided, the task takes no more events and is to be
 *             restored from what was saved before, or from the log
 *   cost      a pass of each game that was answered                                            */
ro_status rf_task_event(rf_task *t, const rf_event *e, uint64_t now, ro_err *err) RO_CHECKED;
/* The effects of the last event, in order; valid until the next one. */
const rf_effect *rf_task_effects(const rf_task *t, uint32_t *count);
/* All that is open: questions, challenges, host work, an audit or a delivery that is waited for;
 * replaces the effects. For a host that has started again, and for agents that ask. */
ro_status rf_task_pending(rf_task *t, ro_err *err) RO_CHECKED;
/* When time alone will change something next; UINT64_MAX: never. */
uint64_t rf_task_deadline(const rf_task *t);

/* Canonical bytes of the whole state but the job and the last effects.
 *   bytes     out: from ro_alloc, freed with ro_free
 *   source    docs/FORMATS.md, "A task's state"                                              */
ro_status rf_task_save(const rf_task *t, uint8_t **bytes, size_t *size, ro_err *err) RO_CHECKED;
/* The inverse. Games are replayed from their openings.
 *   job       that of the saved task; kept
 *   bytes     of any origin; borrowed
 *   returns   RO_OK; RO_EDIFFER another job; RO_EFORMAT; RO_ENOMEM                            */
ro_status rf_task_restore(const vd_job *job, const void *bytes, size_t n, rf_task **out,
                          ro_err *err) RO_CHECKED;

/* ---- what it knows ---------------------------------------------------------------------- */

typedef struct {
    uint8_t key[32];
    rf_role role;
    vd_digest account;
    int assigned;      /* has a work slot (provider)                                          */
    rf_stage stage;
    rf_loss lost;
    uint64_t lost_at;
    int provisional;   /* the loss: its pair is judged still, or has a verdict that is         */
    int has_root, stands; /* stands: its root does, and it lost nothing                       */
    vd_digest root;    /* sealed until REVEAL has ended                                       */
    int delivered;
} rf_task_member;

rf_task_state rf_task_get_state(const rf_task *t);
uint64_t rf_task_position(const rf_task *t); /* events and acts logged so far */
/* Members in the order in which they came: claimants, then auditors. */
uint32_t rf_task_members(const rf_task *t);
void rf_task_get_member(const rf_task *t, uint32_t member, rf_task_member *m);
uint32_t rf_task_find(const rf_task *t, const uint8_t key[32]); /* RF_NONE: no member */
/* From RESOLVED on: the accepted root. 0: there is none. */
int rf_task_root(const rf_task *t, vd_digest *root);
/* How it ends: known for good at SETTLED and REFUNDED. Before, RF_END_SETTLED, but in FINAL what a
 * refund that waits there for held verdicts is for. */
rf_end rf_task_end(const rf_task *t);
/* Counted over all pairs: what V-007 and V-006 bound. */
typedef struct {
    uint32_t roots, claims, explanations; /* distinct                                         */
    uint64_t recomputed, questions;       /* elements or parts; asked of parties              */
    uint32_t levels, pairs;
    int audited, provisional;
} rf_task_counts;
void rf_task_get_counts(const rf_task *t, rf_task_counts *c);
/* The game of a pair: from its first question until the event after its verdict, or after the one
 * that ends its being held; else NULL. */
rf_game *rf_task_game(const rf_task *t, uint32_t level, uint32_t pair);

/* H(tag, secret): published at OPEN. H(tag, secret, all reveals): the draw of audits and challenges
 * is made from it, and anybody can check it once the secret is published. */
vd_digest rf_task_sealed_secret(const vd_digest *secret);
/* An upper bound of the time from the end of REVEAL to RESOLVED (V-006), without faults, downtime
 * and the audit: (ceil(log2 roots) + identities) x questions x the longest deadline. What saboteurs
 * add costs one of them its stake each time.
 *   roots, identities   that revealed
 *   pair_questions      asked of a pair in which nobody's claim is struck                      */
uint64_t rf_task_bound_ms(const rf_params *p, uint32_t roots, uint32_t identities,
                          uint64_t pair_questions);

#ifdef __cplusplus
}
#endif
#endif
