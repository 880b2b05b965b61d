/* test_total.c - rule 4 (T63): after admission no value makes an operator fail. Every operator's
 * scalar body runs on random bits in all inputs, indices, labels, steps and bools among them, and
 * on empty tensors; every read must lie inside its input, every result fit its dtype, NaN be the
 * canonical one unless bits are moved. Meant to be run under -fsanitize=address,undefined, too.
 * Prints a digest an operator and one of all, which tests/run compares between its two builds. */
#include "ops_cases.h"

#include <criterion/criterion.h>

#define CASES 60
#define ELEMENTS 40 /* of an output: scalar bodies of rows cost a row each */

typedef struct {
    node_case c;
    void *data[CASE_INPUTS];
} subject;

static uint64_t inside(const ro_reader *r, uint32_t input, uint64_t element)
{
    const subject *s = r->ctx;
    cr_assert_lt(input, r->inputs, "%s reads input %u", ro_ops[s->c.op].name, input);
    cr_assert_neq(r->in[input].dtype, RO_NONE, "%s reads an absent input", ro_ops[s->c.op].name);
    cr_assert_lt(element, ro_type_elements(&r->in[input]), "%s reads element %llu of input %u",
                 ro_ops[s->c.op].name, (unsigned long long)element, input);
    return ro_load(r->in[input].dtype, s->data[input], element);
}

/* Any bits, with the special ones often: zeros, infinities, NaNs, least and greatest integers,
 * the least subnormal, small integers of either sign. */
static uint64_t wild(rng *g, ro_dtype d)
{
    static const uint64_t f16[] = {0, 0x8000, 0x7c00, 0xfc00, 0x7e01, 0xfe00, 0x7c01, 1, 0x7fff,
                                   0x7bff};
    static const uint64_t bf16[] = {0, 0x8000, 0x7f80, 0xff80, 0x7fc1, 0xffc0, 0x7f81, 1, 0x7fff,
                                    0x7f7f};
    static const uint64_t f32[] = {0, 0x80000000u, 0x7f800000u, 0xff800000u, 0x7fc00001u,
                                   0xffc00000u, 0x7f800001u, 1, 0x7fffffffu, 0x7f7fffffu};
    static const uint64_t f64[] = {0, 0x8000000000000000u, 0x7ff0000000000000u,
                                   0xfff0000000000000u, 0x7ff8000000000001u, 0xfff8000000000000u,
                                   0x7ff0000000000001u, 1, 0x7fffffffffffffffu,
                                   0x7fefffffffffffffu};
    uint64_t b = rng_next(g), k = rng_next(g) % 10;
    switch (rng_next(g) % 4) {
    case 0:
        if (d == RO_F16 || d == RO_BF16) return (d == RO_F16 ? f16 : bf16)[k];
        return ro_dtypes[d].size == 8 ? f64[k] : f32[k];
    case 1: return (uint64_t)rng_in(g, -6, 6);
    default: return b;
    }
}

static void check_stored(const subject *s, uint32_t out, uint64_t bits)
{
    ro_dtype d = s->c.out[out].dtype;
    const char *name = ro_ops[s->c.op].name;
    if (ro_dtypes[d].size < 8)
        cr_assert_eq(bits >> (8 * ro_dtypes[d].size), 0, "%s gives %llx", name,
                     (unsigned long long)bits);
    if (ro_keeps_bits(s->c.op, s->c.attrs.bytes)) return;
    if (d == RO_BOOL)
        cr_assert_leq(bits, 1, "%s gives the bool %llx", name, (unsigned long long)bits);
    if (d == RO_F32) cr_assert_eq(bits, ro_canon_f32(ro_bits_f32((uint32_t)bits)), "%s", name);
    if (d == RO_F64) cr_assert_eq(bits, ro_canon_f64(ro_bits_f64(bits)), "%s", name);
    if (d == RO_F16) cr_assert((bits & 0x7fff) <= 0x7c00 || bits == RO_NAN_F16, "%s", name);
    if (d == RO_BF16) cr_assert((bits & 0x7fff) <= 0x7f80 || bits == RO_NAN_BF16, "%s", name);
}

static uint64_t digest_of(uint64_t h, uint64_t x) { return (h ^ x) * UINT64_C(0x100000001b3); }

static uint64_t check_case(ro_op op, rng *g, int empty, ro_dtype force, case_dtypes *dtypes,
                           uint64_t digest, uint64_t *elements)
{
    subject s = {.c = {.empty = empty, .force = force}};
    case_make(&s.c, op, g);
    case_note(dtypes->seen, &s.c);
    if (*elements < 400) case_try_dtypes(dtypes, &s.c);
    for (uint32_t k = 0; k < s.c.inputs; k++) {
        uint64_t n = ro_type_elements(&s.c.in[k]);
        if (s.c.in[k].dtype == RO_NONE) continue;
        s.data[k] = malloc(n ? n * ro_dtypes[s.c.in[k].dtype].size : 1);
        for (uint64_t j = 0; j < n; j++)
            ro_set_element(s.c.in[k].dtype, s.data[k], j, wild(g, s.c.in[k].dtype));
    }
    ro_reader asked = {s.c.in, s.c.out, s.c.inputs, s.c.outputs, NULL, inside, &s};
    ro_reader held = asked;
    held.data = (const void *const *)s.data;
    for (uint32_t out = 0; out < s.c.outputs; out++) {
        uint64_t n = ro_type_elements(&s.c.out[out]);
        for (uint64_t k = 0; k < ELEMENTS && k < n; k++) {
            uint64_t i = n <= ELEMENTS ? k : rng_next(g) % n;
            uint64_t y = ro_at(op, &asked, s.c.attrs.bytes, out, i);
            cr_assert_eq(y, ro_at(op, &held, s.c.attrs.bytes, out, i), "%s", ro_ops[op].name);
            check_stored(&s, out, y);
            digest = digest_of(digest, y);
            ++*elements;
        }
    }
    for (uint32_t k = 0; k < s.c.inputs; k++) free(s.data[k]);
    return digest;
}

Test(total, every_operator_on_any_bits)
{
    uint64_t all = 0;
    for (int op = 0; op < RO_OP_COUNT; op++) {
        uint64_t digest = UINT64_C(0xcbf29ce484222325), elements = 0;
        rng g = {0};
        for (const char *p = ro_ops[op].name; *p; p++) g.s = g.s * 31 + (uint64_t)*p;
        case_dtypes dtypes = {{{0}}, {{0}}};
        ro_dtype lacks = RO_NONE;
        for (int k = 0; k < CASES; k++)
            digest = check_case((ro_op)op, &g, k % 2, RO_NONE, &dtypes, digest, &elements);
        for (int k = 0; k < 24 * RO_DTYPE_LIMIT; k++)
            if (case_is_dtype(k % RO_DTYPE_LIMIT))
                digest = check_case((ro_op)op, &g, 0, (ro_dtype)(k % RO_DTYPE_LIMIT), &dtypes,
                                    digest, &elements);
        int input = case_lacks(&dtypes, &lacks);
        cr_expect_lt(input, 0, "%s takes %s as input %d (%d: gives it), and no case has it",
                     ro_ops[op].name, ro_dtypes[lacks].name, input, CASE_INPUTS);
        cr_assert_geq(elements, CASES / 2, "%s was hardly run", ro_ops[op].name);
        printf("%-28s %016llx %llu elements\n", ro_ops[op].name, (unsigned long long)digest,
               (unsigned long long)elements);
        all += digest;
    }
    printf("%-28s %016llx\n", "all", (unsigned long long)all);
}

/* Attributes at their edges: admitted ones run, the others are refused with a sentence. */
Test(total, any_attribute_bits_are_admitted_or_refused)
{
    rng g = {3};
    int refused = 0, admitted = 0;
    for (int op = 0; op < RO_OP_COUNT; op++)
        for (int k = 0; k < 200; k++) {
            subject s = {.c = {.empty = 0}};
            ro_err err = {0};
            uint32_t count;
            case_make(&s.c, (ro_op)op, &g);
            const ro_field *f = ro_ops[op].fields(&count);
            if (count == 0) break;
            f += rng_next(&g) % count;
            uint8_t *at = s.c.attrs.bytes + f->offset;
            static const uint64_t edges[] = {0, 1, 2, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN,
                                             0x7fffffff, 0x80000000u, UINT64_C(1) << 40};
            uint64_t v = edges[rng_next(&g) % 9];
            if (f->kind == RO_A_INTS) {
                ro_ints *l = (ro_ints *)(void *)at;
                if (l->n && rng_in(&g, 0, 2)) l->v[rng_next(&g) % l->n] = (int64_t)v;
                else l->n = (uint32_t)rng_in(&g, 0, RO_INTS_MAX);
            } else {
                memcpy(at, &v, f->kind == RO_A_U32 || f->kind == RO_A_F32 ? 4 : 8);
            }
            ro_arena *arena = ro_arena_new();
            ro_graph *graph;
            ro_value in[CASE_INPUTS], first;
            cr_assert_eq(ro_graph_new(arena, &graph, &err), RO_OK);
            for (uint32_t j = 0; j < s.c.inputs; j++) {
                in[j] = RO_NO_VALUE;
                if (s.c.in[j].dtype)
                    cr_assert_eq(ro_graph_constant(graph, j, &s.c.in[j], &in[j], &err), RO_OK);
            }
            if (ro_graph_node(graph, (ro_op)op, s.c.attrs.bytes, in, s.c.inputs, s.c.outputs,
                              &first, &err)) {
                cr_assert_neq(err.msg[0], 0, "%s is refused without a sentence", ro_ops[op].name);
                refused++;
            } else {
                for (uint32_t j = 0; j < s.c.outputs; j++)
                    s.c.out[j] = *ro_graph_type(graph, first + j);
                ro_ops[op].flops(s.c.attrs.bytes, s.c.in, s.c.inputs, s.c.out);
                for (uint32_t j = 0; j < s.c.inputs; j++)
                    ro_ops[op].reads(s.c.attrs.bytes, s.c.in, s.c.inputs, s.c.out, j);
                admitted++;
            }
            ro_arena_free(arena);
        }
    cr_assert_gt(refused, 1000);
    cr_assert_gt(admitted, 1000);
}
