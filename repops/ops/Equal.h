/* Equal, Greater, GreaterOrEqual, Less, LessOrEqual - comparisons.
 *   Equal    A a, A b (broadcast, right-aligned)   ->   bool y = a == b
 *   others   N a, N b (broadcast, right-aligned)   ->   bool y = a > b, a >= b, a < b, a <= b
 *   IEEE for floats: a NaN compares false, -0 equals +0 (rule 4); bools as 0 or 1
 *   gradient  none
 *   errors  RO_ESHAPE when the shapes do not broadcast
 *   cost    1 flop an element      source  ONNX Equal-13, Greater-13, GreaterOrEqual-16,
 *                                          Less-13, LessOrEqual-16                        */
#if defined(RO_PASS_ATTRS)
#define RO_Equal_ATTRS(F)
#define RO_Greater_ATTRS(F)
#define RO_GreaterOrEqual_ATTRS(F)
#define RO_Less_ATTRS(F)
#define RO_LessOrEqual_ATTRS(F)
RO_ATTRS(Equal);
RO_ATTRS(Greater);
RO_ATTRS(GreaterOrEqual);
RO_ATTRS(Less);
RO_ATTRS(LessOrEqual);
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
#define RO_COMPARE(op, sign)                                               \
    RO_AT(op)                                                              \
    {                                                                      \
        RO_T a = READ(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i)); \
        RO_T b = READ(r, 1, ro_broadcast_index(&r->out[0], &r->in[1], i)); \
        (void)attrs, (void)out;                                            \
        return a sign b;                                                   \
    }
RO_COMPARE(Equal, ==)
RO_COMPARE(Greater, >)
RO_COMPARE(GreaterOrEqual, >=)
RO_COMPARE(Less, <)
RO_COMPARE(LessOrEqual, <=)
#undef RO_COMPARE
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_compare_infer(RO_INFER_ARGS)
{
    RO_TRY(ro_infer_broadcast(attrs, in, n_in, out, n_out, err));
    out[0].dtype = RO_BOOL;
    return RO_OK;
}
#elif defined(RO_OP)
RO_OP(Equal, MAP, .version = 1, .signature = "A a, A b -> bool y", .at = RO_AT_ALL(Equal),
      .infer = ro_compare_infer, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(Greater, MAP, .version = 1, .signature = "N a, N b -> bool y", .at = RO_AT_ALL(Greater),
      .infer = ro_compare_infer, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(GreaterOrEqual, MAP, .version = 1, .signature = "N a, N b -> bool y",
      .at = RO_AT_ALL(GreaterOrEqual), .infer = ro_compare_infer, .flops = ro_flops_1,
      .reads = ro_reads_1)
RO_OP(Less, MAP, .version = 1, .signature = "N a, N b -> bool y", .at = RO_AT_ALL(Less),
      .infer = ro_compare_infer, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(LessOrEqual, MAP, .version = 1, .signature = "N a, N b -> bool y",
      .at = RO_AT_ALL(LessOrEqual), .infer = ro_compare_infer, .flops = ro_flops_1,
      .reads = ro_reads_1)
#endif
