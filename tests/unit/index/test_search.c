// SPDX-License-Identifier: MIT
/* How the database means to answer: lists are served in the order of an index, searches begin with one. */
#include "fixture.h"

#include "index/internal.h"
#include "index/plan.h"
#include "index/terms.h"

/* The steps of the plan of a query, joined by '\n', as a reader gets it. */
static const char *steps(Fixture *f, DcmLevel level, const DcmDataset *keys)
{
    IdxPlan plan;
    Db *reader = idx_reader_take(f->index, IDX_SNAPSHOT, &f->err);
    IdxQuery query = {.level = level, .keys = keys, .limit = 10};
    ASSERT_OK(f, reader && idx_plan_make(&plan, f->arena, reader, &query, &f->err));
    const char *out = "", *sql = arena_strdup(f->arena, buf_cstr(&plan.rows.text));
    buf_clear(&plan.rows.text);
    buf_printf(&plan.rows.text, "%s", on_postgres(f) ? "EXPLAIN (COSTS OFF) " : "EXPLAIN QUERY PLAN ");
    buf_append_cstr(&plan.rows.text, sql);
    if (on_postgres(f) && plan.first_matters)
        ASSERT_OK(f, db_exec(reader, "SET LOCAL enable_sort TO off", &f->err));
    DbStatement *s = idx_sql_prepare(&plan.rows, reader, DB_LOOK, &f->err);
    bool row = true;
    ASSERT_OK(f, s);
    for (;;) {
        ASSERT_OK(f, db_step(s, &row, &f->err));
        if (!row)
            break;
        out = arena_printf(f->arena, "%s%.*s\n", out, SPAN_FMT(db_text(s, on_postgres(f) ? 0 : 3)));
    }
    db_done(s);
    idx_plan_done(&plan);
    idx_reader_give(f->index, reader, IDX_SNAPSHOT);
    return out;
}

static void assert_steps(Fixture *f, const char *plan, const char *const *has, const char *const *lacks)
{
    for (; *has; has++)
        if (!strstr(plan, *has))
            fail_msg("'%s' is not in\n%s", *has, plan);
    for (; *lacks; lacks++)
        if (strstr(plan, *lacks))
            fail_msg("'%s' is in\n%s", *lacks, plan);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void lists_come_in_the_order_of_an_index(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        skip();
    const DcmDataset *nothing = object_of(f->arena, DCM_PatientName, "", 0);
    assert_steps(f, steps(f, DCM_LEVEL_PATIENT, nothing), LIST("ix_patient_newest"), LIST("TEMP B-TREE"));
    assert_steps(f, steps(f, DCM_LEVEL_STUDY, nothing), LIST("SCAN s USING INDEX ix_study_newest"),
                 LIST("TEMP B-TREE"));
    assert_steps(f, steps(f, DCM_LEVEL_SERIES, nothing),
                 LIST("SCAN s USING INDEX ix_study_newest", "ix_series_study_id"), LIST("TEMP B-TREE"));
    assert_steps(f, steps(f, DCM_LEVEL_IMAGE, nothing),
                 LIST("SCAN s USING INDEX ix_study_newest", "ix_file_storage_metadata_dicom_series_id"),
                 LIST("TEMP B-TREE"));
}

static void dates_narrow_the_index_that_orders(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        skip();
    const DcmDataset *keys =
        object_of(f->arena, DCM_StudyDate, "20200101-20201231", DCM_ModalitiesInStudy, "MR", 0);
    assert_steps(f, steps(f, DCM_LEVEL_STUDY, keys), LIST("SEARCH s USING INDEX ix_study_newest (date_study"),
                 LIST("TEMP B-TREE", "SCAN"));
    assert_steps(f, steps(f, DCM_LEVEL_SERIES, keys),
                 LIST("SEARCH s USING INDEX ix_study_newest (date_study"), LIST("TEMP B-TREE", "SCAN"));
}

/* Enough for the planner to have an opinion. */
static void fill(Fixture *f)
{
    Arena *arena = arena_new(0);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < 2000; i++)
        ASSERT_OK(f, put(f, object_of(arena, DCM_PatientID, arena_printf(arena, "P%d", i / 4),
                                      DCM_PatientName, arena_printf(arena, "Doe%d^Jane", i / 8),
                                      DCM_StudyInstanceUID, arena_printf(arena, "1.%d", i / 4),
                                      DCM_SeriesInstanceUID, arena_printf(arena, "1.%d.1", i / 2),
                                      DCM_SOPInstanceUID, arena_printf(arena, "1.%d.1.%d", i / 2, i),
                                      DCM_StudyDate, arena_printf(arena, "2020%02d01", 1 + i / 4 % 12),
                                      DCM_Modality, i / 4 % 2 ? "CT" : "MR", DCM_AccessionNumber,
                                      arena_printf(arena, "A%d", i / 4), 0)));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    arena_free(arena);
    postgres_text(f, "ANALYZE");
}

static void searches_begin_with_an_index(void **state)
{
    Fixture *f = *state;
    static const struct {
        DcmLevel level;
        DcmTag tag;
        const char *value, *has;
    } cases[] = {
        {DCM_LEVEL_STUDY, DCM_StudyInstanceUID, "1.2.3", "ix_study_study_uid"},
        {DCM_LEVEL_STUDY, DCM_StudyInstanceUID, "1.2.3\\1.2.4", "ix_study_study_uid"},
        {DCM_LEVEL_SERIES, DCM_SeriesInstanceUID, "1.2.3", "ix_series_series_uid"},
        {DCM_LEVEL_IMAGE, DCM_SOPInstanceUID, "1.2.3", "ix_file_storage_metadata_dicom_instance_uid"},
        {DCM_LEVEL_IMAGE, DCM_SeriesInstanceUID, "1.2.3", "ix_file_storage_metadata_dicom_series_id"},
        {DCM_LEVEL_STUDY, DCM_SOPInstanceUID, "1.2.3", "ix_file_storage_metadata_dicom_instance_uid"},
        {DCM_LEVEL_PATIENT, DCM_StudyInstanceUID, "1.2.3", "ix_study_study_uid"},
        {DCM_LEVEL_PATIENT, DCM_PatientID, "P1", "SEARCH term USING PRIMARY KEY (attribute=? AND value=?)"},
        {DCM_LEVEL_STUDY, DCM_PatientID, "P1*",
         "SEARCH term USING PRIMARY KEY (attribute=? AND value>? AND value<?)"},
        {DCM_LEVEL_STUDY, DCM_PatientName, "Doe^J*",
         "SEARCH term USING PRIMARY KEY (attribute=? AND value>? AND value<?)"},
        {DCM_LEVEL_STUDY, DCM_PatientName, "*Jane*", "SEARCH t USING PRIMARY KEY (attribute=? AND value=?)"},
        {DCM_LEVEL_STUDY, DCM_PatientName, "*ne*", "SEARCH term USING PRIMARY KEY (attribute=?)"},
        {DCM_LEVEL_STUDY, DCM_AccessionNumber, "A1",
         "SEARCH term USING PRIMARY KEY (attribute=? AND value=?)"},
        {DCM_LEVEL_IMAGE, DCM_AccessionNumber, "A1",
         "SEARCH term USING PRIMARY KEY (attribute=? AND value=?)"},
        {DCM_LEVEL_STUDY, DCM_PatientBirthDate, "19700101", "ix_patient_birth"},
    };
    if (on_postgres(f))
        fill(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool term = strstr(cases[i].has, "PRIMARY KEY") != NULL;
        const char *has = on_postgres(f) && term ? "term_pkey" : cases[i].has;
        assert_steps(f, steps(f, cases[i].level, object_of(f->arena, cases[i].tag, cases[i].value, 0)),
                     LIST(has), LIST("SCAN p", "SCAN s", "SCAN e", "SCAN i", "Seq Scan"));
    }
}

static bool append_piece(void *ctx, Span piece, Err *err)
{
    buf_append_span(ctx, piece);
    buf_append_cstr(ctx, " ");
    return true;
}

/* What names are cut into; what is searched for is cut alike. */
static void pieces_of_names(void **state)
{
    static const struct {
        const char *term, *pieces;
    } cases[] = {{"doe^jane", "doe jan ane "},
                 {"ab", ""},
                 {"ab^cd^efg", "efg "},
                 {"m\xc3\xbcller", "m\xc3\xbcl \xc3\xbcll lle ler "},
                 {"\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e", ""},
                 {"abc^", "abc "},
                 {"^", ""},
                 {"", ""},
                 {"ab\xff", ""}};
    Fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf out;
        buf_init(&out, 0);
        assert_true(idx_name_pieces(span_cstr(cases[i].term), append_piece, &out, &f->err));
        assert_string_equal(buf_cstr(&out), cases[i].pieces);
        buf_free(&out);
    }
}

/* A name that came with its object is found by any part of it, until it goes. */
static void parts_of_names_find_it(void **state)
{
    static const char *const parts[] = {"*jane*", "*ANE*",          "*e^J*",  "*oe^Jan*",
                                        "*ppel*", "*Doppel?anger*", "*JAN*E*"};
    Fixture *f = *state;
    for (int there = 0; there < 2; there++) {
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            DcmDataset *keys = object_of(f->arena, DCM_PatientName, parts[i], 0);
            IdxQuery query = {.level = DCM_LEVEL_PATIENT,
                              .keys = keys,
                              .match = {.fold_names = true, .fold_accents = true}};
            IdxRow row;
            IdxCursor *cursor = idx_query(f->index, &query, &f->err);
            ASSERT_OK(f, cursor && idx_next(cursor, f->arena, &row, &f->err));
            if ((row.attributes != NULL) != there)
                fail_msg("%s", parts[i]);
            idx_cursor_free(cursor);
        }
        if (!there)
            store(f, object_of(f->arena, DCM_PatientID, "P", DCM_PatientName, "Doppelg\xc3\xa4ngerDoe^Jane",
                               DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID, "1.1.1",
                               DCM_SOPInstanceUID, "1.1.1.1", 0));
    }
    ASSERT_OK(f, idx_begin(f->index, &f->err) && idx_remove(f->index, "1.1.1.1", &f->err) &&
                     idx_commit(f->index, &f->err));
    Db *db = idx_reader_take(f->index, IDX_ONE_LOOK, &f->err);
    bool row = false;
    DbStatement *s = db_prepare(db, "SELECT count(*) FROM term", &f->err);
    ASSERT_OK(f, s && db_step(s, &row, &f->err) && row);
    assert_int_equal(db_int(s, 0), 0);
    db_done(s);
    idx_reader_give(f->index, db, IDX_ONE_LOOK);
}

/* Names that differ in one letter from each other: each part of the alphabet is in some of them, and its rarest piece anywhere. */
static void parts_of_alike_names(void **state)
{
    enum { LETTERS = 12, PATIENTS = 3 * LETTERS };
    Fixture *f = *state;
    char names[PATIENTS][LETTERS + 1], part[LETTERS + 3];
    const char *found;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < PATIENTS; i++) {
        snprintf(names[i], sizeof names[i], "ABCDEFGHIJKL");
        names[i][i * i % LETTERS] = 'X';
        const char *uid = arena_printf(f->arena, "1.%d", i + 1);
        ASSERT_OK(
            f, put(f, object_of(f->arena, DCM_PatientID, uid, DCM_PatientName, names[i], DCM_StudyInstanceUID,
                                uid, DCM_SeriesInstanceUID, uid, DCM_SOPInstanceUID, uid, 0)));
    }
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    for (int from = 0; from < LETTERS; from++)
        for (int n = 1; from + n <= LETTERS; n++) {
            size_t expected = 0;
            snprintf(part, sizeof part, "*%.*s*", n, &"ABCDEFGHIJKL"[from]);
            for (int i = 0; i < PATIENTS; i++)
                expected += memcmp(&names[i][from], &"ABCDEFGHIJKL"[from], (size_t)n) == 0;
            assert_int_equal(ask(f, DCM_LEVEL_PATIENT, object_of(f->arena, DCM_PatientName, part, 0),
                                 (DcmMatchOptions){0}, DCM_PatientID, &found),
                             expected);
        }
}

/* The same on PostgreSQL, with statistics and without: in the order of an index, the rest of the order made study by study. */
static void lists_stream(void **state)
{
    Fixture *f = *state;
    if (!on_postgres(f))
        skip();
    const DcmDataset *nothing = object_of(f->arena, DCM_PatientName, "", 0);
    const DcmDataset *keys =
        object_of(f->arena, DCM_StudyDate, "20200101-20201231", DCM_ModalitiesInStudy, "MR", 0);
    for (int filled = 0; filled < 2; filled++) {
        assert_steps(f, steps(f, DCM_LEVEL_PATIENT, nothing), LIST("ix_patient_newest"),
                     LIST("Seq Scan", "Sort"));
        assert_steps(f, steps(f, DCM_LEVEL_STUDY, nothing), LIST("ix_study_newest"),
                     LIST("Seq Scan", "Sort"));
        assert_steps(f, steps(f, DCM_LEVEL_SERIES, nothing), LIST("ix_study_newest", "Incremental Sort"),
                     LIST("Seq Scan"));
        assert_steps(f, steps(f, DCM_LEVEL_IMAGE, nothing), LIST("ix_study_newest", "Incremental Sort"),
                     LIST("Seq Scan"));
        assert_steps(f, steps(f, DCM_LEVEL_STUDY, keys), LIST("ix_study_newest", "Index Cond: (((date_study"),
                     LIST("Seq Scan", "Sort"));
        assert_steps(f, steps(f, DCM_LEVEL_SERIES, keys), LIST("ix_study_newest", "Incremental Sort"),
                     LIST("Seq Scan"));
        fill(f);
    }
}

static void odd_dates_do_not_hide_a_study(void **state)
{
    Fixture *f = *state;
    const char *found;
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                       "1.1.1", DCM_SOPInstanceUID, "1.1.1.1", DCM_StudyDate, "20200101\\20210101", 0));
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.2", DCM_SeriesInstanceUID,
                       "1.2.1", DCM_SOPInstanceUID, "1.2.1.1", DCM_StudyDate, "2021.01.01", 0));
    const DcmDataset *keys = object_of(f->arena, DCM_StudyDate, "20210101", 0);
    assert_int_equal(ask(f, DCM_LEVEL_STUDY, keys, (DcmMatchOptions){0}, DCM_StudyInstanceUID, &found), 2);
    if (!on_postgres(f))
        assert_steps(f, steps(f, DCM_LEVEL_STUDY, keys), LIST("ix_study_newest"), LIST("SCAN s"));
    ask(f, DCM_LEVEL_STUDY, keys, (DcmMatchOptions){0}, DCM_StudyDate, &found);
    assert_non_null(strstr(found, "2021.01.01"));
}

/* Narrowing speaks of every text a key can hold; the text itself never becomes SQL. */
static void hostile_keys(void **state)
{
    Fixture *f = *state;
    static const char *const values[] = {"'",
                                         "''; DROP TABLE study; --",
                                         "%",
                                         "_",
                                         "\"",
                                         "\\",
                                         "\\\\\\",
                                         "*?*?*",
                                         "?",
                                         "=",
                                         "==^=",
                                         "^",
                                         "[a-z]",
                                         "\x7f",
                                         "\xff\xfe",
                                         "\xf4\x8f\xbf\xbf*",
                                         "a\xcc\x81*",
                                         "\xe1\x84\x80*",
                                         "*\xef\xbe\x9e",
                                         "-",
                                         "--",
                                         "-20200101-",
                                         "9999999999999999999999"};
    static const DcmTag tags[] = {DCM_PatientName,       DCM_PatientID,       DCM_StudyDate,
                                  DCM_StudyInstanceUID,  DCM_AccessionNumber, DCM_ModalitiesInStudy,
                                  DCM_SOPClassesInStudy, DCM_Modality,        DCM_SeriesNumber,
                                  DCM_StudyTime};
    for (size_t t = 0; t < sizeof tags / sizeof *tags; t++)
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
                DcmDataset *keys = dcm_dataset_new(f->arena);
                dcm_put(keys, tags[t], DCM_VR_NONE, span_cstr(values[i]));
                ask(f, (DcmLevel)level, keys, (DcmMatchOptions){.fold_names = true}, DCM_PatientID, NULL);
            }
    assert_string_equal(sql_text(f, "SELECT count(*) FROM study"), "0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_come_in_the_order_of_an_index),
        TEST(dates_narrow_the_index_that_orders),
        TEST(searches_begin_with_an_index),
        TEST(lists_stream),
        TEST(pieces_of_names),
        TEST(parts_of_names_find_it),
        TEST(parts_of_alike_names),
        TEST(odd_dates_do_not_hide_a_study),
        TEST(hostile_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
