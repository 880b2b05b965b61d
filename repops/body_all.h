/* body_all.h - the attribute structs, then every pass of scalar bodies: what whoever expands all
 * operators includes once, after body.h. kernels/at.cu sets hooks of body_pass.h before it. */
#define RO_PASS_ATTRS
#include "ops.def"
#undef RO_PASS_ATTRS

#define RO_PASS_BODY
#define RO_PASS_f32
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_f32
#define RO_PASS_f64
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_f64
#define RO_PASS_i64
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_i64
#define RO_PASS_u64
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_u64
#include "body_pass.h"
#include "ops.def"
#undef RO_PASS_BODY
