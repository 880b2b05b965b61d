/* digest.c - digests as text, and the roots of a state and of a step's outputs.
 *
 * Invariants
 *   1. A digest has one text: 64 lower-case hexadecimal digits. */
#include "verde.h"

#include <string.h>

int vd_digest_equal(const vd_digest *a, const vd_digest *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

void vd_digest_hex(const vd_digest *d, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof d->b; i++) {
        hex[2 * i] = digits[d->b[i] >> 4];
        hex[2 * i + 1] = digits[d->b[i] & 15];
    }
    hex[64] = 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

ro_status vd_digest_parse(const char *hex, vd_digest *d, ro_err *err)
{
    vd_digest made;
    size_t n = strnlen(hex, 65);
    if (n != 64)
        return RO_FAIL(err, RO_EFORMAT, "a digest has %s64 characters; it must have 64",
                       n > 64 ? "more than " : "fewer than ");
    for (size_t i = 0; i < sizeof made.b; i++) {
        int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return RO_FAIL(err, RO_EFORMAT,
                           "character %zu of a digest is not a digit or one of a to f",
                           2 * i + (high < 0 ? 1 : 2));
        made.b[i] = (uint8_t)(high << 4 | low);
    }
    *d = made;
    return RO_OK;
}

/* Leaves are hashed in groups, so that several run side by side. */
static vd_digest root_of_digests(vd_tree_kind kind, const vd_digest *digests, uint64_t count)
{
    enum { GROUP = 64 };
    uint8_t leaves[GROUP * VD_DIGEST];
    vd_frontier f;
    vd_digest root;
    vd_frontier_init(&f, kind);
    for (uint64_t at = 0; at < count; at += GROUP) {
        uint64_t n = count - at < GROUP ? count - at : GROUP;
        vd_leaf_hashes(kind, digests[at].b, VD_DIGEST, (size_t)n, leaves);
        for (uint64_t i = 0; i < n; i++) vd_frontier_append(&f, leaves + i * VD_DIGEST);
    }
    vd_frontier_root(&f, root.b);
    return root;
}

vd_digest vd_state_root(const vd_digest *slots, uint32_t count)
{
    return root_of_digests(VD_TREE_STATE, slots, count);
}

vd_digest vd_outputs_digest(const vd_digest *outputs, uint32_t count)
{
    return root_of_digests(VD_TREE_STEP_OUTPUTS, outputs, count);
}

vd_digest vd_step_digest(uint64_t step)
{
    ro_type t = ro_type_of(RO_I64, 0, NULL);
    int64_t v = (int64_t)step;
    vd_digest d;
    vd_tensor_digest(&t, &v, NULL, d.b);
    return d;
}
