/* test_vectors.c - the conformance vectors, and the reader of vectors.
 * Every operator has a file of its version, and the CPU backend gives every answer in it with one
 * thread and with two; the scalar bodies give the answers of the operators whose elements are
 * cheap (RO_VECTORS_ALL=1: of all, minutes). Texts that are not vectors are refused where they go
 * wrong, cut at every byte or not. */
#include "../repops/repops.h"

#include "../verde/sha256_lanes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    uint64_t operators, cases, failed;
    char first[512];
} tally;

static void count(void *ctx, const ro_vectors_result *r)
{
    tally *t = ctx;
    t->operators++;
    t->cases += r->cases;
    t->failed += r->failed;
    if (r->failed) snprintf(t->first, sizeof t->first, "%s: %s", r->name, r->first);
}

static ro_status check(const char *dir, const char *only, const ro_backend *backend,
                       uint32_t threads, tally *t, ro_err *err)
{
    ro_pool *pool = NULL;
    ro_vectors_options o;
    memset(&o, 0, sizeof o);
    memset(t, 0, sizeof *t);
    if (threads > 1) cr_assert_eq(ro_pool_new(threads, &pool, err), RO_OK, "%s", err->msg);
    o.dir = dir;
    o.only = only;
    o.backend = backend;
    o.pool = pool;
    o.sha256 = vd_sha256;
    o.report = count;
    o.ctx = t;
    ro_status s = ro_vectors_check(&o, err);
    ro_pool_free(pool);
    return s;
}

#define VECTORS VERDE_SOURCE_DIR "/vectors"

static void all_agree(const char *only, const ro_backend *backend, uint32_t threads)
{
    ro_err err = {RO_OK, ""};
    tally t;
    cr_assert_eq(check(VECTORS, only, backend, threads, &t, &err), RO_OK, "%s", err.msg);
    cr_assert_eq(t.failed, 0, "%s", t.first);
    cr_assert_eq(t.operators, only ? 1 : (uint64_t)RO_OP_COUNT);
    cr_assert_gt(t.cases, 0);
}

Test(vectors, backend_one_thread) { all_agree(NULL, ro_cpu(), 1); }
Test(vectors, backend_two_threads) { all_agree(NULL, ro_cpu(), 2); }

/* A body that reads a whole row for an element costs the square of the row's length. */
static int dear(ro_op op)
{
    static const char *const rows[] = {"ReduceMaxGrad", "Softmax", "LayerNorm", "RMSNorm"};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (strstr(ro_ops[op].name, rows[k])) return 1;
    return 0;
}

Test(vectors, scalar_bodies)
{
    int all = getenv("RO_VECTORS_ALL") != NULL, ran = 0;
    for (int op = 0; op < RO_OP_COUNT; op++) {
        if (!all && dear((ro_op)op)) continue;
        all_agree(ro_ops[op].name, NULL, 2);
        ran++;
    }
    cr_assert_gt(ran, 40);
}

/* ---- texts ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/test_vectors.XXXXXX";
static char path[64];

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/Neg.vec", folder);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

static ro_status check_bytes(const char *text, size_t n, tally *t, ro_err *err)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
    memset(err, 0, sizeof *err);
    return check(folder, "Neg", NULL, 1, t, err);
}

#define HEAD "operator Neg 1\n"
#define GOOD HEAD "case a in f32 1 2 hex 3f800000 00000000 out f32 1 2 hex bf800000 80000000\n" \
    "# a comment\ncase b in i64 0 hex 0000000000000005 # another\n out i64 0\nhex fffffffffffffffb"

Test(vectors, a_good_text, .init = make_folder, .fini = remove_folder)
{
    tally t;
    ro_err err;
    cr_assert_eq(check_bytes(GOOD, strlen(GOOD), &t, &err), RO_OK, "%s", err.msg);
    cr_assert_eq(t.cases, 2);
    cr_assert_eq(t.failed, 0, "%s", t.first);
}

/* Cut anywhere, a text is refused or has fewer cases; never are there answers it does not have. */
Test(vectors, cut_at_every_byte, .init = make_folder, .fini = remove_folder)
{
    size_t n = strlen(GOOD), refused = 0;
    for (size_t cut = 0; cut < n; cut++) {
        tally t;
        ro_err err;
        ro_status s = check_bytes(GOOD, cut, &t, &err);
        cr_assert(s == RO_OK || s == RO_EFORMAT, "cut at %zu: %s", cut, err.msg);
        if (s == RO_EFORMAT) {
            cr_assert_not_null(strstr(err.msg, "line "), "%s", err.msg);
            refused++;
        } else {
            cr_assert(t.cases == 1 || t.failed == 1, "cut at %zu", cut);
        }
    }
    cr_assert_gt(refused, n / 2);
}

Test(vectors, refused_texts, .init = make_folder, .fini = remove_folder)
{
    static const struct { const char *text, *why; } texts[] = {
        {"operator Relu 1\n", "is not Neg"},
        {"operator Neg -1\n", "decimal number"},
        {"operator Neg 01\n", "decimal number"},
        {"operator Neg 99999999999999999999\n", "small enough"},
        {HEAD "case a in f8 0 hex 00 out f8 0 hex 00", "is not a dtype"},
        {HEAD "case a in f16 0 gen 1 below 2049 out f16 0 hex 0000", "small enough"},
        {HEAD "case a in f32 9 1 1 1 1 1 1 1 1 1 hex 00000000", "small enough"},
        {HEAD "case a in f32 2 1048576 1048576 gen 1 bits", "at most 4194304"},
        {HEAD "case a in f32 8 4194304 4194304 4194304 4194304 4194304 4194304 4194304 4194304 "
              "gen 1 bits", "more than"},
        {HEAD "case a in f32 1 18446744073709551616 hex", "small enough"},
        {HEAD "case a in f32 0 hex 3F800000 out f32 0 hex bf800000", "lower case"},
        {HEAD "case a in f32 0 hex 3f80000 out f32 0 hex bf800000", "width"},
        {HEAD "case a in f32 0 gen 1 index 3 out f32 0 hex bf800000", "generator"},
        {HEAD "case a in bool 0 gen 1 special out bool 0 hex 00", "generator"},
        {HEAD "case a in i32 0 gen 1 below 0 out i32 0 hex 00000000", "limit"},
        {HEAD "case a in i32 0 gen 1 below 2147483649 out i32 0 hex 00000000", "small enough"},
        {HEAD "case a attr x u32 1 in f32 0 gen 1 bits", "output of the case"},
        {HEAD "case a in f32 0 gen 1 bits", "output of the case"},
        {HEAD "case a in f32 0 gen 1 bits out f32 0 sha256 12", "SHA-256"},
        {HEAD "case a in f32 0 gen 1 bits out f32 0 bytes 12", "sha256"},
        {HEAD "case a in f32 0 hex 00000000 out f32 0 hex 80000000 extra", "the next case"},
        {HEAD "case aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaaaaaaaaaaaaaa", "at most 95"},
    };
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        tally t;
        ro_err err;
        ro_status s = check_bytes(texts[k].text, strlen(texts[k].text), &t, &err);
        cr_assert(s == RO_EFORMAT || s == RO_ELIMIT, "text %zu: status %d", k, (int)s);
        cr_assert_not_null(strstr(err.msg, texts[k].why), "text %zu: %s", k, err.msg);
    }
}

Test(vectors, failed_cases, .init = make_folder, .fini = remove_folder)
{
    static const struct { const char *text, *why; } texts[] = {
        {"operator Neg 2\ncase a in f32 0 gen 1 bits out f32 0 hex 00000000", "another version"},
        {HEAD, "no case"},
        {HEAD "case a in f32 0 hex 3f800000 out f32 0 hex bf800001", "is bf800000, the vector"},
        {HEAD "case a in f32 0 hex 3f800000 out f64 0 hex bff0000000000000", "the vector says"},
        {HEAD "case a in bool 0 hex 01 out bool 0 hex 01", "takes N"},
        {HEAD "case a in absent out f32 0 hex 00000000", "lacks its input"},
        {HEAD "case a in f32 1 65 gen 1 normal out f32 1 65 sha256 "
              "0000000000000000000000000000000000000000000000000000000000000000", "digest"},
    };
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        tally t;
        ro_err err;
        cr_assert_eq(check_bytes(texts[k].text, strlen(texts[k].text), &t, &err), RO_OK,
                     "text %zu: %s", k, err.msg);
        cr_assert_eq(t.failed, 1, "text %zu", k);
        cr_assert_not_null(strstr(t.first, texts[k].why), "text %zu: %s", k, t.first);
    }
}

Test(vectors, missing_file_and_operator, .init = make_folder, .fini = remove_folder)
{
    tally t;
    ro_err err = {RO_OK, ""};
    cr_assert_eq(check(folder, "Neg", NULL, 1, &t, &err), RO_OK);
    cr_assert_eq(t.failed, 1);
    cr_assert_eq(check(folder, "Nag", NULL, 1, &t, &err), RO_EOP);
}

/* The n-th allocation fails, for every n until none does. */
Test(vectors, out_of_memory, .init = make_folder, .fini = remove_folder)
{
    tally t;
    ro_err err;
    uint64_t n = 1;
    for (ro_status s = RO_ENOMEM; s != RO_OK; n++) {
        cr_assert_lt(n, 200);
        FILE *f = fopen(path, "wb");
        cr_assert(f && fputs(GOOD, f) >= 0 && fclose(f) == 0);
        memset(&err, 0, sizeof err);
        ro_alloc_fail_at(n, 0);
        s = check(folder, "Neg", NULL, 1, &t, &err);
        ro_alloc_fail_at(0, 0);
        cr_assert(s == RO_OK || s == RO_ENOMEM, "%s", err.msg);
    }
    cr_assert_gt(n, 4);
    cr_assert_eq(t.cases, 2);
    cr_assert_eq(t.failed, 0, "%s", t.first);
}
