/* fuzz_store.c - files of a store of any bytes: tensors, states and snapshots, read in every way
 * that there is.
 *
 * The first byte says which file the others are, under the name of something else. What is
 * promised to be checked must then be refused, or be that thing; what is not promised must be
 * bytes of the type that it comes with.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "fuzz_replay.h"
#include "small_job.h"

enum { SLOTS = 3, TENSORS = 4 };

static struct {
    char *folder;
    ro_arena *arena;
    vd_job *job;
    ro_type type[TENSORS];
    vd_digest tensor[TENSORS], slots[SLOTS], state;
    char *tensor_file[TENSORS], *state_file, *snapshot_file;
    vd_store *store;
} world;

static void remove_world(void) { remove_folder(world.folder); }

static char *name_of(const char *format, const vd_digest *d)
{
    char hex[65], name[160];
    vd_digest_hex(d, hex);
    snprintf(name, sizeof name, format, hex, hex);
    return strdup(in_folder(world.folder, name));
}

/* Whole, short of a chunk, empty and scalar tensors, a state and a snapshot. */
static void set_up(void)
{
    static uint8_t data[3][4096 * 3];
    const ro_type types[TENSORS] = {
        ro_type_of(RO_F32, 2, (int64_t[]){3, 1024}), ro_type_of(RO_I64, 1, (int64_t[]){515}),
        ro_type_of(RO_U8, 2, (int64_t[]){0, 7}), ro_type_of(RO_F64, 0, NULL)};
    ro_err err = {RO_OK, {0}};
    world.folder = strdup(small_folder());
    world.arena = ro_arena_new();
    if (!world.arena || atexit(remove_world)) abort();
    must(small_job(world.arena, 1, 3, 0, 0, &world.job, &err), &err);
    must(vd_store_open(world.folder, 1, &world.store, &err), &err);
    for (size_t k = 0; k < sizeof data[0]; k++) data[0][k] = (uint8_t)(k * k / 7);
    for (int k = 0; k < TENSORS; k++) {
        world.type[k] = types[k];
        vd_tensor_digest(&types[k], data[0], NULL, world.tensor[k].b);
        must(vd_store_put(world.store, &types[k], data[0], &world.tensor[k], &err), &err);
        world.tensor_file[k] = name_of("tensors/%.2s/%s", &world.tensor[k]);
    }
    memcpy(world.slots, world.tensor, sizeof world.slots);
    world.state = vd_state_root(world.slots, SLOTS);
    must(vd_store_put_state(world.store, &world.state, world.slots, SLOTS, &err), &err);
    must(vd_store_put_snapshot(world.store, &world.job->digest, 2, &world.state, &err), &err);
    world.state_file = name_of("states/%s", &world.state);
    world.snapshot_file = name_of("snapshots/%s/2", &world.job->digest);
}

static int refused(ro_status st, ro_err *err)
{
    if (st && (err->code != st || !err->msg[0])) abort();
    memset(err, 0, sizeof *err);
    return st != RO_OK;
}

static void sum_up(const uint8_t *bytes, uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t k = 0; k < n; k++) sum += bytes[k];
    if (sum > 255 * n) abort(); /* the reads are not for nothing */
}

static void read_tensor(int k)
{
    static uint8_t data[4096 * 3], hashes[VD_DESCEND_MAX * VD_DIGEST];
    const vd_digest *d = &world.tensor[k];
    uint8_t *copy = NULL, again[VD_DIGEST];
    vd_digest root;
    ro_type type;
    uint32_t count;
    uint64_t got;
    vd_store *s = NULL; /* anew: what was read may be kept */
    ro_err err = {RO_OK, {0}};
    must(vd_store_open(world.folder, 0, &s, &err), &err);
    if (!refused(vd_store_get(s, d, &world.type[k], data, &err), &err)) {
        vd_tensor_digest(&world.type[k], data, NULL, again);
        if (memcmp(again, d->b, VD_DIGEST) != 0) abort();
    }
    if (!refused(vd_store_copy(s, d, 1 << 16, &type, &copy, &err), &err)) {
        if (ro_type_check(&type, &err) || ro_type_bytes(&type) > 1 << 16) abort();
        sum_up(copy, ro_type_bytes(&type));
        ro_free(copy);
    }
    for (uint64_t at = 0; at < 4 * sizeof data; at = 3 * at + 1)
        if (!refused(vd_store_read(s, d, at, sizeof data, &type, data, &got, &err), &err)) {
            uint64_t all = ro_type_bytes(&type), left = at < all ? all - at : 0;
            if (ro_type_check(&type, &err) || got != (left < sizeof data ? left : sizeof data))
                abort();
            sum_up(data, got);
        }
    if (!refused(vd_store_chunk_root(s, d, &type, &root, &err), &err)) {
        uint64_t n = vd_tensor_chunks(&type);
        if (ro_type_check(&type, &err)) abort();
        if (n && !refused(vd_store_descend(s, d, &type, 0, n, 0, hashes, &count, &err), &err) &&
            (count != 1 || memcmp(hashes, root.b, VD_DIGEST) != 0))
            abort();
        (void)refused(vd_store_descend(s, d, &type, 0, n, 3, hashes, &count, &err), &err);
        (void)refused(vd_store_descend(s, d, &type, 1, n + 1, 1, hashes, &count, &err), &err);
    }
    vd_store_close(s);
}

static void read_state(void)
{
    vd_digest slots[SLOTS + 1], root;
    uint64_t steps;
    ro_err err = {RO_OK, {0}};
    for (uint32_t n = 0; n <= SLOTS + 1; n++)
        if (!refused(vd_store_get_state(world.store, &world.state, slots, n, &err), &err) &&
            (n != SLOTS || memcmp(slots, world.slots, sizeof world.slots) != 0))
            abort();
    for (uint64_t at = 0; at < 4; at++)
        if (!refused(vd_store_find_snapshot(world.store, world.job, at, &steps, &root, &err), &err)
            && (steps > at || (steps != 0 && steps != 2)))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!world.folder) set_up();
    if (size == 0 || size > 1 << 17) return 0;
    int kind = data[0] % (TENSORS + 2);
    const char *file = kind < TENSORS    ? world.tensor_file[kind]
                       : kind == TENSORS ? world.state_file
                                         : world.snapshot_file;
    small_put(file, data + 1, size - 1);
    if (kind < TENSORS) read_tensor(kind);
    else read_state();
    return 0;
}

void write_seeds(const char *folder)
{
    set_up();
    for (int k = 0; k < TENSORS + 2; k++) {
        const char *file = k < TENSORS    ? world.tensor_file[k]
                           : k == TENSORS ? world.state_file
                                          : world.snapshot_file;
        char name[32];
        size_t size;
        uint8_t *bytes = small_read(file, &size), *seed = malloc(size + 1);
        seed[0] = (uint8_t)k;
        memcpy(seed + 1, bytes, size);
        snprintf(name, sizeof name, k < TENSORS ? "tensor%d" : k == TENSORS ? "state" : "snapshot",
                 k);
        small_put(in_folder(folder, name), seed, size + 1);
        free(seed);
        free(bytes);
    }
}
