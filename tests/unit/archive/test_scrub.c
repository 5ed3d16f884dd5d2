// SPDX-License-Identifier: MIT
#include "archive/scrub.h"
#include "archive/verify.h"

#include "archive_fixture.h"

enum { OBJECTS = 5, PATIENCE_MS = 60000 };

static void store_some(void)
{
    char uid[24];
    for (int i = 1; i <= OBJECTS; i++) {
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        Spec spec = SPEC(uid);
        spec.number = i;
        assert_int_equal(store_spec(&spec), ARC_STORED);
    }
}

static void await_notice(const char *text)
{
    for (Deadline deadline = deadline_in(PATIENCE_MS); !was_noticed(text); clock_sleep_ms(10))
        if (deadline_passed(deadline))
            fail_msg("'%s' was not said, but\n%s", text, notices);
}

static ArcScrub *start(uint64_t rate)
{
    return arc_scrub_start(archive,
                           &(ArcScrubbing){.bytes_per_second = rate, .interval_ms = 3600000, .note_ms = 1});
}

static void test_off(void **state)
{
    assert_null(start(0));
    arc_scrub_stop(NULL);
}

static void test_a_finding(void **state)
{
    store_some();
    assert_int_equal(truncate(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.3"), 100), 0);
    ArcScrub *scrub = start(UINT64_C(1) << 30);
    await_notice("scrub: done, 5 objects read, 1 findings");
    arc_scrub_stop(scrub);
    assert_true(was_noticed("scrub: wrong_size: object 1.2.3.4.3"));
    assert_true(is_counted("gantry_scrub_findings_total{finding=\"wrong_size\"} 1"));
    assert_int_equal(count_instances(), OBJECTS);
}

/* Stopped after the first object, and again when it was done: the next pass is an hour away. */
static void test_it_goes_on(void **state)
{
    store_some();
    ArcScrub *scrub = start(1000);
    for (Deadline deadline = deadline_in(PATIENCE_MS); !is_counted("gantry_scrub_objects_total 6");
         clock_sleep_ms(5))
        assert_false(deadline_passed(deadline)); /* five of the test before */
    arc_scrub_stop(scrub);
    assert_false(was_noticed("scrub: done"));
    reopen_archive();
    scrub = start(UINT64_C(1) << 30);
    await_notice("goes on where it stopped");
    await_notice("scrub: done");
    arc_scrub_stop(scrub);
    assert_false(was_noticed("done, 5 objects"));
    notices[0] = 0;
    scrub = start(UINT64_C(1) << 30);
    clock_sleep_ms(300);
    arc_scrub_stop(scrub);
    assert_false(was_noticed("scrub:"));
}

static void test_from_the_middle(void **state)
{
    ArcVerified done;
    Err err = {0};
    store_some();
    ArcVerify wish = {.selection.everything = true, .after = "1.2.3.4.3"};
    assert_true(arc_verify(archive, &wish, &done, &err));
    assert_int_equal(done.checked, 2);
    assert_string_equal(done.last, "1.2.3.4.5");
    wish.after = "1.2.3.4.99";
    assert_true(arc_verify(archive, &wish, &done, &err));
    assert_int_equal(done.checked, OBJECTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_off),
        TEST(test_a_finding),
        TEST(test_it_goes_on),
        TEST(test_from_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
