/* test_conformance.c - ONNX's own backend tests in Debian's libonnx-testdata, a test an operator
 * family: none wrong, every refusal with its reason, and at least so many passed as
 * tests/conformance.least says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../verde/conform.h"

#define NODE_CASES "/usr/share/libonnx-testdata/data/node"

typedef struct { char name[32]; unsigned least; char operators[4096]; } family;

/* The families of conformance.least, in order; returns how many. */
static unsigned read_families(family *list, unsigned most)
{
    char line[256], name[64];
    unsigned n = 0, least;
    FILE *f = fopen(VD_TESTS_DIR "/conformance.least", "r");
    cr_assert(f != NULL);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "family %31s %u", name, &least) == 2) {
            cr_assert_lt(n, most);
            list[n] = (family){"", least, " "};
            memcpy(list[n++].name, name, strlen(name) + 1);
        } else if (line[0] == ' ' && n) {
            char *all = list[n - 1].operators;
            for (char *word = line, *end; sscanf(word, "%63s", name) == 1; word = end) {
                end = strstr(word, name) + strlen(name);
                cr_assert_lt(strlen(all) + strlen(name), sizeof list->operators - 2);
                strcat(strcat(all, name), " ");
            }
        }
    }
    fclose(f);
    return n;
}

static int has(const family *f, const char *operator_name)
{
    char word[80];
    snprintf(word, sizeof word, " %.70s ", operator_name);
    return strstr(f->operators, word) != NULL;
}

static family families[32];

/* All cases with what their models say; 0 without the package. */
static int find(ro_arena *a, vd_suite *s)
{
    ro_err err = {RO_OK, {0}};
    FILE *there = fopen(NODE_CASES "/test_abs/model.onnx", "r");
    if (!there) {
        fprintf(stderr, "SKIPPED: libonnx-testdata is not installed\n");
        return 0;
    }
    fclose(there);
    cr_assert_eq(vd_suite_find(NODE_CASES, a, s, &err), RO_OK, "%s", err.msg);
    for (uint32_t k = 0; k < s->count; k++)
        cr_assert_eq(vd_case_read(&s->cases[k], a, &err), RO_OK, "%s", err.msg);
    return 1;
}

static void run(const char *name)
{
    ro_arena *a = ro_arena_new();
    vd_suite s;
    ro_err err = {RO_OK, {0}};
    const family *f = NULL;
    unsigned n = read_families(families, 32);
    uint32_t kept = 0;
    for (unsigned k = 0; k < n; k++)
        if (strcmp(families[k].name, name) == 0) f = &families[k];
    cr_assert(f != NULL, "%s is no family", name);
    if (find(a, &s)) {
        for (uint32_t k = 0; k < s.count; k++)
            if (has(f, s.cases[k].subject)) s.cases[kept++] = s.cases[k];
        s.count = kept;
        cr_assert_eq(vd_suite_run(&s, 0, a, NULL, NULL, &err), RO_OK, "%s", err.msg);
        fprintf(stderr, "%s: %u of %u pass, %u refused\n", name, s.total[VD_CASE_PASSED], s.count,
                s.total[VD_CASE_REFUSED]);
        for (uint32_t k = 0; k < s.count; k++) {
            const vd_case *c = &s.cases[k];
            cr_expect_neq(c->result, VD_CASE_WRONG, "%s: %s", c->name, c->why);
            cr_expect(c->result == VD_CASE_PASSED || strlen(c->why) > 10, "%s: \"%s\"", c->name,
                      c->why);
        }
        cr_expect_geq(s.total[VD_CASE_PASSED], f->least);
        cr_assert_eq(s.total[0] + s.total[1] + s.total[2], s.count);
    }
    ro_arena_free(a);
}

#define FAMILY(name) Test(conformance, name, .timeout = 300) { run(#name); }
FAMILY(elementwise)
FAMILY(functions)
FAMILY(reductions)
FAMILY(normalizations)
FAMILY(contractions)
FAMILY(pooling)
FAMILY(movement)
FAMILY(indices)
FAMILY(recurrent)
FAMILY(attention)
FAMILY(quantized)
FAMILY(training)
FAMILY(spatial)
FAMILY(signal)
FAMILY(random)
FAMILY(text)
Test(conformance, control_flow, .timeout = 300) { run("control-flow"); }

/* Every case is of one family, and every family has its test above. */
Test(conformance, every_case_is_in_a_family)
{
    ro_arena *a = ro_arena_new();
    vd_suite s;
    unsigned n = read_families(families, 32);
    cr_assert_eq(n, 17);
    int there = find(a, &s);
    for (uint32_t k = 0; there && k < s.count; k++) {
        unsigned in = 0;
        for (unsigned f = 0; f < n; f++) in += has(&families[f], s.cases[k].subject) != 0;
        cr_expect_eq(in, 1, "%s (%s) is in %u families", s.cases[k].name, s.cases[k].subject, in);
    }
    ro_arena_free(a);
}
