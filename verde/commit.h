/* commit.h - what is hashed: Merkle trees, proofs, the digest of a tensor. */
#ifndef VD_COMMIT_H
#define VD_COMMIT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../repops/repops.h"

/* ---- commitments (commit.c) -------------------------------------------------------------- */

#define VD_HASH_BYTES 32u
#define VD_CHUNK_BYTES 4096u
#define VD_TREE_LEAVES_MAX (UINT64_C(1) << 40) /* the bound on a job's steps              */
#define VD_PROOF_MAX 40u                       /* hashes in the longest path              */
#define VD_DESCEND_DEPTH_MAX 12u               /* of one question: an answer is <= 128 KiB */
#define VD_DESCEND_MAX 4096u

/* The kinds of tree. A kind is told apart by its tag blocks, made of its name:
 *   leaf    H("verde/1 NAME leaf" zero padded to 64 bytes || payload)
 *   inner   H("verde/1 NAME inner" zero padded to 64 bytes || left || right)
 *   empty   H("verde/1 NAME empty" zero padded to 64 bytes), the root of no leaves
 * These numbers are never hashed or written. */
typedef enum vd_tree_kind {
    VD_TREE_CHUNKS,         /* "chunks": the 4 KiB pieces of a tensor         */
    VD_TREE_NODES,          /* "nodes": what the nodes of a step computed     */
    VD_TREE_STEPS,          /* "steps": the steps of a trace                  */
    VD_TREE_SEGMENTS,       /* "segments": the segments of a trace            */
    VD_TREE_OUTPUTS,        /* "outputs": the outputs digests of the steps    */
    VD_TREE_GRAPH,          /* "graph": a job's node records                  */
    VD_TREE_SLOTS,          /* "slots": a job's slot records                  */
    VD_TREE_CONSTANTS,      /* "constants": a job's constants                 */
    VD_TREE_STATE,          /* "state": the slots' digests at one step        */
    VD_TREE_PHASES,         /* "phases": a job's phase records                */
    VD_TREE_STEP_OUTPUTS,   /* "step outputs": the outputs of one step        */
    VD_TREE_KINDS
} vd_tree_kind;

const char *vd_tree_kind_name(vd_tree_kind kind);

/* Hash a leaf's payload, or `count` payloads of one size that lie one after the other.
 *   payload   size bytes, borrowed; NULL only when size is 0
 *   out       32 bytes a leaf
 *   cost      (size + 9) / 64 compressions, rounded up; the second several at a time
 *   thread    any                       source    docs/FORMATS.md, trees             */
void vd_leaf_hash(vd_tree_kind kind, const void *payload, size_t size,
                  uint8_t out[VD_HASH_BYTES]);
void vd_leaf_hashes(vd_tree_kind kind, const void *payloads, size_t size, size_t count,
                    uint8_t *out);

/* Hash two children. out may be either of them. */
void vd_inner_hash(vd_tree_kind kind, const uint8_t left[VD_HASH_BYTES],
                   const uint8_t right[VD_HASH_BYTES], uint8_t out[VD_HASH_BYTES]);

/* Hash bytes that are in no tree: H(tag zero padded to 64 bytes || payload).
 *   tag       ASCII, 1 to 64 bytes (asserted), unlike every other tag in use
 *   payload   size bytes, borrowed; NULL only when size is 0
 *   thread    any                       source    docs/FORMATS.md, tags              */
void vd_tagged_hash(const char *tag, const void *payload, size_t size,
                    uint8_t out[VD_HASH_BYTES]);
/* The same of a payload in two pieces, one after the other. */
void vd_tagged_hash_two(const char *tag, const void *head, size_t head_size, const void *payload,
                        size_t size, uint8_t out[VD_HASH_BYTES]);

/* A tree has the shape of RFC 6962. Two ways to say the same:
 *   by levels   level 0 is the leaves; node i of level k + 1 is the hash of nodes 2i and 2i + 1
 *               of level k, or node 2i itself, unchanged, where 2i + 1 does not exist;
 *   by ranges   a node is the range [lo, hi) of leaves under it; a range of one leaf is that
 *               leaf; a longer one splits at lo + the largest power of two < hi - lo.
 * Node i of level k is the range [i 2^k, min((i + 1) 2^k, n)). */

/* The root over n leaf hashes.
 *   leaves    n x 32 bytes, borrowed; NULL only when n is 0
 *   n         0 to VD_TREE_LEAVES_MAX (asserted)
 *   cost      n - 1 inner hashes, several at a time; no memory       thread  any     */
void vd_tree_root(vd_tree_kind kind, const uint8_t *leaves, uint64_t n,
                  uint8_t out[VD_HASH_BYTES]);

/* A stored tree: all levels, leaves first, each level's ceil(n / 2^k) hashes in order, the
 * last being the root. A tree of no leaves stores nothing. */
uint32_t vd_tree_levels(uint64_t n); /* 0 for n = 0, else 1 + ceil(log2 n) */
uint64_t vd_tree_size(uint64_t n);   /* hashes in all levels, < 2 n + 41   */
uint64_t vd_tree_node_offset(uint64_t n, uint32_t level, uint64_t index); /* in hashes */

/* Write the levels above n leaf hashes that are already in place.
 *   tree      vd_tree_size(n) x 32 bytes whose first n hashes are the leaves
 *   out       the root
 *   cost      n - 1 inner hashes, several at a time                  thread  any     */
void vd_tree_build(vd_tree_kind kind, uint8_t *tree, uint64_t n, uint8_t out[VD_HASH_BYTES]);

/* A tree whose leaves arrive one at a time; keeps the right edge only. Plain storage. */
typedef struct vd_frontier {
    vd_tree_kind kind;
    uint64_t count;                                  /* leaves so far                      */
    uint8_t peaks[VD_PROOF_MAX + 1][VD_HASH_BYTES];  /* [k] holds where bit k of count is 1 */
} vd_frontier;

/* Append a leaf hash; the root of what has been appended so far.
 *   cost      append: 1 inner hash on average; root: at most 40      thread  one a frontier
 *   append    asserts that count < VD_TREE_LEAVES_MAX                                */
void vd_frontier_init(vd_frontier *f, vd_tree_kind kind);
void vd_frontier_append(vd_frontier *f, const uint8_t leaf[VD_HASH_BYTES]);
void vd_frontier_root(const vd_frontier *f, uint8_t out[VD_HASH_BYTES]);

/* ---- inclusion proofs ---- */

/* Hashes in the path of leaf `index` of n: a function of the two, 0 unless index < n. */
uint32_t vd_proof_size(uint64_t n, uint64_t index);

/* Write the path of a leaf: its siblings from the leaf up, none where a node was promoted.
 *   leaves    n x 32 bytes (first form), or a stored tree (second); borrowed
 *   index     < n (asserted)
 *   path      VD_PROOF_MAX x 32 bytes are always enough
 *   returns   the number of hashes, vd_proof_size(n, index)
 *   cost      first form n - 1 inner hashes, second none             thread  any     */
uint32_t vd_proof_from_leaves(vd_tree_kind kind, const uint8_t *leaves, uint64_t n,
                              uint64_t index, uint8_t *path);
uint32_t vd_proof_from_tree(const uint8_t *tree, uint64_t n, uint64_t index, uint8_t *path);

/* The root that a path leads to; whether it leads to a given root.
 *   leaf      the leaf's hash: the caller makes it from the payload, never takes it on trust
 *   path      path_size x 32 bytes of any origin, borrowed
 *   returns   false when index >= n, n > VD_TREE_LEAVES_MAX, path_size is not the one that
 *             (n, index) prescribes, or (second form) the root differs
 *   cost      at most 40 inner hashes                                thread  any     */
bool vd_proof_root(vd_tree_kind kind, uint64_t n, uint64_t index,
                   const uint8_t leaf[VD_HASH_BYTES], const uint8_t *path, size_t path_size,
                   uint8_t out[VD_HASH_BYTES]);
bool vd_proof_verify(vd_tree_kind kind, const uint8_t root[VD_HASH_BYTES], uint64_t n,
                     uint64_t index, const uint8_t leaf[VD_HASH_BYTES], const uint8_t *path,
                     size_t path_size);

/* ---- the question "give the hashes `depth` levels below this node" ---- */

/* Its answer, for the node [lo, hi): split the range, then every part again, `depth` times in
 * all; a single leaf is not split further and is listed once. The parts from left to right are
 * the answer, at most 2^depth. A promoted node is the same range as the node under it, so it
 * uses up no depth. */

/* Whether [lo, hi) is a node of the tree of n leaves. */
bool vd_range_is_node(uint64_t n, uint64_t lo, uint64_t hi);

/* How many hashes the answer has, and the range of the i-th (i < count, asserted). lo < hi,
 * depth <= VD_DESCEND_DEPTH_MAX (asserted). */
uint32_t vd_descend_count(uint64_t lo, uint64_t hi, uint32_t depth);
void vd_descend_range(uint64_t lo, uint64_t hi, uint32_t depth, uint32_t i, uint64_t *part_lo,
                      uint64_t *part_hi);

/* Write the answer from all leaf hashes, or from a stored tree.
 *   lo, hi    a node of the tree of n leaves (asserted)
 *   out       vd_descend_count(lo, hi, depth) x 32 bytes, at most VD_DESCEND_MAX
 *   returns   the number of hashes
 *   cost      first form hi - lo inner hashes, second none           thread  any     */
uint32_t vd_descend_from_leaves(vd_tree_kind kind, const uint8_t *leaves, uint64_t n, uint64_t lo,
                                uint64_t hi, uint32_t depth, uint8_t *out);
uint32_t vd_descend_from_tree(const uint8_t *tree, uint64_t n, uint64_t lo, uint64_t hi,
                              uint32_t depth, uint8_t *out);

/* Whether an answer hashes up to the node.
 *   lo, hi    a node of a tree whose n the caller knows; only its shape is used
 *   hashes    count x 32 bytes of any origin, borrowed
 *   expected  the node's hash, already believed
 *   returns   false when the range is empty, depth or count is not what is prescribed, or the
 *             hashes give another node
 *   cost      count - 1 inner hashes, several at a time              thread  any     */
bool vd_descend_verify(vd_tree_kind kind, uint64_t lo, uint64_t hi, uint32_t depth,
                       const uint8_t *hashes, size_t count,
                       const uint8_t expected[VD_HASH_BYTES]);

/* ---- tensors ---- */

/* The digest of a tensor is the digest of its header, whose bytes are (little-endian)
 *   dtype u32 | rank u32 | dims i64[rank] | bytes u64 | chunks u64 | chunk tree root [32]
 * under the tag "verde/1 tensor". The chunks are the canonical bytes cut every 4,096; the last
 * is shorter when it must be, and a tensor of no bytes has none. */
#define VD_TENSOR_HEADER_MAX (4u + 4u + 8u * RO_RANK_MAX + 8u + 8u + VD_HASH_BYTES)

/* Types passed below have been through ro_type_check. */
uint64_t vd_tensor_chunks(const ro_type *type);
size_t vd_tensor_chunk_bytes(const ro_type *type, uint64_t index); /* 0: no such chunk */

/* The digest of a tensor. The first form has the type of ro_hash_fn.
 *   data      first form: the machine's byte order; second: canonical bytes. Borrowed
 *   pool      shares out the chunks; NULL: the calling thread only. Never changes the digest
 *   cost      one compression a 64 bytes, several at a time; no memory is allocated
 *   source    docs/FORMATS.md, tensors                                               */
void vd_tensor_digest(const ro_type *type, const void *data, ro_pool *pool,
                      uint8_t out[VD_HASH_BYTES]);
void vd_tensor_digest_canonical(const ro_type *type, const void *bytes, ro_pool *pool,
                                uint8_t out[VD_HASH_BYTES]);

/* The root of its chunk tree alone, and the digest of any tensor that has this root: tensors of
 * equal bytes and different shapes share the root. */
void vd_tensor_root(const ro_type *type, const void *data, ro_pool *pool,
                    uint8_t root[VD_HASH_BYTES]);
void vd_tensor_digest_of_root(const ro_type *type, const uint8_t root[VD_HASH_BYTES],
                              uint8_t out[VD_HASH_BYTES]);

/* The same for a tensor that is all zero bytes, without having it: O(log bytes). */
void vd_tensor_digest_zero(const ro_type *type, uint8_t out[VD_HASH_BYTES]);

/* Leaf hashes of chunks first .. first + count - 1 (asserted to exist).
 *   data      the whole tensor in the machine's byte order, borrowed
 *   out       count x 32 bytes: leaves for vd_proof_from_leaves and vd_descend_from_leaves
 *   thread    any; ranges may be hashed in several threads at once                   */
void vd_tensor_chunk_hashes(const ro_type *type, const void *data, uint64_t first, uint64_t count,
                            uint8_t *out);

/* The header's bytes and digest, for who has the chunk tree's root from elsewhere (a device).
 *   returns   the number of bytes written                                            */
size_t vd_tensor_header_encode(const ro_type *type, const uint8_t chunk_root[VD_HASH_BYTES],
                               uint8_t out[VD_TENSOR_HEADER_MAX]);
void vd_tensor_header_digest(const uint8_t *header, size_t size, uint8_t out[VD_HASH_BYTES]);

/* Read a header of any origin.
 *   *type, chunk_root   out: set only on success
 *   returns   false unless the bytes are exactly what vd_tensor_header_encode writes for a type
 *             that passes ro_type_check                                              */
bool vd_tensor_header_decode(const uint8_t *header, size_t size, ro_type *type,
                             uint8_t chunk_root[VD_HASH_BYTES]);

#endif
