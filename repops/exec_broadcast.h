/* exec_broadcast.h - broadcasting as loops. A part of the CPU backend.
 *
 * What this file decides: how shapes that broadcast become axes to walk. Axes of size 1 vanish,
 * and axes along which all inputs go on as one are merged; the innermost is left with inputs
 * that each stand still or go on by one element. */
#ifndef RO_EXEC_BROADCAST_H
#define RO_EXEC_BROADCAST_H
#include "repops.h"

#include <string.h>

#define SIDES 3u /* inputs that broadcast together */

/* Axes from the innermost; step[s][k] is how far input s goes for one position of axis k. */
typedef struct {
    uint32_t rank, sides;
    uint64_t n[RO_RANK_MAX + 1];
    uint64_t step[SIDES][RO_RANK_MAX + 1];
} broadcast;

static inline int merges(const broadcast *w, const uint64_t *step)
{
    uint32_t k = w->rank - 1;
    if (w->rank == 0) return 0;
    for (uint32_t s = 0; s < w->sides; s++)
        if (step[s] != w->step[s][k] * w->n[k]) return 0;
    return 1;
}

static inline broadcast broadcast_of(const ro_type *out, const ro_type *const *in, uint32_t sides)
{
    broadcast w;
    uint64_t stride[SIDES] = {1, 1, 1};
    memset(&w, 0, sizeof w);
    w.sides = sides;
    for (uint32_t k = 0; k < out->rank; k++) {
        uint64_t step[SIDES], d = (uint64_t)out->dims[out->rank - 1 - k];
        for (uint32_t s = 0; s < sides; s++) {
            uint64_t ds = k < in[s]->rank ? (uint64_t)in[s]->dims[in[s]->rank - 1 - k] : 1;
            step[s] = ds == 1 ? 0 : stride[s];
            stride[s] *= ds;
        }
        if (d == 1) continue;
        if (merges(&w, step)) {
            w.n[w.rank - 1] *= d;
            continue;
        }
        w.n[w.rank] = d;
        for (uint32_t s = 0; s < sides; s++) w.step[s][w.rank] = step[s];
        w.rank++;
    }
    if (w.rank == 0) w.n[w.rank++] = 1;
    return w;
}

/* Where each input stands at flat output element i. */
static inline void broadcast_at(const broadcast *w, uint64_t i, uint64_t *at)
{
    for (uint32_t s = 0; s < w->sides; s++) at[s] = 0;
    for (uint32_t k = 0; k < w->rank; k++) {
        uint64_t p = i % w->n[k];
        i /= w->n[k];
        for (uint32_t s = 0; s < w->sides; s++) at[s] += p * w->step[s][k];
    }
}
#endif
