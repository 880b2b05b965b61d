/* test_kernels.c - the referee's own kernel is wrong by one bit, or does not come back: for every
 * operator of the table, nobody is condemned. T36, T60.
 *
 * A job is one node on constants. Party a claims what the scalar body gives; b claims a bit else,
 * which the wrong kernel gives too: b may have run it in good faith. */
#include <criterion/criterion.h>

#include "../referee/files.c"
#include "ops_cases.h"
#include "planted.h"
#include "small_job.h"

/* ---- a dispute about one node ----------------------------------------------------------- */

typedef struct {
    char folder[64];
    ro_arena *arena;
    vd_job *job;
    void *in[CASE_INPUTS], *out[CASE_INPUTS];
    vd_digest in_digest[CASE_INPUTS], out_digest[CASE_INPUTS];
    uint32_t inputs; /* present */
    ro_fault lie;
    int both;                /* a lies too: by the bit below                              */
    const uint64_t *kernel;  /* what the game hears as the kernel's bits, else the files' */
    uint32_t kernels;        /* how often it asked for them                               */
    ro_err err;
} world;

static uint64_t drawn(ro_dtype d, double lo, double hi, rng *g)
{
    double x = lo + (hi - lo) * (double)(rng_next(g) >> 11) * 0x1p-53;
    return ro_bits_of_number(d, ro_dtype_is_float(d) ? x : floor(x + 0.5));
}

static void fill_inputs(world *w, const node_case *c, rng *g)
{
    for (uint32_t k = 0; k < c->inputs; k++) {
        uint64_t n = ro_type_elements(&c->in[k]);
        if (!c->in[k].dtype) continue;
        w->in[k] = ro_arena_alloc(w->arena, ro_type_bytes(&c->in[k]));
        for (uint64_t i = 0; i < n; i++)
            ro_set_element(c->in[k].dtype, w->in[k], i,
                           drawn(c->in[k].dtype, c->lo[k], c->hi[k], g));
    }
}

static void compute_outputs(world *w, const node_case *c)
{
    ro_reader r = {.in = c->in, .out = c->out, .inputs = c->inputs, .outputs = c->outputs,
                   .data = (const void *const *)w->in};
    must(ro_float_mode(&w->err), &w->err);
    for (uint32_t k = 0; k < c->outputs; k++) {
        w->out[k] = ro_arena_alloc(w->arena, ro_type_bytes(&c->out[k]));
        for (uint64_t i = 0; i < ro_type_elements(&c->out[k]); i++)
            ro_set_element(c->out[k].dtype, w->out[k], i, ro_at(c->op, &r, c->attrs.bytes, k, i));
        vd_tensor_digest(&c->out[k], w->out[k], NULL, w->out_digest[k].b);
    }
}

static void make_job(world *w, const node_case *c)
{
    ro_arena *a = w->arena;
    vd_job *j = w->job = ro_arena_alloc(a, sizeof *j);
    ro_graph *g;
    ro_value in[CASE_INPUTS], first;
    j->arena = a;
    j->repeats = 1;
    j->record = VD_RECORD_FULL;
    j->phase_count = j->slot_count = 1;
    j->phases = ro_arena_alloc(a, sizeof *j->phases);
    j->slots = ro_arena_alloc(a, sizeof *j->slots);
    j->constants = ro_arena_alloc(a, (c->inputs + 1) * sizeof *j->constants);
    j->slots[0] = small_slot("step", ro_type_of(RO_I64, 0, NULL));
    must(ro_graph_new(a, &g, &w->err), &w->err);
    for (uint32_t k = 0; k < c->inputs; k++) {
        uint32_t n = j->constant_count;
        char name[8];
        in[k] = RO_NO_VALUE;
        if (!c->in[k].dtype) continue;
        int length = snprintf(name, sizeof name, "c%u", n);
        j->constants[n] = small_slot(ro_arena_string(a, name, (size_t)length), c->in[k]);
        vd_tensor_digest(&c->in[k], w->in[k], NULL, j->constants[n].digest.b);
        w->in_digest[n] = j->constants[n].digest;
        must(ro_graph_constant(g, n, &c->in[k], &in[k], &w->err), &w->err);
        j->constant_count++;
    }
    w->inputs = j->constant_count;
    must(ro_graph_node(g, c->op, c->attrs.bytes, in, c->inputs, c->outputs, &first, &w->err),
         &w->err);
    for (uint32_t k = 0; k < c->outputs; k++)
        must(ro_graph_add_output(g, first + k, &w->err), &w->err);
    j->phases[0].steps = 1;
    j->phases[0].graph = g;
    must(vd_job_seal(j, &w->err), &w->err);
}

static const char *named(const world *w, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    return path;
}

static void flip(const node_case *c, world *w, int who)
{
    const ro_type *t = &c->out[w->lie.output];
    uint64_t at = w->lie.element, bits = ro_load(t->dtype, w->out[w->lie.output], at);
    if (who || w->both)
        ro_set_element(t->dtype, w->out[w->lie.output], at,
                       bits ^ UINT64_C(1) << (w->lie.bit - !who));
}

/* A signed-by-nobody trace of the one step, and a store with the inputs and maybe the outputs. */
static void party(world *w, const node_case *c, int who, int with_outputs)
{
    vd_digest digests[2 * CASE_INPUTS], root, step = vd_step_digest(1), state, outputs;
    vd_store *s = NULL;
    vd_writer *writer = NULL;
    char backend[32];
    uint64_t done;
    uint32_t i = 0;
    flip(c, w, who);
    must(vd_store_open(named(w, who ? "b.store" : "a.store"), 1, &s, &w->err), &w->err);
    for (uint32_t k = 0; k < c->inputs; k++) {
        if (!c->in[k].dtype) continue;
        must(vd_store_put(s, &c->in[k], w->in[k], &w->in_digest[i], &w->err), &w->err);
        digests[i] = w->in_digest[i];
        i++;
    }
    for (uint32_t k = 0; k < c->outputs; k++) {
        vd_digest *d = &digests[i + k];
        vd_tensor_digest(&c->out[k], w->out[k], NULL, d->b);
        if (with_outputs) must(vd_store_put(s, &c->out[k], w->out[k], d, &w->err), &w->err);
    }
    vd_store_close(s);
    state = vd_state_root(&step, 1);
    outputs = vd_outputs_digest(digests + i, c->outputs);
    snprintf(backend, sizeof backend, "cpu %s", ro_cpu_isa());
    must(vd_writer_open(named(w, who ? "b.trace" : "a.trace"), w->job, -1, NULL, &writer, &done,
                        &w->err), &w->err);
    must(vd_writer_step(writer, &state, &outputs, digests, &w->err), &w->err);
    must(vd_writer_finish(writer, NULL, backend, &root, &w->err), &w->err);
    vd_writer_free(writer);
    flip(c, w, who); /* and back */
}

static void begin(world *w, const node_case *c, rng *g)
{
    memset(w, 0, sizeof *w);
    snprintf(w->folder, sizeof w->folder, "/tmp/verde-kernels-XXXXXX");
    cr_assert(mkdtemp(w->folder) != NULL);
    w->arena = ro_arena_new();
    fill_inputs(w, c, g);
    compute_outputs(w, c);
    make_job(w, c);
    do w->lie.output = (uint32_t)rng_in(g, 0, c->outputs - 1);
    while (ro_type_elements(&c->out[w->lie.output]) == 0);
    const ro_type *t = &c->out[w->lie.output];
    w->lie.element = rng_next(g) % ro_type_elements(t);
    w->lie.bit = t->dtype == RO_BOOL ? 0 : 8 * ro_dtypes[t->dtype].size / 2 - 1;
}

static void end(world *w)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", w->folder);
    cr_assert_eq(system(command), 0);
    ro_arena_free(w->arena);
}

static void answer(world *w, rf_files *f, rf_game *g, const rf_question *q)
{
    uint8_t bytes[RF_KERNEL_BYTES] = {0};
    int accepted;
    w->kernels += q->kind == RF_Q_KERNEL;
    if (q->kind != RF_Q_KERNEL || !w->kernel) {
        must(rf_files_answer(f, g, q, &w->err), &w->err);
        return;
    }
    vd_put_le(bytes, *w->kernel, 8);
    must(rf_game_answer(g, q, RF_NONE, bytes, sizeof bytes, &accepted, &w->err), &w->err);
    cr_assert(accepted);
}

/* Play with the files as they lie, on a backend, within limits. The caller releases both. */
static rf_game *play(world *w, rf_files *f, const ro_backend *b, const rf_limits *l)
{
    rf_game *g = NULL;
    rf_question open[RF_OPEN_MAX];
    uint32_t count = 1;
    must(rf_files_init(f, 2, 1, 2, &w->err), &w->err);
    if (b) f->backend = b;
    if (l) f->limits = *l;
    for (uint32_t k = 0; k < 2; k++) {
        must(vd_trace_open(named(w, k ? "b.trace" : "a.trace"), &f->traces[k], &w->err), &w->err);
        must(vd_store_open(named(w, k ? "b.store" : "a.store"), 0, &f->stores[k], &w->err),
             &w->err);
        f->trace_count++;
        f->store_count++;
    }
    f->job = vd_trace_job(f->traces[0]);
    must(rf_files_game(f, (uint32_t[]){0, 1}, 2, &g, &w->err), &w->err);
    while (count) {
        must(rf_game_next(g, open, &count, &w->err), &w->err);
        for (uint32_t k = 0; k < count; k++) answer(w, f, g, &open[k]);
    }
    return g;
}

static void check_condemned(world *w, const char *op, rf_method method)
{
    rf_files f;
    rf_game *g = play(w, &f, NULL, NULL);
    const rf_verdict *v = rf_files_verdict(&f, g);
    cr_assert(v->kind == RF_OUTPUT && v->method == method, "%s: %s", op, v->why);
    cr_assert(v->guilty_count == 1 && v->guilty[0].party == 1, "%s: %u guilty", op,
              v->guilty_count);
    cr_assert(!v->alarm && !v->provisional, "%s", op);
    cr_assert(rf_files_ran(&f, 0) && rf_files_ran(&f, 1));
    cr_assert(rf_files_stands(&f, g, 0) && !rf_files_stands(&f, g, 1));
    rf_game_free(g);
    rf_files_release(&f);
}

/* Nobody is guilty and everybody stands. alarm: by a difference, else by a fault that `says`. */
static void check_frozen(world *w, const char *op, const rf_limits *l, int alarm, const char *says)
{
    rf_files f;
    rf_game *g = play(w, &f, planted(), l);
    const rf_verdict *v = rf_files_verdict(&f, g);
    cr_assert_eq(v->kind, RF_UNDECIDED, "%s: %s, %s", op, rf_kind_name(v->kind), v->why);
    cr_assert(v->guilty_count == 0 && v->method == RF_BY_NONE && !v->has_value, "%s", op);
    cr_assert_eq(v->alarm, alarm, "%s: %s", op, v->why);
    cr_assert(strstr(v->why, says), "%s: %s", op, v->why);
    cr_assert(rf_files_stands(&f, g, 0) && rf_files_stands(&f, g, 1));
    rf_game_free(g);
    rf_files_release(&f);
}

/* ---- every operator --------------------------------------------------------------------- */

static int has_elements(const node_case *c)
{
    uint64_t n = 0;
    for (uint32_t k = 0; k < c->outputs; k++) n += ro_type_elements(&c->out[k]);
    return n > 0;
}

static void check_operator(ro_op op, int with_outputs, rng *g)
{
    node_case c = {.op = op};
    world w;
    const char *name = ro_ops[op].name;
    do case_make(&c, op, g);
    while (!has_elements(&c));
    begin(&w, &c, g);
    party(&w, &c, 0, with_outputs);
    party(&w, &c, 1, with_outputs);
    check_condemned(&w, name, with_outputs ? RF_BY_ELEMENT : RF_BY_OPERATOR);
    plant = PLANT_FLIP;
    plant_fault = w.lie;
    check_frozen(&w, name, NULL, 1, "differ");
    plant_fault.bit ^= c.out[w.lie.output].dtype == RO_BOOL ? 0 : 1;
    check_frozen(&w, name, NULL, 1, "differ");
    end(&w);
}

Test(kernels, T60_one_bit_of_an_element_freezes, .timeout = 300)
{
    rng g = {60};
    for (ro_op op = 0; op < RO_OP_COUNT; op++) check_operator(op, 1, &g);
}

/* Where the outputs cannot be opened, the operator is run again: by its kernel and by bodies. */
Test(kernels, T60_one_bit_of_an_operator_freezes, .timeout = 300)
{
    rng g = {61};
    for (ro_op op = 0; op < RO_OP_COUNT; op++) check_operator(op, 0, &g);
}

/* ---- a partial result ------------------------------------------------------------------- */

static uint64_t more(uint64_t bits, int who)
{
    return ro_f32_bits(ro_bits_f32((uint32_t)bits) + (who ? 16.0f : 8.0f));
}

/* A liar's value differs in one lane's sum, and it explains itself: the game condemns it by that
 * partial alone, and by nothing but the scalar body when the kernel gives its value too. */
static uint64_t explain_a_lie(world *w, const node_case *c, int who)
{
    rf_node n;
    ro_reader r = {.in = c->in, .out = c->out, .inputs = 1, .outputs = 1,
                   .data = (const void *const *)w->in};
    uint64_t count[RO_LEVELS_MAX], *parts, at = 40;
    uint32_t levels;
    float sum = 0;
    vd_digest d;
    rf_node_init(&n, w->job, 0, 0, w->in_digest);
    cr_assert(rf_is_partial(&n, 0));
    must(ro_explain_all(c->op, &r, c->attrs.bytes, 0, 0, &levels, count, &parts, &w->err),
         &w->err);
    /* A whole number more in one lane and in all that it goes into, its chunk, the one list of
     * chunks and the value: exact, as inputs are whole. */
    cr_assert(levels == 4 && count[1] * 32 == count[0] && count[2] == 1 && count[3] == 1);
    parts[at] = more(parts[at], who);
    for (uint64_t l = 1, first = count[0]; l < levels; first += count[l++]) {
        at /= l == 1 ? 32 : 4096;
        cr_assert_lt(at, count[l]);
        parts[first + at] = more(parts[first + at], who);
        sum = ro_bits_f32((uint32_t)parts[first + at]);
    }
    cr_assert_eq(ro_f32_bits(sum) ^ ro_load(RO_F32, w->out[0], 0),
                 UINT64_C(1) << (w->lie.bit - !who));
    vd_tensor_digest(&c->out[0], &sum, NULL, d.b);
    must(rf_explanation_put(named(w, who ? "b.store" : "a.store"), &n, &d, 0, 0, NULL, parts,
                            &w->err), &w->err);
    ro_free(parts);
    return ro_f32_bits(sum);
}

/* A sum over the bound of an element; both: a lies too, in the same lane. */
static void begin_sum(world *w, node_case *c, int both, uint64_t said[2])
{
    enum { SUM = 300000 };
    rng g = {62};
    memset(c, 0, sizeof *c);
    c->op = RO_OP_ReduceSum;
    c->inputs = c->outputs = 1;
    c->in[0] = ro_type_of(RO_F32, 1, (int64_t[]){SUM});
    c->out[0] = ro_type_of(RO_F32, 0, NULL);
    c->lo[0] = c->hi[0] = 1.0; /* 300,000 is 0x48927c00: 16 more is bit 9 alone, 8 more bit 8 */
    begin(w, c, &g);
    w->lie.bit = 9;
    w->both = both;
    for (int k = 0; k < 2; k++) {
        party(w, c, k, 1);
        said[k] = k || both ? explain_a_lie(w, c, k) : ro_load(RO_F32, w->out[0], 0);
    }
}

Test(kernels, T60_one_bit_of_a_sum_freezes_a_partial)
{
    node_case c;
    world w;
    uint64_t said[2];
    begin_sum(&w, &c, 0, said);
    check_condemned(&w, "ReduceSum", RF_BY_PARTIAL);
    plant = PLANT_FLIP;
    plant_fault = w.lie;
    check_frozen(&w, "ReduceSum", NULL, 1, "differ");
    end(&w);
}

/* guilty: a bit a party; 0: nobody, with an alarm of the game's own. */
static void check_heard(world *w, const uint64_t *kernel, uint32_t guilty, int provisional)
{
    rf_files f;
    uint32_t got = 0;
    w->kernel = kernel;
    w->kernels = 0;
    rf_game *g = play(w, &f, NULL, NULL);
    const rf_verdict *v = rf_game_verdict(g);
    for (uint32_t k = 0; k < v->guilty_count; k++) got |= 1u << v->guilty[k].party;
    cr_assert(!f.stopped && got == guilty, "%u guilty: %s", got, v->why);
    cr_assert_eq(w->kernels, 1);
    cr_assert_eq(v->kind, guilty ? RF_OUTPUT : RF_UNDECIDED);
    cr_assert_eq(v->method, guilty ? RF_BY_PARTIAL : RF_BY_NONE);
    cr_assert_eq(v->has_value, guilty != 0);
    cr_assert_eq(v->alarm, guilty == 0);
    cr_assert_eq(v->provisional, provisional);
    for (uint32_t k = 0; k < 2; k++) cr_assert_eq(rf_game_stands(g, k), !(guilty >> k & 1));
    if (!guilty) cr_assert(strstr(v->why, "fast kernel"), "%s", v->why);
    rf_game_free(g);
    rf_files_release(&f);
}

/* Whoever is wrong at a part, the kernel is asked for the element first; where that is what a side
 * claims that would fall, the game condemns nobody, whatever its host makes of it. */
Test(kernels, T60_the_kernel_is_heard_before_a_part_condemns)
{
    for (int both = 0; both < 2; both++) {
        node_case c;
        world w;
        uint64_t said[2], other = 0;
        begin_sum(&w, &c, both, said);
        cr_assert_neq(said[0], said[1]);
        check_heard(&w, NULL, both ? 3 : 2, both);
        check_heard(&w, &other, both ? 3 : 2, 1);
        check_heard(&w, &said[0], both ? 0 : 2, 0);
        check_heard(&w, &said[1], 0, 0);
        end(&w);
    }
}

/* ---- faults ----------------------------------------------------------------------------- */

Test(kernels, T36_a_kernel_that_does_not_come_back_decides_nothing, .timeout = 120)
{
    static const struct { plant_kind kind; const char *says; } bombs[] = {
        {PLANT_SPIN, "longer than 300 ms"}, {PLANT_KILL, "killed"},
        {PLANT_FORK, "system call"}, {PLANT_SOCKET, "system call"}, {PLANT_EAT, "memory"}};
    for (int with_outputs = 0; with_outputs < 2; with_outputs++) {
        node_case c = {.op = RO_OP_MatMul};
        rng g = {63};
        world w;
        do case_make(&c, RO_OP_MatMul, &g);
        while (!has_elements(&c));
        begin(&w, &c, &g);
        party(&w, &c, 0, with_outputs);
        party(&w, &c, 1, with_outputs);
        for (size_t k = 0; k < sizeof bombs / sizeof *bombs; k++) {
            rf_limits l = {0, 0, 0, 1, 0};
            if (bombs[k].kind == PLANT_SPIN) l.wall_ms = 300;
            /* No filter: the kill is the bomb's own, not that of a forbidden call. */
            if (bombs[k].kind == PLANT_KILL) l.no_seccomp = 1;
#if defined(__SANITIZE_ADDRESS__)
            if (bombs[k].kind == PLANT_EAT) continue; /* there is no limit of addresses */
#endif
            plant = bombs[k].kind;
            check_frozen(&w, "MatMul", &l, 0, bombs[k].says);
        }
        end(&w);
    }
}

/* ---- what files may not do -------------------------------------------------------------- */

/* What a store says is read once: what is judged and computed with is what was hashed. */
Test(kernels, T26_a_store_that_changes_meanwhile_changes_nothing)
{
    node_case c = {.op = RO_OP_MatMul};
    rng g = {64};
    world w;
    rf_files f;
    char command[256];
    do case_make(&c, RO_OP_MatMul, &g);
    while (!has_elements(&c));
    begin(&w, &c, &g);
    party(&w, &c, 0, 1);
    party(&w, &c, 1, 1);
    rf_game *first = play(&w, &f, NULL, NULL); /* all tensors are read now */
    snprintf(command, sizeof command, "find %s -path '*tensors*' -type f -exec sh -c '"
             "head -c 4096 /dev/zero | dd of=\"$1\" conv=notrunc status=none' _ {} \\;", w.folder);
    cr_assert_eq(system(command), 0);
    for (const rf_tensor *t = f.tensors; t; t = t->next) {
        uint8_t got[VD_DIGEST];
        vd_tensor_digest_canonical(&t->type, t->bytes, NULL, got);
        cr_assert_eq(memcmp(got, t->digest.b, VD_DIGEST), 0);
    }
    rf_game_free(first);
    rf_files_release(&f);
    rf_game *again = play(&w, &f, NULL, NULL); /* read altered: as good as not there */
    const rf_verdict *v = rf_files_verdict(&f, again);
    cr_assert(v->kind == RF_UNDECIDED && v->guilty_count == 0, "%s", v->why);
    rf_game_free(again);
    rf_files_release(&f);
    end(&w);
}
