/* base.c - errors, memory and checked sizes. The only malloc of the project.
 *
 * Invariants
 *   1. Every failure passes ro_fail: the place for a breakpoint.
 *   2. Every allocation passes allocate(): the place where tests make the n-th one fail. */
#include "repops.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ------------------------------------------------------------------------------ */

/* A sentence may quote a stranger's file, and goes to a terminal or a log: control characters, also
 * those of two bytes (U+0080 to U+009F), are shown as '?'. */
static void make_plain(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if (*c < ' ' || *c == 0x7f) *c = '?';
        else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) c[0] = c[1] = '?';
    }
}

ro_status ro_fail(ro_err *err, ro_status code, const char *format, ...)
{
    if (err && err->code == RO_OK) {
        va_list args;
        err->code = code;
        va_start(args, format);
        vsnprintf(err->msg, sizeof err->msg, format, args);
        va_end(args);
        make_plain(err->msg);
    }
    return code;
}

const char *ro_status_name(ro_status code)
{
    static const char *const names[] = {
        "ok", "usage", "format", "limit", "shape", "type", "attribute", "operator",
        "memory", "io", "not found", "signature", "differ", "device"};
    return (unsigned)code < sizeof names / sizeof *names ? names[code] : "unknown";
}

_Noreturn void ro_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    abort();
}

/* ---- memory ------------------------------------------------------------------------------ */

#define ALIGNMENT ((size_t)64)

static _Atomic uint64_t allocations_left; /* 0: never fail; n: the n-th from now fails */
static _Atomic int fail_for_good;

void ro_alloc_fail_at(uint64_t n, int persistent)
{
    fail_for_good = 0;
    allocations_left = n;
    if (persistent) fail_for_good = n ? 1 : 0;
}

static int must_fail(void)
{
    uint64_t left = atomic_load(&allocations_left);
    while (left) {
        if (left == 1 && fail_for_good) return 1;
        if (atomic_compare_exchange_weak(&allocations_left, &left, left - 1)) return left == 1;
    }
    return 0;
}

static void *allocate(size_t size)
{
    if (size > SIZE_MAX / 2 || must_fail()) return NULL;
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT);
}

void *ro_alloc(size_t size) { return allocate(size); }

void *ro_alloc_zero(size_t size)
{
    void *p = allocate(size);
    if (p) memset(p, 0, size);
    return p;
}

void *ro_resize(void *p, size_t old_size, size_t new_size)
{
    void *q = allocate(new_size);
    if (!q) return NULL;
    if (p) memcpy(q, p, old_size < new_size ? old_size : new_size);
    free(p);
    return q;
}

void ro_free(void *p) { free(p); }

int ro_mul_size(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r)) return 0;
    *out = r;
    return 1;
}

int ro_add_size(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r)) return 0;
    *out = r;
    return 1;
}

/* ---- arena ------------------------------------------------------------------------------- */

#define ARENA_BLOCK ((size_t)1 << 16)

typedef struct arena_block {
    struct arena_block *next;
    char *bytes; /* in what follows, aligned */
    size_t used, size;
} arena_block;

struct ro_arena { arena_block *head; };

/* From calloc, which need not touch pages that the system gives it clean: an array that may grow
 * takes no memory for the room that it does not use. */
static arena_block *block_new(size_t room)
{
    arena_block *b = must_fail() ? NULL : calloc(1, sizeof *b + ALIGNMENT + room);
    if (!b) return NULL;
    b->bytes = (char *)(b + 1) + (ALIGNMENT - (uintptr_t)(b + 1) % ALIGNMENT);
    b->size = room;
    return b;
}

ro_arena *ro_arena_new(void) { return ro_alloc_zero(sizeof(ro_arena)); }

void ro_arena_free(ro_arena *a)
{
    if (!a) return;
    for (arena_block *b = a->head; b;) {
        arena_block *next = b->next;
        ro_free(b);
        b = next;
    }
    ro_free(a);
}

void *ro_arena_alloc(ro_arena *a, size_t size)
{
    if (size > SIZE_MAX / 4) return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!size) size = ALIGNMENT;
    if (!a->head || a->head->size - a->head->used < size) {
        size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;
        arena_block *b = block_new(room);
        if (!b) return NULL;
        b->next = a->head;
        a->head = b;
    }
    void *p = a->head->bytes + a->head->used;
    a->head->used += size;
    return p;
}

char *ro_arena_string(ro_arena *a, const char *s, size_t n)
{
    char *p = ro_arena_alloc(a, n + 1);
    if (p) memcpy(p, s, n);
    return p;
}
