/* game.h - what game.c, judge.c, recompute.c and evidence.c share. Private to the referee.
 *
 * What this file decides: a game is judged by passes. A pass runs the rules from their beginning
 * over the openings accepted so far and stops at the first thing it needs and has not: that is
 * the question to ask. So the rules read top down, and a game's whole state is its openings.
 *
 * Invariants
 *   1. A pass changes nothing but its verdict, the questions it leaves open, which claims it found
 *      false, and what it records.
 *   2. Openings lie in the pair's arena; their bytes are never changed. */
#ifndef RF_GAME_H
#define RF_GAME_H
#include "referee.h"

typedef enum {
    RF_GO,      /* go on                                                              */
    RF_WAIT,    /* a question is open                                                 */
    RF_ABSENT,  /* an opening that is needed will not come                            */
    RF_DECIDED, /* the verdict is written                                             */
    RF_FAULT    /* p->status says what failed                                         */
} rf_flow;

#define RF_FLOW(call)                              \
    do {                                           \
        rf_flow rf_flow_ = (call);                 \
        if (rf_flow_ != RF_GO) return rf_flow_;    \
    } while (0)

#define RF_BUCKETS 256u

typedef struct rf_opening {
    struct rf_opening *next;
    rf_question q;
    const uint8_t *bytes;
    size_t size;
    int absent;
    uint8_t *struck;               /* windows: of each claim, found false by the last pass */
    struct rf_opening *window;     /* the window answered before it                        */
    struct rf_opening *later;      /* the opening accepted after it                        */
    uint32_t slot;                 /* its question's place among those open then           */
} rf_opening;

/* The claims of one side of a window. Offline: the one explanation that was given. */
typedef struct {
    const uint8_t *bytes;
    size_t size; /* of each */
    uint32_t count;
    uint8_t *struck;
} rf_filed;

/* A tree of each side, walked together. */
typedef struct {
    vd_tree_kind tree;
    uint64_t step, n;        /* step: global, for trees inside one                            */
    uint64_t mask[2];
    uint32_t claim[2];
    uint32_t node, output;
    vd_digest root[2], tensor[2];
    uint64_t lo, hi;         /* where the walk stands; a leaf at its end                      */
    vd_digest hash[2];       /* of that node                                                  */
    uint8_t *path[2];        /* recording: of the leaf, VD_PROOF_MAX hashes each              */
    uint32_t path_size;
} rf_walk;

/* The steps that both sides claim: all of a trace, or those of a segment. */
typedef struct {
    uint64_t first, count;
    uint64_t mask[2];
    uint32_t claim[2];
    vd_digest tree[2];
    vd_digest before; /* agreed state root before the first */
} rf_line;

typedef struct {
    uint32_t input;
    uint64_t chunk;
    uint32_t size;
    const uint8_t *bytes;
    uint8_t touched;
} rf_operand;
/* The chunks of an accepted answer, ascending by (input, chunk). */
typedef struct {
    const rf_node *node;
    rf_operand *list;
    uint32_t count, last;
    uint64_t missing; /* reads that found no chunk */
} rf_operands;

/* Agreed runs of parts of an element. */
#define RF_RUNS_MAX 64u
typedef struct { ro_parts run; const uint8_t *bits; } rf_run;
typedef struct {
    uint32_t level;
    uint64_t index, value[2];
    rf_run agreed[RF_RUNS_MAX];
    uint32_t agreed_count;
    const uint8_t *operands; /* of this part */
    size_t operands_size;
} rf_part;

/* One round of explanations: the inputs a part reads, and both sides' parts that it needs. */
typedef struct {
    const uint8_t *operands, *answer[2];
    size_t operands_size, answer_size;
} rf_round;

/* How the last pass came to its verdict, for the evidence. */
typedef struct {
    int recording;
    rf_walk segments, steps, nodes, chunks; /* n 0: not walked */
    rf_walk before;                         /* the leaf before the first difference           */
    const uint8_t *segment_before, *step_before;
    const uint8_t *segment_leaf[2], *step_leaf[2], *node_leaf[2], *header[2], *chunk[2];
    size_t node_size, chunk_size, header_size;
    const uint8_t *state; /* digests of all slots, or NULL */
    const uint8_t *producer[RO_INPUTS_MAX];
    size_t producer_size[RO_INPUTS_MAX];
    uint8_t *producer_path[RO_INPUTS_MAX];
    uint32_t producer_path_size[RO_INPUTS_MAX];
    const uint8_t *operands;
    size_t operands_size;
    rf_part part;
    rf_round rounds[RF_RUNS_MAX];
    uint32_t round_count;
    uint32_t claim[2];
} rf_trail;

typedef struct {
    rf_game *g;
    ro_arena *scratch;
    ro_err *err;
    ro_status status;
    uint64_t mask[2];
    uint32_t group[2];
    const vd_trace_body *body[2];
    uint8_t *struck; /* of each segment claim: found false */
    uint64_t recomputed; /* elements, for claims judged before those that v is about */
    rf_verdict *v;
    rf_trail *trail;
    rf_question open[RF_OPEN_MAX];
    uint32_t open_count;
} rf_pass;

typedef struct {
    vd_digest root, order;
    vd_trace_body body;
    uint64_t mask;
    int fallen;
} rf_group;

struct rf_game {
    const vd_job *job;
    ro_arena *arena;   /* the setup                         */
    ro_arena *pair;    /* openings of the pair being judged, or judged last; NULL: of none */
    ro_arena *scratch; /* of the last pass                  */
    int online, finished, begun; /* begun: `current` has its arena */
    const rf_runner *runner;
    rf_group *groups; /* in the order of pairing */
    uint32_t group_count, party_group[RF_PARTIES_MAX];
    rf_claim *claims;
    uint32_t claim_count;
    uint8_t *claims_struck;
    int claims_filed;            /* the claims are those of the present pair's windows          */
    vd_segment_leaf leaf[2];     /* of the segment that is judged                               */
    uint32_t at, fell, level[RF_PARTIES_MAX], level_count; /* the bracket's present level */
    rf_opening *openings[RF_BUCKETS], *windows; /* by question; the last window */
    rf_opening *oldest, *newest;                /* in the order of acceptance    */
    rf_opening *ready[RF_OPEN_MAX];             /* for what is open: an absence needs no memory */
    uint32_t ready_count;
    uint64_t bytes_read, questions;
    uint64_t recomputed; /* elements, by the last pass */
    rf_question open[RF_OPEN_MAX];
    uint32_t open_count;
    uint32_t refused[RF_OPEN_MAX][RF_PARTIES_MAX + 1];
    rf_node subject;     /* of open questions about a node's tensors */
    rf_part part;
    rf_trail trail;
    rf_verdict *pairs, verdict;
    uint32_t pair_room, pair_count;
    uint32_t current[2], last[2]; /* groups of the pair judged now, judged last */
};

/* game.c */
/* A body of any origin: RO_EFORMAT none, or not its root's; RO_EDIFFER not of this job. */
ro_status rf_check_body(const vd_job *j, const rf_party *party, vd_trace_body *b, ro_err *err)
    RO_CHECKED;
/* The order of pairing: H(tag, task, H(tag, all roots ascending), root). */
vd_digest rf_pairing_seed(const vd_digest *roots, uint32_t count);
vd_digest rf_pairing_order(const vd_digest *task, const vd_digest *seed, const vd_digest *root);
/* What another pair of the same dispute cost, and what it leaves open, into v. */
void rf_add_pair(rf_verdict *v, const rf_verdict *w);
void rf_question_init(rf_question *q, rf_question_kind kind, uint64_t parties);
/* The opening of a question, or leave it open. */
rf_flow rf_ask(rf_pass *p, const rf_question *q, const uint8_t **bytes, size_t *size);
rf_flow rf_ask_both(rf_pass *p, const rf_question q[2], const uint8_t *bytes[2], size_t size[2]);
/* What was filed in both sides' windows; size: of one claim. */
rf_flow rf_ask_windows(rf_pass *p, const rf_question q[2], size_t size, rf_filed filed[2]);
/* Walk to the first leaf whose hashes differ, or to leaf `index`. */
rf_flow rf_walk_first(rf_pass *p, rf_walk *w);
rf_flow rf_walk_to(rf_pass *p, rf_walk *w, uint64_t index);
rf_flow rf_fault(rf_pass *p, ro_status status);
void *rf_scratch(rf_pass *p, size_t size); /* NULL: p->status is set */
rf_flow rf_run_pass(rf_game *g, uint32_t a, uint32_t b, rf_verdict *v, int record,
                    rf_question *open, uint32_t *open_count, ro_err *err);

/* judge.c */
rf_flow rf_judge(rf_pass *p);
void rf_guilty_side(rf_pass *p, int side, rf_kind cause);
/* Whether a claim's step leaves end at the segment leaf's state and give its outputs; -1: no
 * memory. */
int rf_claim_fits(const vd_job *j, const vd_segment_leaf *leaf, const uint8_t *leaves,
                  ro_arena *scratch);

/* operands.c */
ro_status rf_operands_parse(const rf_node *n, const uint8_t *bytes, size_t size, rf_operands *o,
                            ro_arena *a, int *ok, ro_err *err);
/* Does an answer to RF_Q_OPERANDS hold? */
ro_status rf_operands_hold(const rf_node *n, const rf_question *q, const rf_part *part,
                           const uint8_t *bytes, size_t size, int *ok, ro_err *err);

/* recompute.c */
const ro_explain *rf_explain_of(const rf_node *n, ro_reader *r); /* r is set up, without data */
/* What a body gave. done 0: its runner failed, and nothing else is set. */
typedef struct {
    int done, complete; /* complete: every part it needs was agreed or answered */
    uint64_t bits;
} rf_computed;
/* rf_compute (part NULL) or rf_compute_part where the node's runner has them run; o knows then what
 * was touched and what is missing. RO_ENOMEM. */
ro_status rf_run_body(rf_operands *o, uint32_t output, uint64_t element, const rf_part *part,
                      const uint8_t *answer, rf_computed *c, ro_err *err) RO_CHECKED;
/* Run what operands are asked for: the element, or one part. Of its needs, those that are agreed
 * read as agreed; the others as one, since they are not known when it is asked. */
ro_status rf_touch(rf_operands *o, const rf_question *q, const rf_part *part, rf_computed *c,
                   ro_err *err) RO_CHECKED;
uint64_t rf_unknown_claim(const rf_node *n); /* one, in the compute type */
/* Bits of an element, or of a part from agreed runs and `answer` (bits of the needs of the part,
 * in order; NULL: the runs alone). */
uint64_t rf_compute(rf_operands *o, uint32_t output, uint64_t element);
uint64_t rf_compute_part(rf_operands *o, uint32_t output, uint64_t element, const rf_part *part,
                         const uint8_t *answer, int *complete);
int rf_operands_exact(const rf_operands *o); /* nothing missing, nothing idle */
uint32_t rf_part_levels(const rf_node *n, uint32_t output, uint64_t element);
uint32_t rf_part_needs(const rf_node *n, uint32_t output, uint64_t element, const rf_part *part,
                       ro_parts needs[RO_NEEDS_MAX], uint64_t *total);
#define RF_PARTS_MAX VD_PARTS_MAX /* no job that is sealed has a part that needs more */
int rf_parts_agreed(const rf_part *part, const ro_parts *needs, uint32_t count);
int rf_agreed_bits(const rf_part *part, uint32_t level, uint64_t index, uint64_t *bits);
/* Note what both sides' answers agree on and go on with the first need on which they differ; 0:
 * they agree on all. */
int rf_part_descend(rf_part *part, const ro_parts *needs, uint32_t count,
                    const uint8_t *const answer[2]);
/* Does an answer to RF_Q_PARTS hold? */
ro_status rf_parts_hold(const rf_node *n, const rf_question *q, const rf_part *part, int side,
                        const uint8_t *bytes, size_t size, int *ok, ro_err *err);

/* evidence.c, evidence_write.c. Versions 1 and 2 were never part of a release. */
#define RF_EVIDENCE_MAGIC "VERDEEVD"
#define RF_EVIDENCE_VERSION 3u
enum { RF_BEFORE_FIRST, RF_BEFORE_STEP, RF_BEFORE_SEGMENT }; /* whose state is the one before */
#endif
