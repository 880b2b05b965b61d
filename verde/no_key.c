/* no_key.c - what stands in for key.c in a build without OpenSSL.
 *
 * Invariants
 *   1. Nothing is ever signed, and no signature is ever called good: RO_EOP says that this
 *      program cannot tell. vd_trace_open then reports a trace as unchecked. */
#include "verde.h"

static ro_status refuse(ro_err *err)
{
    return RO_FAIL(err, RO_EOP, "this program was built without OpenSSL and has no signatures");
}

ro_status vd_key_new(const char *path, ro_err *err)
{
    (void)path;
    return refuse(err);
}

ro_status vd_key_load(const char *path, vd_key **out, ro_err *err)
{
    (void)path, (void)out;
    return refuse(err);
}

ro_status vd_key_from_seed(const uint8_t seed[32], vd_key **out, ro_err *err)
{
    (void)seed, (void)out;
    return refuse(err);
}

ro_status vd_key_derive(const vd_key *k, const char *tag, const void *bytes, size_t n,
                        uint8_t out[32], ro_err *err)
{
    (void)k, (void)tag, (void)bytes, (void)n, (void)out;
    return refuse(err);
}

void vd_key_free(vd_key *k) { RO_ASSERT(!k); }

const uint8_t *vd_key_public(const vd_key *k)
{
    RO_ASSERT(!k); /* nothing makes one */
    return NULL;
}

ro_status vd_sign(const vd_key *k, const void *bytes, size_t n, uint8_t sig[64], ro_err *err)
{
    (void)k, (void)bytes, (void)n, (void)sig;
    return refuse(err);
}

ro_status vd_check_signature(const uint8_t key[32], const void *bytes, size_t n,
                             const uint8_t sig[64], ro_err *err)
{
    (void)key, (void)bytes, (void)n, (void)sig;
    return refuse(err);
}
