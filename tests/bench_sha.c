/* bench_sha.c - how fast a tensor's digest is, beside OpenSSL's flat SHA-256 of the same bytes.
 *
 * What this file decides: the figures for hashing. Every implementation this processor has is
 * compared with OpenSSL in one process, on one thread, call by call in turn, so that whatever
 * else the machine does meets both; the figures are medians of the thread's own time. The
 * digest is checked against OpenSSL's before a speed is printed.
 *
 *     bench_sha [--json]      --json prints one document with `schema` and nothing else */
#define _GNU_SOURCE 1
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../verde/commit.h"
#include "../verde/sha256_lanes.h"

#define NAME_COUNT 7
#define ROUNDS 15
#define GOAL_RATIO 2.2

static const char *const NAMES[NAME_COUNT] = {"auto",   "shani", "arm",  "avx512",
                                              "avx2", "openssl", "plain"};

typedef struct { double seconds[NAME_COUNT + 1][ROUNDS]; } timings;

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, ascending);
    return v[ROUNDS / 2];
}

/* The digest by OpenSSL alone: leaves, one inner level after the other, header. */
static int peer_digest(const ro_type *type, const uint8_t *data, uint8_t *hashes, uint8_t *out)
{
    static const char *const TAGS[2] = {"verde/1 chunks leaf", "verde/1 chunks inner"};
    uint8_t message[64 + VD_CHUNK_BYTES];
    uint64_t n = vd_tensor_chunks(type);
    for (uint64_t i = 0; i < n; i++) {
        size_t size = vd_tensor_chunk_bytes(type, i);
        memset(message, 0, 64);
        memcpy(message, TAGS[0], strlen(TAGS[0]));
        memcpy(message + 64, data + VD_CHUNK_BYTES * i, size);
        if (EVP_Digest(message, 64 + size, hashes + 32 * i, NULL, EVP_sha256(), NULL) != 1)
            return 0;
    }
    for (; n > 1; n = (n + 1) / 2) {
        memset(message, 0, 64);
        memcpy(message, TAGS[1], strlen(TAGS[1]));
        for (uint64_t i = 0; i < n / 2; i++) {
            memcpy(message + 64, hashes + 64 * i, 64);
            if (EVP_Digest(message, 128, hashes + 32 * i, NULL, EVP_sha256(), NULL) != 1) return 0;
        }
        if (n % 2 != 0) memmove(hashes + 32 * (n / 2), hashes + 32 * (n - 1), 32);
    }
    memset(message, 0, 64);
    memcpy(message, "verde/1 tensor", 14);
    size_t size = vd_tensor_header_encode(type, hashes, message + 64);
    return EVP_Digest(message, 64 + size, out, NULL, EVP_sha256(), NULL);
}

static int measure(const ro_type *type, const uint8_t *data, const uint8_t *want, timings *t)
{
    size_t bytes = (size_t)ro_type_bytes(type);
    uint8_t got[32];
    for (int round = -1; round < ROUNDS; round++) { /* the first is not counted */
        int at = round < 0 ? 0 : round;
        double start = now();
        if (EVP_Digest(data, bytes, got, NULL, EVP_sha256(), NULL) != 1) return 0;
        t->seconds[NAME_COUNT][at] = now() - start;
        for (int k = 0; k < NAME_COUNT; k++) {
            t->seconds[k][at] = 0;
            if (!vd_sha256_use(NAMES[k])) continue;
            if (bytes > 8u << 20 && k == NAME_COUNT - 1) continue; /* plain: seconds for nothing */
            start = now();
            vd_tensor_digest(type, data, NULL, got);
            t->seconds[k][at] = now() - start;
            if (memcmp(got, want, sizeof got) != 0) {
                (void)fprintf(stderr, "bench_sha: %s gives another digest\n", NAMES[k]);
                return 0;
            }
        }
    }
    return 1;
}

static void report(double bytes, timings *t, const char *best, int json, int *printed)
{
    double flat = bytes / median(t->seconds[NAME_COUNT]) * 1e-9;
    for (int k = 0; k < NAME_COUNT; k++) {
        double seconds = median(t->seconds[k]), speed = bytes / seconds * 1e-9;
        char name[40];
        if (seconds <= 0) continue;
        (void)snprintf(name, sizeof name, "tensor_digest_%.0fmib_%s", bytes / 1048576, NAMES[k]);
        if (!json) {
            (void)printf("%-30s %-7s %6.2f GB/s   OpenSSL flat %5.2f GB/s   ratio %5.2f\n", name,
                         k == 0 ? best : "", speed, flat, speed / flat);
            continue;
        }
        (void)printf("%s\n  {\"name\": \"%s\", \"value\": %.3f, \"unit\": \"GB/s\", "
                     "\"peer\": \"OpenSSL flat SHA-256\", \"peer_value\": %.3f, \"ratio\": %.3f, "
                     "\"better\": \"higher\", \"goal_on\": \"ratio\"",
                     (*printed)++ ? "," : "", name, speed, flat, speed / flat);
        if (k == 0)
            (void)printf(", \"goal\": %.1f, \"pass\": %s, \"reason\": \"%s\"}", GOAL_RATIO,
                         speed / flat >= GOAL_RATIO ? "true" : "false", best);
        else
            (void)printf(", \"goal\": null, \"pass\": true, \"reason\": \"for comparison\"}");
    }
}

int main(int argc, char **argv)
{
    static const int64_t SIZES[2] = {4 << 20, 64 << 20};
    int json = argc == 2 && strcmp(argv[1], "--json") == 0, good = 1, printed = 0;
    const char *best = vd_sha256_name();
    uint8_t *data = malloc((size_t)SIZES[1]), *hashes = malloc((size_t)SIZES[1] / 128), want[32];
    if (argc > 1 && !json) {
        (void)fprintf(stderr, "usage: bench_sha [--json]\n");
        good = 0;
    } else if (data != NULL && hashes != NULL) {
        for (int64_t i = 0; i < SIZES[1]; i++) data[i] = (uint8_t)((uint64_t)i * 2654435761u >> 13);
        if (json) (void)printf("{\"schema\": \"verde/bench/1\", \"results\": [");
        for (int s = 0; s < 2 && good; s++) {
            static timings t;
            ro_type type = ro_type_of(RO_U8, 1, &SIZES[s]);
            good = peer_digest(&type, data, hashes, want) && measure(&type, data, want, &t);
            if (good) report((double)SIZES[s], &t, best, json, &printed);
        }
        if (json) (void)printf("\n]}\n");
    } else {
        good = 0;
    }
    free(data);
    free(hashes);
    return good ? 0 : 1;
}
