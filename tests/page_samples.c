/* page_samples.c - writes the made-up pages of page_samples.h, with their files, into a folder:
 * tests/parts/95-page looks at them in a browser.
 *
 *   page_samples FOLDER */
#include "page_samples.h"

#include <stdio.h>

static const char *folder;

static int write_bytes(const char *name, const void *bytes, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    const int ok = f && fwrite(bytes, 1, n, f) == n;
    return f && fclose(f) == 0 && ok;
}

static int write_page(const char *name, sv_html *h)
{
    ro_err err = {RO_OK, {0}};
    char file[64];
    snprintf(file, sizeof file, "%s.html", name);
    const int ok = sv_html_status(h, &err) == RO_OK && write_bytes(file, h->text, h->size);
    sv_html_release(h);
    return ok;
}

static int write_dispute(const char *name, ps_dispute *d)
{
    sv_html h;
    const sv_page_frame f = ps_frame();
    sv_html_init(&h);
    sv_page_write_dispute(&h, &f, &d->page);
    free(d);
    return write_page(name, &h);
}

static int disputes(void)
{
    const ps_shape usual = ps_usual();
    ps_shape large = {1000000, 777777, 5000, 4242,
                      ro_type_of(RO_F64, 2, (int64_t[]){4096, 4096}), 9999999};
    ps_shape one = {1, 0, 1, 0, ro_type_of(RO_I8, 1, (int64_t[]){7}), 6};
    return write_dispute("dispute", ps_dispute_new(&usual)) &&
           write_dispute("dispute-large", ps_dispute_new(&large)) &&
           write_dispute("dispute-one", ps_dispute_new(&one)) &&
           write_dispute("dispute-open", ps_dispute_open(&usual, 2)) &&
           write_dispute("dispute-just-open", ps_dispute_open(&usual, 0)) &&
           write_dispute("dispute-structure", ps_dispute_about_node(&usual, RF_STRUCTURE)) &&
           write_dispute("dispute-inputs", ps_dispute_about_node(&usual, RF_INPUTS)) &&
           write_dispute("dispute-undecided", ps_dispute_undecided(&usual)) &&
           write_dispute("dispute-both", ps_dispute_both_wrong(&usual));
}

static int indexes(void)
{
    sv_html h;
    sv_page_frame f = ps_frame();
    sv_page_index nothing;
    ps_index *s = ps_index_new();
    memset(&nothing, 0, sizeof nothing);
    sv_html_init(&h);
    sv_page_write_index(&h, &f, &s->page);
    int ok = write_page("index", &h);
    sv_page_write_index(&h, &f, &nothing);
    ok &= write_page("index-empty", &h);
    f.trouble = "Not taking new work: the disk is full.";
    f.trouble_why = "The ledger could not be written, so nothing has been accepted since. What was "
                    "acknowledged before is safe; reading works.";
    f.trouble_ms = PS_NOW - 13000;
    s->checks[1] = (sv_page_check){"Writes are durable", "no space left on the disk", 0};
    s->checks[2] = (sv_page_check){"Disk", "0 bytes free of 40 GiB; 64 MiB are needed", 0};
    sv_page_write_index(&h, &f, &s->page);
    ok &= write_page("index-error", &h);
    free(s);
    return ok;
}

static int others(void)
{
    static const char *const names[9] = {"task-open", "task-commit", "task-reveal", "task-disputed",
                                         "task-final", "task", "task-agreed", "task-challenged",
                                         "task-refunded"};
    const sv_page_frame f = ps_frame();
    sv_html h;
    int ok = 1;
    sv_html_init(&h);
    for (uint32_t k = 0; k < 9; k++) {
        ps_task *t = ps_task_new(k);
        sv_page_write_task(&h, &f, &t->page);
        ok &= write_page(names[k], &h);
        ps_task_free(t);
    }
    for (uint32_t k = 1; k < 3; k++) {
        ps_provider *p = ps_provider_new(k);
        sv_page_write_provider(&h, &f, &p->page);
        ok &= write_page(k == 1 ? "provider-good" : "provider", &h);
        ps_provider_free(p);
    }
    ps_ledger *l = ps_ledger_new(PS_CREDIT);
    sv_page_write_ledger(&h, &f, &l->page);
    ok &= write_page("ledger", &h);
    free(l);
    const sv_page_missing m = {"task", "7d41c09f"};
    sv_page_write_missing(&h, &f, &m);
    return write_page("missing", &h) && ok;
}

int main(int argc, char **argv)
{
    static const char *const files[3] = {"/verde.css", "/live.js", "/favicon.svg"};
    int ok = argc == 2;
    folder = argv[1];
    for (int k = 0; k < 3 && ok; k++) {
        const sv_page_asset *a = sv_page_find_asset(files[k]);
        ok &= a && write_bytes(files[k] + 1, a->bytes, a->size);
    }
    ok = ok && indexes() && disputes() && others();
    if (!ok) fprintf(stderr, "page_samples: the pages cannot be written\n");
    return ok ? 0 : 1;
}
