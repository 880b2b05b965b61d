/* fuzz_explanation.c - a store's explanation of any bytes: read, and what it says of the element
 * and of the parts below it offered as an answer.
 *
 * Inputs are given whole, and again as changes of the right file of each node, ten bytes each:
 * which part, and what is in it. Right parts hold, and what differs from them leads to a part in
 * range.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "../referee/files.c"
#include "../referee/game.h"
#include "../verde/bytes.h"
#include "fuzz_replay.h"
#include "small_job.h"

enum { NODES = 4, ELEMENTS = 9000, CLASSES = 300 };

typedef struct {
    rf_node n;
    vd_digest output; /* that the explanation is of: its name */
    uint64_t *parts, count[RO_LEVELS_MAX], first[RO_LEVELS_MAX + 1];
    uint32_t levels;
    char *file;
    uint8_t *bytes; /* of that file, rightly */
    size_t size;
} subject;

static struct { char *folder; ro_arena *arena; subject list[NODES]; } world;

static void remove_world(void) { remove_folder(world.folder); }

/* A node over float32 numbers whose value reads no input. */
static void subject_of(subject *s, ro_op op, const void *attrs, const ro_type *in, uint32_t inputs,
                       const void *const *data)
{
    ro_graph *g = NULL;
    ro_value values[2], y;
    char name[96];
    vd_digest d;
    ro_err err = {RO_OK, {0}};
    must(ro_graph_new(world.arena, &g, &err), &err);
    for (uint32_t k = 0; k < inputs; k++) {
        s->n.in[k] = in[k];
        must(ro_graph_constant(g, k, &in[k], &values[k], &err), &err);
    }
    must(ro_graph_node(g, op, attrs, values, inputs, 1, &y, &err), &err);
    s->n.graph = g;
    s->n.node = &g->nodes[0];
    s->n.inputs = inputs;
    s->n.outputs = 1;
    s->n.out[0] = *ro_graph_type(g, y);
    s->output.b[0] = (uint8_t)op;
    ro_reader r = {s->n.in, s->n.out, inputs, 1, data, NULL, NULL};
    must(ro_explain_all(op, &r, s->n.node->attrs, 0, 0, &s->levels, s->count, &s->parts, &err),
         &err);
    for (uint32_t l = 0; l < s->levels; l++) s->first[l + 1] = s->first[l] + s->count[l];
    must(rf_explanation_put(world.folder, &s->n, &s->output, 0, 0, NULL, s->parts, &err), &err);
    uint8_t bytes[VD_DIGEST + 8] = {0};
    memcpy(bytes, s->output.b, VD_DIGEST);
    vd_tagged_hash("verde/1 explanation", bytes, sizeof bytes, d.b);
    memcpy(name, "explanations/", 13);
    vd_digest_hex(&d, name + 13);
    s->file = strdup(in_folder(world.folder, name));
    s->bytes = small_read(s->file, &s->size);
}

static void set_up(void)
{
    static float x[ELEMENTS], z[6 * CLASSES];
    static const int64_t labels[6] = {0, 5, 299, 300, -1, 7};
    uint64_t attrs[RO_ATTRS_SIZE_MAX / 8];
    ro_err err = {RO_OK, {0}};
    const ro_type row = ro_type_of(RO_F32, 1, (int64_t[]){ELEMENTS});
    const ro_type image = ro_type_of(RO_F32, 3, (int64_t[]){1, 1, ELEMENTS});
    const ro_type loss[2] = {ro_type_of(RO_F32, 2, (int64_t[]){6, CLASSES}),
                             ro_type_of(RO_I64, 1, (int64_t[]){6})};
    world.folder = strdup(small_folder());
    world.arena = ro_arena_new();
    if (!world.arena || atexit(remove_world)) abort();
    for (uint32_t k = 0; k < ELEMENTS; k++) x[k] = (float)(k * 7919 % 1009) / 16;
    memcpy(z, x, sizeof z);
    memset(attrs, 0, sizeof attrs);
    subject_of(&world.list[0], RO_OP_ReduceSum, attrs, &row, 1, (const void *const[]){x});
    subject_of(&world.list[1], RO_OP_ArgMax, attrs, &row, 1, (const void *const[]){x});
    must(ro_attr_set_int(RO_OP_SoftmaxCrossEntropyLoss, attrs, "reduction", 2, &err), &err);
    subject_of(&world.list[2], RO_OP_SoftmaxCrossEntropyLoss, attrs, loss, 2,
               (const void *const[]){z, labels});
    memset(attrs, 0, sizeof attrs);
    static const struct { const char *name; int64_t v[2]; uint32_t n; } POOL[] = {
        {"kernel_shape", {ELEMENTS}, 1}, {"strides", {1}, 1}, {"pads", {0, 0}, 2},
        {"dilations", {1}, 1}};
    for (int k = 0; k < 4; k++)
        must(ro_attr_set_ints(RO_OP_MaxPool, attrs, POOL[k].name, POOL[k].v, POOL[k].n, &err),
             &err);
    subject_of(&world.list[3], RO_OP_MaxPool, attrs, &image, 1, (const void *const[]){x});
}

/* Offer what these parts say of the element's value, then of the first part that differs. */
static void offer(const subject *s, const uint64_t *parts)
{
    static const uint8_t none[4]; /* operands of no input: the value reads none */
    rf_question q;
    rf_part part;
    ro_err err = {RO_OK, {0}};
    memset(&q, 0, sizeof q);
    memset(&part, 0, sizeof part);
    part.level = s->levels - 1;
    part.value[0] = part.value[1] = s->parts[s->first[s->levels] - 1];
    part.operands = none;
    part.operands_size = sizeof none;
    uint8_t *told[2][RO_LEVELS_MAX + 1];
    for (uint32_t depth = 0;; depth++) {
        ro_parts needs[RO_NEEDS_MAX];
        uint64_t total;
        size_t size[2];
        int holds[2] = {1, 1};
        q.level = part.level;
        q.index = part.index;
        uint32_t runs = rf_part_needs(&s->n, 0, 0, &part, needs, &total);
        if (part.level >= s->levels || part.index >= s->count[part.level] ||
            depth > RO_LEVELS_MAX)
            abort();
        must(rf_parts_write(&s->n, &q, s->parts, s->count, &told[0][depth], &size[0], &err), &err);
        must(rf_parts_write(&s->n, &q, parts, s->count, &told[1][depth], &size[1], &err), &err);
        for (int k = 0; k < 2; k++)
            must(rf_parts_hold(&s->n, &q, &part, k, told[k][depth], size[k], &holds[k], &err),
                 &err);
        const uint8_t *const answer[2] = {told[0][depth], told[1][depth]};
        int same = size[0] == size[1] && memcmp(answer[0], answer[1], size[0]) == 0;
        /* Right parts hold: where the value reads nothing, and while right and told agree. */
        if (size[0] != total * 8 || (depth == 0 && !holds[0]) ||
            (same && holds[0] != holds[1] && part.value[0] == part.value[1]))
            abort();
        int more = !rf_parts_agreed(&part, needs, runs) &&
                   rf_part_descend(&part, needs, runs, answer);
        if (more == same && !rf_parts_agreed(&part, needs, runs)) abort();
        if (more && part.value[0] == part.value[1]) abort();
        if (more) continue;
        for (uint32_t k = 0; k <= depth; k++) {
            ro_free(told[0][k]);
            ro_free(told[1][k]);
        }
        return;
    }
}

static void read_back(const subject *s)
{
    uint64_t *parts = NULL, count[RO_LEVELS_MAX];
    uint32_t levels;
    ro_err err = {RO_OK, {0}};
    ro_status st = rf_explanation_get(world.folder, &s->n, &s->output, 0, 0, &parts, count, &levels,
                                      &err);
    if (st && (err.code != st || !err.msg[0])) abort();
    if (st) return;
    if (levels != s->levels || memcmp(count, s->count, levels * sizeof *count) != 0) abort();
    offer(s, parts);
    ro_free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 18) return 0;
    if (!world.folder) set_up();
    for (int k = 0; k < NODES; k++) {
        const subject *s = &world.list[k];
        uint64_t total = s->first[s->levels];
        small_put(s->file, data, size);
        read_back(s);
        uint8_t *changed = malloc(s->size);
        memcpy(changed, s->bytes, s->size);
        for (size_t at = 0; at + 10 <= size; at += 10)
            memcpy(changed + s->size - 8 * (total - vd_get_le(data + at, 2) % total),
                   data + at + 2, 8);
        small_put(s->file, changed, s->size);
        read_back(s);
        free(changed);
    }
    return 0;
}

void write_seeds(const char *folder)
{
    static const char *const names[NODES] = {"row", "chain", "loss", "pool"};
    set_up();
    for (int k = 0; k < NODES; k++) {
        const subject *s = &world.list[k];
        uint8_t change[10] = {0};
        char name[32];
        snprintf(name, sizeof name, "change-%s", names[k]);
        small_put(in_folder(folder, names[k]), s->bytes, s->size);
        vd_put_le(change, s->first[s->levels] - 2, 2); /* what the value needs, but with a bit */
        vd_put_le(change + 2, s->parts[s->first[s->levels] - 2] ^ 1, 8);
        small_put(in_folder(folder, name), change, sizeof change);
    }
}
