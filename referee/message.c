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

int rf_has_slot(rf_message_type t) { return types[t].slot != NULL; }
int rf_has_question(rf_message_type t) { return types[t].question; }
int rf_has_payload(rf_message_type t) { return types[t].payload; }
