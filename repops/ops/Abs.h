/* Abs, Sign, Floor, Ceil, Round, Reciprocal - sign, whole numbers and 1/x.
 *   Abs, Sign                 N x   ->   N y
 *   Floor, Ceil, Round        F x   ->   F y
 *   Reciprocal                F x   ->   F y = div(1, x)
 *   Abs clears the sign bit; Abs of INT_MIN is INT_MIN (rule 7). Sign(+-0) is the same zero and
 *   Sign(NaN) a NaN; Round takes ties to even; Floor, Ceil and Round keep the sign of x, so
 *   that Ceil(-0.5) = -0 (rule 5)
 *   gradients  Abs mul(dy, Sign(x)); Reciprocal neg(mul(dy, mul(y, y))); Sign zero; the others none
 *   errors  none
 *   cost    1 flop an element      source  ONNX Abs-13, Sign-13, Floor-13, Ceil-13, Round-11,
 *                                          Reciprocal-13                                  */
#if defined(RO_PASS_ATTRS)
#define RO_Abs_ATTRS(F)
#define RO_Sign_ATTRS(F)
#define RO_Floor_ATTRS(F)
#define RO_Ceil_ATTRS(F)
#define RO_Round_ATTRS(F)
#define RO_Reciprocal_ATTRS(F)
RO_ATTRS(Abs);
RO_ATTRS(Sign);
RO_ATTRS(Floor);
RO_ATTRS(Ceil);
RO_ATTRS(Round);
RO_ATTRS(Reciprocal);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_FN RO_T RO_N(ro_Abs_map)(const ro_Abs_attrs *t, RO_T a) { (void)t; return RO_N(ro_abs)(a); }
RO_FN RO_T RO_N(ro_Sign_map)(const ro_Sign_attrs *t, RO_T a)
{
    (void)t;
    return a > 0 ? 1 : a < 0 ? -1 : a;
}
/* y with the sign bit of x. */
RO_FN RO_T RO_N(ro_signed_as)(RO_T y, RO_T x)
{
#if RO_IS_F32
    return ro_sign_of_f32(y, x);
#else
    uint64_t sign = UINT64_C(1) << 63;
    return ro_bits_f64((ro_f64_bits(y) & ~sign) | (ro_f64_bits(x) & sign));
#endif
}
/* Adding and taking away 2^23 (2^52) rounds what lies below to a whole number, half to even. */
RO_FN RO_T RO_N(ro_whole)(RO_T x)
{
    RO_T whole = (RO_T)(RO_IS_F32 ? 0x1p23 : 0x1p52), a = RO_N(ro_abs)(x);
    RO_T y = SUB(ADD(a, whole), whole);
    return RO_N(ro_signed_as)(a < whole ? y : a, x);
}
RO_FN RO_T RO_N(ro_Round_map)(const ro_Round_attrs *t, RO_T a)
{
    (void)t;
    return RO_N(ro_whole)(a);
}
RO_FN RO_T RO_N(ro_Floor_map)(const ro_Floor_attrs *t, RO_T a)
{
    RO_T y = RO_N(ro_whole)(a);
    (void)t;
    return RO_N(ro_signed_as)(y > a ? SUB(y, 1) : y, a);
}
RO_FN RO_T RO_N(ro_Ceil_map)(const ro_Ceil_attrs *t, RO_T a)
{
    RO_T y = RO_N(ro_whole)(a);
    (void)t;
    return RO_N(ro_signed_as)(y < a ? ADD(y, 1) : y, a);
}
RO_FN RO_T RO_N(ro_Reciprocal_map)(const ro_Reciprocal_attrs *t, RO_T a)
{
    (void)t;
    return DIV(1, a);
}
RO_MAP1(Abs)
RO_MAP1(Sign)
RO_MAP1(Round)
RO_MAP1(Floor)
RO_MAP1(Ceil)
RO_MAP1(Reciprocal)
#elif RO_IS_I64
RO_FN RO_T RO_N(ro_Abs_map)(const ro_Abs_attrs *t, RO_T a) { (void)t; return a < 0 ? NEG(a) : a; }
RO_FN RO_T RO_N(ro_Sign_map)(const ro_Sign_attrs *t, RO_T a)
{
    (void)t;
    return a > 0 ? 1 : a < 0 ? -1 : 0;
}
RO_MAP1(Abs)
RO_MAP1(Sign)
#elif RO_IS_U64
RO_FN RO_T RO_N(ro_Abs_map)(const ro_Abs_attrs *t, RO_T a) { (void)t; return a; }
RO_FN RO_T RO_N(ro_Sign_map)(const ro_Sign_attrs *t, RO_T a) { (void)t; return a != 0; }
RO_MAP1(Abs)
RO_MAP1(Sign)
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Abs)
{
    ro_value s;
    RO_TRY(ro_emit1(g, RO_OP_Sign, NULL, node->in[0], &s, err));
    return ro_emit2(g, RO_OP_Mul, NULL, dy[0], s, &dx[0], err);
}
/* Nothing comes back: its slope is 0 wherever it has one. */
RO_GRAD(Sign)
{
    (void)g, (void)node, (void)dy, (void)dx, (void)err;
    return RO_OK;
}
RO_GRAD(Reciprocal)
{
    ro_value y = node->first_output, square, m;
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, y, y, &square, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], square, &m, err));
    return ro_emit1(g, RO_OP_Neg, NULL, m, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Abs, MAP, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(Abs),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Abs_grad)
RO_OP(Sign, MAP, .version = 1, .signature = "N x -> N y", .at = RO_AT_ALL(Sign),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Sign_grad)
RO_OP(Floor, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Floor),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(Ceil, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Ceil),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(Round, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Round),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(Reciprocal, MAP, .version = 1, .signature = "F x -> F y", .at = RO_AT_FLOAT(Reciprocal),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1,
      .grad = ro_Reciprocal_grad)
#endif
