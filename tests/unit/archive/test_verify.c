// SPDX-License-Identifier: MIT
#include "archive/trash.h"
#include "archive/verify.h"

#include <glob.h>

#include "archive_fixture.h"
#include "sealed_rows.h"

enum { OBJECTS = 6 };

#define OBJECT(i) "data/P1/1.2.3/1.2.3.4/1.2.3.4." #i

static void store_some(void)
{
    char uid[24];
    for (int i = 1; i <= OBJECTS; i++) {
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        Spec spec = SPEC(uid);
        spec.fill = (uint8_t)i;
        assert_int_equal(store_spec(&spec), ARC_STORED);
    }
}

/* One byte is another, the time stays. */
static void flip(const char *path, off_t back)
{
    struct stat st;
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(pread(fd, &byte, 1, st.st_size - back), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, st.st_size - back), 1);
    const struct timespec times[] = {st.st_atim, st.st_mtim};
    futimens(fd, times);
    close(fd);
}

static void write_text(const char *path, const char *text)
{
    Err err = {0};
    if (!file_replace(path, span_cstr(text), 0640, &err))
        fail_msg("%s", err.text);
}

/* -- what was said -- */

static char said[8192];

static void take_step(void *ctx, const ArcVerified *so_far, const ArcFound *found)
{
    size_t n = strlen(said);
    if (found)
        snprintf(said + n, sizeof said - n, "%s %s%s%s\n", arc_finding_name(found->what), found->sop_instance,
                 found->repaired ? " repaired" : "", found->copy ? " copy" : "");
}

static ArcVerified verify_with(ArcVerify wish)
{
    Err err = {0};
    ArcVerified done;
    said[0] = 0;
    wish.step = take_step;
    if (!arc_verify(archive, &wish, &done, &err))
        fail_msg("%s", err.text);
    return done;
}

static ArcVerified verify(bool repair)
{
    return verify_with((ArcVerify){.selection.everything = true, .threads = 3, .repair = repair});
}

static void assert_said(const char *line)
{
    if (!strstr(said, line))
        fail_msg("'%s' was not said, but\n%s", line, said);
}

/* -- tests -- */

static void test_sound(void **state)
{
    ArcVerified done = verify(false);
    assert_int_equal(done.checked + done.files, 0);
    store_some();
    done = verify(false);
    assert_int_equal(done.checked, OBJECTS);
    assert_int_equal(done.files, OBJECTS);
    assert_int_equal(done.findings, 0);
    assert_true(done.bytes > OBJECTS * 64);
}

static void break_some(void)
{
    unlink(at(OBJECT(1)));
    flip(at(OBJECT(2)), 3);
    assert_int_equal(truncate(at(OBJECT(3)), 200), 0);
    assert_int_equal(rename(at(OBJECT(4)), at("data/P1/elsewhere")), 0);
    write_text(at("data/P1/note.txt"), "this is no object");
}

static void test_findings(void **state)
{
    store_some();
    break_some();
    ArcVerified done = verify(false);
    assert_int_equal(done.findings, 5);
    assert_int_equal(done.repaired, 0);
    assert_int_equal(done.found[ARC_DAMAGED], 2);
    assert_said("missing 1.2.3.4.1\n");
    assert_said("damaged 1.2.3.4.2\n");
    assert_said("wrong_size 1.2.3.4.3\n");
    assert_said("wrong_place 1.2.3.4.4\n");
    assert_said("damaged \n");
    assert_int_equal(count_instances(), OBJECTS);
    assert_int_equal(count_files("quarantine"), 0);
}

static void test_repair(void **state)
{
    Arena *arena = arena_new(0);
    IdxFile file;
    store_some();
    break_some();
    ArcVerified done = verify(true);
    assert_int_equal(done.findings, 5);
    assert_int_equal(done.repaired, 5);
    assert_int_equal(count_instances(), OBJECTS - 3);
    assert_int_equal(count_files("quarantine"), 2 * 3);
    assert_int_equal(access(at(OBJECT(2)), F_OK), -1);
    assert_int_equal(access(at("data/P1/note.txt"), F_OK), -1);
    assert_true(find_instance(arena, "1.2.3.4.4", &file));
    assert_non_null(strstr(file.path, "/elsewhere"));
    done = verify(true);
    assert_int_equal(done.findings, 0);
    assert_int_equal(done.checked, OBJECTS - 3);
    Spec spec = SPEC("1.2.3.4.2");
    assert_int_equal(store_spec(&spec), ARC_STORED); /* and it can come again */
    arena_free(arena);
}

static void remove_index(void)
{
    static const char *const names[] = {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"};
    arc_close(archive);
    for (size_t i = 0; i < 3; i++)
        unlink(at(names[i]));
    open_archive();
}

static void test_unindexed(void **state)
{
    store_some();
    remove_index();
    ArcVerified done = verify(false);
    assert_int_equal(done.found[ARC_UNINDEXED], OBJECTS);
    assert_int_equal(count_instances(), 0);
    done = verify(true);
    assert_int_equal(done.repaired, OBJECTS);
    assert_int_equal(count_instances(), OBJECTS);
    assert_int_equal(verify(false).findings, 0);
}

/* The rest is not looked at, the store not walked over. */
static void test_selection(void **state)
{
    const char *one = "1.2.3.4.2", *none = "1.2.3.4.99";
    Err err = {0};
    ArcVerified done;
    store_some();
    break_some();
    done = verify_with((ArcVerify){.selection = {.instances = &one, .instance_count = 1}});
    assert_int_equal(done.checked, 1);
    assert_int_equal(done.files, 0);
    assert_string_equal(said, "damaged 1.2.3.4.2\n");
    ArcVerify wish = {.selection = {.instances = &none, .instance_count = 1}};
    assert_false(arc_verify(archive, &wish, &done, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* Deleted, come again, damaged: each with and without SHA-256. */
static void find_a_copy(bool deleted_sealed, bool damaged_sealed)
{
    const char *one = "1.2.3.4.2";
    IdxSelection selection = {.instances = &one, .instance_count = 1};
    char folder[80];
    snprintf(folder, sizeof folder, "%s/trash", top);
    ArcTrash trash = {.folder = folder, .what = "test"};
    ArcTrashed trashed, back;
    Err err = {0};
    Spec spec = SPEC(one);
    spec.fill = 2;
    (deleted_sealed ? seal_rows : unseal_rows)();
    assert_true(arc_delete(archive, &trash, &selection, &trashed, &err));
    store_spec(&spec);
    (damaged_sealed ? seal_rows : unseal_rows)();
    flip(at(OBJECT(2)), 3);
    verify_with((ArcVerify){.selection = selection, .trash_folder = folder});
    assert_string_equal(said, "damaged 1.2.3.4.2 copy\n");
    verify_with((ArcVerify){.selection = selection, .trash_folder = folder, .repair = true});
    assert_true(arc_undelete(archive, &trash, trashed.batch, &back, &err));
    assert_int_equal(verify(false).findings, 0);
    assert_int_equal(count_instances(), OBJECTS);
}

static void test_a_copy_in_the_trash(void **state)
{
    store_some();
    for (int i = 0; i < 4; i++)
        find_a_copy(i & 1, i & 2);
}

/* One that is damaged itself is none; nor is one of other content. */
static void test_no_copy_in_the_trash(void **state)
{
    const char *uids[] = {"1.2.3.4.2", "1.2.3.4.3"};
    IdxSelection selection = {.instances = uids, .instance_count = 2};
    char folder[80], copy[200];
    snprintf(folder, sizeof folder, "%s/trash", top);
    ArcTrash trash = {.folder = folder, .what = "test"};
    ArcTrashed trashed;
    Err err = {0};
    store_some();
    unseal_rows();
    assert_true(arc_delete(archive, &trash, &selection, &trashed, &err));
    Spec same = SPEC(uids[0]), other = SPEC(uids[1]);
    same.fill = 2;
    other.fill = 77;
    store_spec(&same);
    store_spec(&other);
    unseal_rows();
    snprintf(copy, sizeof copy, "%s/%s/1", folder, trashed.batch);
    flip(copy, 5);
    flip(at(OBJECT(2)), 3);
    flip(at(OBJECT(3)), 3);
    assert_int_equal(
        verify_with((ArcVerify){.selection = selection, .trash_folder = folder}).found[ARC_DAMAGED], 2);
    assert_null(strstr(said, "copy"));
}

/* Nobody was ever quiet enough: XXH3 of the data set is what there is. */
static void test_unsealed(void **state)
{
    store_some();
    unseal_rows();
    ArcVerified done = verify(false);
    assert_int_equal(done.findings, 0);
    assert_int_equal(done.without, 0);
    flip(at(OBJECT(2)), 3);
    assert_int_equal(truncate(at(OBJECT(4)), 300), 0);
    done = verify(true);
    assert_int_equal(done.repaired, 2);
    assert_said("damaged 1.2.3.4.2 repaired");
    assert_said("wrong_size 1.2.3.4.4 repaired");
    assert_int_equal(verify(false).findings, 0);
    assert_int_equal(count_instances(), OBJECTS - 2);
    assert_false(is_sealed("1.2.3.4.1")); /* that is not its work */
}

/* Other content beside the object, as the policy wants it. */
static void test_kept_both(void **state)
{
    settings.duplicates = ARC_KEEP_BOTH;
    reopen_archive();
    store_some();
    Spec spec = SPEC("1.2.3.4.1");
    spec.fill = 99;
    assert_int_equal(store_spec(&spec), ARC_KEPT_BOTH);
    ArcVerified done = verify(true);
    assert_int_equal(done.findings, 0);
    assert_int_equal(done.copies, 1);
    assert_int_equal(count_files("data"), OBJECTS + 1);
    glob_t found;
    assert_int_equal(glob(at("data/P1/1.2.3/1.2.3.4/*%+*"), 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    flip(found.gl_pathv[0], 3);
    globfree(&found);
    assert_int_equal(verify(false).findings, 1);
    assert_string_equal(said, "damaged 1.2.3.4.1\n");
    assert_int_equal(verify(true).repaired, 1);
    assert_int_equal(count_files("quarantine"), 2);
    assert_int_equal(verify(false).findings, 0);
    assert_int_equal(count_files("data"), OBJECTS);
    assert_int_equal(count_instances(), OBJECTS);
    assert_int_equal(store_spec(&spec), ARC_KEPT_BOTH);
}

/* As when its disk is not mounted. */
static void test_an_empty_folder_is_refused(void **state)
{
    Err err = {0};
    ArcVerified done;
    ArcVerify wish = {.selection.everything = true, .repair = true};
    store_some();
    assert_int_equal(rename(at("data/P1"), at("elsewhere")), 0);
    assert_false(arc_verify(archive, &wish, &done, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_int_equal(count_instances(), OBJECTS);
}

static void test_it_is_stopped(void **state)
{
    Err err = {0};
    ArcVerified done;
    atomic_bool stop = true;
    ArcVerify wish = {.selection.everything = true, .stop = &stop};
    store_some();
    assert_false(arc_verify(archive, &wish, &done, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
}

/* -- beside a server that stores -- */

static void *replace_all_the_time(void *ctx)
{
    atomic_bool *stop = ctx;
    Spec spec = SPEC("1.2.3.4.1");
    for (int i = 0; !atomic_load(stop); i++) {
        spec.fill = (uint8_t)(10 + i % 200);
        spec.pixels = 64 + 2 * (size_t)(i % 50);
        store_spec(&spec);
    }
    return NULL;
}

static void test_replaced_meanwhile(void **state)
{
    atomic_bool stop = false;
    pthread_t thread;
    store_some();
    assert_int_equal(pthread_create(&thread, NULL, replace_all_the_time, &stop), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(verify(true).findings, 0);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(verify(false).findings, 0);
    assert_int_equal(count_files("quarantine"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sound),
        TEST(test_findings),
        TEST(test_repair),
        TEST(test_unindexed),
        TEST(test_selection),
        TEST(test_a_copy_in_the_trash),
        TEST(test_no_copy_in_the_trash),
        TEST(test_unsealed),
        TEST(test_kept_both),
        TEST(test_an_empty_folder_is_refused),
        TEST(test_it_is_stopped),
        TEST(test_replaced_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
