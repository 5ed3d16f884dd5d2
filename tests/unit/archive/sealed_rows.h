// SPDX-License-Identifier: MIT
/* Rows with and without SHA-256, set and looked at beside the archive. Include behind archive_fixture.h. */
#ifndef GANTRY_TESTS_ARCHIVE_SEALED_ROWS_H
#define GANTRY_TESTS_ARCHIVE_SEALED_ROWS_H

#include <openssl/evp.h>
#include <sqlite3.h>

static inline void sha256_of(const char *path, uint8_t out[32])
{
    Buf all;
    Err err = {0};
    buf_init(&all, 0);
    if (!file_read_all(path, 1 << 30, &all, &err))
        fail_msg("%s", err.text);
    EVP_Digest(all.p, all.n, out, NULL, EVP_sha256(), NULL);
    buf_free(&all);
}

static inline sqlite3 *open_beside(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(at("index.sqlite"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    return db;
}

/* As a server leaves them that was never quiet. */
static inline void unseal_rows(void)
{
    sqlite3 *db = open_beside();
    assert_int_equal(
        sqlite3_exec(db, "UPDATE file_storage_metadata_dicom SET sha256 = zeroblob(32)", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
}

static inline void seal_rows(void)
{
    sqlite3 *db = open_beside();
    sqlite3_stmt *rows, *set;
    uint8_t sha[32];
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT file_path, file_storage_metadata_dicom_id FROM "
                                        "file_storage_metadata_dicom",
                                        -1, &rows, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "UPDATE file_storage_metadata_dicom SET sha256 = ? WHERE "
                                        "file_storage_metadata_dicom_id = ?",
                                        -1, &set, NULL),
                     SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        sha256_of((const char *)sqlite3_column_text(rows, 0), sha);
        sqlite3_bind_blob(set, 1, sha, sizeof sha, SQLITE_TRANSIENT);
        sqlite3_bind_int64(set, 2, sqlite3_column_int64(rows, 1));
        assert_int_equal(sqlite3_step(set), SQLITE_DONE);
        sqlite3_reset(set);
    }
    sqlite3_finalize(rows);
    sqlite3_finalize(set);
    sqlite3_close(db);
}

/* Is its SHA-256 in the row? It is then that of the file. */
static inline bool is_sealed(const char *instance)
{
    static const uint8_t none[32];
    uint8_t sha[32];
    Arena *arena = arena_new(0);
    IdxFile file;
    assert_true(find_instance(arena, instance, &file));
    bool sealed = memcmp(file.sha256, none, sizeof none) != 0;
    if (sealed) {
        sha256_of(file.path, sha);
        assert_memory_equal(file.sha256, sha, sizeof sha);
    }
    arena_free(arena);
    return sealed;
}

#endif
