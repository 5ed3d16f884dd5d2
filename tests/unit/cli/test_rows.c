// SPDX-License-Identifier: MIT
/* CSV quoting, sizes, answers and the columns that each display level shows. */
#include "cli/output.h"
#include "cli/rows.h"
#include "house.h"

static void csv_fields(void **state)
{
    static const struct {
        const char *value, *expected;
    } cases[] = {{"plain", "plain"},
                 {"", ""},
                 {"a,b", "\"a,b\""},
                 {"say \"hi\"", "\"say \"\"hi\"\"\""},
                 {"two\nlines", "\"two\nlines\""},
                 {" edge", "\" edge\""},
                 {"caf\xC3\xA9", "caf\xC3\xA9"},
                 {"1.2.3", "1.2.3"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf out;
        buf_init(&out, 0);
        rows_csv(&out, span_cstr(cases[i].value));
        assert_string_equal(buf_cstr(&out), cases[i].expected);
        buf_free(&out);
    }
}

static void sizes(void **state)
{
    static const struct {
        double bytes;
        const char *text;
    } cases[] = {{0, "0.00 octets"},
                 {1023, "1023.00 octets"},
                 {1024, "1.00 Ko"},
                 {39106.56, "38.19 Ko"},
                 {1048576, "1.00 Mo"},
                 {1.5 * 1073741824, "1.50 Go"},
                 {1099511627776.0, "1.00 To"},
                 {1125899906842624.0, "1.00 Po"},
                 {4 * 1152921504606846976.0, "4096.00 Po"}};
    char out[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(pretty_size(cases[i].bytes, out), cases[i].text);
}

static void answers(void **state)
{
    Answer answer;
    assert_true(answer_parse(NULL, &answer) && answer == ANSWER_NONE);
    assert_true(answer_parse("TRUE", &answer) && answer == ANSWER_YES);
    assert_true(answer_parse("0", &answer) && answer == ANSWER_NO);
    assert_false(answer_parse("perhaps", &answer));
    assert_int_equal(answer_ask("?", ANSWER_YES), ANSWER_YES);
    assert_int_equal(answer_ask("?", ANSWER_NO), ANSWER_NO);
}

static void headers(void **state)
{
    static const struct {
        DcmLevel level;
        RowsDisplay display;
        const char *header;
    } cases[] = {
        {DCM_LEVEL_PATIENT, ROWS_KEY, "\"patientID\"\n"},
        {DCM_LEVEL_STUDY, ROWS_MINIMAL, "\"studyUID\",\"patientID\",\"dateStudy\",\"institutionName\"\n"},
        {DCM_LEVEL_SERIES, ROWS_MINIMAL, "\"seriesUID\",\"studyUID\",\"patientID\",\"modality\"\n"},
        {DCM_LEVEL_PATIENT, ROWS_FULL,
         "\"id\",\"patientID\",\"patientName\",\"patientSex\",\"patientBirthDate\",\"N study\",\"N "
         "series\",\"N "
         "instances\"\n"},
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf out;
        buf_init(&out, 0);
        Rows rows = rows_make(&idx_base_attributes, arena, cases[i].level, cases[i].display, ROWS_CSV);
        rows_header(&rows, &out);
        assert_string_equal(buf_cstr(&out), cases[i].header);
        buf_free(&out);
    }
    arena_free(arena);
}

/* JSON has a key for every column of the table but the times of the row, sorted, and none twice. */
static void json_keys(void **state)
{
    Arena *arena = arena_new(0);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        size_t n;
        const IdxColumn *columns = idx_columns(&idx_base_attributes, arena, (DcmLevel)level, &n);
        Rows rows = rows_make(&idx_base_attributes, arena, (DcmLevel)level, ROWS_KEY, ROWS_JSON);
        size_t expected = 0;
        for (size_t i = 0; i < n; i++)
            expected += strncmp(columns[i].name, "d8", 2) != 0;
        assert_int_equal(rows.count, expected);
        for (size_t i = 1; i < rows.count; i++)
            assert_true(strcmp(rows.fields[i - 1].label, rows.fields[i].label) < 0);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(csv_fields), cmocka_unit_test(sizes),
                                       cmocka_unit_test(answers), cmocka_unit_test(headers),
                                       cmocka_unit_test(json_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
