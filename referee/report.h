/* report.h - what the files of verde-dispute share that show what a dispute came to. Private to the
 * program. */
#ifndef RF_REPORT_H
#define RF_REPORT_H
#include "files.h"

/* ---- names and numbers (tell.c) --------------------------------------------------------- */

#define RF_TRACES_MAX 4096u /* of one command */
/* "A" .. "Z", then "P27" .. */
const char *rf_party_name(uint32_t party, char name[8]);
/* "A, B" for the parties of a side that stand on one root. */
const char *rf_side_names(const rf_files *f, const vd_digest *root, char *text, size_t size);
const char *rf_index_text(const ro_type *t, uint64_t element, char text[160]);
/* How claimed and recomputed bits are to be read: a part is of the compute type. */
ro_dtype rf_value_dtype(const vd_job *j, const rf_verdict *v);

/* ---- the verdict in a tree and in sentences (tell.c) ------------------------------------ */

typedef enum {
    RF_TREES_DIFFER, /* the usual case: steps or segments                                    */
    RF_OUTPUTS_DIFFER, /* equal trees, the bodies differ over them: in the outputs root ..    */
    RF_ENDS_DIFFER     /* .. or in the last state alone                                       */
} rf_bodies;

/* What a dispute came to, apart from the files it was about: all that is told of it follows from
 * this. Everything is borrowed. */
typedef struct {
    const vd_job *job;
    uint32_t party_count;
    uint32_t *side;                       /* of each party: the lowest one with the same root */
    uint8_t *stands, *is_signed;
    uint8_t *foreign;                     /* says that it ran on a backend that is not here   */
    const rf_verdict *verdict;            /* of all                                           */
    const rf_verdict **pairs;             /* a party guilty in one: all of its side are       */
    rf_bodies *bodies;                    /* of each pair                                     */
    uint32_t pair_count, pair_room;
    uint8_t *claim_stands;
    rf_game *game;                        /* the last one, to be freed                        */
    uint64_t job_flops;                   /* 0: not known                                     */
    double ms;
} rf_report;

/* No verdict is final on one implementation, nor against a backend that was not run here. */
int rf_is_provisional(const rf_report *o);

/* Where stdout goes: what it can show, how wide it is. */
typedef struct { uint32_t width; int terminal, unicode, colour; } rf_screen;
/* Asks the terminal, COLUMNS, NO_COLOR, TERM and the locale; sets LC_CTYPE. */
void rf_screen_init(rf_screen *s);
typedef enum { RF_PLAIN, RF_BOLD, RF_DIM, RF_GOOD, RF_BAD } rf_style;
/* One line on stdout, made of pieces; what does not fit the width is cut. */
typedef struct { const rf_screen *s; uint32_t column; } rf_line_out;
void rf_put(rf_line_out *l, rf_style style, const char *format, ...) RO_PRINTF(3, 4);
void rf_end_line(rf_line_out *l);
/* Sentences, broken between words, each line after `indent` spaces. */
void rf_wrap(const rf_screen *s, uint32_t indent, const char *text);

/* The way down of one pair: the halves put aside, the node, the chunk, the element, its bits. */
void rf_print_tree(const rf_report *o, const rf_screen *s, uint32_t pair);

/* The verdict for who has never heard of any of this: each piece is a few sentences about one
 * question. pair: from 0, RF_NONE: about the whole dispute.
 *   about     "agreed", "said", "recomputed", "why", "cost", "open": docs/JOBS.md             */
typedef void rf_hear(void *ctx, uint32_t pair, const char *about, const char *text);
void rf_explain(const rf_report *o, rf_hear *hear, void *ctx);
void rf_print_explanation(const rf_report *o, const rf_screen *s);
/* "A and B", "C": the parties of one side of a pair. */
const char *rf_side_text(const rf_report *o, const rf_verdict *v, int side, char text[512]);

/* The cause for which a party fell, RF_AGREE: it did not. */
rf_kind rf_guilt_of(const rf_report *o, uint32_t party);

/* ---- the transcript (transcript.c) ------------------------------------------------------ */

typedef struct rf_transcript rf_transcript;
/* *out to be freed. RO_ENOMEM. */
ro_status rf_transcript_new(rf_transcript **out, ro_err *err) RO_CHECKED;
void rf_transcript_free(rf_transcript *t);
/* Begin a game with its setup: the one that rf_files_game has made. */
void rf_transcript_begin(rf_transcript *t, const rf_files *f);
/* The question that is put now; rf_heard is told of each answer to it, after which the question
 * has been answered or nobody can. */
void rf_transcript_ask(rf_transcript *t, const rf_game *g, const rf_question *q);
rf_heard rf_transcript_hear;
void rf_transcript_close(rf_transcript *t);
/* The verdict of the game, over so many pairs, as its last line. */
void rf_transcript_end(rf_transcript *t, const rf_verdict *v, uint32_t pairs);
/* All of it to a file. RO_ENOMEM also where a line was lost. */
ro_status rf_transcript_write(rf_transcript *t, const char *path, ro_err *err) RO_CHECKED;

/* ---- the games (rounds.c) --------------------------------------------------------------- */

/* A game to its end. t: NULL, or told of it. What rf_game_next and rf_files_answer return. */
ro_status rf_play(rf_files *f, rf_game *g, rf_transcript *t, ro_err *err) RO_CHECKED;
/* All games over all traces, and all that is told of them but cost of the job and time.
 *   *o        out; o->game is to be freed, all else lives as long as f
 *   t         NULL, or gets each game in turn                                                */
ro_status rf_rounds(rf_files *f, rf_transcript *t, rf_report *o, ro_err *err) RO_CHECKED;

/* Write the evidence of every pair: PATH, or where several were judged PATH.K for pair K, from 1.
 * (evidence_files.c) */
ro_status rf_files_evidence(rf_files *f, const rf_report *o, const char *path, ro_err *err)
    RO_CHECKED;

/* ---- the picture (draw.c) --------------------------------------------------------------- */

/* The picture of a dispute, self-contained, to a file. */
ro_status rf_draw(const rf_files *f, const rf_verdict *v, const char *path, ro_err *err) RO_CHECKED;
#endif
