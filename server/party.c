/* party.c - what a provider says to questions: from its trace, its store, and what it runs again.
 *
 * Invariants
 *   1. Nothing is said that the game, played again here, does not take: an answer that does not
 *      hold is silence.
 *   2. A question is answered when its digest is one of those that the game asks now: a server can
 *      ask for nothing that the game does not.                                                 */
#include <string.h>
#include <sys/stat.h>

#include "../referee/files.h"
#include "../verde/files.h"
#include "provide.h"

#define CLAIMS_MAX 64u /* segment claims kept open */

struct sv_party {
    const vd_key *key;
    sv_task_files files;
    rf_files f;
    vd_store *store;
    vd_exec_options run;
    vd_fault faults[VD_FAULTS_MAX];
    uint64_t opened; /* the step whose tensors were put into the store last, + 1 */
    uint64_t segment[CLAIMS_MAX];
};

/* ---- opening ----------------------------------------------------------------------------- */

static ro_status open_files(sv_party *p, ro_pool *pool, ro_err *err)
{
    rf_files *f = &p->f;
    vd_trace *t = NULL;
    RO_TRY(rf_files_init(f, 1, CLAIMS_MAX, 1, err));
    RO_TRY(vd_trace_open(p->files.trace, &t, err));
    f->traces[f->trace_count++] = t;
    RO_TRY(vd_store_open(p->files.store, 0, &p->store, err));
    f->stores[f->store_count++] = p->store;
    f->job = vd_trace_job(t);
    f->limits.no_seccomp = 1; /* what is run here is this party's own */
    const void **constants =
        ro_arena_alloc(f->arena, (f->job->constant_count + 1) * sizeof *constants);
    if (!constants) return RO_FAIL(err, RO_ENOMEM, "no memory for a job's constants");
    memset(constants, 0, (f->job->constant_count + 1) * sizeof *constants);
    RO_TRY(vd_constants_load(f->job, p->store, constants, f->arena, err));
    p->run.backend = ro_cpu();
    p->run.pool = pool;
    p->run.constants = constants;
    p->run.faults = p->faults;
    return RO_OK;
}

ro_status sv_party_open(const sv_provide_options *o, const vd_key *key, const sv_task_files *files,
                        ro_pool *pool, sv_party **out, ro_err *err)
{
    sv_party *p = ro_alloc_zero(sizeof *p);
    if (!p) return RO_FAIL(err, RO_ENOMEM, "no memory to answer for a trace");
    p->key = key;
    p->files = *files;
    ro_status st = open_files(p, pool, err);
    if (st) {
        sv_party_close(p);
        return st;
    }
    sv_faults_of(o, p->f.job, p->faults, &p->run.fault_count);
    *out = p;
    return RO_OK;
}

void sv_party_close(sv_party *p)
{
    if (!p) return;
    if (p->f.arena) rf_files_release(&p->f);
    ro_free(p);
}

const vd_digest *sv_party_root(const sv_party *p) { return vd_trace_get_root(p->f.traces[0]); }

void sv_party_reveal(const sv_party *p, rf_reveal *r)
{
    const vd_trace *t = p->f.traces[0];
    size_t n;
    r->root = *vd_trace_get_root(t);
    memcpy(r->backend, vd_trace_backend(t), VD_BACKEND_BYTES);
    memcpy(r->signature, vd_trace_signature(t), sizeof r->signature);
    memcpy(r->body, vd_trace_body_bytes(t, &n), sizeof r->body);
}

/* ---- what is run again ------------------------------------------------------------------- */

/* The claim of a segment, made where it is not there yet: its number among the open claims. */
static ro_status need_claim(sv_party *p, uint64_t segment, uint32_t *which, ro_err *err)
{
    char path[SV_FOLDER_MAX + 64];
    rf_files *f = &p->f;
    struct stat s;
    vd_digest root;
    for (*which = 0; *which < f->claim_count; ++*which)
        if (p->segment[*which] == segment) return RO_OK;
    if (f->claim_count == CLAIMS_MAX) { /* the oldest is read again when it is asked for */
        vd_trace_close(f->claims[0]);
        memmove(f->claims, f->claims + 1, (CLAIMS_MAX - 1) * sizeof *f->claims);
        memmove(p->segment, p->segment + 1, (CLAIMS_MAX - 1) * sizeof *p->segment);
        f->claim_count--;
    }
    snprintf(path, sizeof path, "%s/segment-%llu.trace", p->files.folder,
             (unsigned long long)segment);
    if (stat(path, &s) != 0)
        RO_TRY(vd_replay(f->traces[0], &p->run, p->store, segment, path, p->key, &root, err));
    RO_TRY(vd_trace_open_like(path, f->traces[0], &f->claims[f->claim_count], err));
    p->segment[f->claim_count] = segment;
    *which = f->claim_count++;
    return RO_OK;
}

/* All tensors of a step, in the store. */
static ro_status need_step(sv_party *p, uint64_t step, ro_err *err)
{
    uint64_t replayed;
    if (p->opened == step + 1) return RO_OK;
    RO_TRY(vd_open_step(p->f.traces[0], &p->run, p->store, step, &replayed, err));
    p->opened = step + 1;
    return RO_OK;
}

/* ---- attention --------------------------------------------------------------------------- */

ro_status sv_party_attention(sv_party *p, const vd_digest *task, uint64_t step, uint32_t node,
                             uint32_t output, vd_digest *answer, ro_err *err)
{
    const vd_job *j = p->f.job;
    const vd_trace *t = p->f.traces[0];
    uint32_t claim;
    size_t size;
    ro_type type;
    vd_node_leaf leaf;
    uint8_t *bytes;
    if (step >= j->steps ||
        node >= j->phases[vd_job_locate(j, step).phase].graph->node_count)
        return RO_FAIL(err, RO_EFORMAT, "a challenge is about a node that the job does not have");
    if (j->record == VD_RECORD_CHECKPOINT) {
        RO_TRY(need_claim(p, step / j->segment, &claim, err));
        t = p->f.claims[claim];
    }
    const uint8_t *record = vd_trace_node_leaf(t, step, node, &size);
    if (!record) return RO_FAIL(err, RO_EIO, "the trace has lost the record of a node");
    RO_TRY(vd_node_leaf_decode(record, size, &leaf, err));
    if (output >= leaf.outputs)
        return RO_FAIL(err, RO_EFORMAT, "a challenge is about an output that the node has not");
    vd_digest d = leaf.out[output];
    RO_TRY(need_step(p, step, err));
    RO_TRY(vd_store_copy(p->store, &d, UINT64_MAX, &type, &bytes, err));
    *answer = rf_challenge_answer(task, vd_key_public(p->key), bytes, ro_type_bytes(&type));
    ro_free(bytes);
    return RO_OK;
}

/* ---- questions of a pair ----------------------------------------------------------------- */

typedef struct { uint8_t *bytes; size_t size; int failed; } listener;

static void hear(void *ctx, const char *from, const void *bytes, size_t n, int accepted)
{
    listener *l = ctx;
    (void)from;
    if (!accepted || l->bytes) return;
    l->bytes = ro_alloc(n + 1);
    l->failed = !l->bytes;
    l->size = n;
    if (l->bytes) memcpy(l->bytes, bytes, n);
}

/* Which of the open questions has this digest; NULL: none. */
static const rf_question *find_asked(const sv_pair_question *q, const rf_question *open,
                                     uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        rf_asked a = {q->task, q->claim, q->level, q->pair, rf_question_name(open[k].kind),
                      &open[k]};
        vd_digest d = rf_asked_digest(&a);
        if (vd_digest_equal(&d, &q->asked)) return &open[k];
    }
    return NULL;
}

typedef struct {
    sv_party *p;
    const sv_pair_question *q;
    rf_party parties[2];
    const void *openings;
    size_t n;
} playing;

/* Play the game again and take the first answer that it accepts. *asked: what was asked; its kind
 * is a host's own where nothing of this digest is open. */
static ro_status play(const playing *y, rf_question *asked, listener *l, ro_err *err)
{
    rf_game *g = NULL;
    rf_question open[RF_OPEN_MAX];
    uint32_t count;
    rf_files *f = &y->p->f;
    asked->kind = RF_Q_RERUN;
    RO_TRY(rf_files_pair(f, &y->q->task, y->parties, y->openings, y->n, &g, open, &count, err));
    const rf_question *found = find_asked(y->q, open, count);
    ro_status st = RO_OK;
    if (found) {
        *asked = *found;
        f->heard = hear;
        f->heard_ctx = l;
        if (found->kind != RF_Q_SEGMENTS) st = rf_files_answer(f, g, asked, err);
        f->heard = NULL;
    }
    rf_game_free(g);
    if (!st && l->failed) st = RO_FAIL(err, RO_ENOMEM, "no memory for an answer");
    if (!st && f->stopped) st = RO_FAIL(err, RO_EDEVICE, "%s", f->stop_why);
    f->stopped = 0;
    return st;
}

/* Whether running the step again can bring an answer that was not found. */
static int needs_run(const rf_question *q)
{
    return q->kind == RF_Q_HEADER || q->kind == RF_Q_OPERANDS || q->kind == RF_Q_PARTS ||
           q->kind == RF_Q_EXPLANATIONS || q->kind == RF_Q_STATE ||
           ((q->kind == RF_Q_HASHES || q->kind == RF_Q_LEAF) && q->tree == VD_TREE_CHUNKS);
}

static ro_status say_segment(sv_party *p, uint64_t segment, sv_saying *s, ro_err *err)
{
    uint32_t which;
    uint64_t first, count;
    rf_message *m = &s->draft;
    RO_TRY(need_claim(p, segment, &which, err));
    const vd_trace *t = p->f.claims[which];
    vd_trace_steps(t, &first, &count);
    s->size = count * VD_STEP_LEAF_BYTES;
    s->payload = ro_alloc(s->size + 1);
    if (!s->payload) return RO_FAIL(err, RO_ENOMEM, "no memory for a segment claim");
    for (uint64_t k = 0; k < count; k++) {
        const uint8_t *leaf = vd_trace_step_leaf(t, first + k);
        if (!leaf) return RO_FAIL(err, RO_EIO, "a segment claim has lost a step");
        memcpy(s->payload + k * VD_STEP_LEAF_BYTES, leaf, VD_STEP_LEAF_BYTES);
    }
    m->type = RF_M_SEGMENT;
    m->slot.root = *sv_party_root(p);
    m->slot.segment = segment;
    m->claim.segment.body = *vd_trace_get_claim(t);
    memcpy(m->claim.segment.backend, vd_trace_backend(t), VD_BACKEND_BYTES);
    memcpy(m->claim.segment.signature, vd_trace_signature(t), sizeof m->claim.segment.signature);
    return vd_trace_status(t, err);
}

static void say_answer(const sv_pair_question *q, const rf_question *asked, listener *l,
                       sv_saying *s)
{
    rf_message *m = &s->draft;
    s->payload = l->bytes;
    s->size = l->size;
    l->bytes = NULL;
    if (asked->kind == RF_Q_EXPLANATIONS) {
        m->type = RF_M_EXPLANATION;
        m->slot.root = q->claim;
        m->slot.step = asked->step;
        m->slot.node = asked->node;
        m->slot.output = asked->output;
        m->slot.element = asked->element;
        m->slot.level = asked->level;
        m->slot.index = asked->index;
        m->claim.parts.count = s->size / 8;
        m->claim.parts.digest = rf_payload_digest(s->payload, s->size);
    } else {
        m->type = RF_M_OPENING;
        m->claim.opening.size = s->size;
        m->claim.opening.digest = rf_payload_digest(s->payload, s->size);
    }
}

ro_status sv_party_answer(sv_party *p, const sv_pair_question *q,
                          const uint8_t bodies[2][VD_TRACE_BODY_BYTES], const void *openings,
                          size_t n, sv_saying *s, int *said, ro_err *err)
{
    playing y = {p, q, {{q->roots[0], {0}}, {q->roots[1], {0}}}, openings, n};
    listener l = {NULL, 0, 0};
    rf_question asked;
    for (int k = 0; k < 2; k++) memcpy(y.parties[k].body, bodies[k], VD_TRACE_BODY_BYTES);
    memset(s, 0, sizeof *s);
    *said = 0;
    RO_TRY(play(&y, &asked, &l, err));
    uint64_t step = asked.step < p->f.job->steps ? asked.step : p->f.job->steps - 1;
    if (!l.bytes && needs_run(&asked) && p->opened != step + 1) {
        if (p->f.job->record == VD_RECORD_CHECKPOINT) {
            uint32_t which;
            RO_TRY(need_claim(p, step / p->f.job->segment, &which, err));
        }
        RO_TRY(need_step(p, step, err));
        RO_TRY(play(&y, &asked, &l, err));
    }
    s->draft.question = q->asked;
    ro_status st = RO_OK;
    if (asked.kind == RF_Q_SEGMENTS) st = say_segment(p, asked.lo, s, err);
    else if (l.bytes) say_answer(q, &asked, &l, s);
    ro_free(l.bytes);
    *said = !st && s->payload != NULL;
    if (st) ro_free(s->payload);
    return st;
}
