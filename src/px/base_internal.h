// SPDX-License-Identifier: MIT
/* What the files of px/base*.c share. Only those files include this. */
#ifndef GANTRY_PX_BASE_INTERNAL_H
#define GANTRY_PX_BASE_INTERNAL_H

#include "px/base.h"

#include <pthread.h>
#include <sqlite3.h>

/* -- base_db.c: the px tables -- */

typedef enum PxSql {
    PX_SQL_RECORD_GET,
    PX_SQL_RECORD_SET,
    PX_SQL_RECORD_NAMES,
    PX_SQL_MARK_SET,
    PX_SQL_MARK_FIND,
    PX_SQL_MARKS_OF_SERIES,
    PX_SQL_MARKS_OF_KIND,
    PX_SQL_COUNT
} PxSql;

/* One connection; whoever uses it holds `lock`. */
typedef struct PxDb {
    sqlite3 *handle;
    char *path;
    pthread_mutex_t lock;
    sqlite3_stmt *statements[PX_SQL_COUNT];
} PxDb;

/* Waits at most busy_ms for other writers. ERR_NOT_FOUND when the file is not there. *current: it has the px tables of this version. */
PxDb *px_db_open(const char *path, int busy_ms, bool *current, Err *err);
/* Makes the px tables, or brings older ones up to date. */
bool px_db_prepare(PxDb *db, Err *err);
void px_db_close(PxDb *db);
/* Takes the lock, and begins a transaction when `writes`. False: nothing is held. */
bool px_db_enter(PxDb *db, bool writes, Err *err);
/* Commits when `ok`, else takes back; gives the lock back. Returns whether all went well. */
bool px_db_leave(PxDb *db, bool writes, bool ok, Err *err);
/* Ready to be bound; NULL and err on failure. Ended by px_db_reset. */
sqlite3_stmt *px_db_statement(PxDb *db, PxSql which, Err *err);
/* True with *row false at the end. */
bool px_db_step(PxDb *db, sqlite3_stmt *statement, bool *row, Err *err);
void px_db_reset(sqlite3_stmt *statement);
void px_db_bind(sqlite3_stmt *statement, int parameter, const char *text); /* NULL = SQL's NULL */
/* A column as text in the arena, "" for NULL. */
const char *px_db_text(sqlite3_stmt *statement, int column, Arena *arena);

/* -- base.c -- */
struct PxBase {
    Arena *strings;
    PxBaseSettings settings; /* strings in `strings`, absolute */
    const char *path;        /* of the database */
    PxTemplates *classic;    /* when the settings have no templates; ours */
    PxDb *db;
    pthread_mutex_t opening; /* guards the three below */
    Archive *archive;
    Index *index;        /* while there is no archive */
    struct PxTree *tree; /* when it is kept */
};

/* The tree that is kept up to date, *out NULL when none is. */
bool px_base_tree(PxBase *base, struct PxTree **out, Err *err);

/* -- base_objects.c -- */
typedef bool (*PxFileVisit)(void *ctx, const IdxFile *file, Err *err);
/* In the index's order. */
bool px_base_files(PxBase *base, const PxSelection *what, PxFileVisit visit, void *ctx, Err *err);
void px_hex(const uint8_t *bytes, size_t n, char *out);

#endif
