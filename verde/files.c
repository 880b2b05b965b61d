/* files.c - whole reads and writes, locks, names that appear at the end; errno in sentences. */
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

ro_status vd_fs_map(int dir, const char *name, const char *shown, const uint8_t **bytes,
                    uint64_t *size, ro_err *err)
{
    /* O_NONBLOCK: a pipe of that name must not hold us up before it is refused. */
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint64_t n = 0;
    void *p = NULL;
    if (fd < 0) return vd_fs_failed("open", shown, err);
    ro_status status = vd_fs_size(fd, &n, shown, err);
    if (!status && n > SIZE_MAX / 2)
        status = RO_FAIL(err, RO_ELIMIT, "%.160s has %llu bytes, too many for this machine", shown,
                         (unsigned long long)n);
    if (!status && n) {
        p = mmap(NULL, (size_t)n, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) status = vd_fs_failed("map", shown, err);
    }
    close(fd);
    if (status) return status;
    *bytes = p;
    *size = n;
    return RO_OK;
}

void vd_fs_unmap(const uint8_t *bytes, uint64_t size)
{
    if (bytes) munmap((void *)(uintptr_t)bytes, (size_t)size);
}
