/* bytes.h - little-endian integers in byte strings (private to verde/ and referee/).
 *
 * What this file decides: how integers of the formats become bytes. A record is written once
 * and sized by the same code, so the two cannot disagree.
 *
 * Invariants
 *   1. No byte order or alignment of the machine is assumed.
 *   2. A vd_in never reads past its end: a read that would gives zero and sets `bad`. */
#ifndef VD_BYTES_H
#define VD_BYTES_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void vd_put_le(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned b = 0; b < bytes; b++) p[b] = (uint8_t)(v >> (8 * b));
}

static inline uint64_t vd_get_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned b = 0; b < bytes; b++) v |= (uint64_t)p[b] << (8 * b);
    return v;
}

static inline uint32_t vd_get_u32(const uint8_t *p) { return (uint32_t)vd_get_le(p, 4); }
static inline uint64_t vd_get_u64(const uint8_t *p) { return vd_get_le(p, 8); }

/* Bytes being written; with `to` NULL they are only counted. */
typedef struct { uint8_t *to; size_t n; } vd_out;

static inline void vd_out_le(vd_out *o, uint64_t v, unsigned bytes)
{
    if (o->to) vd_put_le(o->to + o->n, v, bytes);
    o->n += bytes;
}

static inline void vd_out_u8(vd_out *o, uint8_t v) { vd_out_le(o, v, 1); }
static inline void vd_out_u32(vd_out *o, uint32_t v) { vd_out_le(o, v, 4); }
static inline void vd_out_u64(vd_out *o, uint64_t v) { vd_out_le(o, v, 8); }

static inline void vd_out_bytes(vd_out *o, const void *bytes, size_t n)
{
    if (o->to && n) memcpy(o->to + o->n, bytes, n);
    o->n += n;
}

static inline void vd_out_zeros(vd_out *o, size_t n)
{
    if (o->to && n) memset(o->to + o->n, 0, n);
    o->n += n;
}

/* Bytes being read. */
typedef struct { const uint8_t *p; uint64_t n, at; int bad; } vd_in;

static inline uint64_t vd_in_left(const vd_in *i) { return i->n - i->at; }

/* The next n bytes; NULL past the end. */
static inline const uint8_t *vd_in_bytes(vd_in *i, uint64_t n)
{
    if (i->bad || n > i->n - i->at) {
        i->bad = 1;
        return NULL;
    }
    i->at += n;
    return i->p + (i->at - n);
}

static inline uint64_t vd_in_le(vd_in *i, unsigned bytes)
{
    const uint8_t *p = vd_in_bytes(i, bytes);
    return p ? vd_get_le(p, bytes) : 0;
}

static inline uint8_t vd_in_u8(vd_in *i) { return (uint8_t)vd_in_le(i, 1); }
static inline uint32_t vd_in_u32(vd_in *i) { return (uint32_t)vd_in_le(i, 4); }
static inline uint64_t vd_in_u64(vd_in *i) { return vd_in_le(i, 8); }

static inline int vd_all_zero(const uint8_t *p, uint64_t n)
{
    uint8_t any = 0;
    for (uint64_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

#endif
