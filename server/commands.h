/* commands.h - what the programs of agents share: how they begin and end, whom they talk to.
 *
 * What this file decides: exit codes, where server and token come from, how a signal ends a wait.
 *
 * Invariants
 *   1. A token comes from a file that its owner alone can read, or from the environment; no option
 *      takes the token itself, since a command line is seen by everybody on the machine.       */
#ifndef SV_COMMANDS_H
#define SV_COMMANDS_H
#include "../verde/cli.h"
#include "remote.h"

typedef struct {
    const char *name, *usage;
    cli_option *options;
    uint32_t min_words, max_words;
    /* *exit_code: 0 at first                                                                  */
    ro_status (*run)(const cli_args *a, int *exit_code, ro_err *err);
} sv_program;
/* A whole main: --help, options, the sentence of a failure. Exit codes are those of `verde`; 1 is
 * what the server refuses as a contradiction, or a result that is not the accepted one.        */
int sv_program_main(const sv_program *p, int argc, char **argv);

/* Set by SIGTERM and SIGINT; a second signal ends the process at once. */
extern volatile int sv_stop;
void sv_catch_signals(void);

/* The server of --server or VERDE_SERVER, with the token of --token or VERDE_TOKEN. need 1: without
 * a token RO_EUSAGE; 0: none is fine; -1: none is sent, the command has no --token. */
ro_status sv_command_server(const cli_args *a, int need, sv_remote **out, ro_err *err) RO_CHECKED;
/* The account that a token's file names in its second line; *found 0: it names none. */
ro_status sv_command_account(const cli_args *a, vd_digest *account, int *found, ro_err *err)
    RO_CHECKED;
/* Bytes on their way, on stderr: a line that is drawn over on a terminal, one now and then with
 * plain, an object of JSON a second with json. */
typedef struct {
    cli_progress_kind kind;
    const char *label;
    uint64_t done, total;
    double begun, last;
    int drawn;
} sv_meter;
/* kind: of --progress, or NULL. RO_EUSAGE. */
ro_status sv_meter_init(sv_meter *m, const char *kind, const char *label, uint64_t total,
                        ro_err *err) RO_CHECKED;
void sv_meter_moved(void *ctx, uint64_t bytes); /* sv_transfer.moved */
void sv_meter_end(sv_meter *m);

/* Follow a task until it ends, a line for each change on stderr.
 *   *t        out: as it ended
 *   returns   RO_OK; RO_EIO a signal; what sv_get_task returns                                  */
ro_status sv_follow(sv_remote *r, const vd_digest *task, sv_task_told *t, ro_err *err) RO_CHECKED;

/* An amount in whole micro-units, with commas and its sign. */
const char *sv_money(int64_t n, char text[40]);
/* "12:03:59", of this machine's clock. */
const char *sv_clock(char text[16]);
#endif
