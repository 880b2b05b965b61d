/* onnx_lower.h - what lowering an ONNX model is made of (private to verde/).
 *
 * onnx_lower.c walks the model: names, constants and functions. onnx_control.c has branches, loops
 * and sequences; onnx_ops.c and the files after it say how each operator becomes nodes of RepOps.
 * docs/ONNX.md lists what is taken.
 *
 * Invariants
 *   1. Every value of the graph comes from constants: initializers, inputs, and what is made here.
 *      So whatever decides a shape can be computed now, by scalar bodies, within VD_LOWER_FLOPS.
 *   2. Nothing is approximated: an attribute, dtype or case that the nodes would not compute as
 *      ONNX says it is refused by a sentence that names the node, before anything runs. */
#ifndef VD_ONNX_LOWER_H
#define VD_ONNX_LOWER_H
#include "onnx.h"
#include "verde.h"

#define VD_LOWER_FLOPS UINT64_C(4000000) /* computed while lowering, all together: 32 MiB         */
#define VD_LOWER_TURNS 65536u            /* of all loops                                         */
#define VD_LOWER_NODES 32768u            /* of bodies of loops, each as often as it is put in
                                          * place; one of n inputs is 1 + n / 16; and parts that
                                          * are split off into sequences                         */
#define VD_LOWER_LOOPED 65536u           /* of the job, after which no body goes on              */
#define VD_LOWER_INDICES (UINT64_C(1) << 22) /* numbers of all lists that are made: 32 MiB    */

/* What a value of the model is: a tensor, a sequence of them, or an optional value of nothing. */
typedef enum { VD_ONNX_ONE, VD_ONNX_LIST, VD_ONNX_NOTHING } vd_onnx_form;

/* An input of the model by name, in machine byte order. */
typedef struct {
    const char *name;
    ro_tensor tensor;   /* of VD_ONNX_ONE */
    vd_onnx_form form;
    ro_tensor *members; /* of VD_ONNX_LIST */
    uint32_t count;
} vd_onnx_input;

typedef struct {
    vd_job *job;            /* of one phase, sealed; of one step where the model is run once */
    const void **constants; /* of the job, by number, in machine byte order            */
    const void **slots;     /* of training, by number: the first value; NULL: zeros    */
    uint32_t output_count;
    const char **outputs;   /* names, in the order of the graph's outputs; "y[0]" of a sequence */
    uint32_t given_count;
    struct { vd_onnx_form form; uint32_t first, count; } *given; /* the model's own outputs  */
} vd_onnx_job;

/* The job of running a model once on these inputs.
 *   inputs    all that the model wants, once each
 *   record    what a trace of it records; segment: K of checkpoint:K
 *   *out      out: in the arena, and so is all that it points to
 *   returns   RO_OK; RO_EUSAGE an input is missing, doubled or unknown; RO_ESHAPE, RO_ETYPE it is
 *             not of the model's type; RO_EOP the model needs what this program lacks, in a
 *             sentence that names the node; RO_ELIMIT; RO_ENOMEM; what vd_onnx_tensor_data says
 *   cost      copies initializers once; VD_LOWER_FLOPS at most         thread  any            */
ro_status vd_onnx_lower(const vd_onnx *m, const vd_onnx_input *inputs, uint32_t count,
                        vd_record record, uint32_t segment, ro_arena *arena, vd_onnx_job *out,
                        ro_err *err) RO_CHECKED;

#define VD_ONNX_MEMBERS_MAX 65536u /* of a sequence in a file */
/* An input or output from the bytes of its file: the message that its type says (NULL: a tensor),
 * in machine byte order, in the arena; the name is left. (onnx_value.c) */
ro_status vd_onnx_value_parse(const uint8_t *bytes, uint64_t size, const vd_onnx_type *type,
                              const char *file, ro_arena *arena, vd_onnx_input *out, ro_err *err)
    RO_CHECKED;
/* What a training job says beside vd_spec. */
typedef struct {
    const char *images, *labels; /* the model's inputs that a batch is put in; NULL: the only input
                                  * without a default, none */
    const char *output;          /* what the loss is taken of, or is; NULL: the only one */
    const char *const *freeze;   /* initializers that stay; "conv1.*": all that begin so */
    uint32_t freeze_count;
    ro_tensor data[2];           /* images, labels; without labels dtype RO_NONE */
    const vd_onnx_input *inputs; /* the same in every step */
    uint32_t input_count;
} vd_onnx_training;

/* The job of training a model: float32 initializers that are not frozen are slots, which begin as
 * the model has them. One phase of s->steps steps, whose output is the loss. (onnx_job.c)
 *   s         layers, images and labels are not looked at
 *   *out      as above, with slots; it has no names of outputs
 *   returns   as above; RO_EOP also where a gradient cannot be had, by the node's name         */
ro_status vd_onnx_train(const vd_onnx *m, const vd_spec *s, const vd_onnx_training *t,
                        ro_arena *arena, vd_onnx_job *out, ro_err *err) RO_CHECKED;

/* A tensor from the bytes of one TensorProto, in machine byte order, in the arena. */
ro_status vd_onnx_tensor_parse(const uint8_t *bytes, uint64_t size, const char *name,
                               ro_arena *arena, ro_tensor *out, ro_err *err) RO_CHECKED;

/* ---- between onnx_lower.c and onnx_ops.c ------------------------------------------------- */

/* A call of a model's function, whose body is being lowered. */
typedef struct vd_lower_call vd_lower_call;
struct vd_lower_call {
    const vd_onnx_node *node;
    const vd_onnx_function *function;
    const vd_lower_call *outer; /* NULL: the node is of the model's graph */
};

/* A sequence, or an optional value of nothing. It stands for a value while lowering, numbered from
 * VD_LIST_FIRST on, and no node of the job has it. */
#define VD_LIST_FIRST 0x80000000u
typedef struct { ro_value *items; uint32_t count; int present; /* 0: nothing */ } vd_list;

/* Sizes that a name has on one input it has on all. */
typedef struct { uint32_t id; int64_t size; } vd_lower_size;

typedef struct vd_lower {
    const vd_onnx *m;
    struct vd_builder *train;     /* builder.h; NULL: the model is run once */
    const vd_onnx_training *wish; /* of training, and so is the next */
    const vd_onnx_node **origin;  /* [node of the graph]: the model's node that it comes from */
    uint32_t origin_count, origin_room;
    vd_lower_size *sizes;
    uint32_t size_count, size_room;
    ro_arena *arena;
    ro_err *err;
    ro_graph *graph;
    vd_slot *constants;   /* in the order they were made; digests are set at the end */
    const void **data;    /* of each constant */
    uint32_t constant_count, constant_room;
    const void **known;   /* [value]: computed while lowering; NULL: not yet */
    ro_value *waiting;    /* while that is done */
    uint32_t known_room, waiting_room;
    ro_value *tensors;    /* [of the model's tensors]: the constant that it is, made once */
    ro_value *values;     /* [name id] what it stands for now */
    const struct vd_lower_row **rows; /* [name id] the row of ONNX's own operator of that name, once
                                       * it was looked for */
    struct { uint32_t id; ro_value was; } *hidden; /* what names stood for outside */
    uint32_t hidden_count, hidden_room;
    const vd_lower_call *call;
    uint8_t *small;       /* [value] the dtype that it stands for, where RepOps has it not; or 0 */
    uint32_t small_room;
    int64_t opset;        /* of ONNX's own operators where we are */
    vd_list *lists;
    uint32_t list_count, list_room;
    uint64_t flops, items, numbers; /* left, and so are these */
    uint32_t turns, nodes;
    uint32_t loops;       /* that we are in */
} vd_lower;

/* A node that is being lowered, with its inputs at hand. */
typedef struct {
    vd_lower *l;
    const vd_onnx_node *node;
    const char *name;     /* of the operator, ending in a 0 byte */
    uint32_t count;       /* of inputs; trailing ones that are not given are left out */
    ro_value in[RO_INPUTS_MAX];
    ro_value out[RO_OUTPUTS_MAX]; /* set by the operator's function; RO_NO_VALUE: not wanted */
} vd_use;

/* "node 3 "name" (Conv): " and why. */
ro_status vd_use_fail(const vd_use *u, ro_status code, const char *format, ...) RO_PRINTF(3, 4);
const ro_type *vd_use_type(const vd_use *u, uint32_t input); /* NULL: absent, or no tensor */
/* The attribute as the node has it, references to a function's resolved; NULL: it is not there. */
const vd_onnx_attribute *vd_use_attribute(const vd_use *u, const char *name);
const vd_onnx_attribute *vd_use_resolve(const vd_use *u, const vd_onnx_attribute *as_written);
/* Its value, or `otherwise`. */
int64_t vd_use_int(const vd_use *u, const char *name, int64_t otherwise);
double vd_use_float(const vd_use *u, const char *name, float otherwise);
/* Numbers that an input holds (dtype int32 or int64) or, where there is no such input, a list in an
 * attribute: what decides a shape.
 *   input     RO_INPUTS_MAX: none; name NULL: no attribute
 *   *given    out: whether either is there                                                  */
ro_status vd_use_ints(const vd_use *u, uint32_t input, const char *name, ro_ints *out, int *given)
    RO_CHECKED;
/* An element of an input, computed now, as a real or a whole number. */
ro_status vd_use_scalar(const vd_use *u, uint32_t input, double *real, int64_t *whole) RO_CHECKED;
/* All elements of a value, computed now; RO_ELIMIT when that is too much. */
ro_status vd_lower_known(vd_lower *l, ro_value v, const void **data) RO_CHECKED;

/* A constant; data is kept, and must lie in the arena. name NULL: one is made. */
ro_status vd_lower_constant(vd_lower *l, const char *name, const ro_type *type, const void *data,
                            ro_value *out) RO_CHECKED;
/* A tensor that the model has. */
ro_status vd_lower_tensor(vd_lower *l, const vd_onnx_tensor *t, ro_value *out) RO_CHECKED;
/* Its data, in machine byte order. */
ro_status vd_lower_tensor_data(vd_lower *l, const vd_onnx_tensor *t, ro_tensor *out) RO_CHECKED;
ro_status vd_lower_int64s(vd_lower *l, const int64_t *v, uint32_t rank, const int64_t *dims,
                          ro_value *out) RO_CHECKED;
/* The same of numbers that are kept, as those of vd_use_list are. */
ro_status vd_lower_kept_int64s(vd_lower *l, const int64_t *v, uint32_t rank, const int64_t *dims,
                               ro_value *out) RO_CHECKED;
/* One real number, in a float dtype rounded once, in others a whole one. */
ro_status vd_lower_scalar(vd_lower *l, ro_dtype d, double x, ro_value *out) RO_CHECKED;

/* Nodes: an operator by name, the newest, with attributes set one by one; that there is none of
 * that name, or the first attribute that it does not take, is a failure when the node is made. */
typedef struct { ro_op op; uint64_t bytes[RO_ATTRS_SIZE_MAX / 8]; ro_status status; } vd_attrs;
vd_attrs vd_attrs_of(const char *name);
void vd_attrs_int(vd_lower *l, vd_attrs *a, const char *name, int64_t v);
void vd_attrs_real(vd_lower *l, vd_attrs *a, const char *name, double v);
void vd_attrs_ints(vd_lower *l, vd_attrs *a, const char *name, const int64_t *v, uint32_t n);
ro_status vd_lower_emit(vd_lower *l, const vd_attrs *a, const ro_value *in, uint32_t count,
                        uint32_t outputs, ro_value *first) RO_CHECKED;
/* Without attributes, of an operator that there is; of two inputs. */
ro_status vd_lower_plain(vd_lower *l, const char *name, const ro_value *in, uint32_t count,
                         ro_value *out) RO_CHECKED;
ro_status vd_lower_binary(vd_lower *l, const char *name, ro_value a, ro_value b, ro_value *out)
    RO_CHECKED;
ro_status vd_lower_reshape(vd_lower *l, ro_value x, uint32_t rank, const int64_t *dims,
                           ro_value *out) RO_CHECKED;
ro_status vd_lower_concat(vd_lower *l, const ro_value *in, uint32_t count, int64_t axis,
                          ro_value *out) RO_CHECKED; /* of any number */

/* Nodes one inside the other, as a formula has them: of a failure, the first stays in `status`, and
 * whatever is made after it is RO_NO_VALUE and no node. Only one argument of a call makes nodes:
 * compilers choose the order of arguments, and nodes have theirs in a job. (onnx_make.c) */
typedef struct { vd_lower *l; ro_status status; } vd_maker;
ro_value vd_make_node(vd_maker *m, const vd_attrs *a, const ro_value *in, uint32_t count);
/* Of an operator without attributes; of one input, of two. */
ro_value vd_make_plain(vd_maker *m, const char *name, const ro_value *in, uint32_t count);
ro_value vd_make_1(vd_maker *m, const char *name, ro_value x);
ro_value vd_make_2(vd_maker *m, const char *name, ro_value a, ro_value b);
ro_value vd_make_where(vd_maker *m, ro_value c, ro_value x, ro_value y);
ro_value vd_make_real(vd_maker *m, ro_dtype d, double x);
ro_value vd_make_zeros(vd_maker *m, ro_dtype d, uint32_t rank, const int64_t *dims);
ro_value vd_make_cast(vd_maker *m, ro_value x, ro_dtype to); /* x itself where it is of it */
ro_value vd_make_reshape(vd_maker *m, ro_value x, uint32_t rank, const int64_t *dims);
ro_value vd_make_transpose(vd_maker *m, ro_value x, const int64_t *perm); /* as many as axes */
ro_value vd_make_swap(vd_maker *m, ro_value x, uint32_t a, uint32_t b);   /* two of its axes */
/* Positions from, from + step, .. before `to` of an axis; 0 <= from <= to. */
ro_value vd_make_slice(vd_maker *m, ro_value x, uint32_t axis, int64_t from, int64_t to,
                       int64_t step);
void vd_make_split(vd_maker *m, ro_value x, uint32_t axis, const int64_t *sizes, uint32_t n,
                   ro_value *out);
ro_value vd_make_at(vd_maker *m, ro_value x, uint32_t axis, int64_t at); /* one; the axis goes */
ro_value vd_make_join(vd_maker *m, ro_value a, ro_value b, uint32_t axis);
ro_value vd_make_axis(vd_maker *m, ro_value x, uint32_t at); /* a new axis of size 1 */
ro_value vd_make_gather(vd_maker *m, ro_value x, ro_value at, uint32_t axis);
ro_value vd_make_expand(vd_maker *m, ro_value x, uint32_t rank, const int64_t *dims);
/* A constant from whole numbers, which are kept. */
ro_value vd_make_ints(vd_maker *m, ro_dtype d, const int64_t *v, uint32_t rank,
                      const int64_t *dims);
/* 0, 1, .. n - 1 along an axis, as vd_use_numbers has it. */
ro_value vd_make_numbers(vd_maker *m, const vd_use *u, int64_t n, uint32_t axis, uint32_t rank);
ro_value vd_make_sum(vd_maker *m, ro_value x, int64_t axis, int keep);
ro_type vd_make_type(const vd_maker *m, ro_value x); /* after a failure: a float32 of 0 axes */

/* The job of a graph that is laid down and has its outputs: constants that are not needed are left
 * out, the others get their digests. Names of outputs are the caller's. */
ro_status vd_lower_job(vd_lower *l, vd_record record, uint32_t segment, vd_onnx_job *out)
    RO_CHECKED;

/* ---- training: onnx_job.c ------------------------------------------------------------------ */

/* An initializer that is trained, or a running average: its slot; else *out is RO_NO_VALUE. */
ro_status vd_train_initializer(vd_lower *l, const vd_onnx_tensor *t, ro_value *out) RO_CHECKED;
/* Whether BatchNormalization has slots as running averages: then it goes by the batch. */
int vd_train_averages(const vd_use *u);
/* Such an input's value so far, which is another than the slot's where a module is called again;
 * any other input as it is. Outputs 1 and 2 are what comes next. */
ro_value vd_train_average(const vd_use *u, uint32_t input);
ro_status vd_train_averages_next(vd_use *u) RO_CHECKED;
/* Dropout that drops; both outputs are set. */
ro_status vd_train_dropout(vd_use *u, double ratio) RO_CHECKED;
/* Why a value that changes from step to step cannot decide what the nodes are. */
ro_status vd_train_unknown(const vd_lower *l, uint32_t slot) RO_CHECKED;

/* ---- the parts of lowering a model: onnx_lower.c -------------------------------------------- */

ro_status vd_lower_begin(vd_lower *l, const vd_onnx *m, ro_arena *arena, ro_err *err) RO_CHECKED;
const vd_onnx_value *vd_lower_input_named(const vd_onnx_graph *g, const char *name);
/* The elements of axes [from, to) of a checked type. */
static inline int64_t vd_span(const ro_type *t, uint32_t from, uint32_t to)
{
    int64_t n = 1; /* a type's sizes that are not 0 have a product of at most 2^40 */
    for (uint32_t a = from; a < to; a++) n *= t->dims[a];
    return n;
}
/* What stands for an input, of that type; checked against the model's. */
ro_status vd_lower_bind_input(vd_lower *l, const vd_onnx_value *v, const ro_type *t, ro_value is)
    RO_CHECKED;
ro_status vd_lower_take_inputs(vd_lower *l, const vd_onnx_input *in, uint32_t count) RO_CHECKED;
/* Initializers and nodes. */
ro_status vd_lower_body(vd_lower *l) RO_CHECKED;
ro_value vd_lower_value(const vd_lower *l, const vd_onnx_text *name); /* RO_NO_VALUE: none yet */
/* Leave out what no output hangs on, and number and digest the constants that are left. */
ro_status vd_lower_settle(vd_lower *l, vd_job *j, vd_onnx_job *out) RO_CHECKED;

/* How an operator becomes nodes: u->out is set. */
ro_status vd_lower_operator(vd_use *u) RO_CHECKED;
/* An operator, in some cases at least; domain "": ONNX's own. */
int vd_lower_takes(const vd_onnx_text *domain, const char *name);

/* ---- control flow: onnx_control.c --------------------------------------------------------- */

int vd_lower_is_list(ro_value v);
const vd_list *vd_lower_list(const vd_lower *l, ro_value v);
/* Room for the members of a new sequence. */
ro_status vd_lower_list_new(vd_lower *l, uint64_t count, ro_value **items, ro_value *out)
    RO_CHECKED;
ro_status vd_lower_nothing(vd_lower *l, ro_value *out) RO_CHECKED;
/* The graph that an attribute is. */
ro_status vd_use_graph(const vd_use *u, const char *name, const vd_onnx_graph **g) RO_CHECKED;
/* Its nodes, put in place; the values of its outputs into out. (onnx_lower.c) */
ro_status vd_lower_inner(vd_lower *l, const vd_onnx_graph *g, const ro_value *in, uint32_t count,
                         ro_value *out) RO_CHECKED;
/* That many turns of the budget. */
ro_status vd_use_turns(const vd_use *u, uint64_t n) RO_CHECKED;
/* That many of VD_LOWER_NODES. (onnx_lower.c) */
ro_status vd_use_nodes(const vd_use *u, uint64_t n) RO_CHECKED;
/* Room for one more in an array of the arena. (onnx_lower.c) */
ro_status vd_lower_more(vd_lower *l, void **p, uint32_t n, uint32_t *room, size_t size) RO_CHECKED;

/* ---- operators: onnx_ops.c, and the files after it a family each -------------------------- */

/* The outputs that the node wants, at most so many; at least 1. */
uint32_t vd_use_wanted(const vd_use *u, uint32_t most);
/* The node itself on its inputs: u->out is set to so many outputs. */
ro_status vd_use_emit(vd_use *u, const vd_attrs *a, uint32_t inputs, uint32_t outputs) RO_CHECKED;
/* a times b operations of those that are done before the run; RO_ELIMIT where they are used up. */
ro_status vd_use_charge(const vd_use *u, uint64_t a, uint64_t b) RO_CHECKED;
/* Room for a list of whole numbers, all 0; RO_ELIMIT over VD_LOWER_INDICES with those before. */
ro_status vd_use_list(const vd_use *u, uint64_t n, int64_t **list) RO_CHECKED;
/* 0, 1, .. n - 1 along an axis of a tensor of so many axes, whose others have size 1. */
ro_status vd_use_numbers(const vd_use *u, int64_t n, uint32_t axis, uint32_t rank, ro_value *out)
    RO_CHECKED;
/* The axis counted from 0; RO_EATTR where it is outside [-rank, rank). */
ro_status vd_use_axis(const vd_use *u, int64_t axis, uint32_t rank, uint32_t *out) RO_CHECKED;
/* The text of an attribute is one of a list that ends with NULL; absent: the first. */
ro_status vd_use_choice(const vd_use *u, const char *name, const char *const *list, uint32_t *out)
    RO_CHECKED;
/* RO_EOP where the attribute is there and is not v. */
ro_status vd_use_only(const vd_use *u, const char *name, int64_t v) RO_CHECKED;
/* x at the given positions of an axis, which are kept. */
ro_status vd_lower_take(vd_lower *l, ro_value x, uint32_t axis, const int64_t *at, uint64_t n,
                        ro_value *out) RO_CHECKED;

/* RO_EFORMAT unless there are at least so many inputs, the first `least` all given, and at most so
 * many. */
ro_status vd_use_wants(const vd_use *u, uint32_t least, uint32_t most) RO_CHECKED;
/* A constant of any dtype from whole numbers, which are kept. */
ro_status vd_use_made(vd_use *u, ro_dtype d, uint32_t rank, const int64_t *dims, const int64_t *v,
                      ro_value *out) RO_CHECKED;
ro_status vd_lower_cast(vd_lower *l, ro_value x, ro_dtype to, ro_value *out) RO_CHECKED;
ro_status vd_lower_where(vd_lower *l, ro_value c, ro_value x, ro_value y, ro_value *out)
    RO_CHECKED;

/* A list of n numbers in an attribute; absent: all otherwise. */
ro_status vd_use_counted(const vd_use *u, const char *name, uint32_t n, int64_t otherwise,
                         ro_ints *out) RO_CHECKED;
/* The same, each in [least, 2^20]. */
ro_status vd_use_axis_list(const vd_use *u, const char *name, uint32_t n, int64_t least,
                           int64_t otherwise, ro_ints *out) RO_CHECKED;
/* A reduction that RepOps has, by name; onnx_layers.c. */
ro_status vd_lower_reduce(vd_lower *l, const char *name, ro_value x, const ro_ints *axes, int keep,
                          ro_value *out) RO_CHECKED;
/* Conv by the attributes of the node, of x, w and perhaps b. */
ro_status vd_use_conv(vd_use *u, const ro_value *in, uint32_t count, ro_value *out) RO_CHECKED;
/* Dtypes that RepOps has not (onnx_small.c): bits of an element, 0 for others; the dtype of the
 * tensor that stands for one; elements, packed low bits first, into bytes of it. */
uint32_t vd_small_bits(uint32_t dtype);
ro_dtype vd_small_held(uint32_t dtype);
int vd_small_is_integer(uint32_t dtype);
void vd_small_unpack(uint32_t dtype, const uint8_t *from, uint64_t elements, uint8_t *to);
/* Which one a value stands for, or 0; and that it stands for one. */
uint32_t vd_lower_small(const vd_lower *l, ro_value v);
ro_status vd_lower_mark(vd_lower *l, ro_value v, uint32_t dtype) RO_CHECKED;
/* Casts, and what QuantizeLinear and DequantizeLinear of them are. */
ro_status vd_small_widen(vd_use *u, ro_value x, ro_dtype to, ro_value *out) RO_CHECKED;
ro_status vd_small_narrow(vd_use *u, ro_value x, uint32_t to, int saturate, ro_value *out)
    RO_CHECKED;
ro_status vd_small_quantize(vd_use *u, ro_value x, ro_value scale, ro_value zero, uint32_t to,
                            int saturate, ro_value *out) RO_CHECKED;
ro_status vd_small_dequantize(vd_use *u, ro_value x, ro_value scale, ro_value zero, ro_value *out)
    RO_CHECKED;
/* x longer on an axis by so many positions, which may be negative: 0 of a value, 1 of its edge, 2
 * reflected, 3 wrapped. */
ro_status vd_use_pad_axis(vd_use *u, uint32_t axis, int64_t before, int64_t after, uint32_t mode,
                          ro_value value, ro_value *x) RO_CHECKED;

/* What BatchNormalization in training is before scale and bias; sets outputs 1 and 2, the running
 * statistics. (onnx_train.c) */
ro_status vd_lower_batch_statistics(vd_use *u, ro_value *x) RO_CHECKED;

/* A row of a file's table, which ends with a row without names: operators, blanks between them, the
 * function that lowers each, and the attributes that it looks at or that change nothing. No other
 * attribute is taken. */
typedef struct vd_lower_row {
    const char *names;
    ro_status (*lower)(vd_use *u);
    const char *attributes;
} vd_lower_row;
extern const vd_lower_row vd_lower_basics[], vd_lower_layers[], vd_lower_control[],
    vd_lower_recurrent[], vd_lower_attention[], vd_lower_preview[], vd_lower_training[],
    vd_lower_signal[], vd_lower_spatial[], vd_lower_sampling[],
    vd_lower_index[], vd_lower_choices[], vd_lower_einsum[], vd_lower_features[],
    vd_lower_quantized[];

#endif
