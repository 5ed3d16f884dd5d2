// SPDX-License-Identifier: MIT
#include "web/http_condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define THEN   "Sun, 06 Nov 1994 08:49:37 GMT"
enum { THEN_SECONDS = 784111777 };

static void answers(void **state)
{
    static const struct {
        HttpConditions c;
        bool unsafe;
        ConditionAnswer answer;
    } rows[] = {
        {{0}, false, CONDITION_GO_ON},
        {{.if_none_match = "\"a\""}, false, CONDITION_NOT_MODIFIED},
        {{.if_none_match = "W/\"a\""}, false, CONDITION_NOT_MODIFIED},
        {{.if_none_match = "\"x\", \"a\""}, false, CONDITION_NOT_MODIFIED},
        {{.if_none_match = "\"a-gzip\""}, false, CONDITION_NOT_MODIFIED},
        {{.if_none_match = "*"}, false, CONDITION_NOT_MODIFIED},
        {{.if_none_match = "\"x\""}, false, CONDITION_GO_ON},
        {{.if_none_match = "a"}, false, CONDITION_GO_ON},
        {{.if_none_match = "\"a"}, false, CONDITION_GO_ON},
        {{.if_none_match = ""}, false, CONDITION_GO_ON},
        {{.if_none_match = "\"a\""}, true, CONDITION_FAILED},
        {{.if_match = "\"a\""}, true, CONDITION_GO_ON},
        {{.if_match = "*"}, true, CONDITION_GO_ON},
        {{.if_match = "W/\"a\""}, true, CONDITION_FAILED},
        {{.if_match = "\"b\""}, true, CONDITION_FAILED},
        {{.if_modified_since = THEN}, false, CONDITION_NOT_MODIFIED},
        {{.if_modified_since = BEFORE}, false, CONDITION_GO_ON},
        {{.if_modified_since = "yesterday"}, false, CONDITION_GO_ON},
        {{.if_modified_since = THEN}, true, CONDITION_GO_ON},
        /* The tag decides when both are there. */
        {{.if_none_match = "\"x\"", .if_modified_since = THEN}, false, CONDITION_GO_ON},
        {{.if_unmodified_since = BEFORE}, true, CONDITION_FAILED},
        {{.if_unmodified_since = THEN}, true, CONDITION_GO_ON},
        {{.if_unmodified_since = "never"}, true, CONDITION_GO_ON},
        {{.if_match = "\"a\"", .if_unmodified_since = BEFORE}, true, CONDITION_GO_ON},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (condition_check(&rows[i].c, "a", THEN_SECONDS, !rows[i].unsafe) != rows[i].answer)
            fail_msg("row %zu", i);
    assert_int_equal(condition_check(&(HttpConditions){.if_none_match = "\"a\""}, NULL, 0, true),
                     CONDITION_GO_ON);
}

static void if_range(void **state)
{
    assert_true(condition_if_range(NULL, "a", 0));
    assert_true(condition_if_range("\"a\"", "a", 0));
    assert_false(condition_if_range("W/\"a\"", "a", 0));
    assert_false(condition_if_range("\"b\"", "a", 0));
    assert_true(condition_if_range(THEN, NULL, THEN_SECONDS));
    assert_false(condition_if_range(BEFORE, NULL, THEN_SECONDS));
    assert_false(condition_if_range("junk", NULL, THEN_SECONDS));
    assert_false(condition_if_range(THEN, NULL, 0));
}

static void dates(void **state)
{
    static const char *const forms[] = {THEN, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < 3; i++) {
        int64_t seconds;
        assert_true(http_date_parse(forms[i], &seconds));
        assert_int_equal(seconds, THEN_SECONDS);
    }
    int64_t seconds;
    assert_false(http_date_parse(THEN " and more", &seconds));
    char text[HTTP_DATE_SIZE];
    http_date_format(THEN_SECONDS, text);
    assert_string_equal(text, THEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(if_range),
                                       cmocka_unit_test(dates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
