/* safetensors.c - named tensors in one file: u64 header size, JSON header, data.
 *
 * Invariants
 *   1. Offsets read from a file are checked against its size and against dtype and shape before
 *      any byte of data is touched.
 *   2. A tensor has a dtype, a shape and offsets, each once, and nothing else; no name is there
 *      twice.
 *   3. A file is written under a temporary name, synced and renamed. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define HEADER_MAX VD_JSON_BYTES_MAX
#define FILE_MAX (UINT64_C(1) << 36)

static const struct { const char *name; ro_dtype dtype; } dtypes[] = {
    {"F16", RO_F16}, {"BF16", RO_BF16}, {"F32", RO_F32}, {"F64", RO_F64}, {"I8", RO_I8},
    {"I16", RO_I16}, {"I32", RO_I32},   {"I64", RO_I64}, {"U8", RO_U8},   {"U16", RO_U16},
    {"U32", RO_U32}, {"U64", RO_U64},   {"BOOL", RO_BOOL}};
#define DTYPES (sizeof dtypes / sizeof *dtypes)

static char *header_text(const vd_named_tensor *t, uint32_t count)
{
    cJSON *root = cJSON_CreateObject();
    uint64_t at = 0;
    for (uint32_t k = 0; k < count; k++) {
        cJSON *o = cJSON_AddObjectToObject(root, t[k].name);
        for (size_t d = 0; d < DTYPES; d++)
            if (dtypes[d].dtype == t[k].type.dtype)
                cJSON_AddStringToObject(o, "dtype", dtypes[d].name);
        cJSON *shape = cJSON_AddArrayToObject(o, "shape");
        for (uint32_t a = 0; a < t[k].type.rank; a++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t[k].type.dims[a]));
        cJSON *off = cJSON_AddArrayToObject(o, "data_offsets");
        cJSON_AddItemToArray(off, cJSON_CreateNumber((double)at));
        at += ro_type_bytes(&t[k].type);
        cJSON_AddItemToArray(off, cJSON_CreateNumber((double)at));
    }
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

static int write_all(FILE *f, const char *text, const vd_named_tensor *t, uint32_t count)
{
    static const char spaces[8] = "        ";
    size_t n = strlen(text), pad = (8 - n % 8) % 8;
    uint8_t size[8];
    for (int b = 0; b < 8; b++) size[b] = (uint8_t)((uint64_t)(n + pad) >> (8 * b));
    int ok = fwrite(size, 1, 8, f) == 8 && fwrite(text, 1, n, f) == n &&
             fwrite(spaces, 1, pad, f) == pad;
    for (uint32_t k = 0; ok && k < count; k++) {
        uint64_t bytes = ro_type_bytes(&t[k].type);
        ok = fwrite(t[k].bytes, 1, bytes, f) == bytes;
    }
    return ok && fflush(f) == 0 && fsync(fileno(f)) == 0;
}

ro_status vd_safetensors_write(const char *path, const vd_named_tensor *t, uint32_t count,
                               ro_err *err)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.partial", path) >= (int)sizeof temporary)
        return RO_FAIL(err, RO_EUSAGE, "the path %.60s... is too long", path);
    char *text = header_text(t, count);
    FILE *f = text ? fopen(temporary, "wb") : NULL;
    int ok = f && write_all(f, text, t, count);
    int why = errno;
    if (f && fclose(f) != 0) ok = 0;
    cJSON_free(text);
    if (ok && rename(temporary, path) == 0) return RO_OK;
    if (ok) why = errno;
    if (f) unlink(temporary);
    return RO_FAIL(err, RO_EIO, "%s cannot be written: %s", path, strerror(why));
}

static ro_status entry(const cJSON *o, const uint8_t *data, uint64_t size, vd_named_tensor *t,
                       ro_err *err)
{
    const cJSON *d = cJSON_GetObjectItemCaseSensitive(o, "dtype");
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(o, "shape"), *n;
    const cJSON *off = cJSON_GetObjectItemCaseSensitive(o, "data_offsets");
    t->name = o->string;
    for (size_t k = 0; cJSON_IsString(d) && k < DTYPES; k++)
        if (strcmp(d->valuestring, dtypes[k].name) == 0) t->type.dtype = dtypes[k].dtype;
    int ok = cJSON_GetArraySize(o) == 3 && t->type.dtype != RO_NONE && cJSON_IsArray(s) &&
             cJSON_IsArray(off) && cJSON_GetArraySize(off) == 2 &&
             cJSON_GetArraySize(s) <= (int)RO_RANK_MAX;
    if (ok) cJSON_ArrayForEach(n, s)
    {
        ok = ok && cJSON_IsNumber(n) && n->valuedouble >= 0 && n->valuedouble <= 0x1p40 &&
             n->valuedouble == (double)(int64_t)n->valuedouble;
        t->type.dims[t->type.rank++] = ok ? (int64_t)n->valuedouble : 0;
    }
    if (!ok || ro_type_check(&t->type, NULL))
        return RO_FAIL(err, RO_EFORMAT, "tensor %.60s has no known dtype and shape", o->string);
    const cJSON *a = off->child, *b = a->next;
    if (!cJSON_IsNumber(a) || !cJSON_IsNumber(b) || !(a->valuedouble >= 0) ||
        !(a->valuedouble <= (double)size) || !(b->valuedouble <= (double)size) ||
        a->valuedouble != (double)(uint64_t)a->valuedouble ||
        b->valuedouble - a->valuedouble != (double)ro_type_bytes(&t->type))
        return RO_FAIL(err, RO_EFORMAT, "tensor %.60s has offsets that do not fit its shape",
                       o->string);
    t->bytes = data + (uint64_t)a->valuedouble;
    return RO_OK;
}

/* Every byte of the data belongs to one tensor: none overlap, and their sizes add up. */
static ro_status cover(const vd_named_tensor *t, uint32_t count, uint64_t size, ro_err *err)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < count; k++) {
        uint64_t n = ro_type_bytes(&t[k].type);
        for (uint32_t i = 0; i < k; i++)
            if (t[i].bytes < t[k].bytes + n && t[k].bytes < t[i].bytes + ro_type_bytes(&t[i].type))
                return RO_FAIL(err, RO_EFORMAT, "tensors %.60s and %.60s share bytes", t[i].name,
                               t[k].name);
        sum += n;
    }
    if (sum == size) return RO_OK;
    return RO_FAIL(err, RO_EFORMAT, "%llu bytes of data belong to no tensor",
                   (unsigned long long)(size - sum));
}

/* What a writer says of its own: text by name, at most once. */
static ro_status metadata(const cJSON *o, uint32_t seen, ro_err *err)
{
    const cJSON *n;
    int ok = cJSON_IsObject(o) && !seen;
    if (ok) cJSON_ArrayForEach(n, o) ok = ok && cJSON_IsString(n);
    return ok ? RO_OK : RO_FAIL(err, RO_EFORMAT, "__metadata__ is no object of text, there once");
}

static ro_status entries(const cJSON *root, const uint8_t *data, uint64_t size, ro_arena *arena,
                         vd_named_tensor **t, uint32_t *count, ro_err *err)
{
    const cJSON *o;
    int n = cJSON_IsObject(root) ? cJSON_GetArraySize(root) : -1;
    if (n < 0 || n > (int)VD_SLOTS_MAX)
        return RO_FAIL(err, RO_EFORMAT, "the header is no object of at most %u tensors",
                       VD_SLOTS_MAX);
    *t = ro_arena_alloc(arena, (size_t)(n + 1) * sizeof **t);
    if (!*t) return RO_FAIL(err, RO_ENOMEM, "no memory for %d tensors", n);
    uint32_t said = 0;
    *count = 0;
    cJSON_ArrayForEach(o, root)
    {
        if (strcmp(o->string, "__metadata__") == 0) {
            RO_TRY(metadata(o, said++, err));
            continue;
        }
        vd_named_tensor *x = &(*t)[(*count)++];
        RO_TRY(entry(o, data, size, x, err));
        x->name = ro_arena_string(arena, o->string, strlen(o->string));
        if (!x->name) return RO_FAIL(err, RO_ENOMEM, "no memory for a tensor's name");
        for (uint32_t k = 0; k + 1 < *count; k++)
            if (strcmp((*t)[k].name, x->name) == 0)
                return RO_FAIL(err, RO_EFORMAT, "tensor %.60s is there twice", x->name);
    }
    return cover(*t, *count, size, err);
}

ro_status vd_safetensors_read(const char *path, ro_arena *arena, vd_named_tensor **t,
                              uint32_t *count, ro_err *err)
{
    uint8_t *p;
    uint64_t size, header = 0;
    char what[120];
    cJSON *root = NULL;
    RO_TRY(vd_file_read(path, FILE_MAX, arena, &p, &size, err));
    for (int b = 0; size >= 8 && b < 8; b++) header |= (uint64_t)p[b] << (8 * b);
    if (size < 8 || header > HEADER_MAX || header > size - 8)
        return RO_FAIL(err, RO_EFORMAT, "%s is no safetensors file: its header does not fit", path);
    snprintf(what, sizeof what, "the header of %.100s", path);
    RO_TRY(vd_json_parse(what, (char *)p + 8, header, arena, &root, err));
    ro_status st = entries(root, p + 8 + header, size - 8 - header, arena, t, count, err);
    cJSON_Delete(root);
    return st;
}
