// SPDX-License-Identifier: MIT
/* What the tests of the index share: a folder of their own, and objects made up in memory. */
#ifndef GANTRY_TESTS_INDEX_FIXTURE_H
#define GANTRY_TESTS_INDEX_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "dicom/dataset.h"
#include "dicom/tags.h"
#include "dicom/value.h"
#include "index/index.h"
#include "server.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Fixture {
    char folder[64], path[96];
    const TestServer *server; /* NULL: SQLite */
    char schema[32];
    Index *index;
    Arena *arena;
    Err err;
} Fixture;

__attribute__((unused)) static bool on_postgres(const Fixture *f)
{
    return f->server != NULL;
}

/* The extended attributes of every index that is opened from now on. */
__attribute__((unused)) static const IdxExtended *fixture_extended;
__attribute__((unused)) static size_t fixture_extended_count;

/* What the tests open their index with; `path` is only SQLite's. */
__attribute__((unused)) static IdxSettings fixture_settings(const Fixture *f)
{
    IdxSettings settings = {.sqlite_path = f->path,
                            .busy_timeout_ms = 2000,
                            .readers = 2,
                            .extended = fixture_extended,
                            .extended_count = fixture_extended_count};
    if (f->server) {
        settings.engine = IDX_POSTGRESQL;
        settings.postgres = (IdxPostgres){.host = f->server->folder,
                                          .port = f->server->port,
                                          .database = "postgres",
                                          .schema = f->schema,
                                          .login = "gantry",
                                          .password = SERVER_PASSWORD};
    }
    return settings;
}

__attribute__((unused)) static Index *fixture_open(Fixture *f)
{
    IdxSettings settings = fixture_settings(f);
    f->index = idx_open(&settings, &f->err);
    return f->index;
}

__attribute__((unused)) static int fixture_setup(void **state)
{
    static int number;
    Fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    const char *engine = getenv("GANTRY_TEST_ENGINE");
    if (engine && strcmp(engine, "postgresql") == 0 && !(f->server = server_get()))
        return -1; /* where the programs are missing, server_get has ended us */
    snprintf(f->schema, sizeof f->schema, "Archive %d", ++number);
    snprintf(f->folder, sizeof f->folder, "/tmp/gantry-index-XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->path, sizeof f->path, "%s/index.sqlite", f->folder);
    f->arena = arena_new(0);
    *state = f;
    if (fixture_open(f))
        return 0;
    print_error("%s\n", f->err.text);
    return -1;
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
    Fixture *f = *state;
    char path[128];
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    idx_close(f->index);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    rmdir(f->folder);
    arena_free(f->arena);
    free(f);
    return 0;
}

/* An object from tag, text pairs (UTF-8), ended by 0. */
__attribute__((unused)) static DcmDataset *object_of(Arena *arena, ...)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    va_list list;
    dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    va_start(list, arena);
    for (DcmTag tag = va_arg(list, DcmTag); tag; tag = va_arg(list, DcmTag))
        dcm_put_utf8(ds, tag, va_arg(list, const char *));
    va_end(list);
    return ds;
}

/* The file record of an object, as the archive would make it. */
__attribute__((unused)) static IdxFile file_of(Arena *arena, const DcmDataset *ds)
{
    IdxFile f = {.sop_instance = dcm_text(arena, ds, DCM_SOPInstanceUID, 0),
                 .sop_class = dcm_text(arena, ds, DCM_SOPClassUID, 0),
                 .series = dcm_text(arena, ds, DCM_SeriesInstanceUID, 0),
                 .study = dcm_text(arena, ds, DCM_StudyInstanceUID, 0),
                 .patient_id = dcm_text(arena, ds, DCM_PatientID, 0),
                 .transfer_syntax = "1.2.840.10008.1.2.1",
                 .storage_method = "FS",
                 .source_ae = "TESTER",
                 .size = 1000,
                 .data_offset = 400,
                 .begin_us = 1700000000000000,
                 .end_us = 1700000000500000};
    f.path = arena_printf(arena, "/data/%s", f.sop_instance);
    return f;
}

__attribute__((unused)) static bool put(Fixture *f, const DcmDataset *ds)
{
    IdxFile file = file_of(f->arena, ds);
    return idx_put(f->index, &file, ds, &f->err);
}

#define ASSERT_OK(f, what)                                                                                   \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            print_error("%s: %s\n", #what, (f)->err.text);                                                   \
            fail();                                                                                          \
        }                                                                                                    \
    } while (0)

/* begin, put, commit. */
__attribute__((unused)) static void store(Fixture *f, const DcmDataset *ds)
{
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, put(f, ds));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
}

__attribute__((unused)) static const char *lite_text(Fixture *f, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    const char *out = "(none)";
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 2000);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(s) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        out = text ? arena_strdup(f->arena, text) : "(null)";
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return out;
}

/* As the owner of the server. Truth is "1" and "0" as in the other database. */
__attribute__((unused)) static const char *postgres_text(Fixture *f, const char *sql)
{
    enum { BOOLEAN = 16 };
    PGconn *db = server_connect(f->server, f->schema);
    PGresult *result = PQexec(db, sql);
    const char *out = "(none)";
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
    if (PQntuples(result)) {
        const char *text = PQgetvalue(result, 0, 0);
        if (PQftype(result, 0) == BOOLEAN)
            text = *text == 't' ? "1" : "0";
        out = arena_strdup(f->arena, PQgetisnull(result, 0, 0) ? "(null)" : text);
    }
    PQclear(result);
    PQfinish(db);
    return out;
}

/* First column of the first row of a statement, as text in the arena; "(null)" and "(none)". Looks at the database beside the index. */
__attribute__((unused)) static const char *sql_text(Fixture *f, const char *sql)
{
    return f->server ? postgres_text(f, sql) : lite_text(f, sql);
}

/* How many answers a query has; their texts of `tag` joined by '|' into *texts when not NULL. */
__attribute__((unused)) static size_t ask(Fixture *f, DcmLevel level, const DcmDataset *keys,
                                          DcmMatchOptions match, DcmTag tag, const char **texts)
{
    IdxQuery query = {.level = level, .keys = keys, .match = match};
    IdxCursor *cursor = idx_query(f->index, &query, &f->err);
    ASSERT_OK(f, cursor);
    const char *joined = "";
    size_t n = 0;
    for (;; n++) {
        IdxRow row;
        ASSERT_OK(f, idx_next(cursor, f->arena, &row, &f->err));
        if (!row.attributes)
            break;
        const char *text = dcm_text_all(f->arena, row.attributes, tag);
        joined = arena_printf(f->arena, "%s%s%s", joined, n ? "|" : "", text ? text : "(absent)");
    }
    idx_cursor_free(cursor);
    if (texts)
        *texts = joined;
    return n;
}

#endif
