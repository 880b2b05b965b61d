/* database.c - values into statements, failures out of them.
 *
 * What this file decides: which of SQLite's failures are of memory, of format, of the system. */
#include "database.h"

#include <string.h>

ro_status sv_db_failed(sqlite3 *db, const char *what, ro_err *err)
{
    int code = sqlite3_errcode(db) & 0xff;
    ro_status st = code == SQLITE_NOMEM                               ? RO_ENOMEM
                   : code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? RO_EFORMAT
                                                                     : RO_EIO;
    return RO_FAIL(err, st, "the ledger cannot %s: %s", what, sqlite3_errmsg(db));
}

/* Bound values: d digest, k kind (16 bytes), i int64, u uint64 (below 2^63, or any bits), t text,
 * b bytes and size. */
static int bind(sqlite3_stmt *s, const char *format, va_list list)
{
    int bad = SQLITE_OK;
    for (int n = 1; *format && bad == SQLITE_OK; format++, n++) {
        const void *bytes;
        switch (*format) {
        case 'd':
            bad = sqlite3_bind_blob64(s, n, va_arg(list, const void *), VD_DIGEST, NULL);
            break;
        case 'k':
            bad = sqlite3_bind_blob64(s, n, va_arg(list, const void *), SV_KIND_BYTES, NULL);
            break;
        case 'i': bad = sqlite3_bind_int64(s, n, va_arg(list, int64_t)); break;
        case 'u': bad = sqlite3_bind_int64(s, n, (int64_t)va_arg(list, uint64_t)); break;
        case 't': bad = sqlite3_bind_text(s, n, va_arg(list, const char *), -1, NULL); break;
        default:
            RO_ASSERT(*format == 'b');
            bytes = va_arg(list, const void *);
            /* a NULL pointer would be SQL's NULL */
            bad = sqlite3_bind_blob64(s, n, bytes ? bytes : "", va_arg(list, uint64_t), NULL);
        }
    }
    return bad;
}

/* Start a statement: *out is ready to be stepped, and to be reset by who steps it. */
ro_status sv_db_ask(sv_statements *l, int query, sqlite3_stmt **out, ro_err *err,
                    const char *format, ...)
{
    va_list list;
    int bad = SQLITE_OK;
    if (!l->prepared[query])
        bad = sqlite3_prepare_v3(l->db, l->text[query], -1, SQLITE_PREPARE_PERSISTENT,
                                 &l->prepared[query], NULL);
    *out = l->prepared[query];
    if (bad == SQLITE_OK) {
        va_start(list, format);
        bad = bind(*out, format, list);
        va_end(list);
    }
    if (bad == SQLITE_OK) return RO_OK;
    l->failed = 1;
    return sv_db_failed(l->db, "prepare a statement", err);
}

void sv_db_done(sqlite3_stmt *s)
{
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

/* *row: there is one. Without one the statement is reset. */
ro_status sv_db_step(sv_statements *l, sqlite3_stmt *s, int *row, ro_err *err)
{
    int got = sqlite3_step(s);
    *row = got == SQLITE_ROW;
    if (got == SQLITE_ROW) return RO_OK;
    ro_status st = got == SQLITE_DONE ? RO_OK : sv_db_failed(l->db, "be used", err);
    if (st) l->failed = 1;
    sv_db_done(s);
    return st;
}

/* A statement that has no rows to give. */
ro_status sv_db_finish(sv_statements *l, sqlite3_stmt *s, ro_err *err)
{
    int row;
    RO_TRY(sv_db_step(l, s, &row, err));
    RO_ASSERT(!row);
    return RO_OK;
}

/* What has another size than our tables allow is zeros, and fails the checks of heads. */
void sv_db_column(sqlite3_stmt *s, int n, void *to, size_t size)
{
    memset(to, 0, size);
    if (sqlite3_column_bytes(s, n) == (int)size) memcpy(to, sqlite3_column_blob(s, n), size);
}

/* Text of ours alone: the schema and settings. */
ro_status sv_db_run(sqlite3 *db, const char *text, ro_err *err)
{
    while (*text) {
        sqlite3_stmt *s = NULL;
        int got = sqlite3_prepare_v2(db, text, -1, &s, &text);
        if (got != SQLITE_OK) return sv_db_failed(db, "be set up", err);
        if (!s) continue; /* the end of the text */
        do got = sqlite3_step(s);
        while (got == SQLITE_ROW);
        ro_status st = got == SQLITE_DONE ? RO_OK : sv_db_failed(db, "be set up", err);
        sqlite3_finalize(s);
        RO_TRY(st);
    }
    return RO_OK;
}


void sv_db_finalize(sv_statements *l)
{
    for (int q = 0; q < l->count; q++) {
        sqlite3_finalize(l->prepared[q]);
        l->prepared[q] = NULL;
    }
}
