// SPDX-License-Identifier: MIT
/* scp/answer: what every answer has, and the character set it is in. */
#include "scp/answer.h"

#include "dicom/dicom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static DcmDataset *utf8(Arena *arena)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    return ds;
}

static DcmDataset *answer_for(Arena *arena, const char *asked, const char *stored, const char *name)
{
    DcmDataset *keys = dcm_dataset_new(arena), *found = utf8(arena);
    if (asked)
        dcm_put(keys, DCM_SpecificCharacterSet, DCM_VR_CS, span_cstr(asked));
    dcm_put_utf8(found, DCM_PatientName, name);
    ScpIdentifier id = {.keys = keys, .level = DCM_LEVEL_STUDY};
    IdxRow row = {.attributes = found, .stored_charset = stored};
    return scp_answer(arena, &id, &row, "HOUSE");
}

static void always_there(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *keys = dcm_dataset_new(arena), *found = utf8(arena);
    dcm_put_utf8(found, DCM_RetrieveAETitle, "WRONG");
    dcm_put_utf8(found, DCM_QueryRetrieveLevel, "WRONG");
    dcm_put_utf8(found, DCM_StudyDescription, "");
    dcm_put_utf8(found, DCM_NumberOfStudyRelatedInstances, "12");
    ScpIdentifier id = {.keys = keys, .level = DCM_LEVEL_SERIES};
    IdxRow row = {.attributes = found, .stored_charset = ""};
    DcmDataset *answer = scp_answer(arena, &id, &row, "HOUSE");
    static const struct {
        DcmTag tag;
        const char *text;
    } rows[] = {
        {DCM_SpecificCharacterSet, "ISO_IR 100"},
        {DCM_QueryRetrieveLevel, "SERIES"},
        {DCM_RetrieveAETitle, "HOUSE"},
        {DCM_InstanceAvailability, "ONLINE"},
        {DCM_StudyDescription, ""},
        {DCM_NumberOfStudyRelatedInstances, "12"},
    };
    assert_int_equal(answer->count, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(dcm_text_all(arena, answer, rows[i].tag), rows[i].text);
    arena_free(arena);
}

static void character_sets(void **state)
{
    static const char umlaut[] = "M\xC3\xBCller", cyrillic[] = "\xD0\x9B\xD1\x8E",
                      yamada[] = "\xE5\xB1\xB1\xE7\x94\xB0";
    static const struct {
        const char *asked, *stored, *name, *terms;
    } rows[] = {
        {NULL, "", "Plain", "ISO_IR 100"},
        {NULL, "ISO_IR 144", "Plain", "ISO_IR 144"},
        {"ISO_IR 100", "ISO_IR 144", "Plain", "ISO_IR 100"},
        {"ISO_IR 192", "ISO_IR 100", umlaut, "ISO_IR 192"},
        {"ISO_IR 100", "ISO_IR 192", umlaut, "ISO_IR 100"},
        {"ISO_IR 100", "ISO_IR 144", cyrillic, "ISO_IR 144"},
        {"ISO_IR 100", "ISO_IR 192", cyrillic, "ISO_IR 192"},
        {NULL, "ISO_IR 144", cyrillic, "ISO_IR 144"},
        {NULL, "", cyrillic, "ISO_IR 192"},
        {NULL, "", umlaut, "ISO_IR 100"},
        {"no such set", "ISO_IR 101", "Plain", "ISO_IR 101"},
        {"", "\\ISO 2022 IR 87", yamada, "\\ISO 2022 IR 87"},
        {"ISO_IR 100", "ISO 2022 IR 100\\ISO 2022 IR 144", cyrillic, "ISO 2022 IR 100\\ISO 2022 IR 144"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Arena *arena = arena_new(0);
        DcmDataset *answer = answer_for(arena, rows[i].asked, rows[i].stored, rows[i].name);
        const DcmElement *terms = dcm_find(answer, DCM_SpecificCharacterSet);
        assert_non_null(terms);
        if (!span_eq_cstr(span_rtrim(terms->value), rows[i].terms))
            fail_msg("row %zu: %.*s", i, SPAN_FMT(terms->value));
        assert_string_equal(dcm_text(arena, answer, DCM_PatientName, 0), rows[i].name);
        arena_free(arena);
    }
}

/* What does not fit may lie inside a sequence. */
static void sequences_count(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *keys = dcm_dataset_new(arena), *found = utf8(arena);
    dcm_put(keys, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 100"));
    dcm_put_sequence(found, DCM_ProcedureCodeSequence);
    DcmDataset *item = dcm_add_item(found, DCM_ProcedureCodeSequence);
    dcm_put_utf8(item, DCM_CodeMeaning, "\xD0\x9B\xD1\x8E");
    ScpIdentifier id = {.keys = keys, .level = DCM_LEVEL_STUDY};
    IdxRow row = {.attributes = found, .stored_charset = "ISO_IR 100"};
    DcmDataset *answer = scp_answer(arena, &id, &row, "HOUSE");
    assert_string_equal(dcm_text(arena, answer, DCM_SpecificCharacterSet, 0), "ISO_IR 192");
    assert_string_equal(dcm_text(arena, dcm_item(answer, DCM_ProcedureCodeSequence, 0), DCM_CodeMeaning, 0),
                        "\xD0\x9B\xD1\x8E");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(always_there),
        cmocka_unit_test(character_sets),
        cmocka_unit_test(sequences_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
