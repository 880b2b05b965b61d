/* test_store.c - the store: what is put is got, what is missing, short or altered is refused.
 *
 * Names carry the threat of docs/THREATS.md that they test. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "small_job.h"

typedef struct { char *folder; vd_store *store; ro_err err; } fixture;

static fixture set_up(void)
{
    fixture f;
    memset(&f, 0, sizeof f);
    f.folder = strdup(small_folder());
    must(vd_store_open(in_folder(f.folder, "store"), 1, &f.store, &f.err), &f.err);
    return f;
}

static void tear_down(fixture *f)
{
    vd_store_close(f->store);
    remove_folder(f->folder);
    free(f->folder);
}

static uint8_t *random_bytes(uint64_t n, uint64_t seed)
{
    uint8_t *p = malloc(n ? n : 1);
    for (uint64_t k = 0; k < n; k++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        p[k] = (uint8_t)(seed >> 56);
    }
    return p;
}

static const char *tensor_path(const fixture *f, const vd_digest *d)
{
    char hex[65], name[120];
    vd_digest_hex(d, hex);
    snprintf(name, sizeof name, "store/tensors/%.2s/%s", hex, hex);
    return in_folder(f->folder, name);
}

static vd_digest put(fixture *f, const ro_type *t, const void *data)
{
    vd_digest d;
    vd_tensor_digest(t, data, NULL, d.b);
    must(vd_store_put(f->store, t, data, &d, &f->err), &f->err);
    return d;
}

/* Sizes at every boundary: no bytes, one chunk and its neighbours, more than one piece. */
Test(store, round_trips, .timeout = 60)
{
    fixture f = set_up();
    static const ro_dtype dtypes[] = {RO_F32, RO_F64, RO_I32, RO_I64, RO_U8, RO_BOOL, RO_BF16};
    static const int64_t sizes[] = {0, 1, 2, 511, 512, 513, 1023, 1024, 1025, 4096, 4097, 300000};
    for (size_t k = 0; k < 7; k++)
        for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
            ro_type t = ro_type_of(dtypes[k], 2, (int64_t[]){1, sizes[n]}), u;
            uint64_t size = ro_type_bytes(&t);
            uint8_t *data = random_bytes(size, k * 100 + n), *got = malloc(size + 1);
            vd_digest d = put(&f, &t, data);
            cr_assert(vd_store_has(f.store, &d));
            must(vd_store_get(f.store, &d, &t, got, &f.err), &f.err);
            cr_assert_eq(memcmp(data, got, size), 0);
            uint8_t *copy, *canonical = malloc(size + 1);
            uint64_t n_read, from = size / 3;
            ro_canonical_bytes(t.dtype, data, canonical, ro_type_elements(&t));
            must(vd_store_copy(f.store, &d, size, &u, &copy, &f.err), &f.err);
            cr_assert(ro_type_equal(&t, &u) && memcmp(copy, canonical, size) == 0);
            must(vd_store_read(f.store, &d, from, size, &u, copy, &n_read, &f.err), &f.err);
            cr_assert(ro_type_equal(&t, &u) && n_read == size - from);
            cr_assert_eq(memcmp(copy, canonical + from, n_read), 0);
            must(vd_store_read(f.store, &d, size + 1, 1, &u, copy, &n_read, &f.err), &f.err);
            cr_assert_eq(n_read, 0);
            ro_free(copy);
            free(canonical);
            free(data);
            free(got);
        }
    ro_type scalar = ro_type_of(RO_F64, 0, NULL);
    double x = 1.5, y = 0;
    vd_digest d = put(&f, &scalar, &x);
    must(vd_store_get(f.store, &d, &scalar, &y, &f.err), &f.err);
    cr_assert(x - y == 0);
    tear_down(&f);
}

Test(store, missing_things)
{
    fixture f = set_up();
    vd_digest d = made_up(1, 2, 3), slots[3];
    ro_type t = ro_type_of(RO_U8, 1, (int64_t[]){5}), u;
    uint8_t data[5], *copy;
    vd_store *s = NULL;
    cr_assert(!vd_store_has(f.store, &d));
    cr_assert_eq(vd_store_get(f.store, &d, &t, data, &f.err), RO_ENOTFOUND);
    f.err.code = RO_OK;
    cr_assert_eq(vd_store_copy(f.store, &d, 5, &u, &copy, &f.err), RO_ENOTFOUND);
    f.err.code = RO_OK;
    cr_assert_eq(vd_store_get_state(f.store, &d, slots, 3, &f.err), RO_ENOTFOUND);
    f.err.code = RO_OK;
    cr_assert_eq(vd_store_open(in_folder(f.folder, "none"), 0, &s, &f.err), RO_ENOTFOUND);
    f.err.code = RO_OK;
    cr_assert_eq(vd_store_open(in_folder(f.folder, "no/ne"), 1, &s, &f.err), RO_ENOTFOUND);
    f.err.code = RO_OK;
    small_put(in_folder(f.folder, "file"), "x", 1);
    cr_assert_eq(vd_store_open(in_folder(f.folder, "file"), 1, &s, &f.err), RO_EIO);
    f.err.code = RO_OK;
    must(vd_store_open(in_folder(f.folder, "store"), 0, &s, &f.err), &f.err);
    cr_assert_str_eq(vd_store_path(s), in_folder(f.folder, "store"));
    vd_store_close(s);
    tear_down(&f);
}

/* Short by any number of bytes, longer, or with any byte altered: get says so. */
Test(store, test_T26_altered_tensors)
{
    fixture f = set_up();
    ro_type t = ro_type_of(RO_F32, 1, (int64_t[]){40}), u;
    uint8_t *data = random_bytes(160, 1), got[160], *copy;
    size_t size;
    vd_digest d = put(&f, &t, data);
    const char *path = strdup(tensor_path(&f, &d));
    uint8_t *bytes = small_read(path, &size);
    cr_assert_eq(size, 128 + 160);
    for (size_t n = 0; n <= size; n++) {
        uint8_t *longer = malloc(size + 1);
        memcpy(longer, bytes, size);
        longer[size] = 0;
        small_put(path, longer, n < size ? n : size + 1);
        free(longer);
        memset(&f.err, 0, sizeof f.err);
        cr_assert_eq(vd_store_get(f.store, &d, &t, got, &f.err), RO_EFORMAT, "%zu bytes", n);
    }
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 1;
        small_put(path, bytes, size);
        bytes[at] ^= 1;
        memset(&f.err, 0, sizeof f.err);
        cr_assert_eq(vd_store_get(f.store, &d, &t, got, &f.err), RO_EFORMAT, "byte %zu", at);
        cr_assert(strlen(f.err.msg) > 10);
    }
    /* A copy tells only what sizes tell. */
    small_put(path, bytes, size - 1);
    cr_assert_eq(vd_store_copy(f.store, &d, size, &u, &copy, &f.err), RO_EFORMAT);
    /* The whole is put again over a short one. */
    memset(&f.err, 0, sizeof f.err);
    must(vd_store_put(f.store, &t, data, &d, &f.err), &f.err);
    must(vd_store_get(f.store, &d, &t, got, &f.err), &f.err);
    /* T71: the right bytes under another type are refused. */
    ro_type flat = ro_type_of(RO_F32, 2, (int64_t[]){4, 10}), ints = t;
    ints.dtype = RO_I32;
    cr_assert_eq(vd_store_get(f.store, &d, &flat, got, &f.err), RO_EFORMAT);
    cr_assert_eq(vd_store_get(f.store, &d, &ints, got, &f.err), RO_EFORMAT);
    free(bytes);
    free(data);
    free((void *)(uintptr_t)path);
    tear_down(&f);
}

/* A link under a tensor's name is not followed. */
Test(store, test_T54_links)
{
    fixture f = set_up();
    ro_type t = ro_type_of(RO_U8, 1, (int64_t[]){3});
    uint8_t got[3];
    vd_digest d = put(&f, &t, "abc");
    const char *path = strdup(tensor_path(&f, &d));
    const char *away = strdup(in_folder(f.folder, "away"));
    cr_assert_eq(rename(path, away), 0);
    cr_assert_eq(symlink(away, path), 0);
    cr_assert(!vd_store_has(f.store, &d));
    cr_assert_eq(vd_store_get(f.store, &d, &t, got, &f.err), RO_EIO);
    free((void *)(uintptr_t)path);
    free((void *)(uintptr_t)away);
    tear_down(&f);
}

/* ---- the chunk tree ---------------------------------------------------------------------- */

Test(store, chunk_trees, .timeout = 120)
{
    fixture f = set_up();
    static const int64_t sizes[] = {0, 1, 4096, 4097, 8192, 12289, 255 * 4096 + 1, 256 * 4096,
                                    257 * 4096 + 7, 700 * 4096 + 5};
    static uint8_t out[VD_DESCEND_MAX * VD_DIGEST];
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        ro_type t = ro_type_of(RO_U8, 1, (int64_t[]){sizes[k]}), u;
        uint8_t *data = random_bytes((uint64_t)sizes[k], k), header[VD_TENSOR_HEADER_MAX];
        vd_digest d = put(&f, &t, data), root, again;
        uint64_t n = vd_tensor_chunks(&t);
        uint32_t count;
        must(vd_store_chunk_root(f.store, &d, &u, &root, &f.err), &f.err);
        size_t size = vd_tensor_header_encode(&u, root.b, header);
        vd_tensor_header_digest(header, size, again.b);
        cr_assert(vd_digest_equal(&d, &again));
        for (uint32_t depth = 0; n && depth <= VD_DESCEND_DEPTH_MAX; depth++) {
            must(vd_store_descend(f.store, &d, &u, 0, n, depth, out, &count, &f.err), &f.err);
            cr_assert(vd_descend_verify(VD_TREE_CHUNKS, 0, n, depth, out, count, root.b));
        }
        if (n >= 512) { /* a question about an inner node, answered by the root's answer */
            uint8_t node[2 * VD_DIGEST];
            must(vd_store_descend(f.store, &d, &u, 0, n, 1, node, &count, &f.err), &f.err);
            must(vd_store_descend(f.store, &d, &u, 512, n, 5, out, &count, &f.err), &f.err);
            cr_assert(vd_descend_verify(VD_TREE_CHUNKS, 512, n, 5, out, count, node + VD_DIGEST));
        }
        cr_assert_eq(vd_store_descend(f.store, &d, &u, 0, n + 1, 1, out, &count, &f.err),
                     RO_EUSAGE);
        memset(&f.err, 0, sizeof f.err);
        cr_assert_eq(vd_store_descend(f.store, &d, &u, 0, n, 13, out, &count, &f.err), RO_EUSAGE);
        memset(&f.err, 0, sizeof f.err);
        free(data);
    }
    tear_down(&f);
}

/* ---- states and snapshots ---------------------------------------------------------------- */

Test(store, states)
{
    fixture f = set_up();
    vd_digest slots[3] = {made_up(1, 0, 0), made_up(2, 0, 0), made_up(3, 0, 0)}, got[3];
    vd_digest root = vd_state_root(slots, 3);
    char hex[65], name[120];
    size_t size;
    must(vd_store_put_state(f.store, &root, slots, 3, &f.err), &f.err);
    must(vd_store_put_state(f.store, &root, slots, 3, &f.err), &f.err);
    must(vd_store_get_state(f.store, &root, got, 3, &f.err), &f.err);
    cr_assert_eq(memcmp(slots, got, sizeof got), 0);
    cr_assert_eq(vd_store_get_state(f.store, &root, got, 2, &f.err), RO_EFORMAT);
    vd_digest_hex(&root, hex);
    snprintf(name, sizeof name, "store/states/%s", hex);
    uint8_t *bytes = small_read(in_folder(f.folder, name), &size);
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 16;
        small_put(in_folder(f.folder, name), bytes, size);
        bytes[at] ^= 16;
        memset(&f.err, 0, sizeof f.err);
        cr_assert_eq(vd_store_get_state(f.store, &root, got, 3, &f.err), RO_EFORMAT);
    }
    free(bytes);
    tear_down(&f);
}

Test(store, snapshots)
{
    fixture f = set_up();
    ro_arena *a = ro_arena_new();
    vd_job *j = NULL;
    vd_digest got;
    uint64_t at;
    must(small_job(a, 2, 3, 0, 0, &j, &f.err), &f.err);
    must(vd_store_find_snapshot(f.store, j, 8, &at, &got, &f.err), &f.err);
    cr_assert(at == 0 && vd_digest_equal(&got, &j->first_state));
    static const uint64_t steps[] = {9, 2, 100, 5, 1000000007};
    for (size_t k = 0; k < 5; k++) {
        vd_digest root = made_up(steps[k], 0, 0);
        must(vd_store_put_snapshot(f.store, &j->digest, steps[k], &root, &f.err), &f.err);
    }
    static const struct { uint64_t asked, found; } cases[] = {
        {0, 0}, {1, 0}, {2, 2}, {4, 2}, {5, 5}, {8, 5}, {9, 9}, {99, 9}, {100, 100},
        {1000000006, 100}, {1000000007, 1000000007}, {UINT64_MAX, 1000000007}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        vd_digest want = made_up(cases[k].found, 0, 0);
        must(vd_store_find_snapshot(f.store, j, cases[k].asked, &at, &got, &f.err), &f.err);
        cr_assert_eq(at, cases[k].found);
        cr_assert(vd_digest_equal(&got, at ? &want : &j->first_state));
    }
    char hex[65], name[200];
    vd_digest_hex(&j->digest, hex);
    /* Names that are not numbers in one form are no snapshots; a short one is passed over. */
    static const char *const names[] = {"07", "+7", "7x", " 7", "18446744073709551617",
                                        ".7.partial"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        snprintf(name, sizeof name, "store/snapshots/%s/%s", hex, names[k]);
        small_put(in_folder(f.folder, name), got.b, 32);
    }
    snprintf(name, sizeof name, "store/snapshots/%s/9", hex);
    small_put(in_folder(f.folder, name), got.b, 31);
    must(vd_store_find_snapshot(f.store, j, 99, &at, &got, &f.err), &f.err);
    cr_assert_eq(at, 5);
    /* Another run's state for the same step takes the place of the first. */
    vd_digest other = made_up(7, 7, 7);
    must(vd_store_put_snapshot(f.store, &j->digest, 5, &other, &f.err), &f.err);
    must(vd_store_find_snapshot(f.store, j, 5, &at, &got, &f.err), &f.err);
    cr_assert(at == 5 && vd_digest_equal(&got, &other));
    ro_arena_free(a);
    tear_down(&f);
}

/* ---- faults of the machine --------------------------------------------------------------- */

static ro_status everything(fixture *f, const ro_type *t, const void *data, ro_err *err)
{
    vd_store *s = NULL;
    vd_digest d, root, chunks, slots[2] = {made_up(1, 1, 1), made_up(2, 2, 2)}, got[2];
    ro_type u;
    uint8_t *copy = NULL;
    vd_tensor_digest(t, data, NULL, d.b);
    root = vd_state_root(slots, 2);
    void *room = malloc(ro_type_bytes(t));
    ro_status status = vd_store_open(in_folder(f->folder, "store"), 1, &s, err);
    if (!status) status = vd_store_put(s, t, data, &d, err);
    if (!status) status = vd_store_get(s, &d, t, room, err);
    if (!status) status = vd_store_copy(s, &d, ro_type_bytes(t), &u, &copy, err);
    if (!status) ro_free(copy);
    if (!status) status = vd_store_chunk_root(s, &d, &u, &chunks, err);
    if (!status) status = vd_store_put_state(s, &root, slots, 2, err);
    if (!status) status = vd_store_get_state(s, &root, got, 2, err);
    if (!status) status = vd_store_put_snapshot(s, &d, 3, &root, err);
    vd_store_close(s);
    free(room);
    return status;
}

Test(store, every_allocation_fails)
{
    fixture f = set_up();
    ro_type t = ro_type_of(RO_F32, 1, (int64_t[]){5000});
    uint8_t *data = random_bytes(20000, 3);
    for (int persistent = 0; persistent < 2; persistent++)
        for (uint64_t n = 1;; n++) {
            ro_err err = {0};
            ro_alloc_fail_at(n, persistent);
            ro_status status = everything(&f, &t, data, &err);
            ro_alloc_fail_at(0, 0);
            if (!status) break;
            cr_assert_eq(status, RO_ENOMEM, "allocation %d: %s", (int)n, err.msg);
        }
    free(data);
    tear_down(&f);
}

Test(store, test_T57_full_disk)
{
    fixture f = set_up();
    ro_type t = ro_type_of(RO_F32, 1, (int64_t[]){500});
    uint8_t *data = random_bytes(2000, 4);
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    vd_digest d;
    vd_tensor_digest(&t, data, NULL, d.b);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t n = 0; n < 2128; n += 19) {
        struct rlimit limit = {n, RLIM_INFINITY};
        ro_err err = {0};
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        ro_status status = everything(&f, &t, data, &err);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
        cr_assert_eq(status, RO_EIO, "%s", err.msg);
        cr_assert(!vd_store_has(f.store, &d));
    }
    must(everything(&f, &t, data, &f.err), &f.err);
    free(data);
    tear_down(&f);
}

/* Processes that put the same tensors at the same time, some killed half-way: each tensor is
 * whole or absent, and can be put afterwards. */
Test(store, many_writers_and_kill_9, .timeout = 60)
{
    fixture f = set_up();
    ro_type t = ro_type_of(RO_F32, 1, (int64_t[]){300000});
    uint8_t *data = random_bytes(1200000, 5), *got = malloc(1200000);
    vd_digest d;
    pid_t child[6];
    vd_tensor_digest(&t, data, NULL, d.b);
    for (int round = 0; round < 5; round++) {
        fflush(NULL);
        for (int k = 0; k < 6; k++) {
            child[k] = fork();
            if (child[k] == 0) {
                ro_err err = {0};
                _exit(everything(&f, &t, data, &err) ? 1 : 0);
            }
        }
        usleep((useconds_t)(300 * round));
        for (int k = 0; k < 3; k++) kill(child[k], SIGKILL);
        for (int k = 0; k < 6; k++) {
            int code;
            waitpid(child[k], &code, 0);
            cr_assert(WIFSIGNALED(code) || WEXITSTATUS(code) == 0);
        }
        must(vd_store_get(f.store, &d, &t, got, &f.err), &f.err);
        cr_assert_eq(memcmp(data, got, 1200000), 0);
        unlink(tensor_path(&f, &d));
    }
    free(data);
    free(got);
    tear_down(&f);
}
