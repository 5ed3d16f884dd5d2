// SPDX-License-Identifier: MIT
/* Layouts of the caller's: names that collide, that do not end in a UID, that are no names; and files that are kept as they are. */
#include "archive/archive_internal.h"
#include "dicom/part10.h"
#include "dicom/value.h"

#include <signal.h>
#include <sys/wait.h>

#include "archive_fixture.h"

/* -- layouts -- */

/* Every object of a patient has one name. */
static const char *by_patient(void *ctx, Arena *arena, const DcmDataset *head, Err *err)
{
    const char *patient = dcm_text(arena, head, DCM_PatientID, 0);
    return arena_printf(arena, "tree/%s/IM.dcm", patient ? patient : "none");
}

/* As the packed trees of px: the UID is a part of the name. */
static const char *by_number(void *ctx, Arena *arena, const DcmDataset *head, Err *err)
{
    char uid[65];
    dcm_uid(head, DCM_SOPInstanceUID, uid);
    return arena_printf(arena, "tree/0001-%s.dcm", uid);
}

static const char *given;

static const char *as_given(void *ctx, Arena *arena, const DcmDataset *head, Err *err)
{
    if (!given)
        err_set(err, ERR_REFUSED, "this object has no name");
    return given;
}

static void under_layout(const char *(*name)(void *, Arena *, const DcmDataset *, Err *))
{
    settings.layout.name = name;
    reopen_archive();
}

static Spec of_patient(const char *uid, const char *patient, uint8_t fill)
{
    Spec spec = SPEC(uid);
    spec.patient_id = patient;
    spec.fill = fill;
    return spec;
}

static bool stored_beside(const Spec *spec)
{
    Err err = {0};
    ArcStored stored = {0};
    if (!ingest_spec(spec, &stored, &err))
        fail_msg("%s", err.text);
    assert_int_equal(stored.outcome, ARC_STORED);
    return stored.beside;
}

static const char *path_of(const char *uid)
{
    static char path[5000];
    Arena *arena = arena_new(0);
    IdxFile file;
    assert_true(find_instance(arena, uid, &file));
    snprintf(path, sizeof path, "%s", file.path);
    arena_free(arena);
    return path;
}

/* -- one name, two objects -- */

static void test_names_beside(void **state)
{
    Arena *arena = arena_new(0);
    const char *one = layout_beside(arena, "a/b.c/IM.dcm", "1.2.3", 1);
    assert_int_equal(strlen(one), strlen("a/b.c/IM_1234567.dcm"));
    assert_memory_equal(one, "a/b.c/IM_", 9);
    assert_string_equal(one + 16, ".dcm");
    assert_string_equal(one, layout_beside(arena, "a/b.c/IM.dcm", "1.2.3", 1));
    assert_string_not_equal(one, layout_beside(arena, "a/b.c/IM.dcm", "1.2.4", 1));
    assert_int_equal(strlen(layout_beside(arena, "a/b.c/IM.dcm", "1.2.3", 2)), strlen(one) + 9);
    assert_int_equal(strlen(layout_beside(arena, "a/b.c/IM.dcm", "1.2.3", 3)), strlen(one) + 25);
    assert_memory_equal(layout_beside(arena, "a/b.c/1.2.3", "1.2.3", 1), "a/b.c/1.2.3_", 12);
    arena_free(arena);
}

static void test_neither_is_lost(void **state)
{
    under_layout(by_patient);
    Spec one = of_patient("1.1", "P1", 1), two = of_patient("1.2", "P1", 2),
         three = of_patient("1.3", "P2", 3);
    assert_false(stored_beside(&one));
    assert_true(stored_beside(&two));
    assert_false(stored_beside(&three));
    assert_string_equal(path_of("1.1"), at("data/tree/P1/IM.dcm"));
    assert_memory_equal(path_of("1.2"), at("data/tree/P1/IM_"), strlen(at("data/tree/P1/IM_")));
    assert_stored_spec(&one);
    assert_stored_spec(&two);
    assert_int_equal(count_files("data"), 3);
    assert_int_equal(count_files("quarantine"), 0);
    assert_int_equal(store_spec(&one), ARC_SAME);
    assert_int_equal(store_spec(&two), ARC_SAME);
    assert_int_equal(count_files("data"), 3);
}

/* The file of one was taken away, and its name went to another: who sends the first again does not put that one aside as damage. */
static void test_a_name_that_went_to_another(void **state)
{
    Spec one = of_patient("1.1", "P1", 1), two = of_patient("1.2", "P1", 2);
    under_layout(by_patient);
    for (int bytes = 0; bytes < 2; bytes++) {
        two.pixels += (size_t)bytes * 100; /* as large as the first, and larger */
        assert_false(stored_beside(&one));
        assert_int_equal(unlink(path_of(one.instance)), 0);
        assert_false(stored_beside(&two));
        make_younger(path_of(two.instance));
        assert_true(stored_beside(&one));
        assert_stored_spec(&one);
        assert_stored_spec(&two);
        assert_int_equal(count_files("quarantine"), 0);
        one.instance = "1.3";
        two.instance = "1.4";
        one.patient_id = two.patient_id = "P2";
    }
}

enum { SENDERS = 8, EACH = 20 };

static void *send_some(void *number)
{
    for (int i = 0; i < EACH; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "1.7.%d.%d", (int)(intptr_t)number, i);
        Spec spec = of_patient(uid, "P1", (uint8_t)i);
        store_spec(&spec);
    }
    return NULL;
}

/* In one group and in different ones. */
static void test_many_at_once(void **state)
{
    pthread_t threads[SENDERS];
    under_layout(by_patient);
    for (intptr_t i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_some, (void *)i), 0);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_files("data"), SENDERS * EACH);
    assert_int_equal(count_instances(), SENDERS * EACH);
    for (int i = 0; i < SENDERS * EACH; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "1.7.%d.%d", i / EACH, i % EACH);
        Spec spec = of_patient(uid, "P1", (uint8_t)(i % EACH));
        assert_stored_spec(&spec);
    }
}

/* The object that comes again with other content takes its own file's place, and nobody else's. */
static void test_replacing_beside(void **state)
{
    under_layout(by_patient);
    Spec one = of_patient("1.1", "P1", 1), two = of_patient("1.2", "P1", 2);
    store_spec(&one);
    store_spec(&two);
    two.fill = 9;
    assert_int_equal(store_spec(&two), ARC_REPLACED);
    assert_stored_spec(&one);
    assert_stored_spec(&two);
    one.fill = 8;
    assert_int_equal(store_spec(&one), ARC_REPLACED);
    assert_stored_spec(&one);
    assert_stored_spec(&two);
    assert_int_equal(count_files("data"), 2);
}

/* It comes again under another name, which another object has. */
static void test_replacing_moves_to_a_taken_name(void **state)
{
    under_layout(by_patient);
    Spec one = of_patient("1.1", "P1", 1), two = of_patient("1.2", "P2", 2);
    store_spec(&one);
    store_spec(&two);
    two.patient_id = "P1";
    assert_int_equal(store_spec(&two), ARC_REPLACED);
    assert_stored_spec(&one);
    assert_stored_spec(&two);
    assert_string_equal(path_of("1.1"), at("data/tree/P1/IM.dcm"));
    assert_int_equal(count_files("data"), 2);
    assert_int_not_equal(access(at("data/tree/P2"), F_OK), 0);
}

static void lose_index(void)
{
    arc_close(archive);
    unlink(at("index.sqlite"));
    unlink(at("index.sqlite-wal"));
    unlink(at("index.sqlite-shm"));
    open_archive();
}

/* What lies under the name is an object that the index does not know: it stays, whosoever it is. */
static void test_unknown_object_under_the_name(void **state)
{
    under_layout(by_patient);
    Spec one = of_patient("1.1", "P1", 1), two = of_patient("1.2", "P1", 2);
    store_spec(&one);
    lose_index();
    assert_true(stored_beside(&two));
    assert_false(stored_beside(&one));
    assert_stored_spec(&one);
    assert_stored_spec(&two);
    lose_index();
    assert_true(stored_beside(&two)); /* its own file from before is there */
    assert_stored_spec(&two);
    assert_int_equal(count_files("data"), 2);
    assert_int_equal(count_files("quarantine"), 0);
}

/* What was stored under another layout is replaced where it lies: else the damaged file would stay, and a new index could prefer it. */
static void test_damaged_elsewhere(void **state)
{
    Spec one = of_patient("1.1", "P1", 1);
    char before[5000];
    assert_int_equal(store_spec(&one), ARC_STORED);
    snprintf(before, sizeof before, "%s", path_of("1.1"));
    damage(before);
    under_layout(by_patient);
    assert_int_equal(store_spec(&one), ARC_STORED);
    assert_stored_spec(&one);
    assert_string_equal(path_of("1.1"), before);
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("quarantine"), 2);
}

static void test_junk_under_the_name(void **state)
{
    Err err = {0};
    under_layout(by_patient);
    assert_true(file_make_dirs(at("data/tree/P1"), &err));
    assert_true(file_replace(at("data/tree/P1/IM.dcm"), SPAN("no object"), 0640, &err));
    Spec one = of_patient("1.1", "P1", 1);
    assert_false(stored_beside(&one));
    assert_stored_spec(&one);
    assert_int_equal(count_files("quarantine"), 2);
}

/* It may be another object's file that cannot be read just now (no descriptors, a bad sector). */
static void test_what_cannot_be_read_stays(void **state)
{
    Err err = {0};
    struct stat st;
    under_layout(by_patient);
    assert_true(file_make_dirs(at("data/tree/P1"), &err));
    assert_int_equal(symlink("/nowhere", at("data/tree/P1/IM.dcm")), 0);
    Spec one = of_patient("1.1", "P1", 1);
    assert_true(stored_beside(&one));
    assert_stored_spec(&one);
    assert_int_equal(lstat(at("data/tree/P1/IM.dcm"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(count_files("quarantine"), 0);
}

/* -- names that are none -- */

static void test_names_that_are_none(void **state)
{
    static const char *const names[] = {"../out",  "/out", "a/../../out", "a//b",
                                        ".hidden", "a/.b", "a\nb",        ""};
    Err err = {0};
    ArcStored stored;
    Spec spec = SPEC("1.1");
    under_layout(as_given);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        given = names[i];
        assert_false(ingest_spec(&spec, &stored, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
    }
    given = NULL;
    assert_false(ingest_spec(&spec, &stored, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_int_equal(count_files("data"), 0);
    assert_int_equal(count_files("quarantine"), 0);
    assert_int_equal(count_instances(), 0);
}

/* -- after a stop -- */

static void publish(Store *store, const char *name, const char *uid)
{
    Err err;
    Buf bytes;
    Spec spec = SPEC(uid);
    buf_init(&bytes, 0);
    dcm_file_meta_write(&bytes, spec.sop_class, uid, DCM_UID_ExplicitVRLittleEndian, NULL, &err);
    encode(&spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    StorePut *put = store_put_begin(store, &err);
    StorePublish one = {.put = put, .name = name};
    if (!put || !store_put_write(put, buf_span(&bytes), &err) || !store_put_end(put, NULL, &err) ||
        !store_publish(store, &one, 1))
        _exit(1);
}

/* A process that publishes two objects and dies before they are indexed. */
static void die_unindexed(void)
{
    arc_close(archive);
    archive = NULL;
    pid_t child = fork();
    if (child == 0) {
        Err err;
        Store *store = store_open_directory(at("data"), at("temp"), &err);
        if (store) {
            publish(store, "tree/0001-1.5.1.dcm", "1.5.1");
            publish(store, "tree/0001-1.5.2.dcm", "1.5.2");
        }
        raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

/* Also by a tool that closes at once. */
static void test_adoption(void **state)
{
    under_layout(by_number);
    Spec before = SPEC("1.4");
    store_spec(&before);
    die_unindexed();
    settings.adoption_wait_ms = 60000;
    open_archive();
    reopen_archive();
    assert_true(was_noticed("2 objects were indexed after the unclean stop, 0 files"));
    assert_int_equal(count_instances(), 3);
    assert_int_equal(count_files("data"), 3);
}

/* Of those that open at one time one looks; the others are not told. */
static void test_one_adopts(void **state)
{
    Err err = {0};
    die_unindexed();
    Store *first = store_open_directory(at("data"), at("temp"), &err);
    Store *second = store_open_directory(at("data"), at("temp"), &err);
    assert_int_not_equal(store_unclean_since(first), INT64_MAX);
    assert_int_equal(store_unclean_since(second), INT64_MAX);
    store_close(first); /* it did not come to it */
    first = store_open_directory(at("data"), at("temp"), &err);
    assert_int_not_equal(store_unclean_since(first), INT64_MAX);
    store_forget_unclean(first);
    store_close(first);
    store_close(second);
    first = store_open_directory(at("data"), at("temp"), &err);
    assert_int_equal(store_unclean_since(first), INT64_MAX);
    store_close(first);
}

/* -- files as they are -- */

static void assert_kept_as_it_is(Span bytes)
{
    Err err = {0};
    ArcStored stored;
    Buf copy;
    buf_init(&copy, 0);
    assert_true(file_replace(at("source"), bytes, 0640, &err));
    if (!arc_ingest_file_as_is(archive, at("source"), &stored, &err))
        fail_msg("%s", err.text);
    assert_int_equal(stored.outcome, ARC_STORED);
    assert_int_equal(stored.size, bytes.n);
    assert_true(file_read_all(path_of(stored.sop_instance), 1 << 20, &copy, &err));
    assert_int_equal(copy.n, bytes.n);
    assert_memory_equal(copy.p, bytes.p, bytes.n);
    buf_free(&copy);
}

static void test_file_as_it_is(void **state)
{
    Err err = {0};
    Buf file;
    Spec spec = SPEC("1.6");
    under_layout(by_number);
    buf_init(&file, 0);
    assert_true(
        dcm_file_meta_write(&file, spec.sop_class, "1.6", DCM_UID_ExplicitVRLittleEndian, "SCANNER", &err));
    memcpy(file.p, "what a maker put into the preamble", 34);
    encode(&spec, DCM_UID_ExplicitVRLittleEndian, &file);
    assert_kept_as_it_is(buf_span(&file));
    assert_stored_spec(&spec); /* the index knows where the data set begins */
    ArcStored stored;
    assert_true(arc_ingest_file_as_is(archive, at("source"), &stored, &err));
    assert_int_equal(stored.outcome, ARC_SAME);
    buf_clear(&file);
    spec = SPEC("1.8"); /* a data set and nothing in front of it */
    encode(&spec, DCM_UID_ImplicitVRLittleEndian, &file);
    assert_kept_as_it_is(buf_span(&file));
    buf_free(&file);
    assert_true(file_replace(at("source"), SPAN("this is no object"), 0640, &err));
    assert_false(arc_ingest_file_as_is(archive, at("source"), &stored, &err));
    assert_non_null(strstr(err.text, at("source")));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, make_archive, drop_archive)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_beside),
        TEST(test_neither_is_lost),
        TEST(test_a_name_that_went_to_another),
        TEST(test_many_at_once),
        TEST(test_replacing_beside),
        TEST(test_replacing_moves_to_a_taken_name),
        TEST(test_unknown_object_under_the_name),
        TEST(test_damaged_elsewhere),
        TEST(test_junk_under_the_name),
        TEST(test_what_cannot_be_read_stays),
        TEST(test_names_that_are_none),
        TEST(test_adoption),
        TEST(test_one_adopts),
        TEST(test_file_as_it_is),
    };
    return cmocka_run_group_tests_name("archive/foreign_layout", tests, NULL, NULL);
}
