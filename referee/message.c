/* message.c - signed messages: their bytes, what they bind, and when two contradict each other.
 *
 * What this file decides: the layout of every message and the order in which one of any origin is
 * checked: size, canonical bytes, consistency, signatures.
 *
 * Invariants
 *   1. One table says of each type who sends it, in which slot, and what it carries.
 *   2. Slot, claim and envelope are each written by one function, read by its mirror, and a read
 *      counts only when writing it again gives the same bytes. */
#include "message.h"

#include "../verde/bytes.h"
#include "game.h"

static const struct {
    const char *name, *slot; /* slot NULL: none */
    uint8_t provider, auditor, referee, question, payload;
} types[RF_M_TYPES] = {
    [RF_M_WORK] = {"work", "work", 1, 0, 0, 0, 0},
    [RF_M_COMMIT] = {"commit", "commit", 1, 1, 0, 0, 0},
    [RF_M_REVEAL] = {"reveal", "outcome", 1, 1, 0, 0, 0},
    [RF_M_WITHDRAW] = {"withdraw", "outcome", 1, 0, 0, 0, 0},
    [RF_M_SEGMENT] = {"segment", "segment", 1, 1, 0, 1, 1},
    [RF_M_EXPLANATION] = {"explanation", "explanation", 1, 1, 0, 1, 1},
    [RF_M_CHALLENGE] = {"challenge", "challenge", 1, 0, 0, 1, 0},
    [RF_M_OPENING] = {"opening", NULL, 1, 1, 0, 1, 1},
    [RF_M_RECEIPT] = {"receipt", "log", 0, 0, 1, 0, 0},
    [RF_M_REFUSAL] = {"refusal", NULL, 0, 0, 1, 0, 0}};
static const char *const roles[RF_ROLES] = {"provider", "auditor", "referee"};
static const char *const refusals[RF_REFUSALS] = {
    "malformed", "signature", "context", "unknown", "early", "late", "stale", "mismatch",
    "conflict", "struck", "content", "limit", "fault"};

const char *rf_role_name(rf_role r) { return r < RF_ROLES ? roles[r] : "?"; }
const char *rf_message_type_name(rf_message_type t) { return t < RF_M_TYPES ? types[t].name : "?"; }
const char *rf_refusal_name(rf_refusal r) { return r < RF_REFUSALS ? refusals[r] : "?"; }

int rf_may_send(rf_role r, rf_message_type t)
{
    if (t >= RF_M_TYPES) return 0;
    return r == RF_PROVIDER ? types[t].provider
           : r == RF_AUDITOR ? types[t].auditor
                             : r == RF_REFEREE && types[t].referee;
}

int rf_has_slot(rf_message_type t) { return t < RF_M_TYPES && types[t].slot != NULL; }
int rf_has_question(rf_message_type t) { return t < RF_M_TYPES && types[t].question; }
int rf_has_payload(rf_message_type t) { return t < RF_M_TYPES && types[t].payload; }

/* ---- bytes ------------------------------------------------------------------------------- */

#define NAME_BYTES 16u
#define TAG_BYTES 64u
static const char SIGNED_TAG[] = "verde/1 message";

/* A text in its field, zero padded; names are shorter than every field they are put into. */
static void put_text(vd_out *o, const char *text, size_t field)
{
    size_t n = strlen(text);
    RO_ASSERT(n < field);
    vd_out_bytes(o, text, n);
    vd_out_zeros(o, field - n);
}

/* Is this field that text? */
static int is_text(const uint8_t *field, size_t size, const char *text)
{
    size_t n = strlen(text);
    RO_ASSERT(n < size);
    return memcmp(field, text, n) == 0 && vd_all_zero(field + n, size - n);
}

static void put_digest(vd_out *o, const vd_digest *d) { vd_out_bytes(o, d->b, VD_DIGEST); }

static void get_bytes(vd_in *i, void *to, size_t n)
{
    const uint8_t *p = vd_in_bytes(i, n);
    if (p) memcpy(to, p, n);
}

static void get_digest(vd_in *i, vd_digest *d) { get_bytes(i, d->b, VD_DIGEST); }

static void put_slot(vd_out *o, rf_message_type t, const rf_slot *s)
{
    put_text(o, types[t].slot ? types[t].slot : "none", NAME_BYTES);
    if (t == RF_M_SEGMENT) {
        put_digest(o, &s->root);
        vd_out_u64(o, s->segment);
    } else if (t == RF_M_EXPLANATION) {
        put_digest(o, &s->root);
        vd_out_u64(o, s->step);
        vd_out_u32(o, s->node);
        vd_out_u32(o, s->output);
        vd_out_u64(o, s->element);
        vd_out_u32(o, s->level);
        vd_out_u64(o, s->index);
    } else if (t == RF_M_CHALLENGE) {
        vd_out_u32(o, s->challenge);
        vd_out_u64(o, s->step);
        vd_out_u32(o, s->node);
        vd_out_u32(o, s->output);
    } else if (t == RF_M_RECEIPT) {
        vd_out_u64(o, s->position);
    }
}

static void get_slot(vd_in *i, rf_message_type t, rf_slot *s)
{
    (void)vd_in_bytes(i, NAME_BYTES);
    if (t == RF_M_SEGMENT) {
        get_digest(i, &s->root);
        s->segment = vd_in_u64(i);
    } else if (t == RF_M_EXPLANATION) {
        get_digest(i, &s->root);
        s->step = vd_in_u64(i);
        s->node = vd_in_u32(i);
        s->output = vd_in_u32(i);
        s->element = vd_in_u64(i);
        s->level = vd_in_u32(i);
        s->index = vd_in_u64(i);
    } else if (t == RF_M_CHALLENGE) {
        s->challenge = vd_in_u32(i);
        s->step = vd_in_u64(i);
        s->node = vd_in_u32(i);
        s->output = vd_in_u32(i);
    } else if (t == RF_M_RECEIPT) {
        s->position = vd_in_u64(i);
    }
}

static void put_segment(vd_out *o, const rf_segment *s)
{
    uint8_t body[VD_CLAIM_BODY_BYTES];
    vd_out_bytes(o, body, vd_claim_body_encode(&s->body, body));
    vd_out_bytes(o, s->backend, VD_BACKEND_BYTES);
    vd_out_bytes(o, s->signature, sizeof s->signature);
}

/* What claims of every type say. */
static void put_claim(vd_out *o, const rf_message *m)
{
    switch (m->type) {
    case RF_M_WORK: put_digest(o, &m->claim.terms); return;
    case RF_M_COMMIT: put_digest(o, &m->claim.commitment); return;
    case RF_M_REVEAL:
        put_digest(o, &m->claim.reveal.root);
        put_digest(o, &m->claim.reveal.salt);
        vd_out_bytes(o, m->claim.reveal.backend, VD_BACKEND_BYTES);
        vd_out_bytes(o, m->claim.reveal.signature, sizeof m->claim.reveal.signature);
        vd_out_bytes(o, m->claim.reveal.body, VD_TRACE_BODY_BYTES);
        return;
    case RF_M_SEGMENT: put_segment(o, &m->claim.segment); return;
    case RF_M_EXPLANATION:
        vd_out_u64(o, m->claim.parts.count);
        put_digest(o, &m->claim.parts.digest);
        return;
    case RF_M_CHALLENGE: put_digest(o, &m->claim.challenge); return;
    case RF_M_OPENING:
        vd_out_u64(o, m->claim.opening.size);
        put_digest(o, &m->claim.opening.digest);
        return;
    case RF_M_RECEIPT:
        vd_out_bytes(o, m->claim.receipt.key, sizeof m->claim.receipt.key);
        put_digest(o, &m->claim.receipt.message);
        put_digest(o, &m->claim.receipt.head);
        vd_out_u64(o, m->claim.receipt.logged_ms);
        return;
    case RF_M_REFUSAL:
        put_digest(o, &m->claim.refusal.message);
        put_text(o, rf_refusal_name(m->claim.refusal.reason), NAME_BYTES);
        put_digest(o, &m->claim.refusal.question);
        put_digest(o, &m->claim.refusal.head);
        vd_out_u64(o, m->claim.refusal.position);
        return;
    default: RO_ASSERT(m->type == RF_M_WITHDRAW); /* it says nothing more */
    }
}

/* 0: the body of a segment claim, or the reason of a refusal, is none that put_claim writes. */
static int get_claim(vd_in *i, rf_message *m)
{
    const uint8_t *p; /* never NULL: the message has its type's size */
    ro_err none = {RO_OK, {0}};
    switch (m->type) {
    case RF_M_WORK: get_digest(i, &m->claim.terms); return 1;
    case RF_M_COMMIT: get_digest(i, &m->claim.commitment); return 1;
    case RF_M_REVEAL:
        get_digest(i, &m->claim.reveal.root);
        get_digest(i, &m->claim.reveal.salt);
        get_bytes(i, m->claim.reveal.backend, VD_BACKEND_BYTES);
        get_bytes(i, m->claim.reveal.signature, sizeof m->claim.reveal.signature);
        get_bytes(i, m->claim.reveal.body, VD_TRACE_BODY_BYTES);
        return 1;
    case RF_M_SEGMENT:
        p = vd_in_bytes(i, VD_CLAIM_BODY_BYTES);
        get_bytes(i, m->claim.segment.backend, VD_BACKEND_BYTES);
        get_bytes(i, m->claim.segment.signature, sizeof m->claim.segment.signature);
        return vd_claim_body_decode(p, &m->claim.segment.body, &none) == RO_OK;
    case RF_M_EXPLANATION:
        m->claim.parts.count = vd_in_u64(i);
        get_digest(i, &m->claim.parts.digest);
        return 1;
    case RF_M_CHALLENGE: get_digest(i, &m->claim.challenge); return 1;
    case RF_M_OPENING:
        m->claim.opening.size = vd_in_u64(i);
        get_digest(i, &m->claim.opening.digest);
        return 1;
    case RF_M_RECEIPT:
        get_bytes(i, m->claim.receipt.key, sizeof m->claim.receipt.key);
        get_digest(i, &m->claim.receipt.message);
        get_digest(i, &m->claim.receipt.head);
        m->claim.receipt.logged_ms = vd_in_u64(i);
        return 1;
    case RF_M_REFUSAL:
        get_digest(i, &m->claim.refusal.message);
        p = vd_in_bytes(i, NAME_BYTES);
        while (m->claim.refusal.reason < RF_REFUSALS &&
               !is_text(p, NAME_BYTES, refusals[m->claim.refusal.reason]))
            m->claim.refusal.reason++;
        get_digest(i, &m->claim.refusal.question);
        get_digest(i, &m->claim.refusal.head);
        m->claim.refusal.position = vd_in_u64(i);
        return m->claim.refusal.reason < RF_REFUSALS;
    default: RO_ASSERT(m->type == RF_M_WITHDRAW); return 1;
    }
}

/* What names a slot, in this order. */
static void put_place(vd_out *o, const rf_message *m)
{
    put_digest(o, &m->referee);
    put_digest(o, &m->task);
    put_text(o, rf_role_name(m->role), NAME_BYTES);
    vd_out_bytes(o, m->key, sizeof m->key);
}

static void put_signed(vd_out *o, const rf_message *m)
{
    RO_ASSERT(rf_may_send(m->role, m->type));
    put_text(o, SIGNED_TAG, TAG_BYTES);
    vd_out_u32(o, RF_MESSAGE_VERSION);
    put_place(o, m);
    put_text(o, types[m->type].name, NAME_BYTES);
    put_slot(o, m->type, &m->slot);
    put_claim(o, m);
    if (types[m->type].question)
        put_digest(o, &m->question);
    else
        vd_out_zeros(o, VD_DIGEST);
    vd_out_u64(o, m->time_ms);
    vd_out_u64(o, m->request);
}

static rf_role any_sender(rf_message_type t) { return types[t].referee ? RF_REFEREE : RF_PROVIDER; }

size_t rf_message_size(rf_message_type t)
{
    rf_message m;
    vd_out o = {NULL, 0};
    memset(&m, 0, sizeof m);
    m.type = t;
    m.role = any_sender(t);
    put_signed(&o, &m);
    return o.n + sizeof m.signature;
}

size_t rf_message_encode(const rf_message *m, uint8_t *out)
{
    vd_out o = {out, 0};
    put_signed(&o, m);
    vd_out_bytes(&o, m->signature, sizeof m->signature);
    RO_ASSERT(o.n <= RF_MESSAGE_MAX);
    return o.n;
}

ro_status rf_message_sign(rf_message *m, const vd_key *k, ro_err *err)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    vd_out o = {bytes, 0};
    memcpy(m->key, vd_key_public(k), sizeof m->key);
    put_signed(&o, m);
    return vd_sign(k, bytes, o.n, m->signature, err);
}

/* ---- opening ----------------------------------------------------------------------------- */

static ro_status decode(const void *bytes, size_t n, rf_message *m, ro_err *err)
{
    uint8_t again[RF_MESSAGE_MAX];
    vd_in i = {bytes, n, 0, 0};
    const uint8_t *p = vd_in_bytes(&i, TAG_BYTES);
    uint32_t version = vd_in_u32(&i);
    if (i.bad || !is_text(p, TAG_BYTES, SIGNED_TAG))
        return RO_FAIL(err, RO_EFORMAT, "these %zu bytes do not begin as a message", n);
    if (version != RF_MESSAGE_VERSION)
        return RO_FAIL(err, RO_EFORMAT, "a message is of version %u; this program knows %u",
                       version, RF_MESSAGE_VERSION);
    get_digest(&i, &m->referee);
    get_digest(&i, &m->task);
    p = vd_in_bytes(&i, NAME_BYTES);
    get_bytes(&i, m->key, sizeof m->key);
    const uint8_t *type = vd_in_bytes(&i, NAME_BYTES);
    if (i.bad) return RO_FAIL(err, RO_EFORMAT, "a message is cut off after %zu bytes", n);
    while (m->role < RF_ROLES && !is_text(p, NAME_BYTES, roles[m->role])) m->role++;
    while (m->type < RF_M_TYPES && !is_text(type, NAME_BYTES, types[m->type].name)) m->type++;
    if (!rf_may_send(m->role, m->type))
        return RO_FAIL(err, RO_EFORMAT, "a message is of no type that its sender's role may send");
    if (n != rf_message_size(m->type))
        return RO_FAIL(err, RO_EFORMAT, "a message of type %s has %zu bytes; it must have %zu",
                       types[m->type].name, n, rf_message_size(m->type));
    get_slot(&i, m->type, &m->slot);
    int good = get_claim(&i, m);
    get_digest(&i, &m->question);
    m->time_ms = vd_in_u64(&i);
    m->request = vd_in_u64(&i);
    get_bytes(&i, m->signature, sizeof m->signature);
    RO_ASSERT(!i.bad && i.at == n); /* its size is its type's */
    if (good) (void)rf_message_encode(m, again); /* n bytes, like every message of its type */
    if (!good || memcmp(again, bytes, n) != 0)
        return RO_FAIL(err, RO_EFORMAT, "a message of type %s is not in its one encoding",
                       types[m->type].name);
    return RO_OK;
}

/* As in a trace file: 1 to 63 printable characters, then zeros. */
static int is_backend(const char b[VD_BACKEND_BYTES])
{
    size_t n = 0;
    while (n < VD_BACKEND_BYTES && b[n] >= 0x20 && b[n] < 0x7f) n++;
    return n >= 1 && n < VD_BACKEND_BYTES &&
           vd_all_zero((const uint8_t *)b + n, VD_BACKEND_BYTES - n);
}

/* The signature that stands in a trace file, and later in evidence. */
static ro_status check_root(const rf_message *m, int is_segment, const char *backend,
                            const vd_digest *root, const uint8_t signature[64], ro_err *err)
{
    uint8_t bytes[VD_SIGNED_BYTES];
    if (!is_backend(backend))
        return RO_FAIL(err, RO_EFORMAT, "a backend is not 1 to 63 printable characters");
    vd_signed_bytes(is_segment, backend, root, bytes);
    return vd_check_signature(m->key, bytes, sizeof bytes, signature, err);
}

static ro_status check_reveal(const rf_message *m, ro_err *err)
{
    const rf_reveal *r = &m->claim.reveal;
    vd_trace_body body;
    RO_TRY(vd_trace_body_decode(r->body, &body, err));
    vd_digest root = vd_trace_root(&body);
    if (!vd_digest_equal(&root, &r->root))
        return RO_FAIL(err, RO_EFORMAT, "a reveal's root is not that of its trace body");
    return check_root(m, 0, r->backend, &root, r->signature, err);
}

static ro_status check_segment(const rf_message *m, ro_err *err)
{
    const rf_segment *s = &m->claim.segment;
    vd_digest root = vd_claim_root(&s->body);
    if (!vd_digest_equal(&s->body.trace, &m->slot.root) || s->body.segment != m->slot.segment)
        return RO_FAIL(err, RO_EFORMAT, "a segment claim is not for the segment of its slot");
    if (s->body.steps < 1 || s->body.steps > VD_SEGMENT_MAX)
        return RO_FAIL(err, RO_EFORMAT, "a segment claim has %llu steps; 1 to %u are allowed",
                       (unsigned long long)s->body.steps, VD_SEGMENT_MAX);
    return check_root(m, 1, s->backend, &root, s->signature, err);
}

/* What a message of this type can be wrong about on its own. */
static ro_status check_claim(const rf_message *m, ro_err *err)
{
    const uint64_t parts = m->claim.parts.count, size = m->claim.opening.size;
    switch (m->type) {
    case RF_M_REVEAL: return check_reveal(m, err);
    case RF_M_SEGMENT: return check_segment(m, err);
    case RF_M_EXPLANATION:
        if (parts < 1 || parts > RF_PARTS_MAX)
            return RO_FAIL(err, RO_EFORMAT, "an explanation names %llu parts; 1 to %llu are "
                           "allowed", (unsigned long long)parts, (unsigned long long)RF_PARTS_MAX);
        return RO_OK;
    case RF_M_OPENING:
        if (size < 1 || size > RF_PAYLOAD_MAX)
            return RO_FAIL(err, RO_EFORMAT, "a message names %llu bytes; 1 to %llu are allowed",
                           (unsigned long long)size, (unsigned long long)RF_PAYLOAD_MAX);
        return RO_OK;
    case RF_M_REFUSAL:
        if (m->claim.refusal.reason != RF_R_STALE &&
            !vd_all_zero(m->claim.refusal.question.b, VD_DIGEST))
            return RO_FAIL(err, RO_EFORMAT, "a refusal (%s) names a question; only stale ones do",
                           rf_refusal_name(m->claim.refusal.reason));
        return RO_OK;
    default: return RO_OK;
    }
}

ro_status rf_message_decode(const void *bytes, size_t n, rf_message *m, ro_err *err)
{
    rf_message made;
    memset(&made, 0, sizeof made);
    RO_TRY(decode(bytes, n, &made, err));
    *m = made;
    return RO_OK;
}

ro_status rf_message_open(const void *bytes, size_t n, rf_message *m, ro_err *err)
{
    rf_message made;
    RO_TRY(rf_message_decode(bytes, n, &made, err));
    if (made.role == RF_REFEREE && memcmp(made.key, made.referee.b, sizeof made.key) != 0)
        return RO_FAIL(err, RO_EFORMAT, "a referee's message is not under the referee's key");
    RO_TRY(vd_check_signature(made.key, bytes, n - sizeof made.signature, made.signature, err));
    RO_TRY(check_claim(&made, err));
    *m = made;
    return RO_OK;
}

static int same_slot(rf_message_type t, const rf_slot *a, const rf_slot *b)
{
    uint8_t x[RF_MESSAGE_MAX], y[RF_MESSAGE_MAX];
    vd_out p = {x, 0}, q = {y, 0};
    put_slot(&p, t, a);
    put_slot(&q, t, b);
    return memcmp(x, y, p.n) == 0; /* the size is the type's */
}

ro_status rf_message_expect(const rf_message *m, const rf_expected *x, ro_err *err)
{
    if (!vd_digest_equal(&m->referee, &x->referee))
        return RO_FAIL(err, RO_EDIFFER, "a message is for another referee");
    if (!vd_digest_equal(&m->task, &x->task))
        return RO_FAIL(err, RO_EDIFFER, "a message is for another task");
    if (m->role != x->role)
        return RO_FAIL(err, RO_EDIFFER, "a message is of role %s where %s was expected",
                       rf_role_name(m->role), rf_role_name(x->role));
    if (m->type != x->type)
        return RO_FAIL(err, RO_EDIFFER, "a message is of type %s where %s was expected",
                       rf_message_type_name(m->type), rf_message_type_name(x->type));
    if (x->key && memcmp(m->key, x->key, sizeof m->key) != 0)
        return RO_FAIL(err, RO_EDIFFER, "a message is signed by another key");
    if (x->slot && !same_slot(m->type, &m->slot, x->slot))
        return RO_FAIL(err, RO_EDIFFER, "a message of type %s is for another slot",
                       rf_message_type_name(m->type));
    if (x->question && types[m->type].question && !vd_digest_equal(&m->question, x->question))
        return RO_FAIL(err, RO_EDIFFER, "a message answers another question");
    return RO_OK;
}

/* ---- payloads ---------------------------------------------------------------------------- */

vd_digest rf_payload_digest(const void *bytes, size_t n)
{
    vd_digest d;
    vd_tagged_hash("verde/1 payload", bytes, n, d.b);
    return d;
}

static vd_digest steps_root(const uint8_t *leaves, uint64_t count)
{
    vd_frontier f;
    vd_digest root;
    vd_frontier_init(&f, VD_TREE_STEPS);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t leaf[VD_HASH_BYTES];
        vd_leaf_hash(VD_TREE_STEPS, leaves + i * VD_STEP_LEAF_BYTES, VD_STEP_LEAF_BYTES, leaf);
        vd_frontier_append(&f, leaf);
    }
    vd_frontier_root(&f, root.b);
    return root;
}

ro_status rf_payload_check(const rf_message *m, const void *bytes, size_t n, ro_err *err)
{
    uint64_t size = m->type == RF_M_SEGMENT       ? m->claim.segment.body.steps * VD_STEP_LEAF_BYTES
                    : m->type == RF_M_EXPLANATION ? m->claim.parts.count * 8
                    : m->type == RF_M_OPENING     ? m->claim.opening.size
                                                  : 0;
    if (n != size)
        return RO_FAIL(err, RO_EDIFFER, "%zu bytes came with a message that names %llu", n,
                       (unsigned long long)size);
    if (!types[m->type].payload) return RO_OK;
    vd_digest is = m->type == RF_M_SEGMENT ? steps_root(bytes, m->claim.segment.body.steps)
                                           : rf_payload_digest(bytes, n);
    const vd_digest *want = m->type == RF_M_SEGMENT       ? &m->claim.segment.body.tree
                            : m->type == RF_M_EXPLANATION ? &m->claim.parts.digest
                                                          : &m->claim.opening.digest;
    if (!vd_digest_equal(&is, want))
        return RO_FAIL(err, RO_EDIFFER, "what came with a message is not what it names");
    return RO_OK;
}

/* ---- names ------------------------------------------------------------------------------- */

/* Where a message lies: its slot, or for types without one the question that it answers. */
static vd_digest place_digest(const rf_message *m)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    vd_out o = {bytes, 0};
    vd_digest d;
    put_place(&o, m);
    put_slot(&o, m->type, &m->slot);
    if (!types[m->type].slot && types[m->type].question) put_digest(&o, &m->question);
    vd_tagged_hash(types[m->type].slot ? "verde/1 slot" : "verde/1 no slot", bytes, o.n, d.b);
    return d;
}

vd_digest rf_slot_digest(const rf_message *m)
{
    RO_ASSERT(types[m->type].slot);
    return place_digest(m);
}

vd_digest rf_claim_digest(const rf_message *m)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    vd_out o = {bytes, 0};
    vd_digest d;
    put_text(&o, types[m->type].name, NAME_BYTES);
    put_claim(&o, m);
    vd_tagged_hash("verde/1 claim", bytes, o.n, d.b);
    return d;
}

vd_digest rf_message_id(const rf_message *m)
{
    vd_digest two[2] = {place_digest(m), rf_claim_digest(m)}, d;
    vd_tagged_hash_two("verde/1 message id", two[0].b, VD_DIGEST, two[1].b, VD_DIGEST, d.b);
    return d;
}

vd_digest rf_received_digest(const void *bytes, size_t n)
{
    vd_digest d;
    vd_tagged_hash("verde/1 received", bytes, n, d.b);
    return d;
}

vd_digest rf_asked_digest(const rf_asked *a)
{
    uint8_t bytes[256]; /* 249 are written */
    vd_out o = {bytes, 0};
    vd_digest d;
    put_digest(&o, &a->task);
    put_digest(&o, &a->root);
    vd_out_u32(&o, a->level);
    vd_out_u32(&o, a->pair);
    RO_ASSERT(a->kind[0]);
    put_text(&o, a->kind, 2 * NAME_BYTES);
    vd_out_u8(&o, a->q != NULL);
    if (a->q) {
        vd_out_u64(&o, a->q->parties);
        put_text(&o, vd_tree_kind_name(a->q->tree), NAME_BYTES);
        vd_out_u64(&o, a->q->lo);
        vd_out_u64(&o, a->q->hi);
        vd_out_u32(&o, a->q->depth);
        put_digest(&o, &a->q->of);
        put_digest(&o, &a->q->tensor);
        vd_out_u64(&o, a->q->step);
        vd_out_u32(&o, a->q->node);
        vd_out_u32(&o, a->q->output);
        vd_out_u64(&o, a->q->element);
        vd_out_u32(&o, a->q->level);
        vd_out_u64(&o, a->q->index);
    }
    vd_tagged_hash("verde/1 question", bytes, o.n, d.b);
    return d;
}

/* ---- commitments, salts, challenges, terms ----------------------------------------------- */

vd_digest rf_commitment(const vd_digest *referee, const vd_digest *task, const uint8_t key[32],
                        const vd_digest *root, const vd_digest *salt)
{
    uint8_t bytes[5 * VD_DIGEST];
    vd_out o = {bytes, 0};
    vd_digest d;
    put_digest(&o, referee);
    put_digest(&o, task);
    vd_out_bytes(&o, key, 32);
    put_digest(&o, root);
    put_digest(&o, salt);
    vd_tagged_hash("verde/1 commitment", bytes, o.n, d.b);
    return d;
}

int rf_reveal_opens(const rf_message *commit, const rf_message *reveal)
{
    if (commit->type != RF_M_COMMIT || reveal->type != RF_M_REVEAL) return 0;
    vd_digest d = rf_commitment(&reveal->referee, &reveal->task, reveal->key,
                                &reveal->claim.reveal.root, &reveal->claim.reveal.salt);
    /* The commitment hashes referee, task and key; its own header must name the same. */
    return commit->role == reveal->role && vd_digest_equal(&commit->referee, &reveal->referee) &&
           vd_digest_equal(&commit->task, &reveal->task) &&
           memcmp(commit->key, reveal->key, sizeof commit->key) == 0 &&
           vd_digest_equal(&commit->claim.commitment, &d);
}

ro_status rf_salt(const vd_key *k, const vd_digest *referee, const vd_digest *task,
                  vd_digest *salt, ro_err *err)
{
    uint8_t bytes[2 * VD_DIGEST];
    memcpy(bytes, referee->b, VD_DIGEST);
    memcpy(bytes + VD_DIGEST, task->b, VD_DIGEST);
    return vd_key_derive(k, "verde/1 salt", bytes, sizeof bytes, salt->b, err);
}

vd_digest rf_challenge_answer(const vd_digest *task, const uint8_t key[32], const void *bytes,
                              size_t n)
{
    uint8_t head[2 * VD_DIGEST];
    vd_digest d;
    memcpy(head, task->b, VD_DIGEST);
    memcpy(head + VD_DIGEST, key, 32);
    vd_tagged_hash_two("verde/1 challenge", head, sizeof head, bytes, n, d.b);
    return d;
}

vd_digest rf_terms_digest(const void *bytes, size_t n)
{
    vd_digest d;
    vd_tagged_hash("verde/1 terms", bytes, n, d.b);
    return d;
}

/* ---- equivocation ------------------------------------------------------------------------ */

int rf_equivocates(const rf_message *a, const rf_message *b)
{
    if (!types[a->type].slot || !types[b->type].slot) return 0;
    vd_digest slots[2] = {rf_slot_digest(a), rf_slot_digest(b)};
    vd_digest claims[2] = {rf_claim_digest(a), rf_claim_digest(b)};
    return vd_digest_equal(&slots[0], &slots[1]) && !vd_digest_equal(&claims[0], &claims[1]);
}

static const char EVIDENCE_MAGIC[8] = "VERDEEQV";

/* The claim with the lesser digest comes first. */
static int in_order(const rf_message *a, const rf_message *b)
{
    vd_digest x = rf_claim_digest(a), y = rf_claim_digest(b);
    return memcmp(x.b, y.b, VD_DIGEST) < 0;
}

size_t rf_equivocation_write(const rf_message *a, const rf_message *b,
                             uint8_t out[RF_EQUIVOCATION_MAX])
{
    const rf_message *order[2] = {in_order(a, b) ? a : b, in_order(a, b) ? b : a};
    vd_out o = {out, 0};
    RO_ASSERT(rf_equivocates(a, b));
    vd_out_bytes(&o, EVIDENCE_MAGIC, sizeof EVIDENCE_MAGIC);
    vd_out_u32(&o, RF_MESSAGE_VERSION);
    for (int k = 0; k < 2; k++) {
        uint8_t bytes[RF_MESSAGE_MAX];
        size_t n = rf_message_encode(order[k], bytes);
        vd_out_u32(&o, (uint32_t)n);
        vd_out_bytes(&o, bytes, n);
    }
    return o.n;
}

ro_status rf_equivocation_check(const void *bytes, size_t n, rf_message messages[2], ro_err *err)
{
    rf_message made[2];
    vd_in i = {bytes, n, 0, 0};
    const uint8_t *magic = vd_in_bytes(&i, sizeof EVIDENCE_MAGIC);
    uint32_t version = vd_in_u32(&i);
    if (i.bad || memcmp(magic, EVIDENCE_MAGIC, sizeof EVIDENCE_MAGIC) != 0)
        return RO_FAIL(err, RO_EFORMAT, "these %zu bytes are no evidence of equivocation", n);
    if (version != RF_MESSAGE_VERSION)
        return RO_FAIL(err, RO_EFORMAT, "evidence is of version %u; this program knows %u", version,
                       RF_MESSAGE_VERSION);
    for (int k = 0; k < 2; k++) {
        uint32_t size = vd_in_u32(&i);
        const uint8_t *p = vd_in_bytes(&i, size);
        if (!p) return RO_FAIL(err, RO_EFORMAT, "evidence is cut off after %zu bytes", n);
        RO_TRY(rf_message_open(p, size, &made[k], err));
    }
    if (vd_in_left(&i)) return RO_FAIL(err, RO_EFORMAT, "bytes follow the end of evidence");
    if (!rf_equivocates(&made[0], &made[1]))
        return RO_FAIL(err, RO_EDIFFER,
                       "the two messages are not two claims of one signer in one slot");
    if (!in_order(&made[0], &made[1]))
        return RO_FAIL(err, RO_EFORMAT, "the two messages are not in their order");
    messages[0] = made[0];
    messages[1] = made[1];
    return RO_OK;
}
