/* test_explain.c - dear elements explain themselves: parts fold to the body's value, each part
 * can be computed from what it needs alone, and no claim, however wild, makes one fail. Also the
 * lane order itself, against another way to write rule 31. */
#include "ops_cases.h"

#include <criterion/criterion.h>

/* ---- inputs, read one element at a time ----------------------------------------------------- */

typedef struct {
    node_case c;
    void *data[CASE_INPUTS];
    uint8_t *seen[CASE_INPUTS];  /* 1: this element was read */
    uint64_t reads[CASE_INPUTS]; /* different elements       */
} subject;

static uint64_t counted(const ro_reader *r, uint32_t input, uint64_t element)
{
    subject *s = r->ctx;
    cr_assert_lt(input, r->inputs, "%s reads input %u", ro_ops[s->c.op].name, input);
    cr_assert_lt(element, ro_type_elements(&r->in[input]), "%s reads element %llu of input %u",
                 ro_ops[s->c.op].name, (unsigned long long)element, input);
    s->reads[input] += !s->seen[input][element];
    s->seen[input][element] = 1;
    return ro_load(r->in[input].dtype, s->data[input], element);
}

/* Numbers whose sums depend on their order, some equal; or any bits. */
static void fill(subject *s, rng *g, int wild)
{
    for (uint32_t k = 0; k < s->c.inputs; k++) {
        ro_dtype d = s->c.in[k].dtype;
        uint64_t n = ro_type_elements(&s->c.in[k]);
        if (d == RO_NONE) continue;
        s->seen[k] = calloc(n ? n : 1, 1);
        s->data[k] = malloc((n ? n : 1) * ro_dtypes[d].size);
        for (uint64_t j = 0; j < n; j++) {
            uint64_t b = rng_next(g);
            double x = (double)(int64_t)(b % 2000001) / 1e6 - 1;
            if (!wild && ro_dtype_is_float(d)) b = ro_bits_of_number(d, x);
            if (!wild && (d == RO_I32 || d == RO_I64)) b %= 5;
            ro_set_element(d, s->data[k], j, b);
        }
    }
}

static void forget(subject *s)
{
    for (uint32_t k = 0; k < s->c.inputs; k++)
        if (s->seen[k] && s->reads[k]) memset(s->seen[k], 0, ro_type_elements(&s->c.in[k]));
    memset(s->reads, 0, sizeof s->reads);
}

static ro_reader reader_of(subject *s)
{
    return (ro_reader){s->c.in, s->c.out, s->c.inputs, s->c.outputs, NULL, counted, s};
}

/* ---- parts ---------------------------------------------------------------------------------- */

typedef struct {
    const uint64_t *parts;
    uint64_t first[RO_LEVELS_MAX];
    ro_parts needs[RO_NEEDS_MAX];
    uint32_t runs;
    rng *wild; /* not NULL: random claims */
} sheet;

static uint64_t claimed(const ro_claims *claims, uint32_t level, uint64_t index)
{
    const sheet *t = claims->ctx;
    int listed = 0;
    for (uint32_t k = 0; k < t->runs; k++)
        listed |= t->needs[k].level == level && index >= t->needs[k].begin &&
                  index < t->needs[k].end;
    cr_assert(listed, "part (%u, %llu) is used and not listed", level, (unsigned long long)index);
    if (t->wild) return rng_next(t->wild);
    return t->parts[t->first[level] + index];
}

static void check_part(subject *s, const ro_reader *r, uint32_t out, uint64_t i, uint32_t level,
                       uint64_t index, const uint64_t *count, sheet *t)
{
    const ro_explain *e = ro_explain_of(s->c.op, r);
    const char *name = ro_ops[s->c.op].name;
    ro_claims claims = {claimed, t};
    t->runs = e->needs(r, s->c.attrs.bytes, out, i, level, index, t->needs);
    cr_assert_leq(t->runs, RO_NEEDS_MAX);
    uint64_t total = 0, most = ro_part_needs_most(s->c.op, r, s->c.attrs.bytes, out);
    for (uint32_t k = 0; k < t->runs; k++) {
        const ro_parts *p = &t->needs[k];
        total += p->end - p->begin;
        cr_assert(p->begin < p->end && p->level <= level + 1 && p->end <= count[p->level], "%s",
                  name);
        /* A chain's accumulators: in the level above, one for every RO_LIST of this one. */
        uint64_t end = p->level > level ? p->end * RO_LIST : p->end;
        cr_assert(p->level < level || end <= index, "%s needs what comes after", name);
    }
    cr_assert_leq(total, most, "%s: part (%u, %llu)", name, level, (unsigned long long)index);
    forget(s);
    uint64_t got = e->part(r, s->c.attrs.bytes, out, i, level, index, &claims);
    cr_assert_eq(got, t->parts[t->first[level] + index], "%s: part (%u, %llu)", name, level,
                 (unsigned long long)index);
    if (count[level] > 1 || level == 0) /* the value is not a part that anybody lists */
        cr_assert(ro_part_canonical(s->c.op, r, level, got), "%s: part (%u, %llu)", name, level,
                  (unsigned long long)index);
    for (uint32_t k = 0; k < s->c.inputs; k++)
        cr_assert_leq(s->reads[k], RO_PART_READS, "%s: part (%u, %llu) reads %llu elements of %u",
                      name, level, (unsigned long long)index, (unsigned long long)s->reads[k], k);
}

static void check_element(subject *s, uint32_t out, uint64_t i, rng *g)
{
    ro_reader r = reader_of(s);
    uint32_t levels;
    uint64_t count[RO_LEVELS_MAX], *parts;
    sheet t = {0};
    ro_err err = {0};
    forget(s);
    uint64_t value = ro_at(s->c.op, &r, s->c.attrs.bytes, out, i);
    for (uint32_t k = 0; k < s->c.inputs; k++) {
        uint64_t most = ro_ops[s->c.op].reads(s->c.attrs.bytes, s->c.in, s->c.inputs, s->c.out, k);
        cr_assert_leq(s->reads[k], most, "%s reads %llu elements of input %u, its bound is %llu",
                      ro_ops[s->c.op].name, (unsigned long long)s->reads[k], k,
                      (unsigned long long)most);
    }
    cr_assert_eq(ro_explain_all(s->c.op, &r, s->c.attrs.bytes, out, i, &levels, count, &parts,
                                &err), RO_OK, "%s", err.msg);
    cr_assert_eq(count[levels - 1], 1);
    for (uint32_t l = 1; l < levels; l++) t.first[l] = t.first[l - 1] + count[l - 1];
    t.parts = parts;
    cr_assert_eq(parts[t.first[levels - 1]], value, "%s: %llx explains %llx", ro_ops[s->c.op].name,
                 (unsigned long long)parts[t.first[levels - 1]], (unsigned long long)value);
    for (uint32_t l = 0; l < levels; l++)
        for (uint32_t k = 0; k < 6 && count[l]; k++) {
            uint64_t index = k == 0 ? 0 : k == 1 ? count[l] - 1 : rng_next(g) % count[l];
            check_part(s, &r, out, i, l, index, count, &t);
            ro_claims claims = {claimed, &t};
            t.wild = g; /* must come back, whatever the claims */
            ro_explain_of(s->c.op, &r)->part(&r, s->c.attrs.bytes, out, i, l, index, &claims);
            t.wild = NULL;
        }
    ro_free(parts);
}

static uint64_t check_case(ro_op op, rng *g, int big, int wild)
{
    subject s = {.c = {.big = big}};
    uint64_t deepest = 0, count[RO_LEVELS_MAX];
    case_make(&s.c, op, g);
    fill(&s, g, wild);
    ro_reader r = reader_of(&s);
    for (uint32_t out = 0; ro_explain_of(op, &r) && out < s.c.outputs; out++) {
        uint64_t n = ro_type_elements(&s.c.out[out]);
        for (uint32_t k = 0; k < 3 && n; k++) {
            uint64_t i = k == 0 ? 0 : k == 1 ? n - 1 : rng_next(g) % n;
            check_element(&s, out, i, g);
            ro_explain_of(op, &r)->levels(&r, s.c.attrs.bytes, out, i, count);
            if (count[0] > deepest) deepest = count[0];
        }
    }
    for (uint32_t k = 0; k < s.c.inputs; k++) {
        free(s.data[k]);
        free(s.seen[k]);
    }
    return deepest;
}

Test(explain, every_operator_that_explains)
{
    rng g = {1};
    int seen = 0;
    for (int op = 0; op < RO_OP_COUNT; op++) {
        uint64_t deepest = 0;
        int explains = 0;
        for (int c = 0; c < RO_C_COUNT; c++) explains |= ro_ops[op].explain[c] != NULL;
        if (!explains) continue;
        for (int k = 0; k < 24; k++) {
            uint64_t parts = check_case((ro_op)op, &g, k >= 12, k % 3 == 2);
            if (parts > deepest) deepest = parts;
        }
        cr_assert_gt(deepest, 1, "%s was only tried where it has one part", ro_ops[op].name);
        seen++;
    }
    cr_assert_geq(seen, 20);
}

/* What is never explained is never dear: 1 MiB of chunks, each element in one of its own. */
Test(explain, whatever_does_not_explain_is_cheap)
{
    rng g = {4};
    int seen = 0;
    for (int op = 0; op < RO_OP_COUNT; op++) {
        int explains = 0;
        for (int c = 0; c < RO_C_COUNT; c++) explains |= ro_ops[op].explain[c] != NULL;
        for (int c = 0; explains && c < RO_C_COUNT; c++)
            cr_assert_eq(ro_ops[op].at[c] != NULL, ro_ops[op].explain[c] != NULL, "%s in one type",
                         ro_ops[op].name);
        for (int k = 0; k < 24 && !explains; k++) {
            node_case c = {.big = k >= 12};
            uint64_t reads = 0;
            case_make(&c, (ro_op)op, &g);
            for (uint32_t out = 0; out < c.outputs; out++, reads = 0) {
                for (uint32_t i = 0; i < c.inputs; i++)
                    if (c.in[i].dtype != RO_NONE)
                        reads += ro_ops[op].reads(c.attrs.bytes, c.in, c.inputs, &c.out[out], i);
                cr_assert_leq(reads, 256, "an element of %s reads %llu", ro_ops[op].name,
                              (unsigned long long)reads);
            }
        }
        seen += !explains;
    }
    cr_assert_geq(seen, 30);
}

/* Elements so dear that their lists are listed too: running sums, accumulators of accumulators. */
Test(explain, lists_of_lists, .timeout = 120)
{
    const int64_t K = (int64_t)RO_LIST * RO_GROUP + 5000, n = (int64_t)RO_LIST * RO_CHAIN + 700;
    rng g = {3};
    subject sum = {.c = {.op = RO_OP_MatMul, .inputs = 2, .outputs = 1}};
    sum.c.in[0] = ro_type_of(RO_U8, 2, (int64_t[]){1, K});
    sum.c.in[1] = ro_type_of(RO_U8, 2, (int64_t[]){K, 1});
    sum.c.out[0] = ro_type_of(RO_U8, 2, (int64_t[]){1, 1});
    subject chain = {.c = {.op = RO_OP_ArgMax, .inputs = 1, .outputs = 1}};
    chain.c.in[0] = ro_type_of(RO_F32, 1, &n);
    chain.c.out[0] = ro_type_of(RO_I64, 0, NULL);
    subject *both[2] = {&sum, &chain};
    for (size_t k = 0; k < 2; k++) {
        uint64_t count[RO_LEVELS_MAX];
        ro_reader r = reader_of(both[k]);
        fill(both[k], &g, 0);
        check_element(both[k], 0, 0, &g);
        uint32_t levels = ro_explain_of(both[k]->c.op, &r)
                              ->levels(&r, both[k]->c.attrs.bytes, 0, 0, count);
        cr_assert_eq(count[levels - 2], 2);
        for (uint32_t in = 0; in < both[k]->c.inputs; in++) {
            free(both[k]->data[in]);
            free(both[k]->seen[in]);
        }
    }
}

/* ---- shapes that random cases are too small for --------------------------------------------- */

static void attr_int(subject *s, const char *name, int64_t v)
{
    ro_err err = {0};
    cr_assert_eq(ro_attr_set_int(s->c.op, s->c.attrs.bytes, name, v, &err), RO_OK, "%s", err.msg);
}
static void attr_ints(subject *s, const char *name, uint32_t n, const int64_t *v)
{
    ro_err err = {0};
    cr_assert_eq(ro_attr_set_ints(s->c.op, s->c.attrs.bytes, name, v, n, &err), RO_OK, "%s",
                 err.msg);
}

/* Check some elements of every output; count: the parts of element 0 of output 0. */
static void check_subject(subject *s, rng *g, uint64_t *count)
{
    ro_reader r = reader_of(s);
    ro_err err = {0};
    cr_assert_eq(ro_ops[s->c.op].infer(s->c.attrs.bytes, s->c.in, s->c.inputs, s->c.out,
                                       s->c.outputs, &err), RO_OK, "%s", err.msg);
    fill(s, g, 0);
    for (uint32_t out = 0; out < s->c.outputs; out++) {
        uint64_t n = ro_type_elements(&s->c.out[out]);
        check_element(s, out, 0, g);
        if (n > 1) check_element(s, out, rng_next(g) % n, g);
    }
    ro_explain_of(s->c.op, &r)->levels(&r, s->c.attrs.bytes, 0, 0, count);
    for (uint32_t k = 0; k < s->c.inputs; k++) {
        free(s->data[k]);
        free(s->seen[k]);
    }
}

/* Contractions side by side over the bound of a group: their sums are those of MatMul. Inputs are
 * made up where they are read. */
typedef struct { uint64_t seed; } made_up;

static uint64_t made_up_bits(const ro_reader *r, uint32_t input, uint64_t element)
{
    const made_up *m = r->ctx;
    rng g = {m->seed + input + 64 * element};
    return ro_bits_of_number(r->in[input].dtype, (double)(int64_t)(rng_next(&g) % 2001) / 1e3 - 1);
}

/* As MatMul's inputs: the state, and the columns of one gate. */
typedef struct { const ro_reader *cell; uint32_t weights; uint64_t gate, size, wide; } columns;

static uint64_t column_bits(const ro_reader *r, uint32_t input, uint64_t element)
{
    const columns *c = r->ctx;
    if (input == 0) return made_up_bits(c->cell, 1, element);
    uint64_t k = element / c->size, j = element % c->size;
    return made_up_bits(c->cell, c->weights, k * c->wide + c->gate * c->size + j);
}

static float gate_of(const ro_reader *cell, uint32_t weights, uint64_t gate, uint64_t i)
{
    const int64_t H = cell->in[1].dims[2];
    const ro_type in[2] = {ro_type_of(RO_F32, 2, (int64_t[]){1, H}),
                           ro_type_of(RO_F32, 2, (int64_t[]){H, H})};
    const ro_type out = ro_type_of(RO_F32, 2, (int64_t[]){1, H});
    columns c = {cell, weights, gate, (uint64_t)H, (uint64_t)cell->in[0].dims[2]};
    const ro_reader r = {in, &out, 2, 1, NULL, column_bits, &c};
    float s = ro_bits_f32((uint32_t)ro_at(RO_OP_MatMul, &r, NULL, 0, i));
    return ro_bits_f32((uint32_t)made_up_bits(cell, 0, gate * (uint64_t)H + i)) + s;
}

static float above_zero(float x) { return x > 0 ? x : 0; }

Test(explain, gates_over_the_bound_of_a_group, .timeout = 120)
{
    static const int64_t SIZES[] = {1, 256, 4096, 4097, 8500};
    for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) {
        const int64_t H = SIZES[k];
        ro_type in[4] = {ro_type_of(RO_F32, 3, (int64_t[]){1, 1, 4 * H}),
                         ro_type_of(RO_F32, 3, (int64_t[]){1, 1, H}),
                         ro_type_of(RO_F32, 3, (int64_t[]){1, 1, H}),
                         ro_type_of(RO_F32, 2, (int64_t[]){H, 4 * H})};
        ro_type out[2] = {in[1], in[1]};
        made_up m = {(uint64_t)H};
        const ro_reader r = {in, out, 4, 2, NULL, made_up_bits, &m};
        const ro_LSTMCell_attrs t = {.f = 2, .g = 2, .h = 2};
        const uint64_t i = (uint64_t)H - 1;
        float v[4], c = ro_bits_f32((uint32_t)made_up_bits(&r, 2, i)), y[2];
        for (uint64_t q = 0; q < 4; q++) v[q] = above_zero(gate_of(&r, 3, q, i));
        float cell = v[2] * c;
        cell += v[0] * v[3];
        y[0] = v[1] * above_zero(cell);
        y[1] = cell;
        for (uint32_t o = 0; o < 2; o++) {
            uint32_t levels;
            uint64_t count[RO_LEVELS_MAX], *parts, total = 0;
            ro_err err = {0};
            cr_assert_eq(ro_at(RO_OP_LSTMCell, &r, &t, o, i), ro_f32_bits(y[o]), "of %lld",
                         (long long)H);
            cr_assert_eq(ro_explain_all(RO_OP_LSTMCell, &r, &t, o, i, &levels, count, &parts,
                                        &err), RO_OK, "%s", err.msg);
            cr_assert_eq(levels, o ? 10 : 13);
            for (uint32_t l = 0; l < levels; l++) total += count[l];
            cr_assert_eq(parts[total - 1], ro_f32_bits(y[o]), "of %lld", (long long)H);
            cr_assert_eq(count[1], ((uint64_t)H + 4095) / 4096);
            ro_free(parts);
        }
    }
}

/* A classifier's rows: read whole up to 256 classes, cut into lanes above. */
Test(explain, rows_of_many_classes, .timeout = 120)
{
    static const int64_t CLASSES[] = {256, 257, 4096, 5000};
    rng g = {5};
    for (size_t k = 0; k < sizeof CLASSES / sizeof *CLASSES; k++)
        for (int grad = 0; grad < 2; grad++)
            for (uint32_t how = 0; how < 3; how++) {
                const int64_t C = CLASSES[k];
                uint64_t count[RO_LEVELS_MAX];
                uint32_t x = (uint32_t)grad;
                subject s = {.c = {.op = grad ? RO_OP_SoftmaxCrossEntropyLossGrad
                                              : RO_OP_SoftmaxCrossEntropyLoss,
                                   .inputs = 3 + x, .outputs = 2 - x}};
                s.c.in[0] = ro_type_of(RO_F32, how ? 0 : 2, (int64_t[]){2, 3});
                s.c.in[x] = ro_type_of(RO_F32, 3, (int64_t[]){2, C, 3});
                s.c.in[x + 1] = ro_type_of(RO_I64, 2, (int64_t[]){2, 3});
                s.c.in[x + 2] = ro_type_of(RO_F32, 1, &C);
                attr_int(&s, "reduction", how);
                attr_int(&s, "has_ignore", k % 2);
                attr_int(&s, "ignore_index", 1);
                check_subject(&s, &g, count);
                uint64_t rows = !grad && how ? 6 : 1, chunks = C > 4096 ? 2 : 1;
                if (C > 256) cr_assert_eq(count[0], rows * 32 * chunks);
                else cr_assert_eq(count[0], grad ? 32u : how ? 6u : 0u);
            }
}

/* Keys over a chunk, heads over a block: scores listed by lanes of two chunks and by blocks. */
Test(explain, attention_over_many_keys, .timeout = 120)
{
    static const struct { int64_t keys, size; uint32_t levels; } SHAPES[] = {
        {256, 257, 10}, {300, 600, 10}, {4096, 3, 10}, {4097, 3, 12}, {5000, 260, 12}};
    rng g = {7};
    for (size_t k = 0; k < sizeof SHAPES / sizeof *SHAPES; k++) {
        const int64_t S = SHAPES[k].keys, D = SHAPES[k].size;
        uint64_t count[RO_LEVELS_MAX];
        ro_err err = {0};
        subject s = {.c = {.op = RO_OP_Attention, .inputs = 5, .outputs = 1}};
        s.c.in[0] = ro_type_of(RO_F32, 4, (int64_t[]){1, 2, 3, D});
        s.c.in[1] = ro_type_of(RO_F32, 4, (int64_t[]){1, 1, S, D});
        s.c.in[2] = ro_type_of(RO_F32, 4, (int64_t[]){1, 1, S, 2});
        s.c.in[3] = ro_type_of(RO_F32, 2, (int64_t[]){3, S});
        s.c.in[4] = ro_type_of(RO_I64, 1, (int64_t[]){1});
        cr_assert_eq(ro_attr_set_real(s.c.op, s.c.attrs.bytes, "root", 0.5, &err), RO_OK);
        cr_assert_eq(ro_attr_set_real(s.c.op, s.c.attrs.bytes, "cap", 3, &err), RO_OK);
        attr_int(&s, "causal", k % 2);
        attr_int(&s, "past", k % 2 ? S / 2 : 0);
        check_subject(&s, &g, count);
        ro_reader r = reader_of(&s);
        cr_assert_eq(ro_explain_of(s.c.op, &r)->levels(&r, s.c.attrs.bytes, 0, 0, count),
                     SHAPES[k].levels);
        cr_assert(count[0] == (uint64_t)(S * ((D + 255) / 256)) && count[1] == (uint64_t)S);
    }
}

/* Marks of so many parts that they are listed by marks. */
Test(explain, marks_of_marks, .timeout = 120)
{
    const int64_t n = (int64_t)RO_LIST * RO_CHAIN + 700, one = 1;
    uint64_t count[RO_LEVELS_MAX];
    rng g = {6};
    subject row = {.c = {.op = RO_OP_ReduceMaxGrad, .inputs = 2, .outputs = 1}};
    row.c.in[0] = ro_type_of(RO_F32, 1, &one);
    row.c.in[1] = ro_type_of(RO_F32, 1, &n);
    attr_int(&row, "keepdims", 1);
    check_subject(&row, &g, count);
    cr_assert(count[0] == RO_LIST + 3 && count[1] == 2 && count[2] == 1);
    subject pool = {.c = {.op = RO_OP_MaxPoolGrad, .inputs = 2, .outputs = 1}};
    pool.c.in[0] = ro_type_of(RO_F32, 4, (int64_t[]){1, 1, 2, 3});
    pool.c.in[1] = ro_type_of(RO_F32, 4, (int64_t[]){1, 1, 1031, 1032});
    attr_ints(&pool, "kernel_shape", 2, (int64_t[]){1030, 1030});
    attr_ints(&pool, "strides", 2, (int64_t[]){1, 1});
    attr_ints(&pool, "pads", 4, (int64_t[]){0, 0, 0, 0});
    attr_ints(&pool, "dilations", 2, (int64_t[]){1, 1});
    check_subject(&pool, &g, count);
    cr_assert(count[0] == 4145 && count[1] == 2 && count[2] == 1); /* the corner has one window */
}

/* ---- what bits a part may be ---------------------------------------------------------------- */

static int may_be(ro_op op, ro_dtype dtype, uint32_t level, uint64_t bits)
{
    const ro_type types[3] = {ro_type_of(dtype, 0, NULL), ro_type_of(dtype, 0, NULL),
                              ro_type_of(RO_I64, 0, NULL)};
    ro_reader r = {types, types, 3, 1, NULL, NULL, NULL};
    return ro_part_canonical(op, &r, level, bits);
}

Test(explain, only_canonical_bits_are_a_part)
{
    const uint64_t high = UINT64_C(1) << 32, all = UINT64_MAX;
    const struct { ro_op op; ro_dtype dtype; uint32_t level; uint64_t bits; int may; } CASES[] = {
        {RO_OP_ReduceSum, RO_F32, 0, 0xffffffff, 1}, /* a float32 is in the low half */
        {RO_OP_ReduceSum, RO_F32, 0, high, 0},
        {RO_OP_ReduceSum, RO_F32, 1, high | 1, 0},
        {RO_OP_ReduceSum, RO_F64, 0, all, 1},
        {RO_OP_ReduceSum, RO_I32, 0, all, 1}, /* integers are counted mod 2^64 */
        {RO_OP_ReduceSum, RO_U8, 1, high, 1},
        {RO_OP_MatMul, RO_F32, 2, high, 0},
        {RO_OP_MatMul, RO_I64, 2, all, 1},
        {RO_OP_GatherGrad, RO_F32, 0, high, 0},
        {RO_OP_AveragePool, RO_F32, 1, high, 0},
        {RO_OP_SoftmaxCrossEntropyLoss, RO_F32, 0, high, 0},
        {RO_OP_SoftmaxCrossEntropyLossGrad, RO_F32, 1, high, 0},
        {RO_OP_ArgMax, RO_F32, 0, all, 1}, /* positions; the start is 2^64 - 1 */
        {RO_OP_ArgMax, RO_F32, 1, high, 1},
        {RO_OP_MaxPool, RO_F32, 1, all, 1},
        {RO_OP_MaxPool, RO_F32, 2, high, 0}, /* the number at one */
        {RO_OP_MaxPool, RO_F64, 2, all, 1},
        {RO_OP_ReduceMaxGrad, RO_F32, 0, 1, 1}, /* marks */
        {RO_OP_ReduceMaxGrad, RO_F32, 0, 2, 0},
        {RO_OP_ReduceMaxGrad, RO_F64, 1, 3, 0},
        {RO_OP_MaxPoolGrad, RO_F64, 1, high | 1, 0},
        {RO_OP_MaxPoolGrad, RO_F64, 0, 0, 1},
        {RO_OP_MaxPoolGrad, RO_F64, 2, all, 1},
        {RO_OP_MaxPoolGrad, RO_F32, 3, high, 0},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
        cr_assert_eq(may_be(CASES[k].op, CASES[k].dtype, CASES[k].level, CASES[k].bits),
                     CASES[k].may, "case %zu", k);
}

/* ---- rule 31 written another way ------------------------------------------------------------ */

static float lanes(const float *x, uint64_t n)
{
    if (n > 4096) {
        uint64_t m = (n + 4095) / 4096;
        float *up = malloc(m * sizeof *up);
        for (uint64_t k = 0; k < m; k++)
            up[k] = lanes(x + 4096 * k, n - 4096 * k < 4096 ? n - 4096 * k : 4096);
        float y = lanes(up, m);
        free(up);
        return y;
    }
    float lane[32] = {0};
    for (uint64_t k = 0; k < n; k++) lane[k % 32] += x[k];
    for (int h = 16; h; h /= 2)
        for (int l = 0; l < h; l++) lane[l] += lane[l + h];
    return lane[0];
}

Test(explain, lanes_are_rule_31)
{
    static const uint64_t sizes[] = {0, 1, 2, 31, 32, 33, 64, 100, 4095, 4096, 4097, 8191, 8192,
                                     8193, 123457, 4096 * 4096, 4096 * 4096 + 1,
                                     4096 * 4096 + 4097, 5000000 * 4};
    rng g = {2};
    uint64_t most = 5000000 * 4;
    float *x = malloc(most * sizeof *x);
    for (uint64_t k = 0; k < most; k++) x[k] = (float)(rng_next(&g) % 2000001) / 1e6f - 0.9f;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        ro_ReduceSum_attrs t = {0};
        ro_type in = ro_type_of(RO_F32, 1, (int64_t[]){(int64_t)sizes[k]});
        ro_type out = ro_type_of(RO_F32, 0, NULL);
        const void *data = x;
        ro_reader r = {&in, &out, 1, 1, &data, NULL, NULL};
        cr_assert_eq(ro_at(RO_OP_ReduceSum, &r, &t, 0, 0), ro_f32_bits(lanes(x, sizes[k])),
                     "%llu elements", (unsigned long long)sizes[k]);
    }
    free(x);
}
