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
/* A float, exactly given as a binary64, in an integer dtype. */
RO_FN uint64_t ro_cast_to_int(ro_dtype d, double x)
{
    int64_t low = INT64_MIN, high = INT64_MAX, v;
    switch (d) {
    case RO_BOOL: return x != 0;
    case RO_U64: return ro_f64_to_u64(x);
    case RO_U8: low = 0, high = UINT8_MAX; break;
    case RO_U16: low = 0, high = UINT16_MAX; break;
    case RO_U32: low = 0, high = UINT32_MAX; break;
    case RO_I8: low = INT8_MIN, high = INT8_MAX; break;
    case RO_I16: low = INT16_MIN, high = INT16_MAX; break;
    case RO_I32: low = INT32_MIN, high = INT32_MAX; break;
    default: break;
    }
    v = ro_f64_to_i64(x);
    return ro_bits_of_i64(d, v < low ? low : v > high ? high : v);
}
#elif defined(RO_PASS_BODY)
#if !RO_IS_BITS
RO_AT(Cast)
{
    RO_T x = READ(r, 0, i);
    (void)attrs;
#if RO_IS_F32
    if (r->out[out].dtype == RO_F32) return ro_canon_f32(x);
    if (r->out[out].dtype == RO_F64) return ro_canon_f64((double)x);
    return ro_cast_to_int(r->out[out].dtype, (double)x);
#elif RO_IS_F64
    if (r->out[out].dtype == RO_F32) return ro_canon_f32(ro_f64_to_f32(x));
    if (r->out[out].dtype == RO_F64) return ro_canon_f64(x);
    return ro_cast_to_int(r->out[out].dtype, x);
#elif RO_IS_I64
    if (r->out[out].dtype == RO_F32) return ro_canon_f32(ro_i64_to_f32(x));
    if (r->out[out].dtype == RO_F64) return ro_canon_f64(ro_i64_to_f64(x));
    return ro_out_i64(r, out, x);
#else
    if (r->out[out].dtype == RO_F32) return ro_canon_f32(ro_u64_to_f32(x));
    if (r->out[out].dtype == RO_F64) return ro_canon_f64(ro_u64_to_f64(x));
    return ro_out_u64(r, out, x);
#endif
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Cast)
{
    uint32_t to = ((const ro_Cast_attrs *)attrs)->to;
    (void)n_in, (void)n_out;
    if (to >= RO_DTYPE_LIMIT || !ro_dtypes[to].supported)
        return RO_FAIL(err, RO_ETYPE, "Cast to dtype %u; this version does not take it", to);
    out[0] = in[0];
    out[0].dtype = (ro_dtype)to;
    return RO_OK;
}
static int ro_cast_float(ro_dtype d)
{
    return ro_dtypes[d].compute == RO_C_F32 || ro_dtypes[d].compute == RO_C_F64;
}
RO_GRAD(Cast)
{
    ro_Cast_attrs t = {0};
    ro_dtype from = ro_graph_type(g, node->in[0])->dtype;
    if (!ro_cast_float(from) || !ro_cast_float(ro_graph_type(g, dy[0])->dtype)) return RO_OK;
    t.to = (uint32_t)from;
    return ro_emit1(g, RO_OP_Cast, &t, dy[0], &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(Cast, AT, .version = 1, .signature = "A x -> B y", .at = RO_AT_ALL(Cast),
      .infer = ro_Cast_infer, .flops = ro_flops_1, .reads = ro_reads_1, .grad = ro_Cast_grad)
#endif
