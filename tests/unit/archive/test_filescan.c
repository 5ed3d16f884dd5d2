// SPDX-License-Identifier: MIT
/* The walk over the files: what it looks into, what it passes over, what it leaves behind; and a stop. */
#include "archive/archive_internal.h"

#include "archive_fixture.h"

static void store_one(const char *patient, const char *study, const char *series, const char *instance)
{
    Spec spec = SPEC(instance);
    spec.patient_id = patient;
    spec.study = study;
    spec.series = series;
    store_spec(&spec);
}

static int setup(void **state)
{
    if (make_archive(state) != 0)
        return -1;
    store_one("P1", "1.1", "1.1.1", "1.1.1.1");
    store_one("P1", "1.1", "1.1.2", "1.1.2.1");
    store_one("P1", "1.2", "1.2.1", "1.2.1.1");
    store_one("P2", "2.1", "2.1.1", "2.1.1.1");
    store_one("../P3", "3.1", "3.1.1", "3.1.1.1");
    return 0;
}

static ArcFileWish wish_of(IdxSelection only)
{
    static char data[80], temp[80];
    snprintf(data, sizeof data, "%s", at("data"));
    snprintf(temp, sizeof temp, "%s", at("temp"));
    return (ArcFileWish){.data_path = data, .temp_path = temp, .only = only, .at_once = true};
}

/* The instances that were gathered. */
static uint64_t gathered(ArcFileWish wish)
{
    Err err = {0};
    Index *index;
    IdxTotals totals = {0};
    uint64_t n = 0;
    ArcFileScan *scan = arc_filescan_open(&wish, &err);
    if (!scan)
        fail_msg("%s", err.text);
    do {
        if (!arc_filescan_next(scan, &index, &err) || (index && !idx_totals(index, &totals, &err)))
            fail_msg("%s", err.text);
        n += index ? totals.instances : 0;
    } while (index);
    assert_int_equal(arc_filescan_unreadable(scan), 0);
    arc_filescan_close(scan);
    return n;
}

#define STUDY(value)   ((IdxSelection){.studies = (const char *const[1]){value}, .study_count = 1})
#define SERIES(value)  ((IdxSelection){.series = (const char *const[1]){value}, .series_count = 1})
#define PATIENT(value) ((IdxSelection){.patient_ids = (const char *const[1]){value}, .patient_count = 1})

static void test_folders_are_passed_over(void **state)
{
    /* The folder with the encoded name is looked into every time. */
    const struct {
        IdxSelection only;
        uint64_t narrow, whole;
    } cases[] = {
        {{.everything = true}, 5, 5}, {{.everything = false}, 0, 0}, {PATIENT("P1"), 4, 4},
        {PATIENT("P9"), 1, 1},        {PATIENT("../P3"), 1, 1},      {STUDY("1.1"), 2, 3},
        {STUDY("9"), 0, 0},           {SERIES("1.1.2"), 1, 3},       {SERIES("3.1.1"), 1, 1},
        {STUDY("../P1/1.1"), 0, 0},   {STUDY(".."), 0, 0},           {SERIES("/"), 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ArcFileWish wish = wish_of(cases[i].only);
        uint64_t narrow = gathered(wish);
        wish.whole_patients = true;
        uint64_t whole = gathered(wish);
        if (narrow != cases[i].narrow || whole != cases[i].whole)
            fail_msg("case %zu: %d and %d objects", i, (int)narrow, (int)whole);
    }
}

/* An empty Patient ID as SPHERE files it: the studies are in the root. */
static void test_a_level_left_out(void **state)
{
    store_one("", "4.1", "4.1.1", "4.1.1.1");
    assert_int_equal(rename(at("data/%/4.1"), at("data/4.1")), 0);
    assert_int_equal(gathered(wish_of((IdxSelection){.everything = true})), 6);
    assert_int_equal(gathered(wish_of(STUDY("4.1"))), 1);
    assert_int_equal(gathered(wish_of(SERIES("4.1.1"))), 1);
    ArcFileWish wish = wish_of(STUDY("4.1"));
    wish.whole_patients = true;
    assert_int_equal(gathered(wish), 1);
}

static void write_file(const char *relative, const void *p, size_t n)
{
    FILE *file = fopen(at(relative), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(p, 1, n, file), n);
    fclose(file);
}

static void test_what_is_no_object(void **state)
{
    static char junk[200000];
    memset(junk, 'x', sizeof junk);
    write_file("data/P1/1.1/1.1.1/junk", junk, sizeof junk);
    write_file("data/P1/empty", "", 0);
    write_file("data/top", "DICM", 4);
    memcpy(junk + 128, "DICM", 4);
    write_file("data/P1/1.1/liar", junk, sizeof junk);
    assert_int_equal(symlink(at("data/P2"), at("data/link")), 0);
    assert_int_equal(symlink("/nowhere", at("data/P1/gone")), 0);
    assert_int_equal(mkdir(at("data/.hidden"), 0700), 0);
    assert_int_equal(link(at("data/P2/2.1/2.1.1/2.1.1.1"), at("data/.hidden/one")), 0);
    assert_int_equal(link(at("data/P2/2.1/2.1.1/2.1.1.1"),
                          at("data/P2/2.1/2.1.1/2.1.1.1%+00112233445566778899aabbccddeeff")),
                     0);
    assert_int_equal(mkfifo(at("data/P1/pipe"), 0600), 0);
    assert_int_equal(gathered(wish_of((IdxSelection){.everything = true})), 5);
}

static void test_a_cut_file(void **state)
{
    struct stat st;
    const char *path = at("data/P2/2.1/2.1.1/2.1.1.1");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    assert_int_equal(gathered(wish_of((IdxSelection){.everything = true})), 4);
}

static void test_batches(void **state)
{
    enum { PATIENTS = 130, OBJECTS = 20 };
    for (int p = 0; p < PATIENTS; p++) {
        char folder[64], uid[64];
        snprintf(uid, sizeof uid, "7.%d.0", p);
        char patient[16];
        snprintf(patient, sizeof patient, "B%d", p);
        store_one(patient, "7.7", "7.7.7", uid);
        snprintf(folder, sizeof folder, "data/%s/7.7/7.7.7", patient);
        for (int i = 1; i < OBJECTS; i++) {
            char from[96], to[96];
            snprintf(from, sizeof from, "%s/%s", folder, uid);
            snprintf(to, sizeof to, "%s/more%d", folder, i);
            assert_int_equal(link(at(from), at(to)), 0);
        }
    }
    Err err = {0};
    Index *index;
    ArcFileWish wish = wish_of((IdxSelection){.everything = true});
    wish.at_once = false;
    ArcFileScan *scan = arc_filescan_open(&wish, &err);
    uint64_t instances = 0, patients = 0, batches = 0;
    while (arc_filescan_next(scan, &index, &err) && index) {
        IdxTotals totals;
        assert_true(idx_totals(index, &totals, &err));
        patients += totals.patients;
        instances += totals.instances;
        batches++;
    }
    assert_int_equal(err.code, ERR_NONE);
    arc_filescan_close(scan);
    assert_int_equal(patients, PATIENTS + 3);
    assert_int_equal(instances, PATIENTS + 5); /* the links are the same instance again */
    assert_int_equal(batches, 2);
}

/* Nothing stays in the folder for temporary files, whatever happens to the process. */
static void test_nothing_stays(void **state)
{
    size_t before = count_files("temp");
    Err err = {0};
    Index *index;
    ArcFileWish wish = wish_of((IdxSelection){.everything = true});
    ArcFileScan *scan = arc_filescan_open(&wish, &err);
    assert_true(arc_filescan_next(scan, &index, &err));
    assert_non_null(index);
    assert_int_equal(count_files("temp"), before);
    arc_filescan_close(scan);
    assert_int_equal(count_files("temp"), before);
}

static int questions;

static bool stop_at_once(void *ctx)
{
    questions++;
    return true;
}

static void test_stopped(void **state)
{
    Err err = {0};
    Index *index;
    ArcFileWish wish = wish_of((IdxSelection){.everything = true});
    wish.stopped = stop_at_once;
    questions = 0;
    ArcFileScan *scan = arc_filescan_open(&wish, &err);
    assert_false(arc_filescan_next(scan, &index, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(questions, 1);
    arc_filescan_close(scan);
}

/* Two at a time; who waits can be stopped, and comes to its turn. */
static void test_places(void **state)
{
    Err err = {0};
    ArcFileWish wish = wish_of((IdxSelection){.everything = true});
    ArcFileScan *a = archive_scan_files(archive, &wish, &err), *b = archive_scan_files(archive, &wish, &err);
    assert_non_null(a);
    assert_non_null(b);
    wish.stopped = stop_at_once;
    assert_null(archive_scan_files(archive, &wish, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    arc_filescan_close(a);
    a = archive_scan_files(archive, &wish, &err);
    assert_non_null(a);
    arc_filescan_close(a);
    arc_filescan_close(b);
}

static void test_no_folder(void **state)
{
    Err err = {0};
    ArcFileWish wish = wish_of((IdxSelection){.everything = true});
    wish.data_path = "/nowhere";
    assert_null(arc_filescan_open(&wish, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_folders_are_passed_over),
        TEST(test_a_level_left_out),
        TEST(test_what_is_no_object),
        TEST(test_a_cut_file),
        TEST(test_batches),
        TEST(test_nothing_stays),
        TEST(test_stopped),
        TEST(test_places),
        TEST(test_no_folder),
    };
    return cmocka_run_group_tests_name("filescan", tests, NULL, NULL);
}
