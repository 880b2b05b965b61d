/* agent.h - a party's own side of its messages: what is on the disk before it is sent.
 *
 * What this file decides: the order sign, store, send, answer; what a restarted party says again,
 * and what it refuses to sign. docs/FORMATS.md, "The message log", states the file.
 *
 * Whoever is killed between any two of these steps and started again sends the same bytes: they
 * are in the log, or they were never handed out. So no crash makes an honest party say two things.
 *
 * Invariants
 *   1. A message is handed out for sending only when it is in the log, written and synced.
 *   2. For a slot the log holds one claim, for ever. Asked to sign another, the agent refuses; the
 *      same claim goes into as many envelopes as questions ask for it.
 *   3. The log only grows. What a crash tore at its end was never handed out, and is cut off;
 *      damage anywhere else is an error, since a forgotten claim could be contradicted.
 *   4. One process has a log open at a time. After a failed write or sync the agent says nothing
 *      more until it is opened again. */
#ifndef RF_AGENT_H
#define RF_AGENT_H
#include "message.h"
#ifdef __cplusplus
extern "C" {
#endif

#define RF_LOG_BYTES_MAX (UINT64_C(1) << 28) /* of one identity: 300,000 messages and receipts */
#define RF_LOG_HEADER_BYTES 64u
#define RF_LOG_RECORD_MAX (40u + RF_MESSAGE_MAX)
#define RF_LOG_REFUSALS_MAX 64u /* kept of one message: a referee cannot fill the disk         */
#define RF_REWRAPS_MAX 16u      /* envelopes tried in one rf_agent_deliver                      */

/* Where a log lies: a file, or what a test or simulator puts in its place. All offsets in bytes;
 * write may grow it, read never goes past its end. `sync` returns when all that was written is
 * there to stay. */
typedef struct {
    void *ctx;
    ro_status (*size)(void *ctx, uint64_t *size, ro_err *err);
    ro_status (*read)(void *ctx, uint64_t at, void *bytes, uint64_t n, ro_err *err);
    ro_status (*write)(void *ctx, uint64_t at, const void *bytes, uint64_t n, ro_err *err);
    ro_status (*truncate)(void *ctx, uint64_t size, ro_err *err);
    ro_status (*sync)(void *ctx, ro_err *err);
    void (*close)(void *ctx);
    uint64_t size_max; /* bytes a log may have here; 0: RF_LOG_BYTES_MAX */
} rf_disk;
/* A file, made with mode 0600 where it is missing, locked by this process alone; its folder is
 * synced. A reveal in it is a secret until all are published.
 *   returns   RO_OK; RO_EIO, also when another process has it; RO_EUSAGE the path names no file;
 *             RO_EFORMAT not a regular file; RO_ENOTFOUND no such folder; RO_ENOMEM             */
ro_status rf_disk_file(const char *path, rf_disk *out, ro_err *err) RO_CHECKED;

typedef struct rf_agent rf_agent;
/* Open the log of a key.
 *   d         taken: closed by rf_agent_close, and by a failure here
 *   k         kept
 *   returns   RO_OK; RO_EDIFFER it is the log of another key; RO_EFORMAT it is no log, or damaged
 *             elsewhere than at its end; RO_ELIMIT; what the disk returns; RO_ENOMEM
 *   cost      reads the log once                                 thread  one an agent           */
ro_status rf_agent_open(const rf_disk *d, const vd_key *k, rf_agent **out, ro_err *err)
    RO_CHECKED;
void rf_agent_close(rf_agent *a);

/* Sign and store a message, or find it.
 *   draft     referee, task, role, type, slot, claim, question and time_ms are read; key, request
 *             and signature are the agent's
 *   bytes     out: of RF_MESSAGE_MAX; what to send. Where the log has the same claim for the same
 *             question, to the bit what was sent before
 *   returns   RO_OK; RO_EDIFFER another claim stands in this slot; RO_EFORMAT, RO_ESIGNATURE no
 *             receiver would open this draft; RO_ELIMIT the log is full (nothing was signed that
 *             anybody saw); what the disk returns; RO_ENOMEM
 *   cost      a signature, its check, a sync                                                    */
ro_status rf_agent_say(rf_agent *a, const rf_message *draft, uint8_t *bytes, size_t *size,
                       ro_err *err) RO_CHECKED;
/* The claim that stands in the draft's slot. *found 0: none was signed yet. */
ro_status rf_agent_find(rf_agent *a, const rf_message *draft, rf_message *said, int *found,
                        ro_err *err) RO_CHECKED;
/* Take in a receipt or refusal of any origin and keep it: it proves what the referee was told.
 *   *answer   out: opened
 *   returns   RO_OK; RO_EFORMAT, RO_ESIGNATURE, RO_EDIFFER it is none, or answers nothing that
 *             this agent said: to be ignored; what the disk returns; RO_ENOMEM                  */
ro_status rf_agent_hear(rf_agent *a, const void *bytes, size_t n, rf_message *answer, ro_err *err)
    RO_CHECKED;
/* After a restart: the messages that have no receipt, oldest first, each as it was last sent.
 *   *cursor   0 at first
 *   *size     out: 0: there are no more                                                         */
ro_status rf_agent_unanswered(rf_agent *a, uint64_t *cursor, uint8_t *bytes, size_t *size,
                              ro_err *err) RO_CHECKED;

/* How messages reach the referee. *answer_size 0: nothing came back (in time). */
typedef struct {
    void *ctx;
    ro_status (*send)(void *ctx, const void *bytes, size_t n, const void *payload,
                      size_t payload_size, uint8_t answer[RF_MESSAGE_MAX], size_t *answer_size,
                      ro_err *err);
} rf_wire;
/* Say, send, hear; where the answer is that another question is open, the same claim goes out
 * again in its envelope (types with a slot; an opening is the caller's to make anew). A message
 * that has its receipt is not sent again.
 *   payload   what the claim names; RO_EDIFFER, before anything is signed, when it is not
 *   *answer   out: the receipt, or the refusal
 *   *answered out: 0: nothing, or nothing about this message, came back: try again, now or after a
 *             restart
 *   returns   RO_OK; what rf_agent_say, the wire and the disk return                            */
ro_status rf_agent_deliver(rf_agent *a, const rf_message *draft, const void *payload,
                           size_t payload_size, const rf_wire *w, rf_message *answer,
                           int *answered, ro_err *err) RO_CHECKED;

#ifdef __cplusplus
}
#endif
#endif
