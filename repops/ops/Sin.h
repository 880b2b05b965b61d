/* Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh - functions of angles and of
 * the hyperbola.
 *   F x   ->   F y
 *   y = the function of x      float32: the float nearest to the true value (rules 21 to 23);
 *       float64: the sequences of docs/ARITHMETIC.md, 3.4
 *   gradients  Sin mul(dy, cos(x)); Cos neg(mul(dy, sin(x))); Tan mul(dy, add(1, mul(y, y)));
 *              Asin div(dy, sqrt(sub(1, mul(x, x)))), Acos neg of that;
 *              Atan div(dy, add(1, mul(x, x))); Sinh mul(dy, cosh(x)); Cosh mul(dy, sinh(x));
 *              Asinh div(dy, sqrt(add(mul(x, x), 1))); Acosh div(dy, sqrt(sub(mul(x, x), 1)));
 *              Atanh div(dy, sub(1, mul(x, x)))
 *   errors  none
 *   cost    about 128 flops an element
 *   source  ONNX Sin-7, Cos-7, Tan-7, Asin-7, Acos-7, Atan-7, Sinh-9, Cosh-9, Asinh-9, Acosh-9,
 *           Atanh-9                                                                         */
#define RO_CURVES(F)                                                                              \
    F(Sin, sin) F(Cos, cos) F(Tan, tan) F(Asin, asin) F(Acos, acos) F(Atan, atan) F(Sinh, sinh)   \
    F(Cosh, cosh) F(Asinh, asinh) F(Acosh, acosh) F(Atanh, atanh)
#if defined(RO_PASS_ATTRS)
#define RO_Sin_ATTRS(F)
#define RO_Cos_ATTRS(F)
#define RO_Tan_ATTRS(F)
#define RO_Asin_ATTRS(F)
#define RO_Acos_ATTRS(F)
#define RO_Atan_ATTRS(F)
#define RO_Sinh_ATTRS(F)
#define RO_Cosh_ATTRS(F)
#define RO_Asinh_ATTRS(F)
#define RO_Acosh_ATTRS(F)
#define RO_Atanh_ATTRS(F)
#define RO_CURVE(op, function) RO_ATTRS(op);
RO_CURVES(RO_CURVE)
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
#define RO_CURVE(op, function)                                          \
    RO_FN RO_T RO_N(ro_##op##_map)(const ro_##op##_attrs *t, RO_T x)    \
    {                                                                   \
        (void)t;                                                        \
        return RO_N(ro_##function)(x);                                  \
    }                                                                   \
    RO_MAP1(op)
RO_CURVES(RO_CURVE)
#endif
#elif defined(RO_PASS_HOST)
static uint64_t ro_curve_flops(RO_FLOPS_ARGS)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 128;
}
/* of is Mul or Div: of(dy, function(x)). */
static ro_status ro_emit_slope(ro_graph *g, ro_op of, ro_value dy, ro_op function, ro_value x,
                               ro_value *dx, ro_err *err)
{
    ro_value v;
    RO_TRY(ro_emit1(g, function, NULL, x, &v, err));
    return ro_emit2(g, of, NULL, dy, v, dx, err);
}
/* v^2 and 1: add(v^2, 1), sub(v^2, 1) or, `swapped`, sub(1, v^2) and add(1, v^2). */
static ro_status ro_emit_square_and_one(ro_graph *g, ro_op of, ro_value v, int swapped,
                                        ro_value *out, ro_err *err)
{
    ro_value one, square;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, v)->dtype, 1, &one, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, v, v, &square, err));
    return ro_emit2(g, of, NULL, swapped ? one : square, swapped ? square : one, out, err);
}
RO_GRAD(Sin) { return ro_emit_slope(g, RO_OP_Mul, dy[0], RO_OP_Cos, node->in[0], &dx[0], err); }
RO_GRAD(Cos)
{
    RO_TRY(ro_emit_slope(g, RO_OP_Mul, dy[0], RO_OP_Sin, node->in[0], &dx[0], err));
    return ro_emit1(g, RO_OP_Neg, NULL, dx[0], &dx[0], err);
}
RO_GRAD(Tan)
{
    ro_value v;
    RO_TRY(ro_emit_square_and_one(g, RO_OP_Add, node->first_output, 1, &v, err));
    return ro_emit2(g, RO_OP_Mul, NULL, dy[0], v, &dx[0], err);
}
RO_GRAD(Asin)
{
    ro_value v;
    RO_TRY(ro_emit_square_and_one(g, RO_OP_Sub, node->in[0], 1, &v, err));
    return ro_emit_slope(g, RO_OP_Div, dy[0], RO_OP_Sqrt, v, &dx[0], err);
}
RO_GRAD(Acos)
{
    RO_TRY(ro_Asin_grad(g, node, dy, dx, err));
    return ro_emit1(g, RO_OP_Neg, NULL, dx[0], &dx[0], err);
}
RO_GRAD(Atan)
{
    ro_value v;
    RO_TRY(ro_emit_square_and_one(g, RO_OP_Add, node->in[0], 1, &v, err));
    return ro_emit2(g, RO_OP_Div, NULL, dy[0], v, &dx[0], err);
}
RO_GRAD(Sinh) { return ro_emit_slope(g, RO_OP_Mul, dy[0], RO_OP_Cosh, node->in[0], &dx[0], err); }
RO_GRAD(Cosh) { return ro_emit_slope(g, RO_OP_Mul, dy[0], RO_OP_Sinh, node->in[0], &dx[0], err); }
RO_GRAD(Asinh)
{
    ro_value v;
    RO_TRY(ro_emit_square_and_one(g, RO_OP_Add, node->in[0], 0, &v, err));
    return ro_emit_slope(g, RO_OP_Div, dy[0], RO_OP_Sqrt, v, &dx[0], err);
}
RO_GRAD(Acosh)
{
    ro_value v;
    RO_TRY(ro_emit_square_and_one(g, RO_OP_Sub, node->in[0], 0, &v, err));
    return ro_emit_slope(g, RO_OP_Div, dy[0], RO_OP_Sqrt, v, &dx[0], err);
}
RO_GRAD(Atanh)
{
    ro_value v;
    RO_TRY(ro_emit_square_and_one(g, RO_OP_Sub, node->in[0], 1, &v, err));
    return ro_emit2(g, RO_OP_Div, NULL, dy[0], v, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Sin, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Sin),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Sin_grad)
RO_OP(Cos, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Cos),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Cos_grad)
RO_OP(Tan, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Tan),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Tan_grad)
RO_OP(Asin, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Asin),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Asin_grad)
RO_OP(Acos, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Acos),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Acos_grad)
RO_OP(Atan, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Atan),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Atan_grad)
RO_OP(Sinh, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Sinh),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Sinh_grad)
RO_OP(Cosh, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Cosh),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Cosh_grad)
RO_OP(Asinh, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Asinh),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Asinh_grad)
RO_OP(Acosh, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Acosh),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Acosh_grad)
RO_OP(Atanh, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Atanh),
      .infer = ro_infer_same, .flops = ro_curve_flops, .reads = ro_reads_1, .grad = ro_Atanh_grad)
#endif
#undef RO_CURVES
#undef RO_CURVE
