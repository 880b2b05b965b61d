/* job_json.c - a job file in JSON becomes a vd_spec. Strict: what is not understood is refused.
 *
 * Invariants
 *   1. Only the canonical binary job is ever hashed; this text may be written in many ways.
 *   2. Every key is known, appears once and has the stated type; every number is finite and in
 *      its stated range; the first fault is named with its path.
 *   3. Numbers do not depend on the locale: cJSON rounds the decimal once to binary64. */
#include "cli.h"

#include <locale.h>
#include <string.h>

#define SCHEMA "verde-job/1"
#define DEPTH_MAX 16

typedef struct { ro_arena *arena; ro_err *err; const char *base; } ctx;

/* ---- reading one object ------------------------------------------------------------------ */

static ro_status check_keys(ctx *c, const cJSON *o, const char *where, const char *const *keys)
{
    if (!cJSON_IsObject(o))
        return RO_FAIL(c->err, RO_EFORMAT, "%s must be an object { ... }", where);
    for (const cJSON *k = o->child; k; k = k->next) {
        int known = 0;
        for (const char *const *p = keys; *p; p++) known |= strcmp(k->string, *p) == 0;
        if (!known)
            return RO_FAIL(c->err, RO_EFORMAT, "%s has the unknown key \"%.60s\"", where,
                           k->string);
        for (const cJSON *q = k->next; q; q = q->next)
            if (strcmp(k->string, q->string) == 0)
                return RO_FAIL(c->err, RO_EFORMAT, "%s has the key \"%.60s\" twice", where,
                               k->string);
    }
    return RO_OK;
}

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

/* A finite number in [low, high]; absent: *out keeps its default. */
static ro_status real(ctx *c, const cJSON *o, const char *where, const char *key, double low,
                      double high, double *out)
{
    const cJSON *n = get(o, key);
    if (!n) return RO_OK;
    if (!cJSON_IsNumber(n))
        return RO_FAIL(c->err, RO_EFORMAT, "%s.%s must be a number", where, key);
    if (!(n->valuedouble >= low && n->valuedouble <= high))
        return RO_FAIL(c->err, RO_ELIMIT, "%s.%s is %g; %g to %g are allowed", where, key,
                       n->valuedouble, low, high);
    *out = n->valuedouble == 0.0 ? 0.0 : n->valuedouble;
    return RO_OK;
}

/* A whole number in [low, high]. From 2^53 it must be written as a string of digits: a double
 * would round it. */
static ro_status whole(ctx *c, const cJSON *o, const char *where, const char *key, uint64_t low,
                       uint64_t high, uint64_t *out)
{
    const cJSON *n = get(o, key);
    uint64_t v = 0;
    if (!n) return RO_OK;
    if (cJSON_IsString(n)) {
        const char *s = n->valuestring;
        if (!*s) return RO_FAIL(c->err, RO_EFORMAT, "%s.%s is an empty string", where, key);
        for (; *s; s++) {
            if (*s < '0' || *s > '9' || v > (UINT64_MAX - (uint64_t)(*s - '0')) / 10)
                return RO_FAIL(c->err, RO_EFORMAT, "%s.%s is \"%.40s\", no whole number below 2^64",
                               where, key, n->valuestring);
            v = v * 10 + (uint64_t)(*s - '0');
        }
    } else if (cJSON_IsNumber(n)) {
        double d = n->valuedouble;
        if (!(d >= 0 && d < 0x1p53) || d != (double)(uint64_t)d)
            return RO_FAIL(c->err, RO_EFORMAT,
                           "%s.%s is %g; whole numbers from 0 are taken, from 2^53 as a string",
                           where, key, d);
        v = (uint64_t)d;
    } else {
        return RO_FAIL(c->err, RO_EFORMAT, "%s.%s must be a whole number", where, key);
    }
    if (v < low || v > high)
        return RO_FAIL(c->err, RO_ELIMIT, "%s.%s is %llu; %llu to %llu are allowed", where, key,
                       (unsigned long long)v, (unsigned long long)low, (unsigned long long)high);
    *out = v;
    return RO_OK;
}

static ro_status small(ctx *c, const cJSON *o, const char *where, const char *key, uint32_t low,
                       uint32_t high, uint32_t *out)
{
    uint64_t v = *out;
    RO_TRY(whole(c, o, where, key, low, high, &v));
    *out = (uint32_t)v;
    return RO_OK;
}

static ro_status word(ctx *c, const cJSON *o, const char *where, const char *key, int needed,
                      const char **out)
{
    const cJSON *n = get(o, key);
    if (needed) *out = "";
    if (!n && needed) return RO_FAIL(c->err, RO_EFORMAT, "%s lacks \"%s\"", where, key);
    if (!n) return RO_OK;
    if (!cJSON_IsString(n))
        return RO_FAIL(c->err, RO_EFORMAT, "%s.%s must be a string", where, key);
    *out = n->valuestring;
    return RO_OK;
}

static ro_status needs(ctx *c, const cJSON *o, const char *where, const char *key)
{
    if (get(o, key)) return RO_OK;
    return RO_FAIL(c->err, RO_EFORMAT, "%s lacks \"%s\"", where, key);
}

/* Index of a word in a NULL-terminated list. */
static ro_status choose(ctx *c, const char *where, const char *value, const char *const *names,
                        uint32_t *out)
{
    for (uint32_t k = 0; names[k]; k++)
        if (strcmp(names[k], value) == 0) {
            *out = k;
            return RO_OK;
        }
    char list[160] = "";
    for (uint32_t k = 0; names[k]; k++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, k ? ", %s" : "%s", names[k]);
    }
    return RO_FAIL(c->err, RO_EFORMAT, "%s is \"%.40s\"; it can be %s", where, value, list);
}

/* ---- layers ------------------------------------------------------------------------------ */

static const char *const layer_names[] = {
    "conv", "dense", "gemm", "relu", "tanh", "sigmoid", "gelu", "gelu_tanh", "max_pool",
    "average_pool", "global_average_pool", "flatten", "layer_norm", "dropout", NULL};

static ro_status window(ctx *c, const cJSON *o, const char *where, vd_layer *l)
{
    RO_TRY(needs(c, o, where, "kernel"));
    RO_TRY(small(c, o, where, "kernel", 1, 4096, &l->kernel));
    l->stride = l->kind == VD_L_CONV ? 1 : l->kernel;
    RO_TRY(small(c, o, where, "stride", 1, 4096, &l->stride));
    RO_TRY(small(c, o, where, "pad", 0, 4096, &l->pad));
    return small(c, o, where, "dilation", 1, 4096, &l->dilation);
}

static ro_status layer_fields(ctx *c, const cJSON *o, const char *where, vd_layer *l)
{
    static const char *const conv[] = {"channels", "kernel", "stride", "pad",
                                       "dilation", "group",  NULL};
    static const char *const pool[] = {"kernel", "stride", "pad", "dilation", NULL};
    static const char *const dense[] = {"outputs", NULL}, *const norm[] = {"epsilon", NULL};
    static const char *const drop[] = {"ratio", NULL}, *const none[] = {NULL};
    switch (l->kind) {
    case VD_L_CONV:
        RO_TRY(check_keys(c, o, where, conv));
        RO_TRY(needs(c, o, where, "channels"));
        RO_TRY(small(c, o, where, "channels", 1, 1u << 20, &l->channels));
        RO_TRY(small(c, o, where, "group", 1, 1u << 20, &l->group));
        return window(c, o, where, l);
    case VD_L_DENSE: case VD_L_GEMM:
        RO_TRY(check_keys(c, o, where, dense));
        RO_TRY(needs(c, o, where, "outputs"));
        return small(c, o, where, "outputs", 1, 1u << 24, &l->channels);
    case VD_L_MAX_POOL: case VD_L_AVERAGE_POOL:
        RO_TRY(check_keys(c, o, where, pool));
        return window(c, o, where, l);
    case VD_L_LAYER_NORM:
        RO_TRY(check_keys(c, o, where, norm));
        return real(c, o, where, "epsilon", 0.0, 1.0, &l->epsilon);
    case VD_L_DROPOUT:
        RO_TRY(check_keys(c, o, where, drop));
        RO_TRY(needs(c, o, where, "ratio"));
        RO_TRY(real(c, o, where, "ratio", 0.0, 1.0, &l->ratio));
        if (l->ratio < 1.0) return RO_OK;
        return RO_FAIL(c->err, RO_ELIMIT, "%s.ratio is 1; less than 1 is allowed", where);
    default: return check_keys(c, o, where, none);
    }
}

/* "relu" or {"conv": {...}} */
static ro_status layer(ctx *c, const cJSON *n, uint32_t index, vd_layer *l)
{
    char where[48];
    const char *name = n->valuestring;
    const cJSON *fields = NULL;
    uint32_t kind;
    snprintf(where, sizeof where, "model.layers[%u]", index);
    memset(l, 0, sizeof *l);
    l->dilation = l->group = 1;
    l->epsilon = 1e-5;
    if (cJSON_IsObject(n) && n->child && !n->child->next) {
        name = n->child->string;
        fields = n->child;
    } else if (!cJSON_IsString(n)) {
        return RO_FAIL(c->err, RO_EFORMAT, "%s must be \"name\" or {\"name\": {...}}", where);
    }
    RO_TRY(choose(c, where, name, layer_names, &kind));
    l->kind = (vd_layer_kind)kind;
    if (fields) return layer_fields(c, fields, where, l);
    switch (l->kind) {
    case VD_L_CONV: case VD_L_DENSE: case VD_L_GEMM: case VD_L_MAX_POOL: case VD_L_AVERAGE_POOL:
    case VD_L_DROPOUT:
        return RO_FAIL(c->err, RO_EFORMAT, "%s: %s needs its sizes: {\"%s\": {...}}", where, name,
                       name);
    default: return RO_OK;
    }
}

static ro_status model(ctx *c, const cJSON *root, vd_spec *s)
{
    static const char *const keys[] = {"layers", "classes", NULL};
    const cJSON *o = get(root, "model"), *list, *n;
    if (!o) return RO_FAIL(c->err, RO_EFORMAT, "the job lacks \"model\"");
    RO_TRY(check_keys(c, o, "model", keys));
    RO_TRY(needs(c, o, "model", "layers"));
    list = get(o, "layers");
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > (int)VD_LAYERS_MAX)
        return RO_FAIL(c->err, RO_EFORMAT, "model.layers must be a list of 1 to %u layers",
                       VD_LAYERS_MAX);
    cJSON_ArrayForEach(n, list)
    {
        RO_TRY(layer(c, n, s->layer_count, &s->layers[s->layer_count]));
        if (s->layers[s->layer_count].channels) s->classes = s->layers[s->layer_count].channels;
        s->layer_count++;
    }
    return small(c, o, "model", "classes", 1, 1u << 24, &s->classes);
}

/* ---- data, loss, optimizer --------------------------------------------------------------- */

static ro_status path_of(ctx *c, const char *given, const char **out)
{
    size_t n = strlen(given), b = strlen(c->base);
    char *p = ro_arena_alloc(c->arena, n + b + 2);
    if (!p) return RO_FAIL(c->err, RO_ENOMEM, "no memory for a path");
    if (given[0] == '/' || b == 0) memcpy(p, given, n + 1);
    else snprintf(p, n + b + 2, "%s/%s", c->base, given);
    *out = p;
    return RO_OK;
}

static ro_status two_paths(ctx *c, const cJSON *o, const char *where, int needed,
                           const char **images, const char **labels)
{
    const char *a, *b = NULL;
    RO_TRY(word(c, o, where, "images", 1, &a));
    RO_TRY(word(c, o, where, "labels", needed, &b));
    RO_TRY(path_of(c, a, images));
    return b ? path_of(c, b, labels) : RO_OK;
}

static ro_status data(ctx *c, const cJSON *root, vd_job_file *f)
{
    static const char *const keys[] = {"images", "labels", "scale", "mean", "deviation", NULL};
    static const char *const test_keys[] = {"images", "labels", NULL};
    const cJSON *o = get(root, "data"), *t = get(root, "test");
    vd_spec *s = &f->spec;
    if (!o) return RO_FAIL(c->err, RO_EFORMAT, "the job lacks \"data\"");
    RO_TRY(check_keys(c, o, "data", keys));
    RO_TRY(two_paths(c, o, "data", f->spec.loss != VD_LOSS_OUTPUT, &f->images, &f->labels));
    RO_TRY(real(c, o, "data", "scale", -1e30, 1e30, &s->scale));
    RO_TRY(real(c, o, "data", "mean", -1e30, 1e30, &s->mean));
    RO_TRY(real(c, o, "data", "deviation", 1e-30, 1e30, &s->deviation));
    if (!t) return RO_OK;
    RO_TRY(check_keys(c, t, "test", test_keys));
    return two_paths(c, t, "test", 1, &f->test_images, &f->test_labels);
}

static ro_status schedule(ctx *c, const cJSON *o, vd_spec *s)
{
    static const char *const keys[] = {"kind", "min", "warmup", "gamma", "period", NULL};
    static const char *const constant[] = {"kind", "warmup", NULL};
    static const char *const smooth[] = {"kind", "warmup", "min", NULL};
    static const char *const powers[] = {"kind", "warmup", "min", "gamma", NULL};
    static const char *const *const uses[] = {constant, smooth, smooth, keys, powers};
    static const char *const kinds[] = {"constant", "linear",      "cosine",
                                        "step",     "exponential", NULL};
    const cJSON *n = get(o, "schedule");
    const char *kind;
    if (!n) return RO_OK;
    RO_TRY(check_keys(c, n, "optimizer.schedule", keys));
    RO_TRY(word(c, n, "optimizer.schedule", "kind", 1, &kind));
    RO_TRY(choose(c, "optimizer.schedule.kind", kind, kinds, &s->schedule));
    RO_TRY(check_keys(c, n, "optimizer.schedule", uses[s->schedule]));
    RO_TRY(real(c, n, "optimizer.schedule", "min", 0.0, 1e30, &s->rate_min));
    RO_TRY(real(c, n, "optimizer.schedule", "gamma", 0.0, 1e6, &s->gamma));
    RO_TRY(whole(c, n, "optimizer.schedule", "warmup", 0, VD_STEPS_MAX, &s->warmup));
    return whole(c, n, "optimizer.schedule", "period", 1, VD_STEPS_MAX, &s->period);
}

static ro_status betas(ctx *c, const cJSON *o, vd_spec *s)
{
    const cJSON *n = get(o, "betas");
    if (!n) return RO_OK;
    const cJSON *a = cJSON_IsArray(n) ? n->child : NULL, *b = a ? a->next : NULL;
    if (!a || !b || b->next || !cJSON_IsNumber(a) || !cJSON_IsNumber(b))
        return RO_FAIL(c->err, RO_EFORMAT, "optimizer.betas must be two numbers");
    if (!(a->valuedouble >= 0 && a->valuedouble < 1 && b->valuedouble >= 0 && b->valuedouble < 1))
        return RO_FAIL(c->err, RO_ELIMIT, "optimizer.betas are %g and %g; [0, 1) is allowed",
                       a->valuedouble, b->valuedouble);
    s->beta1 = a->valuedouble;
    s->beta2 = b->valuedouble;
    return RO_OK;
}

static ro_status optimizer(ctx *c, const cJSON *root, vd_spec *s)
{
    static const char *const sgd[] = {"kind",     "rate",      "momentum", "dampening",
                                      "nesterov", "schedule", "weight_decay", NULL};
    static const char *const adam[] = {"kind",    "rate",     "betas",
                                       "epsilon", "schedule", "weight_decay", NULL};
    static const char *const kinds[] = {"sgd", "adamw", "adam", NULL};
    const cJSON *o = get(root, "optimizer"), *n;
    const char *kind;
    uint32_t k;
    if (!cJSON_IsObject(o)) return RO_FAIL(c->err, RO_EFORMAT, "the job lacks \"optimizer\"");
    RO_TRY(word(c, o, "optimizer", "kind", 1, &kind));
    RO_TRY(choose(c, "optimizer.kind", kind, kinds, &k));
    s->optimizer = (vd_optimizer_kind)k;
    RO_TRY(check_keys(c, o, "optimizer", k == VD_OPT_SGD ? sgd : adam));
    s->weight_decay = k == VD_OPT_ADAMW ? 0.01 : 0.0;
    RO_TRY(real(c, o, "optimizer", "rate", 0.0, 1e30, &s->rate));
    RO_TRY(real(c, o, "optimizer", "momentum", 0.0, 1.0, &s->momentum));
    RO_TRY(real(c, o, "optimizer", "dampening", 0.0, 1.0, &s->dampening));
    RO_TRY(real(c, o, "optimizer", "weight_decay", 0.0, 1e30, &s->weight_decay));
    RO_TRY(real(c, o, "optimizer", "epsilon", 0.0, 1e30, &s->epsilon));
    RO_TRY(betas(c, o, s));
    n = get(o, "nesterov");
    if (n && !cJSON_IsBool(n))
        return RO_FAIL(c->err, RO_EFORMAT, "optimizer.nesterov must be true or false");
    s->nesterov = n && cJSON_IsTrue(n);
    if (s->nesterov && s->momentum == 0.0)
        return RO_FAIL(c->err, RO_EFORMAT, "optimizer.nesterov needs a momentum");
    return schedule(c, o, s);
}

static ro_status initial(ctx *c, const cJSON *root, vd_spec *s)
{
    const cJSON *o = get(root, "initial"), *n;
    if (!o) return RO_OK;
    if (!cJSON_IsObject(o)) return RO_FAIL(c->err, RO_EFORMAT, "initial must be an object");
    vd_slot *g = ro_arena_alloc(c->arena, (size_t)cJSON_GetArraySize(o) * sizeof *g);
    if (!g) return RO_FAIL(c->err, RO_ENOMEM, "no memory for the initial state");
    cJSON_ArrayForEach(n, o)
    {
        for (const cJSON *q = n->next; q; q = q->next)
            if (strcmp(n->string, q->string) == 0)
                return RO_FAIL(c->err, RO_EFORMAT, "initial has the key \"%.60s\" twice",
                               n->string);
        if (!cJSON_IsString(n))
            return RO_FAIL(c->err, RO_EFORMAT, "initial.%.60s must be a digest", n->string);
        vd_slot *slot = &g[s->given_count++];
        slot->name = ro_arena_string(c->arena, n->string, strlen(n->string));
        RO_TRY(vd_digest_parse(n->valuestring, &slot->digest, c->err));
    }
    s->given = g;
    return RO_OK;
}

static ro_status record(ctx *c, const cJSON *root, vd_spec *s)
{
    const char *r = "full";
    RO_TRY(word(c, root, "the job", "record", 0, &r));
    return vd_record_parse(r, &s->record, &s->segment, c->err);
}

ro_status vd_record_parse(const char *text, vd_record *record, uint32_t *segment, ro_err *err)
{
    uint64_t k = 0;
    const char *d = text;
    *segment = 0;
    *record = VD_RECORD_FULL;
    if (strcmp(text, "full") == 0) return RO_OK;
    if (strncmp(text, "checkpoint:", 11) == 0) {
        for (d = text + 11; *d >= '0' && *d <= '9' && k <= VD_SEGMENT_MAX; d++)
            k = k * 10 + (uint64_t)(*d - '0');
    }
    if (d == text || *d || k < 1 || k > VD_SEGMENT_MAX)
        return RO_FAIL(err, RO_EFORMAT,
                       "the recording level is \"%.40s\"; it can be full or checkpoint:1 to "
                       "checkpoint:%u",
                       text, VD_SEGMENT_MAX);
    *record = VD_RECORD_CHECKPOINT;
    *segment = (uint32_t)k;
    return RO_OK;
}

/* ---- a model that is run once ------------------------------------------------------------ */

static ro_status inputs(ctx *c, const cJSON *root, vd_job_file *f)
{
    const cJSON *o = get(root, "inputs"), *n;
    if (!o) return RO_OK;
    if (!cJSON_IsObject(o)) return RO_FAIL(c->err, RO_EFORMAT, "inputs must be an object { ... }");
    size_t room = (size_t)cJSON_GetArraySize(o) + 1;
    f->input_names = ro_arena_alloc(c->arena, room * sizeof *f->input_names);
    f->input_paths = ro_arena_alloc(c->arena, room * sizeof *f->input_paths);
    if (!f->input_names || !f->input_paths)
        return RO_FAIL(c->err, RO_ENOMEM, "no memory for a job's inputs");
    cJSON_ArrayForEach(n, o)
    {
        const char *name = ro_arena_string(c->arena, n->string, strlen(n->string));
        if (!name) return RO_FAIL(c->err, RO_ENOMEM, "no memory for a job's inputs");
        if (!cJSON_IsString(n))
            return RO_FAIL(c->err, RO_EFORMAT, "inputs.%.60s must be a path", n->string);
        f->input_names[f->input_count] = name;
        RO_TRY(path_of(c, n->valuestring, &f->input_paths[f->input_count++]));
    }
    return RO_OK;
}

/* Text that outlives the document. */
static ro_status kept(ctx *c, const char *s, const char **out)
{
    *out = s ? ro_arena_string(c->arena, s, strlen(s)) : NULL;
    return s && !*out ? RO_FAIL(c->err, RO_ENOMEM, "no memory for a job") : RO_OK;
}

#define FREEZE_MAX 1024 /* each is compared with every initializer */

static ro_status freeze(ctx *c, const cJSON *root, vd_job_file *f)
{
    const cJSON *o = get(root, "freeze"), *n;
    if (!o) return RO_OK;
    if (!cJSON_IsArray(o)) return RO_FAIL(c->err, RO_EFORMAT, "freeze must be a list of names");
    if (cJSON_GetArraySize(o) > FREEZE_MAX)
        return RO_FAIL(c->err, RO_ELIMIT, "freeze has %d names; at most %d are allowed",
                       cJSON_GetArraySize(o), FREEZE_MAX);
    f->freeze = ro_arena_alloc(c->arena, ((size_t)cJSON_GetArraySize(o) + 1) * sizeof *f->freeze);
    if (!f->freeze) return RO_FAIL(c->err, RO_ENOMEM, "no memory for a job");
    cJSON_ArrayForEach(n, o)
    {
        if (!cJSON_IsString(n))
            return RO_FAIL(c->err, RO_EFORMAT, "freeze must be a list of names");
        RO_TRY(kept(c, n->valuestring, &f->freeze[f->freeze_count++]));
    }
    return RO_OK;
}

static ro_status steps(ctx *c, const cJSON *root, vd_spec *s)
{
    RO_TRY(optimizer(c, root, s));
    RO_TRY(needs(c, root, "the job", "steps"));
    RO_TRY(whole(c, root, "the job", "batch", 1, UINT32_MAX, &s->batch));
    RO_TRY(whole(c, root, "the job", "steps", 1, VD_STEPS_MAX - 1, &s->steps));
    RO_TRY(whole(c, root, "the job", "seed", 0, UINT64_MAX, &s->seed));
    return record(c, root, s);
}

static ro_status loss(ctx *c, const cJSON *root, const char *const *names, vd_spec *s)
{
    const char *loss;
    uint32_t k;
    RO_TRY(word(c, root, "the job", "loss", 1, &loss));
    RO_TRY(choose(c, "loss", loss, names, &k));
    s->loss = (vd_loss)k;
    return RO_OK;
}

/* A model that is trained. */
static ro_status training(ctx *c, const cJSON *root, vd_job_file *f)
{
    static const char *const keys[] = {"schema", "name",   "model",     "data",  "inputs",
                                       "feed",   "output", "freeze",    "loss",  "optimizer",
                                       "batch",  "steps",  "seed",      "record", NULL};
    static const char *const losses[] = {"softmax_cross_entropy", "mean_squared_error", "output",
                                         NULL};
    static const char *const fed[] = {"images", "labels", NULL};
    const cJSON *o = get(root, "feed");
    const char *images = NULL, *labels = NULL, *output = NULL;
    RO_TRY(check_keys(c, root, "a job that trains a file's model", keys));
    RO_TRY(path_of(c, get(root, "model")->valuestring, &f->onnx));
    f->trains = 1;
    if (o) RO_TRY(check_keys(c, o, "feed", fed));
    if (o) RO_TRY(word(c, o, "feed", "images", 0, &images));
    if (o) RO_TRY(word(c, o, "feed", "labels", 0, &labels));
    RO_TRY(word(c, root, "the job", "output", 0, &output));
    RO_TRY(kept(c, images, &f->feed_images));
    RO_TRY(kept(c, labels, &f->feed_labels));
    RO_TRY(kept(c, output, &f->output));
    RO_TRY(freeze(c, root, f));
    RO_TRY(inputs(c, root, f));
    RO_TRY(loss(c, root, losses, &f->spec));
    RO_TRY(data(c, root, f));
    return steps(c, root, &f->spec);
}

static ro_status inference(ctx *c, const cJSON *root, vd_job_file *f)
{
    static const char *const keys[] = {"schema", "name", "model", "inputs", "record", NULL};
    static const char *const parts[] = {"config", "weights", NULL};
    const cJSON *m = get(root, "model");
    const char *config, *weights;
    RO_TRY(check_keys(c, root, "a job whose model is a file", keys));
    if (cJSON_IsString(m)) {
        RO_TRY(path_of(c, m->valuestring, &f->onnx));
    } else {
        RO_TRY(check_keys(c, m, "model", parts));
        RO_TRY(word(c, m, "model", "config", 1, &config));
        RO_TRY(word(c, m, "model", "weights", 1, &weights));
        RO_TRY(path_of(c, config, &f->config));
        RO_TRY(path_of(c, weights, &f->weights));
    }
    RO_TRY(inputs(c, root, f));
    return record(c, root, &f->spec);
}

/* ---- the whole text ---------------------------------------------------------------------- */

static ro_status parse_root(ctx *c, const cJSON *root, vd_job_file *f)
{
    static const char *const keys[] = {"schema",    "name",  "model", "data", "test",   "loss",
                                       "optimizer", "batch", "steps", "seed", "record", "initial",
                                       NULL};
    static const char *const losses[] = {"softmax_cross_entropy", "mean_squared_error", NULL};
    const char *schema, *name = "";
    const cJSON *m = cJSON_IsObject(root) ? get(root, "model") : NULL;
    int is_encoder = cJSON_IsObject(m) && (get(m, "config") || get(m, "weights"));
    int is_file = cJSON_IsString(m) || is_encoder;
    if (!is_file) RO_TRY(check_keys(c, root, "the job", keys));
    RO_TRY(word(c, root, "the job", "schema", 1, &schema));
    if (strcmp(schema, SCHEMA))
        return RO_FAIL(c->err, RO_EFORMAT, "schema is \"%.40s\"; this program reads " SCHEMA,
                       schema);
    RO_TRY(word(c, root, "the job", "name", 0, &name));
    if (cJSON_IsString(m) && (get(root, "loss") || get(root, "optimizer") || get(root, "data")))
        return training(c, root, f);
    if (is_file) return inference(c, root, f);
    RO_TRY(model(c, root, &f->spec));
    RO_TRY(data(c, root, f));
    RO_TRY(loss(c, root, losses, &f->spec));
    RO_TRY(initial(c, root, &f->spec));
    return steps(c, root, &f->spec);
}

static uint64_t digits(const uint8_t *p, uint64_t left)
{
    uint64_t n = 0;
    while (n < left && p[n] >= '0' && p[n] <= '9') n++;
    return n;
}

/* Length of the JSON number at p, 0 when it is none: "01", "+1", "1." and ".5" are not, though
 * strtod takes them. */
static uint64_t number_length(const uint8_t *p, uint64_t left)
{
    uint64_t n = left && p[0] == '-', whole = digits(p + n, left - n);
    if (!whole || (whole > 1 && p[n] == '0')) return 0;
    n += whole;
    if (n < left && p[n] == '.') {
        uint64_t part = digits(p + n + 1, left - n - 1);
        if (!part) return 0;
        n += 1 + part;
    }
    if (n < left && (p[n] == 'e' || p[n] == 'E')) {
        n++;
        if (n < left && (p[n] == '+' || p[n] == '-')) n++;
        uint64_t power = digits(p + n, left - n);
        if (!power) return 0;
        n += power;
    }
    return n < left && memchr("0123456789+-.eE", p[n], 15) ? 0 : n;
}

/* cJSON takes what strtod takes; we take JSON's numbers. */
static ro_status check_numbers(const char *what, const uint8_t *p, uint64_t size,
                               ro_err *err)
{
    int quoted = 0;
    for (uint64_t i = 0; i < size; i++) {
        if (p[i] == '"') quoted = !quoted;
        if (quoted && p[i] == '\\') i++;
        if (quoted || !p[i] || !memchr("0123456789+-.", p[i], 13)) continue;
        uint64_t n = number_length(p + i, size - i);
        if (!n)
            return RO_FAIL(err, RO_EFORMAT, "byte %llu of %s begins no JSON number",
                           (unsigned long long)i, what);
        i += n - 1;
    }
    return RO_OK;
}

/* cJSON takes invalid UTF-8 and 0 bytes inside; we do not. Depth is bounded before it recurses. */
static ro_status check_text(const char *what, const char *text, uint64_t size, ro_err *err)
{
    const uint8_t *p = (const uint8_t *)text;
    int depth = 0, quoted = 0;
    for (uint64_t i = 0; i < size; i++) {
        uint8_t b = p[i];
        uint32_t more = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : (b & 0xf0) == 0xe0 ? 2 : 3;
        if (b == 0 || (more == 3 && !(b >= 0xf0 && b < 0xf5)) || more >= size - i)
            return RO_FAIL(err, RO_EFORMAT, "byte %llu of %s is not UTF-8 text",
                           (unsigned long long)i, what);
        for (uint32_t k = 1; k <= more; k++)
            if ((p[i + k] & 0xc0) != 0x80 || (k == 1 && ((b == 0xe0 && p[i + 1] < 0xa0) ||
                (b == 0xed && p[i + 1] > 0x9f) || (b == 0xf0 && p[i + 1] < 0x90) ||
                (b == 0xf4 && p[i + 1] > 0x8f))))
                return RO_FAIL(err, RO_EFORMAT, "byte %llu of %s is not UTF-8 text",
                               (unsigned long long)(i + k), what);
        i += more;
        if (quoted && b == '\\') i++;
        else if (b == '"') quoted = !quoted;
        else if (!quoted && (b == '{' || b == '[')) depth++;
        else if (!quoted && (b == '}' || b == ']')) depth--;
        if (depth > DEPTH_MAX)
            return RO_FAIL(err, RO_ELIMIT, "%s is nested deeper than %d", what, DEPTH_MAX);
    }
    return RO_OK;
}

/* cJSON reads numbers with strtod, so the decimal point must be the C locale's in this thread. */
static cJSON *parse_in_c_locale(const char *text, const char **stop)
{
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0), old = (locale_t)0;
    if (c) old = uselocale(c);
    cJSON *root = cJSON_ParseWithOpts(text, stop, 1);
    if (c) {
        uselocale(old);
        freelocale(c);
    }
    return root;
}

ro_status vd_json_parse(const char *what, const char *text, uint64_t size, ro_arena *arena,
                        cJSON **out, ro_err *err)
{
    const char *stop = text;
    if (size > VD_JSON_BYTES_MAX)
        return RO_FAIL(err, RO_ELIMIT, "%s is %llu bytes long; at most %llu are allowed", what,
                       (unsigned long long)size, (unsigned long long)VD_JSON_BYTES_MAX);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return RO_FAIL(err, RO_EFORMAT, "%s begins with a byte order mark; JSON has none", what);
    RO_TRY(check_text(what, text, size, err));
    RO_TRY(check_numbers(what, (const uint8_t *)text, size, err));
    char *copy = ro_arena_string(arena, text, size);
    if (!copy) return RO_FAIL(err, RO_ENOMEM, "no memory for the text of %s", what);
    *out = parse_in_c_locale(copy, &stop);
    if (*out) return RO_OK;
    unsigned line = 1;
    for (const char *p = copy; p < stop && *p; p++) line += *p == '\n';
    return RO_FAIL(err, RO_EFORMAT, "%s is not JSON: line %u is wrong", what, line);
}

ro_status vd_job_parse(const char *text, uint64_t size, const char *base, ro_arena *arena,
                       vd_job_file *out, ro_err *err)
{
    ctx c = {arena, err, base};
    cJSON *root = NULL;
    memset(out, 0, sizeof *out);
    vd_spec_defaults(&out->spec);
    RO_TRY(vd_json_parse("the job", text, size, arena, &root, err));
    ro_status st = parse_root(&c, root, out);
    cJSON_Delete(root);
    return st;
}

ro_status vd_job_load_data(vd_job_file *f, ro_pool *pool, ro_arena *arena, ro_err *err)
{
    vd_slot *to[2] = {&f->spec.images, &f->spec.labels};
    const char *paths[2] = {f->images, f->labels}, *names[2] = {"images", "labels"};
    for (int k = 0; k < 2; k++) {
        RO_TRY(vd_data_load(paths[k], arena, &f->data[k], err));
        to[k]->name = names[k];
        to[k]->type = f->data[k].type;
        vd_tensor_digest(&f->data[k].type, f->data[k].data, pool, to[k]->digest.b);
    }
    return RO_OK;
}

/* ---- templates --------------------------------------------------------------------------- */

#define FASHION "/usr/share/datasets/fashion-mnist/"
#define DATA                                                              \
    "  \"data\": {\n"                                                     \
    "    \"images\": \"" FASHION "train-images-idx3-ubyte.gz\",\n"        \
    "    \"labels\": \"" FASHION "train-labels-idx1-ubyte.gz\",\n"        \
    "    \"scale\": 0.00392156862745098,\n"                               \
    "    \"mean\": 0.286, \"deviation\": 0.353\n"                         \
    "  },\n"                                                              \
    "  \"test\": {\n"                                                     \
    "    \"images\": \"" FASHION "t10k-images-idx3-ubyte.gz\",\n"         \
    "    \"labels\": \"" FASHION "t10k-labels-idx1-ubyte.gz\"\n"          \
    "  },\n"

static const char mlp[] =
    "{\n"
    "  \"schema\": \"verde-job/1\",\n"
    "  \"name\": \"Fashion-MNIST, two dense layers\",\n"
    "  \"model\": {\"layers\": [\n"
    "    \"flatten\",\n"
    "    {\"dense\": {\"outputs\": 128}}, \"relu\",\n"
    "    {\"dense\": {\"outputs\": 10}}\n"
    "  ]},\n" DATA
    "  \"loss\": \"softmax_cross_entropy\",\n"
    "  \"optimizer\": {\"kind\": \"sgd\", \"rate\": 0.1, \"momentum\": 0.9,\n"
    "                \"schedule\": {\"kind\": \"linear\"}},\n"
    "  \"batch\": 64,\n"
    "  \"steps\": 938,\n"
    "  \"seed\": 1,\n"
    "  \"record\": \"full\"\n"
    "}\n";

static const char cnn[] =
    "{\n"
    "  \"schema\": \"verde-job/1\",\n"
    "  \"name\": \"Fashion-MNIST, two convolutions\",\n"
    "  \"model\": {\"layers\": [\n"
    "    {\"conv\": {\"channels\": 16, \"kernel\": 3, \"pad\": 1}}, \"relu\",\n"
    "    {\"max_pool\": {\"kernel\": 2}},\n"
    "    {\"conv\": {\"channels\": 32, \"kernel\": 3, \"pad\": 1}}, \"relu\",\n"
    "    {\"max_pool\": {\"kernel\": 2}},\n"
    "    {\"gemm\": {\"outputs\": 10}}\n"
    "  ]},\n" DATA
    "  \"loss\": \"softmax_cross_entropy\",\n"
    "  \"optimizer\": {\"kind\": \"adamw\", \"rate\": 0.003, \"weight_decay\": 0.01,\n"
    "                \"schedule\": {\"kind\": \"linear\"}},\n"
    "  \"batch\": 64,\n"
    "  \"steps\": 1876,\n"
    "  \"seed\": 1,\n"
    "  \"record\": \"full\"\n"
    "}\n";

static const char sentence_encoder[] =
    "{\n"
    "  \"schema\": \"verde-job/1\",\n"
    "  \"name\": \"A sentence encoder\",\n"
    "  \"model\": {\"config\": \"config.json\", \"weights\": \"model.safetensors\"},\n"
    "  \"inputs\": {\n"
    "    \"input_ids\": \"input_ids.npy\",\n"
    "    \"attention_mask\": \"attention_mask.npy\"\n"
    "  },\n"
    "  \"record\": \"full\"\n"
    "}\n";

const char *vd_job_template(const char *name)
{
    if (strcmp(name, "sentence-encoder") == 0) return sentence_encoder;
    if (strcmp(name, "mlp") == 0) return mlp;
    if (strcmp(name, "cnn") == 0) return cnn;
    return NULL;
}
