// SPDX-License-Identifier: MIT
/* Folders synced side by side. */
#include "store/store_internal.h"

#include "store_fixture.h"

enum { FOLDERS = 40 };

static void open_folders(Folder *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        list[i].fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(list[i].fd >= 0);
    }
}

static void close_folders(const Folder *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(list[i].fd);
}

static void test_all_of_them(void **state)
{
    Folder list[FOLDERS] = {0};
    Err err;
    open_folders(list, FOLDERS);
    assert_true(sync_folders(store, list, 0, &err));
    assert_true(sync_folders(store, list, 1, &err));
    assert_true(sync_folders(store, list, FOLDERS, &err));
    close_folders(list, FOLDERS);
}

static void test_without_helpers(void **state)
{
    Folder list[FOLDERS] = {0};
    Err err;
    open_folders(list, FOLDERS);
    refuse_threads(true);
    bool synced = sync_folders(store, list, FOLDERS, &err);
    refuse_threads(false);
    assert_true(synced);
    close_folders(list, FOLDERS);
}

/* One that cannot be synced is found wherever it stands. */
static void test_a_failure_is_told(void **state)
{
    for (size_t bad = 0; bad < FOLDERS; bad += 13) {
        Folder list[FOLDERS] = {0};
        Err err = {0};
        open_folders(list, FOLDERS);
        int fd = list[bad].fd;
        list[bad].fd = -1;
        assert_false(sync_folders(store, list, FOLDERS, &err));
        assert_non_null(strstr(err.text, "a folder of the archive"));
        list[bad].fd = fd;
        close_folders(list, FOLDERS);
    }
}

static void *sync_often(void *ctx)
{
    Folder list[FOLDERS] = {0};
    open_folders(list, FOLDERS);
    bool ok = true;
    for (int i = 0; i < 20; i++)
        ok = sync_folders(ctx, list, FOLDERS, NULL) && ok;
    close_folders(list, FOLDERS);
    return ok ? ctx : NULL;
}

static void test_passes_at_one_time(void **state)
{
    pthread_t threads[4];
    void *result;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sync_often, store), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], &result);
        assert_non_null(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_of_them, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_without_helpers, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_a_failure_is_told, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_passes_at_one_time, make_store, drop_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
