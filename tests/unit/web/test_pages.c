// SPDX-License-Identifier: MIT
#include "web/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void found_again(void **state)
{
    (void)state;
    WebPages *pages = web_pages_new(4, 60000);
    int64_t newest = 0;
    assert_false(web_pages_find(pages, (WebPagesKey){1, 2}, &newest));
    web_pages_put(pages, (WebPagesKey){1, 2}, 42);
    assert_true(web_pages_find(pages, (WebPagesKey){1, 2}, &newest));
    assert_int_equal(newest, 42);
    assert_false(web_pages_find(pages, (WebPagesKey){1, 3}, &newest));
    assert_false(web_pages_find(pages, (WebPagesKey){2, 2}, &newest));
    web_pages_put(pages, (WebPagesKey){1, 2}, 43); /* begun again */
    assert_true(web_pages_find(pages, (WebPagesKey){1, 2}, &newest));
    assert_int_equal(newest, 43);
    web_pages_free(pages);
}

static void not_for_ever(void **state)
{
    (void)state;
    WebPages *pages = web_pages_new(4, 0);
    int64_t newest;
    web_pages_put(pages, (WebPagesKey){1, 2}, 42);
    assert_false(web_pages_find(pages, (WebPagesKey){1, 2}, &newest));
    web_pages_free(pages);
}

/* More lists than there is room for: one goes, never the one that came last. */
static void more_than_there_is_room_for(void **state)
{
    (void)state;
    enum { ROOM = 4 };
    WebPages *pages = web_pages_new(ROOM, 60000);
    for (uint64_t i = 1; i <= 3 * ROOM; i++) {
        int64_t newest;
        size_t known = 0;
        web_pages_put(pages, (WebPagesKey){i, i}, (int64_t)i);
        assert_true(web_pages_find(pages, (WebPagesKey){i, i}, &newest));
        assert_int_equal(newest, i);
        for (uint64_t k = 1; k <= i; k++)
            known += web_pages_find(pages, (WebPagesKey){k, k}, &newest);
        assert_int_equal(known, i < ROOM ? i : ROOM);
    }
    web_pages_free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_again),
        cmocka_unit_test(not_for_ever),
        cmocka_unit_test(more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
