// SPDX-License-Identifier: MIT
/*
 * No query looks through a whole table: whatever statement a call of the index makes, the database is asked how it means to answer. What
 * cannot be narrowed, and what everybody has, is passed by in the order of an index, newest first; the last two tests say what that is.
 */
#include "fixture.h"

#include "index/driver.h"
#include "index/internal.h"
#include "index/search.h"
#include "index/tables.h"
#include "index/unsealed.h"

/* -- a driver that notes what it is asked -- */

enum { NOTED_MAX = 64, PARAMS_MAX = 32 };

typedef struct Noted {
    char *sql;
    DbUse use;
    const DbStatement *statement;
    struct {
        char *text; /* NULL: a number */
        int64_t number;
    } params[PARAMS_MAX];
    size_t count;
} Noted;

static Noted noted[NOTED_MAX];
static size_t noted_count;
static bool noting;
static const DbDriver *real;
static DbDriver listening;

static Noted *find_noted(const DbStatement *s)
{
    for (size_t i = noted_count; noting && i > 0; i--)
        if (noted[i - 1].statement == s)
            return &noted[i - 1];
    return NULL;
}

static Db *note_open(DbSource *source, DbMode mode, Err *err)
{
    Db *db = real->open(source, mode, err);
    if (db)
        db->driver = &listening;
    return db;
}

static DbStatement *note_prepare(Db *db, const char *sql, DbUse use, Err *err)
{
    DbStatement *s = real->prepare(db, sql, use, err);
    bool again = false;
    for (size_t i = 0; i < noted_count; i++)
        again |= strcmp(noted[i].sql, sql) == 0;
    if (s && noting && !again && strncmp(sql, "SELECT", 6) == 0) {
        assert_true(noted_count < NOTED_MAX);
        noted[noted_count++] = (Noted){.sql = strdup(sql), .use = use, .statement = s};
    }
    return s;
}

static void note_text(DbStatement *s, Span text)
{
    Noted *n = find_noted(s);
    if (n && n->count < PARAMS_MAX)
        n->params[n->count++].text = strndup(text.p ? (const char *)text.p : "", text.n);
    real->bind_text(s, text);
}

static void note_int(DbStatement *s, int64_t number)
{
    Noted *n = find_noted(s);
    if (n && n->count < PARAMS_MAX)
        n->params[n->count++].number = number;
    real->bind_int(s, number);
}

static void note_done(DbStatement *s)
{
    Noted *n = find_noted(s);
    if (n)
        n->statement = NULL;
    real->done(s);
}

static void forget_noted(void)
{
    for (size_t i = 0; i < noted_count; i++) {
        for (size_t k = 0; k < noted[i].count; k++)
            free(noted[i].params[k].text);
        free(noted[i].sql);
    }
    memset(noted, 0, sizeof noted);
    noted_count = 0;
}

/* Opens the index again, with the driver that listens. */
static void listen_to(Fixture *f)
{
    forget_noted();
    noting = false;
    idx_close(f->index);
    ASSERT_OK(f, fixture_open(f));
    real = f->index->source->driver;
    listening = *real;
    listening.open = note_open;
    listening.prepare = note_prepare;
    listening.bind_text = note_text;
    listening.bind_int = note_int;
    listening.done = note_done;
    f->index->source->driver = &listening;
}

/* -- plans -- */

static const char *explain(Fixture *f, const Noted *n)
{
    Db *db = idx_reader_take(f->index, IDX_SNAPSHOT, &f->err);
    ASSERT_OK(f, db);
    if (on_postgres(f) && n->use == DB_FIRST)
        ASSERT_OK(f, db_exec(db, "SET LOCAL enable_sort TO off", &f->err));
    const char *sql = arena_printf(f->arena, "%s %s",
                                   on_postgres(f) ? "EXPLAIN (COSTS OFF)" : "EXPLAIN QUERY PLAN", n->sql),
               *out = "";
    DbStatement *s = db_prepare(db, sql, &f->err);
    bool row = true;
    ASSERT_OK(f, s);
    for (size_t i = 0; i < n->count; i++)
        if (n->params[i].text)
            db_bind_cstr(s, n->params[i].text);
        else
            db_bind_int(s, n->params[i].number);
    for (;;) {
        ASSERT_OK(f, db_step(s, &row, &f->err));
        if (!row)
            break;
        out = arena_printf(f->arena, "%s%.*s\n", out, SPAN_FMT(db_text(s, on_postgres(f) ? 0 : 3)));
    }
    db_done(s);
    idx_reader_give(f->index, db, IDX_SNAPSHOT);
    return out;
}

/* An index that is walked from end to end is a whole table too. */
static bool is_scan(const char *line, const char *next)
{
    static const char *const names[] = {"p",    "s",       "e",     "i",      "x",
                                        "term", "patient", "study", "series", "file_storage_metadata_dicom"};
    const char *scan = strstr(line, "SCAN ");
    for (size_t k = 0; scan && k < sizeof names / sizeof *names; k++) {
        size_t n = strlen(names[k]);
        if (strncmp(scan + 5, names[k], n) == 0 && strchr(" \n", scan[5 + n]))
            return true;
    }
    if (strstr(line, "Seq Scan on ") && !strstr(line, " on totals") && !strstr(line, " on note"))
        return true;
    bool by_index = strstr(line, "Index Scan") || strstr(line, "Index Only Scan");
    return by_index && !strstr(next, "Index Cond:");
}

/* The first line of a plan that looks through a whole table, NULL = none does. */
static const char *scan_in(Fixture *f, const char *plan)
{
    for (const char *line = plan; *line;) {
        const char *end = strchr(line, '\n'), *after = strchr(end + 1, '\n');
        const char *one = arena_printf(f->arena, "%.*s\n", (int)(end - line), line);
        const char *next = after ? arena_printf(f->arena, "%.*s\n", (int)(after - end - 1), end + 1) : "";
        if (is_scan(one, next))
            return one;
        line = end + 1;
    }
    return NULL;
}

/* Every statement that was noted begins with an index. */
static void assert_no_scan(Fixture *f, const char *what)
{
    noting = false;
    assert_true(noted_count > 0);
    for (size_t i = 0; i < noted_count; i++) {
        const char *plan = explain(f, &noted[i]), *scan = scan_in(f, plan);
        if (scan)
            fail_msg("%s: %splanned as\n%s\n…%s", what, scan, plan, strstr(noted[i].sql, " FROM"));
    }
    forget_noted();
}

/* -- what is asked -- */

static void find(Fixture *f, DcmLevel level, DcmTag tag, const char *value)
{
    noting = true;
    ask(f, level, object_of(f->arena, tag, value, 0), (DcmMatchOptions){0}, DCM_PatientID, NULL);
}

/* A hospital where many things are the same everywhere. */
static void fill(Fixture *f, int studies)
{
    Arena *arena = arena_new(0);
    for (int i = 0; i < studies; i++) {
        if (i % 500 == 0)
            ASSERT_OK(f, idx_begin(f->index, &f->err));
        const char *n = arena_printf(arena, "%d", i);
        ASSERT_OK(
            f,
            put(f, object_of(arena, DCM_PatientID, arena_printf(arena, "P%d", i / 3), DCM_PatientName,
                             arena_printf(arena, "Doe%d^Jane", i / 3), DCM_PatientSex, i / 3 % 50 ? "F" : "M",
                             DCM_PatientBirthDate, arena_printf(arena, "19%02d0101", i / 3 % 90),
                             DCM_StudyInstanceUID, arena_printf(arena, "1.%s", n), DCM_StudyDate,
                             arena_printf(arena, "20%02d%02d01", i / 12 % 20, 1 + i % 12), DCM_StudyTime,
                             "101500", DCM_AccessionNumber, arena_printf(arena, "A%s", n), DCM_StudyID, n,
                             DCM_InstitutionName, i % 100 ? "CLINIC" : "OTHER", DCM_SeriesInstanceUID,
                             arena_printf(arena, "1.%s.1", n), DCM_SeriesDate, "20200101", DCM_Modality,
                             i % 100 ? "CT" : "MR", DCM_StationName, i % 100 ? "CT01" : "MR01",
                             DCM_SOPClassUID, "1.2.840.10008.5.1.4.1.1.2", DCM_SOPInstanceUID,
                             arena_printf(arena, "1.%s.1.1", n), DCM_InstanceNumber, "1", 0)));
        if (i % 500 == 499 || i == studies - 1)
            ASSERT_OK(f, idx_commit(f->index, &f->err));
    }
    arena_free(arena);
    if (!on_postgres(f))
        return;
    /* Small tables are read whole, and rightly: these are said to be a thousand times as large. */
    postgres_text(f, "ANALYZE");
    postgres_text(f, "UPDATE pg_class SET reltuples = reltuples * 1000 WHERE relnamespace = "
                     "(SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND reltuples > 0");
}

/* Values that are there, and some that are not, for a way of searching. */
static const char *const *values_of(IdxSearch search)
{
    static const char *const uids[] = {"1.7", "1.7\\1.8.1\\1.9.1.1", NULL};
    static const char *const terms[] = {"P7", "OTHER", "MR01", "nobody", "Doe7*", "*oe7*", NULL};
    static const char *const dates[] = {"20010101", "20000101-20000201", "-19010101", NULL};
    static const char *const lists[] = {"MR", "MR\\US", "1.2.3", NULL};
    static const char *const none[] = {NULL};
    return search == IDX_EXACT   ? uids
           : search == IDX_TERM  ? terms
           : search == IDX_RANGE ? dates
           : search == IDX_AMONG ? lists
                                 : none;
}

/* Every attribute that is searched by, in queries of every level. */
static void every_key(Fixture *f)
{
    for (int of = 0; of < DCM_LEVEL_COUNT; of++) {
        size_t n;
        const IdxAttribute *a = idx_attributes(&idx_base_attributes, (DcmLevel)of, &n);
        for (size_t i = 0; i < n; i++)
            for (const char *const *value = values_of(a[i].search); *value; value++)
                for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
                    /* At another level another row may decide. */
                    if (idx_attribute(&idx_base_attributes, a[i].tag, (DcmLevel)level)->search == IDX_SCAN)
                        continue;
                    find(f, (DcmLevel)level, a[i].tag, *value);
                    assert_no_scan(f, arena_printf(f->arena, "%08X=%s at %d", a[i].tag, *value, level));
                }
    }
}

static void keys_begin_with_an_index(void **state)
{
    Fixture *f = *state;
    fill(f, 300);
    listen_to(f);
    every_key(f);
}

static void listings_begin_with_an_index(void **state)
{
    Fixture *f = *state;
    static const char *const values[] = {"1.7", "P7", "1.7.1", "MR"};
    fill(f, 300);
    listen_to(f);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        for (int by = 0; by <= DCM_LEVEL_SERIES; by++)
            for (int modality = 0; modality < 2; modality++)
                for (size_t count = 1; count <= 4; count += 3) {
                    noting = true;
                    IdxListAsk of = {(DcmLevel)level, (DcmLevel)by, modality, values, count};
                    IdxListing *listing = idx_list(f->index, &of, &f->err);
                    bool row;
                    ASSERT_OK(f, listing && idx_list_next(listing, &row, &f->err));
                    idx_list_close(listing);
                    assert_no_scan(f, arena_printf(f->arena, "list of %d by %d", level, by));
                }
}

static bool take_no_key(void *ctx, const char *key, Err *err)
{
    return true;
}

static void look_ups_begin_with_an_index(void **state)
{
    Fixture *f = *state;
    fill(f, 300);
    listen_to(f);
    for (int from = 0; from < DCM_LEVEL_COUNT; from++)
        for (int to = 0; to < DCM_LEVEL_COUNT; to++) {
            bool found;
            noting = true;
            IdxLookup *lookup = idx_lookup_open(f->index, &f->err);
            ASSERT_OK(f, lookup && idx_lookup_has(lookup, (DcmLevel)from, "1.7", &found, &f->err) &&
                             idx_lookup_related(lookup, (DcmLevel)from, "1.7", (DcmLevel)to, take_no_key,
                                                NULL, &f->err));
            idx_lookup_close(lookup);
            assert_no_scan(f, arena_printf(f->arena, "related from %d to %d", from, to));
        }
    IdxFile file;
    noting = true;
    ASSERT_OK(f, idx_instance(f->index, f->arena, "1.7.1.1", &file, &f->err));
    assert_no_scan(f, "an instance");
}

static void select_objects(Fixture *f, const IdxSelection *selection, const char *what)
{
    uint64_t objects, bytes;
    IdxFile file;
    noting = true;
    IdxFiles *files = idx_select(f->index, selection, &f->err);
    ASSERT_OK(f, files && idx_files_next(files, f->arena, &file, &f->err));
    idx_files_free(files);
    ASSERT_OK(f, idx_select_count(f->index, selection, &objects, &bytes, &f->err));
    assert_no_scan(f, what);
}

static void selections_begin_with_an_index(void **state)
{
    Fixture *f = *state;
    static const char *const patients[] = {"P7", "P8"}, *const studies[] = {"1.7", "1.8"},
                             *const series[] = {"1.7.1", "1.8.1"},
                             *const instances[] = {"1.7.1.1", "1.8.1.1"};
    fill(f, 300);
    listen_to(f);
    for (size_t n = 1; n <= 2; n++) {
        select_objects(f, &(IdxSelection){.patient_ids = patients, .patient_count = n}, "patients");
        select_objects(f, &(IdxSelection){.studies = studies, .study_count = n}, "studies");
        select_objects(f, &(IdxSelection){.series = series, .series_count = n}, "series");
        select_objects(f, &(IdxSelection){.instances = instances, .instance_count = n}, "instances");
        select_objects(f,
                       &(IdxSelection){.patient_ids = patients,
                                       .patient_count = n,
                                       .studies = studies,
                                       .study_count = n,
                                       .series = series,
                                       .series_count = n},
                       "series of studies of patients");
    }
    IdxTotals totals;
    noting = true;
    ASSERT_OK(f, idx_totals(f->index, &totals, &f->err));
    assert_no_scan(f, "totals");
}

/* -- what is passed by in order -- */

static void assert_in_order(Fixture *f, const char *index, const char *what)
{
    noting = false;
    const char *plan = NULL;
    for (size_t i = 0; i < noted_count; i++)
        if (strstr(noted[i].sql, "ORDER BY"))
            plan = explain(f, &noted[i]);
    forget_noted();
    if (!plan || !strstr(plan, index) || strstr(plan, "TEMP B-TREE FOR ORDER BY\n") ||
        strstr(plan, "Seq Scan") || strncmp(plan, "Sort", 4) == 0)
        fail_msg("%s: planned as\n%s", what, plan ? plan : "(nothing)");
}

/* Extended attributes: exact values, lists, beginnings, ranges of days. */
static void extended_keys_begin_with_an_index(void **state)
{
    Fixture *f = *state;
    static const IdxExtended list[] = {
        {DCM_LEVEL_PATIENT, DCM_PatientReligiousPreference, .vr = DCM_VR_LO, .column = "x1", .chars = 64},
        {DCM_LEVEL_STUDY, DCM_ScheduledAdmissionDate, .vr = DCM_VR_DA, .column = "x2", .chars = 16},
        {DCM_LEVEL_SERIES, DCM_SynchronizationFrameOfReferenceUID, .vr = DCM_VR_UI, .column = "x3"},
        {DCM_LEVEL_IMAGE, DCM_AcquisitionContextDescription, .vr = DCM_VR_CS, .column = "x4", .chars = 16}};
    static const struct {
        int of;
        const char *value;
    } keys[] = {{0, "ONE"},       {0, "ONE\\TWO"}, {0, "ON*"},
                {0, "O?E"},       {1, "20200101"}, {1, "20200101-20200201"},
                {1, "-19990101"}, {2, "1.7"},      {2, "1.7\\1.8"},
                {3, "ONE"},       {3, "O*\\TWO"}};
    fixture_extended = list;
    fixture_extended_count = 4;
    idx_close(f->index);
    ASSERT_OK(f, fixture_open(f));
    for (int i = 0; i < 300; i++) {
        const char *n = arena_printf(f->arena, "%d", i);
        if (i % 100 == 0)
            ASSERT_OK(f, idx_begin(f->index, &f->err));
        ASSERT_OK(f,
                  put(f, object_of(f->arena, DCM_PatientID, n, DCM_PatientReligiousPreference, n,
                                   DCM_StudyInstanceUID, arena_printf(f->arena, "1.%s", n), DCM_StudyDate,
                                   "20200101", DCM_ScheduledAdmissionDate,
                                   arena_printf(f->arena, "20%02d0101", i % 90), DCM_SeriesInstanceUID,
                                   arena_printf(f->arena, "1.%s.1", n),
                                   DCM_SynchronizationFrameOfReferenceUID, arena_printf(f->arena, "1.%s", n),
                                   DCM_SOPInstanceUID, arena_printf(f->arena, "1.%s.1.1", n),
                                   DCM_AcquisitionContextDescription, n, 0)));
        if (i % 100 == 99)
            ASSERT_OK(f, idx_commit(f->index, &f->err));
    }
    if (on_postgres(f)) {
        postgres_text(f, "ANALYZE");
        postgres_text(f, "UPDATE pg_class SET reltuples = reltuples * 1000 WHERE relnamespace = "
                         "(SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND reltuples > 0");
    }
    listen_to(f);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
            find(f, (DcmLevel)level, list[keys[i].of].tag, keys[i].value);
            assert_no_scan(f, arena_printf(f->arena, "%s at %d", keys[i].value, level));
        }
    fixture_extended_count = 0;
}

/* Times, numbers, sequences, what has no column, and what only objects have: unless another key narrows. */
static void keys_that_cannot_narrow(void **state)
{
    Fixture *f = *state;
    static const DcmTag tags[] = {DCM_StudyTime,      DCM_SeriesTime,      DCM_SeriesNumber,
                                  DCM_InstanceNumber, DCM_OtherPatientIDs, DCM_OperatorsName,
                                  DCM_ImageType};
    fill(f, 300);
    listen_to(f);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        find(f, DCM_LEVEL_STUDY, tags[i], "7");
        assert_in_order(f, "ix_study_newest", arena_printf(f->arena, "%08X", tags[i]));
        find(f, DCM_LEVEL_PATIENT, tags[i], "7");
        assert_in_order(f, "ix_patient_newest", arena_printf(f->arena, "%08X", tags[i]));
    }
    noting = true;
    ask(f, DCM_LEVEL_STUDY, object_of(f->arena, DCM_StudyTime, "101500", DCM_AccessionNumber, "A7", 0),
        (DcmMatchOptions){0}, DCM_PatientID, NULL);
    assert_no_scan(f, "a time and an accession number");
}

/* What more than 2,000 rows have is not gathered and sorted; a narrower key beside it is. */
static void keys_that_many_have(void **state)
{
    Fixture *f = *state;
    static const struct {
        DcmTag tag;
        const char *value;
    } cases[] = {{DCM_InstitutionName, "CLINIC"},
                 {DCM_ModalitiesInStudy, "CT"},
                 {DCM_StationName, "CT01"},
                 {DCM_SeriesDate, "20200101"}};
    fill(f, IDX_FEW + 200);
    listen_to(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        IdxQuery query = {.level = DCM_LEVEL_STUDY,
                          .keys = object_of(f->arena, cases[i].tag, cases[i].value, 0),
                          .limit = 1};
        noting = true;
        IdxCursor *cursor = idx_query(f->index, &query, &f->err);
        IdxRow row;
        ASSERT_OK(f, cursor && idx_next(cursor, f->arena, &row, &f->err));
        assert_non_null(row.attributes);
        idx_cursor_free(cursor);
        assert_in_order(f, "ix_study_newest", cases[i].value);
        noting = true;
        ask(f, DCM_LEVEL_STUDY,
            object_of(f->arena, cases[i].tag, cases[i].value, DCM_PatientName, "Doe7^Jane", 0),
            (DcmMatchOptions){0}, DCM_PatientID, NULL);
        assert_no_scan(f, "many and few");
    }
}

/* The studies of some patients are put in order by an index alone; their rows, and the patients', are read one by one behind that. */
static void studies_are_sorted_before_they_are_read(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        return;
    static const DcmTag tags[] = {DCM_PatientName, DCM_PatientSex, DCM_PatientBirthDate};
    static const char *const values[] = {"Doe7*", "M", "19010101"};
    fill(f, 300);
    listen_to(f);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        find(f, DCM_LEVEL_STUDY, tags[i], values[i]);
        noting = false;
        const char *plan = explain(f, &noted[noted_count - 1]);
        const char *sorted = strstr(plan, "USE TEMP B-TREE FOR ORDER BY");
        if (!strstr(plan, "SEARCH s USING COVERING INDEX ix_study_of_patient (patient_id=?)") || !sorted ||
            !strstr(sorted, "SEARCH s USING INTEGER PRIMARY KEY") ||
            !strstr(sorted, "SEARCH p USING INTEGER PRIMARY KEY") || strstr(plan, "SEARCH p ") < sorted)
            fail_msg("%s: planned as\n%s", values[i], plan);
        forget_noted();
    }
}

/* A million rows that are sealed cost nothing. */
static void what_is_unsealed_is_found_by_its_index(void **state)
{
    Fixture *f = *state;
    IdxUnsealed *rows;
    size_t n;
    fill(f, 300);
    sql_text(f, on_postgres(f) ? "UPDATE file_storage_metadata_dicom SET sha256 = decode(repeat('ab', 32), "
                                 "'hex') WHERE instance_uid <> '1.7.1.1'"
                               : "UPDATE file_storage_metadata_dicom SET sha256 = randomblob(32) WHERE "
                                 "instance_uid <> '1.7.1.1'");
    if (on_postgres(f))
        postgres_text(f, "ANALYZE");
    listen_to(f);
    noting = true;
    ASSERT_OK(f, idx_unsealed(f->index, f->arena, 1, 10, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_in_order(f, "ix_file_storage_metadata_dicom_unsealed", "unsealed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_begin_with_an_index),
        TEST(listings_begin_with_an_index),
        TEST(look_ups_begin_with_an_index),
        TEST(selections_begin_with_an_index),
        TEST(extended_keys_begin_with_an_index),
        TEST(keys_that_cannot_narrow),
        TEST(keys_that_many_have),
        TEST(studies_are_sorted_before_they_are_read),
        TEST(what_is_unsealed_is_found_by_its_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
