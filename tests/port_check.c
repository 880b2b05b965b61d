/* port_check.c - does this build, on this processor, give the project's bits? Needs libc alone.
 *
 *   port-check [--vectors DIR] [--threads N] [--folder DIR] [--root HEX] [--quick]
 *
 * Runs the operators' vectors, then the port job (most operators of a training step, batch 4, 20
 * steps), writes its trace, reads it back and checks every hash in it. Prints the trace root;
 * with --root it must be that one. Exit 0: the same bits. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../verde/sha256_lanes.h"
#include "../verde/verde.h"

#define IMAGES 64
#define SIDE 16

typedef struct { uint64_t cases, failed; } tally;

static void report(void *ctx, const ro_vectors_result *r)
{
    tally *t = ctx;
    t->cases += r->cases;
    t->failed += r->failed;
    if (r->failed) printf("vectors: %s: %s\n", r->name, r->first);
}

static int check_vectors(const char *dir, ro_pool *pool, ro_err *err)
{
    for (int scalar = 0; scalar < 2; scalar++) {
        tally t = {0, 0};
        ro_vectors_options o;
        memset(&o, 0, sizeof o);
        o.dir = dir;
        o.backend = scalar ? NULL : ro_cpu();
        o.pool = pool;
        o.sha256 = vd_sha256;
        o.report = report;
        o.ctx = &t;
        if (ro_vectors_check(&o, err)) return 0;
        printf("vectors: %llu cases, %llu failed (%s)\n", (unsigned long long)t.cases,
               (unsigned long long)t.failed, scalar ? "scalar bodies" : ro_cpu_isa());
        if (t.failed || !t.cases) return 0;
    }
    return 1;
}

/* Pixels and labels from a small generator: the port job needs no file. */
static void make_data(uint8_t *pixels, uint8_t *labels)
{
    uint64_t x = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = (uint8_t)(i % 10);
        for (int p = 0; p < SIDE * SIDE; p++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            uint64_t bright = p / 26 == i % 10 ? 96 : 0;
            pixels[i * SIDE * SIDE + p] = (uint8_t)((x >> 32) % 128 + bright);
        }
    }
}

static vd_layer window(vd_layer_kind kind, uint32_t channels, uint32_t kernel, uint32_t stride,
                       uint32_t pad, uint32_t group)
{
    vd_layer l;
    memset(&l, 0, sizeof l);
    l.kind = kind;
    l.channels = channels;
    l.kernel = kernel;
    l.stride = stride;
    l.pad = pad;
    l.group = group;
    l.dilation = 1;
    l.epsilon = 1e-5;
    l.ratio = 0.25;
    return l;
}

static vd_layer plain(vd_layer_kind kind, uint32_t channels)
{
    return window(kind, channels, 1, 1, 0, 1);
}

static void describe(vd_spec *s, const uint8_t *pixels, const uint8_t *labels)
{
    vd_spec_defaults(s);
    vd_layer layers[] = {
        window(VD_L_CONV, 8, 3, 1, 1, 1), plain(VD_L_RELU, 0), window(VD_L_MAX_POOL, 0, 2, 2, 0, 1),
        window(VD_L_CONV, 16, 3, 2, 1, 2), plain(VD_L_GELU, 0), plain(VD_L_LAYER_NORM, 0),
        window(VD_L_AVERAGE_POOL, 0, 3, 1, 1, 1), plain(VD_L_TANH, 0), plain(VD_L_FLATTEN, 0),
        plain(VD_L_DENSE, 48), plain(VD_L_GELU_TANH, 0), plain(VD_L_DROPOUT, 0),
        plain(VD_L_DENSE, 24), plain(VD_L_SIGMOID, 0), plain(VD_L_GEMM, 10)};
    memcpy(s->layers, layers, sizeof layers);
    s->layer_count = sizeof layers / sizeof *layers;
    s->classes = 10;
    s->images.name = "images";
    s->images.type = ro_type_of(RO_U8, 3, (int64_t[]){IMAGES, SIDE, SIDE});
    s->labels.name = "labels";
    s->labels.type = ro_type_of(RO_U8, 1, (int64_t[]){IMAGES});
    vd_tensor_digest(&s->images.type, pixels, NULL, s->images.digest.b);
    vd_tensor_digest(&s->labels.type, labels, NULL, s->labels.digest.b);
    s->scale = 1.0 / 255;
    s->mean = 0.3;
    s->deviation = 0.25;
    s->schedule = 2; /* cosine */
    s->warmup = 3;
    s->batch = 4;
    s->steps = 20;
    s->seed = 20;
}

static ro_status run_job(const char *folder, ro_pool *pool, vd_digest *root, ro_err *err)
{
    static uint8_t pixels[IMAGES * SIDE * SIDE], labels[IMAGES];
    static vd_spec spec;
    const void *constants[2] = {pixels, labels};
    char trace[512], store[512];
    vd_job *job = NULL;
    vd_run_options o;
    vd_exec_options e;
    vd_run_result r;
    vd_trace *t = NULL;
    ro_arena *arena = ro_arena_new();
    memset(&o, 0, sizeof o);
    memset(&e, 0, sizeof e);
    if (!arena) return RO_FAIL(err, RO_ENOMEM, "no memory");
    snprintf(trace, sizeof trace, "%s/port.trace", folder);
    snprintf(store, sizeof store, "%s/port.store", folder);
    make_data(pixels, labels);
    describe(&spec, pixels, labels);
    e.backend = ro_cpu();
    e.pool = pool;
    e.constants = constants;
    o.trace_path = trace;
    ro_status st = vd_model_job(&spec, arena, &job, err);
    if (!st) st = vd_store_open(store, 1, &o.store, err);
    if (!st) st = vd_run(job, &e, &o, &r, err);
    if (!st) st = vd_trace_open(trace, &t, err);
    if (!st) st = vd_trace_verify(t, err);
    if (!st) *root = *vd_trace_get_root(t);
    vd_trace_close(t);
    vd_store_close(o.store);
    ro_arena_free(arena);
    return st;
}

/* The folder is this program's own; a failure to clean it is not a differing bit. */
static void clean(const char *folder)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) fprintf(stderr, "port-check: %s is left behind\n", folder);
}

int main(int argc, char **argv)
{
    const char *vectors = "vectors", *want = NULL, *folder = NULL;
    char made[] = "/tmp/port-check-XXXXXX";
    unsigned long threads = 1;
    int quick = 0, ok = 1;
    ro_err err = {0};
    ro_pool *pool = NULL;
    vd_digest root;
    char hex[65] = "";
    for (int k = 1; k < argc; k++) {
        if (k + 1 < argc && !strcmp(argv[k], "--vectors")) vectors = argv[++k];
        else if (k + 1 < argc && !strcmp(argv[k], "--threads"))
            threads = strtoul(argv[++k], NULL, 10);
        else if (k + 1 < argc && !strcmp(argv[k], "--folder")) folder = argv[++k];
        else if (k + 1 < argc && !strcmp(argv[k], "--root")) want = argv[++k];
        else if (!strcmp(argv[k], "--quick")) quick = 1; /* the job only */
        else {
            fprintf(stderr, "port-check: \"%s\" is no option\n", argv[k]);
            return 2;
        }
    }
    if (!folder && !(folder = mkdtemp(made))) {
        perror("port-check");
        return 4;
    }
    ro_status st = ro_pool_new((uint32_t)threads, &pool, &err);
    if (!st && !quick) ok = check_vectors(vectors, pool, &err);
    if (!st && ok) st = run_job(folder, pool, &root, &err);
    if (!st && ok) {
        vd_digest_hex(&root, hex);
        printf("port job: trace root %s\n", hex);
        if (want && strcmp(want, hex)) {
            printf("port job: it should be  %s\n", want);
            ok = 0;
        }
    }
    if (err.code) printf("port-check: %s\n", err.msg);
    if (folder == made) clean(made);
    ro_pool_free(pool);
    return st || !ok ? 1 : 0;
}
