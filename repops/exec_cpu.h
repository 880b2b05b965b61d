/* exec_cpu.h - what the parts of the CPU backend tell each other. Private to repops.
 *
 * What this file decides: the form of a prepared node (a task) and of a driver, a fast way to
 * run the nodes of one operator. exec_patterns.c gives drivers once an ISA level,
 * exec_contract.c those that end in the kernels of gemm.h; exec_cpu.c chooses and runs.
 *
 * Invariants
 *   1. A driver stores exactly the bits of the operator's scalar body. A case that no driver
 *      knows runs the scalar body for every element.
 *   2. The choice of a driver and its scratch depend on types, attributes and the thread count,
 *      never on data.
 *   3. A task owns nothing; nothing is allocated while it runs. */
#ifndef RO_EXEC_CPU_H
#define RO_EXEC_CPU_H
#include "gemm.h"
#include "repops.h"

/* A node with everything it needs to run. reader.data and out point to tables that are filled
 * before each run; an absent optional input is NULL there. */
typedef struct ro_driver ro_driver;
typedef struct ro_task ro_task;
struct ro_task {
    ro_op op;
    ro_compute compute;
    const void *attrs;
    ro_reader reader;
    void **out;
    void *scratch;
    ro_pool *pool;
    const ro_kernel_set *kernels;
    void *packed;  /* an operand as gemm.h lays it out, which several tasks share; NULL: not so */
    int packs;     /* the first of them in a step: lays it out */
    ro_task *wide; /* of 16-bit floats: the same in float32, and its driver */
    const ro_driver *wide_driver;
};

struct ro_driver {
    uint64_t (*scratch)(const ro_task *t, uint32_t threads); /* bytes; NULL: none */
    void (*run)(const ro_task *t);
};

/* Elements [begin, end) of output `out`, by the scalar body, stored to `to` in its dtype. */
typedef void ro_elements_fn(const ro_reader *r, const void *attrs, uint32_t out, uint64_t begin,
                            uint64_t end, void *to);

/* One ISA level of exec_patterns.c. */
typedef struct {
    ro_elements_fn *(*elements)(ro_op op, ro_compute c);
    const ro_driver *(*driver)(const ro_task *t); /* NULL: none knows this case */
    /* Bytes of the input that its driver would lay out each time, which tasks of this operator with
     * such inputs can share where it is one value; 0: none. */
    uint64_t (*packed)(const ro_task *t, uint32_t *input);
} ro_patterns;

extern const ro_patterns ro_patterns_base;
#if defined(__x86_64__)
extern const ro_patterns ro_patterns_avx2;   /* needs AVX2 and FMA              */
extern const ro_patterns ro_patterns_avx512; /* needs AVX-512 F, BW, DQ, VL, FMA */
#endif

/* The driver of a contraction that gemm.h can do; NULL: it is none. */
const ro_driver *ro_contract_driver(const ro_task *t);

/* Whether a task computes 16-bit floats in float32; its `wide` task, and the driver that runs that
 * one with the driver in wide_driver. */
int ro_half_fits(const ro_task *t);
ro_status ro_half_widen(ro_task *t, ro_arena *a, ro_err *err) RO_CHECKED;
extern const ro_driver ro_half_driver;

/* Elements a thread takes at once where each is a few instructions: about 10 us of work, so
 * that waking a thread pays. A multiple of all vector lengths. */
#define RO_GRAIN 16384u
#endif
