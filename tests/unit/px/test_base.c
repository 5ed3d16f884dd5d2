// SPDX-License-Identifier: MIT
#include "px/base.h"

#include <sqlite3.h>

#include <sys/wait.h>

#include "base_fixture.h"

static void reopen_base(void)
{
    px_base_close(base);
    open_base();
}

/* -- opening -- */

static void test_reading_makes_nothing(void **state)
{
    Err err = {0};
    PxBaseSettings wish = in_top(false);
    wish.log_path = at("nothing/here");
    assert_null(px_base_open(&wish, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "nothing/here"));
    assert_int_not_equal(access(at("nothing"), F_OK), 0);

    assert_int_equal(mkdir(at("empty"), 0755), 0);
    wish.log_path = at("empty");
    assert_null(px_base_open(&wish, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(count_files("empty"), 0);
}

static void test_reading_needs_no_data_folder(void **state)
{
    Err err = {0};
    PxCounts counts;
    PxBaseSettings wish = in_top(true);
    wish.log_path = at("other/log");
    wish.data_path = NULL;
    px_base_close(px_base_open(&wish, &err));
    wish.create = false;
    PxBase *reader = px_base_open(&wish, &err);
    assert_non_null(reader);
    assert_non_null(strstr(px_base_data_path(reader), "/other/data"));
    assert_true(px_base_counts(reader, "1.2", &counts, &err));
    assert_int_equal(counts.requested, -1);
    assert_int_equal(counts.received, 0);
    px_base_close(reader);
    assert_int_not_equal(access(at("other/data"), F_OK), 0);
}

static void test_newer_database_is_left_alone(void **state)
{
    sqlite3 *db;
    Err err = {0};
    px_base_close(base);
    base = NULL;
    assert_int_equal(sqlite3_open(at("log/gantry.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE px_schema SET version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    PxBaseSettings wish = in_top(true);
    assert_null(px_base_open(&wish, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
}

/* An index that was there before the px tables, as that of an archive. */
static void test_index_without_px_tables(void **state)
{
    sqlite3 *db;
    Spec spec = SPEC("1.2.3.4.5");
    store_spec(&spec);
    px_base_close(base);
    assert_int_equal(sqlite3_open(at("log/gantry.sqlite"), &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "DROP TABLE px_schema; DROP TABLE px_record; DROP TABLE px_mark", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    PxBaseSettings wish = in_top(false);
    Err err = {0};
    PxCounts counts;
    base = px_base_open(&wish, &err);
    assert_non_null(base);
    assert_true(px_base_counts(base, spec.series, &counts, &err));
    assert_int_equal(counts.received, 1);
}

/* -- many processes -- */

enum { PROCESSES = 16, EACH = 6 };

static void child(int number)
{
    Err err = {0};
    open_base();
    for (int i = 0; i < EACH; i++) {
        char uid[64];
        snprintf(uid, sizeof uid, "1.2.3.4.%d.%d", number, i);
        Spec spec = SPEC(uid);
        spec.number = number * EACH + i;
        store_spec(&spec);
        json_t *members = json_pack("{s:i}", uid, i);
        assert_true(px_record_merge(base, PX_TABLE_PACK, spec.study, spec.series, members, &err));
        json_decref(members);
    }
    px_base_close(base);
}

/* Opens, stores, merges one record and closes: from the very first creation on. */
static void test_processes_at_once(void **state)
{
    px_base_close(base);
    base = NULL;
    nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(mkdir(top, 0755), 0);
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_int_not_equal(pids[i], -1);
        if (pids[i] == 0) {
            child(i);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    open_base();
    Err err = {0};
    PxCounts counts;
    json_t *record;
    assert_true(px_base_counts(base, "1.2.3.4", &counts, &err));
    assert_int_equal(counts.received, PROCESSES * EACH);
    assert_int_equal(counts.packed, PROCESSES * EACH);
    assert_true(px_record_read(base, PX_TABLE_PACK, "1.2.3.4", &record, &err));
    assert_int_equal(json_object_size(record), PROCESSES * EACH);
    json_decref(record);
    assert_false(was_noticed("not closed properly"));
}

/* -- objects -- */

typedef struct Seen {
    char text[4096];
    size_t count, stop_after;
} Seen;

static bool see(void *ctx, const PxObject *object, Err *err)
{
    Seen *seen = ctx;
    struct stat st;
    assert_int_equal(stat(object->path, &st), 0);
    assert_int_equal(st.st_size, object->size);
    assert_int_equal(strlen(object->sha256), 64);
    assert_string_equal(object->path + strlen(px_base_data_path(base)) + 1, object->name);
    size_t n = strlen(seen->text);
    snprintf(seen->text + n, sizeof seen->text - n, "%s ", object->sop_instance);
    return ++seen->count != seen->stop_after || err_set(err, ERR_CANCELLED, "enough");
}

static void test_objects(void **state)
{
    Err err = {0};
    Seen seen = {0};
    Spec specs[] = {SPEC("1.5"), SPEC("1.3"), SPEC("1.4"), SPEC("1.9")};
    specs[1].series = "1.2.3.3";
    specs[3].study = "1.1.1";
    specs[3].series = "1.1.1.1";
    for (size_t i = 0; i < 4; i++)
        store_spec(&specs[i]);
    assert_true(px_base_objects(base, &(PxSelection){.series = "1.2.3.4"}, see, &seen, &err));
    assert_string_equal(seen.text, "1.4 1.5 ");
    seen = (Seen){0};
    assert_true(px_base_objects(base, &(PxSelection){.study = "1.2.3"}, see, &seen, &err));
    assert_string_equal(seen.text, "1.3 1.4 1.5 ");
    seen = (Seen){0};
    assert_true(px_base_objects(base, &(PxSelection){.patient_id = "P1"}, see, &seen, &err));
    assert_int_equal(seen.count, 4);
    seen = (Seen){0};
    assert_true(px_base_objects(base, &(PxSelection){0}, see, &seen, &err));
    assert_int_equal(seen.count, 4);
    seen = (Seen){0};
    assert_true(
        px_base_objects(base, &(PxSelection){.series = "1.2.3.4", .study = "1.1.1"}, see, &seen, &err));
    assert_int_equal(seen.count, 0);
    seen = (Seen){.stop_after = 2};
    assert_false(px_base_objects(base, &(PxSelection){.study = "1.2.3"}, see, &seen, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(seen.count, 2);
}

static void test_folder_of_series(void **state)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    const char *folder = NULL;
    PxObject object;
    Spec spec = SPEC("1.5");
    store_spec(&spec);
    assert_true(px_base_series_folder(base, arena, spec.series, &folder, &err));
    assert_string_equal(folder, at("data/P1/1.2.3/1.2.3.4"));
    assert_false(px_base_series_folder(base, arena, "1.99", &folder, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(px_base_object(base, arena, "1.5", &object, &err));
    assert_string_equal(object.name, "P1/1.2.3/1.2.3.4/1.5");
    assert_false(px_base_object(base, arena, "1.99", &object, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    arena_free(arena);
}

static void test_classic_names(void **state)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    PxObject object;
    PxBaseSettings wish = in_top(true);
    wish.templates = NULL;
    px_base_close(base);
    base = px_base_open(&wish, &err);
    archive = px_base_archive(base, &err);
    Spec spec = SPEC("1.5");
    spec.number = 7;
    store_spec(&spec);
    assert_true(px_base_object(base, arena, "1.5", &object, &err));
    assert_string_equal(object.name,
                        "P1-Doe_Jane-_PatientBirthDate/_StudyDescription-_AccessionNumber-_StudyDate/"
                        "_SeriesNumber-_SeriesDescription/0007-1.5.dcm");
    arena_free(arena);
}

/* -- records -- */

static void test_records(void **state)
{
    Err err = {0};
    json_t *record = NULL;
    assert_true(px_record_read(base, PX_TABLE_PUSH, "1.2", &record, &err));
    assert_null(record);
    json_t *first = json_pack("{s:s, s:i}", "a", "x'; DROP TABLE px_record; --", "b", 1);
    json_t *second = json_pack("{s:i, s:[i]}", "b", 2, "c", 3);
    assert_true(px_record_merge(base, PX_TABLE_PUSH, "1", "1.2", first, &err));
    assert_true(px_record_merge(base, PX_TABLE_PUSH, NULL, "1.2", second, &err));
    reopen_base();
    assert_true(px_record_read(base, PX_TABLE_PUSH, "1.2", &record, &err));
    assert_string_equal(json_string_value(json_object_get(record, "a")), "x'; DROP TABLE px_record; --");
    assert_int_equal(json_integer_value(json_object_get(record, "b")), 2);
    assert_int_equal(json_array_size(json_object_get(record, "c")), 1);
    json_decref(record);
    assert_true(px_record_read(base, PX_TABLE_PACK, "1.2", &record, &err));
    assert_null(record);
    assert_false(px_record_merge(base, PX_TABLE_PUSH, NULL, "1.2", json_object_get(second, "c"), &err));
    assert_int_equal(err.code, ERR_USAGE);
    json_decref(first);
    json_decref(second);
}

/* -- marks and counters -- */

static PxMark mark_of(const PxObject *object, PxMarkKind kind, const char *target)
{
    return (PxMark){.kind = kind,
                    .sop_instance = object->sop_instance,
                    .series = object->series,
                    .sha256 = object->sha256,
                    .target = target,
                    .name = "SERVICES/PACS/x",
                    .check = "abc",
                    .size = object->size};
}

static PxCounts counts_of(const char *series)
{
    Err err = {0};
    PxCounts counts;
    if (!px_base_counts(base, series, &counts, &err))
        fail_msg("%s", err.text);
    return counts;
}

static bool note_target(void *ctx, const PxMark *mark, Err *err)
{
    assert_string_equal(mark->sop_instance, "1.5");
    assert_int_equal(strlen(mark->sha256), 64);
    snprintf((char *)ctx + strlen(ctx), 100 - strlen(ctx), "%s %s;", mark->target, mark->name);
    return strstr(mark->target, "stop") == NULL || err_set(err, ERR_CANCELLED, "enough");
}

static void test_marks(void **state)
{
    Err err = {0};
    bool found = true;
    Arena *arena = arena_new(0);
    PxObject object;
    PxMark mark;
    Spec spec = SPEC("1.5");
    store_spec(&spec);
    assert_true(px_base_object(base, arena, "1.5", &object, &err));
    assert_true(px_mark_find(base, PX_MARK_PUSHED, "fs /mnt", &object, arena, &mark, &found, &err));
    assert_false(found);
    PxMark marks[] = {mark_of(&object, PX_MARK_PUSHED, "fs /mnt"),
                      mark_of(&object, PX_MARK_PUSHED, "swift http://h:1/users"),
                      mark_of(&object, PX_MARK_REGISTERED, "cube u")};
    assert_true(px_marks_add(base, marks, 3, &err));
    assert_true(px_marks_add(base, marks, 1, &err));
    assert_true(px_mark_find(base, PX_MARK_PUSHED, "fs /mnt", &object, arena, &mark, &found, &err));
    assert_true(found);
    assert_string_equal(mark.name, "SERVICES/PACS/x");
    assert_string_equal(mark.check, "abc");
    assert_int_equal(mark.size, object.size);
    assert_true(px_mark_find(base, PX_MARK_REGISTERED, "fs /mnt", &object, arena, &mark, &found, &err));
    assert_false(found);
    char targets[100] = "";
    assert_true(px_marks_visit(base, PX_MARK_PUSHED, spec.series, note_target, targets, &err));
    assert_string_equal(targets, "fs /mnt SERVICES/PACS/x;swift http://h:1/users SERVICES/PACS/x;");
    PxCounts counts = counts_of(spec.series);
    assert_int_equal(counts.received, 1);
    assert_int_equal(counts.pushed, 1);
    assert_int_equal(counts.registered, 1);

    spec.fill = 9; /* the same object with other pixels: what was done with the old one does not count */
    store_spec(&spec);
    assert_true(px_base_object(base, arena, "1.5", &object, &err));
    assert_true(px_mark_find(base, PX_MARK_PUSHED, "fs /mnt", &object, arena, &mark, &found, &err));
    assert_false(found);
    counts = counts_of(spec.series);
    assert_int_equal(counts.pushed, 0);
    assert_int_equal(counts.registered, 0);
    marks[0].target = "fs /stop";
    assert_true(px_marks_add(base, marks, 1, &err));
    *targets = '\0';
    assert_false(px_marks_visit(base, PX_MARK_PUSHED, spec.series, note_target, targets, &err));
    assert_string_equal(targets, "fs /mnt SERVICES/PACS/x;fs /stop SERVICES/PACS/x;");
    arena_free(arena);
}

static void assert_received(const char *series, int64_t requested, int64_t received)
{
    Err err = {0};
    int64_t r = 0, n = 0;
    assert_true(px_base_received(base, series, &r, &n, &err));
    assert_int_equal(r, requested);
    assert_int_equal(n, received);
}

static void test_database_in_the_tree(void **state)
{
    Err err = {0};
    PxBaseSettings wish = in_top(true);
    wish.data_path = top;
    PxBase *wrong = px_base_open(&wish, &err);
    assert_non_null(wrong);
    assert_null(px_base_archive(wrong, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "--datadir"));
    px_base_close(wrong);
}

static void test_counts(void **state)
{
    Err err = {0};
    Spec specs[] = {SPEC("1.1"), SPEC("1.2"), SPEC("1.3")};
    assert_int_equal(counts_of("1.2.3.4").requested, -1);
    for (size_t i = 0; i < 3; i++)
        store_spec(&specs[i]);
    static const struct {
        const char *value;
        int64_t requested;
    } cases[] = {{"\"3\"", 3}, {"5", 5}, {"\" 7 \"", 7}, {"\"x\"", -1}, {"-2", -1}, {"null", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *members = json_object();
        json_object_set_new(members, "NumberOfSeriesRelatedInstances",
                            json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        assert_true(px_record_merge(base, PX_TABLE_RETRIEVE, "1.2.3", "1.2.3.4", members, &err));
        json_decref(members);
        assert_int_equal(counts_of("1.2.3.4").requested, cases[i].requested);
        assert_received("1.2.3.4", cases[i].requested, 3);
    }
    assert_int_equal(counts_of("1.2.3.4").packed, 3);
    assert_received("1.2.3.4", -1, 3);
    assert_received("1.9.9", -1, 0);
    assert_int_equal(truncate(at("data/P1/1.2.3/1.2.3.4/1.2"), 10), 0);
    assert_int_equal(unlink(at("data/P1/1.2.3/1.2.3.4/1.3")), 0);
    assert_int_equal(counts_of("1.2.3.4").received, 3);
    assert_int_equal(counts_of("1.2.3.4").packed, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reading_makes_nothing, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_reading_needs_no_data_folder, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_newer_database_is_left_alone, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_index_without_px_tables, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_processes_at_once, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_objects, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_folder_of_series, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_classic_names, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_records, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_marks, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_counts, make_base, drop_base),
        cmocka_unit_test_setup_teardown(test_database_in_the_tree, make_base, drop_base),
    };
    return cmocka_run_group_tests_name("px/base", tests, NULL, NULL);
}
