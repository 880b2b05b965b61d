/* test_job.c - jobs: canonical bytes, their inverse, what is refused and how fast.
 *
 * Names carry the threat of docs/THREATS.md that they test. */
#include <criterion/criterion.h>
#include <time.h>

#include "small_job.h"

/* Offsets in the canonical bytes (docs/FORMATS.md). */
enum { AT_VERSION = 8, AT_REPEATS = 12, AT_LEVEL = 20, AT_K = 24, AT_PHASES = 28, AT_SLOTS = 32,
       AT_CONSTANTS = 36, AT_RECORDS = 40 };

typedef struct { ro_arena *arena; vd_job *job; uint8_t *bytes; uint64_t size; ro_err err; } fixture;

static fixture set_up(uint32_t segment)
{
    fixture f;
    memset(&f, 0, sizeof f);
    f.arena = ro_arena_new();
    must(small_job(f.arena, 2, 3, segment, 0, &f.job, &f.err), &f.err);
    must(vd_job_encode(f.job, f.arena, &f.bytes, &f.size, &f.err), &f.err);
    return f;
}

static ro_status decode(const uint8_t *bytes, uint64_t size, ro_err *err)
{
    ro_arena *a = ro_arena_new();
    vd_job *j = NULL;
    memset(err, 0, sizeof *err);
    ro_status status = vd_job_decode(bytes, size, a, &j, err);
    cr_assert(status == RO_OK || (err->code == status && strlen(err->msg) > 10));
    ro_arena_free(a);
    return status;
}

static void round_trip(const vd_job *j)
{
    ro_arena *a = ro_arena_new();
    uint8_t *bytes, *again;
    uint64_t size, size_again;
    vd_job *k = NULL;
    ro_err err = {0};
    must(vd_job_encode(j, a, &bytes, &size, &err), &err);
    must(vd_job_decode(bytes, size, a, &k, &err), &err);
    must(vd_job_encode(k, a, &again, &size_again, &err), &err);
    cr_assert(size == size_again && memcmp(bytes, again, size) == 0);
    cr_assert(vd_digest_equal(&j->digest, &k->digest));
    cr_assert(vd_digest_equal(&j->first_state, &k->first_state));
    cr_assert(j->steps == k->steps && j->record == k->record && j->segment == k->segment);
    ro_arena_free(a);
}

Test(job, round_trips)
{
    fixture f = set_up(0);
    round_trip(f.job);
    cr_assert_eq(f.job->steps, 8);
    ro_arena_free(f.arena);
    f = set_up(3);
    round_trip(f.job);
    ro_arena_free(f.arena);
}

/* The digest names all there is to a job and nothing else. */
Test(job, digest_names_the_job)
{
    fixture f = set_up(0), g = set_up(0), h = set_up(3);
    cr_assert(vd_digest_equal(&f.job->digest, &g.job->digest));
    cr_assert(!vd_digest_equal(&f.job->digest, &h.job->digest));
    g.job->slots[1].name = "W";
    must(vd_job_seal(g.job, &g.err), &g.err);
    cr_assert(!vd_digest_equal(&f.job->digest, &g.job->digest));
    g.job->slots[1].name = "w";
    g.job->constants[0].digest.b[0] ^= 1;
    must(vd_job_seal(g.job, &g.err), &g.err);
    cr_assert(!vd_digest_equal(&f.job->digest, &g.job->digest));
    cr_assert(vd_digest_equal(&f.job->first_state, &g.job->first_state));
    g.job->constants[0].digest.b[0] ^= 1;
    g.job->slots[2].digest.b[31] ^= 1;
    must(vd_job_seal(g.job, &g.err), &g.err);
    cr_assert(!vd_digest_equal(&f.job->first_state, &g.job->first_state));
    ro_arena_free(f.arena);
    ro_arena_free(g.arena);
    ro_arena_free(h.arena);
}

Test(job, locates_steps)
{
    fixture f = set_up(0);
    uint64_t s = 0;
    for (uint64_t r = 0; r < 2; r++)
        for (uint32_t p = 0; p < 2; p++)
            for (uint64_t k = 0; k < (p ? 3 : 1); k++, s++) {
                vd_place at = vd_job_locate(f.job, s);
                cr_assert(at.repeat == r && at.phase == p && at.step == k);
            }
    cr_assert_eq(s, f.job->steps);
    ro_arena_free(f.arena);
}

/* A slot that keeps its value is said in one way, however the graph was built. */
Test(job, test_T12_unchanged_slot_is_left_out)
{
    fixture f = set_up(0), g = set_up(0);
    ro_graph *graph = (ro_graph *)(uintptr_t)g.job->phases[0].graph;
    ro_value x;
    ro_type t = g.job->slots[0].type;
    must(ro_graph_slot(graph, 0, &t, &x, &g.err), &g.err); /* declared, never used */
    must(ro_graph_set_next(graph, 0, x, &g.err), &g.err);  /* keeps its value */
    must(vd_job_seal(g.job, &g.err), &g.err);
    cr_assert(vd_digest_equal(&f.job->digest, &g.job->digest));
    round_trip(g.job);
    ro_arena_free(f.arena);
    ro_arena_free(g.arena);
}

Test(job, test_T52_truncated)
{
    fixture f = set_up(0);
    ro_err err;
    uint8_t *copy = malloc(f.size + 1);
    for (uint64_t n = 0; n < f.size; n++) {
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read past the end */
        memcpy(exact, f.bytes, n);
        cr_assert_eq(decode(exact, n, &err), RO_EFORMAT, "%d: %s", (int)n, err.msg);
        free(exact);
    }
    memcpy(copy, f.bytes, f.size);
    copy[f.size] = 0;
    cr_assert_eq(decode(copy, f.size + 1, &err), RO_EFORMAT);
    free(copy);
    ro_arena_free(f.arena);
}

/* Every byte set to 0, 255, one more, one less and with its top bit turned: refused, or another
 * job in its own canonical form. */
Test(job, test_T12_every_byte, .timeout = 120)
{
    fixture f = set_up(3);
    uint32_t accepted = 0;
    for (uint64_t at = 0; at < f.size; at++) {
        uint8_t kept = f.bytes[at];
        uint8_t tried[] = {0, 255, (uint8_t)(kept + 1), (uint8_t)(kept - 1), (uint8_t)(kept ^ 128)};
        for (size_t k = 0; k < sizeof tried; k++) {
            ro_arena *a = ro_arena_new();
            vd_job *j = NULL;
            ro_err err = {0};
            f.bytes[at] = tried[k];
            if (tried[k] != kept && vd_job_decode(f.bytes, f.size, a, &j, &err) == RO_OK) {
                uint8_t *again;
                uint64_t size;
                must(vd_job_encode(j, a, &again, &size, &err), &err);
                cr_assert(size == f.size && memcmp(again, f.bytes, size) == 0);
                cr_assert(!vd_digest_equal(&j->digest, &f.job->digest), "byte %d", (int)at);
                accepted++;
            }
            f.bytes[at] = kept;
            ro_arena_free(a);
        }
    }
    cr_assert(accepted > 100); /* digests, names, steps: other jobs, not malformed ones */
    ro_arena_free(f.arena);
}

static ro_status with_u32(const fixture *f, uint64_t at, uint32_t v, ro_err *err)
{
    uint8_t *copy = malloc(f->size);
    memcpy(copy, f->bytes, f->size);
    for (int k = 0; k < 4; k++) copy[at + (uint64_t)k] = (uint8_t)(v >> (8 * k));
    ro_status status = decode(copy, f->size, err);
    free(copy);
    return status;
}

static ro_status with_u64(const fixture *f, uint64_t at, uint64_t v, ro_err *err)
{
    uint8_t *copy = malloc(f->size);
    memcpy(copy, f->bytes, f->size);
    for (int k = 0; k < 8; k++) copy[at + (uint64_t)k] = (uint8_t)(v >> (8 * k));
    ro_status status = decode(copy, f->size, err);
    free(copy);
    return status;
}

Test(job, test_T53_counts)
{
    fixture f = set_up(3);
    ro_err err;
    static const uint32_t wrong[] = {0, 1, 4, 64, 65, 4096, 4097, 65536, 65537, UINT32_MAX};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        uint32_t v = wrong[k];
        if (v != 1) cr_assert_neq(with_u32(&f, AT_VERSION, v, &err), RO_OK);
        if (v != 1) cr_assert_neq(with_u32(&f, AT_LEVEL, v, &err), RO_OK);
        if (v == 0 || v > 4096) cr_assert_neq(with_u32(&f, AT_K, v, &err), RO_OK);
        cr_assert_neq(with_u32(&f, AT_PHASES, v, &err), RO_OK);
        cr_assert_neq(with_u32(&f, AT_SLOTS, v, &err), RO_OK);
        if (v != 1) cr_assert_neq(with_u32(&f, AT_CONSTANTS, v, &err), RO_OK);
        if (v != 49) cr_assert_neq(with_u32(&f, AT_RECORDS, v, &err), RO_OK);
    }
    cr_assert_eq(with_u64(&f, AT_REPEATS, 0, &err), RO_ELIMIT);
    cr_assert_eq(with_u64(&f, AT_REPEATS, UINT64_MAX, &err), RO_ELIMIT);
    cr_assert_eq(with_u64(&f, AT_REPEATS, (VD_STEPS_MAX + 1) / 4, &err), RO_ELIMIT);
    cr_assert_eq(with_u64(&f, AT_REPEATS, VD_STEPS_MAX / 4, &err), RO_OK);
    cr_assert_eq(with_u64(&f, AT_REPEATS, UINT64_MAX / 4 + 2, &err), RO_ELIMIT);
    ro_arena_free(f.arena);
}

Test(job, test_T53_oversized_bytes)
{
    ro_err err;
    static const uint8_t one;
    cr_assert_eq(decode(&one, VD_JOB_BYTES_MAX + 1, &err), RO_ELIMIT); /* not read */
}

/* ---- what seal refuses ------------------------------------------------------------------- */

static ro_status seal(fixture *f)
{
    memset(&f->err, 0, sizeof f->err);
    ro_status status = vd_job_seal(f->job, &f->err);
    cr_assert(status == RO_OK || strlen(f->err.msg) > 10);
    return status;
}

Test(job, limits_of_seal)
{
    fixture f = set_up(3);
    vd_job *j = f.job;
    j->repeats = 0;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    j->repeats = VD_STEPS_MAX / 4;
    cr_assert_eq(seal(&f), RO_OK);
    j->repeats++;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    j->repeats = 2;
    j->phases[0].steps = 0;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    j->phases[0].steps = UINT64_MAX;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    j->phases[0].steps = 1;
    j->segment = 0;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    j->segment = VD_SEGMENT_MAX + 1;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    j->segment = VD_SEGMENT_MAX;
    cr_assert_eq(seal(&f), RO_OK);
    j->record = VD_RECORD_FULL;
    cr_assert_eq(seal(&f), RO_EFORMAT);
    j->segment = 0;
    cr_assert_eq(seal(&f), RO_OK);
    j->phase_count = 0;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    j->phase_count = 2;
    j->slot_count = 0;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    j->slot_count = 2; /* the graphs use slot 2 */
    cr_assert_eq(seal(&f), RO_EFORMAT);
    j->slot_count = 3;
    j->constant_count = 0;
    cr_assert_eq(seal(&f), RO_EFORMAT);
    j->constant_count = 1;
    j->slots[1].type.dims[0] = 4;
    cr_assert_eq(seal(&f), RO_ESHAPE);
    ro_arena_free(f.arena);
}

Test(job, names)
{
    fixture f = set_up(0);
    static char longest[257];
    static const char *const bad[] = {
        "", "a\n", "\x7f", "\x80", "\xc0\x80", "\xc3", "\xc3(", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xc2\x85", "\xff", "v", "step"};
    static const char *const good[] = {"W", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", " "};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        f.job->slots[1].name = bad[k];
        cr_assert_neq(seal(&f), RO_OK, "name %zu", k);
    }
    for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
        f.job->slots[1].name = good[k];
        cr_assert_eq(seal(&f), RO_OK, "name %zu: %s", k, f.err.msg);
        round_trip(f.job);
    }
    memset(longest, 'a', 256);
    f.job->slots[1].name = longest;
    cr_assert_eq(seal(&f), RO_ELIMIT);
    longest[255] = 0;
    cr_assert_eq(seal(&f), RO_OK);
    round_trip(f.job);
    ro_arena_free(f.arena);
}

Test(job, slot_0_is_step)
{
    fixture f = set_up(0);
    f.job->slots[0].name = "steps";
    cr_assert_eq(seal(&f), RO_EFORMAT);
    f.job->slots[0].name = "step";
    f.job->slots[0].digest = vd_step_digest(1);
    cr_assert_eq(seal(&f), RO_EFORMAT);
    f.job->slots[0].digest = vd_step_digest(0);
    f.job->slots[0].type = ro_type_of(RO_I32, 0, NULL);
    cr_assert_eq(seal(&f), RO_EFORMAT);
    f.job->slots[0].type = ro_type_of(RO_I64, 0, NULL);
    ro_graph *g = (ro_graph *)(uintptr_t)f.job->phases[0].graph;
    ro_value step, sum;
    must(ro_graph_slot(g, 0, &f.job->slots[0].type, &step, &f.err), &f.err);
    must(ro_emit2(g, RO_OP_Add, NULL, step, step, &sum, &f.err), &f.err);
    cr_assert_eq(seal(&f), RO_OK);
    must(ro_graph_set_next(g, 0, sum, &f.err), &f.err);
    cr_assert_eq(seal(&f), RO_EFORMAT);
    ro_arena_free(f.arena);
}

/* ---- nodes ------------------------------------------------------------------------------- */

static uint8_t *find(const fixture *f, const char *what, size_t n)
{
    for (uint64_t at = 0; at + n <= f->size; at++)
        if (memcmp(f->bytes + at, what, n) == 0) return f->bytes + at;
    cr_assert_fail("not in the job: %s", what);
    return NULL;
}

Test(job, nodes_that_are_refused)
{
    fixture f = set_up(0);
    ro_err err;
    uint8_t *name = find(&f, "MatMul", 6);
    name[6]++; /* version 2 */
    cr_assert_eq(decode(f.bytes, f.size, &err), RO_EOP);
    cr_assert(strstr(err.msg, "MatMul of version 2") && strstr(err.msg, "node 0 of phase 1"),
              "%s", err.msg);
    name[6]--;
    name[0] = 'm';
    cr_assert_eq(decode(f.bytes, f.size, &err), RO_EOP);
    name[0] = '\n';
    cr_assert_eq(decode(f.bytes, f.size, &err), RO_EFORMAT);
    name[0] = 'M';
    uint8_t *inputs = name + 6 + 4 + 4, *first = inputs + 4;
    inputs[0] = 1; /* the second reference is then read as outputs */
    cr_assert_neq(decode(f.bytes, f.size, &err), RO_OK);
    inputs[0] = 2;
    static const uint8_t references[][9] = {
        {3, 0, 0, 0, 0, 0, 0, 0, 0},    /* itself                       */
        {3, 9, 0, 0, 0, 0, 0, 0, 0},    /* a node that comes later      */
        {1, 3, 0, 0, 0, 0, 0, 0, 0},    /* no such slot                 */
        {2, 1, 0, 0, 0, 0, 0, 0, 0},    /* no such constant             */
        {2, 0, 0, 0, 0, 1, 0, 0, 0},    /* a constant has no output     */
        {4, 0, 0, 0, 0, 0, 0, 0, 0},    /* there is no fifth kind       */
        {0, 0, 0, 0, 0, 0, 0, 0, 0},    /* MatMul's first is required   */
        {0, 1, 0, 0, 0, 0, 0, 0, 0},    /* nothing has no index         */
        {1, 0, 0, 0, 0, 0, 0, 0, 0}};   /* step: an int64               */
    uint8_t kept[9];
    memcpy(kept, first, 9);
    for (size_t k = 0; k < sizeof references / 9; k++) {
        memcpy(first, references[k], 9);
        cr_assert_neq(decode(f.bytes, f.size, &err), RO_OK, "reference %zu", k);
    }
    memcpy(first, kept, 9);
    uint8_t *type = first + 18 + 4;
    type[8]++; /* y is (4, 2): stated as (5, 2) */
    cr_assert_eq(decode(f.bytes, f.size, &err), RO_ESHAPE);
    type[8]--;
    cr_assert_eq(decode(f.bytes, f.size, &err), RO_OK);
    ro_arena_free(f.arena);
}

/* An optional input that is absent at the end is not said. */
Test(job, test_T12_absent_inputs_at_the_end)
{
    fixture f = set_up(0);
    ro_graph *g = (ro_graph *)(uintptr_t)f.job->phases[1].graph;
    uint8_t a[VD_NODE_RECORD_MAX], b[VD_NODE_RECORD_MAX];
    size_t n = vd_node_record(g, 0, a);
    ro_value more[3] = {g->nodes[0].in[0], g->nodes[0].in[1], RO_NO_VALUE};
    g->nodes[0].in = more;
    g->nodes[0].inputs = 3;
    cr_assert(vd_node_record(g, 0, b) == n && memcmp(a, b, n) == 0);
    ro_arena_free(f.arena);
}

/* ---- large jobs -------------------------------------------------------------------------- */

/* Of this process alone: the machine may be busy. */
static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* A job of as many slots, nodes or constants as are allowed. */
static void large_job(ro_arena *a, uint32_t slots, uint32_t nodes, vd_job **out)
{
    ro_err err = {0};
    vd_job *j = NULL;
    must(small_unsealed(a, 1, 1, 0, 0, &j, &err), &err);
    vd_slot *list = ro_arena_alloc(a, slots * sizeof *list);
    memcpy(list, j->slots, 3 * sizeof *list);
    for (uint32_t s = 3; s < slots; s++) {
        char *name = ro_arena_alloc(a, 16);
        snprintf(name, 16, "s%u", s);
        list[s] = list[1];
        list[s].name = name;
    }
    j->slots = list;
    j->slot_count = slots;
    ro_graph *g = (ro_graph *)(uintptr_t)j->phases[1].graph;
    ro_value v = g->nodes[1].first_output;
    for (uint32_t n = j->phases[0].graph->node_count + g->node_count; n < nodes; n++)
        must(ro_emit1(g, RO_OP_Neg, NULL, v, &v, &err), &err);
    for (uint32_t s = 3; s < slots; s++) { /* slot s takes the old value of slot s - 1 */
        ro_value mine, before;
        must(ro_graph_slot(g, s, &list[s].type, &mine, &err), &err);
        before = s == 3 ? v : g->slots[s - 1];
        must(ro_graph_set_next(g, s, before, &err), &err);
    }
    must(vd_job_seal(j, &err), &err);
    *out = j;
}

Test(job, test_T53_largest, .timeout = 120)
{
    ro_arena *a = ro_arena_new();
    vd_job *j = NULL;
    ro_err err = {0};
    uint8_t *bytes;
    uint64_t size;
    large_job(a, VD_SLOTS_MAX, VD_NODES_MAX, &j);
    round_trip(j);
    must(vd_job_encode(j, a, &bytes, &size, &err), &err);
    /* One number too many, of each: refused by its count, before anything is made of it. */
    static const uint32_t at[] = {AT_PHASES, AT_SLOTS, AT_CONSTANTS};
    for (int k = 0; k < 3; k++) {
        uint8_t kept[4];
        memcpy(kept, bytes + at[k], 4);
        memset(bytes + at[k], 0xff, 4);
        double t = milliseconds();
        cr_assert_eq(decode(bytes, size, &err), RO_ELIMIT);
        cr_assert(milliseconds() - t < 50);
        memcpy(bytes + at[k], kept, 4);
    }
    double t = milliseconds();
    cr_assert_eq(decode(bytes, size, &err), RO_OK);
    printf("the largest job, %.1f MB, is decoded in %.0f ms\n", 1e-6 * (double)size,
           milliseconds() - t);
    /* Wrong in the type of its last node, before the wiring of the slots and three outputs. */
    uint64_t last = size - 4 - 3 * 9 - 9 * (uint64_t)VD_SLOTS_MAX - 8;
    bytes[last] ^= 1;
    t = milliseconds();
    cr_assert_eq(decode(bytes, size, &err), RO_ESHAPE);
    printf("wrong at its last node it is refused in %.0f ms\n", milliseconds() - t);
    bytes[last] ^= 1;
    t = milliseconds();
    cr_assert_eq(decode(bytes, size - 1, &err), RO_EFORMAT);
    cr_assert(milliseconds() - t < 50, "%g ms", milliseconds() - t);
    ro_value v = 0;
    ro_graph *g = (ro_graph *)(uintptr_t)j->phases[1].graph;
    must(ro_emit1(g, RO_OP_Neg, NULL, g->nodes[0].first_output, &v, &err), &err);
    cr_assert_eq(vd_job_seal(j, &err), RO_ELIMIT);
    ro_arena_free(a);
}

/* Evidence holds the records of all phases: two may have every slot, three may not. */
Test(job, test_T53_phases_fit_into_evidence)
{
    ro_arena *a = ro_arena_new();
    vd_job *j = NULL;
    ro_err err = {0};
    large_job(a, VD_SLOTS_MAX, 0, &j);
    cr_assert_leq(vd_phase_record(j, 0, NULL) + vd_phase_record(j, 1, NULL), VD_PHASES_BYTES_MAX);
    vd_phase three[3] = {j->phases[0], j->phases[1], j->phases[1]};
    j->phases = three;
    j->phase_count = 3;
    cr_assert_eq(vd_job_seal(j, &err), RO_ELIMIT);
    cr_assert(strstr(err.msg, "the records of 3 phases"), "%s", err.msg);
    ro_arena_free(a);
}

Test(job, every_allocation_fails, .timeout = 120)
{
    fixture f = set_up(0);
    for (int persistent = 0; persistent < 2; persistent++) {
        uint64_t n = 1;
        for (;; n++) {
            vd_job *j = NULL;
            uint8_t *again;
            uint64_t size;
            ro_err err = {0};
            ro_alloc_fail_at(n, persistent);
            ro_arena *a = ro_arena_new();
            ro_status status = a ? vd_job_decode(f.bytes, f.size, a, &j, &err) : RO_ENOMEM;
            if (!status) status = vd_job_encode(j, a, &again, &size, &err);
            ro_alloc_fail_at(0, 0);
            ro_arena_free(a);
            if (!status) break;
            cr_assert_eq(status, RO_ENOMEM);
        }
        cr_assert(n > 5);
    }
    ro_arena_free(f.arena);
}

/* ---- digests ----------------------------------------------------------------------------- */

Test(job, digests_as_text)
{
    vd_digest d = made_up(1, 2, 3), e;
    char hex[66];
    ro_err err = {0};
    vd_digest_hex(&d, hex);
    cr_assert_eq(strlen(hex), 64);
    must(vd_digest_parse(hex, &e, &err), &err);
    cr_assert(vd_digest_equal(&d, &e));
    static const char *const bad[] = {"", "0", "A", "g", " "};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        vd_digest_hex(&d, hex);
        if (bad[k][0]) hex[63] = bad[k][0];
        if (!bad[k][0] || bad[k][0] == '0') hex[63] = 0;
        memset(&err, 0, sizeof err);
        cr_assert_eq(vd_digest_parse(hex, &e, &err), RO_EFORMAT);
    }
    vd_digest_hex(&d, hex);
    hex[64] = '0';
    hex[65] = 0;
    cr_assert_eq(vd_digest_parse(hex, &e, &err), RO_EFORMAT);
    e = d;
    for (size_t bit = 0; bit < 256; bit++) {
        e.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert(!vd_digest_equal(&d, &e));
        e.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}
