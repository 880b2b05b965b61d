/* test_message.c - messages: bytes, contexts, keys, payloads, names, equivocation.
 *
 * Names carry the threat of docs/THREATS.md that they test. */
#include <criterion/criterion.h>

#include "../referee/game.h"
#include "../verde/bytes.h"
#include "bad_keys.h"
#include "message_world.h"

static ro_status open_it(const void *bytes, size_t n, rf_message *m)
{
    /* Its own block: a sanitizer sees a read past the end. */
    uint8_t *copy = malloc(n ? n : 1);
    ro_err err = {0};
    if (n) memcpy(copy, bytes, n);
    ro_status status = rf_message_open(copy, n, m, &err);
    cr_assert(status ? err.code == status && strlen(err.msg) > 10 : !err.msg[0]);
    free(copy);
    return status;
}

/* ---- bytes ------------------------------------------------------------------------------- */

static int same_bytes(const rf_message *a, const rf_message *b)
{
    uint8_t x[RF_MESSAGE_MAX], y[RF_MESSAGE_MAX];
    size_t n = rf_message_encode(a, x);
    return n == rf_message_encode(b, y) && memcmp(x, y, n) == 0;
}

Test(message, round_trips)
{
    size_t longest = 0;
    for (rf_message_type t = 0; t < RF_M_TYPES; t++)
        for (uint64_t v = 0; v < 20; v++) {
            uint8_t bytes[RF_MESSAGE_MAX];
            rf_message m = world_message(t, 0, v), back;
            size_t n = rf_message_encode(&m, bytes);
            cr_assert_eq(n, rf_message_size(t));
            cr_assert_eq(open_it(bytes, n, &back), RO_OK, "%s", rf_message_type_name(t));
            cr_assert(same_bytes(&m, &back));
            cr_assert(back.type == t && back.role == m.role && back.time_ms == m.time_ms &&
                      back.request == m.request);
            if (n > longest) longest = n;
        }
    cr_assert_eq(longest, 708);
}

/* Fields of other types do not reach the bytes, and come back as 0. */
Test(message, fields_of_other_types)
{
    for (rf_message_type t = 0; t < RF_M_TYPES; t++) {
        uint8_t bytes[RF_MESSAGE_MAX];
        rf_message m = world_message(t, 0, 0), back;
        size_t n = rf_message_encode(&m, bytes);
        cr_assert_eq(open_it(bytes, n, &back), RO_OK);
        cr_assert_eq(back.slot.position, t == RF_M_RECEIPT ? 12 : 0);
        cr_assert_eq(back.slot.segment, t == RF_M_SEGMENT ? 1 : 0);
        cr_assert_eq(back.slot.level, t == RF_M_EXPLANATION ? 2 : 0);
        cr_assert_eq(back.slot.challenge, t == RF_M_CHALLENGE ? 6 : 0);
        cr_assert_eq(vd_all_zero(back.question.b, VD_DIGEST), !rf_has_question(t));
    }
}

Test(message, test_T08_every_bit_flipped, .timeout = 300)
{
    for (rf_message_type t = 0; t < RF_M_TYPES; t++) {
        uint8_t bytes[RF_MESSAGE_MAX];
        rf_message m = world_message(t, 0, RF_R_STALE), back;
        size_t n = rf_message_encode(&m, bytes);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            ro_err err = {0};
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            ro_status status = rf_message_open(bytes, n, &back, &err);
            cr_assert(status == RO_EFORMAT || status == RO_ESIGNATURE, "%s, bit %zu: %d",
                      rf_message_type_name(t), bit, status);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        cr_assert_eq(open_it(bytes, n, &back), RO_OK);
    }
}

Test(message, every_truncation)
{
    for (rf_message_type t = 0; t < RF_M_TYPES; t++) {
        uint8_t bytes[RF_MESSAGE_MAX + 1] = {0};
        rf_message m = world_message(t, 0, 0), back;
        size_t n = rf_message_encode(&m, bytes);
        for (size_t k = 0; k < n; k++) cr_assert_eq(open_it(bytes, k, &back), RO_EFORMAT);
        cr_assert_eq(open_it(bytes, n + 1, &back), RO_EFORMAT);
    }
}

/* Sign bytes as they are, whatever they say: what a hostile signer can do. */
static ro_status open_signed(uint8_t *bytes, size_t n, const vd_key *k, rf_message *m)
{
    ro_err err = {0};
    must(vd_sign(k, bytes, n - 64, bytes + n - 64, &err), &err);
    return open_it(bytes, n, m);
}

#define AT_VERSION 64u
#define AT_ROLE 132u
#define AT_KEY 148u
#define AT_TYPE 180u
#define AT_SLOT 196u

/* Texts of roles, types, slots and reasons that are none, or that are padded with something; a
 * version of another time; a question where the type has none: each under a true signature. */
Test(message, test_T12_one_encoding)
{
    static const size_t texts[] = {0, AT_ROLE, AT_TYPE, AT_SLOT};
    for (rf_message_type t = 0; t < RF_M_TYPES; t++) {
        uint8_t bytes[RF_MESSAGE_MAX];
        rf_message m = world_message(t, 0, 0), back;
        const vd_key *k = world_signer(&m, 0);
        size_t n = rf_message_encode(&m, bytes);
        for (size_t i = 0; i < 4; i++)
            for (size_t b = 0; b < 16; b++) {
                bytes[texts[i] + b] ^= 1;
                cr_assert_eq(open_signed(bytes, n, k, &back), RO_EFORMAT, "%s, text %zu",
                             rf_message_type_name(t), i);
                bytes[texts[i] + b] ^= 1;
            }
        for (uint32_t v = 0; v < 4; v++) {
            vd_put_le(bytes + AT_VERSION, v, 4);
            cr_assert_eq(open_signed(bytes, n, k, &back), v == 1 ? RO_OK : RO_EFORMAT);
        }
        vd_put_le(bytes + AT_VERSION, 1, 4);
        bytes[n - 64 - 48] ^= 1; /* the question */
        cr_assert_eq(open_signed(bytes, n, k, &back), rf_has_question(t) ? RO_OK : RO_EFORMAT);
    }
}

/* Bytes inside a claim that have one encoding: a segment claim's body, a refusal's reason. */
Test(message, test_T12_one_encoding_of_claims)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    rf_message m = world_message(RF_M_SEGMENT, 0, 0), back;
    size_t n = rf_message_encode(&m, bytes), at = AT_SLOT + 16 + 40;
    for (size_t b = 0; b < 8; b++) { /* the body's version and its reserved number */
        bytes[at + b] ^= 1;
        cr_assert_eq(open_signed(bytes, n, world_key(0), &back), RO_EFORMAT);
        bytes[at + b] ^= 1;
    }
    cr_assert_eq(open_signed(bytes, n, world_key(0), &back), RO_OK);
    m = world_message(RF_M_REFUSAL, 0, 0);
    n = rf_message_encode(&m, bytes);
    at = AT_SLOT + 16 + 32;
    for (size_t b = 0; b < 16; b++) {
        bytes[at + b] ^= 1;
        cr_assert_eq(open_signed(bytes, n, world_key(14), &back), RO_EFORMAT);
        bytes[at + b] ^= 1;
    }
    for (rf_refusal r = 0; r < RF_REFUSALS; r++) {
        memset(bytes + at, 0, 16);
        memcpy(bytes + at, rf_refusal_name(r), strlen(rf_refusal_name(r)));
        cr_assert_eq(open_signed(bytes, n, world_key(14), &back), RO_OK);
        cr_assert_eq(back.claim.refusal.reason, r);
    }
}

/* Names of numbers that are none; what a receiver leaves open is not compared. */
Test(message, what_is_left_open)
{
    rf_message m = world_message(RF_M_SEGMENT, 0, 0);
    rf_expected any = {m.referee, m.task, m.role, m.type, NULL, NULL, NULL};
    cr_assert_eq(rf_message_expect(&m, &any, &(ro_err){0}), RO_OK);
    cr_assert_eq(rf_role_name(RF_ROLES)[0], '?');
    cr_assert_eq(rf_message_type_name(RF_M_TYPES)[0], '?');
    cr_assert_eq(rf_refusal_name(RF_REFUSALS)[0], '?');
    cr_assert(!rf_may_send(RF_PROVIDER, RF_M_TYPES) && !rf_may_send(RF_ROLES, RF_M_WORK));
    cr_assert(!rf_has_slot(RF_M_TYPES) && !rf_has_question(RF_M_TYPES) &&
              !rf_has_payload(RF_M_TYPES));
}

/* Every role's name in front of every type: exactly the pairs of the table are open. */
Test(message, test_T08_roles_and_types)
{
    static const char *const allowed[RF_ROLES] = {
        "work commit reveal withdraw segment explanation challenge opening",
        "commit reveal segment explanation opening", "receipt refusal"};
    for (rf_message_type t = 0; t < RF_M_TYPES; t++)
        for (rf_role r = 0; r < RF_ROLES; r++) {
            uint8_t bytes[RF_MESSAGE_MAX];
            rf_message m = world_message(t, 0, 0), back;
            /* Under the referee's key, so that the role alone decides. */
            m.role = world_role(t);
            memcpy(m.key, m.referee.b, 32);
            world_claim(&m, world_key(14), 0);
            size_t n = rf_message_encode(&m, bytes);
            memset(bytes + AT_ROLE, 0, 16);
            memcpy(bytes + AT_ROLE, rf_role_name(r), strlen(rf_role_name(r)));
            int open = strstr(allowed[r], rf_message_type_name(t)) != NULL;
            cr_assert_eq(rf_may_send(r, t), open);
            cr_assert_eq(open_signed(bytes, n, world_key(14), &back), open ? RO_OK : RO_EFORMAT,
                         "%s of %s", rf_message_type_name(t), rf_role_name(r));
        }
}

/* ---- what a message can be wrong about on its own ---------------------------------------- */

static ro_status open_changed(rf_message *m, unsigned key)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    rf_message back;
    ro_err err = {0};
    must(rf_message_sign(m, world_signer(m, key), &err), &err);
    return open_it(bytes, rf_message_encode(m, bytes), &back);
}

static void vouch_again(rf_message *m)
{
    vd_digest root = vd_claim_root(&m->claim.segment.body);
    if (m->type == RF_M_REVEAL)
        world_vouch(world_key(0), 0, m->claim.reveal.backend, &m->claim.reveal.root,
                    m->claim.reveal.signature);
    else
        world_vouch(world_key(0), 1, m->claim.segment.backend, &root, m->claim.segment.signature);
}

Test(message, reveals_that_contradict_themselves)
{
    for (size_t k = 0; k < VD_TRACE_BODY_BYTES; k++) {
        rf_message m = world_message(RF_M_REVEAL, 0, 0);
        m.claim.reveal.body[k] ^= 1;
        cr_assert_eq(open_changed(&m, 0), RO_EFORMAT, "byte %zu of the body", k);
    }
    rf_message m = world_message(RF_M_REVEAL, 0, 0);
    m.claim.reveal.root.b[0] ^= 1;
    vouch_again(&m);
    cr_assert_eq(open_changed(&m, 0), RO_EFORMAT);
    m = world_message(RF_M_REVEAL, 0, 0);
    cr_assert_eq(open_changed(&m, 1), RO_ESIGNATURE); /* another's trace under one's own key */
    m = world_message(RF_M_REVEAL, 0, 0);
    world_vouch(world_key(0), 1, m.claim.reveal.backend, &m.claim.reveal.root,
                m.claim.reveal.signature); /* signed as a segment claim */
    cr_assert_eq(open_changed(&m, 0), RO_ESIGNATURE);
}

Test(message, segments_that_contradict_themselves)
{
    static const uint64_t steps[] = {0, 1, VD_SEGMENT_MAX, VD_SEGMENT_MAX + 1, UINT64_MAX};
    for (int k = 0; k < 4; k++) {
        rf_message m = world_message(RF_M_SEGMENT, 0, 0);
        if (k == 0) m.claim.segment.body.trace.b[0] ^= 1;
        if (k == 1) m.claim.segment.body.segment++;
        if (k == 2) m.slot.root.b[31] ^= 1;
        if (k == 3) m.slot.segment--;
        vouch_again(&m);
        cr_assert_eq(open_changed(&m, 0), RO_EFORMAT);
    }
    for (size_t k = 0; k < 5; k++) {
        rf_message m = world_message(RF_M_SEGMENT, 0, 0);
        m.claim.segment.body.steps = steps[k];
        vouch_again(&m);
        cr_assert_eq(open_changed(&m, 0), k == 1 || k == 2 ? RO_OK : RO_EFORMAT);
    }
    rf_message m = world_message(RF_M_SEGMENT, 0, 0);
    m.claim.segment.body.tree.b[0] ^= 1; /* not what was signed */
    cr_assert_eq(open_changed(&m, 0), RO_ESIGNATURE);
    m = world_message(RF_M_SEGMENT, 0, 0);
    cr_assert_eq(open_changed(&m, 1), RO_ESIGNATURE);
}

Test(message, backends)
{
    static const struct { char name[VD_BACKEND_BYTES]; int good; } backends[] = {
        {"c", 1}, {"", 0}, {"a b~", 1}, {"a\x1f", 0}, {"a\x7f", 0}, {"a\0b", 0}, {"\0b", 0},
        {"123456789012345678901234567890123456789012345678901234567890123", 1}};
    for (size_t k = 0; k <= sizeof backends / sizeof *backends; k++) {
        rf_message ms[2] = {world_message(RF_M_REVEAL, 0, 0), world_message(RF_M_SEGMENT, 0, 0)};
        for (int j = 0; j < 2; j++) {
            char *b = j ? ms[j].claim.segment.backend : ms[j].claim.reveal.backend;
            int good = k < sizeof backends / sizeof *backends && backends[k].good;
            memset(b, 'x', VD_BACKEND_BYTES); /* the last one: without its zero */
            if (k < sizeof backends / sizeof *backends) memcpy(b, backends[k].name, 64);
            vouch_again(&ms[j]);
            cr_assert_eq(open_changed(&ms[j], 0), good ? RO_OK : RO_EFORMAT, "%zu", k);
        }
    }
}

Test(message, sizes_and_questions)
{
    static const struct { uint64_t parts, size; int good; } sizes[] = {
        {1, 1, 1}, {0, 0, 0}, {RF_PARTS_MAX, RF_PAYLOAD_MAX, 1},
        {RF_PARTS_MAX + 1, RF_PAYLOAD_MAX + 1, 0}, {UINT64_C(1) << 61, UINT64_MAX, 0},
        {UINT64_MAX, UINT64_C(1) << 63, 0}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        rf_message m = world_message(RF_M_EXPLANATION, 0, 0);
        m.claim.parts.count = sizes[k].parts;
        cr_assert_eq(open_changed(&m, 0), sizes[k].good ? RO_OK : RO_EFORMAT, "%zu", k);
        m = world_message(RF_M_OPENING, 0, 0);
        m.claim.opening.size = sizes[k].size;
        cr_assert_eq(open_changed(&m, 0), sizes[k].good ? RO_OK : RO_EFORMAT, "%zu", k);
    }
    for (uint64_t r = 0; r < RF_REFUSALS; r++) {
        rf_message m = world_message(RF_M_REFUSAL, 0, r);
        cr_assert_eq(m.claim.refusal.reason, (rf_refusal)r);
        m.claim.refusal.question = made_up(1, 2, 3);
        cr_assert_eq(open_changed(&m, 0), r == RF_R_STALE ? RO_OK : RO_EFORMAT);
    }
}

/* A referee is its key: a message in that role under any other is none. */
Test(message, test_T08_another_key_as_the_referee)
{
    static const rf_message_type types[] = {RF_M_RECEIPT, RF_M_REFUSAL};
    for (size_t k = 0; k < 2; k++) {
        uint8_t bytes[RF_MESSAGE_MAX];
        rf_message m = world_message(types[k], 0, 0), back;
        ro_err err = {0};
        must(rf_message_sign(&m, world_key(15), &err), &err); /* the other referee, say */
        cr_assert_eq(open_it(bytes, rf_message_encode(&m, bytes), &back), RO_EFORMAT);
    }
}

/* The same claim bytes are another claim in another type. */
Test(message, claims_of_two_types)
{
    rf_message work = world_draft(RF_M_WORK), commit = world_draft(RF_M_COMMIT);
    work.claim.terms = commit.claim.commitment = made_up(6, 0, 0);
    vd_digest a = rf_claim_digest(&work), b = rf_claim_digest(&commit);
    cr_assert(!vd_digest_equal(&a, &b));
}

/* ---- keys -------------------------------------------------------------------------------- */

static vd_digest bytes_of(const char *hex)
{
    vd_digest d;
    ro_err err = {0};
    must(vd_digest_parse(hex, &d, &err), &err);
    return d;
}

/* A signature that holds for a share of all messages under these keys, when only the equation is
 * looked at: R the base point, S = 1. 64 messages each, of every type. */
Test(message, test_T09_degenerate_keys)
{
    static const char *const beyond[] = { /* y >= p, of no small order */
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};
    for (size_t k = 0; k < SMALL_ORDER_KEYS + 2; k++)
        for (rf_message_type t = 0; t < RF_M_TYPES; t++)
            for (uint64_t r = 0; r < 64; r++) {
                uint8_t bytes[RF_MESSAGE_MAX];
                rf_message m = world_draft(t), back;
                vd_digest key = bytes_of(k < SMALL_ORDER_KEYS ? small_order_keys[k]
                                                              : beyond[k - SMALL_ORDER_KEYS]);
                world_claim(&m, world_key(0), 0);
                memcpy(m.key, key.b, 32);
                if (m.role == RF_REFEREE) m.referee = key;
                m.request = r;
                memset(m.signature, 0x66, 32);
                m.signature[0] = 0x58;
                memset(m.signature + 32, 0, 32);
                m.signature[32] = 1;
                cr_assert_eq(open_it(bytes, rf_message_encode(&m, bytes), &back), RO_ESIGNATURE);
            }
}

/* S + L is the same number mod L; of every type. */
Test(message, test_T09_large_s)
{
    vd_digest order = bytes_of("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    for (rf_message_type t = 0; t < RF_M_TYPES; t++) {
        uint8_t bytes[RF_MESSAGE_MAX];
        rf_message m = world_message(t, 0, 0), back;
        unsigned carry = 0;
        for (int i = 0; i < 32; i++) {
            carry += (unsigned)m.signature[32 + i] + order.b[i];
            m.signature[32 + i] = (uint8_t)carry;
            carry >>= 8;
        }
        cr_assert_eq(open_it(bytes, rf_message_encode(&m, bytes), &back), RO_ESIGNATURE);
    }
}

/* ---- contexts ---------------------------------------------------------------------------- */

/* One number a field, so that a context is a row of numbers. Which slot fields a type has is
 * written down here once more, from docs/PROTOCOL.md. */
enum { SLOTS = 11 };
typedef struct { unsigned referee, task, key, question, slot; rf_role role; rf_message_type type; }
    context;

static rf_slot slot_of(unsigned k)
{
    rf_slot s = world_draft(RF_M_WORK).slot;
    switch (k) {
    case 1: s.root.b[31] ^= 1; break;
    case 2: s.segment ^= UINT64_C(1) << 40; break;
    case 3: s.step ^= UINT64_C(1) << 39; break;
    case 4: s.node ^= UINT32_C(1) << 31; break;
    case 5: s.output ^= 1; break;
    case 6: s.element ^= UINT64_C(1) << 63; break;
    case 7: s.level = RF_NONE; break;
    case 8: s.index ^= UINT64_C(1) << 63; break;
    case 9: s.challenge ^= 1; break;
    case 10: s.position ^= UINT64_C(1) << 63; break;
    default: break;
    }
    return s;
}

static int has_field(rf_message_type t, unsigned k)
{
    static const char fields[RF_M_TYPES][SLOTS + 1] = {
        [RF_M_WORK] = "...........",      [RF_M_COMMIT] = "...........",
        [RF_M_REVEAL] = "...........",    [RF_M_WITHDRAW] = "...........",
        [RF_M_SEGMENT] = ".12........",   [RF_M_EXPLANATION] = ".1.345678..",
        [RF_M_CHALLENGE] = "...345...9.", [RF_M_OPENING] = "...........",
        [RF_M_RECEIPT] = "..........x",   [RF_M_REFUSAL] = "..........."};
    return fields[t][k] != '.';
}

static rf_message message_in(const context *c)
{
    rf_message m = world_draft(c->type);
    m.referee = world_referee(c->referee);
    m.task = made_up(9, 0, c->task);
    m.role = c->role;
    m.slot = slot_of(c->slot);
    m.question = made_up(9, 2, c->question);
    world_sign(&m, c->key, 0);
    return m;
}

/* Does a message that was made in one context belong into another? */
static int belongs(const context *m, const context *x)
{
    int slot = m->slot == x->slot || (!has_field(m->type, m->slot) && !has_field(m->type, x->slot));
    int key = m->role == RF_REFEREE || m->key == x->key; /* a referee has one key */
    return m->referee == x->referee && m->task == x->task && m->role == x->role &&
           m->type == x->type && key && slot &&
           (m->question == x->question || !rf_has_question(m->type));
}

/* The n-th of all contexts. */
static context nth(unsigned n)
{
    context c;
    c.referee = n % 2, n /= 2;
    c.task = n % 2, n /= 2;
    c.key = n % 2, n /= 2;
    c.question = n % 2, n /= 2;
    c.role = (rf_role)(n % RF_ROLES), n /= RF_ROLES;
    c.type = (rf_message_type)(n % RF_M_TYPES), n /= RF_M_TYPES;
    c.slot = n;
    return c;
}

/* Every message that can be made in any context, held against every context. */
Test(message, test_T08_cross_product, .timeout = 300)
{
    const unsigned all = 16 * RF_ROLES * RF_M_TYPES * SLOTS;
    uint64_t made = 0, tried = 0, taken = 0;
    for (unsigned n = 0; n < all; n++) {
        context c = nth(n);
        if (!rf_may_send(c.role, c.type) || (c.slot && !has_field(c.type, c.slot)) ||
            (c.role == RF_REFEREE && c.key) || (c.question && !rf_has_question(c.type)))
            continue;
        uint8_t bytes[RF_MESSAGE_MAX];
        rf_message made_here = message_in(&c), m;
        cr_assert_eq(open_it(bytes, rf_message_encode(&made_here, bytes), &m), RO_OK);
        made++;
        for (unsigned k = 0; k < all; k++) {
            context x = nth(k);
            rf_slot slot = slot_of(x.slot);
            vd_digest question = made_up(9, 2, x.question);
            rf_expected want = {world_referee(x.referee), made_up(9, 0, x.task), x.role, x.type,
                                NULL, &slot, &question};
            ro_err err = {0};
            if (x.role != RF_REFEREE) want.key = vd_key_public(world_key(x.key));
            ro_status status = rf_message_expect(&m, &want, &err);
            cr_assert_eq(status, belongs(&c, &x) ? RO_OK : RO_EDIFFER, "message %u, context %u", n,
                         k);
            tried++;
            taken += status == RO_OK;
        }
    }
    cr_assert(made > 300 && taken >= made && tried == made * all);
    fprintf(stderr, "%llu messages, %llu placements, %llu where they belong\n",
            (unsigned long long)made, (unsigned long long)tried, (unsigned long long)taken);
}

/* The signature of one message under the bytes of another of the same type: what a replay into
 * another context would need. */
Test(message, test_T08_grafted_signatures)
{
    for (rf_message_type t = 0; t < RF_M_TYPES; t++)
        for (unsigned field = 0; field < 7; field++) {
            uint8_t bytes[RF_MESSAGE_MAX];
            rf_message m = world_message(t, 0, 0), other = m, back;
            ro_err err = {0};
            if (field == 0) other.referee = world_referee(1);
            if (field == 1) other.task.b[0] ^= 1;
            if (field == 2) other.role = RF_AUDITOR;
            if (field == 3) other.question.b[0] ^= 1;
            if (field == 4) other.time_ms++;
            if (field == 5) other.request++;
            if (field == 6) other.slot = slot_of(t == RF_M_RECEIPT ? 10 : 3);
            int differs = field == 2   ? rf_may_send(RF_AUDITOR, t)
                          : field == 3 ? rf_has_question(t)
                          : field == 6 ? has_field(t, t == RF_M_RECEIPT ? 10 : 3)
                                       : 1;
            if (!differs) continue;
            must(rf_message_sign(&other, world_signer(&other, 0), &err), &err);
            memcpy(m.signature, other.signature, 64);
            cr_assert_eq(open_it(bytes, rf_message_encode(&m, bytes), &back), RO_ESIGNATURE,
                         "%s, field %u", rf_message_type_name(t), field);
        }
}

/* A reveal copied to the byte under another key, its commitment copied too. */
Test(message, test_T02_copied_commitment)
{
    rf_message reveal = world_message(RF_M_REVEAL, 0, 0), commit = world_draft(RF_M_COMMIT);
    const rf_reveal *r = &reveal.claim.reveal;
    ro_err err = {0};
    commit.claim.commitment = rf_commitment(&commit.referee, &commit.task,
                                            vd_key_public(world_key(0)), &r->root, &r->salt);
    must(rf_message_sign(&commit, world_key(0), &err), &err);
    cr_assert(rf_reveal_opens(&commit, &reveal));
    rf_message copied = commit, own = reveal;
    must(rf_message_sign(&copied, world_key(1), &err), &err);
    cr_assert(!rf_reveal_opens(&copied, &reveal)); /* the victim's reveal, the copier's commit */
    world_vouch(world_key(1), 0, r->backend, &r->root, own.claim.reveal.signature);
    must(rf_message_sign(&own, world_key(1), &err), &err);
    cr_assert(!rf_reveal_opens(&copied, &own));    /* and the copier's own reveal of the copy */
    cr_assert(!rf_reveal_opens(&commit, &own) && !rf_reveal_opens(&reveal, &commit));
    cr_assert(!rf_reveal_opens(&commit, &commit) && !rf_reveal_opens(&reveal, &reveal));
    for (int k = 0; k < 7; k++) {
        rf_message c = commit, v = reveal;
        if (k == 0) c.referee = v.referee = world_referee(1);
        if (k == 1) c.task.b[0] ^= 1;
        if (k == 2) v.claim.reveal.salt.b[31] ^= 1;
        if (k == 3) v.claim.reveal.root.b[0] ^= 1;
        if (k == 4) v.role = RF_AUDITOR;
        if (k == 5) c.referee = world_referee(1);
        if (k == 6) v.task.b[0] ^= 1;
        cr_assert(!rf_reveal_opens(&c, &v), "%d", k);
    }
}

/* The salt follows from the seed and nothing else, and tells nothing about another task's. */
Test(message, test_T64_salts)
{
    vd_digest seen[16];
    unsigned n = 0;
    ro_err err = {0};
    for (unsigned key = 0; key < 2; key++)
        for (unsigned referee = 0; referee < 2; referee++)
            for (unsigned task = 0; task < 4; task++) {
                vd_digest r = world_referee(referee), t = made_up(9, 0, task), again;
                vd_digest seed = made_up(1, key, 0);
                vd_key *same = NULL; /* the key of a restarted process */
                must(rf_salt(world_key(key), &r, &t, &seen[n], &err), &err);
                must(vd_key_from_seed(seed.b, &same, &err), &err);
                must(rf_salt(same, &r, &t, &again, &err), &err);
                cr_assert(vd_digest_equal(&again, &seen[n]));
                vd_key_free(same);
                for (unsigned k = 0; k < n; k++) cr_assert(!vd_digest_equal(&seen[k], &seen[n]));
                n++;
            }
}

/* Keys with a part of small order: a signature counts by the equation without the cofactor, the
 * same for everybody. By the other equation all of these would hold. Made with exact integers. */
Test(message, test_T09_mixed_order_keys)
{
    static const struct { const char *key, *r, *s; int good; } tests[] = {
        {"77ec931745ee0e632e1a6d63a01feb71a5f0d6f22e6877449f7c174ad18daa3d",
         "9c9006f72aaee3be7d986cd83df56853845e320a0a65659abae0d323b68892ce",
         "17671ad89157c60e314af80c8fc3718417296f1e1ba74bc871759512a2cedd01", 1},
        {"77ec931745ee0e632e1a6d63a01feb71a5f0d6f22e6877449f7c174ad18daa3d",
         "5c0c9c44a868c1fd977193e6668801245d542b1f38f4cad5473392afa0f7832c",
         "db70fe1919f8ddbde63946d0525f1dbff6be9a6287ebc8f72fd02cb7c0dd0403", 0},
        {"9f93a32f2787616209be22b8423430a254bf9bf26155b5a19e0d09ae56ffde2f",
         "5c0c9c44a868c1fd977193e6668801245d542b1f38f4cad5473392afa0f7832c",
         "88e0d919364f7c291b1bfde30a5d297e718900c8923ce1e068cdf7309286e806", 1},
        {"9f93a32f2787616209be22b8423430a254bf9bf26155b5a19e0d09ae56ffde2f",
         "9c9006f72aaee3be7d986cd83df56853845e320a0a65659abae0d323b68892ce",
         "2a7e7266f0bcee6799537b5026e21d4996b485ce9ccb9068c4deeac2ac471e04", 0},
        {"44af6b178a8a751092dc3160be0a24039dbe6a0c87e3ea9047d87c121fd4962f",
         "7c61a1560daa2f213db96805c77499a77d575fe3f05c751389914f48bc1042c2",
         "a55d3dae2ba1d96b5de17a707015d69f070617555f8c41e26d267866e1b0be01", 1},
        {"44af6b178a8a751092dc3160be0a24039dbe6a0c87e3ea9047d87c121fd4962f",
         "5c0c9c44a868c1fd977193e6668801245d542b1f38f4cad5473392afa0f7832c",
         "78505545cba94fec4d77728ad9070fb56c06fa7edb64be2ea8f72ae2f4c08c0e", 0}};
    for (size_t k = 0; k < sizeof tests / sizeof *tests; k++) {
        vd_digest key = bytes_of(tests[k].key), r = bytes_of(tests[k].r), s = bytes_of(tests[k].s);
        uint8_t sig[64];
        ro_err err = {0};
        memcpy(sig, r.b, 32);
        memcpy(sig + 32, s.b, 32);
        cr_assert_eq(vd_check_signature(key.b, "message", 7, sig, &err),
                     tests[k].good ? RO_OK : RO_ESIGNATURE, "%zu", k);
    }
}

/* ---- payloads ---------------------------------------------------------------------------- */

Test(message, payloads)
{
    for (rf_message_type t = 0; t < RF_M_TYPES; t++) {
        uint8_t bytes[4097] = {0};
        rf_message m = world_message(t, 0, 0);
        size_t n = world_payload(t, 0, bytes);
        cr_assert_eq(n > 0, rf_has_payload(t));
        cr_assert_eq(rf_payload_check(&m, n ? bytes : NULL, n, &(ro_err){0}), RO_OK);
        cr_assert_eq(rf_payload_check(&m, bytes, n + 1, &(ro_err){0}), RO_EDIFFER);
        if (n) cr_assert_eq(rf_payload_check(&m, bytes, n - 1, &(ro_err){0}), RO_EDIFFER);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert_eq(rf_payload_check(&m, bytes, n, &(ro_err){0}), RO_EDIFFER);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        if (!n) continue;
        world_payload(t, 1, bytes); /* another's, of the same size */
        cr_assert_eq(rf_payload_check(&m, bytes, n, &(ro_err){0}), RO_EDIFFER);
    }
}

/* An answer to an attention challenge is bound to task, key and every byte. */
Test(message, test_T68_challenge_answers)
{
    uint8_t bytes[100] = {0};
    vd_digest task = made_up(9, 0, 0), other = made_up(9, 0, 1);
    const uint8_t *key = vd_key_public(world_key(0)), *second = vd_key_public(world_key(1));
    vd_digest d = rf_challenge_answer(&task, key, bytes, 100), e;
    e = rf_challenge_answer(&other, key, bytes, 100);
    cr_assert(!vd_digest_equal(&d, &e));
    e = rf_challenge_answer(&task, second, bytes, 100);
    cr_assert(!vd_digest_equal(&d, &e));
    e = rf_challenge_answer(&task, key, bytes, 99);
    cr_assert(!vd_digest_equal(&d, &e));
    for (size_t k = 0; k < 100; k++) {
        bytes[k] = 1;
        e = rf_challenge_answer(&task, key, bytes, 100);
        cr_assert(!vd_digest_equal(&d, &e));
        bytes[k] = 0;
    }
}

/* ---- names ------------------------------------------------------------------------------- */

/* Slot, claim and message id look at exactly what they are said to: over all pairs of contexts
 * and claims, with an envelope that is always another. */
Test(message, test_T75_names, .timeout = 300)
{
    enum { MOST = 3000 };
    static rf_message ms[MOST];
    static context cs[MOST];
    static uint64_t claims[MOST];
    unsigned n = 0;
    for (unsigned k = 0; k < 16 * RF_ROLES * RF_M_TYPES * SLOTS; k++) {
        context c = nth(k);
        if (!rf_may_send(c.role, c.type) || (c.slot && !has_field(c.type, c.slot)) ||
            (c.role == RF_REFEREE && c.key) || (c.question && !rf_has_question(c.type)) || c.task)
            continue;
        for (uint64_t v = 0; v < 2 && (c.type != RF_M_WITHDRAW || v == 0); v++) {
            cr_assert(n < MOST);
            ms[n] = message_in(&c);
            ms[n].time_ms = n;
            ms[n].request = 7 * n;
            world_sign(&ms[n], c.key, v);
            cs[n] = c;
            claims[n++] = v;
        }
    }
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < n; j++) {
            const context *a = &cs[i], *b = &cs[j];
            context place = *b; /* what has a slot has the same one for every question */
            if (rf_has_slot(b->type)) place.question = a->question;
            place.type = a->type;
            int outcome = a->type == RF_M_REVEAL || a->type == RF_M_WITHDRAW;
            int one_type = a->type == b->type;
            int one_slot = one_type || (outcome && (b->type == RF_M_REVEAL ||
                                                    b->type == RF_M_WITHDRAW));
            int same_place = one_slot && belongs(a, &place);
            int same_claim = one_type && claims[i] == claims[j];
            vd_digest ids[2] = {rf_message_id(&ms[i]), rf_message_id(&ms[j])};
            cr_assert_eq(vd_digest_equal(&ids[0], &ids[1]), same_place && same_claim, "%u %u", i,
                         j);
            cr_assert_eq(rf_equivocates(&ms[i], &ms[j]),
                         rf_has_slot(a->type) && same_place && !same_claim, "%u %u", i, j);
            if (!rf_has_slot(a->type) || !rf_has_slot(b->type)) continue;
            vd_digest slots[2] = {rf_slot_digest(&ms[i]), rf_slot_digest(&ms[j])};
            cr_assert_eq(vd_digest_equal(&slots[0], &slots[1]), same_place, "%u %u", i, j);
        }
    fprintf(stderr, "%u messages, all pairs\n", n);
}

/* A question's hash looks at every field but those that are the host's own. */
Test(message, questions)
{
    rf_question q;
    rf_asked a = {made_up(9, 0, 0), made_up(9, 1, 0), 1, 2, "hashes", &q};
    vd_digest seen[32];
    unsigned n = 0;
    memset(&q, 0, sizeof q);
    for (int field = 0; field < 21; field++) {
        rf_question was = q;
        rf_asked then = a;
        switch (field) {
        case 1: a.task.b[0] ^= 1; break;
        case 2: a.root.b[0] ^= 1; break;
        case 3: a.level++; break;
        case 4: a.pair++; break;
        case 5: a.kind = "leaf"; break;
        case 6: a.q = NULL; break;
        case 7: q.tree = VD_TREE_STEPS; break;
        case 8: q.lo++; break;
        case 9: q.hi++; break;
        case 10: q.depth++; break;
        case 11: q.of.b[0] ^= 1; break;
        case 12: q.tensor.b[0] ^= 1; break;
        case 13: q.step++; break;
        case 14: q.node++; break;
        case 15: q.output++; break;
        case 16: q.element++; break;
        case 17: q.level++; break;
        case 18: q.index++; break;
        case 19: a.kind = "hashes "; break;
        case 20: q.parties = 3; break;
        default: break;
        }
        seen[n] = rf_asked_digest(&a);
        for (unsigned k = 0; k < n; k++) cr_assert(!vd_digest_equal(&seen[k], &seen[n]), "%d", n);
        n++;
        q = was;
        a = then;
    }
    vd_digest first = rf_asked_digest(&a);
    cr_assert(vd_digest_equal(&first, &seen[0]));
    q.claim = 4; /* how the host counts claims */
    q.has_state = 1;
    first = rf_asked_digest(&a);
    cr_assert(vd_digest_equal(&first, &seen[0]));
}

/* ---- equivocation ------------------------------------------------------------------------ */

/* Any two differing claims in one slot are evidence, in either order, to the same bytes; the same
 * claim in any number of envelopes never is. */
Test(message, test_T01_equivocation, .timeout = 300)
{
    enum { CLAIMS = 4, ENVELOPES = 3 };
    unsigned found = 0;
    for (rf_message_type t = 0; t < RF_M_TYPES; t++) {
        rf_message ms[CLAIMS * ENVELOPES];
        if (t == RF_M_WITHDRAW) continue; /* has one claim */
        for (unsigned k = 0; k < CLAIMS * ENVELOPES; k++) {
            ms[k] = world_draft(t);
            ms[k].time_ms += k % ENVELOPES;
            ms[k].request += k;
            /* An opening answers its question: another question is another answer. */
            if (rf_has_slot(t)) ms[k].question = made_up(9, 3, k % ENVELOPES);
            world_sign(&ms[k], 0, k / ENVELOPES);
        }
        for (unsigned i = 0; i < CLAIMS * ENVELOPES; i++)
            for (unsigned j = 0; j < CLAIMS * ENVELOPES; j++) {
                uint8_t one[RF_EQUIVOCATION_MAX], two[RF_EQUIVOCATION_MAX];
                int differ = i / ENVELOPES != j / ENVELOPES && rf_has_slot(t);
                rf_message back[2];
                ro_err err = {0};
                cr_assert_eq(rf_equivocates(&ms[i], &ms[j]), differ);
                if (!differ) continue;
                size_t n = rf_equivocation_write(&ms[i], &ms[j], one);
                cr_assert_eq(n, rf_equivocation_write(&ms[j], &ms[i], two));
                cr_assert_eq(memcmp(one, two, n), 0);
                must(rf_equivocation_check(one, n, back, &err), &err);
                int swapped = !same_bytes(&back[0], &ms[i]);
                cr_assert(same_bytes(&back[swapped], &ms[i]) &&
                          same_bytes(&back[!swapped], &ms[j]));
                found++;
            }
    }
    cr_assert_eq(found, 7 * 12 * 9);
}

Test(message, test_T01_reveal_and_withdrawal)
{
    rf_message reveal = world_message(RF_M_REVEAL, 0, 0);
    rf_message withdraw = world_message(RF_M_WITHDRAW, 0, 0), again = withdraw, back[2];
    uint8_t bytes[RF_EQUIVOCATION_MAX];
    ro_err err = {0};
    cr_assert(rf_equivocates(&reveal, &withdraw) && rf_equivocates(&withdraw, &reveal));
    must(rf_equivocation_check(bytes, rf_equivocation_write(&reveal, &withdraw, bytes), back,
                               &err), &err);
    again.time_ms++;
    must(rf_message_sign(&again, world_key(0), &err), &err);
    cr_assert(!rf_equivocates(&withdraw, &again));
}

static ro_status check_pair(const rf_message *a, const rf_message *b)
{
    uint8_t bytes[RF_EQUIVOCATION_MAX];
    rf_message back[2];
    vd_out o = {bytes, 0};
    vd_out_bytes(&o, "VERDEEQV", 8);
    vd_out_u32(&o, 1);
    for (int k = 0; k < 2; k++) {
        vd_out_u32(&o, (uint32_t)rf_message_size((k ? b : a)->type));
        o.n += rf_message_encode(k ? b : a, bytes + o.n);
    }
    return rf_equivocation_check(bytes, o.n, back, &(ro_err){0});
}

/* Evidence of any origin: what is none is refused, so nobody is accused by what he did not say. */
Test(message, test_T01_false_evidence, .timeout = 300)
{
    uint8_t bytes[RF_EQUIVOCATION_MAX + 1] = {0};
    rf_message a = world_message(RF_M_COMMIT, 0, 0), b = world_message(RF_M_COMMIT, 0, 1);
    rf_message other = world_message(RF_M_COMMIT, 1, 1), back[2];
    size_t n = rf_equivocation_write(&a, &b, bytes);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ro_status status = rf_equivocation_check(bytes, n, back, &(ro_err){0});
        cr_assert(status == RO_EFORMAT || status == RO_ESIGNATURE, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t k = 0; k < n; k++)
        cr_assert_eq(rf_equivocation_check(bytes, k, back, &(ro_err){0}), RO_EFORMAT);
    cr_assert_eq(rf_equivocation_check(bytes, n + 1, back, &(ro_err){0}), RO_EFORMAT);
    /* One of these two is the canonical order. */
    ro_status orders[2] = {check_pair(&a, &b), check_pair(&b, &a)};
    cr_assert((orders[0] == RO_OK && orders[1] == RO_EFORMAT) ||
              (orders[0] == RO_EFORMAT && orders[1] == RO_OK));
    cr_assert_eq(check_pair(&a, &a), RO_EDIFFER);
    cr_assert_eq(check_pair(&a, &other), RO_EDIFFER);
    other = world_draft(RF_M_COMMIT);
    other.task.b[0] ^= 1;
    world_sign(&other, 0, 1);
    cr_assert_eq(check_pair(&a, &other), RO_EDIFFER);
    other = world_message(RF_M_OPENING, 0, 1);
    a = world_message(RF_M_OPENING, 0, 0);
    cr_assert_eq(check_pair(&a, &other), RO_EDIFFER); /* wrong openings are refused, no more */
    a = world_message(RF_M_COMMIT, 0, 0);
    a.claim.commitment.b[0] ^= 1; /* unsigned words in somebody's mouth */
    cr_assert_eq(check_pair(&a, &b), RO_ESIGNATURE);
    cr_assert_eq(check_pair(&b, &a), RO_ESIGNATURE);
}
