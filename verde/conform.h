/* conform.h - ONNX's backend tests: folders of a model, inputs, and the outputs that are expected.
 * Private to the program. docs/ONNX.md says what passed, refused and wrong mean. */
#ifndef VD_CONFORM_H
#define VD_CONFORM_H
#include "verde.h"

#define VD_CASE_SECONDS 10u
#define VD_CASES_MAX 65536u

typedef enum { VD_CASE_PASSED, VD_CASE_REFUSED, VD_CASE_WRONG, VD_CASE_RESULTS } vd_case_result;
extern const char *const vd_case_results[VD_CASE_RESULTS]; /* "passed", "refused", "wrong" */

/* A case. What its model says is unknown (NULL, 0) where the model could not be read. */
typedef struct {
    const char *folder;
    const char *name;        /* the part of it below the suite's folder */
    vd_case_result result;
    const char *why;         /* "": it passed */
    const char *subject;     /* the operator that it is a case of; NULL: of none */
    const char **operators;  /* distinct, in the model's order, inner graphs and functions too; */
    uint32_t operator_count; /* other domains than ONNX's own stand before: "ai.onnx.ml.Scaler" */
    const char **dtypes;     /* distinct: of inputs, outputs and all tensors */
    uint32_t dtype_count;
    int64_t opset;           /* of ONNX's own operators, else of the first domain; 0: none */
} vd_case;

typedef struct {
    vd_case *cases; /* by name */
    uint32_t count;
    uint32_t total[VD_CASE_RESULTS];
} vd_suite;

/* Called when a case is done: how many are, of how many. */
typedef void vd_suite_progress(void *ctx, uint32_t done, uint32_t count);

/* Every folder with a model.onnx, at most four below the given one.
 *   returns   RO_OK; RO_ENOTFOUND there is none; RO_EIO, RO_ELIMIT, RO_ENOMEM                 */
ro_status vd_suite_find(const char *folder, ro_arena *arena, vd_suite *out, ro_err *err) RO_CHECKED;

/* What a case's model says, read in this process: operators, dtypes, opset, and the subject: its
 * first operator but Constant. A case NAME_expanded... is one of the case NAME's where there is
 * one: the same with its operator's function in place.
 *   returns   RO_OK; what vd_onnx_open says; RO_ENOMEM                                        */
ro_status vd_case_read(vd_case *c, ro_arena *arena, ro_err *err) RO_CHECKED;

/* Run every case, in a child process each, for VD_CASE_SECONDS at most; a child that crashes or
 * takes longer is a case that is wrong. What each case's result is does not hang on the others, nor
 * on `at_once`.
 *   at_once   children at a time; 0: as many as the machine has processors
 *   progress  may be NULL
 *   returns   RO_OK whatever the results; RO_EIO there are no processes to be had; RO_ENOMEM  */
ro_status vd_suite_run(vd_suite *s, uint32_t at_once, ro_arena *arena,
                       vd_suite_progress *progress, void *ctx, ro_err *err) RO_CHECKED;

#endif
