/* commit.c - Merkle trees, their proofs, and the digest of a tensor.
 *
 * What this file decides: which bytes enter a hash, and in which order.
 *
 * Invariants
 *   1. Every hashed message starts with a 64-byte tag block, and no two uses share one. So a
 *      leaf is never an inner node, and a node of one kind of tree never one of another.
 *   2. Under one tag the payload is of fixed layout; an inner payload is exactly 64 bytes.
 *   3. The shape of a tree is a function of its number of leaves, the length and the sides of
 *      a path of (index, n). Nothing is read from a proof but hashes.
 *   4. No hash value is special: absence is a count or a flag, never zeros.
 *   5. Functions that check bytes of others' making answer false and never assert on them.
 *   6. Nothing is allocated and nothing fails. */
#include "commit.h"

#include <pthread.h>
#include <string.h>

#include "sha256_lanes.h"

/* A subtree of 64 leaves is folded as a unit: 2 KiB of hashes on the stack. */
#define UNIT 64u

/* What a thread takes of a tensor at a time: a subtree of 16 chunks, 64 KiB, some 20 us. With
 * 256 KiB two threads shared tensors of 1.5 MB unevenly: a training was hashed at 2.8 instead of
 * 3.1 GB/s a core. A round of 1,024 pieces is a subtree too. */
#define PIECE 16u
#define PIECE_BYTES ((uint64_t)PIECE * VD_CHUNK_BYTES)
#define PIECES_AT_ONCE 1024u

enum { LEAF, INNER };

static const char *const KIND_NAMES[VD_TREE_KINDS] = {
    [VD_TREE_CHUNKS] = "chunks",       [VD_TREE_NODES] = "nodes",
    [VD_TREE_STEPS] = "steps",         [VD_TREE_SEGMENTS] = "segments",
    [VD_TREE_OUTPUTS] = "outputs",     [VD_TREE_GRAPH] = "graph",
    [VD_TREE_SLOTS] = "slots",         [VD_TREE_CONSTANTS] = "constants",
    [VD_TREE_STATE] = "state",         [VD_TREE_PHASES] = "phases",
    [VD_TREE_STEP_OUTPUTS] = "step outputs"};

static pthread_once_t tags_once = PTHREAD_ONCE_INIT;
static vd_sha256_tag tags[VD_TREE_KINDS][2];
static uint8_t empty_roots[VD_TREE_KINDS][VD_HASH_BYTES];

/* ---- tags -------------------------------------------------------------------------------- */

static void make_tags(void)
{
    static const char *const ENDS[3] = {" leaf", " inner", " empty"};
    for (int kind = 0; kind < VD_TREE_KINDS; kind++) {
        for (int end = 0; end < 3; end++) {
            static const char PREFIX[] = "verde/1 ";
            char name[VD_SHA256_BLOCK] = {0};
            size_t prefix = sizeof PREFIX - 1, middle = strlen(KIND_NAMES[kind]);
            vd_sha256_tag tag;
            memcpy(name, PREFIX, prefix);
            memcpy(name + prefix, KIND_NAMES[kind], middle);
            memcpy(name + prefix + middle, ENDS[end], strlen(ENDS[end]));
            vd_sha256_tag_init(&tag, name);
            if (end < 2)
                tags[kind][end] = tag;
            else
                vd_sha256(tag.block, sizeof tag.block, empty_roots[kind]);
        }
    }
}

static const vd_sha256_tag *tag_of(vd_tree_kind kind, int role)
{
    RO_ASSERT((unsigned)kind < VD_TREE_KINDS);
    (void)pthread_once(&tags_once, make_tags);
    return &tags[kind][role];
}

const char *vd_tree_kind_name(vd_tree_kind kind)
{
    RO_ASSERT((unsigned)kind < VD_TREE_KINDS);
    return KIND_NAMES[kind];
}

void vd_leaf_hash(vd_tree_kind kind, const void *payload, size_t size, uint8_t out[VD_HASH_BYTES])
{
    vd_leaf_hashes(kind, payload, size, 1, out);
}

void vd_leaf_hashes(vd_tree_kind kind, const void *payloads, size_t size, size_t count,
                    uint8_t *out)
{
    static const uint8_t NOTHING[1] = {0};
    const uint8_t *p = size == 0 ? NOTHING : payloads;
    vd_sha256_many(tag_of(kind, LEAF), p, size, size, count, out);
}

void vd_inner_hash(vd_tree_kind kind, const uint8_t left[VD_HASH_BYTES],
                   const uint8_t right[VD_HASH_BYTES], uint8_t out[VD_HASH_BYTES])
{
    uint8_t both[2 * VD_HASH_BYTES];
    memcpy(both, left, VD_HASH_BYTES);
    memcpy(both + VD_HASH_BYTES, right, VD_HASH_BYTES);
    vd_sha256_many(tag_of(kind, INNER), both, sizeof both, sizeof both, 1, out);
}

void vd_tagged_hash(const char *tag, const void *payload, size_t size, uint8_t out[VD_HASH_BYTES])
{
    vd_tagged_hash_two(tag, NULL, 0, payload, size, out);
}

void vd_tagged_hash_two(const char *tag, const void *head, size_t head_size, const void *payload,
                        size_t size, uint8_t out[VD_HASH_BYTES])
{
    uint8_t block[VD_SHA256_BLOCK] = {0};
    size_t length = strlen(tag);
    vd_sha256_stream s;
    RO_ASSERT(length >= 1 && length <= sizeof block);
    memcpy(block, tag, length);
    vd_sha256_init(&s);
    vd_sha256_update(&s, block, sizeof block);
    vd_sha256_update(&s, head, head_size);
    vd_sha256_update(&s, payload, size);
    vd_sha256_final(&s, out);
}

/* ---- shape ------------------------------------------------------------------------------- */

/* The largest power of two < n, as an exponent; n >= 2. */
static uint32_t split_level(uint64_t n) { return 63u - (uint32_t)__builtin_clzll(n - 1); }

/* Nodes at a level of the tree of n leaves. */
static uint64_t level_count(uint64_t n, uint32_t level)
{
    return (n >> level) + ((n & ((UINT64_C(1) << level) - 1)) != 0);
}

uint32_t vd_tree_levels(uint64_t n) { return n < 2 ? (uint32_t)n : split_level(n) + 2; }

uint64_t vd_tree_size(uint64_t n) { return vd_tree_node_offset(n, vd_tree_levels(n), 0); }

uint64_t vd_tree_node_offset(uint64_t n, uint32_t level, uint64_t index)
{
    RO_ASSERT(n <= VD_TREE_LEAVES_MAX && level <= vd_tree_levels(n));
    for (uint32_t k = 0; k < level; k++) index += level_count(n, k);
    return index;
}

/* One level up: count hashes at `from` become (count + 1) / 2 at `to`, which may be `from`. */
static void fold_level(vd_tree_kind kind, const uint8_t *from, uint64_t count, uint8_t *to)
{
    uint64_t pairs = count / 2;
    vd_sha256_many(tag_of(kind, INNER), from, 2 * VD_HASH_BYTES, 2 * VD_HASH_BYTES, (size_t)pairs,
                   to);
    if (count % 2 != 0)
        memmove(to + VD_HASH_BYTES * pairs, from + 2 * VD_HASH_BYTES * pairs, VD_HASH_BYTES);
}

/* The root over 1 to UNIT hashes, which are overwritten; it is left in the first. */
static void fold_unit(vd_tree_kind kind, uint8_t *hashes, uint64_t count)
{
    for (; count > 1; count = (count + 1) / 2) fold_level(kind, hashes, count, hashes);
}

/* Units of 64 leaves are the leaves of a tree of the same shape, the last unit being the node
 * that is promoted through the levels it lacks. */
void vd_tree_root(vd_tree_kind kind, const uint8_t *leaves, uint64_t n, uint8_t out[VD_HASH_BYTES])
{
    vd_frontier units;
    uint8_t unit[UNIT * VD_HASH_BYTES];
    RO_ASSERT(n <= VD_TREE_LEAVES_MAX);
    vd_frontier_init(&units, kind);
    for (uint64_t i = 0; i < n; i += UNIT) {
        uint64_t count = n - i < UNIT ? n - i : UNIT;
        memcpy(unit, leaves + VD_HASH_BYTES * i, (size_t)(VD_HASH_BYTES * count));
        fold_unit(kind, unit, count);
        vd_frontier_append(&units, unit);
    }
    vd_frontier_root(&units, out);
}

void vd_tree_build(vd_tree_kind kind, uint8_t *tree, uint64_t n, uint8_t out[VD_HASH_BYTES])
{
    uint32_t levels = vd_tree_levels(n);
    uint8_t *level = tree;
    RO_ASSERT(n <= VD_TREE_LEAVES_MAX);
    if (n == 0) {
        vd_tree_root(kind, NULL, 0, out);
        return;
    }
    for (uint32_t k = 0; k + 1 < levels; k++) {
        uint64_t count = level_count(n, k);
        fold_level(kind, level, count, level + VD_HASH_BYTES * count);
        level += VD_HASH_BYTES * count;
    }
    memcpy(out, level, VD_HASH_BYTES);
}

/* ---- frontier ---------------------------------------------------------------------------- */

void vd_frontier_init(vd_frontier *f, vd_tree_kind kind)
{
    f->kind = kind;
    f->count = 0;
}

void vd_frontier_append(vd_frontier *f, const uint8_t leaf[VD_HASH_BYTES])
{
    uint8_t node[VD_HASH_BYTES];
    uint32_t level = 0;
    RO_ASSERT(f->count < VD_TREE_LEAVES_MAX);
    memcpy(node, leaf, VD_HASH_BYTES);
    for (; (f->count >> level & 1) != 0; level++)
        vd_inner_hash(f->kind, f->peaks[level], node, node);
    memcpy(f->peaks[level], node, VD_HASH_BYTES);
    f->count++;
}

void vd_frontier_root(const vd_frontier *f, uint8_t out[VD_HASH_BYTES])
{
    uint32_t level = 0;
    if (f->count == 0) {
        (void)tag_of(f->kind, LEAF);
        memcpy(out, empty_roots[f->kind], VD_HASH_BYTES);
        return;
    }
    while ((f->count >> level & 1) == 0) level++;
    memcpy(out, f->peaks[level], VD_HASH_BYTES);
    for (level++; level <= VD_PROOF_MAX; level++)
        if ((f->count >> level & 1) != 0) vd_inner_hash(f->kind, f->peaks[level], out, out);
}

/* ---- inclusion proofs -------------------------------------------------------------------- */

uint32_t vd_proof_size(uint64_t n, uint64_t index)
{
    uint32_t size = 0;
    if (index >= n || n > VD_TREE_LEAVES_MAX) return 0;
    for (uint32_t level = 0; level_count(n, level) > 1; level++)
        size += (index >> level ^ 1) < level_count(n, level);
    return size;
}

uint32_t vd_proof_from_leaves(vd_tree_kind kind, const uint8_t *leaves, uint64_t n,
                              uint64_t index, uint8_t *path)
{
    uint32_t size = 0;
    RO_ASSERT(index < n && n <= VD_TREE_LEAVES_MAX);
    for (uint32_t level = 0; level_count(n, level) > 1; level++) {
        uint64_t sibling = index >> level ^ 1, lo = sibling << level, hi = (sibling + 1) << level;
        if (sibling >= level_count(n, level)) continue;
        if (hi > n) hi = n;
        vd_tree_root(kind, leaves + VD_HASH_BYTES * lo, hi - lo, path + VD_HASH_BYTES * size++);
    }
    return size;
}

uint32_t vd_proof_from_tree(const uint8_t *tree, uint64_t n, uint64_t index, uint8_t *path)
{
    uint32_t size = 0;
    RO_ASSERT(index < n && n <= VD_TREE_LEAVES_MAX);
    for (uint32_t level = 0; level_count(n, level) > 1; level++) {
        uint64_t sibling = index >> level ^ 1;
        if (sibling >= level_count(n, level)) continue;
        memcpy(path + VD_HASH_BYTES * size++,
               tree + VD_HASH_BYTES * vd_tree_node_offset(n, level, sibling), VD_HASH_BYTES);
    }
    return size;
}

bool vd_proof_root(vd_tree_kind kind, uint64_t n, uint64_t index,
                   const uint8_t leaf[VD_HASH_BYTES], const uint8_t *path, size_t path_size,
                   uint8_t out[VD_HASH_BYTES])
{
    uint8_t node[VD_HASH_BYTES];
    if (index >= n || n > VD_TREE_LEAVES_MAX || path_size != vd_proof_size(n, index)) return false;
    memcpy(node, leaf, VD_HASH_BYTES);
    for (uint32_t level = 0; level_count(n, level) > 1; level++) {
        uint64_t at = index >> level;
        if ((at ^ 1) >= level_count(n, level)) continue;
        if ((at & 1) != 0)
            vd_inner_hash(kind, path, node, node);
        else
            vd_inner_hash(kind, node, path, node);
        path += VD_HASH_BYTES;
    }
    memcpy(out, node, VD_HASH_BYTES);
    return true;
}

bool vd_proof_verify(vd_tree_kind kind, const uint8_t root[VD_HASH_BYTES], uint64_t n,
                     uint64_t index, const uint8_t leaf[VD_HASH_BYTES], const uint8_t *path,
                     size_t path_size)
{
    uint8_t got[VD_HASH_BYTES];
    return vd_proof_root(kind, n, index, leaf, path, path_size, got) &&
           memcmp(got, root, VD_HASH_BYTES) == 0;
}

/* ---- descending -------------------------------------------------------------------------- */

/* The level at which [lo, hi) is one node. */
static uint32_t range_level(uint64_t lo, uint64_t hi)
{
    return hi - lo < 2 ? 0 : split_level(hi - lo) + 1;
}

bool vd_range_is_node(uint64_t n, uint64_t lo, uint64_t hi)
{
    if (lo >= hi || hi > n || n > VD_TREE_LEAVES_MAX) return false;
    uint64_t size = UINT64_C(1) << range_level(lo, hi);
    return lo % size == 0 && (hi - lo == size || hi == n);
}

/* A range's parts along its right edge: full subtrees of falling size, and what remains when
 * the depth is used up or one leaf is left. `level` is the subtree's height, `parts` the
 * number of hashes it contributes. */
typedef struct {
    uint64_t lo, hi;
    uint32_t level, parts;
} stretch;

static bool next_stretch(uint64_t *lo, uint64_t hi, uint32_t *depth, stretch *s)
{
    if (*lo >= hi) return false;
    *s = (stretch){*lo, hi, 0, 1};
    if (*depth > 0 && hi - *lo > 1) {
        s->level = split_level(hi - *lo);
        s->hi = *lo + (UINT64_C(1) << s->level);
        (*depth)--;
        s->parts = 1u << (s->level < *depth ? s->level : *depth);
    }
    *lo = s->hi;
    return true;
}

uint32_t vd_descend_count(uint64_t lo, uint64_t hi, uint32_t depth)
{
    stretch s;
    uint32_t count = 0;
    RO_ASSERT(lo < hi && depth <= VD_DESCEND_DEPTH_MAX);
    while (next_stretch(&lo, hi, &depth, &s)) count += s.parts;
    return count;
}

void vd_descend_range(uint64_t lo, uint64_t hi, uint32_t depth, uint32_t i, uint64_t *part_lo,
                      uint64_t *part_hi)
{
    stretch s;
    RO_ASSERT(lo < hi && depth <= VD_DESCEND_DEPTH_MAX);
    while (next_stretch(&lo, hi, &depth, &s)) {
        if (i < s.parts) {
            uint64_t size = (s.hi - s.lo) / s.parts;
            *part_lo = s.lo + i * size;
            *part_hi = *part_lo + size;
            return;
        }
        i -= s.parts;
    }
    ro_assert_failed("i < vd_descend_count(lo, hi, depth)", __FILE__, __LINE__);
}

uint32_t vd_descend_from_leaves(vd_tree_kind kind, const uint8_t *leaves, uint64_t n, uint64_t lo,
                                uint64_t hi, uint32_t depth, uint8_t *out)
{
    RO_ASSERT(vd_range_is_node(n, lo, hi));
    uint32_t count = vd_descend_count(lo, hi, depth);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t a = 0, b = 0;
        vd_descend_range(lo, hi, depth, i, &a, &b);
        vd_tree_root(kind, leaves + VD_HASH_BYTES * a, b - a, out + VD_HASH_BYTES * i);
    }
    return count;
}

uint32_t vd_descend_from_tree(const uint8_t *tree, uint64_t n, uint64_t lo, uint64_t hi,
                              uint32_t depth, uint8_t *out)
{
    RO_ASSERT(vd_range_is_node(n, lo, hi));
    uint32_t count = vd_descend_count(lo, hi, depth);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t a = 0, b = 0;
        vd_descend_range(lo, hi, depth, i, &a, &b);
        uint32_t level = range_level(a, b);
        memcpy(out + VD_HASH_BYTES * i,
               tree + VD_HASH_BYTES * vd_tree_node_offset(n, level, a >> level), VD_HASH_BYTES);
    }
    return count;
}

bool vd_descend_verify(vd_tree_kind kind, uint64_t lo, uint64_t hi, uint32_t depth,
                       const uint8_t *hashes, size_t count,
                       const uint8_t expected[VD_HASH_BYTES])
{
    uint8_t roots[VD_DESCEND_DEPTH_MAX + 1][VD_HASH_BYTES];
    uint32_t used = 0;
    stretch s;
    if (lo >= hi || hi > VD_TREE_LEAVES_MAX || depth > VD_DESCEND_DEPTH_MAX) return false;
    if (count != vd_descend_count(lo, hi, depth)) return false;
    while (next_stretch(&lo, hi, &depth, &s)) {
        vd_tree_root(kind, hashes, s.parts, roots[used++]);
        hashes += (size_t)VD_HASH_BYTES * s.parts;
    }
    for (used--; used > 0; used--)
        vd_inner_hash(kind, roots[used - 1], roots[used], roots[used - 1]);
    return memcmp(roots[0], expected, VD_HASH_BYTES) == 0;
}

/* ---- tensors ----------------------------------------------------------------------------- */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MEMORY_IS_CANONICAL true
#else
#define MEMORY_IS_CANONICAL false
#endif

/* A tensor whose chunks are being hashed. */
typedef struct {
    const uint8_t *data;
    uint64_t bytes;
    ro_dtype dtype;
    bool canonical;                          /* data is in canonical byte order already     */
    uint64_t first_piece;                    /* of this round                                */
    uint8_t (*piece_roots)[VD_HASH_BYTES];   /* of this round                                */
} chunked;

static uint64_t chunk_count(uint64_t bytes)
{
    return bytes / VD_CHUNK_BYTES + (bytes % VD_CHUNK_BYTES != 0);
}

static chunked chunked_of(const ro_type *type, const void *data, bool canonical)
{
    return (chunked){.data = data,
                     .bytes = ro_type_bytes(type),
                     .dtype = type->dtype,
                     .canonical = canonical || ro_dtypes[type->dtype].size == 1};
}

/* Chunks of other byte order pass through a buffer. */
static void hash_swapped(const chunked *t, uint64_t first, uint64_t count, uint8_t *out)
{
    uint8_t chunk[VD_CHUNK_BYTES];
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = (first + i) * VD_CHUNK_BYTES;
        uint64_t size = t->bytes - at < VD_CHUNK_BYTES ? t->bytes - at : VD_CHUNK_BYTES;
        ro_canonical_bytes(t->dtype, t->data + at, chunk, size / ro_dtypes[t->dtype].size);
        vd_leaf_hash(VD_TREE_CHUNKS, chunk, (size_t)size, out + VD_HASH_BYTES * i);
    }
}

static void hash_chunks(const chunked *t, uint64_t first, uint64_t count, uint8_t *out)
{
    uint64_t full = t->bytes / VD_CHUNK_BYTES;
    if (count == 0) return;
    if (!t->canonical) {
        hash_swapped(t, first, count, out);
        return;
    }
    const uint8_t *p = t->data + first * VD_CHUNK_BYTES;
    uint64_t whole = first + count <= full ? count : count - 1;
    vd_leaf_hashes(VD_TREE_CHUNKS, p, VD_CHUNK_BYTES, (size_t)whole, out);
    if (whole < count)
        vd_leaf_hash(VD_TREE_CHUNKS, p + whole * VD_CHUNK_BYTES,
                     (size_t)(t->bytes % VD_CHUNK_BYTES), out + VD_HASH_BYTES * whole);
}

static void hash_pieces(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    const chunked *t = ctx;
    uint8_t piece[PIECE * VD_HASH_BYTES];
    (void)worker;
    for (uint64_t i = begin; i < end; i++) {
        uint64_t first = (t->first_piece + i) * PIECE, left = chunk_count(t->bytes) - first;
        uint64_t count = left < PIECE ? left : PIECE;
        hash_chunks(t, first, count, piece);
        fold_unit(VD_TREE_CHUNKS, piece, count);
        memcpy(t->piece_roots[i], piece, VD_HASH_BYTES);
    }
}

/* The chunk tree's root, in rounds of 64 MiB whose roots of pieces fit on the stack. */
static void chunk_root(chunked *t, ro_pool *pool, uint8_t out[VD_HASH_BYTES])
{
    uint8_t roots[PIECES_AT_ONCE][VD_HASH_BYTES], round[VD_HASH_BYTES];
    uint64_t pieces = t->bytes / PIECE_BYTES + (t->bytes % PIECE_BYTES != 0);
    vd_frontier top;
    vd_frontier_init(&top, VD_TREE_CHUNKS);
    t->piece_roots = roots;
    for (t->first_piece = 0; t->first_piece < pieces; t->first_piece += PIECES_AT_ONCE) {
        uint64_t left = pieces - t->first_piece;
        uint64_t now = left < PIECES_AT_ONCE ? left : PIECES_AT_ONCE;
        ro_parallel(pool, now, 1, hash_pieces, t);
        vd_tree_root(VD_TREE_CHUNKS, roots[0], now, round);
        vd_frontier_append(&top, round);
    }
    vd_frontier_root(&top, out);
}

uint64_t vd_tensor_chunks(const ro_type *type) { return chunk_count(ro_type_bytes(type)); }

size_t vd_tensor_chunk_bytes(const ro_type *type, uint64_t index)
{
    uint64_t bytes = ro_type_bytes(type), full = bytes / VD_CHUNK_BYTES;
    if (index < full) return VD_CHUNK_BYTES;
    return index == full ? (size_t)(bytes % VD_CHUNK_BYTES) : 0;
}

void vd_tensor_digest_of_root(const ro_type *type, const uint8_t root[VD_HASH_BYTES],
                              uint8_t out[VD_HASH_BYTES])
{
    uint8_t header[VD_TENSOR_HEADER_MAX];
    size_t size = vd_tensor_header_encode(type, root, header);
    vd_tensor_header_digest(header, size, out);
}

void vd_tensor_root(const ro_type *type, const void *data, ro_pool *pool,
                    uint8_t root[VD_HASH_BYTES])
{
    chunked t = chunked_of(type, data, MEMORY_IS_CANONICAL);
    chunk_root(&t, pool, root);
}

void vd_tensor_digest(const ro_type *type, const void *data, ro_pool *pool,
                      uint8_t out[VD_HASH_BYTES])
{
    uint8_t root[VD_HASH_BYTES];
    vd_tensor_root(type, data, pool, root);
    vd_tensor_digest_of_root(type, root, out);
}

void vd_tensor_digest_canonical(const ro_type *type, const void *bytes, ro_pool *pool,
                                uint8_t out[VD_HASH_BYTES])
{
    chunked t = chunked_of(type, bytes, true);
    uint8_t root[VD_HASH_BYTES];
    chunk_root(&t, pool, root);
    vd_tensor_digest_of_root(type, root, out);
}

void vd_tensor_digest_zero(const ro_type *type, uint8_t out[VD_HASH_BYTES])
{
    static const uint8_t ZERO[VD_CHUNK_BYTES];
    uint64_t bytes = ro_type_bytes(type), full = bytes / VD_CHUNK_BYTES;
    uint8_t node[VD_HASH_BYTES];
    vd_frontier top;
    vd_frontier_init(&top, VD_TREE_CHUNKS);
    vd_leaf_hash(VD_TREE_CHUNKS, ZERO, VD_CHUNK_BYTES, node);
    for (uint32_t level = 0; full >> level != 0; level++) {
        memcpy(top.peaks[level], node, VD_HASH_BYTES);
        vd_inner_hash(VD_TREE_CHUNKS, node, node, node);
    }
    top.count = full;
    if (bytes % VD_CHUNK_BYTES != 0) {
        vd_leaf_hash(VD_TREE_CHUNKS, ZERO, (size_t)(bytes % VD_CHUNK_BYTES), node);
        vd_frontier_append(&top, node);
    }
    vd_frontier_root(&top, node);
    vd_tensor_digest_of_root(type, node, out);
}

void vd_tensor_chunk_hashes(const ro_type *type, const void *data, uint64_t first, uint64_t count,
                            uint8_t *out)
{
    chunked t = chunked_of(type, data, MEMORY_IS_CANONICAL);
    uint64_t chunks = chunk_count(t.bytes);
    RO_ASSERT(first <= chunks && count <= chunks - first);
    hash_chunks(&t, first, count, out);
}

static uint8_t *put_le(uint8_t *p, uint64_t v, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

static uint64_t get_le(const uint8_t *p, uint32_t bytes)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < bytes; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

size_t vd_tensor_header_encode(const ro_type *type, const uint8_t chunk_root[VD_HASH_BYTES],
                               uint8_t out[VD_TENSOR_HEADER_MAX])
{
    uint8_t *p = out;
    RO_ASSERT(type->rank <= RO_RANK_MAX);
    p = put_le(p, (uint64_t)type->dtype, 4);
    p = put_le(p, type->rank, 4);
    for (uint32_t i = 0; i < type->rank; i++) p = put_le(p, (uint64_t)type->dims[i], 8);
    p = put_le(p, ro_type_bytes(type), 8);
    p = put_le(p, vd_tensor_chunks(type), 8);
    memcpy(p, chunk_root, VD_HASH_BYTES);
    return (size_t)(p - out) + VD_HASH_BYTES;
}

void vd_tensor_header_digest(const uint8_t *header, size_t size, uint8_t out[VD_HASH_BYTES])
{
    vd_tagged_hash("verde/1 tensor", header, size, out);
}

bool vd_tensor_header_decode(const uint8_t *header, size_t size, ro_type *type,
                             uint8_t chunk_root[VD_HASH_BYTES])
{
    uint8_t again[VD_TENSOR_HEADER_MAX];
    int64_t dims[RO_RANK_MAX] = {0};
    if (size < 8) return false;
    uint64_t dtype = get_le(header, 4), rank = get_le(header + 4, 4);
    if (dtype == RO_NONE || dtype >= RO_DTYPE_LIMIT || rank > RO_RANK_MAX) return false;
    if (size != 8 + 8 * rank + 16 + VD_HASH_BYTES) return false;
    for (uint32_t i = 0; i < rank; i++) dims[i] = (int64_t)get_le(header + 8 + 8 * i, 8);
    ro_type t = ro_type_of((ro_dtype)dtype, (uint32_t)rank, dims);
    if (ro_type_check(&t, NULL) != RO_OK) return false;
    (void)vd_tensor_header_encode(&t, header + size - VD_HASH_BYTES, again);
    if (memcmp(again, header, size) != 0) return false;
    *type = t;
    memcpy(chunk_root, header + size - VD_HASH_BYTES, VD_HASH_BYTES);
    return true;
}
