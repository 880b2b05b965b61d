/* memory_disk.h - a log's disk in memory: it loses what was not synced when the power goes. */
#ifndef MEMORY_DISK_H
#define MEMORY_DISK_H
#include <stdlib.h>
#include <string.h>

#include "../referee/agent.h"

/* What a reader sees now, and what would be there after a power cut. */
typedef struct { uint8_t *now, *kept; uint64_t size, kept_size, room, syncs; } memory_disk;

static inline void memory_room(memory_disk *d, uint64_t size)
{
    if (size <= d->room) return;
    uint64_t room = size + 4096;
    d->now = realloc(d->now, room);
    d->kept = realloc(d->kept, room);
    memset(d->now + d->room, 0, room - d->room);
    memset(d->kept + d->room, 0, room - d->room);
    d->room = room;
}

static inline void memory_set(memory_disk *d, const void *bytes, uint64_t size)
{
    memory_room(d, size + 1);
    if (size) memcpy(d->now, bytes, size);
    if (size) memcpy(d->kept, bytes, size);
    d->size = d->kept_size = size;
}

static inline void memory_release(memory_disk *d)
{
    free(d->now);
    free(d->kept);
    memset(d, 0, sizeof *d);
}

static inline ro_status memory_size(void *ctx, uint64_t *size, ro_err *err)
{
    (void)err;
    *size = ((memory_disk *)ctx)->size;
    return RO_OK;
}

static inline ro_status memory_read(void *ctx, uint64_t at, void *bytes, uint64_t n, ro_err *err)
{
    const memory_disk *d = ctx;
    (void)err;
    if (at > d->size || n > d->size - at) abort();
    if (n) memcpy(bytes, d->now + at, n);
    return RO_OK;
}

static inline ro_status memory_write(void *ctx, uint64_t at, const void *bytes, uint64_t n,
                                     ro_err *err)
{
    memory_disk *d = ctx;
    (void)err;
    if (at > d->size) abort();
    memory_room(d, at + n);
    memcpy(d->now + at, bytes, n);
    if (at + n > d->size) d->size = at + n;
    return RO_OK;
}

static inline ro_status memory_truncate(void *ctx, uint64_t size, ro_err *err)
{
    memory_disk *d = ctx;
    (void)err;
    if (size > d->size) abort();
    memset(d->now + size, 0, d->size - size);
    d->size = size;
    return RO_OK;
}

static inline ro_status memory_sync(void *ctx, ro_err *err)
{
    memory_disk *d = ctx;
    (void)err;
    memcpy(d->kept, d->now, d->room);
    d->kept_size = d->size;
    d->syncs++;
    return RO_OK;
}

static inline void memory_close(void *ctx) { (void)ctx; }

static inline rf_disk memory_as_disk(memory_disk *d)
{
    memory_room(d, 1);
    return (rf_disk){d, memory_size, memory_read, memory_write, memory_truncate, memory_sync,
                     memory_close, 0};
}

/* The power goes: of what was not synced any sector of 64 bytes may have arrived or not, and any
 * length between the two. */
static inline void memory_power_cut(memory_disk *d, uint64_t chance)
{
    uint64_t low = d->size < d->kept_size ? d->size : d->kept_size;
    uint64_t high = d->size < d->kept_size ? d->kept_size : d->size;
    for (uint64_t at = 0; at < d->room; at += 64) {
        uint64_t n = d->room - at < 64 ? d->room - at : 64;
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        if (chance >> 63) memcpy(d->kept + at, d->now + at, n);
    }
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    uint64_t way = (chance >> 40) % 4;
    d->kept_size = way == 0 ? low : way == 1 ? high : low + (chance >> 33) % (high - low + 1);
    memcpy(d->now, d->kept, d->room);
    memset(d->now + d->kept_size, 0, d->room - d->kept_size);
    memcpy(d->kept, d->now, d->room);
    d->size = d->kept_size;
}
#endif
