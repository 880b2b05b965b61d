/* provide_main.c - the `verde-provide` command: work for a service, for pay.
 *
 * What this file decides: argv. Exit codes as those of `verde`; 1: a stake was lost.           */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "provide.h"

static const char usage_text[] =
    "usage: verde-provide --server URL --key KEY.pem --data DIR [--tasks N] [--memory BYTES]\n"
    "                     [--flops N] [--device cpu] [--reward N] [--stake N] [--check N]\n"
    "                     [--keep S] [--threads N] [--poll MS] [--files] [--once] [--json]\n"
    "                     [--inject step:node:element:bit]...\n"
    "\n"
    "Takes tasks that it can run, runs them, answers for them and delivers, until it is told to\n"
    "stop (SIGTERM). It may be killed at any instant and started again: whatever it signed is on\n"
    "the disk before it is sent. Its key needs money for stakes: verde account deposit.\n"
    "\n"
    "  --data     its folder: the message log and the files of its tasks. Never share or lose it\n"
    "             while a task is under way\n"
    "  --tasks    at a time (default 4), run one after the other; 0: none, only audits that it is\n"
    "             drawn for\n"
    "  --memory   of a job at most (default: three quarters of this machine's)\n"
    "  --flops    operations of a job at most (default: any)\n"
    "  --device   what runs them: cpu\n"
    "  --reward   of a slot at least (default 0), --stake at most (default: any)\n"
    "  --check    random steps that are run again before anything is said (default 2)\n"
    "  --keep     keep the state every S steps, as verde run does\n"
    "  --poll     how often the server is asked, in milliseconds (default 250)\n"
    "  --files    keep the files of a task after its end\n"
    "  --once     end when the tasks that were taken have ended\n"
    "  --inject   flip a bit on purpose: it will lose its stake. For tests and demonstrations\n"
    "\n"
    "Example\n"
    "  verde provide --server $URL --key me.pem --data provider --tasks 1\n";

static uint64_t machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages / 4 * 3 * (uint64_t)size : UINT64_C(1) << 30;
}

static ro_status read_limits(const cli_args *a, sv_provide_options *o, ro_err *err)
{
    uint64_t reward = 0, stake = INT64_MAX;
    o->memory_bytes = machine_memory();
    o->flops = UINT64_MAX;
    o->tasks = 4;
    o->checks = 2;
    o->poll_ms = 250;
    RO_TRY(cli_number(a, "--memory", 1, UINT64_MAX, &o->memory_bytes, err));
    RO_TRY(cli_number(a, "--flops", 1, UINT64_MAX, &o->flops, err));
    RO_TRY(cli_number(a, "--tasks", 0, 64, &o->tasks, err));
    RO_TRY(cli_number(a, "--check", 0, 1000, &o->checks, err));
    RO_TRY(cli_number(a, "--keep", 1, VD_STEPS_MAX, &o->snapshot, err));
    RO_TRY(cli_number(a, "--threads", 1, RO_THREADS_MAX, &o->threads, err));
    RO_TRY(cli_number(a, "--poll", 20, 60000, &o->poll_ms, err));
    RO_TRY(cli_number(a, "--reward", 0, INT64_MAX, &reward, err));
    RO_TRY(cli_number(a, "--stake", 0, INT64_MAX, &stake, err));
    o->reward = (int64_t)reward;
    o->stake = (int64_t)stake;
    return RO_OK;
}

static ro_status run(const cli_args *a, int *exit_code, ro_err *err)
{
    static vd_fault faults[VD_FAULTS_MAX];
    sv_provide_options o;
    sv_remote *r = NULL;
    uint32_t lost = 0;
    const char *device = cli_value(a, "--device");
    memset(&o, 0, sizeof o);
    RO_TRY(sv_command_server(a, -1, &r, err));
    RO_TRY(read_limits(a, &o, err));
    if (device && strcmp(device, "cpu") != 0)
        return RO_FAIL(err, RO_EUSAGE, "--device is \"%.40s\"; this program runs jobs on cpu",
                       device);
    o.key_path = cli_value(a, "--key");
    o.data = cli_value(a, "--data");
    if (!o.key_path || !o.data)
        return RO_FAIL(err, RO_EUSAGE, "verde-provide needs --key KEY.pem and --data DIR");
    RO_TRY(cli_faults(a, faults, &o.fault_count, err));
    o.server = sv_remote_server(r);
    o.faults = faults;
    o.once = cli_value(a, "--once") != NULL;
    o.json = cli_value(a, "--json") != NULL;
    o.keep = cli_value(a, "--files") != NULL;
    o.stop = &sv_stop;
    ro_status st = sv_provide(&o, &lost, err);
    sv_remote_close(r);
    if (!st && lost) *exit_code = 1;
    return st;
}

int main(int argc, char **argv)
{
    cli_option options[] = {
        {.name = "--server", .has_value = 1},  {.name = "--key", .has_value = 1},
        {.name = "--data", .has_value = 1},    {.name = "--tasks", .has_value = 1},
        {.name = "--memory", .has_value = 1},  {.name = "--flops", .has_value = 1},
        {.name = "--device", .has_value = 1},  {.name = "--reward", .has_value = 1},
        {.name = "--stake", .has_value = 1},   {.name = "--check", .has_value = 1},
        {.name = "--keep", .has_value = 1},    {.name = "--threads", .has_value = 1},
        {.name = "--poll", .has_value = 1},    {.name = "--files"},
        {.name = "--once"},                    {.name = "--json"},
        {.name = "--inject", .has_value = 1, .many = 1},
        {0}};
    const sv_program p = {"verde-provide", usage_text, options, 0, 0, run};
    sv_catch_signals();
    return sv_program_main(&p, argc, argv);
}
