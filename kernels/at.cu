/* at.cu - every operator on the device: one thread an element, running the scalar body.
 *
 * What this file decides: how a scalar body becomes a kernel. body_pass.h's RO_AT opens every
 * body; here it opens a kernel beside it, so an operator file is an AT kernel in each compute
 * type it has, and no line here names an operator. Faster kernels are compared with these.
 *
 * Invariants
 *   1. A kernel computes nothing itself: element i of an output is the body's bits, stored in
 *      the output's dtype.
 *   2. tests/ptx_lint.py holds for this file: explicitly rounded arithmetic only, the same PTX
 *      with and without --fmad, no call, no atomic. */
#include "body.h"

/* A node as its kernel sees it, all in device memory. The reader's fetch is not called there. */
struct rk_at_node {
    ro_reader reader;
    const void *attrs;
};

static __device__ __forceinline__ void rk_store(ro_dtype d, void *y, uint64_t i, uint64_t bits)
{
    switch (d) {
    case RO_F64: case RO_I64: case RO_U64: ((uint64_t *)y)[i] = bits; break;
    case RO_F32: case RO_I32: case RO_U32: ((uint32_t *)y)[i] = (uint32_t)bits; break;
    case RO_F16: case RO_BF16: case RO_I16: case RO_U16: ((uint16_t *)y)[i] = (uint16_t)bits; break;
    default: ((uint8_t *)y)[i] = (uint8_t)bits; break;
    }
}

/* rk_<op>_at_<type>: elements [0, count) of output `out` into y. */
#define RO_AT_KERNEL(op)                                                                       \
    RO_FN uint64_t RO_N(ro_##op##_at)(const ro_reader *r, const void *attrs, uint32_t out,     \
                                      uint64_t i);                                             \
    extern "C" __global__ void RO_N(rk_##op##_at)(const rk_at_node *node, uint32_t out,        \
                                                  uint64_t count, void *y)                     \
    {                                                                                          \
        uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;                          \
        if (i >= count) return;                                                                \
        rk_store(node->reader.out[out].dtype, y, i,                                            \
                 RO_N(ro_##op##_at)(&node->reader, node->attrs, out, i));                      \
    }

#include "body_all.h"
