/* test_evidence_shapes.c - evidence of disputes in memory: trees of every shape, and every byte
 * altered, each refused by the check that is there for it. */
#include <criterion/criterion.h>

#include "game_real.h"

typedef struct { real_tensors *tensors; vd_job *job; real_side *truth; } fixture;

static fixture set_up(uint32_t segment, uint64_t repeats)
{
    fixture f = {calloc(1, sizeof *f.tensors), NULL, NULL};
    f.tensors->arena = ro_arena_new();
    f.job = real_mixed(f.tensors, segment, repeats);
    f.truth = real_run(f.tensors, f.job, NULL, 0, NULL, 0);
    return f;
}

/* Its only phase is its first. */
static fixture set_up_single(uint64_t steps)
{
    fixture f = {calloc(1, sizeof *f.tensors), NULL, NULL};
    f.tensors->arena = ro_arena_new();
    f.job = real_single(f.tensors, steps);
    f.truth = real_run(f.tensors, f.job, NULL, 0, NULL, 0);
    return f;
}

static void tear_down(fixture *f)
{
    free(f->truth);
    ro_arena_free(f->tensors->arena);
    free(f->tensors);
}

/* The evidence of a dispute between the truth and a run with this fault; *v: its verdict. NULL: the
 * fault reaches neither an output nor a state that is recorded. */
static uint8_t *evidence(fixture *f, real_fault fault, int truth_first, size_t *size, rf_verdict *v)
{
    real_side *x = real_run(f->tensors, f->job, &fault, 1, NULL, 0);
    real_host h;
    rf_signer traces[2], claims[2];
    uint32_t sides[2], used[2];
    uint8_t *bytes = NULL;
    ro_err err = {RO_OK, {0}};
    if (vd_digest_equal(&x->w.party.root, &f->truth->w.party.root)) {
        free(x);
        return NULL;
    }
    memset(&h, 0, sizeof h);
    h.job = f->job;
    h.tensors = f->tensors;
    h.truth = f->truth;
    h.sides[!truth_first] = f->truth;
    h.sides[truth_first] = x;
    h.count = 2;
    for (int k = 0; k < 2 && f->job->segment; k++)
        real_claim(&h, h.sides[k], h.sides[k], fault.step / f->job->segment, 1);
    rf_game *g = real_play(&h);
    *v = *rf_game_verdict(g);
    cr_assert_eq(v->method, RF_BY_ELEMENT, "%s", v->why);
    cr_assert(rf_evidence_sides(g, sides, used));
    memset(traces, 0, sizeof traces);
    memset(claims, 0, sizeof claims);
    for (int k = 0; k < 2; k++) traces[k].backend[0] = claims[k].backend[0] = 'x';
    must(rf_evidence_write(g, traces, claims, &bytes, size, &err), &err);
    rf_game_free(g);
    free(x);
    return bytes;
}

static void check(const uint8_t *bytes, size_t size, const fixture *f, const real_fault *fault,
                  const rf_verdict *v)
{
    rf_evidence e;
    ro_err err = {RO_OK, {0}};
    must(rf_evidence_check(bytes, size, &e, &err), &err);
    const ro_node *n = &f->job->phases[1].graph->nodes[fault->node];
    cr_assert(vd_digest_equal(&e.job, &f->job->digest));
    cr_assert(e.step == fault->step && e.node == fault->node && e.output == fault->output);
    cr_assert(e.element == fault->element && e.chunk == v->chunk && e.method == RF_BY_ELEMENT);
    cr_assert_str_eq(e.op, ro_ops[n->op].name);
    cr_assert(e.version == ro_ops[n->op].version && ro_type_equal(&e.type, &v->type));
    cr_assert(e.recomputed == v->recomputed && e.chunks > 0);
    cr_assert_eq(e.has_claims, f->job->segment != 0);
    for (int k = 0; k < 2; k++) {
        const vd_digest *truth = &f->truth->w.party.root;
        cr_assert(e.claimed[k] == v->claimed[k] && e.guilty[k] == (v->claimed[k] != v->recomputed));
        cr_assert_eq(vd_digest_equal(&e.roots[k], truth), !e.guilty[k]);
        cr_assert(!e.checked[k] && !e.claims_checked[k] && !e.traces[k].is_signed);
        cr_assert_str_eq(e.traces[k].backend, "x");
        if (e.has_claims) cr_assert_str_eq(e.claims[k].backend, "x");
    }
}

/* 12 steps and 7 nodes: their trees have promoted leaves at several heights. */
Test(evidence_shapes, every_step_and_node, .timeout = 60)
{
    static const uint32_t SEGMENTS[3] = {0, 5, 1};
    uint32_t checked[3] = {0};
    for (int level = 0; level < 3; level++)
        for (uint64_t step = 0; step < 12; step++)
            for (uint32_t node = 0; node < REAL_NODES; node++) {
                if (step % 4 == 0 || node == REAL_EMPTY) continue;
                fixture f = set_up(SEGMENTS[level], 3);
                uint64_t element = node == REAL_ADD ? 1301 : 0;
                real_fault fault = {step, node, node == REAL_POOL, element, 1, 0};
                rf_verdict v;
                size_t size;
                uint8_t *bytes = evidence(&f, fault, (step + node) % 2, &size, &v);
                if (bytes) check(bytes, size, &f, &fault, &v);
                checked[level] += bytes != NULL;
                ro_free(bytes);
                tear_down(&f);
            }
    cr_assert(checked[0] == 54 && checked[1] >= 20 && checked[2] > checked[1], "%u %u %u",
              checked[0], checked[1], checked[2]);
}

/* ---- what each byte is refused for --------------------------------------------------------- */

typedef struct { const char *says; uint32_t count; } refusal;

/* Numbers and names follow from the bytes; the sentence is what counts. */
static void no_numbers(char *text)
{
    static const char LACKS[] = "this program lacks operator";
    char *to = text, *lacks = strstr(text, LACKS);
    if (lacks) lacks[sizeof LACKS - 1] = 0;
    for (; *text; text++) {
        int digit = *text >= '0' && *text <= '9';
        if (!digit) *to++ = *text;
        else if (text[1] < '0' || text[1] > '9') *to++ = '#';
    }
    *to = 0;
}

/* Every byte with each of three masks. Each check refuses as many as it is there for; a count that
 * changes is a check that went, came or moved. What passes is what only a signature covers: other
 * last states and outputs roots of unsigned bodies, another printable name of the backend. */
static void count_refusals(fixture *f, real_fault fault, const refusal *want)
{
    refusal got[64];
    uint32_t kinds = 0, unlike = 0;
    rf_verdict v;
    rf_evidence e;
    size_t size;
    char text[64][256];
    uint8_t *bytes = evidence(f, fault, 0, &size, &v);
    for (size_t at = 0; at < size; at++)
        for (int k = 0; k < 3; k++) {
            static const uint8_t FLIPS[3] = {0x01, 0x80, 0xff};
            ro_err err = {RO_OK, {0}};
            bytes[at] ^= FLIPS[k];
            if (rf_evidence_check(bytes, size, &e, &err) == RO_OK) snprintf(err.msg, 8, "passes");
            bytes[at] ^= FLIPS[k];
            uint32_t i = 0;
            no_numbers(err.msg);
            while (i < kinds && strcmp(text[i], err.msg) != 0) i++;
            cr_assert_lt(i, 64u);
            if (i == kinds) {
                snprintf(text[i], sizeof text[i], "%s", err.msg);
                got[kinds++] = (refusal){text[i], 0};
            }
            got[i].count++;
        }
    ro_free(bytes);
    for (uint32_t i = 0; i < kinds; i++) {
        const refusal *w = want;
        const char *says = strstr(got[i].says, ": ");
        says = says ? says + 2 : got[i].says;
        while (w->says && strcmp(w->says, says) != 0) w++;
        if (w->says && w->count == got[i].count) continue;
        fprintf(stderr, "        {\"%s\", %u},\n", says, got[i].count);
        unlike++;
    }
    for (; want->says; want++) {
        uint32_t i = 0;
        while (i < kinds && !strstr(got[i].says, want->says)) i++;
        if (i == kinds) fprintf(stderr, "no byte: %s\n", want->says);
        unlike += i == kinds;
    }
    cr_assert_eq(unlike, 0);
}

Test(evidence_shapes, T52_what_every_byte_is_refused_for_at_full)
{
    static const refusal WANT[] = {
        {"it does not begin VERDEEVD", 24},
        {"it is of another version", 12},
        {"segment claims go with a checkpoint job, and only with one", 1},
        {"its flags are none", 11},
        {"its job body is none", 70},
        {"a trace body is not of the job", 529},
        {"its job has too many steps", 2},
        {"a phase record is malformed", 50},
        {"the phases are not the job's", 680},
        {"a trace body is none", 70},
        {"the two traces are no pair", 192},
        {"passes", 386},
        {"the step is not the first that differs", 1537},
        {"a public key is a point of small order, under which anyone can sign", 2},
        {"a signature is cut off", 4},
        {"a backend is not printable text", 382},
        {"a signature is there and said to be absent", 576},
        {"a step leaf is not of its step", 192},
        {"there is no such step", 23},
        {"a node leaf is malformed", 85},
        {"the state before has no such source", 2},
        {"the step before is not in the trace", 768},
        {"the node is not the first that differs", 1429},
        {"there is no such node", 11},
        {"it is cut off", 117},
        {"a node record is malformed", 35},
        {"a node record names no operator", 43},
        {"this program lacks operator", 26},
        {"a node record is not the job's", 421},
        {"a node record is too long", 2},
        {"a node record's type is malformed", 32},
        {"a slot or constant record is malformed", 124},
        {"a slot or constant record is not the job's", 713},
        {"an input is not in the state before the step", 204},
        {"there is no such output", 12},
        {"the chunk is not the first that differs", 170},
        {"a tensor's header is not what its digest commits to", 384},
        {"its element is not explained by parts", 1},
        {"its method is none", 11},
        {"the operands are not exactly those that are read", 252},
        {NULL, 0},
    };
    fixture f = set_up(0, 3);
    count_refusals(&f, (real_fault){6, REAL_NORM, 0, 3, 1, 0}, WANT);
    tear_down(&f);
}

Test(evidence_shapes, T52_what_every_byte_is_refused_for_at_checkpoint)
{
    static const refusal WANT[] = {
        {"it does not begin VERDEEVD", 24},
        {"it is of another version", 12},
        {"segment claims go with a checkpoint job, and only with one", 1},
        {"its flags are none", 11},
        {"its job body is none", 66},
        {"a trace body is not of the job", 533},
        {"its job has too many steps", 2},
        {"a phase record is malformed", 50},
        {"the phases are not the job's", 680},
        {"a trace body is none", 70},
        {"the two traces are no pair", 192},
        {"a segment claim is not of its trace", 1006},
        {"a public key is a point of small order, under which anyone can sign", 4},
        {"a signature is cut off", 8},
        {"passes", 4},
        {"a backend is not printable text", 764},
        {"a signature is there and said to be absent", 1152},
        {"a segment claim's body is none", 48},
        {"a segment claim is of another segment", 50},
        {"the step is not the first that differs", 1345},
        {"a step leaf is not of its step", 192},
        {"there is no such step", 23},
        {"the state before has no such source", 3},
        {"the segment is not the first that differs", 611},
        {"the segment before is not in the trace", 457},
        {"the node is not the first that differs", 1237},
        {"there is no such node", 11},
        {"a node leaf is malformed", 120},
        {"it is cut off", 140},
        {"a node record is malformed", 71},
        {"a node record names no operator", 51},
        {"this program lacks operator", 41},
        {"a node record is not the job's", 752},
        {"a node record is too long", 4},
        {"a node record's type is malformed", 64},
        {"an input's producer is not in the trace", 720},
        {"there is no such output", 12},
        {"the chunk is not the first that differs", 170},
        {"a tensor's header is not what its digest commits to", 384},
        {"its element is not explained by parts", 1},
        {"its method is none", 11},
        {"the operands are not exactly those that are read", 132},
        {NULL, 0},
    };
    fixture f = set_up(5, 3);
    count_refusals(&f, (real_fault){5, REAL_NEG, 0, 3, 1, 0}, WANT);
    tear_down(&f);
}

static uint8_t *find(uint8_t *bytes, size_t size, const void *what, size_t n)
{
    for (size_t at = 0; at + n <= size; at++)
        if (memcmp(bytes + at, what, n) == 0) return bytes + at;
    cr_assert(0, "it is not there");
    return NULL;
}

/* What reaches a terminal of an operator that this program lacks is letters, digits and "_". */
Test(evidence_shapes, names_of_operators_hold_nothing_for_terminals)
{
    static const struct { const char *name; uint8_t size; ro_status status; } NAMES[] = {
        {"Ad_", 3, RO_EOP},          {"9dd", 3, RO_EOP},         {"A\x1b[", 3, RO_EFORMAT},
        {"A\n1", 3, RO_EFORMAT},     {"A\xc2\x9b", 3, RO_EFORMAT}, {"Ad\0", 3, RO_EFORMAT},
        {"A d", 3, RO_EFORMAT},      {"Add", 0, RO_EFORMAT},     {"Add", 255, RO_EFORMAT},
    };
    fixture f = set_up(0, 3);
    rf_verdict v;
    rf_evidence e;
    size_t size;
    uint8_t *bytes = evidence(&f, (real_fault){6, REAL_ADD, 0, 1301, 1, 0}, 0, &size, &v);
    uint8_t *name = find(bytes, size, "\3Add", 4);
    for (size_t k = 0; k < sizeof NAMES / sizeof *NAMES; k++) {
        ro_err err = {RO_OK, {0}};
        name[0] = NAMES[k].size;
        memcpy(name + 1, NAMES[k].name, 3);
        cr_assert_eq(rf_evidence_check(bytes, size, &e, &err), NAMES[k].status, "%zu", k);
        for (const char *c = err.msg; *c; c++) cr_assert(*c >= ' ' && *c < 0x7f, "%zu", k);
        cr_assert_eq(strstr(err.msg, NAMES[k].name) != NULL, NAMES[k].status == RO_EOP, "%zu", k);
    }
    ro_free(bytes);
    tear_down(&f);
}

/* ---- what is false and hashes up ------------------------------------------------------------ */

/* Where a side's claims stand in the evidence of a job at full; a path begins with its count. */
typedef struct {
    uint8_t *body, *step, *step_path, *node, *node_path, *header, *chunk_path;
    size_t node_size, header_size, chunk_size;
} places;

static places locate(uint8_t *bytes, size_t size, const fixture *f, const real_side *x,
                     const real_fault *at)
{
    places p;
    const world_leaf *l = &x->w.node[at->step][at->node];
    const uint8_t *out = l->bytes + l->size - 32; /* the last output */
    vd_digest d;
    memcpy(d.b, out, 32);
    const real_tensor *t = real_find(f->tensors, &d);
    p.body = find(bytes, size, x->w.party.body, VD_TRACE_BODY_BYTES);
    p.step = find(bytes, size, x->w.step[at->step].bytes, VD_STEP_LEAF_BYTES);
    p.step_path = p.step + VD_STEP_LEAF_BYTES;
    p.node_size = l->size;
    p.node = find(bytes, size, l->bytes, l->size);
    p.node_path = p.node + l->size;
    p.header_size = t->header_size;
    p.header = find(bytes, size, t->header, t->header_size);
    p.chunk_size = vd_tensor_chunk_bytes(&t->type, at->element * 4 / VD_CHUNK_BYTES);
    p.chunk_path = p.header + p.header_size + 4 + p.chunk_size;
    return p;
}

static void root_over(vd_tree_kind kind, uint64_t n, uint64_t i, const uint8_t *leaf,
                      const uint8_t *path, uint8_t *root)
{
    cr_assert(vd_proof_root(kind, n, i, leaf, path + 4, vd_get_u32(path), root));
}

/* Hash again what lies above a chunk, a record and a step leaf, up to the body. */
static void hash_up(const places *p, const fixture *f, const real_fault *at)
{
    uint8_t hash[32];
    vd_tensor_header_digest(p->header, p->header_size, p->node + p->node_size - 32);
    vd_leaf_hash(VD_TREE_NODES, p->node, p->node_size, hash);
    root_over(VD_TREE_NODES, REAL_NODES, at->node, hash, p->node_path, p->step + 92);
    vd_leaf_hash(VD_TREE_STEPS, p->step, VD_STEP_LEAF_BYTES, hash);
    root_over(VD_TREE_STEPS, f->job->steps, at->step, hash, p->step_path, p->body + 160);
}

enum { STEP_LEAF, NODE_LEAF, STEP_PATH, NODE_PATH, CHUNK_PATH };
static const struct {
    real_fault fault;
    int what;
    size_t at;
    const char *says; /* NULL: it holds */
} FORGERIES[] = {
    {{6, REAL_ADD, 0, 1301, 1, 0}, STEP_LEAF, 0, "a step leaf is not of its step"},
    {{6, REAL_ADD, 0, 1301, 1, 0}, STEP_LEAF, 8, "a step leaf is not of its step"}, /* phase 1 */
    {{6, REAL_ADD, 0, 1301, 1, 0}, STEP_LEAF, 12, "a step leaf is not of its step"},
    {{6, REAL_ADD, 0, 1301, 1, 0}, STEP_LEAF, 20, "a step leaf is not of its step"},
    {{6, REAL_ADD, 0, 1301, 1, 0}, NODE_LEAF, 0, "a node leaf is not what the job prescribes"},
    {{6, REAL_ADD, 0, 1301, 1, 0}, NODE_LEAF, 8, "a node leaf is not what the job prescribes"},
    {{6, REAL_ADD, 0, 1301, 1, 0}, NODE_LEAF, 12, "a node leaf is not what the job prescribes"},
    {{6, REAL_ADD, 0, 1301, 1, 0}, NODE_LEAF, 48, "an input is not agreed"},
    {{6, REAL_ADD, 0, 1301, 1, 0}, NODE_LEAF, 80, "an input is not agreed"},
    /* of step 6 in 12: right of it, left, left, right; of node 2 in 7: right, left, right */
    {{6, REAL_ADD, 0, 7, 1, 0}, STEP_PATH, 0, NULL},
    {{6, REAL_ADD, 0, 7, 1, 0}, STEP_PATH, 1, "the step is not the first that differs"},
    {{6, REAL_ADD, 0, 7, 1, 0}, STEP_PATH, 2, "the step is not the first that differs"},
    {{6, REAL_ADD, 0, 7, 1, 0}, STEP_PATH, 3, NULL},
    {{6, REAL_POOL, 1, 3, 1, 0}, NODE_PATH, 0, NULL},
    {{6, REAL_POOL, 1, 3, 1, 0}, NODE_PATH, 1, "the node is not the first that differs"},
    {{6, REAL_POOL, 1, 3, 1, 0}, NODE_PATH, 2, NULL},
    {{6, REAL_ADD, 0, 1301, 1, 0}, CHUNK_PATH, 0, "the chunk is not the first that differs"},
    {{6, REAL_ADD, 0, 7, 1, 0}, CHUNK_PATH, 0, NULL},
};

Test(evidence_shapes, T52_forgeries_that_hash_up, .timeout = 60)
{
    for (size_t k = 0; k < sizeof FORGERIES / sizeof *FORGERIES; k++)
        for (int side = 0; side < 2; side++)
            for (int truth_first = 0; truth_first < 2; truth_first++) {
                fixture f = set_up_single(12);
                const real_fault *at = &FORGERIES[k].fault;
                real_side *x = real_run(f.tensors, f.job, at, 1, NULL, 0);
                rf_verdict v;
                rf_evidence e, honest;
                ro_err err = {RO_OK, {0}};
                uint8_t hash[32];
                size_t size;
                uint8_t *bytes = evidence(&f, *at, truth_first, &size, &v);
                must(rf_evidence_check(bytes, size, &honest, &err), &err);
                places p = locate(bytes, size, &f, side ? x : f.truth, at);
                size_t n = FORGERIES[k].at;
                switch (FORGERIES[k].what) {
                case STEP_LEAF: p.step[n] ^= 1; break;
                case NODE_LEAF: p.node[n] ^= 1; break;
                case STEP_PATH: p.step_path[4 + 32 * n] ^= 1; break;
                case NODE_PATH: p.node_path[4 + 32 * n] ^= 1; break;
                default:
                    p.chunk_path[4 + 32 * n] ^= 1;
                    vd_leaf_hash(VD_TREE_CHUNKS, p.chunk_path - p.chunk_size, p.chunk_size, hash);
                    root_over(VD_TREE_CHUNKS, 2, at->element / 1024, hash, p.chunk_path,
                              p.header + p.header_size - 32);
                }
                hash_up(&p, &f, at);
                ro_status st = rf_evidence_check(bytes, size, &e, &err);
                cr_assert_eq(st == RO_OK, FORGERIES[k].says == NULL, "forgery %zu: %s", k, err.msg);
                if (st) cr_assert(strstr(err.msg, FORGERIES[k].says), "%zu: %s", k, err.msg);
                else cr_assert(e.guilty[0] == honest.guilty[0] && e.step == honest.step &&
                               e.guilty[1] == honest.guilty[1] && e.element == honest.element);
                ro_free(bytes);
                free(x);
                tear_down(&f);
            }
}

/* Cut anywhere, it is refused; by a byte longer, too. */
Test(evidence_shapes, T52_every_length)
{
    fixture f = set_up(5, 3);
    real_fault fault = {10, REAL_ADD, 0, 1301, 1, 0};
    rf_verdict v;
    rf_evidence e;
    size_t size;
    uint8_t *bytes = evidence(&f, fault, 1, &size, &v), *longer = calloc(size + 1, 1);
    memcpy(longer, bytes, size);
    for (size_t n = 0; n <= size + 1; n++) {
        ro_err err = {RO_OK, {0}};
        if (n == size) continue;
        cr_assert_eq(rf_evidence_check(longer, n, &e, &err), RO_EFORMAT, "%zu of %zu", n, size);
        if (n > size) cr_assert(strstr(err.msg, "it goes on after its end"), "%s", err.msg);
    }
    free(longer);
    ro_free(bytes);
    tear_down(&f);
}
