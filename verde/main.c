/* main.c - the `verde` command: finds the subcommand, prints help, turns errors into a sentence
 * and an exit code. An unknown X runs the program verde-X found beside this one, as git does. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

typedef struct {
    const char *name, *sub; /* "job", "new"; sub NULL: one word */
    cli_command *run;
    const char *summary, *help;
} command;

static const command commands[] = {
    {"job", "new", cmd_job_new, "write a job file from a template",
     "verde job new --template mlp|cnn|sentence-encoder [--out FILE]\n"
     "verde job new --template onnx --model M.onnx [--out FILE]\n\n"
     "  --template  mlp: two dense layers, SGD; cnn: two convolutions, AdamW; onnx: M.onnx, run\n"
     "              once; sentence-encoder: one from its config.json and safetensors, run once\n"
     "  --out       where to write it (default: standard output; never overwrites); what its\n"
     "              inputs are to be is then listed\n\n"
     "Examples\n  verde job new --template cnn --out cnn.json\n"
     "  verde job new --template onnx --model model.onnx --out job.json\n"},
    {"job", "check", cmd_job_check, "what a job is and costs, without running it",
     "verde job check JOB [--json] [--record LEVEL] [--max-dispute BYTES] [--threads N]\n"
     "          [--out FILE]\n\n"
     "Prints the job's digest, its steps, operations and peak memory, and the node whose single\n"
     "element is dearest to judge in a dispute. A job whose dearest element reads over 256 MiB or\n"
     "takes over 1 GFLOP is refused (exit 3) unless --max-dispute says more. --out writes the\n"
     "canonical job, which every command takes in the place of JOB.\n\n"
     "Example\n  verde job check cnn.json --json\n"},
    {"run", NULL, cmd_run, "run a job and record its trace",
     "verde run JOB --trace F [--store DIR] [--record full|checkpoint:K] [--keep S]\n"
     "          [--threads N] [--steps N] [--out MODEL.safetensors] [--key KEY.pem]\n"
     "          [--expect ROOT] [--progress auto|plain|json|none] [--json]\n"
     "          [--max-dispute BYTES] [--inject step:node:element:bit]...\n"
     "verde run MODEL.onnx --input NAME=FILE... [--out DIR] [--trace F ...]\n\n"
     "  --trace     the trace to write; F.partial until it is complete\n"
     "  --store     where tensors are kept (default: F without .trace, plus .store)\n"
     "  --record    overrides the job's recording level\n"
     "  --keep      keep the state every S steps; a killed run resumes there\n"
     "  --steps     stop after N steps of this call; the same command goes on later\n"
     "  --expect    exit 1 unless the trace root is this one\n"
     "  --inject    flip one bit on purpose, for tests and demonstrations\n"
     "  --input     a tensor for an input of an ONNX model: .npy, IDX, or .pb (TensorProto)\n"
     "  --out       the trained parameters; of an ONNX model a folder for its outputs\n\n"
     "Interrupted at any instant and started again it resumes and ends in the same bytes.\n\n"
     "Examples\n  verde run cnn.json --trace mine.trace --key me.pem --out model.safetensors\n"
     "  verde run model.onnx --input x=x.npy --out results\n"},
    {"open", NULL, cmd_open, "put one step's tensors into the store, for a dispute",
     "verde open JOB --trace F --step T [--store DIR] [--threads N] [--json]\n"
     "           [--inject step:node:element:bit]...\n\n"
     "Re-runs from the nearest kept state; exit 1 when that does not land on the trace's roots.\n\n"
     "Example\n  verde open cnn.json --trace mine.trace --step 912\n"},
    {"replay", NULL, cmd_replay, "write the claim of one segment of a checkpoint trace",
     "verde replay JOB --trace F --segment I --out S.trace [--store DIR] [--key KEY.pem]\n"
     "             [--threads N] [--json] [--inject step:node:element:bit]...\n\n"
     "Example\n  verde replay cnn.json --trace mine.trace --segment 18 --out seg18.trace\n"},
    {"inspect", NULL, cmd_inspect, "what a trace or an ONNX model says",
     "verde inspect F [--step T] [--json]\n"
     "verde inspect MODEL.onnx [--json]\n\n"
     "Of a model: its inputs and outputs, its parameters, and its operators, each with whether\n"
     "RepOps has one of that name. docs/ONNX.md says what is read and what is refused.\n\n"
     "Example\n  verde inspect mine.trace --step 912\n  verde inspect model.onnx\n"},
    {"verify", NULL, cmd_verify, "check a trace, and re-run random steps of it",
     "verde verify F [--store DIR] [--sample N] [--threads N] [--json]\n\n"
     "Recomputes every leaf, tree and root in the file; --sample N re-runs N random steps.\n\n"
     "Example\n  verde verify mine.trace --sample 5\n"},
    {"diff", NULL, cmd_diff, "where two traces of a job first differ",
     "verde diff A B [--json]\n\n"
     "Exit 0 when they are equal, 1 at the first differing step, node and element\n"
     "(the element when both stores hold the tensor).\n\n"
     "Example\n  verde diff mine.trace theirs.trace\n"},
    {"check", NULL, cmd_check, "is this result what the trace committed to?",
     "verde check MODEL.safetensors --trace F [--store DIR] [--json]\n\n"
     "Example\n  verde check model.safetensors --trace mine.trace\n"},
    {"eval", NULL, cmd_eval, "accuracy on the job's test data",
     "verde eval JOB (--trace F [--store DIR] | --model MODEL.safetensors) [--threads N]\n"
     "           [--json]\n\n"
     "Example\n  verde eval cnn.json --trace mine.trace\n"},
    {"keygen", NULL, cmd_keygen, "make a signing key",
     "verde keygen FILE [--json]\n\nAn Ed25519 key in PEM, readable by its owner only; never "
     "overwrites.\n\nExample\n  verde keygen me.pem\n"},
    {"bench", NULL, cmd_bench, "time and memory of a model, beside onnxruntime's",
     "verde bench MODEL.onnx --input NAME=FILE... [--runs N] [--threads N] [--json]\n"
     "            [--onnxruntime FILE] [--onnxruntime-model MODEL.onnx]\n"
     "verde bench JOB ...\n\n"
     "  --runs               runs that are counted (default 20; none begins after 20 s)\n"
     "  --threads            with so many only (default: 1, then 2)\n"
     "  --onnxruntime        its shared library (default: the libonnxruntime.so.1 that the loader\n"
     "                       finds); pip install onnxruntime brings one\n"
     "  --onnxruntime-model  what it runs, where the job is not of a model of ONNX\n\n"
     "Prints the median and the least time of a run, the median with hashing as for a trace at\n"
     "full, how long it takes until the first run can begin, and the peak of the process; the\n"
     "same of onnxruntime, with which it takes turns on the same inputs; the ratios; and the\n"
     "largest difference of their outputs.\n\n"
     "Example\n  verde bench model.onnx --input x=x.npy --onnxruntime libonnxruntime.so.1.22.0\n"},
    {"conformance", NULL, cmd_conformance, "run a folder of ONNX's backend tests",
     "verde conformance DIR [--threads N] [--progress auto|plain|json|none] [--json]\n\n"
     "Every folder in DIR with a model.onnx and test_data_set_N is a case. Passed: all outputs\n"
     "are within ONNX's tolerance. Refused: said before it is run, with a reason. Wrong: all\n"
     "else. Exit 1 when any is wrong.\n\n"
     "Example\n  verde conformance /usr/share/libonnx-testdata/data/node\n"},
    {"vectors", "check", cmd_vectors, "check this machine against the operators' vectors",
     "verde vectors check [--dir DIR] [--scalar] [--threads N] [--json]\n\n"
     "  --dir     the folder of .vec files (default: the installed one, else ./vectors)\n"
     "  --scalar  run the scalar bodies instead of the fast kernels\n"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void usage(FILE *f)
{
    fprintf(f, "verde " VD_VERSION
               " - machine-learning work that anyone can check\n\nusage: verde COMMAND ...\n\n");
    for (size_t k = 0; k < COMMANDS; k++) {
        char name[32];
        snprintf(name, sizeof name, "%s%s%s", commands[k].name, commands[k].sub ? " " : "",
                 commands[k].sub ? commands[k].sub : "");
        fprintf(f, "  %-14s %s\n", name, commands[k].summary);
    }
    fprintf(f, "\n`verde COMMAND --help` shows options and an example. verde-dispute settles a\n"
               "difference between traces; verde-verdict re-derives its verdict.\n"
               "Exit codes: 0 done, 1 it differs, 2 usage, 3 malformed input or bad signature,\n"
               "4 I/O, 5 another job or operator version, 6 a fault of this machine.\n");
}

/* verde-X beside this program, or in the PATH. Returns only when there is none. */
static void run_external(char **argv)
{
    char self[PATH_MAX], path[PATH_MAX + 300];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (strlen(argv[1]) > 200 || strchr(argv[1], '/')) return;
    if (n > 0) {
        self[n] = 0;
        char *slash = strrchr(self, '/');
        if (slash) *slash = 0;
        snprintf(path, sizeof path, "%s/verde-%s", self, argv[1]);
        execv(path, argv + 1);
    }
    snprintf(path, sizeof path, "verde-%s", argv[1]);
    execvp(path, argv + 1);
}

static const command *find(int argc, char **argv, int *used)
{
    for (size_t k = 0; k < COMMANDS; k++) {
        const command *c = &commands[k];
        if (strcmp(c->name, argv[1])) continue;
        *used = c->sub ? 3 : 2;
        if (!c->sub || (argc > 2 && strcmp(c->sub, argv[2]) == 0)) return c;
    }
    return NULL;
}

static int wants_help(int argc, char **argv)
{
    for (int k = 2; k < argc; k++)
        if (strcmp(argv[k], "--help") == 0) return 1;
    return 0;
}

int main(int argc, char **argv)
{
    ro_err err = {0};
    int used = 0, code = 0;
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a failed write, reported in a sentence */
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help") || !strcmp(argv[1], "-h")) {
        usage(stdout);
        return 0;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("verde " VD_VERSION " (%s)\n", ro_cpu_isa());
        return 0;
    }
    const command *c = find(argc, argv, &used);
    if (c && wants_help(argc, argv)) {
        printf("usage: %s", c->help);
        return 0;
    }
    if (!c && !used) run_external(argv);
    if (!c) {
        fprintf(stderr, "verde: there is no command \"%s%s%s\"; verde --help lists them\n", argv[1],
                used && argc > 2 ? " " : "", used && argc > 2 ? argv[2] : "");
        return 2;
    }
    ro_status st = c->run(argc - used, argv + used, &code, &err);
    if (st) {
        fprintf(stderr, "verde: %s\n", err.msg[0] ? err.msg : ro_status_name(st));
        return cli_exit_code(st);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "verde: the output cannot be written: %s\n", strerror(errno));
        return 4;
    }
    return code;
}
