/* store.c - a folder of tensors by digest, states by root and snapshots by step.
 *
 * What this file decides: the names and bytes in that folder (docs/FORMATS.md, "The store").
 *
 * Invariants
 *   1. Names are made here from digests and numbers; none is built from outside bytes.
 *   2. A file has its final name only when it is complete and on disk.
 *   3. What is read is believed only after its digest was computed, but for vd_store_read,
 *      vd_store_copy and the hashes below a node, which say so: their callers hash what they take.
 *   4. Files are read, never mapped: one that is cut meanwhile is an error. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "files.h"
#include "verde.h"

#define TENSOR_HEADER 128u /* of a file: type and bytes, then zeros (docs/FORMATS.md) */
#define PIECE ((uint64_t)1 << 20)

struct vd_store {
    char *path;
    int dir;
};

/* A name below the folder and the same for messages. */
typedef struct { char name[VD_FS_NAME_MAX], partial[VD_FS_NAME_MAX]; } names;

static void tensor_name(const vd_digest *d, names *n)
{
    char hex[65];
    vd_digest_hex(d, hex);
    snprintf(n->name, sizeof n->name, "tensors/%.2s/%s", hex, hex);
    snprintf(n->partial, sizeof n->partial, "tensors/%.2s/.%s.partial", hex, hex);
}

static void state_name(const vd_digest *root, names *n)
{
    char hex[65];
    vd_digest_hex(root, hex);
    snprintf(n->name, sizeof n->name, "states/%s", hex);
    snprintf(n->partial, sizeof n->partial, "states/.%s.partial", hex);
}

static void snapshot_name(const vd_digest *job, uint64_t steps, names *n)
{
    char hex[65];
    vd_digest_hex(job, hex);
    snprintf(n->name, sizeof n->name, "snapshots/%s/%" PRIu64, hex, steps);
    snprintf(n->partial, sizeof n->partial, "snapshots/%s/.%" PRIu64 ".partial", hex, steps);
}

/* ---- the folder -------------------------------------------------------------------------- */

static ro_status make_folder(int dir, const char *name, ro_err *err)
{
    if (mkdirat(dir, name, 0777) < 0 && errno != EEXIST)
        return vd_fs_failed("create the folder", name, err);
    return RO_OK;
}

static ro_status open_folder(vd_store *s, const char *dir, int create, ro_err *err)
{
    static const char *const parts[] = {"tensors", "states", "snapshots"};
    size_t n = strlen(dir);
    s->path = ro_alloc(n + 1);
    if (!s->path) return RO_FAIL(err, RO_ENOMEM, "no memory to open a store");
    memcpy(s->path, dir, n + 1);
    if (create) RO_TRY(make_folder(AT_FDCWD, dir, err));
    s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0) return vd_fs_failed("open the store", dir, err);
    for (size_t k = 0; create && k < sizeof parts / sizeof *parts; k++)
        RO_TRY(make_folder(s->dir, parts[k], err));
    return RO_OK;
}

ro_status vd_store_open(const char *dir, int create, vd_store **out, ro_err *err)
{
    vd_store *s = ro_alloc_zero(sizeof *s);
    if (!s) return RO_FAIL(err, RO_ENOMEM, "no memory to open a store");
    s->dir = -1;
    ro_status status = open_folder(s, dir, create, err);
    if (status) {
        vd_store_close(s);
        return status;
    }
    *out = s;
    return RO_OK;
}

void vd_store_close(vd_store *s)
{
    if (!s) return;
    if (s->dir >= 0) close(s->dir);
    ro_free(s->path);
    ro_free(s);
}

const char *vd_store_path(const vd_store *s) { return s->path; }

ro_status vd_store_file(const vd_store *s, const vd_digest *d, char *path, size_t room, ro_err *err)
{
    names n;
    tensor_name(d, &n);
    int size = snprintf(path, room, "%s/%s", s->path, n.name);
    return size >= 0 && (size_t)size < room
               ? RO_OK
               : RO_FAIL(err, RO_ELIMIT, "the path of a store's file has more than %zu bytes",
                         room);
}

static int has_size(const vd_store *s, const char *name, uint64_t *size)
{
    struct stat st;
    if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) return 0;
    *size = (uint64_t)st.st_size;
    return 1;
}

int vd_store_has(const vd_store *s, const vd_digest *d)
{
    names n;
    uint64_t size;
    tensor_name(d, &n);
    return has_size(s, n.name, &size);
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Bytes that are made piece by piece: piece(ctx, at, n) gives n <= PIECE of them. */
typedef const void *piece_fn(void *ctx, uint64_t at, uint64_t n);

static ro_status write_pieces(int fd, const uint8_t *header, uint64_t header_size, uint64_t size,
                              piece_fn *piece, void *ctx, const char *shown, ro_err *err)
{
    RO_TRY(vd_fs_truncate(fd, 0, shown, err));
    RO_TRY(vd_fs_write(fd, header, header_size, 0, shown, err));
    for (uint64_t at = 0; at < size; at += PIECE) {
        uint64_t n = size - at < PIECE ? size - at : PIECE;
        RO_TRY(vd_fs_write(fd, piece(ctx, at, n), n, header_size + at, shown, err));
    }
    return RO_OK;
}

/* Whether the file is there with exactly these bytes. One that is short, long or altered is
 * written again: a damaged store heals when its owner puts the tensor once more. */
static int holds(const vd_store *s, const char *name, const uint8_t *header, uint64_t header_size,
                 uint64_t size, piece_fn *piece, void *ctx)
{
    uint64_t had, at = 0;
    if (!has_size(s, name, &had) || had != header_size + size) return 0;
    int fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    uint8_t *room = fd < 0 ? NULL : ro_alloc(size < PIECE ? size + header_size : PIECE);
    int same = room != NULL;
    if (same) same = !vd_fs_read(fd, room, header_size, 0, name, NULL);
    if (same && header_size) same = memcmp(room, header, header_size) == 0;
    for (; same && at < size; at += PIECE) {
        uint64_t n = size - at < PIECE ? size - at : PIECE;
        same = !vd_fs_read(fd, room, n, header_size + at, name, NULL) &&
               memcmp(room, piece(ctx, at, n), n) == 0;
    }
    ro_free(room);
    if (fd >= 0) close(fd);
    return same;
}

/* A file left unfinished by a killed process has this name too and is taken over; one that
 * another process is writing now is waited for, and then it is there. */
static ro_status put_file(vd_store *s, const names *n, const uint8_t *header, uint64_t header_size,
                          uint64_t size, piece_fn *piece, void *ctx, ro_err *err)
{
    int fd = -1;
    if (holds(s, n->name, header, header_size, size, piece, ctx)) return RO_OK;
    RO_TRY(vd_fs_lock(s->dir, n->partial, n->partial, 1, &fd, NULL, err));
    ro_status status = RO_OK;
    int there = holds(s, n->name, header, header_size, size, piece, ctx);
    if (!there) status = write_pieces(fd, header, header_size, size, piece, ctx, n->partial, err);
    if (!there && !status)
        status = vd_fs_publish(fd, s->dir, n->partial, n->name, n->partial, err);
    if (there || status) (void)unlinkat(s->dir, n->partial, 0);
    close(fd);
    return status;
}

typedef struct { const ro_type *type; const uint8_t *data; uint8_t *room; } tensor_source;

/* PIECE is a multiple of every element's size. */
static const void *tensor_piece(void *ctx, uint64_t at, uint64_t n)
{
    tensor_source *t = ctx;
    ro_canonical_bytes(t->type->dtype, t->data + at, t->room, n / ro_dtypes[t->type->dtype].size);
    return t->room;
}

static size_t tensor_header(const ro_type *t, uint8_t header[TENSOR_HEADER])
{
    vd_out o = {header, 0};
    vd_out_u32(&o, (uint32_t)t->dtype);
    vd_out_u32(&o, t->rank);
    for (uint32_t a = 0; a < t->rank; a++) vd_out_u64(&o, (uint64_t)t->dims[a]);
    vd_out_u64(&o, ro_type_bytes(t));
    vd_out_zeros(&o, TENSOR_HEADER - o.n);
    return o.n;
}

ro_status vd_store_put(vd_store *s, const ro_type *type, const void *data, const vd_digest *d,
                       ro_err *err)
{
    uint8_t header[TENSOR_HEADER];
    names n;
    char folder[16];
    uint64_t size = ro_type_bytes(type);
    tensor_source source = {type, data, NULL};
    tensor_name(d, &n);
    snprintf(folder, sizeof folder, "%.10s", n.name);
    RO_TRY(make_folder(s->dir, folder, err));
    source.room = ro_alloc(size < PIECE ? size : PIECE);
    if (!source.room) return RO_FAIL(err, RO_ENOMEM, "no memory to store a tensor");
    tensor_header(type, header);
    ro_status status = put_file(s, &n, header, sizeof header, size, tensor_piece, &source, err);
    ro_free(source.room);
    return status;
}

static const void *plain_piece(void *ctx, uint64_t at, uint64_t n)
{
    (void)n;
    return (const uint8_t *)ctx + at;
}

ro_status vd_store_put_state(vd_store *s, const vd_digest *root, const vd_digest *slots,
                             uint32_t count, ro_err *err)
{
    names n;
    state_name(root, &n);
    return put_file(s, &n, NULL, 0, (uint64_t)count * VD_DIGEST, plain_piece,
                    (void *)(uintptr_t)slots, err);
}

ro_status vd_store_put_snapshot(vd_store *s, const vd_digest *job, uint64_t steps,
                                const vd_digest *root, ro_err *err)
{
    names n;
    vd_digest had;
    snapshot_name(job, steps, &n);
    char folder[96];
    snprintf(folder, sizeof folder, "%.74s", n.name);
    RO_TRY(make_folder(s->dir, folder, err));
    /* Another run of the job, with a fault in it, may have left another state for this step. */
    int fd = openat(s->dir, n.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        ro_err why = {RO_OK, {0}};
        int same = vd_fs_read(fd, had.b, VD_DIGEST, 0, n.name, &why) == RO_OK &&
                   vd_digest_equal(&had, root);
        close(fd);
        if (same) return RO_OK;
        if (unlinkat(s->dir, n.name, 0) < 0) return vd_fs_failed("replace", n.name, err);
    }
    return put_file(s, &n, NULL, 0, VD_DIGEST, plain_piece, (void *)(uintptr_t)root, err);
}

/* ---- reading ----------------------------------------------------------------------------- */

static ro_status not_there(const vd_store *s, const char *what, const vd_digest *d, ro_err *err)
{
    char hex[65];
    vd_digest_hex(d, hex);
    return RO_FAIL(err, RO_ENOTFOUND, "%.100s has no %s %.16s...", s->path, what, hex);
}

static ro_status damaged(const vd_store *s, const char *what, const vd_digest *d, const char *how,
                         ro_err *err)
{
    char hex[65];
    vd_digest_hex(d, hex);
    return RO_FAIL(err, RO_EFORMAT, "%s %.16s... in %.100s %s", what, hex, s->path, how);
}

static ro_status open_file(const vd_store *s, const char *name, const char *what,
                           const vd_digest *d, int *fd, uint64_t *size, ro_err *err)
{
    *fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return errno == ENOENT ? not_there(s, what, d, err) : vd_fs_failed("open", name, err);
    ro_status status = vd_fs_size(*fd, size, name, err);
    if (status) close(*fd);
    return status;
}

/* The type in a header of any origin, when the file is as long as that type makes it. */
static int get_header(const uint8_t header[TENSOR_HEADER], uint64_t size, ro_type *type)
{
    uint8_t again[TENSOR_HEADER];
    ro_err why = {RO_OK, {0}};
    ro_type t;
    vd_in in = {header, TENSOR_HEADER, 0, 0};
    memset(&t, 0, sizeof t);
    uint32_t dtype = vd_in_u32(&in), rank = vd_in_u32(&in);
    if (dtype >= RO_DTYPE_LIMIT || rank > RO_RANK_MAX) return 0;
    t.dtype = (ro_dtype)dtype;
    t.rank = rank;
    for (uint32_t a = 0; a < rank; a++) t.dims[a] = (int64_t)vd_in_u64(&in);
    if (ro_type_check(&t, &why)) return 0;
    tensor_header(&t, again);
    if (memcmp(again, header, TENSOR_HEADER) != 0) return 0;
    if (size != TENSOR_HEADER + ro_type_bytes(&t)) return 0;
    *type = t;
    return 1;
}

static ro_status read_tensor(vd_store *s, int fd, uint64_t size, const vd_digest *d,
                             const ro_type *type, void *data, ro_err *err)
{
    uint8_t header[TENSOR_HEADER], got[VD_DIGEST];
    ro_type t;
    if (size < TENSOR_HEADER) return damaged(s, "tensor", d, "is cut off", err);
    RO_TRY(vd_fs_read(fd, header, TENSOR_HEADER, 0, s->path, err));
    if (!get_header(header, size, &t))
        return damaged(s, "tensor", d, "is cut off, or its header is altered", err);
    if (!ro_type_equal(&t, type)) {
        char a[96], b[96];
        return RO_FAIL(err, RO_EFORMAT, "a tensor in %.60s is %s where %s is needed", s->path,
                       ro_type_text(&t, a, sizeof a), ro_type_text(type, b, sizeof b));
    }
    RO_TRY(vd_fs_read(fd, data, ro_type_bytes(type), TENSOR_HEADER, s->path, err));
    vd_tensor_digest_canonical(type, data, NULL, got);
    if (memcmp(got, d->b, VD_DIGEST) != 0) return damaged(s, "tensor", d, "is altered", err);
    ro_canonical_bytes(type->dtype, data, data, ro_type_elements(type));
    return RO_OK;
}

ro_status vd_store_get(vd_store *s, const vd_digest *d, const ro_type *type, void *data,
                       ro_err *err)
{
    names n;
    int fd;
    uint64_t size;
    tensor_name(d, &n);
    RO_TRY(open_file(s, n.name, "tensor", d, &fd, &size, err));
    ro_status status = read_tensor(s, fd, size, d, type, data, err);
    close(fd);
    return status;
}

/* Open a tensor's file and read its header. *fd is to be closed. */
static ro_status open_tensor(const vd_store *s, const vd_digest *d, ro_type *type, int *fd,
                             ro_err *err)
{
    uint8_t header[TENSOR_HEADER];
    names n;
    uint64_t size;
    tensor_name(d, &n);
    RO_TRY(open_file(s, n.name, "tensor", d, fd, &size, err));
    ro_status status = RO_OK;
    if (size < TENSOR_HEADER) status = damaged(s, "tensor", d, "is cut off", err);
    else status = vd_fs_read(*fd, header, TENSOR_HEADER, 0, s->path, err);
    if (!status && !get_header(header, size, type))
        status = damaged(s, "tensor", d, "is cut off, or its header is altered", err);
    if (status) close(*fd);
    return status;
}

ro_status vd_store_read(vd_store *s, const vd_digest *d, uint64_t at, uint64_t n, ro_type *type,
                        uint8_t *bytes, uint64_t *got, ro_err *err)
{
    int fd;
    RO_TRY(open_tensor(s, d, type, &fd, err));
    uint64_t size = ro_type_bytes(type);
    *got = at >= size ? 0 : size - at < n ? size - at : n;
    ro_status status = vd_fs_read(fd, bytes, *got, TENSOR_HEADER + at, s->path, err);
    close(fd);
    return status;
}

static ro_status copy_tensor(const vd_store *s, int fd, uint64_t limit, const ro_type *type,
                             uint8_t **bytes, ro_err *err)
{
    uint64_t n = ro_type_bytes(type);
    if (n > limit)
        return RO_FAIL(err, RO_ELIMIT, "a tensor in %.60s has %llu bytes; %llu are allowed",
                       s->path, (unsigned long long)n, (unsigned long long)limit);
    *bytes = ro_alloc(n);
    if (!*bytes) return RO_FAIL(err, RO_ENOMEM, "no memory for a tensor of a store");
    ro_status status = vd_fs_read(fd, *bytes, n, TENSOR_HEADER, s->path, err);
    if (status) ro_free(*bytes);
    return status;
}

ro_status vd_store_copy(vd_store *s, const vd_digest *d, uint64_t limit, ro_type *type,
                        uint8_t **bytes, ro_err *err)
{
    int fd;
    RO_TRY(open_tensor(s, d, type, &fd, err));
    ro_status status = copy_tensor(s, fd, limit, type, bytes, err);
    close(fd);
    return status;
}

/* ---- the chunk tree of a tensor ---------------------------------------------------------- */

enum { BLOCK = 256 }; /* chunks that are hashed side by side: a power of two, so a node's */

typedef struct {
    const vd_store *s;
    const ro_type *type;
    int fd;
    uint8_t *room; /* of a block */
} chunk_source;

/* The hash of node [lo, hi): the roots of its blocks are chained. */
static ro_status chunk_node(const chunk_source *c, uint64_t lo, uint64_t hi, uint8_t out[VD_DIGEST],
                            ro_err *err)
{
    uint8_t leaves[BLOCK * VD_DIGEST], root[VD_DIGEST];
    vd_frontier f;
    vd_frontier_init(&f, VD_TREE_CHUNKS);
    for (uint64_t at = lo; at < hi; at += BLOCK) {
        uint64_t n = hi - at < BLOCK ? hi - at : BLOCK, whole = n;
        size_t last = vd_tensor_chunk_bytes(c->type, at + n - 1);
        RO_TRY(vd_fs_read(c->fd, c->room, (n - 1) * VD_CHUNK_BYTES + last,
                          TENSOR_HEADER + at * VD_CHUNK_BYTES, c->s->path, err));
        if (last < VD_CHUNK_BYTES) whole--;
        vd_leaf_hashes(VD_TREE_CHUNKS, c->room, VD_CHUNK_BYTES, (size_t)whole, leaves);
        if (whole < n)
            vd_leaf_hash(VD_TREE_CHUNKS, c->room + whole * VD_CHUNK_BYTES, last,
                         leaves + whole * VD_DIGEST);
        vd_tree_root(VD_TREE_CHUNKS, leaves, n, root);
        vd_frontier_append(&f, root);
    }
    vd_frontier_root(&f, out);
    return RO_OK;
}

static ro_status open_chunks(const vd_store *s, const vd_digest *d, ro_type *type, chunk_source *c,
                             ro_err *err)
{
    *c = (chunk_source){s, type, -1, ro_alloc((size_t)BLOCK * VD_CHUNK_BYTES)};
    if (!c->room) return RO_FAIL(err, RO_ENOMEM, "no memory to hash a tensor of a store");
    ro_status status = open_tensor(s, d, type, &c->fd, err);
    if (status) ro_free(c->room);
    return status;
}

static void close_chunks(chunk_source *c)
{
    ro_free(c->room);
    close(c->fd);
}

static ro_status descend(const chunk_source *c, uint64_t lo, uint64_t hi, uint32_t depth,
                         uint8_t *out, uint32_t *count, ro_err *err)
{
    uint64_t n = vd_tensor_chunks(c->type);
    if (depth > VD_DESCEND_DEPTH_MAX || !vd_range_is_node(n, lo, hi))
        return RO_FAIL(err, RO_EUSAGE, "[%llu, %llu) at depth %u is no question about %llu chunks",
                       (unsigned long long)lo, (unsigned long long)hi, depth,
                       (unsigned long long)n);
    *count = vd_descend_count(lo, hi, depth);
    for (uint32_t k = 0; k < *count; k++) {
        uint64_t part_lo, part_hi;
        vd_descend_range(lo, hi, depth, k, &part_lo, &part_hi);
        RO_TRY(chunk_node(c, part_lo, part_hi, out + (size_t)k * VD_DIGEST, err));
    }
    return RO_OK;
}

ro_status vd_store_descend(vd_store *s, const vd_digest *d, ro_type *type, uint64_t lo, uint64_t hi,
                           uint32_t depth, uint8_t *out, uint32_t *count, ro_err *err)
{
    chunk_source c;
    RO_TRY(open_chunks(s, d, type, &c, err));
    ro_status status = descend(&c, lo, hi, depth, out, count, err);
    close_chunks(&c);
    return status;
}

ro_status vd_store_chunk_root(vd_store *s, const vd_digest *d, ro_type *type, vd_digest *root,
                              ro_err *err)
{
    chunk_source c;
    RO_TRY(open_chunks(s, d, type, &c, err));
    ro_status status = chunk_node(&c, 0, vd_tensor_chunks(type), root->b, err);
    close_chunks(&c);
    return status;
}

/* ---- states and snapshots ---------------------------------------------------------------- */

ro_status vd_store_get_state(vd_store *s, const vd_digest *root, vd_digest *slots, uint32_t count,
                             ro_err *err)
{
    names n;
    int fd;
    uint64_t size;
    state_name(root, &n);
    RO_TRY(open_file(s, n.name, "state", root, &fd, &size, err));
    ro_status status = RO_OK;
    if (size != (uint64_t)count * VD_DIGEST)
        status = damaged(s, "state", root, "is cut off, or of another job", err);
    if (!status) status = vd_fs_read(fd, slots, size, 0, n.name, err);
    close(fd);
    if (status) return status;
    vd_digest got = vd_state_root(slots, count);
    return vd_digest_equal(&got, root) ? RO_OK : damaged(s, "state", root, "is altered", err);
}

/* A snapshot's name as a number: decimal, no leading zero. 0: it is none. */
static int get_steps(const char *name, uint64_t *steps)
{
    uint64_t v = 0;
    if (*name < '1' || *name > '9') return 0;
    for (; *name; name++) {
        if (*name < '0' || *name > '9' || v > VD_STEPS_MAX) return 0;
        v = v * 10 + (uint64_t)(*name - '0');
    }
    *steps = v;
    return v <= VD_STEPS_MAX;
}

static ro_status greatest(vd_store *s, const char *folder, uint64_t limit, uint64_t *found,
                          ro_err *err)
{
    *found = 0;
    int fd = openat(s->dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? RO_OK : vd_fs_failed("open the folder", folder, err);
    DIR *list = fdopendir(fd);
    if (!list) {
        close(fd);
        return RO_FAIL(err, RO_ENOMEM, "no memory to list %.160s", folder);
    }
    const struct dirent *e;
    errno = 0;
    while ((e = readdir(list))) {
        uint64_t steps;
        if (get_steps(e->d_name, &steps) && steps <= limit && steps > *found) *found = steps;
        errno = 0;
    }
    ro_status status = errno ? vd_fs_failed("list", folder, err) : RO_OK;
    closedir(list);
    return status;
}

ro_status vd_store_find_snapshot(vd_store *s, const vd_job *j, uint64_t steps,
                                 uint64_t *steps_found, vd_digest *root, ro_err *err)
{
    char hex[65], folder[96];
    vd_digest_hex(&j->digest, hex);
    snprintf(folder, sizeof folder, "snapshots/%s", hex);
    for (uint64_t limit = steps;; limit--) {
        names n;
        int fd;
        uint64_t size;
        RO_TRY(greatest(s, folder, limit, &limit, err));
        if (limit == 0) break;
        snapshot_name(&j->digest, limit, &n);
        RO_TRY(open_file(s, n.name, "snapshots of job", &j->digest, &fd, &size, err));
        ro_status status = RO_OK;
        if (size == VD_DIGEST) status = vd_fs_read(fd, root->b, VD_DIGEST, 0, n.name, err);
        close(fd);
        if (status || size == VD_DIGEST) {
            *steps_found = limit;
            return status;
        } /* a damaged one is no snapshot: look before it */
    }
    *steps_found = 0;
    *root = j->first_state;
    return RO_OK;
}
