/* onnx_wire.h - the wire format of ONNX models (private to verde/).
 *
 * What this file decides: which fields of the public schema are read, and how the bytes of a
 * message become fields. No meaning: onnx.c gives that.
 *
 * Invariants
 *   1. Nothing here recurses or allocates. A message is a range of the file's bytes; whoever
 *      walks one stays inside it, whatever an earlier walk of the same bytes has seen.
 *   2. vd_wire_scan walks everything that is read, once, and counts it: what it refuses, nobody
 *      makes room for. */
#ifndef VD_ONNX_WIRE_H
#define VD_ONNX_WIRE_H
#include <stddef.h>

#include "../repops/repops.h"

#define VD_ONNX_DEPTH_MAX 32u                  /* messages; real models nest about 12          */
#define VD_ONNX_FIELDS_MAX 1000000u            /* packed numbers of one field are one field    */
#define VD_ONNX_TEXT_MAX (UINT64_C(16) << 20)  /* bytes of names and such, all together        */
#define VD_ONNX_MEMORY_MAX (UINT64_C(60) << 20) /* beside files, of 64 MiB for all of it      */
#define VD_ONNX_FILE_MAX ((UINT64_C(1) << 31) - 1) /* protobuf's own limit for a message       */

typedef enum {
    VD_M_MODEL, VD_M_OPSET, VD_M_ENTRY, VD_M_GRAPH, VD_M_FUNCTION, VD_M_NODE, VD_M_ATTRIBUTE,
    VD_M_TENSOR, VD_M_SPARSE, VD_M_VALUE, VD_M_TYPE, VD_M_TYPE_TENSOR, VD_M_TYPE_ELEMENT,
    VD_M_TYPE_MAP, VD_M_SHAPE, VD_M_DIMENSION, VD_M_COUNT
} vd_wire_message;

/* What a field holds. A plural may come many times; a number's packed or one by one. */
typedef enum {
    VD_F_UNKNOWN, /* not in the schema: skipped                                               */
    VD_F_SKIP,    /* in the schema and not read: doc strings, placement on devices, training  */
    VD_F_INT, VD_F_INTS, VD_F_FLOAT, VD_F_FLOATS, VD_F_DOUBLES, VD_F_TEXT, VD_F_TEXTS,
    VD_F_BYTES, VD_F_BYTESES, VD_F_MESSAGE, VD_F_MESSAGES
} vd_wire_kind;

#define VD_ONNX_NUMBERS 27u /* one above the highest field number of the schema */
typedef struct { vd_wire_kind kind; vd_wire_message child; } vd_wire_spec;
/* What the schema says about a field of a message. */
vd_wire_spec vd_wire_spec_of(vd_wire_message message, uint32_t number);

/* The bytes of a message that are still to be read; {NULL, NULL} is the empty message. */
typedef struct { const uint8_t *p, *end; } vd_wire;
typedef enum { VD_W_VARINT = 0, VD_W_64 = 1, VD_W_BYTES = 2, VD_W_32 = 5 } vd_wire_type;
typedef struct {
    uint32_t number;
    vd_wire_type type;
    uint64_t value; /* of a number */
    vd_wire bytes;  /* of VD_W_BYTES */
} vd_wire_field;

/* Read the next field. returns 1: it is in *f; 0: the message has ended; -1: it is malformed. */
int vd_wire_next(vd_wire *w, vd_wire_field *f);
/* Read one number of a packed field, of the wire type that it would have alone. */
int vd_wire_number(vd_wire *w, vd_wire_type type, uint64_t *value);
/* The bytes of the UTF-8 character that p begins with; 0 when none does, or it is byte 0. */
unsigned vd_wire_character(const uint8_t *p, uint64_t left);
/* The wire type of the single numbers of a field. */
vd_wire_type vd_wire_number_type(vd_wire_kind kind);

typedef struct {
    uint64_t fields, text_bytes;
    uint64_t names;        /* TEXT and TEXTS */
    uint64_t listed;       /* TEXTS, and BYTESES of attributes */
    uint64_t parameters;   /* names listed by functions */
    uint64_t ints, floats; /* of attributes */
    uint64_t messages[VD_M_COUNT];
} vd_wire_counts;

/* Walk a whole model: every message well formed, within the limits, fields of the wire type that
 * the schema says, text UTF-8 without byte 0, no single message given twice.
 *   *c        out: how much there is of what is read
 *   returns   RO_OK; RO_EFORMAT or RO_ELIMIT, with the byte where it is
 *   cost      one pass; bytes that are skipped are not looked at        thread  any           */
ro_status vd_wire_scan(const uint8_t *bytes, uint64_t size, vd_wire_counts *c, ro_err *err)
    RO_CHECKED;

#endif
