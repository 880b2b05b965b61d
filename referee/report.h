/* report.h - what main.c and draw.c of verde-dispute share. Private to the program. */
#ifndef RF_REPORT_H
#define RF_REPORT_H
#include "files.h"

/* "A" .. "Z", then "P27" .. */
const char *rf_party_name(uint32_t party, char name[8]);
/* "A, B" for the parties of a side that stand on one root. */
const char *rf_side_names(const rf_files *f, const vd_digest *root, char *text, size_t size);
/* Stored bits of a dtype as a decimal number that reads back to them. */
const char *rf_value_text(ro_dtype d, uint64_t bits, char text[40]);
const char *rf_index_text(const ro_type *t, uint64_t element, char text[160]);
/* The picture of a dispute, self-contained, to a file. */
ro_status rf_draw(const rf_files *f, const rf_verdict *v, const char *path, ro_err *err) RO_CHECKED;
#endif
