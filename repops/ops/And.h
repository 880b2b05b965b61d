/* And, Or, Xor, Not - booleans.
 *   And, Or, Xor   bool a, bool b (broadcast, right-aligned)   ->   bool y
 *   Not            bool x   ->   bool y
 *   a byte is true where it is not 0; the result is 0 or 1 (rule 3)
 *   gradient  none
 *   errors  RO_ESHAPE when the shapes do not broadcast
 *   cost    1 flop an element      source  ONNX And-7, Or-7, Xor-7, Not-1                  */
#if defined(RO_PASS_ATTRS)
#define RO_And_ATTRS(F)
#define RO_Or_ATTRS(F)
#define RO_Xor_ATTRS(F)
#define RO_Not_ATTRS(F)
RO_ATTRS(And);
RO_ATTRS(Or);
RO_ATTRS(Xor);
RO_ATTRS(Not);
#elif defined(RO_PASS_BODY)
#if RO_IS_U64
RO_FN RO_T RO_N(ro_And_map)(const ro_And_attrs *t, RO_T a, RO_T b) { (void)t; return a & b; }
RO_FN RO_T RO_N(ro_Or_map)(const ro_Or_attrs *t, RO_T a, RO_T b) { (void)t; return a | b; }
RO_FN RO_T RO_N(ro_Xor_map)(const ro_Xor_attrs *t, RO_T a, RO_T b) { (void)t; return a ^ b; }
RO_FN RO_T RO_N(ro_Not_map)(const ro_Not_attrs *t, RO_T a) { (void)t; return !a; }
RO_MAP2(And)
RO_MAP2(Or)
RO_MAP2(Xor)
RO_MAP1(Not)
#endif
#elif defined(RO_OP)
RO_OP(And, MAP, .version = 1, .signature = "bool a, bool b -> bool y", .at = RO_AT_U64(And),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(Or, MAP, .version = 1, .signature = "bool a, bool b -> bool y", .at = RO_AT_U64(Or),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(Xor, MAP, .version = 1, .signature = "bool a, bool b -> bool y", .at = RO_AT_U64(Xor),
      .infer = ro_infer_broadcast, .flops = ro_flops_1, .reads = ro_reads_1)
RO_OP(Not, MAP, .version = 1, .signature = "bool x -> bool y", .at = RO_AT_U64(Not),
      .infer = ro_infer_same, .flops = ro_flops_1, .reads = ro_reads_1)
#endif
