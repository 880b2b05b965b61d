/* encoder.c - a sentence encoder (BERT) from its config.json and safetensors becomes a job of one
 * step.
 *
 * What this file decides: which numbers of the config are looked at, which tensors there must be,
 * and the order of operations. docs/JOBS.md, "A sentence encoder", says the same for people.
 *
 * Invariants
 *   1. Every key of the config is looked at, or is known to change nothing, or is refused; every
 *      tensor is used, or is known to be for something else, or is refused.
 *   2. Activations are matrices (batch x positions, hidden) but where heads are apart. */
#include <string.h>

#include "cli.h"

#define CONFIG_BYTES_MAX (UINT64_C(1) << 20)

/* ---- config.json -------------------------------------------------------------------------- */

typedef struct {
    uint32_t hidden, layers, heads, inner, words, positions, types;
    double epsilon;
} sizes;

typedef struct { const char *key; uint32_t most; size_t at; } size_key;
static const size_key SIZES[] = {
    {"hidden_size", 1u << 16, offsetof(sizes, hidden)},
    {"num_hidden_layers", VD_LAYERS_MAX, offsetof(sizes, layers)},
    {"num_attention_heads", 1u << 16, offsetof(sizes, heads)},
    {"intermediate_size", 1u << 20, offsetof(sizes, inner)},
    {"vocab_size", 1u << 24, offsetof(sizes, words)},
    {"max_position_embeddings", 1u << 20, offsetof(sizes, positions)},
    {"type_vocab_size", 1u << 16, offsetof(sizes, types)}};
#define SIZE_COUNT (sizeof SIZES / sizeof *SIZES)

/* What these keys may be. */
static const struct { const char *key, *word; int needed; } WORDS[] = {
    {"model_type", "bert", 1}, {"hidden_act", "gelu", 1},
    {"position_embedding_type", "absolute", 0}};

/* False wherever they are there: they would make it another model. */
static const char *const SWITCHES[] = {"is_decoder", "add_cross_attention", "is_encoder_decoder"};

/* For training, for other programs, or for what is not computed here. */
static const char *const OTHERS[] = {
    "_name_or_path", "architectures", "attention_probs_dropout_prob", "bos_token_id",
    "classifier_dropout", "dtype", "eos_token_id", "gradient_checkpointing", "hidden_dropout_prob",
    "id2label", "initializer_range", "label2id", "pad_token_id", "torch_dtype",
    "transformers_version", "use_cache"};

static ro_status take_key(const cJSON *k, sizes *s, ro_err *err)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        if (strcmp(k->string, SIZES[i].key)) continue;
        double d = cJSON_IsNumber(k) ? k->valuedouble : 0;
        if (!(d >= 1 && d <= (double)SIZES[i].most) || d != (double)(uint32_t)d)
            return RO_FAIL(err, RO_ELIMIT, "the config's %s is no whole number from 1 to %u",
                           k->string, SIZES[i].most);
        *(uint32_t *)(void *)((uint8_t *)s + SIZES[i].at) = (uint32_t)d;
        return RO_OK;
    }
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (strcmp(k->string, WORDS[i].key)) continue;
        if (cJSON_IsString(k) && strcmp(k->valuestring, WORDS[i].word) == 0) return RO_OK;
        return RO_FAIL(err, RO_EOP, "the config's %s is \"%.40s\"; only \"%s\" is computed",
                       k->string, cJSON_IsString(k) ? k->valuestring : "?", WORDS[i].word);
    }
    if (strcmp(k->string, "layer_norm_eps") == 0) {
        if (!cJSON_IsNumber(k) || !(k->valuedouble >= 0 && k->valuedouble <= 1))
            return RO_FAIL(err, RO_ELIMIT, "the config's layer_norm_eps is no number from 0 to 1");
        s->epsilon = k->valuedouble;
        return RO_OK;
    }
    for (size_t i = 0; i < sizeof SWITCHES / sizeof *SWITCHES; i++) {
        if (strcmp(k->string, SWITCHES[i])) continue;
        if (cJSON_IsFalse(k)) return RO_OK;
        return RO_FAIL(err, RO_EOP, "the config's %s is not false, which is not computed",
                       k->string);
    }
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (strcmp(k->string, OTHERS[i]) == 0) return RO_OK;
    return RO_FAIL(err, RO_EOP, "the config has the key \"%.60s\", which is not taken", k->string);
}

static ro_status check_config(const cJSON *root, sizes *s, ro_err *err)
{
    if (!cJSON_IsObject(root)) return RO_FAIL(err, RO_EFORMAT, "the config is no object { ... }");
    s->epsilon = -1;
    for (const cJSON *k = root->child; k; k = k->next) {
        for (const cJSON *q = k->next; q; q = q->next)
            if (strcmp(k->string, q->string) == 0)
                return RO_FAIL(err, RO_EFORMAT, "the config has the key \"%.60s\" twice",
                               k->string);
        RO_TRY(take_key(k, s, err));
    }
    const char *lacks = s->epsilon < 0 ? "layer_norm_eps" : NULL;
    for (size_t i = 0; i < SIZE_COUNT; i++)
        if (!*(uint32_t *)(void *)((uint8_t *)s + SIZES[i].at)) lacks = SIZES[i].key;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (WORDS[i].needed && !cJSON_GetObjectItemCaseSensitive(root, WORDS[i].key))
            lacks = WORDS[i].key;
    if (lacks) return RO_FAIL(err, RO_EFORMAT, "the config lacks \"%s\"", lacks);
    if (s->hidden % s->heads)
        return RO_FAIL(err, RO_EFORMAT, "the config's hidden_size is %u, which %u heads do not "
                       "divide", s->hidden, s->heads);
    return RO_OK;
}

static ro_status read_config(const char *path, ro_arena *arena, sizes *s, ro_err *err)
{
    uint8_t *bytes;
    uint64_t size;
    cJSON *root = NULL;
    memset(s, 0, sizeof *s);
    RO_TRY(vd_file_read(path, CONFIG_BYTES_MAX, arena, &bytes, &size, err));
    RO_TRY(vd_json_parse("the config", (const char *)bytes, size, arena, &root, err));
    ro_status st = check_config(root, s, err);
    cJSON_Delete(root);
    return st;
}

/* ---- tensors ------------------------------------------------------------------------------ */

typedef struct {
    vd_lower l;
    sizes s;
    vd_named_tensor *tensors;
    uint8_t *used; /* [of the tensors] */
    uint32_t tensor_count;
    ro_value ids, mask, types; /* (batch, positions) */
    int64_t batch, positions;
    ro_value blocked; /* (batch, 1, 1, positions): added to scores */
} encoder;

static ro_status find(const encoder *e, const char *name, uint32_t *at)
{
    for (*at = 0; *at < e->tensor_count; ++*at)
        if (strcmp(e->tensors[*at].name, name) == 0) return RO_OK;
    return RO_FAIL(e->l.err, RO_EFORMAT, "the weights have no tensor %s", name);
}

/* The tensor of that name as a constant; columns 0: it is a vector. */
static ro_status weight(encoder *e, const char *name, int64_t rows, int64_t columns, ro_value *out)
{
    const int64_t dims[2] = {rows, columns};
    const ro_type want = ro_type_of(RO_F32, columns ? 2 : 1, dims);
    char is[96], wants[96];
    uint32_t k;
    RO_TRY(find(e, name, &k));
    const vd_named_tensor *t = &e->tensors[k];
    if (!ro_type_equal(&t->type, &want))
        return RO_FAIL(e->l.err, RO_ESHAPE, "the tensor %s is %s; the config wants %s", name,
                       ro_type_text(&t->type, is, sizeof is),
                       ro_type_text(&want, wants, sizeof wants));
    void *data = ro_arena_alloc(e->l.arena, ro_type_bytes(&want)); /* theirs may not be aligned */
    if (!data) return RO_FAIL(e->l.err, RO_ENOMEM, "no memory for the tensor %s", name);
    ro_canonical_bytes(RO_F32, t->bytes, data, ro_type_elements(&want));
    e->used[k] = 1;
    return vd_lower_constant(&e->l, t->name, &want, data, out);
}

/* Of those that are left, only these are known to be for something else. */
static ro_status check_rest(const encoder *e)
{
    static const char *const others[] = {"embeddings.position_ids", "pooler.dense.weight",
                                         "pooler.dense.bias"};
    for (uint32_t k = 0; k < e->tensor_count; k++) {
        int known = e->used[k];
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            known |= strcmp(e->tensors[k].name, others[i]) == 0;
        if (!known)
            return RO_FAIL(e->l.err, RO_EFORMAT,
                           "the weights have the tensor %.100s, which the config does not speak of",
                           e->tensors[k].name);
    }
    return RO_OK;
}

/* ---- inputs ------------------------------------------------------------------------------- */

/* Every number is a row of what it chooses from. */
static ro_status check_numbers(const encoder *e, const vd_onnx_input *in, uint32_t below)
{
    for (uint64_t k = 0; k < ro_type_elements(&in->tensor.type); k++) {
        int64_t v = ((const int64_t *)in->tensor.data)[k];
        if (v < 0 || v >= (int64_t)below)
            return RO_FAIL(e->l.err, RO_EFORMAT, "%s has %lld at element %llu; 0 to %u are there",
                           in->name, (long long)v, (unsigned long long)k, below - 1);
    }
    return RO_OK;
}

/* An input by name, all of one shape; absent: `otherwise` everywhere, but the first must be. */
static ro_status take_input(encoder *e, const vd_onnx_input *inputs, uint32_t count,
                            const char *name, uint32_t below, int64_t otherwise, ro_value *out)
{
    const vd_onnx_input *in = NULL;
    const int64_t dims[2] = {e->batch, e->positions};
    char text[96];
    for (uint32_t k = 0; k < count; k++)
        if (strcmp(inputs[k].name, name) == 0) in = &inputs[k];
    if (!in && !e->batch)
        return RO_FAIL(e->l.err, RO_EUSAGE, "the encoder's input %s is not given", name);
    if (!in) {
        vd_attrs a = vd_attrs_of("ConstantOfShape");
        vd_attrs_int(&e->l, &a, "dtype", RO_I64);
        vd_attrs_ints(&e->l, &a, "shape", dims, 2);
        vd_attrs_int(&e->l, &a, "bits", otherwise);
        return vd_lower_emit(&e->l, &a, NULL, 0, 1, out);
    }
    const ro_type *t = &in->tensor.type;
    int fits = t->dtype == RO_I64 && t->rank == 2;
    if (fits && !e->batch && t->dims[0] >= 1 && t->dims[1] >= 1 &&
        t->dims[1] <= (int64_t)e->s.positions) {
        e->batch = t->dims[0];
        e->positions = t->dims[1];
    }
    if (!fits || !e->batch || t->dims[0] != e->batch || t->dims[1] != e->positions)
        return RO_FAIL(e->l.err, RO_ESHAPE, "the input %s is %s; int64[sentences, positions] of "
                       "one shape are taken, at most %u positions", name,
                       ro_type_text(t, text, sizeof text), e->s.positions);
    if (below) RO_TRY(check_numbers(e, in, below));
    return vd_lower_constant(&e->l, in->name, t, in->tensor.data, out);
}

static ro_status take_inputs(encoder *e, const vd_onnx_input *in, uint32_t count)
{
    static const char *const names[] = {"input_ids", "attention_mask", "token_type_ids"};
    for (uint32_t k = 0; k < count; k++) {
        size_t i = 0;
        while (i < 3 && strcmp(in[k].name, names[i])) i++;
        if (i == 3)
            return RO_FAIL(e->l.err, RO_EUSAGE, "the encoder has no input \"%.80s\"", in[k].name);
    }
    RO_TRY(take_input(e, in, count, names[0], e->s.words, 0, &e->ids));
    RO_TRY(take_input(e, in, count, names[1], 0, 1, &e->mask));
    return take_input(e, in, count, names[2], e->s.types, 0, &e->types);
}

/* ---- layers ------------------------------------------------------------------------------- */

/* x w^T + b, of the tensors NAME.weight (outputs, inputs) and NAME.bias. */
static ro_status linear(encoder *e, const char *name, ro_value x, uint32_t outputs, ro_value *y)
{
    vd_attrs a = vd_attrs_of("Gemm");
    ro_value in[3] = {x, 0, 0};
    char full[VD_NAME_MAX + 1];
    int64_t columns = ro_graph_type(e->l.graph, x)->dims[1];
    snprintf(full, sizeof full, "%s.weight", name);
    RO_TRY(weight(e, full, outputs, columns, &in[1]));
    snprintf(full, sizeof full, "%s.bias", name);
    RO_TRY(weight(e, full, outputs, 0, &in[2]));
    vd_attrs_int(&e->l, &a, "transB", 1);
    vd_attrs_real(&e->l, &a, "alpha", 1);
    vd_attrs_real(&e->l, &a, "beta", 1);
    return vd_lower_emit(&e->l, &a, in, 3, 1, y);
}

static ro_status normalize(encoder *e, const char *name, ro_value x, ro_value *y)
{
    vd_attrs a = vd_attrs_of("LayerNormalization");
    ro_value in[3] = {x, 0, 0};
    char full[VD_NAME_MAX + 1];
    snprintf(full, sizeof full, "%s.weight", name);
    RO_TRY(weight(e, full, e->s.hidden, 0, &in[1]));
    snprintf(full, sizeof full, "%s.bias", name);
    RO_TRY(weight(e, full, e->s.hidden, 0, &in[2]));
    vd_attrs_int(&e->l, &a, "axis", 1);
    vd_attrs_real(&e->l, &a, "epsilon", e->s.epsilon);
    return vd_lower_emit(&e->l, &a, in, 3, 1, y);
}

static ro_status gather(encoder *e, const char *name, uint32_t rows, ro_value indices, ro_value *y)
{
    vd_attrs a = vd_attrs_of("Gather");
    ro_value in[2] = {0, indices};
    RO_TRY(weight(e, name, rows, e->s.hidden, &in[0]));
    return vd_lower_emit(&e->l, &a, in, 2, 1, y);
}

/* Words, then types, then positions, added in this order. */
static ro_status embed(encoder *e, ro_value *x)
{
    ro_value words, types, positions;
    int64_t *at = ro_arena_alloc(e->l.arena, (size_t)e->positions * sizeof *at);
    if (!at) return RO_FAIL(e->l.err, RO_ENOMEM, "no memory for %lld positions",
                            (long long)e->positions);
    for (int64_t k = 0; k < e->positions; k++) at[k] = k;
    RO_TRY(gather(e, "embeddings.word_embeddings.weight", e->s.words, e->ids, &words));
    RO_TRY(gather(e, "embeddings.token_type_embeddings.weight", e->s.types, e->types, &types));
    RO_TRY(vd_lower_int64s(&e->l, at, 1, &e->positions, &positions));
    RO_TRY(gather(e, "embeddings.position_embeddings.weight", e->s.positions, positions,
                  &positions));
    RO_TRY(vd_lower_binary(&e->l, "Add", words, types, x));
    RO_TRY(vd_lower_binary(&e->l, "Add", *x, positions, x));
    const int64_t dims[2] = {e->batch * e->positions, e->s.hidden};
    RO_TRY(vd_lower_reshape(&e->l, *x, 2, dims, x));
    return normalize(e, "embeddings.LayerNorm", *x, x);
}

/* 0 where a position is attended, the least float where its mask is 0. */
static ro_status block_masked(encoder *e)
{
    ro_value zero, least, attended;
    const int64_t dims[4] = {e->batch, 1, 1, e->positions};
    RO_TRY(vd_lower_cast(&e->l, e->mask, RO_BOOL, &attended));
    RO_TRY(vd_lower_scalar(&e->l, RO_F32, 0, &zero));
    RO_TRY(vd_lower_scalar(&e->l, RO_F32, -0x1.fffffep127, &least));
    RO_TRY(vd_lower_where(&e->l, attended, zero, least, &e->blocked));
    return vd_lower_reshape(&e->l, e->blocked, 4, dims, &e->blocked);
}

static ro_status transpose(encoder *e, ro_value x, const int64_t perm[4], ro_value *y)
{
    vd_attrs a = vd_attrs_of("Transpose");
    vd_attrs_ints(&e->l, &a, "perm", perm, 4);
    return vd_lower_emit(&e->l, &a, &x, 1, 1, y);
}

/* One of query, key and value, the heads apart. */
static ro_status project(encoder *e, uint32_t layer, const char *what, ro_value x,
                         const int64_t perm[4], ro_value *y)
{
    const int64_t each = e->s.hidden / e->s.heads;
    const int64_t dims[4] = {e->batch, e->positions, e->s.heads, each};
    char name[VD_NAME_MAX + 1];
    snprintf(name, sizeof name, "encoder.layer.%u.attention.self.%s", layer, what);
    RO_TRY(linear(e, name, x, e->s.hidden, y));
    RO_TRY(vd_lower_reshape(&e->l, *y, 4, dims, y));
    return transpose(e, *y, perm, y);
}

static ro_status attend(encoder *e, uint32_t layer, ro_value x, ro_value *y)
{
    static const int64_t apart[4] = {0, 2, 1, 3}, across[4] = {0, 2, 3, 1};
    const int64_t dims[2] = {e->batch * e->positions, e->s.hidden};
    vd_attrs softmax = vd_attrs_of("Softmax");
    ro_value q, k, v, root, s;
    RO_TRY(project(e, layer, "query", x, apart, &q));
    RO_TRY(project(e, layer, "key", x, across, &k));
    RO_TRY(project(e, layer, "value", x, apart, &v));
    RO_TRY(vd_lower_binary(&e->l, "MatMul", q, k, &s));
    RO_TRY(vd_lower_scalar(&e->l, RO_F32,
                           __builtin_sqrt((double)(e->s.hidden / e->s.heads)), &root));
    RO_TRY(vd_lower_binary(&e->l, "Div", s, root, &s));
    RO_TRY(vd_lower_binary(&e->l, "Add", s, e->blocked, &s));
    vd_attrs_int(&e->l, &softmax, "axis", -1);
    RO_TRY(vd_lower_emit(&e->l, &softmax, &s, 1, 1, &s));
    RO_TRY(vd_lower_binary(&e->l, "MatMul", s, v, &s));
    RO_TRY(transpose(e, s, apart, &s));
    return vd_lower_reshape(&e->l, s, 2, dims, y);
}

/* What a layer's part gives, from a matrix, is added to what went in, and normalized. */
static ro_status close_part(encoder *e, uint32_t layer, const char *part, ro_value part_in,
                            ro_value x, ro_value *y)
{
    char name[VD_NAME_MAX + 1];
    snprintf(name, sizeof name, "encoder.layer.%u.%sdense", layer, part);
    RO_TRY(linear(e, name, part_in, e->s.hidden, y));
    RO_TRY(vd_lower_binary(&e->l, "Add", *y, x, y));
    snprintf(name, sizeof name, "encoder.layer.%u.%sLayerNorm", layer, part);
    return normalize(e, name, *y, y);
}

static ro_status layer(encoder *e, uint32_t k, ro_value x, ro_value *y)
{
    vd_attrs gelu = vd_attrs_of("Gelu");
    char name[VD_NAME_MAX + 1];
    ro_value inner;
    RO_TRY(attend(e, k, x, &inner));
    RO_TRY(close_part(e, k, "attention.output.", inner, x, &x));
    snprintf(name, sizeof name, "encoder.layer.%u.intermediate.dense", k);
    RO_TRY(linear(e, name, x, e->s.inner, &inner));
    RO_TRY(vd_lower_emit(&e->l, &gelu, &inner, 1, 1, &inner));
    return close_part(e, k, "output.", inner, x, y);
}

/* ---- the sentence ------------------------------------------------------------------------- */

/* Div by the greater of y and a number that keeps it from 0. */
static ro_status divide(encoder *e, ro_value x, ro_value y, double least, ro_value *out)
{
    ro_value c;
    RO_TRY(vd_lower_scalar(&e->l, RO_F32, least, &c));
    RO_TRY(vd_lower_binary(&e->l, "Max", y, c, &y));
    return vd_lower_binary(&e->l, "Div", x, y, out);
}

/* The mean of the attended positions, of length 1. */
static ro_status pool(encoder *e, ro_value hidden, ro_value *y)
{
    const int64_t dims[3] = {e->batch, e->positions, 1};
    ro_value m, count, square;
    RO_TRY(vd_lower_cast(&e->l, e->mask, RO_BOOL, &m));
    RO_TRY(vd_lower_cast(&e->l, m, RO_F32, &m));
    RO_TRY(vd_lower_reshape(&e->l, m, 3, dims, &m));
    vd_maker k = {&e->l, RO_OK};
    *y = vd_make_sum(&k, vd_make_2(&k, "Mul", hidden, m), 1, 0);
    count = vd_make_sum(&k, m, 1, 0);
    RO_TRY(k.status);
    RO_TRY(divide(e, *y, count, 1e-9, y));
    square = vd_make_1(&k, "Sqrt", vd_make_sum(&k, vd_make_2(&k, "Mul", *y, *y), 1, 1));
    RO_TRY(k.status);
    return divide(e, *y, square, 1e-12, y);
}

static ro_status lay_down(encoder *e, ro_value out[2])
{
    const int64_t dims[3] = {e->batch, e->positions, e->s.hidden};
    ro_value x;
    RO_TRY(embed(e, &x));
    RO_TRY(block_masked(e));
    for (uint32_t k = 0; k < e->s.layers; k++) RO_TRY(layer(e, k, x, &x));
    RO_TRY(check_rest(e));
    RO_TRY(vd_lower_reshape(&e->l, x, 3, dims, &out[0]));
    return pool(e, out[0], &out[1]);
}

ro_status vd_encoder_job(const char *config, const char *weights, const vd_onnx_input *inputs,
                         uint32_t count, vd_record record, uint32_t segment, ro_arena *arena,
                         vd_onnx_job *out, ro_err *err)
{
    static const char *names[2] = {"last_hidden_state", "sentence_embedding"};
    encoder e;
    ro_value made[2];
    memset(&e, 0, sizeof e);
    memset(out, 0, sizeof *out);
    e.l.arena = arena;
    e.l.err = err;
    RO_TRY(read_config(config, arena, &e.s, err));
    RO_TRY(vd_safetensors_read(weights, arena, &e.tensors, &e.tensor_count, err));
    e.used = ro_arena_alloc(arena, e.tensor_count + (size_t)1);
    if (!e.used) return RO_FAIL(err, RO_ENOMEM, "no memory for an encoder");
    RO_TRY(ro_graph_new(arena, &e.l.graph, err));
    RO_TRY(take_inputs(&e, inputs, count));
    RO_TRY(lay_down(&e, made));
    for (int k = 0; k < 2; k++) RO_TRY(ro_graph_add_output(e.l.graph, made[k], err));
    out->output_count = 2;
    out->outputs = names;
    return vd_lower_job(&e.l, record, segment, out);
}
