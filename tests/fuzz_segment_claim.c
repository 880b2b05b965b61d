/* fuzz_segment_claim.c - segment claims of any bytes, brought to a dispute between an honest party
 * and a liar: whatever they say, the honest party, who signed its trace and none of them, stands.
 *
 * The first byte says under whose root the claim is put, and whether the party's own claims are
 * there too. The rest is a file, and again, as changes of the honest claim, three bytes each:
 * where, and what to. What follows from its records (header, tree, body, root) is put right and its
 * signature left out, so that fuzzing reaches the game.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "../verde/trace.h"
#include "dispute_files.h"
#include "fuzz_replay.h"

static const float ZEROS[12];
static const void *const CONSTANTS[1] = {ZEROS}; /* the small job's x */

static struct {
    fixture f;
    rf_files x;
    vd_trace *own[2]; /* claims */
    uint8_t *claim;   /* bytes of the honest one */
    size_t size;
    vd_layout layout;
    int ready;
} world;

static void remove_world(void) { remove_folder(world.f.folder); }

static void set_up(void)
{
    static const vd_fault lie = {2, {1, 0, 3, 4}};
    fixture *f = &world.f;
    const vd_job *j;
    fixture_open(f);
    if (atexit(remove_world)) abort();
    f->constants = CONSTANTS;
    must(small_job(f->arena, 1, 3, 2, 2, &f->job, &f->err), &f->err);
    run_party(f, 'a', 1, NULL, 1, 2);
    run_party(f, 'b', 1, &lie, 1, 2);
    open_files(f, &world.x, 1);
    world.claim = small_read(file_of(f, 'a', "1.trace"), &world.size);
    for (int k = 0; k < 2; k++) world.own[k] = world.x.claims[k];
    j = vd_trace_job(world.own[0]);
    must(vd_layout_make(f->arena, j, vd_get_le(world.claim + 48, 8), 1, &world.layout, &f->err),
         &f->err);
    world.ready = 1;
}

/* The host computes nothing: what would be run again is said to be beyond it. */
static void play(void)
{
    rf_game *g = NULL;
    rf_question open[RF_OPEN_MAX];
    uint32_t count, asked = 0;
    ro_err err = {RO_OK, {0}};
    ro_status st = rf_files_game(&world.x, (const uint32_t[]){0, 1}, 2, &g, &err);
    if (st && (err.code != st || !err.msg[0])) abort();
    if (!st) rf_game_use_runner(g, NULL); /* no child for each body */
    while (!st) {
        must(rf_game_next(g, open, &count, &err), &err);
        if (count == 0) break;
        if (++asked > 1000) abort();
        for (uint32_t k = 0; k < count; k++) {
            int mine = open[k].kind == RF_Q_OPERATOR || open[k].kind == RF_Q_RERUN ||
                       open[k].kind == RF_Q_KERNEL;
            if (mine) rf_game_cannot(g, &open[k], RF_NONE);
            else must(rf_files_answer(&world.x, g, &open[k], &err), &err);
        }
    }
    const rf_verdict *v = st ? NULL : rf_game_verdict(g);
    for (uint32_t k = 0; v && k < v->guilty_count; k++)
        if (v->guilty[k].party == 0) abort();
    if (v && !rf_game_stands(g, 0)) abort();
    rf_game_free(g);
}

/* A claim of any bytes; alone, or in front of those that the parties brought. */
static void bring(const uint8_t *data, size_t size, int alone)
{
    char path[64];
    vd_trace *t = NULL;
    ro_err err = {RO_OK, {0}};
    int fd = memfd_create("claim", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ro_status st = vd_trace_open(path, &t, &err);
    if (st && (err.code != st || !err.msg[0])) abort();
    if (!st && vd_trace_get_claim(t)) {
        world.x.claims[0] = t;
        world.x.claim_count = alone ? 2 : 3;
        world.x.claims[1] = world.own[1]; /* the liar's */
        world.x.claims[2] = world.own[0];
        play();
    }
    vd_trace_close(t);
    close(fd);
}

/* The claim with these changes, for the trace of one of the parties, unsigned. */
static void change(const uint8_t *data, size_t size, int side, int alone)
{
    const vd_layout *l = &world.layout;
    uint8_t *claim = malloc(world.size), *trailer = claim + l->trailer;
    vd_tree_place p;
    vd_records_end end;
    vd_digest root;
    memcpy(claim, world.claim, world.size);
    for (size_t k = 0; k + 3 <= size; k += 3)
        claim[l->records + vd_get_le(data + k, 2) % (l->trees - l->records)] = data[k + 2];
    if (!vd_layout_tree(l, 0, &p)) abort();
    uint8_t *level = claim + p.at;
    for (uint64_t k = 0; k < p.leaves; k++)
        vd_leaf_hash(p.kind, claim + vd_layout_step(l, k), VD_STEP_LEAF_BYTES,
                     level + k * VD_DIGEST);
    for (uint64_t n = p.leaves; n > 1; n = n / 2 + n % 2) {
        uint8_t *above = level + n * VD_DIGEST;
        for (uint64_t k = 0; k < n; k += 2)
            if (k + 1 < n)
                vd_inner_hash(p.kind, level + k * VD_DIGEST, level + (k + 1) * VD_DIGEST,
                              above + k / 2 * VD_DIGEST);
            else memcpy(above + k / 2 * VD_DIGEST, level + k * VD_DIGEST, VD_DIGEST);
        level = above;
    }
    memset(&end, 0, sizeof end);
    memcpy(end.tree.b, level, VD_DIGEST);
    vd_layout_body(l, &end, vd_trace_get_root(world.x.traces[side]), trailer, &root);
    memcpy(trailer + VD_TRAILER_ROOT, root.b, VD_DIGEST);
    memset(trailer + VD_TRAILER_KEY, 0, VD_DIGEST);
    memset(trailer + VD_TRAILER_SIGNATURE, 0, VD_TRAILER_END - VD_TRAILER_SIGNATURE);
    bring(claim, world.size, alone);
    free(claim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!world.ready) set_up();
    if (size == 0 || size > 1 << 16) return 0;
    bring(data + 1, size - 1, data[0] & 2);
    change(data + 1, size - 1, data[0] & 1, data[0] & 2);
    return 0;
}

void write_seeds(const char *folder)
{
    set_up();
    uint8_t *seed = malloc(world.size + 1);
    seed[0] = 0;
    memcpy(seed + 1, world.claim, world.size);
    small_put(in_folder(folder, "claim"), seed, world.size + 1);
    free(seed);
    /* A digest of a node's, of a state, a step's number; of none; each under each root. */
    static const uint16_t places[4] = {124 + 60, 30, 20, 0xffff};
    for (uint8_t k = 0; k < 16; k++) {
        uint8_t what[4] = {k % 4, 0, 0, 7};
        char name[16];
        vd_put_le(what + 1, places[k / 4], 2);
        snprintf(name, sizeof name, "change%u", k);
        small_put(in_folder(folder, name), what, k / 4 == 3 ? 1 : 4);
    }
}
