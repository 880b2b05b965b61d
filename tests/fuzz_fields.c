/* fuzz_fields.c - bodies of requests of any bytes: what is taken for an object of texts is written
 * and read again as the same.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../server/fields.h"
#include "../server/text.h"
#include "fuzz_replay.h"

static const char *const names[] = {"to", "amount"};

static void write_again(const char *const values[2])
{
    sv_text t = {NULL, 0, 0, 0};
    const char *again[2];
    char room[SV_FIELDS_ROOM];
    ro_err err = {RO_OK, {0}};
    sv_put(&t, "{ \"amount\":");
    sv_put_json(&t, values[1]);
    sv_put(&t, ",\"to\" : ");
    sv_put_json(&t, values[0]);
    sv_put(&t, "}\n");
    if (t.failed) abort();
    if (sv_fields((const uint8_t *)t.text, t.size, names, again, 2, room, &err)) abort();
    for (int k = 0; k < 2; k++)
        if (strcmp(again[k], values[k]) != 0) abort();
    sv_text_free(&t);
}

static void as_number(const char *text)
{
    uint64_t v;
    char digits[32];
    if (!sv_parse_u64(text, &v)) return;
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    while (*text == '0' && text[1]) text++;
    if (strcmp(digits, text) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *values[2];
    char room[SV_FIELDS_ROOM];
    uint8_t bytes[32];
    ro_err err = {RO_OK, {0}};
    ro_status st = sv_fields(data, size, names, values, 2, room, &err);
    if (st) {
        if (st != RO_EFORMAT || err.code != st || !err.msg[0]) abort();
        return 0;
    }
    for (int k = 0; k < 2; k++) {
        if (values[k] < room || values[k] + strlen(values[k]) >= room + sizeof room) abort();
        as_number(values[k]);
        if (sv_parse_hex(values[k], bytes, sizeof bytes) && strlen(values[k]) != 64) abort();
    }
    write_again(values);
    return 0;
}

void write_seeds(const char *folder)
{
    static const char *const seeds[] = {
        "{\"to\": \"treasury\", \"amount\": \"1000000\"}",
        "{\"amount\":\"0\",\"to\":"
        "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}",
        "{\"to\": \"\\u00e9\\n\\\"\\\\\\u20ac\", \"amount\": \"\xc3\xa9\xe2\x82\xac\"}",
        "{\"to\": \"a\", \"to\": \"b\", \"amount\": \"1\"}",
        "{\"to\": \"\\ud800\", \"amount\": \"18446744073709551616\"}"};
    char path[512];
    for (size_t k = 0; k < sizeof seeds / sizeof *seeds; k++) {
        snprintf(path, sizeof path, "%s/%zu", folder, k);
        FILE *f = fopen(path, "wb");
        const size_t n = strlen(seeds[k]);
        if (!f || fwrite(seeds[k], 1, n, f) != n || fclose(f)) abort();
    }
}
