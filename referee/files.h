/* files.h - answers from trace files, segment claims and stores, and what the host computes.
 * Private to verde-dispute and, for what a provider says, to verde-provide. */
#ifndef RF_FILES_H
#define RF_FILES_H
#include "child.h"
#include "referee.h"

typedef struct rf_tensor { /* one whose chunk tree was computed and fits its digest */
    struct rf_tensor *next;
    vd_digest digest;
    ro_type type;
    uint8_t *bytes; /* canonical; a copy of our own */
    uint8_t *tree;  /* all levels */
    const char *from; /* the store; NULL: zeros, or data of the job */
} rf_tensor;

/* Told of each answer that is offered to the game. from: the trace or store that it was found in,
 * NULL: computed here. */
typedef void rf_heard(void *ctx, const char *from, const void *bytes, size_t n, int accepted);

typedef struct {
    const vd_job *job;
    vd_trace **traces, **claims; /* with the room that rf_files_init was told of */
    vd_store **stores;
    uint32_t trace_count, claim_count, store_count;
    uint32_t party[RF_PARTIES_MAX], party_count; /* of the game: numbers of traces ..         */
    uint32_t filed[RF_CLAIMS_MAX], filed_count;  /* .. and of segment claims                  */
    const ro_backend *backend; /* of the fast kernels */
    rf_limits limits;          /* of a child; 0: what the job's own cost gives */
    rf_runner runner;          /* of the game: in a child too */
    vd_cost cost;              /* of the job, computed when it is first asked for */
    int has_cost;
    const vd_job *data_job;    /* NULL, or a job that was brought with its data */
    const void *const *data;   /* its constants in machine byte order, by number; NULL: not there */
    ro_arena *arena;
    const void **constants; /* NULL until asked for; by number */
    rf_tensor *tensors;
    uint8_t *path;          /* scratch of a chunk's path */
    uint64_t *parts, parts_count[RO_LEVELS_MAX], parts_step, parts_element; /* explained last */
    uint32_t parts_node, parts_output;
    vd_digest parts_inputs[RO_INPUTS_MAX];
    int stopped, alarm; /* a fault, or two implementations that differ: nobody is condemned */
    char stop_why[192];
    rf_verdict undecided;
    rf_heard *heard; /* NULL: nobody listens */
    void *heard_ctx;
    const char *from;
} rf_files;

/* Room for so many of each; what is put there is closed with the rest. */
ro_status rf_files_init(rf_files *f, uint32_t traces, uint32_t claims, uint32_t stores,
                        ro_err *err) RO_CHECKED;
void rf_files_release(rf_files *f);
/* Whether a segment claim is signed by who signed its trace: rf_claim.own. Without signatures on
 * either, whoever brought the files vouches for them. */
int rf_files_own_claim(const rf_files *f, uint32_t claim);
/* RO_ELIMIT when one element of the job costs more than this to judge: as `verde job check`. */
ro_status rf_files_admit(rf_files *f, uint64_t bytes, uint64_t flops, ro_err *err) RO_CHECKED;
/* What the job costs; what vd_job_cost returns. */
ro_status rf_files_cost(rf_files *f, const vd_cost **c, ro_err *err) RO_CHECKED;
/* The game of some traces, at most RF_PARTIES_MAX, and of the segment claims under their roots; its
 * bodies run in children, f is kept.
 *   returns   what rf_game_new returns; RO_EUSAGE also: a claim of none of all traces, too many */
ro_status rf_files_game(rf_files *f, const uint32_t *party, uint32_t count, rf_game **g,
                        ro_err *err) RO_CHECKED;
/* The game of a pair that a task plays, as far as its openings go; the first trace is one side.
 * f is kept. Its bodies run in this process.
 *   openings  as rf_game_replay takes them; borrowed
 *   open      out: what is asked then
 *   returns   what rf_game_new and rf_game_replay return; RO_EUSAGE the trace has neither root   */
ro_status rf_files_pair(rf_files *f, const vd_digest *task, const rf_party parties[2],
                        const void *openings, size_t n, rf_game **g, rf_question open[RF_OPEN_MAX],
                        uint32_t *count, ro_err *err) RO_CHECKED;
/* RO_EIO with a sentence, once a trace or claim could not be read any more: it was cut. */
ro_status rf_files_readable(const rf_files *f, ro_err *err) RO_CHECKED;
/* Answer an open question, or say that nobody can. RO_OK either way; RO_EIO as above; RO_ENOMEM.
 * In a window an explanation is told to whoever listens when the game admits it; the window stays.
 * What the host has to compute runs in a child (child.h). Its fault, or two implementations that
 * differ, stops the dispute: the game goes on to its end, and its verdict is not the verdict. */
ro_status rf_files_answer(rf_files *f, rf_game *g, const rf_question *q, ro_err *err) RO_CHECKED;
/* The verdict once nothing is open: the game's, or `undecided` with the reason. */
const rf_verdict *rf_files_verdict(rf_files *f, const rf_game *g);
/* Whether a claim of the game's party stands by that verdict. */
int rf_files_stands(const rf_files *f, const rf_game *g, uint32_t party);
/* Whether the kernel set that this trace names is at hand: what is computed is computed by it then,
 * and by the scalar bodies. */
int rf_files_ran(const rf_files *f, uint32_t trace);
/* Under its name complete or not at all. */
ro_status rf_write_file(const char *path, const void *bytes, uint64_t size, ro_err *err) RO_CHECKED;

/* How an element explains itself, put into a store for verde-dispute: the parts of all levels, to
 * be found under the digest of the output tensor. parts NULL: computed from `data`, the node's
 * whole inputs in machine byte order. docs/FORMATS.md, "The store". */
ro_status rf_explanation_put(const char *store, const rf_node *n, const vd_digest *output_digest,
                             uint32_t output, uint64_t element, const void *const *data,
                             const uint64_t *parts, ro_err *err) RO_CHECKED;
/* Into *parts (freed by ro_free) all parts, level by level, count[RO_LEVELS_MAX] of each. */
ro_status rf_explanation_get(const char *store, const rf_node *n, const vd_digest *output_digest,
                             uint32_t output, uint64_t element, uint64_t **parts, uint64_t *count,
                             uint32_t *levels, ro_err *err) RO_CHECKED;
#endif
