/* fuzz_message.c - messages, evidence of equivocation and message logs of any bytes: opened, and
 * nothing is believed by accident.
 *
 * No input's signature would come out right by chance, so an input that decodes is signed anew and
 * opened again: then fuzzing reaches what a hostile signer can say.
 *
 * libFuzzer: -fsanitize=fuzzer,address,undefined. With -DREPLAY see fuzz_replay.h. */
#include "../verde/bytes.h"
#include "fuzz_replay.h"
#include "memory_disk.h"
#include "message_world.h"

/* What opened encodes to what came, and may be asked anything. */
static void look_around(const uint8_t *data, size_t size, const rf_message *m)
{
    uint8_t again[RF_MESSAGE_MAX];
    ro_err err = {RO_OK, {0}};
    vd_digest id = rf_message_id(m), claim = rf_claim_digest(m);
    if (rf_message_encode(m, again) != size || memcmp(again, data, size)) abort();
    if (size != rf_message_size(m->type) || !rf_may_send(m->role, m->type)) abort();
    if (vd_digest_equal(&id, &claim) || rf_equivocates(m, m)) abort();
    if (rf_payload_check(m, data, size, &err) == RO_OK) abort();
}

static void open_message(const uint8_t *data, size_t size)
{
    rf_message m;
    ro_err err = {RO_OK, {0}}, why = {RO_OK, {0}};
    ro_status st = rf_message_open(data, size, &m, &err);
    if (st && (err.code != st || !err.msg[0])) abort();
    if (!st) look_around(data, size, &m);
    if (rf_message_decode(data, size, &m, &why) != RO_OK) {
        if (!st) abort();
        return;
    }
    const vd_key *k = world_key(14);
    uint8_t bytes[RF_MESSAGE_MAX];
    if (m.role == RF_REFEREE) memcpy(m.referee.b, vd_key_public(k), 32);
    if (m.type == RF_M_REVEAL)
        world_vouch(k, 0, m.claim.reveal.backend, &m.claim.reveal.root, m.claim.reveal.signature);
    if (m.type == RF_M_SEGMENT) {
        vd_digest root = vd_claim_root(&m.claim.segment.body);
        world_vouch(k, 1, m.claim.segment.backend, &root, m.claim.segment.signature);
    }
    must(rf_message_sign(&m, k, &why), &why);
    size_t n = rf_message_encode(&m, bytes);
    memset(&err, 0, sizeof err);
    st = rf_message_open(bytes, n, &m, &err);
    if (st && (st != RO_EFORMAT || !err.msg[0])) abort();
    if (!st) look_around(bytes, n, &m);
}

static void check_evidence(const uint8_t *data, size_t size)
{
    rf_message two[2];
    ro_err err = {RO_OK, {0}};
    ro_status st = rf_equivocation_check(data, size, two, &err);
    if (st && (err.code != st || !err.msg[0])) abort();
    if (!st && !rf_equivocates(&two[0], &two[1])) abort();
}

/* What opens goes on: it says something, and opens again with it. */
static void open_log(const uint8_t *data, size_t size)
{
    memory_disk i = {0};
    memory_set(&i, data, size);
    rf_disk d = memory_as_disk(&i);
    rf_agent *a = NULL;
    uint8_t said[RF_MESSAGE_MAX], again[RF_MESSAGE_MAX];
    size_t n = 0, m = 0;
    ro_err err = {RO_OK, {0}};
    rf_message draft = world_draft(RF_M_WORK);
    world_claim(&draft, world_key(0), 77);
    ro_status st = rf_agent_open(&d, world_key(0), &a, &err);
    if (st && (err.code != st || !err.msg[0])) abort();
    if (!st && rf_agent_say(a, &draft, said, &n, &err) == RO_OK) {
        rf_agent_close(a);
        must(rf_agent_open(&d, world_key(0), &a, &err), &err);
        must(rf_agent_say(a, &draft, again, &m, &err), &err);
        if (n != m || memcmp(said, again, n)) abort();
    }
    rf_agent_close(a);
    memory_release(&i);
}

/* The same with a header and record hashes that hold, as far as sizes lead. */
static void open_log_put_right(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 1), front[48];
    size_t at = RF_LOG_HEADER_BYTES;
    if (size > at) {
        memcpy(bytes, data, size);
        memset(bytes, 0, at);
        memcpy(bytes, "VERDELOG\1", 9);
        memcpy(bytes + 16, vd_key_public(world_key(0)), 32);
        while (size - at >= 40) {
            uint32_t n = vd_get_u32(bytes + at);
            if (n > RF_MESSAGE_MAX || (n + 47) / 8 * 8 > size - at) break;
            memcpy(front, vd_key_public(world_key(0)), 32);
            vd_put_le(front + 32, at, 8);
            memcpy(front + 40, bytes + at, 8);
            vd_tagged_hash_two("verde/1 log record", front, sizeof front, bytes + at + 40, n,
                               bytes + at + 8);
            at += (n + 47) / 8 * 8;
        }
        open_log(bytes, size);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16) return 0;
    open_message(data, size);
    check_evidence(data, size);
    open_log(data, size);
    open_log_put_right(data, size);
    return 0;
}

static void seed(const char *folder, const char *name, const void *bytes, size_t n)
{
    small_put(in_folder(folder, name), bytes, n);
}

/* A message of every type, evidence, and a log of three records, whole and torn. */
void write_seeds(const char *folder)
{
    uint8_t bytes[RF_EQUIVOCATION_MAX];
    ro_err err = {RO_OK, {0}};
    for (rf_message_type t = 0; t < RF_M_TYPES; t++) {
        rf_message m = world_message(t, 0, RF_R_STALE);
        seed(folder, rf_message_type_name(t), bytes, rf_message_encode(&m, bytes));
    }
    rf_message a = world_message(RF_M_REVEAL, 0, 0), b = world_message(RF_M_WITHDRAW, 0, 0);
    seed(folder, "equivocation", bytes, rf_equivocation_write(&a, &b, bytes));
    memory_disk i = {0};
    rf_disk d = memory_as_disk(&i);
    rf_agent *agent = NULL;
    size_t n = 0;
    must(rf_agent_open(&d, world_key(0), &agent, &err), &err);
    for (uint64_t k = 0; k < 2; k++) {
        rf_message draft = world_draft(k ? RF_M_OPENING : RF_M_WORK);
        world_claim(&draft, world_key(0), 0);
        must(rf_agent_say(agent, &draft, bytes, &n, &err), &err);
    }
    rf_message refusal = world_draft(RF_M_REFUSAL), back;
    world_claim(&refusal, world_key(14), 0);
    refusal.claim.refusal.message = rf_received_digest(bytes, n);
    must(rf_message_sign(&refusal, world_key(14), &err), &err);
    must(rf_agent_hear(agent, bytes, rf_message_encode(&refusal, bytes), &back, &err), &err);
    rf_agent_close(agent);
    seed(folder, "log", i.now, i.size);
    seed(folder, "log-torn", i.now, i.size - 100);
    memory_release(&i);
}
