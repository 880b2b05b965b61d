/* lowered.h - a job that a model became is run, where that is little work: by scalar bodies, and by
 * the fast kernels, which must give the same bits. For tests of models that nobody wrote. */
#ifndef LOWERED_H
#define LOWERED_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../verde/cli.h"

/* Whether all nodes are at most so many operations by scalar bodies, and as many bytes times 16. */
static inline int lowered_is_small(const ro_graph *g, uint64_t flops)
{
    uint64_t all = 0, bytes = 0;
    for (uint32_t k = 0; k < g->node_count; k++) {
        uint64_t f = vd_body_flops(g, &g->nodes[k]);
        if (f > flops || (all += f) > flops) return 0;
    }
    for (uint32_t v = 0; v < g->value_count; v++) {
        uint64_t n = ro_type_bytes(&g->values[v].type);
        if (n > 16 * flops || (bytes += n) > 16 * flops) return 0;
    }
    return 1;
}

static inline void lowered_node(const ro_graph *g, const ro_node *n, const void **value,
                                ro_arena *a)
{
    ro_type in[RO_INPUTS_MAX], out[RO_OUTPUTS_MAX];
    const void *data[RO_INPUTS_MAX];
    memset(in, 0, sizeof in);
    for (uint32_t i = 0; i < n->inputs; i++) {
        data[i] = NULL;
        if (n->in[i] == RO_NO_VALUE) continue;
        in[i] = g->values[n->in[i]].type;
        data[i] = value[n->in[i]];
    }
    for (uint32_t i = 0; i < n->outputs; i++) out[i] = g->values[n->first_output + i].type;
    const ro_reader r = {in, out, n->inputs, n->outputs, data, NULL, NULL};
    for (uint32_t i = 0; i < n->outputs; i++) {
        void *p = ro_arena_alloc(a, ro_type_bytes(&out[i]));
        if (!p) abort();
        for (uint64_t e = 0; e < ro_type_elements(&out[i]); e++)
            ro_set_element(out[i].dtype, p, e, ro_at(n->op, &r, n->attrs, i, e));
        value[n->first_output + i] = p;
    }
}

/* Returns 0 where it would be more work than that. Bits that differ, or a job that cannot be run,
 * abort. */
static inline int lowered_run(const vd_onnx_job *j, uint64_t flops)
{
    const ro_graph *g = j->job->phases[0].graph;
    ro_err err = {RO_OK, {0}};
    vd_digest digest;
    vd_exec_options o;
    if (!lowered_is_small(g, flops)) return 0;
    cli_job job;
    memset(&job, 0, sizeof job);
    memset(&o, 0, sizeof o);
    job.arena = ro_arena_new();
    if (!job.arena) abort();
    job.job = j->job;
    o.backend = ro_cpu();
    o.constants = j->constants;
    const void **value = ro_arena_alloc(job.arena, g->value_count * sizeof *value);
    ro_tensor *out = ro_arena_alloc(job.arena, (g->output_count + 1) * sizeof *out);
    if (!value || !out) abort();
    for (uint32_t v = 0; v < g->value_count; v++)
        if (g->values[v].kind == RO_V_CONSTANT) value[v] = j->constants[g->values[v].index];
    for (uint32_t k = 0; k < g->node_count; k++)
        lowered_node(g, &g->nodes[k], value, job.arena);
    if (cli_model_run(&job, &o, out, &digest, &err)) {
        fprintf(stderr, "a job that was lowered cannot be run: %s\n", err.msg);
        abort();
    }
    for (uint32_t k = 0; k < g->output_count; k++)
        if (memcmp(out[k].data, value[g->outputs[k]], ro_type_bytes(&out[k].type))) {
            fprintf(stderr, "output %u differs from the scalar bodies'\n", k);
            abort();
        }
    ro_arena_free(job.arena);
    return 1;
}
#endif
