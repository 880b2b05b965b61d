/* main.c - the `verded` command.
 *
 * What this file decides: argv, and what it prints.
 *
 * Exit codes: 0 done; 1 the ledger is not balanced; others as those of `verde`. */
#include <string.h>

#include "../verde/cli.h"
#include "ledger.h"

static const char usage[] =
    "usage: verded reconcile --data DIR\n"
    "       verded backup --data DIR --to FOLDER\n"
    "\n"
    "  reconcile  read the ledger of DIR again, from its rows alone: exit 0 balanced, 1 not\n"
    "  backup     copy the ledger of DIR into FOLDER, which has none\n";

static ro_status reconcile(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--data", .has_value = 1}, {.name = NULL}};
    cli_args a = {.options = options};
    char why[256];
    int balanced;
    RO_TRY(cli_parse(argc, argv, &a, 0, 0, err));
    if (!cli_value(&a, "--data"))
        return RO_FAIL(err, RO_EUSAGE, "--data DIR is missing: the folder of the ledger");
    RO_TRY(sv_reconcile(cli_value(&a, "--data"), &balanced, why, stdout, err));
    *exit_code = balanced ? 0 : 1;
    return RO_OK;
}

static ro_status backup(int argc, char **argv, int *exit_code, ro_err *err)
{
    cli_option options[] = {{.name = "--data", .has_value = 1}, {.name = "--to", .has_value = 1},
                            {.name = NULL}};
    cli_args a = {.options = options};
    (void)exit_code;
    RO_TRY(cli_parse(argc, argv, &a, 0, 0, err));
    if (!cli_value(&a, "--data") || !cli_value(&a, "--to"))
        return RO_FAIL(err, RO_EUSAGE, "verded backup needs --data DIR and --to FOLDER");
    return sv_backup(cli_value(&a, "--data"), cli_value(&a, "--to"), err);
}

static ro_status run(int argc, char **argv, int *exit_code, ro_err *err)
{
    const char *name = argc > 1 ? argv[1] : "nothing";
    if (strcmp(name, "reconcile") == 0) return reconcile(argc - 2, argv + 2, exit_code, err);
    if (strcmp(name, "backup") == 0) return backup(argc - 2, argv + 2, exit_code, err);
    return RO_FAIL(err, RO_EUSAGE, "%.60s is no command of verded; see verded --help", name);
}

int main(int argc, char **argv)
{
    ro_err err = {RO_OK, {0}};
    int exit_code = 0;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    ro_status st = run(argc, argv, &exit_code, &err);
    if (!st && (fflush(stdout) != 0 || ferror(stdout)))
        st = RO_FAIL(&err, RO_EIO, "the output cannot be written");
    if (!st) return exit_code;
    fprintf(stderr, "verded: %s\n", err.msg);
    return cli_exit_code(st);
}
