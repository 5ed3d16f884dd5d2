// SPDX-License-Identifier: MIT
#include "archive/archive_internal.h"

#include "archive_fixture.h"

static Arena *arena;

static int setup(void **state)
{
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static void test_clean(void **state)
{
    const char *name = layout_name(arena, SPAN("PAT-001"), SPAN("1.2.3"), SPAN("1.2.3.4"), SPAN("1.2.3.4.5"));
    assert_string_equal(name, "PAT-001/1.2.3/1.2.3.4/1.2.3.4.5");
}

static void test_parts(void **state)
{
    static const struct {
        Span value;
        const char *part;
    } cases[] = {
        {SPAN("12345"), "12345"},
        {SPAN("A B^C=D:E*?~"), "A B^C=D:E*?~"},
        {SPAN("山田"), "山田"},
        {SPAN("Grüße 😀"), "Grüße 😀"},
        {SPAN(""), "%"},
        {SPAN("."), "%2E"},
        {SPAN(".."), "%2E."},
        {SPAN(".hidden"), "%2Ehidden"},
        {SPAN("a.b."), "a.b."},
        {SPAN("../../etc"), "%2E.%2F..%2Fetc"},
        {SPAN("/etc/passwd"), "%2Fetc%2Fpasswd"},
        {SPAN("a\\b"), "a%5Cb"},
        {SPAN("100%"), "100%25"},
        {SPAN("%2E"), "%252E"},
        {SPAN("a\0b"), "a%00b"},
        {SPAN("a\nb\x7F"), "a%0Ab%7F"},
        {SPAN("\xC2\x85"), "%C2%85"},               /* a control character of C1 */
        {SPAN("\xFFx\xC3"), "%FFx%C3"},             /* no UTF-8 */
        {SPAN("\xC0\xAF"), "%C0%AF"},               /* '/' written overlong */
        {SPAN("\xE0\x80\xAF"), "%E0%80%AF"},        /* again */
        {SPAN("\xED\xA0\x80"), "%ED%A0%80"},        /* a surrogate */
        {SPAN("\xF4\x90\x80\x80"), "%F4%90%80%80"}, /* beyond Unicode */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(layout_part(arena, cases[i].value), cases[i].part);
}

/* Long ones are cut between characters and told apart by their hash. */
static void test_long(void **state)
{
    char digits[256], kanji[301];
    memset(digits, '7', sizeof digits);
    assert_int_equal(strlen(layout_part(arena, span_of(digits, 200))), 200);
    const char *cut = layout_part(arena, span_of(digits, 201));
    assert_int_equal(strlen(cut), 150 + 2 + 32);
    assert_memory_equal(cut + 150, "%%", 2);
    assert_string_not_equal(cut, layout_part(arena, span_of(digits, 202)));

    for (int i = 0; i < 100; i++)
        memcpy(kanji + 3 * i, "漢", 4);
    const char *part = layout_part(arena, span_cstr(kanji));
    assert_int_equal(strlen(kanji), 300);
    assert_int_equal(strlen(part), 150 + 34);
    assert_memory_equal(part, kanji, 150);
    const char *name = layout_name(arena, span_cstr(kanji), SPAN(""), SPAN(".."), span_of(digits, 250));
    assert_true(file_is_safe_relative(name));
}

/* Every two bytes, alone and long: safe, and no two alike. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void test_injective(void **state)
{
    enum { N = 256 * 256 };
    const char **parts = calloc(N, sizeof *parts);
    for (int i = 0; i < N; i++) {
        uint8_t two[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        parts[i] = layout_part(arena, span_of(two, 2));
        if (!file_is_safe_relative(parts[i]) || strchr(parts[i], '/') || parts[i][0] == '.')
            fail_msg("'%s' is no safe part", parts[i]);
    }
    qsort(parts, N, sizeof *parts, by_text);
    for (int i = 1; i < N; i++)
        assert_string_not_equal(parts[i - 1], parts[i]);
    free(parts);
}

static void test_variant(void **state)
{
    static const uint8_t content[16] = {0xAB, 1};
    assert_string_equal(layout_variant(arena, "p/s/e/1.2", content),
                        "p/s/e/1.2%+ab010000000000000000000000000000");
    assert_string_equal(layout_variant_mark("p/s/e/1.2%+ab010000000000000000000000000000"),
                        "%+ab010000000000000000000000000000");
    assert_null(layout_variant_mark("p/s/e/1.2%+ab01000000000000000000000000000g"));
    assert_null(layout_variant_mark("p/s/e/1.2%+ab010000000000000000000000000000.dcm"));
    assert_null(layout_variant_mark("1.2"));
    assert_null(layout_variant_mark(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_injective, setup, teardown),
        cmocka_unit_test_setup_teardown(test_variant, setup, teardown),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
