// SPDX-License-Identifier: MIT
/* Deleting and undoing: rows, files and figures; what came meanwhile; runs that died in between. */
#include "archive/trash.h"
#include "archive_fixture.h"
#include "sealed_rows.h"

static ArcTrash trash_of(void)
{
    static char folder[80];
    snprintf(folder, sizeof folder, "%s/trash", top);
    return (ArcTrash){.folder = folder, .what = "a test"};
}

static void fill(int n)
{
    for (int i = 0; i < n; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        Spec spec = SPEC(uid);
        spec.study = i % 2 ? "1.2.3" : "1.2.4";
        spec.series = i % 2 ? "1.2.3.1" : "1.2.4.1";
        store_spec(&spec);
    }
}

static const char *const odd_study[] = {"1.2.3"};
static const IdxSelection odd = {.studies = odd_study, .study_count = 1};

static ArcTrashed delete (const IdxSelection *selection)
{
    ArcTrash trash = trash_of();
    ArcTrashed done;
    Err err = {0};
    if (!arc_delete(archive, &trash, selection, &done, &err))
        fail_msg("%s", err.text);
    return done;
}

static void test_there_and_back(void **state)
{
    fill(40);
    ArcTrash trash = trash_of();
    ArcTrashed gone = delete (&odd), back;
    Err err = {0};
    assert_int_equal(gone.objects, 20);
    assert_int_equal(count_instances(), 20);
    assert_int_equal(count_files("data"), 20);
    assert_int_equal(count_files("trash"), 21);
    reopen_archive();
    if (!arc_undelete(archive, &trash, gone.batch, &back, &err))
        fail_msg("%s", err.text);
    assert_int_equal(back.objects, 20);
    assert_int_equal(back.bytes, gone.bytes);
    assert_int_equal(count_instances(), 40);
    assert_int_equal(count_files("trash"), 0);
    Spec spec = SPEC("1.2.3.4.1");
    spec.series = "1.2.3.1";
    assert_stored_spec(&spec);
    assert_int_equal(store_spec(&spec), ARC_SAME);
}

/* Where files cannot have two names they are copied, there and back. */
static void test_trash_on_another_file_system(void **state)
{
    char folder[] = "/dev/shm/gantry-test-trash-XXXXXX";
    struct stat here, there;
    if (!mkdtemp(folder))
        skip();
    bool other = stat(top, &here) == 0 && stat(folder, &there) == 0 && here.st_dev != there.st_dev;
    if (!other) {
        rmdir(folder);
        skip();
    }
    ArcTrash trash = {.folder = folder, .what = "a test"};
    ArcTrashed gone, back;
    Err err = {0};
    fill(8);
    if (!arc_delete(archive, &trash, &odd, &gone, &err))
        fail_msg("%s", err.text);
    assert_int_equal(gone.objects, 4);
    assert_int_equal(count_files("data"), 4);
    if (!arc_undelete(archive, &trash, gone.batch, &back, &err))
        fail_msg("%s", err.text);
    assert_int_equal(back.objects, 4);
    assert_int_equal(count_instances(), 8);
    Spec spec = SPEC("1.2.3.4.1");
    spec.series = "1.2.3.1";
    assert_stored_spec(&spec);
    assert_int_equal(rmdir(folder), 0);
}

static void test_nothing_selected(void **state)
{
    ArcTrash trash = trash_of();
    ArcTrashed done;
    Err err;
    fill(1);
    assert_false(arc_delete(archive, &trash, &odd, &done, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(count_instances(), 1);
    assert_int_equal(count_files("trash"), 0);
}

static void test_a_row_without_its_file_goes_too(void **state)
{
    Arena *arena = arena_new(0);
    IdxFile row;
    fill(2);
    assert_true(find_instance(arena, "1.2.3.4.1", &row));
    unlink(row.path);
    assert_int_equal(delete (&odd).objects, 1);
    assert_int_equal(count_instances(), 1);
    arena_free(arena);
}

static void test_came_again_meanwhile(void **state)
{
    ArcTrash trash = trash_of();
    ArcTrashed gone, back;
    Err err = {0};
    fill(2);
    gone = delete (&odd);
    Spec other = SPEC("1.2.3.4.1");
    other.fill = 7;
    store_spec(&other);
    assert_false(arc_undelete(archive, &trash, gone.batch, &back, &err));
    assert_int_equal(back.left, 1);
    assert_stored_spec(&other);
    assert_int_equal(count_files("trash"), 2);
    assert_true(arc_trash_purge(trash.folder, gone.batch, &err));
    assert_int_equal(count_files("trash"), 0);
}

/* In the trash and in the archive: a run that died before the rows went. Both ways on are open. */
static void test_died_in_between(void **state)
{
    ArcTrash trash = trash_of();
    ArcTrashed gone, back;
    Err err = {0};
    fill(2);
    gone = delete (&odd);
    char from[200], to[200];
    snprintf(from, sizeof from, "%s/trash/%s", top, gone.batch);
    snprintf(to, sizeof to, "%s/trash/20200101-000000-000000", top);
    assert_true(arc_undelete(archive, &trash, gone.batch, &back, &err));
    gone = delete (&odd);
    snprintf(from, sizeof from, "%s/trash/%s", top, gone.batch);
    assert_int_equal(rename(from, to), 0);
    Spec same = SPEC("1.2.3.4.1");
    same.series = "1.2.3.1";
    store_spec(&same); /* sent again: other meta, the same data set */
    assert_int_equal(count_instances(), 2);
    gone = delete (&odd);
    assert_int_equal(gone.objects, 1);
    assert_true(arc_undelete(archive, &trash, "20200101-000000-000000", &back, &err));
    assert_int_equal(count_instances(), 2);
}

static void test_list_and_bad_names(void **state)
{
    ArcTrash trash = trash_of();
    Arena *arena = arena_new(0);
    ArcBatch *batches;
    size_t n;
    Err err = {0};
    assert_true(arc_trash_list(arena, trash.folder, &batches, &n, &err));
    assert_int_equal(n, 0);
    fill(4);
    ArcTrashed gone = delete (&odd);
    assert_true(arc_trash_list(arena, trash.folder, &batches, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(batches[0].name, gone.batch);
    assert_string_equal(batches[0].what, "a test");
    assert_int_equal(batches[0].objects, 2);
    static const char *const bad[] = {"", "..", "../data", "/tmp", "x", "1/2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(arc_trash_purge(trash.folder, bad[i], &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(arc_undelete(archive, &trash, bad[i], &gone, &err));
    }
    assert_int_equal(count_files("data"), 2);
    arena_free(arena);
}

/* -- with and without SHA-256 -- */

static char *manifest_of(const char *batch, Buf *out)
{
    Err err = {0};
    char path[200];
    snprintf(path, sizeof path, "%s/trash/%s/manifest.json", top, batch);
    buf_init(out, 0);
    if (!file_read_all(path, 1 << 20, out, &err))
        fail_msg("%s", err.text);
    return (char *)buf_cstr(out);
}

/* Object 1 in the trash, and (`again`) in the archive as well. */
static const char *in_the_trash(bool sealed, bool again, bool again_sealed)
{
    static char batch[64];
    fill(2);
    (sealed ? seal_rows : unseal_rows)();
    snprintf(batch, sizeof batch, "%s", delete (&odd).batch);
    if (again)
        fill(2);
    (again_sealed ? seal_rows : unseal_rows)();
    return batch;
}

static bool bring_back(const char *batch, Err *err)
{
    ArcTrash trash = trash_of();
    ArcTrashed back;
    return arc_undelete(archive, &trash, batch, &back, err);
}

static void test_unsealed_there_and_back(void **state)
{
    Err err = {0};
    Buf manifest;
    const char *batch = in_the_trash(false, false, false);
    const char *text = manifest_of(batch, &manifest);
    assert_null(strstr(text, "\"sha256\""));
    assert_non_null(strstr(text, "\"content\":\""));
    buf_free(&manifest);
    if (!bring_back(batch, &err))
        fail_msg("%s", err.text);
    Spec spec = SPEC("1.2.3.4.1");
    spec.series = "1.2.3.1";
    assert_stored_spec(&spec);
}

static void test_unsealed_and_damaged_in_the_trash(void **state)
{
    Err err = {0};
    char copy[200];
    const char *batch = in_the_trash(false, false, false);
    snprintf(copy, sizeof copy, "%s/trash/%s/1", top, batch);
    damage(copy);
    assert_false(bring_back(batch, &err));
    assert_non_null(strstr(err.text, "not what was deleted"));
    damage(copy);
    assert_int_equal(truncate(copy, 200), 0);
    assert_false(bring_back(batch, &err));
    assert_int_equal(count_instances(), 1);
    assert_int_equal(count_files("data"), 1);
}

/* The same object, whatever is known of either; and another one. */
static void test_sealed_or_not_when_it_came_again(void **state)
{
    Err err = {0};
    for (int i = 0; i < 4; i++) {
        const char *batch = in_the_trash(i & 1, true, i & 2);
        if (!bring_back(batch, &err))
            fail_msg("%d: %s", i, err.text);
        assert_int_equal(count_files("trash"), 0);
        batch = in_the_trash(i & 1, false, false);
        Spec other = SPEC("1.2.3.4.1");
        other.series = "1.2.3.1";
        other.fill = 7;
        store_spec(&other);
        (i & 2 ? seal_rows : unseal_rows)();
        assert_false(bring_back(batch, &err));
        assert_int_equal(count_files("trash"), 2);
        assert_true(arc_trash_purge(trash_of().folder, batch, &err));
        IdxSelection all = {.everything = true};
        batch = delete (&all).batch;
        assert_true(arc_trash_purge(trash_of().folder, batch, &err));
    }
}

/* As older programs wrote it: SHA-256, and nothing of the data set. */
static void test_an_older_manifest(void **state)
{
    Err err = {0};
    Buf manifest;
    for (int again = 0; again < 2; again++) {
        const char *batch = in_the_trash(true, again, false);
        char *text = manifest_of(batch, &manifest), path[200];
        char *from = strstr(text, ",\"content\""), *to = strstr(text, ",\"outside\"");
        assert_true(from && to > from);
        memmove(from, to, strlen(to) + 1);
        snprintf(path, sizeof path, "%s/trash/%s/manifest.json", top, batch);
        assert_true(file_replace(path, span_cstr(text), 0640, &err));
        buf_free(&manifest);
        if (!bring_back(batch, &err))
            fail_msg("%s", err.text);
        assert_int_equal(count_instances(), 2);
        assert_int_equal(count_files("trash"), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_there_and_back),
                                       TEST(test_trash_on_another_file_system),
                                       TEST(test_nothing_selected),
                                       TEST(test_a_row_without_its_file_goes_too),
                                       TEST(test_came_again_meanwhile),
                                       TEST(test_died_in_between),
                                       TEST(test_list_and_bad_names),
                                       TEST(test_unsealed_there_and_back),
                                       TEST(test_unsealed_and_damaged_in_the_trash),
                                       TEST(test_sealed_or_not_when_it_came_again),
                                       TEST(test_an_older_manifest)};
    return cmocka_run_group_tests_name("trash", tests, NULL, NULL);
}
