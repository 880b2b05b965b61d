/* conform.c - ONNX's backend tests: the cases in a folder, each run in a child, and the tolerance.
 *
 * Invariants
 *   1. What a case does to its process is its own verdict and nobody else's.
 *   2. Refused is said before anything runs: all of a case's data sets are lowered first.
 *   3. A child says what its model is before it lowers it, so of one that crashes that is known. */
#define _GNU_SOURCE
#include "conform.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "files.h"

const char *const vd_case_results[VD_CASE_RESULTS] = {"passed", "refused", "wrong"};

static int is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

/* ---- ONNX's tolerance --------------------------------------------------------------------- */

typedef struct { double relative, absolute; } tolerance;

/* As ONNX's runner has it, and as the case's own data.json says where there is one. */
static ro_status read_tolerance(ro_arena *arena, tolerance *t, ro_err *err)
{
    uint8_t *bytes;
    uint64_t size;
    *t = (tolerance){1e-3, 1e-7};
    if (!is_file("data.json")) return RO_OK;
    RO_TRY(vd_file_read("data.json", 1 << 20, arena, &bytes, &size, err));
    cJSON *o = NULL;
    RO_TRY(vd_json_parse("data.json", (const char *)bytes, size, arena, &o, err));
    const cJSON *r = cJSON_GetObjectItemCaseSensitive(o, "rtol");
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, "atol");
    int good = (!r || cJSON_IsNumber(r)) && (!a || cJSON_IsNumber(a));
    if (good && r) t->relative = r->valuedouble;
    if (good && a) t->absolute = a->valuedouble;
    cJSON_Delete(o);
    if (good) return RO_OK;
    return RO_FAIL(err, RO_EFORMAT, "data.json has an rtol or atol that is no number");
}

/* numpy's assert_allclose for floats: a NaN meets a NaN and an infinity itself. Other elements are
 * equal, where numpy would let whole numbers over 1,000 differ. */
static int is_near(const tolerance *t, const ro_type *type, const void *got, const void *want,
                   uint64_t *first)
{
    uint64_t n = ro_type_elements(type);
    double a, b;
    for (*first = 0; *first < n; ++*first) {
        uint64_t i = *first;
        uint64_t x = ro_element(type->dtype, got, i), y = ro_element(type->dtype, want, i);
        if (!ro_dtype_is_float(type->dtype)) {
            if (x != y) return 0;
            continue;
        }
        a = ro_float_of_bits(type->dtype, x);
        b = ro_float_of_bits(type->dtype, y);
        double apart = a > b ? a - b : b - a, size_of_b = b < 0 ? -b : b;
        int finite = b - b == 0;
        if (a == b || (a != a && b != b)) continue;
        if (!finite || !(apart <= t->absolute + t->relative * size_of_b)) return 0;
    }
    return 1;
}

/* ---- one case, in its child --------------------------------------------------------------- */

#define SETS_MAX 64u

typedef struct { vd_case_result result; char why[256]; } verdict;

static void decide(verdict *v, vd_case_result result, const char *why)
{
    v->result = result;
    snprintf(v->why, sizeof v->why, "%s", why);
}

typedef struct {
    cli_job j;
    tolerance near;
    ro_tensor *got;
    vd_onnx_input *want;
    uint32_t wanted;
} data_set;

/* Suites from before numpy had a bfloat16 keep such bits as uint16, the dtype that ONNX stores them
 * in: read as inputs. What they expect as an output is cut off where ONNX rounds, so that the dtype
 * must be the model's. */
static ro_status check_dtype(const vd_onnx_value *v, int is_input, uint32_t k, ro_type *t,
                             ro_err *err)
{
    if (!v->type || !v->type->dtype || v->type->dtype == (uint32_t)t->dtype) return RO_OK;
    if (vd_small_held(v->type->dtype) == t->dtype) return RO_OK;
    if (is_input && v->type->dtype == RO_BF16 && t->dtype == RO_U16) t->dtype = RO_BF16;
    if (is_input) return RO_OK; /* what else is wrong with it, lowering says */
    return RO_FAIL(err, RO_ETYPE, "output %u is %s in the case; the model gives %s", k,
                   ro_dtypes[t->dtype].name, vd_onnx_dtype_name(v->type->dtype));
}

/* input_0.pb, input_1.pb, ... are the graph's inputs in order, and outputs likewise. */
static ro_status read_set(const char *folder, const vd_onnx *m, data_set *s, ro_err *err)
{
    const vd_onnx_graph *g = &m->graphs[0];
    char path[80];
    vd_onnx_input *in = ro_arena_alloc(s->j.arena, (g->input_count + 1) * sizeof *in);
    s->want = ro_arena_alloc(s->j.arena, (g->output_count + 1) * sizeof *s->want);
    uint32_t n = 0;
    if (!in || !s->want) return RO_FAIL(err, RO_ENOMEM, "no memory for a case");
    for (; n < g->input_count; n++) {
        const vd_onnx_value *v = &g->inputs[n];
        snprintf(path, sizeof path, "%.40s/input_%u.pb", folder, n);
        if (!is_file(path)) break;
        in[n].name = ro_arena_string(s->j.arena, v->name.p, v->name.n);
        if (!in[n].name) return RO_FAIL(err, RO_ENOMEM, "no memory for a case");
        RO_TRY(cli_value_load(path, v->type, s->j.arena, &in[n], err));
        RO_TRY(check_dtype(v, 1, n, &in[n].tensor.type, err));
    }
    for (s->wanted = 0; s->wanted < g->output_count; s->wanted++) {
        const vd_onnx_value *v = &g->outputs[s->wanted];
        snprintf(path, sizeof path, "%.40s/output_%u.pb", folder, s->wanted);
        if (!is_file(path)) break;
        RO_TRY(cli_value_load(path, v->type, s->j.arena, &s->want[s->wanted], err));
        RO_TRY(check_dtype(v, 0, s->wanted, &s->want[s->wanted].tensor.type, err));
    }
    if (s->wanted != g->output_count || !s->wanted)
        return RO_FAIL(err, RO_EFORMAT, "%.40s expects %u outputs of a model that has %u",
                       folder, s->wanted, g->output_count);
    RO_TRY(vd_onnx_lower(m, in, n, VD_RECORD_FULL, 0, s->j.arena, &s->j.onnx, err));
    s->j.job = s->j.onnx.job;
    s->j.constants = s->j.onnx.constants;
    s->got = ro_arena_alloc(s->j.arena, (s->j.onnx.output_count + (size_t)1) * sizeof *s->got);
    return s->got ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory for a case");
}

/* One tensor of output k, which is the expected one or is wrong. */
static int check_tensor(const data_set *s, uint32_t k, const ro_tensor *got, const ro_tensor *want,
                        verdict *v)
{
    char why[256], a[96], b[96];
    uint64_t at = 0;
    if (!ro_type_equal(&got->type, &want->type))
        snprintf(why, sizeof why, "output %u is %s; %s is expected", k,
                 ro_type_text(&got->type, a, sizeof a), ro_type_text(&want->type, b, sizeof b));
    else if (!is_near(&s->near, &got->type, got->data, want->data, &at))
        snprintf(why, sizeof why, "output %u differs at element %llu of %llu", k,
                 (unsigned long long)at, (unsigned long long)ro_type_elements(&got->type));
    else return 1;
    decide(v, VD_CASE_WRONG, why);
    return 0;
}

static void check_set(data_set *s, verdict *v)
{
    vd_exec_options e;
    vd_digest outputs;
    ro_err err = {RO_OK, {0}};
    char why[256];
    memset(&e, 0, sizeof e);
    e.backend = ro_cpu();
    e.constants = s->j.constants;
    if (cli_model_run(&s->j, &e, s->got, &outputs, &err)) {
        decide(v, VD_CASE_WRONG, err.msg);
        return;
    }
    for (uint32_t k = 0; k < s->wanted; k++) {
        const uint32_t first = s->j.onnx.given[k].first, count = s->j.onnx.given[k].count;
        const vd_onnx_input *w = &s->want[k];
        const uint32_t members = w->form == VD_ONNX_ONE ? 1 : w->count;
        if (w->form != s->j.onnx.given[k].form || members != count) {
            snprintf(why, sizeof why, "output %u has %u members; %u are expected", k, count,
                     members);
            decide(v, VD_CASE_WRONG, why);
            return;
        }
        for (uint32_t i = 0; i < count; i++)
            if (!check_tensor(s, k, &s->got[first + i],
                              w->form == VD_ONNX_ONE ? &w->tensor : &w->members[i], v))
                return;
    }
}

static void check_sets(const vd_onnx *m, verdict *v)
{
    data_set *s = ro_alloc_zero(SETS_MAX * sizeof *s);
    ro_err err = {RO_OK, {0}};
    char path[40];
    uint32_t n = 0;
    ro_status st = s ? ro_float_mode(&err) : RO_FAIL(&err, RO_ENOMEM, "no memory for a case");
    for (; !st; n++) {
        struct stat there;
        snprintf(path, sizeof path, "test_data_set_%u", n);
        if (stat(path, &there)) break;
        if (n == SETS_MAX) {
            st = RO_FAIL(&err, RO_ELIMIT, "the case has over %u sets of data", SETS_MAX);
            break;
        }
        s[n].j.arena = ro_arena_new();
        if (!s[n].j.arena) st = RO_FAIL(&err, RO_ENOMEM, "no memory for a case");
        if (!st) st = read_tolerance(s[n].j.arena, &s[n].near, &err);
        if (!st) st = read_set(path, m, &s[n], &err);
    }
    if (!st && !n) st = RO_FAIL(&err, RO_EFORMAT, "the case has no test_data_set_0");
    if (st) decide(v, st == RO_ENOMEM || st == RO_EIO ? VD_CASE_WRONG : VD_CASE_REFUSED, err.msg);
    for (uint32_t k = 0; !st && k < n && v->result == VD_CASE_PASSED; k++) check_set(&s[k], v);
}

/* ---- what a model is ---------------------------------------------------------------------- */

/* Names are told apart by their numbers: `seen` has of each whether an operator of ONNX's own was
 * called so, and `others` the nodes of other domains. */
static int is_new(const vd_onnx_node *n, uint8_t *seen, const vd_onnx_node **others,
                  uint32_t *count)
{
    if (n->function >= 0) return 0; /* its nodes are looked at */
    if (!n->domain.n) {
        int is = !seen[n->op.id];
        seen[n->op.id] = 1;
        return is;
    }
    for (uint32_t k = 0; k < *count; k++)
        if (others[k]->op.id == n->op.id && others[k]->domain.id == n->domain.id) return 0;
    others[(*count)++] = n;
    return 1;
}

static const char *operator_name(const vd_onnx_node *n, ro_arena *a)
{
    size_t domain = vd_onnx_is(&n->domain, "ai.onnx") ? 0 : n->domain.n;
    char *name = ro_arena_alloc(a, domain + n->op.n + 2);
    if (name && domain) {
        memcpy(name, n->domain.p, domain);
        name[domain++] = '.';
    }
    if (name && n->op.n) memcpy(name + domain, n->op.p, n->op.n);
    return name;
}

static ro_status find_operators(const vd_onnx *m, vd_case *c, ro_arena *a, ro_err *err)
{
    size_t nodes = 1;
    uint32_t others_count = 0, graphs = m->graph_count + m->function_count;
    for (uint32_t i = 0; i < graphs; i++)
        nodes += i < m->graph_count ? m->graphs[i].node_count
                                    : m->functions[i - m->graph_count].body.node_count;
    uint8_t *seen = ro_arena_alloc(a, m->name_count + (size_t)1);
    const vd_onnx_node **others = ro_arena_alloc(a, nodes * sizeof *others);
    c->operators = ro_arena_alloc(a, nodes * sizeof *c->operators);
    if (!seen || !others || !c->operators) return RO_FAIL(err, RO_ENOMEM, "no memory for a case");
    for (uint32_t i = 0; i < graphs; i++) {
        const vd_onnx_graph *g = i < m->graph_count ? &m->graphs[i]
                                                    : &m->functions[i - m->graph_count].body;
        for (uint32_t k = 0; k < g->node_count; k++) {
            if (!is_new(&g->nodes[k], seen, others, &others_count)) continue;
            const char *name = operator_name(&g->nodes[k], a);
            if (!name) return RO_FAIL(err, RO_ENOMEM, "no memory for a case");
            c->operators[c->operator_count++] = name;
        }
    }
    return RO_OK;
}

static void note_types(const vd_onnx_value *v, uint32_t count, uint8_t *has)
{
    for (uint32_t k = 0; k < count; k++)
        for (const vd_onnx_type *t = v[k].type; t; t = t->element)
            if (t->dtype < VD_ONNX_DTYPE_LIMIT) has[t->dtype] = 1;
}

static ro_status describe(const vd_onnx *m, vd_case *c, ro_arena *a, ro_err *err)
{
    uint8_t has[VD_ONNX_DTYPE_LIMIT] = {0};
    const vd_onnx_graph *g = &m->graphs[0];
    c->operator_count = c->dtype_count = 0;
    RO_TRY(find_operators(m, c, a, err));
    c->opset = m->opset_count ? m->opsets[0].version : 0;
    for (uint32_t k = 0; k < m->opset_count; k++)
        if (!m->opsets[k].domain.n || vd_onnx_is(&m->opsets[k].domain, "ai.onnx"))
            c->opset = m->opsets[k].version;
    note_types(g->inputs, g->input_count, has);
    note_types(g->outputs, g->output_count, has);
    for (uint32_t k = 0; k < m->tensor_count; k++) has[m->tensors[k].dtype] = 1;
    c->dtypes = ro_arena_alloc(a, VD_ONNX_DTYPE_LIMIT * sizeof *c->dtypes);
    if (!c->dtypes) return RO_FAIL(err, RO_ENOMEM, "no memory for a case");
    for (uint32_t d = 1; d < VD_ONNX_DTYPE_LIMIT; d++)
        if (has[d] && vd_onnx_dtype_name(d)) c->dtypes[c->dtype_count++] = vd_onnx_dtype_name(d);
    return RO_OK;
}

static const char *first_operator(const vd_case *c)
{
    for (uint32_t k = 0; k < c->operator_count; k++)
        if (strcmp(c->operators[k], "Constant") != 0) return c->operators[k];
    return c->operator_count ? c->operators[0] : NULL;
}

/* The case whose operator's function has been put in place here. */
static void look_at_base(const vd_case *c, ro_arena *a, const char **subject)
{
    char path[4200];
    vd_case base;
    vd_onnx *m = NULL;
    ro_err err = {RO_OK, {0}};
    const char *cut = strstr(c->name, "_expanded");
    if (!cut) return;
    snprintf(path, sizeof path, "%.*s/model.onnx", (int)(cut - c->folder), c->folder);
    memset(&base, 0, sizeof base);
    if (!is_file(path) || vd_onnx_open(path, &m, &err)) return;
    if (!describe(m, &base, a, &err)) *subject = first_operator(&base);
    vd_onnx_close(m);
}

static ro_status read_case(vd_case *c, ro_arena *a, vd_onnx **m, ro_err *err)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4000s/model.onnx", c->folder);
    RO_TRY(vd_onnx_open(path, m, err));
    RO_TRY(describe(*m, c, a, err));
    c->subject = first_operator(c);
    look_at_base(c, a, &c->subject);
    return RO_OK;
}

ro_status vd_case_read(vd_case *c, ro_arena *arena, ro_err *err)
{
    vd_onnx *m = NULL;
    ro_status st = read_case(c, arena, &m, err);
    vd_onnx_close(m);
    return st;
}

/* ---- from a child to its parent ------------------------------------------------------------ */

/* Texts that end in a byte 0, which no name has: the operator set; the subject; operators and an
 * empty one; dtypes and an empty one; the result by number; why. */
static void say(FILE *f, const char *s) { fwrite(s, 1, strlen(s) + 1, f); }

static void say_list(FILE *f, const char *const *list, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) say(f, list[k]);
    say(f, "");
}

static void say_model(FILE *f, const vd_case *c)
{
    fprintf(f, "%lld%c", (long long)c->opset, 0);
    say(f, c->subject ? c->subject : "");
    say_list(f, c->operators, c->operator_count);
    say_list(f, c->dtypes, c->dtype_count);
    fflush(f);
}

static _Noreturn void be_child(const vd_case *x, int to)
{
    verdict v = {VD_CASE_PASSED, ""};
    vd_case c = *x;
    vd_onnx *m = NULL;
    ro_err err = {RO_OK, {0}};
    FILE *f = fdopen(to, "w");
    ro_arena *a = ro_arena_new();
    (void)alarm(VD_CASE_SECONDS);
    if (!f || !a) _exit(1);
    ro_status st = read_case(&c, a, &m, &err);
    say_model(f, &c);
    if (!st && chdir(c.folder)) st = vd_fs_failed("enter the folder", c.folder, &err);
    if (st) decide(&v, st == RO_ENOMEM || st == RO_EIO ? VD_CASE_WRONG : VD_CASE_REFUSED, err.msg);
    else check_sets(m, &v);
    fprintf(f, "%d%c", (int)v.result, 0);
    say(f, v.why);
    _exit(fclose(f) != 0);
}

typedef struct { const char *at, *end; } texts;

/* The next text; NULL at the end, or where the last one is cut. */
static const char *next(texts *t)
{
    const char *p = t->at, *end = t->at < t->end ? memchr(p, 0, (size_t)(t->end - p)) : NULL;
    if (!end) return NULL;
    t->at = end + 1;
    return p;
}

static ro_status take_list(texts *t, ro_arena *arena, const char ***list, uint32_t *count,
                           ro_err *err)
{
    texts ahead = *t;
    const char *p;
    uint32_t n = 0;
    while ((p = next(&ahead)) && *p) n++;
    *list = ro_arena_alloc(arena, (n + (size_t)1) * sizeof **list);
    if (!*list) return RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    for (*count = 0; (p = next(t)) && *p; ++*count) {
        (*list)[*count] = ro_arena_string(arena, p, strlen(p));
        if (!(*list)[*count]) return RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    }
    return RO_OK;
}

static ro_status take_answer(vd_case *c, const uint8_t *bytes, size_t n, int status,
                             ro_arena *arena, ro_err *err)
{
    texts t = {(const char *)bytes, (const char *)bytes + n};
    char why[80] = "";
    const char *opset = next(&t), *subject = next(&t), *result, *said;
    c->opset = opset ? strtoll(opset, NULL, 10) : 0;
    c->subject = subject && *subject ? ro_arena_string(arena, subject, strlen(subject)) : NULL;
    RO_TRY(take_list(&t, arena, &c->operators, &c->operator_count, err));
    RO_TRY(take_list(&t, arena, &c->dtypes, &c->dtype_count, err));
    result = next(&t);
    said = next(&t);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(why, sizeof why, "it takes over %u s", VD_CASE_SECONDS);
    else if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "it ends the process: signal %d", WTERMSIG(status));
    else if (!said || WEXITSTATUS(status))
        snprintf(why, sizeof why, "it ends the process: exit %d", WEXITSTATUS(status));
    else if (*result < '0' || *result > '2')
        snprintf(why, sizeof why, "it gives no result");
    c->result = why[0] ? VD_CASE_WRONG : (vd_case_result)(*result - '0');
    if (why[0]) said = why;
    c->why = ro_arena_string(arena, said, strlen(said));
    return c->why ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
}

/* A case that is being run, and what its child has said so far. */
typedef struct { pid_t pid; int fd; uint32_t number; uint8_t *bytes; size_t count, room; } child;

static ro_status start(child *c, const vd_case *x, uint32_t number, ro_err *err)
{
    int ends[2];
    fflush(stdout);
    if (pipe(ends)) return RO_FAIL(err, RO_EIO, "no pipe: %s", strerror(errno));
    c->pid = fork();
    if (c->pid == 0) be_child(x, ends[1]);
    close(ends[1]);
    if (c->pid < 0) {
        close(ends[0]);
        return RO_FAIL(err, RO_EIO, "no child process: %s", strerror(errno));
    }
    c->fd = ends[0];
    c->number = number;
    c->count = 0;
    return RO_OK;
}

/* What has come, one piece of it. *ended: that was all. */
static ro_status hear(child *c, int *ended, ro_err *err)
{
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 4096;
        uint8_t *p = ro_alloc(room);
        if (!p) return RO_FAIL(err, RO_ENOMEM, "no memory for what a case says");
        if (c->count) memcpy(p, c->bytes, c->count);
        ro_free(c->bytes);
        c->bytes = p;
        c->room = room;
    }
    ssize_t n = read(c->fd, c->bytes + c->count, c->room - c->count);
    if (n > 0) c->count += (size_t)n;
    *ended = n == 0 || (n < 0 && errno != EINTR);
    return RO_OK;
}

static int stop(child *c)
{
    int status = 0;
    close(c->fd);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {}
    c->pid = 0;
    return status;
}

/* ---- all of them -------------------------------------------------------------------------- */

#define AT_ONCE_MAX 256u

/* Wait for one of the children to say something or to end; *done: how many have ended. */
static ro_status wait_for(vd_suite *s, child *list, uint32_t n, ro_arena *arena, uint32_t *done,
                          ro_err *err)
{
    struct pollfd p[AT_ONCE_MAX];
    for (uint32_t k = 0; k < n; k++)
        p[k] = (struct pollfd){list[k].pid ? list[k].fd : -1, POLLIN, 0};
    if (poll(p, n, -1) < 0 && errno != EINTR)
        return RO_FAIL(err, RO_EIO, "poll: %s", strerror(errno));
    for (uint32_t k = 0; k < n; k++) {
        int ended = 0;
        if (!list[k].pid || !p[k].revents) continue;
        RO_TRY(hear(&list[k], &ended, err));
        if (!ended) continue;
        vd_case *c = &s->cases[list[k].number];
        int status = stop(&list[k]);
        RO_TRY(take_answer(c, list[k].bytes, list[k].count, status, arena, err));
        s->total[c->result]++;
        ++*done;
    }
    return RO_OK;
}

ro_status vd_suite_run(vd_suite *s, uint32_t at_once, ro_arena *arena,
                       vd_suite_progress *progress, void *ctx, ro_err *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t n = at_once ? at_once : processors > 0 ? (uint32_t)processors : 1;
    uint32_t started = 0, done = 0, said = 0;
    ro_status st = RO_OK;
    n = n > AT_ONCE_MAX ? AT_ONCE_MAX : n;
    child *list = ro_arena_alloc(arena, n * sizeof *list);
    if (!list) return RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    while (!st && done < s->count) {
        for (uint32_t k = 0; !st && k < n && started < s->count; k++)
            if (!list[k].pid) {
                st = start(&list[k], &s->cases[started], started, err);
                started++;
            }
        if (!st) st = wait_for(s, list, n, arena, &done, err);
        for (; progress && said < done; said++) progress(ctx, said + 1, s->count);
    }
    for (uint32_t k = 0; k < n; k++) {
        if (list[k].pid > 0) {
            kill(list[k].pid, SIGKILL);
            (void)stop(&list[k]);
        }
        ro_free(list[k].bytes);
    }
    return st;
}

/* ---- finding them ------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const vd_case *)a)->name, ((const vd_case *)b)->name);
}

static ro_status find_cases(vd_suite *s, const char *folder, int depth, ro_arena *arena,
                            ro_err *err)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%.4000s/model.onnx", folder);
    if (is_file(path)) {
        if (s->count == VD_CASES_MAX)
            return RO_FAIL(err, RO_ELIMIT, "%.160s has over %u cases", folder, VD_CASES_MAX);
        s->cases[s->count].folder = ro_arena_string(arena, folder, strlen(folder));
        return s->cases[s->count++].folder ? RO_OK
                                           : RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    }
    DIR *d = depth < 4 ? opendir(folder) : NULL;
    if (!d && depth == 0) return vd_fs_failed("open the folder", folder, err);
    ro_status found = RO_OK;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%.3800s/%.255s", folder, e->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            found = find_cases(s, path, depth + 1, arena, err);
    }
    if (d) closedir(d);
    return found;
}

ro_status vd_suite_find(const char *folder, ro_arena *arena, vd_suite *out, ro_err *err)
{
    memset(out, 0, sizeof *out);
    out->cases = ro_arena_alloc(arena, VD_CASES_MAX * sizeof *out->cases);
    if (!out->cases) return RO_FAIL(err, RO_ENOMEM, "no memory for the cases");
    RO_TRY(find_cases(out, folder, 0, arena, err));
    if (!out->count)
        return RO_FAIL(err, RO_ENOTFOUND, "%.160s holds no case (a folder with model.onnx)",
                       folder);
    for (uint32_t k = 0; k < out->count; k++) {
        const char *name = out->cases[k].folder + strlen(folder);
        while (*name == '/') name++;
        out->cases[k].name = *name ? name : out->cases[k].folder;
    }
    qsort(out->cases, out->count, sizeof *out->cases, by_name);
    return RO_OK;
}
