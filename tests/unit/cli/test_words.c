// SPDX-License-Identifier: MIT
/* cli/words: a text is split as people expect, and nothing in it is acted on. */
#include "cli/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void texts_are_split(void **state)
{
    static const struct {
        const char *text, *words; /* joined by | */
    } cases[] = {{"", ""},
                 {"  \t\n ", ""},
                 {"a  b\tc", "a|b|c"},
                 {"'a b' \"c d\"", "a b|c d"},
                 {"x'a b'y", "xa by"},
                 {"'' \"\" z", "||z"},
                 {"'a\\b' \"a\\\"b\" a\\ b", "a\\b|a\"b|a b"},
                 {"$(x) `y` ;z &", "$(x)|`y`|;z|&"},
                 {"end\\", "end\\"},
                 {"O\\'Neil", "O'Neil"},
                 {"--PatientName=\"Doe, Jane\"", "--PatientName=Doe, Jane"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Arena *arena = arena_new(0);
        Words words = {.arena = arena};
        Err err = {0};
        assert_true(words_split(&words, cases[i].text, &err));
        char joined[200] = "";
        for (int k = 0; k < words.count; k++)
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", k ? "|" : "",
                     words.items[k]);
        assert_string_equal(joined, cases[i].words);
        arena_free(arena);
    }
}

static void what_cannot_be_split(void **state)
{
    static const char *const texts[] = {"'", "a \"b", "'a\\'b'"};
    Err err = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Arena *arena = arena_new(0);
        Words words = {.arena = arena};
        assert_false(words_split(&words, texts[i], &err));
        assert_int_equal(err.code, ERR_USAGE);
        arena_free(arena);
    }
}

static void there_is_a_limit(void **state)
{
    Arena *arena = arena_new(0);
    Words words = {.arena = arena};
    char text[2 * WORDS_MAX + 2];
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = i % 2 ? ' ' : 'w';
    text[sizeof text - 1] = 0;
    Err err = {0};
    assert_false(words_split(&words, text, &err));
    text[2 * WORDS_MAX] = 0;
    words.count = 0;
    assert_true(words_split(&words, text, &err));
    assert_int_equal(words.count, WORDS_MAX);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_split),
        cmocka_unit_test(what_cannot_be_split),
        cmocka_unit_test(there_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
