/* ConstantOfShape - one element everywhere; bits are kept.
 *   (no inputs); u32 dtype, ints shape, u64 bits   ->   A y
 *   every element has the stored bits `bits`, low byte first in the canonical bytes
 *   gradient  none (nothing goes in)
 *   errors  RO_ETYPE a dtype that this version does not take; RO_EATTR bits that the dtype
 *           cannot hold, more than 8 or negative sizes
 *   cost    0 flops      source  ONNX ConstantOfShape-9 with a constant shape               */
#if defined(RO_PASS_ATTRS)
#define RO_ConstantOfShape_ATTRS(F) F(u32, dtype) F(ints, shape) F(u64, bits)
RO_ATTRS(ConstantOfShape);
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(ConstantOfShape)
{
    (void)r, (void)out, (void)i;
    return ((const ro_ConstantOfShape_attrs *)attrs)->bits;
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(ConstantOfShape)
{
    const ro_ConstantOfShape_attrs *t = (const ro_ConstantOfShape_attrs *)attrs;
    (void)in, (void)n_in, (void)n_out;
    if (t->dtype >= RO_DTYPE_LIMIT)
        return RO_FAIL(err, RO_ETYPE, "%u is not the code of a dtype", t->dtype);
    RO_TRY(ro_infer_shape((ro_dtype)t->dtype, &t->shape, &out[0], err));
    uint32_t size = ro_dtypes[t->dtype].size;
    if (size < 8 && t->bits >> (8 * size) != 0)
        return RO_FAIL(err, RO_EATTR, "bits %llx do not fit the %u bytes of a %s",
                       (unsigned long long)t->bits, size, ro_dtypes[t->dtype].name);
    return RO_OK;
}
static uint64_t ro_reads_0(RO_FLOPS_ARGS, uint32_t input)
{
    (void)attrs, (void)in, (void)n_in, (void)out, (void)input;
    return 0;
}
RO_GRAD(ConstantOfShape)
{
    (void)g, (void)node, (void)dy, (void)dx, (void)err;
    return RO_OK;
}
#elif defined(RO_OP)
RO_OP(ConstantOfShape, MOVE, .version = 1, .signature = "-> A y",
      .at = RO_AT_BITS(ConstantOfShape), .infer = ro_ConstantOfShape_infer, .flops = ro_flops_0,
      .reads = ro_reads_0, .grad = ro_ConstantOfShape_grad)
#endif
