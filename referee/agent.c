/* agent.c - the message log: appended, synced, indexed in memory; cut where a crash tore it.
 *
 * What this file decides: the bytes of the log, and which damage a crash can have done.
 *
 * Invariants
 *   1. A record is written only behind the last synced one, so a crash can tear but one. Its hash
 *      covers key, place, kind and size: a record that was moved or copied is none.
 *   2. The index follows from the log alone, by the same function while it is read and while it
 *      is written. */
#include "agent.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../verde/bytes.h"
#include "../verde/files.h"

#define HEAD_BYTES 40u /* size u32, kind u32, hash 32 */
enum { KIND_SAID = 1, KIND_HEARD = 2 };

/* A claim that was signed, in the last envelope it went out in. */
typedef struct {
    vd_digest id, claim, question;
    uint64_t at, receipt_at; /* offsets of records; receipt_at 0: none yet */
    uint32_t refusals;
} entry;

/* Where an entry is found: what it is kept under (its slot; without one its id), its message id,
 * the bytes of each of its envelopes. The three kinds of digest have tags of their own, so they
 * share one table; `as` says which of them a name is, since answers name one kind each. */
enum { AS_KEPT = 1, AS_ID = 2, AS_SENT = 4 };
typedef struct {
    vd_digest name;
    uint32_t entry; /* + 1; 0: free */
    uint32_t as;
} place;

struct rf_agent {
    rf_disk disk;
    const vd_key *key;
    uint64_t end, request; /* of the log; the next request number */
    ro_status failed;
    entry *entries;
    uint32_t count, room;
    place *table;
    uint64_t places, table_room; /* a power of two, at most half full */
};

/* ---- the disk as a file ------------------------------------------------------------------ */

typedef struct { int fd; char path[]; } file;

static ro_status file_size(void *ctx, uint64_t *size, ro_err *err)
{
    const file *f = ctx;
    return vd_fs_size(f->fd, size, f->path, err);
}

static ro_status file_read(void *ctx, uint64_t at, void *bytes, uint64_t n, ro_err *err)
{
    const file *f = ctx;
    return vd_fs_read(f->fd, bytes, n, at, f->path, err);
}

static ro_status file_write(void *ctx, uint64_t at, const void *bytes, uint64_t n, ro_err *err)
{
    const file *f = ctx;
    return vd_fs_write(f->fd, bytes, n, at, f->path, err);
}

static ro_status file_truncate(void *ctx, uint64_t size, ro_err *err)
{
    const file *f = ctx;
    return vd_fs_truncate(f->fd, size, f->path, err);
}

static ro_status file_sync(void *ctx, ro_err *err)
{
    const file *f = ctx;
    return vd_fs_sync(f->fd, f->path, err);
}

static void file_close(void *ctx)
{
    file *f = ctx;
    if (f->fd >= 0) close(f->fd);
    ro_free(f);
}

ro_status rf_disk_file(const char *path, rf_disk *out, ro_err *err)
{
    size_t n = strlen(path) + 1;
    int dir = -1, fresh = 0;
    const char *name;
    file *f = ro_alloc(sizeof *f + n);
    if (!f) return RO_FAIL(err, RO_ENOMEM, "no memory for a message log");
    f->fd = -1;
    memcpy(f->path, path, n);
    ro_status status = vd_fs_folder_of(path, &dir, &name, err);
    if (!status) status = vd_fs_lock(dir, name, path, 0, &f->fd, &fresh, err);
    if (!status && fresh && fchmod(f->fd, 0600) < 0)
        status = vd_fs_failed("make private", path, err);
    if (!status) status = vd_fs_sync(dir, path, err); /* the name is there to stay */
    if (dir >= 0) close(dir);
    if (status) {
        file_close(f);
        return status;
    }
    *out = (rf_disk){f, file_size, file_read, file_write, file_truncate, file_sync, file_close,
                     RF_LOG_BYTES_MAX};
    return RO_OK;
}

/* ---- the index --------------------------------------------------------------------------- */

static place *find_place(place *table, uint64_t room, const vd_digest *name)
{
    uint64_t at = vd_get_u64(name->b) & (room - 1);
    while (table[at].entry && !vd_digest_equal(&table[at].name, name)) at = (at + 1) & (room - 1);
    return &table[at];
}

static entry *find(const rf_agent *a, const vd_digest *name, uint32_t as)
{
    if (!a->table_room) return NULL;
    const place *p = find_place(a->table, a->table_room, name);
    return p->entry && p->as & as ? &a->entries[p->entry - 1] : NULL;
}

/* Room for one more entry and three more places, before anything is written. */
static ro_status make_room(rf_agent *a, ro_err *err)
{
    if (a->count == a->room) {
        uint32_t room = a->room ? a->room * 2 : 64;
        entry *more = ro_resize(a->entries, a->room * sizeof *more, room * sizeof *more);
        if (!more) return RO_FAIL(err, RO_ENOMEM, "no memory for the index of a message log");
        a->entries = more;
        a->room = room;
    }
    if (2 * (a->places + 3) > a->table_room) {
        uint64_t room = a->table_room ? a->table_room * 2 : 256;
        place *table = ro_alloc_zero(room * sizeof *table);
        if (!table) return RO_FAIL(err, RO_ENOMEM, "no memory for the index of a message log");
        for (uint64_t i = 0; i < a->table_room; i++)
            if (a->table[i].entry) *find_place(table, room, &a->table[i].name) = a->table[i];
        ro_free(a->table);
        a->table = table;
        a->table_room = room;
    }
    return RO_OK;
}

static void put_place(rf_agent *a, const vd_digest *name, uint32_t as, uint32_t entry_number)
{
    place *p = find_place(a->table, a->table_room, name);
    if (!p->entry) a->places++;
    p->name = *name;
    p->entry = entry_number + 1;
    p->as |= as;
}

/* What a message is kept under: one claim a slot, or one answer a question. */
static vd_digest name_of(const rf_message *m)
{
    return rf_has_slot(m->type) ? rf_slot_digest(m) : rf_message_id(m);
}

static int is_claim_of(const entry *e, const rf_message *m)
{
    vd_digest claim = rf_claim_digest(m);
    return vd_digest_equal(&e->claim, &claim);
}

/* A message is in the log at `at`. */
static ro_status note_said(rf_agent *a, const rf_message *m, const uint8_t *bytes, size_t n,
                           uint64_t at, ro_err *err)
{
    vd_digest name = name_of(m), sent = rf_received_digest(bytes, n);
    entry *e = find(a, &name, AS_KEPT);
    if (e && !is_claim_of(e, m))
        return RO_FAIL(err, RO_EFORMAT, "a message log holds two claims for one slot");
    if (!e) {
        e = &a->entries[a->count++];
        memset(e, 0, sizeof *e);
        e->claim = rf_claim_digest(m);
        e->id = rf_message_id(m);
    }
    e->question = m->question;
    e->at = at;
    uint32_t number = (uint32_t)(e - a->entries);
    put_place(a, &name, AS_KEPT, number);
    put_place(a, &e->id, AS_ID, number);
    put_place(a, &sent, AS_SENT, number);
    if (m->request >= a->request) a->request = m->request + 1;
    return RO_OK;
}

/* The entry that a receipt or refusal speaks of; NULL: none of this agent's. */
static entry *spoken_of(const rf_agent *a, const rf_message *m)
{
    if (m->type == RF_M_RECEIPT)
        return memcmp(m->claim.receipt.key, vd_key_public(a->key), 32) == 0
                   ? find(a, &m->claim.receipt.message, AS_ID)
                   : NULL;
    return m->type == RF_M_REFUSAL ? find(a, &m->claim.refusal.message, AS_SENT) : NULL;
}

/* An answer to it is in the log at `at`; the first receipt counts. */
static void note_heard(entry *e, const rf_message *m, uint64_t at)
{
    if (m->type == RF_M_REFUSAL)
        e->refusals++;
    else if (!e->receipt_at)
        e->receipt_at = at;
}

/* ---- records ----------------------------------------------------------------------------- */

static void header_bytes(const rf_agent *a, uint8_t out[RF_LOG_HEADER_BYTES])
{
    vd_out o = {out, 0};
    vd_out_bytes(&o, "VERDELOG", 8);
    vd_out_u32(&o, 1);
    vd_out_u32(&o, 0);
    vd_out_bytes(&o, vd_key_public(a->key), 32);
    vd_out_zeros(&o, RF_LOG_HEADER_BYTES - o.n);
}

static size_t record_size(size_t content) { return (HEAD_BYTES + content + 7) / 8 * 8; }

static vd_digest record_hash(const rf_agent *a, uint64_t at, const uint8_t head[8],
                             const uint8_t *content, size_t n)
{
    uint8_t bytes[48];
    vd_digest d;
    memcpy(bytes, vd_key_public(a->key), 32);
    vd_put_le(bytes + 32, at, 8);
    memcpy(bytes + 40, head, 8);
    vd_tagged_hash_two("verde/1 log record", bytes, sizeof bytes, content, n, d.b);
    return d;
}

/* Is there a whole record at `at`, of whose bytes `n` are at hand? */
static int is_record(const rf_agent *a, uint64_t at, const uint8_t *bytes, uint64_t n)
{
    if (n < HEAD_BYTES) return 0;
    uint32_t size = vd_get_u32(bytes), kind = vd_get_u32(bytes + 4);
    if (size == 0 || size > RF_MESSAGE_MAX || kind < KIND_SAID || kind > KIND_HEARD) return 0;
    if (record_size(size) > n) return 0;
    vd_digest d = record_hash(a, at, bytes, bytes + HEAD_BYTES, size);
    return memcmp(d.b, bytes + 8, VD_DIGEST) == 0 &&
           vd_all_zero(bytes + HEAD_BYTES + size, record_size(size) - HEAD_BYTES - size);
}

static uint64_t size_max(const rf_agent *a)
{
    return a->disk.size_max ? a->disk.size_max : RF_LOG_BYTES_MAX;
}

/* Append a record; on RO_OK it is there to stay. */
static ro_status append(rf_agent *a, uint32_t kind, const uint8_t *content, size_t n, ro_err *err)
{
    uint8_t bytes[RF_LOG_RECORD_MAX] = {0};
    RO_ASSERT(n <= RF_MESSAGE_MAX);
    if (a->end + record_size(n) > size_max(a))
        return RO_FAIL(err, RO_ELIMIT, "a message log is full: it may have %llu bytes",
                       (unsigned long long)size_max(a));
    vd_put_le(bytes, n, 4);
    vd_put_le(bytes + 4, kind, 4);
    memcpy(bytes + HEAD_BYTES, content, n);
    vd_digest d = record_hash(a, a->end, bytes, content, n);
    memcpy(bytes + 8, d.b, VD_DIGEST);
    a->failed = a->disk.write(a->disk.ctx, a->end, bytes, record_size(n), err);
    if (!a->failed) a->failed = a->disk.sync(a->disk.ctx, err);
    if (a->failed) return a->failed;
    a->end += record_size(n);
    return RO_OK;
}

/* The message in the record at `at`, which was there when it was noted. */
static ro_status fetch(rf_agent *a, uint64_t at, uint8_t *bytes, size_t *size, ro_err *err)
{
    uint8_t record[RF_LOG_RECORD_MAX];
    uint64_t n = a->end - at < sizeof record ? a->end - at : sizeof record;
    RO_TRY(a->disk.read(a->disk.ctx, at, record, n, err));
    if (!is_record(a, at, record, n))
        return a->failed = RO_FAIL(err, RO_EFORMAT, "a message log was altered at byte %llu",
                                   (unsigned long long)at);
    *size = vd_get_u32(record);
    memcpy(bytes, record + HEAD_BYTES, *size);
    return RO_OK;
}

static ro_status fetch_message(rf_agent *a, uint64_t at, rf_message *m, ro_err *err)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    size_t size = 0;
    RO_TRY(fetch(a, at, bytes, &size, err));
    return rf_message_decode(bytes, size, m, err);
}

/* ---- opening ----------------------------------------------------------------------------- */

/* A header is written and synced before the first record, so only a file that ends with it can
 * hold a torn one: its bytes, or zeros where they did not arrive. */
static ro_status open_header(rf_agent *a, uint64_t size, ro_err *err)
{
    uint8_t want[RF_LOG_HEADER_BYTES], is[RF_LOG_HEADER_BYTES] = {0};
    uint64_t n = size < sizeof is ? size : sizeof is;
    int torn = size <= sizeof is;
    header_bytes(a, want);
    RO_TRY(a->disk.read(a->disk.ctx, 0, is, n, err));
    if (size < sizeof is || memcmp(is, want, sizeof is) != 0) {
        for (size_t k = 0; k < sizeof is; k++) torn &= is[k] == want[k] || is[k] == 0;
        if (!torn && memcmp(is, want, 16) == 0 && vd_all_zero(is + 48, sizeof is - 48))
            return RO_FAIL(err, RO_EDIFFER, "this message log is another key's");
        if (!torn) return RO_FAIL(err, RO_EFORMAT, "this file is no message log");
        RO_TRY(a->disk.write(a->disk.ctx, 0, want, sizeof want, err));
    }
    a->end = sizeof want;
    return RO_OK;
}

static ro_status note_record(rf_agent *a, const uint8_t *record, ro_err *err)
{
    uint32_t size = vd_get_u32(record), kind = vd_get_u32(record + 4);
    rf_message m;
    RO_TRY(rf_message_decode(record + HEAD_BYTES, size, &m, err));
    if (kind == KIND_HEARD) {
        entry *e = spoken_of(a, &m);
        if (!e) return RO_FAIL(err, RO_EFORMAT, "a message log holds an answer to nothing in it");
        note_heard(e, &m, a->end);
        return RO_OK;
    }
    if (memcmp(m.key, vd_key_public(a->key), sizeof m.key) != 0)
        return RO_FAIL(err, RO_EFORMAT, "a message log holds what another key signed");
    RO_TRY(make_room(a, err));
    return note_said(a, &m, record + HEAD_BYTES, size, a->end, err);
}

/* What follows the last whole record was being written when a crash came, unless it is more than
 * one record can be, or a whole record lies in it: then the damage is of another kind. */
static ro_status cut_tail(rf_agent *a, const uint8_t *tail, uint64_t left, ro_err *err)
{
    int damaged = left > RF_LOG_RECORD_MAX;
    for (uint64_t k = 8; !damaged && k < left; k += 8)
        damaged = is_record(a, a->end + k, tail + k, left - k);
    if (damaged)
        return RO_FAIL(err, RO_EFORMAT,
                       "a message log is damaged at byte %llu, and not by a crash: restore it, "
                       "since what was said and is forgotten could be contradicted",
                       (unsigned long long)a->end);
    return a->disk.truncate(a->disk.ctx, a->end, err);
}

static ro_status read_log(rf_agent *a, ro_err *err)
{
    uint8_t record[RF_LOG_RECORD_MAX + 8];
    uint64_t size = 0;
    RO_TRY(a->disk.size(a->disk.ctx, &size, err));
    if (size > size_max(a) + RF_LOG_RECORD_MAX)
        return RO_FAIL(err, RO_ELIMIT, "a message log has %llu bytes; %llu are allowed",
                       (unsigned long long)size, (unsigned long long)size_max(a));
    RO_TRY(open_header(a, size, err));
    while (a->end < size) {
        uint64_t left = size - a->end, n = left < sizeof record ? left : sizeof record;
        RO_TRY(a->disk.read(a->disk.ctx, a->end, record, n, err));
        if (!is_record(a, a->end, record, n)) {
            RO_TRY(cut_tail(a, record, left, err));
            break;
        }
        RO_TRY(note_record(a, record, err));
        a->end += record_size(vd_get_u32(record));
    }
    /* What is read may have been written and never synced; nothing is said on its strength
     * before it is. */
    return a->disk.sync(a->disk.ctx, err);
}

ro_status rf_agent_open(const rf_disk *d, const vd_key *k, rf_agent **out, ro_err *err)
{
    rf_agent *a = ro_alloc_zero(sizeof *a);
    if (!a) {
        d->close(d->ctx);
        return RO_FAIL(err, RO_ENOMEM, "no memory for a message log");
    }
    a->disk = *d;
    a->key = k;
    a->request = 1;
    ro_status status = read_log(a, err);
    if (status)
        rf_agent_close(a);
    else
        *out = a;
    return status;
}

void rf_agent_close(rf_agent *a)
{
    if (!a) return;
    a->disk.close(a->disk.ctx);
    ro_free(a->entries);
    ro_free(a->table);
    ro_free(a);
}

/* ---- saying ------------------------------------------------------------------------------ */

static ro_status usable(const rf_agent *a, ro_err *err)
{
    return a->failed ? RO_FAIL(err, a->failed, "a message log failed; it must be opened again")
                     : RO_OK;
}

/* The draft as this agent's; the entry that has its slot, or its very answer; NULL. */
static entry *look_up(const rf_agent *a, const rf_message *draft, rf_message *m)
{
    *m = *draft;
    memcpy(m->key, vd_key_public(a->key), sizeof m->key);
    if (!rf_has_question(m->type)) memset(&m->question, 0, sizeof m->question);
    vd_digest name = name_of(m);
    return find(a, &name, AS_KEPT);
}

static ro_status sign_and_store(rf_agent *a, rf_message *m, uint8_t *bytes, size_t *size,
                                ro_err *err)
{
    rf_message opened;
    m->request = a->request;
    RO_TRY(rf_message_sign(m, a->key, err));
    size_t n = rf_message_encode(m, bytes);
    RO_TRY(rf_message_open(bytes, n, &opened, err)); /* as its receiver will */
    RO_TRY(make_room(a, err));
    uint64_t at = a->end;
    RO_TRY(append(a, KIND_SAID, bytes, n, err));
    *size = n;
    return note_said(a, m, bytes, n, at, err);
}

ro_status rf_agent_say(rf_agent *a, const rf_message *draft, uint8_t *bytes, size_t *size,
                       ro_err *err)
{
    rf_message m;
    RO_TRY(usable(a, err));
    const entry *e = look_up(a, draft, &m);
    if (e) {
        if (!is_claim_of(e, &m))
            return RO_FAIL(err, RO_EDIFFER,
                           "another claim of type %s was signed for this slot; a second one would "
                           "cost the stake",
                           rf_message_type_name(m.type));
        if (vd_digest_equal(&e->question, &m.question)) return fetch(a, e->at, bytes, size, err);
    }
    return sign_and_store(a, &m, bytes, size, err);
}

ro_status rf_agent_find(rf_agent *a, const rf_message *draft, rf_message *said, int *found,
                        ro_err *err)
{
    rf_message m;
    RO_TRY(usable(a, err));
    const entry *e = look_up(a, draft, &m);
    *found = e != NULL;
    return e ? fetch_message(a, e->at, said, err) : RO_OK;
}

ro_status rf_agent_unanswered(rf_agent *a, uint64_t *cursor, uint8_t *bytes, size_t *size,
                              ro_err *err)
{
    RO_TRY(usable(a, err));
    while (*cursor < a->count && a->entries[*cursor].receipt_at) ++*cursor;
    *size = 0;
    if (*cursor == a->count) return RO_OK;
    return fetch(a, a->entries[(*cursor)++].at, bytes, size, err);
}

/* ---- hearing ----------------------------------------------------------------------------- */

ro_status rf_agent_hear(rf_agent *a, const void *bytes, size_t n, rf_message *answer, ro_err *err)
{
    rf_message m, said;
    RO_TRY(usable(a, err));
    RO_TRY(rf_message_open(bytes, n, &m, err));
    entry *e = spoken_of(a, &m);
    if (!e) return RO_FAIL(err, RO_EDIFFER, "an answer is to nothing that this party said");
    RO_TRY(fetch_message(a, e->at, &said, err));
    if (!vd_digest_equal(&said.referee, &m.referee) || !vd_digest_equal(&said.task, &m.task))
        return RO_FAIL(err, RO_EDIFFER, "an answer is from another referee or task");
    int kept = m.type == RF_M_RECEIPT ? e->receipt_at != 0 : e->refusals >= RF_LOG_REFUSALS_MAX;
    if (!kept) {
        uint64_t at = a->end;
        RO_TRY(append(a, KIND_HEARD, bytes, n, err));
        note_heard(e, &m, at);
    }
    *answer = m;
    return RO_OK;
}

/* Is this refusal one after which the same claim goes out again? */
static int asks_again(const rf_message *m, const rf_message *answer)
{
    return answer->type == RF_M_REFUSAL && answer->claim.refusal.reason == RF_R_STALE &&
           rf_has_slot(m->type) && rf_has_question(m->type) &&
           !vd_digest_equal(&m->question, &answer->claim.refusal.question);
}

/* What is wrong with an answer is the wire's or the referee's affair: as good as none. */
static int is_nothing(ro_status s)
{
    return s == RO_EFORMAT || s == RO_ESIGNATURE || s == RO_EDIFFER;
}

ro_status rf_agent_deliver(rf_agent *a, const rf_message *draft, const void *payload,
                           size_t payload_size, const rf_wire *w, rf_message *answer,
                           int *answered, ro_err *err)
{
    uint8_t bytes[RF_MESSAGE_MAX], back[RF_MESSAGE_MAX];
    rf_message m = *draft, own;
    *answered = 0;
    RO_TRY(usable(a, err));
    RO_TRY(rf_payload_check(&m, payload, payload_size, err));
    for (unsigned k = 0; k < RF_REWRAPS_MAX; k++) {
        size_t n = 0, back_size = 0;
        ro_err why = {RO_OK, {0}};
        const entry *e = look_up(a, &m, &own);
        if (e && e->receipt_at && is_claim_of(e, &own)) {
            *answered = 1;
            return fetch_message(a, e->receipt_at, answer, err);
        }
        RO_TRY(rf_agent_say(a, &m, bytes, &n, err));
        RO_TRY(w->send(w->ctx, bytes, n, payload, payload_size, back, &back_size, err));
        if (!back_size) return RO_OK;
        ro_status heard = rf_agent_hear(a, back, back_size, answer, &why);
        if (heard && is_nothing(heard) && !a->failed) return RO_OK;
        if (heard) return RO_FAIL(err, heard, "%s", why.msg);
        if (spoken_of(a, answer) != look_up(a, &m, &own)) return RO_OK; /* kept; of another one */
        *answered = 1;
        if (!asks_again(&m, answer)) return RO_OK;
        m.question = answer->claim.refusal.question;
    }
    return RO_OK;
}
