/* bench_onnxruntime.c - onnxruntime, which verde bench measures beside itself.
 *
 * What this file decides: how its shared library is found and called. No other file knows it, and
 * nothing is linked with it: what the library exports is a table of functions whose places never
 * change. Its version 1, places 0 to 101, is in every release since 1.0
 * (onnxruntime_c_api.h of 1.13, struct OrtApi).
 *
 * Invariants
 *   1. It runs in a process of its own: what the library does to it ends with it, and so does all
 *      that it holds but what a run makes.
 *   2. What the library says is shown as text of strangers. */
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "cli.h"

#define ONLY_FATAL 4 /* OrtLoggingLevel: faults are returned, and not printed as well */
#define OUTPUTS_MAX 4096u

typedef struct ort_status ort_status;
typedef struct ort_env ort_env;
typedef struct ort_options ort_options;
typedef struct ort_session ort_session;
typedef struct ort_memory ort_memory;
typedef struct ort_allocator ort_allocator;
typedef struct ort_value ort_value;
typedef struct ort_type ort_type;

/* A status is NULL where all is well. Beside each: its place, and its name in the header. */
typedef struct {
    void (*skip_0[2])(void);
    const char *(*message)(const ort_status *);             /* 2 GetErrorMessage */
    ort_status *(*new_env)(int, const char *, ort_env **);  /* 3 CreateEnv */
    void (*skip_4[3])(void);
    ort_status *(*new_session)(const ort_env *, const char *, const ort_options *,
                               ort_session **);             /* 7 CreateSession */
    void (*skip_8[1])(void);
    ort_status *(*run)(ort_session *, const void *, const char *const *, const ort_value *const *,
                       size_t, const char *const *, size_t, ort_value **); /* 9 Run */
    ort_status *(*new_options)(ort_options **);             /* 10 CreateSessionOptions */
    void (*skip_11[13])(void);
    ort_status *(*set_threads)(ort_options *, int);         /* 24 SetIntraOpNumThreads */
    void (*skip_25[6])(void);
    ort_status *(*output_count)(const ort_session *, size_t *); /* 31 SessionGetOutputCount */
    void (*skip_32[5])(void);
    ort_status *(*output_name)(const ort_session *, size_t, ort_allocator *,
                               char **);                    /* 37 SessionGetOutputName */
    void (*skip_38[11])(void);
    ort_status *(*new_tensor)(const ort_memory *, void *, size_t, const int64_t *, size_t, int,
                              ort_value **);                /* 49 CreateTensorWithDataAsOrtValue */
    ort_status *(*is_tensor)(const ort_value *, int *);     /* 50 IsTensor */
    ort_status *(*data)(ort_value *, void **);              /* 51 GetTensorMutableData */
    void (*skip_52[8])(void);
    ort_status *(*dtype)(const ort_type *, int *);          /* 60 GetTensorElementType */
    ort_status *(*rank)(const ort_type *, size_t *);        /* 61 GetDimensionsCount */
    ort_status *(*dims)(const ort_type *, int64_t *, size_t);   /* 62 GetDimensions */
    void (*skip_63[2])(void);
    ort_status *(*type_of)(const ort_value *, ort_type **); /* 65 GetTensorTypeAndShape */
    void (*skip_66[3])(void);
    ort_status *(*new_memory)(int, int, ort_memory **);     /* 69 CreateCpuMemoryInfo */
    void (*skip_70[8])(void);
    ort_status *(*allocator)(ort_allocator **);             /* 78 GetAllocatorWithDefaultOptions */
    void (*skip_79[14])(void);
    void (*free_status)(ort_status *);                      /* 93 ReleaseStatus */
    void (*skip_94[2])(void);
    void (*free_value)(ort_value *);                        /* 96 ReleaseValue */
    void (*skip_97[2])(void);
    void (*free_type)(ort_type *);                          /* 99 ReleaseTensorTypeAndShapeInfo */
} ort_api;
_Static_assert(offsetof(ort_api, free_type) == 99 * sizeof(void (*)(void)), "a place is off");

typedef struct {
    const ort_api *(*api)(uint32_t version);
    const char *(*version)(void);
} ort_base;

struct cli_onnxruntime {
    const ort_api *api;
    char version[24];
    ort_session *session;
    ort_memory *memory;
    const char **inputs;
    ort_value **given;
    size_t input_count;
    const char **outputs; /* names */
    ort_value **made;     /* by the last run */
    size_t output_count;
};

/* *s becomes a sentence, where there is one. */
static ro_status check(const cli_onnxruntime *o, ort_status *s, const char *doing, ro_err *err)
{
    char shown[160];
    if (!s) return RO_OK;
    const char *says = o->api->message(s);
    const vd_onnx_text text = {says, (uint32_t)strnlen(says, 4096), 0};
    const ro_status st = RO_FAIL(err, RO_EOP, "onnxruntime cannot %s: %s", doing,
                                 vd_onnx_show(&text, shown, sizeof shown));
    o->api->free_status(s);
    return st;
}

static ro_status load(cli_onnxruntime *o, const char *library, ro_err *err)
{
    const ort_base *(*get)(void) = NULL;
    void *at = dlopen(library ? library : "libonnxruntime.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!at && !library) at = dlopen("libonnxruntime.so", RTLD_NOW | RTLD_LOCAL);
    if (!at && !library)
        return RO_FAIL(err, RO_ENOTFOUND, "the loader finds no libonnxruntime.so.1; pip install "
                       "onnxruntime brings one, for --onnxruntime "
                       ".../onnxruntime/capi/libonnxruntime.so.VERSION");
    if (!at) return RO_FAIL(err, RO_ENOTFOUND, "%.200s", dlerror());
    void *symbol = dlsym(at, "OrtGetApiBase");
    memcpy(&get, &symbol, sizeof get); /* ISO C has no cast from data to function */
    const ort_base *base = get ? get() : NULL;
    o->api = base ? base->api(1) : NULL;
    if (!o->api)
        return RO_FAIL(err, RO_EOP, "%.160s has no interface of onnxruntime",
                       library ? library : "the library that the loader finds");
    snprintf(o->version, sizeof o->version, "%.20s", base->version());
    return RO_OK;
}

static ro_status give(cli_onnxruntime *o, const vd_onnx_input *inputs, ro_err *err)
{
    for (uint32_t k = 0; k < o->input_count; k++) {
        const ro_tensor *t = &inputs[k].tensor;
        void *data;
        if (inputs[k].form != VD_ONNX_ONE)
            return RO_FAIL(err, RO_EOP, "input \"%.80s\" is no tensor, and no other is given to "
                           "onnxruntime here", inputs[k].name);
        memcpy(&data, &t->data, sizeof data); /* it is only read, whatever its type says */
        o->inputs[k] = inputs[k].name;
        RO_TRY(check(o, o->api->new_tensor(o->memory, data, ro_type_bytes(&t->type), t->type.dims,
                                           t->type.rank, (int)t->type.dtype, &o->given[k]),
                     "take an input", err));
    }
    return RO_OK;
}

static ro_status begin(cli_onnxruntime *o, const char *model, uint32_t threads, ro_err *err)
{
    const ort_api *f = o->api;
    ort_env *env;
    ort_options *options;
    RO_TRY(check(o, f->new_env(ONLY_FATAL, "verde bench", &env), "begin", err));
    RO_TRY(check(o, f->new_options(&options), "begin", err));
    RO_TRY(check(o, f->set_threads(options, (int)threads), "take so many threads", err));
    RO_TRY(check(o, f->new_session(env, model, options, &o->session), "load the model", err));
    RO_TRY(check(o, f->new_memory(0, 0, &o->memory), "begin", err)); /* memory that is ours */
    return check(o, f->output_count(o->session, &o->output_count), "say its outputs", err);
}

static ro_status name_outputs(cli_onnxruntime *o, ro_err *err)
{
    ort_allocator *a;
    RO_TRY(check(o, o->api->allocator(&a), "say its outputs", err));
    for (size_t k = 0; k < o->output_count; k++) {
        char *name;
        RO_TRY(check(o, o->api->output_name(o->session, k, a, &name), "say its outputs", err));
        o->outputs[k] = name;
    }
    return RO_OK;
}

ro_status cli_onnxruntime_open(const char *library, const char *model, const vd_onnx_input *inputs,
                               uint32_t count, uint32_t threads, ro_arena *arena,
                               cli_onnxruntime **out, ro_err *err)
{
    cli_onnxruntime *o = *out = ro_arena_alloc(arena, sizeof *o);
    if (!o) return RO_FAIL(err, RO_ENOMEM, "no memory for onnxruntime");
    RO_TRY(load(o, library, err));
    RO_TRY(begin(o, model, threads, err));
    if (o->output_count > OUTPUTS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "the model has %zu outputs; %u are allowed",
                       o->output_count, OUTPUTS_MAX);
    o->inputs = ro_arena_alloc(arena, (count + (size_t)1) * sizeof *o->inputs);
    o->given = ro_arena_alloc(arena, (count + (size_t)1) * sizeof *o->given);
    o->outputs = ro_arena_alloc(arena, (o->output_count + 1) * sizeof *o->outputs);
    o->made = ro_arena_alloc(arena, (o->output_count + 1) * sizeof *o->made);
    if (!o->inputs || !o->given || !o->outputs || !o->made)
        return RO_FAIL(err, RO_ENOMEM, "no memory for onnxruntime");
    o->input_count = count;
    RO_TRY(give(o, inputs, err));
    return name_outputs(o, err);
}

const char *cli_onnxruntime_version(const cli_onnxruntime *o) { return o->version; }

ro_status cli_onnxruntime_run(cli_onnxruntime *o, ro_err *err)
{
    for (size_t k = 0; k < o->output_count; k++) {
        if (o->made[k]) o->api->free_value(o->made[k]);
        o->made[k] = NULL;
    }
    return check(o, o->api->run(o->session, NULL, o->inputs, (const ort_value *const *)o->given,
                                o->input_count, o->outputs, o->output_count, o->made),
                 "run the model", err);
}

static ro_status read_type(cli_onnxruntime *o, ort_value *v, ro_type *out, ro_err *err)
{
    ort_type *t = NULL;
    size_t rank = 0;
    int dtype = 0;
    RO_TRY(check(o, o->api->type_of(v, &t), "say an output's type", err));
    ro_status st = check(o, o->api->rank(t, &rank), "say an output's type", err);
    if (!st && rank > RO_RANK_MAX)
        st = RO_FAIL(err, RO_ELIMIT, "an output has %zu axes; %u are allowed", rank, RO_RANK_MAX);
    if (!st) st = check(o, o->api->dtype(t, &dtype), "say an output's type", err);
    if (!st) st = check(o, o->api->dims(t, out->dims, rank), "say an output's type", err);
    o->api->free_type(t);
    out->rank = (uint32_t)rank;
    out->dtype = (ro_dtype)dtype; /* both are numbered as ONNX numbers them */
    return st ? st : ro_type_check(out, err);
}

ro_status cli_onnxruntime_output(cli_onnxruntime *o, const char *name, ro_tensor *out, ro_err *err)
{
    void *data = NULL;
    int is_tensor = 0;
    memset(out, 0, sizeof *out);
    for (size_t k = 0; k < o->output_count; k++) {
        if (strcmp(o->outputs[k], name) != 0) continue;
        if (!o->made[k]) return RO_FAIL(err, RO_EOP, "onnxruntime gives no \"%.80s\"", name);
        RO_TRY(check(o, o->api->is_tensor(o->made[k], &is_tensor), "show an output", err));
        if (!is_tensor) return RO_FAIL(err, RO_EOP, "output \"%.80s\" is no tensor", name);
        RO_TRY(read_type(o, o->made[k], &out->type, err));
        RO_TRY(check(o, o->api->data(o->made[k], &data), "show an output", err));
        out->data = data;
        return RO_OK;
    }
    return RO_FAIL(err, RO_ENOTFOUND, "onnxruntime has no output \"%.80s\"", name);
}
