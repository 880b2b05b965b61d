/* files.c - whole reads and writes, views, locks, names that appear at the end; errno in
 * sentences. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* One call moves at most this much: some systems refuse more than 2 GiB. */
#define ONE_CALL ((uint64_t)1 << 30)

ro_status vd_fs_failed(const char *what, const char *shown, ro_err *err)
{
    int code = errno;
    return RO_FAIL(err, code == ENOENT ? RO_ENOTFOUND : code == ENOMEM ? RO_ENOMEM : RO_EIO,
                   "cannot %s %.160s: %s", what, shown, strerror(code));
}

ro_status vd_fs_folder_of(const char *path, int *dir, const char **base, ro_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return RO_FAIL(err, RO_EUSAGE, "\"%.160s\" does not name a file", path);
    char *folder = ro_alloc(n + 2);
    if (!folder) return RO_FAIL(err, RO_ENOMEM, "no memory for the name of a folder");
    memcpy(folder, n ? path : ".", n ? n : 1);
    folder[n ? n : 1] = 0;
    *dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ro_status status = *dir < 0 ? vd_fs_failed("open the folder", folder, err) : RO_OK;
    ro_free(folder);
    *base = name;
    return status;
}

/* The name may have gone to a finished file, or to nothing, while the lock was waited for. */
static int still_named(int fd, int dir, const char *name)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

ro_status vd_fs_lock(int dir, const char *name, const char *shown, int wait, int *fd, int *fresh,
                     ro_err *err)
{
    for (;;) {
        int f = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (f < 0) return vd_fs_failed("create", shown, err);
        int got;
        do got = flock(f, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
        while (got < 0 && errno == EINTR);
        if (got < 0) {
            ro_status status =
                errno == EWOULDBLOCK
                    ? RO_FAIL(err, RO_EIO, "%.160s is being written by another process", shown)
                    : vd_fs_failed("lock", shown, err);
            close(f);
            return status;
        }
        if (still_named(f, dir, name)) {
            uint64_t size = 0;
            ro_status status = vd_fs_size(f, &size, shown, err);
            if (status) {
                close(f);
                return status;
            }
            if (fresh) *fresh = size == 0;
            *fd = f;
            return RO_OK;
        }
        close(f);
    }
}

ro_status vd_fs_read(int fd, void *bytes, uint64_t n, uint64_t at, const char *shown, ro_err *err)
{
    uint8_t *to = bytes;
    while (n) {
        ssize_t got = pread(fd, to, n < ONE_CALL ? n : ONE_CALL, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return vd_fs_failed("read", shown, err);
        if (got == 0)
            return RO_FAIL(err, RO_EFORMAT, "%.160s is cut off at byte %llu", shown,
                           (unsigned long long)at);
        to += got;
        at += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return RO_OK;
}

ro_status vd_fs_write(int fd, const void *bytes, uint64_t n, uint64_t at, const char *shown,
                      ro_err *err)
{
    const uint8_t *from = bytes;
    while (n) {
        ssize_t put = pwrite(fd, from, n < ONE_CALL ? n : ONE_CALL, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put == 0) errno = ENOSPC;
        if (put <= 0) return vd_fs_failed("write", shown, err);
        from += put;
        at += (uint64_t)put;
        n -= (uint64_t)put;
    }
    return RO_OK;
}

ro_status vd_fs_truncate(int fd, uint64_t size, const char *shown, ro_err *err)
{
    int done;
    do done = ftruncate(fd, (off_t)size);
    while (done < 0 && errno == EINTR);
    return done < 0 ? vd_fs_failed("shorten", shown, err) : RO_OK;
}

ro_status vd_fs_sync(int fd, const char *shown, ro_err *err)
{
    int done;
    do done = fsync(fd);
    while (done < 0 && errno == EINTR);
    return done < 0 ? vd_fs_failed("sync", shown, err) : RO_OK;
}

ro_status vd_fs_size(int fd, uint64_t *size, const char *shown, ro_err *err)
{
    struct stat s;
    if (fstat(fd, &s) < 0) return vd_fs_failed("look at", shown, err);
    if (!S_ISREG(s.st_mode)) return RO_FAIL(err, RO_EFORMAT, "%.160s is not a regular file", shown);
    *size = (uint64_t)s.st_size;
    return RO_OK;
}

ro_status vd_fs_publish(int fd, int dir, const char *partial, const char *name, const char *shown,
                        ro_err *err)
{
    char folder[VD_FS_NAME_MAX];
    RO_TRY(vd_fs_sync(fd, shown, err));
    if (renameat(dir, partial, dir, name) < 0) return vd_fs_failed("rename", shown, err);
    const char *slash = strrchr(name, '/');
    size_t n = slash ? (size_t)(slash - name) : 1;
    RO_ASSERT(n < sizeof folder);
    memcpy(folder, slash ? name : ".", n);
    folder[n] = 0;
    int above = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0) return vd_fs_failed("open the folder of", shown, err);
    /* Some file systems have no sync of folders and say EINVAL: their renames are ordered. */
    int done = fsync(above);
    ro_status status =
        done < 0 && errno != EINVAL ? vd_fs_failed("sync the folder of", shown, err) : RO_OK;
    close(above);
    return status;
}

/* ---- views ------------------------------------------------------------------------------- */

#define WINDOW UINT64_C(4096) /* no larger than a page of any system: forgetting goes by pages */

struct vd_fs_view {
    const char *path;
    int fd;
    uint64_t size, kept;
    uint8_t *bytes; /* of the file, where they were read; NULL: it is empty */
    uint8_t *had;   /* a bit for each window, in reserved memory too: few of them are ever set */
    ro_err why;     /* of the first failure */
};

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* Addresses for the whole file, memory for what is written there. */
static void *reserve(void *at, uint64_t size)
{
    return mmap(at, (size_t)size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
}

static uint64_t had_bytes(const vd_fs_view *v) { return (v->size - 1) / WINDOW / 8 + 1; }

static ro_status open_view(vd_fs_view *v, ro_err *err)
{
    /* O_NONBLOCK: a pipe of that name must not hold us up before it is refused. */
    v->fd = open(v->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (v->fd < 0) return vd_fs_failed("open", v->path, err);
    RO_TRY(vd_fs_size(v->fd, &v->size, v->path, err));
    if (v->size > SIZE_MAX / 2)
        return RO_FAIL(err, RO_ELIMIT, "%.160s has %llu bytes, too many for this machine", v->path,
                       (unsigned long long)v->size);
    if (!v->size) return RO_OK;
    void *p = reserve(NULL, v->size);
    if (p == MAP_FAILED) return vd_fs_failed("find room to read", v->path, err);
    v->bytes = p;
    p = reserve(NULL, had_bytes(v));
    if (p == MAP_FAILED) return vd_fs_failed("find room to read", v->path, err);
    v->had = p;
    return RO_OK;
}

ro_status vd_fs_view_open(const char *path, vd_fs_view **out, ro_err *err)
{
    vd_fs_view *v = ro_alloc_zero(sizeof *v);
    if (!v) return RO_FAIL(err, RO_ENOMEM, "no memory to read %.160s", path);
    v->path = path;
    ro_status status = open_view(v, err);
    if (status) {
        vd_fs_view_close(v);
        return status;
    }
    *out = v;
    return RO_OK;
}

void vd_fs_view_close(vd_fs_view *v)
{
    if (!v) return;
    if (v->bytes) munmap(v->bytes, (size_t)v->size);
    if (v->had) munmap(v->had, (size_t)had_bytes(v));
    if (v->fd >= 0) close(v->fd);
    ro_free(v);
}

uint64_t vd_fs_view_size(const vd_fs_view *v) { return v->size; }
uint64_t vd_fs_view_kept(const vd_fs_view *v) { return v->kept; }

static int has_window(const vd_fs_view *v, uint64_t w) { return v->had[w / 8] >> w % 8 & 1; }

/* Windows [lo, hi), none of which was read. A failure is one of the medium, whatever it looks like:
 * the bytes were there when the file was opened. */
static void read_windows(vd_fs_view *v, uint64_t lo, uint64_t hi)
{
    uint64_t at = lo * WINDOW, end = hi * WINDOW < v->size ? hi * WINDOW : v->size;
    ro_err why = {RO_OK, {0}};
    ro_status status = vd_fs_read(v->fd, v->bytes + at, end - at, at, v->path, &why);
    if (status == RO_EFORMAT)
        status = RO_FAIL(&v->why, RO_EIO, "%.160s was cut while it was read", v->path);
    else if (status) status = RO_FAIL(&v->why, RO_EIO, "%s", why.msg);
    for (uint64_t w = lo; w < hi; w++) v->had[w / 8] |= (uint8_t)(1u << w % 8);
    v->kept += (hi - lo) * WINDOW;
}

const uint8_t *vd_fs_view_at(vd_fs_view *v, uint64_t at, uint64_t n)
{
    RO_ASSERT(at <= v->size && n <= v->size - at);
    uint64_t w = at / WINDOW, end = n ? (at + n - 1) / WINDOW + 1 : w;
    while (w < end) {
        uint64_t from = w;
        while (w < end && !has_window(v, w)) w++;
        if (from < w) read_windows(v, from, w);
        else w++;
    }
    return v->bytes + at;
}

ro_status vd_fs_view_status(const vd_fs_view *v, ro_err *err)
{
    return v->why.code ? RO_FAIL(err, v->why.code, "%s", v->why.msg) : RO_OK;
}

/* The bits before the bytes: a window that is marked read is never the zeros of fresh memory. */
void vd_fs_view_forget(vd_fs_view *v, uint64_t from)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), begin = (from + page - 1) / page * page;
    if (begin >= v->size) return;
    uint64_t w = begin / WINDOW, all = had_bytes(v), whole = (w / 8 / page + 1) * page;
    if (whole < all && reserve(v->had + whole, all - whole) == MAP_FAILED) return; /* it is kept */
    for (uint64_t end = whole < all ? whole * 8 : all * 8; w < end; w++)
        v->had[w / 8] &= (uint8_t)~(1u << w % 8);
    v->kept = 0;
    for (w = 0; w < begin / WINDOW; w++) v->kept += has_window(v, w) ? WINDOW : 0;
    (void)reserve(v->bytes + begin, v->size - begin); /* or it is read again where it is kept */
}

/* ---- whole files --------------------------------------------------------------------------- */

ro_status vd_fs_replace(const char *path, const void *bytes, uint64_t size, ro_err *err)
{
    int dir = -1, fd = -1;
    const char *base;
    char partial[VD_FS_NAME_MAX];
    RO_TRY(vd_fs_folder_of(path, &dir, &base, err));
    snprintf(partial, sizeof partial, ".%.480s.partial", base);
    ro_status st = vd_fs_lock(dir, partial, path, 0, &fd, NULL, err);
    if (!st) st = vd_fs_truncate(fd, 0, path, err);
    if (!st) st = vd_fs_write(fd, bytes, size, 0, path, err);
    if (!st) st = vd_fs_publish(fd, dir, partial, base, path, err);
    if (st && fd >= 0) (void)unlinkat(dir, partial, 0);
    if (fd >= 0) close(fd);
    close(dir);
    return st;
}
