/* host.h - what the host half of an operator file is written with: inference and cost
 * helpers, and emission of gradient nodes. Private to repops. Implemented in op_table.c
 * (inference, cost) and graph.c (emission). */
#ifndef RO_HOST_H
#define RO_HOST_H
#include "repops.h"

/* ---- inference -------------------------------------------------------------------------- */
#define RO_INFER_ARGS                                                                      \
    const void *attrs, const ro_type *in, uint32_t n_in, ro_type *out, uint32_t n_out, ro_err *err
#define RO_INFER(op) static ro_status ro_##op##_infer(RO_INFER_ARGS)
/* Output 0 has the type of input 0. */
ro_status ro_infer_same(RO_INFER_ARGS);
/* Output 0: inputs 0 and 1 broadcast (ONNX multidirectional), dtype of input 0. */
ro_status ro_infer_broadcast(RO_INFER_ARGS);
/* Broadcast two shapes into *out (dtype of a kept). */
ro_status ro_broadcast(const ro_type *a, const ro_type *b, ro_type *out, ro_err *err) RO_CHECKED;
/* Output 0 has the type of input 0, and input 1 must have its shape. */
ro_status ro_infer_alike(RO_INFER_ARGS);
/* A type from a list of sizes that an attribute gives. RO_EATTR, RO_ELIMIT. */
ro_status ro_infer_shape(ro_dtype dtype, const ro_ints *sizes, ro_type *out,
                         ro_err *err) RO_CHECKED;
/* RO_ESHAPE unless the shapes are equal, or t is a scalar (rank 0). */
ro_status ro_check_shapes(const ro_type *a, const char *a_name, const ro_type *b,
                          const char *b_name, ro_err *err) RO_CHECKED;
ro_status ro_check_scalar(const ro_type *t, const char *name, ro_err *err) RO_CHECKED;
/* RO_EATTR unless 0 or 1. */
ro_status ro_check_flag(uint32_t value, const char *name, ro_err *err) RO_CHECKED;
/* RO_EATTR unless x, the attribute `name`, is a finite number. */
ro_status ro_check_finite(double x, const char *name, ro_err *err) RO_CHECKED;
/* Is input k there (an optional one may be absent)? */
int ro_given(const ro_type *in, uint32_t n_in, uint32_t k);
/* Axis in [-rank, rank). */
ro_status ro_check_axis(int64_t axis, uint32_t rank, ro_err *err) RO_CHECKED;

/* ---- cost -------------------------------------------------------------------------------- */
#define RO_FLOPS_ARGS const void *attrs, const ro_type *in, uint32_t n_in, const ro_type *out
#define RO_FLOPS(op) static uint64_t ro_##op##_flops(RO_FLOPS_ARGS)
#define RO_READS(op) static uint64_t ro_##op##_reads(RO_FLOPS_ARGS, uint32_t input)
uint64_t ro_flops_0(RO_FLOPS_ARGS);
uint64_t ro_flops_1(RO_FLOPS_ARGS);
uint64_t ro_flops_2(RO_FLOPS_ARGS);
uint64_t ro_flops_32(RO_FLOPS_ARGS); /* a correctly rounded function: some 32 binary64 ones */
uint64_t ro_reads_1(RO_FLOPS_ARGS, uint32_t input);
uint64_t ro_saturating_mul(uint64_t a, uint64_t b);
uint64_t ro_saturating_add(uint64_t a, uint64_t b);

/* ---- gradients ----------------------------------------------------------------------------- */
#define RO_GRAD(op)                                                                        \
    static ro_status ro_##op##_grad(ro_graph *g, const ro_node *node, const ro_value *dy, \
                                    ro_value *dx, ro_err *err)
/* Append a node with n inputs and one output. */
ro_status ro_emit(ro_graph *g, ro_op op, const void *attrs, const ro_value *in, uint32_t n,
                  ro_value *out, ro_err *err) RO_CHECKED;
ro_status ro_emit1(ro_graph *g, ro_op op, const void *attrs, ro_value a, ro_value *out,
                   ro_err *err) RO_CHECKED;
ro_status ro_emit2(ro_graph *g, ro_op op, const void *attrs, ro_value a, ro_value b,
                   ro_value *out, ro_err *err) RO_CHECKED;
/* A scalar constant of a dtype from a binary64 (rounded once). */
ro_status ro_emit_scalar(ro_graph *g, ro_dtype dtype, double x, ro_value *out, ro_err *err)
    RO_CHECKED;
/* A tensor of one value. */
ro_status ro_emit_fill(ro_graph *g, const ro_type *type, double x, ro_value *out, ro_err *err)
    RO_CHECKED;
ro_status ro_emit_reshape(ro_graph *g, ro_value a, const ro_type *like, ro_value *out, ro_err *err)
    RO_CHECKED;
/* Where(is(x, bound), v, otherwise); is: a comparison. */
ro_status ro_emit_where(ro_graph *g, ro_op is, ro_value x, ro_value bound, ro_value v,
                        ro_value otherwise, ro_value *out, ro_err *err) RO_CHECKED;
/* Where(Less(x, 0), below, above). */
ro_status ro_emit_below_zero(ro_graph *g, ro_value x, ro_value below, ro_value above,
                             ro_value *out, ro_err *err) RO_CHECKED;
/* Sum dy over the axes along which `like` was broadcast: one ReduceSum over all of them, then
 * a Reshape (rule 43). No node when the shapes are equal. */
ro_status ro_emit_unbroadcast(ro_graph *g, ro_value dy, ro_value like, ro_value *out, ro_err *err)
    RO_CHECKED;
#endif
