/* plan.h - where the values of a graph lie while it runs. Private to repops.
 *
 * What this file decides: the form of a memory plan. plan.c makes it from the graph alone, so
 * that the bytes of a run are known before anything is allocated; exec_cpu.c runs it.
 *
 * Invariants
 *   1. Two values whose lives meet do not overlap, but for a view and the value it is a view
 *      of, and that one is read by nobody else from then on.
 *   2. The next values of all slots are those from before any slot is changed.
 *   3. Every sum of sizes is checked. */
#ifndef RO_PLAN_H
#define RO_PLAN_H
#include "repops.h"

#define RO_PLACE_ALIGN 64u /* a cache line, and the widest vector */

typedef enum {
    RO_AT_SLOT,     /* the state's buffer of slot `index`                      */
    RO_AT_CONSTANT, /* constant `index`                                        */
    RO_AT_BLOCK,    /* `offset` bytes into the plan's one block                */
    RO_AT_OWN       /* buffer `index` of the plan, exchanged with a slot's     */
} ro_where;

typedef struct {
    ro_where where;
    uint32_t index;
    uint64_t offset;
    int is_view; /* lies where the node's input 0 lies, with the same bits */
    int kept;    /* may be read after the step */
} ro_place;

/* How a slot gets its next value:
 *   exchange   the plan's own buffer `own` holds it already: the pointers are exchanged
 *   stage      it is another slot's value: copied to `own` first, then exchanged
 *   copy       from a constant or a node's output that others need as well */
typedef enum { RO_NEXT_EXCHANGE, RO_NEXT_STAGE, RO_NEXT_COPY } ro_next_kind;
typedef struct {
    ro_next_kind kind;
    uint32_t slot;
    ro_value from;
    uint32_t own;
    uint64_t bytes;
} ro_next;

typedef struct {
    ro_place *places; /* [value_count] */
    ro_next *nexts;
    uint32_t next_count;
    uint64_t *own; /* bytes of each own buffer */
    uint32_t own_count;
    uint64_t block_bytes;
    uint64_t own_bytes;  /* of all own buffers              */
    uint64_t slot_bytes; /* of the slots this graph declares */
} ro_layout;

/* Place the values of g.
 *   keep_all   1: every node output keeps a place of its own to the end of the step
 *   a          gets everything of *out; borrowed
 *   returns    RO_OK; RO_ELIMIT the sizes do not add up in 64 bits; RO_ENOMEM
 *   cost       values times holes between places     thread  any */
ro_status ro_layout_new(const ro_graph *g, int keep_all, ro_arena *a, ro_layout **out,
                        ro_err *err) RO_CHECKED;
#endif
