/* test_cut.c - files that are cut while they are judged. Whoever can write to a trace or a store
 * can shorten it at any moment: that is an error of the files with a sentence, an answer that is
 * not there, or too late to matter, and never the end of the process or somebody's fault.
 * T26, T36. */
#include <criterion/criterion.h>

#include "dispute_files.h"

static const float ZEROS[12];
static const void *const CONSTANTS[1] = {ZEROS}; /* the small job's x */
enum { STEP = 401 };

/* Some hundred kilobytes of trace, of which a dispute reads little. */
static fixture set_up(uint32_t segment)
{
    static const vd_fault fault = {STEP, {1, 0, 3, 4}};
    fixture f;
    fixture_open(&f);
    f.constants = CONSTANTS;
    must(small_job(f.arena, 20, 30, segment, 2, &f.job, &f.err), &f.err);
    run_party(&f, 'a', 0, NULL, 1, STEP);
    run_party(&f, 'b', 0, &fault, 1, STEP);
    return f;
}

static void shell(const fixture *f, const char *text)
{
    char command[4400];
    snprintf(command, sizeof command, "cd '%s' && { %s; }", f->folder, text);
    cr_assert_eq(system(command), 0, "%s", text);
}

/* Play, with `cut` run before the n-th answer. *v: the verdict, where nothing failed. */
static ro_status play_cut(fixture *f, uint32_t n, const char *cut, rf_verdict *v, uint32_t *answers,
                          ro_err *err)
{
    rf_files x;
    rf_game *g = NULL;
    rf_question open[RF_OPEN_MAX];
    uint32_t count = 1, k;
    ro_status st = RO_OK;
    open_files(f, &x, f->job->segment != 0);
    must(rf_files_game(&x, (uint32_t[]){0, 1}, 2, &g, &f->err), &f->err);
    *answers = 0;
    while (!st && count) {
        must(rf_game_next(g, open, &count, &f->err), &f->err);
        for (k = 0; !st && k < count; k++) {
            if ((*answers)++ == n) shell(f, cut);
            st = rf_files_answer(&x, g, &open[k], err);
        }
    }
    if (!st) *v = *rf_files_verdict(&x, g);
    rf_game_free(g);
    rf_files_release(&x);
    return st;
}

static void same_verdict(const rf_verdict *v, const rf_verdict *want)
{
    cr_assert(v->kind == want->kind && v->step == want->step && v->node == want->node &&
              v->element == want->element && v->recomputed == want->recomputed, "%s", v->why);
    cr_assert(v->guilty_count == 1 && v->guilty[0].party == 1);
}

static void cut_traces(uint32_t segment)
{
    static const char *const files[] = {"a.trace", "b.trace", "a1.trace", "b1.trace"};
    static const char *const sizes[] = {"0", "4096", "20000"};
    fixture f = set_up(segment);
    rf_verdict want, v;
    uint32_t answers, n, failed = 0;
    ro_err none = {RO_OK, {0}};
    must(play_cut(&f, UINT32_MAX, "", &want, &answers, &none), &none);
    cr_assert(want.kind == RF_OUTPUT && want.method == RF_BY_ELEMENT && want.step == STEP);
    for (size_t file = 0; file < (segment ? 4 : 2); file++)
        for (size_t size = 0; size < 3; size++)
            for (n = 0; n < answers; n++) {
                uint32_t given;
                char cut[160];
                ro_err err = {RO_OK, {0}};
                snprintf(cut, sizeof cut, "cp %s kept && truncate -s %s %s", files[file],
                         sizes[size], files[file]);
                ro_status st = play_cut(&f, n, cut, &v, &given, &err);
                snprintf(cut, sizeof cut, "mv kept %s", files[file]);
                shell(&f, cut);
                failed += st != RO_OK;
                if (!st) same_verdict(&v, &want);
                else cr_assert(st == RO_EIO && strstr(err.msg, files[file]) &&
                               strstr(err.msg, "was cut while it was read"), "%s", err.msg);
            }
    cr_assert_gt(failed, 0);
    fixture_close(&f);
}

Test(cut, T36_a_trace_is_cut_before_every_answer, .timeout = 120) { cut_traces(0); }
Test(cut, T36_a_claim_is_cut_before_every_answer, .timeout = 120) { cut_traces(40); }

/* What a cut store had is withheld: another store has it, or a larger unit is run again, at the
 * worst from the first state, which is zeros here. */
Test(cut, T26_a_store_is_cut_before_every_answer, .timeout = 120)
{
    static const char *const stores[] = {"a.store", "b.store", "?.store"};
    fixture f = set_up(0);
    rf_verdict v;
    uint32_t answers, n, wider = 0;
    ro_err err = {RO_OK, {0}};
    must(play_cut(&f, UINT32_MAX, "", &v, &answers, &err), &err);
    shell(&f, "mkdir kept && cp -r ?.store kept");
    for (size_t k = 0; k < 3; k++)
        for (n = 0; n < answers; n++) {
            char cut[160];
            uint32_t given;
            snprintf(cut, sizeof cut, "find %s -type f -exec truncate -s %u {} +", stores[k],
                     n % 2 ? 20 : 130);
            must(play_cut(&f, n, cut, &v, &given, &err), &err);
            shell(&f, "rm -rf ?.store && cp -r kept/* .");
            wider += v.method != RF_BY_ELEMENT;
            cr_assert(v.kind == RF_OUTPUT && v.guilty_count == 1 && v.guilty[0].party == 1,
                      "%s: %s", cut, v.why);
        }
    cr_assert_gt(wider, 0);
    fixture_close(&f);
}

/* ---- without a game --------------------------------------------------------------------- */

Test(cut, T52_what_was_read_stays_and_the_rest_is_an_error)
{
    fixture f = set_up(0);
    vd_trace *t = NULL;
    ro_err err = {RO_OK, {0}};
    uint8_t leaf[VD_STEP_LEAF_BYTES], zeros[VD_STEP_LEAF_BYTES] = {0};
    must(vd_trace_open(file_of(&f, 'a', ".trace"), &t, &f.err), &f.err);
    const uint8_t *kept = vd_trace_step_leaf(t, STEP);
    memcpy(leaf, kept, sizeof leaf);
    shell(&f, "cp a.trace kept && tr '\\0-\\377' '\\1' <kept >a.trace");
    cr_assert(vd_trace_step_leaf(t, STEP) == kept && memcmp(kept, leaf, sizeof leaf) == 0);
    shell(&f, "truncate -s 5000 a.trace");
    cr_assert_eq(memcmp(kept, leaf, sizeof leaf), 0);
    must(vd_trace_status(t, &err), &err);
    cr_assert_eq(memcmp(vd_trace_step_leaf(t, 100), zeros, sizeof zeros), 0);
    cr_assert_eq(vd_trace_status(t, &err), RO_EIO);
    err = (ro_err){RO_OK, {0}};
    cr_assert_eq(vd_trace_verify(t, &err), RO_EIO);
    cr_assert(strstr(err.msg, "a.trace was cut while it was read"), "%s", err.msg);
    vd_trace_close(t);
    shell(&f, "cp kept a.trace");
    must(vd_trace_open(file_of(&f, 'a', ".trace"), &t, &f.err), &f.err);
    must(vd_trace_verify(t, &f.err), &f.err);
    vd_trace_close(t);
    fixture_close(&f);
}
