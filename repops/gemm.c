/* gemm.c - contractions cut into tiles and tasks.
 *
 * What this file decides: which operand lies across the vectors, how rows, columns and groups
 * are cut for caches and threads, and where partial sums wait. It touches no value itself.
 *
 * Invariants
 *   1. A tile sees its blocks in ascending order; `group_sum` is where the two levels meet.
 *   2. Every loop bound depends on shapes and the thread count alone, never on a value. */
#include "gemm.h"

#include <string.h>

/* ---- small things ------------------------------------------------------------------------ */

#define LINE 64u /* bytes; parts of the scratch start on one */

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t over(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
static uint64_t lines(uint64_t bytes) { return over(bytes, LINE) * LINE; }
static uint64_t blocks_of(uint64_t k) { return most(1, over(k, RO_BLOCK)); }

static const void *at(const ro_kernels *q, const void *p, int64_t i)
{
    return (const char *)p + i * (int64_t)q->size;
}

static void *to_at(const ro_kernels *q, void *p, int64_t i)
{
    return (char *)p + i * (int64_t)q->size;
}

/* n things in parts of nearly equal size; the first `larger` parts have one more. */
typedef struct { uint64_t parts, size, larger; } split;

static split split_even(uint64_t n, uint64_t limit)
{
    split s = {most(1, over(n, limit)), 0, 0};
    s.size = n / s.parts;
    s.larger = n % s.parts;
    return s;
}

static uint64_t split_start(const split *s, uint64_t part)
{
    return part * s->size + least(part, s->larger);
}

static uint64_t split_size(const split *s, uint64_t part)
{
    return s->size + (part < s->larger);
}

static uint64_t split_most(const split *s) { return s->size + (s->larger != 0); }

/* The scratch is handed out in order; with base NULL only the size is counted. */
typedef struct { char *base; uint64_t used; } carver;

static void *carve(carver *c, uint64_t bytes)
{
    void *p = c->base ? c->base + c->used : NULL;
    c->used += lines(bytes);
    return p;
}

/* Where block b of the numbered range adds, and what is done after it. */
typedef struct { int add, close, last; int in_total; } place;

static place place_of(uint64_t block, uint64_t blocks)
{
    uint64_t in_group = block % RO_GROUP_BLOCKS;
    place p;
    p.add = in_group != 0;
    p.in_total = block < RO_GROUP_BLOCKS;
    p.last = block + 1 == blocks;
    p.close = !p.in_total && (p.last || in_group + 1 == RO_GROUP_BLOCKS);
    return p;
}

/* ---- matrix products --------------------------------------------------------------------- */

#define GEMM_ROW_PANELS 24u  /* of a task: 14 x 24 rows of 256 fill a third of a 1 MiB L2   */
#define GEMM_LANE_PANELS 32u /* of a task: what the packing of its rows is spread over      */

/* rows meet lanes: a and b, or b and a where that wastes fewer lanes. Packed lanes are panels of
 * `width` lanes, a block of k after the other. */
typedef struct {
    const ro_kernels *q;
    const ro_gemm *g;
    const void *row_from, *lane_from;
    int64_t row_step, row_k, row_batch, lane_step, lane_k, lane_batch;
    int64_t out_row, out_lane, add_row, add_lane;
    uint64_t rows, lanes, width; /* width: lanes of a full tile */
    split row_chunks, lane_chunks; /* of rows; of panels of `width` lanes */
    uint64_t blocks;
    int direct; /* lanes are read where they lie: too few rows to pay for packing */
    int pack_first;
    char *lanes_packed;  /* all of them, laid out by the caller or before the tasks; NULL: each */
    uint64_t pack_bytes; /* task lays out a panel when it comes to it                           */
    int64_t *offset[RO_TILE_VECTORS + 1]; /* for packed lanes, by vectors; [0]: direct */
    char *worker;
    uint64_t row_bytes, panel_bytes, sum_bytes, worker_bytes;
} gemm_plan;

static uint64_t waste(const ro_kernels *q, uint64_t rows, uint64_t lanes)
{
    uint64_t floor = 4; /* fewer rows than this leave the multipliers waiting */
    return most(rows, floor) * over(lanes, q->lanes) * q->lanes;
}

static void gemm_orient(gemm_plan *p)
{
    const ro_gemm *g = p->g;
    if (ro_gemm_packs(p->q, g) == 'b') {
        p->rows = g->m, p->lanes = g->n;
        p->row_from = g->a, p->row_step = g->a_row, p->row_k = g->a_col, p->row_batch = g->a_batch;
        p->lane_from = g->b, p->lane_step = g->b_col, p->lane_k = g->b_row;
        p->lane_batch = g->b_batch;
        p->out_row = g->c_row, p->out_lane = g->c_col;
        p->add_row = g->add_row, p->add_lane = g->add_col;
    } else {
        p->rows = g->n, p->lanes = g->m;
        p->row_from = g->b, p->row_step = g->b_col, p->row_k = g->b_row, p->row_batch = g->b_batch;
        p->lane_from = g->a, p->lane_step = g->a_row, p->lane_k = g->a_col;
        p->lane_batch = g->a_batch;
        p->out_row = g->c_col, p->out_lane = g->c_row;
        p->add_row = g->add_col, p->add_lane = g->add_row;
    }
}

/* Chunks that fit caches, cut further until every thread has several. */
static void gemm_cut(gemm_plan *p, uint32_t threads)
{
    uint64_t tile_rows = p->q->rows[p->q->dense - 1];
    uint64_t row_limit = tile_rows * GEMM_ROW_PANELS, panel_limit = GEMM_LANE_PANELS;
    uint64_t panels = over(p->lanes, p->width), wanted = threads > 1 ? 4 * (uint64_t)threads : 1;
    for (;;) {
        p->row_chunks = split_even(p->rows, row_limit);
        p->lane_chunks = split_even(panels, panel_limit);
        if (p->g->batches * p->row_chunks.parts * p->lane_chunks.parts >= wanted) break;
        if (panel_limit > 1 && panel_limit * p->width * 2 > row_limit) panel_limit /= 2;
        else if (row_limit > tile_rows) row_limit = over(row_limit, 2);
        else if (panel_limit > 1) panel_limit /= 2;
        else break;
    }
}

/* Everything but pointers into the scratch when base is NULL. Returns the bytes. */
static uint64_t gemm_plan_make(gemm_plan *p, const ro_kernels *q, const ro_gemm *g, char *base,
                               uint32_t threads)
{
    carver c = {base, 0};
    uint64_t deep = least(g->k, RO_BLOCK);
    memset(p, 0, sizeof *p);
    p->q = q, p->g = g;
    gemm_orient(p);
    p->width = (uint64_t)q->dense * q->lanes;
    p->blocks = blocks_of(g->k);
    p->direct = p->lane_step == 1 && p->rows <= q->rows[q->dense - 1];
    gemm_cut(p, threads);
    for (uint32_t v = 0; v <= q->dense; v++) {
        p->offset[v] = carve(&c, deep * sizeof *p->offset[v]);
        int64_t step = v ? (int64_t)(v * q->lanes) : p->lane_k;
        for (uint64_t j = 0; base && j < deep; j++) p->offset[v][j] = (int64_t)j * step;
    }
    uint64_t chunk_rows = split_most(&p->row_chunks);
    uint64_t chunk_lanes = split_most(&p->lane_chunks) * p->width;
    p->row_bytes = lines(chunk_rows * deep * q->size);
    p->panel_bytes = lines(deep * p->width * q->size);
    p->sum_bytes = p->blocks == 1 ? lines(q->rows[0] * p->width * q->size)
                                  : lines(chunk_rows * chunk_lanes * q->size);
    p->worker_bytes = p->row_bytes + p->panel_bytes +
                      p->sum_bytes * (p->blocks > RO_GROUP_BLOCKS ? 2 : 1);
    p->worker = carve(&c, p->worker_bytes * threads);
    p->pack_bytes = lines(g->k * over(p->lanes, q->lanes) * q->lanes * q->size);
    p->lanes_packed = (char *)(uintptr_t)g->packed;
    /* Several chunks of rows meet the same lanes: lay them out once, unless each batch has its
     * own, which would take as much memory as all of them. */
    if (!g->packed && p->row_chunks.parts > 1 && (g->batches == 1 || p->lane_batch == 0)) {
        p->lanes_packed = carve(&c, p->pack_bytes);
        p->pack_first = 1;
    }
    return c.used;
}

#define PACK_PANELS 16u /* laid out side by side, */
#define PACK_ROWS 8u    /* so many rows at a time: long reads of few rows */

static void gemm_pack_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const gemm_plan *p = ctx;
    const ro_kernels *q = p->q;
    uint64_t strips = over(p->lanes, p->width * PACK_PANELS);
    uint64_t padded = over(p->lanes, q->lanes) * q->lanes;
    (void)worker;
    for (uint64_t i = begin; i < end; i++) {
        uint64_t k0 = i / strips * RO_BLOCK, k = least(p->g->k - k0, RO_BLOCK);
        uint64_t first = i % strips * p->width * PACK_PANELS;
        uint64_t stop = least(p->lanes, first + p->width * PACK_PANELS);
        uint64_t step = p->lane_step == 1 ? PACK_ROWS : RO_BLOCK;
        for (uint64_t j = 0; j < k; j += step) {
            for (uint64_t lane = first; lane < stop; lane += p->width) {
                uint64_t used = least(p->width, stop - lane);
                uint64_t stride = least(p->width, padded - lane);
                q->pack((uint32_t)used, (uint32_t)stride, least(step, k - j),
                        at(q, p->lane_from, (int64_t)lane * p->lane_step +
                                                (int64_t)(k0 + j) * p->lane_k),
                        p->lane_step, p->lane_k,
                        p->lanes_packed + (k0 * padded + lane * k + j * stride) * q->size);
            }
        }
    }
}

static void gemm_pack_all(gemm_plan *p, ro_pool *pool)
{
    uint64_t strips = over(p->lanes, p->width * PACK_PANELS);
    ro_parallel(pool, over(p->g->k, RO_BLOCK) * strips, 1, gemm_pack_range, p);
}

/* What one task works on. */
typedef struct {
    uint64_t row0, rows, lane0, lanes; /* of the whole */
    const void *row_from, *lane_from, *add;
    void *out;
    split panels; /* of rows */
    char *packed_rows, *packed_lanes, *total, *group;
} gemm_task;

static gemm_task gemm_task_make(const gemm_plan *p, uint64_t task, uint32_t worker)
{
    const ro_kernels *q = p->q;
    const ro_gemm *g = p->g;
    gemm_task t;
    uint64_t lane_part = task % p->lane_chunks.parts, rest = task / p->lane_chunks.parts;
    uint64_t row_part = rest % p->row_chunks.parts;
    int64_t batch = (int64_t)(rest / p->row_chunks.parts);
    t.row0 = split_start(&p->row_chunks, row_part);
    t.rows = split_size(&p->row_chunks, row_part);
    t.lane0 = split_start(&p->lane_chunks, lane_part) * p->width;
    t.lanes = least(split_size(&p->lane_chunks, lane_part) * p->width, p->lanes - t.lane0);
    t.row_from = at(q, p->row_from, batch * p->row_batch + (int64_t)t.row0 * p->row_step);
    t.lane_from = p->lanes_packed ? NULL : at(q, p->lane_from, batch * p->lane_batch +
                                                  (int64_t)t.lane0 * p->lane_step);
    t.out = to_at(q, g->c, batch * g->c_batch + (int64_t)t.row0 * p->out_row +
                               (int64_t)t.lane0 * p->out_lane);
    t.add = !g->add ? NULL : at(q, g->add, batch * g->add_batch + (int64_t)t.row0 * p->add_row +
                                               (int64_t)t.lane0 * p->add_lane);
    t.panels = split_even(t.rows, q->rows[q->dense - 1]);
    t.packed_rows = p->worker + worker * p->worker_bytes;
    t.packed_lanes = t.packed_rows + p->row_bytes;
    t.total = t.packed_lanes + p->panel_bytes;
    t.group = t.total + p->sum_bytes;
    return t;
}

/* Bring a share of a panel of lanes into L2, part `part` of `parts`: rows of a wide matrix lie in
 * different pages, which the processor does not follow by itself. */
static void gemm_prefetch(const gemm_plan *p, const gemm_task *t, uint64_t lane, uint64_t block,
                          uint64_t part, uint64_t parts)
{
    uint64_t k0 = block * RO_BLOCK, k = least(p->g->k - k0, RO_BLOCK), size = p->q->size;
    uint64_t lanes = least(p->width, t->lanes - lane);
    int along = p->lane_step == 1;
    uint64_t rows = along ? k : lanes, bytes = (along ? lanes : k) * size;
    const char *from = at(p->q, t->lane_from,
                          (int64_t)lane * p->lane_step + (int64_t)k0 * p->lane_k);
    for (uint64_t i = rows * part / parts; i < rows * (part + 1) / parts; i++) {
        const char *row = at(p->q, from, (int64_t)i * (along ? p->lane_k : p->lane_step));
        for (uint64_t b = 0; b < bytes; b += LINE) __builtin_prefetch(row + b, 0, 2);
        __builtin_prefetch(row + bytes - 1, 0, 2);
    }
}

/* All row panels of a task against one panel of lanes, for one block of k. */
static void gemm_strip(const gemm_plan *p, const gemm_task *t, uint64_t lane, uint64_t block)
{
    const ro_kernels *q = p->q;
    uint64_t k0 = block * RO_BLOCK, k = least(p->g->k - k0, RO_BLOCK);
    uint64_t lanes = least(p->width, t->lanes - lane);
    uint32_t vectors = (uint32_t)over(lanes, q->lanes), stride = vectors * q->lanes;
    int64_t first = (int64_t)lane * p->lane_step + (int64_t)k0 * p->lane_k;
    const void *from = p->lanes_packed ? NULL : at(q, t->lane_from, first);
    const int64_t *offset = p->offset[vectors];
    place w = place_of(block, p->blocks);
    if (p->lanes_packed) {
        uint64_t padded = over(p->lanes, q->lanes) * q->lanes;
        from = p->lanes_packed + (k0 * padded + (t->lane0 + lane) * k) * q->size;
    } else if (p->direct && lanes == stride) {
        offset = p->offset[0];
    } else {
        q->pack((uint32_t)lanes, stride, k, from, p->lane_step, p->lane_k, t->packed_lanes);
        from = t->packed_lanes;
    }
    uint64_t soon = lane + p->width < t->lanes ? lane + p->width : 0;
    int ahead = t->panels.parts >= 4 && !p->lanes_packed && (soon || !w.last) &&
                (p->lane_step == 1 || p->lane_k == 1);
    for (uint64_t i = 0; i < t->panels.parts; i++) {
        uint64_t row = split_start(&t->panels, i);
        uint32_t rows = (uint32_t)split_size(&t->panels, i);
        if (ahead) gemm_prefetch(p, t, soon, block + !soon, i, t->panels.parts);
        uint64_t tile = p->blocks == 1 ? 0 : (lane * t->rows + row * stride) * q->size;
        char *sum = (w.in_total ? t->total : t->group) + tile;
        q->tile[vectors - 1][rows - 1](k, t->packed_rows + row * k * q->size, from, offset, sum,
                                       w.add);
        if (w.close) q->add((uint64_t)rows * stride, sum, t->total + tile);
        if (!w.last) continue;
        int64_t r = (int64_t)row, l = (int64_t)lane;
        ro_finish f = {p->g->alpha, p->g->beta, NULL, p->add_row, p->add_lane, NULL, p->out_row,
                       p->out_lane};
        f.out = to_at(q, t->out, r * p->out_row + l * p->out_lane);
        if (t->add) f.add = at(q, t->add, r * p->add_row + l * p->add_lane);
        q->finish(&f, t->total + tile, stride, rows, (uint32_t)lanes);
    }
}

static void gemm_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const gemm_plan *p = ctx;
    const ro_kernels *q = p->q;
    for (uint64_t task = begin; task < end; task++) {
        gemm_task t = gemm_task_make(p, task, worker);
        for (uint64_t block = 0; block < p->blocks; block++) {
            uint64_t k0 = block * RO_BLOCK, k = least(p->g->k - k0, RO_BLOCK);
            for (uint64_t i = 0; i < t.panels.parts; i++) {
                uint64_t row = split_start(&t.panels, i);
                uint32_t rows = (uint32_t)split_size(&t.panels, i);
                q->pack(rows, rows, k,
                        at(q, t.row_from, (int64_t)row * p->row_step + (int64_t)k0 * p->row_k),
                        p->row_step, p->row_k, t.packed_rows + row * k * q->size);
            }
            for (uint64_t lane = 0; lane < t.lanes; lane += p->width)
                gemm_strip(p, &t, lane, block);
        }
    }
}

uint64_t ro_gemm_scratch(const ro_kernels *kernels, const ro_gemm *g, uint32_t threads)
{
    gemm_plan p;
    return gemm_plan_make(&p, kernels, g, NULL, threads);
}

void ro_gemm_run(const ro_kernels *kernels, const ro_gemm *g, void *scratch, ro_pool *pool)
{
    gemm_plan p;
    if (g->batches == 0 || g->m == 0 || g->n == 0) return;
    gemm_plan_make(&p, kernels, g, scratch, ro_pool_threads(pool));
    if (p.pack_first) gemm_pack_all(&p, pool);
    ro_parallel(pool, g->batches * p.row_chunks.parts * p.lane_chunks.parts, 1, gemm_range, &p);
}

char ro_gemm_packs(const ro_kernels *kernels, const ro_gemm *g)
{
    return waste(kernels, g->m, g->n) <= waste(kernels, g->n, g->m) ? 'b' : 'a';
}

uint64_t ro_gemm_pack_bytes(const ro_kernels *kernels, const ro_gemm *g)
{
    gemm_plan p;
    gemm_plan_make(&p, kernels, g, NULL, 1);
    return p.pack_bytes;
}

void ro_gemm_pack(const ro_kernels *kernels, const ro_gemm *g, void *packed, ro_pool *pool)
{
    gemm_plan p;
    gemm_plan_make(&p, kernels, g, NULL, 1);
    p.lanes_packed = packed;
    if (g->m && g->n) gemm_pack_all(&p, pool);
}

/* ---- convolutions: the image as shifted planes ------------------------------------------- */

/* One axis of a convolution seen as one of stride 1. Source element a * step + phase + origin is
 * element a of plane `phase`, and a tap is a shift of one of the planes, so that the elements
 * which neighbouring outputs meet are neighbours. Positions outside the source are +0. */
typedef struct {
    int64_t outs, out_start, out_step; /* output j lies at out_start + j * out_step     */
    int64_t source;                    /* elements of the source along this axis        */
    int64_t step, phases, origin;      /* of the source planes                          */
    int64_t reach;                     /* the largest shift                             */
    int64_t taps, dilation, stride;
    int backward;  /* an input gradient: the source is y, tap k meets (lead - k dilation) */
    int64_t lead;  /* / stride, and only where that is whole                              */
} axis;

static axis axis_forward(const ro_conv *c, int d)
{
    int64_t span = (c->kernel[d] - 1) * c->dilation[d];
    axis x = {c->out[d], 0, 1, c->in[d], c->stride[d], span + 1, -c->pad[d], span / c->stride[d],
              c->kernel[d], c->dilation[d], c->stride[d], 0, 0};
    if (x.phases > x.step) x.phases = x.step;
    return x;
}

/* Whether tap k of the axis takes part, and its plane and shift. */
static int axis_tap(const axis *x, int64_t k, int64_t *phase, int64_t *shift)
{
    int64_t reach = k * x->dilation;
    if (!x->backward) {
        *phase = reach % x->stride;
        *shift = reach / x->stride;
        return 1;
    }
    *phase = 0;
    *shift = (x->lead - reach) / x->stride - x->origin;
    return (x->lead - reach) % x->stride == 0;
}

/* The inputs i = first, first + stride, ... of a gradient: their taps meet whole outputs. */
static axis axis_backward(const ro_conv *c, int d, int64_t first)
{
    axis x = {(c->in[d] - first + c->stride[d] - 1) / c->stride[d], first, c->stride[d],
              c->out[d], 1, 1, 0, 0, c->kernel[d], c->dilation[d], c->stride[d],
              1, first + c->pad[d]};
    int64_t low = INT64_MAX, high = INT64_MIN, phase, shift;
    for (int64_t k = 0; k < x.taps; k++) {
        if (!axis_tap(&x, k, &phase, &shift)) continue;
        if (shift < low) low = shift;
        if (shift > high) high = shift;
    }
    if (low > high) return x;
    x.origin = low;
    x.reach = high - low;
    return x;
}

/* The first and the count of the positions a in [from, from + n) that lie in the source. */
static int64_t axis_inside(const axis *x, int64_t phase, int64_t from, int64_t n, int64_t *count)
{
    int64_t before = -(x->origin + phase); /* positions a with a * step < before are outside */
    int64_t low = before <= 0 ? 0 : (before + x->step - 1) / x->step;
    int64_t end = x->source + before <= 0 ? 0 : (x->source + before - 1) / x->step + 1;
    if (low < from) low = from;
    if (end > from + n) end = from + n;
    *count = end > low ? end - low : 0;
    return low;
}

/* Positions [row0, row0 + rows) of every plane of one source channel; `to` was zeroed. Planes
 * are `plane` elements apart, their rows `across`. */
static void fill_channel(const ro_kernels *q, const axis ax[2], const void *channel, int64_t row0,
                         int64_t rows, int64_t across, int64_t plane, void *to)
{
    for (int64_t h = 0; h < ax[0].phases; h++) {
        int64_t high, wide;
        int64_t a = axis_inside(&ax[0], h, row0, rows, &high);
        for (int64_t w = 0; w < ax[1].phases; w++) {
            int64_t b = axis_inside(&ax[1], w, 0, across, &wide);
            int64_t y = a * ax[0].step + h + ax[0].origin;
            int64_t x = b * ax[1].step + w + ax[1].origin;
            int64_t start = (h * ax[1].phases + w) * plane + (a - row0) * across + b;
            if (high == 0 || wide == 0) continue;
            q->copy((uint64_t)high, (uint64_t)wide, at(q, channel, y * ax[1].source + x),
                    ax[0].step * ax[1].source, ax[1].step, to_at(q, to, start), across);
        }
    }
}

/* ---- convolutions: forward and input gradient -------------------------------------------- */

#define SPATIAL_PANELS 8u             /* tiles that share one panel of weights while it is hot */
#define SLAB_BYTES (UINT64_C(384) << 10) /* of planes a task prepares: they stay in L2        */

typedef struct {
    const ro_kernels *q;
    axis ax[2];
    uint64_t images, groups, channels, rows; /* channels, rows: of one group, in and out */
    const void *from, *weights, *bias;
    void *to;
    int64_t to_high, to_wide; /* the output plane */
    int64_t weight_row;       /* from one output channel's weights to the next's */
    uint64_t weight_group, numbered, listed; /* products; and those that take part */
    uint64_t blocks, *block_end;             /* ends of the blocks in the list */
    int64_t *image_at, *weight_at;           /* of each product of the list */
    split panels, chunks; /* of output channels; of output rows */
    int64_t across, plane;
    char *packed, *worker;
    uint64_t slab_bytes, tile_bytes, worker_bytes;
} spatial_plan;

/* The list of products that take part, ascending, and where each numbered block ends in it. */
static void spatial_list(spatial_plan *p, int forward, int64_t weight_channel)
{
    int64_t kernel = p->ax[0].taps * p->ax[1].taps, planes = p->ax[0].phases * p->ax[1].phases;
    uint64_t n = 0, number = 0;
    for (uint64_t c = 0; c < p->channels; c++) {
        for (int64_t kh = 0; kh < p->ax[0].taps; kh++) {
            for (int64_t kw = 0; kw < p->ax[1].taps; kw++) {
                int64_t ph, pw, sh, sw;
                if (axis_tap(&p->ax[0], kh, &ph, &sh) && axis_tap(&p->ax[1], kw, &pw, &sw)) {
                    int64_t plane = (int64_t)c * planes + ph * p->ax[1].phases + pw;
                    p->image_at[n] = plane * p->plane + sh * p->across + sw;
                    p->weight_at[n++] = (int64_t)c * (forward ? kernel : weight_channel) +
                                        kh * p->ax[1].taps + kw;
                }
                p->block_end[number++ / RO_BLOCK] = n;
            }
        }
    }
    if (number == 0) p->block_end[0] = 0;
}

static uint64_t axis_taking_part(const axis *x)
{
    uint64_t n = 0;
    int64_t phase, shift;
    for (int64_t k = 0; k < x->taps; k++) n += axis_tap(x, k, &phase, &shift) != 0;
    return n;
}

/* Rows of output a task makes: what fits the slab, fewer if threads would wait. */
static void spatial_cut(spatial_plan *p, uint32_t threads)
{
    const axis *h = &p->ax[0];
    uint64_t width = (uint64_t)p->q->spatial * p->q->lanes;
    uint64_t row_bytes = most(1, p->channels * (uint64_t)(h->phases * p->ax[1].phases)) *
                         (uint64_t)p->across * p->q->size;
    uint64_t fits = SLAB_BYTES / row_bytes, reach = (uint64_t)h->reach;
    uint64_t limit = fits > reach ? fits - reach : 1;
    uint64_t floor = over(2 * width, (uint64_t)p->across);
    if (limit < floor) limit = floor;
    for (;; limit = over(limit, 2)) {
        p->chunks = split_even((uint64_t)h->outs, limit);
        if (threads == 1 || limit <= floor) break;
        if (p->images * p->groups * p->chunks.parts >= 4 * (uint64_t)threads) break;
    }
    p->plane = (int64_t)(split_most(&p->chunks) + reach) * p->across;
}

static uint64_t spatial_make(spatial_plan *p, char *base, uint32_t threads)
{
    const ro_kernels *q = p->q;
    carver c = {base, 0};
    uint64_t width = (uint64_t)q->spatial * q->lanes;
    uint64_t planes = p->channels * (uint64_t)(p->ax[0].phases * p->ax[1].phases);
    p->across = p->ax[1].outs + p->ax[1].reach;
    spatial_cut(p, threads);
    p->numbered = p->channels * (uint64_t)(p->ax[0].taps * p->ax[1].taps);
    p->listed = p->channels * axis_taking_part(&p->ax[0]) * axis_taking_part(&p->ax[1]);
    p->blocks = blocks_of(p->numbered);
    p->panels = split_even(p->rows, q->rows[q->spatial - 1]);
    p->block_end = carve(&c, p->blocks * sizeof *p->block_end);
    p->image_at = carve(&c, p->listed * sizeof *p->image_at);
    p->weight_at = carve(&c, p->listed * sizeof *p->weight_at);
    p->packed = carve(&c, p->groups * p->rows * p->listed * q->size);
    /* The last tile of a plane reads past its end, into the next plane or into this slack. */
    p->slab_bytes = lines((planes * (uint64_t)p->plane + width) * q->size);
    p->tile_bytes = lines(split_most(&p->panels) * width * q->size);
    p->worker_bytes = p->slab_bytes + p->tile_bytes * SPATIAL_PANELS *
                                          (p->blocks > RO_GROUP_BLOCKS ? 2 : 1);
    p->worker = carve(&c, p->worker_bytes * threads);
    return c.used;
}

static void spatial_pack(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const spatial_plan *p = ctx;
    const ro_kernels *q = p->q;
    (void)worker;
    for (uint64_t i = begin; i < end; i++) {
        uint64_t group = i / p->panels.parts, panel = i % p->panels.parts;
        uint64_t row = split_start(&p->panels, panel);
        uint32_t rows = (uint32_t)split_size(&p->panels, panel);
        const void *from = at(q, p->weights, (int64_t)(group * p->weight_group) +
                                                 (int64_t)row * p->weight_row);
        char *to = p->packed + (group * p->rows + row) * p->listed * q->size;
        if (!p->ax[0].backward)
            q->pack(rows, rows, p->listed, from, p->weight_row, 1, to);
        else
            q->gather(rows, rows, p->listed, from, p->weight_row, p->weight_at, to);
    }
}

/* What one task works on: output rows [row0, row0 + rows) of one group of one image. */
typedef struct {
    uint64_t group, channel0; /* channel0: of the output tensor's image * channels + channel */
    int64_t row0, rows;
    char *slab, *total, *sum;
} spatial_task;

static spatial_task spatial_start(const spatial_plan *p, uint64_t task, uint32_t worker)
{
    const ro_kernels *q = p->q;
    spatial_task t;
    uint64_t chunk = task % p->chunks.parts, image = task / p->chunks.parts / p->groups;
    int64_t planes = p->ax[0].phases * p->ax[1].phases;
    t.group = task / p->chunks.parts % p->groups;
    t.channel0 = (image * p->groups + t.group) * p->rows;
    t.row0 = (int64_t)split_start(&p->chunks, chunk);
    t.rows = (int64_t)split_size(&p->chunks, chunk);
    t.slab = p->worker + worker * p->worker_bytes;
    t.total = t.slab + p->slab_bytes;
    t.sum = t.total + p->tile_bytes * SPATIAL_PANELS;
    memset(t.slab, 0, p->slab_bytes);
    for (uint64_t c = 0; c < p->channels; c++) {
        int64_t channel = (int64_t)((image * p->groups + t.group) * p->channels + c);
        fill_channel(q, p->ax, at(q, p->from, channel * p->ax[0].source * p->ax[1].source),
                     t.row0, t.rows + p->ax[0].reach, p->across, p->plane,
                     to_at(q, t.slab, (int64_t)c * planes * p->plane));
    }
    return t;
}

/* Store the elements of a tile that are outputs: positions [at0, end) of the padded rows. */
static void spatial_store(const spatial_plan *p, const spatial_task *t, const char *tile,
                          uint32_t stride, uint64_t row, uint32_t rows, int64_t at0, int64_t end)
{
    const ro_kernels *q = p->q;
    const axis *h = &p->ax[0], *w = &p->ax[1];
    int64_t size = p->to_high * p->to_wide, wide = w->outs;
    int64_t channel = (int64_t)(t->channel0 + row);
    ro_finish f = {1, 1, NULL, 1, 0, NULL, size, w->out_step};
    if (p->bias) f.add = at(q, p->bias, (int64_t)(t->group * p->rows + row));
    int64_t y = at0 / p->across, x = at0 % p->across;
    for (int64_t i = at0; i < end; i += p->across - x, y++, x = 0) {
        int64_t n = (x + end - i < wide ? x + end - i : wide) - x;
        if (n <= 0) continue;
        int64_t out = (h->out_start + (t->row0 + y) * h->out_step) * p->to_wide + w->out_start +
                      x * w->out_step;
        f.out = to_at(q, p->to, channel * size + out);
        q->finish(&f, tile + (uint64_t)(i - at0) * q->size, stride, rows, (uint32_t)n);
    }
}

/* One panel of output channels against up to SPATIAL_PANELS tiles from position at0 on. */
static void spatial_strip(const spatial_plan *p, const spatial_task *t, uint64_t panel,
                          int64_t at0, int64_t end)
{
    const ro_kernels *q = p->q;
    int64_t width = (int64_t)(q->spatial * q->lanes);
    uint64_t row = split_start(&p->panels, panel), begin = 0;
    uint32_t rows = (uint32_t)split_size(&p->panels, panel);
    const char *weights = p->packed + (t->group * p->rows + row) * p->listed * q->size;
    for (uint64_t block = 0; block < p->blocks; begin = p->block_end[block++]) {
        place w = place_of(block, p->blocks);
        char *total = t->total, *sum = w.in_total ? t->total : t->sum;
        for (int64_t i = at0; i < end; i += width) {
            int64_t n = end - i < width ? end - i : width;
            uint32_t vectors = (uint32_t)over((uint64_t)n, q->lanes), stride = vectors * q->lanes;
            q->tile[vectors - 1][rows - 1](p->block_end[block] - begin,
                                           weights + begin * rows * q->size,
                                           to_at(q, t->slab, i), p->image_at + begin, sum, w.add);
            if (w.close) q->add((uint64_t)rows * stride, sum, total);
            if (w.last) spatial_store(p, t, total, stride, row, rows, i, i + n);
            total += p->tile_bytes, sum += p->tile_bytes;
        }
    }
}

static void spatial_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const spatial_plan *p = ctx;
    int64_t strip = (int64_t)(SPATIAL_PANELS * p->q->spatial * p->q->lanes);
    for (uint64_t task = begin; task < end; task++) {
        spatial_task t = spatial_start(p, task, worker);
        int64_t positions = (t.rows - 1) * p->across + p->ax[1].outs;
        for (int64_t i = 0; i < positions; i += strip) {
            int64_t stop = positions - i < strip ? positions : i + strip;
            for (uint64_t panel = 0; panel < p->panels.parts; panel++)
                spatial_strip(p, &t, panel, i, stop);
        }
    }
}

static void spatial_run(spatial_plan *p, int64_t weight_channel, char *scratch, ro_pool *pool)
{
    spatial_make(p, scratch, ro_pool_threads(pool));
    spatial_list(p, !p->ax[0].backward, weight_channel);
    ro_parallel(pool, p->groups * p->panels.parts, 1, spatial_pack, p);
    ro_parallel(pool, p->images * p->groups * p->chunks.parts, 1, spatial_range, p);
}

static spatial_plan spatial_forward(const ro_kernels *q, const ro_conv *c)
{
    spatial_plan p;
    memset(&p, 0, sizeof p);
    p.q = q;
    p.ax[0] = axis_forward(c, 0);
    p.ax[1] = axis_forward(c, 1);
    p.images = c->images, p.groups = c->groups;
    p.channels = c->in_channels / c->groups, p.rows = c->out_channels / c->groups;
    p.to_high = c->out[0], p.to_wide = c->out[1];
    p.weight_row = (int64_t)p.channels * c->kernel[0] * c->kernel[1];
    p.weight_group = p.rows * (uint64_t)p.weight_row;
    return p;
}

static spatial_plan spatial_backward(const ro_kernels *q, const ro_conv *c, int64_t first_high,
                                     int64_t first_wide)
{
    spatial_plan p;
    memset(&p, 0, sizeof p);
    p.q = q;
    p.ax[0] = axis_backward(c, 0, first_high);
    p.ax[1] = axis_backward(c, 1, first_wide);
    p.images = c->images, p.groups = c->groups;
    p.channels = c->out_channels / c->groups, p.rows = c->in_channels / c->groups;
    p.to_high = c->in[0], p.to_wide = c->in[1];
    p.weight_row = c->kernel[0] * c->kernel[1];
    p.weight_group = p.channels * p.rows * (uint64_t)p.weight_row;
    return p;
}

/* Outputs of the gradient fall into stride x stride lattices, each a convolution of stride 1. */
static uint64_t backward_each(const ro_kernels *q, const ro_conv *c, const void *from,
                              const void *with, const void *bias, void *to, char *scratch,
                              ro_pool *pool, uint32_t threads)
{
    uint64_t bytes = 0;
    int64_t weight_channel = (int64_t)(c->in_channels / c->groups) * c->kernel[0] * c->kernel[1];
    for (int64_t h = 0; h < c->stride[0] && h < c->in[0]; h++) {
        for (int64_t w = 0; w < c->stride[1] && w < c->in[1]; w++) {
            spatial_plan p = spatial_backward(q, c, h, w);
            if (!scratch) {
                bytes = most(bytes, spatial_make(&p, NULL, threads));
                continue;
            }
            p.from = from, p.weights = with, p.bias = bias, p.to = to;
            spatial_run(&p, weight_channel, scratch, pool);
        }
    }
    return bytes;
}

/* ---- convolutions: weight gradient ------------------------------------------------------- */

/* Output channels lie across the vectors; rows of a tile are taps (c, kh, kw), read where they
 * lie in the planes; k runs over (n, oh, ow). Tasks are groups of k, as many at once as there
 * are threads (a wave), and what a group gives is then added in the order of the groups. */
typedef struct {
    const ro_kernels *q;
    const ro_conv *c;
    axis ax[2];
    const void *x, *y;
    void *to;
    uint64_t channels, outs, taps, area; /* of one group: in, out; of a kernel; of an image */
    uint64_t products, sums, wave;       /* k; its groups; groups at once */
    split chunks;                        /* of input channels */
    uint64_t width, padded;              /* lanes of a full tile; outs as whole vectors */
    int64_t across, plane;
    int64_t *tap_at;
    char *total, *waves, *worker;
    uint64_t slot_bytes, slab_bytes, packed_bytes, run_bytes, worker_bytes;
    uint64_t first; /* group of k of the wave under way */
} weight_plan;

static void weight_taps(weight_plan *p)
{
    uint64_t n = 0;
    int64_t planes = p->ax[0].phases * p->ax[1].phases;
    for (uint64_t c = 0; c < split_most(&p->chunks); c++) {
        for (int64_t kh = 0; kh < p->ax[0].taps; kh++) {
            for (int64_t kw = 0; kw < p->ax[1].taps; kw++) {
                int64_t ph, pw, sh, sw;
                axis_tap(&p->ax[0], kh, &ph, &sh);
                axis_tap(&p->ax[1], kw, &pw, &sw);
                p->tap_at[n++] = ((int64_t)c * planes + ph * p->ax[1].phases + pw) * p->plane +
                                 sh * p->across + sw;
            }
        }
    }
}

static uint64_t weight_make(weight_plan *p, const ro_kernels *q, const ro_conv *c, char *base,
                            uint32_t threads)
{
    carver v = {base, 0};
    memset(p, 0, sizeof *p);
    p->q = q, p->c = c;
    p->ax[0] = axis_forward(c, 0), p->ax[1] = axis_forward(c, 1);
    p->channels = c->in_channels / c->groups, p->outs = c->out_channels / c->groups;
    p->taps = (uint64_t)(c->kernel[0] * c->kernel[1]);
    p->area = (uint64_t)(c->out[0] * c->out[1]);
    p->products = c->images * p->area;
    p->sums = most(1, over(p->products, RO_GROUP));
    p->wave = least(p->sums, threads);
    p->width = least(2, over(p->outs, q->lanes)) * q->lanes;
    p->padded = over(p->outs, q->lanes) * q->lanes;
    p->across = p->ax[1].outs + p->ax[1].reach;
    /* A block of k touches at most so many rows of at most so many images. */
    uint64_t deep = least(p->products, RO_BLOCK), wide = most(1, (uint64_t)c->out[1]);
    uint64_t rows = deep ? (deep + wide - 2) / wide + 1 : 0;
    uint64_t images = deep ? (deep + p->area - 2) / p->area + 1 : 0;
    p->plane = (int64_t)(rows + images * (uint64_t)p->ax[0].reach) * p->across;
    uint64_t planes = (uint64_t)(p->ax[0].phases * p->ax[1].phases * p->plane);
    uint64_t limit = most(1, SLAB_BYTES / most(1, planes * q->size));
    while (limit > 1 && p->wave * c->groups * over(p->channels, limit) < threads)
        limit = over(limit, 2);
    p->chunks = split_even(p->channels, limit);
    uint64_t chunk = split_most(&p->chunks);
    p->tap_at = carve(&v, chunk * p->taps * sizeof *p->tap_at);
    p->slot_bytes = lines(c->groups * p->channels * p->taps * p->padded * q->size);
    p->total = carve(&v, p->slot_bytes);
    p->waves = carve(&v, p->sums == 1 ? 0 : p->slot_bytes * p->wave);
    p->slab_bytes = lines(chunk * planes * q->size);
    p->packed_bytes = lines(deep * p->padded * q->size);
    p->run_bytes = lines(rows * sizeof(ro_run));
    p->worker_bytes = p->slab_bytes + p->packed_bytes + p->run_bytes;
    p->worker = carve(&v, p->worker_bytes * threads);
    return v.used;
}

typedef struct {
    uint64_t group, channel0, channels; /* group of the convolution; of its input channels */
    char *sums;                         /* of this chunk's tiles */
    char *slab, *packed;
    ro_run *runs;
    uint64_t run_count;
} weight_task;

/* Pixels [from, end) of one image: their rows into the slab, y across the vectors, the runs.
 * Returns the slab rows used. */
static int64_t weight_image(const weight_plan *p, weight_task *t, uint64_t from, uint64_t end,
                            uint64_t done, uint64_t deep, int64_t slab_row)
{
    const ro_kernels *q = p->q;
    const ro_conv *c = p->c;
    uint64_t image = from / p->area, pixel = from % p->area, count = end - from;
    uint64_t wide = (uint64_t)c->out[1], top = pixel / wide;
    int64_t rows = (int64_t)((pixel + count - 1) / wide - top) + 1 + p->ax[0].reach;
    int64_t planes = p->ax[0].phases * p->ax[1].phases;
    for (uint64_t i = 0; i < t->channels; i++) {
        uint64_t channel = image * c->in_channels + t->group * p->channels + t->channel0 + i;
        int64_t to = (int64_t)i * planes * p->plane + slab_row * p->across;
        fill_channel(q, p->ax, at(q, p->x, (int64_t)channel * c->in[0] * c->in[1]),
                     (int64_t)top, rows, p->across, p->plane, to_at(q, t->slab, to));
    }
    for (uint64_t lane = 0; lane < p->outs; lane += p->width) {
        uint64_t used = least(p->width, p->outs - lane), row = least(p->width, p->padded - lane);
        uint64_t channel = image * c->out_channels + t->group * p->outs + lane;
        q->pack((uint32_t)used, (uint32_t)row, count,
                at(q, p->y, (int64_t)(channel * p->area + pixel)), (int64_t)p->area, 1,
                t->packed + (lane * deep + done * row) * q->size);
    }
    for (uint64_t i = 0; i < count;) {
        uint64_t y = (pixel + i) / wide, x = (pixel + i) % wide;
        ro_run *run = &t->runs[t->run_count++];
        run->offset = (slab_row + (int64_t)(y - top)) * p->across + (int64_t)x;
        run->count = least(wide - x, count - i);
        i += run->count;
    }
    return slab_row + rows;
}

static void weight_block(const weight_plan *p, weight_task *t, uint64_t first, uint64_t deep,
                         int add)
{
    const ro_kernels *q = p->q;
    uint64_t taps = t->channels * p->taps, next;
    int64_t slab_row = 0;
    t->run_count = 0;
    memset(t->slab, 0, p->slab_bytes);
    for (uint64_t k = first; k < first + deep; k = next) {
        next = least(first + deep, (k / p->area + 1) * p->area);
        slab_row = weight_image(p, t, k, next, k - first, deep, slab_row);
    }
    for (uint64_t lane = 0; lane < p->outs; lane += p->width) {
        uint32_t stride = (uint32_t)least(p->width, p->padded - lane);
        uint32_t vectors = stride / q->lanes;
        split rows = split_even(taps, q->tap_rows[vectors - 1]);
        for (uint64_t i = 0; i < rows.parts; i++) {
            uint64_t row = split_start(&rows, i);
            q->tap[vectors - 1][split_size(&rows, i) - 1](
                t->runs, t->run_count, t->slab, p->tap_at + row, t->packed + lane * deep * q->size,
                t->sums + (lane * taps + row * stride) * q->size, add);
        }
    }
}

static void weight_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const weight_plan *p = ctx;
    for (uint64_t task = begin; task < end; task++) {
        weight_task t;
        uint64_t chunk = task % p->chunks.parts, rest = task / p->chunks.parts;
        uint64_t sum = p->first + rest / p->c->groups;
        uint64_t stop = least(p->products, (sum + 1) * RO_GROUP), k = sum * RO_GROUP;
        t.group = rest % p->c->groups;
        t.channel0 = split_start(&p->chunks, chunk);
        t.channels = split_size(&p->chunks, chunk);
        t.sums = sum == 0 ? p->total : p->waves + (sum - p->first) * p->slot_bytes;
        t.sums += (t.group * p->channels + t.channel0) * p->taps * p->padded * p->q->size;
        t.slab = p->worker + worker * p->worker_bytes;
        t.packed = t.slab + p->slab_bytes;
        t.runs = (ro_run *)(void *)(t.packed + p->packed_bytes);
        do {
            uint64_t deep = least(stop - k, RO_BLOCK);
            weight_block(p, &t, k, deep, k != sum * RO_GROUP);
            k += deep;
        } while (k < stop);
    }
}

/* Add what the groups of the wave gave, in their order; elements [begin, end) of a slot. */
static void weight_reduce(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const weight_plan *p = ctx;
    uint64_t size = p->q->size;
    (void)worker;
    for (uint64_t s = 0; s < least(p->wave, p->sums - p->first); s++) {
        if (p->first + s == 0) continue; /* lies in the total */
        p->q->add(end - begin, p->waves + s * p->slot_bytes + begin * size,
                  p->total + begin * size);
    }
}

static void weight_finish(const weight_plan *p)
{
    const ro_kernels *q = p->q;
    int64_t row = (int64_t)(p->channels * p->taps);
    for (uint64_t i = 0; i < p->c->groups * p->chunks.parts; i++) {
        uint64_t group = i / p->chunks.parts, chunk = i % p->chunks.parts;
        uint64_t channel = split_start(&p->chunks, chunk);
        uint64_t taps = split_size(&p->chunks, chunk) * p->taps;
        const char *sums = p->total + (group * p->channels + channel) * p->taps * p->padded *
                                          q->size;
        for (uint64_t lane = 0; lane < p->outs; lane += p->width) {
            uint64_t stride = least(p->width, p->padded - lane);
            ro_finish f = {1, 1, NULL, 0, 0, NULL, 1, row};
            f.out = to_at(q, p->to, (int64_t)(group * p->outs + lane) * row +
                                        (int64_t)(channel * p->taps));
            q->finish(&f, sums + lane * taps * q->size, (uint32_t)stride, (uint32_t)taps,
                      (uint32_t)least(p->width, p->outs - lane));
        }
    }
}

static void weight_run(weight_plan *p, ro_pool *pool)
{
    weight_taps(p);
    for (p->first = 0; p->first < p->sums; p->first += p->wave) {
        uint64_t sums = least(p->wave, p->sums - p->first);
        ro_parallel(pool, sums * p->c->groups * p->chunks.parts, 1, weight_range, p);
        if (p->sums > 1)
            ro_parallel(pool, p->c->groups * p->channels * p->taps * p->padded, RO_GROUP,
                        weight_reduce, p);
    }
    weight_finish(p);
}

/* ---- convolutions: the interface --------------------------------------------------------- */

uint64_t ro_conv_scratch(const ro_kernels *kernels, ro_conv_kind kind, const ro_conv *c,
                         uint32_t threads)
{
    if (kind == RO_CONV_FORWARD) {
        spatial_plan p = spatial_forward(kernels, c);
        return spatial_make(&p, NULL, threads);
    }
    if (kind == RO_CONV_GRAD_INPUT)
        return backward_each(kernels, c, NULL, NULL, NULL, NULL, NULL, NULL, threads);
    weight_plan p;
    return weight_make(&p, kernels, c, NULL, threads);
}

void ro_conv_run(const ro_kernels *kernels, ro_conv_kind kind, const ro_conv *c,
                 const void *from, const void *with, const void *bias, void *to, void *scratch,
                 ro_pool *pool)
{
    uint32_t threads = ro_pool_threads(pool);
    if (kind == RO_CONV_FORWARD) {
        spatial_plan p = spatial_forward(kernels, c);
        p.from = from, p.weights = with, p.bias = bias, p.to = to;
        spatial_run(&p, 0, scratch, pool);
    } else if (kind == RO_CONV_GRAD_INPUT) {
        backward_each(kernels, c, from, with, bias, to, scratch, pool, threads);
    } else {
        weight_plan p;
        weight_make(&p, kernels, c, scratch, threads);
        p.x = from, p.y = with, p.to = to;
        weight_run(&p, pool);
    }
}
