/* AdamW - Adam with decoupled weight decay, or Adam with an L2 penalty.
 *   f32 p, f32 g, f32 rate (scalar), f64 beta1_power, f64 beta2_power (scalars: beta1^t and
 *   beta2^t, multiplied already), f32 m, f32 v; f64 beta1, f64 beta2, f64 epsilon,
 *   f64 weight_decay, u32 decoupled   ->   f32 p', f32 m', f32 v'
 *   B = RN32(beta), C = RN32(1 - beta), k = RN32(1 - power), differences in binary64;
 *   e = RN32(epsilon), wd = RN32(weight_decay)                                    (rule 53)
 *   decoupled 0: g = add(g, mul(wd, p)) first
 *   m' = add(mul(B1, m), mul(C1, g)); v' = add(mul(B2, v), mul(C2, mul(g, g)))
 *   u = div(div(m', k1), add(sqrt(div(v', k2)), e))
 *   decoupled 1: u = add(u, mul(wd, p))
 *   p' = sub(p, mul(rate, u))
 *   gradient  none: an update ends a step
 *   errors  RO_ESHAPE g, m or v unlike p, rate or a power no scalar; RO_EATTR decoupled above 1
 *   cost    16 flops an element      source  definition (torch.optim.AdamW)
 *
 * 1 - beta is taken in binary64: in f32 it is off by 1e-5. p is rounded once: p (1 - rate wd)
 * first would drift. */
#if defined(RO_PASS_ATTRS)
#define RO_AdamW_ATTRS(F) F(f64, beta1) F(f64, beta2) F(f64, epsilon) F(f64, weight_decay) \
    F(u32, decoupled)
RO_ATTRS(AdamW);
/* RN32(1 - x). */
RO_FN float ro_adam_rest(double x) { return ro_f64_to_f32(ro_sub_f64(1.0, x)); }
#elif defined(RO_PASS_BODY)
#if RO_IS_F32
RO_AT(AdamW)
{
    const ro_AdamW_attrs *t = (const ro_AdamW_attrs *)attrs;
    float wd = ro_f64_to_f32(t->weight_decay), p = READ(r, 0, i), g = READ(r, 1, i);
    float b1 = ro_f64_to_f32(t->beta1), b2 = ro_f64_to_f32(t->beta2);
    if (!t->decoupled) g = ADD(g, MUL(wd, p));
    float m = ADD(MUL(b1, READ(r, 5, i)), MUL(ro_adam_rest(t->beta1), g));
    if (out == 1) return OUT(r, out, m);
    float v = ADD(MUL(b2, READ(r, 6, i)), MUL(ro_adam_rest(t->beta2), MUL(g, g)));
    if (out == 2) return OUT(r, out, v);
    float k1 = ro_adam_rest(ro_read_f64(r, 3, 0)), k2 = ro_adam_rest(ro_read_f64(r, 4, 0));
    float root = ro_sqrt_f32(DIV(v, k2));
    float u = DIV(DIV(m, k1), ADD(root, ro_f64_to_f32(t->epsilon)));
    if (t->decoupled) u = ADD(u, MUL(wd, p));
    return OUT(r, out, SUB(p, MUL(READ(r, 2, 0), u)));
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(AdamW)
{
    const ro_AdamW_attrs *t = (const ro_AdamW_attrs *)attrs;
    (void)n_in;
    RO_TRY(ro_check_shapes(&in[1], "g", &in[0], "p", err));
    RO_TRY(ro_check_shapes(&in[5], "m", &in[0], "p", err));
    RO_TRY(ro_check_shapes(&in[6], "v", &in[0], "p", err));
    RO_TRY(ro_check_scalar(&in[2], "rate", err));
    RO_TRY(ro_check_scalar(&in[3], "beta1_power", err));
    RO_TRY(ro_check_scalar(&in[4], "beta2_power", err));
    RO_TRY(ro_check_flag(t->decoupled, "decoupled", err));
    for (uint32_t k = 0; k < n_out; k++) out[k] = in[0];
    return RO_OK;
}
RO_FLOPS(AdamW)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 16;
}
#elif defined(RO_OP)
RO_OP(AdamW, AT, .version = 1,
      .signature = "f32 p, f32 g, f32 rate, f64 beta1_power, f64 beta2_power, f32 m, f32 v -> "
                   "f32 p, f32 m, f32 v",
      .at = RO_AT_F32(AdamW), .infer = ro_AdamW_infer, .flops = ro_AdamW_flops,
      .reads = ro_reads_1)
#endif
