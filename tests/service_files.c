/* service_files.c - what a provider of the tests sends, from a trace and its store.
 *
 *   service_files TRACE STORE job OUT        the canonical job
 *   service_files TRACE STORE result OUT     the result: outputs of all steps, the last state
 *   service_files TRACE STORE tensors OUT STEP:NODE:OUTPUT..
 *                                            each one's canonical bytes, into OUT.0, OUT.1, .. */
#include <stdlib.h>
#include <string.h>

#include "../verde/verde.h"

static ro_err err;

static void must(ro_status st)
{
    if (!st) return;
    fprintf(stderr, "service_files: %s\n", err.msg);
    exit(1);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) exit(1);
}

static void append(FILE *f, const ro_type *t, const void *data)
{
    const uint64_t n = ro_type_bytes(t);
    uint8_t *bytes = ro_alloc(n + 8);
    if (!bytes) exit(1);
    ro_canonical_bytes(t->dtype, data, bytes, ro_type_elements(t));
    if (fwrite(bytes, 1, n, f) != n) exit(1);
    ro_free(bytes);
}

static void append_value(FILE *f, vd_exec *e, const ro_graph *g, ro_value v)
{
    void *data = ro_alloc(ro_type_bytes(&g->values[v].type) + 8);
    if (!data) exit(1);
    must(vd_exec_value(e, v, data, &err));
    append(f, &g->values[v].type, data);
    ro_free(data);
}

static vd_exec *start(const vd_job *j, vd_store *s, ro_arena *a)
{
    vd_exec *e;
    vd_exec_options o = {.backend = ro_cpu(), .keep_all = 1};
    const void **constants = ro_arena_alloc(a, (j->constant_count + 1) * sizeof *constants);
    must(vd_constants_load(j, s, constants, a, &err));
    o.constants = constants;
    must(vd_exec_new(j, &o, &e, &err));
    must(vd_exec_first_state(e, s, &err));
    return e;
}

static void write_result(const vd_job *j, vd_exec *e, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f) exit(1);
    for (uint64_t s = 0; s < j->steps; s++) {
        const ro_graph *g = j->phases[vd_job_locate(j, s).phase].graph;
        vd_step_result r;
        must(vd_exec_step(e, 0, s + 1 == j->steps, &r, &err));
        for (uint32_t k = 0; k < g->output_count; k++) append_value(f, e, g, g->outputs[k]);
    }
    for (uint32_t k = 0; k < j->slot_count; k++) {
        void *data = ro_alloc(ro_type_bytes(&j->slots[k].type) + 8);
        if (!data) exit(1);
        must(vd_exec_slot(e, k, data, &err));
        append(f, &j->slots[k].type, data);
        ro_free(data);
    }
    if (fclose(f)) exit(1);
}

static void write_tensors(const vd_job *j, vd_exec *e, const char *out, int count, char **which)
{
    for (uint64_t s = 0; s < j->steps; s++) {
        const ro_graph *g = j->phases[vd_job_locate(j, s).phase].graph;
        vd_step_result r;
        must(vd_exec_step(e, 0, 0, &r, &err));
        for (int k = 0; k < count; k++) {
            unsigned long long step;
            unsigned node, output;
            char path[512];
            if (sscanf(which[k], "%llu:%u:%u", &step, &node, &output) != 3) exit(2);
            if (step != s || node >= g->node_count) continue;
            snprintf(path, sizeof path, "%s.%d", out, k);
            FILE *f = fopen(path, "wb");
            if (!f) exit(1);
            append_value(f, e, g, g->nodes[node].first_output + output);
            if (fclose(f)) exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    vd_trace *t;
    vd_store *s;
    uint8_t *bytes;
    uint64_t size;
    ro_arena *a = ro_arena_new();
    if (argc < 5 || !a) return 2;
    must(vd_trace_open(argv[1], &t, &err));
    must(vd_store_open(argv[2], 0, &s, &err));
    const vd_job *j = vd_trace_job(t);
    if (strcmp(argv[3], "job") == 0) {
        must(vd_job_encode(j, a, &bytes, &size, &err));
        write_file(argv[4], bytes, size);
    } else {
        vd_exec *e = start(j, s, a);
        if (strcmp(argv[3], "result") == 0) write_result(j, e, argv[4]);
        else write_tensors(j, e, argv[4], argc - 5, argv + 5);
        vd_exec_free(e);
    }
    vd_store_close(s);
    vd_trace_close(t);
    ro_arena_free(a);
    return 0;
}
