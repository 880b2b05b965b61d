/* sha256_lanes.h - SHA-256, one message or many equal ones at once (private to verde/).
 *
 * What this file decides: how bytes are hashed, never which bytes. commit.h is the place for
 * that; only commit.c and programs without libcrypto include this header. */
#ifndef VD_SHA256_LANES_H
#define VD_SHA256_LANES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VD_SHA256_BYTES 32
#define VD_SHA256_BLOCK 64

/* A message being hashed; plain storage of the caller's, nothing to release. */
typedef struct vd_sha256_stream {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t pending[VD_SHA256_BLOCK];
} vd_sha256_stream;

/* A 64-byte first block and the chaining value after it, so that every message that starts
 * with the block begins one compression later. */
typedef struct vd_sha256_tag {
    uint32_t h[8];
    uint8_t block[VD_SHA256_BLOCK];
} vd_sha256_tag;

/* Hash a message handed over piece by piece: init, any number of updates, final.
 *   s         the caller's storage; after final it must be initialised again
 *   data      size bytes, borrowed; NULL only when size is 0; fewer than 2^61 bytes in all
 *   out       the digest
 *   thread    any, one stream each
 *   source    FIPS 180-4                                                           */
void vd_sha256_init(vd_sha256_stream *s);
void vd_sha256_update(vd_sha256_stream *s, const void *data, size_t size);
void vd_sha256_final(vd_sha256_stream *s, uint8_t out[VD_SHA256_BYTES]);

/* Hash one message.
 *   data      size bytes, borrowed; NULL only when size is 0
 *   cost      one compression a 64 bytes          thread  any
 *   source    FIPS 180-4                                                           */
void vd_sha256(const void *data, size_t size, uint8_t out[VD_SHA256_BYTES]);

/* Make a tag of an ASCII name, zero padded to one block.
 *   name      1 to 64 bytes (asserted), borrowed
 *   cost      one compression                     thread  any                      */
void vd_sha256_tag_init(vd_sha256_tag *tag, const char *name);

/* Hash `count` messages of one size, each the tag's block followed by its payload.
 *   data      payload i is the `size` bytes at data + i * stride; borrowed
 *   out       32 bytes a message, in order. May be `data` itself when stride >= 32: a group
 *             is read whole before its digests are written, and groups go upwards.
 *   cost      (size + 9) / 64 compressions a message, rounded up, several at a time
 *   thread    any                                                                  */
void vd_sha256_many(const vd_sha256_tag *tag, const uint8_t *data, size_t size, size_t stride,
                    size_t count, uint8_t *out);

/* The implementation in use: shani, arm, avx512, avx2, openssl or plain. The one that is
 * fastest here, found by a timing of 0.6 ms, unless the environment variable VERDE_SHA names
 * another when the first hash is asked for; a name that cannot be had is told on stderr and
 * the fastest is used. */
const char *vd_sha256_name(void);

/* Use the implementation of this name from now on, "auto" the one that is fastest now (for
 * tests and benches).
 *   returns   false, and changes nothing, when this build or processor lacks it
 *   thread    none may be hashing                                                  */
bool vd_sha256_use(const char *name);

#endif
