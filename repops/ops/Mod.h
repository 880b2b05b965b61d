/* Mod - the rest of a division.
 *   N a, N b (broadcast, right-aligned); u32 fmod   ->   N y
 *   integers  the rest of the division that truncates; with fmod = 0 b is added to it where it
 *             is not 0 and its sign is not b's; x mod 0 = 0, INT_MIN mod -1 = 0 (rule 7)
 *   floats    fmod must be 1: the exact rest with a's sign, also where it is 0; a infinite or
 *             b = 0 gives NaN, b infinite gives a
 *   gradient  none
 *   errors  RO_EATTR fmod other than 0 and 1, or 0 for floats; RO_ESHAPE when the shapes do not
 *           broadcast
 *   cost    32 flops an element      source  ONNX Mod-13                                    */
#if defined(RO_PASS_ATTRS)
#define RO_Mod_ATTRS(F) F(u32, fmod)
RO_ATTRS(Mod);
/* The rest of x / y as bits of a float with so many fraction bits; both without a sign, finite,
 * y not 0. */
RO_FN uint64_t ro_mod_bits(uint64_t x, uint64_t y, uint32_t fraction)
{
    uint64_t hidden = UINT64_C(1) << fraction, mask = hidden - 1, most = 63 - fraction;
    uint64_t ex = x >> fraction, ey = y >> fraction;
    uint64_t mx = (x & mask) | (ex ? hidden : 0), my = (y & mask) | (ey ? hidden : 0);
    ex += !ex;
    ey += !ey;
    if (ex < ey) return x;
    uint64_t rest = mx % my;
    for (uint64_t left = ex - ey; left && rest;) {
        uint64_t step = left < most ? left : most;
        rest = (rest << step) % my;
        left -= step;
    }
    for (; rest && rest < hidden && ey > 1; ey--) rest <<= 1;
    return rest < hidden ? rest : (ey << fraction) | (rest & mask);
}
#elif defined(RO_PASS_BODY)
#if RO_IS_F32
RO_FN RO_T ro_Mod_map_f32(const ro_Mod_attrs *t, RO_T a, RO_T b)
{
    uint32_t x = ro_f32_bits(ro_abs_f32(a)), y = ro_f32_bits(ro_abs_f32(b)), inf = 0x7f800000u;
    (void)t;
    if (x >= inf || y > inf || y == 0) return ro_bits_f32(RO_NAN_F32);
    if (y == inf) return a;
    return ro_sign_of_f32(ro_bits_f32((uint32_t)ro_mod_bits(x, y, 23)), a);
}
RO_MAP2(Mod)
#elif RO_IS_F64
RO_FN RO_T ro_Mod_map_f64(const ro_Mod_attrs *t, RO_T a, RO_T b)
{
    uint64_t x = ro_f64_bits(ro_abs_f64(a)), y = ro_f64_bits(ro_abs_f64(b));
    uint64_t inf = UINT64_C(0x7ff0000000000000), sign = ro_f64_bits(a) & (UINT64_C(1) << 63);
    (void)t;
    if (x >= inf || y > inf || y == 0) return ro_bits_f64(RO_NAN_F64);
    if (y == inf) return a;
    return ro_bits_f64(ro_mod_bits(x, y, 52) | sign);
}
RO_MAP2(Mod)
#elif RO_IS_I64
RO_FN RO_T RO_N(ro_Mod_map)(const ro_Mod_attrs *t, RO_T a, RO_T b)
{
    RO_T rest = b == 0 || b == -1 ? 0 : a % b;
    return !t->fmod && rest && (rest < 0) != (b < 0) ? rest + b : rest;
}
RO_MAP2(Mod)
#elif RO_IS_U64
RO_FN RO_T RO_N(ro_Mod_map)(const ro_Mod_attrs *t, RO_T a, RO_T b)
{
    (void)t;
    return b ? a % b : 0;
}
RO_MAP2(Mod)
#endif
#elif defined(RO_PASS_HOST)
RO_INFER(Mod)
{
    uint32_t fmod = ((const ro_Mod_attrs *)attrs)->fmod;
    RO_TRY(ro_check_flag(fmod, "fmod", err));
    if (!fmod && ro_is_float(in[0].dtype))
        return RO_FAIL(err, RO_EATTR, "fmod of Mod is 0 for %s; floats take 1",
                       ro_dtypes[in[0].dtype].name);
    return ro_infer_broadcast(attrs, in, n_in, out, n_out, err);
}
#elif defined(RO_OP)
RO_OP(Mod, MAP, .version = 1, .signature = "N a, N b -> N y", .at = RO_AT_ALL(Mod),
      .infer = ro_Mod_infer, .flops = ro_flops_32, .reads = ro_reads_1)
#endif
