/* builder.h - what the builders of training jobs share: model.c lays down layers, onnx_job.c the
 * model of a file, and training.c what is around them: batches, loss, rate and optimizer. Private
 * to verde.
 *
 * Invariants
 *   1. Everything a step computes is a node. The host computes attributes only, once.
 *   2. Slot 0 is the step. Streams of random numbers are numbered in the order of their creation;
 *      stream 0 draws the batches. */
#ifndef VD_BUILDER_H
#define VD_BUILDER_H
#include "verde.h"

#include <stdio.h>
#include <string.h>

typedef struct vd_builder {
    const vd_spec *spec;
    ro_arena *arena;
    ro_err *err;
    vd_job *job;
    ro_graph *graph;      /* of the phase being built */
    uint32_t params;      /* slots that are trained, */
    uint32_t *trained;    /* [params] in this order */
    uint32_t moments_at;  /* the optimizer's first slot; 0: not made yet */
    uint32_t streams;     /* used so far */
    ro_value *slot_value; /* [slot]: declared in the current graph, or RO_NO_VALUE */
    ro_value step;        /* counted from 0 at the first training step */
    /* model.c */
    uint32_t next_param;  /* while layers are laid down */
    double *bound;        /* [slot]: drawn from U(-bound, bound); 0: zeros; < 0: ones */
    /* onnx_job.c */
    const void **first;   /* [slot]: its first value; NULL: zeros */
    ro_value *running;    /* [slot]: of a running average, its value so far; else RO_NO_VALUE */
} builder;

/* ---- small pieces ------------------------------------------------------------------------ */

typedef struct { ro_op op; uint64_t bytes[RO_ATTRS_SIZE_MAX / 8]; } attrs;

static inline ro_status attrs_of(const char *name, attrs *a, ro_err *err)
{
    memset(a, 0, sizeof *a);
    a->op = ro_op_newest(name);
    if (a->op != RO_OP_COUNT) return RO_OK;
    return RO_FAIL(err, RO_EOP, "this program lacks the operator %s", name);
}

static inline ro_status set_int(attrs *a, const char *name, int64_t v, ro_err *err)
{
    return ro_attr_set_int(a->op, a->bytes, name, v, err);
}

static inline ro_status set_real(attrs *a, const char *name, double v, ro_err *err)
{
    return ro_attr_set_real(a->op, a->bytes, name, v, err);
}

static inline ro_status set_ints(attrs *a, const char *name, uint32_t n, const int64_t *v,
                                 ro_err *err)
{
    return ro_attr_set_ints(a->op, a->bytes, name, v, n, err);
}

static inline ro_status emit(builder *b, const attrs *a, uint32_t n, const ro_value *in,
                             ro_value *out)
{
    return ro_graph_node(b->graph, a->op, a->bytes, in, n, 1, out, b->err);
}

/* An operator without attributes. */
static inline ro_status plain(builder *b, const char *name, uint32_t n, const ro_value *in,
                              ro_value *out)
{
    attrs a;
    RO_TRY(attrs_of(name, &a, b->err));
    return emit(b, &a, n, in, out);
}

static inline ro_status binary(builder *b, const char *name, ro_value x, ro_value y, ro_value *out)
{
    ro_value in[2] = {x, y};
    return plain(b, name, 2, in, out);
}

static inline ro_status fill(builder *b, const ro_type *t, uint64_t bits, ro_value *out)
{
    attrs a;
    RO_TRY(attrs_of("ConstantOfShape", &a, b->err));
    RO_TRY(set_int(&a, "dtype", (int64_t)t->dtype, b->err));
    RO_TRY(set_ints(&a, "shape", t->rank, t->dims, b->err));
    RO_TRY(set_int(&a, "bits", (int64_t)bits, b->err));
    return emit(b, &a, 0, NULL, out);
}

static inline ro_status scalar(builder *b, ro_dtype d, double x, ro_value *out)
{
    ro_type t = ro_type_of(d, 0, NULL);
    return fill(b, &t, ro_bits_of_number(d, x), out);
}

static inline ro_status cast(builder *b, ro_value x, ro_dtype to, ro_value *out)
{
    attrs a;
    *out = x;
    if (ro_graph_type(b->graph, x)->dtype == to) return RO_OK;
    RO_TRY(attrs_of("Cast", &a, b->err));
    RO_TRY(set_int(&a, "to", (int64_t)to, b->err));
    return emit(b, &a, 1, &x, out);
}

static inline ro_status reshape(builder *b, ro_value x, uint32_t rank, const int64_t *dims,
                                ro_value *out)
{
    attrs a;
    RO_TRY(attrs_of("Reshape", &a, b->err));
    RO_TRY(set_ints(&a, "shape", rank, dims, b->err));
    return emit(b, &a, 1, &x, out);
}

/* ---- training.c ---------------------------------------------------------------------------- */

/* A job of so many phases, with room for its slots, the first of which is made. */
ro_status vd_build_new(builder *b, const vd_spec *s, ro_arena *arena, uint32_t phases, ro_err *err)
    RO_CHECKED;
ro_status vd_build_phase(builder *b, uint32_t phase, uint64_t steps) RO_CHECKED;
ro_status vd_build_slot(builder *b, const char *name, const ro_type *type, uint32_t *index)
    RO_CHECKED;
/* Its value, declared in the graph at the first use. */
ro_status vd_build_use(builder *b, uint32_t index, ro_value *out) RO_CHECKED;
/* RO_ELIMIT unless batch and steps are of what is allowed for so much data. */
ro_status vd_build_check(const vd_spec *s, ro_err *err) RO_CHECKED;

/* The step's places in the data, a permutation of it in each epoch; what is there. */
ro_status vd_build_draw(builder *b, ro_value *indices) RO_CHECKED;
ro_status vd_build_batch(builder *b, ro_value data, ro_value indices, ro_value *out) RO_CHECKED;
/* x scale, - mean, / deviation, where they are not neutral. */
ro_status vd_build_scale(builder *b, ro_value *x) RO_CHECKED;
/* Dropout of a ratio in (0, 1), by the next stream. */
ro_status vd_build_dropout(builder *b, double ratio, uint32_t stream, ro_value x, ro_value *y)
    RO_CHECKED;
/* Of the first output of the layers, or of a model, and the labels. */
ro_status vd_build_loss(builder *b, ro_value logits, ro_value labels, ro_value *loss) RO_CHECKED;
/* Slots that the optimizer keeps, once; gradients of the trained slots, and their next values; the
 * loss as the step's output.
 *   *stuck    out: the node without a gradient, when that is why it fails; else UINT32_MAX      */
ro_status vd_build_update(builder *b, ro_value loss, uint32_t *stuck) RO_CHECKED;

#endif
