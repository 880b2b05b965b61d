/* referee.h - the public interface of the referee: who of several parties is right, and why.
 *
 * What this file decides: the questions that are put to the parties of a dispute, what is
 * accepted as an answer, and what a verdict says. docs/PROTOCOL.md is the rule book.
 *
 * Invariants
 *   1. A game is a pure function of its setup and of the openings it accepted, in any order: no
 *      I/O, no clock, no chance. Replaying the openings gives the same questions and verdict.
 *   2. Nothing is believed but what hashes up to a root that a party committed to, what follows
 *      from the job, and what the host computed itself.
 *   3. Memory is allocated only after an answer has passed its check, and only for what the
 *      question's bound allows.
 *   4. A fault of the referee is an error or `undecided`, never a guilty party. */
#ifndef RF_REFEREE_H
#define RF_REFEREE_H
#include "../verde/verde.h"
#ifdef __cplusplus
extern "C" {
#endif

#define RF_PARTIES_MAX 64u      /* a mask of parties is 64 bits                            */
#define RF_CLAIMS_MAX 64u       /* segment claims that a game is set up with               */
#define RF_FILED_MAX 8192u      /* claims that are filed in one window                     */
#define RF_REFUSALS_MAX 16u     /* wrong answers of one party to one question              */
#define RF_OPEN_MAX 2u          /* questions open at once: one to each side                */
#define RF_NONE UINT32_MAX
#define RF_LEAF_BYTES_MAX 8192u /* a leaf's payload: node leaves have at most 4,148 bytes  */
#define RF_PARTIAL_BYTES (UINT64_C(1) << 20) /* dearer elements are explained by parts     */

/* ---- verdicts --------------------------------------------------------------------------- */

typedef enum {
    RF_AGREE, RF_STEP, RF_STRUCTURE, RF_INPUTS, RF_OUTPUT, RF_FORFEIT, RF_WITHHELD, RF_UNDECIDED
} rf_kind;
typedef enum {
    RF_BY_NONE, RF_BY_ELEMENT, RF_BY_PARTIAL, RF_BY_OPERATOR, RF_BY_STEP, RF_BY_SEGMENT
} rf_method;
const char *rf_kind_name(rf_kind k);     /* "output" */
const char *rf_method_name(rf_method m); /* "element", "none" */

typedef struct { uint32_t party; rf_kind cause; } rf_guilt;

/* What one pair of claims came to. */
typedef struct {
    rf_kind kind;
    rf_method method;
    uint32_t sides[2];        /* the lowest party of each side                              */
    int has_step, has_node, has_element, has_value;
    uint64_t lo, hi;          /* method step and segment: the steps that were run again     */
    uint64_t step;            /* global                                                     */
    uint32_t phase, node, output, input;
    ro_op op;                 /* where has_node                                             */
    ro_type type;             /* of the output, where has_element                           */
    uint64_t element, chunk;  /* in the output; the 4 KiB that hold it                      */
    uint64_t claimed[2];      /* stored bits of the element (method partial: of the part)   */
    uint64_t recomputed;      /* where has_value                                            */
    uint32_t part_level;      /* method partial: which part was computed                    */
    uint64_t part_index;
    uint32_t guilty_count;
    rf_guilt guilty[RF_PARTIES_MAX];
    uint32_t struck_claims;   /* segment claims found false                                 */
    uint64_t elements_recomputed, bytes_read, questions;
    int provisional;          /* only one implementation was asked                          */
    int alarm;                /* two implementations of the referee's own differ            */
    char why[192];            /* one sentence                                               */
} rf_verdict;

/* ---- a game ----------------------------------------------------------------------------- */

typedef enum {
    RF_Q_HASHES,      /* hashes `depth` levels below node [lo, hi) of tree                   */
    RF_Q_LEAF,        /* the payload of leaf lo of tree (steps, segments, nodes, chunks)     */
    RF_Q_STATE,       /* digests of all slots of the state before `step`                     */
    RF_Q_OUTPUTS,     /* outputs digests of steps [lo, hi), a segment                        */
    RF_Q_STEP_LEAVES, /* all step leaves of segment claim `claim`                            */
    RF_Q_HEADER,      /* the header of tensor `tensor`                                       */
    RF_Q_OPERANDS,    /* every chunk that an element, or a part of it, reads                 */
    RF_Q_PARTS,       /* offline: the parts that part (level, index) of an element needs     */
    /* Windows, online: the host collects the claims of one side and answers with all that are
     * admitted, once. */
    RF_Q_SEGMENTS,     /* bodies of segment claims of segment lo, `of` its leaf's hash       */
    RF_Q_EXPLANATIONS, /* explanations as in RF_Q_PARTS                                       */
    /* The host's own work; nothing of these comes from a party. */
    RF_Q_OPERATOR,    /* run node `node` of step `step`: the digests of its outputs, flags u8 */
    RF_Q_RERUN,       /* run the steps under [lo, hi) of tree: that node's hash, the state root
                         at the end, flags u8                                                */
    RF_Q_KERNEL       /* the fast kernel's bits of an element u64, flags u8: a second opinion */
} rf_question_kind;

#define RF_KERNEL_BYTES 9u /* of an answer to RF_Q_KERNEL */

/* Flags of what the host ran. */
#define RF_RAN_LANDED 1u /* a run of steps began in, or came through, the state root `state`; not
                          * set where it came from the job's first state and did not          */
#define RF_RAN_TWICE 2u  /* two implementations of the host's own gave the same: of a kernel's
                          * element also the scalar body, on whole inputs and by its parts     */

typedef struct {
    rf_question_kind kind;
    uint64_t parties;      /* who may answer, a bit each; 0: the host                        */
    uint32_t claim;        /* the segment claim that the tree or leaf belongs to, or RF_NONE */
    vd_tree_kind tree;
    uint64_t lo, hi;       /* in leaves of the tree                                          */
    uint32_t depth;
    vd_digest of;          /* what the answer must hash to, or what is agreed that it hangs on  */
    vd_digest tensor;      /* chunks and headers: of this tensor                             */
    uint64_t step;         /* global; for nodes, states, tensors                             */
    uint32_t node, output; /* tensors: of this output; operands, parts                       */
    uint64_t element;
    uint32_t level;        /* parts; RF_NONE: the whole element                              */
    uint64_t index;
    vd_digest state;       /* RF_Q_RERUN: the agreed state root before [lo, hi)              */
    int has_state;
} rf_question;
const char *rf_question_name(rf_question_kind k);

int rf_is_window(rf_question_kind k);

typedef struct { vd_digest root; uint8_t body[VD_TRACE_BODY_BYTES]; } rf_party;
/* A segment claim, handed in under a trace root. own: by one who signed that root. Offline nothing
 * says that all have handed in theirs: only an own claim takes the root with it when it falls. */
typedef struct { vd_digest root; vd_claim_body body; int own; } rf_claim;

typedef struct {
    const vd_job *job;       /* sealed; kept */
    const rf_party *parties;
    uint32_t party_count;    /* 1 to RF_PARTIES_MAX */
    const rf_claim *claims;
    uint32_t claim_count;
    int online;              /* 1: an absent opening is a forfeit; 0: the host recomputes   */
    vd_digest task;          /* mixed into the order of pairing; offline the job's digest   */
} rf_setup;

typedef struct rf_game rf_game;

/* Where a game's scalar bodies run: by default in this process. What they read are bytes of
 * parties, so a host may have each run where it can do no harm.
 *   run       result[size] of body(work), a pure function of work; 0: a fault of the referee, and
 *             nothing is set. What a fault leaves uncomputed condemns nobody: it is an opening
 *             that does not hold, or the verdict is `undecided`                              */
typedef void rf_body(const void *work, uint8_t *result);
typedef struct {
    int (*run)(void *ctx, rf_body *body, const void *work, uint8_t *result, size_t size);
    void *ctx;
} rf_runner;

/* Set up a game.
 *   s         borrowed, but for s->job
 *   *out      to be freed
 *   returns   RO_OK; RO_EFORMAT a body that is none, or is not its root's; RO_EDIFFER a body
 *             that is not the job's (level, job digest, counts, first state); RO_EUSAGE; RO_ENOMEM
 *   thread    any, one game each         source    docs/PROTOCOL.md, "A dispute"               */
ro_status rf_game_new(const rf_setup *s, rf_game **out, ro_err *err) RO_CHECKED;
void rf_game_free(rf_game *g);
/* r is kept; NULL: in this process. Before the first question. */
void rf_game_use_runner(rf_game *g, const rf_runner *r);
/* The questions that are open now, at most RF_OPEN_MAX; *count 0: the verdict stands. After a
 * failure for want of memory nothing is lost: it may be called again, as what answers may. */
ro_status rf_game_next(rf_game *g, rf_question *open, uint32_t *count, ro_err *err) RO_CHECKED;
/* Answer one of the open questions. party RF_NONE: the host, or a store that is nobody's: with
 * what parties committed to it is anybody's to open.
 *   bytes     of any origin; borrowed
 *   *accepted 0: refused: it does not hash up, does not fold, or the party may not answer     */
ro_status rf_game_answer(rf_game *g, const rf_question *q, uint32_t party, const void *bytes,
                         size_t n, int *accepted, ro_err *err) RO_CHECKED;
/* The same for a host that counts refusals itself: an answer of anybody's, windows included. What
 * answers a window is its claims one after the other, ascending, each once: none is an answer. */
ro_status rf_game_offer(rf_game *g, const rf_question *q, const void *bytes, size_t n,
                        int *accepted, ro_err *err) RO_CHECKED;
/* The party will not answer; RF_NONE: nobody will. Needs no memory. A window has no such end. */
void rf_game_cannot(rf_game *g, const rf_question *q, uint32_t party);
/* The openings that were accepted, from number `from` on: for each, in order, its place among the
 * questions that were open then u8, absent u8 (0 or 1), size u64 (little-endian), bytes.
 *   bytes     out: from ro_alloc, freed with ro_free
 *   *count    out: how many there are in all                                                    */
ro_status rf_game_openings(const rf_game *g, uint32_t from, uint8_t **bytes, size_t *size,
                           uint32_t *count, ro_err *err) RO_CHECKED;
/* The inverse, on a game of the same setup that has had those before `from`.
 *   bytes     of any origin; borrowed
 *   open      out: what it asks then, at most RF_OPEN_MAX; *count 0: the verdict stands
 *   returns   RO_OK; RO_EFORMAT no openings, or one that answers nothing: the game has had those
 *             before it; RO_ENOMEM                                                              */
ro_status rf_game_replay(rf_game *g, const void *bytes, size_t n, rf_question *open,
                         uint32_t *count, ro_err *err) RO_CHECKED;
/* Whether a claim may be filed in an open window: a segment claim whose step leaves (bytes) end in
 * the leaf's state and give its outputs; an explanation (bytes; body NULL) that folds to the value
 * it explains.                                                                                  */
ro_status rf_game_admits(rf_game *g, const rf_question *q, const vd_claim_body *body,
                         const void *bytes, size_t n, int *admitted, ro_err *err) RO_CHECKED;
/* Whether claim k of a window that was answered has been found false so far. */
int rf_game_struck(const rf_game *g, const rf_question *window, uint32_t k);
/* Claim `claim` of a question. */
const rf_claim *rf_game_get_claim(const rf_game *g, uint32_t claim);
/* Once nothing is open: the verdict, with all guilty parties of all pairs; where several pairs
 * were judged, step, node and element are those of the last one decided. */
const rf_verdict *rf_game_verdict(const rf_game *g);
/* The pairs in the order they were judged, and the verdict of each. */
uint32_t rf_game_pairs(const rf_game *g);
const rf_verdict *rf_game_pair(const rf_game *g, uint32_t k);
/* Whether a party's claim stands; the segment claims' state after the game. */
int rf_game_stands(const rf_game *g, uint32_t party);
int rf_game_claim_stands(const rf_game *g, uint32_t claim);

/* ---- recomputing (recompute.c, operands.c, rerun.c) --------------------------------------- */

#define RF_OPERANDS_MAX (UINT64_C(512) << 20) /* of one answer, where nobody explains an element */

/* A source of tensor bytes for whoever answers RF_Q_OPERANDS: canonical bytes of a chunk and its
 * path, both valid until the next call; 0: not to be had. */
typedef struct {
    int (*chunk)(void *ctx, const vd_digest *tensor, const ro_type *type, uint64_t index,
                 const uint8_t **bytes, size_t *size, const uint8_t **path, uint32_t *path_size);
    void *ctx;
} rf_chunk_source;

/* The node that a question of operands or parts is about, with the digests of its inputs. */
typedef struct {
    const ro_graph *graph;
    const ro_node *node;
    const vd_job *job;
    uint32_t inputs, outputs;
    ro_type in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    vd_digest digest[RO_INPUTS_MAX]; /* of present inputs, by input number */
    const rf_runner *runner;         /* of the game that asks; NULL: in this process */
} rf_node;
/* A reader of the node's inputs, which lie in memory; data NULL: of none yet. */
void rf_reader_of(const rf_node *n, const void *const *data, ro_reader *r);
/* present: digests of the present inputs in order, as in a node leaf. */
void rf_node_init(rf_node *n, const vd_job *j, uint32_t phase, uint32_t node,
                  const vd_digest *present);

/* The node that an open question of operands, parts, operator or kernel is about. */
const rf_node *rf_game_subject(const rf_game *g);

/* Write an answer to RF_Q_OPERANDS, open in g: run the body, or a part on what is agreed, and
 * collect each chunk it reads.
 *   answer    out: from ro_alloc, the caller frees it with ro_free
 *   returns   RO_OK; RO_ENOTFOUND the source lacks a chunk; RO_ELIMIT; RO_ENOMEM               */
ro_status rf_operands_write(const rf_game *g, const rf_question *q, const rf_chunk_source *s,
                            uint8_t **answer, size_t *size, ro_err *err) RO_CHECKED;
/* Write an answer to RF_Q_PARTS from all parts of the element, level by level, count of each. */
ro_status rf_parts_write(const rf_node *n, const rf_question *q, const uint64_t *parts,
                         const uint64_t *count, uint8_t **answer, size_t *size, ro_err *err)
    RO_CHECKED;
/* How many elements of all inputs one element may read at most, in bytes of chunks. */
uint64_t rf_element_bytes(const rf_node *n, uint32_t output);
/* Whether an element of this output is explained by parts. */
int rf_is_partial(const rf_node *n, uint32_t output);

/* Run one node on whole inputs (machine byte order, by input number) through a backend.
 *   digests   out: one for each output; may be NULL
 *   element   of output `output`: its stored bits into *bits when bits is not NULL
 *   returns   RO_OK; what the backend returns; RO_ENOMEM                                       */
ro_status rf_run_operator(const rf_node *n, const ro_backend *b, ro_pool *pool,
                          const void *const *data, vd_digest *digests, uint32_t output,
                          uint64_t element, uint64_t *bits, ro_err *err) RO_CHECKED;
/* What the parts of an element fold to, from whole inputs, where rf_is_partial.
 *   r         rf_reader_of them
 *   returns   what ro_explain_all returns                                                      */
ro_status rf_fold_parts(const rf_node *n, const ro_reader *r, uint32_t output, uint64_t element,
                        uint64_t *bits, ro_err *err) RO_CHECKED;
/* The hash of node [lo, hi) of a tree of the trace (steps, segments, outputs), and the state root
 * at its end, from running its steps: e stands at the first of them and is moved to the end.   */
ro_status rf_run_range(vd_exec *e, const vd_job *j, vd_tree_kind tree, uint64_t lo, uint64_t hi,
                       vd_digest *hash, vd_digest *state, ro_err *err) RO_CHECKED;
/* The steps under [lo, hi) of a tree of the trace: [*first, *end). */
void rf_range_steps(const vd_job *j, vd_tree_kind tree, uint64_t lo, uint64_t hi, uint64_t *first,
                    uint64_t *end);

/* ---- evidence (evidence.c) -------------------------------------------------------------- */

#define RF_EVIDENCE_MAX (UINT64_C(4) << 20) /* no verdict by partial needs more: docs/EVIDENCE.md */
#define RF_EVIDENCE_FLOPS (UINT64_C(1) << 34) /* of its element: about a minute */

/* Who signed a root. is_signed 0: nobody did. */
typedef struct {
    int is_signed;
    uint8_t key[32], signature[64];
    char backend[VD_BACKEND_BYTES];
} rf_signer;

/* Whether the last pair's verdict has evidence; the lowest party of each of its sides, and the
 * segment claims that were judged (RF_NONE: none). */
int rf_evidence_sides(const rf_game *g, uint32_t sides[2], uint32_t claims[2]);
/* Write the evidence of the last pair, when its verdict is by element or by partial.
 *   traces    the signers of the two sides' trace roots; claims: of their segment claims
 *   bytes     out: from ro_alloc, freed with ro_free
 *   returns   RO_OK; RO_EUSAGE the verdict has no evidence; RO_ELIMIT it is by element, on more
 *             input than RF_EVIDENCE_MAX, as nobody explained it; RO_ENOMEM
 *   source    docs/FORMATS.md, "Evidence"                                                        */
ro_status rf_evidence_write(rf_game *g, const rf_signer traces[2], const rf_signer claims[2],
                            uint8_t **bytes, size_t *size, ro_err *err) RO_CHECKED;

typedef struct {
    vd_digest job, roots[2], claim_roots[2];
    int has_claims;
    rf_signer traces[2], claims[2];
    int checked[2], claims_checked[2]; /* the signature was checked */
    rf_method method;
    uint64_t step;
    uint32_t node, output;
    const char *op;
    uint32_t version;
    ro_type type;
    uint64_t element, chunk, claimed[2], recomputed;
    uint32_t part_level;
    uint64_t part_index;
    int guilty[2];
    uint64_t chunks;
} rf_evidence;
/* Re-derive a verdict from its evidence and nothing else.
 *   bytes     of any origin, borrowed
 *   *out      set only on success
 *   returns   RO_OK it follows; RO_EFORMAT it does not, at anything; RO_ESIGNATURE; RO_EOP an
 *             operator or version that this program lacks; RO_ELIMIT; RO_ENOMEM; RO_EDEVICE
 *             this thread cannot be made to round as docs/ARITHMETIC.md asks                     */
ro_status rf_evidence_check(const void *bytes, size_t n, rf_evidence *out, ro_err *err) RO_CHECKED;

#ifdef __cplusplus
}
#endif
#endif
