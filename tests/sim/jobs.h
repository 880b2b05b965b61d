/* jobs.h - the simulator's jobs and runs: small jobs of every operator with a run of each in
 * memory, and traces that alter such a run.
 *
 * What this file decides: what a party may have committed to, and what it can open of it.
 *
 * Invariants
 *   1. The pool is made once, from fixed seeds, and never changed: workers share it.
 *   2. A trace is made bottom up, so anything in it may be false and still hash up.
 *   3. Everything that a digest names and that anybody has is in a store. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H
#include "../../referee/referee.h"
#include "../../verde/bytes.h"
#include "../ops_cases.h"
#include "../small_job.h"

#define SIM_STEPS_MAX 24u
#define SIM_EVERY_STEP UINT64_MAX
#define SIM_SLOTS_MAX (CASE_INPUTS + 2u)
#define SIM_BUCKETS 64u
#define SIM_LEAF_MAX 4096u

/* ---- tensors ---- */

typedef struct sim_tensor sim_tensor;
struct sim_tensor {
    vd_digest digest;
    ro_type type;
    void *data;           /* machine byte order  */
    const uint8_t *bytes; /* canonical           */
    uint8_t *tree;        /* of its chunks       */
    uint8_t header[VD_TENSOR_HEADER_MAX];
    size_t header_size;
    sim_tensor *next;
};
/* Tensors by digest; what is not here may be in the one below. */
typedef struct sim_store sim_store;
struct sim_store {
    sim_tensor *bucket[SIM_BUCKETS];
    const sim_store *below;
};
/* Take data (of the arena, machine byte order) in; equal tensors are one. */
sim_tensor *sim_put(sim_store *s, ro_arena *a, const ro_type *type, void *data);
/* One element, in the machine's byte order. */
void sim_put_bits(ro_dtype d, void *data, uint64_t j, uint64_t bits);
const sim_tensor *sim_find(const sim_store *s, const vd_digest *d);

/* ---- jobs ---- */

typedef struct sim_trace sim_trace;
typedef struct {
    char name[64];
    ro_op op;              /* whose job it is               */
    uint32_t subject;      /* its node, in the last phase   */
    int dear;              /* the subject explains itself   */
    vd_job *job;
    ro_arena *arena;
    sim_store store;
    const sim_tensor *constants[CASE_INPUTS + 1];
    sim_trace *truth;
    uint64_t *parts, part_count[RO_LEVELS_MAX]; /* dear: of element 0, at every step the same */
    uint32_t part_levels;
} sim_job;

/* ---- traces ---- */

typedef struct { uint8_t *bytes; size_t size; } sim_leaf;
/* One step as a trace tells it. */
typedef struct {
    const sim_tensor **slots, **values; /* the state before it; every value of its graph       */
    sim_leaf leaf, *nodes;
    uint8_t *node_hash;                 /* a hash a node                                       */
    vd_digest outputs, *state;          /* outputs digest; digests of the slots before it      */
} sim_step;
struct sim_trace {
    const sim_job *base;
    sim_step step[SIM_STEPS_MAX];
    vd_digest *state_end;              /* digests of the slots after the last step             */
    uint8_t *step_hash, *output_hash, *segment_hash;
    sim_leaf segment[SIM_STEPS_MAX];
    vd_trace_body body;
    uint8_t body_bytes[VD_TRACE_BODY_BYTES];
    vd_digest root;
    sim_store store;
    /* A false explanation of element 0 of the subject's output 0, at one step or at every one. */
    uint64_t *parts, part_step;
};

typedef enum {
    /* what a node put out */
    LIE_NONE,
    LIE_BIT,
    LIE_NAN,
    LIE_NEGATIVE_ZERO,
    LIE_RANDOM,
    LIE_SHAPE,
    LIE_DTYPE,
    LIE_JUNK,
    LIE_PART,
    /* what it read */
    LIE_INPUT,
    LIE_INPUT_DIGEST,
    /* its record */
    LIE_DESCRIPTOR,
    LIE_NODE_STEP,
    LIE_NODE_INDEX,
    LIE_NODE_ARITY,
    LIE_NODE_LONG,
    LIE_NODE_HASH,
    LIE_NODE_ZERO,
    LIE_NODE_AS_LEAF,
    /* the step's leaf */
    LIE_STATE,
    LIE_OUTPUTS,
    LIE_NODES_ROOT,
    LIE_REPEAT,
    LIE_PHASE,
    LIE_PHASE_STEP,
    LIE_GLOBAL,
    LIE_STEP_LONG,
    LIE_STEP_HASH,
    LIE_STEP_ZERO,
    LIE_SWAP,
    LIE_SKIP,
    LIE_REPEAT_STATE,
    /* the segment's leaf */
    LIE_SEGMENT_INDEX,
    LIE_SEGMENT_FIRST,
    LIE_SEGMENT_COUNT,
    LIE_SEGMENT_STATE,
    LIE_SEGMENT_OUTPUTS,
    LIE_SEGMENT_LONG,
    LIE_SEGMENT_HASH,
    /* the body */
    LIE_LAST_STATE,
    LIE_OUTPUTS_ROOT,
    LIE_OUTPUT_LEAF,
    LIE_TREE,
    /* a body that is not of this job: no valid reveal */
    LIE_BODY_JOB,
    LIE_BODY_STEPS,
    LIE_BODY_FIRST,
    LIE_BODY_LEVEL,
    LIE_BODY_NODES,
    LIE_KINDS
} sim_lie_kind;
const char *sim_lie_name(sim_lie_kind k);

/* carry: later steps go on from what the lie made of the state. salt: lies of one kind and place
 * differ. */
typedef struct {
    sim_lie_kind kind;
    uint64_t step;
    uint32_t node, output;
    uint64_t element;
    int carry;
    uint64_t salt;
} sim_lie;

/* A trace with lies at ascending steps, one a step; count 0: the truth. In the arena. */
sim_trace *sim_lying(const sim_job *j, ro_arena *a, const sim_lie *lies, uint32_t count);
/* In *t: a false explanation of the true value, to which it folds, for every step. 0: none was
 * found. */
int sim_false_parts(const sim_job *j, ro_arena *a, sim_trace *t, rng *g);
/* Where a lie of this kind can be told in this job at this step; 0: it cannot. */
int sim_lie_fits(const sim_job *j, sim_lie *l, rng *g);

/* ---- the pool ---- */

typedef struct { sim_job *jobs; uint32_t count; } sim_pool;
void sim_pool_make(sim_pool *p);
void sim_pool_release(sim_pool *p);

/* ---- answers ---- */

/* What a party has. Absent things are not opened. */
typedef struct {
    const sim_trace *trace;       /* answers trees and records                        */
    const sim_store *store;       /* answers tensors; NULL: none                      */
    const sim_trace *const *claims; /* by number of the game: whose step leaves they are */
    uint32_t claim_count;
    const sim_trace *explains;    /* whose explanations it files; NULL: its own       */
    const rf_game *game;          /* that asks, as whoever follows its log has it: the
                                     operands of a part hang on what is agreed; NULL: over */
} sim_files;
/* What it says to a question; 0: nothing. out has SIM_ANSWER_MAX bytes. */
#define SIM_ANSWER_MAX (UINT64_C(1) << 20)
size_t sim_answer(const sim_files *f, const rf_question *q, uint8_t *out);
/* What the host computes: operator, rerun, kernel. store: everything anybody has. */
size_t sim_host(const sim_job *j, const sim_store *store, const rf_node *subject,
                const rf_question *q, uint8_t *out);

void *sim_alloc(ro_arena *a, size_t n);
#endif
