/* test_hostile.c - models whose attributes, inputs and shapes were changed to what nobody means:
 * each case of ONNX's own tests becomes hundreds. Lowering one takes little time and memory, and
 * what it refuses it refuses by node and name; what it takes is run, by scalar bodies and by the
 * fast kernels, to the same bits. T90.
 *
 * A model is changed where it lies once it is read, so a change is what a file could have said. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../verde/conform.h"
#include "lowered.h"

#define NODE_CASES "/usr/share/libonnx-testdata/data/node"
#define CASE_MS 1000.0              /* of processor, to lower one; the sanitizers' ten times that */
#define CASE_BYTES ((rlim_t)64 << 20) /* of addresses beside what is there */
#define RUN_FLOPS UINT64_C(60000)
#define INPUTS_MAX 64u

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static const int64_t WHOLE[] = {INT64_MIN, INT64_MAX, -1, 0, 7, INT64_C(1) << 40, INT32_MIN,
                                (INT64_C(1) << 62) + 1};
static const double REAL[] = {NAN, INFINITY, -INFINITY, -1, 0, 1e300, 1e-300};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What a child is doing, where its parent sees it. */
typedef struct {
    char doing[300], unnamed[3000];
    uint32_t lowered, refused, run;
    double slowest;
    char slowest_is[300];
} report;

typedef struct {
    const vd_case *c;
    vd_onnx *m;
    ro_arena *arena;
    vd_onnx_input in[INPUTS_MAX];
    uint32_t count;
    report *r;
} subject;

static double processor_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* Which node, input, tensor or loop of the model it is: what all refusals begin with. */
static int names_something(const char *msg)
{
    static const char *const begins[] = {"node ", "input \"", "output \"", "tensor \"",
                                         "the model's input"};
    for (size_t k = 0; k < COUNT(begins); k++)
        if (strncmp(msg, begins[k], strlen(begins[k])) == 0) return 1;
    return 0;
}

static void attempt(subject *s)
{
    vd_onnx_job job;
    ro_err err = {RO_OK, {0}};
    ro_arena *a = ro_arena_new();
    if (!a) abort();
    double start = processor_ms();
    ro_status st = vd_onnx_lower(s->m, s->in, s->count, VD_RECORD_FULL, 0, a, &job, &err);
    double ms = processor_ms() - start;
    if (ms > s->r->slowest) {
        s->r->slowest = ms;
        memcpy(s->r->slowest_is, s->r->doing, sizeof s->r->doing);
    }
    if (st) {
        s->r->refused++;
        if (err.code != st || !err.msg[0]) abort();
        for (const char *p = err.msg; *p; p++)
            if (iscntrl((unsigned char)*p)) abort();
        if (st == RO_ENOMEM) {
            snprintf(s->r->doing + strlen(s->r->doing), 100, " takes too much memory: %.60s",
                     err.msg);
            _exit(3);
        }
        if (!names_something(err.msg) && !s->r->unnamed[0])
            snprintf(s->r->unnamed, sizeof s->r->unnamed, "%s: %s", s->r->doing, err.msg);
    } else {
        s->r->lowered++;
        s->r->run += (uint32_t)lowered_run(&job, RUN_FLOPS);
    }
    ro_arena_free(a);
}

#define DOING(s, ...) snprintf((s)->r->doing, sizeof(s)->r->doing, __VA_ARGS__)

/* ---- changes ----------------------------------------------------------------------------- */

static void change_int(subject *s, int64_t *v, const char *what)
{
    int64_t was = *v;
    for (size_t k = 0; k < COUNT(WHOLE); k++) {
        DOING(s, "%s: %s = %lld", s->c->name, what, (long long)WHOLE[k]);
        *v = WHOLE[k];
        attempt(s);
    }
    *v = was;
}

/* Every number of every attribute of every node, functions' and inner graphs' too. */
static void change_attributes(subject *s)
{
    for (uint32_t g = 0; g < s->m->graph_count; g++)
        for (uint32_t n = 0; n < s->m->graphs[g].node_count; n++)
            for (uint32_t k = 0; k < s->m->graphs[g].nodes[n].attribute_count; k++) {
                vd_onnx_attribute *a =
                    (vd_onnx_attribute *)(uintptr_t)&s->m->graphs[g].nodes[n].attributes[k];
                char what[80];
                snprintf(what, sizeof what, "%.*s", (int)(a->name.n < 70 ? a->name.n : 70),
                         a->name.p);
                if (a->type == VD_A_INT) change_int(s, &a->v.i, what);
                for (uint32_t i = 0; a->type == VD_A_INTS && i < a->count; i++)
                    change_int(s, (int64_t *)(uintptr_t)&a->v.ints[i], what);
                uint32_t count = a->count;
                for (a->count = 0; a->type == VD_A_INTS && a->count < count; a->count++) {
                    DOING(s, "%s: %u of %s", s->c->name, a->count, what);
                    attempt(s);
                }
                a->count = count;
                float was = a->v.f;
                for (size_t v = 0; a->type == VD_A_FLOAT && v < COUNT(REAL); v++) {
                    DOING(s, "%s: %s = %g", s->c->name, what, REAL[v]);
                    a->v.f = (float)REAL[v];
                    attempt(s);
                }
                if (a->type == VD_A_FLOAT) a->v.f = was;
            }
}

static void put_number(ro_dtype d, uint8_t *to, size_t k)
{
    double x = REAL[k % COUNT(REAL)];
    if (ro_dtype_is_float(d)) ro_set_element(d, to, 0, ro_bits_of_number(d, x));
    else if (d == RO_BOOL) *to = k & 1;
    else ro_set_element(d, to, 0, (uint64_t)WHOLE[k % COUNT(WHOLE)]);
}

/* Every input that is small, as those are that decide a shape: one element, and all of them. */
static void change_values(subject *s)
{
    for (uint32_t k = 0; k < s->count; k++) {
        ro_tensor *t = &s->in[k].tensor;
        uint64_t n = ro_type_elements(&t->type);
        uint32_t size = ro_dtypes[t->type.dtype].size;
        uint8_t was[8 * 8], *p = t->data;
        if (n > 8 || s->in[k].form != VD_ONNX_ONE) continue;
        memcpy(was, p, n * size);
        for (uint64_t e = 0; e <= n; e++)
            for (size_t v = 0; v < COUNT(WHOLE); v++) {
                DOING(s, "%s: element %d of input %u is hostile number %zu", s->c->name,
                      e < n ? (int)e : -1, k, v);
                for (uint64_t i = 0; i < n; i++)
                    if (i == e || e == n) put_number(t->type.dtype, p + i * size, v);
                attempt(s);
                memcpy(p, was, n * size);
            }
    }
}

/* An input's type with data of all zeros, whatever its size. */
static void attempt_shapes(subject *s, const ro_type *types)
{
    ro_tensor was[INPUTS_MAX];
    ro_arena *a = ro_arena_new();
    ro_err err = {RO_OK, {0}};
    if (!a) abort();
    for (uint32_t k = 0; k < s->count; k++) {
        was[k] = s->in[k].tensor;
        if (ro_type_equal(&types[k], &was[k].type) || s->in[k].form != VD_ONNX_ONE) continue;
        uint64_t bytes = ro_type_check(&types[k], &err) ? UINT64_MAX : ro_type_bytes(&types[k]);
        s->in[k].tensor.type = types[k];
        s->in[k].tensor.data = bytes > 1 << 20 ? NULL : ro_arena_alloc(a, bytes);
        if (!s->in[k].tensor.data) s->in[k].tensor = was[k];
        else if (bytes <= ro_type_bytes(&was[k].type))
            memcpy(s->in[k].tensor.data, was[k].data, bytes);
    }
    attempt(s);
    for (uint32_t k = 0; k < s->count; k++) s->in[k].tensor = was[k];
    ro_arena_free(a);
}

/* Other sizes than the model was made for: of one axis, of all axes of that size, and more or fewer
 * axes. A model that says its inputs' shapes no longer does. */
static void change_shapes(subject *s)
{
    static const int64_t sizes[] = {0, 1, 5, 4097};
    ro_type types[INPUTS_MAX];
    for (uint32_t k = 0; k < s->count; k++) types[k] = s->in[k].tensor.type;
    for (uint32_t k = 0; k < s->count; k++) {
        const ro_type *t = &s->in[k].tensor.type;
        for (uint32_t a = 0; a < t->rank; a++)
            for (size_t v = 0; v < COUNT(sizes); v++) {
                DOING(s, "%s: axis %u of input %u is %lld", s->c->name, a, k, (long long)sizes[v]);
                types[k].dims[a] = sizes[v];
                attempt_shapes(s, types);
                for (uint32_t i = 0; i < s->count; i++)
                    for (uint32_t b = 0; b < types[i].rank; b++)
                        if (s->in[i].tensor.type.dims[b] == t->dims[a]) types[i].dims[b] = sizes[v];
                DOING(s, "%s: all axes of size %lld are %lld", s->c->name, (long long)t->dims[a],
                      (long long)sizes[v]);
                attempt_shapes(s, types);
                for (uint32_t i = 0; i < s->count; i++) types[i] = s->in[i].tensor.type;
            }
        for (uint32_t rank = 0; rank <= RO_RANK_MAX; rank++) {
            if (rank == t->rank) continue;
            DOING(s, "%s: input %u has %u axes", s->c->name, k, rank);
            types[k].rank = rank;
            for (uint32_t a = t->rank; a < rank; a++) types[k].dims[a] = 1;
            attempt_shapes(s, types);
            types[k] = *t;
        }
    }
    for (uint32_t d = RO_F32; d < RO_DTYPE_LIMIT; d++) {
        if (!ro_dtypes[d].name) continue;
        for (uint32_t k = 0; k <= s->count && s->count; k++) { /* the last time all of them */
            DOING(s, "%s: %s %u of %s", s->c->name, k < s->count ? "input" : "all inputs,", k,
                  ro_dtypes[d].name);
            for (uint32_t i = 0; i < s->count; i++)
                if (i == k || k == s->count) types[i].dtype = (ro_dtype)d;
            attempt_shapes(s, types);
            for (uint32_t i = 0; i < s->count; i++) types[i] = s->in[i].tensor.type;
        }
    }
}

/* ---- a case in its child ----------------------------------------------------------------- */

static int read_inputs(subject *s)
{
    vd_onnx_graph *g = &s->m->graphs[0];
    char path[400];
    ro_err err = {RO_OK, {0}};
    for (s->count = 0; s->count < g->input_count && s->count < INPUTS_MAX; s->count++) {
        vd_onnx_value *v = (vd_onnx_value *)(uintptr_t)&g->inputs[s->count];
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%u.pb", s->c->folder, s->count);
        if (access(path, R_OK)) break;
        if (cli_value_load(path, v->type, s->arena, &s->in[s->count], &err)) return 0;
        s->in[s->count].name = ro_arena_string(s->arena, v->name.p, v->name.n);
        if (s->in[s->count].form == VD_ONNX_ONE) v->type = NULL;
    }
    return 1;
}

static void be_child(const vd_case *c, void (*change)(subject *), report *r)
{
    static subject s;
    ro_err err = {RO_OK, {0}};
    unsigned long pages = 0;
    s.c = c;
    s.r = r;
    s.arena = ro_arena_new();
    snprintf(r->doing, sizeof r->doing, "%s: as it is", c->name);
    char path[400];
    snprintf(path, sizeof path, "%s/model.onnx", c->folder);
    if (vd_onnx_open(path, &s.m, &err) || !read_inputs(&s)) _exit(0);
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu", &pages) != 1) _exit(9);
    fclose(f);
    struct rlimit all = {pages * 4096 + CASE_BYTES, pages * 4096 + CASE_BYTES};
    if (!SANITIZED && setrlimit(RLIMIT_AS, &all)) _exit(9);
    (void)alarm(240);
    attempt(&s);
    change(&s);
    _exit(0);
}

static void hostile(void (*change)(subject *), uint32_t every)
{
    ro_arena *a = ro_arena_new();
    vd_suite s;
    ro_err err = {RO_OK, {0}};
    uint32_t lowered = 0, refused = 0, ran = 0;
    double slowest = 50;
    if (access(NODE_CASES, R_OK)) {
        fprintf(stderr, "SKIPPED: libonnx-testdata is not installed\n");
        return;
    }
    cr_assert_eq(vd_suite_find(NODE_CASES, a, &s, &err), RO_OK, "%s", err.msg);
    report *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(r != MAP_FAILED);
    for (uint32_t k = 0; k < s.count; k += every) {
        int status = 0;
        memset(r, 0, sizeof *r);
        pid_t child = fork();
        if (child == 0) be_child(&s.cases[k], change, r);
        waitpid(child, &status, 0);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s (status %x)", r->doing,
                  (unsigned)status);
        cr_expect(r->unnamed[0] == 0, "%s", r->unnamed);
        cr_expect_lt(r->slowest, CASE_MS * (SANITIZED ? 10 : 1), "%s takes %.0f ms",
                     r->slowest_is, r->slowest);
        if (r->slowest > slowest) fprintf(stderr, "%.0f ms: %s\n", r->slowest, r->slowest_is);
        slowest = r->slowest > slowest ? r->slowest : slowest;
        lowered += r->lowered;
        refused += r->refused;
        ran += r->run;
    }
    fprintf(stderr, "%u lowered, %u of them run, %u refused\n", lowered, ran, refused);
    cr_assert(ran > 100 && refused > 100);
    ro_arena_free(a);
}

#define EVERY (SANITIZED ? 3 : 1)

Test(hostile, T90_attributes, .timeout = 600) { hostile(change_attributes, EVERY); }
Test(hostile, T90_values_of_inputs, .timeout = 600) { hostile(change_values, EVERY); }
Test(hostile, T90_shapes_and_dtypes, .timeout = 600) { hostile(change_shapes, EVERY); }
