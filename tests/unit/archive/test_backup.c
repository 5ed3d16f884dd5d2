// SPDX-License-Identifier: MIT
#include "archive/backup.h"

#include "archive_fixture.h"

#include <dirent.h>

enum { OBJECTS = 4 };

static void store_some(void)
{
    char uid[24];
    for (int i = 1; i <= OBJECTS; i++) {
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        Spec spec = SPEC(uid);
        assert_int_equal(store_spec(&spec), ARC_STORED);
    }
}

static char data_path[80], target[80], index_path[80];

static bool back_up(ArcBackedUp *done, const atomic_bool *stop, Err *err)
{
    snprintf(data_path, sizeof data_path, "%s/data", top);
    snprintf(target, sizeof target, "%s/backups", top);
    snprintf(index_path, sizeof index_path, "%s/index.sqlite", top);
    const ArcBackupRoot roots[] = {{"data", data_path}, {"nothing", "/nothing/here"}};
    ArcBackup wish = {.target = target,
                      .archive = top,
                      .data = data_path,
                      .roots = roots,
                      .root_count = 2,
                      .index_path = index_path,
                      .stop = stop};
    return arc_backup(&wish, done, err);
}

static bool bring_back(const char *folder, ArcBackedUp *done, Err *err)
{
    char data[80], index[80];
    snprintf(data, sizeof data, "%s/back/data", top);
    snprintf(index, sizeof index, "%s/back/index.sqlite", top);
    const ArcBackupRoot roots[] = {{"data", data}, {ARC_BACKUP_INDEX, index}};
    return arc_restore(&(ArcRestore){.folder = folder, .roots = roots, .root_count = 2}, done, err);
}

static void test_there_and_back(void **state)
{
    Arena *arena = arena_new(0);
    ArcBackedUp done;
    ArcBackupHead head;
    Err err = {0};
    store_some();
    assert_true(back_up(&done, NULL, &err));
    assert_int_equal(done.files, OBJECTS + 1);
    assert_int_equal(done.copied, OBJECTS + 1);
    assert_true(arc_backup_find(arena, target, &head, &err));
    assert_non_null(strstr(head.folder, done.name));
    assert_string_equal(head.archive, top);
    assert_true(head.index);
    assert_true(bring_back(head.folder, &done, &err));
    assert_int_equal(done.files, OBJECTS + 1);
    assert_int_equal(done.failed, 0);
    assert_int_equal(count_files("back"), OBJECTS + 1);
    arena_free(arena);
}

static void test_moved_rows(void **state)
{
    Arena *arena = arena_new(0);
    ArcBackedUp done;
    IdxFile file;
    Err err = {0};
    char index[80];
    store_some();
    assert_true(back_up(&done, NULL, &err));
    snprintf(index, sizeof index, "%s/%s/index.sqlite", target, done.name);
    assert_true(idx_sqlite_move(index, data_path, "/some/where", &err));
    assert_true(idx_sqlite_move(index, "/some/whe", "/not/this", &err)); /* a folder, not a prefix */
    Index *moved = idx_open(&(IdxSettings){.sqlite_path = index}, &err);
    assert_non_null(moved);
    assert_true(idx_instance(moved, arena, "1.2.3.4.2", &file, &err));
    assert_string_equal(file.path, "/some/where/P1/1.2.3/1.2.3.4/1.2.3.4.2");
    idx_close(moved);
    arena_free(arena);
}

static void test_a_damaged_manifest(void **state)
{
    Arena *arena = arena_new(0);
    ArcBackedUp done;
    ArcBackupHead head;
    Err err = {0};
    store_some();
    assert_true(back_up(&done, NULL, &err));
    char folder[128], manifest[160];
    snprintf(folder, sizeof folder, "%s/%s", target, done.name);
    snprintf(manifest, sizeof manifest, "%s/manifest.json", folder);
    static const char *const texts[] = {
        "", "{}\n", "[1]\n{\"end\":true}\n",
        "{\"archive\":\"/a\"}\n{\"path\":\"../../etc/passwd\",\"size\":1}\n{\"end\":true}\n",
        "{\"archive\":\"/a\"}\n{\"end\":true}\n{\"path\":\"data/x\",\"si"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(file_replace(manifest, span_cstr(texts[i]), 0640, &err));
        assert_false(arc_backup_find(arena, folder, &head, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_false(bring_back(folder, &done, &err));
    }
    assert_false(arc_backup_find(arena, target, &head, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    arena_free(arena);
}

static void test_it_is_stopped(void **state)
{
    ArcBackedUp done;
    Err err = {0};
    atomic_bool stop = true;
    store_some();
    assert_false(back_up(&done, &stop, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(access(at("backups/.unfinished"), F_OK), 0);
    assert_true(back_up(&done, NULL, &err));
    assert_int_equal(access(at("backups/.unfinished"), F_OK), -1);
    assert_int_equal(done.files, OBJECTS + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back),
        TEST(test_moved_rows),
        TEST(test_a_damaged_manifest),
        TEST(test_it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
