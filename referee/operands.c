/* operands.c - the chunks that an element, or a part of one, reads: how they are written, found
 * and checked. docs/FORMATS.md, "Operands", states every byte.
 *
 * Invariants
 *   1. What is accepted are exactly the chunks that are read: none is missing and none idle.
 *   2. An input's chunks share one proof, which holds no hash that follows from others.
 *   3. Counts are compared with the bytes that are left before room is made for them. */
#include "game.h"

#include <string.h>

#include "../verde/bytes.h"

/* ---- one proof for many leaves ---------------------------------------------------------- */

/* Walk up from leaves at[0..count) (ascending) of a tree of n: level by level, the hash of every
 * node over one of them, from its children. A child that no leaf is under is the next of the
 * proof. Returns how many hashes the proof has. at is used up; hash may be NULL (only counted),
 * else hash[0] is the root at the end. */
static uint64_t walk_up(uint64_t n, uint64_t *at, uint64_t count, uint8_t (*hash)[VD_DIGEST],
                        const uint8_t *proof)
{
    uint64_t used = 0;
    for (; n > 1; n = n / 2 + n % 2) {
        uint64_t up = 0;
        for (uint64_t k = 0; k < count; k++, up++) {
            uint64_t i = at[k];
            int alone = i % 2 == 0 && i + 1 == n; /* promoted */
            int pair = i % 2 == 0 && k + 1 < count && at[k + 1] == i + 1;
            const uint8_t *given = hash && !alone && !pair ? proof + used * VD_DIGEST : NULL;
            if (hash && alone) memmove(hash[up], hash[k], VD_DIGEST);
            else if (hash && pair) vd_inner_hash(VD_TREE_CHUNKS, hash[k], hash[k + 1], hash[up]);
            else if (given && i % 2) vd_inner_hash(VD_TREE_CHUNKS, given, hash[k], hash[up]);
            else if (given) vd_inner_hash(VD_TREE_CHUNKS, hash[k], given, hash[up]);
            used += !alone && !pair;
            at[up] = i / 2;
            k += (uint64_t)pair;
        }
        count = up;
    }
    return used;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* The chunks of one input. With check, hash them up to the input's digest; *ok 0: they do not. */
static ro_status take_input(const rf_node *n, vd_in *in, rf_operands *o, uint32_t input,
                            uint64_t count, int check, int *ok, ro_err *err)
{
    const ro_type *t = &n->in[input];
    uint64_t chunks = vd_tensor_chunks(t);
    uint64_t *at = ro_alloc(count * sizeof *at);
    uint8_t(*hash)[VD_DIGEST] = check ? ro_alloc(count * VD_DIGEST) : NULL;
    ro_status st = RO_OK;
    *ok = at && (hash || !check);
    if (!*ok) st = RO_FAIL(err, RO_ENOMEM, "no memory for operands");
    for (uint64_t k = 0; *ok && k < count; k++) {
        at[k] = vd_in_u64(in);
        *ok = at[k] < chunks && (k == 0 || at[k] > at[k - 1]);
    }
    for (uint64_t k = 0; *ok && k < count; k++) {
        rf_operand *x = &o->list[o->count++];
        *x = (rf_operand){input, at[k], (uint32_t)vd_tensor_chunk_bytes(t, at[k]), NULL, 0};
        x->bytes = vd_in_bytes(in, x->size);
        if (!x->bytes) *ok = 0;
        else if (check) vd_leaf_hash(VD_TREE_CHUNKS, x->bytes, x->size, hash[k]);
    }
    if (*ok && check) { /* counting uses up the places: they are in the list still */
        uint64_t hashes = walk_up(chunks, at, count, NULL, NULL);
        const uint8_t *proof = vd_in_bytes(in, hashes * VD_DIGEST);
        uint8_t header[VD_TENSOR_HEADER_MAX], digest[VD_DIGEST];
        for (uint64_t k = 0; k < count; k++) at[k] = o->list[o->count - count + k].chunk;
        if (proof || hashes == 0) walk_up(chunks, at, count, hash, proof);
        vd_tensor_header_digest(header, vd_tensor_header_encode(t, hash[0], header), digest);
        *ok = (proof || hashes == 0) && memcmp(digest, n->digest[input].b, VD_DIGEST) == 0;
    } else if (*ok) {
        *ok = vd_in_bytes(in, walk_up(chunks, at, count, NULL, NULL) * VD_DIGEST) != NULL;
    }
    ro_free(at);
    ro_free(hash);
    return st;
}

static ro_status take_operands(const rf_node *n, const uint8_t *bytes, size_t size, int check,
                               rf_operands *o, ro_arena *a, int *ok, ro_err *err)
{
    vd_in in = {bytes, size, 0, 0};
    uint32_t inputs = vd_in_u32(&in), last = 0;
    memset(o, 0, sizeof *o);
    o->node = n;
    *ok = 0;
    /* All chunks of an input but its last are whole. */
    o->list = ro_arena_alloc(a, (size / VD_CHUNK_BYTES + RO_INPUTS_MAX + 1) * sizeof *o->list);
    if (!o->list) return RO_FAIL(err, RO_ENOMEM, "no memory for operands");
    for (uint32_t k = 0; k < inputs; k++) {
        uint32_t input = vd_in_u32(&in);
        uint64_t count = vd_in_u32(&in);
        if (in.bad || count == 0 || count > vd_in_left(&in) / VD_CHUNK_BYTES + 1 ||
            input >= n->inputs || n->in[input].dtype == RO_NONE || (k && input <= last))
            return RO_OK;
        int good;
        RO_TRY(take_input(n, &in, o, input, count, check, &good, err));
        if (!good) return RO_OK;
        last = input;
    }
    *ok = !in.bad && vd_in_left(&in) == 0;
    return RO_OK;
}

ro_status rf_operands_parse(const rf_node *n, const uint8_t *bytes, size_t size, rf_operands *o,
                            ro_arena *a, int *ok, ro_err *err)
{
    return take_operands(n, bytes, size, 0, o, a, ok, err);
}

ro_status rf_operands_hold(const rf_node *n, const rf_question *q, const rf_part *part,
                           const uint8_t *bytes, size_t size, int *ok, ro_err *err)
{
    rf_operands o;
    ro_arena *a = ro_arena_new();
    if (!a) return RO_FAIL(err, RO_ENOMEM, "no memory to check operands");
    ro_status st = take_operands(n, bytes, size, 1, &o, a, ok, err);
    if (!st && *ok) {
        rf_computed c;
        st = rf_touch(&o, q, part, &c, err);
        *ok = !st && c.done && rf_operands_exact(&o);
    }
    ro_arena_free(a);
    return st;
}

/* ---- writing an answer ------------------------------------------------------------------ */

/* What a body reads is discovered: a list of wanted chunks grows until nothing is missing. */
typedef struct { uint32_t input; uint64_t chunk; } want;
typedef struct {
    const rf_node *node;
    const rf_part *part;
    const rf_chunk_source *source;
    want *list;
    uint64_t count, room;
    uint8_t *cache; /* bytes of the chunk read last */
    uint32_t cache_input;
    uint64_t cache_chunk;
    size_t cache_size;
    ro_status status;
} discovery;

static int want_before(const want *a, uint32_t input, uint64_t chunk)
{
    return a->input < input || (a->input == input && a->chunk < chunk);
}

static uint64_t want_place(const discovery *d, uint32_t input, uint64_t chunk)
{
    uint64_t lo = 0, hi = d->count;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (want_before(&d->list[mid], input, chunk)) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

static int add_want(discovery *d, uint32_t input, uint64_t chunk)
{
    uint64_t at = want_place(d, input, chunk);
    if (at < d->count && d->list[at].input == input && d->list[at].chunk == chunk) return 1;
    if (d->count == d->room) {
        uint64_t room = d->room ? 2 * d->room : 64;
        want *list = ro_resize(d->list, d->room * sizeof *list, room * sizeof *list);
        if (!list) return 0;
        d->list = list;
        d->room = room;
    }
    memmove(d->list + at + 1, d->list + at, (d->count - at) * sizeof *d->list);
    d->list[at] = (want){input, chunk};
    d->count++;
    return 1;
}

static uint64_t discover(const ro_reader *r, uint32_t input, uint64_t element)
{
    discovery *d = r->ctx;
    uint32_t size = ro_dtypes[r->in[input].dtype].size, path_size;
    uint64_t at = element * size, chunk = at / VD_CHUNK_BYTES;
    if (d->status || element >= ro_type_elements(&r->in[input])) return 0;
    if (d->cache_size == 0 || d->cache_input != input || d->cache_chunk != chunk) {
        const uint8_t *bytes, *path;
        size_t n;
        if (!d->source->chunk(d->source->ctx, &d->node->digest[input], &r->in[input], chunk, &bytes,
                              &n, &path, &path_size) || n > VD_CHUNK_BYTES) {
            d->status = RO_ENOTFOUND;
            return 0;
        }
        memcpy(d->cache, bytes, n);
        d->cache_input = input;
        d->cache_chunk = chunk;
        d->cache_size = n;
        if (!add_want(d, input, chunk)) d->status = RO_ENOMEM;
    }
    if (at % VD_CHUNK_BYTES + size > d->cache_size) return 0;
    return vd_get_le(d->cache + at % VD_CHUNK_BYTES, size);
}

static uint64_t known_claim(const ro_claims *claims, uint32_t level, uint64_t index)
{
    const discovery *d = claims->ctx;
    uint64_t bits;
    return rf_agreed_bits(d->part, level, index, &bits) ? bits : rf_unknown_claim(d->node);
}

static void run_discovery(discovery *d, const rf_question *q)
{
    ro_reader r;
    const ro_node *node = d->node->node;
    const ro_explain *e = rf_explain_of(d->node, &r);
    const ro_claims known = {known_claim, d};
    r.fetch = discover;
    r.ctx = d;
    if (q->level == RF_NONE) (void)ro_at(node->op, &r, node->attrs, q->output, q->element);
    else (void)e->part(&r, node->attrs, q->output, q->element, q->level, q->index, &known);
}

/* What discovery found out, as a runner brings it back: status u32, then a bit for each chunk of
 * each input. */
typedef struct { discovery *d; const rf_question *q; } discovering;

static uint64_t first_bit(const rf_node *n, uint32_t input)
{
    uint64_t at = 32;
    for (uint32_t k = 0; k < input; k++)
        if (n->in[k].dtype != RO_NONE) at += vd_tensor_chunks(&n->in[k]);
    return at;
}

static void discovery_result(const void *work, uint8_t *result)
{
    const discovering *w = work;
    const discovery *d = w->d;
    memset(result, 0, (size_t)(first_bit(d->node, d->node->inputs) + 7) / 8);
    run_discovery(w->d, w->q);
    vd_put_le(result, (uint64_t)d->status, 4);
    for (uint64_t k = 0; k < d->count; k++) {
        uint64_t at = first_bit(d->node, d->list[k].input) + d->list[k].chunk;
        result[at / 8] |= (uint8_t)(1u << at % 8);
    }
}

/* In the runner's place. It fails as a source does that lacks a chunk: nobody can answer. */
static ro_status discover_elsewhere(discovery *d, const rf_question *q)
{
    const rf_runner *r = d->node->runner;
    discovering w = {d, q};
    size_t size = (size_t)(first_bit(d->node, d->node->inputs) + 7) / 8;
    uint8_t *found = ro_alloc(size);
    ro_status st = found ? RO_OK : RO_ENOMEM;
    if (!st && !r->run(r->ctx, discovery_result, &w, found, size)) st = RO_ENOTFOUND;
    if (!st && vd_get_u32(found))
        st = vd_get_u32(found) == RO_ENOMEM ? RO_ENOMEM : RO_ENOTFOUND;
    for (uint32_t k = 0; !st && k < d->node->inputs; k++) {
        uint64_t first = first_bit(d->node, k), end = first_bit(d->node, k + 1);
        for (uint64_t at = first; !st && at < end; at++)
            if (found[at / 8] >> at % 8 & 1 && !add_want(d, k, at - first)) st = RO_ENOMEM;
    }
    ro_free(found);
    return st;
}

/* The proof of chunks [from, end) of the list, one input's, from the path of each. paths: room for
 * VD_PROOF_MAX hashes a chunk. Level by level as walk_up goes; the node over several chunks is
 * followed by the path of the first of them. */
static void write_proof(const discovery *d, uint64_t from, uint64_t end, const uint8_t *paths,
                        uint64_t *at, uint32_t *step, vd_out *o)
{
    uint64_t n = vd_tensor_chunks(&d->node->in[d->list[from].input]), count = end - from;
    uint64_t *first = at + count; /* of the list: whose path a node follows */
    for (uint64_t k = 0; k < count; k++) {
        at[k] = d->list[from + k].chunk;
        first[k] = k;
        step[k] = 0;
    }
    for (; n > 1; n = n / 2 + n % 2) {
        uint64_t up = 0;
        for (uint64_t k = 0; k < count; k++, up++) {
            uint64_t i = at[k], f = first[k];
            int alone = i % 2 == 0 && i + 1 == n;
            int pair = i % 2 == 0 && k + 1 < count && at[k + 1] == i + 1;
            if (!alone && !pair)
                vd_out_bytes(o, paths + (f * VD_PROOF_MAX + step[f]) * VD_DIGEST, VD_DIGEST);
            step[f] += !alone;
            at[up] = i / 2;
            first[up] = f;
            k += (uint64_t)pair;
        }
        count = up;
    }
}

/* Chunks and proof of one input: chunks [from, end) of the list. */
static ro_status write_input(const discovery *d, uint64_t from, uint64_t end, vd_out *o,
                             ro_err *err)
{
    uint64_t count = end - from;
    const want *w = d->list + from;
    const ro_type *t = &d->node->in[w->input];
    uint8_t *paths = ro_alloc(count * VD_PROOF_MAX * VD_DIGEST);
    uint64_t *at = ro_alloc(2 * count * sizeof *at);
    uint32_t *step = ro_alloc(count * sizeof *step);
    ro_status st = paths && at && step ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory for operands");
    vd_out_u32(o, w->input);
    vd_out_u32(o, (uint32_t)count);
    for (uint64_t k = 0; k < count; k++) vd_out_u64(o, w[k].chunk);
    for (uint64_t k = 0; !st && k < count; k++) {
        const uint8_t *bytes, *path;
        size_t n;
        uint32_t path_size;
        if (!d->source->chunk(d->source->ctx, &d->node->digest[w->input], t, w[k].chunk, &bytes,
                              &n, &path, &path_size) ||
            n != vd_tensor_chunk_bytes(t, w[k].chunk) ||
            path_size != vd_proof_size(vd_tensor_chunks(t), w[k].chunk)) {
            st = RO_FAIL(err, RO_ENOTFOUND, "an operand's chunk cannot be read");
            break;
        }
        vd_out_bytes(o, bytes, n);
        memcpy(paths + k * VD_PROOF_MAX * VD_DIGEST, path, path_size * (size_t)VD_DIGEST);
    }
    if (!st) write_proof(d, from, end, paths, at, step, o);
    ro_free(paths);
    ro_free(at);
    ro_free(step);
    return st;
}

static uint64_t input_end(const discovery *d, uint64_t from)
{
    uint64_t end = from;
    while (end < d->count && d->list[end].input == d->list[from].input) end++;
    return end;
}

static ro_status write_wanted(const discovery *d, uint8_t **answer, size_t *size, ro_err *err)
{
    vd_out o = {NULL, 4};
    uint64_t room = 4;
    uint32_t inputs = 0;
    for (uint64_t k = 0; k < d->count; k++) {
        const ro_type *t = &d->node->in[d->list[k].input];
        int begins = k == 0 || d->list[k].input != d->list[k - 1].input;
        inputs += (uint32_t)begins;
        room += 8u * (uint32_t)begins + 8 + vd_tensor_chunk_bytes(t, d->list[k].chunk) +
                (uint64_t)vd_proof_size(vd_tensor_chunks(t), d->list[k].chunk) * VD_DIGEST;
    }
    if (d->count > UINT32_MAX || room > RF_OPERANDS_MAX)
        return RO_FAIL(err, RO_ELIMIT, "the operands take %llu bytes; %llu are allowed",
                       (unsigned long long)room, (unsigned long long)RF_OPERANDS_MAX);
    o.to = ro_alloc(room);
    if (!o.to) return RO_FAIL(err, RO_ENOMEM, "no memory for operands");
    vd_put_le(o.to, inputs, 4);
    ro_status st = RO_OK;
    for (uint64_t k = 0; !st && k < d->count; k = input_end(d, k))
        st = write_input(d, k, input_end(d, k), &o, err);
    if (st) {
        ro_free(o.to);
        return st;
    }
    *answer = o.to;
    *size = o.n;
    return RO_OK;
}

ro_status rf_operands_write(const rf_game *g, const rf_question *q, const rf_chunk_source *s,
                            uint8_t **answer, size_t *size, ro_err *err)
{
    discovery d;
    memset(&d, 0, sizeof d);
    d.node = &g->subject;
    d.part = &g->part;
    d.source = s;
    d.cache = ro_alloc(VD_CHUNK_BYTES);
    if (!d.cache) return RO_FAIL(err, RO_ENOMEM, "no memory for operands");
    if (d.node->runner) d.status = discover_elsewhere(&d, q);
    else run_discovery(&d, q);
    ro_status st = d.status;
    if (st == RO_ENOTFOUND) st = RO_FAIL(err, st, "an input of the element is in no store");
    else if (st) st = RO_FAIL(err, st, "no memory for operands");
    else st = write_wanted(&d, answer, size, err);
    ro_free(d.list);
    ro_free(d.cache);
    return st;
}
