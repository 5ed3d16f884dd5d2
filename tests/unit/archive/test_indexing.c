// SPDX-License-Identifier: MIT
/* Folders into the index: in place, moved in, again; what is passed over, what is kept, and a stop in between. */
#include "archive/indexing.h"
#include "archive/mirror.h"
#include "dicom/part10.h"

#include "archive_fixture.h"

enum { THREADS = 4 };

static void make_file(const Spec *spec, const char *relative)
{
    Buf bytes;
    Err err = {0};
    buf_init(&bytes, 0);
    assert_true(dcm_file_meta_write(&bytes, spec->sop_class, spec->instance, DCM_UID_ExplicitVRLittleEndian,
                                    NULL, &err));
    encode(spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    FILE *file = fopen(at(relative), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
    fclose(file);
    buf_free(&bytes);
}

static void make_folder(int files)
{
    assert_int_equal(mkdir(at("in"), 0700), 0);
    for (int i = 0; i < files; i++) {
        char uid[32], name[32];
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        snprintf(name, sizeof name, "in/%d", i);
        make_file(&SPEC(uid), name);
    }
}

static ArcIndexed run(ArcIndexing wish)
{
    ArcIndexed done;
    Err err = {0};
    wish.threads = THREADS;
    if (!arc_index_folder(archive, &wish, &done, &err))
        fail_msg("%s", err.text);
    assert_int_equal(done.seen, done.added + done.known + done.junk + done.failed + done.deleted + done.kept);
    return done;
}

static void test_in_place_and_again(void **state)
{
    make_folder(150); /* more than two groups */
    const char *folder = at("in");
    assert_int_equal(run((ArcIndexing){.folder = folder}).added, 150);
    assert_int_equal(count_instances(), 150);
    assert_int_equal(count_files("data"), 0);
    ArcIndexed done = run((ArcIndexing){.folder = folder});
    assert_int_equal(done.known, 150);
    assert_int_equal(done.bytes, 0);
    done = run((ArcIndexing){.folder = folder, .verify = true});
    assert_int_equal(done.known, 150);
    assert_true(done.bytes > 150 * 64);
    Err err;
    assert_true(arc_index_again(archive, &(ArcIndexing){.threads = THREADS}, &done, &err));
    assert_int_equal(done.added, 150);
    assert_int_equal(count_instances(), 150);
}

static void test_moved_in(void **state)
{
    make_folder(70);
    ArcIndexed done = run((ArcIndexing){.folder = at("in"), .move_in = true});
    assert_int_equal(done.deleted, 70);
    assert_int_equal(count_files("in"), 0);
    assert_int_equal(count_files("data"), 70);
    assert_int_equal(count_instances(), 70);
}

static void test_the_only_copy_stays(void **state)
{
    make_folder(3);
    run((ArcIndexing){.folder = at("in")});
    ArcIndexed done = run((ArcIndexing){.folder = at("in"), .move_in = true});
    assert_int_equal(done.kept, 3);
    assert_int_equal(count_files("in"), 3);
    store_spec(&SPEC("1.2.9"));
    done = run((ArcIndexing){.folder = at("data"), .move_in = true});
    assert_int_equal(done.kept, 1);
    assert_int_equal(count_files("data"), 1);
}

static void write_text(const char *relative, const char *text)
{
    Err err;
    assert_true(file_replace(at(relative), span_cstr(text), 0600, &err));
}

static void test_archives_are_not_emptied(void **state)
{
    static const char *const marks[] = {"in/far/app/settings.yml", "in/px/log/gantry.sqlite"};
    make_folder(2);
    for (size_t i = 0; i < 2; i++) {
        char *folder = strdup(at(marks[i]));
        *strrchr(folder, '/') = 0;
        assert_true(file_make_dirs(folder, NULL));
        free(folder);
        write_text(marks[i], "");
    }
    make_file(&SPEC("1.2.3.5.1"), "in/far/object");
    make_file(&SPEC("1.2.3.5.2"), "in/px/object");
    ArcIndexed done = run((ArcIndexing){.folder = at("in"), .move_in = true});
    assert_int_equal(done.deleted, 2);
    assert_int_equal(done.kept, 2);
    assert_int_equal(count_files("in"), 4);
    Err err;
    assert_false(
        arc_index_folder(archive, &(ArcIndexing){.folder = at("in/far"), .move_in = true}, &done, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_int_equal(run((ArcIndexing){.folder = at("in")}).added, 2); /* where they are is another thing */
    assert_int_equal(count_files("in"), 4);
}

static void test_junk(void **state)
{
    make_folder(1);
    write_text("in/notes", "buy milk");
    write_text("in/empty", "");
    assert_int_equal(mkdir(at("in/left"), 0700), 0);
    write_text("in/left/out", "never seen");
    const char *const leave_out[] = {at("in/left"), NULL};
    ArcIndexed done = run((ArcIndexing){.folder = at("in"), .leave_out = leave_out});
    assert_int_equal(done.added, 1);
    assert_int_equal(done.junk, 2);
    assert_int_equal(done.seen, 3);
}

static atomic_bool stop;

static void stop_soon(void *ctx, const ArcIndexed *so_far, const char *path, const Err *why)
{
    if (so_far->seen >= 20)
        atomic_store(&stop, true);
}

static void test_stopped(void **state)
{
    make_folder(1500); /* more than what may wait between walk, readers and committer */
    ArcIndexed done;
    Err err;
    atomic_store(&stop, false);
    ArcIndexing wish = {.folder = at("in"), .threads = THREADS, .stop = &stop, .step = stop_soon};
    assert_false(arc_index_folder(archive, &wish, &done, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_true(done.added >= 20 && done.added < 1500);
    assert_int_equal(count_instances(), done.added);
    ArcIndexed rest = run((ArcIndexing){.folder = at("in")});
    assert_int_equal(rest.added, 1500 - done.added);
    assert_int_equal(rest.known, done.added);
}

static void test_no_folder(void **state)
{
    ArcIndexed done;
    Err err;
    assert_false(arc_index_folder(archive, &(ArcIndexing){.folder = at("none")}, &done, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* -- mirror -- */

static bool mirror(const char *to, ArcMirrored *done, Err *err)
{
    *err = (Err){0};
    return arc_mirror(&(ArcMirror){.from = at("data"), .to = to, .threads = THREADS}, done, err);
}

static void test_mirror(void **state)
{
    ArcMirrored done;
    Err err;
    for (int i = 0; i < 30; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "1.2.3.5.%d", i);
        store_spec(&SPEC(uid));
    }
    assert_true(mirror(at("copy/deep"), &done, &err));
    assert_int_equal(done.copied, 30);
    assert_int_equal(count_files("copy"), 30);
    store_spec(&SPEC("1.2.3.6"));
    assert_true(mirror(at("copy/deep"), &done, &err));
    assert_int_equal(done.copied, 1);
    assert_int_equal(done.same, 30);
    assert_false(mirror(at("data/inside"), &done, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(mirror(at("."), &done, &err));
    write_text("file", "");
    assert_false(mirror(at("file/below"), &done, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_in_place_and_again),
                                       TEST(test_moved_in),
                                       TEST(test_the_only_copy_stays),
                                       TEST(test_archives_are_not_emptied),
                                       TEST(test_junk),
                                       TEST(test_stopped),
                                       TEST(test_no_folder),
                                       TEST(test_mirror)};
    return cmocka_run_group_tests_name("indexing", tests, NULL, NULL);
}
