/* message.h - what parties and the referee say to each other: signed bytes, and what they bind.
 *
 * What this file decides: the bytes of every message, what of them is the claim that its signer
 * answers for, in which slot, and when two messages of one signer contradict each other.
 * docs/FORMATS.md, "Messages", states every byte.
 *
 * A message is two parts under one signature. The *claim* is what its signer stands for: referee,
 * task, role, key, type, slot and claim bytes. The *envelope* is how it came this time: the hash
 * of the question it answers, the sender's clock, a request number. The same claim in another
 * envelope is the same message; two claims of one signer in one slot are equivocation.
 *
 * Long content (leaves, parts, operands) is not signed itself: it travels beside the message as
 * its *payload*, and the claim names its size and digest. So a message has at most
 * RF_MESSAGE_MAX bytes, and evidence of equivocation stays small.
 *
 * Invariants
 *   1. The size of a message is a function of its type; one meaning has one byte string.
 *   2. Whoever changes referee, task, role, key, type, slot, claim or envelope changes signed
 *      bytes. A signature is never an identity: what names a message is rf_message_id.
 *   3. All that a claim's truth depends on is in its slot, so an honest party has one possible
 *      claim a slot, whatever it was asked and however often it was restarted.
 *   4. No I/O, no clock, no chance, no allocation. */
#ifndef RF_MESSAGE_H
#define RF_MESSAGE_H
#include "referee.h"
#ifdef __cplusplus
extern "C" {
#endif

#define RF_MESSAGE_VERSION 1u
#define RF_MESSAGE_MAX 1024u                    /* the longest, a reveal, has 708                */
#define RF_PAYLOAD_MAX (UINT64_C(1) << 25)      /* 32 MiB: of one answer                        */

/* ---- who says what ----------------------------------------------------------------------- */

/* Bytes carry the names ("provider", "reveal"), never these numbers. */
typedef enum {
    RF_PROVIDER, /* has a stake in the task                                                   */
    RF_AUDITOR,  /* computes the job for the referee: a claimant without a stake              */
    RF_REFEREE,  /* its key is the referee's id                                               */
    RF_ROLES
} rf_role;

typedef enum {
    /*                  who            slot                  claim                 payload
                                       (always of the task)                                   */
    RF_M_WORK,        /* provider      work                  the task's terms      -          */
    RF_M_COMMIT,      /* both          commit                H(... root, salt)     -          */
    RF_M_REVEAL,      /* both          outcome               root, salt, body,
                                                             backend, signature    -          */
    RF_M_WITHDRAW,    /* provider      outcome               -                     -          */
    RF_M_SEGMENT,     /* both          trace root, segment   claim body, backend,
                                                             signature             step leaves */
    RF_M_EXPLANATION, /* both          claim root, step,     count and digest      parts, u64
                                       node, output,         of the parts          each
                                       element, level, index                                  */
    RF_M_CHALLENGE,   /* provider      number, step, node,   H(task, key,          -
                                       output                tensor bytes)                    */
    RF_M_OPENING,     /* both          none                  size and digest       the answer */
    RF_M_RECEIPT,     /* referee       log position          what was logged, when -          */
    RF_M_REFUSAL,     /* referee       none                  what, why             -          */
    RF_M_TYPES
} rf_message_type;
const char *rf_role_name(rf_role r);
const char *rf_message_type_name(rf_message_type t);
/* Whether a role may send a type; whether a type has a slot (so that its signer can equivocate),
 * answers a question (segment, explanation, challenge, opening), carries a payload. */
int rf_may_send(rf_role r, rf_message_type t);
int rf_has_slot(rf_message_type t);
int rf_has_question(rf_message_type t);
int rf_has_payload(rf_message_type t);

/* Why the referee did not take a message. Nothing here costs a stake but CONFLICT, where the
 * signer itself has said two things. Bytes carry the names. */
typedef enum {
    RF_R_MALFORMED, /* not a message, or of another version                                   */
    RF_R_SIGNATURE, /* does not verify                                                        */
    RF_R_CONTEXT,   /* of another referee, task or role                                       */
    RF_R_UNKNOWN,   /* its signer has no place in this task, or not the one it needs          */
    RF_R_EARLY,     /* its window is not open yet: say it again later                         */
    RF_R_LATE,      /* its window is closed                                                   */
    RF_R_STALE,     /* another question is open: the claim is welcome in its envelope         */
    RF_R_MISMATCH,  /* a reveal that is not what was committed to                             */
    RF_R_CONFLICT,  /* its signer has made another claim in this slot                         */
    RF_R_STRUCK,    /* its signer, or its claim, has fallen                                   */
    RF_R_CONTENT,   /* the payload is not what was asked for, or does not hash up             */
    RF_R_LIMIT,     /* its signer has sent too many wrong answers to this question            */
    RF_R_FAULT,     /* the referee's own trouble: say it again later                          */
    RF_REFUSALS
} rf_refusal;
const char *rf_refusal_name(rf_refusal r);

/* Beside referee, task, role and key, which every slot has: the fields that its type names. The
 * others are not read, and 0 in an opened message. */
typedef struct {
    vd_digest root;      /* segment: of the trace; explanation: of the claim that is explained  */
    uint64_t segment;    /* segment                                                             */
    uint64_t step;       /* explanation, challenge: global                                      */
    uint32_t node, output;
    uint64_t element;    /* explanation                                                         */
    uint32_t level;      /* explanation: the part; RF_NONE: the element                         */
    uint64_t index;
    uint32_t challenge;  /* challenge: its number, from 0                                       */
    uint64_t position;   /* receipt: in the task's log, from 0                                  */
} rf_slot;

typedef struct {
    vd_digest root, salt;
    char backend[VD_BACKEND_BYTES]; /* as in a trace file: 1 to 63 printable characters, zeros  */
    uint8_t signature[64];          /* of the trace: over vd_signed_bytes(0, backend, root), so
                                       that evidence carries both roots as their signers did    */
    uint8_t body[VD_TRACE_BODY_BYTES];
} rf_reveal;

typedef struct {
    vd_claim_body body;             /* its trace and segment are the slot's                     */
    char backend[VD_BACKEND_BYTES];
    uint8_t signature[64];          /* over vd_signed_bytes(1, backend, claim root)             */
} rf_segment;

/* What the referee logged. It answers for it as parties do: two receipts for one position of a
 * task's log are equivocation. */
typedef struct {
    uint8_t key[32];   /* whose message                                                          */
    vd_digest message; /* rf_message_id                                                          */
    vd_digest head;    /* of the log's hash chain, this event included                           */
    uint64_t logged_ms; /* the stamp that deadlines were held against                            */
} rf_receipt;

typedef struct {
    vd_digest message;  /* rf_received_digest of the bytes that came                             */
    rf_refusal reason;
    vd_digest question; /* STALE: the one that is open now; else 0                               */
    vd_digest head;     /* of the task's log at that time                                        */
    uint64_t position;  /* events in it                                                          */
} rf_refused;

typedef struct {
    /* the claim */
    vd_digest referee; /* the referee's public key                                               */
    vd_digest task;
    rf_role role;
    uint8_t key[32];   /* the signer's                                                           */
    rf_message_type type;
    rf_slot slot;
    union {            /* by type; WITHDRAW has none                                             */
        vd_digest terms;      /* WORK: rf_terms_digest of what the signer agrees to              */
        vd_digest commitment; /* COMMIT: rf_commitment                                           */
        rf_reveal reveal;
        rf_segment segment;
        struct { uint64_t count; vd_digest digest; } parts; /* EXPLANATION                       */
        vd_digest challenge;  /* CHALLENGE: rf_challenge_answer                                  */
        struct { uint64_t size; vd_digest digest; } opening;
        rf_receipt receipt;
        rf_refused refusal;
    } claim;
    /* the envelope */
    vd_digest question; /* rf_asked_digest, where rf_has_question; else 0                        */
    uint64_t time_ms;   /* of the sender's clock, since 1970; nothing follows from it            */
    uint64_t request;   /* the sender's own number                                               */
    uint8_t signature[64];
} rf_message;

/* ---- making and opening ------------------------------------------------------------------ */

/* Of a whole message: its type's. */
size_t rf_message_size(rf_message_type t);

/* Write a message, signature included.
 *   m         a role that may send the type (asserted); what its type does not have is not read
 *   out       RF_MESSAGE_MAX bytes are always enough
 *   returns   rf_message_size(m->type)                                                          */
size_t rf_message_encode(const rf_message *m, uint8_t *out);
/* Sign it: m->key and m->signature are set. RO_ENOMEM; RO_EOP in a build without keys. */
ro_status rf_message_sign(rf_message *m, const vd_key *k, ro_err *err) RO_CHECKED;
/* Open a message of any origin.
 *   *m        out: set only on success
 *   returns   RO_OK: it is what its signer encodes, the role may send the type, what it says is
 *             consistent in itself (a reveal's root is its body's and is signed, a segment claim
 *             is for its slot, a receipt's key is the referee's), and the signature verifies by
 *             verde's rules for keys. RO_EFORMAT, RO_ESIGNATURE; RO_ENOMEM is never a verdict
 *   cost      one signature (reveals and segments two)           thread  any
 *   note      says nothing about whether it belongs here: rf_message_expect                     */
ro_status rf_message_open(const void *bytes, size_t n, rf_message *m, ro_err *err) RO_CHECKED;
/* The same without signatures and consistency, for bytes that were opened once and kept since:
 * RO_OK: they are what rf_message_encode writes. RO_EFORMAT.                                    */
ro_status rf_message_decode(const void *bytes, size_t n, rf_message *m, ro_err *err) RO_CHECKED;

/* What a receiver is waiting for. */
typedef struct {
    vd_digest referee, task;
    rf_role role;
    rf_message_type type;
    const uint8_t *key;        /* NULL: the caller looks up m->key                               */
    const rf_slot *slot;       /* NULL: any (for a type without fields there is but one)         */
    const vd_digest *question; /* NULL: the caller compares it (RF_R_STALE)                      */
} rf_expected;
/* RO_EDIFFER with a sentence unless the opened message is of this very context. */
ro_status rf_message_expect(const rf_message *m, const rf_expected *x, ro_err *err) RO_CHECKED;

/* Whether a payload of any origin is the one that an opened message names: size, digest; a segment
 * claim's step leaves give the root of its tree. Messages without a payload have one of 0 bytes.
 * RO_EDIFFER. No more than size and hashes is checked: whether an answer answers is the game's to
 * say. */
ro_status rf_payload_check(const rf_message *m, const void *bytes, size_t n, ro_err *err)
    RO_CHECKED;
vd_digest rf_payload_digest(const void *bytes, size_t n);

/* ---- what names what --------------------------------------------------------------------- */

/* (referee, task, role, key, slot): equal digests, one slot. Types without a slot: asserted. */
vd_digest rf_slot_digest(const rf_message *m);
/* (type, claim bytes). A withdrawal and a reveal share a slot and differ here. */
vd_digest rf_claim_digest(const rf_message *m);
/* What receipts name: slot and claim; without a slot (referee, task, role, key, question, claim).
 * The same in every envelope. */
vd_digest rf_message_id(const rf_message *m);
/* Of bytes as they came, which may be no message at all. */
vd_digest rf_received_digest(const void *bytes, size_t n);

/* Hash of a question, for envelopes: task, pair, level, path.
 *   level, pair  of the bracket, from 0
 *   root      of the claim that is asked about: a trace root, or a segment claim's root
 *   kind      rf_question_name(q->kind), or "segments", "explanation", "challenge" for the windows
 *             in which claims are filed: ASCII, 1 to 31 bytes (asserted)
 *   q         what of it is hashed: parties (1, 2: that side; 3: both), tree (its name), lo, hi,
 *             depth, of, tensor, step, node, output, element, level, index; NULL: none
 *   note      who may answer is in it: what one party opened for both sides may be asked of one
 *             side later. Claim numbers, which are the host's own, are not                      */
typedef struct {
    vd_digest task, root;
    uint32_t level, pair;
    const char *kind;
    const rf_question *q;
} rf_asked;
vd_digest rf_asked_digest(const rf_asked *a);

/* ---- commitments, salts, challenges, terms ----------------------------------------------- */

/* H(tag, referee, task, key, root, salt). */
vd_digest rf_commitment(const vd_digest *referee, const vd_digest *task, const uint8_t key[32],
                        const vd_digest *root, const vd_digest *salt);
/* Whether a reveal opens a commitment: both opened; referee, task, role and key are equal and the
 * hash is right. */
int rf_reveal_opens(const rf_message *commit, const rf_message *reveal);
/* The salt of a task, from the provider's own seed: a restarted provider, or one that lost all
 * but its key, repeats its commitment to the bit. RO_ENOMEM; RO_EOP. */
ro_status rf_salt(const vd_key *k, const vd_digest *referee, const vd_digest *task,
                  vd_digest *salt, ro_err *err) RO_CHECKED;
/* H(tag, task, key, tensor bytes): bound to the key, so no answer can be passed on.
 *   bytes     the tensor's canonical bytes; borrowed                                             */
vd_digest rf_challenge_answer(const vd_digest *task, const uint8_t key[32], const void *bytes,
                              size_t n);
/* Of the task's parameters, in whatever canonical bytes the task keeps them. */
vd_digest rf_terms_digest(const void *bytes, size_t n);

/* ---- equivocation ------------------------------------------------------------------------ */

/* Whether two opened messages are two claims of one signer in one slot. */
int rf_equivocates(const rf_message *a, const rf_message *b);

/* Evidence of it: both messages as they were signed, in an order that follows from them, so that
 * one equivocation pair has one byte string. It verifies with the two messages alone. */
#define RF_EQUIVOCATION_MAX (20u + 2u * (4u + RF_MESSAGE_MAX))
/*   a, b      opened, and rf_equivocates (asserted)
 *   returns   the number of bytes                                                               */
size_t rf_equivocation_write(const rf_message *a, const rf_message *b,
                             uint8_t out[RF_EQUIVOCATION_MAX]);
/*   bytes     of any origin
 *   messages  out: set only on success; who is guilty is messages[0].key
 *   returns   RO_OK it is evidence; RO_EFORMAT; RO_ESIGNATURE; RO_EDIFFER the two do not
 *             contradict each other                                                             */
ro_status rf_equivocation_check(const void *bytes, size_t n, rf_message messages[2], ro_err *err)
    RO_CHECKED;

#ifdef __cplusplus
}
#endif
#endif
