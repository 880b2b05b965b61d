/* onnx_external.c - tensors whose data lies in another file of the model's folder.
 *
 * What this file decides: which file a location is, and which bytes of it a tensor has.
 *
 * Invariants
 *   1. A location is a relative path of names; "..", "." and empty names are none. Every folder
 *      on the way and the file are opened without following a link, each from the one before, so
 *      nothing outside the model's folder is reached, whatever is renamed meanwhile.
 *   2. Data lies whole within the size that the file has when the model is read. It is read later,
 *      from a file found again by the same rules; one that has been cut since is an error.
 *   3. A file is looked for once when the model is read, however many tensors lie in it, and only
 *      of a model that has been found good but for that. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"
#include "files.h"
#include "onnx.h"

#define PATH_BYTES_MAX 1024u
#define PATH_NAMES_MAX 16u /* folders that are opened, for each of VD_ONNX_FILES_MAX files */
#define SHOWN 60u          /* bytes of a name in a sentence */

typedef struct {
    const vd_onnx_text *location;
    uint64_t offset, length;
    int has_length;
} place;

/* Decimal digits and nothing else. */
static int number(const vd_onnx_text *t, uint64_t *out)
{
    uint64_t v = 0;
    for (uint32_t k = 0; k < t->n; k++) {
        if (t->p[k] < '0' || t->p[k] > '9') return 0;
        if (!ro_mul_size(v, 10, &v) || !ro_add_size(v, (uint64_t)(t->p[k] - '0'), &v)) return 0;
    }
    *out = v;
    return t->n > 0;
}

static ro_status read_place(const vd_onnx_entry *entries, uint32_t count, const char *tensor,
                            place *p, ro_err *err)
{
    static const char *const keys[] = {"location", "offset", "length", "checksum"};
    char key[SHOWN];
    uint32_t seen = 0;
    for (uint32_t k = 0; k < count; k++) {
        const vd_onnx_entry *e = &entries[k];
        uint32_t which = 0;
        int good = 1;
        vd_onnx_show(&e->key, key, sizeof key);
        while (which < 4 && !vd_onnx_is(&e->key, keys[which])) which++;
        if (which == 4)
            return RO_FAIL(err, RO_EFORMAT,
                           "tensor \"%s\" has external data with the unknown key \"%s\"", tensor,
                           key);
        if (seen >> which & 1)
            return RO_FAIL(err, RO_EFORMAT,
                           "tensor \"%s\" has external data whose %s is given twice", tensor, key);
        seen |= UINT32_C(1) << which;
        if (which == 0) p->location = &e->value;
        if (which == 1) good = number(&e->value, &p->offset);
        if (which == 2) good = p->has_length = number(&e->value, &p->length);
        if (!good)
            return RO_FAIL(err, RO_EFORMAT,
                           "tensor \"%s\" has external data whose %s is no whole number", tensor,
                           key);
    }
    if (p->location) return RO_OK;
    return RO_FAIL(err, RO_EFORMAT, "tensor \"%s\" has external data without a location", tensor);
}

static const char *show(const char *part, char out[SHOWN])
{
    vd_onnx_text t = {part, (uint32_t)strlen(part), 0};
    return vd_onnx_show(&t, out, SHOWN);
}

/* A location is names with one '/' between them. */
static ro_status check_names(const char *path, const char *tensor, ro_err *err)
{
    uint32_t names = 1;
    for (const char *part = path, *end;; part = end + 1, names++) {
        end = part + strcspn(part, "/");
        size_t n = (size_t)(end - part);
        if (n == 0 || (n <= 2 && memcmp(part, "..", n) == 0))
            return RO_FAIL(err, RO_EFORMAT,
                           "tensor \"%s\" has external data outside the model's folder: its "
                           "location is not a relative path of plain names",
                           tensor);
        if (!*end) break;
    }
    if (names <= PATH_NAMES_MAX) return RO_OK;
    return RO_FAIL(err, RO_ELIMIT,
                   "tensor \"%s\" has external data whose location has %u names; up to %u are "
                   "allowed",
                   tensor, names, PATH_NAMES_MAX);
}

/* Open the folder that a location's file lies in; *name is the file's own. */
static ro_status enter(char *path, int folder, const char *tensor, int *dir, const char **name,
                       ro_err *err)
{
    char shown[SHOWN];
    ro_status st = RO_OK;
    int at = folder;
    char *part = path;
    for (char *slash; !st && (slash = strchr(part, '/')) != NULL;) {
        *slash = 0;
        int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && (errno == ELOOP || errno == ENOTDIR))
            st = RO_FAIL(err, RO_EFORMAT,
                         "tensor \"%s\" has external data below \"%s\", which is a link or no "
                         "folder; links are not followed",
                         tensor, show(part, shown));
        else if (next < 0)
            st = vd_fs_failed("open the folder", show(part, shown), err);
        if (at != folder) close(at);
        at = next;
        part = slash + 1;
    }
    *dir = at;
    *name = part;
    return st;
}

static ro_status open_file(const vd_onnx_text *location, int folder, const char *tensor, int *fd,
                           ro_err *err)
{
    char path[PATH_BYTES_MAX + 1], shown[SHOWN];
    const char *name;
    int dir = -1;
    if (location->n > PATH_BYTES_MAX)
        return RO_FAIL(err, RO_ELIMIT,
                       "tensor \"%s\" has external data whose location has %u bytes; up to %u "
                       "are allowed",
                       tensor, location->n, PATH_BYTES_MAX);
    if (location->n) memcpy(path, location->p, location->n);
    path[location->n] = 0;
    RO_TRY(check_names(path, tensor, err));
    ro_status st = enter(path, folder, tensor, &dir, &name, err);
    /* O_NONBLOCK: a pipe of that name must not hold us up before it is refused. */
    if (!st) *fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (!st && *fd < 0)
        st = errno == ELOOP
                 ? RO_FAIL(err, RO_EFORMAT,
                           "tensor \"%s\" has external data in \"%s\", which is a link; links "
                           "are not followed",
                           tensor, show(name, shown))
                 : vd_fs_failed("open", show(name, shown), err);
    if (dir >= 0 && dir != folder) close(dir);
    return st;
}

/* The number of a location's file. by_name: one more than that, by the location's id. */
static ro_status find_file(vd_onnx *m, uint32_t *by_name, const vd_onnx_text *location,
                           const char *tensor, uint32_t *number, ro_err *err)
{
    char name[SHOWN];
    int fd;
    if (!by_name[location->id]) {
        if (m->file_count == VD_ONNX_FILES_MAX)
            return RO_FAIL(err, RO_ELIMIT, "the model has external data in over %u files",
                           VD_ONNX_FILES_MAX);
        vd_onnx_file *f = &m->files[m->file_count];
        RO_TRY(open_file(location, m->folder, tensor, &fd, err));
        vd_onnx_show(location, name, sizeof name);
        f->name = location;
        ro_status st = vd_fs_size(fd, &f->size, name, err);
        close(fd);
        if (st) return st;
        by_name[location->id] = ++m->file_count;
    }
    *number = by_name[location->id] - 1;
    return RO_OK;
}

static ro_status place_tensor(vd_onnx *m, uint32_t *by_name, vd_onnx_tensor *t, ro_err *err)
{
    char name[SHOWN];
    place p = {0};
    vd_onnx_show(&t->name, name, sizeof name);
    RO_TRY(read_place(t->entries, t->entry_count, name, &p, err));
    if (m->folder < 0)
        return RO_FAIL(err, RO_EFORMAT, "tensor \"%s\" has external data, and there is no folder",
                       name);
    RO_TRY(find_file(m, by_name, p.location, name, &t->file, err));
    if (p.has_length && p.length != t->bytes)
        return RO_FAIL(err, RO_ESHAPE,
                       "tensor \"%s\" has %llu bytes of external data; its shape and dtype "
                       "need %llu",
                       name, (unsigned long long)p.length, (unsigned long long)t->bytes);
    uint64_t size = m->files[t->file].size;
    if (p.offset > size || t->bytes > size - p.offset)
        return RO_FAIL(err, RO_EFORMAT,
                       "tensor \"%s\" has %llu bytes of external data at offset %llu of a file of "
                       "%llu bytes",
                       name, (unsigned long long)t->bytes, (unsigned long long)p.offset,
                       (unsigned long long)size);
    t->offset = p.offset;
    return RO_OK;
}

ro_status vd_onnx_external(vd_onnx *m, ro_err *err)
{
    uint32_t *by_name = NULL;
    for (uint32_t k = 0; k < m->tensor_count; k++) {
        if (!m->tensors[k].external) continue;
        if (!by_name) {
            by_name = ro_arena_alloc(m->arena, m->name_count * sizeof *by_name);
            m->files = ro_arena_alloc(m->arena, VD_ONNX_FILES_MAX * sizeof *m->files);
            if (!by_name || !m->files)
                return RO_FAIL(err, RO_ENOMEM, "no memory for external files");
        }
        RO_TRY(place_tensor(m, by_name, &m->tensors[k], err));
    }
    return RO_OK;
}

ro_status vd_onnx_tensor_data(const vd_onnx *m, const vd_onnx_tensor *t, uint8_t *to, ro_err *err)
{
    char tensor[SHOWN], name[SHOWN];
    int fd;
    if (!t->external) {
        vd_onnx_tensor_inner(t, to);
        return RO_OK;
    }
    const vd_onnx_text *location = m->files[t->file].name;
    RO_TRY(open_file(location, m->folder, vd_onnx_show(&t->name, tensor, sizeof tensor), &fd, err));
    vd_onnx_show(location, name, sizeof name);
    ro_status st = vd_fs_read(fd, to, t->bytes, t->offset, name, err);
    close(fd);
    return st;
}

ro_status vd_onnx_external_digest(const vd_onnx *m, const vd_onnx_tensor *t, uint8_t *out,
                                  ro_err *err)
{
    enum { BLOCK = 256 * VD_CHUNK_BYTES }; /* a power of two: its root is a node of the tree */
    char tensor[SHOWN], name[SHOWN];
    uint8_t root[VD_HASH_BYTES];
    vd_frontier f;
    int fd;
    ro_type type = ro_type_of((ro_dtype)t->dtype, t->rank, t->dims);
    const vd_onnx_text *location = m->files[t->file].name;
    RO_TRY(open_file(location, m->folder, vd_onnx_show(&t->name, tensor, sizeof tensor), &fd, err));
    vd_onnx_show(location, name, sizeof name);
    uint8_t *room = ro_alloc(BLOCK);
    ro_status st = room ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory to read external data");
    vd_frontier_init(&f, VD_TREE_CHUNKS);
    for (uint64_t at = 0; !st && at < t->bytes; at += BLOCK) {
        int64_t n = t->bytes - at < BLOCK ? (int64_t)(t->bytes - at) : BLOCK;
        ro_type block = ro_type_of(RO_U8, 1, &n);
        st = vd_fs_read(fd, room, (uint64_t)n, t->offset + at, name, err);
        if (st) break;
        vd_tensor_root(&block, room, NULL, root);
        vd_frontier_append(&f, root);
    }
    vd_frontier_root(&f, root);
    if (!st) vd_tensor_digest_of_root(&type, root, out);
    ro_free(room);
    close(fd);
    return st;
}
