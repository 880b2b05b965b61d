/* key.c - Ed25519 keys and signatures, by OpenSSL.
 *
 * What this file decides: which keys and signatures count. OpenSSL 3.0 verifies one fixed
 * signature for a share of all messages under the points of small order, and takes encodings
 * with y >= p; both are refused here first.
 *
 * Invariants
 *   1. A key file is made readable by its owner alone, and one that others can read is refused.
 *   2. A public key that passes has one encoding and a large order; a signature has S < L.
 *   3. Private bytes are wiped before their memory is given back.
 *   4. That OpenSSL could not begin its work (no memory) is an error, never a bad signature. */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "verde.h"

#define KEY_FILE_MAX 4096u

struct vd_key {
    EVP_PKEY *pair;
    uint8_t public[32];
};

/* ---- public keys and signatures ---------------------------------------------------------- */

/* Is a < b, as little-endian numbers of 32 bytes? */
static int below(const uint8_t a[32], const uint8_t b[32])
{
    for (int k = 31; k >= 0; k--)
        if (a[k] != b[k]) return a[k] < b[k];
    return 0;
}

static vd_digest number(const char *hex)
{
    vd_digest n;
    ro_err err = {RO_OK, {0}};
    RO_ASSERT(vd_digest_parse(hex, &n, &err) == RO_OK);
    return n;
}

ro_status vd_check_key(const uint8_t key[32], ro_err *err)
{
    static const char P[] = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    /* y of the points whose order divides 8: 1, p - 1, 0, and the two of order 8. */
    static const char *const small[5] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"};
    vd_digest y, p = number(P);
    memcpy(y.b, key, 32);
    y.b[31] &= 0x7f; /* the top bit is the sign of x */
    if (!below(y.b, p.b))
        return RO_FAIL(err, RO_ESIGNATURE, "a public key is not in its canonical encoding");
    for (int k = 0; k < 5; k++) {
        vd_digest s = number(small[k]);
        if (vd_digest_equal(&y, &s))
            return RO_FAIL(err, RO_ESIGNATURE,
                           "a public key is a point of small order, under which anyone can sign");
    }
    return RO_OK;
}

/* 1, 0, or -1: it could not be tried. What is wrong with a point or a signature shows in
 * EVP_DigestVerify; what comes before it fails only for want of memory. */
static int verifies(const uint8_t key[32], const void *bytes, size_t n, const uint8_t sig[64])
{
    EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int good = -1;
    if (k && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1)
        good = EVP_DigestVerify(c, sig, 64, bytes, n) == 1;
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(k);
    return good;
}

ro_status vd_check_signature(const uint8_t key[32], const void *bytes, size_t n,
                             const uint8_t sig[64], ro_err *err)
{
    /* The order of the base point: 2^252 + 27742317777372353535851937790883648493. */
    static const char L[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    vd_digest order = number(L);
    RO_TRY(vd_check_key(key, err));
    if (!below(sig + 32, order.b))
        return RO_FAIL(err, RO_ESIGNATURE, "a signature has S >= L");
    int good = verifies(key, bytes, n, sig);
    if (good < 0) return RO_FAIL(err, RO_ENOMEM, "OpenSSL could not verify a signature");
    if (!good) return RO_FAIL(err, RO_ESIGNATURE, "the signature does not verify");
    return RO_OK;
}

ro_status vd_sign(const vd_key *k, const void *bytes, size_t n, uint8_t sig[64], ro_err *err)
{
    size_t size = 64;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int good = c && EVP_DigestSignInit(c, NULL, NULL, NULL, k->pair) == 1 &&
               EVP_DigestSign(c, sig, &size, bytes, n) == 1 && size == 64;
    EVP_MD_CTX_free(c);
    return good ? RO_OK : RO_FAIL(err, RO_ENOMEM, "OpenSSL could not sign");
}

ro_status vd_key_derive(const vd_key *k, const char *tag, const void *bytes, size_t n,
                        uint8_t out[32], ro_err *err)
{
    static const uint8_t derive[VD_TAG_BYTES] = "verde/1 derived key";
    uint8_t seed[32], inner[32], message[VD_TAG_BYTES + VD_DERIVE_MAX] = {0};
    size_t seed_size = sizeof seed, length = strlen(tag);
    RO_ASSERT(length >= 1 && length <= VD_TAG_BYTES && n <= VD_DERIVE_MAX);
    memcpy(message, tag, length);
    if (n) memcpy(message + VD_TAG_BYTES, bytes, n);
    int good = EVP_PKEY_get_raw_private_key(k->pair, seed, &seed_size) == 1 && seed_size == 32 &&
               HMAC(EVP_sha256(), seed, 32, derive, sizeof derive, inner, NULL) &&
               HMAC(EVP_sha256(), inner, 32, message, VD_TAG_BYTES + n, out, NULL);
    OPENSSL_cleanse(seed, sizeof seed);
    OPENSSL_cleanse(inner, sizeof inner);
    return good ? RO_OK : RO_FAIL(err, RO_ENOMEM, "OpenSSL could not derive a secret");
}

void vd_fingerprint(const uint8_t key[32], char text[65])
{
    vd_digest d;
    RO_ASSERT(EVP_Digest(key, 32, d.b, NULL, EVP_sha256(), NULL) == 1);
    vd_digest_hex(&d, text);
}

/* ---- key files --------------------------------------------------------------------------- */

/* The file gets its name by a link, which never replaces one that is there. */
static ro_status write_key(int dir, const char *name, const char *path, const void *pem, size_t n,
                           ro_err *err)
{
    char partial[VD_FS_NAME_MAX];
    int length = snprintf(partial, sizeof partial, ".%s.partial", name);
    if (length < 0 || (size_t)length >= sizeof partial)
        return RO_FAIL(err, RO_EUSAGE, "the name of %.160s is too long", path);
    (void)unlinkat(dir, partial, 0); /* left by a killed process */
    int fd = openat(dir, partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return vd_fs_failed("create", path, err);
    ro_status status = vd_fs_write(fd, pem, n, 0, path, err);
    if (!status) status = vd_fs_sync(fd, path, err);
    close(fd);
    if (!status && linkat(dir, partial, dir, name, 0) < 0)
        status = faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0
                     ? RO_FAIL(err, RO_EUSAGE, "%.160s exists; keys are never overwritten", path)
                     : vd_fs_failed("create", path, err);
    (void)unlinkat(dir, partial, 0);
    if (!status) status = vd_fs_sync(dir, path, err);
    return status;
}

ro_status vd_key_new(const char *path, ro_err *err)
{
    int dir = -1;
    const char *name;
    char *pem;
    EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *b = BIO_new(BIO_s_secmem());
    ro_status status = RO_OK;
    if (!k || !b || PEM_write_bio_PKCS8PrivateKey(b, k, NULL, NULL, 0, NULL, NULL) != 1)
        status = RO_FAIL(err, RO_ENOMEM, "OpenSSL could not make a key");
    if (!status) status = vd_fs_folder_of(path, &dir, &name, err);
    if (!status) {
        long n = BIO_get_mem_data(b, &pem);
        status = write_key(dir, name, path, pem, (size_t)n, err);
    }
    if (dir >= 0) close(dir);
    BIO_free(b); /* wipes */
    EVP_PKEY_free(k);
    return status;
}

ro_status vd_key_from_seed(const uint8_t seed[32], vd_key **out, ro_err *err)
{
    size_t n = 32;
    vd_key *k = ro_alloc_zero(sizeof *k);
    if (k) k->pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    if (k && k->pair && EVP_PKEY_get_raw_public_key(k->pair, k->public, &n) == 1 && n == 32) {
        *out = k;
        return RO_OK;
    }
    vd_key_free(k);
    return RO_FAIL(err, RO_ENOMEM, "no memory for a key");
}

/* Encrypted keys are refused rather than a passphrase asked for on a terminal. */
static int no_passphrase(char *to, int size, int writing, void *ctx)
{
    (void)to, (void)size, (void)writing, (void)ctx;
    return -1;
}

static ro_status check_mode(int fd, const char *path, ro_err *err)
{
    struct stat s;
    if (fstat(fd, &s) < 0) return vd_fs_failed("look at", path, err);
    if (s.st_mode & 077)
        return RO_FAIL(err, RO_EUSAGE,
                       "%.120s may be read or written by others (mode %04o); make it 0600", path,
                       (unsigned)(s.st_mode & 07777));
    return RO_OK;
}

static ro_status read_key(const char *path, uint8_t pem[KEY_FILE_MAX], uint64_t *size, ro_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return vd_fs_failed("open", path, err);
    ro_status status = vd_fs_size(fd, size, path, err);
    if (!status) status = check_mode(fd, path, err);
    if (!status && *size > KEY_FILE_MAX)
        status = RO_FAIL(err, RO_ELIMIT, "%.160s has %llu bytes; a key has at most %u", path,
                         (unsigned long long)*size, KEY_FILE_MAX);
    if (!status) status = vd_fs_read(fd, pem, *size, 0, path, err);
    close(fd);
    return status;
}

ro_status vd_key_load(const char *path, vd_key **out, ro_err *err)
{
    uint8_t pem[KEY_FILE_MAX];
    uint64_t size = 0;
    size_t n = 32;
    RO_TRY(read_key(path, pem, &size, err));
    vd_key *k = ro_alloc_zero(sizeof *k);
    BIO *b = BIO_new_mem_buf(pem, (int)size);
    if (k && b) k->pair = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL);
    int had = k && b;
    int good = had && k->pair && EVP_PKEY_get_base_id(k->pair) == EVP_PKEY_ED25519 &&
               EVP_PKEY_get_raw_public_key(k->pair, k->public, &n) == 1 && n == 32;
    BIO_free(b);
    OPENSSL_cleanse(pem, sizeof pem);
    if (good) {
        *out = k;
        return RO_OK;
    }
    vd_key_free(k);
    if (!had) return RO_FAIL(err, RO_ENOMEM, "no memory for a key");
    return RO_FAIL(err, RO_EFORMAT, "%.160s is not an unencrypted Ed25519 key in PEM", path);
}

void vd_key_free(vd_key *k)
{
    if (!k) return;
    EVP_PKEY_free(k->pair); /* wipes */
    ro_free(k);
}

const uint8_t *vd_key_public(const vd_key *k) { return k->public; }
