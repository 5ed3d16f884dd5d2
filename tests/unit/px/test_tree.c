// SPDX-License-Identifier: MIT
/* px/tree: names, what is written, who comes first, several writers at once, what is damaged. */
#include "px/px.h"

#include <sys/wait.h>

#include "base_fixture.h"

static PxTree *tree;

static void open_tree(const char *root)
{
    Err err = {0};
    tree = px_tree_open(base, root, &err);
    if (!tree)
        fail_msg("%s", err.text);
}

static void close_tree(void)
{
    px_tree_close(tree);
    tree = NULL;
}

static bool write_object(const char *instance, Err *err)
{
    Arena *arena = arena_new(0);
    PxObject object;
    bool ok = px_base_object(base, arena, instance, &object, err) && px_tree_object(tree, &object, err);
    arena_free(arena);
    return ok;
}

static void put_object(const Spec *spec)
{
    Err err = {0};
    store_spec(spec);
    if (!write_object(spec->instance, &err))
        fail_msg("%s", err.text);
}

static json_t *file_json(const char *name)
{
    json_t *value = json_load_file(at(name), 0, NULL);
    if (!value)
        fail_msg("%s is no JSON", name);
    return value;
}

static void spoil(const char *name, const char *text)
{
    Err err = {0};
    assert_true(file_replace(at(name), span_cstr(text), 0640, &err));
}

/* -- names -- */

static void expect_name(PxTreeFile file, const char *first, const char *second, const char *expected)
{
    Arena *arena = arena_new(0);
    assert_string_equal(px_tree_name(arena, file, first, second), expected);
    arena_free(arena);
}

static void test_names(void **state)
{
    expect_name(PX_TREE_PATIENT, "LAB 001 X", NULL, "patientData/LAB 001 X.json");
    expect_name(PX_TREE_PATIENT, "", NULL, "patientData/.json");
    expect_name(PX_TREE_PATIENT, "A%2FB", NULL, "patientData/A%2FB.json");
    expect_name(PX_TREE_PATIENT, "A/../B", NULL, "patientData/A%2F..%2FB.json");
    expect_name(PX_TREE_PATIENT, "..", NULL, "patientData/%2E%2E.json");
    expect_name(PX_TREE_STUDY, "1.2", NULL, "studyData/1.2-meta.json");
    expect_name(PX_TREE_STUDY_SERIES, "1.2", NULL, "studyData/1.2-series");
    expect_name(PX_TREE_STUDY_SERIES, "1.2", "1.3", "studyData/1.2-series/1.3-meta.json");
    expect_name(PX_TREE_SERIES, "/etc", NULL, "seriesData/%2Fetc-meta.json");
    expect_name(PX_TREE_IMAGE, "1.3", "0001-1.dcm", "seriesData/1.3-img/0001-1.dcm.json");
    Arena *arena = arena_new(0);
    char longest[400], other[400];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    memcpy(other, longest, sizeof other);
    other[350] = 'y';
    const char *one = px_tree_name(arena, PX_TREE_PATIENT, longest, NULL);
    assert_true(strlen(one) < 255 + sizeof "patientData/");
    assert_string_not_equal(one, px_tree_name(arena, PX_TREE_PATIENT, other, NULL));
    assert_string_equal(px_tree_table_name(arena, PX_TABLE_PUSH, "1.3"), "seriesData/1.3-push.json");
    arena_free(arena);
}

/* -- writing -- */

static void test_records_of_an_object(void **state)
{
    Spec one = SPEC("1.2.3.4.1"), two = SPEC("1.2.3.4.2");
    open_tree(NULL);
    put_object(&one);
    put_object(&two);
    json_t *patient = file_json("log/patientData/P1.json"),
           *image = file_json("log/seriesData/1.2.3.4-img/1.2.3.4.1.json");
    const json_t *model = json_object_get(patient, "P1");
    assert_int_equal(json_array_size(json_object_get(model, "StudyList")), 1);
    assert_string_equal(json_string_value(json_object_get(model, "PatientAge")), "Not defined");
    const json_t *files = json_object_get(json_object_get(image, "1.2.3.4"), "imageObj");
    const json_t *entry = json_object_get(files, "1.2.3.4.1");
    struct stat st;
    assert_int_equal(stat(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.1"), &st), 0);
    assert_int_equal(json_integer_value(json_object_get(entry, "size")), st.st_size);
    assert_int_equal(json_integer_value(json_object_get(entry, "ino")), st.st_ino);
    time_t changed = st.st_mtim.tv_sec;
    struct tm local;
    char when[32];
    localtime_r(&changed, &local);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:", &local);
    assert_int_equal(strncmp(json_string_value(json_object_get(entry, "mtime")), when, strlen(when)), 0);
    assert_string_equal(json_string_value(json_object_get(entry, "FSlocation")),
                        at("data/P1/1.2.3/1.2.3.4/1.2.3.4.1"));
    json_decref(patient);
    json_decref(image);
    assert_int_equal(count_files("log/seriesData/1.2.3.4-img"), 2);
    json_decref(file_json("log/studyData/1.2.3-meta.json"));
    json_decref(file_json("log/studyData/1.2.3-series/1.2.3.4-meta.json"));
    json_decref(file_json("log/seriesData/1.2.3.4-meta.json"));
    json_t *pack = file_json("log/seriesData/1.2.3.4-pack.json");
    assert_true(json_is_true(json_object_get(pack, "seriesPack")));
    json_decref(pack);
    close_tree();
}

/* What pypx wrote stays; what nobody can read is made again, and other patients' empty entries go. */
static void test_first_wins_and_damage_is_mended(void **state)
{
    Spec one = SPEC("1.2.3.4.1"), two = SPEC("1.2.3.4.2");
    open_tree(NULL);
    put_object(&one);
    spoil("log/seriesData/1.2.3.4-meta.json", "{\"1.2.3.4\": {\"Modality\": \"first\"}}");
    spoil("log/studyData/1.2.3-meta.json", "{\"1.2.3\": {\"StudyDa");
    spoil(
        "log/patientData/P1.json",
        "{\"P0\": {}, \"P1\": {\"PatientID\": \"P1\", \"PatientName\": \"first\", \"StudyList\": [\"9\"]}}");
    close_tree();
    open_tree(NULL);
    put_object(&two);
    json_t *series = file_json("log/seriesData/1.2.3.4-meta.json");
    assert_string_equal(json_string_value(json_object_get(json_object_get(series, "1.2.3.4"), "Modality")),
                        "first");
    json_decref(series);
    json_t *study = file_json("log/studyData/1.2.3-meta.json");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(study, "1.2.3"), "StudyInstanceUID")), "1.2.3");
    json_decref(study);
    json_t *patient = file_json("log/patientData/P1.json");
    assert_int_equal(json_object_size(patient), 1);
    const json_t *model = json_object_get(patient, "P1");
    assert_string_equal(json_string_value(json_object_get(model, "PatientName")), "first");
    assert_int_equal(json_array_size(json_object_get(model, "StudyList")), 2);
    json_decref(patient);
    close_tree();
}

static void test_locks_of_pypx_are_not_looked_at(void **state)
{
    Err err = {0};
    Spec one = SPEC("1.2.3.4.1");
    open_tree(NULL);
    assert_int_equal(mkdir(at("log/seriesData"), 0755), 0);
    spoil("log/seriesData/1.2.3.4-pack.lock", "");
    spoil("log/seriesData/1.2.3.4-meta.lock", "");
    put_object(&one);
    json_decref(file_json("log/seriesData/1.2.3.4-pack.json"));
    json_t *members = json_pack("{s:s}", "NumberOfSeriesRelatedInstances", "1");
    assert_true(px_record_merge(base, PX_TABLE_RETRIEVE, NULL, "1.2.3.4", members, &err));
    json_decref(members);
    assert_true(px_tree_record(tree, PX_TABLE_RETRIEVE, "1.2.3.4", &err));
    json_decref(file_json("log/seriesData/1.2.3.4-retrieve.json"));
    /* A table that has nothing has no file. */
    assert_true(px_tree_record(tree, PX_TABLE_PUSH, "1.2.3.4", &err));
    assert_int_not_equal(access(at("log/seriesData/1.2.3.4-push.json"), F_OK), 0);
    close_tree();
}

/* One series in two studies: both have their files. */
static void test_series_of_two_studies(void **state)
{
    Spec one = SPEC("1.2.3.4.1"), two = SPEC("1.2.3.4.2");
    two.study = "1.2.9";
    open_tree(NULL);
    put_object(&one);
    put_object(&two);
    json_decref(file_json("log/studyData/1.2.3-meta.json"));
    json_decref(file_json("log/studyData/1.2.9-meta.json"));
    json_decref(file_json("log/studyData/1.2.9-series/1.2.3.4-meta.json"));
    assert_int_equal(count_files("log/seriesData/1.2.3.4-img"), 2);
    close_tree();
}

static void test_what_dead_processes_left(void **state)
{
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    spoil("log/.tree-1-1", "{");
    spoil("log/.tree-1-2", "{");
    spoil("log/other", "{");
    assert_int_equal(utimensat(AT_FDCWD, at("log/.tree-1-1"), old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, at("log/other"), old, 0), 0);
    open_tree(NULL);
    close_tree();
    assert_int_not_equal(access(at("log/.tree-1-1"), F_OK), 0);
    assert_int_equal(access(at("log/.tree-1-2"), F_OK), 0);
    assert_int_equal(access(at("log/other"), F_OK), 0);
}

static void test_file_that_is_gone(void **state)
{
    Err err = {0};
    Spec one = SPEC("1.2.3.4.1");
    open_tree(NULL);
    store_spec(&one);
    assert_int_equal(unlink(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.1")), 0);
    assert_false(write_object("1.2.3.4.1", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    close_tree();
}

static void test_root_that_cannot_be_written(void **state)
{
    Err err = {0};
    spoil("file", "x");
    assert_null(px_tree_open(base, at("file/tree"), &err));
    assert_int_not_equal(err.code, ERR_NONE);
}

/* -- two and more at once -- */

enum { THREADS = 4, OBJECTS = 40 };

static void *write_some(void *ctx)
{
    Err err = {0};
    for (int i = 0; i < OBJECTS; i++) {
        char instance[64], series[64];
        snprintf(instance, sizeof instance, "1.9.%d", (i + (int)(intptr_t)ctx * 7) % OBJECTS);
        snprintf(series, sizeof series, "1.8.%d", i % 5);
        json_t *members = json_pack("{s:i}", instance, i);
        if (!px_base_took(base, instance, &err) ||
            !px_record_merge(base, PX_TABLE_PUSH, NULL, series, members, &err))
            abort();
        json_decref(members);
    }
    return NULL;
}

/* As the listener does: one base, many associations. */
static void test_threads_keep_a_tree(void **state)
{
    Err err = {0};
    pthread_t threads[THREADS];
    for (int i = 0; i < OBJECTS; i++) {
        char instance[64], series[64];
        snprintf(instance, sizeof instance, "1.9.%d", i);
        snprintf(series, sizeof series, "1.8.%d", i % 5);
        Spec spec = SPEC(instance);
        spec.series = series;
        store_spec(&spec);
    }
    px_base_close(base);
    PxBaseSettings wish = in_top(true);
    wish.tree = true;
    base = px_base_open(&wish, &err);
    assert_non_null(base);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, (void *)(intptr_t)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    /* Of the patient and the study, of each series four, of each object. */
    assert_int_equal(count_files("log/patientData") + count_files("log/studyData"), 1 + 1 + 5);
    assert_int_equal(count_files("log/seriesData"), 3 * 5 + OBJECTS);
    json_t *record = file_json("log/seriesData/1.8.0-push.json");
    assert_int_equal(json_object_size(record), THREADS * OBJECTS / 5);
    json_decref(record);
}

enum { WRITERS = 6, STUDIES = 12 };

static void write_studies(int writer)
{
    Err err = {0};
    open_base();
    open_tree(at("tree"));
    for (int i = 0; i < STUDIES; i++) {
        char instance[64];
        snprintf(instance, sizeof instance, "1.9.%d", (i + writer) % STUDIES);
        if (!write_object(instance, &err))
            _exit(1);
    }
    close_tree();
    px_base_close(base);
}

static void test_writers_at_once(void **state)
{
    static char uids[STUDIES][3][64];
    for (int i = 0; i < STUDIES; i++) {
        snprintf(uids[i][0], 64, "1.9.%d", i);
        snprintf(uids[i][1], 64, "1.7.%d", i);
        snprintf(uids[i][2], 64, "1.8.%d", i);
        Spec spec = SPEC(uids[i][0]);
        spec.study = uids[i][1];
        spec.series = uids[i][2];
        store_spec(&spec);
    }
    px_base_close(base);
    base = NULL;
    pid_t pids[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        pids[i] = fork();
        assert_int_not_equal(pids[i], -1);
        if (pids[i] == 0) {
            write_studies(i);
            _exit(0);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    json_t *patient = file_json("tree/patientData/P1.json");
    assert_int_equal(json_array_size(json_object_get(json_object_get(patient, "P1"), "StudyList")), STUDIES);
    json_decref(patient);
    assert_int_equal(count_files("tree"), 1 + 5 * STUDIES);
    open_base();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_base, drop_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        TEST(test_records_of_an_object),
        TEST(test_first_wins_and_damage_is_mended),
        TEST(test_locks_of_pypx_are_not_looked_at),
        TEST(test_series_of_two_studies),
        TEST(test_what_dead_processes_left),
        TEST(test_file_that_is_gone),
        TEST(test_root_that_cannot_be_written),
        TEST(test_writers_at_once),
        TEST(test_threads_keep_a_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
