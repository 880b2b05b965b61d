/* LearningRate - the rate of a step.
 *   i64 step (scalar); u32 kind, f64 base, f64 min, u64 warmup, u64 total, f64 gamma, u64 period
 *   ->   f32 rate (scalar)
 *   In binary64, then rounded once to f32; t = step, unsigned, W = warmup, T = total (rule 58):
 *   t < W                div(mul(base, t + 1), W), whatever the kind
 *   kind 0, constant     add(min, mul(sub(base, min), 1))
 *   kind 1, linear       t >= T: min; u = div(T - t, T - W); add(min, mul(sub(base, min), u))
 *   kind 2, cosine       likewise with mul(s, s) for u, s = sin2pi(mul(0.25, RN32(u))) in f32
 *   kind 3, step         Max(mul(base, gamma^floor((t - W) / period)), min)
 *   kind 4, exponential  Max(mul(base, gamma^(t - W)), min)
 *   powers as in rule 25: by squaring, lowest bit first; integers are rounded to binary64
 *   gradient  none
 *   errors  RO_ESHAPE step is no scalar; RO_EATTR an unknown kind, kind 3 with period 0
 *   cost    about 200 flops      source  definition
 *
 * The cosine is sin^2 of a quarter turn: 0.5 (1 + cos) cancels near the end. */
#if defined(RO_PASS_ATTRS)
#define RO_LearningRate_ATTRS(F) F(u32, kind) F(f64, base) F(f64, min) F(u64, warmup) \
    F(u64, total) F(f64, gamma) F(u64, period)
RO_ATTRS(LearningRate);
enum { RO_RATE_CONSTANT, RO_RATE_LINEAR, RO_RATE_COSINE, RO_RATE_STEP, RO_RATE_EXPONENTIAL };

RO_FN double ro_rate(const ro_LearningRate_attrs *a, uint64_t t)
{
    double u = 1.0, range = ro_sub_f64(a->base, a->min);
    if (t < a->warmup)
        return ro_div_f64(ro_mul_f64(a->base, ro_u64_to_f64(t + 1)), ro_u64_to_f64(a->warmup));
    if (a->kind == RO_RATE_STEP || a->kind == RO_RATE_EXPONENTIAL) {
        uint64_t n = t - a->warmup;
        if (a->kind == RO_RATE_STEP) n /= a->period;
        double y = ro_mul_f64(a->base, ro_powi_f64(a->gamma, n));
        return ro_order_f64(y) > ro_order_f64(a->min) ? y : a->min;
    }
    if (a->kind != RO_RATE_CONSTANT) {
        if (t >= a->total) return a->min;
        u = ro_div_f64(ro_u64_to_f64(a->total - t), ro_u64_to_f64(a->total - a->warmup));
    }
    if (a->kind == RO_RATE_COSINE) {
        double s = (double)ro_sin2pi_f32(ro_mul_f32(0.25f, ro_f64_to_f32(u)));
        u = ro_mul_f64(s, s);
    }
    return ro_add_f64(a->min, ro_mul_f64(range, u));
}
#elif defined(RO_PASS_BODY)
#if RO_IS_I64
RO_AT(LearningRate)
{
    const ro_LearningRate_attrs *t = (const ro_LearningRate_attrs *)attrs;
    (void)i;
    return ro_out_f32(r, out, ro_f64_to_f32(ro_rate(t, ro_read_u64(r, 0, 0))));
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(LearningRate)
{
    const ro_LearningRate_attrs *t = (const ro_LearningRate_attrs *)attrs;
    (void)n_in, (void)n_out;
    RO_TRY(ro_check_scalar(&in[0], "step", err));
    if (t->kind > RO_RATE_EXPONENTIAL)
        return RO_FAIL(err, RO_EATTR, "the kind of schedule is %u; 0 to %u are known", t->kind,
                       (unsigned)RO_RATE_EXPONENTIAL);
    if (t->kind == RO_RATE_STEP && t->period == 0)
        return RO_FAIL(err, RO_EATTR, "the period of a step schedule is 0; 1 or more is allowed");
    out[0] = ro_type_of(RO_F32, 0, NULL);
    return RO_OK;
}
RO_FLOPS(LearningRate)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 200;
}
#elif defined(RO_OP)
RO_OP(LearningRate, AT, .version = 1, .signature = "i64 step -> f32 rate",
      .at = RO_AT_I64(LearningRate), .infer = ro_LearningRate_infer,
      .flops = ro_LearningRate_flops, .reads = ro_reads_1)
#endif
