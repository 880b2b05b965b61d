/* evidence_files.c - the evidence of every pair of a dispute over files.
 *
 * What this file decides: file names, and that a pair of several is judged again alone, from the
 * same files: a game keeps the openings of its last pair only, and is a pure function of them.
 *
 * Invariants
 *   1. A file is written for each verdict by element or partial that fits one, and each absence is
 *      said on stderr. */
#include "report.h"

#include <string.h>

static void signer_of(const vd_trace *t, rf_signer *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->backend, vd_trace_backend(t), VD_BACKEND_BYTES);
    if (!vd_trace_key(t)) return;
    s->is_signed = 1;
    memcpy(s->key, vd_trace_key(t), sizeof s->key);
    memcpy(s->signature, vd_trace_signature(t), sizeof s->signature);
}

/* Of a game's last pair. */
static ro_status write_last(const rf_files *f, rf_game *g, const char *path, ro_err *err)
{
    rf_signer traces[2], claims[2];
    uint8_t *bytes;
    size_t size;
    uint32_t sides[2], used[2];
    memset(claims, 0, sizeof claims);
    if (f->stopped || !rf_evidence_sides(g, sides, used)) {
        rf_method m = f->stopped ? RF_BY_NONE : rf_game_pair(g, rf_game_pairs(g) - 1)->method;
        fprintf(stderr, "verde-dispute: a verdict by %s has no evidence file; %.120s was not "
                        "written\n", rf_method_name(m), path);
        return RO_OK;
    }
    for (int k = 0; k < 2; k++) {
        signer_of(f->traces[f->party[sides[k]]], &traces[k]);
        if (used[k] != RF_NONE) signer_of(f->claims[f->filed[used[k]]], &claims[k]);
    }
    ro_err why = {RO_OK, {0}};
    ro_status st = rf_evidence_write(g, traces, claims, &bytes, &size, &why);
    if (st == RO_ELIMIT) {
        fprintf(stderr, "verde-dispute: %s; %.120s was not written\n", why.msg, path);
        return RO_OK;
    }
    if (st) return RO_FAIL(err, st, "%.200s", why.msg);
    st = rf_write_file(path, bytes, size, err);
    ro_free(bytes);
    return st;
}

static ro_status write_pair(rf_files *f, const uint32_t sides[2], const char *path, ro_err *err)
{
    rf_game *g = NULL;
    RO_TRY(rf_files_game(f, sides, 2, &g, err));
    ro_status st = rf_play(f, g, NULL, err);
    if (!st && f->stopped)
        st = RO_FAIL(err, RO_EDEVICE, "%.80s was not written: judged again, %.160s", path,
                     f->stop_why);
    if (!st) st = write_last(f, g, path, err);
    rf_game_free(g);
    return st;
}

ro_status rf_files_evidence(rf_files *f, const rf_report *o, const char *path, ro_err *err)
{
    char name[4096];
    if (o->pair_count == 0)
        fprintf(stderr, "verde-dispute: there was nothing to judge; %.120s was not written\n",
                path);
    if (o->pair_count == 1) return write_last(f, o->game, path, err);
    for (uint32_t k = 0; k < o->pair_count; k++) {
        int n = snprintf(name, sizeof name, "%s.%u", path, k + 1);
        if (n < 0 || (size_t)n >= sizeof name)
            return RO_FAIL(err, RO_EUSAGE, "the name of an evidence file is too long");
        RO_TRY(write_pair(f, o->pairs[k]->sides, name, err));
    }
    return RO_OK;
}
