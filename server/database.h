/* database.h - one SQLite connection and its prepared statements. Private to the files of the
 * server that see SQLite: ledger.c, catalog.c.
 *
 * What this file decides: how values reach statements and how SQLite's failures become ours.
 *
 * Invariants
 *   1. Values reach SQL as bound parameters of prepared statements; no statement is made of them.
 *   2. A statement is prepared once a connection, and reset by whoever stepped it. */
#ifndef SV_DATABASE_H
#define SV_DATABASE_H
#include <sqlite3.h>
#include <stdarg.h>

#include "ledger.h"

/* Statements of one owner, by number. Several sets may share a connection. */
typedef struct {
    sqlite3 *db;
    const char *const *text;
    sqlite3_stmt **prepared; /* `count` of them, NULL until they are used first */
    int count;
    int failed; /* set by every failure: the transaction can only be undone */
} sv_statements;

ro_status sv_db_failed(sqlite3 *db, const char *what, ro_err *err);
/* Start a statement: *out is ready to be stepped, and to be reset by who steps it.
 *   format    of the bound values: d digest, k kind (16 bytes), i int64, u uint64 (below 2^63, or
 *             any bits), t text, b bytes and size                                               */
ro_status sv_db_ask(sv_statements *l, int query, sqlite3_stmt **out, ro_err *err,
                    const char *format, ...) RO_CHECKED;
/* *row: there is one. Without one the statement is reset. */
ro_status sv_db_step(sv_statements *l, sqlite3_stmt *s, int *row, ro_err *err) RO_CHECKED;
/* Step a statement that has no rows to give. */
ro_status sv_db_finish(sv_statements *l, sqlite3_stmt *s, ro_err *err) RO_CHECKED;
void sv_db_done(sqlite3_stmt *s);
/* What has another size than our tables allow is zeros. */
void sv_db_column(sqlite3_stmt *s, int n, void *to, size_t size);
/* Text of ours alone: the schema and settings. */
ro_status sv_db_run(sqlite3 *db, const char *text, ro_err *err) RO_CHECKED;
void sv_db_finalize(sv_statements *l);

/* The connection of a ledger, for tables that are written in its transactions. */
sqlite3 *sv_ledger_connection(sv_ledger *l);
extern const char sv_catalog_schema[]; /* catalog.c */
#endif
