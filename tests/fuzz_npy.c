/* fuzz_npy.c - .npy files of any bytes behind the magic that all of them begin with.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "fuzz_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_data("\x93NUMPY", 6, data, size);
    return 0;
}

void write_seeds(const char *folder)
{
    static const struct { const char *name, *text; size_t bytes; } seeds[] = {
        {"u1", "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", 6},
        {"f4", "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }\n", 20},
        {"f8", "{'descr': '>f8', 'fortran_order': False, 'shape': (), }\n", 8},
        {"i8", "{'shape': (0, 7), 'fortran_order': False, 'descr': '=i8'}", 0},
        {"b1", "{'descr': '|b1', 'fortran_order': False, 'shape': (4,), }\n", 4},
        {"fortran", "{'descr': '<i4', 'fortran_order': True, 'shape': (1, 1), }\n", 4}};
    for (size_t k = 0; k < sizeof seeds / sizeof *seeds; k++) {
        uint8_t seed[256] = {(uint8_t)(1 + k % 3), 0};
        size_t n = strlen(seeds[k].text), at = k % 3 ? 6 : 4;
        seed[2] = (uint8_t)n;
        memcpy(seed + at, seeds[k].text, n);
        for (size_t i = 0; i < seeds[k].bytes; i++) seed[at + n + i] = (uint8_t)(i & 1);
        put_seed(folder, seeds[k].name, seed, at + n + seeds[k].bytes);
    }
}
