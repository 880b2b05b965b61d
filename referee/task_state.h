/* task_state.h - what task.c, bracket.c and task_bytes.c share. Private to the referee.
 *
 * What this file decides: what a task remembers. All of it is written by task_bytes.c but what is
 * derived again when a task is restored: games, the questions they leave open, effects.
 *
 * Invariants
 *   1. Members are never removed or moved; a number names one for ever.
 *   2. What an effect points to lies in the event's arena, which lives until the next event.
 *   3. said[] has at most one entry a slot, in the order in which they were accepted.
 *   4. A seat's doubt names a pair that is being judged, or one in held. */
#ifndef RF_TASK_STATE_H
#define RF_TASK_STATE_H
#include "game.h"
#include "task.h"

/* A claim that counts: the first of its signer in its slot, or an accepted opening. */
typedef struct {
    vd_digest slot, claim;
    uint64_t position;
} rf_said;

/* The pair that a loss comes of, which is being judged or whose verdict is provisional; level
 * RF_NONE: the loss is final. */
typedef struct { uint32_t level, number; } rf_doubt;

typedef struct {
    uint8_t key[32];
    vd_digest account;
    rf_role role;
    rf_stage stage;
    int assigned, delivered;
    rf_loss lost;     /* an auditor has nothing to lose but its place         */
    uint64_t lost_at;
    rf_doubt doubt;
    rf_loss next;     /* with a doubt: what it would have lost for since      */
    uint64_t next_first;
    vd_digest commitment;
    vd_digest reveal; /* claim digest of the reveal: what the draw hashes     */
    vd_digest root;   /* where stage is REVEALED, or an auditor revealed      */
    int revealed;
    uint32_t group;   /* in roots; RF_NONE before REVEAL ends                 */
    char backend[VD_BACKEND_BYTES];
    uint8_t body[VD_TRACE_BODY_BYTES];
    uint64_t answered;                /* attention challenges, a bit each     */
    vd_digest *answers;               /* of them; NULL: none                  */
} rf_seat;

typedef struct {
    vd_digest root, order;
    uint8_t body[VD_TRACE_BODY_BYTES];
    int fallen;
    uint32_t standing; /* members                                        */
    uint32_t pair;     /* where it is judged now, or RF_NONE             */
} rf_root;

/* A distinct claim in a window, and who filed what. */
typedef struct {
    uint8_t *bytes; /* from ro_alloc; NULL once the game holds them */
    vd_digest digest;
    uint64_t position;
    uint32_t first; /* the member that filed it first */
    int struck;     /* acted on */
} rf_entry;
typedef struct { uint32_t member, entry; } rf_filing; /* entry RF_NONE: it was not admitted */
typedef struct {
    rf_question q;
    int closed;
    uint64_t position;
    size_t size; /* of an entry */
    rf_entry *entries;
    uint32_t entry_count, entry_room;
    rf_filing *filings;
    uint32_t filing_count, filing_room;
} rf_window;

typedef struct { uint32_t member, count; } rf_refusals;
typedef struct {
    rf_question q;      /* parties 0: the host's, under work id `work` */
    vd_digest asked, claim;
    uint64_t position, deadline;
    int64_t cost;
    uint32_t window;    /* in the pair's windows, or RF_NONE */
    uint32_t work;
    rf_refusals *refusals;
    uint32_t refusal_count, refusal_room;
} rf_open;

typedef struct {
    uint32_t level, number, group[2];
    int done;
    uint32_t costly; /* sides whose tensors have been asked for: a bit each */
    rf_game *game;
    rf_open open[RF_OPEN_MAX];
    uint32_t open_count;
    rf_window *windows;
    uint32_t window_count, window_room;
    uint32_t *missed; /* works: kernels that were not at hand, in the order of their openings */
    uint32_t missed_count, missed_room;
} rf_pair;

/* A pair that has ended with such kernels: its game, until they have been run or it stands. */
typedef struct {
    uint32_t level, number, group[2];
    rf_loss fell[2];   /* what members of each side lost for with their root, or nothing */
    uint64_t position; /* since when */
    rf_game *game;
    uint32_t *missed;
    uint32_t missed_count, missed_room;
} rf_held;

/* The host's work. */
typedef struct {
    uint32_t id;
    uint32_t pair;              /* of this level; RF_NONE: a challenge's expected answers */
    uint32_t group, challenge;
    uint32_t tries;
    uint64_t first_fault, not_before;
} rf_work;

typedef struct { uint64_t step; uint32_t node, output; int is_void; } rf_attention;

typedef enum { RF_C_NONE, RF_C_ASKED, RF_C_ANSWERED, RF_C_CHECKED, RF_C_DONE } rf_challenging;
typedef enum { RF_A_NONE, RF_A_WANTED, RF_A_DONE } rf_auditing;

typedef struct { rf_game *game; uint32_t level, number; } rf_ended;

struct rf_task {
    const vd_job *job;
    vd_digest referee, task, secret;
    rf_params params;
    int dead; /* an event failed half way */

    rf_task_state state;
    rf_end end;
    uint64_t now, position, deadline; /* deadline: of the state; UINT64_MAX: none */
    int ready;
    rf_seat *seats;
    uint32_t seat_count, seat_room;
    rf_said *said;
    uint32_t said_count, said_room;
    uint32_t *index; /* of said, by slot: open addressing */
    uint32_t index_room;

    rf_root *roots;
    uint32_t root_count, root_room, accepted; /* accepted: from RESOLVED on, else RF_NONE */
    vd_digest draw;
    rf_pair *pairs; /* of the present level */
    uint32_t pair_count, pair_room, level;
    rf_held *held;
    uint32_t held_count, held_room;
    rf_work *works;
    uint32_t work_count, work_room, next_work;
    rf_answer *answers;
    uint32_t answer_count, answer_room;

    rf_challenging challenging;
    uint64_t challenge_deadline, challenge_position;
    rf_attention attention[RF_CHALLENGES_MAX];
    rf_auditing auditing;
    uint64_t audit_deadline;
    uint32_t auditor, audit_tries; /* auditor: the last that was named, or RF_NONE */
    rf_task_counts counts;

    int sweep; /* members were struck: roots and windows are to be looked at */
    ro_arena *event;
    rf_effect *effects;
    uint32_t effect_count, effect_room;
    rf_ended *ended;
    uint32_t ended_count, ended_room;
};

/* Room for one more: items is a pointer to the vector. */
ro_status rf_room(void *items, uint32_t *room, uint32_t count, size_t size, ro_err *err)
    RO_CHECKED;

/* task.c */
ro_status rf_params_fit(const rf_params *p, ro_err *err) RO_CHECKED;
ro_status rf_alive(const rf_task *t, ro_err *err) RO_CHECKED;
ro_status rf_effect_new(rf_task *t, rf_effect_kind kind, rf_effect **out, ro_err *err) RO_CHECKED;
/* Copies into the event's arena. */
void *rf_event_copy(rf_task *t, const void *bytes, size_t n);
ro_status rf_strike(rf_task *t, uint32_t member, rf_loss lost, uint64_t first, ro_err *err)
    RO_CHECKED;
/* The task ends without a result: at once, or when nothing is held any more. */
ro_status rf_refund(rf_task *t, rf_end end, const char *why, ro_err *err) RO_CHECKED;
/* The refund that waits, if there is one and it need wait no more. */
ro_status rf_refund_now(rf_task *t, ro_err *err) RO_CHECKED;
ro_status rf_enter(rf_task *t, rf_task_state state, uint64_t deadline, ro_err *err) RO_CHECKED;
const rf_said *rf_find_said(const rf_task *t, const vd_digest *slot);
ro_status rf_add_said(rf_task *t, const vd_digest *slot, const vd_digest *claim, ro_err *err)
    RO_CHECKED;
ro_status rf_index_said(rf_task *t, ro_err *err) RO_CHECKED; /* from said */
int rf_over(const rf_task *t);    /* SETTLED or REFUNDED */
int rf_is_open(const rf_task *t); /* AGREED or DISPUTED: it is not known yet what is right */
ro_status rf_accept(rf_task *t, uint32_t member, uint64_t position, int duplicate, ro_err *err)
    RO_CHECKED;
ro_status rf_refuse(rf_task *t, uint32_t member, rf_refusal reason, uint64_t position,
                    const vd_digest *asked, ro_err *err) RO_CHECKED;
uint64_t rf_later(uint64_t now, uint64_t ms); /* now + ms, at most UINT64_MAX - 1 */
ro_status rf_add_seat(rf_task *t, const uint8_t key[32], rf_role role, ro_err *err) RO_CHECKED;
/* Whether a message repeats or contradicts its signer's claim in its slot; then that is dealt
 * with. */
ro_status rf_known(rf_task *t, uint32_t member, const rf_message *m, int *is_known, ro_err *err)
    RO_CHECKED;
ro_status rf_record(rf_task *t, uint32_t member, const rf_message *m, ro_err *err) RO_CHECKED;
int rf_body_is_of_job(const rf_task *t, const rf_reveal *r);
void rf_keep_reveal(rf_seat *s, const rf_message *m);
ro_status rf_group_of(rf_task *t, const rf_seat *s, uint32_t *group, ro_err *err) RO_CHECKED;

/* task_checks.c */
ro_status rf_ask_challenges(rf_task *t, ro_err *err) RO_CHECKED;
ro_status rf_challenge_effect(rf_task *t, uint32_t number, ro_err *err) RO_CHECKED;
ro_status rf_close_challenges(rf_task *t, ro_err *err) RO_CHECKED;
/* Have the answers of the root that is left checked. */
ro_status rf_check_challenges(rf_task *t, uint32_t group, ro_err *err) RO_CHECKED;
ro_status rf_take_challenge(rf_task *t, uint32_t member, const rf_message *m, ro_err *err)
    RO_CHECKED;
ro_status rf_run_work(rf_task *t, const rf_work *w, ro_err *err) RO_CHECKED; /* its effect */
ro_status rf_take_result(rf_task *t, const rf_event *e, ro_err *err) RO_CHECKED;
ro_status rf_want_auditor(rf_task *t, ro_err *err) RO_CHECKED;
ro_status rf_audit_effect(rf_task *t, ro_err *err) RO_CHECKED;
ro_status rf_audit_failed(rf_task *t, ro_err *err) RO_CHECKED;
ro_status rf_take_auditor(rf_task *t, const rf_event *e, ro_err *err) RO_CHECKED;
ro_status rf_take_audit(rf_task *t, uint32_t member, const rf_message *m, ro_err *err) RO_CHECKED;

/* bracket.c */
ro_status rf_begin_level(rf_task *t, ro_err *err) RO_CHECKED;
/* What is asked, of which claim, under which digest; the rest is 0. */
void rf_describe(const rf_task *t, const rf_pair *p, const rf_question *q, rf_open *o);
ro_status rf_pair_game(rf_task *t, rf_pair *p, ro_err *err) RO_CHECKED;
const rf_open *rf_host_question(const rf_pair *p); /* the only one that is open */
/* Ask what the game asks now, or end the pair. */
ro_status rf_pair_step(rf_task *t, uint32_t pair, ro_err *err) RO_CHECKED;
ro_status rf_sweep(rf_task *t, ro_err *err) RO_CHECKED;
uint64_t rf_pairs_deadline(const rf_task *t, uint32_t *pair, uint32_t *slot);
ro_status rf_expire_question(rf_task *t, uint32_t pair, uint32_t slot, ro_err *err) RO_CHECKED;
ro_status rf_take_opening(rf_task *t, uint32_t member, const rf_event *e, ro_err *err) RO_CHECKED;
ro_status rf_take_filing(rf_task *t, uint32_t member, const rf_event *e, ro_err *err) RO_CHECKED;
ro_status rf_take_work(rf_task *t, uint32_t pair, const rf_work *w, const rf_event *e,
                       int *fault, ro_err *err) RO_CHECKED;
ro_status rf_ask_effect(rf_task *t, const rf_pair *p, const rf_open *o, rf_effect_kind kind,
                        ro_err *err) RO_CHECKED;
void rf_pair_free(rf_pair *p);
/* Pairs that are judged will have no verdict: what they took and is provisional goes back. */
ro_status rf_stop_pairs(rf_task *t, ro_err *err) RO_CHECKED;
/* A kernel that was not at hand, after all. */
ro_status rf_take_late(rf_task *t, const rf_event *e, ro_err *err) RO_CHECKED;
ro_status rf_held_effects(rf_task *t, const rf_held *h, ro_err *err) RO_CHECKED;
ro_status rf_let_stand(rf_task *t, ro_err *err) RO_CHECKED; /* all that is held */
#endif
