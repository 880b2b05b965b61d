/* Add, Sub, Mul, Div - elementwise arithmetic.
 *   T a, T b (broadcast, right-aligned)   ->   T y
 *   y = add(a, b), sub(a, b), mul(a, b), div(a, b)      one rounding; integers mod 2^w,
 *       Div truncates toward zero, x / 0 = 0, INT_MIN / -1 = INT_MIN
 *   gradients  Add dy, dy; Sub dy, neg dy; Mul mul(dy, b), mul(dy, a);
 *              Div div(dy, b), neg(mul(dy, div(y, b))); then rule 43 over broadcast axes
 *   errors  RO_ESHAPE when the shapes do not broadcast; RO_ETYPE when dtypes differ
 *   cost    1 flop an element      source  ONNX Add-14, Sub-14, Mul-14, Div-14             */
#if defined(RO_PASS_ATTRS)
#define RO_Add_ATTRS(F)
#define RO_Sub_ATTRS(F)
#define RO_Mul_ATTRS(F)
#define RO_Div_ATTRS(F)
RO_ATTRS(Add);
RO_ATTRS(Sub);
RO_ATTRS(Mul);
RO_ATTRS(Div);
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_FN RO_T RO_N(ro_Add_map)(const ro_Add_attrs *t, RO_T a, RO_T b) { (void)t; return ADD(a, b); }
RO_FN RO_T RO_N(ro_Sub_map)(const ro_Sub_attrs *t, RO_T a, RO_T b) { (void)t; return SUB(a, b); }
RO_FN RO_T RO_N(ro_Mul_map)(const ro_Mul_attrs *t, RO_T a, RO_T b) { (void)t; return MUL(a, b); }
RO_FN RO_T RO_N(ro_Div_map)(const ro_Div_attrs *t, RO_T a, RO_T b) { (void)t; return DIV(a, b); }
RO_MAP2(Add)
RO_MAP2(Sub)
RO_MAP2(Mul)
RO_MAP2(Div)
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Add)
{
    RO_TRY(ro_emit_unbroadcast(g, dy[0], node->in[0], &dx[0], err));
    return ro_emit_unbroadcast(g, dy[0], node->in[1], &dx[1], err);
}
RO_GRAD(Sub)
{
    ro_value n;
    RO_TRY(ro_emit_unbroadcast(g, dy[0], node->in[0], &dx[0], err));
    RO_TRY(ro_emit1(g, RO_OP_Neg, NULL, dy[0], &n, err));
    return ro_emit_unbroadcast(g, n, node->in[1], &dx[1], err);
}
RO_GRAD(Mul)
{
    ro_value da, db;
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], node->in[1], &da, err));
    RO_TRY(ro_emit_unbroadcast(g, da, node->in[0], &dx[0], err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], node->in[0], &db, err));
    return ro_emit_unbroadcast(g, db, node->in[1], &dx[1], err);
}
RO_GRAD(Div)
{
    ro_value da, q, m, n;
    RO_TRY(ro_emit2(g, RO_OP_Div, NULL, dy[0], node->in[1], &da, err));
    RO_TRY(ro_emit_unbroadcast(g, da, node->in[0], &dx[0], err));
    RO_TRY(ro_emit2(g, RO_OP_Div, NULL, node->first_output, node->in[1], &q, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], q, &m, err));
    RO_TRY(ro_emit1(g, RO_OP_Neg, NULL, m, &n, err));
    return ro_emit_unbroadcast(g, n, node->in[1], &dx[1], err);
}
#elif defined(RO_OP)
RO_OP(Add, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_ALL(Add),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Add_grad)
RO_OP(Sub, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_ALL(Sub),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Sub_grad)
RO_OP(Mul, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_ALL(Mul),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Mul_grad)
RO_OP(Div, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_ALL(Div),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Div_grad)
#endif
