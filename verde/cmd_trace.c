/* cmd_trace.c - verde inspect, verify, diff, check: the commands that read traces. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* ---- inspect ----------------------------------------------------------------------------- */

static uint64_t node_total(const vd_job *j)
{
    uint64_t n = 0;
    for (uint32_t p = 0; p < j->phase_count; p++)
        n += j->repeats * j->phases[p].steps * j->phases[p].graph->node_count;
    return n;
}

static void inspect_json(const vd_trace *t)
{
    const vd_job *j = vd_trace_job(t);
    const vd_trace_body *b = vd_trace_get_body(t);
    cJSON *o = cJSON_CreateObject();
    char record[32], print[65];
    cJSON_AddStringToObject(o, "schema", "verde-inspect/1");
    cli_json_digest(o, "root", vd_trace_get_root(t));
    cli_json_digest(o, "job_digest", &j->digest);
    cli_json_u64(o, "steps", j->steps);
    cli_json_u64(o, "nodes", node_total(j));
    if (j->record == VD_RECORD_FULL) snprintf(record, sizeof record, "full");
    else snprintf(record, sizeof record, "checkpoint:%u", j->segment);
    cJSON_AddStringToObject(o, "record", record);
    cli_json_digest(o, "first_state", &b->first_state);
    cli_json_digest(o, "last_state", &b->last_state);
    cli_json_digest(o, "outputs", &b->outputs);
    cJSON_AddStringToObject(o, "backend", vd_trace_backend(t));
    if (vd_trace_key(t)) {
        vd_fingerprint(vd_trace_key(t), print);
        cJSON_AddStringToObject(o, "signed_by", print);
    } else {
        cJSON_AddNullToObject(o, "signed_by");
    }
    cli_json(o);
}

static void digest_line(const char *what, const vd_digest *d)
{
    char hex[65];
    vd_digest_hex(d, hex);
    printf("%-12s%s\n", what, hex);
}

static void inspect_text(const vd_trace *t)
{
    const vd_job *j = vd_trace_job(t);
    const vd_trace_body *b = vd_trace_get_body(t);
    char n[32], m[32], print[65] = "nobody";
    if (vd_trace_key(t)) vd_fingerprint(vd_trace_key(t), print);
    digest_line("root", vd_trace_get_root(t));
    digest_line("job", &j->digest);
    printf("%-12s%s in %u phases, %s node records\n", "steps", cli_count(j->steps, n),
           j->phase_count, cli_count(b->node_count, m));
    if (j->record == VD_RECORD_FULL) printf("%-12sfull\n", "recording");
    else printf("%-12scheckpoint:%u\n", "recording", j->segment);
    digest_line("first state", &b->first_state);
    digest_line("last state", &b->last_state);
    digest_line("outputs", &b->outputs);
    printf("%-12s%s\n%-12s%s\n", "backend", vd_trace_backend(t), "signed by", print);
}

/* A segment claim: whose trace and which of its steps it is about. */
static void inspect_claim(const vd_trace *t, int json)
{
    const vd_claim_body *b = vd_trace_get_claim(t);
    uint64_t first, count;
    char print[65] = "nobody", n[32], m[32];
    vd_trace_steps(t, &first, &count);
    if (vd_trace_key(t)) vd_fingerprint(vd_trace_key(t), print);
    if (json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-inspect-claim/1");
        cli_json_digest(o, "root", vd_trace_get_root(t));
        cli_json_digest(o, "job_digest", &b->job);
        cli_json_digest(o, "trace_root", &b->trace);
        cli_json_u64(o, "segment", b->segment);
        cli_json_u64(o, "first_step", first);
        cli_json_u64(o, "steps", count);
        cJSON_AddStringToObject(o, "backend", vd_trace_backend(t));
        if (vd_trace_key(t)) cJSON_AddStringToObject(o, "signed_by", print);
        else cJSON_AddNullToObject(o, "signed_by");
        cli_json(o);
        return;
    }
    digest_line("claim", vd_trace_get_root(t));
    digest_line("of trace", &b->trace);
    digest_line("job", &b->job);
    printf("%-12s%s, %s steps from step %llu\n", "segment", cli_count(b->segment, n),
           cli_count(count, m), (unsigned long long)first);
    printf("%-12s%s\n%-12s%s\n", "backend", vd_trace_backend(t), "signed by", print);
}

/* Operators, types and output digests of one step. */
static ro_status inspect_step(const vd_trace *t, uint64_t step, int json, ro_err *err)
{
    const vd_job *j = vd_trace_job(t);
    if (step >= j->steps || !vd_trace_step_leaf(t, step))
        return RO_FAIL(err, RO_EUSAGE, "step %llu has no node records in this trace",
                       (unsigned long long)step);
    const ro_graph *g = j->phases[vd_job_locate(j, step).phase].graph;
    cJSON *o = json ? cJSON_CreateObject() : NULL, *list = NULL;
    if (json) {
        cJSON_AddStringToObject(o, "schema", "verde-inspect-step/1");
        cli_json_u64(o, "step", step);
        list = cJSON_AddArrayToObject(o, "nodes");
    } else {
        printf("%5s  %-28s  %-26s  %s\n", "node", "operator", "output", "digest");
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        const ro_node *n = &g->nodes[i];
        size_t size;
        const uint8_t *leaf = vd_trace_node_leaf(t, step, i, &size);
        for (uint32_t k = 0; k < n->outputs; k++) {
            vd_digest d;
            char type[96], hex[65];
            memcpy(d.b, leaf + size - (n->outputs - k) * VD_DIGEST, VD_DIGEST);
            ro_type_text(&g->values[n->first_output + k].type, type, sizeof type);
            vd_digest_hex(&d, hex);
            if (!json) {
                printf("%5u  %-28s  %-26s  %.16s\n", i, ro_ops[n->op].name, type, hex);
                continue;
            }
            cJSON *e = cJSON_CreateObject();
            cJSON_AddItemToArray(list, e);
            cli_json_u64(e, "node", i);
            cJSON_AddStringToObject(e, "operator", ro_ops[n->op].name);
            cli_json_u64(e, "output", k);
            cJSON_AddStringToObject(e, "type", type);
            cJSON_AddStringToObject(e, "digest", hex);
        }
    }
    ro_status st = vd_trace_status(t, err);
    if (json && !st) cli_json(o);
    else cJSON_Delete(o);
    return st;
}

ro_status cmd_inspect(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--json"}, {.name = "--step", .has_value = 1}, {0}};
    cli_args a = {.options = options};
    vd_trace *t = NULL;
    uint64_t step = 0;
    ro_status st = RO_OK;
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    RO_TRY(cli_number(&a, "--step", 0, VD_STEPS_MAX, &step, err));
    int json = cli_value(&a, "--json") != NULL;
    const char *ending = strrchr(a.words[0], '.');
    if (ending && strcmp(ending, ".onnx") == 0) {
        if (cli_value(&a, "--step"))
            return RO_FAIL(err, RO_EUSAGE, "--step is for traces; %.160s is a model", a.words[0]);
        return cli_inspect_model(a.words[0], json, err);
    }
    RO_TRY(cli_file_open(a.words[0], &t, err));
    if (cli_value(&a, "--step")) st = inspect_step(t, step, json, err);
    else if (vd_trace_is_segment(t, NULL, NULL)) inspect_claim(t, json);
    else if (json) inspect_json(t);
    else inspect_text(t);
    vd_trace_close(t);
    return st;
}

/* ---- verify ------------------------------------------------------------------------------ */

/* A step drawn at random: from the system, so that a cheat cannot foresee it. */
static ro_status draw(uint64_t n, uint64_t *out, ro_err *err)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;
    do {
        if (fd >= 0) got = read(fd, out, sizeof *out);
    } while (got == (ssize_t)sizeof *out && *out >= limit);
    if (fd >= 0) close(fd);
    if (got != (ssize_t)sizeof *out) return RO_FAIL(err, RO_EIO, "no random numbers can be had");
    *out %= n;
    return RO_OK;
}

static ro_status recheck(const cli_args *a, const vd_trace *t, uint64_t samples, ro_err *err)
{
    const vd_job *j = vd_trace_job(t);
    cli_job c;
    vd_exec_options e;
    cli_progress p;
    memset(&c, 0, sizeof c);
    memset(&e, 0, sizeof e);
    RO_TRY(cli_progress_init(&p, NULL, "verify", err));
    c.arena = ro_arena_new();
    if (!c.arena) return RO_FAIL(err, RO_ENOMEM, "no memory to verify");
    ro_status st = cli_pool(a, &c.pool, err);
    if (!st) st = cli_store(a, vd_trace_path(t), 0, &c.store, err);
    c.constants = ro_arena_alloc(c.arena, (j->constant_count + 1) * sizeof *c.constants);
    if (!st && !c.constants) st = RO_FAIL(err, RO_ENOMEM, "no memory to verify");
    if (!st) st = vd_constants_load(j, c.store, c.constants, c.arena, err);
    e.backend = ro_cpu();
    e.pool = c.pool;
    e.constants = c.constants;
    for (uint64_t k = 0; !st && k < samples; k++) {
        uint64_t step;
        st = draw(j->steps, &step, err);
        if (!st) st = vd_recheck_step(t, &e, c.store, step, err);
        vd_progress v = {k + 1, samples, 0, 0, 0, 0};
        cli_progress_step(&p, &v);
    }
    cli_progress_end(&p);
    cli_job_free(&c);
    return st;
}

ro_status cmd_verify(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {
        {.name = "--store", .has_value = 1}, {.name = "--sample", .has_value = 1},
        {.name = "--threads", .has_value = 1}, {.name = "--json"}, {0}};
    cli_args a = {.options = options};
    vd_trace *t = NULL;
    uint64_t samples = 0;
    char n[32];
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    RO_TRY(cli_number(&a, "--sample", 0, 1000000, &samples, err));
    RO_TRY(cli_file_open(a.words[0], &t, err));
    ro_status st = vd_trace_verify(t, err);
    if (!st && samples && vd_trace_is_segment(t, NULL, NULL))
        st = RO_FAIL(err, RO_EUSAGE, "--sample re-runs steps of whole traces, not of claims");
    if (!st && samples) st = recheck(&a, t, samples, err);
    if (!st && cli_value(&a, "--json")) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-verify/1");
        cJSON_AddBoolToObject(o, "consistent", 1);
        cli_json_u64(o, "steps_rerun", samples);
        cli_json(o);
    } else if (!st) {
        printf("consistent: every leaf, tree and root follows from the records%s",
               samples ? "; " : "\n");
        if (samples)
            printf("%s random step%s re-run and equal\n", cli_count(samples, n),
                   samples == 1 ? "" : "s");
    }
    vd_trace_close(t);
    return st;
}

/* ---- diff -------------------------------------------------------------------------------- */

typedef struct {
    int differ, has_node, has_element;
    uint64_t step, element;
    uint32_t node, output;
    const char *what; /* the field that differs */
} difference;

/* The first leaf at which two stored trees differ, descending from the root; n when none does.
 * Where a stored tree contradicts itself (nothing has verified it) it may be a leaf that agrees. */
static uint64_t first_leaf(const vd_trace *a, const vd_trace *b, int tree, uint64_t n)
{
    uint32_t top = vd_tree_levels(n);
    uint64_t index = 0;
    if (n == 0 || vd_digest_equal(vd_trace_tree(a, tree, top - 1, 0),
                                  vd_trace_tree(b, tree, top - 1, 0)))
        return n;
    for (uint32_t level = top - 1; level-- > 0;) {
        index *= 2;
        if (vd_trace_tree(a, tree, level, index + 1) &&
            vd_digest_equal(vd_trace_tree(a, tree, level, index),
                            vd_trace_tree(b, tree, level, index)))
            index++;
    }
    return index;
}

/* The first differing byte of a tensor that both stores hold, piece by piece; 0: none was found. */
static int find_byte(vd_store *sa, vd_store *sb, const vd_digest *da, const vd_digest *db,
                     ro_type *type, uint64_t *found)
{
    static uint8_t a[1 << 16], b[1 << 16];
    ro_err why = {RO_OK, {0}};
    uint64_t n = 1, m = 1;
    ro_type other;
    for (uint64_t at = 0; n; at += n) {
        if (vd_store_read(sa, da, at, sizeof a, type, a, &n, &why) ||
            vd_store_read(sb, db, at, sizeof b, &other, b, &m, &why) || n != m ||
            !ro_type_equal(type, &other))
            return 0;
        for (uint64_t i = 0; i < n; i++)
            if (a[i] != b[i]) {
                *found = at + i;
                return 1;
            }
    }
    return 0;
}

/* The first differing element of a tensor that both stores hold. */
static void find_element(const cli_args *args, const vd_trace *a, const vd_trace *b,
                         const vd_digest *da, const vd_digest *db, difference *d)
{
    vd_store *sa = NULL, *sb = NULL;
    ro_type type;
    uint64_t at;
    (void)args;
    cli_option none[] = {{.name = "--store", .has_value = 1}, {0}};
    cli_args beside = {.options = none};
    if (!cli_store(&beside, vd_trace_path(a), 0, &sa, NULL) &&
        !cli_store(&beside, vd_trace_path(b), 0, &sb, NULL) &&
        find_byte(sa, sb, da, db, &type, &at)) {
        d->has_element = 1;
        d->element = at / ro_dtypes[type.dtype].size;
    }
    vd_store_close(sa);
    vd_store_close(sb);
}

static void diff_node(const cli_args *args, const vd_trace *a, const vd_trace *b, difference *d)
{
    const vd_job *j = vd_trace_job(a);
    const ro_graph *g = j->phases[vd_job_locate(j, d->step).phase].graph;
    for (uint32_t i = 0; i < g->node_count; i++) {
        size_t size;
        const uint8_t *la = vd_trace_node_leaf(a, d->step, i, &size);
        const uint8_t *lb = vd_trace_node_leaf(b, d->step, i, &size);
        if (memcmp(la, lb, size) == 0) continue;
        uint32_t outputs = g->nodes[i].outputs;
        size_t out = size - outputs * VD_DIGEST;
        d->has_node = 1;
        d->node = i;
        d->what = memcmp(la, lb, 48) ? "descriptor" : memcmp(la, lb, out) ? "inputs" : "output";
        for (uint32_t k = 0; k < outputs; k++) {
            vd_digest da, db;
            memcpy(da.b, la + out + k * VD_DIGEST, VD_DIGEST);
            memcpy(db.b, lb + out + k * VD_DIGEST, VD_DIGEST);
            if (vd_digest_equal(&da, &db)) continue;
            d->output = k;
            find_element(args, a, b, &da, &db, d);
            return;
        }
        return;
    }
}

static void find_difference(const cli_args *args, const vd_trace *a, const vd_trace *b,
                            difference *d)
{
    const vd_job *j = vd_trace_job(a);
    memset(d, 0, sizeof *d);
    if (vd_digest_equal(vd_trace_get_root(a), vd_trace_get_root(b))) return;
    d->differ = 1;
    d->what = "body";
    if (j->record == VD_RECORD_FULL) {
        d->step = first_leaf(a, b, VD_TREE_STEPS, j->steps);
        if (d->step == j->steps) return;
        d->what = "step leaf";
        diff_node(args, a, b, d);
        return;
    }
    uint64_t segments = (j->steps + j->segment - 1) / j->segment;
    uint64_t s = first_leaf(a, b, VD_TREE_SEGMENTS, segments);
    uint64_t o = first_leaf(a, b, VD_TREE_OUTPUTS, j->steps);
    d->what = o < j->steps ? "outputs" : "segment end";
    d->step = o;
    if (s < segments && (s + 1) * j->segment <= o)
        d->step = (s + 1) * j->segment - 1; /* the state at that segment's end differs first */
}

static void print_difference(const vd_trace *a, const difference *d, int json)
{
    const vd_job *j = vd_trace_job(a);
    const char *op = NULL;
    if (d->has_node)
        op = ro_ops[j->phases[vd_job_locate(j, d->step).phase].graph->nodes[d->node].op].name;
    if (json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-diff/1");
        cJSON_AddBoolToObject(o, "equal", !d->differ);
        if (d->differ) {
            cJSON_AddStringToObject(o, "what", d->what);
            cli_json_u64(o, "step", d->step);
        }
        if (d->has_node) {
            cli_json_u64(o, "node", d->node);
            cJSON_AddStringToObject(o, "operator", op);
            cli_json_u64(o, "output", d->output);
        }
        if (d->has_element) cli_json_u64(o, "element", d->element);
        cli_json(o);
        return;
    }
    if (!d->differ) {
        printf("equal: both traces have one root\n");
        return;
    }
    printf("first difference: step %llu", (unsigned long long)d->step);
    if (d->has_node) printf(", node %u (%s)", d->node, op);
    if (d->has_element) printf(", element %llu", (unsigned long long)d->element);
    printf(", %s\n", d->what);
}

ro_status cmd_diff(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--json"}, {0}};
    cli_args a = {.options = options};
    vd_trace *ta = NULL, *tb = NULL;
    difference d;
    RO_TRY(cli_parse(argc, argv, &a, 2, 2, err));
    RO_TRY(cli_trace_open(a.words[0], &ta, err));
    ro_status st = cli_trace_open(a.words[1], &tb, err);
    if (!st && !vd_digest_equal(&vd_trace_job(ta)->digest, &vd_trace_job(tb)->digest)) {
        st = RO_FAIL(err, RO_EOP, "%s and %s record different jobs", a.words[0], a.words[1]);
    }
    if (!st) {
        find_difference(&a, ta, tb, &d);
        st = vd_trace_status(ta, err);
    }
    if (!st) st = vd_trace_status(tb, err);
    if (!st) {
        print_difference(ta, &d, cli_value(&a, "--json") != NULL);
        *exit_code = d.differ;
    }
    vd_trace_close(ta);
    vd_trace_close(tb);
    return st;
}

/* ---- check ------------------------------------------------------------------------------- */

static ro_status check_tensors(const vd_trace *t, vd_store *s, const char *path, ro_arena *arena,
                               uint32_t *checked, ro_err *err)
{
    const vd_job *j = vd_trace_job(t);
    vd_named_tensor *x;
    uint32_t n;
    vd_digest *slots = ro_arena_alloc(arena, j->slot_count * sizeof *slots);
    if (!slots) return RO_FAIL(err, RO_ENOMEM, "no memory for a state");
    RO_TRY(vd_safetensors_read(path, arena, &x, &n, err));
    RO_TRY(vd_store_get_state(s, &vd_trace_get_body(t)->last_state, slots, j->slot_count, err));
    for (uint32_t k = 0; k < n; k++) {
        vd_digest d;
        uint32_t i = 0;
        while (i < j->slot_count && strcmp(j->slots[i].name, x[k].name)) i++;
        if (i == j->slot_count)
            return RO_FAIL(err, RO_EDIFFER, "%s holds %.60s, which the job has no slot for", path,
                           x[k].name);
        vd_tensor_digest_canonical(&x[k].type, x[k].bytes, NULL, d.b);
        if (!vd_digest_equal(&d, &slots[i]))
            return RO_FAIL(err, RO_EDIFFER, "%.60s in %s is not what the trace committed to",
                           x[k].name, path);
    }
    *checked = n;
    if (n == 0) return RO_FAIL(err, RO_EDIFFER, "%s holds no tensors", path);
    return RO_OK;
}

ro_status cmd_check(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {
        {.name = "--trace", .has_value = 1}, {.name = "--store", .has_value = 1},
        {.name = "--json"}, {0}};
    cli_args a = {.options = options};
    vd_trace *t = NULL;
    vd_store *s = NULL;
    uint32_t n = 0;
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 1, 1, err));
    if (!cli_value(&a, "--trace"))
        return RO_FAIL(err, RO_EUSAGE, "verde check needs --trace F, the trace to check against");
    ro_arena *arena = ro_arena_new();
    if (!arena) return RO_FAIL(err, RO_ENOMEM, "no memory to check a file");
    ro_status st = cli_trace_open(cli_value(&a, "--trace"), &t, err);
    if (!st) st = cli_store(&a, cli_value(&a, "--trace"), 0, &s, err);
    if (!st) st = check_tensors(t, s, a.words[0], arena, &n, err);
    if (!st && cli_value(&a, "--json")) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "schema", "verde-check/1");
        cJSON_AddBoolToObject(o, "committed", 1);
        cli_json_u64(o, "tensors", n);
        cli_json(o);
    } else if (!st) {
        printf("yes: all %u tensors are what the trace's last state commits to\n", n);
    }
    vd_store_close(s);
    vd_trace_close(t);
    ro_arena_free(arena);
    return st;
}
