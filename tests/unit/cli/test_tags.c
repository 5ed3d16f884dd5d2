// SPDX-License-Identifier: MIT
/* tags.yml and extended_db.yml read and written: which column each tag gets, what is said about wrong ones. */
#include "house.h"

#include "cli/tag_dictionary.h"
#include "cli/tags.h"
#include "dicom/tags.h"

static Arena *arena;
static char *folder;
static Buf problems;

static int setup(void **state)
{
    folder = house_folder();
    arena = arena_new(0);
    buf_init(&problems, 0);
    return 0;
}

static int teardown(void **state)
{
    house_remove(folder);
    buf_free(&problems);
    arena_free(arena);
    return 0;
}

static Tags load(const char *file, const char *text)
{
    Tags tags;
    Err err = {0};
    house_write(folder, file, text);
    buf_clear(&problems);
    if (!tags_load(arena, folder, &tags, &problems, &err))
        fail_msg("%s", err.text);
    return tags;
}

static void names_and_sizes(void **state)
{
    static const struct {
        const char *level, *entry, *column;
        int chars;
    } cases[] = {
        {"patient", "00101020", "patient_s_size", 128},
        {"patient", "00100020", "patient_uid", 512}, /* has that column already */
        {"study", "00200010", "study_dcm_id", 128},
        {"series", "00100021", "issuer_of_patient_id", 512},
        {"series", "00280010", "rows", 16},
        {"instance", "00204000", "image_comments", 0},
        {"instance", "0008002a", "acquisition_datetime", 208},
        {"instance", "60003000", "overlay_data", 64},
        {"instance", "00240104", "generalized_defect_corrected_sensitivity_deviation_probability_", 32},
        {"instance", "00081140, 00081155", "referenced_sop_instance_uid", 512},
        {"series", "00081030", "study_description", 512},
        {"instance", "0008103E", "series_description", 512},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Tags tags =
            load("app/tags.yml", arena_printf(arena, "%s:\n  - '%s'\n", cases[i].level, cases[i].entry));
        if (tags.count != 1 || tags.bad)
            fail_msg("%s: %s", cases[i].entry, buf_cstr(&problems));
        assert_string_equal(tags.list[0].index.column, cases[i].column);
        assert_int_equal(tags.list[0].index.chars, cases[i].chars);
    }
}

static void names_that_are_taken(void **state)
{
    Tags tags = load("app/tags.yml", "instance:\n"
                                     "  - 00081140,00081155\n"
                                     "  - 00081115,00081155\n"
                                     "  - 00081155\n"
                                     "  - 00081199,00081155\n"
                                     "  - 00081115,00081199,00081155\n");
    static const char *const columns[] = {
        "referenced_sop_instance_uid", "referenced_series_sequence_referenced_sop_instance_uid",
        "referenced_dcm_sop_instance_uid", "referenced_sop_sequence_referenced_sop_instance_uid",
        "referenced_sop_sequence_referenced_sop_instance_uid_00081115"};
    assert_int_equal(tags.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(tags.list[i].index.column, columns[i]);
}

static void what_is_written_reads_the_same(void **state)
{
    Tags made = load("app/tags.yml", "patient:\n  - '00101020'\nseries:\n  - '00204000'\ninstance:\n"
                                     "  - '00081140,00081155'\n  - '00081115,00081155'\n");
    Buf text;
    buf_init(&text, 0);
    tags_write_yaml(&made, &text);
    Tags again = load("app/extended_db.yml", buf_cstr(&text));
    assert_string_equal(again.file, "app/extended_db.yml");
    assert_int_equal(again.bad, 0);
    assert_int_equal(again.count, made.count);
    for (size_t i = 0; i < made.count; i++) {
        const TagDefinition *a = &made.list[i], *b = &again.list[i];
        assert_true(a->index.level == b->index.level && a->index.tag == b->index.tag &&
                    a->index.parent_count == b->index.parent_count && a->index.vr == b->index.vr &&
                    a->index.chars == b->index.chars);
        assert_string_equal(a->index.column, b->index.column);
        assert_string_equal(a->keyword, b->keyword);
    }
    buf_free(&text);
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"instance: '00280010'\n", "app/tags.yml:1: instance: is no list"},
        {"instance:\n  - ['00280010']\n", "app/tags.yml:2: entry: is no tag"},
        {"instance:\n  - ''\n", "'' is no tag"},
        {"instance:\n  - '0028001'\n", "'0028001' is no tag"},
        {"instance:\n  - '002800101'\n", "is no tag"},
        {"instance:\n  - '0028,0010'\n", "'0028' is no tag"},
        {"instance:\n  - '00081140,'\n", "'' is no tag"},
        {"instance:\n  - '00081140,00081140'\n", "it is a sequence"},
        {"patients:\n  - '00101020'\n", "app/tags.yml:2: patients: is no level"},
        {"study:\n  - '00101020'\n  - '00101020'\n", "app/tags.yml:3: 00101020: it is listed twice"},
        {"study:\n  - '0020000E'\n", "it is the key of the table series"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Tags tags = load("app/tags.yml", cases[i].text);
        assert_int_equal(tags.bad, 1);
        if (!strstr(buf_cstr(&problems), cases[i].says))
            fail_msg("'%s' is not in '%s'", cases[i].says, buf_cstr(&problems));
    }
}

static void nothing_is_listed(void **state)
{
    Tags tags;
    Err err = {0};
    assert_true(tags_load(arena, folder, &tags, &problems, &err));
    assert_int_equal(tags.count, 0);
    assert_int_equal(load("app/tags.yml", "# nothing\n").count, 0);
    assert_int_equal(load("app/tags.yml", "patient:\nstudy:\n# - x\n").count, 0);
    assert_int_equal(problems.n, 0);
}

/* A table of the user's own, quoted names and unknown sizes in it. */
static void another_dictionary(void **state)
{
    TagMeaning meaning;
    Err err = {0};
    house_write(
        folder, "app/all_dicom_elements.csv",
        "Tag,Keyword,Attribute name,VR,Field name of a table,Type,Size if settings\r\n"
        "00091001,Ours,\"Ours, of "
        "course\",LO,ours,String,9\r\n00091002,More,More,UT,more,Text\r\n00091003,X,X,CS,x,String\r\n");
    const TagDictionary *d = tag_dictionary_load(arena, folder, &err);
    assert_non_null(d);
    assert_true(tag_dictionary_find(d, arena, 0x00091001, &meaning));
    assert_true(!strcmp(meaning.column, "ours") && meaning.chars == 9 && !strcmp(meaning.vr, "LO"));
    assert_true(tag_dictionary_find(d, arena, 0x00091002, &meaning) && meaning.text);
    assert_true(tag_dictionary_find(d, arena, 0x00091003, &meaning) && meaning.chars == 64);
    assert_false(tag_dictionary_find(d, arena, DCM_Rows, &meaning));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_and_sizes),   TEST(names_that_are_taken), TEST(what_is_written_reads_the_same),
        TEST(nothing_is_listed), TEST(another_dictionary),   TEST(what_is_wrong_is_told_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
