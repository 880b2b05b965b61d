/* repops.h - the public interface of RepOps: operators that give the same bits everywhere.
 *
 * What this file decides: status and errors, memory, threads, dtypes and tensor views, the
 * reader through which a scalar body sees its inputs, the operator table, the graph and the
 * interface of a backend. docs/ARITHMETIC.md says what each operator computes.
 *
 * Invariants
 *   1. No function here prints, exits or keeps a global that can change an output bit.
 *   2. After admission (ro_graph_check) no tensor value makes an operator fail.
 *   3. The thread count, the ISA level and the backend never change a bit. */
#ifndef REPOPS_H
#define REPOPS_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- status and errors (base.c) --------------------------------------------------------- */

typedef enum {
    RO_OK = 0,
    RO_EUSAGE,    /* the caller's arguments (command line, options)                          */
    RO_EFORMAT,   /* bytes that are not what they claim to be                                */
    RO_ELIMIT,    /* a size or count over its limit                                          */
    RO_ESHAPE,    /* shapes that do not fit an operator                                      */
    RO_ETYPE,     /* a dtype that an operator does not take                                  */
    RO_EATTR,     /* an attribute outside its range                                          */
    RO_EOP,       /* an operator or a version that this program lacks                        */
    RO_ENOMEM,    /* memory could not be had                                                 */
    RO_EIO,       /* the operating system refused a read or a write                          */
    RO_ENOTFOUND, /* a tensor, step or file that is not there                                */
    RO_ESIGNATURE,/* a signature or key that does not verify                                 */
    RO_EDIFFER,   /* things that should be equal are not (a job, a root)                     */
    RO_EDEVICE    /* a device or its driver failed                                           */
} ro_status;

/* First failure wins; msg is a whole sentence with the value and the limit. */
typedef struct { ro_status code; char msg[256]; } ro_err;

#ifdef __cplusplus
#define RO_NORETURN [[noreturn]]
#else
#define RO_NORETURN _Noreturn
#endif
#if defined(__GNUC__)
#define RO_CHECKED __attribute__((warn_unused_result))
#define RO_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define RO_CHECKED
#define RO_PRINTF(a, b)
#endif

/* Record a failure. err may be NULL; an earlier failure in *err is kept. Returns code. */
ro_status ro_fail(ro_err *err, ro_status code, const char *format, ...) RO_PRINTF(3, 4);
const char *ro_status_name(ro_status code);
RO_NORETURN void ro_assert_failed(const char *expression, const char *file, int line);

#define RO_FAIL(err, code, ...) ro_fail((err), (code), __VA_ARGS__)
#define RO_TRY(call)                                  \
    do {                                              \
        ro_status ro_try_status_ = (call);            \
        if (ro_try_status_) return ro_try_status_;    \
    } while (0)
#define RO_ASSERT(x) ((x) ? (void)0 : ro_assert_failed(#x, __FILE__, __LINE__))

/* ---- memory and checked sizes (base.c: the only malloc) ---------------------------------- */

/* 64-byte aligned, uninitialised; NULL when it cannot be had. size 0 gives a valid pointer. */
void *ro_alloc(size_t size);
void *ro_alloc_zero(size_t size);
void *ro_resize(void *p, size_t old_size, size_t new_size); /* NULL on failure: p stays valid */
void ro_free(void *p);                                       /* ro_free(NULL) is a no-op      */

/* Tests only: make the n-th allocation from now on fail (0: none), once or for good. */
void ro_alloc_fail_at(uint64_t n, int persistent);

/* Products and sums of sizes; 0 when the result does not fit (then *out is untouched). */
int ro_mul_size(uint64_t a, uint64_t b, uint64_t *out);
int ro_add_size(uint64_t a, uint64_t b, uint64_t *out);

/* Everything of one job, request or game; freed in one line. Not thread safe. */
typedef struct ro_arena ro_arena;
ro_arena *ro_arena_new(void); /* NULL: no memory */
void ro_arena_free(ro_arena *a);
void *ro_arena_alloc(ro_arena *a, size_t size); /* zeroed, 64-byte aligned; NULL: no memory */
char *ro_arena_string(ro_arena *a, const char *s, size_t n);

/* ---- threads (threads.c) ----------------------------------------------------------------- */

#define RO_THREADS_MAX 256u
typedef struct ro_pool ro_pool;
/* threads 0: as many as the process may run on. Each worker has the floating-point mode of
 * ARITHMETIC rule 1 set and checked. NULL pool everywhere below: the caller's thread only. */
ro_status ro_pool_new(uint32_t threads, ro_pool **out, ro_err *err) RO_CHECKED;
void ro_pool_free(ro_pool *p);
uint32_t ro_pool_threads(const ro_pool *p); /* >= 1 */
uint32_t ro_cores(void); /* that this process may use: threads of a pool of 0 */

typedef void ro_range_fn(void *ctx, uint64_t begin, uint64_t end, uint32_t worker);
/* Call fn over [0, n) in ranges whose bounds are multiples of grain (but the end). Which
 * worker runs which range varies; fn must not let that change a result. Returns when all ran.
 * Nested calls run in the calling worker; its number is 0 unless p is the pool it works for. */
void ro_parallel(ro_pool *p, uint64_t n, uint64_t grain, ro_range_fn *fn, void *ctx);
/* Set round-to-nearest, subnormals kept, in the calling thread, and check that and fma;
 * RO_EDEVICE if it cannot be had. */
ro_status ro_float_mode(ro_err *err) RO_CHECKED;

/* ---- dtypes and tensors ------------------------------------------------------------------ */

/* The codes are ONNX's TensorProto.DataType; they are the wire codes of docs/FORMATS.md. */
typedef enum {
    RO_NONE = 0, RO_F32 = 1, RO_U8 = 2, RO_I8 = 3, RO_U16 = 4, RO_I16 = 5, RO_I32 = 6,
    RO_I64 = 7, RO_BOOL = 9, RO_F16 = 10, RO_F64 = 11, RO_U32 = 12, RO_U64 = 13, RO_BF16 = 16
} ro_dtype;
#define RO_DTYPE_LIMIT 17

typedef enum { RO_C_F32, RO_C_F64, RO_C_I64, RO_C_U64, RO_C_COUNT } ro_compute;

typedef struct {
    const char *name;   /* "float32": numpy's, NULL where the code is unused   */
    const char *word;   /* "f32": in signatures and vectors                    */
    uint32_t size;      /* bytes an element                                    */
    ro_compute compute; /* the type in which an element is computed            */
} ro_dtype_info;
extern const ro_dtype_info ro_dtypes[RO_DTYPE_LIMIT];
ro_dtype ro_dtype_by_name(const char *name); /* RO_NONE: no such name */
ro_dtype ro_dtype_by_word(const char *word); /* RO_NONE: no such word */
int ro_dtype_is_float(ro_dtype d);

#define RO_TOPK_LINE_MAX 256 /* elements that one result of TopK may read: 1 MiB of chunks */
#define RO_RANK_MAX 8u                       /* ONNX models in the wild have at most 6     */
#define RO_ELEMENTS_MAX (UINT64_C(1) << 40)  /* of one tensor: keeps all index sums in i64 */

/* What a tensor is, without its bytes. dtype RO_NONE: an optional input that is absent. */
typedef struct { ro_dtype dtype; uint32_t rank; int64_t dims[RO_RANK_MAX]; } ro_type;

ro_type ro_type_of(ro_dtype dtype, uint32_t rank, const int64_t *dims);
int ro_type_equal(const ro_type *a, const ro_type *b);
uint64_t ro_type_elements(const ro_type *t);   /* of a checked type; rank 0: 1 */
uint64_t ro_type_bytes(const ro_type *t);      /* of a checked type            */
/* RO_ESHAPE / RO_ETYPE / RO_ELIMIT unless known dtype, rank <= 8, dims >= 0, product fits. */
ro_status ro_type_check(const ro_type *t, ro_err *err) RO_CHECKED;
/* "float32[64,1,28,28]" into text; returns text. */
const char *ro_type_text(const ro_type *t, char *text, size_t size);

/* A view: row-major, contiguous, in the machine's byte order; owns nothing. */
typedef struct { ro_type type; void *data; } ro_tensor;

/* The stored bits of element i of data of a dtype. */
uint64_t ro_element(ro_dtype d, const void *data, uint64_t i);
void ro_set_element(ro_dtype d, void *data, uint64_t i, uint64_t bits);
/* An element from its stored bits: of a float dtype as a binary64, exactly; of another as an
 * integer, of uint64 mod 2^64. */
double ro_float_of_bits(ro_dtype d, uint64_t bits);
int64_t ro_integer_of_bits(ro_dtype d, uint64_t bits);
/* The stored bits of a number: in a float dtype rounded once, in another a whole number mod 2^w. */
uint64_t ro_bits_of_number(ro_dtype d, double x);
/* A number from its stored bits, into text; enough digits to tell it from others. Returns text. */
const char *ro_element_text(ro_dtype d, uint64_t bits, char text[40]);

/* Between memory and canonical (little-endian) bytes; the same routine both ways. */
void ro_canonical_bytes(ro_dtype dtype, const void *from, void *to, uint64_t elements);

/* ---- the reader: how a scalar body sees its inputs ---------------------------------------- */

#define RO_INPUTS_MAX 64u  /* Concat and Sum are the widest; ONNX's suites use at most 8 */
#define RO_OUTPUTS_MAX 64u /* Split                                                      */

/* With data set, element j of input n lies at data[n]; without it (the referee) fetch is
 * asked and may note a missing chunk and return 0 (bodies are total, so running on is
 * harmless). Types are those of the node. */
typedef struct ro_reader ro_reader;
struct ro_reader {
    const ro_type *in;
    const ro_type *out;
    uint32_t inputs, outputs;
    const void *const *data;
    uint64_t (*fetch)(const ro_reader *r, uint32_t input, uint64_t element);
    void *ctx;
};

/* ---- operators (op_table.c; ops.def; ops/<op>.h) ------------------------------------------ */

#define RO_INTS_MAX 16u /* pads of an 8-dimensional tensor */
typedef struct { uint32_t n; int64_t v[RO_INTS_MAX]; } ro_ints;

typedef enum { RO_A_U32, RO_A_U64, RO_A_I64, RO_A_F32, RO_A_F64, RO_A_INTS } ro_field_kind;
typedef struct { const char *name; ro_field_kind kind; uint32_t offset; } ro_field;

typedef enum {
    RO_P_MAP, RO_P_ROW, RO_P_CONTRACT, RO_P_MOVE, RO_P_AT
} ro_pattern;

#define RO_OP_ID(name) RO_OP_##name
typedef enum {
#define RO_OP(name, ...) RO_OP_##name,
#include "ops.def"
#undef RO_OP
    RO_OP_COUNT
} ro_op;

typedef struct ro_graph ro_graph;
typedef struct ro_node ro_node;
typedef uint32_t ro_value; /* index of a value in a graph */
#define RO_NO_VALUE UINT32_MAX

/* Element i of output `out`, as the bits stored in the output's dtype (low bytes). */
typedef uint64_t ro_at_fn(const ro_reader *r, const void *attrs, uint32_t out, uint64_t i);

/* ---- how a dear element explains itself (docs/PROTOCOL.md, phase 3d; explain.c)
 *
 * An element is cut into parts, numbered (level, index). A part is 64 bits: of the compute type
 * (or of an accumulator), but the one part of the last level is the element's stored bits. What
 * a part needs are runs of parts of lower levels, of lower index in its own level, or (in a chain)
 * of the level above that lie before it; part() computes it from those and from inputs, and from
 * nothing else:
 *   contraction  level 0 the block sums, 1 the group sums (16 blocks left to right), 2 the running
 *                sum after every 4,096 groups, each needing the one before it and the groups
 *                since, 3 the value, which lists all running sums
 *   row          for each stage in program order the lanes of its 4,096-chunks (lane l of chunk c
 *                is part 32 c + l), the chunks' results, then these reduced by the same rule
 *                until one is left; the value needs the last of every stage, a lane of a later
 *                stage those of the stages before it
 *   chain        level 0 the accumulators after every 256 positions (and at the end), 1 those after
 *                every 4,096 parts of level 0, each listing these; 2 the value, which lists all of
 *                level 1. A part of level 0 needs the accumulator before it: at the beginning of
 *                a list that is a part of level 1
 * Where a part reads does not hang on what its needs claim, so one set of chunks serves both
 * parties: a mark of 0 only leaves reads out, and the accumulator that says where a chain's part of
 * level 0 reads is agreed by the time that such a part is in question. It does hang on what is
 * agreed of its needs: the chunks that two parties handed over serve no other two, who agree on
 * another accumulator.
 * A referee whose two parties differ on part P (at first the value) asks both for the parts that
 * P needs and are not agreed yet; an answer on which part(P) is not the answerer's P is refused.
 * It goes on with the first need on which they differ, in the order of the list, and computes P
 * itself where all needs are agreed. How many parts a level has, and what each needs, follows
 * from types and attributes; input bits matter to part() alone, and no claimed bits, however
 * wild, make it fail. A part reads at most RO_PART_READS elements of an input, each perhaps in a
 * chunk of its own. level and index must be in range: the caller checks them. */
#define RO_LEVELS_MAX 16u
#define RO_NEEDS_MAX 8u
#define RO_PART_READS 258u /* positions of a chain, the best so far and the element's own */
typedef struct { uint32_t level; uint64_t begin, end; } ro_parts; /* a run of parts; not empty */
/* Agreed or claimed parts, asked for only as needs lists them. */
typedef struct ro_claims ro_claims;
struct ro_claims {
    uint64_t (*part)(const ro_claims *claims, uint32_t level, uint64_t index);
    void *ctx;
};
typedef struct {
    /* Parts of each level into count[RO_LEVELS_MAX]; returns the number of levels. */
    uint32_t (*levels)(const ro_reader *r, const void *attrs, uint32_t out, uint64_t i,
                       uint64_t *count);
    /* What a part needs, into needs[RO_NEEDS_MAX], first to last; returns the number of runs. */
    uint32_t (*needs)(const ro_reader *r, const void *attrs, uint32_t out, uint64_t i,
                      uint32_t level, uint64_t index, ro_parts *needs);
    uint64_t (*part)(const ro_reader *r, const void *attrs, uint32_t out, uint64_t i,
                     uint32_t level, uint64_t index, const ro_claims *claims);
    /* What the lowest levels hold: marks (0 or 1) in so many, else positions; above, numbers. */
    uint32_t marks, positions;
} ro_explain;

typedef struct {
    const char *name; /* ONNX's where ONNX has it */
    uint32_t version; /* rises when any output bit changes */
    ro_pattern pattern;
    /* "F x, F y?, A z... -> F out, i64 indices?": a dtype set and a name each; ? optional,
     * ... variadic. Equal set letters mean equal dtypes. Sets: F float, H float but no float64,
     * S what F is computed in (f64 or f32), N number, I int32 or int64, A any, B any other, or a
     * dtype's word. */
    const char *signature;
    const ro_field *(*fields)(uint32_t *count); /* attributes in committed order */
    uint32_t attrs_size;
    ro_at_fn *at[RO_C_COUNT]; /* by the compute type of the first T input; all equal: bits */
    const ro_explain *explain[RO_C_COUNT]; /* NULL: a cheap element, or one that cannot */
    /* Output types from input types. n_out is what the graph asks for. */
    ro_status (*infer)(const void *attrs, const ro_type *in, uint32_t n_in, ro_type *out,
                       uint32_t n_out, ro_err *err);
    /* Operations for one element of an output, computed alone: fma counts 2. Saturates at
     * UINT64_MAX. */
    uint64_t (*flops)(const void *attrs, const ro_type *in, uint32_t n_in, const ro_type *out);
    /* How many output elements share that work where all are computed: a whole output costs
     * elements * flops / shared. NULL: none do, 1. */
    uint64_t (*shared)(const void *attrs, const ro_type *in, uint32_t n_in, const ro_type *out);
    /* Static bound on the elements of input `input` that one output element reads. */
    uint64_t (*reads)(const void *attrs, const ro_type *in, uint32_t n_in, const ro_type *out,
                      uint32_t input);
    /* Emit gradient nodes: dy[k] is the gradient of output k (or RO_NO_VALUE); store into
     * dx[j] the gradient of input j, RO_NO_VALUE where there is none. NULL: refused for
     * training, by name. */
    ro_status (*grad)(ro_graph *g, const ro_node *node, const ro_value *dy, ro_value *dx,
                      ro_err *err);
} ro_op_desc;

extern const ro_op_desc ro_ops[RO_OP_COUNT];

/* RO_OP_COUNT when there is none of that name and version. */
ro_op ro_op_find(const char *name, uint32_t version);
ro_op ro_op_newest(const char *name); /* the highest version of that name, or RO_OP_COUNT */
#define RO_ATTR_BYTES_MAX 1024u
/* Canonical little-endian bytes of attributes: fields in order, i/f 4 or 8 bytes, ints a u32
 * count and i64s. Returns the size (<= RO_ATTR_BYTES_MAX). */
size_t ro_attrs_encode(ro_op op, const void *attrs, uint8_t *out);
/* The inverse; RO_EFORMAT unless exactly n bytes are one canonical encoding. */
ro_status ro_attrs_decode(ro_op op, const uint8_t *bytes, size_t n, void *attrs, ro_err *err)
    RO_CHECKED;
/* Set one attribute by name in zeroed storage of ro_ops[op].attrs_size bytes (at most
 * RO_ATTRS_SIZE_MAX). A real is rounded once where the field is f32. RO_EATTR: no such field, or
 * a value outside its type. */
#define RO_ATTRS_SIZE_MAX 1024u
ro_status ro_attr_set_int(ro_op op, void *attrs, const char *name, int64_t v, ro_err *err)
    RO_CHECKED;
ro_status ro_attr_set_real(ro_op op, void *attrs, const char *name, double v, ro_err *err)
    RO_CHECKED;
ro_status ro_attr_set_ints(ro_op op, void *attrs, const char *name, const int64_t *v, uint32_t n,
                           ro_err *err) RO_CHECKED;
/* Whether it moves bits and computes nothing. */
int ro_keeps_bits(ro_op op, const void *attrs);
/* Run the scalar body. */
uint64_t ro_at(ro_op op, const ro_reader *r, const void *attrs, uint32_t out, uint64_t i);
/* How elements of this node explain themselves; NULL: they do not. */
const ro_explain *ro_explain_of(ro_op op, const ro_reader *r);
/* No part of any element of an output needs more parts than this; by types and attributes alone. */
uint64_t ro_part_needs_most(ro_op op, const ro_reader *r, const void *attrs, uint32_t out);
/* Whether these bits may be a part of that level: a mark is 0 or 1, a float32 is in the low 32. */
int ro_part_canonical(ro_op op, const ro_reader *r, uint32_t level, uint64_t bits);
/* Every part of an element, as an honest party computes them: the parts of all levels, level by
 * level, into *parts (freed by ro_free), the number of each level into count[RO_LEVELS_MAX].
 *   returns   RO_OK; RO_EOP the operator has no explanation; RO_ENOMEM
 *   cost      about that of the element once     thread  any                               */
ro_status ro_explain_all(ro_op op, const ro_reader *r, const void *attrs, uint32_t out, uint64_t i,
                         uint32_t *levels, uint64_t *count, uint64_t **parts, ro_err *err)
    RO_CHECKED;

/* ---- graphs (graph.c) --------------------------------------------------------------------- */

#define RO_NODES_MAX 131072u
#define RO_VALUES_MAX 262144u

typedef enum { RO_V_SLOT, RO_V_CONSTANT, RO_V_NODE } ro_value_kind;
typedef struct {
    ro_value_kind kind;
    uint32_t index;  /* slot, constant or node number */
    uint32_t output; /* of the node */
    ro_type type;
} ro_value_info;

struct ro_node {
    ro_op op;
    void *attrs; /* ro_ops[op].attrs_size bytes, in the graph's arena */
    uint32_t inputs, outputs;
    ro_value *in;         /* RO_NO_VALUE: absent optional input */
    ro_value first_output; /* outputs are consecutive values */
};

/* One step program: values in SSA order, nodes, the value each slot has after the step
 * (RO_NO_VALUE: unchanged) and the values that leave as outputs. */
struct ro_graph {
    ro_arena *arena; /* borrowed */
    uint32_t node_count, value_count;
    ro_node *nodes;
    ro_value_info *values;
    uint32_t slot_count, constant_count; /* 1 + the largest number declared */
    ro_value *slots, *constants; /* the value of each number, RO_NO_VALUE where not declared */
    ro_value *next;              /* [slot_count] */
    uint32_t output_count;
    ro_value *outputs;
    /* of the arrays: graph.c's own */
    uint32_t node_room, value_room, slot_room, next_room, constant_room, output_room;
};

ro_status ro_graph_new(ro_arena *arena, ro_graph **out, ro_err *err) RO_CHECKED;
/* Room for so many more nodes and values: spares who knows their number the copies of growing. */
ro_status ro_graph_reserve(ro_graph *g, uint32_t nodes, uint32_t values, ro_err *err) RO_CHECKED;
/* Declare slot or constant number `index` of the job's common table; once each. */
ro_status ro_graph_slot(ro_graph *g, uint32_t index, const ro_type *type, ro_value *out,
                        ro_err *err) RO_CHECKED;
ro_status ro_graph_constant(ro_graph *g, uint32_t index, const ro_type *type, ro_value *out,
                            ro_err *err) RO_CHECKED;
/* Append a node: arity, dtypes and shapes are checked, attributes copied. *first: its first
 * output. */
ro_status ro_graph_node(ro_graph *g, ro_op op, const void *attrs, const ro_value *in,
                        uint32_t inputs, uint32_t outputs, ro_value *first, ro_err *err) RO_CHECKED;
ro_status ro_graph_set_next(ro_graph *g, uint32_t slot, ro_value v, ro_err *err) RO_CHECKED;
ro_status ro_graph_add_output(ro_graph *g, ro_value v, ro_err *err) RO_CHECKED;
const ro_type *ro_graph_type(const ro_graph *g, ro_value v);
/* Reverse mode: for d(loss)/d(wrt[k]) into grads[k], emitting ordinary nodes. loss is a float
 * scalar. wrt that loss does not depend on get a zero constant node. Fan-out sums are Add
 * nodes, left to right in the order of the consumers (rule 48). Of a failure, *stuck is the node
 * whose gradient could not be made, or UINT32_MAX; NULL: nobody asks. */
ro_status ro_graph_differentiate(ro_graph *g, ro_value loss, const ro_value *wrt, uint32_t count,
                                 ro_value *grads, uint32_t *stuck, ro_err *err) RO_CHECKED;

/* Take out the nodes that no output and no slot's next value depends on (gradients of data, for
 * one). Values are renumbered: handles from before are void. */
ro_status ro_graph_prune(ro_graph *g, ro_err *err) RO_CHECKED;

/* ---- backends ------------------------------------------------------------------------------ */

typedef struct ro_device ro_device;
typedef struct ro_state ro_state; /* the slots of a job, on a device */
typedef struct ro_plan ro_plan;

/* The digest of a tensor that lies in host memory. pool may be NULL. */
typedef void ro_hash_fn(const ro_type *type, const void *data, ro_pool *pool, uint8_t digest[32]);

typedef struct {
    const void *const *constants; /* by number; borrowed for the plan's life            */
    uint32_t constant_count;
    uint64_t byte_cap;            /* refuse a plan whose peak is over this; 0: no cap    */
    int keep_all;                 /* 1: no value's place is reused (get works for each)  */
    ro_hash_fn *hash;             /* NULL: nothing is ever hashed; called on the thread that
                                     called step, right before the sink gets the digest  */
} ro_plan_options;

/* A fault on purpose, for tests and demonstrations: flip one bit of one output element right
 * after its node ran. */
typedef struct { uint32_t node, output, bit; uint64_t element; } ro_fault;

typedef struct {
    const uint8_t *want;  /* [value_count]: 1 = digest(...) for this node output; NULL: none */
    void (*digest)(void *ctx, ro_value v, const uint8_t digest[32]);
    void *ctx;
    const ro_fault *fault; /* NULL: none */
} ro_step_options;

typedef struct {
    const char *name; /* "cpu", "cuda" */
    ro_status (*open)(ro_pool *pool, ro_device **out, ro_err *err);
    void (*close)(ro_device *d);
    const char *(*describe)(const ro_device *d); /* kernel set: "cpu avx512" */
    /* Slots start zero. */
    ro_status (*state_new)(ro_device *d, const ro_type *slots, uint32_t count, ro_state **out,
                           ro_err *err);
    void (*state_free)(ro_state *s);
    ro_status (*put)(ro_state *s, uint32_t slot, const void *data, ro_err *err);
    ro_status (*get)(ro_state *s, uint32_t slot, void *data, ro_err *err);
    ro_status (*hash)(ro_state *s, uint32_t slot, ro_hash_fn *hash, uint8_t digest[32],
                      ro_err *err);
    /* Pack constants, choose kernels, place values. The graph is borrowed for the plan's life;
     * several plans may share one state. */
    ro_status (*plan)(ro_device *d, ro_state *s, const ro_graph *g, const ro_plan_options *o,
                      ro_plan **out, ro_err *err);
    uint64_t (*peak_bytes)(const ro_plan *p);
    /* Run every node once, then give every slot its next value. Slot 0 (step) is the caller's
     * to put. */
    ro_status (*step)(ro_plan *p, const ro_step_options *o, ro_err *err);
    /* A node output after a step; only values that are outputs, or any with keep_all. */
    ro_status (*value)(ro_plan *p, ro_value v, void *data, ro_err *err);
    void (*plan_free)(ro_plan *p);
} ro_backend;

const ro_backend *ro_cpu(void);
/* "avx512", "avx2", "neon" or "base": the level in use. VERDE_ISA forces a lower one, or "scalar":
 * every element by its scalar body, the definition, which is slow. */
const char *ro_cpu_isa(void);
int ro_cpu_runs(const char *isa); /* whether this processor has that level */

/* Whether an operator's output has the very bytes of its first input, in another shape: Reshape,
 * Flatten, Identity. */
int ro_only_renames(ro_op op);

/* Peak bytes of a plan of this graph on the CPU, without making it.
 *   threads   of the pool it would run with, each of which has scratch; 0: one for each core */
ro_status ro_plan_bytes(const ro_graph *g, int keep_all, uint32_t threads, uint64_t *bytes,
                        ro_err *err) RO_CHECKED;

/* ---- conformance vectors (vectors.c; vectors/README.md) ------------------------------------- */

typedef struct {
    const char *name; /* of the operator */
    uint32_t version;
    uint64_t cases, failed, elements;
    char first[384];  /* the first failure, as a sentence; empty when there is none */
} ro_vectors_result;

typedef struct {
    const char *dir;           /* holds <operator>.vec                                      */
    const char *only;          /* one operator's name; NULL: all                            */
    const ro_backend *backend; /* NULL: the scalar bodies                                   */
    ro_pool *pool;             /* may be NULL                                              */
    void (*sha256)(const void *data, size_t size, uint8_t digest[32]);
    void (*report)(void *ctx, const ro_vectors_result *result); /* once an operator         */
    void *ctx;
} ro_vectors_options;

/* Run the vectors of every operator, and report each. An operator without a file, or whose file
 * is of another version, has failed.
 *   returns   RO_OK however many cases failed; RO_EFORMAT a file is not one of vectors, or
 *             RO_ELIMIT; RO_EOP `only` names no operator; RO_EIO; RO_ENOMEM; what open returns
 *   thread    any, but the calling thread's floating-point mode is set                      */
ro_status ro_vectors_check(const ro_vectors_options *o, ro_err *err) RO_CHECKED;

#ifdef __cplusplus
}
#endif
#endif
