/* test_commit.c - SHA-256 in every implementation, trees, proofs, the digest of a tensor.
 *
 * What this file decides: that verde/sha256_lanes.c is FIPS 180-4 and that verde/commit.c is the
 * format of docs/FORMATS.md, judged by OpenSSL and by tests/merkle.py, which share no code with
 * them. Names carry the threat of docs/THREATS.md that they test. */
#define _GNU_SOURCE 1
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../verde/commit.h"
#include "../verde/sha256_lanes.h"

#define H VD_HASH_BYTES
#define LEAVES 320

static const char *const NAMES[] = {"plain", "shani", "arm", "avx512", "avx2", "openssl", "auto"};
#define NAME_COUNT (sizeof NAMES / sizeof NAMES[0])

static void reference(const void *data, size_t size, uint8_t out[H])
{
    cr_assert_eq(EVP_Digest(data, size, out, NULL, EVP_sha256(), NULL), 1);
}

static bool equal(const uint8_t *a, const uint8_t *b) { return memcmp(a, b, H) == 0; }

/* As in tests/merkle.py; no two chunks are alike. */
static void fill(uint8_t *p, size_t size)
{
    uint32_t x = 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (uint8_t)(x >> 24);
    }
}

static void unhex(const char *text, uint8_t *out, size_t size)
{
    cr_assert_eq(strlen(text), 2 * size);
    for (size_t i = 0; i < size; i++) {
        unsigned v = 0;
        cr_assert_eq(sscanf(text + 2 * i, "%2x", &v), 1);
        out[i] = (uint8_t)v;
    }
}

/* Leaf i is the hash of i as 8 little-endian bytes, as in tests/merkle.py. */
static void make_leaves(vd_tree_kind kind, uint64_t n, uint8_t *out)
{
    for (uint64_t i = 0; i < n; i++) {
        uint8_t payload[8];
        for (int k = 0; k < 8; k++) payload[k] = (uint8_t)(i >> 8 * k);
        vd_leaf_hash(kind, payload, sizeof payload, out + H * i);
    }
}

/* ---- SHA-256 ------------------------------------------------------------------------------ */

Test(sha256, published_vectors)
{
    static const struct { const char *message, *digest; } V[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrl"
         "mnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"}};
    static char million[1000000];
    uint8_t want[H], got[H];
    size_t used = 0;
    memset(million, 'a', sizeof million);
    for (size_t k = 0; k < NAME_COUNT; k++) {
        if (!vd_sha256_use(NAMES[k])) continue;
        used++;
        cr_assert(strcmp(NAMES[k], "auto") == 0 || strcmp(vd_sha256_name(), NAMES[k]) == 0);
        for (size_t i = 0; i < sizeof V / sizeof V[0]; i++) {
            vd_sha256(V[i].message, strlen(V[i].message), got);
            unhex(V[i].digest, want, H);
            cr_assert(equal(got, want), "%s, vector %zu", NAMES[k], i);
        }
        vd_sha256(million, sizeof million, got);
        unhex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", want, H);
        cr_assert(equal(got, want), "%s, a million times a", NAMES[k]);
    }
    cr_assert_geq(used, 2u, "plain and openssl at least");
    cr_assert_not(vd_sha256_use("none such"));
    cr_assert(vd_sha256_use("auto"));
}

Test(sha256, streams_cut_anywhere)
{
    static uint8_t data[300];
    uint8_t want[H], got[H];
    fill(data, sizeof data);
    for (size_t k = 0; k < NAME_COUNT; k++) {
        if (!vd_sha256_use(NAMES[k])) continue;
        for (size_t size = 0; size <= sizeof data; size++) {
            reference(data, size, want);
            vd_sha256(data, size, got);
            cr_assert(equal(got, want), "%s, %zu bytes", NAMES[k], size);
            for (size_t step = 1; step <= 130; step += step < 4 ? 1 : 21) {
                vd_sha256_stream s;
                vd_sha256_init(&s);
                for (size_t at = 0; at < size; at += step)
                    vd_sha256_update(&s, data + at, size - at < step ? size - at : step);
                vd_sha256_final(&s, got);
                cr_assert(equal(got, want), "%s, %zu bytes by %zu", NAMES[k], size, step);
            }
        }
    }
}

/* Every number of messages around every group size, every length around every block boundary,
 * packed, spread out and unaligned. */
Test(sha256, groups_against_openssl)
{
    static const size_t SIZES[] = {0,   1,   31,  55,  56,  63,   64,  65,
                                   119, 120, 127, 128, 129, 4095, 4096};
    static uint8_t data[40 * 4200], message[64 + 4096], got[40 * H];
    uint8_t want[H];
    vd_sha256_tag tag;
    fill(data, sizeof data);
    vd_sha256_tag_init(&tag, "verde/1 test");
    memcpy(message, tag.block, 64);
    for (size_t k = 0; k < NAME_COUNT; k++) {
        if (!vd_sha256_use(NAMES[k])) continue;
        for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; s++) {
            size_t size = SIZES[s], stride = size + s % 3;
            for (size_t count = 0; count <= 39; count++) {
                memset(got, 0xcc, sizeof got);
                vd_sha256_many(&tag, data + 1, size, stride, count, got);
                for (size_t i = 0; i < count; i++) {
                    memcpy(message + 64, data + 1 + i * stride, size);
                    reference(message, 64 + size, want);
                    cr_assert(equal(got + H * i, want), "%s size %zu count %zu message %zu",
                              NAMES[k], size, count, i);
                }
                cr_assert(got[H * count] == 0xcc, "wrote past the last digest");
            }
        }
    }
}

Test(sha256, in_place)
{
    static uint8_t data[100 * 64], copy[100 * 64], want[100 * H];
    vd_sha256_tag tag;
    vd_sha256_tag_init(&tag, "verde/1 test");
    fill(data, sizeof data);
    for (size_t k = 0; k < NAME_COUNT; k++) {
        if (!vd_sha256_use(NAMES[k])) continue;
        for (size_t stride = 32; stride <= 64; stride += 32) {
            for (size_t count = 1; count <= 99; count++) {
                memcpy(copy, data, sizeof data);
                vd_sha256_many(&tag, data, stride, stride, count, want);
                vd_sha256_many(&tag, copy, stride, stride, count, copy);
                cr_assert_eq(memcmp(copy, want, H * count), 0, "%s %zu", NAMES[k], count);
            }
        }
    }
}

Test(sha256, environment_names_the_implementation)
{
    cr_assert_eq(setenv("VERDE_SHA", "plain", 1), 0);
    cr_assert_str_eq(vd_sha256_name(), "plain");
}

Test(sha256, unknown_name_in_the_environment_falls_back)
{
    uint8_t want[H], got[H];
    cr_assert_eq(setenv("VERDE_SHA", "quantum", 1), 0);
    reference("abc", 3, want);
    vd_sha256("abc", 3, got);
    cr_assert(equal(got, want));
    cr_assert_str_neq(vd_sha256_name(), "quantum");
}

static void *first_use(void *arg)
{
    vd_tree_root(VD_TREE_STATE, NULL, 0, arg);
    return NULL;
}

Test(sha256, first_use_from_many_threads)
{
    pthread_t threads[8];
    uint8_t got[8][H], want[H], block[64] = "verde/1 state empty";
    for (int i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, first_use, got[i]), 0);
    reference(block, sizeof block, want);
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        cr_assert(equal(got[i], want));
    }
}

/* ---- trees against tests/merkle.py ---------------------------------------------------------- */

static void merkle_path(char *out, size_t size)
{
#ifdef VD_TESTS_DIR
    (void)snprintf(out, size, "%s/merkle.txt", VD_TESTS_DIR);
#else
    const char *end = strrchr(__FILE__, '/');
    (void)snprintf(out, size, "%.*s/merkle.txt", end ? (int)(end - __FILE__) : 1,
                   end ? __FILE__ : ".");
#endif
}

static ro_type type_from_text(unsigned dtype, const char *text)
{
    int64_t dims[RO_RANK_MAX] = {0};
    uint32_t rank = 0;
    while (*text != '\0' && *text != '-') {
        char *end = NULL;
        cr_assert_lt(rank, RO_RANK_MAX);
        dims[rank++] = strtoll(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
    return ro_type_of((ro_dtype)dtype, rank, dims);
}

static void check_hashes(const char *line, const uint8_t *hashes, size_t count, size_t want_count,
                         const char *hex)
{
    uint8_t want[H], got[H];
    unhex(hex, want, H);
    reference(hashes, H * count, got);
    cr_assert_eq(count, want_count, "%s", line);
    cr_assert(equal(got, want), "%s", line);
}

static void check_tree_line(const char *line, const uint8_t *steps)
{
    static uint8_t leaves[1000 * H], out[4096 * H];
    unsigned kind = 0, n = 0, a = 0, b = 0, c = 0, d = 0;
    char hex[80] = "";
    uint8_t want[H], got[H];
    if (sscanf(line, "tagged %u %79s", &n, hex) == 2) {
        fill(leaves, n);
        vd_tagged_hash("verde/1 test", leaves, n, got);
    } else if (sscanf(line, "tree %u %u %79s", &kind, &n, hex) == 3) {
        make_leaves((vd_tree_kind)kind, n, leaves);
        vd_tree_root((vd_tree_kind)kind, leaves, n, got);
    } else if (sscanf(line, "proof %u %u %u %u %79s", &kind, &n, &a, &b, hex) == 5) {
        check_hashes(line, out, vd_proof_from_leaves(VD_TREE_STEPS, steps, n, a, out), b, hex);
        return;
    } else {
        cr_assert_eq(sscanf(line, "descend %u %u %u %u %u %u %79s", &kind, &n, &a, &b, &c, &d, hex),
                     7, "%s", line);
        check_hashes(line, out, vd_descend_from_leaves(VD_TREE_STEPS, steps, n, a, b, c, out), d,
                     hex);
        return;
    }
    unhex(hex, want, H);
    cr_assert(equal(got, want), "%s", line);
}

static void check_tensor_line(const char *line)
{
    static uint8_t bytes[1 << 20], native[1 << 20];
    unsigned dtype = 0;
    char word[8] = "", dims[40] = "", hex[80] = "";
    uint8_t want[H], got[H];
    cr_assert_eq(sscanf(line, "%7s %u %39s %79s", word, &dtype, dims, hex), 4, "%s", line);
    ro_type type = type_from_text(dtype, dims);
    cr_assert_eq(ro_type_check(&type, NULL), RO_OK);
    size_t size = (size_t)ro_type_bytes(&type);
    cr_assert_leq(size, sizeof bytes);
    unhex(hex, want, H);
    if (word[0] == 'z') {
        vd_tensor_digest_zero(&type, got);
        cr_assert(equal(got, want), "%s", line);
        memset(bytes, 0, size);
    } else {
        fill(bytes, size);
    }
    vd_tensor_digest_canonical(&type, bytes, NULL, got);
    cr_assert(equal(got, want), "%s", line);
    ro_canonical_bytes(type.dtype, bytes, native, ro_type_elements(&type));
    vd_tensor_digest(&type, native, NULL, got);
    cr_assert(equal(got, want), "%s", line);
}

Test(tree, T17_same_answers_as_the_python_oracle)
{
    static uint8_t steps[1000 * H];
    char path[4096], line[512];
    int lines = 0;
    merkle_path(path, sizeof path);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    make_leaves(VD_TREE_STEPS, 1000, steps);
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#') continue;
        lines++;
        if (strncmp(line, "tensor ", 7) == 0 || strncmp(line, "zero ", 5) == 0)
            check_tensor_line(line);
        else
            check_tree_line(line, steps);
    }
    (void)fclose(f);
    cr_assert_geq(lines, 470);
}

/* ---- trees -------------------------------------------------------------------------------- */

Test(tree, three_ways_to_one_root)
{
    static uint8_t leaves[LEAVES * H], tree[3 * LEAVES * H];
    uint8_t a[H], b[H], c[H];
    vd_frontier f;
    make_leaves(VD_TREE_NODES, LEAVES, leaves);
    vd_frontier_init(&f, VD_TREE_NODES);
    for (uint64_t n = 0; n <= LEAVES; n++) {
        memcpy(tree, leaves, H * n);
        vd_tree_build(VD_TREE_NODES, tree, n, a);
        vd_tree_root(VD_TREE_NODES, leaves, n, b);
        vd_frontier_root(&f, c);
        cr_assert(equal(a, b) && equal(a, c), "n = %zu", (size_t)n);
        cr_assert_eq(f.count, n);
        if (n > 0) {
            uint32_t levels = vd_tree_levels(n);
            cr_assert_eq(vd_tree_node_offset(n, levels - 1, 0) + 1, vd_tree_size(n));
            cr_assert(equal(tree + H * (vd_tree_size(n) - 1), a));
        }
        if (n < LEAVES) vd_frontier_append(&f, leaves + H * n);
    }
    cr_assert_eq(vd_tree_size(0), 0u);
    cr_assert_eq(vd_tree_levels(0), 0u);
    cr_assert_eq(vd_tree_levels(1), 1u);
    cr_assert_eq(vd_tree_levels(VD_TREE_LEAVES_MAX), 41u);
    cr_assert_eq(vd_tree_size(VD_TREE_LEAVES_MAX), 2 * VD_TREE_LEAVES_MAX - 1);
}

/* No two counts share a root: with equal leaves, with all different ones, and with the last
 * leaf repeated, which is the collision that duplicating an odd node makes. */
Test(tree, T14_n_and_n_plus_1_never_share_a_root)
{
    static uint8_t roots[3][301][H], same[302 * H], other[302 * H], repeat[302 * H];
    make_leaves(VD_TREE_STEPS, 302, other);
    for (size_t i = 0; i < 302; i++) memcpy(same + H * i, other, H);
    for (uint64_t n = 0; n <= 300; n++) {
        memcpy(repeat, other, H * n);
        if (n > 0) memcpy(repeat + H * n, other + H * (n - 1), H);
        vd_tree_root(VD_TREE_STEPS, same, n, roots[0][n]);
        vd_tree_root(VD_TREE_STEPS, other, n, roots[1][n]);
        vd_tree_root(VD_TREE_STEPS, repeat, n + (n > 0), roots[2][n]);
        for (uint64_t m = 0; m < n; m++) {
            cr_assert_not(equal(roots[0][m], roots[0][n]), "%zu %zu", (size_t)m, (size_t)n);
            cr_assert_not(equal(roots[1][m], roots[1][n]), "%zu %zu", (size_t)m, (size_t)n);
        }
        for (uint64_t m = 0; n > 0 && m <= n; m++)
            cr_assert_not(equal(roots[2][n], roots[1][m]), "%zu %zu", (size_t)m, (size_t)n);
    }
}

/* An inner node's hash in a leaf's place: the same bytes as a payload hash to something else,
 * in every kind of tree, so no index, count or path makes it a leaf. */
Test(tree, T13_no_inner_node_is_a_leaf)
{
    static uint8_t leaves[64 * H], tree[130 * H];
    uint8_t root[H], leaf[H], path[VD_PROOF_MAX * H], foreign[H];
    make_leaves(VD_TREE_STEPS, 64, leaves);
    for (uint64_t n = 2; n <= 64; n++) {
        memcpy(tree, leaves, H * n);
        vd_tree_build(VD_TREE_STEPS, tree, n, root);
        for (uint32_t level = 0; level + 1 < vd_tree_levels(n); level++) {
            uint64_t at = vd_tree_node_offset(n, level, 0);
            uint64_t count = vd_tree_node_offset(n, level + 1, 0) - at;
            for (uint64_t i = 0; i + 1 < count; i += 2) {
                const uint8_t *pair = tree + H * (at + i);
                uint64_t parents = (count + 1) / 2, parent = i / 2, last = 0;
                /* the honest path of the parent, in the tree whose leaves are its level */
                uint32_t size = vd_proof_from_leaves(
                    VD_TREE_STEPS, tree + H * vd_tree_node_offset(n, level + 1, 0), parents,
                    parent, path);
                for (int kind = 0; kind < VD_TREE_KINDS; kind++) {
                    vd_leaf_hash((vd_tree_kind)kind, pair, 2 * H, leaf);
                    for (last = 1; last <= n; last++)
                        cr_assert_not(vd_proof_verify(VD_TREE_STEPS, root, last, parent, leaf, path,
                                                      size));
                }
                /* and its very hash is no leaf of the tree that n says it is */
                const uint8_t *hash = tree + H * vd_tree_node_offset(n, level + 1, parent);
                for (uint64_t index = 0; index < n; index++)
                    cr_assert_not(vd_proof_verify(VD_TREE_STEPS, root, n, index, hash, path, size));
                if (n < 10) {
                    vd_inner_hash(VD_TREE_NODES, pair, pair + H, foreign);
                    cr_assert_not(equal(foreign, hash), "kinds must differ");
                }
            }
        }
    }
}

Test(tree, T13_all_tags_differ)
{
    uint8_t hash[3 * VD_TREE_KINDS + 1][H], two[2 * H] = {0};
    int n = 0;
    for (int k = 0; k < VD_TREE_KINDS; k++) {
        vd_leaf_hash((vd_tree_kind)k, two, sizeof two, hash[n++]);
        vd_inner_hash((vd_tree_kind)k, two, two + H, hash[n++]);
        vd_tree_root((vd_tree_kind)k, NULL, 0, hash[n++]);
    }
    vd_tagged_hash("verde/1 tensor", two, sizeof two, hash[n++]);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) cr_assert_not(equal(hash[i], hash[j]), "%d %d", i, j);
}

/* ---- proofs ------------------------------------------------------------------------------- */

static void check_proof(const uint8_t *leaves, const uint8_t *tree, const uint8_t *root, uint64_t n,
                        uint64_t index)
{
    uint8_t path[(VD_PROOF_MAX + 1) * H] = {0}, again[VD_PROOF_MAX * H], leaf[H];
    uint32_t size = vd_proof_from_leaves(VD_TREE_STEPS, leaves, n, index, path);
    cr_assert_eq(size, vd_proof_size(n, index));
    cr_assert_eq(vd_proof_from_tree(tree, n, index, again), size);
    cr_assert_eq(memcmp(path, again, H * size), 0);
    memcpy(leaf, leaves + H * index, H);
    cr_assert(vd_proof_verify(VD_TREE_STEPS, root, n, index, leaf, path, size));
    cr_assert_not(vd_proof_verify(VD_TREE_NODES, root, n, index, leaf, path, size) && n > 1);
    for (uint32_t other = 0; other <= size + 1; other++)
        cr_assert(vd_proof_verify(VD_TREE_STEPS, root, n, index, leaf, path, other) ==
                  (other == size));
    for (uint64_t other = 0; other < n + 2; other++)
        cr_assert(vd_proof_verify(VD_TREE_STEPS, root, n, other, leaf, path, size) ==
                  (other == index));
    for (uint32_t bit = 0; bit < 8 * H * size; bit += 37) {
        path[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_not(vd_proof_verify(VD_TREE_STEPS, root, n, index, leaf, path, size));
        path[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    leaf[index % H] ^= 1;
    cr_assert_not(vd_proof_verify(VD_TREE_STEPS, root, n, index, leaf, path, size));
}

Test(proof, T13_T16_every_index_of_every_tree_up_to_64)
{
    static uint8_t leaves[64 * H], tree[130 * H];
    uint8_t root[H];
    make_leaves(VD_TREE_STEPS, 64, leaves);
    for (uint64_t n = 1; n <= 64; n++) {
        memcpy(tree, leaves, H * n);
        vd_tree_build(VD_TREE_STEPS, tree, n, root);
        for (uint64_t index = 0; index < n; index++) check_proof(leaves, tree, root, n, index);
    }
}

Test(proof, T16_indices_out_of_range)
{
    static const uint64_t HUGE_ONES[] = {1, 2, 63, 64, UINT64_C(1) << 32, UINT64_C(1) << 40,
                                         (UINT64_C(1) << 40) + 1, INT64_MAX, UINT64_MAX};
    uint8_t leaf[H], path[(VD_PROOF_MAX + 1) * H] = {0}, root[H];
    make_leaves(VD_TREE_STEPS, 1, leaf);
    for (size_t i = 0; i < sizeof HUGE_ONES / sizeof HUGE_ONES[0]; i++) {
        uint64_t x = HUGE_ONES[i];
        cr_assert_not(vd_proof_verify(VD_TREE_STEPS, leaf, 1, x, leaf, path, 0));
        cr_assert_eq(vd_proof_size(x, x), 0u);
        cr_assert_not(vd_proof_root(VD_TREE_STEPS, x, x, leaf, path, 0, root));
        for (size_t size = 0; size <= VD_PROOF_MAX + 1; size++)
            if (x > VD_TREE_LEAVES_MAX)
                cr_assert_not(vd_proof_root(VD_TREE_STEPS, x, 0, leaf, path, size, root));
    }
    cr_assert_not(vd_proof_verify(VD_TREE_STEPS, leaf, 0, 0, leaf, path, 0));
    cr_assert(vd_proof_verify(VD_TREE_STEPS, leaf, 1, 0, leaf, path, 0));
    cr_assert_not(vd_proof_verify(VD_TREE_STEPS, leaf, 1, 0, leaf, path, SIZE_MAX));
}

/* The longest tree: its first and last leaf, with all siblings zero. */
Test(proof, T17_as_many_leaves_as_allowed)
{
    uint8_t leaf[H], path[VD_PROOF_MAX * H] = {0}, first[H], last[H], got[H];
    vd_frontier f;
    make_leaves(VD_TREE_STEPS, 1, leaf);
    cr_assert_eq(vd_proof_size(VD_TREE_LEAVES_MAX, VD_TREE_LEAVES_MAX - 1), VD_PROOF_MAX);
    cr_assert_eq(vd_proof_size(VD_TREE_LEAVES_MAX - 1, VD_TREE_LEAVES_MAX - 2), VD_PROOF_MAX - 1);
    cr_assert(vd_proof_root(VD_TREE_STEPS, VD_TREE_LEAVES_MAX, 0, leaf, path, VD_PROOF_MAX, first));
    cr_assert(vd_proof_root(VD_TREE_STEPS, VD_TREE_LEAVES_MAX, VD_TREE_LEAVES_MAX - 1, leaf, path,
                            VD_PROOF_MAX, last));
    cr_assert_not(equal(first, last));
    vd_frontier_init(&f, VD_TREE_STEPS);
    f.count = VD_TREE_LEAVES_MAX - 1;
    memset(f.peaks, 0, sizeof f.peaks);
    vd_frontier_append(&f, leaf);
    vd_frontier_root(&f, got);
    cr_assert(equal(got, last));
}

Test(proof, T19_zero_hashes_mean_nothing)
{
    uint8_t leaves[8 * H] = {0}, zero[H] = {0}, root[H], path[VD_PROOF_MAX * H] = {0};
    for (uint64_t n = 0; n <= 8; n++) {
        vd_tree_root(VD_TREE_STEPS, leaves, n, root);
        cr_assert(equal(root, zero) == (n == 1), "a lone leaf is its own root, whatever it is");
        for (uint64_t i = 0; i < n; i++) {
            uint32_t size = vd_proof_from_leaves(VD_TREE_STEPS, leaves, n, i, path);
            cr_assert(vd_proof_verify(VD_TREE_STEPS, root, n, i, zero, path, size));
            memset(path, 0, sizeof path);
            cr_assert(vd_proof_verify(VD_TREE_STEPS, zero, n, i, zero, path, size) == (n == 1));
        }
        if (n > 1) {
            cr_assert_not(vd_descend_verify(VD_TREE_STEPS, 0, n, 1, leaves, 2, zero));
            cr_assert_not(vd_proof_verify(VD_TREE_STEPS, zero, 0, 0, zero, path, 0));
        }
    }
}

/* ---- descending --------------------------------------------------------------------------- */

static void check_descend(const uint8_t *leaves, const uint8_t *tree, uint64_t n, uint64_t lo,
                          uint64_t hi, uint32_t depth)
{
    static uint8_t answer[(VD_DESCEND_MAX + 1) * H], again[VD_DESCEND_MAX * H];
    uint8_t node[H];
    uint32_t count = vd_descend_count(lo, hi, depth);
    uint64_t edge = lo;
    cr_assert_leq(count, 1u << depth);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t a = 0, b = 0;
        vd_descend_range(lo, hi, depth, i, &a, &b);
        cr_assert(a == edge && vd_range_is_node(n, a, b));
        edge = b;
    }
    cr_assert_eq(edge, hi);
    vd_tree_root(VD_TREE_STEPS, leaves + H * lo, hi - lo, node);
    cr_assert_eq(vd_descend_from_leaves(VD_TREE_STEPS, leaves, n, lo, hi, depth, answer), count);
    cr_assert_eq(vd_descend_from_tree(tree, n, lo, hi, depth, again), count);
    cr_assert_eq(memcmp(answer, again, H * count), 0);
    cr_assert(vd_descend_verify(VD_TREE_STEPS, lo, hi, depth, answer, count, node));
    cr_assert_not(vd_descend_verify(VD_TREE_STEPS, lo, hi, depth, answer, count + 1, node));
    cr_assert_not(vd_descend_verify(VD_TREE_STEPS, lo, hi, depth, answer, count - 1, node));
    answer[(n * 7 + depth) % (H * count)] ^= 0x10;
    cr_assert_not(vd_descend_verify(VD_TREE_STEPS, lo, hi, depth, answer, count, node));
}

Test(descend, every_node_of_every_tree_up_to_40)
{
    static uint8_t leaves[40 * H], tree[90 * H];
    uint8_t root[H];
    make_leaves(VD_TREE_STEPS, 40, leaves);
    for (uint64_t n = 1; n <= 40; n++) {
        uint64_t nodes = 0;
        memcpy(tree, leaves, H * n);
        vd_tree_build(VD_TREE_STEPS, tree, n, root);
        for (uint64_t lo = 0; lo < n; lo++) {
            for (uint64_t hi = lo + 1; hi <= n; hi++) {
                if (!vd_range_is_node(n, lo, hi)) continue;
                nodes++;
                for (uint32_t depth = 0; depth <= 7; depth++)
                    check_descend(leaves, tree, n, lo, hi, depth);
            }
        }
        cr_assert_eq(nodes, 2 * n - 1, "a binary tree of n leaves has 2n - 1 nodes");
    }
}

Test(descend, T17_largest_answer_and_limits)
{
    static uint8_t leaves[5000 * H], answer[VD_DESCEND_MAX * H];
    uint8_t root[H];
    make_leaves(VD_TREE_STEPS, 5000, leaves);
    for (uint64_t n = 4095; n <= 5000; n += n < 4097 ? 1 : 903) {
        vd_tree_root(VD_TREE_STEPS, leaves, n, root);
        uint32_t count = vd_descend_from_leaves(VD_TREE_STEPS, leaves, n, 0, n, 12, answer);
        cr_assert_leq(count, VD_DESCEND_MAX);
        if (n <= 4096) cr_assert_eq(count, n, "one answer lists all leaves");
        cr_assert(vd_descend_verify(VD_TREE_STEPS, 0, n, 12, answer, count, root));
    }
    cr_assert_eq(vd_descend_count(0, VD_TREE_LEAVES_MAX, 12), VD_DESCEND_MAX);
    cr_assert_not(vd_descend_verify(VD_TREE_STEPS, 0, 5000, 13, answer, 4096, root));
    cr_assert_not(vd_descend_verify(VD_TREE_STEPS, 5, 5, 0, answer, 0, root));
    cr_assert_not(vd_descend_verify(VD_TREE_STEPS, 6, 5, 0, answer, 1, root));
    cr_assert_not(vd_descend_verify(VD_TREE_STEPS, 0, UINT64_MAX, 12, answer, 4096, root));
    vd_inner_hash(VD_TREE_STEPS, leaves, leaves + H, root);
    cr_assert(vd_descend_verify(VD_TREE_STEPS, VD_TREE_LEAVES_MAX - 2, VD_TREE_LEAVES_MAX, 1,
                                leaves, 2, root));
    cr_assert_not(vd_descend_verify(VD_TREE_STEPS, VD_TREE_LEAVES_MAX, VD_TREE_LEAVES_MAX + 2, 1,
                                    leaves, 2, root));
    cr_assert_not(vd_range_is_node(UINT64_MAX, 0, UINT64_MAX));
    cr_assert_not(vd_range_is_node(8, 0, 9));
    cr_assert_not(vd_range_is_node(8, 3, 3));
    cr_assert_not(vd_range_is_node(8, 2, 6));
}

/* ---- tensors ------------------------------------------------------------------------------ */

/* The definition, chunk by chunk, by OpenSSL. */
static void naive_tensor(const ro_type *type, const uint8_t *bytes, uint8_t out[H])
{
    static uint8_t leaves[2000 * H];
    uint8_t message[64 + VD_CHUNK_BYTES], root[H];
    uint64_t n = vd_tensor_chunks(type);
    cr_assert_leq(n, 2000u);
    for (uint64_t i = 0; i < n; i++) {
        size_t size = vd_tensor_chunk_bytes(type, i);
        memset(message, 0, 64);
        memcpy(message, "verde/1 chunks leaf", 19);
        memcpy(message + 64, bytes + VD_CHUNK_BYTES * i, size);
        reference(message, 64 + size, leaves + H * i);
    }
    vd_tree_root(VD_TREE_CHUNKS, leaves, n, root);
    memset(message, 0, 64);
    memcpy(message, "verde/1 tensor", 14);
    size_t size = vd_tensor_header_encode(type, root, message + 64);
    reference(message, 64 + size, out);
}

Test(tensor, sizes_around_every_boundary_in_every_implementation)
{
    static const int64_t SIZES[] = {0, 1, 4095, 4096, 4097, 3 * 4096, 4 * 4096 + 1, 15 * 4096,
                                    16 * 4096, 17 * 4096 - 1, 64 * 4096 - 1, 64 * 4096,
                                    64 * 4096 + 1, 65 * 4096, 300 * 4096 + 77, 1025 * 4096};
    static uint8_t data[1025 * 4096];
    uint8_t want[H], got[H], leaf[2][H];
    ro_pool *pool = NULL;
    fill(data, sizeof data);
    cr_assert_eq(ro_pool_new(3, &pool, NULL), RO_OK);
    for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; s++) {
        ro_type type = ro_type_of(RO_U8, 1, &SIZES[s]);
        naive_tensor(&type, data, want);
        for (size_t k = 0; k < NAME_COUNT; k++) {
            if (!vd_sha256_use(NAMES[k])) continue;
            vd_tensor_digest(&type, data, NULL, got);
            cr_assert(equal(got, want), "%s, %zu bytes", NAMES[k], (size_t)SIZES[s]);
            vd_tensor_digest(&type, data, pool, got);
            cr_assert(equal(got, want), "%s, %zu bytes, pool", NAMES[k], (size_t)SIZES[s]);
        }
        uint64_t chunks = vd_tensor_chunks(&type);
        for (uint64_t i = chunks > 2 ? chunks - 2 : 0; i < chunks; i++) {
            vd_tensor_chunk_hashes(&type, data, i, 1, leaf[0]);
            vd_leaf_hash(VD_TREE_CHUNKS, data + 4096 * i, vd_tensor_chunk_bytes(&type, i), leaf[1]);
            cr_assert(equal(leaf[0], leaf[1]));
        }
    }
    ro_pool_free(pool);
}

/* Over 64 MiB the parallel form works in rounds. */
Test(tensor, zero_tensors_large_and_small)
{
    static const int64_t SIZES[] = {0, 1, 4096, 4097, 5 * 4096, 64 * 4096 + 5, (65 << 20) + 4099};
    uint8_t want[H], got[H], *zeros = calloc(1, (65u << 20) + 4099);
    cr_assert_not_null(zeros);
    for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; s++) {
        ro_type type = ro_type_of(RO_U8, 1, &SIZES[s]);
        vd_tensor_digest(&type, zeros, NULL, want);
        vd_tensor_digest_zero(&type, got);
        cr_assert(equal(got, want), "%zu bytes", (size_t)SIZES[s]);
    }
    free(zeros);
    ro_type most = ro_type_of(RO_F64, 1, (const int64_t[]){(int64_t)RO_ELEMENTS_MAX});
    vd_tensor_digest_zero(&most, got);
}

/* A chunk, its path and a type lead to the tensor's digest; no other chunk, path or type does. */
static int leads_to(const uint8_t digest[H], const ro_type *type, uint64_t i, const uint8_t *chunk,
                    size_t bytes, const uint8_t *path, size_t n)
{
    uint8_t leaf[H], root[H], got[H], header[VD_TENSOR_HEADER_MAX];
    vd_leaf_hash(VD_TREE_CHUNKS, chunk, bytes, leaf);
    if (!vd_proof_root(VD_TREE_CHUNKS, vd_tensor_chunks(type), i, leaf, path, n, root)) return 0;
    vd_tensor_header_digest(header, vd_tensor_header_encode(type, root, header), got);
    return equal(got, digest);
}

Test(tensor, T16_chunk_proofs)
{
    static uint8_t data[37 * 4096 + 12], leaves[38 * H], path[VD_PROOF_MAX * H];
    const int64_t size = sizeof data;
    ro_type type = ro_type_of(RO_U8, 1, &size), shape = type;
    uint8_t digest[H];
    fill(data, sizeof data);
    shape.rank = 2, shape.dims[1] = 1;
    vd_tensor_digest(&type, data, NULL, digest);
    vd_tensor_chunk_hashes(&type, data, 0, 38, leaves);
    for (uint64_t i = 0; i < 38; i++) {
        uint8_t *chunk = data + 4096 * i;
        size_t bytes = vd_tensor_chunk_bytes(&type, i);
        uint32_t n = vd_proof_from_leaves(VD_TREE_CHUNKS, leaves, 38, i, path);
        cr_assert(leads_to(digest, &type, i, chunk, bytes, path, n));
        cr_assert_not(leads_to(digest, &shape, i, chunk, bytes, path, n));
        cr_assert_not(leads_to(digest, &type, i ^ 1, chunk, bytes, path, n));
        cr_assert_not(leads_to(digest, &type, i, chunk, bytes - 1, path, n));
        cr_assert_not(leads_to(digest, &type, i, chunk, bytes, path, n + 1));
        chunk[i % bytes] ^= 4;
        cr_assert_not(leads_to(digest, &type, i, chunk, bytes, path, n));
        chunk[i % bytes] ^= 4;
    }
    cr_assert_not(leads_to(digest, &type, 38, data, 0, path, 0));
    cr_assert_not(leads_to(digest, &type, UINT64_MAX, data, 4096, path, 6));
}

/* Different tensors of the same bytes have different headers, and a header has one meaning. */
Test(tensor, T12_T15_headers_are_injective_and_canonical)
{
    static const int64_t DIMS[][3] = {{6}, {6, 1}, {1, 6}, {2, 3}, {3, 2}, {2, 3, 1}, {0}, {0, 6}};
    static const uint32_t RANK[] = {1, 2, 2, 2, 2, 3, 1, 2};
    static const ro_dtype DTYPES[] = {RO_F32, RO_I32, RO_F64, RO_I64, RO_U8,  RO_BOOL, RO_F16,
                                      RO_BF16, RO_I8, RO_I16, RO_U16, RO_U32, RO_U64};
    uint8_t header[104][VD_TENSOR_HEADER_MAX], root[H] = {7}, got_root[H];
    uint8_t bad[VD_TENSOR_HEADER_MAX];
    size_t size[104], n = 0;
    for (size_t d = 0; d < 13; d++)
        for (size_t s = 0; s < 8; s++, n++) {
            ro_type type = ro_type_of(DTYPES[d], RANK[s], DIMS[s]), back;
            memset(header[n], 0, sizeof header[n]);
            size[n] = vd_tensor_header_encode(&type, root, header[n]);
            cr_assert(vd_tensor_header_decode(header[n], size[n], &back, got_root));
            cr_assert(ro_type_equal(&type, &back) && equal(root, got_root));
            for (size_t m = 0; m < n; m++)
                cr_assert(size[m] != size[n] || memcmp(header[m], header[n], size[n]) != 0);
            for (size_t cut = 0; cut < size[n]; cut++)
                cr_assert_not(vd_tensor_header_decode(header[n], cut, &back, got_root));
            cr_assert_not(vd_tensor_header_decode(header[n], size[n] + 1, &back, got_root));
            for (size_t bit = 0; bit < 8 * (size[n] - H); bit++) {
                memcpy(bad, header[n], size[n]);
                bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
                if (!vd_tensor_header_decode(bad, size[n], &back, got_root)) continue;
                cr_assert_not(ro_type_equal(&type, &back), "%zu %zu bit %zu", d, s, bit);
            }
        }
    cr_assert_eq(n, 104u);
}

Test(tensor, every_bit_counts)
{
    static uint8_t data[9000];
    const int64_t size = sizeof data;
    ro_type type = ro_type_of(RO_U8, 1, &size);
    uint8_t first[H], got[H];
    fill(data, sizeof data);
    vd_tensor_digest(&type, data, NULL, first);
    for (size_t bit = 0; bit < 8 * sizeof data; bit += 61) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        vd_tensor_digest(&type, data, NULL, got);
        cr_assert_not(equal(got, first), "bit %zu", bit);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
