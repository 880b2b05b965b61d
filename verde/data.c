/* data.c - data files: IDX, gzipped IDX, and numpy's .npy.
 *
 * Invariants
 *   1. A header's counts are checked before anything is allocated; what is allocated is what
 *      the header names, and a file must hold exactly that.
 *   2. Bytes are never reinterpreted: every element is read in the byte order the file states. */
#include "verde.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define DATA_BYTES_MAX (UINT64_C(1) << 36)
#define NPY_HEADER_MAX 65535u

typedef struct { const vd_source *s; const char *name; ro_err *err; } reader;

static ro_status take(reader *r, void *to, uint64_t n)
{
    uint8_t *p = to;
    while (n) {
        int64_t got = r->s->read(r->s->ctx, p, n);
        if (got < 0) return RO_FAIL(r->err, RO_EIO, "%s cannot be read", r->name);
        if (got == 0) return RO_FAIL(r->err, RO_EFORMAT, "%s ends too early", r->name);
        p += got;
        n -= (uint64_t)got;
    }
    return RO_OK;
}

static ro_status at_end(reader *r)
{
    uint8_t one;
    int64_t got = r->s->read(r->s->ctx, &one, 1);
    if (got < 0) return RO_FAIL(r->err, RO_EIO, "%s cannot be read", r->name);
    if (got > 0) return RO_FAIL(r->err, RO_EFORMAT, "%s goes on after its last element", r->name);
    return RO_OK;
}

static ro_status make_room(reader *r, ro_arena *arena, ro_tensor *out)
{
    RO_TRY(ro_type_check(&out->type, r->err));
    uint64_t bytes = ro_type_bytes(&out->type);
    if (bytes > DATA_BYTES_MAX)
        return RO_FAIL(r->err, RO_ELIMIT, "%s holds %llu bytes; at most %llu are allowed", r->name,
                       (unsigned long long)bytes, (unsigned long long)DATA_BYTES_MAX);
    if (r->s->most && bytes > r->s->most)
        return RO_FAIL(r->err, RO_EFORMAT, "%s names %llu bytes of elements and cannot hold them",
                       r->name, (unsigned long long)bytes);
    out->data = ro_arena_alloc(arena, bytes);
    if (!out->data)
        return RO_FAIL(r->err, RO_ENOMEM, "no memory for the %llu bytes of %s",
                       (unsigned long long)bytes, r->name);
    return RO_OK;
}

/* File order to machine order, in place. */
static void order_bytes(ro_tensor *t, int big_endian)
{
    uint32_t w = ro_dtypes[t->type.dtype].size;
    uint64_t n = ro_type_elements(&t->type);
    uint8_t *p = t->data;
    int machine_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    if (w == 1 || machine_big == big_endian) return;
    for (uint64_t i = 0; i < n; i++)
        for (uint32_t b = 0; b < w / 2; b++) {
            uint8_t x = p[i * w + b];
            p[i * w + b] = p[i * w + w - 1 - b];
            p[i * w + w - 1 - b] = x;
        }
}

/* ---- IDX: 0 0 type rank, big-endian sizes, big-endian elements --------------------------- */

static ro_status read_idx(reader *r, const uint8_t magic[4], ro_arena *arena, ro_tensor *out)
{
    switch (magic[2]) {
    case 0x08: out->type.dtype = RO_U8; break;
    case 0x09: out->type.dtype = RO_I8; break;
    case 0x0b: out->type.dtype = RO_I16; break;
    case 0x0c: out->type.dtype = RO_I32; break;
    case 0x0d: out->type.dtype = RO_F32; break;
    case 0x0e: out->type.dtype = RO_F64; break;
    default:
        return RO_FAIL(r->err, RO_ETYPE,
                       "%s has IDX element type 0x%02x; 08, 09 and 0b to 0e are read", r->name,
                       magic[2]);
    }
    out->type.rank = magic[3];
    if (out->type.rank > RO_RANK_MAX)
        return RO_FAIL(r->err, RO_ESHAPE, "%s has %u axes; at most %u are allowed", r->name,
                       out->type.rank, RO_RANK_MAX);
    for (uint32_t a = 0; a < out->type.rank; a++) {
        uint8_t b[4];
        RO_TRY(take(r, b, 4));
        out->type.dims[a] = (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | b[3];
    }
    RO_TRY(make_room(r, arena, out));
    RO_TRY(take(r, out->data, ro_type_bytes(&out->type)));
    order_bytes(out, 1);
    return at_end(r);
}

/* ---- .npy: a Python dictionary of exactly three keys ------------------------------------- */

typedef struct { const char *p, *end; } text;

static int skip(text *t, const char *word)
{
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\n')) t->p++;
    size_t n = strlen(word);
    if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n)) return 0;
    t->p += n;
    return 1;
}

static int npy_descr(text *t, ro_tensor *out, int *big)
{
    static const struct { const char *name; ro_dtype dtype; } types[] = {
        {"f2'", RO_F16}, {"f4'", RO_F32}, {"f8'", RO_F64},  {"i1'", RO_I8},  {"i2'", RO_I16},
        {"i4'", RO_I32}, {"i8'", RO_I64}, {"u1'", RO_U8},   {"u2'", RO_U16}, {"u4'", RO_U32},
        {"u8'", RO_U64}, {"b1'", RO_BOOL}, {"V2'", RO_BF16}};
    if (!skip(t, "'") || t->p == t->end) return 0;
    char order = *t->p++;
    if (order != '<' && order != '>' && order != '|' && order != '=') return 0;
    *big = order == '>';
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        if (skip(t, types[k].name)) {
            out->type.dtype = types[k].dtype;
            return 1;
        }
    return 0;
}

static int npy_shape(text *t, ro_tensor *out)
{
    if (!skip(t, "(")) return 0;
    out->type.rank = 0;
    while (!skip(t, ")")) {
        int64_t d = 0;
        int digits = 0;
        skip(t, "");
        while (t->p < t->end && *t->p >= '0' && *t->p <= '9' && digits < 15) {
            d = d * 10 + (*t->p++ - '0');
            digits++;
        }
        if (!digits || out->type.rank == RO_RANK_MAX) return 0;
        out->type.dims[out->type.rank++] = d;
        if (!skip(t, ",")) return skip(t, ")");
    }
    return 1;
}

static int npy_header(text *t, ro_tensor *out, int *big)
{
    int descr = 0, order = 0, shape = 0;
    if (!skip(t, "{")) return 0;
    while (!skip(t, "}")) {
        if (!descr && skip(t, "'descr':")) descr = npy_descr(t, out, big);
        else if (!order && skip(t, "'fortran_order':")) order = skip(t, "False");
        else if (!shape && skip(t, "'shape':")) shape = npy_shape(t, out);
        else return 0;
        if (!skip(t, ",") && !skip(t, "}")) return 0;
        if (t->p[-1] == '}') break;
    }
    skip(t, "");
    return descr && order && shape && t->p == t->end;
}

static ro_status read_npy(reader *r, ro_arena *arena, ro_tensor *out)
{
    uint8_t rest[8]; /* the four bytes after "\x93NUM", then version and length */
    uint8_t wide[2];
    RO_TRY(take(r, rest, 6));
    if (memcmp(rest, "PY", 2) || rest[2] < 1 || rest[2] > 3 || rest[3])
        return RO_FAIL(r->err, RO_EFORMAT, "%s is not a .npy file of version 1 to 3", r->name);
    uint64_t n = (uint64_t)rest[4] | (uint64_t)rest[5] << 8;
    if (rest[2] > 1) {
        RO_TRY(take(r, wide, 2));
        n |= (uint64_t)wide[0] << 16 | (uint64_t)wide[1] << 24;
    }
    if (n > NPY_HEADER_MAX)
        return RO_FAIL(r->err, RO_ELIMIT, "%s has a header of %llu bytes; at most %u are allowed",
                       r->name, (unsigned long long)n, NPY_HEADER_MAX);
    char *header = ro_arena_alloc(arena, n + 1);
    if (!header) return RO_FAIL(r->err, RO_ENOMEM, "no memory for the header of %s", r->name);
    RO_TRY(take(r, header, n));
    text t = {header, header + n};
    int big = 0;
    if (!npy_header(&t, out, &big))
        return RO_FAIL(r->err, RO_EFORMAT,
                       "%s has a header that is not {'descr', 'fortran_order': False, 'shape'} "
                       "of a supported dtype",
                       r->name);
    RO_TRY(make_room(r, arena, out));
    RO_TRY(take(r, out->data, ro_type_bytes(&out->type)));
    order_bytes(out, big);
    return at_end(r);
}

ro_status vd_data_read(const vd_source *s, const char *name, ro_arena *arena, ro_tensor *out,
                       ro_err *err)
{
    reader r = {s, name, err};
    uint8_t magic[4];
    memset(out, 0, sizeof *out);
    RO_TRY(take(&r, magic, 4));
    if (magic[0] == 0 && magic[1] == 0) return read_idx(&r, magic, arena, out);
    if (memcmp(magic, "\x93NUM", 4) == 0) return read_npy(&r, arena, out);
    return RO_FAIL(err, RO_EFORMAT, "%s is neither IDX, gzipped IDX nor .npy", name);
}

/* ---- files ------------------------------------------------------------------------------- */

static int64_t gz_read(void *ctx, void *to, uint64_t n)
{
    unsigned want = n > (1u << 30) ? 1u << 30 : (unsigned)n;
    return gzread(ctx, to, want);
}

/* What deflate can grow to: a match of 258 bytes takes at least 2 bits. */
#define DEFLATE_MOST 1032u

/* How many bytes can come out of a file; 0: its size is not known. */
static uint64_t bytes_at_most(const char *path, gzFile f)
{
    struct stat s;
    if (stat(path, &s) || !S_ISREG(s.st_mode)) return 0;
    return (uint64_t)s.st_size * (gzdirect(f) ? 1 : DEFLATE_MOST);
}

ro_status vd_data_load(const char *path, ro_arena *arena, ro_tensor *out, ro_err *err)
{
    gzFile f = gzopen(path, "rb"); /* reads plain files as they are */
    if (!f) return RO_FAIL(err, RO_EIO, "%s cannot be opened: %s", path, strerror(errno));
    gzbuffer(f, 1u << 18);
    vd_source s = {gz_read, f, bytes_at_most(path, f)};
    ro_err why = {RO_OK, {0}};
    int code = Z_OK;
    ro_status st = vd_data_read(&s, path, arena, out, &why);
    gzerror(f, &code);
    int closed = gzclose(f);
    /* A read fails when the disk does, and when what is read is no gzip: zlib knows which. */
    if (st == RO_EIO ? code != Z_ERRNO : !st && closed != Z_OK)
        return RO_FAIL(err, RO_EFORMAT, "%s is damaged: it is not what gzip wrote", path);
    return st ? RO_FAIL(err, st, "%s", why.msg) : RO_OK;
}

ro_status vd_file_read(const char *path, uint64_t limit, ro_arena *arena, uint8_t **bytes,
                       uint64_t *size, ro_err *err)
{
    FILE *f = fopen(path, "rb");
    if (!f) return RO_FAIL(err, RO_EIO, "%s cannot be opened: %s", path, strerror(errno));
    uint64_t room = 1u << 16, n = 0;
    uint8_t *p = ro_alloc(room);
    ro_status st = RO_OK;
    while (p && !st) {
        size_t got = fread(p + n, 1, room - n, f);
        n += got;
        if (n > limit)
            st = RO_FAIL(err, RO_ELIMIT, "%s is larger than %llu bytes", path,
                         (unsigned long long)limit);
        else if (got == 0 && ferror(f))
            st = RO_FAIL(err, RO_EIO, "%s cannot be read: %s", path, strerror(errno));
        else if (got == 0)
            break;
        if (n == room) {
            uint8_t *q = ro_resize(p, room, room * 2);
            if (!q) break;
            p = q;
            room *= 2;
        }
    }
    fclose(f);
    uint8_t *copy = p && !st && n < room ? ro_arena_alloc(arena, n + 1) : NULL;
    if (copy) memcpy(copy, p, n);
    ro_free(p);
    if (st) return st;
    if (!copy) return RO_FAIL(err, RO_ENOMEM, "no memory to read %s", path);
    *bytes = copy;
    *size = n;
    return RO_OK;
}
