/* fuzz_job_binary.c - canonical jobs of any bytes: refused with a sentence, or accepted in the
 * one form that these bytes are.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY a program that runs the files and
 * folders it is given; --seeds DIR writes the first corpus. */
#include "fuzz_replay.h"
#include "small_job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ro_arena *a = ro_arena_new();
    vd_job *j = NULL;
    ro_err err = {RO_OK, {0}};
    uint8_t *again;
    uint64_t n;
    if (!a) abort();
    ro_status status = vd_job_decode(data, size, a, &j, &err);
    if (status) {
        if (err.code != status || !err.msg[0]) abort();
    } else {
        must(vd_job_encode(j, a, &again, &n, &err), &err);
        if (n != size || memcmp(again, data, size) != 0) abort();
        vd_place at = vd_job_locate(j, j->steps - 1);
        if (at.repeat + 1 != j->repeats || at.phase + 1 != j->phase_count) abort();
    }
    ro_arena_free(a);
    return 0;
}

void write_seeds(const char *folder)
{
    static const uint32_t segments[] = {0, 1, 3, 4096};
    for (size_t k = 0; k < 4; k++) {
        ro_arena *a = ro_arena_new();
        vd_job *j = NULL;
        ro_err err = {RO_OK, {0}};
        uint8_t *bytes;
        uint64_t n;
        char name[32];
        must(small_job(a, k + 1, 3, segments[k], (uint32_t)k, &j, &err), &err);
        must(vd_job_encode(j, a, &bytes, &n, &err), &err);
        snprintf(name, sizeof name, "job%zu", k);
        small_put(in_folder(folder, name), bytes, n);
        ro_arena_free(a);
    }
}
