// SPDX-License-Identifier: MIT
#include "dicom/pn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_parts(void **state)
{
    static const struct {
        const char *name, *group[3], *component[3][5];
    } rows[] = {
        {"", {"", "", ""}, {{"", "", "", "", ""}}},
        {"Adams^John Robert Quincy^^Rev.^B.A. M.Div.",
         {"Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "", ""},
         {{"Adams", "John Robert Quincy", "", "Rev.", "B.A. M.Div."}}},
        {"Morrison-Jones^Susan^^^Ph.D., Chief Executive Officer",
         {"Morrison-Jones^Susan^^^Ph.D., Chief Executive Officer", "", ""},
         {{"Morrison-Jones", "Susan", "", "", "Ph.D., Chief Executive Officer"}}},
        {"Doe^John^^^^ ", {"Doe^John", "", ""}, {{"Doe", "John", "", "", ""}}},
        {" Doe ^ John ", {" Doe ^ John", "", ""}, {{"Doe", "John", "", "", ""}}},
        {"Yamada^Tarou=山田^太郎=やまだ^たろう",
         {"Yamada^Tarou", "山田^太郎", "やまだ^たろう"},
         {{"Yamada", "Tarou"}, {"山田", "太郎"}, {"やまだ", "たろう"}}},
        {"=山田^太郎=", {"", "山田^太郎", ""}, {{""}, {"山田", "太郎"}, {""}}},
        {"A^B^C^D^E^F", {"A^B^C^D^E^F", "", ""}, {{"A", "B", "C", "D", "E"}}},
        {"A=B=C=D", {"A", "B", "C"}, {{"A"}, {"B"}, {"C"}}},
        {"^^^^", {"", "", ""}, {{""}}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DcmPn pn;
        dcm_pn_parse(span_cstr(rows[i].name), &pn);
        for (size_t g = 0; g < 3; g++) {
            assert_true(span_eq_cstr(pn.group[g], rows[i].group[g]));
            for (size_t c = 0; c < 5; c++)
                assert_true(span_eq(pn.component[g][c], span_cstr(rows[i].component[g][c])));
        }
    }
}

static void check_fold(const char *text, bool accents, const char *expected)
{
    Buf out;
    buf_init(&out, 0);
    dcm_fold(span_cstr(text), accents, &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

static void test_fold(void **state)
{
    static const struct {
        const char *text, *folded, *without_accents;
    } rows[] = {
        {"", "", ""},
        {"SMITH^John*?", "smith^john*?", "smith^john*?"},
        {"Buc^Jérôme", "buc^jérôme", "buc^jerome"},
        {"Je\xCC\x81ro\xCC\x82me", "jérôme", "jerome"}, /* combining marks */
        {"MÜLLER^Äneas", "müller^äneas", "muller^aneas"},
        {"Straße", "strasse", "strasse"},
        {"Łukasz^Ørsted^Đorđe^Þór^Œuvre", "łukasz^ørsted^đorđe^þór^œuvre", "lukasz^orsted^dorde^thor^oeuvre"},
        {"Nguyễn^Trường", "nguyễn^trường", "nguyen^truong"},
        {"ΔΙΟΝΥΣΙΟΣ^Άννα", "διονυσιοσ^άννα", "διονυσιοσ^αννα"},
        {"Διονυσιος", "διονυσιοσ", "διονυσιοσ"},
        {"ЛЮКСЕМБУРГ^Йосиф", "люксембург^йосиф", "люксембург^иосиф"},
        {"ﾔﾏﾀﾞ^ＡＢＣ", "ヤマダ^abc", "ヤマダ^abc"}, /* voicing marks are no accents */
        {"がぎ", "がぎ", "がぎ"},
        {"홍^길동", "홍^길동", "홍^길동"},
        {"สมชาย", "สมชาย", "สมชาย"},
        {"מֹשֶׁה", "מֹשֶׁה", "משה"},
        {"A\xff"
         "B\xc3",
         "a\xff"
         "b\xc3",
         "a\xff"
         "b\xc3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_fold(rows[i].text, false, rows[i].folded);
        check_fold(rows[i].text, true, rows[i].without_accents);
        check_fold(rows[i].folded, false, rows[i].folded);
    }
}

/* Pieces are cut where no mark is torn from its letter; the ligature that grows most fits. */
static void test_long_text(void **state)
{
    Buf text, expected, out;
    buf_init(&text, 0);
    buf_init(&expected, 0);
    buf_init(&out, 0);
    for (int i = 0; i < 1000; i++) {
        buf_append_cstr(&text, "xE\xCC\x81");
        buf_append_cstr(&expected, "xe");
    }
    dcm_fold(buf_span(&text), true, &out);
    assert_true(span_eq(buf_span(&out), buf_span(&expected)));
    buf_clear(&text);
    buf_clear(&out);
    for (int i = 0; i < 1000; i++)
        buf_append_cstr(&text, "\xEF\xB7\xBA");
    dcm_fold(buf_span(&text), true, &out);
    assert_int_equal(out.n, 1000 * 33);
    buf_free(&text);
    buf_free(&expected);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_long_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
