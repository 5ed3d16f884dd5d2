// SPDX-License-Identifier: MIT
/* Vectors are those of PS3.5 annexes H (Japanese), I (Korean), J (Unicode, GB18030) and K (GB 2312), and names in every other set. */
#include "dicom/charset.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct Vector {
    const char *terms, *encoded, *utf8;
} Vector;

#define KANJI(text)  "\x1b$B" text
#define ROMAJI       "\x1b(J"
#define LATIN        "\x1b(B"
#define KOREAN(text) "\x1b$)C" text
#define HAN(text)    "\x1b$)A" text

/* PN values that read to the text and are written back to the same bytes. */
static const Vector names[] = {
    {"", "Smith^John", "Smith^John"},
    {"ISO_IR 100", "Buc^J\xe9r\xf4me", "Buc^Jérôme"},
    {"ISO_IR 100",
     "\xc4neas^R\xfc"
     "diger",
     "Äneas^Rüdiger"},
    {"ISO_IR 101", "Wa\xb3\xeasa^J\xf3zef", "Wałęsa^Józef"},
    {"ISO_IR 109", "Ban\xa1ra^\xacurnalisti", "BanĦra^Ĵurnalisti"},
    {"ISO_IR 110", "B\xbarzi\xf1\xb9^J\xe2nis", "Bērziņš^Jânis"},
    {"ISO_IR 144",
     "\xbb\xee\xda"
     "ce\xdc\xd1yp\xd3",
     "Люкceмбypг"},
    {"ISO_IR 127", "\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"},
    {"ISO_IR 126", "\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"},
    {"ISO_IR 138", "\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"},
    {"ISO_IR 148",
     "\xc7"
     "avu\xfeo\xf0lu^\xddlker",
     "Çavuşoğlu^İlker"},
    {"ISO_IR 203", "\xbcuvre^\xa4uro", "Œuvre^€uro"},
    {"ISO_IR 166", "\xb9\xd2\xc2^\xca\xc1\xaa\xd2\xc2", "นาย^สมชาย"},
    {"ISO_IR 13", "\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"},
    {"ISO_IR 192", "Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=", "Wang^XiaoDong=王^小東="},
    {"GB18030", "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="},
    {"GB18030", "\x81\x30\x81\x30^\x94\x39\xda\x33", "\xc2\x80^\xf0\x9f\x92\xa9"},
    {"GBK", "\x8f\x5c^\xcd\xf5", "廫^王"},
    {"ISO 2022 IR 13\\ISO 2022 IR 87",
     "\xd4\xcf\xc0\xde^\xc0\xdb\xb3=" KANJI(";3ED") ROMAJI "^" KANJI("B@O:") ROMAJI "=" KANJI("$d$^$@") ROMAJI
     "^" KANJI("$?$m$&") ROMAJI,
     "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"},
    {"\\ISO 2022 IR 87",
     "Yamada^Tarou=" KANJI(";3ED") LATIN "^" KANJI("B@O:") LATIN "=" KANJI("$d$^$@") LATIN "^" KANJI("$?$m$&")
         LATIN,
     "Yamada^Tarou=山田^太郎=やまだ^たろう"},
    {"\\ISO 2022 IR 149",
     "Hong^Gildong=" KOREAN("\xfb\xf3") "^" KOREAN("\xd1\xce\xd4\xd7") "=" KOREAN("\xc8\xab") "^" KOREAN(
         "\xb1\xe6\xb5\xbf"),
     "Hong^Gildong=洪^吉洞=홍^길동"},
    {"\\ISO 2022 IR 58", "Zhang^XiaoDong=" HAN("\xd5\xc5") "^" HAN("\xd0\xa1\xb6\xab") "=",
     "Zhang^XiaoDong=张^小东="},
    {"\\ISO 2022 IR 87\\ISO 2022 IR 159", "\x1b$(D\x30\x21\x1b$B0!" LATIN, "丂亜"},
    {"ISO 2022 IR 100\\ISO 2022 IR 144",
     "R\xfc"
     "diger\x1b-L\xbb\x1b-A^\xfc",
     "RüdigerЛ^ü"},
    {"\\ISO 2022 IR 126\\ISO 2022 IR 144", "\x1b-F\xc4\x1b-L\xbb", "ΔЛ"},
};

static const DcmCharset *charset_of(const char *terms)
{
    bool known = false;
    const DcmCharset *charset = dcm_charset(span_cstr(terms), &known);
    if (!known)
        fail_msg("unknown: %s", terms);
    return charset;
}

static void check_decode(const char *terms, const char *encoded, bool pn, const char *utf8, bool ok)
{
    Buf out;
    buf_init(&out, 0);
    bool answer = dcm_charset_decode(charset_of(terms), span_cstr(encoded), pn, &out);
    assert_string_equal(buf_cstr(&out), utf8);
    assert_int_equal(answer, ok);
    buf_free(&out);
}

static void check_encode(const char *terms, const char *utf8, bool pn, const char *encoded, bool ok)
{
    Buf out;
    buf_init(&out, 0);
    bool answer = dcm_charset_encode(charset_of(terms), span_cstr(utf8), pn, &out);
    assert_string_equal(buf_cstr(&out), encoded);
    assert_int_equal(answer, ok);
    buf_free(&out);
}

static void test_names_both_ways(void **state)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_decode(names[i].terms, names[i].encoded, true, names[i].utf8, true);
        check_encode(names[i].terms, names[i].utf8, true, names[i].encoded, true);
    }
}

/* Texts that are read, but that we write in another way (or not at all). */
static void test_reading(void **state)
{
    static const struct {
        const char *terms, *encoded, *utf8;
        bool ok;
    } rows[] = {
        /* annex I.3: lines that designate at their start, also where nothing Korean follows */
        {"\\ISO 2022 IR 149",
         KOREAN("The first line includes \xb1\xe6\xb5\xbf.\r\n")
             KOREAN("The second line includes \xb1\xe6\xb5\xbf, too.\r\n") "The third line.",
         "The first line includes 길동.\r\nThe second line includes 길동, too.\r\nThe third line.", true},
        /* annex K.3 */
        {"\\ISO 2022 IR 58",
         "1." HAN("\xb5\xda\xd2\xbb\xd0\xd0\xce\xc4\xd7\xd6\xa1\xa3\r\n") "2." HAN(
             "\xb5\xda\xb6\xfe\xd0\xd0"),
         "1.第一行文字。\r\n2.第二行", true},
        /* the escape forgotten after a delimiter, and altogether */
        {"\\ISO 2022 IR 149", "Hong^Gildong=" KOREAN("\xfb\xf3") "^\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞",
         true},
        {"ISO 2022 IR 149", "\xc8\xab^\xb1\xe6\xb5\xbf", "홍^길동", true},
        /* Unified Hangul Code under IR 149, Shift-JIS under IR 13, windows-1252 under IR 100 */
        {"\\ISO 2022 IR 149", KOREAN("\x8c\x63"), "똠", true},
        {"ISO_IR 13", "\x8e\x52\x93\x63^\xc0", "山田^ﾀ", true},
        {"ISO_IR 100", "a\x96z \x80", "a–z €", true},
        /* no set for the upper half: UTF-8 if it is that, else Latin-1 */
        {"", "J\xc3\xa9r\xf4me", "Jérôme", true},
        /* escapes where none were declared; the edition of 1978; katakana in G0 is not known */
        {"", KANJI(";3ED") LATIN "^A", "山田^A", true},
        {"ISO_IR 100", "\x1b$@;3\x1b(B\xe9", "山é", true},
        {"\\ISO 2022 IR 87", "\x1b$(B;3\x1b(B", "山", true},
        {"\\ISO 2022 IR 87", "\x1b(I1", "\xEF\xBF\xBD(I1", false},
        /* space and line end inside a run; the line end brings ASCII back */
        {"\\ISO 2022 IR 87", KANJI(";3 ED\r\n;3"), "山 田\r\n;3", true},
        /* overline and yen sign of ISO-IR 14: the latter is the delimiter and stays a backslash */
        {"ISO_IR 13", "a~\\", "a‾\\", true},
        {"ISO 2022 IR 13\\ISO 2022 IR 87", "~" LATIN "~" ROMAJI "~", "‾~‾", true},
        /* broken */
        {"\\ISO 2022 IR 87", KANJI(";3E"), "山\xEF\xBF\xBD", false},
        {"\\ISO 2022 IR 87", KANJI("\x7e\x7e"), "\xEF\xBF\xBD", false},
        {"\\ISO 2022 IR 149", KOREAN("\xb1"), "\xEF\xBF\xBD", false},
        {"GB18030", "\xcd\xf5\xff\x81", "王\xEF\xBF\xBD\xEF\xBF\xBD", false},
        {"GB18030", "\x81\x30\x81",
         "\xEF\xBF\xBD"
         "0\xEF\xBF\xBD",
         false},
        {"ISO_IR 192", "a\xc3z\xed\xa0\x80\xf0\x9f",
         "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", false},
        {"ISO_IR 138", "\xa1", "\xEF\xBF\xBD", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_decode(rows[i].terms, rows[i].encoded, false, rows[i].utf8, rows[i].ok);
}

static void test_writing(void **state)
{
    static const struct {
        const char *terms, *utf8, *encoded;
        bool ok;
    } rows[] = {
        {"", "Jérôme", "J?r?me", false},
        {"ISO_IR 100", "Wałęsa", "Wa??sa", false},
        {"ISO_IR 100", "–", "?", false}, /* read from windows-1252, never written */
        {"ISO_IR 192", "王\xff", "王?", false},
        {"GBK", "王😀", "\xcd\xf5?", false},
        {"GB18030", "·—", "\xa1\xa4\xa1\xaa", true},
        /* a character of one table at home elsewhere in the other */
        {"\\ISO 2022 IR 58", "·—", HAN("\xa1\xa4\xa1\xaa"), true},
        {"\\ISO 2022 IR 87", "～", KANJI("!A") LATIN, true},
        /* an escape in the text is no designation; a yen sign is no delimiter */
        {"\\ISO 2022 IR 87", "\x1b$B", "?$B", false},
        {"ISO_IR 13", "¥~‾\\", "??~\\", false},
        {"ISO 2022 IR 13\\ISO 2022 IR 87", "¥", KANJI("!o") ROMAJI, true},
        /* delimiters: nothing stays open across line ends, ^ matters in names only */
        {"\\ISO 2022 IR 87", "山\r\n山^田", KANJI(";3") LATIN "\r\n" KANJI(";3") LATIN "^" KANJI("ED") LATIN,
         true},
        {"\\ISO 2022 IR 149", "길^길\t길", KOREAN("\xb1\xe6^\xb1\xe6\t") KOREAN("\xb1\xe6"), true},
        /* the first of the sets that has it: katakana from IR 13, kanji from 87, the rest from 159 */
        {"ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159", "ｱア丂", "\xb1" KANJI("%\"") "\x1b$(D0!" ROMAJI,
         true},
        {"\\ISO 2022 IR 58", "龘", "?", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_encode(rows[i].terms, rows[i].utf8, false, rows[i].encoded, rows[i].ok);
}

static void test_value_end(void **state)
{
    static const struct {
        const char *terms, *encoded;
        size_t end;
    } rows[] = {
        {"", "ab\\c", 2},
        {"", "abc", 3},
        {"", "", 0},
        {"ISO_IR 192", "\xe7\x8e\x8b\\b", 3},
        {"GBK", "\x8f\x5c\\b", 2}, /* second byte of a character */
        {"GB18030", "\x81\x30\x81\x30\\", 4},
        {"GB18030", "\x8f\x5c\x8f\x5c", 4},
        {"ISO_IR 13", "\x95\x5c\\", 2}, /* Shift-JIS */
        {"ISO_IR 13", "\xc0\\", 1},
        {"ISO_IR 100", "\xe9\\", 1},
        {"\\ISO 2022 IR 87", KANJI("!\\") LATIN "\\b", 8}, /* second half of a kanji */
        {"\\ISO 2022 IR 87", KANJI("\\!") LATIN "\\b", 8}, /* first half */
        {"\\ISO 2022 IR 87", KANJI(";3") LATIN "\\b", 8},
        {"\\ISO 2022 IR 87", KANJI(";3\\\x1b(B"), 5}, /* not a pair: the way back was forgotten */
        {"\\ISO 2022 IR 149", KOREAN("\xb1\xe6\\b"), 6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(dcm_charset_value_end(charset_of(rows[i].terms), span_cstr(rows[i].encoded), false),
                         rows[i].end);
}

static void test_terms(void **state)
{
    static const struct {
        const char *written, *meant;
    } rows[] = {
        {"", ""},
        {" ", ""},
        {"ISO_IR 6", ""},
        {"ISO 2022 IR 6", "ISO 2022 IR 6"},
        {"ISO_IR 100", "ISO_IR 100"},
        {"ISO_IR 100 ", "ISO_IR 100"},
        {"ISO-IR 100", "ISO_IR 100"},
        {"ISO_IR_100", "ISO_IR 100"},
        {"ISO IR 100", "ISO_IR 100"},
        {"iso_ir100", "ISO_IR 100"},
        {"IR 100", "ISO_IR 100"},
        {"ISO 100", "ISO_IR 100"},
        {"latin1", "ISO_IR 100"},
        {"ISO-8859-1", "ISO_IR 100"},
        {"ISO_8859-15", "ISO_IR 203"},
        {"8859-5", "ISO_IR 144"},
        {"UTF-8", "ISO_IR 192"},
        {"utf8", "ISO_IR 192"},
        {"ISO_IR 192\\ISO 2022 IR 87", "ISO_IR 192"},
        {"ISO 2022 IR 192", "ISO_IR 192"},
        {"\\ISO_IR 192", "ISO_IR 192"},
        {"ISO_IR 100\\ISO_IR 192", "ISO 2022 IR 100"},
        {"gb18030", "GB18030"},
        {"GB 18030", "GB18030"},
        {"GBK", "GBK"},
        {"ISO_IR 100\\ISO_IR 144", "ISO 2022 IR 100\\ISO 2022 IR 144"},
        {"ISO_IR 13\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 87"},
        {"ISO 2022 IR 6\\ISO 2022 IR 100", "ISO 2022 IR 6\\ISO 2022 IR 100"},
        {"ISO2022IR6\\ISO-2022-IR-87", "ISO 2022 IR 6\\ISO 2022 IR 87"},
        {"\\ISO 2022 IR 87\\ISO 2022 IR 87", "\\ISO 2022 IR 87"},
        {"ISO 2022 IR 87", "\\ISO 2022 IR 87"},
        {"ISO_IR 149", "\\ISO 2022 IR 149"},
        {"SHIFT_JIS", "ISO_IR 13"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(dcm_charset_terms(charset_of(rows[i].written)), rows[i].meant);
    assert_string_equal(dcm_charset_terms(dcm_charset_default()), "");
    assert_string_equal(dcm_charset_terms(dcm_charset_utf8()), "ISO_IR 192");
}

static void test_unknown_terms(void **state)
{
    static const char *const rows[] = {"KLINGON",     "ISO_IR 99",
                                       "ISO_IR",      "100",
                                       "ISO_IR 100x", "ISO_IR 1000000000000",
                                       "ISO-8859-10", "a very very very long term that is none"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool known = true;
        assert_ptr_equal(dcm_charset(span_cstr(rows[i]), &known), dcm_charset_default());
        assert_false(known);
    }
    bool known = true;
    const DcmCharset *rest = dcm_charset(SPAN("KLINGON\\ISO 2022 IR 87"), &known);
    assert_false(known);
    assert_string_equal(dcm_charset_terms(rest), "\\ISO 2022 IR 87");
    assert_non_null(dcm_charset(SPAN("X"), NULL));
}

static void test_shared(void **state)
{
    assert_ptr_equal(charset_of("ISO_IR 100"), charset_of("iso-ir 100"));
    assert_ptr_equal(charset_of("\\ISO 2022 IR 87"), charset_of("\\ISO 2022 IR 87 "));
    assert_ptr_not_equal(charset_of("ISO_IR 100"), charset_of("ISO 2022 IR 100"));
}

static void *work(void *arg)
{
    for (int round = 0; round < 50; round++)
        test_names_both_ways(NULL);
    return arg;
}

static void test_threads(void **state)
{
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* More combinations than are ever kept: memory is bounded, reading stays right. */
static void test_flood_of_combinations(void **state)
{
    static const char *const irs[] = {"100", "101", "109", "110", "144", "127", "126",
                                      "138", "148", "203", "166", "13",  "87",  "58"};
    for (size_t i = 0; i < 14 * 14 * 14 * 2; i++) {
        char terms[128];
        snprintf(terms, sizeof terms, "ISO 2022 IR %s\\ISO 2022 IR %s\\ISO 2022 IR %s\\ISO 2022 IR %s",
                 irs[i % 12], irs[i / 14 % 14], irs[i / 196 % 14], irs[i * 5 % 14]);
        assert_memory_equal(dcm_charset_terms(charset_of(terms)), terms, 14);
    }
    check_decode("ISO 2022 IR 166\\ISO 2022 IR 87\\ISO 2022 IR 58\\ISO 2022 IR 13", KANJI(";3") LATIN, false,
                 "山", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_both_ways),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_value_end),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_unknown_terms),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_flood_of_combinations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
