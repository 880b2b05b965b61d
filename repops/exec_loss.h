/* exec_loss.h - the classifier's loss and its gradient. A part of exec_patterns.c.
 *
 * What this file decides: that several rows of few classes share one call of exp. Only x of
 * shape (rows, classes) comes here.
 *
 * Invariants
 *   1. Terms and weights of all rows lie in the scratch before they are summed, in row order. */

/* Rows at once: as many as make about LOSS_BATCH exponentials. */
#define LOSS_BATCH 1024u

typedef struct {
    const ro_task *t;
    ro_loss l;
    const float *x, *weights; /* NULL: none */
    uint64_t group;           /* rows at once */
    float *terms, *factors;   /* l_i and w_i of each row */
    float *exps;              /* of each worker, group * classes */
    float divisor;            /* D of a mean */
} loss_job;

static uint64_t loss_rounded(uint64_t n) { return (n + 15) / 16 * 16; }

static loss_job loss_job_of(const ro_task *t)
{
    loss_job j;
    uint32_t x = t->op == RO_OP_SoftmaxCrossEntropyLoss ? 0 : 1;
    memset(&j, 0, sizeof j);
    j.t = t;
    j.l = ro_loss_of(&t->reader, t->attrs, x);
    j.x = t->reader.data[x];
    j.weights = ro_has(&t->reader, x + 2) ? t->reader.data[x + 2] : NULL;
    j.group = j.l.classes < LOSS_BATCH ? LOSS_BATCH / j.l.classes : 1;
    if (!t->scratch) return j; /* only sizes are asked for */
    j.terms = t->scratch;
    j.factors = j.terms + loss_rounded(j.l.rows);
    j.exps = j.factors + loss_rounded(j.l.rows);
    return j;
}

static uint64_t loss_scratch(const ro_task *t, uint32_t threads)
{
    loss_job j = loss_job_of(t);
    return sizeof(float) * (2 * loss_rounded(j.l.rows) +
                            threads * loss_rounded(j.group * j.l.classes));
}

/* exp(x - max) of rows [row, row + n) into e; each row's max and the sum of its exponentials. */
static void loss_exps(const loss_job *j, uint64_t row, uint64_t n, float *e, float *max, float *sum)
{
    uint64_t C = j->l.classes;
    for (uint64_t k = 0; k < n; k++) {
        const float *x = j->x + (row + k) * C;
        max[k] = lane_max(x, C);
        for (uint64_t c = 0; c < C; c++) e[k * C + c] = ro_sub_f32(x[c], max[k]);
    }
    functions.exp(e, e, n * C);
    for (uint64_t k = 0; k < n; k++) sum[k] = lane_sum(e + k * C, C);
}

static float loss_weight(const loss_job *j, uint64_t label)
{
    if (label == j->l.classes) return 0;
    return j->weights ? j->weights[label] : 1;
}

static void loss_rows(const loss_job *j, uint64_t row, uint64_t n, float *e)
{
    uint64_t C = j->l.classes;
    float max[LOSS_BATCH], sum[LOSS_BATCH];
    loss_exps(j, row, n, e, max, sum);
    functions.log(sum, sum, n);
    for (uint64_t k = 0; k < n; k++) {
        const float *x = j->x + (row + k) * C;
        uint64_t label = ro_loss_label(&j->l, row + k);
        float w = loss_weight(j, label), z = 0;
        if (label < C) {
            z = ro_neg_f32(ro_sub_f32(ro_sub_f32(x[label], max[k]), sum[k]));
            if (j->weights) z = ro_mul_f32(z, w);
        }
        j->terms[row + k] = z;
        j->factors[row + k] = w;
        if (j->t->reader.outputs < 2) continue;
        float *y = (float *)j->t->out[1] + (row + k) * C;
        for (uint64_t c = 0; c < C; c++)
            y[c] = canonical(ro_sub_f32(ro_sub_f32(x[c], max[k]), sum[k]));
    }
}

static void loss_grad_rows(const loss_job *j, uint64_t row, uint64_t n, float *e)
{
    const ro_SoftmaxCrossEntropyLoss_attrs *p = j->l.t;
    const float *dloss = j->t->reader.data[0];
    uint64_t C = j->l.classes;
    float max[LOSS_BATCH], sum[LOSS_BATCH];
    loss_exps(j, row, n, e, max, sum);
    for (uint64_t k = 0; k < n; k++) {
        uint64_t label = ro_loss_label(&j->l, row + k);
        float *dx = (float *)j->t->out[0] + (row + k) * C;
        float f = ro_mul_f32(loss_weight(j, label), dloss[p->reduction ? 0 : row + k]);
        if (label == C || (p->reduction == RO_LOSS_MEAN && j->divisor == 0)) {
            memset(dx, 0, C * sizeof *dx);
            continue;
        }
        if (p->reduction == RO_LOSS_MEAN) f = ro_div_f32(f, j->divisor);
        for (uint64_t c = 0; c < C; c++) {
            float q = ro_div_f32(e[k * C + c], sum[k]);
            dx[c] = canonical(ro_mul_f32(c == label ? ro_sub_f32(q, 1) : q, f));
        }
    }
}

static void loss_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const loss_job *j = ctx;
    float *e = j->exps + worker * loss_rounded(j->group * j->l.classes);
    for (uint64_t row = begin; row < end; row += j->group) {
        uint64_t n = end - row < j->group ? end - row : j->group;
        if (j->t->op == RO_OP_SoftmaxCrossEntropyLoss)
            loss_rows(j, row, n, e);
        else
            loss_grad_rows(j, row, n, e);
    }
}

static void loss_finish(const loss_job *j)
{
    float *loss = j->t->out[0], s, d;
    uint64_t n = j->l.rows;
    if (j->l.t->reduction == RO_LOSS_NONE) {
        for (uint64_t i = 0; i < n; i++) loss[i] = canonical(j->terms[i]);
        return;
    }
    s = lane_sum(j->terms, n);
    if (j->l.t->reduction == RO_LOSS_MEAN) {
        d = lane_sum(j->factors, n);
        s = d == 0 ? 0 : ro_div_f32(s, d);
    }
    *loss = canonical(s);
}

static void loss_run(const ro_task *t)
{
    loss_job j = loss_job_of(t);
    int forward = t->op == RO_OP_SoftmaxCrossEntropyLoss;
    if (!forward && j.l.t->reduction == RO_LOSS_MEAN) {
        for (uint64_t i = 0; i < j.l.rows; i++)
            j.factors[i] = loss_weight(&j, ro_loss_label(&j.l, i));
        j.divisor = lane_sum(j.factors, j.l.rows);
    }
    ro_parallel(t->pool, j.l.rows, j.group, loss_range, &j);
    if (forward) loss_finish(&j);
}

static int loss_fits(const ro_task *t)
{
    uint32_t x = t->op == RO_OP_SoftmaxCrossEntropyLoss ? 0 : 1;
    if (t->op != RO_OP_SoftmaxCrossEntropyLoss && t->op != RO_OP_SoftmaxCrossEntropyLossGrad)
        return 0;
    return t->reader.in[x].rank == 2 && ro_type_elements(&t->reader.in[x]) != 0;
}

static const ro_driver loss_driver = {loss_scratch, loss_run};
