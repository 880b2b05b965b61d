/* sha256_lanes.c - SHA-256, one message or many equal ones at once.
 *
 * What this file decides: which instructions hash. One hash is a chain of dependent steps that
 * leaves most of a core idle; hashing several messages side by side fills it. So the unit here
 * is a group of `width` equal messages, and a tensor is hashed as many 4 KiB messages.
 *
 * Invariants
 *   1. Every implementation gives the bytes of FIPS 180-4; tests/test_commit.c runs all that
 *      the processor has against OpenSSL.
 *   2. No alignment and no byte order is assumed: words are read as big-endian bytes.
 *   3. The file compiles for the plainest processor; what needs more sits in functions with a
 *      `target` attribute that only run after the processor was asked.
 *   4. State of a group is word-major: word i of lane l is state[i * width + l].
 *   5. No allocation, except inside OpenSSL, whose failure falls back to plain C. */
#define _GNU_SOURCE 1
#include "sha256_lanes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../repops/repops.h"

#ifdef VD_HAVE_OPENSSL
#include <openssl/evp.h>
#endif
#if defined(__x86_64__)
#define VD_X86 1
#include <cpuid.h>
#include <immintrin.h>
#endif
/* clang hides the SHA intrinsics from arm_neon.h unless the whole file is compiled for them. */
#if defined(__aarch64__) && defined(__AARCH64EL__) && \
    (defined(__ARM_FEATURE_SHA2) || !defined(__clang__))
#define VD_ARM 1
#include <arm_neon.h>
#include <sys/auxv.h>
#define VD_HWCAP_SHA2 (1UL << 6) /* <asm/hwcap.h> HWCAP_SHA2 */
#endif

#define LANES_MAX 16
#define INLINE static inline __attribute__((always_inline))

typedef void blocks_fn(uint32_t *state, const uint8_t *const *data, size_t blocks);

/* `one` hashes one message, `wide` as many as `width`; both advance `blocks` 64-byte blocks. */
typedef struct implementation {
    const char *name;
    size_t width;
    blocks_fn *one;
    blocks_fn *wide;
    bool (*present)(void);
} implementation;

/* What hashes in this process: `large` for full groups, `small` for what is left over. */
typedef struct selection {
    const implementation *large;
    const implementation *small;
} selection;

static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint32_t K[64] __attribute__((aligned(64))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

INLINE uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

INLINE void store_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* ---- the compression function, once for a word and for a vector of words ----------------- */

/* FIPS 180-4 4.1.2 and 6.2.2 on any type T that adds, shifts and masks: uint32_t, or a GNU
 * vector of them with one message a lane. */
#define ROR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define BIG0(x) (ROR(x, 2) ^ ROR(x, 13) ^ ROR(x, 22))
#define BIG1(x) (ROR(x, 6) ^ ROR(x, 11) ^ ROR(x, 25))
#define SMALL0(x) (ROR(x, 7) ^ ROR(x, 18) ^ ((x) >> 3))
#define SMALL1(x) (ROR(x, 17) ^ ROR(x, 19) ^ ((x) >> 10))
#define CHOOSE(e, f, g) ((g) ^ ((e) & ((f) ^ (g))))
#define MAJORITY(a, b, c) (((a) & (b)) | ((c) & ((a) | (b))))

#define ROUND(a, b, c, d, e, f, g, h, k, w) \
    do { \
        h += (w) + (k); \
        h += CHOOSE(e, f, g); \
        h += BIG1(e); \
        d += h; \
        h += BIG0(a) + MAJORITY(a, b, c); \
    } while (0)

/* The schedule keeps 16 words; each is replaced in the round that uses its successor, which
 * gives the processor independent work (some 3 % with gcc, nothing with clang). */
#define GIVEN_WORD(w, i) w[i]
#define NEXT_WORD(w, i) \
    (w[i] += SMALL1(w[((i) + 14) & 15]) + w[((i) + 9) & 15] + SMALL0(w[((i) + 1) & 15]))

#define EIGHT_ROUNDS(w, i, t, WORD) \
    do { \
        ROUND(a, b, c, d, e, f, g, h, K[(t) + 0], WORD(w, (i) + 0)); \
        ROUND(h, a, b, c, d, e, f, g, K[(t) + 1], WORD(w, (i) + 1)); \
        ROUND(g, h, a, b, c, d, e, f, K[(t) + 2], WORD(w, (i) + 2)); \
        ROUND(f, g, h, a, b, c, d, e, K[(t) + 3], WORD(w, (i) + 3)); \
        ROUND(e, f, g, h, a, b, c, d, K[(t) + 4], WORD(w, (i) + 4)); \
        ROUND(d, e, f, g, h, a, b, c, K[(t) + 5], WORD(w, (i) + 5)); \
        ROUND(c, d, e, f, g, h, a, b, K[(t) + 6], WORD(w, (i) + 6)); \
        ROUND(b, c, d, e, f, g, h, a, K[(t) + 7], WORD(w, (i) + 7)); \
    } while (0)

#define COMPRESS(T, s, w) \
    do { \
        T a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7]; \
        EIGHT_ROUNDS(w, 0, 0, GIVEN_WORD); \
        EIGHT_ROUNDS(w, 8, 8, GIVEN_WORD); \
        for (int t = 16; t < 64; t += 16) { \
            EIGHT_ROUNDS(w, 0, t, NEXT_WORD); \
            EIGHT_ROUNDS(w, 8, t + 8, NEXT_WORD); \
        } \
        s[0] += a, s[1] += b, s[2] += c, s[3] += d; \
        s[4] += e, s[5] += f, s[6] += g, s[7] += h; \
    } while (0)

static void plain_blocks(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
    for (size_t n = 0; n < blocks; n++) {
        uint32_t w[16];
        for (int i = 0; i < 16; i++) w[i] = load_be32(data[0] + 64 * n + 4 * (size_t)i);
        COMPRESS(uint32_t, state, w);
    }
}

static bool always(void) { return true; }

#ifdef VD_X86
/* ---- x86-64: SHA instructions, four messages interleaved --------------------------------- */

#define NI_TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define NI_INLINE static inline __attribute__((always_inline, target("sha,sse4.1,ssse3")))

/* Rounds 4r to 4r+3 of one lane: ab holds a b e f, cd holds c d g h. */
NI_INLINE void ni_rounds(__m128i *ab, __m128i *cd, __m128i words, int r)
{
    __m128i x = _mm_add_epi32(words, _mm_load_si128((const __m128i *)(const void *)(K + 4 * r)));
    *cd = _mm_sha256rnds2_epu32(*cd, *ab, x);
    *ab = _mm_sha256rnds2_epu32(*ab, *cd, _mm_shuffle_epi32(x, 0x0e));
}

/* The next four schedule words, in place of the oldest four, m0. */
NI_INLINE __m128i ni_next(__m128i m0, __m128i m1, __m128i m2, __m128i m3)
{
    __m128i t = _mm_add_epi32(_mm_sha256msg1_epu32(m0, m1), _mm_alignr_epi8(m3, m2, 4));
    return _mm_sha256msg2_epu32(t, m3);
}

NI_INLINE void ni_load(__m128i *m, const uint8_t *p)
{
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const __m128i *q = (const __m128i *)(const void *)p;
    m[0] = _mm_shuffle_epi8(_mm_loadu_si128(q), order);
    m[1] = _mm_shuffle_epi8(_mm_loadu_si128(q + 1), order);
    m[2] = _mm_shuffle_epi8(_mm_loadu_si128(q + 2), order);
    m[3] = _mm_shuffle_epi8(_mm_loadu_si128(q + 3), order);
}

NI_INLINE void ni_state_in(__m128i *ab, __m128i *cd, const uint32_t *state, size_t width)
{
    int h[8];
    for (size_t i = 0; i < 8; i++) h[i] = (int)state[i * width];
    *ab = _mm_set_epi32(h[0], h[1], h[4], h[5]);
    *cd = _mm_set_epi32(h[2], h[3], h[6], h[7]);
}

NI_INLINE void ni_state_out(__m128i ab, __m128i cd, uint32_t *state, size_t width)
{
    state[0 * width] = (uint32_t)_mm_extract_epi32(ab, 3);
    state[1 * width] = (uint32_t)_mm_extract_epi32(ab, 2);
    state[2 * width] = (uint32_t)_mm_extract_epi32(cd, 3);
    state[3 * width] = (uint32_t)_mm_extract_epi32(cd, 2);
    state[4 * width] = (uint32_t)_mm_extract_epi32(ab, 1);
    state[5 * width] = (uint32_t)_mm_extract_epi32(ab, 0);
    state[6 * width] = (uint32_t)_mm_extract_epi32(cd, 1);
    state[7 * width] = (uint32_t)_mm_extract_epi32(cd, 0);
}

/* Indices are literals so that the arrays become registers at -O2, which unrolls no loop. */
#define NI_ROUNDS(l, r) ni_rounds(&ab[l], &cd[l], m[l][(r) & 3], r)
#define NI_NEXT(l, r) \
    (m[l][(r) & 3] = ni_next(m[l][(r) & 3], m[l][((r) + 1) & 3], m[l][((r) + 2) & 3], \
                             m[l][((r) + 3) & 3]))
#define NI_ONE(r) NI_ROUNDS(0, r), NI_NEXT(0, r)
#define NI_FOUR(r) \
    NI_ROUNDS(0, r), NI_NEXT(0, r), NI_ROUNDS(1, r), NI_NEXT(1, r), \
    NI_ROUNDS(2, r), NI_NEXT(2, r), NI_ROUNDS(3, r), NI_NEXT(3, r)
#define NI_FOUR_LAST(r) NI_ROUNDS(0, r), NI_ROUNDS(1, r), NI_ROUNDS(2, r), NI_ROUNDS(3, r)

NI_TARGET static void ni_blocks_1(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
    __m128i ab[1], cd[1], m[1][4];
    ni_state_in(&ab[0], &cd[0], state, 1);
    for (size_t n = 0; n < blocks; n++) {
        __m128i ab0 = ab[0], cd0 = cd[0];
        ni_load(m[0], data[0] + 64 * n);
        NI_ONE(0), NI_ONE(1), NI_ONE(2), NI_ONE(3), NI_ONE(4), NI_ONE(5);
        NI_ONE(6), NI_ONE(7), NI_ONE(8), NI_ONE(9), NI_ONE(10), NI_ONE(11);
        NI_ROUNDS(0, 12), NI_ROUNDS(0, 13), NI_ROUNDS(0, 14), NI_ROUNDS(0, 15);
        ab[0] = _mm_add_epi32(ab[0], ab0);
        cd[0] = _mm_add_epi32(cd[0], cd0);
    }
    ni_state_out(ab[0], cd[0], state, 1);
}

/* The state of four lanes fits the sixteen registers; their schedules go through the stack. */
NI_TARGET static void ni_blocks_4(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
    __m128i ab[4], cd[4], m[4][4];
    for (size_t l = 0; l < 4; l++) ni_state_in(&ab[l], &cd[l], state + l, 4);
    for (size_t n = 0; n < blocks; n++) {
        __m128i ab0 = ab[0], ab1 = ab[1], ab2 = ab[2], ab3 = ab[3];
        __m128i cd0 = cd[0], cd1 = cd[1], cd2 = cd[2], cd3 = cd[3];
        ni_load(m[0], data[0] + 64 * n), ni_load(m[1], data[1] + 64 * n);
        ni_load(m[2], data[2] + 64 * n), ni_load(m[3], data[3] + 64 * n);
        NI_FOUR(0), NI_FOUR(1), NI_FOUR(2), NI_FOUR(3), NI_FOUR(4), NI_FOUR(5);
        NI_FOUR(6), NI_FOUR(7), NI_FOUR(8), NI_FOUR(9), NI_FOUR(10), NI_FOUR(11);
        NI_FOUR_LAST(12), NI_FOUR_LAST(13), NI_FOUR_LAST(14), NI_FOUR_LAST(15);
        ab[0] = _mm_add_epi32(ab[0], ab0), cd[0] = _mm_add_epi32(cd[0], cd0);
        ab[1] = _mm_add_epi32(ab[1], ab1), cd[1] = _mm_add_epi32(cd[1], cd1);
        ab[2] = _mm_add_epi32(ab[2], ab2), cd[2] = _mm_add_epi32(cd[2], cd2);
        ab[3] = _mm_add_epi32(ab[3], ab3), cd[3] = _mm_add_epi32(cd[3], cd3);
    }
    for (size_t l = 0; l < 4; l++) ni_state_out(ab[l], cd[l], state + l, 4);
}

static bool ni_present(void)
{
    unsigned a, b, c, d;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("ssse3") || !__builtin_cpu_supports("sse4.1")) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0;
}

/* ---- x86-64: AVX2, eight messages a vector ----------------------------------------------- */

typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));

/* Half a block (words 8 half to 8 half + 7) of eight messages, one message a lane. */
static inline __attribute__((always_inline, target("avx2"))) void
avx2_load(u32x8 *w, const uint8_t *const *data, size_t at)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
    __m256i t[8], u[8];
    for (int i = 0; i < 8; i++) {
        const uint8_t *p = data[i] + at;
        u[i] = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(const void *)p), order);
    }
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(u[i], u[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(u[i], u[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        w[i] = (u32x8)_mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
        w[i + 4] = (u32x8)_mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
    }
}

__attribute__((target("avx2"))) static void
avx2_blocks(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
    u32x8 s[8], w[16];
    memcpy(s, state, sizeof s);
    for (size_t n = 0; n < blocks; n++) {
        avx2_load(w, data, 64 * n);
        avx2_load(w + 8, data, 64 * n + 32);
        COMPRESS(u32x8, s, w);
    }
    memcpy(state, s, sizeof s);
}

static bool avx2_present(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") != 0;
}

/* ---- x86-64: AVX-512, sixteen messages a vector ------------------------------------------ */

#define AVX512 "avx512f,avx512bw"

/* Compilers find the one-instruction form of the other functions, not of this one (4 % of the
 * instructions). The macro is expanded where COMPRESS is used, so everything above has the
 * plain one. */
#undef MAJORITY
#define MAJORITY(a, b, c) \
    ((u32x16)_mm512_ternarylogic_epi32((__m512i)(a), (__m512i)(b), (__m512i)(c), 0xe8))

static inline __attribute__((always_inline, target(AVX512))) void
avx512_load(u32x16 *w, const uint8_t *const *data, size_t at)
{
    const __m512i order = _mm512_broadcast_i32x4(
        _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
    __m512i t[16], u[16];
    for (int i = 0; i < 16; i++)
        u[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(data[i] + at), order);
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(u[i], u[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(u[i], u[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* u[4i + j]: words j, j + 4, j + 8, j + 12 of messages 4i to 4i + 3, a quarter each */
    for (int j = 0; j < 4; j++) {
        __m512i even0 = _mm512_shuffle_i32x4(u[j], u[j + 4], 0x88);
        __m512i even1 = _mm512_shuffle_i32x4(u[j + 8], u[j + 12], 0x88);
        __m512i odd0 = _mm512_shuffle_i32x4(u[j], u[j + 4], 0xdd);
        __m512i odd1 = _mm512_shuffle_i32x4(u[j + 8], u[j + 12], 0xdd);
        w[j] = (u32x16)_mm512_shuffle_i32x4(even0, even1, 0x88);
        w[j + 4] = (u32x16)_mm512_shuffle_i32x4(odd0, odd1, 0x88);
        w[j + 8] = (u32x16)_mm512_shuffle_i32x4(even0, even1, 0xdd);
        w[j + 12] = (u32x16)_mm512_shuffle_i32x4(odd0, odd1, 0xdd);
    }
}

__attribute__((target(AVX512))) static void
avx512_blocks(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
    u32x16 s[8], w[16];
    memcpy(s, state, sizeof s);
    for (size_t n = 0; n < blocks; n++) {
        avx512_load(w, data, 64 * n);
        COMPRESS(u32x16, s, w);
    }
    memcpy(state, s, sizeof s);
}

static bool avx512_present(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}
#endif /* VD_X86 */

#ifdef VD_ARM
/* ---- aarch64: SHA-2 instructions, four messages interleaved ------------------------------ */

#if defined(__ARM_FEATURE_SHA2)
#define ARM_TARGET
#else
#define ARM_TARGET __attribute__((target("+crypto")))
#endif
/* gcc unrolls nothing at -O2 and would keep state and schedule in memory; clang unrolls. */
#ifdef __clang__
#define ARM_UNROLL
#else
#define ARM_UNROLL _Pragma("GCC unroll 16")
#endif

ARM_TARGET INLINE void arm_rounds(uint32x4_t *abcd, uint32x4_t *efgh, uint32x4_t words, int r)
{
    uint32x4_t x = vaddq_u32(words, vld1q_u32(K + 4 * r)), before = *abcd;
    *abcd = vsha256hq_u32(*abcd, *efgh, x);
    *efgh = vsha256h2q_u32(*efgh, before, x);
}

/* One block of `lanes` messages; the loops over lanes are short and of known length. */
ARM_TARGET INLINE void arm_block(uint32x4_t (*s)[2], const uint8_t *const *data, size_t at,
                                 int lanes)
{
    uint32x4_t m[4][4], s0[4][2];
    ARM_UNROLL
    for (int l = 0; l < lanes; l++) {
        s0[l][0] = s[l][0], s0[l][1] = s[l][1];
        ARM_UNROLL
        for (int i = 0; i < 4; i++)
            m[l][i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data[l] + at + 16 * i)));
    }
    ARM_UNROLL
    for (int r = 0; r < 16; r++) {
        ARM_UNROLL
        for (int l = 0; l < lanes; l++) {
            uint32x4_t *q = m[l];
            arm_rounds(&s[l][0], &s[l][1], q[r & 3], r);
            if (r < 12)
                q[r & 3] = vsha256su1q_u32(vsha256su0q_u32(q[r & 3], q[(r + 1) & 3]),
                                           q[(r + 2) & 3], q[(r + 3) & 3]);
        }
    }
    ARM_UNROLL
    for (int l = 0; l < lanes; l++) {
        s[l][0] = vaddq_u32(s[l][0], s0[l][0]);
        s[l][1] = vaddq_u32(s[l][1], s0[l][1]);
    }
}

ARM_TARGET static void arm_blocks_1(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
    uint32x4_t s[1][2] = {{vld1q_u32(state), vld1q_u32(state + 4)}};
    for (size_t n = 0; n < blocks; n++) arm_block(s, data, 64 * n, 1);
    vst1q_u32(state, s[0][0]);
    vst1q_u32(state + 4, s[0][1]);
}

ARM_TARGET static void arm_blocks_4(uint32_t *state, const uint8_t *const *data, size_t blocks)
{
    uint32x4_t s[4][2];
    uint32_t h[4][8];
    for (int l = 0; l < 4; l++) {
        for (int i = 0; i < 8; i++) h[l][i] = state[4 * i + l];
        s[l][0] = vld1q_u32(h[l]), s[l][1] = vld1q_u32(h[l] + 4);
    }
    for (size_t n = 0; n < blocks; n++) arm_block(s, data, 64 * n, 4);
    for (int l = 0; l < 4; l++) {
        vst1q_u32(h[l], s[l][0]), vst1q_u32(h[l] + 4, s[l][1]);
        for (int i = 0; i < 8; i++) state[4 * i + l] = h[l][i];
    }
}

static bool arm_present(void) { return (getauxval(AT_HWCAP) & VD_HWCAP_SHA2) != 0; }
#endif /* VD_ARM */

/* ---- choice ------------------------------------------------------------------------------ */

/* Best for a single message first. OpenSSL stands before plain C: where we have no instructions
 * of our own for a processor, its assembler usually has. Its blocks_fn is plain C, for streams. */
static const implementation IMPLEMENTATIONS[] = {
#ifdef VD_X86
    {"shani", 4, ni_blocks_1, ni_blocks_4, ni_present},
    {"avx512", 16, plain_blocks, avx512_blocks, avx512_present},
    {"avx2", 8, plain_blocks, avx2_blocks, avx2_present},
#endif
#ifdef VD_ARM
    {"arm", 4, arm_blocks_1, arm_blocks_4, arm_present},
#endif
#ifdef VD_HAVE_OPENSSL
    {"openssl", 1, plain_blocks, plain_blocks, always},
#endif
    {"plain", 1, plain_blocks, plain_blocks, always},
};
#define IMPLEMENTATION_COUNT (sizeof IMPLEMENTATIONS / sizeof IMPLEMENTATIONS[0])

static pthread_once_t select_once = PTHREAD_ONCE_INIT;
static selection in_use;

static const implementation *find(const char *name)
{
    for (size_t i = 0; i < IMPLEMENTATION_COUNT; i++) {
        const implementation *im = &IMPLEMENTATIONS[i];
        if ((name == NULL || strcmp(name, im->name) == 0) && im->present()) return im;
    }
    return NULL;
}

/* Nanoseconds for 16 messages of 1 KiB. */
static uint64_t time_of(const implementation *im)
{
    uint32_t state[8 * LANES_MAX] = {0};
    uint8_t block[1024] = {0};
    const uint8_t *data[LANES_MAX];
    struct timespec a, b;
    for (size_t l = 0; l < LANES_MAX; l++) data[l] = block;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (size_t done = 0; done < LANES_MAX; done += im->width) im->wide(state, data, 16);
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    return (uint64_t)(b.tv_sec - a.tv_sec) * 1000000000u + (uint64_t)b.tv_nsec -
           (uint64_t)a.tv_nsec;
}

/* Which instruction set is fastest differs by processor: AVX-512 gave 1.6 times the speed of four
 * SHA-NI lanes on an Emerald Rapids core and 0.9 times on a Genoa core. So they are timed, in turn
 * and each by its best of 24 tries (of 4, every third choice on Genoa was the slower one): some
 * 0.6 ms in all. The choice moves no bit. */
static selection fastest(void)
{
    enum { TRIES = 24 };
    selection best = {find(NULL), find(NULL)};
    uint64_t ns[IMPLEMENTATION_COUNT], best_ns = UINT64_MAX;
    if (best.large->width == 1) return best;
    memset(ns, 0xff, sizeof ns);
    for (int try = 0; try < TRIES; try++)
        for (size_t i = 0; i < IMPLEMENTATION_COUNT; i++) {
            const implementation *im = &IMPLEMENTATIONS[i];
            uint64_t t = im->width > 1 && im->present() ? time_of(im) : UINT64_MAX;
            if (t < ns[i]) ns[i] = t;
        }
    for (size_t i = 0; i < IMPLEMENTATION_COUNT; i++)
        if (ns[i] < best_ns) best.large = &IMPLEMENTATIONS[i], best_ns = ns[i];
    if (best.small->one == plain_blocks) best.small = best.large; /* no SHA instructions */
    return best;
}

static bool select_by_name(const char *name)
{
    const implementation *im;
    if (strcmp(name, "auto") == 0) {
        in_use = fastest();
        return true;
    }
    im = find(name);
    if (im == NULL) return false;
    in_use = (selection){im, im};
    return true;
}

static void select_now(void)
{
    const char *name = getenv("VERDE_SHA");
    if (name == NULL || name[0] == '\0') name = "auto";
    if (select_by_name(name)) return;
    (void)fprintf(stderr, "verde: VERDE_SHA names no SHA-256 that this build and processor have; "
                          "the fastest one is used\n");
    (void)select_by_name("auto");
}

static const selection *selected(void)
{
    (void)pthread_once(&select_once, select_now);
    return &in_use;
}

static blocks_fn *one_message(void) { return selected()->small->one; }

const char *vd_sha256_name(void) { return selected()->large->name; }

bool vd_sha256_use(const char *name)
{
    (void)selected();
    return select_by_name(name);
}

/* ---- one message ------------------------------------------------------------------------- */

/* Write the end of a message: the last size % 64 bytes, 0x80, zeros, the length in bits.
 * Returns the number of blocks written, 1 or 2. */
static size_t finish(uint8_t tail[2 * VD_SHA256_BLOCK], const uint8_t *rest, size_t rest_size,
                     uint64_t message_bytes)
{
    size_t blocks = rest_size + 9 <= VD_SHA256_BLOCK ? 1 : 2, end = blocks * VD_SHA256_BLOCK;
    if (rest_size != 0) memcpy(tail, rest, rest_size);
    tail[rest_size] = 0x80;
    memset(tail + rest_size + 1, 0, end - 8 - rest_size - 1);
    store_be32(tail + end - 8, (uint32_t)(message_bytes >> 29));
    store_be32(tail + end - 4, (uint32_t)(message_bytes << 3));
    return blocks;
}

void vd_sha256_init(vd_sha256_stream *s)
{
    memcpy(s->h, START, sizeof s->h);
    s->bytes = 0;
}

void vd_sha256_update(vd_sha256_stream *s, const void *data, size_t size)
{
    const uint8_t *p = data, *pending = s->pending;
    blocks_fn *run = one_message();
    size_t have = (size_t)(s->bytes % VD_SHA256_BLOCK);
    if (size == 0) return;
    s->bytes += size;
    if (have != 0) {
        size_t take = VD_SHA256_BLOCK - have < size ? VD_SHA256_BLOCK - have : size;
        memcpy(s->pending + have, p, take);
        if (have + take < VD_SHA256_BLOCK) return;
        run(s->h, &pending, 1);
        p += take, size -= take;
    }
    if (size >= VD_SHA256_BLOCK) run(s->h, &p, size / VD_SHA256_BLOCK);
    memcpy(s->pending, p + size / VD_SHA256_BLOCK * VD_SHA256_BLOCK, size % VD_SHA256_BLOCK);
}

void vd_sha256_final(vd_sha256_stream *s, uint8_t out[VD_SHA256_BYTES])
{
    uint8_t tail[2 * VD_SHA256_BLOCK];
    const uint8_t *at = tail;
    size_t blocks = finish(tail, s->pending, (size_t)(s->bytes % VD_SHA256_BLOCK), s->bytes);
    one_message()(s->h, &at, blocks);
    for (size_t i = 0; i < 8; i++) store_be32(out + 4 * i, s->h[i]);
}

#ifdef VD_HAVE_OPENSSL
static bool is_openssl(const implementation *im) { return im->name[0] == 'o'; }

/* Hash messages until all are done or OpenSSL fails; returns how many are done. It has no
 * public way to start from a chaining value: it is shown the tag block once and that context
 * is copied. */
static size_t openssl_many(const vd_sha256_tag *tag, const uint8_t *data, size_t size,
                           size_t stride, size_t count, uint8_t *out)
{
    EVP_MD_CTX *first = EVP_MD_CTX_new(), *ctx = EVP_MD_CTX_new();
    bool good = first != NULL && ctx != NULL &&
                EVP_DigestInit_ex(first, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(first, tag->block, sizeof tag->block) == 1;
    size_t done = 0;
    for (; good && done < count; done += good)
        good = EVP_MD_CTX_copy_ex(ctx, first) == 1 &&
               EVP_DigestUpdate(ctx, data + done * stride, size) == 1 &&
               EVP_DigestFinal_ex(ctx, out + VD_SHA256_BYTES * done, NULL) == 1;
    EVP_MD_CTX_free(first);
    EVP_MD_CTX_free(ctx);
    return done;
}
#endif

void vd_sha256(const void *data, size_t size, uint8_t out[VD_SHA256_BYTES])
{
    vd_sha256_stream s;
#ifdef VD_HAVE_OPENSSL
    if (is_openssl(selected()->large) &&
        EVP_Digest(data, size, out, NULL, EVP_sha256(), NULL) == 1)
        return;
#endif
    vd_sha256_init(&s);
    vd_sha256_update(&s, data, size);
    vd_sha256_final(&s, out);
}

/* ---- many messages ----------------------------------------------------------------------- */

void vd_sha256_tag_init(vd_sha256_tag *tag, const char *name)
{
    size_t size = strlen(name);
    const uint8_t *at = tag->block;
    RO_ASSERT(size >= 1 && size <= VD_SHA256_BLOCK);
    memset(tag->block, 0, sizeof tag->block);
    memcpy(tag->block, name, size);
    memcpy(tag->h, START, sizeof tag->h);
    one_message()(tag->h, &at, 1);
}

/* One group. A lane without a message repeats the last one. */
static void group(const implementation *im, const vd_sha256_tag *tag, const uint8_t *data,
                  size_t size, size_t stride, size_t lanes, uint8_t *out)
{
    uint32_t state[8 * LANES_MAX];
    uint8_t tail[LANES_MAX][2 * VD_SHA256_BLOCK];
    const uint8_t *at[LANES_MAX];
    size_t width = lanes == 1 ? 1 : im->width, rest = size % VD_SHA256_BLOCK, blocks = 0;
    blocks_fn *run = lanes == 1 ? im->one : im->wide;
    for (size_t l = 0; l < width; l++) {
        at[l] = data + (l < lanes ? l : lanes - 1) * stride;
        for (size_t i = 0; i < 8; i++) state[i * width + l] = tag->h[i];
    }
    if (size >= VD_SHA256_BLOCK) run(state, at, size / VD_SHA256_BLOCK);
    for (size_t l = 0; l < width; l++) {
        if (rest != 0 || l == 0) /* whole blocks: every lane ends alike */
            blocks = finish(tail[l], at[l] + (size - rest), rest, VD_SHA256_BLOCK + (uint64_t)size);
        at[l] = tail[rest != 0 ? l : 0];
    }
    run(state, at, blocks);
    for (size_t l = 0; l < lanes; l++)
        for (size_t i = 0; i < 8; i++)
            store_be32(out + VD_SHA256_BYTES * l + 4 * i, state[i * width + l]);
}

/* Ask for the first lines of the next group's messages. A chunk is a page of memory, and what
 * a processor fetches ahead by itself ends with the page: without this, 16 MiB hashed 8 % slower
 * on a Genoa core; 2, 4 or 16 lines gave less. */
static void fetch_ahead(const uint8_t *data, size_t size, size_t stride, size_t count)
{
    enum { AHEAD = 512 };
    if (size < AHEAD) return;
    for (size_t l = 0; l < count; l++)
        for (size_t k = 0; k < AHEAD; k += VD_SHA256_BLOCK)
            __builtin_prefetch(data + l * stride + k);
}

void vd_sha256_many(const vd_sha256_tag *tag, const uint8_t *data, size_t size, size_t stride,
                    size_t count, uint8_t *out)
{
    const selection *sel = selected();
    size_t done = 0, lanes;
#ifdef VD_HAVE_OPENSSL
    if (is_openssl(sel->large)) done = openssl_many(tag, data, size, stride, count, out);
#endif
    for (size_t i = done; i < count; i += lanes) {
        /* Measured with 16 and 4 lanes: from 9 messages on the wide group is the faster. */
        const implementation *im = (count - i) * 2 > sel->large->width ? sel->large : sel->small;
        lanes = count - i < im->width ? count - i : im->width;
        size_t left = count - i - lanes;
        fetch_ahead(data + (i + lanes) * stride, size, stride, left < lanes ? left : lanes);
        group(im, tag, data + i * stride, size, stride, lanes, out + VD_SHA256_BYTES * i);
    }
}
