/* test_key.c - Ed25519 keys and signatures: which files, keys and signatures count.
 *
 * Names carry the threat of docs/THREATS.md that they test. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <signal.h>
#include <sys/resource.h>

#include "bad_keys.h"
#include "small_job.h"

static vd_digest bytes_of(const char *hex)
{
    vd_digest d;
    ro_err err = {0};
    must(vd_digest_parse(hex, &d, &err), &err);
    return d;
}

static ro_status check(const uint8_t key[32], const void *m, size_t n, const uint8_t sig[64])
{
    ro_err err = {0};
    ro_status status = vd_check_signature(key, m, n, sig, &err);
    cr_assert(status == RO_OK || (status == RO_ESIGNATURE && strlen(err.msg) > 10));
    return status;
}

/* RFC 8032, 7.1, tests 1 to 3: they verify, and with any bit turned they do not. */
Test(key, known_signatures)
{
    static const struct { const char *key, *r, *s; uint8_t m[2]; size_t n; } tests[] = {
        {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
         "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b", {0}, 0},
        {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
         "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00", {0x72}, 1},
        {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
         "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a", {0xaf, 0x82}, 2}};
    for (size_t k = 0; k < 3; k++) {
        vd_digest key = bytes_of(tests[k].key), r = bytes_of(tests[k].r), s = bytes_of(tests[k].s);
        uint8_t sig[64];
        memcpy(sig, r.b, 32);
        memcpy(sig + 32, s.b, 32);
        cr_assert_eq(check(key.b, tests[k].m, tests[k].n, sig), RO_OK);
        for (int bit = 0; bit < 512; bit += 3) {
            sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert_eq(check(key.b, tests[k].m, tests[k].n, sig), RO_ESIGNATURE);
            sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (int bit = 0; bit < 256; bit += 3) {
            key.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert_eq(check(key.b, tests[k].m, tests[k].n, sig), RO_ESIGNATURE);
            key.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        cr_assert_eq(check(key.b, "x", 1, sig), RO_ESIGNATURE);
    }
}

/* The 14 encodings of points of small order. R = the base point, S = 1 verifies under them for a
 * share of all messages when only OpenSSL is asked: the test looks that they would have. */
Test(key, test_T09_small_order_keys)
{
    uint8_t sig[64] = {0x58};
    memset(sig + 1, 0x66, 31);
    sig[32] = 1;
    int forged = 0;
    for (size_t k = 0; k < SMALL_ORDER_KEYS; k++) {
        vd_digest key = bytes_of(small_order_keys[k]);
        ro_err err = {0};
        cr_assert_eq(vd_check_key(key.b, &err), RO_ESIGNATURE, "key %zu", k);
        for (uint8_t m = 0; m < 64; m++) {
            EVP_PKEY *p = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key.b, 32);
            EVP_MD_CTX *c = EVP_MD_CTX_new();
            forged += EVP_DigestVerifyInit(c, NULL, NULL, NULL, p) == 1 &&
                      EVP_DigestVerify(c, sig, 64, &m, 1) == 1;
            EVP_MD_CTX_free(c);
            EVP_PKEY_free(p);
            cr_assert_eq(check(key.b, &m, 1, sig), RO_ESIGNATURE, "key %zu", k);
        }
    }
    cr_assert(forged > 100, "%d", forged);
}

/* y >= p: p + 2 to 2^255 - 1, either sign. p - 2 is another matter. */
Test(key, test_T09_non_canonical_keys)
{
    ro_err err = {0};
    for (int low = 0xed; low <= 0xff; low++)
        for (int high = 0x7f; high <= 0xff; high += 0x80) {
            uint8_t key[32];
            memset(key, 0xff, 32);
            key[0] = (uint8_t)low;
            key[31] = (uint8_t)high;
            cr_assert_eq(vd_check_key(key, &err), RO_ESIGNATURE);
        }
    uint8_t key[32];
    memset(key, 0xff, 32);
    key[0] = 0xeb;
    key[31] = 0x7f;
    memset(&err, 0, sizeof err);
    cr_assert_eq(vd_check_key(key, &err), RO_OK);
    cr_assert_eq(check(key, "m", 1, (const uint8_t[64]){0}), RO_ESIGNATURE); /* not on the curve */
}

Test(key, test_T09_large_s)
{
    char *folder = strdup(small_folder());
    ro_err err = {0};
    vd_key *k = NULL;
    uint8_t sig[64];
    vd_digest order = bytes_of("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    must(vd_key_new(in_folder(folder, "key"), &err), &err);
    must(vd_key_load(in_folder(folder, "key"), &k, &err), &err);
    must(vd_sign(k, "message", 7, sig, &err), &err);
    cr_assert_eq(check(vd_key_public(k), "message", 7, sig), RO_OK);
    unsigned carry = 0;
    for (int i = 0; i < 32; i++) { /* S + L is the same number mod L */
        carry += (unsigned)sig[32 + i] + order.b[i];
        sig[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    cr_assert_eq(check(vd_key_public(k), "message", 7, sig), RO_ESIGNATURE);
    memcpy(sig + 32, order.b, 32);
    cr_assert_eq(check(vd_key_public(k), "message", 7, sig), RO_ESIGNATURE);
    vd_key_free(k);
    remove_folder(folder);
    free(folder);
}

Test(key, files)
{
    char *folder = strdup(small_folder());
    const char *path = in_folder(folder, "key");
    ro_err err = {0};
    struct stat s;
    vd_key *k = NULL, *again = NULL;
    size_t size;
    umask(0); /* the mode is ours to set */
    must(vd_key_new(path, &err), &err);
    cr_assert(stat(path, &s) == 0 && (s.st_mode & 07777) == 0600);
    cr_assert_eq(access(in_folder(folder, ".key.partial"), F_OK), -1);
    must(vd_key_load(path, &k, &err), &err);
    must(vd_key_load(path, &again, &err), &err);
    cr_assert_eq(memcmp(vd_key_public(k), vd_key_public(again), 32), 0);
    vd_key_free(again);
    uint8_t *pem = small_read(path, &size);
    cr_assert_eq(memcmp(pem, "-----BEGIN PRIVATE KEY-----\n", 28), 0); /* PKCS#8 */
    cr_assert_eq(vd_key_new(path, &err), RO_EUSAGE);
    cr_assert(strstr(err.msg, "never overwritten"));
    static const mode_t shared[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666, 0777};
    for (size_t m = 0; m < sizeof shared / sizeof *shared; m++) {
        chmod(path, shared[m]);
        memset(&err, 0, sizeof err);
        cr_assert_eq(vd_key_load(path, &again, &err), RO_EUSAGE, "mode %o", shared[m]);
        cr_assert(strstr(err.msg, "others"));
    }
    chmod(path, 0400);
    must(vd_key_load(path, &again, &(ro_err){0}), &err);
    vd_key_free(again);
    char text[65];
    uint8_t sum[32];
    vd_digest d;
    vd_fingerprint(vd_key_public(k), text);
    cr_assert_eq(EVP_Digest(vd_key_public(k), 32, sum, NULL, EVP_sha256(), NULL), 1);
    d = bytes_of(text);
    cr_assert_eq(memcmp(d.b, sum, 32), 0);
    free(pem);
    vd_key_free(k);
    remove_folder(folder);
    free(folder);
}

static void put_private(const char *path, const void *bytes, size_t n)
{
    unlink(path);
    small_put(path, bytes, n);
    chmod(path, 0600);
}

Test(key, files_that_are_no_key)
{
    char *folder = strdup(small_folder());
    const char *path = in_folder(folder, "key"), *other = in_folder(folder, "other");
    ro_err err = {0};
    vd_key *k = NULL;
    size_t size;
    must(vd_key_new(path, &err), &err);
    uint8_t *pem = small_read(path, &size);
    for (size_t n = 0; n + 2 < size; n++) { /* without its last newline it is still whole */
        put_private(other, pem, n);
        memset(&err, 0, sizeof err);
        cr_assert_eq(vd_key_load(other, &k, &err), RO_EFORMAT, "%zu bytes", n);
        cr_assert(strlen(err.msg) > 10);
    }
    char large[5000] = {0};
    put_private(other, large, sizeof large);
    memset(&err, 0, sizeof err);
    cr_assert_eq(vd_key_load(other, &k, &err), RO_ELIMIT);
    memset(&err, 0, sizeof err);
    cr_assert_eq(vd_key_load(in_folder(folder, "none"), &k, &err), RO_ENOTFOUND);
    memset(&err, 0, sizeof err);
    cr_assert_eq(vd_key_load(folder, &k, &err), RO_EFORMAT);
    memset(&err, 0, sizeof err);
    cr_assert_eq(vd_key_new(in_folder(folder, "no/key"), &err), RO_ENOTFOUND);
    free(pem);
    remove_folder(folder);
    free(folder);
}

/* An encrypted key asks nobody for a passphrase, and a key of another kind is refused. */
Test(key, other_keys)
{
    char *folder = strdup(small_folder());
    const char *path = in_folder(folder, "key");
    static const char *const kinds[] = {"X25519", "ED448", "ED25519"};
    for (int k = 0; k < 3; k++) {
        ro_err err = {0};
        vd_key *key = NULL;
        FILE *f = fopen(path, "wb");
        EVP_PKEY *p = EVP_PKEY_Q_keygen(NULL, NULL, kinds[k]);
        cr_assert(PEM_write_PKCS8PrivateKey(f, p, k == 2 ? EVP_aes_128_cbc() : NULL, "secret",
                                            k == 2 ? 6 : 0, NULL, NULL));
        fclose(f);
        EVP_PKEY_free(p);
        chmod(path, 0600);
        cr_assert_eq(vd_key_load(path, &key, &err), RO_EFORMAT, "%s", kinds[k]);
    }
    remove_folder(folder);
    free(folder);
}

Test(key, test_T57_full_disk)
{
    char *folder = strdup(small_folder());
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t n = 0; n < 100; n += 20) {
        struct rlimit limit = {n, RLIM_INFINITY};
        ro_err err = {0};
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        ro_status status = vd_key_new(in_folder(folder, "key"), &err);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
        cr_assert_eq(status, RO_EIO);
        cr_assert_eq(access(in_folder(folder, "key"), F_OK), -1);
        cr_assert_eq(access(in_folder(folder, ".key.partial"), F_OK), -1);
    }
    remove_folder(folder);
    free(folder);
}

Test(key, every_allocation_fails)
{
    char *folder = strdup(small_folder());
    ro_err err = {0};
    must(vd_key_new(in_folder(folder, "key"), &err), &err);
    for (uint64_t n = 1;; n++) {
        vd_key *k = NULL;
        memset(&err, 0, sizeof err);
        ro_alloc_fail_at(n, 1);
        ro_status status = vd_key_load(in_folder(folder, "key"), &k, &err);
        if (!status) status = vd_key_new(in_folder(folder, "more"), &err);
        ro_alloc_fail_at(0, 0);
        vd_key_free(k);
        if (!status) break;
        cr_assert_eq(status, RO_ENOMEM);
    }
    remove_folder(folder);
    free(folder);
}
