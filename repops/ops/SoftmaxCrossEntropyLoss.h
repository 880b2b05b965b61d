/* SoftmaxCrossEntropyLoss, SoftmaxCrossEntropyLossGrad - the loss of a classifier.
 *   Loss  H x (N, C, d...), I labels (N, d...), H weights? (C)
 *         ->   H loss (none: (N, d...), else scalar), H log_prob? (like x)
 *   Grad  H dloss (like loss), H x, I labels, H weights?   ->   H dx
 *   u32 reduction (0 none, 1 sum, 2 mean), i64 ignore_index, u32 has_ignore
 *   A row i is one (n, d...), row-major; along C: m = Max x, s = lane sum of exp(sub(x, m)),
 *   log_prob = sub(sub(x, m), log(s))                                        (rules 33, 56)
 *   w_i = weights[label] or 1; a row whose label is outside [0, C) or is ignore_index where
 *       has_ignore is 1 has w_i = 0 and l_i = +0; else l_i = neg(log_prob[label]), times w_i
 *       where weights are given
 *   none l_i; sum S = lane sum of l over all rows; mean div(S, D), D = lane sum of w, and +0
 *       when D is 0
 *   dx    e = div(exp(sub(x, m)), s), less 1 at the label: sub(e, 1); k = mul(w_i, dloss), for
 *       mean div of that by D; dx = mul(e, k). +0 on rows without a label and when a mean's D
 *       is 0                                                                     (rule 57)
 *   gradients  Loss: x by Grad, and LogSoftmaxGrad of log_prob's; Grad: none
 *   errors  RO_ESHAPE x of rank 1 or less, labels not x without its axis 1, weights not (C);
 *           RO_EATTR reduction above 2, has_ignore above 1
 *   cost    about 70 flops for each element of the rows an element needs
 *   source  ONNX SoftmaxCrossEntropyLoss-13                                                 */
#if defined(RO_PASS_ATTRS)
#define RO_SoftmaxCrossEntropyLoss_ATTRS(F) F(u32, reduction) F(i64, ignore_index) \
    F(u32, has_ignore)
#define RO_SoftmaxCrossEntropyLossGrad_ATTRS(F) RO_SoftmaxCrossEntropyLoss_ATTRS(F)
RO_ATTRS(SoftmaxCrossEntropyLoss);
typedef ro_SoftmaxCrossEntropyLoss_attrs ro_SoftmaxCrossEntropyLossGrad_attrs;
enum { RO_LOSS_NONE, RO_LOSS_SUM, RO_LOSS_MEAN };

/* Where the inputs are: Grad has dloss before them. */
typedef struct {
    const ro_reader *r;
    const ro_SoftmaxCrossEntropyLoss_attrs *t;
    uint32_t x, labels, weights;
    uint64_t rows, classes, inner; /* inner: product of d... */
} ro_loss;
RO_FN ro_loss ro_loss_of(const ro_reader *r, const void *attrs, uint32_t x)
{
    ro_loss l;
    l.r = r;
    l.t = (const ro_SoftmaxCrossEntropyLoss_attrs *)attrs;
    l.x = x;
    l.labels = x + 1;
    l.weights = x + 2;
    l.classes = (uint64_t)r->in[x].dims[1];
    l.inner = ro_span(&r->in[x], 2, r->in[x].rank);
    l.rows = (uint64_t)r->in[x].dims[0] * l.inner;
    return l;
}
/* The label of a row, or l->classes for a row that has none. */
RO_FN uint64_t ro_loss_label(const ro_loss *l, uint64_t row)
{
    int64_t y = ro_read_i64(l->r, l->labels, row);
    if (l->t->has_ignore && y == l->t->ignore_index) return l->classes;
    return y < 0 || (uint64_t)y >= l->classes ? l->classes : (uint64_t)y;
}
#elif defined(RO_PASS_BODY)
#if RO_IS_F32
RO_FN float ro_loss_x(const ro_loss *l, uint64_t row, uint64_t c)
{
    return ro_read_f32(l->r, l->x, (row / l->inner * l->classes + c) * l->inner + row % l->inner);
}
/* What a row's softmax needs: its greatest element and the sum of the exponentials. */
typedef struct {
    float max, sum;
} ro_loss_row;
RO_FN ro_loss_row ro_loss_row_of(const ro_loss *l, uint64_t row)
{
    ro_loss_row y;
    ro_lanes_f32 s;
    ro_lanes_init_f32(&s, 1, ro_least_f32(RO_F32));
    for (uint64_t c = 0; c < l->classes; c++) ro_lanes_push_f32(&s, ro_loss_x(l, row, c));
    y.max = ro_lanes_end_f32(&s);
    ro_lanes_init_f32(&s, 0, 0);
    for (uint64_t c = 0; c < l->classes; c++)
        ro_lanes_push_f32(&s, ro_exp_f32(SUB(ro_loss_x(l, row, c), y.max)));
    y.sum = ro_lanes_end_f32(&s);
    return y;
}
RO_FN float ro_loss_log_prob(const ro_loss *l, const ro_loss_row *y, uint64_t row, uint64_t c)
{
    return SUB(SUB(ro_loss_x(l, row, c), y->max), ro_log_f32(y->sum));
}
RO_FN float ro_loss_weight(const ro_loss *l, uint64_t row)
{
    uint64_t label = ro_loss_label(l, row);
    if (label == l->classes) return 0;
    return ro_has(l->r, l->weights) ? ro_read_f32(l->r, l->weights, label) : 1;
}
/* l_i. given: what its row's softmax needs, where that is known. */
RO_FN float ro_loss_term(const ro_loss *l, uint64_t row, const ro_loss_row *given)
{
    uint64_t label = ro_loss_label(l, row);
    if (label == l->classes) return 0;
    ro_loss_row y = given ? *given : ro_loss_row_of(l, row);
    float z = NEG(ro_loss_log_prob(l, &y, row, label));
    return ro_has(l->r, l->weights) ? MUL(z, ro_loss_weight(l, row)) : z;
}
/* The row and the class of element i of x. */
RO_FN uint64_t ro_loss_place(const ro_loss *l, uint64_t i, uint64_t *c)
{
    *c = i / l->inner % l->classes;
    return i / l->inner / l->classes * l->inner + i % l->inner;
}
/* Stages: S, the sum of the terms, and D, the sum of the weights; of no rows where the element
 * does not need them. */
RO_FN uint64_t ro_SoftmaxCrossEntropyLoss_count_f32(const ro_reader *r, const void *attrs,
                                                    uint32_t out, uint64_t i)
{
    ro_loss l = ro_loss_of(r, attrs, 0);
    (void)i;
    return out == 0 && l.t->reduction != RO_LOSS_NONE ? l.rows : 0;
}
RO_FN float ro_SoftmaxCrossEntropyLoss_term_f32(const ro_reader *r, const void *attrs,
                                                uint32_t out, uint64_t i, uint32_t s,
                                                const float *st, uint64_t j)
{
    ro_loss l = ro_loss_of(r, attrs, 0);
    (void)out, (void)i, (void)st;
    return s == 0 ? ro_loss_term(&l, j, NULL) : ro_loss_weight(&l, j);
}
/* given: of the row of an element that is one row's. */
RO_FN uint64_t ro_loss_value(RO_AT_ARGS, const float *st, const ro_loss_row *given)
{
    ro_loss l = ro_loss_of(r, attrs, 0);
    if (out == 1) {
        uint64_t c, row = ro_loss_place(&l, i, &c);
        ro_loss_row y = given ? *given : ro_loss_row_of(&l, row);
        return OUT(r, out, ro_loss_log_prob(&l, &y, row, c));
    }
    if (l.t->reduction == RO_LOSS_NONE) return OUT(r, out, ro_loss_term(&l, i, given));
    if (l.t->reduction == RO_LOSS_SUM) return OUT(r, out, st[0]);
    return OUT(r, out, st[1] == 0 ? 0 : DIV(st[0], st[1]));
}
RO_FN uint64_t ro_SoftmaxCrossEntropyLoss_finish_f32(const ro_reader *r, const void *attrs,
                                                     uint32_t out, uint64_t i, const float *st)
{
    return ro_loss_value(r, attrs, out, i, st, NULL);
}
RO_ROW_BODY(SoftmaxCrossEntropyLoss, 2, RO_STAGE_SUM, RO_STAGE_SUM)
/* Stage: D, of no rows where the element does not need it. */
RO_FN uint64_t ro_SoftmaxCrossEntropyLossGrad_count_f32(const ro_reader *r, const void *attrs,
                                                        uint32_t out, uint64_t i)
{
    ro_loss l = ro_loss_of(r, attrs, 1);
    (void)out, (void)i;
    return l.t->reduction == RO_LOSS_MEAN ? l.rows : 0;
}
RO_FN float ro_SoftmaxCrossEntropyLossGrad_term_f32(const ro_reader *r, const void *attrs,
                                                    uint32_t out, uint64_t i, uint32_t s,
                                                    const float *st, uint64_t j)
{
    ro_loss l = ro_loss_of(r, attrs, 1);
    (void)out, (void)i, (void)s, (void)st;
    return ro_loss_weight(&l, j);
}
RO_FN uint64_t ro_loss_grad_value(RO_AT_ARGS, const float *st, const ro_loss_row *given)
{
    ro_loss l = ro_loss_of(r, attrs, 1);
    uint64_t c, row = ro_loss_place(&l, i, &c), label = ro_loss_label(&l, row);
    if (label == l.classes) return OUT(r, out, 0);
    float k = MUL(ro_loss_weight(&l, row), READ(r, 0, l.t->reduction == RO_LOSS_NONE ? row : 0));
    if (l.t->reduction == RO_LOSS_MEAN) {
        if (st[0] == 0) return OUT(r, out, 0);
        k = DIV(k, st[0]);
    }
    ro_loss_row y = given ? *given : ro_loss_row_of(&l, row);
    float e = DIV(ro_exp_f32(SUB(ro_loss_x(&l, row, c), y.max)), y.sum);
    return OUT(r, out, MUL(c == label ? SUB(e, 1) : e, k));
}
RO_FN uint64_t ro_SoftmaxCrossEntropyLossGrad_finish_f32(const ro_reader *r, const void *attrs,
                                                         uint32_t out, uint64_t i, const float *st)
{
    return ro_loss_grad_value(r, attrs, out, i, st, NULL);
}
RO_ROW_BODY(SoftmaxCrossEntropyLossGrad, 1, RO_STAGE_SUM)
#ifndef __CUDACC__
/* Explanation. Lowest, of every row whose softmax the element needs, what that is made of: the
 * levels of a row of classes of two stages, the greatest and the sum of the exponentials, of row
 * after row. There are none where rows have at most RO_CHAIN classes: a part reads those whole.
 * Above them, for the loss, one level of terms l_i; then the levels of its stages over the rows,
 * whose lanes of S list terms instead of reading. */
RO_FN uint64_t ro_loss_classes_count_f32(const ro_reader *r, const void *attrs, uint32_t x,
                                         uint64_t row)
{
    (void)attrs, (void)row;
    return (uint64_t)r->in[x].dims[1];
}
RO_FN float ro_loss_classes_term_f32(const ro_reader *r, const void *attrs, uint32_t x,
                                     uint64_t row, uint32_t s, const float *st, uint64_t c)
{
    ro_loss l = ro_loss_of(r, attrs, x);
    float z = ro_loss_x(&l, row, c);
    return s == 0 ? z : ro_exp_f32(SUB(z, st[0]));
}
RO_FN uint64_t ro_loss_classes_finish_f32(const ro_reader *r, const void *attrs, uint32_t x,
                                          uint64_t row, const float *st)
{
    (void)r, (void)attrs, (void)x, (void)row;
    return ro_to_bits_f32(st[1]);
}
RO_ROW_BODY(loss_classes, 2, RO_STAGE_MAX, RO_STAGE_SUM)

/* Of those lowest levels: how many there are, of how many rows, which row is the first, and how
 * many parts of each level one row has. */
typedef struct {
    uint64_t rows, first, of_row[RO_LEVELS_MAX];
    uint32_t levels;
} ro_loss_below;
RO_FN ro_loss_below ro_loss_below_of(const ro_loss *l, uint64_t rows, uint64_t first)
{
    ro_loss_below b = {rows, first, {0}, 0};
    if (l->classes > RO_CHAIN) b.levels = ro_row_levels(l->classes, 2, b.of_row) - 1;
    return b;
}
RO_FN uint32_t ro_loss_below_levels(const ro_loss_below *b, uint64_t *count)
{
    for (uint32_t k = 0; k < b->levels; k++) count[k] = b->rows * b->of_row[k];
    return b->levels;
}
/* The two results of a row, in order. Rows are counted from the first. */
RO_FN uint32_t ro_loss_row_needs(const ro_loss_below *b, uint64_t row, ro_parts *needs)
{
    if (b->levels == 0) return 0;
    needs[0] = (ro_parts){b->levels / 2 - 1, row, row + 1};
    needs[1] = (ro_parts){b->levels - 1, row, row + 1};
    return 2;
}
RO_FN uint32_t ro_loss_below_needs(const ro_loss *l, const ro_loss_below *b, uint32_t level,
                                   uint64_t index, ro_parts *needs)
{
    uint64_t row = index / b->of_row[level];
    uint32_t runs = ro_row_needs(l->classes, 2, level, index % b->of_row[level], needs);
    for (uint32_t k = 0; k < runs; k++) {
        needs[k].begin += row * b->of_row[needs[k].level];
        needs[k].end += row * b->of_row[needs[k].level];
    }
    return runs;
}
/* Claims as one row, or what lies above, sees them. */
typedef struct {
    const ro_claims *all;
    const ro_loss_below *below;
    uint64_t row;
    uint32_t first; /* level that is 0 above */
} ro_loss_view;
RO_FN uint64_t ro_loss_of_row(const ro_claims *claims, uint32_t level, uint64_t index)
{
    const ro_loss_view *v = (const ro_loss_view *)claims->ctx;
    return v->all->part(v->all, level, v->row * v->below->of_row[level] + index);
}
RO_FN uint64_t ro_loss_above(const ro_claims *claims, uint32_t level, uint64_t index)
{
    const ro_loss_view *v = (const ro_loss_view *)claims->ctx;
    return v->all->part(v->all, level + v->first, index);
}
RO_FN uint64_t ro_loss_below_part(const ro_loss *l, const ro_loss_below *b, uint32_t level,
                                  uint64_t index, const ro_claims *claims)
{
    uint64_t row = index / b->of_row[level];
    ro_loss_view view = {claims, b, row, 0};
    ro_claims own = {ro_loss_of_row, &view};
    return ro_loss_classes_part_f32(l->r, l->t, l->x, b->first + row, level,
                                    index % b->of_row[level], &own);
}
/* What is claimed of a row, or NULL: its classes are read. */
RO_FN const ro_loss_row *ro_loss_row_claimed(const ro_loss_below *b, uint64_t row,
                                             const ro_claims *claims, ro_loss_row *y)
{
    if (b->levels == 0) return NULL;
    y->max = ro_from_bits_f32(claims->part(claims, b->levels / 2 - 1, row));
    y->sum = ro_from_bits_f32(claims->part(claims, b->levels - 1, row));
    return y;
}

/* The levels of an element: these lowest ones, `terms` levels of terms, then those of its stages
 * over n rows. An element that is one row's, `single`, lists that row's results first. */
typedef struct {
    ro_loss l;
    ro_loss_below below;
    uint64_t n;
    uint32_t stages, above; /* where the levels over rows begin */
    int single;
} ro_loss_shape;
RO_FN ro_loss_shape ro_loss_shape_of(const ro_reader *r, const void *attrs, uint32_t out,
                                     uint64_t i)
{
    ro_loss_shape s;
    uint64_t c, row = i;
    s.l = ro_loss_of(r, attrs, 0);
    s.single = out == 1 || s.l.t->reduction == RO_LOSS_NONE;
    s.n = s.single ? 0 : s.l.rows;
    s.stages = 2;
    if (out == 1) row = ro_loss_place(&s.l, i, &c);
    s.below = s.single ? ro_loss_below_of(&s.l, 1, row) : ro_loss_below_of(&s.l, s.n, 0);
    s.above = s.below.levels + 1;
    return s;
}
RO_FN ro_loss_shape ro_loss_grad_shape_of(const ro_reader *r, const void *attrs, uint64_t i)
{
    ro_loss_shape s;
    uint64_t c;
    s.l = ro_loss_of(r, attrs, 1);
    s.single = 1;
    s.n = ro_SoftmaxCrossEntropyLossGrad_count_f32(r, attrs, 0, i);
    s.stages = 1;
    s.below = ro_loss_below_of(&s.l, 1, ro_loss_place(&s.l, i, &c));
    s.above = s.below.levels;
    return s;
}
RO_FN uint32_t ro_loss_shape_needs(const ro_loss_shape *s, uint32_t level, uint64_t index,
                                   ro_parts *needs)
{
    uint32_t runs = 0, last = s->stages * ro_row_height(s->n);
    if (level < s->below.levels)
        return ro_loss_below_needs(&s->l, &s->below, level, index, needs);
    if (level < s->above) return ro_loss_row_needs(&s->below, index, needs);
    if (level == s->above && s->above > s->below.levels)
        return ro_parts_of(level - 1, s->n, RO_CHUNK, index / RO_LANES, needs);
    if (level - s->above == last && s->single) runs = ro_loss_row_needs(&s->below, 0, needs);
    uint32_t more = ro_row_needs(s->n, s->stages, level - s->above, index, needs + runs);
    for (uint32_t k = 0; k < more; k++) needs[runs + k].level += s->above;
    return runs + more;
}
/* The value, from what it lists. */
RO_FN const ro_loss_row *ro_loss_listed(const ro_loss_shape *s, const ro_claims *claims, float *st,
                                        ro_loss_row *y)
{
    uint32_t per = ro_row_height(s->n);
    for (uint32_t k = 0; k < s->stages; k++)
        st[k] = ro_from_bits_f32(claims->part(claims, s->above + k * per + per - 1, 0));
    return s->single ? ro_loss_row_claimed(&s->below, 0, claims, y) : NULL;
}
RO_FN uint32_t ro_loss_levels(RO_AT_ARGS, uint64_t *count)
{
    ro_loss_shape s = ro_loss_shape_of(r, attrs, out, i);
    count[ro_loss_below_levels(&s.below, count)] = s.n;
    return s.above + ro_row_levels(s.n, s.stages, count + s.above);
}
RO_FN uint32_t ro_loss_needs(RO_AT_ARGS, uint32_t level, uint64_t index, ro_parts *needs)
{
    ro_loss_shape s = ro_loss_shape_of(r, attrs, out, i);
    return ro_loss_shape_needs(&s, level, index, needs);
}
RO_FN uint64_t ro_loss_part(RO_AT_ARGS, uint32_t level, uint64_t index, const ro_claims *claims)
{
    ro_loss_shape s = ro_loss_shape_of(r, attrs, out, i);
    ro_loss_view view = {claims, &s.below, 0, s.above};
    ro_claims above = {ro_loss_above, &view};
    float lane = 0, st[2];
    ro_loss_row y;
    ro_parts p;
    if (level < s.below.levels) return ro_loss_below_part(&s.l, &s.below, level, index, claims);
    if (level < s.above)
        return ro_to_bits_f32(
            ro_loss_term(&s.l, index, ro_loss_row_claimed(&s.below, index, claims, &y)));
    if (level - s.above == s.stages * ro_row_height(s.n)) {
        const ro_loss_row *given = ro_loss_listed(&s, claims, st, &y);
        return ro_loss_value(r, attrs, out, i, st, given);
    }
    if (level > s.above)
        return ro_SoftmaxCrossEntropyLoss_part_f32(r, attrs, out, i, level - s.above, index,
                                                   &above);
    if (ro_loss_shape_needs(&s, level, index, &p))
        for (uint64_t k = p.begin + index % RO_LANES; k < p.end; k += RO_LANES)
            lane = ADD(lane, ro_from_bits_f32(claims->part(claims, p.level, k)));
    return ro_to_bits_f32(lane);
}
RO_FN uint32_t ro_loss_grad_levels(RO_AT_ARGS, uint64_t *count)
{
    ro_loss_shape s = ro_loss_grad_shape_of(r, attrs, i);
    (void)out;
    (void)ro_loss_below_levels(&s.below, count);
    return s.above + ro_row_levels(s.n, s.stages, count + s.above);
}
RO_FN uint32_t ro_loss_grad_needs(RO_AT_ARGS, uint32_t level, uint64_t index, ro_parts *needs)
{
    ro_loss_shape s = ro_loss_grad_shape_of(r, attrs, i);
    (void)out;
    return ro_loss_shape_needs(&s, level, index, needs);
}
RO_FN uint64_t ro_loss_grad_part(RO_AT_ARGS, uint32_t level, uint64_t index,
                                 const ro_claims *claims)
{
    ro_loss_shape s = ro_loss_grad_shape_of(r, attrs, i);
    ro_loss_view view = {claims, &s.below, 0, s.above};
    ro_claims above = {ro_loss_above, &view};
    ro_loss_row y;
    float st[1];
    if (level < s.above) return ro_loss_below_part(&s.l, &s.below, level, index, claims);
    if (level - s.above < s.stages * ro_row_height(s.n))
        return ro_SoftmaxCrossEntropyLossGrad_part_f32(r, attrs, out, i, level - s.above, index,
                                                       &above);
    const ro_loss_row *given = ro_loss_listed(&s, claims, st, &y);
    return ro_loss_grad_value(r, attrs, out, i, st, given);
}
static const ro_explain ro_loss_explain __attribute__((unused)) = {ro_loss_levels, ro_loss_needs,
                                                                   ro_loss_part, 0, 0};
static const ro_explain ro_loss_grad_explain __attribute__((unused)) = {
    ro_loss_grad_levels, ro_loss_grad_needs, ro_loss_grad_part, 0, 0};
#endif
#endif
#elif defined(RO_PASS_HOST)
/* Check x, labels and weights; *loss: the type of the loss. */
static ro_status ro_loss_check(const ro_SoftmaxCrossEntropyLoss_attrs *t, const ro_type *in,
                               uint32_t n_in, ro_type *loss, ro_err *err)
{
    const ro_type *x = &in[0];
    ro_type rows = *x;
    if (t->reduction > RO_LOSS_MEAN)
        return RO_FAIL(err, RO_EATTR, "reduction is %u; 0 none, 1 sum and 2 mean are known",
                       t->reduction);
    RO_TRY(ro_check_flag(t->has_ignore, "has_ignore", err));
    if (x->rank < 2)
        return RO_FAIL(err, RO_ESHAPE, "x has %u axes; it needs 2 or more: rows and classes",
                       x->rank);
    rows.rank--;
    for (uint32_t a = 1; a < rows.rank; a++) rows.dims[a] = x->dims[a + 1];
    RO_TRY(ro_check_shapes(&in[1], "labels", &rows, "x without its classes", err));
    if (ro_given(in, n_in, 2)) {
        ro_type classes = ro_type_of(x->dtype, 1, &x->dims[1]);
        RO_TRY(ro_check_shapes(&in[2], "weights", &classes, "one for each class", err));
    }
    if (t->reduction != RO_LOSS_NONE) rows.rank = 0;
    *loss = ro_type_of(x->dtype, rows.rank, rows.dims);
    return RO_OK;
}
RO_INFER(SoftmaxCrossEntropyLoss)
{
    RO_TRY(ro_loss_check((const ro_SoftmaxCrossEntropyLoss_attrs *)attrs, in, n_in, &out[0], err));
    if (n_out > 1) out[1] = in[0];
    return RO_OK;
}
RO_INFER(SoftmaxCrossEntropyLossGrad)
{
    ro_type loss;
    (void)n_out;
    RO_TRY(ro_loss_check((const ro_SoftmaxCrossEntropyLoss_attrs *)attrs, in + 1, n_in - 1, &loss,
                         err));
    RO_TRY(ro_check_shapes(&in[0], "dloss", &loss, "the loss", err));
    out[0] = in[1];
    return RO_OK;
}
/* One row costs about 70 flops a class. out: the loss is dear, log_prob is one row. */
RO_FLOPS(SoftmaxCrossEntropyLoss)
{
    uint64_t rows = ro_type_elements(&in[1]), classes = (uint64_t)in[0].dims[1];
    (void)n_in, (void)out;
    if (((const ro_SoftmaxCrossEntropyLoss_attrs *)attrs)->reduction == RO_LOSS_NONE) rows = 1;
    return ro_saturating_mul(70, ro_saturating_mul(rows, classes));
}
RO_FLOPS(SoftmaxCrossEntropyLossGrad)
{
    uint64_t rows = ro_type_elements(&in[2]), classes = (uint64_t)in[1].dims[1];
    (void)n_in, (void)out;
    if (((const ro_SoftmaxCrossEntropyLoss_attrs *)attrs)->reduction != RO_LOSS_MEAN) rows = 0;
    return ro_saturating_add(rows, ro_saturating_mul(70, classes));
}
RO_READS(SoftmaxCrossEntropyLoss)
{
    uint64_t rows = ro_type_elements(&in[1]), classes = (uint64_t)in[0].dims[1];
    (void)n_in, (void)out;
    if (((const ro_SoftmaxCrossEntropyLoss_attrs *)attrs)->reduction == RO_LOSS_NONE) rows = 1;
    if (input == 0) return ro_saturating_mul(rows, classes);
    return input == 1 ? rows : classes;
}
RO_READS(SoftmaxCrossEntropyLossGrad)
{
    uint64_t rows = ro_type_elements(&in[2]), classes = (uint64_t)in[1].dims[1];
    (void)n_in, (void)out;
    if (((const ro_SoftmaxCrossEntropyLoss_attrs *)attrs)->reduction != RO_LOSS_MEAN) rows = 1;
    if (input == 0) return 1;
    return input == 2 ? rows : classes;
}
RO_GRAD(SoftmaxCrossEntropyLoss)
{
    ro_value in[4] = {dy[0], node->in[0], node->in[1], RO_NO_VALUE}, part;
    uint32_t n = 3;
    if (node->inputs > 2 && node->in[2] != RO_NO_VALUE) in[n++] = node->in[2];
    if (dy[0] != RO_NO_VALUE)
        RO_TRY(ro_emit(g, RO_OP_SoftmaxCrossEntropyLossGrad, node->attrs, in, n, &dx[0], err));
    if (node->outputs < 2 || dy[1] == RO_NO_VALUE) return RO_OK;
    ro_LogSoftmaxGrad_attrs t = {0};
    t.axis = 1;
    RO_TRY(ro_emit2(g, RO_OP_LogSoftmaxGrad, &t, dy[1], node->first_output + 1, &part, err));
    if (dx[0] == RO_NO_VALUE) {
        dx[0] = part;
        return RO_OK;
    }
    return ro_emit2(g, RO_OP_Add, NULL, dx[0], part, &dx[0], err);
}
#elif defined(RO_OP)
RO_OP(SoftmaxCrossEntropyLoss, AT, .version = 1, .explain = {&ro_loss_explain, NULL, NULL, NULL},
      .signature = "H x, I labels, H weights? -> H loss, H log_prob?",
      .at = RO_AT_F32(SoftmaxCrossEntropyLoss), .infer = ro_SoftmaxCrossEntropyLoss_infer,
      .flops = ro_SoftmaxCrossEntropyLoss_flops, .reads = ro_SoftmaxCrossEntropyLoss_reads,
      .grad = ro_SoftmaxCrossEntropyLoss_grad)
RO_OP(SoftmaxCrossEntropyLossGrad, AT, .version = 1,
      .explain = {&ro_loss_grad_explain, NULL, NULL, NULL},
      .signature = "H dloss, H x, I labels, H weights? -> H dx",
      .at = RO_AT_F32(SoftmaxCrossEntropyLossGrad),
      .infer = ro_SoftmaxCrossEntropyLossGrad_infer, .flops = ro_SoftmaxCrossEntropyLossGrad_flops,
      .reads = ro_SoftmaxCrossEntropyLossGrad_reads)
#endif
