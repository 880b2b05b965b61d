/* onnx_known.c - operators of ONNX whose outputs have shapes that values decide.
 *
 * What this file decides: what is chosen. Inputs are known and committed before the run, so the
 * choice is made here and becomes a constant; what is chosen is moved by Gather, in the trace.
 *
 * Invariants
 *   1. Work done here is charged to the budget of all that is computed before the run.
 *   2. Only orders, equality and counts are decided here. The one arithmetic, that of
 *      NonMaxSuppression, is in binary32, each operation rounded once. */
#include "onnx_lower.h"

/* ---- small pieces ------------------------------------------------------------------------- */

/* A number whose unsigned order is that of the elements: zeros are equal, NaNs are equal and last.
 * Of no use but to compare. */
static uint64_t rank_of(ro_dtype d, const void *data, uint64_t i)
{
    const uint32_t width = 8 * ro_dtypes[d].size;
    const uint64_t sign = UINT64_C(1) << (width - 1), bits = ro_element(d, data, i);
    if (d == RO_BOOL) return bits != 0;
    if (ro_dtypes[d].compute == RO_C_U64) return bits;
    if (ro_dtypes[d].compute == RO_C_I64) return bits ^ sign;
    const uint64_t infinity = d == RO_F64    ? UINT64_C(0x7ff) << 52
                              : d == RO_F16  ? 0x7c00
                              : d == RO_BF16 ? 0x7f80 : 0x7f800000;
    const uint64_t size = bits & (sign - 1);
    if (size > infinity) return UINT64_MAX;
    return bits & sign ? sign - size : sign + size;
}

static int is_zero(ro_dtype d, const void *data, uint64_t i)
{
    const uint64_t bits = ro_element(d, data, i);
    return ro_dtype_is_float(d) ? bits << (65 - 8 * ro_dtypes[d].size) == 0 : bits == 0;
}

static ro_status list_out(vd_use *u, uint32_t output, const int64_t *v, int64_t n)
{
    if (output >= u->node->output_count) return RO_OK;
    return vd_lower_int64s(u->l, v, 1, &n, &u->out[output]);
}

/* Elements of a tensor, as one row. */
static ro_status flat(vd_use *u, uint32_t input, ro_value *x)
{
    const int64_t n = (int64_t)ro_type_elements(vd_use_type(u, input));
    return vd_lower_reshape(u->l, u->in[input], 1, &n, x);
}

/* ---- Compress, NonZero -------------------------------------------------------------------- */

static ro_status compress(vd_use *u)
{
    const void *data;
    int64_t *at, count = 0;
    uint32_t axis = 0;
    ro_value x;
    RO_TRY(vd_use_wants(u, 2, 2));
    ro_type c = *vd_use_type(u, 1), t = *vd_use_type(u, 0);
    if (c.rank != 1 || c.dtype != RO_BOOL)
        return vd_use_fail(u, RO_ETYPE, "has a condition that is no row of bools");
    x = u->in[0];
    if (vd_use_attribute(u, "axis"))
        RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", 0), t.rank, &axis));
    else RO_TRY(flat(u, 0, &x));
    const int64_t positions = ro_graph_type(u->l->graph, x)->dims[axis];
    RO_TRY(vd_use_charge(u, (uint64_t)c.dims[0], 1));
    RO_TRY(vd_lower_known(u->l, u->in[1], &data));
    RO_TRY(vd_use_list(u, (uint64_t)c.dims[0], &at));
    for (int64_t k = 0; k < c.dims[0]; k++) {
        if (!((const uint8_t *)data)[k]) continue;
        if (k >= positions)
            return vd_use_fail(u, RO_ESHAPE, "takes position %lld of %lld", (long long)k,
                               (long long)positions);
        at[count++] = k;
    }
    return vd_lower_take(u->l, x, axis, at, (uint64_t)count, &u->out[0]);
}

static ro_status non_zero(vd_use *u)
{
    const void *data;
    int64_t *v, count = 0, at = 0;
    uint64_t all;
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    const uint64_t n = ro_type_elements(&t);
    RO_TRY(vd_use_charge(u, n, t.rank + 1));
    RO_TRY(vd_lower_known(u->l, u->in[0], &data));
    for (uint64_t i = 0; i < n; i++) count += !is_zero(t.dtype, data, i);
    if (!ro_mul_size((uint64_t)count, t.rank, &all)) all = UINT64_MAX;
    RO_TRY(vd_use_list(u, all, &v));
    for (uint64_t i = 0; i < n; i++) {
        if (is_zero(t.dtype, data, i)) continue;
        uint64_t rest = i;
        for (uint32_t a = t.rank; a-- > 0; rest /= (uint64_t)t.dims[a])
            v[(int64_t)a * count + at] = (int64_t)(rest % (uint64_t)t.dims[a]);
        at++;
    }
    return vd_lower_int64s(u->l, v, 2, (const int64_t[]){t.rank, count}, &u->out[0]);
}

/* ---- Unique ------------------------------------------------------------------------------- */

/* A tensor as slices along an axis: element j of slice s. */
typedef struct {
    ro_dtype dtype;
    const void *data;
    uint64_t slices, inner, outer; /* elements of a slice: outer times inner */
} sliced;

static int compare(const sliced *x, int64_t a, int64_t b)
{
    for (uint64_t o = 0; o < x->outer; o++)
        for (uint64_t k = 0; k < x->inner; k++) {
            uint64_t p = rank_of(x->dtype, x->data, (o * x->slices + (uint64_t)a) * x->inner + k);
            uint64_t q = rank_of(x->dtype, x->data, (o * x->slices + (uint64_t)b) * x->inner + k);
            if (p != q) return p < q ? -1 : 1;
        }
    return 0;
}

/* Ascending, equal ones in their order; `room` is as long as `list`. */
static void merge_sort(const sliced *x, int64_t *list, int64_t *room, uint64_t n)
{
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t from = 0; from < n; from += 2 * width) {
            uint64_t middle = n - from < width ? n : from + width, a = from, b = middle;
            uint64_t end = n - from < 2 * width ? n : from + 2 * width;
            for (uint64_t k = from; k < end; k++)
                room[k] = b == end || (a < middle && compare(x, list[a], list[b]) <= 0)
                              ? list[a++] : list[b++];
        }
        memcpy(list, room, n * sizeof *list);
    }
}

/* The groups of equal slices: first[g] the first of group g, group[s] that of slice s. In the order
 * of the slices' values or, unless sorted, in that of the first ones. */
static ro_status group(vd_use *u, const sliced *x, int sorted, int64_t *first, int64_t *of,
                       int64_t *groups)
{
    int64_t *order, *room, *place;
    RO_TRY(vd_use_list(u, x->slices, &order));
    RO_TRY(vd_use_list(u, x->slices, &room));
    RO_TRY(vd_use_list(u, x->slices, &place));
    for (uint64_t s = 0; s < x->slices; s++) order[s] = (int64_t)s;
    merge_sort(x, order, room, x->slices);
    *groups = 0;
    for (uint64_t s = 0; s < x->slices; s++) {
        if (s == 0 || compare(x, order[s - 1], order[s])) first[(*groups)++] = order[s];
        of[order[s]] = *groups - 1;
    }
    if (sorted) return RO_OK;
    int64_t seen = 0;
    for (int64_t g = 0; g < *groups; g++) place[g] = -1;
    for (uint64_t s = 0; s < x->slices; s++) {
        if (place[of[s]] < 0) {
            first[seen] = (int64_t)s;
            place[of[s]] = seen++;
        }
        of[s] = place[of[s]];
    }
    return RO_OK;
}

static ro_status unique(vd_use *u)
{
    int64_t *first, *of, *counts, groups;
    uint32_t axis = 0, bits = 1;
    ro_value in = u->in[0];
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    const uint64_t n = ro_type_elements(&t);
    sliced x = {t.dtype, NULL, n, 1, 1};
    if (vd_use_attribute(u, "axis")) {
        RO_TRY(vd_use_axis(u, vd_use_int(u, "axis", 0), t.rank, &axis));
        x.slices = (uint64_t)t.dims[axis];
        for (uint32_t k = 0; k < t.rank; k++)
            if (k != axis) *(k < axis ? &x.outer : &x.inner) *= (uint64_t)t.dims[k];
    } else {
        RO_TRY(flat(u, 0, &in));
    }
    if (!n) x.outer = 0; /* slices of nothing are equal at once */
    while (bits < 64 && x.slices >> bits) bits++;
    RO_TRY(vd_use_charge(u, n ? n : x.slices, bits + 2));
    RO_TRY(vd_lower_known(u->l, u->in[0], &x.data));
    RO_TRY(vd_use_list(u, x.slices, &first));
    RO_TRY(vd_use_list(u, x.slices, &of));
    RO_TRY(vd_use_list(u, x.slices, &counts));
    RO_TRY(group(u, &x, vd_use_int(u, "sorted", 1) != 0, first, of, &groups));
    for (uint64_t s = 0; s < x.slices; s++) counts[of[s]]++;
    RO_TRY(vd_lower_take(u->l, in, axis, first, (uint64_t)groups, &u->out[0]));
    RO_TRY(list_out(u, 1, first, groups));
    RO_TRY(list_out(u, 2, of, (int64_t)x.slices));
    return list_out(u, 3, counts, groups);
}

/* ---- ReverseSequence ---------------------------------------------------------------------- */

static ro_status reverse_sequence(vd_use *u)
{
    const void *data;
    int64_t *at;
    ro_value x;
    RO_TRY(vd_use_wants(u, 2, 2));
    ro_type t = *vd_use_type(u, 0), n = *vd_use_type(u, 1);
    const int64_t batch = vd_use_int(u, "batch_axis", 1), time = vd_use_int(u, "time_axis", 0);
    if (t.rank < 2 || (batch != 0 && batch != 1) || time != 1 - batch)
        return vd_use_fail(u, RO_EATTR, "has batch_axis %lld and time_axis %lld; one is 0, one 1",
                           (long long)batch, (long long)time);
    if (n.rank != 1 || n.dims[0] != t.dims[batch] || n.dtype != RO_I64)
        return vd_use_fail(u, RO_ESHAPE, "wants %lld lengths in int64", (long long)t.dims[batch]);
    const int64_t rows = t.dims[0] * t.dims[1], turns = t.dims[time];
    int64_t dims[RO_RANK_MAX] = {rows};
    for (uint32_t k = 2; k < t.rank; k++) dims[k - 1] = t.dims[k];
    RO_TRY(vd_use_list(u, (uint64_t)rows, &at));
    RO_TRY(vd_use_charge(u, (uint64_t)rows, 1));
    RO_TRY(vd_lower_known(u->l, u->in[1], &data));
    for (int64_t b = 0; b < t.dims[batch]; b++) {
        int64_t length = (int64_t)ro_element(RO_I64, data, (uint64_t)b);
        length = length < 0 ? 0 : length > turns ? turns : length;
        for (int64_t k = 0; k < turns; k++) {
            int64_t from = k < length ? length - 1 - k : k;
            if (time) at[b * turns + k] = b * turns + from;
            else at[k * t.dims[1] + b] = from * t.dims[1] + b;
        }
    }
    RO_TRY(vd_lower_reshape(u->l, u->in[0], t.rank - 1, dims, &x));
    RO_TRY(vd_lower_take(u->l, x, 0, at, (uint64_t)rows, &x));
    return vd_lower_reshape(u->l, x, t.rank, t.dims, &u->out[0]);
}

/* ---- NonMaxSuppression -------------------------------------------------------------------- */

/* One operation in binary32: what it is in binary64, rounded again, which is that rounded once. */
static float plus(float a, float b) { return (float)((double)a + (double)b); }
static float minus(float a, float b) { return (float)((double)a - (double)b); }
static float times(float a, float b) { return (float)((double)a * (double)b); }
static float over(float a, float b) { return (float)((double)a / (double)b); }
static float least(float a, float b) { return b < a ? b : a; }
static float most(float a, float b) { return b > a ? b : a; }

typedef struct { float low[2], high[2]; } box; /* along y and x */

/* From two corners, or from a centre and sizes in the order x, y, width, height. */
static box box_of(const float *v, int centre)
{
    box b;
    for (uint32_t k = 0; k < 2; k++) {
        float half = over(v[3 - k], 2), p = v[k], q = v[k + 2];
        if (centre) {
            p = minus(v[1 - k], half);
            q = plus(v[1 - k], half);
        }
        b.low[k] = least(p, q);
        b.high[k] = most(p, q);
    }
    return b;
}

/* Whether two boxes share more than a part of their union. */
static int overlap(const box *a, const box *b, float threshold)
{
    float common = 1, of_a = 1, of_b = 1;
    for (uint32_t k = 0; k < 2; k++) {
        float d = minus(least(a->high[k], b->high[k]), most(a->low[k], b->low[k]));
        if (!(d > 0)) return 0;
        common = k ? times(common, d) : d;
        of_a = k ? times(of_a, minus(a->high[k], a->low[k])) : minus(a->high[k], a->low[k]);
        of_b = k ? times(of_b, minus(b->high[k], b->low[k])) : minus(b->high[k], b->low[k]);
    }
    float all = minus(plus(of_a, of_b), common);
    return of_a > 0 && of_b > 0 && all > 0 && over(common, all) > threshold;
}

typedef struct {
    const float *boxes, *scores;
    int64_t count, most; /* boxes; of those, at most so many are kept of a class */
    float iou, score;
    int has_score, centre;
} suppression;

/* Of one class of one batch, the boxes that stay, best first; equal scores by number. */
static ro_status suppress(vd_use *u, const suppression *s, const float *boxes, const float *scores,
                          int64_t *kept, int64_t *stay)
{
    int64_t *order, *room, n = 0;
    RO_TRY(vd_use_list(u, (uint64_t)s->count, &order));
    RO_TRY(vd_use_list(u, (uint64_t)s->count, &room));
    const sliced x = {RO_F32, scores, (uint64_t)s->count, 1, 1};
    for (int64_t k = s->count; k-- > 0;) /* sorted up, then read from the end: ties in order */
        if (s->has_score ? scores[k] > s->score : scores[k] == scores[k]) order[n++] = k;
    merge_sort(&x, order, room, (uint64_t)n);
    *stay = 0;
    while (n-- > 0 && *stay < s->most) {
        box b = box_of(boxes + 4 * order[n], s->centre);
        int falls = 0;
        for (int64_t k = 0; k < *stay && !falls; k++) {
            box other = box_of(boxes + 4 * kept[k], s->centre);
            falls = overlap(&other, &b, s->iou);
        }
        if (!falls) kept[(*stay)++] = order[n];
        RO_TRY(vd_use_charge(u, (uint64_t)*stay + 1, 16));
    }
    return RO_OK;
}

static ro_status read_suppression(vd_use *u, suppression *s, ro_type *boxes, ro_type *scores)
{
    double real;
    int64_t whole;
    const void *data[2];
    memset(s, 0, sizeof *s);
    RO_TRY(vd_use_wants(u, 2, 5));
    *boxes = *vd_use_type(u, 0);
    *scores = *vd_use_type(u, 1);
    if (boxes->rank != 3 || scores->rank != 3 || boxes->dtype != RO_F32 ||
        scores->dtype != RO_F32 || boxes->dims[2] != 4 || boxes->dims[0] != scores->dims[0] ||
        boxes->dims[1] != scores->dims[2])
        return vd_use_fail(u, RO_ESHAPE, "wants boxes (B, N, 4) and scores (B, C, N) in float32");
    for (uint32_t k = 0; k < 2; k++) RO_TRY(vd_lower_known(u->l, u->in[k], &data[k]));
    s->boxes = data[0];
    s->scores = data[1];
    s->count = boxes->dims[1];
    s->centre = vd_use_int(u, "center_point_box", 0) != 0;
    for (uint32_t k = 2; k < 5; k++) {
        if (!vd_use_type(u, k)) continue;
        RO_TRY(vd_use_scalar(u, k, &real, &whole));
        if (k == 2) s->most = whole < s->count ? whole : s->count;
        if (k == 3) s->iou = (float)real;
        if (k == 4) s->score = (float)real, s->has_score = 1;
    }
    return RO_OK;
}

static ro_status non_max_suppression(vd_use *u)
{
    suppression s;
    ro_type boxes, scores;
    int64_t *kept, *out, stay, n = 0;
    uint32_t bits = 1;
    RO_TRY(read_suppression(u, &s, &boxes, &scores));
    const int64_t batches = scores.dims[0], classes = scores.dims[1];
    while (bits < 64 && s.count >> bits) bits++;
    RO_TRY(vd_use_charge(u, ro_type_elements(&scores) + (uint64_t)(batches * classes), bits + 2));
    RO_TRY(vd_use_list(u, (uint64_t)s.count, &kept));
    RO_TRY(vd_use_list(u, 3 * ro_type_elements(&scores), &out));
    for (int64_t b = 0; b < batches && s.count; b++)
        for (int64_t c = 0; c < classes; c++) {
            RO_TRY(suppress(u, &s, s.boxes + b * s.count * 4,
                            s.scores + (b * classes + c) * s.count, kept, &stay));
            for (int64_t k = 0; k < stay; k++) {
                out[n++] = b;
                out[n++] = c;
                out[n++] = kept[k];
            }
        }
    return vd_lower_int64s(u->l, out, 2, (const int64_t[]){n / 3, 3}, &u->out[0]);
}

/* ---- TfIdfVectorizer ---------------------------------------------------------------------- */

typedef struct {
    const int64_t *pool, *starts, *places;
    uint32_t pool_count, start_count, place_count;
    int64_t shortest, longest, skips;
} grams;

static ro_status read_grams(vd_use *u, grams *g)
{
    const char *const names[] = {"pool_int64s", "ngram_counts", "ngram_indexes"};
    const vd_onnx_attribute *list[3];
    for (uint32_t k = 0; k < 3; k++) {
        list[k] = vd_use_attribute(u, names[k]);
        if (!list[k] || list[k]->type != VD_A_INTS)
            return vd_use_fail(u, RO_EOP, "has no %s; only numbers are taken", names[k]);
    }
    *g = (grams){list[0]->v.ints, list[1]->v.ints, list[2]->v.ints, list[0]->count, list[1]->count,
                 list[2]->count, vd_use_int(u, "min_gram_length", 0),
                 vd_use_int(u, "max_gram_length", 0), vd_use_int(u, "max_skip_count", 0)};
    if (g->shortest < 1 || g->longest < g->shortest || g->longest > g->start_count ||
        g->skips < 0 || g->skips > (int64_t)VD_LOWER_INDICES)
        return vd_use_fail(u, RO_EATTR, "has grams of %lld to %lld, %lld skipped, in %u lists",
                           (long long)g->shortest, (long long)g->longest, (long long)g->skips,
                           g->start_count);
    uint64_t all = 0;
    for (uint32_t k = 0; k < g->start_count; k++) {
        int64_t from = g->starts[k], to = k + 1 < g->start_count ? g->starts[k + 1]
                                                                 : (int64_t)g->pool_count;
        if (from < 0 || to < from || to > (int64_t)g->pool_count || (to - from) % (k + 1))
            return vd_use_fail(u, RO_EATTR, "has %u-grams from %lld to %lld of the pool", k + 1,
                               (long long)from, (long long)to);
        all += (uint64_t)(to - from) / (k + 1);
    }
    if (all != g->place_count)
        return vd_use_fail(u, RO_EATTR, "has %u places for %llu grams", g->place_count,
                           (unsigned long long)all);
    for (uint32_t k = 0; k < g->place_count; k++)
        if (g->places[k] < 0 || g->places[k] >= (int64_t)VD_LOWER_INDICES)
            return vd_use_fail(u, RO_EATTR, "has the place %lld", (long long)g->places[k]);
    return RO_OK;
}

/* How often the row has the n numbers at `gram`, so many apart. */
static int64_t occurrences(const grams *g, const int64_t *row, int64_t length, const int64_t *gram,
                           int64_t n)
{
    int64_t found = 0;
    for (int64_t apart = 1; apart <= (n == 1 ? 1 : g->skips + 1); apart++) {
        if (apart > (length - 1) / (n > 1 ? n - 1 : 1) && n > 1) break;
        for (int64_t at = 0; at + (n - 1) * apart < length; at++) {
            int64_t k = 0;
            while (k < n && row[at + k * apart] == gram[k]) k++;
            found += k == n;
        }
    }
    return found;
}

/* Counts of all grams in one row. */
static ro_status count_grams(vd_use *u, const grams *g, const int64_t *row, int64_t length,
                             int64_t *counts)
{
    uint32_t place = 0;
    for (uint32_t k = 0; k < g->start_count; k++) {
        const int64_t n = k + 1, to = n < g->start_count ? g->starts[n] : (int64_t)g->pool_count;
        for (int64_t at = g->starts[k]; at < to; at += n, place++) {
            if (n < g->shortest || n > g->longest) continue;
            int64_t turns = g->skips < length ? g->skips + 1 : length;
            RO_TRY(vd_use_charge(u, (uint64_t)(turns + 1) * (uint64_t)n, (uint64_t)length + 1));
            counts[g->places[place]] += occurrences(g, row, length, g->pool + at, n);
        }
    }
    return RO_OK;
}

static ro_status tf_idf(vd_use *u)
{
    static const char *const modes[] = {"TF", "IDF", "TFIDF", NULL};
    const vd_onnx_attribute *weights = vd_use_attribute(u, "weights");
    const void *data;
    grams g = {0};
    uint32_t mode;
    int64_t *row, *counts, columns = 0;
    ro_value is;
    RO_TRY(vd_use_wants(u, 1, 1));
    ro_type t = *vd_use_type(u, 0);
    if ((t.dtype != RO_I64 && t.dtype != RO_I32) || t.rank < 1 || t.rank > 2)
        return vd_use_fail(u, RO_ETYPE, "takes one or two axes of int32 or int64");
    RO_TRY(vd_use_choice(u, "mode", modes, &mode));
    RO_TRY(read_grams(u, &g));
    for (uint32_t k = 0; k < g.place_count; k++)
        columns = g.places[k] >= columns ? g.places[k] + 1 : columns;
    const int64_t rows = t.rank == 2 ? t.dims[0] : 1, length = t.dims[t.rank - 1];
    RO_TRY(vd_use_charge(u, (uint64_t)rows + 1, (uint64_t)columns + 1));
    RO_TRY(vd_use_list(u, (uint64_t)length, &row));
    RO_TRY(vd_use_list(u, (uint64_t)(rows * columns), &counts));
    RO_TRY(vd_lower_known(u->l, u->in[0], &data));
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t k = 0; k < length; k++) {
            uint64_t bits = ro_element(t.dtype, data, (uint64_t)(r * length + k));
            row[k] = ro_integer_of_bits(t.dtype, bits);
        }
        RO_TRY(count_grams(u, &g, row, length, counts + r * columns));
    }
    for (int64_t k = 0; mode == 1 && k < rows * columns; k++) counts[k] = counts[k] > 0;
    const int64_t dims[2] = {t.rank == 2 ? rows : columns, columns};
    RO_TRY(vd_use_made(u, RO_F32, t.rank, dims, counts, &u->out[0]));
    if (mode == 0 || !weights) return RO_OK;
    if (weights->type != VD_A_FLOATS || weights->count != g.place_count)
        return vd_use_fail(u, RO_EATTR, "has %u weights for %u grams", weights->count,
                           g.place_count);
    ro_type w = ro_type_of(RO_F32, 1, &columns);
    float *by = ro_arena_alloc(u->l->arena, ((uint64_t)columns + 1) * sizeof *by);
    if (!by) return RO_FAIL(u->l->err, RO_ENOMEM, "no memory to lower the model");
    for (uint32_t k = 0; k < g.place_count; k++) by[g.places[k]] = weights->v.floats[k];
    RO_TRY(vd_lower_constant(u->l, NULL, &w, by, &is));
    return vd_lower_binary(u->l, "Mul", u->out[0], is, &u->out[0]);
}

/* ---- of ai.onnx.ml ------------------------------------------------------------------------ */

static ro_status array_feature_extractor(vd_use *u)
{
    vd_attrs a = vd_attrs_of("Gather");
    ro_value in[2];
    RO_TRY(vd_use_wants(u, 2, 2));
    ro_type t = *vd_use_type(u, 0);
    if (!t.rank) return vd_use_fail(u, RO_ESHAPE, "takes at least one axis");
    in[0] = u->in[0];
    RO_TRY(flat(u, 1, &in[1]));
    vd_attrs_int(u->l, &a, "axis", -1);
    RO_TRY(vd_lower_emit(u->l, &a, in, 2, 1, &u->out[0]));
    if (t.rank > 1) return RO_OK;
    const int64_t dims[2] = {1, ro_graph_type(u->l->graph, u->out[0])->dims[0]};
    return vd_lower_reshape(u->l, u->out[0], 2, dims, &u->out[0]);
}

static ro_status binarizer(vd_use *u)
{
    ro_value threshold, above;
    RO_TRY(vd_use_wants(u, 1, 1));
    const ro_dtype d = vd_use_type(u, 0)->dtype;
    RO_TRY(vd_lower_scalar(u->l, d, vd_use_float(u, "threshold", 0), &threshold));
    RO_TRY(vd_lower_binary(u->l, "Greater", u->in[0], threshold, &above));
    return vd_lower_cast(u->l, above, d, &u->out[0]);
}

/* ---- the tables --------------------------------------------------------------------------- */

const vd_lower_row vd_lower_choices[] = {
    {"Compress", compress, "axis"},
    {"NonZero", non_zero, ""},
    {"Unique", unique, "axis sorted"},
    {"ReverseSequence", reverse_sequence, "batch_axis time_axis"},
    {"NonMaxSuppression", non_max_suppression, "center_point_box"},
    {"TfIdfVectorizer", tf_idf,
     "max_gram_length max_skip_count min_gram_length mode ngram_counts ngram_indexes pool_int64s "
     "weights"},
    {NULL, NULL, NULL},
};

const vd_lower_row vd_lower_features[] = {
    {"ArrayFeatureExtractor", array_feature_extractor, ""},
    {"Binarizer", binarizer, "threshold"},
    {NULL, NULL, NULL},
};
