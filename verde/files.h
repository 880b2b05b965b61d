/* files.h - files that appear complete or not at all (private to verde/).
 *
 * What this file decides: how bytes reach a disk, how two writers of one file are kept apart,
 * and the sentences for what an operating system refuses.
 *
 * Invariants
 *   1. A file is written under another name, synced, renamed, and its folder synced.
 *   2. Who writes holds a lock on the unfinished file from before its first byte to the rename.
 *   3. errno is translated here: RO_EIO with a sentence, RO_ENOTFOUND where nothing is there. */
#ifndef VD_FILES_H
#define VD_FILES_H
#include "../repops/repops.h"

#define VD_FS_NAME_MAX 512u /* bytes of a path below an open folder */

/* Open the folder that holds `path`; *base is the part of path after the last slash.
 *   *dir      out: a descriptor, to be closed
 *   returns   RO_OK; RO_EUSAGE the path names no file; RO_EIO; RO_ENOMEM             */
ro_status vd_fs_folder_of(const char *path, int *dir, const char **base, ro_err *err) RO_CHECKED;

/* Create or open `name` in a folder for reading and writing, locked by this process alone.
 *   wait      1: until another process is done; 0: RO_EIO when another process writes it
 *   shown     what messages call the file
 *   *fd       out: to be closed, which unlocks it
 *   *fresh    out, or NULL: the file is empty                                         */
ro_status vd_fs_lock(int dir, const char *name, const char *shown, int wait, int *fd, int *fresh,
                     ro_err *err) RO_CHECKED;

/* Read or write exactly n bytes at an offset. Reading: RO_EFORMAT when the file ends first. */
ro_status vd_fs_read(int fd, void *bytes, uint64_t n, uint64_t at, const char *shown, ro_err *err)
    RO_CHECKED;
ro_status vd_fs_write(int fd, const void *bytes, uint64_t n, uint64_t at, const char *shown,
                      ro_err *err) RO_CHECKED;
ro_status vd_fs_truncate(int fd, uint64_t size, const char *shown, ro_err *err) RO_CHECKED;
ro_status vd_fs_sync(int fd, const char *shown, ro_err *err) RO_CHECKED;
/* Size of a regular file; RO_EFORMAT when it is something else. */
ro_status vd_fs_size(int fd, uint64_t *size, const char *shown, ro_err *err) RO_CHECKED;

/* Give a written file its final name: sync it, rename it, sync the folder of both names. */
ro_status vd_fs_publish(int fd, int dir, const char *partial, const char *name, const char *shown,
                        ro_err *err) RO_CHECKED;

/* Write a whole file: under its name it is complete or not there at all. */
ro_status vd_fs_replace(const char *path, const void *bytes, uint64_t size, ro_err *err) RO_CHECKED;

/* A file of any size of which little is read, at places that are not known before. What was read
 * lies in memory of this process: it stays as it is whatever becomes of the file, and a file that
 * is cut while it is read is an error, where a mapped one would end the process. Opening takes
 * addresses and no memory, however large the file says it is.
 *   path      borrowed until it is closed
 *   returns   RO_OK; RO_ENOTFOUND; RO_EFORMAT not a regular file; RO_EIO; RO_ENOMEM
 *   thread    one at a time                                                            */
typedef struct vd_fs_view vd_fs_view;
ro_status vd_fs_view_open(const char *path, vd_fs_view **out, ro_err *err) RO_CHECKED;
void vd_fs_view_close(vd_fs_view *v);
uint64_t vd_fs_view_size(const vd_fs_view *v); /* when it was opened */
/* The n bytes from `at` on, which lie in the file, with all that were asked for before at their
 * places around them. What cannot be read is zeros, and from then on vd_fs_view_status fails. */
const uint8_t *vd_fs_view_at(vd_fs_view *v, uint64_t at, uint64_t n);
ro_status vd_fs_view_status(const vd_fs_view *v, ro_err *err) RO_CHECKED;
/* How many bytes are kept; give back what is kept from `from` on: pointers there are void.
 *   cost      forget: a look at every window before `from`, whatever the size of the file     */
uint64_t vd_fs_view_kept(const vd_fs_view *v);
void vd_fs_view_forget(vd_fs_view *v, uint64_t from);

/* Say that the operating system refused `what` ("write", "open") on a file, from errno. */
ro_status vd_fs_failed(const char *what, const char *shown, ro_err *err);

#endif
