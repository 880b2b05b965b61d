/* fuzz_evidence.c - evidence of any bytes: checked, and nothing is believed by accident.
 *
 * Seeds that hold up are files of tests/disputes.c; write_seeds makes one that does not. A mutation
 * of hashed bytes never passes, so what fuzzing reaches is the parsing in front of each hash.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../referee/game.h"
#include "../verde/bytes.h"
#include "fuzz_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rf_evidence e;
    ro_err err = {RO_OK, {0}};
    ro_status st = rf_evidence_check(data, size, &e, &err);
    if (st && (err.code != st || !err.msg[0])) abort();
    if (!st && (e.claimed[0] == e.claimed[1] || !(e.guilty[0] || e.guilty[1]))) abort();
    return 0;
}

/* A job body of one phase with what follows it, as far as no hash is needed. */
void write_seeds(const char *folder)
{
    uint8_t seed[2048] = "VERDEEVD";
    char path[4096];
    vd_out o = {seed, 8};
    uint8_t phase[49 + 9] = {1}, leaf[32];
    phase[8] = 1; /* a node */
    vd_leaf_hash(VD_TREE_PHASES, phase, sizeof phase, leaf);
    vd_out_u32(&o, RF_EVIDENCE_VERSION);
    vd_out_u32(&o, 0);
    vd_out_u32(&o, 1);
    vd_out_u64(&o, 1);
    vd_out_u32(&o, 0);
    vd_out_u32(&o, 0);
    vd_out_u32(&o, 1);
    vd_out_u32(&o, 1);
    vd_out_u32(&o, 0);
    vd_out_zeros(&o, 64);
    vd_out_bytes(&o, leaf, sizeof leaf); /* slots, constants, phases: the last is the phase's */
    vd_out_u32(&o, sizeof phase);
    vd_out_bytes(&o, phase, sizeof phase);
    snprintf(path, sizeof path, "%s/head", folder);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(seed, 1, sizeof seed, f) != sizeof seed || fclose(f)) abort();
}
