// SPDX-License-Identifier: MIT
/* Extended attributes: which are refused, what their table is, columns that come and widen, fills that are noted. */
#include "fixture.h"

#include "index/extended.h"
#include "index/tables.h"

#define REFERENCED DCM_ReferencedImageSequence

static const IdxExtended few[] = {
    {DCM_LEVEL_IMAGE, DCM_Rows, .vr = DCM_VR_US, .column = "rows", .chars = 16},
    {DCM_LEVEL_IMAGE, DCM_SliceLocation, .vr = DCM_VR_DS, .column = "slice_location", .chars = 8},
    {DCM_LEVEL_SERIES, DCM_ProtocolName, .vr = DCM_VR_LO, .column = "protocol_name", .chars = 8},
    {DCM_LEVEL_IMAGE, DCM_CodeValue, {REFERENCED}, 1, DCM_VR_SH, "code_value", 6},
};
enum { FEW = sizeof few / sizeof *few };

static void use(const IdxExtended *list, size_t count)
{
    fixture_extended = list;
    fixture_extended_count = count;
}

static int setup_plain(void **state)
{
    use(NULL, 0);
    return fixture_setup(state);
}

static void reopen(Fixture *f, const IdxExtended *list, size_t count)
{
    idx_close(f->index);
    use(list, count);
    ASSERT_OK(f, fixture_open(f));
}

static void what_is_refused(void **state)
{
    static const struct {
        IdxExtended one;
        const char *says;
    } cases[] = {
        {{DCM_LEVEL_STUDY, DCM_SpecificCharacterSet, .vr = DCM_VR_CS, .column = "a"}, "searched by"},
        {{DCM_LEVEL_STUDY, DCM_TAG(0x0010, 0), .vr = DCM_VR_UL, .column = "a"}, "searched by"},
        {{DCM_LEVEL_IMAGE, DCM_PixelData, .vr = DCM_VR_OW, .column = "a"}, "pixel data"},
        {{DCM_LEVEL_IMAGE, DCM_CodeValue, {DCM_PixelData}, 1, DCM_VR_SH, "a", 0}, "pixel data"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .column = "a"}, "value representation"},
        {{DCM_LEVEL_IMAGE, REFERENCED, .vr = DCM_VR_SQ, .column = "a"}, "sequence"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "1a"}, "column's name"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "a\"; DROP"}, "column's name"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = ""}, "column's name"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS,
          .column = "a123456789b123456789c123456789d123456789e123456789f123456789g123"},
         "column's name"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "a", .chars = -1}, "size"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "Study_Date"}, NULL},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "Date_Study"}, "something else"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "size"}, "something else"},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "ATTRIBUTES"}, "something else"},
        {{DCM_LEVEL_IMAGE, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "end_us"}, "something else"},
        {{DCM_LEVEL_IMAGE, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "rows"}, "something else"},
        {{DCM_LEVEL_IMAGE, DCM_Rows, .vr = DCM_VR_US, .column = "other"}, "twice"},
        {{DCM_LEVEL_STUDY, DCM_StudyID, .vr = DCM_VR_SH, .column = "study_id"}, "study_dcm_id"},
        {{DCM_LEVEL_STUDY, DCM_StudyID, .vr = DCM_VR_SH, .column = "study_dcm_id"}, NULL},
        {{DCM_LEVEL_STUDY, DCM_SeriesInstanceUID, .vr = DCM_VR_UI, .column = "a"},
         "the key of the table series"},
        {{DCM_LEVEL_IMAGE, DCM_CodeValue, {REFERENCED}, 1, DCM_VR_SH, "b", 0}, "twice"},
        {{DCM_LEVEL_IMAGE, DCM_CodeValue, {DCM_SourceImageSequence}, 1, DCM_VR_SH, "b", 0}, NULL},
        {{DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "order"}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        bool ok = idx_extended_check(few, FEW, &cases[i].one, &err);
        if (ok != !cases[i].says || (!ok && !strstr(err.text, cases[i].says)))
            fail_msg("case %zu: %s", i, err.text);
    }
}

static void too_many_of_a_level(void **state)
{
    IdxExtended *many = calloc(IDX_EXTENDED_MAX, sizeof *many);
    assert_non_null(many);
    Err err = {0};
    for (size_t i = 0; i < IDX_EXTENDED_MAX; i++)
        many[i] = (IdxExtended){DCM_LEVEL_STUDY, DCM_TAG(0x0020, 0x9000 + i), .vr = DCM_VR_LO, .column = "x"};
    IdxExtended one = {DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "a"};
    assert_false(idx_extended_check(many, IDX_EXTENDED_MAX, &one, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    one.level = DCM_LEVEL_SERIES;
    assert_true(idx_extended_check(many, IDX_EXTENDED_MAX, &one, &err));
    free(many);
}

static void the_table_is_in_order_and_lookups_prefer_the_base(void **state)
{
    static const IdxExtended list[] = {
        {DCM_LEVEL_IMAGE, DCM_CodeValue, {DCM_SourceImageSequence}, 1, DCM_VR_SH, "b", 6},
        {DCM_LEVEL_IMAGE, DCM_CodeValue, {REFERENCED}, 1, DCM_VR_SH, "a", 6},
        {DCM_LEVEL_STUDY, DCM_BodyPartExamined, .vr = DCM_VR_CS, .column = "body", .chars = 16},
        {DCM_LEVEL_IMAGE, DCM_PatientName, .vr = DCM_VR_PN, .column = "name", .chars = 16},
        {DCM_LEVEL_IMAGE, DCM_CodeValue, .vr = DCM_VR_SH, .column = "c", .chars = 6},
        {DCM_LEVEL_IMAGE, DCM_TAG(0x5400, 0x0100), .vr = DCM_VR_LO, .column = "far", .chars = 6},
    };
    Arena *arena = arena_new(0);
    Err err = {0};
    const IdxAttributes *set = idx_attributes_make(arena, list, sizeof list / sizeof *list, &err);
    assert_non_null(set);
    for (size_t i = 1; i < set->count; i++) {
        const IdxAttribute *a = &set->rows[i - 1], *b = &set->rows[i];
        assert_true(a->level < b->level || (a->level == b->level && a->tag <= b->tag));
    }
    assert_string_equal(idx_attribute_at(set, DCM_CodeValue, DCM_LEVEL_IMAGE)->column, "c");
    assert_string_equal((idx_attribute_at(set, DCM_CodeValue, DCM_LEVEL_IMAGE) + 1)->column, "b");
    assert_true(idx_attribute_at(set, REFERENCED, DCM_LEVEL_IMAGE)->trimmed);
    assert_string_equal(idx_attribute(set, DCM_BodyPartExamined, DCM_LEVEL_STUDY)->column, "body");
    assert_int_equal(idx_attribute(set, DCM_BodyPartExamined, DCM_LEVEL_IMAGE)->level, DCM_LEVEL_SERIES);
    assert_int_equal(idx_attribute(set, DCM_BodyPartExamined, DCM_LEVEL_PATIENT)->level, DCM_LEVEL_SERIES);
    assert_int_equal(idx_attribute(set, DCM_PatientName, DCM_LEVEL_IMAGE)->level, DCM_LEVEL_PATIENT);
    assert_int_equal(set->last, DCM_TAG(0x5400, 0x0100));
    arena_free(arena);
}

static DcmDataset *object(Fixture *f, int n)
{
    DcmDataset *ds =
        object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID, "1.1.1",
                  DCM_SOPInstanceUID, arena_printf(f->arena, "1.1.1.%d", n), DCM_SliceLocation, "12.5",
                  DCM_ProtocolName, "A long name of a protocol", 0);
    dcm_put_u16(ds, DCM_Rows, (uint16_t)(500 + n));
    return ds;
}

static void columns_come_and_old_rows_wait(void **state)
{
    Fixture *f = *state;
    IdxFilling filling;
    Arena *arena = f->arena;
    const char *since, *again;
    store(f, object(f, 1));
    reopen(f, few, FEW);
    ASSERT_OK(f, idx_filling(f->index, &filling, &f->err));
    assert_true(filling.extended == FEW && filling.waiting == FEW && filling.base && !filling.begun);
    /* What `attributes` had is found and comes back before the column is filled. */
    DcmDataset *keys = object_of(arena, DCM_ProtocolName, "", 0);
    dcm_put_u16(keys, DCM_Rows, 501);
    const char *texts;
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, keys, (DcmMatchOptions){0}, DCM_ProtocolName, &texts), 1);
    assert_string_equal(texts, "A long name of a protocol");
    ASSERT_OK(f, idx_filling_begin(f->index, arena, false, &since, &f->err));
    ASSERT_OK(f, idx_filling_begin(f->index, arena, false, &again, &f->err));
    assert_string_equal(since, again);
    uint64_t objects, bytes;
    const IdxSelection rest = {.everything = true, .not_since = since};
    ASSERT_OK(f, idx_select_count(f->index, &rest, &objects, &bytes, &f->err));
    assert_int_equal(objects, 1);
    store(f, object(f, 1));
    ASSERT_OK(f, idx_select_count(f->index, &rest, &objects, &bytes, &f->err));
    assert_int_equal(objects, 0);
    /* A server that still has no tags stores something: that is not filled. */
    reopen(f, NULL, 0);
    store(f, object(f, 2));
    reopen(f, few, FEW);
    assert_false(idx_filling_end(f->index, &f->err));
    assert_int_equal(f->err.code, ERR_MISMATCH);
    ASSERT_OK(f, idx_filling_begin(f->index, arena, false, &again, &f->err));
    assert_true(strcmp(since, again) < 0);
    store(f, object(f, 1));
    assert_string_equal(
        sql_text(f, "SELECT \"rows\" FROM file_storage_metadata_dicom WHERE instance_uid = '1.1.1.1'"),
        "501");
    assert_string_equal(sql_text(f, "SELECT protocol_name FROM series"), "A long n");
    ASSERT_OK(f, idx_filling_end(f->index, &f->err));
    ASSERT_OK(f, idx_filling(f->index, &filling, &f->err));
    assert_true(filling.waiting == 0 && filling.base && !filling.begun);
}

/* As SPHERE leaves them: the column is all there is. */
static void columns_alone_are_enough(void **state)
{
    Fixture *f = *state;
    reopen(f, few, FEW);
    store(f, object(f, 1));
    sql_text(f, "UPDATE file_storage_metadata_dicom SET attributes = NULL, \"rows\" = '640\\-1', "
                "slice_location = 'None', code_value = 'C1'");
    DcmDataset *keys = object_of(f->arena, DCM_CodeValue, "C?", DCM_SliceLocation, "", 0);
    const char *texts;
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, keys, (DcmMatchOptions){0}, DCM_SliceLocation, &texts), 1);
    assert_string_equal(texts, "None");
    keys = dcm_dataset_new(f->arena);
    dcm_put_u16(keys, DCM_Rows, 640);
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, keys, (DcmMatchOptions){0}, DCM_Rows, NULL), 1);
    keys = dcm_dataset_new(f->arena);
    dcm_put_sequence(keys, REFERENCED);
    dcm_put_utf8(dcm_add_item(keys, REFERENCED), DCM_CodeValue, "C1");
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, keys, (DcmMatchOptions){0}, DCM_CodeValue, NULL), 1);
    sql_text(f, "UPDATE file_storage_metadata_dicom SET \"rows\" = '[640, 1]'");
    keys = object_of(f->arena, 0);
    dcm_put(keys, DCM_Rows, DCM_VR_US, (Span){NULL, 0});
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, keys, (DcmMatchOptions){0}, DCM_Rows, &texts), 1);
    assert_string_equal(texts, "");
}

/* A nested element is found by the first item, by all items through its sequence, and follows what is sent again. */
static void nested_attributes_follow_their_sequence(void **state)
{
    Fixture *f = *state;
    reopen(f, few, FEW);
    DcmDataset *ds = object(f, 1);
    dcm_put_sequence(ds, REFERENCED);
    dcm_put_utf8(dcm_add_item(ds, REFERENCED), DCM_CodeValue, "first and long");
    dcm_put_utf8(dcm_add_item(ds, REFERENCED), DCM_CodeValue, "second");
    store(f, ds);
    assert_string_equal(sql_text(f, "SELECT code_value FROM file_storage_metadata_dicom"), "first ");
    const DcmDataset *first = object_of(f->arena, DCM_CodeValue, "first and long", 0);
    const DcmDataset *second = object_of(f->arena, DCM_CodeValue, "second", 0);
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, first, (DcmMatchOptions){0}, DCM_CodeValue, NULL), 1);
    assert_int_equal(ask(f, DCM_LEVEL_STUDY, first, (DcmMatchOptions){0}, DCM_CodeValue, NULL), 1);
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, second, (DcmMatchOptions){0}, DCM_CodeValue, NULL), 0);
    store(f, object(f, 1));
    assert_string_equal(sql_text(f, "SELECT code_value FROM file_storage_metadata_dicom"), "(null)");
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, first, (DcmMatchOptions){0}, DCM_CodeValue, NULL), 0);
    /* Of a sequence too large to be kept the first item is. */
    dcm_put_sequence(ds, REFERENCED);
    for (int i = 0; i < 3000; i++)
        dcm_put_utf8(dcm_add_item(ds, REFERENCED), DCM_CodeValue, arena_printf(f->arena, "item %d", i));
    store(f, ds);
    assert_string_equal(sql_text(f, "SELECT code_value FROM file_storage_metadata_dicom"), "item 0");
}

static void others_who_write_without_them_take_the_notes_away(void **state)
{
    Fixture *f = *state;
    IdxFilling filling;
    reopen(f, few, FEW);
    store(f, object(f, 1));
    ASSERT_OK(f, idx_filling(f->index, &filling, &f->err));
    assert_int_equal(filling.waiting, 0); /* it was empty: nothing has to be filled */
    reopen(f, few, 1);
    ASSERT_OK(f, idx_filling(f->index, &filling, &f->err));
    assert_int_equal(filling.waiting, 0);
    store(f, object(f, 2));
    assert_string_equal(sql_text(f, "SELECT slice_location FROM file_storage_metadata_dicom WHERE "
                                    "instance_uid = '1.1.1.2'"),
                        "(null)");
    reopen(f, few, FEW);
    ASSERT_OK(f, idx_filling(f->index, &filling, &f->err));
    assert_int_equal(filling.waiting, FEW - 1);
    assert_string_equal(sql_text(f, "SELECT slice_location FROM file_storage_metadata_dicom WHERE "
                                    "instance_uid = '1.1.1.1'"),
                        "12.5");
}

static void a_column_is_widened_never_narrowed(void **state)
{
    Fixture *f = *state;
    IdxExtended one = few[1];
    reopen(f, &one, 1);
    one.chars = 2;
    reopen(f, &one, 1);
    store(f, object(f, 1));
    assert_string_equal(sql_text(f, "SELECT slice_location FROM file_storage_metadata_dicom"), "12");
    /* What another server has cut shorter is still found. */
    one.chars = 200;
    reopen(f, &one, 1);
    const DcmDataset *keys = object_of(f->arena, DCM_SliceLocation, "12.50", 0);
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, keys, (DcmMatchOptions){0}, DCM_SliceLocation, NULL), 1);
    if (on_postgres(f))
        assert_string_equal(
            sql_text(f,
                     "SELECT character_maximum_length FROM information_schema.columns WHERE table_schema = "
                     "current_schema() AND column_name = 'slice_location'"),
            "200");
    one.chars = 0;
    reopen(f, &one, 1);
    if (on_postgres(f))
        assert_string_equal(sql_text(f,
                                     "SELECT data_type FROM information_schema.columns WHERE table_schema = "
                                     "current_schema() AND column_name = 'slice_location'"),
                            "text");
}

static void a_column_of_another_kind_is_refused(void **state)
{
    Fixture *f = *state;
    if (!on_postgres(f))
        skip();
    idx_close(f->index);
    sql_text(f, "ALTER TABLE file_storage_metadata_dicom ADD COLUMN slice_location integer");
    use(few, FEW);
    f->index = fixture_open(f);
    assert_null(f->index);
    assert_non_null(strstr(f->err.text, "slice_location"));
    assert_non_null(strstr(f->err.text, "field_name"));
}

static void a_wrong_definition_opens_nothing(void **state)
{
    Fixture *f = *state;
    static const IdxExtended wrong = {DCM_LEVEL_STUDY, DCM_FlipAngle, .vr = DCM_VR_DS, .column = "a b"};
    idx_close(f->index);
    use(&wrong, 1);
    f->index = fixture_open(f);
    assert_null(f->index);
    assert_non_null(strstr(f->err.text, "00181314"));
}

/* -- the index of a column -- */

static const IdxExtended indexed[] = {
    {DCM_LEVEL_IMAGE, DCM_AcquisitionContextDescription, .vr = DCM_VR_LO, .column = "context", .chars = 12},
    {DCM_LEVEL_IMAGE, DCM_DateOfSecondaryCapture, .vr = DCM_VR_DA, .column = "captured", .chars = 16},
    {DCM_LEVEL_SERIES, DCM_SynchronizationFrameOfReferenceUID, .vr = DCM_VR_UI, .column = "synchronised"},
    {DCM_LEVEL_STUDY, DCM_AdmittingDiagnosesDescription, .vr = DCM_VR_LO, .column = "diagnoses", .chars = 0},
};
enum { INDEXED = sizeof indexed / sizeof *indexed, INDEXED_OBJECTS = 60 };

static DcmDataset *indexed_object(Fixture *f, int n)
{
    static const char *const texts[] = {"HEAD", "HEAD NECK",           "head",         "HEAD\\NECK",   "NECK",
                                        "",     "HEAD OF A LONG NAME", "ABCDEFGHIJKL", "K\xc3\xb6pfe", "HEA"};
    static const char *const dates[] = {"20200101", "20200115", "2020.01.20", "20200101\\20210101",
                                        "",         "soon",     "19991231"};
    DcmDataset *ds = object_of(
        f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, arena_printf(f->arena, "1.%d", n % 13),
        DCM_SeriesInstanceUID, arena_printf(f->arena, "1.%d.%d", n % 13, n % 26), DCM_SOPInstanceUID,
        arena_printf(f->arena, "1.2.%d", n), DCM_AcquisitionContextDescription, texts[n % 10],
        DCM_SynchronizationFrameOfReferenceUID, arena_printf(f->arena, "1.5.%d", n % 26), 0);
    if (n % 7)
        dcm_put_utf8(ds, DCM_DateOfSecondaryCapture, dates[n % 7]);
    if (n % 13 != 5)
        dcm_put_utf8(ds, DCM_AdmittingDiagnosesDescription,
                     n % 13 == 3 ? arena_printf(f->arena, "%0300d", 7) : texts[n % 13 % 10]);
    return ds;
}

static void store_indexed(Fixture *f)
{
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < INDEXED_OBJECTS; i++)
        ASSERT_OK(f, put(f, indexed_object(f, i)));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
}

/* Every key at every level, the answers as one text. */
static const char *all_answers(Fixture *f, size_t *count)
{
    static const char *const values[] = {"HEAD",
                                         "head",
                                         "HEAD NECK",
                                         "HEAD*",
                                         "HE?D",
                                         "*EAD",
                                         "NECK\\HEA",
                                         "HEAD*\\NECK",
                                         "HEAD OF A LONG NAME",
                                         "ABCDEFGHIJKL",
                                         "ABCDEFGHIJKLM",
                                         "K\xc3\xb6pfe",
                                         "nobody",
                                         "H*",
                                         "HEAD *",
                                         "20200101",
                                         "20200101-20200131",
                                         "-20200101",
                                         "20210101-",
                                         "20200120",
                                         "1.5.7",
                                         "1.5.7\\1.5.8",
                                         "1.5",
                                         "~",
                                         " HEAD "};
    const char *all = "";
    *count = 0;
    for (size_t i = 0; i < INDEXED; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values + 2; k++)
            for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
                const char *value = k < sizeof values / sizeof *values
                                        ? values[k]
                                        : arena_printf(f->arena, "%0*d", k % 2 ? 300 : 200, 7);
                const char *texts;
                DcmDataset *keys = object_of(f->arena, indexed[i].tag, value, DCM_SOPInstanceUID, "", 0);
                static const DcmTag tags[] = {DCM_PatientID, DCM_StudyInstanceUID, DCM_SeriesInstanceUID,
                                              DCM_SOPInstanceUID};
                *count += ask(f, (DcmLevel)level, keys, (DcmMatchOptions){0}, tags[level], &texts);
                all = arena_printf(f->arena, "%s\n%s %zu %d: %s", all, value, i, level, texts);
            }
    return all;
}

static const char *column_indexes(Fixture *f)
{
    return sql_text(f, on_postgres(f)
                           ? "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND "
                             "indexname LIKE 'ix_extended_%'"
                           : "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name LIKE "
                             "'ix_extended_%'");
}

/* Searching by the index finds what searching without finds. */
static void an_index_changes_no_answer(void **state)
{
    Fixture *f = *state;
    size_t by_index, without;
    reopen(f, indexed, INDEXED);
    assert_string_equal(column_indexes(f), "4");
    store_indexed(f);
    const char *found = all_answers(f, &by_index);
    sql_text(f, "DELETE FROM note WHERE name LIKE 'filled %'");
    const char *expected = all_answers(f, &without);
    assert_true(by_index > 300);
    assert_int_equal(by_index, without);
    assert_string_equal(found, expected);
}

/* Rows that were there wait for `database migrate`; then they are in the index. One that was left unfinished is made anew. */
static void an_index_comes_when_the_column_is_filled(void **state)
{
    Fixture *f = *state;
    const char *since;
    size_t by_index, without;
    store_indexed(f);
    reopen(f, indexed, INDEXED);
    assert_string_equal(column_indexes(f), "0");
    for (int again = 0; again < 2; again++) {
        ASSERT_OK(f, idx_filling_begin(f->index, f->arena, again, &since, &f->err));
        store_indexed(f);
        ASSERT_OK(f, idx_filling_end(f->index, &f->err));
        assert_string_equal(column_indexes(f), "4");
        if (on_postgres(f))
            assert_string_equal(sql_text(f, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");
        const char *found = all_answers(f, &by_index);
        sql_text(f, "DELETE FROM note WHERE name LIKE 'filled %'");
        assert_string_equal(found, all_answers(f, &without));
        assert_true(by_index > 300);
        if (on_postgres(f))
            sql_text(f, "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN (SELECT oid FROM "
                        "pg_class WHERE relname LIKE 'ix_extended_%' AND relnamespace = (SELECT oid FROM "
                        "pg_namespace WHERE nspname = current_schema()))");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_plain, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(too_many_of_a_level),
        cmocka_unit_test(the_table_is_in_order_and_lookups_prefer_the_base),
        TEST(columns_come_and_old_rows_wait),
        TEST(columns_alone_are_enough),
        TEST(nested_attributes_follow_their_sequence),
        TEST(others_who_write_without_them_take_the_notes_away),
        TEST(a_column_is_widened_never_narrowed),
        TEST(a_column_of_another_kind_is_refused),
        TEST(a_wrong_definition_opens_nothing),
        TEST(an_index_changes_no_answer),
        TEST(an_index_comes_when_the_column_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
