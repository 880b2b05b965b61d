/* fuzz_idx.c - IDX files of any bytes behind the two zeros that all of them begin with.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "fuzz_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_data("\0\0", 2, data, size);
    return 0;
}

void write_seeds(const char *folder)
{
    static const uint8_t kinds[] = {0x08, 0x0c, 0x0d, 0x0e, 0x09}, widths[] = {1, 4, 4, 8, 1};
    for (size_t k = 0; k < sizeof kinds; k++) {
        uint8_t seed[128] = {kinds[k], 2, 0, 0, 0, 2, 0, 0, 0, 3};
        char name[16];
        snprintf(name, sizeof name, "type%02x", kinds[k]);
        for (size_t i = 0; i < 48; i++) seed[10 + i] = (uint8_t)(i * 37);
        put_seed(folder, name, seed, 10u + 6u * widths[k]);
    }
    put_seed(folder, "scalar", "\x08\0\x07", 3);
    put_seed(folder, "empty", "\x08\1\0\0\0\0", 6);
}
