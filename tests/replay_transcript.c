/* replay_transcript.c - plays a transcript of verde-dispute again, from nothing but its lines.
 *
 *   replay_transcript FILE...     exit 0: each ends with the verdict it says; 1: one does not
 *
 * The game asks its questions; each must be the one of the next line, what was accepted must be
 * accepted again, what was refused refused, and the verdict must be the last line's. Only the
 * host's own work (operator, rerun, kernel) is taken as it stands: nobody committed to it.
 * What the game took is what a referee computes itself: checking answers, and the number. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "../referee/referee.h"

static const char *file;
static uint64_t line_number;

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "%s:%" PRIu64 ": %s: %s\n", file, line_number, what, detail);
    exit(1);
}

/* Processor time, in ms, spent in the game: not in files, not in JSON. */
static double spent;
static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void must(ro_status st, const ro_err *err)
{
    if (st) die("the referee fails", err->msg);
}

/* ---- reading ---------------------------------------------------------------------------- */

static const char *text_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!cJSON_IsString(v)) die("there is no text", key);
    return v->valuestring;
}

/* Whole numbers above 2^53 are strings. */
static uint64_t number_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (cJSON_IsString(v)) return strtoull(v->valuestring, NULL, 10);
    if (!cJSON_IsNumber(v)) die("there is no number", key);
    return (uint64_t)v->valuedouble;
}

static unsigned nibble(char c)
{
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f') return (unsigned)(c - 'a' + 10);
    die("no hexadecimal digit", (char[2]){c, 0});
    return 0;
}

static uint8_t *bytes_of(const cJSON *o, const char *key, size_t *n, ro_arena *a)
{
    const char *hex = text_of(o, key);
    *n = strlen(hex) / 2;
    uint8_t *bytes = ro_arena_alloc(a, *n + 1);
    if (!bytes) die("no memory", key);
    for (size_t k = 0; k < *n; k++)
        bytes[k] = (uint8_t)(nibble(hex[2 * k]) << 4 | nibble(hex[2 * k + 1]));
    return bytes;
}

static void digest_of(const cJSON *o, const char *key, vd_digest *d)
{
    ro_err err = {RO_OK, {0}};
    must(vd_digest_parse(text_of(o, key), d, &err), &err);
}

static cJSON *next_line(FILE *in)
{
    static char *line;
    static size_t room;
    line_number++;
    if (getline(&line, &room, in) < 0) die("the transcript ends", "too early");
    cJSON *o = cJSON_Parse(line);
    if (!o) die("a line is no JSON", "");
    return o;
}

/* ---- the setup -------------------------------------------------------------------------- */

static void read_claim(const cJSON *e, rf_claim *c, ro_arena *a)
{
    size_t n;
    ro_err err = {RO_OK, {0}};
    digest_of(e, "root", &c->root);
    const uint8_t *body = bytes_of(e, "body", &n, a);
    if (n != VD_CLAIM_BODY_BYTES) die("a claim's body", "is too long or too short");
    must(vd_claim_body_decode(body, &c->body, &err), &err);
    c->own = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(e, "own"));
}

/* The names of the game's parties, in its order. */
static char party_name[RF_PARTIES_MAX][16];
static uint32_t party_count;

static uint32_t party_of(const char *name)
{
    uint32_t k = 0;
    while (k < party_count && strcmp(party_name[k], name) != 0) k++;
    if (k == party_count) die("no party of this game", name);
    return k;
}

static rf_game *set_up(const cJSON *o, vd_job **job, ro_arena *a, ro_arena *jobs)
{
    rf_setup s;
    rf_game *g;
    size_t n;
    ro_err err = {RO_OK, {0}};
    static rf_party parties[RF_PARTIES_MAX];
    static rf_claim claims[RF_CLAIMS_MAX];
    const cJSON *e;
    memset(&s, 0, sizeof s);
    if (strcmp(text_of(o, "schema"), "verde-transcript/1") != 0) die("another schema", "");
    if (!*job) { /* in the first setup */
        const uint8_t *bytes = bytes_of(o, "job", &n, jobs);
        must(vd_job_decode(bytes, n, jobs, job, &err), &err);
    }
    cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(o, "parties")) {
        if (s.party_count == RF_PARTIES_MAX) die("too many", "parties");
        const uint8_t *body = bytes_of(e, "body", &n, a);
        if (n != VD_TRACE_BODY_BYTES) die("a trace's body", "is too long or too short");
        memcpy(parties[s.party_count].body, body, n);
        snprintf(party_name[s.party_count], sizeof *party_name, "%s", text_of(e, "party"));
        digest_of(e, "root", &parties[s.party_count++].root);
    }
    cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(o, "segments")) {
        if (s.claim_count == RF_CLAIMS_MAX) die("too many", "segment claims");
        read_claim(e, &claims[s.claim_count++], a);
    }
    party_count = s.party_count;
    s.job = *job;
    s.parties = parties;
    s.claims = claims;
    digest_of(o, "task", &s.task);
    must(rf_game_new(&s, &g, &err), &err);
    return g;
}

/* ---- playing ---------------------------------------------------------------------------- */

static int is_ranged(rf_question_kind k)
{
    return k == RF_Q_HASHES || k == RF_Q_LEAF || k == RF_Q_STATE || k == RF_Q_OUTPUTS ||
           k == RF_Q_STEP_LEAVES || k == RF_Q_RERUN;
}

/* Whether the line is about this question. */
static void same_question(const cJSON *o, const rf_question *q, uint32_t pair)
{
    vd_digest of;
    if (strcmp(text_of(o, "kind"), rf_question_name(q->kind)) != 0)
        die("the game asks for", rf_question_name(q->kind));
    if (number_of(o, "pair") != pair) die("another pair", text_of(o, "kind"));
    if (is_ranged(q->kind) &&
        (strcmp(text_of(o, "tree"), vd_tree_kind_name(q->tree)) != 0 ||
         number_of(o, "lo") != q->lo || number_of(o, "hi") != q->hi))
        die("the game asks for another part of", vd_tree_kind_name(q->tree));
    if (strcmp(text_of(o, "must_be"), "hash") == 0) {
        digest_of(o, "of", &of);
        if (!vd_digest_equal(&of, &q->of)) die("another hash", "of");
    }
    uint64_t asked = 0;
    const cJSON *e;
    cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(o, "asked"))
        asked |= UINT64_C(1) << party_of(e->valuestring);
    if (asked != q->parties) die("others are asked", text_of(o, "kind"));
}

/* The lines of one question: refused answers, then an accepted one or its absence. */
static void play_question(FILE *in, rf_game *g, const rf_question *q)
{
    for (;;) {
        ro_err err = {RO_OK, {0}};
        ro_arena *a = ro_arena_new();
        cJSON *o = next_line(in);
        const char *result = text_of(o, "result");
        int accepted = 0, absent = strcmp(result, "absent") == 0;
        same_question(o, q, rf_game_pairs(g));
        if (absent) rf_game_cannot(g, q, RF_NONE);
        else {
            size_t n;
            const uint8_t *bytes = bytes_of(o, "answer", &n, a);
            if (n != number_of(o, "bytes")) die("the answer has not as many bytes as", "it says");
            double start = cpu_ms();
            must(rf_game_answer(g, q, RF_NONE, bytes, n, &accepted, &err), &err);
            spent += cpu_ms() - start;
            if (accepted != (strcmp(result, "accepted") == 0)) die("the answer was", result);
        }
        cJSON_Delete(o);
        ro_arena_free(a);
        if (absent || accepted) return;
    }
}

static void same_verdict(const cJSON *o, const rf_game *g)
{
    const rf_verdict *v = rf_game_verdict(g);
    uint32_t guilty = 0;
    const cJSON *e;
    if (strcmp(text_of(o, "line"), "verdict") != 0) die("a line too many", text_of(o, "line"));
    if (strcmp(text_of(o, "verdict"), rf_kind_name(v->kind)) != 0 ||
        strcmp(text_of(o, "method"), rf_method_name(v->method)) != 0)
        die("the game ends with", rf_kind_name(v->kind));
    if (strcmp(text_of(o, "why"), v->why) != 0) die("another reason", v->why);
    if ((v->has_step && number_of(o, "step") != v->step) ||
        (v->has_node && number_of(o, "node") != v->node) ||
        (v->has_element && number_of(o, "element") != v->element) ||
        (v->has_value && strtoull(text_of(o, "recomputed"), NULL, 16) != v->recomputed))
        die("another place", "or value");
    cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(o, "guilty")) guilty++;
    for (uint32_t k = 0; k < v->guilty_count; k++) {
        const char *name = party_name[v->guilty[k].party];
        uint32_t found = 0;
        cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(o, "guilty"))
            found |= strcmp(e->valuestring, name) == 0;
        if (!found) die("not said to be guilty", name);
    }
    if (guilty != v->guilty_count) die("others are", "guilty");
    if (number_of(o, "pairs") != rf_game_pairs(g) || number_of(o, "questions") != v->questions ||
        number_of(o, "bytes_read") != v->bytes_read ||
        number_of(o, "elements_recomputed") != v->elements_recomputed)
        die("another cost", "than it says");
}

/* From its setup, which has been read, to its verdict. */
static void replay_game(FILE *in, cJSON *o, vd_job **job, ro_arena *jobs)
{
    ro_err err = {RO_OK, {0}};
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    ro_arena *a = ro_arena_new();
    rf_game *g = set_up(o, job, a, jobs);
    uint64_t first = line_number;
    cJSON_Delete(o);
    spent = 0;
    for (;;) {
        double start = cpu_ms();
        must(rf_game_next(g, open, &count, &err), &err);
        spent += cpu_ms() - start;
        if (count == 0) break;
        for (uint32_t k = 0; k < count; k++) play_question(in, g, &open[k]);
    }
    o = next_line(in);
    same_verdict(o, g);
    cJSON_Delete(o);
    printf("%s: %s, by %s, from %" PRIu64 " lines, the game took %.3f ms\n", file,
           rf_kind_name(rf_game_verdict(g)->kind), rf_method_name(rf_game_verdict(g)->method),
           line_number - first + 1, spent);
    rf_game_free(g);
    ro_arena_free(a);
}

/* One game after the other. */
static void replay(void)
{
    FILE *in = fopen(file, "r");
    ro_arena *jobs = ro_arena_new();
    vd_job *job = NULL;
    line_number = 0;
    if (!in) die("cannot be read", "");
    for (int c = ' '; c != EOF; c = fgetc(in)) {
        if (c != ' ') ungetc(c, in);
        replay_game(in, next_line(in), &job, jobs);
    }
    ro_arena_free(jobs);
    fclose(in);
}

int main(int argc, char **argv)
{
    for (int k = 1; k < argc; k++) {
        file = argv[k];
        replay();
    }
    return argc < 2 ? 2 : 0;
}
