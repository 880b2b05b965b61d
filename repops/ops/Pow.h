/* Pow - x to the y.
 *   N x, N y of one dtype (broadcast, right-aligned); not f64   ->   N z
 *   f32       IEEE's special cases; otherwise in binary64 by squaring of |x| for a whole y up to
 *             1024, else exp64(mul(y, log64(|x|))); rounded once; negative for x < 0 with an odd
 *             y, NaN with a y that is not whole (rule 25)
 *   integers  products mod 2^w; y < 0 gives 0, but 1 for x = 1 and +-1 for x = -1 (rule 8)
 *   gradient  f32: mul(dy, mul(y, Pow(x, sub(y, 1)))) and mul(dy, mul(z, Log(x))); then rule 43
 *   errors  RO_ESHAPE when the shapes do not broadcast; RO_ETYPE f64 (rule 26)
 *   cost    32 flops an element      source  ONNX Pow-15                                    */
#if defined(RO_PASS_ATTRS)
#define RO_Pow_ATTRS(F)
RO_ATTRS(Pow);
/* The magnitude where neither x nor y is 0, infinite or NaN; `whole`: y is an integer. */
RO_FN float ro_pow_magnitude(float x, float y, int whole)
{
    double a = (double)ro_abs_f32(x), n = (double)ro_abs_f32(y), p;
    if (!whole || n > 1024.0) {
        p = ro_exp_f64(ro_mul_f64((double)y, ro_log_f64(a)));
        return ro_f64_to_f32(p);
    }
    p = ro_powi_f64(a, ro_f64_to_u64(n));
    return ro_f64_to_f32(y < 0 ? ro_div_f64(1.0, p) : p);
}
#elif defined(RO_PASS_BODY)
#if RO_IS_F32
RO_FN float ro_Pow_map_f32(const ro_Pow_attrs *t, float x, float y)
{
    uint32_t a = ro_f32_bits(ro_abs_f32(x)), n = ro_f32_bits(ro_abs_f32(y)), inf = 0x7f800000u;
    uint64_t up = ro_f64_to_u64((double)ro_abs_f32(y)); /* toward zero */
    int whole = n >= ro_f32_bits(0x1p24f) || ro_u64_to_f32(up) == ro_abs_f32(y);
    int odd = n < ro_f32_bits(0x1p24f) && whole && (up & 1);
    float z;
    (void)t;
    if (x == 1 || y == 0) return 1;
    if (a > inf || n > inf) return ro_bits_f32(RO_NAN_F32);
    if (n == inf) return x == -1 ? 1 : (ro_abs_f32(x) < 1) == (y < 0) ? ro_bits_f32(inf) : 0;
    if (a == 0 || a == inf) z = (a == 0) == (y < 0) ? ro_bits_f32(inf) : 0;
    else if (x < 0 && !whole) return ro_bits_f32(RO_NAN_F32);
    else z = ro_pow_magnitude(x, y, whole);
    return odd ? ro_sign_of_f32(z, x) : z;
}
RO_MAP2(Pow)
#elif RO_IS_INT
RO_FN RO_T RO_N(ro_Pow_map)(const ro_Pow_attrs *t, RO_T x, RO_T y)
{
    RO_T z = 1;
    (void)t;
#if RO_IS_I64
    if (y < 0) return x == 1 ? 1 : x != -1 ? 0 : y & 1 ? -1 : 1;
#endif
    for (uint64_t n = (uint64_t)y; n; n >>= 1) {
        if (n & 1) z = MUL(z, x);
        x = MUL(x, x);
    }
    return z;
}
RO_MAP2(Pow)
#endif
#elif defined(RO_PASS_HOST)
RO_GRAD(Pow)
{
    ro_value x = node->in[0], y = node->in[1], one, less, p, m, d;
    RO_TRY(ro_emit_scalar(g, ro_graph_type(g, dy[0])->dtype, 1, &one, err));
    RO_TRY(ro_emit2(g, RO_OP_Sub, NULL, y, one, &less, err));
    RO_TRY(ro_emit2(g, RO_OP_Pow, NULL, x, less, &p, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, y, p, &m, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], m, &d, err));
    RO_TRY(ro_emit_unbroadcast(g, d, x, &dx[0], err));
    RO_TRY(ro_emit1(g, RO_OP_Log, NULL, x, &p, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, node->first_output, p, &m, err));
    RO_TRY(ro_emit2(g, RO_OP_Mul, NULL, dy[0], m, &d, err));
    return ro_emit_unbroadcast(g, d, y, &dx[1], err);
}
#elif defined(RO_OP)
RO_OP(Pow, MAP, .version = 1, .signature = "N x, N y -> N z", .at = RO_AT_NO_F64(Pow),
      .infer = ro_infer_broadcast, .flops = ro_flops_32, .reads = ro_reads_1, .grad = ro_Pow_grad)
#endif
