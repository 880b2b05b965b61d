/* big_traces.c - two traces of many steps that differ in the last step, made of digests that no
 * operator computed, for measuring what a dispute costs: 100,000 steps of 60 nodes by default.
 *
 *   big_traces FOLDER [STEPS]     writes FOLDER/{a,b}.{trace,store}, the traces signed
 *
 * The digests hang together (an input is what its producer put out, states follow), and the last
 * node of the last step has real tensors, as after `verde open`: b has one bit of one wrong. */
#include "small_job.h"

enum { EXTRA = 58 }; /* Neg nodes after MatMul and Add: 60 in all */

/* Input and output of the last node; the output of a liar. */
static void put_tensors(const char *path, int lie, vd_digest *in, vd_digest *out)
{
    ro_err err = {RO_OK, {0}};
    vd_store *store = NULL;
    uint32_t bits[2][6];
    const ro_type type = ro_type_of(RO_F32, 2, (int64_t[]){3, 2});
    for (uint32_t k = 0; k < 6; k++) {
        bits[0][k] = 0x3f800000u + k;
        bits[1][k] = bits[0][k] ^ 0x80000000u;
    }
    if (lie) bits[1][4] ^= 1u << 12;
    vd_tensor_digest(&type, bits[0], NULL, in->b);
    vd_tensor_digest(&type, bits[1], NULL, out->b);
    must(vd_store_open(path, 1, &store, &err), &err);
    must(vd_store_put(store, &type, bits[0], in, &err), &err);
    must(vd_store_put(store, &type, bits[1], out, &err), &err);
    vd_store_close(store);
}

static void write_trace(const char *folder, char name, const vd_job *j)
{
    ro_err err = {RO_OK, {0}};
    vd_writer *w = NULL;
    vd_key *key = NULL;
    vd_digest root, in, out;
    uint64_t done;
    small_run r;
    char hex[65], path[4096];
    snprintf(path, sizeof path, "%s/%c.store", folder, name);
    put_tensors(path, name == 'b', &in, &out);
    snprintf(path, sizeof path, "%s/%c.pem", folder, name);
    must(vd_key_new(path, &err), &err);
    must(vd_key_load(path, &key, &err), &err);
    snprintf(path, sizeof path, "%s/%c.trace", folder, name);
    must(vd_writer_open(path, j, -1, NULL, &w, &done, &err), &err);
    small_begin(&r, j);
    while (r.steps < j->steps) {
        small_advance(&r);
        if (r.steps == j->steps) { /* ... | in 58, out 58 | in 59, out 59 */
            r.digests[r.count - 3] = r.digests[r.count - 2] = in;
            r.digests[r.count - 1] = r.slots[1] = out;
            r.state = vd_state_root(r.slots, 3);
        }
        must(vd_writer_step(w, &r.state, &r.outputs, r.digests, &err), &err);
    }
    must(vd_writer_finish(w, key, "cpu test", &root, &err), &err);
    vd_writer_free(w);
    vd_key_free(key);
    vd_digest_hex(&root, hex);
    printf("%s  %s\n", path, hex);
}

int main(int argc, char **argv)
{
    ro_err err = {RO_OK, {0}};
    ro_arena *a = ro_arena_new();
    vd_job *j = NULL;
    uint64_t steps = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    if (argc < 2 || argc > 3 || steps < 2) {
        fprintf(stderr, "usage: big_traces FOLDER [STEPS]\n");
        return 2;
    }
    must(small_job(a, 1, steps - 1, 0, EXTRA, &j, &err), &err);
    write_trace(argv[1], 'a', j);
    write_trace(argv[1], 'b', j);
    ro_arena_free(a);
    return 0;
}
