/* Cast - the same number in another dtype.
 *   A x; u32 to (code of a dtype)   ->   y of dtype `to`
 *   float to float    rounded once; NaN becomes canonical, also where the dtype stays
 *   float to integer  truncated toward zero, then saturated; NaN gives 0 (rule 8)
 *   integer to float  rounded once; integer to integer wraps mod 2^w
 *   to bool           x != 0, so that NaN is true; from bool 0 or 1 (rule 3)
 *   gradient  float to float: Cast back; otherwise none
 *   errors  RO_ETYPE a dtype that this version does not take
 *   cost    1 flop an element      source  ONNX Cast-13                                    */
#if defined(RO_PASS_ATTRS)
#define RO_Cast_ATTRS(F) F(u32, to)
RO_ATTRS(Cast);
/* Of an integer dtype, but uint64. */
RO_FN void ro_integer_range(ro_dtype d, int64_t *low, int64_t *high)
{
    switch (d) {
    case RO_U8: *low = 0, *high = UINT8_MAX; break;
    case RO_U16: *low = 0, *high = UINT16_MAX; break;
    case RO_U32: *low = 0, *high = UINT32_MAX; break;
    case RO_I8: *low = INT8_MIN, *high = INT8_MAX; break;
    case RO_I16: *low = INT16_MIN, *high = INT16_MAX; break;
    case RO_I32: *low = INT32_MIN, *high = INT32_MAX; break;
    default: *low = INT64_MIN, *high = INT64_MAX; break;
    }
}
RO_FN uint64_t ro_saturated(ro_dtype d, int64_t v)
{
    int64_t low, high;
    ro_integer_range(d, &low, &high);
    return ro_bits_of_i64(d, v < low ? low : v > high ? high : v);
}
/* A float, exactly given as a binary64, in an integer dtype. */
RO_FN uint64_t ro_cast_to_int(ro_dtype d, double x)
{
    if (d == RO_BOOL) return x != 0;
    if (d == RO_U64) return ro_f64_to_u64(x);
    return ro_saturated(d, ro_f64_to_i64(x));
}
/* An integer, by sign and size, in any dtype. */
RO_FN uint64_t ro_bits_of_sized(ro_dtype d, int negative, uint64_t size)
{
    float odd;
    double x;
    switch (d) {
    case RO_F32:
        odd = ro_u64_to_f32(size);
        return ro_canon_f32(negative ? ro_neg_f32(odd) : odd);
    case RO_F64:
        x = ro_u64_to_f64(size);
        return ro_canon_f64(negative ? ro_neg_f64(x) : x);
    case RO_F16: case RO_BF16:
        odd = ro_u64_to_odd(size);
        return ro_bits_of_f32(d, negative ? ro_neg_f32(odd) : odd);
    default: return ro_bits_of_i64(d, (int64_t)(negative ? 0 - size : size));
    }
}
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_AT(Cast)
{
    RO_T x = READ(r, 0, i);
    (void)attrs;
#if RO_IS_F32
    if (ro_is_float(r->out[out].dtype)) return ro_bits_of_f32(r->out[out].dtype, x);
    return ro_cast_to_int(r->out[out].dtype, (double)x);
#elif RO_IS_F64
    if (ro_is_float(r->out[out].dtype)) return ro_bits_of_f64(r->out[out].dtype, x);
    return ro_cast_to_int(r->out[out].dtype, x);
#elif RO_IS_I64
    return ro_bits_of_sized(r->out[out].dtype, x < 0, x < 0 ? 0 - (uint64_t)x : (uint64_t)x);
#else
    return ro_bits_of_sized(r->out[out].dtype, 0, x);
#endif
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Cast)
{
    uint32_t to = ((const ro_Cast_attrs *)attrs)->to;
    (void)n_in, (void)n_out;
    if (to >= RO_DTYPE_LIMIT || !ro_dtypes[to].name)
        return RO_FAIL(err, RO_ETYPE, "Cast to dtype %u; this version does not take it", to);
    out[0] = in[0];
    out[0].dtype = (ro_dtype)to;
    return RO_OK;
}
RO_GRAD(Cast)
{
    ro_Cast_attrs t = {0};
    ro_dtype from = ro_graph_type(g, node->in[0])->dtype;
    if (!ro_is_float(from) || !ro_is_float(ro_graph_type(g, dy[0])->dtype)) return RO_OK;
    t.to = (uint32_t)from;
    return ro_emit1(g, RO_OP_Cast, &t, dy[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Cast, MAP, .version = 1, .signature = "A x -> B y", .at = RO_AT_ALL(Cast),
      .infer = ro_Cast_infer, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Cast_grad)
#endif
