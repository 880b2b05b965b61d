/* IsNaN, IsInf - what a float is.
 *   F x   ->   bool y
 *   IsNaN  y = x is a NaN
 *   IsInf  u32 detect_negative, detect_positive: y = x is -inf and the first is 1, or +inf and
 *          the second is 1
 *   gradient  none
 *   errors  RO_EATTR an attribute other than 0 and 1
 *   cost    1 flop an element      source  ONNX IsNaN-13, IsInf-10                         */
#if defined(RO_PASS_ATTRS)
#define RO_IsNaN_ATTRS(F)
#define RO_IsInf_ATTRS(F) F(u32, detect_negative) F(u32, detect_positive)
RO_ATTRS(IsNaN);
RO_ATTRS(IsInf);
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_AT(IsNaN)
{
    RO_T x = READ(r, 0, i);
    (void)attrs, (void)out;
    return x != x;
}
RO_AT(IsInf)
{
    const ro_IsInf_attrs *t = (const ro_IsInf_attrs *)attrs;
    RO_T x = READ(r, 0, i), rest = SUB(x, x);
    (void)out;
    return x == x && rest != rest && (x > 0 ? t->detect_positive : t->detect_negative);
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(IsNaN)
{
    RO_TRY(ro_infer_same(attrs, in, n_in, out, n_out, err));
    out[0].dtype = RO_BOOL;
    return RO_OK;
}
RO_INFER(IsInf)
{
    const ro_IsInf_attrs *t = attrs;
    RO_TRY(ro_check_flag(t->detect_negative, "detect_negative", err));
    RO_TRY(ro_check_flag(t->detect_positive, "detect_positive", err));
    return ro_IsNaN_infer(attrs, in, n_in, out, n_out, err);
}
#elif defined(RO_OP)
RO_OP(IsNaN, MAP, .version = 1, .signature = "F x -> bool y", .at = RO_AT_FLOAT(IsNaN),
      .infer = ro_IsNaN_infer, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(IsInf, MAP, .version = 1, .signature = "F x -> bool y", .at = RO_AT_FLOAT(IsInf),
      .infer = ro_IsInf_infer, .flops = ro_flops_1, .reads = ro_reads_1)
#endif
