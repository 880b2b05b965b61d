/* message_world.h - messages of every type, made up but true in themselves: what the tests and
 * the fuzz target of messages share. */
#ifndef MESSAGE_WORLD_H
#define MESSAGE_WORLD_H
#include "../referee/message.h"
#include "small_job.h"

/* Key n, from a seed that the number gives. Never freed before the process ends. */
static inline const vd_key *world_key(unsigned n)
{
    static vd_key *keys[16];
    ro_err err = {RO_OK, {0}};
    if (!keys[n % 16]) {
        vd_digest seed = made_up(1, n % 16, 0);
        must(vd_key_from_seed(seed.b, &keys[n % 16], &err), &err);
    }
    return keys[n % 16];
}

/* The referees are keys 14 and 15. */
static inline vd_digest world_referee(unsigned n)
{
    vd_digest d;
    memcpy(d.b, vd_key_public(world_key(14 + n % 2)), VD_DIGEST);
    return d;
}

static inline rf_role world_role(rf_message_type t)
{
    return rf_may_send(RF_PROVIDER, t) ? RF_PROVIDER : RF_REFEREE;
}

static inline const vd_key *world_signer(const rf_message *m, unsigned key)
{
    vd_digest second = world_referee(1);
    if (m->role != RF_REFEREE) return world_key(key);
    return world_key(vd_digest_equal(&m->referee, &second) ? 15 : 14);
}

static inline void world_vouch(const vd_key *k, int is_segment, const char *backend,
                               const vd_digest *root, uint8_t signature[64])
{
    uint8_t bytes[VD_SIGNED_BYTES];
    ro_err err = {RO_OK, {0}};
    vd_signed_bytes(is_segment, backend, root, bytes);
    must(vd_sign(k, bytes, sizeof bytes, signature, &err), &err);
}

static inline void world_reveal(rf_message *m, const vd_key *k, uint64_t variant)
{
    rf_reveal *r = &m->claim.reveal;
    ro_err err = {RO_OK, {0}};
    vd_trace_body b;
    memset(&b, 0, sizeof b);
    b.record = VD_RECORD_CHECKPOINT;
    b.segment = 4;
    b.steps = 10;
    b.job = made_up(2, 0, 0);
    b.first_state = made_up(2, 1, 0);
    b.last_state = made_up(2, 2, variant);
    b.outputs = made_up(2, 3, variant);
    b.tree = made_up(2, 4, variant);
    vd_trace_body_encode(&b, r->body);
    r->root = vd_trace_root(&b);
    must(rf_salt(k, &m->referee, &m->task, &r->salt, &err), &err);
    memcpy(r->backend, "cpu/avx2", 8);
    world_vouch(k, 0, r->backend, &r->root, r->signature);
}

#define WORLD_STEPS 4u
static inline void world_leaves(uint64_t variant, uint8_t out[WORLD_STEPS * VD_STEP_LEAF_BYTES])
{
    for (uint64_t i = 0; i < WORLD_STEPS; i++) {
        vd_step_leaf l = {0, 0, i, i, made_up(3, i, variant), made_up(4, i, variant),
                          made_up(5, i, variant)};
        vd_step_leaf_encode(&l, out + i * VD_STEP_LEAF_BYTES);
    }
}

static inline void world_segment(rf_message *m, const vd_key *k, uint64_t variant)
{
    rf_segment *s = &m->claim.segment;
    uint8_t leaves[WORLD_STEPS * VD_STEP_LEAF_BYTES], hashes[WORLD_STEPS * VD_DIGEST];
    world_leaves(variant, leaves);
    vd_leaf_hashes(VD_TREE_STEPS, leaves, VD_STEP_LEAF_BYTES, WORLD_STEPS, hashes);
    s->body.job = made_up(2, 0, 0);
    s->body.trace = m->slot.root;
    s->body.segment = m->slot.segment;
    s->body.steps = WORLD_STEPS;
    vd_tree_root(VD_TREE_STEPS, hashes, WORLD_STEPS, s->body.tree.b);
    memcpy(s->backend, "cpu/avx2", 8);
    vd_digest root = vd_claim_root(&s->body);
    world_vouch(k, 1, s->backend, &root, s->signature);
}

/* What comes with a message of this type and variant. */
static inline size_t world_payload(rf_message_type t, uint64_t variant, uint8_t out[4096])
{
    size_t n = t == RF_M_SEGMENT       ? WORLD_STEPS * VD_STEP_LEAF_BYTES
               : t == RF_M_EXPLANATION ? 64
               : t == RF_M_OPENING     ? 100
                                       : 0;
    memset(out, (int)(variant + 1), n);
    if (t == RF_M_SEGMENT) world_leaves(variant, out);
    return n;
}

/* Fill in the claim: variants differ, but for a withdrawal, which has but one. */
static inline void world_claim(rf_message *m, const vd_key *k, uint64_t variant)
{
    uint8_t payload[4096];
    size_t n = world_payload(m->type, variant, payload);
    vd_digest d = made_up(6, (uint64_t)m->type, variant);
    memset(&m->claim, 0, sizeof m->claim);
    switch (m->type) {
    case RF_M_WORK: m->claim.terms = d; break;
    case RF_M_COMMIT: m->claim.commitment = d; break;
    case RF_M_REVEAL: world_reveal(m, k, variant); break;
    case RF_M_SEGMENT: world_segment(m, k, variant); break;
    case RF_M_EXPLANATION:
        m->claim.parts.count = n / 8;
        m->claim.parts.digest = rf_payload_digest(payload, n);
        break;
    case RF_M_CHALLENGE: m->claim.challenge = d; break;
    case RF_M_OPENING:
        m->claim.opening.size = n;
        m->claim.opening.digest = rf_payload_digest(payload, n);
        break;
    case RF_M_RECEIPT:
        memcpy(m->claim.receipt.key, vd_key_public(world_key(0)), 32);
        m->claim.receipt.message = d;
        m->claim.receipt.head = made_up(7, 0, variant);
        m->claim.receipt.logged_ms = 1700000000000u + variant;
        break;
    case RF_M_REFUSAL:
        m->claim.refusal.message = d;
        m->claim.refusal.reason = (rf_refusal)(variant % RF_REFUSALS);
        if (m->claim.refusal.reason == RF_R_STALE) m->claim.refusal.question = made_up(8, 0, 0);
        m->claim.refusal.head = made_up(7, 1, variant);
        m->claim.refusal.position = variant;
        break;
    case RF_M_WITHDRAW:
    case RF_M_TYPES: break;
    }
}

/* An unsigned message of a type: of referee 0, task 0; every slot field is set. */
static inline rf_message world_draft(rf_message_type t)
{
    rf_message m;
    memset(&m, 0, sizeof m);
    m.referee = world_referee(0);
    m.task = made_up(9, 0, 0);
    m.role = world_role(t);
    m.type = t;
    m.slot.root = made_up(9, 1, 0);
    m.slot.segment = 1;
    m.slot.step = 5;
    m.slot.node = 3;
    m.slot.output = 1;
    m.slot.element = 77;
    m.slot.level = 2;
    m.slot.index = 9;
    m.slot.challenge = 6;
    m.slot.position = 12;
    m.question = made_up(9, 2, 0);
    m.time_ms = 1700000000123u;
    m.request = 4;
    return m;
}

static inline void world_sign(rf_message *m, unsigned key, uint64_t variant)
{
    const vd_key *k = world_signer(m, key);
    ro_err err = {RO_OK, {0}};
    world_claim(m, k, variant);
    must(rf_message_sign(m, k, &err), &err);
}

static inline rf_message world_message(rf_message_type t, unsigned key, uint64_t variant)
{
    rf_message m = world_draft(t);
    world_sign(&m, key, variant);
    return m;
}
#endif
