/* fuzz_safetensors.c - model files of any bytes: refused with a sentence, or tensors that cover
 * the file's data exactly.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "../verde/cli.h"
#include "fuzz_replay.h"
#include "small_job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_named_tensor *t;
    uint32_t count;
    char path[64];
    ro_err err = {RO_OK, {0}};
    ro_arena *a = ro_arena_new();
    int fd = memfd_create("model", MFD_CLOEXEC);
    if (!a || fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ro_status status = vd_safetensors_read(path, a, &t, &count, &err);
    if (status && (err.code != status || !err.msg[0])) abort();
    uint64_t bytes = 0, sum = 0;
    for (uint32_t k = 0; !status && k < count; k++) {
        uint64_t n = ro_type_bytes(&t[k].type);
        for (uint64_t i = 0; i < n; i++) sum += t[k].bytes[i];
        bytes += n;
    }
    if (!status && (bytes + 8 > size || sum > 255 * bytes)) abort();
    close(fd);
    ro_arena_free(a);
    return 0;
}

static void put_model(const char *folder, const char *name, const char *header, size_t data)
{
    uint8_t file[1024] = {0};
    size_t n = strlen(header);
    for (int b = 0; b < 8; b++) file[b] = (uint8_t)(n >> (8 * b));
    memcpy(file + 8, header, n);
    for (size_t k = 0; k < data; k++) file[8 + n + k] = (uint8_t)(k + 1);
    small_put(in_folder(folder, name), file, 8 + n + data);
}

void write_seeds(const char *folder)
{
    put_model(folder, "two", "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
              "\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]}}  ", 32);
    put_model(folder, "none", "{}", 0);
    put_model(folder, "metadata", "{\"__metadata__\":{\"format\":\"pt\"},\"x\":{\"dtype\":\"U8\","
              "\"shape\":[0,7],\"data_offsets\":[0,0]},\"y\":{\"dtype\":\"BOOL\",\"shape\":[3],"
              "\"data_offsets\":[0,3]},\"z\":{\"dtype\":\"F64\",\"shape\":[1],"
              "\"data_offsets\":[3,11]}}",
              11);
    put_model(folder, "overlap", "{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
              "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}", 6);
}
