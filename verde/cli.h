/* cli.h - what the commands of `verde` share: options, exit codes, progress, JSON. Private to
 * the program. */
#ifndef VD_CLI_H
#define VD_CLI_H
#include <cjson/cJSON.h>
#include <stdio.h>

#include "onnx_lower.h"

/* Exit codes: 0 done, 1 it differs, 2 usage, 3 malformed input or bad signature, 4 I/O, 5 another
 * operator or version, 6 a fault of this machine. */
int cli_exit_code(ro_status st);

/* One option of a command: "--name" with or without a value, perhaps many times. */
typedef struct {
    const char *name;
    int has_value, many; /* many: may be given more than once */
    const char *value; /* the last one given */
    uint32_t count;
    const char *all[64];
} cli_option;

typedef struct {
    cli_option *options; /* the last has name NULL */
    char **words; /* in argv, which gives up its beginning for them */
    uint32_t word_count;
} cli_args;

/* Sort argv into options and words; RO_EUSAGE names what is wrong. */
ro_status cli_parse(int argc, char **argv, cli_args *a, uint32_t min_words, uint32_t max_words,
                    ro_err *err) RO_CHECKED;
const cli_option *cli_get(const cli_args *a, const char *name);
const char *cli_value(const cli_args *a, const char *name); /* NULL: not given */
ro_status cli_number(const cli_args *a, const char *name, uint64_t low, uint64_t high,
                     uint64_t *out, ro_err *err) RO_CHECKED;

/* Print one JSON document and free it. */
void cli_json(cJSON *doc);
void cli_json_u64(cJSON *o, const char *key, uint64_t v); /* a number up to 2^53, else a string */
void cli_json_digest(cJSON *o, const char *key, const vd_digest *d);

const char *cli_bytes(uint64_t n, char text[32]);   /* "47.04 MB" */
const char *cli_count(uint64_t n, char text[32]);   /* "1,876"    */
const char *cli_amount(double n, char text[32]);    /* "370.4 G"  */
const char *cli_time(double seconds, char text[32]);/* "1 min 12 s" */

/* Progress on stderr: a bar with ETA on a terminal, a line now and then with plain, one JSON
 * object a line with json. */
typedef enum { CLI_AUTO, CLI_PLAIN, CLI_JSON, CLI_NONE } cli_progress_kind;
typedef struct { cli_progress_kind kind; const char *label; double last; int drawn; } cli_progress;
ro_status cli_progress_init(cli_progress *p, const char *kind, const char *label, ro_err *err)
    RO_CHECKED;
void cli_progress_step(void *ctx, const vd_progress *p);
void cli_progress_end(cli_progress *p);

/* A job from JSON, canonical bytes or a trace, with what is needed to run it. */
typedef struct {
    ro_arena *arena;
    ro_pool *pool;
    vd_job *job;
    vd_job_file file; /* from JSON only */
    int is_json, is_model; /* is_model: an ONNX model that is run once */
    vd_onnx_job onnx;      /* of a model */
    const void **constants;
    vd_store *store;
} cli_job;
ro_status cli_job_load(cli_job *j, const char *path, const cli_args *a, ro_err *err)
    RO_CHECKED;
/* What the job of a model names, and nothing is loaded: its file, and files of inputs.
 *   *f        out: in the arena; f->onnx is NULL where the job has no model of ONNX              */
ro_status cli_model_files(const char *path, const cli_args *a, ro_arena *arena, vd_job_file *f,
                          ro_err *err) RO_CHECKED;
/* A value of that type (NULL: a tensor): IDX, .npy, or where the name ends in .pb the message of
 * ONNX that the type says. */
ro_status cli_value_load(const char *path, const vd_onnx_type *type, ro_arena *arena,
                         vd_onnx_input *out, ro_err *err) RO_CHECKED;
/* Constants from the loaded data or the store; into the store where it lacks them. */
ro_status cli_job_constants(cli_job *j, ro_err *err) RO_CHECKED;
void cli_job_free(cli_job *j);
ro_status cli_pool(const cli_args *a, ro_pool **pool, ro_err *err) RO_CHECKED;
/* X.trace -> X.store unless --store names another. */
ro_status cli_store(const cli_args *a, const char *trace, int create, vd_store **out, ro_err *err)
    RO_CHECKED;
/* A trace; a trace or a segment claim. A file that contradicts itself is malformed. */
ro_status cli_trace_open(const char *path, vd_trace **out, ro_err *err) RO_CHECKED;
ro_status cli_file_open(const char *path, vd_trace **out, ro_err *err) RO_CHECKED;
ro_status cli_faults(const cli_args *a, vd_fault *f, uint32_t *count, ro_err *err) RO_CHECKED;

/* Run the only step of a model's job: its outputs, in the job's arena, and what they hash to. */
ro_status cli_model_run(const cli_job *j, const vd_exec_options *e, ro_tensor *out,
                        vd_digest *outputs, ro_err *err) RO_CHECKED;

/* Run a model's step once more for its outputs (cmd_model.c): listed on stdout, or in o when that
 * is not NULL, and written to the folder `out` when that is not.
 *   expect    what the step's outputs must hash to, as a trace has it; NULL: none
 *   returns   RO_OK; RO_EDIFFER they do not; what running, or writing, says                   */
ro_status cli_model_outputs(cli_job *j, const vd_exec_options *e, const vd_digest *expect,
                            const char *out, cJSON *o, ro_err *err) RO_CHECKED;

/* A tensor's name as that of a .npy file: other characters become _, and what one of the k before
 * it has already gets a number. list: the first of them, each so many bytes from the one before. */
typedef char cli_file_name[200];
void cli_name_file(const char *name, cli_file_name *list, size_t stride, uint32_t k);

/* The text of a job that runs an ONNX model, with a file for each input (cmd_onnx.c).
 *   as        how the job names the model
 *   notes     where it is said what each of these files is; NULL: nowhere                     */
ro_status cli_model_template(const char *path, const char *as, FILE *to, FILE *notes, ro_err *err)
    RO_CHECKED;

/* What an ONNX model holds, on stdout (cmd_onnx.c). */
ro_status cli_inspect_model(const char *path, int json, ro_err *err) RO_CHECKED;

/* safetensors.c */
typedef struct { const char *name; ro_type type; const uint8_t *bytes; } vd_named_tensor;
ro_status vd_safetensors_write(const char *path, const vd_named_tensor *t, uint32_t count,
                               ro_err *err) RO_CHECKED;
ro_status vd_safetensors_read(const char *path, ro_arena *arena, vd_named_tensor **t,
                              uint32_t *count, ro_err *err) RO_CHECKED;

/* The job of running a sentence encoder once (encoder.c): config.json and weights in safetensors.
 *   inputs    input_ids, and perhaps attention_mask and token_type_ids: int64[sentences, positions]
 *   *out      out: in the arena; its outputs are last_hidden_state and sentence_embedding
 *   returns   RO_OK; RO_EFORMAT, RO_ESHAPE, RO_ELIMIT a key, tensor or input is not as it must be,
 *             by name; RO_EOP the config asks for what is not computed; RO_EUSAGE; RO_ENOMEM; I/O
 */
ro_status vd_encoder_job(const char *config, const char *weights, const vd_onnx_input *inputs,
                         uint32_t count, vd_record record, uint32_t segment, ro_arena *arena,
                         vd_onnx_job *out, ro_err *err) RO_CHECKED;

/* onnxruntime, whose shared library is loaded now (bench_onnxruntime.c): for a process of its own,
 * which the library may end, and with which what it holds goes.
 *   library   its file; NULL: as the loader finds it
 *   inputs    kept
 *   *out      out: in the arena
 *   returns   RO_OK; RO_ENOTFOUND there is no such library; RO_EOP it is another one, or cannot run
 *             the model, as it says; RO_ELIMIT; RO_ENOMEM                                        */
typedef struct cli_onnxruntime cli_onnxruntime;
ro_status cli_onnxruntime_open(const char *library, const char *model, const vd_onnx_input *inputs,
                               uint32_t count, uint32_t threads, ro_arena *arena,
                               cli_onnxruntime **out, ro_err *err) RO_CHECKED;
const char *cli_onnxruntime_version(const cli_onnxruntime *o);
ro_status cli_onnxruntime_run(cli_onnxruntime *o, ro_err *err) RO_CHECKED;
/* An output of the last run, until the next one: RO_ENOTFOUND none is called so; RO_EOP it is no
 * tensor; RO_ETYPE, RO_ELIMIT of no type that this program has. */
ro_status cli_onnxruntime_output(cli_onnxruntime *o, const char *name, ro_tensor *out, ro_err *err)
    RO_CHECKED;

/* Strict JSON (job_json.c): UTF-8, JSON's own numbers, nothing after it, nesting bounded.
 *   what      for messages: "the job"         *out      out: freed by cJSON_Delete            */
ro_status vd_json_parse(const char *what, const char *text, uint64_t size, ro_arena *arena,
                        cJSON **out, ro_err *err) RO_CHECKED;

typedef ro_status cli_command(int argc, char **argv, int *exit_code, ro_err *err);
cli_command cmd_job_new, cmd_job_check, cmd_eval, cmd_run, cmd_open, cmd_replay, cmd_keygen,
    cmd_inspect, cmd_verify, cmd_diff, cmd_check, cmd_vectors, cmd_conformance,
    cmd_bench;
#endif
