/* child.h - computing in a process of its own: what the host computes for a verdict.
 *
 * What this file decides: what a computation may use, how its answer comes back, and that one
 * which fails is a fault of the referee and nothing else.
 *
 * Invariants
 *   1. The caller survives whatever the work does: ends, loops, eats memory, writes anywhere.
 *   2. While it computes, the child can neither open a file, reach a network, start a process nor
 *      write anywhere but to its caller.
 *   3. An answer counts only when it is whole, of the length asked for, and hashes to its digest,
 *      from a child that ended by itself. Everything else is a fault. */
#ifndef RF_CHILD_H
#define RF_CHILD_H
#include "../verde/verde.h"

#define RF_CHILD_RETRIES 3u /* after the first attempt; at once, since the caller waits */

typedef struct {
    uint64_t memory_bytes; /* beside what the process has when it begins; 0: no limit      */
    uint64_t wall_ms;      /* 0: no limit                                                   */
    uint64_t cpu_seconds;  /* of all threads together; 0: what wall_ms gives each of them   */
    uint32_t threads;      /* of the pool that the work gets; 0: one for each core          */
    int no_seccomp;        /* 1: without a filter of system calls; all other limits stand   */
} rf_limits;

typedef struct {
    /* May read files, may be NULL. */
    ro_status (*prepare)(void *ctx, ro_pool *pool, ro_err *err);
    /* Computes, and fills all of result. */
    ro_status (*compute)(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err);
    void *ctx;   /* the child's copy: what the work changes there the caller does not see */
    size_t size; /* bytes of the result */
} rf_work;

/* Run work in a child with limits; again when that fails, RF_CHILD_RETRIES times.
 *   w, l      borrowed
 *   result    out: w->size bytes; set only on RO_OK
 *   returns   RO_OK; RO_EDEVICE or RO_ENOMEM: a fault, said in a sentence (rf_is_fault); else what
 *             prepare or compute returned: the work cannot be done, and would not be next time
 *   thread    one call at a time in a process, and no other thread may hold a lock that the work
 *             takes: only the caller's thread lives on in the child
 *   source    docs/PROTOCOL.md, "A dispute", 6                                                  */
ro_status rf_child_run(const rf_work *w, const rf_limits *l, uint8_t *result, ro_err *err)
    RO_CHECKED;
int rf_is_fault(ro_status st);
/* Whether this program can filter system calls on this system. */
int rf_has_seccomp(void);

/* An answer on its way: "VERDERES", status u32, bytes of text u32, bytes of result u64, text,
 * result, and the tagged hash of all before it. */
#define RF_FRAME_HEAD 24u
#define RF_FRAME_TEXT_MAX 255u
#define RF_FRAME_MAX(size) (RF_FRAME_HEAD + RF_FRAME_TEXT_MAX + (size_t)(size) + VD_DIGEST)
/* Write a frame. e NULL or RO_OK: with the result of `size` bytes; else with e's sentence and no
 * result. bytes has room for RF_FRAME_MAX(size). Returns its length. */
size_t rf_frame_write(const ro_err *e, const uint8_t *result, size_t size, uint8_t *bytes);
/* Read n bytes of any origin as a frame that must bring `size` bytes of result, or a sentence.
 *   result    out: set when the frame's status is RO_OK
 *   *got      out: the frame's status and its sentence, made printable
 *   returns   1: it is a frame; 0: it is none, nothing is set                                 */
int rf_frame_read(const uint8_t *bytes, size_t n, size_t size, uint8_t *result, ro_err *got);
#endif
