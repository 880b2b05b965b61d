/* signatures.c - of the signatures that were made here few are checked.
 *
 * What this file decides: that what vd_sign has given is known to be good (tests/test_key.c shows
 * that it is). Checking a signature is most of what a simulated message costs, and nearly all were
 * made by the same process a moment ago. One of 16 of those is checked all the same, and any other
 * every time. The linker hands the calls here (CMakeLists.txt lists the names).
 *
 * Invariants
 *   1. What is known is found by SHA-256 of key, signature and bytes. */
#include "../../verde/sha256_lanes.h"
#include "sim.h"

enum { KNOWN_MAX = 1 << 14 }; /* by the first bits of the digest; the later of two is kept */
static vd_digest known[KNOWN_MAX];
static uint32_t asked; /* of those */

static vd_digest *place_of(const uint8_t key[32], const void *bytes, size_t n,
                           const uint8_t signature[64], vd_digest *of)
{
    vd_sha256_stream s;
    vd_sha256_init(&s);
    vd_sha256_update(&s, key, 32);
    vd_sha256_update(&s, signature, 64);
    vd_sha256_update(&s, bytes, n);
    vd_sha256_final(&s, of->b);
    return &known[vd_get_le(of->b, 4) % KNOWN_MAX];
}

ro_status __real_vd_sign(const vd_key *k, const void *bytes, size_t n, uint8_t sig[64],
                         ro_err *err);
ro_status __wrap_vd_sign(const vd_key *k, const void *bytes, size_t n, uint8_t sig[64],
                         ro_err *err);
ro_status __wrap_vd_sign(const vd_key *k, const void *bytes, size_t n, uint8_t sig[64], ro_err *err)
{
    vd_digest of;
    RO_TRY(__real_vd_sign(k, bytes, n, sig, err));
    *place_of(vd_key_public(k), bytes, n, sig, &of) = of;
    return RO_OK;
}

ro_status __real_vd_check_signature(const uint8_t key[32], const void *bytes, size_t n,
                                    const uint8_t sig[64], ro_err *err);
ro_status sim_check_signature(const uint8_t key[32], const void *bytes, size_t n,
                              const uint8_t sig[64], ro_err *err)
{
    vd_digest of;
    if (vd_digest_equal(place_of(key, bytes, n, sig, &of), &of) && asked++ % 16) return RO_OK;
    return __real_vd_check_signature(key, bytes, n, sig, err);
}
