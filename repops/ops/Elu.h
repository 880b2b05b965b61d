/* Elu, Selu, Celu, Swish - activations with an exponential.
 *   Elu, Celu   F x; f32 alpha           ->   F y
 *   Selu        F x; f32 alpha, gamma    ->   F y
 *   Swish       F x; f32 alpha           ->   F y
 *   Elu         x < 0 ? mul(alpha, expm1(x)) : x, so that -0 and a NaN stay (rule 6)
 *   Selu        mul(gamma, Elu(x))
 *   Celu        x < 0 ? mul(alpha, expm1(div(x, alpha))) : x
 *   Swish       mul(x, sigmoid(mul(alpha, x)))
 *   each function rounded as in docs/ARITHMETIC.md, 3; an alpha of 0 is computed literally
 *   gradients  Elu Where(Less(x, 0), mul(dy, add(y, alpha)), dy);
 *              Selu Where(Less(x, 0), mul(dy, add(y, mul(gamma, alpha))), mul(dy, gamma));
 *              Celu Where(Less(x, 0), mul(dy, add(div(y, alpha), 1)), dy);
 *              Swish with s = sigmoid(mul(alpha, x)):
 *              mul(dy, add(s, mul(alpha, mul(y, sub(1, s)))))
 *   errors  none
 *   cost    about 64 flops an element      source  ONNX Elu-6, Selu-6, Celu-12, Swish-24       */
#if defined(RO_PASS_ATTRS)
#define RO_Elu_ATTRS(F) F(f32, alpha)
#define RO_Selu_ATTRS(F) F(f32, alpha) F(f32, gamma)
#define RO_Celu_ATTRS(F) F(f32, alpha)
#define RO_Swish_ATTRS(F) F(f32, alpha)
RO_ATTRS(Elu);
RO_ATTRS(Selu);
RO_ATTRS(Celu);
RO_ATTRS(Swish);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_Elu_map)(const ro_Elu_attrs *t, RO_T x)
{
    RO_T y = MUL((RO_T)t->alpha, RO_N(ro_expm1)(x));
    return x < 0 ? y : x;
}
RO_FN RO_T RO_N(ro_Selu_map)(const ro_Selu_attrs *t, RO_T x)
{
    RO_T y = MUL((RO_T)t->alpha, RO_N(ro_expm1)(x));
    return MUL((RO_T)t->gamma, x < 0 ? y : x);
}
RO_FN RO_T RO_N(ro_Celu_map)(const ro_Celu_attrs *t, RO_T x)
{
    RO_T alpha = (RO_T)t->alpha, y = MUL(alpha, RO_N(ro_expm1)(DIV(x, alpha)));
    return x < 0 ? y : x;
}
RO_FN RO_T RO_N(ro_Swish_map)(const ro_Swish_attrs *t, RO_T x)
{
    return MUL(x, RO_N(ro_sigmoid)(MUL((RO_T)t->alpha, x)));
}
RO_MAP1(Elu)
RO_MAP1(Selu)
RO_MAP1(Celu)
RO_MAP1(Swish)
#endif
#elif defined(RO_PASS_HOST)
static uint64_t ro_elu_flops(RO_FLOPS_ARGS)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 64;
}
/* mul(dy, add(v, c)) where x < 0, `above` elsewhere. */
static ro_status ro_elu_grad(ro_graph *g, const ro_node *node, ro_value dy, ro_value v, double c,
                             ro_value above, ro_value *dx, ro_err *err)
{
    ro_value k;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy)->dtype, c, &k, err));
    RO_TRY(ro_emit2(g, RO_OP_Add, NULL, v, k, &k, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy, k, &k, err));
    return ro_emit_below_zero(g, node->in[0], k, above, dx, err);
}
RO_GRAD(Elu)
{
    double alpha = (double)((const ro_Elu_attrs *)node->attrs)->alpha;
    return ro_elu_grad(g, node, dy[0], node->first_output, alpha, dy[0], &dx[0], err);
}
RO_GRAD(Selu)
{
    const ro_Selu_attrs *t = node->attrs;
    double alpha = (double)t->alpha, gamma = (double)t->gamma;
    ro_value k;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, gamma, &k, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], k, &k, err));
    return ro_elu_grad(g, node, dy[0], node->first_output, gamma * alpha, k, &dx[0], err);
}
RO_GRAD(Celu)
{
    double alpha = (double)((const ro_Celu_attrs *)node->attrs)->alpha;
    ro_value v;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, alpha, &v, err));
    RO_TRY(ro_emit2(g, RO_OP_Div, NULL, node->first_output, v, &v, err));
    return ro_elu_grad(g, node, dy[0], v, 1, dy[0], &dx[0], err);
}
RO_GRAD(Swish)
{
    double real = (double)((const ro_Swish_attrs *)node->attrs)->alpha;
    ro_dtype d = ro_graph_type(g, dy[0])->dtype;
    ro_value alpha, one, s, v;
    RO_TRY(ro_emit_scalar(g, d, real, &alpha, err));
    RO_TRY(ro_emit_scalar(g, d, 1, &one, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, alpha, node->in[0], &s, err));
    RO_TRY(ro_emit1(g, RO_OP_Sigmoid, NULL, s, &s, err));
    RO_TRY(ro_emit2(g, RO_OP_Sub, NULL, one, s, &v, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, node->first_output, v, &v, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, alpha, v, &v, err));
    RO_TRY(ro_emit2(g, RO_OP_Add, NULL, s, v, &v, err));
    return ro_emit2(g, RO_OP_Mul, NULL, dy[0], v, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Elu, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Elu),
      .infer = ro_infer_same, .flops = ro_elu_flops, .reads = ro_reads_1, .grad = ro_Elu_grad)
RO_OP(Selu, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Selu),
      .infer = ro_infer_same, .flops = ro_elu_flops, .reads = ro_reads_1, .grad = ro_Selu_grad)
RO_OP(Celu, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Celu),
      .infer = ro_infer_same, .flops = ro_elu_flops, .reads = ro_reads_1, .grad = ro_Celu_grad)
RO_OP(Swish, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Swish),
      .infer = ro_infer_same, .flops = ro_elu_flops, .reads = ro_reads_1, .grad = ro_Swish_grad)
#endif
