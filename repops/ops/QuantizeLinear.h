/* QuantizeLinear, DequantizeLinear - between numbers and the integers that stand for them.
 *   QuantizeLinear    F x, F scale, B zero    ->   B y      B an integer dtype of at most 32 bits
 *   DequantizeLinear  N x, F scale, N zero?   ->   F y      N likewise
 *   scale and zero broadcast to x
 *   QuantizeLinear    the whole number nearest to div(x, scale), ties to even, plus zero, the sum
 *                     in integers, then saturated; a NaN counts as 0 (rule 62)
 *   DequantizeLinear  mul(RN(x - zero), scale), the difference in integers
 *   gradients  none
 *   errors  RO_ESHAPE when scale or zero does not broadcast to x; RO_ETYPE another dtype
 *   cost    4 flops an element      source  ONNX QuantizeLinear-25, DequantizeLinear-25     */
#if defined(RO_PASS_ATTRS)
#define RO_QuantizeLinear_ATTRS(F)
#define RO_DequantizeLinear_ATTRS(F)
RO_ATTRS(QuantizeLinear);
RO_ATTRS(DequantizeLinear);
RO_FN uint64_t ro_quantized(ro_dtype d, double whole, int64_t zero)
{
    const int64_t far = INT64_C(1) << 40; /* beyond it every dtype here is saturated */
    int64_t v = ro_f64_to_i64(whole);
    return ro_saturated(d, (v < -far ? -far : v > far ? far : v) + zero);
}
#elif defined(RO_PASS_BODY)
#if RO_IS_FLOAT
RO_AT(QuantizeLinear)
{
    RO_T q = DIV(READ(r, 0, i), READ(r, 1, ro_broadcast_index(&r->out[0], &r->in[1], i)));
    int64_t zero = ro_read_i64(r, 2, ro_broadcast_index(&r->out[0], &r->in[2], i));
    (void)attrs;
    return ro_quantized(r->out[out].dtype, (double)RO_N(ro_whole)(q), zero);
}
#elif RO_IS_INT
RO_AT(DequantizeLinear)
{
    uint64_t s = ro_broadcast_index(&r->out[0], &r->in[1], i);
    int64_t x = ro_read_i64(r, 0, i);
    (void)attrs;
    if (ro_has(r, 2)) x -= ro_read_i64(r, 2, ro_broadcast_index(&r->out[0], &r->in[2], i));
    if (r->out[out].dtype == RO_F64)
        return ro_canon_f64(ro_mul_f64(ro_i64_to_f64(x), ro_read_f64(r, 1, s)));
    return ro_out_f32(r, out, ro_mul_f32(ro_i64_to_f32(x), ro_read_f32(r, 1, s)));
}
#endif
#elif defined(RO_PASS_HOST)
static ro_status ro_quantize_check(const ro_type *in, uint32_t n_in, ro_dtype integer, ro_err *err)
{
    char tx[96], ty[96];
    if (integer == RO_BOOL || ro_is_float(integer) || ro_dtypes[integer].size > 4)
        return RO_FAIL(err, RO_ETYPE, "%s is no dtype of quantized numbers; integers of at most "
                       "32 bits are", ro_dtypes[integer].name);
    for (uint32_t k = 1; k < n_in; k++) {
        ro_type y;
        if (!ro_given(in, n_in, k)) continue;
        RO_TRY(ro_broadcast(&in[0], &in[k], &y, err));
        if (!ro_type_equal(&y, &in[0]))
            return RO_FAIL(err, RO_ESHAPE, "input %u is %s, which does not broadcast to x, %s", k,
                           ro_type_text(&in[k], ty, sizeof ty),
                           ro_type_text(&in[0], tx, sizeof tx));
    }
    return RO_OK;
}
RO_INFER(QuantizeLinear)
{
    (void)attrs, (void)n_out;
    RO_TRY(ro_quantize_check(in, n_in, in[2].dtype, err));
    out[0] = in[0];
    out[0].dtype = in[2].dtype;
    return RO_OK;
}
RO_INFER(DequantizeLinear)
{
    (void)attrs, (void)n_out;
    RO_TRY(ro_quantize_check(in, n_in, in[0].dtype, err));
    out[0] = in[0];
    out[0].dtype = in[1].dtype;
    return RO_OK;
}
RO_FLOPS(QuantizeLinear)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 4;
}
#elif defined(RO_OP)
RO_OP(QuantizeLinear, AT, .version = 1, .signature = "F x, F scale, B zero -> B y",
      .at = RO_AT_FLOAT(QuantizeLinear), .infer = ro_QuantizeLinear_infer,
      .flops = ro_QuantizeLinear_flops, .reads = ro_reads_1)
RO_OP(DequantizeLinear, AT, .version = 1, .signature = "N x, F scale, N zero? -> F y",
      .at = RO_AT_INT(DequantizeLinear), .infer = ro_DequantizeLinear_infer,
      .flops = ro_QuantizeLinear_flops, .reads = ro_reads_1)
#endif
