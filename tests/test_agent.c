/* test_agent.c - the message log: an honest party that is killed anywhere, on any disk, says the
 * same again; a host that changes its mind is not helped to.
 *
 * A script of messages of every type is run against an office that keeps all it ever received. It
 * is cut off at point n (before, inside and after every write, sync, cut and sending), started
 * again and run to its end, for n = 1, 2, ... until no point is left.
 *
 * Names carry the threat of docs/THREATS.md that they test. */
#define _GNU_SOURCE 1
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../verde/bytes.h"
#include "memory_disk.h"
#include "message_world.h"

/* ---- the office: a referee that remembers all it was sent -------------------------------- */

enum { OFFICE_MAX = 600 };
typedef struct {
    uint32_t received, logged, questions, stale, repeats;
    uint16_t size[OFFICE_MAX];
    uint8_t bytes[OFFICE_MAX][RF_MESSAGE_MAX];
    vd_digest ids[OFFICE_MAX];
    int never_content; /* every envelope is stale */
    int early;         /* no window is open yet */
} office;

static vd_digest question_now(const office *o) { return made_up(20, o->questions, 0); }

/* Sign as the referee. */
static size_t reply(rf_message *m, uint8_t answer[RF_MESSAGE_MAX])
{
    ro_err err = {0};
    must(rf_message_sign(m, world_key(14), &err), &err);
    return rf_message_encode(m, answer);
}

static size_t refuse(const office *o, const uint8_t *bytes, size_t n, rf_refusal reason,
                     uint8_t answer[RF_MESSAGE_MAX])
{
    rf_message r = world_draft(RF_M_REFUSAL);
    memset(&r.claim, 0, sizeof r.claim);
    r.claim.refusal.message = rf_received_digest(bytes, n);
    r.claim.refusal.reason = reason;
    if (reason == RF_R_STALE) r.claim.refusal.question = question_now(o);
    return reply(&r, answer);
}

static size_t receipt(const rf_message *m, uint32_t position, uint8_t answer[RF_MESSAGE_MAX])
{
    rf_message r = world_draft(RF_M_RECEIPT);
    memset(&r.claim, 0, sizeof r.claim);
    r.slot.position = position;
    memcpy(r.claim.receipt.key, m->key, 32);
    r.claim.receipt.message = rf_message_id(m);
    r.claim.receipt.head = made_up(21, position, 0);
    r.claim.receipt.logged_ms = 1700000000000u + position;
    return reply(&r, answer);
}

/* A claim whose question is not the open one is stale; whenever a claim is taken, the next
 * question is opened. */
static size_t office_takes(office *o, const uint8_t *bytes, size_t n, const void *payload,
                           size_t payload_size, uint8_t answer[RF_MESSAGE_MAX])
{
    rf_message m;
    ro_err err = {0};
    vd_digest now = question_now(o);
    must(rf_message_open(bytes, n, &m, &err), &err);
    must(rf_payload_check(&m, payload, payload_size, &err), &err);
    if (o->received == OFFICE_MAX) abort();
    memcpy(o->bytes[o->received], bytes, n);
    o->size[o->received++] = (uint16_t)n;
    vd_digest id = rf_message_id(&m);
    for (uint32_t k = 0; k < o->logged; k++)
        if (vd_digest_equal(&id, &o->ids[k])) {
            o->repeats++;
            return receipt(&m, k, answer);
        }
    if (o->early) return refuse(o, bytes, n, RF_R_EARLY, answer);
    if (o->never_content ||
        (rf_has_slot(m.type) && rf_has_question(m.type) && !vd_digest_equal(&m.question, &now))) {
        o->stale++;
        o->questions += o->never_content ? 1 : 0;
        return refuse(o, bytes, n, RF_R_STALE, answer);
    }
    if (rf_has_question(m.type)) o->questions++;
    o->ids[o->logged] = id;
    return receipt(&m, o->logged++, answer);
}

/* Pairs of all that was ever received which would cost the stake; of messages that are not the
 * same bytes but one message. */
static uint32_t office_equivocations(const office *o, uint32_t *rewrapped)
{
    static rf_message ms[OFFICE_MAX];
    static vd_digest ids[OFFICE_MAX];
    uint32_t found = 0;
    *rewrapped = 0;
    for (uint32_t i = 0; i < o->received; i++) {
        ro_err err = {0};
        must(rf_message_decode(o->bytes[i], o->size[i], &ms[i], &err), &err);
        ids[i] = rf_message_id(&ms[i]);
        for (uint32_t k = 0; k < i; k++) {
            found += (uint32_t)rf_equivocates(&ms[i], &ms[k]);
            *rewrapped += vd_digest_equal(&ids[i], &ids[k]) &&
                          memcmp(o->bytes[i], o->bytes[k], o->size[i]) != 0;
        }
    }
    return found;
}

/* ---- points at which a process ends ------------------------------------------------------ */

typedef struct {
    uint64_t at, stop;   /* the stop-th point from now; 0: none */
    int how;             /* DIES, CUT or FAILS */
    int dead;            /* CUT: nothing goes any more          */
    rf_disk inner;
    office *office;
} points;
enum { CUT, DIES, FAILS };

static ro_status point(points *p, ro_err *err)
{
    int here = !p->dead && p->stop && ++p->at == p->stop;
    if (here && p->how == DIES) _exit(9);
    if (here && p->how == CUT) p->dead = 1;
    if (here || p->dead) return RO_FAIL(err, RO_EIO, "the disk is gone");
    return RO_OK;
}

/* Nothing is different after a read, but that it can fail. */
static ro_status reading(points *p, ro_err *err)
{
    if (p->how == FAILS || p->dead) return point(p, err);
    return RO_OK;
}

static ro_status m_size(void *ctx, uint64_t *size, ro_err *err)
{
    points *p = ctx;
    RO_TRY(reading(p, err));
    return p->inner.size(p->inner.ctx, size, err);
}

static ro_status m_read(void *ctx, uint64_t at, void *bytes, uint64_t n, ro_err *err)
{
    points *p = ctx;
    RO_TRY(reading(p, err));
    return p->inner.read(p->inner.ctx, at, bytes, n, err);
}

/* A write arrives in two halves. */
static ro_status m_write(void *ctx, uint64_t at, const void *bytes, uint64_t n, ro_err *err)
{
    points *p = ctx;
    uint64_t half = n / 2;
    RO_TRY(point(p, err));
    RO_TRY(p->inner.write(p->inner.ctx, at, bytes, half, err));
    RO_TRY(point(p, err));
    RO_TRY(p->inner.write(p->inner.ctx, at + half, (const uint8_t *)bytes + half, n - half, err));
    return point(p, err);
}

static ro_status m_truncate(void *ctx, uint64_t size, ro_err *err)
{
    points *p = ctx;
    RO_TRY(point(p, err));
    RO_TRY(p->inner.truncate(p->inner.ctx, size, err));
    return point(p, err);
}

static ro_status m_sync(void *ctx, ro_err *err)
{
    points *p = ctx;
    RO_TRY(point(p, err));
    RO_TRY(p->inner.sync(p->inner.ctx, err));
    return point(p, err);
}

static void m_close(void *ctx)
{
    const points *p = ctx;
    p->inner.close(p->inner.ctx);
}

static rf_disk mortal(points *p)
{
    return (rf_disk){p, m_size, m_read, m_write, m_truncate, m_sync, m_close, 0};
}

/* A message may get lost on its way there, and its answer on its way back. */
static ro_status m_send(void *ctx, const void *bytes, size_t n, const void *payload,
                        size_t payload_size, uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size,
                        ro_err *err)
{
    points *p = ctx;
    RO_TRY(point(p, err));
    size_t size = office_takes(p->office, bytes, n, payload, payload_size, answer);
    RO_TRY(point(p, err));
    *answer_size = size;
    return RO_OK;
}

/* ---- the script -------------------------------------------------------------------------- */

enum { SCRIPT = 18 };

static rf_message script_draft(unsigned k, const office *o)
{
    static const rf_message_type types[SCRIPT] = {
        RF_M_WORK,        RF_M_COMMIT,      RF_M_REVEAL,  RF_M_CHALLENGE, RF_M_CHALLENGE,
        RF_M_OPENING,     RF_M_SEGMENT,     RF_M_SEGMENT, RF_M_OPENING,   RF_M_EXPLANATION,
        RF_M_EXPLANATION, RF_M_EXPLANATION, RF_M_OPENING, RF_M_SEGMENT,   RF_M_OPENING,
        RF_M_EXPLANATION, RF_M_CHALLENGE,   RF_M_OPENING};
    rf_message m = world_draft(types[k]);
    m.slot.segment = k;
    m.slot.index = k;
    m.slot.challenge = k;
    /* Now and then what the party knows of the referee is old. */
    m.question = k % 3 == 0 ? made_up(22, k, 0) : question_now(o);
    if (m.type == RF_M_OPENING) m.question = made_up(23, k, 0);
    return m;
}

/* One message of the script. variant: what the host computed this time, which an honest one would
 * compute the same; the log must not care. */
static ro_status script_step(rf_agent *a, points *p, unsigned k, uint64_t variant, ro_err *err)
{
    rf_wire w = {p, m_send};
    rf_message m = script_draft(k, p->office), answer, said;
    uint8_t payload[4096];
    int answered = 0, found = 0;
    world_claim(&m, world_key(0), m.type == RF_M_OPENING ? 0 : variant);
    RO_TRY(rf_agent_find(a, &m, &said, &found, err));
    if (found && m.type != RF_M_OPENING) {
        vd_digest was = rf_claim_digest(&said), is = rf_claim_digest(&m);
        if (!vd_digest_equal(&was, &is)) {
            uint8_t bytes[RF_MESSAGE_MAX];
            size_t n;
            cr_assert_eq(rf_agent_say(a, &m, bytes, &n, &(ro_err){0}), RO_EDIFFER);
        }
        m.claim = said.claim; /* stand by what was said */
    }
    for (uint64_t v = 0;; v++) {
        size_t n = world_payload(m.type, v, payload);
        if (rf_payload_check(&m, n ? payload : NULL, n, &(ro_err){0}) == RO_OK) {
            RO_TRY(rf_agent_deliver(a, &m, n ? payload : NULL, n, &w, &answer, &answered, err));
            break;
        }
        cr_assert(v < 1000);
    }
    cr_assert(answered && answer.type == RF_M_RECEIPT);
    return RO_OK;
}

static ro_status script_run(points *p, uint64_t variant, ro_err *err)
{
    rf_disk d = mortal(p);
    rf_agent *a = NULL;
    RO_TRY(rf_agent_open(&d, world_key(0), &a, err));
    ro_status status = RO_OK;
    for (unsigned k = 0; k < SCRIPT && !status; k++) status = script_step(a, p, k, variant, err);
    rf_agent_close(a);
    return status;
}

static void check_office(const office *o, uint64_t n)
{
    uint32_t rewrapped, found = office_equivocations(o, &rewrapped);
    cr_assert_eq(found, 0, "point %llu: %u equivocations", (unsigned long long)n, found);
    cr_assert_eq(o->logged, SCRIPT, "point %llu: %u messages", (unsigned long long)n, o->logged);
    cr_assert(rewrapped >= 3);
}

/* ---- killed anywhere --------------------------------------------------------------------- */

/* The power goes at the n-th point; what was not synced is partly there. Whatever the host computes
 * afterwards, nobody could slash it. */
Test(agent, test_T64_power_cut_at_every_point, .timeout = 300)
{
    static office o;
    uint64_t n = 1, repeats = 0;
    for (int ended = 0; !ended; n++)
        for (uint64_t chance = 0; chance < 2; chance++) {
            memory_disk disk = {0};
            points p = {0, n, CUT, 0, memory_as_disk(&disk), &o};
            ro_err err = {0};
            memset(&o, 0, sizeof o);
            ended = script_run(&p, 0, &err) == RO_OK;
            if (!ended) {
                memory_power_cut(&disk, n * 31 + chance);
                p = (points){0, 0, CUT, 0, memory_as_disk(&disk), &o};
                memset(&err, 0, sizeof err);
                must(script_run(&p, chance, &err), &err);
            }
            check_office(&o, n);
            repeats += o.repeats;
            memory_release(&disk);
        }
    cr_assert(n > 200 && repeats > 20);
    fprintf(stderr, "cut at each of %llu points, 2 ways: 0 equivocations\n",
            (unsigned long long)n - 2);
}

/* Cut again and again, every k points, and a host that computes something else every time. */
Test(agent, test_T64_power_cut_again_and_again, .timeout = 300)
{
    static office o;
    for (uint64_t k = 28; k < 200; k += 4) { /* a stale claim takes 26 points of one life */
        memory_disk disk = {0};
        uint64_t lives = 0;
        memset(&o, 0, sizeof o);
        for (int ended = 0; !ended; lives++) {
            points p = {0, k, CUT, 0, memory_as_disk(&disk), &o};
            ro_err err = {0};
            ended = script_run(&p, lives, &err) == RO_OK;
            if (!ended) memory_power_cut(&disk, k * 77 + lives);
            cr_assert(lives < 100);
        }
        check_office(&o, k);
        memory_release(&disk);
    }
}

/* A process that ends at the n-th point, on a real file with its lock. */
Test(agent, test_T64_killed_at_every_point, .timeout = 300)
{
    char *folder = strdup(small_folder());
    office *o = mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(o != MAP_FAILED);
    uint64_t n = 1;
    for (int ended = 0; !ended; n++) {
        memset(o, 0, sizeof *o);
        unlink(in_folder(folder, "log"));
        for (uint64_t life = 0; life < 2; life++) {
            pid_t child = fork();
            if (child == 0) {
                points p = {0, life ? 0 : n, DIES, 0, {0}, o};
                ro_err err = {0};
                must(rf_disk_file(in_folder(folder, "log"), &p.inner, &err), &err);
                must(script_run(&p, life, &err), &err);
                _exit(0);
            }
            int status = 0;
            cr_assert(waitpid(child, &status, 0) == child && WIFEXITED(status));
            if (life) cr_assert_eq(WEXITSTATUS(status), 0, "point %llu", (unsigned long long)n);
            if (WEXITSTATUS(status) == 0) {
                ended = life == 0;
                break;
            }
            cr_assert_eq(WEXITSTATUS(status), 9);
        }
        check_office(o, n);
    }
    cr_assert(n > 200);
    fprintf(stderr, "killed at each of %llu points: 0 equivocations\n", (unsigned long long)n - 2);
    munmap(o, sizeof *o);
    remove_folder(folder);
    free(folder);
}

/* The n-th read, write or sync fails, and the process lives on: it says nothing more before the
 * log is opened again. */
Test(agent, test_T57_every_operation_fails, .timeout = 300)
{
    static office o;
    for (uint64_t n = 1;; n++) {
        memory_disk disk = {0};
        points p = {0, n, FAILS, 0, memory_as_disk(&disk), &o};
        ro_err err = {0};
        memset(&o, 0, sizeof o);
        ro_status status = script_run(&p, 0, &err);
        cr_assert(status == RO_OK || (status == RO_EIO && err.msg[0]));
        int ended = status == RO_OK && p.at < n;
        p.stop = 0;
        memset(&err, 0, sizeof err);
        if (status) must(script_run(&p, 1, &err), &err);
        check_office(&o, n);
        memory_release(&disk);
        if (ended) break;
    }
}

/* Nor is a log read only in part: any read that fails is said, and the next opening has it all. */
Test(agent, test_T57_every_read_fails)
{
    static office o;
    memory_disk disk = {0};
    points p = {0, 0, FAILS, 0, memory_as_disk(&disk), &o};
    ro_err err = {0};
    must(script_run(&p, 0, &err), &err);
    uint64_t n = 1, size = disk.size;
    for (;; n++) {
        p.at = 0;
        p.stop = n;
        ro_status status = script_run(&p, 0, &(ro_err){0});
        cr_assert(disk.size == size && (status == RO_OK || status == RO_EIO));
        if (status == RO_OK) break;
    }
    cr_assert(n > 2 * SCRIPT);
    check_office(&o, n);
    memory_release(&disk);
}

Test(agent, test_T57_a_failed_log_stays_failed)
{
    static office o;
    for (uint64_t n = 1; n < 6; n++) {
        memory_disk disk = {0};
        points p = {0, 0, FAILS, 0, memory_as_disk(&disk), &o};
        rf_disk d = mortal(&p);
        rf_agent *a = NULL;
        uint8_t bytes[RF_MESSAGE_MAX];
        size_t size;
        uint64_t cursor = 0;
        ro_err err = {0};
        rf_message m = world_message(RF_M_WORK, 0, 0), answer;
        must(rf_agent_open(&d, world_key(0), &a, &err), &err);
        p.stop = n; /* three points of a write, two of a sync */
        cr_assert_eq(rf_agent_say(a, &m, bytes, &size, &(ro_err){0}), RO_EIO);
        p.stop = 0;
        cr_assert_eq(rf_agent_say(a, &m, bytes, &size, &(ro_err){0}), RO_EIO);
        cr_assert_eq(rf_agent_unanswered(a, &cursor, bytes, &size, &(ro_err){0}), RO_EIO);
        cr_assert_eq(rf_agent_hear(a, bytes, 0, &answer, &(ro_err){0}), RO_EIO);
        rf_agent_close(a);
        must(rf_agent_open(&d, world_key(0), &a, &err), &err);
        must(rf_agent_say(a, &m, bytes, &size, &err), &err);
        rf_agent_close(a);
        memory_release(&disk);
    }
}

Test(agent, every_allocation_fails)
{
    static office o;
    memory_disk disk = {0};
    points p = {0, 0, CUT, 0, memory_as_disk(&disk), &o};
    ro_err err = {0};
    must(script_run(&p, 0, &err), &err);
    for (int persistent = 0; persistent < 2; persistent++)
        for (uint64_t n = 1;; n++) {
            memory_disk fresh = {0};
            p.inner = memory_as_disk(n % 2 ? &fresh : &disk);
            memset(&err, 0, sizeof err);
            memset(&o, 0, sizeof o);
            ro_alloc_fail_at(n, persistent);
            ro_status status = script_run(&p, 0, &err);
            ro_alloc_fail_at(0, 0);
            memory_release(&fresh);
            if (status == RO_OK && n > 1) break;
            cr_assert_eq(status, RO_ENOMEM);
        }
    memory_release(&disk);
}

/* ---- what the agent refuses, repeats and takes in ---------------------------------------- */

typedef struct { memory_disk disk; rf_disk d; rf_agent *a; office *o; points p; } fixture;

static void set_up(fixture *f)
{
    ro_err err = {0};
    memset(f, 0, sizeof *f);
    f->o = calloc(1, sizeof *f->o);
    f->d = memory_as_disk(&f->disk);
    f->p = (points){0, 0, CUT, 0, f->d, f->o};
    must(rf_agent_open(&f->d, world_key(0), &f->a, &err), &err);
}

static void open_again(fixture *f)
{
    ro_err err = {0};
    rf_agent_close(f->a);
    must(rf_agent_open(&f->d, world_key(0), &f->a, &err), &err);
}

static void tear_down(fixture *f)
{
    rf_agent_close(f->a);
    memory_release(&f->disk);
    free(f->o);
}

static size_t say(fixture *f, const rf_message *m, uint8_t bytes[RF_MESSAGE_MAX])
{
    size_t n = 0;
    ro_err err = {0};
    must(rf_agent_say(f->a, m, bytes, &n, &err), &err);
    return n;
}

/* Every type: the same bytes for the same claim and question, now and after a restart; another
 * envelope for another question; never a second claim. */
Test(agent, test_T01_one_claim_a_slot)
{
    fixture f;
    set_up(&f);
    for (rf_message_type t = 0; t <= RF_M_OPENING; t++)
        for (int restart = 0; restart < 2; restart++) {
            uint8_t one[RF_MESSAGE_MAX], two[RF_MESSAGE_MAX];
            rf_message m = world_draft(t), other, x, y;
            m.task.b[0] = (uint8_t)t; /* a reveal and a withdrawal share a slot */
            world_claim(&m, world_key(0), 0);
            size_t n = say(&f, &m, one);
            if (restart) open_again(&f);
            m.time_ms += 5; /* a later try */
            cr_assert_eq(say(&f, &m, two), n);
            cr_assert_eq(memcmp(one, two, n), 0);
            other = m;
            other.question.b[0] ^= 1;
            cr_assert_eq(say(&f, &other, two), n);
            cr_assert_eq(memcmp(one, two, n) == 0, !rf_has_question(t));
            must(rf_message_open(one, n, &x, &(ro_err){0}), &(ro_err){0});
            must(rf_message_open(two, n, &y, &(ro_err){0}), &(ro_err){0});
            cr_assert(!rf_equivocates(&x, &y));
            if (t == RF_M_WITHDRAW) continue;
            world_claim(&m, world_key(0), 1);
            ro_status status = rf_agent_say(f.a, &m, two, &n, &(ro_err){0});
            cr_assert_eq(status, rf_has_slot(t) ? RO_EDIFFER : RO_OK);
        }
    tear_down(&f);
}

/* A reveal, then second thoughts; or a withdrawal, then second thoughts. */
Test(agent, test_T01_reveal_or_withdraw)
{
    for (int first = 0; first < 2; first++) {
        fixture f;
        uint8_t bytes[RF_MESSAGE_MAX];
        size_t n;
        rf_message ms[2] = {world_message(RF_M_REVEAL, 0, 0), world_message(RF_M_WITHDRAW, 0, 0)};
        set_up(&f);
        say(&f, &ms[first], bytes);
        open_again(&f);
        cr_assert_eq(rf_agent_say(f.a, &ms[!first], bytes, &n, &(ro_err){0}), RO_EDIFFER);
        tear_down(&f);
    }
}

/* An honest party in many disputes at once: a claim each in slots that differ in any field. */
Test(agent, test_T75_many_slots)
{
    fixture f;
    uint8_t bytes[RF_MESSAGE_MAX];
    rf_message said[256];
    unsigned n = 0;
    set_up(&f);
    for (unsigned bits = 0; bits < 256; bits++) {
        rf_message m = world_draft(RF_M_EXPLANATION);
        m.slot.root.b[0] ^= bits & 1;
        m.slot.step += bits >> 1 & 1;
        m.slot.node += bits >> 2 & 1;
        m.slot.output += bits >> 3 & 1;
        m.slot.element += bits >> 4 & 1;
        m.slot.level = bits >> 5 & 1 ? RF_NONE : m.slot.level;
        m.slot.index += bits >> 6 & 1;
        m.task.b[0] ^= (uint8_t)(bits >> 7 & 1);
        world_claim(&m, world_key(0), bits);
        must(rf_message_open(bytes, say(&f, &m, bytes), &said[n++], &(ro_err){0}), &(ro_err){0});
    }
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < n; k++) cr_assert(!rf_equivocates(&said[i], &said[k]));
    open_again(&f);
    for (unsigned i = 0; i < n; i++) {
        uint8_t was[RF_MESSAGE_MAX];
        size_t size = rf_message_encode(&said[i], was);
        cr_assert(say(&f, &said[i], bytes) == size && memcmp(was, bytes, size) == 0);
    }
    tear_down(&f);
}

/* What no receiver would open is neither stored nor handed out. */
Test(agent, drafts_that_are_wrong)
{
    fixture f;
    uint8_t bytes[4096];
    size_t n = 0;
    uint64_t size;
    set_up(&f);
    size = f.disk.size;
    rf_message m = world_message(RF_M_REVEAL, 0, 0);
    m.claim.reveal.root.b[0] ^= 1;
    cr_assert_eq(rf_agent_say(f.a, &m, bytes, &n, &(ro_err){0}), RO_EFORMAT);
    m = world_message(RF_M_REVEAL, 1, 0); /* the trace of another */
    cr_assert_eq(rf_agent_say(f.a, &m, bytes, &n, &(ro_err){0}), RO_ESIGNATURE);
    rf_wire w = {&f.p, m_send};
    rf_message answer;
    int answered = 0;
    m = world_message(RF_M_EXPLANATION, 0, 0);
    n = world_payload(RF_M_EXPLANATION, 1, bytes);
    cr_assert_eq(rf_agent_deliver(f.a, &m, bytes, n, &w, &answer, &answered, &(ro_err){0}),
                 RO_EDIFFER);
    cr_assert(!answered && f.disk.size == size && f.o->received == 0);
    tear_down(&f);
}

static uint32_t unanswered(fixture *f)
{
    uint8_t bytes[RF_MESSAGE_MAX];
    uint64_t cursor = 0;
    size_t n = 1;
    uint32_t count = 0;
    ro_err err = {0};
    for (;; count++) {
        must(rf_agent_unanswered(f->a, &cursor, bytes, &n, &err), &err);
        if (!n) return count;
    }
}

/* Receipts are kept once; a message that has one is not sent again; what is nobody's answer, or
 * of another referee, task, agent or message, is ignored and not kept. */
Test(agent, test_T67_answers)
{
    fixture f;
    uint8_t bytes[RF_MESSAGE_MAX], back[RF_MESSAGE_MAX];
    rf_message m = world_message(RF_M_WORK, 0, 0), c = world_message(RF_M_COMMIT, 0, 0), own, r;
    ro_err err = {0};
    set_up(&f);
    size_t n = say(&f, &m, bytes), size;
    must(rf_message_open(bytes, n, &own, &err), &err);
    say(&f, &c, back);
    cr_assert_eq(unanswered(&f), 2);
    for (int wrong = 0; wrong < 11; wrong++) {
        rf_message x = world_draft(wrong == 7 || wrong > 8 ? RF_M_REFUSAL : RF_M_RECEIPT);
        const vd_key *k = world_key(wrong == 1 ? 15 : 14);
        world_claim(&x, k, 0);
        memcpy(x.claim.receipt.key, own.key, 32);
        x.claim.receipt.message = rf_message_id(&own);
        if (wrong == 0) x.claim.receipt.key[0] ^= 1;
        if (wrong == 1) x.referee = world_referee(1);
        if (wrong == 2) x.task.b[0] ^= 1;
        if (wrong == 3) x.claim.receipt.message.b[0] ^= 1;
        if (wrong == 8) x.claim.receipt.message = rf_received_digest(bytes, n);
        if (x.type == RF_M_REFUSAL) world_claim(&x, k, 1);
        if (wrong == 9) x.claim.refusal.message = rf_message_id(&own); /* names of other kinds */
        if (wrong == 10) x.claim.refusal.message = rf_slot_digest(&own);
        must(rf_message_sign(&x, k, &err), &err);
        size = rf_message_encode(&x, back);
        if (wrong == 4) back[size - 1] ^= 1;
        if (wrong == 5) size = 0;
        if (wrong == 6) memcpy(back, bytes, size = n); /* its own message sent back to it */
        ro_status status = rf_agent_hear(f.a, back, size, &r, &(ro_err){0});
        cr_assert_eq(status, wrong == 4                 ? RO_ESIGNATURE
                             : wrong == 5 ? RO_EFORMAT : RO_EDIFFER, "%d: %d", wrong, status);
    }
    cr_assert_eq(unanswered(&f), 2);
    size = receipt(&own, 3, back);
    must(rf_agent_hear(f.a, back, size, &r, &err), &err);
    cr_assert(r.type == RF_M_RECEIPT && r.slot.position == 3 && unanswered(&f) == 1);
    uint64_t kept = f.disk.size;
    must(rf_agent_hear(f.a, back, size, &r, &err), &err);
    open_again(&f);
    must(rf_agent_hear(f.a, back, size, &r, &err), &err);
    cr_assert(f.disk.size == kept && unanswered(&f) == 1);
    rf_wire w = {&f.p, m_send};
    int answered = 0;
    must(rf_agent_deliver(f.a, &m, NULL, 0, &w, &r, &answered, &err), &err);
    cr_assert(answered && r.slot.position == 3 && f.o->received == 0);
    tear_down(&f);
}

static ro_status another_answer(void *ctx, const void *bytes, size_t n, const void *payload,
                                size_t size, uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size,
                                ro_err *err)
{
    (void)bytes, (void)n, (void)payload, (void)size, (void)err;
    *answer_size = receipt(ctx, 0, answer);
    return RO_OK;
}

/* The receipt of one message, sent back for another, is no answer to that one. */
Test(agent, test_T67_the_receipt_of_another)
{
    fixture f;
    uint8_t bytes[RF_MESSAGE_MAX];
    rf_message m = world_message(RF_M_WORK, 0, 0), c = world_message(RF_M_COMMIT, 0, 0), r;
    rf_wire w = {&m, another_answer};
    int answered = 1;
    ro_err err = {0};
    set_up(&f);
    say(&f, &m, bytes);
    must(rf_agent_deliver(f.a, &c, NULL, 0, &w, &r, &answered, &err), &err);
    cr_assert(!answered && unanswered(&f) == 1); /* but it is kept */
    must(rf_agent_deliver(f.a, &m, NULL, 0, &w, &r, &answered, &err), &err);
    cr_assert(answered && r.type == RF_M_RECEIPT);
    tear_down(&f);
}

/* A log has a size; one that is full says no more, and keeps what it has said. */
Test(agent, full_logs)
{
    static office o;
    for (uint64_t most = 0; most < 12000; most += 500) {
        memory_disk disk = {0};
        points p = {0, 0, CUT, 0, memory_as_disk(&disk), &o};
        rf_disk d = mortal(&p);
        rf_agent *a = NULL;
        ro_err err = {0};
        ro_status status = RO_OK;
        uint32_t rewrapped;
        memset(&o, 0, sizeof o);
        d.size_max = most + 1;
        for (int life = 0; life < 2; life++) {
            must(rf_agent_open(&d, world_key(0), &a, &err), &err);
            for (unsigned k = 0; k < SCRIPT; k++) {
                status = script_step(a, &p, k, 0, &(ro_err){0});
                cr_assert(status == RO_OK || status == RO_ELIMIT);
                if (status) break;
            }
            cr_assert(status == RO_ELIMIT && disk.size <= most + RF_LOG_HEADER_BYTES);
            rf_agent_close(a);
        }
        cr_assert_eq(office_equivocations(&o, &rewrapped), 0);
        d.size_max = 1;
        status = rf_agent_open(&d, world_key(0), &a, &(ro_err){0});
        cr_assert_eq(status, disk.size > RF_LOG_RECORD_MAX + 1 ? RO_ELIMIT : RO_OK);
        if (!status) rf_agent_close(a);
        memory_release(&disk);
    }
}

/* Of one message so many refusals are kept, however often a referee says no. */
Test(agent, refusals_do_not_fill_the_disk)
{
    fixture f;
    uint8_t bytes[RF_MESSAGE_MAX], back[RF_MESSAGE_MAX];
    rf_message m = world_message(RF_M_COMMIT, 0, 0), r;
    ro_err err = {0};
    set_up(&f);
    size_t n = say(&f, &m, bytes), size = refuse(f.o, bytes, n, RF_R_EARLY, back);
    uint64_t begun = f.disk.size, record = (40 + size + 7) / 8 * 8;
    for (unsigned k = 0; k < RF_LOG_REFUSALS_MAX + 20; k++) {
        must(rf_agent_hear(f.a, back, size, &r, &err), &err);
        cr_assert_eq(r.claim.refusal.reason, RF_R_EARLY);
        if (k % 9 == 0) open_again(&f);
    }
    cr_assert_eq(f.disk.size, begun + RF_LOG_REFUSALS_MAX * record);
    cr_assert_eq(unanswered(&f), 1); /* refused is not received */
    tear_down(&f);
}

/* A referee that finds every envelope stale, with another question each time: so many tries, one
 * claim. What has no slot, or no question, is not wrapped again. */
Test(agent, test_T31_always_stale)
{
    for (rf_message_type t = 0; t <= RF_M_OPENING; t++) {
        fixture f;
        uint8_t payload[4096];
        rf_message m = world_message(t, 0, 0), r;
        int answered = 0, again = rf_has_slot(t) && rf_has_question(t);
        uint32_t rewrapped;
        ro_err err = {0};
        set_up(&f);
        f.o->never_content = 1;
        rf_wire w = {&f.p, m_send};
        size_t n = world_payload(t, 0, payload);
        must(rf_agent_deliver(f.a, &m, n ? payload : NULL, n, &w, &r, &answered, &err), &err);
        cr_assert(answered && r.type == RF_M_REFUSAL);
        cr_assert_eq(f.o->received, again ? RF_REWRAPS_MAX : 1);
        cr_assert_eq(office_equivocations(f.o, &rewrapped), 0);
        cr_assert_eq(rewrapped, again ? RF_REWRAPS_MAX * (RF_REWRAPS_MAX - 1) / 2 : 0);
        tear_down(&f);
    }
}

/* Refused for now: the refusal comes back, and the same bytes are taken later. */
Test(agent, test_T05_too_early)
{
    for (int again = 0; again < 2; again++) {
        fixture f;
        rf_message m = world_message(RF_M_REVEAL, 0, 0), r;
        int answered = 0;
        ro_err err = {0};
        set_up(&f);
        rf_wire w = {&f.p, m_send};
        f.o->early = 1;
        must(rf_agent_deliver(f.a, &m, NULL, 0, &w, &r, &answered, &err), &err);
        cr_assert(answered && r.type == RF_M_REFUSAL && r.claim.refusal.reason == RF_R_EARLY);
        f.o->early = 0;
        if (again) open_again(&f);
        must(rf_agent_deliver(f.a, &m, NULL, 0, &w, &r, &answered, &err), &err);
        cr_assert(answered && r.type == RF_M_RECEIPT && f.o->received == 2);
        cr_assert_eq(memcmp(f.o->bytes[0], f.o->bytes[1], f.o->size[0]), 0);
        tear_down(&f);
    }
}

/* A log that somebody writes into while it is open: nothing is said from it. */
Test(agent, altered_while_open)
{
    fixture f;
    uint8_t bytes[RF_MESSAGE_MAX];
    size_t n;
    rf_message m = world_message(RF_M_WORK, 0, 0), c = world_message(RF_M_COMMIT, 0, 0), r;
    rf_wire w = {&f.p, m_send};
    int answered = 0;
    set_up(&f);
    say(&f, &m, bytes);
    f.disk.now[RF_LOG_HEADER_BYTES + 60] ^= 1;
    cr_assert_eq(rf_agent_deliver(f.a, &m, NULL, 0, &w, &r, &answered, &(ro_err){0}), RO_EFORMAT);
    cr_assert_eq(rf_agent_say(f.a, &c, bytes, &n, &(ro_err){0}), RO_EFORMAT);
    cr_assert_eq(rf_agent_find(f.a, &c, &r, &answered, &(ro_err){0}), RO_EFORMAT);
    cr_assert_eq(rf_agent_deliver(f.a, &c, NULL, 0, &w, &r, &answered, &(ro_err){0}), RO_EFORMAT);
    cr_assert(!answered && f.o->received == 0);
    tear_down(&f);
    rf_agent_close(NULL);
}

static ro_status noise(void *ctx, const void *bytes, size_t n, const void *payload, size_t size,
                       uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size, ro_err *err)
{
    (void)payload, (void)size, (void)err;
    memset(answer, 0x41, RF_MESSAGE_MAX);
    *answer_size = *(const size_t *)ctx;
    if (*answer_size == n) memcpy(answer, bytes, n); /* an echo */
    return RO_OK;
}

Test(agent, answers_that_are_none)
{
    fixture f;
    rf_message m = world_message(RF_M_WORK, 0, 0), r;
    ro_err err = {0};
    set_up(&f);
    for (size_t n = 0; n <= RF_MESSAGE_MAX; n++) {
        rf_wire w = {&n, noise};
        int answered = 1;
        must(rf_agent_deliver(f.a, &m, NULL, 0, &w, &r, &answered, &err), &err);
        cr_assert(!answered);
    }
    cr_assert_eq(f.disk.size, RF_LOG_HEADER_BYTES + (40 + rf_message_size(RF_M_WORK) + 7) / 8 * 8);
    tear_down(&f);
}

/* ---- damage ------------------------------------------------------------------------------ */

enum { KEPT = 3 };
/* A log of three messages; where each record ends. */
static void three(memory_disk *disk, uint64_t ends[KEPT + 1])
{
    static const rf_message_type types[KEPT] = {RF_M_WORK, RF_M_COMMIT, RF_M_CHALLENGE};
    rf_disk d = memory_as_disk(disk);
    rf_agent *a = NULL;
    ro_err err = {0};
    must(rf_agent_open(&d, world_key(0), &a, &err), &err);
    ends[0] = disk->size;
    for (unsigned k = 0; k < KEPT; k++) {
        uint8_t bytes[RF_MESSAGE_MAX];
        size_t n;
        rf_message m = world_message(types[k], 0, 0);
        must(rf_agent_say(a, &m, bytes, &n, &err), &err);
        ends[k + 1] = disk->size;
    }
    rf_agent_close(a);
}

/* Open these bytes: the messages in them, or -1 - status. What opens goes on. */
static uint64_t left_after_opening; /* of the log */
static int open_bytes(const uint8_t *bytes, uint64_t n, unsigned key)
{
    memory_disk disk = {0};
    rf_disk d = memory_as_disk(&disk);
    fixture f = {0};
    ro_err err = {0};
    memory_set(&disk, bytes, n);
    ro_status status = rf_agent_open(&d, world_key(key), &f.a, &err);
    int count = -1 - (int)status;
    if (!status) {
        uint8_t said[RF_MESSAGE_MAX];
        size_t size;
        rf_message m = world_message(RF_M_REVEAL, key, 0);
        count = (int)unanswered(&f);
        left_after_opening = disk.size;
        must(rf_agent_say(f.a, &m, said, &size, &err), &err);
        rf_agent_close(f.a);
        must(rf_agent_open(&d, world_key(key), &f.a, &err), &err);
        cr_assert_eq(unanswered(&f), (uint32_t)count + 1);
        rf_agent_close(f.a);
    } else {
        cr_assert(err.code == status && strlen(err.msg) > 10);
        cr_assert(disk.size == n && (!n || memcmp(disk.now, bytes, n) == 0)); /* left as it was */
    }
    memory_release(&disk);
    return count;
}

#define REFUSED (-1 - (int)RO_EFORMAT)

/* Cut at every byte, and zeros from every byte on: the whole records before it are there. */
Test(agent, test_T52_torn_at_every_byte, .timeout = 120)
{
    memory_disk disk = {0};
    uint64_t ends[KEPT + 1];
    three(&disk, ends);
    for (uint64_t n = 0; n <= disk.size; n++) {
        int whole = 0;
        while (whole < KEPT && ends[whole + 1] <= n) whole++;
        cr_assert_eq(open_bytes(disk.now, n, 0), whole, "%llu bytes", (unsigned long long)n);
        cr_assert_eq(left_after_opening, ends[whole]);
    }
    uint8_t *torn = malloc(disk.size);
    for (uint64_t n = 0; n < disk.size; n++) {
        int whole = 0;
        memcpy(torn, disk.now, n);
        memset(torn + n, 0, disk.size - n);
        while (whole < KEPT && memcmp(torn, disk.now, ends[whole + 1]) == 0) whole++;
        /* A header with records behind it is whole, and a crash tears no more than one record. */
        int want = n <= 8                                          ? REFUSED
                   : n < 48                                        ? -1 - (int)RO_EDIFFER
                   : disk.size - ends[whole] <= RF_LOG_RECORD_MAX  ? whole
                                                                   : REFUSED;
        int is = open_bytes(torn, disk.size, 0);
        cr_assert_eq(is, want, "zeros from %llu: %d", (unsigned long long)n, is);
    }
    free(torn);
    memory_release(&disk);
}

/* Any byte changed: in the last record it is cut off, anywhere else the log is refused. */
Test(agent, test_T52_every_byte_changed, .timeout = 120)
{
    memory_disk disk = {0};
    uint64_t ends[KEPT + 1];
    three(&disk, ends);
    for (uint64_t at = 0; at < disk.size; at++)
        for (unsigned k = 0; k < 3; k++) {
            static const uint8_t masks[3] = {1, 0x80, 0xff};
            disk.now[at] ^= masks[k];
            int is = open_bytes(disk.now, disk.size, 0);
            int key = at >= 16 && at < 48;
            cr_assert_eq(is,
                         at >= ends[KEPT - 1] ? KEPT - 1
                         : key                ? -1 - (int)RO_EDIFFER
                                              : REFUSED,
                         "byte %llu: %d", (unsigned long long)at, is);
            disk.now[at] ^= masks[k];
        }
    cr_assert_eq(open_bytes(disk.now, disk.size, 0), KEPT);
    cr_assert_eq(open_bytes(disk.now, disk.size, 1), -1 - (int)RO_EDIFFER);
    memory_release(&disk);
}

/* Records out of their place, of another kind, or after more noise than one record can be. */
Test(agent, test_T52_records_moved)
{
    memory_disk disk = {0};
    uint64_t ends[KEPT + 1];
    three(&disk, ends);
    uint64_t first = ends[1] - ends[0], n = disk.size;
    uint8_t *other = calloc(1, n + 4 * RF_LOG_RECORD_MAX);
    memcpy(other, disk.now, n);
    memcpy(other + n, disk.now + ends[0], first); /* one of its own, again */
    cr_assert_eq(open_bytes(other, n + first, 0), KEPT);
    memset(other + n, 0, RF_LOG_RECORD_MAX);
    cr_assert_eq(open_bytes(other, n + RF_LOG_RECORD_MAX, 0), KEPT);
    cr_assert_eq(open_bytes(other, n + RF_LOG_RECORD_MAX + 1, 0), REFUSED);
    memcpy(other + ends[0], disk.now + ends[1], n - ends[1]); /* the first one taken out */
    cr_assert_eq(open_bytes(other, n - first, 0), 0);
    free(other);
    memory_release(&disk);
}

/* Sign a record as the log would, with whatever content. */
static uint64_t put_record(uint8_t *log, uint64_t at, uint32_t kind, const uint8_t *bytes, size_t n)
{
    uint8_t front[48];
    vd_put_le(log + at, n, 4);
    vd_put_le(log + at + 4, kind, 4);
    memcpy(front, vd_key_public(world_key(0)), 32);
    vd_put_le(front + 32, at, 8);
    memcpy(front + 40, log + at, 8);
    memcpy(log + at + 40, bytes, n);
    vd_tagged_hash_two("verde/1 log record", front, sizeof front, bytes, n, log + at + 8);
    return at + (40 + n + 7) / 8 * 8;
}

/* Whole records that no agent writes: two claims in a slot, another's words, answers to nothing. */
Test(agent, logs_that_contradict_themselves)
{
    for (int k = 0; k < 6; k++) {
        memory_disk disk = {0};
        uint64_t ends[KEPT + 1], at;
        uint8_t bytes[RF_MESSAGE_MAX];
        three(&disk, ends);
        memory_room(&disk, disk.size + 4 * RF_LOG_RECORD_MAX);
        rf_message m = k == 0   ? world_message(RF_M_COMMIT, 0, 1)
                       : k == 1 ? world_message(RF_M_REVEAL, 1, 0)
                       : k == 2 ? world_message(RF_M_RECEIPT, 0, 0)
                       : k == 3 ? world_message(RF_M_REFUSAL, 0, 0)
                                : world_message(RF_M_REVEAL, 0, 0);
        size_t n = rf_message_encode(&m, bytes);
        uint32_t kind = k == 2 || k == 3 || k == 4 ? 2 : 1;
        if (k == 5) bytes[0] ^= 1; /* not a message */
        at = put_record(disk.now, disk.size, kind, bytes, n);
        cr_assert_eq(open_bytes(disk.now, at, 0), REFUSED, "%d", k);
        memory_release(&disk);
    }
}

/* A log whose request numbers fall, with two receipts of one message: the next number is over all
 * of them, and the first receipt counts. */
Test(agent, logs_of_another_order)
{
    memory_disk disk = {0};
    rf_disk d = memory_as_disk(&disk);
    fixture f = {0};
    uint8_t bytes[RF_MESSAGE_MAX], back[RF_MESSAGE_MAX];
    uint64_t ends[KEPT + 1], at;
    int answered = 0;
    size_t n;
    rf_message m[2] = {world_draft(RF_M_WORK), world_draft(RF_M_COMMIT)}, r;
    ro_err err = {0};
    three(&disk, ends);
    at = ends[0];
    memory_room(&disk, at + 6 * RF_LOG_RECORD_MAX);
    for (int k = 0; k < 2; k++) {
        m[k].request = k ? 3 : 9;
        world_sign(&m[k], 0, 0);
        at = put_record(disk.now, at, 1, bytes, rf_message_encode(&m[k], bytes));
    }
    for (uint32_t k = 0; k < 2; k++)
        at = put_record(disk.now, at, 2, back, receipt(&m[0], 5 + k, back));
    disk.size = at;
    must(rf_agent_open(&d, world_key(0), &f.a, &err), &err);
    cr_assert_eq(unanswered(&f), 1);
    must(rf_agent_deliver(f.a, &m[0], NULL, 0, &(rf_wire){0}, &r, &answered, &err), &err);
    cr_assert(answered && r.slot.position == 5);
    rf_message next = world_message(RF_M_CHALLENGE, 0, 0);
    must(rf_agent_say(f.a, &next, bytes, &n, &err), &err);
    must(rf_message_decode(bytes, n, &next, &err), &err);
    cr_assert_eq(next.request, 10u);
    rf_agent_close(f.a);
    memory_release(&disk);
}

/* ---- what comes back over the wire ------------------------------------------------------- */

enum { SAME_QUESTION, BAD_SIGNATURE, LOG_ALTERED };
typedef struct { fixture f; int how; uint32_t sent; } line;

static ro_status line_send(void *ctx, const void *bytes, size_t n, const void *payload, size_t size,
                           uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size, ro_err *err)
{
    line *l = ctx;
    rf_message m, r = world_draft(RF_M_REFUSAL);
    (void)payload, (void)size;
    RO_TRY(rf_message_decode(bytes, n, &m, err));
    memset(&r.claim, 0, sizeof r.claim);
    r.claim.refusal.message = rf_received_digest(bytes, n);
    r.claim.refusal.reason = RF_R_STALE;
    r.claim.refusal.question = m.question;
    *answer_size = reply(&r, answer);
    if (l->how == BAD_SIGNATURE) answer[*answer_size - 1] ^= 1;
    if (l->how == LOG_ALTERED) l->f.disk.now[RF_LOG_HEADER_BYTES + 60] ^= 1;
    l->sent++;
    return RO_OK;
}

/* A refusal that asks for the envelope it refuses is the answer, and nothing is sent again; one
 * that does not verify is none; and one that finds the log altered ends it. */
Test(agent, test_T31_refusals_of_every_sort)
{
    for (int how = SAME_QUESTION; how <= LOG_ALTERED; how++) {
        line l = {.how = how};
        rf_wire w = {&l, line_send};
        rf_message m = world_message(RF_M_CHALLENGE, 0, 0), r;
        int answered = 0;
        ro_err err = {0};
        set_up(&l.f);
        ro_status status = rf_agent_deliver(l.f.a, &m, NULL, 0, &w, &r, &answered, &err);
        cr_assert_eq(status, how == LOG_ALTERED ? RO_EFORMAT : RO_OK, "%d: %s", how, err.msg);
        cr_assert_eq(answered, how == SAME_QUESTION);
        cr_assert_eq(l.sent, 1u);
        if (answered) cr_assert_eq(r.claim.refusal.reason, RF_R_STALE);
        uint8_t bytes[RF_MESSAGE_MAX];
        size_t n;
        rf_message c = world_message(RF_M_COMMIT, 0, 0);
        cr_assert_eq(rf_agent_say(l.f.a, &c, bytes, &n, &(ro_err){0}), status);
        tear_down(&l.f);
    }
}

/* A second claim for a slot whose first has its receipt: refused as ever, not answered by that. */
Test(agent, test_T01_a_receipt_is_of_its_claim)
{
    fixture f;
    uint8_t bytes[RF_MESSAGE_MAX], back[RF_MESSAGE_MAX];
    rf_message m = world_message(RF_M_WORK, 0, 0), other = world_message(RF_M_WORK, 0, 1), own, r;
    int answered = 1;
    ro_err err = {0};
    set_up(&f);
    rf_wire w = {&f.p, m_send};
    must(rf_message_open(bytes, say(&f, &m, bytes), &own, &err), &err);
    must(rf_agent_hear(f.a, back, receipt(&own, 3, back), &r, &err), &err);
    cr_assert_eq(rf_agent_deliver(f.a, &other, NULL, 0, &w, &r, &answered, &err), RO_EDIFFER);
    cr_assert(!answered && f.o->received == 0);
    tear_down(&f);
}

/* ---- what the machine refuses ------------------------------------------------------------ */

static int starved;
static void *take(size_t n, const char *file, int at)
{
    (void)file, (void)at;
    return starved ? NULL : malloc(n);
}
static void *take_again(void *p, size_t n, const char *file, int at)
{
    (void)file, (void)at;
    return starved ? NULL : realloc(p, n);
}
static void give(void *p, const char *file, int at)
{
    (void)file, (void)at;
    free(p);
}

/* Before anything is taken from OpenSSL, which allows it no later. */
__attribute__((constructor)) static void lend_memory(void)
{
    if (!CRYPTO_set_mem_functions(take, take_again, give)) abort();
}

/* Without memory for OpenSSL nothing is signed, nothing is written, and the log goes on. */
Test(agent, no_memory_to_sign)
{
    fixture f;
    uint8_t bytes[RF_MESSAGE_MAX];
    size_t n = 0;
    rf_message m = world_message(RF_M_WORK, 0, 0);
    ro_err err = {0};
    set_up(&f);
    uint64_t size = f.disk.size;
    starved = 1;
    ro_status status = rf_agent_say(f.a, &m, bytes, &n, &err);
    starved = 0;
    cr_assert(status == RO_ENOMEM && err.msg[0] && f.disk.size == size);
    say(&f, &m, bytes);
    tear_down(&f);
}

/* ---- files ------------------------------------------------------------------------------- */

/* In place of the C library's, which it calls: a file system may refuse a mode. */
static int mode_refused;
int fchmod(int fd, mode_t mode)
{
    if (!mode_refused) return (int)syscall(SYS_fchmod, fd, mode);
    errno = EPERM;
    return -1;
}

Test(agent, files_that_others_could_read)
{
    char *folder = strdup(small_folder());
    rf_disk d;
    ro_err err = {0};
    mode_refused = 1;
    cr_assert_eq(rf_disk_file(in_folder(folder, "log"), &d, &err), RO_EIO);
    cr_assert(strstr(err.msg, "make private"), "%s", err.msg);
    mode_refused = 0;
    must(rf_disk_file(in_folder(folder, "log"), &d, &(ro_err){0}), &err); /* it is not locked */
    d.close(d.ctx);
    remove_folder(folder);
    free(folder);
}

Test(agent, files)
{
    char *folder = strdup(small_folder());
    const char *path = in_folder(folder, "log");
    rf_disk d, second;
    rf_agent *a = NULL;
    struct stat s;
    size_t n;
    uint8_t bytes[RF_MESSAGE_MAX];
    rf_message m = world_message(RF_M_WORK, 0, 0);
    ro_err err = {0};
    umask(0); /* the mode is ours to set */
    must(rf_disk_file(path, &d, &err), &err);
    cr_assert(stat(path, &s) == 0 && (s.st_mode & 07777) == 0600);
    must(rf_agent_open(&d, world_key(0), &a, &err), &err);
    must(rf_agent_say(a, &m, bytes, &n, &err), &err);
    pid_t child = fork(); /* another process */
    if (child == 0) _exit(rf_disk_file(path, &second, &(ro_err){0}) == RO_EIO ? 0 : 1);
    int status = 1;
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    rf_agent_close(a);
    must(rf_disk_file(path, &d, &err), &err);
    cr_assert_eq(rf_agent_open(&d, world_key(1), &a, &(ro_err){0}), RO_EDIFFER);
    must(rf_disk_file(path, &d, &err), &err); /* the failure closed it */
    must(rf_agent_open(&d, world_key(0), &a, &err), &err);
    rf_agent_close(a);
    cr_assert_eq(rf_disk_file(in_folder(folder, "no/log"), &d, &(ro_err){0}), RO_ENOTFOUND);
    cr_assert_eq(rf_disk_file(in_folder(folder, "."), &d, &(ro_err){0}), RO_EUSAGE);
    cr_assert_eq(rf_disk_file("/dev/null", &d, &(ro_err){0}), RO_EFORMAT);
    cr_assert_eq(symlink("log", in_folder(folder, "link")), 0);
    cr_assert_eq(rf_disk_file(in_folder(folder, "link"), &d, &(ro_err){0}), RO_EIO);
    remove_folder(folder);
    free(folder);
}

/* Files that are something else stay what they are. */
Test(agent, files_that_are_no_log)
{
    static const char *const texts[] = {
        "x", "VERDELOG?", "VERDETRC", "{\"schema\": \"verde-job/1\"}",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA"};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        cr_assert_eq(open_bytes((const uint8_t *)texts[k], strlen(texts[k]), 0), REFUSED);
    uint8_t zeros[RF_LOG_HEADER_BYTES + 1] = {0};
    for (uint64_t n = 0; n <= RF_LOG_HEADER_BYTES; n++) cr_assert_eq(open_bytes(zeros, n, 0), 0);
    cr_assert_eq(open_bytes(zeros, RF_LOG_HEADER_BYTES + 1, 0), REFUSED);
}
