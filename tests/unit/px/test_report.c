// SPDX-License-Identifier: MIT
/* px/report: the layouts of pypx to the byte, what it did wrong, hostile values. */
#include "golden.h"

static char *report_on(Arena *arena, const PxReport *report, const json_t *document)
{
    Buf out;
    buf_init(&out, 0);
    Err err = {0};
    assert_true(px_report(report, document, &out, &err));
    char *text = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return text;
}

static char *report_on_file(Arena *arena, const PxReport *report, const char *name)
{
    json_t *document = golden_document(arena, name);
    char *text = report_on(arena, report, document);
    json_decref(document);
    return text;
}

static PxReport of_kind(PxReportKind kind)
{
    PxReport report;
    px_report_defaults(&report);
    report.kind = kind;
    return report;
}

static void json_as_pypx(void **state)
{
    Arena *arena = arena_new(0);
    PxReport report = of_kind(PX_REPORT_JSON);
    assert_string_equal(report_on_file(arena, &report, "two-studies.json"),
                        golden_text(arena, "report-json.txt"));
    Err err = {0};
    assert_true(px_layout_parse(&report, arena,
                                "{\"header\":{\"study\":[\"PatientID\"],\"series\":[\"Modality\"]},"
                                "\"body\":{\"series\":[\"SeriesDescription\",\"SeriesInstanceUID\"]}}",
                                &err));
    assert_string_equal(report_on_file(arena, &report, "spaces.json"),
                        golden_text(arena, "report-layout.txt"));
    arena_free(arena);
}

static void raw_text_as_pypx(void **state)
{
    Arena *arena = arena_new(0);
    PxReport report = of_kind(PX_REPORT_RAW_TEXT);
    assert_string_equal(report_on_file(arena, &report, "two-studies.json"),
                        golden_plain(arena, golden_text(arena, "report-rawtext.txt"), false));
    report.scheme = PX_DARK;
    assert_string_equal(report_on_file(arena, &report, "spaces.json"),
                        golden_text(arena, "report-rawtext-dark.txt"));
    arena_free(arena);
}

static void boxes_as_pypx(void **state)
{
    Arena *arena = arena_new(0);
    PxReport report = of_kind(PX_REPORT_TABULAR);
    report.boxes = true;
    assert_string_equal(report_on_file(arena, &report, "two-studies.json"),
                        golden_plain(arena, golden_text(arena, "report-tabular.txt"), false));
    report.scheme = PX_DARK;
    assert_string_equal(report_on_file(arena, &report, "two-studies.json"),
                        golden_plain(arena, golden_text(arena, "report-tabular-dark.txt"), true));
    report.boxes = false;
    report.scheme = PX_PLAIN;
    assert_null(strchr(report_on_file(arena, &report, "two-studies.json"), '\x1b'));
    assert_null(strstr(report_on_file(arena, &report, "two-studies.json"), "─"));
    arena_free(arena);
}

/* Otherwise than pypx: each study begins on a line of its own, and nothing follows the last one. */
static char *with_lines_of_its_own(Arena *arena, const char *text, const char *glued, const char *second)
{
    Buf out;
    buf_init(&out, 0);
    const char *at = strstr(text, glued);
    assert_non_null(at);
    at += strlen(glued) - strlen(second);
    buf_append(&out, text, (size_t)(at - text));
    buf_printf(&out, "\n%s", at);
    char *copy = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return copy;
}

static void csv_as_pypx(void **state)
{
    Arena *arena = arena_new(0);
    PxReport report = of_kind(PX_REPORT_CSV);
    assert_string_equal(
        report_on_file(arena, &report, "two-studies.json"),
        with_lines_of_its_own(arena, golden_text(arena, "report-csv.txt"), "Brain|2Doe", "Doe"));
    report.csv_headers = true;
    assert_string_equal(report_on_file(arena, &report, "two-studies.json"),
                        with_lines_of_its_own(arena, golden_text(arena, "report-csv-headers.txt"),
                                              "Brain|2PatientName", "PatientName"));
    report.csv_separator = ";";
    assert_string_equal(report_on_file(arena, &report, "spaces.json"),
                        golden_text(arena, "report-csv-separator.txt"));
    report.csv_separator = "|";
    report.csv_prettify = true;
    char *pretty = golden_text(arena, "report-csv-prettify-headers.txt");
    pretty[strlen(pretty) - 1] = 0; /* otherwise: no empty line at the end */
    assert_string_equal(report_on_file(arena, &report, "spaces.json"), pretty);
    arena_free(arena);
}

static json_t *study_of(const char *studies)
{
    Err err = {0};
    json_t *document = px_document_read(span_cstr(studies), &err);
    assert_non_null(document);
    return document;
}

static void csv_tolerates_missing_numbers(void **state)
{
    Arena *arena = arena_new(0);
    json_t *document = study_of(
        "{\"status\":\"success\",\"data\":[{\"PatientID\":{\"value\":\"A|\\\"B\"},\"series\":["
        "{\"NumberOfSeriesRelatedInstances\":{\"value\":\"7\"},\"SeriesDescription\":{\"value\":\"short\"}},"
        "{\"NumberOfSeriesRelatedInstances\":{\"value\":\"no value provided for 0020,1209\"}}]}]}");
    PxReport report = of_kind(PX_REPORT_CSV);
    Err err = {0};
    assert_true(px_names_parse(&report.header_study, arena, "PatientID", "names", &err));
    report.header_series.count = 0;
    /* A cell with the separator is quoted. */
    assert_string_equal(report_on(arena, &report, document), "\"A|\"\"B\"|short|7\n\"A|\"\"B\"||\n");
    report.csv_separator = ",";
    report.csv_summarize = true;
    assert_string_equal(report_on(arena, &report, document),
                        "A|\"B,Study contains 2 series,All series contain 7 images\n");
    /* So is one that readers would take for quoted. */
    json_t *quoted =
        study_of("{\"status\":\"success\",\"data\":[{\"PatientID\":{\"value\":\"\\\"B\"},\"series\":[]}]}");
    assert_string_equal(report_on(arena, &report, quoted),
                        "\"\"\"B\",Study contains 0 series,All series contain 0 images\n");
    json_decref(quoted);
    report.csv_summarize = false;
    report.csv_prettify = report.csv_headers = true;
    assert_string_equal(report_on(arena, &report, document),
                        "───────────┬───────────────────┬───────────────────────────────────\n"
                        " PatientID │ SeriesDescription │  NumberOfSeriesRelatedInstances  \n"
                        "───────────┼───────────────────┼───────────────────────────────────\n"
                        "    A|\"B   │       short       │              00007               \n"
                        "    A|\"B   │                   │                                  \n"
                        "───────────┴───────────────────┴───────────────────────────────────\n");
    json_decref(document);
    arena_free(arena);
}

static void study_only(void **state)
{
    Arena *arena = arena_new(0);
    json_t *document = study_of("{\"status\":\"success\",\"data\":[{\"PatientID\":{\"value\":\"A\"}}]}");
    PxReport report = of_kind(PX_REPORT_CSV);
    Err err = {0};
    assert_true(px_names_parse(&report.header_study, arena, "PatientID,StudyDate", "names", &err));
    assert_string_equal(report_on(arena, &report, document), "A||\n");
    json_decref(document);
    arena_free(arena);
}

static void ages(void **state)
{
    static const struct {
        const char *birth, *study, *age;
    } cases[] = {{"20100203", "20130308", "03Y-01M-05D"},
                 {"20000229", "20010228", "01Y-00M-00D"},
                 {"20100131", "20100301", "00Y-01M-01D"},
                 {"20100203", "20100202", "NaN"},
                 {"", "20130308", "NaN"},
                 {"2010-99", "20130308", "NaN"}};
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *document = study_of(arena_printf(arena,
                                                 "{\"status\":\"success\",\"data\":[{\"PatientBirthDate\":{"
                                                 "\"value\":\"%s\"},\"StudyDate\":{\"value\":\"%s\"}}]}",
                                                 cases[i].birth, cases[i].study));
        PxReport report = of_kind(PX_REPORT_CSV);
        Err err = {0};
        assert_true(px_names_parse(&report.header_study, arena, "PatientAge", "names", &err));
        assert_string_equal(report_on(arena, &report, document), arena_printf(arena, "%s|\n", cases[i].age));
        json_decref(document);
    }
    arena_free(arena);
}

static void values_do_not_talk_to_the_terminal(void **state)
{
    Arena *arena = arena_new(0);
    json_t *document = study_of("{\"status\":\"success\",\"data\":[{\"PatientID\":{\"value\":\"a\\u001b["
                                "2Jb\\nc\\u009bd\"},\"series\":[]}]}");
    PxReport report = of_kind(PX_REPORT_RAW_TEXT);
    const char *text = report_on(arena, &report, document);
    assert_non_null(strstr(text, "a [2Jb c  d"));
    assert_null(strchr(text, '\x1b'));
    json_decref(document);
    arena_free(arena);
}

static void what_is_no_document(void **state)
{
    Arena *arena = arena_new(0);
    PxReport report = of_kind(PX_REPORT_TABULAR);
    json_t *document = study_of("{\"status\":\"success\",\"data\":\"text\"}");
    Buf out;
    buf_init(&out, 0);
    Err err = {0};
    assert_false(px_report(&report, document, &out, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    json_decref(document);
    static const char *const layouts[] = {"{", "[]", "{\"header\":{\"study\":\"PatientID\"}}",
                                          "{\"header\":{\"study\":[1]}}"};
    for (size_t i = 0; i < 4; i++)
        assert_false(px_layout_parse(&report, arena, layouts[i], &err));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_as_pypx),
        cmocka_unit_test(raw_text_as_pypx),
        cmocka_unit_test(boxes_as_pypx),
        cmocka_unit_test(csv_as_pypx),
        cmocka_unit_test(csv_tolerates_missing_numbers),
        cmocka_unit_test(study_only),
        cmocka_unit_test(ages),
        cmocka_unit_test(values_do_not_talk_to_the_terminal),
        cmocka_unit_test(what_is_no_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
