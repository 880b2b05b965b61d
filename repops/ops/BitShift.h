/* BitShift, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot - integers as bits.
 *   BitShift           integers a, b (broadcast, right-aligned); u32 direction: 0 LEFT,
 *                      1 RIGHT   ->   y
 *   BitwiseAnd, ..     integers a, b (broadcast, right-aligned)   ->   y
 *   BitwiseNot         integer x   ->   y
 *   on the bits of two's complement; a right shift brings zeros in; b is read without a sign,
 *   and a shift by as many bits as the dtype has, or more, gives 0 (rule 7)
 *   gradient  none
 *   errors  RO_ESHAPE when the shapes do not broadcast; RO_EATTR another direction; RO_ETYPE
 *           floats
 *   cost    1 flop an element      source  ONNX BitShift-11, BitwiseAnd-18, BitwiseOr-18,
 *                                          BitwiseXor-18, BitwiseNot-18                    */
#if defined(RO_PASS_ATTRS)
#define RO_BitShift_ATTRS(F) F(u32, direction)
#define RO_BitwiseAnd_ATTRS(F)
#define RO_BitwiseOr_ATTRS(F)
#define RO_BitwiseXor_ATTRS(F)
#define RO_BitwiseNot_ATTRS(F)
RO_ATTRS(BitShift);
RO_ATTRS(BitwiseAnd);
RO_ATTRS(BitwiseOr);
RO_ATTRS(BitwiseXor);
RO_ATTRS(BitwiseNot);
RO_FN uint32_t ro_bits_in(ro_dtype d)
{
    switch (d) {
    case RO_I64: case RO_U64: return 64;
    case RO_I32: case RO_U32: return 32;
    case RO_I16: case RO_U16: return 16;
    default: return 8;
    }
}
#elif defined(RO_PASS_BODY)
#if RO_IS_INT
RO_AT(BitShift)
{
    uint64_t a = ro_read_bits(r, 0, ro_broadcast_index(&r->out[0], &r->in[0], i));
    uint64_t b = ro_read_bits(r, 1, ro_broadcast_index(&r->out[0], &r->in[1], i));
    if (b >= ro_bits_in(r->out[out].dtype)) return 0;
    return ro_out_u64(r, out, ((const ro_BitShift_attrs *)attrs)->direction ? a >> b : a << b);
}
#define RO_BITWISE(op, sign)                                           \
    RO_FN RO_T RO_N(ro_##op##_map)(const ro_##op##_attrs *t, RO_T a, RO_T b) \
    {                                                                  \
        (void)t;                                                       \
        return a sign b;                                               \
    }                                                                  \
    RO_MAP2(op)
RO_BITWISE(BitwiseAnd, &)
RO_BITWISE(BitwiseOr, |)
RO_BITWISE(BitwiseXor, ^)
#undef RO_BITWISE
RO_FN RO_T RO_N(ro_BitwiseNot_map)(const ro_BitwiseNot_attrs *t, RO_T a) { (void)t; return ~a; }
RO_MAP1(BitwiseNot)
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(BitShift)
{
    RO_TRY(ro_check_flag(((const ro_BitShift_attrs *)attrs)->direction, "direction", err));
    return ro_infer_broadcast(attrs, in, n_in, out, n_out, err);
}
#elif defined(RO_OP)
RO_OP(BitShift, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_INT(BitShift),
      .infer = ro_BitShift_infer, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(BitwiseAnd, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_INT(BitwiseAnd),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(BitwiseOr, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_INT(BitwiseOr),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(BitwiseXor, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_INT(BitwiseXor),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(BitwiseNot, MAP, .version = 1, .signature = "N x -> N y", .at = RO_AT_INT(BitwiseNot),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1)
#endif
