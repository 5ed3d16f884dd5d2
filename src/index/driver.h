// SPDX-License-Identifier: MIT
/* What a driver implements; database.h says what each call means. Only database.c and the drivers include this. */
#ifndef GANTRY_INDEX_DRIVER_H
#define GANTRY_INDEX_DRIVER_H

#include "index/database.h"

/* The digits of DbDialect.no_sha256. */
#define DB_NO_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"

struct DbDriver {
    DbDialect dialect;
    DbSource *(*source_new)(const IdxSettings *settings, Err *err);
    void (*source_free)(DbSource *source);
    Db *(*open)(DbSource *source, DbMode mode, Err *err);
    void (*close)(Db *db);
    bool (*alive)(Db *db);
    bool (*open_schema)(Db *db, Err *err);
    bool (*exec)(Db *db, const char *sql, Err *err);
    bool (*build)(Db *db, const char *index, const char *sql, Err *err);
    bool (*begin)(Db *db, bool *changed, Err *err);
    bool (*commit)(Db *db, Err *err);
    void (*rollback)(Db *db);
    bool (*spoilt)(Db *db);
    bool (*mark)(Db *db, Err *err);
    bool (*keep)(Db *db, Err *err);
    void (*undo)(Db *db, const Err *why);
    bool (*undone)(Db *db); /* NULL: never */
    void (*watch)(Db *db, bool (*stopped)(void *ctx),
                  void *stopped_ctx); /* NULL: a statement that runs is not stopped */
    DbStatement *(*prepare)(Db *db, const char *sql, DbUse use, Err *err);
    DbStatement *(*gather)(Db *db, const char *insert, int rank,
                           Err *err); /* NULL: rows are written at once */
    bool (*new_id)(Db *db, const char *table, const char *id_column, int64_t *id, Err *err); /* NULL: 0 */
    void (*done)(DbStatement *s);
    void (*bind_text)(DbStatement *s, Span utf8);
    void (*bind_int)(DbStatement *s, int64_t value);
    void (*bind_blob)(DbStatement *s, Span bytes);
    void (*bind_null)(DbStatement *s);
    bool (*step)(DbStatement *s, bool *row, Err *err);
    bool (*run)(DbStatement *s, Err *err);
    bool (*insert)(DbStatement *s, int64_t *id, Err *err);
    bool (*is_null)(DbStatement *s, int column);
    Span (*text)(DbStatement *s, int column);
    int64_t (*number)(DbStatement *s, int column);
    Span (*blob)(DbStatement *s, int column);
};

extern const DbDriver db_sqlite, db_postgres;

#endif
