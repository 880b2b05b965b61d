/* transcript.c - every question of a dispute and every answer to it, in order, as JSON Lines.
 *
 * What this file decides: the schema verde-transcript/1 (docs/JOBS.md). A transcript is complete:
 * a game set up from a setup's line and given the accepted answers below it asks the same questions
 * and ends with the verdict below those. tests/replay_transcript.c does that.
 *
 * Invariants
 *   1. One line an answer, one for a question that nobody can answer; lines are only appended.
 *   2. It holds what the games held, as text: its memory is a small multiple of their openings' and
 *      of the job, which the first setup has. */
#include <inttypes.h>
#include <string.h>

#include "../verde/cli.h"
#include "report.h"

struct rf_transcript {
    char *text;
    size_t size, room;
    int lost; /* a line found no memory */
    const rf_files *files; /* of the game that is played */
    const rf_game *game;
    const rf_question *open;
    uint64_t questions;
    uint32_t pair, games;
    int answered;
};

/* ---- lines ------------------------------------------------------------------------------ */

static void append(rf_transcript *t, const char *text, size_t n)
{
    if (t->lost) return;
    if (t->size + n > t->room) {
        size_t room = 2 * (t->size + n);
        char *bigger = ro_alloc(room);
        if (!bigger) {
            t->lost = 1;
            return;
        }
        if (t->size) memcpy(bigger, t->text, t->size);
        ro_free(t->text);
        t->text = bigger;
        t->room = room;
    }
    memcpy(t->text + t->size, text, n);
    t->size += n;
}

static void add_line(rf_transcript *t, cJSON *o)
{
    char *text = cJSON_PrintUnformatted(o);
    if (text) {
        append(t, text, strlen(text));
        append(t, "\n", 1);
    } else t->lost = 1;
    cJSON_free(text);
    cJSON_Delete(o);
}

static void add_hex(rf_transcript *t, cJSON *o, const char *key, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = ro_alloc(2 * n + 1);
    if (!hex) {
        t->lost = 1;
        return;
    }
    for (size_t k = 0; k < n; k++) {
        hex[2 * k] = digits[bytes[k] >> 4];
        hex[2 * k + 1] = digits[bytes[k] & 15];
    }
    hex[2 * n] = 0;
    if (!cJSON_AddStringToObject(o, key, hex)) t->lost = 1;
    ro_free(hex);
}

static void add_name(cJSON *list, uint32_t trace)
{
    char name[8];
    cJSON_AddItemToArray(list, cJSON_CreateString(rf_party_name(trace, name)));
}

/* ---- the setup -------------------------------------------------------------------------- */

static void add_file(rf_transcript *t, cJSON *list, uint32_t k, const vd_trace *file, int own)
{
    char name[8];
    size_t n;
    cJSON *e = cJSON_CreateObject();
    cJSON_AddItemToArray(list, e);
    if (own < 0) cJSON_AddStringToObject(e, "party", rf_party_name(k, name));
    cJSON_AddStringToObject(e, "trace", vd_trace_path(file));
    cli_json_digest(e, "root", vd_trace_get_root(file));
    const uint8_t *body = vd_trace_body_bytes(file, &n);
    add_hex(t, e, "body", body, n);
    if (own < 0) cJSON_AddStringToObject(e, "backend", vd_trace_backend(file));
    else cJSON_AddBoolToObject(e, "own", own);
}

ro_status rf_transcript_new(rf_transcript **out, ro_err *err)
{
    *out = ro_alloc_zero(sizeof **out);
    return *out ? RO_OK : RO_FAIL(err, RO_ENOMEM, "no memory for a transcript");
}

void rf_transcript_begin(rf_transcript *t, const rf_files *f)
{
    uint64_t size;
    cJSON *o = cJSON_CreateObject();
    t->files = f;
    cJSON_AddStringToObject(o, "schema", "verde-transcript/1");
    cJSON_AddStringToObject(o, "line", "setup");
    cli_json_digest(o, "job_digest", &f->job->digest);
    cli_json_digest(o, "task", &f->job->digest);
    cJSON *list = cJSON_AddArrayToObject(o, "parties");
    for (uint32_t k = 0; k < f->party_count; k++)
        add_file(t, list, f->party[k], f->traces[f->party[k]], -1);
    list = cJSON_AddArrayToObject(o, "segments");
    for (uint32_t k = 0; k < f->filed_count; k++)
        add_file(t, list, k, f->claims[f->filed[k]], rf_files_own_claim(f, f->filed[k]));
    const uint8_t *job = vd_trace_job_bytes(f->traces[0], &size);
    if (t->games++ == 0) add_hex(t, o, "job", job, size);
    add_line(t, o);
}

void rf_transcript_free(rf_transcript *t)
{
    if (!t) return;
    ro_free(t->text);
    ro_free(t);
}

/* ---- questions and answers -------------------------------------------------------------- */

/* What an answer must be to be accepted; where that is a hash, `of` is it. */
static const char *must_be(rf_question_kind k)
{
    switch (k) {
    case RF_Q_OPERANDS: return "what the element reads, under the inputs";
    case RF_Q_PARTS: return "parts that fold to the value they explain";
    case RF_Q_OPERATOR:
    case RF_Q_RERUN:
    case RF_Q_KERNEL: return "the host's own work";
    default: return "hash";
    }
}

static void add_tensor_place(cJSON *o, const rf_question *q)
{
    cli_json_u64(o, "node", q->node);
    cli_json_u64(o, "output", q->output);
}

static void add_element_place(cJSON *o, const rf_question *q)
{
    add_tensor_place(o, q);
    cli_json_u64(o, "element", q->element);
    if (q->kind == RF_Q_KERNEL || q->level == RF_NONE) return;
    cli_json_u64(o, "level", q->level);
    cli_json_u64(o, "index", q->index);
}

static void add_place(cJSON *o, const rf_question *q)
{
    int ranged = q->kind == RF_Q_HASHES || q->kind == RF_Q_LEAF || q->kind == RF_Q_STATE ||
                 q->kind == RF_Q_OUTPUTS || q->kind == RF_Q_STEP_LEAVES || q->kind == RF_Q_RERUN;
    if (ranged) {
        cJSON_AddStringToObject(o, "tree", vd_tree_kind_name(q->tree));
        cli_json_u64(o, "lo", q->lo);
        cli_json_u64(o, "hi", q->hi);
    }
    if (q->kind == RF_Q_HASHES) cli_json_u64(o, "depth", q->depth);
    if (q->claim != RF_NONE) cli_json_u64(o, "claim", q->claim);
    /* Leaves of the trees over all steps and over all segments are counted from the first. */
    if (!ranged || q->claim != RF_NONE || q->tree == VD_TREE_NODES || q->tree == VD_TREE_CHUNKS ||
        q->tree == VD_TREE_STATE)
        cli_json_u64(o, "step", q->step);
    switch (q->kind) {
    case RF_Q_HASHES:
    case RF_Q_LEAF:
        if (q->tree == VD_TREE_CHUNKS) add_tensor_place(o, q);
        break;
    case RF_Q_HEADER: add_tensor_place(o, q); break;
    case RF_Q_OPERATOR: cli_json_u64(o, "node", q->node); break;
    case RF_Q_OPERANDS:
    case RF_Q_PARTS:
    case RF_Q_KERNEL: add_element_place(o, q); break;
    default: break;
    }
}

static void add_match(const rf_transcript *t, cJSON *o, const rf_question *q)
{
    cJSON_AddStringToObject(o, "must_be", must_be(q->kind));
    if (strcmp(must_be(q->kind), "hash") == 0) cli_json_digest(o, "of", &q->of);
    if (q->kind == RF_Q_RERUN && q->has_state) cli_json_digest(o, "from_state", &q->state);
    if (q->kind != RF_Q_OPERANDS) return;
    const rf_node *n = rf_game_subject(t->game);
    cJSON *list = cJSON_AddArrayToObject(o, "inputs");
    for (uint32_t k = 0; k < n->inputs; k++) {
        char hex[65];
        if (n->in[k].dtype == RO_NONE) continue;
        vd_digest_hex(&n->digest[k], hex);
        cJSON_AddItemToArray(list, cJSON_CreateString(hex));
    }
}

static cJSON *begin(const rf_transcript *t)
{
    const rf_question *q = t->open;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "line", "answer");
    cli_json_u64(o, "pair", t->pair);
    cli_json_u64(o, "question", t->questions);
    cJSON_AddStringToObject(o, "kind", rf_question_name(q->kind));
    cJSON *asked = cJSON_AddArrayToObject(o, "asked");
    for (uint32_t k = 0; k < t->files->party_count; k++)
        if (q->parties >> k & 1) add_name(asked, t->files->party[k]);
    add_place(o, q);
    add_match(t, o, q);
    return o;
}

void rf_transcript_ask(rf_transcript *t, const rf_game *g, const rf_question *q)
{
    t->game = g;
    t->open = q;
    t->questions++;
    t->pair = rf_game_pairs(g);
    t->answered = 0;
}

void rf_transcript_hear(void *ctx, const char *from, const void *bytes, size_t n, int accepted)
{
    rf_transcript *t = ctx;
    cJSON *o = begin(t);
    cJSON_AddStringToObject(o, "from", from ? from : "the referee");
    cJSON_AddStringToObject(o, "result", accepted ? "accepted" : "refused");
    cli_json_u64(o, "bytes", n);
    add_hex(t, o, "answer", bytes, n);
    add_line(t, o);
    t->answered |= accepted;
}

void rf_transcript_close(rf_transcript *t)
{
    if (t->answered) return;
    cJSON *o = begin(t);
    cJSON_AddStringToObject(o, "result", "absent");
    cli_json_u64(o, "bytes", 0);
    add_line(t, o);
}

/* ---- the verdict ------------------------------------------------------------------------ */

void rf_transcript_end(rf_transcript *t, const rf_verdict *v, uint32_t pairs)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "line", "verdict");
    cJSON_AddStringToObject(o, "verdict", rf_kind_name(v->kind));
    cJSON_AddStringToObject(o, "method", rf_method_name(v->method));
    if (v->has_step) cli_json_u64(o, "step", v->step);
    if (v->has_node) cli_json_u64(o, "node", v->node);
    if (v->has_element) {
        cli_json_u64(o, "output", v->output);
        cli_json_u64(o, "element", v->element);
    }
    if (v->has_value) {
        char bits[24];
        snprintf(bits, sizeof bits, "0x%" PRIx64, v->recomputed);
        cJSON_AddStringToObject(o, "recomputed", bits);
    }
    cJSON *guilty = cJSON_AddArrayToObject(o, "guilty");
    for (uint32_t k = 0; k < v->guilty_count; k++) add_name(guilty, v->guilty[k].party);
    cJSON_AddStringToObject(o, "why", v->why);
    cli_json_u64(o, "pairs", pairs);
    cli_json_u64(o, "elements_recomputed", v->elements_recomputed);
    cli_json_u64(o, "bytes_read", v->bytes_read);
    cli_json_u64(o, "questions", v->questions);
    add_line(t, o);
}

ro_status rf_transcript_write(rf_transcript *t, const char *path, ro_err *err)
{
    if (t->lost) return RO_FAIL(err, RO_ENOMEM, "no memory for the transcript");
    return rf_write_file(path, t->text, t->size, err);
}
