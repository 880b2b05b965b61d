/* verde.h - the public interface of Verde: jobs, commitments, traces, stores and runs.
 *
 * What this file decides: what a job is, what a run commits to, and the files that carry both.
 * docs/FORMATS.md states every byte.
 *
 * Invariants
 *   1. Only canonical bytes are hashed; a decoder re-encodes and compares.
 *   2. No number reaches a tensor except through a node of the job's graph.
 *   3. A file appears under its final name complete or not at all. */
#ifndef VERDE_H
#define VERDE_H
#include <stdio.h>

#include "../repops/repops.h"
#include "commit.h"
#ifdef __cplusplus
extern "C" {
#endif

#define VD_VERSION "0.1.0"
#define VD_DIGEST 32u

typedef struct { uint8_t b[VD_DIGEST]; } vd_digest;
int vd_digest_equal(const vd_digest *a, const vd_digest *b);
void vd_digest_hex(const vd_digest *d, char hex[65]);
/* Exactly 64 lower-case hexadecimal digits, else RO_EFORMAT. */
ro_status vd_digest_parse(const char *hex, vd_digest *d, ro_err *err) RO_CHECKED;
/* Roots of the trees over the tensor digests of a state's slots, of a step's outputs. */
vd_digest vd_state_root(const vd_digest *slots, uint32_t count);
vd_digest vd_outputs_digest(const vd_digest *outputs, uint32_t count);
/* The tensor digest of slot 0 (step) when it is `step`: what the wiring puts there. */
vd_digest vd_step_digest(uint64_t step);

/* ---- jobs (job.c: canonical bytes; job_json.c: from JSON; model.c: the builders) --------- */

#define VD_PHASES_MAX 64u
#define VD_SLOTS_MAX 65536u
#define VD_CONSTANTS_MAX 4096u
#define VD_STEPS_MAX ((UINT64_C(1) << 40) - 1)
#define VD_SEGMENT_MAX 4096u
#define VD_NAME_MAX 255u
#define VD_JOB_BYTES_MAX (UINT64_C(64) << 20)
#define VD_NODES_MAX 131072u     /* of all phases: bounds what a decoder does before it refuses */
#define VD_PHASES_BYTES_MAX (UINT64_C(5) << 18) /* evidence of 4 MiB holds all phase records */
#define VD_PARTS_MAX (UINT64_C(1) << 13) /* that one part of an element may need: 64 KiB of an
                                          * answer, so that all rounds fit into evidence; some list
                                          * 4,096 and a few */
#define VD_NODE_RECORD_MAX 8192u /* 64 outputs of 8 axes, 1,024 attribute bytes: 6,480         */
#define VD_SLOT_RECORD_MAX 512u
#define VD_JOB_BODY_BYTES 128u

typedef enum { VD_RECORD_FULL = 0, VD_RECORD_CHECKPOINT = 1 } vd_record;

typedef struct {
    const char *name; /* UTF-8, unique among its kind; "step" is slot 0 */
    ro_type type;
    vd_digest digest; /* slot: its initial tensor; constant: its tensor */
} vd_slot;            /* a slot, or a constant */

typedef struct {
    uint64_t steps;        /* >= 1 */
    const ro_graph *graph; /* its slots and constants carry the job's numbers */
    vd_digest graph_root;  /* tree over node records; filled by vd_job_seal */
} vd_phase;

/* Step programs over a state. Global step s runs phase p of repeat r; see vd_job_locate. */
typedef struct {
    ro_arena *arena; /* borrowed: everything below lies in it */
    uint64_t repeats;
    vd_record record;
    uint32_t segment; /* K of checkpoint:K; 0 for full */
    uint32_t phase_count, slot_count, constant_count;
    vd_phase *phases;
    vd_slot *slots;     /* slot 0: "step", int64 scalar */
    vd_slot *constants;
    /* filled by vd_job_seal */
    uint64_t steps; /* T */
    vd_digest slots_root, constants_root, phases_root, digest, first_state;
} vd_job;

/* Where a global step lies. */
typedef struct { uint64_t repeat, step; uint32_t phase; } vd_place;
vd_place vd_job_locate(const vd_job *j, uint64_t global_step);

/* Check every limit and compute the roots and the digest. Must follow any change. */
ro_status vd_job_seal(vd_job *j, ro_err *err) RO_CHECKED;
/* Canonical bytes of a sealed job, in the arena's memory. */
ro_status vd_job_encode(const vd_job *j, ro_arena *a, uint8_t **bytes, uint64_t *size, ro_err *err)
    RO_CHECKED;
/* The inverse: every count checked before use, graphs admitted through ro_graph_node, the
 * result re-encoded and compared. Sealed on success. */
ro_status vd_job_decode(const uint8_t *bytes, uint64_t size, ro_arena *arena, vd_job **out,
                        ro_err *err) RO_CHECKED;

/* Records, as hashed (docs/FORMATS.md): each returns its size; out NULL only sizes. */
size_t vd_node_record(const ro_graph *g, uint32_t node, uint8_t *out);
size_t vd_slot_record(const vd_slot *s, uint8_t *out);
size_t vd_phase_record(const vd_job *j, uint32_t phase, uint8_t *out);
size_t vd_job_body(const vd_job *j, uint8_t *out);
/* The value that a slot has after a step of the phase; RO_NO_VALUE: it keeps its value. */
ro_value vd_phase_next(const vd_phase *p, uint32_t slot);
vd_digest vd_node_descriptor(const ro_graph *g, uint32_t node); /* leaf hash of the record */

/* ---- the builder (model.c): layers, loss, optimizer -> a sealed job ---------------------- */

#define VD_LAYERS_MAX 256u

typedef enum {
    VD_L_CONV, VD_L_DENSE, VD_L_GEMM, VD_L_RELU, VD_L_TANH, VD_L_SIGMOID, VD_L_GELU, VD_L_GELU_TANH,
    VD_L_MAX_POOL, VD_L_AVERAGE_POOL, VD_L_GLOBAL_AVERAGE_POOL, VD_L_FLATTEN, VD_L_LAYER_NORM,
    VD_L_DROPOUT
} vd_layer_kind;

typedef struct {
    vd_layer_kind kind;
    uint32_t channels; /* conv, dense, gemm: outputs                       */
    uint32_t kernel, stride, pad, dilation, group; /* square windows       */
    double ratio;      /* dropout                                          */
    double epsilon;    /* layer normalization                              */
} vd_layer;

typedef enum { VD_OPT_SGD, VD_OPT_ADAMW, VD_OPT_ADAM } vd_optimizer_kind;
/* OUTPUT: a model's own output is the loss. */
typedef enum { VD_LOSS_CROSS_ENTROPY, VD_LOSS_MSE, VD_LOSS_OUTPUT } vd_loss;

/* What a job file says, with every default filled in. */
typedef struct {
    vd_layer layers[VD_LAYERS_MAX];
    uint32_t layer_count;
    vd_loss loss;
    uint32_t classes;
    vd_slot images, labels; /* the data constants: (n, ...) and (n); integers or float32 */
    double scale, mean, deviation; /* x = (x scale - mean) / deviation; no node where neutral */
    vd_optimizer_kind optimizer;
    double rate, momentum, dampening, weight_decay, beta1, beta2, epsilon;
    int nesterov;
    uint32_t schedule; /* LearningRate's kind */
    double rate_min, gamma;
    uint64_t warmup, period;
    uint64_t batch, steps, seed;
    vd_record record;
    uint32_t segment;
    /* Parameters whose first value is given by digest instead of drawn by the init phase. */
    const vd_slot *given;
    uint32_t given_count;
} vd_spec;

/* Defaults of every field; data and layers are the caller's. */
void vd_spec_defaults(vd_spec *s);
/* The job: an init phase of one step that draws the parameters (unless all are given) and a
 * training phase of s->steps. Output of each training step: the loss. */
ro_status vd_model_job(const vd_spec *s, ro_arena *arena, vd_job **out, ro_err *err) RO_CHECKED;
/* A forward program over `batch` images: slot 1.. as the job's parameters, then the slots
 * "images" and "labels"; outputs: logits and how many were classified right (int64). */
ro_status vd_model_eval(const vd_spec *s, uint64_t batch, ro_arena *arena, vd_job **out,
                        ro_err *err) RO_CHECKED;

/* ---- data files (data.c: IDX, IDX.gz, .npy) and job files (job_json.c) ------------------- */

/* Where bytes come from: fills at most n, returns how many, 0 at the end, -1 on a fault. */
typedef struct {
    int64_t (*read)(void *ctx, void *to, uint64_t n);
    void *ctx;
    uint64_t most; /* no more bytes than this can come, so none are made room for; 0: unknown */
} vd_source;
/* Read a tensor; the format is told by its first bytes. Memory: the arena, of the size that the
 * checked header names; trailing bytes are refused. name: for messages. */
ro_status vd_data_read(const vd_source *s, const char *name, ro_arena *arena, ro_tensor *out,
                       ro_err *err) RO_CHECKED;
ro_status vd_data_load(const char *path, ro_arena *arena, ro_tensor *out, ro_err *err) RO_CHECKED;
/* Read a whole file of at most `limit` bytes; a 0 byte follows them. */
ro_status vd_file_read(const char *path, uint64_t limit, ro_arena *arena, uint8_t **bytes,
                       uint64_t *size, ro_err *err) RO_CHECKED;

#define VD_JSON_BYTES_MAX (UINT64_C(16) << 20)
typedef struct {
    vd_spec spec;
    const char *images, *labels;           /* paths, relative ones resolved */
    const char *test_images, *test_labels; /* NULL: none */
    ro_tensor data[2];                     /* as loaded, constants 0 and 1 */
    const char *onnx; /* path of a model */
    int trains;       /* the model of a file is trained, not run once */
    const char *feed_images, *feed_labels, *output; /* of it; NULL: not said */
    const char **freeze;
    uint32_t freeze_count;
    const char *config, *weights; /* of a sentence encoder that is; all NULL: neither, and what
                                   * follows is unused */
    const char **input_names, **input_paths;
    uint32_t input_count;
} vd_job_file;
/* Parse strictly: unknown, missing or doubled keys, wrong types, numbers out of range are each a
 * sentence. base: the folder that relative paths start from. Loads no data. */
ro_status vd_job_parse(const char *text, uint64_t size, const char *base, ro_arena *arena,
                       vd_job_file *out, ro_err *err) RO_CHECKED;
/* "full" or "checkpoint:K". */
ro_status vd_record_parse(const char *text, vd_record *record, uint32_t *segment, ro_err *err)
    RO_CHECKED;
/* Load the data a parsed job names and compute its constants' types and digests. */
ro_status vd_job_load_data(vd_job_file *f, ro_pool *pool, ro_arena *arena, ro_err *err) RO_CHECKED;
/* The text of a template: "mlp", "cnn" or "sentence-encoder"; NULL: there is none of that name. */
const char *vd_job_template(const char *name);

/* ---- records of a run (trace.c) ---------------------------------------------------------- */

typedef struct {
    uint64_t repeat;
    uint32_t phase;
    uint64_t step;   /* in its phase */
    uint64_t global;
    vd_digest state, outputs, nodes;
} vd_step_leaf;
#define VD_STEP_LEAF_BYTES 124u

typedef struct { uint64_t index, first, count; vd_digest state, outputs; } vd_segment_leaf;
#define VD_SEGMENT_LEAF_BYTES 88u

/* A node's leaf: digests of its present inputs in order, then of its outputs. */
typedef struct {
    uint64_t global;
    uint32_t node;
    vd_digest descriptor;
    uint32_t inputs, outputs;
    const vd_digest *in, *out;
} vd_node_leaf;
#define VD_NODE_LEAF_BYTES(inputs, outputs) (52u + VD_DIGEST * ((inputs) + (outputs)))

size_t vd_step_leaf_encode(const vd_step_leaf *l, uint8_t out[VD_STEP_LEAF_BYTES]);
void vd_step_leaf_decode(const uint8_t in[VD_STEP_LEAF_BYTES], vd_step_leaf *l);
size_t vd_segment_leaf_encode(const vd_segment_leaf *l, uint8_t out[VD_SEGMENT_LEAF_BYTES]);
void vd_segment_leaf_decode(const uint8_t in[VD_SEGMENT_LEAF_BYTES], vd_segment_leaf *l);
/* Present inputs of a node, and the size of its leaf: functions of the job. */
uint32_t vd_node_inputs(const ro_node *n);
size_t vd_node_leaf_size(const ro_graph *g, uint32_t node);
size_t vd_node_leaf_encode(const vd_node_leaf *l, uint8_t *out);
/* in and out of *l point into the bytes, which are of any origin: RO_EFORMAT unless their counts
 * give their size. Whether they are what the job prescribes is the caller's to compare. */
ro_status vd_node_leaf_decode(const uint8_t *bytes, size_t size, vd_node_leaf *l, ro_err *err)
    RO_CHECKED;

typedef struct {
    vd_record record;
    uint32_t segment;
    vd_digest job;
    uint64_t steps;      /* T */
    uint64_t node_count; /* node records in the file: 0 at checkpoint level */
    vd_digest first_state, last_state, outputs, tree; /* tree: of steps or of segments */
} vd_trace_body;
#define VD_TRACE_BODY_BYTES 192u
size_t vd_trace_body_encode(const vd_trace_body *b, uint8_t out[VD_TRACE_BODY_BYTES]);
/* RO_EFORMAT unless version, level, K and the reserved number are ones that encode writes. */
ro_status vd_trace_body_decode(const uint8_t in[VD_TRACE_BODY_BYTES], vd_trace_body *b,
                               ro_err *err) RO_CHECKED;
vd_digest vd_trace_root(const vd_trace_body *b);

/* What a segment claim says: for segment `segment` of the trace with root `trace`, these are
 * the steps. */
typedef struct {
    vd_digest job, trace;
    uint64_t segment, steps;
    vd_digest tree; /* over its step leaves */
} vd_claim_body;
#define VD_CLAIM_BODY_BYTES 120u
size_t vd_claim_body_encode(const vd_claim_body *b, uint8_t out[VD_CLAIM_BODY_BYTES]);
ro_status vd_claim_body_decode(const uint8_t in[VD_CLAIM_BODY_BYTES], vd_claim_body *b,
                               ro_err *err) RO_CHECKED;
vd_digest vd_claim_root(const vd_claim_body *b);

/* The bytes that are signed: tag block, backend, root. */
#define VD_BACKEND_BYTES 64u
#define VD_SIGNED_BYTES 160u
void vd_signed_bytes(int is_segment, const char backend[VD_BACKEND_BYTES], const vd_digest *root,
                     uint8_t out[VD_SIGNED_BYTES]);

/* How many segments a job has (0 at full level), and the steps of one: [first, first + count). */
uint64_t vd_job_segments(const vd_job *j);
void vd_job_segment(const vd_job *j, uint64_t segment, uint64_t *first, uint64_t *count);

/* ---- trace files ------------------------------------------------------------------------- */

/* A finished trace or segment claim, checked: sizes are functions of the counts, the job decodes,
 * the body is the job's (else RO_EDIFFER), the signature verifies. The trees are checked only where
 * they are walked (vd_trace_verify checks all), and last state, outputs root and tree root are the
 * signer's claims: nothing here compares them.
 *   path      borrowed
 *   *out      to be closed
 *   returns   RO_OK; RO_ENOTFOUND, RO_EIO no such file, or it cannot be read; RO_EFORMAT,
 *             RO_ELIMIT malformed; RO_EOP the job needs an operator that this program lacks;
 *             RO_EDIFFER; RO_ESIGNATURE; RO_ENOMEM
 *   cost      header, job and trailer are read, whatever the number of steps, and kept in memory;
 *             records and trees are read, by 4 KiB, and kept where they are asked for
 *   thread    any, one at a time                                                       */
typedef struct vd_trace vd_trace;
ro_status vd_trace_open(const char *path, vd_trace **out, ro_err *err) RO_CHECKED;
/* The same beside another trace, open until after this one is closed: a job that is byte for byte
 * that one's is not decoded again. */
ro_status vd_trace_open_like(const char *path, const vd_trace *like, vd_trace **out, ro_err *err)
    RO_CHECKED;
void vd_trace_close(vd_trace *t);
const vd_job *vd_trace_job(const vd_trace *t);
/* The body of a trace, of a segment claim; NULL for the other kind. */
const vd_trace_body *vd_trace_get_body(const vd_trace *t);
const vd_claim_body *vd_trace_get_claim(const vd_trace *t);
/* The bytes whose tagged hash is the root. */
const uint8_t *vd_trace_body_bytes(const vd_trace *t, size_t *size);
const vd_digest *vd_trace_get_root(const vd_trace *t);
const char *vd_trace_path(const vd_trace *t);
const char *vd_trace_backend(const vd_trace *t); /* VD_BACKEND_BYTES, the last of them 0 */
/* The canonical job in the file. */
const uint8_t *vd_trace_job_bytes(const vd_trace *t, uint64_t *size);
uint64_t vd_trace_bytes(const vd_trace *t); /* size of the file */
/* NULL when unsigned. */
const uint8_t *vd_trace_key(const vd_trace *t);
const uint8_t *vd_trace_signature(const vd_trace *t);
/* 0 when it is unsigned, or this program was built without a library for signatures. */
int vd_trace_signature_checked(const vd_trace *t);
/* Segment claims: the trace root and the segment they are for; 0 for a whole trace. Either may
 * be NULL. */
int vd_trace_is_segment(const vd_trace *t, vd_digest *trace_root, uint64_t *segment);
/* The global steps that the file covers: [first, first + count). */
void vd_trace_steps(const vd_trace *t, uint64_t *first, uint64_t *count);

/* What is looked up is read then, once, and stays until the trace is closed or verified. Where a
 * file cannot be read any more (it was cut meanwhile, the disk fails) lookups find zeros, and this
 * fails from then on, RO_EIO with a sentence: ask it before you believe what they found. */
ro_status vd_trace_status(const vd_trace *t, ro_err *err) RO_CHECKED;
/* Bytes in the file, NULL when it has none at this level or there. Steps are global. Unverified:
 * the caller hashes them up. */
const uint8_t *vd_trace_step_leaf(const vd_trace *t, uint64_t step);
const uint8_t *vd_trace_segment_leaf(const vd_trace *t, uint64_t segment);
const uint8_t *vd_trace_node_leaf(const vd_trace *t, uint64_t step, uint32_t node, size_t *size);
const vd_digest *vd_trace_outputs_digest(const vd_trace *t, uint64_t step);
/* Hash of tree node (level, index) as stored, NULL when the file has no such tree or node. tree:
 * VD_TREE_STEPS, VD_TREE_SEGMENTS or VD_TREE_OUTPUTS. A segment claim's step tree counts from 0.
 * One hash: those beside it may not have been read. */
const vd_digest *vd_trace_tree(const vd_trace *t, int tree, uint32_t level, uint64_t index);
/* Leaves of a tree: of the above, of VD_TREE_NODES at a global step. 0: the file has none. */
uint64_t vd_trace_leaves(const vd_trace *t, int tree, uint64_t step);
/* Answer "the hashes `depth` levels below node [lo, hi)" (vd_descend_verify checks it).
 *   tree      VD_TREE_STEPS, VD_TREE_SEGMENTS, VD_TREE_OUTPUTS, or VD_TREE_NODES of global step
 *             `step`, whose hashes are made from its node leaves
 *   out       VD_DESCEND_MAX x 32 bytes; *count of them are set
 *   returns   RO_OK; RO_ENOTFOUND the file has no such tree; RO_EUSAGE [lo, hi) is no node of it
 *             or depth is over VD_DESCEND_DEPTH_MAX
 *   cost      stored trees: the answer; VD_TREE_NODES: hi - lo leaves      thread  any      */
ro_status vd_trace_descend(const vd_trace *t, int tree, uint64_t step, uint64_t lo, uint64_t hi,
                           uint32_t depth, uint8_t *out, uint32_t *count, ro_err *err) RO_CHECKED;
/* Recompute everything that follows inside the file: leaves, wiring (each input is what its
 * producer put out), states, trees, body. RO_EFORMAT at the first thing that does not follow.
 * What operators compute is not recomputed. A segment claim's start state is taken as it is. What
 * lookups found before is void; memory is bounded. */
ro_status vd_trace_verify(const vd_trace *t, ro_err *err) RO_CHECKED;

/* Writing. The file grows as PATH.partial and gets its name at the end; a step that was handed
 * over survives the end of this process. One process writes a file at a time. */
typedef struct vd_writer vd_writer;
/* Create, or continue a .partial of the same job: *done is the number of steps whose records
 * are complete in it. segment >= 0: a segment claim of that segment for trace_root.
 *   path      borrowed; must not exist yet
 *   j         sealed; kept until vd_writer_free
 *   returns   RO_OK; RO_EUSAGE path exists; RO_EDIFFER the .partial is of another job; RO_EIO
 *             refused by the system, or another process is writing it; RO_ELIMIT; RO_ENOMEM   */
ro_status vd_writer_open(const char *path, const vd_job *j, int64_t segment,
                         const vd_digest *trace_root, vd_writer **out, uint64_t *done,
                         ro_err *err) RO_CHECKED;
/* Forget records from `steps` (<= done) on: a resume. */
ro_status vd_writer_rewind(vd_writer *w, uint64_t steps, ro_err *err) RO_CHECKED;
/* State root after step `global` if the partial file records it; else 0. */
int vd_writer_state(const vd_writer *w, uint64_t global, vd_digest *state);
/* Append the next step. After a failure nothing more is written.
 *   state     root after it; NULL where the level does not record it (checkpoint, but at the end
 *             of a segment)
 *   digests   for each node in order its present inputs, then its outputs; NULL at checkpoint  */
ro_status vd_writer_step(vd_writer *w, const vd_digest *state, const vd_digest *outputs,
                         const vd_digest *digests, ro_err *err) RO_CHECKED;
ro_status vd_writer_sync(vd_writer *w, ro_err *err) RO_CHECKED;
/* Trees, body, signature (key NULL: unsigned), rename. Every step must have been appended.
 *   backend   1 to 63 printable ASCII characters
 *   *root     out: of the trace or claim                                                     */
typedef struct vd_key vd_key;
ro_status vd_writer_finish(vd_writer *w, const vd_key *key, const char *backend, vd_digest *root,
                           ro_err *err) RO_CHECKED;
void vd_writer_free(vd_writer *w); /* leaves the .partial file */

/* ---- keys (key.c; Ed25519 by OpenSSL; no_key.c in a build without it) -------------------- */

/* Make a key and write it as PEM, PKCS#8, mode 0600.
 *   returns   RO_OK; RO_EUSAGE path exists: keys are never overwritten; RO_EIO; RO_EOP no_key.c */
ro_status vd_key_new(const char *path, ro_err *err) RO_CHECKED;
/*   returns   RO_OK; RO_EUSAGE others than the owner may read or write it; RO_EFORMAT it is not an
 *             unencrypted Ed25519 key in PEM; RO_ENOTFOUND; RO_EIO; RO_EOP no_key.c             */
ro_status vd_key_load(const char *path, vd_key **out, ro_err *err) RO_CHECKED;
/* The key of a seed of 32 bytes (RFC 8032), for who keeps seeds elsewhere. RO_ENOMEM; RO_EOP. */
ro_status vd_key_from_seed(const uint8_t seed[32], vd_key **out, ro_err *err) RO_CHECKED;
void vd_key_free(vd_key *k);
const uint8_t *vd_key_public(const vd_key *k); /* 32 bytes */
ro_status vd_sign(const vd_key *k, const void *bytes, size_t n, uint8_t sig[64], ro_err *err)
    RO_CHECKED;
/* RO_ESIGNATURE unless the key is canonical (y < p) and not of small order: for registration. */
ro_status vd_check_key(const uint8_t key[32], ro_err *err) RO_CHECKED;
/* RO_ESIGNATURE unless vd_check_key, S < L, and it verifies (cofactorless); RO_ENOMEM it could not
 * be tried; RO_EOP in no_key.c. */
ro_status vd_check_signature(const uint8_t key[32], const void *bytes, size_t n,
                             const uint8_t sig[64], ro_err *err) RO_CHECKED;
/* A secret that follows from the key and that nobody else can make:
 *   HMAC-SHA256(HMAC-SHA256(seed, "verde/1 derived key"), tag || bytes)
 * where both texts are zero padded to 64 bytes.
 *   tag       ASCII, 1 to 64 bytes; bytes: at most VD_DERIVE_MAX (both asserted)
 *   returns   RO_OK; RO_ENOMEM; RO_EOP                                                          */
#define VD_TAG_BYTES 64u
#define VD_DERIVE_MAX 128u
ro_status vd_key_derive(const vd_key *k, const char *tag, const void *bytes, size_t n,
                        uint8_t out[32], ro_err *err) RO_CHECKED;
void vd_fingerprint(const uint8_t key[32], char text[65]); /* SHA-256 of the 32 bytes, hex */

/* ---- store (store.c): tensors by digest, states by root, snapshots by step --------------- */

/* A folder. What it says is checked against the digest asked for; it may be shared by processes
 * and lies about nothing but absence. One thread a handle. */
typedef struct vd_store vd_store;
/* create 1: make the folder where it is missing. RO_ENOTFOUND: it is not there; RO_EIO. */
ro_status vd_store_open(const char *dir, int create, vd_store **out, ro_err *err) RO_CHECKED;
void vd_store_close(vd_store *s);
const char *vd_store_path(const vd_store *s);
int vd_store_has(const vd_store *s, const vd_digest *d);
/* The path of a tensor's file, which may not be there: RO_ELIMIT it does not fit into `room`. */
ro_status vd_store_file(const vd_store *s, const vd_digest *d, char *path, size_t room, ro_err *err)
    RO_CHECKED;
/* Written to a temporary name, synced, renamed. Already there in its full length: nothing is done.
 *   type, data   a checked type and the tensor in the machine's byte order; borrowed
 *   d            its digest, which is not recomputed here                                     */
ro_status vd_store_put(vd_store *s, const ro_type *type, const void *data, const vd_digest *d,
                       ro_err *err) RO_CHECKED;
/* The whole tensor, digest checked; data is the caller's, of ro_type_bytes(type). RO_ENOTFOUND;
 * RO_EFORMAT it is short, altered or of another type. */
ro_status vd_store_get(vd_store *s, const vd_digest *d, const ro_type *type, void *data,
                       ro_err *err) RO_CHECKED;
/* Its type, and of its canonical bytes the n from `at` on, which may reach beyond their end: *got
 * of them are set. Unchecked but for sizes. RO_ENOTFOUND; RO_EFORMAT. */
ro_status vd_store_read(vd_store *s, const vd_digest *d, uint64_t at, uint64_t n, ro_type *type,
                        uint8_t *bytes, uint64_t *got, ro_err *err) RO_CHECKED;
/* All of its canonical bytes, unchecked too, for the caller to hash and to ro_free. RO_ENOTFOUND;
 * RO_EFORMAT; RO_ELIMIT more than `limit` bytes; RO_ENOMEM. */
ro_status vd_store_copy(vd_store *s, const vd_digest *d, uint64_t limit, ro_type *type,
                        uint8_t **bytes, ro_err *err) RO_CHECKED;
/* Answer "the hashes `depth` levels below node [lo, hi)" of the chunk tree of a stored tensor.
 *   type      out: what the store says; the caller holds it against the agreed header
 *   out       VD_DESCEND_MAX x 32 bytes; *count of them are set
 *   returns   RO_OK; RO_ENOTFOUND; RO_EFORMAT; RO_EUSAGE [lo, hi) is no node of the chunk tree,
 *             or depth is over VD_DESCEND_DEPTH_MAX; RO_ENOMEM
 *   cost      reads and hashes chunks lo to hi; a megabyte of memory                          */
ro_status vd_store_descend(vd_store *s, const vd_digest *d, ro_type *type, uint64_t lo, uint64_t hi,
                           uint32_t depth, uint8_t *out, uint32_t *count, ro_err *err) RO_CHECKED;
/* The root of its chunk tree: with type, the header that the digest is the digest of. */
ro_status vd_store_chunk_root(vd_store *s, const vd_digest *d, ro_type *type, vd_digest *root,
                              ro_err *err) RO_CHECKED;
/* The slot digests under a state root. get: RO_ENOTFOUND; RO_EFORMAT they do not hash to it. */
ro_status vd_store_put_state(vd_store *s, const vd_digest *root, const vd_digest *slots,
                             uint32_t count, ro_err *err) RO_CHECKED;
ro_status vd_store_get_state(vd_store *s, const vd_digest *root, vd_digest *slots, uint32_t count,
                             ro_err *err) RO_CHECKED;
/* Note the state root after `steps` completed steps of a job. */
ro_status vd_store_put_snapshot(vd_store *s, const vd_digest *job, uint64_t steps,
                                const vd_digest *root, ro_err *err) RO_CHECKED;
/* The greatest snapshot at or before `steps` completed steps; *steps_found = 0 with the job's
 * first state when there is none. */
ro_status vd_store_find_snapshot(vd_store *s, const vd_job *j, uint64_t steps,
                                 uint64_t *steps_found, vd_digest *root, ro_err *err) RO_CHECKED;


/* ---- runs (run.c) ------------------------------------------------------------------------ */

double vd_seconds(void); /* of a clock that only goes forward */

/* A bit flipped on purpose, after node `node` of global step `step`: tests and demonstrations. */
typedef struct { uint64_t step; ro_fault fault; } vd_fault;
#define VD_FAULTS_MAX 64u

/* Executes the steps of a job one by one: for run, open, replay and the referee's operator, step
 * and segment recomputations. */
typedef struct vd_exec vd_exec;
typedef struct {
    const ro_backend *backend;
    ro_pool *pool;
    const void *const *constants; /* by number, machine byte order; borrowed */
    int keep_all;                 /* every value stays readable after a step */
    uint64_t byte_cap;            /* 0: the machine's memory */
    const vd_fault *faults;
    uint32_t fault_count;
} vd_exec_options;
ro_status vd_exec_new(const vd_job *j, const vd_exec_options *o, vd_exec **out, ro_err *err)
    RO_CHECKED;
void vd_exec_free(vd_exec *e);
/* Put the job's first state (slots named by digest come from the store). */
ro_status vd_exec_first_state(vd_exec *e, vd_store *s, ro_err *err) RO_CHECKED;
/* Put the state after `steps` steps, whose slot digests lie in the store under root. */
ro_status vd_exec_load(vd_exec *e, vd_store *s, uint64_t steps, const vd_digest *root, ro_err *err)
    RO_CHECKED;
/* Put changed slots and the state's digests into the store, as the snapshot of this step. */
ro_status vd_exec_save(vd_exec *e, vd_store *s, ro_err *err) RO_CHECKED;

typedef struct {
    uint64_t global;
    vd_digest state, outputs;
    int has_state;                /* the state root was computed at this step */
    const vd_digest *digests;     /* full: for each node its present inputs, then its outputs */
    uint32_t digest_count;
} vd_step_result;
/* Run the next step. nodes 1: digest everything; state 1: compute the state root. */
ro_status vd_exec_step(vd_exec *e, int nodes, int state, vd_step_result *r, ro_err *err) RO_CHECKED;
uint64_t vd_exec_steps(const vd_exec *e); /* done so far */
uint64_t vd_exec_peak_bytes(const vd_exec *e);
uint64_t vd_exec_hash_ns(const vd_exec *e); /* spent in digests, wall clock */
/* A value of the last step (outputs; any with keep_all), and its digest when it was computed. */
ro_status vd_exec_value(vd_exec *e, ro_value v, void *data, ro_err *err) RO_CHECKED;
ro_status vd_exec_slot(vd_exec *e, uint32_t slot, void *data, ro_err *err) RO_CHECKED;
const vd_digest *vd_exec_digest(const vd_exec *e, ro_value v);

/* Constants of a job, from a store or from memory, in machine byte order. */
ro_status vd_constants_load(const vd_job *j, vd_store *s, const void **data, ro_arena *arena,
                            ro_err *err) RO_CHECKED;

typedef struct {
    uint64_t done, total, since; /* steps; since: done when this process began */
    double seconds, loss;
    int has_loss;
} vd_progress;

typedef struct {
    const char *trace_path;
    vd_store *store;
    uint64_t snapshot;   /* S: keep the state every S steps, 0: choose */
    uint64_t stop_after; /* stop, to be continued, after this many steps of this call; 0: never */
    const vd_key *key;   /* NULL: unsigned */
    const vd_digest *expect;
    void (*progress)(void *ctx, const vd_progress *p);
    void *ctx;
    volatile int *interrupted; /* set by a signal handler: stop cleanly, to be continued */
    /* NULL, or called after each step, before its state is kept: e has the step's values. A status
     * ends the run, to be continued. After a resume steps come again. */
    ro_status (*stepped)(void *ctx, vd_exec *e, uint64_t global, ro_err *err);
    void *stepped_ctx;
} vd_run_options;

typedef struct {
    int finished;
    vd_digest root;
    uint64_t steps, resumed_from, trace_bytes, peak_bytes;
    double seconds, hash_seconds, loss;
    int has_loss;
} vd_run_result;
/* Run a job to its end, or on from where an earlier call was cut off. */
ro_status vd_run(const vd_job *j, const vd_exec_options *e, const vd_run_options *o,
                 vd_run_result *r, ro_err *err) RO_CHECKED;
/* What a job's run is for, in one byte string: the canonical bytes of every step's outputs, in the
 * order of steps and of the graph's outputs, then of the last state's slots. Its size saturates. */
uint64_t vd_result_bytes(const vd_job *j);
/* What a result commits to: the outputs root and last state of a trace body.
 *   bytes     vd_result_bytes(j) of them, of any origin; borrowed
 *   returns   RO_OK; RO_ENOMEM    cost  hashes all bytes    source  docs/API.md, "The result"    */
ro_status vd_result_digests(const vd_job *j, const uint8_t *bytes, ro_pool *pool,
                            vd_digest *outputs, vd_digest *last_state, ro_err *err) RO_CHECKED;
/* Re-run step `step` of a finished trace from the nearest snapshot and put its tensors into the
 * store; RO_EDIFFER when the re-run does not land on the trace's roots. */
ro_status vd_open_step(const vd_trace *t, const vd_exec_options *e, vd_store *s, uint64_t step,
                       uint64_t *replayed, ro_err *err) RO_CHECKED;
/* Write a segment claim of a checkpoint trace. */
ro_status vd_replay(const vd_trace *t, const vd_exec_options *e, vd_store *s, uint64_t segment,
                    const char *path, const vd_key *key, vd_digest *root, ro_err *err) RO_CHECKED;

/* Re-run a step of a finished trace and compare it, keeping nothing. */
ro_status vd_recheck_step(const vd_trace *t, const vd_exec_options *e, vd_store *s, uint64_t step,
                          ro_err *err) RO_CHECKED;

/* ---- cost (cost.c) ----------------------------------------------------------------------- */

#define VD_DISPUTE_BYTES_MAX (UINT64_C(256) << 20) /* admission's defaults: one element's inputs, */
#define VD_DISPUTE_FLOPS_MAX UINT64_C(1000000000)  /* and its operations                          */

typedef struct {
    uint64_t flops; /* of all steps, saturating */
    uint64_t state_bytes, constant_bytes, peak_bytes;
    uint32_t phase, node; /* whose single element is dearest to judge */
    uint64_t element_flops, element_bytes, evidence_bytes; /* static bounds for that element */
} vd_cost;
ro_status vd_job_cost(const vd_job *j, vd_cost *c, ro_err *err) RO_CHECKED;
/* Operations of a node by its scalar body, which shares nothing between elements, one more for each
 * element; of `steps` steps of the phase where they are most. Saturating. */
uint64_t vd_body_flops(const ro_graph *g, const ro_node *n);
uint64_t vd_steps_body_flops(const vd_job *j, uint64_t steps);
/* RO_ELIMIT when the dearest element is over a limit. */
ro_status vd_job_admit(const vd_job *j, const vd_cost *c, uint64_t bytes, uint64_t flops,
                       ro_err *err) RO_CHECKED;

#ifdef __cplusplus
}
#endif
#endif
