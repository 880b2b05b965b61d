/* onnx.h - ONNX models as they are in a file, read within bounds (private to verde/).
 *
 * What this file decides: what a model is once it is read, and what of it can be relied on.
 * docs/ONNX.md says what is read and refused.
 *
 * Invariants of a model that vd_onnx_open or vd_onnx_read gave
 *   1. Every name that a node uses was made before it, by this graph or one around it, and is
 *      made once; no graph hides a name of one around it.
 *   2. Every tensor's shape, dtype and data agree; its data lies in the file, or in a file of the
 *      model's folder that was long enough when the model was read.
 *   3. With every call of a function put in place, all graphs have at most VD_ONNX_NODES_MAX
 *      nodes. Functions do not call themselves.
 *   4. Every attribute has the one value that its type says, and the type that ONNX gives its
 *      name, where ONNX gives that name one type only. */
#ifndef VD_ONNX_H
#define VD_ONNX_H
#include <string.h>

#include "onnx_wire.h"

#define VD_ONNX_NODES_MAX 65536u     /* the worst model of so many is refused within 30 ms      */
#define VD_ONNX_NAMES_MAX 131072u    /* different ones: two for each node                      */
#define VD_ONNX_FILES_MAX 4096u      /* external files: some writers make one for each tensor    */
#define VD_ONNX_DTYPE_LIMIT 27u      /* above the last TensorProto.DataType, int2                */
#define VD_ONNX_IR_MIN 3             /* the first whose models name their operator sets          */
#define VD_ONNX_IR_MAX 13
#define VD_ONNX_OPSET_MAX 27

/* UTF-8 without byte 0 (bytes of any kind where an attribute or a string tensor holds them), in
 * the file. Equal names have equal ids; "" has 0, and so have nodes' names and byte strings. */
typedef struct { const char *p; uint32_t n, id; } vd_onnx_text;

static inline int vd_onnx_is(const vd_onnx_text *t, const char *s)
{
    size_t n = strlen(s);
    return t->n == n && (n == 0 || memcmp(t->p, s, n) == 0);
}

/* Make a dimension part of a product of all that are not 0, nor unknown (-1). Returns 0 where that
 * is over RO_ELEMENTS_MAX; size is not. */
static inline int vd_onnx_multiply(uint64_t *product, int64_t size)
{
    if (size <= 0) return 1;
    if (*product > RO_ELEMENTS_MAX / (uint64_t)size) return 0;
    *product *= (uint64_t)size;
    return 1;
}

typedef struct { int64_t size; vd_onnx_text name; } vd_onnx_dim; /* size -1: by name, or unknown */

typedef enum {
    VD_ONNX_NO_TYPE, VD_ONNX_TENSOR, VD_ONNX_SEQUENCE, VD_ONNX_MAP, VD_ONNX_SPARSE,
    VD_ONNX_OPTIONAL
} vd_onnx_type_kind;

typedef struct vd_onnx_type vd_onnx_type;
struct vd_onnx_type {
    vd_onnx_type_kind kind;
    uint32_t dtype; /* of a tensor, of a map's keys; 0: not said */
    int has_shape;
    uint32_t rank;
    const vd_onnx_dim *dims;
    const vd_onnx_type *element; /* of a sequence, map, optional; NULL: not said */
};

typedef struct { vd_onnx_text name; const vd_onnx_type *type; } vd_onnx_value; /* NULL: not said */
typedef struct { vd_onnx_text key, value; } vd_onnx_entry;

typedef struct {
    vd_onnx_text name;
    uint32_t dtype, rank;
    int64_t dims[RO_RANK_MAX];
    uint64_t elements, bytes; /* of canonical data; 0 bytes for strings */
    const uint8_t *data;      /* that data where it lies; NULL: in typed fields, or strings */
    vd_wire message;
    int external; /* the data lies in another file: at offset of files[file]; entries say so */
    uint32_t file, entry_count;
    uint64_t offset;
    const vd_onnx_entry *entries;
} vd_onnx_tensor;

typedef struct { const vd_onnx_tensor *values, *indices; uint32_t rank; int64_t dims[RO_RANK_MAX]; }
    vd_onnx_sparse;

typedef enum {
    VD_A_NONE = 0, VD_A_FLOAT = 1, VD_A_INT = 2, VD_A_STRING = 3, VD_A_TENSOR = 4, VD_A_GRAPH = 5,
    VD_A_FLOATS = 6, VD_A_INTS = 7, VD_A_STRINGS = 8, VD_A_TENSORS = 9, VD_A_GRAPHS = 10,
    VD_A_SPARSE = 11, VD_A_SPARSES = 12, VD_A_TYPE = 13, VD_A_TYPES = 14, VD_A_COUNT = 15
} vd_onnx_attribute_type; /* AttributeProto.AttributeType */

typedef struct vd_onnx_graph vd_onnx_graph;
typedef struct {
    vd_onnx_text name;
    vd_onnx_text reference; /* in a function: the attribute of the call whose value this is */
    vd_onnx_attribute_type type;
    uint32_t count; /* of a list; 1 for one tensor, graph, type; 0 with a reference */
    union {
        int64_t i;
        float f;
        vd_onnx_text s;
        const int64_t *ints;
        const float *floats;
        const vd_onnx_text *strings;
        const vd_onnx_tensor *tensors;
        const vd_onnx_sparse *sparse;
        const vd_onnx_graph *graphs;
        const vd_onnx_type *types;
    } v;
} vd_onnx_attribute;

typedef struct {
    vd_onnx_text op, domain, name, overload; /* domain "": ONNX's own, also called ai.onnx */
    const vd_onnx_text *inputs, *outputs;    /* "": not given, not wanted */
    const vd_onnx_attribute *attributes;
    uint32_t input_count, output_count, attribute_count;
    int32_t function; /* that it calls, by number; -1: an operator */
} vd_onnx_node;

struct vd_onnx_graph {
    vd_onnx_text name;
    vd_onnx_node *nodes;
    const vd_onnx_value *inputs, *outputs, *values;
    const vd_onnx_tensor *initializers;
    const vd_onnx_sparse *sparse;
    uint32_t node_count, input_count, output_count, value_count, initializer_count, sparse_count;
    vd_wire message;
};

typedef struct { vd_onnx_text domain; int64_t version; } vd_onnx_opset;

typedef struct {
    vd_onnx_text domain, name, overload;
    const vd_onnx_text *attributes;      /* without a default */
    const vd_onnx_attribute *defaults;
    const vd_onnx_opset *opsets;
    uint32_t attribute_count, default_count, opset_count;
    uint64_t nodes;      /* with every call put in place */
    vd_onnx_graph body;  /* its inputs and outputs have no types */
} vd_onnx_function;

typedef struct { const vd_onnx_text *name; uint64_t size; } vd_onnx_file;

typedef struct vd_onnx {
    int64_t ir_version, model_version;
    vd_onnx_text producer, producer_version, domain;
    const vd_onnx_opset *opsets;
    const vd_onnx_entry *metadata;
    vd_onnx_function *functions;
    vd_onnx_graph *graphs; /* all of them: [0] the model's, then those in attributes */
    vd_onnx_tensor *tensors; /* all of them */
    uint32_t opset_count, metadata_count, function_count, graph_count, tensor_count;
    uint32_t training_count; /* parts that say how to train: counted, not read */
    uint64_t nodes;          /* of graphs[0], with every call put in place */
    uint32_t name_count;     /* ids are below it */
    vd_onnx_file *files;
    uint32_t file_count;
    int folder;     /* of external files; -1: none */
    uint8_t *bytes; /* of the model's file, when vd_onnx_open read it */
    ro_arena *arena;
} vd_onnx;

/* Read a model from a file, or from bytes that stay as they are until vd_onnx_close.
 *   folder    an open folder that external data may lie in, kept (closed by vd_onnx_close, or at
 *             once when the model is refused); -1: there is none
 *   *out      out: the model, with the invariants above; freed by vd_onnx_close
 *   returns   RO_OK; RO_EFORMAT, RO_ELIMIT, RO_ESHAPE, RO_ETYPE or RO_EATTR the model is bad, in
 *             a sentence that names the node or tensor; RO_EOP an IR version or operator set that
 *             this program does not know; RO_EIO, RO_ENOTFOUND, RO_ENOMEM
 *   cost      VD_ONNX_MEMORY_MAX at most beside the model's file; external data is not read
 *   thread    any                                                                             */
ro_status vd_onnx_open(const char *path, vd_onnx **out, ro_err *err) RO_CHECKED;
ro_status vd_onnx_read(const uint8_t *bytes, uint64_t size, int folder, vd_onnx **out, ro_err *err)
    RO_CHECKED;
void vd_onnx_close(vd_onnx *m);

/* A tensor's canonical data: row-major, little-endian, 4-bit and 2-bit elements packed.
 *   to        t->bytes; strings have none
 *   returns   RO_OK, always where the data is not external; RO_EFORMAT that file has been cut, or
 *             is a link now; RO_ENOTFOUND, RO_EIO                                             */
ro_status vd_onnx_tensor_data(const vd_onnx *m, const vd_onnx_tensor *t, uint8_t *to, ro_err *err)
    RO_CHECKED;
/* The digest (verde/commit.h) of a tensor whose data is external, read piece by piece.
 *   t         of a type that passes ro_type_check
 *   out       32 bytes, set on success
 *   returns   as vd_onnx_tensor_data; RO_ENOMEM: 1 MiB is needed                              */
ro_status vd_onnx_external_digest(const vd_onnx *m, const vd_onnx_tensor *t, uint8_t *out,
                                  ro_err *err) RO_CHECKED;
const char *vd_onnx_dtype_name(uint32_t dtype); /* "float32"; NULL: no such type */
const char *vd_onnx_attribute_type_name(vd_onnx_attribute_type t); /* "INTS" */

/* Whether a character is neither a control nor a mark that is not seen or moves others about. */
int vd_onnx_is_seen(uint32_t character);
uint32_t vd_onnx_character(const uint8_t *p, unsigned n); /* of the n that vd_wire_character said */
/* Text for people: characters that are not seen, quotes, backslashes and bytes that are no UTF-8
 * as escapes, cut with "..." where `size` ends. returns out */
const char *vd_onnx_show(const vd_onnx_text *t, char *out, size_t size);
/* "node 3 \"name\" (Conv)", and in which graph when that is not the model's. returns out */
const char *vd_onnx_node_text(const vd_onnx *m, const vd_onnx_node *n, char *out, size_t size);

/* onnx_tensor.c: shape, dtype and data of a tensor whose name and message are set. */
ro_status vd_onnx_tensor_check(vd_onnx_tensor *t, ro_err *err) RO_CHECKED;
void vd_onnx_tensor_inner(const vd_onnx_tensor *t, uint8_t *to); /* of data in the model */
/* onnx_external.c: find the files of external data, and see that it lies in them. */
ro_status vd_onnx_external(vd_onnx *m, ro_err *err) RO_CHECKED;
/* onnx_check.c: the invariants over names, functions and attributes. */
ro_status vd_onnx_check(vd_onnx *m, ro_err *err) RO_CHECKED;
static inline uint64_t vd_onnx_ids(const vd_wire_counts *c) /* at most so many are given */
{
    return 1 + (c->names < VD_ONNX_NAMES_MAX ? c->names : VD_ONNX_NAMES_MAX);
}
uint64_t vd_onnx_check_bytes(const vd_wire_counts *c); /* that vd_onnx_check will take, at most */

#endif
