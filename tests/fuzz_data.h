/* fuzz_data.h - data files of any bytes, read from memory: what the targets for IDX and .npy
 * share. */
#ifndef FUZZ_DATA_H
#define FUZZ_DATA_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../verde/verde.h"
#include "fuzz_replay.h"

typedef struct { const uint8_t *head, *data; size_t head_size, size, at; uint64_t calls; } memory;

/* A few bytes at a time, as a slow pipe would give them. */
static int64_t read_memory(void *ctx, void *to, uint64_t n)
{
    memory *m = ctx;
    size_t step = 1 + m->calls++ % 1000, left = m->head_size + m->size - m->at, k;
    if (n > step) n = step;
    if (n > left) n = left;
    for (k = 0; k < n; k++, m->at++)
        ((uint8_t *)to)[k] =
            m->at < m->head_size ? m->head[m->at] : m->data[m->at - m->head_size];
    return (int64_t)n;
}

/* The file is `head` and then `data`: refused with a sentence, or a tensor that is all of it. */
static void read_data(const char *head, size_t head_size, const uint8_t *data, size_t size)
{
    memory m = {(const uint8_t *)head, data, head_size, size, 0, 0};
    vd_source s = {read_memory, &m, head_size + size};
    ro_arena *a = ro_arena_new();
    ro_tensor t;
    ro_err err = {RO_OK, {0}};
    if (!a) abort();
    ro_status status = vd_data_read(&s, "fuzz", a, &t, &err);
    if (status && (err.code != status || !err.msg[0])) abort();
    if (!status) {
        ro_err why = {RO_OK, {0}};
        if (ro_type_check(&t.type, &why) || m.at != head_size + size) abort();
        uint64_t n = ro_type_bytes(&t.type), sum = 0;
        for (uint64_t i = 0; i < n; i++) sum += ((const uint8_t *)t.data)[i];
        if (n > size || sum > 255 * n) abort();
    }
    ro_arena_free(a);
}

static inline void put_seed(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) abort();
}
#endif
