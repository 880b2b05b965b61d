/* BitCast - the same bits as a number of another dtype of the same size.
 *   A x; u32 to (code of a dtype)   ->   B y
 *   gradient  none
 *   errors  RO_ETYPE a dtype that there is not, or of another size
 *   cost    0 flops      source  ONNX BitCast-26                                             */
#if defined(RO_PASS_ATTRS)
#define RO_BitCast_ATTRS(F) F(u32, to)
RO_ATTRS(BitCast);
#elif defined(RO_PASS_BODY)
#if RO_IS_BITS
RO_AT(BitCast) { (void)attrs, (void)out; return ro_read_bits(r, 0, i); }
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(BitCast)
{
    uint32_t to = ((const ro_BitCast_attrs *)attrs)->to;
    (void)n_in, (void)n_out;
    if (to >= RO_DTYPE_LIMIT || !ro_dtypes[to].name ||
        ro_dtypes[to].size != ro_dtypes[in[0].dtype].size)
        return RO_FAIL(err, RO_ETYPE, "BitCast of %s to dtype %u; one of as many bits is taken",
                       ro_dtypes[in[0].dtype].name, to);
    out[0] = in[0];
    out[0].dtype = (ro_dtype)to;
    return RO_OK;
}
#elif defined(RO_OP)
RO_OP(BitCast, MOVE, .version = 1, .signature = "A x -> B y", .at = RO_AT_BITS(BitCast),
      .infer = ro_BitCast_infer, .flops = ro_flops_0, .reads = ro_reads_1)
#endif
