/* SGD - gradient descent, with momentum where the slot b is given.
 *   f32 p, f32 g, f32 rate (scalar), f32 b?; f64 momentum, f64 dampening, f64 weight_decay,
 *   u32 nesterov   ->   f32 p', f32 b'?
 *   mu = RN32(momentum), c = RN32(1 - dampening), wd = RN32(weight_decay)         (rule 54)
 *   g = add(g, mul(wd, p)) unless wd is 0
 *   without b: h = b' = g, dampening has no part;   with b: b' = add(mul(mu, b), mul(c, g)),
 *       h = nesterov ? add(g, mul(mu, b')) : b'
 *   p' = sub(p, mul(rate, h))
 *   gradient  none: an update ends a step
 *   errors  RO_ESHAPE g or b unlike p, rate no scalar; RO_EATTR momentum or nesterov without b,
 *           nesterov above 1
 *   cost    7 flops an element      source  definition (torch.optim.SGD)                    */
#if defined(RO_PASS_ATTRS)
#define RO_SGD_ATTRS(F) F(f64, momentum) F(f64, dampening) F(f64, weight_decay) F(u32, nesterov)
RO_ATTRS(SGD);
#elif defined(RO_PASS_BODY)
#if RO_IS_F32
RO_AT(SGD)
{
    const ro_SGD_attrs *t = (const ro_SGD_attrs *)attrs;
    float p = READ(r, 0, i), g = READ(r, 1, i), h;
    float wd = ro_f64_to_f32(t->weight_decay), mu = ro_f64_to_f32(t->momentum);
    float c = ro_f64_to_f32(ro_sub_f64(1.0, t->dampening));
    if (wd != 0) g = ADD(g, MUL(wd, p));
    h = g;
    if (ro_has(r, 3)) {
        float b = ADD(MUL(mu, READ(r, 3, i)), MUL(c, g));
        if (out == 1) return OUT(r, out, b);
        h = t->nesterov ? ADD(g, MUL(mu, b)) : b;
    }
    if (out == 1) return OUT(r, out, h);
    return OUT(r, out, SUB(p, MUL(READ(r, 2, 0), h)));
}
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(SGD)
{
    const ro_SGD_attrs *t = (const ro_SGD_attrs *)attrs;
    int slot = ro_given(in, n_in, 3);
    RO_TRY(ro_check_shapes(&in[1], "g", &in[0], "p", err));
    RO_TRY(ro_check_scalar(&in[2], "rate", err));
    if (slot) RO_TRY(ro_check_shapes(&in[3], "b", &in[0], "p", err));
    RO_TRY(ro_check_flag(t->nesterov, "nesterov", err));
    if (!slot && (t->momentum != 0 || t->nesterov))
        return RO_FAIL(err, RO_EATTR, "SGD with momentum %g and nesterov %u needs its input b",
                       t->momentum, t->nesterov);
    for (uint32_t k = 0; k < n_out; k++) out[k] = in[0];
    return RO_OK;
}
RO_FLOPS(SGD)
{
    (void)attrs, (void)in, (void)n_in, (void)out;
    return 7;
}
#elif defined(RO_OP)
RO_OP(SGD, AT, .version = 1, .signature = "f32 p, f32 g, f32 rate, f32 b? -> f32 p, f32 b?",
      .at = RO_AT_F32(SGD), .infer = ro_SGD_infer, .flops = ro_SGD_flops, .reads = ro_reads_1)
#endif
