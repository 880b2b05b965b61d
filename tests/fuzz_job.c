/* fuzz_job.c - job files of any text: refused with a sentence, or a job that is built, sealed and
 * encoded in the one way that it can be.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "fuzz_replay.h"
#include "small_job.h"

/* Build the job on data of made-up digests, and take its bytes there and back. */
static void build(const vd_job_file *f, ro_arena *a)
{
    vd_spec s = f->spec;
    vd_job *j = NULL, *again = NULL;
    uint8_t *bytes;
    uint64_t n;
    ro_err err = {RO_OK, {0}};
    s.images = small_slot("images", ro_type_of(RO_U8, 3, (int64_t[]){64, 12, 12}));
    s.labels = small_slot("labels", ro_type_of(s.loss == VD_LOSS_MSE ? RO_F32 : RO_U8, 1,
                                               (int64_t[]){64}));
    ro_status status = vd_model_job(&s, a, &j, &err);
    if (status) {
        if (err.code != status || !err.msg[0]) abort();
        return;
    }
    must(vd_job_encode(j, a, &bytes, &n, &err), &err);
    must(vd_job_decode(bytes, n, a, &again, &err), &err);
    if (!vd_digest_equal(&j->digest, &again->digest)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ro_arena *a = ro_arena_new();
    vd_job_file *f = a ? ro_arena_alloc(a, sizeof *f) : NULL;
    char *text = malloc(size + 1); /* its own block: a read past the end is seen */
    ro_err err = {RO_OK, {0}};
    if (!f || !text) abort();
    memcpy(text, data, size);
    ro_status status = vd_job_parse(text, size, "base", a, f, &err);
    free(text);
    if (status && (err.code != status || !err.msg[0])) abort();
    if (!status) build(f, a);
    ro_arena_free(a);
    return 0;
}

void write_seeds(const char *folder)
{
    static const char *const seeds[] = {
        "{\"schema\":\"verde-job/1\",\"model\":{\"layers\":[{\"conv\":{\"channels\":2,\"kerne"
        "l\":3,\"pad\":1,\"stride\":2,\"dilation\":1,\"group\":1}},\"relu\",{\"max_pool\":{\""
        "kernel\":2}},\"layer_norm\",{\"dropout\":{\"ratio\":0.5}},{\"gemm\":{\"outputs\":10}"
        "}]},\"data\":{\"images\":\"i\",\"labels\":\"l\",\"scale\":0.1,\"mean\":1e-1,\"deviat"
        "ion\":2},\"loss\":\"softmax_cross_entropy\",\"optimizer\":{\"kind\":\"adamw\",\"rate"
        "\":1e-3,\"betas\":[0.9,0.99],\"epsilon\":1e-8,\"schedule\":{\"kind\":\"cosine\",\"wa"
        "rmup\":2,\"min\":0}},\"batch\":8,\"steps\":3,\"seed\":\"18446744073709551615\",\"rec"
        "ord\":\"checkpoint:2\"}",
        "{\"schema\":\"verde-job/1\",\"name\":\"\\u00e9\",\"model\":{\"layers\":[\"flatten\","
        "{\"dense\":{\"outputs\":4}},\"gelu\",\"tanh\",\"sigmoid\",\"gelu_tanh\",{\"dense\":{"
        "\"outputs\":1}}]},\"data\":{\"images\":\"/i\",\"labels\":\"/l\"},\"test\":{\"images"
        "\":\"t\",\"labels\":\"u\"},\"loss\":\"mean_squared_error\",\"optimizer\":{\"kind\":"
        "\"sgd\",\"rate\":0.1,\"momentum\":0.9,\"nesterov\":true,\"weight_decay\":0.01,\"sche"
        "dule\":{\"kind\":\"step\",\"gamma\":0.5,\"period\":2}},\"batch\":64,\"steps\":1,\"re"
        "cord\":\"full\"}",
        "[[[[[[[[[[[[[[[[[[[[", "{\"a\":\"\xff\"}", "\"\\", "{\"steps\":1e400}"};
    for (size_t k = 0; k < sizeof seeds / sizeof *seeds; k++) {
        char name[16];
        snprintf(name, sizeof name, "seed%zu", k);
        small_put(in_folder(folder, name), seeds[k], strlen(seeds[k]));
    }
}
