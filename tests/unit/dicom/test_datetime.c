// SPDX-License-Identifier: MIT
#include "dicom/datetime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef bool (*Parse)(Span, DcmTimeRange *);

/* "20040119 103000.000000" of an instant; "-" when open. */
static void instant(int64_t us, bool date, char out[64])
{
    char day[9] = "", time[14];
    if (us == INT64_MIN || us == INT64_MAX) {
        snprintf(out, 64, "-");
        return;
    }
    if (date)
        dcm_da_format(us, day);
    dcm_tm_format(us, time);
    snprintf(out, 64, "%s%s%s", day, date ? " " : "", time);
}

static void check(Parse parse, bool date, const char *text, const char *from, const char *to)
{
    DcmTimeRange range = {77, 78, false};
    char have[64];
    if (parse(span_cstr(text), &range) != (from != NULL))
        fail_msg("%s was %s", text, from ? "refused" : "taken");
    if (!from) {
        assert_int_equal(range.from, 77);
        return;
    }
    instant(range.from, date, have);
    assert_string_equal(have, from);
    instant(range.to, date, have);
    assert_string_equal(have, to);
}

typedef struct Row {
    const char *text, *from, *to; /* from NULL: no value */
} Row;

#define CHECK_ROWS(rows, parse, date)                                                                        \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++)                                               \
    check(parse, date, (rows)[i].text, (rows)[i].from, (rows)[i].to)

static void test_da(void **state)
{
    static const Row rows[] = {
        {"20040119", "20040119 000000.000000", "20040119 235959.999999"},
        {" 20040119 ", "20040119 000000.000000", "20040119 235959.999999"},
        {"2004.01.19", "20040119 000000.000000", "20040119 235959.999999"},
        {"2004-01-19", "20040119 000000.000000", "20040119 235959.999999"},
        {"2004", "20040101 000000.000000", "20041231 235959.999999"},
        {"200402", "20040201 000000.000000", "20040229 235959.999999"},
        {"20000229", "20000229 000000.000000", "20000229 235959.999999"},
        {"00010101", "00010101 000000.000000", "00010101 235959.999999"},
        {"99991231", "99991231 000000.000000", "99991231 235959.999999"},
        {"19000229", NULL, NULL},
        {"20230229", NULL, NULL},
        {"20041301", NULL, NULL},
        {"20040100", NULL, NULL},
        {"20040431", NULL, NULL},
        {"00000000", NULL, NULL},
        {"", NULL, NULL},
        {"2004011", NULL, NULL},
        {"200401190", NULL, NULL},
        {"2004.01", NULL, NULL},
        {"2004.01-19", NULL, NULL},
        {"2004011x", NULL, NULL},
        {"ABCD", NULL, NULL},
    };
    CHECK_ROWS(rows, dcm_da_parse, true);
}

static void test_tm(void **state)
{
    static const Row rows[] = {
        {"10", "100000.000000", "105959.999999"},
        {"1030", "103000.000000", "103059.999999"},
        {"103005", "103005.000000", "103005.999999"},
        {"103005.5", "103005.500000", "103005.599999"},
        {"103005.123456", "103005.123456", "103005.123456"},
        {"103005.123456789", "103005.123456", "103005.123456"},
        {"10:30:05", "103005.000000", "103005.999999"},
        {"10:30", "103000.000000", "103059.999999"},
        {"10:30:05.25", "103005.250000", "103005.259999"},
        {"000000", "000000.000000", "000000.999999"},
        {"24", "240000.000000", "240000.000000"},
        {"240000", "240000.000000", "240000.000000"},
        {"24:00:00.000", "240000.000000", "240000.000000"},
        {"235960", "235959.999999", "235959.999999"},
        {"235960.5", "235959.999999", "235959.999999"},
        {"103005 ", "103005.000000", "103005.999999"},
        {"", NULL, NULL},
        {"1", NULL, NULL},
        {"103", NULL, NULL},
        {"2401", NULL, NULL},
        {"240000.1", NULL, NULL},
        {"25", NULL, NULL},
        {"1060", NULL, NULL},
        {"103061", NULL, NULL},
        {"103005.", NULL, NULL},
        {"10:3005", NULL, NULL},
        {"10.5", NULL, NULL},
        {"103005Z", NULL, NULL},
    };
    CHECK_ROWS(rows, dcm_tm_parse, false);
}

static void test_dt(void **state)
{
    static const Row rows[] = {
        {"2004", "20040101 000000.000000", "20041231 235959.999999"},
        {"200401", "20040101 000000.000000", "20040131 235959.999999"},
        {"20040119", "20040119 000000.000000", "20040119 235959.999999"},
        {"2004011910", "20040119 100000.000000", "20040119 105959.999999"},
        {"20040119103005.25", "20040119 103005.250000", "20040119 103005.259999"},
        {"20040119103005.250000-0500", "20040119 153005.250000", "20040119 153005.250000"},
        {"20040119003005+0130", "20040118 230005.000000", "20040118 230005.999999"},
        {"20040119-0500", "20040119 050000.000000", "20040120 045959.999999"},
        {"2004+1400", "20031231 100000.000000", "20041231 095959.999999"},
        {"20041231240000", "20050101 000000.000000", "20050101 000000.000000"},
        {"20041231235960", "20041231 235959.999999", "20041231 235959.999999"},
        {"", NULL, NULL},
        {"20040119103005+1500", NULL, NULL},
        {"20040119103005-1201", NULL, NULL},
        {"20040119103005+01", NULL, NULL},
        {"20040119103005Z", NULL, NULL},
        {"20040119 103005", NULL, NULL},
        {"20040119103005.", NULL, NULL},
        {"20040230", NULL, NULL},
    };
    CHECK_ROWS(rows, dcm_dt_parse, true);
    DcmTimeRange range;
    assert_true(dcm_dt_parse(SPAN("2004011910"), &range));
    assert_false(range.has_offset);
    assert_true(dcm_dt_parse(SPAN("2004011910+0000"), &range));
    assert_true(range.has_offset);
}

static void test_da_ranges(void **state)
{
    static const Row rows[] = {
        {"20040119", "20040119 000000.000000", "20040119 235959.999999"},
        {"20040119-20040201", "20040119 000000.000000", "20040201 235959.999999"},
        {"20040119-", "20040119 000000.000000", "-"},
        {"-20040119", "-", "20040119 235959.999999"},
        {"20040119 - 20040201 ", "20040119 000000.000000", "20040201 235959.999999"},
        {"2004.01.19-2004.02.01", "20040119 000000.000000", "20040201 235959.999999"},
        {"2004-01-19-2004-02-01", "20040119 000000.000000", "20040201 235959.999999"},
        {"2004-01-19", "20040119 000000.000000", "20040119 235959.999999"},
        {"2003-2004", "20030101 000000.000000", "20041231 235959.999999"},
        {"20040201-20040231", "20040201 000000.000000", "20040229 235959.999999"},
        {"20230431-20231131", "20230430 000000.000000", "20231130 235959.999999"},
        {"20040231", NULL, NULL},
        {"20040201-20040232", NULL, NULL},
        {"20040201-20041331", NULL, NULL},
        {"20050101-20040101", "20050101 000000.000000", "20040101 235959.999999"},
        {"-", NULL, NULL},
        {"", NULL, NULL},
        {"20040119-x", NULL, NULL},
        {"20040119-20040201-", NULL, NULL},
        {"--20040119", NULL, NULL},
    };
    CHECK_ROWS(rows, dcm_da_range, true);
}

static void test_tm_ranges(void **state)
{
    static const Row rows[] = {
        {"10-11", "100000.000000", "115959.999999"},
        {"1030-", "103000.000000", "-"},
        {"-103005.5", "-", "103005.599999"},
        {"10:30-11:00:00", "103000.000000", "110000.999999"},
        {"23-24", "230000.000000", "240000.000000"},
        {"10", "100000.000000", "105959.999999"},
        {"10-11-12", NULL, NULL},
        {"-", NULL, NULL},
    };
    CHECK_ROWS(rows, dcm_tm_range, false);
}

static void test_dt_ranges(void **state)
{
    static const Row rows[] = {
        {"20040119-0500", "20040119 050000.000000", "20040120 045959.999999"}, /* an offset, no range */
        {"2004-2005", "20040101 000000.000000", "20051231 235959.999999"},     /* no such offset: a range */
        {"20040101-0500-20050101-0500", "20040101 050000.000000", "20050102 045959.999999"},
        {"20040101-0500-", "20040101 050000.000000", "-"},
        {"-20050101-0500", "-", "20050102 045959.999999"},
        {"-20050101+0100", "-", "20050101 225959.999999"},
        {"20040101+0100-20040102+0200", "20031231 230000.000000", "20040102 215959.999999"},
        {"2004010110-2004010112", "20040101 100000.000000", "20040101 125959.999999"},
        {"2004010110+0100-2004010112", "20040101 090000.000000", "20040101 115959.999999"},
        {"2004010110-2004010112+0100", "20040101 090000.000000", "20040101 115959.999999"},
        {"2004010110-", "20040101 100000.000000", "-"},
        {"-", NULL, NULL},
        {"2004-2005-2006", NULL, NULL},
    };
    CHECK_ROWS(rows, dcm_dt_range, true);
    char longest[200];
    memset(longest, '-', sizeof longest);
    DcmTimeRange range;
    assert_false(dcm_dt_range(span_of(longest, sizeof longest), &range));
}

static void test_offsets(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int minutes;
    } rows[] = {
        {"+0130", true, 90},  {"-0500", true, -300}, {"+1400", true, 840}, {"-1200", true, -720},
        {"+0000", true, 0},   {" +0100 ", true, 60}, {"+1401", false, 0},  {"-1201", false, 0},
        {"0100", false, 0},   {"+01", false, 0},     {"+0160", false, 0},  {"", false, 0},
        {"+01000", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int minutes = 12345;
        assert_int_equal(dcm_utc_offset_parse(span_cstr(rows[i].text), &minutes), rows[i].ok);
        assert_int_equal(minutes, rows[i].ok ? rows[i].minutes : 12345);
    }
}

/* Every day of four centuries has the name after that of the day before. */
static void test_format(void **state)
{
    char before[9] = "", day[9], time[14];
    for (int64_t d = 0; d < 146097; d++) {
        dcm_da_format(d * DCM_DAY_US, day);
        assert_true(strcmp(before, day) < 0);
        DcmTimeRange range;
        assert_true(dcm_da_parse(span_cstr(day), &range));
        assert_int_equal(range.from, d * DCM_DAY_US);
        memcpy(before, day, sizeof before);
    }
    assert_string_equal(before, "04001231");
    dcm_da_format(INT64_MIN, day);
    assert_string_equal(day, "00010101");
    dcm_da_format(INT64_MAX, day);
    assert_string_equal(day, "99991231");
    dcm_tm_format(INT64_MIN, time);
    assert_string_equal(time, "000000.000000");
    dcm_tm_format(INT64_MAX, time);
    assert_string_equal(time, "235959.999999");
    dcm_tm_format(DCM_DAY_US * 5 + 1, time);
    assert_string_equal(time, "000000.000001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_da),        cmocka_unit_test(test_tm),        cmocka_unit_test(test_dt),
        cmocka_unit_test(test_da_ranges), cmocka_unit_test(test_tm_ranges), cmocka_unit_test(test_dt_ranges),
        cmocka_unit_test(test_offsets),   cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
