/* trace.h - where things lie in a trace file (private to trace.c and trace_writer.c).
 *
 * What this file decides: every offset, as a function of the job, the kind of file and the step.
 *
 * Invariants
 *   1. A layout is made with checked sums from a sealed job; afterwards sums of its parts fit.
 *   2. `steps` counts and step numbers below are of the covered steps, from 0; global step =
 *      first + number. */
#ifndef VD_TRACE_H
#define VD_TRACE_H
#include "verde.h"

#define VD_TRACE_HEADER_BYTES 256u
#define VD_TRAILER_BYTES 480u
#define VD_TRAILER_ROOT 192u
#define VD_TRAILER_KEY 224u
#define VD_TRAILER_BACKEND 256u
#define VD_TRAILER_SIGNATURE 320u
#define VD_TRAILER_SIGNED 384u
#define VD_TRAILER_END 388u /* zeros from here */

typedef struct {
    uint32_t *node_at;   /* [nodes + 1] offsets of node leaves in a step's record */
    uint64_t before;     /* bytes of a repeat's earlier phases                    */
} vd_phase_layout;

typedef struct {
    const vd_job *job;
    int claim, full;         /* full: records are step leaves and node leaves */
    uint64_t segment;        /* of a claim */
    uint64_t first, count;   /* covered steps */
    uint64_t node_count;     /* node leaves in the file */
    uint64_t repeat_bytes;   /* full traces */
    uint64_t *claim_at;      /* claims: [count + 1] offsets of records */
    vd_phase_layout *phases; /* where full */
    uint64_t job_bytes, records, trees, trailer, size;
} vd_layout;

/* segment -1: a trace. RO_ELIMIT when the file would be too large; RO_EUSAGE no such segment. */
ro_status vd_layout_make(ro_arena *a, const vd_job *j, uint64_t job_bytes, int64_t segment,
                         vd_layout *l, ro_err *err) RO_CHECKED;
/* Bytes of the records of the first `steps` covered steps, and the offset in the file of covered
 * step `number`'s record. */
uint64_t vd_layout_records(const vd_layout *l, uint64_t steps);
uint64_t vd_layout_step(const vd_layout *l, uint64_t number);
/* Offset of segment leaf `segment` (checkpoint traces). */
uint64_t vd_layout_segment(const vd_layout *l, uint64_t segment);
/* The trees of this file, first and second: kind, leaves, offset. 0: there is no such tree. */
typedef struct { vd_tree_kind kind; uint64_t leaves, at; } vd_tree_place;
int vd_layout_tree(const vd_layout *l, int which, vd_tree_place *p);
/* Hashes of all node leaves in the record of a step of this phase. */
void vd_node_leaf_hashes(const vd_layout *l, uint32_t phase, const uint8_t *record, uint8_t *out);
void vd_layout_header(const vd_layout *l, uint64_t size, uint8_t out[VD_TRACE_HEADER_BYTES]);

/* What must follow from the records at the end. */
typedef struct {
    vd_digest tree, outputs, last_state; /* roots of the first and second tree */
} vd_records_end;
/* Body bytes (192, padded) and root of what a file's records amount to. */
void vd_layout_body(const vd_layout *l, const vd_records_end *e, const vd_digest *trace_root,
                    uint8_t body[VD_TRACE_BODY_BYTES], vd_digest *root);

#endif
