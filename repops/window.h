/* window.h - sliding windows: which elements of x meet which elements of y in Conv and pools.
 *
 * What this file decides: sizes of outputs (ONNX's rule, with ceil_mode), the taps of a window
 * that lie inside the input and the windows that cover an element. One place, so that forward
 * and gradient cannot disagree. Included by body.h; the host half is there after host.h.
 *
 * Invariants
 *   1. x is (N, C, d1..), y is (N, M, o1..): 1 to 3 spatial axes, kernels, strides and dilations
 *      in [1, RO_WINDOW_MAX], pads in [0, RO_WINDOW_MAX], at most RO_ELEMENTS_MAX positions in a
 *      window; then no sum here leaves int64 and no count of positions wraps.
 *   2. Taps and windows are enumerated row-major, ascending. */
#ifndef RO_WINDOW_H
#define RO_WINDOW_H
#include "arith.h"
#include "repops.h"

#define RO_SPATIAL_MAX 3u
#define RO_WINDOW_MAX INT64_C(0x7fffffff) /* larger ones do not occur; products stay in int64 */

/* A window as its attributes and shapes give it; x and y by their spatial axes. */
typedef struct {
    uint32_t axes;
    int64_t x[RO_SPATIAL_MAX], y[RO_SPATIAL_MAX], kernel[RO_SPATIAL_MAX];
    int64_t stride[RO_SPATIAL_MAX], dilation[RO_SPATIAL_MAX];
    int64_t pad[RO_SPATIAL_MAX], pad_end[RO_SPATIAL_MAX];
} ro_window;

RO_FN ro_window ro_window_of(const ro_type *x, const ro_type *y, const int64_t *kernel,
                             const ro_ints *strides, const ro_ints *pads, const ro_ints *dilations)
{
    ro_window w;
    w.axes = x->rank - 2;
    for (uint32_t a = 0; a < w.axes; a++) {
        w.x[a] = x->dims[2 + a];
        w.y[a] = y->dims[2 + a];
        w.kernel[a] = kernel[a];
        w.stride[a] = strides->v[a];
        w.dilation[a] = dilations->v[a];
        w.pad[a] = pads->v[a];
        w.pad_end[a] = pads->v[w.axes + a];
    }
    return w;
}

/* Positions to walk row-major in a plane: first + step * position on each axis. */
typedef struct {
    uint32_t axes;
    uint64_t count;                   /* of positions                        */
    uint64_t plane;                   /* flat index of the (n, c) plane      */
    int64_t first[RO_SPATIAL_MAX];    /* coordinate of position 0            */
    int64_t step[RO_SPATIAL_MAX];
    uint64_t n[RO_SPATIAL_MAX];       /* positions on each axis              */
    int64_t size[RO_SPATIAL_MAX];     /* of the plane                        */
} ro_box;

/* Coordinates of position p. */
RO_FN void ro_box_at(const ro_box *b, uint64_t p, int64_t *at)
{
    for (uint32_t a = b->axes; a-- > 0; p /= b->n[a])
        at[a] = b->first[a] + (int64_t)(p % b->n[a]) * b->step[a];
}
/* Flat index of position p in the tensor. */
RO_FN uint64_t ro_box_index(const ro_box *b, uint64_t p)
{
    int64_t at[RO_SPATIAL_MAX];
    uint64_t j = b->plane;
    ro_box_at(b, p, at);
    for (uint32_t a = 0; a < b->axes; a++) j = j * (uint64_t)b->size[a] + (uint64_t)at[a];
    return j;
}

/* Split a flat index of (N, C, sizes..) into its plane and spatial coordinates. */
RO_FN uint64_t ro_plane_of(uint32_t axes, const int64_t *size, uint64_t i, int64_t *at)
{
    for (uint32_t a = axes; a-- > 0;) {
        uint64_t d = (uint64_t)size[a];
        at[a] = d ? (int64_t)(i % d) : 0;
        i = d ? i / d : 0;
    }
    return i;
}

/* ceil(a / b) for b > 0 and any sign of a. */
RO_FN int64_t ro_ceil_div(int64_t a, int64_t b) { return a > 0 ? (a - 1) / b + 1 : -(-a / b); }

/* The taps inside x of the window of output element i (of a pool: same plane). *padded, if
 * asked for: how many of its positions lie inside the padded extent. */
RO_FN ro_box ro_window_taps(const ro_window *w, uint64_t i, uint64_t *padded)
{
    ro_box b;
    int64_t at[RO_SPATIAL_MAX];
    b.axes = w->axes;
    b.count = 1;
    b.plane = ro_plane_of(w->axes, w->y, i, at);
    if (padded) *padded = 1;
    for (uint32_t a = 0; a < w->axes; a++) {
        int64_t d = w->dilation[a], start = at[a] * w->stride[a] - w->pad[a];
        int64_t lo = start < 0 ? ro_ceil_div(-start, d) : 0;
        int64_t hi = ro_ceil_div(w->x[a] - start, d);
        int64_t end = ro_ceil_div(w->x[a] + w->pad_end[a] - start, d);
        if (hi > w->kernel[a]) hi = w->kernel[a];
        if (end > w->kernel[a]) end = w->kernel[a];
        b.first[a] = start + lo * d;
        b.step[a] = d;
        b.n[a] = hi > lo ? (uint64_t)(hi - lo) : 0;
        b.size[a] = w->x[a];
        b.count *= b.n[a];
        if (padded) *padded *= end > 0 ? (uint64_t)end : 0;
    }
    return b;
}

/* The outputs whose windows may cover element j of x: a box of candidates on y, and the
 * coordinates of j. A candidate covers it when ro_window_covers says so. */
RO_FN ro_box ro_window_covering(const ro_window *w, uint64_t j, int64_t *at)
{
    ro_box b;
    b.axes = w->axes;
    b.count = 1;
    b.plane = ro_plane_of(w->axes, w->x, j, at);
    for (uint32_t a = 0; a < w->axes; a++) {
        int64_t q = at[a] + w->pad[a];
        int64_t lo = q - (w->kernel[a] - 1) * w->dilation[a], hi = q / w->stride[a];
        lo = lo > 0 ? ro_ceil_div(lo, w->stride[a]) : 0;
        if (hi > w->y[a] - 1) hi = w->y[a] - 1;
        b.first[a] = lo;
        b.step[a] = 1;
        b.n[a] = hi >= lo ? (uint64_t)(hi - lo + 1) : 0;
        b.size[a] = w->y[a];
        b.count *= b.n[a];
    }
    return b;
}
/* At least as many as ro_window_covering finds for any element. */
RO_FN uint64_t ro_window_most(const ro_window *w)
{
    uint64_t n = 1;
    for (uint32_t a = 0; a < w->axes; a++) {
        int64_t most = (w->kernel[a] - 1) * w->dilation[a] / w->stride[a] + 1;
        n *= (uint64_t)(most < w->y[a] ? most : w->y[a]);
    }
    return n;
}
/* Does the window of the output at coordinates o cover x at coordinates `at`? */
RO_FN int ro_window_covers(const ro_window *w, const int64_t *o, const int64_t *at)
{
    for (uint32_t a = 0; a < w->axes; a++) {
        int64_t t = at[a] + w->pad[a] - o[a] * w->stride[a];
        if (t < 0 || t % w->dilation[a] != 0 || t / w->dilation[a] >= w->kernel[a]) return 0;
    }
    return 1;
}

/* ---- host: sizes ---------------------------------------------------------------------------- */
#ifdef RO_HOST_H

RO_FN ro_status ro_window_list(const char *name, const ro_ints *list, uint32_t n, int64_t least,
                               ro_err *err)
{
    if (list->n != n)
        return RO_FAIL(err, RO_EATTR, "%s has %u numbers; %u are needed", name, list->n, n);
    for (uint32_t a = 0; a < n; a++)
        if (list->v[a] < least || list->v[a] > RO_WINDOW_MAX)
            return RO_FAIL(err, RO_EATTR, "%s has %lld; %lld to %lld are allowed", name,
                           (long long)list->v[a], (long long)least, (long long)RO_WINDOW_MAX);
    return RO_OK;
}

/* Check the attributes of a window over x (rank 3 to 5) and give the spatial sizes of y.
 * kernel: x->rank - 2 sizes.  returns RO_OK; RO_ESHAPE; RO_EATTR; RO_ELIMIT */
RO_FN ro_status ro_window_infer(const ro_type *x, const int64_t *kernel, const ro_ints *strides,
                                const ro_ints *pads, const ro_ints *dilations, uint32_t ceil_mode,
                                int64_t *y, ro_err *err)
{
    if (x->rank < 3 || x->rank > 2 + RO_SPATIAL_MAX)
        return RO_FAIL(err, RO_ESHAPE, "a window slides over rank %u; rank 3 to %u is allowed",
                       x->rank, 2 + RO_SPATIAL_MAX);
    uint32_t axes = x->rank - 2;
    ro_ints k = {axes, {0}};
    for (uint32_t a = 0; a < axes; a++) k.v[a] = kernel[a];
    RO_TRY(ro_window_list("the kernel shape", &k, axes, 1, err));
    RO_TRY(ro_window_list("strides", strides, axes, 1, err));
    RO_TRY(ro_window_list("dilations", dilations, axes, 1, err));
    RO_TRY(ro_window_list("pads", pads, 2 * axes, 0, err));
    uint64_t positions = 1;
    for (uint32_t a = 0; a < axes; a++)
        positions = ro_saturating_mul(positions, (uint64_t)kernel[a]);
    if (positions > RO_ELEMENTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a window has more than %llu positions",
                       (unsigned long long)RO_ELEMENTS_MAX);
    for (uint32_t a = 0; a < axes; a++) {
        int64_t in = x->dims[2 + a] + pads->v[a] + pads->v[axes + a], s = strides->v[a];
        int64_t span = (kernel[a] - 1) * dilations->v[a] + 1;
        if (span > in)
            return RO_FAIL(err, RO_ESHAPE, "a window of %lld does not fit the padded size %lld",
                           (long long)span, (long long)in);
        y[a] = (in - span) / s + 1;
        /* ONNX: a window that would start behind the input and its first pad is dropped. */
        if (ceil_mode && (in - span) % s != 0 && y[a] * s < x->dims[2 + a] + pads->v[a]) y[a]++;
    }
    return RO_OK;
}

/* Taps of a window that can lie inside x. */
RO_FN uint64_t ro_window_volume(const ro_ints *kernel, const ro_type *x)
{
    uint64_t n = 1;
    for (uint32_t a = 0; a < kernel->n; a++) {
        int64_t k = kernel->v[a], d = x->dims[2 + a];
        n *= (uint64_t)(k < d ? k : d);
    }
    return n;
}
/* A bound on the windows that cover one element: each tap is that of at most one. */
RO_FN uint64_t ro_window_overlap(const ro_ints *kernel, const ro_ints *strides,
                                 const ro_ints *dilations, const ro_type *y)
{
    uint64_t n = 1;
    for (uint32_t a = 0; a < kernel->n; a++) {
        int64_t k = kernel->v[a], most = (k - 1) * dilations->v[a] / strides->v[a] + 1;
        if (most > k) most = k;
        n *= (uint64_t)(most < y->dims[2 + a] ? most : y->dims[2 + a]);
    }
    return n;
}
#endif
#endif
