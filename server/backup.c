/* backup.c - a copy of a ledger that can be opened, while the service goes on.
 *
 * What this file decides: how the copy is made, and that it appears whole or not at all.
 *
 * Invariants
 *   1. The copy is of one instant, between two transactions.
 *   2. It has no `heads`: put beside the service's own, it is an older copy (ledger.h, 5). */
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "../verde/files.h"
#include "ledger.h"

#define PARTIAL "ledger.db.partial"

static ro_status database_failed(sqlite3 *db, const char *what, ro_err *err)
{
    return RO_FAIL(err, RO_EIO, "%s cannot be copied: %s", what, sqlite3_errmsg(db));
}

static ro_status open_database(const char *dir, const char *name, int flags, sqlite3 **out,
                               ro_err *err)
{
    char path[VD_FS_NAME_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return RO_FAIL(err, RO_ELIMIT, "a folder's path has more than %u bytes",
                       VD_FS_NAME_MAX - 20);
    if (access(path, F_OK) != 0) return vd_fs_failed("open", path, err);
    int got = sqlite3_open_v2(path, out, flags, NULL);
    if (!*out) return RO_FAIL(err, RO_ENOMEM, "no memory for the ledger");
    if (got != SQLITE_OK) return database_failed(*out, path, err);
    sqlite3_busy_timeout(*out, 5000);
    return RO_OK;
}

static ro_status copy(sqlite3 *from, sqlite3 *to, ro_err *err)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (!b) return database_failed(to, "the ledger", err);
    /* All pages in one read transaction: by parts it would begin again with every write of the
     * service. In WAL mode it keeps nobody from writing. */
    int got = sqlite3_backup_step(b, -1);
    int end = sqlite3_backup_finish(b);
    return got == SQLITE_DONE && end == SQLITE_OK ? RO_OK
                                                  : database_failed(to, "the ledger", err);
}

static ro_status copy_into(const char *dir, const char *to, ro_err *err)
{
    sqlite3 *a = NULL, *b = NULL;
    ro_status st = open_database(dir, "ledger.db", SQLITE_OPEN_READONLY, &a, err);
    if (st == RO_OK) st = open_database(to, PARTIAL, SQLITE_OPEN_READWRITE, &b, err);
    if (st == RO_OK) st = copy(a, b, err);
    sqlite3_close(b);
    sqlite3_close(a);
    return st;
}

ro_status sv_backup(const char *dir, const char *to, ro_err *err)
{
    int folder = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return vd_fs_failed("open", to, err);
    if (faccessat(folder, "ledger.db", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        close(folder);
        return RO_FAIL(err, RO_EUSAGE, "%.160s has a ledger; none is ever overwritten", to);
    }
    int fd = openat(folder, PARTIAL, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    ro_status st = fd < 0 ? vd_fs_failed("create", PARTIAL, err) : copy_into(dir, to, err);
    if (st == RO_OK) st = vd_fs_publish(fd, folder, PARTIAL, "ledger.db", to, err);
    if (st && fd >= 0) (void)unlinkat(folder, PARTIAL, 0);
    if (fd >= 0) close(fd);
    close(folder);
    return st;
}
