/* verdict_main.c - verde-verdict: re-derives a verdict from its evidence file and nothing else.
 *
 * Invariants
 *   1. Needs no store, network or trace: libc, libcrypto for signatures, and the scalar bodies.
 *   2. Exit 0 only when every byte of the evidence follows. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "referee.h"

static const char usage_text[] =
    "usage: verde-verdict EVIDENCE [--json]\n\n"
    "Re-derives the verdict of a dispute from its evidence: that both roots are signed, that the\n"
    "step, the node and the number are the first that differ, that the inputs are agreed,\n"
    "and what the number must be. Nothing else is read.\n\n"
    "Exit codes: 0 the verdict follows, 2 usage, 3 it does not, or a bad signature, 4 I/O, 5 an\n"
    "operator version this program lacks, 6 a fault of this machine.\n\n"
    "Example\n  verde-dispute a.trace b.trace --evidence v.evidence; verde-verdict v.evidence\n";

static int exit_code(ro_status st)
{
    switch (st) {
    case RO_OK: return 0;
    case RO_EUSAGE: return 2;
    case RO_EIO: case RO_ENOTFOUND: return 4;
    case RO_EOP: return 5;
    case RO_ENOMEM: case RO_EDEVICE: return 6;
    default: return 3;
    }
}

static ro_status read_all(const char *name, uint8_t **bytes, size_t *size, ro_err *err)
{
    size_t room = 1 << 16, n = 0;
    FILE *f = fopen(name, "rb");
    if (!f) return RO_FAIL(err, RO_EIO, "%.160s cannot be opened: %s", name, strerror(errno));
    uint8_t *b = ro_alloc(room);
    while (b) {
        size_t got = fread(b + n, 1, room - n, f);
        n += got;
        if (got == 0 || n > RF_EVIDENCE_MAX) break;
        if (n < room) continue;
        uint8_t *more = ro_resize(b, room, 2 * room);
        if (!more) ro_free(b);
        b = more;
        room *= 2;
    }
    int bad = ferror(f);
    fclose(f);
    *bytes = b;
    *size = n;
    if (!b) return RO_FAIL(err, RO_ENOMEM, "no memory to read %.160s", name);
    if (bad) return RO_FAIL(err, RO_EIO, "%.160s cannot be read", name);
    return RO_OK;
}

/* A part is of the compute type of the first input, which the evidence holds as 64 bits. */
static ro_dtype shown_dtype(const rf_evidence *e)
{
    return e->method == RF_BY_PARTIAL ? RO_U64 : e->type.dtype;
}

static void who(const rf_evidence *e, int side, char text[80])
{
    const rf_signer *s = e->has_claims ? &e->claims[side] : &e->traces[side];
    char print[65];
    if (!s->is_signed) {
        snprintf(text, 80, "unsigned");
        return;
    }
    vd_fingerprint(s->key, print);
    snprintf(text, 80, "%s", print);
}

static void print_json(const rf_evidence *e)
{
    char hex[65], text[80], value[40];
    int digits = (int)ro_dtypes[shown_dtype(e)].size * 2;
    vd_digest_hex(&e->job, hex);
    printf(
        "{\"schema\":\"verde-verdict/1\",\"follows\":true,\"verdict\":\"output\",\"method\":\"%s\","
        "\"job\":\"%s\",\"step\":%" PRIu64 ",\"node\":%u,\"operator\":\"%s\",\"version\":%u,"
        "\"output\":%u,\"element\":%" PRIu64 ",\"part_level\":%u,\"part_index\":%" PRIu64
        ",\"chunks\":%" PRIu64 ",\"sides\":[",
        rf_method_name(e->method), hex, e->step, e->node, e->op, e->version, e->output, e->element,
        e->part_level, e->part_index, e->chunks);
    for (int k = 0; k < 2; k++) {
        vd_digest_hex(&e->roots[k], hex);
        who(e, k, text);
        ro_element_text(shown_dtype(e), e->claimed[k], value);
        printf("%s{\"root\":\"%s\",\"key\":\"%s\",\"checked\":%s,\"value\":\"%s\",\"bits\":\"0x%"
               "0*" PRIx64 "\",\"guilty\":%s}",
               k ? "," : "", hex, text,
               (e->has_claims ? e->claims_checked[k] : e->checked[k]) ? "true" : "false", value,
               digits, e->claimed[k], e->guilty[k] ? "true" : "false");
    }
    ro_element_text(shown_dtype(e), e->recomputed, value);
    printf("],\"recomputed\":{\"value\":\"%s\",\"bits\":\"0x%0*" PRIx64 "\"}}\n", value, digits,
           e->recomputed);
}

static void print_text(const rf_evidence *e)
{
    char hex[65], text[80], value[40];
    int digits = (int)ro_dtypes[shown_dtype(e)].size * 2;
    vd_digest_hex(&e->job, hex);
    printf("The verdict follows from the evidence.\n\n");
    printf("  %-12s %s\n", "job", hex);
    printf("  %-12s step %" PRIu64 ", node %u (%s version %u), output %u, element %" PRIu64 "\n",
           "place", e->step, e->node, e->op, e->version, e->output, e->element);
    if (e->method == RF_BY_PARTIAL)
        printf("  %-12s level %u, number %" PRIu64 " of the element's explanation, which nobody "
               "signed:\n  %-12s whoever gave it is wrong\n", "partial", e->part_level,
               e->part_index, "");
    for (int k = 0; k < 2; k++) {
        vd_digest_hex(&e->roots[k], hex);
        who(e, k, text);
        ro_element_text(shown_dtype(e), e->claimed[k], value);
        printf("  %-12s %24s  0x%0*" PRIx64 "  root %.16s  %.16s  %s\n", k ? "" : "claimed", value,
               digits, e->claimed[k], hex, text, e->guilty[k] ? "WRONG" : "right");
    }
    ro_element_text(shown_dtype(e), e->recomputed, value);
    printf("  %-12s %24s  0x%0*" PRIx64 "  from %" PRIu64 " chunks of input\n", "recomputed", value,
           digits, e->recomputed, e->chunks);
}

int main(int argc, char **argv)
{
    const char *name = NULL;
    int json = 0;
    uint8_t *bytes = NULL;
    size_t size = 0;
    rf_evidence e;
    ro_err err = {RO_OK, {0}};
    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--help") == 0) {
            fputs(usage_text, stdout);
            return 0;
        }
        if (strcmp(argv[k], "--json") == 0) json = 1;
        else if (argv[k][0] == '-' || name) {
            fprintf(stderr, "verde-verdict: \"%.60s\" was not expected; --help shows what is\n",
                    argv[k]);
            return 2;
        } else name = argv[k];
    }
    if (!name) {
        fputs(usage_text, stderr);
        return 2;
    }
    ro_status st = read_all(name, &bytes, &size, &err);
    if (!st) st = rf_evidence_check(bytes, size, &e, &err);
    ro_free(bytes);
    if (st) {
        fprintf(stderr, "verde-verdict: %s\n", err.msg);
        return exit_code(st);
    }
    if (json) print_json(&e);
    else print_text(&e);
    return fflush(stdout) != 0 || ferror(stdout) ? 4 : 0;
}
