/* exec_update.h - optimizer updates. A part of exec_patterns.c.
 *
 * What this file decides: that all outputs of an update are made in one pass over its inputs,
 * with the roundings of the scalar bodies in ops/AdamW.h and ops/SGD.h. */

typedef struct {
    const float *p, *g, *m, *v; /* SGD: m is the momentum slot, or NULL */
    float *p_out, *m_out, *v_out;
    float rate, wd;
    float b1, b2, c1, c2, k1, k2, eps; /* Adam */
    float mu, damp;                    /* SGD  */
    int flag;                          /* decoupled; nesterov */
} update_job;

static void adam_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const update_job j = *(const update_job *)ctx;
    const float *restrict P = j.p, *restrict G = j.g, *restrict M = j.m, *restrict V = j.v;
    float *restrict po = j.p_out, *restrict mo = j.m_out, *restrict vo = j.v_out;
    (void)worker;
    for (uint64_t i = begin; i < end; i++) {
        float p = P[i], g = G[i], decay = ro_mul_f32(j.wd, p);
        g = j.flag ? g : ro_add_f32(g, decay);
        float m = ro_add_f32(ro_mul_f32(j.b1, M[i]), ro_mul_f32(j.c1, g));
        float v = ro_add_f32(ro_mul_f32(j.b2, V[i]), ro_mul_f32(j.c2, ro_mul_f32(g, g)));
        float root = ro_sqrt_f32(ro_div_f32(v, j.k2));
        float u = ro_div_f32(ro_div_f32(m, j.k1), ro_add_f32(root, j.eps));
        u = j.flag ? ro_add_f32(u, decay) : u;
        mo[i] = canonical(m);
        vo[i] = canonical(v);
        po[i] = canonical(ro_sub_f32(p, ro_mul_f32(j.rate, u)));
    }
}

static void adam_run(const ro_task *t)
{
    const ro_AdamW_attrs *a = t->attrs;
    const void *const *in = t->reader.data;
    update_job j = {.p = in[0], .g = in[1], .m = in[5], .v = in[6]};
    j.p_out = t->out[0];
    j.m_out = t->out[1];
    j.v_out = t->out[2];
    j.rate = *(const float *)in[2];
    j.wd = ro_f64_to_f32(a->weight_decay);
    j.b1 = ro_f64_to_f32(a->beta1);
    j.b2 = ro_f64_to_f32(a->beta2);
    j.c1 = ro_adam_rest(a->beta1);
    j.c2 = ro_adam_rest(a->beta2);
    j.k1 = ro_adam_rest(*(const double *)in[3]);
    j.k2 = ro_adam_rest(*(const double *)in[4]);
    j.eps = ro_f64_to_f32(a->epsilon);
    j.flag = a->decoupled != 0;
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN, adam_range, &j);
}

static void sgd_range(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const update_job j = *(const update_job *)ctx;
    const float *restrict P = j.p, *restrict G = j.g, *restrict B = j.m;
    float *restrict po = j.p_out, *restrict bo = j.m_out;
    (void)worker;
    if (!B) {
        for (uint64_t i = begin; i < end; i++) {
            float p = P[i], g = j.wd != 0 ? ro_add_f32(G[i], ro_mul_f32(j.wd, p)) : G[i];
            po[i] = canonical(ro_sub_f32(p, ro_mul_f32(j.rate, g)));
        }
        return;
    }
    for (uint64_t i = begin; i < end; i++) {
        float p = P[i], g = j.wd != 0 ? ro_add_f32(G[i], ro_mul_f32(j.wd, p)) : G[i];
        float b = ro_add_f32(ro_mul_f32(j.mu, B[i]), ro_mul_f32(j.damp, g));
        float h = j.flag ? ro_add_f32(g, ro_mul_f32(j.mu, b)) : b;
        bo[i] = canonical(b);
        po[i] = canonical(ro_sub_f32(p, ro_mul_f32(j.rate, h)));
    }
}

static void sgd_run(const ro_task *t)
{
    const ro_SGD_attrs *a = t->attrs;
    update_job j = {.p = t->reader.data[0], .g = t->reader.data[1], .p_out = t->out[0]};
    j.rate = *(const float *)t->reader.data[2];
    j.wd = ro_f64_to_f32(a->weight_decay);
    j.mu = ro_f64_to_f32(a->momentum);
    j.damp = ro_f64_to_f32(ro_sub_f64(1.0, a->dampening));
    j.flag = a->nesterov != 0;
    if (ro_has(&t->reader, 3)) {
        j.m = t->reader.data[3];
        j.m_out = t->out[1];
    }
    ro_parallel(t->pool, ro_type_elements(&t->reader.out[0]), RO_GRAIN, sgd_range, &j);
}

static const ro_driver *update_driver(const ro_task *t)
{
    static const ro_driver adam = {NULL, adam_run}, sgd = {NULL, sgd_run};
    if (t->op == RO_OP_AdamW) return t->reader.outputs == 3 ? &adam : NULL;
    /* A slot without its output, or an output without its slot, takes the scalar bodies. */
    int slot = ro_has(&t->reader, 3), wanted = t->reader.outputs == 2;
    return t->op == RO_OP_SGD && slot == wanted ? &sgd : NULL;
}
